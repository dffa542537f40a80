/*
** value.c - values and types: names, affinities, numbers, times, UTF-8.
**
** Guarantees that a text is a number exactly when SQLite's NUMERIC affinity
** says so, and the same one, as the SQLite that runs reads it (number.c).
** Invariants: no allocation, no state.  No locale has a say: of printf()'s
** output only the digits are used.
*/
#include "vtab/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/number.h"
#include "vtab/sqlite.h"

static const struct {
  const char *name;
  affinity affinity;
} classes[CLASS_COUNT] = {
#define X(symbol, class_name, class_affinity) [symbol] = {class_name, class_affinity},
  TYPE_CLASSES(X)
#undef X
};

bool value_is_same(const value *a, const value *b) {
  if (a->storage != b->storage) return false;
  switch (a->storage) {
    case STORAGE_NULL: return true;
    case STORAGE_INTEGER: return a->integer == b->integer;
    case STORAGE_REAL: return a->real == b->real;
    case STORAGE_LIST:
      if (a->n_list != b->n_list) return false;
      for (size_t i = 0; i < a->n_list; i++) {
        if (!value_is_same(&a->list[i], &b->list[i])) return false;
      }
      return true;
    default:
      return a->length == b->length &&
             (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
  }
}

const char *value_class_name(type_class klass) {
  return (unsigned)klass < CLASS_COUNT ? classes[klass].name : "unknown";
}

affinity value_class_affinity(type_class klass) {
  return (unsigned)klass < CLASS_COUNT ? classes[klass].affinity : AFFINITY_BLOB;
}

const char *value_storage_name(storage s) {
  static const char *const names[] = {"null", "integer", "real", "text", "blob", "list"};
  return (unsigned)s < sizeof names / sizeof *names ? names[s] : "unknown";
}

size_t value_utf8_character(const char *bytes, size_t length) {
  const unsigned char *p = (const unsigned char *)bytes;
  if (length == 0) return 0;
  if (p[0] < 0x80) return 1;
  if (length < 2 || p[0] < 0xC2 || p[0] > 0xF4) return 0;
  if (p[0] < 0xE0) return p[1] >> 6 == 2 ? 2 : 0;
  /* The second byte's range keeps out overlong forms, surrogates and what lies beyond U+10FFFF. */
  unsigned char low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
  unsigned char high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
  size_t n = p[0] < 0xF0 ? 3 : 4;
  if (length < n || p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < n; i++)
    if (p[i] >> 6 != 2) return 0;
  return n;
}

bool value_is_utf8(const char *bytes, size_t length) {
  size_t i = 0;
  while (i < length) {
    uint64_t word;
    /* Most text is ASCII: eight bytes at a time. */
    if (length - i >= sizeof word) {
      memcpy(&word, bytes + i, sizeof word);
      if ((word & UINT64_C(0x8080808080808080)) == 0) {
        i += sizeof word;
        continue;
      }
    }
    size_t n = value_utf8_character(bytes + i, length - i);
    if (n == 0) return false;
    i += n;
  }
  return true;
}

/*
** Numbers
*/

/* sqlite3Isspace() */
static bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What a NUMERIC column holds of a number: sqlite3's applyNumericAffinity()
** and sqlite3VdbeIntegerAffinity().  Digits alone are an INTEGER when they fit;
** any other number is one if its REAL is whole and strictly between the ends
** of the range. */
static value real_value(double r) {
  if (r > -0x1p63 && r < 0x1p63 && (double)(int64_t)r == r) {
    return (value){.storage = STORAGE_INTEGER, .integer = (int64_t)r};
  }
  return (value){.storage = STORAGE_REAL, .real = r};
}

static value number_value(const number *n) {
  value v = {.storage = STORAGE_INTEGER};
  if (n->integral && number_integer(n, &v.integer)) return v;
  return real_value(number_sqlite_real(n, sqlite_version()));
}

/* SQLite from 3.53 on reads no further than to a NUL; before, '5' with one
** behind it was no number. */
static size_t read_length(const value *v) {
  enum { STOPS_AT_NUL = 3053000 };
  const char *nul = v->length ? memchr(v->bytes, 0, v->length) : NULL;
  return nul && sqlite_version() >= STOPS_AT_NUL ? (size_t)(nul - v->bytes) : v->length;
}

bool value_apply_numeric(value *v) {
  number n;
  if (v->storage != STORAGE_TEXT) return false;
  const char *p = v->bytes, *end = v->bytes + read_length(v);
  while (p < end && is_space(*p)) p++;
  while (p < end && is_space(end[-1])) end--;
  if (!number_scan(p, (size_t)(end - p), &n)) return false;
  *v = number_value(&n);
  return true;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

value value_from_bytes(const char *bytes, size_t length) {
  storage s = value_is_utf8(bytes, length) ? STORAGE_TEXT : STORAGE_BLOB;
  return (value){.storage = s, .bytes = bytes, .length = length};
}

/* No sign but '-', no zero before other digits, within the range. */
static bool is_canonical_integer(const char *bytes, size_t length, int64_t *out) {
  bool negative = length > 0 && bytes[0] == '-';
  size_t n = length - negative;
  const char *digits = bytes + negative;
  if (n < 1 || n > 19 || (digits[0] == '0' && (n > 1 || negative))) return false;
  uint64_t magnitude = 0;
  for (size_t i = 0; i < n; i++) {
    if (!is_digit(digits[i])) return false;
    magnitude = magnitude * 10 + (uint64_t)(digits[i] - '0');
  }
  if (magnitude > (uint64_t)INT64_MAX + negative) return false;
  *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
  return true;
}

value value_from_digits(const char *bytes, size_t length) {
  value v = {.storage = STORAGE_INTEGER};
  if (is_canonical_integer(bytes, length, &v.integer)) return v;
  v = value_from_bytes(bytes, length);
  value read = v;
  if (value_apply_numeric(&read)) v.storage = STORAGE_BLOB;
  return v;
}

static bool is_word(const char *text, size_t length, const char *word) {
  return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* The infinities as PostgreSQL and value_format_real() spell them. */
static bool scan_infinity(const char *text, size_t length, double *out) {
  if (is_word(text, length, "Infinity")) *out = (double)INFINITY;
  else if (is_word(text, length, "-Infinity")) *out = -(double)INFINITY;
  else return false;
  return true;
}

value value_from_decimal(const char *text, size_t length) {
  number n;
  value v = {.storage = STORAGE_TEXT, .bytes = text, .length = length};
  if (number_scan(text, length, &n)) return number_value(&n);
  if (is_word(text, length, "NaN")) return (value){.storage = STORAGE_NULL};
  if (scan_infinity(text, length, &v.real)) v.storage = STORAGE_REAL;
  return v;
}

value value_from_scaled(uint64_t digits, int scale, bool negative) {
  if (scale == 0) {
    int64_t whole = (int64_t)digits;
    return (value){.storage = STORAGE_INTEGER, .integer = negative ? -whole : whole};
  }
  while (scale > 0 && digits % 10 == 0) digits /= 10, scale--;
  double r = number_sqlite_scaled(digits, -scale, sqlite_version());
  return real_value(negative ? -r : r);
}

bool value_parse_real(const char *text, size_t length, double *out) {
  number n;
  if (!number_scan(text, length, &n)) return scan_infinity(text, length, out);
  *out = number_real(&n);
  return true;
}

/* The digits and the decimal exponent of REAL at PRECISION digits, taken out
** of printf's %e whatever the locale's point is; trailing zeros removed. */
static int decimal_digits(double real, int precision, char *out, int *exponent) {
  char text[64];
  int n = 0;
  snprintf(text, sizeof text, "%.*e", precision - 1, real);
  char *e = strrchr(text, 'e');
  for (char *p = text; p < e; p++)
    if (is_digit(*p)) out[n++] = *p;
  while (n > 1 && out[n - 1] == '0') n--;
  out[n] = 0;
  *exponent = atoi(e + 1);
  return n;
}

/* What %.<precision>g writes in the C locale. */
static size_t format_general(double real, int precision, char *out) {
  char text[32];
  int exponent, n = decimal_digits(real, precision, text, &exponent);
  const char *sign = signbit(real) ? "-" : "";
  if (exponent < -4 || exponent >= precision)
    return (size_t)sprintf(out, "%s%c%s%se%c%02d", sign, text[0], n > 1 ? "." : "", text + 1,
                           exponent < 0 ? '-' : '+', abs(exponent));
  if (exponent < 0) return (size_t)sprintf(out, "%s0.%.*s%s", sign, -exponent - 1, "000", text);
  if (n <= exponent + 1)
    return (size_t)sprintf(out, "%s%s%.*s", sign, text, exponent + 1 - n, "00000000000000000");
  return (size_t)sprintf(out, "%s%.*s.%s", sign, exponent + 1, text, text + exponent + 1);
}

size_t value_format_integer(int64_t integer, char *out) {
  uint64_t n = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
  char digits[20], *first = digits + sizeof digits;
  do *--first = (char)('0' + n % 10); while (n /= 10);
  size_t length = (size_t)(digits + sizeof digits - first), sign = integer < 0;
  if (sign) *out = '-';
  memcpy(out + sign, first, length);
  out[sign + length] = 0;
  return sign + length;
}

size_t value_format_real(double real, char *out) {
  size_t length = 0;
  if (isinf(real)) return (size_t)sprintf(out, "%sInfinity", real < 0 ? "-" : "");
  if (isnan(real)) return (size_t)sprintf(out, "NaN");
  for (int precision = 15; precision <= 17; precision++) {
    double back;
    length = format_general(real, precision, out);
    if (value_parse_real(out, length, &back) && back == real) break;
  }
  return length;
}

size_t value_format_decimal(double real, char *out) {
  for (int precision = 15; precision <= 17 && isfinite(real); precision++) {
    size_t length = format_general(real, precision, out);
    value v = value_from_decimal(out, length);
    if ((v.storage == STORAGE_REAL ? v.real : (double)v.integer) == real) return length;
  }
  return value_format_real(real, out);
}

/*
** Dates and times
*/
static char *put_two(char *out, int n) {
  out[0] = (char)('0' + n / 10);
  out[1] = (char)('0' + n % 10);
  return out + 2;
}

static bool in_range(int64_t n, int64_t limit) {
  return n >= 0 && n < limit;
}

enum { TIME_ROOM = 48 };         /* what the callers' buffers hold */

size_t value_format_date(int64_t year, int month, int day, char *out) {
  if (in_range(year, 10000) && in_range(month, 100) && in_range(day, 100)) {
    char *p = put_two(put_two(out, (int)year / 100), (int)year % 100);
    *p++ = '-';
    p = put_two(p, month);
    *p++ = '-';
    p = put_two(p, day);
    *p = 0;
    return (size_t)(p - out);
  }
  return (size_t)snprintf(out, TIME_ROOM, "%04lld-%02d-%02d", (long long)year, month, day);
}

/* ".5" for 500000; nothing for 0. */
static size_t put_fraction(int micros, char *out) {
  size_t n = 0;
  if (micros <= 0 || micros > 999999) return 0;
  out[n++] = '.';
  for (int unit = 100000; micros; unit /= 10) {
    out[n++] = (char)('0' + micros / unit);
    micros %= unit;
  }
  out[n] = 0;
  return n;
}

size_t value_format_clock(int64_t hours, int minutes, int seconds, int micros, char *out) {
  size_t n;
  if (in_range(hours, 100) && in_range(minutes, 100) && in_range(seconds, 100)) {
    char *p = put_two(out, (int)hours);
    *p++ = ':';
    p = put_two(p, minutes);
    *p++ = ':';
    p = put_two(p, seconds);
    *p = 0;
    n = (size_t)(p - out);
  } else {
    n = (size_t)snprintf(out, TIME_ROOM - 8, "%02lld:%02d:%02d", (long long)hours, minutes % 100,
                         seconds % 100);
  }
  return n + put_fraction(micros, out + n);
}

/* The number of N digits at P; -1 if they are not all digits. */
static int read_digits(const char *p, int n) {
  int result = 0;
  for (; n; n--, p++) {
    if (!is_digit(*p)) return -1;
    result = result * 10 + (*p - '0');
  }
  return result;
}

static bool is_date(const char *p) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int year = read_digits(p, 4), month = read_digits(p + 5, 2), day = read_digits(p + 8, 2);
  if (p[4] != '-' || p[7] != '-' || year < 1 || month < 1 || month > 12 || day < 1) return false;
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day <= days[month - 1] + (leap && month == 2);
}

/* " HH:MM:SS" and, if there is more, ".f" */
static bool is_clock(const char *p, size_t length) {
  if (length < 9 || p[0] != ' ' || p[3] != ':' || p[6] != ':') return false;
  int hour = read_digits(p + 1, 2), minute = read_digits(p + 4, 2), second = read_digits(p + 7, 2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return false;
  if (length == 9) return true;
  if (p[9] != '.' || length < 11 || length > 16) return false;
  return read_digits(p + 10, (int)length - 10) >= 0 && p[length - 1] != '0';
}

value_time value_parse_time(const char *text, size_t length) {
  if (length < 10 || !is_date(text)) return VALUE_TIME_NONE;
  if (length == 10) return VALUE_TIME_DATE;
  return is_clock(text + 10, length - 10) ? VALUE_TIME_STAMP : VALUE_TIME_NONE;
}

/* The finalizer of splitmix64 (S. Vigna): every bit of X decides every bit of the result. */
static uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static uint64_t add_word(uint64_t hash, uint64_t word) {
  return mixed(hash + UINT64_C(0x9e3779b97f4a7c15) + mixed(word));
}

uint64_t value_hash(const value *v, uint64_t seed) {
  uint64_t hash = add_word(seed, (uint64_t)v->storage), word = 0;
  if (v->storage == STORAGE_INTEGER) return add_word(hash, (uint64_t)v->integer);
  if (v->storage == STORAGE_REAL) {
    memcpy(&word, &v->real, sizeof(word));
    return add_word(hash, word);
  }
  if (v->storage != STORAGE_TEXT && v->storage != STORAGE_BLOB) return hash;
  hash = add_word(hash, v->length);
  for (size_t at = 0; at < v->length; at += sizeof(word)) {
    size_t n = v->length - at < sizeof(word) ? v->length - at : sizeof(word);
    word = 0;
    memcpy(&word, v->bytes + at, n);
    hash = add_word(hash, word);
  }
  return hash;
}
