/*
** sample.c - documents to fields, fields to columns.
**
** A field is a column; a nested document's fields are columns of their own,
** named by the path to them, down to a depth.  A document is a column itself
** (as JSON) where it is not taken apart: below that depth, when it has too
** many different fields to be a record, or fields whose names cannot be part
** of a path; and where the field also holds values that are no documents.
**
** A sample proves nothing: a column that no validator vouches for has no type
** (CLASS_MIXED, declared without affinity), and what was seen in it is shown
** for people alone.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/memory.h"
#include "vtab/mongo/mongo_driver.h"

enum {
  FIELDS_MAX = 20000,          /* of one relation */
  CHILDREN_MAX = 300,          /* of a nested document: more is a map, not a record */
  COLUMNS_MAX = 1990,          /* SQLite's limit is 2,000 */
  DEPTH = 5                    /* unless the option says otherwise */
};

void sample_init(mongo_sample *s, int depth) {
  *s = (mongo_sample){.depth = depth > 0 ? depth : DEPTH};
  s->root = arena_alloc(&s->arena, sizeof(*s->root));
}

void sample_free(mongo_sample *s) {
  mem_free(s->table);
  arena_free(&s->arena);
  *s = (mongo_sample){0};
}

/* ---- fields ---------------------------------------------------------------- */

static uint32_t hash_of(const mongo_field *parent, const char *name, size_t length) {
  uint32_t h = 2166136261u ^ parent->hash;
  for (size_t i = 0; i < length; i++) h = (h ^ (unsigned char)name[i]) * 16777619u;
  return h * 16777619u;
}

static bool grow_table(mongo_sample *s) {
  size_t n = s->n_table ? 2 * s->n_table : 64;
  mongo_field **table = mem_zalloc(n * sizeof(*table));
  if (!table) return false;
  for (size_t i = 0; i < s->n_table; i++) {
    for (mongo_field *f = s->table[i], *next; f; f = next) {
      next = f->chain;
      f->chain = table[f->hash % n];
      table[f->hash % n] = f;
    }
  }
  mem_free(s->table);
  s->table = table;
  s->n_table = n;
  return true;
}

/* A name that the server's paths cannot say. */
static bool is_odd(const char *name, size_t length) {
  return length == 0 || name[0] == '$' || memchr(name, '.', length);
}

mongo_field *sample_field(mongo_sample *s, mongo_field *parent, const char *name, size_t length) {
  if (!parent) return NULL;
  uint32_t hash = hash_of(parent, name, length);
  for (mongo_field *f = s->n_table ? s->table[hash % s->n_table] : NULL; f; f = f->chain) {
    if (f->parent == parent && f->length == length && memcmp(f->name, name, length) == 0) return f;
  }
  if (s->n_fields >= FIELDS_MAX) return NULL;
  if ((size_t)s->n_fields >= s->n_table && !grow_table(s)) return NULL;
  mongo_field *f = arena_alloc(&s->arena, sizeof(*f));
  const char *copy = arena_strndup(&s->arena, name, length);
  if (!f || !copy) return NULL;
  *f = (mongo_field){.name = copy, .length = length, .parent = parent, .hash = hash};
  f->odd = is_odd(name, length);
  f->chain = s->table[hash % s->n_table];
  s->table[hash % s->n_table] = f;
  if (parent->last) parent->last->next = f;
  else parent->first = f;
  parent->last = f;
  parent->n_children++;
  /* A nested field of such a name is reached through its document alone. */
  if (f->odd && parent->parent) parent->whole = true;
  s->n_fields++;
  return f;
}

static int slot_of(bson_type_t type) {
  if (type == BSON_TYPE_MAXKEY) return MONGO_TYPES - 2;
  if (type == BSON_TYPE_MINKEY) return MONGO_TYPES - 1;
  return type < MONGO_TYPES - 2 ? (int)type : 0;
}

static bson_type_t type_of_slot(int slot) {
  if (slot == MONGO_TYPES - 2) return BSON_TYPE_MAXKEY;
  return slot == MONGO_TYPES - 1 ? BSON_TYPE_MINKEY : (bson_type_t)slot;
}

/* A value's hash: of its text or its number. */
static uint32_t hash_of_value(const bson_iter_t *at) {
  uint32_t length = 0, h = 2166136261u;
  if (!BSON_ITER_HOLDS_UTF8(at)) return (uint32_t)(bson_iter_as_int64(at) * 2654435761);
  const char *text = bson_iter_utf8(at, &length);
  for (uint32_t i = 0; i < length; i++) h = (h ^ (unsigned char)text[i]) * 16777619u;
  return h;
}

/* How many different values a field has is worth knowing where they can be grouped. */
static void note_value(mongo_sample *s, mongo_field *f, const bson_iter_t *at) {
  if (!f->declared || f->n_different == MONGO_DIFFERENT) return;
  if (!f->different) f->different = arena_alloc(&s->arena, MONGO_DIFFERENT * sizeof(uint32_t));
  if (!f->different) return;
  uint32_t h = hash_of_value(at);
  for (int i = 0; i < f->n_different; i++) {
    if (f->different[i] == h) return;
  }
  f->different[f->n_different++] = h;
}

/* The estimate: what was seen, if each was seen several times. */
static double distinct_of(const mongo_field *f, double sampled) {
  bool few = f->n_different > 0 && f->n_different < MONGO_DIFFERENT;
  return few && sampled >= 4.0 * f->n_different ? f->n_different + (f->nullable ? 1 : 0) : -1;
}

/* ---- looking at documents -------------------------------------------------- */

static void look_at(mongo_sample *s, mongo_field *parent, const bson_t *document, int level) {
  bson_iter_t at;
  if (!bson_iter_init(&at, document)) return;
  while (bson_iter_next(&at)) {
    bson_type_t type = bson_iter_type(&at);
    mongo_field *f = sample_field(s, parent, bson_iter_key(&at), bson_iter_key_len(&at));
    bson_t nested;
    const uint8_t *bytes = NULL;
    uint32_t length = 0;
    if (!f) continue;
    f->counts[slot_of(type)]++;
    note_value(s, f, &at);
    if (type != BSON_TYPE_DOCUMENT) continue;
    bson_iter_document(&at, &length, &bytes);
    bool apart = !f->odd && level < s->depth && bson_init_static(&nested, bytes, length);
    if (!apart || bson_empty(&nested)) f->whole = true;
    else look_at(s, f, &nested, level + 1);
  }
}

void sample_document(mongo_sample *s, const bson_t *document) {
  s->documents++;
  look_at(s, s->root, document, 1);
}

void sample_outline(mongo_sample *s, const bson_t *outline) {
  bson_iter_t at;
  bson_t entry;
  s->documents++;
  for (bool ok = bson_iter_init(&at, outline); ok && bson_iter_next(&at);) {
    const uint8_t *bytes = NULL;
    uint32_t length = 0;
    if (!BSON_ITER_HOLDS_DOCUMENT(&at)) continue;
    bson_iter_document(&at, &length, &bytes);
    if (!bson_init_static(&entry, bytes, length)) continue;
    const char *name = mongo_text(&entry, "k"), *type = mongo_text(&entry, "t");
    mongo_field *f = name && type ? sample_field(s, s->root, name, strlen(name)) : NULL;
    if (!f) continue;
    f->counts[slot_of(types_of_name(type))]++;
    if (strcmp(type, "object") == 0) f->whole = true;
  }
}

void sample_want(mongo_sample *s, const char *path) {
  mongo_field *f = s->root;
  while (f && *path) {
    size_t n = strcspn(path, ".");
    f = sample_field(s, f, path, n);
    path += n + (path[n] == '.');
  }
  if (f && f != s->root) f->wanted = true;
}

/* ---- fields to columns ----------------------------------------------------- */

static double count_of(const mongo_field *f) {
  double n = 0;
  for (int i = 0; i < MONGO_TYPES; i++) n += f->counts[i];
  return n;
}

static bool is_record(const mongo_field *f) {
  return f->first && f->n_children <= CHILDREN_MAX && !f->whole;
}

/* Whether the field has a column of its own beside its children's. */
static bool has_column(const mongo_field *f) {
  if (f->wanted || !is_record(f)) return true;
  double others = count_of(f) - f->counts[BSON_TYPE_DOCUMENT] - f->counts[BSON_TYPE_NULL] -
                  f->counts[BSON_TYPE_UNDEFINED];
  return others > 0;
}

/* A document that was there before its validator, or was written past it, shows
** what the declaration is worth. */
static bool is_believable(const mongo_field *f) {
  for (int i = 0; i < MONGO_TYPES; i++) {
    uint32_t bit = types_bit(type_of_slot(i));
    if (f->counts[i] > 0 && bit && !(f->declared & bit)) return false;
  }
  return f->declared != 0;
}

/* "int 940, string 60". */
static const char *seen_text(const mongo_field *f, arena *a) {
  buffer text = {0};
  for (int i = 0; i < MONGO_TYPES; i++) {
    if (f->counts[i] <= 0) continue;
    buffer_printf(&text, "%s%s %.0f", text.length ? ", " : "", types_name(type_of_slot(i)),
                  f->counts[i]);
  }
  const char *out = text.length ? arena_strdup(a, buffer_cstr(&text)) : NULL;
  buffer_free(&text);
  return out;
}

/* "int", or "int|string" of a field of mixed types. */
static const char *type_text(const mongo_field *f, arena *a) {
  buffer text = {0};
  if (f->declared_type) return arena_strdup(a, f->declared_type);
  for (int i = 0; i < MONGO_TYPES; i++) {
    if (f->counts[i] <= 0 || i == BSON_TYPE_NULL || i == BSON_TYPE_UNDEFINED) continue;
    buffer_printf(&text, "%s%s", text.length ? "|" : "", types_name(type_of_slot(i)));
  }
  const char *out = arena_strdup(a, text.length ? buffer_cstr(&text) : "unknown");
  buffer_free(&text);
  return out;
}

static void append_path(buffer *out, const mongo_field *f) {
  if (f->parent && f->parent->parent) {
    append_path(out, f->parent);
    buffer_char(out, '.');
  }
  buffer_append(out, f->name, f->length);
}

/* A double or decimal may be NaN, which is NULL. */
#define NEVER_NAN ((uint32_t)MONGO_ANY & ~(uint32_t)(MONGO_NUMBER | MONGO_DECIMAL))

/* The class of a field that a validator holds to one type. */
static type_class class_of(const mongo_field *f) {
  static const struct { const char *type; type_class klass;
  } classes[] = {{"int", CLASS_INT},      {"long", CLASS_INT},      {"int|long", CLASS_INT},
                 {"long|int", CLASS_INT}, {"bool", CLASS_BOOL},     {"string", CLASS_TEXT},
                 {"double", CLASS_FLOAT}, {"date", CLASS_TIMESTAMP}};
  for (size_t i = 0; f->declared && i < sizeof(classes) / sizeof(classes[0]); i++) {
    if (strcmp(f->declared_type, classes[i].type) == 0) return classes[i].klass;
  }
  return CLASS_MIXED;
}

typedef struct columns {
  mongo_sample *sample;
  catalog *out;
  relation *relation;
  bool comparable;             /* text compares by bytes here */
  bool digits;                 /* option numeric=text */
} columns;

static column *new_column(columns *x) {
  column *c = catalog_grow(x->out, &x->relation->columns, &x->relation->n_columns, sizeof(*c));
  if (c)
    *c =
      (column){.klass = CLASS_MIXED, .null_fraction = -1, .distinct = -1, .type_detail = MONGO_ANY};
  return c;
}

static bool add_column(columns *x, const mongo_field *f) {
  arena *a = &x->out->arena;
  buffer path = {0};
  column *c = new_column(x);
  if (!c) return false;
  append_path(&path, f);
  c->remote_name = path.failed ? NULL : arena_strndup(a, buffer_cstr(&path), path.length);
  size_t length = path.length;
  buffer_free(&path);
  c->remote_type = type_text(f, a);
  c->type_id = f->odd ? MONGO_NAME : MONGO_PATH;
  c->seen = seen_text(f, a);
  c->present = count_of(f);
  if (x->sample->documents > 0) {
    double nulls = x->sample->documents - c->present + f->counts[BSON_TYPE_NULL];
    c->null_fraction = nulls > 0 ? nulls / x->sample->documents : 0;
  }
  bool is_sayable = !f->odd && length <= MONGO_PATH_LENGTH;
  if (is_sayable) c->flags |= MONGO_SAYABLE;
  if (is_sayable && x->comparable) c->flags |= COLUMN_EQ_BYTES | COLUMN_ORDER_BYTES;
  if (!f->odd && is_believable(f)) {
    c->klass = class_of(f);
    c->distinct = distinct_of(f, x->sample->documents);
    c->type_detail = f->declared;
    bool never_nan = c->klass == CLASS_INT || !(f->declared & ~NEVER_NAN);
    bool present = c->present >= x->sample->documents && f->counts[BSON_TYPE_NULL] <= 0;
    if (!f->nullable && never_nan && present) c->flags |= COLUMN_NOT_NULL;
  }
  if (x->digits) c->type_detail |= MONGO_DIGITS;
  return c->remote_name != NULL;
}

/* The children of PARENT; ONLY_WANTED: it is a column itself, and only those that
** an option or a validator names are beside it. */
static bool add_columns(columns *x, const mongo_field *parent, bool only_wanted) {
  for (const mongo_field *f = parent->first; f; f = f->next) {
    if (f->odd && parent->parent) continue;
    if (x->relation->n_columns >= COLUMNS_MAX) return true;
    bool is_column = only_wanted ? f->wanted : has_column(f);
    if (is_column && !add_column(x, f)) return false;
    if (!add_columns(x, f, only_wanted || !is_record(f))) return false;
  }
  return true;
}

static bool add_hidden(columns *x, const char *name, uint32_t kind, const char *type) {
  column *c = new_column(x);
  if (!c) return false;
  c->remote_name = name;
  c->remote_type = type;
  c->klass = CLASS_TEXT;
  c->type_id = kind;
  c->flags = COLUMN_HIDDEN;
  return true;
}

bool sample_columns(mongo_sample *s, catalog *out, relation *r, const mongo_shape *shape,
                    tskdb_error *e) {
  columns x = {.sample = s, .out = out, .relation = r, .comparable = shape->comparable,
               .digits = shape->digits};
  r->sampled = s->documents;
  bool ok = !s->arena.failed && add_columns(&x, s->root, false) &&
            add_hidden(&x, "_doc", MONGO_DOCUMENT, "document");
  if (ok) r->columns[r->n_columns - 1].flags |= MONGO_WHOLE | (x.comparable ? COLUMN_ORDER_BYTES : 0);
  /* SQLite has no table without a column that is seen. */
  if (ok && r->n_columns == 1) r->columns[0].flags &= ~(uint32_t)COLUMN_HIDDEN;
  if (ok && shape->keyed) ok = add_hidden(&x, "_key", MONGO_KEY, "extended JSON");
  return ok && !out->arena.failed ? true : error_memory(e);
}
