/*
** connect.c - a connection to a PostgreSQL server, from open to close.
**
** Remote session, pinned in one round trip after connecting and after each
** reset: DateStyle, IntervalStyle, TimeZone, extra_float_digits, bytea_output,
** lc_monetary, xmlbinary, standard_conforming_strings; client_encoding is a
** setting of the connection (SQL_ASCII for a database in SQL_ASCII).
** search_path stays as the role has it.
**
** Invariants:
**   1. open() is bounded by connect_timeout_ms in total and can be
**      interrupted, except while a host name is resolved: libpq does that
**      with the system's resolver, which blocks.
**   2. Nothing is written to stderr: notices are dropped.
**   3. A password is in no message (endpoint.c); libpq's own have none.
**   4. In a forked child nothing is sent: the descriptor is replaced before
**      libpq may say goodbye on a socket that is the parent's.
**
** Owner: the pool above; a connection owns its PGconn, canceller and
** statements.
*/
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vtab/memory.h"
#include "vtab/postgres/postgres.h"

static const char pin_text[] =
    "SELECT pg_catalog.set_config('DateStyle', 'ISO, YMD', false),"
    " pg_catalog.set_config('IntervalStyle', 'postgres', false),"
    " pg_catalog.set_config('TimeZone', 'UTC', false),"
    " pg_catalog.set_config('extra_float_digits', '3', false),"
    " pg_catalog.set_config('bytea_output', 'hex', false),"
    " pg_catalog.set_config('lc_monetary', 'C', false),"
    " pg_catalog.set_config('xmlbinary', 'base64', false),"
    " pg_catalog.set_config('standard_conforming_strings', 'on', false)";
/* A database without an encoding holds any bytes: under UTF8 the server would
** refuse to send what is not UTF-8. */
static const char pin_bytes_text[] =
    "SELECT pg_catalog.set_config('client_encoding', 'SQL_ASCII', false)";
static const char pin_read_only_text[] =
    "SELECT pg_catalog.set_config('default_transaction_read_only', 'on', false)";

static void drop_notice(void *context, const PGresult *notice) {
  (void)context;
  (void)notice;
}

/* ---- connecting ----------------------------------------------------------- */

/* What a connect in progress is bounded by. */
typedef struct attempt {
  const wait_scope *wait;
  int64_t end_us;            /* of the whole */
  int host_ms;               /* bound of reaching one address, when there are several */
} attempt;

static int left_ms(const attempt *a) {
  int64_t left = (a->end_us - wait_now_us() + 999) / 1000;
  return left < 1 ? 1 : left > 1000000 ? 1000000 : (int)left;
}

static bool timed_out_error(const endpoint *at, tskdb_error *e) {
  return error_set(e, ERROR_TIMEOUT, "cannot connect: no answer for %d ms", at->connect_timeout_ms);
}

/* Waits as libpq asked to.  An address that does not answer at all must not
** use up the time of the others: after its share its socket is shut, which
** libpq takes for a refusal. */
static bool wait_connect(PGconn *pg, PostgresPollingStatusType state, const attempt *a,
                         const endpoint *at, tskdb_error *e) {
  short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
  bool reaching = a->host_ms > 0 && PQstatus(pg) == CONNECTION_STARTED;
  int limit = left_ms(a), shared = reaching && a->host_ms < limit ? a->host_ms : limit;
  bool timed_out;
  if (!wait_socket_for(a->wait, PQsocket(pg), events, shared, &timed_out, NULL, e)) return false;
  if (!timed_out) return true;
  if (shared == limit) return timed_out_error(at, e);
  shutdown(PQsocket(pg), SHUT_RDWR);
  return true;
}

static bool poll_connect(PGconn *pg, const attempt *a, const endpoint *at, tskdb_error *e) {
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED) return postgres_connect_error(pg, e);
    if (wait_now_us() > a->end_us) return timed_out_error(at, e);
    if (!wait_connect(pg, state, a, at, e)) return false;
    state = PQconnectPoll(pg);
  }
  return true;
}

static bool connect_server(postgres_connection *c, const postgres_settings *s, const endpoint *at,
                           const wait_scope *w, tskdb_error *e) {
  int total = at->connect_timeout_ms > 0 ? at->connect_timeout_ms : 1000000;
  attempt a = {.wait = w, .end_us = wait_now_us() + (int64_t)total * 1000};
  if (s->n_hosts > 1) a.host_ms = total / s->n_hosts + 1;
  c->pg = PQconnectStartParams(s->keywords, s->values, 1);
  if (!c->pg) return error_memory(e);
  PQsetNoticeReceiver(c->pg, drop_notice, NULL);
  PQsetErrorVerbosity(c->pg, PQERRORS_VERBOSE);   /* the only way to the SQLSTATE of a refusal */
  if (PQstatus(c->pg) == CONNECTION_BAD) return postgres_connect_error(c->pg, e);
  if (!poll_connect(c->pg, &a, at, e)) return false;
  PQsetErrorVerbosity(c->pg, PQERRORS_DEFAULT);
  if (PQsetnonblocking(c->pg, 1) != 0) return postgres_connection_error(c, "cannot connect", e);
  c->base.version = (uint32_t)PQserverVersion(c->pg);
  c->canceller = postgres_canceller_new(c->pg);
  return c->canceller != NULL || error_memory(e);
}

enum { MAX_REQUESTS = 5 };   /* of one reset */

/* FIRST are requests to run before, N in all with the pins. */
static bool pin(postgres_connection *c, postgres_request *requests, int n, const wait_scope *w,
                tskdb_error *e) {
  PGresult *results[MAX_REQUESTS];
  requests[n++] = (postgres_request){.text = pin_text};
  if (postgres_text_flags(c) & COLUMN_ANY_BYTES) {
    requests[n++] = (postgres_request){.text = pin_bytes_text};
  }
  if (c->read_only) requests[n++] = (postgres_request){.text = pin_read_only_text};
  if (!postgres_run(c, requests, n, w, results, e)) {
    error_prefix(e, "cannot set up the session");
    return false;
  }
  for (int i = 0; i < n; i++) PQclear(results[i]);
  return true;
}

connection *postgres_open(const endpoint *at, const wait_scope *w, tskdb_error *e) {
  postgres_settings s;
  postgres_request requests[MAX_REQUESTS];
  postgres_connection *c = mem_zalloc(sizeof(*c));
  if (!c) {
    error_memory(e);
    return NULL;
  }
  c->read_only = at->read_only;
  bool ok = postgres_settings_read(&s, at->url, e) && connect_server(c, &s, at, w, e) &&
            pin(c, requests, 0, w, e);
  postgres_settings_free(&s);
  if (ok) return &c->base;
  postgres_close(&c->base, false);
  return NULL;
}

uint32_t postgres_text_flags(const postgres_connection *c) {
  const char *encoding = PQparameterStatus(c->pg, "server_encoding");
  if (!encoding || strcmp(encoding, "UTF8") == 0) return 0;
  return strcmp(encoding, "SQL_ASCII") == 0 ? COLUMN_ANY_BYTES : COLUMN_ASCII;
}

/* ---- health --------------------------------------------------------------- */

bool postgres_ping(connection *base, const wait_scope *w, tskdb_error *e) {
  postgres_connection *c = (postgres_connection *)base;
  const postgres_request nothing = {.text = ""};
  PGresult *result;
  bool ok = postgres_run(c, &nothing, 1, w, &result, e);
  if (ok) PQclear(result);
  else base->broken = true;
  return ok;
}

/* DISCARD ALL refuses to run in a transaction and also forgets the prepared
** statements; each request of the pipeline is a transaction of its own. */
bool postgres_reset(connection *base, const wait_scope *w, tskdb_error *e) {
  postgres_connection *c = (postgres_connection *)base;
  postgres_request requests[MAX_REQUESTS];
  int n = 0;
  if (PQtransactionStatus(c->pg) != PQTRANS_IDLE) requests[n++] = (postgres_request){.text = "ROLLBACK"};
  requests[n++] = (postgres_request){.text = "DISCARD ALL"};
  postgres_statement_forget_all(c);
  bool ok = pin(c, requests, n, w, e);
  base->dirty = !ok;
  base->broken = base->broken || !ok;
  return ok;
}

/* ---- closing -------------------------------------------------------------- */

/* Puts /dev/null in the place of a socket that belongs to the parent as well. */
static void detach_socket(PGconn *pg) {
  int fd = PQsocket(pg), null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  if (null < 0 || dup2(null, fd) < 0) close(fd);
  if (null >= 0) close(null);
}

void postgres_close(connection *base, bool forked) {
  postgres_connection *c = (postgres_connection *)base;
  if (!c) return;
  if (forked && c->pg) detach_socket(c->pg);
  PQfinish(c->pg);
  postgres_canceller_release(c->canceller);
  postgres_statement_forget_all(c);
  arena_free(&c->parameters);
  mem_free(c);
}
