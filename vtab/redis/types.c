/*
** types.c - bytes to values: Redis has nothing else.
**
** A field that was inferred to be a number shows the values whose text is the
** one that SQLite would write for that number; every other value is what its
** bytes are.  So the text of each value can be told from the value, and no
** comparison is with something else than what is stored.
*/
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "vtab/redis/redis_driver.h"

const char *redis_type_of(redis_table t) {
  static const char *const names[TABLE_COUNT] = {
    [TABLE_STRINGS] = "string", [TABLE_HASHES] = "hash", [TABLE_LISTS] = "list",
    [TABLE_SETS] = "set",       [TABLE_ZSETS] = "zset",  [TABLE_STREAMS] = "stream",
    [TABLE_FAMILY] = "hash",
  };
  return names[t];
}

static size_t count_digits(const char *p, const char *end) {
  size_t n = 0;
  while (p + n < end && p[n] >= '0' && p[n] <= '9') n++;
  return n;
}

/* Digits, a point, digits: at most 15 that count, none too many, and no need of an exponent. */
static bool is_canonical_real(const char *bytes, size_t length) {
  enum { DIGITS = 15, ZEROS = 3 };
  const char *p = bytes, *end = bytes + length;
  if (p < end && *p == '-') p++;
  size_t whole = count_digits(p, end);
  const char *fraction = p + whole + 1;
  if (whole == 0 || fraction >= end || fraction[-1] != '.' || (*p == '0' && whole > 1))
    return false;
  size_t n = count_digits(fraction, end);
  if (fraction + n != end || (end[-1] == '0' && n > 1)) return false;
  if (*p != '0') return whole + n <= DIGITS;
  size_t zeros = strspn(fraction, "0") < n ? strspn(fraction, "0") : n;
  return n - zeros <= DIGITS && zeros <= ZEROS && (zeros < n || *bytes != '-');
}

/* The form is looked at before the number is worked out, so that is done once. */
static value decode_number(const char *bytes, size_t length) {
  enum { LONGEST = 24 };
  char text[LONGEST + 1];
  value v = {.storage = STORAGE_REAL};
  if (length <= LONGEST) {
    memcpy(text, bytes, length);
    text[length] = 0;
    if (is_canonical_real(text, length) && value_parse_real(text, length, &v.real)) return v;
  }
  v = value_from_digits(bytes, length);
  return v.storage == STORAGE_INTEGER ? v : value_from_bytes(bytes, length);
}

value redis_decode(redis_decoding d, const char *bytes, size_t length) {
  if (d == DECODE_NUMBER) return decode_number(bytes, length);
  return d == DECODE_DIGITS ? value_from_digits(bytes, length) : value_from_bytes(bytes, length);
}

bool redis_parse_score(const char *text, size_t length, double *out) {
  if (length >= 3 && strncmp(text + length - 3, "inf", 3) == 0) {
    *out = *text == '-' ? -INFINITY : INFINITY;
    return length == 3 || (length == 4 && (*text == '-' || *text == '+'));
  }
  return value_parse_real(text, length, out);
}

bool redis_parse_cursor(const char *text, size_t length, char out[REDIS_CURSOR]) {
  bool ok = length > 0 && length < REDIS_CURSOR && count_digits(text, text + length) == length;
  if (ok) memcpy(out, text, length);
  out[ok ? length : 0] = 0;
  return ok;
}

size_t redis_print_score(double score, char *out) {
  if (isinf(score)) {
    memcpy(out, score < 0 ? "-inf" : "+inf", 5);
    return 4;
  }
  return value_format_real(score, out);
}
