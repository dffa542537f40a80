/*
** step.c - the commands that read one key, and their replies as rows.
**
** A reply is taken element by element as it is parsed.  A step is either one
** part of the key's only row (its value, its time to live, …), which the scan
** ends, or it makes a row for each element and ends them itself.  A command is
** formatted once for a plan; only the key is another one each time.
*/
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vtab/redis/redis_driver.h"

static const struct { const char *command; bool part; } steps[] = {
  [STEP_TYPE] = {"TYPE", true},
  [STEP_TTL] = {"PTTL", true},
  [STEP_ENCODING] = {"OBJECT ENCODING", true},
  [STEP_MEMORY] = {"MEMORY USAGE", true},
  [STEP_GET] = {"GET", true},
  [STEP_FAMILY] = {"HMGET", true},
  [STEP_HASH] = {"HGETALL", false},
  [STEP_FIELDS] = {"HMGET", false},
  [STEP_HASH_KEYS] = {"HKEYS", false},
  [STEP_LIST] = {"LRANGE", false},
  [STEP_SET] = {"SMEMBERS", false},
  [STEP_MEMBERS] = {"SMISMEMBER", false},
  [STEP_MEMBER] = {"SISMEMBER", false},
  [STEP_ZSET] = {"ZRANGEBYSCORE", false},
  [STEP_SCORES] = {"ZMSCORE", false},
  [STEP_SCORE] = {"ZSCORE", false},
  [STEP_STREAM] = {"XRANGE", false},
};

bool redis_step_is_part(redis_step step) { return steps[step].part; }
const char *redis_step_command(redis_step step) { return steps[step].command; }

/* ---- commands ------------------------------------------------------------ */

enum { WORDS_MAX = 8 };        /* of a command without a list */

/* WORDS, which are texts; the second one is the key's place. */
static bool form_words(redis_form *f, int n, const char *const *words, arena *a) {
  size_t lengths[WORDS_MAX];
  for (int i = 0; i < n; i++) lengths[i] = strlen(words[i]);
  return redis_form_make(f, n, words, lengths, 1, a);
}

/* With all of a plan's fields or elements behind the key. */
static bool form_many(const redis_plan *p, redis_step step, redis_form *f, arena *a) {
  bool family = step == STEP_FAMILY;
  size_t count = family ? (size_t)p->n_fields : p->n_elements;
  const char **words = arena_alloc(a, (count + 2) * sizeof(*words));
  size_t *lengths = arena_alloc(a, (count + 2) * sizeof(*lengths));
  if (!words || !lengths) return false;
  words[0] = steps[step].command;
  lengths[0] = strlen(words[0]);
  for (size_t i = 0; i < count; i++) {
    words[i + 2] = family ? p->fields[i] : p->elements[i].bytes;
    lengths[i + 2] = family ? p->field_lengths[i] : p->elements[i].length;
  }
  return redis_form_make(f, (int)count + 2, words, lengths, 1, a);
}

/* A number as text, in OUT. */
static const char *digits(int64_t number, char *out) {
  value_format_integer(number, out);
  return out;
}

static bool form_scores(const redis_plan *p, redis_form *f, arena *a) {
  char low[40], high[40], limit[24];
  char *at = low;
  if (p->score_above) *at++ = '(';
  at[redis_print_score(p->score_low, at)] = 0;
  at = high;
  if (p->score_below) *at++ = '(';
  at[redis_print_score(p->score_high, at)] = 0;
  const char *words[WORDS_MAX] = {p->descending ? "ZREVRANGEBYSCORE" : "ZRANGEBYSCORE", "",
                          p->descending ? high : low, p->descending ? low : high, "WITHSCORES",
                          "LIMIT", "0", digits(p->limit, limit)};
  return form_words(f, p->limit >= 0 ? 8 : 5, words, a);
}

/* Redis counts from the end where an index is negative; -1 is the last one. */
static bool form_list(const redis_plan *p, redis_form *f, arena *a) {
  char low_text[24], high_text[24];
  int64_t low = p->index_low > 0 ? p->index_low : 0, high = p->index_high;
  if (p->limit > 0 && p->limit - 1 < high - low) high = low + p->limit - 1;
  if (high == INT64_MAX) high = -1;
  const char *words[4] = {"LRANGE", "", digits(low, low_text), digits(high, high_text)};
  return form_words(f, 4, words, a);
}

static bool form_span(const redis_plan *p, int i, redis_form *f, arena *a) {
  char low[24] = "-", high[24] = "+", limit[24];
  if (p->n_spans) snprintf(low, sizeof(low), "%" PRIu64, p->spans[i].low);
  if (p->n_spans && p->spans[i].high < UINT64_MAX) {
    snprintf(high, sizeof(high), "%" PRIu64, p->spans[i].high);
  }
  const char *words[6] = {"XRANGE", "", low, high, "COUNT", digits(p->limit, limit)};
  size_t lengths[6];
  for (int k = 0; k < 6; k++) lengths[k] = strlen(words[k]);
  if (p->by_element) {
    words[2] = words[3] = p->elements[0].bytes;
    lengths[2] = lengths[3] = p->elements[0].length;
  }
  return redis_form_make(f, p->limit > 0 ? 6 : 4, words, lengths, 1, a);
}

/* A command of one word or two, and the key. */
static bool form_plain(redis_step step, redis_form *f, arena *a) {
  const char *command = steps[step].command, *second = strchr(command, ' ');
  int n = second ? 2 : 1;
  const char *words[3] = {command, second ? second + 1 : ""};
  size_t lengths[3] = {strcspn(command, " "), strlen(words[1])};
  return redis_form_make(f, n + 1, words, lengths, n, a);
}

static bool form_step(const redis_plan *p, redis_step step, int span, redis_form *f, arena *a) {
  switch (step) {
    case STEP_LIST: return form_list(p, f, a);
    case STEP_ZSET: return form_scores(p, f, a);
    case STEP_STREAM: return form_span(p, span, f, a);
    case STEP_FAMILY: case STEP_FIELDS: case STEP_MEMBERS: case STEP_MEMBER: case STEP_SCORES:
    case STEP_SCORE: return form_many(p, step, f, a);
    default: return form_plain(step, f, a);
  }
}

/* How many commands a step has for a key; if several, it is the only step. */
static int n_commands(const redis_plan *p, redis_step step) {
  return step == STEP_STREAM && p->n_spans > 1 && !p->by_element ? p->n_spans : 1;
}

bool redis_step_prepare(redis_plan *p, arena *a) {
  if (p->none) return true;
  for (int i = 0; i < p->n_steps; i++) {
    for (int span = 0; span < n_commands(p, p->steps[i]); span++) {
      if (!form_step(p, p->steps[i], span, &p->forms[i + span], a)) return false;
    }
  }
  return form_plain(STEP_TYPE, &p->type_form, a);
}

bool redis_step_send(const redis_plan *p, int number, redis_node *n, const char *key,
                     size_t length, bool asking, int *count, tskdb_error *e) {
  bool type = number == p->n_steps;
  int commands = type ? 1 : n_commands(p, p->steps[number]);
  const redis_form *forms = type ? &p->type_form : &p->forms[number];
  *count = 0;
  for (int i = 0; i < commands; i++) {
    if (asking && !redis_addf(n, e, "ASKING")) return false;
    if (!redis_add_form(n, &forms[i], key, length, e)) return false;
    *count += asking ? 2 : 1;
  }
  return true;
}

/* ---- parts of a row ------------------------------------------------------ */

static void put(redis_reading *r, int at, value v) {
  if (at >= 0) batch_value(r->batch, at, &v);
  r->open_row = true;
}

static void put_bytes(redis_reading *r, redis_attribute what, const char *bytes, size_t length) {
  int at = r->plan->at[what];
  r->open_row = true;
  if (at < 0) return;
  storage s = value_is_utf8(bytes, length) ? STORAGE_TEXT : STORAGE_BLOB;
  batch_bytes_value(r->batch, at, s, bytes, length);
}

static void put_integer(redis_reading *r, redis_attribute what, int64_t i) {
  put(r, r->plan->at[what], (value){.storage = STORAGE_INTEGER, .integer = i});
}

static void take_type(redis_reading *r, const redis_element *x) {
  const redis_plan *p = r->plan;
  bool other = p->type &&
               (strlen(p->type) != x->length || memcmp(p->type, x->bytes, x->length) != 0);
  bool none = x->length == 4 && memcmp(x->bytes, "none", 4) == 0;
  if (other || none) r->fate = FATE_GONE;
  r->doubt = false;
  put_bytes(r, ATTRIBUTE_TYPE, x->bytes, x->length);
}

/* -2: there is no such key; -1: it stays. */
static void take_ttl(redis_reading *r, const redis_element *x) {
  if (x->integer == -2) r->fate = FATE_GONE;
  r->doubt = false;
  if (x->integer >= 0) put_integer(r, ATTRIBUTE_TTL, x->integer);
}

static void take_family(redis_reading *r, const redis_element *x) {
  const redis_plan *p = r->plan;
  if (x->depth == 0) r->doubt = true;   /* a key that is not there has no field either */
  if (x->depth != 1 || x->kind != REDIS_STRING || x->index >= p->n_fields) return;
  r->doubt = false;
  int at = p->field_columns[x->index];
  if (p->field_decodings[x->index] == DECODE_NUMBER) {
    put(r, at, redis_decode(DECODE_NUMBER, x->bytes, x->length));
  } else {
    storage s = value_is_utf8(x->bytes, x->length) ? STORAGE_TEXT : STORAGE_BLOB;
    batch_bytes_value(r->batch, at, s, x->bytes, x->length);
    r->open_row = true;
  }
}

/* A reply that is nil says that the key has gone. */
static bool is_there(redis_reading *r, const redis_element *x) {
  if (x->kind == REDIS_NIL) r->fate = FATE_GONE;
  return x->kind != REDIS_NIL;
}

/* ---- rows of their own --------------------------------------------------- */

static void take_hash(redis_reading *r, const redis_element *x) {
  if (x->depth != 1) return;
  put_bytes(r, x->index & 1 ? ATTRIBUTE_VALUE : ATTRIBUTE_ELEMENT, x->bytes, x->length);
  if (x->index & 1) redis_end_row(r);
}

static void put_element(redis_reading *r, int64_t i) {
  const redis_bytes *b = &r->plan->elements[(size_t)i < r->plan->n_elements ? i : 0];
  put_bytes(r, ATTRIBUTE_ELEMENT, b->bytes, b->length);
}

static void take_fields(redis_reading *r, const redis_element *x) {
  if (x->depth != 1 || x->kind != REDIS_STRING) return;
  put_element(r, x->index);
  put_bytes(r, ATTRIBUTE_VALUE, x->bytes, x->length);
  redis_end_row(r);
}

static void take_element(redis_reading *r, const redis_element *x) {
  if (x->depth != 1) return;
  put_bytes(r, ATTRIBUTE_ELEMENT, x->bytes, x->length);
  redis_end_row(r);
}

static void take_list(redis_reading *r, const redis_element *x) {
  if (x->depth != 1) return;
  put_integer(r, ATTRIBUTE_INDEX, (r->plan->index_low > 0 ? r->plan->index_low : 0) + x->index);
  put_bytes(r, ATTRIBUTE_VALUE, x->bytes, x->length);
  redis_end_row(r);
}

/* SISMEMBER's reply is the number itself, SMISMEMBER's an array of them. */
static void take_membership(redis_reading *r, const redis_element *x) {
  if (x->kind != REDIS_INTEGER || x->integer != 1) return;
  put_element(r, x->depth ? x->index : 0);
  redis_end_row(r);
}

/* False: it is no number; the row is left out. */
static bool put_score(redis_reading *r, const redis_element *x, bool check) {
  const redis_plan *p = r->plan;
  double score;
  if (!redis_parse_score(x->bytes, x->length, &score)) return false;
  bool low = p->score_above ? score > p->score_low : score >= p->score_low;
  bool high = p->score_below ? score < p->score_high : score <= p->score_high;
  if (check && !(low && high)) return false;
  put(r, p->at[ATTRIBUTE_SCORE], (value){.storage = STORAGE_REAL, .real = score});
  return true;
}

static void take_zset(redis_reading *r, const redis_element *x) {
  if (x->depth != 1) return;
  if (!(x->index & 1)) put_bytes(r, ATTRIBUTE_ELEMENT, x->bytes, x->length);
  else if (put_score(r, x, false)) redis_end_row(r);
  else redis_drop_row(r);
}

static void take_score(redis_reading *r, const redis_element *x) {
  if (x->kind != REDIS_STRING || !put_score(r, x, true)) return;
  put_element(r, x->depth ? x->index : 0);
  redis_end_row(r);
}

/* ---- JSON ---------------------------------------------------------------- */

/* Bytes that are no text as {"hex":"…"}. */
static void json_bytes(buffer *out, const char *bytes, size_t length, bool name) {
  if (value_is_utf8(bytes, length)) {
    buffer_json(out, bytes, length);
    return;
  }
  buffer_text(out, name ? "\"hex:" : "{\"hex\":\"");
  for (size_t i = 0; i < length; i++) buffer_printf(out, "%02x", (unsigned char)bytes[i]);
  buffer_text(out, name ? "\"" : "\"}");
}

static void end_json(redis_reading *r, redis_attribute what) {
  if (r->text.failed) r->failed = true;
  put_bytes(r, what, buffer_cstr(&r->text), r->text.length);
  buffer_clear(&r->text);
  redis_end_row(r);
}

/* An entry is [id, [name, value, name, value, …]]. */
static void take_stream(redis_reading *r, const redis_element *x) {
  if (x->depth == 2 && x->index == 0) {
    put_bytes(r, ATTRIBUTE_ELEMENT, x->bytes, x->length);
  } else if (x->depth == 2 && x->index == 1) {
    buffer_clear(&r->text);
    buffer_char(&r->text, '{');
    if (x->integer > 0 && x->kind == REDIS_ARRAY) return;
    buffer_char(&r->text, '}');
    end_json(r, ATTRIBUTE_FIELDS);
  } else if (x->depth == 3) {
    bool name = !(x->index & 1);
    if (name && x->index > 0) buffer_char(&r->text, ',');
    json_bytes(&r->text, x->bytes, x->length, name);
    if (name) buffer_char(&r->text, ':');
    if (x->index + 1 < x->siblings) return;
    buffer_char(&r->text, '}');
    end_json(r, ATTRIBUTE_FIELDS);
  }
}

/* ---- native replies: a row an element of the outermost array ------------- */

static void json_element(buffer *out, const redis_element *x) {
  switch (x->kind) {
    case REDIS_INTEGER: buffer_printf(out, "%" PRId64, x->integer); break;
    case REDIS_NIL: buffer_text(out, "null"); break;
    case REDIS_ARRAY: buffer_text(out, x->integer > 0 ? "[" : "[]"); break;
    default: json_bytes(out, x->bytes, x->length, false);
  }
}

/* Ends the arrays that the element at this depth, the last of its own, completes. */
static void close_arrays(redis_reading *r, const redis_element *x) {
  bool last = x->index + 1 == x->siblings;
  int depth = x->depth;
  while (last && depth > 1) {
    buffer_char(&r->text, ']');
    depth--;
    last = r->last[depth];
  }
  if (depth == 1) end_json(r, ATTRIBUTE_VALUE);
}

void redis_native_take(redis_reading *r, const redis_element *x) {
  enum { DEEPEST = (int)(sizeof(r->last) / sizeof(r->last[0])) };
  bool open = x->kind == REDIS_ARRAY && x->integer > 0;
  if (x->depth >= DEEPEST || (x->depth == 0 && x->kind == REDIS_ARRAY)) return;
  if (x->depth <= 1) put_integer(r, ATTRIBUTE_INDEX, x->depth ? x->index : 0);
  if (x->depth <= 1 && x->kind != REDIS_ARRAY) {
    if (x->kind == REDIS_INTEGER) put_integer(r, ATTRIBUTE_VALUE, x->integer);
    else if (x->kind != REDIS_NIL) put_bytes(r, ATTRIBUTE_VALUE, x->bytes, x->length);
    redis_end_row(r);
    return;
  }
  if (x->depth > 1 && x->index > 0) buffer_char(&r->text, ',');
  json_element(&r->text, x);
  /* The first level's own place does not matter: its end ends the row. */
  if (open) r->last[x->depth] = x->depth > 1 && x->index + 1 == x->siblings;
  else if (x->depth > 1) close_arrays(r, x);
  else end_json(r, ATTRIBUTE_VALUE);
}

/* ---- taking -------------------------------------------------------------- */

void redis_step_take(redis_reading *r, redis_step step, const redis_element *x) {
  switch (step) {
    case STEP_TYPE: take_type(r, x); break;
    case STEP_TTL: take_ttl(r, x); break;
    case STEP_ENCODING:
      if (is_there(r, x)) put_bytes(r, ATTRIBUTE_ENCODING, x->bytes, x->length);
      break;
    case STEP_MEMORY: if (is_there(r, x)) put_integer(r, ATTRIBUTE_BYTES, x->integer); break;
    case STEP_GET: if (is_there(r, x)) put_bytes(r, ATTRIBUTE_VALUE, x->bytes, x->length); break;
    case STEP_FAMILY: take_family(r, x); break;
    case STEP_HASH: take_hash(r, x); break;
    case STEP_FIELDS: take_fields(r, x); break;
    case STEP_HASH_KEYS: case STEP_SET: take_element(r, x); break;
    case STEP_LIST: take_list(r, x); break;
    case STEP_MEMBERS: case STEP_MEMBER: take_membership(r, x); break;
    case STEP_ZSET: take_zset(r, x); break;
    case STEP_SCORES: case STEP_SCORE: take_score(r, x); break;
    case STEP_STREAM: take_stream(r, x); break;
  }
}
