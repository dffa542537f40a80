/*
** pool_test.c - the pool keeps its promises with a real driver on its server:
** shared, bounded, healthy, and nobody gets another's session.
**
** Minutes pass by turning this program's clock forward.
** Budget: 20 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "federation/pool.h"
#include "tests/vtab/driver_fixture.h"

extern driver_entry tskdb_driver_postgres;

static time_t skipped_s;

/* In place of the C library's. */
int clock_gettime(clockid_t id, struct timespec *out) {
  int rc = (int)syscall(SYS_clock_gettime, id, out);
  if (rc == 0 && id == CLOCK_MONOTONIC) out->tv_sec += skipped_s;
  return rc;
}

static const char owner, other_owner;
static pool *shared;
static connection *watcher;

static pool *pool_of(const char *url, bool read_only, int limit) {
  pool *p = pool_get(&(pool_key){.driver = tested, .url = url, .read_only = read_only,
                                 .connect_timeout_ms = 10000, .limit = limit});
  ck_assert_ptr_nonnull(p);
  return p;
}

static connection *take(pool *p) {
  tskdb_error e = {0};
  connection *c = pool_acquire(p, &owner, true, &patient, &e);
  assert_no_error(&e, "acquire");
  ck_assert_ptr_nonnull(c);
  return c;
}

static int backend(connection *c) { return atoi(rows_of(c, "SELECT pg_backend_pid()")); }

/* How many of the backends A and B the server still has, when the last word has reached it. */
static int alive(int a, int b) {
  char sql[200];
  int n = 0;
  snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_stat_activity WHERE pid IN (%d, %d)", a, b);
  for (int i = 0; i < 100 && (n = atoi(rows_of(watcher, sql))) > 0; i++) usleep(20000);
  return n;
}

static void kill_backend(int pid) {
  char sql[100];
  snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d)", pid);
  exec(watcher, sql);
  ck_assert_int_eq(alive(pid, pid), 0);
}

static void setup(void) {
  skipped_s = 0;
  shared = pool_of(server_url, false, 2);
  watcher = open_url(server_url);
}

static void teardown(void) {
  pool_unref(shared);
  tested->close(watcher, false);
}

START_TEST(the_same_url_with_the_same_credentials_is_the_same_pool) {
  char url[1000];
  snprintf(url, sizeof url, "%s", server_url);
  pool *same = pool_of(url, false, 2), *reader = pool_of(server_url, true, 2);
  pool *larger = pool_of(server_url, false, 3);
  pool *stranger = pool_of(url_with("not-it", NULL, ""), false, 2);
  ck_assert_ptr_eq(same, shared);
  ck_assert(reader != shared && larger != shared && stranger != shared);
  connection *c = take(shared);
  int pid = backend(c);
  pool_release(shared, c);
  c = take(same);
  ck_assert_int_eq(backend(c), pid);
  pool_release(same, c);
  ck_assert_int_eq(pool_open_connections(shared), 1);
  tskdb_error e = {0};
  ck_assert_ptr_null(pool_acquire(stranger, &owner, true, &patient, &e));
  ck_assert_int_eq(e.klass, ERROR_AUTH);
  pool_unref(same);
  pool_unref(reader);
  pool_unref(larger);
  pool_unref(stranger);
}
END_TEST

static bool is_later(void *context) { return wait_now_us() > *(int64_t *)context; }

START_TEST(there_are_no_more_than_the_limit_and_waiting_ends_in_time) {
  connection *a = take(shared), *b = take(shared);
  int64_t started = wait_now_us(), moment = started + 300000;
  wait_scope brief = {.timeout_ms = 300, .wake_fd = -1};
  wait_scope hasty = {.timeout_ms = 30000, .interrupted = is_later, .context = &moment,
                      .wake_fd = -1};
  tskdb_error e = {0};
  ck_assert_ptr_null(pool_acquire(shared, &other_owner, true, &hasty, &e));
  ck_assert_int_eq(e.klass, ERROR_INTERRUPT);
  error_clear(&e);
  ck_assert_ptr_null(pool_acquire(shared, &other_owner, true, &brief, &e));
  ck_assert_int_eq(e.klass, ERROR_TIMEOUT);
  ck_assert_msg(strstr(e.text, "300 ms"), "%s", e.text);
  ck_assert_int_lt(wait_now_us() - started, 2000000);
  error_clear(&e);
  ck_assert_ptr_null(pool_acquire(shared, &owner, true, &patient, &e));   /* would wait for itself */
  ck_assert_int_eq(e.klass, ERROR_LIMIT);
  ck_assert_int_eq(pool_open_connections(shared), 2);
  pool_release(shared, a);
  pool_release(shared, b);
}
END_TEST

static void *give_back_soon(void *c) {
  usleep(200000);
  pool_release(shared, c);
  return NULL;
}

START_TEST(who_waits_gets_what_another_thread_gives_back) {
  pthread_t thread;
  tskdb_error e = {0};
  connection *a = take(shared), *b = take(shared);
  pthread_create(&thread, NULL, give_back_soon, a);
  connection *c = pool_acquire(shared, &other_owner, true, &patient, &e);
  pthread_join(thread, NULL);
  ck_assert_ptr_eq(c, a);
  pool_release(shared, b);
  pool_release(shared, c);
}
END_TEST

START_TEST(what_is_idle_for_five_minutes_is_closed) {
  connection *a = take(shared), *b = take(shared);
  int pid_a = backend(a), pid_b = backend(b);
  pool_release(shared, a);
  pool_release(shared, b);
  ck_assert_int_eq(pool_open_connections(shared), 2);
  skipped_s += 5 * 60 + 1;
  a = take(shared);
  ck_assert_int_eq(pool_open_connections(shared), 1);
  ck_assert_int_eq(alive(pid_a, pid_b), 0);
  pool_release(shared, a);
}
END_TEST

START_TEST(what_is_idle_for_long_is_looked_at_before_it_is_used) {
  connection *c = take(shared);
  int pid = backend(c);
  pool_release(shared, c);
  skipped_s += 31;
  c = take(shared);
  ck_assert_int_eq(backend(c), pid);
  pool_release(shared, c);
  kill_backend(pid);
  skipped_s += 31;
  c = take(shared);
  ck_assert_int_ne(backend(c), pid);
  pool_release(shared, c);
}
END_TEST

START_TEST(after_one_broke_the_others_are_looked_at) {
  connection *a = take(shared), *b = take(shared);
  tskdb_error e = {0};
  int64_t n;
  int pid = backend(b);
  kill_backend(backend(a));
  kill_backend(pid);
  pool_release(shared, b);
  ck_assert(!tested->exec(a, "SELECT 1", NULL, 0, &patient, &n, &e));
  ck_assert(a->broken);
  pool_release(shared, a);
  ck_assert_int_eq(pool_open_connections(shared), 1);
  a = take(shared);
  ck_assert_int_ne(backend(a), pid);
  pool_release(shared, a);
}
END_TEST

START_TEST(the_next_one_finds_no_trace_of_a_users_statement) {
  static const char probe[] =
    "SELECT current_setting('TimeZone'), to_regclass('pg_temp.mine') IS NULL,"
    " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())";
  connection *c = take(shared);
  int pid = backend(c);
  exec(c, "SET TimeZone = 'Asia/Kolkata'; CREATE TEMP TABLE mine (a int);"
          " SELECT pg_advisory_lock(7)");
  pool_release(shared, c);
  /* When it is given back, not when it is next used. */
  ck_assert_str_eq(rows_of(watcher, "SELECT pg_try_advisory_lock(7)"), "1\n");
  exec(watcher, "SELECT pg_advisory_unlock(7)");
  c = take(shared);
  ck_assert_int_eq(backend(c), pid);
  ck_assert_str_eq(rows_of(c, probe), "UTC|1|0\n");
  pool_release(shared, c);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("pool");
  TCase *t = tcase_create("pool");
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, the_same_url_with_the_same_credentials_is_the_same_pool);
  tcase_add_test(t, there_are_no_more_than_the_limit_and_waiting_ends_in_time);
  tcase_add_test(t, who_waits_gets_what_another_thread_gives_back);
  tcase_add_test(t, what_is_idle_for_five_minutes_is_closed);
  tcase_add_test(t, what_is_idle_for_long_is_looked_at_before_it_is_used);
  tcase_add_test(t, after_one_broke_the_others_are_looked_at);
  tcase_add_test(t, the_next_one_finds_no_trace_of_a_users_statement);
  suite_add_tcase(s, t);
  return s;
}

int main(void) {
  fixture_start(tskdb_driver_postgres, "TSKDB_TEST_POSTGRES");
  return suite_run(suite());
}
