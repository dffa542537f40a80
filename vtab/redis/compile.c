/*
** compile.c - what Redis may do in SQLite's place, and a query as a plan of
** commands.
**
** A plan says which keys (these, or what SCAN finds), which of their elements,
** and which commands read one key.  Its text is for people: patterns of a
** family and names of fields stand in it, values of the user's are "?".
**
** Equality with a key is a direct command and exact; so is equality with a
** hash's field, a member, and every comparison with a score or an index.  A
** pattern is sent as far as its first wildcard.  Ids of streams are compared
** as numbers by Redis and as text by SQLite: what is sent is a range of
** milliseconds that leaves out only ids that differ in both orders.
**
** Scores are in order only within one key (COLUMN_WITHIN_KEY).
*/
#include <math.h>
#include <string.h>

#include "vtab/redis/redis_driver.h"

#define BINARY COLLATIONS(COLLATION_BINARY)
#define TEXT CLASSES(CLASS_TEXT)

enum { VERSION_TYPE_FILTER = 60000, VERSION_MANY_MEMBERS = 60200 };

/* So many keys of a family are asked for their type at once, in case that they are not there;
** of more, those that show no field are asked in one more round trip (scan.c). */
enum { FEW_KEYS = 16 };

/* The first row that covers a case decides. */
const pushdown_row redis_pushdown[] = {
    {OPS_EQUAL, TEXT | CLASSES(CLASS_INT), BINARY, REDIS_IS_KEY, 0, PUSH_EXACT, REASON_NONE, "key"},
    {OPS(OP_LIKE), TEXT, 0, REDIS_IS_KEY, 0, PUSH_SUPERSET, REASON_PATTERN, "match like"},
    {OPS(OP_GLOB), TEXT, 0, REDIS_IS_KEY, 0, PUSH_SUPERSET, REASON_PATTERN, "match glob"},
    {OPS(OP_EQ), TEXT, BINARY, REDIS_IS_TYPE, 0, PUSH_EXACT, REASON_NONE, "type"},
    {OPS(OP_EQ), TEXT, BINARY, REDIS_IS_ELEMENT, 0, PUSH_EXACT, REASON_NONE, "element"},
    {OPS(OP_IN), TEXT, BINARY, REDIS_IS_ELEMENT, VERSION_MANY_MEMBERS, PUSH_EXACT, REASON_NONE,
     "element"},
    {OPS(OP_EQ) | OPS_RANGE, CLASSES(CLASS_INT), 0, REDIS_IS_INDEX, 0, PUSH_EXACT, REASON_NONE,
     "index"},
    {OPS(OP_EQ) | OPS_RANGE, CLASSES(CLASS_FLOAT), 0, REDIS_IS_SCORE, 0, PUSH_EXACT, REASON_NONE,
     "score"},
    {OPS(OP_ORDER), CLASSES(CLASS_FLOAT), 0, REDIS_IS_SCORE, 0, PUSH_EXACT, REASON_NONE, "score"},
    {OPS(OP_EQ), TEXT, BINARY, REDIS_IS_ID, 0, PUSH_EXACT, REASON_NONE, "id"},
    {OPS_RANGE, TEXT, BINARY, REDIS_IS_ID, 0, PUSH_SUPERSET, REASON_ORDER, "id range"},
    {OPS(OP_ORDER), TEXT, 0, REDIS_IS_ID, 0, PUSH_LOCAL, REASON_ORDER, NULL},
    {OPS_ALL, CLASSES_ALL, 0, 0, 0, PUSH_LOCAL, REASON_KEYS, NULL},
};
const int redis_n_pushdown = sizeof(redis_pushdown) / sizeof(redis_pushdown[0]);

/* What is being compiled. */
typedef struct compiler {
  const query *q;
  uint32_t version;
  arena *arena;
  redis_plan *plan;
  buffer match;                /* the best pattern so far, without the end */
  size_t match_weight;         /* literal bytes of it */
} compiler;

/* ---- which keys, which elements ------------------------------------------ */

enum { INTEGER_BYTES = 24 };   /* that value_format_integer() may write */

/* The bytes that a value stands for. */
static redis_bytes bytes_of(const value *v, arena *a) {
  if (v->storage != STORAGE_INTEGER) return (redis_bytes){v->bytes, v->length};
  char *digits = arena_alloc(a, INTEGER_BYTES);
  return (redis_bytes){digits, digits ? value_format_integer(v->integer, digits) : 0};
}

/* The whole key; none if the family has no such one. */
static bool key_of(const compiler *x, const value *v, redis_bytes *out) {
  const redis_template *t = &x->plan->form;
  const char *part;
  size_t length;
  *out = bytes_of(v, x->arena);
  if (x->plan->table != TABLE_FAMILY) return true;
  size_t whole = t->prefix_length + out->length + t->suffix_length;
  char *key = arena_alloc(x->arena, whole + 1);
  if (!key) return false;
  memcpy(key, t->prefix, t->prefix_length);
  if (out->length) memcpy(key + t->prefix_length, out->bytes, out->length);
  memcpy(key + t->prefix_length + out->length, t->suffix, t->suffix_length);
  *out = (redis_bytes){key, whole};
  return redis_template_match(t, key, whole, &part, &length);
}

static bool element_of(const compiler *x, const value *v, redis_bytes *out) {
  *out = bytes_of(v, x->arena);
  return true;
}

static bool has_bytes(const redis_bytes *all, size_t n, const redis_bytes *b) {
  for (size_t i = 0; i < n; i++) {
    if (all[i].length == b->length && memcmp(all[i].bytes, b->bytes, b->length) == 0) return true;
  }
  return false;
}

/* Narrows a set of strings, which is everything unless *LIMITED, to those of V. */
static void narrow(compiler *x, const value *v,
                   bool (*make)(const compiler *, const value *, redis_bytes *), bool *limited,
                   redis_bytes **all, size_t *n) {
  const value *list = v->storage == STORAGE_LIST ? v->list : v;
  size_t n_list = v->storage == STORAGE_LIST ? v->n_list : 1, kept = 0;
  redis_bytes *made = arena_alloc(x->arena, (n_list + 1) * sizeof(*made));
  for (size_t i = 0; made && i < n_list; i++) {
    if (!make(x, &list[i], &made[kept])) continue;
    if (!*limited || has_bytes(*all, *n, &made[kept])) kept++;
  }
  *all = made;
  *n = kept;
  *limited = true;
  if (kept == 0) x->plan->none = true;
}

/* Takes the pattern if it says more than the one so far. */
static void match_pattern(compiler *x, const value *v,
                          size_t (*append)(buffer *, const char *, size_t)) {
  buffer b = {0};
  size_t weight = append(&b, v->bytes, v->length);
  if (weight > x->match_weight) {
    buffer_clear(&x->match);
    buffer_append(&x->match, b.text, b.length);
    x->match_weight = weight;
  }
  x->match.failed |= b.failed;
  buffer_free(&b);
}

static void limit_index(redis_plan *p, query_operator op, int64_t i) {
  if ((op == OP_LT && i == INT64_MIN) || (op == OP_GT && i == INT64_MAX)) p->none = true;
  else if (op == OP_LT) i--;
  else if (op == OP_GT) i++;
  if (op != OP_LT && op != OP_LE && i > p->index_low) p->index_low = i;
  if (op != OP_GT && op != OP_GE && i < p->index_high) p->index_high = i;
  if (p->index_low > p->index_high) p->none = true;
}

static void limit_score(redis_plan *p, query_operator op, double s) {
  if (op != OP_LT && op != OP_LE) {
    bool out = op == OP_GT;
    if (s > p->score_low) p->score_above = out;
    else if (s == p->score_low) p->score_above |= out;
    if (s > p->score_low) p->score_low = s;
  }
  if (op != OP_GT && op != OP_GE) {
    bool out = op == OP_LT;
    if (s < p->score_high) p->score_below = out;
    else if (s == p->score_high) p->score_below |= out;
    if (s < p->score_high) p->score_high = s;
  }
  bool open = p->score_above || p->score_below;
  if (p->score_low > p->score_high || (open && p->score_low == p->score_high)) p->none = true;
}

/* ---- ids of streams ------------------------------------------------------ */

/* Digits as the server writes a number; returns how many, 0 if they are none. */
static size_t parse_digits(const char *text, size_t length, uint64_t *out) {
  enum { MOST = 19 };          /* all such numbers are within 64 bits */
  size_t n = 0;
  *out = 0;
  while (n < length && text[n] >= '0' && text[n] <= '9') {
    if (n == MOST) return 0;
    *out = *out * 10 + (uint64_t)(text[n++] - '0');
  }
  return n > 1 && text[0] == '0' ? 0 : n;
}

bool redis_parse_id(const char *text, size_t length, uint64_t *milliseconds, uint64_t *sequence) {
  size_t n = parse_digits(text, length, milliseconds);
  if (n == 0 || n + 1 >= length || text[n] != '-') return false;
  return parse_digits(text + n + 1, length - n - 1, sequence) == length - n - 1;
}

static uint64_t power_of_ten(size_t n) {
  uint64_t p = 1;
  while (n-- > 0) p *= 10;
  return p;
}

/* Ids whose milliseconds have as many digits as the constant's are in the same
** order as text and as numbers; all others are asked for as well. */
static void limit_id(redis_plan *p, query_operator op, const value *v) {
  uint64_t ms;
  size_t digits = parse_digits(v->bytes, v->length, &ms);
  if (digits == 0) return;
  bool upward = op == OP_GT || op == OP_GE;
  redis_span kept[2], result[REDIS_MAX_SPANS];
  int n_kept = 0, n = 0;
  if (upward && digits > 1) kept[n_kept++] = (redis_span){0, power_of_ten(digits - 1) - 1};
  kept[n_kept++] = upward ? (redis_span){ms, UINT64_MAX} : (redis_span){0, ms};
  if (!upward) kept[n_kept++] = (redis_span){power_of_ten(digits), UINT64_MAX};
  redis_span whole = {0, UINT64_MAX};
  const redis_span *before = p->n_spans ? p->spans : &whole;
  int n_before = p->n_spans ? p->n_spans : 1;
  for (int i = 0; i < n_before; i++) {
    for (int k = 0; k < n_kept; k++) {
      redis_span s = before[i];
      if (kept[k].low > s.low) s.low = kept[k].low;
      if (kept[k].high < s.high) s.high = kept[k].high;
      if (s.low > s.high) continue;
      if (n == REDIS_MAX_SPANS) return;   /* what was known before is enough */
      result[n++] = s;
    }
  }
  if (n == 0) p->none = true;
  p->n_spans = n;
  memcpy(p->spans, result, sizeof(result));
}

static void limit_to_id(compiler *x, const value *v) {
  uint64_t ms, sequence;
  redis_plan *p = x->plan;
  if (!redis_parse_id(v->bytes, v->length, &ms, &sequence)) p->none = true;
  else narrow(x, v, element_of, &p->by_element, &p->elements, &p->n_elements);
}

/* ---- filters ------------------------------------------------------------- */

static void limit_type(redis_plan *p, const value *v, arena *a) {
  const char *type = arena_strndup(a, v->bytes, v->length);
  if (type && (strlen(type) != v->length || (p->type && strcmp(p->type, type) != 0)))
    p->none = true;
  p->type = type;
}

static void apply(compiler *x, const query_expr *term) {
  redis_plan *p = x->plan;
  const value *v = &x->q->parameters[term->args[1].parameter];
  const char *row = term->row->text;
  if (strcmp(row, "key") == 0) narrow(x, v, key_of, &p->direct, &p->keys, &p->n_keys);
  else if (strcmp(row, "match like") == 0) match_pattern(x, v, redis_match_like);
  else if (strcmp(row, "match glob") == 0) match_pattern(x, v, redis_match_glob);
  else if (strcmp(row, "type") == 0) limit_type(p, v, x->arena);
  else if (strcmp(row, "element") == 0)
    narrow(x, v, element_of, &p->by_element, &p->elements, &p->n_elements);
  else if (strcmp(row, "index") == 0) limit_index(p, term->op, v->integer);
  else if (strcmp(row, "score") == 0) limit_score(p, term->op, v->real);
  else if (strcmp(row, "id") == 0) limit_to_id(x, v);
  else if (strcmp(row, "id range") == 0) limit_id(p, term->op, v);
}

/* The pattern of SCAN: a family's own form with what is known of its part. */
static void finish_match(compiler *x) {
  redis_plan *p = x->plan;
  buffer whole = {0};
  redis_match_literal(&whole, p->form.prefix, p->form.prefix_length);
  buffer_append(&whole, x->match.text, x->match.length);
  buffer_char(&whole, '*');
  redis_match_literal(&whole, p->form.suffix, p->form.suffix_length);
  if (whole.length > 1) {
    p->match = arena_strndup(x->arena, buffer_cstr(&whole), whole.length);
    p->match_length = whole.length;
  }
  if (whole.failed || x->match.failed) x->arena->failed = true;
  buffer_free(&whole);
}

/* ---- columns ------------------------------------------------------------- */

static bool choose_columns(compiler *x) {
  redis_plan *p = x->plan;
  const query *q = x->q;
  size_t n = (size_t)q->n_select + 1;
  p->fields = arena_alloc(x->arena, n * sizeof(*p->fields));
  p->field_lengths = arena_alloc(x->arena, n * sizeof(*p->field_lengths));
  p->field_columns = arena_alloc(x->arena, n * sizeof(*p->field_columns));
  p->field_decodings = arena_alloc(x->arena, n * sizeof(*p->field_decodings));
  if (x->arena->failed) return false;
  for (int i = 0; i < ATTRIBUTE_COUNT; i++) p->at[i] = -1;
  p->n_select = q->n_select;
  for (int i = 0; i < q->n_select; i++) {
    const column *c = &p->relation->columns[q->select[i].column];
    if (c->type_id != ATTRIBUTE_NAMED) {
      p->at[c->type_id] = i;
      continue;
    }
    p->fields[p->n_fields] = c->remote_name;
    p->field_lengths[p->n_fields] = strlen(c->remote_name);
    p->field_decodings[p->n_fields] = (redis_decoding)c->type_detail;
    p->field_columns[p->n_fields++] = i;
  }
  return true;
}

/* ---- commands ------------------------------------------------------------ */

static void add_step(redis_plan *p, redis_step step) { p->steps[p->n_steps++] = step; }

/* The parts of a single row.  What tells whether the key is there comes last. */
static void choose_parts(redis_plan *p) {
  bool named = p->n_fields > 0 || (p->table == TABLE_STRINGS && p->at[ATTRIBUTE_VALUE] >= 0);
  bool known = p->type_scanned && !p->direct;
  if (p->table == TABLE_KEYS) known = !p->direct && (!p->type || p->type_scanned);
  if (named) add_step(p, p->table == TABLE_FAMILY ? STEP_FAMILY : STEP_GET);
  if (p->at[ATTRIBUTE_TTL] >= 0) add_step(p, STEP_TTL);
  if (p->at[ATTRIBUTE_ENCODING] >= 0) add_step(p, STEP_ENCODING);
  if (p->at[ATTRIBUTE_BYTES] >= 0) add_step(p, STEP_MEMORY);
  bool type_wanted = p->at[ATTRIBUTE_TYPE] >= 0 && !(p->type_scanned && !p->direct);
  bool few = p->direct && p->n_keys <= FEW_KEYS;
  if (few && p->table == TABLE_FAMILY && p->at[ATTRIBUTE_TTL] < 0) type_wanted = true;
  if (type_wanted || (!known && !named)) add_step(p, STEP_TYPE);
}

static void choose_steps(redis_plan *p) {
  bool one = p->n_elements == 1;
  switch (p->table) {
    case TABLE_HASHES:
      add_step(p, p->by_element                 ? STEP_FIELDS
                  : p->at[ATTRIBUTE_VALUE] >= 0 ? STEP_HASH
                                                : STEP_HASH_KEYS);
      break;
    case TABLE_LISTS: add_step(p, STEP_LIST); break;
    case TABLE_SETS:
      add_step(p, !p->by_element ? STEP_SET : one ? STEP_MEMBER : STEP_MEMBERS);
      break;
    case TABLE_ZSETS:
      add_step(p, !p->by_element ? STEP_ZSET : one ? STEP_SCORE : STEP_SCORES);
      break;
    case TABLE_STREAMS: add_step(p, STEP_STREAM); break;
    case TABLE_NATIVE: break;
    default: choose_parts(p);
  }
}

/* ---- the text ------------------------------------------------------------ */

static void print_native(buffer *out, const native_text *t) {
  /* Its arguments are the user's. */
  buffer_text(out, t->words[0]);
  for (int i = 1; i < t->n_words; i++) buffer_text(out, " ?");
}

static void print_scan(buffer *out, const compiler *x) {
  const redis_plan *p = x->plan;
  buffer_text(out, "SCAN");
  if (p->match) {
    buffer_text(out, " MATCH ");
    redis_match_literal(out, p->form.prefix, p->form.prefix_length);
    buffer_text(out, x->match_weight ? "?*" : "*");
    redis_match_literal(out, p->form.suffix, p->form.suffix_length);
  }
  if (p->type_scanned) buffer_printf(out, " TYPE %s", p->table == TABLE_KEYS ? "?" : p->type);
}

static void print_limits(buffer *out, const redis_plan *p) {
  if (p->by_element) buffer_text(out, p->n_elements > 1 ? " ?…" : " ?");
  if (isfinite(p->score_low) || isfinite(p->score_high)) buffer_text(out, " score ?");
  if (p->index_low > 0 || p->index_high < INT64_MAX) buffer_text(out, " index ?");
  if (p->n_spans) buffer_text(out, " id ?");
  if (p->descending) buffer_text(out, " descending");
}

static void print_keys(buffer *out, size_t n) {
  char digits[INTEGER_BYTES];
  buffer_append(out, digits, value_format_integer((int64_t)n, digits));
  buffer_text(out, n == 1 ? " key" : " keys");
}

/* Printed for each look-up, so without printf(). */
static const char *print_text(compiler *x) {
  const redis_plan *p = x->plan;
  buffer out = {0};
  if (p->table == TABLE_NATIVE) print_native(&out, &p->relation->native);
  else if (p->direct) print_keys(&out, p->n_keys);
  else print_scan(&out, x);
  for (int i = 0; i < p->n_steps; i++) {
    buffer_text(&out, "; ");
    buffer_text(&out, redis_step_command(p->steps[i]));
    for (int k = 0; p->steps[i] == STEP_FAMILY && k < p->n_fields; k++) {
      buffer_char(&out, ' ');
      buffer_text(&out, p->fields[k]);
    }
    print_limits(&out, p);
  }
  const char *text = arena_strdup(x->arena, buffer_cstr(&out));
  if (out.failed) x->arena->failed = true;
  buffer_free(&out);
  return text;
}

/* ---- all of it ----------------------------------------------------------- */

/* A type that SCAN surely knows. */
static bool is_scanned_type(const char *type) {
  for (redis_table t = TABLE_STRINGS; type && t < TABLE_FAMILY; t++) {
    if (strcmp(redis_type_of(t), type) == 0) return true;
  }
  return false;
}

bool redis_driver_compile(const query *q, uint32_t version, arena *a, request *out,
                          tskdb_error *e) {
  redis_plan *p = arena_alloc(a, sizeof(*p));
  if (!p) return error_memory(e);
  compiler x = {.q = q, .version = version, .arena = a, .plan = p};
  p->relation = q->sources[0].relation;
  p->table = (redis_table)p->relation->remote_id;
  p->type = redis_type_of(p->table);
  p->score_low = -INFINITY;
  p->score_high = INFINITY;
  p->index_high = INT64_MAX;
  p->limit = q->has_limit ? q->limit : -1;
  if (p->table == TABLE_FAMILY) redis_template_of(p->relation, &p->form);
  if (!choose_columns(&x)) return error_memory(e);
  for (int i = 0; i < q->n_filter; i++) apply(&x, &q->filter[i]);
  p->descending = q->n_order_by > 0 && q->order_by[0].descending;
  p->type_scanned = version >= VERSION_TYPE_FILTER && is_scanned_type(p->type);
  if (p->table != TABLE_NATIVE && !p->direct) finish_match(&x);
  choose_steps(p);
  if (!redis_step_prepare(p, a)) return error_memory(e);
  *out = (request){.compiled = p, .query = q};
  out->text = print_text(&x);
  buffer_free(&x.match);
  return !a->failed || error_memory(e);
}
