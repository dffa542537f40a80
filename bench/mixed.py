#!/usr/bin/python3
"""mixed.py - a thousand ordinary queries, as an application makes them, over TPC-H's two servers.

    bench/mixed.py [--build DIR] [--queries N] [--json FILE]

Look-ups, lists, pages, searches, counts and joins within and across the servers, in a fixed random
order, in Debian's python3 with its own sqlite3 module.  Needs the tables of tpch/run.py.  Prints
the average, the median, the 99th percentile and the slowest, each kind's average and the memory.
"""
import argparse
import json
import os
import random
import resource
import sqlite3
import statistics
import sys
import time

import address

KINDS = {
    "order by key": ("SELECT * FROM orders WHERE o_orderkey = ?", ("order",)),
    "customer by key": ("SELECT * FROM customer WHERE c_custkey = ?", ("customer",)),
    "customer by name": ("SELECT c_custkey, c_acctbal FROM customer WHERE c_name = ?", ("name",)),
    "order with its customer": ("SELECT o_orderkey, o_totalprice, c_name, c_phone FROM orders JOIN customer"
                                " ON c_custkey = o_custkey WHERE o_orderkey = ?", ("order",)),
    "orders of a customer": ("SELECT o_orderkey, o_orderdate, o_totalprice FROM orders WHERE o_custkey = ?"
                             " ORDER BY o_orderdate DESC", ("customer",)),
    "lines of an order with their parts": ("SELECT l_linenumber, l_quantity, p_name FROM lineitem JOIN part"
                                           " ON p_partkey = l_partkey WHERE l_orderkey = ? ORDER BY l_linenumber",
                                           ("order",)),
    "suppliers of a part": ("SELECT s_name, ps_supplycost, n_name FROM partsupp JOIN supplier ON s_suppkey = ps_suppkey"
                            " JOIN nation ON n_nationkey = s_nationkey WHERE ps_partkey = ? ORDER BY ps_supplycost",
                            ("part",)),
    "twenty customers by key": ("SELECT c_custkey, c_name FROM customer WHERE c_custkey IN ({})".format(
        ", ".join("?" * 20)), ("customer",) * 20),
    "a page of orders": ("SELECT o_orderkey, o_orderdate FROM orders WHERE o_orderkey > ? ORDER BY o_orderkey LIMIT 20",
                         ("order",)),
    "richest customers of a nation": ("SELECT c_name, c_acctbal FROM customer JOIN nation ON n_nationkey = c_nationkey"
                                      " WHERE n_nationkey = ? ORDER BY c_acctbal DESC LIMIT 10", ("nation",)),
    "orders of a day by priority": ("SELECT o_orderpriority, count(*) FROM orders WHERE o_orderdate = ?"
                                    " GROUP BY o_orderpriority", ("day",)),
    "a customer's revenue a year": ("SELECT substr(o_orderdate, 1, 4) AS y, sum(l_extendedprice * (1 - l_discount))"
                                    " FROM orders JOIN lineitem ON l_orderkey = o_orderkey WHERE o_custkey = ?"
                                    " GROUP BY y ORDER BY y", ("customer",)),
    "parts like a word": ("SELECT p_partkey, p_name FROM part WHERE p_name LIKE ? LIMIT 20", ("word",)),
    "customers of a nation who never ordered": ("SELECT count(*) FROM customer WHERE c_nationkey = ? AND NOT EXISTS"
                                                " (SELECT 1 FROM orders WHERE o_custkey = c_custkey)", ("nation",)),
    "ship modes": ("SELECT DISTINCT l_shipmode FROM lineitem ORDER BY 1", ()),
    "how many lines": ("SELECT count(*) FROM lineitem", ()),
    "nations by customers": ("SELECT n_name, count(*) FROM nation JOIN customer ON c_nationkey = n_nationkey"
                             " GROUP BY n_name ORDER BY 2 DESC LIMIT 5", ()),
}
# How often each kind comes: what touches a whole table is rarer than a look-up.
RARE = {"ship modes", "how many lines", "nations by customers", "customers of a nation who never ordered"}
WORDS = ("green", "forest", "lemon", "ivory", "rose", "steel", "navy", "snow", "plum", "khaki")


def value(random_, kind):
    return {"order": lambda: random_.randint(1, 150000) * 4 - 3, "customer": lambda: random_.randint(1, 15000),
            "name": lambda: f"Customer#{random_.randint(1, 15000):09}", "part": lambda: random_.randint(1, 20000),
            "nation": lambda: random_.randint(0, 24), "word": lambda: f"%{random_.choice(WORDS)}%",
            "day": lambda: f"199{random_.randint(2, 7)}-{random_.randint(1, 12):02}-{random_.randint(1, 28):02}"}[kind]()


def connect(build):
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(os.path.join(build, "tskdb"))
    postgres, mysql = address.server("postgres"), address.server("mysql")
    if not postgres or not mysql:
        sys.exit("bench: TSKDB_TEST_POSTGRES and TSKDB_TEST_MYSQL must name servers (tests/servers.sh)")
    postgres.query, mysql.database = "options=-csearch_path%3Dtpch", "tpch"
    db.execute("SELECT tskdb_attach('p', ?)", (str(postgres),)).fetchall()
    db.execute("SELECT tskdb_attach('m', ?)", (str(mysql),)).fetchall()
    return db


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--json")
    options = parser.parse_args()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    db = connect(os.path.abspath(options.build))
    chance = random.Random(1)
    names = [name for name in KINDS for _ in range(1 if name in RARE else 4)]
    times = {name: [] for name in KINDS}
    for _ in range(options.queries):
        name = chance.choice(names)
        sql, kinds = KINDS[name]
        arguments = [value(chance, kind) for kind in kinds]
        start = time.perf_counter()
        db.execute(sql, arguments).fetchall()
        times[name].append(time.perf_counter() - start)
    everything = sorted(t for found in times.values() for t in found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, found in sorted(times.items(), key=lambda item: -statistics.mean(item[1] or [0])):
        print(f"{name:42} {len(found):5} times, {1000 * statistics.mean(found or [0]):8.2f} ms")
    summary = {"queries": len(everything), "average_ms": 1000 * statistics.mean(everything),
               "median_ms": 1000 * statistics.median(everything),
               "p99_ms": 1000 * everything[int(len(everything) * 0.99) - 1], "most_ms": 1000 * everything[-1],
               "peak_mib": peak / 1024, "python_alone_mib": before / 1024}
    print(", ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in summary.items()))
    if options.json:
        with open(options.json, "w") as out:
            json.dump({**summary, "kinds_ms": {k: [1000 * t for t in v] for k, v in times.items()}}, out, indent=1)


main()
