/*
** cost.c - what a plan costs: SQLite chooses the order of joins by it.
**
** The unit is the transfer of one row; SQLite compares it with its own unit,
** a step in a b-tree, which is smaller: rows from a server are dearer than
** local ones, so a local table is preferred as the outer one where that is
** near.  Only constraints that are sent make a plan cheaper.
**
** Invariant: a relation whose rows have no identity never has a constrained
** plan that is cheaper than its whole scan.  SQLite splits an OR over two
** columns into two scans only if they are cheaper together, and would remove
** duplicates by a rowid that such rows do not have.
*/
#include <math.h>

#include "vtab/plan.h"

#define ROUND_TRIP        50.0   /* rows that could be transferred in the time of one request */
#define PROBE             4.0    /* a key's share of a request for hundreds of them */
#define KEYS_AT_ONCE      256.0  /* that share the server's look for rows that no index finds */
#define UNKNOWN_ROWS      10000.0
#define SERVER_SCAN       0.05   /* the server's own look at a row that it does not send */
#define SERVER_FIND       0.25   /* the same for a row that an index leads to */
#define IN_LIST_LENGTH    25.0   /* SQLite's own guess for an IN list */

/* Selectivity where statistics do not tell. */
#define EQUAL_FRACTION    0.1
#define RANGE_FRACTION    0.25
#define BETWEEN_FRACTION  0.0625 /* of a second range on one column: together SQLite's own 1/64 */
#define PATTERN_FRACTION  0.1
#define NOT_EQUAL_FRACTION 0.9

static double row_count(const relation *r) {
  return r->rows >= 1 ? r->rows : r->rows >= 0 ? 1 : UNKNOWN_ROWS;
}

/* ANALYZE's convention on Postgres, -0.5 for half the rows, is the driver's to
** resolve: here `distinct` is a number of values. */
static double equal_fraction(const column *c, double rows) {
  return c->distinct >= 1 ? 1 / c->distinct : fmax(1 / rows, EQUAL_FRACTION);
}

static bool is_range(query_operator op) { return OPS(op) & OPS_RANGE; }

/* Whether an earlier term is a range on the same column. */
static bool is_second_range(const plan *p, int i) {
  for (int k = 0; k < i && is_range(p->terms[i].op); k++) {
    if (p->terms[k].column == p->terms[i].column && is_range(p->terms[k].op)) return true;
  }
  return false;
}

static double fraction(const plan *p, int i, const relation *r, double rows) {
  const plan_term *t = &p->terms[i];
  const column *c = &r->columns[t->column];
  double nulls = c->null_fraction >= 0 ? c->null_fraction : EQUAL_FRACTION;
  switch (t->op) {
    case OP_EQ: case OP_IS: return equal_fraction(c, rows);
    case OP_IN: return fmin(1, IN_LIST_LENGTH * equal_fraction(c, rows));
    case OP_NE: case OP_IS_NOT: return NOT_EQUAL_FRACTION;
    case OP_IS_NULL: return nulls;
    case OP_NOT_NULL: return 1 - nulls;
    case OP_LIKE: case OP_GLOB: return PATTERN_FRACTION;
    default: return is_second_range(p, i) ? BETWEEN_FRACTION : RANGE_FRACTION;
  }
}

/* A term that the server is asked for; a local one may be an argument too (keyed.h). */
static bool is_sent(const plan_term *t) {
  return t->argument != PLAN_LOCAL && t->verdict != PUSH_LOCAL;
}

static bool is_sent_equality(const plan *p, int col) {
  for (int i = 0; i < p->n_terms; i++) {
    const plan_term *t = &p->terms[i];
    if (is_sent(t) && t->column == col && (t->op == OP_EQ || t->op == OP_IS)) return true;
  }
  return false;
}

/* Whether equalities cover every column of the index. */
static bool is_covered(const plan *p, const relation_index *index) {
  for (int i = 0; i < index->n_columns; i++) {
    if (!is_sent_equality(p, index->columns[i])) return false;
  }
  return index->n_columns > 0;
}

bool plan_is_unique(const plan *p, const relation *r) {
  for (int i = 0; i < r->n_indexes; i++) {
    const relation_index *index = &r->indexes[i];
    if (index->unique && !index->partial && is_covered(p, index)) return true;
  }
  return false;
}

/* How many rows the server looks at to find those that it sends: all of them, or
** what the best index leads to by its first column. */
static double looked_at(const plan *p, const relation *r, double all, bool *indexed) {
  double least = all;
  *indexed = false;
  for (int i = 0; i < p->n_terms; i++) {
    const plan_term *t = &p->terms[i];
    if (!is_sent(t) || t->op == OP_NE || t->op == OP_IS_NOT) continue;
    for (int k = 0; k < r->n_indexes; k++) {
      const relation_index *index = &r->indexes[k];
      if (!index->n_columns || index->columns[0] != t->column) continue;
      *indexed = true;
      least = fmin(least, all * fraction(p, i, r, all));
    }
  }
  return least;
}

/* SQLite may rely on "at most one row" only where no value whatever widens the
** request: an exact equality on each column of the key, for values of every class. */
bool plan_is_unique_for_certain(const plan_subject *s, const plan *p) {
  const relation *r = s->relation;
  for (int k = 0; k < r->n_key; k++) {
    const column *c = &r->columns[r->key[k]];
    if (!is_sent_equality(p, r->key[k])) return false;
    if (!pushdown_is_total(&s->pushdown, OP_EQ, c, COLLATION_BINARY)) return false;
  }
  return r->n_key > 0;
}

bool plan_is_probe(const plan *p) {
  for (int i = 0; i < p->n_terms; i++) {
    const plan_term *t = &p->terms[i];
    if (is_sent(t) && !t->constant && t->op == OP_EQ) return true;
  }
  return false;
}

void plan_cost(const plan_subject *s, const plan *p, sqlite3_index_info *info) {
  const relation *r = s->relation;
  double all = row_count(r), rows = all;
  bool constrained = false, probe = s->options->batch_keys && plan_is_probe(p);
  for (int i = 0; i < p->n_terms; i++) {
    if (!is_sent(&p->terms[i])) continue;
    constrained = true;
    rows *= fraction(p, i, r, all);
  }
  bool indexed, unique = plan_is_unique(p, r);
  double found = looked_at(p, r, all, &indexed);
  if (unique) rows = found = 1;
  rows = fmax(rows, 1);
  double whole = ROUND_TRIP + all + all * SERVER_SCAN;
  double look = indexed || unique ? found * SERVER_FIND
                                  : all * SERVER_SCAN / (probe ? KEYS_AT_ONCE : 1);
  look = fmin(look, all * SERVER_SCAN);
  double cost = (probe ? PROBE : ROUND_TRIP) + rows + look;
  if (constrained && !r->n_key) cost = fmax(cost, whole);
  info->estimatedCost = constrained ? cost : whole;
  info->estimatedRows = (sqlite3_int64)fmin(rows, 1e15);
  if (plan_is_unique_for_certain(s, p)) info->idxFlags |= SQLITE_INDEX_SCAN_UNIQUE;
}
