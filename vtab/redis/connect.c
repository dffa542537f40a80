/*
** connect.c - a connection: opened, pinned, used again, stopped, closed.
**
** Pinned are the user, the database and the client's name, in one round trip
** together with INFO, which says what the server is.
**
** Sentinels are asked in turn for the master's address; a server that says it
** is no master is not taken.  After a fail-over the old connections break and
** the next one asks again.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/memory.h"
#include "vtab/redis/redis_driver.h"

enum { CONNECT_MS = 10000 };

const char *redis_place(const redis_host *at, char *out, size_t size) {
  if (at->socket) snprintf(out, size, "socket \"%s\"", at->socket);
  else snprintf(out, size, "host \"%s\", port %d", at->name, at->port);
  return out;
}

/* ---- nodes --------------------------------------------------------------- */

static redis_node *node_new(redis_connection *c, const redis_host *at) {
  if (c->n_nodes == c->room) {
    int room = c->room ? 2 * c->room : 4;
    redis_node **grown = mem_realloc(c->nodes, (size_t)room * sizeof(*grown));
    if (!grown) return NULL;
    c->nodes = grown;
    c->room = room;
  }
  redis_node *n = mem_zalloc(sizeof(*n));
  if (!n) return NULL;
  n->master = true;
  n->at = (redis_host){.name = arena_strdup(&c->arena, at->name),
                       .socket = arena_strdup(&c->arena, at->socket), .port = at->port};
  n->lost = &c->base.broken;
  if (c->arena.failed) {
    mem_free(n);
    return NULL;
  }
  c->nodes[c->n_nodes++] = n;
  return n;
}

int redis_node_find(redis_connection *c, const char *host, int port) {
  for (int i = 0; i < c->n_nodes; i++) {
    const redis_host *at = &c->nodes[i]->at;
    if (at->name && at->port == port && strcmp(at->name, host) == 0) return i;
  }
  if (c->n_nodes == INT16_MAX) return -1;
  return node_new(c, &(redis_host){.name = host, .port = port}) ? c->n_nodes - 1 : -1;
}

void redis_node_disconnect(redis_node *n, bool forked) {
  redis_transport_close(n->transport, forked);
  if (n->reader) redisReaderFree(n->reader);
  if (n->out.text) mem_wipe(n->out.text, n->out.capacity);
  buffer_free(&n->out);
  n->transport = NULL;
  n->reader = NULL;
  n->owed = 0;
  n->idle = false;
}

static void forget_nodes(redis_connection *c, bool forked) {
  for (int i = 0; i < c->n_nodes; i++) {
    redis_node_disconnect(c->nodes[i], forked);
    mem_free(c->nodes[i]);
  }
  c->n_nodes = 0;
}

/* ---- pinning ------------------------------------------------------------- */

static bool add_auth(redis_node *n, const redis_credentials *k, tskdb_error *e) {
  if (!k->password) return true;
  if (!k->user) return redis_addf(n, e, "AUTH %s", k->password);
  return redis_addf(n, e, "AUTH %s %s", k->user, k->password);
}

/* The value behind "\nNAME:" in INFO's text, in OUT; "" if it is not there. */
static void info_value(const redis_tree *info, const char *name, char *out, size_t size) {
  size_t n = strlen(name);
  *out = 0;
  for (const char *line = info->bytes; line; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, name, n) != 0 || line[n] != ':') continue;
    snprintf(out, size, "%.*s", (int)strcspn(line + n + 1, "\r\n"), line + n + 1);
    return;
  }
}

/* 7.0.15 is 70015. */
static uint32_t version_number(const char *text) {
  unsigned part[3] = {0};
  char *at = (char *)(uintptr_t)text;
  for (int i = 0; i < 3; i++) {
    part[i] = (unsigned)strtoul(at, &at, 10);
    if (*at == '.') at++;
  }
  return part[0] * 10000 + part[1] * 100 + part[2];
}

static void read_info(redis_connection *c, const redis_tree *info) {
  char mode[32], version[sizeof(c->server_version)];
  info_value(info, "redis_version", c->server_version, sizeof(c->server_version));
  c->base.version = version_number(c->server_version);
  info_value(info, "redis_mode", mode, sizeof(mode));
  c->cluster = strcmp(mode, "cluster") == 0;
  info_value(info, "valkey_version", version, sizeof(version));
  c->product = "Redis";
  if (*version) {
    c->product = "Valkey";
    memcpy(c->server_version, version, sizeof(version));
  }
}

/* What the pinning commands were answered.  A name and INFO may be forbidden. */
static bool read_pinned(redis_connection *c, redis_node *n, arena *a, const wait_scope *w,
                        tskdb_error *e) {
  const redis_credentials *k = &c->login->server;
  const char *const names[] = {k->password ? "AUTH" : NULL, c->login->database ? "SELECT" : NULL,
                               "CLIENT SETNAME", "INFO"};
  for (int i = 0; i < 4; i++) {
    if (!names[i]) continue;
    const redis_tree *t = redis_read(c, n, a, w, e);
    if (!t) return false;
    bool optional = i >= 2 && !redis_is_error(t->bytes, t->length, "NOAUTH") &&
                    !redis_is_error(t->bytes, t->length, "ERR max number of clients");
    if (t->kind == REDIS_ERROR && !optional) {
      return redis_reply_error(c, names[i], t->bytes, t->length, e);
    }
    if (i == 3 && t->kind == REDIS_STRING) read_info(c, t);
  }
  return true;
}

static bool add_pins(redis_connection *c, redis_node *n, tskdb_error *e) {
  const redis_login *l = c->login;
  return add_auth(n, &l->server, e) &&
         (!l->database || redis_addf(n, e, "SELECT %d", l->database)) &&
         redis_addf(n, e, "CLIENT SETNAME %s", l->client_name) && redis_addf(n, e, "INFO server");
}

static bool pin(redis_connection *c, redis_node *n, const wait_scope *w, tskdb_error *e) {
  arena a = {0};
  bool ok = add_pins(c, n, e) && redis_flush(c, n, w, e) && read_pinned(c, n, &a, w, e);
  arena_free(&a);
  return ok;
}

static bool node_connect(redis_connection *c, redis_node *n, const wait_scope *w,
                         int64_t deadline_us, tskdb_error *e) {
  n->transport = redis_transport_open(c->login, &n->at, w, deadline_us, e);
  return n->transport && redis_node_init_reader(n, e);
}

bool redis_node_ready(redis_connection *c, redis_node *n, const wait_scope *w, tskdb_error *e) {
  if (n->transport) return true;
  char where[300];
  int64_t deadline_us = wait_now_us() + (int64_t)c->connect_ms * 1000;
  tskdb_error mine = {0};
  if (node_connect(c, n, w, deadline_us, &mine) && pin(c, n, w, &mine)) {
    redis_transport_settle(n->transport);
    return true;
  }
  c->base.broken = true;
  error_prefix(&mine, "%s", redis_place(&n->at, where, sizeof(where)));
  if (!error_is_set(e)) *e = mine;
  return false;
}

/* ---- Sentinel ------------------------------------------------------------ */

/* Asks one sentinel; *AT is the master that it names. */
static bool ask_sentinel(redis_connection *c, const redis_host *sentinel, const wait_scope *w,
                         int64_t deadline_us, redis_host *at, tskdb_error *e) {
  arena a = {0};
  redis_node n = {.at = *sentinel};
  bool ok = node_connect(c, &n, w, deadline_us, e) && add_auth(&n, &c->login->sentinel, e) &&
            redis_addf(&n, e, "SENTINEL get-master-addr-by-name %s", c->login->master);
  const redis_tree *t = ok ? redis_ask(c, &n, &a, w, e) : NULL;
  const redis_tree *host = redis_tree_at(t, 0), *port = redis_tree_at(t, 1);
  if (host && port) {
    at->name = arena_strdup(&c->arena, host->bytes);
    at->port = atoi(port->bytes);
  } else if (t) {
    error_set(e, ERROR_CONFIG, "it knows no master \"%s\"", c->login->master);
  }
  redis_node_disconnect(&n, false);
  arena_free(&a);
  return host && port && at->name;
}

static bool check_master(redis_connection *c, redis_node *n, const wait_scope *w, tskdb_error *e) {
  arena a = {0};
  const redis_tree *t = redis_addf(n, e, "ROLE") ? redis_ask(c, n, &a, w, e) : NULL;
  const redis_tree *role = redis_tree_at(t, 0);
  bool ok = role && strcmp(role->bytes, "master") == 0;
  if (t && !ok)
    error_set(e, ERROR_NETWORK, "it is not the master (yet): it says \"%s\"",
              role ? role->bytes : "");
  arena_free(&a);
  return ok;
}

/* ---- open ---------------------------------------------------------------- */

static bool connect_server(redis_connection *c, const redis_host *at, const wait_scope *w,
                           int64_t deadline_us, tskdb_error *e) {
  redis_node *n = node_new(c, at);
  if (!n || c->arena.failed) return error_memory(e);
  bool ok = node_connect(c, n, w, deadline_us, e) && pin(c, n, w, e);
  if (ok && c->login->topology == REDIS_SENTINEL) ok = check_master(c, n, w, e);
  if (ok && (c->cluster || c->login->topology == REDIS_CLUSTER)) ok = redis_cluster_read(c, w, e);
  if (ok) redis_transport_settle(n->transport);
  return ok;
}

static bool connect_through(redis_connection *c, const redis_host *at, const wait_scope *w,
                            int64_t deadline_us, tskdb_error *e) {
  redis_host master = {0};
  char where[300];
  bool sentinel = c->login->topology == REDIS_SENTINEL;
  bool ok = !sentinel || ask_sentinel(c, at, w, deadline_us, &master, e);
  if (!ok) {
    error_prefix(e, "cannot ask the sentinel at %s", redis_place(at, where, sizeof(where)));
    return false;
  }
  const redis_host *server = sentinel ? &master : at;
  ok = connect_server(c, server, w, deadline_us, e);
  if (!ok) error_prefix(e, "cannot connect to %s", redis_place(server, where, sizeof(where)));
  return ok;
}

/* The hosts in turn, each with its share of the time; then the nodes that the
** cluster is known to have.  Another host cannot help when the user stops, or
** the credentials are refused. */
static bool connect_any(redis_connection *c, const wait_scope *w, int64_t deadline_us,
                        tskdb_error *e) {
  tskdb_error first = {0};
  arena a = {0};
  int n;
  const redis_host *hosts = redis_members_of(c->login, &a, &n);
  bool ok = false, hopeless = false;
  for (int i = 0; i < n && !ok && !hopeless; i++) {
    tskdb_error mine = {0};
    int64_t now_us = wait_now_us(), share_us = (deadline_us - now_us) / (n - i);
    ok = connect_through(c, &hosts[i], w, now_us + share_us, &mine);
    if (ok) break;
    forget_nodes(c, false);
    c->base.broken = false;
    if (!error_is_set(&first)) first = mine;
    hopeless = mine.klass == ERROR_INTERRUPT || mine.klass == ERROR_AUTH ||
               mine.klass == ERROR_MEMORY || wait_now_us() > deadline_us;
  }
  arena_free(&a);
  if (!ok && !error_is_set(e)) *e = first;
  return ok;
}

connection *redis_driver_open(const endpoint *at, const wait_scope *w, tskdb_error *e) {
  redis_connection *c = mem_zalloc(sizeof(*c));
  if (!c) {
    error_memory(e);
    return NULL;
  }
  c->login = redis_login_new(at, e);
  if (c->login) {
    const redis_login *l = c->login;
    int ms = at->connect_timeout_ms > 0 ? at->connect_timeout_ms : CONNECT_MS;
    c->connect_ms = l->connect_timeout_ms > 0 && l->connect_timeout_ms < ms ? l->connect_timeout_ms
                                                                            : ms;
    c->product = "Redis";
    if (connect_any(c, w, wait_now_us() + (int64_t)c->connect_ms * 1000, e)) return &c->base;
  }
  redis_driver_close(&c->base, false);
  return NULL;
}

/* ---- keeping ------------------------------------------------------------- */

/* Every node that is connected; each costs a round trip. */
static bool ask_all(redis_connection *c,
                    bool (*add)(redis_connection *, redis_node *, tskdb_error *),
                    const wait_scope *w, tskdb_error *e) {
  arena a = {0};
  bool ok = true;
  for (int i = 0; ok && i < c->n_nodes; i++) {
    redis_node *n = c->nodes[i];
    if (n->transport) ok = add(c, n, e) && redis_ask(c, n, &a, w, e);
  }
  arena_free(&a);
  if (!ok) c->base.broken = true;
  return ok;
}

static bool add_ping(redis_connection *c, redis_node *n, tskdb_error *e) {
  (void)c;
  return redis_addf(n, e, "PING");
}

bool redis_driver_ping(connection *c, const wait_scope *w, tskdb_error *e) {
  return ask_all((redis_connection *)c, add_ping, w, e);
}

static bool add_reset(redis_connection *c, redis_node *n, tskdb_error *e) {
  return redis_addf(n, e, "RESET") && add_pins(c, n, e);
}

/* RESET came with 6.2; before it, a new connection is the way. */
bool redis_driver_reset(connection *base, const wait_scope *w, tskdb_error *e) {
  redis_connection *c = (redis_connection *)base;
  if (c->base.version < 60200) {
    c->base.broken = true;
    return error_set(e, ERROR_NETWORK, "this server cannot reset a connection");
  }
  if (!ask_all(c, add_reset, w, e)) return false;
  c->base.dirty = false;
  return true;
}

/* A command runs to its end before another begins, so there is nothing to stop on the server but
** its waiting for us: it notices that we are gone. */
void redis_driver_cancel(connection *base) {
  redis_connection *c = (redis_connection *)base;
  for (int i = 0; i < c->n_nodes; i++) {
    if (c->nodes[i]->transport) redis_transport_interrupt(c->nodes[i]->transport);
  }
}

void redis_driver_close(connection *base, bool forked) {
  redis_connection *c = (redis_connection *)base;
  if (!c) return;
  forget_nodes(c, forked);
  mem_free(c->nodes);
  mem_free(c->slots);
  arena_free(&c->arena);
  redis_login_free(c->login);
  mem_free(c);
}
