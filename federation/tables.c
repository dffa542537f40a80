/*
** tables.c - what is attached, what may be pushed, what was asked: as tables.
**
** No function here talks to a server.  URLs are shown without their secrets.
*/
#include "federation/tables.h"

#include "federation/drivers.h"
#include "federation/server.h"
#include "federation/sheet.h"
#include "vtab/buffer.h"
#include "vtab/table.h"

/* Microseconds; NULL while nothing was measured. */
static void put_pace(sheet *out, double us) {
  if (us > 0) sheet_real(out, us);
  else sheet_null(out);
}

static void fill_servers(registry *r, sheet *out) {
  for (const attached_server *s = r->servers; s; s = s->next) {
    const catalog *c = s->base.catalog;
    buffer text = {0};
    options_print(&s->options, &text);
    sheet_text(out, s->base.name);
    sheet_text(out, s->url);
    sheet_text(out, s->base.driver ? s->base.driver->name : "sqlite");
    sheet_text(out, c ? c->product : "SQLite");
    sheet_text(out, c ? c->server_version : sqlite3_libversion());
    sheet_integer(out, s->pool ? pool_open_connections(s->pool) : 0);
    sheet_text(out, buffer_cstr(&text));
    put_pace(out, s->base.pace.round_trip_us);
    put_pace(out, s->base.pace.row_us);
    sheet_end_row(out);
    buffer_free(&text);
  }
}

/* The remote relations of all servers, one after the other. */
typedef void relation_visitor(const attached_server *s, int i, const relation *r, sheet *out);

static void visit_relations(registry *r, relation_visitor *visit, sheet *out) {
  for (const attached_server *s = r->servers; s; s = s->next) {
    const catalog *c = s->base.catalog;
    for (int i = 0; c && i < c->n_relations; i++) visit(s, i, &c->relations[i], out);
  }
}

static void put_key(const relation *r, sheet *out) {
  buffer text = {0};
  for (int k = 0; k < r->n_key; k++) {
    buffer_printf(&text, "%s%s", k ? ", " : "", r->columns[r->key[k]].name);
  }
  sheet_text(out, r->n_key ? buffer_cstr(&text) : NULL);
  buffer_free(&text);
}

static void put_table(const attached_server *s, int i, const relation *r, sheet *out) {
  const server_table *t = &s->tables[i];
  sheet_text(out, s->base.name);
  sheet_text(out, r->name);
  sheet_text(out, r->remote_schema);
  sheet_text(out, r->remote_name);
  sheet_text(out, relation_kind_name(r->kind));
  sheet_estimate(out, r->rows);
  sheet_estimate(out, r->bytes);
  if (r->sampled > 0) sheet_real(out, r->sampled);
  else sheet_null(out);
  sheet_integer(out, r->n_columns);
  put_key(r, out);
  sheet_integer(out, t->attached);
  sheet_text(out, r->unusable ? r->unusable : t->refused ? t->refused
                  : t->attached ? NULL : "left out by the option tables");
  sheet_end_row(out);
}

static int key_position(const relation *r, int col) {
  for (int k = 0; k < r->n_key; k++) {
    if (r->key[k] == col) return k + 1;
  }
  return 0;
}

static void put_columns(const attached_server *s, int i, const relation *r, sheet *out) {
  (void)i;
  for (int k = 0; k < r->n_columns; k++) {
    const column *c = &r->columns[k];
    sheet_text(out, s->base.name);
    sheet_text(out, r->name);
    sheet_integer(out, k + 1);
    sheet_text(out, c->name);
    sheet_text(out, c->remote_name);
    sheet_text(out, c->remote_type);
    sheet_text(out, value_class_name(c->klass));
    sheet_text(out, c->declared);
    sheet_integer(out, (c->flags & COLUMN_NOT_NULL) != 0);
    sheet_integer(out, key_position(r, k));
    sheet_text(out, c->collation);
    sheet_estimate(out, c->distinct);
    sheet_estimate(out, c->null_fraction);
    if (c->seen) sheet_real(out, c->present);
    else sheet_null(out);
    sheet_text(out, c->seen);
    sheet_end_row(out);
  }
}

static void put_indexes(const attached_server *s, int i, const relation *r, sheet *out) {
  (void)i;
  for (int n = 0; n < r->n_indexes; n++) {
    const relation_index *x = &r->indexes[n];
    for (int k = 0; k < x->n_columns; k++) {
      sheet_text(out, s->base.name);
      sheet_text(out, r->name);
      sheet_text(out, x->name);
      sheet_integer(out, k + 1);
      sheet_text(out, r->columns[x->columns[k]].name);
      sheet_integer(out, x->unique);
      sheet_integer(out, x->primary);
      sheet_integer(out, x->partial);
      sheet_end_row(out);
    }
  }
}

static void put_foreign_keys(const attached_server *s, int i, const relation *r, sheet *out) {
  (void)i;
  for (int n = 0; n < r->n_foreign_keys; n++) {
    const foreign_key *f = &r->foreign_keys[n];
    for (int k = 0; k < f->n_columns; k++) {
      sheet_text(out, s->base.name);
      sheet_text(out, r->name);
      sheet_text(out, f->name);
      sheet_integer(out, k + 1);
      sheet_text(out, r->columns[f->columns[k]].name);
      sheet_text(out, f->to_schema);
      sheet_text(out, f->to_relation);
      sheet_text(out, f->to_columns[k]);
      sheet_end_row(out);
    }
  }
}

static void fill_tables(registry *r, sheet *out) { visit_relations(r, put_table, out); }
static void fill_columns(registry *r, sheet *out) { visit_relations(r, put_columns, out); }
static void fill_indexes(registry *r, sheet *out) { visit_relations(r, put_indexes, out); }
static void fill_foreign_keys(registry *r, sheet *out) { visit_relations(r, put_foreign_keys, out); }

/* The names of the bits that are set, NULL for none. */
static void put_set(uint32_t set, const char *const *names, int n, sheet *out) {
  buffer text = {0};
  for (int i = 0; i < n; i++) {
    if (names[i] && (set >> i & 1u)) buffer_printf(&text, "%s%s", text.length ? ", " : "", names[i]);
  }
  sheet_text(out, text.length ? buffer_cstr(&text) : NULL);
  buffer_free(&text);
}

static void put_collations(uint32_t set, sheet *out) {
  static const char *const names[] = {"BINARY", "NOCASE", "RTRIM", "other"};
  put_set(set, names, sizeof(names) / sizeof(names[0]), out);
}

/* What a row asks of the column, in the order of the COLUMN_ bits; the upper
** half of them are the driver's own. */
static void put_needs(const driver *d, uint32_t set, sheet *out) {
  enum { BITS = 32, OWN = 16 };
  _Static_assert(COLUMN_PRIVATE == 1 << OWN, "the driver's own bits are the upper half");
  const char *names[BITS] = {"not null", "equal as bytes", "ordered as bytes", "generated",
                             "default", "ascii", "no range", "hidden", "any bytes",
                             "within its key"};
  for (int i = 0; d->facts && d->facts[i]; i++) names[OWN + i] = d->facts[i];
  put_set(set, names, BITS, out);
}

/* One row for each operator and class that a driver's row covers, in the
** order in which the rows are tried. */
static void put_pushdown(const driver *d, int n, sheet *out) {
  const pushdown_row *row = &d->pushdown[n];
  for (int op = 0; op < OP_COUNT; op++) {
    for (int klass = 0; klass < CLASS_COUNT; klass++) {
      if (!(row->ops & OPS(op)) || !(row->classes & CLASSES(klass))) continue;
      sheet_text(out, d->name);
      sheet_integer(out, n + 1);
      sheet_text(out, query_operator_name((query_operator)op));
      sheet_text(out, value_class_name((type_class)klass));
      put_collations(row->collations, out);
      put_needs(d, row->needs, out);
      sheet_text(out, verdict_name(row->verdict));
      sheet_text(out, row->reason == REASON_NONE ? NULL : reason_name(row->reason));
      sheet_text(out, row->reason == REASON_NONE ? NULL : reason_words(row->reason));
      sheet_text(out, row->text);
      sheet_integer(out, row->min_version);
      sheet_end_row(out);
    }
  }
}

static void fill_pushdown(registry *r, sheet *out) {
  (void)r;
  for (int i = 0; i < drivers_count(); i++) {
    tskdb_error ignored = {0};   /* a driver that is not there has no rows */
    const driver *d = drivers_open(i, &ignored);
    for (int n = 0; d && n < d->n_pushdown; n++) put_pushdown(d, n, out);
  }
}

/* A count that means nothing for most requests. */
static void put_count(sheet *out, int64_t n) {
  if (n) sheet_integer(out, n);
  else sheet_null(out);
}

/* What a table's probes were good for is recorded when it is forgotten. */
static void fill_requests(registry *r, sheet *out) {
  for (table *t = r->base.tables; t; t = t->next) table_forget(t);
  const logged_request *q;
  for (int i = 0; (q = requests_get(&r->requests, i)) != NULL; i++) {
    sheet_integer(out, q->id);
    sheet_text(out, q->server);
    sheet_text(out, q->text);
    sheet_real(out, q->started);
    sheet_real(out, q->first_ms);
    sheet_real(out, q->last_ms);
    sheet_integer(out, q->rows);
    sheet_integer(out, q->bytes);
    sheet_integer(out, q->round_trips);
    sheet_text(out, q->error);
    sheet_text(out, q->kind);
    put_count(out, q->keys);
    put_count(out, q->hits);
    put_count(out, q->misses);
    put_count(out, q->spilled);
    if (q->ahead_ms > 0) sheet_real(out, q->ahead_ms);
    else sheet_null(out);
    sheet_end_row(out);
  }
}

static const snapshot snapshots[] = {
  {"tskdb_servers", "CREATE TABLE x(name TEXT, url TEXT, driver TEXT, product TEXT, version TEXT,"
   " connections INTEGER, options TEXT, round_trip_us REAL, row_us REAL)", 9, fill_servers},
  {"tskdb_tables", "CREATE TABLE x(server TEXT, name TEXT, schema TEXT, remote_name TEXT, kind TEXT, rows REAL,"
   " bytes REAL, sampled REAL, columns INTEGER, key TEXT, attached INTEGER, reason TEXT)", 12, fill_tables},
  {"tskdb_columns", "CREATE TABLE x(server TEXT, table_name TEXT, ordinal INTEGER, name TEXT, remote_name TEXT,"
   " remote_type TEXT, class TEXT, declared TEXT, is_not_null INTEGER, key_position INTEGER, collation TEXT,"
   " distinct_values REAL, null_fraction REAL, present REAL, seen TEXT)", 15, fill_columns},
  {"tskdb_indexes", "CREATE TABLE x(server TEXT, table_name TEXT, index_name TEXT, ordinal INTEGER,"
   " column_name TEXT, is_unique INTEGER, is_primary INTEGER, is_partial INTEGER)", 8, fill_indexes},
  {"tskdb_foreign_keys", "CREATE TABLE x(server TEXT, table_name TEXT, name TEXT, ordinal INTEGER,"
   " column_name TEXT, to_schema TEXT, to_table TEXT, to_column TEXT)", 8, fill_foreign_keys},
  {"tskdb_pushdown", "CREATE TABLE x(driver TEXT, row INTEGER, operator TEXT, class TEXT, collations TEXT,"
   " needs TEXT, verdict TEXT, reason TEXT, words TEXT, text TEXT, min_version INTEGER)", 11, fill_pushdown},
  {"tskdb_requests", "CREATE TABLE x(id INTEGER, server TEXT, statement TEXT, started REAL, first_ms REAL,"
   " last_ms REAL, rows INTEGER, bytes INTEGER, round_trips INTEGER, error TEXT, kind TEXT, keys INTEGER,"
   " hits INTEGER, misses INTEGER, spilled INTEGER, ahead_ms REAL)", 16, fill_requests},
};

int tables_register(registry *r) {
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof(snapshots) / sizeof(snapshots[0]); i++) {
    rc = snapshot_register(r, &snapshots[i]);
  }
  return rc;
}
