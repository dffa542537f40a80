/*
** cancel.c - asking the server to stop what a connection is doing.
**
** A cancel request travels over a connection of its own.  libpq's PQcancel()
** makes it, and blocks as long as the network likes; only libpq knows the key
** that the request needs.  So it runs in a thread, all signals blocked, and
** the caller waits for it CANCEL_MS at most.  A request that hangs longer is
** left to its thread, which frees what it holds when the network gives up
** (the connection's tcp_user_timeout counts for it as well).
**
** The request is not encrypted, whatever the connection is: before libpq 17
** there is no way.  It holds the key of this one session, nothing else.
**
** Owner: the canceller is counted; the connection and each thread hold it.
*/
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "vtab/memory.h"
#include "vtab/postgres/postgres.h"

enum { CANCEL_MS = 3000 };

struct postgres_canceller {
  PGcancel *cancel;          /* a copy of address and key: needs no connection */
  atomic_int references;
  atomic_bool asked;         /* since the last postgres_was_cancelled() */
  pthread_mutex_t lock;
  pthread_cond_t done;
  int running;               /* requests under way, by lock */
};

postgres_canceller *postgres_canceller_new(PGconn *pg) {
  postgres_canceller *k = mem_zalloc(sizeof(*k));
  pthread_condattr_t clock;
  if (!k) return NULL;
  k->cancel = PQgetCancel(pg);
  if (!k->cancel) {
    mem_free(k);
    return NULL;
  }
  atomic_init(&k->references, 1);
  atomic_init(&k->asked, false);
  pthread_mutex_init(&k->lock, NULL);
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_cond_init(&k->done, &clock);
  pthread_condattr_destroy(&clock);
  return k;
}

void postgres_canceller_release(postgres_canceller *k) {
  if (!k || atomic_fetch_sub(&k->references, 1) > 1) return;
  PQfreeCancel(k->cancel);
  pthread_cond_destroy(&k->done);
  pthread_mutex_destroy(&k->lock);
  mem_free(k);
}

static void *run(void *argument) {
  postgres_canceller *k = argument;
  char text[256];
  PQcancel(k->cancel, text, sizeof text);
  pthread_mutex_lock(&k->lock);
  k->running--;
  pthread_cond_broadcast(&k->done);
  pthread_mutex_unlock(&k->lock);
  postgres_canceller_release(k);
  return NULL;
}

/* Starts a thread that holds K. */
static bool start(postgres_canceller *k) {
  sigset_t all, before;
  pthread_attr_t detached;
  pthread_t thread;
  sigfillset(&all);
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  atomic_fetch_add(&k->references, 1);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = pthread_create(&thread, &detached, run, k) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&detached);
  if (!started) atomic_fetch_sub(&k->references, 1);
  return started;
}

bool postgres_cancel_now(postgres_canceller *k) {
  struct timespec end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_sec += CANCEL_MS / 1000;
  atomic_store(&k->asked, true);
  pthread_mutex_lock(&k->lock);
  k->running++;
  bool started = start(k);
  if (!started) k->running--;
  int rc = 0;
  while (started && k->running > 0 && rc == 0) rc = pthread_cond_timedwait(&k->done, &k->lock, &end);
  bool arrived = k->running == 0;
  pthread_mutex_unlock(&k->lock);
  return arrived;
}

void postgres_cancel(connection *base) {
  postgres_connection *c = (postgres_connection *)base;
  postgres_cancel_now(c->canceller);
}

bool postgres_was_cancelled(postgres_canceller *k) {
  return atomic_exchange(&k->asked, false);
}
