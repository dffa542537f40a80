/*
** wait.h - how long, and whether still, to wait for a server.
**
** Every function of a driver that can wait takes a wait_scope.  The driver
** never blocks in any other way: it polls its socket through wait_socket(),
** which returns at once when data are there, looks every WAIT_SLICE_MS
** whether the user has interrupted, and gives up after timeout_ms of silence.
** A scope that belongs to a worker thread has a wake descriptor instead of a
** slow check, so that it stops at once.
*/
#ifndef VTAB_WAIT_H
#define VTAB_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "vtab/error.h"

enum { WAIT_SLICE_MS = 100 };

typedef struct wait_scope {
  int timeout_ms;                      /* bound of one wait; 0 or less: no bound */
  bool (*interrupted)(void *context);  /* NULL: cannot be interrupted */
  void *context;                       /* of interrupted(), borrowed */
  int wake_fd;                         /* readable means: interrupted; -1: none */
} wait_scope;

/* Waits until FD is ready for EVENTS (POLLIN, POLLOUT).  *REVENTS (may be
** NULL) receives what poll said.  False with ERROR_TIMEOUT or
** ERROR_INTERRUPT; FD is untouched then. */
bool wait_socket(const wait_scope *w, int fd, short events, short *revents, tskdb_error *e);

/* The same with a limit of its own in place of the scope's timeout_ms, for
** connecting and for time-outs that a client library asks for; 0 or less is
** no bound here too, so what is left of a limit is passed as at least 1.  *TIMED_OUT
** (may be NULL) receives whether the limit ended the wait; then the result is
** true and no error is set if TIMED_OUT is given. */
bool wait_socket_for(const wait_scope *w, int fd, short events, int limit_ms, bool *timed_out,
                     short *revents, tskdb_error *e);

/* Whether the scope's user wants to stop; sets ERROR_INTERRUPT then and
** returns true.  Cheap enough for once a batch, not for once a row. */
bool wait_interrupted(const wait_scope *w, tskdb_error *e);

int64_t wait_now_us(void);             /* monotonic clock, microseconds */

#endif
