/*
** sample.c - a look at some of the keys: how many there are of each type,
** which templates hashes follow, and which fields those have.
**
** It is only reading, in few round trips: pages of SCAN with the types of
** their keys, then the fields of the sampled hashes in pipelines (of a huge
** hash only some, by HSCAN).  SCAN's order is that of the server's hash table,
** so what it returns first is as good as random.
**
** A template is inferred from the parts of keys between colons: each part but
** the first may be the one that varies.  Of a key's possible templates the one
** counts that most keys share, and a template is a family when it is that of
** at least two keys and of one in a hundred.
*/
#include <stdlib.h>
#include <string.h>

#include "vtab/memory.h"
#include "vtab/redis/redis_driver.h"

enum {
  DEFAULT_SAMPLE = 1000,
  PAGE = 1000,                 /* SCAN's COUNT, and keys of a pipeline */
  FIELDS = 100,                /* of a hash */
  MORE_PAGES = 20,             /* a look for hashes where few were seen */
  MAX_FIELDS = 20000,          /* different ones of a family */
  FAMILY_SHARE = 100           /* one key in so many */
};

typedef struct sampled_key {
  const char *bytes;
  size_t length;
  int node, family;            /* family -1: none */
} sampled_key;

typedef struct sampler {
  redis_connection *c;
  const wait_scope *w;
  tskdb_error *e;
  redis_sample *out;
  int wanted;
  sampled_key *hashes;
  int n_hashes, room;
  arena scratch;
} sampler;

/* An array that grows by doubling; false without memory. */
static bool make_room(void *array, int n, int *room, size_t size) {
  void *block;
  memcpy(&block, array, sizeof(block));
  if (n < *room) return true;
  int more = *room ? 2 * *room : 64;
  void *grown = mem_realloc(block, (size_t)more * size);
  if (!grown) return false;
  memcpy(array, &grown, sizeof(grown));
  *room = more;
  return true;
}

static bool add_hash(sampler *s, const redis_tree *key, int node) {
  /* A name with a NUL or other bytes than text is in no template. */
  if (strlen(key->bytes) != key->length || !value_is_utf8(key->bytes, key->length)) return true;
  if (!make_room(&s->hashes, s->n_hashes, &s->room, sizeof(*s->hashes))) return error_memory(s->e);
  const char *bytes = arena_strndup(s->out->arena, key->bytes, key->length);
  s->hashes[s->n_hashes++] = (sampled_key){bytes, key->length, node, -1};
  return bytes || error_memory(s->e);
}

/* ---- pages of keys ------------------------------------------------------- */

/* The types of a page's keys, in one pipeline. */
static bool count_types(sampler *s, int node, const redis_tree *keys) {
  redis_node *n = s->c->nodes[node];
  for (const redis_tree *key = keys->first; key; key = key->next) {
    if (!redis_addf(n, s->e, "TYPE %b", key->bytes, key->length)) return false;
  }
  if (!redis_flush(s->c, n, s->w, s->e)) return false;
  for (const redis_tree *key = keys->first; key; key = key->next) {
    const redis_tree *type = redis_read(s->c, n, &s->scratch, s->w, s->e);
    if (!type) return false;
    if (type->kind == REDIS_ERROR) {
      int elsewhere;
      /* A key in the middle of moving shows nothing. */
      if (redis_redirected(s->c, n, type->bytes, type->length, &elsewhere) != REDIRECT_NONE)
        continue;
      return redis_reply_error(s->c, "TYPE", type->bytes, type->length, s->e);
    }
    s->out->keys++;
    for (int t = TABLE_STRINGS; t < TABLE_FAMILY; t++) {
      if (strcmp(redis_type_of((redis_table)t), type->bytes) != 0) continue;
      s->out->of_type[t]++;
      if (t == TABLE_HASHES && !add_hash(s, key, node)) return false;
    }
  }
  return true;
}

static bool add_hashes(sampler *s, int node, const redis_tree *keys) {
  for (const redis_tree *key = keys->first; key; key = key->next) {
    if (!add_hash(s, key, node)) return false;
  }
  return true;
}

/* One page of keys. CURSOR is replaced by the next. */
static const redis_tree *next_page(sampler *s, int node, char cursor[REDIS_CURSOR],
                                   const char *match, bool hashes) {
  redis_node *n = s->c->nodes[node];
  const char *words[8] = {"SCAN", cursor, "COUNT", "1000"};
  int count = 4;
  if (match) {
    words[count++] = "MATCH";
    words[count++] = match;
  }
  if (hashes) {
    words[count++] = "TYPE";
    words[count++] = "hash";
  }
  if (!redis_add(n, count, words, NULL, s->e)) return NULL;
  const redis_tree *t = redis_ask(s->c, n, &s->scratch, s->w, s->e);
  const redis_tree *next = redis_tree_at(t, 0), *keys = redis_tree_at(t, 1);
  bool sane = keys && keys->kind == REDIS_ARRAY &&
              redis_parse_cursor(next->bytes, next->length, cursor);
  if (t && !sane) error_set(s->e, ERROR_PROTOCOL, "SCAN's reply makes no sense");
  return sane ? keys : NULL;
}

/* Until there are as many keys as wanted, or hashes among few others. */
static bool sample_node(sampler *s, int node, int wanted) {
  char cursor[REDIS_CURSOR] = "0";
  bool filter = s->c->base.version >= 60000;
  int before = s->out->keys, hashes = s->n_hashes;
  do {
    const redis_tree *keys = next_page(s, node, cursor, NULL, false);
    if (!keys || !count_types(s, node, keys)) return false;
    arena_reset(&s->scratch);
  } while (strcmp(cursor, "0") != 0 && s->out->keys - before < wanted);
  bool ended = strcmp(cursor, "0") == 0;
  if (!ended) s->out->whole = false;
  for (int i = 0; filter && !ended && s->n_hashes - hashes < wanted / 2 && i < MORE_PAGES; i++) {
    const redis_tree *keys = next_page(s, node, cursor, NULL, true);
    if (!keys || !add_hashes(s, node, keys)) return false;
    arena_reset(&s->scratch);
    ended = strcmp(cursor, "0") == 0;
  }
  return true;
}

static bool count_keys(sampler *s, int node) {
  redis_node *n = s->c->nodes[node];
  const redis_tree *t = redis_addf(n, s->e, "DBSIZE") ? redis_ask(s->c, n, &s->scratch, s->w, s->e)
                                                      : NULL;
  if (t) s->out->database_keys += (double)t->integer;
  return t != NULL;
}

/* ---- templates ----------------------------------------------------------- */

typedef struct candidate {
  const sampled_key *key;
  size_t prefix, suffix;       /* their lengths */
  int sharers;                 /* keys that have this one too */
  int chosen;                  /* of the first of its equals: keys that it is the best of */
} candidate;

static int compare_candidates(const void *x, const void *y) {
  const candidate *a = x, *b = y;
  size_t n = a->prefix < b->prefix ? a->prefix : b->prefix;
  int order = memcmp(a->key->bytes, b->key->bytes, n);
  if (order) return order;
  if (a->prefix != b->prefix) return a->prefix < b->prefix ? -1 : 1;
  if (a->suffix != b->suffix) return a->suffix < b->suffix ? -1 : 1;
  return memcmp(a->key->bytes + a->key->length - a->suffix,
                b->key->bytes + b->key->length - b->suffix, a->suffix);
}

static bool collect(const sampler *s, candidate **out, int *n, int *room) {
  for (int i = 0; i < s->n_hashes; i++) {
    const sampled_key *k = &s->hashes[i];
    const char *end = k->bytes + k->length, *colon = strchr(k->bytes, ':');
    /* Not the first part, and no key that begins with a colon; angle brackets mean a template. */
    if (k->family >= 0 || colon == k->bytes || strpbrk(k->bytes, "<>")) continue;
    while (colon) {
      const char *next = strchr(colon + 1, ':'), *stop = next ? next : end;
      if (stop > colon + 1) {
        if (!make_room(out, *n, room, sizeof(**out))) return false;
        (*out)[(*n)++] = (candidate){.key = k, .prefix = (size_t)(colon + 1 - k->bytes),
                                     .suffix = (size_t)(end - stop)};
      }
      colon = next;
    }
  }
  return true;
}

/* The first of the equals of I, in sorted order. */
static int first_equal(const candidate *all, int i) {
  while (all[i].sharers < 0) i--;
  return i;
}

/* Sharers of all; those that have an equal before them get a negative number. */
static void count_sharers(candidate *all, int n) {
  for (int i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && compare_candidates(&all[i], &all[end]) == 0; end++) {
    }
    for (int k = i; k < end; k++) all[k].sharers = k == i ? end - i : i - end;
  }
}

static int sharers_of(const candidate *c) { return c->sharers < 0 ? -c->sharers : c->sharers; }

/* For each key the candidate with most sharers; of equal ones the later part. */
static void choose(candidate *all, int n, const sampled_key *keys, int *best) {
  for (int i = 0; i < n; i++) {
    int *b = &best[all[i].key - keys];
    int own = sharers_of(&all[i]), other = *b >= 0 ? sharers_of(&all[*b]) : -1;
    if (own > other || (own == other && all[i].prefix > all[*b].prefix)) *b = i;
  }
}

static redis_family *add_family(sampler *s) {
  redis_sample *o = s->out;
  if (!make_room(&o->families, o->n_families, &o->room, sizeof(*o->families))) return NULL;
  redis_family *f = &o->families[o->n_families++];
  *f = (redis_family){0};
  return f;
}

static bool keep_family(sampler *s, const candidate *c) {
  redis_family *f = add_family(s);
  arena *a = s->out->arena;
  if (!f) return error_memory(s->e);
  f->form.prefix = arena_strndup(a, c->key->bytes, c->prefix);
  f->form.prefix_length = c->prefix;
  f->form.suffix = arena_strdup(a, c->key->bytes + c->key->length - c->suffix);
  f->form.suffix_length = c->suffix;
  f->form.name = "id";
  return !a->failed || error_memory(s->e);
}

static bool infer_from(sampler *s, candidate *all, int n) {
  int *best = mem_alloc(((size_t)s->n_hashes + 1) * sizeof(*best));
  if (!best) return error_memory(s->e);
  for (int i = 0; i < s->n_hashes; i++) best[i] = -1;
  qsort(all, (size_t)n, sizeof(*all), compare_candidates);
  count_sharers(all, n);
  choose(all, n, s->hashes, best);
  for (int i = 0; i < s->n_hashes; i++) {
    if (best[i] >= 0) all[first_equal(all, best[i])].chosen++;
  }
  mem_free(best);
  int least = (s->n_hashes + FAMILY_SHARE - 1) / FAMILY_SHARE;
  if (least < 2) least = 2;
  for (int i = 0; i < n; i++) {
    if (all[i].chosen >= least && !keep_family(s, &all[i])) return false;
  }
  return true;
}

static bool infer_families(sampler *s) {
  candidate *all = NULL;
  int n = 0, room = 0;
  bool ok = collect(s, &all, &n, &room) || error_memory(s->e);
  ok = ok && (n == 0 || infer_from(s, all, n));
  mem_free(all);
  return ok;
}

/* Each key's family: the first that it fits. */
static void assign(sampler *s) {
  for (int i = 0; i < s->n_hashes; i++) {
    sampled_key *k = &s->hashes[i];
    const char *part;
    size_t length;
    for (int f = 0; k->family < 0 && f < s->out->n_families; f++) {
      redis_family *family = &s->out->families[f];
      if (!redis_template_match(&family->form, k->bytes, k->length, &part, &length)) continue;
      k->family = f;
      family->keys++;
      family->digits += value_from_digits(part, length).storage == STORAGE_INTEGER;
    }
  }
}

/* ---- templates that are asked for ---------------------------------------- */

static bool is_known(const sampler *s, const char *bytes, size_t length) {
  for (int i = 0; i < s->n_hashes; i++) {
    if (s->hashes[i].length == length && memcmp(s->hashes[i].bytes, bytes, length) == 0)
      return true;
  }
  return false;
}

/* The sample may have missed a rare family: a look for its keys alone. */
static bool look_for(sampler *s, const redis_family *f, int node) {
  char cursor[REDIS_CURSOR] = "0";
  buffer match = {0};
  redis_match_literal(&match, f->form.prefix, f->form.prefix_length);
  buffer_char(&match, '*');
  redis_match_literal(&match, f->form.suffix, f->form.suffix_length);
  bool ok = !match.failed || error_memory(s->e);
  int found = 0;
  for (int i = 0; ok && i < MORE_PAGES && found < PAGE / 10; i++) {
    const redis_tree *keys = next_page(s, node, cursor, buffer_cstr(&match), true);
    ok = keys != NULL;
    for (const redis_tree *k = ok ? keys->first : NULL; ok && k && found < PAGE; k = k->next) {
      if (is_known(s, k->bytes, k->length)) continue;
      ok = add_hash(s, k, node);
      found++;
    }
    arena_reset(&s->scratch);
    if (strcmp(cursor, "0") == 0) break;
  }
  buffer_free(&match);
  return ok;
}

static bool ask_families(sampler *s, const discovery *want) {
  for (int i = 0; i < want->n_families; i++) {
    redis_family *f = add_family(s);
    if (!f) return error_memory(s->e);
    f->asked = true;
    if (!redis_template_parse(want->families[i], s->out->arena, &f->form, s->e)) return false;
    for (int node = 0; !s->out->whole && s->c->base.version >= 60000 && node < s->c->n_nodes;
         node++) {
      if (s->c->nodes[node]->master && !look_for(s, f, node)) return false;
    }
  }
  return true;
}

/* ---- fields -------------------------------------------------------------- */

static int compare_name(const redis_field *f, const char *name, size_t length) {
  size_t n = f->length < length ? f->length : length;
  int order = memcmp(f->name, name, n);
  return order ? order : f->length < length ? -1 : f->length > length;
}

/* The field of that name, made if need be; NULL without memory or when there are too many. */
static redis_field *find_field(redis_family *f, const char *name, size_t length, arena *a) {
  int low = 0, high = f->n_fields;
  while (low < high) {
    int middle = low + (high - low) / 2, order = compare_name(&f->fields[middle], name, length);
    if (order == 0) return &f->fields[middle];
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  if (f->n_fields >= MAX_FIELDS ||
      !make_room(&f->fields, f->n_fields, &f->room, sizeof(*f->fields)))
    return NULL;
  memmove(&f->fields[low + 1], &f->fields[low], (size_t)(f->n_fields++ - low) * sizeof(*f->fields));
  f->fields[low] = (redis_field){.name = arena_strndup(a, name, length), .length = length};
  return &f->fields[low];
}

static void count_fields(sampler *s, redis_family *f, const redis_tree *pairs) {
  for (const redis_tree *name = pairs ? pairs->first : NULL; name && name->next;
       name = name->next->next) {
    bool text = strlen(name->bytes) == name->length && name->length > 0 &&
                value_is_utf8(name->bytes, name->length);
    redis_field *field = text ? find_field(f, name->bytes, name->length, s->out->arena) : NULL;
    if (!field) continue;
    storage kind = redis_decode(DECODE_NUMBER, name->next->bytes, name->next->length).storage;
    field->present++;
    field->numbers += kind == STORAGE_INTEGER || kind == STORAGE_REAL;
  }
}

/* Reads the fields of the sampled keys FIRST..LAST-1 of one node, in a pipeline. */
static bool read_fields(sampler *s, int node, const int *keys, int count) {
  redis_node *n = s->c->nodes[node];
  for (int i = 0; i < count; i++) {
    const sampled_key *k = &s->hashes[keys[i]];
    if (!redis_addf(n, s->e, "HSCAN %b 0 COUNT %d", k->bytes, k->length, FIELDS)) return false;
  }
  if (!redis_flush(s->c, n, s->w, s->e)) return false;
  for (int i = 0; i < count; i++) {
    const redis_tree *t = redis_read(s->c, n, &s->scratch, s->w, s->e);
    if (!t) return false;
    /* A key that has become something else meanwhile shows nothing. */
    if (t->kind == REDIS_ARRAY)
      count_fields(s, &s->out->families[s->hashes[keys[i]].family], redis_tree_at(t, 1));
    arena_reset(&s->scratch);
  }
  return true;
}

static bool sample_fields(sampler *s, int node) {
  enum { PIPELINE = 200 };
  int keys[PIPELINE], count = 0;
  for (int i = 0; i < s->n_hashes; i++) {
    if (s->hashes[i].node != node || s->hashes[i].family < 0) continue;
    keys[count++] = i;
    if (count == PIPELINE) {
      if (!read_fields(s, node, keys, count)) return false;
      count = 0;
    }
  }
  return count == 0 || read_fields(s, node, keys, count);
}

/* ---- all of it ----------------------------------------------------------- */

static bool each_master(sampler *s, bool (*work)(sampler *s, int node)) {
  for (int i = 0; i < s->c->n_nodes; i++) {
    redis_node *n = s->c->nodes[i];
    if (n->master && (!redis_node_ready(s->c, n, s->w, s->e) || !work(s, i))) return false;
    arena_reset(&s->scratch);
  }
  return true;
}

static bool sample_keys(sampler *s, int node) {
  int masters = 0;
  for (int i = 0; i < s->c->n_nodes; i++) masters += s->c->nodes[i]->master;
  return count_keys(s, node) && sample_node(s, node, s->wanted / masters + 1);
}

bool redis_sample_take(redis_connection *c, const discovery *want, const wait_scope *w,
                       redis_sample *out, tskdb_error *e) {
  sampler s = {.c = c, .w = w, .e = e, .out = out};
  s.wanted = want->sample > 0 ? want->sample : DEFAULT_SAMPLE;
  out->whole = true;
  bool ok = each_master(&s, sample_keys) && ask_families(&s, want);
  if (ok) assign(&s);
  ok = ok && infer_families(&s);
  if (ok) assign(&s);
  ok = ok && each_master(&s, sample_fields);
  /* After an error in the middle of a pipeline. */
  for (int i = 0; !ok && i < c->n_nodes; i++) {
    if (c->nodes[i]->transport) redis_abandon(c, c->nodes[i]);
  }
  out->hashes = s.n_hashes;
  mem_free(s.hashes);
  arena_free(&s.scratch);
  return ok;
}
