#!/usr/bin/python3
"""run.py - the answer is SQLite's: random SELECTs on a server and on a native twin of its rows.

  run.py --server NAME [--seed N] [--count N] [--seconds N]
  run.py --server … --seed N --case N [--show]   one case again, with its plan
  run.py --native …                              the generator alone, without any server
  run.py … --table                               which pushdown rows were exercised

The environment (tests/environment) says where the module and the servers are.  Exits with 1 on a
difference, with 77 if the server is not there.
"""
import argparse
import os
import random
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import dataset
import host
from comparison import LOCAL, NATIVE, PUSHED, Comparison, GaveUp, has_parameters
from coverage import Coverage
from generator import Generator
from query import twin
from servers import SERVERS
from shrink import report, shrink

BOUND_SHARE = 0.4
RUNS = 3                # of a prepared statement, each with values of its own
PLAN_SHARE = 0.5        # of the statements have their plans counted


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--server", choices=list(SERVERS), default="postgres")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000, help="cases")
    parser.add_argument("--seconds", type=float, default=60, help="stop after this time")
    parser.add_argument("--case", type=int, help="this case alone")
    parser.add_argument("--differences", type=int, default=5, help="stop after this many")
    parser.add_argument("--native", action="store_true")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--table", action="store_true")
    return parser.parse_args()


def connect(native):
    db = sqlite3.connect(":memory:", isolation_level=None) if native else host.connect()
    # A TEXT that is no UTF-8 stays recognisable.
    db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    return db


def attach(db, server, tables):
    """Fills SERVER and attaches it with pushdown on and off, as <server>_on and <server>_off."""
    host.attach(db, "setup", server.name, tables=[])
    host.native(db, "setup", *server.make(tables))
    db.execute("SELECT tskdb_detach('setup')").fetchone()
    host.attach(db, f"{server.name}_on", server.name, **server.options)
    host.attach(db, f"{server.name}_off", server.name, **server.options, pushdown=False)
    return {t.name: dataset.declared_types(db, f"{server.name}_on", server.sql_name(t.name))
            for t in tables}


def relations(suffix):
    return lambda server, table: f'{server}_{suffix}."{SERVERS[server].sql_name(table)}"'


def prepare(db, options):
    """The tables by server, and the comparison over them."""
    tables = {}
    db.execute("ATTACH ':memory:' AS twin")
    for name, server in SERVERS.items():
        if name != options.server and (options.native or host.SERVERS[name] not in os.environ):
            continue
        made = server.tables(random.Random(f"{options.seed}:{name}"))
        types = dataset.presumed_types(made) if options.native else attach(db, server, made)
        dataset.make_twin(db, server, made, types)
        tables[name] = made
    remote = {} if options.native else {PUSHED: relations("on"), LOCAL: relations("off")}
    return tables, Comparison(db, {NATIVE: twin, **remote})


def whole_size(select, tables):
    """How many rows the statement's first table has."""
    source = getattr(select, "sources", [(None, None, None)])[0][1]
    for table in tables.get(getattr(source, "server", None), ()):
        if table.name == source.table:
            return len(table.rows)
    return 10**9


def run_case(number, options, tables, comparison, coverage):
    """One statement: as a literal one or as a prepared one. Its difference, or None."""
    generator = Generator(tables, options.server, options.seed, number)
    select = generator.statement()
    bound = generator.chance(BOUND_SHARE) and has_parameters(select)
    coverage.queries += 1
    for run in range(RUNS if bound else 1):
        found = comparison.difference(select, bound, run)
        coverage.count(comparison.expected, whole_size(select, tables))
        if found:
            return found
    if not options.native and generator.chance(PLAN_SHARE):
        coverage.count_plan(select, comparison.plan(select))
    if options.show:
        print("#", select.text(comparison.style(PUSHED if not options.native else NATIVE)))
        for line in comparison.plan(select, list(comparison.ways)[-1]):
            print("#   ", line)
    return None


def run_cases(options, tables, comparison, coverage):
    end = time.monotonic() + options.seconds
    numbers = range(options.count) if options.case is None else [options.case]
    failed = 0
    for number in numbers:
        if time.monotonic() > end:
            break
        try:
            found = run_case(number, options, tables, comparison, coverage)
        except GaveUp:
            coverage.gave_up += 1
            continue
        if not found:
            continue
        failed += 1
        command = (f"tests/differential/run.py --server {options.server} --seed {options.seed}"
                   f" --case {number}")
        print(f"not ok - differential[{options.server}] case {number}")
        for line in report(comparison, shrink(comparison, found), command):
            print("#", line, flush=True)
        if failed == options.differences:
            break
    return failed


def main():
    options = arguments()
    if not options.native:
        host.require(options.server)
    db = connect(options.native)
    tables, comparison = prepare(db, options)
    coverage = Coverage(tables)
    failed = run_cases(options, tables, comparison, coverage)
    for line in coverage.summary():
        print("#", line)
    for line in coverage.table() if options.table else ():
        print("#  ", line)
    if not failed:
        promise = "the generator writes SQL" if options.native else "the answer is SQLite's"
        print(f"ok - {promise}[{options.server}, seed {options.seed}]")
    sys.exit(1 if failed else 0)


main()
