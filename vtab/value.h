/*
** value.h - values and types: what a remote value is to SQLite.
**
** The type classes are DESIGN's type table as an enum: every remote type of
** every server has exactly one, given by the driver at discovery.  Pushdown
** rows, decoding and printing all start from the class.
*/
#ifndef VTAB_VALUE_H
#define VTAB_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* SQLite's storage classes.  STORAGE_LIST is an IN list; only query
** parameters have it. */
typedef enum storage {
  STORAGE_NULL, STORAGE_INTEGER, STORAGE_REAL, STORAGE_TEXT, STORAGE_BLOB, STORAGE_LIST
} storage;

/* Column affinities as SQLite derives them from a declared type. */
typedef enum affinity {
  AFFINITY_BLOB, AFFINITY_TEXT, AFFINITY_NUMERIC, AFFINITY_INTEGER, AFFINITY_REAL
} affinity;

/* symbol, name shown in SQL, SQLite affinity of such a column.
** "Total": see value_class_is_total(). */
#define TYPE_CLASSES(X) \
  X(CLASS_BOOL,        "boolean",     AFFINITY_INTEGER) \
  X(CLASS_INT,         "integer",     AFFINITY_INTEGER) /* fits int64 */ \
  X(CLASS_UINT64,      "unsigned",    AFFINITY_INTEGER) /* beyond 2^63-1: REAL */ \
  X(CLASS_YEAR,        "year",        AFFINITY_INTEGER) \
  X(CLASS_BIT,         "bit",         AFFINITY_INTEGER) /* up to 63 bits */ \
  X(CLASS_FLOAT,       "float",       AFFINITY_REAL)    /* 8 bytes */ \
  X(CLASS_FLOAT4,      "float4",      AFFINITY_REAL) \
  X(CLASS_DECIMAL,     "decimal",     AFFINITY_NUMERIC) /* at most 15 digits: exact as a double */ \
  X(CLASS_NUMERIC,     "numeric",     AFFINITY_NUMERIC) /* wider, or unbounded */ \
  X(CLASS_NUMERIC_TEXT,"numeric text",AFFINITY_TEXT)    /* numeric=text, unsigned=text: digits kept */ \
  X(CLASS_TEXT,        "text",        AFFINITY_TEXT) \
  X(CLASS_CHAR,        "char",        AFFINITY_TEXT)    /* char(n): stored or compared with padding */ \
  X(CLASS_ENUM,        "enum",        AFFINITY_TEXT) \
  X(CLASS_SET,         "set",         AFFINITY_TEXT) \
  X(CLASS_UUID,        "uuid",        AFFINITY_TEXT) \
  X(CLASS_DATE,        "date",        AFFINITY_TEXT) \
  X(CLASS_TIME,        "time",        AFFINITY_TEXT) \
  X(CLASS_TIMESTAMP,   "timestamp",   AFFINITY_TEXT)    /* without zone; MySQL datetime */ \
  X(CLASS_TIMESTAMPTZ, "timestamptz", AFFINITY_TEXT)    /* shown in UTC; MySQL timestamp */ \
  X(CLASS_JSON,        "json",        AFFINITY_TEXT)    /* as stored */ \
  X(CLASS_JSONB,       "jsonb",       AFFINITY_TEXT)    /* normalised by the server */ \
  X(CLASS_ARRAY,       "array",       AFFINITY_TEXT)    /* shown as JSON */ \
  X(CLASS_COMPOSITE,   "composite",   AFFINITY_TEXT)    /* shown as JSON */ \
  X(CLASS_BYTES,       "bytes",       AFFINITY_BLOB) \
  X(CLASS_GEOMETRY,    "geometry",    AFFINITY_BLOB)    /* WKB */ \
  X(CLASS_MIXED,       "mixed",       AFFINITY_BLOB)    /* each value has its own type */ \
  X(CLASS_OTHER,       "other",       AFFINITY_TEXT)    /* the server's own text */

typedef enum type_class {
#define X(symbol, name, affinity) symbol,
  TYPE_CLASSES(X)
#undef X
  CLASS_COUNT
} type_class;

/* A value.  `bytes` is borrowed; its owner is said where the value is. */
typedef struct value {
  storage storage;
  int64_t integer;         /* STORAGE_INTEGER */
  double real;             /* STORAGE_REAL, never NaN */
  const char *bytes;       /* STORAGE_TEXT (UTF-8, not terminated, may hold NULs), STORAGE_BLOB */
  size_t length;
  const struct value *list;/* STORAGE_LIST: no NULLs, no lists inside */
  size_t n_list;
} value;

/* The same storage class and content, byte for byte; NULL is the same as NULL.  Lists
** element by element. */
bool value_is_same(const value *a, const value *b);

const char *value_class_name(type_class klass);
affinity value_class_affinity(type_class klass);
const char *value_storage_name(storage s);

/* Applies SQLite's NUMERIC affinity to TEXT: if the whole text, blanks around
** it aside, is a number, V becomes INTEGER or REAL, and true is returned.
** Other values are left alone.  "5.0" becomes INTEGER 5, as in SQLite. */
bool value_apply_numeric(value *v);

/* What a NUMERIC column of this SQLite holds of a server's decimal text:
** INTEGER if it is a whole number in int64's range, else REAL.  NaN gives NULL,
** "Infinity" and "-Infinity" REAL.  Anything else stays TEXT, borrowed. */
value value_from_decimal(const char *text, size_t length);

/* The same of the number that is written with these DIGITS, at most 17, of which
** SCALE (0..40) stand behind the point. */
value value_from_scaled(uint64_t digits, int scale, bool negative);

/* What arrives for bytes of which the server knows no type: TEXT if they are
** UTF-8, else BLOB.  Borrowed. */
value value_from_bytes(const char *bytes, size_t length);

/* The same for an INTEGER column: INTEGER if the bytes are the one way to write
** an int64.  Other text that is a number to SQLite ('05', '5.0') is a BLOB: as
** TEXT such a column could not hold it, and it is not the number that it looks
** like.  So different bytes are different values. */
value value_from_digits(const char *bytes, size_t length);

/* Locale-free strtod of the whole TEXT, correctly rounded; "Infinity" and
** "-Infinity" too.  False when it is not all a number (blanks, NaN, hex). */
bool value_parse_real(const char *text, size_t length, double *out);

/* Writes a double so that every server reads back the same double: at most
** 17 digits, the shortest of %.15g, %.16g, %.17g that reads back; infinities
** as "Infinity"/"-Infinity"; locale-free. OUT has at least 32 bytes. */
size_t value_format_real(double real, char *out);
/* Digits, and a NUL; OUT has room for 24 bytes. */
size_t value_format_integer(int64_t integer, char *out);

/* The same for the comparison with a server's decimal: the shortest text that
** SQLite, whose rounding is not always the nearest, reads back as REAL.  A
** decimal of at most 15 digits that SQLite reads as REAL is found so. */
size_t value_format_decimal(double real, char *out);

/* Dates and times as DESIGN section 5 writes them: YYYY-MM-DD, HH:MM:SS[.f],
** the fraction without trailing zeros.  MICROS is 0..999999.  Each appends at
** OUT and returns the length; OUT has at least 48 bytes. Years below 1000 have
** four digits; a negative or larger year is the caller's to spell. */
size_t value_format_date(int64_t year, int month, int day, char *out);
size_t value_format_clock(int64_t hours, int minutes, int seconds, int micros, char *out);

/* Parses canonical text of DESIGN section 5: 'YYYY-MM-DD', or that with
** ' HH:MM:SS[.f]' where the fraction has 1 to 6 digits and no trailing zero.
** VALUE_TIME_NONE when it is not canonical or no real date (2026-02-30). Years 0001..9999. */
typedef enum value_time { VALUE_TIME_NONE, VALUE_TIME_DATE, VALUE_TIME_STAMP } value_time;
value_time value_parse_time(const char *text, size_t length);

/* A hash of the value and of SEED, well mixed: different values have the same
** one with a chance of 2^-64.  Lists have none. */
uint64_t value_hash(const value *v, uint64_t seed);

bool value_is_utf8(const char *bytes, size_t length);   /* strict: no surrogates, no overlong forms */

/* How many bytes the UTF-8 character at BYTES takes; 0 if it is not valid or
** not complete within LENGTH. */
size_t value_utf8_character(const char *bytes, size_t length);

#endif
