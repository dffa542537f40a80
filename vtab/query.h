/*
** query.h - the query IR: everything that a server is asked is first a value
** of this small language.
**
** Producers: the virtual table (plan.c at xFilter) and, later, the planner of
** whole statements.  Consumers: each driver's compile().  Values never stand
** in an expression; they are parameters and travel bound.
**
** All nodes live in one arena, owned by whoever built the query; relations
** and pushdown rows are borrowed and outlive it.
*/
#ifndef VTAB_QUERY_H
#define VTAB_QUERY_H

#include "vtab/pushdown.h"
#include "vtab/relation.h"
#include "vtab/value.h"

typedef enum expr_kind {
  EXPR_COLUMN,             /* source, column */
  EXPR_PARAMETER,          /* parameter */
  EXPR_COUNT,              /* in select: how many rows the group has, see query.count */
  EXPR_TERM,               /* op over args, said as `row` says */
  EXPR_ALL, EXPR_ANY       /* in filter: args are EXPR_TERM, EXPR_ALL or EXPR_ANY; see driver.nests */
} expr_kind;

typedef struct query_expr {
  expr_kind kind;
  int source;              /* EXPR_COLUMN: into query.sources */
  int column;              /* EXPR_COLUMN: into relation.columns */
  int parameter;           /* EXPR_PARAMETER: into query.parameters */
  query_operator op;       /* EXPR_TERM */
  const pushdown_row *row; /* EXPR_TERM, and the columns of order_by and group_by */
  struct query_expr *args; /* EXPR_TERM: {c} is args[0], {v} or {d} args[1], {m} args[2] */
  int n_args;
} query_expr;

typedef struct query_order {
  query_expr column;       /* EXPR_COLUMN with the ORDER row */
  bool descending;         /* NULLs first when ascending, last when descending: SQLite's order */
} query_order;

typedef struct query_source {
  const relation *relation;
} query_source;

typedef struct query {
  query_source *sources;   /* 1 today; several of one server when islands are pushed */
  int n_sources;
  query_expr *select;      /* n_select 0: only the number of rows matters */
  int n_select;
  query_expr *filter;      /* a conjunction of EXPR_TERM, EXPR_ANY */
  int n_filter;
  query_expr *group_by;    /* EXPR_COLUMN with the DISTINCT row: equal rows may be merged */
  int n_group_by;
  const column *count;     /* of EXPR_COUNT: the driver's description of such a value */
  query_order *order_by;
  int n_order_by;
  bool bulk;               /* many rows are expected: what costs less a row may cost more to begin */
  bool one_row;            /* at most, as far as the catalog knows */
  bool has_limit;
  int64_t limit;           /* rows that SQLite skips are counted in */
  const value *parameters; /* values; STORAGE_LIST for IN */
  int n_parameters;
  struct text_memo *memo;  /* where compile() may keep its text for the next query; NULL: nowhere */
} query;

/* The column that select expression I is, whose type the scan decodes. */
static inline const column *query_column(const query *q, int i) {
  const query_expr *x = &q->select[i];
  if (x->kind == EXPR_COUNT) return q->count;
  return &q->sources[x->source].relation->columns[x->column];
}

/* Adding to a query whose filter and parameters were begun empty and are added to in no other
** way.  Without memory A has failed, which its owner looks at in the end. */

/* The number of the new parameter. */
int query_add_parameter(query *q, arena *a, value v);

/* A term of column COL for what pushdown_resolve() made of ASKED and GIVEN (NULL: no value);
** MEMBER is the label of {m}, NULL where the row has none. It is not in the filter yet. */
query_expr query_term(query *q, arena *a, const pushdown_context *p, int col,
                      query_operator asked, const outcome_term *t, const value *given,
                      const value *member);

/* A term that compares two columns with each other, by ROW, which is that of both. */
query_expr query_pair(query *q, arena *a, const pushdown_context *p, int col, int other,
                      query_operator op, const pushdown_row *row);

/* X, or all of what X is a conjunction of, into the filter. */
void query_add_condition(query *q, arena *a, const query_expr *x);

/* A compiled query: what goes over the wire. */
typedef struct request {
  const char *text;        /* the server's language; printable, holds no value of the user's */
  uint64_t hash;           /* of an SQL text (sql_text.h); 0 elsewhere */
  const void *compiled;    /* the driver's own form where text is not what it sends; NULL elsewhere */
  const value *parameters; /* in the order of the placeholders, borrowed from the query */
  int n_parameters;
  const query *query;      /* borrowed: the driver looks up its columns' types here */
} request;

#endif
