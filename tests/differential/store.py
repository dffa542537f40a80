"""store.py - the relations of each server and of their twins, made, attached and refilled.

A server stands under several attached names: with pushdown, without it, and, the server under
test, once more after its statistics have been made to say that its tables are large.
"""

import os
import random

import dataset
import host
from comparison import LARGE, LOCAL, NATIVE, PUSHED
from plans import FORCED, PLAIN, SPLIT
from query import twin
from servers import SERVERS

SUFFIX = {PUSHED: "on", LOCAL: "off", LARGE: "large"}


class Store:
    """TABLES: server -> its tables."""

    def __init__(self, db, main, seed, native=False, digits=False):
        self.db = db
        self.main = main
        self.tables = {}
        SERVERS[main].digits = digits
        db.execute("ATTACH ':memory:' AS twin")
        for name, server in SERVERS.items():
            if name != main and (native or not os.environ.get(host.SERVERS[name])):
                continue
            tables = server.tables(random.Random(f"{seed}:{name}"))
            types = dataset.presumed_types(tables) if native else self._attach(server, tables)
            dataset.make_twin(db, server, tables, types)
            self.tables[name] = tables

    def _attach(self, server, tables):
        """Makes the tables and attaches the server. What the columns are declared as."""
        db, name = self.db, server.name
        host.attach(db, "setup", name, tables=[])
        host.native(db, "setup", *server.make(tables))
        host.attach(db, f"{name}_on", name, **server.attach_options(), residual_rows=0)
        if name == self.main:
            host.attach(db, f"{name}_off", name, **server.attach_options(), pushdown=False)
            enlarged = server.enlarge(tables)
            host.native(db, "setup", *enlarged)
            host.attach(db, f"{name}_large", name, **server.attach_options())
            assert not enlarged or self._is_large(f"{name}_large")
        host.native(db, "setup", *server.later(tables))
        db.execute("SELECT tskdb_detach('setup')").fetchone()
        return {t.name: dataset.learn(db, f"{name}_on", server.sql_name(t.name), t) for t in tables}

    def _is_large(self, attached):
        """Whether the server's statistics say so of all its tables."""
        least, = self.db.execute("SELECT min(rows) FROM tskdb_tables WHERE server = ?",
                                 (attached, )).fetchone()
        return least >= 10**6

    def relations(self, way):
        """The function that names the relations; of the other servers there is one way only."""

        def relation(server, table):
            suffix = SUFFIX[way] if server == self.main else "on"
            return f'{server}_{suffix}."{SERVERS[server].sql_name(table)}"'

        return relation

    def ways(self, native=False):
        """For Comparison. Without a server, the plans are tried on the twin itself."""
        plain = {} if native else {way: (self.relations(way), PLAIN) for way in SUFFIX}
        forced = {
            # Of a small table all is fetched, whatever the alternatives.
            way: (twin if native else self.relations(LARGE if way == SPLIT else PUSHED), plan)
            for way, plan in FORCED.items()
        }
        return {NATIVE: (twin, PLAIN), **plain, **forced}

    def whole_size(self, select):
        """How many rows the statement's first table has."""
        source = getattr(select, "sources", [(None, None, None)])[0][1]
        for table in self.tables.get(getattr(source, "server", None), ()):
            if table.name == source.table:
                return len(table.rows)
        return 10**9

    # --- fewer rows ----------------------------------------------------------------------------

    def base_tables(self, sources):
        """The tables below SOURCES, each once, with their servers."""
        found = {}
        for source in sources:
            table = next(t for t in self.tables[source.server] if t.name == source.table)
            for base in table.bases:
                found[source.server, base.name] = (source.server, base)
        return list(found.values())

    def put(self, server, table, rows):
        """TABLE has ROWS alone, and so have its twin and those of its views."""
        host.native(self.db, f"{server}_on", *SERVERS[server].refill(table, rows))
        rows = SERVERS[server].settled(table, rows)
        for t in self.tables[server]:
            if table in t.bases:
                dataset.fill_twin(self.db, twin(server, t.name), t, t.rows_with(table, rows))

    def restore(self, kept):
        for server, table in kept:
            self.put(server, table, table.rows)
