"""comparison.py - runs one statement in several ways and says whether the answers are the same.

The judge is the native twin.  Rows agree as multisets; where ORDER BY says so, the sequence of
the sort keys agrees as well; under a LIMIT the rows are as many as the twin's and every one of
them is a row of the twin's unlimited answer.  Values agree in type and, sums of REAL aside, in
every bit.
"""

import sqlite3
import time
from collections import Counter

from plans import FORCED, SPLIT_LINE, having
from query import Constant, Style, walk

NATIVE, PUSHED, LOCAL, LARGE = "native", "pushdown on", "pushdown off", "large tables"
OR_SPLIT = "alternatives over columns split"
PATIENCE = 4.0  # seconds; a longer statement is given up and not counted
TOLERANCE = 1e-12
CANCELLED = 1e7  # summands of a sum near nothing may have been so large
# SQLite evaluates terms in an order of its plan's, so an error of evaluation may stay out.
EVALUATION = ("integer overflow", "pattern too complex", "string or blob too big",
              "datatype mismatch", "codec can't decode")


class Answer:
    """ROWS, or ERROR: SQLite's message."""

    def __init__(self, rows=None, error=None):
        self.rows = rows
        self.error = error


class GaveUp(Exception):
    """The statement took too long."""


class Difference:

    def __init__(self, select, way, why, run, bound, expected, got):
        self.select = select
        self.way = way
        self.why = why
        self.run = run
        self.bound = bound
        self.expected = expected
        self.got = got


def mark(value):
    return (type(value).__name__, repr(value))


def marked(rows):
    return Counter(tuple(mark(v) for v in row) for row in rows)


def folded(text, collation):
    if collation == "NOCASE":  # SQLite's stops at a NUL, then compares the lengths
        head = text.split("\0")[0]
        return ("".join(c.lower() if c.isascii() else c for c in head),
                len(text.encode("utf-8", "surrogateescape")))
    return text.rstrip(" ") if collation == "RTRIM" else text


def sort_keys(rows, order):
    """What ORDER BY fixes: the keys up to the first term that is not in the output."""
    terms = []
    for term in order:
        if term.position is None:
            break
        terms.append(term)
    return [
        tuple((folded(row[t.position], t.collation
                      ) if isinstance(row[t.position], str) else row[t.position]) for t in terms)
        for row in rows
    ]


def is_close(a, b):
    if isinstance(a, (int, float)) and type(a) is type(b):
        return a == b or abs(a - b) <= TOLERANCE * max(abs(a), abs(b), CANCELLED)
    return mark(a) == mark(b)


def agree_approximately(expected, got, approximate):

    def exact_first(row):
        return ([mark(v) for i, v in enumerate(row) if i not in approximate],
                [(v is not None, v or 0) for i, v in enumerate(row) if i in approximate])

    for a, b in zip(sorted(expected, key=exact_first), sorted(got, key=exact_first)):
        for i, (x, y) in enumerate(zip(a, b)):
            if not (is_close(x, y) if i in approximate else mark(x) == mark(y)):
                return False
    return True


def disagreement(select, expected, got, unlimited):
    """Why the answers differ, or None. UNLIMITED() gives the twin's rows without the LIMIT."""
    if len(expected) != len(got):
        return f"{len(got)} rows instead of {len(expected)}"
    if sort_keys(expected, select.order) != sort_keys(got, select.order):
        return "the order differs"
    if select.approximate:
        if select.limit is None and not agree_approximately(expected, got, select.approximate):
            return "the rows differ"
        return None
    if select.limit is None:
        return None if marked(expected) == marked(got) else "the rows differ"
    foreign = marked(got) - marked(unlimited() or got)  # it may overflow where the limit did not
    return "rows that the unlimited answer has not" if foreign else None


class Comparison:
    """DB: a connection with the extension, the twins and every attachment of each server."""

    def __init__(self, db, ways, error=sqlite3.Error):
        """WAYS: way -> (the function that names its relations, plan of plans.py), native first."""
        self.db = db
        self.ways = ways
        self.error = error  # the exceptions of the library that DB is of

    def style(self, way, bound=False):
        relations, plan = self.ways[way]
        return Style(relations, bound, plan)

    def answer(self, select, way, bound=False, run=0, limited=True):
        style = self.style(way, bound)
        sql = select.text(style, limited)
        return self._run(sql, [c.value(run) for c in style.constants])

    def _run(self, sql, values):
        end = time.monotonic() + PATIENCE
        self.db.set_progress_handler(lambda: time.monotonic() > end, 2000)
        try:
            return Answer(rows=self.db.execute(sql, values).fetchall())
        except (self.error, UnicodeDecodeError) as error:
            if "interrupt" in str(error):
                raise GaveUp() from error
            return Answer(error=str(error))
        finally:
            self.db.set_progress_handler(None, 0)

    def difference(self, select, bound=False, run=0, ways=()):
        """The first difference, or None. Raises GaveUp. WAYS: those to try, else all."""
        self.expected = expected = self.answer(select, NATIVE, bound, run)
        if expected.error:
            if any(e in expected.error for e in EVALUATION):
                return None
            raise AssertionError(
                f"the twin says {expected.error}: {select.text(self.style(NATIVE))}")

        def unlimited():
            return self.answer(select, NATIVE, bound, run, limited=False).rows

        asked = set()  # a plan may leave the statement as it is
        for way in ways or list(self.ways)[1:]:
            style = self.style(way, bound)
            sql = select.text(style)
            if sql in asked:
                continue
            asked.add(sql)
            got = self._run(sql, [c.value(run) for c in style.constants])
            if got.error:
                why = None if any(e in got.error for e in EVALUATION) else got.error
            else:
                why = disagreement(select, expected.rows, got.rows, unlimited)
            if why:
                return Difference(select, way, why, run, bound, expected, got)
        return None

    def plan(self, select, way=PUSHED):
        """The lines of EXPLAIN QUERY PLAN."""
        try:
            return [
                row[3]
                for row in self.db.execute("EXPLAIN QUERY PLAN " + select.text(self.style(way)))
            ]
        except self.error as error:
            return [str(error)]

    def plans_taken(self, select, ways):
        """Those of WAYS in which SQLite has taken the plan that they are to force, and OR_SPLIT."""
        plain, found = self.plan(select), set()
        for way in ways:
            lines = self.plan(select, way) if way in FORCED or way == LARGE else plain
            if way in FORCED and self.changes(select, way) and FORCED[way].taken(plain, lines):
                found.add(way)
            if way in (PUSHED, LARGE) and having(lines, SPLIT_LINE):
                found.add(OR_SPLIT)
        return found

    def changes(self, select, way):
        """Whether the way says the statement in other words."""
        relations, plan = self.ways[way]
        return select.text(Style(relations)) != select.text(Style(relations, plan=plan))

    def requests(self, select, way, bound=False):
        """What the servers are asked for it."""
        try:
            last = self.db.execute("SELECT max(id) FROM tskdb_requests").fetchone()[0] or 0
            self.answer(select, way, bound)
            return [
                f"{server}: {statement}" for server, statement in self.db.execute(
                    "SELECT server, statement FROM tskdb_requests"
                    " WHERE id > ? ORDER BY id LIMIT 10",
                    (last, ))
            ]
        except (self.error, GaveUp) as error:
            return [str(error)]


def has_parameters(select):
    return any(isinstance(node, Constant) for node in walk(select))
