/*
** prefetch.h - a worker that fetches the next batch while this one is read.
**
** It is started only when a result does not fit in the first batch: a small one is
** over before a thread would be; or for a request that is sent before SQLite opens
** its scan (overlap.h).  While it runs, the worker owns the scan and
** its connection; nobody else may touch them until prefetch_stop() has
** returned.  The worker calls the driver alone, never SQLite.
*/
#ifndef VTAB_PREFETCH_H
#define VTAB_PREFETCH_H

#include "vtab/driver.h"

typedef struct prefetch prefetch;

/* Starts a worker on SCAN, which has rows left. NULL if there is no thread or
** memory to be had: the caller then goes on fetching by itself. */
prefetch *prefetch_start(const driver *d, scan *s, int n_columns, size_t batch_bytes, int timeout_ms);

/* The same for a request that is not sent yet: the worker sends it over C, which it owns
** until prefetch_stop(), as R, and fetches the first batch. */
prefetch *prefetch_begin(const driver *d, connection *c, const request *r, int n_columns,
                         size_t batch_bytes, int timeout_ms);

/* Whether a batch lies there that is not the last one: the server waits for its reader. */
bool prefetch_is_waiting(prefetch *p);

/* Waits for the next batch and exchanges it for CURRENT, whose memory the
** worker takes over.  After SCAN_END or SCAN_ERROR it is not called again. */
scan_status prefetch_take(prefetch *p, batch *current, const wait_scope *w, tskdb_error *e);

/* Stops the worker at once, waits for it and frees everything but the scan, which it
** returns; NULL: the request was not sent, or there was no worker. NULL is a no-op. */
scan *prefetch_stop(prefetch *p);

#endif
