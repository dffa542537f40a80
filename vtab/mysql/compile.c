/*
** compile.c - what MySQL and MariaDB may do in SQLite's place, and the SQL
** that says it.
**
** Text.  A column's own `=` folds case and accents and ignores trailing
** blanks in nearly every collation, so an equality is sent twice: as it is,
** for the index, and over the bytes of the text in utf8mb4, for the answer.
** CONVERT matters: plain BINARY would compare the bytes of a latin1 column.
** Ranges, orders and groups are over those bytes alone, without the index.
**
** A LIKE with a beginning is the column's own where that finds enough, for the index
** (row_for() sends other patterns in another way).
**
** Decimals are bound as text and cast, so that the comparison is between
** decimals and keeps the index.  DECIMAL(65,30) is the widest there is.
**
** Dates.  Text in canonical form is bound as it is, and compared as a date.
** Zero dates ('0000-00-00', '2026-00-15') are in the same order as their
** texts, and years end at 9999: ranges and orders are exact.  TIME is compared
** as its text: '100:00:00' comes before '23:00:00', and a minus sign turns the order.
**
** Sorting looks at the first max_sort_length bytes of a value and no further, and
** so do groups that are found by sorting.  What may be longer is ordered and
** grouped by SQLite (MYSQL_SORTS_WHOLE).
**
** Invariants: a row's text names {v} as often as it likes: each is a
** placeholder of its own (sql_dialect.numbered is false).
*/
#include <string.h>

#include "vtab/mysql/mysql_driver.h"
#include "vtab/sql_text.h"

#define BYTES_OF_COLUMN(column) "CAST(CONVERT(" column " USING utf8mb4) AS BINARY)"
#define BYTES_OF_TEXT BYTES_OF_COLUMN("{c}")

/* SQLite's LIKE folds ASCII, LOWER folds more: a superset.  The pattern's own
** escapes are none; and SQLite stops reading at a NUL, on either side. */
#define LIKE_FOLDED \
  "(LOWER(CONVERT({c} USING utf8mb4)) COLLATE utf8mb4_bin LIKE REPLACE(LOWER({v}), '|', '||') " \
  "ESCAPE '|'" \
  " OR LOCATE(x'00', " BYTES_OF_TEXT ") > 0 OR LOCATE(x'00', CAST({v} AS BINARY)) > 0)"

/* What arrives of a time: the fraction without the zeros at its end, or without itself. */
#define TEXT_OF_TIME \
  "IF(MICROSECOND({c}) = 0, SUBSTRING_INDEX(CAST({c} AS CHAR), '.', 1), " \
  "TRIM(TRAILING '0' FROM CAST({c} AS CHAR)))"
#define BYTES_OF(text) "CAST(" text " AS BINARY)"
#define BYTES_OF_TIME BYTES_OF(TEXT_OF_TIME)
#define BYTES_OF_CHAR BYTES_OF("CAST({c} AS CHAR)")
#define BYTES_OF_WKB "ST_AsWKB({c})"

/* The same of text that has neither bars, capitals nor NULs. */
#define LIKE_PLAIN(text, pattern) \
  "(" text " LIKE " pattern " ESCAPE '|' OR LOCATE(x'00', CAST({v} AS BINARY)) > 0)"

/* Whatever is compared as the bytes of its text. */
#define BYTES_RULES(classes, collations, needs, bytes) \
  {OPS_COMPARE, classes, collations, needs, 0, PUSH_EXACT, REASON_NONE, bytes " {op} {v}"}, \
  {OPS(OP_IN), classes, collations, needs, 0, PUSH_EXACT, REASON_NONE, bytes " IN ({v})"}, \
  {OPS(OP_IS_NOT), classes, collations, needs, 0, PUSH_EXACT, REASON_NONE, \
   "NOT (" bytes " <=> {v})"}
#define BYTES_SORTED(classes, collations, needs, bytes) \
  {OPS_SORTED, classes, collations, needs, 0, PUSH_EXACT, REASON_NONE, bytes}

/* Columns of CLASSES that may be compared with each other. */
#define PAIR_RULE(classes, collations, text) \
  {OPS_COLUMNS, classes, collations, 0, 0, PUSH_SUPERSET, REASON_BESIDE, text}

#define OPS_NULL (OPS(OP_IS_NULL) | OPS(OP_NOT_NULL))
#define OPS_SORTED (OPS(OP_ORDER) | OPS(OP_DISTINCT))

#define CLASSES_INT \
  (CLASSES(CLASS_BOOL) | CLASSES(CLASS_INT) | CLASSES(CLASS_UINT64) | CLASSES(CLASS_BIT))
#define CLASSES_FLOAT (CLASSES(CLASS_FLOAT4) | CLASSES(CLASS_FLOAT))
#define CLASSES_STAMP (CLASSES(CLASS_TIMESTAMP) | CLASSES(CLASS_TIMESTAMPTZ))
#define CLASSES_EXACT_TIME (CLASSES(CLASS_DATE) | CLASSES_STAMP)
/* Text that the server has as characters, all of it reachable by CONVERT. */
#define CLASSES_STRING \
  (CLASSES(CLASS_TEXT) | CLASSES(CLASS_CHAR) | CLASSES(CLASS_ENUM) | CLASSES(CLASS_SET))
#define CLASSES_PLAIN (CLASSES(CLASS_TEXT) | CLASSES(CLASS_CHAR))
/* Shown as the server writes it: SQLite's patterns would mean this very text. */
#define CLASSES_WRITTEN \
  (CLASSES_STRING | CLASSES_EXACT_TIME | CLASSES(CLASS_TIME) | CLASSES(CLASS_UUID) | \
   CLASSES(CLASS_NUMERIC_TEXT) | CLASSES(CLASS_OTHER))

#define BINARY COLLATIONS(COLLATION_BINARY)

/* The first row that covers a case decides. */
const pushdown_row mysql_pushdown[] = {
  /* any type */
  {OPS_NULL, CLASSES_ALL, 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} {op}"},

  /* numbers */
  {OPS_COMPARE, CLASSES_INT, 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} {op} {v}"},
  {OPS(OP_IN), CLASSES_INT | CLASSES(CLASS_YEAR), 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} IN ({v})"},
  {OPS(OP_IS_NOT), CLASSES_INT | CLASSES_FLOAT | CLASSES(CLASS_BYTES), 0, 0, 0, PUSH_EXACT,
   REASON_NONE, "NOT ({c} <=> {v})"},
  /* As a number: a year column reads 26 as 2026. */
  {OPS(OP_IS_NOT), CLASSES(CLASS_YEAR), 0, 0, 0, PUSH_EXACT, REASON_NONE, "NOT ({c} + 0 <=> {v})"},
  {OPS(OP_EQ), CLASSES(CLASS_YEAR), 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} = {v}"},
  {OPS(OP_NE) | OPS_RANGE, CLASSES(CLASS_YEAR), 0, 0, 0, PUSH_EXACT, REASON_NONE,
   "({c} + 0) {op} {v}"},
  {OPS_SORTED, (CLASSES_INT & ~CLASSES(CLASS_UINT64)) | CLASSES(CLASS_YEAR),
   0, 0, 0, PUSH_EXACT, REASON_NONE, "{c}"},
  {OPS_SORTED, CLASSES(CLASS_UINT64), 0, 0, 0, PUSH_LOCAL, REASON_PRECISION,
   NULL},
  {OPS_COMPARE, CLASSES_FLOAT, 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} {op} {v}"},
  {OPS(OP_IN), CLASSES_FLOAT, 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} IN ({v})"},
  {OPS_SORTED, CLASSES_FLOAT, 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c}"},
  {OPS_COMPARE, CLASSES(CLASS_DECIMAL), 0, 0, 0, PUSH_EXACT, REASON_NONE,
   "{c} {op} CAST({v} AS DECIMAL(65,30))"},
  {OPS(OP_IS_NOT), CLASSES(CLASS_DECIMAL), 0, 0, 0, PUSH_EXACT, REASON_NONE,
   "NOT ({c} <=> CAST({v} AS DECIMAL(65,30)))"},
  /* Against text the server compares as doubles, which for so few digits is exact. */
  {OPS(OP_IN), CLASSES(CLASS_DECIMAL), 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} IN ({v})"},
  {OPS_SORTED, CLASSES(CLASS_DECIMAL), 0, 0, 0, PUSH_EXACT, REASON_NONE,
   "{c}"},
  {OPS_RANGE, CLASSES(CLASS_NUMERIC), 0, 0, 0, PUSH_SUPERSET, REASON_PRECISION,
   "{c} {op} CAST({v} AS DECIMAL(65,30))"},

  /* dates and times.  An index look-up by plain `=` cuts the constant to the column's
  ** fraction, and finds 00:00:05 for 00:00:05.5 (MariaDB 10.11). */
  {OPS(OP_EQ), CLASSES_STAMP, 0, 0, 0, PUSH_EXACT, REASON_NONE,
   "{c} = CAST({v} AS DATETIME(6))"},
  {OPS_COMPARE, CLASSES_EXACT_TIME, 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} {op} {v}"},
  {OPS(OP_IN), CLASSES_EXACT_TIME, 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} IN ({v})"},
  {OPS(OP_IS_NOT), CLASSES_EXACT_TIME, 0, 0, 0, PUSH_EXACT, REASON_NONE, "NOT ({c} <=> {v})"},
  {OPS_SORTED, CLASSES_EXACT_TIME, 0, 0, 0, PUSH_EXACT, REASON_NONE,
   "{c}"},
  BYTES_RULES(CLASSES(CLASS_TIME), BINARY, 0, BYTES_OF_TIME),
  BYTES_SORTED(CLASSES(CLASS_TIME), BINARY, 0, BYTES_OF_TIME),
  {OPS(OP_LIKE), CLASSES(CLASS_DATE), 0, 0, 0, PUSH_SUPERSET, REASON_PATTERN,
   LIKE_PLAIN("CAST({c} AS CHAR)", "{v}")},
  {OPS(OP_LIKE), CLASSES_STAMP | CLASSES(CLASS_TIME), 0, 0, 0, PUSH_SUPERSET, REASON_PATTERN,
   LIKE_PLAIN(TEXT_OF_TIME, "{v}")},

  /* text whose own comparison is over bytes */
  {OPS(OP_EQ) | OPS(OP_NE), CLASSES_PLAIN, BINARY, COLUMN_EQ_BYTES, 0, PUSH_EXACT, REASON_NONE,
   "{c} {op} {v}"},
  {OPS(OP_IN), CLASSES_PLAIN, BINARY, COLUMN_EQ_BYTES, 0, PUSH_EXACT, REASON_NONE, "{c} IN ({v})"},
  {OPS_RANGE, CLASSES_PLAIN, BINARY, COLUMN_ORDER_BYTES, 0, PUSH_EXACT, REASON_NONE,
   "{c} {op} {v}"},
  {OPS_SORTED, CLASSES_PLAIN, BINARY, COLUMN_ORDER_BYTES | MYSQL_SORTS_WHOLE, 0, PUSH_EXACT,
   REASON_NONE, "{c}"},

  /* other text */
  {OPS(OP_EQ), CLASSES_STRING, BINARY, 0, 0, PUSH_EXACT, REASON_NONE,
   "({c} = {v} AND " BYTES_OF_TEXT " = {v})"},
  {OPS(OP_IN), CLASSES_STRING, BINARY, 0, 0, PUSH_EXACT, REASON_NONE,
   "({c} IN ({v}) AND " BYTES_OF_TEXT " IN ({v}))"},
  {OPS(OP_NE) | OPS_RANGE, CLASSES_STRING, BINARY, 0, 0, PUSH_EXACT, REASON_NONE,
   BYTES_OF_TEXT " {op} {v}"},
  {OPS_SORTED, CLASSES_STRING, BINARY, MYSQL_SORTS_WHOLE, 0, PUSH_EXACT, REASON_NONE,
   BYTES_OF_TEXT},
  {OPS(OP_IS_NOT), CLASSES_STRING, BINARY, 0, 0, PUSH_EXACT, REASON_NONE,
   "NOT (" BYTES_OF_TEXT " <=> {v})"},
  {OPS(OP_LIKE), CLASSES_PLAIN, 0, MYSQL_LIKE_FOLDS, 0, PUSH_SUPERSET, REASON_PATTERN,
   "{c} LIKE {v} ESCAPE '|'"},
  {OPS(OP_LIKE), CLASSES_STRING, 0, 0, 0, PUSH_SUPERSET, REASON_PATTERN, LIKE_FOLDED},

  /* the server's own text of something else */
  {OPS_EQUAL, CLASSES(CLASS_UUID), 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} IN ({v})"},
  BYTES_RULES(CLASSES(CLASS_UUID) | CLASSES(CLASS_OTHER), BINARY, 0, BYTES_OF_CHAR),
  BYTES_SORTED(CLASSES(CLASS_UUID), BINARY, 0, BYTES_OF_CHAR),
  BYTES_RULES(CLASSES(CLASS_NUMERIC_TEXT), BINARY, MYSQL_NO_ZEROFILL, BYTES_OF_CHAR),
  BYTES_SORTED(CLASSES(CLASS_NUMERIC_TEXT), BINARY, MYSQL_NO_ZEROFILL, BYTES_OF_CHAR),
  {OPS(OP_LIKE), CLASSES(CLASS_UUID), 0, 0, 0, PUSH_SUPERSET, REASON_PATTERN,
   LIKE_PLAIN("CAST({c} AS CHAR)", "LOWER({v})")},

  /* bytes */
  {OPS_COMPARE, CLASSES(CLASS_BYTES), 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} {op} {v}"},
  {OPS(OP_IN), CLASSES(CLASS_BYTES), 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} IN ({v})"},
  BYTES_SORTED(CLASSES(CLASS_BYTES), 0, MYSQL_SORTS_WHOLE, "{c}"),
  BYTES_RULES(CLASSES(CLASS_GEOMETRY), 0, 0, BYTES_OF_WKB),

  /* two columns */
  PAIR_RULE((CLASSES_INT & ~CLASSES(CLASS_UINT64)) | CLASSES(CLASS_YEAR) | CLASSES(CLASS_DECIMAL), 0,
            "{c} {op} {d}"),
  PAIR_RULE(CLASSES_FLOAT, 0, "{c} {op} {d}"),
  PAIR_RULE(CLASSES(CLASS_DATE), 0, "{c} {op} {d}"),
  PAIR_RULE(CLASSES_STAMP, 0, "{c} {op} {d}"),
  PAIR_RULE(CLASSES_STRING, BINARY, BYTES_OF_TEXT " {op} " BYTES_OF_COLUMN("{d}")),
  PAIR_RULE(CLASSES(CLASS_BYTES), 0, "{c} {op} {d}"),

  /* the rest, with the reason why not */
  {OPS_COLUMNS, CLASSES(CLASS_UINT64), 0, 0, 0, PUSH_LOCAL, REASON_PRECISION, NULL},
  {OPS(OP_LIKE) | OPS(OP_GLOB), CLASSES_WRITTEN, 0, 0, 0, PUSH_LOCAL, REASON_PATTERN, NULL},
  {OPS(OP_LIKE) | OPS(OP_GLOB), CLASSES_ALL, 0, 0, 0, PUSH_LOCAL, REASON_SPELLING, NULL},
  {OPS_ALL, CLASSES(CLASS_NUMERIC), 0, 0, 0, PUSH_LOCAL, REASON_PRECISION, NULL},
  {OPS_ALL, CLASSES(CLASS_NUMERIC_TEXT) | CLASSES(CLASS_JSONB), 0, 0, 0, PUSH_LOCAL,
   REASON_SPELLING, NULL},
  {OPS_COMPARE | OPS(OP_IN), CLASSES_STRING, 0, 0, 0, PUSH_LOCAL, REASON_COLLATION, NULL},
  {OPS_SORTED, CLASSES_ALL, 0, 0, 0, PUSH_LOCAL, REASON_LENGTH, NULL},
  {OPS_COLUMNS, CLASSES_ALL, 0, 0, 0, PUSH_LOCAL, REASON_SPELLING, NULL},
};

/* In the order of MYSQL_… in mysql_driver.h. */
const char *const mysql_facts[] = {"sorts whole", "no zerofill", "LIKE folds", NULL};

/* NULLs come first ascending and last descending, as in SQLite. */
static void print_direction(buffer *out, const column *c, bool descending) {
  (void)c;
  if (descending) buffer_text(out, " DESC");
}

static const sql_dialect dialect = {
  .quote = '`',
  .operators = {
    [OP_EQ] = "=", [OP_NE] = "<>", [OP_LT] = "<", [OP_LE] = "<=", [OP_GT] = ">", [OP_GE] = ">=",
    [OP_IS_NULL] = "IS NULL", [OP_NOT_NULL] = "IS NOT NULL",
  },
  .numbered = false,
  .count = "COUNT(*)",
  .select = types_select,
  .direction = print_direction,
};

/* ---- constants that a column's character set has not --------------------- */

/* The server refuses to compare a column with text that its character set
** cannot hold, instead of finding nothing.  Such a comparison is sent over
** bytes alone.  Up to which code point a character set surely has all; what is
** not here has ASCII. */
static const struct { const char *prefix; uint32_t last; } repertoires[] = {
  {"utf8mb4_", 0x10FFFF}, {"utf16_", 0x10FFFF}, {"utf16le_", 0x10FFFF}, {"utf32_", 0x10FFFF},
  {"utf8mb3_", 0xFFFF},   {"utf8_", 0xFFFF},    {"ucs2_", 0xFFFF},
  /* Windows' latin1: 0x80 to 0x9f are other characters, see holds(). */
  {"latin1_", 0xFF},
};

static uint32_t repertoire(const column *c) {
  for (size_t i = 0; c->collation && i < sizeof(repertoires) / sizeof(repertoires[0]); i++) {
    size_t n = strlen(repertoires[i].prefix);
    if (strncmp(c->collation, repertoires[i].prefix, n) == 0) return repertoires[i].last;
  }
  return 0x7F;
}

/* Whether valid UTF-8 has only code points up to LAST. */
static bool holds(uint32_t last, const value *v) {
  for (size_t i = 0; i < v->length; i++) {
    unsigned char byte = (unsigned char)v->bytes[i];
    if (byte < 0x80) continue;
    if (last < 0x80) return false;
    if (last == 0xFF && byte >= 0xC0) {
      bool upper_half = byte == 0xC3 || (byte == 0xC2 && i + 1 < v->length &&
                                         (unsigned char)v->bytes[i + 1] >= 0xA0);
      if (!upper_half) return false;
    }
    if (last == 0xFFFF && byte >= 0xF0) return false;
  }
  return true;
}

static bool is_held(const column *c, const value *v) {
  uint32_t last = repertoire(c);
  if (last == 0x10FFFF) return true;
  if (v->storage != STORAGE_LIST) return v->storage != STORAGE_TEXT || holds(last, v);
  for (size_t i = 0; i < v->n_list; i++) {
    if (!is_held(c, &v->list[i])) return false;
  }
  return true;
}

static const pushdown_row compare_bytes = {.verdict = PUSH_EXACT,
                                           .text = BYTES_OF_TEXT " {op} {v}"};
static const pushdown_row compare_bytes_list = {.verdict = PUSH_EXACT,
                                                .text = BYTES_OF_TEXT " IN ({v})"};

static const pushdown_row like_folded = {.verdict = PUSH_SUPERSET, .text = LIKE_FOLDED};

/* Whether an index can find the pattern's beginning, and what stands behind a NUL in a row
** makes no difference: '%' is the end. */
static bool has_beginning(const value *pattern) {
  const char *p = pattern->bytes;
  size_t n = pattern->length;
  return n >= 2 && p[0] != '%' && p[0] != '_' && p[n - 1] == '%' && !memchr(p, 0, n) &&
         !memchr(p, '|', n);
}

/* The row that says X, or one that says it in another way for this value. */
static const pushdown_row *row_for(const query *q, const query_expr *x) {
  const column *c = &q->sources[x->args[0].source].relation->columns[x->args[0].column];
  bool text = (CLASSES(c->klass) & CLASSES_STRING) != 0;
  if (!text || x->n_args < 2 || x->args[1].kind != EXPR_PARAMETER) return x->row;
  const value *v = &q->parameters[x->args[1].parameter];
  if (x->op == OP_LIKE && (c->flags & MYSQL_LIKE_FOLDS)) {
    return has_beginning(v) && is_held(c, v) ? x->row : &like_folded;
  }
  if (is_held(c, v)) return x->row;
  if (OPS(x->op) & OPS_COMPARE) return &compare_bytes;
  return x->op == OP_IN ? &compare_bytes_list : x->row;
}

/* N conditions as they are sent, in A. */
static query_expr *conditions_for(const query *q, const query_expr *all, int n, arena *a) {
  query_expr *out = arena_alloc(a, (size_t)(n ? n : 1) * sizeof(*out));
  for (int i = 0; out && i < n; i++) {
    out[i] = all[i];
    if (all[i].kind == EXPR_TERM) out[i].row = row_for(q, &all[i]);
    else out[i].args = conditions_for(q, all[i].args, all[i].n_args, a);
  }
  return out;
}

bool mysql_driver_compile(const query *q, uint32_t version, arena *a, request *out,
                          tskdb_error *e) {
  query mine = *q;
  (void)version;
  mine.filter = conditions_for(q, q->filter, q->n_filter, a);
  if (a->failed) return error_memory(e);
  if (!sql_text_compile(&mine, &dialect, a, out, e)) return false;
  out->query = q;
  return true;
}
