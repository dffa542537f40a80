/*
** redis_driver.h - what the files of this folder share, and nobody else sees.
**
**   driver.c     the table of functions that the ground floor calls
**   login.c      a URL to what connecting needs
**   transport.c  bytes to a server and back: sockets, TLS, time limits
**   exchange.c   commands out, replies in, errors; hiredis formats and parses
**   connect.c    opening, pinning, resetting, closing a connection; Sentinel
**   cluster.c    slots, nodes, redirections
**   members.c    the nodes that clusters have named, for later connections
**   template.c   templates of keys: "user:<id>"
**   catalog.c    the relations that there always are, families from a sample
**   sample.c     a sample of keys and what stands in their hashes
**   compile.c    the pushdown rows; a query to a plan of commands
**   match.c      SQLite's patterns to Redis' own
**   scan.c       keys, pipelines, batches
**   step.c       the commands that read one key, and their replies as rows
**   row.c        rows into batches
**   seen.c       the keys that SCAN has returned, so that none comes twice
**   native.c     native commands
**   types.c      bytes to values
*/
#ifndef VTAB_REDIS_DRIVER_H
#define VTAB_REDIS_DRIVER_H

#include <hiredis.h>

#include "vtab/arena.h"
#include "vtab/buffer.h"
#include "vtab/driver.h"

/* ---- login.c ------------------------------------------------------------- */

typedef enum redis_tls {
  REDIS_TLS_OFF,
  REDIS_TLS_REQUIRE,           /* encrypted, unverified */
  REDIS_TLS_VERIFY_CA,         /* the certificate is signed by a known authority */
  REDIS_TLS_VERIFY_FULL        /* and names the host */
} redis_tls;

typedef enum redis_topology { REDIS_ALONE, REDIS_SENTINEL, REDIS_CLUSTER } redis_topology;

typedef struct redis_host {
  const char *name;            /* NULL: a socket */
  const char *socket;          /* NULL: TCP */
  int port;
} redis_host;

typedef struct redis_credentials {
  const char *user;            /* NULL: the default user */
  const char *password;        /* NULL: none */
} redis_credentials;

/* Immutable once made; owned by the connection, wiped when that is closed. */
typedef struct redis_login {
  arena arena;                 /* all strings below */
  redis_topology topology;     /* as the URL says; a cluster is noticed as well */
  redis_host *hosts;           /* servers, or sentinels */
  int n_hosts;
  redis_credentials server, sentinel;
  const char *master;          /* its name among the sentinels */
  int database;
  redis_tls tls;
  const char *ca, *certificate, *key;   /* files, NULL: none */
  const char *client_name;
  int connect_timeout_ms;      /* 0: not given */
  bool read_only;
  struct ssl_ctx_st *context;  /* OpenSSL's; NULL without TLS */
} redis_login;

redis_login *redis_login_new(const endpoint *at, tskdb_error *e);   /* new, or NULL */
void redis_login_free(redis_login *l);    /* NULL is a no-op */

/* ---- transport.c --------------------------------------------------------- */

typedef struct redis_transport redis_transport;

/* Connected, with TLS where the login says so; before DEADLINE_US. New, or NULL. */
redis_transport *redis_transport_open(const redis_login *l, const redis_host *at,
                                      const wait_scope *w, int64_t deadline_us, tskdb_error *e);
/* The time limit of connecting ends: from now on the scopes' own hold. */
void redis_transport_settle(redis_transport *t);
bool redis_transport_send(redis_transport *t, const char *bytes, size_t length,
                          const wait_scope *w, tskdb_error *e);
/* Waits until bytes are there or the end; for when none can be there yet. */
bool redis_transport_await(redis_transport *t, const wait_scope *w, tskdb_error *e);
/* At least one byte; *N is how many. */
bool redis_transport_receive(redis_transport *t, char *out, size_t room, size_t *n,
                             const wait_scope *w, tskdb_error *e);
/* Whether bytes of an answer are there, or the end, without waiting. */
bool redis_transport_has_input(redis_transport *t);
void redis_transport_interrupt(redis_transport *t);   /* ends both directions; any thread */
void redis_transport_close(redis_transport *t, bool forked);   /* NULL is a no-op */
bool redis_tls_context(redis_login *l, tskdb_error *e);
void redis_tls_context_free(redis_login *l);

/* ---- exchange.c ---------------------------------------------------------- */

typedef enum redis_kind {
  REDIS_STRING, REDIS_STATUS, REDIS_ERROR, REDIS_INTEGER, REDIS_NIL, REDIS_ARRAY
} redis_kind;

/* One element of a reply, as it is parsed. `bytes` is borrowed for the call. */
typedef struct redis_element {
  redis_kind kind;
  int depth;                   /* 0: the reply itself */
  int64_t index;               /* in its array */
  int64_t parent_index;        /* of its array in that one's own */
  const char *bytes;           /* STRING, STATUS, ERROR; numbers of RESP3 as text */
  size_t length;
  int64_t integer;             /* INTEGER; ARRAY: how many elements */
  int64_t siblings;            /* how many elements its array has */
} redis_element;

/* Takes a reply's elements in their order.  Embedded in what needs them. */
typedef struct redis_sink {
  void (*take)(struct redis_sink *s, const redis_element *x);
} redis_sink;

/* One server: a connection to it, opened when it is first needed. */
typedef struct redis_node {
  redis_host at;               /* strings owned by the connection's arena */
  bool master;                 /* owns slots; always, without a cluster */
  redis_transport *transport;  /* NULL: not connected */
  redisReader *reader;
  redis_sink *sink;            /* what takes the reply that is being parsed */
  buffer out;                  /* commands that have not been sent */
  int64_t owed;                /* replies that are still to come */
  bool *lost;                  /* its connection's `broken`; NULL: it has none */
  bool idle;                   /* none since the last one came, and nothing was sent */
  bool fresh;                  /* nothing has come since it was idle */
} redis_node;

typedef enum redis_progress { REDIS_REPLY, REDIS_MORE, REDIS_FAILED } redis_progress;

struct redis_connection;

bool redis_node_init_reader(redis_node *n, tskdb_error *e);
/* Adds a command to what will be sent. */
bool redis_add(redis_node *n, int argc, const char *const *argv, const size_t *lengths,
               tskdb_error *e);
bool redis_addf(redis_node *n, tskdb_error *e, const char *format, ...);   /* hiredis' format */

/* A command with a place for its key: what is the same for every key is formatted once. */
typedef struct redis_form {
  const char *head, *tail;     /* the words before the key, and those behind it */
  size_t head_length, tail_length;
} redis_form;

/* The command ARGV, of which word KEY is the key's place, in A; false without memory. */
bool redis_form_make(redis_form *out, int argc, const char *const *argv, const size_t *lengths,
                     int key, arena *a);
/* Adds it with this key. */
bool redis_add_form(redis_node *n, const redis_form *f, const char *key, size_t length,
                    tskdb_error *e);

bool redis_flush(struct redis_connection *c, redis_node *n, const wait_scope *w, tskdb_error *e);
/* Parses what is there: one whole reply at most (REDIS_REPLY).  REDIS_MORE: what was there is in
** the sink, and one more portion has been received. */
redis_progress redis_receive(struct redis_connection *c, redis_node *n, redis_sink *s,
                             const wait_scope *w, tskdb_error *e);
/* Reads and drops the replies that are owed, for a short time; else C is broken. */
void redis_abandon(struct redis_connection *c, redis_node *n);

/* A small reply as a tree, in an arena. */
typedef struct redis_tree {
  redis_kind kind;
  const char *bytes;           /* terminated */
  size_t length;
  int64_t integer;             /* ARRAY: how many elements */
  struct redis_tree *first, *next;
} redis_tree;

/* The next reply. NULL: failed. An error reply is a tree too. */
const redis_tree *redis_read(struct redis_connection *c, redis_node *n, arena *a,
                             const wait_scope *w, tskdb_error *e);
/* Sends what was added and reads the last reply of all: NULL if any is an error. */
const redis_tree *redis_ask(struct redis_connection *c, redis_node *n, arena *a,
                            const wait_scope *w, tskdb_error *e);
const redis_tree *redis_tree_at(const redis_tree *array, int64_t i);   /* NULL: there is none */

/* The error that a server's reply to COMMAND says. Always false. */
bool redis_reply_error(struct redis_connection *c, const char *command, const char *bytes,
                       size_t length, tskdb_error *e);
bool redis_is_error(const char *bytes, size_t length, const char *code);

/* ---- connect.c ----------------------------------------------------------- */

enum { REDIS_SLOTS = 16384 };

typedef struct redis_connection {
  connection base;             /* must be first */
  redis_login *login;
  arena arena;                 /* names of nodes */
  redis_node **nodes;          /* the first is the one that answered */
  int n_nodes, room;
  bool cluster;
  int16_t *slots;              /* REDIS_SLOTS of them: into nodes, -1: nobody's. NULL: no cluster */
  bool slots_moved;            /* a redirection was seen: ask again before the next scan */
  int connect_ms;
  const char *product;         /* "Redis", "Valkey" */
  char server_version[32];
  struct scan *scan;           /* whose replies are on their way, NULL: idle */
} redis_connection;

connection *redis_driver_open(const endpoint *at, const wait_scope *w, tskdb_error *e);
bool redis_driver_ping(connection *c, const wait_scope *w, tskdb_error *e);
bool redis_driver_reset(connection *c, const wait_scope *w, tskdb_error *e);
void redis_driver_cancel(connection *c);
void redis_driver_close(connection *c, bool forked);

/* Connects and pins N unless it is. */
bool redis_node_ready(redis_connection *c, redis_node *n, const wait_scope *w, tskdb_error *e);
/* A new one, or one that is there; -1 without memory. */
int redis_node_find(redis_connection *c, const char *host, int port);
void redis_node_disconnect(redis_node *n, bool forked);
/* "host:port", for messages. */
const char *redis_place(const redis_host *at, char *out, size_t size);

/* ---- cluster.c ----------------------------------------------------------- */

int redis_slot_of(const char *key, size_t length);
/* The node of a key: an index into nodes, -1 with an error if no node has its slot. */
int redis_node_of(const redis_connection *c, const char *key, size_t length, tskdb_error *e);
bool redis_cluster_read(redis_connection *c, const wait_scope *w, tskdb_error *e);

typedef enum redis_redirection {
  REDIRECT_NONE,
  REDIRECT_MOVED,
  REDIRECT_ASK,
  REDIRECT_AGAIN
} redis_redirection;
/* What an error reply says; *NODE receives where to. NONE also without memory. */
redis_redirection redis_redirected(redis_connection *c, const redis_node *from, const char *bytes,
                                   size_t length, int *node);
/* Before what was answered TRYAGAIN is asked once more. False: interrupted. */
bool redis_cluster_pause(const wait_scope *w, tskdb_error *e);

/* ---- members.c ----------------------------------------------------------- */

/* Remembers the nodes of CLUSTER SLOTS' reply for the hosts of L; best effort. */
void redis_members_note(const redis_login *l, const redis_tree *slots, const char *own_host);
/* The hosts of L, then the nodes that are known beside them: N of them, in A or L's own. */
const redis_host *redis_members_of(const redis_login *l, arena *a, int *n);

/* ---- template.c ---------------------------------------------------------- */

/* Keys of one form: prefix, a part that is a column, suffix.  The part has at least one byte and
** none of the separator's, which is the prefix's last byte if that is no letter or digit. */
typedef struct redis_template {
  const char *prefix, *name, *suffix;   /* terminated; without NULs inside */
  size_t prefix_length, suffix_length;
} redis_template;

bool redis_template_parse(const char *text, arena *a, redis_template *out, tskdb_error *e);
/* The part of KEY, or false if it is not of this form. */
bool redis_template_match(const redis_template *t, const char *key, size_t length,
                          const char **part, size_t *part_length);
const char *redis_template_table(const redis_template *t, arena *a);   /* "user" */
const char *redis_template_text(const redis_template *t, arena *a);    /* "user:<id>" */
void redis_template_of(const relation *r, redis_template *out);        /* of a family */

/* ---- types.c, catalog.c, sample.c ---------------------------------------- */

/* relation.remote_id */
typedef enum redis_table {
  TABLE_KEYS, TABLE_STRINGS, TABLE_HASHES, TABLE_LISTS, TABLE_SETS, TABLE_ZSETS, TABLE_STREAMS,
  TABLE_FAMILY, TABLE_NATIVE, TABLE_COUNT
} redis_table;

/* column.type_id: what it shows. */
typedef enum redis_attribute {
  ATTRIBUTE_KEY,               /* of a family: the key's part */
  ATTRIBUTE_TYPE, ATTRIBUTE_TTL, ATTRIBUTE_ENCODING, ATTRIBUTE_BYTES,
  ATTRIBUTE_VALUE,             /* of a string, a hash's field, a list's element, a reply */
  ATTRIBUTE_ELEMENT,           /* field, member, id of a stream's entry */
  ATTRIBUTE_INDEX, ATTRIBUTE_SCORE, ATTRIBUTE_FIELDS,
  ATTRIBUTE_COUNT,
  ATTRIBUTE_NAMED = ATTRIBUTE_COUNT   /* a family's field, by its name */
} redis_attribute;

/* column.type_detail: how its bytes arrive. */
typedef enum redis_decoding { DECODE_BYTES, DECODE_DIGITS, DECODE_NUMBER } redis_decoding;

/* Facts of columns for the pushdown rows; driver.c has their names. */
enum {
  REDIS_IS_KEY     = COLUMN_PRIVATE,
  REDIS_IS_TYPE    = COLUMN_PRIVATE << 1,
  REDIS_IS_ELEMENT = COLUMN_PRIVATE << 2,
  REDIS_IS_INDEX   = COLUMN_PRIVATE << 3,
  REDIS_IS_SCORE   = COLUMN_PRIVATE << 4,
  REDIS_IS_ID      = COLUMN_PRIVATE << 5
};

/* The name that TYPE says, NULL for relations that are of no one type. */
const char *redis_type_of(redis_table t);
value redis_decode(redis_decoding d, const char *bytes, size_t length);
/* A score as Redis writes it. */
bool redis_parse_score(const char *text, size_t length, double *out);
size_t redis_print_score(double score, char *out);   /* as Redis reads it; OUT has 32 bytes */

enum { REDIS_CURSOR = 24 };    /* room for SCAN's cursor: digits and a NUL */

/* False: it is none, and OUT is empty. */
bool redis_parse_cursor(const char *text, size_t length, char out[REDIS_CURSOR]);

bool redis_driver_discover(connection *c, const discovery *want, const wait_scope *w, catalog *out,
                           tskdb_error *e);
void redis_introduce(const redis_connection *c, catalog *out);
column *redis_add_column(catalog *out, relation *r, const char *name, const char *type,
                         type_class klass, uint32_t flags, redis_attribute what);

/* A hash's field as the sample shows it. */
typedef struct redis_field {
  const char *name;
  size_t length;
  int present, numbers;        /* hashes that have it; those where it is a number */
  int asked;                   /* named by an option */
} redis_field;

typedef struct redis_family {
  redis_template form;
  bool asked;                  /* named by an option */
  int keys;                    /* of the sample */
  int digits;                  /* those whose part is an integer */
  redis_field *fields;         /* by name */
  int n_fields, room;
} redis_family;

typedef struct redis_sample {
  arena *arena;
  double database_keys;        /* of all nodes */
  int keys;                    /* looked at */
  int of_type[TABLE_COUNT];    /* those of each type */
  bool whole;                  /* the sample is all there is */
  int hashes;                  /* keys of hashes looked at */
  redis_family *families;
  int n_families, room;
} redis_sample;

bool redis_sample_take(redis_connection *c, const discovery *want, const wait_scope *w,
                       redis_sample *out, tskdb_error *e);

/* ---- compile.c ----------------------------------------------------------- */

extern const pushdown_row redis_pushdown[];
extern const int redis_n_pushdown;

enum { REDIS_MAX_STEPS = 4, REDIS_MAX_SPANS = 8 };

/* A command that reads one key. */
typedef enum redis_step {
  STEP_TYPE, STEP_TTL, STEP_ENCODING, STEP_MEMORY, STEP_GET, STEP_FAMILY,   /* parts of one row */
  STEP_HASH, STEP_FIELDS, STEP_HASH_KEYS, STEP_LIST, STEP_SET, STEP_MEMBERS, STEP_MEMBER,
  STEP_ZSET, STEP_SCORES, STEP_SCORE, STEP_STREAM                           /* rows of their own */
} redis_step;

typedef struct redis_bytes {
  const char *bytes;
  size_t length;
} redis_bytes;

/* Stream ids whose milliseconds are within. */
typedef struct redis_span {
  uint64_t low, high;
} redis_span;

/* A compiled query: request.compiled. */
typedef struct redis_plan {
  redis_table table;
  const relation *relation;
  redis_template form;         /* TABLE_FAMILY */
  /* which keys */
  bool direct;                 /* these, else what SCAN finds */
  redis_bytes *keys;
  size_t n_keys;
  const char *match;           /* SCAN's pattern, terminated; NULL: none */
  size_t match_length;
  const char *type;            /* what a key must be; NULL: any */
  bool type_scanned;           /* SCAN sees to it by its TYPE */
  /* which of their elements */
  bool by_element;
  redis_bytes *elements;
  size_t n_elements;
  double score_low, score_high;
  bool score_above, score_below;   /* the bound itself is out */
  int64_t index_low, index_high;
  redis_span spans[REDIS_MAX_SPANS];
  int n_spans;                 /* 0: all ids */
  bool descending;
  int64_t limit;               /* so many rows are enough; -1: no limit */
  bool none;                   /* no row can be */
  /* how they are read */
  redis_step steps[REDIS_MAX_STEPS];
  int n_steps;                 /* 0: the key alone is the row */
  redis_form forms[REDIS_MAX_SPANS];   /* of each step, or of each span of STEP_STREAM */
  redis_form type_form;        /* of STEP_TYPE, for a key in doubt */
  int n_select;
  int at[ATTRIBUTE_COUNT];     /* column of the batch, -1: not wanted */
  const char **fields;         /* TABLE_FAMILY: what HMGET asks for */
  size_t *field_lengths;
  int *field_columns;          /* of the batch */
  redis_decoding *field_decodings;
  int n_fields;
} redis_plan;

bool redis_driver_compile(const query *q, uint32_t version, arena *a, request *out, tskdb_error *e);
/* "number-number", as a stream's ids are written. */
bool redis_parse_id(const char *text, size_t length, uint64_t *milliseconds, uint64_t *sequence);

/* ---- match.c ------------------------------------------------------------- */

/* Appends BYTES as themselves. */
void redis_match_literal(buffer *out, const char *bytes, size_t length);
/* Appends what all texts that are LIKE (or GLOB) the pattern begin with; "*" follows. */
size_t redis_match_like(buffer *out, const char *pattern, size_t length);
size_t redis_match_glob(buffer *out, const char *pattern, size_t length);

/* ---- seen.c -------------------------------------------------------------- */

typedef struct redis_seen redis_seen;

redis_seen *redis_seen_new(void);        /* NULL without memory */
/* 1: new, 0: seen before, -1: E says why. */
int redis_seen_add(redis_seen *s, const char *bytes, size_t length, tskdb_error *e);
void redis_seen_free(redis_seen *s);     /* NULL is a no-op */

/* ---- step.c -------------------------------------------------------------- */

/* What becomes of the key whose commands are being answered. */
typedef enum redis_fate {
  FATE_ROWS,                   /* it is there, as far as is known */
  FATE_GONE,                   /* it is not, or is something else now */
  FATE_AGAIN                   /* it has to be asked for again, perhaps elsewhere */
} redis_fate;

/* The rows of one key, under way. */
typedef struct redis_reading {
  const redis_plan *plan;
  batch *batch;                /* of the present fetch, or the spare one when that is full */
  batch *spare;
  bool full;
  bool failed;                 /* no memory */
  value key;                   /* the present key as a value; its bytes are the scan's */
  redis_fate fate;
  bool doubt;                  /* nothing shows yet that the key exists */
  bool open_row;               /* cells of the row under way are set */
  int64_t rows;                /* that have been ended */
  batch_cell key_cell;         /* where the batch has the key's bytes */
  bool key_stored;
  buffer text;                 /* JSON under way */
  bool last[16];               /* by depth: the array under way is its own array's last */
} redis_reading;

void redis_reading_start(redis_reading *r, const char *key, size_t length);
/* The batch is another one, or emptied. */
void redis_reading_turn(redis_reading *r, batch *b);
/* The key's row is complete, or nothing comes of it. */
void redis_end_row(redis_reading *r);
void redis_drop_row(redis_reading *r);

/* Formats the commands of P's steps; false without memory. */
bool redis_step_prepare(redis_plan *p, arena *a);
/* Adds the commands of step NUMBER, or TYPE behind the last one, for a key; *COUNT replies will
** come, of which those at odd places matter if ASKING. */
bool redis_step_send(const redis_plan *p, int number, redis_node *n, const char *key,
                     size_t length, bool asking, int *count, tskdb_error *e);
/* One element of the reply to STEP that is no error. */
void redis_step_take(redis_reading *r, redis_step step, const redis_element *x);
/* Whether STEP gives one part of the key's only row. */
bool redis_step_is_part(redis_step step);
const char *redis_step_command(redis_step step);
/* One element of the reply to a native command. */
void redis_native_take(redis_reading *r, const redis_element *x);

/* ---- scan.c, native.c ---------------------------------------------------- */

scan *redis_driver_scan_open(connection *c, const request *r, const wait_scope *w, tskdb_error *e);
scan_status redis_driver_scan_fetch(scan *s, batch *b, const wait_scope *w, tskdb_error *e);
void redis_driver_scan_close(scan *s);

bool redis_driver_describe(connection *c, const native_text *native, const discovery *want,
                           const wait_scope *w, catalog *out, tskdb_error *e);
bool redis_driver_exec(connection *c, const char *native, const value *parameters, int n_parameters,
                       const wait_scope *w, int64_t *affected, tskdb_error *e);

/* A native command on its way. */
typedef struct redis_native {
  const redis_bytes *words;    /* borrowed */
  int n;
  int node;                    /* to which it was added */
  bool asking;                 /* a reply to ASKING comes before its own */
  int tries;
} redis_native;

/* Adds the command to the node that it belongs to; false: refused or failed. */
bool redis_native_send(redis_connection *c, redis_native *x, const wait_scope *w, tskdb_error *e);
/* Its reply was the error BYTES: adds it to where that sends it; false with an
** error, which is the reply's own if that sends it nowhere. */
bool redis_native_again(redis_connection *c, redis_native *x, const char *bytes, size_t length,
                        const wait_scope *w, tskdb_error *e);

#endif
