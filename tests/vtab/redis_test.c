/*
** redis_test.c - the Redis driver keeps the contract on a real server:
** connecting, the session, every type at its ends, families, scans that meet
** a changing server, commands; and a server that lies.
** Budget: 60 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/vtab/redis_fixture.h"

static connection *c;

static void setup(void) {
  c = open_url(server_url);
  exec(c, "FLUSHDB");
}

static void teardown(void) {
  tested->close(c, false);
  c = NULL;
}

static value number(int64_t i) { return (value){.storage = STORAGE_INTEGER, .integer = i}; }

/* The rows of a native command, in a static buffer; E receives what went wrong. */
static const char *reply_or_error(connection *on, const char *const *words, int n, tskdb_error *e) {
  static buffer out;
  static const discovery plain = {0};
  asked a;
  catalog *k = catalog_new();
  buffer_clear(&out);
  if (tested->describe(on, &(native_text){words, n}, &plain, &patient, k, e)) {
    ask(&a, &k->relations[0]);
    compile(&a, on);
    fetch_text(on, &a.request, &out, e);
    arena_free(&a.memory);
  }
  catalog_release(k);
  return buffer_cstr(&out);
}

static const char *reply_words(connection *on, const char *const *words, int n) {
  tskdb_error e = {0};
  const char *text = reply_or_error(on, words, n, &e);
  assert_no_error(&e, words[0]);
  return text;
}

#define REPLY(on, ...) \
  reply_words(on, (const char *const[]){__VA_ARGS__}, \
              (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

/* ---- connecting ---------------------------------------------------------- */

/* The server's URL with user and password "WHO" (with its colon), HOST and what follows. */
static const char *url_of(const char *scheme, const char *who, const char *host, const char *tail) {
  static char out[1500];
  const char *slashes = strstr(server_url, "//") + 2, *at = strrchr(server_url, '@');
  const char *slash = strchr(at, '/');
  char own_who[500], own_host[500];
  snprintf(own_who, sizeof own_who, "%.*s", (int)(at - slashes), slashes);
  snprintf(own_host, sizeof own_host, "%.*s", (int)(slash - at - 1), at + 1);
  snprintf(out, sizeof out, "%s://%s%s%s%s", scheme, who ? who : own_who, who && !*who ? "" : "@",
           host ? host : own_host, tail);
  return out;
}

START_TEST(wrong_credentials_are_an_auth_error) {
  expect_refusal(url_of("redis", "tskdb:not-it", NULL, "/1"), ERROR_AUTH, "WRONGPASS");
  expect_refusal(url_of("redis", ":not-it", NULL, "/1"), ERROR_AUTH, "AUTH");
  expect_refusal(url_of("redis", "nobody", NULL, "/1"), ERROR_AUTH, "AUTH");
  expect_refusal(url_of("redis", "", NULL, "/"), ERROR_AUTH, "NOAUTH");
}
END_TEST

START_TEST(missing_database_is_a_config_error) {
  expect_refusal(url_of("redis", NULL, NULL, "/9999"), ERROR_CONFIG, "DB index");
  expect_refusal(url_of("redis", NULL, NULL, "/shop"), ERROR_CONFIG, "number");
  expect_refusal(url_of("redis+cluster", NULL, NULL, "/3"), ERROR_CONFIG, "database 0");
}
END_TEST

START_TEST(unreachable_server_is_a_network_error) {
  expect_refusal("redis://u:p@127.0.0.1:1/0", ERROR_NETWORK, "port 1");
  expect_refusal("redis://u:p@%2Fno%2Fsuch%2Fsocket/0", ERROR_NETWORK, "/no/such/socket");
  expect_refusal("redis://u:p@host.invalid/0", ERROR_NETWORK, "host.invalid");
  expect_refusal("redis+sentinel://u:p@127.0.0.1:1/name", ERROR_NETWORK, "sentinel");
}
END_TEST

START_TEST(url_parameters_are_known_or_an_error) {
  expect_refusal(url_of("redis", NULL, NULL, "/1?colour=red"), ERROR_CONFIG, "client_name");
  expect_refusal(url_of("redis", NULL, NULL, "/1?sslmode=maybe"), ERROR_CONFIG, "verify-full");
  expect_refusal(url_of("redis", NULL, NULL, "/1?ssl-ca=/no/such.pem"), ERROR_CONFIG,
                 "/no/such.pem");
  expect_refusal(url_of("redis", NULL, NULL, "/1?connect_timeout=x"), ERROR_CONFIG, "seconds");
  expect_refusal(url_of("rediss", NULL, NULL, "/1?tls=false"), ERROR_CONFIG, "TLS");
  expect_refusal(url_of("redis+sentinel", NULL, NULL, "/"), ERROR_CONFIG, "master's name");
  connection *named = open_url(url_of("redis", NULL, NULL, "/1?client_name=me&connect_timeout=3"));
  ck_assert_str_eq(REPLY(named, "CLIENT", "GETNAME"), "0|me\n");
  tested->close(named, false);
  named = open_url(url_of("redis", NULL, NULL, "/?db=3"));
  ck_assert_ptr_nonnull(strstr(REPLY(named, "CLIENT", "INFO"), " db=3 "));
  tested->close(named, false);
}
END_TEST

START_TEST(second_host_is_tried_when_the_first_is_down) {
  char hosts[500];
  const char *at = strrchr(server_url, '@') + 1;
  snprintf(hosts, sizeof hosts, "127.0.0.1:1,%.*s", (int)(strchr(at, '/') - at), at);
  tested->close(open_url(url_of("redis", NULL, hosts, "/1")), false);
}
END_TEST

START_TEST(socket_works_as_host_and_as_parameter) {
  const char *socket = getenv("TSKDB_TEST_REDIS_SOCKET");
  char escaped[500] = "", tail[600];
  if (!socket) return;
  for (const char *p = socket; *p; p++) strcat(escaped, *p == '/' ? "%2F" : (char[]){*p, 0});
  tested->close(open_url(url_of("redis", NULL, escaped, "/1")), false);
  snprintf(tail, sizeof tail, "/1?socket=%s", escaped);
  tested->close(open_url(url_of("redis", NULL, "localhost", tail)), false);
}
END_TEST

/* The certificate names 127.0.0.1, ::1 and localhost; 127.0.0.2 is the same machine. */
START_TEST(tls_verifies_the_authority_and_the_name) {
  const char *ca = getenv("TSKDB_TEST_CA"), *url = getenv("TSKDB_TEST_REDIS_TLS");
  char host[100], tail[500];
  if (!ca || !url) return;
  int port = atoi(strrchr(url, ':') + 1);
  snprintf(host, sizeof host, "localhost:%d", port);
  expect_refusal(url_of("rediss", NULL, host, "/1"), ERROR_TLS, "certificate");
  snprintf(tail, sizeof tail, "/1?ssl-ca=%s", ca);
  connection *secure = open_url(url_of("rediss", NULL, host, tail));
  COMMAND(secure, "SETRANGE", B("long"), number(5000000), B("x"));
  ck_assert_str_eq(REPLY(secure, "STRLEN", "long"), "0|5000001\n");
  REPLY(secure, "GET", "long");
  tested->close(secure, false);
  snprintf(host, sizeof host, "127.0.0.2:%d", port);
  expect_refusal(url_of("rediss", NULL, host, tail), ERROR_NETWORK, "127.0.0.2");
  snprintf(host, sizeof host, "127.0.0.1:%d", port);
  tested->close(open_url(url_of("rediss", NULL, host, tail)), false);
  tested->close(open_url(url_of("rediss", NULL, host, "/1?sslmode=require")), false);
  snprintf(tail, sizeof tail, "/1?sslmode=verify-ca&ssl-ca=%s", ca);
  tested->close(open_url(url_of("redis", NULL, host, tail)), false);
  /* A server without TLS waits for a command in what it hears. */
  expect_refusal(url_of("rediss", NULL, NULL, "/1?connect_timeout=1"), ERROR_TIMEOUT, "TLS");
}
END_TEST

START_TEST(session_is_as_new_after_a_reset) {
  tskdb_error e = {0};
  exec(c, "SET own 1");
  exec(c, "SELECT 5");
  exec(c, "CLIENT SETNAME other");
  exec(c, "MULTI");
  ck_assert(c->dirty);
  ck_assert(tested->reset(c, &patient, &e));
  ck_assert(!c->dirty);
  ck_assert_str_eq(REPLY(c, "GET", "own"), "0|1\n");
  ck_assert_str_eq(REPLY(c, "CLIENT", "GETNAME"), "0|tskdb\n");
  ck_assert(tested->ping(c, &patient, &e));
}
END_TEST

START_TEST(read_only_connection_cannot_write) {
  tskdb_error e = {0};
  int64_t n;
  endpoint at = {.url = server_url, .read_only = true};
  COMMAND(c, "SET", B("k"), B("v"));
  connection *reader = tested->open(&at, &patient, &e);
  assert_no_error(&e, "open");
  static const char *const writing[] = {"SET k w", "DEL k", "EVAL return 0",
                                        "CONFIG SET maxclients 1", "FLUSHALL"};
  for (size_t i = 0; i < sizeof writing / sizeof writing[0]; i++) {
    error_clear(&e);
    ck_assert(!tested->exec(reader, writing[i], NULL, 0, &patient, &n, &e));
    ck_assert_msg(e.klass == ERROR_AUTH && strstr(e.text, "read-only"), "%s: %s", writing[i],
                  e.text);
  }
  ck_assert_str_eq(REPLY(reader, "GET", "k"), "0|v\n");
  tested->close(reader, false);
}
END_TEST

START_TEST(commands_that_need_a_connection_of_their_own_are_refused) {
  static const char *const refused[] = {
      "SUBSCRIBE x", "monitor", "client  reply off", "PSYNC ? -1", "HELLO 3", " ", ""};
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    tskdb_error e = {0};
    int64_t n;
    ck_assert_msg(!tested->exec(c, refused[i], NULL, 0, &patient, &n, &e), "%s", refused[i]);
    ck_assert_int_eq(e.klass, ERROR_CONFIG);
  }
  ck_assert_str_eq(REPLY(c, "PING"), "0|PONG\n");
}
END_TEST

static void own_handler(int signal) { (void)signal; }

/* A write to a connection that the server has closed. */
static void break_connection(void) {
  tskdb_error e = {0};
  int64_t n;
  connection *broken = open_url(server_url);
  char id[32];
  const char *said = REPLY(broken, "CLIENT", "ID");
  snprintf(id, sizeof id, "%s", said + 2);
  id[strcspn(id, "\n")] = 0;
  COMMAND(c, "CLIENT KILL ID", text_value(id));
  for (int i = 0; i < 3; i++) {
    error_clear(&e);
    ck_assert(!tested->exec(broken, "PING", NULL, 0, &patient, &n, &e));
    ck_assert_msg(e.klass == ERROR_NETWORK, "%s", e.text);
  }
  ck_assert(broken->broken);
  tested->close(broken, false);
}

START_TEST(killed_connection_is_an_error_and_raises_no_signal) {
  struct sigaction now, set = {.sa_handler = SIG_DFL};
  sigaction(SIGPIPE, &set, NULL);
  break_connection();
  set.sa_handler = own_handler;
  sigaction(SIGPIPE, &set, NULL);
  break_connection();
  sigaction(SIGPIPE, NULL, &now);
  ck_assert(now.sa_handler == own_handler);
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
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  ck_assert_str_eq(REPLY(c, "PING"), "0|PONG\n");
}
END_TEST

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
  ck_assert_msg(strstr(rows, "i|string|NULL|int|") && strstr(rows, "s|set|"), "%s", rows);
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

/* The rows of RELATION with key = VALUE. */
static const char *rows_of_key(const relation *r, value v) {
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

/* ---- commands ------------------------------------------------------------ */

START_TEST(replies_are_rows) {
  COMMAND(c, "RPUSH", B("l"), B("a"), B("\xff"), B("5"));
  ck_assert_str_eq(REPLY(c, "LRANGE", "l", "0", "-1"), "0|a\n1|x'ff'\n2|5\n");
  ck_assert_str_eq(REPLY(c, "GET", "nothing"), "0|NULL\n");
  ck_assert_str_eq(REPLY(c, "KEYS", "nothing"), "");
  ck_assert_str_eq(REPLY(c, "LLEN", "l"), "0|3\n");
  ck_assert_str_eq(REPLY(c, "PING"), "0|PONG\n");
  ck_assert_str_eq(REPLY(c, "EVAL", "return {1, {'a', {2, {}}, false}, {{}}, 'x'}", "0"),
                   "0|1\n1|[\"a\",[2,[]],null]\n2|[[]]\n3|x\n");
}
END_TEST

static void expect_error(const char *native, const value *v, int n, error_class klass,
                         const char *words) {
  tskdb_error e = {0};
  int64_t affected;
  ck_assert_msg(!tested->exec(c, native, v, n, &patient, &affected, &e), "%s", native);
  ck_assert_msg(e.klass == klass && strstr(e.text, words), "%s: %s: %s", native,
                error_class_name(e.klass), e.text);
  ck_assert_msg(!strstr(e.text, "secret"), "an argument is in: %s", e.text);
}

START_TEST(errors_name_the_command_and_no_argument) {
  tskdb_error e = {0};
  const value secret[] = {B("secret"), B("secret")};
  const value nothing = {.storage = STORAGE_NULL};
  expect_error("FOO", secret, 2, ERROR_SQL, "FOO: ERR unknown command");
  expect_error("INCR", secret, 2, ERROR_SQL, "INCR: ERR wrong number");
  expect_error("SET k", &nothing, 1, ERROR_CONFIG, "argument 1 is NULL");
  expect_error("SELECT 99999", NULL, 0, ERROR_CONFIG, "DB index");
  COMMAND(c, "SET", B("k"), B("x"));
  expect_error("HGETALL k", NULL, 0, ERROR_SQL, "HGETALL: WRONGTYPE");
  reply_or_error(c, (const char *const[]){"NOSUCH", "secret"}, 2, &e);
  ck_assert_msg(strstr(e.text, "unknown command") && !strstr(e.text, "secret"), "%s", e.text);
  error_clear(&e);
  reply_or_error(c, (const char *const[]){"LRANGE", "k", "0", "1"}, 4, &e);
  ck_assert_msg(strstr(e.text, "LRANGE: WRONGTYPE"), "%s", e.text);
}
END_TEST

START_TEST(a_server_that_is_full_or_forbids_says_so) {
  exec(c, "CONFIG SET maxmemory 1 maxmemory-policy noeviction");
  expect_error("SET k v", NULL, 0, ERROR_LIMIT, "SET: OOM");
  exec(c, "CONFIG SET maxmemory 0");
  exec(c, "ACL SETUSER reader on >pw ~r:* +@read +select");
  connection *reader = open_url(url_of("redis", "reader:pw", NULL, "/1"));
  tskdb_error e = {0};
  int64_t n;
  ck_assert(!tested->exec(reader, "SET r:1 x", NULL, 0, &patient, &n, &e));
  ck_assert_msg(e.klass == ERROR_AUTH && strstr(e.text, "NOPERM"), "%s", e.text);
  /* INFO is forbidden too: the server's version stays unknown, and its tables work. */
  COMMAND(c, "HSET", B("r:1"), B("f"), B("1"));
  catalog *k = catalog_new();
  error_clear(&e);
  static const discovery plain = {0};
  ck_assert(tested->discover(reader, &plain, &patient, k, &e));
  catalog_release(k);
  tested->close(reader, false);
  exec(c, "ACL DELUSER reader");
}
END_TEST

static bool always(void *context) {
  (void)context;
  return true;
}

START_TEST(waits_end_by_interrupt_and_by_time) {
  tskdb_error e = {0};
  int64_t n, started = wait_now_us();
  wait_scope w = {.timeout_ms = 400, .wake_fd = -1};
  ck_assert(!tested->exec(c, "BLPOP nothing 30", NULL, 0, &w, &n, &e));
  ck_assert_int_eq(e.klass, ERROR_TIMEOUT);
  ck_assert(c->broken);
  tested->close(c, false);
  c = open_url(server_url);
  error_clear(&e);
  w = (wait_scope){.interrupted = always, .wake_fd = -1};
  ck_assert(!tested->exec(c, "BLPOP nothing 30", NULL, 0, &w, &n, &e));
  ck_assert_int_eq(e.klass, ERROR_INTERRUPT);
  ck_assert_int_lt(wait_now_us() - started, 3000000);
  tested->close(c, false);
  c = open_url(server_url);
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

/* ---- a server that lies -------------------------------------------------- */

/* Answers every portion that it hears with the next text, then goes. */
typedef struct pretender {
  int listener, port;
  const char *const *answers;
  int n;
} pretender;

static void *pretend(void *context) {
  pretender *p = context;
  char heard[4096];
  int fd = accept(p->listener, NULL, NULL);
  for (int i = 0; i < p->n; i++) {
    if (read(fd, heard, sizeof heard) <= 0) break;
    if (write(fd, p->answers[i], strlen(p->answers[i])) < 0) break;
  }
  struct pollfd more = {.fd = fd, .events = POLLIN};
  poll(&more, 1, 300);
  close(fd);
  return NULL;
}

#define PINNED "+OK\r\n+OK\r\n$20\r\nredis_version:7.0.15\r\n"

static const struct lie {
  const char *answer;
  error_class klass;
} lies[] = {
  {"*2147483647\r\n", ERROR_NETWORK},
  {"$2000000000\r\nabc", ERROR_NETWORK},
  {"$-7\r\n", ERROR_PROTOCOL},
  {"*-7\r\n", ERROR_PROTOCOL},
  {"$99999999999999999999\r\n", ERROR_PROTOCOL},
  {"HTTP/1.1 400 Bad Request\r\n\r\n", ERROR_PROTOCOL},
  {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", ERROR_PROTOCOL},
  {"*2\r\n$1\r\n0\r\n", ERROR_NETWORK},
  {":7\r\n", ERROR_PROTOCOL},
  {"*0\r\n", ERROR_PROTOCOL},
  {"*2\r\n:7\r\n:7\r\n", ERROR_PROTOCOL},
  {"-LOADING Redis is loading the dataset in memory\r\n", ERROR_NETWORK},
};

START_TEST(lies_are_errors_and_take_no_memory) {
  const char *answers[] = {PINNED, ":5\r\n", lies[_i].answer};
  pretender p = {.answers = answers, .n = 3, .listener = socket(AF_INET, SOCK_STREAM, 0)};
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof a;
  pthread_t thread;
  char url[100];
  tskdb_error e = {0};
  static const discovery plain = {0};
  ck_assert(bind(p.listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(p.listener, 1) == 0);
  getsockname(p.listener, (struct sockaddr *)&a, &length);
  pthread_create(&thread, NULL, pretend, &p);
  snprintf(url, sizeof url, "redis://:p@127.0.0.1:%d", ntohs(a.sin_port));
  connection *liar = open_url(url);
  catalog *k = catalog_new();
  ck_assert_msg(!tested->discover(liar, &plain, &patient, k, &e), "%s", lies[_i].answer);
  ck_assert_msg(e.klass == lies[_i].klass, "%s: %s: %s", lies[_i].answer, error_class_name(e.klass),
                e.text);
  pthread_join(thread, NULL);
  close(p.listener);
  catalog_release(k);
  tested->close(liar, false);
}
END_TEST

START_TEST(silent_server_ends_in_bounded_time) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof a;
  char url[100];
  ck_assert(bind(listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(listener, 1) == 0);
  getsockname(listener, (struct sockaddr *)&a, &length);
  snprintf(url, sizeof url, "redis://127.0.0.1:%d/0?connect_timeout=1", ntohs(a.sin_port));
  expect_refusal(url, ERROR_TIMEOUT, "connect_timeout");
  snprintf(url, sizeof url, "rediss://127.0.0.1:%d/0?connect_timeout=1", ntohs(a.sin_port));
  expect_refusal(url, ERROR_TIMEOUT, "connect_timeout");
  close(listener);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("redis");
  TCase *t = tcase_create("server");
  tcase_set_timeout(t, 30);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, wrong_credentials_are_an_auth_error);
  tcase_add_test(t, missing_database_is_a_config_error);
  tcase_add_test(t, unreachable_server_is_a_network_error);
  tcase_add_test(t, url_parameters_are_known_or_an_error);
  tcase_add_test(t, second_host_is_tried_when_the_first_is_down);
  tcase_add_test(t, socket_works_as_host_and_as_parameter);
  tcase_add_test(t, tls_verifies_the_authority_and_the_name);
  tcase_add_test(t, session_is_as_new_after_a_reset);
  tcase_add_test(t, read_only_connection_cannot_write);
  tcase_add_test(t, commands_that_need_a_connection_of_their_own_are_refused);
  tcase_add_test(t, killed_connection_is_an_error_and_raises_no_signal);
  tcase_add_test(t, child_process_can_close_without_a_word_to_the_server);
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
  tcase_add_test(t, a_scan_of_a_shrinking_server_gives_no_row_twice);
  tcase_add_test(t, a_million_keys_are_remembered_exactly_and_in_bounded_memory);
  tcase_add_test(t, replies_are_rows);
  tcase_add_test(t, errors_name_the_command_and_no_argument);
  tcase_add_test(t, a_server_that_is_full_or_forbids_says_so);
  tcase_add_test(t, waits_end_by_interrupt_and_by_time);
  tcase_add_test(t, a_scan_can_be_closed_at_any_point);
  tcase_add_loop_test(t, lies_are_errors_and_take_no_memory, 0, sizeof lies / sizeof lies[0]);
  tcase_add_test(t, silent_server_ends_in_bounded_time);
  suite_add_tcase(s, t);
  return s;
}

int main(void) {
  fixture_start(tskdb_driver_redis, "TSKDB_TEST_REDIS");
  return fixture_run(suite());
}
