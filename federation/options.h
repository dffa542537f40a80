/*
** options.h - the JSON object that tskdb_attach() takes.
**
** Version 1 of the options; a key "version" is accepted and must be 1.
*/
#ifndef FEDERATION_OPTIONS_H
#define FEDERATION_OPTIONS_H

#include <stddef.h>

#include "vtab/arena.h"
#include "vtab/error.h"
#include "vtab/sqlite.h"

struct buffer;

/* A list of texts; `given` tells an empty list from an absent one. */
typedef struct option_list {
  const char **items;
  int n;
  bool given;
} option_list;

typedef struct options {
  option_list tables;        /* globs of table names; "!glob" leaves out */
  option_list schemas;       /* the server's schemas */
  bool numeric_text;         /* wide numerics keep every digit as text */
  bool unsigned_text;        /* the same for 64-bit unsigned integers */
  int sample, depth;         /* of servers without declarations; 0: the driver's default */
  option_list columns;       /* "relation.field" that no sample shows */
  option_list families;      /* templates of keys */
  bool pushdown;             /* false: off for the whole server */
  option_list pushdown_off;  /* globs of tables for which it is off */
  bool bulk;
  bool prefetch;
  bool batch_keys, fetch_whole, overlap, run_lengths;   /* see vtab/server.h */
  int residual_rows;         /* see vtab/server.h */
  int memory;                /* bytes of rows that are kept for one table's probes */
  bool read_only;
  int timeout_ms;            /* of one wait; 0: none */
  int connect_timeout_ms;
  int batch_bytes;
  int pool;                  /* most connections at a time */
} options;

/* Fills OUT with the defaults and what TEXT (JSON, may be NULL) says, in A.
** FOR_SQLITE: only what has a meaning for a SQLite file is allowed.  False
** with ERROR_CONFIG that names the key and lists what is valid. */
bool options_parse(sqlite3 *db, const char *text, bool for_sqlite, arena *a, options *out,
                   tskdb_error *e);

/* Whether a relation is meant by a list of globs: NAME is SQLite's name of
** it, QUALIFIED "schema.name".  The last glob that matches decides; where the
** first one is a "!glob", everything is meant until one says otherwise. */
bool option_list_matches(const option_list *l, const char *name, const char *qualified);

/* What differs from the defaults, as JSON: holds no secret. */
void options_print(const options *o, struct buffer *out);

#endif
