/*
** scan.c - rows of a prepared statement, from the wire into batches.
**
** The binary protocol, unbuffered: the server sends while we read.  Each
** value is decoded once, into the batch; long ones directly.
**
** Invariants:
**   1. Before the first row the fields are compared with the columns that the
**      query was made for (types_cell); a changed table is ERROR_STALE.
**   2. The end of rows, a row and an error are told apart: a lost connection
**      or an error of the server in the midst of the rows is SCAN_ERROR.
**   3. After scan_close() the connection is idle or marked broken.
**   4. Text that is not valid UTF-8 is delivered as a BLOB.  A number or a time
**      that is none is an error: the server, or somebody on the way, is wrong.
*/
#include <string.h>

#include "vtab/memory.h"
#include "vtab/mysql/mysql_driver.h"

enum {
  CELL_MIN = 64,               /* first size of a buffer for text or bytes */
  CELL_MAX = 1 << 16,          /* longer values go directly into the batch */
  PATIENCE_MS = 20,            /* reading a closed scan's rest before KILL QUERY */
  DRAIN_CHECK = 256            /* rows between two looks at the clock */
};

struct scan {
  mysql_connection *c;
  statement *s;
  const request *request;
  bool ended;                  /* nothing of it is on the wire */
  bool rebind;                 /* a buffer has moved since mysql_stmt_bind_result() */
};

/* ---- opening ------------------------------------------------------------------- */

static const column *column_of(const scan *s, int i) {
  return query_column(s->request->query, i);
}

static const char *relation_name(const scan *s) {
  const relation *r = s->request->query->sources[0].relation;
  return r->remote_name ? r->remote_name : "query";
}

/* The buffer that a cell of this kind is fetched into. */
static bool bind_cell(MYSQL_BIND *bind, cell_buffer *cell, const MYSQL_FIELD *f) {
  static const struct { enum enum_field_types type; } fetched[] = {
    [CELL_INTEGER] = {MYSQL_TYPE_LONGLONG}, [CELL_UNSIGNED] = {MYSQL_TYPE_LONGLONG},
    [CELL_UNSIGNED_TEXT] = {MYSQL_TYPE_LONGLONG}, [CELL_FLOAT] = {MYSQL_TYPE_FLOAT},
    [CELL_DOUBLE] = {MYSQL_TYPE_DOUBLE}, [CELL_DECIMAL] = {MYSQL_TYPE_STRING},
    [CELL_TEXT] = {MYSQL_TYPE_STRING}, [CELL_BYTES] = {MYSQL_TYPE_BLOB},
    [CELL_BIT] = {MYSQL_TYPE_BLOB}, [CELL_DATE] = {MYSQL_TYPE_DATE},
    [CELL_DATETIME] = {MYSQL_TYPE_DATETIME}, [CELL_TIME] = {MYSQL_TYPE_TIME},
  };
  *bind = (MYSQL_BIND){.buffer_type = fetched[cell->kind].type, .buffer = &cell->v,
                       .length = &cell->length, .is_null = &cell->null, .error = &cell->truncated};
  bind->is_unsigned = cell->kind == CELL_UNSIGNED || cell->kind == CELL_UNSIGNED_TEXT;
  bool counted = bind->buffer_type == MYSQL_TYPE_STRING || bind->buffer_type == MYSQL_TYPE_BLOB;
  if (!counted) return true;
  if (!cell->bytes) {
    cell->size = f->length < CELL_MIN       ? CELL_MIN
                 : f->length > 4 * CELL_MIN ? 4 * CELL_MIN
                                            : f->length;
    cell->bytes = mem_alloc(cell->size);
    if (!cell->bytes) return false;
  }
  bind->buffer = cell->bytes;
  bind->buffer_length = cell->size;
  return true;
}

static bool stale(const scan *s, const char *column_name, tskdb_error *e) {
  if (!column_name) {
    return error_set(e, ERROR_STALE,
                     "\"%s\" has changed: other columns arrive than those asked for",
                     relation_name(s));
  }
  return error_set(e, ERROR_STALE, "\"%s\" has changed: column \"%s\" now has another type",
                   relation_name(s), column_name);
}

/* Compares the fields with the columns and makes the buffers. */
static bool bind_fields(scan *s, const MYSQL_FIELD *fields, tskdb_error *e) {
  int n = s->request->query->n_select;
  if (!fields || s->s->n_fields != (n ? n : 1)) return stale(s, NULL, e);
  if (n == 0) {
    /* Only the rows count; SELECT NULL has no values. */
    s->s->binds[0] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_NULL};
    return true;
  }
  for (int i = 0; i < n; i++) {
    cell_buffer *cell = &s->s->cells[i];
    if (!types_cell(column_of(s, i), &fields[i], &cell->kind)) {
      return stale(s, column_of(s, i)->remote_name, e);
    }
    if (!bind_cell(&s->s->binds[i], cell, &fields[i])) return error_memory(e);
  }
  return true;
}

static bool start_rows(scan *s, const wire_call *call, tskdb_error *e) {
  MYSQL_RES *owned = NULL;
  const MYSQL_FIELD *fields = s->s->n_fields ? wire_fields(s->s->handle, &owned) : NULL;
  bool ok = bind_fields(s, fields, e);
  if (owned) mysql_free_result(owned);
  if (ok && mysql_stmt_bind_result(s->s->handle, s->s->binds)) {
    ok = wire_statement_error(call, s->c, s->s->handle, "cannot read the rows", e);
  }
  return ok;
}

scan *mysql_driver_scan_open(connection *base, const request *r, const wait_scope *w,
                             tskdb_error *e) {
  mysql_connection *c = (mysql_connection *)base;
  wire_call call;
  scan *s = mem_zalloc(sizeof(*s));
  if (!s) {
    error_memory(e);
    return NULL;
  }
  s->c = c;
  s->request = r;
  wire_begin(&call, c, w);
  s->s = statement_execute(c, r->text, r->hash, r->parameters, r->n_parameters, &call, e);
  bool ok = s->s && start_rows(s, &call, e);
  wire_end(&call);
  if (s->s) c->scan = s;
  else s->ended = true;
  if (ok) return s;
  mysql_driver_scan_close(s);
  return NULL;
}

/* ---- values ------------------------------------------------------------------------ */

/* The bytes of a cell, whatever their length: *PLACE is in the cell or, for
** a long value, at the end of the batch's heap.  False without memory. */
static bool cell_bytes(scan *s, int i, batch *b, const char **place) {
  cell_buffer *cell = &s->s->cells[i];
  MYSQL_BIND bind = s->s->binds[i];
  unsigned long length = cell->length;
  *place = cell->bytes;
  if (length <= cell->size) return true;
  if (length <= CELL_MAX) {
    unsigned long size = cell->size;
    while (size < length) size *= 2;
    char *grown = mem_realloc(cell->bytes, size);
    if (!grown) return false;
    cell->bytes = grown;
    cell->size = size;
    s->s->binds[i].buffer = grown;
    s->s->binds[i].buffer_length = size;
    s->rebind = true;
    bind.buffer = grown;
    bind.buffer_length = size;
  } else {
    bind.buffer = batch_reserve(b, length);
    bind.buffer_length = length;
    if (!bind.buffer) return false;
  }
  *place = bind.buffer;
  return mysql_stmt_fetch_column(s->s->handle, &bind, (unsigned int)i, 0) == 0;
}

static bool nonsense(const scan *s, int i, tskdb_error *e) {
  return error_set(e, ERROR_PROTOCOL, "column \"%s\": what the server sent makes no sense as %s",
                   column_of(s, i)->remote_name, column_of(s, i)->remote_type);
}

static bool decode_bytes(scan *s, int i, batch *b, cell_kind kind, tskdb_error *e) {
  const char *place;
  unsigned long length = s->s->cells[i].length;
  if (!cell_bytes(s, i, b, &place)) return error_memory(e);
  if (kind == CELL_DECIMAL) {
    value v = value_from_decimal(place, length);
    if (v.storage == STORAGE_TEXT) return nonsense(s, i, e);
    batch_value(b, i, &v);
  } else if (kind == CELL_BIT) {
    uint64_t bits = 0;
    if (length > sizeof(bits)) return nonsense(s, i, e);
    for (unsigned long k = 0; k < length; k++) bits = bits << 8 | (unsigned char)place[k];
    if (bits > INT64_MAX) return nonsense(s, i, e);
    batch_integer(b, i, (int64_t)bits);
  } else {
    bool text = kind == CELL_TEXT && value_is_utf8(place, length);
    batch_bytes_value(b, i, text ? STORAGE_TEXT : STORAGE_BLOB, place, length);
  }
  return true;
}

static void decode_unsigned(cell_buffer *cell, int i, batch *b) {
  uint64_t u = (uint64_t)cell->v.integer;
  char digits[24];
  if (cell->kind == CELL_UNSIGNED_TEXT) {
    char *at = digits + sizeof(digits);
    do *--at = (char)('0' + u % 10); while (u /= 10);
    batch_bytes_value(b, i, STORAGE_TEXT, at, (size_t)(digits + sizeof(digits) - at));
  } else if (u > INT64_MAX) {
    batch_real(b, i, (double)u);
  } else {
    batch_integer(b, i, (int64_t)u);
  }
}

/* Zero dates are dates like any other here. */
static bool is_time(const MYSQL_TIME *t, cell_kind kind) {
  bool date = kind == CELL_TIME ? t->day <= 34 : t->year <= 9999 && t->month <= 12 && t->day <= 31;
  return date && (kind == CELL_TIME || t->hour <= 23) && t->hour <= 838 && t->minute <= 59 &&
         t->second <= 59 && t->second_part <= 999999;
}

static void decode_time(const cell_buffer *cell, int i, batch *b) {
  const MYSQL_TIME *t = &cell->v.time;
  char text[128];
  size_t n = 0;
  if (cell->kind != CELL_TIME) {
    n = value_format_date(t->year, (int)t->month, (int)t->day, text);
    if (cell->kind == CELL_DATETIME) text[n++] = ' ';
  } else if (t->neg) {
    text[n++] = '-';
  }
  if (cell->kind != CELL_DATE) {
    int64_t hours = t->hour;
    if (cell->kind == CELL_TIME) hours += (int64_t)t->day * 24;
    n += value_format_clock(hours, (int)t->minute, (int)t->second, (int)t->second_part, text + n);
  }
  batch_bytes_value(b, i, STORAGE_TEXT, text, n);
}

static bool decode_cell(scan *s, int i, batch *b, tskdb_error *e) {
  cell_buffer *cell = &s->s->cells[i];
  if (cell->null) return true;
  switch (cell->kind) {
    case CELL_INTEGER: batch_integer(b, i, cell->v.integer); return true;
    case CELL_UNSIGNED: case CELL_UNSIGNED_TEXT: decode_unsigned(cell, i, b); return true;
    case CELL_FLOAT: batch_real(b, i, (double)cell->v.single); return true;
    case CELL_DOUBLE: batch_real(b, i, cell->v.real); return true;
    case CELL_DATE: case CELL_DATETIME: case CELL_TIME:
      if (!is_time(&cell->v.time, cell->kind)) return nonsense(s, i, e);
      decode_time(cell, i, b);
      return true;
    default: return decode_bytes(s, i, b, cell->kind, e);
  }
}

/* ---- fetching ------------------------------------------------------------------------ */

/* The library hears of buffers that have moved whatever comes of the row: the rest of the
** rows may still be read. */
static bool decode_row(scan *s, batch *b, tskdb_error *e) {
  bool ok = true;
  for (int i = 0; ok && i < b->n_columns; i++) ok = decode_cell(s, i, b, e);
  if (!s->rebind) return ok;
  s->rebind = false;
  if (mysql_stmt_bind_result(s->s->handle, s->s->binds) == 0) return ok;
  s->c->base.broken = true;
  return ok && error_memory(e);
}

static scan_status scan_failed(scan *s, int rc, const wire_call *call, tskdb_error *e) {
  s->ended = !call->gave_up;
  if (call->gave_up || rc == GUARD_NO_ROW) s->c->base.broken = true;
  if (rc == GUARD_NO_ROW && !call->stopped) {
    error_set(e, ERROR_PROTOCOL, "the rows broke off: one is shorter than it says");
  } else {
    wire_statement_error(call, s->c, s->s->handle, "the rows broke off", e);
  }
  return SCAN_ERROR;
}

static scan_status fetch_rows(scan *s, batch *b, wire_call *call, tskdb_error *e) {
  for (;;) {
    int rc = mysql_stmt_fetch(s->s->handle);
    if (rc == MYSQL_NO_DATA && !call->stopped) {
      s->ended = true;
      return SCAN_END;
    }
    if (rc != 0 && rc != MYSQL_DATA_TRUNCATED) return scan_failed(s, rc, call, e);
    if (call->stopped) {
      /* The server was told to stop; scan_close() reads what is under way. */
      error_set(e, call->why.klass, "%s", call->why.text);
      return SCAN_ERROR;
    }
    if (!decode_row(s, b, e)) return SCAN_ERROR;
    if (!batch_end_row(b)) {
      if (!b->failed) return SCAN_ROWS;
      error_memory(e);
      return SCAN_ERROR;
    }
  }
}

scan_status mysql_driver_scan_fetch(scan *s, batch *b, const wait_scope *w, tskdb_error *e) {
  wire_call call;
  if (s->ended) return SCAN_END;
  if (w->wake_fd >= 0 && wait_interrupted(w, e)) return SCAN_ERROR;   /* a worker that has to stop */
  wire_begin(&call, s->c, w);
  scan_status status = fetch_rows(s, b, &call, e);
  wire_end(&call);
  s->c->base.bytes_received = wire_bytes_received(s->c);
  return status;
}

/* ---- closing --------------------------------------------------------------------------- */

/* A KILL QUERY that came too late for its statement would end the next one. */
static void absorb_kill(mysql_connection *c) {
  c->base.round_trips++;
  if (mysql_query(c->handle, "DO 0") && mysql_errno(c->handle) != 1317) c->base.broken = true;
}

/* Reads the rest for a moment; then has the server stop and reads what was
** still under way. */
static void drain(scan *s) {
  static const wait_scope alone = {.wake_fd = -1};
  wire_call call;
  int rc = 0;
  wire_begin(&call, s->c, &alone);
  call.deadline_us = wait_now_us() + PATIENCE_MS * 1000;
  for (unsigned n = 1; rc == 0 || rc == MYSQL_DATA_TRUNCATED; n++) {
    if (n % DRAIN_CHECK == 0 && wait_now_us() > call.deadline_us) {
      if (call.stopped) break;
      wire_stop(&call);
    }
    rc = mysql_stmt_fetch(s->s->handle);
  }
  unsigned int number = mysql_stmt_errno(s->s->handle);
  if (!number) number = mysql_errno(s->c->handle);   /* of a packet in the midst of rows */
  bool over = rc == MYSQL_NO_DATA || (rc == 1 && number && (number < 2000 || number >= 3000));
  if (!over || call.gave_up) s->c->base.broken = true;
  else if (call.stopped) absorb_kill(s->c);
  wire_end(&call);
}

void mysql_driver_scan_close(scan *s) {
  static const wait_scope alone = {.wake_fd = -1};
  if (!s) return;
  if (s->s) {
    mysql_connection *c = s->c;
    wire_call call;
    if (!s->ended && !c->base.broken) drain(s);
    c->base.bytes_received = wire_bytes_received(c);
    wire_begin(&call, c, &alone);
    statement_release(c, s->s, false);
    wire_end(&call);
    wire_check_idle(c);
    c->scan = NULL;
  }
  mem_free(s);
}
