/*
** tables.h - the tables to read: tskdb_servers, tskdb_tables, tskdb_columns,
** tskdb_indexes, tskdb_foreign_keys, tskdb_pushdown, tskdb_requests.
*/
#ifndef FEDERATION_TABLES_H
#define FEDERATION_TABLES_H

#include "federation/registry.h"

/* Registers them on R's connection; each holds R. Returns an SQLite code. */
int tables_register(registry *r);

#endif
