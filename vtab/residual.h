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

/* Whether to look for more that the server could filter by: the statement is compiled
** again for it, once. */
bool residual_is_wanted(const table *t, const plan *p);

/* What the loop requires of a row beside what the plan says. In A; NULL: nothing is known. */
const condition *residual_condition(const loop *l, const plan *p, arena *a);

/* Adds what it can of the condition to Q, in A, for the values that are bound to STMT.  *KIND
** becomes ROWS_EMPTY where no row can be of use.  False without memory. */
bool residual_apply(const condition *c, sqlite3_stmt *stmt, const table *t, arena *a, query *q,
                    plan_rows *kind);

#endif
