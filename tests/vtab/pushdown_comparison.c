/*
** pushdown_comparison.c - what a server answers beside what SQLite answers
** (pushdown_comparison.h).
**
** Rows are told apart by their ids and compared as sorted lists of lines, so
** that a row that comes twice is seen too.
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "tests/vtab/pushdown_comparison.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const collations[] = {
  [COLLATION_BINARY] = "BINARY", [COLLATION_NOCASE] = "NOCASE", [COLLATION_RTRIM] = "RTRIM"};

static const struct { query_operator op; const char *sql; } operators[] = {
  {OP_EQ, "="},         {OP_NE, "<>"},         {OP_LT, "<"},
  {OP_LE, "<="},        {OP_GT, ">"},          {OP_GE, ">="},
  {OP_IS, "IS"},        {OP_IS_NOT, "IS NOT"}, {OP_IS_NULL, "ISNULL --"},
  {OP_NOT_NULL, "NOTNULL --"}, {OP_LIKE, "LIKE"}, {OP_GLOB, "GLOB"},
};

enum { MAX_CONSTANTS = 40 };

value text_value(const char *text) {
  return (value){.storage = STORAGE_TEXT, .bytes = text, .length = strlen(text)};
}

/* ---- native SQLite -------------------------------------------------------------------- */

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
  sqlite3_stmt *s;
  if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
    ck_abort_msg("%s: %s", sql, sqlite3_errmsg(db));
  return s;
}

static void bind(sqlite3_stmt *s, int i, const value *v) {
  switch (v->storage) {
    case STORAGE_INTEGER: sqlite3_bind_int64(s, i, v->integer); break;
    case STORAGE_REAL: sqlite3_bind_double(s, i, v->real); break;
    case STORAGE_TEXT: sqlite3_bind_text(s, i, v->bytes, (int)v->length, SQLITE_TRANSIENT); break;
    case STORAGE_BLOB:
      sqlite3_bind_blob(s, i, v->length ? v->bytes : "", (int)v->length, SQLITE_TRANSIENT);
      break;
    default: sqlite3_bind_null(s, i);
  }
}

value comparison_result(sqlite3_stmt *s, int i) {
  value v = {.storage = STORAGE_NULL};
  switch (sqlite3_column_type(s, i)) {
    case SQLITE_INTEGER:
      return (value){.storage = STORAGE_INTEGER, .integer = sqlite3_column_int64(s, i)};
    case SQLITE_FLOAT: return (value){.storage = STORAGE_REAL, .real = sqlite3_column_double(s, i)};
    case SQLITE_TEXT:
      v = (value){.storage = STORAGE_TEXT, .bytes = (const char *)sqlite3_column_text(s, i)};
      break;
    case SQLITE_BLOB:
      v = (value){.storage = STORAGE_BLOB, .bytes = sqlite3_column_blob(s, i)};
      break;
    default: return v;
  }
  v.length = (size_t)sqlite3_column_bytes(s, i);
  return v;
}

static void insert_row(void *context, const batch *b, uint32_t row) {
  sqlite3_stmt *insert = context;
  for (int i = 0; i < 2; i++) {
    value v = cell_of(b, i, row);
    bind(insert, i + 1, &v);
  }
  ck_assert_int_eq(sqlite3_step(insert), SQLITE_DONE);
  sqlite3_reset(insert);
}

void comparison_open(comparison *x, connection *c, const relation *r, const char *id,
                     const char *name) {
  char sql[200];
  asked a;
  tskdb_error e = {0};
  *x = (comparison){.c = c, .relation = r, .id = column_at(r, id), .column = column_at(r, name)};
  x->context = (pushdown_context){.driver = tested, .version = c->version, .enabled = true};
  ck_assert_int_eq(sqlite3_open(":memory:", &x->native), SQLITE_OK);
  snprintf(sql, sizeof sql, "CREATE TABLE t(id, a %s)", r->columns[x->column].declared);
  sqlite3_stmt *s = prepare(x->native, sql);
  ck_assert_int_eq(sqlite3_step(s), SQLITE_DONE);
  sqlite3_finalize(s);
  ask(&a, r);
  query_expr both[2] = {a.q.select[x->id], a.q.select[x->column]};
  a.q.select = both;
  a.q.n_select = 2;
  compile(&a, c);
  s = prepare(x->native, "INSERT INTO t VALUES (?, ?)");
  scan_rows(c, &a.request, insert_row, s, &e);
  assert_no_error(&e, a.request.text);
  sqlite3_finalize(s);
  arena_free(&a.memory);
}

void comparison_close(comparison *x) { sqlite3_close(x->native); }

/* The values of a one-column statement, one a line; V, which may be a list, is ?1 and so on. */
static void ask_native(const comparison *x, const char *sql, const value *v, buffer *out) {
  sqlite3_stmt *s = prepare(x->native, sql);
  int n = sqlite3_bind_parameter_count(s);
  for (int i = 0; i < n; i++) bind(s, i + 1, v->storage == STORAGE_LIST ? &v->list[i] : v);
  while (sqlite3_step(s) == SQLITE_ROW) {
    value got = comparison_result(s, 0);
    print_value(out, &got);
    buffer_char(out, '\n');
  }
  sqlite3_finalize(s);
}

/* The constants as values, bytes in A. */
static int read_constants(const comparison *x, const char *literals, value *out, arena *a) {
  buffer sql = {0};
  buffer_printf(&sql, "SELECT %s, NULL", literals);
  sqlite3_stmt *s = prepare(x->native, buffer_cstr(&sql));
  ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
  int n = sqlite3_column_count(s);
  ck_assert_int_le(n, MAX_CONSTANTS);
  for (int i = 0; i < n; i++) {
    out[i] = comparison_result(s, i);
    if (out[i].bytes) out[i].bytes = arena_strndup(a, out[i].bytes, out[i].length);
    else if (out[i].storage == STORAGE_BLOB) out[i].bytes = "";
  }
  sqlite3_finalize(s);
  buffer_free(&sql);
  return n;
}

/* ---- the server -------------------------------------------------------------------------- */

static void ask_server(connection *c, const relation *r, int id, int col, const outcome *o,
                       const char *what, buffer *out) {
  asked a;
  tskdb_error e = {0};
  value values[2];
  query_expr args[2][2], filter[2];
  ask_column(&a, r, id);
  for (int i = 0; i < o->n_terms; i++) {
    const outcome_term *t = &o->terms[i];
    bool bare = t->op == OP_IS_NULL || t->op == OP_NOT_NULL;
    values[i] = t->value;
    args[i][0] = (query_expr){.kind = EXPR_COLUMN, .column = col};
    args[i][1] = (query_expr){.kind = EXPR_PARAMETER, .parameter = i};
    filter[i] = (query_expr){
      .kind = EXPR_TERM, .op = t->op, .row = t->row, .args = args[i], .n_args = bare ? 1 : 2};
  }
  a.q.filter = filter;
  a.q.n_filter = o->n_terms;
  a.q.parameters = values;
  a.q.n_parameters = o->n_terms;
  compile(&a, c);
  fetch_text(c, &a.request, out, &e);
  if (error_is_set(&e)) ck_abort_msg("%s: %s: %s", what, a.request.text, e.text);
  arena_free(&a.memory);
}

void comparison_find(connection *c, const relation *r, const char *id, const char *name,
                     query_operator op, const value *v, buffer *out) {
  arena memory = {0};
  pushdown_context p = {.driver = tested, .version = c->version, .enabled = true};
  int at = column_at(r, name);
  outcome o = pushdown_resolve(&p, op, &r->columns[at], COLLATION_BINARY, v, &memory);
  ck_assert_msg(o.kind == OUTCOME_TERMS, "%s %s is not pushed: %s", name,
                query_operator_name(op), reason_words(o.reason));
  ask_server(c, r, column_at(r, id), at, &o, name, out);
  arena_free(&memory);
}

/* ---- beside each other ------------------------------------------------------------------- */

/* The lines of a text, sorted; they point into it, without their line feeds and NULs. */
typedef struct lines {
  char **at;
  size_t n;
} lines;

static int compare_lines(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static lines sorted_lines(buffer *text) {
  lines l = {0};
  char *rest = text->length ? text->text : NULL;
  for (size_t i = 0; i < text->length; i++) {
    l.n += text->text[i] == '\n';
    if (!text->text[i]) text->text[i] = 1;
  }
  l.at = calloc(l.n + 1, sizeof *l.at);
  for (size_t i = 0; i < l.n; i++) l.at[i] = strsep(&rest, "\n");
  qsort(l.at, l.n, sizeof *l.at, compare_lines);
  return l;
}

/* Every line of MINE is one of THEIRS, and if EXACT nothing else is. */
static void expect_lines(buffer *mine, buffer *theirs, bool exact, const char *what) {
  lines m = sorted_lines(mine), t = sorted_lines(theirs);
  size_t k = 0;
  for (size_t i = 0; i < m.n; i++) {
    while (k < t.n && strcmp(t.at[k], m.at[i]) < 0) {
      ck_assert_msg(!exact, "%s: row %s is one too many", what, t.at[k]);
      k++;
    }
    ck_assert_msg(k < t.n && strcmp(t.at[k], m.at[i]) == 0, "%s: row %s is lost", what, m.at[i]);
    k++;
  }
  ck_assert_msg(!exact || k == t.n, "%s: row %s is one too many", what, k < t.n ? t.at[k] : "");
  free(m.at);
  free(t.at);
}

static void compare_outcome(comparison *x, const outcome *o, const char *sql, const value *v) {
  buffer mine = {0}, theirs = {0}, what = {0};
  if (o->kind == OUTCOME_LOCAL) return;
  x->pushed += o->kind == OUTCOME_TERMS;
  buffer_printf(&what, "%s: %s with ", x->relation->columns[x->column].remote_type, sql);
  print_value(&what, v->storage == STORAGE_LIST ? &v->list[0] : v);
  ask_native(x, sql, v, &mine);
  if (o->kind == OUTCOME_TRUE) ask_native(x, "SELECT id FROM t", NULL, &theirs);
  if (o->kind == OUTCOME_TERMS) {
    ask_server(x->c, x->relation, x->id, x->column, o, buffer_cstr(&what), &theirs);
    buffer_printf(&what, " (%s)", o->terms[0].row->text);
  }
  expect_lines(&mine, &theirs, o->verdict == PUSH_EXACT, buffer_cstr(&what));
  buffer_free(&mine);
  buffer_free(&theirs);
  buffer_free(&what);
}

/* What is omitted whatever the value has an exact outcome for this one. */
static void expect_total(const comparison *x, query_operator op, collation_kind k,
                         const outcome *o, const value *v) {
  const column *c = &x->relation->columns[x->column];
  if (!pushdown_is_total(&x->context, op, c, k)) return;
  ck_assert_msg(o->kind != OUTCOME_LOCAL && o->verdict == PUSH_EXACT,
                "%s %s: omitted, but not exact for a %s", c->remote_type,
                op == OP_IS ? "IS" : query_operator_name(op), value_storage_name(v->storage));
}

static void compare_constant(comparison *x, const value *v) {
  const column *c = &x->relation->columns[x->column];
  char sql[200];
  for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
    for (int k = COLLATION_BINARY; k <= COLLATION_RTRIM; k++) {
      arena memory = {0};
      outcome o = pushdown_resolve(&x->context, operators[i].op, c, (collation_kind)k, v, &memory);
      expect_total(x, operators[i].op, (collation_kind)k, &o, v);
      snprintf(sql, sizeof sql, "SELECT id FROM t WHERE a COLLATE %s %s ?1", collations[k],
               operators[i].sql);
      compare_outcome(x, &o, sql, v);
      arena_free(&memory);
    }
  }
}

static void compare_list_under(comparison *x, collation_kind k, const value *v, int n) {
  arena memory = {0};
  buffer sql = {0};
  value list = {.storage = STORAGE_LIST, .list = v, .n_list = (size_t)n};
  outcome o = pushdown_resolve(&x->context, OP_IN, &x->relation->columns[x->column], k, &list,
                               &memory);
  buffer_printf(&sql, "SELECT id FROM t WHERE a COLLATE %s IN (?", collations[k]);
  for (int i = 1; i < n; i++) buffer_text(&sql, ",?");
  buffer_char(&sql, ')');
  compare_outcome(x, &o, buffer_cstr(&sql), &list);
  buffer_free(&sql);
  arena_free(&memory);
}

static void compare_list(comparison *x, const value *v, int n) {
  for (int k = COLLATION_BINARY; k <= COLLATION_RTRIM; k++) {
    compare_list_under(x, (collation_kind)k, v, n);
  }
}

/* Fetches the column with one ORDER BY or GROUP BY. */
static void ask_arranged(comparison *x, const pushdown_row *row, query_operator op,
                         bool descending, buffer *out) {
  asked a;
  tskdb_error e = {0};
  query_expr by = {.kind = EXPR_COLUMN, .column = x->column, .row = row};
  query_order order = {.column = by, .descending = descending};
  ask_column(&a, x->relation, x->column);
  a.q.order_by = op == OP_ORDER ? &order : NULL;
  a.q.n_order_by = op == OP_ORDER;
  a.q.group_by = op == OP_DISTINCT ? &by : NULL;
  a.q.n_group_by = op == OP_DISTINCT;
  compile(&a, x->c);
  fetch_text(x->c, &a.request, out, &e);
  assert_no_error(&e, a.request.text);
  arena_free(&a.memory);
  x->pushed++;
}

/* Values that are equal are the same value, so their sequence has no ties. */
static void compare_arranged(comparison *x, query_operator op, bool descending, const char *sql) {
  reason why;
  const column *c = &x->relation->columns[x->column];
  for (int k = COLLATION_NOCASE; k <= COLLATION_RTRIM; k++) {
    const pushdown_row *other = pushdown_find(&x->context, op, c, (collation_kind)k, &why);
    ck_assert_msg(!other || other->collations == 0, "%s %s: ties are not compared here",
                  c->remote_type, query_operator_name(op));
  }
  const pushdown_row *row = pushdown_find(&x->context, op, c, COLLATION_BINARY, &why);
  if (!row) return;
  buffer mine = {0}, theirs = {0};
  ask_native(x, sql, NULL, &mine);
  ask_arranged(x, row, op, descending, &theirs);
  if (op == OP_DISTINCT) {
    expect_lines(&mine, &theirs, true, sql);
  } else {
    ck_assert_msg(mine.length == theirs.length &&
                  memcmp(buffer_cstr(&mine), buffer_cstr(&theirs), mine.length) == 0,
                  "%s %s: SQLite %s server %s (%s)", c->remote_type, sql, buffer_cstr(&mine),
                  buffer_cstr(&theirs), row->text);
  }
  buffer_free(&mine);
  buffer_free(&theirs);
}

void comparison_run(comparison *x, const char *literals) {
  value constants[MAX_CONSTANTS];
  arena memory = {0};
  int n = read_constants(x, literals, constants, &memory);
  for (int i = 0; i < n; i++) compare_constant(x, &constants[i]);
  /* The NULL at the end is no element of a list. Neighbours, where the whole may be local. */
  compare_list(x, constants, n - 1);
  for (int i = 0; i + 2 < n; i++) compare_list(x, &constants[i], 2);
  compare_arranged(x, OP_ORDER, false, "SELECT a FROM t ORDER BY a");
  compare_arranged(x, OP_ORDER, true, "SELECT a FROM t ORDER BY a DESC");
  compare_arranged(x, OP_DISTINCT, false, "SELECT DISTINCT a FROM t");
  arena_free(&memory);
}
