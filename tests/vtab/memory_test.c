/*
** memory_test.c - allocation, arenas and buffers do what they say, also when
** memory ends.
** Budget: 5 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdint.h>
#include <string.h>

#include "tests/vtab/suite.h"
#include "vtab/arena.h"
#include "vtab/buffer.h"
#include "vtab/memory.h"

START_TEST(nothing_is_an_allocation_too) {
  void *a = mem_alloc(0), *b = mem_zalloc(0), *d = mem_realloc(NULL, 0);
  ck_assert(a && b && d);
  mem_free(a);
  mem_free(b);
  mem_free(mem_realloc(d, 0));
  mem_free(NULL);
  ck_assert_ptr_null(mem_strdup(NULL));
  ck_assert_ptr_null(mem_strndup("x", SIZE_MAX));
}
END_TEST

START_TEST(copies_are_terminated) {
  char *a = mem_strdup("abc"), *b = mem_strndup("a\0c", 3);
  ck_assert_str_eq(a, "abc");
  ck_assert(memcmp(b, "a\0c", 4) == 0);
  mem_wipe(a, 3);
  ck_assert(memcmp(a, "\0\0\0", 4) == 0);
  mem_wipe(NULL, 3);
  mem_free(a);
  mem_free(b);
}
END_TEST

START_TEST(an_array_of_an_arena_grows_and_keeps_its_elements) {
  enum { MANY = 5000 };
  arena a = {0};
  int *list = NULL;
  for (int i = 0; i < MANY; i++) {
    list = arena_more(&a, list, (size_t)i, sizeof(*list));
    ck_assert_ptr_nonnull(list);
    list[i] = i;
    arena_alloc(&a, (size_t)i % 40 + 1);   /* what stands behind it is not its room */
  }
  for (int i = 0; i < MANY; i++) ck_assert_int_eq(list[i], i);
  ck_assert_ptr_null(arena_more(&a, list, SIZE_MAX / 2 + 1, sizeof(*list)));
  ck_assert(a.failed);
  arena_free(&a);
}
END_TEST

START_TEST(an_arena_gives_zeroed_aligned_memory) {
  arena a = {0};
  for (size_t i = 0; i < 3000; i++) {
    size_t size = i * 37 % 500 + (i % 300 == 0 ? 100000 : 0);
    unsigned char *p = arena_alloc(&a, size);
    ck_assert_ptr_nonnull(p);
    if ((uintptr_t)p % _Alignof(max_align_t)) ck_abort_msg("not aligned");
    for (size_t k = 0; k < size; k++)
      if (p[k]) ck_abort_msg("not zeroed");
    memset(p, 0xAA, size);
    if (i % 1000 == 999) arena_reset(&a);
  }
  ck_assert_str_eq(arena_printf(&a, "%s-%05d", "x", 42), "x-00042");
  ck_assert_str_eq(arena_strdup(&a, "é"), "é");
  ck_assert_ptr_null(arena_strdup(&a, NULL));
  ck_assert(memcmp(arena_strndup(&a, "a\0bc", 3), "a\0b", 4) == 0);
  arena_free(&a);
  ck_assert_ptr_nonnull(arena_alloc(&a, 1));
  arena_free(&a);
  arena_free(&a);
}
END_TEST

START_TEST(an_arena_refuses_what_cannot_be) {
  arena a;
  arena_init(&a);
  ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
  ck_assert(a.failed);
  ck_assert_ptr_null(arena_alloc(&a, 1));
  arena_reset(&a);
  ck_assert(!a.failed);
  ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX - 64));
  arena_reset(&a);
  ck_assert_ptr_null(arena_strndup(&a, "x", SIZE_MAX));
  arena_free(&a);
}
END_TEST

START_TEST(a_buffer_grows_and_stays_terminated) {
  buffer b;
  buffer_init(&b);
  ck_assert_str_eq(buffer_cstr(&b), "");
  buffer_text(&b, NULL);
  buffer_text(&b, "");
  for (int i = 0; i < 1000; i++) {
    buffer_char(&b, 'x');
    buffer_printf(&b, "%d,", i);
    buffer_append(&b, "a\0b", 3);
    if (strlen(b.text + b.length)) ck_abort_msg("not terminated");
  }
  ck_assert_uint_eq(b.length, 7890);
  buffer_clear(&b);
  ck_assert_str_eq(buffer_cstr(&b), "");
  buffer_free(&b);
  ck_assert_ptr_null(b.text);
}
END_TEST

START_TEST(quotes_are_doubled) {
  buffer b = {0};
  buffer_quoted(&b, "a\"b\"\"", '"');
  buffer_quoted(&b, "", '`');
  buffer_quoted(&b, "it's", '\'');
  ck_assert_str_eq(b.text, "\"a\"\"b\"\"\"\"\"``'it''s'");
  buffer_free(&b);
}
END_TEST

START_TEST(json_strings_are_escaped) {
  buffer b = {0};
  buffer_json(&b, "a\"\\/\b\f\n\r\t\x01\x1f\x7f\0é", 15);
  ck_assert_str_eq(b.text, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000é\"");
  buffer_clear(&b);
  buffer_json(&b, "", 0);
  ck_assert_str_eq(b.text, "\"\"");
  buffer_free(&b);
}
END_TEST

#ifdef TSKDB_FAULT_INJECTION
START_TEST(the_hook_fails_the_nth_allocation) {
  mem_fail_after(2, 0);
  void *a = mem_alloc(1), *b = mem_alloc(1), *d = mem_alloc(1);
  ck_assert(a && !b && d);
  ck_assert_int_eq(mem_fail_after(1, 1), 3);
  ck_assert(!mem_alloc(1) && !mem_zalloc(1) && !mem_realloc(a, 1) && !mem_strdup("x"));
  ck_assert_int_eq(mem_fail_after(0, 0), 4);
  mem_free(a);
  mem_free(d);
}
END_TEST

START_TEST(a_failed_arena_stays_failed_until_reset) {
  arena a = {0};
  ck_assert_ptr_nonnull(arena_alloc(&a, 1));
  mem_fail_after(1, 0);
  ck_assert_ptr_null(arena_alloc(&a, 5000));
  ck_assert_ptr_null(arena_alloc(&a, 1));
  ck_assert_ptr_null(arena_printf(&a, "x"));
  ck_assert(a.failed);
  arena_reset(&a);
  ck_assert_ptr_nonnull(arena_alloc(&a, 5000));
  arena_free(&a);
}
END_TEST

START_TEST(a_failed_buffer_keeps_what_it_had) {
  buffer b = {0};
  buffer_text(&b, "kept");
  mem_fail_after(1, 0);
  buffer_printf(&b, "%200d", 1);
  ck_assert(b.failed);
  buffer_text(&b, "x");
  buffer_json(&b, "x", 1);
  ck_assert_str_eq(buffer_cstr(&b), "kept");
  buffer_clear(&b);
  buffer_text(&b, "again");
  ck_assert_str_eq(buffer_cstr(&b), "again");
  ck_assert(!b.failed);
  buffer_free(&b);
}
END_TEST
#endif

int main(void) {
  Suite *suite = suite_create("memory");
  TCase *cases = tcase_create("memory");
  tcase_add_test(cases, nothing_is_an_allocation_too);
  tcase_add_test(cases, copies_are_terminated);
  tcase_add_test(cases, an_arena_gives_zeroed_aligned_memory);
  tcase_add_test(cases, an_array_of_an_arena_grows_and_keeps_its_elements);
  tcase_add_test(cases, an_arena_refuses_what_cannot_be);
  tcase_add_test(cases, a_buffer_grows_and_stays_terminated);
  tcase_add_test(cases, quotes_are_doubled);
  tcase_add_test(cases, json_strings_are_escaped);
#ifdef TSKDB_FAULT_INJECTION
  tcase_add_test(cases, the_hook_fails_the_nth_allocation);
  tcase_add_test(cases, a_failed_arena_stays_failed_until_reset);
  tcase_add_test(cases, a_failed_buffer_keeps_what_it_had);
#endif
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
