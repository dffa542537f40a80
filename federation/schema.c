/*
** schema.c - the SQLite schema of an attached server.
**
** The tables stand in a memory database of the server's name, so that a file
** of the user's is never written and only temporary views can name them.  On a
** connection that was opened read-only a plain ':memory:' database is read-only
** too; a memory database by URI is not.  Where SQLite takes no URIs either, the
** tables stand in temp, as "server.table".
**
** Everything here is SQL on the host's connection; nothing stays prepared.
*/
#include "federation/schema.h"

#include <string.h>

#include "vtab/buffer.h"
#include "vtab/memory.h"

static bool run(sqlite3 *db, const buffer *sql, tskdb_error *e) {
  char *message = NULL;
  if (sql->failed) return error_memory(e);
  int rc = sqlite3_exec(db, buffer_cstr(sql), NULL, NULL, &message);
  if (rc == SQLITE_NOMEM) error_memory(e);
  else if (rc != SQLITE_OK) error_set(e, ERROR_CONFIG, "%s", message ? message : sqlite3_errstr(rc));
  sqlite3_free(message);
  return rc == SQLITE_OK;
}

bool schema_exists(sqlite3 *db, const char *name) {
  return sqlite3_db_readonly(db, name) >= 0;   /* asks without memory */
}

bool schema_is_changeable(registry *r, const char *what, tskdb_error *e) {
  if (sqlite3_get_autocommit(r->db)) return true;
  return error_set(e, ERROR_CONFIG,
                   "%s cannot run within a transaction; hint: COMMIT or ROLLBACK first", what);
}

static bool drop_remains(registry *r, const char *name, tskdb_error *e) {
  attached_server *s = r->servers;
  while (s && sqlite3_stricmp(s->base.name, name) != 0) s = s->next;
  if (!s || !s->remains) return true;
  if (!schema_drop(s, e)) return false;
  registry_remove(r, s);
  return true;
}

bool schema_name_is_free(registry *r, const char *name, tskdb_error *e) {
  if (!*name) return error_set(e, ERROR_CONFIG, "the name is empty");
  if (!drop_remains(r, name, e)) return false;
  if (sqlite3_stricmp(name, "temp") == 0 || schema_exists(r->db, name)) {
    return error_set(e, ERROR_CONFIG, "the name \"%.64s\" is taken", name);
  }
  for (attached_server *s = r->servers; s; s = s->next) {
    if (sqlite3_stricmp(s->base.name, name) != 0) continue;
    if (s->schema == SCHEMA_TEMP) {
      return error_set(e, ERROR_CONFIG, "the name \"%.64s\" is taken", name);
    }
    registry_remove(r, s);   /* its schema was detached by plain DETACH */
    break;
  }
  return true;
}

static bool attach_database(sqlite3 *db, const char *name, const char *file, tskdb_error *e) {
  buffer sql = {0};
  buffer_text(&sql, "ATTACH ");
  buffer_quoted(&sql, file, '\'');
  buffer_text(&sql, " AS ");
  buffer_quoted(&sql, name, '"');
  bool ok = run(db, &sql, e);
  buffer_free(&sql);
  return ok;
}

static void print_detach(const char *name, buffer *out) {
  buffer_text(out, "DETACH ");
  buffer_quoted(out, name, '"');
}

static bool detach_database(sqlite3 *db, const char *name, tskdb_error *e) {
  buffer sql = {0};
  print_detach(name, &sql);
  bool ok = run(db, &sql, e);
  buffer_free(&sql);
  return ok;
}

bool schema_attach_file(sqlite3 *db, const char *name, const char *path, bool read_only, tskdb_error *e) {
  buffer uri = {0};
  if (!read_only) return attach_database(db, name, path, e);
  buffer_text(&uri, "file:");
  for (const char *c = path; *c; c++) {
    if (strchr("?#%", *c)) buffer_printf(&uri, "%%%02x", (unsigned char)*c);
    else buffer_char(&uri, *c);
  }
  buffer_text(&uri, "?mode=ro");
  bool ok = uri.failed ? error_memory(e) : attach_database(db, name, buffer_cstr(&uri), e);
  buffer_free(&uri);
  return ok;
}

/* A table's full name in SQLite. */
static void print_name(const attached_server *s, const char *table, buffer *out) {
  buffer whole = {0};
  if (s->schema == SCHEMA_TEMP) {
    buffer_printf(&whole, "%s.%s", s->base.name, table);
    buffer_text(out, "temp.");
    buffer_quoted(out, buffer_cstr(&whole), '"');
  } else {
    buffer_quoted(out, s->base.name, '"');
    buffer_char(out, '.');
    buffer_quoted(out, table, '"');
  }
  out->failed = out->failed || whole.failed;
  buffer_free(&whole);
}

static bool create_table(attached_server *s, int number, tskdb_error *e) {
  const relation *r = &s->base.catalog->relations[number];
  buffer sql = {0};
  buffer_text(&sql, "CREATE VIRTUAL TABLE ");
  print_name(s, r->name, &sql);
  buffer_text(&sql, " USING tskdb(");
  buffer_quoted(&sql, s->base.name, '"');
  buffer_text(&sql, ", ");
  buffer_quoted(&sql, r->name, '"');
  buffer_text(&sql, server_pushdown_is_off(s, r) ? ", pushdown=off)" : ")");
  bool ok = run(s->registry->db, &sql, e);
  buffer_free(&sql);
  if (ok) s->tables[number].attached = true;
  return ok;
}

static bool drop_table(attached_server *s, int number, tskdb_error *e) {
  buffer sql = {0};
  buffer_text(&sql, "DROP TABLE IF EXISTS ");
  print_name(s, s->base.catalog->relations[number].name, &sql);
  bool ok = run(s->registry->db, &sql, e);
  buffer_free(&sql);
  if (ok) s->tables[number].attached = false;
  else error_prefix(e, "table \"%.64s\"", s->base.catalog->relations[number].name);
  return ok;
}

/* True unless something other than this one table's declaration is wrong. */
static bool create_or_note(attached_server *s, int i, tskdb_error *e) {
  tskdb_error why = {0};
  if (create_table(s, i, &why)) return true;
  if (why.klass == ERROR_MEMORY || strstr(why.text, "readonly") || strstr(why.text, "interrupted")) {
    *e = why;
    return false;
  }
  s->tables[i].refused = mem_strdup(why.text);
  return true;
}

bool schema_create_tables(attached_server *s, tskdb_error *e) {
  const catalog *c = s->base.catalog;
  for (int i = 0; i < c->n_relations; i++) {
    if (s->tables[i].attached || !s->tables[i].wanted || c->relations[i].unusable) continue;
    if (!create_or_note(s, i, e)) return false;
  }
  return true;
}

static bool create_in(attached_server *s, const char *file, tskdb_error *e) {
  sqlite3 *db = s->registry->db;
  tskdb_error ignored = {0};
  buffer undo = {0};             /* made while there is memory */
  print_detach(s->base.name, &undo);
  bool ok = undo.failed ? error_memory(e) : attach_database(db, s->base.name, file, e);
  if (ok && !schema_create_tables(s, e)) {
    run(db, &undo, &ignored);
    ok = false;
  }
  buffer_free(&undo);
  return ok;
}

bool schema_drop_leaving(attached_server *s, tskdb_error *e) {
  tskdb_error ignored = {0};
  for (int i = 0; i < s->base.catalog->n_relations; i++) {
    if (!s->tables[i].leaving || drop_table(s, i, e)) continue;
    while (--i >= 0) {
      if (s->tables[i].leaving) create_table(s, i, &ignored);
    }
    return false;
  }
  return true;
}

static bool create_in_temp(attached_server *s, tskdb_error *e) {
  tskdb_error ignored = {0};
  s->schema = SCHEMA_TEMP;
  if (schema_create_tables(s, e)) return true;
  for (int i = 0; i < s->base.catalog->n_relations; i++) {
    if (s->tables[i].attached) drop_table(s, i, &ignored);
  }
  return false;
}

/* A memory database that cannot be written, or that cannot be opened by URI, is
** no failure of the server's. */
static bool is_read_only(const tskdb_error *e) {
  return strstr(e->text, "readonly") || strstr(e->text, "unable to open database");
}

bool schema_create(attached_server *s, tskdb_error *e) {
  static const char *const files[] = {":memory:", "file:tskdb?mode=memory"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    tskdb_error why = {0};
    if (create_in(s, files[i], &why)) return true;
    if (is_read_only(&why)) continue;
    *e = why;
    return false;
  }
  return create_in_temp(s, e);
}

bool schema_remains(const attached_server *s) {
  if (s->schema != SCHEMA_TEMP) return schema_exists(s->registry->db, s->base.name);
  for (int i = 0; s->tables && i < s->base.catalog->n_relations; i++) {
    if (s->tables[i].attached) return true;
  }
  return false;
}

bool schema_drop(attached_server *s, tskdb_error *e) {
  if (!schema_remains(s)) return true;
  if (s->schema != SCHEMA_TEMP) return detach_database(s->registry->db, s->base.name, e);
  for (int i = 0; i < s->base.catalog->n_relations; i++) {
    s->tables[i].leaving = s->tables[i].attached;
  }
  return schema_drop_leaving(s, e);
}
