/*
** statement.c - native commands (tskdb_exec) and pipelines (tskdb_query).
**
** A pipeline's columns are those of a sample of its documents: the server
** describes none.  So it is run with a $limit behind it; a stage that writes
** is refused.
*/
#include <string.h>

#include "vtab/memory.h"
#include "vtab/mongo/mongo_driver.h"

enum { SAMPLE = 200 };

static bool bad_json(const bson_error_t *why, const char *what, tskdb_error *e) {
  return error_set(e, ERROR_CONFIG, "%s is not valid extended JSON: %s", what, why->message);
}

static bool from_json(const char *json, const char *what, bson_t *out, tskdb_error *e) {
  bson_error_t why = {0};
  bson_t *parsed = bson_new_from_json((const uint8_t *)json, (ssize_t)strlen(json), &why);
  bson_init(out);
  if (!parsed) return bad_json(&why, what, e);
  bson_concat(out, parsed);
  bson_destroy(parsed);
  return true;
}

/* ---- pipelines ------------------------------------------------------------- */

static char first_character(const char *text) { return text[strspn(text, " \t\r\n")]; }

bool statement_pipeline(const char *json, bson_t *out, tskdb_error *e) {
  bson_iter_t at;
  if (first_character(json) != '[') {
    bson_init(out);
    return error_set(e, ERROR_CONFIG, "the pipeline is not a JSON array of stages");
  }
  if (!from_json(json, "the pipeline", out, e) || !bson_iter_init(&at, out)) return false;
  while (bson_iter_next(&at)) {
    bson_iter_t stage;
    if (!BSON_ITER_HOLDS_DOCUMENT(&at) || !bson_iter_recurse(&at, &stage) ||
        !bson_iter_next(&stage)) {
      return error_set(e, ERROR_CONFIG, "stage %s of the pipeline is not a document",
                       bson_iter_key(&at));
    }
    const char *name = bson_iter_key(&stage);
    if (strcmp(name, "$out") == 0 || strcmp(name, "$merge") == 0) {
      return error_set(e, ERROR_CONFIG, "a table cannot be the rows of %s, which writes", name);
    }
  }
  return true;
}

static bool take_document(void *context, const bson_t *document, tskdb_error *e) {
  mongo_sample *sample = context;
  sample_document(sample, document);
  return !sample->arena.failed || error_memory(e);
}

/* PIPELINE with a $limit behind it, as a command. */
static bson_t *sample_command(const char *collection, bson_t *pipeline, int limit,
                              const wait_scope *w) {
  char room[16];
  const char *key;
  bson_t stage = BSON_INITIALIZER, cursor;
  bson_t *command = BCON_NEW("aggregate", BCON_UTF8(collection));
  BSON_APPEND_INT32(&stage, "$limit", limit);
  size_t length = bson_uint32_to_string(bson_count_keys(pipeline), &key, room, sizeof(room));
  bson_append_document(pipeline, key, (int)length, &stage);
  bson_destroy(&stage);
  BSON_APPEND_ARRAY(command, "pipeline", pipeline);
  BSON_APPEND_DOCUMENT_BEGIN(command, "cursor", &cursor);
  bson_append_document_end(command, &cursor);
  if (w->timeout_ms > 0) BSON_APPEND_INT64(command, "maxTimeMS", w->timeout_ms);
  return command;
}

static bool describe_sample(mongo_connection *c, const native_text *native, const discovery *want,
                            mongo_sample *sample, catalog *out, tskdb_error *e) {
  relation *r = catalog_grow(out, &out->relations, &out->n_relations, sizeof(*r));
  if (!r) return error_memory(e);
  *r = (relation){
    .kind = RELATION_QUERY, .remote_name = "query", .plain = true, .rows = -1, .bytes = -1};
  r->remote_schema = arena_strdup(&out->arena, c->login->database);
  r->native = catalog_native(out, native);
  mongo_shape shape = {.digits = want->numeric_text};
  return sample_columns(sample, out, r, &shape, e) && catalog_finish(out, e);
}

bool mongo_driver_describe(connection *base, const native_text *native, const discovery *want,
                           const wait_scope *w, catalog *out, tskdb_error *e) {
  mongo_connection *c = (mongo_connection *)base;
  mongo_sample sample;
  bson_t pipeline;
  if (native->n_words != 2)
    return error_set(e, ERROR_CONFIG, "a collection and a pipeline are expected");
  if (!c->login->database) return error_set(e, ERROR_CONFIG, "the URL names no database");
  mongo_introduce(c, out);
  sample_init(&sample, want->depth);
  bool ok = statement_pipeline(native->words[1], &pipeline, e);
  if (ok) {
    bson_t *command =
      sample_command(native->words[0], &pipeline, want->sample > 0 ? want->sample : SAMPLE, w);
    ok = mongo_each(c, MONGO_READ, c->login->database, command, w,
                    "the server cannot run the pipeline", take_document, &sample, e) &&
         describe_sample(c, native, want, &sample, out, e);
    bson_destroy(command);
  }
  bson_destroy(&pipeline);
  sample_free(&sample);
  return ok;
}

/* ---- commands -------------------------------------------------------------- */

/* What a connection that only reads may be asked. */
static const char *const reading[] = {
  "find",
  "count",
  "distinct",
  "listCollections",
  "listIndexes",
  "listDatabases",
  "collStats",
  "dbStats",
  "ping",
  "hello",
  "buildInfo",
  "serverStatus",
  "connectionStatus",
  "explain",
};

static bool is_reading(const bson_t *command, const char *name) {
  bson_t pipeline;
  for (size_t i = 0; i < sizeof(reading) / sizeof(reading[0]); i++) {
    if (strcmp(name, reading[i]) == 0) return true;
  }
  if (strcmp(name, "aggregate") != 0 || !mongo_part(command, "pipeline", &pipeline)) return false;
  size_t length = 0;
  char *json = bson_as_relaxed_extended_json(&pipeline, &length);
  bool writes = !json || strstr(json, "\"$out\"") || strstr(json, "\"$merge\"");
  bson_free(json);
  return !writes;
}

/* The first entry of a list of errors that a successful answer carries. */
static bool check_written(const bson_t *reply, tskdb_error *e) {
  static const char *const lists[][3] = {
    {"writeErrors.0.errmsg", "writeErrors.0.code", "the write failed"},
    {"writeConcernError.errmsg", "writeConcernError.code", "the write was not confirmed"}};
  for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
    const char *message = mongo_text(reply, lists[i][0]);
    if (!message) continue;
    error_set(e, ERROR_SQL, "%s: %s", lists[i][2], message);
    error_native(e, (int)mongo_number(reply, lists[i][1], 0), NULL);
    return false;
  }
  return true;
}

/* Its rows are nobody's. */
static void drop_cursor(mongo_connection *c, const bson_t *reply, const wait_scope *w) {
  const char *space = mongo_text(reply, "cursor.ns"), *dot = space ? strchr(space, '.') : NULL;
  int64_t id = mongo_number(reply, "cursor.id", 0);
  tskdb_error ignored = {0};
  bson_t answer;
  if (!id || !dot) return;
  char *database = mem_strndup(space, (size_t)(dot - space));
  bson_t *command =
    BCON_NEW("killCursors", BCON_UTF8(dot + 1), "cursors", "[", BCON_INT64(id), "]");
  if (database) {
    mongo_run(c, MONGO_OTHER, database, command, w, "", &answer, &ignored);
    bson_destroy(&answer);
  }
  bson_destroy(command);
  mem_free(database);
}

/* COMMAND without "$db", which names the database that it is for. */
static bool choose_database(mongo_connection *c, const bson_t *command, bson_t *out,
                            char **database, tskdb_error *e) {
  const char *named = mongo_text(command, "$db");
  if (!named) named = c->login->database;
  bson_init(out);
  bson_copy_to_excluding_noinit(command, out, "$db", NULL);
  *database = mem_strdup(named);
  if (*database) return true;
  return named ? error_memory(e)
               : error_set(e, ERROR_CONFIG,
                           "the URL names no database, and the command has no \"$db\"");
}

static bool run_command(mongo_connection *c, const bson_t *command, const wait_scope *w,
                        int64_t *affected, tskdb_error *e) {
  bson_t sent, reply;
  bson_iter_t first;
  char *database = NULL;
  bool ok = choose_database(c, command, &sent, &database, e);
  if (ok && (!bson_iter_init(&first, &sent) || !bson_iter_next(&first))) {
    ok = error_set(e, ERROR_CONFIG, "the command is empty");
  }
  if (ok && c->login->read_only && !is_reading(&sent, bson_iter_key(&first))) {
    ok = error_set(e, ERROR_CONFIG, "the server was attached with readonly: \"%.60s\" may write",
                   bson_iter_key(&first));
  }
  if (ok) {
    c->base.dirty = true;
    ok =
      mongo_run(c, MONGO_OTHER, database, &sent, w, "the server refuses the command", &reply, e) &&
      check_written(&reply, e);
    if (ok) drop_cursor(c, &reply, w);
    *affected = mongo_number(&reply, "n", 0);
    bson_destroy(&reply);
  }
  bson_destroy(&sent);
  mem_free(database);
  return ok;
}

bool mongo_driver_exec(connection *base, const char *native, const value *parameters,
                       int n_parameters, const wait_scope *w, int64_t *affected, tskdb_error *e) {
  bson_t command;
  (void)parameters;
  *affected = 0;
  if (n_parameters > 0) {
    return error_set(e, ERROR_CONFIG,
                     "a command takes no parameters; json_object() makes one of values");
  }
  bool ok = first_character(native) == '{' ||
            error_set(e, ERROR_CONFIG, "the command is not a JSON object");
  if (!ok) return false;
  ok = from_json(native, "the command", &command, e) &&
       run_command((mongo_connection *)base, &command, w, affected, e);
  bson_destroy(&command);
  return ok;
}
