/*
** scan.c - the rows of one request, decoded straight into batches.
**
** They come one result each (from libpq 17 on a few a result), or, if many are expected and there are no
** parameters (COPY takes none), as a COPY in binary format, which costs libpq
** half as much.
**
** Invariants:
**   1. The end of rows is the server's "command complete" alone; a lost
**      connection or an error in the middle is an error.
**   2. The description must be the one that the relation was discovered with:
**      number and types of columns.  What changed since is ERROR_STALE, never
**      a shifted column.  A COPY has no description: an empty SELECT of the
**      same text before it, in the same transaction, brings it.
**   3. Each message of a COPY is one whole row of as many fields.
*/
#include <string.h>

#include "vtab/memory.h"
#include "vtab/postgres/postgres.h"

/* A column of the select list. */
typedef struct field {
  const column *column;
  postgres_decoder *decode;
} field;

struct scan {
  postgres_connection *c;
  const query *query;          /* the request's, borrowed */
  PGresult *result;            /* whose rows are being taken, NULL: none */
  int row;                     /* the next of them */
  bool copy;                   /* the rows come as a COPY */
  bool checked;                /* the description was compared */
  bool copying;                /* the next messages are rows */
  bool headed;                 /* the header of the COPY was read */
  bool complete;               /* the server said that these are all rows */
  bool ended;                  /* the answer has been read to its end */
  field fields[];              /* query->n_select */
};

static scan *scan_new(postgres_connection *c, const request *r) {
  const query *q = r->query;
  scan *s = mem_zalloc(sizeof(*s) + (size_t)q->n_select * sizeof(field));
  if (!s) return NULL;
  s->c = c;
  s->query = q;
  s->copy = q->bulk && r->n_parameters == 0;
  for (int i = 0; i < q->n_select; i++) {
    const column *selected = query_column(q, i);
    s->fields[i] = (field){selected, postgres_decoder_of(selected)};
  }
  return s;
}

static bool stale(const scan *s, const char *what, tskdb_error *e) {
  postgres_statement_forget_all(s->c);
  return error_set(e, ERROR_STALE, "%s", what);
}

static bool stale_column(const scan *s, const column *c, tskdb_error *e) {
  postgres_statement_forget_all(s->c);
  return error_set(e, ERROR_STALE, "column \"%s\" has another type now", c->name);
}

/* Errors of the server that mean that the table is another one now. */
static bool is_stale_state(const char *state) {
  static const char *const states[] = {"42P01", "42703", "3F000", "0A000", "26000", "42804", "42883"};
  for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
    if (state && strcmp(state, states[i]) == 0) return true;
  }
  return false;
}

static bool failed(scan *s, const PGresult *r, tskdb_error *e) {
  const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
  const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
  if (!is_stale_state(state)) return postgres_result_error(s->c, r, e);
  stale(s, message ? message : "", e);
  error_native(e, 0, state);
  return false;
}

static bool check(scan *s, const PGresult *r, tskdb_error *e) {
  int n = s->query->n_select;
  if (PQnfields(r) != (n ? n : 1)) return stale(s, "it has other columns", e);
  for (int i = 0; i < n; i++) {
    const column *c = s->fields[i].column;
    bool modified = c->klass == CLASS_DECIMAL && PQfmod(r, i) != (int)c->type_detail;
    if (PQftype(r, i) != postgres_wire_type(c) || modified) return stale_column(s, c, e);
    /* What describes a COPY announces text, and has no rows. */
    if (!s->copy && PQfformat(r, i) != 1) return error_set(e, ERROR_PROTOCOL, "the server answers in text");
  }
  s->checked = true;
  return true;
}

scan *postgres_scan_open(connection *base, const request *r, const wait_scope *w, tskdb_error *e) {
  postgres_connection *c = (postgres_connection *)base;
  scan *s = scan_new(c, r);
  if (!s) {
    error_memory(e);
    return NULL;
  }
  bool sent = s->copy ? postgres_copy_send(c, r->text, w, e)
                      : postgres_statement_send(c, r, w, e);
  if (sent) return s;
  if (is_stale_state(e->sqlstate)) e->klass = ERROR_STALE;
  postgres_scan_close(s);
  return NULL;
}

static bool take_value(scan *s, int i, const char *bytes, int length, batch *b, tskdb_error *e) {
  const field *f = &s->fields[i];
  s->c->base.bytes_received += (uint64_t)length;
  if (f->decode(bytes, length, b, i)) return true;
  return error_set(e, ERROR_PROTOCOL, "column \"%s\": %d bytes make no sense as %s", f->column->name,
                   length, f->column->remote_type);
}

/* ---- rows as results ------------------------------------------------------ */

static bool take_row(scan *s, batch *b, tskdb_error *e) {
  const PGresult *r = s->result;
  for (int i = 0; i < s->query->n_select; i++) {
    if (PQgetisnull(r, s->row, i)) continue;
    if (!take_value(s, i, PQgetvalue(r, s->row, i), PQgetlength(r, s->row, i), b, e)) return false;
  }
  batch_end_row(b);
  s->row++;
  return true;
}

static void forget_result(scan *s) {
  PQclear(s->result);
  s->result = NULL;
  s->row = 0;
}

/* The rows that are left of the result, as far as the batch has room. */
static bool take_rows(scan *s, batch *b, tskdb_error *e) {
  int rows = PQntuples(s->result);
  while (s->row < rows && !batch_is_full(b)) {
    if (!take_row(s, b, e)) return false;
  }
  if (s->row >= rows) forget_result(s);
  return true;
}

/* PGRES_TUPLES_CHUNK, which older headers do not have. */
enum { TUPLES_CHUNK = PGRES_PIPELINE_ABORTED + 1 };

static bool take_result(scan *s, PGresult *r, tskdb_error *e) {
  switch ((int)PQresultStatus(r)) {
    case PGRES_SINGLE_TUPLE: case TUPLES_CHUNK: case PGRES_TUPLES_OK:
      if (!s->checked && !check(s, r, e)) return false;
      s->complete = !s->copy && PQresultStatus(r) == PGRES_TUPLES_OK;
      return true;
    case PGRES_COPY_OUT:
      s->copying = s->copy && s->checked;
      return s->copying || error_set(e, ERROR_PROTOCOL, "the server sends a copy that was not asked for");
    case PGRES_COMMAND_OK:
      s->complete = s->headed;
      return true;
    default: return failed(s, r, e);
  }
}

/* ---- rows as a COPY --------------------------------------------------------- */

static uint32_t uint32_at(const char *p) {
  const unsigned char *u = (const unsigned char *)p;
  return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

/* Signature, flags, length of what extends the header.  Returns the number of
** bytes, 0 if it is another header. */
static uint32_t header_length(const char *p, uint32_t length) {
  static const char signature[] = "PGCOPY\n\377\r\n";   /* and its NUL */
  enum { HEAD = sizeof(signature) + 8 };
  if (length < HEAD || memcmp(p, signature, sizeof(signature)) != 0) return 0;
  if (uint32_at(p + sizeof(signature)) >> 16) return 0;   /* flags that a reader must know */
  uint32_t extension = uint32_at(p + sizeof(signature) + 4);
  return extension <= length - HEAD ? HEAD + extension : 0;
}

static bool malformed(tskdb_error *e) {
  return error_set(e, ERROR_PROTOCOL, "a row of a COPY makes no sense");
}

/* The fields of a row, which end where the message does. */
static bool take_fields(scan *s, const char *p, const char *end, batch *b, tskdb_error *e) {
  int n = s->query->n_select;
  for (int i = 0; i < (n ? n : 1); i++) {
    if (end - p < 4) return malformed(e);
    int32_t length = (int32_t)uint32_at(p);
    p += 4;
    if (length < 0) continue;
    if (length > end - p) return malformed(e);
    if (i < n && !take_value(s, i, p, length, b, e)) return false;
    p += length;
  }
  batch_end_row(b);
  return p == end || malformed(e);
}

static bool take_message(scan *s, const char *p, uint32_t length, batch *b, tskdb_error *e) {
  const char *end = p + length;
  int n = s->query->n_select ? s->query->n_select : 1;
  if (!s->headed) {
    uint32_t header = header_length(p, length);
    if (!header) return malformed(e);
    p += header;
    s->headed = true;
    if (p == end) return true;
  }
  if (end - p < 2) return malformed(e);
  int count = (int16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
  p += 2;
  if (count == -1) return p == end || malformed(e);   /* the trailer */
  return count == n ? take_fields(s, p, end, b, e) : malformed(e);
}

static bool fetch_copied(scan *s, batch *b, const wait_scope *w, tskdb_error *e) {
  char *bytes;
  int length;
  if (!postgres_next_copy(s->c, w, &bytes, &length, e)) return false;
  if (length < 0) {
    s->copying = false;        /* its result comes next */
    return true;
  }
  bool ok = take_message(s, bytes, (uint32_t)length, b, e);
  PQfreemem(bytes);
  return ok;
}

/* ---- fetching ------------------------------------------------------------- */

static bool fetch_result(scan *s, const wait_scope *w, tskdb_error *e) {
  if (!postgres_next_result(s->c, w, &s->result, e)) return false;
  s->ended = s->result == NULL;
  return s->ended || take_result(s, s->result, e);
}

static bool fetch_some(scan *s, batch *b, const wait_scope *w, tskdb_error *e) {
  if (s->result) return take_rows(s, b, e);
  return s->copying ? fetch_copied(s, b, w, e) : fetch_result(s, w, e);
}

scan_status postgres_scan_fetch(scan *s, batch *b, const wait_scope *w, tskdb_error *e) {
  while (!batch_is_full(b)) {
    if (!fetch_some(s, b, w, e)) return SCAN_ERROR;
    if (!s->ended) continue;
    if (s->complete) return SCAN_END;
    error_set(e, ERROR_PROTOCOL, "the server's answer has no end");
    return SCAN_ERROR;
  }
  return SCAN_ROWS;
}

void postgres_scan_close(scan *s) {
  if (!s) return;
  forget_result(s);
  if (!s->ended) postgres_abandon(s->c, NULL);
  mem_free(s);
}
