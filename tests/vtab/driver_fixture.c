/*
** driver_fixture.c - a driver on a real server, for its suites (driver_fixture.h).
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "tests/vtab/driver_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const wait_scope patient = {.timeout_ms = 30000, .wake_fd = -1};
const driver *tested;
const char *server_url;

void fixture_start(driver_entry *entry, const char *variable) {
  static const driver_host host = {.contract = DRIVER_CONTRACT};
  server_url = getenv(variable);
  if (!server_url || !*server_url) {
    printf("skipped: %s is not set\n", variable);
    exit(77);
  }
  tested = entry(&host);
}

void assert_no_error(const tskdb_error *e, const char *what) {
  char text[1024];
  if (error_is_set(e))
    ck_abort_msg("%s: %s (%d)", what, error_format(e, text, sizeof text), e->native);
}

/* ---- connections and statements ----------------------------------------------------- */

connection *open_url(const char *url) {
  tskdb_error e = {0};
  endpoint at = {.url = url, .connect_timeout_ms = 10000};
  connection *c = tested->open(&at, &patient, &e);
  assert_no_error(&e, "open");
  ck_assert_ptr_nonnull(c);
  return c;
}

const char *url_with(const char *password, const char *database, const char *tail) {
  static char out[1000];
  const char *at = strrchr(server_url, '@'), *slash = strrchr(server_url, '/');
  const char *colon = strchr(strstr(server_url, "//"), ':');
  if (!database) database = slash + 1;
  if (password) {
    snprintf(out, sizeof out, "%.*s:%s%.*s/%s%s", (int)(colon - server_url), server_url, password,
             (int)(slash - at), at, database, tail);
  } else {
    snprintf(out, sizeof out, "%.*s/%s%s", (int)(slash - server_url), server_url, database, tail);
  }
  return out;
}

void expect_refusal(const char *url, error_class klass, const char *words) {
  tskdb_error e = {0};
  endpoint at = {.url = url, .connect_timeout_ms = 3000};
  int64_t started = wait_now_us();
  ck_assert_ptr_null(tested->open(&at, &patient, &e));
  ck_assert_msg(e.klass == klass, "%s: class %s: %s", url, error_class_name(e.klass), e.text);
  ck_assert_msg(strstr(e.text, words), "%s: %s", url, e.text);
  ck_assert_msg(!strstr(e.text, "w:rd") && !strstr(e.text, "w%3Ard"), "a password: %s", e.text);
  ck_assert_int_lt(wait_now_us() - started, 5000000);
}

int64_t exec(connection *c, const char *native) {
  tskdb_error e = {0};
  int64_t affected = 0;
  tested->exec(c, native, NULL, 0, &patient, &affected, &e);
  assert_no_error(&e, native);
  return affected;
}

void exec_and_reset(connection *c, const char *native) {
  tskdb_error e = {0};
  exec(c, native);
  tested->reset(c, &patient, &e);
  assert_no_error(&e, "reset");
}

static void *cancel_soon(void *context) {
  usleep(300000);
  tested->cancel(context);
  return NULL;
}

bool exec_cancelled(connection *c, const char *native, tskdb_error *e) {
  pthread_t thread;
  int64_t affected;
  pthread_create(&thread, NULL, cancel_soon, c);
  bool ok = tested->exec(c, native, NULL, 0, &patient, &affected, e);
  pthread_join(thread, NULL);
  return ok;
}

/* ---- catalogs ------------------------------------------------------------------------- */

catalog *discover_with(connection *c, const discovery *want) {
  tskdb_error e = {0};
  catalog *out = catalog_new();
  ck_assert_ptr_nonnull(out);
  if (tested->discover(c, want, &patient, out, &e)) catalog_finish(out, &e);
  assert_no_error(&e, "discover");
  return out;
}

catalog *discover(connection *c) {
  static const discovery plain = {0};
  return discover_with(c, &plain);
}

const relation *relation_of(const catalog *k, const char *name) {
  const relation *r = catalog_find(k, name);
  if (!r) ck_abort_msg("no relation %s", name);
  return r;
}

int column_at(const relation *r, const char *name) {
  for (int i = 0; i < r->n_columns; i++) {
    if (strcmp(r->columns[i].remote_name, name) == 0) return i;
  }
  ck_abort_msg("no column %s", name);
  return -1;
}

/* ---- queries ---------------------------------------------------------------------------- */

void ask(asked *a, const relation *r) {
  *a = (asked){.source = {r}};
  a->q = (query){.sources = &a->source, .n_sources = 1, .n_select = r->n_columns};
  a->q.select = arena_alloc(&a->memory, (size_t)r->n_columns * sizeof(query_expr));
  for (int i = 0; i < r->n_columns; i++)
    a->q.select[i] = (query_expr){.kind = EXPR_COLUMN, .column = i};
}

void ask_column(asked *a, const relation *r, int col) {
  ask(a, r);
  a->q.select += col;
  a->q.n_select = 1;
}

void compile(asked *a, connection *c) {
  tskdb_error e = {0};
  tested->compile(&a->q, c->version, &a->memory, &a->request, &e);
  assert_no_error(&e, "compile");
}

value cell_of(const batch *b, int col, uint32_t row) {
  size_t i = (size_t)col * b->row_limit + row;
  value v = {.storage = (storage)b->storage[i]};
  switch (v.storage) {
    case STORAGE_INTEGER: v.integer = b->cells[i].integer; break;
    case STORAGE_REAL: v.real = b->cells[i].real; break;
    case STORAGE_TEXT:
    case STORAGE_BLOB:
      v.bytes = b->heap + b->cells[i].bytes.offset;
      v.length = b->cells[i].bytes.length;
      break;
    default: break;
  }
  return v;
}

void print_value(buffer *out, const value *v) {
  char real[32];
  switch (v->storage) {
    case STORAGE_INTEGER: buffer_printf(out, "%lld", (long long)v->integer); break;
    case STORAGE_REAL:
      real[value_format_real(v->real, real)] = 0;
      buffer_printf(out, "%s%s", real, strpbrk(real, ".eI") ? "" : ".0");
      break;
    case STORAGE_TEXT: buffer_append(out, v->bytes, v->length); break;
    case STORAGE_BLOB:
      buffer_text(out, "x'");
      for (size_t i = 0; i < v->length; i++) buffer_printf(out, "%02x", (unsigned char)v->bytes[i]);
      buffer_char(out, '\'');
      break;
    default: buffer_text(out, "NULL");
  }
}

bool scan_rows(connection *c, const request *r, row_taker *take, void *context, tskdb_error *e) {
  batch b;
  scan_status status;
  scan *s = tested->scan_open(c, r, &patient, e);
  if (!s) return false;
  ck_assert(batch_init(&b, r->query->n_select, 1 << 16));
  do {
    batch_clear(&b);
    status = tested->scan_fetch(s, &b, &patient, e);
    for (uint32_t row = 0; status != SCAN_ERROR && row < b.n_rows; row++) take(context, &b, row);
  } while (status == SCAN_ROWS);
  batch_free(&b);
  tested->scan_close(s);
  return status == SCAN_END;
}

static void print_row(void *context, const batch *b, uint32_t row) {
  buffer *out = context;
  for (int i = 0; i < b->n_columns; i++) {
    value v = cell_of(b, i, row);
    if (i) buffer_char(out, '|');
    print_value(out, &v);
  }
  buffer_char(out, '\n');
}

bool fetch_text(connection *c, const request *r, buffer *out, tskdb_error *e) {
  return scan_rows(c, r, print_row, out, e);
}

const char *rows_of(connection *c, const char *native) {
  static buffer out;
  static const discovery plain = {0};
  tskdb_error e = {0};
  asked a;
  catalog *k = catalog_new();
  if (tested->describe(c, &(native_text){&native, 1}, &plain, &patient, k, &e))
    catalog_finish(k, &e);
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

const char *read_column(connection *c, const char *table, const char *name) {
  static buffer out;
  tskdb_error e = {0};
  asked a;
  catalog *k = discover(c);
  const relation *r = relation_of(k, table);
  ask_column(&a, r, column_at(r, name));
  compile(&a, c);
  buffer_clear(&out);
  fetch_text(c, &a.request, &out, &e);
  assert_no_error(&e, table);
  arena_free(&a.memory);
  catalog_release(k);
  return buffer_cstr(&out);
}
