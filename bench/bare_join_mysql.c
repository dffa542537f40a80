/*
** bare_join_mysql.c - key joins with MySQL's client library: a prepared statement for each length
** of the list.  A decimal is read into a double.
*/
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bare_join.h"

enum { TEXT_BYTES = 256 };

typedef struct server {
  MYSQL *c;
  MYSQL_STMT *list;          /* NULL: none is prepared */
  MYSQL_BIND *parameters;
  int length;                /* of the list that it takes */
} server;

static void *open_server(char **words) {
  server *v = join_alloc(sizeof(*v));
  v->c = mysql_init(NULL);
  if (!mysql_real_connect(v->c, words[0], words[2], getenv("BENCH_PASSWORD_MYSQL"), words[3],
                          (unsigned)atoi(words[1]), NULL, 0)) {
    join_die("connect", mysql_error(v->c));
  }
  return v;
}

static void read_keys(void *connection, const char *table, keys *k, sums *s) {
  server *v = connection;
  char sql[256];
  int32_t key;
  MYSQL_STMT *q = mysql_stmt_init(v->c);
  MYSQL_BIND bind = {.buffer_type = MYSQL_TYPE_LONG, .buffer = &key};
  int length = snprintf(sql, sizeof(sql), "SELECT k FROM %s", table);
  if (mysql_stmt_prepare(q, sql, (unsigned long)length) || mysql_stmt_execute(q) ||
      mysql_stmt_bind_result(q, &bind)) {
    join_die("keys", mysql_stmt_error(q));
  }
  while (mysql_stmt_fetch(q) == 0) join_add_key(k, key);
  mysql_stmt_close(q);
  s->trips += 2;
}

static void prepare(server *v, int n) {
  char *sql = join_alloc((size_t)n * 2 + 64);
  size_t length = (size_t)sprintf(sql, "SELECT id, amount, name FROM bench WHERE id IN (");
  for (int i = 0; i < n; i++) sql[length++] = '?', sql[length++] = i + 1 < n ? ',' : ')';
  if (v->list) mysql_stmt_close(v->list);
  v->list = mysql_stmt_init(v->c);
  if (mysql_stmt_prepare(v->list, sql, length)) join_die("prepare", mysql_stmt_error(v->list));
  free(sql);
  free(v->parameters);
  v->parameters = join_alloc((size_t)n * sizeof(*v->parameters));
  v->length = n;
}

static void look_up(void *connection, const int32_t *k, int n, sums *s) {
  server *v = connection;
  int32_t id;
  char amount[64], name[TEXT_BYTES];
  unsigned long amount_length, name_length;
  if (n != v->length) {
    prepare(v, n);
    s->trips++;
  }
  for (int i = 0; i < n; i++) {
    v->parameters[i].buffer_type = MYSQL_TYPE_LONG;
    v->parameters[i].buffer = (void *)(uintptr_t)&k[i];
  }
  MYSQL_BIND results[3] = {
    {.buffer_type = MYSQL_TYPE_LONG, .buffer = &id},
    {.buffer_type = MYSQL_TYPE_STRING, .buffer = amount, .buffer_length = sizeof(amount) - 1,
     .length = &amount_length},
    {.buffer_type = MYSQL_TYPE_STRING, .buffer = name, .buffer_length = sizeof(name),
     .length = &name_length}};
  if (mysql_stmt_bind_param(v->list, v->parameters) || mysql_stmt_execute(v->list) ||
      mysql_stmt_bind_result(v->list, results)) {
    join_die("look-up", mysql_stmt_error(v->list));
  }
  while (mysql_stmt_fetch(v->list) == 0) {
    amount[amount_length] = 0;
    s->amount += strtod(amount, NULL);
    s->text += name_length;
    s->rows++;
  }
  s->trips++;
}

const peer join_mysql = {"mysql", 4, open_server, read_keys, look_up};
