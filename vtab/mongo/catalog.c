/*
** catalog.c - the server's lists to a catalog.
**
** MongoDB lists the collections of a database in one answer; what is in them
** has to be asked of each.  $unionWith makes one request of many: a request
** for the samples, one for the sizes and one for the indexes of some hundred
** collections at a time.  Where one of them cannot be read (a view over what
** is gone, a missing right) the whole request fails: it is halved until the
** culprit is alone, which is then listed with the server's reason.
**
** Nothing is ever written, and no document of more than 64 KB is sent whole:
** of a larger one the server sends names and types.
*/
#include <stdlib.h>
#include <string.h>

#include "vtab/memory.h"
#include "vtab/mongo/mongo_driver.h"

enum {
  CHUNK = 200,                 /* collections in one request; a pipeline has at most 1,000 stages */
  SAMPLE = 500,                /* documents of a collection, unless there are many collections */
  SAMPLE_MIN = 20,
  SAMPLE_ALL = 40000,          /* documents in all */
  WHOLE_BYTES = 64 * 1024,
  LISTS_MAX = 100              /* collections whose indexes are asked for one by one */
};

/* A relation while it is looked at. */
typedef struct subject {
  const char *database, *name;
  relation_kind kind;
  bool collated;               /* a view with a collation of its own */
  mongo_sample sample;
  relation *relation;          /* in the catalog, once all are listed */
} subject;

typedef struct survey {
  mongo_connection *c;
  const discovery *want;
  const wait_scope *w;
  catalog *out;
  tskdb_error *e;
  subject *subjects;
  int n, capacity;
  const char *database;        /* that is being listed */
} survey;

static const char *keep(survey *s, const char *text) { return arena_strdup(&s->out->arena, text); }

/* ---- collections ----------------------------------------------------------- */

static subject *add_subject(survey *s) {
  if (s->n == s->capacity) {
    int capacity = s->capacity ? 2 * s->capacity : 64;
    subject *grown = mem_realloc(s->subjects, (size_t)capacity * sizeof(*grown));
    if (!grown) return NULL;
    s->subjects = grown;
    s->capacity = capacity;
  }
  subject *x = &s->subjects[s->n++];
  *x = (subject){0};
  return x;
}

static relation_kind kind_of(const char *type) {
  if (type && strcmp(type, "view") == 0) return RELATION_VIEW;
  return type && strcmp(type, "timeseries") == 0 ? RELATION_TIMESERIES : RELATION_TABLE;
}

static bool take_collection(void *context, const bson_t *document, tskdb_error *e) {
  survey *s = context;
  const char *name = mongo_text(document, "name"), *locale;
  bson_t options;
  if (!name || strncmp(name, "system.", 7) == 0) return true;
  subject *x = add_subject(s);
  if (!x) return error_memory(e);
  x->database = s->database;
  x->name = keep(s, name);
  x->kind = kind_of(mongo_text(document, "type"));
  locale = mongo_text(document, "options.collation.locale");
  x->collated = x->kind == RELATION_VIEW && locale && strcmp(locale, "simple") != 0;
  sample_init(&x->sample, s->want->depth);
  if (x->kind == RELATION_TABLE) sample_want(&x->sample, "_id");
  if (mongo_part(document, "options", &options)) schema_read(&x->sample, &options);
  return true;
}

static bool list_collections(survey *s, const char *database) {
  bson_t *command = BCON_NEW("listCollections", BCON_INT32(1));
  s->database = keep(s, database);
  bool ok = mongo_each(s->c, MONGO_CONTINUE, database, command, s->w, "cannot list the collections",
                       take_collection, s, s->e);
  bson_destroy(command);
  return ok;
}

typedef struct database_list {
  survey *survey;
  const char **names;
  int n;
} database_list;

/* All that are not the server's own, where the URL names none. */
static bool list_databases(survey *s) {
  static const char *const own[] = {"admin", "config", "local"};
  bson_t *command = BCON_NEW("listDatabases", BCON_INT32(1), "nameOnly", BCON_BOOL(true)), reply,
         list, one;
  bool ok = mongo_run(s->c, MONGO_CONTINUE, "admin", command, s->w, "cannot list the databases",
                      &reply, s->e);
  bson_iter_t at;
  bson_destroy(command);
  if (ok && mongo_part(&reply, "databases", &list) && bson_iter_init(&at, &list)) {
    while (ok && bson_iter_next(&at)) {
      const uint8_t *bytes = NULL;
      uint32_t length = 0;
      if (!BSON_ITER_HOLDS_DOCUMENT(&at)) continue;
      bson_iter_document(&at, &length, &bytes);
      const char *name = bson_init_static(&one, bytes, length) ? mongo_text(&one, "name") : NULL;
      bool skip = !name;
      for (size_t i = 0; name && i < sizeof(own) / sizeof(own[0]); i++)
        skip |= strcmp(name, own[i]) == 0;
      if (!skip) ok = list_collections(s, name);
    }
  }
  bson_destroy(&reply);
  return ok;
}

static bool list_all(survey *s) {
  if (s->want->n_schemas == 0 && !s->c->login->database) return list_databases(s);
  if (s->want->n_schemas == 0) return list_collections(s, s->c->login->database);
  for (int i = 0; i < s->want->n_schemas; i++) {
    if (!list_collections(s, s->want->schemas[i])) return false;
  }
  return true;
}

static int compare_subjects(const void *a, const void *b) {
  const subject *x = a, *y = b;
  int d = strcmp(x->database, y->database);
  return d ? d : strcmp(x->name, y->name);
}

/* A path of the option columns: "collection.field" or "database.collection.field". */
static void want_columns(survey *s, subject *x) {
  for (int i = 0; i < s->want->n_columns; i++) {
    const char *path = s->want->columns[i];
    size_t database = strlen(x->database), name = strlen(x->name);
    if (strncmp(path, x->database, database) == 0 && path[database] == '.' &&
        strncmp(path + database + 1, x->name, name) == 0 && path[database + 1 + name] == '.') {
      sample_want(&x->sample, path + database + name + 2);
    } else if (strncmp(path, x->name, name) == 0 && path[name] == '.') {
      sample_want(&x->sample, path + name + 1);
    }
  }
}

/* Relations of the catalog, in the order of their names, each with its subject. */
static bool make_relations(survey *s) {
  if (s->n == 0) return true;
  qsort(s->subjects, (size_t)s->n, sizeof(*s->subjects), compare_subjects);
  for (int i = 0; i < s->n; i++) {
    relation *r = catalog_grow(s->out, &s->out->relations, &s->out->n_relations, sizeof(*r));
    if (!r) return error_memory(s->e);
    r->remote_schema = s->subjects[i].database;
    r->remote_name = s->subjects[i].name;
    r->plain = s->c->login->database && strcmp(r->remote_schema, s->c->login->database) == 0;
    r->kind = s->subjects[i].kind;
    r->remote_id = s->subjects[i].collated;
    r->rows = r->bytes = -1;
  }
  for (int i = 0; i < s->n; i++) {
    s->subjects[i].relation = &s->out->relations[i];
    want_columns(s, &s->subjects[i]);
  }
  return true;
}

/* ---- many collections in one request --------------------------------------- */

/* Appends the stages that one collection contributes; its documents carry NUMBER as "c". */
typedef void append_stages(bson_t *pipeline, const survey *s, const subject *x, int number);

/* What a request is for. */
typedef struct question {
  const char *what;            /* that failed */
  append_stages *stages;
  mongo_take *take;
  bool stored_only;            /* not asked of views and time series */
  bool (*failed)(survey *s, subject *x, const tskdb_error *e);   /* false: gives up */
} question;

static bool is_asked(const question *q, const subject *x) {
  return !x->relation->unusable && (!q->stored_only || x->kind == RELATION_TABLE);
}

static bson_t *union_command(const survey *s, const question *q, const int *numbers, int n) {
  bson_t *command = bson_new(), pipeline, stage, with, stages;
  char key[16];
  uint32_t stage_number = 0;
  BSON_APPEND_UTF8(command, "aggregate", s->subjects[numbers[0]].name);
  BSON_APPEND_ARRAY_BEGIN(command, "pipeline", &pipeline);
  q->stages(&pipeline, s, &s->subjects[numbers[0]], numbers[0]);
  stage_number = bson_count_keys(&pipeline);
  for (int i = 1; i < n; i++, stage_number++) {
    const char *at;
    size_t length = bson_uint32_to_string(stage_number, &at, key, sizeof(key));
    bson_append_document_begin(&pipeline, at, (int)length, &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$unionWith", &with);
    BSON_APPEND_UTF8(&with, "coll", s->subjects[numbers[i]].name);
    BSON_APPEND_ARRAY_BEGIN(&with, "pipeline", &stages);
    q->stages(&stages, s, &s->subjects[numbers[i]], numbers[i]);
    bson_append_array_end(&with, &stages);
    bson_append_document_end(&stage, &with);
    bson_append_document_end(&pipeline, &stage);
  }
  bson_append_array_end(command, &pipeline);
  bson_append_document_begin(command, "cursor", -1, &stage);
  BSON_APPEND_INT32(&stage, "batchSize", 100000);
  bson_append_document_end(command, &stage);
  if (s->w->timeout_ms > 0) BSON_APPEND_INT64(command, "maxTimeMS", s->w->timeout_ms);
  return command;
}

/* Whether a smaller request may succeed: the server read this one and refused it. */
static bool is_refusal(const survey *s, const tskdb_error *e) {
  return e->native != 0 && !s->c->base.broken && (e->klass == ERROR_SQL || e->klass == ERROR_AUTH ||
         e->klass == ERROR_STALE || e->klass == ERROR_LIMIT || e->klass == ERROR_CONFIG);
}

static bool ask(survey *s, const question *q, const int *numbers, int n) {
  if (n == 0) return true;
  tskdb_error why = {0};
  bson_t *command = union_command(s, q, numbers, n);
  bool ok = mongo_each(s->c, MONGO_READ, s->subjects[numbers[0]].database, command, s->w, q->what,
                       q->take, s, &why);
  bson_destroy(command);
  if (ok) return true;
  if (!is_refusal(s, &why)) {
    *s->e = why;
    return false;
  }
  /* A right that is missing for one collection's statistics is missing for all. */
  if (n == 1 || (q->stored_only && why.klass == ERROR_AUTH)) {
    for (int i = 0; i < n; i++) {
      if (!q->failed(s, &s->subjects[numbers[i]], &why)) return false;
    }
    return true;
  }
  return ask(s, q, numbers, n / 2) && ask(s, q, numbers + n / 2, n - n / 2);
}

/* Asks for all relations, some hundred of one database at a time. */
static bool ask_all(survey *s, const question *q) {
  int numbers[CHUNK], n = 0;
  const char *database = NULL;
  for (int i = 0; i < s->n; i++) {
    const subject *x = &s->subjects[i];
    if (!is_asked(q, x)) continue;
    if (n == CHUNK || (database && strcmp(database, x->database) != 0)) {
      if (!ask(s, q, numbers, n)) return false;
      n = 0;
    }
    database = x->database;
    numbers[n++] = i;
  }
  return ask(s, q, numbers, n);
}

static subject *subject_of(survey *s, const bson_t *document) {
  int64_t number = mongo_number(document, "c", -1);
  return number >= 0 && number < s->n ? &s->subjects[number] : NULL;
}

/* Appends a document to an array. */
static void append_stage(bson_t *pipeline, bson_t *stage) {
  char key[16];
  const char *at;
  size_t length = bson_uint32_to_string(bson_count_keys(pipeline), &at, key, sizeof(key));
  bson_append_document(pipeline, at, (int)length, stage);
  bson_destroy(stage);
}

/* ---- samples --------------------------------------------------------------- */

static int sample_size(const survey *s) {
  if (s->want->sample > 0) return s->want->sample;
  int size = SAMPLE_ALL / (s->n ? s->n : 1);
  return size > SAMPLE ? SAMPLE : size < SAMPLE_MIN ? SAMPLE_MIN : size;
}

static void sample_stages(bson_t *pipeline, const survey *s, const subject *x, int number) {
  /* To sample a view, the server would compute all of it. */
  if (x->kind == RELATION_VIEW)
    append_stage(pipeline, BCON_NEW("$limit", BCON_INT32(sample_size(s))));
  else append_stage(pipeline, BCON_NEW("$sample", "{", "size", BCON_INT32(sample_size(s)), "}"));
  append_stage(pipeline,
               BCON_NEW("$project", "{", "_id", BCON_INT32(1), "c", "{", "$literal",
                        BCON_INT32(number), "}", "d", "{", "$cond", "[", "{", "$lt", "[", "{",
                        "$bsonSize", "$$ROOT", "}", BCON_INT32(WHOLE_BYTES), "]", "}", "$$ROOT",
                        "$$REMOVE", "]", "}", "o", "{", "$cond", "[", "{", "$lt", "[", "{",
                        "$bsonSize", "$$ROOT", "}", BCON_INT32(WHOLE_BYTES), "]", "}", "$$REMOVE",
                        "{", "$map", "{", "input", "{", "$objectToArray", "$$ROOT", "}", "in", "{",
                        "k", "$$this.k", "t", "{", "$type", "$$this.v", "}", "}", "}", "}", "]",
                        "}", "}"));
  /* A sample comes in any order; the columns shall not. */
  append_stage(pipeline, BCON_NEW("$sort", "{", "_id", BCON_INT32(1), "}"));
}

static bool take_sample(void *context, const bson_t *document, tskdb_error *e) {
  subject *x = subject_of(context, document);
  bson_t part;
  if (!x)
    return error_set(e, ERROR_PROTOCOL, "the server answers with a sample that was not asked for");
  if (mongo_part(document, "d", &part)) sample_document(&x->sample, &part);
  else if (mongo_part(document, "o", &part)) sample_outline(&x->sample, &part);
  return !x->sample.arena.failed || error_memory(e);
}

static bool sample_failed(survey *s, subject *x, const tskdb_error *e) {
  x->relation->unusable = keep(s, e->text);
  return true;
}

/* ---- sizes ----------------------------------------------------------------- */

static void size_stages(bson_t *pipeline, const survey *s, const subject *x, int number) {
  (void)s;
  (void)x;
  append_stage(pipeline, BCON_NEW("$collStats", "{", "storageStats", "{", "}", "}"));
  append_stage(pipeline,
               BCON_NEW("$project", "{", "c", "{", "$literal", BCON_INT32(number), "}", "rows",
                        "$storageStats.count", "bytes", "$storageStats.size", "}"));
}

/* A sharded collection has one answer a shard. */
static bool take_size(void *context, const bson_t *document, tskdb_error *e) {
  subject *x = subject_of(context, document);
  (void)e;
  if (!x) return true;
  double rows = mongo_real(document, "rows", -1), bytes = mongo_real(document, "bytes", -1);
  if (rows >= 0) x->relation->rows = (x->relation->rows > 0 ? x->relation->rows : 0) + rows;
  if (bytes >= 0) x->relation->bytes = (x->relation->bytes > 0 ? x->relation->bytes : 0) + bytes;
  return true;
}

static bool no_matter(survey *s, subject *x, const tskdb_error *e) {
  (void)s;
  (void)x;
  (void)e;
  return true;
}

/* ---- indexes --------------------------------------------------------------- */

static void index_stages(bson_t *pipeline, const survey *s, const subject *x, int number) {
  (void)s;
  (void)x;
  append_stage(pipeline, BCON_NEW("$indexStats", "{", "}"));
  append_stage(pipeline, BCON_NEW("$project", "{", "c", "{", "$literal", BCON_INT32(number), "}",
                                  "spec", BCON_INT32(1), "}"));
}

static int find_column(const relation *r, const char *path) {
  for (int i = 0; i < r->n_columns; i++) {
    if (r->columns[i].type_id == MONGO_PATH && strcmp(r->columns[i].remote_name, path) == 0)
      return i;
  }
  return -1;
}

static bool has_index(const relation *r, const char *name) {
  for (int i = 0; i < r->n_indexes; i++) {
    if (strcmp(r->indexes[i].name, name) == 0) return true;
  }
  return false;
}

/* One index, as listIndexes and $indexStats spell it. */
static bool add_index(survey *s, subject *x, const bson_t *spec, tskdb_error *e) {
  relation *r = x->relation;
  const char *name = mongo_text(spec, "name");
  bson_t key, ignored;
  bson_iter_t at;
  if (!name || has_index(r, name) || !mongo_part(spec, "key", &key) || !bson_iter_init(&at, &key))
    return true;
  relation_index *index = catalog_grow(s->out, &r->indexes, &r->n_indexes, sizeof(*index));
  if (!index) return error_memory(e);
  index->name = keep(s, name);
  index->unique = mongo_number(spec, "unique", 0) || strcmp(name, "_id_") == 0;
  index->primary = strcmp(name, "_id_") == 0;
  index->partial =
    mongo_number(spec, "sparse", 0) || mongo_part(spec, "partialFilterExpression", &ignored);
  while (bson_iter_next(&at)) {
    int number = BSON_ITER_HOLDS_NUMBER(&at) ? find_column(r, bson_iter_key(&at)) : -1;
    if (number < 0) {          /* text, geometry, hashes; a field that is no column */
      index->partial = true;
      break;
    }
    int *columns = catalog_grow(s->out, &index->columns, &index->n_columns, sizeof(*columns));
    if (!columns) return error_memory(e);
    *columns = number;
  }
  if (index->unique && !index->partial && index->n_columns == 1 && r->rows > 0) {
    r->columns[index->columns[0]].distinct = r->rows;
  }
  return true;
}

static bool take_index(void *context, const bson_t *document, tskdb_error *e) {
  subject *x = subject_of(context, document);
  bson_t spec;
  return !x || !mongo_part(document, "spec", &spec) || add_index(context, x, &spec, e);
}

/* $indexStats needs a right (dbAdmin, clusterMonitor) that a reader has not; to
** list the indexes of a collection, reading is enough. */
typedef struct listing {
  survey *survey;
  subject *subject;
} listing;

static bool take_listed(void *context, const bson_t *document, tskdb_error *e) {
  listing *l = context;
  return add_index(l->survey, l->subject, document, e);
}

static bool list_indexes(survey *s, subject *x, const tskdb_error *why) {
  tskdb_error ignored = {0};
  (void)why;
  /* The requests do not grow with the collections beyond this. */
  if (x - s->subjects >= LISTS_MAX) return true;
  listing l = {s, x};
  bson_t *command = BCON_NEW("listIndexes", BCON_UTF8(x->name));
  bool ok = mongo_each(s->c, MONGO_CONTINUE, x->database, command, s->w, "cannot list the indexes",
                       take_listed, &l, &ignored);
  bson_destroy(command);
  if (ok || is_refusal(s, &ignored)) return true;
  *s->e = ignored;
  return false;
}

/* ---- the whole ------------------------------------------------------------- */

/* _id tells the documents of a collection apart on one server or replica set; over
** shards only a shard's. */
static bool is_keyed(const survey *s, const subject *x) {
  return x->kind == RELATION_TABLE && !s->c->router;
}

static bool make_columns(survey *s) {
  for (int i = 0; i < s->n; i++) {
    subject *x = &s->subjects[i];
    mongo_shape shape = {
      .keyed = is_keyed(s, x), .comparable = !x->collated, .digits = s->want->numeric_text};
    if (x->relation->unusable) continue;
    if (!sample_columns(&x->sample, s->out, x->relation, &shape, s->e)) return false;
    if (!shape.keyed) continue;
    int *key = arena_alloc(&s->out->arena, sizeof(*key));
    if (!key) return error_memory(s->e);
    *key = x->relation->n_columns - 1;
    x->relation->key = key;
    x->relation->n_key = 1;
  }
  return true;
}

void mongo_introduce(const mongo_connection *c, catalog *out) {
  out->version = c->base.version;
  out->product = "MongoDB";
  out->server_version = arena_printf(&out->arena, "%u.%u.%u", c->base.version / 10000,
                                     c->base.version / 100 % 100, c->base.version % 100);
  out->default_schema = arena_strdup(&out->arena, c->login->database);
}

bool mongo_driver_discover(connection *base, const discovery *want, const wait_scope *w,
                           catalog *out, tskdb_error *e) {
  static const question samples = {"cannot read the collection", sample_stages, take_sample, false,
                                   sample_failed};
  static const question sizes = {"cannot measure the collection", size_stages, take_size, true,
                                 no_matter};
  static const question indexes = {"cannot list the indexes", index_stages, take_index, true,
                                   list_indexes};
  survey s = {.c = (mongo_connection *)base, .want = want, .w = w, .out = out, .e = e};
  mongo_introduce(s.c, out);
  bool ok = list_all(&s) && make_relations(&s) && ask_all(&s, &samples) && ask_all(&s, &sizes) &&
            make_columns(&s) && ask_all(&s, &indexes) && catalog_finish(out, e);
  for (int i = 0; i < s.n; i++) sample_free(&s.subjects[i].sample);
  mem_free(s.subjects);
  return ok;
}
