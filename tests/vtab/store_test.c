/*
** store_test.c - rows kept by key, in memory and in a temporary file.
** Budget: 10 s
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vtab/suite.h"
#include "vtab/store.h"

static value integer(int64_t i) { return (value){.storage = STORAGE_INTEGER, .integer = i}; }
static value real(double r) { return (value){.storage = STORAGE_REAL, .real = r}; }
static value text(const char *t) {
  return (value){.storage = STORAGE_TEXT, .bytes = t, .length = strlen(t)};
}

/* A page of two columns: the value, and its number from FIRST on. */
static batch page_of(const value *values, int n, int first) {
  batch page;
  ck_assert(batch_init(&page, 2, 1 << 20));
  for (int i = 0; i < n; i++) {
    batch_value(&page, 0, &values[i]);
    batch_integer(&page, 1, first + i);
    batch_end_row(&page);
  }
  return page;
}

static store *new_store(affinity a) {
  store_shape shape = {.n_columns = 2, .n_key = 1, .key = {0}, .affinity = {a}};
  return store_new(&shape);
}

static void add(store *s, const value *values, int n, int first, uint32_t request) {
  tskdb_error e = {0};
  batch page = page_of(values, n, first);
  ck_assert(store_add(s, &page, request, &e));
  ck_assert_ptr_null(page.storage);
}

/* The numbers of the rows of V, as text. */
static const char *numbers_of(store *s, affinity a, value v) {
  static char out[256];
  store_shape shape = {.n_key = 1, .affinity = {a}};
  value key;
  out[0] = 0;
  if (!store_key(&shape, &v, &key)) return "no key";
  const store_entry *entry = store_find(s, &key);
  if (!entry) return "unknown";
  for (store_row r = store_first(s, entry); r.page; r = store_next(s, r)) {
    value n = batch_at(r.page, 1, r.row);
    snprintf(out + strlen(out), sizeof(out) - strlen(out), "%d,", (int)n.integer);
  }
  return out;
}

START_TEST(rows_of_one_key_come_in_the_order_in_which_they_were_added) {
  store *s = new_store(AFFINITY_INTEGER);
  value first[] = {integer(5), integer(7), integer(5)}, second[] = {integer(7), integer(5)};
  add(s, first, 3, 1, 0);
  add(s, second, 2, 4, 0);
  ck_assert_str_eq(numbers_of(s, AFFINITY_INTEGER, integer(5)), "1,3,5,");
  ck_assert_str_eq(numbers_of(s, AFFINITY_INTEGER, integer(7)), "2,4,");
  ck_assert_str_eq(numbers_of(s, AFFINITY_INTEGER, integer(6)), "unknown");
  store_free(s);
}
END_TEST

START_TEST(numbers_are_found_by_value) {
  store *s = new_store(AFFINITY_NUMERIC);
  value values[] = {integer(5), real(5.0), real(2.5), text("5"), text("5x"),
                    integer(9007199254740993), real(9007199254740992.0)};
  add(s, values, 7, 1, 0);
  ck_assert_str_eq(numbers_of(s, AFFINITY_NUMERIC, real(5)), "1,2,4,");
  ck_assert_str_eq(numbers_of(s, AFFINITY_NUMERIC, text(" 5.0 ")), "1,2,4,");
  ck_assert_str_eq(numbers_of(s, AFFINITY_NUMERIC, text("5x")), "5,");
  ck_assert_str_eq(numbers_of(s, AFFINITY_NUMERIC, integer(9007199254740992)), "7,");
  ck_assert_str_eq(numbers_of(s, AFFINITY_NUMERIC, integer(9007199254740993)), "6,");
  store_free(s);
}
END_TEST

START_TEST(text_is_found_by_its_bytes) {
  store *s = new_store(AFFINITY_TEXT);
  value with_nul = {.storage = STORAGE_TEXT, .bytes = "a\0b", .length = 3};
  value blob = {.storage = STORAGE_BLOB, .bytes = "a", .length = 1};
  value values[] = {text("a"), text("A"), text(""), with_nul, blob, text("a ")};
  add(s, values, 6, 1, 0);
  ck_assert_str_eq(numbers_of(s, AFFINITY_TEXT, text("a")), "1,");
  ck_assert_str_eq(numbers_of(s, AFFINITY_TEXT, text("")), "3,");
  ck_assert_str_eq(numbers_of(s, AFFINITY_TEXT, with_nul), "4,");
  ck_assert_str_eq(numbers_of(s, AFFINITY_TEXT, blob), "5,");
  store_free(s);
}
END_TEST

START_TEST(null_is_no_key) {
  store *s = new_store(AFFINITY_INTEGER);
  value values[] = {{.storage = STORAGE_NULL}, integer(1)};
  add(s, values, 2, 1, 0);
  ck_assert_str_eq(numbers_of(s, AFFINITY_INTEGER, values[0]), "no key");
  ck_assert_str_eq(numbers_of(s, AFFINITY_INTEGER, integer(1)), "2,");
  store_free(s);
}
END_TEST

START_TEST(a_request_adds_only_the_keys_that_it_asked_for) {
  store *s = new_store(AFFINITY_INTEGER);
  value values[] = {integer(1), integer(2), integer(3)};
  ck_assert_ptr_nonnull(store_ask(s, &values[0], 1));
  ck_assert_ptr_nonnull(store_ask(s, &values[2], 1));
  add(s, values, 3, 1, 1);
  ck_assert_ptr_nonnull(store_ask(s, &values[1], 2));
  add(s, values, 3, 11, 2);
  ck_assert_str_eq(numbers_of(s, AFFINITY_INTEGER, integer(1)), "1,");
  ck_assert_str_eq(numbers_of(s, AFFINITY_INTEGER, integer(2)), "12,");
  ck_assert_str_eq(numbers_of(s, AFFINITY_INTEGER, integer(3)), "3,");
  store_free(s);
}
END_TEST

START_TEST(a_key_without_rows_is_known) {
  store *s = new_store(AFFINITY_INTEGER);
  value key = integer(1);
  store_ask(s, &key, 1);
  ck_assert_str_eq(numbers_of(s, AFFINITY_INTEGER, key), "");
  store_clear(s);
  ck_assert_str_eq(numbers_of(s, AFFINITY_INTEGER, key), "unknown");
  ck_assert_uint_eq(store_bytes(s), 0);
  store_free(s);
}
END_TEST

START_TEST(many_keys_stay_apart) {
  enum { N = 20000 };
  store *s = new_store(AFFINITY_INTEGER);
  value *values = calloc(N, sizeof(*values));
  for (int i = 0; i < N; i++) values[i] = integer(i);
  for (int at = 0; at < N; at += 1000) add(s, values + at, 1000, at, 0);
  char expected[16];
  for (int i = 0; i < N; i += 371) {
    snprintf(expected, sizeof(expected), "%d,", i);
    ck_assert_str_eq(numbers_of(s, AFFINITY_INTEGER, integer(i)), expected);
  }
  ck_assert_uint_ge(store_bytes(s), N * (2 * sizeof(batch_cell)));
  free(values);
  store_free(s);
}
END_TEST

/* The numbers of the rows of a spilled store, read in pages of a few rows. */
static const char *spilled_numbers(store *s, affinity a, value v) {
  static char out[256];
  store_shape shape = {.n_key = 1, .affinity = {a}};
  tskdb_error e = {0};
  value key;
  batch page;
  bool more;
  out[0] = 0;
  ck_assert(store_key(&shape, &v, &key));
  ck_assert(store_spill_find(s, &key, &e));
  do {
    ck_assert(batch_init(&page, 2, 1));
    ck_assert(store_spill_read(s, &key, &page, &more, &e));
    for (uint32_t row = 0; row < page.n_rows; row++) {
      value n = batch_at(&page, 1, row);
      snprintf(out + strlen(out), sizeof(out) - strlen(out), "%d,", (int)n.integer);
    }
    batch_free(&page);
  } while (more);
  return out;
}

START_TEST(spilled_rows_are_found_as_those_in_memory) {
  tskdb_error e = {0};
  store *s = new_store(AFFINITY_NUMERIC);
  value first[] = {integer(5), text("x"), integer(5)}, second[] = {real(5.0), {.storage = STORAGE_NULL}};
  add(s, first, 3, 1, 0);
  ck_assert(store_spill(s, &e));
  ck_assert(store_is_spilled(s));
  add(s, second, 2, 4, 0);
  ck_assert_str_eq(spilled_numbers(s, AFFINITY_NUMERIC, integer(5)), "1,3,4,");
  ck_assert_str_eq(spilled_numbers(s, AFFINITY_NUMERIC, text("x")), "2,");
  ck_assert_str_eq(spilled_numbers(s, AFFINITY_NUMERIC, integer(6)), "");
  ck_assert_uint_eq(store_bytes(s), 0);
  store_free(s);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("store");
  TCase *c = tcase_create("store");
  tcase_add_test(c, rows_of_one_key_come_in_the_order_in_which_they_were_added);
  tcase_add_test(c, numbers_are_found_by_value);
  tcase_add_test(c, text_is_found_by_its_bytes);
  tcase_add_test(c, null_is_no_key);
  tcase_add_test(c, a_request_adds_only_the_keys_that_it_asked_for);
  tcase_add_test(c, a_key_without_rows_is_known);
  tcase_add_test(c, many_keys_stay_apart);
  tcase_add_test(c, spilled_rows_are_found_as_those_in_memory);
  suite_add_tcase(suite, c);
  return suite_run(suite);
}
