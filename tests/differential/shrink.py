"""shrink.py - makes a statement that shows a difference and its rows few, and prints them."""

import copy
import time

from comparison import NATIVE, GaveUp, marked
from query import Constant, Field, Source, walk

SECONDS = 20
SHOWN = 6
FEW_ROWS = 6


def fixed(tree, run):
    """The tree with each constant at the value that it had in RUN."""
    if isinstance(tree, Constant):
        return Constant(tree.value(run))
    made = copy.copy(tree)
    for name, value in vars(tree).items():
        setattr(made, name, fixed_field(value, run))
    return made


def fixed_field(value, run):
    if isinstance(value, list):
        return [fixed_field(v, run) for v in value]
    if isinstance(value, tuple):
        return tuple(fixed_field(v, run) for v in value)
    if hasattr(value, "simpler") or type(value).__name__ == "Order":
        return fixed(value, run)
    return value


def shrink(comparison, difference):
    """The smallest Difference that is found in time, of the same way through tskdb."""
    deadline = time.monotonic() + SECONDS
    best = difference
    best.select = fixed(best.select, best.run)
    best.run = 0
    if best.bound:  # a literal says more, if it still differs
        literal = attempt(comparison, best.select, False, best.way)
        best = literal or best
    progress = True
    while progress and time.monotonic() < deadline:
        progress = False
        for select in best.select.simpler():
            smaller = attempt(comparison, select, best.bound, best.way)
            if smaller:
                best, progress = smaller, True
                break
            if time.monotonic() > deadline:
                break
    return best


def attempt(comparison, select, bound, way):
    try:
        found = comparison.difference(select, bound, ways=[way])
    except (GaveUp, AssertionError):
        return None
    return found


def shrink_rows(comparison, difference, store):
    """Leaves each table that the statement reads as few rows as still show the difference. Returns
    {(server, table): rows}; STORE has them until restore()."""
    deadline = time.monotonic() + SECONDS
    kept = {}

    def differs():
        try:
            return comparison.difference(difference.select, difference.bound, ways=[difference.way])
        except (GaveUp, AssertionError):
            return None

    for server, table in store.base_tables(
            s for s in walk(difference.select) if isinstance(s, Source)):
        rows = list(table.rows)
        size = len(rows) // 2
        while size and time.monotonic() < deadline:
            at = 0
            while at < len(rows) and time.monotonic() < deadline:
                fewer = rows[:at] + rows[at + size:]
                store.put(server, table, fewer)
                if differs():
                    rows = fewer
                else:
                    at += size
            size //= 2
        store.put(server, table, rows)
        kept[server, table] = rows
    return kept


def shown_tables(kept, select):
    used = {n.name for n in walk(select) if isinstance(n, Field)}
    for (server, table), rows in kept.items():
        shown = [i for i, c in enumerate(table.columns) if c.name in used or c.name in table.key]
        yield f"{server}.{table.name} ({', '.join(table.columns[i].name for i in shown)}):"
        for row in rows[:FEW_ROWS]:
            yield "    " + ", ".join(repr(row[i][1]) for i in shown)
        if len(rows) > FEW_ROWS:
            yield f"    … {len(rows)} rows"


def shown_rows(title, rows):
    yield f"{title}: {sum(rows.values())}"
    for row, times in list(rows.items())[:SHOWN]:
        yield "    " + ", ".join(text if len(text) < 60 else text[:57] + "…"
                                 for _, text in row) + (f"  ({times} times)" if times > 1 else "")


def report(comparison, d, command, store):
    """Lines that show the difference; STORE, where there is one, has fewer rows meanwhile."""
    style = comparison.style(d.way, d.bound)
    yield f"{d.way}: {d.why}"
    yield "query:   " + d.select.text(style)
    if d.bound:
        yield f"bound:   {[c.value(d.run) for c in style.constants]!r}"
    yield "native:  " + d.select.text(comparison.style(NATIVE, d.bound))
    for line in comparison.plan(d.select, d.way):
        yield "plan:    " + line
    for line in comparison.requests(d.select, d.way, d.bound):
        yield "request: " + line
    if d.got.rows is not None:
        expected, got = marked(d.expected.rows), marked(d.got.rows)
        yield from shown_rows("rows missing", expected - got)
        yield from shown_rows("rows too many", got - expected)
    kept = shrink_rows(comparison, d, store) if store else {}
    yield from shown_tables(kept, d.select)
    if store:
        store.restore(kept)
    yield "again:   " + command
