/*
** mongo_driver.h - what the files of this folder share, and nobody else sees.
**
**   driver.c     the table of functions that the ground floor calls
**   login.c      a URL to what connecting needs
**   stream.c     the sockets: every wait of the client library
**   guard.c      only well-formed messages reach the client library
**   ahead.c      the next request of a scan, while the last is decoded
**   wire.c       calls that can be interrupted, commands, errors
**   connect.c    opening, checking, cancelling, closing a connection
**   catalog.c    the server's lists to a catalog
**   sample.c     documents to fields, fields to columns
**   schema.c     a collection's $jsonSchema validator to fields
**   types.c      BSON values to SQLite's, and dates
**   filter.c     conditions to filters
**   compile.c    the pushdown rows, a query to a command
**   scan.c       documents into batches
**   statement.c  native commands and pipelines
**
** The client library is libmongoc 1.x, used with one thread: it starts none.
*/
#ifndef VTAB_MONGO_DRIVER_H
#define VTAB_MONGO_DRIVER_H

#include <mongoc/mongoc.h>

#include "vtab/arena.h"
#include "vtab/buffer.h"
#include "vtab/driver.h"

/* ---- login.c --------------------------------------------------------------- */

/* Immutable once made; owned by the connection. */
typedef struct mongo_login {
  mongoc_uri_t *uri;           /* holds the password */
  char *database;              /* NULL: none in the URL */
  bool several;                /* the members of a set, the routers of a cluster */
  bool read_only;
} mongo_login;

mongo_login *mongo_login_new(const endpoint *at, tskdb_error *e);   /* new, or NULL */
void mongo_login_free(mongo_login *l);   /* NULL is a no-op */

/* ---- wire.c: calls into the client library --------------------------------- */

/* One stretch of calls: between mongo_begin() and mongo_end() the library waits
** for the server only through the scope.  On the caller's stack. */
typedef struct mongo_call {
  const wait_scope *scope;
  int limit_ms;                /* of one wait, 0: none */
  int64_t deadline_us;         /* of all waits, 0: none */
  bool stopped;                /* its wait has ended: the answer is awaited a moment more */
  bool killed;                 /* the server was told to stop: its error is awaited */
  bool gave_up;                /* for nothing: the library gets errors */
  bool farewell;               /* closing: writes go out, nothing is waited for */
  tskdb_error why;             /* if stopped */
} mongo_call;

typedef struct mongo_connection {
  connection base;             /* must be first */
  mongo_login *login;
  mongoc_client_t *client;
  mongoc_client_session_t *session;
  bson_t options;              /* of every command that reads: the session and the server */
  bson_t session_options;      /* of every other: the session alone */
  bson_t session_id;           /* what cancel() names; empty: nothing to cancel */
  char *host;                  /* of the server that is read from: "name:port" */
  struct mongo_stream *streams;   /* that are open */
  uint32_t ahead_id;           /* of the last request that was sent past the library */
  bool router;                 /* it is a mongos */
  bool silent;                 /* a forked child: nothing is sent any more */
  mongo_call *call;            /* the present one; NULL: nothing may wait */
  tskdb_error trouble;         /* why the last socket could not be opened */
} mongo_connection;

void mongo_library_init(void);   /* once a process */
void mongo_begin(mongo_call *call, mongo_connection *c, const wait_scope *w);
void mongo_begin_until(mongo_call *call, mongo_connection *c, const wait_scope *w,
                       int64_t deadline_us);
void mongo_end(mongo_connection *c);
/* The present wait has ended as call->why says, or a period after that: begins the next. */
void mongo_stop(mongo_connection *c);

typedef enum mongo_command_kind {
  MONGO_READ,                  /* with the read preference and concern of the URL */
  MONGO_CONTINUE,              /* on the same server: a getMore, killCursors, what lists */
  MONGO_OTHER                  /* on the primary */
} mongo_command_kind;

/* Runs a command within one call.  REPLY is initialised in any case, the
** caller's to destroy, and has the server's answer if it came. WHAT is what failed. */
bool mongo_command(mongo_connection *c, mongo_command_kind kind, const char *database,
                   const bson_t *command, const char *what, bson_t *reply, tskdb_error *e);
/* The same as a call of its own. */
bool mongo_run(mongo_connection *c, mongo_command_kind kind, const char *database,
               const bson_t *command, const wait_scope *w, const char *what, bson_t *reply,
               tskdb_error *e);
/* A stream has no memory: the library's error that comes of it will say so. */
void mongo_starve(mongo_connection *c);
/* A library's error as ours. Always false. */
bool mongo_error(mongo_connection *c, const bson_error_t *from, const char *what, tskdb_error *e);

/* A number in DOC, whatever its type; OTHERWISE if it is none. PATH may be dotted. */
int64_t mongo_number(const bson_t *doc, const char *path, int64_t otherwise);
double mongo_real(const bson_t *doc, const char *path, double otherwise);
const char *mongo_text(const bson_t *doc, const char *path);   /* borrowed; NULL if it is no text */
/* The document or array at PATH, borrowed. */
bool mongo_part(const bson_t *doc, const char *path, bson_t *out);

/* Whether the next reply of a cursor is asked for.  Replies without a document are one wait, which
** the scope bounds: a server need not ever end.  ANY: the last one had some; *SINCE_US begins as 0. */
bool mongo_goes_on(int64_t *since_us, bool any, const wait_scope *w, tskdb_error *e);

/* The documents of a command that answers with a cursor, to its end: each is
** given to TAKE, which may stop by false. */
typedef bool mongo_take(void *context, const bson_t *document, tskdb_error *e);
bool mongo_each(mongo_connection *c, mongo_command_kind kind, const char *database,
                const bson_t *command, const wait_scope *w, const char *what, mongo_take *take,
                void *context, tskdb_error *e);

/* ---- stream.c -------------------------------------------------------------- */

/* The library's way to a new socket; CONTEXT is the mongo_connection, whose trouble says why
** the stream fails if it does. Never NULL. */
mongoc_stream_t *mongo_stream_open(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                   void *context, bson_error_t *error);

/* That of the server that is read from; NULL if there is none. */
mongoc_stream_t *mongo_stream_of_server(const mongo_connection *c);

/* ---- messages: guard.c, ahead.c ------------------------------------------------ */

/* OP_MSG: four little-endian numbers (length, id, id of the request, code), flags, and
** one section with the command or the answer. */
enum {
  MONGO_HEAD = 16,             /* bytes of the four numbers */
  MONGO_FRONT = MONGO_HEAD + 5,   /* and the flags and the section's kind */
  MONGO_OP_COMPRESSED = 2012,
  MONGO_OP_MSG = 2013,
  MONGO_CHECKSUM = 1,          /* flag: four bytes follow */
  MONGO_MESSAGE_MAX = 48 * 1000 * 1000
};

static inline uint32_t mongo_get_number(const uint8_t *at) {
  return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* What the library gets to see of INNER, which it takes; NULL without memory. */
mongoc_stream_t *mongo_guard(mongo_connection *c, mongoc_stream_t *inner);

/* ---- ahead.c: past the library ------------------------------------------------ */

/* The bytes of a reply; zero to begin with, mem_free(bytes) in the end. */
typedef struct mongo_message {
  uint8_t *bytes;
  uint32_t size;
} mongo_message;

/* Both within a call. Before the first, mongo_stream_of_server() is not NULL. */
bool mongo_ahead_send(mongo_connection *c, const char *database, const bson_t *command,
                      tskdb_error *e);
/* REPLY points into M. False also if the server refuses; then the connection is
** idle unless it is broken. */
bool mongo_ahead_receive(mongo_connection *c, mongo_message *m, bson_t *reply, tskdb_error *e);

/* ---- connect.c ------------------------------------------------------------- */

connection *mongo_driver_open(const endpoint *at, const wait_scope *w, tskdb_error *e);
bool mongo_driver_ping(connection *c, const wait_scope *w, tskdb_error *e);
bool mongo_driver_reset(connection *c, const wait_scope *w, tskdb_error *e);
void mongo_driver_cancel(connection *c);
/* The same, and whether the server has heard it. */
bool mongo_kill(mongo_connection *c);
void mongo_driver_close(connection *c, bool forked);

/* ---- types.c --------------------------------------------------------------- */

/* What a column's values can be: column.type_detail.  NULL always can. */
enum {
  MONGO_NUMBER  = 1 << 0,      /* int, long, double */
  MONGO_DECIMAL = 1 << 1,
  MONGO_STRING  = 1 << 2,
  MONGO_BOOL    = 1 << 3,
  MONGO_DATE    = 1 << 4,
  MONGO_OID     = 1 << 5,
  MONGO_BINARY  = 1 << 6,
  MONGO_ARRAY   = 1 << 7,
  MONGO_OBJECT  = 1 << 8,      /* and every type that is shown as extended JSON */
  MONGO_ANY     = (1 << 9) - 1,
  MONGO_DIGITS  = 1 << 9       /* a decimal is TEXT with every digit (option numeric=text) */
};

/* In column.flags: the server's language can name it in a condition. */
#define MONGO_SAYABLE COLUMN_PRIVATE
#define MONGO_WHOLE   (COLUMN_PRIVATE << 1)   /* the whole document as JSON */

/* What a column is: column.type_id. */
enum {
  MONGO_PATH,                  /* remote_name is a path: components between dots */
  MONGO_NAME,                  /* remote_name is the name of a top-level field, whatever it holds */
  MONGO_DOCUMENT,              /* the whole document */
  MONGO_KEY                    /* the extended JSON of _id: what tells documents apart */
};

enum { MONGO_PATH_LENGTH = 1000 };   /* a longer path is in no condition */

const char *types_name(bson_type_t type);            /* as $type calls it */
uint32_t types_bit(bson_type_t type);                /* MONGO_…; 0: null */
bson_type_t types_of_name(const char *name);         /* BSON_TYPE_MAXKEY for any other */
/* Every length and type in it makes sense, and it has so many levels at most. */
bool types_is_document(const uint8_t *bytes, size_t length, int levels);
/* The value under ITER into the row under construction. */
void types_decode(batch *b, int col, bool digits, const bson_iter_t *iter);
void types_decode_document(batch *b, int col, const uint8_t *bytes, uint32_t length);
void types_decode_key(batch *b, int col, const bson_iter_t *iter);

/* Milliseconds since 1970 of canonical text; *MICROS receives what is below the
** millisecond.  False if it is no timestamp of years 0001..9999. */
bool types_parse_date(const char *text, size_t length, int64_t *ms, int *micros);
/* 8-4-4-4-12 lower-case hexadecimal digits. */
bool types_parse_uuid(const char *text, size_t length, uint8_t out[16]);
bool types_parse_oid(const char *text, size_t length, bson_oid_t *out);

/* ---- sample.c -------------------------------------------------------------- */

enum { MONGO_TYPES = 22 };     /* slots for BSON's type numbers; the last two are MaxKey, MinKey */

enum { MONGO_DIFFERENT = 64 };

/* One field of a collection's documents, as seen and as declared. */
typedef struct mongo_field {
  const char *name;
  size_t length;
  struct mongo_field *parent;  /* NULL: the document itself */
  struct mongo_field *first, *last, *next;   /* children, in the order of appearance */
  struct mongo_field *chain;   /* in the hash table */
  uint32_t hash;
  int n_children;
  bool odd;                    /* its name cannot be part of a path */
  bool whole;                  /* a column although it has children: other values, odd children */
  double counts[MONGO_TYPES];  /* of each type, in the sample */
  uint32_t declared;           /* MONGO_… that a strict validator holds it to; 0: unknown */
  bool nullable;               /* declared, and null or absent is allowed */
  const char *declared_type;   /* as the validator says it */
  bool wanted;                 /* named by the option columns or a validator */
  uint32_t *different;         /* hashes of its different values, of a declared field */
  int n_different;             /* MONGO_DIFFERENT: too many to count */
} mongo_field;

/* The fields of one relation's documents. */
typedef struct mongo_sample {
  arena arena;
  mongo_field *root;           /* the document; NULL without memory */
  mongo_field **table;         /* by parent and name */
  size_t n_table;
  int n_fields;
  int depth;                   /* documents are taken apart down to here */
  double documents;            /* how many were looked at */
  bool closed;                 /* a validator allows no other fields */
} mongo_sample;

void sample_init(mongo_sample *s, int depth);
void sample_free(mongo_sample *s);
/* The field of that name, made if need be; NULL without memory, or when there are too many. */
mongo_field *sample_field(mongo_sample *s, mongo_field *parent, const char *name, size_t length);
void sample_document(mongo_sample *s, const bson_t *document);
/* A large document of which only the names and types were sent: [{k: name, t: type}]. */
void sample_outline(mongo_sample *s, const bson_t *outline);
/* The field of a dotted path, as the option columns names it. */
void sample_want(mongo_sample *s, const char *path);

/* What is known of a relation beside its fields. */
typedef struct mongo_shape {
  bool keyed;                  /* its documents are told apart by _id */
  bool comparable;             /* the server compares its text by bytes */
  bool digits;                 /* option numeric=text */
} mongo_shape;

/* Fills in R's columns: the fields, _doc and, if it is keyed, _key. */
bool sample_columns(mongo_sample *s, catalog *out, relation *r, const mongo_shape *shape,
                    tskdb_error *e);

/* ---- schema.c -------------------------------------------------------------- */

/* Reads the $jsonSchema of a collection's options, if there is one. */
void schema_read(mongo_sample *s, const bson_t *collection_options);

/* ---- catalog.c, statement.c ------------------------------------------------ */

bool mongo_driver_discover(connection *c, const discovery *want, const wait_scope *w, catalog *out,
                           tskdb_error *e);
void mongo_introduce(const mongo_connection *c, catalog *out);
bool mongo_driver_describe(connection *c, const native_text *native, const discovery *want,
                           const wait_scope *w, catalog *out, tskdb_error *e);
bool mongo_driver_exec(connection *c, const char *native, const value *parameters, int n_parameters,
                       const wait_scope *w, int64_t *affected, tskdb_error *e);
/* A pipeline's stages from JSON. OUT is initialised in any case. */
bool statement_pipeline(const char *json, bson_t *out, tskdb_error *e);

/* ---- filter.c -------------------------------------------------------------- */

/* Appends to OUT the document that Q's filter comes to, under KEY. SHOWN: values
** are question marks. */
void filter_append(bson_t *out, const char *key, const query *q, bool shown);

/* ---- compile.c, scan.c ----------------------------------------------------- */

enum { MONGO_PUSHDOWN_ROWS = 29 };
extern const pushdown_row mongo_pushdown[MONGO_PUSHDOWN_ROWS];
extern const char *const mongo_facts[];

/* Where the values of an answer's documents go: fields by name, nested. */
typedef struct mongo_layout {
  const char *name;
  uint32_t length;
  int column;                  /* of the batch, -1: none */
  bool digits;                 /* its decimals are TEXT */
  struct mongo_layout *fields; /* of a document under that name */
  int n_fields;
} mongo_layout;

/* request.compiled */
typedef struct mongo_request {
  const uint8_t *command;      /* BSON, without batchSize and time limit */
  uint32_t length;
  const char *database;
  const char *collection;
  bool aggregate;
  bool counting;               /* the answer is {n: rows} */
  bool blocking;               /* no row before all are known: maxTimeMS bounds it */
  int whole;                   /* column that takes the document itself, -1: none */
  int key;                     /* column that takes the key, -1: none */
  const mongo_layout *layout;
  int n_layout;
} mongo_request;

extern const column mongo_count_column;
bool mongo_driver_compile(const query *q, uint32_t version, arena *a, request *out, tskdb_error *e);
scan *mongo_driver_scan_open(connection *c, const request *r, const wait_scope *w, tskdb_error *e);
scan_status mongo_driver_scan_fetch(scan *s, batch *b, const wait_scope *w, tskdb_error *e);
void mongo_driver_scan_close(scan *s);

#endif
