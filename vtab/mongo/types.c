/*
** types.c - BSON values to SQLite's values.
**
** Every value has the SQLite type of its own BSON type, whatever column it
** stands in:
**
**   int, long, bool             INTEGER
**   double                      REAL; NaN is NULL
**   decimal                     as SQLite's NUMERIC affinity makes it, or TEXT
**                               (option numeric=text); NaN is NULL
**   string                      TEXT
**   binData                     BLOB; of subtype 4: a uuid, TEXT
**   objectId                    TEXT, 24 hexadecimal digits
**   date                        TEXT, YYYY-MM-DD HH:MM:SS[.fff]
**   null, undefined, absent     NULL
**   object, array, all others   TEXT, relaxed extended JSON
*/
#include <string.h>

#include "vtab/mongo/mongo_driver.h"

enum {
  MS_PER_DAY = 86400000, UUID_LENGTH = 36, OID_LENGTH = 24,
  JSON_LEVELS = 190            /* the library writes "{ ... }" for what is deeper than 200 */
};

/* By BSON's number of the type. */
static const struct { const char *name; uint32_t bit; } kinds[] = {
  [BSON_TYPE_DOUBLE] = {"double", MONGO_NUMBER},
  [BSON_TYPE_UTF8] = {"string", MONGO_STRING},
  [BSON_TYPE_DOCUMENT] = {"object", MONGO_OBJECT},
  [BSON_TYPE_ARRAY] = {"array", MONGO_ARRAY},
  [BSON_TYPE_BINARY] = {"binData", MONGO_BINARY},
  [BSON_TYPE_UNDEFINED] = {"undefined", 0},
  [BSON_TYPE_OID] = {"objectId", MONGO_OID},
  [BSON_TYPE_BOOL] = {"bool", MONGO_BOOL},
  [BSON_TYPE_DATE_TIME] = {"date", MONGO_DATE},
  [BSON_TYPE_NULL] = {"null", 0},
  [BSON_TYPE_REGEX] = {"regex", MONGO_OBJECT},
  [BSON_TYPE_DBPOINTER] = {"dbPointer", MONGO_OBJECT},
  [BSON_TYPE_CODE] = {"javascript", MONGO_OBJECT},
  [BSON_TYPE_SYMBOL] = {"symbol", MONGO_OBJECT},
  [BSON_TYPE_CODEWSCOPE] = {"javascriptWithScope", MONGO_OBJECT},
  [BSON_TYPE_INT32] = {"int", MONGO_NUMBER},
  [BSON_TYPE_TIMESTAMP] = {"timestamp", MONGO_OBJECT},
  [BSON_TYPE_INT64] = {"long", MONGO_NUMBER},
  [BSON_TYPE_DECIMAL128] = {"decimal", MONGO_DECIMAL},
};

enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

const char *types_name(bson_type_t type) {
  if (type == BSON_TYPE_MAXKEY) return "maxKey";
  if (type == BSON_TYPE_MINKEY) return "minKey";
  return (int)type < N_KINDS && kinds[type].name ? kinds[type].name : "unknown";
}

uint32_t types_bit(bson_type_t type) {
  return (int)type < N_KINDS && kinds[type].name ? kinds[type].bit : MONGO_OBJECT;
}

bson_type_t types_of_name(const char *name) {
  for (int i = 0; i < N_KINDS; i++) {
    if (kinds[i].name && strcmp(kinds[i].name, name) == 0) return (bson_type_t)i;
  }
  return strcmp(name, "minKey") == 0 ? BSON_TYPE_MINKEY : BSON_TYPE_MAXKEY;
}

/* ---- dates ----------------------------------------------------------------- */

/* Days since 1970 to a date of the proleptic Gregorian calendar; the year may be
** 0 (1 BC) or less.  (Howard Hinnant's civil_from_days.) */
static void civil_of_days(int64_t days, int64_t *year, int *month, int *day) {
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  int64_t of_era = days - era * 146097;
  int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t shifted = (5 * day_of_year + 2) / 153;
  *day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
  *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
  *year = year_of_era + era * 400 + (*month <= 2);
}

static int64_t days_of_civil(int64_t year, int month, int day) {
  year -= month <= 2;
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  int64_t year_of_era = year - era * 400;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
         719468;
}

/* As the other servers' timestamps: before Christ with the year that people say. */
static size_t format_date(int64_t ms, char *out) {
  int64_t days = ms / MS_PER_DAY, left = ms % MS_PER_DAY, year;
  int month, day;
  if (left < 0) {
    left += MS_PER_DAY;
    days--;
  }
  civil_of_days(days, &year, &month, &day);
  bool before_christ = year <= 0;
  size_t n = value_format_date(before_christ ? 1 - year : year, month, day, out);
  out[n++] = ' ';
  n += value_format_clock(left / 3600000, (int)(left / 60000 % 60), (int)(left / 1000 % 60),
                          (int)(left % 1000) * 1000, out + n);
  if (before_christ) {
    memcpy(out + n, " BC", 3);
    n += 3;
  }
  return n;
}

static int digits(const char *text, int n) {
  int number = 0;
  for (int i = 0; i < n; i++) number = number * 10 + (text[i] - '0');
  return number;
}

bool types_parse_date(const char *text, size_t length, int64_t *ms, int *micros) {
  enum { SECONDS_LENGTH = 19, DATE_LENGTH = 10 };
  value_time kind = value_parse_time(text, length);
  if (kind == VALUE_TIME_NONE) return false;
  *ms = days_of_civil(digits(text, 4), digits(text + 5, 2), digits(text + 8, 2)) * MS_PER_DAY;
  *micros = 0;
  if (kind == VALUE_TIME_DATE || length <= DATE_LENGTH) return true;
  *ms += (int64_t)digits(text + 11, 2) * 3600000 + digits(text + 14, 2) * 60000 +
         digits(text + 17, 2) * 1000;
  int fraction = 0;
  for (size_t i = SECONDS_LENGTH + 1, scale = 100000; i < length; i++, scale /= 10) {
    fraction += (text[i] - '0') * (int)scale;
  }
  *ms += fraction / 1000;
  *micros = fraction % 1000;
  return true;
}

/* ---- identifiers ----------------------------------------------------------- */

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool types_parse_uuid(const char *text, size_t length, uint8_t out[16]) {
  if (length != UUID_LENGTH) return false;
  for (size_t i = 0, n = 0; i < UUID_LENGTH;) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i++] != '-') return false;
      continue;
    }
    int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return false;
    out[n++] = (uint8_t)(high << 4 | low);
    i += 2;
  }
  return true;
}

bool types_parse_oid(const char *text, size_t length, bson_oid_t *out) {
  if (length != OID_LENGTH) return false;
  for (size_t i = 0; i < OID_LENGTH; i++) {
    if (hex_digit(text[i]) < 0) return false;
  }
  bson_oid_init_from_string(out, text);   /* reads 24 characters */
  return true;
}

static size_t put_hex(const uint8_t *bytes, size_t n, char *out) {
  static const char hex[] = "0123456789abcdef";
  for (size_t i = 0; i < n; i++) {
    *out++ = hex[bytes[i] >> 4];
    *out++ = hex[bytes[i] & 15];
  }
  return 2 * n;
}

static size_t format_uuid(const uint8_t *bytes, char *out) {
  static const int groups[] = {4, 2, 2, 2, 6};
  size_t n = 0;
  for (int g = 0; g < 5; g++) {
    if (g) out[n++] = '-';
    n += put_hex(bytes, (size_t)groups[g], out + n);
    bytes += groups[g];
  }
  return n;
}

/* ---- decoding -------------------------------------------------------------- */

static void put_text(batch *b, int col, const char *text, size_t length) {
  batch_bytes_value(b, col, value_is_utf8(text, length) ? STORAGE_TEXT : STORAGE_BLOB, text,
                    length);
}

/* Takes the blanks between JSON's parts out of TEXT, as SQLite's own functions write
** it and whatever the library's version writes; returns the new length. */
static size_t minify(char *text, size_t length) {
  bool inside = false;
  char *out = text;
  for (const char *at = text; at < text + length; at++) {
    if (!inside && *at == ' ') continue;
    if (*at == '"') inside = !inside;
    *out++ = *at;
    if (inside && *at == '\\') *out++ = *++at;
  }
  return (size_t)(out - text);
}

bool types_is_document(const uint8_t *bytes, size_t length, int levels) {
  bson_iter_t at;
  if (levels <= 0 || !bson_iter_init_from_data(&at, bytes, length)) return false;
  while (bson_iter_next(&at)) {
    const uint8_t *part = NULL;
    uint32_t size = 0, n;
    switch (bson_iter_type(&at)) {
      case BSON_TYPE_DOCUMENT: bson_iter_document(&at, &size, &part); break;
      case BSON_TYPE_ARRAY: bson_iter_array(&at, &size, &part); break;
      case BSON_TYPE_CODEWSCOPE: bson_iter_codewscope(&at, &n, &size, &part); break;
      default: continue;
    }
    if (!part || !types_is_document(part, size, levels - 1)) return false;
  }
  return at.err_off == 0;
}

void types_decode_document(batch *b, int col, const uint8_t *bytes, uint32_t length) {
  bson_t document;
  size_t n = 0;
  char *json = NULL;
  if (types_is_document(bytes, length, JSON_LEVELS) && bson_init_static(&document, bytes, length))
    json = bson_as_relaxed_extended_json(&document, &n);
  if (!json) return;           /* damaged inside: no JSON says it */
  put_text(b, col, json, minify(json, n));
  bson_free(json);
}

/* bson_append_array() would write to stderr of keys that are no numbers. */
static bool append_value(bson_t *out, const bson_iter_t *iter) {
  const uint8_t *bytes = NULL;
  uint32_t length = 0;
  bson_t array;
  if (!BSON_ITER_HOLDS_ARRAY(iter)) return bson_append_iter(out, "", 0, iter);
  bson_iter_array(iter, &length, &bytes);
  if (!bytes || !bson_init_static(&array, bytes, length) ||
      !bson_append_document(out, "", 0, &array))
    return false;
  ((uint8_t *)(uintptr_t)bson_get_data(out))[4] = BSON_TYPE_ARRAY;
  return true;
}

/* The library prints documents: the value is put into one, and what was put around
** it, {"":…}, is cut off. */
static void put_json(batch *b, int col, const bson_iter_t *iter, bool canonical) {
  static const char before[] = "{\"\":", after[] = "}";
  bson_t around = BSON_INITIALIZER;
  size_t n = 0;
  char *json = NULL;
  if (append_value(&around, iter) &&
      types_is_document(bson_get_data(&around), around.len, JSON_LEVELS)) {
    json = canonical ? bson_as_canonical_extended_json(&around, &n)
                     : bson_as_relaxed_extended_json(&around, &n);
  }
  size_t extra = sizeof(before) - 1 + sizeof(after) - 1;
  if (json) n = minify(json, n);
  if (json && n >= extra) put_text(b, col, json + sizeof(before) - 1, n - extra);
  bson_free(json);
  bson_destroy(&around);
}

/* Text that JSON writes as it is. */
static bool is_plain(const char *text, uint32_t length) {
  for (uint32_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c < ' ' || c > '~' || c == '"' || c == '\\' || c == '/') return false;
  }
  return true;
}

/* {"NAME":"N"} */
static size_t put_number(const char *name, int64_t n, char *out) {
  char digits[24], *at = digits + sizeof(digits);
  uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
  size_t length = strlen(name);
  *--at = '}';
  *--at = '"';
  do *--at = (char)('0' + rest % 10); while (rest /= 10);
  if (n < 0) *--at = '-';
  size_t tail = (size_t)(digits + sizeof(digits) - at);
  memcpy(out, name, length);
  memcpy(out + length, at, tail);
  return length + tail;
}

/* The key is part of every row: what ids mostly are is written without the library,
** in the same form. */
void types_decode_key(batch *b, int col, const bson_iter_t *iter) {
  static const char oid[] = "{\"$oid\":\"";
  char text[64];
  size_t n = 0;
  uint32_t length = 0;
  const char *string;
  switch (bson_iter_type_unsafe(iter)) {
    case BSON_TYPE_OID:
      memcpy(text, oid, sizeof(oid) - 1);
      n = sizeof(oid) - 1;
      n += put_hex(bson_iter_oid_unsafe(iter)->bytes, 12, text + n);
      text[n++] = '"';
      text[n++] = '}';
      break;
    case BSON_TYPE_INT32:
      n = put_number("{\"$numberInt\":\"", bson_iter_int32_unsafe(iter), text);
      break;
    case BSON_TYPE_INT64:
      n = put_number("{\"$numberLong\":\"", bson_iter_int64_unsafe(iter), text);
      break;
    case BSON_TYPE_UTF8:
      string = bson_iter_utf8(iter, &length);
      if (length > sizeof(text) - 2 || !is_plain(string, length)) break;
      text[n++] = '"';
      memcpy(text + n, string, length);
      n += length;
      text[n++] = '"';
      break;
    default: break;
  }
  if (n) batch_bytes_value(b, col, STORAGE_TEXT, text, n);
  else put_json(b, col, iter, true);
}

static void decode_binary(batch *b, int col, const bson_iter_t *iter) {
  bson_subtype_t subtype;
  uint32_t length = 0;
  const uint8_t *bytes = NULL;
  char text[UUID_LENGTH];
  bson_iter_binary(iter, &subtype, &length, &bytes);
  if (subtype == BSON_SUBTYPE_UUID && length == 16) {
    batch_bytes_value(b, col, STORAGE_TEXT, text, format_uuid(bytes, text));
  } else {
    batch_bytes_value(b, col, STORAGE_BLOB, bytes, length);
  }
}

static void decode_decimal(batch *b, int col, bool digits, const bson_iter_t *iter) {
  bson_decimal128_t decimal;
  char text[BSON_DECIMAL128_STRING];
  if (!bson_iter_decimal128(iter, &decimal)) return;
  bson_decimal128_to_string(&decimal, text);
  value v = value_from_decimal(text, strlen(text));
  if (digits && v.storage != STORAGE_NULL) put_text(b, col, text, strlen(text));
  else batch_value(b, col, &v);
}

void types_decode(batch *b, int col, bool digits, const bson_iter_t *iter) {
  char text[64];
  switch (bson_iter_type_unsafe(iter)) {
    case BSON_TYPE_INT32: batch_integer(b, col, bson_iter_int32_unsafe(iter)); break;
    case BSON_TYPE_INT64: batch_integer(b, col, bson_iter_int64_unsafe(iter)); break;
    case BSON_TYPE_BOOL: batch_integer(b, col, bson_iter_bool_unsafe(iter)); break;
    case BSON_TYPE_DOUBLE: batch_real(b, col, bson_iter_double_unsafe(iter)); break;
    case BSON_TYPE_DECIMAL128: decode_decimal(b, col, digits, iter); break;
    case BSON_TYPE_UTF8: {
      uint32_t length = 0;
      const char *bytes = bson_iter_utf8(iter, &length);
      put_text(b, col, bytes, length);
      break;
    }
    case BSON_TYPE_OID:
      batch_bytes_value(b, col, STORAGE_TEXT, text,
                        put_hex(bson_iter_oid_unsafe(iter)->bytes, 12, text));
      break;
    case BSON_TYPE_DATE_TIME:
      batch_bytes_value(b, col, STORAGE_TEXT, text, format_date(bson_iter_date_time(iter), text));
      break;
    case BSON_TYPE_BINARY: decode_binary(b, col, iter); break;
    case BSON_TYPE_NULL: case BSON_TYPE_UNDEFINED: batch_null(b, col); break;
    case BSON_TYPE_DOCUMENT: {
      uint32_t length = 0;
      const uint8_t *bytes = NULL;
      bson_iter_document(iter, &length, &bytes);
      if (bytes) types_decode_document(b, col, bytes, length);
      break;
    }
    default: put_json(b, col, iter, false);
  }
}
