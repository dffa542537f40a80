"""mongo.py - MongoDB in the differential test.

The collections numbers, words and times are held to their types by a validator; bag is not, so its
fields may hold anything, and one of them does.
"""

import base64
import datetime
import json
import math

import dataset
from servers.server import Server
from traps import ANYTHING, BY_NAME, Kind

EPOCH = datetime.datetime(1970, 1, 1)
LONG = 2**63
# Values of every type in one field.
BY_NAME.setdefault("any", Kind("any", [
    value for value in ANYTHING if value is not None and not isinstance(value, int)
    or isinstance(value, int) and -LONG <= value < LONG]))

LAYOUT = {
    "numbers": (("_id", ), 60, ("n_bigint", "n_double"),
                ["bool", "smallint", "int", "bigint", "double", "unbounded", "bool 2", "double 2"]),
    "words": (("k", ), 110, ("w_text", ), ["text", "varchar", "enum", "uuid", "int"]),
    "times": (("a", "b"), 50, ("t_timestamp", ), ["timestamp", "seconds", "bytes", "smallint"]),
    "bag": ((), 160, ("b_any", ), ["any", "int", "varchar", "timestamp", "double"])
}
DECIMALS = [("0.1", 0.1), ("0.1000000000000000000001", 0.1), ("5.0", 5), ("1.50", 1.5), ("-2", -2),
            ("9007199254740993", 2**53 + 1), ("NaN", None), ("Infinity", math.inf), ("1E+30", 1e30)]
DATES = [(-62135596800001, "0001-12-31 23:59:59.999 BC"), (253402300800000, "10000-01-01 00:00:00"),
         (-1, "1969-12-31 23:59:59.999")]


def milliseconds(text):
    """Since 1970, of a timestamp; None if it has more than three digits behind the point."""
    whole, _, fraction = text.partition(".")
    if len(fraction) > 3:
        return None
    seconds = (datetime.datetime.fromisoformat(whole) - EPOCH).total_seconds()
    return int(seconds) * 1000 + int(fraction.ljust(3, "0") or 0)


def date(ms):
    return json.dumps({"$date": {"$numberLong": str(ms)}})


class Mongo(Server):
    name = "mongo"
    options = {"schemas": ["differential"]}
    # Every collection has a key, which is always read; equal rows are counted (mongo_scan.test).
    # The whole document has no column here: residual.test.
    absent = ("DISTINCT", "->> text", "->> number")
    types = {
        "bool": "bool", "smallint": "int", "int": "int", "bigint": "long", "double": "double",
        "unbounded": "decimal", "text": "string", "varchar": "string", "enum": "string",
        "uuid": "binData", "timestamp": "date", "seconds": "date", "bytes": "binData", "any": None
    }

    def native(self, kind, value):
        """Extended JSON."""
        if kind.name == "bool":
            return {0: "false", 1: "true"}.get(value)
        if kind.name == "unbounded":
            return None
        if kind.name == "uuid":
            return json.dumps({"$uuid": value})
        if kind.name in ("timestamp", "seconds"):
            ms = milliseconds(value)
            return None if ms is None else date(ms)
        if isinstance(value, bytes):
            encoded = base64.b64encode(value).decode()
            return json.dumps({"$binary": {"base64": encoded, "subType": "00"}})
        if isinstance(value, float):
            text = repr(value) if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
            return json.dumps({"$numberDouble": text})
        if isinstance(value, int):
            name = "$numberInt" if self.types[kind.name] == "int" else "$numberLong"
            return json.dumps({name: str(value)})
        return json.dumps(value)

    def in_digits(self, kind, native, value):
        document = json.loads(native) if native else None
        digits = document.get("$numberDecimal") if isinstance(document, dict) else None
        return native, value if digits in (None, "NaN") else digits

    def own(self, kind):
        if kind.name in ("timestamp", "seconds"):
            return [(date(ms), text) for ms, text in DATES]
        if kind.name == "unbounded":
            return [(json.dumps({"$numberDecimal": text}), value) for text, value in DECIMALS]
        if kind.name == "double":
            return [('{"$numberDouble":"NaN"}', None)]
        if kind.name == "any":
            oid = "a0eebc999c0b4ef8bb6d6bb9"
            return [("true", 1), ("false", 0), (date(-1), DATES[-1][1]), (f'{{"$oid":"{oid}"}}', oid),
                    ('{"x":[1,null]}', '{"x":[1,null]}'), ("[5]", "[5]"),
                    ('{"$numberDecimal":"5.0"}', 5), ('{"$numberDouble":"NaN"}', None)]
        return []

    def tables(self, rng):
        return dataset.make_tables(self, LAYOUT, rng)

    def sql_name(self, table):
        return f"differential.{table}"

    def make(self, tables):
        made = [{"dropDatabase": 1}]
        for table in tables:
            if table.view_of:
                fields = {b.name: f"${a.name}" for a, b in zip(table.view_of.columns, table.columns)}
                made.append({"create": table.name, "viewOn": table.view_of.name,
                             "pipeline": [{"$project": {"_id": 0, **fields}}]})
                continue
            made.append({"create": table.name, **self._validator(table)})
            made += [{"createIndexes": table.name, "indexes": [{"key": {name: 1}, "name": name}]}
                     for name in table.indexes]
        commands = [self._command(command) for command in made]
        for table in tables:
            commands += [] if table.view_of else [self._insert(table, table.rows)]
        return commands

    def refill(self, table, rows):
        return [self._command({"delete": table.name, "deletes": [{"q": {}, "limit": 0}]})] + [
            self._insert(table, rows)] * bool(rows)

    def _command(self, command):
        return json.dumps({**command, "$db": "differential"})

    def _insert(self, table, rows):
        """NULL is null in every other row, and no field at all in the others."""
        documents = []
        for number, row in enumerate(rows):
            fields = []
            for column, (native, value) in zip(table.columns, row):
                if column.name in table.key:
                    native = json.dumps(value)
                elif native == "NULL":
                    native = "null"
                if native != "null" or number % 2:
                    fields.append(f"{json.dumps(column.name)}:{native}")
            documents.append("{" + ",".join(fields) + "}")
        return (f'{{"insert":{json.dumps(table.name)},"documents":[' + ",".join(documents) +
                '],"$db":"differential"}')

    def _validator(self, table):
        properties = {c.name: {"bsonType": [self.types[c.kind.name], "null"]}
                      for c in table.columns if c.name not in table.key}
        if table.name == "bag":
            return {}
        return {"validator": {"$jsonSchema": {"properties": properties}}}
