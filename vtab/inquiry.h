/*
** inquiry.h - what a scan asks its server: from a plan and values to a request.
**
** It is made by the cursor that reads the rows, and, where the request is sent
** before SQLite opens that cursor, by overlap.h as well: the same values make
** the same request.
*/
#ifndef VTAB_INQUIRY_H
#define VTAB_INQUIRY_H

#include "vtab/proof.h"
#include "vtab/text_memo.h"

/* For whom. All borrowed. */
typedef struct inquirer {
  table *table;
  const plan *plan;
  const char *plan_text;
  proof *proof;
  text_memo *memo;             /* NULL: none is kept */
  bool one_row;                /* the plan finds one row at most, if all its terms are sent */
  bool again;                  /* one of many probes: the statement's program is not looked at */
} inquirer;

typedef struct inquiry {
  query query;                 /* the request points to it */
  plan_rows kind;              /* ROWS_EMPTY: there is no request */
  bool counted;                /* the last column says how often each row is there (plan_runs) */
} inquiry;

/* Everything that is made lives in A, which holds ARGUMENTS too. False with an error. */
bool inquiry_make(inquiry *q, const inquirer *who, const value *arguments, int n, arena *a,
                  request *out, tskdb_error *e);

#endif
