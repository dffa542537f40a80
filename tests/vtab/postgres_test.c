/*
** postgres_test.c - the PostgreSQL driver keeps the contract on a real server:
** connecting, the session, the catalog, scans that break, stop and are used
** again.  Its types are in postgres_types_test.c.  Cases tagged "timed" end
** within a time that valgrind does not leave them.
** Budget: 60 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/vtab/driver_fixture.h"
#include "tests/vtab/pretender.h"

extern driver_entry tskdb_driver_postgres;

static connection *c;

static void setup(void) { c = open_url(server_url); }

static void teardown(void) {
  tested->close(c, false);
  c = NULL;
}

/* ---- connecting -------------------------------------------------------------- */

/* The server's URL with HOST, which may have a port, in place of its own. */
static const char *url_at(const char *host, const char *tail) {
  static char out[1000];
  const char *at = strrchr(server_url, '@') + 1, *slash = strrchr(server_url, '/');
  snprintf(out, sizeof out, "%.*s%s%s%s", (int)(at - server_url), server_url, host, slash, tail);
  return out;
}

static int server_port(void) { return atoi(strrchr(server_url, ':') + 1); }

static const char *host_with_port(const char *host) {
  static char out[300];
  snprintf(out, sizeof out, "%s:%d", host, server_port());
  return out;
}

START_TEST(wrong_password_is_an_auth_error) {
  expect_refusal(url_with("not-it", NULL, ""), ERROR_AUTH, "password authentication failed");
}
END_TEST

START_TEST(missing_database_is_a_config_error) {
  expect_refusal(url_with(NULL, "no_such_database", ""), ERROR_CONFIG, "no_such_database");
}
END_TEST

START_TEST(closed_port_is_a_network_error) {
  expect_refusal("postgresql://u:p@127.0.0.1:1/x", ERROR_NETWORK, "port 1");
  expect_refusal("postgresql://u:p@%2Fno%2Fsuch%2Ffolder/x", ERROR_NETWORK, "/no/such/folder");
  expect_refusal("postgresql://u:p@host.invalid/x", ERROR_NETWORK, "host.invalid");
}
END_TEST

START_TEST(unknown_parameter_is_named) {
  expect_refusal(url_with(NULL, NULL, "?colour=red"), ERROR_CONFIG, "colour");
  expect_refusal(url_with(NULL, NULL, "?sslmode=maybe"), ERROR_CONFIG, "sslmode");
  expect_refusal(url_with(NULL, NULL, "?options=-c%20no_such%3D1"), ERROR_CONFIG, "no_such");
}
END_TEST

/* A password with an "@" or "/" that is not escaped never shows up in a message. */
START_TEST(stray_secret_is_not_quoted) {
  static const char *const urls[] = {"postgresql://u:pa@w:rd@127.0.0.1/x",
    "postgresql://u:pa/w:rd@h/x",
                                     "postgresql://u:w:rd@h:1/x", "postgresql://u:a#w:rd@[::1/x"};
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    tskdb_error e = {0};
    endpoint at = {.url = urls[i], .connect_timeout_ms = 1000};
    ck_assert_ptr_null(tested->open(&at, &patient, &e));
    ck_assert_msg(!strstr(e.text, "w:rd") && !strstr(e.text, "w%3Ard"), "%s", e.text);
  }
}
END_TEST

START_TEST(second_host_is_tried_when_the_first_is_down) {
  char hosts[600];
  int listener;
  snprintf(hosts, sizeof hosts, "127.0.0.1:1,%s", host_with_port("127.0.0.1"));
  tested->close(open_url(url_at(hosts, "")), false);
  /* One that is there and silent may not use up the time of the others. */
  snprintf(hosts, sizeof hosts, "127.0.0.1:1,127.0.0.1:2,%s", host_with_port("127.0.0.1"));
  tested->close(open_url(url_at(hosts, "")), false);
  snprintf(hosts, sizeof hosts, "127.0.0.1:%d", silent_port(&listener));
  expect_refusal(url_at(hosts, ""), ERROR_TIMEOUT, "no answer");
  close(listener);
  expect_refusal("postgresql://u:p@127.0.0.1:1,127.0.0.1:2/x", ERROR_NETWORK, "port 2");
}
END_TEST

START_TEST(a_writable_host_can_be_asked_for) {
  tested->close(open_url(url_with(NULL, NULL, "?target_session_attrs=read-write")), false);
  expect_refusal(url_with(NULL, NULL, "?target_session_attrs=standby"), ERROR_NETWORK, "standby");
}
END_TEST

START_TEST(socket_folder_is_a_host) {
  const char *folder = getenv("TSKDB_TEST_POSTGRES_SOCKET");
  char escaped[500] = "";
  if (!folder) return;
  for (const char *p = folder; *p; p++) strcat(escaped, *p == '/' ? "%2F" : (char[]){*p, 0});
  connection *local = open_url(url_at(host_with_port(escaped), ""));
  ck_assert_str_eq(rows_of(local, "SELECT inet_client_addr() IS NULL"), "1\n");
  tested->close(local, false);
}
END_TEST

START_TEST(ipv6_address_is_a_host) {
  int probe = socket(AF_INET6, SOCK_STREAM, 0);
  bool there = probe >= 0 && access("/proc/net/if_inet6", R_OK) == 0;
  if (probe >= 0) close(probe);
  if (!there) return;
  connection *six = open_url(url_at(host_with_port("[::1]"), ""));
  ck_assert_str_eq(rows_of(six, "SELECT host(inet_client_addr())"), "::1\n");
  tested->close(six, false);
}
END_TEST

/* ---- TLS ------------------------------------------------------------------------ */

static const char *const encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

static void expect_encrypted(const char *url) {
  connection *secure = open_url(url);
  ck_assert_str_eq(rows_of(secure, encrypted), "1\n");
  ck_assert_int_eq((int)strlen(rows_of(secure, "SELECT repeat('x', 5000000)")), 5000001);
  tested->close(secure, false);
}

START_TEST(tls_verifies_the_authority_and_the_name) {
  const char *ca = getenv("TSKDB_TEST_CA");
  char tail[500];
  if (!ca) return;
  /* Asked for, it is verified, here against the system's authorities. */
  expect_refusal(url_with(NULL, NULL, "?sslmode=require"), ERROR_TLS, "certificate");
  expect_refusal(url_with(NULL, NULL, "?ssl=true"), ERROR_TLS, "certificate");
  expect_refusal(url_with(NULL, NULL, "?sslmode=verify-full"), ERROR_TLS, "certificate");
  expect_refusal(url_with(NULL, NULL, "?sslmode=verify-full&sslrootcert=/no/such.pem"), ERROR_TLS,
                 "/no/such.pem");
  expect_encrypted(url_with(NULL, NULL, "?sslmode=require&sslrootcert=none"));
  snprintf(tail, sizeof tail, "?sslmode=verify-full&sslrootcert=%s", ca);
  expect_encrypted(url_with(NULL, NULL, tail));
  expect_encrypted(url_at(host_with_port("localhost"), tail));
  snprintf(tail, sizeof tail, "?ssl=true&sslrootcert=%s", ca);
  expect_encrypted(url_with(NULL, NULL, tail));
  snprintf(tail, sizeof tail, "?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert=%s", ca);
  expect_refusal(url_at(host_with_port("other.example"), tail), ERROR_TLS, "other.example");
  snprintf(tail, sizeof tail, "?hostaddr=127.0.0.1&sslmode=verify-ca&sslrootcert=%s", ca);
  expect_encrypted(url_at(host_with_port("other.example"), tail));
}
END_TEST

/* What comes of connecting to a server that says LINES, with TAIL of the URL. */
static tskdb_error connect_pretender(pretender *p, const pretender_line *lines, int n,
                                     const char *tail) {
  char url[500];
  tskdb_error e = {0};
  *p = (pretender){.lines = lines, .n_lines = n, .listens_first = true};
  pretender_start(p);
  snprintf(url, sizeof url, "postgresql://someone:s3cr3t@127.0.0.1:%d/x%s", p->port, tail);
  endpoint at = {.url = url, .connect_timeout_ms = 2000};
  ck_assert_ptr_null(tested->open(&at, &patient, &e));
  pretender_join(p);
  ck_assert(error_is_set(&e));
  ck_assert(!strstr(e.text, "s3cr3t"));
  return e;
}

START_TEST(server_without_tls_is_refused_when_tls_is_asked_for) {
  static const pretender_line no = {"N", 1};
  static const char *const tails[] = {"?sslmode=require", "?ssl=true", "?sslmode=verify-full",
                                      "?sslmode=require&sslrootcert=none"};
  for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
    pretender p;
    tskdb_error e = connect_pretender(&p, &no, 1, tails[i]);
    ck_assert_msg(e.klass == ERROR_TLS, "%s: %s %s", tails[i], error_class_name(e.klass), e.text);
    ck_assert_msg(!pretender_heard(&p, "someone"), "%s: a login was sent without TLS", tails[i]);
  }
}
END_TEST

START_TEST(server_that_makes_no_sense_is_an_error) {
  static const pretender_line lines[] = {
    {"HTTP/1.1 400 Bad Request\r\n\r\n", 28}, {"R\0\0\0\x08\0\0\0\0S\xff\xff\xff\xff", 14}, {"",
     0}};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    pretender p;
    tskdb_error e = connect_pretender(&p, &lines[i], 1, "?sslmode=disable");
    ck_assert_msg(e.klass == ERROR_NETWORK || e.klass == ERROR_PROTOCOL || e.klass == ERROR_TIMEOUT,
                  "%s %s", error_class_name(e.klass), e.text);
  }
}
END_TEST

/* ---- the session ----------------------------------------------------------------- */

START_TEST(session_is_pinned_and_pinned_again_after_reset) {
  static const char probe[] =
    "SELECT concat_ws('|', current_setting('DateStyle'), current_setting('IntervalStyle'),"
    " current_setting('TimeZone'), current_setting('extra_float_digits'),"
    " current_setting('bytea_output'), current_setting('lc_monetary'),"
    " current_setting('client_encoding'), current_setting('search_path'), current_database())";
  tskdb_error e = {0};
  ck_assert_str_eq(rows_of(c, probe),
    "ISO, YMD|postgres|UTC|3|hex|C|UTF8|\"$user\", public|tskdb_test\n");
  exec(c, "SET DateStyle = 'German'; SET TimeZone = 'Asia/Kolkata'; SET client_encoding = 'LATIN1';"
          "SET search_path = pg_catalog; SET bytea_output = escape; CREATE TEMP TABLE forgotten "
          "(a int);"
          "PREPARE mine AS SELECT 1; BEGIN");
  ck_assert(c->dirty);
  ck_assert(tested->reset(c, &patient, &e));
  ck_assert(!c->dirty);
  ck_assert_str_eq(rows_of(c, probe),
    "ISO, YMD|postgres|UTC|3|hex|C|UTF8|\"$user\", public|tskdb_test\n");
  ck_assert_str_eq(rows_of(c, "SELECT to_regclass('forgotten') IS NULL"), "1\n");
  ck_assert_str_eq(rows_of(c, "SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'"),
    "0\n");
  ck_assert(tested->ping(c, &patient, &e));
}
END_TEST

START_TEST(read_only_connection_cannot_write) {
  tskdb_error e = {0};
  int64_t n;
  endpoint at = {.url = server_url, .read_only = true};
  exec(c, "DROP TABLE IF EXISTS guarded; CREATE TABLE guarded (a int)");
  connection *reader = tested->open(&at, &patient, &e);
  assert_no_error(&e, "open");
  ck_assert(!tested->exec(reader, "INSERT INTO guarded VALUES (1)", NULL, 0, &patient, &n, &e));
  ck_assert_str_eq(e.sqlstate, "25006");
  tested->close(reader, false);
}
END_TEST

static void own_handler(int signal) { (void)signal; }

START_TEST(sigpipe_disposition_stays_as_it_was) {
  void (*const handlers[])(int) = {SIG_DFL, own_handler};
  for (size_t i = 0; i < 2; i++) {
    struct sigaction now, set = {.sa_handler = handlers[i]};
    sigaction(SIGPIPE, &set, NULL);
    setup();
    rows_of(c, "SELECT 1");
    teardown();
    sigaction(SIGPIPE, NULL, &now);
    ck_assert(now.sa_handler == handlers[i]);
  }
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

static bool is_later(void *context) { return wait_now_us() > *(int64_t *)context; }

START_TEST(interrupt_stops_the_servers_work_and_keeps_the_connection) {
  int64_t moment = wait_now_us() + 150000;
  wait_scope hasty = {
    .timeout_ms = 30000, .interrupted = is_later, .context = &moment, .wake_fd = -1};
  tskdb_error e = {0};
  int64_t n, started = wait_now_us();
  ck_assert(!tested->exec(c, "SELECT pg_sleep(20)", NULL, 0, &hasty, &n, &e));
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
  ck_assert(!tested->exec(c, "SELECT pg_sleep($1)", &v, 1, &brief, &n, &e));
  ck_assert_msg(e.klass == ERROR_TIMEOUT, "%s", e.text);
  ck_assert_int_lt(wait_now_us() - started, 2500000);
}
END_TEST

START_TEST(another_thread_can_cancel) {
  tskdb_error e = {0};
  int64_t started = wait_now_us();
  ck_assert(!exec_cancelled(c, "SELECT pg_sleep(20)", &e));
  ck_assert_msg(e.klass == ERROR_INTERRUPT, "%s", e.text);
  ck_assert_int_lt(wait_now_us() - started, 1500000);
  ck_assert(!c->broken);
  ck_assert_str_eq(rows_of(c, "SELECT 1"), "1\n");
}
END_TEST

START_TEST(exec_binds_counts_and_discards) {
  tskdb_error e = {0};
  int64_t n;
  exec(c, "DROP TABLE IF EXISTS written; CREATE TABLE written (a int, b text, d float8, x bytea)");
  value v[] = {{.storage = STORAGE_INTEGER, .integer = 5},
               {.storage = STORAGE_TEXT, .bytes = "é'", .length = 3},
               {.storage = STORAGE_REAL, .real = 0.5},
               {.storage = STORAGE_BLOB, .bytes = "\0\xff", .length = 2},
               {.storage = STORAGE_NULL}};
  ck_assert(tested->exec(c, "INSERT INTO written VALUES ($1, $2, $3, $4), (6, 'x', 1, $5)", v, 5,
                         &patient, &n, &e));
  ck_assert_int_eq(n, 2);
  ck_assert_str_eq(rows_of(c, "SELECT * FROM written"), "5|é'|0.5|x'00ff'\n6|x|1.0|NULL\n");
  exec(c, "SELECT * FROM written; SELECT 2");
  ck_assert_int_eq(exec(c, "UPDATE written SET a = 7"), 2);
  ck_assert(!tested->exec(c, "INSERT INTO written VALUES ($1)", v, 2, &patient, &n, &e));
  ck_assert(!c->broken);
  ck_assert_str_eq(rows_of(c, "SELECT count(*) FROM written"), "2\n");
  error_clear(&e);
  ck_assert(!tested->exec(c, "COPY written FROM STDIN", NULL, 0, &patient, &n, &e));
  ck_assert_msg(strstr(e.text, "COPY"), "%s", e.text);
}
END_TEST

/* ---- the catalog ------------------------------------------------------------------------ */

static const relation_index *index_of(const relation *r, const char *name) {
  for (int i = 0; i < r->n_indexes; i++) {
    if (strcmp(r->indexes[i].name, name) == 0) return &r->indexes[i];
  }
  ck_abort_msg("no index %s", name);
  return NULL;
}

START_TEST(catalog_has_keys_indexes_and_kinds) {
  exec(c, "DROP SCHEMA IF EXISTS kinds CASCADE; CREATE SCHEMA kinds; SET search_path = kinds;"
          "CREATE TABLE parent (a int, b varchar(10) NOT NULL, PRIMARY KEY (a, b));"
          "CREATE TABLE child (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, x int,"
          " y varchar(10),"
          " z int GENERATED ALWAYS AS (x + 1) STORED, w int NOT NULL DEFAULT 5 CONSTRAINT one "
          "UNIQUE,"
          " CONSTRAINT to_parent FOREIGN KEY (x, y) REFERENCES parent (a, b));"
          "CREATE UNIQUE INDEX part ON child (x) WHERE x > 0; CREATE INDEX sum ON child ((x + w));"
          "CREATE TABLE parts (k int, v text, PRIMARY KEY (k)) PARTITION BY RANGE (k);"
          "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);"
          "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20) PARTITION BY "
          "RANGE (k);"
          "CREATE TABLE parts_21 PARTITION OF parts_2 FOR VALUES FROM (10) TO (15);"
          "INSERT INTO parts VALUES (1, 'a'), (11, 'b'); CREATE VIEW seen AS SELECT id,"
          " x FROM child;"
          "CREATE MATERIALIZED VIEW kept AS SELECT * FROM parts; CREATE TABLE none ();"
          "CREATE TABLE dropped (a int, gone int, b int); ALTER TABLE dropped DROP COLUMN gone;"
          "CREATE UNLOGGED TABLE fast (a int); CREATE TABLE heir () INHERITS (parent)");
  static const char *const schema[] = {"kinds"};
  const discovery want = {.schemas = schema, .n_schemas = 1};
  tskdb_error e = {0};
  ck_assert(tested->ping(c, &patient, &e));   /* what follows a native statement costs one more */
  uint64_t before = c->round_trips;
  catalog *k = discover_with(c, &want);
  ck_assert_uint_eq(c->round_trips - before, 1);
  const relation *child = relation_of(k, "kinds.child");
  ck_assert_int_eq(child->n_key, 1);
  ck_assert(child->key_is_rowid);
  ck_assert(child->columns[3].flags & COLUMN_GENERATED);
  ck_assert(child->columns[0].flags & COLUMN_HAS_DEFAULT);
  ck_assert(child->columns[4].flags & COLUMN_HAS_DEFAULT);
  ck_assert(!(child->columns[1].flags & (COLUMN_HAS_DEFAULT | COLUMN_NOT_NULL)));
  ck_assert_int_eq(child->n_foreign_keys, 1);
  ck_assert_str_eq(child->foreign_keys[0].to_relation, "parent");
  ck_assert_int_eq(child->foreign_keys[0].n_columns, 2);
  ck_assert_str_eq(child->foreign_keys[0].to_columns[1], "b");
  ck_assert(index_of(child, "one")->unique && !index_of(child, "one")->partial);
  ck_assert(index_of(child, "part")->partial && index_of(child, "sum")->partial);
  ck_assert_int_eq(relation_of(k, "kinds.parent")->n_key, 2);
  ck_assert_int_eq(relation_of(k, "kinds.parts")->kind, RELATION_PARTITIONED);
  ck_assert_int_eq(relation_of(k, "kinds.parts")->n_key, 1);
  ck_assert_ptr_null(catalog_find(k, "kinds.parts_1"));
  ck_assert_ptr_null(catalog_find(k, "kinds.parts_2"));
  ck_assert_ptr_null(catalog_find(k, "kinds.parts_21"));
  ck_assert_int_eq(relation_of(k, "kinds.seen")->kind, RELATION_VIEW);
  ck_assert_int_eq(relation_of(k, "kinds.kept")->kind, RELATION_MATERIALIZED);
  ck_assert_ptr_nonnull(relation_of(k, "kinds.none")->unusable);
  ck_assert_int_eq(relation_of(k, "kinds.dropped")->n_columns, 2);
  ck_assert_int_eq(relation_of(k, "kinds.fast")->kind, RELATION_TABLE);
  ck_assert_int_eq(relation_of(k, "kinds.heir")->n_columns, 2);
  catalog_release(k);
  e = (tskdb_error){0};
  ck_assert(tested->reset(c, &patient, &e));
  ck_assert_str_eq(rows_of(c, "SELECT * FROM kinds.parts ORDER BY k"), "1|a\n11|b\n");
}
END_TEST

START_TEST(foreign_tables_are_tables) {
  char sql[700];
  if (!*rows_of(c, "SELECT 1 FROM pg_available_extensions WHERE name = 'postgres_fdw'")) return;
  snprintf(sql, sizeof sql,
           "CREATE EXTENSION IF NOT EXISTS postgres_fdw; DROP SERVER IF EXISTS itself CASCADE;"
           "CREATE SERVER itself FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1',"
           " port '%d',"
           " dbname 'tskdb_test'); CREATE USER MAPPING FOR CURRENT_USER SERVER itself"
           " OPTIONS (user 'tskdb', password 'p@ss/w:rd%%''\"');"
           "DROP TABLE IF EXISTS near; CREATE TABLE near (a int,"
           " t text); INSERT INTO near VALUES (7, 'é');"
           "CREATE FOREIGN TABLE far (a int, t text) SERVER itself OPTIONS (table_name 'near')",
           server_port());
  exec_and_reset(c, sql);
  catalog *k = discover(c);
  ck_assert_int_eq(relation_of(k, "far")->kind, RELATION_FOREIGN);
  catalog_release(k);
  ck_assert_str_eq(read_column(c, "far", "t"), "é\n");
  exec(c, "DROP SERVER itself CASCADE");
}
END_TEST

START_TEST(names_are_plain_on_the_search_path_alone) {
  static const char *const two[] = {"elsewhere", "public"}, *const none[] = {"no_such_one"};
  static const char *const odd[] = {"o\"d,d\\{}"};
  discovery want = {.schemas = two, .n_schemas = 2};
  exec_and_reset(c, "DROP SCHEMA IF EXISTS elsewhere CASCADE; CREATE SCHEMA elsewhere;"
                    "DROP SCHEMA IF EXISTS \"o\"\"d,d\\{}\" CASCADE; CREATE SCHEMA \"o\"\"d,"
                    "d\\{}\";"
                    "DROP TABLE IF EXISTS here; CREATE TABLE here (a int); CREATE TABLE "
                    "elsewhere.here (a int);"
                    "CREATE TABLE elsewhere.there (a int); CREATE TABLE \"o\"\"d,"
                    "d\\{}\".t (a int)");
  catalog *k = discover(c);
  ck_assert(relation_of(k, "here")->plain);
  ck_assert(!relation_of(k, "elsewhere.there")->plain);
  ck_assert_str_eq(relation_of(k, "elsewhere.here")->name, "elsewhere.here");
  ck_assert_ptr_null(catalog_find(k, "pg_catalog.pg_class"));
  ck_assert_ptr_null(catalog_find(k, "information_schema.tables"));
  catalog_release(k);
  k = discover_with(c, &want);
  ck_assert_ptr_null(catalog_find(k, "o\"d,d\\{}.t"));
  catalog_release(k);
  want = (discovery){.schemas = odd, .n_schemas = 1};
  k = discover_with(c, &want);
  ck_assert_int_eq(k->n_relations, 1);
  catalog_release(k);
  want = (discovery){.schemas = none, .n_schemas = 1};
  tskdb_error e = {0};
  k = catalog_new();
  ck_assert(!tested->discover(c, &want, &patient, k, &e));
  ck_assert_int_eq(e.klass, ERROR_CONFIG);
  catalog_release(k);
  connection *other = open_url(url_with(NULL, NULL, "?options=-c%20search_path%3Delsewhere"));
  k = discover(other);
  ck_assert_str_eq(relation_of(k, "there")->name, "there");
  ck_assert_str_eq(relation_of(k, "here")->remote_schema, "elsewhere");
  ck_assert_str_eq(relation_of(k, "public.here")->name, "public.here");
  catalog_release(k);
  tested->close(other, false);
}
END_TEST

START_TEST(what_the_role_may_not_read_is_listed_with_the_reason) {
  exec(c, "DROP TABLE IF EXISTS secret; CREATE TABLE secret (a int); DROP ROLE IF EXISTS "
    "tskdb_reader;"
          "CREATE ROLE tskdb_reader");
  connection *reader = open_url(url_with(NULL, NULL, "?options=-c%20role%3Dtskdb_reader"));
  catalog *k = discover(reader);
  ck_assert_ptr_nonnull(relation_of(k, "secret")->unusable);
  catalog_release(k);
  tested->close(reader, false);
}
END_TEST

START_TEST(describe_refuses_what_is_no_table) {
  static const char *const bad[] = {"DROP TABLE here", "SELECT 1; SELECT 2", "SELECT $1::int",
    "SELEC 1", ""};
  static const discovery plain = {0};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    tskdb_error e = {0};
    catalog *k = catalog_new();
    ck_assert_msg(!tested->describe(c, &(native_text){&bad[i], 1}, &plain, &patient, k, &e), "%s",
      bad[i]);
    ck_assert(error_is_set(&e));
    catalog_release(k);
  }
  ck_assert_str_eq(rows_of(c, "SELECT 1 a -- a comment"), "1\n");
  ck_assert_str_eq(rows_of(c, "VALUES (1, 'x'), (2, NULL);"), "1|x\n2|NULL\n");
  ck_assert_str_eq(rows_of(c, "WITH n AS (SELECT 1 AS a) TABLE n"), "1\n");
  ck_assert_str_eq(rows_of(c, "SELECT 1 a, 2 a, 3 \"a:1\", 4, 5 -- comment"), "1|2|3|4|5\n");
}
END_TEST

/* ---- scans --------------------------------------------------------------------------------- */

static catalog *scan_catalog;
static asked scan_query;

static void sequence(const char *table, int rows) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "DROP TABLE IF EXISTS %s; CREATE TABLE %s (a bigint PRIMARY KEY, t text);"
           "INSERT INTO %s SELECT i, repeat('x', 150) FROM generate_series(1, %d) i", table, table,
           table, rows);
  exec_and_reset(c, sql);
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
  for (int i = 0; i < 4; i++) {
    uint64_t before = c->round_trips;
    ck_assert(fetch_text(c, &scan_query.request, &got, &e));
    /* The second time it is also prepared. */
    ck_assert_uint_le(c->round_trips - before, i == 1 ? 2 : 1);
  }
  buffer_free(&got);
  sequence_end();
}
END_TEST

START_TEST(name_of_a_statement_whose_answer_was_not_awaited_is_not_used_again) {
  int woken[2];
  buffer got = {0};
  tskdb_error e = {0};
  sequence("seq_small", 10);
  ck_assert(fetch_text(c, &scan_query.request, &got, &e));
  ck_assert_int_eq(pipe(woken), 0);
  ck_assert_int_eq(write(woken[1], "x", 1), 1);
  wait_scope hasty = {.timeout_ms = 30000, .wake_fd = woken[0]};
  ck_assert_ptr_null(tested->scan_open(c, &scan_query.request, &hasty, &e));
  ck_assert_msg(e.klass == ERROR_INTERRUPT, "%s", e.text);
  ck_assert(!c->broken);
  for (int i = 0; i < 2; i++) {
    ck_assert_msg(fetch_text(c, &scan_query.request, &got, &e), "%s", e.text);
  }
  close(woken[0]);
  close(woken[1]);
  buffer_free(&got);
  sequence_end();
}
END_TEST

START_TEST(many_statements_do_not_pile_up_on_the_server) {
  char sql[100];
  for (int pass = 0; pass < 3; pass++) {
    for (int i = 0; i < 100; i++) {
      snprintf(sql, sizeof sql, "SELECT %d a", i);
      rows_of(c, sql);
      rows_of(c, sql);
    }
  }
  ck_assert_int_le(atoi(rows_of(c, "SELECT count(*) FROM pg_prepared_statements")), 64);
}
END_TEST

/* Opens a scan of REQUEST, reads one batch and closes it, some times. */
static void close_early(const request *r, int columns) {
  batch b;
  tskdb_error e = {0};
  for (int i = 0; i < 3; i++) {
    int64_t started = wait_now_us();
    scan *s = tested->scan_open(c, r, &patient, &e);
    assert_no_error(&e, "scan");
    ck_assert(batch_init(&b, columns, 4096));
    ck_assert_int_eq(tested->scan_fetch(s, &b, &patient, &e), SCAN_ROWS);
    tested->scan_close(s);
    batch_free(&b);
    ck_assert(!c->broken);
    ck_assert_int_lt(wait_now_us() - started, 1500000);
    ck_assert_str_eq(rows_of(c, "SELECT 1"), "1\n");
  }
}

START_TEST(early_close_leaves_the_connection_idle) {
  sequence("seq_large", 64000);
  close_early(&scan_query.request, 2);
  sequence_end();
}
END_TEST

/* Far more rows than can be read in a moment: the server has to be told. */
START_TEST(early_close_of_an_endless_scan_stops_the_server) {
  static const discovery plain = {0};
  tskdb_error e = {0};
  asked a;
  catalog *k = catalog_new();
  const char *endless = "SELECT x FROM generate_series(1, 100000) x, generate_series(1, 100000) y";
  ck_assert(tested->describe(c, &(native_text){&endless, 1}, &plain, &patient, k, &e));
  ask(&a, &k->relations[0]);
  compile(&a, c);
  close_early(&a.request, 1);
  arena_free(&a.memory);
  catalog_release(k);
}
END_TEST

START_TEST(killed_connection_in_mid_scan_is_an_error) {
  batch b;
  scan_status status;
  tskdb_error e = {0};
  char kill_it[100];
  size_t rows = 0;
  sequence("seq_large", 150000);
  snprintf(kill_it, sizeof kill_it, "SELECT pg_terminate_backend(%d)",
           atoi(rows_of(c, "SELECT pg_backend_pid()")));
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
  ck_assert_uint_lt(rows, 150000);
  tested->scan_close(s);
  ck_assert(c->broken);
  batch_free(&b);
  tested->close(other, false);
  sequence_end();
}
END_TEST

/* An error that comes after rows have come. */
START_TEST(error_at_a_later_row_is_an_error) {
  static const discovery plain = {0};
  const char *late = "SELECT 1 / (5000 - x) AS q FROM generate_series(1, 100000) x";
  tskdb_error e = {0};
  buffer got = {0};
  asked a;
  catalog *k = catalog_new();
  ck_assert(tested->describe(c, &(native_text){&late, 1}, &plain, &patient, k, &e));
  ask(&a, &k->relations[0]);
  compile(&a, c);
  ck_assert(!fetch_text(c, &a.request, &got, &e));
  ck_assert_str_eq(e.sqlstate, "22012");
  ck_assert(!c->broken);
  ck_assert_str_eq(rows_of(c, "SELECT 1"), "1\n");
  buffer_free(&got);
  arena_free(&a.memory);
  catalog_release(k);
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
  expect_stale("ALTER TABLE changing ALTER a TYPE text", "another type");
  expect_stale("ALTER TABLE changing ALTER t TYPE bytea USING t::bytea", "another type");
  expect_stale("ALTER TABLE changing ALTER a TYPE numeric", "another type");
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

static TCase *group(Suite *s, const char *name, bool connected) {
  TCase *t = tcase_create(name);
  tcase_set_timeout(t, 40);
  if (connected) tcase_add_checked_fixture(t, setup, teardown);
  suite_add_tcase(s, t);
  return t;
}

static Suite *suite(void) {
  Suite *s = suite_create("postgres");
  TCase *t = group(s, "opening", false);
  tcase_set_tags(t, "timed");
  tcase_add_test(t, wrong_password_is_an_auth_error);
  tcase_add_test(t, missing_database_is_a_config_error);
  tcase_add_test(t, closed_port_is_a_network_error);
  tcase_add_test(t, unknown_parameter_is_named);
  tcase_add_test(t, stray_secret_is_not_quoted);
  tcase_add_test(t, second_host_is_tried_when_the_first_is_down);
  tcase_add_test(t, a_writable_host_can_be_asked_for);
  tcase_add_test(t, socket_folder_is_a_host);
  tcase_add_test(t, ipv6_address_is_a_host);
  tcase_add_test(t, tls_verifies_the_authority_and_the_name);
  tcase_add_test(t, server_without_tls_is_refused_when_tls_is_asked_for);
  tcase_add_test(t, server_that_makes_no_sense_is_an_error);
  tcase_add_test(t, sigpipe_disposition_stays_as_it_was);
  t = group(s, "session", true);
  tcase_add_test(t, session_is_pinned_and_pinned_again_after_reset);
  tcase_add_test(t, read_only_connection_cannot_write);
  tcase_add_test(t, child_process_can_close_without_a_word_to_the_server);
  tcase_add_test(t, exec_binds_counts_and_discards);
  t = group(s, "catalog", true);
  tcase_add_test(t, catalog_has_keys_indexes_and_kinds);
  tcase_add_test(t, foreign_tables_are_tables);
  tcase_add_test(t, names_are_plain_on_the_search_path_alone);
  tcase_add_test(t, what_the_role_may_not_read_is_listed_with_the_reason);
  tcase_add_test(t, describe_refuses_what_is_no_table);
  t = group(s, "scans", true);
  tcase_add_test(t, repeated_statement_is_one_round_trip);
  tcase_add_test(t, name_of_a_statement_whose_answer_was_not_awaited_is_not_used_again);
  tcase_add_test(t, many_statements_do_not_pile_up_on_the_server);
  tcase_add_test(t, killed_connection_in_mid_scan_is_an_error);
  tcase_add_test(t, error_at_a_later_row_is_an_error);
  tcase_add_test(t, changed_table_is_stale_and_never_shifts);
  tcase_add_test(t, rows_without_columns_are_counted);
  t = group(s, "limits", true);
  tcase_set_tags(t, "timed");
  tcase_add_test(t, interrupt_stops_the_servers_work_and_keeps_the_connection);
  tcase_add_test(t, silence_beyond_the_timeout_is_an_error);
  tcase_add_test(t, another_thread_can_cancel);
  tcase_add_test(t, early_close_leaves_the_connection_idle);
  tcase_add_test(t, early_close_of_an_endless_scan_stops_the_server);
  return s;
}

int main(void) {
  fixture_start(tskdb_driver_postgres, "TSKDB_TEST_POSTGRES");
  return suite_run(suite());
}
