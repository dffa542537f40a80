/*
** server.h - a server that is attached to one SQLite connection.
**
** An attached_server is counted: the registry's list holds one reference
** while it is attached, each virtual table one.  It holds its pool, its
** catalog and its registry.
*/
#ifndef FEDERATION_SERVER_H
#define FEDERATION_SERVER_H

#include "federation/options.h"
#include "federation/pool.h"
#include "federation/registry.h"

/* Where a server's tables stand. */
typedef enum schema_kind {
  SCHEMA_MEMORY,             /* an attached memory database of its name: name.table */
  SCHEMA_TEMP,               /* the temporary schema of a read-only connection: "name.table" */
  SCHEMA_FILE                /* a SQLite file, attached as it is */
} schema_kind;

/* What became of a relation of the catalog. */
typedef struct server_table {
  bool wanted;               /* the options mean it */
  bool attached;             /* there is a virtual table */
  bool leaving;              /* it is to be dropped, or was by what is under way */
  char *refused;             /* why SQLite refused it, NULL: it did not; owned */
} server_table;

typedef struct attached_server {
  server base;               /* what tables see; first. driver and catalog are NULL for SCHEMA_FILE */
  int references;
  registry *registry;        /* referenced */
  struct attached_server *next;  /* in registry->servers */
  arena arena;               /* name, url, the lists of the options */
  const char *url;           /* redacted: the whole one is the pool's alone */
  options options;
  pool *pool;                /* NULL for SCHEMA_FILE */
  schema_kind schema;
  bool remains;              /* attaching failed, and so did undoing it: done by the next attempt */
  server_table *tables;      /* one for each relation of base.catalog */
} attached_server;

/* A server of registry R, not yet on its list and without a catalog.  D is
** NULL for a SQLite file.  OPTIONS is copied, its lists must live in A, whose
** memory the server takes (A is empty afterwards).  NULL with an error. */
attached_server *server_new(registry *r, const char *name, const char *url, const driver *d,
                            const options *o, arena *a, tskdb_error *e);

/* What the server has now: new catalog, finished, or NULL. *ROUND_TRIPS
** receives how many it took, connecting not counted. */
catalog *server_discover(attached_server *s, int64_t *round_trips, tskdb_error *e);

/* The columns of a native statement: new catalog of one usable relation, or NULL. */
catalog *server_describe(attached_server *s, const native_text *native, tskdb_error *e);

/* Runs a native statement. */
bool server_exec(attached_server *s, const char *native, const value *parameters, int n,
                 int64_t *affected, tskdb_error *e);

/* Makes *C the server's catalog, with *TABLES for its relations; they become
** what it had (NULL: nothing), which is the caller's then. */
void server_swap_catalog(attached_server *s, catalog **c, server_table **tables);

/* New array for C's relations with `wanted` filled in; NULL without memory. */
server_table *server_tables_new(const attached_server *s, const catalog *c);
void server_tables_free(server_table *tables, const catalog *c);   /* NULL is a no-op */

/* Whether pushdown is off for relation R by the options. */
bool server_pushdown_is_off(const attached_server *s, const relation *r);

#endif
