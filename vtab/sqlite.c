/*
** sqlite.c - this module's SQLite API table.
**
** The only place with SQLITE_EXTENSION_INIT1.  The table is written once and
** never changed, so that every thread that has passed sqlite_host_set() may
** read it without a lock.
*/
#include "vtab/sqlite.h"

#ifdef SQLITE_CORE

bool sqlite_host_set(const void *api) {
  (void)api;
  return true;
}

int sqlite_version(void) {
  return sqlite3_libversion_number();
}

#else

#include <pthread.h>

SQLITE_EXTENSION_INIT1

static int version;

bool sqlite_host_set(const void *api) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  bool accepted;
  pthread_mutex_lock(&lock);
  if (sqlite3_api == NULL && api != NULL) {
    sqlite3_api = api;
    version = sqlite3_libversion_number();
  }
  accepted = api != NULL && sqlite3_api == api;
  pthread_mutex_unlock(&lock);
  return accepted;
}

int sqlite_version(void) {
  return version;
}

#endif

bool sqlite_are_builtin(sqlite3 *db, const char *names) {
  sqlite3_stmt *stmt = NULL;
  char *sql = sqlite3_mprintf("SELECT 1 FROM pragma_function_list WHERE name IN (%s) AND NOT builtin",
                              names);
  bool ok = sql && sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
            sqlite3_step(stmt) == SQLITE_DONE;
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  return ok;
}

value sqlite_value(sqlite3_value *v) {
  switch (sqlite3_value_type(v)) {
    case SQLITE_INTEGER:
      return (value){.storage = STORAGE_INTEGER, .integer = sqlite3_value_int64(v)};
    case SQLITE_FLOAT: return (value){.storage = STORAGE_REAL, .real = sqlite3_value_double(v)};
    case SQLITE_TEXT: {
      const char *text = (const char *)sqlite3_value_text(v);
      return (value){.storage = STORAGE_TEXT, .bytes = text, .length = (size_t)sqlite3_value_bytes(v)};
    }
    case SQLITE_BLOB: {
      const char *bytes = sqlite3_value_blob(v);
      return (value){.storage = STORAGE_BLOB, .bytes = bytes, .length = (size_t)sqlite3_value_bytes(v)};
    }
    default: return (value){.storage = STORAGE_NULL};
  }
}
