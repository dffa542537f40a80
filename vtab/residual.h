/*
** residual.h - predicates that SQLite keeps to itself, sent as well.
**
** What the loop over a scan requires of a row (loop.h) becomes terms of the
** query beside the plan's.  SQLite checks every row again, so they only have to
** keep what it keeps: each is resolved by the pushdown table as a constraint
** would be, and what the table does not know is left out.
**
** Values that are bound are read again at each execution (bound.h).
*/
#ifndef VTAB_RESIDUAL_H
#define VTAB_RESIDUAL_H

#include "vtab/loop.h"

/* What the program of the running statement says of one scan. Zero is empty. */
typedef struct residual {
  arena arena;
  sqlite3_stmt *statement;     /* that it was read for; never looked into, only compared */
  uint64_t at;                 /* directory->compilations then */
  const condition *condition;  /* beside what the plan says; NULL: nothing is known */
  bool plain;                  /* loop_is_plain() */
} residual;

/* Whether to look for more that the server could filter by: the statement is compiled
** again for it, once. */
bool residual_is_wanted(const table *t, const plan *p);

/* Reads the program of the running statement, unless that was done. False: it is not known. */
bool residual_read(residual *r, table *t, const plan *p, const char *plan_text);

void residual_free(residual *r);      /* empty afterwards */

/* Adds what it can to Q, in A.  *KIND becomes ROWS_EMPTY where no row can be of
** use.  False without memory. */
bool residual_apply(const residual *r, const table *t, arena *a, query *q, plan_rows *kind);

#endif
