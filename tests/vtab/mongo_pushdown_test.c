/*
** mongo_pushdown_test.c - what the MongoDB driver pushes is what SQLite would
** have answered: for fields of every type, mixed and held to one type by a
** validator, the documents that the server gives are compared with native
** SQLite's rows over the same values, with and without an index on the field.
** Budget: 60 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdio.h>
#include <string.h>

#include "tests/vtab/pushdown_comparison.h"

extern driver_entry tskdb_driver_mongo;

static connection *c;

static void setup(void) { c = open_url(server_url); }
static void teardown(void) { tested->close(c, false); }

#define NUMBERS "0|1|-1|5|2147483648|9007199254740992|{'$numberLong':'9007199254740993'}" \
  "|{'$numberLong':'9223372036854775807'}|{'$numberLong':'-9223372036854775808'}"
#define DOUBLES "0.0|-0.0|0.1|1.5|1e308|-1e308|9007199254740992.0|{'$numberDouble':'NaN'}" \
  "|{'$numberDouble':'Infinity'}|{'$numberDouble':'-Infinity'}"
#define DECIMALS "{'$numberDecimal':'0.1'}|{'$numberDecimal':'5'}|{'$numberDecimal':'NaN'}" \
  "|{'$numberDecimal':'5.0000000000000000000000001'}|{'$numberDecimal':'1E+400'}" \
  "|{'$numberDecimal':'9007199254740993'}|{'$numberDecimal':'Infinity'}"
#define TEXTS "''|'a'|'A'|'a '|' a'|'á'|'ab'|'b'|'É'|'é'|'😀'|'ß'|'ss'|'5'|'05'|'5.0'|'a_b'|'a%b'" \
  "|'\\\\\\\\'|'zz'|'aB'|'x*y'|'İ'|'K'|'a\\u0000b'|'{'|'['|'2026-01-05 00:00:00'"
#define STAMPS "{'$date':'2026-01-01T00:00:00Z'}|{'$date':'2026-01-01T00:00:00.500Z'}" \
  "|{'$date':'2026-01-02T10:00:00Z'}|{'$date':{'$numberLong':'-1'}}" \
  "|{'$date':{'$numberLong':'253402300799999'}}|{'$date':{'$numberLong':'253402300800000'}}" \
  "|{'$date':{'$numberLong':'-62135596800000'}}|{'$date':{'$numberLong':'-62135596800001'}}" \
  "|{'$date':{'$numberLong':'9000000000000000'}}|{'$date':{'$numberLong':'-9000000000000000'}}"
#define BLOBS                                                                                      \
  "{'$binary':{'base64':'','subType':'00'}}|{'$binary':{'base64':'YWI=','subType':'00'}}"          \
  "|{'$binary':{'base64':'YWI=','subType':'05'}}|{'$binary':{'base64':'/w==','subType':'80'}}"     \
  "|{'$binary':{'base64':'oO68mZwLTviLtm1rubvTgBE=','subType':'00'}}"
#define IDENTIFIERS "{'$oid':'000000000000000000000005'}|{'$oid':'a0eebc999c0b4ef8bb6d6bb9'}" \
  "|{'$uuid':'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'}"
#define OTHERS "true|false|{'$regularExpression':{'pattern':'a','options':''}}|{'$symbol':'b'}" \
  "|{'$timestamp':{'t':5,'i':1}}|{'$minKey':1}|{'$maxKey':1}|{'$code':'x'}|{'$undefined':true}" \
  "|{'$dbPointer':{'$ref':'r','$id':{'$oid':'000000000000000000000005'}}}"
#define NESTED "[]|[5]|['a']|[null]|[[1]]|{}|{'b':1}|['5',5]|[true]"

#define NUMBER_CONSTANTS "0,1,5,-1,2.5,5.0,-1.5,'5','5.0','abc','',x'35',1e300,-1e300," \
  "9007199254740993,9007199254740992.0,9223372036854775807,9.3e18,-9.3e18,0.1,9e999,-9e999"
#define TEXT_CONSTANTS "'','a','A','a ','á','é','😀','ss','ß','b','zzz','\\',5,5.0,x'61','e'," \
  "'a%','_','%é','A_b','\\%','%a%','a*','[a-b]','?','i','k','a  ','%','{','[','5','a'||char(0)||'%'"
#define STAMP_CONSTANTS "'2026-01-01','2026-01-01 00:00:00','2026-01-01 00:00:00.5'," \
  "'2026-01-01 00:00:00.50','2026-01-02 10:00:00','2026-01-02T10:00:00','abc'," \
  "'2026-01-02 10:00:00.000001','0001-01-01 00:00:00','9999-12-31 23:59:59.999'," \
  "'10000-01-01 00:00:00','0044-03-15 00:00:00 BC','2026-02-30 00:00:00',2026,'','i',x'61'"
#define OTHER_CONSTANTS "0,1,'a0eebc999c0b4ef8bb6d6bb9','a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'," \
  "'A0EEBC999C0B4EF8BB6D6BB9','000000000000000000000005',5,5.5,x'',x'6162',x'ff',x'61','f','g'," \
  "'!','{\"$symbol\":\"b\"}','[5]','[]','{}','{\"b\":1}','~','{%','%5%',1e23," \
  "x'a0eebc999c0b4ef88bb66d6bb9bbd38011'"

/* What the field is held to (NULL: nothing), its values, and what it is compared with. */
static const struct field_case {
  const char *type, *values, *constants;
} cases[] = {
  {"'int'", "null|0|1|-1|5|2147483647|-2147483648", NUMBER_CONSTANTS},
  {"'long'", "null|{'$numberLong':'0'}|{'$numberLong':'9007199254740993'}"
   "|{'$numberLong':'9223372036854775807'}|{'$numberLong':'-9223372036854775808'}",
   NUMBER_CONSTANTS ",9007199254740994,-9223372036854775808"},
  {"'double'", "null|" DOUBLES, NUMBER_CONSTANTS},
  {"'bool'", "null|true|false", "0,1,2,-1,'1',1.0,0.5,'true',x'01'"},
  {"'string'", "null|" TEXTS, TEXT_CONSTANTS},
  {"'date'", "null|" STAMPS, STAMP_CONSTANTS},
  {"'decimal'", "null|" DECIMALS, NUMBER_CONSTANTS},
  {"'objectId'", "null|{'$oid':'000000000000000000000005'}|{'$oid':'a0eebc999c0b4ef8bb6d6bb9'}",
   OTHER_CONSTANTS},
  {"'binData'", "null|" BLOBS "|{'$uuid':'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'}", OTHER_CONSTANTS},
  {"'int','string'", "null|0|5|'5'|'a'|''", NUMBER_CONSTANTS ",'a','A','%5'"},
  {"'number'", "null|0|" DOUBLES "|" DECIMALS, NUMBER_CONSTANTS},
  {"'string','date'", "null|" STAMPS "|'2026-01-01 00:00:00'|'a'", STAMP_CONSTANTS},
  {NULL, "null|" NUMBERS "|" DOUBLES "|" DECIMALS "|'5'|'a'|true", NUMBER_CONSTANTS},
  {NULL, "null|" TEXTS "|" NESTED "|5|true", TEXT_CONSTANTS},
  {NULL, "null|" STAMPS "|'2026-01-01 00:00:00'|5", STAMP_CONSTANTS},
  {NULL, "null|" BLOBS "|" IDENTIFIERS "|" OTHERS "|" NESTED, OTHER_CONSTANTS},
};

enum { N_CASES = sizeof cases / sizeof cases[0] };

/* Runs FORMAT, in which ' stands for ". */
__attribute__((format(printf, 1, 2))) static void run(const char *format, ...) {
  char text[2000];
  va_list args;
  va_start(args, format);
  ck_assert_int_lt(vsnprintf(text, sizeof text, format, args), sizeof text);
  va_end(args);
  for (char *p = text; *p; p++) *p = *p == '\'' ? '"' : *p;
  exec(c, text);
}

static void drop(const char *name) {
  tskdb_error e = {0};
  int64_t n;
  char text[100];
  snprintf(text, sizeof text, "{\"drop\":\"%s\"}", name);
  tested->exec(c, text, NULL, 0, &patient, &n, &e);   /* it may not be there */
}

/* A document for each value, and one without; each twice, for DISTINCT. */
static void insert_values(const char *values) {
  buffer text = {0};
  int id = 0;
  buffer_text(&text, "{'insert':'pushed','documents':[");
  for (int twice = 0; twice < 2; twice++) {
    for (const char *v = values; *v; v += *v == '|') {
      size_t n = strcspn(v, "|");
      buffer_printf(&text, "{'_id':%d,'a':%.*s},", id++, (int)n, v);
      v += n;
    }
    buffer_printf(&text, "{'_id':%d}%s", id++, twice ? "]}" : ",");
  }
  for (size_t i = 0; i < text.length; i++) text.text[i] = text.text[i] == '\'' ? '"' : text.text[i];
  exec(c, buffer_cstr(&text));
  buffer_free(&text);
}

static void compare_case(const struct field_case *t, bool indexed) {
  comparison x;
  drop("pushed");
  if (t->type) {
    run(
      "{'create':'pushed','validator':{'$jsonSchema':{'properties':{'a':{'bsonType':[%s,"
      "'null']}}}}}",
      t->type);
  }
  insert_values(t->values);
  if (indexed) run("{'createIndexes':'pushed','indexes':[{'key':{'a':1},'name':'a'}]}");
  catalog *k = discover(c);
  comparison_open(&x, c, relation_of(k, "pushed"), "_id", "a");
  ck_assert_msg(!t->type || x.relation->columns[x.column].type_detail != 0x1ff,
                "the validator is not seen");
  comparison_run(&x, t->constants);
  ck_assert_int_gt(x.pushed, 0);
  comparison_close(&x);
  catalog_release(k);
}

START_TEST(pushed_documents_are_sqlites) { compare_case(&cases[_i / 2], _i % 2); }
END_TEST

/* ---- counted groups ------------------------------------------------------------------ */

START_TEST(equal_rows_come_once_with_their_number) {
  asked a;
  buffer got = {0};
  tskdb_error e = {0};
  reason why;
  drop("pushed");
  run(
    "{'create':'pushed','validator':{'$jsonSchema':{'properties':{'a':{'bsonType':['int',"
    "'null']}}}}}");
  insert_values("1|2|null");
  catalog *k = discover(c);
  const relation *r = relation_of(k, "pushed");
  int at = column_at(r, "a");
  pushdown_context p = {.driver = tested, .version = c->version, .enabled = true};
  query_expr by = {.kind = EXPR_COLUMN, .column = at};
  by.row = pushdown_find(&p, OP_DISTINCT, &r->columns[at], COLLATION_BINARY, &why);
  query_expr both[2] = {by, {.kind = EXPR_COUNT}};
  query_order order = {.column = by};
  ask_column(&a, r, at);
  a.q.select = both;
  a.q.n_select = 2;
  a.q.group_by = &by;
  a.q.n_group_by = 1;
  a.q.count = tested->count_column;
  a.q.order_by = &order;
  a.q.n_order_by = 1;
  compile(&a, c);
  fetch_text(c, &a.request, &got, &e);
  assert_no_error(&e, a.request.text);
  ck_assert_str_eq(buffer_cstr(&got), "NULL|4\n1|2\n2|2\n");
  buffer_clear(&got);
  a.q.select = &both[1];
  a.q.n_select = 1;
  a.q.n_group_by = a.q.n_order_by = 0;
  compile(&a, c);
  fetch_text(c, &a.request, &got, &e);
  ck_assert_str_eq(buffer_cstr(&got), "8\n");
  buffer_free(&got);
  arena_free(&a.memory);
  catalog_release(k);
}
END_TEST

/* ---- the index -------------------------------------------------------------------------- */

/* The server refuses whatever would read a whole collection. */
static void expect_index(const relation *r, query_operator op, value v) {
  buffer got = {0};
  comparison_find(c, r, "_id", "a", op, &v, &got);
  ck_assert_msg(got.length > 0, "%s found nothing", query_operator_name(op));
  buffer_free(&got);
}

START_TEST(comparisons_use_the_servers_index) {
  value numbers[] = {{.storage = STORAGE_INTEGER, .integer = 5},
                     {.storage = STORAGE_REAL, .real = 1.5}};
  value list = {.storage = STORAGE_LIST, .list = numbers, .n_list = 2};
  drop("pushed");
  insert_values(
    "null|1.5|5|'a'|'b'|{'$date':'2026-01-01T00:00:00Z'}|{'$oid':'a0eebc999c0b4ef8bb6d6bb9'}");
  run("{'createIndexes':'pushed','indexes':[{'key':{'a':1},'name':'a'}]}");
  catalog *k = discover(c);
  const relation *r = relation_of(k, "pushed");
  run("{'setParameter':1,'notablescan':true,'$db':'admin'}");
  expect_index(r, OP_EQ, numbers[0]);
  expect_index(r, OP_EQ, numbers[1]);
  expect_index(r, OP_IN, list);
  expect_index(r, OP_LT, numbers[0]);
  expect_index(r, OP_GE, numbers[0]);
  expect_index(r, OP_EQ, text_value("a"));
  expect_index(r, OP_EQ, text_value("a0eebc999c0b4ef8bb6d6bb9"));
  expect_index(r, OP_EQ, text_value("2026-01-01 00:00:00"));
  expect_index(r, OP_GE, text_value("2026-01-01"));
  expect_index(r, OP_LE, text_value("2026-01-02"));
  expect_index(r, OP_GT, text_value("a"));
  expect_index(r, OP_GLOB, text_value("a*"));
  catalog_release(k);
}
END_TEST

/* Also after a test that was killed. */
static void allow_scans(void) {
  setup();
  run("{'setParameter':1,'notablescan':false,'$db':'admin'}");
  teardown();
}

static Suite *suite(void) {
  Suite *s = suite_create("mongo pushdown");
  TCase *t = tcase_create("differential"), *i = tcase_create("index");
  tcase_set_timeout(t, 40);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, pushed_documents_are_sqlites, 0, 2 * N_CASES);
  tcase_add_test(t, equal_rows_come_once_with_their_number);
  tcase_add_unchecked_fixture(i, NULL, allow_scans);
  tcase_add_checked_fixture(i, setup, teardown);
  tcase_add_test(i, comparisons_use_the_servers_index);
  suite_add_tcase(s, t);
  suite_add_tcase(s, i);
  return s;
}

int main(void) {
  fixture_start(tskdb_driver_mongo, "TSKDB_TEST_MONGO");
  return suite_run(suite());
}
