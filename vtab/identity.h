/*
** identity.h - rowids for rows that have no key.
**
** SQLite asks for rowids to remember which rows of a RIGHT or FULL JOIN's
** right table have met a partner, and looks them up in a second scan, with
** other terms: an ordinal would be another row's there.  So a row is known by
** what it holds in the columns that the statement reads, and the second, third
** … row that holds the same by which of them it is.  Rows that are the same
** in all those columns meet a partner together or not at all, so it does not
** matter which of them comes first.
*/
#ifndef VTAB_IDENTITY_H
#define VTAB_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one scan. Zero is empty. */
typedef struct identity {
  uint64_t *ids;           /* given out in this scan; 0: a free place */
  size_t n, places;        /* places: a power of two, or 0 */
} identity;

/* The next id for a row whose content has this hash. False without memory. */
bool identity_next(identity *i, uint64_t hash, int64_t *out);

void identity_free(identity *i);     /* leaves it empty */

#endif
