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

/* ---- for the tables that are probed with this cursor's values (keyed.c) ---- */

/* The cursor that was opened after C on the same connection, NULL: none.
** cursor_newest() begins. */
cursor *cursor_newest(const server_directory *d);
cursor *cursor_older(const cursor *c);

/* Tells this cursor, with the plan that it has now, from all others for ever. */
uint64_t cursor_identity(const cursor *c);

/* Whether C has been filtered with that plan of T since it was opened. */
bool cursor_scans(const cursor *c, const table *t, const char *plan_text);

/* The row on which C stands; NULL if there is none. */
const batch *cursor_current(const cursor *c, uint32_t *row);

/* Shows SEE the rows that C will very likely stand on next, in that order, as far
** as they are in memory, until SEE returns false. */
typedef bool cursor_visitor(void *context, const batch *page, uint32_t row);
bool cursor_upcoming(cursor *c, cursor_visitor *see, void *context);

#endif
