/*
** store.h - rows of a relation kept by key, for a table that is probed again and again.
**
** A store answers "the rows whose key columns have these values" without a
** server.  Keys are compared as SQLite compares the values with the columns:
** numbers by value whatever their storage class, text and blobs by bytes.  A
** key that has a NULL in it has no rows.
**
** It holds pages, which are batches, and an entry a key.  Entries are either
** asked for first (store_ask) or made by the rows themselves.  When the bytes
** reach a bound the caller may clear the store, or spill it: rows then go to a
** temporary SQLite database of the store's own, and are read back a page at a
** time.
**
** One owner, one thread: that of the SQLite connection.
*/
#ifndef VTAB_STORE_H
#define VTAB_STORE_H

#include "vtab/batch.h"
#include "vtab/error.h"

enum { STORE_MAX_KEY = 8 };      /* columns of a key */

/* Which columns of a batch are the key, and their affinities. */
typedef struct store_shape {
  int n_columns;                 /* of each batch */
  int n_key;                     /* 0: all rows have one key */
  int key[STORE_MAX_KEY];
  affinity affinity[STORE_MAX_KEY];
} store_shape;

typedef struct store store;
typedef struct store_entry store_entry;

/* A row of a page. */
typedef struct store_row {
  const batch *page;             /* NULL: there is none */
  uint32_t row;
  uint32_t number;               /* of the row in the store */
} store_row;

store *store_new(const store_shape *shape);   /* NULL without memory */
void store_free(store *s);                    /* NULL is a no-op */
void store_clear(store *s);                   /* forgets rows and keys */
size_t store_bytes(const store *s);           /* of memory, as allocated */

/* VALUES as the columns' affinities and SQLite's comparison see them; OUT
** borrows their bytes. False if a NULL is among them. */
bool store_key(const store_shape *shape, const value *values, value *out);

/* The key of row ROW of PAGE.  False if a NULL is among its values. */
bool store_key_of(const store_shape *shape, const batch *page, uint32_t row, value *out);

/* The entry of a key made by store_key(), NULL if there is none. */
store_entry *store_find(const store *s, const value *key);

/* Makes an entry without rows that belongs to request number REQUEST. NULL
** without memory. The key must not have one. */
store_entry *store_ask(store *s, const value *key, uint32_t request);

/* Takes over the rows of PAGE, whose memory becomes the store's (*PAGE is
** empty afterwards).  REQUEST 0: every row is kept.  Else only those whose key
** was asked for in that request: a server that was asked for several key
** columns at once sends other combinations as well.  False without memory, or
** with an error of the spill. */
bool store_add(store *s, batch *page, uint32_t request, tskdb_error *e);

/* The first row of ENTRY, and the one after ROW. Not for a store that is spilled. */
store_row store_first(const store *s, const store_entry *entry);
store_row store_next(const store *s, store_row row);

/* Moves all rows to a temporary SQLite database; later ones go there too. */
bool store_spill(store *s, tskdb_error *e);
bool store_is_spilled(const store *s);

/* Reading a spilled store: begins with the rows of KEY, which stays valid until
** the last was read; then fills PAGE (empty, of the shape's columns) until it is
** full.  *MORE: there may be rows left. */
bool store_spill_find(store *s, const value *key, tskdb_error *e);
bool store_spill_read(store *s, const value *key, batch *page, bool *more, tskdb_error *e);

#endif
