/*
** driver_fixture.h - a driver on a real server, for its suites: connections,
** native statements, catalogs, and the rows of a query as text.
**
** Every function ends the test when something goes wrong, unless it takes an
** error.  One driver a program.
*/
#ifndef TESTS_DRIVER_FIXTURE_H
#define TESTS_DRIVER_FIXTURE_H

#include "tests/vtab/suite.h"
#include "vtab/buffer.h"
#include "vtab/driver.h"

extern const wait_scope patient;
extern const driver *tested;       /* since fixture_start() */
extern const char *server_url;

/* The driver of ENTRY, on the server that the environment names by VARIABLE;
** without one the program exits with 77. */
void fixture_start(driver_entry *entry, const char *variable);

void assert_no_error(const tskdb_error *e, const char *what);

connection *open_url(const char *url);

/* The server's URL with another password and database (NULL: as they are) and
** TAIL after it, in a static buffer. */
const char *url_with(const char *password, const char *database, const char *tail);

/* Opening URL fails with an error of class KLASS that has WORDS and no secret, in time. */
void expect_refusal(const char *url, error_class klass, const char *words);

int64_t exec(connection *c, const char *native);

/* The same without what it did to the session. */
void exec_and_reset(connection *c, const char *native);

/* NATIVE, which another thread cancels after 0.3 s: what the driver's exec says of it. */
bool exec_cancelled(connection *c, const char *native, tskdb_error *e);

catalog *discover(connection *c);
catalog *discover_with(connection *c, const discovery *want);
const relation *relation_of(const catalog *k, const char *name);
int column_at(const relation *r, const char *name);

/* A query for all columns of one relation, to which a test may add. */
typedef struct asked {
  arena memory;
  query_source source;
  query q;
  request request;         /* since compile() */
} asked;

void ask(asked *a, const relation *r);
void ask_column(asked *a, const relation *r, int col);   /* for that one alone */
void compile(asked *a, connection *c);

/* One cell; its bytes are the batch's. */
value cell_of(const batch *b, int col, uint32_t row);

/* Appends it as SQLite's quote() would say it, but text as it is. */
void print_value(buffer *out, const value *v);

/* Calls TAKE for each row. False: E says why. */
typedef void row_taker(void *context, const batch *b, uint32_t row);
bool scan_rows(connection *c, const request *r, row_taker *take, void *context, tskdb_error *e);

/* All rows: cells joined by '|', rows by newlines. */
bool fetch_text(connection *c, const request *r, buffer *out, tskdb_error *e);

/* The rows of a native query, of a column of a table: each in a static buffer of its own. */
const char *rows_of(connection *c, const char *native);
const char *read_column(connection *c, const char *table, const char *name);

#endif
