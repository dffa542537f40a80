/*
** bare_join_redis.c - key joins with hiredis: hashes named TABLE:<id>.  The keys are field k of what
** SCAN finds, a pipeline a page, the next SCAN ahead of it; rows are read by pipelines of HMGET.
*/
#include <hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bare_join.h"

static redisReply *reply_of(redisContext *c) {
  void *r;
  if (redisGetReply(c, &r) != REDIS_OK) join_die("reply", c->errstr);
  if (((redisReply *)r)->type == REDIS_REPLY_ERROR) join_die("reply", ((redisReply *)r)->str);
  return r;
}

static void *open_server(char **words) {
  redisContext *c = redisConnect(words[0], atoi(words[1]));
  if (!c || c->err) join_die("connect", c ? c->errstr : "no memory");
  redisAppendCommand(c, "AUTH %s %s", words[2], getenv("BENCH_PASSWORD_REDIS"));
  redisAppendCommand(c, "SELECT %s", words[3]);
  freeReplyObject(reply_of(c));
  freeReplyObject(reply_of(c));
  return c;
}

static void ask_page(redisContext *c, const redisReply *names) {
  const char *words[] = {"HGET", NULL, "k"};
  size_t lengths[] = {4, 0, 1};
  for (size_t i = 0; i < names->elements; i++) {
    words[1] = names->element[i]->str;
    lengths[1] = names->element[i]->len;
    redisAppendCommandArgv(c, 3, words, lengths);
  }
}

static void take_page(redisContext *c, redisReply *page, keys *k) {
  for (size_t i = 0; i < page->element[1]->elements; i++) {
    redisReply *r = reply_of(c);
    if (r->type == REDIS_REPLY_STRING) join_add_key(k, (int32_t)strtol(r->str, NULL, 10));
    freeReplyObject(r);
  }
  freeReplyObject(page);
}

static void ask_scan(redisContext *c, const char *position, const char *table) {
  redisAppendCommand(c, "SCAN %s MATCH %s:* COUNT 1000 TYPE hash", position, table);
}

static void read_keys(void *connection, const char *table, keys *k, sums *s) {
  redisContext *c = connection;
  ask_scan(c, "0", table);
  redisReply *page = reply_of(c);
  while (page) {
    int more = strcmp(page->element[0]->str, "0") != 0;
    if (more) ask_scan(c, page->element[0]->str, table);
    ask_page(c, page->element[1]);
    redisReply *next = more ? reply_of(c) : NULL;
    take_page(c, page, k);
    page = next;
    s->trips++;
  }
}

static void add_row(const redisReply *r, sums *s) {
  if (r->elements != 2 || r->element[0]->type != REDIS_REPLY_STRING) return;
  s->amount += strtod(r->element[0]->str, NULL);
  s->text += r->element[1]->len;
  s->rows++;
}

static void look_up(void *connection, const int32_t *k, int n, sums *s) {
  redisContext *c = connection;
  char name[32];
  const char *words[] = {"HMGET", name, "amount", "name"};
  size_t lengths[] = {5, 0, 6, 4};
  for (int i = 0; i < n; i++) {
    lengths[1] = (size_t)snprintf(name, sizeof(name), "bench:%d", (int)k[i]);
    redisAppendCommandArgv(c, 4, words, lengths);
  }
  for (int i = 0; i < n; i++) {
    redisReply *r = reply_of(c);
    add_row(r, s);
    freeReplyObject(r);
  }
  s->trips++;
}

const peer join_redis = {"redis", 4, open_server, read_keys, look_up};
