/*
** proof.h - what the program of the running statement proves of one scan.
**
** A statement that is run again and again is compiled for it once: what was read holds as
** long as no statement is compiled (program.h).
*/
#ifndef VTAB_PROOF_H
#define VTAB_PROOF_H

#include "vtab/loop.h"

/* Zero is empty. */
typedef struct proof {
  arena arena;
  sqlite3_stmt *statement;     /* that it was read for; never looked into, only compared */
  uint64_t at;                 /* directory->compilations then */
  bool plain;                  /* loop_is_plain() */
  bool reads_only;             /* program_reads_only() */
  const condition *residual;   /* residual_condition(); NULL: nothing is known */
} proof;

/* Reads the program of the running statement, unless that was done. False: it is not
** known which statement that is. What cannot be proved is false. */
bool proof_read(proof *p, table *t, const plan *chosen, const char *plan_text);

/* The same of a program that has been read, of the statement that runs. Borrows its strings. */
void proof_make(proof *p, const program *whole, sqlite3_stmt *running, table *t, const plan *chosen,
                const char *plan_text);

void proof_free(proof *p);     /* empty afterwards */

#endif
