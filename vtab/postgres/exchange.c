/*
** exchange.c - one request and its answer, and what an answer's error means.
**
** libpq is used in its non-blocking way only: sending queues, flushing and
** reading wait in wait_socket().
**
** Invariants:
**   1. After a false return of postgres_run() the connection is idle or
**      marked broken.
**   2. A lost connection is never taken for the end of an answer.
**   3. An error's text has the server's primary message and hint, never its
**      detail or context: those quote values.
*/
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/postgres/postgres.h"

enum {
  ABANDON_MS = 2000,         /* how long an answer that nobody wants may take to end */
  DRAIN_RESULTS = 4096,      /* rows that are read away rather than cancelled */
  READS_UNASKED = 256,       /* before the user is asked whether to go on */
  TLS_SLICE_MAX_MS = 100
};

/* ---- waiting ------------------------------------------------------------ */

bool postgres_flush(postgres_connection *c, const wait_scope *w, tskdb_error *e) {
  for (;;) {
    int left = PQflush(c->pg);
    short ready;
    c->just_sent = left == 0;
    if (left == 0) return true;
    if (left < 0) return postgres_connection_error(c, "cannot send to the server", e);
    /* A server that is busy answering may not read before we do. */
    if (!wait_socket(w, PQsocket(c->pg), POLLIN | POLLOUT, &ready, e)) return false;
    if ((ready & POLLIN) && !PQconsumeInput(c->pg)) {
      return postgres_connection_error(c, "cannot read from the server", e);
    }
  }
}

static bool consume(postgres_connection *c, tskdb_error *e) {
  return PQconsumeInput(c->pg) || postgres_connection_error(c, "cannot read from the server", e);
}

/* How long nothing has come on an encrypted connection. */
typedef struct silence {
  int slice_ms;              /* of the next wait; 0: libpq has not been asked yet */
  int64_t since_us;
} silence;

/* Under TLS bytes may wait inside the library with nothing left in the socket,
** and libpq does not tell: so it is asked again and again, less and less often.
** Not so when a request has just been sent: its answer is yet to come, and a
** short wait would cost more than a long one (the kernel sets a timer for it). */
static bool receive_sealed(postgres_connection *c, const wait_scope *w, silence *s, tskdb_error *e) {
  if (s->slice_ms == 0) {
    *s = (silence){c->just_sent ? TLS_SLICE_MAX_MS : 1, wait_now_us()};
    if (!c->just_sent) return consume(c, e);
    c->just_sent = false;
  }
  bool timed_out;
  if (!wait_socket_for(w, PQsocket(c->pg), POLLIN, s->slice_ms, &timed_out, NULL, e)) return false;
  if (!consume(c, e)) return false;
  if (!timed_out) {
    *s = (silence){0};
  } else if (w->timeout_ms > 0 && wait_now_us() - s->since_us > (int64_t)w->timeout_ms * 1000) {
    return error_set(e, ERROR_TIMEOUT, "no answer for %d ms (option timeout)", w->timeout_ms);
  } else if (s->slice_ms < TLS_SLICE_MAX_MS) {
    s->slice_ms *= 2;
  }
  return true;
}

/* Waits for more of an answer. */
static bool receive(postgres_connection *c, const wait_scope *w, silence *s, tskdb_error *e) {
  if (PQsslInUse(c->pg) || PQgssEncInUse(c->pg)) return receive_sealed(c, w, s, e);
  return wait_socket(w, PQsocket(c->pg), POLLIN, NULL, e) && consume(c, e);
}

bool postgres_next_result(postgres_connection *c, const wait_scope *w, PGresult **result, tskdb_error *e) {
  silence s = {0};
  *result = NULL;
  for (unsigned reads = 1; PQisBusy(c->pg); reads++) {
    if (!receive(c, w, &s, e)) return false;
    /* Whoever talks without an end and gives no result does not wait either. */
    if (reads % READS_UNASKED == 0 && wait_interrupted(w, e)) return false;
  }
  *result = PQgetResult(c->pg);
  if (!*result && PQstatus(c->pg) == CONNECTION_BAD) {
    return postgres_connection_error(c, "the connection was lost", e);
  }
  return true;
}

/* An answer that is out of order: where the next one begins nobody knows. */
static bool disorder(postgres_connection *c, const char *what, tskdb_error *e) {
  c->base.broken = true;
  return error_set(e, ERROR_PROTOCOL, "%s", what);
}

bool postgres_only_result(postgres_connection *c, const wait_scope *w, PGresult **result, tskdb_error *e) {
  PGresult *more = NULL;
  *result = NULL;
  if (!postgres_next_result(c, w, result, e)) return false;
  if (!*result) return disorder(c, "the server has not answered a request", e);
  c->base.bytes_received += PQresultMemorySize(*result);
  switch (PQresultStatus(*result)) {
    case PGRES_COPY_IN: case PGRES_COPY_OUT: case PGRES_COPY_BOTH:   /* said again and again */
      return disorder(c, "the server copies what should not be copied", e);
    default: break;
  }
  if (!postgres_next_result(c, w, &more, e)) return false;
  PQclear(more);
  return !more || disorder(c, "the server has answered a request twice", e);
}

bool postgres_next_copy(postgres_connection *c, const wait_scope *w, char **bytes, int *length,
                        tskdb_error *e) {
  silence s = {0};
  *bytes = NULL;
  for (;;) {
    *length = PQgetCopyData(c->pg, bytes, 1);
    if (*length < -1) return postgres_connection_error(c, "cannot read from the server", e);
    if (*length != 0) return true;
    if (!receive(c, w, &s, e)) return false;
  }
}

/* ---- requests of our own ------------------------------------------------ */

static bool send_requests(postgres_connection *c, const postgres_request *requests, int n, tskdb_error *e) {
  if (!PQenterPipelineMode(c->pg)) return postgres_connection_error(c, "cannot send", e);
  for (int i = 0; i < n; i++) {
    const postgres_request *r = &requests[i];
    if (!PQsendQueryParams(c->pg, r->text, r->n_parameters, NULL, r->parameters, NULL, NULL, 0) ||
        !PQpipelineSync(c->pg)) {
      return postgres_connection_error(c, "cannot send", e);
    }
  }
  c->base.round_trips++;
  return true;
}

/* The answer to one request, up to its synchronisation point. */
static bool collect(postgres_connection *c, const wait_scope *w, PGresult **answer, tskdb_error *e) {
  PGresult *sync = NULL;
  if (!postgres_only_result(c, w, answer, e) || !postgres_next_result(c, w, &sync, e)) return false;
  bool synchronised = sync && PQresultStatus(sync) == PGRES_PIPELINE_SYNC;
  PQclear(sync);
  return synchronised || disorder(c, "the server's answers are out of order", e);
}

/* libpq 15 forgets that an answer was wanted row by row only when the next
** request is sent outside a pipeline, if that answer ended in an error. */
static bool forget_row_by_row(postgres_connection *c, const wait_scope *w, tskdb_error *e) {
  PGresult *r = NULL;
  if (!c->row_by_row) return true;
  c->row_by_row = false;
  if (!PQsendQuery(c->pg, "")) return postgres_connection_error(c, "cannot send", e);
  c->base.round_trips++;
  bool ok = postgres_flush(c, w, e) && postgres_only_result(c, w, &r, e);
  PQclear(r);
  return ok;
}

static bool is_success(const PGresult *r) {
  ExecStatusType status = PQresultStatus(r);
  return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

static void clear_results(PGresult **results, int n) {
  for (int i = 0; i < n; i++) {
    PQclear(results[i]);
    results[i] = NULL;
  }
}

bool postgres_run(postgres_connection *c, const postgres_request *requests, int n, const wait_scope *w,
                  PGresult **results, tskdb_error *e) {
  for (int i = 0; i < n; i++) results[i] = NULL;
  bool whole = forget_row_by_row(c, w, e) && send_requests(c, requests, n, e) && postgres_flush(c, w, e);
  for (int i = 0; whole && i < n; i++) whole = collect(c, w, &results[i], e);
  if (!whole) {
    if (PQstatus(c->pg) == CONNECTION_OK) postgres_cancel_now(c->canceller);
    c->base.broken = true;   /* somewhere inside a pipeline */
    clear_results(results, n);
    return false;
  }
  if (!PQexitPipelineMode(c->pg)) c->base.broken = true;
  for (int i = 0; i < n; i++) {
    if (is_success(results[i])) continue;
    postgres_result_error(c, results[i], e);
    clear_results(results, n);
    return false;
  }
  return true;
}

/* ---- answers that nobody wants ------------------------------------------ */

static void note_state(const PGresult *r, char *sqlstate) {
  const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
  if (sqlstate) strncpy(sqlstate, state ? state : "", 5);
}

/* Whether the data of a COPY have ended within what has arrived. */
static bool skip_copy(postgres_connection *c, int limit) {
  for (int i = 0; i < limit; i++) {
    char *bytes = NULL;
    int length = PQgetCopyData(c->pg, &bytes, 1);
    if (length == 0 && PQconsumeInput(c->pg)) length = PQgetCopyData(c->pg, &bytes, 1);
    if (length <= 0) return length == -1;
    PQfreemem(bytes);
  }
  return false;
}

/* Reads away what has arrived. True: the answer has ended.  The socket is read
** only when libpq has no whole row left: each read moves all that is buffered,
** and a fast server would fill the buffer faster than rows are taken out. */
static bool drain_arrived(postgres_connection *c, int limit, char *sqlstate) {
  for (int i = 0; i < limit; i++) {
    if (PQisBusy(c->pg) && (!PQconsumeInput(c->pg) || PQisBusy(c->pg))) return false;
    PGresult *r = PQgetResult(c->pg);
    if (!r) return true;
    bool copy = PQresultStatus(r) == PGRES_COPY_OUT;
    note_state(r, sqlstate);
    PQclear(r);
    if (copy && !skip_copy(c, limit)) return false;
  }
  return false;
}

/* The scope of what is left until END_US. */
static wait_scope until(int64_t end_us) {
  int64_t left_ms = (end_us - wait_now_us()) / 1000;
  return (wait_scope){.timeout_ms = left_ms > 0 ? (int)left_ms : -1, .wake_fd = -1};
}

static bool drain_copy(postgres_connection *c, int64_t end_us) {
  for (;;) {
    wait_scope w = until(end_us);
    char *bytes;
    int length;
    if (w.timeout_ms < 0 || !postgres_next_copy(c, &w, &bytes, &length, NULL)) return false;
    if (length < 0) return true;
    PQfreemem(bytes);
  }
}

static bool drain(postgres_connection *c, char *sqlstate) {
  int64_t end_us = wait_now_us() + (int64_t)ABANDON_MS * 1000;
  for (;;) {
    wait_scope w = until(end_us);
    PGresult *r;
    if (w.timeout_ms < 0 || !postgres_next_result(c, &w, &r, NULL)) return false;
    if (!r) return true;
    ExecStatusType status = PQresultStatus(r);
    note_state(r, sqlstate);
    PQclear(r);
    if (status == PGRES_COPY_OUT && !drain_copy(c, end_us)) return false;
    if (status == PGRES_COPY_IN || status == PGRES_COPY_BOTH) return false;
  }
}

void postgres_abandon(postgres_connection *c, char *sqlstate) {
  if (sqlstate) memset(sqlstate, 0, 6);
  if (c->base.broken || PQstatus(c->pg) == CONNECTION_BAD || PQpipelineStatus(c->pg) != PQ_PIPELINE_OFF) {
    c->base.broken = true;
    return;
  }
  if (drain_arrived(c, DRAIN_RESULTS, sqlstate)) return;
  bool arrived = postgres_cancel_now(c->canceller);
  if (!drain(c, sqlstate) || !arrived) c->base.broken = true;
  postgres_was_cancelled(c->canceller);
}

/* ---- errors -------------------------------------------------------------- */

/* The first prefix of a SQLSTATE that fits. */
static const struct { const char *prefix; error_class klass; } error_classes[] = {
  {"08", ERROR_NETWORK},      /* connection exception */
  {"28", ERROR_AUTH},         /* invalid authorization specification */
  {"3D000", ERROR_CONFIG},    /* no such database */
  {"40001", ERROR_CONFLICT},  /* serialization failure */
  {"40P01", ERROR_CONFLICT},  /* deadlock */
  {"42501", ERROR_AUTH},      /* insufficient privilege */
  {"53300", ERROR_NETWORK},   /* too many connections */
  {"53400", ERROR_LIMIT},     /* configuration limit exceeded */
  {"54", ERROR_LIMIT},        /* program limit exceeded */
  {"55P03", ERROR_CONFLICT},  /* lock not available */
  {"57014", ERROR_TIMEOUT},   /* cancelled: by us, or by the server's own statement_timeout */
  {"57P", ERROR_NETWORK},     /* shutting down, starting up, terminated by the administrator */
};

static error_class class_of_state(const char *state) {
  for (size_t i = 0; state && i < sizeof error_classes / sizeof *error_classes; i++) {
    const char *prefix = error_classes[i].prefix;
    if (strncmp(state, prefix, strlen(prefix)) == 0) return error_classes[i].klass;
  }
  return ERROR_SQL;
}

/* An error that libpq itself made of an answer. */
static error_class class_of_libpq(postgres_connection *c, const char *text) {
  if (strstr(text, "out of memory")) return ERROR_MEMORY;
  if (strstr(text, "synchronization") || strstr(text, "message")) return ERROR_PROTOCOL;
  return PQstatus(c->pg) == CONNECTION_BAD ? ERROR_NETWORK : ERROR_PROTOCOL;
}

bool postgres_result_error(postgres_connection *c, const PGresult *r, tskdb_error *e) {
  const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
  if (PQstatus(c->pg) == CONNECTION_BAD) c->base.broken = true;
  if (!state) {
    const char *text = r ? PQresultErrorMessage(r) : PQerrorMessage(c->pg);
    c->base.broken = true;
    return error_set(e, class_of_libpq(c, text), "%s", *text ? text : "the server's answer makes no sense");
  }
  const char *primary = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
  const char *hint = PQresultErrorField(r, PG_DIAG_MESSAGE_HINT);
  error_class klass = class_of_state(state);
  if (strcmp(state, "57014") == 0 && postgres_was_cancelled(c->canceller)) klass = ERROR_INTERRUPT;
  error_set(e, klass, "%s%s%s", primary ? primary : "", hint ? "; hint: " : "", hint ? hint : "");
  error_native(e, 0, state);
  return false;
}

bool postgres_connection_error(postgres_connection *c, const char *what, tskdb_error *e) {
  const char *text = PQerrorMessage(c->pg);
  c->base.broken = true;
  return error_set(e, class_of_libpq(c, text), "%s: %s", what, text);
}

/* ---- errors of connecting ------------------------------------------------ */

/* Verbose messages of libpq have "FATAL:  28P01: …": the place of the code. */
static const char *find_state(const char *text) {
  static const char allowed[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (const char *at = strstr(text, ":  "); at; at = strstr(at + 1, ":  ")) {
    const char *state = at + 3;
    if (strspn(state, allowed) == 5 && state[5] == ':' && state[6] == ' ') return state;
  }
  return NULL;
}

/* The lines of TEXT in one, without the server's source positions and codes. */
static void flatten(const char *text, buffer *out) {
  while (*text) {
    size_t length = strcspn(text, "\n");
    const char *line = text + strspn(text, " \t");
    if (line < text + length && strncmp(line, "LOCATION:", 9) != 0) {
      const char *end = text + length, *state = find_state(line);
      if (out->length) buffer_text(out, "; ");
      if (state && state < end) {
        buffer_append(out, line, (size_t)(state - line));
        line = state + 7;
      }
      buffer_append(out, line, (size_t)(end - line));
    }
    text += length + (text[length] == '\n');
  }
}

static error_class class_of_connect(PGconn *pg, const char *state, const char *text) {
  if (state && (strncmp(state, "22", 2) == 0 || strncmp(state, "42704", 5) == 0)) return ERROR_CONFIG;
  if (state) {
    error_class klass = class_of_state(state);
    return klass == ERROR_SQL ? ERROR_NETWORK : klass;
  }
  if (PQconnectionNeedsPassword(pg)) return ERROR_AUTH;
  if (strstr(text, "out of memory")) return ERROR_MEMORY;
  if (strstr(text, "SSL") || strstr(text, "certificate")) return ERROR_TLS;
  if (strstr(text, "expected authentication request")) return ERROR_PROTOCOL;
  if (strstr(text, "authentication") || strstr(text, "SCRAM")) return ERROR_AUTH;
  return strstr(text, "invalid ") ? ERROR_CONFIG : ERROR_NETWORK;
}

bool postgres_connect_error(PGconn *pg, tskdb_error *e) {
  const char *text = PQerrorMessage(pg), *state = NULL;
  char code[6] = "";
  buffer flat = {0};
  /* Of several hosts, what the last one said counts. */
  for (const char *at = find_state(text); at; at = find_state(at)) state = at;
  if (state) memcpy(code, state, 5);
  flatten(text, &flat);
  error_set(e, class_of_connect(pg, state, text), "cannot connect: %s", buffer_cstr(&flat));
  error_native(e, 0, code);
  buffer_free(&flat);
  return false;
}

/* ---- cells of our own requests ------------------------------------------- */

const char *postgres_cell(const PGresult *r, int row, int field) {
  return PQgetisnull(r, row, field) ? NULL : PQgetvalue(r, row, field);
}

double postgres_cell_real(const PGresult *r, int row, int field, double otherwise) {
  const char *text = postgres_cell(r, row, field);
  double real;
  return text && value_parse_real(text, strlen(text), &real) && real == real ? real : otherwise;
}

uint32_t postgres_cell_oid(const PGresult *r, int row, int field) {
  const char *text = postgres_cell(r, row, field);
  return text ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

int postgres_cell_int(const PGresult *r, int row, int field) {
  const char *text = postgres_cell(r, row, field);
  return text ? (int)strtol(text, NULL, 10) : 0;
}

bool postgres_cell_bool(const PGresult *r, int row, int field) {
  const char *text = postgres_cell(r, row, field);
  return text && *text == 't';
}
