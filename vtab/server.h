/*
** server.h - how a table gets at its server: declared here, filled in by the
** floor above.
**
** A server is one attached name of one SQLite connection.  It is counted;
** virtual tables and statements hold it.  All functions are called by the
** SQLite connection's own thread (under its mutex), never by a worker.
*/
#ifndef VTAB_SERVER_H
#define VTAB_SERVER_H

#include <stddef.h>

#include "vtab/driver.h"

typedef struct server server;

/* Options of a server as they concern its tables. */
typedef struct server_options {
  bool pushdown;             /* false: every filter, order and limit is local */
  bool bulk;                 /* many rows may come in another way than few (query.h) */
  bool prefetch;             /* a worker fetches the next batch of a large result */
  int timeout_ms;            /* bound of one wait; 0: none */
  size_t batch_bytes;        /* bound of one batch */
  bool batch_keys;           /* keys of many probes travel in one request */
  bool fetch_whole;          /* a table that is probed again and again is fetched once */
  bool overlap;              /* scans of several servers run at the same time */
  bool run_lengths;          /* rows that are equal in all that is read come with their number */
  int residual_rows;         /* predicates that SQLite keeps to itself are sent as well, of tables
                             ** with at least so many rows; -1: never */
  size_t memory;             /* bytes that a table's rows may take while it is probed */
} server_options;

/* What the server takes, in microseconds; measured, 0: not yet. */
typedef struct server_pace {
  double round_trip_us;      /* of a request that brings next to nothing */
  double row_us;             /* of one more row in a large result */
} server_pace;

/* One request as tskdb_requests shows it. Strings are borrowed for the call. */
typedef struct request_record {
  const char *text;
  const char *kind;          /* "scan", "probe", "keys", "whole", "runs", "memory", "unused"; NULL: no scan */
  double ahead_ms;           /* how long before its scan was opened it was sent; 0: not before */
  int64_t keys;              /* asked for at once */
  int64_t hits, misses;      /* "memory": probes answered from rows kept, and those that were not */
  int64_t spilled;           /* "memory": rows that went to a temporary file */
  double started;            /* Unix time, seconds */
  double first_ms, last_ms;  /* from sending to the first and the last batch */
  int64_t rows, bytes, round_trips;
  const char *error;         /* NULL: none */
} request_record;

struct server {
  const driver *driver;
  const char *name;          /* the attached name */
  server_options options;
  server_pace pace;
  uint64_t writes;           /* native statements run by this connection: what is kept is old then */
  catalog *catalog;          /* as of the last refresh; a table retains its own */

  /* A connection for one scan: idle, healthy, nobody else's. NULL: error. */
  connection *(*acquire)(server *s, const wait_scope *w, tskdb_error *e);
  /* The same without waiting, for a request that is not urgent: idle, but perhaps lost
  ** meanwhile. NULL, without an error: there is none. */
  connection *(*acquire_idle)(server *s);
  /* Gives it back; a broken one is closed. */
  void (*release)(server *s, connection *c);
  void (*record)(server *s, const request_record *r);
  /* Keeps a copy of an error that is about to be reported, for tskdb_last_error(). */
  void (*remember)(server *s, const tskdb_error *e);
  void (*retain)(server *s);
  void (*unref)(server *s);
};

/* How the module finds servers by name: its client data (pAux). */
struct cursor;

typedef struct server_directory {
  struct table *tables;      /* all that this SQLite connection has connected (module.c) */
  struct cursor *cursors;    /* all that are open (cursor.c) */
  uint64_t compilations;     /* statements that use a table, as far as xBestIndex tells */
  int estimates;             /* raised when an estimate changes that plans are priced by */
  struct overlaps *overlaps; /* requests of scans that are not open yet (overlap.c) */
  size_t kept;               /* bytes of rows that all tables keep for their probes (keyed.c) */
  /* Borrowed; NULL with a clear error if none of that name is attached. */
  server *(*find)(struct server_directory *d, const char *name, tskdb_error *e);
  /* The described columns of a native statement, kept for the life of the
  ** directory so that xConnect makes no second round trip: retained catalog
  ** of one relation, or NULL. */
  catalog *(*describe)(struct server_directory *d, server *s, const native_text *native,
                       tskdb_error *e);
  /* Counted: each module that is registered holds it. */
  void (*retain)(struct server_directory *d);
  void (*unref)(struct server_directory *d);
} server_directory;

#endif
