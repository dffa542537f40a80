/*
** server.c - a server that is attached to one SQLite connection.
**
** Fills in the interface that tables see (vtab/server.h) with the pool's
** connections and the registry's logs, and does what needs a connection of
** its own: discovery, description and native statements.
**
** The URL goes to the pool and is kept there alone; what is shown is redacted.
*/
#include "federation/server.h"

#include <string.h>
#include <time.h>

#include "vtab/buffer.h"
#include "vtab/interrupt.h"
#include "vtab/memory.h"
#include "vtab/overlap.h"
#include "vtab/url.h"

/* ---- what tables see --------------------------------------------------- */

static connection *server_acquire(server *base, const wait_scope *w, tskdb_error *e) {
  attached_server *s = (attached_server *)base;
  server_directory *d = &s->registry->base;
  bool early = overlap_is_under_way(d);
  connection *c = pool_acquire(s->pool, s->registry, !early, w, e);
  if (!c && early && !error_is_set(e)) {
    /* Before anybody waits, what was sent early gives way. */
    overlap_cancel(d, NULL);
    c = pool_acquire(s->pool, s->registry, true, w, e);
  }
  if (!c) error_server(e, base->name);
  return c;
}

static connection *server_acquire_idle(server *base) {
  attached_server *s = (attached_server *)base;
  return pool_acquire_idle(s->pool, s->registry);
}

static void server_release(server *base, connection *c) {
  pool_release(((attached_server *)base)->pool, c);
}

static void server_record(server *base, const request_record *r) {
  requests_add(&((attached_server *)base)->registry->requests, base->name, r);
}

static void server_remember(server *base, const tskdb_error *e) {
  registry_remember(((attached_server *)base)->registry, e);
}

static void server_retain(server *base) { ((attached_server *)base)->references++; }

static void server_unref(server *base) {
  attached_server *s = (attached_server *)base;
  if (--s->references > 0) return;
  server_tables_free(s->tables, base->catalog);
  catalog_release(base->catalog);
  pool_unref(s->pool);
  registry *r = s->registry;
  arena_free(&s->arena);
  mem_free(s);
  registry_dereference(r);
}

/* ---- life -------------------------------------------------------------- */

static pool *find_pool(const char *address, const driver *d, const options *o) {
  pool_key key = {.driver = d, .url = address, .read_only = o->read_only,
                  .connect_timeout_ms = o->connect_timeout_ms, .limit = o->pool};
  return pool_get(&key);
}

attached_server *server_new(registry *r, const char *name, const char *address, const driver *d,
                            const options *o, arena *a, tskdb_error *e) {
  attached_server *s = mem_zalloc(sizeof(*s));
  if (!s) {
    error_memory(e);
    return NULL;
  }
  s->arena = *a;
  *a = (arena){0};
  s->references = 1;
  s->registry = r;
  registry_reference(r);
  s->options = *o;
  s->url = url_redact(address, &s->arena);
  s->base = (server){
      .driver = d,
      .name = arena_strdup(&s->arena, name),
      .options = {.pushdown = o->pushdown, .bulk = o->bulk, .prefetch = o->prefetch,
                  .timeout_ms = o->timeout_ms,
                  .batch_bytes = (size_t)o->batch_bytes, .batch_keys = o->batch_keys,
                  .fetch_whole = o->fetch_whole, .overlap = o->overlap,
                  .run_lengths = o->run_lengths,
                  .residual_rows = o->residual_rows,
                  .memory = (size_t)o->memory},
      .acquire = server_acquire, .acquire_idle = server_acquire_idle, .release = server_release, .record = server_record,
      .remember = server_remember, .retain = server_retain, .unref = server_unref};
  s->schema = d ? SCHEMA_MEMORY : SCHEMA_FILE;
  if (d) s->pool = find_pool(address, d, o);
  if (!s->arena.failed && s->url && (s->pool || !d)) return s;
  error_memory(e);
  server_unref(&s->base);
  return NULL;
}

server_table *server_tables_new(const attached_server *s, const catalog *c) {
  server_table *tables = mem_zalloc(((size_t)c->n_relations + 1) * sizeof(*tables));
  buffer qualified = {0};
  for (int i = 0; tables && i < c->n_relations; i++) {
    const relation *r = &c->relations[i];
    buffer_clear(&qualified);
    if (r->remote_schema) buffer_printf(&qualified, "%s.", r->remote_schema);
    buffer_text(&qualified, r->remote_name);
    tables[i].wanted = !s->options.tables.given ||
                       option_list_matches(&s->options.tables, r->name, buffer_cstr(&qualified));
    if (!qualified.failed) continue;
    mem_free(tables);
    tables = NULL;
  }
  buffer_free(&qualified);
  return tables;
}

void server_tables_free(server_table *tables, const catalog *c) {
  if (!tables) return;
  for (int i = 0; i < c->n_relations; i++) mem_free(tables[i].refused);
  mem_free(tables);
}

void server_swap_catalog(attached_server *s, catalog **c, server_table **tables) {
  catalog *had = s->base.catalog;
  server_table *had_tables = s->tables;
  s->base.catalog = *c;
  s->tables = *tables;
  *c = had;
  *tables = had_tables;
}

bool server_pushdown_is_off(const attached_server *s, const relation *r) {
  const option_list *l = &s->options.pushdown_off;
  return l->n > 0 && option_list_matches(l, r->name, r->remote_name);
}

/* ---- requests of its own ----------------------------------------------- */

/* One request that is not a scan: what it takes and how it is recorded. */
typedef struct errand {
  attached_server *server;
  wait_scope wait;
  connection *connection;
  double started;
  int64_t started_us;
  uint64_t round_trips_before, bytes_before;
} errand;

static bool errand_begin(errand *x, attached_server *s, tskdb_error *e) {
  struct timespec now;
  *x = (errand){.server = s, .wait = interrupt_scope(s->registry->db, s->options.timeout_ms)};
  x->connection = server_acquire(&s->base, &x->wait, e);
  if (!x->connection) return false;
  clock_gettime(CLOCK_REALTIME, &now);
  x->started = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
  x->started_us = wait_now_us();
  x->round_trips_before = x->connection->round_trips;
  x->bytes_before = x->connection->bytes_received;
  return true;
}

/* Records the request and gives the connection back. Returns the round trips. */
static int64_t errand_end(errand *x, const char *text, int64_t rows, const tskdb_error *e) {
  double ms = (double)(wait_now_us() - x->started_us) / 1000.0;
  request_record record = {
      .text = text, .started = x->started, .first_ms = ms, .last_ms = ms, .rows = rows,
      .bytes = (int64_t)(x->connection->bytes_received - x->bytes_before),
      .round_trips = (int64_t)(x->connection->round_trips - x->round_trips_before),
      .error = error_is_set(e) ? e->text : NULL};
  server_record(&x->server->base, &record);
  pool_release(x->server->pool, x->connection);
  return record.round_trips;
}

static discovery wanted(const attached_server *s) {
  const options *o = &s->options;
  return (discovery){.schemas = o->schemas.n ? o->schemas.items : NULL, .n_schemas = o->schemas.n,
                     .numeric_text = o->numeric_text, .unsigned_text = o->unsigned_text,
                     .sample = o->sample, .depth = o->depth,
                     .columns = o->columns.items, .n_columns = o->columns.n,
                     .families = o->families.items, .n_families = o->families.n};
}

/* The first guess of what a round trip takes; requests correct it (vtab/remote.c). */
static bool measure_round_trip(errand *x, tskdb_error *e) {
  int64_t started_us = wait_now_us();
  server *s = &x->server->base;
  if (!s->driver->ping(x->connection, &x->wait, e)) return false;
  s->pace.round_trip_us = (double)(wait_now_us() - started_us);
  return true;
}

/* What the server says of its tables or, with NATIVE, of a native statement: a
** new catalog, or NULL.  *AGAIN: the connection was lost, another may do it. */
static catalog *look_once(attached_server *s, const native_text *native, int64_t *round_trips, bool *again,
                          tskdb_error *e) {
  errand x;
  const driver *d = s->base.driver;
  catalog *c = catalog_new();
  *again = false;
  if (!c) {
    error_memory(e);
    return NULL;
  }
  if (!errand_begin(&x, s, e)) {
    catalog_release(c);
    return NULL;
  }
  discovery want = wanted(s);
  bool ok = (native ? d->describe(x.connection, native, &want, &x.wait, c, e)
                    : d->discover(x.connection, &want, &x.wait, c, e)) && catalog_finish(c, e) &&
            (native || measure_round_trip(&x, e));
  if (!ok) error_set(e, ERROR_INTERNAL, "the server was looked at and gave no reason why it failed");
  *again = !ok && e->klass == ERROR_NETWORK;
  const char *text = native ? "(description of a native statement)" : "(discovery)";
  *round_trips += errand_end(&x, text, native ? 0 : c->n_relations, e);
  if (ok) return c;
  catalog_release(c);
  return NULL;
}

/* A pooled connection may have died unnoticed; looking once more is safe. */
static catalog *look(attached_server *s, const native_text *native, int64_t *round_trips, tskdb_error *e) {
  bool again;
  *round_trips = 0;
  catalog *c = look_once(s, native, round_trips, &again, e);
  if (!again) return c;
  error_clear(e);
  return look_once(s, native, round_trips, &again, e);
}

catalog *server_discover(attached_server *s, int64_t *round_trips, tskdb_error *e) {
  return look(s, NULL, round_trips, e);
}

static bool is_usable_query(const catalog *c, tskdb_error *e) {
  if (c->n_relations != 1 || c->relations[0].n_columns == 0) {
    return error_set(e, ERROR_SQL, "the native statement returns no columns");
  }
  if (!c->relations[0].unusable) return true;
  return error_set(e, ERROR_CONFIG, "the native statement cannot be a table: %s", c->relations[0].unusable);
}

catalog *server_describe(attached_server *s, const native_text *native, tskdb_error *e) {
  int64_t round_trips;
  catalog *c = look(s, native, &round_trips, e);
  if (!c || is_usable_query(c, e)) return c;
  catalog_release(c);
  return NULL;
}

/* NATIVE up to its first literal: a user's statement may hold a password. */
static void print_without_literals(const char *native, buffer *out) {
  size_t n = strcspn(native, "'\"$");
  while (native[n] == '$' && native[n + 1] >= '1' && native[n + 1] <= '9') {
    n++;
    n += strcspn(native + n, "'\"$");
  }
  buffer_append(out, native, n);
  if (native[n]) buffer_text(out, "…");
}

bool server_exec(attached_server *s, const char *native, const value *parameters, int n,
                 int64_t *affected, tskdb_error *e) {
  errand x;
  buffer text = {0};
  *affected = 0;
  if (!errand_begin(&x, s, e)) return false;
  s->base.writes++;
  bool ok = s->base.driver->exec(x.connection, native, parameters, n, &x.wait, affected, e);
  if (!ok) error_set(e, ERROR_INTERNAL, "the native statement failed without a reason");
  print_without_literals(native, &text);
  errand_end(&x, buffer_cstr(&text), *affected, e);
  buffer_free(&text);
  return ok;
}
