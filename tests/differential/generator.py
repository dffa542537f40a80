"""generator.py - writes SELECTs over the relations of dataset.py.

A case is a function of (seed, number) alone.  Constants are mostly values that stand in the
column, or near misses of them: most queries should find something and not everything.
"""
import random

from query import Compound, Constant, Derived, Field, Node, Order, Select, Source
from traps import ANYTHING, GLOBS, PATTERNS

COMPARISONS = ["=", "=", "=", "<>", "<", "<=", ">", ">=", "IS", "IS NOT", "==", "!="]
FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
INT64_MAX = 2**63 - 1


def near_misses(value, rng):
    """Values that a careless comparison takes for VALUE, or puts on its wrong side."""
    if isinstance(value, bool) or value is None:
        return [None]
    if isinstance(value, int):
        found = [float(value), str(value), f" {value} ", f"{value}.0", value + 0.5, value - 0.5,
                 str(value) + "x", str(value).encode()]
        return found + [v for v in (value + 1, value - 1) if -INT64_MAX <= v <= INT64_MAX]
    if isinstance(value, float):
        found = [repr(value), value * (1 + 2**-52), -value, value + 0.5]
        return found + ([int(value)] if abs(value) < 2**63 else [])
    if isinstance(value, bytes):
        return [value + b"\0", value[:-1], value.decode("latin1"), value.upper(), value + b"a"]
    found = [value.upper(), value.lower(), value.swapcase(), value + " ", value.rstrip(" "), value[:-1],
             value + "\0", value.encode(), value + "a", " " + value, value + "0"]
    if len(value) >= 10 and value[4:5] == "-":
        found += [value[:10], value[:10] + " 00:00:00", value.replace(" ", "T"), value + ".000",
                  value[:10] + " 23:59:59", value + "Z", value[:7], value[:10] + " 00:00"] * 2
    try:
        found += [float(value), int(float(value))] if abs(float(value)) < 2**62 else [float(value)]
    except ValueError:
        pass
    return found


def storable(value):
    """Python's sqlite3 binds neither NaN as a number nor integers beyond 64 bits."""
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, int) and not -INT64_MAX - 1 <= value <= INT64_MAX:
        return float(value)
    return value


class Generator:
    """TABLES: server -> list of Table. MAIN: the server under test. A server that is absent from
    TABLES takes no part."""

    def __init__(self, tables, main, seed, number):
        self.tables = tables
        self.main = main
        self.rng = random.Random(f"{seed}:{number}")
        self.aliases = 0

    def chance(self, share):
        return self.rng.random() < share

    # --- sources and columns -----------------------------------------------------------------

    def new_alias(self):
        self.aliases += 1
        return f"t{self.aliases - 1}"

    def source(self, server=None, local=False, small=False):
        """A source and the fields of its columns."""
        server = server or self.main
        tables = [t for t in self.tables[server] if not small or len(t.rows) < 60]
        table = self.rng.choice(tables)
        alias = self.new_alias()
        fields = [Field(alias, c.name, c) for c in table.columns]
        if table.key == ("id",) and self.chance(0.3):
            fields.append(Field(alias, "rowid", table.column("id")))
        return Source(server, table.sql_name, alias, local), fields

    def field(self, fields, wanted=lambda column: True):
        found = [f for f in fields if f.column is None or wanted(f.column)]
        return self.rng.choice(found or fields)

    # --- constants ---------------------------------------------------------------------------

    def one_value(self, column):
        rng = self.rng
        roll = rng.random()
        values = column.values if column else ANYTHING
        if roll < 0.5:
            value = rng.choice(values)
            if isinstance(value, str) and column and column.kind.numeric and self.chance(0.7):
                value = float(value) if "." in value or "e" in value else int(value)
        elif roll < 0.75:
            value = rng.choice(near_misses(rng.choice(values), rng))
        else:
            value = rng.choice(ANYTHING)
        return storable(value)

    def constant(self, column, own=False):
        """OWN: a value that stands in the column."""
        if own and column:
            return Constant(storable(self.rng.choice(column.values)))
        return Constant(*[self.one_value(column) for _ in range(3)])

    def expression_constant(self, column):
        """A constant that SQLite has to work out first."""
        c = self.constant(column)
        return self.rng.choice([
            c, c, c, c, c, c, Node("+{}", c, value=True), Node("({} || '')", c, value=True),
            Node("CAST({} AS TEXT)", c, value=True), Node("CAST({} AS INTEGER)", c, value=True),
            Node("CAST({} AS REAL)", c, value=True), Node("CAST({} AS BLOB)", c, value=True),
            Node("coalesce({}, 5)", c, value=True), Node("(SELECT {})", c, value=True)])

    # --- conditions --------------------------------------------------------------------------

    def operand(self, field):
        """A column, mostly bare."""
        roll = self.rng.random()
        if roll < 0.84:
            return field
        if roll < 0.92:
            return Node(self.rng.choice(["{} COLLATE NOCASE", "{} COLLATE RTRIM", "{} COLLATE BINARY"]),
                        field, value=True)
        return Node(self.rng.choice(["+{}", "coalesce({}, 'a')", "CAST({} AS TEXT)", "lower({})",
                                     "length({})", "({} || '')", "likely({})"]), field, value=True)

    def comparison(self, fields):
        f = self.field(fields)
        operator = self.rng.choice(COMPARISONS)
        a, b = self.operand(f), self.expression_constant(f.column)
        if self.chance(0.07):
            b = Node("{} " + self.rng.choice(["COLLATE NOCASE", "COLLATE RTRIM"]), b, value=True)
        if self.chance(0.1):
            a, b, operator = b, a, FLIPPED.get(operator, operator)
        return Node(f"{{}} {operator} {{}}", a, b, condition=True)

    def between(self, fields):
        f = self.field(fields)
        a, b = self.constant(f.column), self.constant(f.column)
        word = self.rng.choice(["BETWEEN", "BETWEEN", "NOT BETWEEN"])
        return Node(f"{{}} {word} {{}} AND {{}}", self.operand(f), a, b, condition=True)

    def in_list(self, fields):
        f = self.field(fields)
        n = self.rng.choice([1, 2, 2, 3, 3, 4, 8, 30])
        clean = self.chance(0.5)
        values = [self.constant(f.column, own=clean) for _ in range(n)]
        word = self.rng.choice(["IN", "IN", "IN", "NOT IN"])
        return Node(f"{{}} {word} {{}}", self.operand(f), Node("({})", *values, is_list=True),
                    condition=True)

    def in_select(self, fields, depth):
        f = self.field(fields)
        source, others = self.source(self.rng.choice(list(self.tables)), local=self.chance(0.7), small=True)
        other = self.field(others, lambda c: c.kind.numeric == (f.column and f.column.kind.numeric))
        inner = Select([other], [("", source, None)])
        if self.chance(0.6):
            inner.where = self.condition(others, depth + 1)
        word = self.rng.choice(["IN", "IN", "NOT IN"])
        return Node(f"{{}} {word} ({{}})", self.operand(f), inner, condition=True)

    def null_test(self, fields):
        return Node(self.rng.choice(["{} IS NULL", "{} IS NOT NULL", "{} NOTNULL", "{} ISNULL",
                                     "NOT {} IS NULL"]), self.operand(self.field(fields)), condition=True)

    def pattern(self, fields):
        f = self.field(fields, lambda c: not c.kind.numeric) if self.chance(0.9) else self.field(fields)
        word = self.rng.choice(["LIKE", "LIKE", "NOT LIKE", "GLOB", "NOT GLOB"])
        patterns = [self.one_pattern(f, word) for _ in range(3)]
        escape = " ESCAPE '\\'" if "LIKE" in word and self.chance(0.25) else ""
        return Node(f"{{}} {word} {{}}{escape}", self.operand(f), Constant(*patterns), condition=True)

    def one_pattern(self, f, word):
        value = self.rng.choice(f.column.values) if f.column else None
        if not isinstance(value, str) or self.chance(0.4):
            return self.rng.choice(PATTERNS if "LIKE" in word else GLOBS)
        cut = self.rng.randint(0, min(len(value), 12))
        many, one = ("%", "_") if "LIKE" in word else ("*", "?")
        return self.rng.choice([value, value[:cut] + many, many + value[cut:], value[:cut] + one + value[cut + 1:],
                                value.upper() + many, value[:1].swapcase() + value[1:cut] + many])

    def row_value(self, fields):
        f, g = self.field(fields), self.field(fields)
        c = [self.constant(x.column) for x in (f, g, f, g)]
        operator = self.rng.choice(["=", "<", "<=", ">", ">=", "<>", "IS"])
        if self.chance(0.3):
            return Node("({}, {}) IN (VALUES ({}, {}), ({}, {}))", f, g, *c, condition=True)
        return Node(f"({{}}, {{}}) {operator} ({{}}, {{}})", f, g, c[0], c[1], condition=True)

    def exists(self, fields, depth):
        source, others = self.source(self.rng.choice(list(self.tables)), local=self.chance(0.4), small=True)
        inner = Select([Constant(1)], [("", source, None)])
        inner.where = Node("({} AND {})", self.link(fields, others), self.condition(others, depth + 1),
                           condition=True)
        return Node(self.rng.choice(["EXISTS ({})", "NOT EXISTS ({})"]), inner, condition=True)

    def link(self, fields, others):
        """A condition between two sources."""
        f = self.field(fields)
        same = [g for g in others if f.column and g.column and g.column.kind.name == f.column.kind.name]
        alike = [g for g in others if f.column and g.column and g.column.kind.numeric == f.column.kind.numeric]
        g = self.rng.choice(same if same and self.chance(0.7) else
                            alike if alike and self.chance(0.8) else others)
        operator = self.rng.choice(["="] * 12 + ["<", ">=", "IS", "<>", "LIKE"])
        return Node(f"{{}} {operator} {{}}", f, g, condition=True)

    def columns_compared(self, fields):
        f, g = self.field(fields), self.field(fields)
        return Node(f"{{}} {self.rng.choice(COMPARISONS)} {{}}", f, g, condition=True)

    def scalar(self, fields, depth):
        """A column against a scalar subquery."""
        f = self.field(fields)
        source, others = self.source(self.rng.choice(list(self.tables)), local=self.chance(0.5), small=True)
        g = self.field(others, lambda c: c.kind.numeric == (f.column and f.column.kind.numeric))
        inner = Select([Node(self.rng.choice(["min({})", "max({})"]), g)], [("", source, None)])
        if self.chance(0.5):
            inner.where = self.condition(others, depth + 1)
        return Node(f"{{}} {self.rng.choice(COMPARISONS)} ({{}})", f, inner, condition=True)

    def condition(self, fields, depth=0):
        roll = self.rng.random()
        if depth < 3 and roll < 0.30 - 0.05 * depth:
            word = self.rng.choice(["AND", "AND", "OR", "OR", "OR"])
            return Node(f"({{}} {word} {{}})", self.condition(fields, depth + 1),
                        self.condition(fields, depth + 1), condition=True)
        if depth < 3 and roll < 0.34:
            return Node("NOT ({})", self.condition(fields, depth + 1), condition=True)
        makers = [(self.comparison, 46), (self.between, 8), (self.in_list, 12), (self.null_test, 6),
                  (self.pattern, 13), (self.row_value, 4), (self.columns_compared, 3)]
        if depth < 2:
            makers += [(lambda f: self.in_select(f, depth + 1), 4), (lambda f: self.exists(f, depth + 1), 2),
                       (lambda f: self.scalar(f, depth + 1), 2)]
        maker = self.rng.choices([m for m, _ in makers], [w for _, w in makers])[0]
        return maker(fields)

    # --- statements --------------------------------------------------------------------------

    def output(self, fields):
        """All columns, some, or expressions over them."""
        roll = self.rng.random()
        if roll < 0.25:
            return list(fields)
        chosen = self.rng.sample(fields, self.rng.randint(1, min(4, len(fields))))
        if roll < 0.8:
            return chosen
        return [Node(self.rng.choice(["typeof({})", "quote({})", "{} || '|'", "hex({})", "length({})",
                                      "CASE WHEN {} > 5 THEN 'more' ELSE 'less' END", "{} IS NULL"]), c)
                for c in chosen]

    def orders(self, select, fields):
        """ORDER BY one or two columns, mostly also in the output."""
        for _ in range(self.rng.choice([1, 1, 2, 2, 3])):
            visible = [i for i, c in enumerate(select.columns) if isinstance(c, Field)]
            position = None
            if select.distinct or select.group or (visible and self.chance(0.5)):
                position = self.rng.randrange(len(select.columns))
                expression = select.columns[position]
            else:
                expression = self.field(fields)
                if self.chance(0.8):
                    select.columns = select.columns + [expression]
                    select.names = [f"c{i}" for i in range(len(select.columns))]
                    position = len(select.columns) - 1
            if position in select.approximate:
                continue
            select.order.append(Order(
                expression, self.chance(0.5),
                self.rng.choice([""] * 6 + ["NULLS FIRST", "NULLS LAST"]),
                self.rng.choice([""] * 12 + ["NOCASE", "RTRIM"]), position))

    def limits(self, select):
        counts = [0, 1, 1, 2, 3, 5, 10, 20, 1000, -1, -5]
        select.limit = Constant(*[self.rng.choice(counts) for _ in range(3)])
        if self.chance(0.4):
            select.offset = Constant(*[self.rng.choice([0, 1, 2, 5, 30, 1000, -1]) for _ in range(3)])

    def simple(self):
        source, fields = self.source()
        select = Select(self.output(fields), [("", source, None)])
        if self.chance(0.92):
            select.where = self.condition(fields)
        return select, fields

    def filtered(self):
        return self.simple()[0]

    def ordered(self):
        select, fields = self.simple()
        if self.chance(0.35):
            select.where = None
        elif self.chance(0.4):
            f = self.field(fields)
            select.where = Node(self.rng.choice(["{} = {}", "{} >= {}", "{} < {}"]), f,
                                self.constant(f.column), condition=True)
        if self.chance(0.15):
            select.distinct = True
        if self.chance(0.9):
            self.orders(select, fields)
        if self.chance(0.6):
            self.limits(select)
        return select

    def aggregate(self, f):
        calm = f.column is not None and f.column.kind.calm
        choices = ["count(*)", "count({})", "min({})", "max({})", "count(DISTINCT {})"]
        if calm:
            choices += ["sum({})", "avg({})", "total({})", "sum({})"]
        template = self.rng.choice(choices)
        node = Node(template, f) if "{}" in template else Node(template)
        return node, template[:3] in ("sum", "avg", "tot")

    def grouped(self):
        source, fields = self.source()
        keys = self.rng.sample(fields, self.rng.choice([0, 1, 1, 1, 2]))
        select = Select(list(keys), [("", source, None)])
        for _ in range(self.rng.randint(0 if keys else 1, 3)):
            f = self.field(fields, lambda c: c.kind.calm) if self.chance(0.5) else self.field(fields)
            node, approximate = self.aggregate(f)
            select.columns = select.columns + [node]
            if approximate:
                select.approximate.add(len(select.columns) - 1)
        select.names = [f"c{i}" for i in range(len(select.columns))]
        select.group = keys
        if self.chance(0.55):
            select.where = self.condition(fields, 1)
        if keys and self.chance(0.2):
            select.having = Node(self.rng.choice(["count(*) > {}", "count(*) = {}"]), Constant(1, 2, 3),
                                 condition=True)
        if keys and self.chance(0.4):
            self.orders(select, fields)
            if self.chance(0.4):
                self.limits(select)
        return select

    def distinct(self):
        select, fields = self.simple()
        select.columns = self.rng.sample(fields, self.rng.choice([1, 1, 2]))
        select.names = [f"c{i}" for i in range(len(select.columns))]
        select.distinct = True
        if self.chance(0.5):
            select.where = None
        if self.chance(0.4):
            self.orders(select, fields)
        if self.chance(0.3):
            self.limits(select)
        return select

    def other_server(self):
        return self.rng.choice(list(self.tables))

    def joined(self):
        n = self.rng.choice([2, 2, 2, 3])
        small = n > 2 or self.chance(0.5)
        source, fields = self.source(small=small)
        sources = [("", source, None)]
        everything = list(fields)
        for _ in range(n - 1):
            server = self.rng.choice([self.main, self.other_server()])
            other, others = self.source(server, local=self.chance(0.35), small=small)
            words = self.rng.choice(["JOIN", "JOIN", "LEFT JOIN", "CROSS JOIN"])
            condition = self.link(everything, others)
            if self.chance(0.25):
                condition = Node("({} AND {})", condition, self.condition(others, 2), condition=True)
            sources.append((words, other, condition))
            everything += others
        select = Select(self.rng.sample(everything, min(5, len(everything))), sources)
        if self.chance(0.7):
            select.where = self.condition(everything, 1)
        if self.chance(0.25):
            self.orders(select, everything)
            if self.chance(0.5):
                self.limits(select)
        return select

    def compound(self):
        width = self.rng.randint(1, 3)
        selects = []
        for _ in range(self.rng.choice([2, 2, 3])):
            select, fields = self.simple()
            select.columns = [self.rng.choice(fields) for _ in range(width)]
            select.names = [f"c{i}" for i in range(width)]
            selects.append(select)
        made = Compound([self.rng.choice(["UNION", "UNION ALL", "UNION ALL", "INTERSECT", "EXCEPT"])
                         for _ in selects[1:]], selects)
        if self.chance(0.4):
            for i in self.rng.sample(range(width), self.rng.randint(1, width)):
                made.order.append(Order(Node(f"c{i}"), self.chance(0.5), position=i))
        if self.chance(0.3):
            self.limits(made)
        return made

    def derived(self):
        inner = self.rng.choice([self.filtered, self.ordered, self.grouped, self.distinct])()
        inner.limit = inner.offset = None
        alias = self.new_alias()
        fields = [Field(alias, n, c.column if isinstance(c, Field) else None)
                  for i, (c, n) in enumerate(zip(inner.columns, inner.names)) if i not in inner.approximate]
        if not fields:
            return inner
        select = Select(list(fields), [("", Derived(inner, alias), None)])
        if self.chance(0.7):
            select.where = self.condition(fields, 2)
        if self.chance(0.4):
            self.orders(select, fields)
            if self.chance(0.5):
                self.limits(select)
        return select

    def windowed(self):
        select, fields = self.simple()
        part, order = self.field(fields), self.field(fields)
        function = self.rng.choice(["rank()", "dense_rank()", "count(*)", "min({})", "max({})"])
        parts = [self.field(fields)] if "{}" in function else []
        select.columns = self.rng.sample(fields, min(2, len(fields))) + [
            Node(f"{function} OVER (PARTITION BY {{}} ORDER BY {{}})", *parts, part, order)]
        select.names = [f"c{i}" for i in range(len(select.columns))]
        return select

    def statement(self):
        makers = [(self.filtered, 46), (self.ordered, 15), (self.grouped, 8), (self.distinct, 6),
                  (self.joined, 14), (self.compound, 4), (self.derived, 4), (self.windowed, 3)]
        return self.rng.choices([m for m, _ in makers], [w for _, w in makers])[0]()
