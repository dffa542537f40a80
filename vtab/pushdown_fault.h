/*
** pushdown_fault.h - for tests: pushdown rows that are made wrong, and rows that are used.
**
** Only builds with --enable-fault-injection have it; in others a row is its
** driver's row and nothing is noted.  Two variables of the environment, read
** each time so that a test can change them while it runs:
**
**   TSKDB_PUSHDOWN_FAULT   lines "name=value"; driver and row (counted from 1,
**                          as in tskdb_pushdown) say which row, operator (its
**                          name) for which operator alone; verdict,
**                          collations, needs and text replace the row's own.
**   TSKDB_PUSHDOWN_TRACE   a file to which each use of a row in a scan appends
**                          "driver<TAB>row<TAB>operator<TAB>asked<TAB>class<TAB>storage":
**                          the operator that is sent and the one that SQLite asked for.
**
** Not thread-safe: tests that use it scan on one thread.
*/
#ifndef VTAB_PUSHDOWN_FAULT_H
#define VTAB_PUSHDOWN_FAULT_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "vtab/pushdown.h"

#ifdef TSKDB_FAULT_INJECTION

/* Row I of D as it holds for OP. */
const pushdown_row *pushdown_fault_row(const struct driver *d, int i, query_operator op);

/* A scan sends ROW with OP, for column C, because SQLite asked for ASKED with
** the value GIVEN (NULL: there is none). */
void pushdown_fault_use(const struct driver *d, const pushdown_row *row, query_operator op,
               query_operator asked, const column *c, const value *given);

#else

#define pushdown_fault_row(d, i, op) (&(d)->pushdown[i])
#define pushdown_fault_use(d, row, op, asked, c, given) ((void)0)

#endif

#endif
