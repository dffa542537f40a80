/*
** mysql_test.c - the MySQL driver keeps the contract on a real server:
** connecting, the catalog, every type at its ends, scans that break, stop and
** are used again.
** Budget: 60 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/vtab/driver_fixture.h"
#include "tests/vtab/pretender.h"

extern driver_entry tskdb_driver_mysql;

static connection *c;

static void setup(void) { c = open_url(server_url); }

static void teardown(void) {
  tested->close(c, false);
  c = NULL;
}

/* ---- connecting -------------------------------------------------------------- */

START_TEST(wrong_password_is_an_auth_error) {
  expect_refusal(url_with("not-it", NULL, ""), ERROR_AUTH, "denied");
}
END_TEST

START_TEST(missing_database_is_a_config_error) {
  expect_refusal(url_with(NULL, "no_such_database", ""), ERROR_CONFIG, "no_such_database");
}
END_TEST

START_TEST(closed_port_is_a_network_error) {
  expect_refusal("mysql://u:p@127.0.0.1:1/x", ERROR_NETWORK, "port 1");
  expect_refusal("mysql://u:p@%2Fno%2Fsuch%2Fsocket/x", ERROR_NETWORK, "/no/such/socket");
  expect_refusal("mysql://u:p@host.invalid/x", ERROR_NETWORK, "host.invalid");
}
END_TEST

START_TEST(unknown_parameter_lists_the_valid_ones) {
  expect_refusal(url_with(NULL, NULL, "?colour=red"), ERROR_CONFIG, "connect_timeout");
  expect_refusal(url_with(NULL, NULL, "?charset=latin1"), ERROR_CONFIG, "utf8mb4");
  expect_refusal(url_with(NULL, NULL, "?sslmode=maybe"), ERROR_CONFIG, "verify-full");
  expect_refusal(url_with(NULL, NULL, "?ssl-ca=/no/such.pem"), ERROR_CONFIG, "/no/such.pem");
}
END_TEST

START_TEST(second_host_is_tried_when_the_first_is_down) {
  char url[1000];
  const char *at = strrchr(server_url, '@') + 1;
  snprintf(url, sizeof url, "%.*s127.0.0.1:1,%s", (int)(at - server_url), server_url, at);
  tested->close(open_url(url), false);
}
END_TEST

START_TEST(socket_works_as_host_and_as_parameter) {
  const char *socket = getenv("TSKDB_TEST_MYSQL_SOCKET");
  char url[1000], escaped[500] = "";
  if (!socket) return;
  for (const char *p = socket; *p; p++) strcat(escaped, *p == '/' ? "%2F" : (char[]){*p, 0});
  const char *at = strrchr(server_url, '@') + 1, *slash = strrchr(server_url, '/');
  snprintf(url, sizeof url, "%.*s%s%s", (int)(at - server_url), server_url, escaped, slash);
  tested->close(open_url(url), false);
  tested->close(open_url(url_with(NULL, NULL, "")), false);
  snprintf(url, sizeof url, "%.*slocalhost%s?socket=%s", (int)(at - server_url), server_url, slash,
           escaped);
  tested->close(open_url(url), false);
}
END_TEST

START_TEST(tls_verifies_the_authority_and_the_name) {
  const char *ca = getenv("TSKDB_TEST_CA");
  char tail[500];
  if (!ca) return;
  expect_refusal(url_with(NULL, NULL, "?tls=true"), ERROR_TLS, "");
  snprintf(tail, sizeof tail, "?tls=true&ssl-ca=%s", ca);
  connection *secure = open_url(url_with(NULL, NULL, tail));
  ck_assert_str_ne(rows_of(secure, "SELECT variable_value FROM information_schema.session_status "
                                   "WHERE variable_name = 'SSL_CIPHER'"), "\n");
  ck_assert_int_eq((int)strlen(rows_of(secure, "SELECT repeat('x', 5000000)")), 5000001);
  tested->close(secure, false);
  snprintf(tail, sizeof tail, "?sslmode=verify-ca&ssl-ca=%s", ca);
  tested->close(open_url(url_with(NULL, NULL, tail)), false);
  tested->close(open_url(url_with(NULL, NULL, "?sslmode=require")), false);
}
END_TEST

/* The certificate names 127.0.0.1, ::1 and localhost; 127.0.0.2 is the same machine. */
START_TEST(tls_refuses_a_host_that_the_certificate_does_not_name) {
  const char *ca = getenv("TSKDB_TEST_CA"), *port = strrchr(server_url, ':');
  char url[1000];
  if (!ca) return;
  const char *at = strrchr(server_url, '@') + 1;
  snprintf(url, sizeof url, "%.*slocalhost%s?tls=true&ssl-ca=%s", (int)(at - server_url),
           server_url, port, ca);
  tested->close(open_url(url), false);
  snprintf(url, sizeof url, "%.*s127.1%s?sslmode=verify-ca&ssl-ca=%s", (int)(at - server_url),
           server_url, port, ca);
  tested->close(open_url(url), false);
  snprintf(url, sizeof url, "%.*s127.1%s?tls=true&ssl-ca=%s", (int)(at - server_url), server_url,
           port, ca);
  expect_refusal(url, ERROR_TLS, "");
}
END_TEST

START_TEST(session_is_pinned_and_pinned_again_after_reset) {
  static const char probe[] =
    "SELECT @@time_zone, @@collation_connection, @@sql_auto_is_null, @@character_set_results, "
    "@@sql_mode LIKE '%STRICT%' AND @@sql_mode NOT LIKE '%PIPES%', database()";
  char before[200];
  tskdb_error e = {0};
  snprintf(before, sizeof before, "%s", rows_of(c, probe));
  ck_assert_str_eq(before, "+00:00|utf8mb4_bin|0|utf8mb4|1|tskdb_test\n");
  exec(c, "SET time_zone = '+05:00', sql_mode = 'ANSI', character_set_results = latin1");
  exec(c, "CREATE DATABASE IF NOT EXISTS tskdb_other");
  exec(c, "USE tskdb_other");
  exec(c, "CREATE TEMPORARY TABLE forgotten(a INT)");
  ck_assert(c->dirty);
  ck_assert(tested->reset(c, &patient, &e));
  ck_assert(!c->dirty);
  ck_assert_str_eq(rows_of(c, probe), before);
  ck_assert(tested->ping(c, &patient, &e));
}
END_TEST

START_TEST(read_only_connection_cannot_write) {
  tskdb_error e = {0};
  int64_t n;
  endpoint at = {.url = server_url, .read_only = true};
  exec(c, "CREATE OR REPLACE TABLE guarded(a INT)");
  connection *reader = tested->open(&at, &patient, &e);
  assert_no_error(&e, "open");
  ck_assert(!tested->exec(reader, "INSERT INTO guarded VALUES (1)", NULL, 0, &patient, &n, &e));
  ck_assert_int_eq(e.native, 1792);
  tested->close(reader, false);
}
END_TEST

static void disposition_kept(void (*handler)(int)) {
  struct sigaction now, set = {.sa_handler = handler};
  sigaction(SIGPIPE, &set, NULL);
  setup();
  rows_of(c, "SELECT 1");
  teardown();
  sigaction(SIGPIPE, NULL, &now);
  ck_assert(now.sa_handler == handler);
}

static void own_handler(int signal) { (void)signal; }

START_TEST(sigpipe_disposition_stays_as_it_was) {
  disposition_kept(SIG_DFL);
  disposition_kept(own_handler);
}
END_TEST

START_TEST(child_process_can_close_without_a_word_to_the_server) {
  int status;
  pid_t child = fork();
  if (child == 0) {
    tested->close(c, true);
    _exit(0);
  }
  waitpid(child, &status, 0);
  ck_assert_int_eq(status, 0);
  ck_assert_str_eq(rows_of(c, "SELECT 1"), "1\n");
}
END_TEST

/* ---- hostile servers --------------------------------------------------------------- */

/* Protocol 10, no TLS, mysql_native_password; capabilities claim LOCAL FILES. */
#define GREETING \
  "\x4e\0\0\0\x0a" \
  "5.7.1-fake\0" \
  "\x01\0\0\0" \
  "12345678\0" \
  "\xff\xf7" \
  "\x21" \
  "\x02\0" \
  "\xff\x81" \
  "\x15" \
  "\0\0\0\0\0\0\0\0\0\0" \
  "123456789012\0" \
  "mysql_native_password\0"

/* What comes of connecting to a server that says LINES, with MODE of TLS. */
static tskdb_error connect_pretender(pretender *p, const pretender_line *lines, int n,
                                     const char *mode) {
  char url[500];
  tskdb_error e = {0};
  *p = (pretender){.lines = lines, .n_lines = n};
  pretender_start(p);
  snprintf(url, sizeof url, "mysql://u:s3cr3t@127.0.0.1:%d/x?sslmode=%s", p->port, mode);
  endpoint at = {.url = url, .connect_timeout_ms = 2000};
  ck_assert_ptr_null(tested->open(&at, &patient, &e));
  pretender_join(p);
  ck_assert(error_is_set(&e));
  return e;
}

/* OK to the login, then to the first statement a request for a file. */
START_TEST(server_cannot_ask_for_a_local_file) {
  static const pretender_line lines[] = {
    {GREETING, sizeof GREETING - 1},
    {"\x07\0\0\x02\0\0\0\x02\0\0\0", 11},
    {"\x0c\0\0\x01\xfb/etc/passwd", 16},
    {"\x07\0\0\x03\0\0\0\x02\0\0\0", 11},
  };
  pretender p;
  connect_pretender(&p, lines, 4, "disable");
  ck_assert(!pretender_heard(&p, "root:"));
}
END_TEST

/* An authentication switch to a plugin that sends the password as it is. */
START_TEST(server_cannot_ask_for_the_clear_password) {
  static const pretender_line lines[] = {
    {GREETING, sizeof GREETING - 1},
    {"\x16\0\0\x02\xfe" "mysql_clear_password\0", 26},
  };
  pretender p;
  tskdb_error e = connect_pretender(&p, lines, 2, "disable");
  ck_assert(!pretender_heard(&p, "s3cr3t"));
  ck_assert_msg(e.klass == ERROR_AUTH, "%s %s", error_class_name(e.klass), e.text);
}
END_TEST

/* verify-full says nothing before it has seen the certificate; the other modes
** learn that there is no TLS after the login, from MariaDB's library. */
START_TEST(server_without_tls_is_refused_when_tls_is_asked_for) {
  static const pretender_line lines[] = {
    {GREETING, sizeof GREETING - 1},
    {"\x07\0\0\x02\0\0\0\x02\0\0\0", 11},
  };
  static const char *const modes[] = {"verify-ca&ssl-ca=", "verify-full&ssl-ca=", "require"};
  if (!getenv("TSKDB_TEST_CA")) return;
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    pretender p;
    char mode[300];
    bool full = strncmp(modes[i], "verify-full", 11) == 0, bare = !strchr(modes[i], '=');
    snprintf(mode, sizeof mode, "%s%s", modes[i], bare ? "" : getenv("TSKDB_TEST_CA"));
    tskdb_error e = connect_pretender(&p, lines, 2, mode);
    ck_assert_msg(e.klass == ERROR_TLS, "%s: %s %s", mode, error_class_name(e.klass), e.text);
    ck_assert_msg(!full || p.heard_length == 0, "%s: a login was sent without TLS", mode);
    ck_assert(!pretender_heard(&p, "s3cr3t"));
  }
}
END_TEST

START_TEST(silent_server_ends_in_bounded_time) {
  int listener;
  char url[100];
  snprintf(url, sizeof url, "mysql://u:p@127.0.0.1:%d/x?connect_timeout=0.5",
           silent_port(&listener));
  expect_refusal(url, ERROR_TIMEOUT, "no answer");
  close(listener);
}
END_TEST

/* ---- types --------------------------------------------------------------------------- */

/* One column of TYPE holds VALUES; what is read is EXPECTED.  Every type beside the
** server's own client: mysql_types.test. */
static const struct type_case {
  const char *type, *values, *expected;
} type_cases[] = {
  {"TINYINT(1)", "(2),(1)", "2\n1\n"},
  {"INT UNSIGNED ZEROFILL", "(7),(4294967295)", "7\n4294967295\n"},
  {"BIGINT UNSIGNED", "(9223372036854775807),(9223372036854775808),(18446744073709551615)",
   "9223372036854775807\n9.223372036854776e+18\n1.8446744073709552e+19\n"},
  {"DECIMAL(10,2)", "(-99999999.99),(1.50),(2)", "-99999999.99\n1.5\n2\n"},
  {"DECIMAL(38,0)", "(99999999999999999999999999999999999999),(9223372036854775807)",
   "1e+38\n9223372036854775807\n"},
  {"DECIMAL(65,30)", "(0.000000000000000000000000000001)", "1e-30\n"},
  {"FLOAT", "(1.5),(0.1),(-3.4028234e38)", "1.5\n0.10000000149011612\n-3.4028234663852886e+38\n"},
  {"DOUBLE", "(0.1),(1.7976931348623157e308),(-4.9e-324),(NULL)",
   "0.1\n1.7976931348623157e+308\n-4.94065645841247e-324\nNULL\n"},
  {"BIT(1)", "(b'1'),(b'0')", "1\n0\n"},
  {"BIT(63)", "(b'111111111111111111111111111111111111111111111111111111111111111')",
   "9223372036854775807\n"},
  {"BIT(64)", "(0xff00000000000001)", "x'ff00000000000001'\n"},
  {"YEAR", "(0),(1901),(2155)", "0\n1901\n2155\n"},
  {"CHAR(10)", "('ab  '),(''),('é😀')", "ab\n\né😀\n"},
  {"VARCHAR(20) CHARACTER SET latin1", "('é'),('€uro'),('ß')", "é\n€uro\nß\n"},
  {"TEXT CHARACTER SET utf16", "('é😀')", "é😀\n"},
  {"BINARY(4)", "(0x0001),('abcd')", "x'00010000'\nx'61626364'\n"},
  {"VARBINARY(10)", "(0xff00),('')", "x'ff00'\nx''\n"},
  {"BLOB", "(0x00),(NULL)", "x'00'\nNULL\n"},
  {"DATETIME(6)",
   "('2026-01-02 03:04:05.120000'),('2026-01-02 03:04:05'),('2026-01-02 03:04:05.000001')",
   "2026-01-02 03:04:05.12\n2026-01-02 03:04:05\n2026-01-02 03:04:05.000001\n"},
  {"TIMESTAMP(3) NULL", "('2026-01-02 03:04:05.250'),('1970-01-01 00:00:01'),(NULL)",
   "2026-01-02 03:04:05.25\n1970-01-01 00:00:01\nNULL\n"},
  {"TIME(6)", "('12:30:00.500000'),('-01:00:00.000001')", "12:30:00.5\n-01:00:00.000001\n"},
  {"GEOMETRY", "(ST_GeomFromText('POINT(1 2)'))",
   "x'0101000000000000000000f03f0000000000000040'\n"},
};

START_TEST(type_is_read_as_a_table_and_as_a_query) {
  const struct type_case *t = &type_cases[_i];
  char sql[1000];
  buffer got = {0};
  tskdb_error e = {0};
  asked a;
  exec(c, "DROP TABLE IF EXISTS typed");
  snprintf(sql, sizeof sql, "CREATE TABLE typed(id INT AUTO_INCREMENT PRIMARY KEY, a %s)", t->type);
  exec(c, sql);
  snprintf(sql, sizeof sql, "INSERT INTO typed(a) VALUES %s", t->values);
  exec(c, sql);
  catalog *k = discover(c);
  ask_column(&a, relation_of(k, "typed"), 1);
  compile(&a, c);
  fetch_text(c, &a.request, &got, &e);
  assert_no_error(&e, t->type);
  ck_assert_msg(strcmp(t->expected, buffer_cstr(&got)) == 0, "%s: got %s expected %s", t->type,
                buffer_cstr(&got), t->expected);
  /* The same from a description, without a catalog. */
  ck_assert_msg(strcmp(rows_of(c, "SELECT a FROM typed"), buffer_cstr(&got)) == 0 ||
                strcmp(t->type, "GEOMETRY") == 0, "%s as a query: %s", t->type, buffer_cstr(&got));
  buffer_free(&got);
  arena_free(&a.memory);
  catalog_release(k);
}
END_TEST

START_TEST(zero_dates_are_read_as_they_are) {
  exec(c, "SET sql_mode = 'ALLOW_INVALID_DATES'");
  exec(c,
       "CREATE OR REPLACE TABLE zero_dates(d DATE, t DATETIME(3), s TIMESTAMP NOT NULL DEFAULT 0)");
  exec(c, "INSERT INTO zero_dates VALUES ('0000-00-00', '0000-00-00 00:00:00', 0), "
          "('2026-00-15', '2026-02-30 01:02:03.5', '2026-01-01')");
  tskdb_error e = {0};
  ck_assert(tested->reset(c, &patient, &e));
  ck_assert_str_eq(read_column(c, "zero_dates", "d"), "0000-00-00\n2026-00-15\n");
  ck_assert_str_eq(read_column(c, "zero_dates", "t"),
                   "0000-00-00 00:00:00\n2026-02-30 01:02:03.5\n");
  ck_assert_str_eq(read_column(c, "zero_dates", "s"), "0000-00-00 00:00:00\n2026-01-01 00:00:00\n");
}
END_TEST

START_TEST(mariadb_uuid_and_inet_are_text) {
  if (c->version < 100700 || c->version > 200000) return;
  exec(c, "CREATE OR REPLACE TABLE addresses(u UUID, n INET6)");
  exec(c, "INSERT INTO addresses VALUES ('123E4567-e89b-12d3-a456-426655440000', '::1')");
  ck_assert_str_eq(read_column(c, "addresses", "u"), "123e4567-e89b-12d3-a456-426655440000\n");
  ck_assert_str_eq(read_column(c, "addresses", "n"), "::1\n");
}
END_TEST

START_TEST(unsigned_and_numeric_keep_every_digit_as_text) {
  static const discovery digits = {.numeric_text = true, .unsigned_text = true};
  buffer got = {0};
  tskdb_error e = {0};
  asked a;
  exec(c, "CREATE OR REPLACE TABLE digits(u BIGINT UNSIGNED ZEROFILL, n DECIMAL(38,2))");
  exec(c, "INSERT INTO digits VALUES (18446744073709551615, 1.50), (0, "
          "123456789012345678901234567890.25)");
  catalog *k = discover_with(c, &digits);
  ask(&a, relation_of(k, "digits"));
  compile(&a, c);
  fetch_text(c, &a.request, &got, &e);
  ck_assert_str_eq(buffer_cstr(&got),
                   "18446744073709551615|1.50\n0|123456789012345678901234567890.25\n");
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
}
END_TEST

/* ---- the catalog ------------------------------------------------------------------------ */

START_TEST(catalog_has_keys_indexes_and_broken_views) {
  exec(c, "DROP TABLE IF EXISTS child, parent");
  exec(c, "CREATE TABLE parent(a INT, b VARCHAR(10) NOT NULL, PRIMARY KEY(a, b)) ENGINE=InnoDB");
  exec(c, "CREATE TABLE child(id BIGINT AUTO_INCREMENT PRIMARY KEY, x INT, y VARCHAR(10), "
          "z INT AS (x + 1) STORED, w INT NOT NULL DEFAULT 5, UNIQUE one(w), KEY prefix(y(3)), "
          "CONSTRAINT to_parent FOREIGN KEY (x, y) REFERENCES parent(a, b))");
  exec(c, "CREATE OR REPLACE TABLE vanishing(q INT)");
  exec(c, "CREATE OR REPLACE VIEW broken AS SELECT q FROM vanishing");
  exec(c, "CREATE OR REPLACE VIEW whole AS SELECT id, x FROM child");
  exec(c, "DROP TABLE vanishing");
  exec(c, "CREATE OR REPLACE TABLE `we\"ird.n``ame`(`a b` INT, `select` INT)");
  uint64_t before = c->round_trips;
  catalog *k = discover(c);
  ck_assert_uint_le(c->round_trips - before, 5);
  const relation *child = relation_of(k, "child");
  ck_assert_int_eq(child->n_key, 1);
  ck_assert(child->key_is_rowid);
  ck_assert(child->columns[3].flags & COLUMN_GENERATED);
  ck_assert(child->columns[0].flags & COLUMN_HAS_DEFAULT);
  ck_assert(child->columns[4].flags & COLUMN_HAS_DEFAULT);
  ck_assert(!(child->columns[1].flags & COLUMN_HAS_DEFAULT));
  ck_assert_int_eq(child->n_foreign_keys, 1);
  ck_assert_str_eq(child->foreign_keys[0].to_relation, "parent");
  ck_assert_int_eq(child->foreign_keys[0].n_columns, 2);
  ck_assert_str_eq(child->foreign_keys[0].to_columns[1], "b");
  bool saw_prefix = false;
  for (int i = 0; i < child->n_indexes; i++) {
    if (strcmp(child->indexes[i].name, "prefix") == 0) saw_prefix = child->indexes[i].partial;
  }
  ck_assert(saw_prefix);
  ck_assert_int_eq(relation_of(k, "parent")->n_key, 2);
  ck_assert_int_eq(relation_of(k, "whole")->kind, RELATION_VIEW);
  ck_assert_ptr_null(relation_of(k, "whole")->unusable);
  ck_assert_ptr_nonnull(relation_of(k, "broken")->unusable);
  ck_assert_str_eq(read_column(c, "we\"ird.n`ame", "a b"), "");
  catalog_release(k);
  exec(c, "DROP VIEW broken, whole");
}
END_TEST

/* What the server has counted of columns without an index; who may not see it does without. */
START_TEST(catalog_has_what_analyze_counted) {
  char url[500];
  snprintf(url, sizeof url, "mysql://tskdb_poor:a%s", strrchr(server_url, '@'));
  exec(c, "CREATE OR REPLACE TABLE counted(id INT PRIMARY KEY, g INT, o INT) "
          "AS SELECT seq AS id, seq % 10 AS g, IF(seq % 4, seq % 5, NULL) AS o FROM seq_1_to_1000");
  exec(c, "ANALYZE TABLE counted PERSISTENT FOR ALL");
  catalog *k = discover(c);
  const relation *counted = relation_of(k, "counted");
  ck_assert_double_eq_tol(counted->columns[1].distinct, 10, 0.01);
  ck_assert_double_eq_tol(counted->columns[1].null_fraction, 0, 0.001);
  ck_assert_double_eq_tol(counted->columns[2].distinct, 5, 0.01);
  ck_assert_double_eq_tol(counted->columns[2].null_fraction, 0.25, 0.001);
  catalog_release(k);
  exec(c, "CREATE OR REPLACE USER tskdb_poor IDENTIFIED BY 'a'");
  exec(c, "GRANT SELECT ON tskdb_test.* TO tskdb_poor");
  connection *poor = open_url(url);
  k = discover(poor);
  ck_assert_double_eq(relation_of(k, "counted")->columns[1].distinct, -1);
  catalog_release(k);
  tested->close(poor, false);
  exec(c, "DROP TABLE counted");
  exec(c, "DROP USER tskdb_poor");
}
END_TEST

START_TEST(schemas_are_the_urls_or_those_asked_for) {
  static const char *const two[] = {"tskdb_other", "tskdb_test"}, *const none[] = {"no_such_one"};
  discovery want = {.schemas = two, .n_schemas = 2};
  tskdb_error e = {0};
  exec(c, "CREATE DATABASE IF NOT EXISTS tskdb_other");
  exec(c, "CREATE OR REPLACE TABLE tskdb_other.elsewhere(a INT)");
  exec(c, "CREATE OR REPLACE TABLE here(a INT)");
  catalog *k = discover(c);
  ck_assert_ptr_null(catalog_find(k, "tskdb_other.elsewhere"));
  ck_assert(relation_of(k, "here")->plain);
  catalog_release(k);
  k = discover_with(c, &want);
  ck_assert_str_eq(relation_of(k, "tskdb_other.elsewhere")->name, "tskdb_other.elsewhere");
  ck_assert_str_eq(relation_of(k, "here")->name, "here");
  catalog_release(k);
  want = (discovery){.schemas = none, .n_schemas = 1};
  k = catalog_new();
  ck_assert(!tested->discover(c, &want, &patient, k, &e));
  ck_assert_int_eq(e.klass, ERROR_CONFIG);
  catalog_release(k);
  connection *all = open_url(url_with(NULL, "", ""));
  k = discover(all);
  ck_assert(!relation_of(k, "tskdb_other.elsewhere")->plain);
  ck_assert_ptr_null(catalog_find(k, "mysql.user"));
  catalog_release(k);
  tested->close(all, false);
}
END_TEST

START_TEST(describe_refuses_what_is_no_table) {
  static const char *const bad[] = {"SELECT 1 a, 2 a", "DROP TABLE typed", "SELECT 1; SELECT 2",
                                    "SELECT ?"};
  static const discovery plain = {0};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    tskdb_error e = {0};
    catalog *k = catalog_new();
    ck_assert(!tested->describe(c, &(native_text){&bad[i], 1}, &plain, &patient, k, &e));
    ck_assert(error_is_set(&e));
    catalog_release(k);
  }
  ck_assert_str_eq(rows_of(c, "SELECT 1 a -- a comment"), "1\n");
}
END_TEST

/* ---- scans --------------------------------------------------------------------------------- */

static catalog *scan_catalog;
static asked scan_query;

static void sequence(const char *table, int rows) {
  char sql[300];
  snprintf(sql, sizeof sql, "CREATE OR REPLACE TABLE %s(a BIGINT PRIMARY KEY, t VARCHAR(200))",
           table);
  exec(c, sql);
  snprintf(sql, sizeof sql,
           "INSERT INTO %s WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
           "WHERE i < %d) SELECT i, REPEAT('x', 150) FROM n",
           table, rows < 1000 ? rows : 1000);
  exec(c, sql);
  for (int have = 1000; have < rows; have *= 2) {
    snprintf(sql, sizeof sql, "INSERT INTO %s SELECT a + %d, t FROM %s", table, have, table);
    exec(c, sql);
  }
  tskdb_error e = {0};
  tested->reset(c, &patient, &e);
  assert_no_error(&e, "reset");
  scan_catalog = discover(c);
  ask(&scan_query, relation_of(scan_catalog, table));
  compile(&scan_query, c);
}

static void sequence_end(void) {
  arena_free(&scan_query.memory);
  catalog_release(scan_catalog);
}

START_TEST(repeated_statement_is_one_round_trip) {
  buffer got = {0};
  tskdb_error e = {0};
  sequence("seq_small", 10);
  for (int i = 0; i < 3; i++) {
    uint64_t before = c->round_trips;
    ck_assert(fetch_text(c, &scan_query.request, &got, &e));
    ck_assert_uint_eq(c->round_trips - before, 1);
  }
  buffer_free(&got);
  sequence_end();
}
END_TEST

START_TEST(many_statements_do_not_pile_up_on_the_server) {
  char sql[100], before[100];
  snprintf(before, sizeof before, "%s", rows_of(c, "SELECT variable_value + 0 FROM "
           "information_schema.session_status WHERE variable_name = 'Com_stmt_close'"));
  for (int i = 0; i < 200; i++) {
    snprintf(sql, sizeof sql, "SELECT %d a", i);
    rows_of(c, sql);
  }
  int closed = atoi(rows_of(c, "SELECT variable_value + 0 FROM information_schema.session_status "
                               "WHERE variable_name = 'Com_stmt_close'")) - atoi(before);
  ck_assert_int_ge(closed, 130);
}
END_TEST

START_TEST(early_close_leaves_the_connection_idle) {
  batch b;
  tskdb_error e = {0};
  sequence("seq_large", 64000);
  for (int i = 0; i < 3; i++) {
    int64_t started = wait_now_us();
    scan *s = tested->scan_open(c, &scan_query.request, &patient, &e);
    assert_no_error(&e, "scan");
    ck_assert(batch_init(&b, 2, 4096));
    ck_assert_int_eq(tested->scan_fetch(s, &b, &patient, &e), SCAN_ROWS);
    tested->scan_close(s);
    batch_free(&b);
    ck_assert(!c->broken);
    ck_assert_int_lt(wait_now_us() - started, 2000000);
    ck_assert_str_eq(rows_of(c, "SELECT 1"), "1\n");
  }
  sequence_end();
}
END_TEST

/* Far more rows than can be read in a moment: the server has to be told. */
START_TEST(early_close_of_an_endless_scan_stops_the_server) {
  static const discovery plain = {0};
  tskdb_error e = {0};
  asked a;
  batch b;
  catalog *k = catalog_new();
  const char *endless =
    "SELECT x.a FROM (SELECT 1 a UNION ALL SELECT 2) x, information_schema.collations y, "
    "information_schema.collations z, information_schema.collations w";
  ck_assert(tested->describe(c, &(native_text){&endless, 1}, &plain, &patient, k, &e));
  ask(&a, &k->relations[0]);
  compile(&a, c);
  for (int i = 0; i < 3; i++) {
    int64_t started = wait_now_us();
    scan *s = tested->scan_open(c, &a.request, &patient, &e);
    assert_no_error(&e, "scan");
    ck_assert(batch_init(&b, 1, 4096));
    ck_assert_int_eq(tested->scan_fetch(s, &b, &patient, &e), SCAN_ROWS);
    tested->scan_close(s);
    batch_free(&b);
    ck_assert(!c->broken);
    ck_assert_int_lt(wait_now_us() - started, 3000000);
    ck_assert_str_eq(rows_of(c, "SELECT 1"), "1\n");
  }
  arena_free(&a.memory);
  catalog_release(k);
}
END_TEST

START_TEST(killed_connection_in_mid_scan_is_an_error) {
  batch b;
  scan_status status;
  tskdb_error e = {0};
  char kill_it[64];
  size_t rows = 0;
  sequence("seq_large", 128000);
  snprintf(kill_it, sizeof kill_it, "KILL %d", atoi(rows_of(c, "SELECT connection_id()")));
  connection *other = open_url(server_url);
  scan *s = tested->scan_open(c, &scan_query.request, &patient, &e);
  assert_no_error(&e, "scan");
  exec(other, kill_it);
  ck_assert(batch_init(&b, 2, 4096));
  do {
    batch_clear(&b);
    status = tested->scan_fetch(s, &b, &patient, &e);
    rows += b.n_rows;
  } while (status == SCAN_ROWS);
  ck_assert_int_eq(status, SCAN_ERROR);
  ck_assert_msg(e.klass == ERROR_NETWORK, "%s %s", error_class_name(e.klass), e.text);
  ck_assert_uint_lt(rows, 128000);
  tested->scan_close(s);
  ck_assert(c->broken);
  batch_free(&b);
  tested->close(other, false);
  sequence_end();
}
END_TEST

static bool is_later(void *context) { return wait_now_us() > *(int64_t *)context; }

START_TEST(interrupt_stops_the_servers_work_and_keeps_the_connection) {
  int64_t moment = wait_now_us() + 300000;
  wait_scope hasty = {
    .timeout_ms = 30000, .interrupted = is_later, .context = &moment, .wake_fd = -1};
  tskdb_error e = {0};
  int64_t n, started = wait_now_us();
  ck_assert(!tested->exec(c, "DO SLEEP(20)", NULL, 0, &hasty, &n, &e));
  ck_assert_msg(e.klass == ERROR_INTERRUPT, "%s", e.text);
  ck_assert_int_lt(wait_now_us() - started, 1500000);
  ck_assert(!c->broken);
  ck_assert_str_eq(rows_of(c, "SELECT 1"), "1\n");
}
END_TEST

START_TEST(silence_beyond_the_timeout_is_an_error) {
  static const wait_scope brief = {.timeout_ms = 300, .wake_fd = -1};
  tskdb_error e = {0};
  int64_t n, started = wait_now_us();
  value v = {.storage = STORAGE_INTEGER, .integer = 20};
  ck_assert(!tested->exec(c, "SELECT SLEEP(?)", &v, 1, &brief, &n, &e));
  ck_assert_msg(e.klass == ERROR_TIMEOUT, "%s", e.text);
  ck_assert_int_lt(wait_now_us() - started, 2500000);
}
END_TEST

START_TEST(another_thread_can_cancel) {
  tskdb_error e = {0};
  int64_t started = wait_now_us();
  ck_assert(!exec_cancelled(c,
                            "SELECT a.i FROM (WITH RECURSIVE x(i) AS (SELECT 1 UNION ALL SELECT i + 1"
                            " FROM x WHERE i < 1000) SELECT i FROM x) a WHERE SLEEP(20) > 5",
                            &e));
  ck_assert_msg(e.klass == ERROR_INTERRUPT, "%s", e.text);
  ck_assert_int_lt(wait_now_us() - started, 3000000);
  ck_assert(!c->broken);
  ck_assert_str_eq(rows_of(c, "SELECT 1"), "1\n");
}
END_TEST

/* ALTER, and what the scan then says. */
static void expect_stale(const char *alter, const char *words) {
  buffer got = {0};
  tskdb_error e = {0};
  sequence("changing", 5);
  ck_assert(fetch_text(c, &scan_query.request, &got, &e));
  exec(c, alter);
  ck_assert(!fetch_text(c, &scan_query.request, &got, &e));
  ck_assert_msg(e.klass == ERROR_STALE, "%s: %s %s", alter, error_class_name(e.klass), e.text);
  ck_assert_msg(strstr(e.text, words), "%s: %s", alter, e.text);
  ck_assert_str_eq(rows_of(c, "SELECT 1"), "1\n");
  buffer_free(&got);
  sequence_end();
}

START_TEST(changed_table_is_stale_and_never_shifts) {
  expect_stale("ALTER TABLE changing DROP COLUMN t", "t");
  expect_stale("ALTER TABLE changing MODIFY a VARCHAR(20)", "another type");
  expect_stale("ALTER TABLE changing MODIFY t BLOB", "another type");
  expect_stale("ALTER TABLE changing MODIFY a BIGINT UNSIGNED", "another type");
  expect_stale("DROP TABLE changing", "changing");
}
END_TEST

START_TEST(rows_without_columns_are_counted) {
  batch b;
  tskdb_error e = {0};
  sequence("seq_small", 10);
  scan_query.q.n_select = 0;
  compile(&scan_query, c);
  scan *s = tested->scan_open(c, &scan_query.request, &patient, &e);
  assert_no_error(&e, "scan");
  ck_assert(batch_init(&b, 0, 4096));
  ck_assert_int_eq(tested->scan_fetch(s, &b, &patient, &e), SCAN_END);
  ck_assert_uint_eq(b.n_rows, 10);
  tested->scan_close(s);
  batch_free(&b);
  sequence_end();
}
END_TEST

START_TEST(exec_binds_counts_and_discards) {
  tskdb_error e = {0};
  int64_t n;
  exec(c, "CREATE OR REPLACE TABLE written(a INT, b TEXT, d DOUBLE, x BLOB)");
  value v[] = {{.storage = STORAGE_INTEGER, .integer = 5},
               {.storage = STORAGE_TEXT, .bytes = "é'", .length = 3},
               {.storage = STORAGE_REAL, .real = 0.5},
               {.storage = STORAGE_NULL}};
  ck_assert(tested->exec(c, "INSERT INTO written VALUES (?, ?, ?, ?), (6, 'x', 1, 0x00)", v, 4,
                        &patient, &n, &e));
  ck_assert_int_eq(n, 2);
  ck_assert_str_eq(rows_of(c, "SELECT * FROM written"), "5|é'|0.5|NULL\n6|x|1.0|x'00'\n");
  ck_assert_int_eq(exec(c, "SELECT * FROM written"), 0);
  ck_assert(tested->exec(c, "SELECT * FROM written WHERE a > ?", v, 1, &patient, &n, &e));
  exec(c, "CREATE OR REPLACE PROCEDURE two_results() BEGIN SELECT 1; SELECT 2; END");
  exec(c, "CALL two_results()");
  ck_assert_int_eq(exec(c, "UPDATE written SET a = 7"), 2);
  ck_assert(!tested->exec(c, "INSERT INTO written VALUES (?)", v, 2, &patient, &n, &e));
  ck_assert(!c->broken);
  error_clear(&e);
  ck_assert(!tested->exec(c, "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE written", NULL, 0,
                         &patient, &n, &e));
  ck_assert(!c->broken);
  ck_assert_str_eq(rows_of(c, "SELECT count(*) FROM written"), "2\n");
}
END_TEST

static TCase *group(Suite *s, const char *name, bool connected) {
  TCase *t = tcase_create(name);
  tcase_set_timeout(t, 40);
  if (connected) tcase_add_checked_fixture(t, setup, teardown);
  suite_add_tcase(s, t);
  return t;
}

static Suite *suite(void) {
  Suite *s = suite_create("mysql");
  TCase *t = group(s, "opening", false);
  tcase_add_test(t, wrong_password_is_an_auth_error);
  tcase_add_test(t, missing_database_is_a_config_error);
  tcase_add_test(t, closed_port_is_a_network_error);
  tcase_add_test(t, unknown_parameter_lists_the_valid_ones);
  tcase_add_test(t, second_host_is_tried_when_the_first_is_down);
  tcase_add_test(t, socket_works_as_host_and_as_parameter);
  tcase_add_test(t, tls_verifies_the_authority_and_the_name);
  tcase_add_test(t, tls_refuses_a_host_that_the_certificate_does_not_name);
  tcase_add_test(t, sigpipe_disposition_stays_as_it_was);
  tcase_add_test(t, server_cannot_ask_for_a_local_file);
  tcase_add_test(t, server_cannot_ask_for_the_clear_password);
  tcase_add_test(t, server_without_tls_is_refused_when_tls_is_asked_for);
  tcase_add_test(t, silent_server_ends_in_bounded_time);
  t = group(s, "session", true);
  tcase_add_test(t, session_is_pinned_and_pinned_again_after_reset);
  tcase_add_test(t, read_only_connection_cannot_write);
  tcase_add_test(t, child_process_can_close_without_a_word_to_the_server);
  tcase_add_test(t, interrupt_stops_the_servers_work_and_keeps_the_connection);
  tcase_add_test(t, silence_beyond_the_timeout_is_an_error);
  tcase_add_test(t, another_thread_can_cancel);
  tcase_add_test(t, exec_binds_counts_and_discards);
  t = group(s, "types", true);
  tcase_add_loop_test(t, type_is_read_as_a_table_and_as_a_query, 0,
                      (int)(sizeof type_cases / sizeof type_cases[0]));
  tcase_add_test(t, zero_dates_are_read_as_they_are);
  tcase_add_test(t, mariadb_uuid_and_inet_are_text);
  tcase_add_test(t, unsigned_and_numeric_keep_every_digit_as_text);
  tcase_add_test(t, sixteen_megabytes_in_one_value);
  t = group(s, "catalog", true);
  tcase_add_test(t, catalog_has_keys_indexes_and_broken_views);
  tcase_add_test(t, catalog_has_what_analyze_counted);
  tcase_add_test(t, schemas_are_the_urls_or_those_asked_for);
  tcase_add_test(t, describe_refuses_what_is_no_table);
  t = group(s, "scans", true);
  tcase_add_test(t, repeated_statement_is_one_round_trip);
  tcase_add_test(t, many_statements_do_not_pile_up_on_the_server);
  tcase_add_test(t, early_close_leaves_the_connection_idle);
  tcase_add_test(t, early_close_of_an_endless_scan_stops_the_server);
  tcase_add_test(t, killed_connection_in_mid_scan_is_an_error);
  tcase_add_test(t, changed_table_is_stale_and_never_shifts);
  tcase_add_test(t, rows_without_columns_are_counted);
  return s;
}

int main(void) {
  fixture_start(tskdb_driver_mysql, "TSKDB_TEST_MYSQL");
  return suite_run(suite());
}
