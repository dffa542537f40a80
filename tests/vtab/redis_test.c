/*
** redis_test.c - the Redis driver keeps the contract on a real server:
** connecting, the session, commands and their errors, waits; and a server that lies.
** Budget: 30 s
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
static void break_connection(const char *url) {
  tskdb_error e = {0};
  int64_t n;
  connection *broken = open_url(url);
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
  const char *secure = getenv("TSKDB_TEST_REDIS_TLS");
  char url[600];
  sigaction(SIGPIPE, &set, NULL);
  break_connection(server_url);
  if (secure) {
    snprintf(url, sizeof url, "%s?sslmode=require", secure);
    break_connection(url);
  }
  set.sa_handler = own_handler;
  sigaction(SIGPIPE, &set, NULL);
  break_connection(server_url);
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

START_TEST(another_thread_can_cancel) {
  tskdb_error e = {0};
  int64_t started = wait_now_us();
  connection *waiting = open_url(server_url);
  ck_assert(!exec_cancelled(waiting, "BLPOP nothing 30", &e));
  ck_assert_msg(e.klass == ERROR_NETWORK, "%s", e.text);
  ck_assert_int_lt(wait_now_us() - started, 1500000);
  ck_assert(waiting->broken);
  tested->close(waiting, false);
  /* The server has noticed that nobody waits any more. */
  bool blocked = true;
  for (int i = 0; i < 100 && blocked; i++) {
    blocked = !strstr(REPLY(c, "INFO", "clients"), "blocked_clients:0");
    if (blocked) usleep(20000);
  }
  ck_assert(!blocked);
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
  tcase_add_test(t, replies_are_rows);
  tcase_add_test(t, errors_name_the_command_and_no_argument);
  tcase_add_test(t, a_server_that_is_full_or_forbids_says_so);
  tcase_add_test(t, waits_end_by_interrupt_and_by_time);
  tcase_add_test(t, another_thread_can_cancel);
  tcase_add_loop_test(t, lies_are_errors_and_take_no_memory, 0, sizeof lies / sizeof lies[0]);
  tcase_add_test(t, silent_server_ends_in_bounded_time);
  suite_add_tcase(s, t);
  return s;
}

int main(void) {
  fixture_start(tskdb_driver_redis, "TSKDB_TEST_REDIS");
  return suite_run(suite());
}
