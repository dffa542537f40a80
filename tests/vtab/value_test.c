/*
** value_test.c - a text is a number exactly when SQLite says so, and the same
** one to the last bit; doubles survive their text; canonical times are told from others.
** Budget: 20 s
*/
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vtab/suite.h"
#include "vtab/number.h"
#include "vtab/sqlite.h"
#include "vtab/value.h"

/* ck_assert_msg() without its cost when all is well: these loops are long. */
#define EXPECT(condition, ...) \
  do { \
    if (!(condition)) ck_abort_msg(__VA_ARGS__); \
  } while (0)

/* A small generator, so that every run tests the same strings. */
static uint64_t seed = 88172645463325252u;
static uint32_t pick(uint32_t n) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (uint32_t)(seed >> 32) % n;
}

/*
** A NUMERIC column of a real SQLite
*/
static sqlite3 *db;
static sqlite3_stmt *insert, *read_back, *cast;

static void open_sqlite(void) {
  ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
  sqlite3_exec(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, n NUMERIC)", NULL, NULL, NULL);
  sqlite3_prepare_v2(db, "REPLACE INTO t VALUES(1, ?1)", -1, &insert, NULL);
  sqlite3_prepare_v2(db, "SELECT n FROM t", -1, &read_back, NULL);
  sqlite3_prepare_v2(db, "SELECT typeof(CAST(?1 AS NUMERIC))", -1, &cast, NULL);
  ck_assert(insert && read_back && cast);
}

static void close_sqlite(void) {
  sqlite3_finalize(insert);
  sqlite3_finalize(read_back);
  sqlite3_finalize(cast);
  sqlite3_close(db);
}

/* What the column holds of TEXT; text results are not looked at. */
static value column_value(const char *text, size_t length) {
  static const storage storages[] = {0, STORAGE_INTEGER, STORAGE_REAL, STORAGE_TEXT, STORAGE_BLOB,
                                     STORAGE_NULL};
  sqlite3_bind_text(insert, 1, text, (int)length, SQLITE_STATIC);
  EXPECT(sqlite3_step(insert) == SQLITE_DONE, "%s", sqlite3_errmsg(db));
  sqlite3_reset(insert);
  EXPECT(sqlite3_step(read_back) == SQLITE_ROW, "%s", sqlite3_errmsg(db));
  value v = {.storage = storages[sqlite3_column_type(read_back, 0)]};
  v.integer = sqlite3_column_int64(read_back, 0);
  v.real = sqlite3_column_double(read_back, 0);
  sqlite3_reset(read_back);
  return v;
}

static const char *cast_type(const char *text, size_t length) {
  static char type[16];
  sqlite3_bind_text(cast, 1, text, (int)length, SQLITE_STATIC);
  EXPECT(sqlite3_step(cast) == SQLITE_ROW, "%s", sqlite3_errmsg(db));
  snprintf(type, sizeof type, "%s", (const char *)sqlite3_column_text(cast, 0));
  sqlite3_reset(cast);
  return type;
}

static void compare_with_column(const char *text, size_t length) {
  value mine = {.storage = STORAGE_TEXT, .bytes = text, .length = length};
  bool is_number = value_apply_numeric(&mine);
  value theirs = column_value(text, length);
  EXPECT(is_number == (theirs.storage != STORAGE_TEXT), "'%.*s' number: %d", (int)length, text,
                is_number);
  if (!is_number) return;
  EXPECT(mine.storage == theirs.storage && (mine.storage == STORAGE_INTEGER
                    ? mine.integer == theirs.integer
                    : mine.real == theirs.real),
                "'%.*s': %s %lld %.17g, in SQLite %s %lld %.17g", (int)length, text,
                value_storage_name(mine.storage), (long long)mine.integer, mine.real,
                value_storage_name(theirs.storage), (long long)theirs.integer, theirs.real);
}

START_TEST(text_is_a_number_when_a_numeric_column_says_so) {
  static const char *const texts[] = {
      "", " ", "-", "+", ".", "-.", "e", "e5", ".e5", "0", "-0", "+0", "00", "5", "5.", ".5", "-.5",
      "+.5", "5.0", "5.e3", "5e", "5e+", "5e-", "5e+0", "5E3", "5e3x", "5 ", " 5",
      "\t\n\v\f\r 5\r\n ", "5 5", "- 5", "--5", "+-5", "0x10", "0x", "1_000", "1,5", "inf", "Inf",
      "infinity", "nan", "NaN", "9223372036854775807", "9223372036854775808",
      "-9223372036854775808", "-9223372036854775809", "9223372036854775807.0",
      "-9223372036854775808.0", "9223372036854774784.0", "-9223372036854774784.0",
      "00000000000000000000000000000000009223372036854775807", "9007199254740991.0",
      "9007199254740993.0", "9007199254740993", "2251799813685247.0", "2251799813685248.0",
      "2251799813685249.5", "4503599627370497.5", "1e18", "1e19", "1e308", "1e309", "-1e309",
      "1e-400", "1e400", "5e-324", "2e-324", "1e22", "1e23", "123456789012345678", "1e15",
      "999999999999999", "99999999999999.9", "0.000000000000001", "1e-15", "0e0", "-0.0", "-0e5",
      "0.0", "12abc", "abc", "1e5e5", "1.5.5", "\u00a05", "5\u00a0", "\u0665",
      "1e99999999999999999999", "1e-99999999999999999999", "0e99999999999999999999",
      "1.0e+000000003"};
  open_sqlite();
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    compare_with_column(texts[i], strlen(texts[i]));
  compare_with_column("5\0", 2);
  compare_with_column("5\0" "5", 3);
  compare_with_column("\0" "5", 2);
  close_sqlite();
}
END_TEST

static size_t random_text(char *out) {
  static const char alphabet[] = "0123456789012345678901234567890123456789..eE+-- \t\nx\xc3";
  size_t n = pick(12);
  for (size_t i = 0; i < n; i++) out[i] = alphabet[pick(sizeof alphabet - 1)];
  return n;
}

/* [blanks] [sign] digits [. digits] [e exponent] [blanks] */
static size_t random_number(char *out, int max_digits) {
  char *p = out;
  while (pick(8) == 0) *p++ = " \t\n\r\f\v"[pick(6)];
  if (pick(3) == 0) *p++ = "+-"[pick(2)];
  int whole = (int)pick((uint32_t)max_digits + 1), fraction = 0;
  for (int i = 0; i < whole; i++) *p++ = (char)('0' + pick(10));
  if (pick(2)) {
    fraction = (int)pick((uint32_t)(max_digits - whole) + 1);
    *p++ = '.';
    bool zeros = pick(3) == 0;
    for (int i = 0; i < fraction; i++) *p++ = zeros ? '0' : (char)('0' + pick(10));
  }
  if (pick(4) == 0) p += sprintf(p, "%c%d", "eE"[pick(2)], (int)pick(pick(4) ? 30 : 320) - 15);
  while (pick(8) == 0) *p++ = " \t\n\r\f\v"[pick(6)];
  return (size_t)(p - out);
}

START_TEST(random_texts_are_numbers_as_in_a_numeric_column) {
  char text[256];
  open_sqlite();
  for (int i = 0; i < 60000; i++) compare_with_column(text, random_text(text));
  for (int i = 0; i < 20000; i++) compare_with_column(text, random_number(text, 8));
  for (int i = 0; i < 60000; i++) compare_with_column(text, random_number(text, 15));
  for (int i = 0; i < 30000; i++) compare_with_column(text, random_number(text, 25));
  for (int i = 0; i < 10000; i++) compare_with_column(text, random_number(text, 60));
  for (int i = 0; i < 100; i++) compare_with_column(text, random_number(text, 200));
  close_sqlite();
}
END_TEST

/* Seen on SQLite 3.40.1 and 3.42.0; 3.43.0, 3.44.2 and 3.46.1; 3.47.0, 3.47.2, 3.50.4 and
** 3.51.2; 3.53.0 and 3.54.1, all on x86-64. */
START_TEST(every_sqlite_is_followed_in_its_own_rounding) {
#if LDBL_MANT_DIG == 64
  static const int versions[][2] = {
      {3040001, 3042000}, {3043000, 3046001}, {3047000, 3051002}, {3053000, 3054001}};
  static const struct { const char *text; uint64_t bits[4]; } seen[] = {
      {"9.37539517",
       {0x4022c033cbb473e6, 0x4022c033cbb473e6, 0x4022c033cbb473e5, 0x4022c033cbb473e5}},
      {"8.87455629919583",
       {0x4021bfc5d7df1d20, 0x4021bfc5d7df1d20, 0x4021bfc5d7df1d1f, 0x4021bfc5d7df1d1f}},
      {"042038.258369829",
       {0x40e486c84490cdba, 0x40e486c84490cdbb, 0x40e486c84490cdba, 0x40e486c84490cdba}},
      {"-13958356.648453",
       {0xc16a9f9a94c02081, 0xc16a9f9a94c02082, 0xc16a9f9a94c02081, 0xc16a9f9a94c02081}},
      {"07262.40e-311",
       {0x002a1c733a75d6d8, 0x002a1c733a75d6d7, 0x002a1c733a75d6d6, 0x002a1c733a75d6d7}},
      {"-14331.22027e-303",
       {0x81e331eda3ab73a4, 0x81e331eda3ab73a5, 0x81e331eda3ab73a4, 0x81e331eda3ab73a5}},
      {"-566191817.7007e188",
       {0xe8c83cec2f4e80fa, 0xe8c83cec2f4e80fa, 0xe8c83cec2f4e80fb, 0xe8c83cec2f4e80fb}},
      {"4419792.37609260e290",
       {0x7d85a041493c4344, 0x7d85a041493c4344, 0x7d85a041493c4345, 0x7d85a041493c4344}},
      {"-654610.735873557063e-285",
       {0x85f7c3db9285249e, 0x85f7c3db9285249e, 0x85f7c3db9285249d, 0x85f7c3db9285249e}},
      {"430015.16524054e-119",
       {0x28652de84290d3ae, 0x28652de84290d3af, 0x28652de84290d3af, 0x28652de84290d3ae}},
      {"95460146898075275.e-314",
       {0x0243fa518615cf1e, 0x0243fa518615cf1f, 0x0243fa518615cf1d, 0x0243fa518615cf1f}}};
  for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
    number n;
    ck_assert(number_scan(seen[i].text, strlen(seen[i].text), &n));
    for (int v = 0; v < 8; v++) {
      double r = number_sqlite_real(&n, versions[v / 2][v % 2]);
      uint64_t bits;
      memcpy(&bits, &r, sizeof bits);
      EXPECT(bits == seen[i].bits[v / 2], "%s in %d: %.17g", seen[i].text, versions[v / 2][v % 2],
             r);
    }
  }
#endif
}
END_TEST

/* What a query's constant became in SQLite is sent as the decimal that stood there. */
START_TEST(a_decimal_of_15_digits_is_found_again) {
  char text[256], out[32];
  for (int i = 0; i < 100000; i++) {
    double there, sent;
    size_t n = random_number(text, 15);
    while (n && strchr("0123456789.", text[n - 1]) == NULL) n--;
    value v = value_from_decimal(text, n);
    if (v.storage != STORAGE_REAL || memchr(text, 'e', n) || memchr(text, 'E', n)) continue;
    bool read = value_parse_real(text, n, &there) &&
                value_parse_real(out, value_format_decimal(v.real, out), &sent);
    EXPECT(read && there == sent, "'%.*s' is sent as %s", (int)n, text, out);
  }
  ck_assert_uint_eq(value_format_decimal((double)INFINITY, out), 8);
}
END_TEST

START_TEST(digits_and_scale_are_the_same_as_their_text) {
  char text[128], digits[64];
  for (int i = 0; i < 100000; i++) {
    uint64_t n = (uint64_t)random() << 31 ^ (uint64_t)random();
    n %= i % 3 == 0 ? 1000 : i % 3 == 1 ? UINT64_C(10000000) : UINT64_C(100000000000000000);
    if (i % 5 == 0) n = n / 1000 * 1000;
    int scale = i % 41, length = sprintf(digits, "%0*llu", scale + 1, (unsigned long long)n);
    const char *sign = i & 1 ? "-" : "", *point = scale ? "." : "";
    sprintf(text, "%s%.*s%s%s", sign, length - scale, digits, point, digits + length - scale);
    value v = value_from_scaled(n, scale, i & 1), same = value_from_decimal(text, strlen(text));
    EXPECT(v.storage == same.storage && v.integer == same.integer &&
               memcmp(&v.real, &same.real, sizeof v.real) == 0, "%s", text);
  }
}
END_TEST

/* CAST takes prefixes as well; where the whole text is a number, the types agree for
** what is below 2^51, where CAST stops looking for whole numbers. */
START_TEST(cast_agrees_on_the_type_of_plain_numbers) {
  char text[256];
  open_sqlite();
  for (int i = 0; i < 40000; i++) {
    size_t n = random_number(text, 14);
    value v = {.storage = STORAGE_TEXT, .bytes = text, .length = n};
    if (!value_apply_numeric(&v)) continue;
    double magnitude = v.storage == STORAGE_REAL ? fabs(v.real) : fabs((double)v.integer);
    if (magnitude >= 0x1p51) continue;
    EXPECT(strcmp(cast_type(text, n), value_storage_name(v.storage)) == 0, "'%.*s': %s", (int)n,
                  text, value_storage_name(v.storage));
  }
  close_sqlite();
}
END_TEST

START_TEST(other_storages_are_left_alone) {
  value v = {.storage = STORAGE_BLOB, .bytes = "5", .length = 1};
  ck_assert(!value_apply_numeric(&v));
  ck_assert_int_eq(v.storage, STORAGE_BLOB);
  v = (value){.storage = STORAGE_TEXT, .bytes = "x", .length = 1};
  ck_assert(!value_apply_numeric(&v));
  ck_assert_str_eq(v.bytes, "x");
}
END_TEST

START_TEST(decimal_text_is_what_a_numeric_column_holds) {
  static const struct {
    const char *text;
    storage storage;
    int64_t integer;
    double real;
  } cases[] = {
      {"123.00", STORAGE_INTEGER, 123, 0}, {"-0.00", STORAGE_INTEGER, 0, 0},
      {"0.10", STORAGE_REAL, 0, 0.1}, {"9223372036854775807", STORAGE_INTEGER, INT64_MAX, 0},
      {"18446744073709551615", STORAGE_REAL, 0, 18446744073709551615.0},
      {"9007199254740993.00", STORAGE_INTEGER, 9007199254740992, 0},
      {"12345678901234567890123456789012345678", STORAGE_REAL, 0,
       12345678901234567890123456789012345678.0},
      {"NaN", STORAGE_NULL, 0, 0}, {"Infinity", STORAGE_REAL, 0, (double)INFINITY},
      {"-Infinity", STORAGE_REAL, 0, -(double)INFINITY}, {"nan", STORAGE_TEXT, 0, 0},
      {"", STORAGE_TEXT, 0, 0}, {" 5", STORAGE_TEXT, 0, 0}, {"$5.00", STORAGE_TEXT, 0, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    value v = value_from_decimal(cases[i].text, strlen(cases[i].text));
    EXPECT(v.storage == cases[i].storage, "%s: %s", cases[i].text, value_storage_name(v.storage));
    if (v.storage == STORAGE_INTEGER) ck_assert_int_eq(v.integer, cases[i].integer);
    if (v.storage == STORAGE_REAL)
      EXPECT(v.real == cases[i].real, "%s: %.17g", cases[i].text, v.real);
    if (v.storage == STORAGE_TEXT) ck_assert_ptr_eq(v.bytes, cases[i].text);
  }
}
END_TEST

/* The C library's own strtod() rounds correctly: every length of digits must agree with it. */
START_TEST(reals_of_any_length_are_correctly_rounded) {
  char text[2048];
  for (int i = 0; i < 20000; i++) {
    size_t n = random_number(text, i % 100 == 0 ? 1900 : 40);
    text[n] = 0;
    char *begin = text + strspn(text, " \t\n\v\f\r"), *end;
    begin[strcspn(begin, " \t\n\v\f\r")] = 0;
    double mine, theirs = strtod(begin, &end);
    bool whole = *begin && *end == 0;
    EXPECT(value_parse_real(begin, strlen(begin), &mine) == whole, "'%s'", begin);
    if (whole) EXPECT(memcmp(&mine, &theirs, sizeof mine) == 0, "'%s'", begin);
  }
}
END_TEST

/* Just above, on and just below the middle of two doubles, decided by the 800th digit. */
START_TEST(a_digit_far_behind_decides_the_rounding) {
  char text[1200] = "9007199254740993.";
  size_t n = strlen(text);
  double r;
  memset(text + n, '0', 1000);
  ck_assert(value_parse_real(text, n + 1000, &r));
  ck_assert(r == 9007199254740992.0);
  text[n + 999] = '1';
  ck_assert(value_parse_real(text, n + 1000, &r));
  ck_assert(r == 9007199254740994.0);
}
END_TEST

START_TEST(every_double_reads_back_from_its_text) {
  char mine[32], theirs[64];
  static const double edges[] = {0.0,
                                 -0.0,
                                 1.0,
                                 5.0,
                                 0.1,
                                 1e15,
                                 1e16,
                                 1e17,
                                 1e22,
                                 1e-4,
                                 1e-5,
                                 123456.789,
                                 4.9e-324,
                                 1.7976931348623157e308,
                                 2.2250738585072014e-308,
                                 100000.0};
  for (int i = 0; i < 100000; i++) {
    double real, back;
    uint64_t bits = (uint64_t)pick(UINT32_MAX) << 32 | pick(UINT32_MAX);
    memcpy(&real, &bits, sizeof real);
    if (i % 3 == 0) real = (double)(int64_t)(bits >> 20) / 1000.0;
    if (i < (int)(sizeof edges / sizeof *edges)) real = edges[i];
    if (isnan(real) || isinf(real)) continue;
    size_t n = value_format_real(real, mine);
    EXPECT(n == strlen(mine) && value_parse_real(mine, n, &back), "%s", mine);
    EXPECT(memcmp(&real, &back, sizeof real) == 0, "%s", mine);
    for (int p = 15; p <= 17; p++) {
      snprintf(theirs, sizeof theirs, "%.*g", p, real);
      if (strtod(theirs, NULL) == real) break;
    }
    EXPECT(strcmp(mine, theirs) == 0, "%s, not %s", mine, theirs);
  }
  ck_assert_uint_eq(value_format_real(-(double)INFINITY, mine), 9);
  ck_assert_str_eq(mine, "-Infinity");
}
END_TEST

START_TEST(a_locale_with_a_comma_changes_nothing) {
  static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
  const char *set = NULL;
  for (size_t i = 0; i < sizeof locales / sizeof *locales && !set; i++)
    set = setlocale(LC_NUMERIC, locales[i]);
  char out[32];
  double r;
  ck_assert_uint_eq(value_format_real(1234.5678901234567, out), strlen(out));
  ck_assert_str_eq(out, "1234.5678901234567");
  ck_assert(value_parse_real("1.23456789012345678901234567890", 31, &r));
  ck_assert(r == 0x1.3c0ca428c59fbp+0);
  ck_assert(!value_parse_real("1,5", 3, &r));
  if (set) setlocale(LC_NUMERIC, "C");
  else printf("# no locale with a decimal comma is installed\n");
}
END_TEST

START_TEST(dates_and_clocks_are_written_canonically) {
  char out[48];
  ck_assert_uint_eq(value_format_date(2026, 1, 5, out), 10);
  ck_assert_str_eq(out, "2026-01-05");
  value_format_date(7, 12, 31, out);
  ck_assert_str_eq(out, "0007-12-31");
  value_format_date(0, 0, 0, out);
  ck_assert_str_eq(out, "0000-00-00");
  value_format_date(294276, 1, 1, out);
  ck_assert_str_eq(out, "294276-01-01");
  ck_assert_uint_lt(value_format_date(INT64_MIN, -2147483647, -2147483647, out), 48);
  ck_assert_uint_eq(value_format_clock(7, 8, 9, 0, out), 8);
  ck_assert_str_eq(out, "07:08:09");
  ck_assert_uint_eq(value_format_clock(23, 59, 59, 500000, out), 10);
  ck_assert_str_eq(out, "23:59:59.5");
  value_format_clock(0, 0, 0, 1, out);
  ck_assert_str_eq(out, "00:00:00.000001");
  value_format_clock(838, 59, 59, 120, out);
  ck_assert_str_eq(out, "838:59:59.00012");
  ck_assert_uint_lt(value_format_clock(INT64_MIN, -2147483647, 2147483647, 999999, out), 48);
}
END_TEST

START_TEST(only_canonical_real_times_are_times) {
  static const struct { const char *text; value_time kind; } cases[] = {
      {"2026-01-31", VALUE_TIME_DATE}, {"2024-02-29", VALUE_TIME_DATE},
      {"2000-02-29", VALUE_TIME_DATE}, {"0001-01-01", VALUE_TIME_DATE},
      {"9999-12-31", VALUE_TIME_DATE}, {"2026-02-29", VALUE_TIME_NONE},
      {"1900-02-29", VALUE_TIME_NONE}, {"2026-02-30", VALUE_TIME_NONE},
      {"2026-04-31", VALUE_TIME_NONE}, {"0000-01-01", VALUE_TIME_NONE},
      {"2026-00-01", VALUE_TIME_NONE}, {"2026-13-01", VALUE_TIME_NONE},
      {"2026-01-00", VALUE_TIME_NONE}, {"2026-1-5", VALUE_TIME_NONE}, {"20260101", VALUE_TIME_NONE},
      {"2026/01/01", VALUE_TIME_NONE}, {"2026-01-01 ", VALUE_TIME_NONE},
      {" 2026-01-01", VALUE_TIME_NONE}, {"12026-01-01", VALUE_TIME_NONE},
      {"2026-01-01 00:00:00", VALUE_TIME_STAMP}, {"2026-01-01 23:59:59.9", VALUE_TIME_STAMP},
      {"2026-01-01 23:59:59.999999", VALUE_TIME_STAMP}, {"2026-01-01 23:59:59.", VALUE_TIME_NONE},
      {"2026-01-01 23:59:59.0", VALUE_TIME_NONE}, {"2026-01-01 23:59:59.10", VALUE_TIME_NONE},
      {"2026-01-01 23:59:59.1234567", VALUE_TIME_NONE}, {"2026-01-01 24:00:00", VALUE_TIME_NONE},
      {"2026-01-01 23:60:00", VALUE_TIME_NONE}, {"2026-01-01 23:59:60", VALUE_TIME_NONE},
      {"2026-01-01T23:59:59", VALUE_TIME_NONE}, {"2026-01-01 23:59", VALUE_TIME_NONE},
      {"2026-01-01 23:59:59+00", VALUE_TIME_NONE}, {"2026-01-01 23:59:59Z", VALUE_TIME_NONE},
      {"2026-01-01 2a:59:59", VALUE_TIME_NONE}, {"infinity", VALUE_TIME_NONE},
      {"", VALUE_TIME_NONE}, {"2026-02-30 10:00:00", VALUE_TIME_NONE}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    EXPECT(value_parse_time(cases[i].text, strlen(cases[i].text)) == cases[i].kind, "%s",
                  cases[i].text);
}
END_TEST

/* All of Unicode, and every two bytes that are not a character. */
START_TEST(utf8_is_strict) {
  for (uint32_t c = 0; c < 0x110000; c++) {
    char s[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 0;) s[i] = (char)(0x80 | (c >> 6 * (n - 1 - i) & 0x3F));
    if (n == 1) s[0] = (char)c;
    else s[0] = (char)((0xF00 >> n & 0xFF) | c >> 6 * (n - 1));
    bool surrogate = c >= 0xD800 && c < 0xE000;
    EXPECT(value_is_utf8(s, n) == !surrogate, "U+%04X", c);
    EXPECT(value_utf8_character(s, n - 1) == 0, "U+%04X", c);
  }
  static const char *const bad[] = {
      "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",
      "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3", "\xc3(",
      "\xe2\x82", "\xf0\x9f\x98"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char text[32];
    for (int before = 0; before < 20; before++) {
      int n = snprintf(text, sizeof text, "%.*s%s", before, "aaaaaaaaaaaaaaaaaaaa", bad[i]);
      EXPECT(!value_is_utf8(text, (size_t)n), "%d %zu", before, i);
    }
  }
}
END_TEST

START_TEST(every_class_has_a_name_and_an_affinity) {
  ck_assert_str_eq(value_class_name(CLASS_TIMESTAMPTZ), "timestamptz");
  ck_assert_int_eq(value_class_affinity(CLASS_DECIMAL), AFFINITY_NUMERIC);
  for (int c = 0; c < CLASS_COUNT; c++) ck_assert_ptr_nonnull(value_class_name((type_class)c));
  ck_assert_str_eq(value_storage_name(STORAGE_LIST), "list");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("value");
  TCase *numbers = tcase_create("numbers"), *times = tcase_create("times"),
        *names = tcase_create("names");
  tcase_set_timeout(numbers, 60);
  tcase_set_timeout(names, 60);
  tcase_add_test(numbers, text_is_a_number_when_a_numeric_column_says_so);
  tcase_add_test(numbers, random_texts_are_numbers_as_in_a_numeric_column);
  tcase_add_test(numbers, every_sqlite_is_followed_in_its_own_rounding);
  tcase_add_test(numbers, a_decimal_of_15_digits_is_found_again);
  tcase_add_test(numbers, digits_and_scale_are_the_same_as_their_text);
  tcase_add_test(numbers, cast_agrees_on_the_type_of_plain_numbers);
  tcase_add_test(numbers, other_storages_are_left_alone);
  tcase_add_test(numbers, decimal_text_is_what_a_numeric_column_holds);
  tcase_add_test(numbers, reals_of_any_length_are_correctly_rounded);
  tcase_add_test(numbers, a_digit_far_behind_decides_the_rounding);
  tcase_add_test(numbers, every_double_reads_back_from_its_text);
  tcase_add_test(numbers, a_locale_with_a_comma_changes_nothing);
  tcase_add_test(times, dates_and_clocks_are_written_canonically);
  tcase_add_test(times, only_canonical_real_times_are_times);
  tcase_add_test(names, utf8_is_strict);
  tcase_add_test(names, every_class_has_a_name_and_an_affinity);
  suite_add_tcase(suite, numbers);
  suite_add_tcase(suite, times);
  suite_add_tcase(suite, names);
  return suite_run(suite);
}
