#!/usr/bin/python3
"""run.py - TPC-H over two servers: tskdb in the stock sqlite3 shell, a PostgreSQL hub, plain SQLite.

    bench/tpch/run.py [--build DIR] [--data DIR] [--scale 0.1] [--runs 3] [--delayed-runs 1]
                      [--delays none,1,5] [--queries 1,9,18] [--limit SECONDS] [--seconds SECONDS]
                      [--json FILE] [--explain]

tskdb   the stock sqlite3 shell with the extension and both servers attached
hub     a PostgreSQL database with postgres_fdw and mysql_fdw, its foreign tables ANALYZEd
native  the stock sqlite3 shell with all tables and the same indexes in one file: no wire

Needs two servers (TSKDB_TEST_POSTGRES, TSKDB_TEST_MYSQL: tests/servers.sh) and loads them unless
they hold the tables already.  The three run each query in turn; a time is the median of the runs.
A delay of n ms is added to each round trip by a proxy in front of both servers, which also counts
them.  Answers are compared with native SQLite's.

A query that takes longer than --limit is ended, not run again, and counts as --limit in the geometric
mean, which is then at least that.  When --seconds are over, what is left of a delay is left out,
which the summary says.
"""
import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import address
import data
import program
from network import Network

SLOWEST = 20        # seconds after which a query is given up
# The geometric mean against the hub's, without and with a delay; the slowest query against the hub's.
MEAN, MEAN_DELAYED, QUERY, AGGREGATION = 0.8, 0.5, 1.5, 2.5
AGGREGATIONS = ("q1", "q6")     # of one table


def queries():
    """{name: SQL}"""
    with open(os.path.join(data.HERE, "queries.sql")) as file:
        parts = re.split(r"^-- (q\d+)\n", file.read(), flags=re.M)
    return dict(zip(parts[1::2], (p.strip() for p in parts[2::2])))


def with_years(sql, template):
    return re.sub(r"YEAR\((\w+)\)", template, sql)


def same(a, b):
    """Rows of text that are equal but for the last digits of reals."""
    if len(a) != len(b):
        return False
    for x, y in zip(a, b):
        for p, q in zip(x.split("|"), y.split("|")):
            if p == q:
                continue
            try:
                if not math.isclose(float(p), float(q), rel_tol=1e-6):
                    return False
            except ValueError:
                return False
    return True


# --- the three systems ---------------------------------------------------------------------------

class Tskdb:
    name = "tskdb"
    year = r"CAST(strftime('%Y', \1) AS INTEGER)"

    def __init__(self, bench, servers):
        self.bench, self.servers = bench, servers

    def open(self):
        self.shell = program.sqlite()
        m = address.Address(str(self.servers["mysql"]))
        m.database = "tpch"
        p = address.Address(str(self.servers["postgres"]))
        p.query = "options=-csearch_path%3Dtpch"
        options = json.dumps(self.bench.attach)
        self.shell.run(f".load {self.bench.build}/tskdb\n"
                       f"SELECT tskdb_attach('p', {program.quoted(str(p))}, {program.quoted(options)});\n"
                       f"SELECT tskdb_attach('m', {program.quoted(str(m))}, {program.quoted(options)});")

    def requests(self):
        return int(self.shell.run("SELECT ifnull(max(id), 0) FROM tskdb_requests;")[1][0])


class Native:
    name = "native"
    year = Tskdb.year

    def __init__(self, bench, servers):
        self.bench = bench

    def open(self):
        self.shell = program.sqlite(self.bench.native_path)


class Hub:
    name = "hub"
    year = r"CAST(EXTRACT(YEAR FROM \1) AS int)"

    def __init__(self, bench, servers):
        self.bench, self.servers = bench, servers

    def open(self):
        data.move_hub(self.bench.postgres, self.servers["postgres"], self.servers["mysql"])
        self.shell = program.psql(self.bench.postgres, data.HUB)


# --- the run -------------------------------------------------------------------------------------

class Bench:
    def __init__(self, options):
        self.options = options
        self.build = os.path.abspath(options.build)
        self.attach = json.loads(options.attach)
        self.postgres, self.mysql = address.server("postgres"), address.server("mysql")
        if not self.postgres or not self.mysql:
            sys.exit("bench: TSKDB_TEST_POSTGRES and TSKDB_TEST_MYSQL must name servers (tests/servers.sh)")
        self.folder = os.path.abspath(options.data)
        self.native_path = os.path.join(self.folder, f"native-{options.scale}.db")
        self.wanted = {name: sql for name, sql in queries().items()
                       if not options.queries or name.lstrip("q") in options.queries.split(",")}
        self.deadline = time.monotonic() + options.seconds
        self.delays = [None if d == "none" else float(d) for d in options.delays.split(",")]
        self.results, self.summaries, self.complete = [], [], False

    def load(self):
        try:
            loaded = data.psql(self.postgres, data.HUB, "SELECT count(*) FROM lineitem, region").strip()
        except subprocess.CalledProcessError:
            loaded = ""
        if loaded and os.path.exists(self.native_path):
            return
        print("loading", flush=True)
        csv = data.generate(self.folder, self.options.scale)
        data.load_postgres(self.postgres, csv)
        data.load_mariadb(self.mysql, csv)
        data.load_sqlite(self.native_path, csv)
        data.make_hub(self.postgres, self.postgres, self.mysql)

    def reopen(self, system):
        if system.shell.process.poll() is None:
            system.shell.close()
        if isinstance(system, Hub):
            data.stop_hub(self.postgres, self.mysql)
        system.open()

    def once(self, system, sql):
        """{"seconds", "rows"}, or {"error"}, or {"cut_off"}: then the system was opened again."""
        cut = threading.Event()

        def stop():
            cut.set()
            system.shell.process.kill()
        timer = threading.Timer(self.options.limit, stop)
        timer.start()
        try:
            seconds, rows = system.shell.run(with_years(sql, system.year))
            return {"seconds": seconds, "rows": rows}
        except (program.Failed, OSError) as failed:
            timer.cancel()
            print(f"  {system.name}: {'cut off' if cut.is_set() else failed}", flush=True)
            self.reopen(system)
            return {"cut_off": True} if cut.is_set() else {"error": str(failed)}
        finally:
            timer.cancel()

    def measure(self, system, network, sql):
        """What one run brings: as once(), with {round_trips, bytes, requests}"""
        before = network.counts()
        requests = system.requests() if isinstance(system, Tskdb) else 0
        done = self.once(system, sql)
        after = network.counts()
        if "seconds" in done:
            done.update(round_trips=after[0] - before[0], bytes=after[1] - before[1])
            if isinstance(system, Tskdb):
                done["requests"] = system.requests() - requests
        return done

    def query(self, name, sql, systems, network, delay):
        runs = {s.name: [] for s in systems}
        for _ in range(self.options.runs if delay is None else self.options.delayed_runs):
            for system in systems:
                if all("seconds" in r for r in runs[system.name]):
                    runs[system.name].append(self.measure(system, network, sql))
        row = {"query": name, "delay_ms": delay, "cut_off": [], "failed": []}
        good = {s: [r for r in found if "seconds" in r] for s, found in runs.items()}
        for system, found in good.items():
            row[system] = statistics.median(r["seconds"] for r in found) if found else None
            if "cut_off" in runs[system][-1]:
                row[system] = self.options.limit
                row["cut_off"].append(system)
            elif "error" in runs[system][-1]:
                row["failed"].append(system)
            for key in ("round_trips", "bytes", "requests"):
                if found and key in found[0]:
                    row[f"{system}_{key}"] = min(r[key] for r in found)
        right = good["native"][0]["rows"] if good["native"] else None
        row["same"] = {s: same(found[0]["rows"], right) for s, found in good.items() if found and right is not None}
        self.results.append(row)
        self.show(row)

    def show(self, row):
        def cell(system):
            if row[system] is None:
                return "-"
            return (">" if system in row["cut_off"] else "") + f"{row[system]:.3f}"
        ratio = row["tskdb"] / row["hub"] if row["tskdb"] and row["hub"] else None
        wrong = [s for s, ok in row["same"].items() if not ok]
        print(f"{row['query']:6} {row['delay_ms'] or 0:5} {cell('tskdb'):>9} {cell('hub'):>9} {cell('native'):>9}"
              f" {f'{ratio:.2f}' if ratio else '-':>7} {row.get('tskdb_requests', 0):9}"
              f" {row.get('tskdb_round_trips', 0):9} {row.get('hub_round_trips', 0):9}"
              f" {row.get('tskdb_bytes', 0) / 1e6:8.1f} {row.get('hub_bytes', 0) / 1e6:8.1f}"
              f"{'  WRONG: ' + ', '.join(wrong) if wrong else ''}"
              f"{'  FAILED: ' + ', '.join(row['failed']) if row['failed'] else ''}", flush=True)

    def summary(self, delay, peak_kib, cpu):
        """Geometric means over the queries that all systems were asked, and the slowest against the hub."""
        rows = [r for r in self.results if r["delay_ms"] == delay and not r["failed"]]
        if not rows:
            return
        means = {s: math.exp(statistics.mean(math.log(r[s]) for r in rows)) for s in ("tskdb", "hub", "native")}
        ratios = {r["query"]: r["tskdb"] / r["hub"] for r in rows}
        slow = {q: x for q, x in ratios.items() if x > (AGGREGATION if q in AGGREGATIONS else QUERY)}
        summary = {
            "delay_ms": delay, "queries": len(rows), "asked": len(self.wanted), "seconds": means,
            "cut_off": {s: [r["query"] for r in rows if s in r["cut_off"]] for s in means},
            "failed": [r["query"] for r in self.results if r["delay_ms"] == delay and r["failed"]],
            "wrong": [r["query"] for r in rows if not r["same"].get("tskdb", True)],
            "ratio": means["tskdb"] / means["hub"], "target": MEAN if delay is None else MEAN_DELAYED,
            "too_slow": slow, "slowest": max(ratios.items(), key=lambda item: item[1]),
            "tskdb_round_trips": sum(r.get("tskdb_round_trips", 0) for r in rows),
            "hub_round_trips": sum(r.get("hub_round_trips", 0) for r in rows),
            "tskdb_cpu": cpu, "tskdb_peak_kib": peak_kib}
        self.summaries.append(summary)
        at_least = {s: ">= " if summary["cut_off"][s] else "" for s in means}
        print(f"geometric mean of {len(rows)} queries, {delay or 0:g} ms: "
              + ", ".join(f"{s} {at_least[s]}{m:.3f} s" for s, m in means.items())
              + f"; tskdb / hub {'<= ' if at_least['hub'] else ''}{summary['ratio']:.2f} (target {summary['target']})"
              + "; slowest against the hub: "
              + ", ".join(f"{q} {x:.2f}" for q, x in sorted(ratios.items(), key=lambda i: -i[1])[:5])
              + f"; tskdb {cpu:.1f} s CPU, {peak_kib / 1024:.0f} MiB at most", flush=True)

    def save(self):
        if self.options.json:
            with open(self.options.json, "w") as out:
                json.dump({"scale": self.options.scale, "runs": self.options.runs, "limit": self.options.limit,
                           "delays_ms": self.delays, "complete": self.complete, "summaries": self.summaries,
                           "results": self.results}, out, indent=1)

    def at_delay(self, delay):
        network = Network(os.path.join(self.build, "bench", "proxy"),
                          {"postgres": self.postgres, "mysql": self.mysql}, delay)
        systems = [make(self, network.servers) for make in (Tskdb, Hub, Native)]
        for system in systems:
            system.open()
        for name, sql in self.wanted.items():
            if time.monotonic() > self.deadline:
                print(f"the time is over: what follows {delay or 0:g} ms, {name} is left out", flush=True)
                break
            self.query(name, sql, systems, network, delay)
            self.save()
        self.summary(delay, systems[0].shell.peak_kib(), systems[0].shell.cpu_seconds())
        self.save()
        for system in systems:
            system.shell.close()
        network.close()

    def explain(self):
        system = Tskdb(self, {"postgres": self.postgres, "mysql": self.mysql})
        system.open()
        for name, sql in self.wanted.items():
            print(f"== {name}")
            print("\n".join(system.shell.run("EXPLAIN QUERY PLAN " + with_years(sql, system.year))[1]))
        system.shell.close()

    def main(self):
        self.load()
        if self.options.explain:
            return self.explain()
        print(f"{'query':6} {'ms':>5} {'tskdb s':>9} {'hub s':>9} {'native s':>9} {'/ hub':>7} {'requests':>9}"
              f" {'trips':>9} {'hub':>9} {'MB':>8} {'hub':>8}", flush=True)
        for delay in self.delays:
            self.at_delay(delay)
        self.complete = True
        self.save()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--data", default="build/bench-data", help="for the generated tables")
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--delayed-runs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600, help="after which no more queries are begun")
    parser.add_argument("--delays", default="none,1,5", help="milliseconds, 'none' is without a proxy")
    parser.add_argument("--queries", help="numbers; all by default")
    parser.add_argument("--attach", default="{}", help="more options of tskdb_attach, as JSON")
    parser.add_argument("--limit", type=float, default=SLOWEST, help="seconds after which a query is given up")
    parser.add_argument("--explain", action="store_true", help="show tskdb's query plans instead")
    parser.add_argument("--json")
    Bench(parser.parse_args()).main()


main()
