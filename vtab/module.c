/*
** module.c - the virtual-table callbacks, thin over plan.c and cursor.c.
**
** One set of callbacks serves every database.  "tskdb" and "tskdb_query"
** differ in how a table finds its relation: by name in the server's catalog,
** or by the server's description of a native statement.
**
** Invariant: connecting makes no round trip for a name in the catalog and one
** for a native statement the first time; SQLite connects every table anew
** after a rolled-back DDL statement and for PRAGMA table_list.
*/
#include "vtab/module.h"

#include <math.h>
#include <string.h>

#include "vtab/arena.h"
#include "vtab/buffer.h"
#include "vtab/cursor.h"
#include "vtab/memory.h"
#include "vtab/overlap.h"
#include "vtab/table.h"

plan_subject table_subject(const table *t) {
  return (plan_subject){
      .relation = t->relation,
      .pushdown = {.driver = t->server->driver, .version = t->catalog->version, .enabled = t->pushdown},
      .options = &t->server->options,
      .estimates = t->directory->estimates,
      .db = t->db,
      .schema = t->schema};
}

/* Estimates are all of a catalog that changes (relation.h). */
void table_has_rows(table *t, double n) {
  const double tolerance = 0.1;
  relation *r = &t->catalog->relations[t->relation - t->catalog->relations];
  if (r->rows >= 0 && fabs(r->rows - n) <= tolerance * n) return;
  r->rows = n;
  t->directory->estimates++;
}

int table_fail(table *t, tskdb_error *e) {
  char text[1024];
  error_server(e, t->server->name);
  t->server->remember(t->server, e);
  sqlite3_free(t->base.zErrMsg);
  t->base.zErrMsg = sqlite3_mprintf("%s", error_format(e, text, sizeof(text)));
  return error_sqlite_code(e);
}

/* ---- arguments --------------------------------------------------------- */

/* What stands in the parentheses of CREATE VIRTUAL TABLE: a server, words,
** and options, which are name=value without quotes around it. */
typedef struct arguments {
  const char *server;
  native_text what;        /* remote table, or native statement */
  bool pushdown;
} arguments;

/* An argument without the quotes around it ('…', "…", `…`, […]), doubled ones halved. */
static char *dequoted(const char *raw, arena *a) {
  size_t length = strlen(raw);
  char open = raw[0], close = open == '[' ? ']' : open;
  bool quoted = length >= 2 && strchr("'\"`[", open) && raw[length - 1] == close;
  if (!quoted) return arena_strndup(a, raw, length);
  char *out = arena_alloc(a, length);
  size_t n = 0;
  for (size_t i = 1; out && i + 1 < length; i++) {
    out[n++] = raw[i];
    if (raw[i] == close && raw[i + 1] == close && i + 2 < length) i++;
  }
  return out;
}

static bool is_option(const char *raw) {
  return !strchr("'\"`[", raw[0]) && strchr(raw, '=');
}

static bool read_option(const char *option, arguments *out, tskdb_error *e) {
  bool off = sqlite3_stricmp(option, "pushdown=off") == 0;
  if (!off && sqlite3_stricmp(option, "pushdown=on") != 0) {
    return error_set(e, ERROR_CONFIG,
                     "unknown table option \"%s\"; valid is pushdown=on or pushdown=off", option);
  }
  out->pushdown = !off;
  return true;
}

static bool read_arguments(int argc, const char *const *argv, const char *usage, arena *a,
                           arguments *out, tskdb_error *e) {
  enum { FIRST = 3 };      /* module, schema and table name come before */
  const char **words = arena_alloc(a, (size_t)argc * sizeof(*words));
  *out = (arguments){.pushdown = true, .what.words = words};
  if (!words) return error_memory(e);
  for (int i = FIRST; i < argc; i++) {
    if (is_option(argv[i])) {
      if (!read_option(argv[i], out, e)) return false;
    } else if (!out->server) {
      out->server = dequoted(argv[i], a);
    } else {
      words[out->what.n_words++] = dequoted(argv[i], a);
    }
  }
  if (a->failed) return error_memory(e);
  return out->what.n_words > 0 || error_set(e, ERROR_CONFIG, "usage: %s", usage);
}

/* ---- a table's life ---------------------------------------------------- */

/* Puts T in the directory's list, where explain finds it by its address. */
static void table_link(table *t, server_directory *d) {
  t->next = d->tables;
  t->link = &d->tables;
  if (t->next) t->next->link = &t->next;
  d->tables = t;
}

static void table_unlink(table *t) {
  if (!t->link) return;
  *t->link = t->next;
  if (t->next) t->next->link = t->link;
}

static void table_free(table *t) {
  if (!t) return;
  table_unlink(t);
  overlap_forget(t);
  table_forget(t);
  catalog_release(t->catalog);
  if (t->server) t->server->unref(t->server);
  mem_free(t->schema);
  mem_free(t);
}

/* The relation's declaration, given to SQLite. */
static bool declare(table *t, tskdb_error *e) {
  buffer text = {0};
  relation_declare(t->relation, &text);
  bool ok = text.failed ? error_memory(e) : true;
  if (ok && sqlite3_declare_vtab(t->db, buffer_cstr(&text)) != SQLITE_OK) {
    ok = error_set(e, ERROR_CONFIG, "cannot declare \"%s\": %s", t->relation->name, sqlite3_errmsg(t->db));
  }
  buffer_free(&text);
  return ok;
}

static table *table_new(sqlite3 *db, server *s, catalog *c, const relation *r, bool pushdown,
                        tskdb_error *e) {
  table *t = mem_zalloc(sizeof(*t));
  if (!t) {
    error_memory(e);
    return NULL;
  }
  t->db = db;
  t->server = s;
  t->catalog = c;
  t->relation = r;
  t->pushdown = pushdown && s->options.pushdown;
  t->key_column = relation_key_column(r);
  s->retain(s);
  catalog_retain(c);
  if (declare(t, e)) return t;
  table_free(t);
  return NULL;
}

static table *connect_relation(sqlite3 *db, server_directory *d, const arguments *a, tskdb_error *e) {
  server *s = d->find(d, a->server, e);
  if (!s) return NULL;
  const char *name = a->what.words[0];
  const relation *r = catalog_find(s->catalog, name);
  if (a->what.n_words > 1) {
    error_set(e, ERROR_CONFIG, "one remote table is expected, not %d", a->what.n_words);
  } else if (!r) {
    error_set(e, ERROR_CONFIG,
              "no table \"%s\"; tskdb_tables lists what there is, tskdb_refresh('%s') looks again",
              name, s->name);
  } else if (r->unusable) {
    error_set(e, ERROR_CONFIG, "table \"%s\" cannot be used: %s", name, r->unusable);
  } else {
    return table_new(db, s, s->catalog, r, a->pushdown, e);
  }
  error_server(e, s->name);
  return NULL;
}

static table *connect_query(sqlite3 *db, server_directory *d, const arguments *a, tskdb_error *e) {
  server *s = d->find(d, a->server, e);
  if (!s) return NULL;
  catalog *described = NULL;
  if (a->what.n_words > s->driver->max_words) {
    error_set(e, ERROR_CONFIG, "usage: tskdb_query(%s, %s [, pushdown=off])", s->name,
              s->driver->native_usage);
  } else {
    described = d->describe(d, s, &a->what, e);
  }
  if (!described) {
    error_server(e, s->name);
    return NULL;
  }
  table *t = table_new(db, s, described, &described->relations[0], a->pushdown, e);
  catalog_release(described);
  return t;
}

typedef table *connect_function(sqlite3 *, server_directory *, const arguments *, tskdb_error *);

static int connect_table(sqlite3 *db, void *aux, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **message, connect_function *connect,
                         const char *usage) {
  tskdb_error e = {0};
  arguments parsed;
  arena scratch = {0};
  table *t = NULL;
  if (read_arguments(argc, argv, usage, &scratch, &parsed, &e)) t = connect(db, aux, &parsed, &e);
  arena_free(&scratch);
  *out = t ? &t->base : NULL;
  if (t) {
    t->directory = aux;
    t->schema = mem_strdup(argv[1]);
    table_link(t, aux);
    return SQLITE_OK;
  }
  char text[1024];
  *message = sqlite3_mprintf("%s", error_format(&e, text, sizeof(text)));
  return error_sqlite_code(&e);
}

static int tableConnect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                        sqlite3_vtab **out, char **message) {
  return connect_table(db, aux, argc, argv, out, message, connect_relation,
                       "tskdb(server, 'remote table' [, pushdown=off])");
}

static int queryConnect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                        sqlite3_vtab **out, char **message) {
  return connect_table(db, aux, argc, argv, out, message, connect_query,
                       "tskdb_query(server, 'native statement' [, pushdown=off])");
}

static int tableDisconnect(sqlite3_vtab *base) {
  table_free((table *)base);
  return SQLITE_OK;
}

/* ---- plans and scans --------------------------------------------------- */

static int tableBestIndex(sqlite3_vtab *base, sqlite3_index_info *info) {
  table *t = (table *)base;
  plan_subject subject = table_subject(t);
  arena scratch = {0};
  buffer text = {0};
  plan chosen;
  int rc = SQLITE_NOMEM;
  t->directory->compilations++;
  if (plan_choose(&subject, info, &scratch, &chosen)) {
    plan_encode(&chosen, t->relation, &text);
    info->idxStr = text.failed ? NULL : sqlite3_mprintf("%s", buffer_cstr(&text));
    info->needToFreeIdxStr = 1;
    if (info->idxStr) rc = SQLITE_OK;
  }
  buffer_free(&text);
  arena_free(&scratch);
  return rc;
}

static int tableOpen(sqlite3_vtab *base, sqlite3_vtab_cursor **out) {
  cursor *c = NULL;
  int rc = cursor_open((table *)base, &c);
  *out = (sqlite3_vtab_cursor *)c;
  return rc;
}

static int tableClose(sqlite3_vtab_cursor *c) {
  cursor_close((cursor *)c);
  return SQLITE_OK;
}

static int tableFilter(sqlite3_vtab_cursor *c, int number, const char *text, int argc,
                       sqlite3_value **argv) {
  (void)number;            /* the whole plan is in the text */
  return cursor_filter((cursor *)c, text, argc, argv);
}

static int tableNext(sqlite3_vtab_cursor *c) { return cursor_next((cursor *)c); }
static int tableEof(sqlite3_vtab_cursor *c) { return cursor_eof((cursor *)c); }

static int tableColumn(sqlite3_vtab_cursor *c, sqlite3_context *out, int col) {
  return cursor_column((cursor *)c, out, col);
}

static int tableRowid(sqlite3_vtab_cursor *c, sqlite3_int64 *out) {
  return cursor_rowid((cursor *)c, out);
}

#define TABLE_CALLBACKS \
  .iVersion = 1, .xBestIndex = tableBestIndex, .xDisconnect = tableDisconnect, \
  .xDestroy = tableDisconnect, .xOpen = tableOpen, .xClose = tableClose, .xFilter = tableFilter, \
  .xNext = tableNext, .xEof = tableEof, .xColumn = tableColumn, .xRowid = tableRowid

static const sqlite3_module relation_module = {
  TABLE_CALLBACKS, .xCreate = tableConnect, .xConnect = tableConnect};
static const sqlite3_module query_module = {
  TABLE_CALLBACKS, .xCreate = queryConnect, .xConnect = queryConnect};

static void unref_directory(void *d) { ((server_directory *)d)->unref(d); }

/* SQLite calls the destructor also when it refuses the module. */
static int register_one(sqlite3 *db, const char *name, const sqlite3_module *m, server_directory *d) {
  d->retain(d);
  return sqlite3_create_module_v2(db, name, m, d, unref_directory);
}

int module_register(sqlite3 *db, server_directory *d) {
  int rc = register_one(db, "tskdb", &relation_module, d);
  return rc == SQLITE_OK ? register_one(db, "tskdb_query", &query_module, d) : rc;
}
