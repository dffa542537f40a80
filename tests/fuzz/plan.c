/*
** plan.c - idxStr: text that may be no plan, and what becomes of one that is.
**
** The text up to the first line's end is decoded; what follows is the values.
** A plan becomes a query with them, and that a request, for every driver.
**
** Invariants: what is encoded of a plan is decoded as the same plan; a request
** has a parameter for each value that it sends, and its text is printable.
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "vtab/plan.h"

#include "tests/fuzz/fuzz.h"
#include "vtab/buffer.h"

extern driver_entry tskdb_driver_postgres, tskdb_driver_mysql, tskdb_driver_mongo,
    tskdb_driver_redis;

static const struct { driver_entry *entry; uint32_t version; } drivers[] = {
#ifdef HAVE_DRIVER_POSTGRES
  {tskdb_driver_postgres, 150018},
#endif
#ifdef HAVE_DRIVER_MYSQL
  {tskdb_driver_mysql, 101119},
#endif
#ifdef HAVE_DRIVER_MONGO
  {tskdb_driver_mongo, 60005},
#endif
#ifdef HAVE_DRIVER_REDIS
  {tskdb_driver_redis, 70015},
#endif
  {NULL, 0}   /* also in a build without any */
};

enum { N_DRIVERS = sizeof(drivers) / sizeof(drivers[0]) - 1 };

/* ---- a relation with a column of each class -------------------------------- */

static column columns[CLASS_COUNT + 2];
static relation subject_relation = {
  .remote_schema = "shop", .remote_name = "or\"ders", .name = "orders", .columns = columns,
  .n_columns = CLASS_COUNT + 2, .rows = 1e6, .bytes = 1e8};

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  static char names[CLASS_COUNT + 2][24];
  for (int i = 0; i < CLASS_COUNT + 2; i++) {
    type_class klass = i < CLASS_COUNT ? (type_class)i : CLASS_TEXT;
    snprintf(names[i], sizeof(names[i]), "c|%d", i);
    columns[i] = (column){.remote_name = names[i], .name = names[i], .klass = klass,
                          .remote_type = value_class_name(klass), .type_id = 0, .type_detail = 511,
                          .null_fraction = -1, .distinct = 100};
  }
  /* Every fact that a row may ask for, and none. */
  columns[CLASS_COUNT].flags = UINT32_MAX & ~(uint32_t)COLUMN_ANY_BYTES;
  columns[CLASS_COUNT + 1].flags = UINT32_MAX;
  return 0;
}

/* ---- values ---------------------------------------------------------------- */

enum { N_VALUES = 8 };

/* The bytes as a value of each storage class. */
static void make_values(const char *bytes, size_t length, value *out) {
  int64_t integer = 0;
  double real = 0;
  memcpy(&integer, bytes, length < sizeof(integer) ? length : sizeof(integer));
  memcpy(&real, bytes, length < sizeof(real) ? length : sizeof(real));
  bool utf8 = value_is_utf8(bytes, length);
  out[0] = (value){.storage = STORAGE_NULL};
  out[1] = (value){.storage = STORAGE_INTEGER, .integer = integer};
  out[2] = (value){.storage = real == real ? STORAGE_REAL : STORAGE_NULL, .real = real};
  out[3] = (value){.storage = STORAGE_BLOB, .bytes = bytes, .length = length};
  out[4] = (value){.storage = utf8 ? STORAGE_TEXT : STORAGE_BLOB, .bytes = bytes, .length = length};
  out[5] = (value){.storage = STORAGE_INTEGER, .integer = (int8_t)integer};
  out[6] = (value){.storage = STORAGE_LIST, .list = out + 1, .n_list = real == real ? 4 : 1};
  out[7] = (value){.storage = STORAGE_LIST, .list = out + 4, .n_list = 2};
}

/* A list is given to IN alone, and IN is given nothing else. */
static void fit_values(plan *p, int n) {
  for (int i = 0; i < p->n_terms; i++) {
    plan_term *t = &p->terms[i];
    if (t->argument < 0 || t->argument >= n) continue;
    bool list = t->argument >= 6;
    if (t->op == OP_IN && !list) t->argument = 6 + t->argument % 2;
    if (t->op != OP_IN && list) t->argument -= 2;
  }
}

/* Only what the server can order by is in a plan: xBestIndex has looked. */
static bool has_order(const plan *p, const pushdown_context *context) {
  reason why;
  for (int i = 0; i < p->n_order; i++) {
    const column *c = &columns[p->order[i].column];
    if (!pushdown_find(context, OP_ORDER, c, COLLATION_BINARY, &why) ||
        !pushdown_find(context, OP_DISTINCT, c, COLLATION_BINARY, &why)) {
      return false;
    }
  }
  return true;
}

/* ---- the way of a plan ----------------------------------------------------- */

static void compile(const plan *p, const value *values, int d, arena *a) {
  static const driver_host host = {.contract = DRIVER_CONTRACT};
  server_options options = {.pushdown = true, .run_lengths = true};
  const driver *tested = drivers[d].entry(&host);
  plan_subject s = {.relation = &subject_relation, .options = &options, .schema = NULL,
                    .pushdown = {tested, drivers[d].version, true}};
  query q;
  plan_rows kind;
  request r = {0};
  tskdb_error e = {0};
  if (!has_order(p, &s.pushdown)) return;
  if (!plan_query(p, &s, values, N_VALUES, a, &q, &kind)) return;
  if (kind == ROWS_EXACT) plan_limit(p, values, N_VALUES, &q);
  for (int i = 0; i < q.n_filter; i++) MUST(q.filter[i].row && q.filter[i].row->text);
  if (kind == ROWS_EMPTY || !tested->compile(&q, drivers[d].version, a, &r, &e)) return;
  MUST(r.text && r.n_parameters >= 0);
  for (const char *c = r.text; *c; c++) MUST((unsigned char)*c >= ' ');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  const relation *r = &subject_relation;
  arena a = {0};
  plan p, again;
  char *text = fuzz_text(bytes, length);
  char *end = memchr(text, '\n', length), *rest = end ? end + 1 : text + length;
  if (end) *end = 0;
  if (plan_decode(text, r, &a, &p)) {
    buffer once = {0}, twice = {0};
    plan_encode(&p, r, &once);
    MUST(plan_decode(buffer_cstr(&once), r, &a, &again));
    plan_encode(&again, r, &twice);
    MUST(strcmp(buffer_cstr(&once), buffer_cstr(&twice)) == 0);
    value values[N_VALUES];
    make_values(rest, length - (size_t)(rest - text), values);
    fit_values(&p, N_VALUES);
    plan_is_probe(&p);
    plan_is_unique(&p, r);
    for (int d = 0; d < N_DRIVERS; d++) compile(&p, values, d, &a);
    buffer_free(&once);
    buffer_free(&twice);
  }
  free(text);
  arena_free(&a);
  return 0;
}
