/*
** attach.c - making a server part of a SQLite connection, and the contrary.
**
** Attaching is all or nothing: the server is on the registry's list while its
** schema is made (the modules look it up there) and leaves it when that fails.
*/
#include "federation/attach.h"

#include <string.h>

#include "federation/drivers.h"
#include "federation/schema.h"
#include "vtab/buffer.h"
#include "vtab/url.h"
#include "vtab/wait.h"

static bool may_change(registry *r, const char *what, tskdb_error *e) {
  return registry_unlocked(r, what, e) && schema_is_changeable(r, what, e);
}

static void summarise(const attached_server *s, int64_t round_trips, int64_t started_us, buffer *out) {
  const catalog *c = s->base.catalog;
  int attached = 0, unusable = 0;
  for (int i = 0; i < c->n_relations; i++) {
    if (s->tables[i].attached) attached++;
    else if (s->tables[i].wanted) unusable++;
  }
  buffer_printf(out, "%s: %d table%s", s->base.name, attached, attached == 1 ? "" : "s");
  if (unusable) buffer_printf(out, " (%d not usable)", unusable);
  if (s->schema == SCHEMA_TEMP) buffer_printf(out, " named \"%s.table\"", s->base.name);
  buffer_printf(out, ", %s %s, %lld round trips, %lld ms", c->product, c->server_version,
                (long long)round_trips, (long long)(wait_now_us() - started_us) / 1000);
}

static bool adopt_catalog(attached_server *s, int64_t *round_trips, tskdb_error *e) {
  catalog *c = server_discover(s, round_trips, e);
  if (!c) return false;
  server_table *tables = server_tables_new(s, c);
  if (!tables) {
    catalog_release(c);
    return error_memory(e);
  }
  server_set_catalog(s, c, tables);
  return true;
}

static bool attach_remote(registry *r, attached_server *s, buffer *summary, tskdb_error *e) {
  int64_t round_trips, started_us = wait_now_us();
  registry_add(r, s);
  if (adopt_catalog(s, &round_trips, e) && schema_create(s, e)) {
    summarise(s, round_trips, started_us, summary);
    return true;
  }
  error_server(e, s->base.name);
  /* SQLite had no memory to detach it. */
  s->remains = schema_exists(r->db, s->base.name);
  if (!s->remains) registry_remove(r, s);
  return false;
}

static bool attach_file(registry *r, attached_server *s, const char *address, buffer *summary, tskdb_error *e) {
  const char *path = strchr(address, ':') + 1;
  if (!*path) error_set(e, ERROR_CONFIG, "the path is missing: sqlite:/path/to/file.db");
  else if (schema_attach_file(r->db, s->base.name, path, s->options.read_only, e)) {
    registry_add(r, s);
    buffer_printf(summary, "%s: SQLite file", s->base.name);
    return true;
  }
  s->base.unref(&s->base);
  return false;
}

bool attach_server(registry *r, const char *name, const char *address, const char *text, buffer *summary,
                   tskdb_error *e) {
  arena a = {0};
  options o;
  const driver *d = NULL;
  attached_server *s = NULL;
  if (!may_change(r, "tskdb_attach()", e) || !schema_name_is_free(r, name, e)) return false;
  const char *scheme = url_scheme(address, &a);
  if (a.failed) return error_memory(e);
  bool is_file = scheme && strcmp(scheme, "sqlite") == 0;
  int number = is_file ? -1 : drivers_find(scheme, e);
  bool ok = (is_file || number >= 0) && options_parse(r->db, text, is_file, &a, &o, e);
  if (ok && !is_file) ok = (d = drivers_open(number, e)) != NULL;
  if (ok) s = server_new(r, name, address, d, &o, &a, e);
  arena_free(&a);
  if (!s) return false;
  return is_file ? attach_file(r, s, address, summary, e) : attach_remote(r, s, summary, e);
}

bool attach_detach(registry *r, const char *name, tskdb_error *e) {
  attached_server *s = may_change(r, "tskdb_detach()", e) ? registry_find(r, name, e) : NULL;
  if (!s || !schema_drop(s, e)) return false;
  registry_remove(r, s);
  return true;
}

/* ---- refresh ----------------------------------------------------------- */

/* Whether SQLite would see another table. */
static bool is_same(const relation *a, const relation *b) {
  if (a->n_columns != b->n_columns || a->n_key != b->n_key || a->kind != b->kind) return false;
  for (int i = 0; i < a->n_key; i++) {
    if (a->key[i] != b->key[i]) return false;
  }
  for (int i = 0; i < a->n_columns; i++) {
    const column *x = &a->columns[i], *y = &b->columns[i];
    if (strcmp(x->remote_name, y->remote_name) != 0 || strcmp(x->remote_type, y->remote_type) != 0 ||
        strcmp(x->name, y->name) != 0 || x->klass != y->klass || x->flags != y->flags) return false;
  }
  return !a->unusable == !b->unusable;
}

static int find_relation(const catalog *c, const relation *r) {
  for (int i = 0; i < c->n_relations; i++) {
    if (strcmp(c->relations[i].name, r->name) == 0) return i;
  }
  return -1;
}

static void list_name(buffer *out, const char *name) {
  buffer_printf(out, "%s%s", out->length ? ", " : "", name);
}

typedef struct changes {
  buffer added, changed, dropped;
} changes;

/* The number of OLD in the new catalog, if it is still wanted and can be a table; else -1. */
static int find_usable(const attached_server *s, const relation *old) {
  int now = find_relation(s->base.catalog, old);
  bool usable = now >= 0 && s->tables[now].wanted && !s->base.catalog->relations[now].unusable;
  return usable ? now : -1;
}

static void keep_same(attached_server *s, const catalog *before, const bool *was) {
  for (int i = 0; i < before->n_relations; i++) {
    const relation *old = &before->relations[i];
    int now = was[i] ? find_usable(s, old) : -1;
    if (now >= 0) s->tables[now].attached = is_same(old, &s->base.catalog->relations[now]);
  }
}

static bool drop_changed(attached_server *s, const catalog *before, const bool *was, changes *report,
                         tskdb_error *e) {
  for (int i = 0; i < before->n_relations; i++) {
    const relation *old = &before->relations[i];
    int now = find_usable(s, old);
    if (!was[i] || (now >= 0 && s->tables[now].attached)) continue;
    if (!schema_drop_table(s, old->name, e)) return false;
    list_name(now >= 0 ? &report->changed : &report->dropped, old->name);
  }
  return true;
}

static bool create_new(attached_server *s, catalog *before, const bool *was, changes *report, tskdb_error *e) {
  const catalog *c = s->base.catalog;
  for (int i = 0; i < c->n_relations; i++) {
    if (s->tables[i].attached || !s->tables[i].wanted || c->relations[i].unusable) continue;
    int old = find_relation(before, &c->relations[i]);
    /* One that an earlier refresh could not drop is in the way. */
    if (!schema_drop_table(s, c->relations[i].name, e) || !schema_create_table(s, i, e)) return false;
    if (old < 0 || !was[old]) list_name(&report->added, c->relations[i].name);
  }
  return true;
}

static void print_changes(const changes *c, buffer *out) {
  static const char none[] = "none";
  buffer_printf(out, "added: %s; changed: %s; dropped: %s", c->added.length ? buffer_cstr(&c->added) : none,
                c->changed.length ? buffer_cstr(&c->changed) : none,
                c->dropped.length ? buffer_cstr(&c->dropped) : none);
}

static bool refresh(attached_server *s, changes *found, tskdb_error *e) {
  catalog *before = s->base.catalog;
  arena a = {0};
  int64_t round_trips;
  bool *was = arena_alloc(&a, (size_t)before->n_relations + 1);
  for (int i = 0; was && i < before->n_relations; i++) was[i] = s->tables[i].attached;
  catalog_retain(before);
  bool ok = was ? adopt_catalog(s, &round_trips, e) : error_memory(e);
  if (ok) keep_same(s, before, was);
  ok = ok && drop_changed(s, before, was, found, e) && create_new(s, before, was, found, e);
  catalog_release(before);
  arena_free(&a);
  return ok;
}

bool attach_refresh(registry *r, const char *name, buffer *report, tskdb_error *e) {
  changes found = {0};
  attached_server *s = may_change(r, "tskdb_refresh()", e) ? registry_find(r, name, e) : NULL;
  if (!s) return false;
  if (!s->base.driver) return error_set(e, ERROR_CONFIG, "\"%.64s\" is a SQLite file: nothing to refresh", name);
  registry_forget_described(r, name);
  bool ok = refresh(s, &found, e);
  if (ok) print_changes(&found, report);
  else error_server(e, s->base.name);
  buffer_free(&found.added);
  buffer_free(&found.changed);
  buffer_free(&found.dropped);
  return ok;
}
