/*
** remote.c - one request of a scan that is under way on a server.
*/
#include "vtab/remote.h"

#include <time.h>

#include "vtab/process.h"

static double unix_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double elapsed_ms(const remote *r) {
  return (double)(wait_now_us() - r->started_us) / 1000.0;
}

/* A running mean in which the last measurement weighs an eighth. */
static void measure(double *mean, double now) {
  *mean = *mean > 0 ? *mean + (now - *mean) / 8 : now;
}

/* What the server takes for a round trip and for a row, from requests in which
** one of them is nearly all. */
static void learn(remote *r) {
  enum { FEW = 4, MANY = 2000 };
  server_pace *p = &r->server->pace;
  int64_t round_trips = r->record.round_trips;
  if (r->record.rows <= FEW && round_trips > 0 && !r->more) {
    measure(&p->round_trip_us, (double)r->waited_us / (double)round_trips);
  } else if (r->record.rows >= MANY && !r->keys) {
    measure(&p->row_us, (double)r->waited_us / (double)r->record.rows);
  }
}

static void record(remote *r, const tskdb_error *e) {
  request_record *out = &r->record;
  out->text = r->request.text;
  out->kind = r->kind;
  out->keys = r->keys;
  out->last_ms = elapsed_ms(r);
  out->round_trips = (int64_t)(r->connection->round_trips - r->round_trips_before);
  out->bytes = (int64_t)(r->connection->bytes_received - r->bytes_before);
  out->error = e ? e->text : NULL;
  if (!e && !r->early) learn(r);
  r->server->record(r->server, out);
}

void remote_stop(remote *r, const tskdb_error *e) {
  if (r->prefetch) r->scan = prefetch_stop(r->prefetch);
  if (r->connection) {
    record(r, e);
    /* A child's copy of its parent's scan is left as it is: ending it would talk. */
    if (r->scan && r->process == process_id()) r->server->driver->scan_close(r->scan);
    r->server->release(r->server, r->connection);
  }
  r->connection = NULL;
  r->scan = NULL;
  r->prefetch = NULL;
  r->more = r->early = false;
}

/* What came before STARTED_US has been counted. */
static bool fetch(remote *r, batch *b, int64_t started_us, tskdb_error *e) {
  scan_status status;
  if (r->process != process_id()) {
    return error_set(e, ERROR_LIMIT, "a scan that began before fork() cannot go on in the child");
  }
  /* Who reads a whole result in one go is not asked by SQLite meanwhile. */
  if (r->record.rows > 0 && wait_interrupted(r->wait, e)) return false;
  do {   /* a batch may be empty although rows follow */
    if (r->prefetch) {
      status = prefetch_take(r->prefetch, b, r->wait, e);
    } else {
      batch_clear(b);
      status = r->server->driver->scan_fetch(r->scan, b, r->wait, e);
    }
    if (status == SCAN_ERROR) return false;
    if (b->failed) return error_memory(e);
    r->more = status == SCAN_ROWS;
  } while (b->n_rows == 0 && r->more);
  r->waited_us += wait_now_us() - started_us;
  r->record.rows += b->n_rows;
  return true;
}

bool remote_fetch(remote *r, batch *b, tskdb_error *e) {
  return fetch(r, b, wait_now_us(), e);
}

static void begin(remote *r, connection *c) {
  r->connection = c;
  r->process = process_id();
  r->record = (request_record){.started = unix_time()};
  r->started_us = wait_now_us();
  r->waited_us = 0;
  r->round_trips_before = c->round_trips;
  r->bytes_before = c->bytes_received;
}

static bool send(remote *r, batch *b, tskdb_error *e) {
  connection *c = r->server->acquire(r->server, r->wait, e);
  if (!c) return false;
  begin(r, c);
  r->scan = r->server->driver->scan_open(r->connection, &r->request, r->wait, e);
  if (!r->scan || !fetch(r, b, r->started_us, e)) return false;
  r->record.first_ms = (double)r->waited_us / 1000.0;
  return true;
}

/* A pooled connection may have died unnoticed.  Nothing has been handed out
** yet and a relation is only read, so one more try, on another connection, is
** safe; a native statement may do more than read. */
bool remote_start(remote *r, batch *b, tskdb_error *e) {
  if (send(r, b, e)) return true;
  if (!r->connection || e->klass != ERROR_NETWORK || !r->repeatable) return false;
  remote_stop(r, e);
  tskdb_error first = *e;
  error_clear(e);
  if (send(r, b, e)) return true;
  if (e->klass != ERROR_NETWORK) return false;
  *e = first;
  return false;
}

bool remote_begin(remote *r, connection *c, int n_columns) {
  const server_options *o = &r->server->options;
  begin(r, c);
  r->early = true;
  r->prefetch = prefetch_begin(r->server->driver, c, &r->request, n_columns, o->batch_bytes,
                               o->timeout_ms);
  if (r->prefetch) return true;
  r->server->release(r->server, c);
  r->connection = NULL;
  return false;
}

bool remote_take_over(remote *r, remote *from, batch *b, tskdb_error *e) {
  int64_t now_us = wait_now_us();
  r->connection = from->connection;
  r->process = from->process;
  r->prefetch = from->prefetch;
  r->early = true;
  r->record = from->record;
  r->record.ahead_ms = (double)(now_us - from->started_us) / 1000.0;
  r->started_us = from->started_us;
  r->waited_us = 0;
  r->round_trips_before = from->round_trips_before;
  r->bytes_before = from->bytes_before;
  from->connection = NULL;
  from->prefetch = NULL;
  if (!fetch(r, b, now_us, e)) return false;
  r->record.first_ms = (double)(wait_now_us() - r->started_us) / 1000.0;
  return true;
}

void remote_read_ahead(remote *r, int n_columns) {
  const server_options *o = &r->server->options;
  if (r->prefetch || !r->more || !o->prefetch) return;
  r->prefetch = prefetch_start(r->server->driver, r->scan, n_columns, o->batch_bytes,
                               o->timeout_ms);
}
