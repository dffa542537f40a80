"""mysql.py - MySQL and MariaDB in the differential test."""

import math

from servers.server import SqlServer, quoted
from traps import BY_NAME

# Alike in the 1,024 bytes that the server sorts by.
LONG = ["y" * 1030 + end for end in "abAB"]
POINT = "0101000000" + "000000000000f03f" + "0000000000000040"
GEOMETRIES = [POINT, "0101000000" + "0" * 32, "010200000002000000" + "0" * 32 + POINT[10:]]
ZERO_DATES = ["0000-00-00", "2026-00-00", "2026-01-00"]
OWN = {
    "text": [(f"CONVERT(X'{t.encode().hex()}' USING utf8mb4)", t) for t in LONG],
    "long bytes": [(f"X'{t.encode().hex()}'", t.encode()) for t in LONG],
    "geometry": [(f"ST_GeomFromWKB(X'{g}')", bytes.fromhex(g)) for g in GEOMETRIES],
    "double": [("-0e0", 0.0)], "date": [(quoted(t), t) for t in ZERO_DATES],
    "time": [(quoted(t), t) for t in ("100:00:00", "-01:00:00", "838:59:59")],
    "timestamp": [(quoted(t + " 00:00:00"), t + " 00:00:00") for t in ZERO_DATES[:2]]
}
LABELS = ", ".join(quoted(label) for label in BY_NAME["enum"].values)


class Mysql(SqlServer):
    name = "mysql"
    quote = "`"
    # Zero dates and the like are stored whatever the session's modes are.
    insert = "SET STATEMENT sql_mode = '' FOR INSERT INTO {table} VALUES {rows}"
    analyze = "ANALYZE TABLE {table}"
    setup = ["DROP DATABASE IF EXISTS differential", "CREATE DATABASE differential"]
    types = {
        "bool": "tinyint(1)", "smallint": "smallint", "int": "int", "bigint": "bigint",
        "unsigned": "bigint unsigned", "double": "double", "real": "float",
        "decimal": "decimal(12,2)", "wide": "decimal(38,20)", "unbounded": "decimal(40,0)",
        "zerofill": "bigint unsigned zerofill", "zerofill decimal": "decimal(8,2) zerofill",
        "year": "year", "long bytes": "blob", "bit": "bit(16)", "text": "text", "varchar": "varchar(256)",
        "bytewise": "varchar(300) COLLATE utf8mb4_bin",
        "folding": "varchar(256) COLLATE utf8mb4_unicode_520_ci",
        "unpadded": "varchar(256) COLLATE utf8mb4_nopad_bin",
        "latin": "varchar(30) COLLATE latin1_german1_ci", "char": "char(8)",
        "unpadded char": "char(8) COLLATE utf8mb4_nopad_bin", "enum": f"enum({LABELS})",
        "set": "set('a','b','c','A1')", "uuid": "uuid", "json": "json", "date": "date",
        "time": "time(6)", "timestamp": "datetime(6)", "seconds": "datetime",
        "timestamptz": "timestamp(6)", "inet6": "inet6", "geometry": "geometry",
        "bytes": "varbinary(300)", "padded bytes": "binary(4)"
    }

    losses = {
        "the column's own collation":
        (r"CAST\(CONVERT\({c} USING utf8mb4\) AS BINARY\)", "{c}"),
        "the column's own character set": (r"CONVERT\({c} USING utf8mb4\)", "{c}"),
        "no folding": (r"LOWER\(", "("),
        "no cast": (r"CAST\({v} AS \w+\([0-9,]+\)\)", "{v}"),
        "not as a number": (r" \+ 0", ""),
        "NULL is different from nothing": (r"<=>", "="),
        "a bar escapes": (r"REPLACE\(LOWER\({v}\), '\|', '\|\|'\)", "LOWER({v})"),
    }

    def native(self, kind, value):
        if kind.numeric:
            infinite = isinstance(value, float) and math.isinf(value)
            return None if infinite else f"b'{value:b}'" if kind.name == "bit" else str(value)
        if isinstance(value, bytes):
            return f"X'{value.hex()}'"
        if kind.characters:  # whatever the settings of quotes and backslashes are
            return f"CONVERT(X'{value.encode().hex()}' USING utf8mb4)"
        return quoted(value)

    def enlarge(self, tables):
        return [
            "UPDATE mysql.innodb_table_stats SET n_rows = 1000000, clustered_index_size = 20000"
            " WHERE database_name = 'differential'"
        ] + [  # a table under a new name is looked up anew
            f"RENAME TABLE differential.{old} TO differential.{new}"
            for t in tables if not t.view_of
            for old, new in ((t.name, f"{t.name}_"), (f"{t.name}_", t.name))
        ]

    def in_digits(self, kind, native, value):
        return native, value.zfill(9) if kind.name == "zerofill decimal" else value

    def own(self, kind):
        return OWN.get(kind.name, [])
