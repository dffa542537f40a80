/*
** redis_fixture.h - what the Redis driver's suites share beside driver_fixture:
** a connection for each case, commands with arguments of any bytes, the rows of
** their replies.
*/
#ifndef TESTS_REDIS_FIXTURE_H
#define TESTS_REDIS_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vtab/pushdown_comparison.h"

extern driver_entry tskdb_driver_redis;

/* Bytes with NULs: a literal without its own end. */
#define B(literal) \
  {.storage = STORAGE_BLOB, .bytes = literal, .length = sizeof(literal) - 1}

static inline int64_t command_values(connection *c, const char *native, const value *v, int n) {
  tskdb_error e = {0};
  int64_t affected = 0;
  tested->exec(c, native, v, n, &patient, &affected, &e);
  assert_no_error(&e, native);
  return affected;
}

/* COMMAND(c, "SET", B("key"), B("value")) */
#define COMMAND(c, native, ...) \
  command_values(c, native, (const value[]){__VA_ARGS__}, \
                 (int)(sizeof((const value[]){__VA_ARGS__}) / sizeof(value)))

/* All rows of a relation, sorted as lines, in a static buffer. */
static int compare_rows(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline const char *table_text(connection *c, const relation *r) {
  static buffer out;
  buffer raw = {0};
  tskdb_error e = {0};
  asked a;
  char *lines[1000], *rest;
  int n = 0;
  ask(&a, r);
  compile(&a, c);
  fetch_text(c, &a.request, &raw, &e);
  assert_no_error(&e, r->remote_name);
  for (size_t i = 0; i < raw.length; i++) {
    if (!raw.text[i]) raw.text[i] = '0';
  }
  rest = raw.text;
  for (char *line; rest && n < 1000 && (line = strsep(&rest, "\n")) && *line;) lines[n++] = line;
  qsort(lines, (size_t)n, sizeof(*lines), compare_rows);
  buffer_clear(&out);
  for (int i = 0; i < n; i++) buffer_printf(&out, "%s\n", lines[i]);
  buffer_free(&raw);
  arena_free(&a.memory);
  return buffer_cstr(&out);
}

static inline value number(int64_t i) { return (value){.storage = STORAGE_INTEGER, .integer = i}; }

/* The rows of a native command, in a static buffer; E receives what went wrong. */
static inline const char *reply_or_error(connection *on, const char *const *words, int n,
                                         tskdb_error *e) {
  static buffer out;
  static const discovery plain = {0};
  asked a;
  catalog *k = catalog_new();
  buffer_clear(&out);
  if (tested->describe(on, &(native_text){words, n}, &plain, &patient, k, e)) {
    ask(&a, &k->relations[0]);
    compile(&a, on);
    fetch_text(on, &a.request, &out, e);
    arena_free(&a.memory);
  }
  catalog_release(k);
  return buffer_cstr(&out);
}

static inline const char *reply_words(connection *on, const char *const *words, int n) {
  tskdb_error e = {0};
  const char *text = reply_or_error(on, words, n, &e);
  assert_no_error(&e, words[0]);
  return text;
}

#define REPLY(on, ...) \
  reply_words(on, (const char *const[]){__VA_ARGS__}, \
              (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

/* The connection of a case, to an empty database: setup() and teardown() are every suite's. */
static connection *c;

static void setup(void) {
  c = open_url(server_url);
  exec(c, "FLUSHDB");
}

static void teardown(void) {
  tested->close(c, false);
  c = NULL;
}

#endif
