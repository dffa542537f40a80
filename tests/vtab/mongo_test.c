/*
** mongo_test.c - the MongoDB driver on a real server: types at their ends,
** discovery, validators, native commands and pipelines, errors.
** Budget: 40 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vtab/driver_fixture.h"

extern driver_entry tskdb_driver_mongo;

static connection *c;

static void teardown(void) { tested->close(c, false); }

static void drop(const char *name) {
  tskdb_error e = {0};
  int64_t n;
  char text[200];
  snprintf(text, sizeof text, "{\"drop\":\"%s\"}", name);
  tested->exec(c, text, NULL, 0, &patient, &n, &e);   /* it may not be there */
}

/* Every test begins with an empty database. */
static void setup(void) {
  c = open_url(server_url);
  exec(c, "{\"dropDatabase\":1}");
}

/* ---- types ------------------------------------------------------------------------- */

/* A value in extended JSON, and what SQLite sees of it: quote() of it, but text as it is. */
static const struct { const char *json, *expected; } values[] = {
  {"null", "NULL"},
  {"{\"$undefined\":true}", "NULL"},
  {"true", "1"},
  {"false", "0"},
  {"0", "0"},
  {"-2147483648", "-2147483648"},
  {"2147483647", "2147483647"},
  {"{\"$numberLong\":\"-9223372036854775808\"}", "-9223372036854775808"},
  {"{\"$numberLong\":\"9223372036854775807\"}", "9223372036854775807"},
  {"1.5", "1.5"},
  {"{\"$numberDouble\":\"NaN\"}", "NULL"},
  {"{\"$numberDouble\":\"Infinity\"}", "Infinity"},
  {"{\"$numberDouble\":\"-Infinity\"}", "-Infinity"},
  {"{\"$numberDecimal\":\"NaN\"}", "NULL"},
  {"{\"$numberDecimal\":\"1.10\"}", "1.1"},
  {"{\"$numberDecimal\":\"5.000\"}", "5"},
  {"{\"$numberDecimal\":\"1E+3\"}", "1000"},
  {"{\"$numberDecimal\":\"9999999999999999999999999999999999\"}", "1e+34"},
  {"{\"$numberDecimal\":\"-Infinity\"}", "-Infinity"},
  {"{\"$numberDecimal\":\"-NaN\"}", "NULL"},
  {"{\"$numberDecimal\":\"-0\"}", "0"},
  {"{\"$numberDecimal\":\"9223372036854775807\"}", "9223372036854775807"},
  {"{\"$numberDecimal\":\"9223372036854775808\"}", "9.223372036854776e+18"},
  {"{\"$numberDecimal\":\"1E-6176\"}", "0"},
  {"{\"$numberDecimal\":\"9.999999999999999999999999999999999E+6144\"}", "Infinity"},
  {"{\"$numberDouble\":\"-0.0\"}", "0.0"},
  {"{\"$numberDouble\":\"5e-324\"}", "4.94065645841247e-324"},
  {"{\"$numberDouble\":\"1.7976931348623157e308\"}", "1.7976931348623157e+308"},
  {"\"\"", ""},
  {"\"it's 😀\"", "it's 😀"},
  {"{\"$oid\":\"0123456789abcdef01234567\"}", "0123456789abcdef01234567"},
  {"{\"$date\":\"2026-01-05T12:34:56.007Z\"}", "2026-01-05 12:34:56.007"},
  {"{\"$date\":{\"$numberLong\":\"0\"}}", "1970-01-01 00:00:00"},
  {"{\"$date\":{\"$numberLong\":\"-1\"}}", "1969-12-31 23:59:59.999"},
  {"{\"$date\":{\"$numberLong\":\"-62135596800001\"}}", "0001-12-31 23:59:59.999 BC"},
  {"{\"$date\":{\"$numberLong\":\"253402300800000\"}}", "10000-01-01 00:00:00"},
  {"{\"$date\":{\"$numberLong\":\"9223372036854775807\"}}", "292278994-08-17 07:12:55.807"},
  {"{\"$date\":{\"$numberLong\":\"-9223372036854775808\"}}", "292275056-05-16 16:47:04.192 BC"},
  {"{\"$binary\":{\"base64\":\"\",\"subType\":\"00\"}}", "x''"},
  {"{\"$binary\":{\"base64\":\"AP8=\",\"subType\":\"00\"}}", "x'00ff'"},
  {"{\"$binary\":{\"base64\":\"AP8=\",\"subType\":\"80\"}}", "x'00ff'"},
  {"{\"$uuid\":\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
  {"{\"$binary\":{\"base64\":\"oO68mZwLTvi7bWu5vTgKEQ==\",\"subType\":\"03\"}}",
   "x'a0eebc999c0b4ef8bb6d6bb9bd380a11'"},
  {"[]", "[]"},
  {"[1,[null,\"a\\\"b\"],{\"x\":1}]", "[1,[null,\"a\\\"b\"],{\"x\":1}]"},
  {"{}", "{}"},
  {"{\"a\":{\"$numberLong\":\"5\"}}", "{\"a\":5}"},
  {"{\"$regularExpression\":{\"pattern\":\"a\",\"options\":\"i\"}}",
   "{\"$regularExpression\":{\"pattern\":\"a\",\"options\":\"i\"}}"},
  {"{\"$timestamp\":{\"t\":5,\"i\":1}}", "{\"$timestamp\":{\"t\":5,\"i\":1}}"},
  {"{\"$symbol\":\"s\"}", "{\"$symbol\":\"s\"}"},
  {"{\"$code\":\"x\"}", "{\"$code\":\"x\"}"},
  {"{\"$minKey\":1}", "{\"$minKey\":1}"},
  {"{\"$maxKey\":1}", "{\"$maxKey\":1}"},
};

enum { N_VALUES = sizeof values / sizeof values[0] };

static void insert_value(int id, const char *json) {
  char text[500];
  snprintf(text, sizeof text, "{\"insert\":\"kinds\",\"documents\":[{\"_id\":%d,\"v\":%s}]}", id,
           json);
  exec(c, text);
}

START_TEST(each_value_has_the_type_of_its_own) {
  buffer expected = {0};
  for (int i = 0; i < N_VALUES; i++) {
    insert_value(i, values[i].json);
    buffer_printf(&expected, "%s\n", values[i].expected);
  }
  ck_assert_str_eq(read_column(c, "kinds", "v"), buffer_cstr(&expected));
  buffer_free(&expected);
}
END_TEST

START_TEST(a_decimal_keeps_its_digits_if_asked_to) {
  static const discovery want = {.numeric_text = true};
  buffer got = {0};
  asked a;
  tskdb_error e = {0};
  insert_value(1, "{\"$numberDecimal\":\"1.10\"}");
  insert_value(2, "{\"$numberDecimal\":\"NaN\"}");
  insert_value(3, "1.5");
  catalog *k = discover_with(c, &want);
  const relation *r = relation_of(k, "kinds");
  ask_column(&a, r, column_at(r, "v"));
  compile(&a, c);
  fetch_text(c, &a.request, &got, &e);
  assert_no_error(&e, a.request.text);
  ck_assert_str_eq(buffer_cstr(&got), "1.10\nNULL\n1.5\n");
  arena_free(&a.memory);
  catalog_release(k);
  buffer_free(&got);
}
END_TEST

START_TEST(a_document_of_16_mb_arrives) {
  enum { LENGTH = 16 * 1024 * 1024 - 60 };
  buffer text = {0};
  char *long_text = malloc(LENGTH + 1);
  memset(long_text, 'x', LENGTH);
  long_text[LENGTH] = 0;
  buffer_printf(&text, "{\"insert\":\"big\",\"documents\":[{\"_id\":1,\"t\":\"%s\"}]}", long_text);
  exec(c, buffer_cstr(&text));
  buffer_free(&text);
  const char *got = read_column(c, "big", "t");
  ck_assert_uint_eq(strlen(got), LENGTH + 1);
  ck_assert_uint_gt(strlen(read_column(c, "big", "_doc")), LENGTH);
  free(long_text);
}
END_TEST

START_TEST(a_hundred_levels_arrive_as_json) {
  enum { LEVELS = 95 }; /* the server itself refuses more than 100 with the command around it */
  buffer text = {0};
  buffer_text(&text, "{\"insert\":\"deep\",\"documents\":[{\"_id\":1");
  for (int i = 0; i < LEVELS; i++) buffer_text(&text, ",\"a\":{\"b\":1");
  for (int i = 0; i < LEVELS; i++) buffer_char(&text, '}');
  buffer_text(&text, "}]}");
  exec(c, buffer_cstr(&text));
  buffer_free(&text);
  const char *got = read_column(c, "deep", "_doc");
  int levels = 0;
  for (const char *at = got; (at = strstr(at, "\"a\"")) != NULL; at++) levels++;
  ck_assert_int_eq(levels, LEVELS);
}
END_TEST

/* ---- discovery ------------------------------------------------------------------------- */

/* "name class seen" of each column, one a line. */
static const char *columns_of(const relation *r) {
  static buffer out;
  buffer_clear(&out);
  for (int i = 0; i < r->n_columns; i++) {
    const column *k = &r->columns[i];
    buffer_printf(&out, "%s|%s|%s%s\n", k->name, value_class_name(k->klass),
                  k->seen ? k->seen : "-", k->flags & COLUMN_NOT_NULL ? "|not null" : "");
  }
  return buffer_cstr(&out);
}

START_TEST(columns_come_from_a_sample) {
  exec(c,
       "{\"insert\":\"people\",\"documents\":["
       "{\"_id\":1,\"name\":\"Ada\",\"at\":{\"city\":\"London\",\"geo\":{\"x\":1.5}},\"tags\":[1]},"
       "{\"_id\":2,\"name\":null,\"at\":{\"city\":\"Paris\"}},"
       "{\"_id\":\"s\",\"name\":5,\"at\":\"nowhere\",\"a.b\":1,\"$c\":2,\"\":3,\"q\\\"'`\":4}]}");
  catalog *k = discover(c);
  const relation *r = relation_of(k, "people");
  ck_assert_str_eq(columns_of(r),
                   "_id|mixed|string 1, int 2\n"
                   "name|mixed|string 1, null 1, int 1\n"
                   "at|mixed|string 1, object 2\n"
                   "at.city|mixed|string 2\n"
                   "at.geo.x|mixed|double 1\n"
                   "tags|mixed|array 1\n"
                   "a.b|mixed|int 1\n"
                   "$c|mixed|int 1\n"
                   "column9|mixed|int 1\n"
                   "q\"'`|mixed|int 1\n"
                   "_doc|text|-\n"
                   "_key|text|-\n");
  ck_assert_double_eq(r->sampled, 3);
  ck_assert_double_eq(r->rows, 3);
  ck_assert_double_eq(r->columns[column_at(r, "at.geo.x")].present, 1);
  ck_assert_int_eq(r->n_key, 1);
  ck_assert_str_eq(r->columns[r->key[0]].name, "_key");
  catalog_release(k);
  ck_assert_str_eq(read_column(c, "people", "at"),
                   "{\"city\":\"London\",\"geo\":{\"x\":1.5}}\n{\"city\":\"Paris\"}\nnowhere\n");
  ck_assert_str_eq(read_column(c, "people", "at.geo.x"), "1.5\nNULL\nNULL\n");
  ck_assert_str_eq(read_column(c, "people", "a.b"), "NULL\nNULL\n1\n");
  ck_assert_str_eq(read_column(c, "people", "$c"), "NULL\nNULL\n2\n");
  ck_assert_str_eq(read_column(c, "people", ""), "NULL\nNULL\n3\n");
  ck_assert_str_eq(read_column(c, "people", "_key"),
                   "{\"$numberInt\":\"1\"}\n{\"$numberInt\":\"2\"}\n\"s\"\n");
}
END_TEST

START_TEST(options_name_depth_and_fields) {
  static const char *const fields[] = {"deep.unseen.x", "tskdb_test.deep.other", "another.y"};
  const discovery want = {.depth = 2, .columns = fields, .n_columns = 3, .sample = 1};
  exec(
    c,
    "{\"insert\":\"deep\",\"documents\":[{\"_id\":1,\"a\":{\"b\":{\"c\":{\"d\":1}}}},"
    "{\"_id\":2}]}");
  catalog *k = discover_with(c, &want);
  const relation *r = relation_of(k, "deep");
  ck_assert_double_eq(r->sampled, 1);
  column_at(r, "unseen.x");
  column_at(r, "other");
  for (int i = 0; i < r->n_columns; i++) ck_assert_str_ne(r->columns[i].remote_name, "y");
  catalog_release(k);
}
END_TEST

START_TEST(kinds_of_relations_have_their_identity) {
  exec(c, "{\"insert\":\"plain\",\"documents\":[{\"_id\":1,\"a\":5}]}");
  exec(c, "{\"create\":\"empty\"}");
  exec(c, "{\"create\":\"seen\",\"viewOn\":\"plain\",\"pipeline\":[]}");
  exec(c, "{\"create\":\"series\",\"timeseries\":{\"timeField\":\"t\"}}");
  exec(
    c,
    "{\"insert\":\"series\",\"documents\":[{\"t\":{\"$date\":\"2026-01-01T00:00:00Z\"},\"v\":1}]}");
  exec(
    c,
    "{\"create\":\"broken\",\"viewOn\":\"plain\","
    "\"pipeline\":[{\"$project\":{\"z\":{\"$divide\":[1,0]}}}]}");
  exec(
    c,
    "{\"createIndexes\":\"plain\",\"indexes\":[{\"key\":{\"a\":1,\"_id\":-1},\"name\":\"both\","
    "\"unique\":true},"
    "{\"key\":{\"a\":\"text\"},\"name\":\"words\"}]}");
  catalog *k = discover(c);
  const relation *plain = relation_of(k, "plain"), *series = relation_of(k, "series");
  ck_assert_int_eq(k->n_relations, 5);
  ck_assert_int_eq(plain->n_key, 1);
  ck_assert_int_eq(plain->n_indexes, 3);
  for (int i = 0; i < plain->n_indexes; i++) {
    const relation_index *x = &plain->indexes[i];
    if (strcmp(x->name, "both") == 0) ck_assert(x->unique && !x->partial && x->n_columns == 2);
    if (strcmp(x->name, "words") == 0) ck_assert(x->partial);
  }
  ck_assert_int_eq(relation_of(k, "empty")->n_columns, 3);
  ck_assert_int_eq(relation_of(k, "seen")->kind, RELATION_VIEW);
  ck_assert_int_eq(relation_of(k, "seen")->n_key, 0);
  ck_assert_int_eq(series->kind, RELATION_TIMESERIES);
  ck_assert_int_eq(series->n_key, 0);
  ck_assert_ptr_nonnull(strstr(relation_of(k, "broken")->unusable, "divide"));
  catalog_release(k);
  ck_assert_str_eq(read_column(c, "series", "v"), "1\n");
}
END_TEST

START_TEST(a_strict_validator_gives_types) {
  exec(
    c,
    "{\"create\":\"held\",\"validator\":{\"$jsonSchema\":{\"required\":[\"n\",\"at\"],"
    "\"properties\":{"
    "\"n\":{\"bsonType\":\"int\"},\"s\":{\"bsonType\":[\"string\",\"null\"]},"
    "\"m\":{\"bsonType\":[\"int\",\"string\"]},\"unseen\":{\"bsonType\":\"date\"},"
    "\"at\":{\"bsonType\":\"object\",\"required\":[\"x\"],"
    "\"properties\":{\"x\":{\"bsonType\":\"double\"},"
    "\"y\":{\"bsonType\":\"long\"}}}}}}}");
  exec(
    c,
    "{\"insert\":\"held\",\"documents\":[{\"_id\":1,\"n\":5,\"s\":\"a\",\"m\":1,"
    "\"at\":{\"x\":1.5}}]}");
  exec(
    c,
    "{\"create\":\"asked\",\"validationAction\":\"warn\","
    "\"validator\":{\"$jsonSchema\":{\"properties\":"
    "{\"n\":{\"bsonType\":\"int\"}}}}}");
  /* Written before its validator. */
  exec(c, "{\"insert\":\"late\",\"documents\":[{\"_id\":1,\"n\":\"five\"}]}");
  exec(
    c,
    "{\"collMod\":\"late\",\"validator\":{\"$jsonSchema\":{\"properties\":{\"n\":{\"bsonType\":\"int\"}}}}}");
  catalog *k = discover(c);
  ck_assert_str_eq(
    columns_of(relation_of(k, "held")),
    "_id|mixed|int 1\nn|integer|int 1|not null\ns|text|string 1\nm|mixed|int 1\n"
    "unseen|timestamp|-\nat.x|float|double 1\nat.y|integer|-\n_doc|text|-\n_key|text|-\n");
  ck_assert_str_eq(columns_of(relation_of(k, "asked")),
                   "_id|mixed|-\nn|mixed|-\n_doc|text|-\n_key|text|-\n");
  ck_assert_str_eq(columns_of(relation_of(k, "late")),
                   "_id|mixed|int 1\nn|mixed|string 1\n_doc|text|-\n_key|text|-\n");
  catalog_release(k);
}
END_TEST

START_TEST(many_collections_take_few_round_trips) {
  char text[200];
  for (int i = 0; i < 450; i++) {
    snprintf(text, sizeof text, "{\"create\":\"many%d\"}", i);
    exec(c, text);
  }
  uint64_t before = c->round_trips;
  catalog *k = discover(c);
  ck_assert_int_eq(k->n_relations, 450);
  ck_assert_uint_lt(c->round_trips - before, 20);
  catalog_release(k);
}
END_TEST

START_TEST(a_map_is_no_thousand_columns) {
  buffer text = {0};
  buffer_text(&text, "{\"insert\":\"maps\",\"documents\":[{\"_id\":1,\"counts\":{\"k0\":0");
  for (int i = 1; i < 3000; i++) buffer_printf(&text, ",\"k%d\":%d", i, i);
  buffer_text(&text, "}");
  for (int i = 0; i < 3000; i++) buffer_printf(&text, ",\"f%d\":%d", i, i);
  buffer_text(&text, "}]}");
  exec(c, buffer_cstr(&text));
  buffer_free(&text);
  catalog *k = discover(c);
  const relation *r = relation_of(k, "maps");
  column_at(r, "counts");
  ck_assert_int_lt(r->n_columns, 2000);
  ck_assert_int_gt(r->n_columns, 1900);
  catalog_release(k);
}
END_TEST

START_TEST(an_empty_database_has_no_tables) {
  catalog *k = discover(c);
  ck_assert_int_eq(k->n_relations, 0);
  ck_assert_str_eq(k->product, "MongoDB");
  catalog_release(k);
}
END_TEST

/* ---- native commands and pipelines --------------------------------------------------------- */

static void expect_exec(const char *json, const char *words) {
  tskdb_error e = {0};
  int64_t n;
  ck_assert_msg(!tested->exec(c, json, NULL, 0, &patient, &n, &e), "%s", json);
  ck_assert_msg(strstr(e.text, words), "%s: %s", json, e.text);
  ck_assert(!c->broken);
}

START_TEST(commands_return_how_many_documents) {
  ck_assert_int_eq(
    exec(c, "{\"insert\":\"t\",\"documents\":[{\"_id\":1},{\"_id\":2},{\"_id\":3}]}"), 3);
  ck_assert_int_eq(
    exec(c,
         "{\"update\":\"t\",\"updates\":[{\"q\":{\"_id\":{\"$gt\":1}},\"u\":{\"$set\":{\"a\":1}},"
         "\"multi\":true}]}"),
    2);
  ck_assert_int_eq(exec(c, "{\"delete\":\"t\",\"deletes\":[{\"q\":{\"_id\":1},\"limit\":1}]}"), 1);
  ck_assert_int_eq(exec(c, "{\"find\":\"t\",\"batchSize\":1}"), 0);
  ck_assert_int_eq(exec(c, "{\"ping\":1,\"$db\":\"admin\"}"), 0);
  expect_exec("{\"insert\":\"t\",\"documents\":[{\"_id\":2}]}", "duplicate key");
  expect_exec("{\"nonsense\":1}", "no such command");
  expect_exec("{\"insert\":", "not valid");
  expect_exec("[1]", "not a JSON object");
  expect_exec("{}", "empty");
}
END_TEST

START_TEST(a_connection_that_only_reads_refuses_to_write) {
  tskdb_error e = {0};
  endpoint at = {.url = server_url, .connect_timeout_ms = 10000, .read_only = true};
  connection *writer = c;
  exec(c, "{\"insert\":\"t\",\"documents\":[{\"_id\":1}]}");
  c = tested->open(&at, &patient, &e);
  assert_no_error(&e, "open");
  exec(c, "{\"count\":\"t\"}");
  exec(c, "{\"aggregate\":\"t\",\"pipeline\":[],\"cursor\":{}}");
  expect_exec("{\"insert\":\"t\",\"documents\":[{}]}", "readonly");
  expect_exec("{\"drop\":\"t\"}", "readonly");
  expect_exec("{\"aggregate\":\"t\",\"pipeline\":[{\"$out\":\"u\"}],\"cursor\":{}}", "readonly");
  tested->close(c, false);
  c = writer;
}
END_TEST

/* The rows of a pipeline, or its error. */
static const char *pipeline(const char *collection, const char *json) {
  static buffer out;
  static const discovery want = {0};
  const char *words[] = {collection, json};
  tskdb_error e = {0};
  asked a;
  catalog *k = catalog_new();
  buffer_clear(&out);
  if (tested->describe(c, &(native_text){words, 2}, &want, &patient, k, &e)) {
    ask(&a, &k->relations[0]);
    a.q.n_select--;              /* all but _doc */
    compile(&a, c);
    fetch_text(c, &a.request, &out, &e);
    arena_free(&a.memory);
  }
  if (error_is_set(&e)) buffer_text(&out, e.text);
  catalog_release(k);
  return buffer_cstr(&out);
}

START_TEST(a_pipeline_is_a_table) {
  exec(
    c,
    "{\"insert\":\"t\",\"documents\":[{\"_id\":1,\"g\":\"a\"},{\"_id\":2,\"g\":\"b\"},"
    "{\"_id\":3,\"g\":\"a\"}]}");
  ck_assert_str_eq(
    pipeline("t", "[{\"$group\":{\"_id\":\"$g\",\"n\":{\"$sum\":1}}},{\"$sort\":{\"_id\":1}}]"),
    "a|2\nb|1\n");
  ck_assert_ptr_nonnull(strstr(pipeline("t", "[{\"$out\":\"u\"}]"), "writes"));
  ck_assert_ptr_nonnull(strstr(pipeline("t", "[5]"), "not a document"));
  ck_assert_ptr_nonnull(strstr(pipeline("t", "{}"), "not a JSON array"));
  ck_assert_ptr_nonnull(strstr(pipeline("t", "[{"), "not valid"));
  ck_assert_ptr_nonnull(
    strstr(pipeline("t", "[{\"$nonsense\":1}]"), "Unrecognized pipeline stage"));
  ck_assert_str_eq(pipeline("nothing", "[]"), "");
}
END_TEST

/* ---- errors ---------------------------------------------------------------------------------- */

static const char *url_of(const char *credentials, const char *rest) {
  static char out[600];
  snprintf(out, sizeof out, "mongodb://%s%s", credentials, rest);
  return out;
}

#define PASSWORD "tskdb:p%40ss%2Fw%3Ard%25%27%22@"

START_TEST(what_is_wrong_is_said_in_time_and_without_secrets) {
  char right[300];
  const char *host = strrchr(server_url, '@') + 1;
  snprintf(right, sizeof right, "%s", host);
  expect_refusal(url_of("tskdb:wrong@", right), ERROR_AUTH, "uthentication failed");
  expect_refusal(url_of(PASSWORD, "127.0.0.1:1/x"), ERROR_NETWORK, "refused");
  expect_refusal(url_of(PASSWORD, "no.such.host.invalid/x"), ERROR_NETWORK, "no.such.host.invalid");
  expect_refusal(url_of(PASSWORD, "192.0.2.1:27017/x"), ERROR_NETWORK, "192.0.2.1");
  expect_refusal(url_of(PASSWORD, "h1,h2:1/x?nonsense=1"), ERROR_CONFIG, "nonsense");
  expect_refusal("mongodb+srv://tskdb:p%40ss%2Fw%3Ard%25%27%22@no.such.host.invalid/x", ERROR_NETWORK,
                 "no.such.host.invalid");
  expect_refusal(url_of(PASSWORD, "h1/x?tlsDisableOCSPEndpointCheck=true"), ERROR_CONFIG,
                 "not supported");
  expect_refusal(url_of(PASSWORD, "h1/x?authMechanism=PLAIN"), ERROR_CONFIG, "tls");
  expect_refusal(url_of(PASSWORD, "h1:99999/x"), ERROR_CONFIG, "port");
  expect_refusal(url_of(PASSWORD, "%2Ftmp%2Fno-such.sock/x"), ERROR_NETWORK, "no-such.sock");
}
END_TEST

/* Users of each mechanism that the server has, and the other is refused. */
START_TEST(each_way_to_log_in_works) {
  static const char *const mechanisms[] = {"SCRAM-SHA-1", "SCRAM-SHA-256"};
  char text[300], rest[300];
  const char *host = strrchr(server_url, '@') + 1;
  for (int i = 0; i < 2; i++) {
    tskdb_error e = {0};
    int64_t n;
    tested->exec(c, "{\"dropUser\":\"other\"}", NULL, 0, &patient, &n, &e);
    snprintf(text, sizeof text,
             "{\"createUser\":\"other\",\"pwd\":\"secret\",\"roles\":[\"read\"],\"mechanisms\":[\"%s\"]}",
             mechanisms[i]);
    exec(c, text);
    for (int k = 0; k < 3; k++) {
      snprintf(rest, sizeof rest, "%.*s/tskdb_test?directConnection=true%s%s",
               (int)strcspn(host, "/"), host, k < 2 ? "&authMechanism=" : "",
               k < 2 ? mechanisms[k] : "");
      if (k < 2 && k != i) expect_refusal(url_of("other:secret@", rest), ERROR_AUTH, "");
      else tested->close(open_url(url_of("other:secret@", rest)), false);
    }
  }
  exec(c, "{\"dropUser\":\"other\"}");
}
END_TEST

START_TEST(a_unix_socket_is_a_host) {
  buffer escaped = {0};
  const char *path = getenv("TSKDB_TEST_MONGO_SOCKET");
  if (!path) return;
  for (; *path; path++) {
    if (*path == '/') buffer_text(&escaped, "%2F");
    else buffer_char(&escaped, *path);
  }
  buffer_text(&escaped, "/x?authSource=admin&directConnection=true");
  tested->close(open_url(url_of(PASSWORD, buffer_cstr(&escaped))), false);
  buffer_free(&escaped);
}
END_TEST

START_TEST(tls_is_verified) {
  char url[700];
  const char *ca = getenv("TSKDB_TEST_CA");
  if (!ca) return;
  snprintf(url, sizeof url, "%s&tls=true&tlsCAFile=%s", server_url, ca);
  tested->close(open_url(url), false);
  snprintf(url, sizeof url, "%s&tls=true", server_url);
  expect_refusal(url, ERROR_TLS, "TLS");
  /* The certificate is of 127.0.0.1, as a name too, and not of this name of the same host. */
  const char *port = strrchr(server_url, '@') + 1 + strlen("127.0.0.1");
  char rest[300];
  snprintf(rest, sizeof rest, "127.1%.*s/x?authSource=admin&directConnection=true&tls=true&tlsCAFile=%s",
           (int)strcspn(port, "/"), port, ca);
  expect_refusal(url_of(PASSWORD, rest), ERROR_TLS, "127.1");
  snprintf(rest + strlen(rest), sizeof rest - strlen(rest), "&tlsAllowInvalidHostnames=true");
  tested->close(open_url(url_of(PASSWORD, rest)), false);
  snprintf(url, sizeof url, "%s&tls=true&tlsAllowInvalidCertificates=true", server_url);
  tested->close(open_url(url), false);
}
END_TEST

START_TEST(a_collection_that_is_gone_is_empty) {
  asked a;
  buffer got = {0};
  tskdb_error e = {0};
  exec(c, "{\"insert\":\"gone\",\"documents\":[{\"_id\":1}]}");
  catalog *k = discover(c);
  drop("gone");
  ask(&a, relation_of(k, "gone"));
  compile(&a, c);
  fetch_text(c, &a.request, &got, &e);   /* as the server says it */
  assert_no_error(&e, a.request.text);
  ck_assert_str_eq(buffer_cstr(&got), "");
  arena_free(&a.memory);
  catalog_release(k);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("mongo");
  TCase *t = tcase_create("server");
  tcase_set_timeout(t, 60);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, each_value_has_the_type_of_its_own);
  tcase_add_test(t, a_decimal_keeps_its_digits_if_asked_to);
  tcase_add_test(t, a_document_of_16_mb_arrives);
  tcase_add_test(t, a_hundred_levels_arrive_as_json);
  tcase_add_test(t, columns_come_from_a_sample);
  tcase_add_test(t, options_name_depth_and_fields);
  tcase_add_test(t, kinds_of_relations_have_their_identity);
  tcase_add_test(t, a_strict_validator_gives_types);
  tcase_add_test(t, many_collections_take_few_round_trips);
  tcase_add_test(t, a_map_is_no_thousand_columns);
  tcase_add_test(t, an_empty_database_has_no_tables);
  tcase_add_test(t, commands_return_how_many_documents);
  tcase_add_test(t, a_connection_that_only_reads_refuses_to_write);
  tcase_add_test(t, a_pipeline_is_a_table);
  tcase_add_test(t, what_is_wrong_is_said_in_time_and_without_secrets);
  tcase_add_test(t, each_way_to_log_in_works);
  tcase_add_test(t, a_unix_socket_is_a_host);
  tcase_add_test(t, tls_is_verified);
  tcase_add_test(t, a_collection_that_is_gone_is_empty);
  suite_add_tcase(s, t);
  return s;
}

int main(void) {
  fixture_start(tskdb_driver_mongo, "TSKDB_TEST_MONGO");
  return suite_run(suite());
}
