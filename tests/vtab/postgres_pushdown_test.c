/*
** postgres_pushdown_test.c - what the PostgreSQL driver pushes is what SQLite
** would have answered: for every type, operator, collation and awkward
** constant the rows that the server gives are compared with native SQLite's
** over the same values, with and without an index on the column; and the index
** is used.
** Budget: 60 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vtab/pushdown_comparison.h"

extern driver_entry tskdb_driver_postgres;

static connection *c;

/* So few rows are read through an index only if all else is made dear; what is dear is compiled. */
static void setup(void) {
  c = open_url(url_with(NULL, NULL, "?options=-c%20enable_seqscan%3Doff%20-c%20jit%3Doff"));
}

static void teardown(void) { tested->close(c, false); }

/* The types that are made here. */
static const char own_types[] =
  "CREATE EXTENSION IF NOT EXISTS citext; DROP TABLE IF EXISTS pushed; DROP TYPE IF EXISTS p_size,"
  " p_pair CASCADE;"
  "DROP DOMAIN IF EXISTS p_small, p_word CASCADE; DROP COLLATION IF EXISTS p_folding, p_codepoints;"
  "CREATE TYPE p_size AS ENUM ('small', 'large', '1', 'Medium', 'it''s');"
  "CREATE TYPE p_pair AS (x int, y text); CREATE DOMAIN p_small AS smallint CHECK (VALUE < 100);"
  "CREATE DOMAIN p_word AS varchar(10) COLLATE \"C\";"
  "CREATE COLLATION p_codepoints (provider = libc, locale = 'C.UTF-8');"
  "CREATE COLLATION p_folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";

#define TEXTS "(NULL),(''),('a'),('A'),('a '),(' a'),('á'),('ab'),('b'),('É'),('é'),('😀'),('ß')," \
  "('ss')," \
  "('5'),('05'),('a_b'),('a%b'),('\\'),('zz'),('￿'),('aB'),('a'||chr(9)),('x*y'),('İ'),('ı'),('K')"
#define TEXT_CONSTANTS "'','a','A','a ','á','é','😀','ss','ß','b','zzz','\\',5,5.0,x'61','e'," \
  "'a%','_','%é'," \
  "'A_b','\\%','%a%','a\\_b','a*','[a-b]','?','￿','i','k','a  ','%'"
#define STAMPS "(NULL),('2026-01-01 00:00:00'),('2026-01-01 00:00:00.5'),('2026-01-02 10:00:00')," \
  "('9999-12-31 23:59:59.999999'),('10000-01-01'),('0001-01-01'),('0044-03-15 BC'),('infinity')," \
  "('-infinity'),('99999-01-01'),('0099-12-31 23:00:00')"
#define STAMP_CONSTANTS "'2026-01-01','2026-01-01 00:00:00','2026-01-01 00:00:00.5'," \
  "'2026-01-01 00:00:00.50'," \
  "'2026-01-02 10:00:00','2026-01-02T10:00:00','2026-01-02 10:00','abc'," \
  "'2026-01-02 10:00:00.000001'," \
  "'infinity','0044-03-15 BC','10000-01-01 00:00:00','9999-12-31 23:59:59.999999'," \
  "'0001-01-01 00:00:00'," \
  "'2026-02-30 00:00:00',2026,'','i','2026-01-%','%.5','% bc','%00'"

/* A column, its values, and what it is compared with, as SQLite's literals. */
static const struct type_case {
  const char *type, *values, *constants;
  bool unindexed;            /* has no order on the server */
} cases[] = {
  {"smallint", "(NULL),(0),(1),(-1),(32767),(-32768)",
   "0,1,-1,32767,32768,-32768,-32769,2.5,1e300,'5'", 0},
  {"integer", "(NULL),(0),(1),(-1),(5),(2147483647),(-2147483648)",
   "0,1,5,-1,2.5,5.0,-1.5,'5','5.0','05','abc','',x'35',1e300,-1e300,9223372036854775807", 0},
  {"bigint", "(NULL),(9007199254740993),(9007199254740992),(9223372036854775807),"
   "(-9223372036854775808)",
   "9007199254740993,9007199254740992.0,9223372036854775807,9.3e18,-9.3e18,-9223372036854775808,"
   "'9007199254740993',-9.2233720368547758e18,9.2233720368547758e18", 0},
  {"oid", "(NULL),(0),(5),(2147483648),(4294967295)",
   "0,5,-1,2147483648,4294967295,4294967296,4.5,1e300", 0},
  {"boolean", "(NULL),(true),(false)", "0,1,2,-1,'1',1.0,0.5,'true',x'01'", 0},
  {"real", "(NULL),(0),('-0'),(0.1),(1.5),(16777216),(3.4e38),('NaN'),('Infinity'),('-Infinity')",
   "0,0.1,0.10000000149011612,1.5,1,16777216,16777217,0.099999,3.3999999521443642e38,9e999,-9e999,"
   "'abc'", 0},
  {"double precision",
   "(NULL),(0),(0.1),('-0'),(1.5),(1e308),(-1e308),(9007199254740992),('NaN'),('Infinity'),"
   "('-Infinity')",
   "0,0.1,1.5,1,-1,1e308,9007199254740992,9007199254740993,'0.1','abc',9e999,-9e999,x'00',5e-324",
   0},
  {"numeric(10,2)", "(NULL),(0),(0.10),(1.50),(-1.50),(99999999.99),('NaN')",
   "0,0.1,1.5,-1.5,1,0.105,99999999.99,99999999.985,1e20,-1e20,'0.1','1.50','abc',1e-20,2,9e999",
   0},
  {"numeric(15,0)", "(NULL),(0),(999999999999999),(-999999999999999),('NaN')",
   "0,999999999999999,999999999999999.0,1e15,-999999999999999,0.5", 0},
  {"numeric(5,-2)", "(NULL),(0),(100),(1234500)", "0,100,101,1234500,1234500.0,99.5", 0},
  {"numeric(3,5)", "(NULL),(0),(0.00123),(0.00001)", "0,0.00123,0.00001,0.001,1", 0},
  {"numeric(38,20)",
   "(NULL),(0),(0.1),(0.10000000000000000001),(0.10000000000000001),(5),(123456789012345678.5),"
   "('NaN')",
   "0,0.1,5,5.0,123456789012345678,123456789012345680.0,0.1000000000000001", 0},
  {"numeric",
   "(NULL),(0),(0.1),(5.00),(9007199254740993),(9223372036854775807),(9223372036854775808),(1e30),"
   "(1e-30),"
   "(1e300),('NaN'),('Infinity'),('-Infinity'),(12345678901234567890.123),(1e400),(-1e400),"
   "(1e-400)",
   "0,0.1,5,9007199254740993,9007199254740992.0,9223372036854775807,9.2233720368547758e18,1e30,"
   "1e-30,9e999,"
   "-9e999,1e300,12345678901234567890.0,'5'", 0},
  {"text", TEXTS, TEXT_CONSTANTS, 0},
  {"text COLLATE \"C\"", TEXTS, TEXT_CONSTANTS, 0},
  {"text COLLATE p_codepoints", TEXTS, TEXT_CONSTANTS, 0},
  {"text COLLATE p_folding", TEXTS, TEXT_CONSTANTS, 0},
  {"text COLLATE \"en-US-x-icu\"", TEXTS, TEXT_CONSTANTS, 0},
  {"varchar(20)", TEXTS, TEXT_CONSTANTS, 0},
  {"name", TEXTS, TEXT_CONSTANTS, 0},
  {"char(10)", "(NULL),(''),('a'),('A'),('b  '),('é'),(' ')",
   "'','a','a ','b','b  ','A','é',' ','b%','_'", 0},
  {"char(10) COLLATE p_folding", "(NULL),(''),('a'),('A'),('b  '),('é'),('É')",
   "'','a','a ','b','A','é'", 0},
  {"\"char\"", "(NULL),('a'),('A'),('')", "'a','A','',97", 0},
  {"p_word", "(NULL),('a'),('A'),('a '),('')", "'a','A','','b','a '", 0},
  {"p_small", "(NULL),(1),(99)", "1,99,100,1.5,'1'", 0},
  {"p_size", "(NULL),('small'),('large'),('1'),('Medium'),('it''s')",
   "'small','large','1','2','medium','',1,2,'nope','it''s','l%'", 0},
  {"date",
   "(NULL),('2026-01-01'),('2026-01-02'),('9999-12-31'),('10000-01-01'),('0001-01-01'),"
   "('0044-03-15 BC'),"
   "('infinity'),('-infinity'),('5874897-12-31'),('4713-01-01 BC')",
   "'2026-01-01','2026-01-01 00:00:00','2026-02-30','2026-1-1','abc','9999-12-31','0001-01-01',"
   "2026,'20260101',"
   "'infinity','10000-01-01','0044-03-15 BC','','i','2026-01-01 00:00:01','2026-01%','% bc','_%'", 0},
  {"timestamp", STAMPS, STAMP_CONSTANTS, 0},
  {"timestamp(0)", STAMPS, STAMP_CONSTANTS, 0},
  {"timestamptz", STAMPS, STAMP_CONSTANTS, 0},
  {"time", "(NULL),('00:00:00'),('23:59:59.999999'),('24:00:00'),('10:00:00.5')",
   "'00:00:00','23:59:59.999999','24:00:00','10:00:00.5','10:00:00.50','10','0',5", 0},
  {"timetz", "(NULL),('00:00:00+00'),('10:00:00+02'),('10:00:00-03:30')",
   "'00:00:00+00','10:00:00+02','10:00:00-03:30','10'", 0},
  {"interval", "(NULL),('1 day'),('24:00:00'),('1 mon'),('30 days'),('-1 day')",
   "'1 day','24:00:00','1 mon','30 days','-1 days','1'", 0},
  {"uuid", "(NULL),('123e4567-e89b-12d3-a456-426655440000'),"
   "('00000000-0000-0000-0000-000000000001')",
   "'123e4567-e89b-12d3-a456-426655440000','123E4567-E89B-12D3-A456-426655440000','abc','','12%',"
   "5", 0},
  {"bytea", "(NULL),(''),('\\x00'),('\\x61'),('\\x6100'),('\\xff')",
   "x'',x'00',x'61',x'ff','a',5,x'6100'", 0},
  {"json", "(NULL),('{\"a\": 1}'),('{\"a\":1}'),('[]'),('null')",
   "'{\"a\": 1}','{\"a\":1}','[]','null','{%'", 1},
  {"jsonb", "(NULL),('{\"a\": 1}'),('{\"b\":2,\"a\":1}'),('[]'),('\"x\"'),('1.50')",
   "'{\"a\": 1}','{\"a\":1}','[]','{\"a\": 1, \"b\": 2}','\"x\"','1.50',1.5", 0},
  {"integer[]", "(NULL),('{}'),('{1,NULL,3}'),('{{1,2},{3,4}}')",
   "'[]','[1,null,3]','[[1,2],[3,4]]','{}',1", 0},
  {"text[]", "(NULL),('{}'),('{a,NULL,\"b c\",\"q\\\"q\"}')",
   "'[]','[\"a\",null,\"b c\",\"q\\\"q\"]','[%'", 0},
  {"p_pair", "(NULL),(ROW(1,'a')),(ROW(NULL,NULL)),(ROW(2,''))",
   "'{\"x\":1,\"y\":\"a\"}','{\"x\":null,\"y\":null}','(1,a)'", 0},
  {"inet", "(NULL),('10.0.0.1'),('10.0.0.1/32'),('10.0.0.0/8'),('::1')",
   "'10.0.0.1','10.0.0.1/32','10.0.0.0/8','::1'", 0},
  {"cidr", "(NULL),('10.0.0.0/8'),('10.0.0.1/32')", "'10.0.0.0/8','10.0.0.1','10.0.0.1/32'", 0},
  {"macaddr", "(NULL),('08:00:2b:01:02:03')", "'08:00:2b:01:02:03','08-00-2B-01-02-03'", 0},
  {"money", "(NULL),('1.50'),('-2'),('1000')", "'$1.50','1.50',1.5,'-$2.00','$1,000.00'", 0},
  {"bit(3)", "(NULL),('101'),('000')", "'101','000',5,'1'", 0},
  {"bit varying(8)", "(NULL),('101'),(''),('10101010')", "'101','','1',5", 0},
  {"int4range", "(NULL),('[1,5)'),('empty'),('(,)')", "'[1,5)','empty','(,)','[1,4]'", 0},
  {"int4multirange", "(NULL),('{[1,5)}'),('{}')", "'{[1,5)}','{}'", 0},
  {"tsvector", "(NULL),('a b'),('''x y'':1')", "'''a'' ''b''','a b','''x y'':1'", 0},
  {"citext", "(NULL),('a'),('A'),('é'),('')", "'a','A','é','','%A','b',5", 0},
  {"xml", "(NULL),('<a/>'),('<b>x</b>')", "'<a/>','<b>x</b>'", 1},
  {"point", "(NULL),('(1,2)')", "'(1,2)','1,2'", 1},
};

enum { N_CASES = sizeof cases / sizeof cases[0] };

static void compare_case(const struct type_case *t, bool indexed) {
  char sql[1500];
  comparison x;
  exec(c, own_types);
  snprintf(sql, sizeof sql, "CREATE TABLE pushed (id serial PRIMARY KEY, a %s)", t->type);
  exec(c, sql);
  for (int i = 0; i < 2; i++) {   /* each value twice: DISTINCT */
    snprintf(sql, sizeof sql, "INSERT INTO pushed (a) VALUES %s", t->values);
    exec(c, sql);
  }
  exec_and_reset(c, indexed ? "CREATE INDEX ON pushed (a); ANALYZE pushed" : "ANALYZE pushed");
  catalog *k = discover(c);
  comparison_open(&x, c, relation_of(k, "pushed"), "id", "a");
  comparison_run(&x, t->constants);
  ck_assert_int_gt(x.pushed, 0);
  comparison_close(&x);
  catalog_release(k);
}

START_TEST(pushed_rows_are_sqlites) {
  const struct type_case *t = &cases[_i / 2];
  if (_i % 2 && t->unindexed) return;
  compare_case(t, _i % 2);
}
END_TEST

/* ---- the index ------------------------------------------------------------------ */

static void expect_index(const relation *r, const char *name, query_operator op, const value *v) {
  buffer got = {0};
  exec(c, "BEGIN");
  comparison_find(c, r, "id", name, op, v, &got);
  int read = atoi(rows_of(
    c, "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'indexed'"));
  exec(c, "ROLLBACK");
  ck_assert_msg(read == 0, "%s %s without an index", name, query_operator_name(op));
  ck_assert_msg(got.length > 0, "%s %s found nothing", name, query_operator_name(op));
  buffer_free(&got);
}

START_TEST(comparisons_use_the_servers_index) {
  static const char columns[] = "i t n o d f g m y z b u k";
  char sql[100];
  exec(c, "DROP TABLE IF EXISTS indexed; CREATE TABLE indexed (id int PRIMARY KEY, i int, t text,"
          " n text COLLATE \"C\", o text COLLATE \"C.utf8\", d numeric(10,2), f float8, g float4, m timestamp, y date,"
          " z timestamptz, b bytea,"
          " u uuid, k char(10))");
  exec(c, "INSERT INTO indexed SELECT s, s, 'Näme' || s, 'name' || s, 'name' || s, s / 4.0, s / 4.0, s / 4.0,"
          " timestamp '2020-01-01' + s * interval '1 minute', date '1990-01-01' + s,"
          " timestamptz '2020-01-01 UTC' + s * interval '1 minute', decode(lpad(to_hex(s), 8,"
          " '0'), 'hex'),"
          " ('00000000-0000-0000-0000-' || lpad(to_hex(s), 12, '0'))::uuid,"
          " 'k' || s FROM generate_series(1, 20000) s");
  for (const char *at = columns; *at; at += at[1] ? 2 : 1) {
    snprintf(sql, sizeof sql, "CREATE INDEX ON indexed (%c)", *at);
    exec(c, sql);
  }
  tested->close(c, false);
  c = open_url(server_url);
  exec_and_reset(c, "ANALYZE indexed");
  catalog *k = discover(c);
  const relation *r = relation_of(k, "indexed");
  value five = {.storage = STORAGE_INTEGER, .integer = 5};
  value quarter = {.storage = STORAGE_REAL, .real = 1.25};
  value bytes = {.storage = STORAGE_BLOB, .bytes = "\0\0\0\7", .length = 4};
  value moment = text_value("2020-01-01 00:05:00"), low = text_value("name100");
  value texts[] = {text_value("Näme5"), text_value("Näme6")};
  value days[] = {text_value("1990-01-03"), text_value("1990-01-04")};
  value numbers[] = {five, {.storage = STORAGE_INTEGER, .integer = 7}};
  value uuids[] = {text_value("00000000-0000-0000-0000-000000000011"),
    text_value("00000000-0000-0000-0000-000000000012")};
  value text_list = {.storage = STORAGE_LIST, .list = texts, .n_list = 2};
  value day_list = {.storage = STORAGE_LIST, .list = days, .n_list = 2};
  value number_list = {.storage = STORAGE_LIST, .list = numbers, .n_list = 2};
  value uuid_list = {.storage = STORAGE_LIST, .list = uuids, .n_list = 2};
  value padded = text_value("k5");
  expect_index(r, "i", OP_EQ, &five);
  expect_index(r, "i", OP_LT, &five);
  expect_index(r, "i", OP_IN, &number_list);
  expect_index(r, "t", OP_EQ, &texts[0]);
  expect_index(r, "t", OP_IN, &text_list);
  expect_index(r, "n", OP_LT, &low);
  expect_index(r, "o", OP_LT, &low);
  expect_index(r, "d", OP_EQ, &quarter);
  expect_index(r, "d", OP_LE, &quarter);
  expect_index(r, "d", OP_IN, &number_list);
  expect_index(r, "f", OP_EQ, &quarter);
  expect_index(r, "f", OP_IN, &number_list);
  expect_index(r, "g", OP_EQ, &quarter);
  expect_index(r, "m", OP_EQ, &moment);
  expect_index(r, "m", OP_LE, &moment);
  expect_index(r, "y", OP_IN, &day_list);
  expect_index(r, "z", OP_EQ, &moment);
  expect_index(r, "z", OP_LT, &moment);
  expect_index(r, "b", OP_EQ, &bytes);
  expect_index(r, "u", OP_EQ, &uuids[0]);
  expect_index(r, "u", OP_IN, &uuid_list);
  expect_index(r, "k", OP_EQ, &padded);
  catalog_release(k);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("postgres pushdown");
  TCase *t = tcase_create("differential");
  tcase_set_timeout(t, 40);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, pushed_rows_are_sqlites, 0, 2 * N_CASES);
  tcase_add_test(t, comparisons_use_the_servers_index);
  suite_add_tcase(s, t);
  return s;
}

int main(void) {
  fixture_start(tskdb_driver_postgres, "TSKDB_TEST_POSTGRES");
  return suite_run(suite());
}
