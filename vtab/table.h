/*
** table.h - one virtual table: a relation of a server in one SQLite connection.
*/
#ifndef VTAB_TABLE_H
#define VTAB_TABLE_H

#include "vtab/plan.h"
#include "vtab/server.h"
#include "vtab/statement.h"
#include "vtab/sqlite.h"

/* What a closed cursor knew about its probes, for the next one of the same execution. */
typedef struct parked_probes {
  struct keyed *keyed;         /* NULL: this place is free */
  execution in;
  uint64_t at;                 /* directory->compilations then */
} parked_probes;

enum { TABLE_PARKED = 4 };

typedef struct table {
  sqlite3_vtab base;           /* SQLite's; first */
  sqlite3 *db;
  server *server;              /* retained */
  catalog *catalog;            /* retained: keeps `relation` alive over a refresh */
  const relation *relation;
  char *schema;                /* SQLite's, where the table stands; NULL: not known */
  bool pushdown;               /* of this table: the server's option and its own */
  int key_column;              /* number of the hidden _key column, -1: none */
  server_directory *directory; /* borrowed: it outlives its tables */
  struct table *next, **link;  /* in directory->tables */
  struct cursor *spare;        /* closed, and kept for the next look-up (cursor.c); owned */
  parked_probes parked[TABLE_PARKED];  /* owned (cursor.c) */
} table;

/* A scan of the whole relation has seen N rows: its estimate from now on. */
void table_has_rows(table *t, double n);

/* Frees what is parked and kept (cursor.c). */
void table_forget(table *t);

/* What plans are made for. */
plan_subject table_subject(const table *t);

/* Gives SQLite the message of E (table and server named), remembers it for
** tskdb_last_error() and returns the result code. */
int table_fail(table *t, tskdb_error *e);

#endif
