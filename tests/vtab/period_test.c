/*
** period_test.c - years, months and days as ranges of dates.
** Budget: 5 s
*/
#include <string.h>

#include "tests/vtab/suite.h"
#include "vtab/period.h"

static period period_of(const char *text) {
  value v = {.storage = STORAGE_TEXT, .bytes = text, .length = strlen(text)};
  period p = {0};
  ck_assert_msg(period_parse(&v, (int)v.length, &p), "%s", text);
  return p;
}

START_TEST(a_period_ends_where_the_next_one_begins) {
  static const struct { const char *text, *first, *next; } cases[] = {
    {"2026", "2026-01-01", "2027-01-01"}, {"2026-05", "2026-05-01", "2026-06-01"},
    {"2026-12", "2026-12-01", "2027-01-01"}, {"2026-05-17", "2026-05-17", "2026-05-18"},
    {"2024-02-29", "2024-02-29", "2024-03-01"}, {"2026-12-31", "2026-12-31", "2027-01-01"},
    {"9999", "9999-01-01", ""}, {"9999-12-31", "9999-12-31", ""}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    period p = period_of(cases[i].text);
    ck_assert_str_eq(p.first, cases[i].first);
    ck_assert_str_eq(p.next, cases[i].next);
  }
}
END_TEST

/* '2026-02-31' is shown as 2026-03-03, and by SQLite 3.45 2026-05-29 23:59:59.9996 as 2026-05-30. */
START_TEST(a_day_may_be_shown_that_another_one_was_moved_to) {
  ck_assert_str_eq(period_of("2026-03-03").earliest, "2026-02-28");
  ck_assert_str_eq(period_of("2026").earliest, "2025-12-28");
  ck_assert_str_eq(period_of("2026-05-30").earliest, "2026-05-28");
  ck_assert_str_eq(period_of("2026-05-29").earliest_next, "2026-05-28");
  ck_assert_str_eq(period_of("2026-05-17").earliest, "2026-05-17");
  ck_assert_str_eq(period_of("0001-01-02").earliest, "");
}
END_TEST

START_TEST(what_is_no_period_is_refused) {
  static const char *const texts[] = {"20x6", "2026-13", "2026-02-30", "2026-5-017", "0000"};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    value v = {.storage = STORAGE_TEXT, .bytes = texts[i], .length = strlen(texts[i])};
    period p;
    ck_assert_msg(!period_parse(&v, (int)v.length, &p), "%s", texts[i]);
  }
  ck_assert(!period_parse(&(value){.storage = STORAGE_INTEGER, .integer = 2026}, PERIOD_YEAR, &(period){0}));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("period");
  TCase *c = tcase_create("period");
  tcase_add_test(c, a_period_ends_where_the_next_one_begins);
  tcase_add_test(c, a_day_may_be_shown_that_another_one_was_moved_to);
  tcase_add_test(c, what_is_no_period_is_refused);
  suite_add_tcase(suite, c);
  return suite_run(suite);
}
