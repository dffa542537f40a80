/*
** library.c - the public functions of tskdb.h.
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "federation/library.h"

#include <string.h>

#include "federation/attach.h"
#include "federation/explain.h"
#include "federation/functions.h"
#include "federation/server.h"
#include "federation/statistics.h"
#include "federation/tables.h"
#include "federation/tskdb.h"
#include "vtab/buffer.h"
#include "vtab/memory.h"
#include "vtab/module.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

enum { OLDEST_SQLITE = 3038000 };

const char *tskdb_version(void) { return PACKAGE_VERSION; }

int library_register(sqlite3 *db) {
  if (sqlite3_libversion_number() < OLDEST_SQLITE) return SQLITE_ERROR;
  if (registry_of(db)) return SQLITE_OK;
  registry *r = registry_new(db);
  if (!r) return SQLITE_NOMEM;
  int rc = functions_register(r);
  if (rc == SQLITE_OK) rc = module_register(db, &r->base);
  if (rc == SQLITE_OK) rc = explain_register(db, &r->base);
  if (rc == SQLITE_OK) rc = tables_register(r);
  registry_unref(r);
  return rc;
}

int tskdb_init(sqlite3 *db) { return library_register(db); }

/* Ends a call: remembers the error, or hands out the text. */
static int finish(registry *r, bool ok, buffer *text, char **out, const tskdb_error *e) {
  if (out) *out = NULL;
  if (!ok) registry_remember(r, e);
  else if (out && text) *out = sqlite3_mprintf("%s", buffer_cstr(text));
  if (text) buffer_free(text);
  return ok ? SQLITE_OK : error_sqlite_code(e);
}

int tskdb_attach(sqlite3 *db, const char *name, const char *url, const char *json, char **summary) {
  registry *r = registry_of(db);
  tskdb_error e = {0};
  buffer text = {0};
  if (!r) return SQLITE_MISUSE;
  bool ok = attach_server(r, name, url, json, &text, &e);
  return finish(r, ok, &text, summary, &e);
}

int tskdb_detach(sqlite3 *db, const char *name) {
  registry *r = registry_of(db);
  tskdb_error e = {0};
  if (!r) return SQLITE_MISUSE;
  return finish(r, attach_detach(r, name, &e), NULL, NULL, &e);
}

int tskdb_refresh(sqlite3 *db, const char *name, char **report) {
  registry *r = registry_of(db);
  tskdb_error e = {0};
  buffer text = {0};
  if (!r) return SQLITE_MISUSE;
  bool ok = attach_refresh(r, name, &text, &e);
  return finish(r, ok, &text, report, &e);
}

int tskdb_analyze(sqlite3 *db, const char *name, char **report) {
  registry *r = registry_of(db);
  tskdb_error e = {0};
  buffer text = {0};
  if (!r) return SQLITE_MISUSE;
  bool ok = statistics_analyze(r, name, &text, &e);
  return finish(r, ok, &text, report, &e);
}

static bool exec(registry *r, const char *name, const char *statement, int n,
                 const char *const *parameters, int64_t *affected, tskdb_error *e) {
  attached_server *s = registry_unlocked(r, "tskdb_exec()", e) ? registry_find(r, name, e) : NULL;
  if (!s) return false;
  if (!s->base.driver) return error_set(e, ERROR_CONFIG, "\"%.64s\" is a SQLite file: use SQL itself", name);
  value *values = mem_zalloc(((size_t)n + 1) * sizeof(*values));
  if (!values) return error_memory(e);
  for (int i = 0; i < n; i++) {
    if (!parameters[i]) continue;
    values[i] = (value){.storage = STORAGE_TEXT, .bytes = parameters[i], .length = strlen(parameters[i])};
  }
  bool ok = server_exec(s, statement, values, n, affected, e);
  if (!ok) error_server(e, s->base.name);
  mem_free(values);
  return ok;
}

int tskdb_exec(sqlite3 *db, const char *server_name, const char *statement, int n,
               const char *const *parameters, sqlite3_int64 *affected) {
  registry *r = registry_of(db);
  tskdb_error e = {0};
  int64_t rows = 0;
  if (!r) return SQLITE_MISUSE;
  bool ok = exec(r, server_name, statement, n, parameters, &rows, &e);
  if (affected) *affected = rows;
  return finish(r, ok, NULL, NULL, &e);
}

const tskdb_error *tskdb_last_error(sqlite3 *db) {
  static const tskdb_error none;
  const registry *r = registry_of(db);
  return r ? &r->last_error : &none;
}

const char *tskdb_error_class(const tskdb_error *e) { return error_class_name(e->klass); }
const char *tskdb_error_server(const tskdb_error *e) { return e->server; }
const char *tskdb_error_message(const tskdb_error *e) { return e->text; }
const char *tskdb_error_sqlstate(const tskdb_error *e) { return e->sqlstate; }
int tskdb_error_native(const tskdb_error *e) { return e->native; }
int tskdb_error_retryable(const tskdb_error *e) { return e->retryable; }
int tskdb_error_outcome_unknown(const tskdb_error *e) { return e->outcome_unknown; }
