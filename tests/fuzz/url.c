/*
** url.c - connection URLs: parsing, hiding secrets, and what each driver makes
** of them before it connects.
**
** Invariants: what is shown of a URL is the same whatever its password is; no
** message quotes the password.
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef HAVE_DRIVER_MONGO
#include "vtab/mongo/mongo_driver.h"
#endif
#ifdef HAVE_DRIVER_MYSQL
#include "vtab/mysql/mysql_driver.h"
#endif
#ifdef HAVE_DRIVER_POSTGRES
#include "vtab/postgres/postgres.h"
#endif
#ifdef HAVE_DRIVER_REDIS
#include "vtab/redis/redis_driver.h"
#endif
#include "tests/fuzz/fuzz.h"
#include "vtab/driver.h"
#include "vtab/url.h"

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  unsetenv("HOME");                      /* ~/.my.cnf, ~/.pgpass */
  unsetenv("REDISCLI_AUTH");
  setenv("PGSERVICEFILE", "/nonexistent", 1);
  setenv("PGSYSCONFDIR", "/nonexistent", 1);
  setenv("SSL_CERT_FILE", "/dev/null", 1);   /* reading the system's takes long */
  setenv("SSL_CERT_DIR", "/nonexistent", 1);
  return 0;
}

/* ---- each driver's reading ------------------------------------------------- */

static void read_by_driver(const char *text, int which, tskdb_error *e) {
  endpoint at = {.url = text, .connect_timeout_ms = 1000};
  (void)at;
  switch (which) {
#ifdef HAVE_DRIVER_POSTGRES
    case 0: {
      postgres_settings s;
      postgres_settings_read(&s, text, e);
      postgres_settings_free(&s);
      break;
    }
#endif
#ifdef HAVE_DRIVER_MYSQL
    case 1: login_free(login_new(&at, e)); break;
#endif
#ifdef HAVE_DRIVER_MONGO
    case 2: mongo_login_free(mongo_login_new(&at, e)); break;
#endif
#ifdef HAVE_DRIVER_REDIS
    case 3: redis_login_free(redis_login_new(&at, e)); break;
#endif
    default: url_parse(text, &(arena){0}, &(url){0}, e);
  }
}

/* ---- secrets --------------------------------------------------------------- */

/* Where the password stands in a URL that url_parse() takes; false if it has none. */
static bool find_password(const char *text, size_t *start, size_t *end) {
  const char *rest = strstr(text, "://") + 3;
  size_t authority = strcspn(rest, "/?");
  const char *colon = memchr(rest, ':', authority), *at = memchr(rest, '@', authority);
  if (!colon || !at || colon > at) return false;
  *start = (size_t)(colon + 1 - text);
  *end = (size_t)(at - text);
  return true;
}

static void secrets_stay_hidden(const char *text, const char *password, const char *redacted) {
  size_t start, end;
  arena a = {0};
  if (!find_password(text, &start, &end)) return;
  char *other = fuzz_text((const uint8_t *)text, strlen(text));
  memset(other + start, 'x', end - start);
  /* What is before a "=" could be a parameter's name: more is hidden then. */
  size_t next = end + strcspn(text + end, "=?&;/,");
  if (text[next] != '=' && !memchr(text + start, '=', end - start)) {
    MUST(strcmp(redacted, url_redact(other, &a)) == 0);
  }
  /* A password that stands in the URL twice is none. */
  for (int i = 0; i < 4 && strlen(password) >= 4 && !strstr(other, password); i++) {
    tskdb_error e = {0}, without = {0};
    read_by_driver(text, i, &e);
    read_by_driver(other, i, &without);
    MUST(!strstr(e.text, password) || strstr(without.text, password));
  }
  free(other);
  arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  arena a = {0};
  url u;
  tskdb_error e = {0};
  char *text = fuzz_text(bytes, length);
  bool ok = url_parse(text, &a, &u, &e);
  MUST(ok != error_is_set(&e));
  const char *redacted = url_redact(text, &a);
  MUST(redacted != NULL);
  for (int i = 0; i < 4; i++) {
    tskdb_error ignored = {0};
    read_by_driver(text, i, &ignored);
  }
  if (ok) {
    MUST(u.n_hosts >= 1 && u.path);
    for (int i = 0; i < u.n_hosts; i++) MUST(u.hosts[i].port >= 0 && u.hosts[i].port <= 65535);
    if (u.password && *u.password) secrets_stay_hidden(text, u.password, redacted);
  }
  free(text);
  arena_free(&a);
  return 0;
}
