/*
** wire.c - calls into the client library: what they wait for, what they say.
**
** When the user interrupts a call or the server is silent for too long, its
** answer is awaited for one moment more; then the server is told to stop by a
** second connection (killSessions), and its answer, which is now an error, is
** read, so that the connection can be used again.  Without it it is broken.
**
** The library writes its warnings to the host's standard error, and a process
** has one log handler for all of it.  Ours says nothing of what comes from
** our calls and leaves the rest as it was by default.
*/
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "vtab/mongo/mongo_driver.h"

enum {
  PATIENCE_MS = 50, /* an answer that is nearly there is cheaper than a second connection */
  GRACE_MS = 2000 /* for the error that killSessions makes of it */
};

/* Whether this thread is inside a call of ours. */
static _Thread_local int inside;

static void hear(mongoc_log_level_t level, const char *domain, const char *message, void *context) {
  if (!inside && level <= MONGOC_LOG_LEVEL_INFO)
    mongoc_log_default_handler(level, domain, message, context);
}

static void start_library(void) {
  inside++;
  mongoc_log_set_handler(hear, NULL);
  mongoc_init();
  inside--;
}

void mongo_library_init(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start_library);
}

/* ---- calls ----------------------------------------------------------------- */

static void begin(mongo_call *call, mongo_connection *c) {
  inside++;
  c->call = call;
}

void mongo_begin(mongo_call *call, mongo_connection *c, const wait_scope *w) {
  *call = (mongo_call){.scope = w, .limit_ms = w->timeout_ms};
  begin(call, c);
}

void mongo_begin_until(mongo_call *call, mongo_connection *c, const wait_scope *w,
                       int64_t deadline_us) {
  *call = (mongo_call){.scope = w, .deadline_us = deadline_us};
  begin(call, c);
}

void mongo_end(mongo_connection *c) {
  inside--;
  c->call = NULL;
}

void mongo_stop(mongo_connection *c) {
  mongo_call *call = c->call;
  int more_ms = call->stopped ? GRACE_MS : PATIENCE_MS;
  if (call->killed || bson_empty(&c->session_id)) {
    call->gave_up = true;
  } else if (call->stopped) {
    call->killed = true;
    call->gave_up = !mongo_kill(c);
  }
  call->stopped = true;
  call->deadline_us = wait_now_us() + (int64_t)more_ms * 1000;
}

/* ---- errors ---------------------------------------------------------------- */

/* The server's codes by class.  What is not here is its opinion of the command. */
static const struct { int code; error_class klass; } server_codes[] = {
  {13 /* Unauthorized */, ERROR_AUTH},
  {18 /* AuthenticationFailed */, ERROR_AUTH},
  {11 /* UserNotFound */, ERROR_AUTH},
  {334 /* UnsupportedMechanism */, ERROR_AUTH},
  {26 /* NamespaceNotFound */, ERROR_STALE},
  {50 /* MaxTimeMSExpired */, ERROR_TIMEOUT},
  {262 /* ExceededTimeLimit */, ERROR_TIMEOUT},
  {11601 /* Interrupted */, ERROR_INTERRUPT},
  {112 /* WriteConflict */, ERROR_CONFLICT},
  {10334 /* BSONObjectTooLarge */, ERROR_LIMIT},
  {146 /* ExceededMemoryLimit */, ERROR_LIMIT},
  {292 /* QueryExceededMemoryLimitNoDiskUseAllowed */, ERROR_LIMIT},
  {6 /* HostUnreachable */, ERROR_NETWORK},
  {7 /* HostNotFound */, ERROR_NETWORK},
  {89 /* NetworkTimeout */, ERROR_NETWORK},
  {91 /* ShutdownInProgress */, ERROR_NETWORK},
  {133 /* FailedToSatisfyReadPreference */, ERROR_NETWORK},
  {189 /* PrimarySteppedDown */, ERROR_NETWORK},
  {9001 /* SocketException */, ERROR_NETWORK},
  {10107 /* NotWritablePrimary */, ERROR_NETWORK},
  {11600 /* InterruptedAtShutdown */, ERROR_NETWORK},
  {11602 /* InterruptedDueToReplStateChange */, ERROR_NETWORK},
  {13435 /* NotPrimaryNoSecondaryOk */, ERROR_NETWORK},
  {13436 /* NotPrimaryOrSecondary */, ERROR_NETWORK},
};

static error_class class_of_code(int code) {
  for (size_t i = 0; i < sizeof(server_codes) / sizeof(server_codes[0]); i++) {
    if (server_codes[i].code == code) return server_codes[i].klass;
  }
  return ERROR_SQL;
}

static error_class class_of(const mongo_connection *c, const bson_error_t *from) {
  bool of_server = from->domain == MONGOC_ERROR_SERVER;
  if (c->trouble.klass == ERROR_MEMORY && !of_server) return ERROR_MEMORY;
  switch (from->domain) {
    case MONGOC_ERROR_SERVER:
    case MONGOC_ERROR_WRITE_CONCERN: return class_of_code((int)from->code);
    case MONGOC_ERROR_CLIENT:
      return from->code == MONGOC_ERROR_CLIENT_AUTHENTICATE ? ERROR_AUTH : ERROR_CONFIG;
    case MONGOC_ERROR_SASL: case MONGOC_ERROR_SCRAM: return ERROR_AUTH;
    case MONGOC_ERROR_STREAM: case MONGOC_ERROR_SERVER_SELECTION:
      return error_is_set(&c->trouble) ? c->trouble.klass : ERROR_NETWORK;
    case MONGOC_ERROR_COMMAND: case MONGOC_ERROR_QUERY: return ERROR_CONFIG;
    default: return ERROR_PROTOCOL;
  }
}

void mongo_starve(mongo_connection *c) {
  error_clear(&c->trouble);
  error_memory(&c->trouble);
  errno = ENOMEM;
}

/* The server's words. Where they show the query, that stands in lines of its own with its values:
** only the first and the last are kept. */
static void say(tskdb_error *e, error_class klass, const char *message) {
  const char *first = strchr(message, '\n'), *last = strrchr(message, '\n');
  if (!*message) error_set(e, klass, "the client library gives no reason");
  else if (!first) error_set(e, klass, "%s", message);
  else error_set(e, klass, "%.*s … %s", (int)(first - message), message, last + 1);
}

bool mongo_error(mongo_connection *c, const bson_error_t *from, const char *what, tskdb_error *e) {
  const mongo_call *call = c->call;
  error_class klass = class_of(c, from);
  bool of_server =
    from->domain == MONGOC_ERROR_SERVER || from->domain == MONGOC_ERROR_WRITE_CONCERN;
  if (klass == ERROR_NETWORK || klass == ERROR_PROTOCOL || klass == ERROR_TLS ||
      klass == ERROR_MEMORY)
    c->base.broken = true;
  if (call && call->gave_up) c->base.broken = true;
  if (call && call->stopped && error_is_set(&call->why)) {
    error_set(e, call->why.klass, "%s", call->why.text);
  } else if (!of_server && error_is_set(&c->trouble)) {
    error_set(e, klass, "%s", c->trouble.text);
  } else {
    say(e, klass, from->message);
    error_native(e, of_server ? (int)from->code : 0, NULL);
  }
  error_prefix(e, "%s", what);
  return false;
}

/* ---- commands -------------------------------------------------------------- */

static bool send_command(mongo_connection *c, mongo_command_kind kind, const char *database,
                         const bson_t *command, bson_t *reply, bson_error_t *why) {
  const mongoc_read_prefs_t *prefs = mongoc_client_get_read_prefs(c->client);
  switch (kind) {
    case MONGO_READ:
      return mongoc_client_read_command_with_opts(c->client, database, command, prefs, &c->options,
                                                  reply, why);
    case MONGO_CONTINUE:
      return mongoc_client_command_with_opts(c->client, database, command, prefs, &c->options,
                                             reply, why);
    default:
      return mongoc_client_command_with_opts(c->client, database, command, NULL,
                                             &c->session_options, reply, why);
  }
}

bool mongo_command(mongo_connection *c, mongo_command_kind kind, const char *database,
                   const bson_t *command, const char *what, bson_t *reply, tskdb_error *e) {
  bson_error_t why = {0};
  c->base.round_trips++;
  error_clear(&c->trouble);
  bool ok = send_command(c, kind, database, command, reply, &why);
  /* The answer may have come in the grace period: the user still said stop. */
  if (ok && !c->call->stopped) return true;
  return mongo_error(c, &why, what, e);
}

bool mongo_run(mongo_connection *c, mongo_command_kind kind, const char *database,
               const bson_t *command, const wait_scope *w, const char *what, bson_t *reply,
               tskdb_error *e) {
  mongo_call call;
  mongo_begin(&call, c, w);
  bool ok = mongo_command(c, kind, database, command, what, reply, e);
  mongo_end(c);
  return ok;
}

/* ---- answers --------------------------------------------------------------- */

static bool find(const bson_t *doc, const char *path, bson_iter_t *out) {
  bson_iter_t top;
  return bson_iter_init(&top, doc) && bson_iter_find_descendant(&top, path, out);
}

int64_t mongo_number(const bson_t *doc, const char *path, int64_t otherwise) {
  bson_iter_t at;
  bool is_number =
    find(doc, path, &at) && (BSON_ITER_HOLDS_NUMBER(&at) || BSON_ITER_HOLDS_BOOL(&at));
  return is_number ? bson_iter_as_int64(&at) : otherwise;
}

double mongo_real(const bson_t *doc, const char *path, double otherwise) {
  bson_iter_t at;
  return find(doc, path, &at) && BSON_ITER_HOLDS_NUMBER(&at) ? bson_iter_as_double(&at) : otherwise;
}

const char *mongo_text(const bson_t *doc, const char *path) {
  bson_iter_t at;
  return find(doc, path, &at) && BSON_ITER_HOLDS_UTF8(&at) ? bson_iter_utf8(&at, NULL) : NULL;
}

bool mongo_part(const bson_t *doc, const char *path, bson_t *out) {
  bson_iter_t at;
  const uint8_t *bytes = NULL;
  uint32_t length = 0;
  if (!find(doc, path, &at)) return false;
  if (BSON_ITER_HOLDS_DOCUMENT(&at)) bson_iter_document(&at, &length, &bytes);
  else if (BSON_ITER_HOLDS_ARRAY(&at)) bson_iter_array(&at, &length, &bytes);
  return bytes && bson_init_static(out, bytes, length);
}

bool mongo_goes_on(int64_t *since_us, bool any, const wait_scope *w, tskdb_error *e) {
  int64_t now_us = wait_now_us();
  if (any || *since_us == 0) *since_us = now_us;
  if (any) return true;
  if (wait_interrupted(w, e)) return false;
  if (w->timeout_ms <= 0 || now_us - *since_us < (int64_t)w->timeout_ms * 1000) return true;
  return error_set(e, ERROR_TIMEOUT, "no document for %d ms (option timeout)", w->timeout_ms);
}

static bool take_batch(const bson_t *reply, const char *path, mongo_take *take, void *context,
                       bool *any, tskdb_error *e) {
  bson_t documents, document;
  bson_iter_t at;
  *any = false;
  if (!mongo_part(reply, path, &documents) || !bson_iter_init(&at, &documents)) {
    return error_set(e, ERROR_PROTOCOL, "the server answers without a batch");
  }
  while (bson_iter_next(&at)) {
    const uint8_t *bytes = NULL;
    uint32_t length = 0;
    if (!BSON_ITER_HOLDS_DOCUMENT(&at)) continue;
    bson_iter_document(&at, &length, &bytes);
    if (!bson_init_static(&document, bytes, length)) {
      return error_set(e, ERROR_PROTOCOL, "the server answers with a damaged document");
    }
    *any = true;
    if (!take(context, &document, e)) return false;
  }
  return true;
}

bool mongo_each(mongo_connection *c, mongo_command_kind kind, const char *database,
                const bson_t *command, const wait_scope *w, const char *what, mongo_take *take,
                void *context, tskdb_error *e) {
  bson_t reply;
  int64_t since_us = 0;
  bool any, ok = mongo_run(c, kind, database, command, w, what, &reply, e) &&
                 take_batch(&reply, "cursor.firstBatch", take, context, &any, e);
  for (;;) {
    int64_t id = mongo_number(&reply, "cursor.id", 0);
    const char *space = mongo_text(&reply, "cursor.ns");
    const char *collection = space ? strchr(space, '.') : NULL;
    if (!ok || id == 0 || !collection) break;
    ok = mongo_goes_on(&since_us, any, w, e);
    if (!ok) break;
    bson_t *more = BCON_NEW("getMore", BCON_INT64(id), "collection", BCON_UTF8(collection + 1));
    bson_destroy(&reply);
    ok = mongo_run(c, kind == MONGO_READ ? MONGO_CONTINUE : kind, database, more, w, what, &reply,
                   e) &&
         take_batch(&reply, "cursor.nextBatch", take, context, &any, e);
    bson_destroy(more);
  }
  bson_destroy(&reply);
  return ok;
}
