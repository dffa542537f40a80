/*
** redis_scan_test.c - what the Redis driver reads of a real server: every type at its ends,
** families, scans that meet a changing server, keys that are not there, scans that are left.
** Budget: 60 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <unistd.h>

#include "tests/vtab/redis_fixture.h"

/* ---- values -------------------------------------------------------------- */

static void expect_table(const char *name, const char *rows) {
  catalog *k = discover(c);
  ck_assert_str_eq(table_text(c, relation_of(k, name)), rows);
  catalog_release(k);
}

START_TEST(strings_are_read_at_their_ends) {
  COMMAND(c, "SET", B(""), B(""));
  COMMAND(c, "SET", B("nul"), B("a\0b"));
  COMMAND(c, "SET", B("bytes"), B("\xff\xfe"));
  COMMAND(c, "SET", B("k\ne\ty"), B("é😀"));
  COMMAND(c, "SET", B("\xff"), B("9223372036854775807"));
  COMMAND(c, "SET", B("ttl"), B("x"), B("PX"), number(5000000));
  catalog *k = discover(c);
  const relation *r = relation_of(k, "strings");
  const char *rows = table_text(c, r);
  static const char *const expected[] = {"||NULL\n",
                                         "nul|a0b|NULL\n",
                                         "bytes|x'fffe'|NULL\n",
                                         "e\ty|é😀|NULL\n",
                                         "x'ff'|9223372036854775807|NULL\n",
                                         "ttl|x|"};
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    ck_assert_msg(strstr(rows, expected[i]), "no %s in %s", expected[i], rows);
  }
  catalog_release(k);
}
END_TEST

START_TEST(collections_are_read_at_their_ends) {
  COMMAND(c, "HSET", B("h"), B(""), B(""), B("f\0"), B("\xff"), B("é"), B("1"));
  COMMAND(c, "RPUSH", B("l"), B(""), B("\0"), B("b"), B("b"));
  COMMAND(c, "SADD", B("s"), B(""), B("\xff"), B("m"));
  COMMAND(c, "ZADD", B("z"), B("inf"), B("top"), B("-inf"), B("low"), B("0.1"), B(""), B("1e308"),
          B("\xff"));
  COMMAND(c, "XADD", B("x"), B("1-0"), B("f"), B("a\"b"), B("\xff"), B("\xfe"), B("f"), B(""));
  COMMAND(c, "XADD", B("x"), B("18446744073709551615-18446744073709551615"), B("n"), B("1"));
  expect_table("hashes", "h|f0|x'ff'\nh||\nh|é|1\n");
  expect_table("lists", "l|0|\nl|1|0\nl|2|b\nl|3|b\n");
  expect_table("sets", "s|\ns|m\ns|x'ff'\n");
  expect_table("zsets", "z|low|-Infinity\nz|top|Infinity\nz|x'ff'|1e+308\nz||0.1\n");
  expect_table("streams", "x|1-0|{\"f\":\"a\\\"b\",\"hex:ff\":{\"hex\":\"fe\"},\"f\":\"\"}\n"
                          "x|18446744073709551615-18446744073709551615|{\"n\":\"1\"}\n");
}
END_TEST

START_TEST(keys_show_type_encoding_and_size_when_asked) {
  COMMAND(c, "SET", B("i"), B("12"));
  COMMAND(c, "SADD", B("s"), B("a"));
  COMMAND(c, "EXPIRE", B("s"), number(1000));
  catalog *k = discover(c);
  const char *rows = table_text(c, relation_of(k, "keys"));
  char line[100];
  const char *usage = REPLY(c, "MEMORY", "USAGE", "i");
  snprintf(line, sizeof line, "i|string|NULL|int|%s", usage + 2);
  ck_assert_msg(strstr(rows, line) && strstr(rows, "s|set|"), "no %s in %s", line, rows);
  asked a;
  ask_column(&a, relation_of(k, "keys"), 0);
  compile(&a, c);
  ck_assert_str_eq(a.request.text, "SCAN");
  arena_free(&a.memory);
  catalog_release(k);
}
END_TEST

START_TEST(an_empty_server_has_its_tables_and_no_rows) {
  static const char *const names[] = {"keys", "strings", "hashes", "lists",
                                      "sets", "zsets",   "streams"};
  catalog *k = discover(c);
  ck_assert_int_eq(k->n_relations, 7);
  for (int i = 0; i < 7; i++) ck_assert_str_eq(table_text(c, relation_of(k, names[i])), "");
  catalog_release(k);
}
END_TEST

/* A collection many times the batch: all of it, in batches of bounded size. */
START_TEST(a_large_collection_comes_in_many_batches) {
  enum { MEMBERS = 200000 };
  static const char script[] =
      "for i = 1, tonumber(ARGV[1]) do "
    "redis.call('SADD', KEYS[1], i) redis.call('RPUSH', KEYS[2], i) end";
  COMMAND(c, "EVAL", text_value(script), number(2), B("s"), B("l"), number(MEMBERS));
  catalog *k = discover(c);
  static const char *const tables[] = {"sets", "lists"};
  for (int t = 0; t < 2; t++) {
    asked a;
    batch b;
    tskdb_error e = {0};
    scan_status status;
    int64_t rows = 0, sum = 0;
    int batches = 0;
    const relation *r = relation_of(k, tables[t]);
    ask(&a, r);
    compile(&a, c);
    scan *s = tested->scan_open(c, &a.request, &patient, &e);
    ck_assert(batch_init(&b, r->n_columns, 1 << 16));
    do {
      batch_clear(&b);
      status = tested->scan_fetch(s, &b, &patient, &e);
      ck_assert_int_ne(status, SCAN_ERROR);
      for (uint32_t row = 0; row < b.n_rows; row++) {
        value v = cell_of(&b, r->n_columns - 1, row);
        char text[32];
        snprintf(text, sizeof text, "%.*s", (int)v.length, v.bytes);
        sum += atoll(text);
      }
      rows += b.n_rows;
      batches++;
      ck_assert_uint_lt(b.heap_size, 1 << 21);
    } while (status == SCAN_ROWS);
    ck_assert_int_eq(rows, MEMBERS);
    ck_assert_int_eq(sum, (int64_t)MEMBERS * (MEMBERS + 1) / 2);
    ck_assert_int_gt(batches, 20);
    tested->scan_close(s);
    ck_assert(!c->broken);
    batch_free(&b);
    arena_free(&a.memory);
  }
  catalog_release(k);
}
END_TEST

/* ---- families ------------------------------------------------------------ */

START_TEST(families_are_the_templates_that_the_sample_shows) {
  for (int i = 1; i <= 200; i++) {
    char key[64];
    snprintf(key, sizeof key, "user:%d", i);
    COMMAND(c, "HSET", text_value(key), B("name"), B("x"), B("age"), number(i), B("score"),
            B("1.5"));
    snprintf(key, sizeof key, "user:%d:profile", i);
    COMMAND(c, "HSET", text_value(key), B("colour"), i % 2 ? text_value("red") : text_value("05"));
    snprintf(key, sizeof key, "app:session:%c%d", 'a' + i % 26, i);
    COMMAND(c, "HSET", text_value(key), B("ip"), B("::1"));
  }
  COMMAND(c, "HSET", B("rare:1"), B("f"), B("1"));
  COMMAND(c, "HSET", B("user:7"), B("once"), B("1"));
  COMMAND(c, "HSET", B("user:9"), B("age"), B("unknown"));
  COMMAND(c, "HSET", B("plain"), B("f"), B("1"));
  catalog *k = discover(c);
  ck_assert_int_eq(k->n_relations, 10);
  const relation *r = relation_of(k, "user");
  ck_assert_str_eq(r->columns[0].remote_name, "id");
  ck_assert_str_eq(r->columns[0].declared, "INTEGER");
  ck_assert_int_eq(r->n_columns, 5);   /* id, age, name, score, ttl_ms: "once" is too rare */
  ck_assert_str_eq(r->columns[column_at(r, "age")].declared, "TEXT");
  ck_assert_str_eq(r->columns[column_at(r, "age")].seen, "number 199, text 1");
  ck_assert_str_eq(r->columns[column_at(r, "score")].remote_type, "number");
  ck_assert(r->sampled == 200 && r->columns[column_at(r, "age")].present == 200);
  ck_assert_str_eq(relation_of(k, "user:profile")->columns[0].declared, "INTEGER");
  ck_assert_str_eq(relation_of(k, "app:session")->columns[0].declared, "TEXT");
  ck_assert_ptr_null(catalog_find(k, "rare"));
  catalog_release(k);
}
END_TEST

START_TEST(families_and_columns_can_be_named) {
  static const char *const families[] = {"rare.<name>", "none:<x>:of", "keys:<id>"};
  static const char *const columns[] = {"rare.email", "user.other", "none:of.f"};
  COMMAND(c, "HSET", B("rare.one"), B("f"), B("1"));
  COMMAND(c, "HSET", B("rare.two"), B("f"), B("2"), B("email"), B("e"));
  COMMAND(c, "HSET", B("keys:1"), B("f"), B("2"));
  discovery want = {.families = families, .n_families = 3, .columns = columns, .n_columns = 3};
  catalog *k = discover_with(c, &want);
  ck_assert_str_eq(table_text(c, relation_of(k, "rare")), "one|NULL|1|NULL\ntwo|e|2|NULL\n");
  ck_assert_int_eq(relation_of(k, "none:of")->n_columns, 3);
  ck_assert_str_eq(table_text(c, relation_of(k, "keys:<id>")), "1|2|NULL\n");
  ck_assert_ptr_nonnull(strstr(table_text(c, relation_of(k, "keys")), "keys:1|hash"));
  catalog_release(k);
  static const char *const bad[] = {"user", "<id>", "a<b><c>", "a<>", "a<b"};
  for (int i = 0; i < 5; i++) {
    tskdb_error e = {0};
    catalog *none = catalog_new();
    discovery wrong = {.families = &bad[i], .n_families = 1};
    ck_assert_msg(!tested->discover(c, &wrong, &patient, none, &e), "%s", bad[i]);
    ck_assert_int_eq(e.klass, ERROR_CONFIG);
    catalog_release(none);
  }
}
END_TEST

START_TEST(a_number_field_shows_other_values_as_they_are) {
  static const char *const plain[] = {
      "1", "-2", "0", "1.5", "0.25", "3.0", "-9223372036854775808", "0.0001"};
  static const char *const odd[] = {"05",
                                    "+1",
                                    "1.50",
                                    "-0",
                                    "1e3",
                                    "0x1",
                                    " 1",
                                    "",
                                    "abc",
                                    ".5",
                                    "5.",
                                    "9223372036854775808",
                                    "0.1234567890123456",
                                    "-0.0",
                                    "0.00001",
                                    "\xff"};
  char key[32];
  for (int i = 0; i < 8; i++) {
    snprintf(key, sizeof key, "n:%d", i);
    COMMAND(c, "HSET", text_value(key), B("v"), text_value(plain[i]));
  }
  catalog *k = discover(c);
  for (int i = 0; i < 16; i++) {
    snprintf(key, sizeof key, "n:%d", 10 + i);
    COMMAND(c, "HSET", text_value(key), B("v"), text_value(odd[i]));
  }
  const relation *r = relation_of(k, "n");
  ck_assert_int_eq(r->columns[1].klass, CLASS_MIXED);
  ck_assert_str_eq(
      table_text(c, r),
      "0|1|NULL\n10|05|NULL\n11|+1|NULL\n12|1.50|NULL\n13|-0|NULL\n14|1e3|NULL\n15|0x1|NULL\n"
      "16| 1|NULL\n17||NULL\n18|abc|NULL\n19|.5|NULL\n1|-2|NULL\n20|5.|NULL\n"
      "21|9223372036854775808|NULL\n22|0.1234567890123456|NULL\n23|-0.0|NULL\n24|0.00001|NULL\n"
      "25|x'ff'|NULL\n2|0|NULL\n3|1.5|NULL\n4|0.25|NULL\n5|3.0|NULL\n6|-9223372036854775808|NULL\n"
      "7|0.0001|NULL\n");
  catalog_release(k);
}
END_TEST

START_TEST(a_hundred_thousand_keys_with_fields_of_their_own_attach) {
  static const char script[] =
    "for i = 1, 100000 do redis.call('HSET', 'wild:' .. i, 'field' .. i, i, 'common', 'x') end";
  COMMAND(c, "EVAL", text_value(script), number(0));
  uint64_t before = c->round_trips;
  catalog *k = discover(c);
  ck_assert_uint_lt(c->round_trips - before, 20);
  const relation *r = relation_of(k, "wild");
  ck_assert_int_eq(r->n_columns, 3);
  asked a;
  buffer out = {0};
  tskdb_error e = {0};
  ask_column(&a, r, 0);
  compile(&a, c);
  ck_assert(fetch_text(c, &a.request, &out, &e));
  int rows = 0;
  for (size_t i = 0; i < out.length; i++) rows += out.text[i] == '\n';
  ck_assert_int_eq(rows, 100000);
  buffer_free(&out);
  arena_free(&a.memory);
  catalog_release(k);
}
END_TEST

/* ---- a server that changes ----------------------------------------------- */

/* The rows of RELATION with key = VALUE, their first N columns. */
static const char *columns_of_key(const relation *r, value v, int n) {
  static buffer out;
  asked a;
  arena memory = {0};
  tskdb_error e = {0};
  pushdown_context p = {.driver = tested, .version = c->version, .enabled = true};
  query_operator op = v.storage == STORAGE_LIST ? OP_IN : OP_EQ;
  outcome o = pushdown_resolve(&p, op, &r->columns[0], COLLATION_BINARY, &v, &memory);
  ck_assert_int_eq(o.kind, OUTCOME_TERMS);
  query_expr args[2] = {{.kind = EXPR_COLUMN}, {.kind = EXPR_PARAMETER}};
  query_expr filter = {
      .kind = EXPR_TERM, .op = o.terms[0].op, .row = o.terms[0].row, .args = args, .n_args = 2};
  ask(&a, r);
  a.q.n_select = n;
  a.q.filter = &filter;
  a.q.n_filter = 1;
  a.q.parameters = &o.terms[0].value;
  a.q.n_parameters = 1;
  compile(&a, c);
  buffer_clear(&out);
  fetch_text(c, &a.request, &out, &e);
  assert_no_error(&e, a.request.text);
  arena_free(&a.memory);
  arena_free(&memory);
  return buffer_cstr(&out);
}

static const char *rows_of_key(const relation *r, value v) {
  return columns_of_key(r, v, r->n_columns);
}

START_TEST(keys_of_another_type_or_none_give_no_row) {
  static const char *const names[] = {"strings", "hashes", "lists", "sets", "zsets", "streams"};
  COMMAND(c, "HSET", B("u:1"), B("f"), B("1"));
  COMMAND(c, "HSET", B("u:2"), B("f"), B("1"));
  catalog *k = discover(c);
  COMMAND(c, "SET", B("u:3"), B("not a hash"));
  COMMAND(c, "HSET", B("u:4"), B("other"), B("1"));
  COMMAND(c, "GEOADD", B("geo"), B("1"), B("2"), B("x"));
  COMMAND(c, "PFADD", B("hll"), B("x"));
  for (int i = 0; i < 6; i++) {
    value keys[] = {B("u:1"), B("u:3"), B("nothing"), B("geo"), B("hll")};
    for (int n = 0; n < 5; n++) {
      keys[n].storage = STORAGE_TEXT;
      const char *rows = rows_of_key(relation_of(k, names[i]), keys[n]);
      bool own = (n == 0 && i == 1) || (n == 1 && i == 0) || (n == 3 && i == 4) ||
                 (n == 4 && i == 0);
      ck_assert_msg(own == (*rows != 0), "%s of %s: %s", names[i], keys[n].bytes, rows);
    }
  }
  value ids[] = {number(1), number(3), number(99), number(4), text_value("x"), number(1)};
  value list = {.storage = STORAGE_LIST, .list = ids, .n_list = 6};
  ck_assert_str_eq(rows_of_key(relation_of(k, "u"), list), "1|1|NULL\n4|NULL|NULL\n");
  ck_assert_str_eq(table_text(c, relation_of(k, "u")), "1|1|NULL\n2|1|NULL\n4|NULL|NULL\n");
  catalog_release(k);
}
END_TEST

/* Hashes with the field that is asked for, hashes without it, strings, and keys that are not there:
** what HMGET says of the last three is the same. */
START_TEST(many_keys_are_asked_for_at_once_whatever_they_are) {
  enum { KEYS = 6000, KINDS = 4 };
  static const char make[] =
      "for i = 0, tonumber(ARGV[1]) - 1 do local key, kind = 'u:' .. i, i % 4 "
    "if kind == 0 then redis.call('HSET', key, 'f', i) "
    "elseif kind == 1 then redis.call('HSET', key, 'other', i) "
    "elseif kind == 2 then redis.call('SET', key, i) end end";
  static const char *const families[] = {"u:<id>"}, *const columns[] = {"u.f"};
  static const discovery want = {
      .families = families, .n_families = 1, .columns = columns, .n_columns = 1};
  static value ids[KEYS];
  COMMAND(c, "EVAL", text_value(make), number(0), number(KEYS));
  catalog *k = discover_with(c, &want);
  const relation *r = relation_of(k, "u");
  ck_assert_int_eq(column_at(r, "f"), 1);
  static const int sizes[] = {1, 4, 16, 17, 100, KEYS};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    for (int kind = 0; kind <= KINDS; kind++) {   /* the last: all of them */
      size_t n = 0, rows = 0, nulls = 0;
      for (int id = 0; id < sizes[i]; id++) {
        if (kind == KINDS || id % KINDS == kind) ids[n++] = number(id);
      }
      if (!n) continue;
      uint64_t before = c->round_trips;
      value list = {.storage = STORAGE_LIST, .list = ids, .n_list = n};
      const char *text = columns_of_key(r, list, 2);
      for (const char *p = text; *p; p++) rows += *p == '\n';
      for (const char *p = text; (p = strstr(p, "|NULL\n")); p++) nulls++;
      size_t expected = 0, without = 0;
      for (size_t id = 0; id < n; id++) {
        expected += ids[id].integer % KINDS < 2;
        without += ids[id].integer % KINDS == 1;
      }
      ck_assert_msg(rows == expected && nulls == without, "%zu of kind %d: %zu rows, %zu without",
                    n, kind, rows, nulls);
      ck_assert_uint_le(c->round_trips - before, 2 + 2 * n / 500);
    }
  }
  catalog_release(k);
}
END_TEST

/* While SCAN goes on most keys go, so that the server's table shrinks. */
START_TEST(a_scan_of_a_shrinking_server_gives_no_row_twice) {
  enum { KEYS = 60000, KEPT = 300 };
  static const char make[] = "for i = 1, tonumber(ARGV[1]) do redis.call('SET', i, i) end";
  static const char drop[] =
      "for i = tonumber(ARGV[2]) + 1, tonumber(ARGV[1]) do redis.call('DEL', i) end";
  static bool seen[KEYS + 1];
  COMMAND(c, "EVAL", text_value(make), number(0), number(KEYS));
  connection *other = open_url(server_url);
  catalog *k = discover(c);
  asked a;
  batch b;
  tskdb_error e = {0};
  scan_status status;
  int batches = 0, kept = 0;
  memset(seen, 0, sizeof seen);
  ask_column(&a, relation_of(k, "keys"), 0);
  compile(&a, c);
  scan *s = tested->scan_open(c, &a.request, &patient, &e);
  ck_assert(batch_init(&b, 1, 1 << 14));
  do {
    batch_clear(&b);
    status = tested->scan_fetch(s, &b, &patient, &e);
    ck_assert_int_ne(status, SCAN_ERROR);
    for (uint32_t row = 0; row < b.n_rows; row++) {
      value v = cell_of(&b, 0, row);
      char text[32];
      snprintf(text, sizeof text, "%.*s", (int)v.length, v.bytes);
      int i = atoi(text);
      ck_assert_msg(!seen[i], "key %d comes twice", i);
      seen[i] = true;
    }
    if (++batches == 20) {
      COMMAND(other, "EVAL", text_value(drop), number(0), number(KEYS), number(KEPT));
      usleep(700000);   /* the server resizes its tables in the background */
    }
  } while (status == SCAN_ROWS);
  ck_assert_int_gt(batches, 20);
  for (int i = 1; i <= KEPT; i++) kept += seen[i];
  ck_assert_int_eq(kept, KEPT);
  tested->scan_close(s);
  tested->close(other, false);
  batch_free(&b);
  arena_free(&a.memory);
  catalog_release(k);
}
END_TEST

/* After each batch some keys go, or become lists: also keys that SCAN has returned and that have
** not been read yet, as the server's count of errors shows. */
START_TEST(keys_that_go_or_change_between_scan_and_read_give_no_row) {
  enum { KEYS = 20000, CLASSES = 20, KEPT = 10 };
  static const char make[] = "for i = 1, tonumber(ARGV[1]) do redis.call('SET', i, i) end";
  static const char change[] =
      "for i = tonumber(ARGV[2]), tonumber(ARGV[1]), 20 do redis.call('DEL', i) "
    "if i % 2 == 1 then redis.call('RPUSH', i, i) end end";
  static int seen[KEYS + 1];
  COMMAND(c, "EVAL", text_value(make), number(0), number(KEYS));
  connection *other = open_url(server_url);
  exec(other, "CONFIG RESETSTAT");
  catalog *k = discover(c);
  const relation *r = relation_of(k, "strings");
  asked a;
  batch b;
  tskdb_error e = {0};
  scan_status status;
  int class = KEPT;
  memset(seen, 0, sizeof seen);
  ask(&a, r);
  a.q.n_select = 2;
  compile(&a, c);
  scan *s = tested->scan_open(c, &a.request, &patient, &e);
  ck_assert(batch_init(&b, 2, 1 << 13));
  do {
    batch_clear(&b);
    status = tested->scan_fetch(s, &b, &patient, &e);
    assert_no_error(&e, "fetch");
    for (uint32_t row = 0; row < b.n_rows; row++) {
      value key = cell_of(&b, 0, row), v = cell_of(&b, 1, row);
      char text[32];
      snprintf(text, sizeof text, "%.*s", (int)key.length, key.bytes);
      ck_assert(v.length == key.length && memcmp(v.bytes, key.bytes, v.length) == 0);
      ck_assert_msg(!seen[atoi(text)]++, "key %s comes twice", text);
    }
    if (class == CLASSES) continue;
    COMMAND(other, "EVAL", text_value(change), number(0), number(KEYS), number(class++));
  } while (status == SCAN_ROWS);
  for (int i = 1; i <= KEYS; i++) ck_assert_msg(seen[i] || i % CLASSES >= KEPT, "no key %d", i);
  const char *errors = strstr(REPLY(other, "INFO", "errorstats"), "errorstat_WRONGTYPE:count=");
  ck_assert_msg(errors && atoi(strchr(errors, '=') + 1) > 0, "no key changed in between");
  tested->scan_close(s);
  tested->close(other, false);
  batch_free(&b);
  arena_free(&a.memory);
  catalog_release(k);
}
END_TEST

START_TEST(an_error_in_the_middle_of_a_pipeline_is_an_error) {
  static const char make[] = "for i = 1, 3000 do redis.call('SET', 'open:' .. i, i) end";
  const char *at = strrchr(server_url, '@');
  char url[300];
  tskdb_error e = {0};
  asked a;
  buffer out = {0};
  COMMAND(c, "EVAL", text_value(make), number(0));
  exec(c, "SET closed 1");
  catalog *k = discover(c);
  exec(c, "ACL SETUSER reader on >pw ~open:* +@all");
  snprintf(url, sizeof url, "redis://reader:pw%s", at);
  connection *reader = open_url(url);
  ask(&a, relation_of(k, "strings"));
  compile(&a, reader);
  ck_assert(!fetch_text(reader, &a.request, &out, &e));
  ck_assert_msg(e.klass == ERROR_AUTH && strstr(e.text, "GET: NOPERM"), "%s", e.text);
  ck_assert(!reader->broken);
  ck_assert_str_eq(REPLY(reader, "GET", "open:7"), "0|7\n");
  tested->close(reader, false);
  exec(c, "ACL DELUSER reader");
  buffer_free(&out);
  arena_free(&a.memory);
  catalog_release(k);
}
END_TEST

/* What SCAN has returned is remembered in a file beyond a bound. */
struct redis_seen;
struct redis_seen *redis_seen_new(void);
int redis_seen_add(struct redis_seen *s, const char *bytes, size_t length, tskdb_error *e);
void redis_seen_free(struct redis_seen *s);

/* This process's memory that is not a file's, in KiB (proc(5)). */
static long anonymous_memory(void) {
  char line[128];
  long kib = -1;
  FILE *f = fopen("/proc/self/status", "re");
  while (f && fgets(line, sizeof line, f)) {
    if (strncmp(line, "RssAnon:", 8) == 0) kib = strtol(line + 8, NULL, 10);
  }
  if (f) fclose(f);
  return kib;
}

START_TEST(a_million_keys_are_remembered_exactly_and_in_bounded_memory) {
  enum { KEYS = 1000000, MOST_KIB = 20 * 1024 };   /* as fingerprints they take more than 16 MB */
  struct redis_seen *s = redis_seen_new();
  long before = anonymous_memory();
  tskdb_error e = {0};
  char key[32];
  for (int i = 0; i < KEYS; i++) {
    size_t n = (size_t)snprintf(key, sizeof key, "key:%d", i);
    ck_assert_int_eq(redis_seen_add(s, key, n, &e), 1);
  }
  for (int i = 0; i < KEYS; i += 7) {
    size_t n = (size_t)snprintf(key, sizeof key, "key:%d", i);
    ck_assert_int_eq(redis_seen_add(s, key, n, &e), 0);
  }
  ck_assert_int_eq(redis_seen_add(s, "key:\0", 5, &e), 1);
  ck_assert_int_eq(redis_seen_add(s, "key:", 4, &e), 1);
#ifndef __SANITIZE_ADDRESS__
  ck_assert_int_lt(anonymous_memory() - before, MOST_KIB);
#endif
  (void)before;
  redis_seen_free(s);
}
END_TEST

/* A scan that is closed in its middle leaves a connection that works, or a broken one. */
START_TEST(a_scan_can_be_closed_at_any_point) {
  static const char make[] = "for i = 1, 20000 do redis.call('HSET', 'h:' .. i, 'f', i) end";
  COMMAND(c, "EVAL", text_value(make), number(0));
  catalog *k = discover(c);
  for (int stop = 0; stop < 8; stop++) {
    asked a;
    batch b;
    tskdb_error e = {0};
    ask(&a, relation_of(k, "hashes"));
    compile(&a, c);
    scan *s = tested->scan_open(c, &a.request, &patient, &e);
    ck_assert(batch_init(&b, 3, 1 << 13));
    for (int i = 0; i < stop; i++) {
      batch_clear(&b);
      ck_assert_int_eq(tested->scan_fetch(s, &b, &patient, &e), SCAN_ROWS);
    }
    tested->scan_close(s);
    ck_assert(!c->broken);
    ck_assert_str_eq(REPLY(c, "PING"), "0|PONG\n");
    batch_free(&b);
    arena_free(&a.memory);
  }
  catalog_release(k);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("redis_scan");
  TCase *t = tcase_create("server");
  tcase_set_timeout(t, 30);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, strings_are_read_at_their_ends);
  tcase_add_test(t, collections_are_read_at_their_ends);
  tcase_add_test(t, keys_show_type_encoding_and_size_when_asked);
  tcase_add_test(t, an_empty_server_has_its_tables_and_no_rows);
  tcase_add_test(t, a_large_collection_comes_in_many_batches);
  tcase_add_test(t, families_are_the_templates_that_the_sample_shows);
  tcase_add_test(t, families_and_columns_can_be_named);
  tcase_add_test(t, a_number_field_shows_other_values_as_they_are);
  tcase_add_test(t, a_hundred_thousand_keys_with_fields_of_their_own_attach);
  tcase_add_test(t, keys_of_another_type_or_none_give_no_row);
  tcase_add_test(t, many_keys_are_asked_for_at_once_whatever_they_are);
  tcase_add_test(t, a_scan_of_a_shrinking_server_gives_no_row_twice);
  tcase_add_test(t, keys_that_go_or_change_between_scan_and_read_give_no_row);
  tcase_add_test(t, an_error_in_the_middle_of_a_pipeline_is_an_error);
  tcase_add_test(t, a_million_keys_are_remembered_exactly_and_in_bounded_memory);
  tcase_add_test(t, a_scan_can_be_closed_at_any_point);
  suite_add_tcase(s, t);
  return s;
}

int main(void) {
  fixture_start(tskdb_driver_redis, "TSKDB_TEST_REDIS");
  return suite_run(suite());
}
