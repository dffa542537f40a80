#!/usr/bin/python3
"""joins.py - joins by key from one server into another, and counts over ten million rows.

    bench/joins.py --build DIR [--runs N] [--outer 1000,100000] [--inner 600000] [--rows 10000000]
                   [--servers postgres,mysql,mongo,redis] [--attach JSON] [--json FILE]

    key joins   N outer rows of one server, whose keys are in a table of 600,000 rows of another
                (or of the same): against C by hand that fetches the keys and asks with them in
                batches (bare_join.c; of 1,000 and 5,000 keys the faster)
    counts      count(*), and GROUP BY of a column with 10 values: against the bare client that
                has the server do it; over the documents and hashes of the key joins without a peer
"""
import argparse
import json

import program
from address import Address
from comparison import Comparison, quoted
from run import fill, mongo_table

MANY_KEYS = 10000   # joins of fewer are over in milliseconds: they run SHORT times as often
SHORT = 3
SERVERS = ("postgres", "mysql", "mongo", "redis")
# What the key of a table is called at each server.
KEY = {"postgres": "id", "mysql": "id", "mongo": "_id", "redis": "id"}

OUTER = {
    "postgres": "DROP TABLE IF EXISTS bench_outer_{n}; CREATE TABLE bench_outer_{n} AS SELECT i AS id,"
                " ((i::bigint * 7919) % {inner} + 1)::int AS k FROM generate_series(1, {n}) i;"
                "ALTER TABLE bench_outer_{n} ADD PRIMARY KEY (id); ANALYZE bench_outer_{n}",
    "mysql": "DROP TABLE IF EXISTS bench_outer_{n}; CREATE TABLE bench_outer_{n} (id int PRIMARY KEY, k int NOT NULL)"
             " AS SELECT seq AS id, seq * 7919 % {inner} + 1 AS k FROM seq_1_to_{n}; ANALYZE TABLE bench_outer_{n}",
}
REDIS_OUTER = ("for i = 1, tonumber(ARGV[1]) do redis.call('HSET', 'bench_outer_' .. ARGV[1] .. ':' .. i, 'k',"
               " (i * 7919) % tonumber(ARGV[2]) + 1) end")
REDIS_INNER = ("for i = 1, tonumber(ARGV[1]) do redis.call('HSET', 'bench:' .. i, 'n', i % 1000,"
               " 'amount', i + 0.25, 'name', 'customer ' .. i) end")
MANY = {
    "postgres": "DROP TABLE IF EXISTS bench_many; CREATE UNLOGGED TABLE bench_many AS SELECT i AS id, i % 10 AS g"
                " FROM generate_series(1, {n}) i; ANALYZE bench_many",
    "mysql": "DROP TABLE IF EXISTS bench_many; CREATE TABLE bench_many (id int, g int)"
             " AS SELECT seq AS id, seq % 10 AS g FROM seq_1_to_{n};"
             "ANALYZE TABLE bench_many PERSISTENT FOR ALL",
}


# --- the tables ----------------------------------------------------------------------------------

def outer_address(c, server, n):
    """Redis has the outer rows of each size in a database of their own: SCAN goes through all keys of
    one, and tables are found by a sample."""
    moved = Address(str(c.servers[server]))
    if server == "redis":
        moved.database = str(int(moved.database or 0) + 1 + c.outer_sizes.index(n))
    return moved


def mongo_outer(n, inner):
    """The command by which the server makes the collection of outer rows: out of those of bench."""
    k = {"$add": [{"$mod": [{"$multiply": [{"$toLong": "$_id"}, 7919]}, inner]}, 1]}
    return json.dumps({"aggregate": "bench", "cursor": {}, "pipeline": [
        {"$match": {"_id": {"$lte": n}}}, {"$project": {"k": {"$toInt": k}}}, {"$out": f"bench_outer_{n}"}]})


def mongo_validator():
    """A promise about the types of bench, as a schema gives it: what it says is exact (docs/mongo.md)."""
    types = {"_id": "int", "n": "int", "amount": "double", "name": "string"}
    return json.dumps({"collMod": "bench", "validationLevel": "strict", "validationAction": "error", "validator": {
        "$jsonSchema": {"properties": {name: {"bsonType": t} for name, t in types.items()}}}})


def redis_eval(c, address, script, *arguments):
    """FLUSHDB is the caller's."""
    attach = f"SELECT tskdb_attach('s', {quoted(str(address))}, '{{\"timeout\":600000}}')"
    words = "".join(f", {a}" for a in arguments)
    c.host(attach, "scan", f"SELECT tskdb_exec('s', 'EVAL', {quoted(script)}, 0{words})")()


def make_tables(c, servers, sizes, inner):
    """The inner table and one outer table of each size at each server."""
    c.outer_sizes = sizes
    for server in servers:
        if server in OUTER:
            fill(c, server, inner)
            for n in sizes:
                c.native(server, *OUTER[server].format(inner=inner, n=n).split(";"))
        elif server == "mongo":
            c.native(server, mongo_table(inner), mongo_validator(), *(mongo_outer(n, inner) for n in sizes))
        else:
            c.native(server, "FLUSHDB")
            redis_eval(c, c.servers[server], REDIS_INNER, inner)
            for n in sizes:
                c.native_at(outer_address(c, server, n), "FLUSHDB")
                redis_eval(c, outer_address(c, server, n), REDIS_OUTER, n, inner)


# --- key joins -----------------------------------------------------------------------------------

def join_sql(into, n):
    key = KEY[into]
    return f"SELECT b.{key}, b.amount, b.name FROM a.bench_outer_{n} o CROSS JOIN b.bench b ON b.{key} = o.k"


def join_setup(c, source, into, n, options="{}"):
    """SQL that attaches the source as a and the target as b."""
    return c.attached_at({"a": outer_address(c, source, n), "b": c.servers[into]}, options)


def target(server, u):
    return [server, str(u)] if server in ("postgres", "mongo") else [server, u.host, str(u.port), u.user, u.database]


def same_join(a, b):
    """The same number of rows, and of bytes of text (tskdb's answer sums the ids too)."""
    return a.split()[0] == b.split()[0] and a.split(",")[-1].strip() == b.split(",")[2].strip()


def requests(c, setup, sql):
    """How the product asked: (round trips, kinds of requests)"""
    shell = program.sqlite()
    shell.run(f".load {c.build}/tskdb\n{setup};\nCREATE TEMP TABLE done AS {sql};")
    trips, kinds = shell.run("SELECT sum(round_trips), group_concat(DISTINCT kind) FROM tskdb_requests"
                             " WHERE kind IN ('scan', 'probe', 'keys', 'whole');")[1][0].split("|")
    shell.close()
    return int(trips), kinds.replace(",", "+")


def key_join(c, source, into, n, attach):
    passwords = {f"BENCH_PASSWORD_{s.upper()}": u.password for s, u in c.servers.items() if u}

    def peer(batch):
        return lambda: c.run(c.program("bare_join"), str(batch), f"bench_outer_{n}",
                             *target(source, outer_address(c, source, n)), *target(into, c.servers[into]), **passwords)
    batches = (1000, 5000) if n > 1000 else (1000,)
    name, runner = c.fastest(*((f"C, batches of {batch}", peer(batch)) for batch in batches))
    setup = join_setup(c, source, into, n, attach)
    trips, kinds = requests(c, setup, join_sql(into, n))
    c.pair(f"{n} keys from {source} into {into}", c.host(setup, "scan", join_sql(into, n)), runner, name, same_join,
           target=1.5, trips=trips, peer_trips=int(runner()["answer"].split()[-3]), how=kinds,
           keys=n, source=source, into=into)


# --- counts --------------------------------------------------------------------------------------

def small_counts(c, server, rows):
    """MongoDB counts groups itself, as a validator allows it; Redis sends every hash."""
    for title, sql in (("count(*)", "SELECT count(*) FROM s.bench"),
                       ("GROUP BY", "SELECT n % 10, count(*) FROM s.bench GROUP BY n % 10")):
        c.alone(f"{server}: {title}, {rows} rows", c.host(c.attached(s=server), "scan", sql))


def counts(c, server, rows):
    setup = c.attached(s=server)
    for title, sql in (("count(*)", "SELECT count(*) FROM {}"), ("GROUP BY", "SELECT g, count(*) FROM {} GROUP BY g")):
        c.pair(f"{server}: {title}, {rows} rows", c.host(setup, "scan", sql.format("s.bench_many")),
               c.bare(server, "scan", "whole" if server == "postgres" else "store", sql.format("bench_many")),
               "bare client", lambda a, b: a.split(",")[:2] == b.split(",")[:2])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--outer", default="1000,100000", help="numbers of outer rows; '' for no joins")
    parser.add_argument("--inner", type=int, default=600000)
    parser.add_argument("--rows", type=int, default=10000000, help="for the counts; 0 for none")
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--attach", default="{}", help="more options of tskdb_attach, as JSON")
    parser.add_argument("--json")
    options = parser.parse_args()
    c = Comparison(options.build, options.runs, options.json)
    sizes = [int(n) for n in options.outer.split(",") if n]
    servers = [s for s in options.servers.split(",") if c.servers[s]]
    c.heading()
    if sizes:
        make_tables(c, servers, sizes, options.inner)
    for n in sizes:
        c.runs = options.runs if n >= MANY_KEYS else SHORT * options.runs
        for source in servers:
            for into in servers:
                key_join(c, source, into, n, options.attach)
    c.runs = options.runs
    for server in servers if options.rows else ():
        if server in MANY:
            c.native(server, *MANY[server].format(n=options.rows).split(";"))
            counts(c, server, options.rows)
        elif sizes:
            small_counts(c, server, options.inner)
    c.finish()


if __name__ == "__main__":
    main()
