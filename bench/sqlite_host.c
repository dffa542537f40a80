/*
** sqlite_host.c - a SQLite program as an application would write it, for the
** benchmark's product and for peers that are SQLite extensions too.
**
**   sqlite_host EXTENSION SETUP scan SQL
**   sqlite_host EXTENSION SETUP lookup COUNT SQL   SQL with one parameter: 1..COUNT
**
** SETUP is SQL that attaches.  Only what follows it is timed: the program
** prints "seconds wall, seconds CPU of this process, peak KiB" and the sums of
** the values, each read into a typed variable.
*/
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

typedef struct sums {
  long rows;
  int64_t integers;
  double reals;
  size_t text;
} sums;

static void die(sqlite3 *db, const char *what) {
  fprintf(stderr, "sqlite_host: %s: %s\n", what, sqlite3_errmsg(db));
  exit(1);
}

static void add_row(sums *s, sqlite3_stmt *stmt, int columns) {
  for (int k = 0; k < columns; k++) {
    switch (sqlite3_column_type(stmt, k)) {
      case SQLITE_INTEGER: s->integers += sqlite3_column_int64(stmt, k); break;
      case SQLITE_FLOAT: s->reals += sqlite3_column_double(stmt, k); break;
      case SQLITE_TEXT:
        if (sqlite3_column_text(stmt, k)) s->text += (size_t)sqlite3_column_bytes(stmt, k);
        break;
      default: break;
    }
  }
  s->rows++;
}

static void run(sqlite3 *db, sqlite3_stmt *stmt, sums *s) {
  int columns = sqlite3_column_count(stmt), rc;
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) add_row(s, stmt, columns);
  if (rc != SQLITE_DONE) die(db, "step");
  sqlite3_reset(stmt);
}

static double wall(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec)
      + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  int is_lookup = strcmp(argv[3], "lookup") == 0;
  const char *sql = argv[argc - 1];
  sqlite3 *db;
  char *error = NULL;
  sqlite3_stmt *stmt;
  sums s = {0};
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) die(db, "open");
  sqlite3_enable_load_extension(db, 1);
  if (sqlite3_load_extension(db, argv[1], NULL, &error) != SQLITE_OK) {
    fprintf(stderr, "sqlite_host: %s\n", error);
    return 1;
  }
  if (sqlite3_exec(db, argv[2], NULL, NULL, &error) != SQLITE_OK) die(db, "setup");
  double wall_before = wall(), cpu_before = cpu();
  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) die(db, "prepare");
  if (!is_lookup) run(db, stmt, &s);
  for (long i = 1; is_lookup && i <= atol(argv[4]); i++) {
    sqlite3_bind_int64(stmt, 1, i);
    run(db, stmt, &s);
  }
  double wall_after = wall(), cpu_after = cpu();
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  sqlite3_finalize(stmt);
  sqlite3_close(db);
  printf("%.6f %.6f %ld\n", wall_after - wall_before, cpu_after - cpu_before, u.ru_maxrss);
  printf("%ld rows, %lld, %.2f, %zu\n", s.rows, (long long)s.integers, s.reals, s.text);
  return 0;
}
