/*
** login.c - what connecting needs, from the URL.
**
**   redis://user:password@host:6379/0      rediss:// with TLS
**   redis://%2Frun%2Fredis.sock/0          a unix socket
**   redis+sentinel://host1,host2/mymaster/0
**   redis+cluster://host1,host2
**
** Invariants:
**   1. A login is immutable once made.
**   2. Its secrets are wiped before its memory is freed.
**   3. Every parameter of the URL is known here, or it is an error.
*/
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vtab/memory.h"
#include "vtab/redis/redis_driver.h"
#include "vtab/url.h"

enum { DEFAULT_PORT = 6379, SENTINEL_PORT = 26379 };

/* What is being made of one URL. */
typedef struct reader {
  redis_login *login;
  const url *url;
  const char *socket;          /* ?socket= */
  bool tls_given;
  tskdb_error *e;
} reader;

static const struct { const char *scheme; redis_topology topology; bool tls; } schemes[] = {
  {"redis", REDIS_ALONE, false},
  {"rediss", REDIS_ALONE, true},
  {"redis+sentinel", REDIS_SENTINEL, false},
  {"rediss+sentinel", REDIS_SENTINEL, true},
  {"redis+cluster", REDIS_CLUSTER, false},
  {"rediss+cluster", REDIS_CLUSTER, true},
};

/* ---- parameters ---------------------------------------------------------- */

static const struct { const char *name; redis_tls tls; } tls_modes[] = {
  {"disable", REDIS_TLS_OFF},          {"require", REDIS_TLS_REQUIRE},
  {"verify-ca", REDIS_TLS_VERIFY_CA},  {"verify-full", REDIS_TLS_VERIFY_FULL},
};

static bool set_tls(reader *r, redis_tls tls) {
  r->login->tls = tls;
  r->tls_given = true;
  return true;
}

static bool read_tls_mode(reader *r, const char *key, const char *text) {
  for (size_t i = 0; i < sizeof(tls_modes) / sizeof(tls_modes[0]); i++) {
    if (strcasecmp(text, tls_modes[i].name) == 0) return set_tls(r, tls_modes[i].tls);
  }
  return error_set(r->e, ERROR_CONFIG,
                   "URL parameter %s must be disable, require, verify-ca or verify-full", key);
}

static bool read_tls_switch(reader *r, const char *key, const char *text) {
  bool on;
  return url_read_switch(key, text, &on, r->e) &&
         set_tls(r, on ? REDIS_TLS_VERIFY_FULL : REDIS_TLS_OFF);
}

static bool read_ca(reader *r, const char *key, const char *text) {
  return url_read_file(key, text, &r->login->arena, &r->login->ca, r->e);
}

static bool read_certificate(reader *r, const char *key, const char *text) {
  return url_read_file(key, text, &r->login->arena, &r->login->certificate, r->e);
}

static bool read_key(reader *r, const char *key, const char *text) {
  return url_read_file(key, text, &r->login->arena, &r->login->key, r->e);
}

static bool read_database(reader *r, const char *key, const char *text) {
  const long most = 1000000;
  char *end;
  long n = strtol(text, &end, 10);
  if (*text < '0' || *text > '9' || *end || n > most) {
    return error_set(r->e, ERROR_CONFIG, "URL %s: a Redis database is a number", key);
  }
  r->login->database = (int)n;
  return true;
}

static bool read_connect_timeout(reader *r, const char *key, const char *text) {
  return url_read_seconds(key, text, &r->login->connect_timeout_ms, r->e);
}

static bool read_socket(reader *r, const char *key, const char *text) {
  (void)key;
  return url_read_text(text, &r->login->arena, &r->socket, r->e);
}

static bool read_client_name(reader *r, const char *key, const char *text) {
  (void)key;
  return url_read_text(text, &r->login->arena, &r->login->client_name, r->e);
}

static bool read_master(reader *r, const char *key, const char *text) {
  (void)key;
  return url_read_text(text, &r->login->arena, &r->login->master, r->e);
}

static bool read_sentinel_user(reader *r, const char *key, const char *text) {
  (void)key;
  return url_read_text(text, &r->login->arena, &r->login->sentinel.user, r->e);
}

static bool read_sentinel_password(reader *r, const char *key, const char *text) {
  (void)key;
  return url_read_text(text, &r->login->arena, &r->login->sentinel.password, r->e);
}

static const struct parameter {
  const char *name;
  bool (*read)(reader *r, const char *key, const char *text);
} parameters[] = {
  {"client_name", read_client_name},
  {"connect_timeout", read_connect_timeout},
  {"db", read_database},
  {"master", read_master},
  {"sentinel_password", read_sentinel_password},
  {"sentinel_user", read_sentinel_user},
  {"socket", read_socket},
  {"ssl-ca", read_ca},
  {"ssl-cert", read_certificate},
  {"ssl-key", read_key},
  {"sslmode", read_tls_mode},
  {"tls", read_tls_switch},
};

enum { N_PARAMETERS = sizeof(parameters) / sizeof(parameters[0]) };

static bool unknown_parameter(reader *r, const char *key) {
  buffer list = {0};
  for (size_t i = 0; i < N_PARAMETERS; i++) {
    buffer_printf(&list, "%s%s", i ? ", " : "", parameters[i].name);
  }
  error_set(r->e, ERROR_CONFIG, "unknown URL parameter \"%s\"; a redis URL has %s", key,
            buffer_cstr(&list));
  buffer_free(&list);
  return false;
}

static bool read_parameter(reader *r, const url_parameter *given) {
  for (size_t i = 0; i < N_PARAMETERS; i++) {
    if (strcmp(given->key, parameters[i].name) == 0) {
      return parameters[i].read(r, parameters[i].name, given->value);
    }
  }
  return unknown_parameter(r, given->key);
}

static bool read_parameters(reader *r) {
  redis_login *l = r->login;
  bool secure = l->tls != REDIS_TLS_OFF;
  for (int i = 0; i < r->url->n_parameters; i++) {
    if (!read_parameter(r, &r->url->parameters[i])) return false;
  }
  if (secure && l->tls == REDIS_TLS_OFF) {
    return error_set(r->e, ERROR_CONFIG, "the scheme asks for TLS and a parameter switches it off");
  }
  /* Files of TLS without a word of TLS: it was meant. */
  if (!secure && !r->tls_given && (l->ca || l->certificate || l->key))
    l->tls = REDIS_TLS_VERIFY_FULL;
  if (l->ca && l->tls < REDIS_TLS_VERIFY_CA) {
    return error_set(r->e, ERROR_CONFIG, "ssl-ca is given, but this sslmode verifies nothing; "
                     "use verify-ca or verify-full");
  }
  return true;
}

/* ---- hosts and path ------------------------------------------------------ */

static bool read_host(reader *r, const url_host *given, redis_host *out) {
  arena *a = &r->login->arena;
  const char *socket = given->host[0] == '/' ? given->host : r->socket;
  if (socket) {
    out->socket = arena_strdup(a, socket);
  } else {
    int otherwise = r->login->topology == REDIS_SENTINEL ? SENTINEL_PORT : DEFAULT_PORT;
    out->name = arena_strdup(a, given->host[0] ? given->host : "127.0.0.1");
    out->port = given->port ? given->port : otherwise;
  }
  return !a->failed || error_memory(r->e);
}

static bool read_hosts(reader *r) {
  redis_login *l = r->login;
  l->n_hosts = r->url->n_hosts;
  l->hosts = arena_alloc(&l->arena, (size_t)l->n_hosts * sizeof(*l->hosts));
  if (!l->hosts) return error_memory(r->e);
  for (int i = 0; i < l->n_hosts; i++) {
    if (!read_host(r, &r->url->hosts[i], &l->hosts[i])) return false;
  }
  return true;
}

/* The database's number; before it, for sentinels, the master's name. */
static bool read_path(reader *r) {
  redis_login *l = r->login;
  const char *path = r->url->path;
  if (l->topology == REDIS_SENTINEL && *path) {
    size_t n = strcspn(path, "/");
    if (n) l->master = arena_strndup(&l->arena, path, n);
    path += n + (path[n] == '/');
  }
  if (*path && !read_database(r, "path", path)) return false;
  if (l->topology == REDIS_SENTINEL && !l->master) {
    return error_set(r->e, ERROR_CONFIG,
                     "the master's name is missing: redis+sentinel://host,host/<name>");
  }
  if (l->topology == REDIS_CLUSTER && l->database) {
    return error_set(r->e, ERROR_CONFIG, "a Redis Cluster has database 0 alone");
  }
  return true;
}

/* ---- the login ----------------------------------------------------------- */

static void read_credentials(reader *r) {
  redis_login *l = r->login;
  const char *password = r->url->password;
  /* The variable of redis-cli. */
  if (!password && !r->url->user) password = getenv("REDISCLI_AUTH");
  l->server.user = arena_strdup(&l->arena, r->url->user);
  /* A user without a password of its own still has to be named. */
  if (!password && l->server.user) password = "";
  l->server.password = arena_strdup(&l->arena, password);
}

static bool read_url(reader *r, const endpoint *at) {
  redis_login *l = r->login;
  bool known = false;
  for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
    if (strcmp(r->url->scheme, schemes[i].scheme) != 0) continue;
    known = true;
    l->topology = schemes[i].topology;
    l->tls = schemes[i].tls ? REDIS_TLS_VERIFY_FULL : REDIS_TLS_OFF;
  }
  if (!known) return error_set(r->e, ERROR_CONFIG, "not a redis URL");
  l->client_name = "tskdb";
  l->read_only = at->read_only;
  read_credentials(r);
  return read_parameters(r) && read_hosts(r) && read_path(r) &&
         (l->tls == REDIS_TLS_OFF || redis_tls_context(l, r->e));
}

/* The decoded URL has the secrets in an arena of its own. */
static void wipe_url(url *u) {
  url_wipe(u->password);
  for (int i = 0; i < u->n_parameters; i++) {
    if (strcmp(u->parameters[i].key, "sentinel_password") == 0)
      url_wipe(u->parameters[i].value);
  }
}

redis_login *redis_login_new(const endpoint *at, tskdb_error *e) {
  redis_login *l = mem_zalloc(sizeof(*l));
  arena scratch = {0};
  url u = {0};
  if (!l) {
    error_memory(e);
    return NULL;
  }
  reader r = {.login = l, .url = &u, .e = e};
  bool ok = url_parse(at->url, &scratch, &u, e) && read_url(&r, at);
  if (ok && l->arena.failed) ok = error_memory(e);
  wipe_url(&u);
  arena_free(&scratch);
  if (ok) return l;
  redis_login_free(l);
  return NULL;
}

void redis_login_free(redis_login *l) {
  if (!l) return;
  redis_tls_context_free(l);
  url_wipe(l->server.password);
  url_wipe(l->sentinel.password);
  arena_free(&l->arena);
  mem_free(l);
}
