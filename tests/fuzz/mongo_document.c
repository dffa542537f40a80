/*
** mongo_document.c - a BSON document: as a row, in a sample, as a validator.
**
** Invariants: a document is a row or an error; what is shown of documents,
** arrays and keys is JSON to SQLite.
*/
/* decode_document() has no name outside. */
#include "vtab/mongo/scan.c"

#include "tests/fuzz/fuzz.h"
#include "vtab/sqlite.h"

/* The columns of the batch. */
enum { A, B, NESTED, X, DIGITS, WHOLE, KEY, N_COLUMNS };

static mongo_layout nested[] = {{.name = "x", .length = 1, .column = X}};
static const mongo_layout layout[] = {
  {.name = "a", .length = 1, .column = A},
  {.name = "b", .length = 1, .column = B},
  {.name = "n", .length = 1, .column = NESTED, .fields = nested, .n_fields = 1},
  {.name = "d", .length = 1, .column = DIGITS, .digits = true},
};
static const mongo_request asked = {.whole = WHOLE, .key = KEY, .layout = layout, .n_layout = 4};

static sqlite3 *db;
static sqlite3_stmt *valid;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  mongo_library_init();
  MUST(sqlite3_open(":memory:", &db) == SQLITE_OK);
  MUST(sqlite3_prepare_v2(db, "SELECT json_valid(?1)", -1, &valid, NULL) == SQLITE_OK);
  return 0;
}

static void must_be_json(const value *v) {
  if (v->storage != STORAGE_TEXT) return;
  sqlite3_bind_text(valid, 1, v->bytes, (int)v->length, SQLITE_STATIC);
  MUST(sqlite3_step(valid) == SQLITE_ROW && sqlite3_column_int(valid, 0) == 1);
  sqlite3_reset(valid);
}

static void decode_row(const bson_t *document) {
  bson_t reply = BSON_INITIALIZER;
  mongo_connection c = {0};
  scan s = {.c = &c, .m = &asked};
  tskdb_error e = {0};
  batch b;
  MUST(batch_init(&b, N_COLUMNS, 1 << 20));
  BSON_APPEND_DOCUMENT(&reply, "0", document);
  MUST(bson_iter_init(&s.documents, &reply) && bson_iter_next(&s.documents));
  bool ok = decode_document(&s, &b, &e);
  MUST(ok != error_is_set(&e));
  if (ok) {
    batch_end_row(&b);
    for (int i = 0; i < N_COLUMNS; i++) {
      value v = batch_at(&b, i, 0);
      must_be_value(&v);
      if (i == WHOLE || i == KEY) must_be_json(&v);
    }
  }
  batch_free(&b);
  bson_destroy(&reply);
}

static void sample(const bson_t *document) {
  static const mongo_shape shape = {.keyed = true, .comparable = true};
  mongo_sample s;
  tskdb_error e = {0};
  catalog *k = catalog_new();
  relation *r = catalog_grow(k, &k->relations, &k->n_relations, sizeof(*r));
  r->remote_name = "r";
  sample_init(&s, 3);
  schema_read(&s, document);
  sample_document(&s, document);
  sample_outline(&s, document);
  if (sample_columns(&s, k, r, &shape, &e) && catalog_finish(k, &e)) {
    for (int i = 0; i < r->n_columns; i++) MUST(r->columns[i].name && *r->columns[i].name);
  }
  sample_free(&s);
  catalog_release(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  bson_t document;
  if (bson_init_static(&document, bytes, length)) {
    decode_row(&document);
    sample(&document);
  }
  return 0;
}
