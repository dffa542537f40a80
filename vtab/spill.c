/*
** spill.c - rows that outgrew memory, in a temporary SQLite database.
**
** SQLite itself is the well-kept library for this: a table r(h, c0, c1, …) and
** an index on h, which is made when the first row is looked for.  Nothing is
** synced and nothing can be rolled back: the rows can be fetched again.
*/
#include "vtab/spill.h"

#include "vtab/buffer.h"
#include "vtab/memory.h"
#include "vtab/sqlite.h"

struct spill {
  sqlite3 *db;
  sqlite3_stmt *insert, *select;
  int n_columns;
  bool indexed;                  /* no more rows are added */
};

static bool fail(const spill *s, int rc, tskdb_error *e) {
  if (rc == SQLITE_NOMEM) return error_memory(e);
  return error_set(e, ERROR_LIMIT, "cannot keep rows in a temporary file: %s",
                   s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
}

static bool run(spill *s, const char *sql, tskdb_error *e) {
  int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
  return rc == SQLITE_OK || fail(s, rc, e);
}

static bool prepare(spill *s, const buffer *sql, sqlite3_stmt **out, tskdb_error *e) {
  if (sql->failed) return error_memory(e);
  int rc = sqlite3_prepare_v2(s->db, sql->text, -1, out, NULL);
  return rc == SQLITE_OK || fail(s, rc, e);
}

/* Appends BEFORE and c0 … with SEPARATOR before each. */
static void print_columns(buffer *out, const char *before, int n) {
  buffer_text(out, before);
  for (int i = 0; i < n; i++) buffer_printf(out, ",c%d", i);
}

static bool create(spill *s, tskdb_error *e) {
  buffer sql = {0};
  print_columns(&sql, "CREATE TABLE r(h", s->n_columns);
  buffer_char(&sql, ')');
  bool ok = sql.failed ? error_memory(e) : run(s, sql.text, e);
  buffer_clear(&sql);
  buffer_text(&sql, "INSERT INTO r VALUES(?");
  for (int i = 0; i < s->n_columns; i++) buffer_text(&sql, ",?");
  buffer_char(&sql, ')');
  ok = ok && prepare(s, &sql, &s->insert, e);
  buffer_clear(&sql);
  print_columns(&sql, "SELECT h", s->n_columns);
  buffer_text(&sql, " FROM r WHERE h=? ORDER BY rowid");
  ok = ok && prepare(s, &sql, &s->select, e);
  buffer_free(&sql);
  return ok;
}

spill *spill_new(int n_columns, tskdb_error *e) {
  spill *s = mem_zalloc(sizeof(*s));
  if (!s) {
    error_memory(e);
    return NULL;
  }
  s->n_columns = n_columns;
  int rc = sqlite3_open_v2("", &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
  bool ok = rc == SQLITE_OK || fail(s, rc, e);
  ok = ok && run(s, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-8192; BEGIN",
                 e) && create(s, e);
  if (ok) return s;
  spill_free(s);
  return NULL;
}

void spill_free(spill *s) {
  if (!s) return;
  sqlite3_finalize(s->insert);
  sqlite3_finalize(s->select);
  sqlite3_close(s->db);
  mem_free(s);
}

static int bind(sqlite3_stmt *stmt, int i, value v) {
  switch (v.storage) {
    case STORAGE_INTEGER: return sqlite3_bind_int64(stmt, i, v.integer);
    case STORAGE_REAL: return sqlite3_bind_double(stmt, i, v.real);
    case STORAGE_TEXT:
      return sqlite3_bind_text64(stmt, i, v.bytes, v.length, SQLITE_STATIC, SQLITE_UTF8);
    case STORAGE_BLOB: return sqlite3_bind_blob64(stmt, i, v.bytes, v.length, SQLITE_STATIC);
    default: return sqlite3_bind_null(stmt, i);
  }
}

bool spill_add(spill *s, uint64_t hash, const batch *page, uint32_t row, tskdb_error *e) {
  int rc = sqlite3_bind_int64(s->insert, 1, (sqlite3_int64)hash);
  for (int i = 0; rc == SQLITE_OK && i < s->n_columns; i++) {
    rc = bind(s->insert, i + 2, batch_at(page, i, row));
  }
  if (rc == SQLITE_OK) rc = sqlite3_step(s->insert);
  sqlite3_reset(s->insert);
  return rc == SQLITE_DONE || fail(s, rc, e);
}

bool spill_find(spill *s, uint64_t hash, tskdb_error *e) {
  if (!s->indexed && !run(s, "CREATE INDEX i ON r(h)", e)) return false;
  s->indexed = true;
  sqlite3_reset(s->select);
  int rc = sqlite3_bind_int64(s->select, 1, (sqlite3_int64)hash);
  return rc == SQLITE_OK || fail(s, rc, e);
}

static value cell(sqlite3_stmt *stmt, int i) {
  value v = {.storage = STORAGE_NULL};
  switch (sqlite3_column_type(stmt, i)) {
    case SQLITE_INTEGER:
      return (value){.storage = STORAGE_INTEGER, .integer = sqlite3_column_int64(stmt, i)};
    case SQLITE_FLOAT:
      return (value){.storage = STORAGE_REAL, .real = sqlite3_column_double(stmt, i)};
    case SQLITE_TEXT:
      v = (value){.storage = STORAGE_TEXT, .bytes = (const char *)sqlite3_column_text(stmt, i)};
      break;
    case SQLITE_BLOB:
      v = (value){.storage = STORAGE_BLOB, .bytes = sqlite3_column_blob(stmt, i)};
      break;
    default: return v;
  }
  v.length = (size_t)sqlite3_column_bytes(stmt, i);
  return v;
}

spill_status spill_next(spill *s, batch *page, tskdb_error *e) {
  int rc = sqlite3_step(s->select);
  if (rc == SQLITE_DONE) return SPILL_END;
  if (rc != SQLITE_ROW) {
    fail(s, rc, e);
    return SPILL_ERROR;
  }
  for (int i = 0; i < s->n_columns; i++) {
    value v = cell(s->select, i + 1);
    batch_value(page, i, &v);
  }
  return SPILL_ROW;
}
