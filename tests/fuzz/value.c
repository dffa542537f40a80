/*
** value.c - numbers, times and UTF-8 from text, beside SQLite itself.
**
** Invariants: text becomes the value that a NUMERIC column of the SQLite that
** runs makes of it; a real's text reads back as the same real; bytes that
** become different values were different; a date is one that SQLite does not
** move to another day.
*/
#include "vtab/value.h"

#include <math.h>

#include "tests/fuzz/fuzz.h"
#include "vtab/sqlite.h"

static sqlite3 *db;
static sqlite3_stmt *store, *same_day;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  MUST(sqlite3_open(":memory:", &db) == SQLITE_OK);
  MUST(sqlite3_exec(db, "CREATE TABLE t(x NUMERIC); INSERT INTO t VALUES (0)", 0, 0, 0) == 0);
  MUST(sqlite3_prepare_v2(db, "UPDATE t SET x = ?1 RETURNING x", -1, &store, NULL) == 0);
  MUST(sqlite3_prepare_v2(db, "SELECT strftime('%Y-%m-%d', ?1) = ?1", -1, &same_day, NULL) == 0);
  return 0;
}

/* Whether V is what SQLite's column holds of TEXT. */
static bool is_what_sqlite_holds(const value *v, const char *text, size_t length) {
  bool same = false;
  sqlite3_bind_text(store, 1, text, (int)length, SQLITE_STATIC);
  MUST(sqlite3_step(store) == SQLITE_ROW);
  switch (sqlite3_column_type(store, 0)) {
    case SQLITE_INTEGER:
      same = v->storage == STORAGE_INTEGER && v->integer == sqlite3_column_int64(store, 0);
      break;
    case SQLITE_FLOAT:
      same = v->storage == STORAGE_REAL && v->real == sqlite3_column_double(store, 0);
      break;
    default: same = v->storage == STORAGE_TEXT;
  }
  sqlite3_reset(store);
  return same;
}

static void check_numbers(const char *text, size_t length) {
  value v = {.storage = STORAGE_TEXT, .bytes = text, .length = length};
  bool number = value_apply_numeric(&v);
  MUST(number == (v.storage != STORAGE_TEXT));
  MUST(is_what_sqlite_holds(&v, text, length));
  double real;
  if (value_parse_real(text, length, &real) && isfinite(real)) {
    value decimal = value_from_decimal(text, length);
    MUST(number && value_is_same(&decimal, &v));
  }
  char digits[24];
  v = value_from_digits(text, length);
  if (v.storage == STORAGE_INTEGER) {
    MUST((size_t)snprintf(digits, sizeof digits, "%lld", (long long)v.integer) == length);
    MUST(memcmp(digits, text, length) == 0);
  } else {
    must_be_value(&v);
    MUST(v.length == length);
  }
}

static void check_reals(const uint8_t *bytes) {
  double real, back;
  char text[32];
  memcpy(&real, bytes, sizeof real);
  if (real != real) return;
  size_t length = value_format_real(real, text);
  MUST(length < sizeof text && value_parse_real(text, length, &back) && back == real);
  length = value_format_decimal(real, text);
  MUST(length < sizeof text);
  value v = value_from_decimal(text, length);
  if (isfinite(real)) {
    /* SQLite itself may have no text for it. */
    bool found = (v.storage == STORAGE_REAL ? v.real : (double)v.integer) == real;
    MUST(found || (value_parse_real(text, length, &back) && back == real));
  }
}

/* DIGITS * 10^-SCALE, and the same as text. */
static void check_scaled(const uint8_t *bytes) {
  uint64_t digits;
  char text[80];
  memcpy(&digits, bytes, sizeof digits);
  digits %= UINT64_C(100000000000000000);
  int scale = bytes[8] % 41;
  bool negative = bytes[8] & 0x80;
  value v = value_from_scaled(digits, scale, negative);
  int n = snprintf(text, sizeof text, "%s%0*llu", negative ? "-" : "", scale + 1,
                   (unsigned long long)digits);
  if (scale) {
    memmove(text + n - scale + 1, text + n - scale, (size_t)scale);
    text[n - scale] = '.';
    n++;
  }
  MUST(is_what_sqlite_holds(&v, text, (size_t)n));
}

static void check_times(const char *text, size_t length) {
  if (value_parse_time(text, length) == VALUE_TIME_NONE) return;
  sqlite3_bind_text(same_day, 1, text, 10, SQLITE_STATIC);
  MUST(sqlite3_step(same_day) == SQLITE_ROW && sqlite3_column_int(same_day, 0) == 1);
  sqlite3_reset(same_day);
}

/* Code points, by the definition: shortest form, no surrogate, up to U+10FFFF. */
static bool is_utf8(const uint8_t *p, size_t length) {
  for (size_t i = 0; i < length;) {
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    int more = p[i] < 0x80        ? 0
               : p[i] >> 5 == 6   ? 1
               : p[i] >> 4 == 14  ? 2
               : p[i] >> 3 == 30  ? 3
                                  : -1;
    if (more < 0 || (size_t)more >= length - i) return false;
    uint32_t point = more ? p[i] & (0x3Fu >> more) : p[i];
    for (int k = 1; k <= more; k++) {
      if (p[i + (size_t)k] >> 6 != 2) return false;
      point = point << 6 | (p[i + (size_t)k] & 0x3F);
    }
    bool surrogate = point >= 0xD800 && point < 0xE000;
    if (point < least[more] || point > 0x10FFFF || surrogate) return false;
    i += (size_t)more + 1;
  }
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  const char *text = (const char *)bytes;
  if (length >= 8) check_reals(bytes);
  if (length >= 9) check_scaled(bytes);
  MUST(value_is_utf8(text, length) == is_utf8(bytes, length));
  if (is_utf8(bytes, length)) check_numbers(text, length);
  check_times(text, length);
  value v = value_from_bytes(text, length);
  must_be_value(&v);
  MUST(value_hash(&v, 1) == value_hash(&v, 1));
  return 0;
}
