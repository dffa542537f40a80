/*
** requests.c - what a SQLite connection's servers were asked last.
**
** Bounded: REQUESTS_KEPT requests of at most TEXT_BYTES and ERROR_BYTES.
*/
#include "federation/requests.h"

#include <string.h>

#include "vtab/memory.h"
#include "vtab/value.h"

enum { TEXT_BYTES = 4096, ERROR_BYTES = 1024 };

/* A copy of at most MOST bytes, whole characters, with "…" where it was cut. */
static char *cut(const char *text, size_t most) {
  static const char mark[] = "…";
  size_t length = strlen(text);
  if (length <= most) return mem_strndup(text, length);
  size_t keep = most - (sizeof(mark) - 1);
  while (keep && ((unsigned char)text[keep] & 0xC0) == 0x80) keep--;
  char *out = mem_alloc(keep + sizeof(mark));
  if (!out) return NULL;
  memcpy(out, text, keep);
  memcpy(out + keep, mark, sizeof(mark));
  return out;
}

static void request_free(logged_request *r) {
  mem_free(r->server);
  mem_free(r->text);
  mem_free(r->error);
  *r = (logged_request){0};
}

/* What a place holds is often what it shall hold: the same statement, again and again. */
static char *copy_of(const char *text, size_t most, char *held) {
  return held && strcmp(held, text) == 0 ? held : cut(text, most);
}

static void free_unless(char *text, const char *held) {
  if (text != held) mem_free(text);
}

void requests_add(request_log *l, const char *server_name, const request_record *r) {
  logged_request *place = &l->items[l->last_id % REQUESTS_KEPT], old = *place;
  logged_request added = {
      .id = l->last_id + 1,
      .server = copy_of(server_name, TEXT_BYTES, old.server),
      .text = copy_of(r->text ? r->text : "", TEXT_BYTES, old.text),
      .error = r->error ? cut(r->error, ERROR_BYTES) : NULL,
      .started = r->started, .first_ms = r->first_ms, .last_ms = r->last_ms,
      .rows = r->rows, .bytes = r->bytes, .round_trips = r->round_trips, .kind = r->kind,
      .keys = r->keys, .ahead_ms = r->ahead_ms, .hits = r->hits, .misses = r->misses, .spilled = r->spilled};
  bool complete = added.server && added.text && (added.error || !r->error);
  if (complete) *place = added, l->last_id++;
  const logged_request *unwanted = complete ? &old : &added;
  free_unless(unwanted->server, place->server);
  free_unless(unwanted->text, place->text);
  mem_free(unwanted->error);
}

const logged_request *requests_get(const request_log *l, int i) {
  int64_t kept = l->last_id < REQUESTS_KEPT ? l->last_id : REQUESTS_KEPT;
  if (i < 0 || i >= kept) return NULL;
  return &l->items[(l->last_id - kept + i) % REQUESTS_KEPT];
}

void requests_clear(request_log *l) {
  for (int i = 0; i < REQUESTS_KEPT; i++) request_free(&l->items[i]);
  l->last_id = 0;
}
