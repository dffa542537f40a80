"""dataset.py - the same rows on a server and in a native SQLite twin.

Five relations, one of each identity that rows can have: an integer key, a text key, a composite
key, none, and a view.  Their columns are the kinds of traps.py; every value of a kind stands in
at least one row, NULLs are everywhere, and which values meet in a row depends on the seed.

The twin is declared with the types that tskdb declares, read from the virtual table itself.
"""

from traps import BY_NAME

NULL_SHARE = 0.12


class Column:
    """FACTS: those that pushdown rows need ("needs" in tskdb_pushdown) and this column has, where
    the server's file says so.  WITHIN: the server orders by it among rows alike in that column."""

    def __init__(self, name, kind, nullable=True, facts=None, within=None):
        self.name = name
        self.kind = kind
        self.nullable = nullable
        self.facts = facts
        self.within = within
        self.values = []  # those that stand in the rows, as SQLite has them
        self.klass = None  # the driver's, as in tskdb_columns

    def has(self, facts):
        return self.facts is None or set(facts) <= set(self.facts)


class Table:
    """KEY: names of the key's columns.  OF: the table that a view shows, with its columns."""

    def __init__(self, name, columns, key=(), rows=40, view_of=None, indexes=()):
        self.name = name
        self.columns = columns
        self.key = key
        self.n_rows = rows
        self.view_of = view_of
        self.indexes = indexes
        self.rows = []  # lists of (literal, value)
        self.bases = [view_of or self]  # the tables whose rows are shown

    def rows_with(self, base, rows):
        """The rows, now that BASE has ROWS."""
        return rows

    def column(self, name):
        return next(c for c in self.columns if c.name == name)


SECOND = " 2"

# name: (key, rows, indexed columns, [column, kind, …]); a column is named after table and kind so
# that a name in a plan tells its kind.  A second column of a kind is to be compared with the first.
LAYOUT = {
    "numbers": (("id", ), 70, ("n_bigint", "n_decimal", "n_double", "n_real"),
                ["bool", "smallint", "int", "bigint", "unsigned", "oid", "double", "real",
                 "decimal", "wide", "unbounded", "zerofill", "zerofill decimal", "year", "bit", "bool 2",
                 "oid 2"]),
    "words": (("k", ), 110, ("w_varchar", "w_bytewise", "w_codepoints", "w_char", "w_latin"),
              ["text", "varchar", "bytewise", "codepoints", "folding", "unpadded", "latin", "char",
               "unpadded char", "folding char", "enum", "set", "uuid", "json", "jsonb", "int"]),
    "times": (("a", "b"), 50, ("t_date", "t_timestamp", "t_seconds", "t_timestamptz", "t_bytes"),
              ["date", "time", "timestamp", "seconds", "timestamptz", "bytes",
               "padded bytes", "interval", "array", "text array", "real array", "date array",
               "composite", "inet", "inet6", "geometry", "smallint", "date 2", "timestamptz 2",
               "bytes 2"]),
    "bag": ((), 48, ("b_int", ),
            ["int", "bool", "varchar", "bytes", "date", "decimal", "double", "bytewise",
             "folding", "unpadded", "timestamp", "timestamptz", "time", "enum", "uuid", "char", "folding char", "json",
             "jsonb", "inet", "text array", "composite", "long bytes", "zerofill", "zerofill decimal",
             "uuid 2"])
}


def column_name(table, kind):
    return f"{table[0]}_{kind.replace(' ', '_')}"


def key_columns(key):
    """An integer key, a text key, or both."""
    columns = []
    for name in key:
        kind = BY_NAME["int"] if name in ("id", "a") else BY_NAME["varchar"]
        columns.append(Column(name, kind, nullable=False))
    return columns


def key_values(name, n):
    """Different also for a collation that folds and pads. A composite key repeats each part."""
    if name == "id":
        values = list(range(-3, n - 3))
        values[-1] = 2**31 - 1
        return [(str(v), v) for v in values]
    if name == "a":
        return [(str(i // 5), i // 5) for i in range(n)]
    if name == "b":
        return [(f"'{'vwxyz'[i % 5]}'", "vwxyz"[i % 5]) for i in range(n)]
    return [(f"'{t}'", t) for t in (f"{'aBcDéß5'[i % 7]}{i}" for i in range(n))]


def fill_column(cells, n, rng):
    pool = [cells[i % len(cells)] for i in range(n)]
    rng.shuffle(pool)
    # A value that would stand nowhere else is not overwritten by NULL.
    return [(("NULL", None)
             if i >= len(cells) and rng.random() < 0.5 or rng.random() < NULL_SHARE / 4 else cell)
            for i, cell in enumerate(pool)]


def make_equal(columns, cells):
    """A second column of a kind has the value of the first one in some rows."""
    names = [c.name for c in columns]
    for second, name in enumerate(names):
        if name.endswith("_2"):
            cells[second][::4] = cells[names.index(name.removesuffix("_2"))][::4]


def make_tables(server, layout, rng):
    """The relations of LAYOUT with their rows, as far as SERVER has their kinds."""
    tables = []
    for name, (key, n, indexes, kinds) in layout.items():
        columns = key_columns(key) + [
            Column(column_name(name, k), BY_NAME[k.removesuffix(SECOND)]) for k in kinds
            if k.removesuffix(SECOND) in server.types
        ]
        table = Table(name, columns, key, n, indexes=indexes)
        cells = [
            key_values(c.name, n) if c.name in key else fill_column(server.cells(c.kind), n, rng)
            for c in columns
        ]
        make_equal(columns, cells)
        table.rows = [list(row) for row in zip(*cells)]
        if not key:
            table.rows += table.rows[:4]  # the same row twice
        rng.shuffle(table.rows)
        tables.append(table)
    bag = tables[-1]
    shown = [Column("v" + c.name[1:], c.kind) for c in bag.columns]
    view = Table("shown", shown, view_of=bag)
    view.rows = bag.rows
    tables.append(view)
    note_values(tables)
    return tables


def note_values(tables):
    for table in tables:
        for i, column in enumerate(table.columns):
            column.values = [row[i][1] for row in table.rows]


def learn(db, schema, relation, table):
    """Column -> declared type, hidden columns left out; notes the columns' classes."""
    classes = dict(
        db.execute("SELECT name, class FROM tskdb_columns WHERE server = ? AND table_name = ?",
                   (schema, relation)))
    for column in table.columns:
        column.klass = classes[column.name]
    return dict(
        db.execute(f"SELECT name, type FROM {schema}.pragma_table_xinfo('{relation}', '{schema}')"
                   " WHERE hidden <> 1"))


def fill_twin(db, relation, table, rows):
    """ROWS instead of those there. An integer key is the rowid, as it is of the virtual table."""
    names = ", ".join(f'"{c.name}"' for c in table.columns)
    marks = ", ".join("?" * len(table.columns))
    at = [c.name for c in table.columns].index("id") if table.key == ("id", ) else None
    db.execute(f"DELETE FROM {relation}")
    for number, row in enumerate(rows):
        values = [value for _, value in row]
        rowid = number if at is None else values[at]
        db.execute(f"INSERT INTO {relation} (rowid, {names}) VALUES (?, {marks})", [rowid] + values)


def make_twin(db, server, tables, types):
    """Native tables twin."<server>.<table>"; TYPES: table name -> {column: declared type}."""
    for table in tables:
        relation = f'twin."{server.name}.{table.name}"'
        declared = ", ".join(f'"{c.name}" {types[table.name][c.name]}' for c in table.columns)
        db.execute(f"CREATE TABLE {relation} ({declared})")
        fill_twin(db, relation, table, table.rows)


# What a class's affinity comes to; for the generator's own tests, where no server is.
AFFINITY_OF_KIND = {
    "double": "REAL", "real": "REAL", "decimal": "NUMERIC", "wide": "NUMERIC",
    "unbounded": "NUMERIC", "bytes": "BLOB", "padded bytes": "BLOB"
}


def presumed_types(tables):
    return {
        t.name: {
            c.name: AFFINITY_OF_KIND.get(c.kind.name, "INTEGER" if c.kind.numeric else "TEXT")
            for c in t.columns
        }
        for t in tables
    }
