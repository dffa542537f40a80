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
** Decimals are bound as text and cast, so that the comparison is between
** decimals and keeps the index.  DECIMAL(65,30) is the widest there is.
**
** Dates.  Text in canonical form is bound as it is, and compared as a date.
** Zero dates ('0000-00-00', '2026-00-15') are in the same order as their
** texts, and years end at 9999: ranges and orders are exact.  TIME is not: as
** text '100:00:00' comes before '23:00:00', and a minus sign turns the order.
**
** Invariants: a row's text names {v} as often as it likes: each is a
** placeholder of its own (sql_dialect.numbered is false).
*/
#include "vtab/mysql/mysql_driver.h"
#include "vtab/sql_text.h"

#define BYTES_OF_TEXT "CAST(CONVERT({c} USING utf8mb4) AS BINARY)"

#define OPS_NULL (OPS(OP_IS_NULL) | OPS(OP_NOT_NULL))

#define CLASSES_INT \
  (CLASSES(CLASS_BOOL) | CLASSES(CLASS_INT) | CLASSES(CLASS_UINT64) | CLASSES(CLASS_BIT))
#define CLASSES_EXACT_TIME (CLASSES(CLASS_DATE) | CLASSES(CLASS_TIMESTAMP) | CLASSES(CLASS_TIMESTAMPTZ))
/* Text that the server has as characters, all of it reachable by CONVERT. */
#define CLASSES_STRING \
  (CLASSES(CLASS_TEXT) | CLASSES(CLASS_CHAR) | CLASSES(CLASS_ENUM) | CLASSES(CLASS_SET))
#define CLASSES_PLAIN (CLASSES(CLASS_TEXT) | CLASSES(CLASS_CHAR))

#define BINARY COLLATIONS(COLLATION_BINARY)
#define BUILTIN (COLLATIONS(COLLATION_BINARY) | COLLATIONS(COLLATION_NOCASE) | COLLATIONS(COLLATION_RTRIM))

/* The first row that covers a case decides. */
const pushdown_row mysql_pushdown[] = {
  /* any type */
  {OPS_NULL, CLASSES_ALL, 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} {op}"},

  /* numbers */
  {OPS_COMPARE, CLASSES_INT, 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} {op} {v}"},
  {OPS(OP_IN), CLASSES_INT | CLASSES(CLASS_YEAR), 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} IN ({v})"},
  {OPS(OP_IS_NOT), CLASSES_INT | CLASSES(CLASS_YEAR), 0, 0, 0, PUSH_EXACT, REASON_NONE, "NOT ({c} <=> {v})"},
  {OPS(OP_EQ), CLASSES(CLASS_YEAR), 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} = {v}"},
  {OPS(OP_NE) | OPS_RANGE, CLASSES(CLASS_YEAR), 0, 0, 0, PUSH_EXACT, REASON_NONE, "({c} + 0) {op} {v}"},
  {OPS(OP_ORDER) | OPS(OP_DISTINCT), (CLASSES_INT & ~CLASSES(CLASS_UINT64)) | CLASSES(CLASS_YEAR), 0, 0, 0,
   PUSH_EXACT, REASON_NONE, "{c}"},
  {OPS(OP_ORDER) | OPS(OP_DISTINCT), CLASSES(CLASS_UINT64), 0, 0, 0, PUSH_LOCAL, REASON_PRECISION, NULL},
  {OPS_COMPARE, CLASSES(CLASS_FLOAT) | CLASSES(CLASS_FLOAT4), 0, 0, 0, PUSH_EXACT, REASON_NONE,
   "{c} {op} {v}"},
  {OPS(OP_IN), CLASSES(CLASS_FLOAT) | CLASSES(CLASS_FLOAT4), 0, 0, 0, PUSH_EXACT, REASON_NONE,
   "{c} IN ({v})"},
  {OPS(OP_ORDER) | OPS(OP_DISTINCT), CLASSES(CLASS_FLOAT) | CLASSES(CLASS_FLOAT4), 0, 0, 0, PUSH_EXACT,
   REASON_NONE, "{c}"},
  {OPS_COMPARE, CLASSES(CLASS_DECIMAL), 0, 0, 0, PUSH_EXACT, REASON_NONE,
   "{c} {op} CAST({v} AS DECIMAL(65,30))"},
  {OPS(OP_ORDER) | OPS(OP_DISTINCT), CLASSES(CLASS_DECIMAL), 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c}"},
  {OPS_RANGE, CLASSES(CLASS_NUMERIC), 0, 0, 0, PUSH_SUPERSET, REASON_PRECISION,
   "{c} {op} CAST({v} AS DECIMAL(65,30))"},

  /* dates and times */
  {OPS_COMPARE, CLASSES_EXACT_TIME, BINARY, 0, 0, PUSH_EXACT, REASON_NONE, "{c} {op} {v}"},
  {OPS(OP_IN), CLASSES_EXACT_TIME, BINARY, 0, 0, PUSH_EXACT, REASON_NONE, "{c} IN ({v})"},
  {OPS(OP_IS_NOT), CLASSES_EXACT_TIME, BINARY, 0, 0, PUSH_EXACT, REASON_NONE, "NOT ({c} <=> {v})"},
  {OPS(OP_ORDER) | OPS(OP_DISTINCT), CLASSES_EXACT_TIME, BINARY, 0, 0, PUSH_EXACT, REASON_NONE, "{c}"},
  {OPS_RANGE | OPS(OP_ORDER), CLASSES(CLASS_TIME), 0, 0, 0, PUSH_LOCAL, REASON_ORDER, NULL},

  /* text whose own comparison is over bytes */
  {OPS(OP_EQ) | OPS(OP_NE), CLASSES_PLAIN, BINARY, COLUMN_EQ_BYTES, 0, PUSH_EXACT, REASON_NONE,
   "{c} {op} {v}"},
  {OPS(OP_IN), CLASSES_PLAIN, BINARY, COLUMN_EQ_BYTES, 0, PUSH_EXACT, REASON_NONE, "{c} IN ({v})"},
  {OPS_RANGE, CLASSES_PLAIN, BINARY, COLUMN_ORDER_BYTES, 0, PUSH_EXACT, REASON_NONE, "{c} {op} {v}"},
  {OPS(OP_ORDER) | OPS(OP_DISTINCT), CLASSES_PLAIN, BINARY, COLUMN_ORDER_BYTES, 0, PUSH_EXACT,
   REASON_NONE, "{c}"},

  /* other text */
  {OPS(OP_EQ), CLASSES_STRING, BINARY, 0, 0, PUSH_EXACT, REASON_NONE,
   "({c} = {v} AND " BYTES_OF_TEXT " = {v})"},
  {OPS(OP_IN), CLASSES_STRING, BINARY, 0, 0, PUSH_EXACT, REASON_NONE,
   "({c} IN ({v}) AND " BYTES_OF_TEXT " IN ({v}))"},
  {OPS(OP_NE) | OPS_RANGE, CLASSES_STRING, BINARY, 0, 0, PUSH_EXACT, REASON_NONE, BYTES_OF_TEXT " {op} {v}"},
  {OPS(OP_ORDER) | OPS(OP_DISTINCT), CLASSES_STRING, BINARY, 0, 0, PUSH_EXACT, REASON_NONE, BYTES_OF_TEXT},
  {OPS(OP_LIKE), CLASSES_PLAIN, 0, 0, 0, PUSH_LOCAL, REASON_PATTERN, NULL},

  /* the server's own text of something else */
  {OPS_EQUAL, CLASSES(CLASS_UUID), BINARY, 0, 0, PUSH_EXACT, REASON_NONE, "{c} IN ({v})"},

  /* bytes */
  {OPS_COMPARE, CLASSES(CLASS_BYTES), 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} {op} {v}"},
  {OPS(OP_IN), CLASSES(CLASS_BYTES), 0, 0, 0, PUSH_EXACT, REASON_NONE, "{c} IN ({v})"},
};

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
  .select = types_select,
  .direction = print_direction,
};

bool mysql_driver_compile(const query *q, uint32_t version, arena *a, request *out, tskdb_error *e) {
  (void)version;
  return sql_text_compile(q, &dialect, a, out, e);
}
