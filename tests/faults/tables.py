"""tables.py - what the tests of faults read: the same rows on each server, in a place of their own,
so that discovering them is a short conversation.

A Tables is a server, a place on it (a schema, a database, a database's number), and the names of
the tables there.
"""
import json
import os
import sys
from urllib.parse import urlsplit

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from host import connect, native, rows, url

ROWS = 40
LARGE_ROWS = 30000
COLUMNS = {
    "fixed": {"id": "int PRIMARY KEY", "a": "bigint", "b": "double precision", "c": "smallint", "d": "date"},
    "variable": {"id": "int PRIMARY KEY", "t": "varchar(400)", "n": "decimal(20, 5)", "u": "varchar(10)"},
    "large": {"id": "int PRIMARY KEY", "t": "varchar(100)"},
}


def values(table):
    """The table's rows: Python values, a date and a decimal as text."""
    for i in range(LARGE_ROWS if table == "large" else ROWS):
        if table == "fixed":
            yield i, i * 10**12, i / 7, i - 20 if i % 5 else None, f"2024-02-{i % 28 + 1:02}"
        elif table == "variable":
            yield i, chr(97 + i % 26) * (i * i % 300), f"{i}.{i:05}", None if i % 3 else str(i)
        else:
            yield i, "y" * 100


class Tables:
    """On a server that has schemas."""

    def __init__(self, server, place="tskdb_faults", tables=("fixed", "variable")):
        self.server, self.place, self.tables = server, place, tables

    def fill(self):
        db = connect()
        rows(db, "SELECT tskdb_attach('setup', ?, '{\"tables\": []}')", (self.url(),))
        self.clear(db)
        for table in self.tables:
            self.make(db, table)
        db.close()

    def url(self, port=None):
        """The server's, or of a proxy at PORT."""
        u = urlsplit(url(self.server))
        credentials, _, host = u.netloc.rpartition("@")
        host = f"{u.hostname}:{port or u.port}"
        return u._replace(netloc=f"{credentials}@{host}", **self.in_place()).geturl()

    def in_place(self):
        """The parts of the URL that name the place."""
        return {}

    def options(self):
        return {"schemas": [self.place]}

    def name(self, table):
        return f'srv."{self.place}.{table}"'

    def clear(self, db):
        cascade = " CASCADE" if self.server == "postgres" else ""
        native(db, "setup", f"DROP SCHEMA IF EXISTS {self.place}{cascade}", f"CREATE SCHEMA {self.place}")

    def make(self, db, table):
        def literal(value):
            return "NULL" if value is None else repr(value)
        columns = ", ".join(f"{name} {type}" for name, type in COLUMNS[table].items())
        filling = ", ".join(f"({', '.join(map(literal, row))})" for row in values(table))
        native(db, "setup", f"CREATE TABLE {self.place}.{table} ({columns})",
               f"INSERT INTO {self.place}.{table} VALUES {filling}")


class Collections(Tables):
    """On MongoDB. The server is named directly: a replica set's members name each other past a proxy."""

    TYPES = {"bigint": "$numberLong", "date": "$date", "decimal(20, 5)": "$numberDecimal"}

    def in_place(self):
        return {"path": f"/{self.place}", "query": "authSource=admin&directConnection=true"}

    def options(self):
        return {}

    def name(self, table):
        return f"srv.{table}"

    def clear(self, db):
        native(db, "setup", '{"dropDatabase": 1}')

    def make(self, db, table):
        def typed(type, value):
            if value is None or type not in self.TYPES:
                return value
            return {self.TYPES[type]: f"{value}T00:00:00Z" if type == "date" else str(value)}
        documents = [{name: typed(type, value) for (name, type), value in zip(COLUMNS[table].items(), row)}
                     for row in values(table)]
        for i in range(0, len(documents), 10000):
            native(db, "setup", json.dumps({"insert": table, "documents": documents[i:i + 10000]}))


class Families(Tables):
    """On Redis, as hashes; the place is a database's number."""

    def in_place(self):
        return {"path": f"/{self.place}"}

    def options(self):
        return {"families": [f"{table}:<id>" for table in self.tables]}

    def name(self, table):
        return f"srv.{table}"

    def clear(self, db):
        rows(db, "SELECT tskdb_exec('setup', 'FLUSHDB')")

    def make(self, db, table):
        """A script makes them: one round trip for many."""
        script = ("for _, row in ipairs(cjson.decode(ARGV[1])) do"
                  " redis.call('HSET', row[1], unpack(row, 2)) end")
        hashes = []
        for id, *row in values(table):
            named = zip(list(COLUMNS[table])[1:], row)
            fields = [[name, str(value)] for name, value in named if value is not None]
            hashes.append([f"{table}:{id}"] + sum(fields, []))
        rows(db, "SELECT tskdb_exec('setup', 'EVAL', ?, '0', ?)", (script, json.dumps(hashes)))


def tables(server):
    """The small ones."""
    return {"mongo": Collections(server), "redis": Families(server, "8")}.get(server) or Tables(server)


def large_table(server):
    place, name = "tskdb_faults_large", ("large",)
    return ({"mongo": Collections(server, place, name), "redis": Families(server, "9", name)}.get(server) or
            Tables(server, place, name))
