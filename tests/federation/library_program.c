/*
** library_program.c - a program that embeds tskdb: every function of tskdb.h and
** every part of an error, on a plain sqlite3*.  library.test builds it against
** the installed library as docs/embedding.md says, and gives it the servers.
**
**   library_program MODE     MODE: "plain", or "no-uri" for a SQLite without URIs
*/
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <tskdb.h>
#include <unistd.h>

static int failures;

static void check(const char *name, int ok) {
  printf("%s - %s\n", ok ? "ok" : "not ok", name);
  fflush(stdout);
  failures += !ok;
}

static sqlite3 *open_database(const char *path, int flags) {
  sqlite3 *db = NULL;
  if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK || tskdb_init(db) != SQLITE_OK) {
    fprintf(stderr, "cannot open %s: %s\n", path, sqlite3_errmsg(db));
    exit(1);
  }
  return db;
}

static sqlite3 *open_memory(void) {
  return open_database(":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
}

/* The first value of SQL as text, in a static buffer; its error's message in
** parentheses. */
static const char *value_of(sqlite3 *db, const char *sql) {
  static _Thread_local char out[1000];
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(s);
  if (rc == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(s, 0);
    snprintf(out, sizeof out, "%s", text ? text : "NULL");
  } else {
    snprintf(out, sizeof out, "(%s)", rc == SQLITE_DONE ? "no row" : sqlite3_errmsg(db));
  }
  sqlite3_finalize(s);
  return out;
}

static int is(const char *got, const char *expected) {
  if (strcmp(got, expected) == 0) return 1;
  printf("# got %s, not %s\n", got, expected);
  return 0;
}

static int has(const char *text, const char *words) {
  if (text && strstr(text, words)) return 1;
  printf("# %s has no %s\n", text ? text : "NULL", words);
  return 0;
}

/* Attaches URL as "s" and makes the table "fruit" there anew. */
static void prepare_server(sqlite3 *db, const char *url) {
  if (tskdb_attach(db, "s", url, "{\"tables\": [\"embed_*\"]}", NULL) != SQLITE_OK) {
    fprintf(stderr, "cannot attach: %s\n", tskdb_error_message(tskdb_last_error(db)));
    exit(1);
  }
  tskdb_exec(db, "s", "DROP TABLE IF EXISTS embed_more", 0, NULL, NULL);
  tskdb_exec(db, "s", "DROP TABLE IF EXISTS embed_fruit", 0, NULL, NULL);
  tskdb_exec(db, "s", "CREATE TABLE embed_fruit (id int PRIMARY KEY, name varchar(20))", 0, NULL,
    NULL);
  tskdb_exec(db, "s", "INSERT INTO embed_fruit VALUES (1, 'apple'), (2, 'pear')", 0, NULL, NULL);
  tskdb_refresh(db, "s", NULL);
}

/* ---- what does not depend on a server ----------------------------------------------- */

static void without_a_server(void) {
  sqlite3 *db = open_memory(), *bare = NULL;
  check("the version is that of the header's package", is(tskdb_version(), VERSION));
  check("init twice is init", tskdb_init(db) == SQLITE_OK);
  check("no error is of class ok", is(tskdb_error_class(tskdb_last_error(db)), "ok"));
  sqlite3_open(":memory:", &bare);
  check("a connection without init is misuse", tskdb_attach(bare, "s", "x://", NULL,
    NULL) == SQLITE_MISUSE &&
        tskdb_detach(bare, "s") == SQLITE_MISUSE && tskdb_refresh(bare, "s",
          NULL) == SQLITE_MISUSE &&
        tskdb_analyze(bare, "s", NULL) == SQLITE_MISUSE &&
        tskdb_exec(bare, "s", "x", 0, NULL, NULL) == SQLITE_MISUSE);
  check("and has no error", is(tskdb_error_class(tskdb_last_error(bare)), "ok"));
  sqlite3_close(bare);
  char *summary = db ? (char *)"not touched" : NULL;
  check("an unknown scheme is an error", tskdb_attach(db, "s", "oracle://h/d", NULL,
    &summary) == SQLITE_ERROR);
  check("its summary is NULL", summary == NULL);
  const tskdb_error *e = tskdb_last_error(db);
  check("its class is config", is(tskdb_error_class(e), "config"));
  check("its message names the scheme", has(tskdb_error_message(e), "oracle"));
  check("it has no server, no state, no number", !*tskdb_error_server(e)
    && !*tskdb_error_sqlstate(e) &&
        tskdb_error_native(e) == 0);
  check("a retry makes no sense, the outcome is known", !tskdb_error_retryable(e)
    && !tskdb_error_outcome_unknown(e));
  check("names that are not attached are errors", tskdb_detach(db, "none") == SQLITE_ERROR &&
        tskdb_refresh(db, "none", NULL) == SQLITE_ERROR && tskdb_analyze(db, "none",
          NULL) == SQLITE_ERROR &&
        tskdb_exec(db, "none", "x", 0, NULL, NULL) == SQLITE_ERROR);
  check("SQL goes on", is(value_of(db, "SELECT 1 + 1"), "2"));
  check("the connection closes", sqlite3_close(db) == SQLITE_OK);
}

/* ---- each server ---------------------------------------------------------------------- */

static void calls(const char *url) {
  sqlite3 *db = open_memory();
  char *text = NULL;
  sqlite3_int64 affected = -1;
  const char *const words[] = {"quince", NULL};
  int postgres = strncmp(url, "postgres", 8) == 0;
  prepare_server(db, url);
  check("a table is SQL's", is(value_of(db, "SELECT group_concat(name) FROM s.embed_fruit"),
    "apple,pear"));
  check("exec binds text and NULL and counts",
        tskdb_exec(db, "s", postgres ? "UPDATE embed_fruit SET name = coalesce($2, $1) WHERE id > 1"
                                     : "UPDATE embed_fruit SET name = coalesce(nullif(?, ''),"
                                       " ?) WHERE id > 1",
                   2, words, &affected) == SQLITE_OK && affected == 1);
  check("what it wrote is read", is(value_of(db, "SELECT name FROM s.embed_fruit WHERE id = 2"),
    "quince"));
  tskdb_exec(db, "s", "CREATE TABLE embed_more (a int)", 0, NULL, NULL);
  check("refresh reports", tskdb_refresh(db, "s", &text) == SQLITE_OK && has(text,
    "added: embed_more"));
  sqlite3_free(text);
  check("analyze reports", tskdb_analyze(db, "s", &text) == SQLITE_OK && has(text, "s:"));
  sqlite3_free(text);
  check("attach summarises", tskdb_attach(db, "t", url, NULL, &text) == SQLITE_OK && has(text,
    "t:"));
  sqlite3_free(text);
  check("detach forgets", tskdb_detach(db, "t") == SQLITE_OK && has(value_of(db,
    "SELECT 1 FROM t.x"), "no such table"));
  sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
  check("within a transaction nothing is attached, detached or refreshed",
        tskdb_attach(db, "t", url, NULL, NULL) == SQLITE_ERROR && tskdb_detach(db,
          "s") == SQLITE_ERROR &&
        tskdb_refresh(db, "s", NULL) == SQLITE_ERROR &&
        has(tskdb_error_message(tskdb_last_error(db)), "within a transaction"));
  check("and it goes on", is(value_of(db, "SELECT count(*) FROM s.embed_fruit"), "2"));
  sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
  check("a connection with servers closes", sqlite3_close(db) == SQLITE_OK);
}

static void errors(const char *url) {
  sqlite3 *db = open_memory();
  char wrong[1000];
  int postgres = strncmp(url, "postgres", 8) == 0;
  const char *colon = strchr(strstr(url, "//"), ':'), *at = strrchr(url, '@');
  prepare_server(db, url);
  check("a native error is an error", tskdb_exec(db, "s", "SELECT * FROM no_such", 0, NULL,
    NULL) == SQLITE_ERROR);
  const tskdb_error *e = tskdb_last_error(db);
  check("of class sql", is(tskdb_error_class(e), "sql"));
  check("with the server's name", is(tskdb_error_server(e), "s"));
  check("and its state", is(tskdb_error_sqlstate(e), postgres ? "42P01" : "42S02"));
  check("and its number", tskdb_error_native(e) == (postgres ? 0 : 1146));
  check("and its words, without our server's name", has(tskdb_error_message(e), "no_such") &&
        strncmp(tskdb_error_message(e), "s:", 2) != 0);
  tskdb_exec(db, "s", "DROP TABLE embed_fruit", 0, NULL, NULL);
  check("SQL's own errors are sqlite3_errmsg's", has(value_of(db, "SELECT * FROM s.embed_fruit"),
    "s"));
  check("and have parts as well", is(tskdb_error_class(tskdb_last_error(db)), "stale"));
  snprintf(wrong, sizeof wrong, "%.*s:s3cr3t%s", (int)(colon - url), url, at);
  check("a wrong password is of class auth", tskdb_attach(db, "t", wrong, NULL,
    NULL) == SQLITE_AUTH &&
        is(tskdb_error_class(tskdb_last_error(db)), "auth"));
  check("and is not shown", !strstr(tskdb_error_message(tskdb_last_error(db)), "s3cr3t"));
  snprintf(wrong, sizeof wrong, "%.*s@127.0.0.1:1/x", (int)(at - url), url);
  check("a closed port is of class network, and a retry may help",
        tskdb_attach(db, "t", wrong, NULL, NULL) == SQLITE_IOERR &&
        is(tskdb_error_class(tskdb_last_error(db)), "network")
          && tskdb_error_retryable(tskdb_last_error(db)));
  check("a time-out is of class timeout", tskdb_attach(db, "t", url,
    "{\"timeout\": 2000, \"tables\": []}", NULL) == SQLITE_OK &&
        tskdb_exec(db, "t", postgres ? "SELECT pg_sleep(9)" : "DO sleep(9)", 0, NULL,
          NULL) == SQLITE_IOERR &&
        is(tskdb_error_class(tskdb_last_error(db)), "timeout"));
  sqlite3_close(db);
}

/* The connection dies while a write is under way. */
static void *kill_soon(void *url) {
  sqlite3 *db = open_memory();
  prepare_server(db, url);
  usleep(500000);
  if (strncmp(url, "postgres", 8) == 0) {
    tskdb_exec(db, "s", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE "
      "'INSERT%9)%'",
               0, NULL, NULL);
  } else {
    value_of(db, "CREATE VIRTUAL TABLE temp.p USING tskdb_query(s, 'SELECT id FROM "
                 "information_schema.processlist WHERE info LIKE ''INSERT%9)%''')");
    char kill[100];
    snprintf(kill, sizeof kill, "KILL %s", value_of(db, "SELECT id FROM temp.p"));
    tskdb_exec(db, "s", kill, 0, NULL, NULL);
  }
  sqlite3_close(db);
  return NULL;
}

static void unknown_outcome(const char *url) {
  sqlite3 *db = open_memory();
  pthread_t thread;
  int postgres = strncmp(url, "postgres", 8) == 0;
  tskdb_attach(db, "s", url, "{\"tables\": []}", NULL);
  tskdb_exec(db, "s", "DROP TABLE IF EXISTS embed_lost", 0, NULL, NULL);
  tskdb_exec(db, "s", "CREATE TABLE embed_lost (a int)", 0, NULL, NULL);
  pthread_create(&thread, NULL, kill_soon, (void *)(size_t)url);
  int rc = tskdb_exec(db, "s", postgres ? "INSERT INTO embed_lost SELECT 1 FROM pg_sleep(9)"
                                        : "INSERT INTO embed_lost SELECT sleep(9)", 0, NULL, NULL);
  pthread_join(thread, NULL);
  const tskdb_error *e = tskdb_last_error(db);
  check("a connection that dies under a write leaves its outcome unknown",
        rc == SQLITE_IOERR && is(tskdb_error_class(e), "network")
          && tskdb_error_outcome_unknown(e));
  sqlite3_close(db);
}

/* ---- threads --------------------------------------------------------------------------- */

static void *read_often(void *url) {
  sqlite3 *db = open_memory();
  size_t wrong = tskdb_attach(db, "s", url, "{\"tables\": [\"embed_*\"]}", NULL) != SQLITE_OK;
  for (int i = 0; i < 20; i++) {
    wrong += !is(value_of(db, "SELECT count(*) FROM s.embed_fruit"), "2");
    wrong += tskdb_exec(db, "s", "SELEC", 0, NULL, NULL) != SQLITE_ERROR;
    wrong += !is(tskdb_error_class(tskdb_last_error(db)), "sql");
  }
  wrong += sqlite3_close(db) != SQLITE_OK;
  return (void *)wrong;
}

static void threads(const char *url) {
  enum { N = 4 };
  pthread_t thread[N];
  size_t wrong = 0;
  sqlite3 *db = open_memory();
  prepare_server(db, url);
  for (int i = 0; i < N; i++) pthread_create(&thread[i], NULL, read_often, (void *)(size_t)url);
  for (int i = 0; i < N; i++) {
    void *result;
    pthread_join(thread[i], &result);
    wrong += (size_t)result;
  }
  check("connections of different threads share a pool and keep their errors apart", wrong == 0);
  pid_t child = fork();
  if (child == 0) {
    _exit(is(value_of(db, "SELECT count(*) FROM s.embed_fruit"), "2") ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  check("a child has connections of its own", status == 0);
  check("and its parent those it had", is(value_of(db, "SELECT count(*) FROM s.embed_fruit"), "2"));
  sqlite3_close(db);
}

/* ---- a connection that is read-only ------------------------------------------------------ */

typedef struct interrupter {
  sqlite3 *db;
  int tables;
} interrupter;

/* As authorizer: interrupts the statement that makes the second virtual table. */
static int interrupt_second(void *context, int action, const char *table, const char *module,
                            const char *schema, const char *trigger) {
  interrupter *i = context;
  (void)table, (void)module, (void)schema, (void)trigger;
  if (action == SQLITE_CREATE_VTABLE && ++i->tables == 2) sqlite3_interrupt(i->db);
  return SQLITE_OK;
}

static const char *const two_tables = "{\"tables\": [\"embed_fruit\", \"embed_more\"]}";
static const char *const in_temp = "SELECT group_concat(name) FROM"
                                   " (SELECT name FROM sqlite_temp_schema ORDER BY name)";
static const char *const both = "s.embed_fruit,s.embed_more";

/* Neither attach nor detach is ever half done. */
static void all_or_nothing(sqlite3 *db, const char *url) {
  sqlite3_stmt *reader;
  char attach[1000];
  interrupter i = {db, 0};
  sqlite3_prepare_v2(db, "SELECT * FROM \"s.embed_fruit\"", -1, &reader, NULL);
  sqlite3_step(reader);
  check("while one of them is read none is dropped", tskdb_detach(db, "s") == SQLITE_ERROR &&
        is(value_of(db, in_temp), both) &&
        has(tskdb_error_message(tskdb_last_error(db)), "embed_fruit"));
  sqlite3_finalize(reader);
  check("then all are", tskdb_detach(db, "s") == SQLITE_OK && is(value_of(db, in_temp), "NULL"));
  sqlite3_set_authorizer(db, interrupt_second, &i);
  snprintf(attach, sizeof attach, "SELECT tskdb_attach('s', '%s', '%s')", url, two_tables);
  check("an interrupted attach fails", has(value_of(db, attach), "interrupted"));
  sqlite3_set_authorizer(db, NULL, NULL);
  check("what it could not undo the next one does", has(value_of(db, attach), "2 tables") &&
        is(value_of(db, in_temp), both) &&
        is(value_of(db, "SELECT count(*) FROM \"s.embed_fruit\""), "2"));
}

static void prefixed(sqlite3 *db, const char *url) {
  check("and has prefixed names in temp", is(value_of(db,
    "SELECT count(*) FROM \"s.embed_fruit\""), "2"));
  check("whose server's name is taken", tskdb_attach(db, "s", url, NULL, NULL) == SQLITE_ERROR &&
        has(tskdb_error_message(tskdb_last_error(db)), "taken"));
  tskdb_exec(db, "s", "CREATE TABLE embed_more (a int)", 0, NULL, NULL);
  check("that are refreshed", tskdb_refresh(db, "s", NULL) == SQLITE_OK &&
        is(value_of(db, "SELECT count(*) FROM \"s.embed_more\""), "0"));
  all_or_nothing(db, url);
}

static void read_only(const char *url, int has_uris) {
  char path[] = "/tmp/tskdb_library_XXXXXX";
  int fd = mkstemp(path);
  sqlite3 *db = open_database(path, SQLITE_OPEN_READWRITE);
  prepare_server(db, url);
  sqlite3_exec(db, "CREATE TABLE own (a); INSERT INTO own VALUES (7)", NULL, NULL, NULL);
  sqlite3_close(db);
  char *text = NULL;
  db = open_database(path, SQLITE_OPEN_READONLY);
  check("a read-only connection attaches",
        tskdb_attach(db, "s", url, two_tables, &text) == SQLITE_OK);
  if (has_uris) {
    check("and has the schema", is(value_of(db, "SELECT count(*) FROM s.embed_fruit"), "2"));
  } else {
    check("as the summary says", has(text, "named \"s.table\""));
    prefixed(db, url);
  }
  check("beside its own tables", is(value_of(db, "SELECT a FROM own"), "7"));
  check("and detaches", tskdb_detach(db, "s") == SQLITE_OK &&
        is(value_of(db, "SELECT count(*) FROM temp.sqlite_schema"), "0"));
  sqlite3_free(text);
  sqlite3_close(db);
  close(fd);
  unlink(path);
}

int main(int argc, char **argv) {
  static const char *const variables[] = {"TSKDB_TEST_POSTGRES", "TSKDB_TEST_MYSQL"};
  int has_uris = argc < 2 || strcmp(argv[1], "no-uri") != 0;
  sqlite3_config(SQLITE_CONFIG_URI, has_uris);
  if (has_uris) without_a_server();
  for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
    const char *url = getenv(variables[i]);
    if (!url || !*url) continue;
    printf("# %s\n", variables[i]);
    read_only(url, has_uris);
    if (!has_uris) continue;
    calls(url);
    errors(url);
    unknown_outcome(url);
    threads(url);
  }
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
