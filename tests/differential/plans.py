"""plans.py - other ways to write the same statement, which force the plans that SQLite may choose.

Each way prints a SELECT so that it means the same: terms hidden from the virtual table, terms
weighed, inner joins in another order, tables as subqueries that SQLite flattens or materialises.
What is done to a part depends on its text alone, so that it stays when the statement is shrunk.

Whether SQLite has taken the plan is read from EXPLAIN QUERY PLAN, beside that of the plain way.
"""

import itertools
import zlib


SPLIT_LINE = "MULTI-INDEX OR"
WHOLE_LINES = ("MATERIALIZE", "CO-ROUTINE")


def scans(lines):
    """The aliases in the order of the loops."""
    return [line.split()[1] for line in lines if line.startswith(("SCAN", "SEARCH"))]


def having(lines, *words):
    return [line for line in lines if line.startswith(words)]


def dice(text):
    return zlib.crc32(text.encode("utf-8", "surrogateescape"))


class Plan:
    """As it is written. FORCES: what SQLite makes of it can only be the plan that is meant."""

    forces = True

    def condition(self, text):
        return text

    def source(self, relation, has_rowid):
        return relation

    def alternatives(self, column, values):
        """COLUMN IN (VALUES) in other words, if there are some."""
        return None

    def turned(self, joined):
        """Another order for the joined tables (words, text, condition), if there is one."""
        return None

    def taken(self, plain, lines):
        """Whether the lines of EXPLAIN QUERY PLAN show it beside those of the plain way."""
        return lines != plain


class Hidden(Plan):
    """A term under a unary plus is not offered to a table: SQLite alone knows it."""

    def condition(self, text):
        return f"+({text})" if dice(text) % 3 == 0 else text


class Weighed(Plan):
    """Guesses of SQLite's that are wrong."""

    forces = False

    def condition(self, text):
        return [f"likely({text})", f"unlikely({text})", f"likelihood({text}, 0.001)",
                text][dice(text) % 4]


TURNED = "joins turned"


class Turned(Plan):
    """CROSS JOIN fixes the order of the loops."""

    def turned(self, joined):
        if len(joined) < 2 or any(words not in ("", "JOIN", "CROSS JOIN", ",")
                                  for words, _, _ in joined):
            return None
        orders = list(itertools.permutations(joined))[1:]
        return orders[dice(joined[0][1] + joined[-1][1]) % len(orders)]

    def taken(self, plain, lines):
        return scans(lines) != scans(plain)


SPLIT = "lists split"


class Split(Plan):
    """A list as alternatives. SQLite makes a list of plain ones again; where one says more, each is a
    scan of its own."""

    def alternatives(self, column, values):
        more = [f"({column} = {v} AND {column} IS NOT NULL)" for v in values[1:]]
        if dice("".join(values)) % 4 == 0:
            more = [f"{column} = {v}" for v in values[1:]]
        return f"({' OR '.join([f'{column} = {values[0]}'] + more)})"

    def taken(self, plain, lines):
        return len(having(lines, SPLIT_LINE)) > len(having(plain, SPLIT_LINE))


def whole(relation, has_rowid):
    return f"SELECT {'rowid, ' if has_rowid else ''}* FROM {relation}"


class Flattened(Plan):
    """A view's or subquery's columns become the table's."""

    def source(self, relation, has_rowid):
        return f"({whole(relation, has_rowid)})"

    def taken(self, plain, lines):
        """The scans are the table's own."""
        return having(lines, *WHOLE_LINES) == having(plain, *WHOLE_LINES)


class Materialized(Plan):
    """The table is read as a whole first, or as a coroutine."""

    def source(self, relation, has_rowid):
        if dice(relation) % 2:
            return f"({whole(relation, has_rowid)} LIMIT -1)"
        return f"(WITH m AS MATERIALIZED ({whole(relation, has_rowid)}) SELECT * FROM m)"

    def taken(self, plain, lines):
        return len(having(lines, *WHOLE_LINES)) > len(having(plain, *WHOLE_LINES))


PLAIN = Plan()
FORCED = {
    "terms hidden": Hidden(), "terms weighed": Weighed(), TURNED: Turned(),
    SPLIT: Split(),
    "tables as subqueries": Flattened(), "tables materialised": Materialized()
}
