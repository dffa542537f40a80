/*
** arena.c - memory that is freed all at once: a list of blocks, newest first.
**
** Invariants: allocations are taken from the newest block only; one that is
** larger than a normal block has a block of its own behind the newest, so
** that the newest one's room is not lost.  Memory is zeroed when it is handed
** out, not when the block is made: a reset arena reuses its block.
*/
#include "vtab/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "vtab/memory.h"

enum {
  ARENA_BLOCK_MIN = 1024,        /* room of the first block */
  ARENA_BLOCK_MAX = 64 * 1024    /* each further one is twice as large, up to this */
};

struct arena_block {
  arena_block *older;
  size_t size;                   /* room in data */
  max_align_t data[];
};

void arena_init(arena *a) {
  *a = (arena){0};
}

static arena_block *block_new(arena *a, size_t size) {
  arena_block *block = NULL;
  if (size <= SIZE_MAX - sizeof *block) block = mem_alloc(sizeof *block + size);
  if (block == NULL) {
    a->failed = true;
    return NULL;
  }
  block->older = NULL;
  block->size = size;
  return block;
}

/* A block of its own for a large allocation, behind the newest. */
static void *large_alloc(arena *a, size_t size) {
  arena_block *block = block_new(a, size);
  if (block == NULL) return NULL;
  if (a->block) {
    block->older = a->block->older;
    a->block->older = block;
  } else {
    a->block = block;
    a->used = size;
  }
  return memset(block->data, 0, size);
}

/* A new newest block in which SIZE bytes fit. */
static bool next_block(arena *a, size_t size) {
  size_t room = a->block ? a->block->size * 2 : ARENA_BLOCK_MIN;
  while (room < size) room *= 2;
  if (room > ARENA_BLOCK_MAX) room = ARENA_BLOCK_MAX;
  arena_block *block = block_new(a, room);
  if (block == NULL) return false;
  block->older = a->block;
  a->block = block;
  a->used = 0;
  return true;
}

void *arena_alloc(arena *a, size_t size) {
  const size_t unit = _Alignof(max_align_t);
  if (a->failed) return NULL;
  if (size > SIZE_MAX - unit) {
    a->failed = true;
    return NULL;
  }
  size = size ? (size + unit - 1) / unit * unit : unit;
  if (a->block == NULL || size > a->block->size - a->used) {
    if (size > ARENA_BLOCK_MAX / 4) return large_alloc(a, size);
    if (!next_block(a, size)) return NULL;
  }
  void *memory = (char *)a->block->data + a->used;
  a->used += size;
  return memset(memory, 0, size);
}

char *arena_strdup(arena *a, const char *text) {
  return text ? arena_strndup(a, text, strlen(text)) : NULL;
}

char *arena_strndup(arena *a, const char *text, size_t length) {
  if (text == NULL) return NULL;
  if (length == SIZE_MAX) {
    a->failed = true;
    return NULL;
  }
  char *copy = arena_alloc(a, length + 1);
  if (copy) memcpy(copy, text, length);
  return copy;
}

char *arena_printf(arena *a, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (length < 0) {
    a->failed = true;
    return NULL;
  }
  char *text = arena_alloc(a, (size_t)length + 1);
  if (text == NULL) return NULL;
  va_start(args, format);
  vsnprintf(text, (size_t)length + 1, format, args);
  va_end(args);
  return text;
}

void *arena_more(arena *a, void *array, size_t n, size_t size) {
  enum { FIRST = 8 };
  bool full = n == 0 || (n >= FIRST && (n & (n - 1)) == 0);   /* the room is a power of two */
  if (!full || a->failed) return a->failed ? NULL : array;
  if (n > SIZE_MAX / 2 / size) {
    a->failed = true;
    return NULL;
  }
  size_t room = n ? 2 * n : FIRST;
  void *grown = arena_alloc(a, room * size);
  if (grown && n) memcpy(grown, array, n * size);
  return grown;
}

void arena_reset(arena *a) {
  arena_block *kept = NULL;
  for (arena_block *block = a->block, *older; block; block = older) {
    older = block->older;
    if (kept == NULL && block->size <= ARENA_BLOCK_MAX) {
      kept = block;
      kept->older = NULL;
    } else {
      mem_free(block);
    }
  }
  *a = (arena){.block = kept};
}

void arena_free(arena *a) {
  for (arena_block *block = a->block, *older; block; block = older) {
    older = block->older;
    mem_free(block);
  }
  *a = (arena){0};
}
