/*
** tskdb.h - servers of other databases as tables of a SQLite connection.
**
** A program that embeds tskdb works on a plain sqlite3*:
**
**   sqlite3 *db;
**   sqlite3_open("app.db", &db);
**   tskdb_init(db);
**   tskdb_attach(db, "pg", "postgresql://app@db1/shop", NULL, NULL);
**   sqlite3_prepare_v2(db, "SELECT name FROM pg.customers WHERE id = ?1", …);
**   …
**   sqlite3_close(db);
**
** connect is sqlite3_open() with tskdb_attach(); query and execute are
** SQLite's own calls, and tskdb_exec() for a statement in a server's own
** language; close is sqlite3_close(), which detaches all servers.
**
** A program whose SQLite loads extensions may load tskdb.so instead; it has
** the SQL functions of the same names.  Not both in one SQLite connection.
**
** Result codes are SQLite's: SQLITE_OK, else an error whose parts are
** tskdb_last_error(db); for a SQL statement sqlite3_errmsg(db) has its message,
** as ever.  After every error the SQLite connection works on.  SQLITE_MISUSE
** from a function below: tskdb_init() was not called for DB.
**
** Threads: a SQLite connection and all that belongs to it (the errors too) is
** used as SQLite's threading mode says, in doubt by one thread at a time.
** Different connections may be used by different threads at the same time;
** those that attach one URL with one set of options share its pool.  Not to
** be called from a worker thread while another is inside the same connection.
** After fork(), a child that goes on using a SQLite connection gets
** connections to the servers of its own.
**
** All text is UTF-8.  Strings that are passed in are not kept.
*/
#ifndef TSKDB_H
#define TSKDB_H

#include <sqlite3.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && !defined(TSKDB_API)
#define TSKDB_API __attribute__((visibility("default")))
#elif !defined(TSKDB_API)
#define TSKDB_API
#endif

/* Makes tskdb's SQL functions, table-valued functions and modules known to
** DB.  Talks to no server, starts no thread.  A second call is a no-op.
** Everything is freed when DB is closed.  SQLITE_ERROR with a SQLite older
** than 3.38, SQLITE_NOMEM. */
TSKDB_API int tskdb_init(sqlite3 *db);

/* The version of this library, "0.1.0": static. */
TSKDB_API const char *tskdb_version(void);

/* Attaches the server at URL as schema NAME: connects, finds out what tables
** there are, and makes each a virtual table NAME.table.  OPTIONS is a JSON
** object or NULL; README.md lists its keys.  The URL may hold the password; it
** is kept in memory while the server is attached and shown nowhere.
**
** *SUMMARY (SUMMARY may be NULL) receives one line to show a user, to be freed
** with sqlite3_free(); NULL after an error.  All or nothing: after an error
** there is no schema NAME that was not there before.  Not within a
** transaction.  On a read-only connection whose SQLite takes no URIs the tables
** are temporary ones, named "NAME.table".  Waits for the server, no longer than the options
** connect_timeout and timeout say (10 s to connect and 300 s of silence unless
** given, both in milliseconds); sqlite3_interrupt() ends it. */
TSKDB_API int tskdb_attach(sqlite3 *db, const char *name, const char *url, const char *options,
                           char **summary);

/* Forgets server NAME and its schema.  Not within a transaction, nor while a
** statement reads one of its tables. */
TSKDB_API int tskdb_detach(sqlite3 *db, const char *name);

/* Looks anew which tables server NAME has, and replaces those that have
** changed.  *REPORT (may be NULL) receives what was "added: …; changed: …;
** dropped: …", to be freed with sqlite3_free().  Not within a transaction.
** Waits like tskdb_attach(). */
TSKDB_API int tskdb_refresh(sqlite3 *db, const char *name, char **report);

/* Asks server NAME anew for its estimates of rows and different values, by which
** SQLite orders joins; the server itself counts nothing.  *REPORT (may be NULL)
** receives one line, to be freed with sqlite3_free().  Waits like tskdb_attach(). */
TSKDB_API int tskdb_analyze(sqlite3 *db, const char *name, char **report);

/* Runs one statement in the server's own language, with N parameters for its
** placeholders ($1 or ?), each a text or NULL.  *AFFECTED (may be NULL)
** receives the number of rows affected; rows that it returns are discarded.
** What it changed in the server's session (settings, temporary tables, an
** open transaction) is undone when it is over.  For parameters of other
** types prepare "SELECT tskdb_exec(?1, ?2, …)" and bind them. */
TSKDB_API int tskdb_exec(sqlite3 *db, const char *server, const char *statement, int n,
                         const char *const *parameters, sqlite3_int64 *affected);

/* The last error that tskdb reported on a SQLite connection. */
typedef struct tskdb_error tskdb_error;

/* Never NULL; of class "ok" if there was none, or if DB does not know tskdb.
** Borrowed: valid until the next error of DB, at most until DB is closed. An
** error stays until the next one: look at it after a call has failed. */
TSKDB_API const tskdb_error *tskdb_last_error(sqlite3 *db);

/* The parts of an error; strings are never NULL and live as long as the error. */
TSKDB_API const char *tskdb_error_class(const tskdb_error *e);    /* "config", "network", "auth", "tls",
                                                                     "timeout", "interrupt", "sql",
                                                                     "conflict", "stale", "protocol",
                                                                     "limit", "memory", "internal", "ok" */
TSKDB_API const char *tskdb_error_server(const tskdb_error *e);   /* the attached name, "" if none is known */
TSKDB_API const char *tskdb_error_message(const tskdb_error *e);  /* without the server's name and codes */
TSKDB_API const char *tskdb_error_sqlstate(const tskdb_error *e); /* five characters, or "" */
TSKDB_API int tskdb_error_native(const tskdb_error *e);           /* the server's own number, or 0 */
TSKDB_API int tskdb_error_retryable(const tskdb_error *e);        /* 1: the same call may succeed later */
TSKDB_API int tskdb_error_outcome_unknown(const tskdb_error *e);  /* 1: a write was sent, its answer was lost */

#ifdef __cplusplus
}
#endif

#endif
