/*
** text_memo_test.c - the text that is kept is the text that would be printed.
**
** Budget: 10 s
**
** Queries of random shapes, and the same with one part changed, are compiled twice:
** with a memo that has seen all before them, and without one.  Texts and parameters
** must be the same.
*/
#include <stdlib.h>
#include <string.h>

#include "tests/vtab/suite.h"
#include "vtab/sql_text.h"
#include "vtab/text_memo.h"

enum { COLUMNS = 5, TERMS = 3, QUERIES = 20000, ELEMENTS = 2 };

static column columns[COLUMNS] = {
  {.remote_name = "a", .remote_type = "int"}, {.remote_name = "b", .remote_type = "text"},
  {.remote_name = "c", .remote_type = "int"}, {.remote_name = "d", .remote_type = "text"},
  {.remote_name = "e", .remote_type = "int"},
};
static const relation relations[] = {
  {.remote_schema = "s", .remote_name = "t", .columns = columns, .n_columns = COLUMNS},
  {.remote_schema = "s", .remote_name = "u", .columns = columns, .n_columns = COLUMNS},
};
static const pushdown_row with_value[] = {
  {.text = "{c} {op} {v}"}, {.text = "({c} = {v} AND bytes({c}) = {v})"},
  {.text = "{c} < {v}{or}{c} > {v}::{t}"}, {.text = "{c} IN ({v})"},
};
static const pushdown_row without_value[] = {{.text = "{c} IS NULL"}, {.text = "{c} IS NOT NULL"}};
static const pushdown_row above[] = {{.text = "{c}"}, {.text = "bytes({c})"}};

static void print_select(buffer *out, const column *c, const char *quoted) {
  (void)c;
  buffer_text(out, quoted);
}

static void print_direction(buffer *out, const column *c, bool descending) {
  (void)c;
  buffer_text(out, descending ? " DESC" : " ASC");
}

#define DIALECT(is_numbered) \
  {.quote = '"', .operators = {[OP_EQ] = "=", [OP_LT] = "<"}, .numbered = is_numbered, \
   .select = print_select, .count = "count(*)", .direction = print_direction}
static const sql_dialect dialects[] = {DIALECT(false), DIALECT(true)};

/* ---- random queries ------------------------------------------------------ */

static unsigned seed;

static int pick(int n) {
  seed = seed * 1103515245u + 12345u;
  return (int)((seed >> 16) % (unsigned)n);
}

static query_expr any_column(const pushdown_row *row) {
  return (query_expr){.kind = EXPR_COLUMN, .column = pick(COLUMNS), .row = row};
}

static value any_value(arena *a, bool list) {
  value v = {.storage = STORAGE_INTEGER, .integer = pick(1000)};
  if (!list) return v;
  value *elements = arena_alloc(a, ELEMENTS * sizeof(*elements));
  for (int i = 0; i < ELEMENTS; i++) elements[i] = any_value(a, false);
  return (value){.storage = STORAGE_LIST, .list = elements, .n_list = (size_t)pick(ELEMENTS + 1)};
}

static void add_term(query *q, value *parameters, arena *a) {
  bool has_value = pick(4) > 0;
  int row = pick(4);
  query_expr *args = arena_alloc(a, 2 * sizeof(*args));
  args[0] = any_column(NULL);
  args[1] = (query_expr){.kind = EXPR_PARAMETER, .parameter = q->n_parameters};
  if (has_value) parameters[q->n_parameters++] = any_value(a, row == 3);
  q->filter[q->n_filter++] = (query_expr){
      .kind = EXPR_TERM, .op = pick(2) ? OP_EQ : OP_LT, .args = args, .n_args = 1 + has_value,
      .row = has_value ? &with_value[row] : &without_value[pick(2)]};
}

static void any_query(query *q, arena *a) {
  value *parameters = arena_alloc(a, TERMS * sizeof(*parameters));
  *q = (query){.n_sources = 1, .parameters = parameters};
  q->sources = arena_alloc(a, sizeof(*q->sources));
  q->select = arena_alloc(a, COLUMNS * sizeof(query_expr));
  q->filter = arena_alloc(a, TERMS * sizeof(query_expr));
  q->group_by = arena_alloc(a, COLUMNS * sizeof(query_expr));
  q->order_by = arena_alloc(a, COLUMNS * sizeof(query_order));
  q->sources[0].relation = &relations[pick(2)];
  q->n_select = pick(3);
  for (int i = 0; i < q->n_select; i++) q->select[i] = any_column(NULL);
  if (q->n_select && pick(8) == 0) q->select[0] = (query_expr){.kind = EXPR_COUNT};
  for (int n = pick(TERMS + 1); n > 0; n--) add_term(q, parameters, a);
  if (pick(6) == 0) q->group_by[q->n_group_by++] = any_column(&above[pick(2)]);
  if (pick(4) == 0) {
    q->order_by[q->n_order_by++] = (query_order){any_column(&above[pick(2)]), pick(2)};
  }
  if (pick(4) == 0) q->has_limit = true, q->limit = pick(3);
}

/* Q with one part of it changed, if it has that part. */
static void change(query *q, int part) {
  query_expr *term = q->n_filter ? &q->filter[0] : NULL;
  switch (part) {
    case 0: q->sources[0].relation = &relations[q->sources[0].relation == &relations[0]]; break;
    case 1: if (q->n_select) q->n_select--; break;
    case 2: if (q->n_select) q->select[0] = any_column(NULL); break;
    case 3: if (q->n_select) q->select[0].kind = EXPR_COUNT; break;
    case 4: if (term) term->op = term->op == OP_EQ ? OP_LT : OP_EQ; break;
    case 5: if (term) term->row = term->n_args > 1 ? &with_value[pick(3)] : &without_value[pick(2)]; break;
    case 6: if (term) term->args[0] = any_column(NULL); break;
    case 7: if (term) q->n_filter--; break;
    case 8: if (term && term->n_args > 1) term->args[1].parameter = q->n_parameters - 1; break;
    case 9: if (q->n_group_by) q->group_by[0] = any_column(&above[pick(2)]); break;
    case 10: if (q->n_group_by) q->n_group_by = 0; break;
    case 11: if (q->n_order_by) q->order_by[0].column = any_column(&above[pick(2)]); break;
    case 12: if (q->n_order_by) q->order_by[0].descending ^= true; break;
    case 13: if (q->n_order_by) q->n_order_by = 0; break;
    case 14: q->has_limit ^= true; break;
    case 15: q->limit++; break;
    default: break;
  }
}

enum { PARTS = 16 };

/* ---- with a memo and without --------------------------------------------- */

static void compile(query *q, const sql_dialect *d, arena *a, request *out) {
  tskdb_error e = {0};
  ck_assert(sql_text_compile(q, d, a, out, &e));
}

static void compare(query *q, const sql_dialect *d, arena *a, text_memo *memo) {
  request kept, printed;
  q->memo = NULL;
  compile(q, d, a, &printed);
  q->memo = memo;
  compile(q, d, a, &kept);
  ck_assert_str_eq(kept.text, printed.text);
  ck_assert(kept.hash == printed.hash);
  ck_assert_int_eq(kept.n_parameters, printed.n_parameters);
  for (int i = 0; i < kept.n_parameters; i++) {
    ck_assert(value_is_same(&kept.parameters[i], &printed.parameters[i]));
  }
}

START_TEST(same_text) {
  const sql_dialect *d = &dialects[_i];
  text_memo memo = {0};
  int recalled = 0;
  for (int i = 0; i < QUERIES; i++) {
    arena a = {0};
    query q;
    request r;
    seed = (unsigned)i;
    any_query(&q, &a);
    compare(&q, d, &a, &memo);
    recalled += text_memo_recall(&memo, &q, &a, &r);
    compare(&q, d, &a, &memo);
    change(&q, i % PARTS);
    compare(&q, d, &a, &memo);
    arena_free(&a);
  }
  /* All but those with lists where an element is a placeholder. */
  ck_assert_int_gt(recalled, QUERIES / 2);
  text_memo_free(&memo);
}
END_TEST

/* The values of a statement that is executed again are the new ones. */
START_TEST(new_values) {
  text_memo memo = {0};
  for (int i = 0; i < 10; i++) {
    arena a = {0};
    query q;
    request r;
    seed = 7;
    any_query(&q, &a);
    value v = {.storage = STORAGE_INTEGER, .integer = i};
    query_expr args[2] = {{.kind = EXPR_COLUMN}, {.kind = EXPR_PARAMETER}};
    query_expr term = {.kind = EXPR_TERM, .op = OP_EQ, .row = &with_value[0], .args = args, .n_args = 2};
    q.filter = &term, q.n_filter = 1;
    q.parameters = &v, q.n_parameters = 1;
    q.memo = &memo;
    compile(&q, &dialects[0], &a, &r);
    ck_assert_int_eq(r.n_parameters, 1);
    ck_assert_int_eq(r.parameters[0].integer, i);
    if (i) ck_assert_ptr_eq(r.text, memo.text);
    arena_free(&a);
  }
  text_memo_free(&memo);
}
END_TEST

int main(void) {
  Suite *s = suite_create("text_memo");
  TCase *t = tcase_create("memo");
  tcase_add_loop_test(t, same_text, 0, 2);
  tcase_add_test(t, new_values);
  suite_add_tcase(s, t);
  return suite_run(s);
}
