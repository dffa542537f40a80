/*
** catalog.c - PostgreSQL's system catalogs to a catalog: six requests in one
** round trip, however many tables there are.
**
** All requests list relations by the same condition and come sorted by the
** relation's oid, so that they are merged in one pass.  Everything is
** qualified with pg_catalog; plain relations are those that search_path shows.
*/
#include <stdlib.h>
#include <string.h>

#include "vtab/postgres/postgres.h"

/* The relations that are listed.  $1: an array of schemas, or NULL for all. */
#define RELATIONS \
  " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace" \
  " WHERE c.relkind IN ('r','p','v','m','f') AND NOT c.relispartition AND c.relpersistence <> 't'" \
  " AND n.nspname NOT IN ('pg_catalog','information_schema') AND n.nspname NOT LIKE 'pg\\_t%'" \
  " AND ($1::pg_catalog.text IS NULL OR n.nspname = ANY ($1::pg_catalog.text[]))"

/* A table that was never analysed has no estimate: its file's size has to do, for
** rows of a hundred bytes. */
static const char relations_sql[] =
    "SELECT c.oid, n.nspname, c.relname, c.relkind,"
    " CASE WHEN c.reltuples < 0 AND c.relkind IN ('r', 'm')"
    " THEN pg_catalog.pg_relation_size(c.oid)::pg_catalog.float8 / 100 ELSE c.reltuples END,"
    " c.relpages::pg_catalog.float8 * pg_catalog.current_setting('block_size')::pg_catalog.float8,"
    " pg_catalog.pg_table_is_visible(c.oid),"
    " pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
    " AND pg_catalog.has_table_privilege(c.oid, 'SELECT')"
    RELATIONS " ORDER BY c.oid";

/* Whether a locale orders by code points, as UTF-8's bytes do: glibc's C.UTF-8 since its 2.35,
** distributions' own before it, and all of the builtin provider's (17).  Servers before 15 have
** no provider of a database: it is libc. */
#define BYTES_ORDERED(provider, locale) \
  "(" provider " = 'b' OR (" provider " = 'c'" \
  " AND " locale " IN ('C', 'POSIX', 'C.UTF-8', 'C.UTF8', 'C.utf8')))"

/* Domains are followed to their base type, whose modifier is the nearest that is given. */
static const char columns_sql[] =
    "WITH RECURSIVE d(oid, base, typmod) AS ("
    " SELECT oid, typbasetype, typtypmod FROM pg_catalog.pg_type WHERE typtype = 'd'"
    " UNION ALL SELECT d.oid, t.typbasetype,"
    " CASE WHEN d.typmod = -1 THEN t.typtypmod ELSE d.typmod END"
    " FROM d JOIN pg_catalog.pg_type t ON t.oid = d.base AND t.typtype = 'd')"
    ", listed AS (SELECT c.oid, n.nspname, c.relname, c.relkind" RELATIONS ")"
    " SELECT a.attrelid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), b.oid,"
    " CASE WHEN d.oid IS NULL THEN a.atttypmod ELSE d.typmod END, b.typtype, b.typcategory,"
    " a.attnotnull, a.attgenerated <> '', a.atthasdef OR a.attidentity <> '', k.collname,"
    " coalesce(k.collisdeterministic, false),"
    " coalesce(CASE WHEN k.collprovider = 'd'"
    " THEN (SELECT " BYTES_ORDERED("p.provider", "p.datcollate")
    " FROM (SELECT datcollate, coalesce(pg_catalog.jsonb_extract_path_text("
    "pg_catalog.to_jsonb(b), 'datlocprovider'), 'c') AS provider FROM pg_catalog.pg_database b"
    " WHERE datname = pg_catalog.current_database()) p)"
    " ELSE " BYTES_ORDERED("k.collprovider", "k.collcollate") " END, false),"
    " a.attnum"
    " FROM listed l JOIN pg_catalog.pg_attribute a"
    " ON a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " LEFT JOIN d ON d.oid = t.oid AND NOT EXISTS"
    " (SELECT FROM pg_catalog.pg_type x WHERE x.oid = d.base AND x.typtype = 'd')"
    " JOIN pg_catalog.pg_type b ON b.oid = coalesce(d.base, t.oid)"
    " LEFT JOIN pg_catalog.pg_collation k ON k.oid = a.attcollation"
    " ORDER BY a.attrelid, a.attnum";

/* By itself, from names to numbers: beside the columns the planner, who thinks that
** there is one row of it, would compare each with each. */
static const char statistics_sql[] =
    "SELECT a.attrelid, a.attnum, s.null_frac, s.n_distinct FROM pg_catalog.pg_stats s"
    " JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname"
    " JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname"
    " WHERE s.inherited = (c.relkind = 'p')"
    " AND s.schemaname NOT IN ('pg_catalog','information_schema')"
    " AND ($1::pg_catalog.text IS NULL OR s.schemaname = ANY ($1::pg_catalog.text[]))"
    " ORDER BY a.attrelid";

static const char indexes_sql[] =
    "SELECT i.indrelid, x.relname, i.indkey::pg_catalog.text, i.indnkeyatts,"
    " i.indisunique, i.indisprimary,"
    " i.indpred IS NOT NULL OR i.indexprs IS NOT NULL OR NOT i.indisvalid"
    " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid"
    " WHERE i.indrelid IN (SELECT c.oid" RELATIONS ") ORDER BY i.indrelid, x.relname";

static const char foreign_keys_sql[] =
    "SELECT f.conrelid, f.oid, f.conname, u.k, fn.nspname, fc.relname, fa.attname"
    " FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class fc ON fc.oid = f.confrelid"
    " JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace"
    " CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(f.conkey), pg_catalog.unnest(f.confkey))"
    " WITH ORDINALITY AS u(k, fk, ord)"
    " JOIN pg_catalog.pg_attribute fa ON fa.attrelid = f.confrelid AND fa.attnum = u.fk"
    " WHERE f.contype = 'f' AND f.conrelid IN (SELECT c.oid" RELATIONS ")"
    " ORDER BY f.conrelid, f.oid, u.ord";

static const char missing_sql[] =
    "SELECT s FROM pg_catalog.unnest($1::pg_catalog.text[]) s"
    " WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = s)";

static const struct { char relkind; relation_kind kind; } kinds[] = {
  {'r', RELATION_TABLE}, {'p', RELATION_PARTITIONED}, {'v', RELATION_VIEW},
  {'m', RELATION_MATERIALIZED}, {'f', RELATION_FOREIGN},
};

static relation_kind kind_of(const char *relkind) {
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
    if (relkind && kinds[i].relkind == *relkind) return kinds[i].kind;
  }
  return RELATION_TABLE;
}

/* The catalog under construction: attribute numbers stand beside the columns. */
typedef struct reading {
  catalog *out;
  const discovery *want;
  uint32_t text_flags;     /* of the database's encoding */
  int **numbers;           /* for each relation: attnum of each column */
  bool failed;
} reading;

static const char *keep(reading *in, const PGresult *r, int row, int field) {
  return arena_strdup(&in->out->arena, postgres_cell(r, row, field));
}

static void read_relations(reading *in, const PGresult *r) {
  for (int i = 0; i < PQntuples(r); i++) {
    relation *t = catalog_grow(in->out, &in->out->relations, &in->out->n_relations, sizeof(*t));
    if (!t) return;
    t->remote_id = postgres_cell_oid(r, i, 0);
    t->remote_schema = keep(in, r, i, 1);
    t->remote_name = keep(in, r, i, 2);
    t->kind = kind_of(postgres_cell(r, i, 3));
    t->rows = postgres_cell_real(r, i, 4, -1);
    t->bytes = postgres_cell_real(r, i, 5, -1);
    if (t->kind == RELATION_VIEW || t->kind == RELATION_FOREIGN) t->rows = t->bytes = -1;
    t->plain = postgres_cell_bool(r, i, 6);
    if (!postgres_cell_bool(r, i, 7)) t->unusable = "the role may not read it";
  }
}

/* n_distinct is negative where it is a fraction of the rows. */
static double distinct_of(double stored, double rows) {
  if (stored > 0) return stored;
  return stored < 0 && rows > 0 ? -stored * rows : -1;
}

static void read_column(reading *in, const PGresult *r, int row, column *c) {
  postgres_type type = {.oid = postgres_cell_oid(r, row, 3),
                        .modifier = postgres_cell_int(r, row, 4)};
  const char *kind = postgres_cell(r, row, 5), *category = postgres_cell(r, row, 6);
  type.kind = kind ? *kind : 'b';
  type.category = category ? *category : 'U';
  c->remote_name = keep(in, r, row, 1);
  c->remote_type = keep(in, r, row, 2);
  postgres_classify(&type, in->want, in->text_flags, c);
  affinity a = value_class_affinity(c->klass);
  /* NaN becomes NULL: no float or numeric is NOT NULL for SQLite. */
  bool may_be_nan = a == AFFINITY_REAL || a == AFFINITY_NUMERIC;
  if (postgres_cell_bool(r, row, 7) && !may_be_nan) c->flags |= COLUMN_NOT_NULL;
  if (postgres_cell_bool(r, row, 8)) c->flags |= COLUMN_GENERATED;
  if (postgres_cell_bool(r, row, 9)) c->flags |= COLUMN_HAS_DEFAULT;
  c->collation = keep(in, r, row, 10);
  if (postgres_cell_bool(r, row, 11)) c->flags |= COLUMN_EQ_BYTES;
  if (postgres_cell_bool(r, row, 12)) c->flags |= COLUMN_ORDER_BYTES;
  c->null_fraction = c->distinct = -1;
}

/* The first row from *ROW on that belongs to relation OID; how many there are. */
static int rows_of(const PGresult *r, uint32_t oid, int *row) {
  int n = 0;
  while (*row < PQntuples(r) && postgres_cell_oid(r, *row, 0) < oid) ++*row;
  while (*row + n < PQntuples(r) && postgres_cell_oid(r, *row + n, 0) == oid) n++;
  return n;
}

static void read_columns(reading *in, const PGresult *r) {
  for (int i = 0, row = 0; i < in->out->n_relations; i++) {
    relation *t = &in->out->relations[i];
    int n = rows_of(r, t->remote_id, &row);
    t->columns = arena_alloc(&in->out->arena, (size_t)(n + 1) * sizeof(*t->columns));
    in->numbers[i] = arena_alloc(&in->out->arena, (size_t)(n + 1) * sizeof(int));
    if (!t->columns || !in->numbers[i]) return;
    t->n_columns = n;
    for (int k = 0; k < n; k++) {
      read_column(in, r, row + k, &t->columns[k]);
      in->numbers[i][k] = postgres_cell_int(r, row + k, 13);
    }
  }
}

static int column_of(const reading *in, int i, int number) {
  for (int k = 0; k < in->out->relations[i].n_columns; k++) {
    if (in->numbers[i][k] == number) return k;
  }
  return -1;
}

static void read_statistics(reading *in, const PGresult *r) {
  for (int i = 0, row = 0; i < in->out->n_relations; i++) {
    const relation *t = &in->out->relations[i];
    int n = rows_of(r, t->remote_id, &row);
    for (int k = row; k < row + n; k++) {
      int col = column_of(in, i, postgres_cell_int(r, k, 1));
      if (col < 0) continue;
      t->columns[col].null_fraction = postgres_cell_real(r, k, 2, -1);
      t->columns[col].distinct = distinct_of(postgres_cell_real(r, k, 3, 0), t->rows);
    }
  }
}

static void read_index(reading *in, const PGresult *r, int row, int i, relation_index *x) {
  int n = postgres_cell_int(r, row, 3);
  const char *key = postgres_cell(r, row, 2);
  int *columns = arena_alloc(&in->out->arena, (size_t)(n > 0 ? n : 1) * sizeof(*columns));
  x->name = keep(in, r, row, 1);
  x->columns = columns;
  x->unique = postgres_cell_bool(r, row, 4);
  x->primary = postgres_cell_bool(r, row, 5);
  x->partial = postgres_cell_bool(r, row, 6);
  for (int k = 0; columns && key && k < n; k++) {
    char *end;
    int col = column_of(in, i, (int)strtol(key, &end, 10));
    if (col >= 0) columns[x->n_columns++] = col;
    else x->partial = true;   /* an expression */
    key = end;
  }
}

static void read_indexes(reading *in, const PGresult *r) {
  for (int i = 0, row = 0; i < in->out->n_relations; i++) {
    relation *t = &in->out->relations[i];
    int n = rows_of(r, t->remote_id, &row);
    t->indexes = arena_alloc(&in->out->arena, (size_t)(n + 1) * sizeof(*t->indexes));
    if (!t->indexes) return;
    t->n_indexes = n;
    for (int k = 0; k < n; k++) read_index(in, r, row + k, i, &t->indexes[k]);
  }
}

/* One row a column: rows of one constraint follow each other. */
static void read_foreign_keys(reading *in, const PGresult *r) {
  arena *a = &in->out->arena;
  for (int i = 0, row = 0; i < in->out->n_relations; i++) {
    relation *t = &in->out->relations[i];
    int n = rows_of(r, t->remote_id, &row);
    t->foreign_keys = arena_alloc(a, (size_t)(n + 1) * sizeof(*t->foreign_keys));
    int *columns = arena_alloc(a, (size_t)(n + 1) * sizeof(*columns));
    const char **names = arena_alloc(a, (size_t)(n + 1) * sizeof(*names));
    if (!t->foreign_keys || !columns || !names) return;
    for (int k = 0; k < n; k++) {
      uint32_t oid = postgres_cell_oid(r, row + k, 1);
      bool first = k == 0 || oid != postgres_cell_oid(r, row + k - 1, 1);
      if (first) {
        t->foreign_keys[t->n_foreign_keys++] = (foreign_key){
            .name = keep(in, r, row + k, 2), .columns = columns + k, .to_columns = names + k,
            .to_schema = keep(in, r, row + k, 4), .to_relation = keep(in, r, row + k, 5)};
      }
      columns[k] = column_of(in, i, postgres_cell_int(r, row + k, 3));
      if (columns[k] < 0) columns[k] = 0;
      names[k] = keep(in, r, row + k, 6);
      t->foreign_keys[t->n_foreign_keys - 1].n_columns++;
    }
  }
}

static void read_server(catalog *out, PGconn *pg) {
  const char *version = PQparameterStatus(pg, "server_version");
  out->product = "PostgreSQL";
  out->server_version = arena_strdup(&out->arena, version ? version : "?");
  out->version = (uint32_t)PQserverVersion(pg);
}

/* {"a","b"}, or NULL for no list. */
static void print_array(const discovery *want, buffer *out) {
  for (int i = 0; i < want->n_schemas; i++) {
    buffer_text(out, i ? ",\"" : "{\"");
    for (const char *p = want->schemas[i]; *p; p++) {
      if (*p == '"' || *p == '\\') buffer_char(out, '\\');
      buffer_char(out, *p);
    }
    buffer_char(out, '"');
  }
  if (want->n_schemas) buffer_char(out, '}');
}

bool postgres_discover(connection *base, const discovery *want, const wait_scope *w, catalog *out,
                       tskdb_error *e) {
  enum { N = 6 };
  postgres_connection *c = (postgres_connection *)base;
  buffer schemas = {0};
  print_array(want, &schemas);
  if (schemas.failed) return error_memory(e);
  const char *const parameter[] = {want->n_schemas ? schemas.text : NULL};
  const postgres_request requests[N] = {
    {relations_sql, parameter, 1},    {columns_sql, parameter, 1}, {indexes_sql, parameter, 1},
    {foreign_keys_sql, parameter, 1}, {missing_sql, parameter, 1}, {statistics_sql, parameter, 1}};
  PGresult *r[N];
  bool ok = postgres_run(c, requests, N, w, r, e);
  buffer_free(&schemas);
  if (!ok) return false;
  reading in = {.out = out, .want = want, .text_flags = postgres_text_flags(c)};
  read_server(out, c->pg);
  read_relations(&in, r[0]);
  in.numbers = arena_alloc(&out->arena, ((size_t)out->n_relations + 1) * sizeof(*in.numbers));
  if (in.numbers) read_columns(&in, r[1]);
  if (!out->arena.failed) read_statistics(&in, r[5]);
  if (!out->arena.failed) read_indexes(&in, r[2]);
  if (!out->arena.failed) read_foreign_keys(&in, r[3]);
  ok = PQntuples(r[4]) == 0 || error_set(e, ERROR_CONFIG, "there is no schema \"%s\"",
                                         postgres_cell(r[4], 0, 0));
  for (int i = 0; i < N; i++) PQclear(r[i]);
  return out->arena.failed ? error_memory(e) : ok;
}

/* ---- native statements ------------------------------------------------------ */

static PGresult *describe_step(postgres_connection *c, int sent, const wait_scope *w,
                               tskdb_error *e) {
  PGresult *r = NULL;
  c->base.round_trips++;
  if (!sent || !postgres_flush(c, w, e)) {
    postgres_connection_error(c, "cannot describe the statement", e);
    return NULL;
  }
  bool answered = postgres_only_result(c, w, &r, e);
  if (!answered) c->base.broken = true;
  if (answered && PQresultStatus(r) == PGRES_COMMAND_OK) return r;
  if (answered) postgres_result_error(c, r, e);
  PQclear(r);
  return NULL;
}

/* The description of the statement TEXT: new result, or NULL. */
static PGresult *describe(postgres_connection *c, const char *text, const wait_scope *w,
                          tskdb_error *e) {
  PGresult *prepared = describe_step(c, PQsendPrepare(c->pg, "", text, 0, NULL), w, e);
  if (!prepared) return NULL;
  PQclear(prepared);
  PGresult *found = describe_step(c, PQsendDescribePrepared(c->pg, ""), w, e);
  if (!found || (PQnfields(found) > 0 && PQnparams(found) == 0)) return found;
  if (PQnparams(found) > 0) error_set(e, ERROR_SQL, "the native statement has parameters");
  error_set(e, ERROR_SQL, "the native statement returns no columns");
  PQclear(found);
  return NULL;
}

static const char describe_sql[] =
    "SELECT u.i, pg_catalog.format_type(t.oid, u.m), t.typtype, t.typcategory"
    " FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.oid[]),"
    " pg_catalog.unnest($2::pg_catalog.int4[]))"
    " WITH ORDINALITY AS u(o, m, i)"
    " JOIN pg_catalog.pg_type t ON t.oid = u.o ORDER BY u.i";

static PGresult *resolve_types(postgres_connection *c, const PGresult *described,
                               const wait_scope *w, tskdb_error *e) {
  buffer oids = {0}, modifiers = {0};
  PGresult *r = NULL;
  for (int k = 0; k < PQnfields(described); k++) {
    buffer_printf(&oids, "%c%u", k ? ',' : '{', PQftype(described, k));
    buffer_printf(&modifiers, "%c%d", k ? ',' : '{', PQfmod(described, k));
  }
  buffer_char(&oids, '}');
  buffer_char(&modifiers, '}');
  const char *const parameters[] = {buffer_cstr(&oids), buffer_cstr(&modifiers)};
  const postgres_request asked = {describe_sql, parameters, 2};
  if (oids.failed || modifiers.failed) error_memory(e);
  else postgres_run(c, &asked, 1, w, &r, e);
  buffer_free(&oids);
  buffer_free(&modifiers);
  return r;
}

/* The name of field K; one that stood before gets ":1", ":2", … as in a query of
** SQLite, so that a part of a statement can tell the two. */
static const char *field_name(const PGresult *described, int k, const column *before, arena *a) {
  const char *wanted = PQfname(described, k), *name = arena_strdup(a, wanted);
  for (int number = 1, i = 0; name && i < k;) {
    if (strcmp(before[i].remote_name, name) == 0) {
      name = arena_printf(a, "%s:%d", wanted, number++);
      i = 0;
    } else {
      i++;
    }
  }
  return name;
}

/* A text of a native statement may have any collation: only COLLATE "C" is relied on. */
static void read_described(const PGresult *described, const PGresult *types, const discovery *want,
                           uint32_t text_flags, arena *a, relation *t) {
  t->n_columns = PQnfields(described);
  t->columns = arena_alloc(a, (size_t)t->n_columns * sizeof(*t->columns));
  for (int k = 0; t->columns && !a->failed && k < t->n_columns; k++) {
    column *c = &t->columns[k];
    const char *kind = postgres_cell(types, k, 2), *category = postgres_cell(types, k, 3);
    postgres_type type = {.oid = PQftype(described, k), .modifier = PQfmod(described, k),
                          .kind = kind ? *kind : 'b', .category = category ? *category : 'U'};
    c->remote_name = field_name(described, k, t->columns, a);
    c->remote_type = arena_strdup(a, postgres_cell(types, k, 1));
    c->null_fraction = c->distinct = -1;
    postgres_classify(&type, want, text_flags, c);
  }
}

/* NATIVE as it will stand in other statements, with the columns' names if some
** were given one. */
static const char *usable_text(const char *native, const PGresult *described, const relation *t,
                               arena *a) {
  bool renamed = false;
  buffer text = {0};
  for (int k = 0; k < t->n_columns; k++) {
    renamed = renamed || strcmp(PQfname(described, k), t->columns[k].remote_name) != 0;
  }
  if (!renamed) return native;
  buffer_printf(&text, "SELECT * FROM (%s\n) AS q (", native);
  for (int k = 0; k < t->n_columns; k++) {
    if (k) buffer_text(&text, ", ");
    buffer_quoted(&text, t->columns[k].remote_name, '"');
  }
  buffer_char(&text, ')');
  const char *out = text.failed ? NULL : arena_strndup(a, text.text, text.length);
  if (text.failed) a->failed = true;
  buffer_free(&text);
  return out;
}

/* Without the semicolon at its end: it becomes a part of another statement. */
static const char *trimmed(const char *native, arena *a) {
  size_t n = strlen(native);
  while (n && strchr("; \t\r\n", native[n - 1])) n--;
  return arena_strndup(a, native, n);
}

/* The statement is only prepared, and as it will be used: as a table in FROM,
** so that what cannot be one is refused here. */
bool postgres_describe(connection *base, const native_text *native, const discovery *want,
                       const wait_scope *w, catalog *out, tskdb_error *e) {
  postgres_connection *c = (postgres_connection *)base;
  arena *a = &out->arena;
  const char *text = trimmed(native->words[0], a);
  const char *whole = text ? arena_printf(a, "SELECT * FROM (%s\n) AS q", text) : NULL;
  PGresult *described = whole ? describe(c, whole, w, e) : NULL;
  PGresult *types = described ? resolve_types(c, described, w, e) : NULL;
  relation *t = types ? catalog_grow(out, &out->relations, &out->n_relations, sizeof(*t)) : NULL;
  bool ok = t && PQntuples(types) == PQnfields(described);
  if (ok) {
    read_server(out, c->pg);
    *t = (relation){
      .kind = RELATION_QUERY, .remote_name = "query", .plain = true, .rows = -1, .bytes = -1};
    read_described(described, types, want, postgres_text_flags(c), a, t);
    if (!a->failed) text = usable_text(text, described, t, a);
    if (!a->failed) t->native = catalog_native(out, &(native_text){&text, 1});
  }
  PQclear(described);
  PQclear(types);
  if (a->failed) return error_memory(e);
  return ok || error_set(e, ERROR_PROTOCOL,
                         "the server does not know the types of its own description");
}
