/*
** interrupt.c - whether the user of a SQLite connection said stop.
**
** SQLite 3.41 and later say so (sqlite3_is_interrupted).  Before that a nested
** statement is tried: while another statement runs, an interrupted connection
** answers SQLITE_INTERRUPT to it.  A nested statement would clear the flag if
** it were the only one, hence the rule in the header.
**
** The newer call is looked up at run time, so that a build with the headers
** of 3.40 uses it too: in a guest it is the slot behind the last one of the
** table that 3.40 knows (the table only ever grows at its end), in the library
** a weak symbol.
*/
#include "vtab/interrupt.h"

#include <stddef.h>
#include <string.h>

enum { IS_INTERRUPTED_SINCE = 3041000 };

typedef int is_interrupted_function(sqlite3 *);

#ifdef SQLITE_CORE

#if SQLITE_VERSION_NUMBER < 3041000
extern int sqlite3_is_interrupted(sqlite3 *) __attribute__((weak));
#endif

static is_interrupted_function *find_function(void) {
  is_interrupted_function *f = sqlite3_is_interrupted;
  return f;
}

#else

static is_interrupted_function *find_function(void) {
  enum { SLOT = offsetof(sqlite3_api_routines, value_encoding) + sizeof(sqlite3_api->value_encoding) };
  is_interrupted_function *f;
  memcpy(&f, (const char *)sqlite3_api + SLOT, sizeof(f));
  return f;
}

#endif

static bool asked_by_call(void *db) {
  return find_function()(db) != 0;
}

static bool asked_by_statement(void *db) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, "SELECT 1", -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  sqlite3_finalize(stmt);
  return rc == SQLITE_INTERRUPT;
}

wait_scope interrupt_scope(sqlite3 *db, int timeout_ms) {
  bool has_call = sqlite_version() >= IS_INTERRUPTED_SINCE && find_function() != NULL;
  return (wait_scope){.timeout_ms = timeout_ms,
                      .interrupted = has_call ? asked_by_call : asked_by_statement,
                      .context = db,
                      .wake_fd = -1};
}
