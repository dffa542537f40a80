/*
** arena.h - memory that is freed all at once.
**
** A catalog, a query and a request own many small strings and arrays that
** live and die together; each has one arena.  Allocation is a pointer bump.
** An arena is sticky: after the first failed allocation every later one
** fails too, so that a builder checks arena.failed once, at its end.
**
** Not thread-safe; an arena belongs to its owner.
*/
#ifndef VTAB_ARENA_H
#define VTAB_ARENA_H

#include <stdbool.h>
#include <stddef.h>

typedef struct arena_block arena_block;

typedef struct arena {
  arena_block *block;      /* newest block, linked to the older ones */
  size_t used;             /* bytes used in the newest block */
  bool failed;             /* an allocation has failed: nothing more will succeed */
} arena;

void arena_init(arena *a);                    /* {0} is initialised as well */
void *arena_alloc(arena *a, size_t size);     /* zeroed, aligned for any type; NULL once failed */
char *arena_strdup(arena *a, const char *text);             /* NULL gives NULL */
char *arena_strndup(arena *a, const char *text, size_t length); /* NUL-terminated */
char *arena_printf(arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* ARRAY, of N elements of SIZE bytes, with room for one more: itself, or a copy with twice
** the room. It begins as NULL with none, and only this call makes it larger. NULL once failed. */
void *arena_more(arena *a, void *array, size_t n, size_t size);
void arena_reset(arena *a);                   /* frees all but one block, clears failed */
void arena_free(arena *a);                    /* frees everything; the arena can be used again */

#endif
