/*
** compile.c - what MongoDB may do in SQLite's place, and the command that says it.
**
** A query becomes a find where it can, else an aggregation: for equal rows
** that may be merged ($group), for the number of rows alone ($count), and over
** a native pipeline.  Only the fields that are wanted are sent.
**
** Text compares by bytes only under the simple collation, which is named in
** every request: a collection's own default may be another.  A view's cannot
** be overridden: one with a collation is asked for equality alone, which then
** finds more (relation.remote_id is 1 for such a view).
**
** Fields that no validator holds to one type are CLASS_MIXED; see filter.c for
** what a comparison over them comes to.
*/
#include <stdio.h>
#include <string.h>

#include "vtab/mongo/mongo_driver.h"

#define OPS_NULL (OPS(OP_IS_NULL) | OPS(OP_NOT_NULL))
#define OPS_EXACT (OPS_COMPARE | OPS(OP_IN) | OPS(OP_IS_NOT))
#define OPS_ORDERED (OPS(OP_ORDER) | OPS(OP_DISTINCT))

#define MIXED   CLASSES(CLASS_MIXED)
#define TEXT    CLASSES(CLASS_TEXT)
#define STAMP   CLASSES(CLASS_TIMESTAMP)
#define INTEGERS (CLASSES(CLASS_BOOL) | CLASSES(CLASS_INT))
#define BINARY  COLLATIONS(COLLATION_BINARY)

/* Fields that may be compared with each other. */
#define PAIR_RULE(classes, collations, needs) \
  {OPS_COLUMNS, classes, collations, needs, 0, PUSH_SUPERSET, REASON_BESIDE, "pair"}

#define PATH_BYTES (MONGO_SAYABLE | COLUMN_EQ_BYTES)
#define PATH_ORDER (MONGO_SAYABLE | COLUMN_ORDER_BYTES)

/* The first row that covers a case decides. */
const pushdown_row mongo_pushdown[MONGO_PUSHDOWN_ROWS] = {
  {OPS(OP_MEMBER_TEXT) | OPS(OP_MEMBER_NUMBER), TEXT, 0, MONGO_WHOLE | COLUMN_ORDER_BYTES, 0,
   PUSH_SUPERSET, REASON_MIXED, "member"},
  {OPS_NULL, CLASSES_ALL, 0, MONGO_SAYABLE, 0, PUSH_EXACT, REASON_NONE, "null"},

  {OPS_EQUAL, MIXED, BINARY, MONGO_SAYABLE, 0, PUSH_SUPERSET, REASON_MIXED, "kinds"},
  {OPS_RANGE, MIXED, BINARY, PATH_ORDER, 0, PUSH_SUPERSET, REASON_MIXED, "kinds"},
  {OPS_RANGE, MIXED, BINARY, 0, 0, PUSH_LOCAL, REASON_COLLATION, NULL},
  {OPS(OP_LIKE) | OPS(OP_GLOB), MIXED | TEXT, 0, MONGO_SAYABLE, 0, PUSH_SUPERSET, REASON_PATTERN,
   "regex"},
  {OPS_ORDERED, MIXED, 0, 0, 0, PUSH_LOCAL, REASON_ORDER, NULL},

  {OPS_EXACT, INTEGERS, 0, MONGO_SAYABLE, 0, PUSH_EXACT, REASON_NONE, "compare"},
  {OPS_ORDERED, INTEGERS, 0, MONGO_SAYABLE, 0, PUSH_EXACT, REASON_NONE, "order"},

  {OPS_EXACT, CLASSES(CLASS_FLOAT), 0, MONGO_SAYABLE, 0, PUSH_EXACT, REASON_NONE, "compare"},
  {OPS_ORDERED, CLASSES(CLASS_FLOAT), 0, 0, 0, PUSH_LOCAL, REASON_NAN, NULL},

  {OPS_EQUAL | OPS(OP_NE) | OPS(OP_IS_NOT), TEXT, BINARY, PATH_BYTES, 0, PUSH_EXACT, REASON_NONE,
   "compare"},
  {OPS_RANGE, TEXT, BINARY, PATH_ORDER, 0, PUSH_EXACT, REASON_NONE, "compare"},
  {OPS_ORDERED, TEXT, BINARY, PATH_ORDER, 0, PUSH_EXACT, REASON_NONE, "order"},
  {OPS(OP_NE) | OPS(OP_IS_NOT), MIXED, 0, 0, 0, PUSH_LOCAL, REASON_MIXED, NULL},
  {OPS_EXACT | OPS_ORDERED, MIXED | TEXT, 0, 0, 0, PUSH_LOCAL, REASON_COLLATION, NULL},

  {OPS_EQUAL, STAMP, BINARY, MONGO_SAYABLE, 0, PUSH_EXACT, REASON_NONE, "compare"},
  {OPS_RANGE, STAMP, BINARY, MONGO_SAYABLE, 0, PUSH_SUPERSET, REASON_CALENDAR, "compare"},
  {OPS_ORDERED, STAMP, 0, 0, 0, PUSH_LOCAL, REASON_CALENDAR, NULL},

  PAIR_RULE(CLASSES(CLASS_INT), 0, MONGO_SAYABLE),
  PAIR_RULE(CLASSES(CLASS_BOOL), 0, MONGO_SAYABLE),
  PAIR_RULE(CLASSES(CLASS_FLOAT), 0, MONGO_SAYABLE),
  PAIR_RULE(TEXT, BINARY, PATH_ORDER),
  PAIR_RULE(STAMP, 0, MONGO_SAYABLE),
  {OPS_COLUMNS, MIXED, 0, 0, 0, PUSH_LOCAL, REASON_MIXED, NULL},
  {OPS_COLUMNS, TEXT, 0, 0, 0, PUSH_LOCAL, REASON_COLLATION, NULL},

  {OPS(OP_LIKE) | OPS(OP_GLOB), CLASSES_ALL, 0, 0, 0, PUSH_LOCAL, REASON_SPELLING, NULL},
  {OPS(OP_NE) | OPS(OP_IS_NOT), STAMP, 0, 0, 0, PUSH_LOCAL, REASON_CALENDAR, NULL},
  {OPS_ALL, CLASSES_ALL, 0, 0, 0, PUSH_LOCAL, REASON_FIELD, NULL},
};

/* From COLUMN_PRIVATE on. */
const char *const mongo_facts[] = {"can be named", "is the document", NULL};

/* ---- which fields ---------------------------------------------------------- */

typedef struct compiler {
  const query *q;
  const relation *relation;
  arena *arena;
  mongo_request *out;
} compiler;

/* How count(*) arrives; the name cannot be a group's. */
const column mongo_count_column = {.remote_name = "n", .klass = CLASS_INT, .type_id = MONGO_PATH};

static const column *column_of(const compiler *k, const query_expr *x) {
  return &k->relation->columns[x->column];
}

/* The place of a name among N, made if need be. Room for all is there. */
static mongo_layout *layout_entry(mongo_layout *fields, int *n, const char *name, size_t length) {
  for (int i = 0; i < *n; i++) {
    if (fields[i].length == length && memcmp(fields[i].name, name, length) == 0) return &fields[i];
  }
  mongo_layout *made = &fields[(*n)++];
  *made = (mongo_layout){.name = name, .length = (uint32_t)length, .column = -1};
  return made;
}

/* Puts batch column NUMBER where PATH leads. ROOM: how many fields a level may have. */
static bool place_path(compiler *k, mongo_layout *fields, int *n, const char *path, int room,
                       int number, bool digits) {
  for (;;) {
    size_t length = strcspn(path, ".");
    mongo_layout *entry = layout_entry(fields, n, path, length);
    if (!path[length]) {
      entry->column = number;
      entry->digits = digits;
      return true;
    }
    if (!entry->fields)
      entry->fields = arena_alloc(k->arena, (size_t)room * sizeof(*entry->fields));
    if (!entry->fields) return false;
    fields = entry->fields;
    n = &entry->n_fields;
    path += length + 1;
  }
}

static bool make_layout(compiler *k) {
  int n = k->q->n_select, room = n + 1, fields = 0;
  mongo_layout *layout = arena_alloc(k->arena, (size_t)room * sizeof(*layout));
  k->out->whole = k->out->key = -1;
  for (int i = 0; layout && i < n; i++) {
    const column *c = query_column(k->q, i);
    bool digits = c->type_detail & MONGO_DIGITS;
    if (c->type_id == MONGO_DOCUMENT) {
      k->out->whole = i;
    } else if (c->type_id == MONGO_KEY) {
      k->out->key = i;
    } else if (c->type_id == MONGO_NAME) {
      mongo_layout *entry = layout_entry(layout, &fields, c->remote_name, strlen(c->remote_name));
      entry->column = i;
      entry->digits = digits;
    } else if (!place_path(k, layout, &fields, c->remote_name, room, i, digits)) {
      return false;
    }
  }
  k->out->layout = layout;
  k->out->n_layout = fields;
  return layout != NULL;
}

/* Whether documents must be sent whole: all of one is wanted, or a field that no
** projection can name. */
static bool is_whole(const compiler *k) {
  for (int i = 0; i < k->q->n_select; i++) {
    uint32_t kind = query_column(k->q, i)->type_id;
    if (kind == MONGO_DOCUMENT || kind == MONGO_NAME) return true;
  }
  return false;
}

/* The fields that are wanted; of a document and a field in it, the document alone. */
static void append_fields(bson_t *out, const mongo_layout *fields, int n, buffer *path) {
  for (int i = 0; i < n; i++) {
    size_t before = path->length;
    if (before) buffer_char(path, '.');
    buffer_append(path, fields[i].name, fields[i].length);
    if (fields[i].column >= 0) bson_append_int32(out, buffer_cstr(path), -1, 1);
    else append_fields(out, fields[i].fields, fields[i].n_fields, path);
    path->length = before;
    if (path->text) path->text[before] = 0;
  }
}

static void append_projection(bson_t *out, const compiler *k, const char *key) {
  bson_t projection;
  buffer path = {0};
  bson_append_document_begin(out, key, -1, &projection);
  bool id = k->out->key >= 0 || k->q->n_select == 0;
  for (int i = 0; i < k->out->n_layout; i++) id |= strcmp(k->out->layout[i].name, "_id") == 0;
  append_fields(&projection, k->out->layout, k->out->n_layout, &path);
  bool named = bson_has_field(&projection, "_id");
  bool below = !named && id && k->out->key < 0 && k->q->n_select > 0; /* a field of _id is named */
  if (!named && !below) BSON_APPEND_INT32(&projection, "_id", id);
  bson_append_document_end(out, &projection);
  if (path.failed) k->arena->failed = true;
  buffer_free(&path);
}

/* ---- find ------------------------------------------------------------------ */

static void append_order(bson_t *out, const compiler *k, const char *key) {
  bson_t sort;
  bson_append_document_begin(out, key, -1, &sort);
  for (int i = 0; i < k->q->n_order_by; i++) {
    const query_order *o = &k->q->order_by[i];
    bson_append_int32(&sort, column_of(k, &o->column)->remote_name, -1, o->descending ? -1 : 1);
  }
  bson_append_document_end(out, &sort);
}

static void append_collation(bson_t *out, const relation *r) {
  bson_t collation;
  if (r->kind == RELATION_QUERY || r->remote_id) return;
  BSON_APPEND_DOCUMENT_BEGIN(out, "collation", &collation);
  BSON_APPEND_UTF8(&collation, "locale", "simple");
  bson_append_document_end(out, &collation);
}

/* No limit is 0 there; one row more than was asked for is SQLite's to leave. */
static int64_t limit_of(const query *q) { return q->limit > 0 ? q->limit : 1; }

static void print_find(bson_t *out, const compiler *k, bool shown) {
  BSON_APPEND_UTF8(out, "find", k->relation->remote_name);
  filter_append(out, "filter", k->q, shown);
  if (!is_whole(k)) append_projection(out, k, "projection");
  if (k->q->n_order_by) {
    append_order(out, k, "sort");
    BSON_APPEND_BOOL(out, "allowDiskUse", true);
  }
  if (k->q->has_limit) BSON_APPEND_INT64(out, "limit", limit_of(k->q));
  append_collation(out, k->relation);
}

/* ---- aggregate ------------------------------------------------------------- */

typedef struct pipeline {
  bson_t array;
  uint32_t n;
} pipeline;

static void begin_stage(pipeline *p, bson_t *stage) {
  char room[16];
  const char *key;
  size_t length = bson_uint32_to_string(p->n++, &key, room, sizeof(room));
  bson_append_document_begin(&p->array, key, (int)length, stage);
}

static void end_stage(pipeline *p, bson_t *stage) { bson_append_document_end(&p->array, stage); }

static void append_native(pipeline *p, const char *json) {
  bson_t stages;
  bson_iter_t at;
  if (statement_pipeline(json, &stages, NULL) && bson_iter_init(&at, &stages)) {
    while (bson_iter_next(&at)) {
      char room[16];
      const char *key;
      size_t length = bson_uint32_to_string(p->n++, &key, room, sizeof(room));
      bson_append_iter(&p->array, key, (int)length, &at);
    }
  }
  bson_destroy(&stages);
}

/* Whether equal rows come once, with their number. */
static bool is_counted(const query *q) {
  return q->n_select > 0 && q->select[q->n_select - 1].kind == EXPR_COUNT;
}

/* Equal rows once: the key's fields are c0, c1, … A field that is absent is null. */
static void append_group(pipeline *p, const compiler *k) {
  bson_t stage, group, id, pair, sum;
  buffer field = {0};
  begin_stage(p, &stage);
  BSON_APPEND_DOCUMENT_BEGIN(&stage, "$group", &group);
  BSON_APPEND_DOCUMENT_BEGIN(&group, "_id", &id);
  for (int i = 0; i < k->q->n_group_by; i++) {
    char name[16];
    bson_t with;
    snprintf(name, sizeof(name), "c%d", i);
    buffer_clear(&field);
    buffer_printf(&field, "$%s", column_of(k, &k->q->group_by[i])->remote_name);
    bson_append_document_begin(&id, name, -1, &with);
    BSON_APPEND_ARRAY_BEGIN(&with, "$ifNull", &pair);
    BSON_APPEND_UTF8(&pair, "0", buffer_cstr(&field));
    BSON_APPEND_NULL(&pair, "1");
    bson_append_array_end(&with, &pair);
    bson_append_document_end(&id, &with);
  }
  bson_append_document_end(&group, &id);
  if (is_counted(k->q)) {
    BSON_APPEND_DOCUMENT_BEGIN(&group, mongo_count_column.remote_name, &sum);
    BSON_APPEND_INT64(&sum, "$sum", 1);
    bson_append_document_end(&group, &sum);
  }
  bson_append_document_end(&stage, &group);
  end_stage(p, &stage);
  buffer_free(&field);
}

static int group_number(const compiler *k, int wanted) {
  for (int i = 0; i < k->q->n_group_by; i++) {
    if (k->q->group_by[i].column == wanted) return i;
  }
  return 0;
}

static void append_group_order(pipeline *p, const compiler *k) {
  bson_t stage, sort;
  if (k->q->n_order_by == 0) return;
  begin_stage(p, &stage);
  BSON_APPEND_DOCUMENT_BEGIN(&stage, "$sort", &sort);
  for (int i = 0; i < k->q->n_order_by; i++) {
    char name[24];
    snprintf(name, sizeof(name), "_id.c%d", group_number(k, k->q->order_by[i].column.column));
    bson_append_int32(&sort, name, -1, k->q->order_by[i].descending ? -1 : 1);
  }
  bson_append_document_end(&stage, &sort);
  end_stage(p, &stage);
}

/* Where a group's values are: _id.c0, …, and n. */
static bool make_group_layout(compiler *k) {
  int n = k->q->n_group_by;
  mongo_layout *top = arena_alloc(k->arena, 2 * sizeof(*top));
  mongo_layout *fields = arena_alloc(k->arena, (size_t)(n + 1) * sizeof(*fields));
  if (!top || !fields) return false;
  for (int i = 0; i < n; i++) {
    const char *name = arena_printf(k->arena, "c%d", i);
    if (!name) return false;
    fields[i] = (mongo_layout){.name = name, .length = (uint32_t)strlen(name), .column = -1};
    for (int s = 0; s < k->q->n_select; s++) {
      const query_expr *x = &k->q->select[s];
      if (x->kind == EXPR_COLUMN && x->column == k->q->group_by[i].column) fields[i].column = s;
    }
  }
  *top = (mongo_layout){.name = "_id", .length = 3, .column = -1, .fields = fields, .n_fields = n};
  top[1] = (mongo_layout){.name = "n", .length = 1, .column = k->q->n_select - 1};
  k->out->layout = top;
  k->out->n_layout = is_counted(k->q) ? 2 : 1;
  return true;
}

static void append_limit(pipeline *p, const query *q) {
  bson_t stage;
  if (!q->has_limit) return;
  begin_stage(p, &stage);
  BSON_APPEND_INT64(&stage, "$limit", limit_of(q));
  end_stage(p, &stage);
}

static bool is_grouped(const query *q) { return q->n_group_by > 0 || is_counted(q); }

static void print_stages(pipeline *p, const compiler *k, bool shown) {
  const query *q = k->q;
  bson_t stage;
  if (k->relation->kind == RELATION_QUERY) append_native(p, k->relation->native.words[1]);
  if (q->n_filter) {
    begin_stage(p, &stage);
    filter_append(&stage, "$match", q, shown);
    end_stage(p, &stage);
  }
  if (is_grouped(q)) {
    append_group(p, k);
    append_group_order(p, k);
    append_limit(p, q);
    return;
  }
  if (q->n_order_by) {
    begin_stage(p, &stage);
    append_order(&stage, k, "$sort");
    end_stage(p, &stage);
  }
  append_limit(p, q);
  if (k->out->counting || is_whole(k)) return;
  begin_stage(p, &stage);
  append_projection(&stage, k, "$project");
  end_stage(p, &stage);
}

static void print_aggregate(bson_t *out, const compiler *k, bool shown) {
  pipeline p = {.n = 0};
  bson_t stage;
  BSON_APPEND_UTF8(out, "aggregate", k->out->collection);
  BSON_APPEND_ARRAY_BEGIN(out, "pipeline", &p.array);
  print_stages(&p, k, shown);
  if (k->out->counting) {
    begin_stage(&p, &stage);
    BSON_APPEND_UTF8(&stage, "$count", "n");
    end_stage(&p, &stage);
  }
  bson_append_array_end(out, &p.array);
  if (k->out->blocking) BSON_APPEND_BOOL(out, "allowDiskUse", true);
  append_collation(out, k->relation);
}

/* ---- the whole ------------------------------------------------------------- */

static void print_command(bson_t *out, const compiler *k, bool shown) {
  if (k->out->aggregate) print_aggregate(out, k, shown);
  else print_find(out, k, shown);
}

static bool keep_command(compiler *k, request *out) {
  bson_t command = BSON_INITIALIZER, shown = BSON_INITIALIZER;
  size_t length = 0;
  print_command(&command, k, false);
  print_command(&shown, k, true);
  uint8_t *bytes = arena_alloc(k->arena, command.len);
  char *text = bson_as_relaxed_extended_json(&shown, &length);
  if (bytes) memcpy(bytes, bson_get_data(&command), command.len);
  k->out->command = bytes;
  k->out->length = command.len;
  out->text = text ? arena_strndup(k->arena, text, length) : NULL;
  bson_free(text);
  bson_destroy(&command);
  bson_destroy(&shown);
  return !k->arena->failed;
}

bool mongo_driver_compile(const query *q, uint32_t version, arena *a, request *out,
                          tskdb_error *e) {
  const relation *r = q->sources[0].relation;
  mongo_request *m = arena_alloc(a, sizeof(*m));
  compiler k = {.q = q, .relation = r, .arena = a, .out = m};
  (void)version;
  *out = (request){.query = q, .compiled = m};
  if (!m) return error_memory(e);
  bool native = r->kind == RELATION_QUERY;
  m->database = r->remote_schema;
  m->collection = native ? r->native.words[0] : r->remote_name;
  m->counting = q->n_select == 0 && !q->n_group_by;
  m->aggregate = native || m->counting || is_grouped(q);
  m->blocking = m->counting || is_grouped(q);
  if (!make_layout(&k) || (is_grouped(q) && !make_group_layout(&k))) return error_memory(e);
  return keep_command(&k, out) || error_memory(e);
}
