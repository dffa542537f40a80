/*
** bare_mysql.c - the peer of the benchmark: the MySQL client library alone.
**
**   bare_mysql HOST PORT USER DATABASE scan MODE SQL   MODE: stream | store
**   bare_mysql HOST PORT USER DATABASE lookup COUNT SQL
**
** The password is in $BENCH_PASSWORD.  Prepared statements, binary protocol;
** values are bound to typed variables (integers, doubles, dates as
** MYSQL_TIME, decimals and text as bytes; a decimal is read into a double).
** Prints "seconds wall, seconds CPU, peak KiB" of all but connecting, then the sums.
*/
#include <mysql.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { MAX_COLUMNS = 32, TEXT_BYTES = 4096 };

typedef struct sums {
  long rows;
  int64_t integers;
  double reals;
  size_t text;
} sums;

typedef struct slot {
  enum { IS_INTEGER, IS_REAL, IS_DECIMAL, IS_TIME, IS_TEXT } kind;
  int64_t integer;
  double real;
  MYSQL_TIME time;
  char text[TEXT_BYTES];
  unsigned long length;
  my_bool is_null;
} slot;

static slot slots[MAX_COLUMNS];

static void die(const char *what, const char *why) {
  fprintf(stderr, "bare_mysql: %s: %s\n", what, why);
  exit(1);
}

static void bind_slot(MYSQL_BIND *b, slot *s, enum enum_field_types type) {
  memset(b, 0, sizeof(*b));
  b->is_null = &s->is_null;
  b->length = &s->length;
  switch (type) {
    case MYSQL_TYPE_TINY: case MYSQL_TYPE_SHORT: case MYSQL_TYPE_LONG: case MYSQL_TYPE_LONGLONG:
      s->kind = IS_INTEGER, b->buffer_type = MYSQL_TYPE_LONGLONG, b->buffer = &s->integer; break;
    case MYSQL_TYPE_FLOAT: case MYSQL_TYPE_DOUBLE:
      s->kind = IS_REAL, b->buffer_type = MYSQL_TYPE_DOUBLE, b->buffer = &s->real; break;
    case MYSQL_TYPE_DATE: case MYSQL_TYPE_DATETIME: case MYSQL_TYPE_TIMESTAMP:
      s->kind = IS_TIME, b->buffer_type = MYSQL_TYPE_DATETIME, b->buffer = &s->time; break;
    default:
      s->kind = type == MYSQL_TYPE_NEWDECIMAL ? IS_DECIMAL : IS_TEXT;
      b->buffer_type = MYSQL_TYPE_STRING, b->buffer = s->text, b->buffer_length = TEXT_BYTES - 1;
  }
}

static void add_row(sums *s, int columns) {
  for (int k = 0; k < columns; k++) {
    slot *v = &slots[k];
    if (v->is_null) continue;
    switch (v->kind) {
      case IS_INTEGER: s->integers += v->integer; break;
      case IS_REAL: s->reals += v->real; break;
      case IS_DECIMAL: v->text[v->length] = 0, s->reals += strtod(v->text, NULL); break;
      case IS_TIME: s->integers += v->time.day; break;
      case IS_TEXT: s->text += v->length; break;
    }
  }
  s->rows++;
}

static int bind_result(MYSQL_STMT *stmt) {
  static MYSQL_BIND binds[MAX_COLUMNS];
  MYSQL_RES *meta = mysql_stmt_result_metadata(stmt);
  int columns = (int)mysql_num_fields(meta);
  if (columns > MAX_COLUMNS) die("columns", "too many");
  for (int k = 0; k < columns; k++) bind_slot(&binds[k], &slots[k], mysql_fetch_field_direct(meta, (unsigned)k)->type);
  mysql_free_result(meta);
  if (mysql_stmt_bind_result(stmt, binds)) die("bind", mysql_stmt_error(stmt));
  return columns;
}

static void fetch_all(MYSQL_STMT *stmt, int columns, sums *s) {
  int rc;
  while ((rc = mysql_stmt_fetch(stmt)) == 0) add_row(s, columns);
  if (rc != MYSQL_NO_DATA) die("fetch", mysql_stmt_error(stmt));
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

static long peak_kib(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_maxrss;
}

int main(int argc, char **argv) {
  if (argc != 8) return 2;
  sums s = {0};
  MYSQL *c = mysql_init(NULL);
  if (!mysql_real_connect(c, argv[1], argv[3], getenv("BENCH_PASSWORD"), argv[4],
                          (unsigned)atoi(argv[2]), NULL, 0)) die("connect", mysql_error(c));
  double wall_before = wall(), cpu_before = cpu();
  MYSQL_STMT *stmt = mysql_stmt_init(c);
  if (mysql_stmt_prepare(stmt, argv[7], strlen(argv[7]))) die("prepare", mysql_stmt_error(stmt));
  int columns = bind_result(stmt);
  if (strcmp(argv[5], "scan") == 0) {
    if (mysql_stmt_execute(stmt)) die("execute", mysql_stmt_error(stmt));
    if (strcmp(argv[6], "store") == 0 && mysql_stmt_store_result(stmt)) die("store", mysql_stmt_error(stmt));
    fetch_all(stmt, columns, &s);
  } else {
    int32_t key;
    MYSQL_BIND parameter = {.buffer_type = MYSQL_TYPE_LONG, .buffer = &key};
    if (mysql_stmt_bind_param(stmt, &parameter)) die("parameter", mysql_stmt_error(stmt));
    for (key = 1; key <= atoi(argv[6]); key++) {
      if (mysql_stmt_execute(stmt)) die("execute", mysql_stmt_error(stmt));
      fetch_all(stmt, columns, &s);
    }
  }
  mysql_stmt_close(stmt);
  printf("%.6f %.6f %ld\n", wall() - wall_before, cpu() - cpu_before, peak_kib());
  mysql_close(c);
  printf("%ld rows, %lld, %.2f, %zu\n", s.rows, (long long)s.integers, s.reals, s.text);
  return 0;
}
