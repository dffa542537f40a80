/*
** keyed.c - a table that is probed again and again within one statement.
**
** Which values change from probe to probe is not told: it is seen.  A value
** counts as constant until it has changed once; what was remembered under that
** belief is forgotten then, if it depends on it.
**
** Where the next keys come from is not told either: source.h watches at each
** probe that memory does not answer.
**
** Order: a request for many keys asks for the plan's own ORDER BY.  Rows come
** sorted as a whole, each key's list keeps the order of arrival, and all rows
** of a key come from one request.
**
** Memory: the option `memory` bounds the store.  Keys that were asked for in
** batches are forgotten when it is full; a whole table is spilled.
*/
#include "vtab/keyed.h"

#include <math.h>
#include <string.h>

#include "vtab/arena.h"
#include "vtab/memory.h"
#include "vtab/remote.h"
#include "vtab/source.h"

enum {
  KEYS_FIRST = 100,              /* keys of the first batch */
  KEYS_GROWTH = 10,              /* of the next, if a batch was of use */
  KEYS_MOST = 4000,
  LEAST_USE = 16,                /* one of so many keys that is probed is enough in any case */
  LOOK_AHEAD = 65536,            /* rows that are looked at for one batch of keys */
  LIST_MOST = 1000,              /* a longer list counts as one that changes */
  KEEP_BYTES = 64 * 1024         /* a larger answer to one probe is not kept */
};

/* Of a round trip before it was measured. */
static const double DEFAULT_ROUND_TRIP_US = 200.0;
static const double UNKNOWN_ROWS = 10000.0;
/* What the store itself takes for a row, in memory and spilled. */
static const double STORE_ROW_US = 0.8, SPILL_ROW_US = 2.5;
static const double STORE_ROW_BYTES = 64.0;   /* beside its cells and texts */

struct keyed {
  table *table;
  char *plan_text;
  plan plan;
  arena arena;                   /* of the plan's copy and the arrays */
  store_shape shape;
  int n_chosen;                  /* of the key's columns at first: some may be dropped */
  int key_term[STORE_MAX_KEY];   /* plan terms that are the key */
  store *store;
  size_t counted;                /* bytes of the store in directory->kept */
  int n_arguments;
  value *last;                   /* arguments of the last probe */
  arena last_arena;
  bool *varies;                  /* arguments that have changed */

  /* what is known in one execution: reset() */
  bool whole;                    /* the store has every row that any probe can find */
  bool no_keys, no_whole;        /* given up */
  uint32_t request;              /* number of the last batch of keys */
  int batch_size;
  int64_t batch_keys, hits_before; /* keys of the last batch, hits when it was asked for */
  uint64_t writes;               /* of the server when the store was begun */
  int64_t probes;
  bool keepable;                 /* the last probe's key may be looked for in the store */

  value key[STORE_MAX_KEY];      /* of the last probe, borrowed from `last` */
  source_list sources;
  double key_us;                 /* of one key in the fastest batch */
  double spent_us;               /* by probes since the beginning, or since a whole fetch failed */
  double whole_us;               /* what fetching the whole is thought to take */
  double instead_us;             /* what the probes would have taken that a whole is fetched for */

  int64_t hits, misses, spilled; /* for tskdb_requests */
  int64_t asked;                 /* keys in batches */
};

/* ---- life ---------------------------------------------------------------- */

/* An equality whose value may change, of a column whose equal values have
** equal keys in the store. */
static bool is_key_term(const plan_term *t, const relation *r) {
  if (t->op != OP_EQ || t->argument == PLAN_LOCAL || t->constant) return false;
  affinity a = value_class_affinity(r->columns[t->column].klass);
  bool text = a == AFFINITY_TEXT || r->columns[t->column].klass == CLASS_MIXED;
  return !text || t->collation == COLLATION_BINARY;
}

/* A column without a type of its own is compared as a number when the value
** comes from a column of numbers: its texts that look like numbers are kept
** as numbers, and a text that does is not looked for here (is_doubtful). */
static affinity key_affinity(const column *c) {
  return c->klass == CLASS_MIXED ? AFFINITY_NUMERIC : value_class_affinity(c->klass);
}

static bool copy_plan(keyed *k, const plan *p) {
  plan *q = &k->plan;
  *q = *p;
  q->limit = q->offset = PLAN_LOCAL;
  q->terms = arena_alloc(&k->arena, ((size_t)p->n_terms + 1) * sizeof(*q->terms));
  q->columns = arena_alloc(&k->arena, ((size_t)p->n_columns + 1) * sizeof(*q->columns));
  q->order = arena_alloc(&k->arena, ((size_t)p->n_order + 1) * sizeof(*q->order));
  if (!q->terms || !q->columns || !q->order) return false;
  if (p->n_order) memcpy(q->order, p->order, (size_t)p->n_order * sizeof(*q->order));
  if (p->n_terms) memcpy(q->terms, p->terms, (size_t)p->n_terms * sizeof(*q->terms));
  if (p->n_columns) memcpy(q->columns, p->columns, (size_t)p->n_columns * sizeof(*q->columns));
  for (int i = 0; i < p->n_terms; i++) {
    if (p->terms[i].argument >= k->n_arguments) k->n_arguments = p->terms[i].argument + 1;
  }
  return true;
}

static bool choose_key(keyed *k, const int *position) {
  const relation *r = k->table->relation;
  store_shape *s = &k->shape;
  s->n_columns = k->plan.n_columns;
  for (int i = 0; i < k->plan.n_terms; i++) {
    const plan_term *t = &k->plan.terms[i];
    if (!is_key_term(t, r)) continue;
    if (s->n_key == STORE_MAX_KEY || position[t->column] < 0) return false;
    s->key[s->n_key] = position[t->column];
    s->affinity[s->n_key] = key_affinity(&r->columns[t->column]);
    k->key_term[s->n_key++] = i;
  }
  k->n_chosen = s->n_key;
  return true;
}

static void reset(keyed *k) {
  memset((char *)k + offsetof(keyed, whole), 0, sizeof(*k) - offsetof(keyed, whole));
  k->batch_size = KEYS_FIRST;
  k->writes = k->table->server->writes;
}

keyed *keyed_new(table *t, const plan *p, const char *plan_text, const int *position) {
  keyed *k = mem_zalloc(sizeof(*k));
  if (!k) return NULL;
  k->table = t;
  reset(k);
  k->plan_text = mem_strdup(plan_text);
  bool ok = k->plan_text && copy_plan(k, p) && choose_key(k, position);
  if (ok) {
    size_t n = (size_t)k->n_arguments + 1;
    k->last = arena_alloc(&k->arena, n * sizeof(*k->last));
    k->varies = arena_alloc(&k->arena, n * sizeof(*k->varies));
    k->store = store_new(&k->shape);
  }
  if (ok && k->last && k->varies && k->store) return k;
  keyed_free(k);
  return NULL;
}

/* What the memory was good for, once it was used. */
static void record_use(const keyed *k) {
  if (!k->hits) return;
  server *s = k->table->server;
  request_record r = {.text = k->whole ? "(the whole in memory)" : "(keys in memory)",
                      .kind = "memory", .hits = k->hits, .misses = k->misses,
                      .spilled = k->spilled, .keys = k->asked};
  s->record(s, &r);
}

void keyed_free(keyed *k) {
  if (!k) return;
  record_use(k);
  if (k->store) k->table->directory->kept -= k->counted;
  store_free(k->store);
  arena_free(&k->last_arena);
  arena_free(&k->arena);
  mem_free(k->plan_text);
  mem_free(k);
}

const char *keyed_plan(const keyed *k) { return k->plan_text; }
int64_t keyed_probes(const keyed *k) { return k->probes; }

/* Brings the connection's sum up to date. */
static void count_bytes(keyed *k) {
  size_t now = store_bytes(k->store);
  k->table->directory->kept += now - k->counted;
  k->counted = now;
}

static void forget(keyed *k) {
  store_clear(k->store);
  count_bytes(k);
  k->whole = false;
}

bool keyed_renew(keyed *k) {
  if (k->shape.n_key != k->n_chosen) return false;
  record_use(k);
  forget(k);
  arena_reset(&k->last_arena);
  for (int i = 0; i < k->n_arguments; i++) k->varies[i] = false;
  reset(k);
  return true;
}

/* What this one may take of the memory that all share: what the others leave, and
** an eighth in any case. */
static size_t allowance(keyed *k) {
  size_t memory = k->table->server->options.memory;
  count_bytes(k);
  size_t others = k->table->directory->kept - k->counted;
  return others < memory - memory / 8 ? memory - others : memory / 8;
}

/* ---- what changes -------------------------------------------------------- */

/* A long list counts as one that changes: it is not remembered. */
static bool same_argument(const value *a, const value *b) {
  bool list = a->storage == STORAGE_LIST;
  return !(list && a->n_list > LIST_MOST) && value_is_same(a, b);
}

bool keyed_fits(const keyed *k, const value *arguments, int n_arguments) {
  for (int i = 0; k->probes && i < k->plan.n_terms; i++) {
    const plan_term *t = &k->plan.terms[i];
    if (!t->constant || t->argument == PLAN_LOCAL || t->argument >= n_arguments) continue;
    if (!same_argument(&k->last[t->argument], &arguments[t->argument])) return false;
  }
  return true;
}

static bool is_key_argument(const keyed *k, int argument) {
  for (int i = 0; i < k->shape.n_key; i++) {
    if (k->plan.terms[k->key_term[i]].argument == argument) return true;
  }
  return false;
}

/* A key is remembered together with all its columns; the whole, and what was
** asked for under a term that is no key, is not. */
static void see_change(keyed *k, int argument) {
  if (k->varies[argument]) return;
  k->varies[argument] = true;
  if (k->whole || !is_key_argument(k, argument)) forget(k);
}

static void see_changes(keyed *k, const value *arguments) {
  for (int i = 0; k->probes && i < k->n_arguments; i++) {
    if (!same_argument(&k->last[i], &arguments[i])) see_change(k, i);
  }
}

static value copied(value v, arena *a) {
  if (v.storage == STORAGE_TEXT || v.storage == STORAGE_BLOB) {
    v.bytes = arena_strndup(a, v.bytes ? v.bytes : "", v.length);
  } else if (v.storage == STORAGE_LIST) {
    size_t n = v.n_list <= LIST_MOST ? v.n_list : 0;
    value *list = arena_alloc(a, (n + 1) * sizeof(*list));
    for (size_t i = 0; list && i < n; i++) list[i] = copied(v.list[i], a);
    v.list = list;
  }
  return v;
}

static bool remember_arguments(keyed *k, const value *arguments) {
  arena_reset(&k->last_arena);
  for (int i = 0; i < k->n_arguments; i++) k->last[i] = copied(arguments[i], &k->last_arena);
  return !k->last_arena.failed;
}

/* SQLite gives a number no text affinity before it comes here, and compares it
** with text by rules that depend on where it came from: such a column is no
** key from now on. */
static void drop_unlike_keys(keyed *k) {
  for (int i = k->shape.n_key; i-- > 0;) {
    const value *v = &k->last[k->plan.terms[k->key_term[i]].argument];
    bool number = v->storage == STORAGE_INTEGER || v->storage == STORAGE_REAL;
    if (k->shape.affinity[i] != AFFINITY_TEXT || !number) continue;
    k->varies[k->plan.terms[k->key_term[i]].argument] = true;
    k->shape.n_key--;
    for (int n = i; n < k->shape.n_key; n++) {
      k->shape.key[n] = k->shape.key[n + 1];
      k->shape.affinity[n] = k->shape.affinity[n + 1];
      k->key_term[n] = k->key_term[n + 1];
    }
    k->sources = (source_list){0};
    store *anew = store_new(&k->shape);
    if (!anew) {
      k->no_keys = k->no_whole = true;
      return;
    }
    store_free(k->store);
    k->store = anew;
    forget(k);
  }
}

/* Whether SQLite's answer for the value depends on where it comes from. */
static bool is_doubtful(const keyed *k, int i, const value *v) {
  bool number = v->storage == STORAGE_INTEGER || v->storage == STORAGE_REAL;
  if (k->shape.affinity[i] == AFFINITY_TEXT) return number;
  if (v->storage != STORAGE_TEXT) return false;
  value converted = *v;
  const plan_term *t = &k->plan.terms[k->key_term[i]];
  return k->table->relation->columns[t->column].klass == CLASS_MIXED &&
         value_apply_numeric(&converted);
}

static bool has_doubts(const keyed *k, const value *raw) {
  for (int i = 0; i < k->shape.n_key; i++) {
    if (is_doubtful(k, i, &raw[i])) return true;
  }
  return false;
}

static void key_values(const keyed *k, value *out) {
  for (int i = 0; i < k->shape.n_key; i++) {
    out[i] = k->last[k->plan.terms[k->key_term[i]].argument];
  }
}

/* Whether a term that is no key has a value that changes: an answer for this
** value is none for the next. */
static bool has_other_changes(const keyed *k) {
  for (int i = 0; i < k->n_arguments; i++) {
    if (k->varies[i] && !is_key_argument(k, i)) return true;
  }
  return false;
}

/* ---- where the next keys are --------------------------------------------- */

/* The cursor that the changing key columns come from; NULL: none is known. */
static const source *choose_source(const keyed *k) {
  bool changing[STORE_MAX_KEY];
  for (int i = 0; i < k->shape.n_key; i++) {
    changing[i] = k->varies[k->plan.terms[k->key_term[i]].argument];
  }
  return source_best(&k->sources, changing, k->shape.n_key);
}

/* The key that a row of the source will ask for.  A column that does not come
** from it keeps its value of now. */
static bool next_key(const keyed *k, const source *s, const batch *page, uint32_t row, value *raw,
                     value *key) {
  key_values(k, raw);
  source_values(s, page, row, k->shape.n_key, raw);
  return !has_doubts(k, raw) && store_key(&k->shape, raw, key);
}

typedef struct onward {
  keyed *keyed;
  const source *source;
  cursor_visitor *see;
  void *context;
} onward;

/* A row of the source leads to the rows of its key, if they are here. */
static bool see_source_row(void *context, const batch *page, uint32_t row) {
  onward *o = context;
  value raw[STORE_MAX_KEY], key[STORE_MAX_KEY];
  if (!next_key(o->keyed, o->source, page, row, raw, key)) return true;
  const store_entry *entry = store_find(o->keyed->store, key);
  if (!entry) return true;
  store_row at = store_first(o->keyed->store, entry);
  for (; at.page; at = store_next(o->keyed->store, at)) {
    if (!o->see(o->context, at.page, at.row)) return false;
  }
  return true;
}

bool keyed_upcoming(keyed *k, store_row after, cursor_visitor *see, void *context) {
  for (store_row at = store_next(k->store, after); at.page; at = store_next(k->store, at)) {
    if (!see(context, at.page, at.row)) return false;
  }
  const source *s = choose_source(k);
  cursor *from = s ? source_cursor(s, k->table->directory) : NULL;
  if (!from) return true;
  onward o = {.keyed = k, .source = s, .see = see, .context = context};
  return cursor_upcoming(from, see_source_row, &o);
}

/* ---- asking -------------------------------------------------------------- */

/* One request of a keyed: a plan that differs from the statement's. */
typedef struct errand {
  plan plan;
  value *arguments;
  arena arena;
  query query;
  plan_rows kind;
} errand;

/* A plan without the terms whose value changes: key terms are changed by the caller. */
static bool begin(errand *x, keyed *k, const value *arguments, int n_arguments) {
  size_t n = (size_t)k->plan.n_terms + 1;
  *x = (errand){.plan = k->plan};
  x->plan.terms = arena_alloc(&x->arena, n * sizeof(*x->plan.terms));
  x->arguments = arena_alloc(&x->arena, ((size_t)n_arguments + 1) * sizeof(*x->arguments));
  if (!x->plan.terms || !x->arguments) return false;
  memcpy(x->arguments, arguments, (size_t)n_arguments * sizeof(*arguments));
  for (int i = 0; i < k->plan.n_terms; i++) {
    plan_term *t = &x->plan.terms[i];
    *t = k->plan.terms[i];
    if (t->argument != PLAN_LOCAL && t->argument < n_arguments && k->varies[t->argument]) {
      t->argument = PLAN_LOCAL;
    }
  }
  return true;
}

/* Whether rows that took WAITED_US so far are still worth waiting for. */
typedef bool patience(keyed *k, const remote *r);

/* Fetches all rows of the request into the store.  *DONE: they are there; false
** where PATIENT gave up, without an error. */
static bool fetch(keyed *k, remote *r, uint32_t number, patience *patient, bool *done,
                  tskdb_error *e) {
  batch page;
  bool ok = batch_init(&page, k->plan.n_columns, REMOTE_FIRST_BYTES) || error_memory(e);
  ok = ok && remote_start(r, &page, e);
  *done = false;
  while (ok) {
    bool more = r->more;
    ok = store_add(k->store, &page, number, e);
    if (!ok || !more) break;
    if (!patient(k, r)) {
      remote_stop(r, NULL);
      return true;
    }
    ok = batch_init(&page, k->plan.n_columns, k->table->server->options.batch_bytes) ||
         error_memory(e);
    ok = ok && remote_fetch(r, &page, e);
  }
  batch_free(&page);
  k->spent_us += (double)r->waited_us;
  remote_stop(r, ok ? NULL : e);
  *done = ok;
  return ok;
}

static bool run(keyed *k, errand *x, const wait_scope *w, remote *r, uint32_t number,
                patience *patient, bool *done, tskdb_error *e) {
  server *s = k->table->server;
  r->server = s;
  r->wait = w;
  r->repeatable = k->table->relation->kind != RELATION_QUERY;
  *done = true;
  if (x->kind == ROWS_EMPTY) return true;
  if (!s->driver->compile(&x->query, k->table->catalog->version, &x->arena, &r->request, e)) {
    return false;
  }
  return fetch(k, r, number, patient, done, e);
}

/* ---- the whole ------------------------------------------------------------ */

/* Whether so many rows are thought to need more memory than there may be. */
static bool would_spill(const keyed *k, double rows) {
  const relation *r = k->table->relation;
  double row_bytes = STORE_ROW_BYTES + (double)k->shape.n_columns * (double)sizeof(batch_cell);
  if (r->rows > 0 && r->bytes > 0) {
    row_bytes += r->bytes / r->rows * (double)k->shape.n_columns / (double)r->n_columns;
  }
  return rows * row_bytes > (double)k->table->server->options.memory;
}

static double row_us(const keyed *k) {
  const server *s = k->table->server;
  return s->pace.row_us > 0 ? s->pace.row_us : s->driver->row_us;
}

/* What a key takes that is asked for alone. */
static double trip_us(const keyed *k) {
  const server_pace *p = &k->table->server->pace;
  return p->round_trip_us > 0 ? p->round_trip_us : DEFAULT_ROUND_TRIP_US;
}

static double estimate_whole(const keyed *k) {
  double rows = k->table->relation->rows;
  if (rows < 0) rows = UNKNOWN_ROWS;
  double store_us = would_spill(k, rows) ? SPILL_ROW_US : STORE_ROW_US;
  return trip_us(k) + rows * (row_us(k) + store_us);
}

static bool count_row(void *context, const batch *page, uint32_t row) {
  size_t *rows = context;
  (void)page, (void)row;
  return ++*rows < LOOK_AHEAD;
}

/* What the keys that are in sight would take, by what those of the fastest batch took. */
static double foresee(keyed *k) {
  const source *s = k->asked >= 5 * KEYS_FIRST ? choose_source(k) : NULL;
  cursor *from = s ? source_cursor(s, k->table->directory) : NULL;
  size_t rows = 0;
  if (!from) return 0;
  cursor_upcoming(from, count_row, &rows);
  return (double)rows * k->key_us;
}

static bool is_whole_due(keyed *k) {
  const server_options *o = &k->table->server->options;
  if (!o->fetch_whole || k->no_whole || k->whole || k->probes < 2) return false;
  if (k->whole_us <= 0) k->whole_us = estimate_whole(k);
  k->instead_us = k->spent_us + foresee(k);
  return k->instead_us >= k->whole_us;
}

/* What the rest of the whole takes at the pace of the rows that have come, with the
** spilling that is to come.  0: too few have. */
static double rest_us(const keyed *k, const remote *r) {
  const double enough = 0.02;
  double all = k->table->relation->rows, came = (double)r->record.rows;
  double elapsed = (double)(wait_now_us() - r->started_us), projected = elapsed * all / came;
  if (all <= 0 || came < enough * all || came >= all) return 0;
  if (would_spill(k, all) && !store_is_spilled(k->store)) {
    projected = estimate_whole(k) * elapsed / (came * (row_us(k) + STORE_ROW_US));
  }
  return projected - elapsed;
}

/* An estimate may be far too low: then probing goes on for as long again. */
static bool is_whole_worth_it(const keyed *k, const remote *r) {
  const double grace_us = 20000;
  double limit = 4 * k->whole_us;
  if (limit < grace_us) limit = grace_us;
  if (limit < 2 * k->spent_us) limit = 2 * k->spent_us;
  double waited = (double)r->waited_us;
  return waited < limit && (waited < grace_us || rest_us(k, r) < 1.5 * k->instead_us);
}

/* Spills when the store has grown past its bound.  False: it cannot. */
static bool is_bounded(keyed *k) {
  tskdb_error ignored = {0};
  if (store_is_spilled(k->store)) return true;
  if (store_bytes(k->store) <= allowance(k)) return true;
  bool ok = store_spill(k->store, &ignored);
  count_bytes(k);
  return ok;
}

static bool is_whole_held(keyed *k, const remote *r) {
  return is_whole_worth_it(k, r) && is_bounded(k);
}

static bool fetch_whole(keyed *k, const value *arguments, int n, const wait_scope *w,
                        tskdb_error *e) {
  errand x;
  plan_subject subject = table_subject(k->table);
  remote r = {.kind = "whole"};
  bool done = false;
  forget(k);
  bool ok = begin(&x, k, arguments, n) &&
            plan_query(&x.plan, &subject, x.arguments, n, &x.arena, &x.query, &x.kind);
  x.query.bulk = k->table->server->options.bulk;
  ok = ok ? run(k, &x, w, &r, 0, is_whole_held, &done, e) : error_memory(e);
  arena_free(&x.arena);
  done = done && is_bounded(k);
  k->whole = ok && done;
  if (store_is_spilled(k->store)) k->spilled = r.record.rows;
  if (ok && !done) {
    forget(k);
    k->spent_us += (double)r.waited_us;
    k->whole_us = fmax(2 * k->spent_us, estimate_whole(k));   /* the pace is known now */
  }
  return ok;
}

/* ---- keys in batches ------------------------------------------------------- */

/* Keys that are being gathered. */
typedef struct gathering {
  keyed *keyed;
  const source *source;
  value *lists[STORE_MAX_KEY];   /* for each key column: its values, each once where there are several columns */
  size_t n[STORE_MAX_KEY];
  store *seen[STORE_MAX_KEY];    /* those values, where there are several columns */
  size_t keys, most, looked;
  bool failed;
} gathering;

/* Adds V to the list of key column I unless it is there. */
static void list_value(gathering *g, int i, const value *v) {
  if (g->seen[i]) {
    value key;
    store_shape one = {.n_key = 1, .affinity = {g->keyed->shape.affinity[i]}};
    if (!store_key(&one, v, &key) || store_find(g->seen[i], &key)) return;
    if (!store_ask(g->seen[i], &key, 1)) g->failed = true;
  }
  g->lists[i][g->n[i]++] = *v;
}

static bool add_key(gathering *g, const value *raw, const value *key) {
  keyed *k = g->keyed;
  if (store_find(k->store, key)) return true;
  if (!store_ask(k->store, key, k->request)) g->failed = true;
  for (int i = 0; i < k->shape.n_key; i++) list_value(g, i, &raw[i]);
  return !g->failed && ++g->keys < g->most;
}

static bool see_key(void *context, const batch *page, uint32_t row) {
  gathering *g = context;
  value raw[STORE_MAX_KEY], key[STORE_MAX_KEY];
  if (++g->looked > LOOK_AHEAD) return false;
  if (!next_key(g->keyed, g->source, page, row, raw, key)) return true;
  return add_key(g, raw, key);
}

static bool is_exact_list(const keyed *k) {
  plan_subject subject = table_subject(k->table);
  for (int i = 0; i < k->shape.n_key; i++) {
    const plan_term *t = &k->plan.terms[k->key_term[i]];
    const column *c = &k->table->relation->columns[t->column];
    reason why;
    if (pushdown_best(&subject.pushdown, OP_IN, c, t->collation, &why) != PUSH_EXACT) return false;
  }
  return true;
}

/* What the server answers best of so many. */
static size_t most_keys(const keyed *k) {
  const driver *d = k->table->server->driver;
  int most = k->batch_size < d->max_list ? k->batch_size : d->max_list;
  if (d->superset_keys && most > d->superset_keys && !is_exact_list(k)) most = d->superset_keys;
  return (size_t)most;
}

static bool begin_gathering(gathering *g, keyed *k, const source *s, arena *a) {
  size_t most = most_keys(k);
  *g = (gathering){.keyed = k, .source = s, .most = most};
  for (int i = 0; i < k->shape.n_key; i++) {
    g->lists[i] = arena_alloc(a, most * sizeof(value));
    if (!g->lists[i]) return false;
    if (k->shape.n_key == 1) continue;
    store_shape one = {.n_key = 1, .affinity = {k->shape.affinity[i]}};
    g->seen[i] = store_new(&one);
    if (!g->seen[i]) return false;
  }
  return true;
}

static void end_gathering(gathering *g) {
  for (int i = 0; i < STORE_MAX_KEY; i++) store_free(g->seen[i]);
}

/* Gives the lists to the plan.  False: the server cannot be asked for any of them. */
static bool ask_for_lists(errand *x, const keyed *k, const gathering *g) {
  plan_subject subject = table_subject(k->table);
  bool narrowed = false;
  for (int i = 0; i < k->shape.n_key; i++) {
    plan_term *t = &x->plan.terms[k->key_term[i]];
    t->argument = k->plan.terms[k->key_term[i]].argument;
    t->op = OP_IN;
    x->arguments[t->argument] =
      (value){.storage = STORAGE_LIST, .list = g->lists[i], .n_list = g->n[i]};
    outcome o = pushdown_resolve(&subject.pushdown, OP_IN,
                                 &k->table->relation->columns[t->column], t->collation,
                                 &x->arguments[t->argument], &x->arena);
    if (o.kind == OUTCOME_TERMS || o.kind == OUTCOME_NONE) narrowed = true;
  }
  return narrowed;
}

static bool are_keys_held(keyed *k, const remote *r) {
  (void)r;
  return store_bytes(k->store) <= allowance(k);
}

/* Whether it was right to ask for N keys at once of which so many were probed: outer rows may
** be filtered out before they come here.  Over a network nearly all of them may. */
static bool is_of_use(const keyed *k, int64_t n, int64_t probed) {
  const double favour = 4;
  double saved_us = favour * (double)probed * trip_us(k);
  return LEAST_USE * probed >= n || saved_us >= (double)n * k->key_us;
}

/* Most of the keys that were asked for were never probed: the source was not one. */
static bool are_keys_wasted(const keyed *k) {
  return k->asked >= 3 * KEYS_FIRST && !is_of_use(k, k->asked, k->hits);
}

/* How many keys the next batch has: more where the last one was of use. */
static void choose_batch_size(keyed *k) {
  if (!k->batch_keys || !is_of_use(k, k->batch_keys, k->hits - k->hits_before)) return;
  k->batch_size *= KEYS_GROWTH;
  if (k->batch_size > KEYS_MOST) k->batch_size = KEYS_MOST;
}

/* The least of all batches: in a small one it is the round trip that takes the time, in a slow one
** perhaps other work of this machine. */
static void see_pace(keyed *k, double key_us) {
  if (k->key_us <= 0 || key_us < k->key_us) k->key_us = key_us;
}

/* Asks for the key of now and for those that come next.  *DONE false: the
** server cannot be asked so, nothing is remembered. */
static bool fetch_keys(keyed *k, const source *s, const value *arguments, int n_arguments,
                       const wait_scope *w, bool *done, tskdb_error *e) {
  errand x;
  gathering g = {0};
  value raw[STORE_MAX_KEY];
  plan_subject subject = table_subject(k->table);
  remote r = {.kind = "keys"};
  cursor *from = source_cursor(s, k->table->directory);
  *done = false;
  if (store_bytes(k->store) > allowance(k) / 2) forget(k);
  k->request++;
  choose_batch_size(k);
  bool ok = begin(&x, k, arguments, n_arguments) && begin_gathering(&g, k, s, &x.arena);
  if (ok) {
    key_values(k, raw);
    if (add_key(&g, raw, k->key) && from) cursor_upcoming(from, see_key, &g);
    ok = !g.failed;
  }
  if (ok && ask_for_lists(&x, k, &g)) {
    ok = plan_query(&x.plan, &subject, x.arguments, n_arguments, &x.arena, &x.query, &x.kind);
    r.keys = (int64_t)g.keys;
    ok = ok && run(k, &x, w, &r, k->request, are_keys_held, done, e);
    k->asked += (int64_t)g.keys;
    see_pace(k, (double)r.waited_us / (double)g.keys);
    k->batch_keys = (int64_t)g.keys;
    k->hits_before = k->hits;
  }
  end_gathering(&g);
  arena_free(&x.arena);
  if (ok && !*done) {
    forget(k);
    k->no_keys = true;
  }
  return ok || error_is_set(e) || error_memory(e) ? ok : false;
}

/* ---- probing ---------------------------------------------------------------- */

static keyed_answer found(keyed *k, store_row *first, tskdb_error *e) {
  *first = (store_row){0};
  if (store_is_spilled(k->store)) {
    k->hits++;
    return store_spill_find(k->store, k->key, e) ? KEYED_SPILLED : KEYED_ERROR;
  }
  const store_entry *entry = store_find(k->store, k->key);
  if (!entry && !k->whole) return KEYED_ASK;
  k->hits++;
  if (entry) *first = store_first(k->store, entry);
  return KEYED_STORED;
}

static keyed_answer ask(keyed *k, cursor *self, const value *arguments, int n, const wait_scope *w,
                        store_row *first, tskdb_error *e) {
  bool done = true;
  k->misses++;
  if (is_whole_due(k)) {
    if (!fetch_whole(k, arguments, n, w, e)) return KEYED_ERROR;
    if (k->whole) return found(k, first, e);
  }
  if (!k->table->server->options.batch_keys || k->no_keys || !k->shape.n_key) return KEYED_ASK;
  source_look_around(&k->sources, k->table->directory, self, &k->shape, k->key);
  if (are_keys_wasted(k)) k->no_keys = true;
  const source *s = k->no_keys ? NULL : choose_source(k);
  if (!s) return KEYED_ASK;
  if (!fetch_keys(k, s, arguments, n, w, &done, e)) return KEYED_ERROR;
  return done ? found(k, first, e) : KEYED_ASK;
}

keyed_answer keyed_probe(keyed *k, cursor *self, const value *arguments, int n_arguments,
                         const wait_scope *w, store_row *first, tskdb_error *e) {
  *first = (store_row){0};
  if (n_arguments < k->n_arguments) return KEYED_ASK;
  if (k->writes != k->table->server->writes) forget(k);
  k->writes = k->table->server->writes;
  see_changes(k, arguments);
  if (!remember_arguments(k, arguments)) {
    error_memory(e);
    return KEYED_ERROR;
  }
  k->probes++;
  drop_unlike_keys(k);
  value raw[STORE_MAX_KEY];
  key_values(k, raw);
  k->keepable = !has_doubts(k, raw);
  if (!k->keepable) return KEYED_ASK;
  if (!store_key(&k->shape, raw, k->key)) return KEYED_STORED;   /* = NULL finds nothing */
  keyed_answer answer = found(k, first, e);
  return answer == KEYED_ASK ? ask(k, self, arguments, n_arguments, w, first, e) : answer;
}

store_row keyed_next(const keyed *k, store_row row) { return store_next(k->store, row); }

bool keyed_spilled(keyed *k, batch *page, bool *more, tskdb_error *e) {
  return store_spill_read(k->store, k->key, page, more, e);
}

void keyed_spent(keyed *k, int64_t waited_us) { k->spent_us += (double)waited_us; }

bool keyed_wants(const keyed *k, const batch *page) {
  const server_options *o = &k->table->server->options;
  if (k->probes < 2 || !k->keepable || !(o->fetch_whole || o->batch_keys)) return false;
  if (has_other_changes(k)) return false;
  return batch_bytes(page) <= KEEP_BYTES && k->counted <= o->memory / 8 &&
         !store_is_spilled(k->store) && !store_find(k->store, k->key);
}

bool keyed_keep(keyed *k, batch *page, store_row *first, tskdb_error *e) {
  store_entry *entry = store_ask(k->store, k->key, ++k->request);
  if (!entry || !store_add(k->store, page, k->request, e)) return error_memory(e);
  count_bytes(k);
  *first = store_first(k->store, entry);
  return true;
}
