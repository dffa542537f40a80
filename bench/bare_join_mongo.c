/*
** bare_join_mongo.c - key joins with libmongoc: $in over _id, all documents of a batch of keys in
** one reply.
*/
#include <mongoc/mongoc.h>

#include "bare_join.h"

typedef struct server {
  mongoc_client_t *client;
  mongoc_database_t *database;
  bson_t options;            /* of look_up() */
  int batch;                 /* its batchSize; 0: not made yet */
} server;

static void *open_server(char **words) {
  server *v = join_alloc(sizeof(*v));
  bson_error_t why;
  bson_t ping = BSON_INITIALIZER;
  mongoc_init();
  mongoc_uri_t *uri = mongoc_uri_new_with_error(words[0], &why);
  v->client = uri ? mongoc_client_new_from_uri(uri) : NULL;
  BSON_APPEND_INT32(&ping, "ping", 1);
  if (!v->client ||
      !mongoc_client_command_simple(v->client, "admin", &ping, NULL, NULL, &why)) {
    join_die("connect", why.message);
  }
  v->database = mongoc_client_get_database(v->client, mongoc_uri_get_database(uri));
  mongoc_uri_destroy(uri);
  return v;
}

static void finish(mongoc_cursor_t *cursor) {
  bson_error_t why;
  if (mongoc_cursor_error(cursor, &why)) join_die("fetch", why.message);
  mongoc_cursor_destroy(cursor);
}

/* The numbers are as the server has them. */
static double number_at(const bson_iter_t *at) {
  return BSON_ITER_HOLDS_NUMBER(at) ? bson_iter_as_double(at) : 0;
}

static void read_keys(void *connection, const char *table, keys *k, sums *s) {
  server *v = connection;
  const bson_t *document;
  bson_iter_t at;
  bson_t filter = BSON_INITIALIZER;
  bson_t *options = BCON_NEW("projection", "{", "_id", BCON_INT32(0), "k", BCON_INT32(1), "}",
                             "batchSize", BCON_INT32(1000000));
  mongoc_collection_t *c = mongoc_database_get_collection(v->database, table);
  mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(c, &filter, options, NULL);
  while (mongoc_cursor_next(cursor, &document)) {
    if (bson_iter_init_find(&at, document, "k")) join_add_key(k, (int32_t)bson_iter_as_int64(&at));
  }
  finish(cursor);
  mongoc_collection_destroy(c);
  bson_destroy(options);
  s->trips++;
}

static void make_options(server *v, int n) {
  if (v->batch) bson_destroy(&v->options);
  bson_t fields;
  bson_init(&v->options);
  BSON_APPEND_DOCUMENT_BEGIN(&v->options, "projection", &fields);
  BSON_APPEND_INT32(&fields, "amount", 1);
  BSON_APPEND_INT32(&fields, "name", 1);
  bson_append_document_end(&v->options, &fields);
  BSON_APPEND_INT32(&v->options, "batchSize", n + 1);
  v->batch = n;
}

static void make_filter(bson_t *filter, const int32_t *k, int n) {
  bson_t id, list;
  BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &id);
  BSON_APPEND_ARRAY_BEGIN(&id, "$in", &list);
  for (int i = 0; i < n; i++) {
    char text[16];
    const char *name;
    size_t length = bson_uint32_to_string((uint32_t)i, &name, text, sizeof(text));
    bson_append_int32(&list, name, (int)length, k[i]);
  }
  bson_append_array_end(&id, &list);
  bson_append_document_end(filter, &id);
}

static void look_up(void *connection, const int32_t *k, int n, sums *s) {
  server *v = connection;
  const bson_t *document;
  bson_iter_t at;
  bson_t filter = BSON_INITIALIZER;
  if (n != v->batch) make_options(v, n);
  make_filter(&filter, k, n);
  mongoc_collection_t *c = mongoc_database_get_collection(v->database, "bench");
  mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(c, &filter, &v->options, NULL);
  while (mongoc_cursor_next(cursor, &document)) {
    uint32_t length = 0;
    if (bson_iter_init_find(&at, document, "amount")) s->amount += number_at(&at);
    if (bson_iter_init_find(&at, document, "name")) bson_iter_utf8(&at, &length);
    s->text += length;
    s->rows++;
  }
  finish(cursor);
  mongoc_collection_destroy(c);
  bson_destroy(&filter);
  s->trips++;
}

const peer join_mongo = {"mongo", 1, open_server, read_keys, look_up};
