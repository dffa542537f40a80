/*
** prefetch.c - the worker thread of a large scan, and its two batches.
**
** One batch is the cursor's, the other (`next`) the worker's; they change
** hands under the lock.
**
**   state      who may touch `next`   goes to
**   FILLING    the worker             FULL (batch ready, or the scan has ended or failed)
**   FULL       the cursor's thread    FILLING (taken, rows left), DONE (taken, no more)
**   DONE       nobody                 -
**
** The worker blocks all signals: the host's handlers run in the host's threads.
** A child made by fork() has no worker; prefetch_stop() notices and forgets.
*/
#include "vtab/prefetch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "vtab/memory.h"
#include "vtab/process.h"

struct prefetch {
  const driver *driver;
  connection *connection;  /* over which the worker sends `request`; NULL: the scan was open */
  const request *request;
  scan *scan;              /* the worker's while it runs */
  pthread_t thread;
  pid_t process;           /* that started the worker */
  int wake_fd;             /* readable: stop */
  int timeout_ms;
  pthread_mutex_t lock;    /* guards what follows */
  pthread_cond_t changed;
  enum { FILLING, FULL, DONE } state;
  bool stop;
  batch next;
  scan_status status;      /* of `next`; valid in FULL */
  tskdb_error error;       /* valid with SCAN_ERROR */
};

static scan_status fetch(prefetch *p, const wait_scope *w) {
  if (!p->scan) p->scan = p->driver->scan_open(p->connection, p->request, w, &p->error);
  return p->scan ? p->driver->scan_fetch(p->scan, &p->next, w, &p->error) : SCAN_ERROR;
}

static void *work(void *argument) {
  prefetch *p = argument;
  wait_scope scope = {.timeout_ms = p->timeout_ms, .wake_fd = p->wake_fd};
  pthread_mutex_lock(&p->lock);
  while (!p->stop && p->state != DONE) {
    if (p->state == FULL) {
      pthread_cond_wait(&p->changed, &p->lock);
      continue;
    }
    pthread_mutex_unlock(&p->lock);
    scan_status status = fetch(p, &scope);
    pthread_mutex_lock(&p->lock);
    p->status = status;
    p->state = FULL;
    pthread_cond_broadcast(&p->changed);
  }
  pthread_mutex_unlock(&p->lock);
  return NULL;
}

static bool start_thread(prefetch *p) {
  sigset_t all, before;
  sigfillset(&all);
  if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return false;
  int rc = pthread_create(&p->thread, NULL, work, p);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc == 0;
}

static bool init_signalling(prefetch *p) {
  pthread_condattr_t attributes;
  if (pthread_condattr_init(&attributes) != 0) return false;
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  bool ok = pthread_cond_init(&p->changed, &attributes) == 0;
  pthread_condattr_destroy(&attributes);
  if (ok && pthread_mutex_init(&p->lock, NULL) != 0) {
    pthread_cond_destroy(&p->changed);
    ok = false;
  }
  return ok;
}

static void free_prefetch(prefetch *p) {
  pthread_mutex_destroy(&p->lock);
  pthread_cond_destroy(&p->changed);
  close(p->wake_fd);
  batch_free(&p->next);
  mem_free(p);
}

/* A worker for what is GIVEN; NULL if it does not start. */
static prefetch *start(prefetch given, int n_columns, size_t batch_bytes) {
  prefetch *p = mem_alloc(sizeof(*p));
  if (!p) return NULL;
  *p = given;
  p->process = process_id();
  p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (p->wake_fd < 0 || !init_signalling(p)) {
    if (p->wake_fd >= 0) close(p->wake_fd);
    mem_free(p);
    return NULL;
  }
  if (!batch_init(&p->next, n_columns, batch_bytes) || !start_thread(p)) {
    free_prefetch(p);
    return NULL;
  }
  return p;
}

prefetch *prefetch_start(const driver *d, scan *s, int n_columns, size_t batch_bytes, int timeout_ms) {
  return start((prefetch){.driver = d, .scan = s, .timeout_ms = timeout_ms}, n_columns, batch_bytes);
}

prefetch *prefetch_begin(const driver *d, connection *c, const request *r, int n_columns,
                         size_t batch_bytes, int timeout_ms) {
  return start((prefetch){.driver = d, .connection = c, .request = r, .timeout_ms = timeout_ms},
               n_columns, batch_bytes);
}

bool prefetch_is_waiting(prefetch *p) {
  pthread_mutex_lock(&p->lock);
  bool waiting = p->state == FULL && p->status == SCAN_ROWS;
  pthread_mutex_unlock(&p->lock);
  return waiting;
}

/* Waits one slice for a change, under the lock. */
static void wait_slice(prefetch *p) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += WAIT_SLICE_MS * 1000000L;
  if (until.tv_nsec >= 1000000000L) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000L;
  }
  pthread_cond_timedwait(&p->changed, &p->lock, &until);
}

/* The worker has the time-out; here only the user's wish to stop is watched,
** and outside the lock, because the check may run a statement. */
static bool wait_full(prefetch *p, const wait_scope *w, tskdb_error *e) {
  while (p->state == FILLING) {
    wait_slice(p);
    if (p->state != FILLING) break;
    pthread_mutex_unlock(&p->lock);
    bool interrupted = wait_interrupted(w, e);
    pthread_mutex_lock(&p->lock);
    if (interrupted) return false;
  }
  return true;
}

scan_status prefetch_take(prefetch *p, batch *current, const wait_scope *w, tskdb_error *e) {
  scan_status status = SCAN_ERROR;
  pthread_mutex_lock(&p->lock);
  if (wait_full(p, w, e)) {
    status = p->status;
    if (status == SCAN_ERROR) {
      *e = p->error;
    } else {
      batch taken = p->next;
      p->next = *current;
      p->next.byte_limit = taken.byte_limit;
      *current = taken;
      batch_clear(&p->next);
    }
    p->state = status == SCAN_ROWS ? FILLING : DONE;
    pthread_cond_broadcast(&p->changed);
  }
  pthread_mutex_unlock(&p->lock);
  return status;
}

scan *prefetch_stop(prefetch *p) {
  if (!p) return NULL;
  if (p->process != process_id()) return NULL;   /* a forked child: the lock may be held by nobody for ever */
  uint64_t one = 1;
  while (write(p->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
  }
  pthread_mutex_lock(&p->lock);
  p->stop = true;
  pthread_cond_broadcast(&p->changed);
  pthread_mutex_unlock(&p->lock);
  pthread_join(p->thread, NULL);
  scan *s = p->scan;
  free_prefetch(p);
  return s;
}
