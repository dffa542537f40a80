/*
** sql_text.h - the query IR as SQL text, for every server that speaks SQL.
**
** What differs between dialects is in sql_dialect; what may be pushed at all
** was decided by the pushdown table, whose row texts are expanded here.
*/
#ifndef VTAB_SQL_TEXT_H
#define VTAB_SQL_TEXT_H

#include "vtab/buffer.h"
#include "vtab/query.h"

typedef struct sql_dialect {
  char quote;                                   /* of identifiers: " or ` */
  const char *operators[OP_COUNT];              /* how {op} reads; NULL: not used in rows */
  /* Appends the placeholder of parameter NUMBER (from 1; a list is given its
  ** first number). Returns how many numbers it took: 1, or one an element. */
  int (*placeholder)(buffer *out, int number, const value *v);
  /* Appends the select expression of a column (quoted name given): the place
  ** for casts that make the server send what scan.c can decode. */
  void (*select)(buffer *out, const column *c, const char *quoted);
  /* Appends direction and NULL placement after an ORDER BY expression. */
  void (*direction)(buffer *out, const column *c, bool descending);
  const char *count_only;                       /* selected when no column is wanted: "NULL" */
  const char *limit;                            /* printf formats: limit, limit+offset; both take long long */
  const char *limit_offset;
} sql_dialect;

/* Appends the SELECT of Q. The parameters' order in the text is that of
** q->parameters, each used once. Sticky out->failed without memory. */
void sql_text_select(buffer *out, const query *q, const sql_dialect *d);

/* Appends "schema"."name", or the native query in parentheses with an alias. */
void sql_text_relation(buffer *out, const relation *r, const sql_dialect *d);

#endif
