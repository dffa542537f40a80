/*
** schema.h - the SQLite schema of an attached server: its database and its tables.
*/
#ifndef FEDERATION_SCHEMA_H
#define FEDERATION_SCHEMA_H

#include "federation/server.h"

/* Whether DB has a database of that name now. */
bool schema_exists(sqlite3 *db, const char *name);

/* False with an error within a transaction, whose rollback would take tables
** away without a word. WHAT is named in the error. */
bool schema_is_changeable(registry *r, const char *what, tskdb_error *e);

/* False with an error if NAME cannot become a schema. */
bool schema_name_is_free(registry *r, const char *name, tskdb_error *e);

/* Makes the schema and the tables of S: all of those that are wanted and usable.
** A table that SQLite refuses is noted in S->tables; any other failure undoes
** everything. */
bool schema_create(attached_server *s, tskdb_error *e);

/* Attaches the SQLite file PATH as NAME. */
bool schema_attach_file(sqlite3 *db, const char *name, const char *path, bool read_only, tskdb_error *e);

/* Whether anything of it is there, as after an undoing that failed too. */
bool schema_remains(const attached_server *s);

/* Removes the schema. True if it was not there. */
bool schema_drop(attached_server *s, tskdb_error *e);

/* Makes the tables that are wanted, usable and not there yet, and notes those that
** SQLite refuses. False when something else is wrong: those after it are not there. */
bool schema_create_tables(attached_server *s, tskdb_error *e);

/* Drops the tables that are leaving. When one cannot be dropped, because it is being
** read, the others are made again. */
bool schema_drop_leaving(attached_server *s, tskdb_error *e);

#endif
