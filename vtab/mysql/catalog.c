/*
** catalog.c - what a server has, from information_schema in four requests
** whatever the number of tables: tables, columns, indexes, foreign keys; and
** in a fifth what MariaDB's ANALYZE TABLE … PERSISTENT has counted.
**
** By default the URL's database, whose tables are plain names; without one,
** every database that is not the system's; or those that the caller names.
**
** Invariants:
**   1. Every table and view is listed.  One without columns (a view whose
**      tables are gone, or that this user may not use) says why it is unusable.
**   2. Relations are sorted by schema and name as bytes; the other answers
**      find theirs by binary search, so their order does not matter except
**      that a relation's own rows come in the order of their positions.
*/
#include <stdlib.h>
#include <string.h>

#include "vtab/memory.h"
#include "vtab/mysql/mysql_driver.h"

/* What one discovery works on. */
typedef struct survey {
  mysql_connection *c;
  const discovery *want;
  const wait_scope *w;
  catalog *out;
  buffer where;                /* " IN ('a', 'b')" or " NOT IN (…system…)" */
  tskdb_error *e;
} survey;

static bool same(const char *a, const char *b) { return a && b && strcmp(a, b) == 0; }

static const char *keep(survey *s, const char *text) { return arena_strdup(&s->out->arena, text); }

static long number(const char *text) { return text ? strtol(text, NULL, 10) : -1; }

static double estimate(const char *text) {
  double d;
  return text && value_parse_real(text, strlen(text), &d) ? d : -1;
}

/* ---- asking ---------------------------------------------------------------------- */

static bool append_string(survey *s, const char *text) {
  size_t length = strlen(text);
  char *quoted = mem_alloc(length * 2 + 1);
  if (!quoted) return error_memory(s->e);
  unsigned long n = mysql_real_escape_string(s->c->handle, quoted, text, (unsigned long)length);
  buffer_char(&s->where, '\'');
  buffer_append(&s->where, quoted, n);
  buffer_char(&s->where, '\'');
  mem_free(quoted);
  return true;
}

static bool choose_schemas(survey *s) {
  const char *database = s->c->login->database;
  if (s->want->n_schemas == 0 && !database) {
    buffer_text(&s->where, " NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')");
    return !s->where.failed || error_memory(s->e);
  }
  buffer_text(&s->where, " IN (");
  for (int i = 0; i < s->want->n_schemas; i++) {
    if (i) buffer_text(&s->where, ", ");
    if (!append_string(s, s->want->schemas[i])) return false;
  }
  if (!s->want->n_schemas && !append_string(s, database)) return false;
  buffer_char(&s->where, ')');
  return !s->where.failed || error_memory(s->e);
}

/* SELECT … WHERE <schema column><where> <tail>; NULL: error. */
static MYSQL_RES *ask(survey *s, const char *head, const char *tail, const char *what) {
  buffer text = {0};
  MYSQL_RES *rows = NULL;
  buffer_printf(&text, "%s%s %s", head, buffer_cstr(&s->where), tail);
  if (text.failed) error_memory(s->e);
  else wire_query(s->c, text.text, text.length, s->w, what, &rows, s->e);
  buffer_free(&text);
  if (!rows && !error_is_set(s->e)) error_set(s->e, ERROR_PROTOCOL, "%s: no rows came back", what);
  return rows;
}

/* The answer has that many columns, none of the named ones NULL. */
static bool is_complete(survey *s, MYSQL_RES *rows, unsigned int columns) {
  if (mysql_num_fields(rows) == columns) return true;
  return error_set(s->e, ERROR_PROTOCOL, "information_schema has an unknown form");
}

/* ---- relations --------------------------------------------------------------------- */

static const struct { const char *type; relation_kind kind; } relation_types[] = {
  {"BASE TABLE", RELATION_TABLE},
  {"SYSTEM VERSIONED", RELATION_TABLE},
  {"VIEW", RELATION_VIEW},
};

/* False for what is no table: sequences, the system's own. */
static bool relation_kind_of(const char *type, relation_kind *kind) {
  for (size_t i = 0; i < sizeof(relation_types) / sizeof(relation_types[0]); i++) {
    *kind = relation_types[i].kind;
    if (same(type, relation_types[i].type)) return true;
  }
  return false;
}

enum { TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, TABLE_ROWS, TABLE_BYTES, TABLE_COMMENT, TABLE_ENGINE,
       N_TABLE };

static bool add_relation(survey *s, MYSQL_ROW row) {
  relation_kind kind;
  if (!row[TABLE_SCHEMA] || !row[TABLE_NAME] || !relation_kind_of(row[TABLE_TYPE], &kind))
    return true;
  relation *r = catalog_grow(s->out, &s->out->relations, &s->out->n_relations, sizeof(*r));
  if (!r) return error_memory(s->e);
  r->remote_schema = keep(s, row[TABLE_SCHEMA]);
  r->remote_name = keep(s, row[TABLE_NAME]);
  r->plain = same(row[TABLE_SCHEMA], s->c->login->database);
  r->kind = kind;
  r->rows = kind == RELATION_VIEW ? -1 : estimate(row[TABLE_ROWS]);
  r->bytes = kind == RELATION_VIEW ? -1 : estimate(row[TABLE_BYTES]);
  /* The server writes what is wrong with a view or a damaged table here. */
  bool broken = kind == RELATION_VIEW ? !same(row[TABLE_COMMENT], "VIEW") : !row[TABLE_ENGINE];
  if (broken && row[TABLE_COMMENT] && row[TABLE_COMMENT][0])
    r->unusable = keep(s, row[TABLE_COMMENT]);
  return true;
}

static int compare_names(const char *schema_a, const char *name_a, const char *schema_b,
                         const char *name_b) {
  int d = strcmp(schema_a, schema_b);
  return d ? d : strcmp(name_a, name_b);
}

static int compare_relations(const void *a, const void *b) {
  const relation *x = a, *y = b;
  return compare_names(x->remote_schema, x->remote_name, y->remote_schema, y->remote_name);
}

static relation *find_relation(survey *s, const char *schema, const char *name) {
  int low = 0, high = s->out->n_relations;
  if (!schema || !name) return NULL;
  while (low < high) {
    int middle = (low + high) / 2;
    relation *r = &s->out->relations[middle];
    int d = compare_names(schema, name, r->remote_schema, r->remote_name);
    if (d == 0) return r;
    if (d < 0) high = middle;
    else low = middle + 1;
  }
  return NULL;
}

static bool list_relations(survey *s) {
  MYSQL_RES *rows = ask(s,
                        "SELECT table_schema, table_name, table_type, table_rows, "
                        "data_length + index_length, table_comment, engine "
                        "FROM information_schema.tables WHERE table_schema",
                        "", "cannot list the tables");
  if (!rows) return false;
  bool ok = is_complete(s, rows, N_TABLE);
  for (MYSQL_ROW row; ok && (row = mysql_fetch_row(rows)) != NULL;) ok = add_relation(s, row);
  mysql_free_result(rows);
  if (ok && s->out->n_relations) {
    qsort(s->out->relations, (size_t)s->out->n_relations, sizeof(relation), compare_relations);
  }
  return ok && (!s->out->arena.failed || error_memory(s->e));
}

/* ---- columns ------------------------------------------------------------------------- */

enum {
  COLUMN_SCHEMA,
  COLUMN_TABLE,
  COLUMN_NAME,
  COLUMN_DATA_TYPE,
  COLUMN_TYPE,
  COLUMN_CHARSET,
  COLUMN_COLLATION,
  COLUMN_PRECISION,
  COLUMN_SCALE,
  COLUMN_CHARACTERS,
  COLUMN_NULLABLE,
  COLUMN_DEFAULT,
  COLUMN_EXTRA,
  N_COLUMN
};

static uint32_t column_flags(MYSQL_ROW row) {
  const char *extra = row[COLUMN_EXTRA] ? row[COLUMN_EXTRA] : "", *given = row[COLUMN_DEFAULT];
  uint32_t flags = same(row[COLUMN_NULLABLE], "NO") ? COLUMN_NOT_NULL : 0u;
  if (strstr(extra, "VIRTUAL GENERATED") || strstr(extra, "STORED GENERATED") ||
      strstr(extra, "PERSISTENT")) {
    flags |= COLUMN_GENERATED;
  }
  /* MariaDB writes NULL as a word. */
  if (strstr(extra, "auto_increment") || (given && strcmp(given, "NULL") != 0))
    flags |= COLUMN_HAS_DEFAULT;
  return flags;
}

/* The bytes of the longest value, were it utf8mb4. */
static long longest(MYSQL_ROW row) {
  const int character = row[COLUMN_CHARSET] ? 4 : 1;
  long n = number(row[COLUMN_CHARACTERS]);
  return n > MYSQL_SORTED_BYTES ? n : n * character;
}

static bool add_column(survey *s, MYSQL_ROW row) {
  relation *r = find_relation(s, row[COLUMN_SCHEMA], row[COLUMN_TABLE]);
  if (!r || !row[COLUMN_NAME] || !row[COLUMN_DATA_TYPE]) return true;
  column *c = catalog_grow(s->out, &r->columns, &r->n_columns, sizeof(*c));
  if (!c) return error_memory(s->e);
  mysql_declaration d = {row[COLUMN_DATA_TYPE],         row[COLUMN_TYPE],
                         row[COLUMN_CHARSET],           row[COLUMN_COLLATION],
                         number(row[COLUMN_PRECISION]), number(row[COLUMN_SCALE]),
                         longest(row)};
  c->remote_name = keep(s, row[COLUMN_NAME]);
  c->remote_type = keep(s, row[COLUMN_TYPE] ? row[COLUMN_TYPE] : row[COLUMN_DATA_TYPE]);
  c->collation = row[COLUMN_COLLATION] ? keep(s, row[COLUMN_COLLATION]) : NULL;
  c->flags = column_flags(row);
  /* What a view promises of NULL, an outer join in it may not keep. */
  if (r->kind == RELATION_VIEW) c->flags &= ~(uint32_t)COLUMN_NOT_NULL;
  c->null_fraction = c->flags & COLUMN_NOT_NULL ? 0 : -1;
  c->distinct = -1;
  types_of_declaration(c, &d, s->want);
  return true;
}

/* A view of which the server cannot even say the columns. */
static void mark_unusable(survey *s) {
  for (int i = 0; i < s->out->n_relations; i++) {
    relation *r = &s->out->relations[i];
    if (r->n_columns || r->unusable) continue;
    r->unusable =
      r->kind == RELATION_VIEW
        ? "the server cannot list the columns of this view: what it selects from is missing"
        : "the server lists no columns of this table";
  }
}

static bool list_columns(survey *s) {
  MYSQL_RES *rows =
    ask(s,
        "SELECT table_schema, table_name, column_name, data_type, column_type, "
        "character_set_name, collation_name, numeric_precision, numeric_scale, "
        "character_maximum_length, is_nullable, column_default, extra "
        "FROM information_schema.columns WHERE table_schema",
        "ORDER BY table_schema, table_name, ordinal_position", "cannot list the columns");
  if (!rows) return false;
  bool ok = is_complete(s, rows, N_COLUMN);
  for (MYSQL_ROW row; ok && (row = mysql_fetch_row(rows)) != NULL;) ok = add_column(s, row);
  mysql_free_result(rows);
  if (ok) mark_unusable(s);
  return ok && (!s->out->arena.failed || error_memory(s->e));
}

static int find_column(const relation *r, const char *name) {
  for (int i = 0; name && i < r->n_columns; i++) {
    if (strcmp(r->columns[i].remote_name, name) == 0) return i;
  }
  return -1;
}

/* ---- indexes -------------------------------------------------------------------------- */

enum { INDEX_SCHEMA, INDEX_TABLE, INDEX_NAME, INDEX_NON_UNIQUE, INDEX_COLUMN, INDEX_SUB_PART,
       INDEX_CARDINALITY, INDEX_TYPE, N_INDEX };

/* The index that this row adds to: the relation's newest, or a new one. */
static relation_index *index_of(survey *s, relation *r, MYSQL_ROW row) {
  relation_index *x = r->n_indexes ? &r->indexes[r->n_indexes - 1] : NULL;
  if (x && same(x->name, row[INDEX_NAME])) return x;
  x = catalog_grow(s->out, &r->indexes, &r->n_indexes, sizeof(*x));
  if (!x) return NULL;
  x->name = keep(s, row[INDEX_NAME]);
  x->unique = same(row[INDEX_NON_UNIQUE], "0");
  x->primary = same(row[INDEX_NAME], "PRIMARY");
  return x;
}

static bool add_index_part(survey *s, MYSQL_ROW row) {
  relation *r = find_relation(s, row[INDEX_SCHEMA], row[INDEX_TABLE]);
  bool ordered = same(row[INDEX_TYPE], "BTREE") || same(row[INDEX_TYPE], "HASH") ||
                 same(row[INDEX_TYPE], "LSM");
  if (!r || !row[INDEX_NAME] || !ordered) return true;
  relation_index *x = index_of(s, r, row);
  if (!x) return error_memory(s->e);
  int at = find_column(r, row[INDEX_COLUMN]);
  /* A prefix or an expression: no key, and nothing after it can be used. */
  if (at < 0 || row[INDEX_SUB_PART]) x->partial = true;
  if (at < 0) return true;
  int *columns = catalog_grow(s->out, &x->columns, &x->n_columns, sizeof(*columns));
  if (!columns) return error_memory(s->e);
  *columns = at;
  double distinct = estimate(row[INDEX_CARDINALITY]);
  if (x->n_columns == 1 && distinct > r->columns[at].distinct) r->columns[at].distinct = distinct;
  return true;
}

static bool list_indexes(survey *s) {
  MYSQL_RES *rows =
    ask(s,
        "SELECT table_schema, table_name, index_name, non_unique, column_name, sub_part, "
        "cardinality, index_type FROM information_schema.statistics WHERE table_schema",
        "ORDER BY table_schema, table_name, index_name, seq_in_index", "cannot list the indexes");
  if (!rows) return false;
  bool ok = is_complete(s, rows, N_INDEX);
  for (MYSQL_ROW row; ok && (row = mysql_fetch_row(rows)) != NULL;) ok = add_index_part(s, row);
  mysql_free_result(rows);
  return ok && (!s->out->arena.failed || error_memory(s->e));
}

/* ---- statistics ------------------------------------------------------------------------- */

enum { STATISTIC_SCHEMA, STATISTIC_TABLE, STATISTIC_COLUMN, STATISTIC_NULLS, STATISTIC_DISTINCT,
       N_STATISTIC };

/* An index knows better what has been written since. */
static void add_statistic(survey *s, MYSQL_ROW row) {
  relation *r = find_relation(s, row[STATISTIC_SCHEMA], row[STATISTIC_TABLE]);
  int at = r ? find_column(r, row[STATISTIC_COLUMN]) : -1;
  if (at < 0) return;
  column *c = &r->columns[at];
  if (c->null_fraction < 0) c->null_fraction = estimate(row[STATISTIC_NULLS]);
  if (c->distinct < 0) c->distinct = estimate(row[STATISTIC_DISTINCT]);
}

/* Few users may read these tables, and a catalog is as good without. */
static bool can_do_without(const survey *s, const tskdb_error *e) {
  return !s->c->base.broken &&
         (e->klass == ERROR_AUTH || e->klass == ERROR_STALE || e->klass == ERROR_SQL);
}

static bool list_statistics(survey *s) {
  tskdb_error *reported = s->e, mine = {0};
  if (!s->c->mariadb) return true;
  s->e = &mine;
  MYSQL_RES *rows =
    ask(s,
        "SELECT c.db_name, c.table_name, c.column_name, c.nulls_ratio, "
        "t.cardinality * (1 - c.nulls_ratio) / c.avg_frequency "
        "FROM mysql.column_stats c JOIN mysql.table_stats t USING (db_name, table_name) "
        "WHERE c.db_name", "", "cannot read the statistics");
  s->e = reported;
  if (!rows && can_do_without(s, &mine)) return true;
  bool ok = rows && is_complete(s, rows, N_STATISTIC);
  for (MYSQL_ROW row; ok && (row = mysql_fetch_row(rows)) != NULL;) add_statistic(s, row);
  if (rows) mysql_free_result(rows);
  else if (reported) *reported = mine;
  return ok;
}

/* ---- foreign keys ----------------------------------------------------------------------- */

enum {
  KEY_SCHEMA,
  KEY_TABLE,
  KEY_NAME,
  KEY_COLUMN,
  KEY_TO_SCHEMA,
  KEY_TO_TABLE,
  KEY_TO_COLUMN,
  N_KEY
};

static foreign_key *foreign_key_of(survey *s, relation *r, MYSQL_ROW row) {
  foreign_key *k = r->n_foreign_keys ? &r->foreign_keys[r->n_foreign_keys - 1] : NULL;
  if (k && same(k->name, row[KEY_NAME])) return k;
  k = catalog_grow(s->out, &r->foreign_keys, &r->n_foreign_keys, sizeof(*k));
  if (!k) return NULL;
  k->name = keep(s, row[KEY_NAME]);
  k->to_schema = keep(s, row[KEY_TO_SCHEMA]);
  k->to_relation = keep(s, row[KEY_TO_TABLE]);
  return k;
}

static bool add_key_part(survey *s, MYSQL_ROW row) {
  relation *r = find_relation(s, row[KEY_SCHEMA], row[KEY_TABLE]);
  int at = r ? find_column(r, row[KEY_COLUMN]) : -1;
  if (at < 0 || !row[KEY_NAME] || !row[KEY_TO_COLUMN]) return true;
  foreign_key *k = foreign_key_of(s, r, row);
  if (!k) return error_memory(s->e);
  int n = k->n_columns;
  int *columns = catalog_grow(s->out, &k->columns, &n, sizeof(*columns));
  n = k->n_columns;
  const char **to = catalog_grow(s->out, &k->to_columns, &n, sizeof(*to));
  if (!columns || !to) return error_memory(s->e);
  k->n_columns = n;
  *columns = at;
  *to = keep(s, row[KEY_TO_COLUMN]);
  return true;
}

static bool list_foreign_keys(survey *s) {
  MYSQL_RES *rows = ask(s, "SELECT table_schema, table_name, constraint_name, column_name, "
                        "referenced_table_schema, referenced_table_name, referenced_column_name "
                        "FROM information_schema.key_column_usage WHERE table_schema",
                        "AND referenced_table_name IS NOT NULL "
                        "ORDER BY table_schema, table_name, constraint_name, ordinal_position",
                        "cannot list the foreign keys");
  if (!rows) return false;
  bool ok = is_complete(s, rows, N_KEY);
  for (MYSQL_ROW row; ok && (row = mysql_fetch_row(rows)) != NULL;) ok = add_key_part(s, row);
  mysql_free_result(rows);
  return ok && (!s->out->arena.failed || error_memory(s->e));
}

/* ---- the two functions --------------------------------------------------------------------- */

static void introduce(mysql_connection *c, catalog *out) {
  out->version = c->base.version;
  out->product = c->mariadb ? "MariaDB" : "MySQL";
  out->server_version = arena_strdup(&out->arena, mysql_get_server_info(c->handle));
  out->default_schema = arena_strdup(&out->arena, c->login->database);
}

/* A schema that was asked for by name and has no tables may not exist at all. */
static bool check_schemas(survey *s) {
  if (s->out->n_relations || !s->want->n_schemas) return true;
  MYSQL_RES *rows = ask(s, "SELECT schema_name FROM information_schema.schemata WHERE schema_name",
                        "", "cannot list the databases");
  if (!rows) return false;
  bool known = mysql_num_rows(rows) > 0;
  mysql_free_result(rows);
  if (known) return true;
  return error_set(s->e, ERROR_CONFIG,
                   "database \"%s\" does not exist, or this user may not see it",
                   s->want->schemas[0]);
}

bool mysql_driver_discover(connection *base, const discovery *want, const wait_scope *w,
                           catalog *out, tskdb_error *e) {
  survey s = {.c = (mysql_connection *)base, .want = want, .w = w, .out = out, .e = e};
  introduce(s.c, out);
  bool ok = choose_schemas(&s) && list_relations(&s) && check_schemas(&s) && list_columns(&s) &&
            list_indexes(&s) && list_statistics(&s) && list_foreign_keys(&s);
  buffer_free(&s.where);
  return ok;
}

static bool describe_fields(catalog *out, const native_text *native, const discovery *want,
                            const MYSQL_FIELD *fields, int n, tskdb_error *e) {
  relation *r = catalog_grow(out, &out->relations, &out->n_relations, sizeof(*r));
  if (!r) return error_memory(e);
  r->kind = RELATION_QUERY;
  r->native = catalog_native(out, native);
  r->remote_name = "query";
  r->rows = r->bytes = -1;
  for (int i = 0; i < n; i++) {
    column *c = catalog_grow(out, &r->columns, &r->n_columns, sizeof(*c));
    if (!c) return error_memory(e);
    c->remote_name = arena_strdup(&out->arena, fields[i].name);
    c->null_fraction = c->distinct = -1;
    types_of_field(c, &fields[i], want, &out->arena);
  }
  return !out->arena.failed || error_memory(e);
}

/* The statement is only prepared, and as it will be used: as a table in FROM,
** so that what cannot be one is refused here. */
bool mysql_driver_describe(connection *base, const native_text *native, const discovery *want,
                           const wait_scope *w, catalog *out, tskdb_error *e) {
  mysql_connection *c = (mysql_connection *)base;
  wire_call call;
  buffer text = {0};
  bool ok = false;
  introduce(c, out);
  buffer_printf(&text, "SELECT * FROM (%s\n) `q`", native->words[0]);
  MYSQL_STMT *s = text.failed ? NULL : mysql_stmt_init(c->handle);
  if (!s) {
    buffer_free(&text);
    return error_memory(e);
  }
  wire_begin(&call, c, w);
  c->base.round_trips++;
  if (mysql_stmt_prepare(s, text.text, (unsigned long)text.length) || call.stopped) {
    wire_statement_error(&call, c, s, "the server cannot describe the query", e);
  } else if (mysql_stmt_param_count(s) > 0) {
    error_set(e, ERROR_CONFIG, "the query has parameters (?), which nobody could give it");
  } else {
    MYSQL_RES *rows = mysql_stmt_result_metadata(s);
    ok = rows ? describe_fields(out, native, want, mysql_fetch_fields(rows),
                                (int)mysql_num_fields(rows), e)
              : error_memory(e);
    if (rows) mysql_free_result(rows);
  }
  mysql_stmt_close(s);
  wire_end(&call);
  buffer_free(&text);
  return ok;
}
