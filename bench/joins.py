#!/usr/bin/python3
"""joins.py - joins by key from one server into another, and counts over ten million rows.

    bench/joins.py --build DIR [--runs N] [--outer 1000,100000] [--rows 10000000] [--json FILE]

    key joins   N outer rows of one server, whose keys are in a table of 600,000 rows of another
                (or of the same): against C by hand that fetches the keys and asks with them in
                batches (bare_join.c; of 1,000 and 5,000 keys the faster)
    counts      count(*), and GROUP BY of a column with 10 values: against the bare client that
                has the server do it
"""
import argparse

from comparison import Comparison, quoted
from run import fill

INNER_ROWS = 600000
OUTER = {
    "postgres": "DROP TABLE IF EXISTS bench_outer; CREATE TABLE bench_outer AS SELECT i AS id,"
                " ((i::bigint * 7919) % {inner} + 1)::int AS k FROM generate_series(1, {n}) i;"
                "ALTER TABLE bench_outer ADD PRIMARY KEY (id); ANALYZE bench_outer",
    "mysql": "DROP TABLE IF EXISTS bench_outer; CREATE TABLE bench_outer (id int PRIMARY KEY, k int NOT NULL)"
             " AS SELECT seq AS id, seq * 7919 % {inner} + 1 AS k FROM seq_1_to_{n}; ANALYZE TABLE bench_outer",
}
MANY = {
    "postgres": "DROP TABLE IF EXISTS bench_many; CREATE UNLOGGED TABLE bench_many AS SELECT i AS id, i % 10 AS g"
                " FROM generate_series(1, {n}) i; ANALYZE bench_many",
    "mysql": "DROP TABLE IF EXISTS bench_many; CREATE TABLE bench_many (id int, g int)"
             " AS SELECT seq AS id, seq % 10 AS g FROM seq_1_to_{n};"
             "ANALYZE TABLE bench_many PERSISTENT FOR ALL",
}
JOIN = ("SELECT b.id, b.amount, b.name FROM {}.bench_outer o CROSS JOIN {}.bench b ON b.id = o.k WHERE o.id <= {}")
KEYS = "SELECT k FROM bench_outer WHERE id <= {}"


def target(c, server):
    u = c.servers[server]
    return ["postgres", str(u)] if server == "postgres" else ["mysql", u.host, str(u.port), u.user, u.database]


def same_join(a, b):
    """The same number of rows, and of bytes of text (tskdb's answer sums the ids too)."""
    return a.split()[0] == b.split()[0] and a.split(",")[-1].strip() == b.split(",")[2].strip()


def key_join(c, source, into, n):
    def peer(batch):
        return lambda: c.run(c.program("bare_join"), str(batch), KEYS.format(n), *target(c, source), *target(c, into),
                             BENCH_PASSWORD=c.servers["mysql"].password)
    name, runner = c.fastest(*((f"C, batches of {batch}", peer(batch)) for batch in (1000, 5000)))
    setup = c.attached(a=source, b=into)
    c.pair(f"{n} keys from {source} into {into}", c.host(setup, "scan", JOIN.format("a", "b", n)), runner, name,
           same_join, round_trips=runner()["answer"].split()[-3])


def counts(c, server):
    setup = c.attached(s=server)
    for title, sql in (("count(*)", "SELECT count(*) FROM {}"), ("GROUP BY", "SELECT g, count(*) FROM {} GROUP BY g")):
        c.pair(f"{server}: {title}, ten million rows", c.host(setup, "scan", sql.format("s.bench_many")),
               c.bare(server, "scan", "whole" if server == "postgres" else "store", sql.format("bench_many")),
               "bare client", lambda a, b: a.split(",")[:2] == b.split(",")[:2])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--outer", default="1000,100000")
    parser.add_argument("--rows", type=int, default=10000000)
    parser.add_argument("--json")
    options = parser.parse_args()
    c = Comparison(options.build, options.runs, options.json)
    sizes = [int(n) for n in options.outer.split(",") if n]
    servers = [s for s in OUTER if c.servers[s]]
    c.heading()
    for server in servers if sizes else ():
        fill(c, server, INNER_ROWS)
        c.native(server, *OUTER[server].format(inner=INNER_ROWS, n=max(sizes)).split(";"))
    for n in sizes:
        for source in servers:
            for into in servers:
                key_join(c, source, into, n)
    for server in servers if options.rows else ():
        c.native(server, *MANY[server].format(n=options.rows).split(";"))
        counts(c, server)
    c.save()


if __name__ == "__main__":
    main()
