/*
** bare_mongo.c - the peer of the benchmark: the MongoDB client library alone.
**
**   bare_mongo URL scan COLLECTION FIELDS
**   bare_mongo URL lookup COUNT COLLECTION FIELDS    by _id: 1..COUNT
**
** FIELDS are names separated by commas; a projection asks for them.  Each value
** is read into a typed variable.  Prints "seconds wall, seconds CPU, peak KiB"
** of all but connecting, then the sums.
*/
#include <mongoc/mongoc.h>
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

static void die(const char *what, const char *why) {
  fprintf(stderr, "bare_mongo: %s: %s\n", what, why);
  exit(1);
}

static void add_value(sums *s, const bson_iter_t *at) {
  switch (bson_iter_type(at)) {
    case BSON_TYPE_INT32: s->integers += bson_iter_int32(at); break;
    case BSON_TYPE_INT64: s->integers += bson_iter_int64(at); break;
    case BSON_TYPE_DOUBLE: s->reals += bson_iter_double(at); break;
    case BSON_TYPE_DATE_TIME: s->integers += bson_iter_date_time(at) / 86400000; break;
    case BSON_TYPE_UTF8: {
      uint32_t length;
      if (bson_iter_utf8(at, &length)) s->text += length;
      break;
    }
    default: break;
  }
}

static void fetch_all(mongoc_collection_t *c, const bson_t *filter, const bson_t *options,
                      sums *s) {
  const bson_t *document;
  bson_error_t why;
  bson_iter_t at;
  mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(c, filter, options, NULL);
  while (mongoc_cursor_next(cursor, &document)) {
    if (!bson_iter_init(&at, document)) die("document", "damaged");
    while (bson_iter_next(&at)) add_value(s, &at);
    s->rows++;
  }
  if (mongoc_cursor_error(cursor, &why)) die("fetch", why.message);
  mongoc_cursor_destroy(cursor);
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

static bson_t *projection(char *fields) {
  bson_t *options = bson_new(), list;
  BSON_APPEND_DOCUMENT_BEGIN(options, "projection", &list);
  for (char *name = strtok(fields, ","); name; name = strtok(NULL, ","))
    BSON_APPEND_INT32(&list, name, 1);
  bson_append_document_end(options, &list);
  return options;
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  sums s = {0};
  bson_error_t why;
  bson_t ping = BSON_INITIALIZER, filter = BSON_INITIALIZER;
  mongoc_init();
  mongoc_uri_t *uri = mongoc_uri_new_with_error(argv[1], &why);
  mongoc_client_t *client = uri ? mongoc_client_new_from_uri(uri) : NULL;
  BSON_APPEND_INT32(&ping, "ping", 1);
  if (!client || !mongoc_client_command_simple(client, "admin", &ping, NULL, NULL, &why))
    die("connect", why.message);
  mongoc_collection_t *c =
    mongoc_client_get_collection(client, mongoc_uri_get_database(uri), argv[argc - 2]);
  bson_t *options = projection(argv[argc - 1]);
  double wall_before = wall(), cpu_before = cpu();
  if (strcmp(argv[2], "scan") == 0) {
    fetch_all(c, &filter, options, &s);
  } else {
    for (int32_t key = 1; key <= atoi(argv[3]); key++) {
      bson_reinit(&filter);
      BSON_APPEND_INT32(&filter, "_id", key);
      fetch_all(c, &filter, options, &s);
    }
  }
  printf("%.6f %.6f %ld\n", wall() - wall_before, cpu() - cpu_before, peak_kib());
  printf("%ld rows, %lld, %.2f, %zu\n", s.rows, (long long)s.integers, s.reals, s.text);
  mongoc_collection_destroy(c);
  mongoc_client_destroy(client);
  return 0;
}
