"""redis.py - Redis in the differential test.

Three families of hashes, the collections that there always are, and `hashes` and `keys`, which show
what the others have.  Columns are what the keys say that are there when the server is attached;
what no sample has seen (a number that is spelled otherwise, a family's key that is no number) is
written after that.
"""

import json

from coverage import ABOVE
from dataset import Column, Table, fill_column, note_values
from servers.server import BINARY_ONLY, Server
from traps import BY_NAME, INT64, TEXTS, Kind

# What another row's text would make of a constraint.
TAKEN_FOR = {"key": "element", "element": "key", "match like": "match glob",
             "match glob": "match like", "id": "id range", "id range": "id"}
BYTES = [t.encode() for t in TEXTS] + [b"\x80", b"\xff", b"\xff\xfe", b"\xc3("]

# Numbers as SQLite would write them, then other spellings, which stay what they are.
NUMBER = Kind("number", [0, 1, -1, 2, 5, 7, 10, 26, 2026, 2**53, 2**53 + 1, INT64 - 1, -INT64,
                         6.0, 0.5, 1.5, -0.25, 0.1, 5.25, 100.125, 123456789.125])
SPELLED = [(t.encode(), t) for t in (
    "036", "1e1", "0.10", "+5", " 5", "5 ", "-0", "", "9223372036854775808", "inf", "n/a",
    "12abc", "2026-01-05")] + [(b"\xff", b"\xff"), (b"5\0", "5\0")]
# Parts of an INTEGER key: what SQLite would take for a number is a BLOB.
PARTS = [(t.encode(), t) for t in ("abc", "5a", "x5", "é", "a\nb", "*", "[5]")] + [
    (t, t) for t in (b"05", b"5.0", b"1e1", b" 5", b"+5", b"-0", b"9223372036854775808", b"\xff")]
SCORES = [(b"-0", 0.0), (b"5", 5.0)]
IDS = ["1-0", "1-1", "5-0", "5-1", "5-12", "10-0", "10-5", "99-9", "100-0", "100-100", "999-1",
       "1000-0", "2026-1", "1767571200000-0", "1767571200000-7", "9223372036854775807-0"]
FACTS = {"key": ["a key"], "type": ["a type"], "field": ["an element"], "member": ["an element"],
         "id": ["an id"]}
# Deletes the keys of a type that begin with a prefix.
CLEAR = """for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TYPE', key).ok == ARGV[1] and key:sub(1, #ARGV[2]) == ARGV[2] then
    redis.call('DEL', key)
  end
end"""
# A field that every hash without another has: a hash without fields is no hash.
NO_FIELD = (b"\xff\0", b"nothing")


def shown(stored):
    """What bytes are in SQLite."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def cell(stored):
    return (stored, shown(stored))


class Family(Table):
    """Hashes; a row's first cell is the part of the key behind the table's name."""

    type = "hash"

    def __init__(self, name, columns, parts, sampled, rng, server):
        super().__init__(name, columns, (columns[0].name, ))
        for column in columns:
            column.facts = ["a key"] if column is columns[0] else []
        self.prefix = f"{name}:".encode()
        cells = [parts] + [fill_column(server.cells(c.kind), len(parts), rng) for c in columns[1:]]
        self.rows = [list(row) for row in zip(*cells)]
        self.sampled = [row for row in self.rows if sampled(row)]
        rng.shuffle(self.rows)

    def fields(self, row):
        pairs = [(c.name.encode(), stored) for c, (stored, value) in zip(self.columns[1:], row[1:])
                 if value is not None]
        return pairs or [NO_FIELD]

    def commands(self, rows):
        return [("HSET", self.prefix + row[0][0], *sum(self.fields(row), ())) for row in rows]

    def elements(self, rows):
        """As `hashes` shows them."""
        return [[cell(self.prefix + row[0][0]), cell(field), cell(stored)]
                for row in rows for field, stored in self.fields(row)]

    def keys(self, rows):
        return [cell(self.prefix + row[0][0]) for row in rows]


class Collections(Table):
    """All keys of a type but the hashes; WRITE gives the command that adds a row."""

    prefix = b""

    def __init__(self, name, type_name, columns, key, rows, write):
        super().__init__(name, columns, key)
        self.type = type_name
        self.rows = self.sampled = rows
        self.write = write

    def commands(self, rows):
        return [self.write(*[stored for stored, _ in row]) for row in rows]

    def keys(self, rows):
        return [cell(stored) for stored in {row[0][0]: None for row in rows}]


class Shown(Table):
    """What other tables have, once more."""

    def __init__(self, name, columns, key, bases, show):
        super().__init__(name, columns, key)
        self.bases = bases
        self.show = show
        self.present = {base.name: base.rows for base in bases}
        self.rows = self.rows_with(bases[0], bases[0].rows)

    def rows_with(self, base, rows):
        self.present[base.name] = rows
        return [row for b in self.bases for row in self.show(b, self.present[b.name])]


def text_columns(*names):
    kind = BY_NAME["bytes of text"]
    return [Column(name, kind, facts=FACTS.get(name, [])) for name in names]


BY_NAME.setdefault("number", NUMBER)
BY_NAME.setdefault("bytes of text", Kind("bytes of text", [shown(b) for b in BYTES],
                                         characters=True))


class Redis(Server):
    name = "redis"
    options = {"families": ["numbers:<n>", "words:<k>", "odd:<k>"]}
    types = {"int": "", "number": "", "bytes of text": ""}

    def native(self, kind, value):
        """Bytes."""
        return value if isinstance(value, bytes) else str(value).encode()

    def own(self, kind):
        return SPELLED if kind is NUMBER else []

    def tables(self, rng):
        families = self._families(rng)
        collections = self._collections(rng)
        bases = families + collections
        hashes = Shown("hashes", text_columns("key", "field", "value"), ("key", "field"), families,
                       lambda base, rows: base.elements(rows))
        keys = Shown("keys", text_columns("key", "type"), ("key", ), bases, lambda base, rows: [
            [key, cell(base.type.encode())] for key in base.keys(rows)])
        tables = bases + [hashes, keys]
        note_values(tables)
        return tables

    def _families(self, rng):
        number, text, integer = NUMBER, BY_NAME["bytes of text"], BY_NAME["int"]
        parts = [(str(n).encode(), n) for n in [*range(-3, 50), INT64 - 1, -INT64]] + PARTS
        texts = [cell(b) for b in BYTES if b and b":" not in b]
        spelled = [stored for stored, _ in SPELLED]
        return [
            Family("numbers", [Column("n", number), Column("n_int", integer),
                               Column("n_number", number), Column("n_text", text)], parts,
                   lambda row: isinstance(row[0][1], int) and row[2][0] not in spelled, rng, self),
            Family("words", [Column("k", text), Column("w_text", text), Column("w_int", integer),
                             Column("w_number", number)], texts,
                   lambda row: row[3][0] not in spelled, rng, self),
            Family("odd", [Column("k", text), Column("a b", integer), Column("a.$b", text),
                           Column("é", text)], texts[:40], lambda row: True, rng, self)
        ]

    def _collections(self, rng):
        def some(cells, n):
            return rng.sample(cells, n)

        texts = [cell(b) for b in BYTES]
        names = (b"list", b"LIST", b"list*", b"list\0", b"list\xfe")
        lists = [[cell(key), (None, i), element] for key in names
                 for i, element in enumerate(some(texts, 12))]
        sets = [[cell(key), member] for key in (b"set", b"SET", b"set?", b"set\n", b"set\xfe")
                for member in some(texts, 14)]
        scores = SCORES + [(repr(v).encode(), v) for v in BY_NAME["double"].values]
        names = (b"zset", b"ZSET", b"zset\\", b"zset[a]", b"zset\xfe")
        zsets = [[cell(key), member, score] for key in names
                 for member, score in zip(some(texts, 16), some(scores, 16))]
        streams = [[cell(key), cell(i.encode()), self._entry(name, value)]
                   for key in (b"7", b"STREAM", b"stream^")
                   for i, name, value in zip(IDS, some(TEXTS, 16), some(TEXTS, 16))]
        strings = [[cell(b), value, (None, None)]
                   for b, value in zip(BYTES, some(texts, len(texts)))]
        position = Column("idx", BY_NAME["int"], facts=["an index"])
        stays = Column("ttl_ms", BY_NAME["int"], facts=[])
        score = Column("score", BY_NAME["double"], facts=["a score"], within="key")
        return [
            Collections("strings", "string", [*text_columns("key", "value"), stays], ("key", ),
                        strings, lambda key, value, _: ("SET", key, value)),
            Collections("lists", "list", [*text_columns("key"), position, *text_columns("value")],
                        ("key", "idx"), lists, lambda key, _, value: ("RPUSH", key, value)),
            Collections("sets", "set", text_columns("key", "member"), ("key", "member"), sets,
                        lambda key, member: ("SADD", key, member)),
            Collections("zsets", "zset", [*text_columns("key", "member"), score],
                        ("key", "member"), zsets,
                        lambda key, member, score: ("ZADD", key, score, member)),
            Collections("streams", "stream", text_columns("key", "id", "fields"), ("key", "id"),
                        streams, lambda key, i, entry: ("XADD", key, i, *entry))
        ]

    def _entry(self, name, value):
        text = json.dumps({name: value}, ensure_ascii=False, separators=(",", ":"))
        return ((name.encode(), value.encode()), text.replace("\\u007f", "\x7f"))

    def make(self, tables):
        return [("FLUSHDB", )] + [command for table in tables if not isinstance(table, Shown)
                                  for command in table.commands(table.sampled)]

    def later(self, tables):
        return [command for table in tables if isinstance(table, Family)
                for command in table.commands([r for r in table.rows if r not in table.sampled])]

    def refill(self, table, rows):
        return [("EVAL", CLEAR, 0, table.type, table.prefix)] + table.commands(rows)

    def settled(self, table, rows):
        """The elements of a list are counted from 0."""
        if table.name != "lists":
            return rows
        counts = {}
        found = []
        for key, _, value in rows:
            counts[key] = counts.get(key, -1) + 1
            found.append([key, (None, counts[key]), value])
        return found

    def mutants(self, row):
        if row.verdict == "superset":
            yield "exact for superset", {"verdict": "exact"}
        elif row.operators[0] not in ABOVE:
            yield "not sent", {"text": "nothing"}
        if row.needs:
            yield "any column", {"needs": "0"}
        if row.collations and row.left_over - {"other"} and not set(row.operators) <= BINARY_ONLY:
            yield "any collation", {"collations": "0"}
        if row.text in TAKEN_FOR:
            other = TAKEN_FOR[row.text]
            yield f"taken for {other}", {"text": other}
