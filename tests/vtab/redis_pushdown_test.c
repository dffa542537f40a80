/*
** redis_pushdown_test.c - what the Redis driver pushes is what SQLite would
** have answered: keys, fields, members, scores, indexes, ids and types, every
** operator and awkward constants, beside native SQLite's answers over the same
** values.
** Budget: 30 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "tests/vtab/redis_fixture.h"

static const value awkward[] = {
  B(""),    B("a"),   B("A"),     B("ab"),   B("AB"),   B("a*b"),  B("a?b"),   B("a[b]c"),
  B("a\\b"), B("a%b"), B("a_b"),   B("á"),    B("Á"),    B("😀"),   B("5"),     B("05"),
  B("5.0"), B("a b"), B("a\nb"),  B("a\0b"), B("\0"),   B("\xff"), B("\xff\xfe"), B("a\xff"),
  B("^a"),  B("-"),   B("]"),     B("[a"),   B("\xa9"), B("©"),    B("a\xa9x"), B("\xc0\x80"),
};
enum { N_AWKWARD = sizeof awkward / sizeof awkward[0] };

static const char constants[] =
  "'','a','A','b','ab','a*b','a?b','a[b]c','a\\b','a%b','á','Á','😀','5',5,5.0,'05',x'61',x'ff',"
  "x'fffe',CAST(x'ff' AS TEXT),CAST(x'610062' AS TEXT),'a%','A*','%b','*b','a_b','a?*','[a]*',"
  "'a[*]b','a\\%','á%','©%','^a','-*',']%','[%','_',x'05'";

/* Compares column NAME of TABLE; rows are told apart by column ID. */
static void compare(const catalog *k, const char *table, const char *id, const char *name,
                    const char *with) {
  comparison x;
  comparison_open(&x, c, relation_of(k, table), id, name);
  comparison_run(&x, with);
  ck_assert_int_gt(x.pushed, 0);
  comparison_close(&x);
}

START_TEST(keys_are_found_as_sqlite_finds_them) {
  for (int i = 0; i < N_AWKWARD; i++) COMMAND(c, "SET", awkward[i], number(1000 + i));
  catalog *k = discover(c);
  compare(k, "strings", "value", "key", constants);
  catalog_release(k);
}
END_TEST

START_TEST(fields_are_found_as_sqlite_finds_them) {
  for (int i = 0; i < N_AWKWARD; i++) COMMAND(c, "HSET h", awkward[i], number(1000 + i));
  catalog *k = discover(c);
  compare(k, "hashes", "value", "field", constants);
  catalog_release(k);
}
END_TEST

START_TEST(members_are_found_as_sqlite_finds_them) {
  for (int i = 0; i < N_AWKWARD; i++) COMMAND(c, "ZADD z", number(i), awkward[i]);
  catalog *k = discover(c);
  compare(k, "zsets", "score", "member", constants);
  catalog_release(k);
}
END_TEST

START_TEST(scores_are_compared_and_ordered_as_sqlite_does) {
  static const char *const scores[] = {"0",
                                       "-0",
                                       "1",
                                       "-1",
                                       "0.1",
                                       "1.5",
                                       "9007199254740992",
                                       "1e308",
                                       "-1e308",
                                       "inf",
                                       "-inf",
                                       "5e-324",
                                       "3.0000000000000004"};
  for (size_t i = 0; i < sizeof scores / sizeof scores[0]; i++) {
    COMMAND(c, "ZADD z", text_value(scores[i]), number((int)i));
  }
  catalog *k = discover(c);
  compare(
      k, "zsets", "member", "score",
      "0,-0.0,1,-1,0.1,1.5,1.25,3,'0.1','abc',x'30',9007199254740992,9007199254740993,1e308,-1e308,"
      "9e999,-9e999,5e-324,1e-323,3.0000000000000004,3.0000000000000002");
  catalog_release(k);
}
END_TEST

START_TEST(indexes_are_compared_as_sqlite_does) {
  for (int i = 0; i < 40; i++) COMMAND(c, "RPUSH l", number(1000 + i));
  catalog *k = discover(c);
  compare(k, "lists", "value", "idx",
          "0,1,-1,39,40,20.5,'7','x',x'37',1e300,-1e300,9223372036854775807,-9223372036854775807");
  catalog_release(k);
}
END_TEST

START_TEST(ids_of_streams_are_compared_as_sqlite_does) {
  static const char *const ids[] = {"1-1",
                                    "2-1",
                                    "9-9",
                                    "9-10",
                                    "10-0",
                                    "99-99",
                                    "100-1",
                                    "100-2",
                                    "100-10",
                                    "1000-0",
                                    "1700000000000-0",
                                    "1700000000000-1",
                                    "1700000000000-11",
                                    "1700000000001-0",
                                    "1700000000010-0"};
  for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
    COMMAND(c, "XADD s", text_value(ids[i]), B("n"), number((int)i));
  }
  catalog *k = discover(c);
  compare(
      k, "streams", "fields", "id",
      "'1-1','9-9','9-10','10-0','100','100-1','100-10','1700000000000','1700000000000-0',"
      "'1700000000000-5','17','0','0-0','','-','x','05','05-1','1-01','1-','100x',"
          "'99999999999999999999',"
      "'18446744073709551615-1',100,1.5,x'31','1%','1700*','9'");
  catalog_release(k);
}
END_TEST

START_TEST(types_are_compared_as_sqlite_does) {
  COMMAND(c, "SET", B("s"), B("1"));
  COMMAND(c, "RPUSH", B("l"), B("1"));
  COMMAND(c, "HSET", B("h"), B("f"), B("1"));
  COMMAND(c, "ZADD", B("z"), B("1"), B("1"));
  COMMAND(c, "SADD", B("t"), B("1"));
  catalog *k = discover(c);
  compare(k, "keys", "key", "type",
          "'string','STRING','hash','list','set','zset','stream','none','',"
          "'hash ',5,x'68617368','h%'");
  catalog_release(k);
}
END_TEST

/* The sample shows integers alone; what else comes is what it is. */
START_TEST(integer_parts_of_keys_are_found_as_sqlite_finds_them) {
  static const value odd[] = {B("u:05"),   B("u:abc"), B("u:5.0"),
                              B("u: 7"),   B("u:1e3"), B("u:\xff"),
                              B("u:-0"),   B("u:+5"),  B("u:9223372036854775808"),
                              B("u:0x10"), B("u:5\0"), B("u:Abc"),
                              B("u:x:y"),  B("u:"),    B("u:١")};
  static const value plain[] = {B("u:1"),
                                B("u:2"),
                                B("u:5"),
                                B("u:10"),
                                B("u:0"),
                                B("u:-3"),
                                B("u:1000"),
                                B("u:9223372036854775807"),
                                B("u:-9223372036854775808")};
  for (int i = 0; i < 9; i++) COMMAND(c, "HSET", plain[i], B("n"), number(i));
  catalog *k = discover(c);
  ck_assert_int_eq(relation_of(k, "u")->columns[0].klass, CLASS_INT);
  for (int i = 0; i < 15; i++) COMMAND(c, "HSET", odd[i], B("n"), number(100 + i));
  compare(
      k, "u", "n", "id",
      "1,2,5,7,'1','5','05','abc','Abc',x'3035',x'35',x'616263',5.0,5.5,'5.0',' 7',x'2037','7',"
          "1e3,1000,"
      "'1e3',x'316533',9223372036854775807,9223372036854775808.0,-9223372036854775808,"
      "'9223372036854775808',x'ff',CAST(x'ff' AS TEXT),-0.0,'-0',x'2d30','+5','0x10',"
          "'x:y','',x'','a%','١'");
  ck_assert_str_eq(
      table_text(c, relation_of(k, "u")),
      "-3|5|NULL\n-9223372036854775808|8|NULL\n0x10|109|NULL\n0|4|NULL\n1000|6|NULL\n"
      "10|3|NULL\n1|0|NULL\n2|1|NULL\n50|110|NULL\n5|2|NULL\n9223372036854775807|7|NULL\n"
      "Abc|111|NULL\nabc|101|NULL\nx'2037'|103|NULL\nx'2b35'|107|NULL\nx'2d30'|106|NULL\n"
      "x'3035'|100|NULL\nx'316533'|104|NULL\nx'352e30'|102|NULL\n"
                   "x'39323233333732303336383534373735383038'"
      "|108|NULL\nx'ff'|105|NULL\n١|114|NULL\n");
  catalog_release(k);
}
END_TEST

START_TEST(text_parts_of_keys_are_found_as_sqlite_finds_them) {
  char key[64];
  for (int i = 0; i < N_AWKWARD; i++) {
    memcpy(key, "t*:", 3);
    memcpy(key + 3, awkward[i].bytes, awkward[i].length);
    memcpy(key + 3 + awkward[i].length, ":x", 2);
    value v = {.storage = STORAGE_BLOB, .bytes = key, .length = awkward[i].length + 5};
    COMMAND(c, "HSET", v, B("n"), number(1000 + i));
  }
  catalog *k = discover(c);
  compare(k, "t:x", "n", "id", constants);
  catalog_release(k);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("redis pushdown");
  TCase *t = tcase_create("comparison");
  tcase_set_timeout(t, 30);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, keys_are_found_as_sqlite_finds_them);
  tcase_add_test(t, fields_are_found_as_sqlite_finds_them);
  tcase_add_test(t, members_are_found_as_sqlite_finds_them);
  tcase_add_test(t, scores_are_compared_and_ordered_as_sqlite_does);
  tcase_add_test(t, indexes_are_compared_as_sqlite_does);
  tcase_add_test(t, ids_of_streams_are_compared_as_sqlite_does);
  tcase_add_test(t, types_are_compared_as_sqlite_does);
  tcase_add_test(t, integer_parts_of_keys_are_found_as_sqlite_finds_them);
  tcase_add_test(t, text_parts_of_keys_are_found_as_sqlite_finds_them);
  suite_add_tcase(s, t);
  return s;
}

int main(void) {
  fixture_start(tskdb_driver_redis, "TSKDB_TEST_REDIS");
  return suite_run(suite());
}
