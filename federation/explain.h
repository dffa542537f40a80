/*
** explain.h - tskdb_explain('SELECT …'): what each server would be asked.
*/
#ifndef FEDERATION_EXPLAIN_H
#define FEDERATION_EXPLAIN_H

#include "vtab/server.h"
#include "vtab/sqlite.h"

/* Registers the table-valued function on DB. Retains D. Returns an SQLite code. */
int explain_register(sqlite3 *db, server_directory *d);

#endif
