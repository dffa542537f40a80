/*
** batch_test.c - what is put into a batch comes out of it, through every
** growth, at every bound, and when memory ends.
** Budget: 20 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vtab/suite.h"
#include "vtab/batch.h"
#include "vtab/memory.h"

static storage storage_at(const batch *b, int column, uint32_t row) {
  return (storage)b->storage[(size_t)column * b->row_limit + row];
}

static batch_cell cell_at(const batch *b, int column, uint32_t row) {
  return b->cells[(size_t)column * b->row_limit + row];
}

/* Puts row N; column 3 is set in every third row only. Returns batch_end_row(). */
static bool put_row(batch *b, uint32_t n) {
  char text[32];
  int length = sprintf(text, "row %u", n);
  batch_bytes_value(b, 2, STORAGE_TEXT, text, (size_t)length);
  batch_integer(b, 0, (int64_t)n - 5);
  batch_real(b, 1, n + 0.5);
  if (n % 3 == 0) batch_bytes_value(b, 3, STORAGE_BLOB, "", 0);
  return batch_end_row(b);
}

static void expect_row(const batch *b, uint32_t at, uint32_t n) {
  char text[32];
  sprintf(text, "row %u", n);
  batch_cell t = cell_at(b, 2, at);
  bool right = storage_at(b, 0, at) == STORAGE_INTEGER &&
               cell_at(b, 0, at).integer == (int64_t)n - 5 &&
               storage_at(b, 1, at) == STORAGE_REAL && cell_at(b, 1, at).real == n + 0.5 &&
               storage_at(b, 2, at) == STORAGE_TEXT && t.bytes.length == strlen(text) &&
               memcmp(b->heap + t.bytes.offset, text, t.bytes.length) == 0 &&
               storage_at(b, 3, at) == (n % 3 ? STORAGE_NULL : STORAGE_BLOB) &&
               storage_at(b, 4, at) == STORAGE_NULL;
  if (!right) ck_abort_msg("row %u at %u is not what it was", n, at);
}

START_TEST(rows_survive_growing_and_clearing) {
  batch b;
  uint32_t n = 0;
  ck_assert(batch_init(&b, 5, (size_t)64 << 20));
  ck_assert_uint_le(b.row_limit, 64);
  for (int round = 0; round < 5; round++) {
    uint32_t first = n, last = round == 2 ? n + 10 : UINT32_MAX;
    while (put_row(&b, n++) && n < last) {}
    ck_assert_uint_eq(b.n_rows, round == 2 ? 10 : BATCH_MAX_ROWS);
    for (uint32_t i = 0; i < b.n_rows; i++) expect_row(&b, i, first + i);
    /* a row that was begun and never ended */
    if (round == 2) batch_integer(&b, 4, 1);
    batch_clear(&b);
    ck_assert_uint_eq(b.n_rows, 0);
    ck_assert_uint_eq(batch_bytes(&b), 0);
  }
  batch_free(&b);
}
END_TEST

START_TEST(a_batch_is_full_at_its_bytes) {
  batch b;
  uint32_t n = 0;
  ck_assert(batch_init(&b, 5, 10000));
  while (put_row(&b, n++)) {}
  ck_assert(!b.failed);
  ck_assert_uint_ge(batch_bytes(&b), 10000);
  ck_assert_uint_lt(batch_bytes(&b), 10100);
  ck_assert_uint_le(b.row_limit, 10000 / 45 + 65);
  for (uint32_t i = 0; i < n; i++) expect_row(&b, i, i);
  batch_free(&b);
}
END_TEST

START_TEST(one_row_always_fits) {
  batch b;
  size_t size = (size_t)16 << 20;
  char *big = malloc(size);
  memset(big, 'x', size);
  ck_assert(batch_init(&b, 2, 1));
  for (int i = 0; i < 3; i++) {
    batch_bytes_value(&b, 0, STORAGE_TEXT, big, size);
    batch_bytes_value(&b, 1, STORAGE_TEXT, "y", 1);
    ck_assert(!batch_end_row(&b));
    ck_assert(!b.failed);
    ck_assert_uint_eq(b.n_rows, 1);
    ck_assert_uint_eq(cell_at(&b, 0, 0).bytes.length, size);
    ck_assert_int_eq(b.heap[cell_at(&b, 1, 0).bytes.offset], 'y');
    batch_clear(&b);
    ck_assert_ptr_null(b.heap);
  }
  free(big);
  batch_free(&b);
}
END_TEST

/* The heap is reserved, never touched. */
START_TEST(a_gigabyte_fits_and_beyond_4_gib_nothing_does) {
  if (sizeof(size_t) < 8) return;
  batch b;
  ck_assert(batch_init(&b, 3, 1));
  char *place = batch_reserve(&b, (size_t)1 << 30);
  ck_assert_ptr_nonnull(place);
  batch_bytes_value(&b, 0, STORAGE_BLOB, place, (size_t)1 << 30);
  ck_assert(!b.failed);
  ck_assert_uint_eq(b.heap_used, ((size_t)1 << 30) + 1);   /* the NUL behind it */
  b.heap_used = (size_t)UINT32_MAX + 1;
  b.heap_size = b.heap_used;
  batch_bytes_value(&b, 1, STORAGE_BLOB, "x", 1);
  ck_assert(b.failed);
  ck_assert(!batch_end_row(&b));
  batch_clear(&b);
  ck_assert(!b.failed);
  ck_assert_ptr_null(batch_reserve(&b, (size_t)UINT32_MAX + 1));
  ck_assert(b.failed);
  batch_free(&b);
}
END_TEST

START_TEST(an_empty_text_has_an_address) {
  batch b;
  ck_assert(batch_init(&b, 1, 1000));
  batch_bytes_value(&b, 0, STORAGE_TEXT, "", 0);
  ck_assert(batch_end_row(&b));
  ck_assert_int_eq(storage_at(&b, 0, 0), STORAGE_TEXT);
  ck_assert_ptr_nonnull(b.heap);
  batch_free(&b);
}
END_TEST

START_TEST(rows_without_columns_are_counted) {
  batch b;
  ck_assert(batch_init(&b, 0, 1000));
  uint32_t n = 1;
  while (batch_end_row(&b)) n++;
  ck_assert_uint_eq(n, BATCH_MAX_ROWS);
  ck_assert_uint_eq(b.n_rows, BATCH_MAX_ROWS);
  batch_clear(&b);
  batch_free(&b);
}
END_TEST

START_TEST(wide_rows_start_with_few) {
  batch b;
  ck_assert(batch_init(&b, 2000, 1 << 20));
  ck_assert_uint_le(b.row_limit, 2);
  for (int row = 0; row < 20; row++) {
    for (int c = row; c < 2000; c += 7) batch_integer(&b, c, row * 2000 + c);
    ck_assert(batch_end_row(&b));
  }
  for (uint32_t row = 0; row < 20; row++)
    for (uint32_t c = 0; c < 2000; c++) {
      bool set = c >= row && (c - row) % 7 == 0;
      if (storage_at(&b, (int)c, row) != (set ? STORAGE_INTEGER : STORAGE_NULL) ||
          (set && cell_at(&b, (int)c, row).integer != row * 2000 + c))
        ck_abort_msg("row %u, column %u", row, c);
    }
  batch_free(&b);
}
END_TEST

START_TEST(values_of_every_storage_are_copied) {
  batch b;
  double nan = strtod("nan", NULL);
  value list = {.storage = STORAGE_LIST};
  ck_assert(batch_init(&b, 6, 1000));
  batch_value(&b, 0, &(value){.storage = STORAGE_INTEGER, .integer = 7});
  batch_value(&b, 1, &(value){.storage = STORAGE_REAL, .real = nan});
  batch_value(&b, 2, &(value){.storage = STORAGE_TEXT, .bytes = "ab", .length = 2});
  batch_value(&b, 3, &(value){.storage = STORAGE_NULL});
  batch_value(&b, 4, &list);
  batch_value(&b, 5, &(value){.storage = STORAGE_BLOB, .bytes = "c", .length = 1});
  ck_assert(batch_end_row(&b));
  static const storage expected[] = {STORAGE_INTEGER, STORAGE_NULL, STORAGE_TEXT,
                                     STORAGE_NULL,    STORAGE_NULL, STORAGE_BLOB};
  for (int i = 0; i < 6; i++) ck_assert_int_eq(storage_at(&b, i, 0), expected[i]);
  ck_assert(memcmp(b.heap, "ab\0c", 5) == 0);
  batch_free(&b);
}
END_TEST

#ifdef TSKDB_FAULT_INJECTION
/* Whichever allocation fails: no row is lost or wrong, and the batch says that it is full or
** failed. */
START_TEST(every_failed_allocation_is_told) {
  bool clean = false;
  for (long nth = 1; !clean; nth++) {
    batch b;
    uint32_t n = 0;
    mem_fail_after(nth, nth % 2);
    bool begun = batch_init(&b, 5, (size_t)64 << 20);
    while (begun && n < 2000 && put_row(&b, n)) n++;
    mem_fail_after(0, 0);
    clean = begun && n == 2000;
    if (begun && !clean && !b.failed) n++;
    ck_assert_uint_eq(b.n_rows, begun ? n : 0);
    for (uint32_t i = 0; i < b.n_rows; i++) expect_row(&b, i, i);
    batch_free(&b);
    ck_assert_int_lt(nth, 200);
  }
}
END_TEST
#endif

int main(void) {
  Suite *suite = suite_create("batch");
  TCase *cases = tcase_create("batch");
  tcase_set_timeout(cases, 60);
  tcase_add_test(cases, rows_survive_growing_and_clearing);
  tcase_add_test(cases, a_batch_is_full_at_its_bytes);
  tcase_add_test(cases, one_row_always_fits);
  tcase_add_test(cases, a_gigabyte_fits_and_beyond_4_gib_nothing_does);
  tcase_add_test(cases, an_empty_text_has_an_address);
  tcase_add_test(cases, rows_without_columns_are_counted);
  tcase_add_test(cases, wide_rows_start_with_few);
  tcase_add_test(cases, values_of_every_storage_are_copied);
#ifdef TSKDB_FAULT_INJECTION
  tcase_add_test(cases, every_failed_allocation_is_told);
#endif
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
