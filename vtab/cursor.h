/*
** cursor.h - one scan of a virtual table: from xFilter's values to rows.
**
** Opening a cursor does no I/O: SQLite opens cursors that it may never use.
*/
#ifndef VTAB_CURSOR_H
#define VTAB_CURSOR_H

#include "vtab/table.h"

typedef struct cursor cursor;

/* All return SQLite result codes; on error the table has the message. */
int cursor_open(table *t, cursor **out);
void cursor_close(cursor *c);                    /* ends the scan; cannot fail */
void cursor_free_spare(table *t);                /* the one that a table keeps */
int cursor_filter(cursor *c, const char *plan_text, int argc, sqlite3_value **argv);
int cursor_next(cursor *c);
bool cursor_eof(const cursor *c);
int cursor_column(cursor *c, sqlite3_context *out, int column_number);
int cursor_rowid(cursor *c, sqlite3_int64 *out);

#endif
