"""generator.py - writes SELECTs over the relations of dataset.py.

A case is a function of (seed, number) alone.
"""
from conditions import Conditions
from query import Compound, Constant, Derived, Field, Node, Order, Select


class Generator(Conditions):
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
