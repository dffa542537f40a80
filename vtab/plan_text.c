/*
** plan_text.c - idxStr: a plan as text, for xFilter and for people.
**
**   <for people> |v2 t=<term>,… o=<order>,… g=<bits> c=<column>,… k=<column>,… l=<arguments> e=<number>
**
** The part before the last '|' is what EXPLAIN QUERY PLAN is read for, such as
** `id = ? exact; placed_at >= ? superset; total > ? local (affinity)`; it is
** not decoded.  The part after it is:
**
**   v2               format version: another one is refused
**   t=OP:COLUMN:COLLATION:ARGUMENT:VERDICT:REASON:CONSTANT  a term; ARGUMENT -1: local
**   o=COLUMN:D       an order column, D 1 when descending
**   g=BITS           1 sorted, 2 distinct
**   c=COLUMN         columns to fetch that SQLite reads
**   k=COLUMN         columns to fetch for the key alone
**   l=LIMIT:OFFSET   arguments that hold them, -1: not taken
**   e=NUMBER         of the estimates by which it was priced
**
** All numbers are decimal.  An empty list has nothing after its '='.
** The text is SQLite's own between the two calls, yet decoding checks every
** number against the relation: a table that was connected anew may have other
** columns.
*/
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/buffer.h"
#include "vtab/plan.h"

enum { BIT_SORTED = 1, BIT_DISTINCT = 2 };

static void describe_term(const plan_term *t, const relation *r, buffer *out) {
  const char *op = t->op == OP_IS ? "IS" : query_operator_name(t->op);
  bool no_value = t->op == OP_IS_NULL || t->op == OP_NOT_NULL;
  buffer_printf(out, "%s %s%s %s", r->columns[t->column].name, op,
                no_value ? "" : t->op == OP_IN ? " (?)" : " ?", verdict_name(t->verdict));
  if (t->verdict != PUSH_EXACT) buffer_printf(out, " (%s)", reason_name(t->reason));
}

static void describe(const plan *p, const relation *r, buffer *out) {
  for (int i = 0; i < p->n_terms; i++) {
    if (i) buffer_text(out, "; ");
    describe_term(&p->terms[i], r, out);
  }
  for (int i = 0; i < p->n_order; i++) {
    buffer_printf(out, "%s%s%s", i ? ", " : p->sorted ? " ORDER BY " : p->distinct ? " DISTINCT " : " GROUP BY ",
                  r->columns[p->order[i].column].name, p->order[i].descending ? " DESC" : "");
  }
}

void plan_encode(const plan *p, const relation *r, buffer *out) {
  describe(p, r, out);
  buffer_text(out, " |v2 t=");
  for (int i = 0; i < p->n_terms; i++) {
    const plan_term *t = &p->terms[i];
    buffer_printf(out, "%s%d:%d:%d:%d:%d:%d:%d", i ? "," : "", (int)t->op, t->column,
                  (int)t->collation, t->argument, (int)t->verdict, (int)t->reason, t->constant);
  }
  buffer_text(out, " o=");
  for (int i = 0; i < p->n_order; i++) {
    buffer_printf(out, "%s%d:%d", i ? "," : "", p->order[i].column, p->order[i].descending);
  }
  int bits = (p->sorted ? BIT_SORTED : 0) | (p->distinct ? BIT_DISTINCT : 0);
  buffer_printf(out, " g=%d c=", bits);
  for (int i = 0; i < p->n_used; i++) buffer_printf(out, "%s%d", i ? "," : "", p->columns[i]);
  buffer_text(out, " k=");
  for (int i = p->n_used; i < p->n_columns; i++) {
    buffer_printf(out, "%s%d", i > p->n_used ? "," : "", p->columns[i]);
  }
  buffer_printf(out, " l=%d:%d e=%d", p->limit, p->offset, p->estimates);
}

/* A reader of the encoded part; once bad it stays bad. */
typedef struct reader {
  const char *at;
  bool bad;
} reader;

static void expect(reader *in, const char *text) {
  size_t n = strlen(text);
  if (in->bad || strncmp(in->at, text, n) != 0) {
    in->bad = true;
    return;
  }
  in->at += n;
}


/* A number from LOW to HIGH. */
static int number(reader *in, int low, int high) {
  if (in->bad) return low;
  char *end;
  long n = strtol(in->at, &end, 10);
  if (end == in->at || n < low || n > high) {
    in->bad = true;
    return low;
  }
  in->at = end;
  return (int)n;
}

/* How many elements the comma list at the reader has. */
static size_t count(const reader *in) {
  size_t length = strcspn(in->at, " "), n = length ? 1 : 0;
  for (size_t i = 0; i < length; i++) n += in->at[i] == ',';
  return n;
}

static void read_terms(reader *in, const relation *r, arena *a, plan *out) {
  size_t n = count(in);
  out->terms = arena_alloc(a, (n + 1) * sizeof(*out->terms));
  for (size_t i = 0; i < n && out->terms && !in->bad; i++) {
    plan_term *t = &out->terms[out->n_terms++];
    if (i) expect(in, ",");
    t->op = (query_operator)number(in, 0, OP_IS);
    expect(in, ":");
    t->column = number(in, 0, r->n_columns - 1);
    expect(in, ":");
    t->collation = (collation_kind)number(in, 0, COLLATION_OTHER);
    expect(in, ":");
    t->argument = number(in, PLAN_LOCAL, INT16_MAX);
    expect(in, ":");
    t->verdict = (verdict)number(in, 0, PUSH_EXACT);
    expect(in, ":");
    t->reason = (reason)number(in, 0, REASON_COUNT - 1);
    expect(in, ":");
    t->constant = number(in, 0, 1);
  }
}

static void read_order(reader *in, const relation *r, arena *a, plan *out) {
  size_t n = count(in);
  out->order = arena_alloc(a, (n + 1) * sizeof(*out->order));
  for (size_t i = 0; i < n && out->order && !in->bad; i++) {
    plan_order *o = &out->order[out->n_order++];
    if (i) expect(in, ",");
    o->column = number(in, 0, r->n_columns - 1);
    expect(in, ":");
    o->descending = number(in, 0, 1);
  }
}

/* Appends a list to the columns to fetch, each of which may stand there once. */
static void read_columns(reader *in, const relation *r, bool *seen, plan *out) {
  size_t n = count(in);
  for (size_t i = 0; i < n && !in->bad; i++) {
    if (i) expect(in, ",");
    int col = number(in, 0, r->n_columns - 1);
    if (in->bad || seen[col]) {
      in->bad = true;
      return;
    }
    seen[col] = true;
    out->columns[out->n_columns++] = col;
  }
}

static void read_all_columns(reader *in, const relation *r, arena *a, plan *out) {
  bool *seen = arena_alloc(a, (size_t)r->n_columns * sizeof(*seen));
  out->columns = arena_alloc(a, (size_t)r->n_columns * sizeof(*out->columns));
  if (!seen || !out->columns) return;
  expect(in, " c=");
  read_columns(in, r, seen, out);
  out->n_used = out->n_columns;
  expect(in, " k=");
  read_columns(in, r, seen, out);
}

bool plan_decode(const char *text, const relation *r, arena *a, plan *out) {
  *out = (plan){0};
  const char *bar = text ? strrchr(text, '|') : NULL;
  if (!bar) return false;
  reader in = {.at = bar + 1};
  expect(&in, "v2 t=");
  read_terms(&in, r, a, out);
  expect(&in, " o=");
  read_order(&in, r, a, out);
  expect(&in, " g=");
  int bits = number(&in, 0, BIT_SORTED | BIT_DISTINCT);
  out->sorted = bits & BIT_SORTED;
  out->distinct = bits & BIT_DISTINCT;
  read_all_columns(&in, r, a, out);
  expect(&in, " l=");
  out->limit = number(&in, PLAN_LOCAL, INT16_MAX);
  expect(&in, ":");
  out->offset = number(&in, PLAN_LOCAL, INT16_MAX);
  expect(&in, " e=");
  out->estimates = number(&in, 0, INT_MAX);
  return !in.bad && !a->failed && !*in.at;
}
