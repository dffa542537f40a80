/*
** plan.h - what one scan will ask its server, as chosen by xBestIndex.
**
** A plan is chosen while SQLite compiles a statement, travels to xFilter as
** idxStr text (plan_encode, plan_decode; format in plan_text.c) and becomes a
** query once the values are known (plan_query).  There is no plan state
** anywhere else.
**
** A plan and everything in it lives in one arena.
*/
#ifndef VTAB_PLAN_H
#define VTAB_PLAN_H

#include "vtab/query.h"
#include "vtab/server.h"
#include "vtab/sqlite.h"

struct buffer;

/* One WHERE term that SQLite offered. */
typedef struct plan_term {
  query_operator op;
  int column;              /* into relation.columns; the rowid is the key's column */
  collation_kind collation;
  int argument;            /* into xFilter's argv; PLAN_LOCAL: none, the term is not sent */
  verdict verdict;         /* as far as is known before the value is */
  reason reason;           /* of a verdict that is not exact */
  bool constant;           /* the value was known, or there is none: it cannot change in a loop */
} plan_term;

enum { PLAN_LOCAL = -1 };

typedef struct plan_order {
  int column;
  bool descending;
} plan_order;

typedef struct plan {
  plan_term *terms;        /* sent and local ones */
  int n_terms;
  plan_order *order;       /* ORDER BY, GROUP BY or DISTINCT columns that the server takes over */
  int n_order;
  bool sorted;             /* the rows must come in that order, not only grouped */
  bool distinct;           /* equal rows may be merged if every term proves exact */
  int *columns;            /* to fetch, into relation.columns; each once */
  int n_columns;
  int n_used;              /* the first of them are what SQLite reads, the others the key's alone */
  int limit, offset;       /* xFilter arguments, PLAN_LOCAL: not offered, or of no use */
  int estimates;           /* directory->estimates when it was chosen */
} plan;

/* What a plan is made for. */
typedef struct plan_subject {
  const relation *relation;
  pushdown_context pushdown;
  const server_options *options;
  int estimates;           /* of the directory */
  sqlite3 *db;
  const char *schema;      /* SQLite's, where the table stands; NULL: not known */
} plan_subject;

/* Chooses the plan for INFO and fills in INFO's outputs except idxStr. False without memory. */
bool plan_choose(const plan_subject *s, sqlite3_index_info *info, arena *a, plan *out);

/* Whether the plan is for one key of many: SQLite will very likely ask for the
** next one soon (cost.c). */
bool plan_is_probe(const plan *p);

/* Whether the terms that are sent can match one row at most (cost.c). */
bool plan_is_unique(const plan *p, const relation *r);
bool plan_is_unique_for_certain(const plan_subject *s, const plan *p);

/* Fills in cost, row estimate and the unique flag (cost.c). */
void plan_cost(const plan_subject *s, const plan *p, sqlite3_index_info *info);

/* idxStr: what plan_decode() reads, and what EXPLAIN QUERY PLAN shows. */
void plan_encode(const plan *p, const relation *r, struct buffer *out);

/* False if TEXT is not a plan for R, or without memory (a->failed). */
bool plan_decode(const char *text, const relation *r, arena *a, plan *out);

/* Turns the plan into a query for the given values. Constraints whose value
** cannot be pushed are left out and re-checked by SQLite, which omits none of
** those. *KIND says what the rows are. False without memory. */
typedef enum plan_rows {
  ROWS_EMPTY,              /* none: no row can satisfy the constraints */
  ROWS_SUPERSET,           /* those and perhaps more */
  ROWS_EXACT               /* those that SQLite's own scan would find, and no others */
} plan_rows;

bool plan_query(const plan *p, const plan_subject *s, const value *arguments, int n_arguments,
                arena *a, query *out, plan_rows *kind);

/* Makes the query ask for at most the rows that LIMIT and OFFSET leave, if the
** plan has them.  Only for ROWS_EXACT, and where nothing stands between the scan and
** the result (program.h). */
void plan_limit(const plan *p, const value *arguments, int n_arguments, query *q);

/* Whether the different rows of the used columns are few compared with all rows,
** and the server can count them. */
bool plan_is_countable(const plan *p, const plan_subject *s);

/* Makes the query ask for the different rows of the used columns, each with
** how often it is there as one more column.  Only where nothing else is read of a row
** (program.h), and for columns with an exact DISTINCT row.  False without memory. */
bool plan_runs(const plan *p, const plan_subject *s, arena *a, query *q);

#endif
