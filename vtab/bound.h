/*
** bound.h - the values that are bound to a statement.
**
** SQLite has no call that tells them.  sqlite3_expanded_sql() prints them into
** the statement's text: that is read beside the text itself.
*/
#ifndef VTAB_BOUND_H
#define VTAB_BOUND_H

#include "vtab/arena.h"
#include "vtab/sqlite.h"

typedef struct bound {
  value *values;               /* in the arena; of parameter n at n - 1 */
  bool *known;                 /* integers, text and NULL are; text only up to its first NUL */
  int n;
} bound;

/* False: nothing can be known, or no memory. */
bool bound_read(sqlite3_stmt *stmt, arena *a, bound *out);

#endif
