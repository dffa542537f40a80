/*
** batch.h - rows in column batches.
**
** A driver's scan decodes each value once, straight from the wire into a
** batch; the cursor hands it to sqlite3_result_*.  Cells are stored column by
** column, text and blobs in one heap, a NUL behind each.  A batch is full when its rows or its
** bytes reach their bound; one row always fits, however large.
**
** Filling: for each row, one batch_<kind>() call for each column 0..n-1 in any
** order (a column not set stays NULL), then batch_end_row().  The functions
** are sticky: without memory `failed` is set and they do nothing.
**
** One owner at a time: the worker while it fills, then the cursor.
*/
#ifndef VTAB_BATCH_H
#define VTAB_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "vtab/value.h"

typedef union batch_cell {
  int64_t integer;
  double real;
  struct { uint32_t offset, length; } bytes;   /* into heap */
} batch_cell;

typedef struct batch {
  int n_columns;
  uint32_t n_rows;
  uint32_t row_limit;      /* rows that the arrays hold now; grows up to BATCH_MAX_ROWS */
  uint8_t *storage;        /* [column * row_limit + row]: enum storage */
  batch_cell *cells;       /* the same */
  char *heap;
  size_t heap_used, heap_size;
  size_t byte_limit;       /* full when heap_used + cells reach it */
  bool failed;             /* out of memory, or a row of over 4 GiB */
} batch;

enum { BATCH_MAX_ROWS = 16384 };

bool batch_init(batch *b, int n_columns, size_t byte_limit);   /* false without memory; b is then empty */
void batch_clear(batch *b);      /* no rows; keeps the memory */
void batch_free(batch *b);
bool batch_grow(batch *b);       /* more rows; false: at its bound or out of memory */
/* Room at the heap's end for LENGTH bytes and a NUL, not yet used; NULL when failed. */
char *batch_reserve(batch *b, size_t length);
size_t batch_bytes(const batch *b);            /* that it holds now */

static inline size_t batch_slot(const batch *b, int col) {
  return (size_t)col * b->row_limit + b->n_rows;
}

static inline void batch_integer(batch *b, int col, int64_t v) {
  size_t i = batch_slot(b, col);
  b->storage[i] = STORAGE_INTEGER;
  b->cells[i].integer = v;
}

static inline void batch_null(batch *b, int col) {
  b->storage[batch_slot(b, col)] = STORAGE_NULL;
}

/* NaN becomes NULL, as in SQLite; -0.0 becomes 0.0, as a REAL column stores it. */
static inline void batch_real(batch *b, int col, double v) {
  size_t i = batch_slot(b, col);
  b->storage[i] = v == v ? STORAGE_REAL : STORAGE_NULL;
  b->cells[i].real = v + 0.0;
}

/* The value of a cell; bytes are borrowed from the batch. */
static inline value batch_at(const batch *b, int col, uint32_t row) {
  size_t i = (size_t)col * b->row_limit + row;
  const batch_cell *cell = &b->cells[i];
  value v = {.storage = (storage)b->storage[i]};
  switch (v.storage) {
    case STORAGE_INTEGER: v.integer = cell->integer; break;
    case STORAGE_REAL: v.real = cell->real; break;
    case STORAGE_TEXT: case STORAGE_BLOB:
      v.bytes = b->heap + cell->bytes.offset;
      v.length = cell->bytes.length;
      break;
    default: break;
  }
  return v;
}

/* Copies the bytes, unless they stand where batch_reserve() said, and puts a NUL
** behind them.  S is STORAGE_TEXT (valid UTF-8) or STORAGE_BLOB. */
static inline void batch_bytes_value(batch *b, int col, storage s, const void *bytes,
                                     size_t length) {
  size_t used = b->heap_used;
  char *place = length < b->heap_size - used && used <= UINT32_MAX && length <= UINT32_MAX
                    ? b->heap + used
                    : batch_reserve(b, length);
  if (!place) return;
  if (length && bytes != place) memcpy(place, bytes, length);
  place[length] = 0;
  size_t i = batch_slot(b, col);
  b->storage[i] = (uint8_t)s;
  b->cells[i].bytes.offset = (uint32_t)used;
  b->cells[i].bytes.length = (uint32_t)length;
  b->heap_used = used + length + 1;
}

/* A value of any class, its bytes copied. */
void batch_value(batch *b, int col, const value *v);

/* Completes the row, with every column that was not set NULL.  False: the
** batch is full (the row is in it) or has failed, and no other row may be begun. */
bool batch_end_row(batch *b);

/* Whether it is so: also where there was no memory for more rows. */
static inline bool batch_is_full(const batch *b) {
  return b->failed || b->n_rows >= b->row_limit || batch_bytes(b) >= b->byte_limit;
}

#endif
