/*
** remote.h - one request of a scan that is under way on a server.
**
** From the connection to the record in tskdb_requests: sends, fetches batches,
** has a worker fetch ahead when a result has proved to be large, and measures
** what the server takes, by which plans are priced and probes are weighed.
**
** Invariant: a remote has a connection exactly while its request is under way.
*/
#ifndef VTAB_REMOTE_H
#define VTAB_REMOTE_H

#include <sys/types.h>

#include "vtab/prefetch.h"
#include "vtab/server.h"

typedef struct remote {
  server *server;              /* borrowed */
  const wait_scope *wait;      /* borrowed: the cursor's */
  bool repeatable;             /* it only reads: a lost connection is worth another try */
  request request;             /* valid while the request is under way */
  const char *kind;            /* for tskdb_requests: "scan", "probe", "keys", "whole", "runs" */
  int64_t keys;                /* asked for at once */

  /* zero from here on while no request is under way */
  connection *connection;
  pid_t process;               /* that sent it */
  scan *scan;
  prefetch *prefetch;          /* not NULL: the worker owns scan and connection */
  bool more;                   /* the scan has rows beyond the last batch */
  bool early;                  /* sent before its scan was opened */
  request_record record;
  int64_t started_us, waited_us;
  uint64_t round_trips_before, bytes_before;
} remote;

/* A request belongs to the process that sent it: a forked child reads no row of
** it and says nothing to the server. */

/* The first batch is smaller: a result that fits in it needs no worker. */
enum { REMOTE_FIRST_BYTES = 256 * 1024 };

/* Sends the request and fetches the first rows into B.  False with an error;
** the request is still to be stopped then. */
bool remote_start(remote *r, batch *b, tskdb_error *e);

/* Has a worker send the request over C and fetch the first batch of N_COLUMNS, for whoever
** takes it over.  False: there is no worker, and C is given back. */
bool remote_begin(remote *r, connection *c, int n_columns);

/* Goes on with what FROM has begun, whose request stays valid, and fetches the first rows
** into B as remote_start() does. */
bool remote_take_over(remote *r, remote *from, batch *b, tskdb_error *e);

/* The next rows into B, whose old ones are gone; none are left if it is empty.
** Not after `more` was false. */
bool remote_fetch(remote *r, batch *b, tskdb_error *e);

/* From the next batch on a worker fetches ahead, if the options allow it. */
void remote_read_ahead(remote *r, int n_columns);

/* Ends the request at any point and gives the connection back.  E is the error
** that ended it, NULL if none did.  A no-op when none is under way. */
void remote_stop(remote *r, const tskdb_error *e);

#endif
