/*
** period.h - the days that '2026', '2026-05' or '2026-05-17' stands for.
**
** For conditions over the beginning of a date's text: `date(at) = '2026-05-17'`,
** `strftime('%Y-%m', at) = '2026-05'`, `substr(at, 1, 4) >= '2026'`.
*/
#ifndef VTAB_PERIOD_H
#define VTAB_PERIOD_H

#include "vtab/value.h"

enum { PERIOD_YEAR = 4, PERIOD_MONTH = 7, PERIOD_DAY = 10 };   /* characters */

typedef char period_text[PERIOD_DAY + 1];      /* YYYY-MM-DD; "": beyond 0001..9999 */

typedef struct period {
  period_text first, next;     /* its first day, and the first one behind it */
  /* SQLite moves a day that its month has not, '2026-02-31', into the next one, and MySQL may
  ** have such; and SQLite 3.45 the last half of a millisecond of such a day into the next one.
  ** What is shown as a day of the period or behind it is at least `earliest`, what is behind it
  ** at least `earliest_next`. */
  period_text earliest, earliest_next;
} period;

/* LENGTH: one of the above. False: V is no such period. */
bool period_parse(const value *v, int length, period *out);

#endif
