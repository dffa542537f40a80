/*
** bare_join_postgres.c - key joins with libpq: everything binary, one prepared statement with the
** keys as one array.
*/
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bare_join.h"
#include "bare_numbers.h"

enum { INT4 = 23, INT4_ARRAY = 1007, HEADER = 5 };

typedef struct server {
  PGconn *c;
  uint32_t *array;           /* the binary form of an int4 array */
  int capacity;              /* its elements */
  int prepared;
} server;

static void *open_server(char **words) {
  server *s = join_alloc(sizeof(*s));
  s->c = PQconnectdb(words[0]);
  if (PQstatus(s->c) != CONNECTION_OK) join_die("connect", PQerrorMessage(s->c));
  return s;
}

static void read_keys(void *connection, const char *table, keys *k, sums *s) {
  server *v = connection;
  char sql[256];
  snprintf(sql, sizeof(sql), "SELECT k FROM %s", table);
  PGresult *r = PQexecParams(v->c, sql, 0, NULL, NULL, NULL, NULL, 1);
  if (PQresultStatus(r) != PGRES_TUPLES_OK) join_die("keys", PQerrorMessage(v->c));
  for (int i = 0; i < PQntuples(r); i++) join_add_key(k, int32_at(PQgetvalue(r, i, 0)));
  PQclear(r);
  s->trips++;
}

static void prepare(server *v, sums *s) {
  Oid type = INT4_ARRAY;
  const char *sql = "SELECT id, amount, name FROM bench WHERE id = ANY($1)";
  PGresult *r = PQprepare(v->c, "q", sql, 1, &type);
  if (PQresultStatus(r) != PGRES_COMMAND_OK) join_die("prepare", PQerrorMessage(v->c));
  PQclear(r);
  v->prepared = 1;
  s->trips++;
}

/* Dimensions, NULLs, type, length, lower bound, then each element with its length. */
static size_t fill_array(server *v, const int32_t *k, int n) {
  size_t words = (size_t)(HEADER + 2 * n);
  if (n > v->capacity) {
    free(v->array);
    v->array = join_alloc(words * sizeof(*v->array));
    v->capacity = n;
  }
  uint32_t header[HEADER] = {htonl(1), 0, htonl(INT4), htonl((uint32_t)n), htonl(1)};
  memcpy(v->array, header, sizeof(header));
  for (int i = 0; i < n; i++) {
    v->array[HEADER + 2 * i] = htonl(4);
    v->array[HEADER + 1 + 2 * i] = htonl((uint32_t)k[i]);
  }
  return words * sizeof(*v->array);
}

static void look_up(void *connection, const int32_t *k, int n, sums *s) {
  server *v = connection;
  if (!v->prepared) prepare(v, s);
  int length = (int)fill_array(v, k, n), format = 1;
  const char *values[] = {(const char *)v->array};
  PGresult *r = PQexecPrepared(v->c, "q", 1, values, &length, &format, 1);
  if (PQresultStatus(r) != PGRES_TUPLES_OK) join_die("look-up", PQerrorMessage(v->c));
  for (int i = 0; i < PQntuples(r); i++) {
    s->amount += numeric_at(PQgetvalue(r, i, 1));
    s->text += (size_t)PQgetlength(r, i, 2);
  }
  s->rows += PQntuples(r);
  s->trips++;
  PQclear(r);
}

const peer join_postgres = {"postgres", 1, open_server, read_keys, look_up};
