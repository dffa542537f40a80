/*
** bare_join.c - the peer of the benchmark's key joins: keys from one server, rows from another,
** as one would write it by hand with the client libraries.
**
**   bare_join BATCH TABLE SOURCE TARGET
**
** SOURCE and TARGET are "postgres URL", "mysql HOST PORT USER DATABASE", "mongo URL" or
** "redis HOST PORT USER DATABASE" (passwords of those without URL in $BENCH_PASSWORD_MYSQL and
** $BENCH_PASSWORD_REDIS).  Column k of TABLE at the source holds the keys.  For each BATCH of them
** the target is asked once for amount and name of those rows of `bench`.  Prints "seconds wall,
** seconds CPU, peak KiB" of all but connecting, then the number of rows, the sums and the round
** trips.
*/
#include "bare_join.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static const peer *const peers[] = {
  &join_postgres, &join_mysql,
#ifdef BENCH_MONGO
  &join_mongo,
#endif
#ifdef BENCH_REDIS
  &join_redis,
#endif
};

typedef struct server {
  const peer *peer;
  void *connection;
} server;

void join_die(const char *what, const char *why) {
  fprintf(stderr, "bare_join: %s: %s\n", what, why);
  exit(1);
}

void *join_alloc(size_t size) {
  void *p = calloc(1, size);
  if (!p) join_die("memory", "none is left");
  return p;
}

void join_add_key(keys *k, int32_t key) {
  if (k->n == k->capacity) {
    k->capacity = k->capacity ? 2 * k->capacity : 1024;
    k->items = realloc(k->items, (size_t)k->capacity * sizeof(*k->items));
    if (!k->items) join_die("memory", "none is left");
  }
  k->items[k->n++] = key;
}

/* The words that it took. */
static int connect_server(int n, char **words, server *s) {
  for (size_t i = 0; n > 0 && i < sizeof(peers) / sizeof(peers[0]); i++) {
    if (strcmp(words[0], peers[i]->name) != 0 || n <= peers[i]->words) continue;
    s->peer = peers[i];
    s->connection = peers[i]->open(words + 1);
    return 1 + peers[i]->words;
  }
  join_die("server", n > 0 ? words[0] : "none is named");
}

static void join(const server *source, const char *table, const server *target, int batch,
                 sums *s) {
  keys k = {0};
  source->peer->read_keys(source->connection, table, &k, s);
  for (int i = 0; i < k.n; i += batch) {
    int n = k.n - i < batch ? k.n - i : batch;
    target->peer->look_up(target->connection, k.items + i, n, s);
  }
  free(k.items);
}

static double wall(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu(const struct rusage *u) {
  return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec)
      + (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
  server source = {0}, target = {0};
  struct rusage before, after;
  sums s = {0};
  if (argc < 5 || atoi(argv[1]) < 1) return 2;
  int used = 3 + connect_server(argc - 3, argv + 3, &source);
  connect_server(argc - used, argv + used, &target);
  getrusage(RUSAGE_SELF, &before);
  double start = wall();
  join(&source, argv[2], &target, atoi(argv[1]), &s);
  double seconds = wall() - start;
  getrusage(RUSAGE_SELF, &after);
  printf("%.6f %.6f %ld\n", seconds, cpu(&after) - cpu(&before), after.ru_maxrss);
  printf("%ld rows, %.2f, %zu, %ld round trips\n", s.rows, s.amount, s.text, s.trips);
  return 0;
}
