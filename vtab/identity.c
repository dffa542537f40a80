/*
** identity.c - rowids for rows that have no key: a set of those given out.
**
** Invariant: at most half of the places are taken, so a search ends.
*/
#include "vtab/identity.h"

#include "vtab/memory.h"
#include "vtab/value.h"

enum { FIRST_PLACES = 64 };

/* Where ID is, or the free place where it belongs. */
static uint64_t *place_of(uint64_t *ids, size_t places, uint64_t id) {
  size_t at = (size_t)id & (places - 1);
  while (ids[at] && ids[at] != id) at = (at + 1) & (places - 1);
  return &ids[at];
}

static bool grow(identity *i) {
  size_t places = i->places ? 2 * i->places : FIRST_PLACES;
  uint64_t *ids = mem_zalloc(places * sizeof(*ids));
  if (!ids) return false;
  for (size_t k = 0; k < i->places; k++) {
    if (i->ids[k]) *place_of(ids, places, i->ids[k]) = i->ids[k];
  }
  mem_free(i->ids);
  i->ids = ids;
  i->places = places;
  return true;
}

bool identity_next(identity *i, uint64_t hash, int64_t *out) {
  if (2 * (i->n + 1) > i->places && !grow(i)) return false;
  value again = {.storage = STORAGE_NULL};
  uint64_t id = hash ? hash : 1;
  uint64_t *place;
  while (*(place = place_of(i->ids, i->places, id))) {
    id = value_hash(&again, id);
    if (!id) id = 1;
  }
  *place = id;
  i->n++;
  *out = (int64_t)id;
  return true;
}

void identity_free(identity *i) {
  mem_free(i->ids);
  *i = (identity){0};
}
