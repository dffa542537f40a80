/*
** snapshot.c - an eponymous read-only table over rows that are made in xFilter.
**
** The rows are of the moment at which the scan began: what is attached,
** refreshed or asked meanwhile does not move under the reader.
*/
#include "federation/sheet.h"

#include <stdint.h>
#include <string.h>

#include "vtab/memory.h"

static batch *page(sheet *s) {
  if (s->failed) return NULL;
  if (s->n_pages && s->pages[s->n_pages - 1].n_rows < BATCH_MAX_ROWS) return &s->pages[s->n_pages - 1];
  batch *more = mem_realloc(s->pages, ((size_t)s->n_pages + 1) * sizeof(*more));
  if (more) s->pages = more;
  if (!more || !batch_init(&more[s->n_pages], s->n_columns, SIZE_MAX)) {
    s->failed = true;
    return NULL;
  }
  return &more[s->n_pages++];
}

void sheet_text(sheet *s, const char *text) {
  batch *b = page(s);
  if (b && text) batch_bytes_value(b, s->column, STORAGE_TEXT, text, strlen(text));
  s->column++;
}

void sheet_integer(sheet *s, int64_t v) {
  batch *b = page(s);
  if (b) batch_integer(b, s->column, v);
  s->column++;
}

void sheet_real(sheet *s, double v) {
  batch *b = page(s);
  if (b) batch_real(b, s->column, v);
  s->column++;
}

void sheet_estimate(sheet *s, double v) {
  if (v < 0) sheet_null(s);
  else sheet_real(s, v);
}

void sheet_null(sheet *s) { s->column++; }

void sheet_end_row(sheet *s) {
  batch *b = page(s);
  if (b) {
    /* Full before its time: there is no memory for more rows. */
    if (!batch_end_row(b) && (b->failed || b->n_rows < BATCH_MAX_ROWS)) s->failed = true;
  }
  s->column = 0;
}

static void sheet_free(sheet *s) {
  for (int i = 0; i < s->n_pages; i++) batch_free(&s->pages[i]);
  mem_free(s->pages);
  *s = (sheet){.n_columns = s->n_columns};
}

/* ---- the module -------------------------------------------------------- */

/* What SQLite holds as the module's client data. */
typedef struct source {
  registry *registry;
  const snapshot *snapshot;
} source;

typedef struct snapshot_table {
  sqlite3_vtab base;           /* SQLite's; first */
  source *source;
} snapshot_table;

typedef struct snapshot_cursor {
  sqlite3_vtab_cursor base;    /* SQLite's; first */
  sheet sheet;
  int page;
  uint32_t row;                /* in the page */
  sqlite3_int64 number;        /* in all, from 1 */
} snapshot_cursor;

static int snapshotConnect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                           sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv, (void)message;
  int rc = sqlite3_declare_vtab(db, ((source *)aux)->snapshot->declaration);
  if (rc != SQLITE_OK) return rc;
  snapshot_table *t = mem_zalloc(sizeof(*t));
  if (!t) return SQLITE_NOMEM;
  t->source = aux;
  *out = &t->base;
  return SQLITE_OK;
}

static int snapshotDisconnect(sqlite3_vtab *t) {
  mem_free(t);
  return SQLITE_OK;
}

static int snapshotBestIndex(sqlite3_vtab *t, sqlite3_index_info *info) {
  (void)t;
  info->estimatedCost = 1000;
  info->estimatedRows = 1000;
  return SQLITE_OK;
}

static int snapshotOpen(sqlite3_vtab *t, sqlite3_vtab_cursor **out) {
  snapshot_cursor *c = mem_zalloc(sizeof(*c));
  if (!c) return SQLITE_NOMEM;
  c->sheet.n_columns = ((snapshot_table *)t)->source->snapshot->n_columns;
  *out = &c->base;
  return SQLITE_OK;
}

static int snapshotClose(sqlite3_vtab_cursor *base) {
  sheet_free(&((snapshot_cursor *)base)->sheet);
  mem_free(base);
  return SQLITE_OK;
}

static int snapshotFilter(sqlite3_vtab_cursor *base, int number, const char *text, int argc,
                          sqlite3_value **argv) {
  (void)number, (void)text, (void)argc, (void)argv;
  snapshot_cursor *c = (snapshot_cursor *)base;
  const source *s = ((snapshot_table *)base->pVtab)->source;
  sheet_free(&c->sheet);
  c->page = 0;
  c->row = 0;
  c->number = 1;
  s->snapshot->fill(s->registry, &c->sheet);
  return c->sheet.failed ? SQLITE_NOMEM : SQLITE_OK;
}

static int snapshotNext(sqlite3_vtab_cursor *base) {
  snapshot_cursor *c = (snapshot_cursor *)base;
  c->number++;
  if (++c->row < c->sheet.pages[c->page].n_rows) return SQLITE_OK;
  c->page++;
  c->row = 0;
  return SQLITE_OK;
}

static int snapshotEof(sqlite3_vtab_cursor *base) {
  const snapshot_cursor *c = (snapshot_cursor *)base;
  return c->page >= c->sheet.n_pages || c->row >= c->sheet.pages[c->page].n_rows;
}

static int snapshotColumn(sqlite3_vtab_cursor *base, sqlite3_context *out, int col) {
  const snapshot_cursor *c = (snapshot_cursor *)base;
  const batch *b = &c->sheet.pages[c->page];
  size_t slot = (size_t)col * b->row_limit + c->row;
  const batch_cell *cell = &b->cells[slot];
  switch (b->storage[slot]) {
    case STORAGE_INTEGER: sqlite3_result_int64(out, cell->integer); break;
    case STORAGE_REAL: sqlite3_result_double(out, cell->real); break;
    case STORAGE_TEXT:
      sqlite3_result_text64(out, b->heap + cell->bytes.offset, cell->bytes.length, SQLITE_TRANSIENT, SQLITE_UTF8);
      break;
    default: sqlite3_result_null(out);
  }
  return SQLITE_OK;
}

static int snapshotRowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  *out = ((snapshot_cursor *)base)->number;
  return SQLITE_OK;
}

static const sqlite3_module snapshot_module = {
  .xConnect = snapshotConnect, .xBestIndex = snapshotBestIndex, .xDisconnect = snapshotDisconnect,
  .xOpen = snapshotOpen, .xClose = snapshotClose, .xFilter = snapshotFilter, .xNext = snapshotNext,
  .xEof = snapshotEof, .xColumn = snapshotColumn, .xRowid = snapshotRowid};

static void source_free(void *p) {
  source *s = p;
  registry_unref(s->registry);
  mem_free(s);
}

int snapshot_register(registry *r, const snapshot *d) {
  source *s = mem_zalloc(sizeof(*s));
  if (!s) return SQLITE_NOMEM;
  s->registry = r;
  s->snapshot = d;
  registry_retain(r);
  return sqlite3_create_module_v2(r->db, d->name, &snapshot_module, s, source_free);
}
