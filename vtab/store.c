/*
** store.c - rows of a relation kept by key.
**
** Entries lie in a hash table with chaining; each has its rows in a list
** through `links`, in the order in which they came.  A row has a number: its
** place in `links`.  Keys are kept apart from the rows, in an arena, so that a
** key without rows has a place too.
**
** Invariants:
**   1. A row is in the list of exactly one entry, or (dropped) of none.
**   2. Pages are never changed after store_add().
**   3. Once spilled, entries are gone: the temporary database's index is asked.
*/
#include "vtab/store.h"

#include <string.h>

#include "vtab/arena.h"
#include "vtab/memory.h"
#include "vtab/spill.h"

enum { BUCKETS_MIN = 64 };

#define NONE UINT32_MAX            /* no enumerator: those are ints */

struct store_entry {
  store_entry *next;             /* in its bucket */
  uint64_t hash;
  uint32_t request;              /* that asked for it; 0: made by its rows */
  uint32_t head, tail;           /* row numbers, NONE: no rows */
  value key[];                   /* shape.n_key of them */
};

/* One row: where it is, and the next of its entry. */
typedef struct row_link {
  uint32_t page, row, next;
} row_link;

struct store {
  store_shape shape;
  arena keys;                    /* entries and the bytes of their keys */
  store_entry **buckets;
  size_t n_buckets;              /* a power of two, 0 while empty */
  size_t n_entries;
  row_link *links;
  size_t n_rows, rows_capacity;
  batch *pages;
  size_t n_pages, pages_capacity;
  size_t page_bytes;             /* allocated by pages */
  size_t key_bytes;              /* by entries and keys */
  spill *spill;                  /* not NULL: rows are there */
};

store *store_new(const store_shape *shape) {
  store *s = mem_zalloc(sizeof(*s));
  if (s) s->shape = *shape;
  return s;
}

void store_clear(store *s) {
  for (size_t i = 0; i < s->n_pages; i++) batch_free(&s->pages[i]);
  mem_free(s->pages);
  mem_free(s->links);
  mem_free(s->buckets);
  arena_free(&s->keys);
  spill_free(s->spill);
  *s = (store){.shape = s->shape};
}

void store_free(store *s) {
  if (!s) return;
  store_clear(s);
  mem_free(s);
}

size_t store_bytes(const store *s) {
  return s->page_bytes + s->key_bytes + s->n_buckets * sizeof(*s->buckets) +
         s->rows_capacity * sizeof(*s->links) + s->pages_capacity * sizeof(*s->pages);
}

/* ---- keys ---------------------------------------------------------------- */

/* A whole number is the same key as INTEGER and as REAL. */
static value comparable(value v, affinity a) {
  const double limit = 9223372036854775808.0;
  bool numeric = a == AFFINITY_NUMERIC || a == AFFINITY_INTEGER || a == AFFINITY_REAL;
  if (numeric && v.storage == STORAGE_TEXT) value_apply_numeric(&v);
  if (v.storage == STORAGE_REAL && v.real >= -limit && v.real < limit &&
      (double)(int64_t)v.real == v.real) {
    return (value){.storage = STORAGE_INTEGER, .integer = (int64_t)v.real};
  }
  return v;
}

bool store_key(const store_shape *shape, const value *values, value *out) {
  for (int i = 0; i < shape->n_key; i++) {
    if (values[i].storage == STORAGE_NULL || values[i].storage == STORAGE_LIST) return false;
    out[i] = comparable(values[i], shape->affinity[i]);
  }
  return true;
}

bool store_key_of(const store_shape *shape, const batch *page, uint32_t row, value *out) {
  for (int i = 0; i < shape->n_key; i++) {
    value v = batch_at(page, shape->key[i], row);
    if (v.storage == STORAGE_NULL) return false;
    out[i] = comparable(v, shape->affinity[i]);
  }
  return true;
}

static uint64_t hash_key(const value *key, int n) {
  uint64_t h = 0;
  for (int i = 0; i < n; i++) h = value_hash(&key[i], h);
  return h;
}

static bool same_key(const value *a, const value *b, int n) {
  for (int i = 0; i < n; i++) {
    if (!value_is_same(&a[i], &b[i])) return false;
  }
  return true;
}

static store_entry *find_hashed(const store *s, const value *key, uint64_t hash) {
  if (!s->n_buckets) return NULL;
  store_entry *x = s->buckets[hash & (s->n_buckets - 1)];
  while (x && (x->hash != hash || !same_key(x->key, key, s->shape.n_key))) x = x->next;
  return x;
}

store_entry *store_find(const store *s, const value *key) {
  return find_hashed(s, key, hash_key(key, s->shape.n_key));
}

static bool grow_buckets(store *s) {
  size_t n = s->n_buckets ? 2 * s->n_buckets : BUCKETS_MIN;
  store_entry **buckets = mem_zalloc(n * sizeof(*buckets));
  if (!buckets) return false;
  for (size_t i = 0; i < s->n_buckets; i++) {
    for (store_entry *x = s->buckets[i], *next; x; x = next) {
      next = x->next;
      x->next = buckets[x->hash & (n - 1)];
      buckets[x->hash & (n - 1)] = x;
    }
  }
  mem_free(s->buckets);
  s->buckets = buckets;
  s->n_buckets = n;
  return true;
}

static store_entry *make_entry(store *s, const value *key, uint64_t hash, uint32_t request) {
  if (s->n_entries >= s->n_buckets && !grow_buckets(s)) return NULL;
  size_t size = sizeof(store_entry) + (size_t)s->shape.n_key * sizeof(value);
  store_entry *x = arena_alloc(&s->keys, size);
  if (!x) return NULL;
  for (int i = 0; i < s->shape.n_key; i++) {
    x->key[i] = key[i];
    if (key[i].storage != STORAGE_TEXT && key[i].storage != STORAGE_BLOB) continue;
    x->key[i].bytes = arena_strndup(&s->keys, key[i].bytes ? key[i].bytes : "", key[i].length);
    if (!x->key[i].bytes) return NULL;
    size += key[i].length + 1;
  }
  x->hash = hash;
  x->request = request;
  x->head = x->tail = NONE;
  store_entry **bucket = &s->buckets[hash & (s->n_buckets - 1)];
  x->next = *bucket;
  *bucket = x;
  s->n_entries++;
  s->key_bytes += size;
  return x;
}

store_entry *store_ask(store *s, const value *key, uint32_t request) {
  return make_entry(s, key, hash_key(key, s->shape.n_key), request);
}

/* ---- rows ---------------------------------------------------------------- */

/* The entry that row ROW of PAGE belongs to; NULL with *OK true: to none. */
static store_entry *entry_of(store *s, const batch *page, uint32_t row, uint32_t request, bool *ok) {
  value key[STORE_MAX_KEY];
  if (!store_key_of(&s->shape, page, row, key)) return NULL;
  uint64_t hash = hash_key(key, s->shape.n_key);
  store_entry *x = find_hashed(s, key, hash);
  if (request) return x && x->request == request ? x : NULL;
  if (!x) x = make_entry(s, key, hash, 0);
  *ok = x != NULL;
  return x;
}

static bool reserve_rows(store *s, size_t n) {
  if (s->n_rows + n >= NONE) return false;
  if (s->n_rows + n <= s->rows_capacity) return true;
  size_t capacity = s->rows_capacity ? 2 * s->rows_capacity : 256;
  while (capacity < s->n_rows + n) capacity *= 2;
  row_link *links = mem_realloc(s->links, capacity * sizeof(*links));
  if (!links) return false;
  s->links = links;
  s->rows_capacity = capacity;
  return true;
}

/* Makes room for one more page. */
static bool reserve_page(store *s) {
  if (s->n_pages < s->pages_capacity) return true;
  size_t capacity = s->pages_capacity ? 2 * s->pages_capacity : 16;
  batch *pages = mem_realloc(s->pages, capacity * sizeof(*pages));
  if (!pages) return false;
  s->pages = pages;
  s->pages_capacity = capacity;
  return true;
}

static size_t allocated(const batch *page) {
  return page->heap_size + (size_t)page->row_limit * (size_t)page->n_columns *
         (sizeof(batch_cell) + 1);
}

static bool link_row(store *s, uint32_t row, uint32_t request) {
  bool ok = true;
  store_entry *x = entry_of(s, &s->pages[s->n_pages - 1], row, request, &ok);
  if (!x) return ok;
  uint32_t number = (uint32_t)s->n_rows++;
  s->links[number] = (row_link){.page = (uint32_t)s->n_pages - 1, .row = row, .next = NONE};
  if (x->head == NONE) x->head = number;
  else s->links[x->tail].next = number;
  x->tail = number;
  return true;
}

static bool spill_page(store *s, const batch *page, tskdb_error *e) {
  for (uint32_t row = 0; row < page->n_rows; row++) {
    value key[STORE_MAX_KEY];
    if (!store_key_of(&s->shape, page, row, key)) continue;
    if (!spill_add(s->spill, hash_key(key, s->shape.n_key), page, row, e)) return false;
  }
  return true;
}

bool store_add(store *s, batch *page, uint32_t request, tskdb_error *e) {
  if (s->spill) {
    bool ok = spill_page(s, page, e);
    batch_free(page);
    return ok;
  }
  if (!reserve_rows(s, page->n_rows) || !reserve_page(s)) return error_memory(e);
  s->pages[s->n_pages++] = *page;
  s->page_bytes += allocated(page);
  *page = (batch){0};
  for (uint32_t row = 0; row < s->pages[s->n_pages - 1].n_rows; row++) {
    if (!link_row(s, row, request)) return error_memory(e);
  }
  return true;
}

static store_row row_at(const store *s, uint32_t number) {
  if (number == NONE) return (store_row){0};
  const row_link *l = &s->links[number];
  return (store_row){.page = &s->pages[l->page], .row = l->row, .number = number};
}

store_row store_first(const store *s, const store_entry *entry) { return row_at(s, entry->head); }
store_row store_next(const store *s, store_row row) { return row_at(s, s->links[row.number].next); }

/* ---- spilling ------------------------------------------------------------ */

bool store_is_spilled(const store *s) { return s->spill != NULL; }

bool store_spill(store *s, tskdb_error *e) {
  spill *to = spill_new(s->shape.n_columns, e);
  if (!to) return false;
  store old = *s;
  *s = (store){.shape = old.shape, .spill = to};
  bool ok = true;
  for (size_t i = 0; ok && i < old.n_pages; i++) ok = spill_page(s, &old.pages[i], e);
  store_clear(&old);
  return ok;
}

bool store_spill_find(store *s, const value *key, tskdb_error *e) {
  return spill_find(s->spill, hash_key(key, s->shape.n_key), e);
}

/* Different keys may have one hash: a row of another key is not completed, and
** the next one takes its place. */
bool store_spill_read(store *s, const value *key, batch *page, bool *more, tskdb_error *e) {
  value found[STORE_MAX_KEY];
  *more = true;
  for (;;) {
    switch (spill_next(s->spill, page, e)) {
      case SPILL_ERROR: return false;
      case SPILL_END: *more = false; return true;
      case SPILL_ROW: break;
    }
    if (page->failed) return error_memory(e);
    if (!store_key_of(&s->shape, page, page->n_rows, found)) continue;
    if (!same_key(found, key, s->shape.n_key)) continue;
    if (!batch_end_row(page)) return page->failed ? error_memory(e) : true;
  }
}
