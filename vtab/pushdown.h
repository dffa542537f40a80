/*
** pushdown.h - the table that says what a server may do in SQLite's place.
**
** Each driver has one array of rows.  The first row that covers (operator,
** type class, storage class of the value, collation, column facts, server
** version) decides; without a row the answer is local.  A row carries its
** verdict, its reason and the text to send, so that what decides and what
** prints cannot drift apart.
**
** Before a row is looked up, pushdown_resolve() applies what holds on every
** server, because it is SQLite that defines it: affinity of the constant,
** comparison across storage classes, integers against reals, dates against
** text.  So a row is only asked about a value of its class's own kind.
**
**   class            value that a row sees
**   BOOL INT UINT64 YEAR BIT     INTEGER
**   FLOAT FLOAT4                 REAL
**   DECIMAL NUMERIC              TEXT: a decimal number
**   DATE                         TEXT: YYYY-MM-DD, a real date of 0001..9999
**   TIMESTAMP TIMESTAMPTZ        TEXT: YYYY-MM-DD HH:MM:SS[.f], the same
**   BYTES                        BLOB
**   all others                   TEXT
*/
#ifndef VTAB_PUSHDOWN_H
#define VTAB_PUSHDOWN_H

#include "vtab/relation.h"
#include "vtab/value.h"

/* What a constraint asks. symbol, name in SQL, how it reads */
#define QUERY_OPERATORS(X) \
  X(OP_EQ,       "=") \
  X(OP_NE,       "<>") \
  X(OP_LT,       "<") \
  X(OP_LE,       "<=") \
  X(OP_GT,       ">") \
  X(OP_GE,       ">=") \
  X(OP_IN,       "IN")          /* the value is a list; each element was resolved as by OP_EQ */ \
  X(OP_IS_NOT,   "IS NOT")      /* a value that is not NULL: also true for NULL rows */ \
  X(OP_IS_NULL,  "IS NULL") \
  X(OP_NOT_NULL, "IS NOT NULL") \
  X(OP_LIKE,     "LIKE") \
  X(OP_GLOB,     "GLOB") \
  X(OP_ORDER,    "ORDER BY") \
  X(OP_DISTINCT, "DISTINCT")    /* also GROUP BY: equal rows may be merged by the server */ \
  X(OP_MEMBER_TEXT,   "->> text")   /* column ->> label = text, which is not empty and no structure */ \
  X(OP_MEMBER_NUMBER, "->> number") /* column ->> label = integer of at most 48 bits */ \
  X(OP_COLUMN_EQ,     "= column")   /* another column of the table; in the order of OP_EQ … OP_GE */ \
  X(OP_COLUMN_NE,     "<> column") \
  X(OP_COLUMN_LT,     "< column") \
  X(OP_COLUMN_LE,     "<= column") \
  X(OP_COLUMN_GT,     "> column") \
  X(OP_COLUMN_GE,     ">= column")

typedef enum query_operator {
#define X(symbol, name) symbol,
  QUERY_OPERATORS(X)
#undef X
  OP_COUNT,
  OP_IS      /* only before pushdown_resolve(), which turns it into OP_EQ or OP_IS_NULL */
} query_operator;

typedef enum verdict { PUSH_LOCAL, PUSH_SUPERSET, PUSH_EXACT } verdict;

/* Why not, or why not exactly: symbol, name, words for explain */
#define PUSHDOWN_REASONS(X) \
  X(REASON_NONE,       "",           "") \
  X(REASON_NO_RULE,    "no rule",    "the pushdown table has no row for this operator and type") \
  X(REASON_OFF,        "off",        "pushdown is switched off") \
  X(REASON_AFFINITY,   "affinity",   "a number against text: SQLite's answer depends on where the number comes from") \
  X(REASON_PRECISION,  "precision",  "the server's value has more digits than SQLite's") \
  X(REASON_COLLATION,  "collation",  "the server compares this text by other rules") \
  X(REASON_CALENDAR,   "calendar",   "SQLite compares dates as text: years beyond 9999 and BC are asked for as well") \
  X(REASON_NOT_DATE,   "not a date", "the value is not a date in the form that the server's dates have") \
  X(REASON_ENCODING,   "encoding",   "the value cannot be written in the server's encoding") \
  X(REASON_PATTERN,    "pattern",    "the server's patterns mean something else") \
  X(REASON_OVERRIDDEN, "overridden", "LIKE or GLOB is the application's own on this connection") \
  X(REASON_EXPRESSION, "expression", "the value is not known when the scan starts") \
  X(REASON_SPELLING,   "spelling",   "SQLite compares the value's text, which the server writes in another way") \
  X(REASON_LENGTH,     "length",     "the server sorts and groups such values by their first 1,024 bytes alone") \
  X(REASON_FIELD,      "field",      "no condition of the server's can name this field") \
  X(REASON_KEYS,       "keys",       "the server finds by keys and by what its structures are ordered by, not by values") \
  X(REASON_LIST,       "list",       "the list is too long to send") \
  X(REASON_ORDER,      "order",      "the server would put these values in another order") \
  X(REASON_MIXED,      "mixed",      "the field may hold values of any type, which the server does not compare with each other") \
  X(REASON_NAN,        "nan",        "NaN is NULL in SQLite and a number there") \
  X(REASON_ABOVE,      "above",      "a term below it is not exact") \
  X(REASON_VERSION,    "version",    "the server is too old for it") \
  X(REASON_BESIDE,     "beside",     "SQLite never asks for it, and checks it again whatever was sent")

typedef enum reason {
#define X(symbol, name, words) symbol,
  PUSHDOWN_REASONS(X)
#undef X
  REASON_COUNT
} reason;

/* Sets of operators, classes, collations: one bit each. */
#define OPS(op)      (1u << (op))
#define OPS_EQUAL    (OPS(OP_EQ) | OPS(OP_IN))
#define OPS_RANGE    (OPS(OP_LT) | OPS(OP_LE) | OPS(OP_GT) | OPS(OP_GE))
#define OPS_COMPARE  (OPS(OP_EQ) | OPS(OP_NE) | OPS_RANGE)
#define OPS_COLUMNS_RANGE \
  (OPS(OP_COLUMN_LT) | OPS(OP_COLUMN_LE) | OPS(OP_COLUMN_GT) | OPS(OP_COLUMN_GE))
#define OPS_COLUMNS  (OPS(OP_COLUMN_EQ) | OPS(OP_COLUMN_NE) | OPS_COLUMNS_RANGE)
#define OPS_ALL      ((1u << OP_COUNT) - 1u)
#define CLASSES(k)   (1u << (k))
#define CLASSES_ALL  ((1u << CLASS_COUNT) - 1u)

typedef enum collation_kind { COLLATION_BINARY, COLLATION_NOCASE, COLLATION_RTRIM, COLLATION_OTHER } collation_kind;
#define COLLATIONS(c) (1u << (c))

typedef struct pushdown_row {
  uint32_t ops;            /* OPS(…) */
  uint32_t classes;        /* CLASSES(…) */
  uint32_t collations;     /* COLLATIONS(…); 0: collation has no meaning here (numbers, NULL tests) */
  uint32_t needs;          /* COLUMN_… that all must be set */
  uint32_t min_version;    /* of the server, 0: any */
  verdict verdict;
  reason reason;           /* of SUPERSET and LOCAL */
  /* What to send.  SQL servers: {c} the column, {v} the bound value or list,
  ** {op} the operator as the dialect spells it, {t} the column's type as the
  ** server does, {m} the label of a member, {d} the other column of two that are
  ** compared (which has the same row: it says what may be compared with what),
  ** everything else literally.  {or} stands between what is asked of the values
  ** that lie on one side of some border and what is asked of the others: both
  ** sides say so themselves, and several such terms of one column are sent as
  ** (left AND left) OR (right AND right).
  ** ORDER and DISTINCT: the expression that orders; behind {or} the condition under
  ** which {c} by itself is in the same order.  Other servers: a name
  ** that their compile.c knows.  NULL for LOCAL. */
  const char *text;
} pushdown_row;

struct driver;

/* What became of one constraint for one value. */
typedef enum outcome_kind {
  OUTCOME_TERMS,           /* send terms[0..n_terms-1], all of them */
  OUTCOME_NONE,            /* no row can satisfy it: the scan is empty */
  OUTCOME_TRUE,            /* every row satisfies it: nothing to send */
  OUTCOME_LOCAL            /* SQLite does it */
} outcome_kind;

typedef struct outcome_term {
  const pushdown_row *row;
  query_operator op;
  value value;             /* bytes borrowed from the value given, or from the arena */
} outcome_term;

typedef struct outcome {
  outcome_kind kind;
  verdict verdict;         /* PUSH_EXACT or PUSH_SUPERSET of all terms together; NONE and TRUE are exact */
  reason reason;
  int n_terms;
  outcome_term terms[2];
} outcome;

/* What a server's pushdown depends on beside the column. */
typedef struct pushdown_context {
  const struct driver *driver;
  uint32_t version;
  bool enabled;            /* the option pushdown */
} pushdown_context;

/* The row for (op, column, collation), or NULL; never a LOCAL one without its reason in *WHY. */
const pushdown_row *pushdown_find(const pushdown_context *p, query_operator op, const column *c,
                                  collation_kind collation, reason *why);

/* Decides OP over column C and VALUE, which may be of any storage class, at
** the start of a scan or for a constant at planning.  Memory for converted
** values comes from A; on failure there (a->failed) the outcome is LOCAL. */
outcome pushdown_resolve(const pushdown_context *p, query_operator op, const column *c,
                         collation_kind collation, const value *v, arena *a);

/* Whether pushdown_resolve() would be exact for every value whatever. Then a
** constraint may be omitted without knowing its value. */
bool pushdown_is_total(const pushdown_context *p, query_operator op, const column *c, collation_kind collation);

/* Whether some value could be pushed at all (for cost and explain); *WHY says why not. */
verdict pushdown_best(const pushdown_context *p, query_operator op, const column *c, collation_kind collation, reason *why);

/* Of two columns compared, OP_COLUMN_EQ … OP_COLUMN_GE, the comparison, and the other way round. */
static inline query_operator pushdown_comparison(query_operator op) {
  return OPS(op) & OPS_COLUMNS ? op - OP_COLUMN_EQ + OP_EQ : op;
}
static inline query_operator pushdown_column_operator(query_operator comparison) {
  return comparison - OP_EQ + OP_COLUMN_EQ;
}

const char *query_operator_name(query_operator op);
const char *reason_name(reason r);
const char *reason_words(reason r);
const char *verdict_name(verdict v);

#endif
