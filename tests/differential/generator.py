"""generator.py - writes SELECTs over the relations of dataset.py.

A case is a function of (seed, number) alone.
"""

from conditions import Conditions
from query import Compound, Constant, Derived, Field, InList, Named, Node, Order, Select, With

JOINS = ["JOIN"] * 5 + ["LEFT JOIN"] * 3 + ["CROSS JOIN", ",", "RIGHT JOIN", "FULL JOIN"]
PEERS = [
    "rank()", "dense_rank()", "count(*)", "count({})", "min({})", "max({})", "percent_rank()",
    "cume_dist()", "count({}) FILTER (WHERE {} IS NOT NULL)"
]
PLACES = [
    "row_number()", "ntile(3)", "lag({})", "lead({}, 2)", "first_value({})", "last_value({})",
    "nth_value({}, 2)"
]
FRAMES = [
    "", "", "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING", "GROUPS 1 PRECEDING",
    "ROWS 2 PRECEDING EXCLUDE CURRENT ROW"
]


PAIR = " column"  # ends the name of an operator between two columns


def renamed(select):
    select.names = [f"c{i}" for i in range(len(select.columns))]
    return select


class Generator(Conditions):
    # --- parts of a statement ----------------------------------------------------------------

    def expression(self, field):
        """An output that is worked out from a column."""
        template = self.rng.choice([
            "typeof({})", "quote({})", "{} || '|'", "hex({})", "length({})", "{} IS NULL", "-{}",
            "CASE WHEN {} > 5 THEN 'more' ELSE 'less' END", "CAST({} AS TEXT)",
            "CAST({} AS INTEGER)", "CAST({} AS REAL)", "CAST({} AS BLOB)", "coalesce({}, 'none')",
            "nullif({}, 5)", "upper({})", "substr({}, 2, 3)", "{} = '5'", "{} COLLATE NOCASE = 'A'",
            "date({})"
        ])
        return Node(template, field)

    def counted_output(self, fields):
        """A subquery that looks at the row."""
        source, others = self.source(self.other_server(), local=self.chance(0.4), small=True)
        f = self.field(others)
        inner = Select([Node(self.rng.choice(["count(*)", "min({})", "max({})", "count({})"]), f)],
                       [("", source, None)])
        inner.where = self.link(fields, others)
        return Node("({})", inner)

    def output(self, fields):
        """All columns, some, or expressions over them."""
        roll = self.rng.random()
        if roll < 0.25:
            return list(fields)
        chosen = self.rng.sample(fields, self.rng.randint(1, min(4, len(fields))))
        if roll < 0.75:
            return chosen
        if roll < 0.8:
            return chosen + [self.counted_output(fields)]
        return [self.expression(c) for c in chosen]

    def orders(self, select, fields):
        """ORDER BY one or two columns, mostly also in the output."""
        for _ in range(self.rng.choice([1, 1, 2, 2, 3])):
            visible = [i for i, c in enumerate(select.columns) if isinstance(c, Field)]
            position = None
            if select.distinct or select.group or (visible and self.chance(0.5)):
                position = self.rng.randrange(len(select.columns))
                expression = select.columns[position]
            else:
                expression = (self.field(fields) if self.chance(0.9) else self.expression(
                    self.field(fields)))
                if self.chance(0.8):
                    select.columns = select.columns + [expression]
                    renamed(select)
                    position = len(select.columns) - 1
            if position in select.approximate:
                continue
            select.order.append(
                Order(expression, self.chance(0.5),
                      self.rng.choice([""] * 6 + ["NULLS FIRST", "NULLS LAST"]),
                      self.rng.choice([""] * 12 + ["NOCASE", "RTRIM"]), position))

    def totally(self, select, fields):
        """An ORDER BY that leaves no choice, where the rows have a key."""
        keys = [f for f in fields if f.key]
        for f in keys:
            select.order.append(Order(f, self.chance(0.5)))
        return bool(keys)

    def limits(self, select):
        counts = [0, 1, 1, 2, 3, 5, 10, 20, 1000, -1, -5]
        select.limit = Constant(*[self.rng.choice(counts) for _ in range(3)])
        if self.chance(0.4):
            select.offset = Constant(
                *[self.rng.choice([0, 1, 2, 5, 30, 1000, -1]) for _ in range(3)])

    # --- statements over one table -----------------------------------------------------------

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
            if self.chance(0.3) and not select.distinct:
                self.totally(select, fields)
        if self.chance(0.6):
            self.limits(select)
        return select

    def limited(self):
        """LIMIT above terms that the table is offered, beside one that it is not."""
        select, fields = self.simple()
        f = self.field(fields)
        seen = Node(self.rng.choice(["{} = {}", "{} >= {}", "{} < {}", "{} IS NOT {}"]), f,
                    self.constant(f.column, own=True), condition=True)
        hidden = self.functions(fields) if self.chance(0.7) else self.columns_compared(fields)
        select.where = (Node("({} AND {})", seen, hidden, condition=True)
                        if self.chance(0.6) else hidden)
        if self.chance(0.6) and not self.totally(select, fields):
            self.orders(select, fields)
        self.limits(select)
        return select

    def aggregate(self, f, fields):
        calm = f.column is not None and f.column.kind.calm
        choices = ["count(*)", "count({})", "min({})", "max({})", "count(DISTINCT {})"]
        if calm:
            choices += ["sum({})", "avg({})", "total({})", "sum({})", "sum(DISTINCT {})"]
        template = self.rng.choice(choices)
        node = Node(template, f) if "{}" in template else Node(template)
        if self.chance(0.15):
            node = Node("{} FILTER (WHERE {})", node, self.condition(fields, 2))
        return node, template[:3] in ("sum", "avg", "tot")

    def group_keys(self, fields):
        keys = self.rng.sample(fields, self.rng.choice([0, 1, 1, 1, 2]))
        return [self.expression(k) if self.chance(0.1) else k for k in keys]

    def grouped(self):
        source, fields = self.source()
        keys = self.group_keys(fields)
        select = Select(list(keys), [("", source, None)])
        for _ in range(self.rng.randint(0 if keys else 1, 3)):
            f = (self.field(fields, lambda c: c.kind.calm)
                 if self.chance(0.5) else self.field(fields))
            node, approximate = self.aggregate(f, fields)
            select.columns = select.columns + [node]
            if approximate:
                select.approximate.add(len(select.columns) - 1)
        renamed(select)
        select.group = keys
        if self.chance(0.55):
            select.where = self.condition(fields, 1)
        if keys and self.chance(0.25):
            select.having = Node(
                self.rng.choice(["count({}) > {}", "count({}) = {}", "count(DISTINCT {}) < {}"]),
                self.field(fields), Constant(1, 2, 3), condition=True)
        if keys and self.chance(0.4):
            self.orders(select, fields)
            if self.chance(0.4):
                self.limits(select)
        return select

    def distinct(self):
        select, fields = self.simple()
        select.columns = self.rng.sample(fields, self.rng.choice([1, 1, 2]))
        renamed(select).distinct = True
        if self.chance(0.5):
            select.where = None
        if self.chance(0.4):
            self.orders(select, fields)
        if self.chance(0.3):
            self.limits(select)
        return select

    def windowed(self):
        select, fields = self.simple()
        keys = [f for f in fields if f.key]
        function = self.rng.choice(PEERS + PLACES if keys else PEERS)
        frame = self.rng.choice(FRAMES if keys else FRAMES[:2])
        by = [self.field(fields)] + (keys if function in PLACES or frame else [])
        order = Node(
            "{}", *[Node(self.rng.choice(["{}", "{}", "{} DESC", "{} NULLS LAST"]), f) for f in by],
            is_list=True)
        parts = [self.field(fields) for _ in range(function.count("{}"))]
        template = f"{function} OVER (PARTITION BY {{}} ORDER BY {{}} {frame})"
        select.columns = self.rng.sample(fields, min(
            2, len(fields))) + [Node(template, *parts, self.field(fields), order)]
        renamed(select)
        if self.chance(0.3):
            self.orders(select, fields)
        return select

    # --- statements over several -------------------------------------------------------------

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
            words = self.rng.choice(JOINS)
            condition = self.link(everything, others)
            if self.chance(0.3):
                condition = Node("({} AND {})", condition, self.condition(everything + others, 2),
                                 condition=True)
            sources.append((words, other, condition))
            everything += others
        select = Select(self.rng.sample(everything, min(5, len(everything))), sources)
        if self.chance(0.7):
            select.where = self.condition(everything, 1)
        self.above(select, everything)
        return select

    def above(self, select, fields):
        """What may stand above a join."""
        if self.chance(0.1):
            select.distinct = True
        elif self.chance(0.12):
            select.columns = select.columns[:1] + [self.aggregate(self.field(fields), fields)[0]]
            if select.columns[1].template[:3] in ("sum", "avg", "tot", "{} "):
                select.columns[1] = Node("count(*)")
            renamed(select).group = select.columns[:1]
        if self.chance(0.25):
            self.orders(select, fields)
            if self.chance(0.5):
                self.limits(select)

    def compound(self, limits=True):
        width = self.rng.randint(1, 3)
        selects = []
        for _ in range(self.rng.choice([2, 2, 3])):
            select, fields = self.simple()
            select.columns = [self.rng.choice(fields) for _ in range(width)]
            selects.append(renamed(select))
        made = Compound([
            self.rng.choice(["UNION", "UNION ALL", "UNION ALL", "INTERSECT", "EXCEPT"])
            for _ in selects[1:]
        ], selects)
        if limits and self.chance(0.4):
            for i in self.rng.sample(range(width), self.rng.randint(1, width)):
                made.order.append(Order(Node(f"c{i}"), self.chance(0.5), position=i))
        if limits and self.chance(0.35):
            self.limits(made)
        return made

    def inner(self):
        """A SELECT whose rows are the same each time, and the fields of its columns."""
        select = self.rng.choice([
            self.filtered, self.ordered, self.grouped, self.distinct, lambda: self.compound(False),
            self.limited
        ])()
        if select.limit is not None and not self.is_total(select):
            select.limit = select.offset = None
        return select

    def is_total(self, select):
        """Whether the order leaves no choice."""
        keys = [
            o.expression for o in select.order
            if isinstance(o.expression, Field) and o.expression.key
        ]
        source = getattr(select, "sources", [("", None, None)])[0][1]
        table = next((t for t in self.tables.get(getattr(source, "server", None), ())
                      if t.name == source.table), None)
        return (table is not None and bool(table.key) and not select.distinct and not select.group
                and {k.name
                     for k in keys} >= set(table.key))

    def fields_of(self, select, alias):
        names = getattr(select, "names", None) or select.selects[0].names
        return [
            Field(alias, n, c.column if isinstance(c, Field) else None)
            for i, (c, n) in enumerate(zip(select.columns, names)) if i not in select.approximate
        ]

    def around(self, source, fields):
        """A SELECT over a derived table."""
        select = Select(list(fields), [("", source, None)])
        if self.chance(0.7):
            select.where = self.condition(fields, 2)
        if self.chance(0.4):
            self.orders(select, fields)
            if self.chance(0.5):
                self.limits(select)
        return select

    def derived(self):
        inner = self.inner()
        alias = self.new_alias()
        fields = self.fields_of(inner, alias)
        return self.around(Derived(inner, alias), fields) if fields else inner

    def with_table(self):
        """A common table expression, used once or joined with itself."""
        inner = self.inner()
        head = "w AS" + self.rng.choice(["", "", " MATERIALIZED", " NOT MATERIALIZED"])
        alias = self.new_alias()
        fields = self.fields_of(inner, alias)
        if not fields:
            return inner
        select = self.around(Named("w", alias), fields)
        if self.chance(0.3):
            other = self.new_alias()
            others = self.fields_of(inner, other)
            select.sources.append((self.rng.choice(["JOIN", "LEFT JOIN"]), Named(
                "w", other), Node("{} = {}", self.field(fields), self.field(others),
                                  condition=True)))
            select.columns = select.columns[:2] + others[:2]
            select.order, select.limit, select.offset = [], None, None
            renamed(select)
        return With([(head, inner)], select)

    def recursive(self):
        """Numbers that a recursion counts, joined with a table."""
        source, fields = self.source()
        f = self.field(fields, lambda c: c.kind.numeric)
        numbers = Node("SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {}", Constant(7, 12, 3))
        select = Select([Field("r", "n"), f],
                        [("", Named("r", "r"), None),
                         (self.rng.choice(["JOIN", "LEFT JOIN"]), source,
                          Node("{} = {}", f, Field("r", "n"), condition=True))])
        if self.chance(0.5):
            select.where = self.condition(fields, 2)
        return With([("RECURSIVE r(n) AS", numbers)], select)

    # --- statements for a plan ---------------------------------------------------------------

    def alternatives(self):
        """A list, or an OR over columns, of which each alternative may be a scan of its own."""
        tables = self.tables[self.main]
        keyed = [t for t in tables if len(t.key) == 1]  # each alternative finds a row or so
        table = self.rng.choice([t for t in keyed if len(t.rows) > 60] or keyed or tables)
        source, fields = self.source_of(self.main, table)
        select = Select(self.output(fields), [("", source, None)])
        keys = [f for f in fields if f.key]
        first = self.rng.choice(keys) if keys else self.field(fields)
        if self.chance(0.5):
            values = [
                self.constant(first.column, own=True) for _ in range(self.rng.choice([2, 2, 3]))
            ]
            select.where = InList("{} IN {}", first, Node("({})", *values, is_list=True),
                                  condition=True)
        else:
            second = self.field(fields)
            select.where = Node("({} OR {})", *[
                Node("{} = {}", f, self.constant(f.column, own=True), condition=True)
                for f in (first, second)
            ], condition=True)
        if self.chance(0.25):
            select.where = Node("({} AND {})", select.where, self.condition(fields, 2),
                                condition=True)
        return select

    # --- statements for a pushdown row -------------------------------------------------------

    def aimed(self, aim):
        """A statement for a row of the pushdown table (coverage.Aim), if a column fits it."""
        found = [(t, c) for t in self.tables[self.main] for c in t.columns if aim.fits(t, c)]
        if aim.operator.endswith(PAIR):
            found = [(t, c) for t, c in found if len(self.beside(aim, t, c)) > 0] or found
        if aim.operator == "DISTINCT":  # a key is always read, and then no rows are equal
            found = [(t, c) for t, c in found if not t.key] or found
        if not found:
            return self.filtered()
        table, column = self.rng.choice(found)
        source, fields = self.source_of(self.main, table)
        f = next(f for f in fields if f.column is column)
        if aim.operator in ("ORDER BY", "DISTINCT"):
            return self.aimed_above(aim.operator, source, fields, f)
        select = Select(self.output(fields), [("", source, None)])
        select.where = (self.aimed_pair(aim, table, f, fields)
                        if aim.operator.endswith(PAIR) else self.aimed_term(aim, f))
        if self.chance(0.25):
            select.where = Node(self.rng.choice(["({} AND {})", "({} OR {})"]), select.where,
                                self.condition(fields, 2), condition=True)
        if self.chance(0.25):  # shows rows that SQLite would drop after a LIMIT was sent
            self.limits(select)
        return select

    def beside(self, aim, table, column):
        """The other columns of TABLE for which AIM's row is."""
        return [c for c in table.columns if c is not column and c.klass in aim.row.classes]

    def aimed_pair(self, aim, table, f, fields):
        """Two columns compared."""
        others = self.beside(aim, table, f.column)
        g = self.field([x for x in fields if x.column in others] or [f])
        collation = f" COLLATE {aim.collation}" if aim.collation != "BINARY" else ""
        return Node(f"{{}} {aim.operator.removesuffix(PAIR)} {{}}{collation}", f, g, condition=True)

    def aimed_term(self, aim, f):
        operand = Node(f"{{}} COLLATE {aim.collation}", f) if aim.collation != "BINARY" else f
        if aim.operator in ("LIKE", "GLOB"):
            return self.pattern_of(f, aim.operator, operand)
        if aim.operator == "IN":
            values = [
                self.constant(f.column, own=self.chance(0.7)) for _ in range(self.rng.randint(2, 5))
            ]
            return InList("{} IN {}", operand, Node("({})", *values, is_list=True), condition=True)
        if aim.operator.startswith("->>"):
            return self.member(f, "=")
        if aim.operator in ("IS NULL", "IS NOT NULL"):
            return Node("{} " + aim.operator, operand, condition=True)
        constant = self.constant(f.column, own=self.chance(0.6))
        return Node(f"{{}} {aim.operator} {{}}", operand, constant, condition=True)

    def aimed_above(self, operator, source, fields, f):
        keys = [g for g in fields if g.key and g is not f]
        select = Select([f] + ([] if operator == "DISTINCT" else keys), [("", source, None)])
        select.distinct = operator == "DISTINCT"
        if operator == "ORDER BY" or self.chance(0.3):
            select.order = [Order(f, self.chance(0.5), position=0)]
        if f.column.within:
            within = next(g for g in fields if g.name == f.column.within)
            select.where = Node("{} = {}", within, self.constant(within.column, own=True),
                                condition=True)
        elif self.chance(0.3):
            select.where = self.condition(fields, 3)
        if operator == "ORDER BY" and self.chance(0.5):
            self.limits(select)
        return select

    def statement(self):
        makers = [(self.filtered, 42), (self.ordered, 13), (self.limited, 4), (self.grouped, 8),
                  (self.distinct, 6), (self.joined, 15), (self.compound, 5), (self.derived, 4),
                  (self.with_table, 3), (self.recursive, 1), (self.windowed, 4)]
        return self.rng.choices([m for m, _ in makers], [w for _, w in makers])[0]()
