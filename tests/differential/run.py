#!/usr/bin/python3
"""run.py - the answer is SQLite's: random SELECTs on a server and on a native twin of its rows.

  run.py --server NAME [--seed N] [--count N] [--seconds N]
  run.py --server … --seed N --case N [--show]   one case again, with its plan
  run.py --native …                              the generator alone, without any server
  run.py … --digits                              attached with numeric=text and unsigned=text
  run.py … --forever                             one seed after the other
  run.py … --table                               which pushdown rows were used

The environment (tests/environment) says where the module and the servers are.  Exits with 1 on a
difference, and in a build with --enable-fault-injection also if a pushdown row was not used; with
77 if the server is not there.
"""

import argparse
import os
import sqlite3
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path += [os.path.join(here, ".."), os.path.join(here, "../hosts")]
import host
from library import EACH, Library
from comparison import LARGE, NATIVE, OR_SPLIT, PUSHED, Comparison, GaveUp, has_parameters
from coverage import Coverage, Trace, aims, read_rows
from found import FOUND
from plans import FORCED, SPLIT, TURNED
from generator import Generator
from query import Written
from servers import SERVERS
from shrink import report, shrink
from store import Store

BOUND_SHARE = 0.4
RUNS = 3  # of a prepared statement, each with values of its own
WAYS = 2  # that a statement is tried in beside the plain one
CHASED = 10**6  # the first number of the statements for rows that are left
CHASES = 60
AIMED = 3  # one statement in so many is for a row of the pushdown table
SPLITTING = 15  # one in so many is for the plans that read each alternative by itself


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--server", choices=list(SERVERS), default="postgres")
    parser.add_argument("--library", choices=EACH, default=EACH[0], help="the SQLite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000, help="cases")
    parser.add_argument("--seconds", type=float, default=60, help="stop after this time")
    parser.add_argument("--case", type=int, help="this case alone")
    parser.add_argument("--differences", type=int, default=5, help="stop after this many")
    for switch in ("native", "digits", "show", "table", "forever"):
        parser.add_argument(f"--{switch}", action="store_true")
    return parser.parse_args()


def connect(library, native):
    db = library.open_bare() if native else library.open()
    if library.name == "sqlite3":  # a TEXT that is no UTF-8 stays recognisable
        db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    return db


class Run:
    """One seed."""

    def __init__(self, options, seed):
        library = Library(options.library)
        self.options = options
        self.seed = seed
        self.trace = Trace()
        self.db = connect(library, options.native)
        self.store = Store(self.db, options.server, seed, options.native, options.digits)
        self.comparison = Comparison(self.db, self.store.ways(options.native), library.Error)
        rows = [] if options.native else read_rows(self.db, options.server)
        classes = {c.klass for t in self.store.tables[options.server] for c in t.columns}
        absent = SERVERS[options.server].absent
        self.aims = [
            aim for aim in aims(rows) if aim.klass in classes and aim.operator not in absent
        ]
        self.coverage = Coverage(options.server, rows, classes, absent)

    def is_splitting(self, number):
        return number < CHASED and number % SPLITTING == 1

    def ways(self, generator, number, select):
        """The plain way and some of the others."""
        others = [way for way in self.comparison.ways if way not in (NATIVE, PUSHED)]
        if self.options.case is not None:
            return list(self.comparison.ways)[1:]
        if self.is_splitting(number) and not self.options.native:
            return [PUSHED, SPLIT, LARGE]
        ways = [PUSHED] * (not self.options.native) + generator.rng.sample(others, WAYS)
        if TURNED not in ways and self.comparison.changes(select, TURNED):
            ways.append(TURNED)
        return ways

    def statement(self, generator, number):
        if number >= CHASED:
            return generator.aimed(self.aims[(number - CHASED) // CHASES])
        if self.aims and number % AIMED == 0:
            return generator.aimed(self.aims[number // AIMED % len(self.aims)])
        return generator.alternatives() if self.is_splitting(number) else generator.statement()

    def case(self, number):
        """One statement: as a literal one or as a prepared one. Its difference, or None."""
        generator = Generator(self.store.tables, self.options.server, self.seed, number)
        select = self.statement(generator, number)
        bound = (generator.chance(BOUND_SHARE) and has_parameters(select)
                 and generator.rng.choice(["all", "some"]))
        ways = self.ways(generator, number, select)
        n_all = self.store.whole_size(select)
        self.coverage.queries += 1
        for run in range(RUNS if bound else 1):
            found = self.comparison.difference(select, bound, run, ways)
            answer = self.comparison.expected
            self.coverage.count_uses(self.trace.read(), answer, self.coverage.count(answer, n_all))
            if found:
                return found
        if not self.options.native:
            self.coverage.plans.update(self.comparison.plans_taken(select, ways))
        if self.options.show:
            self.show(select)
        return None

    def show(self, select):
        for way in self.comparison.ways:
            print(f"# {way}:", select.text(self.comparison.style(way)))
            for line in self.comparison.plan(select, way):
                print("#   ", line)

    def report(self, number, found):
        """Prints the difference, made small."""
        options = self.options
        print(f"not ok - differential[{options.server}] case {number}")
        command = (f"tests/differential/run.py --server {options.server} --seed {self.seed}"
                   f" --case {number}" + " --digits" * options.digits)
        smaller = shrink(self.comparison, found)
        for line in report(self.comparison, smaller, command,
                           None if options.native else self.store):
            print("#", line, flush=True)

    def cases(self):
        """All of them, until the time is up. How many differ."""
        end = time.monotonic() + self.options.seconds
        failed = 0
        for number in (range(self.options.count)
                       if self.options.case is None else [self.options.case]):
            if time.monotonic() > end:
                break
            try:
                found = self.case(number)
            except GaveUp:
                self.coverage.gave_up += 1
                continue
            if found:
                failed += 1
                self.report(number, found)
                if failed == self.options.differences:
                    break
        return failed

    def found_before(self):
        """The statements of found.py. How many differ again."""
        failed = 0
        for number, sql in enumerate(FOUND if self.options.case is None else []):
            select = Written(sql, self.options.server)
            try:
                found = self.comparison.difference(select)
            except AssertionError:  # a column that the server has no type for
                continue
            if found:
                failed += 1
                self.report(f"found.py {number}", found)
        return failed

    def chase(self):
        """More statements for the pushdown rows that no answer has told anything of."""
        failed = 0
        for number, aim in enumerate(self.aims):
            first = CHASED + number * CHASES
            for case in range(first, first + CHASES):
                if not self.coverage.is_dead(aim):
                    break
                found = self.case(case)
                if found:
                    failed += 1
                    self.report(case, found)
                    break
        return failed

    def unused(self):
        """Rows that no statement used; an ordinary build does not tell."""
        if not self.trace.there or self.options.case is not None:
            return []
        return list(self.coverage.dead())

    def plans_missing(self):
        if self.options.native or self.options.case is not None:
            return []
        forced = [way for way, plan in FORCED.items() if plan.forces]
        return self.coverage.plans_missing(forced + [OR_SPLIT])

    def whole(self):
        """Whether all is well."""
        failed = self.found_before() + self.cases()
        if self.trace.there and self.options.case is None:
            failed += self.chase()
        for line in self.coverage.summary():
            print("#", line)
        for line in self.coverage.table() if self.options.table else ():
            print("#  ", line)
        name = (f"[{self.options.server}, {self.options.library}, seed {self.seed}"
                f"{', digits' * self.options.digits}]")
        dead = self.unused()
        for line in dead:
            print(f"not ok - the differential test uses pushdown {line}")
        if not failed:
            promise = ("the generator writes SQL"
                       if self.options.native else "the answer is SQLite's")
            print(f"ok - {promise}{name}")
        if self.trace.there and not dead:
            print(f"ok - no pushdown row is without a test{name}")
        missing = self.plans_missing()
        for line in missing:
            print(f"not ok - SQLite takes the plan that is forced: {line}{name}")
        return not failed and not dead and not missing


def main():
    options = arguments()
    if not options.native:
        host.require(options.server)
    seed = options.seed
    well = Run(options, seed).whole()
    while options.forever and well:
        seed += 1
        well = Run(options, seed).whole()
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    try:
        main()
    except host.Skip as reason:
        print(reason)
        sys.exit(77)
