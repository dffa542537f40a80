/*
** bare_join.c - the peer of the benchmark's key joins: keys from one server, rows from another,
** as one would write it by hand with the client libraries.
**
**   bare_join BATCH SOURCE_SQL SOURCE TARGET
**
** SOURCE and TARGET are "postgres URL" or "mysql HOST PORT USER DATABASE" (passwords of MySQL in
** $BENCH_PASSWORD).  SOURCE_SQL gives one column of int4 keys.  For each BATCH of them the target
** is asked with one prepared statement: SELECT id, amount, name FROM bench WHERE id IN (keys).
** Everything is binary; a decimal is read into a double.  Prints "seconds wall, seconds CPU, peak
** KiB" of all but connecting, then the number of rows and the sums, the round trips and the bytes.
*/
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <mysql.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { INT4 = 23, INT4_ARRAY = 1007, TEXT_BYTES = 256 };

typedef struct keys {
  int32_t *items;
  int n, capacity;
} keys;

typedef struct sums {
  long rows, trips;
  double amount;
  size_t text;
} sums;

/* A server: one of the two is not NULL. */
typedef struct server {
  PGconn *pg;
  MYSQL *my;
} server;

static void die(const char *what, const char *why) {
  fprintf(stderr, "bare_join: %s: %s\n", what, why);
  exit(1);
}

static void add_key(keys *k, int32_t key) {
  if (k->n == k->capacity) {
    k->capacity = k->capacity ? 2 * k->capacity : 1024;
    k->items = realloc(k->items, (size_t)k->capacity * sizeof(*k->items));
    if (!k->items) die("keys", "out of memory");
  }
  k->items[k->n++] = key;
}

/* ---- PostgreSQL ------------------------------------------------------------ */

static uint32_t uint32_at(const char *p) {
  uint32_t v;
  memcpy(&v, p, sizeof(v));
  return ntohl(v);
}

static int16_t int16_at(const char *p) {
  uint16_t v;
  memcpy(&v, p, sizeof(v));
  return (int16_t)ntohs(v);
}

/* Header of four int16 (digits, weight, sign, scale), then base-10000 digits. */
static double numeric_at(const char *p) {
  static const double scale[] = {1, 1e4, 1e8, 1e12, 1e16};
  int digits = int16_at(p), weight = int16_at(p + 2), fraction = 0;
  int64_t whole = 0;
  for (int i = 0; i < digits; i++) {
    whole = whole * 10000 + int16_at(p + 8 + 2 * i);
    if (i > weight) fraction++;
  }
  for (int i = digits; i <= weight; i++) whole *= 10000;
  double v = (double)whole / scale[fraction < 4 ? fraction : 4];
  return int16_at(p + 4) ? -v : v;
}

static void read_keys_postgres(PGconn *c, const char *sql, keys *k) {
  PGresult *r = PQexecParams(c, sql, 0, NULL, NULL, NULL, NULL, 1);
  if (PQresultStatus(r) != PGRES_TUPLES_OK) die("keys", PQerrorMessage(c));
  for (int i = 0; i < PQntuples(r); i++) add_key(k, (int32_t)uint32_at(PQgetvalue(r, i, 0)));
  PQclear(r);
}

/* The binary form of an int4 array: dimensions, NULLs, type, length, lower bound, elements. */
static void look_up_postgres(PGconn *c, const int32_t *k, int n, int first, sums *s) {
  static uint32_t *array;
  Oid type = INT4_ARRAY;
  if (first) {
    PQclear(PQprepare(c, "q", "SELECT id, amount, name FROM bench WHERE id = ANY($1)", 1, &type));
    array = malloc((size_t)(5 + 2 * n) * sizeof(*array));
    if (!array) die("keys", "out of memory");
    s->trips++;
  }
  array[0] = htonl(1), array[1] = 0, array[2] = htonl(INT4), array[3] = htonl((uint32_t)n), array[4] = htonl(1);
  for (int i = 0; i < n; i++) array[5 + 2 * i] = htonl(4), array[6 + 2 * i] = htonl((uint32_t)k[i]);
  const char *values[] = {(const char *)array};
  int length = (int)((size_t)(5 + 2 * n) * sizeof(*array)), format = 1;
  PGresult *r = PQexecPrepared(c, "q", 1, values, &length, &format, 1);
  if (PQresultStatus(r) != PGRES_TUPLES_OK) die("look-up", PQerrorMessage(c));
  for (int i = 0; i < PQntuples(r); i++) {
    s->amount += numeric_at(PQgetvalue(r, i, 1));
    s->text += (size_t)PQgetlength(r, i, 2);
  }
  s->rows += PQntuples(r);
  PQclear(r);
}

/* ---- MySQL ------------------------------------------------------------------- */

static void read_keys_mysql(MYSQL *c, const char *sql, keys *k) {
  int32_t key;
  MYSQL_STMT *q = mysql_stmt_init(c);
  MYSQL_BIND bind = {.buffer_type = MYSQL_TYPE_LONG, .buffer = &key};
  if (mysql_stmt_prepare(q, sql, strlen(sql)) || mysql_stmt_execute(q) || mysql_stmt_bind_result(q, &bind)) {
    die("keys", mysql_stmt_error(q));
  }
  while (mysql_stmt_fetch(q) == 0) add_key(k, key);
  mysql_stmt_close(q);
}

static MYSQL_STMT *prepare_list(MYSQL *c, int n) {
  MYSQL_STMT *q = mysql_stmt_init(c);
  char *sql = malloc((size_t)n * 2 + 64);
  if (!sql) die("prepare", "out of memory");
  size_t length = (size_t)sprintf(sql, "SELECT id, amount, name FROM bench WHERE id IN (");
  for (int i = 0; i < n; i++) sql[length++] = '?', sql[length++] = i + 1 < n ? ',' : ')';
  if (mysql_stmt_prepare(q, sql, length)) die("prepare", mysql_stmt_error(q));
  free(sql);
  return q;
}

static void look_up_mysql(MYSQL *c, const int32_t *k, int n, int first, sums *s) {
  static MYSQL_STMT *q;
  static MYSQL_BIND *parameters;
  static int prepared;
  int32_t id;
  char amount[64], name[TEXT_BYTES];
  unsigned long amount_length, name_length;
  if (first || n != prepared) {
    if (!first) mysql_stmt_close(q);
    q = prepare_list(c, n);
    s->trips++;
    prepared = n;
    free(parameters);
    parameters = calloc((size_t)n, sizeof(*parameters));
    if (!parameters) die("keys", "out of memory");
  }
  for (int i = 0; i < n; i++) {
    parameters[i].buffer_type = MYSQL_TYPE_LONG;
    parameters[i].buffer = (void *)(uintptr_t)&k[i];
  }
  MYSQL_BIND results[3] = {
    {.buffer_type = MYSQL_TYPE_LONG, .buffer = &id},
    {.buffer_type = MYSQL_TYPE_STRING, .buffer = amount, .buffer_length = sizeof(amount) - 1, .length = &amount_length},
    {.buffer_type = MYSQL_TYPE_STRING, .buffer = name, .buffer_length = sizeof(name), .length = &name_length}};
  if (mysql_stmt_bind_param(q, parameters) || mysql_stmt_execute(q) || mysql_stmt_bind_result(q, results)) {
    die("look-up", mysql_stmt_error(q));
  }
  while (mysql_stmt_fetch(q) == 0) {
    amount[amount_length] = 0;
    s->amount += strtod(amount, NULL);
    s->text += name_length;
    s->rows++;
  }
}

/* ---- the join ---------------------------------------------------------------- */

static int connect_server(char **argv, server *s) {
  if (strcmp(argv[0], "postgres") == 0) {
    s->pg = PQconnectdb(argv[1]);
    if (PQstatus(s->pg) != CONNECTION_OK) die("connect", PQerrorMessage(s->pg));
    return 2;
  }
  s->my = mysql_init(NULL);
  if (!mysql_real_connect(s->my, argv[1], argv[3], getenv("BENCH_PASSWORD"), argv[4], (unsigned)atoi(argv[2]), NULL, 0)) {
    die("connect", mysql_error(s->my));
  }
  return 5;
}

static void join(const server *source, const char *sql, const server *target, int batch, sums *s) {
  keys k = {0};
  if (source->pg) read_keys_postgres(source->pg, sql, &k);
  else read_keys_mysql(source->my, sql, &k);
  s->trips++;
  for (int i = 0; i < k.n; i += batch) {
    int n = k.n - i < batch ? k.n - i : batch;
    if (target->pg) look_up_postgres(target->pg, k.items + i, n, i == 0, s);
    else look_up_mysql(target->my, k.items + i, n, i == 0, s);
    s->trips++;
  }
  free(k.items);
}

static double wall(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu(const struct rusage *u) {
  return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec)
      + (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
  server source = {0}, target = {0};
  struct rusage before, after;
  sums s = {0};
  if (argc < 7) return 2;
  int used = connect_server(argv + 3, &source);
  connect_server(argv + 3 + used, &target);
  getrusage(RUSAGE_SELF, &before);
  double start = wall();
  join(&source, argv[2], &target, atoi(argv[1]), &s);
  double seconds = wall() - start;
  getrusage(RUSAGE_SELF, &after);
  printf("%.6f %.6f %ld\n", seconds, cpu(&after) - cpu(&before), after.ru_maxrss);
  printf("%ld rows, %.2f, %zu, %ld round trips\n", s.rows, s.amount, s.text, s.trips);
  return 0;
}
