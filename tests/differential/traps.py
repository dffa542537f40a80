"""traps.py - the values on which servers and SQLite are known to disagree, kind by kind.

A kind is a type as the tests see it, with values as a SQLite column must hold them; what a server
calls it, how it writes the values, and those that it alone can hold are said in servers/.  Numbers
that SQLite itself converts (numeric, unsigned) are texts here: the affinity of the native twin is
the judge.
"""

import math
import struct


class Kind:
    """NAME shows in statistics.  NUMERIC: numbers in SQLite.  CALM: sums neither overflow nor lose
    digits.  CHARACTERS: text of any characters, which may need care on its way to the server."""

    def __init__(self, name, values, numeric=False, calm=False, characters=False):
        self.name = name
        self.values = values
        self.numeric = numeric
        self.calm = calm
        self.characters = characters


INT16, INT32, INT64 = 2**15, 2**31, 2**63
EXACT = 2**53

TEXTS = [
    "", " ", "  ", "a", "A", "á", "Á", "ä", "a ", "a  ", " a", "b", "B", "c", "ab", "AB", "Ab",
    "aB", "abc", "ABC", "abd", "a%b", "a_b", "a*b", "a?b", "a[b", "a]b", "[a-c]", "^a", "100%", "%",
    "_", "*", "?", "\\", "a\\b", "\\%", "it's", '"q"', "`", "ß", "ss", "SS", "ﬀ", "i", "I", "ı",
    "İ", "Ω", "\u2126", "é", "e\u0301", "É", "😀", "😀a", "\U0010ffff", "\ue000", "\uffff", "5", "05",
    "5.0", "+5", " 5", "5 ", "-5", "1e1", "10", "12abc", "9007199254740993", "nan", "Infinity",
    "NULL", "true", "z", "Z", "~", "\x7f", "\x01", "a\nb", "a\n", "\t", "x" * 250, "2026-01-05",
    "2026-01-05 00:00:00", "Strasse", "Straße", "co-op", "coop", "CO-OP", "-a", "a\0b", "\0", "a\0",
    "a|b", "a||b"
]
LATIN = ["", "a", "A", "a ", "é", "É", "e", "ü", "ß", "ss", "abc", "ABC", "5", "%", "_", "ÿ", "þ"]
PADDED = ["", "a", "A", "a  ", "ab", "AB", "abc", "á", "5", "a b", " a", "%", "a%", "ß", "ééé"]


def float4(value):
    return struct.unpack("f", struct.pack("f", value))[0]


ENUM = ["zeta", "alpha", "Mid", "5", "2", "beta"]
DATES = [
    "0001-01-01", "0999-12-31", "1000-01-01", "1969-12-31", "1970-01-01", "1999-12-31",
    "2000-02-29", "2026-01-01", "2026-01-05", "2026-01-31", "2026-02-28", "2026-12-31", "9999-12-31"
]
STAMPS = [
    "1000-01-01 00:00:00", "1969-12-31 23:59:59", "1970-01-01 00:00:01", "2026-01-05 00:00:00",
    "2026-01-05 00:00:00.000001", "2026-01-05 00:00:01", "2026-01-05 12:34:56",
    "2026-01-05 12:34:56.1", "2026-01-05 12:34:56.123", "2026-01-05 12:34:56.123456",
    "2026-01-05 23:59:59.999999", "2026-01-06 00:00:00", "2026-02-28 10:00:00",
    "2026-02-28 10:00:00.5"
]
UNIX_STAMPS = STAMPS[2:] + ["2038-01-19 03:14:07"]
BLOBS = [
    b"", b"\0", b"\0\0", b"a", b"A", b"abc", b"ab", b"a\0b", b"\x7f", b"\x80", b"\xff", b"\xff\xfe",
    b"5", b"2026-01-05", "é".encode(), b"\\x41", b"%", b"x" * 300
]
UUIDS = [
    "00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
]
JSONS = ['{"b":1,"a":2}', '{"a": 2, "b": 1}', "[1,2]", "[]", "null", '"x"', "5", "1.50", "true"]
WIDE = [
    "0", "0.1", "0.10000000000000000001", "0.3", "0.30000000000000000001", "1", "-1", "1.5", "5",
    "9007199254740992", "9007199254740993", "9007199254740993.5",
    "123456789012345678.12345678901234567890", "-0.00000000000000000001", "0.00000000000000000001",
    "999999999999999999", "100", "1234567.891", "2.675"
]


def wide_text(text, scale=20):
    """As the server shows it: with every digit of its scale."""
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(scale, '0')}"


KINDS = [
    Kind("bool", [1, 0, 2, -1], numeric=True, calm=True),
    Kind("smallint", [-INT16, INT16 - 1, 0, 1, 2, 3, 4, 5, 7, 10, 12, -1, -7, 100, 2026],
         numeric=True, calm=True),
    Kind("int", [-INT32, INT32 - 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -1, -2, -7, 123456],
         numeric=True, calm=True),
    Kind("bigint", [
        -INT64, -INT64 + 1, INT64 - 1, INT64 - 2, EXACT - 1, EXACT, EXACT + 1, EXACT + 2,
        -EXACT - 1, -EXACT, -EXACT + 1, 0, 1, 2, 5, 7, 10, -1, 10**18, INT32
    ], numeric=True),
    Kind("unsigned", [
        str(n) for n in (0, 1, 5, 7, EXACT, EXACT + 1, INT64 - 1, INT64, INT64 + 1, 2 * INT64 - 1,
                         2 * INT64 - 2)
    ], numeric=True),
    Kind("oid", [0, 1, 5, 7, 26, INT32 - 1, INT32, 2 * INT32 - 1], numeric=True, calm=True),
    Kind("double", [
        0.0, 1.0, -1.0, 1.5, -1.5, 0.1, 0.2, 0.30000000000000004, 0.3, 2.5, 5.0, 7.0, 10.0, 1e15,
        1e-7, 1e308, -1e308,
        float(EXACT),
        float(EXACT) + 2, 9.223372036854775807e18, 123456.789, 1e22, math.inf, -math.inf
    ], numeric=True),
    Kind("real", [
        float4(v)
        for v in (0.0, 1.0, -1.5, 0.1, 0.5, 5.0, 7.25, 16777216.0, 1e10, 3.3, 123456.79, math.inf)
    ], numeric=True),
    Kind("decimal", [
        "0.00", "0.01", "-0.01", "0.10", "1.00", "1.10", "1.15", "5.00", "5.50", "7.00", "12.50",
        "-12.50", "100.00", "9999999999.99", "-9999999999.99", "1234567890.12"
    ], numeric=True, calm=True),
    Kind("wide", [wide_text(t) for t in WIDE], numeric=True),
    # Not -2^63 - 1: as REAL it is equal to the INTEGER -2^63, and DISTINCT may show either.
    Kind("unbounded", [
        "0", "1", "5", "7", "-1",
        str(EXACT),
        str(EXACT + 1),
        str(INT64 - 1),
        str(INT64),
        str(INT64 + 1),
        str(-INT64), "12345678901234567890123456789012345678"
    ], numeric=True),
    # Written with zeros before them: of the first they do not arrive.
    Kind("zerofill", ["0", "5", "10", "7", "100", str(INT64)], numeric=True),
    Kind("zerofill decimal", ["0.00", "1.50", "10.25", "5.00", "100.00"], numeric=True, calm=True),
    Kind("year", [0, 1901, 1970, 2000, 2026, 2155], numeric=True, calm=True),
    Kind("bit", [0, 1, 5, 7, 255, 256, 65535], numeric=True, calm=True),
    Kind("text", TEXTS, characters=True),
    Kind("varchar", TEXTS, characters=True),
    Kind("bytewise", TEXTS, characters=True),
    Kind("codepoints", TEXTS, characters=True),
    Kind("folding", TEXTS, characters=True),
    Kind("unpadded", TEXTS, characters=True),
    Kind("latin", LATIN, characters=True),
    Kind("char", [t.rstrip(" ") for t in PADDED], characters=True),
    Kind("unpadded char", [t.rstrip(" ") for t in PADDED], characters=True),
    Kind("folding char", [t.rstrip(" ") for t in PADDED], characters=True),
    Kind("enum", ENUM),
    Kind("set", ["", "a", "b", "a,b", "a,c", "a,b,c", "A1"]),
    Kind("uuid", UUIDS),
    Kind("json", JSONS),
    Kind("jsonb", [
        '{"a": 2, "b": 1}', "[1, 2]", '"x"', "null", '{"a": "x"}', '{"a": "X"}', '{"a": 5}',
        '{"a": 5.0}', '{"a": 5.00000000000000000001}', '{"a": "5"}', '{"a": true}', '{"a": "true"}',
        '{"a": false}', '{"a": 0}', '{"a": 1}', '{"a": null}', '{"a": "null"}', '{"a": [1]}',
        '{"a": "[1]"}', '{"a": "é"}', '{"b": "x"}'
    ]),
    Kind("array", []),
    Kind("text array", []),
    Kind("real array", []),
    Kind("date array", []),
    Kind("composite", []),
    Kind("date", DATES),
    Kind("time", ["00:00:00", "00:00:00.000001", "12:34:56", "12:34:56.5", "23:59:59.999999"]),
    Kind("timestamp", STAMPS + ["9999-12-31 23:59:59"]),
    Kind("seconds", [t for t in STAMPS if "." not in t]),
    Kind("timestamptz", UNIX_STAMPS),
    Kind("bytes", BLOBS),
    Kind("long bytes", [b"", b"a"]),
    Kind("padded bytes", [b.ljust(4, b"\0") for b in (b"", b"a", b"ab\0", b"abcd", b"\xff")]),
    Kind("interval", ["1 day", "01:02:03", "-1 days", "1 year"]),
    Kind("geometry", []),
    Kind("inet6", ["::", "::1", "fe80::a", "::ffff:10.0.0.1"]),
    Kind("inet", ["10.0.0.1", "10.0.0.0/8", "::1", "fe80::a"])
]
BY_NAME = {kind.name: kind for kind in KINDS}

# What any column may be compared with, whatever its kind.
ANYTHING = [
    None, 0, 1, -1, 2, 5, 7, 10, 2026, 26, 99, 1e0, 5.0, 5.5, -0.5, 0.1, 0.3, 1e15, 1e16, 1e-5,
    INT64 - 1, -INT64, EXACT, EXACT + 1,
    float(EXACT),
    float(EXACT) + 2, 9.3e18, -9.3e18, 9223372036854775807.0, -9223372036854775808.0,
    1.8446744073709552e19, 1e300, -1e300, 1e-300,
    float("inf"),
    float("-inf"), INT32, -INT32 - 1, INT16, "", " ", "a", "A", "5", "5.0", "05", " 5 ", "5a",
    "12abc", "abc", "1e1", "1e400", "0x10", "1" * 40, "0." + "0" * 30 + "1", "9223372036854775808",
    "-9223372036854775809", "9007199254740993", "9007199254740992.5", ".5", "5.", "+5", "\0",
    "a\0b", "5\0", "nan", "inf", "Infinity", "-Infinity", "infinity", "true", "2026-01-05",
    "2026-1-5", "2026-01-05 00:00:00", "2026-01-05T12:34:56", "20260105", "2026-02-30",
    "2026-01-05 12:34:56.100", "2026-01-05 12:34:56.1", "2026-01-05 12:34", "2026-01-05 12:34:56Z",
    "2026-01-05 00:00:00.0000001", "2026-01-05 24:00:00", "0000-00-00", "10000-01-01", "9999-12-31",
    "0044-03-15 BC", "-0044-03-15", "2026", "2026-01", "1", "12:34:56", "12:34:56.50", "24:00:00",
    b"", b"a", b"\0", b"5", b"2026-01-05", b"\xff", "zeta", "Zeta", "alpha",
    "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "😀", "\U0010ffff"
]

PATTERNS = [
    "%", "_", "", "a%", "A%", "%a", "%a%", "a_b", "a\\%b", "a%b", "ab%", "á%", "Á%", "_b%", "%\\%",
    "5%", "%5", "1__%", "2026-01-%", "2026%", "%:00", "i%", "I%", "ı", "ß", "SS%", "%😀%", "_a",
    "a ", "a  %", "%\n%", "\\", "\\%", "[a-c]%", "it's", "x%", "zeta", "ZETA", "%mid%", "z_ta",
    "a\0%", "a\0", "A\0b", "%a\0", "a|b", "a|%", "%|b", "{%", "*", "a*", None, 5, 5.5, b"a%"
]
GLOBS = [
    "*", "?", "", "a*", "A*", "*a", "*a*", "a?b", "[a-c]*", "[^a]*", "a[*]b", "a[?]b", "a[[]b",
    "á*", "2026-01-*", "*:00", "5*", "it's", "\\*", "a\\*", "x*", "[", "a[", "*😀*", "z?ta", "zeta",
    None, 5, b"a*"
]
