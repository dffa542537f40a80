/*
** schema.c - where a server's tables stand in SQLite.
**
** Usually an attached memory database of the server's name.  On a connection
** whose main database is read-only SQLite makes attached memory databases
** read-only too; a URI memory database is not, where the host allows URIs;
** else the tables stand in temp with the server's name before theirs.
**
** A memory schema carries our mark (application_id) and a serial number
** (user_version), so that a schema of the same name that the user made after
** a DETACH of his own is never taken for ours.
**
** Nothing stays prepared. DDL runs inside the user's SELECT tskdb_attach(…),
** which reads no database, so that it commits by itself.
*/
#include "federation/schema.h"

#include <string.h>

#include "vtab/buffer.h"
#include "vtab/memory.h"

enum { SCHEMA_MARK = 0x74736b64 };     /* "tskd" */
enum { NAME_MAX_BYTES = 63 };

/* A schema that is to go and could not. */
struct leftover {
  struct leftover *next;
  char *name;
  int serial;
};

/* ---- running SQL ------------------------------------------------------- */

bool schema_error(sqlite3 *db, int rc, const char *doing, tskdb_error *e) {
  switch (rc & 0xff) {
    case SQLITE_NOMEM: return error_memory(e);
    case SQLITE_INTERRUPT: return error_set(e, ERROR_INTERRUPT, "interrupted");
    default: return error_set(e, ERROR_CONFIG, "%s: %s", doing, sqlite3_errmsg(db));
  }
}

/* Runs what stands in SQL, which is freed. */
static int run(sqlite3 *db, buffer *sql) {
  int rc = sql->failed ? SQLITE_NOMEM : sqlite3_exec(db, buffer_cstr(sql), NULL, NULL, NULL);
  buffer_free(sql);
  return rc;
}

/* The integer that a PRAGMA of a schema answers; false if there is no such schema. */
static bool read_pragma(sqlite3 *db, const char *schema, const char *pragma, int *out) {
  buffer sql = {0};
  sqlite3_stmt *stmt = NULL;
  buffer_text(&sql, "PRAGMA ");
  buffer_quoted(&sql, schema, '"');
  buffer_printf(&sql, ".%s", pragma);
  bool ok = !sql.failed && sqlite3_prepare_v2(db, buffer_cstr(&sql), -1, &stmt, NULL) == SQLITE_OK &&
            sqlite3_step(stmt) == SQLITE_ROW;
  if (ok) *out = sqlite3_column_int(stmt, 0);
  sqlite3_finalize(stmt);
  buffer_free(&sql);
  return ok;
}

/* ---- names ------------------------------------------------------------- */

/* Looks NAME up among the connection's databases. *N receives how many are
** attached. False with an error if they cannot be listed. */
static bool list_databases(sqlite3 *db, const char *name, bool *found, int *n, tskdb_error *e) {
  sqlite3_stmt *stmt = NULL;
  *found = false;
  *n = 0;
  int rc = sqlite3_prepare_v2(db, "PRAGMA database_list", -1, &stmt, NULL);
  while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
    const char *listed = (const char *)sqlite3_column_text(stmt, 1);
    if (listed && sqlite3_stricmp(listed, name) == 0) *found = true;
    if (sqlite3_column_int(stmt, 0) >= 2) ++*n;      /* 0 is main, 1 is temp */
  }
  int end = sqlite3_finalize(stmt);
  if (rc == SQLITE_OK) rc = end;
  return rc == SQLITE_OK ? true : schema_error(db, rc, "cannot list the attached databases", e);
}

static bool is_name(const char *name, tskdb_error *e) {
  if (!*name) return error_set(e, ERROR_CONFIG, "the server's name is empty");
  if (strlen(name) > NAME_MAX_BYTES) {
    return error_set(e, ERROR_CONFIG, "the server's name is longer than %d bytes", NAME_MAX_BYTES);
  }
  for (const char *c = name; *c; c++) {
    if ((unsigned char)*c < 0x20 || *c == 0x7f) {
      return error_set(e, ERROR_CONFIG, "the server's name has a control character");
    }
  }
  if (!value_is_utf8(name, strlen(name))) return error_set(e, ERROR_CONFIG, "the server's name is not UTF-8");
  if (sqlite3_stricmp(name, "main") == 0 || sqlite3_stricmp(name, "temp") == 0) {
    return error_set(e, ERROR_CONFIG, "\"%s\" is a schema of SQLite's own; choose another name", name);
  }
  return true;
}

bool schema_check_name(registry *r, const char *name, tskdb_error *e) {
  bool taken = false;
  int n = 0;
  if (!is_name(name, e) || !list_databases(r->db, name, &taken, &n, e)) return false;
  for (const attached_server *s = r->servers; s; s = s->next) {
    if (sqlite3_stricmp(s->base.name, name) == 0) taken = true;
  }
  if (taken) return error_set(e, ERROR_CONFIG, "the name \"%s\" is taken; tskdb_detach('%s') frees it", name, name);
  int most = sqlite3_limit(r->db, SQLITE_LIMIT_ATTACHED, -1);
  if (n < most) return true;
  return error_set(e, ERROR_LIMIT, "cannot attach \"%s\": this SQLite allows %d attached databases and has them;"
                   " detach one first", name, most);
}

/* ---- the schema -------------------------------------------------------- */

static int detach(sqlite3 *db, const char *name) {
  buffer sql = {0};
  buffer_text(&sql, "DETACH ");
  buffer_quoted(&sql, name, '"');
  return run(db, &sql);
}

static int attach(sqlite3 *db, const char *what, const char *name) {
  buffer sql = {0};
  buffer_text(&sql, "ATTACH ");
  buffer_quoted(&sql, what, '\'');
  buffer_text(&sql, " AS ");
  buffer_quoted(&sql, name, '"');
  return run(db, &sql);
}

/* Attaches a memory database that can be written. SQLITE_READONLY: none can be had. */
static int attach_memory(sqlite3 *db, const char *name) {
  int rc = attach(db, ":memory:", name);
  if (rc != SQLITE_OK || sqlite3_db_readonly(db, name) != 1) return rc;
  rc = detach(db, name);
  if (rc != SQLITE_OK) return rc;
  if (attach(db, "file:tskdb?mode=memory", name) != SQLITE_OK) return SQLITE_READONLY;
  if (sqlite3_db_readonly(db, name) != 1) return SQLITE_OK;
  rc = detach(db, name);
  return rc == SQLITE_OK ? SQLITE_READONLY : rc;
}

static int mark(sqlite3 *db, const char *name, int serial) {
  buffer sql = {0};
  buffer_text(&sql, "PRAGMA ");
  buffer_quoted(&sql, name, '"');
  buffer_printf(&sql, ".application_id=%d;PRAGMA ", SCHEMA_MARK);
  buffer_quoted(&sql, name, '"');
  buffer_printf(&sql, ".user_version=%d", serial);
  return run(db, &sql);
}

static bool is_marked(sqlite3 *db, const char *name, int serial) {
  int found = 0;
  return read_pragma(db, name, "application_id", &found) && found == SCHEMA_MARK &&
         read_pragma(db, name, "user_version", &found) && found == serial;
}

bool schema_create(attached_server *s, tskdb_error *e) {
  sqlite3 *db = s->registry->db;
  int rc = attach_memory(db, s->base.name);
  if (rc == SQLITE_READONLY) {
    s->schema = SCHEMA_TEMP;
    return true;
  }
  s->schema = SCHEMA_MEMORY;
  s->serial = ++s->registry->serial;
  if (rc != SQLITE_OK) return schema_error(db, rc, "cannot make the schema", e);
  rc = mark(db, s->base.name, s->serial);
  if (rc == SQLITE_OK) return true;
  schema_error(db, rc, "cannot mark the schema", e);
  detach(db, s->base.name);
  return false;
}

bool schema_is_there(const attached_server *s) {
  sqlite3 *db = s->registry->db;
  switch (s->schema) {
    case SCHEMA_TEMP: return true;
    case SCHEMA_MEMORY: return is_marked(db, s->base.name, s->serial);
    case SCHEMA_FILE: break;
  }
  const char *file = sqlite3_db_filename(db, s->base.name);
  return file && strcmp(file, s->file) == 0;
}

/* ---- tables ------------------------------------------------------------ */

static void print_table(const attached_server *s, const char *name, buffer *sql) {
  if (s->schema == SCHEMA_TEMP) {
    buffer prefixed = {0};
    buffer_printf(&prefixed, "%s.%s", s->base.name, name);
    buffer_text(sql, "temp.");
    buffer_quoted(sql, buffer_cstr(&prefixed), '"');
    sql->failed |= prefixed.failed;
    buffer_free(&prefixed);
  } else {
    buffer_quoted(sql, s->base.name, '"');
    buffer_char(sql, '.');
    buffer_quoted(sql, name, '"');
  }
}

/* Whether a code speaks of the one table that was to be made, not of the whole. */
static bool is_about_the_table(int rc) {
  switch (rc & 0xff) {
    case SQLITE_ERROR: case SQLITE_TOOBIG: case SQLITE_MISUSE: case SQLITE_CONSTRAINT: return true;
    default: return false;
  }
}

bool schema_add_table(attached_server *s, int i, tskdb_error *e) {
  const relation *r = &s->base.catalog->relations[i];
  server_table *t = &s->tables[i];
  sqlite3 *db = s->registry->db;
  buffer sql = {0};
  buffer_text(&sql, "CREATE VIRTUAL TABLE ");
  print_table(s, r->name, &sql);
  buffer_text(&sql, " USING tskdb(");
  buffer_quoted(&sql, s->base.name, '"');
  buffer_char(&sql, ',');
  buffer_quoted(&sql, r->name, '"');
  buffer_text(&sql, server_pushdown_is_off(s, r) ? ",pushdown=off)" : ")");
  int rc = run(db, &sql);
  t->attached = rc == SQLITE_OK;
  if (rc == SQLITE_OK) return true;
  if (!is_about_the_table(rc)) {
    schema_error(db, rc, "cannot make a table", e);
    error_prefix(e, "\"%.64s\"", r->name);
    return false;
  }
  mem_free(t->refused);
  t->refused = mem_strdup(sqlite3_errmsg(db));
  return t->refused ? true : error_memory(e);
}

bool schema_drop_table(attached_server *s, const char *name, tskdb_error *e) {
  sqlite3 *db = s->registry->db;
  buffer sql = {0};
  buffer_text(&sql, "DROP TABLE IF EXISTS ");
  print_table(s, name, &sql);
  int rc = run(db, &sql);
  if (rc == SQLITE_OK) return true;
  schema_error(db, rc, "cannot drop the table", e);
  error_prefix(e, "\"%.64s\"", name);
  return false;
}

bool schema_has_table(const attached_server *s, const char *name) {
  buffer table = {0};
  bool in_temp = s->schema == SCHEMA_TEMP;
  if (in_temp) buffer_printf(&table, "%s.", s->base.name);
  buffer_text(&table, name);
  bool found = !table.failed &&
               sqlite3_table_column_metadata(s->registry->db, in_temp ? "temp" : s->base.name, buffer_cstr(&table),
                                             NULL, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
  buffer_free(&table);
  return found;
}

static bool drop_all(attached_server *s, tskdb_error *e) {
  const catalog *c = s->base.catalog;
  for (int i = 0; s->tables && i < c->n_relations; i++) {
    if (!s->tables[i].attached) continue;
    if (!schema_drop_table(s, c->relations[i].name, e)) return false;
    s->tables[i].attached = false;
  }
  return true;
}

bool schema_remove(attached_server *s, tskdb_error *e) {
  if (s->schema == SCHEMA_TEMP) return drop_all(s, e);
  int rc = detach(s->registry->db, s->base.name);
  return rc == SQLITE_OK ? true : schema_error(s->registry->db, rc, "cannot detach", e);
}

/* ---- leftovers --------------------------------------------------------- */

void schema_abandon(attached_server *s) {
  tskdb_error ignored = {0};
  if (schema_remove(s, &ignored) || s->schema != SCHEMA_MEMORY) return;
  struct leftover *l = mem_zalloc(sizeof(*l));
  char *name = mem_strdup(s->base.name);
  if (!l || !name) {
    mem_free(l);
    mem_free(name);
    return;
  }
  *l = (struct leftover){.next = s->registry->leftovers, .name = name, .serial = s->serial};
  s->registry->leftovers = l;
}

static void leftover_free(struct leftover *l) {
  mem_free(l->name);
  mem_free(l);
}

void schema_tidy(registry *r) {
  for (struct leftover **link = &r->leftovers; *link;) {
    struct leftover *l = *link;
    if (is_marked(r->db, l->name, l->serial) && detach(r->db, l->name) != SQLITE_OK) {
      link = &l->next;
      continue;
    }
    *link = l->next;
    leftover_free(l);
  }
}

void schema_forget_leftovers(registry *r) {
  while (r->leftovers) {
    struct leftover *l = r->leftovers;
    r->leftovers = l->next;
    leftover_free(l);
  }
}
