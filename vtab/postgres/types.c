/*
** types.c - PostgreSQL's types: what class each has, how it is sent, how its
** binary form is read.
**
** A type without a row in the table is the server's own text, cast there.
** Arrays and composites are made JSON by the server.
**
** Invariant: no byte is read before the length has been checked; a length that
** does not fit its type is an error of the protocol.
*/
#include <arpa/inet.h>
#include <string.h>

#include "vtab/memory.h"
#include "vtab/postgres/postgres.h"

static postgres_decoder decode_bool, decode_integer, decode_oid, decode_float4, decode_float8,
    decode_numeric, decode_text, decode_bytes, decode_date, decode_time, decode_timestamp,
    decode_uuid;

enum {
  OID_TEXT = 25, OID_NUMERIC = 1700, OID_BPCHAR = 1042, OID_RECORD = 2249, OID_RECORDS = 2287
};

static const struct wire_type {
  uint32_t oid;            /* pg_type.oid, fixed by the server's own sources (pg_type.dat) */
  type_class klass;
  postgres_decoder *decode;  /* NULL: cast to text */
} wire_types[] = {
  {16, CLASS_BOOL, decode_bool}, {21, CLASS_INT, decode_integer}, {23, CLASS_INT, decode_integer},
  {20, CLASS_INT, decode_integer}, {26, CLASS_UINT64, decode_oid},
  {700, CLASS_FLOAT4, decode_float4},
  {701, CLASS_FLOAT, decode_float8}, {OID_NUMERIC, CLASS_NUMERIC, decode_numeric},
  {OID_TEXT, CLASS_TEXT, decode_text}, {1043, CLASS_TEXT, decode_text},
  {19, CLASS_TEXT, decode_text},
  {OID_BPCHAR, CLASS_CHAR, NULL}, {17, CLASS_BYTES, decode_bytes}, {1082, CLASS_DATE, decode_date},
  {1083, CLASS_TIME, decode_time}, {1114, CLASS_TIMESTAMP, decode_timestamp},
  {1184, CLASS_TIMESTAMPTZ, decode_timestamp}, {2950, CLASS_UUID, decode_uuid},
  {114, CLASS_JSON, NULL}, {3802, CLASS_JSONB, NULL},
};

static const struct wire_type *wire_type_of(uint32_t oid) {
  for (size_t i = 0; i < sizeof(wire_types) / sizeof(wire_types[0]); i++) {
    if (wire_types[i].oid == oid) return &wire_types[i];
  }
  return NULL;
}

/* numeric(p, s) with at most 15 digits, and no digits beyond them. */
static bool is_short_numeric(int32_t modifier) {
  if (modifier < 4) return false;
  int precision = ((modifier - 4) >> 16) & 0xffff, scale = (modifier - 4) & 0x7ff;
  return precision <= 15 && scale <= precision;
}

static type_class class_of(const postgres_type *t, const discovery *want) {
  const struct wire_type *w = wire_type_of(t->oid);
  if (t->oid == OID_NUMERIC) {
    if (want->numeric_text) return CLASS_NUMERIC_TEXT;
    return is_short_numeric(t->modifier) ? CLASS_DECIMAL : CLASS_NUMERIC;
  }
  if (w) return w->klass;
  if (t->kind == 'e') return CLASS_ENUM;
  if (t->kind == 'c' || t->oid == OID_RECORD) return CLASS_COMPOSITE;
  return t->category == 'A' || t->oid == OID_RECORDS ? CLASS_ARRAY : CLASS_OTHER;
}

/* Classes whose values may hold any character of the database. */
enum { ANY_CHARACTER = CLASSES(CLASS_TEXT) | CLASSES(CLASS_CHAR) | CLASSES(CLASS_ENUM) |
                       CLASSES(CLASS_JSON) | CLASSES(CLASS_JSONB) | CLASSES(CLASS_ARRAY) |
                       CLASSES(CLASS_COMPOSITE) | CLASSES(CLASS_OTHER) };

void postgres_classify(const postgres_type *t, const discovery *want, uint32_t text_flags,
                       column *c) {
  c->klass = class_of(t, want);
  if (CLASSES(c->klass) & ANY_CHARACTER) c->flags |= text_flags;
  c->type_id = t->oid;
  c->type_detail = (uint32_t)t->modifier;
}

static bool is_json(const column *c) {
  return c->klass == CLASS_ARRAY || c->klass == CLASS_COMPOSITE;
}

/* NULL: the server casts to text. */
static postgres_decoder *own_decoder(const column *c) {
  bool as_text = is_json(c) || c->klass == CLASS_NUMERIC_TEXT;
  const struct wire_type *w = as_text ? NULL : wire_type_of(c->type_id);
  return w ? w->decode : NULL;
}

void postgres_select(buffer *out, const column *c, const char *quoted) {
  if (is_json(c)) buffer_printf(out, "pg_catalog.to_json(%s)::pg_catalog.text", quoted);
  else if (own_decoder(c)) buffer_text(out, quoted);
  else if (c->klass == CLASS_OTHER) buffer_printf(out, POSTGRES_OUTPUT("%s", "%s"), quoted, quoted);
  else buffer_printf(out, "%s::pg_catalog.text", quoted);
}

uint32_t postgres_wire_type(const column *c) { return own_decoder(c) ? c->type_id : OID_TEXT; }

postgres_decoder *postgres_decoder_of(const column *c) {
  postgres_decoder *decode = own_decoder(c);
  return decode ? decode : decode_text;
}

/* ---- numbers ------------------------------------------------------------- */

static int16_t int16_at(const char *p) {
  uint16_t v;
  memcpy(&v, p, sizeof(v));
  return (int16_t)ntohs(v);
}

static uint32_t uint32_at(const char *p) {
  uint32_t v;
  memcpy(&v, p, sizeof(v));
  return ntohl(v);
}

static int64_t int64_at(const char *p) {
  return (int64_t)((uint64_t)uint32_at(p) << 32 | uint32_at(p + 4));
}

static bool decode_bool(const char *p, int length, batch *b, int col) {
  if (length != 1) return false;
  batch_integer(b, col, *p != 0);
  return true;
}

static bool decode_integer(const char *p, int length, batch *b, int col) {
  if (length == 4) batch_integer(b, col, (int32_t)uint32_at(p));
  else if (length == 8) batch_integer(b, col, int64_at(p));
  else if (length == 2) batch_integer(b, col, int16_at(p));
  else return false;
  return true;
}

static bool decode_oid(const char *p, int length, batch *b, int col) {
  if (length != 4) return false;
  batch_integer(b, col, uint32_at(p));
  return true;
}

static bool decode_float4(const char *p, int length, batch *b, int col) {
  if (length != 4) return false;
  uint32_t bits = uint32_at(p);
  float v;
  memcpy(&v, &bits, sizeof(v));
  batch_real(b, col, v);
  return true;
}

static bool decode_float8(const char *p, int length, batch *b, int col) {
  if (length != 8) return false;
  int64_t bits = int64_at(p);
  double v;
  memcpy(&v, &bits, sizeof(v));
  batch_real(b, col, v);
  return true;
}

/* The binary form of numeric: four int16 (number of digits, weight of the
** first, sign, scale), then digits of base 10,000. */
enum { NUMERIC_HEAD = 8, NUMERIC_NEGATIVE = 0x4000, NUMERIC_NAN = 0xC000, NUMERIC_PINF = 0xD000,
       NUMERIC_NINF = 0xF000 };

/* As the server would print it, the scale's zeros included. */
static void print_numeric(const char *p, int digits, buffer *out) {
  int weight = int16_at(p + 2), sign = (uint16_t)int16_at(p + 4), scale = int16_at(p + 6);
  if (sign == NUMERIC_NEGATIVE) buffer_char(out, '-');
  if (weight < 0) buffer_char(out, '0');
  for (int i = 0; i <= weight; i++) {
    int digit = i < digits ? int16_at(p + NUMERIC_HEAD + 2 * i) : 0;
    buffer_printf(out, i ? "%04d" : "%d", digit);
  }
  if (scale <= 0) return;
  buffer_char(out, '.');
  size_t point = out->length;
  for (int i = weight + 1; (int)(out->length - point) < scale && !out->failed; i++) {
    int digit = i >= 0 && i < digits ? int16_at(p + NUMERIC_HEAD + 2 * i) : 0;
    buffer_printf(out, "%04d", digit);
  }
  if (!out->failed) out->text[out->length = point + (size_t)scale] = 0;
}

static bool decode_long_numeric(const char *p, int digits, batch *b, int col) {
  buffer text = {0};
  print_numeric(p, digits, &text);
  value v = value_from_decimal(buffer_cstr(&text), text.length);
  bool number = text.failed || v.storage != STORAGE_TEXT;   /* else a digit was none */
  if (text.failed) b->failed = true;
  else if (number) batch_value(b, col, &v);
  buffer_free(&text);
  return number;
}

/* A number of at most 16 digits that are stored, which are most. False: it is not one. */
static bool decode_short_numeric(const char *p, int digits, batch *b, int col) {
  int weight = int16_at(p + 2), scale = int16_at(p + 6);
  int behind = digits - 1 - weight;       /* groups of digits behind the point */
  uint64_t n = 0;
  if (digits > 4 || weight > 3 || behind > 10) return false;
  for (int i = 0; i < digits; i++) {
    uint16_t group = (uint16_t)int16_at(p + NUMERIC_HEAD + 2 * i);
    n = n * 10000 + group;
  }
  for (; behind < 0; behind++) n *= 10000;
  /* The last group may say more digits than the scale: zeros. */
  int said = 4 * behind;
  for (; said > scale && n % 10 == 0; said--) n /= 10;
  if (said > scale) return false;
  if (scale && !said) n *= 10, said = 1;  /* 5.00 is read as a REAL, unlike 5 */
  value v = value_from_scaled(n, said, (uint16_t)int16_at(p + 4) == NUMERIC_NEGATIVE);
  batch_value(b, col, &v);
  return true;
}

/* Whether each group is one of four decimal digits: a server may send anything. */
static bool are_groups(const char *p, int digits) {
  for (int i = 0; i < digits; i++) {
    if ((uint16_t)int16_at(p + NUMERIC_HEAD + 2 * i) > 9999) return false;
  }
  return true;
}

static bool decode_numeric(const char *p, int length, batch *b, int col) {
  if (length < NUMERIC_HEAD) return false;
  int digits = int16_at(p), sign = (uint16_t)int16_at(p + 4);
  if (digits < 0 || length != NUMERIC_HEAD + 2 * digits || int16_at(p + 6) < 0) return false;
  if (!are_groups(p, digits)) return false;
  if (sign == NUMERIC_NAN) {
    batch_null(b, col);
  } else if (sign == NUMERIC_PINF || sign == NUMERIC_NINF) {
    batch_real(b, col, sign == NUMERIC_PINF ? __builtin_inf() : -__builtin_inf());
  } else if (sign && sign != NUMERIC_NEGATIVE) {
    return false;
  } else if (!decode_short_numeric(p, digits, b, col)) {
    return decode_long_numeric(p, digits, b, col);
  }
  return true;
}

/* ---- text and bytes -------------------------------------------------------- */

/* What is no UTF-8 (a database in SQL_ASCII holds anything) is a BLOB. */
static bool decode_text(const char *p, int length, batch *b, int col) {
  storage s = value_is_utf8(p, (size_t)length) ? STORAGE_TEXT : STORAGE_BLOB;
  batch_bytes_value(b, col, s, p, (size_t)length);
  return true;
}

static bool decode_bytes(const char *p, int length, batch *b, int col) {
  batch_bytes_value(b, col, STORAGE_BLOB, p, (size_t)length);
  return true;
}

static bool decode_uuid(const char *p, int length, batch *b, int col) {
  static const char hex[] = "0123456789abcdef";
  char text[36];
  size_t n = 0;
  if (length != 16) return false;
  for (int i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text[n++] = '-';
    text[n++] = hex[(unsigned char)p[i] >> 4];
    text[n++] = hex[p[i] & 15];
  }
  batch_bytes_value(b, col, STORAGE_TEXT, text, n);
  return true;
}

/* ---- dates and times ------------------------------------------------------- */

#define DAY_MICROS INT64_C(86400000000)

/* Days since 2000-01-01 to a date of the proleptic Gregorian calendar
** (H. Hinnant, "chrono-compatible low-level date algorithms", civil_from_days).
** Appends it, before Christ with the year that people say; *BC tells. */
static size_t print_date(int64_t days, char *out, bool *bc) {
  int64_t z = days + 10957 + 719468;
  int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  int64_t day_of_era = z - era * 146097;
  int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t month = (5 * day_of_year + 2) / 153;
  int day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
  month += month < 10 ? 3 : -9;
  int64_t year = year_of_era + era * 400 + (month <= 2);
  *bc = year <= 0;
  return value_format_date(*bc ? 1 - year : year, (int)month, day, out);
}

static size_t print_clock(int64_t micros, char *out) {
  int64_t seconds = micros / 1000000;
  return value_format_clock(seconds / 3600, (int)(seconds / 60 % 60), (int)(seconds % 60),
                            (int)(micros % 1000000), out);
}

static void put_text(batch *b, int col, const char *text) {
  batch_bytes_value(b, col, STORAGE_TEXT, text, strlen(text));
}

static bool decode_date(const char *p, int length, batch *b, int col) {
  char text[96];
  bool bc;
  if (length != 4) return false;
  int32_t days = (int32_t)uint32_at(p);
  if (days == INT32_MAX || days == INT32_MIN) {
    put_text(b, col, days > 0 ? "infinity" : "-infinity");
    return true;
  }
  size_t n = print_date(days, text, &bc);
  if (bc) memcpy(text + n, " BC", 3), n += 3;
  batch_bytes_value(b, col, STORAGE_TEXT, text, n);
  return true;
}

static bool decode_time(const char *p, int length, batch *b, int col) {
  char text[64];
  if (length != 8) return false;
  int64_t micros = int64_at(p);
  if (micros < 0 || micros > DAY_MICROS) return false;
  batch_bytes_value(b, col, STORAGE_TEXT, text, print_clock(micros, text));
  return true;
}

static bool decode_timestamp(const char *p, int length, batch *b, int col) {
  char text[128];
  bool bc;
  if (length != 8) return false;
  int64_t micros = int64_at(p);
  if (micros == INT64_MAX || micros == INT64_MIN) {
    put_text(b, col, micros > 0 ? "infinity" : "-infinity");
    return true;
  }
  int64_t days = micros / DAY_MICROS, rest = micros % DAY_MICROS;
  if (rest < 0) rest += DAY_MICROS, days--;
  size_t n = print_date(days, text, &bc);
  text[n++] = ' ';
  n += print_clock(rest, text + n);
  if (bc) memcpy(text + n, " BC", 3), n += 3;
  batch_bytes_value(b, col, STORAGE_TEXT, text, n);
  return true;
}
