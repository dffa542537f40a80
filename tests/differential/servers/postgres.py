"""postgres.py - PostgreSQL in the differential test."""

import math

from servers.server import SqlServer, quoted

INFINITY = [("'infinity'", "infinity"), ("'-infinity'", "-infinity")]
UNBOUNDED = ["0.1", "0.1000000000000000000001", "5.0", "5.000", "1.50", "0.5", "1" + "0" * 200,
             "0." + "0" * 199 + "1"]
OLD_DATES = ["0044-03-15 BC", "4000-01-01 BC", "10000-01-01", "294000-06-30"]
OLD_STAMPS = ["0044-03-15 12:00:00 BC", "4000-01-01 00:00:00 BC", "10000-01-01 00:00:00"]
OWN = {
    "double": [("'-0'", 0.0), ("'NaN'", None)],
    "real": [("'NaN'", None)],
    "decimal": [("'NaN'", None)],
    "unbounded": [(t, t) for t in UNBOUNDED] +
                 [("'NaN'", None), ("'Infinity'", math.inf), ("'-Infinity'", -math.inf)],
    "jsonb": [("'1.50'", "1.50")],
    "array": [("'{1,2}'", "[1,2]"), ("'{}'", "[]"), ("'{NULL}'", "[null]")],
    "text array": [("'{a,A}'", '["a","A"]'), ("'{a,NULL,\"NULL\"}'", '["a",null,"NULL"]'),
                   ("'{\"a\\\"b\",\"c\\\\d\",\"e f\",\"\"}'", '["a\\"b","c\\\\d","e f",""]'),
                   ("'{é,😀}'", '["é","😀"]'), ("'{é}'", '["é"]'),
                   ("'{É}'", '["É"]'), ("'{éé}'", '["éé"]'), ("'{}'", "[]"), ("'{{a,b},{c,d}}'", '[["a","b"],["c","d"]]')],
    "real array": [("'{1,2.5,NULL}'", "[1,2.5,null]"), ("'{NaN,Infinity}'", '["NaN","Infinity"]'),
                   ("'{1e300,-0.1}'", "[1e+300,-0.1]"), ("'{{1,2},{3,4}}'", "[[1,2],[3,4]]")],
    "date array": [("'{2026-01-05,NULL}'", '["2026-01-05",null]'), ("'{infinity}'", '["infinity"]'),
                   ("'{0044-03-15 BC}'", '["0044-03-15 BC"]')],
    # Of the second, IS NULL is true on the server.
    "composite": [("ROW(1, 'a')", '{"x":1,"y":"a"}'), ("ROW(NULL, NULL)", '{"x":null,"y":null}')],
    "date": INFINITY + [(quoted(t), t) for t in OLD_DATES],
    "time": [("'24:00:00'", "24:00:00")],
    "timestamp": INFINITY + [(quoted(t), t) for t in OLD_STAMPS],
    "timestamptz": INFINITY + [("'2026-01-05 01:00:00+01'", "2026-01-05 00:00:00"),
                                ("'4000-01-01 00:00:00+00 BC'", "4000-01-01 00:00:00 BC"),
                                ("'10000-01-01 00:00:00+00'", "10000-01-01 00:00:00")],
}


class Postgres(SqlServer):
    name = "postgres"
    types = {
        "bool": "boolean", "smallint": "smallint", "int": "integer", "bigint": "bigint",
        "oid": "oid", "double": "double precision", "real": "real", "decimal": "numeric(12,2)",
        "wide": "numeric(38,20)", "unbounded": "numeric", "text": "text",
        "varchar": "character varying(300)", "bytewise": 'text COLLATE "C"',
        "codepoints": "text COLLATE differential.codepoints",
        "folding": "text COLLATE differential.folding", "char": "character(8)",
        "folding char": "character(8) COLLATE differential.folding",
        "enum": "differential.mood", "uuid": "uuid", "json": "json", "jsonb": "jsonb",
        "date": "date", "time": "time", "timestamp": "timestamp", "seconds": "timestamp(0)",
        "timestamptz": "timestamptz",
        "bytes": "bytea", "interval": "interval", "inet": "inet",
        "array": "integer[]", "text array": "text[]", "real array": "float8[]", "date array": "date[]",
        "composite": "differential.pair"
    }
    setup = [
        "DROP SCHEMA IF EXISTS differential CASCADE", "CREATE SCHEMA differential",
        "CREATE TYPE differential.mood AS ENUM ({enum})",
        "CREATE TYPE differential.pair AS (x integer, y text)",
        "CREATE COLLATION differential.folding"
        " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "CREATE COLLATION differential.codepoints (provider = libc, locale = 'C.UTF-8')"
    ]

    operator = "OPERATOR(pg_catalog.{})"
    losses = {
        "the column's own collation": (r' COLLATE pg_catalog\."C"', ""),
        "no folding": (r"pg_catalog\.lower\(", "("),
        "no trimming": (r"pg_catalog\.rtrim\(", "("),
        "NULL is different from nothing": (r"IS DISTINCT FROM", "<>"),
        "NaN is a number": (r"NULLIF\({c}, 'NaN'\)", "{c}"),
        "a backslash escapes": (r"pg_catalog\.like_escape\((.*), ''\)", r"\1"),
    }

    def native(self, kind, value):
        if kind.name == "bool":
            return {0: "false", 1: "true"}.get(value)
        if kind.numeric:
            infinite = {math.inf: "'Infinity'", -math.inf: "'-Infinity'"}
            return infinite.get(value, str(value))
        if isinstance(value, bytes):
            return f"'\\x{value.hex()}'::bytea"
        if kind.name == "timestamptz":
            return f"'{value}+00'"
        if kind.characters:  # whatever the settings of quotes and backslashes are
            return None if "\0" in value else f"convert_from('\\x{value.encode().hex()}', 'UTF8')"
        return quoted(value)

    def enlarge(self, tables):
        return [
            "UPDATE pg_catalog.pg_class SET reltuples = 1000000, relpages = 20000"
            " WHERE relnamespace = 'differential'::regnamespace AND relkind = 'r'"
        ]

    def in_digits(self, kind, native, value):
        words = {None: "NaN", math.inf: "Infinity", -math.inf: "-Infinity"}
        wide = kind.name in ("decimal", "wide", "unbounded")
        return native, words.get(value, value) if wide else value

    def own(self, kind):
        return OWN.get(kind.name, [])
