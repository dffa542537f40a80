/*
** schema.h - where a server's tables stand in SQLite: their schema, made and removed.
*/
#ifndef FEDERATION_SCHEMA_H
#define FEDERATION_SCHEMA_H

#include "federation/server.h"

/* Whether a server may be attached as NAME now; false with an error that says why not. */
bool schema_check_name(registry *r, const char *name, tskdb_error *e);

/* Makes the empty schema of a server with a driver; chooses s->schema. */
bool schema_create(attached_server *s, tskdb_error *e);

/* Makes the virtual table of relation I of the server's catalog.  That SQLite
** refuses this one table is noted there and no error. */
bool schema_add_table(attached_server *s, int i, tskdb_error *e);

/* Drops the virtual table NAME if it is there. */
bool schema_drop_table(attached_server *s, const char *name, tskdb_error *e);
bool schema_has_table(const attached_server *s, const char *name);

/* Removes the schema with all that is in it (SCHEMA_FILE: detaches the file). */
bool schema_remove(attached_server *s, tskdb_error *e);

/* Whether the schema is still the one that was made for S: the user may have
** said DETACH. */
bool schema_is_there(const attached_server *s);

/* Removes the schema, after a failed attach; if that cannot be done now, it is
** tried again by schema_tidy(). Cannot fail. */
void schema_abandon(attached_server *s);
void schema_tidy(registry *r);
void schema_forget_leftovers(registry *r);

/* The error for a code that SQLite returned, with its message. */
bool schema_error(sqlite3 *db, int rc, const char *doing, tskdb_error *e);

#endif
