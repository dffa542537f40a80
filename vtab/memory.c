/*
** memory.c - the one allocator of tskdb: the C library's, with a hook that
** lets tests make any allocation fail.
**
** Invariants: a size of 0 is an allocation like any other, so that NULL
** always means "no memory".  No state except the hook's counters.
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "vtab/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* refused(): whether an allocation fails without asking the C library. */
#ifdef TSKDB_FAULT_INJECTION

#include <stdatomic.h>

static atomic_long fault_seen;        /* allocations since mem_fail_after() */
static atomic_long fault_at;          /* the one that fails; 0: none */
static atomic_int fault_persistent;   /* and all after it */

long mem_fail_after(long nth, int persistent) {
  atomic_store(&fault_at, 0);
  atomic_store(&fault_persistent, persistent);
  long seen = atomic_exchange(&fault_seen, 0);
  atomic_store(&fault_at, nth);
  return seen;
}

static bool refused(size_t size) {
  if (size > PTRDIFF_MAX) return true;
  long number = atomic_fetch_add(&fault_seen, 1) + 1;
  long at = atomic_load(&fault_at);
  return at > 0 && (number == at || (number > at && atomic_load(&fault_persistent)));
}

#else

static inline bool refused(size_t size) {
  return size > PTRDIFF_MAX;
}

#endif

void *mem_alloc(size_t size) {
  return refused(size) ? NULL : malloc(size ? size : 1);
}

void *mem_zalloc(size_t size) {
  return refused(size) ? NULL : calloc(1, size ? size : 1);
}

void *mem_realloc(void *block, size_t size) {
  return refused(size) ? NULL : realloc(block, size ? size : 1);
}

void mem_free(void *block) {
  free(block);
}

char *mem_strdup(const char *text) {
  return text ? mem_strndup(text, strlen(text)) : NULL;
}

char *mem_strndup(const char *text, size_t length) {
  if (text == NULL || length == SIZE_MAX) return NULL;
  char *copy = mem_alloc(length + 1);
  if (copy == NULL) return NULL;
  memcpy(copy, text, length);
  copy[length] = 0;
  return copy;
}

void mem_wipe(void *block, size_t size) {
  if (block == NULL || size == 0) return;
  memset(block, 0, size);
  /* The compiler must believe that somebody reads the zeros. */
  __asm__ __volatile__("" : : "r"(block) : "memory");
}
