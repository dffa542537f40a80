/*
** text_memo.h - the last text of a cursor, for its next query of the same shape.
**
** A prepared statement that is executed again and again brings queries that
** differ in their values alone, and no value stands in a text: so the text is
** the same, and printing it anew would cost as much as all else that a look-up
** takes here.  The shape is all of a query that the printer looks at.
**
** The cursor owns the memo and its texts; they live until the next
** text_memo_keep() or text_memo_free().
*/
#ifndef VTAB_TEXT_MEMO_H
#define VTAB_TEXT_MEMO_H

#include "vtab/query.h"

typedef struct text_memo {
  arena arena;               /* of what follows */
  uint64_t *shape;           /* NULL: nothing is kept */
  size_t n_shape;
  const char *text;
  uint64_t hash;
  int *from;                 /* for each placeholder: into query.parameters */
  int n_from;
} text_memo;

/* The request for Q, if its shape is the one that is kept. False: it is not, or
** there is no memory. */
bool text_memo_recall(const text_memo *m, const query *q, arena *a, request *out);

/* Keeps the text of R, printed for Q. FROM says which parameter each placeholder
** has; -1: an element of a list, then nothing is kept. */
void text_memo_keep(text_memo *m, const query *q, const request *r, const int *from);

void text_memo_free(text_memo *m);

#endif
