/*
** types.c - the server's types: one row each, from its name to our class, to
** what is selected, and from the class to how it is decoded.
**
** A type that has no row is still a column: the server's own text of it.
**
** Invariants:
**   1. column.type_id is 1 + the index of the column's row, 0 for none.
**   2. types_cell() is asked for every field of every result, and refuses one
**      that cannot be the column's: a changed column is an error, never a
**      value that means something else.
*/
#include <stdio.h>
#include <string.h>

#include "vtab/mysql/mysql_driver.h"

/* The collation number of bytes. */
enum { CHARSET_BINARY = 63 };

/* Decimals of so many digits and doubles correspond one to one. */
enum { EXACT_DIGITS = 15 };

enum { BIT_INTEGER = 63, ARGUMENTS_MAX = 40 };

/* Ordered by how common they are; the classes of decimal, bit and unsigned
** bigint depend on more than the name. */
static const mysql_type types[] = {
  {"int", CLASS_INT, NULL},
  {"bigint", CLASS_INT, NULL},
  {"varchar", CLASS_TEXT, NULL},
  {"text", CLASS_TEXT, NULL},
  {"decimal", CLASS_DECIMAL, NULL},
  {"datetime", CLASS_TIMESTAMP, NULL},
  {"timestamp", CLASS_TIMESTAMPTZ, NULL},
  {"date", CLASS_DATE, NULL},
  {"tinyint", CLASS_INT, NULL},
  {"smallint", CLASS_INT, NULL},
  {"mediumint", CLASS_INT, NULL},
  {"char", CLASS_CHAR, NULL},
  {"enum", CLASS_ENUM, NULL},
  {"set", CLASS_SET, NULL},
  {"tinytext", CLASS_TEXT, NULL},
  {"mediumtext", CLASS_TEXT, NULL},
  {"longtext", CLASS_TEXT, NULL},
  {"float", CLASS_FLOAT4, NULL},
  {"double", CLASS_FLOAT, NULL},
  {"time", CLASS_TIME, NULL},
  {"year", CLASS_YEAR, NULL},
  {"bit", CLASS_BIT, NULL},
  {"json", CLASS_JSONB, NULL},
  {"binary", CLASS_BYTES, NULL},
  {"varbinary", CLASS_BYTES, NULL},
  {"blob", CLASS_BYTES, NULL},
  {"tinyblob", CLASS_BYTES, NULL},
  {"mediumblob", CLASS_BYTES, NULL},
  {"longblob", CLASS_BYTES, NULL},
  {"vector", CLASS_BYTES, NULL},
  {"uuid", CLASS_UUID, "CAST(%s AS CHAR)"},
  {"inet4", CLASS_OTHER, "CAST(%s AS CHAR)"},
  {"inet6", CLASS_OTHER, "CAST(%s AS CHAR)"},
  {"geometry", CLASS_GEOMETRY, "ST_AsWKB(%s)"},
  {"point", CLASS_GEOMETRY, "ST_AsWKB(%s)"},
  {"linestring", CLASS_GEOMETRY, "ST_AsWKB(%s)"},
  {"polygon", CLASS_GEOMETRY, "ST_AsWKB(%s)"},
  {"multipoint", CLASS_GEOMETRY, "ST_AsWKB(%s)"},
  {"multilinestring", CLASS_GEOMETRY, "ST_AsWKB(%s)"},
  {"multipolygon", CLASS_GEOMETRY, "ST_AsWKB(%s)"},
  {"geometrycollection", CLASS_GEOMETRY, "ST_AsWKB(%s)"},
  {"geomcollection", CLASS_GEOMETRY, "ST_AsWKB(%s)"},
};

enum { N_TYPES = sizeof(types) / sizeof(types[0]) };

static const char unknown_select[] = "CAST(%s AS CHAR)";

/* ---- from a declaration ---------------------------------------------------- */

static int find_type(const char *name) {
  for (int i = 0; i < N_TYPES; i++) {
    if (strcmp(types[i].name, name) == 0) return i;
  }
  return -1;
}

/* Whether comparing under this collation compares bytes: binary, and without
** padding ('a' is not 'a '). */
static bool is_bytewise(const char *collation) {
  static const char *const endings[] = {"_nopad_bin", "_0900_bin"};
  size_t n = strlen(collation);
  if (strcmp(collation, "binary") == 0) return true;
  for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
    size_t k = strlen(endings[i]);
    if (n > k && strcmp(collation + n - k, endings[i]) == 0) return true;
  }
  return false;
}

static bool starts_with(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The order of bytes is that of characters in UTF-8 only. */
static uint32_t collation_flags(const mysql_declaration *d) {
  if (!d->collation || !is_bytewise(d->collation)) return 0;
  bool utf8 = d->charset && (starts_with(d->charset, "utf8") || strcmp(d->charset, "ascii") == 0);
  return COLUMN_EQ_BYTES | (utf8 ? COLUMN_ORDER_BYTES : 0u);
}

/* Collations under which every ASCII letter is equal to its other case, on its own and
** beside any other: some tell 'CH', 'Ch' and 'cH' apart (Czech, Danish, Spanish), or 'I'
** and 'i' (Turkish). */
static bool like_folds(const char *collation) {
  static const char *const names[] = {
    "utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_unicode_520_ci", "utf8mb3_general_ci",
    "utf8mb3_unicode_ci", "utf8_general_ci", "utf8_unicode_ci", "latin1_swedish_ci",
    "latin1_general_ci",
  };
  for (size_t i = 0; collation && i < sizeof(names) / sizeof(names[0]); i++) {
    if (strcmp(collation, names[i]) == 0) return true;
  }
  return false;
}

static uint32_t declared_facts(const mysql_declaration *d) {
  bool zerofill = d->column_type && strstr(d->column_type, "zerofill");
  return (d->octets >= 0 && d->octets <= MYSQL_SORTED_BYTES ? MYSQL_SORTS_WHOLE : 0u) |
         (zerofill ? 0u : MYSQL_NO_ZEROFILL) | (like_folds(d->collation) ? MYSQL_LIKE_FOLDS : 0u);
}

static type_class refine(type_class klass, const mysql_declaration *d, const discovery *want) {
  bool is_unsigned = d->column_type && strstr(d->column_type, "unsigned") != NULL;
  if (klass == CLASS_DECIMAL) {
    if (want->numeric_text) return CLASS_NUMERIC_TEXT;
    return d->precision > 0 && d->precision <= EXACT_DIGITS ? CLASS_DECIMAL : CLASS_NUMERIC;
  }
  if (klass == CLASS_BIT && d->precision > BIT_INTEGER) return CLASS_BYTES;
  if (klass == CLASS_INT && is_unsigned && strcmp(d->data_type, "bigint") == 0) {
    return want->unsigned_text ? CLASS_NUMERIC_TEXT : CLASS_UINT64;
  }
  return klass;
}

void types_of_declaration(column *c, const mysql_declaration *d, const discovery *want) {
  int i = find_type(d->data_type);
  c->type_id = (uint32_t)(i + 1);
  c->klass = i < 0 ? CLASS_OTHER : refine(types[i].klass, d, want);
  c->flags |= collation_flags(d) | declared_facts(d);
}

void types_select(buffer *out, const column *c, const char *quoted) {
  const char *format = c->type_id ? types[c->type_id - 1].select : unknown_select;
  const char *place = format ? strstr(format, "%s") : NULL;
  if (!place) {
    buffer_text(out, quoted);
    return;
  }
  buffer_append(out, format, (size_t)(place - format));
  buffer_text(out, quoted);
  buffer_text(out, place + 2);
}

/* ---- from a field of a result ----------------------------------------------- */

static bool is_binary(const MYSQL_FIELD *f) { return f->charsetnr == CHARSET_BINARY; }

/* The name of a field's type, as information_schema would say it. */
static const char *field_type_name(const MYSQL_FIELD *f) {
  if (f->flags & ENUM_FLAG) return "enum";
  if (f->flags & SET_FLAG) return "set";
  switch ((int)f->type) {
    case MYSQL_TYPE_TINY: return "tinyint";
    case MYSQL_TYPE_SHORT: return "smallint";
    case MYSQL_TYPE_INT24: return "mediumint";
    case MYSQL_TYPE_LONG: return "int";
    case MYSQL_TYPE_LONGLONG: return "bigint";
    case MYSQL_TYPE_YEAR: return "year";
    case MYSQL_TYPE_BIT: return "bit";
    case MYSQL_TYPE_FLOAT: return "float";
    case MYSQL_TYPE_DOUBLE: return "double";
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL: return "decimal";
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE: return "date";
    case MYSQL_TYPE_TIME: return "time";
    case MYSQL_TYPE_DATETIME: return "datetime";
    case MYSQL_TYPE_TIMESTAMP: return "timestamp";
    case MYSQL_TYPE_JSON: return "json";
    case MYSQL_TYPE_GEOMETRY: return "geometry";
    case MYSQL_TYPE_STRING: return is_binary(f) ? "binary" : "char";
    case MYSQL_TYPE_TINY_BLOB:
    case MYSQL_TYPE_MEDIUM_BLOB:
    case MYSQL_TYPE_LONG_BLOB:
    case MYSQL_TYPE_BLOB: return is_binary(f) ? "blob" : "text";
    default: return is_binary(f) ? "varbinary" : "varchar";
  }
}

/* Digits of a decimal field: its width without sign and point. */
static long decimal_precision(const MYSQL_FIELD *f) {
  return (long)f->length - (f->decimals > 0 ? 1 : 0) - (f->flags & UNSIGNED_FLAG ? 0 : 1);
}

void types_of_field(column *c, const MYSQL_FIELD *f, const discovery *want, arena *a) {
  bool is_unsigned = (f->flags & UNSIGNED_FLAG) != 0;
  mysql_declaration d = {.data_type = field_type_name(f), .precision = -1, .scale = -1,
                         .octets = (long)f->length};
  char arguments[ARGUMENTS_MAX] = "";
  if (strcmp(d.data_type, "decimal") == 0) {
    d.precision = decimal_precision(f);
    snprintf(arguments, sizeof(arguments), "(%ld,%u)", d.precision, f->decimals);
  } else if (strcmp(d.data_type, "bit") == 0) {
    d.precision = (long)f->length;
    snprintf(arguments, sizeof(arguments), "(%ld)", d.precision);
  }
  bool number = types[find_type(d.data_type)].klass == CLASS_INT;
  c->remote_type = arena_printf(a, "%s%s%s%s", d.data_type, arguments,
                                number && is_unsigned ? " unsigned" : "",
                                f->flags & ZEROFILL_FLAG ? " zerofill" : "");
  d.column_type = c->remote_type;
  types_of_declaration(c, &d, want);
  if (f->flags & NOT_NULL_FLAG) c->flags |= COLUMN_NOT_NULL;
}

/* ---- decoding ------------------------------------------------------------------ */

static bool is_integer_field(const MYSQL_FIELD *f) {
  switch ((int)f->type) {
    case MYSQL_TYPE_TINY: case MYSQL_TYPE_SHORT: case MYSQL_TYPE_INT24: case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG: case MYSQL_TYPE_YEAR: return true;
    default: return false;
  }
}

static bool is_string_field(const MYSQL_FIELD *f) {
  switch ((int)f->type) {
    case MYSQL_TYPE_STRING: case MYSQL_TYPE_VAR_STRING: case MYSQL_TYPE_VARCHAR:
    case MYSQL_TYPE_TINY_BLOB: case MYSQL_TYPE_MEDIUM_BLOB: case MYSQL_TYPE_LONG_BLOB:
    case MYSQL_TYPE_BLOB: case MYSQL_TYPE_ENUM: case MYSQL_TYPE_SET: return true;
    default: return false;
  }
}

static bool is_decimal_field(const MYSQL_FIELD *f) {
  return f->type == MYSQL_TYPE_NEWDECIMAL || f->type == MYSQL_TYPE_DECIMAL;
}

static bool set_cell(cell_kind *out, bool ok, cell_kind kind) {
  *out = kind;
  return ok;
}

static bool integer_cell(const column *c, const MYSQL_FIELD *f, cell_kind *kind) {
  bool wide = f->type == MYSQL_TYPE_LONGLONG && (f->flags & UNSIGNED_FLAG);
  if (!is_integer_field(f)) return false;
  if (c->klass == CLASS_UINT64 || c->klass == CLASS_NUMERIC_TEXT) {
    *kind = c->klass == CLASS_UINT64 ? CELL_UNSIGNED : CELL_UNSIGNED_TEXT;
    return wide;
  }
  *kind = CELL_INTEGER;
  return !wide && (c->klass == CLASS_YEAR) == (f->type == MYSQL_TYPE_YEAR);
}

bool types_cell(const column *c, const MYSQL_FIELD *f, cell_kind *kind) {
  int type = (int)f->type;
  switch (c->klass) {
    case CLASS_INT: case CLASS_YEAR: case CLASS_UINT64: return integer_cell(c, f, kind);
    case CLASS_BIT:
      return set_cell(kind, type == MYSQL_TYPE_BIT && f->length <= BIT_INTEGER, CELL_BIT);
    case CLASS_FLOAT4: return set_cell(kind, type == MYSQL_TYPE_FLOAT, CELL_FLOAT);
    case CLASS_FLOAT: return set_cell(kind, type == MYSQL_TYPE_DOUBLE, CELL_DOUBLE);
    case CLASS_DECIMAL:
      return set_cell(kind, is_decimal_field(f) && decimal_precision(f) <= EXACT_DIGITS,
                      CELL_DECIMAL);
    case CLASS_NUMERIC: return set_cell(kind, is_decimal_field(f), CELL_DECIMAL);
    case CLASS_NUMERIC_TEXT:
      if (is_decimal_field(f)) return set_cell(kind, true, CELL_TEXT);
      return integer_cell(c, f, kind);
    case CLASS_DATE:
      return set_cell(kind, type == MYSQL_TYPE_DATE || type == MYSQL_TYPE_NEWDATE, CELL_DATE);
    case CLASS_TIME: return set_cell(kind, type == MYSQL_TYPE_TIME, CELL_TIME);
    case CLASS_TIMESTAMP: return set_cell(kind, type == MYSQL_TYPE_DATETIME, CELL_DATETIME);
    case CLASS_TIMESTAMPTZ: return set_cell(kind, type == MYSQL_TYPE_TIMESTAMP, CELL_DATETIME);
    case CLASS_JSONB:
      return set_cell(kind, type == MYSQL_TYPE_JSON || is_string_field(f), CELL_TEXT);
    case CLASS_BYTES: case CLASS_GEOMETRY:
      return set_cell(kind, (is_string_field(f) && is_binary(f)) || type == MYSQL_TYPE_BIT,
                      CELL_BYTES);
    default:
      return set_cell(kind, is_string_field(f) && !is_binary(f), CELL_TEXT);
  }
}
