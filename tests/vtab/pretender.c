/*
** pretender.c - a server that only pretends (pretender.h).
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "tests/vtab/pretender.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int silent_port(int *listener) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof a;
  *listener = socket(AF_INET, SOCK_STREAM, 0);
  ck_assert_int_eq(bind(*listener, (struct sockaddr *)&a, sizeof a), 0);
  ck_assert_int_eq(listen(*listener, 1), 0);
  getsockname(*listener, (struct sockaddr *)&a, &length);
  return ntohs(a.sin_port);
}

/* False when nothing more comes. */
static bool hear(pretender *p, int fd, int patience_ms) {
  struct pollfd more = {.fd = fd, .events = POLLIN};
  size_t room = sizeof p->heard - p->heard_length;
  if (!room || poll(&more, 1, patience_ms) <= 0) return false;
  ssize_t n = read(fd, p->heard + p->heard_length, room);
  if (n > 0) p->heard_length += (size_t)n;
  return n > 0;
}

static void *pretend(void *context) {
  pretender *p = context;
  int fd = accept(p->listener, NULL, NULL);
  bool there = !p->listens_first || hear(p, fd, 5000);
  for (int i = 0; there && i < p->n_lines; i++) {
    there = send(fd, p->lines[i].bytes, p->lines[i].length, MSG_NOSIGNAL) >= 0 && hear(p, fd, 5000);
  }
  while (there && hear(p, fd, 1000)) {}
  close(fd);
  return NULL;
}

void pretender_start(pretender *p) {
  p->port = silent_port(&p->listener);
  ck_assert_int_eq(pthread_create(&p->thread, NULL, pretend, p), 0);
}

void pretender_join(pretender *p) {
  pthread_join(p->thread, NULL);
  close(p->listener);
}

bool pretender_heard(const pretender *p, const char *words) {
  return memmem(p->heard, p->heard_length, words, strlen(words)) != NULL;
}
