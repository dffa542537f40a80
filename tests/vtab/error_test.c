/*
** error_test.c - the first error stays, fits, and is text that every host can show.
** Budget: 5 s
*/
#include <stdio.h>
#include <string.h>

#include "tests/vtab/suite.h"
#include "vtab/error.h"
#include "vtab/sqlite.h"
#include "vtab/value.h"

static tskdb_error e;
static char out[1024];

static void setup(void) {
  error_clear(&e);
}

START_TEST(the_first_error_is_the_cause) {
  ck_assert(!error_is_set(&e));
  ck_assert(!error_set(&e, ERROR_NETWORK, "cannot reach %s", "db1"));
  error_set(&e, ERROR_SQL, "later");
  ck_assert_int_eq(e.klass, ERROR_NETWORK);
  ck_assert_str_eq(e.text, "cannot reach db1");
  ck_assert(e.retryable);
  ck_assert_int_eq(error_sqlite_code(&e), SQLITE_IOERR);
  error_clear(&e);
  ck_assert_int_eq(error_sqlite_code(&e), SQLITE_OK);
  ck_assert_str_eq(error_format(&e, out, sizeof out), "");
  error_memory(&e);
  ck_assert_int_eq(error_sqlite_code(&e), SQLITE_NOMEM);
}
END_TEST

START_TEST(nobody_needs_to_want_an_error) {
  ck_assert(!error_set(NULL, ERROR_SQL, "x"));
  error_clear(NULL);
  ck_assert(!error_is_set(NULL));
  error_native(NULL, 1, "42601");
  error_server(NULL, "x");
  error_prefix(NULL, "x");
  ck_assert(!error_memory(NULL));
}
END_TEST

START_TEST(the_format_names_server_and_codes) {
  error_set(&e, ERROR_SQL, "no such table\n");
  ck_assert_str_eq(error_format(&e, out, sizeof out), "no such table");
  error_server(&e, "sales");
  error_server(&e, "other");
  error_native(&e, 0, "42P01");
  ck_assert_str_eq(error_format(&e, out, sizeof out), "sales: no such table [42P01]");
  error_prefix(&e, "table \"%s\"", "t");
  error_native(&e, 1146, "42S02");
  ck_assert_str_eq(error_format(&e, out, sizeof out),
                   "sales: table \"t\": no such table [1146 42S02]");
  e.sqlstate[0] = 0;
  e.outcome_unknown = true;
  ck_assert_str_eq(
      error_format(&e, out, sizeof out),
      "sales: table \"t\": no such table (it is not known whether the write took effect) [1146]");
  error_native(&e, 7, "bad");
  error_native(&e, 7, "a\x1b[1m");
  ck_assert_str_eq(e.sqlstate, "");
}
END_TEST

START_TEST(whatever_a_server_says_is_utf8_without_controls) {
  error_set(&e, ERROR_SQL, "a\x1b[31m\x07\x7f\tb\nc \xff\xc3( \xc2\x9b caf\xe9 caf\xc3\xa9");
  ck_assert_str_eq(e.text, "a [31m  \tb\nc ?" "?( ?" "? caf? caf\xc3\xa9");
  error_server(&e, "s\xff\n");
  ck_assert(value_is_utf8(e.server, strlen(e.server)));
}
END_TEST

/* Every length around the bound, with characters of 1 to 4 bytes there. */
START_TEST(long_messages_are_cut_at_a_character) {
  static const char *const letters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
  char text[2000];
  for (int l = 0; l < 4; l++) {
    for (size_t shift = 0; shift < 4; shift++) {
      size_t n = shift;
      memset(text, 'x', shift);
      while (n < sizeof text - 8) n += (size_t)sprintf(text + n, "%s", letters[l]);
      error_clear(&e);
      error_set(&e, ERROR_SQL, "%s", text);
      ck_assert(value_is_utf8(e.text, strlen(e.text)));
      ck_assert_uint_ge(strlen(e.text), sizeof e.text - 4);
      error_prefix(&e, "%s", "p");
      ck_assert(value_is_utf8(e.text, strlen(e.text)));
      error_prefix(&e, "%s", text);
      ck_assert(value_is_utf8(e.text, strlen(e.text)));
      error_server(&e, text);
      ck_assert(value_is_utf8(e.server, strlen(e.server)));
      error_native(&e, 1064, "42000");
      for (size_t size = 1; size < sizeof out; size++) {
        memset(out, '#', sizeof out);
        error_format(&e, out, size);
        ck_assert_uint_lt(strlen(out), size);
        ck_assert(value_is_utf8(out, strlen(out)));
        if (size > 100) ck_assert_str_eq(out + strlen(out) - 13, " [1064 42000]");
      }
    }
  }
}
END_TEST

START_TEST(every_class_has_a_name_and_a_code) {
  ck_assert_str_eq(error_class_name(ERROR_INTERRUPT), "interrupt");
  ck_assert_str_eq(error_class_name((error_class)99), "unknown");
  error_set(&e, (error_class)99, "x");
  ck_assert_int_eq(e.klass, ERROR_INTERNAL);
  error_clear(&e);
  error_set(&e, ERROR_NONE, "x");
  ck_assert_int_eq(e.klass, ERROR_INTERNAL);
  error_clear(&e);
  error_set(&e, ERROR_CONFLICT, "x");
  ck_assert_int_eq(error_sqlite_code(&e), SQLITE_BUSY);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("error");
  TCase *cases = tcase_create("error");
  tcase_add_checked_fixture(cases, setup, NULL);
  tcase_add_test(cases, the_first_error_is_the_cause);
  tcase_add_test(cases, nobody_needs_to_want_an_error);
  tcase_add_test(cases, the_format_names_server_and_codes);
  tcase_add_test(cases, whatever_a_server_says_is_utf8_without_controls);
  tcase_add_test(cases, long_messages_are_cut_at_a_character);
  tcase_add_test(cases, every_class_has_a_name_and_a_code);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
