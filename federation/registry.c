/*
** registry.c - all that tskdb knows of one SQLite connection.
**
** Life: functions, modules and servers refer to the registry, tables refer to
** servers, and SQLite frees all of them in an order of its own.  So there are
** two counts.  When the last holder (function or module) goes, the connection
** is being closed: the servers on the list are released.  When the last
** reference goes, nobody can call any more, and the memory is freed.
**
** A process-wide list finds the registry of a sqlite3* without asking SQLite,
** which would change the connection's last error.  An entry leaves the list
** before its connection's memory can be reused.
*/
#include "federation/registry.h"

#include <pthread.h>
#include <string.h>

#include "federation/server.h"
#include "vtab/buffer.h"
#include "vtab/memory.h"
#include "vtab/overlap.h"

/* A native statement that tskdb_query() has been used with. */
struct described {
  struct described *next;
  char *server, *native;           /* the words as a JSON array */
  catalog *catalog;                /* of one relation; retained */
};

static registry *registries;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;   /* of the list alone */

/* ---- life -------------------------------------------------------------- */

registry *registry_of(sqlite3 *db) {
  pthread_mutex_lock(&lock);
  registry *r = registries;
  while (r && r->db != db) r = r->next;
  pthread_mutex_unlock(&lock);
  return r;
}

static void list_add(registry *r) {
  pthread_mutex_lock(&lock);
  r->next = registries;
  registries = r;
  pthread_mutex_unlock(&lock);
}

static void list_remove(const registry *r) {
  pthread_mutex_lock(&lock);
  for (registry **link = &registries; *link; link = &(*link)->next) {
    if (*link != r) continue;
    *link = r->next;
    break;
  }
  pthread_mutex_unlock(&lock);
}

void registry_retain(registry *r) { r->holders++; }

void registry_unref(registry *r) {
  if (--r->holders > 0) return;
  list_remove(r);
  while (r->servers) registry_remove(r, r->servers);
  registry_dereference(r);
}

void registry_destroy(void *r) { registry_unref(r); }

void registry_reference(registry *r) { r->references++; }

static void described_free(struct described *d) {
  mem_free(d->server);
  mem_free(d->native);
  catalog_release(d->catalog);
  mem_free(d);
}

void registry_dereference(registry *r) {
  if (--r->references > 0) return;
  while (r->described) {
    struct described *d = r->described;
    r->described = d->next;
    described_free(d);
  }
  overlap_free_all(&r->base);
  requests_clear(&r->requests);
  mem_free(r);
}

/* ---- servers ----------------------------------------------------------- */

attached_server *registry_find(registry *r, const char *name, tskdb_error *e) {
  for (attached_server *s = r->servers; s; s = s->next) {
    if (sqlite3_stricmp(s->base.name, name) == 0) return s;
  }
  error_set(e, ERROR_CONFIG, "no server \"%.64s\" is attached; tskdb_servers lists those that are", name);
  return NULL;
}

void registry_add(registry *r, attached_server *s) {
  attached_server **link = &r->servers;
  while (*link) link = &(*link)->next;
  s->next = NULL;
  *link = s;
}

void registry_remove(registry *r, attached_server *s) {
  for (attached_server **link = &r->servers; *link; link = &(*link)->next) {
    if (*link != s) continue;
    *link = s->next;
    registry_forget_described(r, s->base.name);
    s->base.unref(&s->base);
    return;
  }
}

bool registry_unlocked(const registry *r, const char *what, tskdb_error *e) {
  if (!r->locked) return true;
  return error_set(e, ERROR_AUTH, "%s is not allowed: tskdb_lock() was called on this connection", what);
}

void registry_remember(registry *r, const tskdb_error *e) {
  if (error_is_set(e)) r->last_error = *e;
}

/* ---- native statements ------------------------------------------------- */

void registry_forget_described(registry *r, const char *server_name) {
  for (struct described **link = &r->described; *link;) {
    struct described *d = *link;
    if (sqlite3_stricmp(d->server, server_name) != 0) {
      link = &d->next;
      continue;
    }
    *link = d->next;
    described_free(d);
  }
}

/* Keeps C, which is retained. Without memory it is described again next time. */
static void keep_described(registry *r, const char *server_name, const char *native, catalog *c) {
  struct described *d = mem_zalloc(sizeof(*d));
  if (!d) return;
  d->server = mem_strdup(server_name);
  d->native = mem_strdup(native);
  if (!d->server || !d->native) {
    described_free(d);
    return;
  }
  catalog_retain(c);
  d->catalog = c;
  d->next = r->described;
  r->described = d;
}

static catalog *described_find(const registry *r, const char *server_name, const char *native) {
  for (const struct described *d = r->described; d; d = d->next) {
    if (sqlite3_stricmp(d->server, server_name) == 0 && strcmp(d->native, native) == 0) return d->catalog;
  }
  return NULL;
}

/* ---- what the modules see ---------------------------------------------- */

static server *directory_find(server_directory *d, const char *name, tskdb_error *e) {
  attached_server *s = registry_find((registry *)d, name, e);
  if (!s) return NULL;
  if (s->base.driver) return &s->base;
  error_set(e, ERROR_CONFIG, "it is a SQLite file: its tables need no module");
  error_server(e, s->base.name);
  return NULL;
}

/* Different words have different texts. */
static void print_words(const native_text *native, buffer *out) {
  for (int i = 0; i < native->n_words; i++) {
    buffer_char(out, i ? ',' : '[');
    buffer_json(out, native->words[i], strlen(native->words[i]));
  }
  buffer_char(out, ']');
}

static catalog *describe_anew(registry *r, server *s, const native_text *native, const char *text,
                              tskdb_error *e) {
  if (!registry_unlocked(r, "a native query", e)) return NULL;
  catalog *c = server_describe((attached_server *)s, native, e);
  if (c) keep_described(r, s->name, text, c);
  return c;
}

static catalog *directory_describe(server_directory *base, server *s, const native_text *native,
                                   tskdb_error *e) {
  registry *r = (registry *)base;
  buffer text = {0};
  catalog *c = NULL;
  print_words(native, &text);
  if (text.failed) {
    error_memory(e);
  } else if ((c = described_find(r, s->name, buffer_cstr(&text))) != NULL) {
    catalog_retain(c);
  } else {
    c = describe_anew(r, s, native, buffer_cstr(&text), e);
  }
  buffer_free(&text);
  return c;
}

static void directory_retain(server_directory *d) { registry_retain((registry *)d); }
static void directory_unref(server_directory *d) { registry_unref((registry *)d); }

registry *registry_new(sqlite3 *db) {
  registry *r = mem_zalloc(sizeof(*r));
  if (!r) return NULL;
  r->base = (server_directory){.find = directory_find, .describe = directory_describe,
                               .retain = directory_retain, .unref = directory_unref};
  r->db = db;
  r->holders = 1;
  r->references = 1;
  list_add(r);
  return r;
}
