/*
** pushdown_comparison.h - whether what a driver pushes is what SQLite would
** have answered: the rows that the server gives for one column, every
** operator, collation and constant, beside those of native SQLite over the
** same values.
**
** A driver's suite makes a relation with values in one column, each of them at
** least twice, and gives awkward constants; all else is here.  It ends the
** test at the first difference.
*/
#ifndef TESTS_PUSHDOWN_COMPARISON_H
#define TESTS_PUSHDOWN_COMPARISON_H

#include <sqlite3.h>

#include "tests/vtab/driver_fixture.h"

typedef struct comparison {
  connection *c;             /* borrowed, like the relation */
  const relation *relation;
  int id, column;            /* into its columns: what tells rows apart, what is compared */
  pushdown_context context;
  sqlite3 *native;           /* t(id, a): the same rows */
  int pushed;                /* answers of the server so far */
} comparison;

void comparison_open(comparison *x, connection *c, const relation *r, const char *id,
                     const char *name);
void comparison_close(comparison *x);

/* Compares with CONSTANTS, a list of SQLite's literals; NULL is one of them anyway. */
void comparison_run(comparison *x, const char *constants);

/* The ids that the server finds for column NAME OP V, one a line; the test ends if
** it is not pushed. For what the server does with it: its indexes, its counts. */
void comparison_find(connection *c, const relation *r, const char *id, const char *name,
                     query_operator op, const value *v, buffer *out);

/* Column I of a native row; its bytes are the statement's until its next step. */
value comparison_result(sqlite3_stmt *s, int i);

/* A value of TEXT, borrowed. */
value text_value(const char *text);

#endif
