/*
** explain.c - the table-valued function tskdb_explain(statement).
**
** The statement is prepared with EXPLAIN and never run.  Its program names
** each virtual table by address (VOpen) and each plan by idxStr (VFilter):
**
**   addr  opcode   p1      p4
**   1     VOpen    cursor  vtab:55BC75589828
**   5     VFilter  cursor  id = ? exact |v1 t=…
**
** The address is only compared with those of the tables that this connection
** has (server_directory.tables); a table that is not ours is passed over.
** EXPLAIN rather than EXPLAIN QUERY PLAN, because only the program tells two
** tables of one name apart.
**
** All rows are made in xFilter; there is one row a table access.
*/
#include "federation/explain.h"

#include <stdlib.h>
#include <string.h>

#include "vtab/buffer.h"
#include "vtab/explain.h"
#include "vtab/memory.h"
#include "vtab/overlap.h"

enum {
  COLUMN_ID, COLUMN_SERVER, COLUMN_TABLE, COLUMN_REMOTE, COLUMN_EXACT, COLUMN_SUPERSET, COLUMN_LOCAL,
  COLUMN_ORDER, COLUMN_JOINS, COLUMN_STATEMENT
};

static const char declaration[] =
    "CREATE TABLE x(id INTEGER, server TEXT, table_name TEXT, remote TEXT, exact TEXT,"
    " superset TEXT, local TEXT, ordering TEXT, joins TEXT, statement TEXT HIDDEN)";

typedef struct explain_table {
  sqlite3_vtab base;           /* SQLite's; first */
  sqlite3 *db;
  server_directory *directory; /* the module holds it */
} explain_table;

typedef struct explain_row {
  const char *server, *table;
  bool causes_overlap, may_be_early;
  explanation what;
} explain_row;

typedef struct explain_cursor {
  sqlite3_vtab_cursor base;    /* SQLite's; first */
  arena arena;                 /* all strings of the rows, and the rows */
  explain_row *rows;
  int n_rows;
  int row;                     /* current one */
} explain_cursor;

static int explainConnect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                          sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv, (void)message;
  int rc = sqlite3_declare_vtab(db, declaration);
  if (rc != SQLITE_OK) return rc;
  explain_table *t = mem_zalloc(sizeof(*t));
  if (!t) return SQLITE_NOMEM;
  t->db = db;
  t->directory = aux;
  *out = &t->base;
  return SQLITE_OK;
}

static int explainDisconnect(sqlite3_vtab *t) {
  mem_free(t);
  return SQLITE_OK;
}

static int explainBestIndex(sqlite3_vtab *t, sqlite3_index_info *info) {
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *k = &info->aConstraint[i];
    if (k->iColumn != COLUMN_STATEMENT || k->op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    if (!k->usable) return SQLITE_CONSTRAINT;
    info->aConstraintUsage[i].argvIndex = 1;
    info->aConstraintUsage[i].omit = 1;
    info->estimatedCost = 100;
    info->estimatedRows = 4;
    return SQLITE_OK;
  }
  sqlite3_free(t->zErrMsg);
  t->zErrMsg = sqlite3_mprintf("tskdb_explain: the statement is missing: tskdb_explain('SELECT …')");
  return SQLITE_ERROR;
}

static int explainOpen(sqlite3_vtab *t, sqlite3_vtab_cursor **out) {
  (void)t;
  explain_cursor *c = mem_zalloc(sizeof(*c));
  if (!c) return SQLITE_NOMEM;
  *out = &c->base;
  return SQLITE_OK;
}

static void clear(explain_cursor *c) {
  arena_free(&c->arena);
  c->rows = NULL;
  c->n_rows = c->row = 0;
}

static int explainClose(sqlite3_vtab_cursor *base) {
  clear((explain_cursor *)base);
  mem_free(base);
  return SQLITE_OK;
}

/* ---- reading the program ----------------------------------------------- */

/* Which table a cursor of the program is open on. */
typedef struct opened {
  int number;                  /* of the program's cursor */
  const table *table;
} opened;

typedef struct reading {
  explain_table *owner;
  explain_cursor *rows;
  outlook outlook;
  int address;                 /* of the instruction that is seen */
  opened *opened;
  int n_opened;
  tskdb_error error;
} reading;

static void see_open(reading *p, const instruction *i) {
  p->opened = arena_more(&p->rows->arena, p->opened, (size_t)p->n_opened, sizeof(*p->opened));
  if (!p->opened) return;
  p->opened[p->n_opened++] = (opened){.number = i->p1, .table = program_opened(i, p->owner->directory)};
}

/* The latest VOpen of that number: a subprogram counts its cursors anew. */
static const table *table_of(const reading *p, int number) {
  for (int i = p->n_opened; i-- > 0;) {
    if (p->opened[i].number == number) return p->opened[i].table;
  }
  return NULL;
}

/* Whether the scan of this instruction may be asked for before SQLite comes to it. */
static bool may_be_early(const reading *p) {
  for (int i = 0; i < p->outlook.n; i++) {
    const outlook_scan *s = &p->outlook.scans[i];
    if (s->filter == p->address) return overlap_is_wanted(s, &p->rows->arena);
  }
  return false;
}

static void see_filter(reading *p, int number, const char *p4) {
  const table *t = table_of(p, number);
  explain_cursor *c = p->rows;
  if (!t || !p4) return;
  c->rows = arena_more(&c->arena, c->rows, (size_t)c->n_rows, sizeof(*c->rows));
  if (!c->rows) return;
  explain_row *r = &c->rows[c->n_rows];
  if (!explain_plan(t, p4, &c->arena, &r->what, &p->error)) return;
  r->causes_overlap = overlap_is_caused_by(t);
  r->may_be_early = may_be_early(p);
  r->server = arena_strdup(&c->arena, t->server->name);
  r->table = arena_strdup(&c->arena, t->relation->name);
  c->n_rows++;
}

static bool see(void *context, const instruction *i) {
  reading *p = context;
  p->address++;
  if (strcmp(i->opcode, "VOpen") == 0) see_open(p, i);
  if (strcmp(i->opcode, "VFilter") == 0) see_filter(p, i->p1, i->p4);
  return true;
}

/* Only with a scan of another server there is something to overlap with. */
static void add_overlaps(explain_cursor *c) {
  for (int i = 0; i < c->n_rows; i++) {
    explain_row *r = &c->rows[i];
    bool caused = false;
    for (int k = 0; k < c->n_rows && r->server; k++) {
      const explain_row *other = &c->rows[k];
      caused |= other->causes_overlap && other->server && strcmp(other->server, r->server) != 0;
    }
    if (!caused || !r->may_be_early) continue;
    const char *before = r->what.joins ? r->what.joins : "";
    r->what.joins = arena_printf(&c->arena, "%s%soverlap: asked for while another server's rows"
                                 " are awaited, where those come first", before, *before ? "\n" : "");
  }
}

static int explainFilter(sqlite3_vtab_cursor *base, int number, const char *text, int argc,
                         sqlite3_value **argv) {
  (void)number, (void)text, (void)argc;
  explain_cursor *c = (explain_cursor *)base;
  explain_table *t = (explain_table *)base->pVtab;
  clear(c);
  const char *statement = (const char *)sqlite3_value_text(argv[0]);
  if (!statement) return SQLITE_OK;
  sqlite3_free(t->base.zErrMsg);
  t->base.zErrMsg = NULL;
  reading p = {.owner = t, .rows = c, .address = -1};
  program whole;
  if (program_compile(t->db, statement, &c->arena, &whole)) {
    outlook_read(&whole, t->directory, &c->arena, &p.outlook);
  }
  int rc = program_visit(t->db, statement, see, &p);
  if (rc != SQLITE_OK) {
    t->base.zErrMsg = sqlite3_mprintf("tskdb_explain: %s", sqlite3_errmsg(t->db));
    return rc;
  }
  add_overlaps(c);
  if (c->arena.failed) return SQLITE_NOMEM;
  if (error_is_set(&p.error)) {
    t->base.zErrMsg = sqlite3_mprintf("tskdb_explain: %s", p.error.text);
    return error_sqlite_code(&p.error);
  }
  return rc;
}

/* ---- rows -------------------------------------------------------------- */

static int explainNext(sqlite3_vtab_cursor *c) {
  ((explain_cursor *)c)->row++;
  return SQLITE_OK;
}

static int explainEof(sqlite3_vtab_cursor *base) {
  explain_cursor *c = (explain_cursor *)base;
  return c->row >= c->n_rows;
}

static int explainColumn(sqlite3_vtab_cursor *base, sqlite3_context *out, int col) {
  explain_cursor *c = (explain_cursor *)base;
  const explain_row *r = &c->rows[c->row];
  const char *text = NULL;
  switch (col) {
    case COLUMN_ID: sqlite3_result_int(out, c->row + 1); return SQLITE_OK;
    case COLUMN_SERVER: text = r->server; break;
    case COLUMN_TABLE: text = r->table; break;
    case COLUMN_REMOTE: text = r->what.remote; break;
    case COLUMN_EXACT: text = r->what.exact; break;
    case COLUMN_SUPERSET: text = r->what.superset; break;
    case COLUMN_LOCAL: text = r->what.local; break;
    case COLUMN_ORDER: text = r->what.order; break;
    case COLUMN_JOINS: text = r->what.joins; break;
    default: break;
  }
  sqlite3_result_text(out, text, -1, SQLITE_TRANSIENT);
  return SQLITE_OK;
}

static int explainRowid(sqlite3_vtab_cursor *c, sqlite3_int64 *out) {
  *out = ((explain_cursor *)c)->row + 1;
  return SQLITE_OK;
}

static const sqlite3_module explain_module = {
  .xConnect = explainConnect, .xBestIndex = explainBestIndex, .xDisconnect = explainDisconnect,
  .xOpen = explainOpen, .xClose = explainClose, .xFilter = explainFilter, .xNext = explainNext,
  .xEof = explainEof, .xColumn = explainColumn, .xRowid = explainRowid};

static void unref_directory(void *d) { ((server_directory *)d)->unref(d); }

int explain_register(sqlite3 *db, server_directory *d) {
  d->retain(d);
  return sqlite3_create_module_v2(db, "tskdb_explain", &explain_module, d, unref_directory);
}
