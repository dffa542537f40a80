/*
** error.h - the one error object.
**
** Fixed in size and free of allocation, so that it works when memory does
** not.  Functions that can fail return false (or an error status) and fill
** the error that the caller passed; on success they leave it alone.  The
** first error is the cause: error_set() on an object that already holds one
** does nothing (error_clear() first to replace it).
**
** Message style: lower case, no full stop, what failed first, then the
** server's own words, then a hint.  Never a password, a URL with one, or a
** bound value.
*/
#ifndef VTAB_ERROR_H
#define VTAB_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* symbol, name in SQL and docs, SQLite result code, whether a retry makes sense */
#define ERROR_CLASSES(X) \
  X(ERROR_NONE,      "ok",        SQLITE_OK,        false) \
  X(ERROR_CONFIG,    "config",    SQLITE_ERROR,     false) /* URL, option, name or argument */ \
  X(ERROR_NETWORK,   "network",   SQLITE_IOERR,     true)  /* cannot reach, connection lost */ \
  X(ERROR_AUTH,      "auth",      SQLITE_AUTH,      false) /* credentials or rights refused */ \
  X(ERROR_TLS,       "tls",       SQLITE_ERROR,     false) /* TLS refused or not verified */ \
  X(ERROR_TIMEOUT,   "timeout",   SQLITE_IOERR,     true)  /* a wait reached its limit */ \
  X(ERROR_INTERRUPT, "interrupt", SQLITE_INTERRUPT, false) /* the user said stop */ \
  X(ERROR_SQL,       "sql",       SQLITE_ERROR,     false) /* the server refused the statement */ \
  X(ERROR_CONFLICT,  "conflict",  SQLITE_BUSY,      true)  /* deadlock, serialization failure */ \
  X(ERROR_STALE,     "stale",     SQLITE_ERROR,     false) /* the remote table has changed since attach */ \
  X(ERROR_PROTOCOL,  "protocol",  SQLITE_IOERR,     false) /* the server's answer makes no sense */ \
  X(ERROR_LIMIT,     "limit",     SQLITE_TOOBIG,    false) /* a stated bound was reached */ \
  X(ERROR_MEMORY,    "memory",    SQLITE_NOMEM,     false) \
  X(ERROR_INTERNAL,  "internal",  SQLITE_INTERNAL,  false)

typedef enum error_class {
#define X(symbol, name, code, retry) symbol,
  ERROR_CLASSES(X)
#undef X
} error_class;

typedef struct tskdb_error {
  error_class klass;       /* ERROR_NONE: no error, the rest is not valid */
  int native;              /* the server's own number (MySQL errno), 0 when it has none */
  char sqlstate[6];        /* five characters, or empty */
  char server[64];         /* the attached name, filled in by whoever knows it; may be empty */
  bool retryable;          /* the same call may succeed later */
  bool outcome_unknown;    /* a write was sent and its answer was lost */
  char text[768];          /* the message, without the server's name; UTF-8, possibly cut */
} tskdb_error;

void error_clear(tskdb_error *e);
bool error_is_set(const tskdb_error *e);

/* Sets class and message unless an error is set.  Returns false, so that
** `return error_set(e, …)` reads well.  E may be NULL. */
bool error_set(tskdb_error *e, error_class klass, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool error_memory(tskdb_error *e);

/* Adds the server's own code to the error that is set. SQLSTATE may be NULL. */
void error_native(tskdb_error *e, int native, const char *sqlstate);

/* Names the server unless one is named. */
void error_server(tskdb_error *e, const char *server);

/* Puts "FORMAT: " before the message that is set. */
void error_prefix(tskdb_error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The whole text that a user sees: `pg "sales": message [57P01]`, written to
** OUT (size bytes, always terminated). Returns OUT. */
const char *error_format(const tskdb_error *e, char *out, size_t size);

int error_sqlite_code(const tskdb_error *e);
const char *error_class_name(error_class klass);

#endif
