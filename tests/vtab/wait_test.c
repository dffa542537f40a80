/*
** wait_test.c - a wait ends by data, by the user, by its wake descriptor or by
** its limit, in time, whatever signals arrive.
** Budget: 10 s
*/
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/vtab/suite.h"
#include "vtab/wait.h"

static int data[2], wake[2];
static int asked, stop_at;
static tskdb_error error;

static bool interrupted(void *context) {
  ck_assert_ptr_eq(context, &asked);
  return ++asked == stop_at;
}

static void setup(void) {
  ck_assert_int_eq(pipe(data), 0);
  ck_assert_int_eq(pipe(wake), 0);
  asked = stop_at = 0;
  error_clear(&error);
}

static void teardown(void) {
  for (int i = 0; i < 2; i++) {
    close(data[i]);
    close(wake[i]);
  }
}

static wait_scope scope(int timeout_ms) {
  return (wait_scope){timeout_ms, interrupted, &asked, wake[0]};
}

START_TEST(an_answer_that_is_there_asks_nobody) {
  wait_scope w = scope(1000);
  short revents = 0;
  stop_at = 1;
  ck_assert_int_eq(write(data[1], "x", 1), 1);
  ck_assert(wait_socket(&w, data[0], POLLIN, &revents, &error));
  ck_assert_int_eq(revents, POLLIN);
  ck_assert_int_eq(asked, 0);
  ck_assert(wait_socket(&w, data[0], POLLIN, NULL, NULL));
}
END_TEST

START_TEST(silence_reaches_the_timeout) {
  wait_scope w = scope(250);
  int64_t start = wait_now_us();
  ck_assert(!wait_socket(&w, data[0], POLLIN, NULL, &error));
  int64_t took = wait_now_us() - start;
  ck_assert_int_eq(error.klass, ERROR_TIMEOUT);
  ck_assert_str_eq(error.text, "no answer for 250 ms (option timeout)");
  ck_assert_int_ge(took, 250000);
  ck_assert_int_lt(took, 1000000);
  ck_assert_int_ge(asked, 2);   /* after each whole slice of silence */
}
END_TEST

START_TEST(a_limit_of_its_own_may_be_told_or_be_an_error) {
  wait_scope w = scope(0);
  bool timed_out = false;
  ck_assert(wait_socket_for(&w, data[0], POLLIN, 20, &timed_out, NULL, &error));
  ck_assert(timed_out);
  ck_assert(!error_is_set(&error));
  ck_assert(!wait_socket_for(&w, data[0], POLLIN, 20, NULL, NULL, &error));
  ck_assert_str_eq(error.text, "no answer for 20 ms");
}
END_TEST

START_TEST(the_user_is_asked_in_every_slice) {
  wait_scope w = scope(0);
  int64_t start = wait_now_us();
  stop_at = 3;
  ck_assert(!wait_socket(&w, data[0], POLLIN, NULL, &error));
  ck_assert_int_eq(error.klass, ERROR_INTERRUPT);
  ck_assert_int_eq(asked, 3);
  ck_assert_int_lt(wait_now_us() - start, 5 * WAIT_SLICE_MS * 1000);
}
END_TEST

static void *write_later(void *fd) {
  usleep(50000);
  if (write(*(int *)fd, "x", 1) != 1) abort();
  return NULL;
}

START_TEST(a_wake_descriptor_ends_the_wait_at_once) {
  wait_scope w = {0, NULL, NULL, wake[0]};
  pthread_t thread;
  int64_t start = wait_now_us();
  pthread_create(&thread, NULL, write_later, &wake[1]);
  ck_assert(!wait_socket(&w, data[0], POLLIN, NULL, &error));
  ck_assert_int_eq(error.klass, ERROR_INTERRUPT);
  ck_assert_int_lt(wait_now_us() - start, 1000000);
  pthread_join(thread, NULL);
  ck_assert(wait_interrupted(&w, NULL));
  /* also when data are there */
  ck_assert_int_eq(write(data[1], "x", 1), 1);
  ck_assert(!wait_socket(&w, data[0], POLLIN, NULL, NULL));
}
END_TEST

START_TEST(an_answer_in_mid_wait_ends_it) {
  wait_scope w = {0, NULL, NULL, -1};
  pthread_t thread;
  pthread_create(&thread, NULL, write_later, &data[1]);
  ck_assert(wait_socket(&w, data[0], POLLIN, NULL, &error));
  pthread_join(thread, NULL);
}
END_TEST

static void ignore(int signal) {
  (void)signal;
}

START_TEST(signals_neither_end_nor_lengthen_a_wait) {
  struct sigaction action = {.sa_handler = ignore};
  struct itimerval often = {{0, 7000}, {0, 7000}}, never = {{0, 0}, {0, 0}};
  wait_scope w = {200, NULL, NULL, -1};
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &often, NULL);
  int64_t start = wait_now_us();
  ck_assert(!wait_socket(&w, data[0], POLLIN, NULL, &error));
  int64_t took = wait_now_us() - start;
  setitimer(ITIMER_REAL, &never, NULL);
  ck_assert_int_eq(error.klass, ERROR_TIMEOUT);
  ck_assert_int_ge(took, 200000);
  ck_assert_int_lt(took, 1000000);
}
END_TEST

START_TEST(a_closed_connection_is_not_waited_for) {
  wait_scope w = {0, NULL, NULL, -1};
  short revents = 0;
  ck_assert(!wait_socket(&w, -1, POLLIN, NULL, &error));
  ck_assert_int_eq(error.klass, ERROR_NETWORK);
  close(data[1]);
  ck_assert(wait_socket(&w, data[0], POLLIN, &revents, NULL));
  ck_assert(revents & POLLHUP);
  data[1] = dup(data[0]);
}
END_TEST

START_TEST(asking_alone_is_possible) {
  wait_scope w = scope(0);
  ck_assert(!wait_interrupted(&w, &error));
  stop_at = 2;
  ck_assert(wait_interrupted(&w, &error));
  ck_assert_int_eq(error.klass, ERROR_INTERRUPT);
  ck_assert(!wait_interrupted(&(wait_scope){0, NULL, NULL, -1}, NULL));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("wait");
  TCase *cases = tcase_create("wait");
  tcase_add_checked_fixture(cases, setup, teardown);
  tcase_set_timeout(cases, 20);
  tcase_add_test(cases, an_answer_that_is_there_asks_nobody);
  tcase_add_test(cases, silence_reaches_the_timeout);
  tcase_add_test(cases, a_limit_of_its_own_may_be_told_or_be_an_error);
  tcase_add_test(cases, the_user_is_asked_in_every_slice);
  tcase_add_test(cases, a_wake_descriptor_ends_the_wait_at_once);
  tcase_add_test(cases, an_answer_in_mid_wait_ends_it);
  tcase_add_test(cases, signals_neither_end_nor_lengthen_a_wait);
  tcase_add_test(cases, a_closed_connection_is_not_waited_for);
  tcase_add_test(cases, asking_alone_is_possible);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
