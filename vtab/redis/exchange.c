/*
** exchange.c - commands out, replies in, errors.
**
** hiredis formats the commands and parses the replies, except that a command
** which is the same for every key is written here; the bytes travel through
** transport.c.  The parser builds no objects: each element goes to a
** sink as it is parsed, so a reply of any size is read in bounded memory, and
** what a server announces is never believed: only what has arrived takes
** memory.
**
** Invariants:
**   1. `owed` is how many replies are still to come; an idle node owes none,
**      and what it says all the same is not taken for the next answer.
**   2. A node whose bytes cannot be understood or did not arrive is not read
**      again: the connection is broken.
**
** hiredis 0.14 and 1.x differ in the type of an array's length; 1.x also reads
** the types of RESP3, which a server sends unasked only if it is none.
*/
#include <stdio.h>
#include <string.h>

#include "vtab/memory.h"
#include "vtab/redis/redis_driver.h"

enum {
  PORTION = 64 * 1024,         /* of one read */
  COUNT_BYTES = 32,            /* of a length in the protocol, with room to spare */
  ABANDON_MS = 300,            /* how long replies that nobody wants are waited for */
  ABANDON_BYTES = 16 << 20
};

/* A value that is longer than this is a server's mistake; Redis' own limit is half of it. */
#define LONGEST_VALUE ((size_t)1 << 30)
#define LARGEST_TREE  ((size_t)64 << 20)

/* ---- the parser's callbacks ---------------------------------------------- */

static char some_object;       /* hiredis takes NULL for "no memory" */

static void *give(const redisReadTask *t, redis_element *x) {
  redis_sink *s = ((redis_node *)t->privdata)->sink;
  const redisReadTask *up = t->parent;
  x->index = t->idx < 0 ? 0 : t->idx;
  x->siblings = up ? (int64_t)up->elements : 1;
  x->parent_index = up && up->idx > 0 ? up->idx : 0;
  for (; up; up = up->parent) x->depth++;
  s->take(s, x);
  return &some_object;
}

static void *take_string(const redisReadTask *t, char *bytes, size_t length) {
  redis_element x = {.bytes = bytes, .length = length};
  x.kind = t->type == REDIS_REPLY_ERROR    ? REDIS_ERROR
           : t->type == REDIS_REPLY_STATUS ? REDIS_STATUS
                                           : REDIS_STRING;
  return give(t, &x);
}

#if HIREDIS_MAJOR >= 1
static void *take_array(const redisReadTask *t, size_t n) {
#else
static void *take_array(const redisReadTask *t, int n) {
#endif
  return give(t, &(redis_element){.kind = REDIS_ARRAY, .integer = (int64_t)n});
}

static void *take_integer(const redisReadTask *t, long long integer) {
  return give(t, &(redis_element){.kind = REDIS_INTEGER, .integer = integer});
}

static void *take_nil(const redisReadTask *t) {
  return give(t, &(redis_element){.kind = REDIS_NIL});
}

#if HIREDIS_MAJOR >= 1
/* Of RESP3, which nobody asked for. */
static void *take_double(const redisReadTask *t, double number, char *text, size_t length) {
  (void)number;
  return give(t, &(redis_element){.kind = REDIS_STRING, .bytes = text, .length = length});
}

static void *take_bool(const redisReadTask *t, int boolean) {
  return give(t, &(redis_element){.kind = REDIS_INTEGER, .integer = boolean});
}
#endif

static void free_nothing(void *object) { (void)object; }

static redisReplyObjectFunctions callbacks = {
  .createString = take_string,
  .createArray = take_array,
  .createInteger = take_integer,
  .createNil = take_nil,
#if HIREDIS_MAJOR >= 1
  .createDouble = take_double,
  .createBool = take_bool,
#endif
  .freeObject = free_nothing,
};

bool redis_node_init_reader(redis_node *n, tskdb_error *e) {
  n->reader = redisReaderCreateWithFunctions(&callbacks);
  if (!n->reader) return error_memory(e);
  n->reader->maxbuf = PORTION * 4;
  n->reader->privdata = n;
  return true;
}

/* ---- out ----------------------------------------------------------------- */

/* Without memory half a command may be in the buffer: nothing may follow it. */
static bool add_formatted(redis_node *n, char *text, int length, tskdb_error *e) {
  if (length >= 0) {
    buffer_append(&n->out, text, (size_t)length);
    redisFreeCommand(text);
    n->owed++;
  }
  if (length >= 0 && !n->out.failed) return true;
  if (n->lost) *n->lost = true;
  return error_memory(e);
}

bool redis_add(redis_node *n, int argc, const char *const *argv, const size_t *lengths,
               tskdb_error *e) {
  char *text = NULL;
  /* hiredis leaves out one const; it changes nothing. */
  int length = (int)redisFormatCommandArgv(&text, argc, (const char **)(uintptr_t)argv, lengths);
  return add_formatted(n, text, length, e);
}

bool redis_addf(redis_node *n, tskdb_error *e, const char *format, ...) {
  char *text = NULL;
  va_list arguments;
  va_start(arguments, format);
  int length = redisvFormatCommand(&text, format, arguments);
  va_end(arguments);
  return add_formatted(n, text, length, e);
}

/* "*12\r\n", "$3\r\n": at most 24 bytes, at OUT; returns their end. */
static char *put_count(char *out, char mark, size_t n) {
  *out++ = mark;
  out += value_format_integer((int64_t)n, out);
  *out++ = '\r';
  *out++ = '\n';
  return out;
}

static char *put_word(char *out, const char *bytes, size_t length) {
  out = put_count(out, '$', length);
  memcpy(out, bytes, length);
  out[length] = '\r';
  out[length + 1] = '\n';
  return out + length + 2;
}

bool redis_form_make(redis_form *out, int argc, const char *const *argv, const size_t *lengths,
                     int key, arena *a) {
  size_t most = COUNT_BYTES;
  for (int i = 0; i < argc; i++) most += lengths[i] + COUNT_BYTES + 2;
  char *text = arena_alloc(a, most), *at = text;
  if (!text) return false;
  at = put_count(at, '*', (size_t)argc);
  for (int i = 0; i < key; i++) at = put_word(at, argv[i], lengths[i]);
  *out = (redis_form){.head = text, .head_length = (size_t)(at - text), .tail = at};
  for (int i = key + 1; i < argc; i++) at = put_word(at, argv[i], lengths[i]);
  out->tail_length = (size_t)(at - out->tail);
  return true;
}

bool redis_add_form(redis_node *n, const redis_form *f, const char *key, size_t length,
                    tskdb_error *e) {
  char count[COUNT_BYTES], *end = put_count(count, '$', length);
  buffer_append(&n->out, f->head, f->head_length);
  buffer_append(&n->out, count, (size_t)(end - count));
  buffer_append(&n->out, key, length);
  buffer_append(&n->out, "\r\n", 2);
  buffer_append(&n->out, f->tail, f->tail_length);
  n->owed++;
  return !n->out.failed || error_memory(e);
}

bool redis_flush(redis_connection *c, redis_node *n, const wait_scope *w, tskdb_error *e) {
  if (!n->out.length) return true;
  c->base.round_trips++;
  bool unasked = n->idle && redis_transport_has_input(n->transport);
  n->fresh = n->idle;
  n->idle = false;
  if (unasked)
    error_set(e, ERROR_NETWORK, "the connection is lost: the server spoke unasked, or left");
  bool ok = !unasked && redis_transport_send(n->transport, n->out.text, n->out.length, w, e);
  if (!ok) c->base.broken = true;
  /* It may have held a password. */
  mem_wipe(n->out.text, n->out.length);
  buffer_clear(&n->out);
  return ok;
}

/* ---- in ------------------------------------------------------------------ */

static redis_progress fail(redis_connection *c) {
  c->base.broken = true;
  return REDIS_FAILED;
}

redis_progress redis_receive(redis_connection *c, redis_node *n, redis_sink *s, const wait_scope *w,
                             tskdb_error *e) {
  void *reply = NULL;
  char portion[PORTION];
  size_t length;
  n->sink = s;
  if (redisReaderGetReply(n->reader, &reply) != REDIS_OK) {
    bool memory = n->reader->err == REDIS_ERR_OOM;
    if (memory) error_memory(e);
    else error_set(e, ERROR_PROTOCOL, "the server's answer makes no sense: %s", n->reader->errstr);
    return fail(c);
  }
  if (reply) {
    n->owed--;
    n->idle = n->owed == 0;
    if (!n->idle || n->reader->pos == n->reader->len) return REDIS_REPLY;
    error_set(e, ERROR_PROTOCOL, "the server answers more than it was asked");
    return fail(c);
  }
  if (n->reader->len - n->reader->pos > LONGEST_VALUE) {
    error_set(e, ERROR_PROTOCOL, "the server sends a value of more than %zu bytes", LONGEST_VALUE);
    return fail(c);
  }
  /* What was asked for only now is not there yet. */
  bool fresh = n->fresh;
  n->fresh = false;
  if (fresh && !redis_transport_await(n->transport, w, e)) return fail(c);
  if (!redis_transport_receive(n->transport, portion, sizeof(portion), &length, w, e))
    return fail(c);
  c->base.bytes_received += length;
  if (redisReaderFeed(n->reader, portion, length) != REDIS_OK) {
    error_memory(e);
    return fail(c);
  }
  return REDIS_MORE;
}

static void ignore(redis_sink *s, const redis_element *x) { (void)s, (void)x; }

void redis_abandon(redis_connection *c, redis_node *n) {
  wait_scope w = {.timeout_ms = ABANDON_MS, .wake_fd = -1};
  int64_t end_us = wait_now_us() + ABANDON_MS * 1000;
  uint64_t most = c->base.bytes_received + ABANDON_BYTES;
  redis_sink s = {.take = ignore};
  tskdb_error ignored = {0};
  while (n->owed > 0 && !c->base.broken) {
    if (redis_receive(c, n, &s, &w, &ignored) == REDIS_FAILED) return;
    if (wait_now_us() > end_us || c->base.bytes_received > most) c->base.broken = true;
  }
}

/* ---- trees --------------------------------------------------------------- */

enum { DEEPEST = 16 };

typedef struct tree_sink {
  redis_sink sink;
  arena *arena;
  redis_tree *root;
  redis_tree *open[DEEPEST], *last[DEEPEST];   /* by depth: the array under way, its last element */
  size_t bytes;
} tree_sink;

static void grow_tree(redis_sink *base, const redis_element *x) {
  tree_sink *s = (tree_sink *)base;
  if (x->depth >= DEEPEST || s->bytes > LARGEST_TREE) return;
  redis_tree *t = arena_alloc(s->arena, sizeof(*t));
  if (!t) return;
  *t = (redis_tree){.kind = x->kind, .length = x->length, .integer = x->integer};
  t->bytes = x->bytes ? arena_strndup(s->arena, x->bytes, x->length) : "";
  s->bytes += sizeof(*t) + x->length;
  if (x->depth == 0) {
    s->root = t;
  } else {
    redis_tree **last = &s->last[x->depth - 1], *array = s->open[x->depth - 1];
    if (*last) (*last)->next = t;
    else if (array) array->first = t;
    *last = t;
  }
  s->open[x->depth] = t;
  s->last[x->depth] = NULL;
}

const redis_tree *redis_read(redis_connection *c, redis_node *n, arena *a, const wait_scope *w,
                             tskdb_error *e) {
  tree_sink s = {.sink.take = grow_tree, .arena = a};
  redis_progress p;
  while ((p = redis_receive(c, n, &s.sink, w, e)) == REDIS_MORE) {
  }
  if (p == REDIS_FAILED) return NULL;
  if (a->failed) error_memory(e);
  else if (s.bytes > LARGEST_TREE) error_set(e, ERROR_PROTOCOL, "the server's answer is too long");
  else return s.root;
  return NULL;
}

const redis_tree *redis_ask(redis_connection *c, redis_node *n, arena *a, const wait_scope *w,
                            tskdb_error *e) {
  const redis_tree *last = NULL;
  bool ok = redis_flush(c, n, w, e);
  while (ok && n->owed > 0) {
    last = redis_read(c, n, a, w, e);
    if (!last) ok = false;
    else if (last->kind == REDIS_ERROR) ok = redis_reply_error(c, "", last->bytes, last->length, e);
  }
  if (!ok) redis_abandon(c, n);
  return ok ? last : NULL;
}

const redis_tree *redis_tree_at(const redis_tree *array, int64_t i) {
  if (!array || array->kind != REDIS_ARRAY) return NULL;
  const redis_tree *t = array->first;
  while (t && i-- > 0) t = t->next;
  return t;
}

/* ---- errors -------------------------------------------------------------- */

/* The first word of an error, and what it means; others are ERROR_SQL. */
static const struct { const char *code; error_class klass; } codes[] = {
  {"NOAUTH", ERROR_AUTH},        {"WRONGPASS", ERROR_AUTH},   {"NOPERM", ERROR_AUTH},
  {"LOADING", ERROR_NETWORK},    {"MASTERDOWN", ERROR_NETWORK}, {"CLUSTERDOWN", ERROR_NETWORK},
  {"TRYAGAIN", ERROR_CONFLICT},  {"BUSY", ERROR_CONFLICT},    {"OOM", ERROR_LIMIT},
  {"READONLY", ERROR_CONFLICT},  {"ERR max number of clients", ERROR_NETWORK},
  {"ERR DB index", ERROR_CONFIG}, {"ERR invalid DB index", ERROR_CONFIG},
  {"ERR AUTH", ERROR_AUTH},      {"ERR Client sent AUTH", ERROR_AUTH},
};

bool redis_is_error(const char *bytes, size_t length, const char *code) {
  size_t n = strlen(code);
  return length >= n && memcmp(bytes, code, n) == 0 && (length == n || bytes[n] == ' ');
}

/* Redis quotes what it was asked, values and all: not beyond here. */
static size_t without_arguments(const char *bytes, size_t length) {
  static const char mark[] = ", with args beginning with";
  const char *at = length ? memmem(bytes, length, mark, sizeof(mark) - 1) : NULL;
  return at ? (size_t)(at - bytes) : length;
}

bool redis_reply_error(redis_connection *c, const char *command, const char *bytes, size_t length,
                       tskdb_error *e) {
  error_class klass = ERROR_SQL;
  for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
    if (redis_is_error(bytes, length, codes[i].code)) {
      klass = codes[i].klass;
      break;
    }
  }
  /* It is no master any more: the next connection looks for the one that is. */
  if (redis_is_error(bytes, length, "READONLY")) c->base.broken = true;
  length = without_arguments(bytes, length);
  return error_set(e, klass, "%s%s%.*s", command, *command ? ": " : "", (int)length, bytes);
}
