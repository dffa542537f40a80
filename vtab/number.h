/*
** number.h - decimal text to doubles: correctly rounded, or as SQLite does it.
**
** Not for drivers: value.h is what they use.
*/
#ifndef VTAB_NUMBER_H
#define VTAB_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A number in text, taken apart.  Borrows the text. */
typedef struct number {
  const char *whole, *whole_end;       /* digits before the point, without leading zeros */
  const char *fraction, *fraction_end; /* digits behind it, without trailing zeros */
  int64_t exponent;                    /* as written, bounded so that sums do not overflow */
  bool negative;
  bool integral;                       /* neither point nor exponent was written */
} number;

/* The grammar of SQLite, blanks aside: [+-] digits [. digits] [e [+-] digits],
** at least one digit before the exponent.  False unless all of TEXT is one number. */
bool number_scan(const char *text, size_t length, number *n);

/* The digits of an integral number as an int64; false if it is out of range. */
bool number_integer(const number *n, int64_t *out);

/* The double nearest to the number. */
double number_real(const number *n);

/* The double that SQLite of VERSION (sqlite3_libversion_number()) makes of it. */
double number_sqlite_real(const number *n, int version);

/* The same of the number SIGNIFICAND * 10^EXPONENT, which has at most 17 digits. */
double number_sqlite_scaled(uint64_t significand, int exponent, int version);

#endif
