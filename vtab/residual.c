/*
** residual.c - predicates that SQLite keeps to itself, sent as well.
**
** Invariants:
**   1. A term that is added is implied by the condition for the values of now.
**   2. A bound text is known up to its first NUL alone: where a column may hold
**      a NUL, what is asked for is whatever begins with what is known.
*/
#include "vtab/residual.h"

#include <string.h>

#include "vtab/bound.h"
#include "vtab/driver.h"
#include "vtab/period.h"

/* ---- what is left of a condition -------------------------------------------- */

/* The functions that loop.c knows; they may be the application's own on this connection. */
#define FUNCTIONS "'like', 'lower', 'upper', '->>', 'date', 'strftime', 'substr'"

bool residual_is_wanted(const table *t, const plan *p) {
  int least = t->server->options.residual_rows;
  double rows = t->relation->rows;
  if (least < 0 || !t->server->driver->nests || !t->pushdown || plan_is_probe(p)) return false;
  return rows < 0 || rows >= least;
}

static bool calls_functions(const condition *c) {
  if (c->kind == CONDITION_ATOM) {
    return c->subject == SUBJECT_FOLDED || c->subject == SUBJECT_MEMBER ||
           c->subject == SUBJECT_PERIOD || c->op == OP_LIKE;
  }
  for (int i = 0; i < c->n_parts; i++) {
    if (calls_functions(c->parts[i])) return true;
  }
  return false;
}

/* What SQLite has offered as a constraint is in the plan, sent or local for a reason. */
static bool is_planned(const plan *p, const condition *c) {
  if (c->kind != CONDITION_ATOM || c->subject != SUBJECT_COLUMN) return false;
  for (int i = 0; i < p->n_terms; i++) {
    if (p->terms[i].column == c->column && p->terms[i].op == c->op) return true;
  }
  return false;
}

/* The parts of the conjunction that are not in the plan. */
static const condition *unplanned(condition *c, const plan *p) {
  static const condition always = {.kind = CONDITION_TRUE};
  if (c->kind != CONDITION_ALL) return is_planned(p, c) ? &always : c;
  int n = 0;
  for (int i = 0; i < c->n_parts; i++) {
    if (!is_planned(p, c->parts[i])) c->parts[n++] = c->parts[i];
  }
  c->n_parts = n;
  return n ? c : &always;
}

const condition *residual_condition(const loop *l, const plan *p, arena *a) {
  condition *whole = loop_condition(l, a);
  const condition *c = whole ? unplanned(whole, p) : NULL;
  bool known = c && (!calls_functions(c) || sqlite_are_builtin(l->table->db, FUNCTIONS));
  return known ? c : NULL;
}

/* ---- conditions to terms --------------------------------------------------- */

typedef struct builder {
  plan_subject subject;
  arena *arena;
  query *query;
  const bound *bound;          /* NULL: nothing is known of what is bound */
} builder;

typedef enum built { BUILT_TRUE, BUILT_FALSE, BUILT_EXPR } built;

/* KIND over N parts, or the only one. */
static query_expr combine(builder *b, expr_kind kind, const query_expr *parts, int n) {
  if (n == 1) return parts[0];
  query_expr *args = arena_alloc(b->arena, (size_t)n * sizeof(*args));
  if (!args) return parts[0];
  memcpy(args, parts, (size_t)n * sizeof(*args));
  return (query_expr){.kind = kind, .args = args, .n_args = n};
}

/* What the pushdown table makes of column OP V. */
static built compare(builder *b, int col, query_operator op, collation_kind collation,
                     const value *v, query_expr *out) {
  const column *c = &b->subject.relation->columns[col];
  outcome o = pushdown_resolve(&b->subject.pushdown, op, c, collation, v, b->arena);
  query_expr parts[2];
  switch (o.kind) {
    case OUTCOME_NONE: return BUILT_FALSE;
    case OUTCOME_TRUE: case OUTCOME_LOCAL: return BUILT_TRUE;
    default: break;
  }
  for (int i = 0; i < o.n_terms; i++) {
    parts[i] = query_term(b->query, b->arena, &b->subject.pushdown, col, op, &o.terms[i], v, NULL);
  }
  *out = combine(b, EXPR_ALL, parts, o.n_terms);
  return BUILT_EXPR;
}

static built either(builder *b, built x, query_expr *first, built y, const query_expr *second) {
  if (x == BUILT_TRUE || y == BUILT_TRUE) return BUILT_TRUE;
  if (y == BUILT_FALSE) return x;
  if (x == BUILT_FALSE) *first = *second;
  else *first = combine(b, EXPR_ANY, (query_expr[]){*first, *second}, 2);
  return BUILT_EXPR;
}

/* The value as far as it is known. */
static bool operand_of(const builder *b, const condition *c, value *out) {
  *out = c->operand;
  if (!c->variable) return true;
  if (!b->bound || c->variable > b->bound->n || !b->bound->known[c->variable - 1]) return false;
  *out = b->bound->values[c->variable - 1];
  return true;
}

/* Whether the value compares the same with and without the column's affinity. */
static bool is_of_kind(type_class klass, const value *v) {
  switch (value_class_affinity(klass)) {
    case AFFINITY_TEXT: return v->storage == STORAGE_TEXT;
    case AFFINITY_BLOB: return klass == CLASS_MIXED;
    default: return v->storage == STORAGE_INTEGER;
  }
}

/* What begins with the text: from it up to it with the least byte behind. */
static built begins_with(builder *b, int col, const value *v, query_expr *out) {
  char *beyond = arena_alloc(b->arena, v->length + 1);
  query_expr low, high;
  if (!beyond) return BUILT_TRUE;
  memcpy(beyond, v->bytes, v->length);
  beyond[v->length] = 1;
  value end = {.storage = STORAGE_TEXT, .bytes = beyond, .length = v->length + 1};
  built x = compare(b, col, OP_GE, COLLATION_BINARY, v, &low);
  built y = compare(b, col, OP_LT, COLLATION_BINARY, &end, &high);
  if (x != BUILT_EXPR || y != BUILT_EXPR) return BUILT_TRUE;
  *out = combine(b, EXPR_ALL, (query_expr[]){low, high}, 2);
  return BUILT_EXPR;
}

static built build_column(builder *b, const condition *c, value v, query_expr *out) {
  const column *col = &b->subject.relation->columns[c->column];
  query_operator op = c->op;
  bool cut = c->variable && v.storage == STORAGE_TEXT;
  /* A text that looks like a number is none if it goes on behind a NUL. */
  bool by_kind = c->no_affinity || cut;
  if (by_kind && op != OP_LIKE && !is_of_kind(col->klass, &v)) return BUILT_TRUE;
  if (cut) {
    bool has_nul = b->subject.pushdown.driver->text_has_nul;
    if (has_nul && op == OP_EQ && c->collation == COLLATION_BINARY) {
      return begins_with(b, c->column, &v, out);
    }
    if (op == OP_LT) op = OP_LE;
    if (has_nul || op == OP_NE || op == OP_IS_NOT) return BUILT_TRUE;
  }
  return compare(b, c->column, op, c->collation, &v, out);
}

/* column + addend OP integer; beyond 2^63 SQLite goes on with REALs, in the same order. */
static built build_sum(builder *b, const condition *c, value v, query_expr *out) {
  if (v.storage != STORAGE_INTEGER) return BUILT_TRUE;
  if (__builtin_sub_overflow(v.integer, c->addend, &v.integer)) return BUILT_TRUE;
  return compare(b, c->column, c->op, COLLATION_BINARY, &v, out);
}

/* lower(column) = text: equal without regard to ASCII case. */
static built build_folded(builder *b, const condition *c, value v, query_expr *out) {
  const column *col = &b->subject.relation->columns[c->column];
  bool text = value_class_affinity(col->klass) == AFFINITY_TEXT;
  if (!text || (col->flags & COLUMN_ANY_BYTES) || v.storage != STORAGE_TEXT) return BUILT_TRUE;
  if (c->collation != COLLATION_BINARY && c->collation != COLLATION_NOCASE) return BUILT_TRUE;
  if (c->variable && b->subject.pushdown.driver->text_has_nul) return BUILT_TRUE;
  return compare(b, c->column, OP_EQ, COLLATION_NOCASE, &v, out);
}

/* One bound of a period; none is sent for DAY beyond the years there are. */
static built bound_day(builder *b, int col, query_operator op, const period_text day,
                       query_expr *out) {
  value v = {.storage = STORAGE_TEXT, .bytes = arena_strdup(b->arena, day), .length = PERIOD_DAY};
  return day[0] && v.bytes ? compare(b, col, op, COLLATION_BINARY, &v, out) : BUILT_TRUE;
}

/* The beginning of a date OP text.  Of a text that is bound, more may stand behind a NUL. */
static built build_period(builder *b, const condition *c, value v, query_expr *out) {
  const uint32_t dates =
    CLASSES(CLASS_DATE) | CLASSES(CLASS_TIMESTAMP) | CLASSES(CLASS_TIMESTAMPTZ);
  query_operator op = c->variable && c->op == OP_LT ? OP_LE : c->op;
  query_expr parts[2];
  period p;
  int n = 0;
  if (!(CLASSES(b->subject.relation->columns[c->column].klass) & dates)) return BUILT_TRUE;
  if (c->collation != COLLATION_BINARY || !period_parse(&v, (int)c->addend, &p)) return BUILT_TRUE;
  bool low = op == OP_EQ || op == OP_GE || op == OP_GT;
  bool high = op == OP_EQ || op == OP_LE || op == OP_LT;
  built x = BUILT_TRUE;
  if (low) {
    x = bound_day(b, c->column, OP_GE, op == OP_GT ? p.earliest_next : p.earliest, &parts[n]);
    n += x == BUILT_EXPR;
  }
  if (high && x != BUILT_FALSE) {
    x = bound_day(b, c->column, OP_LT, op == OP_LT ? p.first : p.next, &parts[n]);
    n += x == BUILT_EXPR;
  }
  if (n) *out = combine(b, EXPR_ALL, parts, n);
  return n ? BUILT_EXPR : BUILT_TRUE;
}

/* One row of the table for a member: of text, of numbers. */
static built member(builder *b, const condition *c, query_operator op, value v, query_expr *out) {
  const column *col = &b->subject.relation->columns[c->column];
  value label = {.storage = STORAGE_TEXT, .bytes = c->label, .length = strlen(c->label)};
  reason why;
  outcome_term t = {.op = op, .value = v};
  if (strchr(c->label, '.') && !b->subject.pushdown.driver->member_paths) return BUILT_TRUE;
  t.row = pushdown_find(&b->subject.pushdown, op, col, COLLATION_BINARY, &why);
  if (!t.row || !b->subject.pushdown.enabled) return BUILT_TRUE;
  *out = query_term(b->query, b->arena, &b->subject.pushdown, c->column, op, &t, &v, &label);
  return BUILT_EXPR;
}

/* column ->> label = value.  A member that is an array or an object is text that
** each server writes in its own way; true and false are 1 and 0. */
static built build_member(builder *b, const condition *c, value v, query_expr *out) {
  const int64_t most = INT64_C(1) << 48;
  query_expr boolean;
  if (c->collation != COLLATION_BINARY) return BUILT_TRUE;
  if (v.storage == STORAGE_TEXT) {
    bool structure = v.length && (v.bytes[0] == '[' || v.bytes[0] == '{');
    bool sendable = value_is_utf8(v.bytes, v.length) &&
                    (b->subject.pushdown.driver->text_has_nul || !memchr(v.bytes, 0, v.length));
    if (structure || !sendable || v.length == 0) return BUILT_TRUE;
    return member(b, c, OP_MEMBER_TEXT, v, out);
  }
  if (v.storage != STORAGE_INTEGER || v.integer > most || v.integer < -most) return BUILT_TRUE;
  built x = member(b, c, OP_MEMBER_NUMBER, v, out);
  if (v.integer != 0 && v.integer != 1) return x;
  const char *word = v.integer ? "true" : "false";
  value text = {.storage = STORAGE_TEXT, .bytes = word, .length = strlen(word)};
  built y = member(b, c, OP_MEMBER_TEXT, text, &boolean);
  return either(b, x, out, y, &boolean);
}

/* column OP another one, which the same row of the table is for. */
static built build_pair(builder *b, const condition *c, query_expr *out) {
  const pushdown_context *p = &b->subject.pushdown;
  const column *columns = b->subject.relation->columns;
  query_operator op = pushdown_column_operator(c->op);
  reason why;
  const pushdown_row *row = pushdown_find(p, op, &columns[c->column], c->collation, &why);
  const pushdown_row *other = pushdown_find(p, op, &columns[c->other], c->collation, &why);
  if (!row || row != other || c->collation == COLLATION_OTHER || !p->enabled) return BUILT_TRUE;
  *out = query_pair(b->query, b->arena, p, c->column, c->other, op, row);
  return BUILT_EXPR;
}

static built or_null(builder *b, int col, built known, query_expr *out) {
  query_expr null;
  if (known == BUILT_TRUE) return known;
  built is_null = compare(b, col, OP_IS_NULL, COLLATION_BINARY, NULL, &null);
  return either(b, known, out, is_null, &null);
}

static built build_atom(builder *b, const condition *c, query_expr *out) {
  value v;
  built known;
  if (c->op == OP_IS_NULL || c->op == OP_NOT_NULL) {
    return compare(b, c->column, c->op, COLLATION_BINARY, NULL, out);
  }
  if (c->subject == SUBJECT_PAIR) {
    known = build_pair(b, c, out);
    return c->or_null ? or_null(b, c->other, or_null(b, c->column, known, out), out) : known;
  }
  if (!operand_of(b, c, &v)) return BUILT_TRUE;
  if (v.storage == STORAGE_NULL) return c->or_null ? BUILT_TRUE : BUILT_FALSE;
  switch (c->subject) {
    case SUBJECT_COLUMN: known = build_column(b, c, v, out); break;
    case SUBJECT_SUM: known = build_sum(b, c, v, out); break;
    case SUBJECT_FOLDED: known = build_folded(b, c, v, out); break;
    case SUBJECT_PERIOD: known = c->or_null ? BUILT_TRUE : build_period(b, c, v, out); break;
    default: known = c->or_null ? BUILT_TRUE : build_member(b, c, v, out); break;
  }
  return c->or_null ? or_null(b, c->column, known, out) : known;
}

static built build(builder *b, const condition *c, query_expr *out);

static built build_parts(builder *b, const condition *c, query_expr *out) {
  bool all = c->kind == CONDITION_ALL;
  query_expr *parts = arena_alloc(b->arena, (size_t)c->n_parts * sizeof(*parts));
  int n = 0;
  if (!parts) return BUILT_TRUE;
  for (int i = 0; i < c->n_parts; i++) {
    built part = build(b, c->parts[i], &parts[n]);
    if (part == (all ? BUILT_FALSE : BUILT_TRUE)) return part;
    if (part == BUILT_EXPR) n++;
  }
  if (!n) return all ? BUILT_TRUE : BUILT_FALSE;
  *out = combine(b, all ? EXPR_ALL : EXPR_ANY, parts, n);
  return BUILT_EXPR;
}

static built build(builder *b, const condition *c, query_expr *out) {
  switch (c->kind) {
    case CONDITION_TRUE: return BUILT_TRUE;
    case CONDITION_FALSE: return BUILT_FALSE;
    case CONDITION_ATOM: return build_atom(b, c, out);
    default: return build_parts(b, c, out);
  }
}

/* ---- the query -------------------------------------------------------------- */

static bool has_variable(const condition *c) {
  if (c->kind == CONDITION_ATOM) return c->variable != 0;
  for (int i = 0; i < c->n_parts; i++) {
    if (has_variable(c->parts[i])) return true;
  }
  return false;
}

bool residual_apply(const condition *c, sqlite3_stmt *stmt, const table *t, arena *a, query *q,
                    plan_rows *kind) {
  bound values;
  builder b = {.subject = table_subject(t), .arena = a, .query = q};
  query_expr made;
  if (has_variable(c) && bound_read(stmt, a, &values)) b.bound = &values;
  built all = build(&b, c, &made);
  if (all == BUILT_FALSE) *kind = ROWS_EMPTY;
  if (all == BUILT_EXPR) query_add_condition(q, a, &made);
  return !a->failed;
}
