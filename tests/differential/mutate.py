#!/usr/bin/python3
"""mutate.py - pushdown rows are made wrong, one after the other: the differential test must notice.

  mutate.py --server NAME [--seed N] [--row N] [--tries N] [--digits]

--digits: only the rows of numbers that are texts, which no other run has (run.py).

Needs a build with --enable-fault-injection (vtab/pushdown_fault.h); exits with 77 without one.  A mutant is
noticed when a statement that aims at its row differs from the native twin, or fails.  What is not
noticed is not tested, unless it means the same: those are listed in equivalent.py with the reason.
"""
import argparse
import os
import sys
import time

from comparison import PUSHED, GaveUp
from coverage import Aim
from equivalent import EQUIVALENT
from generator import Generator
from run import EACH, Run, host
from servers import SERVERS

DIGITS = "numeric text"
OTHER_COLLATIONS = ("NOCASE", "RTRIM")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--server", choices=list(SERVERS), default="postgres")
    parser.add_argument("--library", choices=EACH, default=EACH[0], help="the SQLite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--row", type=int, help="this one alone")
    parser.add_argument("--tries", type=int, default=1500, help="statements for a mutant")
    parser.add_argument("--digits", action="store_true")
    parser.set_defaults(native=False, case=None)
    return parser.parse_args()


class Mutation:

    def __init__(self, options):
        self.options = options
        self.run = Run(options, options.seed)
        self.answers = 0

    def is_injectable(self):
        """Whether the build notes what a scan uses."""
        generator = Generator(self.run.store.tables, self.options.server, 1, 1)
        self.run.comparison.answer(generator.aimed(self.run.aims[0]), PUSHED)
        return self.run.trace.there

    def make_wrong(self, fault):
        """Sets the fault, or none. What was compiled before does not hold after."""
        os.environ["TSKDB_PUSHDOWN_FAULT"] = "\n".join(f"{k}={v}" for k, v in fault.items())
        for sql in ("CREATE TEMP VIEW expired AS SELECT 1", "DROP VIEW temp.expired"):
            self.run.db.execute(sql)

    def aims(self, row, fields):
        """What a statement that could notice has to aim at."""
        found = [aim for aim in self.run.aims if aim.row is row]
        if "operator" in fields:
            found = [aim for aim in found if aim.operator == fields["operator"]]
        if "needs" in fields:
            found = [Aim(row, aim.operator, aim.klass, aim.collation, (), beside) for aim in found
                     for beside in ((), row.needs)]
        if "collations" in fields:
            found = [Aim(row, aim.operator, aim.klass, collation) for aim in found
                     for collation in OTHER_COLLATIONS]
        return found

    def is_noticed(self, aims):
        for attempt in range(self.options.tries):
            generator = Generator(self.run.store.tables, self.options.server, self.options.seed,
                                  attempt)
            select = generator.aimed(aims[attempt % len(aims)])
            self.answers += 1
            try:
                if self.run.comparison.difference(select, ways=[PUSHED]):
                    return True
            except GaveUp:
                continue
        return False

    def mutants(self):
        """(row, words, whether it is noticed or why not), of every mutant."""
        server = SERVERS[self.options.server]
        for row in self.run.coverage.rows:
            if self.options.row not in (None, row.number):
                continue
            if self.options.digits and DIGITS not in row.classes:
                continue
            for words, fields in server.mutants(row):
                aims = self.aims(row, fields)
                why = EQUIVALENT.get((server.name, row.text, words))
                if why or not aims:
                    yield row, words, why or "no column has its class"
                    continue
                self.make_wrong({"driver": server.name, "row": row.number, **fields})
                yield row, words, self.is_noticed(aims)
        self.make_wrong({})


def main():
    options = arguments()
    host.require(options.server)
    started = time.monotonic()
    mutation = Mutation(options)
    if not mutation.is_injectable():
        print("a build with --enable-fault-injection is needed")
        sys.exit(77)
    noticed, same, missed = 0, 0, 0
    for row, words, seen in mutation.mutants():
        noticed += seen is True
        same += isinstance(seen, str)
        if not seen:
            missed += 1
            print(f"not ok - {row} with \"{words}\" is noticed\n#   {row.text}", flush=True)
    print(f"# {noticed} mutants noticed by {mutation.answers} statements, {same} mean the same,"
          f" {missed} missed, {time.monotonic() - started:.0f} s")
    if not missed:
        print(f"ok - every pushdown row that is made wrong is noticed[{options.server}]")
    sys.exit(1 if missed else 0)


try:
    main()
except host.Skip as reason:
    print(reason)
    sys.exit(77)
