/*
** plan.c - from SQLite's constraints to a plan (xBestIndex), and from a plan
** and its values to a query (xFilter).
**
** Invariants:
**   1. A constraint is omitted (SQLite does not re-check) only if the server
**      is exact for its known constant, or for every value there can be.
**   2. LIMIT and OFFSET are asked for and never omitted: SQLite counts again.
**      SQLite 3.40 offers them although a term that it does not show us stands
**      below (`a > b` within one table, `abs(a) > b`), and offers a compound's
**      OFFSET to each of its arms; the differential test found both.  So they
**      are sent only if the statement's program proves that they may (program.h).
**   3. The key's columns are always fetched.  colUsed does not show what SQLite
**      needs them for: to remove duplicates when an OR is split into one scan a
**      term, and to remember which rows of a RIGHT or FULL JOIN's right table
**      have met a partner, in two scans of which the second has no term at all.
**   4. A term that may belong to the ON clause of a LEFT JOIN, by a mistake of
**      SQLite's (outer_join.h), is never omitted, and not sent when the running
**      statement may have such a join.
*/
#include "vtab/plan.h"

#include <string.h>

#include "vtab/driver.h"
#include "vtab/memory.h"
#include "vtab/outer_join.h"
#include "vtab/pushdown_fault.h"

/* SQLite's constraint operators, and what they are here. */
static const struct { unsigned char sqlite; query_operator op; } operators[] = {
  {SQLITE_INDEX_CONSTRAINT_EQ, OP_EQ},
  {SQLITE_INDEX_CONSTRAINT_NE, OP_NE},
  {SQLITE_INDEX_CONSTRAINT_LT, OP_LT},
  {SQLITE_INDEX_CONSTRAINT_LE, OP_LE},
  {SQLITE_INDEX_CONSTRAINT_GT, OP_GT},
  {SQLITE_INDEX_CONSTRAINT_GE, OP_GE},
  {SQLITE_INDEX_CONSTRAINT_IS, OP_IS},
  {SQLITE_INDEX_CONSTRAINT_ISNOT, OP_IS_NOT},
  {SQLITE_INDEX_CONSTRAINT_ISNULL, OP_IS_NULL},
  {SQLITE_INDEX_CONSTRAINT_ISNOTNULL, OP_NOT_NULL},
  {SQLITE_INDEX_CONSTRAINT_LIKE, OP_LIKE},
  {SQLITE_INDEX_CONSTRAINT_GLOB, OP_GLOB},
};

static bool operator_of(unsigned char sqlite, query_operator *op) {
  for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
    if (operators[i].sqlite == sqlite) {
      *op = operators[i].op;
      return true;
    }
  }
  return false;
}

static collation_kind collation_of(sqlite3_index_info *info, int i) {
  const char *name = sqlite3_vtab_collation(info, i);
  if (!name || sqlite3_stricmp(name, "BINARY") == 0) return COLLATION_BINARY;
  if (sqlite3_stricmp(name, "NOCASE") == 0) return COLLATION_NOCASE;
  if (sqlite3_stricmp(name, "RTRIM") == 0) return COLLATION_RTRIM;
  return COLLATION_OTHER;
}

/* SQLite's column number to ours; -1 for what is no column of the relation
** (the rowid of rows without a key, the hidden key). */
static int column_of(const relation *r, int sqlite_column) {
  if (sqlite_column < 0) return r->key_is_rowid ? r->key[0] : -1;
  return sqlite_column < r->n_columns ? sqlite_column : -1;
}

/* LIKE and GLOB may be the application's own on this connection, or made
** case-sensitive by a PRAGMA; then only the application knows what they mean.
** That can change between two statements and not within xBestIndex. */
typedef struct overrides {
  sqlite3 *db;
  enum { NOT_ASKED, BUILT_IN, OVERRIDDEN } like, glob;
} overrides;

static bool is_overridden(overrides *o, query_operator op) {
  bool glob = op == OP_GLOB;
  if ((glob ? o->glob : o->like) == NOT_ASKED) {
    bool own = !sqlite_are_builtin(o->db, glob ? "'glob'" : "'like'");
    if (glob) o->glob = own ? OVERRIDDEN : BUILT_IN;
    else o->like = own ? OVERRIDDEN : BUILT_IN;
  }
  return (glob ? o->glob : o->like) == OVERRIDDEN;
}

/* The constant on a constraint's right side, where it is one. */
static bool constant_of(sqlite3_index_info *info, int i, value *out) {
  sqlite3_value *v = NULL;
  if (sqlite3_vtab_rhs_value(info, i, &v) != SQLITE_OK || !v) return false;
  *out = sqlite_value(v);
  return true;
}

/* `LIKE … ESCAPE` is not offered, only the two ranges that SQLite derives from its
** prefix.  Where those are omitted, 3.40 takes the LIKE of a LEFT JOIN's ON clause
** for one of WHERE, and the rows without a partner are lost.  The ranges are NOCASE,
** unless a PRAGMA has made LIKE case-sensitive. */
static bool may_be_derived(overrides *o, const plan_term *t) {
  if (t->op != OP_GE && t->op != OP_LT) return false;
  return t->collation == COLLATION_NOCASE ||
         (t->collation == COLLATION_BINARY && is_overridden(o, OP_LIKE));
}

static void judge_term(const plan_subject *s, overrides *own, sqlite3_index_info *info, int i,
                       plan_term *t, arena *a) {
  const column *c = &s->relation->columns[t->column];
  bool no_value = t->op == OP_IS_NULL || t->op == OP_NOT_NULL;
  value constant = {0};
  t->constant = no_value || (t->op != OP_IN && constant_of(info, i, &constant));
  if ((t->op == OP_LIKE || t->op == OP_GLOB) && is_overridden(own, t->op)) {
    t->verdict = PUSH_LOCAL;
    t->reason = REASON_OVERRIDDEN;
  } else if (t->constant) {
    outcome o = pushdown_resolve(&s->pushdown, t->op, c, t->collation, no_value ? NULL : &constant, a);
    t->verdict = o.verdict;
    t->reason = o.reason;
    info->aConstraintUsage[i].omit = o.verdict == PUSH_EXACT;
  } else {
    /* Rows that are kept for many probes are found by equality alone (keyed.h). */
    t->verdict = pushdown_best(&s->pushdown, t->op, c, t->collation, &t->reason);
    info->aConstraintUsage[i].omit = t->op == OP_EQ && t->verdict == PUSH_EXACT
        && pushdown_is_total(&s->pushdown, t->op, c, t->collation);
  }
  bool derived = t->constant && constant.storage == STORAGE_TEXT && may_be_derived(own, t);
  if (derived || outer_join_suspects(t->op)) info->aConstraintUsage[i].omit = 0;
}

/* Makes a term of constraint I. *N_ARGUMENTS counts those that are sent. */
static void choose_term(const plan_subject *s, overrides *own, sqlite3_index_info *info, int i,
                        arena *a, plan *p, int *n_arguments) {
  const struct sqlite3_index_constraint *k = &info->aConstraint[i];
  plan_term t = {.argument = PLAN_LOCAL};
  t.column = column_of(s->relation, k->iColumn);
  if (!k->usable || t.column < 0 || !operator_of(k->op, &t.op)) return;
  t.collation = collation_of(info, i);
  if (t.op == OP_EQ && sqlite3_vtab_in(info, i, -1)) t.op = OP_IN;
  judge_term(s, own, info, i, &t, a);
  /* Rows that are kept for many probes are found by every equality (keyed.h). */
  if (t.verdict != PUSH_LOCAL || (t.op == OP_EQ && !t.constant)) {
    if (t.op == OP_IN) sqlite3_vtab_in(info, i, 1);
    t.argument = (*n_arguments)++;
    info->aConstraintUsage[i].argvIndex = t.argument + 1;
  }
  p->terms[p->n_terms++] = t;
}

/* Whether every row that the server sends is equal in the first column of the
** key: a constant for which the server is exact.  A value that is not known yet
** might widen the request. */
static bool is_within_key(const relation *r, const plan *p) {
  for (int i = 0; r->n_key && i < p->n_terms; i++) {
    const plan_term *t = &p->terms[i];
    bool equality = t->op == OP_EQ || t->op == OP_IS;
    if (equality && t->constant && t->verdict == PUSH_EXACT && t->column == r->key[0]) return true;
  }
  return false;
}

/* Takes over ORDER BY, GROUP BY or DISTINCT if the server orders every column
** exactly as SQLite does.  SQLite offers BINARY order with its own NULL order alone. */
static bool choose_order(const plan_subject *s, const sqlite3_index_info *info, arena *a, plan *p) {
  if (!info->nOrderBy) return true;
  p->order = arena_alloc(a, (size_t)info->nOrderBy * sizeof(*p->order));
  if (!p->order || !s->pushdown.enabled) return false;
  for (int i = 0; i < info->nOrderBy; i++) {
    reason why;
    int col = column_of(s->relation, info->aOrderBy[i].iColumn);
    if (col < 0) return false;
    const column *c = &s->relation->columns[col];
    if ((c->flags & COLUMN_WITHIN_KEY) && !is_within_key(s->relation, p)) return false;
    const pushdown_row *row = pushdown_find(&s->pushdown, OP_ORDER, c, COLLATION_BINARY, &why);
    if (!row || row->verdict != PUSH_EXACT) return false;
    p->order[i] = (plan_order){.column = col, .descending = info->aOrderBy[i].desc};
  }
  p->n_order = info->nOrderBy;
  return true;
}

static bool is_ordered_column(const plan *p, int col) {
  for (int i = 0; i < p->n_order; i++) {
    if (p->order[i].column == col) return true;
  }
  return false;
}

/* Equal rows may be merged if SQLite says so, nothing but the distinct columns
** is asked for, and the server's idea of equal is SQLite's. */
static bool may_merge(const plan_subject *s, int mode, const plan *p) {
  if (mode < 2) return false;
  for (int i = 0; i < p->n_columns; i++) {
    if (!is_ordered_column(p, p->columns[i])) return false;
  }
  for (int i = 0; i < p->n_order; i++) {
    reason why;
    const column *c = &s->relation->columns[p->order[i].column];
    const pushdown_row *row = pushdown_find(&s->pushdown, OP_DISTINCT, c, COLLATION_BINARY, &why);
    if (!row || row->verdict != PUSH_EXACT) return false;
  }
  return true;
}

/* Whether SQLite uses column I: the last bit of colUsed stands for all from 63 on. */
static bool is_used(sqlite3_uint64 used, int i) {
  return (used & (UINT64_C(1) << (i < 63 ? i : 63))) != 0;
}

static bool is_key(const relation *r, int col) {
  for (int k = 0; k < r->n_key; k++) {
    if (r->key[k] == col) return true;
  }
  return false;
}

static bool choose_columns(const relation *r, const sqlite3_index_info *info, arena *a, plan *p) {
  p->columns = arena_alloc(a, (size_t)r->n_columns * sizeof(*p->columns));
  if (!p->columns) return false;
  for (int i = 0; i < r->n_columns; i++) {
    if (is_used(info->colUsed, i)) p->columns[p->n_columns++] = i;
  }
  p->n_used = p->n_columns;
  for (int i = 0; i < r->n_columns; i++) {
    if (is_key(r, i) && !is_used(info->colUsed, i)) p->columns[p->n_columns++] = i;
  }
  return true;
}

/* Asks for the values of LIMIT and OFFSET where they could be of use. */
static void choose_limit(sqlite3_index_info *info, const relation *r, plan *p, int *n_arguments) {
  if (plan_is_unique(p, r)) return;
  for (int i = 0; i < p->n_terms; i++) {
    if (p->terms[i].verdict != PUSH_EXACT) return;
  }
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *k = &info->aConstraint[i];
    bool limit = k->op == SQLITE_INDEX_CONSTRAINT_LIMIT;
    if (!k->usable || !(limit || k->op == SQLITE_INDEX_CONSTRAINT_OFFSET)) continue;
    *(limit ? &p->limit : &p->offset) = *n_arguments;
    info->aConstraintUsage[i].argvIndex = ++*n_arguments;
  }
}

bool plan_choose(const plan_subject *s, sqlite3_index_info *info, arena *a, plan *out) {
  const relation *r = s->relation;
  *out = (plan){.limit = PLAN_LOCAL, .offset = PLAN_LOCAL, .estimates = s->estimates};
  size_t n = info->nConstraint ? (size_t)info->nConstraint : 1;
  out->terms = arena_alloc(a, n * sizeof(*out->terms));
  if (!out->terms) return false;
  int n_arguments = 0;
  overrides own = {.db = s->db};
  for (int i = 0; i < info->nConstraint; i++) {
    choose_term(s, &own, info, i, a, out, &n_arguments);
  }
  if (!choose_columns(r, info, a, out)) return false;
  int mode = sqlite3_vtab_distinct(info);
  bool ordered = choose_order(s, info, a, out);
  info->orderByConsumed = ordered && info->nOrderBy > 0;
  if (ordered && s->pushdown.enabled) choose_limit(info, r, out, &n_arguments);
  /* One row has every order; whether it is one is certain only sometimes (cost.c). */
  if (!ordered || plan_is_unique(out, r)) out->n_order = 0;
  if (!ordered || (plan_is_unique(out, r) && !plan_is_unique_for_certain(s, out))) {
    info->orderByConsumed = false;
  }
  out->sorted = out->n_order && mode != 1 && mode != 2;
  out->distinct = out->n_order && may_merge(s, mode, out);
  plan_cost(s, out, info);
  return !a->failed;
}

/* ---- from a plan and its values to a query ----------------------------- */

/* A query under construction. */
typedef struct assembly {
  const plan *plan;
  const plan_subject *subject;
  arena *arena;
  query *query;
  bool exact;              /* all terms so far */
  bool empty;
} assembly;

static query_expr column_expr(int col, const pushdown_row *row) {
  return (query_expr){.kind = EXPR_COLUMN, .column = col, .row = row};
}

/* Looked up only for the plans that it makes a difference for. */
static bool may_join_left(const assembly *b) {
  bool suspects = false;
  for (int i = 0; i < b->plan->n_terms; i++) suspects |= outer_join_suspects(b->plan->terms[i].op);
  return suspects && outer_join_possible(b->subject->db, b->subject->schema);
}

static void assemble_filter(assembly *b, const value *arguments, int n_arguments) {
  bool left = may_join_left(b);
  for (int i = 0; i < b->plan->n_terms; i++) {
    const plan_term *t = &b->plan->terms[i];
    bool forbidden = left && outer_join_suspects(t->op);
    if (t->argument == PLAN_LOCAL || t->argument >= n_arguments || forbidden) {
      b->exact = false;
      continue;
    }
    const column *c = &b->subject->relation->columns[t->column];
    outcome o = pushdown_resolve(&b->subject->pushdown, t->op, c, t->collation,
                                 &arguments[t->argument], b->arena);
    if (o.verdict != PUSH_EXACT) b->exact = false;
    if (o.kind == OUTCOME_NONE) b->empty = true;
    for (int k = 0; o.kind == OUTCOME_TERMS && k < o.n_terms; k++) {
      query_expr x = query_term(b->query, b->arena, &b->subject->pushdown, t->column, t->op,
                                &o.terms[k], &arguments[t->argument], NULL);
      query_add_condition(b->query, b->arena, &x);
    }
  }
}

static const pushdown_row *row_of(const assembly *b, query_operator op, int col) {
  reason why;
  const pushdown_context *p = &b->subject->pushdown;
  const column *c = &b->subject->relation->columns[col];
  const pushdown_row *row = pushdown_find(p, op, c, COLLATION_BINARY, &why);
  pushdown_fault_use(p->driver, row, op, op, c, NULL);
  return row;
}

static void assemble_order(assembly *b) {
  query *q = b->query;
  bool merge = b->plan->distinct && b->exact;
  bool sort = b->plan->sorted || !merge;
  for (int i = 0; i < b->plan->n_order; i++) {
    const plan_order *o = &b->plan->order[i];
    if (merge) q->group_by[q->n_group_by++] = column_expr(o->column, row_of(b, OP_DISTINCT, o->column));
    if (sort) {
      q->order_by[q->n_order_by++] = (query_order){
          .column = column_expr(o->column, row_of(b, OP_ORDER, o->column)), .descending = o->descending};
    }
  }
}

bool plan_query(const plan *p, const plan_subject *s, const value *arguments, int n_arguments,
                arena *a, query *out, plan_rows *kind) {
  size_t orders = (size_t)p->n_order + 1;
  *out = (query){.n_sources = 1, .n_select = p->n_columns};
  out->sources = arena_alloc(a, sizeof(*out->sources));
  out->select = arena_alloc(a, ((size_t)p->n_columns + 1) * sizeof(*out->select));
  out->order_by = arena_alloc(a, orders * sizeof(*out->order_by));
  out->group_by = arena_alloc(a, orders * sizeof(*out->group_by));
  if (a->failed) return false;
  out->sources[0].relation = s->relation;
  for (int i = 0; i < p->n_columns; i++) out->select[i] = column_expr(p->columns[i], NULL);
  assembly b = {.plan = p, .subject = s, .arena = a, .query = out, .exact = true};
  assemble_filter(&b, arguments, n_arguments);
  assemble_order(&b);
  *kind = b.empty ? ROWS_EMPTY : b.exact ? ROWS_EXACT : ROWS_SUPERSET;
  return !a->failed;
}

void plan_limit(const plan *p, const value *arguments, int n_arguments, query *q) {
  if (p->limit < 0 || p->limit >= n_arguments) return;
  const value *limit = &arguments[p->limit];
  int64_t skipped = 0;
  if (limit->storage != STORAGE_INTEGER || limit->integer < 0) return;
  if (p->offset >= 0) {
    if (p->offset >= n_arguments || arguments[p->offset].storage != STORAGE_INTEGER) return;
    if (arguments[p->offset].integer > 0) skipped = arguments[p->offset].integer;
  }
  if (skipped > INT64_MAX - limit->integer) return;
  q->has_limit = true;     /* the skipped rows are asked for too: SQLite skips them itself */
  q->limit = limit->integer + skipped;
}

bool plan_is_countable(const plan *p, const plan_subject *s) {
  const double least_rows = 10000, least_gain = 20;
  double rows = s->relation->rows, different = 1;
  if (!s->options->run_lengths || !s->pushdown.driver->count_column || rows < least_rows) {
    return false;
  }
  for (int i = 0; i < p->n_used; i++) {
    reason why;
    const column *c = &s->relation->columns[p->columns[i]];
    const pushdown_row *row = pushdown_find(&s->pushdown, OP_DISTINCT, c, COLLATION_BINARY, &why);
    if (!row || row->verdict != PUSH_EXACT || c->distinct < 1) return false;
    different *= c->distinct;
  }
  return different * least_gain < rows;
}

bool plan_runs(const plan *p, const plan_subject *s, arena *a, query *q) {
  q->n_select = p->n_used + 1;
  q->select = arena_alloc(a, ((size_t)p->n_used + 1) * sizeof(*q->select));
  q->group_by = arena_alloc(a, ((size_t)p->n_used + 1) * sizeof(*q->group_by));
  if (!q->group_by || !q->select) return false;
  q->n_group_by = p->n_used;
  for (int i = 0; i < p->n_used; i++) {
    reason why;
    q->select[i] = column_expr(p->columns[i], NULL);
    const column *c = &s->relation->columns[p->columns[i]];
    const pushdown_row *row = pushdown_find(&s->pushdown, OP_DISTINCT, c, COLLATION_BINARY, &why);
    pushdown_fault_use(s->pushdown.driver, row, OP_DISTINCT, OP_DISTINCT, c, NULL);
    q->group_by[i] = column_expr(p->columns[i], row);
  }
  q->select[p->n_used] = (query_expr){.kind = EXPR_COUNT};
  q->count = s->pushdown.driver->count_column;
  return true;
}
