/*
** bare_join.h - what a server's client library does for the peer of the benchmark's key joins.
**
** One file a server (bare_join_*.c), in the fastest way that one would write by hand.
*/
#ifndef BENCH_BARE_JOIN_H
#define BENCH_BARE_JOIN_H

#include <stddef.h>
#include <stdint.h>

typedef struct keys {
  int32_t *items;
  int n, capacity;
} keys;

typedef struct sums {
  long rows, trips;
  double amount;
  size_t text;
} sums;

typedef struct peer {
  const char *name;
  int words;                                 /* that open() takes from the command line */
  void *(*open)(char **words);
  /* The keys in column k of TABLE. */
  void (*read_keys)(void *server, const char *table, keys *k, sums *s);
  /* The rows of the table `bench` that have these keys, summed up. */
  void (*look_up)(void *server, const int32_t *k, int n, sums *s);
} peer;

extern const peer join_postgres, join_mysql, join_mongo, join_redis;

void join_die(const char *what, const char *why) __attribute__((noreturn));
void *join_alloc(size_t size);
void join_add_key(keys *k, int32_t key);

#endif
