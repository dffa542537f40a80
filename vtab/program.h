/*
** program.h - the program of a statement, which proves what xBestIndex is not told.
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

#include "vtab/arena.h"
#include "vtab/table.h"

/* One instruction. */
typedef struct instruction {
  const char *opcode;
  int p1, p2, p3, p5;
  const char *p4;              /* NULL: none */
} instruction;

/* Compiles SQL and shows each instruction of its program to SEE, until that
** returns false; strings are valid during the call. Returns an SQLite code; the
** connection has the message. */
typedef bool program_visitor(void *context, const instruction *i);
int program_visit(sqlite3 *db, const char *sql, program_visitor *see, void *context);

/* A whole program; an instruction's address is its index. */
typedef struct program {
  instruction *code;           /* in the arena, with its strings */
  int n;
} program;

/* The program of the statement that is running. False: it is not known which one
** that is, or there is no memory, or it has a trigger's program inside. */
bool program_load(table *t, arena *a, program *out);

/* The program of SQL, under the same conditions. */
bool program_compile(sqlite3 *db, const char *sql, arena *a, program *out);

/* The virtual table whose VOpen has that P4, by its address: is it T's? */
bool program_opens(const instruction *i, const table *t);

/* The table of ours that I opens, NULL if it is none. */
table *program_opened(const instruction *i, const server_directory *d);

bool program_is(const instruction *i, const char *opcode);

/* Whether I opens a cursor of any kind. */
bool program_opens_any(const instruction *i);

/* Whether the program reads no other columns of T than those that CHOSEN calls used, and never
** asks which row it is. */
bool program_reads_only(const program *p, const table *t, const plan *chosen, const char *plan_text);

#endif
