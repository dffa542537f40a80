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

/* What the server has now, and room for what becomes of it. NULL with an error. */
static catalog *discover(attached_server *s, server_table **tables, int64_t *round_trips, tskdb_error *e) {
  catalog *c = server_discover(s, round_trips, e);
  if (!c) return NULL;
  *tables = server_tables_new(s, c);
  if (*tables) return c;
  catalog_release(c);
  error_memory(e);
  return NULL;
}

static bool make_schema(attached_server *s, int64_t *round_trips, tskdb_error *e) {
  server_table *tables;
  catalog *c = discover(s, &tables, round_trips, e);
  if (!c) return false;
  server_swap_catalog(s, &c, &tables);
  return schema_create(s, e);
}

static bool attach_remote(registry *r, attached_server *s, buffer *summary, tskdb_error *e) {
  int64_t round_trips, started_us = wait_now_us();
  registry_add(r, s);
  if (make_schema(s, &round_trips, e)) {
    summarise(s, round_trips, started_us, summary);
    return true;
  }
  error_server(e, s->base.name);
  /* SQLite had no memory to undo it, or undoing was interrupted as well. */
  s->remains = schema_remains(s);
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

/* Tells the tables that stay as they are, in TABLES of the catalog NOW, from those that leave. */
static void compare(attached_server *s, const catalog *now, server_table *tables) {
  const catalog *before = s->base.catalog;
  for (int i = 0; i < before->n_relations; i++) {
    const relation *old = &before->relations[i];
    int n = s->tables[i].attached ? find_relation(now, old) : -1;
    bool stays = n >= 0 && tables[n].wanted && is_same(old, &now->relations[n]);
    if (stays) tables[n].attached = true;
    s->tables[i].leaving = s->tables[i].attached && !stays;
  }
}

/* BEFORE and TABLES are what the server had. */
static void list_changes(const attached_server *s, const catalog *before, const server_table *tables,
                         changes *out) {
  const catalog *now = s->base.catalog;
  for (int i = 0; i < before->n_relations; i++) {
    if (!tables[i].leaving) continue;
    int n = find_relation(now, &before->relations[i]);
    bool is_there = n >= 0 && s->tables[n].attached;
    list_name(is_there ? &out->changed : &out->dropped, before->relations[i].name);
  }
  for (int n = 0; n < now->n_relations; n++) {
    int i = s->tables[n].attached ? find_relation(before, &now->relations[n]) : -1;
    bool was_there = i >= 0 && (tables[i].attached || tables[i].leaving);
    if (s->tables[n].attached && !was_there) list_name(&out->added, now->relations[n].name);
  }
}

static void print_changes(const changes *c, buffer *out) {
  static const char none[] = "none";
  buffer_printf(out, "added: %s; changed: %s; dropped: %s", c->added.length ? buffer_cstr(&c->added) : none,
                c->changed.length ? buffer_cstr(&c->changed) : none,
                c->dropped.length ? buffer_cstr(&c->dropped) : none);
}

/* Until all that leaves is gone the server keeps its catalog, and the tables can be made again.
** Tables that were not made when this fails are made by the next refresh. */
static bool refresh(attached_server *s, changes *found, tskdb_error *e) {
  int64_t round_trips;
  server_table *tables;
  catalog *c = discover(s, &tables, &round_trips, e);
  if (!c) return false;
  compare(s, c, tables);
  bool ok = schema_drop_leaving(s, e);
  if (ok) {
    server_swap_catalog(s, &c, &tables);
    ok = schema_create_tables(s, e);
    list_changes(s, c, tables, found);
  }
  server_tables_free(tables, c);
  catalog_release(c);
  return ok;
}

bool attach_refresh(registry *r, const char *name, buffer *report, tskdb_error *e) {
  changes found = {0};
  attached_server *s = may_change(r, "tskdb_refresh()", e) ? registry_find(r, name, e) : NULL;
  if (!s) return false;
  if (!s->base.driver) return error_set(e, ERROR_CONFIG, "\"%.64s\" is a SQLite file: nothing to refresh", name);
  if (s->schema == SCHEMA_MEMORY && !schema_exists(r->db, name)) {
    return error_set(e, ERROR_CONFIG, "\"%.64s\" was detached by DETACH; hint: attach it again", name);
  }
  registry_forget_described(r, name);
  bool ok = refresh(s, &found, e);
  if (ok) print_changes(&found, report);
  else error_server(e, s->base.name);
  buffer_free(&found.added);
  buffer_free(&found.changed);
  buffer_free(&found.dropped);
  return ok;
}
