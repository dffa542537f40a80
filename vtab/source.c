/*
** source.c - the open cursors in which the next keys of a probed table may stand.
*/
#include "vtab/source.h"

enum { COLUMNS = 64 };           /* of a cursor's batch that are looked at: a bit each */

/* The columns of the row that are equal to V, for key column I. */
static uint64_t equal_columns(const store_shape *shape, int i, const value *v, const batch *page,
                              uint32_t row) {
  store_shape one = {.n_key = 1, .affinity = {shape->affinity[i]}};
  uint64_t found = 0;
  for (int col = 0; col < page->n_columns && col < COLUMNS; col++) {
    value cell = batch_at(page, col, row), key;
    if (store_key(&one, &cell, &key) && value_is_same(&key, v)) found |= UINT64_C(1) << col;
  }
  return found;
}

static cursor *find(uint64_t identity, const server_directory *d) {
  for (cursor *c = cursor_newest(d); c; c = cursor_older(c)) {
    if (cursor_identity(c) == identity) return c;
  }
  return NULL;
}

cursor *source_cursor(const source *s, const server_directory *d) { return find(s->identity, d); }

static void forget_closed(source_list *l, const server_directory *d) {
  for (int i = 0; i < SOURCES; i++) {
    if (l->at[i].identity && !find(l->at[i].identity, d)) l->at[i] = (source){0};
  }
}

/* The place of that cursor, or a free one; NULL: all are taken. */
static source *place_of(source_list *l, uint64_t identity) {
  source *unused = NULL;
  for (int i = 0; i < SOURCES; i++) {
    if (l->at[i].identity == identity) return &l->at[i];
    if (!unused && !l->at[i].identity) unused = &l->at[i];
  }
  if (unused) *unused = (source){.identity = identity};
  return unused;
}

static void compare(source *s, const store_shape *shape, const value *key, const batch *page,
                    uint32_t row) {
  bool lost = false;
  for (int i = 0; i < shape->n_key; i++) {
    uint64_t now = equal_columns(shape, i, &key[i], page, row);
    bool still = s->seen && (s->equal[i] & now);
    if (s->seen && s->equal[i] && !still) lost = true;
    s->equal[i] = still ? s->equal[i] & now : now;
  }
  s->seen = lost ? 1 : s->seen + 1;
}

void source_look_around(source_list *l, const server_directory *d, const cursor *self,
                        const store_shape *shape, const value *key) {
  forget_closed(l, d);
  for (cursor *c = cursor_newest(d); c; c = cursor_older(c)) {
    uint32_t row;
    const batch *page = c == self ? NULL : cursor_current(c, &row);
    source *s = page ? place_of(l, cursor_identity(c)) : NULL;
    if (s) compare(s, shape, key, page, row);
  }
}

const source *source_best(const source_list *l, const bool *changing, int n_key) {
  const source *best = NULL;
  int most = 0;
  for (int n = 0; n < SOURCES; n++) {
    const source *s = &l->at[n];
    int matched = 0;
    for (int i = 0; s->seen >= 2 && i < n_key; i++) matched += changing[i] && s->equal[i];
    if (matched <= most) continue;
    most = matched;
    best = s;
  }
  return best;
}

void source_values(const source *s, const batch *page, uint32_t row, int n_key, value *values) {
  for (int i = 0; i < n_key; i++) {
    if (s->equal[i]) values[i] = batch_at(page, __builtin_ctzll(s->equal[i]), row);
  }
}
