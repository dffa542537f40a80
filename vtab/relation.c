/*
** relation.c - from what a server has to what SQLite sees: names,
** declarations, the identity of rows.
**
** Names of relations: a plain relation has its bare name, unless another plain
** one has the same without regard to ASCII case or it begins with "sqlite_";
** every other one is "schema.name".  A name that is taken even so makes the
** relation unusable, with that reason.  Unusable relations take no names away.
**
** Names of columns: a name that stood before gets ":1", ":2", … as SQLite
** itself does it for the columns of a query.
**
** Declared types: the server's own spelling where SQLite's grammar takes it
** and derives the affinity of the column's class from it, else a plain name.
**
** Identity: the primary key, else the unique index over NOT NULL columns with
** the fewest columns, provided that different keys of the server are
** different values in SQLite.
*/
#include "vtab/relation.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "vtab/buffer.h"
#include "vtab/memory.h"
#include "vtab/sqlite.h"

enum {
  COLUMNS_MAX = 2000,            /* SQLITE_MAX_COLUMN as everybody compiles it */
  GROW_MIN = 4
};

/*
** Text without regard to ASCII case, as SQLite compares names
*/
static unsigned char lower(char c) {
  return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool same_name(const char *a, const char *b) {
  for (; lower(*a) == lower(*b); a++, b++)
    if (*a == 0) return true;
  return false;
}

static bool starts_with(const char *text, const char *prefix) {
  for (; *prefix; text++, prefix++)
    if (lower(*text) != *prefix) return false;
  return true;
}

/*
** A set of names, ASCII case ignored
*/
typedef struct name_entry {
  const char *name;              /* NULL: free */
  int count;                     /* how often it was added */
} name_entry;

typedef struct name_set {
  name_entry *entries;           /* open addressing, never more than half full */
  size_t size;                   /* a power of two */
} name_set;

static bool name_set_init(name_set *s, int n) {
  s->size = 16;
  while (s->size / 2 < (size_t)n) s->size *= 2;
  s->entries = mem_zalloc(s->size * sizeof *s->entries);
  return s->entries != NULL;
}

static void name_set_free(name_set *s) {
  mem_free(s->entries);
}

/* The entry of NAME, or the free one where it belongs. */
static name_entry *name_set_entry(const name_set *s, const char *name) {
  uint32_t hash = 2166136261u;
  for (const char *p = name; *p; p++) hash = (hash ^ lower(*p)) * 16777619u;
  size_t i = hash & (s->size - 1);
  while (s->entries[i].name && !same_name(s->entries[i].name, name)) i = (i + 1) & (s->size - 1);
  return &s->entries[i];
}

static bool name_set_has(const name_set *s, const char *name) {
  return name_set_entry(s, name)->name != NULL;
}

/* NAME is borrowed. */
static void name_set_add(name_set *s, const char *name) {
  name_entry *entry = name_set_entry(s, name);
  if (entry->name == NULL) entry->name = name;
  entry->count++;
}

/*
** The catalog
*/
catalog *catalog_new(void) {
  catalog *c = mem_zalloc(sizeof *c);
  if (c == NULL) return NULL;
  arena_init(&c->arena);
  atomic_init(&c->references, 1);
  return c;
}

void catalog_retain(catalog *c) {
  atomic_fetch_add(&c->references, 1);
}

void catalog_release(catalog *c) {
  if (c == NULL || atomic_fetch_sub(&c->references, 1) > 1) return;
  arena_free(&c->arena);
  mem_free(c);
}

/* Room is always a power of two, so that *n alone tells when the array is full. */
void *catalog_grow(catalog *c, void *array, int *n, size_t size) {
  char *elements;
  memcpy(&elements, array, sizeof elements);
  size_t count = (size_t)*n;
  bool full = count == 0 || (count >= GROW_MIN && (count & (count - 1)) == 0);
  if (full) {
    size_t room = count ? count * 2 : GROW_MIN;
    if (*n > INT32_MAX / 2 || room > SIZE_MAX / size) return NULL;
    char *larger = arena_alloc(&c->arena, room * size);
    if (larger == NULL) return NULL;
    if (count) memcpy(larger, elements, count * size);
    elements = larger;
    memcpy(array, &elements, sizeof elements);
  }
  *n += 1;
  return elements + count * size;
}

native_text catalog_native(catalog *c, const native_text *t) {
  const char **words = arena_alloc(&c->arena, (size_t)(t->n_words + 1) * sizeof *words);
  for (int i = 0; words && i < t->n_words; i++) words[i] = arena_strdup(&c->arena, t->words[i]);
  return (native_text){.words = words, .n_words = c->arena.failed ? 0 : t->n_words};
}

/*
** Names of relations
*/
static bool has_sqlite_prefix(const char *name) {
  return starts_with(name, "sqlite_");
}

/* "schema.name", or the bare name where there is no schema. */
static const char *qualified_name(catalog *c, const relation *r) {
  if (r->remote_schema == NULL) return r->remote_name;
  return arena_printf(&c->arena, "%s.%s", r->remote_schema, r->remote_name);
}

static bool is_text(const char *name) {
  return value_is_utf8(name, strlen(name));
}

/* Why R cannot be a table, as far as R alone tells. */
static const char *find_fault(catalog *c, const relation *r) {
  const char *schema = r->remote_schema ? r->remote_schema : "";
  if (r->unusable) return r->unusable;
  if (r->n_columns <= 0) return "it has no columns";
  if (r->n_columns > COLUMNS_MAX)
    return arena_printf(&c->arena, "it has %d columns; SQLite takes %d", r->n_columns, COLUMNS_MAX);
  if (!is_text(r->remote_name) || !is_text(schema)) return "its name is not valid UTF-8";
  for (int i = 0; i < r->n_columns; i++) {
    const char *name = r->columns[i].remote_name;
    if (name && !is_text(name))
      return arena_printf(&c->arena, "the name of its column %d is not valid UTF-8", i + 1);
  }
  return NULL;
}

/* Gives R the qualified name, or the reason why it cannot have it. */
static void qualify(catalog *c, relation *r, name_set *taken) {
  r->name = qualified_name(c, r);
  if (r->name == NULL || r->unusable) return;
  const char *other = name_set_entry(taken, r->name)->name;
  if (has_sqlite_prefix(r->name))
    r->unusable = "names that begin with sqlite_ are SQLite's own";
  else if (other && strcmp(other, r->name) == 0)
    r->unusable = "another relation has the same name";
  else if (other)
    r->unusable = arena_printf(&c->arena, "its name differs from \"%s\" only in case", other);
  else
    name_set_add(taken, r->name);
}

static bool name_relations(catalog *c) {
  name_set plain = {0}, taken = {0};
  bool ok = name_set_init(&plain, c->n_relations) && name_set_init(&taken, c->n_relations);
  for (int i = 0; ok && i < c->n_relations; i++) {
    relation *r = &c->relations[i];
    if (r->remote_name == NULL) r->remote_name = "";
    r->name = NULL;
    r->unusable = find_fault(c, r);
    if (r->plain && !r->unusable) name_set_add(&plain, r->remote_name);
  }
  for (int i = 0; ok && i < c->n_relations; i++) {
    relation *r = &c->relations[i];
    if (!r->plain || has_sqlite_prefix(r->remote_name)) continue;
    if (!r->unusable && name_set_entry(&plain, r->remote_name)->count > 1) continue;
    r->name = r->remote_name;
    if (!r->unusable) name_set_add(&taken, r->name);
  }
  for (int i = 0; ok && i < c->n_relations; i++)
    if (c->relations[i].name == NULL) qualify(c, &c->relations[i], &taken);
  name_set_free(&plain);
  name_set_free(&taken);
  return ok;
}

/*
** Names of columns
*/

/* Appends a free variant of NAME to the empty buffer: "stem:1", "stem:2", …
** where the stem is NAME without such an ending of its own. */
static void free_variant(const name_set *names, const char *name, buffer *out) {
  size_t stem = strlen(name), i = stem;
  while (i > 1 && name[i - 1] >= '0' && name[i - 1] <= '9') i--;
  if (i > 0 && i < stem && name[i - 1] == ':') stem = i - 1;
  for (int number = 1; !out->failed; number++) {
    buffer_clear(out);
    buffer_append(out, name, stem);
    buffer_printf(out, ":%d", number);
    if (!name_set_has(names, buffer_cstr(out))) return;
  }
}

static bool name_columns(catalog *c, relation *r) {
  name_set names;
  buffer variant = {0};
  bool ok = name_set_init(&names, r->n_columns);
  for (int i = 0; ok && i < r->n_columns; i++) {
    const char *name = r->columns[i].remote_name;
    if (name == NULL || *name == 0) name = arena_printf(&c->arena, "column%d", i + 1);
    if (name && name_set_has(&names, name)) {
      free_variant(&names, name, &variant);
      name = variant.failed ? NULL : arena_strdup(&c->arena, buffer_cstr(&variant));
    }
    ok = name != NULL;
    if (ok) name_set_add(&names, name);
    r->columns[i].name = name;
  }
  buffer_free(&variant);
  name_set_free(&names);
  return ok;
}

/*
** Declared types
*/

/* SQLite's rule (sqlite3AffinityType): which of these stand anywhere in the
** type; INT beats all, then text, then BLOB, then REAL. */
static affinity type_affinity(const char *type) {
  static const struct { const char *part; affinity affinity; int rank; } rules[] = {
      {"int", AFFINITY_INTEGER, 4}, {"char", AFFINITY_TEXT, 3}, {"clob", AFFINITY_TEXT, 3},
      {"text", AFFINITY_TEXT, 3},   {"blob", AFFINITY_BLOB, 2}, {"real", AFFINITY_REAL, 1},
      {"floa", AFFINITY_REAL, 1},   {"doub", AFFINITY_REAL, 1}};
  affinity result = AFFINITY_NUMERIC;
  int rank = 0;
  for (; *type; type++) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
      if (rules[i].rank <= rank || !starts_with(type, rules[i].part)) continue;
      rank = rules[i].rank;
      result = rules[i].affinity;
    }
  }
  return result;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
  return (lower(c) >= 'a' && lower(c) <= 'z') || c == '_';
}

/* Whether WORD can stand unquoted in a type: no keyword, and not the one that hides a column. */
static bool is_type_word(const char *word, size_t length) {
  return !sqlite3_keyword_check(word, (int)length) && !(length == 6 && starts_with(word, "hidden"));
}

static const char *skip_number(const char *p) {
  while (*p == ' ') p++;
  while (is_digit(*p)) p++;
  while (*p == ' ') p++;
  return p;
}

/* SQLite's grammar: words, then perhaps one or two numbers in parentheses, and nothing behind. */
static bool is_type_name(const char *type) {
  const char *p = type;
  while (is_letter(*p)) {
    const char *word = p;
    while (is_letter(*p) || is_digit(*p)) p++;
    if (p - word > 128 || !is_type_word(word, (size_t)(p - word))) return false;
    while (*p == ' ') p++;
  }
  if (p == type || *p == 0) return p > type;
  if (*p != '(' || !is_digit(p[1])) return false;
  p = skip_number(p + 1);
  if (*p == ',') {
    if (!is_digit(p[1 + strspn(p + 1, " ")])) return false;
    p = skip_number(p + 1);
  }
  return *p == ')' && p[1] == 0;
}

static const char *declared_type(const column *c) {
  static const char *const plain[] = {
      [AFFINITY_BLOB] = "BLOB",       [AFFINITY_TEXT] = "TEXT", [AFFINITY_NUMERIC] = "NUMERIC",
      [AFFINITY_INTEGER] = "INTEGER", [AFFINITY_REAL] = "REAL"};
  affinity wanted = value_class_affinity(c->klass);
  const char *remote = c->remote_type;
  if (remote && type_affinity(remote) == wanted && is_type_name(remote)) return remote;
  return plain[wanted];
}

/*
** Identity of rows
*/

/* Classes whose different values on the server are different values in SQLite. */
static const bool keeps_apart[CLASS_COUNT] = {
    [CLASS_BOOL] = true,    [CLASS_INT] = true,          [CLASS_YEAR] = true,
    [CLASS_BIT] = true,     [CLASS_DECIMAL] = true,      [CLASS_NUMERIC_TEXT] = true,
    [CLASS_TEXT] = true,    [CLASS_CHAR] = true,         [CLASS_ENUM] = true,
    [CLASS_UUID] = true,    [CLASS_DATE] = true,         [CLASS_TIME] = true,
    [CLASS_TIMESTAMP] = true, [CLASS_TIMESTAMPTZ] = true, [CLASS_BYTES] = true};

static bool is_identity(const relation *r, const relation_index *index) {
  if (index->partial || index->n_columns <= 0 || !(index->unique || index->primary)) return false;
  /* The hidden column of a composite key needs room as well. */
  if (index->n_columns > 1 && r->n_columns >= COLUMNS_MAX) return false;
  for (int i = 0; i < index->n_columns; i++) {
    int number = index->columns[i];
    if (number < 0 || number >= r->n_columns) return false;
    const column *c = &r->columns[number];
    if (!keeps_apart[c->klass]) return false;
    if (!index->primary && !(c->flags & COLUMN_NOT_NULL)) return false;
  }
  return true;
}

static bool is_integer_key(const relation *r, const relation_index *index) {
  if (index->n_columns != 1) return false;
  const column *c = &r->columns[index->columns[0]];
  return c->klass == CLASS_INT && !(c->flags & COLUMN_ANY_BYTES);
}

/* The less the better: primary, then few columns, then an integer. */
static int identity_cost(const relation *r, const relation_index *index) {
  return index->primary ? 0 : index->n_columns * 2 - is_integer_key(r, index);
}

static void choose_identity(relation *r) {
  if (r->n_key) return;      /* the driver knows better */
  const relation_index *best = NULL;
  for (int i = 0; i < r->n_indexes; i++) {
    const relation_index *index = &r->indexes[i];
    if (!is_identity(r, index)) continue;
    if (best == NULL || identity_cost(r, index) < identity_cost(r, best)) best = index;
  }
  r->key = best ? best->columns : NULL;
  r->n_key = best ? best->n_columns : 0;
  r->key_is_rowid = best && is_integer_key(r, best);
}

bool catalog_finish(catalog *c, tskdb_error *e) {
  bool ok = name_relations(c);
  for (int i = 0; ok && i < c->n_relations; i++) {
    relation *r = &c->relations[i];
    ok = name_columns(c, r);
    for (int k = 0; k < r->n_columns; k++) r->columns[k].declared = declared_type(&r->columns[k]);
    choose_identity(r);
  }
  return (ok && !c->arena.failed) || error_memory(e);
}

/*
** Looking up
*/

/* Whether NAME is "schema.name" of R in the server's words. */
static bool is_remote_name(const relation *r, const char *name, bool exact) {
  const char *schema = r->remote_schema, *rest = name;
  if (schema == NULL) return false;
  for (; *schema; schema++, rest++)
    if (exact ? *schema != *rest : lower(*schema) != lower(*rest)) return false;
  if (*rest++ != '.') return false;
  return exact ? strcmp(rest, r->remote_name) == 0 : same_name(rest, r->remote_name);
}

const relation *catalog_find(const catalog *c, const char *name) {
  enum { EXACT, EXACT_REMOTE, ANY_CASE, ANY_CASE_REMOTE, N_WAYS };
  for (int way = EXACT; way < N_WAYS; way++) {
    const relation *unusable = NULL;
    for (int i = 0; i < c->n_relations; i++) {
      const relation *r = &c->relations[i];
      bool found = way == EXACT      ? strcmp(r->name, name) == 0
                   : way == ANY_CASE ? same_name(r->name, name)
                                     : is_remote_name(r, name, way == EXACT_REMOTE);
      if (found && !r->unusable) return r;
      if (found && !unusable) unusable = r;
    }
    if (unusable) return unusable;
  }
  return NULL;
}

const char *relation_kind_name(relation_kind kind) {
  static const char *const names[] = {
      [RELATION_TABLE] = "table",
      [RELATION_PARTITIONED] = "partitioned table",
      [RELATION_VIEW] = "view",
      [RELATION_MATERIALIZED] = "materialized view",
      [RELATION_FOREIGN] = "foreign table",
      [RELATION_TIMESERIES] = "time series",
      [RELATION_QUERY] = "query"};
  return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

/*
** Declaring
*/
int relation_key_column(const relation *r) {
  return r->n_key > 1 ? r->n_columns : -1;
}

/* "_key", or "_key_1", … if a column has that name. */
static void declare_hidden_key(const relation *r, char *out, size_t size) {
  bool collides = true;
  snprintf(out, size, "_key");
  for (int number = 1; collides; number++) {
    collides = false;
    for (int i = 0; i < r->n_columns && !collides; i++)
      collides = same_name(r->columns[i].name, out);
    if (collides) snprintf(out, size, "_key_%d", number);
  }
}

void relation_declare(const relation *r, struct buffer *out) {
  char hidden[32];
  buffer_text(out, "CREATE TABLE x(");
  for (int i = 0; i < r->n_columns; i++) {
    if (i) buffer_text(out, ", ");
    buffer_quoted(out, r->columns[i].name, '"');
    buffer_char(out, ' ');
    buffer_text(out, r->columns[i].declared);
    if (r->columns[i].flags & COLUMN_HIDDEN) buffer_text(out, " HIDDEN");
  }
  if (r->n_key > 1) {
    declare_hidden_key(r, hidden, sizeof hidden);
    buffer_printf(out, ", \"%s\" TEXT HIDDEN, PRIMARY KEY(\"%s\")) WITHOUT ROWID", hidden, hidden);
  } else if (r->n_key == 1 && !r->key_is_rowid) {
    buffer_text(out, ", PRIMARY KEY(");
    buffer_quoted(out, r->columns[r->key[0]].name, '"');
    buffer_text(out, ")) WITHOUT ROWID");
  } else {
    buffer_char(out, ')');
  }
}
