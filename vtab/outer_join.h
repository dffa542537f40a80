/*
** outer_join.h - whether the statement that runs may have a LEFT JOIN.
**
** Until 3.51 SQLite offers a term of a LEFT JOIN's ON clause to the table on
** the left, as if it stood in WHERE, if its operator is LIKE, GLOB, <>,
** IS NOT or IS NOT NULL: `a LEFT JOIN b ON a.x <> 5`.  A table that applied it
** would lose rows of a, and nothing in xBestIndex tells such a term from one
** of WHERE.  By the time of xFilter the statement's text can be read.
*/
#ifndef VTAB_OUTER_JOIN_H
#define VTAB_OUTER_JOIN_H

#include "vtab/query.h"
#include "vtab/sqlite.h"

/* Whether a term with OP may be one that SQLite should not have offered. */
bool outer_join_suspects(query_operator op);

/* Whether a running statement, or a view or trigger that it may use of the
** temp schema or of SCHEMA, has the word LEFT.  True when in doubt. */
bool outer_join_possible(sqlite3 *db, const char *schema);

#endif
