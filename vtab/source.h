/*
** source.h - the open cursors in which the next keys of a probed table may stand.
**
** SQLite does not tell where a key comes from.  At each probe the key is compared
** with the current rows of the other open cursors; a column that was equal at
** two such probes in a row is taken for the source.  A wrong guess costs time.
** Cursors are known by identity: one that was closed, or has another plan, is none
** of them any more.
*/
#ifndef VTAB_SOURCE_H
#define VTAB_SOURCE_H

#include "vtab/cursor.h"
#include "vtab/store.h"

enum { SOURCES = 4 };            /* cursors that are watched at a time */

/* A cursor that may hold the next keys. */
typedef struct source {
  uint64_t identity;             /* 0: this place is free */
  int seen;                      /* probes in a row at which it was equal */
  uint64_t equal[STORE_MAX_KEY]; /* for each key column: its columns that were equal at all of them */
} source;

typedef struct source_list {
  source at[SOURCES];
} source_list;

/* Compares KEY, made by store_key(), with where the cursors other than SELF stand. */
void source_look_around(source_list *l, const server_directory *d, const cursor *self,
                        const store_shape *shape, const value *key);

/* The one that most of the CHANGING key columns come from; NULL: none. */
const source *source_best(const source_list *l, const bool *changing, int n_key);

/* Its cursor, NULL if that is closed. */
cursor *source_cursor(const source *s, const server_directory *d);

/* Replaces those of the key's values that come from the source by those of its row. */
void source_values(const source *s, const batch *page, uint32_t row, int n_key, value *values);

#endif
