/*
** overlap.h - requests that are sent before SQLite opens their scans.
**
** SQLite reads one table after the other, so that a server would wait until the
** rows of another have been read.  When a scan that takes its time is about to be
** asked for, the scans of other servers that the statement will come to
** (outlook.h) are asked for as well: a worker sends the request and fetches the
** first batch.  The cursor that sends the very same request in the same execution
** of the statement takes it over.
**
** Invariants:
**   1. An answer is used only by the execution that asked, for the same text and values,
**      and if nothing was written through the connection meanwhile.
**   2. At most one request a server, and one batch of rows each.  It takes an
**      idle connection, waits for none, and gives it back where another
**      scan would have to wait.
**   3. What was not taken over is cancelled when the cursor that caused it is closed,
**      which is at the latest when the statement ends or is reset.
**   4. An error is reported by the cursor that takes it over, if one does.
*/
#ifndef VTAB_OVERLAP_H
#define VTAB_OVERLAP_H

#include "vtab/cursor.h"
#include "vtab/outlook.h"
#include "vtab/remote.h"

typedef struct overlap overlap;

/* CAUSE is about to ask for rows of T.  May compile the running statement once more, with
** EXPLAIN; does no I/O itself. */
void overlap_begin(table *t, const cursor *cause);

/* What has been asked for T with R's text and values in this execution; it belongs to the
** caller then, until overlap_free(). NULL: nothing. */
overlap *overlap_take(table *t, const request *r);

/* remote_start() for R, whose request is O's. O stays until the request is stopped. */
bool overlap_start(overlap *o, remote *r, batch *b, tskdb_error *e);
void overlap_free(overlap *o);                /* NULL is a no-op */

/* Whether scans of T have others asked for early, and whether S may be one of those. A is
** for scratch. */
bool overlap_is_caused_by(const table *t);
bool overlap_is_wanted(const outlook_scan *s, arena *a);

/* Cancels what CAUSE began; NULL: all. */
void overlap_cancel(server_directory *d, const cursor *cause);
bool overlap_is_under_way(const server_directory *d);

/* T goes: what was asked for it and all that is known is forgotten. */
void overlap_forget(table *t);
void overlap_free_all(server_directory *d);

#endif
