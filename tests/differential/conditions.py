"""conditions.py - writes constants and conditions over the columns of dataset.py.

Constants are mostly values that stand in the column, or near misses of them: most conditions
should hold for some rows and not for all.
"""

import random

from query import Constant, Field, InList, Node, Select, Source
from traps import ANYTHING, GLOBS, PATTERNS

COMPARISONS = [
    "=", "=", "=", "<>", "<", "<=", ">", ">=", "IS", "IS NOT", "==", "!=", "IS NOT DISTINCT FROM",
    "IS DISTINCT FROM"
]
FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
INT64_MAX = 2**63 - 1
DATED = ("date", "timestamp", "seconds", "timestamptz")


def near_misses(value, rng):
    """Values that a careless comparison takes for VALUE, or puts on its wrong side."""
    if isinstance(value, bool) or value is None:
        return [None]
    if isinstance(value, int):
        found = [
            float(value),
            str(value), f" {value} ", f"{value}.0", value + 0.5, value - 0.5,
            str(value) + "x",
            str(value).encode()
        ]
        found += [value % 100] * 3 if 1900 < value < 2156 else []  # two digits of a year
        return found + [v for v in (value + 1, value - 1) if -INT64_MAX <= v <= INT64_MAX]
    if isinstance(value, float):
        found = [repr(value), value * (1 + 2**-52), -value, value + 0.5]
        return found + ([int(value)] if abs(value) < 2**63 else [])
    if isinstance(value, bytes):
        return [value + b"\0", value[:-1], value.decode("latin1"), value.upper(), value + b"a"]
    found = [
        value.upper(),
        value.lower(),
        value.swapcase(), value + " ", value + " ", value + "  ",
        value.rstrip(" "), value[:-1], value + "\0",
        value.encode(), value + "a", " " + value, value + "0"
    ]
    if len(value) >= 10 and value[4:5] == "-":
        found += [
            value[:10], value + ".5", value + ".5", value + ".5", value[:10] + " 00:00:00",
            value.replace(" ", "T"), value + ".000", value[:10] + " 23:59:59", value + "Z",
            value[:7], value[:10] + " 00:00"
        ] * 2
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


class Conditions:
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
        return self.source_of(server, self.rng.choice(tables or self.tables[server]), local)

    def source_of(self, server, table, local=False):
        alias = self.new_alias()
        fields = [Field(alias, c.name, c, c.name in table.key) for c in table.columns]
        has_rowid = table.key == ("id", )
        if has_rowid and self.chance(0.3):
            fields.append(Field(alias, "rowid", table.column("id")))
        return Source(server, table.name, alias, local, has_rowid), fields

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
                value = float(value) if not value.lstrip("-").isdigit() else int(value)
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
            c, c, c, c, c, c,
            Node("+{}", c, value=True),
            Node("({} || '')", c, value=True),
            Node("CAST({} AS TEXT)", c, value=True),
            Node("CAST({} AS INTEGER)", c, value=True),
            Node("CAST({} AS REAL)", c, value=True),
            Node("CAST({} AS BLOB)", c, value=True),
            Node("coalesce({}, 5)", c, value=True),
            Node("(SELECT {})", c, value=True)
        ])

    # --- conditions --------------------------------------------------------------------------

    def operand(self, field):
        """A column, mostly bare."""
        roll = self.rng.random()
        if roll < 0.84:
            return field
        if roll < 0.92:
            return Node(
                self.rng.choice(["{} COLLATE NOCASE", "{} COLLATE RTRIM", "{} COLLATE BINARY"]),
                field, value=True)
        return Node(
            self.rng.choice([
                "+{}", "coalesce({}, 'a')", "CAST({} AS TEXT)", "lower({})", "length({})",
                "({} || '')", "likely({})", "likelihood({}, 0.01)"
            ]), field, value=True)

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
        if self.chance(0.1):
            rows = [Node("({})", v) for v in values]
            return Node(f"{{}} {word} {{}}", self.operand(f),
                        Node("(VALUES {})", *rows, is_list=True), condition=True)
        made = InList if word == "IN" else Node
        return made(f"{{}} {word} {{}}", self.operand(f), Node("({})", *values, is_list=True),
                    condition=True)

    def alike(self, f):
        """Whether a column is a number as F's is."""
        return lambda c: c.kind.numeric == (f.column and f.column.kind.numeric)

    def in_select(self, fields, depth):
        source, others = self.source(self.rng.choice(list(self.tables)), local=self.chance(0.7),
                                     small=True)
        n = 2 if self.chance(0.15) else 1
        mine = [self.field(fields) for _ in range(n)]
        inner = Select([self.field(others, self.alike(f)) for f in mine], [("", source, None)])
        if self.chance(0.6):
            inner.where = self.condition(others, depth + 1)
        if self.chance(0.15):
            inner.distinct = True
        word = self.rng.choice(["IN", "IN", "NOT IN"])
        if n == 2:
            return Node(f"({{}}, {{}}) {word} ({{}})", *mine, inner, condition=True)
        return Node(f"{{}} {word} ({{}})", self.operand(mine[0]), inner, condition=True)

    def null_test(self, fields):
        return Node(
            self.rng.choice(
                ["{} IS NULL", "{} IS NOT NULL", "{} NOTNULL", "{} ISNULL", "NOT {} IS NULL"]),
            self.operand(self.field(fields)), condition=True)

    def pattern(self, fields):
        f = (self.field(fields, lambda c: not c.kind.numeric)
             if self.chance(0.9) else self.field(fields))
        word = self.rng.choice(["LIKE", "LIKE", "NOT LIKE", "GLOB", "NOT GLOB"])
        return self.pattern_of(f, word, self.operand(f))

    def pattern_of(self, f, word, operand):
        patterns = [self.one_pattern(f, word) for _ in range(3)]
        escape = ""
        if "LIKE" in word and self.chance(0.25):
            escape = " ESCAPE " + self.rng.choice(["'\\'", "'\\'", "'a'", "'%'", "'_'", "'|'"])
        return Node(f"{{}} {word} {{}}{escape}", operand, Constant(*patterns), condition=True)

    def one_pattern(self, f, word):
        values = f.column.values if f.column else [None]
        special = [v for v in values if isinstance(v, str) and ("|" in v or "\0" in v)]
        value = self.rng.choice(special if special and self.chance(0.15) else values)
        if not isinstance(value, str) or self.chance(0.4):
            return self.rng.choice(PATTERNS if "LIKE" in word else GLOBS)
        cut = self.rng.randint(0, min(len(value), 12))
        many, one = ("%", "_") if "LIKE" in word else ("*", "?")
        return self.rng.choice([
            value, value[:cut] + many, many + value[cut:], value[:cut] + one + value[cut + 1:],
            value.upper() + many, value[:1].swapcase() + value[1:cut] + many,
            value[:cut] + many + "\0" + one, value.split("\0")[0], many + value.upper()[1:]
        ])

    def row_value(self, fields):
        f, g = self.field(fields), self.field(fields)
        c = [self.constant(x.column) for x in (f, g, f, g)]
        operator = self.rng.choice(["=", "<", "<=", ">", ">=", "<>", "IS"])
        if self.chance(0.3):
            return Node("({}, {}) IN (VALUES ({}, {}), ({}, {}))", f, g, *c, condition=True)
        return Node(f"({{}}, {{}}) {operator} ({{}}, {{}})", f, g, c[0], c[1], condition=True)

    def exists(self, fields, depth):
        source, others = self.source(self.rng.choice(list(self.tables)), local=self.chance(0.4),
                                     small=True)
        inner = Select([Constant(1)], [("", source, None)])
        inner.where = Node("({} AND {})", self.link(fields, others),
                           self.condition(others, depth + 1), condition=True)
        return Node(self.rng.choice(["EXISTS ({})", "NOT EXISTS ({})"]), inner, condition=True)

    def link(self, fields, others):
        """A condition between two sources."""
        f = self.field(fields)
        same = [
            g for g in others if f.column and g.column and g.column.kind.name == f.column.kind.name
        ]
        alike = [
            g for g in others
            if f.column and g.column and g.column.kind.numeric == f.column.kind.numeric
        ]
        g = self.rng.choice(
            same if same and self.chance(0.7) else alike if alike and self.chance(0.8) else others)
        operator = self.rng.choice(["="] * 12 + ["<", ">=", "IS", "<>", "LIKE"])
        return Node(f"{{}} {operator} {{}}", f, g, condition=True)

    def columns_compared(self, fields):
        f = self.field(fields)
        alike = [g for g in fields if g.column and f.column and g.column.klass == f.column.klass]
        g = self.rng.choice(alike) if alike and self.chance(0.7) else self.field(fields)
        return Node(f"{{}} {self.rng.choice(COMPARISONS)} {{}}", f, g, condition=True)

    def scalar(self, fields, depth):
        """A column against a scalar subquery."""
        f = self.field(fields)
        source, others = self.source(self.rng.choice(list(self.tables)), local=self.chance(0.5),
                                     small=True)
        g = self.field(others, lambda c: c.kind.numeric == (f.column and f.column.kind.numeric))
        inner = Select([Node(self.rng.choice(["min({})", "max({})"]), g)], [("", source, None)])
        if self.chance(0.5):
            inner.where = self.condition(others, depth + 1)
        return Node(f"{{}} {self.rng.choice(COMPARISONS)} ({{}})", f, inner, condition=True)

    def functions(self, fields):
        """Terms over columns alone: a virtual table never sees them."""
        f, g = self.field(fields), self.field(fields)
        template = self.rng.choice([
            "abs({}) > {}", "length({}) <= length({})", "{} > {}", "{} + 1 = {}", "{} LIKE {}",
            "coalesce({}, {}) IS NOT NULL", "max({}, {}) > 5", "hex({}) < hex({})",
            "typeof({}) = typeof({})"
        ])
        return Node(template, f, g, condition=True)

    def computed(self, fields):
        """Terms over a column and constants: SQLite keeps them to itself, tskdb reads them in the
        statement's program (vtab/loop.h)."""
        jsonb = [f for f in fields if f.column and f.column.kind.name == "jsonb"]
        if jsonb and self.chance(0.4):
            return self.member(self.rng.choice(jsonb), self.rng.choice(["=", "=", "=", "<>", ">"]))
        dates = [f for f in fields if f.column and f.column.kind.name in DATED]
        if dates and self.chance(0.3):
            return self.period(self.rng.choice(dates))
        f = self.field(fields)
        operator, k = self.rng.choice(COMPARISONS), self.rng.choice([0, 1, 5, -3, INT64_MAX])
        template = self.rng.choice([
            f"lower({{}}) {operator} lower({{}})", "lower({}) = {}", "upper({}) = {}",
            f"{{}} + {k} {operator} {{}}", f"{{}} - {k} {operator} {{}}", f"{k} + {{}} < {{}}",
            f"coalesce({{}}, {k}) {operator} {{}}", f"ifnull({{}}, 'a') {operator} {{}}",
            f"nullif({{}}, {k}) {operator} {{}}", "CASE WHEN {} > {} THEN 'a' ELSE 'b' END = 'a'",
            f"CASE {{}} WHEN {k} THEN 1 WHEN {{}} THEN 2 END IS NOT NULL",
            f"iif({{}} {operator} {{}}, 1, 0)"
        ])
        return Node(template, f, self.constant(f.column), condition=True)

    def period(self, field):
        """The beginning of a date's text against a year, a month or a day."""
        length, template = self.rng.choice([
            (10, "date({})"), (10, "date({})"), (4, "strftime('%Y', {})"), (7, "strftime('%Y-%m', {})"),
            (10, "strftime('%Y-%m-%d', {})"), (4, "substr({}, 1, 4)"), (7, "substr({}, 1, 7)"),
            (10, "substr({}, 1, 10)"), (10, "date({}, '+1 day')")
        ])
        texts = [v for v in field.column.values if isinstance(v, str)]
        constant = Constant(*[self.rng.choice(texts)[:length] for _ in range(3)])
        return Node(f"{template} {self.rng.choice(COMPARISONS)} {{}}", field, constant, condition=True)

    def member(self, field, operator):
        members = ["x", "X", 5, "5", 1, 0, "true", "null", "é", 2, "[1]", None, 5.0]
        constant = Constant(*[self.rng.choice(members) for _ in range(3)])
        return Node(f"{{}} ->> 'a' {operator} {{}}", field, constant, condition=True)

    def cast(self, fields):
        f = self.field(fields)
        to = self.rng.choice(["TEXT", "INTEGER", "REAL", "NUMERIC", "BLOB"])
        return Node(f"CAST({{}} AS {to}) {self.rng.choice(COMPARISONS)} {{}}", f,
                    self.constant(f.column), condition=True)

    def truth(self, fields):
        template = self.rng.choice(
            ["{}", "NOT {}", "{} IS TRUE", "{} IS NOT FALSE", "{} IS NOT TRUE"])
        return Node(template, self.field(fields), condition=True)

    def turned_between(self, fields):
        """A constant between two columns, or a column between a column and a constant."""
        f, g = self.field(fields), self.field(fields)
        c = self.constant(f.column)
        return Node("{} BETWEEN {} AND {}", *self.rng.choice([(c, f, g), (f, g, c)]),
                    condition=True)

    def case(self, fields, depth):
        if self.chance(0.3):
            f = self.field(fields)
            return Node("CASE {} WHEN {} THEN {} WHEN {} THEN {} ELSE {} END", self.operand(f),
                        self.constant(f.column), self.truth(fields), self.constant(f.column),
                        self.condition(fields, depth + 1), self.condition(fields, depth + 1),
                        condition=True)
        template = self.rng.choice([
            "CASE WHEN {} THEN {} ELSE {} END", "iif({}, {}, {})",
            "CASE WHEN {} THEN {} WHEN {} THEN 1 END"
        ])
        return Node(template, *[self.condition(fields, depth + 1) for _ in range(3)],
                    condition=True)

    def counted(self, fields, depth):
        """How many rows a subquery has, which depends on the row or does not."""
        source, others = self.source(self.rng.choice(list(self.tables)), local=self.chance(0.5),
                                     small=True)
        inner = Select([Node("count(*)")], [("", source, None)])
        inner.where = self.condition(others, depth + 1)
        if self.chance(0.6):
            inner.where = Node("({} AND {})", self.link(fields, others), inner.where,
                               condition=True)
        return Node("({}) " + self.rng.choice(["> {}", "= {}", "< {}"]), inner, Constant(0, 1, 2),
                    condition=True)

    def condition(self, fields, depth=0):
        roll = self.rng.random()
        if depth < 3 and roll < 0.30 - 0.05 * depth:
            word = self.rng.choice(["AND", "AND", "OR", "OR", "OR"])
            return Node(f"({{}} {word} {{}})", self.condition(fields, depth + 1),
                        self.condition(fields, depth + 1), condition=True)
        if depth < 3 and roll < 0.34:
            return Node("NOT ({})", self.condition(fields, depth + 1), condition=True)
        makers = [(self.comparison, 46), (self.between, 8), (self.in_list, 12), (self.null_test, 6),
                  (self.pattern, 13), (self.row_value, 4), (self.columns_compared, 4),
                  (self.functions, 2), (self.computed, 8), (self.cast, 2), (self.truth, 2), (self.turned_between, 1)]
        if depth < 2:
            makers += [(lambda f: self.in_select(f, depth + 1), 4),
                       (lambda f: self.exists(f, depth + 1), 2),
                       (lambda f: self.scalar(f, depth + 1), 2),
                       (lambda f: self.case(f, depth + 1), 2),
                       (lambda f: self.counted(f, depth + 1), 1)]
        maker = self.rng.choices([m for m, _ in makers], [w for _, w in makers])[0]
        return maker(fields)
