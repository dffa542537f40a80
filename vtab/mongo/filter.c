/*
** filter.c - conditions to filters.
**
** MongoDB compares a value with those of its own kind alone; SQLite compares
** all: numbers are less than texts, texts less than blobs, and a date, an
** ObjectId or a document is a text like any other.  So a condition becomes
** the union ($or) of what it comes to for each kind of value that the column
** can hold (column.type_detail): a narrow condition on the kind, all of it, or
** nothing.  Without a validator that is every kind, and the union is a
** superset; with one it may be a single comparison and exact.
**
** Kinds whose text is not the server's own order:
**
**   kind              texts begin with    = 'v'            < 'v'
**   arrays            [                   all, if v does   all, if v's first byte allows it
**   objects, others   {                   all, if v does   the same
**   ObjectIds         0..9, a..f          that one         all
**   dates             0..9                that one         by time if v is a date; years that
**                                                          are not 0001..9999 always
**   uuids (binData)   0..9, a..f          that one         as the first byte allows
**
** What is greater than a value is asked by $expr, which compares across kinds
** in the order numbers, texts, objects, arrays, blobs, ObjectIds, booleans,
** dates and can use an index, where naming the kinds could not: an index has
** no entry for an array as such.
**
** Traps:
**   A number may come from a column of numeric affinity: then SQLite compares
**   a text that looks like a number as that number.  Such texts, and ObjectIds,
**   which may look like one, are always asked for.
**   A decimal is equal to the double that it is read as: numbers are asked for
**   by the neighbourhood of the value, where decimals can be.
**   An array is matched by its elements.  Where that finds more, SQLite drops
**   it; "IS NULL" says $type.
*/
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "vtab/mongo/mongo_driver.h"

enum { PATH_ROOM = MONGO_PATH_LENGTH + 2 };

/* Text that SQLite's NUMERIC affinity may turn into a number. */
#define NUMBER_LIKE "^[ \\t\\n\\v\\f\\r]*[-+]?(\\.?[0-9]|Inf)"

/* Milliseconds of 0001-01-01 and 10000-01-01. */
#define YEAR_1     INT64_C(-62135596800000)
#define YEAR_10000 INT64_C(253402300800000)

/* A filter under construction: the alternatives of one condition. */
typedef struct union_filter {
  bson_t *list;                /* the array of $or */
  uint32_t n;
  const char *path;
  uint32_t kinds;              /* that the column can hold */
  bool shown;                  /* values are question marks */
} union_filter;

/* ---- pieces ---------------------------------------------------------------- */

static void append_key(bson_t *list, uint32_t n, bson_t *child, bool array) {
  char room[16];
  const char *key;
  size_t length = bson_uint32_to_string(n, &key, room, sizeof(room));
  if (array) bson_append_array_begin(list, key, (int)length, child);
  else bson_append_document_begin(list, key, (int)length, child);
}

/* Begins the alternative {path: {…}}. */
static void begin_piece(union_filter *u, bson_t *piece, bson_t *condition) {
  append_key(u->list, u->n++, piece, false);
  bson_append_document_begin(piece, u->path, -1, condition);
}

static void end_piece(union_filter *u, bson_t *piece, bson_t *condition) {
  bson_append_document_end(piece, condition);
  bson_append_document_end(u->list, piece);
}

/* A value of the statement's. */
static void append_value(const union_filter *u, bson_t *out, const char *key, const value *v) {
  if (u->shown) {
    BSON_APPEND_UTF8(out, key, "?");
  } else if (v->storage == STORAGE_INTEGER) {
    BSON_APPEND_INT64(out, key, v->integer);
  } else if (v->storage == STORAGE_REAL) {
    BSON_APPEND_DOUBLE(out, key, v->real);
  } else {
    bson_append_utf8(out, key, -1, v->length ? v->bytes : "", (int)v->length);
  }
}

static void append_date(const union_filter *u, bson_t *out, const char *key, int64_t ms) {
  if (u->shown) BSON_APPEND_UTF8(out, key, "?");
  else BSON_APPEND_DATE_TIME(out, key, ms);
}

static void append_real(const union_filter *u, bson_t *out, const char *key, double real) {
  append_value(u, out, key, &(value){.storage = STORAGE_REAL, .real = real});
}

static void add_types(union_filter *u, uint32_t kinds) {
  static const struct {
    uint32_t kind;
    const char *types[10];
  } names[] = {
    {MONGO_NUMBER, {"int", "long", "double"}},
    {MONGO_DECIMAL, {"decimal"}},
    {MONGO_STRING, {"string"}},
    {MONGO_BOOL, {"bool"}},
    {MONGO_DATE, {"date"}},
    {MONGO_OID, {"objectId"}},
    {MONGO_BINARY, {"binData"}},
    {MONGO_ARRAY, {"array"}},
    {MONGO_OBJECT, {"object", "regex", "timestamp", "javascript", "javascriptWithScope",
                    "dbPointer", "symbol", "minKey", "maxKey"}},
  };
  bson_t piece, condition, types;
  uint32_t n = 0;
  kinds &= u->kinds;
  if (!kinds) return;
  begin_piece(u, &piece, &condition);
  BSON_APPEND_ARRAY_BEGIN(&condition, "$type", &types);
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    for (const char *const *t = names[i].types; (names[i].kind & kinds) && *t; t++) {
      char key[16];
      const char *at;
      bson_uint32_to_string(n++, &at, key, sizeof(key));
      BSON_APPEND_UTF8(&types, at, *t);
    }
  }
  bson_append_array_end(&condition, &types);
  end_piece(u, &piece, &condition);
}

static const char *comparison_name(query_operator op) {
  switch (op) {
    case OP_LT: return "$lt";
    case OP_LE: return "$lte";
    case OP_GT: return "$gt";
    case OP_GE: return "$gte";
    case OP_NE: return "$ne";
    default: return "$eq";
  }
}

static void add_comparison(union_filter *u, query_operator op, const value *v) {
  bson_t piece, condition;
  begin_piece(u, &piece, &condition);
  append_value(u, &condition, comparison_name(op), v);
  end_piece(u, &piece, &condition);
}

static void add_date(union_filter *u, query_operator op, int64_t ms) {
  bson_t piece, condition;
  begin_piece(u, &piece, &condition);
  append_date(u, &condition, comparison_name(op), ms);
  end_piece(u, &piece, &condition);
}

/* {$expr: {OP: ["$path", {$literal: v}]}}: greater across kinds. MinKey, the least
** of all there, and symbols, which are strings there, are extended JSON here. */
static void add_greater(union_filter *u, query_operator op, const value *v) {
  bson_t piece, expression, list, literal;
  char field[PATH_ROOM];
  snprintf(field, sizeof(field), "$%s", u->path);
  append_key(u->list, u->n++, &piece, false);
  bson_append_document_begin(&piece, "$expr", -1, &expression);
  bson_append_array_begin(&expression, comparison_name(op), -1, &list);
  BSON_APPEND_UTF8(&list, "0", field);
  bson_append_document_begin(&list, "1", -1, &literal);
  append_value(u, &literal, "$literal", v);
  bson_append_document_end(&list, &literal);
  bson_append_array_end(&expression, &list);
  bson_append_document_end(&piece, &expression);
  bson_append_document_end(u->list, &piece);
  bson_t least, condition, types;
  begin_piece(u, &least, &condition);
  BSON_APPEND_ARRAY_BEGIN(&condition, "$type", &types);
  BSON_APPEND_UTF8(&types, "0", "minKey");
  BSON_APPEND_UTF8(&types, "1", "symbol");
  bson_append_array_end(&condition, &types);
  end_piece(u, &least, &condition);
}

static void add_number_like(union_filter *u) {
  bson_t piece, condition;
  if (!(u->kinds & MONGO_STRING)) return;
  begin_piece(u, &piece, &condition);
  BSON_APPEND_UTF8(&condition, "$regex", NUMBER_LIKE);
  end_piece(u, &piece, &condition);
}

/* ---- numbers --------------------------------------------------------------- */

/* As far as SQLite's reading of a long decimal has been seen to be off. */
static double moved(double r, double towards) {
  enum { UNITS = 4 };
  for (int i = 0; i < UNITS; i++) r = nextafter(r, towards);
  return r;
}

static bool is_greater_op(query_operator op) { return op == OP_GT || op == OP_GE; }
static bool is_less_op(query_operator op) { return op == OP_LT || op == OP_LE; }

/* The numbers themselves: exactly, or, where decimals can be, the neighbourhood.  A decimal that is its
** digits is equal to a number of numeric affinity, and greater than all numbers otherwise. */
static void add_numbers(union_filter *u, query_operator op, const value *v) {
  bson_t piece, condition;
  bool ordered = is_less_op(op) || is_greater_op(op);
  if (!(u->kinds & (MONGO_NUMBER | MONGO_DECIMAL))) return;
  if (!(u->kinds & MONGO_DECIMAL) || (ordered && (u->kinds & MONGO_DIGITS))) {
    add_comparison(u, op, v);
    return;
  }
  double r = v->storage == STORAGE_REAL ? v->real : (double)v->integer;
  begin_piece(u, &piece, &condition);
  if (!is_less_op(op)) append_real(u, &condition, "$gte", r == 0 ? -1e-300 : moved(r, -INFINITY));
  if (!is_greater_op(op)) append_real(u, &condition, "$lte", r == 0 ? 1e-300 : moved(r, INFINITY));
  end_piece(u, &piece, &condition);
}

static bool holds(query_operator op, int order) {
  switch (op) {
    case OP_LT: return order < 0;
    case OP_LE: return order <= 0;
    case OP_GT: return order > 0;
    case OP_GE: return order >= 0;
    default: return order == 0;
  }
}

static void add_booleans(union_filter *u, query_operator op, const value *v) {
  for (int b = 0; (u->kinds & MONGO_BOOL) && b <= 1; b++) {
    int order;
    if (v->storage == STORAGE_INTEGER) order = (b > v->integer) - (b < v->integer);
    else order = (b > v->real) - (b < v->real);
    if (!holds(op, order)) continue;
    bson_t piece, condition;
    begin_piece(u, &piece, &condition);
    BSON_APPEND_BOOL(&condition, "$eq", b);
    end_piece(u, &piece, &condition);
  }
}

#define TEXT_KINDS \
  (MONGO_STRING | MONGO_DATE | MONGO_OID | MONGO_BINARY | MONGO_ARRAY | MONGO_OBJECT)

/* column OP number */
static void compare_number(union_filter *u, query_operator op, const value *v) {
  if (is_greater_op(op) && (u->kinds & (MONGO_ARRAY | MONGO_OBJECT))) {
    double r = v->storage == STORAGE_REAL ? v->real : (double)v->integer;
    value low = {.storage = STORAGE_REAL, .real = r == 0 ? -1e-300 : moved(r, -INFINITY)};
    add_greater(u, OP_GE, &low);
    add_types(u, MONGO_BOOL);
    if (u->kinds & MONGO_DIGITS) add_types(u, MONGO_DECIMAL);
    return;
  }
  add_numbers(u, op, v);
  add_booleans(u, op, v);
  if ((u->kinds & MONGO_DIGITS) && op != OP_EQ) add_types(u, MONGO_DECIMAL);
  if (is_greater_op(op)) {
    add_types(u, TEXT_KINDS);
  } else {
    add_number_like(u);
    add_types(u, MONGO_OID);
  }
}

/* ---- texts ----------------------------------------------------------------- */

/* Whether a text that begins with a byte of LOW..HIGH can be OP V. */
static bool may_hold(query_operator op, const value *v, unsigned char low, unsigned char high) {
  if (v->length == 0) return is_greater_op(op);
  unsigned char first = (unsigned char)v->bytes[0];
  if (is_less_op(op)) return low <= first;
  if (is_greater_op(op)) return high >= first;
  return low <= first && first <= high;
}

/* The kinds whose texts the server does not order as texts. */
static uint32_t kinds_that_may(query_operator op, const value *v) {
  uint32_t kinds = 0;
  if (may_hold(op, v, '[', '[')) kinds |= MONGO_ARRAY;
  if (may_hold(op, v, '{', '{')) kinds |= MONGO_OBJECT;
  return kinds;
}

/* Decimals whose digits are the text: those near the number that it is. */
static void equal_digits(union_filter *u, const value *v) {
  value number = *v;
  if (value_apply_numeric(&number)) add_numbers(u, OP_EQ, &number);
  else if (v->length && strchr("-IN", v->bytes[0])) add_types(u, MONGO_DECIMAL);   /* Infinity, NaN */
}

/* column = text, for the kinds of which one value has that text. */
static void equal_text(union_filter *u, const value *v) {
  bson_oid_t oid;
  uint8_t uuid[16];
  int64_t ms;
  int micros;
  bson_t piece, condition;
  if (u->kinds & MONGO_STRING) add_comparison(u, OP_EQ, v);
  if ((u->kinds & MONGO_OID) && types_parse_oid(v->bytes, v->length, &oid)) {
    begin_piece(u, &piece, &condition);
    if (u->shown) BSON_APPEND_UTF8(&condition, "$eq", "?");
    else BSON_APPEND_OID(&condition, "$eq", &oid);
    end_piece(u, &piece, &condition);
  }
  if ((u->kinds & MONGO_BINARY) && types_parse_uuid(v->bytes, v->length, uuid)) {
    begin_piece(u, &piece, &condition);
    if (u->shown) BSON_APPEND_UTF8(&condition, "$eq", "?");
    else BSON_APPEND_BINARY(&condition, "$eq", BSON_SUBTYPE_UUID, uuid, sizeof(uuid));
    end_piece(u, &piece, &condition);
  }
  bool stamp = value_parse_time(v->bytes, v->length) == VALUE_TIME_STAMP;
  if ((u->kinds & MONGO_DATE) && stamp && types_parse_date(v->bytes, v->length, &ms, &micros)) {
    if (micros == 0) add_date(u, OP_EQ, ms);
  } else if ((u->kinds & MONGO_DATE) && !stamp && may_hold(OP_EQ, v, '0', '9')) {
    /* Years that are not 0001..9999 have texts of their own. */
    add_date(u, OP_LT, YEAR_1);
    add_date(u, OP_GE, YEAR_10000);
  }
  if (u->kinds & MONGO_DIGITS) equal_digits(u, v);
  add_types(u, kinds_that_may(OP_EQ, v));
}

/* column < text or > text, for dates. */
static void range_dates(union_filter *u, query_operator op, const value *v) {
  int64_t ms;
  int micros;
  if (!(u->kinds & MONGO_DATE)) return;
  value_time kind = value_parse_time(v->bytes, v->length);
  if (kind == VALUE_TIME_NONE || !types_parse_date(v->bytes, v->length, &ms, &micros)) {
    if (may_hold(op, v, '0', '9')) add_types(u, MONGO_DATE);
    return;
  }
  /* Midnight's text is longer than the date's, hence greater. */
  if (kind == VALUE_TIME_DATE) op = is_less_op(op) ? OP_LT : OP_GE;
  if (micros) op = is_less_op(op) ? OP_LE : OP_GT;
  add_date(u, op, ms);
  if (is_less_op(op)) add_date(u, OP_GE, YEAR_10000);
  else add_date(u, OP_LT, YEAR_1);
}

/* column OP text */
static void compare_text(union_filter *u, query_operator op, const value *v) {
  bool greater = is_greater_op(op), others = u->kinds & (MONGO_ARRAY | MONGO_OBJECT);
  bool is_time = value_parse_time(v->bytes, v->length) != VALUE_TIME_NONE;
  if (greater && others && !is_time) {
    add_greater(u, op, v);
    if (u->kinds & MONGO_DIGITS) add_types(u, MONGO_DECIMAL);
    return;
  }
  if (u->kinds & MONGO_STRING) add_comparison(u, op, v);
  range_dates(u, op, v);
  if (u->kinds & MONGO_DIGITS) add_types(u, MONGO_DECIMAL);
  if (greater) {
    add_types(u, TEXT_KINDS & ~(uint32_t)(MONGO_STRING | MONGO_DATE));
    return;
  }
  add_types(u, MONGO_NUMBER | MONGO_BOOL | MONGO_DECIMAL | kinds_that_may(op, v));
  if (may_hold(op, v, '0', 'f')) add_types(u, MONGO_BINARY);
  if ((u->kinds & MONGO_ANY) == MONGO_STRING) return;
  /* V may come from a column of numeric affinity, and what looks like a number is less. */
  add_number_like(u);
  add_types(u, MONGO_OID);
}

/* ---- blobs ----------------------------------------------------------------- */

/* The server orders binData by length, then subtype, then bytes: equal bytes under
** any subtype stand between the first and the last. Subtype 2 has its length inside. */
static void equal_blob(union_filter *u, const value *v) {
  const uint8_t *bytes = (const uint8_t *)(v->length ? v->bytes : "");
  bson_t piece, condition;
  if (!(u->kinds & MONGO_BINARY)) return;
  begin_piece(u, &piece, &condition);
  if (u->shown) {
    BSON_APPEND_UTF8(&condition, "$eq", "?");
  } else {
    BSON_APPEND_BINARY(&condition, "$gte", BSON_SUBTYPE_BINARY, bytes, (uint32_t)v->length);
    BSON_APPEND_BINARY(&condition, "$lte", (bson_subtype_t)0xff, bytes, (uint32_t)v->length);
  }
  end_piece(u, &piece, &condition);
  begin_piece(u, &piece, &condition);
  if (u->shown) BSON_APPEND_UTF8(&condition, "$eq", "?");
  else
    BSON_APPEND_BINARY(&condition, "$eq", BSON_SUBTYPE_BINARY_DEPRECATED, bytes,
                       (uint32_t)v->length);
  end_piece(u, &piece, &condition);
}

static void compare_blob(union_filter *u, query_operator op, const value *v) {
  if (op == OP_EQ) equal_blob(u, v);
  else if (is_greater_op(op)) add_types(u, MONGO_BINARY);
  else add_types(u, MONGO_ANY);
}

/* ---- one condition --------------------------------------------------------- */

static void compare(union_filter *u, query_operator op, const value *v) {
  switch (v->storage) {
    case STORAGE_INTEGER: case STORAGE_REAL:
      compare_number(u, op, v);
      break;
    case STORAGE_TEXT:
      if (op == OP_EQ) equal_text(u, v);
      else compare_text(u, op, v);
      break;
    case STORAGE_BLOB: compare_blob(u, op, v); break;
    default: break;
  }
}

/* A list: texts that stand for themselves in one $in, the rest one by one. */
static void compare_list(union_filter *u, const value *list) {
  bson_t piece, condition, in;
  bool exact_numbers = !(u->kinds & MONGO_DECIMAL), numbers = false;
  uint32_t n = 0;
  begin_piece(u, &piece, &condition);
  BSON_APPEND_ARRAY_BEGIN(&condition, "$in", &in);
  for (size_t i = 0; i < list->n_list; i++) {
    const value *v = &list->list[i];
    bool number = v->storage == STORAGE_INTEGER || v->storage == STORAGE_REAL;
    bool in_list = number ? exact_numbers && (u->kinds & MONGO_NUMBER)
                          : v->storage == STORAGE_TEXT && (u->kinds & MONGO_STRING);
    numbers |= number;
    if (!in_list || (u->shown && n)) continue;
    char room[16];
    const char *key;
    bson_uint32_to_string(n++, &key, room, sizeof(room));
    append_value(u, &in, key, v);
  }
  bson_append_array_end(&condition, &in);
  end_piece(u, &piece, &condition);
  union_filter rest = *u;
  for (size_t i = 0; i < list->n_list; i++) {
    const value *v = &list->list[i];
    if (u->shown && i > 0) break;
    bool number = v->storage == STORAGE_INTEGER || v->storage == STORAGE_REAL;
    rest.n = u->n;
    rest.kinds = u->kinds;
    if (number) {
      if (!exact_numbers) add_numbers(&rest, OP_EQ, v);
      add_booleans(&rest, OP_EQ, v);
    } else {
      rest.kinds &= ~(uint32_t)MONGO_STRING;
      compare(&rest, OP_EQ, v);
    }
    u->n = rest.n;
  }
  if (!numbers) return;
  add_number_like(u);
  add_types(u, MONGO_OID);
}

/* ---- null ------------------------------------------------------------------ */

/* Every part of a path above the last: an array there hides the field. */
static void add_hiding_arrays(union_filter *u) {
  char part[PATH_ROOM];
  const char *path = u->path;
  for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
    bson_t piece, condition;
    snprintf(part, sizeof(part), "%.*s", (int)(dot - path), path);
    u->path = part;
    begin_piece(u, &piece, &condition);
    BSON_APPEND_UTF8(&condition, "$type", "array");
    end_piece(u, &piece, &condition);
    u->path = path;
  }
}

/* Null, absent and NaN, but no array that holds one of them. */
static void add_null(union_filter *u) {
  bson_t piece, condition, list, not;
  begin_piece(u, &piece, &condition);
  BSON_APPEND_ARRAY_BEGIN(&condition, "$in", &list);
  BSON_APPEND_NULL(&list, "0");
  BSON_APPEND_DOUBLE(&list, "1", NAN);
  bson_append_array_end(&condition, &list);
  BSON_APPEND_DOCUMENT_BEGIN(&condition, "$not", &not);
  BSON_APPEND_UTF8(&not, "$type", "array");
  bson_append_document_end(&condition, &not);
  end_piece(u, &piece, &condition);
  add_hiding_arrays(u);
}

/* ---- patterns -------------------------------------------------------------- */

/* A LIKE or GLOB as a regular expression that finds no less: the wildcards of
** both, without the end, because SQLite reads a text up to a NUL. */
static void append_pattern(buffer *out, query_operator op, const value *v) {
  bool like = op == OP_LIKE;
  buffer_char(out, '^');
  for (size_t i = 0; i < v->length; i++) {
    char c = v->bytes[i];
    if (c == (like ? '%' : '*')) {
      buffer_text(out, "[\\s\\S]*");
    } else if (c == (like ? '_' : '?')) {
      buffer_text(out, "[\\s\\S]");
    } else if (c == 0 || (!like && c == '[')) {
      break;                   /* the end for SQLite; a set: the prefix is enough */
    } else {
      if (strchr("\\^$.|?*+()[]{}/#-", c)) buffer_char(out, '\\');
      buffer_char(out, c);
    }
  }
}

/* What is no string is turned into text by SQLite, and may match. */
static void add_pattern(union_filter *u, query_operator op, const value *v) {
  bson_t piece, condition;
  buffer pattern = {0};
  if (u->kinds & MONGO_STRING) {
    append_pattern(&pattern, op, v);
    begin_piece(u, &piece, &condition);
    if (!u->shown) {
      BSON_APPEND_REGEX(&condition, "$regex", buffer_cstr(&pattern), op == OP_LIKE ? "i" : "");
    } else {
      BSON_APPEND_UTF8(&condition, "$regex", "?");
    }
    end_piece(u, &piece, &condition);
  }
  buffer_free(&pattern);
  add_types(u, MONGO_ANY & ~(uint32_t)MONGO_STRING);
}

/* ---- terms ----------------------------------------------------------------- */

/* <> and IS NOT, of columns that hold one kind of value. */
static void append_unequal(bson_t *out, const union_filter *u, query_operator op, const value *v) {
  bson_t condition, list;
  bson_append_document_begin(out, u->path, -1, &condition);
  BSON_APPEND_ARRAY_BEGIN(&condition, "$nin", &list);
  bool boolean = (u->kinds & MONGO_ANY) == MONGO_BOOL && (v->integer == 0 || v->integer == 1);
  if (boolean && !u->shown) BSON_APPEND_BOOL(&list, "0", v->integer == 1);
  else append_value(u, &list, "0", v);
  if (op == OP_NE) {
    BSON_APPEND_NULL(&list, "1");
    BSON_APPEND_DOUBLE(&list, "2", NAN);
  }
  bson_append_array_end(&condition, &list);
  bson_append_document_end(out, &condition);
}

static void append_union(bson_t *out, union_filter *u, query_operator op, const value *v) {
  bson_t list;
  bson_append_array_begin(out, op == OP_NOT_NULL ? "$nor" : "$or", -1, &list);
  u->list = &list;
  switch (op) {
    case OP_IS_NULL: case OP_NOT_NULL: add_null(u); break;
    case OP_LIKE: case OP_GLOB: add_pattern(u, op, v); break;
    case OP_IN: compare_list(u, v); break;
    default: compare(u, op, v);
  }
  if (u->n == 0) {             /* no value can satisfy it; an empty $or is an error */
    bson_t piece, condition, nothing;
    begin_piece(u, &piece, &condition);
    BSON_APPEND_ARRAY_BEGIN(&condition, "$in", &nothing);
    bson_append_array_end(&condition, &nothing);
    end_piece(u, &piece, &condition);
  }
  bson_append_array_end(out, &list);
}

/* A member that is a string, or a number: its field.  A text that is bound may go on behind
** a NUL; a number is asked for by its neighbourhood, for SQLite reads it from a text. */
static void append_member(bson_t *out, const query *q, const query_expr *term, bool shown) {
  const value *v = &q->parameters[term->args[1].parameter];
  const value *label = &q->parameters[term->args[2].parameter];
  union_filter u = {.path = label->bytes, .kinds = MONGO_ANY, .shown = shown};
  bson_t list, piece, condition;
  buffer beyond = {0};
  BSON_APPEND_ARRAY_BEGIN(out, "$or", &list);
  u.list = &list;
  begin_piece(&u, &piece, &condition);
  if (term->op == OP_MEMBER_TEXT) {
    buffer_append(&beyond, v->bytes, v->length);
    buffer_char(&beyond, 1);
    value end = {.storage = STORAGE_TEXT, .bytes = beyond.text, .length = beyond.length};
    append_value(&u, &condition, "$gte", v);
    if (!beyond.failed) append_value(&u, &condition, "$lt", &end);
  } else {
    append_real(&u, &condition, "$gte", (double)v->integer - 0.5);
    append_real(&u, &condition, "$lte", (double)v->integer + 0.5);
  }
  end_piece(&u, &piece, &condition);
  if (term->op == OP_MEMBER_NUMBER) add_booleans(&u, OP_EQ, v);
  bson_append_array_end(out, &list);
  buffer_free(&beyond);
}

/* {OP: ["$path", "$other"]}, or null for the other. */
static void append_comparison(bson_t *all, uint32_t n, query_operator op, const char *path,
                              const char *other) {
  bson_t piece, list;
  char field[PATH_ROOM];
  append_key(all, n, &piece, false);
  bson_append_array_begin(&piece, comparison_name(op), -1, &list);
  snprintf(field, sizeof(field), "$%s", path);
  BSON_APPEND_UTF8(&list, "0", field);
  if (other) snprintf(field, sizeof(field), "$%s", other);
  if (other) BSON_APPEND_UTF8(&list, "1", field);
  else BSON_APPEND_NULL(&list, "1");
  bson_append_array_end(&piece, &list);
  bson_append_document_end(all, &piece);
}

/* {$expr: {$and: […]}}: null, and what is absent, is less than all values there. */
static void add_pair(union_filter *u, query_operator op, const char *other) {
  bson_t piece, expression, all;
  append_key(u->list, u->n++, &piece, false);
  bson_append_document_begin(&piece, "$expr", -1, &expression);
  bson_append_array_begin(&expression, "$and", -1, &all);
  append_comparison(&all, 0, op, u->path, other);
  append_comparison(&all, 1, OP_GT, u->path, NULL);
  append_comparison(&all, 2, OP_GT, other, NULL);
  bson_append_array_end(&expression, &all);
  bson_append_document_end(&piece, &expression);
  bson_append_document_end(u->list, &piece);
}

/* Two fields of one type each.  NaN is less than all numbers there: that finds more.  Dates
** beyond four digits of a year are no texts in order. */
static void append_pair(bson_t *out, const column *c, const column *other, query_operator op) {
  bson_t list;
  union_filter u = {.path = c->remote_name, .kinds = MONGO_ANY};
  bool dates = c->klass == CLASS_TIMESTAMP && (is_less_op(op) || is_greater_op(op));
  BSON_APPEND_ARRAY_BEGIN(out, "$or", &list);
  u.list = &list;
  add_pair(&u, op, other->remote_name);
  for (int i = 0; dates && i < 2; i++) {
    add_date(&u, OP_LT, YEAR_1);
    add_date(&u, OP_GE, YEAR_10000);
    u.path = other->remote_name;
  }
  bson_append_array_end(out, &list);
}

static void append_terms(bson_t *out, const char *key, const query *q, const query_expr *terms,
                         int n, bool shown);

static void append_term(bson_t *out, const query *q, const query_expr *term, bool shown) {
  if (term->kind != EXPR_TERM) {
    append_terms(out, term->kind == EXPR_ALL ? "$and" : "$or", q, term->args, term->n_args, shown);
    return;
  }
  if (term->op == OP_MEMBER_TEXT || term->op == OP_MEMBER_NUMBER) {
    append_member(out, q, term, shown);
    return;
  }
  const column *columns = q->sources[term->args[0].source].relation->columns;
  const column *c = &columns[term->args[0].column];
  if (OPS(term->op) & OPS_COLUMNS) {
    append_pair(out, c, &columns[term->args[1].column], pushdown_comparison(term->op));
    return;
  }
  const value *v = term->n_args > 1 ? &q->parameters[term->args[1].parameter] : NULL;
  union_filter u = {.path = c->remote_name, .kinds = c->type_detail, .shown = shown};
  if (term->op == OP_NE || term->op == OP_IS_NOT) append_unequal(out, &u, term->op, v);
  else append_union(out, &u, term->op, v);
}

static void append_terms(bson_t *out, const char *key, const query *q, const query_expr *terms,
                         int n, bool shown) {
  bson_t list, term;
  BSON_APPEND_ARRAY_BEGIN(out, key, &list);
  for (int i = 0; i < n; i++) {
    append_key(&list, (uint32_t)i, &term, false);
    append_term(&term, q, &terms[i], shown);
    bson_append_document_end(&list, &term);
  }
  bson_append_array_end(out, &list);
}

void filter_append(bson_t *out, const char *key, const query *q, bool shown) {
  bson_t filter;
  bson_append_document_begin(out, key, -1, &filter);
  if (q->n_filter > 0) append_terms(&filter, "$and", q, q->filter, q->n_filter, shown);
  bson_append_document_end(out, &filter);
}
