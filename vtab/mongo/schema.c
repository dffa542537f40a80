/*
** schema.c - a collection's $jsonSchema validator to fields.
**
** A validator names fields, which are then columns whether or not a sample
** shows them.  One that is strict (level strict, action error: the defaults)
** also holds a field to its types: then it has a class, and comparisons over
** it can be exact.  A document that was there before its validator, or was
** written past it, is the server's owner's own doing.
*/
#include <string.h>

#include "vtab/mongo/mongo_driver.h"

enum { NESTED_MAX = 100 };

/* A schema's types. */
typedef struct type_list {
  uint32_t bits;               /* 0: any */
  bool null;                   /* null is among them */
  const char *text;            /* "int|string", without null */
} type_list;

static void add_type(type_list *t, const char *name, buffer *text, bool *unknown) {
  static const struct {
    const char *json, *bson;
  } json_names[] = {{"boolean", "bool"}, {"number", "number"}};
  for (size_t i = 0; i < sizeof(json_names) / sizeof(json_names[0]); i++) {
    if (strcmp(name, json_names[i].json) == 0) name = json_names[i].bson;
  }
  bson_type_t type = types_of_name(name);
  if (strcmp(name, "null") == 0) {
    t->null = true;
    return;
  }
  if (strcmp(name, "number") == 0) t->bits |= MONGO_NUMBER | MONGO_DECIMAL;
  else if (type == BSON_TYPE_MAXKEY || type == BSON_TYPE_UNDEFINED) *unknown = true;
  else t->bits |= types_bit(type);
  buffer_printf(text, "%s%s", text->length ? "|" : "", name);
}

/* "bsonType" or "type": a name or an array of names. */
static type_list read_types(mongo_sample *s, const bson_t *schema) {
  type_list t = {0};
  buffer text = {0};
  bson_iter_t at, name;
  bool unknown = false;
  bool found =
    bson_iter_init_find(&at, schema, "bsonType") || bson_iter_init_find(&at, schema, "type");
  if (found && BSON_ITER_HOLDS_UTF8(&at)) {
    add_type(&t, bson_iter_utf8(&at, NULL), &text, &unknown);
  } else if (found && BSON_ITER_HOLDS_ARRAY(&at) && bson_iter_recurse(&at, &name)) {
    while (bson_iter_next(&name)) {
      if (BSON_ITER_HOLDS_UTF8(&name)) add_type(&t, bson_iter_utf8(&name, NULL), &text, &unknown);
    }
  }
  if (unknown) t.bits = 0;
  t.text = text.length ? arena_strdup(&s->arena, buffer_cstr(&text)) : NULL;
  buffer_free(&text);
  return t;
}

static bool is_required(const bson_t *schema, const char *name) {
  bson_t list;
  bson_iter_t at;
  if (!mongo_part(schema, "required", &list) || !bson_iter_init(&at, &list)) return false;
  while (bson_iter_next(&at)) {
    if (BSON_ITER_HOLDS_UTF8(&at) && strcmp(bson_iter_utf8(&at, NULL), name) == 0) return true;
  }
  return false;
}

/* Where in the validator we are. */
typedef struct place {
  mongo_field *parent;
  bool strict; /* the parent is a document in every document, as far as it is there */
  bool certain;                /* and it is there */
  int level;
} place;

static void read_properties(mongo_sample *s, const bson_t *schema, place p);

static void read_property(mongo_sample *s, const char *name, const bson_t *schema, bool required,
                          place p) {
  mongo_field *f = sample_field(s, p.parent, name, strlen(name));
  bson_t properties;
  if (!f || (f->odd && p.parent->parent)) return;
  type_list t = read_types(s, schema);
  bool certain = p.certain && required && !t.null;
  if (p.strict && t.bits && t.text) {
    f->declared = t.bits;
    f->declared_type = t.text;
    f->nullable = !certain;
  }
  bool apart = !f->odd && p.level < s->depth && p.level < NESTED_MAX &&
               mongo_part(schema, "properties", &properties);
  if (!apart) {
    f->wanted = true;
    return;
  }
  bool strict = p.strict && t.bits == MONGO_OBJECT && strcmp(t.text, "object") == 0;
  read_properties(s, schema, (place){f, strict, certain, p.level + 1});
}

static void read_properties(mongo_sample *s, const bson_t *schema, place p) {
  bson_t properties, one;
  bson_iter_t at;
  if (!mongo_part(schema, "properties", &properties) || !bson_iter_init(&at, &properties)) return;
  while (bson_iter_next(&at)) {
    const uint8_t *bytes = NULL;
    uint32_t length = 0;
    if (!BSON_ITER_HOLDS_DOCUMENT(&at)) continue;
    bson_iter_document(&at, &length, &bytes);
    if (!bson_init_static(&one, bytes, length)) continue;
    const char *name = bson_iter_key(&at);
    read_property(s, name, &one, is_required(schema, name), p);
  }
}

static bool is_word(const bson_t *options, const char *key, const char *wanted) {
  const char *given = mongo_text(options, key);
  return !given || strcmp(given, wanted) == 0;
}

void schema_read(mongo_sample *s, const bson_t *options) {
  bson_t validator, schema;
  bson_iter_t at;
  /* "$jsonSchema" is no component of a dotted path that could be found by one. */
  if (!mongo_part(options, "validator", &validator) ||
      !bson_iter_init_find(&at, &validator, "$jsonSchema"))
    return;
  const uint8_t *bytes = NULL;
  uint32_t length = 0;
  if (!BSON_ITER_HOLDS_DOCUMENT(&at)) return;
  bson_iter_document(&at, &length, &bytes);
  if (!bson_init_static(&schema, bytes, length)) return;
  bool strict =
    is_word(options, "validationLevel", "strict") && is_word(options, "validationAction", "error");
  read_properties(s, &schema, (place){s->root, strict, true, 1});
}
