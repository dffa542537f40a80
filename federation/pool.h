/*
** pool.h - connections to servers, shared by all SQLite connections of the process.
**
** A pool is one URL with one set of the options that concern connections.  It
** is counted; any thread may call every function.
*/
#ifndef FEDERATION_POOL_H
#define FEDERATION_POOL_H

#include "vtab/driver.h"

/* What makes two pools the same. Copied. */
typedef struct pool_key {
  const driver *driver;
  const char *url;             /* with its secrets */
  bool read_only;
  int connect_timeout_ms;
  int limit;                   /* most connections at a time */
} pool_key;

typedef struct pool pool;

/* The process's pool of that key: retained, or NULL without memory. Connects nothing. */
pool *pool_get(const pool_key *key);

/* The last one closes the idle connections and wipes the URL. NULL is a no-op. */
void pool_unref(pool *p);

/* A healthy connection that nobody else uses: an idle one, else a new one,
** else it waits for one that is given back, as long as W says.  OWNER is
** whoever must not wait for itself: if it holds all connections, that is an
** error at once.  NULL with an error; without WAIT also where none is free, without an error. */
connection *pool_acquire(pool *p, const void *owner, bool wait, const wait_scope *w, tskdb_error *e);

/* An idle one for OWNER, as it is: it may have died unnoticed. NULL: there is none. */
connection *pool_acquire_idle(pool *p, const void *owner);

/* Gives C back.  A dirty one is reset first, a broken one closed. */
void pool_release(pool *p, connection *c);

/* How many connections are open now, idle or in use. */
int pool_open_connections(pool *p);

#endif
