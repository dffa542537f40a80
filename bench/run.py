#!/usr/bin/python3
"""run.py - the benchmark: tskdb beside its peers, in one run.  `make bench` calls it.

    bench/run.py --build DIR [--rows N] [--runs N] [--json FILE]

Product and peer run in turn, A B A B, on the same private servers; every figure is the median
of the runs, every ratio the median of the pairs' ratios.  A ratio below 1 means that tskdb is
faster.  Programs time themselves after connecting (wall and CPU seconds of their own process).

    scan      every row of a 7-column table (integers, decimals, a date, text), each value read
              into a typed variable, against the bare client library in its fastest way
    look-up   one row by key through a prepared statement, against the bare client's prepared
              round trip
    peers     the same two against VirtualPG, the other SQLite extension for PostgreSQL
    attach    a database of 2,000 tables
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from urllib.parse import unquote, urlsplit

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VIRTUALPG = "/usr/lib/x86_64-linux-gnu/mod_virtualpg.so"

TABLE = {
    "postgres": "CREATE TABLE bench AS SELECT i::int AS id, (i % 1000)::int AS n, (i * 1.25)::numeric(12,2) AS amount,"
                " (i % 97 / 7.0)::numeric(12,2) AS tax, date '2020-01-01' + (i % 2000) AS d, 'customer ' || i AS name,"
                " md5(i::text) AS hash FROM generate_series(1, {rows}) i;"
                "ALTER TABLE bench ADD PRIMARY KEY (id); ANALYZE bench",
    "mysql": "CREATE TABLE bench (id int PRIMARY KEY, n int, amount decimal(12,2), tax decimal(12,2), d date,"
             " name varchar(40), hash char(32)) AS SELECT seq AS id, seq % 1000 AS n, seq * 1.25 AS amount,"
             " seq % 97 / 7.0 AS tax, date '2020-01-01' + INTERVAL seq % 2000 DAY AS d,"
             " concat('customer ', seq) AS name, md5(seq) AS hash FROM seq_1_to_{rows}; ANALYZE TABLE bench",
}
MONGO_FIELDS = "_id,n,amount,tax,d,name,hash"


def mongo_table(rows):
    """The command by which the server makes the collection bench."""
    side = int(rows ** 0.5) + 1
    counter = {"$add": [{"$multiply": ["$i", side]}, "$j", 1]}
    fields = {
        "_id": "$k", "n": {"$mod": ["$k", 1000]}, "amount": {"$multiply": ["$k", 1.25]},
        "tax": {"$round": [{"$divide": [{"$mod": ["$k", 97]}, 7.0]}, 2]},
        "d": {"$dateAdd": {"startDate": {"$date": "2020-01-01T00:00:00Z"}, "unit": "day",
                           "amount": {"$mod": ["$k", 2000]}}},
        "name": {"$concat": ["customer ", {"$toString": "$k"}]},
        "hash": {"$substrCP": [{"$concat": [{"$toString": {"$multiply": ["$k", 7919]}}, "f" * 32]}, 0, 32]}}
    return json.dumps({"aggregate": 1, "cursor": {}, "pipeline": [
        {"$documents": [{}]}, {"$set": {"i": {"$range": [0, side]}}}, {"$unwind": "$i"},
        {"$set": {"j": {"$range": [0, side]}}}, {"$unwind": "$j"}, {"$set": {"k": counter}},
        {"$match": {"k": {"$lte": rows}}}, {"$project": fields}, {"$out": "bench"}]})


SCAN = "SELECT id, n, amount, tax, d, name, hash FROM {}"
LOOKUP = SCAN + " WHERE id = {}"


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Bench:
    def __init__(self, options):
        self.options = options
        self.build = os.path.abspath(options.build)
        self.results = []
        self.urls = {name: os.environ.get("TSKDB_TEST_" + name.upper()) for name in ("postgres", "mysql", "mongo")}

    # --- running programs -------------------------------------------------------------------

    def program(self, name):
        return os.path.join(self.build, "bench", name)

    def run(self, *command, **environment):
        out = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
        if out.returncode:
            sys.exit(f"bench: {command[0]} {command[-1]}: {out.stderr.strip()}")
        wall, cpu, peak = out.stdout.splitlines()[0].split()
        return {"wall": float(wall), "cpu": float(cpu), "peak_kib": int(peak), "sums": out.stdout.splitlines()[1]}

    def tskdb(self, server, *what, options="{}"):
        setup = f"SELECT tskdb_attach('s', {quoted(self.urls[server])}, {quoted(options)})"
        return lambda: self.run(self.program("sqlite_host"), os.path.join(self.build, "tskdb"), setup, *what)

    def bare(self, server, *what):
        if server == "postgres":
            return lambda: self.run(self.program("bare_postgres"), self.urls[server], *what)
        u = urlsplit(self.urls[server])
        target = [u.hostname, str(u.port), unquote(u.username), u.path.lstrip("/")]
        return lambda: self.run(self.program("bare_mysql"), *target, *what, BENCH_PASSWORD=unquote(u.password or ""))

    # --- comparing --------------------------------------------------------------------------

    def pair(self, title, product, peer, peer_name):
        pairs = []
        product(), peer()      # warm both
        for _ in range(self.options.runs):
            a, b = product(), peer()
            if a["sums"].split(",")[0] != b["sums"].split(",")[0]:
                sys.exit(f"bench: {title}: different rows: {a['sums']} against {b['sums']}")
            pairs.append((a, b))
        row = {"what": title, "peer": peer_name}
        for key in ("wall", "cpu", "peak_kib"):
            row["tskdb_" + key] = statistics.median(a[key] for a, _ in pairs)
            row["peer_" + key] = statistics.median(b[key] for _, b in pairs)
        for key in ("wall", "cpu"):
            row["ratio_" + key] = statistics.median(a[key] / max(b[key], 1e-9) for a, b in pairs)
        self.results.append(row)
        print(f"{title:34} {peer_name:22} {row['tskdb_wall']:9.3f} {row['peer_wall']:9.3f} {row['ratio_wall']:6.2f}"
              f" {row['tskdb_cpu']:8.3f} {row['peer_cpu']:8.3f} {row['ratio_cpu']:6.2f}"
              f" {row['tskdb_peak_kib'] / 1024:7.0f} {row['peer_peak_kib'] / 1024:7.0f}", flush=True)
        return row

    def fastest(self, *candidates):
        """The peer's fastest way on this machine: (name, runner)."""
        return min(candidates, key=lambda c: min(c[1]()["wall"] for _ in range(2)))

    # --- what is measured -------------------------------------------------------------------

    def native(self, server, *statements):
        script = [f"SELECT tskdb_attach('s', {quoted(self.urls[server])}, '{{\"tables\":[],\"timeout\":600000}}')"]
        script += [f"SELECT tskdb_exec('s', {quoted(s)})" for s in statements]
        sql = "".join(s + ";\n" for s in script)
        subprocess.run(["sqlite3", "-bail"], input=f".load {self.build}/tskdb\n.output /dev/null\n{sql}", text=True,
                       check=True)

    def scan_and_lookup(self, server):
        options = self.options
        modes = ("whole", "single", "copy") if server == "postgres" else ("stream", "store")
        scan, parameter = SCAN.format("bench"), {"postgres": "$1", "mysql": "?"}[server]
        name, peer = self.fastest(*((f"bare client, {m}", self.bare(server, "scan", m, scan)) for m in modes))
        self.pair(f"{server}: scan {options.rows} rows", self.tskdb(server, "scan", SCAN.format("s.bench")), peer, name)
        count = str(options.lookups)
        self.pair(f"{server}: {count} look-ups by key",
                  self.tskdb(server, "lookup", count, LOOKUP.format("s.bench", "?")),
                  self.bare(server, "lookup", count, LOOKUP.format("bench", parameter)), "bare client")

    def mongo(self):
        options, fields = self.options, MONGO_FIELDS
        if not self.urls["mongo"]:
            print("mongo: no server, left out")
            return
        self.native("mongo", mongo_table(options.rows))
        peer = lambda *what: lambda: self.run(self.program("bare_mongo"), self.urls["mongo"], *what, "bench", fields)
        self.pair(f"mongo: scan {options.rows} documents",
                  self.tskdb("mongo", "scan", f"SELECT {fields} FROM s.bench"), peer("scan"), "bare client")
        count = str(options.lookups)
        self.pair(f"mongo: {count} look-ups by _id",
                  self.tskdb("mongo", "lookup", count, f"SELECT {fields} FROM s.bench WHERE _id = ?"),
                  peer("lookup", count), "bare client")

    def virtualpg(self):
        if not os.path.exists(VIRTUALPG):
            print("VirtualPG is not installed (libsqlite3-mod-virtualpg): left out")
            return
        setup = f"CREATE VIRTUAL TABLE bench USING virtualpostgres({quoted(self.urls['postgres'])}, public, bench)"
        def peer(*what):
            return lambda: self.run(self.program("sqlite_host"), VIRTUALPG, setup, *what)
        self.pair("postgres: scan", self.tskdb("postgres", "scan", SCAN.format("s.bench")),
                  peer("scan", SCAN.format("bench")), "VirtualPG")
        # Without pushdown a look-up is a scan there: a few are enough.
        self.pair("postgres: 3 look-ups by key", self.tskdb("postgres", "lookup", "3", LOOKUP.format("s.bench", "?")),
                  peer("lookup", "3", LOOKUP.format("bench", "?")), "VirtualPG")

    def attach(self, server):
        schema = "bench_many"
        created = [f"CREATE SCHEMA {schema}"] + [
            f"CREATE TABLE {schema}.t{i} (id int PRIMARY KEY, a int, b varchar(20), c date)" for i in range(2000)]
        self.native(server, *created)
        options = json.dumps({"schemas": [schema]})
        once = self.run(self.program("sqlite_host"), os.path.join(self.build, "tskdb"), "SELECT 1", "scan",
                        f"SELECT tskdb_attach('s', {quoted(self.urls[server])}, {quoted(options)})")
        self.results.append({"what": f"{server}: attach 2000 tables", "tskdb_wall": once["wall"],
                             "tskdb_cpu": once["cpu"], "tskdb_peak_kib": once["peak_kib"]})
        print(f"{server + ': attach 2000 tables':34} {'':22} {once['wall']:9.3f} {'':9} {'':6} {once['cpu']:8.3f}"
              f" {'':8} {'':6} {once['peak_kib'] / 1024:7.0f}", flush=True)

    def main(self):
        print(f"{'what':34} {'peer':22} {'tskdb s':>9} {'peer s':>9} {'ratio':>6} {'CPU s':>8} {'peer':>8} {'ratio':>6}"
              f" {'MiB':>7} {'peer':>7}")
        for server in ("postgres", "mysql"):
            if not self.urls[server]:
                print(f"{server}: no server, left out")
                continue
            self.native(server, *(s for s in TABLE[server].format(rows=self.options.rows).split(";")))
            self.scan_and_lookup(server)
            if server == "postgres":
                self.virtualpg()
            self.attach(server)
        self.mongo()
        if self.options.json:
            with open(self.options.json, "w") as out:
                json.dump({"rows": self.options.rows, "runs": self.options.runs, "results": self.results}, out, indent=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--rows", type=int, default=600000)
    parser.add_argument("--lookups", type=int, default=20000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json")
    Bench(parser.parse_args()).main()


main()
