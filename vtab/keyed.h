/*
** keyed.h - a table that is probed again and again within one statement.
**
** SQLite runs joins as nested loops: an inner table is filtered anew for each
** row of the outer one, a round trip each if nobody looks ahead.  A keyed looks
** ahead, in three ways, and remembers the rows in a store:
**
**   keys    the key that is asked for is the current value of another cursor of
**           ours: the next keys stand in that cursor's buffer, and hundreds
**           are asked for at once;
**   whole   the probes so far have cost as much as fetching the whole table (with
**           every constraint that does not change): it is fetched once.  Never
**           more than about twice the best choice (ski rental);
**   probe   neither: one key is asked for.
**
** Guesses cost time, never an answer: rows are found by the value of the key
** that SQLite asks for now, and a key that was not foreseen is asked for.
**
** The key is all terms `column = ?` together.  A value of another term that
** changes (a range, a LIKE) is left out of what is remembered; SQLite, which
** omits only equalities when values can change (plan.c), checks it.
**
** One owner, the cursor; what it knows lives at most as long as one execution of a
** statement.
*/
#ifndef VTAB_KEYED_H
#define VTAB_KEYED_H

#include "vtab/cursor.h"
#include "vtab/store.h"

typedef struct keyed keyed;

/* For the plan P of T, whose text is PLAN_TEXT; POSITION maps the relation's
** columns to those of a batch.  P and POSITION are copied.  NULL without memory
** or when such a plan cannot be probed by key. */
keyed *keyed_new(table *t, const plan *p, const char *plan_text, const int *position);
void keyed_free(keyed *k);                  /* NULL is a no-op */
/* Forgets all, as if it were new, for another execution with the same plan. False:
** it cannot, and is to be freed. */
bool keyed_renew(keyed *k);
const char *keyed_plan(const keyed *k);     /* the plan's text */
int64_t keyed_probes(const keyed *k);       /* so far */
/* Whether it was made for these constants.  The arms of an OR have one plan text
** and different constants, which SQLite does not check again. */
bool keyed_fits(const keyed *k, const value *arguments, int n_arguments);

typedef enum keyed_answer {
  KEYED_STORED,                /* the rows are in the store, from *FIRST on (page NULL: none) */
  KEYED_SPILLED,               /* the rows are read with keyed_spilled() */
  KEYED_ASK,                   /* ask the server for just this */
  KEYED_ERROR
} keyed_answer;

/* The rows for ARGUMENTS (xFilter's values).  SELF is the cursor that probes.
** May block. */
keyed_answer keyed_probe(keyed *k, cursor *self, const value *arguments, int n_arguments,
                         const wait_scope *w, store_row *first, tskdb_error *e);
store_row keyed_next(const keyed *k, store_row row);

/* After KEYED_SPILLED: the next rows of the key into PAGE; *MORE: there may be others. */
bool keyed_spilled(keyed *k, batch *page, bool *more, tskdb_error *e);

/* What an answer to KEYED_ASK took. */
void keyed_spent(keyed *k, int64_t waited_us);

/* Whether an answer to KEYED_ASK is worth remembering; if so keyed_keep() takes
** the rows of PAGE, all there are for the last probe, and gives the first. */
bool keyed_wants(const keyed *k, const batch *page);
bool keyed_keep(keyed *k, batch *page, store_row *first, tskdb_error *e);

/* Shows SEE the rows of the keys that will be probed next. */
bool keyed_upcoming(keyed *k, store_row after, cursor_visitor *see, void *context);

#endif
