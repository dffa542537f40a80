#!/usr/bin/python3
"""pushdown.py - writes docs/pushdown.md from the table tskdb_pushdown.

  make update-documents

What a server may do stands in its driver's rows alone (vtab/pushdown.h).  Here stand the words that
the rows have not: which types of a server a class is, and which facts of a column the rows ask for.
tests/documents/pushdown.test holds both to the servers.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests"))
from host import connect, rows

HEAD = """# What the servers do

What a server may do in SQLite's place, column by column. A server *decides* where it gives the very rows
that SQLite would: ORDER BY, LIMIT and DISTINCT may then be sent too. It *narrows* where it gives those
rows and perhaps more: SQLite checks them again. Everything else SQLite does alone, on the rows that come;
the reason is given.

This page is written by `docs/pushdown.py` from the table `tskdb_pushdown`, by which tskdb decides. Of one
statement, `tskdb_explain` says what would be sent and why not more:

```sql
.load ./tskdb
SELECT operator, verdict, words FROM tskdb_pushdown WHERE driver = 'mysql' AND class = 'numeric';
SELECT tskdb_attach('pg', 'postgresql://app@db1/shop');
SELECT remote, exact, local FROM tskdb_explain('SELECT * FROM pg.orders WHERE placed_at >= ''2026-01-01''');
```

`IS` with a value is as `=`. "Ranges" are `<` `<=` `>` `>=` and BETWEEN, "NULL tests" `IS NULL` and
`IS NOT NULL`, "order" is ORDER BY, min() and max(), "groups" are GROUP BY and DISTINCT where no other
column is read.

Beside these, WHERE's other conditions are sent where they come down to comparisons of this table's columns
with constants: `lower(a) = 'x'`, `a + 1 > 5`, `coalesce(a, 0) = 0`, `a = 1 OR b = 2`, CASE, `NOT (…)`, `date(at)`,
`strftime('%Y', at)`, `'%Y-%m'` or `'%Y-%m-%d'` and `substr(at, 1, 4)`, `7` or `10` of a date against such a text,
`LIKE … ESCAPE`, and to comparisons of two such columns with each other (`shipped > promised`; "columns" below,
for two of one line). They narrow. See `residual_rows` in docs/urls.md and "What SQLite keeps to itself" in
docs/architecture.md.

`ORDER BY a LIMIT n` comes from an index on `a`, also with `=` on the columns that stand before it there:
`WHERE author = 7 ORDER BY created_at DESC LIMIT 20`. PostgreSQL has NULLs at the other end of its indexes
than SQLite, NaN at the end of all numbers, and years beyond 9999 and BC in the order of time; it is asked for
the first rows of those that are in SQLite's order, by the index, of the few others and of the NULLs, and for the
first of all these. Beside an IN of several values, and beside a condition that only narrows, no LIMIT is sent,
nor before SQLite 3.51 beside `<>`, LIKE, `IS NOT` and `IS NOT NULL`: then all rows that fit are sent, in order,
until SQLite has enough. Expressions in ORDER BY (`lower(a)`, `a + 1`) are never offered: SQLite sorts. Of MongoDB's fields only
those that a validator holds to one type have an order, and dates there have none: the others may hold values that
MongoDB puts elsewhere.

## Values

Before a server is asked, SQLite's own rules are applied to the value, for every server in the same way.

| column | INTEGER or REAL | TEXT | BLOB |
|---|---|---|---|
| integers, booleans | as an integer; one with a fraction, or out of range, becomes a bound, all rows or none | as the number that it spells, else greater than all | greater than all |
| floats | as a double; integers beyond 2^53 and infinities are SQLite's | as the number that it spells, else greater than all, a range SQLite's | greater than all |
| decimals | as the shortest decimal that SQLite reads as the value | as the number that it spells, else greater than all | greater than all |
| texts | SQLite's: the answer depends on where the number comes from | as it is; what the server's encoding cannot hold equals nothing | greater than all |
| dates and times | SQLite's, as for texts | a real date in the form of the column, or of a day; else SQLite's | greater than all |
| bytes | less than all | less than all | as it is |

NULL finds nothing, and is left out of an `IN`. A value that is known only when the statement runs is
judged when the scan starts.
"""

# Shown only where a server does it.
MEMBERS = "`->> 'label' =`"
# SQLite never asks for it; no reason is given where it narrows.
COLUMNS = "columns"

# How a verdict reads, and the operators in the order of a cell, under the names of HEAD.
OPERATORS = [("`=`", ["="]), ("`<>`", ["<>"]), ("ranges", ["<", "<=", ">", ">="]), ("`IN`", ["IN"]),
             ("`IS NOT`", ["IS NOT"]), ("NULL tests", ["IS NULL", "IS NOT NULL"]), ("`LIKE`", ["LIKE"]),
             ("`GLOB`", ["GLOB"]), ("order", ["ORDER BY"]), ("groups", ["DISTINCT"]),
             (MEMBERS, ["->> text", "->> number"]),
             (COLUMNS, [f"{operator} column" for operator in ("=", "<>", "<", "<=", ">", ">=")])]
# SQLite never offers the others under a collation of its own.
COLLATED = ("=", "<", "<=", ">", ">=", "IN")
BYTES, ORDERED, WHOLE, DIGITS = "equal as bytes", "ordered as bytes", "sorts whole", "no zerofill"
NAMED, DOCUMENT = "can be named", "is the document"


class Subject:
    """Columns that are alike: of CLASSES, with FACTS, compared under COLLATION."""

    def __init__(self, words, classes, facts=(), collation="BINARY"):
        self.words = words
        self.classes = classes.split(", ")
        self.facts = set(facts)
        self.collation = collation


SERVERS = {
    "postgres": ("PostgreSQL", [
        Subject("boolean", "boolean"), Subject("smallint, integer, bigint", "integer"), Subject("oid", "unsigned"),
        Subject("real, double precision", "float4, float"),
        Subject("numeric(p,s) of at most 15 digits", "decimal"), Subject("numeric, wider or without bound", "numeric"),
        Subject("numeric under `numeric=text`", "numeric text"),
        Subject("text, varchar, name", "text", [BYTES]),
        Subject("the same, `COLLATE \"C\"`, `\"C.UTF-8\"` or in a database of these", "text", [BYTES, ORDERED]),
        Subject("the same, under a collation that is not deterministic", "text"),
        Subject("the same, compared with COLLATE NOCASE", "text", [BYTES], "NOCASE"),
        Subject("the same, compared with COLLATE RTRIM", "text", [BYTES], "RTRIM"),
        Subject("the same, in a database that is not UTF-8", "text", [BYTES, "ascii"]),
        Subject("char(n)", "char", [BYTES]), Subject("an enum", "enum"), Subject("uuid", "uuid"),
        Subject("date", "date"), Subject("timestamp", "timestamp"), Subject("timestamptz", "timestamptz"),
        Subject("time", "time"), Subject("json", "json"), Subject("jsonb", "jsonb"),
        Subject("arrays, composite types", "array, composite"), Subject("bytea", "bytes"),
        Subject("every other type", "other")]),
    "mysql": ("MySQL and MariaDB", [
        Subject("tinyint to bigint, bit(1) to bit(63)", "integer, bit"), Subject("bigint unsigned", "unsigned"),
        Subject("year", "year"), Subject("float, double", "float4, float"),
        Subject("decimal of at most 15 digits", "decimal"), Subject("decimal, wider", "numeric"),
        Subject("decimal, bigint unsigned under `numeric=text`, `unsigned=text`", "numeric text", [DIGITS]),
        Subject("char, varchar of at most 256 characters", "text, char", [WHOLE, "LIKE folds"]),
        Subject("longer varchar, text", "text"),
        Subject("the same, of a collation `…_nopad_bin` or `…_0900_bin`", "text, char", [BYTES, ORDERED]),
        Subject("the same, compared with COLLATE NOCASE", "text, char", [], "NOCASE"),
        Subject("the same, compared with COLLATE RTRIM", "text, char", [], "RTRIM"),
        Subject("enum, set", "enum, set", [WHOLE]), Subject("uuid", "uuid"), Subject("date", "date"),
        Subject("datetime, timestamp", "timestamp, timestamptz"), Subject("time", "time"),
        Subject("json of MySQL; MariaDB's is text", "jsonb"), Subject("binary, varbinary of at most 1,024 bytes", "bytes", [WHOLE]),
        Subject("longer varbinary, blob", "bytes"), Subject("geometry", "geometry"),
        Subject("every other type", "other")]),
    "mongo": ("MongoDB", [
        Subject("a field that may hold any type", "mixed", [NAMED, BYTES, ORDERED]),
        Subject("a field that a validator holds to bool, int, long", "boolean, integer", [NAMED]),
        Subject("… to double", "float", [NAMED]), Subject("… to string", "text", [NAMED, BYTES, ORDERED]),
        Subject("… to date", "timestamp", [NAMED]),
        Subject("a field of any type, in a view that has a collation", "mixed", [NAMED]),
        Subject("a string field in such a view", "text", [NAMED]),
        Subject("`_doc`", "text", [DOCUMENT, ORDERED])]),
    "redis": ("Redis", [
        Subject("`key`, a family's `id`", "text", ["a key"]), Subject("a family's `id` of integers", "integer", ["a key"]),
        Subject("`type`", "text", ["a type"]), Subject("`field`, `member`", "text", ["an element"]),
        Subject("`idx`", "integer", ["an index"]), Subject("`score`", "float", ["a score"]),
        Subject("`id` of a stream", "text", ["an id"]), Subject("every other column", "text, integer, float, mixed")]),
}


def needs_of(text):
    return set(text.split(", ")) if text else set()


class Table:
    """The rows of one driver, and what they come to."""

    def __init__(self, db, driver):
        self.rows = rows(db, "SELECT operator, class, collations, needs, verdict, words, min_version"
                         " FROM tskdb_pushdown WHERE driver = ? ORDER BY row", (driver,))

    def find(self, operator, klass, subject):
        """The row that decides, as pushdown_find() does for the newest server."""
        # A wide number is asked for by its neighbourhood.
        operator = ">=" if (operator, klass) == ("=", "numeric") else operator
        for of, covers, collations, needs, verdict, words, version in self.rows:
            if ((of, covers) == (operator, klass) and needs_of(needs) <= subject.facts
                    and (not collations or subject.collation in collations.split(", "))):
                return verdict, words, version
        return "local", "", 0

    def verdict(self, operators, subject):
        """The same for all operators and classes, or what stands here is wrong."""
        found = {self.find(o, k, subject) for o in operators for k in subject.classes}
        assert len(found) == 1, (subject.words, operators, found)
        return found.pop()


def version_text(version):
    return f" (from {version // 10000}.{version // 100 % 100})" if version else ""


def cells(table, subject):
    """What the server decides, what it narrows, what is SQLite's."""
    exact, told = [], {"superset": {}, "local": {}}
    for name, operators in OPERATORS:
        if subject.collation != "BINARY" and not set(operators) & set(COLLATED):
            continue
        verdict, words, version = table.verdict(operators, subject)
        if verdict == "local" and name == MEMBERS:
            continue
        if verdict == "exact":
            exact.append(name + version_text(version))
        else:
            words = "" if (name, verdict) == (COLUMNS, "superset") else words
            told[verdict].setdefault(words, []).append(name + version_text(version))
    others = ["; ".join(", ".join(names) + (f": {words}" if words else "")
                        for words, names in told[verdict].items())
              for verdict in ("superset", "local")]
    return [", ".join(exact)] + others


def page(db):
    """The whole page."""
    out = [HEAD]
    for driver, (name, subjects) in SERVERS.items():
        table = Table(db, driver)
        assert table.rows, f"this build has no driver {driver}"
        out.append(f"\n## {name}\n\n| column | the server decides | it narrows | SQLite alone |\n|---|---|---|---|\n")
        out += [f"| {s.words} | {' | '.join(cells(table, s))} |\n" for s in subjects]
    return "".join(out)


if __name__ == "__main__":
    sys.stdout.write(page(connect()))
