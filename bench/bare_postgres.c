/*
** bare_postgres.c - the peer of the benchmark: libpq alone, in its fastest ways.
**
**   bare_postgres URL scan MODE SQL     MODE: whole | single | copy
**   bare_postgres URL lookup COUNT SQL  SQL with one int4 parameter $1: 1..COUNT
**
** Each value is read into a typed variable; what is read is summed up and
** printed, so that nothing is optimised away and results can be compared, after
** a line of "seconds wall, seconds CPU, peak KiB" of all but connecting.
** Binary results throughout: int4, int8, float8, numeric, date, text.
*/
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bare_numbers.h"

enum { INT4 = 23, INT8 = 20, FLOAT8 = 701, NUMERIC = 1700, DATE = 1082 };

typedef struct sums {
  long rows;
  int64_t integers;
  double reals;
  size_t text;
} sums;

static void die(const char *what, PGconn *c) {
  fprintf(stderr, "bare_postgres: %s: %s\n", what, PQerrorMessage(c));
  exit(1);
}

static int64_t int64_at(const char *p) {
  return (int64_t)(((uint64_t)(uint32_t)int32_at(p) << 32) | (uint32_t)int32_at(p + 4));
}

static double double_at(const char *p) {
  int64_t bits = int64_at(p);
  double v;
  memcpy(&v, &bits, sizeof(v));
  return v;
}

static void add_value(sums *s, Oid type, const char *p, int length) {
  switch (type) {
    case INT4: s->integers += int32_at(p); break;
    case INT8: s->integers += int64_at(p); break;
    case FLOAT8: s->reals += double_at(p); break;
    case NUMERIC: s->reals += numeric_at(p); break;
    case DATE: s->integers += int32_at(p); break;
    default: s->text += (size_t)length; break;
  }
}

static void add_result(sums *s, const PGresult *r) {
  int rows = PQntuples(r), columns = PQnfields(r);
  for (int i = 0; i < rows; i++) {
    for (int k = 0; k < columns; k++) {
      if (!PQgetisnull(r, i, k)) add_value(s, PQftype(r, k), PQgetvalue(r, i, k), PQgetlength(r, i, k));
    }
  }
  s->rows += rows;
}

static void scan(PGconn *c, const char *sql, int single, sums *s) {
  if (!PQsendQueryParams(c, sql, 0, NULL, NULL, NULL, NULL, 1)) die("send", c);
  if (single && !PQsetSingleRowMode(c)) die("single-row mode", c);
  for (PGresult *r; (r = PQgetResult(c)); PQclear(r)) {
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_TUPLES_OK && status != PGRES_SINGLE_TUPLE) die("result", c);
    add_result(s, r);
  }
}

/* COPY names no types: they are asked for first. */
static void scan_copy(PGconn *c, const char *sql, sums *s) {
  Oid types[64];
  PGresult *r = PQprepare(c, "", sql, 0, NULL);
  PQclear(r);
  r = PQdescribePrepared(c, "");
  int columns = PQnfields(r);
  for (int k = 0; k < columns && k < 64; k++) types[k] = PQftype(r, k);
  PQclear(r);
  char *copy = malloc(strlen(sql) + 64);
  if (!copy) exit(1);
  sprintf(copy, "COPY (%s) TO STDOUT (FORMAT binary)", sql);
  r = PQexec(c, copy);
  if (PQresultStatus(r) != PGRES_COPY_OUT) die("copy", c);
  PQclear(r);
  free(copy);
  char *row;
  for (int length, first = 1; (length = PQgetCopyData(c, &row, 0)) > 0; first = 0) {
    const char *p = row + (first ? 19 : 0);
    int fields = int16_at(p);
    p += 2;
    for (int k = 0; k < fields; k++) {
      int size = int32_at(p);
      p += 4;
      if (size < 0) continue;
      add_value(s, types[k], p, size);
      p += size;
    }
    if (fields > 0) s->rows++;
    PQfreemem(row);
  }
}

static void lookup(PGconn *c, long count, const char *sql, sums *s) {
  Oid type = INT4;
  PQclear(PQprepare(c, "q", sql, 1, &type));
  for (long i = 1; i <= count; i++) {
    uint32_t key = htonl((uint32_t)i);
    const char *values[] = {(const char *)&key};
    int length = sizeof(key), format = 1;
    PGresult *r = PQexecPrepared(c, "q", 1, values, &length, &format, 1);
    if (PQresultStatus(r) != PGRES_TUPLES_OK) die("lookup", c);
    add_result(s, r);
    PQclear(r);
  }
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
  if (argc != 5) return 2;
  sums s = {0};
  PGconn *c = PQconnectdb(argv[1]);
  if (PQstatus(c) != CONNECTION_OK) die("connect", c);
  double wall_before = wall(), cpu_before = cpu();
  if (strcmp(argv[2], "lookup") == 0) lookup(c, atol(argv[3]), argv[4], &s);
  else if (strcmp(argv[3], "copy") == 0) scan_copy(c, argv[4], &s);
  else scan(c, argv[4], strcmp(argv[3], "single") == 0, &s);
  printf("%.6f %.6f %ld\n", wall() - wall_before, cpu() - cpu_before, peak_kib());
  PQfinish(c);
  printf("%ld rows, %lld, %.2f, %zu\n", s.rows, (long long)s.integers, s.reals, s.text);
  return 0;
}
