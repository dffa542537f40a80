#!/usr/bin/python3
"""javascript.py - the same work in JavaScript with its usual packages (javascript.js).

    bench/javascript.py --build DIR [--data DIR] [--runs N] [--rows 150000] [--outer 1000,100000]
                        [--servers postgres,mysql,mongo,redis] [--json FILE]

Scans, look-ups, joins by key (in JavaScript: the keys, their rows in batches, a Map), a join with
GROUP BY, and GROUP BY of one table: in JavaScript once in a Map and once asked of the server, which
is the same work on both sides and has no target.  Needs node and npm, which installs pg, mysql2,
mongodb and ioredis into the data folder.
"""
import argparse
import os
import shutil
import subprocess
import sys

import joins
from comparison import Comparison

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ("pg", "mysql2", "mongodb", "ioredis")
LOOKUPS = 2000
TARGET = 0.33


def install(folder):
    """npm's packages; False if there is no npm."""
    if not shutil.which("node") or not shutil.which("npm"):
        return False
    os.makedirs(folder, exist_ok=True)
    if not all(os.path.isdir(os.path.join(folder, "node_modules", p)) for p in PACKAGES):
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, *PACKAGES],
                       check=True, stdout=subprocess.DEVNULL)
    return True


def same_count(a, b):
    return a.split()[0] == b.split()[0]


def one_server(c, server, node, rows):
    def ours(*what):
        return c.host(c.attached(s=server), *what)
    key = joins.KEY[server]
    columns = f"SELECT {key}, n, amount, name FROM s.bench"
    group = "SELECT n % 10, count(*) FROM s.bench GROUP BY n % 10"
    c.pair(f"{server}: scan {rows} rows", ours("scan", columns), node("scan", server), "JavaScript", same_count,
           target=TARGET)
    c.pair(f"{server}: {LOOKUPS} look-ups by key", ours("lookup", str(LOOKUPS), f"{columns} WHERE {key} = ?"),
           node("lookup", server, str(LOOKUPS)), "JavaScript", same_count, target=TARGET)
    c.pair(f"{server}: GROUP BY n % 10", ours("scan", group), node("group", server), "JavaScript, Map", same_count,
           target=TARGET)
    if server != "redis":
        c.pair(f"{server}: GROUP BY n % 10", ours("scan", group), node("groupasked", server), "JavaScript, asked",
               same_count)


def two_servers(c, source, into, node, n):
    def ours(sql):
        return c.host(joins.join_setup(c, source, into, n), "scan", sql)

    def theirs(what):
        return node(what, source, into, table, BENCH_OUTER=str(joins.outer_address(c, source, n)))
    table, key = f"bench_outer_{n}", joins.KEY[into]
    c.pair(f"{n} keys from {source} into {into}", ours(joins.join_sql(into, n)), theirs("join"),
           "JavaScript", same_count, target=TARGET, keys=n, source=source, into=into)
    if source != into:
        group = (f"SELECT b.n % 10, count(*) FROM a.{table} o CROSS JOIN b.bench b ON b.{key} = o.k"
                 " GROUP BY b.n % 10")
        c.pair(f"{n} keys from {source} into {into}, GROUP BY", ours(group), theirs("joingroup"),
               "JavaScript", same_count, target=TARGET, keys=n, source=source, into=into, group=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--data", default="build/bench-data")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=150000)
    parser.add_argument("--outer", default="1000,100000")
    parser.add_argument("--servers", default=",".join(joins.SERVERS))
    parser.add_argument("--json")
    options = parser.parse_args()
    c = Comparison(options.build, options.runs, options.json)
    folder = os.path.join(os.path.abspath(options.data), "node")
    if not install(folder):
        sys.exit("bench: no node or npm; JavaScript is left out")
    servers = [s for s in options.servers.split(",") if c.servers[s]]
    sizes = [int(n) for n in options.outer.split(",") if n]
    joins.make_tables(c, servers, sizes, options.rows)

    def node(*what, **environment):
        environment["NODE_PATH"] = os.path.join(folder, "node_modules")
        return lambda: c.run("node", os.path.join(HERE, "javascript.js"), *what, **environment)
    c.heading()
    for server in servers:
        one_server(c, server, node, options.rows)
    for n in sizes:
        c.runs = 1 if n >= joins.MANY_KEYS else 2 * options.runs - 1     # what takes long does so evenly
        for source in servers:
            for into in servers:
                two_servers(c, source, into, node, n)
    c.finish()


if __name__ == "__main__":
    main()
