/*
** bare_redis.c - the peer of the benchmark: hiredis alone.
**
**   bare_redis HOST PORT USER DATABASE scan MODE PREFIX FIELD...   MODE: page | ahead
**   bare_redis HOST PORT USER DATABASE lookup COUNT PREFIX FIELD...
**
** A scan is SCAN MATCH PREFIX* and a pipeline of HMGET for each page; `ahead`
** sends the next SCAN before the reads of a page.  The password is
** $BENCH_PASSWORD.  Each value is read into a typed variable and summed up,
** after a line of "seconds wall, seconds CPU, peak KiB" of all but connecting.
*/
#include <hiredis.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { MOST_FIELDS = 32 };

typedef struct sums {
  long rows;
  int64_t integers;
  double reals;
  size_t text;
} sums;

/* HMGET, the key, the fields. */
typedef struct request {
  const char *words[MOST_FIELDS + 2];
  size_t lengths[MOST_FIELDS + 2];
  int n;
} request;

static void die(const char *what, redisContext *c) {
  fprintf(stderr, "bare_redis: %s: %s\n", what, c && c->err ? c->errstr : "");
  exit(1);
}

static redisReply *reply_of(redisContext *c) {
  void *r;
  if (redisGetReply(c, &r) != REDIS_OK) die("reply", c);
  if (((redisReply *)r)->type == REDIS_REPLY_ERROR) die(((redisReply *)r)->str, NULL);
  return r;
}

static void add_value(sums *s, const char *p, size_t length) {
  size_t digits = strspn(p + (*p == '-'), "0123456789") + (*p == '-');
  if (digits == length && length > 0 && length < 19) s->integers += strtoll(p, NULL, 10);
  else if (p[digits] == '.' && digits + 1 + strspn(p + digits + 1, "0123456789") == length)
    s->reals += strtod(p, NULL);
  else s->text += length;
}

static void add_row(sums *s, const char *key_part, const redisReply *r) {
  s->integers += strtoll(key_part, NULL, 10);
  for (size_t i = 0; i < (size_t)r->elements; i++) {
    const redisReply *v = r->element[i];
    if (v->type == REDIS_REPLY_STRING) add_value(s, v->str, (size_t)v->len);
  }
  s->rows++;
}

static void ask_scan(redisContext *c, const char *cursor, const char *prefix) {
  redisAppendCommand(c, "SCAN %s MATCH %s* COUNT 1000 TYPE hash", cursor, prefix);
}

static void ask_page(redisContext *c, const redisReply *page, request *q) {
  const redisReply *keys = page->element[1];
  for (size_t i = 0; i < (size_t)keys->elements; i++) {
    q->words[1] = keys->element[i]->str;
    q->lengths[1] = (size_t)keys->element[i]->len;
    redisAppendCommandArgv(c, q->n, q->words, q->lengths);
  }
}

static void take_page(redisContext *c, redisReply *page, size_t prefix, sums *s) {
  const redisReply *keys = page->element[1];
  for (size_t i = 0; i < (size_t)keys->elements; i++) {
    redisReply *r = reply_of(c);
    add_row(s, keys->element[i]->str + prefix, r);
    freeReplyObject(r);
  }
  freeReplyObject(page);
}

static void scan(redisContext *c, const char *prefix, request *q, int ahead, sums *s) {
  ask_scan(c, "0", prefix);
  redisReply *page = reply_of(c), *next = NULL;
  while (page) {
    int more = strcmp(page->element[0]->str, "0") != 0;
    if (ahead && more) ask_scan(c, page->element[0]->str, prefix);
    ask_page(c, page, q);
    if (!ahead && more) ask_scan(c, page->element[0]->str, prefix);
    next = ahead && more ? reply_of(c) : NULL;
    take_page(c, page, strlen(prefix), s);
    if (!ahead && more) next = reply_of(c);
    page = next;
  }
}

static void lookup(redisContext *c, long count, const char *prefix, request *q, sums *s) {
  char key[256];
  for (long i = 1; i <= count; i++) {
    q->lengths[1] = (size_t)snprintf(key, sizeof(key), "%s%ld", prefix, i);
    q->words[1] = key;
    redisAppendCommandArgv(c, q->n, q->words, q->lengths);
    redisReply *r = reply_of(c);
    add_row(s, key + strlen(prefix), r);
    freeReplyObject(r);
  }
}

static double wall(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec)
      + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static long peak_kib(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_maxrss;
}

int main(int argc, char **argv) {
  if (argc < 9 || argc - 8 > MOST_FIELDS) return 2;
  sums s = {0};
  request q = {.words = {"HMGET"}, .lengths = {5}, .n = 2};
  for (int i = 8; i < argc; i++) {
    q.words[q.n] = argv[i];
    q.lengths[q.n++] = strlen(argv[i]);
  }
  redisContext *c = redisConnect(argv[1], atoi(argv[2]));
  if (!c || c->err) die("connect", c);
  redisAppendCommand(c, "AUTH %s %s", argv[3], getenv("BENCH_PASSWORD"));
  redisAppendCommand(c, "SELECT %s", argv[4]);
  freeReplyObject(reply_of(c));
  freeReplyObject(reply_of(c));
  double wall_before = wall(), cpu_before = cpu();
  if (strcmp(argv[5], "lookup") == 0) lookup(c, atol(argv[6]), argv[7], &q, &s);
  else scan(c, argv[7], &q, strcmp(argv[6], "ahead") == 0, &s);
  printf("%.6f %.6f %ld\n", wall() - wall_before, cpu() - cpu_before, peak_kib());
  redisFree(c);
  printf("%ld rows, %lld, %.2f, %zu\n", s.rows, (long long)s.integers, s.reals, s.text);
  return 0;
}
