/*
** postgres_types_test.c - every type of PostgreSQL at its ends reads as the
** server's own client writes it: psql's text, put into a native SQLite column of
** the declared type, is what a table shows.  Where the project shows something
** else (booleans, bytes, JSON for arrays) the case says what.
** Each value is read as a table, as a native statement, and with a parameter.
** Budget: 40 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vtab/pushdown_comparison.h"
#include "vtab/postgres/postgres.h"

extern driver_entry tskdb_driver_postgres;

static connection *c;

static void setup(void) { c = open_url(server_url); }

static void teardown(void) { tested->close(c, false); }

/* ---- psql, the judge -------------------------------------------------------------- */

/* What psql prints for SQL on the database of URL, under the session's settings
** that the driver pins; values end with NUL, NULL is \x01. */
static buffer psql(const char *url, const char *sql) {
  static const char command[] =
    "PGCLIENTENCODING=UTF8 PGOPTIONS='-c timezone=UTC -c datestyle=ISO,YMD -c lc_monetary=C"
    " -c intervalstyle=postgres -c extra_float_digits=3 -c bytea_output=hex -c xmlbinary=base64'"
    " psql -XAtq0 -v ON_ERROR_STOP=1 -P null=\"$(printf '\\001')\" \"$JUDGED\" -c \"$JUDGEMENT\"";
  buffer out = {0};
  char piece[4096];
  size_t n;
  setenv("JUDGED", url, 1);
  setenv("JUDGEMENT", sql, 1);
  FILE *f = popen(command, "r");
  ck_assert_ptr_nonnull(f);
  while ((n = fread(piece, 1, sizeof piece, f)) > 0) buffer_append(&out, piece, n);
  ck_assert_msg(pclose(f) == 0, "psql cannot say %s", sql);
  return out;
}

/* The same through a native column of type DECLARED: one value a line. */
static void judge(const char *url, const char *sql, const char *declared, buffer *out) {
  buffer texts = psql(url, sql);
  sqlite3 *native;
  sqlite3_stmt *s;
  char create[100];
  ck_assert_int_eq(sqlite3_open(":memory:", &native), SQLITE_OK);
  snprintf(create, sizeof create, "CREATE TABLE t (a %s)", declared);
  ck_assert_int_eq(sqlite3_exec(native, create, NULL, NULL, NULL), SQLITE_OK);
  for (size_t i = 0; i < texts.length; i += strlen(texts.text + i) + 1) {
    ck_assert_int_eq(sqlite3_prepare_v2(native, "INSERT INTO t VALUES (?)", -1, &s, NULL), 0);
    if (texts.text[i] != 1) sqlite3_bind_text(s, 1, texts.text + i, -1, SQLITE_STATIC);
    ck_assert_int_eq(sqlite3_step(s), SQLITE_DONE);
    sqlite3_finalize(s);
  }
  sqlite3_prepare_v2(native, "SELECT a FROM t ORDER BY rowid", -1, &s, NULL);
  while (sqlite3_step(s) == SQLITE_ROW) {
    value v = comparison_result(s, 0);
    print_value(out, &v);
    buffer_char(out, '\n');
  }
  sqlite3_finalize(s);
  sqlite3_close(native);
  buffer_free(&texts);
}

/* ---- the types ------------------------------------------------------------------------ */

static const char own_types[] =
  "DROP TABLE IF EXISTS typed; DROP TYPE IF EXISTS t_mood, t_pair, t_nest CASCADE;"
  "DROP DOMAIN IF EXISTS t_code, t_short, t_shorter, t_price, t_list, t_pairs CASCADE;"
  "CREATE TYPE t_mood AS ENUM ('sad', 'it''s', 'ça va', '😀');"
  "CREATE TYPE t_pair AS (x int, \"y \"\"z\" text); CREATE TYPE t_nest AS (p t_pair, l int[]);"
  "CREATE DOMAIN t_code AS bigint CHECK (VALUE > 0); CREATE DOMAIN t_short AS char(4);"
  "CREATE DOMAIN t_shorter AS t_short NOT NULL DEFAULT 'x'; CREATE DOMAIN t_price AS numeric(10,2);"
  "CREATE DOMAIN t_list AS int[]; CREATE DOMAIN t_pairs AS t_pair";

/* One column of TYPE holds VALUES; what is read is EXPECTED, or, where that is
** NULL, what psql writes. */
static const struct type_case {
  const char *type, *values, *expected;
} type_cases[] = {
  {"boolean", "(true),(false),(NULL)", "1\n0\nNULL\n"},
  {"smallint", "(-32768),(32767),(0),(NULL)", NULL},
  {"integer", "(-2147483648),(2147483647),(0),(NULL)", NULL},
  {"bigint", "(-9223372036854775808),(9223372036854775807),(0),(NULL)", NULL},
  {"smallserial", "(1),(32767)", NULL},
  {"oid", "(0),(4294967295),(2147483648),(NULL)", NULL},
  {"real", "(1.5),(0.1),('-3.4028235e38'),('1e-45'),('NaN'),('Infinity'),('-Infinity'),('-0'),"
   "(NULL)",
   "1.5\n0.10000000149011612\n-3.4028234663852886e+38\n1.401298464324817e-45\nNULL\nInfinity\n"
   "-Infinity\n0.0\nNULL\n"},
  {"double precision",
   "(0.1),('1.7976931348623157e308'),('-4.9e-324'),('2.2250738585072014e-308'),('NaN'),"
   "('Infinity'),"
   "('-Infinity'),('-0'),(NULL),(1)",
   "0.1\n1.7976931348623157e+308\n-4.94065645841247e-324\n2.2250738585072014e-308\nNULL\nInfinity\n"
   "-Infinity\n0.0\nNULL\n1.0\n"},
  {"numeric(10,2)", "(-99999999.99),(1.50),(2),(0),('NaN'),(NULL)",
   "-99999999.99\n1.5\n2\n0\nNULL\nNULL\n"},
  {"numeric(38,0)", "(99999999999999999999999999999999999999),(9223372036854775807),"
   "(9223372036854775808),(-9223372036854775808),(0)", NULL},
  {"numeric(38,37)", "(1.2345678901234567890123456789012345678),"
   "(-0.0000000000000000000000000000000000001)",
   NULL},
  {"numeric", "(0),(1e30),(-1e-30),(12345678901234567890.5),(0.1),(5.000),(10000),(100000000),"
   "(1e12),(999999999999),(-10000.0001),(0.00000001),(1e400),(-1e400),(1e-400),(NULL)", NULL},
  {"numeric", "('NaN'),('Infinity'),('-Infinity')", "NULL\nInfinity\n-Infinity\n"},
  {"numeric(5,-3)", "(12345678),(-99000000)", NULL},
  {"numeric(3,6)", "(0.000123),(0)", NULL},
  {"money", "(0),('-92233720368547758.08'),('92233720368547758.07'),('1234.5'),(NULL)", NULL},

  {"text", "(''),(NULL),('a'),('😀é\t|'),(repeat('é', 100000)),(E'line\\nfeed'),('NULL'),(' x ')",
   NULL},
  {"varchar", "(''),('x'),(NULL)", NULL},
  {"varchar(20)", "('ab  '),(''),(NULL),('😀')", NULL},
  {"char(10)", "('ab  '),(''),('é😀'),(NULL),('  a')", "ab\n\né😀\nNULL\n  a\n"},
  {"char", "('a'),('')", "a\n\n"},
  {"name", "(''),(repeat('é', 31)),('a')", NULL},
  {"\"char\"", "('a'),(''),(NULL)", NULL},
  {"t_mood", "('sad'),('it''s'),('ça va'),('😀'),(NULL)", NULL},
  {"uuid", "('00000000-0000-0000-0000-000000000000'),('FFFFFFFF-ffff-ffff-ffff-ffffffffffff'),"
   "(NULL)",
   NULL},
  {"bytea", "(''),('\\x00'),('\\xff00ff'),(NULL)", "x''\nx'00'\nx'ff00ff'\nNULL\n"},

  {"date", "('4713-01-01 BC'),('0044-03-15 BC'),('0001-01-01 BC'),('0001-01-01'),('0999-12-31'),"
   "('1582-10-10'),('2026-02-28'),('2024-02-29'),('9999-12-31'),('10000-01-01'),('5874897-12-31'),"
   "('infinity'),('-infinity'),(NULL)", NULL},
  {"time", "('00:00:00'),('24:00:00'),('23:59:59.999999'),('10:00:00.5'),(NULL)", NULL},
  {"time(0)", "('23:59:59.4')", NULL},
  {"timetz", "('00:00:00+15:59'),('24:00:00-15:59:59'),('10:00:00.5+02'),(NULL)", NULL},
  {"timestamp", "('4713-01-01 BC'),('0044-03-15 12:00:00.25 BC'),('0001-01-01'),"
   "('2026-01-02 03:04:05.12'),('2026-01-02 03:04:05.000001'),('1999-12-31 23:59:59.999999'),"
   "('10000-01-01'),('294276-12-31 23:59:59.999999'),('infinity'),('-infinity'),(NULL)", NULL},
  {"timestamptz", "('2026-07-02 03:04:05.5+02'),('1900-01-01 00:00+00'),('0044-03-15 12:00+00 BC'),"
   "('4713-01-02 00:00+00 BC'),('294276-12-31 23:59:59.999999+00'),('infinity'),(NULL)",
   "2026-07-02 01:04:05.5\n1900-01-01 00:00:00\n0044-03-15 12:00:00 BC\n4713-01-02 00:00:00 BC\n"
   "294276-12-31 23:59:59.999999\ninfinity\nNULL\n"},
  {"interval", "('178000000 years'),('-178000000 years'),('0'),('1 mon -1 day 00:00:01.5'),"
   "('-00:00:00.000001'),('1 year 2 mons 3 days 04:05:06'),('100:00:00'),(NULL)", NULL},

  {"json", "('{\"b\": 1,  \"a\": [1, null],\"a\":\"\\u00e9\"}'),('null'),('\"\"'),(NULL)", NULL},
  {"jsonb", "('{\"b\": 1,  \"a\": [1, null],\"a\":\"\\u00e9\"}'),('null'),('1e400'),('1.50'),"
   "(NULL)", NULL},
  {"jsonpath", "('$.a[*] ? (@ > 1)')", NULL},
  {"xml", "('<a b=\"c\">é</a>'),('<x/>'),(NULL)", NULL},
  {"integer[]", "('{}'),('{1,NULL,-3}'),('{{1,2},{3,4}}'),('[0:1]={5,6}'),(NULL)",
   "[]\n[1,null,-3]\n[[1,2],[3,4]]\n[5,6]\nNULL\n"},
  {"text[]", "('{}'),('{a,NULL,\"NULL\",\"q\\\"u''o\",\"back\\\\slash\",\"{}\",\"😀, \",\"\"}')",
   "[]\n[\"a\",null,\"NULL\",\"q\\\"u'o\",\"back\\\\slash\",\"{}\",\"😀, \",\"\"]\n"},
  {"boolean[]", "('{t,f,NULL}')", "[true,false,null]\n"},
  {"numeric[]", "('{1.50,NULL,123456789012345678901234567890}')",
   "[1.50,null,123456789012345678901234567890]\n"},
  {"timestamp[]", "('{2026-01-02 03:04:05.5,NULL}')", "[\"2026-01-02T03:04:05.5\",null]\n"},
  {"t_mood[]", "('{sad,😀}')", "[\"sad\",\"😀\"]\n"},
  {"int2vector", "('1 2 3')", "[1,2,3]\n"},
  {"t_pair", "(ROW(1,'a\"b')),(ROW(NULL,NULL)),(ROW(NULL,'')),(NULL)",
   "{\"x\":1,\"y \\\"z\":\"a\\\"b\"}\n{\"x\":null,\"y \\\"z\":null}\n{\"x\":null,"
   "\"y \\\"z\":\"\"}\nNULL\n"},
  {"t_nest", "(ROW(ROW(1,'é'),'{1,NULL}')),(ROW(NULL,NULL))",
   "{\"p\":{\"x\":1,\"y \\\"z\":\"é\"},\"l\":[1,null]}\n{\"p\":null,\"l\":null}\n"},
  {"t_pair[]", "(ARRAY[ROW(1,'a'),NULL]::t_pair[])", "[{\"x\":1,\"y \\\"z\":\"a\"},null]\n"},

  {"t_code", "(1),(9223372036854775807),(NULL)", NULL},
  {"t_shorter", "('ab'),('abcd')", "ab\nabcd\n"},
  {"t_price", "(1.50),(-99999999.99),(NULL)", NULL},
  {"t_list", "('{1,2}'),(NULL)", "[1,2]\nNULL\n"},
  {"t_pairs", "(ROW(1,'a')),(ROW(NULL,NULL)),(NULL)",
   "{\"x\":1,\"y \\\"z\":\"a\"}\n{\"x\":null,\"y \\\"z\":null}\nNULL\n"},

  {"inet", "('0.0.0.0'),('255.255.255.255/32'),('10.1.2.3/8'),('::'),('ffff::1/64'),(NULL)", NULL},
  {"cidr", "('0.0.0.0/0'),('10.0.0.0/8'),('10.0.0.1'),('::/0'),(NULL)", NULL},
  {"macaddr", "('00:00:00:00:00:00'),('FF-ff-ff-ff-ff-ff'),(NULL)", NULL},
  {"macaddr8", "('08:00:2b:01:02:03:04:05')", NULL},
  {"bit", "('0'),('1')", NULL},
  {"bit(70)", "(repeat('10', 35)::bit(70)),(NULL)", NULL},
  {"bit varying", "(''),('101'),(repeat('1', 100)::bit varying),(NULL)", NULL},
  {"int4range", "('empty'),('[1,5]'),('(,)'),('[-2147483648,2147483647)'),(NULL)", NULL},
  {"numrange", "('(1.5,2.50]'),('[,NaN]')", NULL},
  {"daterange", "('[2026-01-01,infinity)'),('[0044-03-15 BC,)')", NULL},
  {"tstzrange", "('[2026-01-01 00:00+02,2026-01-02 00:00+02)')", NULL},
  {"int4multirange", "('{}'),('{[1,3),[5,7)}'),(NULL)", NULL},
  {"datemultirange", "('{[2026-01-01,2026-02-01)}')", NULL},
  {"tsvector", "(''),('''it''''s'':1A ''x y'':2'),(NULL)", NULL},
  {"tsquery", "('a & (b | !c:*)')", NULL},
  {"point", "('(1.5,-2)'),('(NaN,Infinity)'),(NULL)", NULL},
  {"box", "('(1,2),(0,0)')", NULL},
  {"path", "('[(0,0),(1,1)]'),('((0,0),(1,1))')", NULL},
  {"polygon", "('((0,0),(1,1),(1,0))')", NULL},
  {"circle", "('<(1,2),3>')", NULL},
  {"line", "('{1,2,3}')", NULL},
  {"lseg", "('[(0,0),(1,1)]')", NULL},
  {"regclass", "('pg_catalog.pg_class'),('typed')", NULL},
  {"regtype", "('integer[]'),('t_mood')", NULL},
  {"pg_lsn", "('16/B374D848'),('0/0')", NULL},
  {"xid", "('4294967295')", NULL},
  {"xid8", "('18446744073709551615')", NULL},
  {"tid", "('(4294967295,65535)')", NULL},
  {"citext", "('Ab'),(''),('é'),(NULL)", NULL},
  {"hstore", "('a=>1,b=>NULL,\"c d\"=>\"q\\\"\"'),(''),(NULL)", NULL},
  {"txid_snapshot", "('10:20:10,14,15')", NULL},
};

static void expect_text(const char *what, const char *how, const char *expected, const char *got) {
  ck_assert_msg(strcmp(expected, got) == 0, "%s %s: got\n%.300s\nnot\n%.300s", what, how, got,
    expected);
}

/* Column A of R, with a parameter that changes nothing. */
static void read_with_parameter(const relation *r, buffer *out) {
  static const pushdown_row row = {.verdict = PUSH_EXACT, .text = "{c} > {v}::pg_catalog.int8"};
  query_expr args[2] = {{.kind = EXPR_COLUMN, .column = 0}, {.kind = EXPR_PARAMETER}};
  query_expr filter = {.kind = EXPR_TERM, .op = OP_GT, .row = &row, .args = args, .n_args = 2};
  value zero = {.storage = STORAGE_INTEGER};
  tskdb_error e = {0};
  asked a;
  ask_column(&a, r, 1);
  a.q.filter = &filter;
  a.q.n_filter = 1;
  a.q.parameters = &zero;
  a.q.n_parameters = 1;
  compile(&a, c);
  fetch_text(c, &a.request, out, &e);
  assert_no_error(&e, a.request.text);
  arena_free(&a.memory);
}

START_TEST(type_reads_as_the_servers_client_writes_it) {
  const struct type_case *t = &type_cases[_i];
  char sql[2000];
  buffer expected = {0}, got = {0};
  exec(c, own_types);
  if (strcmp(t->type, "citext") == 0 || strcmp(t->type, "hstore") == 0) {
    snprintf(sql, sizeof sql, "CREATE EXTENSION IF NOT EXISTS %s", t->type);
    exec(c, sql);
  }
  snprintf(sql, sizeof sql, "CREATE TABLE typed (id serial PRIMARY KEY, a %s)", t->type);
  exec(c, sql);
  snprintf(sql, sizeof sql, "INSERT INTO typed (a) VALUES %s", t->values);
  exec_and_reset(c, sql);
  catalog *k = discover(c);
  const relation *r = relation_of(k, "typed");
  if (t->expected) buffer_text(&expected, t->expected);
  else judge(server_url, "SELECT a FROM typed ORDER BY id", r->columns[1].declared, &expected);
  expect_text(t->type, "as a table", buffer_cstr(&expected), read_column(c, "typed", "a"));
  expect_text(t->type, "as a query", buffer_cstr(&expected), rows_of(c, "SELECT a FROM typed"));
  read_with_parameter(r, &got);
  expect_text(t->type, "with a parameter", buffer_cstr(&expected), buffer_cstr(&got));
  buffer_free(&expected);
  buffer_free(&got);
  catalog_release(k);
}
END_TEST

/* ---- what is no type of its own ------------------------------------------------------------ */

START_TEST(numeric_keeps_every_digit_as_text) {
  static const discovery digits = {.numeric_text = true};
  buffer got = {0};
  tskdb_error e = {0};
  asked a;
  exec_and_reset(c, "DROP TABLE IF EXISTS digits; CREATE TABLE digits (n numeric, m numeric(40,2));"
                    "INSERT INTO digits VALUES (1.50, 12345678901234567890123456789012345678.90),"
                    " ('NaN', NULL), ('-Infinity', 0), (1e-20, -1), (repeat('9', 200)::numeric,"
                    " 1)");
  catalog *k = discover_with(c, &digits);
  ask(&a, relation_of(k, "digits"));
  compile(&a, c);
  fetch_text(c, &a.request, &got, &e);
  assert_no_error(&e, "digits");
  char nines[201], expected[400];
  memset(nines, '9', 200);
  nines[200] = 0;
  snprintf(expected, sizeof expected,
           "1.50|12345678901234567890123456789012345678.90\nNaN|NULL\n-Infinity|0.00\n"
           "0.00000000000000000001|-1.00\n%s|1.00\n", nines);
  ck_assert_str_eq(buffer_cstr(&got), expected);
  buffer_free(&got);
  arena_free(&a.memory);
  catalog_release(k);
}
END_TEST

START_TEST(sixteen_megabytes_in_one_value) {
  const char *got = rows_of(c, "SELECT repeat('é', 8388608) a, 7 b");
  size_t n = strlen(got);
  ck_assert_uint_eq(n, 16777216 + 3);
  ck_assert_str_eq(got + n - 3, "|7\n");
  got = rows_of(c, "SELECT decode(repeat('00ff', 8388608), 'hex') a, 7 b");
  n = strlen(got);
  ck_assert_uint_eq(n, 2 * 16777216 + 6);
  ck_assert_str_eq(got + n - 9, "f00ff'|7\n");
}
END_TEST

START_TEST(a_row_of_a_statement_is_json) {
  ck_assert_str_eq(rows_of(c, "SELECT ROW(1, NULL, 'é') a, ARRAY[ROW(1, 'x')] b, NULL::record d"),
                   "{\"f1\":1,\"f2\":null,\"f3\":\"é\"}|[{\"f1\":1,\"f2\":\"x\"}]|NULL\n");
}
END_TEST

/* ---- databases in other encodings ------------------------------------------------------------ */

static const char *database_in(const char *encoding) {
  char name[100], sql[300];
  snprintf(name, sizeof name, "tskdb_%s", encoding);
  snprintf(sql, sizeof sql, "SELECT 1 FROM pg_database WHERE datname = '%s'", name);
  if (!*rows_of(c, sql)) {
    snprintf(sql, sizeof sql, "CREATE DATABASE %s ENCODING '%s' LC_COLLATE 'C' LC_CTYPE 'C'"
             " LOCALE_PROVIDER libc TEMPLATE template0", name, encoding);
    exec(c, sql);
  }
  return url_with(NULL, name, "");
}

/* Column A of table texts, each value twice, is compared as SQLite compares it. */
static void compare_texts(connection *other) {
  comparison x;
  exec_and_reset(other, "DROP TABLE IF EXISTS twice; CREATE TABLE twice (id serial, a text,"
    " b char(9));"
                        "INSERT INTO twice (a, b) SELECT a, a FROM texts, generate_series(1, 2)");
  catalog *k = discover(other);
  for (const char *const *at = (const char *const[]){"a", "b", NULL}; *at; at++) {
    comparison_open(&x, other, relation_of(k, "twice"), "id", *at);
    comparison_run(&x, "'','a','A','é','É','😀','€','Ж','я','z','~','aé','_','%','a_','%é',x'e9',"
      "x'61ff',"
                       "x'c3a9',x'61',5,'a ','ÿ',x'',CAST(x'00' AS TEXT)");
    ck_assert_int_gt(x.pushed, 0);
    comparison_close(&x);
  }
  catalog_release(k);
}

START_TEST(latin1_text_is_utf8) {
  buffer expected = {0};
  const char *url = database_in("latin1");
  connection *latin1 = open_url(url);
  exec(latin1, "DROP TABLE IF EXISTS texts; CREATE TABLE texts (a text);"
               "INSERT INTO texts VALUES ('é'), ('ÿ£'), ('a'), (chr(233)), ('')");
  judge(url, "SELECT a FROM texts", "text", &expected);
  ck_assert_str_eq(rows_of(latin1, "SELECT a FROM texts"), buffer_cstr(&expected));
  ck_assert_str_eq(buffer_cstr(&expected), "é\nÿ£\na\né\n\n");
  compare_texts(latin1);
  buffer_free(&expected);
  tested->close(latin1, false);
}
END_TEST

/* In koi8r's order of bytes я is before Ж. */
START_TEST(koi8r_text_is_utf8) {
  connection *koi8r = open_url(database_in("koi8r"));
  exec(koi8r, "DROP TABLE IF EXISTS texts; CREATE TABLE texts (a text);"
              "INSERT INTO texts VALUES ('я'), ('Ж'), ('a'), ('ж'), ('z'), ('')");
  ck_assert_str_eq(rows_of(koi8r, "SELECT a FROM texts"), "я\nЖ\na\nж\nz\n\n");
  compare_texts(koi8r);
  tested->close(koi8r, false);
}
END_TEST

START_TEST(bytes_without_an_encoding_are_text_where_they_are_utf8) {
  connection *ascii = open_url(database_in("sql_ascii"));
  exec(ascii, "DROP TABLE IF EXISTS texts; CREATE TABLE texts (a text);"
              "INSERT INTO texts VALUES ('é'), (E'\\xe9'), ('a'), (E'a\\xff'), ('')");
  ck_assert_str_eq(rows_of(ascii, "SELECT a FROM texts"), "é\nx'e9'\na\nx'61ff'\n\n");
  compare_texts(ascii);
  tested->close(ascii, false);
}
END_TEST

/* A numeric of one group, as a server that lies may send it. */
static bool decodes(uint16_t sign, uint16_t group) {
  const column numeric = {.klass = CLASS_NUMERIC, .type_id = 1700};
  const unsigned char bytes[] = {0, 1, 0, 0, (unsigned char)(sign >> 8), (unsigned char)sign, 0, 0,
                                 (unsigned char)(group >> 8), (unsigned char)group};
  batch b;
  ck_assert(batch_init(&b, 1, 1 << 16));
  bool ok = postgres_decoder_of(&numeric)((const char *)bytes, sizeof bytes, &b, 0);
  batch_free(&b);
  return ok;
}

START_TEST(digits_and_signs_that_are_none_are_refused) {
  ck_assert(decodes(0, 9999));
  ck_assert(decodes(0x4000, 1));
  ck_assert(!decodes(0, 10000));
  ck_assert(!decodes(0, 0xFFFB));
  ck_assert(!decodes(0x1234, 1));
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("postgres types");
  TCase *t = tcase_create("types");
  tcase_set_timeout(t, 40);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, type_reads_as_the_servers_client_writes_it, 0,
                      (int)(sizeof type_cases / sizeof type_cases[0]));
  tcase_add_test(t, numeric_keeps_every_digit_as_text);
  tcase_add_test(t, sixteen_megabytes_in_one_value);
  tcase_add_test(t, a_row_of_a_statement_is_json);
  tcase_add_test(t, digits_and_signs_that_are_none_are_refused);
  tcase_add_test(t, latin1_text_is_utf8);
  tcase_add_test(t, koi8r_text_is_utf8);
  tcase_add_test(t, bytes_without_an_encoding_are_text_where_they_are_utf8);
  suite_add_tcase(s, t);
  return s;
}

int main(void) {
  fixture_start(tskdb_driver_postgres, "TSKDB_TEST_POSTGRES");
  return suite_run(suite());
}
