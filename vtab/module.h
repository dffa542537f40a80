/*
** module.h - the SQLite modules "tskdb" and "tskdb_query".
**
**   CREATE VIRTUAL TABLE temp.x USING tskdb(server, 'remote table' [, pushdown=off])
**   CREATE VIRTUAL TABLE temp.q USING tskdb_query(server, 'native SELECT')
*/
#ifndef VTAB_MODULE_H
#define VTAB_MODULE_H

#include "vtab/server.h"
#include "vtab/sqlite.h"

/* Registers both modules on DB. Each retains D. Returns an SQLite code. */
int module_register(sqlite3 *db, server_directory *d);

#endif
