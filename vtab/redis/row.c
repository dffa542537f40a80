/*
** row.c - rows into batches.
**
** A portion of the wire is parsed as a whole, so rows may come after the batch
** is full; they go into a spare one, which is the next batch.  Whatever is
** set of a row stands in the batch that it began in.
*/
#include "vtab/redis/redis_driver.h"

void redis_reading_turn(redis_reading *r, batch *b) {
  r->batch = b;
  r->full = false;
  r->key_stored = false;
}

void redis_reading_start(redis_reading *r, const char *key, size_t length) {
  const redis_plan *p = r->plan;
  redis_decoding d = (redis_decoding)p->relation->columns[0].type_detail;
  r->fate = FATE_ROWS;
  r->doubt = false;
  r->key_stored = false;
  if (p->table == TABLE_FAMILY) {
    const char *part = key;
    size_t part_length = length;
    redis_template_match(&p->form, key, length, &part, &part_length);
    key = part;
    length = part_length;
  }
  if (p->at[ATTRIBUTE_KEY] >= 0) r->key = redis_decode(d, key, length);
}

/* A key's bytes are stored once a batch, however many rows it has. */
static void put_key(redis_reading *r) {
  batch *b = r->batch;
  int at = r->plan->at[ATTRIBUTE_KEY];
  if (at < 0) return;
  if (r->key_stored && (r->key.storage == STORAGE_TEXT || r->key.storage == STORAGE_BLOB)) {
    size_t i = batch_slot(b, at);
    b->storage[i] = (uint8_t)r->key.storage;
    b->cells[i] = r->key_cell;
    return;
  }
  batch_value(b, at, &r->key);
  if (b->failed) return;
  r->key_cell = b->cells[batch_slot(b, at)];
  r->key_stored = true;
}

void redis_end_row(redis_reading *r) {
  if (r->failed) return;
  put_key(r);
  r->open_row = false;
  r->rows++;
  if (batch_end_row(r->batch)) return;
  if (r->batch->failed || r->batch == r->spare) r->failed = true;
  r->full = true;
  r->batch = r->spare;
  r->key_stored = false;
}

void redis_drop_row(redis_reading *r) {
  for (int i = 0; i < r->plan->n_select; i++) batch_null(r->batch, i);
  r->open_row = false;
}
