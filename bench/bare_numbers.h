/*
** bare_numbers.h - PostgreSQL's binary numbers, as the benchmark's peers read them.
**
** The product has its own reader (vtab/postgres/types.c), which trusts nothing: a peer by hand
** would not check.
*/
#ifndef BENCH_BARE_NUMBERS_H
#define BENCH_BARE_NUMBERS_H

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

static inline int16_t int16_at(const char *p) {
  uint16_t v;
  memcpy(&v, p, sizeof(v));
  return (int16_t)ntohs(v);
}

static inline int32_t int32_at(const char *p) {
  uint32_t v;
  memcpy(&v, p, sizeof(v));
  return (int32_t)ntohl(v);
}

/* Header of four int16 (digits, weight, sign, scale), then base-10000 digits. */
static inline double numeric_at(const char *p) {
  static const double scale[] = {1, 1e4, 1e8, 1e12, 1e16};
  int digits = int16_at(p), weight = int16_at(p + 2), fraction = 0;
  int64_t whole = 0;
  for (int i = 0; i < digits; i++) {
    whole = whole * 10000 + int16_at(p + 8 + 2 * i);
    if (i > weight) fraction++;
  }
  for (int i = digits; i <= weight; i++) whole *= 10000;
  double v = (double)whole / scale[fraction < 4 ? fraction : 4];
  return int16_at(p + 4) ? -v : v;
}

#endif
