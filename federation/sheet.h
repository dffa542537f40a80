/*
** sheet.h - rows that are made at once and then read: what tables.c fills and
** snapshot.c shows.
*/
#ifndef FEDERATION_SHEET_H
#define FEDERATION_SHEET_H

#include "federation/registry.h"
#include "vtab/batch.h"

typedef struct sheet {
  batch *pages;            /* all but the last are full */
  int n_pages;
  int n_columns;
  int column;              /* next one of the row that is being made */
  bool failed;             /* out of memory */
} sheet;

/* The next cell of the row. A NULL text is NULL; a negative real, for estimates, too. */
void sheet_text(sheet *s, const char *text);
void sheet_integer(sheet *s, int64_t v);
void sheet_real(sheet *s, double v);
void sheet_estimate(sheet *s, double v);
void sheet_null(sheet *s);
void sheet_end_row(sheet *s);

/* A table to read: what it is called, declared as, and how its rows are made. */
typedef struct snapshot {
  const char *name, *declaration;
  int n_columns;
  void (*fill)(registry *r, sheet *out);
} snapshot;

/* Registers an eponymous table; it holds R. D is static. Returns an SQLite code. */
int snapshot_register(registry *r, const snapshot *d);

#endif
