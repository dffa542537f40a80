/*
** cursor.c - one scan of a virtual table.
**
** xFilter decodes the plan, turns it and the values into a query, has the
** driver compile it, takes a connection and fetches the first batch.  If rows
** are left when that batch has been read, a worker fetches the rest
** (prefetch.c).
**
** Invariants:
**   1. A cursor has a connection exactly while a request is under way.
**   2. A scan that fails in the middle is an error, never the end of rows.
**   3. Nothing of the previous scan survives cursor_end_scan() but memory.
**   4. Text and blobs are given to SQLite as copies: a register may outlive
**      the batch (max(), a sorter).
**   5. A request belongs to the process that sent it: a forked child reads no
**      row of it and says nothing to the server.
*/
#include "vtab/cursor.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vtab/buffer.h"
#include "vtab/interrupt.h"
#include "vtab/memory.h"
#include "vtab/prefetch.h"

enum {
  FIRST_BATCH_BYTES = 256 * 1024,  /* smaller: a result that fits in it needs no worker */
  SPARE_BYTES = 16 * 1024,         /* of a batch that is kept with its cursor */
  SPARE_ROWS = 256,
  BULK_ROWS = 2000                 /* a relation of so many, or of nobody knows how many */
};

struct cursor {
  sqlite3_vtab_cursor base;    /* SQLite's; first */
  table *table;
  wait_scope wait;

  /* the plan, kept while xFilter comes with the same text */
  arena plan_arena;
  char *plan_text;             /* NULL: no plan is decoded */
  plan plan;
  int *position;               /* relation column -> batch column, -1: not fetched */

  /* the scan; zero from here on when it has ended */
  arena arena;                 /* query, request, converted values */
  query query;
  request request;
  connection *connection;      /* not NULL while a request is under way */
  pid_t process;               /* that sent it */
  scan *scan;
  prefetch *prefetch;          /* not NULL: the worker owns scan and connection */
  bool more;                   /* the scan has rows beyond the batch */
  batch batch;
  uint32_t row;                /* current one, in batch */
  int64_t ordinal;             /* of the current row in the scan, from 1 */

  /* for tskdb_requests */
  request_record record;
  int64_t started_us;
  uint64_t round_trips_before, bytes_before;
};

/* A statement that is run again and again opens the same cursor each time: one
** is kept with its plan and memory. */
int cursor_open(table *t, cursor **out) {
  if (t->spare) {
    *out = t->spare;
    t->spare = NULL;
    return SQLITE_OK;
  }
  cursor *c = mem_zalloc(sizeof(*c));
  *out = c;
  if (!c) return SQLITE_NOMEM;
  c->table = t;
  c->wait = interrupt_scope(t->db, t->server->options.timeout_ms);
  return SQLITE_OK;
}

static double unix_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double elapsed_ms(const cursor *c) {
  return (double)(wait_now_us() - c->started_us) / 1000.0;
}

static void record_end(cursor *c, const tskdb_error *e) {
  request_record *r = &c->record;
  r->text = c->request.text;
  r->last_ms = elapsed_ms(c);
  r->round_trips = (int64_t)(c->connection->round_trips - c->round_trips_before);
  r->bytes = (int64_t)(c->connection->bytes_received - c->bytes_before);
  r->error = e ? e->text : NULL;
  c->table->server->record(c->table->server, r);
}

/* Stops the request, if one is under way, and gives its connection back.  E is
** the error that ended it, NULL if none did. */
static void end_request(cursor *c, const tskdb_error *e) {
  prefetch_stop(c->prefetch);
  c->prefetch = NULL;
  if (!c->connection) return;
  server *s = c->table->server;
  record_end(c, e);
  /* A child's copy of its parent's scan is left as it is: ending it would talk. */
  if (c->scan && c->process == getpid()) s->driver->scan_close(c->scan);
  s->release(s, c->connection);
  c->scan = NULL;
  c->connection = NULL;
}

static void cursor_end_scan(cursor *c, const tskdb_error *e) {
  end_request(c, e);
  c->more = false;
  c->row = 0;
  c->ordinal = 0;
  batch_clear(&c->batch);
  arena_reset(&c->arena);
}

static void cursor_free(cursor *c) {
  batch_free(&c->batch);
  arena_free(&c->arena);
  arena_free(&c->plan_arena);
  mem_free(c->plan_text);
  mem_free(c);
}

void cursor_close(cursor *c) {
  table *t = c->table;
  cursor_end_scan(c, NULL);
  if (t->spare || c->batch.heap_size > SPARE_BYTES || c->batch.row_limit > SPARE_ROWS) {
    cursor_free(c);
  } else {
    t->spare = c;
  }
}

void cursor_free_spare(table *t) {
  if (t->spare) cursor_free(t->spare);
  t->spare = NULL;
}

static int cursor_fail(cursor *c, tskdb_error *e) {
  if (e->klass == ERROR_STALE) {
    error_prefix(e, "table \"%s\" has changed since it was attached, tskdb_refresh('%s') looks again",
                 c->table->relation->name, c->table->server->name);
  }
  cursor_end_scan(c, e);
  return table_fail(c->table, e);
}

/* Decodes TEXT unless it is the plan that the cursor has. */
static bool adopt_plan(cursor *c, const char *text, tskdb_error *e) {
  const relation *r = c->table->relation;
  if (c->plan_text && text && strcmp(c->plan_text, text) == 0) return true;
  mem_free(c->plan_text);
  c->plan_text = NULL;
  arena_reset(&c->plan_arena);
  if (!plan_decode(text, r, &c->plan_arena, &c->plan)) {
    return c->plan_arena.failed ? error_memory(e) : error_set(e, ERROR_INTERNAL, "not a plan of this table");
  }
  c->position = arena_alloc(&c->plan_arena, (size_t)r->n_columns * sizeof(*c->position));
  if (!c->position) return error_memory(e);
  for (int i = 0; i < r->n_columns; i++) c->position[i] = -1;
  for (int i = 0; i < c->plan.n_columns; i++) c->position[c->plan.columns[i]] = i;
  batch_free(&c->batch);
  if (!batch_init(&c->batch, c->plan.n_columns, FIRST_BATCH_BYTES)) return error_memory(e);
  c->plan_text = mem_strdup(text);
  return c->plan_text ? true : error_memory(e);
}

/* SQLite keeps an element of an IN list only until the next is asked for. */
static value copied(value v, arena *a) {
  if (v.storage == STORAGE_TEXT || v.storage == STORAGE_BLOB) {
    v.bytes = arena_strndup(a, v.bytes ? v.bytes : "", v.length);
  }
  return v;
}

/* The elements of an IN list.  SQLite does not say how many there are. */
static bool read_list(sqlite3_value *argument, arena *a, value *out) {
  value *list = NULL;
  size_t n = 0, capacity = 0;
  sqlite3_value *element = NULL;
  int rc = sqlite3_vtab_in_first(argument, &element);
  for (; rc == SQLITE_OK && element; rc = sqlite3_vtab_in_next(argument, &element)) {
    if (n == capacity) {
      capacity = capacity ? 2 * capacity : 16;
      value *grown = arena_alloc(a, capacity * sizeof(*grown));
      if (!grown) return false;
      if (n) memcpy(grown, list, n * sizeof(*grown));
      list = grown;
    }
    list[n++] = copied(sqlite_value(element), a);
  }
  *out = (value){.storage = STORAGE_LIST, .list = list, .n_list = n};
  return rc == SQLITE_OK || rc == SQLITE_DONE;
}

static bool is_list(const plan *p, int argument) {
  for (int i = 0; i < p->n_terms; i++) {
    if (p->terms[i].argument == argument) return p->terms[i].op == OP_IN;
  }
  return false;
}

/* All values are copied: SQLite owns its own only during xFilter, and the scan goes on after it. */
static value *read_arguments(cursor *c, int argc, sqlite3_value **argv) {
  value *arguments = arena_alloc(&c->arena, ((size_t)argc + 1) * sizeof(*arguments));
  for (int i = 0; arguments && i < argc; i++) {
    if (!is_list(&c->plan, i)) {
      arguments[i] = copied(sqlite_value(argv[i]), &c->arena);
    } else if (!read_list(argv[i], &c->arena, &arguments[i])) {
      return NULL;
    }
  }
  return c->arena.failed ? NULL : arguments;
}

static scan_status fetch_batch(cursor *c, tskdb_error *e) {
  if (c->prefetch) return prefetch_take(c->prefetch, &c->batch, &c->wait, e);
  batch_clear(&c->batch);
  return c->table->server->driver->scan_fetch(c->scan, &c->batch, &c->wait, e);
}

/* Fetches the next rows; none are left if the batch is empty. False with an error set. */
static bool fetch(cursor *c, tskdb_error *e) {
  if (c->process != getpid()) {
    return error_set(e, ERROR_LIMIT, "a scan that began before fork() cannot go on in the child");
  }
  do {   /* a batch may be empty although rows follow */
    scan_status status = fetch_batch(c, e);
    if (status == SCAN_ERROR) return false;
    if (c->batch.failed) return error_memory(e);
    c->more = status == SCAN_ROWS;
  } while (c->batch.n_rows == 0 && c->more);
  c->row = 0;
  c->record.rows += c->batch.n_rows;
  return true;
}

static bool send(cursor *c, tskdb_error *e) {
  server *s = c->table->server;
  c->connection = s->acquire(s, &c->wait, e);
  if (!c->connection) return false;
  c->process = getpid();
  c->record = (request_record){.started = unix_time()};
  c->started_us = wait_now_us();
  c->round_trips_before = c->connection->round_trips;
  c->bytes_before = c->connection->bytes_received;
  c->batch.byte_limit = FIRST_BATCH_BYTES;
  c->scan = s->driver->scan_open(c->connection, &c->request, &c->wait, e);
  if (!c->scan || !fetch(c, e)) return false;
  c->record.first_ms = elapsed_ms(c);
  return true;
}

/* A pooled connection may have died unnoticed.  Nothing has been handed out
** yet and a relation is only read, so one more try, on another connection, is
** safe; a native statement may do more than read. */
static bool is_worth_another_try(const cursor *c, const tskdb_error *e) {
  return e->klass == ERROR_NETWORK && c->table->relation->kind != RELATION_QUERY;
}

static bool start_scan(cursor *c, tskdb_error *e) {
  const driver *d = c->table->server->driver;
  if (!d->compile(&c->query, c->table->catalog->version, &c->arena, &c->request, e)) return false;
  if (send(c, e)) return true;
  if (!is_worth_another_try(c, e)) return false;
  end_request(c, e);
  tskdb_error first = *e;
  error_clear(e);
  if (send(c, e)) return true;
  if (e->klass != ERROR_NETWORK) return false;
  *e = first;
  return false;
}

/* Ends the scan as soon as its last batch is here, so that its connection can
** serve another while this batch is read. */
static void settle(cursor *c) {
  if (c->more) return;
  batch kept = c->batch;
  int64_t ordinal = c->ordinal;
  c->batch = (batch){0};
  cursor_end_scan(c, NULL);
  c->batch = kept;
  c->ordinal = ordinal;
}

int cursor_filter(cursor *c, const char *plan_text, int argc, sqlite3_value **argv) {
  tskdb_error e = {0};
  bool empty = false;
  cursor_end_scan(c, NULL);
  if (!adopt_plan(c, plan_text, &e)) return cursor_fail(c, &e);
  value *arguments = read_arguments(c, argc, argv);
  plan_subject subject = table_subject(c->table);
  if (!arguments || !plan_query(&c->plan, &subject, arguments, argc, &c->arena, &c->query, &empty)) {
    error_memory(&e);
    return cursor_fail(c, &e);
  }
  if (empty) return SQLITE_OK;
  double rows = c->table->relation->rows;
  c->query.bulk = c->table->server->options.bulk && (rows < 0 || rows >= BULK_ROWS);
  if (!start_scan(c, &e)) return cursor_fail(c, &e);
  c->ordinal = 1;
  settle(c);
  return SQLITE_OK;
}

/* The first batch is read and there are more: time for a worker. */
static void start_worker(cursor *c) {
  const server_options *o = &c->table->server->options;
  c->batch.byte_limit = o->batch_bytes;
  if (!o->prefetch) return;
  c->prefetch = prefetch_start(c->table->server->driver, c->scan, c->plan.n_columns, o->batch_bytes,
                               o->timeout_ms);
}

static int next_batch(cursor *c) {
  tskdb_error e = {0};
  if (!c->prefetch) start_worker(c);
  if (!fetch(c, &e)) return cursor_fail(c, &e);
  settle(c);
  return SQLITE_OK;
}

int cursor_next(cursor *c) {
  c->ordinal++;
  if (++c->row < c->batch.n_rows || !c->more) return SQLITE_OK;
  return next_batch(c);
}

bool cursor_eof(const cursor *c) { return c->row >= c->batch.n_rows; }

static value cell(const cursor *c, int col) {
  int at = c->position[col];
  if (at < 0) return (value){.storage = STORAGE_NULL};
  size_t slot = (size_t)at * c->batch.row_limit + c->row;
  const batch_cell *found = &c->batch.cells[slot];
  value v = {.storage = (storage)c->batch.storage[slot]};
  switch (v.storage) {
    case STORAGE_INTEGER: v.integer = found->integer; break;
    case STORAGE_REAL: v.real = found->real; break;
    case STORAGE_TEXT: case STORAGE_BLOB:
      v.bytes = c->batch.heap + found->bytes.offset;
      v.length = found->bytes.length;
      break;
    default: break;
  }
  return v;
}

/* The hidden key as a JSON array of the key's values; a blob is {"hex":"…"}, so
** that different keys have different texts. */
static void print_key(const cursor *c, buffer *out) {
  const relation *r = c->table->relation;
  for (int i = 0; i < r->n_key; i++) {
    value v = cell(c, r->key[i]);
    buffer_char(out, i ? ',' : '[');
    switch (v.storage) {
      case STORAGE_INTEGER: buffer_printf(out, "%lld", (long long)v.integer); break;
      case STORAGE_TEXT: buffer_json(out, v.bytes, v.length); break;
      case STORAGE_BLOB:
        buffer_text(out, "{\"hex\":\"");
        for (size_t k = 0; k < v.length; k++) buffer_printf(out, "%02x", (unsigned char)v.bytes[k]);
        buffer_text(out, "\"}");
        break;
      case STORAGE_REAL: {
        char text[32];
        buffer_append(out, text, value_format_real(v.real, text));
        break;
      }
      default: buffer_text(out, "null");
    }
  }
  buffer_char(out, ']');
}

static int result_key(const cursor *c, sqlite3_context *out) {
  buffer text = {0};
  print_key(c, &text);
  if (text.failed) {
    sqlite3_result_error_nomem(out);
  } else {
    sqlite3_result_text64(out, buffer_cstr(&text), text.length, SQLITE_TRANSIENT, SQLITE_UTF8);
  }
  buffer_free(&text);
  return SQLITE_OK;
}

/* A text that has its NUL at its end and nowhere else: SQLite then copies the
** NUL too and need not make room for one when the text is read. */
static void result_text(sqlite3_context *out, const char *text, size_t length) {
  bool whole = strlen(text) == length;
  if (whole) sqlite3_result_text(out, text, -1, SQLITE_TRANSIENT);
  else sqlite3_result_text64(out, text, length, SQLITE_TRANSIENT, SQLITE_UTF8);
}

int cursor_column(cursor *c, sqlite3_context *out, int column_number) {
  const relation *r = c->table->relation;
  if (column_number == c->table->key_column) return result_key(c, out);
  if (column_number < 0 || column_number >= r->n_columns || c->position[column_number] < 0) {
    sqlite3_result_error(out, "tskdb: a column is read that the statement did not name", -1);
    return SQLITE_ERROR;
  }
  const batch *b = &c->batch;
  size_t slot = (size_t)c->position[column_number] * b->row_limit + c->row;
  const batch_cell *found = &b->cells[slot];
  switch (b->storage[slot]) {
    case STORAGE_INTEGER: sqlite3_result_int64(out, found->integer); break;
    case STORAGE_REAL: sqlite3_result_double(out, found->real); break;
    case STORAGE_TEXT: result_text(out, b->heap + found->bytes.offset, found->bytes.length); break;
    case STORAGE_BLOB:
      sqlite3_result_blob64(out, b->heap + found->bytes.offset, found->bytes.length, SQLITE_TRANSIENT);
      break;
    default: sqlite3_result_null(out);
  }
  return SQLITE_OK;
}

int cursor_rowid(cursor *c, sqlite3_int64 *out) {
  const relation *r = c->table->relation;
  *out = r->key_is_rowid ? cell(c, r->key[0]).integer : c->ordinal;
  return SQLITE_OK;
}
