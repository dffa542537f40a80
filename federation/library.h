/*
** library.h - registering everything on one SQLite connection.
*/
#ifndef FEDERATION_LIBRARY_H
#define FEDERATION_LIBRARY_H

#include "vtab/sqlite.h"

/* What tskdb_init() and the extension's entry both do. Returns an SQLite code. */
int library_register(sqlite3 *db);

#endif
