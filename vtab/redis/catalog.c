/*
** catalog.c - the relations: those that every server has, and a family for
** each template of keys.
**
** Keys, fields, members and values are bytes: declared TEXT, and a value that
** is no UTF-8 arrives as BLOB, which a TEXT column of SQLite holds as it is.
** A family's key part is INTEGER if all that were sampled are.  A family's
** field is TEXT, or, if all that were sampled are numbers, declared so that
** SQLite converts nothing: another value may stand in it at any time, and then
** arrives as the text that it is.
*/
#include <string.h>
#include <strings.h>

#include "vtab/memory.h"
#include "vtab/redis/redis_driver.h"

enum {
  MAX_FAMILY_FIELDS = 1900,    /* SQLite takes 2,000 columns */
  FIELD_SHARE = 100            /* one sampled key in so many has it */
};

#define ELEMENTS_GUESS 10.0    /* elements of a list, set, … where nobody has counted */

#define BYTES (COLUMN_NOT_NULL | COLUMN_ANY_BYTES)

static const struct generic_column {
  redis_table table;
  const char *name, *type;
  type_class klass;
  uint32_t flags;
  redis_attribute what;
} generic_columns[] = {
  {TABLE_KEYS, "key", "TEXT", CLASS_TEXT, BYTES | REDIS_IS_KEY, ATTRIBUTE_KEY},
  {TABLE_KEYS, "type", "TEXT", CLASS_TEXT, COLUMN_NOT_NULL | REDIS_IS_TYPE, ATTRIBUTE_TYPE},
  {TABLE_KEYS, "ttl_ms", "INTEGER", CLASS_INT, 0, ATTRIBUTE_TTL},
  {TABLE_KEYS, "encoding", "TEXT", CLASS_TEXT, 0, ATTRIBUTE_ENCODING},
  {TABLE_KEYS, "bytes", "INTEGER", CLASS_INT, 0, ATTRIBUTE_BYTES},
  {TABLE_STRINGS, "key", "TEXT", CLASS_TEXT, BYTES | REDIS_IS_KEY, ATTRIBUTE_KEY},
  {TABLE_STRINGS, "value", "TEXT", CLASS_TEXT, BYTES, ATTRIBUTE_VALUE},
  {TABLE_STRINGS, "ttl_ms", "INTEGER", CLASS_INT, 0, ATTRIBUTE_TTL},
  {TABLE_HASHES, "key", "TEXT", CLASS_TEXT, BYTES | REDIS_IS_KEY, ATTRIBUTE_KEY},
  {TABLE_HASHES, "field", "TEXT", CLASS_TEXT, BYTES | REDIS_IS_ELEMENT, ATTRIBUTE_ELEMENT},
  {TABLE_HASHES, "value", "TEXT", CLASS_TEXT, BYTES, ATTRIBUTE_VALUE},
  {TABLE_LISTS, "key", "TEXT", CLASS_TEXT, BYTES | REDIS_IS_KEY, ATTRIBUTE_KEY},
  {TABLE_LISTS, "idx", "INTEGER", CLASS_INT, COLUMN_NOT_NULL | REDIS_IS_INDEX, ATTRIBUTE_INDEX},
  {TABLE_LISTS, "value", "TEXT", CLASS_TEXT, BYTES, ATTRIBUTE_VALUE},
  {TABLE_SETS, "key", "TEXT", CLASS_TEXT, BYTES | REDIS_IS_KEY, ATTRIBUTE_KEY},
  {TABLE_SETS, "member", "TEXT", CLASS_TEXT, BYTES | REDIS_IS_ELEMENT, ATTRIBUTE_ELEMENT},
  {TABLE_ZSETS, "key", "TEXT", CLASS_TEXT, BYTES | REDIS_IS_KEY, ATTRIBUTE_KEY},
  {TABLE_ZSETS, "member", "TEXT", CLASS_TEXT, BYTES | REDIS_IS_ELEMENT, ATTRIBUTE_ELEMENT},
  {TABLE_ZSETS, "score", "REAL", CLASS_FLOAT, COLUMN_NOT_NULL | COLUMN_WITHIN_KEY | REDIS_IS_SCORE,
   ATTRIBUTE_SCORE},
  {TABLE_STREAMS, "key", "TEXT", CLASS_TEXT, BYTES | REDIS_IS_KEY, ATTRIBUTE_KEY},
  {TABLE_STREAMS, "id", "TEXT", CLASS_TEXT, COLUMN_NOT_NULL | REDIS_IS_ID, ATTRIBUTE_ELEMENT},
  {TABLE_STREAMS, "fields", "TEXT", CLASS_TEXT, COLUMN_NOT_NULL, ATTRIBUTE_FIELDS},
};

static const struct generic_table {
  const char *name;
  redis_table table;
  int key_columns;             /* the first ones, which tell rows apart */
} generic_tables[] = {
  {"keys", TABLE_KEYS, 1}, {"strings", TABLE_STRINGS, 1}, {"hashes", TABLE_HASHES, 2},
  {"lists", TABLE_LISTS, 2}, {"sets", TABLE_SETS, 2}, {"zsets", TABLE_ZSETS, 2},
  {"streams", TABLE_STREAMS, 2},
};

enum {
  N_GENERIC_COLUMNS = sizeof(generic_columns) / sizeof(generic_columns[0]),
  N_GENERIC_TABLES = sizeof(generic_tables) / sizeof(generic_tables[0])
};

void redis_introduce(const redis_connection *c, catalog *out) {
  out->product = c->product;
  out->version = c->base.version;
  out->server_version = arena_strdup(&out->arena, c->server_version);
}

column *redis_add_column(catalog *out, relation *r, const char *name, const char *type,
                         type_class klass, uint32_t flags, redis_attribute what) {
  column *c = catalog_grow(out, &r->columns, &r->n_columns, sizeof(*c));
  if (!c) return NULL;
  *c = (column){.remote_name = name, .remote_type = type, .klass = klass, .flags = flags,
                .type_id = what, .null_fraction = flags & COLUMN_NOT_NULL ? 0 : -1, .distinct = -1};
  return c;
}

static relation *add_relation(catalog *out, const char *name, redis_table table) {
  relation *r = catalog_grow(out, &out->relations, &out->n_relations, sizeof(*r));
  if (!r) return NULL;
  *r = (relation){.remote_name = name, .remote_id = table, .plain = true, .kind = RELATION_TABLE,
                  .rows = -1, .bytes = -1};
  return r;
}

/* The first N columns are the key. */
static bool add_key(catalog *out, relation *r, int n) {
  relation_index *x = catalog_grow(out, &r->indexes, &r->n_indexes, sizeof(*x));
  int *columns = arena_alloc(&out->arena, (size_t)n * sizeof(*columns));
  if (!x || !columns) return false;
  for (int i = 0; i < n; i++) columns[i] = i;
  *x = (relation_index){
      .name = "key", .columns = columns, .n_columns = n, .unique = true, .primary = true};
  return true;
}

/* ---- what every server has ----------------------------------------------- */

/* How many of the database's keys are of this table, by the sample. */
static double count_keys(const redis_sample *s, redis_table table) {
  if (table == TABLE_KEYS) return s->database_keys;
  return s->keys ? s->database_keys * s->of_type[table] / s->keys : 0;
}

static bool add_generic(catalog *out, const struct generic_table *g, const redis_sample *s) {
  relation *r = add_relation(out, g->name, g->table);
  if (!r) return false;
  double keys = count_keys(s, g->table);
  r->rows = g->key_columns == 1 ? keys : keys * ELEMENTS_GUESS;
  for (int i = 0; i < N_GENERIC_COLUMNS; i++) {
    const struct generic_column *k = &generic_columns[i];
    if (k->table != g->table) continue;
    column *c = redis_add_column(out, r, k->name, k->type, k->klass, k->flags, k->what);
    if (!c) return false;
    if (k->what == ATTRIBUTE_KEY) c->distinct = keys;
  }
  return add_key(out, r, g->key_columns);
}

/* ---- families ------------------------------------------------------------ */

/* A name that none has yet. */
static const char *family_name(catalog *out, const redis_template *t) {
  const char *name = redis_template_table(t, &out->arena);
  for (int i = 0; name && i < out->n_relations; i++) {
    if (strcasecmp(out->relations[i].remote_name, name) == 0)
      return redis_template_text(t, &out->arena);
  }
  return name;
}

/* "user.email" names a field of the family "user". */
static const char *asked_field(const char *asked, const char *family) {
  size_t n = strlen(family);
  return strncmp(asked, family, n) == 0 && asked[n] == '.' && asked[n + 1] ? asked + n + 1 : NULL;
}

static bool add_named(catalog *out, relation *r, const redis_field *f, int keys) {
  bool number = f && f->present > 0 && f->numbers == f->present;
  const char *name = arena_strdup(&out->arena, f->name);
  column *c = redis_add_column(out, r, name, number ? "number" : "TEXT",
                               number ? CLASS_MIXED : CLASS_TEXT, number ? 0 : COLUMN_ANY_BYTES,
                               ATTRIBUTE_NAMED);
  if (!c) return false;
  c->type_detail = number ? DECODE_NUMBER : DECODE_BYTES;
  c->present = f->present;
  c->seen = arena_printf(&out->arena, "number %d, text %d", f->numbers, f->present - f->numbers);
  if (keys > 0) c->null_fraction = 1 - (double)f->present / keys;
  return c->seen != NULL;
}

static bool has_column(const relation *r, const char *name) {
  for (int i = 0; i < r->n_columns; i++) {
    if (r->columns[i].type_id == ATTRIBUTE_NAMED && strcmp(r->columns[i].remote_name, name) == 0)
      return true;
  }
  return false;
}

/* Fields that are often enough there, by name, then those that were asked for. */
static bool add_fields(catalog *out, relation *r, const redis_family *f, const discovery *want) {
  int least = (f->keys + FIELD_SHARE - 1) / FIELD_SHARE;
  for (int i = 0; i < f->n_fields && r->n_columns < MAX_FAMILY_FIELDS; i++) {
    if (f->fields[i].present >= least && !add_named(out, r, &f->fields[i], f->keys)) return false;
  }
  for (int i = 0; i < want->n_columns; i++) {
    const char *name = asked_field(want->columns[i], r->remote_name);
    if (!name || has_column(r, name) || r->n_columns >= MAX_FAMILY_FIELDS) continue;
    redis_field unseen = {.name = name, .length = strlen(name)};
    for (int k = 0; k < f->n_fields; k++) {
      if (strcmp(f->fields[k].name, name) == 0) unseen = f->fields[k];
    }
    if (!add_named(out, r, &unseen, f->keys)) return false;
  }
  return true;
}

static bool add_family(catalog *out, const redis_family *f, const redis_sample *s,
                       const discovery *want) {
  const redis_template *t = &f->form;
  relation *r = add_relation(out, family_name(out, t), TABLE_FAMILY);
  if (!r || !r->remote_name) return false;
  bool digits = f->keys > 0 && f->digits == f->keys;
  r->native = catalog_native(
      out,
      &(native_text){.words = (const char *const[]){t->prefix, t->name, t->suffix}, .n_words = 3});
  r->sampled = f->keys;
  r->rows = s->hashes ? count_keys(s, TABLE_HASHES) * f->keys / s->hashes : 0;
  column *key = redis_add_column(out, r, r->native.words[1], digits ? "INTEGER" : "TEXT",
                                 digits ? CLASS_INT : CLASS_TEXT, BYTES | REDIS_IS_KEY,
                                 ATTRIBUTE_KEY);
  if (!key) return false;
  key->type_detail = digits ? DECODE_DIGITS : DECODE_BYTES;
  key->distinct = r->rows;
  key->present = f->keys;
  key->seen = arena_printf(&out->arena, "integer %d, text %d", f->digits, f->keys - f->digits);
  return add_fields(out, r, f, want) &&
         redis_add_column(out, r, "ttl_ms", "INTEGER", CLASS_INT, 0, ATTRIBUTE_TTL) &&
         add_key(out, r, 1);
}

/* ---- discovery ----------------------------------------------------------- */

static bool fill(catalog *out, const redis_sample *s, const discovery *want) {
  for (int i = 0; i < N_GENERIC_TABLES; i++) {
    if (!add_generic(out, &generic_tables[i], s)) return false;
  }
  for (int i = 0; i < s->n_families; i++) {
    const redis_family *f = &s->families[i];
    if ((f->asked || f->keys > 0) && !add_family(out, f, s, want)) return false;
  }
  return !out->arena.failed;
}

bool redis_driver_discover(connection *base, const discovery *want, const wait_scope *w,
                           catalog *out, tskdb_error *e) {
  redis_connection *c = (redis_connection *)base;
  arena a = {0};
  redis_sample s = {.arena = &a};
  redis_introduce(c, out);
  bool ok = redis_sample_take(c, want, w, &s, e);
  ok = ok && (fill(out, &s, want) || error_memory(e)) && catalog_finish(out, e);
  for (int i = 0; i < s.n_families; i++) mem_free(s.families[i].fields);
  mem_free(s.families);
  arena_free(&a);
  return ok;
}
