/*
** url_test.c - connection URLs are read as RFC 3986 and libpq write them, bad
** ones are explained, and no secret is shown, whatever the text looks like.
** Budget: 20 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vtab/suite.h"
#include "vtab/memory.h"
#include "vtab/url.h"

static arena memory;
static tskdb_error error;
static url u;

static void setup(void) {
  arena_init(&memory);
  error_clear(&error);
}

static void teardown(void) {
  arena_free(&memory);
}

static bool parse(const char *text) {
  error_clear(&error);
  return url_parse(text, &memory, &u, &error);
}

START_TEST(a_full_url_is_taken_apart) {
  ck_assert(parse("MySQL://ann:s%3Ae%40c%2fret@db1:3307,db2,[::1]:3308/shop?a=1&b=x%26y&a=2"));
  ck_assert_str_eq(u.scheme, "mysql");
  ck_assert_str_eq(u.user, "ann");
  ck_assert_str_eq(u.password, "s:e@c/ret");
  ck_assert_int_eq(u.n_hosts, 3);
  ck_assert_str_eq(u.hosts[0].host, "db1");
  ck_assert_int_eq(u.hosts[0].port, 3307);
  ck_assert_str_eq(u.hosts[1].host, "db2");
  ck_assert_int_eq(u.hosts[1].port, 0);
  ck_assert_str_eq(u.hosts[2].host, "::1");
  ck_assert_int_eq(u.hosts[2].port, 3308);
  ck_assert_str_eq(u.path, "shop");
  ck_assert_int_eq(u.n_parameters, 3);
  ck_assert_str_eq(url_parameter_value(&u, "a"), "2");
  ck_assert_str_eq(url_parameter_value(&u, "b"), "x&y");
  ck_assert_ptr_null(url_parameter_value(&u, "c"));
}
END_TEST

START_TEST(every_part_but_the_scheme_may_be_missing) {
  ck_assert(parse("mysql://"));
  ck_assert_ptr_null(u.user);
  ck_assert_ptr_null(u.password);
  ck_assert_int_eq(u.n_hosts, 1);
  ck_assert_str_eq(u.hosts[0].host, "");
  ck_assert_str_eq(u.path, "");
  ck_assert(parse("mysql:///db"));
  ck_assert_str_eq(u.path, "db");
  ck_assert(parse("mysql://h?x=1"));
  ck_assert_str_eq(u.hosts[0].host, "h");
  ck_assert_str_eq(url_parameter_value(&u, "x"), "1");
  ck_assert(parse("mysql://u@h"));
  ck_assert_str_eq(u.user, "u");
  ck_assert_ptr_null(u.password);
  ck_assert(parse("mysql://u:@h:"));
  ck_assert_str_eq(u.password, "");
  ck_assert_int_eq(u.hosts[0].port, 0);
  ck_assert(parse("redis://:pw@h"));
  ck_assert_ptr_null(u.user);
  ck_assert_str_eq(u.password, "pw");
  ck_assert(parse("mysql://u@/db?"));
  ck_assert_str_eq(u.hosts[0].host, "");
  ck_assert(parse("mysql://u@h/db?a=&&b=1=2&"));
  ck_assert_str_eq(url_parameter_value(&u, "a"), "");
  ck_assert_str_eq(url_parameter_value(&u, "b"), "1=2");
}
END_TEST

START_TEST(a_host_may_be_a_socket_folder_or_have_a_zone) {
  ck_assert(parse("mysql://%2Fvar%2Frun%2Fmy.sock/db"));
  ck_assert_str_eq(u.hosts[0].host, "/var/run/my.sock");
  ck_assert(parse("mysql://[fe80::1%25eth0]/"));
  ck_assert_str_eq(u.hosts[0].host, "fe80::1%eth0");
  ck_assert(parse("mysql://u:p:q@h"));
  ck_assert_str_eq(u.password, "p:q");
}
END_TEST

START_TEST(bad_urls_are_explained_without_quoting_them) {
  static const struct { const char *text, *words; } cases[] = {
      {"", "scheme://"}, {"shop", "scheme://"}, {"localhost:3306", "scheme://"},
      {"://SeCrEt", "scheme://"}, {"my sql://SeCrEt", "scheme://"},
      {"mysql:/u:SeCrEt@h", "scheme://"}, {"1mysql://SeCrEt", "scheme://"},
      {"mysql://u:SeCrEt%@h", "position 17"}, {"mysql://u:SeCrEt%2@h", "hexadecimal"},
      {"mysql://u:SeCrEt%zz@h", "hexadecimal"}, {"mysql://u:SeCrEt%00@h", "%00 at position 17"},
      {"mysql://u:SeC@rEt@h", "%40"}, {"mysql://u:SeCrEt", "port"}, {"mysql://u:SeC/rEt@h", "%2F"},
      {"mysql://h:65536", "65535"}, {"mysql://h:0", "port"}, {"mysql://h:-1", "port"},
      {"mysql://a,h:99999999999999999999", "host 2"}, {"mysql://[::1", "without \"]\""},
      {"mysql://[]", "empty brackets"}, {"mysql://[::1]x", "after \"]\""},
      {"mysql://::1", "brackets"}, {"mysql://h/d?SeCrEt", "parameter 1"},
      {"mysql://h/d?a=1&=SeCrEt", "parameter 2"}, {"mysql://h/d?a=Se%00CrEt", "%00"},
      {"mysql://u:SeCrEt\n@h", "control character"}, {"mysql://u:Se?CrEt@h", "port"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ck_assert_msg(!parse(cases[i].text), "%s", cases[i].text);
    ck_assert_int_eq(error.klass, ERROR_CONFIG);
    ck_assert_msg(strstr(error.text, cases[i].words) != NULL, "%s: %s", cases[i].text, error.text);
    ck_assert_msg(strstr(error.text, "SeC") == NULL && strstr(error.text, "rEt") == NULL, "%s",
                  error.text);
  }
}
END_TEST

START_TEST(a_scheme_is_found_also_without_slashes) {
  ck_assert_str_eq(url_scheme("SQLite:/a/b.db", &memory), "sqlite");
  ck_assert_str_eq(url_scheme("mysql+ssl://h", &memory), "mysql+ssl");
  ck_assert_ptr_null(url_scheme("/a/b", &memory));
  ck_assert_ptr_null(url_scheme("", &memory));
  ck_assert_ptr_null(url_scheme("a b:c", &memory));
}
END_TEST

START_TEST(secrets_are_replaced) {
  static const struct { const char *text, *shown; } cases[] = {
      {"mysql://u:pw@h:1/d?a=1", "mysql://u:***@h:1/d?a=1"},
      {"mysql://u@h:1/d?a=1", "mysql://u@h:1/d?a=1"}, {"mysql://u:@h", "mysql://u:@h"},
      {"mysql://h:3306,[::1]:3307/d", "mysql://h:3306,[::1]:3307/d"},
      {"redis://:pw@h", "redis://:***@h"},
      {"mysql://h/d?password=x&a=1", "mysql://h/d?password=***&a=1"},
      {"mysql://h/d?a=1&sslPassword=x%26y", "mysql://h/d?a=1&sslPassword=***"},
      {"mysql://h/d?pass%77ord=x", "mysql://h/d?pass%77ord=***"},
      {"mysql://h/d?pwd=x&PASSWD=y&my_secret=z&accessToken=q&pass=r&passfile=f",
       "mysql://h/d?pwd=***&PASSWD=***&my_secret=***&accessToken=***&pass=***&passfile=f"},
      {"mysql://h/d?password=a&b", "mysql://h/d?password=***"},
      {"mysql://u:p@w/o?r@d@h/d", "mysql://u:***@h/d"}, {"mysql://u:pw", "mysql://u:***"},
      {"mysql://u:1pw/x", "mysql://u:***"}, {"u:pw@h", "u:***@h"},
      {"host=h password=x user=u", "host=h password=*** user=u"},
      {"host=h password = 'x \\'y' user=u", "host=h password =*** user=u"},
      {"sqlite:/a/b.db", "sqlite:/a/b.db"}, {"", ""}, {"nothing", "nothing"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    ck_assert_str_eq(url_redact(cases[i].text, &memory), cases[i].shown);
}
END_TEST

static uint64_t seed = 88172645463325252u;
static uint32_t pick(uint32_t n) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (uint32_t)(seed >> 32) % n;
}

static void random_text(char *out, size_t size, const char *alphabet) {
  size_t n = pick((uint32_t)size);
  for (size_t i = 0; i < n; i++) out[i] = alphabet[pick((uint32_t)strlen(alphabet))];
  out[n] = 0;
}

/* KEY is named by every refusal. */
static void expect_refused(bool read) {
  ck_assert(!read);
  ck_assert_int_eq(error.klass, ERROR_CONFIG);
  ck_assert_msg(strstr(error.text, "some_key") != NULL, "%s", error.text);
  error_clear(&error);
}

START_TEST(switches_are_read_or_refused) {
  static const char *const yes[] = {"true", "TRUE", "1", "yes", "On"};
  static const char *const no[] = {"false", "False", "0", "NO", "off"};
  bool on;
  for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
    ck_assert(url_read_switch("some_key", yes[i], &on, &error) && on);
    ck_assert(url_read_switch("some_key", no[i], &on, &error) && !on);
  }
  expect_refused(url_read_switch("some_key", "", &on, &error));
  expect_refused(url_read_switch("some_key", "2", &on, &error));
  expect_refused(url_read_switch("some_key", "truely", &on, &error));
}
END_TEST

START_TEST(seconds_become_milliseconds_or_are_refused) {
  static const char *const bad[] = {"", "0", "-1", "5s", " 5", "86400.1", "1e300", "nan", "Infinity"};
  int ms = 0;
  ck_assert(url_read_seconds("some_key", "5", &ms, &error));
  ck_assert_int_eq(ms, 5000);
  ck_assert(url_read_seconds("some_key", "0.25", &ms, &error));
  ck_assert_int_eq(ms, 250);
  ck_assert(url_read_seconds("some_key", "0.00001", &ms, &error));
  ck_assert_int_eq(ms, 1);
  ck_assert(url_read_seconds("some_key", "86400", &ms, &error));
  ck_assert_int_eq(ms, 86400000);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    expect_refused(url_read_seconds("some_key", bad[i], &ms, &error));
  }
}
END_TEST

START_TEST(files_must_be_there_and_texts_are_kept) {
  char given[] = "/etc/passwd", secret[] = "hush";
  const char *out = NULL;
  ck_assert(url_read_file("some_key", given, &memory, &out, &error));
  ck_assert(out != given);
  ck_assert_str_eq(out, given);
  expect_refused(url_read_file("some_key", "/nowhere/at/all", &memory, &out, &error));
  ck_assert(url_read_text("", &memory, &out, &error));
  ck_assert_str_eq(out, "");
  url_wipe(secret);
  ck_assert_int_eq(memcmp(secret, "\0\0\0\0", sizeof secret), 0);
  url_wipe(NULL);
}
END_TEST

/* The password is written as it is, with whatever is special in a URL. */
START_TEST(no_raw_password_is_ever_shown) {
  char password[40], text[128], head[12], tail[12];
  for (int i = 0; i < 100000; i++) {
    random_text(head, sizeof head, "@:/?&=%,[] '0a");
    random_text(tail, sizeof tail, "@:/?&=%,[] '0a");
    snprintf(password, sizeof password, "%sSeCrEt%s", head, tail);
    snprintf(text, sizeof text, "mysql://user:%s@host:3306/db?x=1", password);
    ck_assert_msg(!strstr(url_redact(text, &memory), "SeCrEt"), "%s", text);
    ck_assert(parse(text) || !strstr(error.text, "SeCrEt"));
    arena_reset(&memory);
  }
}
END_TEST

START_TEST(any_text_is_survived) {
  char text[80];
  for (int i = 0; i < 200000; i++) {
    memcpy(text, "my://", 5);
    random_text(i % 2 ? text : text + 5, sizeof text - 5, "my:/@?&=%,[]0125zF\x80\n '\\password");
    if (parse(text)) {
      ck_assert_int_ge(u.n_hosts, 1);
      for (int k = 0; k < u.n_hosts; k++) ck_assert_int_le(u.hosts[k].port, 65535);
    } else {
      ck_assert_int_eq(error.klass, ERROR_CONFIG);
    }
    ck_assert_ptr_nonnull(url_redact(text, &memory));
    url_scheme(text, &memory);
    arena_reset(&memory);
  }
}
END_TEST

#ifdef TSKDB_FAULT_INJECTION
START_TEST(parsing_survives_every_failed_allocation) {
  char text[4096] = "mysql://u:p@", *end = text + strlen(text);
  for (int i = 0; i < 100; i++) end += sprintf(end, "host%d:%d,", i, i + 1);
  sprintf(end, "h/db?a=1&password=2");
  bool done = false;
  for (long nth = 1; !done; nth++) {
    error_clear(&error);
    mem_fail_after(nth, nth % 2);
    bool parsed = url_parse(text, &memory, &u, &error);
    const char *redacted = url_redact(text, &memory);
    mem_fail_after(0, 0);
    ck_assert(parsed || error.klass == ERROR_MEMORY);
    ck_assert(redacted == NULL || !strstr(redacted, "u:p"));
    done = parsed && redacted;
    arena_free(&memory);
    ck_assert_int_lt(nth, 1000);
  }
}
END_TEST
#endif

int main(void) {
  Suite *suite = suite_create("url");
  TCase *cases = tcase_create("url");
  tcase_add_checked_fixture(cases, setup, teardown);
  tcase_set_timeout(cases, 60);
  tcase_add_test(cases, a_full_url_is_taken_apart);
  tcase_add_test(cases, every_part_but_the_scheme_may_be_missing);
  tcase_add_test(cases, a_host_may_be_a_socket_folder_or_have_a_zone);
  tcase_add_test(cases, bad_urls_are_explained_without_quoting_them);
  tcase_add_test(cases, a_scheme_is_found_also_without_slashes);
  tcase_add_test(cases, secrets_are_replaced);
  tcase_add_test(cases, switches_are_read_or_refused);
  tcase_add_test(cases, seconds_become_milliseconds_or_are_refused);
  tcase_add_test(cases, files_must_be_there_and_texts_are_kept);
  tcase_add_test(cases, no_raw_password_is_ever_shown);
  tcase_add_test(cases, any_text_is_survived);
#ifdef TSKDB_FAULT_INJECTION
  tcase_add_test(cases, parsing_survives_every_failed_allocation);
#endif
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
