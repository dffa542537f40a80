/*
** relation_test.c - relations get names that SQLite takes and tells apart,
** declarations with the right affinities, and an identity that is one.
** Budget: 10 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdio.h>
#include <string.h>

#include "tests/vtab/suite.h"
#include "vtab/buffer.h"
#include "vtab/memory.h"
#include "vtab/relation.h"
#include "vtab/sqlite.h"

static catalog *c;
static tskdb_error error;

static void setup(void) {
  error_clear(&error);
  c = catalog_new();
  ck_assert_ptr_nonnull(c);
}

static void teardown(void) {
  catalog_release(c);
}

static relation *add_relation(const char *schema, const char *name, bool plain) {
  relation *r = catalog_grow(c, &c->relations, &c->n_relations, sizeof *r);
  if (r == NULL) return NULL;
  r->remote_schema = schema;
  r->remote_name = name;
  r->plain = plain;
  return r;
}

static column *add_column(relation *r, const char *name, type_class klass, const char *type,
                          uint32_t flags) {
  column *k = catalog_grow(c, &r->columns, &r->n_columns, sizeof *k);
  if (k == NULL) return NULL;
  k->remote_name = name;
  k->klass = klass;
  k->remote_type = type;
  k->flags = flags;
  return k;
}

static relation_index *add_index(relation *r, const int *columns, int n, bool unique,
                                 bool primary) {
  relation_index *index = catalog_grow(c, &r->indexes, &r->n_indexes, sizeof *index);
  if (index == NULL) return NULL;
  index->columns = columns;
  index->n_columns = n;
  index->unique = unique;
  index->primary = primary;
  return index;
}

static relation *table(const char *schema, const char *name, bool plain) {
  relation *r = add_relation(schema, name, plain);
  add_column(r, "a", CLASS_INT, "int", 0);
  return &c->relations[c->n_relations - 1];
}

static void finish(void) {
  ck_assert(catalog_finish(c, &error));
}

START_TEST(plain_names_are_bare_and_others_qualified) {
  table("public", "orders", true);
  table("sales", "orders", false);
  table(NULL, "loose", false);
  finish();
  ck_assert_str_eq(c->relations[0].name, "orders");
  ck_assert_str_eq(c->relations[1].name, "sales.orders");
  ck_assert_str_eq(c->relations[2].name, "loose");
}
END_TEST

START_TEST(names_that_differ_in_case_are_qualified_then_refused) {
  table("a", "Foo", true);
  table("b", "foo", true);
  table("c", "Bar", true);
  table("c", "bar", true);
  table("c", "d.e", true);
  table("c.d", "e", false);
  finish();
  ck_assert_str_eq(c->relations[0].name, "a.Foo");
  ck_assert_str_eq(c->relations[1].name, "b.foo");
  ck_assert_str_eq(c->relations[2].name, "c.Bar");
  ck_assert_ptr_null(c->relations[2].unusable);
  ck_assert_str_eq(c->relations[3].unusable, "its name differs from \"c.Bar\" only in case");
  ck_assert_str_eq(c->relations[4].name, "d.e");
  ck_assert_ptr_null(c->relations[5].unusable);
}
END_TEST

START_TEST(a_qualified_name_that_a_plain_one_has_is_refused) {
  table("c", "s.t", true);
  table("s", "t", false);
  finish();
  ck_assert_str_eq(c->relations[0].name, "s.t");
  ck_assert_str_eq(c->relations[1].unusable, "another relation has the same name");
}
END_TEST

START_TEST(sqlite_keeps_its_own_prefix) {
  table("public", "SQLite_x", true);
  table("sqlite_s", "x", false);
  finish();
  ck_assert_str_eq(c->relations[0].name, "public.SQLite_x");
  ck_assert_ptr_null(c->relations[0].unusable);
  ck_assert_ptr_nonnull(c->relations[1].unusable);
}
END_TEST

START_TEST(an_unusable_relation_takes_no_name) {
  table("public", "Foo", true)->unusable = "no rights";
  table("public", "foo", true);
  finish();
  ck_assert_str_eq(c->relations[1].name, "foo");
  ck_assert_ptr_null(c->relations[1].unusable);
  ck_assert_ptr_eq(catalog_find(c, "FOO"), &c->relations[1]);
  ck_assert_ptr_eq(catalog_find(c, "Foo"), &c->relations[0]);
}
END_TEST

START_TEST(too_many_or_no_columns_are_a_reason) {
  add_relation("public", "none", true);
  relation *r = add_relation("public", "wide", true);
  for (int i = 0; i < 2001; i++) add_column(r, "a", CLASS_INT, "int", 0);
  r = add_relation("public", "full", true);
  for (int i = 0; i < 2000; i++) add_column(r, "a", CLASS_INT, "int", 0);
  r = add_relation("public", "\xff", true);
  add_column(r, "a", CLASS_INT, "int", 0);
  r = add_relation("public", "x", true);
  add_column(r, "\xff", CLASS_INT, "int", 0);
  finish();
  ck_assert_str_eq(c->relations[0].unusable, "it has no columns");
  ck_assert_str_eq(c->relations[1].unusable, "it has 2001 columns; SQLite takes 2000");
  ck_assert_ptr_null(c->relations[2].unusable);
  ck_assert_str_eq(c->relations[2].columns[1999].name, "a:1999");
  ck_assert_str_eq(c->relations[3].unusable, "its name is not valid UTF-8");
  ck_assert_str_eq(c->relations[4].unusable, "the name of its column 1 is not valid UTF-8");
}
END_TEST

START_TEST(column_names_become_unique) {
  static const char *const given[] = {"a",  "A",       "a:1",  "a:x", "a", "",
                                      NULL, "column6", "_key", ":1",  ":1"};
  static const char *const names[] = {"a",       "A:1",       "a:2",  "a:x", "a:3", "column6",
                                      "column7", "column6:1", "_key", ":1",  ":2"};
  relation *r = add_relation("public", "t", true);
  for (size_t i = 0; i < sizeof given / sizeof *given; i++)
    add_column(r, given[i], CLASS_INT, "int", 0);
  finish();
  for (size_t i = 0; i < sizeof given / sizeof *given; i++)
    ck_assert_str_eq(c->relations[0].columns[i].name, names[i]);
}
END_TEST

START_TEST(a_declared_type_is_the_servers_where_sqlite_reads_it_right) {
  static const struct { type_class klass; const char *type, *declared; } cases[] = {
      {CLASS_INT, "integer", "integer"}, {CLASS_INT, "bigint", "bigint"},
      {CLASS_INT, "oid", "INTEGER"}, {CLASS_INT, "int(10) unsigned", "INTEGER"},
      {CLASS_INT, "int unsigned", "int unsigned"}, {CLASS_INT, "tinyint(1)", "tinyint(1)"},
      {CLASS_YEAR, "year(4)", "INTEGER"}, {CLASS_BOOL, "boolean", "INTEGER"},
      {CLASS_FLOAT, "double precision", "double precision"}, {CLASS_FLOAT, "real", "real"},
      {CLASS_DECIMAL, "numeric(10,2)", "numeric(10,2)"},
      {CLASS_DECIMAL, "numeric(3,-2)", "NUMERIC"},
      {CLASS_DECIMAL, "decimal(10, 2)", "decimal(10, 2)"},
      {CLASS_DECIMAL, "numeric(10,2", "NUMERIC"}, {CLASS_DECIMAL, "numeric()", "NUMERIC"},
      {CLASS_DECIMAL, "numeric(10,)", "NUMERIC"}, {CLASS_DECIMAL, "numeric(1,2,3)", "NUMERIC"},
      {CLASS_DECIMAL, "index", "NUMERIC"}, {CLASS_DECIMAL, "hidden", "NUMERIC"},
      {CLASS_DECIMAL, "my price", "my price"}, {CLASS_DECIMAL, "Not Hidden", "NUMERIC"},
      {CLASS_DECIMAL, "price generated always", "NUMERIC"}, {CLASS_DECIMAL, "", "NUMERIC"},
      {CLASS_DECIMAL, NULL, "NUMERIC"}, {CLASS_DECIMAL, "\"x\"", "NUMERIC"},
      {CLASS_DECIMAL, "x); --", "NUMERIC"},
      {CLASS_TEXT, "character varying(20)", "character varying(20)"}, {CLASS_TEXT, "text", "text"},
      {CLASS_TEXT, "citext", "citext"}, {CLASS_ENUM, "enum('a','b')", "TEXT"},
      {CLASS_UUID, "uuid", "TEXT"}, {CLASS_DATE, "date", "TEXT"},
      {CLASS_TIMESTAMP, "timestamp(3) without time zone", "TEXT"},
      {CLASS_OTHER, "interval", "TEXT"}, {CLASS_ARRAY, "text[]", "TEXT"},
      {CLASS_OTHER, "pointtext", "TEXT"}, {CLASS_BYTES, "bytea", "BLOB"},
      {CLASS_BYTES, "longblob", "longblob"}, {CLASS_BYTES, "varbinary(9)", "BLOB"},
      {CLASS_GEOMETRY, "point", "BLOB"}, {CLASS_MIXED, "mixed", "BLOB"}};
  relation *r = add_relation("public", "t", true);
  size_t n = sizeof cases / sizeof *cases;
  for (size_t i = 0; i < n; i++) add_column(r, "a", cases[i].klass, cases[i].type, 0);
  finish();
  for (size_t i = 0; i < n; i++)
    ck_assert_str_eq(c->relations[0].columns[i].declared, cases[i].declared);
}
END_TEST

static const int first[] = {0}, second[] = {1}, both[] = {0, 1}, beyond[] = {7};

static relation *keyed(type_class a, type_class b) {
  relation *r = add_relation("public", "t", true);
  add_column(r, "a", a, NULL, COLUMN_NOT_NULL);
  add_column(r, "b", b, NULL, COLUMN_NOT_NULL);
  return &c->relations[c->n_relations - 1];
}

START_TEST(the_primary_key_is_the_identity) {
  relation *r = keyed(CLASS_INT, CLASS_TEXT);
  add_index(r, first, 1, true, false);
  add_index(r, both, 2, true, true);
  finish();
  ck_assert_int_eq(r->n_key, 2);
  ck_assert(!r->key_is_rowid);
  ck_assert_int_eq(relation_key_column(r), 2);
}
END_TEST

START_TEST(else_the_smallest_unique_index_is) {
  relation *r = keyed(CLASS_TEXT, CLASS_INT);
  add_index(r, both, 2, true, false);
  add_index(r, first, 1, true, false);
  add_index(r, second, 1, true, false);
  finish();
  ck_assert_int_eq(r->n_key, 1);
  ck_assert_int_eq(r->key[0], 1);
  ck_assert(r->key_is_rowid);
  ck_assert_int_eq(relation_key_column(r), -1);
}
END_TEST

START_TEST(what_does_not_tell_rows_apart_is_no_identity) {
  relation *r = keyed(CLASS_INT, CLASS_TEXT);
  add_index(r, first, 1, true, true)->partial = true;
  add_index(r, first, 1, false, false);
  add_index(r, beyond, 1, true, true);
  add_index(r, first, 0, true, true);
  r->columns[1].flags = 0;
  add_index(r, second, 1, true, false);
  finish();
  ck_assert_int_eq(r->n_key, 0);
  static const type_class no[] = {CLASS_UINT64, CLASS_FLOAT,   CLASS_FLOAT4, CLASS_NUMERIC,
                                  CLASS_JSON,   CLASS_JSONB,   CLASS_ARRAY,  CLASS_OTHER,
                                  CLASS_MIXED,  CLASS_GEOMETRY};
  for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
    r = keyed(no[i], CLASS_INT);
    add_index(r, both, 2, true, true);
    finish();
    ck_assert_int_eq(r->n_key, 0);
  }
  for (int k = CLASS_BOOL; k <= CLASS_YEAR; k++) {
    r = keyed((type_class)k, CLASS_INT);
    add_index(r, first, 1, true, true);
    finish();
    ck_assert_int_eq(r->key_is_rowid, k == CLASS_INT);
  }
}
END_TEST

START_TEST(relations_are_found_by_either_name) {
  table("public", "Orders", true);
  table("sales", "orders", false);
  table("sales", "Sums", false);
  finish();
  const relation *r = c->relations;
  ck_assert_ptr_eq(catalog_find(c, "Orders"), r);
  ck_assert_ptr_eq(catalog_find(c, "orders"), r);
  ck_assert_ptr_eq(catalog_find(c, "public.Orders"), r);
  ck_assert_ptr_eq(catalog_find(c, "PUBLIC.orders"), r);
  ck_assert_ptr_eq(catalog_find(c, "sales.orders"), r + 1);
  ck_assert_ptr_eq(catalog_find(c, "Sales.SUMS"), r + 2);
  ck_assert_ptr_null(catalog_find(c, "Sums"));
  ck_assert_ptr_null(catalog_find(c, "sales."));
  ck_assert_ptr_null(catalog_find(c, ""));
}
END_TEST

/*
** A virtual table with a declaration of ours, and nothing else
*/
static int toy_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                       sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  int rc = sqlite3_declare_vtab(db, aux);
  if (rc != SQLITE_OK) *message = sqlite3_mprintf("%s", sqlite3_errmsg(db));
  else *out = sqlite3_malloc64(sizeof(sqlite3_vtab));
  return rc;
}

static int toy_disconnect(sqlite3_vtab *table_) {
  sqlite3_free(table_);
  return SQLITE_OK;
}

static int toy_best_index(sqlite3_vtab *table_, sqlite3_index_info *info) {
  (void)table_, (void)info;
  return SQLITE_OK;
}

/* A writable table must have a key that SQLite can hand to it. */
static int toy_update(sqlite3_vtab *table_, int argc, sqlite3_value **argv, sqlite3_int64 *rowid) {
  (void)table_, (void)argc, (void)argv, (void)rowid;
  return SQLITE_READONLY;
}

/* One line a column: name, type, whether it is hidden, place in the key. */
static void declared_columns(const relation *r, buffer *out) {
  sqlite3_module module = {.iVersion = 2, .xCreate = toy_connect, .xConnect = toy_connect,
                           .xBestIndex = toy_best_index, .xDisconnect = toy_disconnect,
                           .xDestroy = toy_disconnect, .xUpdate = toy_update};
  buffer text = {0};
  sqlite3 *db;
  sqlite3_stmt *s;
  relation_declare(r, &text);
  ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
  sqlite3_create_module(db, "toy", &module, text.text);
  int rc = sqlite3_exec(db, "CREATE VIRTUAL TABLE t USING toy", NULL, NULL, NULL);
  ck_assert_msg(rc == SQLITE_OK, "%s: %s", text.text, sqlite3_errmsg(db));
  sqlite3_prepare_v2(db, "SELECT name, type, hidden, pk FROM pragma_table_xinfo('t')", -1, &s,
                     NULL);
  while (sqlite3_step(s) == SQLITE_ROW)
    buffer_printf(out, "%s|%s|%d|%d\n", (const char *)sqlite3_column_text(s, 0),
                  (const char *)sqlite3_column_text(s, 1), sqlite3_column_int(s, 2),
                  sqlite3_column_int(s, 3));
  sqlite3_finalize(s);
  ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT rowid FROM t", -1, &s, NULL) == SQLITE_OK,
                   r->n_key == 0 || r->key_is_rowid);
  sqlite3_finalize(s);
  sqlite3_close(db);
  buffer_free(&text);
}

START_TEST(sqlite_takes_the_declarations) {
  buffer seen = {0};
  relation *r = keyed(CLASS_INT, CLASS_TEXT);
  finish();
  declared_columns(r, &seen);
  ck_assert_str_eq(seen.text, "a|INTEGER|0|0\nb|TEXT|0|0\n");

  add_index(r, first, 1, true, true);
  finish();
  buffer_clear(&seen);
  declared_columns(r, &seen);
  ck_assert_str_eq(seen.text, "a|INTEGER|0|0\nb|TEXT|0|0\n");

  r = keyed(CLASS_TEXT, CLASS_BYTES);
  add_index(r, first, 1, true, true);
  finish();
  buffer_clear(&seen);
  declared_columns(r, &seen);
  ck_assert_str_eq(seen.text, "a|TEXT|0|1\nb|BLOB|0|0\n");

  r = keyed(CLASS_INT, CLASS_TEXT);
  add_index(r, both, 2, true, true);
  add_column(r, "_KEY", CLASS_TEXT, "varchar(3)", 0);
  add_column(r, "quo\"te \xc3\xa9 '[`", CLASS_TEXT, "hidden text", 0);
  finish();
  buffer_clear(&seen);
  declared_columns(r, &seen);
  ck_assert_str_eq(seen.text, "a|INTEGER|0|0\nb|TEXT|0|0\n_KEY|varchar(3)|0|0\n"
                              "quo\"te \xc3\xa9 '[`|TEXT|0|0\n_key_1|TEXT|1|1\n");
  buffer_free(&seen);
}
END_TEST

/* The affinity that SQLite itself gives each declared type is the class's. */
START_TEST(sqlite_derives_the_affinity_of_the_class) {
  static const char *const types[] = {
      "integer", "int unsigned", "bigint(20)", "double", "float", "real", "numeric(9,3)", "decimal",
      "money", "text", "character varying(3)", "char(4)", "citext", "blob", "mediumblob", "bytea",
      "boolean", "date", "clobber", "pointer", "xreal", "floating point", "blobint", "doublechar",
      "textreal", "real text", "blob real", "real blob", "time", "without", "temp real"};
  relation *r = add_relation("public", "t", true);
  for (int k = 0; k < CLASS_COUNT; k++)
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
      add_column(r, "a", (type_class)k, types[i], 0);
  r = c->relations;
  finish();
  static const char *const probe[] = {
      [AFFINITY_BLOB] = "text", [AFFINITY_TEXT] = "text", [AFFINITY_NUMERIC] = "integer",
      [AFFINITY_INTEGER] = "integer", [AFFINITY_REAL] = "real"};
  sqlite3 *db;
  ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
  for (int i = 0; i < r->n_columns; i++) {
    char *sql = sqlite3_mprintf(
        "DROP TABLE IF EXISTS t; CREATE TABLE t(\"a\" %s); INSERT INTO t VALUES('1')",
        r->columns[i].declared);
    sqlite3_stmt *s;
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sql);
    sqlite3_free(sql);
    sqlite3_prepare_v2(db, "SELECT typeof(a) FROM t", -1, &s, NULL);
    ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
    ck_assert_str_eq((const char *)sqlite3_column_text(s, 0),
                     probe[value_class_affinity(r->columns[i].klass)]);
    sqlite3_finalize(s);
  }
  sqlite3_close(db);
}
END_TEST

START_TEST(a_catalog_lives_as_long_as_it_is_held) {
  table("public", "t", true);
  catalog_retain(c);
  catalog_release(c);
  ck_assert_str_eq(c->relations[0].remote_name, "t");
  catalog_release(NULL);
  ck_assert_str_eq(relation_kind_name(RELATION_MATERIALIZED), "materialized view");
}
END_TEST

#ifdef TSKDB_FAULT_INJECTION
static bool build_and_finish(void) {
  for (int i = 0; i < 40; i++) {
    relation *r = add_relation(i % 2 ? "s" : "public", i % 3 ? "t" : "T", i % 2);
    for (int k = 0; r && k < 20; k++)
      if (!add_column(r, k % 2 ? "a" : "b", CLASS_INT, "int", 0)) return false;
    if (!r || !add_index(r, both, 2, true, true)) return false;
  }
  return catalog_finish(c, &error);
}

START_TEST(finishing_survives_every_failed_allocation) {
  bool done = false;
  for (long nth = 1; !done; nth++) {
    catalog_release(c);
    error_clear(&error);
    mem_fail_after(nth, nth % 2);
    c = catalog_new();
    done = c && build_and_finish();
    mem_fail_after(0, 0);
    ck_assert(done || !error_is_set(&error) || error.klass == ERROR_MEMORY);
    ck_assert_int_lt(nth, 1000);
  }
}
END_TEST
#endif

int main(void) {
  Suite *suite = suite_create("relation");
  TCase *cases = tcase_create("relation");
  tcase_add_checked_fixture(cases, setup, teardown);
  tcase_set_timeout(cases, 30);
  tcase_add_test(cases, plain_names_are_bare_and_others_qualified);
  tcase_add_test(cases, names_that_differ_in_case_are_qualified_then_refused);
  tcase_add_test(cases, a_qualified_name_that_a_plain_one_has_is_refused);
  tcase_add_test(cases, sqlite_keeps_its_own_prefix);
  tcase_add_test(cases, an_unusable_relation_takes_no_name);
  tcase_add_test(cases, too_many_or_no_columns_are_a_reason);
  tcase_add_test(cases, column_names_become_unique);
  tcase_add_test(cases, a_declared_type_is_the_servers_where_sqlite_reads_it_right);
  tcase_add_test(cases, the_primary_key_is_the_identity);
  tcase_add_test(cases, else_the_smallest_unique_index_is);
  tcase_add_test(cases, what_does_not_tell_rows_apart_is_no_identity);
  tcase_add_test(cases, relations_are_found_by_either_name);
  tcase_add_test(cases, sqlite_takes_the_declarations);
  tcase_add_test(cases, sqlite_derives_the_affinity_of_the_class);
  tcase_add_test(cases, a_catalog_lives_as_long_as_it_is_held);
#ifdef TSKDB_FAULT_INJECTION
  tcase_add_test(cases, finishing_survives_every_failed_allocation);
#endif
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
