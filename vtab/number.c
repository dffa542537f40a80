/*
** number.c - decimal text to doubles: correctly rounded, or as SQLite does it.
**
** A server's decimal must become the double that SQLite makes of the same
** digits, because a constant in a query was read by SQLite: were they read by
** different rules, `price = 1.31183710211033` would not find that price.
** SQLite's reading has changed several times and is not always the nearest
** double, not even for 15 digits, so each way is followed here step by step;
** the tests compare with the SQLite that they run on.
**
** Invariants: no allocation, no state, and no locale has a say: strtod() is
** given digits and an exponent only.
*/
#include "vtab/number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Far beyond any double, and a sum with a text's length does not overflow. */
#define EXPONENT_MAX INT64_C(1000000000000000)

/*
** Scanning
*/
static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *p, const char *end) {
  while (p < end && is_digit(*p)) p++;
  return p;
}

/* Reads the exponent behind the letter e; NULL if there is none. */
static const char *scan_exponent(const char *p, const char *end, int64_t *exponent) {
  bool negative = p < end && *p == '-';
  int64_t e = 0;
  if (p < end && (*p == '-' || *p == '+')) p++;
  if (p == end || !is_digit(*p)) return NULL;
  for (; p < end && is_digit(*p); p++)
    if (e < EXPONENT_MAX / 10) e = e * 10 + (*p - '0');
  *exponent = negative ? -e : e;
  return p;
}

bool number_scan(const char *text, size_t length, number *n) {
  const char *p = text, *end = text + length;
  *n = (number){.integral = true};
  if (p < end && (*p == '-' || *p == '+')) n->negative = *p++ == '-';
  n->whole = p;
  n->whole_end = p = skip_digits(p, end);
  n->fraction = n->fraction_end = p;
  size_t digits = (size_t)(n->whole_end - n->whole);
  if (p < end && *p == '.') {
    n->integral = false;
    n->fraction = ++p;
    n->fraction_end = p = skip_digits(p, end);
    digits += (size_t)(n->fraction_end - n->fraction);
  }
  if (digits == 0) return false;
  if (p < end && (*p == 'e' || *p == 'E')) {
    n->integral = false;
    p = scan_exponent(p + 1, end, &n->exponent);
    if (p == NULL) return false;
  }
  while (n->whole < n->whole_end && *n->whole == '0') n->whole++;
  while (n->fraction < n->fraction_end && n->fraction_end[-1] == '0') n->fraction_end--;
  return p == end;
}

bool number_integer(const number *n, int64_t *out) {
  uint64_t limit = (uint64_t)INT64_MAX + (n->negative ? 1 : 0), u = 0;
  if (n->whole_end - n->whole > 19) return false;
  for (const char *p = n->whole; p < n->whole_end; p++) u = u * 10 + (uint64_t)(*p - '0');
  if (u > limit) return false;
  *out = n->negative ? (int64_t)(0 - u) : (int64_t)u;
  return true;
}

/*
** Correctly rounded: strtod(), in a form in which no locale has a say.
*/
enum { DIGITS_MAX = 780 };       /* no double needs more than 768 to be told from its neighbour */

typedef struct digits {
  char text[DIGITS_MAX + 32];
  size_t n;
  int64_t dropped;               /* digits that count but are not in text */
  bool inexact;                  /* one of those is not zero */
} digits;

/* Leading zeros do not count, and behind DIGITS_MAX only whether one is not zero. */
static void digits_append(digits *d, const char *p, const char *end) {
  while (d->n == 0 && p < end && *p == '0') p++;
  for (; p < end; p++) {
    if (d->n < DIGITS_MAX) {
      d->text[d->n++] = *p;
    } else {
      d->dropped++;
      d->inexact |= *p != '0';
    }
  }
}

static int clamp_exponent(int64_t e) {
  return (int)(e > 99999 ? 99999 : e < -99999 ? -99999 : e);
}

/* Digits and a power of ten that are both exact as doubles: one division rounds once (W. Clinger,
** 1990).  False: it is another number. */
static bool exact_real(const number *n, double *out) {
  enum { DIGITS = 15 };
  static const double powers[DIGITS + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                            1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  int64_t whole = n->whole_end - n->whole, fraction = n->fraction_end - n->fraction;
  uint64_t u = 0;
  if (FLT_EVAL_METHOD != 0 || n->exponent != 0 || whole + fraction > DIGITS) return false;
  for (const char *p = n->whole; p < n->whole_end; p++) u = u * 10 + (uint64_t)(*p - '0');
  for (const char *p = n->fraction; p < n->fraction_end; p++) u = u * 10 + (uint64_t)(*p - '0');
  *out = (double)u / powers[fraction];
  return true;
}

double number_real(const number *n) {
  digits d = {.n = 0};
  double exact;
  if (exact_real(n, &exact)) return n->negative ? -exact : exact;
  digits_append(&d, n->whole, n->whole_end);
  digits_append(&d, n->fraction, n->fraction_end);
  int64_t e = n->exponent - (n->fraction_end - n->fraction) + d.dropped;
  if (d.n == 0) d.text[d.n++] = '0';
  if (d.inexact) {
    d.text[d.n++] = '1';
    e--;
  }
  snprintf(d.text + d.n, sizeof d.text - d.n, "e%d", clamp_exponent(e));
  double r = strtod(d.text, NULL);
  return n->negative ? -r : r;
}

/*
** SQLite's own ways.  Each starts from as many digits as fit an integer and a
** power of ten; digits beyond are cut off.
*/
typedef struct scaled {
  uint64_t significand;
  int exponent;
} scaled;

static scaled scale(const number *n, uint64_t limit) {
  uint64_t s = 0;
  int64_t e = n->exponent;
  for (const char *p = n->whole; p < n->whole_end; p++) {
    if (s >= limit) e++;
    else s = s * 10 + (uint64_t)(*p - '0');
  }
  for (const char *p = n->fraction; p < n->fraction_end && s < limit; p++) {
    s = s * 10 + (uint64_t)(*p - '0');
    e--;
  }
  return (scaled){s, clamp_exponent(e)};
}

/* Moves powers of ten from the exponent into the significand as far as they fit, or out of it. */
static void balance(scaled *x, uint64_t limit) {
  while (x->exponent > 0 && x->significand < limit) {
    x->significand *= 10;
    x->exponent--;
  }
  while (x->exponent < 0 && x->significand % 10 == 0) {
    x->significand /= 10;
    x->exponent++;
  }
}

static long double power_of_ten(int e) {
  long double power = 10, result = 1;
  for (;; power *= power) {
    if (e & 1) result *= power;
    e >>= 1;
    if (e == 0) return result;
  }
}

/* Up to 3.42: one multiplication or division in long double, then rounded again to double. */
static double read_divided(scaled x) {
  int e = abs(x.exponent);
  long double s = (long double)(int64_t)x.significand;
  if (e == 0) return (double)(int64_t)x.significand;
  if (e >= 342) return x.exponent < 0 ? 0.0 : (double)INFINITY;
  long double power = power_of_ten(e > 307 ? e - 308 : e);
  double r = (double)(x.exponent < 0 ? s / power : s * power);
  if (e <= 307) return r;
  return x.exponent < 0 ? r / 1e308 : r * 1e308;
}

/* 3.43 to 3.46, where long double is wider than double: by steps of 100, 10 and 1. */
static double read_multiplied(scaled x) {
  static const struct { int step; long double up, down; } steps[] = {
      {100, 1.0e+100L, 1.0e-100L}, {10, 1.0e+10L, 1.0e-10L}, {1, 1.0e+01L, 1.0e-01L}};
  long double r = (long double)x.significand;
  int e = x.exponent;
  for (int i = 0; i < 3; i++) {
    for (; e >= steps[i].step; e -= steps[i].step) r *= steps[i].up;
    for (; e <= -steps[i].step; e += steps[i].step) r *= steps[i].down;
  }
  return r > (long double)DBL_MAX ? (double)INFINITY : (double)r;
}

/* The upper half of a double's digits. */
static double upper_half(double d) {
  uint64_t bits;
  memcpy(&bits, &d, sizeof bits);
  bits &= UINT64_C(0xfffffffffc000000);
  memcpy(&d, &bits, sizeof d);
  return d;
}

/* Dekker's product: X (a sum of two doubles) times Y + LOW.  Volatile, so that no compiler
** fuses or reorders what must be rounded one by one. */
static void multiply_pair(double x[2], double y, double low) {
  volatile double x_high = upper_half(x[0]), y_high = upper_half(y);
  volatile double x_low = x[0] - x_high, y_low = y - y_high;
  volatile double p = x_high * y_high, a = x_high * y_low, b = x_low * y_high, q = a + b;
  volatile double c = p + q, d = p - c, rest = x_low * y_low;
  d = d + q;
  d = d + rest;
  a = x[0] * low;
  b = x[1] * y;
  a = a + b;
  d = a + d;
  volatile double high = c + d, tail = c - high;
  x[0] = high;
  x[1] = tail + d;
}

/* 3.47 to 3.51, and from 3.43 where long double is double: pairs of doubles. */
static double read_paired(scaled x) {
  /* what 10^step and 10^-step lack as doubles */
  static const struct { int step; double up, up_low, down, down_low; } steps[] = {
      {100, 1.0e+100, -1.5902891109759918046e+83, 1.0e-100, -1.99918998026028836196e-117},
      {10, 1.0e+10, 0.0, 1.0e-10, -3.6432197315497741579e-27},
      {1, 1.0e+01, 0.0, 1.0e-01, -5.5511151231257827021e-18}};
  uint64_t s = x.significand;
  double pair[2] = {(double)s, 0};
  uint64_t back = pair[0] >= 0x1p64 ? UINT64_MAX : (uint64_t)pair[0];
  pair[1] = s >= back ? (double)(s - back) : -(double)(back - s);
  int e = x.exponent;
  for (int i = 0; i < 3; i++) {
    for (; e >= steps[i].step; e -= steps[i].step)
      multiply_pair(pair, steps[i].up, steps[i].up_low);
    for (; e <= -steps[i].step; e += steps[i].step)
      multiply_pair(pair, steps[i].down, steps[i].down_low);
  }
  double r = pair[0] + pair[1];
  return isnan(r) ? (double)INFINITY : r;
}

/* From 3.52 on: the nearest double to the digits that were kept. */
static double read_nearest(scaled x) {
  char text[48];
  snprintf(text, sizeof text, "%llue%d", (unsigned long long)x.significand, x.exponent);
  return strtod(text, NULL);
}

#define SIGNED_LIMIT   ((uint64_t)(INT64_MAX - 9) / 10)
#define UNSIGNED_LIMIT ((UINT64_MAX - 9) / 10)

/* As SQLite decides it, when it starts. */
enum { LONG_IS_WIDER = LDBL_MANT_DIG > DBL_MANT_DIG };

static const struct reading {
  int since;                     /* SQLite's version */
  uint64_t digits_limit;         /* of scale() */
  uint64_t balance_limit;        /* of balance() */
  double (*read)(scaled x);
} readings[] = {
    {3052000, UNSIGNED_LIMIT, UINT64_MAX / 10, read_nearest},
    {3047000, UNSIGNED_LIMIT, (UINT64_MAX - 0x7ff) / 10, read_paired},
    {3043000, UNSIGNED_LIMIT, UINT64_MAX / 10, LONG_IS_WIDER ? read_multiplied : read_paired},
    {0, SIGNED_LIMIT, INT64_MAX / 10, read_divided}};

static const struct reading *reading_of(int version) {
  const struct reading *reading = readings;
  while (version < reading->since) reading++;
  return reading;
}

static double read_scaled(scaled x, const struct reading *reading) {
  if (FLT_EVAL_METHOD == 0 && x.significand <= UINT64_C(1) << 53 && x.exponent <= 0 &&
      x.exponent >= -2) {
    /* Prices: so few decimals lie far enough from the middle of two doubles that every way
    ** finds the nearest one, as this single division does. */
    static const double powers[] = {1, 10, 100};
    return (double)x.significand / powers[-x.exponent];
  }
  if (x.significand == 0) return 0;
  balance(&x, reading->balance_limit);
  return reading->read(x);
}

double number_sqlite_real(const number *n, int version) {
  const struct reading *reading = reading_of(version);
  double r = read_scaled(scale(n, reading->digits_limit), reading);
  return n->negative ? -r : r;
}

double number_sqlite_scaled(uint64_t significand, int exponent, int version) {
  return read_scaled((scaled){significand, exponent}, reading_of(version));
}
