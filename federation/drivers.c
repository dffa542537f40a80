/*
** drivers.c - which databases there are, and the way to their code.
**
** In tskdb.so a driver is a module beside it, tskdb_<name>.so, opened at the
** first use of its scheme; the library has the drivers linked in.  A new
** database is one line in the table below.
**
** Invariants: a module is opened once and never closed: its client library
** may have threads, exit handlers and thread-local data of its own.  Its path
** is the real path of this module's folder, never a search path.
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "federation/drivers.h"

#include <pthread.h>
#include <string.h>

#include "vtab/buffer.h"
#include "vtab/sqlite.h"

#if defined(TSKDB_LINKED_DRIVERS) && defined(HAVE_DRIVER_POSTGRES)
extern driver_entry tskdb_driver_postgres;
#define POSTGRES_ENTRY tskdb_driver_postgres
#else
#define POSTGRES_ENTRY NULL
#endif

#if defined(TSKDB_LINKED_DRIVERS) && defined(HAVE_DRIVER_MYSQL)
extern driver_entry tskdb_driver_mysql;
#define MYSQL_ENTRY tskdb_driver_mysql
#else
#define MYSQL_ENTRY NULL
#endif

#if defined(TSKDB_LINKED_DRIVERS) && defined(HAVE_DRIVER_REDIS)
extern driver_entry tskdb_driver_redis;
#define REDIS_ENTRY tskdb_driver_redis
#else
#define REDIS_ENTRY NULL
#endif

#if defined(TSKDB_LINKED_DRIVERS) && defined(HAVE_DRIVER_MONGO)
extern driver_entry tskdb_driver_mongo;
#define MONGO_ENTRY tskdb_driver_mongo
#else
#define MONGO_ENTRY NULL
#endif

#ifdef HAVE_DRIVER_POSTGRES
enum { POSTGRES_BUILT = 1 };
#else
enum { POSTGRES_BUILT = 0 };
#endif

#ifdef HAVE_DRIVER_MYSQL
enum { MYSQL_BUILT = 1 };
#else
enum { MYSQL_BUILT = 0 };
#endif

#ifdef HAVE_DRIVER_REDIS
enum { REDIS_BUILT = 1 };
#else
enum { REDIS_BUILT = 0 };
#endif

#ifdef HAVE_DRIVER_MONGO
enum { MONGO_BUILT = 1 };
#else
enum { MONGO_BUILT = 0 };
#endif

static const struct known_driver {
  const char *name;              /* tskdb_<name>.so, --with-<name> */
  const char *const schemes[8];  /* NULL-terminated; the same as the driver's own */
  bool built;                    /* not left out at configure time */
  driver_entry *linked;          /* the entry of the linked-in driver */
} known[] = {
  {"postgres", {"postgresql", "postgres", NULL}, POSTGRES_BUILT, POSTGRES_ENTRY},
  {"mysql", {"mysql", "mariadb", NULL}, MYSQL_BUILT, MYSQL_ENTRY},
  {"redis", {"redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster", NULL},
   REDIS_BUILT, REDIS_ENTRY},
  {"mongo", {"mongodb", "mongodb+srv", NULL}, MONGO_BUILT, MONGO_ENTRY},
};

enum { N_KNOWN = sizeof(known) / sizeof(*known) };

int drivers_count(void) { return N_KNOWN; }
const char *drivers_name(int i) { return known[i].name; }

int drivers_find(const char *scheme, tskdb_error *e) {
  buffer list = {0};
  for (int i = 0; i < N_KNOWN; i++) {
    for (const char *const *s = known[i].schemes; *s; s++) {
      if (scheme && strcmp(*s, scheme) == 0) {
        buffer_free(&list);
        return i;
      }
      buffer_printf(&list, "%s:, ", *s);
    }
  }
  if (scheme) {
    error_set(e, ERROR_CONFIG, "unknown URL scheme \"%.32s:\"; known are %ssqlite:", scheme, buffer_cstr(&list));
  } else {
    error_set(e, ERROR_CONFIG, "the URL has no scheme; known are %ssqlite:", buffer_cstr(&list));
  }
  buffer_free(&list);
  return -1;
}

/* ---- the modules ------------------------------------------------------- */

#ifdef TSKDB_LINKED_DRIVERS

void drivers_locate(void) {}

static driver_entry *find_entry(const struct known_driver *k, tskdb_error *e) {
  (void)e;
  return k->linked;
}

#else

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>

static char folder[PATH_MAX];    /* with the last slash; empty: unknown. Written while loading alone */

void drivers_locate(void) {
  Dl_info here;
  char path[PATH_MAX];
  if (folder[0] || !dladdr(known, &here) || !here.dli_fname) return;
  if (!realpath(here.dli_fname, path)) return;
  char *slash = strrchr(path, '/');
  if (!slash) return;
  slash[1] = 0;
  memcpy(folder, path, strlen(path) + 1);
}

/* What dlopen said, without our own path before it. */
static bool cannot_load(const char *name, const char *path, tskdb_error *e) {
  const char *why = dlerror();
  return error_set(e, ERROR_CONFIG, "cannot load the %s driver: %s", name, why ? why : path);
}

static driver_entry *find_entry(const struct known_driver *k, tskdb_error *e) {
  buffer path = {0}, symbol = {0};
  driver_entry *entry = NULL;
  buffer_printf(&path, "%stskdb_%s.so", folder, k->name);
  buffer_printf(&symbol, "tskdb_driver_%s", k->name);
  if (path.failed || symbol.failed) {
    error_memory(e);
  } else if (!folder[0]) {
    error_set(e, ERROR_CONFIG, "cannot load the %s driver: the folder of tskdb.so is not known", k->name);
  } else {
    void *module = dlopen(buffer_cstr(&path), RTLD_NOW | RTLD_LOCAL);
    void *found = module ? dlsym(module, buffer_cstr(&symbol)) : NULL;
    if (!found) cannot_load(k->name, buffer_cstr(&path), e);
    memcpy(&entry, &found, sizeof(entry));   /* ISO C has no cast between the two */
  }
  buffer_free(&path);
  buffer_free(&symbol);
  return entry;
}

#endif

/* The API table of SQLite that a driver module gets. */
static driver_host host(void) {
#ifdef SQLITE_CORE
  return (driver_host){.contract = DRIVER_CONTRACT};
#else
  return (driver_host){.contract = DRIVER_CONTRACT, .sqlite_api = sqlite3_api};
#endif
}

static const driver *open_driver(const struct known_driver *k, tskdb_error *e) {
  if (!k->built) {
    error_set(e, ERROR_CONFIG, "the %s driver was left out of this build (configure --without-%s, or without its"
              " client library)", k->name, k->name);
    return NULL;
  }
  driver_entry *entry = find_entry(k, e);
  if (!entry) return NULL;
  driver_host given = host();
  const driver *d = entry(&given);
  if (d && d->contract == DRIVER_CONTRACT) return d;
  error_set(e, ERROR_CONFIG, "the %s driver is of another version than tskdb (driver contract %d is wanted)",
            k->name, DRIVER_CONTRACT);
  return NULL;
}

const driver *drivers_open(int i, tskdb_error *e) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static const driver *opened[N_KNOWN];
  pthread_mutex_lock(&lock);
  if (!opened[i]) opened[i] = open_driver(&known[i], e);
  const driver *d = opened[i];
  pthread_mutex_unlock(&lock);
  return d;
}
