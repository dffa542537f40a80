/*
** outlook.h - which scans of a statement are to come, as its program says.
**
** A scan is foreseen if its table is one of ours, the values that it is filtered
** by are known before any row is read, and every way through the program leads to
** it that does not end early: SQLite may come to it once (a subquery that is
** materialised, an arm of a UNION ALL) or for each row of an outer loop.
**
** Nothing depends on it but time: a scan that was foreseen wrongly is one
** request too many.
*/
#ifndef VTAB_OUTLOOK_H
#define VTAB_OUTLOOK_H

#include "vtab/program.h"

/* One value that a scan is filtered by. */
typedef struct outlook_argument {
  int variable;                /* of the statement, from 1; 0: `constant` */
  value constant;
} outlook_argument;

typedef struct outlook_scan {
  table *table;
  const char *plan_text;
  int filter;                  /* address of its VFilter */
  bool certain;                /* it is read even if no other table has a row */
  outlook_argument *arguments;
  int n_arguments;
  bool begun;                  /* in this execution (overlap.c) */
} outlook_scan;

typedef struct outlook {
  outlook_scan *scans;         /* in the program's order; in the arena of outlook_read() */
  int n;
} outlook;

/* Strings and code are borrowed from P. False without memory. */
bool outlook_read(const program *p, const server_directory *d, arena *a, outlook *out);

#endif
