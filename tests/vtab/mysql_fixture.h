/*
** mysql_fixture.h - a real MySQL or MariaDB server for a suite: a connection,
** native statements, a catalog, and the rows of a query as text.
**
** The server is $TSKDB_TEST_MYSQL; without it a suite exits with 77.
*/
#ifndef TESTS_MYSQL_FIXTURE_H
#define TESTS_MYSQL_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/buffer.h"
#include "vtab/driver.h"
#include "vtab/memory.h"
#include "vtab/pushdown.h"

extern driver_entry tskdb_driver_mysql;

static const wait_scope patient = {.timeout_ms = 30000, .wake_fd = -1};
static const driver *mysql;
static const char *server_url;

static inline void fixture_start(void) {
  static const driver_host host = {.contract = DRIVER_CONTRACT};
  server_url = getenv("TSKDB_TEST_MYSQL");
  if (!server_url || !*server_url) {
    puts("skipped: TSKDB_TEST_MYSQL is not set");
    exit(77);
  }
  mysql = tskdb_driver_mysql(&host);
}

static inline void assert_no_error(const tskdb_error *e, const char *what) {
  char text[1024];
  if (error_is_set(e))
    ck_abort_msg("%s: %s (%d)", what, error_format(e, text, sizeof text), e->native);
}

static inline connection *open_url(const char *url) {
  tskdb_error e = {0};
  endpoint at = {.url = url, .connect_timeout_ms = 10000};
  connection *c = mysql->open(&at, &patient, &e);
  assert_no_error(&e, "open");
  ck_assert_ptr_nonnull(c);
  return c;
}

static inline int64_t exec(connection *c, const char *native) {
  tskdb_error e = {0};
  int64_t affected = 0;
  mysql->exec(c, native, NULL, 0, &patient, &affected, &e);
  assert_no_error(&e, native);
  return affected;
}

static inline catalog *discover_with(connection *c, const discovery *want) {
  tskdb_error e = {0};
  catalog *out = catalog_new();
  ck_assert_ptr_nonnull(out);
  mysql->discover(c, want, &patient, out, &e);
  assert_no_error(&e, "discover");
  return out;
}

static inline catalog *discover(connection *c) {
  static const discovery plain = {0};
  return discover_with(c, &plain);
}

static inline const relation *relation_of(const catalog *k, const char *name) {
  const relation *r = catalog_find(k, name);
  if (!r) ck_abort_msg("no relation %s", name);
  return r;
}

static inline int column_at(const relation *r, const char *name) {
  for (int i = 0; i < r->n_columns; i++) {
    if (strcmp(r->columns[i].remote_name, name) == 0) return i;
  }
  ck_abort_msg("no column %s", name);
  return -1;
}

/* A query for all columns of one relation, to which a test may add. */
typedef struct asked {
  arena memory;
  query_source source;
  query q;
  request request;
} asked;

static inline void ask(asked *a, const relation *r) {
  *a = (asked){.source = {r}};
  a->q = (query){.sources = &a->source, .n_sources = 1, .n_select = r->n_columns};
  a->q.select = arena_alloc(&a->memory, (size_t)r->n_columns * sizeof(query_expr));
  for (int i = 0; i < r->n_columns; i++)
    a->q.select[i] = (query_expr){.kind = EXPR_COLUMN, .column = i};
}

static inline void compile(asked *a, connection *c) {
  tskdb_error e = {0};
  mysql->compile(&a->q, c->version, &a->memory, &a->request, &e);
  assert_no_error(&e, "compile");
}

/* One cell as SQLite's quote() would say it; text as it is. */
static inline void print_cell(buffer *out, const batch *b, int at, uint32_t row) {
  size_t i = (size_t)at * b->row_limit + row;
  char real[32];
  switch ((storage)b->storage[i]) {
    case STORAGE_INTEGER: buffer_printf(out, "%lld", (long long)b->cells[i].integer); break;
    case STORAGE_REAL:
      real[value_format_real(b->cells[i].real, real)] = 0;
      buffer_printf(out, "%s%s", real, strpbrk(real, ".eI") ? "" : ".0");
      break;
    case STORAGE_TEXT:
      buffer_append(out, b->heap + b->cells[i].bytes.offset, b->cells[i].bytes.length);
      break;
    case STORAGE_BLOB:
      buffer_text(out, "x'");
      for (uint32_t k = 0; k < b->cells[i].bytes.length; k++) {
        buffer_printf(out, "%02x", (unsigned char)b->heap[b->cells[i].bytes.offset + k]);
      }
      buffer_char(out, '\'');
      break;
    default: buffer_text(out, "NULL");
  }
}

/* All rows: cells joined by '|', rows by newlines. The error is the caller's to judge. */
static inline bool fetch_text(connection *c, const request *r, buffer *out, tskdb_error *e) {
  batch b;
  scan_status status;
  scan *s = mysql->scan_open(c, r, &patient, e);
  if (!s) return false;
  ck_assert(batch_init(&b, r->query->n_select, 1 << 16));
  do {
    batch_clear(&b);
    status = mysql->scan_fetch(s, &b, &patient, e);
    for (uint32_t row = 0; status != SCAN_ERROR && row < b.n_rows; row++) {
      for (int i = 0; i < b.n_columns; i++) {
        if (i) buffer_char(out, '|');
        print_cell(out, &b, i, row);
      }
      buffer_char(out, '\n');
    }
  } while (status == SCAN_ROWS);
  batch_free(&b);
  mysql->scan_close(s);
  return status == SCAN_END;
}

/* The rows of a native query, in a static buffer. */
static inline const char *rows_of(connection *c, const char *native) {
  static buffer out;
  static const discovery plain = {0};
  tskdb_error e = {0};
  asked a;
  catalog *k = catalog_new();
  mysql->describe(c, &(native_text){&native, 1}, &plain, &patient, k, &e);
  assert_no_error(&e, native);
  ask(&a, &k->relations[0]);
  compile(&a, c);
  buffer_clear(&out);
  fetch_text(c, &a.request, &out, &e);
  assert_no_error(&e, native);
  arena_free(&a.memory);
  catalog_release(k);
  return buffer_cstr(&out);
}

#endif
