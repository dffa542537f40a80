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
  /* true: placeholders are $1, $2 …, a row that names {v} twice uses one
  ** parameter, and a list is one parameter (STORAGE_LIST).  false: each {v} is
  ** a ? with a parameter of its own, and a list is ?,?,…, a parameter an element. */
  bool numbered;
  /* Appends the select expression of a column (its quoted name given): the
  ** place for casts that make the server send what scan.c can decode. */
  void (*select)(buffer *out, const column *c, const char *quoted);
  const char *count;                            /* how many rows a group has */
  /* The server's indexes have NULLs at the other end than SQLite, or values elsewhere: see
  ** "the first rows of an order" in sql_text.c. */
  bool orders_apart;
  /* Appends direction and NULL placement after an ORDER BY expression. */
  void (*direction)(buffer *out, const column *c, bool descending);
} sql_dialect;

/* Compiles Q to one SELECT: OUT->text and OUT->parameters in A or of the query's
** memo, in the order of the placeholders.  False without memory or on a malformed
** row text. */
bool sql_text_compile(const query *q, const sql_dialect *d, arena *a, request *out, tskdb_error *e);

uint64_t sql_text_hash(const char *text);

/* Appends "schema"."name", or the native query in parentheses with an alias. */
void sql_text_relation(buffer *out, const relation *r, char quote);

#endif
