/*
** statement.c - prepared statements: found again by their text, executed with
** parameters; and a user's native statements.
**
** A connection keeps the statements that it used last, so that a repeated
** look-up is one round trip (execute).  A new one is prepared and executed in
** one round trip too where the library and the server can (wire.c).
**
** Invariants:
**   1. At most one statement of a connection has rows on the wire.
**   2. A statement in the list has none: it was read to its end.  Except on a
**      broken connection, where all wait in the list to be freed after
**      mysql_close(), when freeing sends nothing.
*/
#include <string.h>

#include "vtab/memory.h"
#include "vtab/mysql/mysql_driver.h"
#include "vtab/sql_text.h"

enum {
  CACHE_MAX = 64,              /* statements of one connection */
  ASK_ROWS = 4096,             /* that are read and forgotten before the user is asked */
  CACHE_TEXT_MAX = 4096,       /* long texts are long lists of no other use */
  UNKNOWN_STATEMENT = 1243     /* the server's error: it has forgotten it */
};

/* ---- the cache ---------------------------------------------------------------- */

static void cache_remove(statement_cache *cache, statement *s) {
  if (s->newer) s->newer->older = s->older;
  else cache->newest = s->older;
  if (s->older) s->older->newer = s->newer;
  else cache->oldest = s->newer;
  s->newer = s->older = NULL;
  cache->n--;
}

static void cache_add(statement_cache *cache, statement *s) {
  s->older = cache->newest;
  s->newer = NULL;
  if (cache->newest) cache->newest->newer = s;
  else cache->oldest = s;
  cache->newest = s;
  cache->n++;
}

static void statement_free(statement *s) {
  if (!s) return;
  if (s->handle) mysql_stmt_close(s->handle);
  for (int i = 0; s->cells && i < s->n_fields; i++) mem_free(s->cells[i].bytes);
  mem_free(s->cells);
  mem_free(s->binds);
  mem_free(s->text);
  mem_free(s);
}

void statement_cache_clear(statement_cache *cache) {
  while (cache->newest) {
    statement *s = cache->newest;
    cache_remove(cache, s);
    statement_free(s);
  }
}

/* Takes the statement of that text out of the list. */
static statement *cache_take(statement_cache *cache, const char *text, size_t length,
                             uint64_t hash) {
  for (statement *s = cache->newest; s; s = s->older) {
    if (s->hash != hash || s->length != length || memcmp(s->text, text, length) != 0) continue;
    cache_remove(cache, s);
    return s;
  }
  return NULL;
}

void statement_release(mysql_connection *c, statement *s, bool failed) {
  if (!s) return;
  if (c->base.broken) {
    cache_add(&c->cache, s);
    return;
  }
  if (failed || !s->cached) {
    statement_free(s);
    return;
  }
  mysql_stmt_free_result(s->handle);
  cache_add(&c->cache, s);
  if (c->cache.n > CACHE_MAX) {
    statement *old = c->cache.oldest;
    cache_remove(&c->cache, old);
    statement_free(old);
  }
}

/* ---- executing ------------------------------------------------------------------- */

/* Points BIND at the value; nothing is copied. */
static void bind_value(MYSQL_BIND *bind, const value *v) {
  switch (v->storage) {
    case STORAGE_INTEGER:
      bind->buffer_type = MYSQL_TYPE_LONGLONG;
      bind->buffer = (void *)(uintptr_t)&v->integer;
      break;
    case STORAGE_REAL:
      bind->buffer_type = MYSQL_TYPE_DOUBLE;
      bind->buffer = (void *)(uintptr_t)&v->real;
      break;
    case STORAGE_TEXT: case STORAGE_BLOB:
      bind->buffer_type = v->storage == STORAGE_TEXT ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
      bind->buffer = (void *)(uintptr_t)(v->bytes ? v->bytes : "");
      bind->buffer_length = (unsigned long)v->length;
      break;
    default:
      bind->buffer_type = MYSQL_TYPE_NULL;
  }
}

/* new, zeroed for n = 0 as well; NULL without memory. */
static MYSQL_BIND *bind_values(const value *parameters, int n) {
  MYSQL_BIND *binds = mem_zalloc((size_t)(n ? n : 1) * sizeof(*binds));
  for (int i = 0; binds && i < n; i++) bind_value(&binds[i], &parameters[i]);
  return binds;
}

static statement *statement_new(mysql_connection *c, const char *text, size_t length,
                                uint64_t hash) {
  statement *s = mem_zalloc(sizeof(*s));
  if (!s) return NULL;
  s->text = mem_strndup(text, length);
  s->length = length;
  s->hash = hash;
  s->cached = length <= CACHE_TEXT_MAX;
  s->handle = mysql_stmt_init(c->handle);
  if (s->text && s->handle) return s;
  statement_free(s);
  return NULL;
}

static bool execute_new(mysql_connection *c, statement *s, MYSQL_BIND *binds, int n) {
  s->prepared = wire_execute_direct(c, s->handle, s->text, s->length, binds, n) == 0;
  return s->prepared;
}

static bool execute_again(mysql_connection *c, statement *s, MYSQL_BIND *binds, int n) {
  if (mysql_stmt_param_count(s->handle) != (unsigned long)n) return false;
  if (n && mysql_stmt_bind_param(s->handle, binds)) return false;
  c->base.round_trips++;
  return mysql_stmt_execute(s->handle) == 0;
}

/* Room for the rows; kept with the statement. */
static bool prepare_cells(statement *s) {
  int n = (int)mysql_stmt_field_count(s->handle);
  if (s->cells && n == s->n_fields) return true;
  for (int i = 0; s->cells && i < s->n_fields; i++) mem_free(s->cells[i].bytes);
  mem_free(s->cells);
  mem_free(s->binds);
  s->n_fields = n;
  s->cells = mem_zalloc((size_t)(n ? n : 1) * sizeof(*s->cells));
  s->binds = mem_zalloc((size_t)(n ? n : 1) * sizeof(*s->binds));
  return s->cells && s->binds;
}

/* Executes the cached statement of this text.  NULL without an error: there is
** none, or the server no longer knows it. */
static statement *execute_cached(mysql_connection *c, const char *text, size_t length,
                                 uint64_t hash, MYSQL_BIND *binds, int n, const wire_call *call,
                                 tskdb_error *e) {
  statement *s = cache_take(&c->cache, text, length, hash);
  if (!s) return NULL;
  if (execute_again(c, s, binds, n)) return s;
  if (mysql_stmt_errno(s->handle) != UNKNOWN_STATEMENT || call->stopped) {
    wire_statement_error(call, c, s->handle, "the server refused the statement", e);
  }
  statement_release(c, s, true);
  return NULL;
}

static statement *execute_fresh(mysql_connection *c, const char *text, size_t length, uint64_t hash,
                                MYSQL_BIND *binds, int n, const wire_call *call, tskdb_error *e) {
  statement *s = statement_new(c, text, length, hash);
  if (!s) {
    error_memory(e);
    return NULL;
  }
  if (execute_new(c, s, binds, n)) return s;
  wire_statement_error(call, c, s->handle, "the server refused the statement", e);
  statement_release(c, s, true);
  return NULL;
}

statement *statement_execute(mysql_connection *c, const char *text, uint64_t hash,
                             const value *parameters, int n, wire_call *call, tskdb_error *e) {
  size_t length = strlen(text);
  tskdb_error mine = {0};
  MYSQL_BIND *binds = bind_values(parameters, n);
  statement *s = NULL;
  if (binds) s = execute_cached(c, text, length, hash, binds, n, call, &mine);
  if (binds && !s && !error_is_set(&mine))
    s = execute_fresh(c, text, length, hash, binds, n, call, &mine);
  mem_free(binds);
  if (s && !prepare_cells(s)) error_memory(&mine);
  if (s && call->stopped) {
    /* It may have ended well all the same, but not with the rows that were asked for. */
    error_set(&mine, call->why.klass, "%s", call->why.text);
  }
  if (!binds) error_memory(&mine);
  if (!error_is_set(&mine)) return s;
  if (s) {
    c->base.broken = true;     /* its rows are unread */
    statement_release(c, s, true);
  }
  error_set(e, mine.klass, "%s", mine.text);
  error_native(e, mine.native, mine.sqlstate);
  return NULL;
}

/* ---- native statements ----------------------------------------------------------- */

static int64_t rows_affected(unsigned long long n) {
  return n == ~0ULL ? 0 : (int64_t)n;
}

/* While the server sends without a pause nothing waits, so that nobody would
** see that the user wants to stop. */
static void ask(wire_call *call, unsigned row) {
  if (row % ASK_ROWS == 0 && !call->stopped && wait_interrupted(call->scope, &call->why)) wire_stop(call);
}

/* Reads and forgets one result.  False: it broke. */
static bool discard_result(MYSQL *m, wire_call *call) {
  MYSQL_RES *rows = mysql_use_result(m);
  if (!rows) return mysql_errno(m) == 0;
  for (unsigned n = 1; mysql_fetch_row(rows); n++) ask(call, n);
  mysql_free_result(rows);
  return mysql_errno(m) == 0;
}

/* A procedure brings several results. */
static bool exec_text(mysql_connection *c, const char *native, wire_call *call, int64_t *affected) {
  int next = 0;
  c->base.round_trips++;
  if (mysql_real_query(c->handle, native, (unsigned long)strlen(native))) return false;
  while (next == 0) {
    bool has_rows = mysql_field_count(c->handle) > 0;
    if (!discard_result(c->handle, call)) return false;
    if (!has_rows) *affected = rows_affected(mysql_affected_rows(c->handle));
    next = mysql_next_result(c->handle);
  }
  return next < 0;
}

static bool discard_rows(MYSQL_STMT *s, wire_call *call) {
  int next = 0;
  while (next == 0) {
    int rc = mysql_stmt_field_count(s) ? 0 : MYSQL_NO_DATA;
    for (unsigned n = 1; rc != 1 && rc != MYSQL_NO_DATA; n++) {
      rc = mysql_stmt_fetch(s);
      ask(call, n);
    }
    if (rc == 1) return false;
    if (mysql_stmt_free_result(s)) return false;
    next = mysql_stmt_next_result(s);
  }
  return next < 0;
}

/* With parameters, hence prepared; not cached, since what it did to the session
** will be reset, which ends prepared statements. */
static bool exec_prepared(mysql_connection *c, const char *native, const value *parameters, int n,
                          wire_call *call, int64_t *affected, tskdb_error *e) {
  statement *s = statement_execute(c, native, sql_text_hash(native), parameters, n, call, e);
  if (!s) return false;
  bool rows = s->n_fields > 0;
  bool ok = discard_rows(s->handle, call);
  if (ok && !rows) *affected = rows_affected(mysql_stmt_affected_rows(s->handle));
  if (!ok) wire_statement_error(call, c, s->handle, "the server refused the statement", e);
  statement_release(c, s, true);
  return ok;
}

bool mysql_driver_exec(connection *base, const char *native, const value *parameters,
                       int n_parameters, const wait_scope *w, int64_t *affected, tskdb_error *e) {
  mysql_connection *c = (mysql_connection *)base;
  wire_call call;
  *affected = 0;
  c->base.dirty = true;
  wire_begin(&call, c, w);
  bool ok;
  if (n_parameters) {
    ok = exec_prepared(c, native, parameters, n_parameters, &call, affected, e);
  } else {
    ok = exec_text(c, native, &call, affected);
    if (!ok) wire_error(&call, c, "the server refused the statement", e);
  }
  /* SLEEP and its like answer to KILL QUERY as if they had ended well. */
  if (ok && call.stopped) ok = wire_error(&call, c, "the statement was stopped", e);
  /* What is missing is not a table of ours. */
  if (!ok && e && e->klass == ERROR_STALE) e->klass = ERROR_SQL;
  /* Told to stop, or sent and no answer: nobody knows. */
  if (!ok && e && (call.stopped || c->base.broken) && e->klass != ERROR_MEMORY)
    e->outcome_unknown = true;
  wire_end(&call);
  wire_check_idle(c);
  c->base.bytes_received = wire_bytes_received(c);
  return ok;
}
