/*
** connect.c - a connection: opened, checked, stopped, closed.
**
** Remote session: a connection keeps to the server that it found when it was
** opened (the primary, or what the URL's read preference says), and all its
** commands run in one logical session of that server, without causal
** consistency.  The session is what cancel() names: killSessions ends what
** runs in it and kills its cursors, and needs no right beyond logging in.
** Nothing else of a session changes the meaning of data on MongoDB, so
** reset() has nothing to undo.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vtab/memory.h"
#include "vtab/mongo/mongo_driver.h"

enum {
  CONNECT_MS = 10000,          /* without any given bound */
  CANCEL_MS = 1500,            /* after that the server notices by itself that nobody listens */
  VERSION_MIN = 40400          /* $unionWith, $bsonSize */
};

/* ---- open ------------------------------------------------------------------ */

static bool make_client(mongo_connection *c, tskdb_error *e) {
  bson_error_t why = {0};
  /* Looks up the hosts of mongodb+srv. */
  c->client = mongoc_client_new_from_uri_with_error(c->login->uri, &why);
  if (!c->client) return mongo_error(c, &why, "cannot connect", e);
  mongoc_client_set_error_api(c->client, MONGOC_ERROR_API_VERSION_2);
  mongoc_client_set_stream_initiator(c->client, mongo_stream_open, c);
  return true;
}

/* Whether a member of a set has answered: then it is electing, or none is as the read
** preference wants it. */
static bool is_any_alive(const mongo_connection *c) {
  size_t n = 0;
  bool alive = false;
  mongoc_server_description_t **all = mongoc_client_get_server_descriptions(c->client, &n);
  for (size_t i = 0; i < n; i++)
    alive |= strcmp(mongoc_server_description_type(all[i]), "Unknown") != 0;
  mongoc_server_descriptions_destroy_all(all, n);
  return alive;
}

/* False when the time is over, or the user wants no more. */
static bool pause_briefly(const mongo_call *call, tskdb_error *e) {
  struct timespec t = {.tv_nsec = WAIT_SLICE_MS * 1000000L};
  if (call->stopped || wait_now_us() > call->deadline_us) return false;
  nanosleep(&t, NULL);
  return !wait_interrupted(call->scope, e);
}

/* While a set elects its primary there is none: it is asked again until time is over. */
static mongoc_server_description_t *select_server(mongo_connection *c, tskdb_error *e) {
  const mongoc_read_prefs_t *prefs = mongoc_client_get_read_prefs(c->client);
  for (;;) {
    bson_error_t why = {0};
    mongoc_server_description_t *d = mongoc_client_select_server(c->client, false, prefs, &why);
    if (d) return d;
    if (!c->login->several || !is_any_alive(c) || !pause_briefly(c->call, e)) {
      if (!error_is_set(e)) mongo_error(c, &why, "cannot connect", e);
      return NULL;
    }
  }
}

/* The server that this connection reads from. */
static bool choose_server(mongo_connection *c, tskdb_error *e) {
  c->base.round_trips++;
  mongoc_server_description_t *d = select_server(c, e);
  if (!d) return false;
  const char *message = mongo_text(mongoc_server_description_hello_response(d), "msg");
  c->router = message && strcmp(message, "isdbgrid") == 0;
  c->host = mem_strdup(mongoc_server_description_host(d)->host_and_port);
  BSON_APPEND_INT32(&c->options, "serverId", (int32_t)mongoc_server_description_id(d));
  mongoc_server_description_destroy(d);
  return c->host ? true : error_memory(e);
}

/* The first command: it logs in. */
static bool ask_version(mongo_connection *c, tskdb_error *e) {
  bson_t *command = BCON_NEW("buildInfo", BCON_INT32(1)), reply;
  bool ok = mongo_command(c, MONGO_CONTINUE, "admin", command, "cannot connect", &reply, e);
  bson_destroy(command);
  if (ok) {
    uint32_t major = (uint32_t)mongo_number(&reply, "versionArray.0", 0);
    uint32_t minor = (uint32_t)mongo_number(&reply, "versionArray.1", 0);
    c->base.version =
      major * 10000 + minor * 100 + (uint32_t)mongo_number(&reply, "versionArray.2", 0);
    ok = c->base.version >= VERSION_MIN ||
         error_set(e, ERROR_CONFIG, "the server is MongoDB %u.%u; 4.4 or newer is needed", major,
                   minor);
  }
  bson_destroy(&reply);
  return ok;
}

static bool start_session(mongo_connection *c, tskdb_error *e) {
  bson_error_t why = {0};
  mongoc_session_opt_t *plain = mongoc_session_opts_new();
  mongoc_session_opts_set_causal_consistency(plain, false);
  c->session = mongoc_client_start_session(c->client, plain, &why);
  mongoc_session_opts_destroy(plain);
  if (!c->session || !mongoc_client_session_append(c->session, &c->options, &why) ||
      !mongoc_client_session_append(c->session, &c->session_options, &why)) {
    return mongo_error(c, &why, "cannot start a session", e);
  }
  bson_destroy(&c->session_id);
  bson_copy_to(mongoc_client_session_get_lsid(c->session), &c->session_id);
  return true;
}

static mongo_connection *connection_new(mongo_login *l) {
  /* A bson_t inside a struct wants an alignment that the library's allocator gives. */
  mongo_connection *c = BSON_ALIGNED_ALLOC0(mongo_connection);
  if (!c) return NULL;
  c->login = l;
  bson_init(&c->options);
  bson_init(&c->session_options);
  bson_init(&c->session_id);
  return c;
}

connection *mongo_driver_open(const endpoint *at, const wait_scope *w, tskdb_error *e) {
  mongo_library_init();
  mongo_call call;
  int limit_ms = at->connect_timeout_ms > 0 ? at->connect_timeout_ms : CONNECT_MS;
  /* The URL is parsed inside a call too: the library may warn of it. */
  mongo_connection none = {0}, *c = NULL;
  mongo_begin(&call, &none, w);
  mongo_login *l = mongo_login_new(at, e);
  mongo_end(&none);
  if (l) c = connection_new(l);
  if (!c) {
    if (l) error_memory(e);
    mongo_login_free(l);
    return NULL;
  }
  mongo_begin_until(&call, c, w, wait_now_us() + (int64_t)limit_ms * 1000);
  bool ok = make_client(c, e) && choose_server(c, e) && ask_version(c, e) && start_session(c, e);
  mongo_end(c);
  if (ok) return &c->base;
  mongo_driver_close(&c->base, false);
  return NULL;
}

/* ---- ping, reset ----------------------------------------------------------- */

bool mongo_driver_ping(connection *base, const wait_scope *w, tskdb_error *e) {
  mongo_connection *c = (mongo_connection *)base;
  bson_t *command = BCON_NEW("ping", BCON_INT32(1)), reply;
  bool ok =
    mongo_run(c, MONGO_CONTINUE, "admin", command, w, "the server does not answer", &reply, e);
  bson_destroy(command);
  bson_destroy(&reply);
  if (!ok) base->broken = true;
  return ok;
}

bool mongo_driver_reset(connection *base, const wait_scope *w, tskdb_error *e) {
  (void)w;
  (void)e;
  base->dirty = false;
  return true;
}

/* ---- cancel ---------------------------------------------------------------- */

/* The number under which CLIENT knows the server; 0: it does not. */
static uint32_t server_number(mongoc_client_t *client, const char *host) {
  size_t n = 0;
  uint32_t found = 0;
  mongoc_server_description_t **all = mongoc_client_get_server_descriptions(client, &n);
  for (size_t i = 0; i < n; i++) {
    if (strcmp(mongoc_server_description_host(all[i])->host_and_port, host) == 0) {
      found = mongoc_server_description_id(all[i]);
    }
  }
  mongoc_server_descriptions_destroy_all(all, n);
  return found;
}

static bool kill_session(mongo_connection *c, const mongo_connection *victim) {
  bson_error_t why;
  bson_t reply, options = BSON_INITIALIZER, command = BSON_INITIALIZER, list, id;
  const mongoc_read_prefs_t *prefs = mongoc_client_get_read_prefs(c->client);
  mongoc_server_description_t *d = mongoc_client_select_server(c->client, false, prefs, &why);
  uint32_t server = d ? server_number(c->client, victim->host) : 0;
  if (d) mongoc_server_description_destroy(d);
  if (server) BSON_APPEND_INT32(&options, "serverId", (int32_t)server);
  BSON_APPEND_ARRAY_BEGIN(&command, "killSessions", &list);
  BSON_APPEND_DOCUMENT_BEGIN(&list, "0", &id);
  bson_concat(&id, &victim->session_id);
  bson_append_document_end(&list, &id);
  bson_append_array_end(&command, &list);
  bool ok =
    mongoc_client_command_with_opts(c->client, "admin", &command, prefs, &options, &reply, &why);
  bson_destroy(&reply);
  bson_destroy(&options);
  bson_destroy(&command);
  return ok;
}

bool mongo_kill(mongo_connection *victim) {
  static const wait_scope alone = {.wake_fd = -1};
  mongo_connection *c = connection_new(victim->login);
  tskdb_error ignored = {0};
  mongo_call call;
  bool ok = false;
  if (!c) return false;
  mongo_begin_until(&call, c, &alone, wait_now_us() + (int64_t)CANCEL_MS * 1000);
  if (!bson_empty(&victim->session_id) && make_client(c, &ignored)) ok = kill_session(c, victim);
  mongo_end(c);
  c->login = NULL;             /* the victim's */
  mongo_driver_close(&c->base, false);
  return ok;
}

void mongo_driver_cancel(connection *base) { mongo_kill((mongo_connection *)base); }

/* ---- close ----------------------------------------------------------------- */

void mongo_driver_close(connection *base, bool forked) {
  static const wait_scope alone = {.wake_fd = -1};
  mongo_connection *c = (mongo_connection *)base;
  mongo_call call;
  if (!c) return;
  /* The library says goodbye to the server; nobody waits for the answer. */
  mongo_begin(&call, c, &alone);
  call.farewell = true;
  c->silent = forked || base->broken;
  if (c->session) mongoc_client_session_destroy(c->session);
  if (c->client) mongoc_client_destroy(c->client);
  mongo_end(c);
  bson_destroy(&c->options);
  bson_destroy(&c->session_options);
  bson_destroy(&c->session_id);
  mem_free(c->host);
  mongo_login_free(c->login);
  bson_free(c);
}
