/*
** loop.h - the loop over one scan in a statement's program, read as a condition.
**
** xBestIndex is offered the comparisons of plain columns that stand in a
** conjunction.  What else WHERE says (`lower(a) = 'x'`, `a + 1 > 5`,
** `coalesce(a, 0) = 0`, `a = 1 OR b = 2`, CASE, `doc ->> 'f' = 'x'`) SQLite keeps to
** itself: it is a piece of the loop's code that leads to the next row.  That code
** is followed here along all its paths, with what each register holds as a
** symbol, until something happens that is not a computation; the condition
** under which a row gets so far is what every row of use satisfies.
**
** The rows that do not satisfy it may be left out by the server: for them the program
** does nothing.  That holds for a cursor that is never put on a row of NULLs
** (the right side of a LEFT JOIN), whose table is open once in the program.
*/
#ifndef VTAB_LOOP_H
#define VTAB_LOOP_H

#include "vtab/program.h"

typedef enum condition_kind {
  CONDITION_TRUE, CONDITION_FALSE,
  CONDITION_ATOM,
  CONDITION_ALL, CONDITION_ANY     /* parts */
} condition_kind;

/* What a comparison is made of. */
typedef enum subject_kind {
  SUBJECT_COLUMN,                  /* column */
  SUBJECT_PAIR,                    /* column, compared with the column `other` */
  SUBJECT_SUM,                     /* column + addend */
  SUBJECT_FOLDED,                  /* lower(column), upper(column) */
  SUBJECT_PERIOD,                  /* the first `addend` characters of a date (period.h) */
  SUBJECT_MEMBER                   /* column ->> label, or ->> '$.label' */
} subject_kind;

typedef struct condition {
  condition_kind kind;
  struct condition **parts;
  int n_parts;
  /* CONDITION_ATOM: subject OP operand */
  subject_kind subject;
  int column, other;               /* into relation.columns */
  int64_t addend;
  const char *label;
  query_operator op;               /* OP_EQ … OP_GE, OP_IS_NULL, OP_NOT_NULL, OP_IS_NOT, OP_LIKE */
  collation_kind collation;
  bool no_affinity;                /* the column's is not applied to the operand */
  bool or_null;                    /* or one of the two is NULL */
  int variable;                    /* of the statement, from 1; 0: the operand is known */
  value operand;                   /* INTEGER or TEXT */
} condition;

typedef struct loop {
  const program *program;
  const table *table;
  int cursor;                      /* its number in the program */
  int filter, next;                /* addresses of VFilter and VNext: the loop is between them */
} loop;

/* Finds the only loop over the only cursor of T, whose plan is PLAN_TEXT. */
bool loop_find(const program *p, const table *t, const char *plan_text, loop *out);

/* What holds of every row for which the program does anything. In A; NULL without memory. */
condition *loop_condition(const loop *l, arena *a);

/* Whether each row of the scan is a row of the result: no other source, no
** sorting, and no filter but what the terms of P say of the same values.  If the server is
** exact for those, the scan needs no more rows than LIMIT and OFFSET leave. */
bool loop_is_plain(const loop *l, const plan *p, arena *a);

#endif
