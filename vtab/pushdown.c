/*
** pushdown.c - decides what a server may do in SQLite's place.
**
** The decision has two halves.  What SQLite itself defines (affinity of a
** constant, comparison across storage classes, integers against reals, dates
** as text) holds on every server and is worked out here, once, by
** reduce_*(): a constraint becomes "no row", "every row that is not NULL",
** one or two simpler comparisons, or "local".  What a server does with the
** comparison that remains is its driver's table.
**
** Invariants:
**   1. An outcome that is not LOCAL keeps every row that SQLite would keep;
**      if its verdict is PUSH_EXACT it keeps no other.
**   2. OUTCOME_NONE and OUTCOME_TRUE are exact.
**   3. Without a row in the driver's table the outcome is LOCAL.
**
** Not here: which constraints are offered at all and what stands above them
** (plan.c); the texts (each driver's compile.c).
*/
#include "vtab/pushdown.h"

#include <math.h>
#include <string.h>

#include "vtab/driver.h"
#include "vtab/pushdown_fault.h"

/* Whole numbers up to here are the same as a double. */
#define REAL_EXACT_INTEGER (INT64_C(1) << 53)
#define INT64_AS_REAL      9223372036854775808.0
/* A CLASS_DECIMAL column has at most 15 digits before its point. */
#define DECIMAL_LIMIT      1e15
/* Between these magnitudes a double survives a CAST to DECIMAL(65,30), the
** widest that MySQL has, with at least 17 digits. */
#define DECIMAL_TINY       1e-12
#define DECIMAL_HUGE       1e34

static const char *const operator_names[] = {
#define X(symbol, name) name,
  QUERY_OPERATORS(X)
#undef X
};

static const struct { const char *name, *words; } reasons[] = {
#define X(symbol, name, words) {name, words},
  PUSHDOWN_REASONS(X)
#undef X
};

const char *query_operator_name(query_operator op) {
  return op < OP_COUNT ? operator_names[op] : "IS";
}

const char *reason_name(reason r) { return reasons[r].name; }
const char *reason_words(reason r) { return reasons[r].words; }

const char *verdict_name(verdict v) {
  static const char *const names[] = {"local", "superset", "exact"};
  return names[v];
}

const pushdown_row *pushdown_find(const pushdown_context *p, query_operator op, const column *c,
                                  collation_kind collation, reason *why) {
  *why = REASON_NO_RULE;
  for (int i = 0; i < p->driver->n_pushdown; i++) {
    const pushdown_row *row = pushdown_fault_row(p->driver, i, op);
    if (!(row->ops & OPS(op)) || !(row->classes & CLASSES(c->klass))) continue;
    if (row->collations && !(row->collations & COLLATIONS(collation))) continue;
    if ((row->needs & c->flags) != row->needs) continue;
    if (p->version < row->min_version) continue;
    *why = row->reason;
    return row->verdict == PUSH_LOCAL ? NULL : row;
  }
  return NULL;
}

/* ---- what SQLite defines: reductions ----------------------------------- */

/* What a comparison comes to before any server is asked. */
typedef struct reduction {
  enum { REDUCED_TERMS, REDUCED_NONE, REDUCED_ALL /* that are not NULL */, REDUCED_LOCAL } kind;
  reason reason;
  int n;
  struct { query_operator op; value value; } term[2];
} reduction;

static reduction reduced_local(reason why) {
  return (reduction){.kind = REDUCED_LOCAL, .reason = why};
}

static reduction reduced_term(query_operator op, value v) {
  reduction r = {.kind = REDUCED_TERMS, .n = 1};
  r.term[0].op = op;
  r.term[0].value = v;
  return r;
}

/* The column's every value is less (LESS) or greater than the constant. */
static reduction reduced_apart(query_operator op, bool less) {
  reduction r = {.kind = REDUCED_NONE};
  switch (op) {
    case OP_NE: r.kind = REDUCED_ALL; break;
    case OP_LT: case OP_LE: r.kind = less ? REDUCED_ALL : REDUCED_NONE; break;
    case OP_GT: case OP_GE: r.kind = less ? REDUCED_NONE : REDUCED_ALL; break;
    default: break;
  }
  return r;
}

/* The constant lies between two neighbouring values of the column's type:
** BELOW is the one under it, ABOVE the one over it. */
static reduction reduced_between(query_operator op, value below, value above) {
  switch (op) {
    case OP_LT: case OP_LE: return reduced_term(OP_LE, below);
    case OP_GT: case OP_GE: return reduced_term(OP_GE, above);
    default: return reduced_apart(op, true);
  }
}

static value integer_value(int64_t i) {
  return (value){.storage = STORAGE_INTEGER, .integer = i};
}

static reduction reduce_integer(query_operator op, const column *c, const value *v) {
  if (v->storage == STORAGE_REAL) {
    double r = v->real;
    if (r >= INT64_AS_REAL) {
      return c->klass == CLASS_UINT64 ? reduced_local(REASON_PRECISION) : reduced_apart(op, true);
    }
    if (r < -INT64_AS_REAL) return reduced_apart(op, false);
    if (r != floor(r)) {
      return reduced_between(op, integer_value((int64_t)floor(r)), integer_value((int64_t)ceil(r)));
    }
    return reduced_term(op, integer_value((int64_t)r));
  }
  /* MySQL reads a two-digit constant as a year of its own choice. */
  bool is_year = v->integer == 0 || (v->integer >= 1901 && v->integer <= 2155);
  if (c->klass == CLASS_YEAR && op == OP_EQ && !is_year) return reduced_apart(op, true);
  return reduced_term(op, *v);
}

static reduction reduce_float(query_operator op, const value *v) {
  if (v->storage == STORAGE_REAL) {
    return isinf(v->real) ? reduced_local(REASON_PRECISION) : reduced_term(op, *v);
  }
  if (v->integer > REAL_EXACT_INTEGER || v->integer < -REAL_EXACT_INTEGER) {
    return reduced_local(REASON_PRECISION);
  }
  return reduced_term(op, (value){.storage = STORAGE_REAL, .real = (double)v->integer});
}

static value decimal_text(double r, arena *a) {
  char text[32];
  size_t length = value_format_real(r, text);
  return (value){.storage = STORAGE_TEXT, .bytes = arena_strndup(a, text, length), .length = length};
}

static value integer_text(int64_t i, arena *a) {
  char *text = arena_printf(a, "%lld", (long long)i);
  return (value){.storage = STORAGE_TEXT, .bytes = text, .length = text ? strlen(text) : 0};
}

static bool is_decimal_range(double r) {
  return r == 0 || (fabs(r) >= DECIMAL_TINY && fabs(r) < DECIMAL_HUGE);
}

/* At most 15 digits: decimal and double correspond one to one, so the shortest
** decimal that SQLite reads as the constant compares as the constant. */
static reduction reduce_decimal(query_operator op, const value *v, arena *a) {
  double r = v->storage == STORAGE_INTEGER ? (double)v->integer : v->real;
  if (r >= DECIMAL_LIMIT) return reduced_apart(op, true);
  if (r <= -DECIMAL_LIMIT) return reduced_apart(op, false);
  if (v->storage == STORAGE_INTEGER) return reduced_term(op, integer_text(v->integer, a));
  if (!is_decimal_range(r)) return reduced_local(REASON_PRECISION);
  char text[32];
  size_t length = value_format_decimal(r, text);
  value decimal = {.storage = STORAGE_TEXT, .bytes = arena_strndup(a, text, length), .length = length};
  return reduced_term(op, decimal);
}

/* R moved by a few units in the last place: SQLite's own reading of a long
** decimal has been seen to be off by up to three of them (3.47 to 3.51). */
static double moved(double r, double towards) {
  enum { UNITS = 4 };
  for (int i = 0; i < UNITS; i++) r = nextafter(r, towards);
  return r;
}

/* More digits than a double has: SQLite compares the rounded value, so the
** server is asked for its neighbourhood. What underflows to 0 is near enough
** to 0 to be asked for as well. */
static reduction reduce_numeric(query_operator op, const value *v, arena *a) {
  const double nothing = 1e-300;
  double r = v->storage == STORAGE_INTEGER ? (double)v->integer : v->real;
  if (op == OP_NE || !is_decimal_range(r)) return reduced_local(REASON_PRECISION);
  double low = r == 0 ? -nothing : moved(r, -INFINITY);
  double high = r == 0 ? nothing : moved(r, INFINITY);
  if (op == OP_LT || op == OP_LE) return reduced_term(OP_LE, decimal_text(high, a));
  if (op == OP_GT || op == OP_GE) return reduced_term(OP_GE, decimal_text(low, a));
  reduction both = reduced_term(OP_GE, decimal_text(low, a));
  both.n = 2;
  both.term[1].op = OP_LE;
  both.term[1].value = decimal_text(high, a);
  return both;
}

/* `f LIKE 'I%'` also comes as `f >= 'I' AND f < 'j'`, and the text of infinity
** is 'Inf', although every number is less than any text. */
static bool may_be_word(query_operator op, const column *c) {
  return (OPS(op) & OPS_RANGE) &&
         (CLASSES(c->klass) & (CLASSES(CLASS_FLOAT) | CLASSES(CLASS_FLOAT4) | CLASSES(CLASS_NUMERIC)));
}

static reduction reduce_number(query_operator op, const column *c, const value *given, arena *a) {
  value v = *given;
  value_apply_numeric(&v);
  if (v.storage == STORAGE_TEXT && may_be_word(op, c)) return reduced_local(REASON_AFFINITY);
  if (v.storage == STORAGE_TEXT || v.storage == STORAGE_BLOB) return reduced_apart(op, true);
  switch (c->klass) {
    case CLASS_FLOAT: case CLASS_FLOAT4: return reduce_float(op, &v);
    case CLASS_DECIMAL: return reduce_decimal(op, &v, a);
    case CLASS_NUMERIC: return reduce_numeric(op, &v, a);
    default: return reduce_integer(op, c, &v);
  }
}

static value text_part(const char *bytes, size_t length) {
  return (value){.storage = STORAGE_TEXT, .bytes = bytes, .length = length};
}

/* A date's text is shorter than any timestamp of that day, hence less. */
static reduction reduce_date(query_operator op, const value *v) {
  enum { DATE_LENGTH = 10 };
  value day = text_part(v->bytes, DATE_LENGTH);
  switch (value_parse_time(v->bytes, v->length)) {
    case VALUE_TIME_DATE: return reduced_term(op, *v);
    case VALUE_TIME_STAMP:
      if (op == OP_LT || op == OP_LE) return reduced_term(OP_LE, day);
      if (op == OP_GT || op == OP_GE) return reduced_term(OP_GT, day);
      return reduced_apart(op, true);
    default: return reduced_local(REASON_NOT_DATE);
  }
}

static reduction reduce_timestamp(query_operator op, const value *v, arena *a) {
  switch (value_parse_time(v->bytes, v->length)) {
    case VALUE_TIME_STAMP: return reduced_term(op, *v);
    case VALUE_TIME_DATE: {
      char *midnight = arena_printf(a, "%.*s 00:00:00", (int)v->length, v->bytes);
      value at = text_part(midnight, midnight ? strlen(midnight) : 0);
      if (op == OP_LT || op == OP_LE) return reduced_term(OP_LT, at);
      if (op == OP_GT || op == OP_GE) return reduced_term(OP_GE, at);
      return reduced_apart(op, true);
    }
    default: return reduced_local(REASON_NOT_DATE);
  }
}

/* 8-4-4-4-12 lower-case hexadecimal digits: the only text a uuid column has. */
static bool is_canonical_uuid(const value *v) {
  if (v->length != 36) return false;
  for (size_t i = 0; i < 36; i++) {
    char c = v->bytes[i];
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

static reduction reduce_uuid(query_operator op, collation_kind collation, const value *v) {
  if (collation != COLLATION_BINARY) return reduced_local(REASON_COLLATION);
  if (is_canonical_uuid(v)) return reduced_term(op, *v);
  if (op == OP_EQ || op == OP_NE) return reduced_apart(op, true);
  return reduced_local(REASON_NO_RULE);
}

static bool is_ascii(const value *v) {
  for (size_t i = 0; i < v->length; i++) {
    if ((unsigned char)v->bytes[i] >= 0x80) return false;
  }
  return true;
}

/* Whether the server can be handed this text at all, and if not, what follows.
** A server that has no NUL, and text that is no UTF-8: no text value of a
** column can be equal to it (other bytes arrive as BLOB). */
static bool is_sendable(const pushdown_context *p, const column *c, const value *v) {
  if (!p->driver->text_has_nul && memchr(v->bytes, 0, v->length)) return false;
  if ((c->flags & COLUMN_ASCII) && !is_ascii(v)) return false;
  return value_is_utf8(v->bytes, v->length);
}

static reduction reduce_unsendable(const column *c, query_operator op, collation_kind collation,
                                   const value *v) {
  bool bytewise = collation == COLLATION_BINARY && (op == OP_EQ || op == OP_NE);
  bool impossible = !(c->flags & COLUMN_ASCII) || !value_is_utf8(v->bytes, v->length);
  if (bytewise && impossible) return reduced_apart(op, true);
  return reduced_local(REASON_ENCODING);
}

static reduction reduce_text(const pushdown_context *p, query_operator op, const column *c,
                             collation_kind collation, const value *v, arena *a) {
  if (v->storage == STORAGE_BLOB) return reduced_apart(op, true);
  if (v->storage != STORAGE_TEXT) return reduced_local(REASON_AFFINITY);
  if (collation == COLLATION_OTHER) return reduced_local(REASON_COLLATION);
  switch (c->klass) {
    case CLASS_DATE: return reduce_date(op, v);
    case CLASS_TIMESTAMP: case CLASS_TIMESTAMPTZ: return reduce_timestamp(op, v, a);
    case CLASS_UUID: return reduce_uuid(op, collation, v);
    default: break;
  }
  if (!is_sendable(p, c, v)) return reduce_unsendable(c, op, collation, v);
  return reduced_term(op, *v);
}

/* A column of bytes: each value of SQLite stands for at most one string of
** them, so equality is decided by what such bytes would arrive as.  Their order
** is by storage class first, which no server knows. */
static reduction reduce_any_bytes(const pushdown_context *p, query_operator op, const column *c,
                                  collation_kind collation, const value *given) {
  value v = *given;
  bool number = c->klass == CLASS_INT;
  if (op != OP_EQ && op != OP_NE) return reduced_local(REASON_ORDER);
  if (collation == COLLATION_OTHER) return reduced_local(REASON_COLLATION);
  if (number) value_apply_numeric(&v);
  if (v.storage == STORAGE_INTEGER || v.storage == STORAGE_REAL) {
    return number ? reduce_integer(op, c, &v) : reduced_local(REASON_AFFINITY);
  }
  bool has_nul = v.length && memchr(v.bytes, 0, v.length);
  if (has_nul && !p->driver->text_has_nul) return reduced_apart(op, true);
  value arrived = number ? value_from_digits(v.bytes, v.length) : value_from_bytes(v.bytes, v.length);
  return arrived.storage == v.storage ? reduced_term(op, v) : reduced_apart(op, true);
}

/* One comparison with a value that is not NULL. OP is OP_EQ … OP_GE. */
static reduction reduce(const pushdown_context *p, query_operator op, const column *c,
                        collation_kind collation, const value *v, arena *a) {
  if (c->klass == CLASS_MIXED) return reduced_term(op, *v);
  if (c->flags & COLUMN_ANY_BYTES) return reduce_any_bytes(p, op, c, collation, v);
  switch (value_class_affinity(c->klass)) {
    case AFFINITY_TEXT: return reduce_text(p, op, c, collation, v, a);
    case AFFINITY_BLOB:
      return v->storage == STORAGE_BLOB ? reduced_term(op, *v) : reduced_apart(op, false);
    default: return reduce_number(op, c, v, a);
  }
}

/* ---- what the server does with it: outcomes ---------------------------- */

static outcome outcome_local(reason why) {
  return (outcome){.kind = OUTCOME_LOCAL, .verdict = PUSH_LOCAL, .reason = why};
}

static outcome outcome_of(outcome_kind kind) {
  return (outcome){.kind = kind, .verdict = PUSH_EXACT};
}

/* Adds the term that the driver's table has for OP, or makes the outcome local. */
static void outcome_add(outcome *out, const pushdown_context *p, query_operator op, const column *c,
                        collation_kind collation, const value *v) {
  if (out->kind == OUTCOME_LOCAL) return;
  reason why;
  const pushdown_row *row = pushdown_find(p, op, c, collation, &why);
  if (!row) {
    *out = outcome_local(why);
    return;
  }
  outcome_term *t = &out->terms[out->n_terms++];
  *t = (outcome_term){.row = row, .op = op};
  if (v) t->value = *v;
  if (row->verdict < out->verdict) {
    out->verdict = row->verdict;
    out->reason = row->reason;
  }
}

static outcome outcome_single(const pushdown_context *p, query_operator op, const column *c,
                              collation_kind collation, const value *v) {
  outcome out = outcome_of(OUTCOME_TERMS);
  outcome_add(&out, p, op, c, collation, v);
  return out;
}

/* Every row whose column is not NULL. */
static outcome outcome_not_null(const pushdown_context *p, const column *c) {
  if (c->flags & COLUMN_NOT_NULL) return outcome_of(OUTCOME_TRUE);
  return outcome_single(p, OP_NOT_NULL, c, COLLATION_BINARY, NULL);
}

static outcome resolve_compare(const pushdown_context *p, query_operator op, const column *c,
                               collation_kind collation, const value *v, arena *a) {
  if (v->storage == STORAGE_NULL) return outcome_of(OUTCOME_NONE);
  reduction r = reduce(p, op, c, collation, v, a);
  switch (r.kind) {
    case REDUCED_NONE: return outcome_of(OUTCOME_NONE);
    case REDUCED_ALL: return outcome_not_null(p, c);
    case REDUCED_LOCAL: return outcome_local(r.reason);
    default: break;
  }
  outcome out = outcome_of(OUTCOME_TERMS);
  for (int i = 0; i < r.n; i++) {
    outcome_add(&out, p, r.term[i].op, c, collation, &r.term[i].value);
  }
  return out;
}

/* c IS NOT v, v not NULL: true for NULL rows too. */
static outcome resolve_is_not(const pushdown_context *p, const column *c, collation_kind collation,
                              const value *v, arena *a) {
  reduction r = reduce(p, OP_NE, c, collation, v, a);
  if (r.kind == REDUCED_ALL) return outcome_of(OUTCOME_TRUE);
  if (r.kind == REDUCED_LOCAL) return outcome_local(r.reason);
  return outcome_single(p, OP_IS_NOT, c, collation, &r.term[0].value);
}

static outcome resolve_in(const pushdown_context *p, const column *c, collation_kind collation,
                          const value *v, arena *a) {
  value *list = arena_alloc(a, (v->n_list ? v->n_list : 1) * sizeof(*list));
  size_t n = 0;
  if (!list) return outcome_local(REASON_LIST);
  for (size_t i = 0; i < v->n_list; i++) {
    if (v->list[i].storage == STORAGE_NULL) continue;
    reduction r = reduce(p, OP_EQ, c, collation, &v->list[i], a);
    if (r.kind == REDUCED_LOCAL) return outcome_local(r.reason);
    if (r.kind == REDUCED_NONE) continue;
    if (r.n != 1) return outcome_local(REASON_PRECISION);
    list[n++] = r.term[0].value;
  }
  if (n == 0) return outcome_of(OUTCOME_NONE);
  if (n == 1) return outcome_single(p, OP_EQ, c, collation, &list[0]);
  if (n > (size_t)p->driver->max_list) return outcome_local(REASON_LIST);
  value all = {.storage = STORAGE_LIST, .list = list, .n_list = n};
  return outcome_single(p, OP_IN, c, collation, &all);
}

/* LIKE and GLOB with a constant pattern. A column that is not text would first
** be turned into text by SQLite: its rows are absent from the tables. */
static outcome resolve_pattern(const pushdown_context *p, query_operator op, const column *c,
                               const value *v) {
  if (v->storage == STORAGE_NULL) return outcome_of(OUTCOME_NONE);
  if (v->storage != STORAGE_TEXT) return outcome_local(REASON_AFFINITY);
  if (!is_sendable(p, c, v)) return outcome_local(REASON_ENCODING);
  return outcome_single(p, op, c, COLLATION_BINARY, v);
}

outcome pushdown_resolve(const pushdown_context *p, query_operator op, const column *c,
                         collation_kind collation, const value *v, arena *a) {
  if (!p->enabled) return outcome_local(REASON_OFF);
  bool null = v && v->storage == STORAGE_NULL;
  outcome out;
  switch (op) {
    case OP_IS: out = null ? outcome_single(p, OP_IS_NULL, c, COLLATION_BINARY, NULL)
                           : resolve_compare(p, OP_EQ, c, collation, v, a); break;
    case OP_IS_NOT: out = null ? outcome_not_null(p, c) : resolve_is_not(p, c, collation, v, a); break;
    case OP_IS_NULL:
      out = c->flags & COLUMN_NOT_NULL ? outcome_of(OUTCOME_NONE)
                                       : outcome_single(p, op, c, COLLATION_BINARY, NULL); break;
    case OP_NOT_NULL: out = outcome_not_null(p, c); break;
    case OP_IN: out = resolve_in(p, c, collation, v, a); break;
    case OP_LIKE: case OP_GLOB: out = resolve_pattern(p, op, c, v); break;
    default: out = resolve_compare(p, op, c, collation, v, a);
  }
  return a->failed ? outcome_local(REASON_NO_RULE) : out;
}

static bool is_exact(const pushdown_context *p, query_operator op, const column *c,
                     collation_kind collation) {
  reason why;
  const pushdown_row *row = pushdown_find(p, op, c, collation, &why);
  return row && row->verdict == PUSH_EXACT;
}

/* The operators that reduce_integer() and reduced_apart() can turn OP into. */
static const query_operator total_operators[] = {OP_EQ, OP_LE, OP_GE, OP_NOT_NULL, OP_IS_NULL};

bool pushdown_is_total(const pushdown_context *p, query_operator op, const column *c,
                       collation_kind collation) {
  if (!p->enabled) return false;
  if (op == OP_IS_NULL || op == OP_NOT_NULL) return is_exact(p, op, c, collation);
  /* Only these classes have an exact outcome for a value of every storage class:
  ** a number against text, or a long integer against a float, has none. */
  bool every_value = c->klass == CLASS_BOOL || c->klass == CLASS_INT || c->klass == CLASS_BYTES;
  if (!every_value || op == OP_IN || op == OP_LIKE || op == OP_GLOB) return false;
  for (size_t i = 0; i < sizeof(total_operators) / sizeof(total_operators[0]); i++) {
    if (!is_exact(p, total_operators[i], c, collation)) return false;
  }
  return op == OP_IS || is_exact(p, op, c, collation);
}

verdict pushdown_best(const pushdown_context *p, query_operator op, const column *c,
                      collation_kind collation, reason *why) {
  if (!p->enabled) {
    *why = REASON_OFF;
    return PUSH_LOCAL;
  }
  if (op == OP_IS) op = OP_EQ;
  /* A wide number is asked for by its neighbourhood. */
  if (op == OP_EQ && c->klass == CLASS_NUMERIC) op = OP_GE;
  const pushdown_row *row = pushdown_find(p, op, c, collation, why);
  return row ? row->verdict : PUSH_LOCAL;
}
