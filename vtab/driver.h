/*
** driver.h - the driver contract: what a database has to do to be tables.
**
** A driver is one folder below vtab/ and one struct of functions.  The
** generic module knows no database by name.  Functions that can fail return
** false and fill the error (message style: error.h); they name the server's
** own code by error_native().  Every function that can wait takes a
** wait_scope and obeys it.
**
** Threads: a connection is used by one thread at a time, except cancel(),
** which any thread may call while another is inside a function of it.
** Drivers keep no global state that is not constant or locked, install no
** signal handler and leave the host's dispositions as they were.  They never
** call SQLite beyond what the shared rooms of this floor do.
**
** A connection is not shared over fork(): federation gives none to a child.
*/
#ifndef VTAB_DRIVER_H
#define VTAB_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "vtab/batch.h"
#include "vtab/error.h"
#include "vtab/pushdown.h"
#include "vtab/query.h"
#include "vtab/relation.h"
#include "vtab/wait.h"

/* Raised whenever a struct of the contract changes; a module that was built
** for another one is refused. */
#define DRIVER_CONTRACT 5

typedef struct driver driver;

/* Where and how to connect. Borrowed by open() for the call only; holds the password. */
typedef struct endpoint {
  const char *url;             /* as given, with every secret */
  int connect_timeout_ms;      /* total bound of open() */
  bool read_only;              /* ask the server to refuse writes on this connection */
} endpoint;

/* What attach wants to know. */
typedef struct discovery {
  const char *const *schemas;  /* the servers' schemas (MySQL: databases) to list; NULL: the driver's default */
  int n_schemas;
  bool numeric_text;           /* option numeric=text: CLASS_NUMERIC_TEXT in place of CLASS_NUMERIC, CLASS_DECIMAL */
  bool unsigned_text;          /* option unsigned=text: the same in place of CLASS_UINT64 */
  /* for servers without declarations */
  int sample;                  /* option sample: how many documents or keys to look at; 0: the driver's default */
  int depth;                   /* option depth: nested documents are columns down to here; 0: the driver's default */
  const char *const *columns;  /* option columns: "relation.field", read although no sample shows them */
  int n_columns;
  const char *const *families; /* option families: templates of keys, "user:<id>" */
  int n_families;
} discovery;

/* The generic head of a driver's connection; the driver's struct begins with it. */
typedef struct connection {
  const driver *driver;
  uint32_t version;            /* comparable: 150018, 101119 */
  uint64_t round_trips;        /* requests sent so far, each counted once */
  uint64_t bytes_received;     /* as far as the client library tells; else of values decoded */
  bool broken;                 /* must be closed: protocol state is lost, or the server is gone */
  bool dirty;                  /* a user's native statement ran: reset() before another uses it */
} connection;

typedef struct scan scan;      /* the driver's own */

typedef enum scan_status {
  SCAN_ROWS,                   /* the batch is full: there may be more */
  SCAN_END,                    /* the last rows are in the batch (possibly none) */
  SCAN_ERROR                   /* the scan has failed: the error is set, the batch is not valid */
} scan_status;

struct driver {
  int contract;                        /* DRIVER_CONTRACT */
  const char *name;                    /* "postgres" */
  const char *const *schemes;          /* URL schemes, NULL-terminated */
  const pushdown_row *pushdown;        /* the first row that covers a case decides */
  int n_pushdown;
  const char *const *facts;            /* names of its COLUMN_PRIVATE bits in their order, up to a
                                       ** NULL; NULL: they have none */
  int max_list;                        /* longest IN list that compile() can send */
  int superset_keys;                   /* keys at once where IN is a superset; 0: no fewer */
  double row_us;                       /* of a row in a large result, until it is measured */
  bool member_paths;                   /* the label of a member may be a path: a.b */
  bool nests;                          /* compile() takes EXPR_ALL and EXPR_ANY */
  bool text_has_nul;                   /* text values may contain NUL bytes */
  const column *count_column;          /* how count(*) arrives; NULL: groups cannot be counted */
  int max_words;                       /* of a native statement that is a table */
  const char *native_usage;            /* those words, for messages: "'native SELECT'" */

  /* Connects and pins the session (SEMANTICS: sessions): new, or NULL. */
  connection *(*open)(const endpoint *at, const wait_scope *w, tskdb_error *e);

  /* One cheap round trip. False: the connection is broken. */
  bool (*ping)(connection *c, const wait_scope *w, tskdb_error *e);

  /* Undoes what a user's statements did to the session (dirty), in one round
  ** trip where possible. False: broken. */
  bool (*reset)(connection *c, const wait_scope *w, tskdb_error *e);

  /* Asks the server to stop what C is doing, over a way of its own. Any
  ** thread.  Bounded by a few seconds; best effort. */
  void (*cancel)(connection *c);

  /* Frees C, whatever state it is in, without waiting. Cannot fail. NULL is a no-op.
  ** FORKED: this process is a child that inherited it: free memory and close
  ** the descriptor, but send nothing. */
  void (*close)(connection *c, bool forked);

  /* Fills OUT (catalog_new()ed by the caller) up to what catalog_finish()
  ** does; the number of round trips does not grow with the number of
  ** relations. A relation that cannot be used is listed with its reason. */
  bool (*discover)(connection *c, const discovery *want, const wait_scope *w, catalog *out, tskdb_error *e);

  /* The columns of a native statement that returns rows, of 1 to max_words
  ** words, by the server's own description, without running it where that is
  ** possible: adds one RELATION_QUERY to OUT. */
  bool (*describe)(connection *c, const native_text *native, const discovery *want,
                   const wait_scope *w, catalog *out, tskdb_error *e);

  /* Q to the server's language, in A. OUT points into A and Q. Never blocks,
  ** needs no connection. False only without memory or on an internal error. */
  bool (*compile)(const query *q, uint32_t version, arena *a, request *out, tskdb_error *e);

  /* Sends the request: new scan, or NULL. The request and its query stay
  ** valid until scan_close(). It may return before the first row is there. */
  scan *(*scan_open)(connection *c, const request *r, const wait_scope *w, tskdb_error *e);

  /* Appends rows to an empty batch of request->query->n_select columns until
  ** it is full or the rows end. May be called from another thread than
  ** scan_open(), and with another scope. */
  scan_status (*scan_fetch)(scan *s, batch *b, const wait_scope *w, tskdb_error *e);

  /* Ends the scan at any point and frees it. If the rows have not ended, it
  ** stops the server's work; the connection is idle afterwards or marked
  ** broken. Waits for a short bound only. */
  void (*scan_close)(scan *s);

  /* Runs a native statement with parameters $1.. or ?; *AFFECTED receives the
  ** number of rows affected (0 when the server names none). Rows that it
  ** returns are discarded. Sets dirty. */
  bool (*exec)(connection *c, const char *native, const value *parameters, int n_parameters,
               const wait_scope *w, int64_t *affected, tskdb_error *e);
};

/* What a driver module receives when it is opened: SQLite's API table (a
** `const sqlite3_api_routines *`, for the shared rooms' own use). */
typedef struct driver_host {
  int contract;
  const void *sqlite_api;
} driver_host;

/* The one symbol of a module, tskdb_driver_<name>: NULL if the contracts differ. */
typedef const driver *driver_entry(const driver_host *host);

/* Before the definition of that symbol: visible in a module, hidden in the
** library, which has the drivers linked in. */
#ifdef TSKDB_LINKED_DRIVERS
#define DRIVER_ENTRY
#else
#define DRIVER_ENTRY __attribute__((visibility("default")))
#endif

#endif
