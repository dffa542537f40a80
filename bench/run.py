#!/usr/bin/python3
"""run.py - scans and look-ups: tskdb beside its peers, in one run.  `make bench` calls it.

    bench/run.py --build DIR [--rows N] [--runs N] [--lookups N] [--json FILE]

Product and peer run in turn, A B A B, on the same private servers; every figure is the median
of the runs, every ratio the median of the pairs' ratios.  A ratio below 1 means that tskdb is
faster.

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

from comparison import Comparison, quoted, same_rows

VIRTUALPG = "/usr/lib/x86_64-linux-gnu/mod_virtualpg.so"

TABLE = {
    "postgres": "DROP TABLE IF EXISTS bench;"
                "CREATE TABLE bench AS SELECT i::int AS id, (i % 1000)::int AS n, (i * 1.25)::numeric(12,2) AS amount,"
                " (i % 97 / 7.0)::numeric(12,2) AS tax, date '2020-01-01' + (i % 2000) AS d, 'customer ' || i AS name,"
                " md5(i::text) AS hash FROM generate_series(1, {rows}) i;"
                "ALTER TABLE bench ADD PRIMARY KEY (id); ANALYZE bench",
    "mysql": "DROP TABLE IF EXISTS bench;"
             "CREATE TABLE bench (id int PRIMARY KEY, n int, amount decimal(12,2), tax decimal(12,2), d date,"
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


# 150,000 hashes by default: a quarter of the rows of the other servers.
HASHES = ("for i = 1, tonumber(ARGV[1]) do redis.call('HSET', 'bench:' .. i, 'n', i % 1000, 'amount', i + 0.25,"
          " 'tax', (i % 97) .. '.5', 'd', '2020-01-0' .. (i % 9 + 1), 'name', 'customer ' .. i,"
          " 'hash', redis.sha1hex(i)) end")
HASH_FIELDS = ("n", "amount", "tax", "d", "name", "hash")
SCAN = "SELECT id, n, amount, tax, d, name, hash FROM {}"
LOOKUP = SCAN + " WHERE id = {}"


def fill(comparison, server, rows):
    comparison.native(server, *TABLE[server].format(rows=rows).split(";"))


def scan_and_lookup(c, server, options):
    modes = ("whole", "single", "copy") if server == "postgres" else ("stream", "store")
    scan, parameter = SCAN.format("bench"), {"postgres": "$1", "mysql": "?"}[server]
    name, peer = c.fastest(*((f"bare client, {m}", c.bare(server, "scan", m, scan)) for m in modes))
    setup, count = c.attached(s=server), str(options.lookups)
    c.pair(f"{server}: scan {options.rows} rows", c.host(setup, "scan", SCAN.format("s.bench")), peer, name, same_rows)
    c.pair(f"{server}: {count} look-ups by key", c.host(setup, "lookup", count, LOOKUP.format("s.bench", "?")),
           c.bare(server, "lookup", count, LOOKUP.format("bench", parameter)), "bare client", same_rows)


def virtualpg(c):
    if not os.path.exists(VIRTUALPG):
        c.left_out("postgres: VirtualPG", "libsqlite3-mod-virtualpg is not installed")
        return
    setup = f"CREATE VIRTUAL TABLE bench USING virtualpostgres({quoted(str(c.servers['postgres']))}, public, bench)"

    def peer(*what):
        return lambda: c.run(c.program("sqlite_host"), VIRTUALPG, setup, *what)
    ours = c.attached(s="postgres")
    c.pair("postgres: scan", c.host(ours, "scan", SCAN.format("s.bench")), peer("scan", SCAN.format("bench")),
           "VirtualPG", same_rows)
    # Without pushdown a look-up is a scan there: a few are enough.
    c.pair("postgres: 3 look-ups by key", c.host(ours, "lookup", "3", LOOKUP.format("s.bench", "?")),
           peer("lookup", "3", LOOKUP.format("bench", "?")), "VirtualPG", same_rows)


def mongo(c, options):
    if not c.servers["mongo"]:
        c.left_out("mongo", "there is no server")
        return
    c.native("mongo", mongo_table(options.rows))

    def peer(*what):
        return lambda: c.run(c.program("bare_mongo"), str(c.servers["mongo"]), *what, "bench", MONGO_FIELDS)
    setup, count, fields = c.attached(s="mongo"), str(options.lookups), f"SELECT {MONGO_FIELDS} FROM s.bench"
    c.pair(f"mongo: scan {options.rows} documents", c.host(setup, "scan", fields), peer("scan"), "bare client", same_rows)
    c.pair(f"mongo: {count} look-ups by _id", c.host(setup, "lookup", count, fields + " WHERE _id = ?"),
           peer("lookup", count), "bare client", same_rows)


def redis(c, options):
    if not c.servers["redis"]:
        c.left_out("redis", "there is no server")
        return
    hashes, u = options.rows // 4, c.servers["redis"]
    target = (u.host, str(u.port), u.user, u.database)
    c.native("redis", "FLUSHDB")
    c.host(c.attached(s="redis"), "scan", f"SELECT tskdb_exec('s', 'EVAL', {quoted(HASHES)}, 0, {hashes})")()

    def peer(*what):
        return lambda: c.run(c.program("bare_redis"), *target, *what, "bench:", *HASH_FIELDS, BENCH_PASSWORD=u.password)
    setup, count = c.attached(s="redis"), str(options.lookups)
    name, bare = c.fastest(*((f"hiredis, {m}", peer("scan", m)) for m in ("page", "ahead")))
    c.pair(f"redis: scan {hashes} hashes", c.host(setup, "scan", SCAN.format("s.bench")), bare, name, same_rows)
    c.pair(f"redis: {count} look-ups by key", c.host(setup, "lookup", count, LOOKUP.format("s.bench", "?")),
           peer("lookup", count), "hiredis", same_rows)


def attach(c, server):
    schema = "bench_many"
    drop = {"postgres": f"DROP SCHEMA IF EXISTS {schema} CASCADE", "mysql": f"DROP SCHEMA IF EXISTS {schema}"}[server]
    c.native(server, drop, f"CREATE SCHEMA {schema}", *(
        f"CREATE TABLE {schema}.t{i} (id int PRIMARY KEY, a int, b varchar(20), c date)" for i in range(2000)))
    options = json.dumps({"schemas": [schema]})
    c.alone(f"{server}: attach 2000 tables", c.host("SELECT 1", "scan",
            f"SELECT tskdb_attach('s', {quoted(str(c.servers[server]))}, {quoted(options)})"))
    c.native(server, drop)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--rows", type=int, default=600000)
    parser.add_argument("--lookups", type=int, default=20000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    c = Comparison(options.build, options.runs, options.json)
    c.heading()
    for server in ("postgres", "mysql"):
        if not c.servers[server]:
            c.left_out(server, "there is no server")
            continue
        fill(c, server, options.rows)
        scan_and_lookup(c, server, options)
        if server == "postgres":
            virtualpg(c)
        attach(c, server)
    mongo(c, options)
    redis(c, options)
    c.finish()


if __name__ == "__main__":
    main()
