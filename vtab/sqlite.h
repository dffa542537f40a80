/*
** sqlite.h - the one way to SQLite: every file that calls it includes this.
**
** A guest (tskdb.so, a driver module) reaches SQLite through the table that
** the host hands over; the library (-DSQLITE_CORE) calls it directly.  Each
** module has its own copy of the pointer, set once, before anything else.
*/
#ifndef VTAB_SQLITE_H
#define VTAB_SQLITE_H

#include <stdbool.h>

#ifdef SQLITE_CORE
#include <sqlite3.h>
#else
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3
#endif

#include "vtab/value.h"

/* Sets this module's API table.  False if it is NULL or another table was set
** before: a second SQLite library in one process, whose objects must not meet
** the first one's.  In the library there is no table, and this is true.
** Any thread. */
bool sqlite_host_set(const void *api);

/* sqlite3_libversion_number() of that SQLite, also for worker threads. */
int sqlite_version(void);

/* Whether all functions of these NAMES ('a', 'b': SQL literals, a constant of ours) are SQLite's
** own on DB, not the application's. False when in doubt. */
bool sqlite_are_builtin(sqlite3 *db, const char *names);

/* V as a value of ours; text is UTF-8. Bytes are borrowed from V: valid until
** V changes, which for an argument is the end of the callback. */
value sqlite_value(sqlite3_value *v);

#endif
