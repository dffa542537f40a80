/*
** endpoint.c - from a URL to the settings that libpq connects with.
**
** The URL goes to libpq as it is, so all that libpq takes works: several
** hosts, socket folders, parameters, services, ~/.pgpass.  Ours stand around
** it: what comes before is a default that the URL overrides (keepalives),
** what comes after is not up to it (client_encoding).
**
** TLS.  Where the URL asks for TLS (ssl=true, sslmode=require) it gets a
** verified server: verify-full, with the roots that libpq would use
** (PGSSLROOTCERT, ~/.postgresql/root.crt), else the system's.  libpq 16 has
** sslrootcert=system; for an older one the system's bundle is looked for.
** sslmode=verify-full finds the roots in the same way.  Everything else means
** what it means to libpq: sslrootcert=<file> with require verifies the
** certificate and not the name, and encryption without any verification has
** to be asked for in so many words: sslmode=require&sslrootcert=none, a file
** that does not exist.  Nothing is done about PGSSLMODE or a service file.
**
** Secrets.  libpq quotes a URL that it cannot parse, password and all, and a
** password with a raw "@" or "/" ends up in its messages as a host or a port.
** So its words about parsing are never passed on, and such a URL is refused
** here, before libpq can speak of its parts.
*/
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vtab/postgres/postgres.h"
#include "vtab/url.h"

/* Where systems keep their roots in one file. */
static const char *const system_roots[] = {
  "/etc/ssl/certs/ca-certificates.crt",                 /* Debian, Arch, Gentoo */
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  /* Fedora, RHEL */
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",                             /* openSUSE */
  "/etc/ssl/cert.pem",                                  /* Alpine, BSDs, macOS */
  "/usr/local/share/certs/ca-root-nss.crt",
};

enum { LIBPQ_WITH_SYSTEM_ROOTS = 160000, LIBPQ_WITH_REQUIRE_AUTH = 160000 };

/* A dead peer is noticed within about a minute unless the URL says otherwise. */
static const char *const defaults[][2] = {
  {"fallback_application_name", "tskdb"},
  {"keepalives_idle", "30"},
  {"keepalives_interval", "10"},
  {"keepalives_count", "3"},
  {"tcp_user_timeout", "60000"},
};

static void add(postgres_settings *s, const char *keyword, const char *setting) {
  s->keywords[s->n] = keyword;
  s->values[s->n++] = setting;
}

/* ---- the URL -------------------------------------------------------------- */

/* Counts C in TEXT[0..length). */
static int count(const char *text, size_t length, char c) {
  int n = 0;
  for (size_t i = 0; i < length; i++) n += text[i] == c;
  return n;
}

static bool has_stray_secret(const char *rest, tskdb_error *e) {
  size_t authority = strcspn(rest, "/?");
  size_t path = strcspn(rest + authority, "?");
  if (count(rest, authority, '@') <= 1 && count(rest + authority, path, '@') == 0) return false;
  error_set(e, ERROR_CONFIG, "the URL has an \"@\" too many; hint: in a password or a name write "
                             "\"@\" as %%40, \"/\" as %%2F, \":\" as %%3A");
  return true;
}

static const char *option(const PQconninfoOption *options, const char *keyword) {
  for (; options->keyword; options++) {
    if (strcmp(options->keyword, keyword) == 0) return options->val;
  }
  return NULL;
}

/* libpq has refused the URL: say why without quoting its values. */
static bool refuse(const char *text, arena *a, tskdb_error *e) {
  url u;
  if (!url_parse(text, a, &u, e)) return false;
  PQconninfoOption *known = PQconndefaults();
  for (int i = 0; known && i < u.n_parameters; i++) {
    const PQconninfoOption *o = known;
    while (o->keyword && strcmp(o->keyword, u.parameters[i].key) != 0) o++;
    if (o->keyword || strcmp(u.parameters[i].key, "ssl") == 0) continue;
    error_set(e, ERROR_CONFIG, "libpq knows no URL parameter \"%s\"", u.parameters[i].key);
    break;
  }
  PQconninfoFree(known);
  return error_set(e, ERROR_CONFIG, "libpq cannot read the URL");
}

static bool check_ports(const char *ports, tskdb_error *e) {
  if (!ports || strspn(ports, "0123456789,") == strlen(ports)) return true;
  return error_set(e, ERROR_CONFIG, "the port in the URL is not a number; hint: in a password write "
                                    "\"/\" as %%2F, \"?\" as %%3F, \":\" as %%3A");
}

/* ---- TLS ------------------------------------------------------------------ */

/* Whether libpq finds roots by itself. */
static bool has_own_roots(arena *a) {
  const char *variable = getenv("PGSSLROOTCERT"), *home = getenv("HOME");
  if (variable && *variable) return true;
  const char *file = home ? arena_printf(a, "%s/.postgresql/root.crt", home) : NULL;
  return file && access(file, R_OK) == 0;
}

static const char *find_system_roots(void) {
  const char *variable = getenv("SSL_CERT_FILE");
  if (PQlibVersion() >= LIBPQ_WITH_SYSTEM_ROOTS) return "system";
  if (variable && *variable) return variable;
  for (size_t i = 0; i < sizeof system_roots / sizeof *system_roots; i++) {
    if (access(system_roots[i], R_OK) == 0) return system_roots[i];
  }
  return NULL;
}

/* Whoever is not known to be the server gets no password in clear text.  An
** older libpq cannot be told. */
static void protect_password(postgres_settings *s, const PQconninfoOption *options, const char *mode) {
  const char *host = option(options, "host");
  bool verified = mode && strncmp(mode, "verify-", 7) == 0;
  bool local = !host || *host == '/' || *host == '@';
  if (PQlibVersion() < LIBPQ_WITH_REQUIRE_AUTH || verified || local || option(options, "require_auth")) return;
  add(s, "require_auth", "!password");
}

static bool settle_tls(postgres_settings *s, const PQconninfoOption *options, tskdb_error *e) {
  const char *mode = option(options, "sslmode");
  bool asked = mode && (strcmp(mode, "require") == 0 || strcmp(mode, "verify-full") == 0);
  if (!asked || option(options, "sslrootcert")) {
    protect_password(s, options, mode);
    return true;
  }
  add(s, "sslmode", "verify-full");
  if (has_own_roots(&s->arena)) return true;
  const char *roots = find_system_roots();
  if (!roots) {
    return error_set(e, ERROR_TLS, "cannot verify the server: no root certificates found; hint: name "
                                   "a file with sslrootcert=, or \"none\" for no verification");
  }
  add(s, "sslrootcert", roots);
  return true;
}

/* ---- settings ------------------------------------------------------------- */

/* libpq knows its schemes in lower case only, and takes anything else for the
** name of a database. */
static const char *lower_scheme(const char *text, size_t length, arena *a) {
  char *copy = arena_strdup(a, text);
  for (size_t i = 0; copy && i < length; i++) {
    if (copy[i] >= 'A' && copy[i] <= 'Z') copy[i] = (char)(copy[i] + ('a' - 'A'));
  }
  return copy;
}

static bool read_options(postgres_settings *s, const PQconninfoOption *options, tskdb_error *e) {
  const char *hosts = option(options, "host");
  if (!hosts) hosts = option(options, "hostaddr");
  s->n_hosts = hosts ? count(hosts, strlen(hosts), ',') + 1 : 1;
  return check_ports(option(options, "port"), e) && settle_tls(s, options, e);
}

bool postgres_settings_read(postgres_settings *s, const char *text, tskdb_error *e) {
  *s = (postgres_settings){.n = 0};
  const char *rest = strstr(text, "://");
  if (!rest) return error_set(e, ERROR_CONFIG, "a URL like postgresql://host/database is needed");
  if (has_stray_secret(rest + 3, e)) return false;
  text = lower_scheme(text, (size_t)(rest - text), &s->arena);
  if (!text) return error_memory(e);
  for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) add(s, defaults[i][0], defaults[i][1]);
  add(s, "dbname", text);
  add(s, "client_encoding", "UTF8");
  char *words = NULL;
  PQconninfoOption *options = PQconninfoParse(text, &words);
  bool refused = words != NULL;
  PQfreemem(words);
  if (!options) return refused ? refuse(text, &s->arena, e) : error_memory(e);
  bool ok = read_options(s, options, e);
  PQconninfoFree(options);
  if (s->arena.failed) return error_memory(e);
  return ok;
}

void postgres_settings_free(postgres_settings *s) {
  arena_free(&s->arena);
}
