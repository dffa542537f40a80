/*
** scan.c - the rows of one request, decoded straight into batches.
**
** Invariants:
**   1. The end of rows is the server's "command complete" alone; a lost
**      connection or an error in the middle is an error.
**   2. The first answer's description must be the one that the relation was
**      discovered with: number and types of columns.  What changed since is
**      ERROR_STALE, never a shifted column.
*/
#include <string.h>

#include "vtab/memory.h"
#include "vtab/postgres/postgres.h"

struct scan {
  postgres_connection *c;
  const query *query;          /* the request's, borrowed */
  const column **columns;      /* of the select list */
  bool checked;                /* the description was compared */
  bool ended;                  /* the answer has been read to its end */
};

static scan *scan_new(postgres_connection *c, const query *q) {
  scan *s = mem_zalloc(sizeof(*s));
  if (!s) return NULL;
  s->c = c;
  s->query = q;
  s->columns = mem_alloc(((size_t)q->n_select + 1) * sizeof(*s->columns));
  if (!s->columns) {
    mem_free(s);
    return NULL;
  }
  for (int i = 0; i < q->n_select; i++) {
    const query_expr *x = &q->select[i];
    s->columns[i] = &q->sources[x->source].relation->columns[x->column];
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
    const column *c = s->columns[i];
    bool modified = c->klass == CLASS_DECIMAL && PQfmod(r, i) != (int)c->type_detail;
    if (PQftype(r, i) != postgres_wire_type(c) || modified) return stale_column(s, c, e);
    if (PQfformat(r, i) != 1) return error_set(e, ERROR_PROTOCOL, "the server answers in text");
  }
  s->checked = true;
  return true;
}

scan *postgres_scan_open(connection *base, const request *r, const wait_scope *w, tskdb_error *e) {
  postgres_connection *c = (postgres_connection *)base;
  scan *s = scan_new(c, r->query);
  if (!s) {
    error_memory(e);
    return NULL;
  }
  if (postgres_statement_send(c, r->text, r->parameters, r->n_parameters, w, e)) return s;
  if (is_stale_state(e->sqlstate)) e->klass = ERROR_STALE;
  postgres_scan_close(s);
  return NULL;
}

static bool take_rows(scan *s, const PGresult *r, batch *b, tskdb_error *e) {
  if (!s->checked && !check(s, r, e)) return false;
  int rows = PQntuples(r);
  for (int row = 0; row < rows; row++) {
    for (int i = 0; i < s->query->n_select; i++) {
      if (PQgetisnull(r, row, i)) continue;
      int length = PQgetlength(r, row, i);
      s->c->base.bytes_received += (uint64_t)length;
      if (!postgres_decode(s->columns[i], PQgetvalue(r, row, i), length, b, i)) {
        return error_set(e, ERROR_PROTOCOL, "column \"%s\": %d bytes make no sense as %s", s->columns[i]->name,
                         length, s->columns[i]->remote_type);
      }
    }
    batch_end_row(b);
  }
  return true;
}

static bool is_full(const batch *b) {
  return b->failed || b->n_rows >= BATCH_MAX_ROWS || batch_bytes(b) >= b->byte_limit;
}

scan_status postgres_scan_fetch(scan *s, batch *b, const wait_scope *w, tskdb_error *e) {
  while (!is_full(b)) {
    PGresult *r;
    if (!postgres_next_result(s->c, w, &r, e)) return SCAN_ERROR;
    if (!r) {
      s->ended = true;
      return s->checked ? SCAN_END : (error_set(e, ERROR_PROTOCOL, "the server sent no result"), SCAN_ERROR);
    }
    ExecStatusType status = PQresultStatus(r);
    bool rows = status == PGRES_SINGLE_TUPLE || status == PGRES_TUPLES_OK;
    bool ok = rows ? take_rows(s, r, b, e) : failed(s, r, e);
    PQclear(r);
    if (!ok) return SCAN_ERROR;
  }
  return SCAN_ROWS;
}

void postgres_scan_close(scan *s) {
  if (!s) return;
  if (!s->ended) postgres_abandon(s->c, NULL);
  mem_free(s->columns);
  mem_free(s);
}
