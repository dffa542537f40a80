/*
** mysql_driver.h - what the files of this folder share, and nobody else sees.
**
**   driver.c     the table of functions that the ground floor calls
**   login.c      URL and ~/.my.cnf to what connecting needs
**   connect.c    opening, pinning, resetting, cancelling, closing a connection
**   wire.c       the only file that knows which client library this is: calls
**                that can be interrupted, SIGPIPE, errors
**   guard.c      what MariaDB's library believes of a server, and should not
**   catalog.c    information_schema and descriptions to a catalog
**   types.c      the server's types to type classes and decoders
**   compile.c    the pushdown rows, the dialect
**   statement.c  prepared statements: the cache, parameters, native statements
**   scan.c       rows into batches
**
** The client library is MariaDB Connector/C or Oracle's libmysqlclient.
*/
#ifndef VTAB_MYSQL_DRIVER_H
#define VTAB_MYSQL_DRIVER_H

#include <errmsg.h>
#include <mysql.h>
#include <signal.h>

#include "vtab/arena.h"
#include "vtab/buffer.h"
#include "vtab/driver.h"

/* The libraries' type of a flag in MYSQL_BIND. */
#ifdef LIBMARIADB
typedef my_bool wire_flag;
#else
typedef bool wire_flag;
#endif

/* The socket of a connection: MySQL's own library names it only in the struct. */
static inline int wire_socket(MYSQL *m) {
#ifdef LIBMARIADB
  return (int)mysql_get_socket(m);
#else
  return (int)m->net.fd;
#endif
}

/* ---- login.c: how to get in --------------------------------------------- */

typedef enum mysql_tls {
  MYSQL_TLS_DISABLE,           /* never */
  MYSQL_TLS_PREFER,            /* if the server offers it, unverified */
  MYSQL_TLS_REQUIRE,           /* or fail; unverified */
  MYSQL_TLS_VERIFY_CA,         /* or fail; the certificate is signed by ssl-ca */
  MYSQL_TLS_VERIFY_FULL        /* and names the host */
} mysql_tls;

typedef struct mysql_host {
  const char *name;            /* NULL: a socket */
  const char *socket;          /* NULL: TCP */
  int port;
} mysql_host;

/* Immutable once made; owned by the connection, wiped when that is closed. */
typedef struct mysql_login {
  arena arena;                 /* all strings below */
  mysql_host *hosts;
  int n_hosts;
  char *user;                  /* NULL: the library's default, the user of this process */
  char *password;              /* NULL: none */
  const char *database;        /* NULL: none */
  mysql_tls tls;
  bool tls_given;              /* false: tls is PREFER, except to this machine itself */
  const char *ca, *certificate, *key;   /* files, NULL: none */
  bool compress;
  int connect_timeout_ms;      /* 0: not given */
  int read_timeout_ms;         /* 0: not given */
  bool read_only;
} mysql_login;

/* new, or NULL. */
mysql_login *login_new(const endpoint *at, tskdb_error *e);
void login_free(mysql_login *l);          /* wipes the secrets; NULL is a no-op */
/* What holds for this host: no TLS to this machine itself unless asked for. */
mysql_tls login_tls(const mysql_login *l, const mysql_host *h);

/* ---- statement.c: prepared statements ----------------------------------- */

/* A prepared statement and the buffers that its rows are fetched into. */
typedef struct statement {
  struct statement *newer, *older;   /* the cache's list, by last use */
  char *text;
  size_t length;
  uint64_t hash;
  MYSQL_STMT *handle;
  bool prepared;               /* the server knows it */
  bool cached;                 /* in the list; else freed when given back */
  int n_fields;                /* 0: it returns no rows */
  MYSQL_BIND *binds;           /* n_fields; NULL until the first rows */
  struct cell_buffer *cells;   /* n_fields, what binds point at */
} statement;

typedef struct statement_cache {
  statement *newest, *oldest;
  int n;
} statement_cache;

/* ---- connect.c ------------------------------------------------------------ */

typedef struct mysql_connection {
  connection base;             /* must be first */
  MYSQL *handle;
  mysql_login *login;
  const mysql_host *host;      /* of login->hosts: the one that answered */
  unsigned long thread_id;     /* the server's, for KILL */
  bool tls;
  bool mariadb;                /* the server is MariaDB */
  bool ready;                  /* the session is prepared: what runs in it may be worth a KILL QUERY */
  statement_cache cache;
  struct scan *scan;           /* whose rows are on the wire, NULL: idle */
} mysql_connection;

connection *mysql_driver_open(const endpoint *at, const wait_scope *w, tskdb_error *e);
bool mysql_driver_ping(connection *c, const wait_scope *w, tskdb_error *e);
bool mysql_driver_reset(connection *c, const wait_scope *w, tskdb_error *e);
void mysql_driver_cancel(connection *c);
void mysql_driver_close(connection *c, bool forked);

/* ---- wire.c: calls into the client library -------------------------------- */

/* One stretch of calls: between wire_begin() and wire_end() the library waits
** for the server only through the scope.  On the caller's stack. */
typedef struct wire_call {
  struct wire_call *outer;     /* of this thread */
  mysql_connection *c;         /* told to stop on interrupt; NULL while connecting */
  const wait_scope *scope;
  int limit_ms;                /* of one wait, 0: none */
  int64_t deadline_us;         /* of all waits, 0: none */
  bool stopped;                /* the wait ended it: what follows is a grace period */
  bool gave_up;                /* the grace period ended too: the library gets errors */
  tskdb_error why;             /* if stopped */
  bool tls;
  bool ungreeted;              /* the server's first packet is still to come */
  int quiet_ms;                /* of the present wait, within TLS */
  bool pipe_blocked;           /* SIGPIPE is blocked in this thread by us */
  sigset_t signals;            /* as they were */
} wire_call;

bool wire_library_init(tskdb_error *e);    /* once a process; SIGPIPE stays as it was */
MYSQL *wire_new(const mysql_login *l, mysql_tls tls, int connect_ms, tskdb_error *e);
void wire_begin(wire_call *call, mysql_connection *c, const wait_scope *w);
void wire_begin_connect(wire_call *call, const wait_scope *w, int64_t deadline_us, bool tls);
void wire_end(wire_call *call);
/* Ends the call as an interrupt would: KILL QUERY, then a grace period. */
void wire_stop(wire_call *call);

/* The error of a call that failed: why the wait ended, else the server's or
** the library's own.  WHAT is what failed.  Marks the connection broken if it
** is.  Always returns false. */
bool wire_error(const wire_call *call, mysql_connection *c, const char *what, tskdb_error *e);
bool wire_statement_error(const wire_call *call, mysql_connection *c, MYSQL_STMT *s,
                          const char *what, tskdb_error *e);
/* The same while connecting, on a bare handle. */
bool wire_connect_error(const wire_call *call, MYSQL *handle, const char *what, tskdb_error *e);

/* Whatever is still to come after a statement that has ended would be taken for the next one's
** answer: then the connection is broken. */
void wire_check_idle(mysql_connection *c);

/* Runs TEXT; *ROWS, if given, receives the stored result or NULL if there is none. */
bool wire_query(mysql_connection *c, const char *text, size_t length, const wait_scope *w,
                const char *what, MYSQL_RES **rows, tskdb_error *e);

/* Prepares and executes in one round trip where the library can; PARAMETERS
** (N of them) are bound already or here.  Zero: done. */
int wire_execute_direct(mysql_connection *c, MYSQL_STMT *s, const char *text, size_t length,
                        MYSQL_BIND *parameters, int n);
/* The fields of an executed statement; *OWNED, if not NULL, is to be freed with
** mysql_free_result(). */
const MYSQL_FIELD *wire_fields(MYSQL_STMT *s, MYSQL_RES **owned);
uint64_t wire_bytes_received(const mysql_connection *c);
void wire_thread_start(void);

/* ---- guard.c ---------------------------------------------------------------- */

/* What mysql_stmt_fetch() returns for a row that is not whole; the library keeps no error of it. */
enum { GUARD_NO_ROW = CR_MALFORMED_PACKET };

/* For all prepared statements of M. */
void guard_statements(MYSQL *m);

/* ---- types.c ---------------------------------------------------------------- */

/* How the values of a column are decoded. */
typedef enum cell_kind {
  CELL_INTEGER, CELL_UNSIGNED, CELL_UNSIGNED_TEXT, CELL_FLOAT, CELL_DOUBLE, CELL_DECIMAL,
  CELL_TEXT, CELL_BYTES, CELL_BIT, CELL_DATE, CELL_DATETIME, CELL_TIME
} cell_kind;

/* Values of one column of the current row: its buffer. */
typedef struct cell_buffer {
  cell_kind kind;
  union {
    int64_t integer;
    float single;
    double real;
    MYSQL_TIME time;
  } v;
  char *bytes;                 /* CELL_TEXT, CELL_BYTES, CELL_DECIMAL, CELL_BIT */
  unsigned long size;          /* of bytes */
  unsigned long length;        /* of the value, may be more than size */
  wire_flag null, truncated;
} cell_buffer;

typedef struct mysql_type {
  const char *name;            /* information_schema's data_type; NULL ends the table */
  type_class klass;
  const char *select;          /* printf format of the select expression; NULL: the name */
} mysql_type;

/* What information_schema says of a column. */
typedef struct mysql_declaration {
  const char *data_type, *column_type, *charset, *collation;   /* NULL: none */
  long precision, scale;       /* -1: none */
  long octets;                 /* of the longest value there can be; -1: not known */
} mysql_declaration;

/* Class, flags, type_id of a column. */
void types_of_declaration(column *c, const mysql_declaration *d, const discovery *want);
/* The same from a result's description; the type's name in A. */
void types_of_field(column *c, const MYSQL_FIELD *f, const discovery *want, arena *a);
/* Appends the select expression. */
void types_select(buffer *out, const column *c, const char *quoted);
/* How a field that arrives for a column is decoded; false if it cannot be that column's. */
bool types_cell(const column *c, const MYSQL_FIELD *f, cell_kind *kind);

/* ---- catalog.c, compile.c, scan.c -------------------------------------------- */

bool mysql_driver_discover(connection *c, const discovery *want, const wait_scope *w, catalog *out,
                           tskdb_error *e);
bool mysql_driver_describe(connection *c, const native_text *native, const discovery *want,
                           const wait_scope *w, catalog *out, tskdb_error *e);

/* How many bytes of a value are sorted by at the least: the session's max_sort_length
** has some more, because a length of up to four bytes takes of them. */
#define MYSQL_SORTED_BYTES 1024
#define MYSQL_MAX_SORT_LENGTH 1032

/* Facts of columns for the pushdown rows; mysql_facts has their names. */
enum {
  MYSQL_SORTS_WHOLE = COLUMN_PRIVATE,      /* no value has more bytes in utf8mb4 than are sorted by */
  MYSQL_NO_ZEROFILL = COLUMN_PRIVATE << 1, /* a number is written without zeros before it */
  MYSQL_LIKE_FOLDS  = COLUMN_PRIVATE << 2  /* its own LIKE finds at least what SQLite's does */
};
extern const char *const mysql_facts[];

enum { MYSQL_PUSHDOWN_ROWS = 69 };
extern const pushdown_row mysql_pushdown[MYSQL_PUSHDOWN_ROWS];
bool mysql_driver_compile(const query *q, uint32_t version, arena *a, request *out, tskdb_error *e);

scan *mysql_driver_scan_open(connection *c, const request *r, const wait_scope *w, tskdb_error *e);
scan_status mysql_driver_scan_fetch(scan *s, batch *b, const wait_scope *w, tskdb_error *e);
void mysql_driver_scan_close(scan *s);

bool mysql_driver_exec(connection *c, const char *native, const value *parameters, int n_parameters,
                       const wait_scope *w, int64_t *affected, tskdb_error *e);

/* A statement that was executed with these parameters: its rows are next. HASH is
** the text's. NULL: error. */
statement *statement_execute(mysql_connection *c, const char *text, uint64_t hash,
                             const value *parameters, int n, wire_call *call, tskdb_error *e);
/* Gives it back to the cache.  FAILED: forget it. */
void statement_release(mysql_connection *c, statement *s, bool failed);
void statement_cache_clear(statement_cache *cache);

#endif
