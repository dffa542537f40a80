/*
** statement.h - which statement of a SQLite connection is running.
**
** A virtual table is not told.  Where exactly one statement of the connection
** is busy it must be the one; with several nobody knows, and whoever asks does
** without.
*/
#ifndef VTAB_STATEMENT_H
#define VTAB_STATEMENT_H

#include "vtab/sqlite.h"

/* One execution of one statement.  Equal values are the same execution as long
** as no statement was compiled in between: an address may be used again. */
typedef struct execution {
  sqlite3_stmt *statement;   /* NULL: not known */
  int run;                   /* which one of the statement's */
} execution;

/* The execution that DB is inside of.  Looks at every statement of DB. */
execution execution_current(sqlite3 *db);

bool execution_same(execution a, execution b);    /* false if either is not known */

#endif
