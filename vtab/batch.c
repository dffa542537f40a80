/*
** batch.c - rows in column batches: memory and bounds.
**
** Invariants: storage of the row under construction and of all rows after it
** is STORAGE_NULL (0), which is what makes an unset column NULL without a
** loop for each row.  While there is room for a row, row n_rows exists in the
** arrays.  The heap exists as soon as one text or blob was stored, so that an
** empty text has an address too.
*/
#include "vtab/batch.h"

#include <string.h>

#include "vtab/memory.h"

enum {
  ROWS_MIN = 64,                 /* rows of a new batch: a point look-up allocates little */
  CELLS_MIN = 4096,              /* fewer rows than that in a wide relation */
  HEAP_MIN = 1024,
  ROW_CELL = sizeof(batch_cell) + 1
};

/* Bytes that one row takes, its text and blobs aside. */
static size_t row_bytes(const batch *b) {
  return (size_t)b->n_columns * ROW_CELL;
}

/* Gives the arrays room for ROWS rows and moves what they hold. */
static bool relocate(batch *b, uint32_t rows) {
  size_t columns = (size_t)b->n_columns;
  size_t kept = b->n_rows < b->row_limit ? (size_t)b->n_rows + 1 : b->row_limit;
  if (columns > SIZE_MAX / sizeof(batch_cell) / rows) return false;
  uint8_t *kinds = mem_zalloc(columns * rows);
  batch_cell *cells = mem_alloc(columns * rows * sizeof *cells);
  if (kinds == NULL || cells == NULL) {
    mem_free(kinds);
    mem_free(cells);
    return false;
  }
  for (size_t c = 0; c < columns && kept; c++) {
    memcpy(kinds + c * rows, b->storage + c * b->row_limit, kept);
    memcpy(cells + c * rows, b->cells + c * b->row_limit, kept * sizeof *cells);
  }
  mem_free(b->storage);
  mem_free(b->cells);
  b->storage = kinds;
  b->cells = cells;
  b->row_limit = rows;
  return true;
}

bool batch_init(batch *b, int n_columns, size_t byte_limit) {
  uint32_t rows = ROWS_MIN;
  *b = (batch){.n_columns = n_columns, .byte_limit = byte_limit};
  if (n_columns == 0) rows = BATCH_MAX_ROWS;
  while (rows > 1 && (size_t)n_columns * rows > CELLS_MIN) rows /= 2;
  if (relocate(b, rows)) return true;
  *b = (batch){0};
  return false;
}

void batch_clear(batch *b) {
  size_t used = b->n_rows < b->row_limit ? (size_t)b->n_rows + 1 : b->row_limit;
  for (size_t c = 0; c < (size_t)b->n_columns && used; c++)
    memset(b->storage + c * b->row_limit, STORAGE_NULL, used);
  b->n_rows = 0;
  b->heap_used = 0;
  b->failed = false;
  /* One huge value must not stay for as long as the scan lives. */
  if (b->heap_size / 4 > b->byte_limit && b->heap_size > HEAP_MIN) {
    mem_free(b->heap);
    b->heap = NULL;
    b->heap_size = 0;
  }
}

void batch_free(batch *b) {
  mem_free(b->storage);
  mem_free(b->cells);
  mem_free(b->heap);
  *b = (batch){0};
}

bool batch_grow(batch *b) {
  size_t bytes = row_bytes(b), fit = BATCH_MAX_ROWS;
  if (bytes && b->byte_limit / bytes < fit) fit = b->byte_limit / bytes + 1;
  size_t rows = (size_t)b->row_limit * 2;
  if (rows > fit) rows = fit;
  return rows > b->row_limit && relocate(b, (uint32_t)rows);
}

/* The next size of a heap that must hold NEED bytes. */
static size_t heap_next(size_t size, size_t need) {
  const size_t slow = (size_t)64 << 20;   /* from here on by an eighth: memory is bounded */
  size_t next = size < slow ? size * 2 : size + size / 8;
  if (next < HEAP_MIN) next = HEAP_MIN;
  return next < need ? need : next;
}

char *batch_reserve(batch *b, size_t length) {
  if (b->failed) return NULL;
  if (length >= b->heap_size - b->heap_used) {
    char *heap = NULL;
    bool possible = b->heap_used <= UINT32_MAX && length <= UINT32_MAX;
    if (possible && length < SIZE_MAX / 2 - b->heap_used) {
      size_t size = heap_next(b->heap_size, b->heap_used + length + 1);
      heap = mem_realloc(b->heap, size);
      if (heap) b->heap_size = size;
    }
    if (heap == NULL) {
      b->failed = true;
      return NULL;
    }
    b->heap = heap;
  }
  return b->heap + b->heap_used;
}

void batch_value(batch *b, int column, const value *v) {
  switch (v->storage) {
    case STORAGE_INTEGER: batch_integer(b, column, v->integer); break;
    case STORAGE_REAL: batch_real(b, column, v->real); break;
    case STORAGE_TEXT:
    case STORAGE_BLOB: batch_bytes_value(b, column, v->storage, v->bytes, v->length); break;
    case STORAGE_NULL:
    case STORAGE_LIST: batch_null(b, column); break;
  }
}

bool batch_end_row(batch *b) {
  if (b->failed) return false;
  b->n_rows++;
  if (batch_bytes(b) >= b->byte_limit || b->n_rows >= BATCH_MAX_ROWS) return false;
  /* Without memory for more rows the batch is full: those in it are valid. */
  return b->n_rows < b->row_limit || batch_grow(b);
}

size_t batch_bytes(const batch *b) {
  return b->heap_used + b->n_rows * row_bytes(b);
}
