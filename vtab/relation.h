/*
** relation.h - what a server has: relations, their columns, keys, statistics.
**
** A catalog is a snapshot taken at attach.  Its driver fills it, then
** catalog_finish() gives every relation and column the name that SQLite
** shall see, chooses the identity of its rows and the declaration, and from
** then on it is immutable (but for its estimates: federation/statistics.c) and
** may be read by any thread; it is counted
** (catalog_retain, catalog_release) and owns all memory inside.
*/
#ifndef VTAB_RELATION_H
#define VTAB_RELATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vtab/arena.h"
#include "vtab/error.h"
#include "vtab/value.h"

/* Facts about a column that pushdown rows ask for (pushdown_row.needs). */
enum {
  COLUMN_NOT_NULL   = 1 << 0, /* the server guarantees it */
  COLUMN_EQ_BYTES   = 1 << 1, /* text: the server's own `=` compares bytes (no folding, no padding) */
  COLUMN_ORDER_BYTES= 1 << 2, /* text: the server's own `<` is memcmp of UTF-8, so its index serves ranges */
  COLUMN_GENERATED  = 1 << 3, /* computed by the server, cannot be written */
  COLUMN_HAS_DEFAULT= 1 << 4, /* an omitted value is filled in by the server (also identity, serial) */
  COLUMN_ASCII      = 1 << 5, /* text in a one-byte or ASCII character set: a constant beyond it cannot be bound */
  COLUMN_NO_RANGE   = 1 << 6, /* values exist that do not order as SQLite orders their text */
  COLUMN_HIDDEN     = 1 << 7, /* not in SELECT *: the whole document beside its fields */
  COLUMN_ANY_BYTES  = 1 << 8, /* the server has bytes; they arrive as value_from_bytes() or,
                              ** in a CLASS_INT, value_from_digits() says */
  COLUMN_WITHIN_KEY = 1 << 9, /* the server orders by it only among rows that are equal in the
                              ** key's first column */
  COLUMN_PRIVATE    = 1 << 16 /* this bit and those above it are the driver's own, for its rows */
};

typedef struct column {
  /* filled in by the driver */
  const char *remote_name;
  const char *remote_type;   /* as the server spells it: "character varying(20)" */
  const char *collation;     /* the server's name of it, NULL where it has no meaning */
  type_class klass;
  uint32_t flags;            /* COLUMN_… */
  uint32_t type_id;          /* the driver's own: an oid, a field type */
  uint32_t type_detail;      /* the driver's own: typmod, character set, element type … */
  double null_fraction;      /* 0..1, -1 unknown */
  double distinct;           /* how many distinct values, -1 unknown */
  /* of a server without declarations, where columns come from a sample */
  double present;            /* in how many of relation.sampled it was; 0 with seen NULL: not sampled */
  const char *seen;          /* the types seen, for people: "int32 940, string 60"; NULL: declared */
  /* filled in by catalog_finish() */
  const char *name;          /* SQLite's: unique without regard to case */
  const char *declared;      /* type in the declaration: has the class's affinity */
} column;

typedef struct relation_index {
  const char *name;
  const int *columns;        /* into relation.columns, in order; expressions are left out: see partial */
  int n_columns;
  bool unique;
  bool primary;
  bool partial;              /* covers not every row, or has expressions: no key */
} relation_index;

typedef struct foreign_key {
  const char *name;
  const int *columns;        /* into relation.columns */
  int n_columns;
  const char *to_schema, *to_relation;   /* remote names */
  const char *const *to_columns;         /* remote names, n_columns of them */
} foreign_key;

typedef enum relation_kind {
  RELATION_TABLE, RELATION_PARTITIONED, RELATION_VIEW, RELATION_MATERIALIZED,
  RELATION_FOREIGN, RELATION_TIMESERIES,
  RELATION_QUERY         /* the rows of a native statement */
} relation_kind;

/* A native statement as its words: one for SQL servers; a collection and a
** pipeline; a command and its arguments. */
typedef struct native_text {
  const char *const *words;
  int n_words;
} native_text;

typedef struct relation {
  /* filled in by the driver */
  const char *remote_schema;   /* may be NULL */
  const char *remote_name;
  native_text native;          /* RELATION_QUERY: the statement, in the catalog's arena */
  uint32_t remote_id;          /* the driver's own: an oid */
  bool plain;                  /* its bare name is what a native user would write (search_path, the URL's database) */
  relation_kind kind;
  column *columns;
  int n_columns;
  relation_index *indexes;
  int n_indexes;
  foreign_key *foreign_keys;
  int n_foreign_keys;
  double rows;                 /* the server's estimate, -1 unknown */
  double bytes;                /* on the server's disk, -1 unknown */
  double sampled;              /* how many rows the columns were inferred from; 0: they are declared */
  const char *unusable;        /* why it cannot be a table, NULL if it can */
  /* filled in by catalog_finish() */
  const char *name;            /* SQLite's: remote_name, or "schema.name" */
  const int *key;              /* identity of a row: columns of the chosen key, unless the driver chose one */
  int n_key;                   /* 0: rows have no identity */
  bool key_is_rowid;           /* one signed integer column: it is the rowid */
} relation;

typedef struct catalog {
  arena arena;
  _Atomic int references;
  relation *relations;
  int n_relations;
  const char *server_version;  /* as the server says it: "15.18 (Debian 15.18-0+deb12u1)" */
  uint32_t version;            /* comparable number: 150018, 101119 */
  const char *product;         /* "PostgreSQL", "MariaDB", "MySQL" */
  const char *default_schema;
} catalog;

catalog *catalog_new(void);                 /* references 1; NULL without memory */
void catalog_retain(catalog *c);            /* any thread */
void catalog_release(catalog *c);           /* NULL is a no-op; any thread */

/* A driver's array that grows: makes room for one more element of SIZE bytes
** in the arena and returns it zeroed; *array and *n are updated (the array may
** move).  NULL without memory. */
void *catalog_grow(catalog *c, void *array, int *n, size_t size);

/* A copy of T in the arena of C, for relation.native. n_words is 0 without memory. */
native_text catalog_native(catalog *c, const native_text *t);

/* Names, declarations and identities, once the driver is done; the rules are
** in relation.c.  False without memory. */
bool catalog_finish(catalog *c, tskdb_error *e);

/* By SQLite's name or "schema.name" of the server, ASCII case ignored only if
** no exact match exists. NULL if there is none. */
const relation *catalog_find(const catalog *c, const char *name);

const char *relation_kind_name(relation_kind kind);

/* The text for sqlite3_declare_vtab(), appended to OUT. */
struct buffer;
void relation_declare(const relation *r, struct buffer *out);

/* The index of the hidden column "_key" in that declaration, which stands for
** a key of several columns; -1 if the relation has none. */
int relation_key_column(const relation *r);

#endif
