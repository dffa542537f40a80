/*
** pretender.h - a server that only pretends: it says what a test tells it to
** and writes down what it hears.  For what no real server does: to ask for a
** file or a password, to have no TLS, to fall silent.
*/
#ifndef TESTS_PRETENDER_H
#define TESTS_PRETENDER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct pretender_line {
  const char *bytes;
  size_t length;
} pretender_line;

typedef struct pretender {
  const pretender_line *lines;  /* said one after each thing that it hears */
  int n_lines;
  bool listens_first;           /* the client speaks first */
  int listener, port;           /* of 127.0.0.1, since pretender_start() */
  pthread_t thread;
  char heard[8192];             /* whole since pretender_join() */
  size_t heard_length;
} pretender;

void pretender_start(pretender *p);   /* takes one connection */
void pretender_join(pretender *p);    /* waits for its end, a second of silence at most */
bool pretender_heard(const pretender *p, const char *words);

/* A port of 127.0.0.1 where connections are accepted by nobody; *LISTENER is to be closed. */
int silent_port(int *listener);

#endif
