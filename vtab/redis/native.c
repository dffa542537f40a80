/*
** native.c - native commands: a command and its arguments.
**
** Refused are commands that turn a connection into something else than
** questions and answers.  On a read-only server only what Redis itself calls
** read-only is sent.
**
** In a cluster a command goes to the node of its first key, as the server finds
** it, one without a key to some master; MOVED, ASK and TRYAGAIN are followed.
**
** Redis describes no replies, so every one has the same columns: an element of
** the outermost array is a row, (idx, value); a nested array is JSON.
*/
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "vtab/memory.h"
#include "vtab/redis/redis_driver.h"

enum {
  MOST_TRIES = 50,             /* of a command that a cluster sends from node to node */
  COMMAND_SHOWN = 64           /* bytes of its name in a message */
};

/* They need a connection of their own, change the protocol, or answer never or twice. */
static const char *const refused[] = {
  "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe", "monitor",
  "sync", "psync", "hello", "quit", "reset", "asking", "readonly", "readwrite", "client reply",
};

/* ---- words --------------------------------------------------------------- */

static bool is_word(const redis_bytes *b, const char *word, size_t n) {
  return b->length == n && strncasecmp(b->bytes, word, n) == 0;
}

static int shown_length(const redis_bytes *command) {
  return command->length < COMMAND_SHOWN ? (int)command->length : COMMAND_SHOWN;
}

/* Whether the words begin with the command NAME, which may be two words. */
static bool begins_with(const redis_bytes *words, int n, const char *name) {
  size_t first = strcspn(name, " ");
  if (!is_word(&words[0], name, first)) return false;
  if (!name[first]) return true;
  return n > 1 && is_word(&words[1], name + first + 1, strlen(name + first + 1));
}

static bool check(const redis_bytes *words, int n, tskdb_error *e) {
  if (n < 1 || words[0].length == 0) return error_set(e, ERROR_CONFIG, "a command is needed");
  for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
    if (!begins_with(words, n, refused[i])) continue;
    return error_set(e, ERROR_CONFIG, "%s needs a connection of its own, which tskdb does not give",
                     refused[i]);
  }
  return true;
}

/* ---- what the server says of a command ----------------------------------- */

/* COMMAND INFO of the command: its flags; NULL if it is not known, with an error. */
static const redis_tree *flags_of(redis_connection *c, redis_node *n, const redis_bytes *command,
                                  arena *a, const wait_scope *w, tskdb_error *e) {
  if (!redis_addf(n, e, "COMMAND INFO %b", command->bytes, command->length)) return NULL;
  const redis_tree *t = redis_ask(c, n, a, w, e);
  const redis_tree *info = redis_tree_at(t, 0), *flags = redis_tree_at(info, 2);
  if (t && !flags) {
    error_set(e, ERROR_SQL, "unknown command \"%.*s\"", shown_length(command), command->bytes);
  }
  return flags;
}

static bool has_flag(const redis_tree *flags, const char *flag) {
  for (const redis_tree *f = flags ? flags->first : NULL; f; f = f->next) {
    if (strcmp(f->bytes, flag) == 0) return true;
  }
  return false;
}

static bool check_rights(redis_connection *c, redis_node *n, const redis_bytes *command,
                         const wait_scope *w, tskdb_error *e) {
  arena a = {0};
  if (!c->login->read_only) return true;
  const redis_tree *flags = flags_of(c, n, command, &a, w, e);
  bool ok = flags && has_flag(flags, "readonly");
  if (flags && !ok) {
    error_set(e, ERROR_AUTH,
              "the server is attached read-only, and Redis does not call %.*s read-only",
              shown_length(command), command->bytes);
  }
  arena_free(&a);
  return ok;
}

/* ---- where to ------------------------------------------------------------ */

static bool add_words(redis_node *n, const char *before, const char *second,
                      const redis_bytes *words, int count, tskdb_error *e) {
  arena a = {0};
  int extra = before ? 2 : 0;
  const char **argv = arena_alloc(&a, (size_t)(count + extra) * sizeof(*argv));
  size_t *lengths = arena_alloc(&a, (size_t)(count + extra) * sizeof(*lengths));
  bool ok = argv && lengths;
  if (ok && before) {
    argv[0] = before;
    lengths[0] = strlen(before);
    argv[1] = second;
    lengths[1] = strlen(second);
  }
  for (int i = 0; ok && i < count; i++) {
    argv[i + extra] = words[i].bytes;
    lengths[i + extra] = words[i].length;
  }
  ok = ok ? redis_add(n, count + extra, argv, lengths, e) : error_memory(e);
  arena_free(&a);
  return ok;
}

/* A master that is connected, else the first one. */
static int some_master(const redis_connection *c) {
  int first = -1;
  for (int i = 0; i < c->n_nodes; i++) {
    if (!c->nodes[i]->master) continue;
    if (c->nodes[i]->transport) return i;
    if (first < 0) first = i;
  }
  return first < 0 ? 0 : first;
}

/* The node of the command's first key, as the server finds it; -1 with an error. */
static int cluster_node(redis_connection *c, const redis_native *x, const wait_scope *w,
                        tskdb_error *e) {
  arena a = {0};
  int node = some_master(c);
  redis_node *any = c->nodes[node];
  bool ok = redis_node_ready(c, any, w, e) &&
            add_words(any, "COMMAND", "GETKEYS", x->words, x->n, e) && redis_flush(c, any, w, e);
  const redis_tree *t = ok ? redis_read(c, any, &a, w, e) : NULL;
  const redis_tree *key = redis_tree_at(t, 0);
  /* An error says that it has no keys, or will be said again by the command itself. */
  if (key) node = redis_node_of(c, key->bytes, key->length, e);
  arena_free(&a);
  return t ? node : -1;
}

/* Adds the command to its node, behind ASKING where that is needed. */
static bool add_native(redis_connection *c, const redis_native *x, const wait_scope *w,
                       tskdb_error *e) {
  redis_node *node = c->nodes[x->node];
  return redis_node_ready(c, node, w, e) && (!x->asking || redis_addf(node, e, "ASKING")) &&
         add_words(node, NULL, NULL, x->words, x->n, e);
}

bool redis_native_send(redis_connection *c, redis_native *x, const wait_scope *w, tskdb_error *e) {
  if (!check(x->words, x->n, e)) return false;
  if (c->slots_moved && !redis_cluster_read(c, w, e)) return false;
  x->node = c->cluster ? cluster_node(c, x, w, e) : 0;
  return x->node >= 0 && redis_node_ready(c, c->nodes[x->node], w, e) &&
         check_rights(c, c->nodes[x->node], &x->words[0], w, e) && add_native(c, x, w, e);
}

bool redis_native_again(redis_connection *c, redis_native *x, const char *bytes, size_t length,
                        const wait_scope *w, tskdb_error *e) {
  char command[COMMAND_SHOWN + 1];
  redis_redirection where = x->tries++ < MOST_TRIES
      ? redis_redirected(c, c->nodes[x->node], bytes, length, &x->node) : REDIRECT_NONE;
  if (where == REDIRECT_NONE) {
    snprintf(command, sizeof(command), "%.*s", shown_length(&x->words[0]), x->words[0].bytes);
    return redis_reply_error(c, command, bytes, length, e);
  }
  if (where == REDIRECT_AGAIN && !redis_cluster_pause(w, e)) return false;
  if (where != REDIRECT_AGAIN) x->asking = where == REDIRECT_ASK;
  return add_native(c, x, w, e);
}

/* ---- as a table ---------------------------------------------------------- */

bool redis_driver_describe(connection *base, const native_text *native, const discovery *want,
                           const wait_scope *w, catalog *out, tskdb_error *e) {
  redis_connection *c = (redis_connection *)base;
  arena a = {0};
  redis_bytes command = {native->words[0], strlen(native->words[0])};
  (void)want;
  redis_introduce(c, out);
  if (!check(&command, 1, e)) return false;
  bool known = flags_of(c, c->nodes[0], &command, &a, w, e) != NULL;
  arena_free(&a);
  if (!known) return false;
  relation *r = catalog_grow(out, &out->relations, &out->n_relations, sizeof(*r));
  if (!r) return error_memory(e);
  *r = (relation){.kind = RELATION_QUERY,
                  .remote_name = "reply",
                  .remote_id = TABLE_NATIVE,
                  .plain = true,
                  .rows = -1,
                  .bytes = -1};
  r->native = catalog_native(out, native);
  bool ok = redis_add_column(out, r, "idx", "INTEGER", CLASS_INT, COLUMN_NOT_NULL,
                             ATTRIBUTE_INDEX) &&
            redis_add_column(out, r, "value", "reply", CLASS_MIXED, 0, ATTRIBUTE_VALUE);
  return (ok && r->native.n_words) ? catalog_finish(out, e) : error_memory(e);
}

/* ---- executing ----------------------------------------------------------- */

/* A parameter as bytes. */
static bool word_of(const value *v, int number, arena *a, redis_bytes *out, tskdb_error *e) {
  char *text;
  switch (v->storage) {
    case STORAGE_INTEGER:
      text = arena_printf(a, "%lld", (long long)v->integer);
      *out = (redis_bytes){text, text ? strlen(text) : 0};
      break;
    case STORAGE_REAL:
      text = arena_alloc(a, 32);
      *out = (redis_bytes){text, text ? redis_print_score(v->real, text) : 0};
      break;
    case STORAGE_TEXT: case STORAGE_BLOB: *out = (redis_bytes){v->bytes, v->length}; break;
    default: return error_set(e, ERROR_CONFIG, "argument %d is NULL, which Redis has not", number);
  }
  return !a->failed || error_memory(e);
}

/* The command's words, split at blanks ("CONFIG SET" is two), then the parameters. */
static redis_bytes *words_of(const char *native, const value *parameters, int n, arena *a,
                             int *count, tskdb_error *e) {
  size_t most = strlen(native) / 2 + 1 + (size_t)n;
  redis_bytes *words = arena_alloc(a, most * sizeof(*words));
  *count = 0;
  for (const char *p = native; words && *p;) {
    size_t blank = strspn(p, " \t\r\n"), length = strcspn(p + blank, " \t\r\n");
    if (length) words[(*count)++] = (redis_bytes){p + blank, length};
    p += blank + length;
  }
  for (int i = 0; words && i < n; i++) {
    if (!word_of(&parameters[i], i + 1, a, &words[(*count)++], e)) return NULL;
  }
  if (!words) error_memory(e);
  return words;
}

/* What a reply says: a number, an error, or nothing that counts. */
typedef struct verdict_sink {
  redis_sink sink;
  int64_t number;
  buffer error;
  bool failed;
} verdict_sink;

static void take_verdict(redis_sink *base, const redis_element *x) {
  verdict_sink *s = (verdict_sink *)base;
  if (x->depth > 0) return;
  if (x->kind == REDIS_INTEGER) s->number = x->integer;
  if (x->kind != REDIS_ERROR) return;
  s->failed = true;
  buffer_append(&s->error, x->bytes, x->length);
}

/* The reply to X; that to ASKING, which comes before it, does not matter. */
static bool read_verdict(redis_connection *c, const redis_native *x, verdict_sink *s,
                         const wait_scope *w, tskdb_error *e) {
  redis_node *n = c->nodes[x->node];
  if (!redis_flush(c, n, w, e)) return false;
  for (int i = x->asking ? 2 : 1; i > 0; i--) {
    redis_progress p;
    s->failed = false;
    buffer_clear(&s->error);
    while ((p = redis_receive(c, n, &s->sink, w, e)) == REDIS_MORE) {
    }
    if (p == REDIS_REPLY) continue;
    /* It was sent and may have run. */
    if (e) e->outcome_unknown = true;
    return false;
  }
  return true;
}

/* Once more where a cluster says that the key is. */
static bool exec_words(redis_connection *c, const redis_bytes *words, int n, const wait_scope *w,
                       int64_t *affected, tskdb_error *e) {
  redis_native x = {.words = words, .n = n};
  verdict_sink s = {.sink.take = take_verdict};
  bool ok = redis_native_send(c, &x, w, e);
  do ok = ok && read_verdict(c, &x, &s, w, e);
  while (ok && s.failed &&
         (ok = redis_native_again(c, &x, buffer_cstr(&s.error), s.error.length, w, e)));
  buffer_free(&s.error);
  if (ok) *affected = s.number;
  return ok;
}

bool redis_driver_exec(connection *base, const char *native, const value *parameters,
                       int n_parameters, const wait_scope *w, int64_t *affected, tskdb_error *e) {
  redis_connection *c = (redis_connection *)base;
  arena a = {0};
  int n;
  *affected = 0;
  c->base.dirty = true;
  redis_bytes *words = words_of(native, parameters, n_parameters, &a, &n, e);
  bool ok = words && n == 0 ? error_set(e, ERROR_CONFIG, "a command is needed")
                            : words && exec_words(c, words, n, w, affected, e);
  arena_free(&a);
  return ok;
}
