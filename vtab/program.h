/*
** program.h - what the program of a statement proves.
**
** xBestIndex is not told what stands above a scan: a filter that SQLite keeps to
** itself, a use of the rowid.  The statement's program shows it: EXPLAIN of its
** text lists every instruction, and the same text makes the same program as
** long as nothing changed that SQLite plans by.  That is checked: the plan of the
** scan, in which the number of our estimates stands (plan_text.c), must be among those of
** the program.  Of instructions that are not known here nothing is concluded.
*/
#ifndef VTAB_PROGRAM_H
#define VTAB_PROGRAM_H

#include "vtab/table.h"

/* One instruction; strings are valid during the call. */
typedef struct instruction {
  const char *opcode;
  int p1, p2;
  const char *p4;              /* NULL: none */
} instruction;

/* Compiles SQL and shows each instruction of its program to SEE, until that
** returns false. Returns an SQLite code; the connection has the message. */
typedef bool program_visitor(void *context, const instruction *i);
int program_visit(sqlite3 *db, const char *sql, program_visitor *see, void *context);

/* The virtual table whose VOpen has that P4, by its address: is it T's? */
bool program_opens(const instruction *i, const table *t);

/* Whether each row of the scan of T with plan PLAN_TEXT is one row of the result of
** the statement that is running: no filter, no other source, no sorting.  Then
** the scan needs no more rows than LIMIT and OFFSET leave. */
bool program_is_plain_scan(table *t, const char *plan_text);

/* Whether the statement that is running reads no other columns of T than those
** that P calls used, and never asks which row it is. */
bool program_reads_only(table *t, const plan *p, const char *plan_text);

#endif
