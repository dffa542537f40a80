/*
** extension.c - the entry point of tskdb.so.
**
** Loading does next to nothing: it opens no client library, starts no thread
** and talks to nobody.  The module stays loaded: client libraries have
** exit handlers and threads, and other connections may use it.
*/
#include "federation/drivers.h"
#include "federation/library.h"
#include "vtab/sqlite.h"

__attribute__((visibility("default")))
int sqlite3_tskdb_init(sqlite3 *db, char **message, const sqlite3_api_routines *api);

int sqlite3_tskdb_init(sqlite3 *db, char **message, const sqlite3_api_routines *api) {
  if (!sqlite_host_set(api)) {
    *message = api->mprintf("tskdb is already loaded with another SQLite library in this process");
    return SQLITE_ERROR;
  }
  if (sqlite3_libversion_number() < 3038000) {
    *message = sqlite3_mprintf("tskdb needs SQLite 3.38 or newer; this is %s", sqlite3_libversion());
    return SQLITE_ERROR;
  }
  drivers_locate();
  int rc = library_register(db);
  return rc == SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : rc;
}
