/*
** shortage_test.c - memory that ends: every action of a SQLite connection, on
** every server, with each of its allocations failing in turn, tskdb's own and
** SQLite's.
**
** Promises: the action gives the right answer or SQLITE_NOMEM, and afterwards,
** with memory, the right answer; nothing leaks (AddressSanitizer looks).
**
** An allocation fails alone, or with all behind it.  Some of them are tried,
** all with TSKDB_STEP=1 (make soak).  Needs --enable-fault-injection.
** Budget: 60 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation/tskdb.h"
#include "vtab/buffer.h"
#include "vtab/memory.h"

#ifndef TSKDB_FAULT_INJECTION

int main(void) {
  printf("skipped: not built with --enable-fault-injection\n");
  return 77;
}

#else

static int failures;

/* ---- SQLite's allocations ---------------------------------------------------- */

static sqlite3_mem_methods plain;
static long sqlite_seen, sqlite_at;      /* since sqlite_fail_after(); SQLite's thread alone */
static bool sqlite_persistent;

static bool sqlite_refused(void) {
  sqlite_seen++;
  return sqlite_at && (sqlite_seen == sqlite_at || (sqlite_persistent && sqlite_seen > sqlite_at));
}

static void *scarce_malloc(int size) { return sqlite_refused() ? NULL : plain.xMalloc(size); }

static void *scarce_realloc(void *block, int size) {
  return sqlite_refused() ? NULL : plain.xRealloc(block, size);
}

static long sqlite_fail_after(long nth, int persistent) {
  long seen = sqlite_seen;
  sqlite_seen = 0;
  sqlite_at = nth;
  sqlite_persistent = persistent;
  return seen;
}

static void make_sqlite_scarce(void) {
  sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain);
  sqlite3_mem_methods scarce = plain;
  scarce.xMalloc = scarce_malloc;
  scarce.xRealloc = scarce_realloc;
  sqlite3_config(SQLITE_CONFIG_MALLOC, &scarce);
  /* Otherwise most small allocations never come here. */
  sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
}

static const struct { const char *name; long (*fail_after)(long nth, int persistent); } heaps[] = {
  {"tskdb", mem_fail_after}, {"SQLite", sqlite_fail_after}};

/* ---- statements -------------------------------------------------------------- */

static void print_row(sqlite3_stmt *s, buffer *out) {
  for (int i = 0; i < sqlite3_column_count(s); i++) {
    const char *text = (const char *)sqlite3_column_text(s, i);
    buffer_printf(out, "%d:%s|", sqlite3_column_type(s, i), text ? text : "");
  }
  buffer_char(out, '\n');
}

/* Runs SQL to its end; *OUT has the rows. The buffer's memory is there already. */
static int run(sqlite3 *db, const char *sql, buffer *out) {
  sqlite3_stmt *s = NULL;
  buffer_clear(out);
  int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
    print_row(s, out);
    /* A text that SQLite had no memory to convert is no answer. */
    rc = sqlite3_errcode(db) == SQLITE_NOMEM ? SQLITE_NOMEM : SQLITE_OK;
  }
  if (rc == SQLITE_DONE) rc = SQLITE_OK;
  int last = sqlite3_finalize(s);
  return rc == SQLITE_OK ? last : rc;
}

/* What must succeed. */
static void must(sqlite3 *db, const char *sql) {
  char *why = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK) return;
  printf("not ok - %.200s: %s\n", sql, why);
  exit(1);
}

/* ---- servers ----------------------------------------------------------------- */

static const struct server {
  const char *name, *variable;
  const char *place;                     /* behind the URL's host, if not as given */
  const char *options;
  const char *fill[3];
  const char *native;                    /* the arguments of tskdb_query behind the server */
  const char *harmless;                  /* for tskdb_exec */
} servers[] = {
  {"postgres", "TSKDB_TEST_POSTGRES", NULL,
   "'{\"tables\": [\"shortage\"], \"batch\": 16384}'",
   {"DROP TABLE IF EXISTS shortage",
    "CREATE TABLE shortage (id int PRIMARY KEY, n int NOT NULL, t varchar(300))",
    "INSERT INTO shortage SELECT i, i % 7, repeat(chr(97 + i % 26), 200)"
    " FROM generate_series(0, 299) s(i)"},
   "'SELECT n, count(*) AS c FROM shortage GROUP BY n'", "SET application_name = 'x'"},
  {"mysql", "TSKDB_TEST_MYSQL", NULL,
   "'{\"tables\": [\"shortage\"], \"batch\": 16384}'",
   {"DROP TABLE IF EXISTS shortage",
    "CREATE TABLE shortage (id int PRIMARY KEY, n int NOT NULL, t varchar(300))",
    "INSERT INTO shortage WITH RECURSIVE s(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE"
    " i < 299) SELECT i, i % 7, repeat(char(97 + i % 26), 200) FROM s"},
   "'SELECT n, count(*) AS c FROM shortage GROUP BY n'", "SET @x = 1"},
  {"mongo", "TSKDB_TEST_MONGO", "/tskdb_shortage?authSource=admin&directConnection=true",
   "'{\"tables\": [\"shortage\"], \"columns\": [\"shortage.id\", \"shortage.n\", \"shortage.t\"],"
   " \"batch\": 16384}'",
   {"{\"delete\": \"shortage\", \"deletes\": [{\"q\": {}, \"limit\": 0}]}",
    "{\"insert\": \"shortage\", \"documents\": [{\"_id\": 0, \"id\": 0, \"n\": 0, \"t\": \"a\"}]}",
    "{\"aggregate\": \"shortage\", \"cursor\": {}, \"pipeline\": [{\"$project\": {\"i\":"
    " {\"$range\": [0, 300]}}}, {\"$unwind\": \"$i\"},"
    " {\"$project\": {\"_id\": \"$i\", \"id\": \"$i\", \"n\":"
    " {\"$mod\": [\"$i\", 7]}, \"t\": {\"$concat\": [\"text \", {\"$toString\": \"$i\"}]}}},"
    " {\"$merge\": \"shortage\"}]}"},
   "'shortage', '[{\"$sortByCount\": \"$n\"}]'", "{\"ping\": 1}"},
  {"redis", "TSKDB_TEST_REDIS", "/10",
   "'{\"tables\": [\"shortage\"], \"families\": [\"shortage:<id>\"],"
   " \"columns\": [\"shortage.n\", \"shortage.t\"], \"batch\": 16384}'",
   {"PING", "PING",
    "EVAL', 'for i = 0, 299 do redis.call(\"HSET\", \"shortage:\" .. i, \"n\", i % 7, \"t\","
    " string.rep(\"x\", 200)) end', '0"},
   "'HGETALL', 'shortage:1'", "PING"},
};

enum { N_SERVERS = sizeof(servers) / sizeof(servers[0]) };

static const char *url_of(const struct server *s) {
  static char url[1000];
  const char *given = getenv(s->variable), *slash = strchr(strstr(given, "://") + 3, '/');
  size_t n = s->place && slash ? (size_t)(slash - given) : strlen(given);
  snprintf(url, sizeof url, "%.*s%s", (int)n, given, s->place ? s->place : "");
  return url;
}

static sqlite3 *open_memory(void) {
  sqlite3 *db = NULL;
  if (sqlite3_open(":memory:", &db) == SQLITE_OK && tskdb_init(db) == SQLITE_OK) return db;
  printf("not ok - cannot open\n");
  exit(1);
}

static void attach(sqlite3 *db, const char *name, const struct server *s) {
  char *sql = sqlite3_mprintf("SELECT tskdb_attach(%Q, %Q, %s)", name, url_of(s), s->options);
  must(db, sql);
  sqlite3_free(sql);
}

/* Two attachments of one server: a and b. */
static sqlite3 *open_attached(const struct server *s) {
  sqlite3 *db = open_memory();
  attach(db, "a", s);
  attach(db, "b", s);
  return db;
}

static void fill(const struct server *s) {
  sqlite3 *db = open_memory();
  attach(db, "a", s);
  for (int i = 0; i < 3; i++) {
    bool words = strstr(s->fill[i], "', '") != NULL;   /* quoted already */
    const char *form = words ? "SELECT tskdb_exec('a', '%s')" : "SELECT tskdb_exec('a', %Q)";
    char *sql = sqlite3_mprintf(form, s->fill[i]);
    must(db, sql);
    sqlite3_free(sql);
  }
  sqlite3_close(db);
}

/* ---- actions ----------------------------------------------------------------- */

/* What is tried.  %s in its text is what each server says there. */
static const struct action {
  const char *name;
  const char *before;                    /* with memory, each time; NULL: nothing */
  const char *sql;
  const char *after;                     /* with memory, whatever became of it; may fail */
  bool varies;                           /* the answer need not be the same twice */
} actions[] = {
  {"scan", NULL, "SELECT id, n, t FROM a.shortage ORDER BY CAST(id AS INTEGER)", NULL, false},
  {"look-up", NULL, "SELECT n, t FROM a.shortage WHERE id = '17' OR id = 17", NULL, false},
  {"filters", NULL,
   "SELECT count(*), sum(n) FROM a.shortage WHERE n IN (1, 2, 5) AND t > 'b' AND t LIKE 'x%'"
   " AND n IS NOT NULL", NULL, false},
  {"order and limit", NULL, "SELECT n FROM a.shortage ORDER BY n DESC LIMIT 3 OFFSET 1", NULL,
   false},
  {"keys in batches", NULL,
   "SELECT count(y.t), sum(y.n) FROM a.shortage x CROSS JOIN b.shortage y ON y.id = x.id"
   " WHERE x.n < 2", NULL, false},
  {"the whole in memory", NULL,
   "SELECT count(*), sum(y.n) FROM a.shortage x CROSS JOIN b.shortage y ON y.n = x.n + 0"
   " WHERE x.n < 2", NULL, false},
  {"runs", NULL, "SELECT n, count(*) FROM a.shortage GROUP BY n ORDER BY n", NULL, false},
  {"row identity", NULL,
   "SELECT count(*) FROM a.shortage x FULL JOIN b.shortage y ON x.id = y.id AND x.n > 5", NULL,
   false},
  {"open late", NULL,
   "SELECT sum(CASE WHEN x.n = 3 THEN (SELECT max(n) FROM b.shortage y WHERE y.id = x.id) END)"
   " FROM a.shortage x", NULL, false},
  {"native table", NULL, "CREATE VIRTUAL TABLE temp.q USING tskdb_query(a, %native)",
   "DROP TABLE temp.q", false},
  {"drop", "CREATE VIRTUAL TABLE temp.q USING tskdb_query(a, %native)", "DROP TABLE temp.q",
   "DROP TABLE temp.q", false},
  {"attach", NULL, "SELECT tskdb_attach('c', %url, %options)", "SELECT tskdb_detach('c')", true},
  {"detach", "SELECT tskdb_attach('c', %url, %options)", "SELECT tskdb_detach('c')",
   "SELECT tskdb_detach('c')", true},
  {"refresh", NULL, "SELECT tskdb_refresh('a')", NULL, true},
  {"analyze", NULL, "SELECT tskdb_analyze('a')", NULL, true},
  {"exec", NULL, "SELECT tskdb_exec('a', %harmless)", NULL, false},
  {"explain", NULL,
   "SELECT server, statement FROM tskdb_explain('SELECT n FROM a.shortage WHERE id = 5')", NULL,
   true},
  {"query plan", NULL, "EXPLAIN QUERY PLAN SELECT n FROM a.shortage WHERE n > 5 ORDER BY n", NULL,
   true},
  {"list servers", NULL, "SELECT name, driver FROM tskdb_servers", NULL, false},
  {"list tables", NULL, "SELECT server, name, kind FROM tskdb_tables", NULL, false},
  {"list columns", NULL, "SELECT * FROM tskdb_columns WHERE server = 'a'", NULL, false},
  {"list indexes", NULL, "SELECT count(*) FROM tskdb_indexes", NULL, false},
  {"list foreign keys", NULL, "SELECT count(*) FROM tskdb_foreign_keys", NULL, false},
  {"list pushdown", NULL, "SELECT count(*) FROM tskdb_pushdown", NULL, false},
  {"list requests", NULL, "SELECT count(*) > 0 FROM tskdb_requests", NULL, false},
  {"version", NULL, "SELECT tskdb_version()", NULL, false},
};

enum { N_ACTIONS = sizeof(actions) / sizeof(actions[0]) };

/* The action's text for a server: new, sqlite3_free() it. NULL for none. */
static char *text_for(const char *sql, const struct server *s) {
  buffer out = {0};
  if (!sql) return NULL;
  for (const char *p = sql; *p; p++) {
    if (strncmp(p, "%native", 7) == 0) buffer_text(&out, s->native), p += 6;
    else if (strncmp(p, "%url", 4) == 0) buffer_quoted(&out, url_of(s), '\''), p += 3;
    else if (strncmp(p, "%options", 8) == 0) buffer_text(&out, s->options), p += 7;
    else if (strncmp(p, "%harmless", 9) == 0) buffer_quoted(&out, s->harmless, '\''), p += 8;
    else buffer_char(&out, *p);
  }
  char *text = sqlite3_mprintf("%s", buffer_cstr(&out));
  buffer_free(&out);
  return text;
}

/* ---- the sweep --------------------------------------------------------------- */

typedef struct sweep {
  sqlite3 *db;
  const struct action *action;
  char *before, *sql, *after;
  buffer expected, found;
  int heap;
} sweep;

static void prepare(const sweep *s) {
  if (s->before) must(s->db, s->before);
}

static void clean_up(const sweep *s) {
  if (s->after) sqlite3_exec(s->db, s->after, NULL, NULL, NULL);
}

static bool is_expected(const sweep *s) {
  return s->action->varies || strcmp(buffer_cstr(&s->found), buffer_cstr(&s->expected)) == 0;
}

static bool complain(const sweep *s, const char *when, long nth, int persistent, int rc) {
  printf("# %s allocation %ld%s of %s: %d, %s\n", when, nth, persistent ? " and all after" : "",
         heaps[s->heap].name, rc, rc ? sqlite3_errmsg(s->db) : "another answer");
  return false;
}

/* The NTH allocation fails. *SEEN is how many there were. */
static bool try_once(sweep *s, long nth, int persistent, long *seen) {
  prepare(s);
  heaps[s->heap].fail_after(nth, persistent);
  int rc = run(s->db, s->sql, &s->found);
  *seen = heaps[s->heap].fail_after(0, 0);
  bool ok = rc == SQLITE_OK ? is_expected(s) : (rc & 0xFF) == SQLITE_NOMEM;
  if (!ok) complain(s, "without", nth, persistent, rc);
  clean_up(s);
  prepare(s);
  rc = run(s->db, s->sql, &s->found);
  if (rc != SQLITE_OK || !is_expected(s)) ok = complain(s, "after", nth, persistent, rc);
  clean_up(s);
  return ok;
}

static bool sweep_heap(sweep *s, long step, long *tried) {
  long seen;
  if (!try_once(s, 0, 0, &seen)) return false;
  /* The first run may remember what later ones need not ask for. */
  if (!try_once(s, 0, 0, &seen)) return false;
  enum { SAMPLES = 20 };
  long by = step ? step : seen / SAMPLES + 1;
  for (long nth = 1; nth <= seen; nth += by, ++*tried) {
    long ignored;
    if (!try_once(s, nth, (int)(*tried % 2), &ignored)) return false;
  }
  return true;
}

static void sweep_action(const struct server *server, sqlite3 *db, const struct action *a,
                         long step) {
  sweep s = {.db = db, .action = a};
  s.before = text_for(a->before, server);
  s.sql = text_for(a->sql, server);
  s.after = text_for(a->after, server);
  prepare(&s);
  int rc = run(db, s.sql, &s.expected);
  clean_up(&s);
  bool ok = rc == SQLITE_OK;
  long tried = 0;
  if (!ok) printf("# %s: %s\n", s.sql, sqlite3_errmsg(db));
  for (s.heap = 0; ok && s.heap < 2; s.heap++) {
    ok = sweep_heap(&s, step, &tried);
  }
  printf("%s - %s[%s] # %ld tries\n", ok ? "ok" : "not ok", a->name, server->name, tried);
  fflush(stdout);
  failures += !ok;
  buffer_free(&s.expected);
  buffer_free(&s.found);
  sqlite3_free(s.before);
  sqlite3_free(s.sql);
  sqlite3_free(s.after);
}

/* ---- connections ------------------------------------------------------------- */

/* The one after NTH: further and further on, unless each is to be tried. */
static long next(long nth, long step) { return nth + (step ? step : nth); }

static bool open_without(int heap, long nth, long *seen) {
  sqlite3 *db = NULL;
  heaps[heap].fail_after(nth, (int)(nth % 2));
  int rc = sqlite3_open(":memory:", &db);
  if (rc == SQLITE_OK) rc = tskdb_init(db);
  *seen = heaps[heap].fail_after(0, 0);
  bool ok = rc == SQLITE_OK || rc == SQLITE_NOMEM;
  return sqlite3_close(db) == SQLITE_OK && ok;
}

/* With a server attached, and a statement run. */
static bool close_without(const struct server *s, int heap, long nth, long *seen) {
  sqlite3 *db = open_memory();
  attach(db, "a", s);
  must(db, "SELECT * FROM a.shortage");
  heaps[heap].fail_after(nth, (int)(nth % 2));
  bool ok = sqlite3_close(db) == SQLITE_OK;
  *seen = heaps[heap].fail_after(0, 0);
  return ok;
}

static void sweep_connection(const struct server *server, long step) {
  bool ok = true;
  for (int heap = 0; heap < 2; heap++) {
    long seen = 1;
    for (long nth = 1; ok && nth <= seen; nth = next(nth, step)) {
      ok = open_without(heap, nth, &seen);
    }
    seen = 1;
    for (long nth = 1; ok && nth <= seen; nth = next(nth, step)) {
      ok = close_without(server, heap, nth, &seen);
    }
  }
  printf("%s - open and close[%s]\n", ok ? "ok" : "not ok", server->name);
  failures += !ok;
}

int main(int argc, char **argv) {
  const char *step = getenv("TSKDB_STEP");
  int tested = 0;
  printf("# SQLite %s\n", sqlite3_libversion());
  make_sqlite_scarce();
  for (int i = 0; i < N_SERVERS; i++) {
    const struct server *s = &servers[i];
    const char *url = getenv(s->variable);
    if (!url || !*url) continue;
    tested++;
    fill(s);
    sqlite3 *db = open_attached(s);
    for (int k = 0; k < N_ACTIONS; k++) {
      if (argc > 1 && !strstr(actions[k].name, argv[1])) continue;
      sweep_action(s, db, &actions[k], step ? atol(step) : 0);
    }
    sqlite3_close(db);
    if (argc < 2) sweep_connection(s, step ? atol(step) : 0);
  }
  if (!tested) printf("skipped: no server is named\n");
  return !tested ? 77 : failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
