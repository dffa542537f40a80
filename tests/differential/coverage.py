"""coverage.py - which rows of the pushdown table a run of the differential test has used.

A build with --enable-fault-injection notes each row that a scan uses (vtab/pushdown_fault.h).  A use tells
something if the answer was neither empty nor everything.
"""

import os
from collections import Counter

COLLATIONS = ("BINARY", "NOCASE", "RTRIM", "other")
ABOVE = ("ORDER BY", "DISTINCT")
LEAST_PLANS = 5  # of 1,000 statements, each forced plan is taken by so many


class Row:
    """One row of the table, for all the operators and classes that it covers."""

    def __init__(self, number, collations, needs, verdict, text, min_version):
        self.number = number
        self.collations = collations.split(", ") if collations else []
        self.needs = needs.split(", ") if needs else []
        self.verdict = verdict
        self.text = text
        self.min_version = min_version
        self.operators = []
        self.classes = []
        self.left_over = set()  # collations that no earlier row has taken and this one leaves

    def __str__(self):
        return f"row {self.number} ({', '.join(self.operators)}; {', '.join(self.classes)})"

    def add(self, operator, klass):
        self.operators += [operator] * (operator not in self.operators)
        self.classes += [klass] * (klass not in self.classes)


class Aim:
    """What a statement has to be to use ROW for OPERATOR and a column of CLASS. NEEDS: what the
    column must have, else what the row says. BESIDE: what some column of the table must have."""

    def __init__(self, row, operator, klass, collation, needs=None, beside=()):
        self.row = row
        self.operator = operator
        self.klass = klass
        self.collation = collation
        self.needs = row.needs if needs is None else needs
        self.beside = beside

    def fits(self, table, column):
        return (column.klass == self.klass and column.has(self.needs) and
                any(c.has(self.beside) for c in table.columns))


def read_rows(db, server):
    """The rows that push something, in their order."""
    rows, settled = {}, {}
    for number, operator, klass, *facts in db.execute(
            "SELECT row, operator, class, collations, needs, verdict, text, min_version"
            " FROM tskdb_pushdown"
            " WHERE driver = ? ORDER BY row", (server, )):
        row = Row(number, *facts)
        before = settled.setdefault((operator, klass), set())
        if before >= set(row.collations or COLLATIONS):  # earlier rows decide every case
            continue
        if not row.needs and not row.min_version:
            before |= set(row.collations or COLLATIONS)
        if row.verdict != "local":
            rows.setdefault(number, row).add(operator, klass)
            rows[number].left_over |= set(COLLATIONS) - before
    return list(rows.values())


def aims(rows):
    """One for each operator, class and collation of each row."""
    return [
        Aim(row, operator, klass, collation) for row in rows for operator in row.operators
        for klass in row.classes for collation in row.collations or ["BINARY"]
        if collation != "other"
    ]


class Trace:
    """Reads what the module notes. It is not THERE in a build that notes nothing."""

    def __init__(self):
        self.file = os.memfd_create("trace")
        self.at = 0
        os.environ["TSKDB_PUSHDOWN_TRACE"] = f"/proc/self/fd/{self.file}"

    @property
    def there(self):
        return os.fstat(self.file).st_size > 0

    def read(self):
        """The uses since the last time: (driver, row, operator sent, asked, class, storage)."""
        text = os.pread(self.file, os.fstat(self.file).st_size - self.at, self.at)
        self.at += len(text)
        return [line.split("\t") for line in text.decode().splitlines()]


class Coverage:
    """ROWS: the rows of SERVER's table. CLASSES: those that its columns have here. ABSENT: see
    servers/server.py."""

    def __init__(self, server, rows, classes, absent=()):
        self.server = server
        self.absent = absent
        self.rows = rows
        self.classes = classes
        self.queries = self.answers = self.gave_up = 0
        self.empty = self.whole = self.errors = 0
        self.plans = Counter()  # way -> statements in which SQLite has taken the forced plan
        self.uses = Counter()  # (row, operator sent, operator asked, class, storage)
        self.telling = Counter()

    def count(self, answer, n_all):
        """One answer of the twin. Whether it is neither empty nor whole."""
        self.answers += 1
        if answer.error:
            self.errors += 1
        elif not answer.rows:
            self.empty += 1
        elif len(answer.rows) >= n_all:
            self.whole += 1
        else:
            return True
        return False

    def count_uses(self, uses, answer, telling):
        for driver, number, *use in uses:
            if driver != self.server:
                continue
            key = (int(number), *use)
            self.uses[key] += 1
            self.telling[key] += telling or (use[0] in ABOVE and len(answer.rows or ()) > 1)

    def summary(self):
        found = self.answers - self.empty - self.whole - self.errors
        share = 100 * found // max(1, self.answers)
        yield (
            f"{self.queries} statements, {self.answers} answers: {found} ({share} %) neither empty"
            f" nor whole, {self.empty} empty, {self.whole} whole, {self.errors} errors of SQLite;"
            f" {self.gave_up} given up")
        if self.plans:
            yield "plans taken: " + ", ".join(f"{way} {n}" for way, n in sorted(self.plans.items()))

    def told(self, row):
        """Of the answers that tell something of ROW: the operators, and the classes."""
        keys = [key for key, n in self.telling.items() if key[0] == row.number and n]
        return {o for key in keys for o in key[1:3]}, {key[3] for key in keys}

    def is_dead(self, aim):
        """Whether no answer has told anything of AIM's row for its operator, or for its class."""
        operators, classes = self.told(aim.row)
        absent = aim.row.min_version or aim.operator in self.absent
        return not (absent or (aim.operator in operators and aim.klass in classes))

    def dead(self):
        """What no answer has told anything of: a row, or one of its operators or classes."""
        for row in self.rows:
            if row.min_version or not set(row.classes) & self.classes:  # too old, or not there
                continue
            operators, classes = self.told(row)
            if not set(row.operators) - set(self.absent):
                continue
            if not operators:
                yield f"{row}: {row.text}"
                continue
            for operator in set(row.operators) - operators - set(self.absent):
                yield f"row {row.number} for {operator}: {row.text}"
            for klass in (set(row.classes) & self.classes) - classes:
                yield f"row {row.number} for a column of class {klass}: {row.text}"

    def plans_missing(self, ways):
        """Those of the forced plans that SQLite has hardly ever taken."""
        least = LEAST_PLANS * self.queries / 1000
        return [f"{way}: {self.plans[way]} of {self.queries} statements" for way in ways
                if self.plans[way] < least]

    def table(self):
        """Each row: its role, and how often it was used (and told something) by storage class."""
        for row in self.rows:
            used, told = Counter(), Counter()
            for key, n in sorted(self.uses.items()):
                if key[0] == row.number:
                    used[key[4]] += n
                    told[key[4]] += self.telling[key]
            shown = ", ".join(f"{s} {n} ({told[s]})" for s, n in used.items()) or "never used"
            yield f"{row} {row.verdict}: {shown}"
