/*
** registry.h - all that tskdb knows of one SQLite connection.
**
** It is made by the first registration on a connection and freed with it:
** every function and module that is registered holds it.  Used under the
** connection's mutex.
*/
#ifndef FEDERATION_REGISTRY_H
#define FEDERATION_REGISTRY_H

#include "federation/requests.h"
#include "vtab/server.h"
#include "vtab/sqlite.h"

struct attached_server;

typedef struct registry {
  server_directory base;           /* what the modules see; first */
  struct registry *next;           /* of the process */
  sqlite3 *db;
  int holders;                     /* functions and modules */
  int references;                  /* 1 for all holders, 1 for each server that lives */
  bool complete;                   /* everything is registered on db */
  bool locked;                     /* tskdb_lock() */
  struct attached_server *servers; /* attached now, each retained */
  struct described *described;     /* native statements (registry.c) */
  request_log requests;
  tskdb_error last_error;
} registry;

/* The registry of DB, NULL if it has none. Any thread. */
registry *registry_of(sqlite3 *db);

/* A new registry for DB with one holder, or NULL without memory. */
registry *registry_new(sqlite3 *db);

/* A holder more or less; the last one detaches everything. */
void registry_retain(registry *r);
void registry_unref(registry *r);
void registry_destroy(void *r);    /* the same, for SQLite's xDestroy */

/* A server's own hold of its registry. */
void registry_reference(registry *r);
void registry_dereference(registry *r);

/* The attached server of that name, borrowed; NULL with an error. */
struct attached_server *registry_find(registry *r, const char *name, tskdb_error *e);

/* Adds S (its reference is taken) or takes it off the list (the reference is released). */
void registry_add(registry *r, struct attached_server *s);
void registry_remove(registry *r, struct attached_server *s);

/* Forgets what is known of a server's native statements. */
void registry_forget_described(registry *r, const char *server);

/* False with an error when the connection was locked by tskdb_lock(). */
bool registry_unlocked(const registry *r, const char *what, tskdb_error *e);

/* Keeps a copy of E for tskdb_last_error(). */
void registry_remember(registry *r, const tskdb_error *e);

#endif
