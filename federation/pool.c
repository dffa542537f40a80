/*
** pool.c - connections to servers, shared by all SQLite connections of the process.
**
** A pool has as many slots as it may have connections.  A slot is
**
**   EMPTY  →  BUSY (opening, in use, being pinged)  →  IDLE  →  BUSY  …
**                     └────────────→  EMPTY (closed)  ←──┘
**
** Invariants:
**   1. One lock guards all pools and slots; it is never held while a driver
**      is called that may wait.  A BUSY slot belongs to who made it so.
**   2. What a native statement did to a session is undone when the connection
**      is given back, not when it is next used: an idle connection holds no
**      lock and no transaction on the server.
**   3. A process that was forked never uses a connection of its parent: it
**      closes them without a word to the server.
**   4. No thread: idle connections are closed when the pool is used, and all
**      of them when the last server that uses it is detached.
**
** After a connection broke, the idle ones are as old as it was and get a ping
** before they are used.
**
** Fail-over and balancing belong into open_slot(): a pool would have a list
** of endpoints in place of its one URL, each with a state (up, down since,
** latency), and the key would say what it wants of them (any, primary,
** replica); a slot remembers its endpoint.
*/
#include "federation/pool.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "vtab/memory.h"
#include "vtab/process.h"

enum {
  IDLE_CLOSE_MS = 5 * 60 * 1000,   /* idle longer: closed */
  IDLE_PING_MS = 30 * 1000,        /* idle longer: pinged before use */
  HOUSEKEEPING_MS = 5000           /* bound of a ping or a reset */
};

typedef enum slot_state { SLOT_EMPTY, SLOT_BUSY, SLOT_IDLE } slot_state;

typedef struct slot {
  slot_state state;
  connection *connection;          /* NULL while EMPTY or opening */
  const void *owner;               /* BUSY: who has it */
  int64_t idle_since_us;           /* IDLE */
} slot;

struct pool {
  pool *next;                      /* in `pools` */
  int references;
  const driver *driver;
  char *url;
  bool read_only;
  int connect_timeout_ms;
  int limit;
  pid_t pid;                       /* the process that the slots belong to */
  int64_t suspect_us;              /* idle since before that: pinged */
  slot slots[];                    /* limit of them */
};

static pool *pools;                /* all of the process */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t given_back;  /* on the monotonic clock; some slot became IDLE or EMPTY */
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }

static void prepare_condition(void) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&given_back, &attributes);
  pthread_condattr_destroy(&attributes);
}

/* In the child nobody waits: the condition starts anew. */
static void after_fork_in_child(void) {
  prepare_condition();
  pthread_mutex_unlock(&lock);
}

static void prepare(void) {
  prepare_condition();
  pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

/* Takes the lock and, in a forked child, empties P of its parent's connections. */
static void enter(pool *p) {
  pthread_mutex_lock(&lock);
  if (p->pid == process_id()) return;
  for (int i = 0; i < p->limit; i++) {
    slot *s = &p->slots[i];
    if (s->state == SLOT_IDLE) p->driver->close(s->connection, true);
    *s = (slot){0};                /* a BUSY one is met by pool_release() */
  }
  p->pid = process_id();
}

static void leave(void) { pthread_mutex_unlock(&lock); }

/* ---- a pool's life ----------------------------------------------------- */

static bool is_same(const pool *p, const pool_key *key) {
  return p->driver == key->driver && p->read_only == key->read_only && p->limit == key->limit &&
         p->connect_timeout_ms == key->connect_timeout_ms && strcmp(p->url, key->url) == 0;
}

static pool *pool_new(const pool_key *key) {
  pool *p = mem_zalloc(sizeof(*p) + (size_t)key->limit * sizeof(slot));
  char *url = mem_strdup(key->url);
  if (!p || !url) {
    if (url) mem_wipe(url, strlen(url));
    mem_free(url);
    mem_free(p);
    return NULL;
  }
  p->driver = key->driver;
  p->url = url;
  p->read_only = key->read_only;
  p->connect_timeout_ms = key->connect_timeout_ms;
  p->limit = key->limit;
  p->pid = process_id();
  return p;
}

pool *pool_get(const pool_key *key) {
  pthread_once(&prepared, prepare);
  pthread_mutex_lock(&lock);
  pool *p = pools;
  while (p && !is_same(p, key)) p = p->next;
  if (!p && (p = pool_new(key)) != NULL) {
    p->next = pools;
    pools = p;
  }
  if (p) p->references++;
  leave();
  return p;
}

static void pool_free(pool *p) {
  for (int i = 0; i < p->limit; i++) p->driver->close(p->slots[i].connection, false);
  mem_wipe(p->url, strlen(p->url));
  mem_free(p->url);
  mem_free(p);
}

void pool_unref(pool *p) {
  if (!p) return;
  enter(p);
  bool last = --p->references == 0;
  for (pool **link = &pools; last && *link; link = &(*link)->next) {
    if (*link != p) continue;
    *link = p->next;
    break;
  }
  leave();
  if (last) pool_free(p);
}

/* ---- slots: all with the lock ------------------------------------------ */

static slot *find_state(pool *p, slot_state state) {
  for (int i = 0; i < p->limit; i++) {
    if (p->slots[i].state == state) return &p->slots[i];
  }
  return NULL;
}

/* The connection that was used last: the others may grow old and be closed. */
static slot *find_idle(pool *p) {
  slot *best = NULL;
  for (int i = 0; i < p->limit; i++) {
    slot *s = &p->slots[i];
    if (s->state == SLOT_IDLE && (!best || s->idle_since_us > best->idle_since_us)) best = s;
  }
  return best;
}

static slot *find_connection(pool *p, const connection *c) {
  for (int i = 0; i < p->limit; i++) {
    if (p->slots[i].connection == c) return &p->slots[i];
  }
  return NULL;
}

static int count_owned(const pool *p, const void *owner) {
  int n = 0;
  for (int i = 0; i < p->limit; i++) n += p->slots[i].state == SLOT_BUSY && p->slots[i].owner == owner;
  return n;
}

/* Closing does not wait. */
static void close_old(pool *p, int64_t now_us) {
  int64_t limit = now_us - (int64_t)IDLE_CLOSE_MS * 1000;
  for (int i = 0; i < p->limit; i++) {
    slot *s = &p->slots[i];
    if (s->state != SLOT_IDLE || s->idle_since_us > limit) continue;
    p->driver->close(s->connection, false);
    *s = (slot){0};
  }
}

static void slot_empty(slot *s) {
  *s = (slot){0};
  pthread_cond_broadcast(&given_back);
}

/* Waits for a slot, for one slice at most. */
static void wait_slice(void) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += WAIT_SLICE_MS * 1000000L;
  if (until.tv_nsec >= 1000000000L) {
    until.tv_nsec -= 1000000000L;
    until.tv_sec++;
  }
  pthread_cond_timedwait(&given_back, &lock, &until);
}

/* ---- acquire ----------------------------------------------------------- */

/* A slot for OWNER, BUSY now, with a connection or without one. NULL: none is
** free. */
static slot *take_slot(pool *p, const void *owner, int64_t now_us, bool *ping) {
  enter(p);
  close_old(p, now_us);
  slot *s = find_idle(p);
  if (s) {
    int64_t idle_us = now_us - s->idle_since_us;
    *ping = idle_us > (int64_t)IDLE_PING_MS * 1000 || s->idle_since_us <= p->suspect_us;
  } else {
    s = find_state(p, SLOT_EMPTY);
  }
  if (s) {
    s->state = SLOT_BUSY;
    s->owner = owner;
  }
  leave();
  return s;
}

/* Waits until a slot may be free. False with an error. */
static bool wait_for_slot(pool *p, const void *owner, const wait_scope *w, int64_t start_us, tskdb_error *e) {
  if (wait_interrupted(w, e)) return false;
  int64_t waited_ms = (wait_now_us() - start_us) / 1000;
  enter(p);
  int owned = count_owned(p, owner);
  bool own_fault = owned == p->limit;
  bool late = w->timeout_ms > 0 && waited_ms >= w->timeout_ms;
  if (!own_fault && !late && !find_idle(p) && !find_state(p, SLOT_EMPTY)) wait_slice();
  leave();
  if (own_fault) {
    return error_set(e, ERROR_LIMIT, "this SQLite connection uses all %d connections of its pool at once;"
                     " the option \"pool\" allows more", p->limit);
  }
  if (late) {
    return error_set(e, ERROR_TIMEOUT, "no connection became free in %d ms: all %d of the pool are in use"
                     " (options \"pool\" and \"timeout\")", w->timeout_ms, p->limit);
  }
  return true;
}

/* Gives up a BUSY slot of which the connection is closed. */
static void drop_slot(pool *p, slot *s) {
  enter(p);
  slot_empty(s);
  leave();
}

static connection *open_slot(pool *p, slot *s, const wait_scope *w, tskdb_error *e) {
  endpoint at = {.url = p->url, .connect_timeout_ms = p->connect_timeout_ms, .read_only = p->read_only};
  connection *c = p->driver->open(&at, w, e);
  if (!c) {
    drop_slot(p, s);
    return NULL;
  }
  enter(p);
  s->connection = c;
  leave();
  return c;
}

/* Whether the idle connection of S still lives; if not, S is closed and EMPTY. */
static bool is_alive(pool *p, slot *s, const wait_scope *user) {
  wait_scope w = *user;
  if (w.timeout_ms <= 0 || w.timeout_ms > HOUSEKEEPING_MS) w.timeout_ms = HOUSEKEEPING_MS;
  tskdb_error ignored = {0};
  connection *c = s->connection;
  if (p->driver->ping(c, &w, &ignored) && !c->broken) return true;
  enter(p);
  s->connection = NULL;
  p->suspect_us = wait_now_us();
  slot_empty(s);
  leave();
  p->driver->close(c, false);
  return false;
}

connection *pool_acquire_idle(pool *p, const void *owner) {
  enter(p);
  slot *s = find_idle(p);
  if (s) {
    s->state = SLOT_BUSY;
    s->owner = owner;
  }
  leave();
  return s ? s->connection : NULL;
}

connection *pool_acquire(pool *p, const void *owner, bool wait, const wait_scope *w, tskdb_error *e) {
  int64_t start_us = wait_now_us(), now_us = start_us;
  for (;; now_us = wait_now_us()) {
    bool ping = false;
    slot *s = take_slot(p, owner, now_us, &ping);
    if (!s) {
      if (!wait || !wait_for_slot(p, owner, w, start_us, e)) return NULL;
      continue;
    }
    if (!s->connection) return open_slot(p, s, w, e);
    if (!ping || is_alive(p, s, w)) return s->connection;
  }
}

/* ---- release ----------------------------------------------------------- */

static bool undo_session(pool *p, connection *c) {
  wait_scope w = {.timeout_ms = HOUSEKEEPING_MS, .wake_fd = -1};
  tskdb_error ignored = {0};
  if (!c->dirty) return true;
  if (!p->driver->reset(c, &w, &ignored)) return false;
  c->dirty = false;
  return true;
}

void pool_release(pool *p, connection *c) {
  enter(p);
  slot *s = find_connection(p, c);
  leave();
  if (!s) {                        /* of our parent process */
    p->driver->close(c, true);
    return;
  }
  bool keep = !c->broken && undo_session(p, c) && !c->broken;
  enter(p);
  if (keep) {
    *s = (slot){.state = SLOT_IDLE, .connection = c, .idle_since_us = wait_now_us()};
    pthread_cond_broadcast(&given_back);
  } else {
    p->suspect_us = wait_now_us();
    slot_empty(s);
  }
  leave();
  if (!keep) p->driver->close(c, false);
}

int pool_open_connections(pool *p) {
  int n = 0;
  enter(p);
  for (int i = 0; i < p->limit; i++) n += p->slots[i].connection != NULL;
  leave();
  return n;
}
