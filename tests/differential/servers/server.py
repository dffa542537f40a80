"""server.py - what the differential test has to know of a server.

A server is one file beside this one with one class, and its name in __init__.py (and in
../../host.py, for the variable that names it).  It says which kinds of traps.py it has, adds the
values that only it can hold, and makes and fills the relations of dataset.py.
"""

import re

import dataset
from coverage import ABOVE
from traps import BY_NAME

# The comparison that is most easily taken for another.
NEIGHBOUR = {"=": ">=", "<>": "<", "<": "<=", "<=": "<", ">": ">=", ">=": ">",
             "IS NULL": "IS NOT NULL", "IS NOT NULL": "IS NULL"}
# That of a superset must lose something.
LESS = {"=": ">", "<>": "<", "<": ">", "<=": "<", ">": "<", ">=": ">"}
# SQLite offers these as if their collation were always BINARY.
BINARY_ONLY = {"<>", "IS NOT", "ORDER BY", "DISTINCT"}


class Server:
    """NAME: as in host.SERVERS.  OPTIONS: of tskdb_attach().  TYPES: kind -> how the server calls
    the type; a kind that is absent is one that the server has not."""

    name = ""
    options = {}
    types = {}
    # Whether it is attached with numeric=text and unsigned=text: wide numbers are texts.
    digits = False
    # Operators that tables of this size never bring to the server; tested elsewhere.
    absent = ()

    def native(self, kind, value):
        """VALUE, which a SQLite column of KIND holds, as fill() writes it; None if the server
        cannot hold it."""
        raise NotImplementedError

    def own(self, kind):
        """Further cells, (native, value in SQLite), that only this server can hold."""
        return []

    def cells(self, kind):
        """What can stand in a column of KIND: pairs (native, value in SQLite)."""
        pairs = [(self.native(kind, v), v) for v in kind.values]
        found = [pair for pair in pairs if pair[0] is not None] + self.own(kind)
        return [self.in_digits(kind, *pair) for pair in found] if self.digits else found

    def in_digits(self, kind, native, value):
        """The cell as it is where wide numbers are texts."""
        return native, value

    def attach_options(self):
        return {**self.options, **({"numeric": "text", "unsigned": "text"} if self.digits else {})}

    def tables(self, rng):
        """The relations with their rows: those of dataset.LAYOUT, unless the server's are given."""
        return dataset.make_tables(self, dataset.LAYOUT, rng)

    def sql_name(self, table):
        """The name in SQLite."""
        return table

    def make(self, tables):
        """Native statements (tskdb_exec) that make the relations anew and fill them; one with
        arguments of its own is a tuple."""
        raise NotImplementedError

    def later(self, tables):
        """Native statements that add the rows which a server must not have when it is attached."""
        return []

    def mutants(self, row):
        """How ROW (coverage.Row) can be made wrong: words, and fields of pushdown_fault.h."""
        return []

    def refill(self, table, rows):
        """Native statements after which TABLE, which is no view, has these rows alone."""
        raise NotImplementedError

    def settled(self, table, rows):
        """ROWS as TABLE shows them once it has been refilled with them."""
        return rows

    def enlarge(self, tables):
        """Native statements after which the server's statistics say that the tables are large, so
        that SQLite chooses other plans; none where they cannot be made to."""
        return []


class SqlServer(Server):
    """A server that is made and filled by SQL."""

    options = {"schemas": ["differential"]}
    quote = '"'
    insert = "INSERT INTO {table} VALUES {rows}"
    analyze = "ANALYZE {table}"
    operator = "{}"  # how a comparison is spelled
    losses = {}  # what a row's text may lose: words -> (pattern, what is left)
    setup = []

    def sql_name(self, table):
        # The schema is not the one that a bare name means.
        return f"differential.{table}"

    def make(self, tables):
        labels = ", ".join(self.native(BY_NAME["enum"], v) for v in BY_NAME["enum"].values)
        made = [text.replace("{enum}", labels) for text in self.setup]
        for table in tables:
            made += [self._view(table)] if table.view_of else self._table(table)
        return made + [
            self.analyze.format(table=self.sql_name(t.name)) for t in tables if not t.view_of
        ]

    def refill(self, table, rows):
        name = self.sql_name(table.name)
        values = ", ".join("(" + ", ".join(native for native, _ in row) + ")" for row in rows)
        return [f"DELETE FROM {name}"] + [self.insert.format(table=name, rows=values)] * bool(rows)

    def mutants(self, row):
        # What SQLite keeps to itself it checks again, whatever the server did.
        if row.verdict == "superset" and not row.operators[0].endswith(" column"):
            yield "exact for superset", {"verdict": "exact"}
        if row.collations and row.left_over - {"other"} and not set(row.operators) <= BINARY_ONLY:
            yield "any collation", {"collations": "0"}
        if row.needs:
            yield "any column", {"needs": "0"}
        for operator in row.operators if "{op}" in row.text else ():
            others = LESS if row.verdict == "superset" else NEIGHBOUR
            neighbour = others[operator.removesuffix(" column")]
            other = self.operator.replace("{}", neighbour)
            yield (f"{other} for {operator}",
                   {"operator": operator, "text": row.text.replace("{op}", other)})
        for words, text in self._texts(row):
            yield words, {"text": text}

    def _texts(self, row):
        """Other texts for the row."""
        for words, (pattern, rest) in self.losses.items():
            less = re.sub(pattern, rest, row.text)
            if less != row.text:
                yield words, less
        sides = row.text.split("{or}")
        if len(sides) == 2 and row.operators[0] in ABOVE:
            yield "everything is within", sides[0] + "{or}{c} IS NOT NULL"
        for i in range(2 if len(sides) == 2 else 0):
            yield f"without {sides[i]}", f"({sides[1 - i]})"
        parts = top_level_parts(row.text)
        for i in range(len(parts) if len(parts) > 1 else 0):
            word = "AND" if " AND " in row.text else "OR"
            yield (f"without {parts[i]}",
                   "(" + f" {word} ".join(parts[:i] + parts[i + 1:]) + ")")
        if row.operators[0] in ABOVE:
            yield "by NULL alone", "({c} IS NULL)"
        elif "{op}" not in row.text:
            yield "the contrary", f"NOT ({row.text})"

    def _quoted(self, name):
        return self.quote + name + self.quote

    def _view(self, table):
        shown = ", ".join(f"{self._quoted(a.name)} AS {self._quoted(b.name)}"
                          for a, b in zip(table.view_of.columns, table.columns))
        return (f"CREATE VIEW {self.sql_name(table.name)} AS SELECT {shown}"
                f" FROM {self.sql_name(table.view_of.name)}")

    def _table(self, table):
        name = self.sql_name(table.name)
        # "NULL" said: the first TIMESTAMP of a MariaDB table would get defaults of its own.
        nullable = {True: "NULL", False: "NOT NULL"}
        parts = [
            f"{self._quoted(c.name)} {self.types[c.kind.name]} {nullable[c.nullable]}"
            for c in table.columns
        ]
        if table.key:
            parts.append(f"PRIMARY KEY ({', '.join(table.key)})")
        names = [c.name for c in table.columns]
        return ([f"CREATE TABLE {name} ({', '.join(parts)})"] + self.refill(table, table.rows)[1:] +
                [
                    f"CREATE INDEX {column}_index ON {name} ({column})"
                    for column in table.indexes if column in names
                ])


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def top_level_parts(text):
    """What AND or OR joins in a text in parentheses."""
    if not text.startswith("(") or not text.endswith(")"):
        return [text]
    parts, depth, start = [], 0, 1
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0 and i < len(text) - 1:
            return [text]
        for word in (" AND ", " OR ") if depth == 1 else ():
            if text.startswith(word, i):
                parts.append(text[start:i])
                start = i + len(word)
    return parts + [text[start:-1]]
