/*
** login.c - a URL to what connecting needs.
**
** The client library reads the URL; here it is checked first, because the
** library would only write a warning to the host's standard error for a
** parameter that it does not know, and some of its messages quote the URL.
**
** Invariants: no message holds a secret; a password is never sent in clear
** without TLS (PLAIN).
*/
#include <string.h>
#include <strings.h>

#include "vtab/memory.h"
#include "vtab/mongo/mongo_driver.h"
#include "vtab/url.h"

enum { SHARES = 3 };            /* of the time for connecting, a server's is one */

/* Parameters that the library takes although none of its functions say so. */
static const char *const other_parameters[] = {
  MONGOC_URI_AUTHMECHANISM, MONGOC_URI_AUTHMECHANISMPROPERTIES, MONGOC_URI_AUTHSOURCE,
  MONGOC_URI_COMPRESSORS,   MONGOC_URI_GSSAPISERVICENAME,       MONGOC_URI_READCONCERNLEVEL,
  MONGOC_URI_READPREFERENCETAGS, MONGOC_URI_SLAVEOK,            MONGOC_URI_W,
};

/* They belong to the library's own way of making sockets. */
static const char *const refused_parameters[] = {
  MONGOC_URI_TLSDISABLECERTIFICATEREVOCATIONCHECK, MONGOC_URI_TLSDISABLEOCSPENDPOINTCHECK,
};

static bool is_among(const char *key, const char *const *list, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (strcasecmp(key, list[i]) == 0) return true;
  }
  return false;
}

#define AMONG(key, list) is_among(key, list, sizeof(list) / sizeof((list)[0]))

static bool check_parameters(const url *u, tskdb_error *e) {
  for (int i = 0; i < u->n_parameters; i++) {
    const char *key = u->parameters[i].key;
    if (AMONG(key, refused_parameters)) {
      return error_set(e, ERROR_CONFIG, "the parameter \"%.64s\" is not supported", key);
    }
    bool known = AMONG(key, other_parameters) || mongoc_uri_option_is_int32(key) ||
                 mongoc_uri_option_is_int64(key) || mongoc_uri_option_is_bool(key) ||
                 mongoc_uri_option_is_utf8(key);
    if (!known) {
      return error_set(
        e, ERROR_CONFIG,
        "unknown parameter \"%.64s\"; valid are the MongoDB connection string options", key);
    }
  }
  return true;
}

/* Clear text would show the password to whoever listens. */
static bool check_mechanism(const mongoc_uri_t *uri, tskdb_error *e) {
  const char *mechanism = mongoc_uri_get_auth_mechanism(uri);
  if (!mechanism || strcasecmp(mechanism, "PLAIN") != 0 || mongoc_uri_get_tls(uri)) return true;
  return error_set(e, ERROR_CONFIG,
                   "authMechanism=PLAIN sends the password in clear: it needs tls=true");
}

/* Whether there may be more servers than one, of which some do not answer. */
static bool names_several(const mongoc_uri_t *uri, const url *u) {
  const mongoc_host_list_t *hosts = mongoc_uri_get_hosts(uri);
  bool direct = mongoc_uri_get_option_as_bool(uri, MONGOC_URI_DIRECTCONNECTION, false);
  return !direct && (mongoc_uri_get_replica_set(uri) || (hosts && hosts->next) ||
                     strcasecmp(u->scheme, "mongodb+srv") == 0);
}

/* What is not given in the URL, and what must be as we need it. */
static void set_options(mongoc_uri_t *uri, const endpoint *at, bool several) {
  int connect_ms = at->connect_timeout_ms > 0 ? at->connect_timeout_ms : 10000;
  /* Trying again is the generic cursor's, which knows what was handed out. */
  mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, false);
  mongoc_uri_set_option_as_bool(uri, MONGOC_URI_SERVERSELECTIONTRYONCE, true);
  if (!mongoc_uri_has_option(uri, MONGOC_URI_CONNECTTIMEOUTMS)) {
    /* The library waits so long for each answer to hello, so there must be time left. */
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS,
                                   several ? connect_ms / SHARES + 1 : connect_ms);
  }
  if (!mongoc_uri_has_option(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS)) {
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, connect_ms);
  }
  /* The scope of a call bounds its waits. */
  if (!mongoc_uri_has_option(uri, MONGOC_URI_SOCKETTIMEOUTMS)) {
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, INT32_MAX);
  }
  if (!mongoc_uri_get_appname(uri)) mongoc_uri_set_appname(uri, "tskdb");
}

/* Whether TEXT quotes a secret of the URL. */
static bool is_telling(const char *text, const url *u) {
  if (u->password && *u->password && strstr(text, u->password)) return true;
  for (int i = 0; i < u->n_parameters; i++) {
    const url_parameter *p = &u->parameters[i];
    if (strcasestr(p->key, "password") && *p->value && strstr(text, p->value)) return true;
  }
  return false;
}

static bool refuse(const url *u, const bson_error_t *why, tskdb_error *e) {
  return error_set(e, ERROR_CONFIG, "the URL cannot be used: %s",
                   is_telling(why->message, u) ? "a part of it is not valid" : why->message);
}

mongo_login *mongo_login_new(const endpoint *at, tskdb_error *e) {
  arena scratch = {0};
  url parsed = {0};
  bson_error_t why = {0};
  mongo_login *l = NULL;
  if (url_parse(at->url, &scratch, &parsed, e) && check_parameters(&parsed, e)) {
    mongoc_uri_t *uri = mongoc_uri_new_with_error(at->url, &why);
    if (!uri) {
      refuse(&parsed, &why, e);
    } else if (check_mechanism(uri, e)) {
      l = mem_zalloc(sizeof(*l));
      if (!l) error_memory(e);
    }
    if (l) {
      l->several = names_several(uri, &parsed);
      set_options(uri, at, l->several);
      l->uri = uri;
      l->database = mem_strdup(mongoc_uri_get_database(uri));
      l->read_only = at->read_only;
    } else if (uri) {
      mongoc_uri_destroy(uri);
    }
  }
  arena_free(&scratch);
  return l;
}

void mongo_login_free(mongo_login *l) {
  if (!l) return;
  mongoc_uri_destroy(l->uri);
  mem_free(l->database);
  mem_free(l);
}
