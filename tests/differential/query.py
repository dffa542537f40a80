"""query.py - SELECT statements as trees that can be printed for several ways and made smaller.

A Node is a template with parts; printing fills it in.  A Constant prints as a literal or, in a
prepared statement, as a parameter with several values, one a run.  A Select is printed once for
the native twin and once for each way through tskdb: only the names of the relations differ.

Every tree can say what is simpler(): copies of itself with one thing less, for shrink.py.
"""

import copy
import math
import re

from plans import PLAIN, Split, dice


class Style:
    """How a statement is printed.  RELATIONS: a function of server and table that gives the name
    of the relation; BOUND: constants ("some" of them, or all) are parameters, collected in
    `constants`; PLAN: of plans.py."""

    def __init__(self, relations, bound=False, plan=PLAIN):
        self.relations = relations
        self.bound = bound
        self.plan = plan
        self.constants = []


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, float):
        if math.isinf(value):
            return "9e999" if value > 0 else "-9e999"
        return repr(value)
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        parts = ["'" + part.replace("'", "''") + "'" for part in value.split("\0")]
        return parts[0] if len(parts) == 1 else "(" + "||char(0)||".join(parts) + ")"
    return str(value)


class Constant:
    """VALUES: the one of the literal, then those of further runs."""

    def __init__(self, *values):
        self.values = values

    def text(self, style):
        if not style.bound or (style.bound == "some" and dice(repr(self.values)) % 2):
            return literal(self.values[0])
        style.constants.append(self)
        return "?"

    def value(self, run):
        return self.values[run % len(self.values)]

    def parts(self):
        return []

    def simpler(self):
        for value in self.values[1:]:
            yield Constant(value)
        if self.values[0] not in (None, 1):
            yield Constant(None)
            yield Constant(1)


class Field:
    """A column of a source, by the source's alias. COLUMN is what its values are like, None for
    a computed one. KEY: it is a part of the table's key."""

    def __init__(self, alias, name, column=None, key=False):
        self.alias = alias
        self.name = name
        self.column = column
        self.key = key

    def text(self, style):
        return f'{self.alias}."{self.name}"'

    def parts(self):
        return []

    def simpler(self):
        return iter(())


class Node:
    """An expression. CONDITION: it may be replaced by a part that is a condition itself.
    LIST: parts may be left out, down to one; the template then has one {} for all of them."""

    def __init__(self, template, *parts, condition=False, is_list=False, value=False):
        self.template = template
        self._parts = list(parts)
        self.condition = condition
        self.is_list = is_list
        self.value = value  # a value that may be replaced by its first part

    def text(self, style):
        if self.is_list:
            return self.template.replace("{}", ", ".join(p.text(style) for p in self._parts), 1)
        pieces = self.template.split("{}")
        out = [pieces[0]]
        for part, piece in zip(self._parts, pieces[1:]):
            out += [part.text(style), piece]
        text = "".join(out)
        return style.plan.condition(text) if self.condition else text

    def parts(self):
        return self._parts

    def with_part(self, i, part):
        made = copy.copy(self)
        made._parts = self._parts[:i] + [part] + self._parts[i + 1:]
        return made

    def simpler(self):
        if self.condition:
            for part in self._parts:
                if getattr(part, "condition", False):
                    yield part
        if self.value and self._parts:
            yield self._parts[0]
        if self.is_list and len(self._parts) > 1:
            for i in range(len(self._parts)):
                made = copy.copy(self)
                made._parts = self._parts[:i] + self._parts[i + 1:]
                yield made
        for i, part in enumerate(self._parts):
            for less in part.simpler():
                yield self.with_part(i, less)


class InList(Node):
    """A column IN a list of constants."""

    def text(self, style):
        column, values = self._parts
        if not isinstance(column, Field) or not isinstance(style.plan, Split):
            return super().text(style)
        texts = [v.text(style) for v in values.parts()]
        return style.plan.condition(style.plan.alternatives(column.text(style), texts))


def twin(server, table):
    """The native twin of a relation."""
    return f'twin."{server}.{table}"'


class Source:
    """A table of the server of that name under ALIAS. LOCAL: always printed from the twin."""

    def __init__(self, server, table, alias, local=False, has_rowid=False):
        self.server = server
        self.table = table
        self.alias = alias
        self.local = local
        self.has_rowid = has_rowid  # its key is the rowid

    def text(self, style):
        relation = (twin if self.local else style.relations)(self.server, self.table)
        return f"{style.plan.source(relation, self.has_rowid)} AS {self.alias}"

    def parts(self):
        return []

    def simpler(self):
        if not self.local:
            yield Source(self.server, self.table, self.alias, True, self.has_rowid)


class Named:
    """A common table expression by its name."""

    def __init__(self, name, alias):
        self.name = name
        self.alias = alias

    def text(self, style):
        return f"{self.name} AS {self.alias}"

    def parts(self):
        return []

    def simpler(self):
        return iter(())


class Derived:
    """(SELECT …) AS alias."""

    def __init__(self, select, alias):
        self.select = select
        self.alias = alias

    def text(self, style):
        return f"({self.select.text(style)}) AS {self.alias}"

    def parts(self):
        return [self.select]

    def simpler(self):
        for less in self.select.simpler():
            if len(less.columns) == len(self.select.columns):
                yield Derived(less, self.alias)


class Order:

    def __init__(self, expression, descending=False, nulls="", collation="", position=None):
        self.expression = expression
        self.descending = descending
        self.nulls = nulls
        self.collation = collation
        self.position = position  # of the same expression in the output, None: not there

    def text(self, style):
        return (self.expression.text(style) +
                (f" COLLATE {self.collation}" if self.collation else "") +
                (" DESC" if self.descending else "") + (f" {self.nulls}" if self.nulls else ""))


class Select:
    """One SELECT. JOINS: list of (words, Source or Derived, condition or None) after the first
    source. APPROXIMATE: positions of output columns that may differ in the last bits."""

    def __init__(self, columns, sources):
        self.columns = columns
        self.names = [f"c{i}" for i in range(len(columns))]
        self.sources = sources  # [(words, source, condition)], the first has no words
        self.where = None
        self.group = []
        self.having = None
        self.distinct = False
        self.order = []
        self.limit = None
        self.offset = None
        self.approximate = set()

    def text(self, style, limited=True):
        out = ["SELECT DISTINCT " if self.distinct else "SELECT "]
        out.append(", ".join(f"{c.text(style)} AS {n}" for c, n in zip(self.columns, self.names)))
        out += self._joined(style)
        if self.group:
            out.append(" GROUP BY " + ", ".join(g.text(style) for g in self.group))
            if self.having:
                out.append(" HAVING " + self.having.text(style))
        if self.order:
            out.append(" ORDER BY " + ", ".join(o.text(style) for o in self.order))
        if limited and self.limit is not None:
            out.append(" LIMIT " + self.limit.text(style))
            if self.offset is not None:
                out.append(" OFFSET " + self.offset.text(style))
        return "".join(out)

    def _joined(self, style):
        """FROM and WHERE, in pieces."""
        joined = [(words, source.text(style), condition.text(style) if condition else "")
                  for words, source, condition in self.sources]
        where = [self.where.text(style)] if self.where else []
        order = style.plan.turned(joined)
        if order:
            where = [condition for _, _, condition in joined if condition] + where
            joined = [("CROSS JOIN", text, "") for _, text, _ in order]
        out = []
        for i, (words, text, condition) in enumerate(joined):
            out += [f" {words} " if i else " FROM ", text, " ON " + condition if condition else ""]
        return out + [" WHERE " + " AND ".join(where)] * bool(where)

    def parts(self):
        found = list(self.columns) + list(self.group)
        for _, source, condition in self.sources:
            found += [source] + ([condition] if condition else [])
        found += [o.expression for o in self.order]
        return found + [p for p in (self.where, self.having, self.limit, self.offset) if p]

    def changed(self, **fields):
        made = copy.copy(self)
        made.__dict__.update(fields)
        return made

    def simpler(self):
        yield from self._less_clauses()
        yield from self._less_sources()
        if self.where:
            for less in self.where.simpler():
                yield self.changed(where=less)
        yield from self._less_columns()

    def _less_clauses(self):
        if self.where:
            yield self.changed(where=None)
        if self.limit is not None:
            yield self.changed(limit=None, offset=None)
        if self.offset is not None:
            yield self.changed(offset=None)
        if self.order and self.limit is None:
            yield self.changed(order=[])
        for i in range(len(self.order) if len(self.order) > 1 else 0):
            yield self.changed(order=self.order[:i] + self.order[i + 1:])
        if self.having:
            yield self.changed(having=None)
        if self.distinct:
            yield self.changed(distinct=False)
        for field in ("limit", "offset"):
            if getattr(self, field) is not None:
                for less in getattr(self, field).simpler():
                    yield self.changed(**{field: less})

    def _less_sources(self):
        for i, (words, source, condition) in enumerate(self.sources):
            if i and len(self.sources) > 1:
                yield self.changed(sources=self.sources[:i] + self.sources[i + 1:])
            for less in source.simpler():
                yield self.changed(sources=self.sources[:i] + [(words, less, condition)] +
                                   self.sources[i + 1:])
            if condition:
                for less in condition.simpler():
                    yield self.changed(sources=self.sources[:i] + [(words, source, less)] +
                                       self.sources[i + 1:])

    def _less_columns(self):
        if self.group or len(self.columns) < 2:
            return
        for i in range(len(self.columns)):
            if any(o.position == i for o in self.order):
                continue
            order = [copy.copy(o) for o in self.order]
            for o in order:
                if o.position is not None and o.position > i:
                    o.position -= 1
            yield self.changed(columns=self.columns[:i] + self.columns[i + 1:],
                               names=self.names[:i] + self.names[i + 1:], order=order,
                               approximate={a - (a > i)
                                            for a in self.approximate if a != i})


class Compound:
    """SELECT … UNION SELECT …, ordered by output columns."""

    def __init__(self, operators, selects):
        self.operators = operators
        self.selects = selects
        self.order = []  # of Order with a position each
        self.limit = None
        self.offset = None
        self.approximate = set()

    @property
    def columns(self):
        return self.selects[0].columns

    def text(self, style, limited=True):
        out = [self.selects[0].text(style)]
        for operator, select in zip(self.operators, self.selects[1:]):
            out.append(f" {operator} {select.text(style)}")
        if self.order:
            out.append(" ORDER BY " + ", ".join(o.text(style) for o in self.order))
        if limited and self.limit is not None:
            out.append(" LIMIT " + self.limit.text(style))
            if self.offset is not None:
                out.append(" OFFSET " + self.offset.text(style))
        return "".join(out)

    def parts(self):
        return self.selects + [p for p in (self.limit, self.offset) if p]

    def simpler(self):
        yield from self.selects
        for i, select in enumerate(self.selects):
            for less in select.simpler():
                if len(less.columns) == len(select.columns):
                    made = copy.copy(self)
                    made.selects = self.selects[:i] + [less] + self.selects[i + 1:]
                    yield made
        for fields in ({"limit": None,
                        "offset": None}, {"order": []} if self.limit is None else {}):
            made = copy.copy(self)
            made.__dict__.update(fields)
            if made.__dict__ != self.__dict__:
                yield made


class With:
    """WITH name AS (…) SELECT …. TABLES: list of (head, what stands in the parentheses)."""

    def __init__(self, tables, select):
        self.tables = tables
        self.select = select

    def text(self, style, limited=True):
        heads = ", ".join(f"{head} ({select.text(style)})" for head, select in self.tables)
        return f"WITH {heads} {self.select.text(style, limited)}"

    def __getattr__(self, name):
        if name in ("columns", "order", "limit", "offset", "approximate"):
            return getattr(self.select, name)
        raise AttributeError(name)

    def parts(self):
        return [select for _, select in self.tables] + [self.select]

    def simpler(self):
        for less in self.select.simpler():
            yield With(self.tables, less)
        for i, (head, select) in enumerate(self.tables):
            for less in select.simpler() if hasattr(select, "columns") else ():
                if len(less.columns) == len(select.columns):
                    yield With(self.tables[:i] + [(head, less)] + self.tables[i + 1:], self.select)


class Written:
    """A statement as it was written, with {table} for the relations of SERVER."""

    order = []
    limit = None
    approximate = set()

    def __init__(self, sql, server):
        self.sql = sql
        self.server = server

    def text(self, style, limited=True):
        tables = set(re.findall(r"{(\w+)}", self.sql))
        return self.sql.format(**{t: style.relations(self.server, t) for t in tables})

    def parts(self):
        return []

    def simpler(self):
        return iter(())


def walk(tree):
    """The tree and everything below it."""
    yield tree
    for part in tree.parts():
        yield from walk(part)
