/*
** explain.h - a plan in words: what a server is asked, and why not for more.
*/
#ifndef VTAB_EXPLAIN_H
#define VTAB_EXPLAIN_H

#include "vtab/table.h"

/* Strings live in the arena given to explain_plan(). */
typedef struct explanation {
  const char *remote;      /* the text that the server receives, with placeholders */
  const char *exact;       /* terms, one a line; "" if none */
  const char *superset;    /* "term: why", one a line; SQLite checks them again */
  const char *local;       /* "term: why", one a line; SQLite alone checks them */
  const char *order;       /* what the server sorts or groups; "" if nothing */
  const char *joins;       /* what is done when it is probed, or for less than all rows; "" if nothing */
} explanation;

/* Explains the plan that idxStr TEXT says for table T.  The remote text is that
** for values of each column's own type; a value of another type may widen the
** request, which a scan decides.  No I/O. */
bool explain_plan(const table *t, const char *text, arena *a, explanation *out, tskdb_error *e);

#endif
