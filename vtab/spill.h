/*
** spill.h - rows that outgrew memory, in a temporary SQLite database.
**
** The database is private, has no name, and lies where SQLite puts temporary
** files; it is gone when it is closed.  One owner, one thread.
*/
#ifndef VTAB_SPILL_H
#define VTAB_SPILL_H

#include "vtab/batch.h"
#include "vtab/error.h"

typedef struct spill spill;

typedef enum spill_status { SPILL_ROW, SPILL_END, SPILL_ERROR } spill_status;

/* For rows of N_COLUMNS.  NULL with an error. */
spill *spill_new(int n_columns, tskdb_error *e);
void spill_free(spill *s);                    /* NULL is a no-op */

/* Adds row ROW of PAGE under HASH.  All rows are added before the first is looked for. */
bool spill_add(spill *s, uint64_t hash, const batch *page, uint32_t row, tskdb_error *e);

/* Begins with the rows of HASH, in the order in which they were added. */
bool spill_find(spill *s, uint64_t hash, tskdb_error *e);

/* Sets the cells of PAGE's row under construction, which the caller completes
** or sets anew. */
spill_status spill_next(spill *s, batch *page, tskdb_error *e);

#endif
