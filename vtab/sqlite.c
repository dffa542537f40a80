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

#else

#include <pthread.h>

SQLITE_EXTENSION_INIT1

bool sqlite_host_set(const void *api) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  bool accepted;
  pthread_mutex_lock(&lock);
  if (sqlite3_api == NULL) sqlite3_api = api;
  accepted = api != NULL && sqlite3_api == api;
  pthread_mutex_unlock(&lock);
  return accepted;
}

#endif
