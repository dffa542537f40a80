/*
** wait.c - how long, and whether still, to wait for a server.
**
** Guarantees that a wait ends: by the descriptor, the user or the clock, and
** that the user's wish is seen within WAIT_SLICE_MS.  An answer that comes
** within that time costs one poll and no question to the user.
** Invariants: the clock is monotonic; signals (EINTR) neither end nor
** lengthen a wait.
*/
#include "vtab/wait.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <time.h>

/* How one poll ended. */
typedef enum outcome { POLL_READY, POLL_QUIET, POLL_WOKEN, POLL_FAILED } outcome;

int64_t wait_now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static outcome poll_once(int fd, short events, int wake_fd, int milliseconds, short *revents) {
  struct pollfd fds[2] = {{.fd = fd, .events = events}, {.fd = wake_fd, .events = POLLIN}};
  int n = poll(fds, wake_fd >= 0 ? 2 : 1, milliseconds);
  if (n < 0) return errno == EINTR || errno == EAGAIN ? POLL_QUIET : POLL_FAILED;
  if (wake_fd >= 0 && fds[1].revents) return POLL_WOKEN;
  if (fds[0].revents == 0) return POLL_QUIET;
  if (revents) *revents = fds[0].revents;
  return POLL_READY;
}

static bool interrupt_error(tskdb_error *e) {
  return error_set(e, ERROR_INTERRUPT, "interrupted");
}

/* How long the next poll may block: -1 without bound, 0 when the deadline has passed. */
static int next_slice(const wait_scope *w, bool bounded, int64_t deadline_us) {
  int64_t left = -1;
  if (bounded) {
    int64_t us = deadline_us - wait_now_us();
    left = us <= 0 ? 0 : (us + 999) / 1000;
  }
  bool sliced = w->interrupted != NULL;
  return (int)(sliced && (left < 0 || left > WAIT_SLICE_MS) ? WAIT_SLICE_MS : left);
}

/* Polls until something ends the wait; POLL_QUIET: the limit did.  The user is
** asked only after a slice of silence: asking may cost more than an answer. */
static outcome wait_loop(const wait_scope *w, int fd, short events, int limit_ms, short *revents) {
  int64_t deadline_us = limit_ms > 0 ? wait_now_us() + (int64_t)limit_ms * 1000 : 0;
  for (;;) {
    int slice = next_slice(w, limit_ms > 0, deadline_us);
    outcome o = poll_once(fd, events, w->wake_fd, slice, revents);
    if (o != POLL_QUIET || slice == 0) return o;
    if (w->interrupted && w->interrupted(w->context)) return POLL_WOKEN;
  }
}

bool wait_socket(const wait_scope *w, int fd, short events, short *revents, tskdb_error *e) {
  bool timed_out = false;
  if (!wait_socket_for(w, fd, events, w->timeout_ms, &timed_out, revents, e)) return false;
  if (!timed_out) return true;
  return error_set(e, ERROR_TIMEOUT, "no answer for %d ms (option timeout)", w->timeout_ms);
}

bool wait_socket_for(const wait_scope *w, int fd, short events, int limit_ms, bool *timed_out,
                     short *revents, tskdb_error *e) {
  if (timed_out) *timed_out = false;
  if (revents) *revents = 0;
  /* poll() would ignore it and wait for ever. */
  if (fd < 0) return error_set(e, ERROR_NETWORK, "the connection is closed");
  switch (wait_loop(w, fd, events, limit_ms, revents)) {
    case POLL_READY: return true;
    case POLL_WOKEN: return interrupt_error(e);
    case POLL_FAILED:
      return error_set(e, ERROR_NETWORK, "cannot wait for the server: poll errno %d", errno);
    case POLL_QUIET: break;
  }
  if (timed_out == NULL) return error_set(e, ERROR_TIMEOUT, "no answer for %d ms", limit_ms);
  *timed_out = true;
  return true;
}

bool wait_interrupted(const wait_scope *w, tskdb_error *e) {
  bool woken = w->wake_fd >= 0 && poll_once(-1, 0, w->wake_fd, 0, NULL) == POLL_WOKEN;
  if (!woken && !(w->interrupted && w->interrupted(w->context))) return false;
  interrupt_error(e);
  return true;
}
