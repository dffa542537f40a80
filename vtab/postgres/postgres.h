/*
** postgres.h - what the files of this folder share, and nobody else sees.
**
**   driver.c     the table of functions that the ground floor calls
**   endpoint.c   a URL to the settings that libpq connects with
**   connect.c    opening, pinning, resetting, closing a connection
**   cancel.c     asking the server to stop
**   exchange.c   one request and its answer, errors
**   catalog.c    the system catalogs and descriptions to a catalog
**   types.c      the server's types: classes, select expressions, decoders
**   compile.c    the pushdown rows, the dialect
**   statement.c  parameters, prepared statements, native statements
**   scan.c       rows into batches
*/
#ifndef VTAB_POSTGRES_H
#define VTAB_POSTGRES_H

#include <libpq-fe.h>

#include "vtab/arena.h"
#include "vtab/buffer.h"
#include "vtab/driver.h"

/* ---- endpoint.c ----------------------------------------------------------- */

/* Keywords and values for PQconnectStartParams; they point into the arena. */
typedef struct postgres_settings {
  arena arena;             /* holds the password: short-lived */
  const char *keywords[16];
  const char *values[16];
  int n;
  int n_hosts;             /* that the URL names */
} postgres_settings;

bool postgres_settings_read(postgres_settings *s, const char *url, tskdb_error *e);
void postgres_settings_free(postgres_settings *s);

/* ---- cancel.c --------------------------------------------------------------- */

typedef struct postgres_canceller postgres_canceller;

postgres_canceller *postgres_canceller_new(PGconn *pg);
void postgres_canceller_release(postgres_canceller *k);   /* NULL is a no-op */
bool postgres_cancel_now(postgres_canceller *k);          /* false: it may not have arrived */
bool postgres_was_cancelled(postgres_canceller *k);       /* since the last time this was asked */

/* ---- connect.c ------------------------------------------------------------ */

/* A text that was sent before, and the statement that the server keeps of it. */
typedef struct postgres_statement {
  char *text;              /* NULL: the slot is free; owned */
  uint64_t hash;           /* of the text */
  uint64_t used;           /* by the connection's clock: the least is replaced */
  unsigned number;         /* of its name on the server; 0: not prepared yet */
} postgres_statement;

enum { POSTGRES_STATEMENTS = 64 };

typedef struct postgres_connection {
  connection base;         /* must be first */
  PGconn *pg;
  postgres_canceller *canceller;
  bool read_only;
  bool just_sent;          /* a request, and nothing was read since */
  bool row_by_row;         /* the last answer was asked for row by row */
  postgres_statement statements[POSTGRES_STATEMENTS];
  uint64_t clock;
  arena parameters;        /* of the request that is being sent */
  unsigned last_number;    /* of the statements' names */
} postgres_connection;

connection *postgres_open(const endpoint *at, const wait_scope *w, tskdb_error *e);
bool postgres_ping(connection *c, const wait_scope *w, tskdb_error *e);
bool postgres_reset(connection *c, const wait_scope *w, tskdb_error *e);
void postgres_cancel(connection *c);
void postgres_close(connection *c, bool forked);

/* What the database's encoding makes of its text: COLUMN_ANY_BYTES without an
** encoding, COLUMN_ASCII where a constant beyond ASCII may not be in it. */
uint32_t postgres_text_flags(const postgres_connection *c);

/* ---- exchange.c ------------------------------------------------------------- */

/* A request of our own, with text parameters. */
typedef struct postgres_request {
  const char *text;
  const char *const *parameters;
  int n_parameters;
} postgres_request;

/* Runs N requests in one round trip; RESULTS are new. False: none are, and the
** connection is idle or broken. */
bool postgres_run(postgres_connection *c, const postgres_request *requests, int n, const wait_scope *w,
                  PGresult **results, tskdb_error *e);

bool postgres_flush(postgres_connection *c, const wait_scope *w, tskdb_error *e);
/* *RESULT is new, or NULL at the end of the answer. */
bool postgres_next_result(postgres_connection *c, const wait_scope *w, PGresult **result, tskdb_error *e);
/* *RESULT is new, the one of an answer that must have no more and be no copy,
** read to its end; it is to be cleared also after false: the connection is
** then broken. */
bool postgres_only_result(postgres_connection *c, const wait_scope *w, PGresult **result, tskdb_error *e);
/* One message of a COPY to us: *LENGTH of *BYTES, new (PQfreemem), or -1 at its end,
** behind which its result follows. */
bool postgres_next_copy(postgres_connection *c, const wait_scope *w, char **bytes, int *length,
                        tskdb_error *e);
/* Ends an answer that nobody wants; SQLSTATE (6 bytes, may be NULL) receives its last error. */
void postgres_abandon(postgres_connection *c, char *sqlstate);

/* All set the error and return false. */
bool postgres_result_error(postgres_connection *c, const PGresult *r, tskdb_error *e);
bool postgres_connection_error(postgres_connection *c, const char *what, tskdb_error *e);
bool postgres_connect_error(PGconn *pg, tskdb_error *e);

const char *postgres_cell(const PGresult *r, int row, int field);   /* NULL for NULL; borrowed */
double postgres_cell_real(const PGresult *r, int row, int field, double otherwise);
uint32_t postgres_cell_oid(const PGresult *r, int row, int field);
int postgres_cell_int(const PGresult *r, int row, int field);
bool postgres_cell_bool(const PGresult *r, int row, int field);

/* ---- catalog.c ------------------------------------------------------------ */

bool postgres_discover(connection *c, const discovery *want, const wait_scope *w, catalog *out,
                       tskdb_error *e);
bool postgres_describe(connection *c, const native_text *native, const discovery *want, const wait_scope *w,
                       catalog *out, tskdb_error *e);

/* ---- types.c ------------------------------------------------------------ */

/* Facts of a column's type, domains resolved. */
typedef struct postgres_type {
  uint32_t oid;
  int32_t modifier;        /* -1: none */
  char kind;               /* pg_type.typtype */
  char category;           /* pg_type.typcategory */
} postgres_type;

/* Fills in class, type_id and type_detail of C, and adds TEXT_FLAGS where the
** database's encoding matters. */
void postgres_classify(const postgres_type *t, const discovery *want, uint32_t text_flags, column *c);

/* A value as its type's output function writes it, which a cast to text need
** not do (inet); concat() alone makes NULL an empty text.  Two arguments, because
** the same text is a printf format and a pushdown row. */
#define POSTGRES_OUTPUT(a, b) "(CASE WHEN " a " IS NOT NULL THEN pg_catalog.concat(" b ") END)"

/* Appends the expression that makes the server send C as it is decoded. */
void postgres_select(buffer *out, const column *c, const char *quoted);

/* The type that the server must announce for that expression. */
uint32_t postgres_wire_type(const column *c);

/* Decodes one value in binary format. False: the bytes make no sense for the type. */
typedef bool postgres_decoder(const char *bytes, int length, batch *b, int col);
postgres_decoder *postgres_decoder_of(const column *c);

/* ---- compile.c ------------------------------------------------------------ */

extern const pushdown_row postgres_pushdown[];
extern const int postgres_n_pushdown;
bool postgres_compile(const query *q, uint32_t version, arena *a, request *out, tskdb_error *e);

/* ---- statement.c -------------------------------------------------------- */

/* Sends R, asks for rows in binary, one by one unless there is one at most. */
bool postgres_statement_send(postgres_connection *c, const request *r, const wait_scope *w,
                             tskdb_error *e);
/* Sends TEXT, which has no parameters, and asks for its description first and then
** for its rows as a COPY in binary format. */
bool postgres_copy_send(postgres_connection *c, const char *text, const wait_scope *w, tskdb_error *e);
/* Forgets the prepared statements: the server has, or its tables changed. */
void postgres_statement_forget_all(postgres_connection *c);
bool postgres_exec(connection *c, const char *native, const value *v, int n, const wait_scope *w,
                   int64_t *affected, tskdb_error *e);

/* ---- scan.c --------------------------------------------------------------- */

scan *postgres_scan_open(connection *c, const request *r, const wait_scope *w, tskdb_error *e);
scan_status postgres_scan_fetch(scan *s, batch *b, const wait_scope *w, tskdb_error *e);
void postgres_scan_close(scan *s);

#endif
