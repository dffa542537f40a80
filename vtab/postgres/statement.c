/*
** statement.c - parameters, prepared statements, native statements.
**
** A text is sent unnamed the first time (parse, bind and execute in one round
** trip), prepared and executed the second time, and only executed from then
** on.  A connection keeps POSTGRES_STATEMENTS of them; the least recently used
** makes room.
*/
#include <stdlib.h>
#include <string.h>

#include "vtab/memory.h"
#include "vtab/postgres/postgres.h"

/* ---- parameters ------------------------------------------------------------- */

/* In libpq's form; all memory in an arena. */
typedef struct parameter_list {
  const char **values;
  int *lengths, *formats;
} parameter_list;

/* One element of an array literal. */
static void print_element(const value *v, buffer *out) {
  char number[32];
  switch (v->storage) {
    case STORAGE_INTEGER: buffer_append(out, number, value_format_integer(v->integer, number)); break;
    case STORAGE_REAL: buffer_append(out, number, value_format_real(v->real, number)); break;
    case STORAGE_BLOB:
      buffer_text(out, "\"\\\\x");
      for (size_t i = 0; i < v->length; i++) buffer_printf(out, "%02x", (unsigned char)v->bytes[i]);
      buffer_char(out, '"');
      break;
    default:
      buffer_char(out, '"');
      for (size_t i = 0; i < v->length; i++) {
        if (v->bytes[i] == '"' || v->bytes[i] == '\\') buffer_char(out, '\\');
        buffer_char(out, v->bytes[i]);
      }
      buffer_char(out, '"');
  }
}

static const char *list_text(const value *v, arena *a) {
  buffer text = {0};
  buffer_char(&text, '{');
  for (size_t i = 0; i < v->n_list; i++) {
    if (i) buffer_char(&text, ',');
    print_element(&v->list[i], &text);
  }
  buffer_char(&text, '}');
  const char *out = text.failed ? NULL : arena_strndup(a, text.text, text.length);
  if (text.failed) a->failed = true;
  buffer_free(&text);
  return out;
}

static const char *number_text(const value *v, arena *a) {
  char text[32];
  size_t length = v->storage == STORAGE_REAL ? value_format_real(v->real, text)
                                             : value_format_integer(v->integer, text);
  return arena_strndup(a, text, length);
}

static bool make_parameters(const value *v, int n, arena *a, parameter_list *out) {
  out->values = arena_alloc(a, ((size_t)n + 1) * sizeof(*out->values));
  out->lengths = arena_alloc(a, ((size_t)n + 1) * sizeof(*out->lengths));
  out->formats = arena_alloc(a, ((size_t)n + 1) * sizeof(*out->formats));
  for (int i = 0; i < n && !a->failed; i++) {
    switch (v[i].storage) {
      case STORAGE_NULL: out->values[i] = NULL; break;
      case STORAGE_INTEGER: case STORAGE_REAL: out->values[i] = number_text(&v[i], a); break;
      case STORAGE_LIST: out->values[i] = list_text(&v[i], a); break;
      case STORAGE_BLOB:
        out->values[i] = arena_strndup(a, v[i].bytes ? v[i].bytes : "", v[i].length);
        out->lengths[i] = (int)v[i].length;
        out->formats[i] = 1;
        break;
      default: out->values[i] = arena_strndup(a, v[i].bytes, v[i].length);
    }
  }
  return !a->failed;
}

/* ---- prepared statements ------------------------------------------------------ */

#define STATEMENT_NAME "tskdb_"      /* and a number */

void postgres_statement_forget_all(postgres_connection *c) {
  for (int i = 0; i < POSTGRES_STATEMENTS; i++) {
    mem_free(c->statements[i].text);
    c->statements[i] = (postgres_statement){0};
  }
}

/* Takes a slot from the text that was used longest ago; the server forgets it too. */
static bool evict(postgres_connection *c, postgres_statement *s, const wait_scope *w, tskdb_error *e) {
  unsigned number = s->number;
  mem_free(s->text);
  *s = (postgres_statement){0};
  if (!number) return true;
  char sql[64];
  snprintf(sql, sizeof(sql), "DEALLOCATE " STATEMENT_NAME "%u", number);
  const postgres_request forget = {.text = sql};
  PGresult *r = NULL;
  bool ok = postgres_run(c, &forget, 1, w, &r, e);
  PQclear(r);
  return ok;
}

/* The slot of R's text, a new one if it was never sent (*KNOWN). NULL with an error. */
static postgres_statement *slot_of(postgres_connection *c, const request *r, bool *known,
                                   const wait_scope *w, tskdb_error *e) {
  postgres_statement *oldest = &c->statements[0];
  *known = true;
  for (int i = 0; i < POSTGRES_STATEMENTS; i++) {
    postgres_statement *s = &c->statements[i];
    if (s->text && s->hash == r->hash && strcmp(s->text, r->text) == 0) {
      s->used = ++c->clock;
      return s;
    }
    if (s->used < oldest->used) oldest = s;
  }
  *known = false;
  if (!evict(c, oldest, w, e)) return NULL;
  oldest->text = mem_strdup(r->text);
  oldest->hash = r->hash;
  oldest->used = ++c->clock;
  if (!oldest->text) error_memory(e);
  return oldest->text ? oldest : NULL;
}

static bool prepare(postgres_connection *c, postgres_statement *s, const wait_scope *w, tskdb_error *e) {
  char name[32];
  unsigned number = ++c->last_number;   /* also if the server's answer is not awaited */
  PGresult *r = NULL;
  snprintf(name, sizeof(name), STATEMENT_NAME "%u", number);
  if (!PQsendPrepare(c->pg, name, s->text, 0, NULL)) return postgres_connection_error(c, "cannot send", e);
  c->base.round_trips++;
  bool ok = postgres_flush(c, w, e) && postgres_only_result(c, w, &r, e);
  if (ok && PQresultStatus(r) != PGRES_COMMAND_OK) ok = postgres_result_error(c, r, e);
  PQclear(r);
  if (ok) s->number = number;
  return ok;
}

/* Of libpq 17 and later; NULL before. */
int PQsetChunkedRowsMode(PGconn *conn, int chunkSize) __attribute__((weak));

/* libpq makes three results of a row that comes by itself, one of a whole answer.
** As many rows as come at once may be held twice, however wide they are. */
static bool ask_row_by_row(postgres_connection *c, const request *r, tskdb_error *e) {
  enum { CHUNK_ROWS = 8 };
  c->row_by_row = !r->query->one_row;
  if (!c->row_by_row) return true;
  if (PQsetChunkedRowsMode && PQsetChunkedRowsMode(c->pg, CHUNK_ROWS)) return true;
  if (PQsetSingleRowMode(c->pg)) return true;
  return postgres_connection_error(c, "cannot read row by row", e);
}

static bool send_list(postgres_connection *c, const request *r, const parameter_list *p,
                      const wait_scope *w, tskdb_error *e) {
  bool known;
  char name[32] = STATEMENT_NAME;
  int n = r->n_parameters;
  postgres_statement *s = slot_of(c, r, &known, w, e);
  if (!s) return false;
  if (known && !s->number && !prepare(c, s, w, e)) return false;
  value_format_integer(s->number, name + strlen(STATEMENT_NAME));
  const char *const *values = p->values;
  int sent = s->number
      ? PQsendQueryPrepared(c->pg, name, n, values, p->lengths, p->formats, 1)
      : PQsendQueryParams(c->pg, r->text, n, NULL, values, p->lengths, p->formats, 1);
  if (!sent) return postgres_connection_error(c, "cannot send", e);
  if (!ask_row_by_row(c, r, e)) return false;
  c->base.round_trips++;
  return postgres_flush(c, w, e);
}

bool postgres_statement_send(postgres_connection *c, const request *r, const wait_scope *w,
                             tskdb_error *e) {
  parameter_list p = {0};
  bool ok = make_parameters(r->parameters, r->n_parameters, &c->parameters, &p)
                ? send_list(c, r, &p, w, e) : error_memory(e);
  arena_reset(&c->parameters);
  return ok;
}

/* Two statements in one message are one transaction: the lock that the first
** takes keeps the tables as it describes them until the second has ended. */
bool postgres_copy_send(postgres_connection *c, const char *text, const wait_scope *w, tskdb_error *e) {
  buffer sql = {0};
  buffer_printf(&sql, "SELECT * FROM (%s\n) AS d LIMIT 0; COPY (%s\n) TO STDOUT (FORMAT binary)",
                text, text);
  bool sent = !sql.failed && PQsendQuery(c->pg, buffer_cstr(&sql));
  bool failed = sql.failed;
  buffer_free(&sql);
  if (failed) return error_memory(e);
  if (!sent) return postgres_connection_error(c, "cannot send", e);
  c->row_by_row = false;
  c->base.round_trips++;
  return postgres_flush(c, w, e);
}

/* ---- native statements ---------------------------------------------------------- */

enum { ASK_RESULTS = 4096 };     /* rows that are forgotten before the user is asked */

/* One result of a native statement. False: it is an error, or wants a copy. */
static bool take_result(postgres_connection *c, PGresult *r, int64_t *affected, tskdb_error *e) {
  const char *count = PQcmdTuples(r);
  switch (PQresultStatus(r)) {
    case PGRES_SINGLE_TUPLE: return true;
    case PGRES_TUPLES_OK: case PGRES_COMMAND_OK: case PGRES_EMPTY_QUERY:
      if (count && *count) *affected = strtoll(count, NULL, 10);
      return true;
    case PGRES_COPY_IN: case PGRES_COPY_OUT: case PGRES_COPY_BOTH:
      c->base.broken = true;
      return error_set(e, ERROR_SQL, "COPY from or to the client is not possible here; use psql");
    default: return postgres_result_error(c, r, e);
  }
}

static bool read_results(postgres_connection *c, const wait_scope *w, int64_t *affected, tskdb_error *e) {
  bool ok = true;
  PGresult *r;
  for (unsigned n = 1;; n++) {
    /* A server that sends without a pause makes nobody wait, and so look up. */
    if ((n % ASK_RESULTS == 0 && wait_interrupted(w, e)) || !postgres_next_result(c, w, &r, e)) {
      if (e && e->klass == ERROR_NETWORK) e->outcome_unknown = true;
      postgres_abandon(c, NULL);
      return false;
    }
    if (!r) return ok;
    if (!take_result(c, r, affected, e)) ok = false;
    PQclear(r);
    if (c->base.broken) return false;
  }
}

bool postgres_exec(connection *base, const char *native, const value *v, int n, const wait_scope *w,
                   int64_t *affected, tskdb_error *e) {
  postgres_connection *c = (postgres_connection *)base;
  parameter_list p = {0};
  *affected = 0;
  base->dirty = true;
  if (!make_parameters(v, n, &c->parameters, &p)) {
    arena_reset(&c->parameters);
    return error_memory(e);
  }
  const char *const *values = p.values;
  int sent = n ? PQsendQueryParams(c->pg, native, n, NULL, values, p.lengths, p.formats, 0)
               : PQsendQuery(c->pg, native);
  arena_reset(&c->parameters);
  if (!sent) return postgres_connection_error(c, "cannot send", e);
  /* Rows are forgotten one by one, not kept together first. */
  c->row_by_row = PQsetSingleRowMode(c->pg) == 1;
  base->round_trips++;
  return postgres_flush(c, w, e) && read_results(c, w, affected, e);
}
