/*
** compile.c - what PostgreSQL may do in SQLite's place, and the SQL that says it.
**
** Operators, functions and types are qualified: a role's search_path may hold
** others of the same name.
**
** Text with a deterministic collation is equal as its bytes are: plain `=`,
** which keeps the index.  Order is that of bytes under COLLATE "C" alone.
** NaN is NULL in SQLite and greater than all numbers here: guards.
** Dates are text in SQLite: years beyond 9999 and BC sort elsewhere.  A range is
** asked of the dates within these bounds, by the index, and of the text of the few
** beyond them; an order is that of the text, and its first rows come from the index.
*/
#include "vtab/postgres/postgres.h"
#include "vtab/sql_text.h"

#define C_ORDER " COLLATE pg_catalog.\"C\""
#define ANY " OPERATOR(pg_catalog.=) ANY ({v}::pg_catalog."
#define LABELS(compared) \
  "(SELECT l FROM pg_catalog.unnest(pg_catalog.enum_range(NULL::{t})) l" \
  " WHERE l::pg_catalog.text" compared ")"
#define IS_NOT " IS DISTINCT FROM {v}::pg_catalog."
#define NOT_NAN(type) " AND {c} OPERATOR(pg_catalog.<>) 'NaN'::pg_catalog." type
#define ORDER_OF_NUMBERS "NULLIF({c}, 'NaN'){or}{c} OPERATOR(pg_catalog.<>) 'NaN'"
#define AS_TEXT "{c}::pg_catalog.text"
#define AS_OUTPUT POSTGRES_OUTPUT("{c}", "{c}")
#define AS_JSON "pg_catalog.to_json({c})::pg_catalog.text"
#define AS_UTC "pg_catalog.timezone('UTC', {c})::pg_catalog.text"
/* The elements of a list, each made what is said before and after it. */
#define EACH(before, after) \
  " OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT " before "v" after \
  " FROM pg_catalog.unnest({v}::pg_catalog.text[]) v))"
#define LIKE_FOLDED(text) \
  "pg_catalog.lower(" text C_ORDER ") OPERATOR(pg_catalog.~~)" \
  " pg_catalog.like_escape(pg_catalog.lower({v}::pg_catalog.text" C_ORDER "), '')"

#define OPS_LOW (OPS(OP_EQ) | OPS(OP_LT) | OPS(OP_LE))       /* NaN, the greatest, is never among them */
#define OPS_HIGH (OPS(OP_NE) | OPS(OP_GT) | OPS(OP_GE))
#define FLOATS (CLASSES(CLASS_FLOAT) | CLASSES(CLASS_FLOAT4))
#define NUMERICS (CLASSES(CLASS_DECIMAL) | CLASSES(CLASS_NUMERIC))
/* Sent as the server's text, and compared as it. */
#define TEXTUAL \
  (CLASSES(CLASS_ENUM) | CLASSES(CLASS_CHAR) | CLASSES(CLASS_TIME) | CLASSES(CLASS_JSON) | \
   CLASSES(CLASS_JSONB) | CLASSES(CLASS_NUMERIC_TEXT))
#define JSONS (CLASSES(CLASS_ARRAY) | CLASSES(CLASS_COMPOSITE))
#define PATTERNS (OPS(OP_LIKE) | OPS(OP_GLOB))
/* Shown as the server writes it: SQLite's patterns would mean this very text. */
#define WRITTEN \
  (TEXTUAL | JSONS | CLASSES(CLASS_TEXT) | CLASSES(CLASS_UUID) | CLASSES(CLASS_DATE) | \
   CLASSES(CLASS_TIMESTAMP) | CLASSES(CLASS_TIMESTAMPTZ) | CLASSES(CLASS_OTHER))
#define BINARY COLLATIONS(COLLATION_BINARY)
#define NOCASE COLLATIONS(COLLATION_NOCASE)
#define RTRIM COLLATIONS(COLLATION_RTRIM)
#define EXACT PUSH_EXACT, REASON_NONE
#define ONE_TO_ONE (OPS(OP_ORDER) | OPS(OP_DISTINCT))

/* Within these bounds dates are in the order of their texts. */
#define IN_BOUNDS(type) \
  "{c} OPERATOR(pg_catalog.>=) '0001-01-01'::pg_catalog." type \
  " AND {c} OPERATOR(pg_catalog.<) '10000-01-01'::pg_catalog." type
#define BEYOND_BOUNDS(column, type) \
  column " OPERATOR(pg_catalog.<) '0001-01-01'::pg_catalog." type \
  " OR " column " OPERATOR(pg_catalog.>=) '10000-01-01'::pg_catalog." type
#define OUT_OF_BOUNDS(type) "(" BEYOND_BOUNDS("{c}", type) ")"

/* Columns of CLASSES that may be compared with each other. */
#define PAIR_RULE(ops, classes, collations, text) \
  {ops, classes, collations, 0, 0, PUSH_SUPERSET, REASON_BESIDE, text}

#define DATE_RULES(klass, type) \
  {OPS(OP_EQ) | OPS(OP_NE), CLASSES(klass), 0, 0, 0, EXACT, "{c} {op} {v}::pg_catalog." type}, \
  {OPS(OP_IN), CLASSES(klass), 0, 0, 0, EXACT, "{c}" ANY type "[])"}, \
  {OPS(OP_IS_NOT), CLASSES(klass), 0, 0, 0, EXACT, "{c}" IS_NOT type}, \
  {OPS_RANGE, CLASSES(klass), 0, 0, 0, EXACT, \
   "{c} {op} {v}::pg_catalog." type " AND " IN_BOUNDS(type) \
   "{or}" OUT_OF_BOUNDS(type) " AND " AS_TEXT C_ORDER " {op} {v}::pg_catalog.text"}, \
  {OPS(OP_ORDER), CLASSES(klass), 0, 0, 0, EXACT, AS_TEXT C_ORDER "{or}" IN_BOUNDS(type)}, \
  {OPS(OP_DISTINCT), CLASSES(klass), 0, 0, 0, EXACT, "{c}"}, \
  PAIR_RULE(OPS_COLUMNS_RANGE, CLASSES(klass), 0, \
            "({c} {op} {d} OR " BEYOND_BOUNDS("{c}", type) " OR " BEYOND_BOUNDS("{d}", type) ")"), \
  PAIR_RULE(OPS_COLUMNS, CLASSES(klass), 0, "{c} {op} {d}")

/* The first row that covers a case decides. */
const pushdown_row postgres_pushdown[] = {
  /* Without an encoding what is not UTF-8 is a BLOB, after all text and nothing
  ** that an array of text can say, and a character is a byte; in another encoding
  ** characters have another order. */
  {OPS(OP_ORDER) | OPS(OP_LIKE) | OPS(OP_IN) | OPS_COLUMNS, CLASSES_ALL, 0, COLUMN_ANY_BYTES, 0,
   PUSH_LOCAL, REASON_ENCODING, NULL},
  {OPS(OP_ORDER) | OPS_COLUMNS, CLASSES_ALL, 0, COLUMN_ASCII, 0, PUSH_LOCAL, REASON_ENCODING, NULL},

  /* NULL tests: NaN is NULL */
  {OPS(OP_IS_NULL), FLOATS | NUMERICS, 0, 0, 0, EXACT, "({c} IS NULL OR {c} OPERATOR(pg_catalog.=) 'NaN')"},
  {OPS(OP_NOT_NULL), FLOATS | NUMERICS, 0, 0, 0, EXACT, "{c} OPERATOR(pg_catalog.<>) 'NaN'"},
  /* A row of NULLs IS NULL, and is no NULL. */
  {OPS(OP_IS_NULL), CLASSES(CLASS_COMPOSITE), 0, 0, 0, EXACT, "{c} IS NOT DISTINCT FROM NULL"},
  {OPS(OP_NOT_NULL), CLASSES(CLASS_COMPOSITE), 0, 0, 0, EXACT, "{c} IS DISTINCT FROM NULL"},
  {OPS(OP_IS_NULL), CLASSES_ALL, 0, 0, 0, EXACT, "{c} IS NULL"},
  {OPS(OP_NOT_NULL), CLASSES_ALL, 0, 0, 0, EXACT, "{c} IS NOT NULL"},

  /* numbers */
  {OPS_COMPARE, CLASSES(CLASS_INT), 0, 0, 0, EXACT, "{c} {op} {v}::pg_catalog.int8"},
  {OPS(OP_IN), CLASSES(CLASS_INT), 0, 0, 0, EXACT, "{c}" ANY "int8[])"},
  {OPS(OP_IS_NOT), CLASSES(CLASS_INT), 0, 0, 0, EXACT, "{c}" IS_NOT "int8"},
  {OPS_COMPARE, CLASSES(CLASS_UINT64), 0, 0, 0, EXACT, "{c}::pg_catalog.int8 {op} {v}::pg_catalog.int8"},
  {OPS(OP_IN), CLASSES(CLASS_UINT64), 0, 0, 0, EXACT, "{c}::pg_catalog.int8" ANY "int8[])"},
  {OPS(OP_IS_NOT), CLASSES(CLASS_UINT64), 0, 0, 0, EXACT, "{c}::pg_catalog.int8" IS_NOT "int8"},
  {OPS_COMPARE, CLASSES(CLASS_BOOL), 0, 0, 0, EXACT, "{c}::pg_catalog.int4 {op} {v}::pg_catalog.int8"},
  {OPS(OP_IN), CLASSES(CLASS_BOOL), 0, 0, 0, EXACT, "{c}::pg_catalog.int4" ANY "int8[])"},
  {OPS(OP_IS_NOT), CLASSES(CLASS_BOOL), 0, 0, 0, EXACT, "{c}::pg_catalog.int4" IS_NOT "int8"},
  {ONE_TO_ONE, CLASSES(CLASS_INT) | CLASSES(CLASS_UINT64) | CLASSES(CLASS_BOOL), 0, 0, 0, EXACT,
   "{c}"},
  {OPS_LOW, FLOATS, 0, 0, 0, EXACT, "{c} {op} {v}::pg_catalog.float8"},
  {OPS_HIGH, FLOATS, 0, 0, 0, EXACT, "({c} {op} {v}::pg_catalog.float8" NOT_NAN("float8") ")"},
  {OPS(OP_IN), FLOATS, 0, 0, 0, EXACT, "{c}" ANY "float8[])"},
  {OPS(OP_IS_NOT), FLOATS, 0, 0, 0, EXACT, "{c}" IS_NOT "float8"},
  {OPS(OP_ORDER), FLOATS, 0, 0, 0, EXACT, ORDER_OF_NUMBERS},
  {OPS_LOW, CLASSES(CLASS_DECIMAL), 0, 0, 0, EXACT, "{c} {op} {v}::pg_catalog.numeric"},
  {OPS_HIGH, CLASSES(CLASS_DECIMAL), 0, 0, 0, EXACT, "({c} {op} {v}::pg_catalog.numeric" NOT_NAN("numeric") ")"},
  {OPS(OP_IN), CLASSES(CLASS_DECIMAL), 0, 0, 0, EXACT, "{c}" ANY "numeric[])"},
  {OPS(OP_IS_NOT), CLASSES(CLASS_DECIMAL), 0, 0, 0, EXACT, "{c}" IS_NOT "numeric"},
  {OPS(OP_ORDER), CLASSES(CLASS_DECIMAL), 0, 0, 0, EXACT, ORDER_OF_NUMBERS},
  {OPS_RANGE, CLASSES(CLASS_NUMERIC), 0, 0, 0, PUSH_SUPERSET, REASON_PRECISION,
   "{c} {op} {v}::pg_catalog.numeric"},
  {ONE_TO_ONE, NUMERICS, 0, 0, 0, PUSH_LOCAL, REASON_PRECISION, NULL},

  /* text */
  {OPS(OP_EQ) | OPS(OP_NE), CLASSES(CLASS_TEXT), BINARY, COLUMN_EQ_BYTES, 0, EXACT,
   "{c} {op} {v}::pg_catalog.text"},
  {OPS(OP_IN), CLASSES(CLASS_TEXT), BINARY, COLUMN_EQ_BYTES, 0, EXACT, "{c}" ANY "text[])"},
  {OPS(OP_IS_NOT), CLASSES(CLASS_TEXT), BINARY, COLUMN_EQ_BYTES, 0, EXACT, "{c}" IS_NOT "text"},
  {OPS_RANGE, CLASSES(CLASS_TEXT), BINARY, COLUMN_ORDER_BYTES, 0, EXACT, "{c} {op} {v}::pg_catalog.text"},
  {ONE_TO_ONE, CLASSES(CLASS_TEXT), BINARY, COLUMN_ORDER_BYTES, 0, EXACT, "{c}"},
  {OPS_COMPARE, CLASSES(CLASS_TEXT), BINARY, 0, 0, EXACT, "{c}" C_ORDER " {op} {v}::pg_catalog.text"},
  {OPS(OP_IN), CLASSES(CLASS_TEXT), BINARY, 0, 0, EXACT, "{c}" C_ORDER ANY "text[])"},
  {OPS(OP_IS_NOT), CLASSES(CLASS_TEXT), BINARY, 0, 0, EXACT, "{c}" C_ORDER IS_NOT "text"},
  {OPS(OP_ORDER), CLASSES(CLASS_TEXT), BINARY, 0, 0, EXACT, "{c}" C_ORDER},
  {OPS(OP_DISTINCT), CLASSES(CLASS_TEXT), BINARY, COLUMN_EQ_BYTES, 0, EXACT, "{c}"},
  /* SQLite offers <> as if its collation were always BINARY */
  {OPS(OP_EQ) | OPS_RANGE, CLASSES(CLASS_TEXT), NOCASE, 0, 0, EXACT,
   "pg_catalog.lower({c}" C_ORDER ") {op} pg_catalog.lower({v}::pg_catalog.text" C_ORDER ")"},
  {OPS(OP_EQ) | OPS_RANGE, CLASSES(CLASS_TEXT), RTRIM, 0, 0, EXACT,
   "pg_catalog.rtrim({c})" C_ORDER " {op} pg_catalog.rtrim({v}::pg_catalog.text)"},
  {OPS(OP_IN), CLASSES(CLASS_TEXT), NOCASE, 0, 0, EXACT,
   "pg_catalog.lower({c}" C_ORDER ")" EACH("pg_catalog.lower(", C_ORDER ")")},
  {OPS(OP_IN), CLASSES(CLASS_TEXT), RTRIM, 0, 0, EXACT,
   "pg_catalog.rtrim({c})" C_ORDER EACH("pg_catalog.rtrim(", ")")},
  {OPS(OP_LIKE), CLASSES(CLASS_TEXT), 0, 0, 0, EXACT, LIKE_FOLDED("{c}")},

  /* char(n): the server's equality ignores blanks at the end, and has the index */
  {OPS(OP_EQ), CLASSES(CLASS_CHAR), BINARY, COLUMN_EQ_BYTES, 0, EXACT,
   "({c} OPERATOR(pg_catalog.=) {v}::pg_catalog.text::pg_catalog.bpchar AND "
   AS_TEXT " OPERATOR(pg_catalog.=) {v}::pg_catalog.text)"},

  /* enum: by the label that is equal as text, which has the index; '=' with text that is no
  ** label would be an error */
  {OPS(OP_EQ), CLASSES(CLASS_ENUM), BINARY, 0, 0, EXACT,
   "{c} OPERATOR(pg_catalog.=) " LABELS(" OPERATOR(pg_catalog.=) {v}::pg_catalog.text")},
  {OPS(OP_IN), CLASSES(CLASS_ENUM), BINARY, 0, 0, EXACT,
   "{c} OPERATOR(pg_catalog.=) ANY (ARRAY" LABELS(ANY "text[])") ")"},
  {OPS(OP_DISTINCT), CLASSES(CLASS_ENUM) | CLASSES(CLASS_TIME), BINARY, 0, 0, EXACT, "{c}"},

  /* a member of an object; a number is asked for by its neighbourhood, for SQLite reads it from
  ** the text */
  {OPS(OP_MEMBER_TEXT), CLASSES(CLASS_JSONB), 0, 0, 0, PUSH_SUPERSET, REASON_MIXED,
   "({c} OPERATOR(pg_catalog.->>) {m}::pg_catalog.text) OPERATOR(pg_catalog.=) {v}::pg_catalog.text"},
  {OPS(OP_MEMBER_NUMBER), CLASSES(CLASS_JSONB), 0, 0, 0, PUSH_SUPERSET, REASON_MIXED,
   "({c} OPERATOR(pg_catalog.->) {m}::pg_catalog.text) OPERATOR(pg_catalog.>=)"
   " pg_catalog.to_jsonb({v}::pg_catalog.int8 OPERATOR(pg_catalog.-) 0.5)"
   " AND ({c} OPERATOR(pg_catalog.->) {m}::pg_catalog.text) OPERATOR(pg_catalog.<=)"
   " pg_catalog.to_jsonb({v}::pg_catalog.int8 OPERATOR(pg_catalog.+) 0.5)"},

  /* compared as the text that is sent */
  {OPS_COMPARE, CLASSES(CLASS_OTHER), BINARY, 0, 0, EXACT, AS_OUTPUT C_ORDER " {op} {v}::pg_catalog.text"},
  {OPS(OP_IN), CLASSES(CLASS_OTHER), BINARY, 0, 0, EXACT, AS_OUTPUT C_ORDER ANY "text[])"},
  {OPS(OP_IS_NOT), CLASSES(CLASS_OTHER), BINARY, 0, 0, EXACT, AS_OUTPUT IS_NOT "text"},
  {OPS(OP_ORDER), CLASSES(CLASS_OTHER), BINARY, 0, 0, EXACT, AS_OUTPUT C_ORDER},
  {OPS_COMPARE, TEXTUAL, BINARY, 0, 0, EXACT, AS_TEXT C_ORDER " {op} {v}::pg_catalog.text"},
  {OPS(OP_IN), TEXTUAL, BINARY, 0, 0, EXACT, AS_TEXT C_ORDER ANY "text[])"},
  {OPS(OP_IS_NOT), TEXTUAL, BINARY, 0, 0, EXACT, AS_TEXT C_ORDER IS_NOT "text"},
  {OPS(OP_ORDER), TEXTUAL, BINARY, 0, 0, EXACT, AS_TEXT C_ORDER},
  {OPS(OP_DISTINCT), CLASSES(CLASS_OTHER), BINARY, 0, 0, EXACT, AS_OUTPUT},
  {OPS(OP_LIKE), CLASSES(CLASS_OTHER), 0, 0, 0, EXACT, LIKE_FOLDED(AS_OUTPUT)},
  {OPS(OP_DISTINCT), CLASSES(CLASS_CHAR), BINARY, COLUMN_EQ_BYTES, 0, EXACT, "{c}"},
  {OPS(OP_DISTINCT), TEXTUAL & ~CLASSES(CLASS_CHAR), BINARY, 0, 0, EXACT, AS_TEXT},
  {OPS(OP_DISTINCT), CLASSES(CLASS_TEXT) | CLASSES(CLASS_CHAR), 0, 0, 0, PUSH_LOCAL,
   REASON_COLLATION, NULL},
  {OPS(OP_LIKE), TEXTUAL | CLASSES(CLASS_UUID) | CLASSES(CLASS_DATE) | CLASSES(CLASS_TIMESTAMP), 0,
   0, 0, EXACT, LIKE_FOLDED(AS_TEXT)},
  {OPS(OP_LIKE), CLASSES(CLASS_TIMESTAMPTZ), 0, 0, 0, EXACT, LIKE_FOLDED(AS_UTC)},
  {OPS_COMPARE, JSONS, BINARY, 0, 0, EXACT, AS_JSON C_ORDER " {op} {v}::pg_catalog.text"},
  {OPS(OP_IN), JSONS, BINARY, 0, 0, EXACT, AS_JSON C_ORDER ANY "text[])"},
  {OPS(OP_IS_NOT), JSONS, BINARY, 0, 0, EXACT, AS_JSON IS_NOT "text"},
  {OPS(OP_ORDER), JSONS, BINARY, 0, 0, EXACT, AS_JSON C_ORDER},
  {OPS(OP_DISTINCT), JSONS, BINARY, 0, 0, EXACT, AS_JSON},
  {OPS(OP_LIKE), JSONS, 0, 0, 0, EXACT, LIKE_FOLDED(AS_JSON)},
  {OPS(OP_EQ) | OPS(OP_NE) | OPS_RANGE, CLASSES(CLASS_UUID), 0, 0, 0, EXACT, "{c} {op} {v}::pg_catalog.uuid"},
  {OPS(OP_IN), CLASSES(CLASS_UUID), 0, 0, 0, EXACT, "{c}" ANY "uuid[])"},
  {OPS(OP_IS_NOT), CLASSES(CLASS_UUID), 0, 0, 0, EXACT, "{c}" IS_NOT "uuid"},
  {ONE_TO_ONE, CLASSES(CLASS_UUID) | CLASSES(CLASS_BYTES), 0, 0, 0, EXACT, "{c}"},

  /* dates */
  DATE_RULES(CLASS_DATE, "date"),
  DATE_RULES(CLASS_TIMESTAMP, "timestamp"),
  DATE_RULES(CLASS_TIMESTAMPTZ, "timestamptz"),

  /* bytes */
  {OPS_COMPARE, CLASSES(CLASS_BYTES), 0, 0, 0, EXACT, "{c} {op} {v}::pg_catalog.bytea"},
  {OPS(OP_IN), CLASSES(CLASS_BYTES), 0, 0, 0, EXACT, "{c}" ANY "bytea[])"},
  {OPS(OP_IS_NOT), CLASSES(CLASS_BYTES), 0, 0, 0, EXACT, "{c}" IS_NOT "bytea"},

  /* two columns; dates are above */
  PAIR_RULE(OPS_COLUMNS, CLASSES(CLASS_INT) | CLASSES(CLASS_DECIMAL), 0, "{c} {op} {d}"),
  PAIR_RULE(OPS_COLUMNS, CLASSES(CLASS_UINT64), 0, "{c} {op} {d}"),
  PAIR_RULE(OPS_COLUMNS, FLOATS, 0, "{c} {op} {d}"),
  PAIR_RULE(OPS_COLUMNS, CLASSES(CLASS_BOOL), 0, "{c} {op} {d}"),
  PAIR_RULE(OPS_COLUMNS, CLASSES(CLASS_TEXT), BINARY, "{c}" C_ORDER " {op} {d}" C_ORDER),
  PAIR_RULE(OPS_COLUMNS, TEXTUAL, BINARY, AS_TEXT C_ORDER " {op} {d}::pg_catalog.text" C_ORDER),
  PAIR_RULE(OPS_COLUMNS, CLASSES(CLASS_UUID), 0, "{c} {op} {d}"),
  PAIR_RULE(OPS_COLUMNS, CLASSES(CLASS_BYTES), 0, "{c} {op} {d}"),

  /* the rest, with the reason why not */
  {PATTERNS, WRITTEN, 0, 0, 0, PUSH_LOCAL, REASON_PATTERN, NULL},
  {PATTERNS, CLASSES_ALL, 0, 0, 0, PUSH_LOCAL, REASON_SPELLING, NULL},
  {OPS(OP_DISTINCT), FLOATS, 0, 0, 0, PUSH_LOCAL, REASON_NAN, NULL},
  {OPS_COMPARE | OPS(OP_IN) | OPS(OP_IS_NOT) | OPS_COLUMNS, CLASSES(CLASS_NUMERIC), 0, 0, 0,
   PUSH_LOCAL, REASON_PRECISION, NULL},
  {OPS_COLUMNS, CLASSES_ALL, 0, 0, 0, PUSH_LOCAL, REASON_SPELLING, NULL},
};

const int postgres_n_pushdown = sizeof(postgres_pushdown) / sizeof(postgres_pushdown[0]);

static void print_direction(buffer *out, const column *c, bool descending) {
  buffer_text(out, descending ? " DESC" : " ASC");
  if (!(c->flags & COLUMN_NOT_NULL)) buffer_text(out, descending ? " NULLS LAST" : " NULLS FIRST");
}

static const sql_dialect dialect = {
  .quote = '"',
  .operators = {[OP_EQ] = "OPERATOR(pg_catalog.=)", [OP_NE] = "OPERATOR(pg_catalog.<>)",
                [OP_LT] = "OPERATOR(pg_catalog.<)", [OP_LE] = "OPERATOR(pg_catalog.<=)",
                [OP_GT] = "OPERATOR(pg_catalog.>)", [OP_GE] = "OPERATOR(pg_catalog.>=)"},
  .numbered = true,
  .orders_apart = true,
  .count = "pg_catalog.count(*)",
  .select = postgres_select,
  .direction = print_direction,
};

bool postgres_compile(const query *q, uint32_t version, arena *a, request *out, tskdb_error *e) {
  (void)version;
  return sql_text_compile(q, &dialect, a, out, e);
}
