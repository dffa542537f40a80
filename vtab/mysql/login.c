/*
** login.c - what connecting needs: from the URL, and from ~/.my.cnf.
**
**   mysql://user:password@host:3306,host2/database?sslmode=verify-full&ssl-ca=ca.pem
**
** Of ~/.my.cnf only `user` and `password` of its [client] sections are read,
** and only what the URL leaves out; the library's own reading of option files
** is not used, since it would let a file turn on what is off here.
**
** Invariants:
**   1. A login is immutable once made, so that cancel() may read it from any
**      thread.
**   2. Its secrets are wiped before its memory is freed.
**   3. Every parameter of the URL is known here, or it is an error.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vtab/memory.h"
#include "vtab/mysql/mysql_driver.h"
#include "vtab/url.h"

enum { DEFAULT_PORT = 3306 };

/* What is being made of one URL. */
typedef struct reader {
  mysql_login *login;
  const url *url;
  const char *socket;          /* ?socket= */
  tskdb_error *e;
} reader;

/* ---- parameters ------------------------------------------------------------ */

static const struct { const char *name; mysql_tls tls; } tls_modes[] = {
  {"disable", MYSQL_TLS_DISABLE},         {"disabled", MYSQL_TLS_DISABLE},
  {"prefer", MYSQL_TLS_PREFER},           {"preferred", MYSQL_TLS_PREFER},
  {"require", MYSQL_TLS_REQUIRE},         {"required", MYSQL_TLS_REQUIRE},
  {"verify-ca", MYSQL_TLS_VERIFY_CA},     {"verify-full", MYSQL_TLS_VERIFY_FULL},
  {"verify-identity", MYSQL_TLS_VERIFY_FULL},
};

/* Case and the two separators aside: ssl_ca is ssl-ca. */
static bool same_name(const char *a, const char *b) {
  for (; *a && *b; a++, b++) {
    char x = *a == '_' ? '-' : *a, y = *b == '_' ? '-' : *b;
    if (x != y && strncasecmp(&x, &y, 1) != 0) return false;
  }
  return *a == *b;
}

static bool read_tls_switch(reader *r, const char *key, const char *text) {
  bool on;
  if (!url_read_switch(key, text, &on, r->e)) return false;
  r->login->tls = on ? MYSQL_TLS_VERIFY_FULL : MYSQL_TLS_DISABLE;
  r->login->tls_given = true;
  return true;
}

static bool read_tls_mode(reader *r, const char *key, const char *text) {
  for (size_t i = 0; i < sizeof(tls_modes) / sizeof(tls_modes[0]); i++) {
    if (!same_name(text, tls_modes[i].name)) continue;
    r->login->tls = tls_modes[i].tls;
    r->login->tls_given = true;
    return true;
  }
  return error_set(r->e, ERROR_CONFIG,
                   "URL parameter %s must be disable, prefer, require, verify-ca or verify-full",
                   key);
}

static bool read_charset(reader *r, const char *key, const char *text) {
  if (same_name(text, "utf8mb4")) return true;
  return error_set(
    r->e, ERROR_CONFIG,
    "URL parameter %s can only be utf8mb4: columns of every character set arrive in it", key);
}

static bool read_connect_timeout(reader *r, const char *key, const char *text) {
  return url_read_seconds(key, text, &r->login->connect_timeout_ms, r->e);
}

static bool read_read_timeout(reader *r, const char *key, const char *text) {
  return url_read_seconds(key, text, &r->login->read_timeout_ms, r->e);
}

static bool read_compress(reader *r, const char *key, const char *text) {
  return url_read_switch(key, text, &r->login->compress, r->e);
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

static bool read_socket(reader *r, const char *key, const char *text) {
  (void)key;
  return url_read_text(text, &r->login->arena, &r->socket, r->e);
}

static const struct parameter {
  const char *name;
  bool (*read)(reader *r, const char *key, const char *text);
} parameters[] = {
  {"charset", read_charset},
  {"compress", read_compress},
  {"connect_timeout", read_connect_timeout},
  {"read_timeout", read_read_timeout},
  {"socket", read_socket},
  {"ssl", read_tls_switch},
  {"ssl-ca", read_ca},
  {"ssl-cert", read_certificate},
  {"ssl-key", read_key},
  {"ssl-mode", read_tls_mode},
  {"sslmode", read_tls_mode},
  {"tls", read_tls_switch},
};

enum { N_PARAMETERS = sizeof(parameters) / sizeof(parameters[0]) };

static bool unknown_parameter(reader *r, const char *key) {
  error_set(r->e, ERROR_CONFIG, "unknown URL parameter \"%s\"; a mysql URL has "
            "charset, compress, connect_timeout, read_timeout, socket, ssl, ssl-ca, ssl-cert, "
            "ssl-key, ssl-mode, sslmode, tls", key);
  return false;
}

static bool read_parameter(reader *r, const url_parameter *given) {
  for (size_t i = 0; i < N_PARAMETERS; i++) {
    if (same_name(given->key, parameters[i].name)) {
      return parameters[i].read(r, parameters[i].name, given->value);
    }
  }
  return unknown_parameter(r, given->key);
}

static bool read_parameters(reader *r) {
  mysql_login *l = r->login;
  for (int i = 0; i < r->url->n_parameters; i++) {
    if (!read_parameter(r, &r->url->parameters[i])) return false;
  }
  /* Files of TLS without a word of TLS: it was meant. */
  if (!l->tls_given && (l->ca || l->certificate || l->key)) {
    l->tls = MYSQL_TLS_VERIFY_FULL;
    l->tls_given = true;
  }
  if (l->tls == MYSQL_TLS_VERIFY_CA && !l->ca) {
    return error_set(r->e, ERROR_CONFIG,
                     "sslmode=verify-ca needs ssl-ca, the file of the authority");
  }
  if (l->ca && l->tls < MYSQL_TLS_VERIFY_CA) {
    return error_set(
      r->e, ERROR_CONFIG,
      "ssl-ca is given, but this sslmode verifies nothing; use verify-ca or verify-full");
  }
  return true;
}

/* ---- hosts -------------------------------------------------------------------- */

/* A folder means the file in it that servers use. */
static const char *socket_file(reader *r, const char *path) {
  struct stat s;
  bool folder = stat(path, &s) == 0 && S_ISDIR(s.st_mode);
  if (!folder) return arena_strdup(&r->login->arena, path);
  return arena_printf(&r->login->arena, "%s/mysqld.sock", path);
}

static const char *default_socket(void) {
  static const char *const places[] = {"/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock",
                                       "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"};
  for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
    if (access(places[i], F_OK) == 0) return places[i];
  }
  return NULL;
}

static bool read_host(reader *r, const url_host *given, mysql_host *out) {
  arena *a = &r->login->arena;
  const char *socket = given->host[0] == '/' ? given->host : NULL;
  if (!socket && r->socket) socket = r->socket;
  /* No host at all is the local server, through its socket where there is one. */
  if (!socket && !given->host[0] && !given->port) socket = default_socket();
  if (socket) {
    out->socket = socket_file(r, socket);
  } else {
    out->name = arena_strdup(a, given->host[0] ? given->host : "127.0.0.1");
    out->port = given->port ? given->port : DEFAULT_PORT;
  }
  return !a->failed || error_memory(r->e);
}

static bool read_hosts(reader *r) {
  mysql_login *l = r->login;
  l->n_hosts = r->url->n_hosts;
  l->hosts = arena_alloc(&l->arena, (size_t)l->n_hosts * sizeof(*l->hosts));
  if (!l->hosts) return error_memory(r->e);
  for (int i = 0; i < l->n_hosts; i++) {
    if (!read_host(r, &r->url->hosts[i], &l->hosts[i])) return false;
  }
  return true;
}

mysql_tls login_tls(const mysql_login *l, const mysql_host *h) {
  if (l->tls_given) return l->tls;
  bool here = h->socket || strcmp(h->name, "localhost") == 0 || strncmp(h->name, "127.", 4) == 0 ||
              strcmp(h->name, "::1") == 0;
  return here ? MYSQL_TLS_DISABLE : MYSQL_TLS_PREFER;
}

/* ---- ~/.my.cnf ------------------------------------------------------------------ */

static char *trim(char *text) {
  while (*text == ' ' || *text == '\t') text++;
  size_t n = strlen(text);
  while (n && strchr(" \t\r\n", text[n - 1])) text[--n] = 0;
  if (n >= 2 && (text[0] == '"' || text[0] == '\'') && text[n - 1] == text[0]) {
    text[n - 1] = 0;
    text++;
  }
  return text;
}

/* Option files know \b \t \n \r \\ \s. */
static void unescape(char *text) {
  static const char from[] = "btnr\\s", to[] = "\b\t\n\r\\ ";
  char *out = text;
  for (const char *at = text; *at; at++) {
    const char *known = at[0] == '\\' && at[1] ? strchr(from, at[1]) : NULL;
    *out++ = known ? to[known - from] : *at;
    if (known) at++;
  }
  *out = 0;
}

/* One line of a [client] section. */
static void read_option(mysql_login *l, char *line) {
  char *equals = strchr(line, '=');
  if (!equals) return;
  *equals = 0;
  char *key = trim(line), *text = trim(equals + 1);
  unescape(text);
  if (strcmp(key, "password") == 0 && !l->password) l->password = arena_strdup(&l->arena, text);
  if (strcmp(key, "user") == 0 && !l->user) l->user = arena_strdup(&l->arena, text);
}

static void read_options(mysql_login *l, FILE *f) {
  char line[1024];
  bool client = false;
  while (fgets(line, sizeof(line), f)) {
    char *text = trim(line);
    if (text[0] == '[') {
      client = strcmp(text, "[client]") == 0 || strcmp(text, "[client-mariadb]") == 0;
    } else if (client && text[0] != '#' && text[0] != ';') {
      read_option(l, text);
    }
  }
  mem_wipe(line, sizeof(line));
}

/* Only this user's own file, and not one that anybody may write; its password
** belongs to its user, so both are taken or, for another user, neither. */
static void read_option_file(mysql_login *l) {
  const char *home = getenv("HOME");
  struct stat s;
  if (!home || (l->user && l->password)) return;
  char *path = arena_printf(&l->arena, "%s/.my.cnf", home);
  FILE *f = path ? fopen(path, "re") : NULL;
  if (!f) return;
  char buffered[BUFSIZ];
  setvbuf(f, buffered, _IOFBF, sizeof(buffered));
  bool trusted = fstat(fileno(f), &s) == 0 && S_ISREG(s.st_mode) && s.st_uid == geteuid() &&
                 !(s.st_mode & S_IWOTH);
  if (trusted) read_options(l, f);
  fclose(f);
  mem_wipe(buffered, sizeof(buffered));
}

/* ---- the login ------------------------------------------------------------------- */

static bool read_url(reader *r, const endpoint *at) {
  mysql_login *l = r->login;
  const url *u = r->url;
  l->read_only = at->read_only;
  if (u->user && u->user[0]) l->user = arena_strdup(&l->arena, u->user);
  if (u->password) l->password = arena_strdup(&l->arena, u->password);
  if (u->path[0]) l->database = arena_strdup(&l->arena, u->path);
  if (!read_parameters(r) || !read_hosts(r)) return false;
  read_option_file(l);
  return !l->arena.failed || error_memory(r->e);
}

mysql_login *login_new(const endpoint *at, tskdb_error *e) {
  arena a = {0};
  url u;
  mysql_login *l = NULL;
  if (url_parse(at->url, &a, &u, e)) {
    l = mem_zalloc(sizeof(*l));
    if (!l) error_memory(e);
  }
  if (l) {
    reader r = {.login = l, .url = &u, .e = e};
    l->tls = MYSQL_TLS_PREFER;
    bool ok = read_url(&r, at);
    url_wipe(u.password);   /* the login has its own */
    if (!ok) {
      login_free(l);
      l = NULL;
    }
  }
  arena_free(&a);
  return l;
}

void login_free(mysql_login *l) {
  if (!l) return;
  url_wipe(l->password);
  arena_free(&l->arena);
  mem_free(l);
}
