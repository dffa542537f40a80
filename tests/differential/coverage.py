"""coverage.py - what a run of the differential test has exercised.

The decisions are read from EXPLAIN QUERY PLAN, whose text for a virtual table is the plan:
`n_int = ? exact; w_text LIKE ? superset (pattern) ORDER BY n_int LIMIT ? |v1 …`.
"""
import re
from collections import Counter

from query import Constant, Field, Node, walk

TERM = re.compile(r"^(\w+) (=|<>|<=|>=|<|>|IN|IS NOT NULL|IS NULL|IS NOT|IS|LIKE|GLOB)(?: \(?\?\)?)?"
                  r" (exact|superset|local)(?: \(([^)]*)\))?")
STORAGES = {type(None): "NULL", int: "INTEGER", float: "REAL", str: "TEXT", bytes: "BLOB"}


def constants_of(select):
    """Column -> storage classes of the constants that it is compared with."""
    found = {}
    for node in walk(select):
        if not isinstance(node, Node) or not node.condition:
            continue
        below = [n for part in node.parts() for n in walk(part)]
        fields = {n.name for n in below if isinstance(n, Field)}
        if len(fields) == 1:
            storages = {STORAGES[type(n.values[0])] for n in below if isinstance(n, Constant)}
            found.setdefault(fields.pop(), set()).update(storages)
    return found


class Coverage:
    def __init__(self, tables):
        self.kinds = {c.name: c.kind.name for some in tables.values() for t in some for c in t.columns}
        self.queries = self.answers = self.failed = self.gave_up = 0
        self.empty = self.whole = self.errors = 0
        self.terms = Counter()      # (operator, kind, storage, verdict)
        self.clauses = Counter()    # ORDER BY, DISTINCT, LIMIT …

    def count(self, answer, n_all):
        """One answer of the twin."""
        self.answers += 1
        if answer.error:
            self.errors += 1
        elif not answer.rows:
            self.empty += 1
        elif len(answer.rows) >= n_all:
            self.whole += 1

    def count_plan(self, select, lines):
        constants = constants_of(select)
        for line in lines:
            if "VIRTUAL TABLE INDEX" not in line:
                continue
            text = line.split("VIRTUAL TABLE INDEX", 1)[1].split(":", 1)[1].rsplit("|v", 1)[0]
            for clause in ("ORDER BY", "GROUP BY", "DISTINCT", "LIMIT", "OFFSET"):
                self.clauses[clause] += clause in text
            self.clauses["scans"] += 1
            for part in text.split("; "):
                self.count_term(TERM.match(part.strip()), constants)

    def count_term(self, match, constants):
        if not match:
            return
        column, operator, verdict, reason = match.groups()
        storages = constants.get(column) or {"a column"}
        if operator.endswith("NULL"):
            storages = {"-"}
        for storage in storages:
            self.terms[operator, self.kinds.get(column, "?"), storage,
                       verdict + (f" ({reason})" if reason else "")] += 1

    def summary(self):
        found = self.answers - self.empty - self.whole - self.errors
        share = 100 * found // max(1, self.answers)
        yield (f"{self.queries} statements, {self.answers} answers: {found} ({share} %) neither empty"
               f" nor whole, {self.empty} empty, {self.whole} whole, {self.errors} errors of SQLite;"
               f" {self.gave_up} given up")
        yield "scans: " + ", ".join(f"{self.clauses[c]} {c}" for c in
                                    ("scans", "ORDER BY", "GROUP BY", "DISTINCT", "LIMIT", "OFFSET"))

    def table(self):
        """operator, kind: the verdicts with the storage classes that met them."""
        rows = {}
        for (operator, kind, storage, verdict), n in sorted(self.terms.items()):
            rows.setdefault((operator, kind), {}).setdefault(verdict, []).append(f"{storage} {n}")
        for (operator, kind), verdicts in rows.items():
            yield f"{operator:12} {kind:13} " + "; ".join(
                f"{verdict}: {', '.join(met)}" for verdict, met in verdicts.items())
