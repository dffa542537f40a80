/*
** pushdown_test.c - "What SQLite itself defines is decided once, for every
** server, before a driver's table is asked" (vtab/pushdown.h).
** Budget: 5 s
**
** The table here says exact to everything, so that what is seen is SQLite's
** half alone; the drivers' halves are proved by the differential test.
*/
#include <math.h>
#include <string.h>

#include "tests/vtab/suite.h"
#include "vtab/buffer.h"
#include "vtab/driver.h"
#include "vtab/plan.h"

static const pushdown_row everything[] = {
  {.ops = ~0u, .classes = CLASSES_ALL, .verdict = PUSH_EXACT, .text = "{c} {op} {v}"},
};
static const driver exact_driver = {.pushdown = everything, .n_pushdown = 1, .max_list = 3};
static const pushdown_context context = {.driver = &exact_driver, .version = 1, .enabled = true};

static arena memory;

static void setup(void) { arena_init(&memory); }
static void teardown(void) { arena_free(&memory); }

static value integer(int64_t i) { return (value){.storage = STORAGE_INTEGER, .integer = i}; }
static value real(double r) { return (value){.storage = STORAGE_REAL, .real = r}; }
static value text(const char *s) {
  return (value){.storage = STORAGE_TEXT, .bytes = s, .length = strlen(s)};
}
static value blob(const char *s) {
  return (value){.storage = STORAGE_BLOB, .bytes = s, .length = strlen(s)};
}
static const value null = {.storage = STORAGE_NULL};

/* The outcome in words: "none", "true", "local", or the terms. */
static const char *outcome_of_column(query_operator op, column c, value v) {
  outcome o = pushdown_resolve(&context, op, &c, COLLATION_BINARY, &v, &memory);
  buffer out = {0};
  switch (o.kind) {
    case OUTCOME_NONE: return "none";
    case OUTCOME_TRUE: return "true";
    case OUTCOME_LOCAL: return "local";
    default: break;
  }
  for (int i = 0; i < o.n_terms; i++) {
    const value *t = &o.terms[i].value;
    buffer_printf(&out, "%s%s", i ? " and " : "", query_operator_name(o.terms[i].op));
    if (o.terms[i].op == OP_NOT_NULL || o.terms[i].op == OP_IS_NULL) continue;
    if (t->storage == STORAGE_INTEGER) buffer_printf(&out, " %lld", (long long)t->integer);
    if (t->storage == STORAGE_REAL) buffer_printf(&out, " %g", t->real);
    if (t->storage == STORAGE_TEXT) buffer_printf(&out, " '%.*s'", (int)t->length, t->bytes);
    if (t->storage == STORAGE_BLOB) buffer_printf(&out, " x'%.*s'", (int)t->length, t->bytes);
    if (t->storage == STORAGE_LIST) buffer_printf(&out, " (%zu)", t->n_list);
  }
  const char *result = arena_strdup(&memory, buffer_cstr(&out));
  buffer_free(&out);
  return result;
}

static const char *outcome_text(query_operator op, type_class klass, value v) {
  return outcome_of_column(op, (column){.klass = klass}, v);
}

static void expect(query_operator op, type_class klass, value v, const char *expected) {
  ck_assert_str_eq(outcome_text(op, klass, v), expected);
}

/* The same for a column of bytes that any value may stand in. */
static void expect_bytes(query_operator op, type_class klass, value v, const char *expected) {
  column c = {.klass = klass, .flags = COLUMN_ANY_BYTES};
  ck_assert_str_eq(outcome_of_column(op, c, v), expected);
}

START_TEST(text_that_is_a_number_becomes_one_against_an_integer_column) {
  expect(OP_EQ, CLASS_INT, text("5"), "= 5");
  expect(OP_EQ, CLASS_INT, text(" 5.0 "), "= 5");
  expect(OP_EQ, CLASS_INT, text("5x"), "none");
  expect(OP_LT, CLASS_INT, text("abc"), "IS NOT NULL");
  expect(OP_GE, CLASS_INT, text("abc"), "none");
}
END_TEST

START_TEST(bytes_are_equal_to_what_they_arrive_as) {
  expect_bytes(OP_EQ, CLASS_TEXT, text("5"), "= '5'");
  expect_bytes(OP_EQ, CLASS_TEXT, blob("5"), "none");
  expect_bytes(OP_EQ, CLASS_TEXT, blob("\xff"), "= x'\xff'");
  expect_bytes(OP_EQ, CLASS_TEXT, text("\xff"), "none");
  expect_bytes(OP_EQ, CLASS_TEXT, integer(5), "local");
  expect_bytes(OP_LT, CLASS_TEXT, text("5"), "local");
  expect_bytes(OP_NE, CLASS_TEXT, blob("5"), "IS NOT NULL");
  expect_bytes(OP_EQ, CLASS_INT, integer(5), "= 5");
  expect_bytes(OP_EQ, CLASS_INT, text("05"), "= 5");
  expect_bytes(OP_EQ, CLASS_INT, real(5.0), "= 5");
  expect_bytes(OP_EQ, CLASS_INT, real(5.5), "none");
  expect_bytes(OP_EQ, CLASS_INT, text("abc"), "= 'abc'");
  expect_bytes(OP_EQ, CLASS_INT, blob("5"), "none");
  expect_bytes(OP_EQ, CLASS_INT, blob("05"), "= x'05'");
  expect_bytes(OP_EQ, CLASS_INT, blob("abc"), "none");
  expect_bytes(OP_EQ, CLASS_INT, blob("\xff"), "= x'\xff'");
  expect_bytes(OP_LE, CLASS_INT, integer(5), "local");
}
END_TEST

START_TEST(a_real_against_an_integer_column_is_compared_exactly) {
  expect(OP_EQ, CLASS_INT, real(7.0), "= 7");
  expect(OP_EQ, CLASS_INT, real(7.5), "none");
  expect(OP_NE, CLASS_INT, real(7.5), "IS NOT NULL");
  expect(OP_LT, CLASS_INT, real(7.5), "<= 7");
  expect(OP_GT, CLASS_INT, real(-7.5), ">= -7");
  expect(OP_LT, CLASS_INT, real(1e300), "IS NOT NULL");
  expect(OP_GT, CLASS_INT, real(-INFINITY), "IS NOT NULL");
  expect(OP_EQ, CLASS_INT, real(9223372036854775808.0), "none");
  expect(OP_GE, CLASS_INT, real(-9223372036854775808.0), ">= -9223372036854775808");
}
END_TEST

START_TEST(an_unsigned_column_against_a_real_beyond_int64_is_local) {
  expect(OP_EQ, CLASS_UINT64, real(1e19), "local");
  expect(OP_EQ, CLASS_UINT64, integer(-1), "= -1");
}
END_TEST

START_TEST(a_number_against_text_is_local) {
  expect(OP_EQ, CLASS_TEXT, integer(5), "local");
  expect(OP_EQ, CLASS_DATE, real(2026.0), "local");
}
END_TEST

START_TEST(a_blob_sorts_after_every_text_and_number) {
  expect(OP_EQ, CLASS_TEXT, blob("a"), "none");
  expect(OP_LT, CLASS_TEXT, blob("a"), "IS NOT NULL");
  expect(OP_GT, CLASS_INT, blob("a"), "none");
  expect(OP_GT, CLASS_BYTES, text("a"), "IS NOT NULL");
  expect(OP_LE, CLASS_BYTES, integer(1), "none");
  expect(OP_EQ, CLASS_BYTES, blob("a"), "= x'a'");
}
END_TEST

START_TEST(null_satisfies_no_comparison_but_is) {
  expect(OP_EQ, CLASS_INT, null, "none");
  expect(OP_NE, CLASS_TEXT, null, "none");
  expect(OP_LIKE, CLASS_TEXT, null, "none");
  expect(OP_IS, CLASS_INT, null, "IS NULL");
  expect(OP_IS_NOT, CLASS_INT, null, "IS NOT NULL");
  expect(OP_IS_NOT, CLASS_INT, real(7.5), "true");
}
END_TEST

START_TEST(a_float_takes_integers_that_are_exact_as_doubles_alone) {
  expect(OP_EQ, CLASS_FLOAT, integer(9007199254740992), "= 9.0072e+15");
  expect(OP_EQ, CLASS_FLOAT, integer(9007199254740993), "local");
  expect(OP_LT, CLASS_FLOAT, real(INFINITY), "local");
}
END_TEST

START_TEST(a_short_decimal_compares_as_its_shortest_double) {
  expect(OP_EQ, CLASS_DECIMAL, real(0.1), "= '0.1'");
  expect(OP_EQ, CLASS_DECIMAL, integer(42), "= '42'");
  expect(OP_EQ, CLASS_DECIMAL, real(1e15), "none");
  expect(OP_LT, CLASS_DECIMAL, real(1e300), "IS NOT NULL");
  expect(OP_GT, CLASS_DECIMAL, real(1e-20), "local");
}
END_TEST

START_TEST(a_wide_numeric_is_asked_for_by_its_neighbourhood) {
  expect(OP_EQ, CLASS_NUMERIC, integer(1), ">= '0.9999999999999996' and <= '1.0000000000000009'");
  expect(OP_LT, CLASS_NUMERIC, integer(1), "<= '1.0000000000000009'");
  expect(OP_EQ, CLASS_NUMERIC, integer(0), ">= '-1e-300' and <= '1e-300'");
  expect(OP_NE, CLASS_NUMERIC, integer(1), "local");
}
END_TEST

START_TEST(a_date_is_shorter_and_so_less_than_any_time_of_its_day) {
  expect(OP_LE, CLASS_TIMESTAMP, text("2026-01-01"), "< '2026-01-01 00:00:00'");
  expect(OP_GT, CLASS_TIMESTAMP, text("2026-01-01"), ">= '2026-01-01 00:00:00'");
  expect(OP_EQ, CLASS_TIMESTAMP, text("2026-01-01"), "none");
  expect(OP_GE, CLASS_DATE, text("2026-01-01 10:00:00"), "> '2026-01-01'");
  expect(OP_LT, CLASS_DATE, text("2026-01-01 10:00:00"), "<= '2026-01-01'");
}
END_TEST

START_TEST(what_is_no_canonical_date_is_local) {
  expect(OP_GE, CLASS_DATE, text("2026-02-30"), "local");
  expect(OP_GE, CLASS_DATE, text("2026-1-5"), "local");
  expect(OP_GE, CLASS_TIMESTAMP, text("2026-01-05 10:00:00.50"), "local");
  expect(OP_EQ, CLASS_TIMESTAMP, text("2026-01-05T10:00:00"), "local");
}
END_TEST

START_TEST(a_uuid_that_is_not_spelled_as_the_server_spells_it_equals_none) {
  expect(OP_EQ, CLASS_UUID, text("0b8e1c52-8d44-4c67-9d24-0c8f4a9f0a11"), "= '0b8e1c52-8d44-4c67-9d24-0c8f4a9f0a11'");
  expect(OP_EQ, CLASS_UUID, text("0B8E1C52-8D44-4C67-9D24-0C8F4A9F0A11"), "none");
  expect(OP_LT, CLASS_UUID, text("0B"), "local");
}
END_TEST

START_TEST(text_that_the_server_cannot_hold_equals_none) {
  value nul = {.storage = STORAGE_TEXT, .bytes = "a\0b", .length = 3};
  value broken = {.storage = STORAGE_TEXT, .bytes = "\xff", .length = 1};
  expect(OP_EQ, CLASS_TEXT, nul, "none");
  expect(OP_NE, CLASS_TEXT, nul, "IS NOT NULL");
  expect(OP_LT, CLASS_TEXT, nul, "local");
  expect(OP_EQ, CLASS_TEXT, broken, "none");
}
END_TEST

static const char *list_text(type_class klass, const value *list, size_t n) {
  value v = {.storage = STORAGE_LIST, .list = list, .n_list = n};
  return outcome_text(OP_IN, klass, v);
}

START_TEST(a_list_keeps_what_can_be_equal) {
  value list[] = {integer(1), null, text("2"), text("x"), real(2.5)};
  ck_assert_str_eq(list_text(CLASS_INT, list, 5), "IN (2)");
  ck_assert_str_eq(list_text(CLASS_INT, list, 2), "= 1");
  ck_assert_str_eq(list_text(CLASS_INT, &list[3], 2), "none");
  ck_assert_str_eq(list_text(CLASS_TEXT, list, 3), "local");
}
END_TEST

START_TEST(a_list_longer_than_the_driver_takes_is_local) {
  value list[] = {integer(1), integer(2), integer(3), integer(4)};
  ck_assert_str_eq(list_text(CLASS_INT, list, 3), "IN (3)");
  ck_assert_str_eq(list_text(CLASS_INT, list, 4), "local");
}
END_TEST

START_TEST(only_classes_with_an_exact_answer_to_every_value_are_total) {
  column whole = {.klass = CLASS_INT}, words = {.klass = CLASS_TEXT}, wide = {.klass = CLASS_FLOAT};
  ck_assert(pushdown_is_total(&context, OP_EQ, &whole, COLLATION_BINARY));
  ck_assert(!pushdown_is_total(&context, OP_EQ, &words, COLLATION_BINARY));
  ck_assert(!pushdown_is_total(&context, OP_EQ, &wide, COLLATION_BINARY));
  ck_assert(!pushdown_is_total(&context, OP_IN, &whole, COLLATION_BINARY));
}
END_TEST

START_TEST(pushdown_off_is_local_for_everything) {
  pushdown_context off = context;
  off.enabled = false;
  column c = {.klass = CLASS_INT};
  value v = integer(1);
  ck_assert_int_eq(pushdown_resolve(&off, OP_EQ, &c, COLLATION_BINARY, &v, &memory).kind, OUTCOME_LOCAL);
  ck_assert(!pushdown_is_total(&off, OP_EQ, &c, COLLATION_BINARY));
}
END_TEST

/* ---- idxStr -------------------------------------------------------------- */

static column plan_columns[] = {{.name = "id"}, {.name = "a|v1 b"}};
static const relation plan_relation = {.columns = plan_columns, .n_columns = 2};

START_TEST(a_plan_survives_its_text) {
  plan_term terms[] = {{.op = OP_IS, .column = 1, .collation = COLLATION_NOCASE, .argument = 0,
                        .verdict = PUSH_SUPERSET, .reason = REASON_COLLATION},
                       {.op = OP_EQ, .column = 0, .argument = PLAN_LOCAL, .reason = REASON_AFFINITY}};
  plan_order order[] = {{.column = 1, .descending = true}};
  int columns[] = {0, 1};
  plan before = {.terms = terms, .n_terms = 2, .order = order, .n_order = 1, .sorted = true,
                 .columns = columns, .n_columns = 2}, after;
  buffer out = {0}, again = {0};
  plan_encode(&before, &plan_relation, &out);
  ck_assert(plan_decode(buffer_cstr(&out), &plan_relation, &memory, &after));
  plan_encode(&after, &plan_relation, &again);
  ck_assert_str_eq(buffer_cstr(&out), buffer_cstr(&again));
  buffer_free(&out);
  buffer_free(&again);
}
END_TEST

START_TEST(a_text_that_is_no_plan_of_the_relation_is_refused) {
  static const char *const bad[] = {
    "", "|", "|v2 t= o= g=0 c=", "|v1 t= o= g=0 c=2", "|v1 t= o= g=0 c=0,",
    "|v1 t=0:0:0:0:0 o= g=0 c=", "|v1 t= o=5:0 g=0 c=", "|v1 t= o= g=9 c=",
    "|v1 t= o= g=0 c=0x", "|v1 t= o= g=0 c=99999999999"};
  plan out;
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    ck_assert_msg(!plan_decode(bad[i], &plan_relation, &memory, &out), "accepted: %s", bad[i]);
  }
  ck_assert(!plan_decode(NULL, &plan_relation, &memory, &out));
}
END_TEST

int main(void) {
  Suite *s = suite_create("pushdown");
  TCase *c = tcase_create("SQLite's half");
  tcase_add_checked_fixture(c, setup, teardown);
  tcase_add_test(c, text_that_is_a_number_becomes_one_against_an_integer_column);
  tcase_add_test(c, bytes_are_equal_to_what_they_arrive_as);
  tcase_add_test(c, a_real_against_an_integer_column_is_compared_exactly);
  tcase_add_test(c, an_unsigned_column_against_a_real_beyond_int64_is_local);
  tcase_add_test(c, a_number_against_text_is_local);
  tcase_add_test(c, a_blob_sorts_after_every_text_and_number);
  tcase_add_test(c, null_satisfies_no_comparison_but_is);
  tcase_add_test(c, a_float_takes_integers_that_are_exact_as_doubles_alone);
  tcase_add_test(c, a_short_decimal_compares_as_its_shortest_double);
  tcase_add_test(c, a_wide_numeric_is_asked_for_by_its_neighbourhood);
  tcase_add_test(c, a_date_is_shorter_and_so_less_than_any_time_of_its_day);
  tcase_add_test(c, what_is_no_canonical_date_is_local);
  tcase_add_test(c, a_uuid_that_is_not_spelled_as_the_server_spells_it_equals_none);
  tcase_add_test(c, text_that_the_server_cannot_hold_equals_none);
  tcase_add_test(c, a_list_keeps_what_can_be_equal);
  tcase_add_test(c, a_list_longer_than_the_driver_takes_is_local);
  tcase_add_test(c, only_classes_with_an_exact_answer_to_every_value_are_total);
  tcase_add_test(c, pushdown_off_is_local_for_everything);
  suite_add_tcase(s, c);
  TCase *t = tcase_create("idxStr");
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, a_plan_survives_its_text);
  tcase_add_test(t, a_text_that_is_no_plan_of_the_relation_is_refused);
  suite_add_tcase(s, t);
  return suite_run(s);
}
