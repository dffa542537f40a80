"""equivalent.py - mutants of pushdown rows that mean the same, and why: no statement can notice."""

C = ' COLLATE pg_catalog."C"'
TEXTS = " OPERATOR(pg_catalog.=) ANY ({v}::pg_catalog.text[])"
OTHER = "(CASE WHEN {c} IS NOT NULL THEN pg_catalog.concat({c}) END)"
INDEX = "it is there for the index"
BESIDE = "the bound lies beside the value, and < and > are not sent"
SAME_ORDER = "ICU orders digits, '-', blanks and letters as C does; other libraries do not"
RECHECKED = "SQLite checks an IN list again, so more rows do not show"

ONLY_ASCII = "such values have no letters beyond ASCII"
NO_CONSTANT = "only a pattern with a NUL finds more, and such a one is no constant to SQLite"
DERIVED = "SQLite checks a range under NOCASE again, as it may come from a LIKE"

BESIDE_THE_PLAN = "what SQLite keeps to itself it checks again, whatever the server did"

NOCASE = ('pg_catalog.lower({c} COLLATE pg_catalog."C") {op}'
          ' pg_catalog.lower({v}::pg_catalog.text COLLATE pg_catalog."C")')
NUMERIC = "{c} {op} {v}::pg_catalog.numeric"
CHAR = ("({c} OPERATOR(pg_catalog.=) {v}::pg_catalog.text::pg_catalog.bpchar"
        " AND {c}::pg_catalog.text OPERATOR(pg_catalog.=) {v}::pg_catalog.text)")
ORDER_OF_NUMBERS = "NULLIF({c}, 'NaN'){or}{c} OPERATOR(pg_catalog.<>) 'NaN'"
DECIMAL = "{c} {op} CAST({v} AS DECIMAL(65,30))"
BYTES = "CAST(CONVERT({c} USING utf8mb4) AS BINARY)"
TEXT_IN = "({c} IN ({v}) AND " + BYTES + " IN ({v}))"
LIKE = ("(LOWER(CONVERT({c} USING utf8mb4)) COLLATE utf8mb4_bin"
        " LIKE REPLACE(LOWER({v}), '|', '||') ESCAPE '|' OR LOCATE(x'00', " + BYTES + ") > 0"
        " OR LOCATE(x'00', CAST({v} AS BINARY)) > 0)")



def member_bound(operator, moved):
    """A bound of PostgreSQL's for a number in a document."""
    return (f"({{c}} OPERATOR(pg_catalog.->) {{m}}::pg_catalog.text) OPERATOR(pg_catalog.{operator})"
            f" pg_catalog.to_jsonb({{v}}::pg_catalog.int8 OPERATOR(pg_catalog.{moved}) 0.5)")


def like(text):
    """PostgreSQL's LIKE over a text."""
    return (f"pg_catalog.lower({text}{C}) OPERATOR(pg_catalog.~~)"
            f" pg_catalog.like_escape(pg_catalog.lower({{v}}::pg_catalog.text{C}), '')")


def plain(text, pattern):
    """MySQL's LIKE over a text without letters."""
    return f"({text} LIKE {pattern} ESCAPE '|' OR LOCATE(x'00', CAST({{v}} AS BINARY)) > 0)"


def bounds(kind, low=">=", word="AND", high="<"):
    """Within which PostgreSQL's dates are in the order of their texts."""
    return (f"{{c}} OPERATOR(pg_catalog.{low}) '0001-01-01'::pg_catalog.{kind}"
            f" {word} {{c}} OPERATOR(pg_catalog.{high}) '10000-01-01'::pg_catalog.{kind}")


def date_range(kind):
    """PostgreSQL's for dates."""
    return (f"{{c}} {{op}} {{v}}::pg_catalog.{kind} AND {bounds(kind)}"
            f"{{or}}({bounds(kind, '<', 'OR', '>=')}) AND {{c}}::pg_catalog.text{C}"
            " {op} {v}::pg_catalog.text")


def date_order(kind):
    return "{c}::pg_catalog.text" + C + "{or}" + bounds(kind)


# server: (the row's text, the mutant's words, why)
KNOWN = {
    "postgres": [
        (NUMERIC, "OPERATOR(pg_catalog.>) for <", BESIDE),
        (NUMERIC, "OPERATOR(pg_catalog.<) for <=", BESIDE),
        (NUMERIC, "OPERATOR(pg_catalog.<) for >", BESIDE),
        (NUMERIC, "OPERATOR(pg_catalog.>) for >=", BESIDE),
        (NOCASE, "OPERATOR(pg_catalog.<=) for <", DERIVED),
        ("({c} OPERATOR(pg_catalog.->>) {m}::pg_catalog.text) OPERATOR(pg_catalog.=)"
         " {v}::pg_catalog.text", "exact for superset", BESIDE_THE_PLAN),
        (member_bound(">=", "-") + " AND " + member_bound("<=", "+"), "exact for superset",
         BESIDE_THE_PLAN),
        (CHAR, "without {c} OPERATOR(pg_catalog.=) {v}::pg_catalog.text::pg_catalog.bpchar", INDEX),
        ("{c}" + TEXTS, "any column", RECHECKED),
        ("pg_catalog.rtrim({c})" + C + " OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT pg_catalog.rtrim(v)"
         " FROM pg_catalog.unnest({v}::pg_catalog.text[]) v))", "the column's own collation", RECHECKED),
        (like(OTHER), "the column's own collation", ONLY_ASCII),
        (like("pg_catalog.timezone('UTC', {c})::pg_catalog.text"), "the column's own collation",
         ONLY_ASCII),
        ("{c}::pg_catalog.text" + C, "the column's own collation", SAME_ORDER),
        (ORDER_OF_NUMBERS, "without {c} OPERATOR(pg_catalog.<>) 'NaN'", INDEX),
    ] + [(text + C + TEXTS, "the column's own collation", RECHECKED)
         for text in ("{c}", OTHER, "{c}::pg_catalog.text", "pg_catalog.to_json({c})::pg_catalog.text")
    ] + [(date_range(kind), "the column's own collation", SAME_ORDER)
         for kind in ("date", "timestamp", "timestamptz")
    ] + [(date_order(kind), "the column's own collation", SAME_ORDER)
         for kind in ("date", "timestamp")
    ] + [(date_order(kind), "without " + bounds(kind), INDEX)
         for kind in ("date", "timestamp", "timestamptz")],
    "mysql": [
        (DECIMAL, "no cast", INDEX),
        ("{c} = CAST({v} AS DATETIME(6))", "no cast",
         "only a look-up in an index cuts the fraction: mysql_pushdown_test holds it"),
        (DECIMAL, "> for <", BESIDE),
        (DECIMAL, "< for >", BESIDE),
        ("NOT ({c} <=> CAST({v} AS DECIMAL(65,30)))", "no cast", INDEX),
        ("{c} IN ({v})", "any column", RECHECKED),
        ("({c} = {v} AND " + BYTES + " = {v})", "without {c} = {v}", INDEX),
        (TEXT_IN, "the column's own collation", RECHECKED),
        (TEXT_IN, "without {c} IN ({v})", INDEX),
        (TEXT_IN, "without " + BYTES + " IN ({v})", RECHECKED),
        (plain("CAST({c} AS CHAR)", "{v}"), "exact for superset", NO_CONSTANT),
        (plain("CAST({c} AS CHAR)", "LOWER({v})"), "exact for superset", NO_CONSTANT),
        (plain("IF(MICROSECOND({c}) = 0, SUBSTRING_INDEX(CAST({c} AS CHAR), '.', 1),"
               " TRIM(TRAILING '0' FROM CAST({c} AS CHAR)))", "{v}"), "exact for superset",
         NO_CONSTANT),
        (BYTES, "the column's own character set", "the bytes of latin1 are in the same order"),
        (LIKE, "the column's own collation", "a NUL is found by its byte in any collation"),
    ],
    "redis": [
        ("element", "not sent", RECHECKED),
        ("score", "any column", "no other column is a REAL"),
        ("id range", "any collation", "ids have neither letters nor blanks"),
    ],
}
EQUIVALENT = {(server, text, words): why
              for server, known in KNOWN.items() for text, words, why in known}
