/*
** options.c - the JSON object that tskdb_attach() takes.
**
** The options are one table: key, kind, bounds, where the value goes.  The
** code that reads and the code that prints both walk it, so that
** tskdb_servers shows what tskdb_attach() understood.
**
** JSON is parsed by the host's own SQLite (json_each), so that there is no
** second opinion on what JSON is.  Nothing stays prepared.
*/
#include "federation/options.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/buffer.h"

typedef enum option_kind {
  OPTION_VERSION,            /* must be OPTIONS_VERSION */
  OPTION_BOOL,               /* true, false, "on", "off" */
  OPTION_TEXT_OR_REAL,       /* "text" is true, "real" false */
  OPTION_INT,                /* least..most */
  OPTION_LIST,               /* a text or an array of texts */
  OPTION_PUSHDOWN            /* OPTION_BOOL, or the tables for which it is off */
} option_kind;

typedef struct option {
  const char *name;
  option_kind kind;
  size_t offset;             /* of the value in struct options */
  int initial, least, most;
  bool for_sqlite;           /* has a meaning for a SQLite file */
  const char *valid;         /* what is valid, for messages */
} option;

enum { OPTIONS_VERSION = 1 };

#define AT(field) offsetof(options, field)
static const option table[] = {
  {"tables", OPTION_LIST, AT(tables), 0, 0, 0, false, "a glob or an array of globs, \"!glob\" leaves out"},
  {"schemas", OPTION_LIST, AT(schemas), 0, 0, 0, false, "a schema or an array of schemas"},
  {"numeric", OPTION_TEXT_OR_REAL, AT(numeric_text), 0, 0, 1, false, "\"real\" or \"text\""},
  {"unsigned", OPTION_TEXT_OR_REAL, AT(unsigned_text), 0, 0, 1, false, "\"real\" or \"text\""},
  {"sample", OPTION_INT, AT(sample), 0, 0, 1000000, false,
   "documents or keys, 1 to 1000000, 0 for the driver's default"},
  {"depth", OPTION_INT, AT(depth), 0, 0, 100, false, "levels, 1 to 100, 0 for the driver's default"},
  {"columns", OPTION_LIST, AT(columns), 0, 0, 0, false,
   "\"table.field\" or an array of them"},
  {"families", OPTION_LIST, AT(families), 0, 0, 0, false,
   "a template of keys like \"user:<id>\" or an array of them"},
  {"pushdown", OPTION_PUSHDOWN, AT(pushdown), 1, 0, 1, false,
   "true, false, \"on\", \"off\", or an array of globs of the tables for which it is off"},
  {"bulk", OPTION_BOOL, AT(bulk), 1, 0, 1, false, "true or false"},
  {"prefetch", OPTION_BOOL, AT(prefetch), 1, 0, 1, false, "true or false"},
  {"batch_keys", OPTION_BOOL, AT(batch_keys), 1, 0, 1, false, "true or false"},
  {"fetch_whole", OPTION_BOOL, AT(fetch_whole), 1, 0, 1, false, "true or false"},
  {"overlap", OPTION_BOOL, AT(overlap), 1, 0, 1, false, "true or false"},
  {"run_lengths", OPTION_BOOL, AT(run_lengths), 1, 0, 1, false, "true or false"},
  {"residual_rows", OPTION_INT, AT(residual_rows), 1000, -1, 1000000000, false,
   "rows of a table, 0 to 1000000000, -1 for never"},
  {"memory", OPTION_INT, AT(memory), 64 << 20, 64 << 10, 1 << 30, false,
   "bytes, 65536 to 1073741824"},
  {"readonly", OPTION_BOOL, AT(read_only), 0, 0, 1, true, "true or false"},
  {"timeout", OPTION_INT, AT(timeout_ms), 300000, 0, 86400000, false,
   "milliseconds, 0 (no limit) to 86400000"},
  {"connect_timeout", OPTION_INT, AT(connect_timeout_ms), 10000, 1, 3600000, false,
   "milliseconds, 1 to 3600000"},
  {"batch", OPTION_INT, AT(batch_bytes), 1 << 20, 16 << 10, 64 << 20, false, "bytes, 16384 to 67108864"},
  {"pool", OPTION_INT, AT(pool), 10, 1, 1000, false, "connections, 1 to 1000"},
  {"version", OPTION_VERSION, 0, OPTIONS_VERSION, 0, 0, true, "1"},
};
#undef AT

enum { N_OPTIONS = sizeof(table) / sizeof(*table) };

static bool *as_bool(options *o, const option *d) { return (bool *)((char *)o + d->offset); }
static int *as_int(options *o, const option *d) { return (int *)((char *)o + d->offset); }
static option_list *as_list(options *o, const option *d) { return (option_list *)((char *)o + d->offset); }

static void set_defaults(options *out) {
  memset(out, 0, sizeof(*out));
  for (int i = 0; i < N_OPTIONS; i++) {
    const option *d = &table[i];
    switch (d->kind) {
      case OPTION_BOOL: case OPTION_TEXT_OR_REAL: case OPTION_PUSHDOWN: *as_bool(out, d) = d->initial; break;
      case OPTION_INT: *as_int(out, d) = d->initial; break;
      default: break;
    }
  }
}

/* ---- reading ----------------------------------------------------------- */

typedef struct reader {
  sqlite3 *db;
  bool for_sqlite;
  arena *arena;
  options *out;
  tskdb_error *error;
} reader;

/* One member of the object, as json_each gives it. */
typedef struct member {
  const char *type;          /* json_type() */
  sqlite3_value *value;      /* SQL value; arrays and objects as JSON text */
} member;

static const option *find(const char *name) {
  for (int i = 0; i < N_OPTIONS; i++) {
    if (strcmp(table[i].name, name) == 0) return &table[i];
  }
  return NULL;
}

static bool unknown(const reader *r, const char *name) {
  buffer valid = {0};
  for (int i = 0; i < N_OPTIONS; i++) {
    if (!r->for_sqlite || table[i].for_sqlite) buffer_printf(&valid, "%s%s", valid.length ? ", " : "", table[i].name);
  }
  if (r->for_sqlite && find(name)) {
    error_set(r->error, ERROR_CONFIG, "option \"%.64s\" has no meaning for a SQLite file; valid are %s", name,
              buffer_cstr(&valid));
  } else {
    error_set(r->error, ERROR_CONFIG, "unknown option \"%.64s\"; valid are %s", name, buffer_cstr(&valid));
  }
  buffer_free(&valid);
  return false;
}

static bool invalid(const reader *r, const option *d) {
  return error_set(r->error, ERROR_CONFIG, "option \"%s\" must be %s", d->name, d->valid);
}

static const char *text_of(const member *m) {
  const char *text = strcmp(m->type, "text") == 0 ? (const char *)sqlite3_value_text(m->value) : NULL;
  return text ? text : "";
}

/* 1, 0, or -1 if M is neither. */
static int read_bool(const member *m, const char *yes, const char *no) {
  if (strcmp(text_of(m), yes) == 0) return 1;
  if (strcmp(text_of(m), no) == 0) return 0;
  return -1;
}

static int read_switch(const member *m) {
  if (strcmp(m->type, "true") == 0) return 1;
  if (strcmp(m->type, "false") == 0) return 0;
  return read_bool(m, "on", "off");
}

static bool append(reader *r, option_list *l, const char *text) {
  if ((l->n & (l->n - 1)) == 0) {   /* full at each power of two */
    const char **more = arena_alloc(r->arena, (size_t)(l->n ? 2 * l->n : 1) * sizeof(*more));
    if (!more) return error_memory(r->error);
    if (l->n) memcpy(more, l->items, (size_t)l->n * sizeof(*more));
    l->items = more;
  }
  l->items[l->n] = arena_strdup(r->arena, text);
  return l->items[l->n++] ? true : error_memory(r->error);
}

/* Steps over the elements of the JSON array in V. */
static bool read_array(reader *r, const option *d, sqlite3_value *v, option_list *out) {
  sqlite3_stmt *stmt = NULL;
  bool ok = true;
  int rc = sqlite3_prepare_v2(r->db, "SELECT type, value FROM json_each(?1)", -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_bind_value(stmt, 1, v);
  while (ok && rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *type = (const char *)sqlite3_column_text(stmt, 0);
    const char *text = (const char *)sqlite3_column_text(stmt, 1);
    ok = type && text && strcmp(type, "text") == 0 && *text ? append(r, out, text) : invalid(r, d);
    rc = SQLITE_OK;
  }
  if (ok && rc != SQLITE_DONE) {
    ok = error_set(r->error, rc == SQLITE_NOMEM ? ERROR_MEMORY : ERROR_CONFIG, "cannot read option \"%s\": %s",
                   d->name, sqlite3_errmsg(r->db));
  }
  sqlite3_finalize(stmt);
  return ok;
}

static bool read_list(reader *r, const option *d, const member *m, option_list *out) {
  out->given = true;
  if (*text_of(m)) return append(r, out, text_of(m));
  if (strcmp(m->type, "array") != 0) return invalid(r, d);
  return read_array(r, d, m->value, out);
}

static bool read_int(reader *r, const option *d, const member *m) {
  if (strcmp(m->type, "integer") != 0) return invalid(r, d);
  sqlite3_int64 number = sqlite3_value_int64(m->value);
  if (number < d->least || number > d->most) return invalid(r, d);
  *as_int(r->out, d) = (int)number;
  return true;
}

static bool read_member(reader *r, const option *d, const member *m) {
  int yes = -1;
  switch (d->kind) {
    case OPTION_INT: return read_int(r, d, m);
    case OPTION_LIST: return read_list(r, d, m, as_list(r->out, d));
    case OPTION_VERSION:
      if (strcmp(m->type, "integer") == 0 && sqlite3_value_int64(m->value) == OPTIONS_VERSION) return true;
      return error_set(r->error, ERROR_CONFIG, "option \"version\": this tskdb knows version %d of the options",
                       OPTIONS_VERSION);
    case OPTION_PUSHDOWN:
      if (strcmp(m->type, "array") == 0) return read_list(r, d, m, &r->out->pushdown_off);
      yes = read_switch(m);
      break;
    case OPTION_BOOL: yes = read_switch(m); break;
    case OPTION_TEXT_OR_REAL: yes = read_bool(m, "text", "real"); break;
  }
  if (yes < 0) return invalid(r, d);
  *as_bool(r->out, d) = yes;
  return true;
}

/* JSON5 is none here. json_valid() takes a lack of memory for no JSON before SQLite 3.42, where
** json_type() takes nothing but JSON. */
static const char *object_query(void) {
  return sqlite_version() < 3042000 ? "SELECT json_type(?1) = 'object'"
                                    : "SELECT json_type(?1) = 'object' AND json_valid(?1)";
}

static bool is_object(reader *r, const char *text) {
  sqlite3_stmt *stmt = NULL;
  bool object = false;
  int rc = sqlite3_prepare_v2(r->db, object_query(), -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
  if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) object = sqlite3_column_int(stmt, 0);
  if (rc == SQLITE_NOMEM) {
    error_memory(r->error);
  } else if (rc == SQLITE_INTERRUPT) {
    error_set(r->error, ERROR_INTERRUPT, "interrupted");
  } else if (!object) {
    error_set(r->error, ERROR_CONFIG, "the options are not a JSON object like {\"tables\": [\"a*\"], \"timeout\": 5000}");
  }
  sqlite3_finalize(stmt);
  return object;
}

static bool read_step(reader *r, sqlite3_stmt *stmt, uint32_t *seen) {
  const char *key = (const char *)sqlite3_column_text(stmt, 0);
  member m = {.type = (const char *)sqlite3_column_text(stmt, 1), .value = sqlite3_column_value(stmt, 2)};
  if (!key || !m.type) return error_memory(r->error);
  const option *d = find(key);
  if (!d || (r->for_sqlite && !d->for_sqlite)) return unknown(r, key);
  uint32_t bit = 1u << (d - table);
  if (*seen & bit) return error_set(r->error, ERROR_CONFIG, "option \"%s\" is given twice", key);
  *seen |= bit;
  return read_member(r, d, &m);
}

/* For every server of the process, whatever its options say: the first thing to try when an answer
** is doubted, without a change to the host. */
static bool pushdown_is_off_for_all(void) {
  const char *said = getenv("TSKDB_PUSHDOWN");
  return said && strcmp(said, "off") == 0;
}

bool options_parse(sqlite3 *db, const char *text, bool for_sqlite, arena *a, options *out,
                   tskdb_error *e) {
  reader r = {.db = db, .for_sqlite = for_sqlite, .arena = a, .out = out, .error = e};
  set_defaults(out);
  if (!text) text = "{}";
  if (!is_object(&r, text)) return false;
  sqlite3_stmt *stmt = NULL;
  uint32_t seen = 0;
  bool ok = true;
  int rc = sqlite3_prepare_v2(db, "SELECT key, type, value FROM json_each(?1)", -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
  while (ok && rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    ok = read_step(&r, stmt, &seen);
    rc = SQLITE_OK;
  }
  if (ok && rc != SQLITE_DONE) {
    ok = error_set(e, rc == SQLITE_NOMEM ? ERROR_MEMORY : ERROR_CONFIG, "cannot read the options: %s",
                   sqlite3_errmsg(db));
  }
  sqlite3_finalize(stmt);
  if (pushdown_is_off_for_all()) out->pushdown = false;
  return ok;
}

/* ---- use --------------------------------------------------------------- */

bool option_list_matches(const option_list *l, const char *name, const char *qualified) {
  bool meant = l->n > 0 && l->items[0][0] == '!';
  for (int i = 0; i < l->n; i++) {
    const char *glob = l->items[i];
    bool out = glob[0] == '!';
    if (out) glob++;
    if (sqlite3_strglob(glob, name) == 0 || sqlite3_strglob(glob, qualified) == 0) meant = !out;
  }
  return meant;
}

static void print_list(const option_list *l, buffer *out) {
  buffer_char(out, '[');
  for (int i = 0; i < l->n; i++) {
    if (i) buffer_char(out, ',');
    buffer_json(out, l->items[i], strlen(l->items[i]));
  }
  buffer_char(out, ']');
}

static void print_key(const option *d, buffer *out) {
  if (out->length > 1) buffer_char(out, ',');
  buffer_printf(out, "\"%s\":", d->name);
}

void options_print(const options *o, buffer *out) {
  options all = *o;
  buffer_clear(out);
  buffer_char(out, '{');
  for (int i = 0; i < N_OPTIONS; i++) {
    const option *d = &table[i];
    bool is_bool = d->kind == OPTION_BOOL || d->kind == OPTION_PUSHDOWN;
    if (d->kind == OPTION_LIST && as_list(&all, d)->given) {
      print_key(d, out);
      print_list(as_list(&all, d), out);
    } else if (d->kind == OPTION_INT && *as_int(&all, d) != d->initial) {
      print_key(d, out);
      buffer_printf(out, "%d", *as_int(&all, d));
    } else if (d->kind == OPTION_PUSHDOWN && all.pushdown_off.given) {
      print_key(d, out);
      print_list(&all.pushdown_off, out);
    } else if (is_bool && *as_bool(&all, d) != d->initial) {
      print_key(d, out);
      buffer_text(out, *as_bool(&all, d) ? "true" : "false");
    } else if (d->kind == OPTION_TEXT_OR_REAL && *as_bool(&all, d)) {
      print_key(d, out);
      buffer_text(out, "\"text\"");
    }
  }
  buffer_char(out, '}');
}
