/*
** cursor.c - one scan of a virtual table.
**
** xFilter decodes the plan, turns it and the values into a query, has the
** driver compile it and fetches the first batch (remote.c).  If rows are left
** when that batch has been read, a worker fetches the rest.  A table that is
** filtered again and again is answered from memory where that is possible
** (keyed.c); rows that are equal in all that is read may come once, with their
** number (plan_runs).
**
**   mode           current row            goes on with
**   MODE_STREAM    batch, row             the next of the batch, the next batch
**   MODE_STORED    stored                 the next row of the key
**   MODE_SPILLED   batch, row             the next of the batch, more of the key
**
** Invariants:
**   1. A scan that fails in the middle is an error, never the end of rows.
**   2. Nothing of the previous scan survives cursor_end_scan() but memory, and what
**      `keyed` knows.
**   3. Text and blobs are given to SQLite as copies: a register may outlive
**      the batch (max(), a sorter).
**
** On SQLite before 3.41 the cursor of a correlated subquery is closed and opened
** for each outer row, and one cursor may serve all arms of an OR in turn.  What
** it knows is parked with its table then, and taken up again by the next scan of
** the same execution of the same statement, with the same plan and constants,
** unless a statement was compiled meanwhile.
*/
#include "vtab/cursor.h"

#include <string.h>

#include "vtab/buffer.h"
#include "vtab/identity.h"
#include "vtab/inquiry.h"
#include "vtab/interrupt.h"
#include "vtab/keyed.h"
#include "vtab/memory.h"
#include "vtab/overlap.h"
#include "vtab/remote.h"
#include "vtab/text_memo.h"

enum {
  KEEPS_CURSORS = 3041000,       /* the SQLite from which on parking is not needed */
  SPARE_BYTES = 16 * 1024,       /* of a batch that is kept with its cursor */
  SPARE_ROWS = 256
};

typedef enum cursor_mode { MODE_STREAM, MODE_STORED, MODE_SPILLED } cursor_mode;

struct cursor {
  sqlite3_vtab_cursor base;    /* SQLite's; first */
  table *table;
  cursor *next, **link;        /* in directory->cursors */
  wait_scope wait;

  /* the plan, kept while xFilter comes with the same text */
  arena plan_arena;
  char *plan_text;             /* NULL: no plan is decoded */
  plan plan;
  int *position;               /* relation column -> batch column, -1: not fetched */
  bool one_row;                /* the plan finds one row at most, if all its terms are sent */
  uint64_t identity;           /* of this cursor with this plan */
  text_memo memo;              /* of the plan's last request */
  keyed *keyed;                /* NULL: not probed by key */
  keyed *idle;                 /* knows nothing, kept for the next execution; NULL: none */
  proof proof;                 /* what the statement's program says of the scan */

  /* the scan; zero from here on when it has ended */
  bool begun;
  arena arena;                 /* query, request, converted values */
  inquiry inquiry;
  remote remote;
  overlap *overlap;            /* that has sent the request before; NULL: none, owned */
  cursor_mode mode;
  batch batch;
  uint32_t row;                /* current one, in batch */
  store_row stored;            /* current one, in the store */
  bool spill_more;             /* the key has rows beyond the batch */
  int64_t repeat;              /* how often the current row is still to come */
  bool looked_through;         /* cursor_upcoming() is inside */
  identity ids;                /* of rows without a key */
  int64_t id;                  /* the current row's, if it has been asked for */
  bool has_id;
};

/* ---- life ---------------------------------------------------------------- */

/* A statement that is run again and again opens the same cursor each time: one
** is kept with its plan and memory. */
int cursor_open(table *t, cursor **out) {
  cursor *c = t->spare ? t->spare : mem_zalloc(sizeof(*c));
  *out = c;
  if (!c) return SQLITE_NOMEM;
  t->spare = NULL;
  c->table = t;
  c->wait = interrupt_scope(t->db, t->server->options.timeout_ms);
  c->next = t->directory->cursors;
  c->link = &t->directory->cursors;
  if (c->next) c->next->link = &c->next;
  t->directory->cursors = c;
  return SQLITE_OK;
}

cursor *cursor_newest(const server_directory *d) { return d->cursors; }
cursor *cursor_older(const cursor *c) { return c->next; }
uint64_t cursor_identity(const cursor *c) { return c->identity; }

bool cursor_scans(const cursor *c, const table *t, const char *plan_text) {
  return c->table == t && c->begun && strcmp(c->plan_text ? c->plan_text : "", plan_text) == 0;
}

static void stop_asking(cursor *c, const tskdb_error *e) {
  remote_stop(&c->remote, e);
  overlap_free(c->overlap);
  c->overlap = NULL;
}

/* E is the error that ended the scan, NULL if none did. */
static void cursor_end_scan(cursor *c, const tskdb_error *e) {
  if (!c->begun) return;
  c->begun = false;
  bool asked = c->remote.connection != NULL;
  stop_asking(c, e);
  if (asked && c->keyed) keyed_spent(c->keyed, c->remote.waited_us);
  c->mode = MODE_STREAM;
  c->row = 0;
  c->stored = (store_row){0};
  c->spill_more = c->inquiry.counted = false;
  c->repeat = 0;
  c->has_id = false;
  identity_free(&c->ids);
  batch_clear(&c->batch);
  arena_reset(&c->arena);
}

static void free_parked(parked_probes *p) {
  keyed_free(p->keyed);
  *p = (parked_probes){0};
}

/* Leaves what the cursor knows to the next scan of the same execution with the same constants. */
static void park(cursor *c) {
  table *t = c->table;
  if (!c->keyed || !keyed_probes(c->keyed)) return;
  execution now = execution_current(t->db);
  if (!now.statement) return;
  parked_probes *place = &t->parked[0];
  for (int i = 0; i < TABLE_PARKED; i++) {
    if (!t->parked[i].keyed) place = &t->parked[i];
  }
  free_parked(place);
  *place = (parked_probes){.keyed = c->keyed, .in = now, .at = t->directory->compilations};
  c->keyed = NULL;
}

static bool is_current(const parked_probes *p, const table *t, execution now) {
  return p->at == t->directory->compilations && execution_same(p->in, now);
}

static bool is_for(const keyed *k, const cursor *c, const value *arguments, int n) {
  return strcmp(keyed_plan(k), c->plan_text) == 0 && keyed_fits(k, arguments, n);
}

/* What K knew is of no use any more; its memory may be for the next execution. */
static void retire(cursor *c, keyed *k) {
  if (k && !c->idle && c->plan_text && strcmp(keyed_plan(k), c->plan_text) == 0 && keyed_renew(k)) {
    c->idle = k;
  } else {
    keyed_free(k);
  }
}

/* Takes up what was parked for this plan, and retires what nobody can take up any more. */
static void take_parked(cursor *c, const value *arguments, int n) {
  table *t = c->table;
  execution now = {0};
  for (int i = 0; i < TABLE_PARKED; i++) {
    parked_probes *p = &t->parked[i];
    if (!p->keyed) continue;
    if (!now.statement) now = execution_current(t->db);
    if (!is_current(p, t, now)) {
      retire(c, p->keyed);
      *p = (parked_probes){0};
    } else if (!c->keyed && is_for(p->keyed, c, arguments, n)) {
      c->keyed = p->keyed;
      p->keyed = NULL;
    }
  }
}

static void cursor_free(cursor *c) {
  keyed_free(c->idle);
  text_memo_free(&c->memo);
  batch_free(&c->batch);
  proof_free(&c->proof);
  arena_free(&c->arena);
  arena_free(&c->plan_arena);
  mem_free(c->plan_text);
  mem_free(c);
}

void table_forget(table *t) {
  for (int i = 0; i < TABLE_PARKED; i++) free_parked(&t->parked[i]);
  if (t->spare) cursor_free(t->spare);
  t->spare = NULL;
}

void cursor_close(cursor *c) {
  table *t = c->table;
  cursor_end_scan(c, NULL);
  overlap_cancel(t->directory, c);
  *c->link = c->next;
  if (c->next) c->next->link = c->link;
  if (sqlite_version() < KEEPS_CURSORS) park(c);
  retire(c, c->keyed);
  c->keyed = NULL;
  if (c->batch.heap_size > SPARE_BYTES || c->batch.row_limit > SPARE_ROWS) batch_free(&c->batch);
  if (t->spare) cursor_free(c);
  else t->spare = c;
}

static int cursor_fail(cursor *c, tskdb_error *e) {
  if (e->klass == ERROR_STALE) {
    error_prefix(e, "table \"%s\" has changed since it was attached, tskdb_refresh('%s') looks again",
                 c->table->relation->name, c->table->server->name);
  }
  cursor_end_scan(c, e);
  return table_fail(c->table, e);
}

/* ---- the plan and its values --------------------------------------------- */

/* Decodes TEXT unless it is the plan that the cursor has. */
static bool adopt_plan(cursor *c, const char *text, tskdb_error *e) {
  const relation *r = c->table->relation;
  static _Atomic uint64_t identities;
  if (c->plan_text && text && strcmp(c->plan_text, text) == 0) return true;
  mem_free(c->plan_text);
  c->plan_text = NULL;
  proof_free(&c->proof);
  keyed_free(c->keyed);
  keyed_free(c->idle);
  c->keyed = c->idle = NULL;
  text_memo_free(&c->memo);
  arena_reset(&c->plan_arena);
  if (!plan_decode(text, r, &c->plan_arena, &c->plan)) {
    return c->plan_arena.failed ? error_memory(e) : error_set(e, ERROR_INTERNAL, "not a plan of this table");
  }
  c->position = arena_alloc(&c->plan_arena, (size_t)r->n_columns * sizeof(*c->position));
  if (!c->position) return error_memory(e);
  for (int i = 0; i < r->n_columns; i++) c->position[i] = -1;
  for (int i = 0; i < c->plan.n_columns; i++) c->position[c->plan.columns[i]] = i;
  c->one_row = plan_is_unique(&c->plan, r);
  c->identity = ++identities;
  c->plan_text = mem_strdup(text);
  return c->plan_text ? true : error_memory(e);
}

/* A batch for N columns: the one that is there, if it is of that kind. */
static bool prepare_batch(cursor *c, int n, tskdb_error *e) {
  if (c->batch.storage && c->batch.n_columns == n) {
    c->batch.byte_limit = REMOTE_FIRST_BYTES;
    return true;
  }
  batch_free(&c->batch);
  return batch_init(&c->batch, n, REMOTE_FIRST_BYTES) || error_memory(e);
}

/* SQLite keeps an element of an IN list only until the next is asked for. */
static value copied(value v, arena *a) {
  if (v.storage == STORAGE_TEXT || v.storage == STORAGE_BLOB) {
    v.bytes = arena_strndup(a, v.bytes ? v.bytes : "", v.length);
  }
  return v;
}

/* The elements of an IN list.  SQLite does not say how many there are. */
static bool read_list(sqlite3_value *argument, arena *a, value *out) {
  value *list = NULL;
  size_t n = 0;
  sqlite3_value *element = NULL;
  int rc = sqlite3_vtab_in_first(argument, &element);
  for (; rc == SQLITE_OK && element; rc = sqlite3_vtab_in_next(argument, &element)) {
    list = arena_more(a, list, n, sizeof(*list));
    if (!list) return false;
    list[n++] = copied(sqlite_value(element), a);
  }
  *out = (value){.storage = STORAGE_LIST, .list = list, .n_list = n};
  return rc == SQLITE_OK || rc == SQLITE_DONE;
}

static bool is_list(const plan *p, int argument) {
  for (int i = 0; i < p->n_terms; i++) {
    if (p->terms[i].argument == argument) return p->terms[i].op == OP_IN;
  }
  return false;
}

/* All values are copied: SQLite owns its own only during xFilter, and the scan goes on after it. */
static value *read_arguments(cursor *c, int argc, sqlite3_value **argv) {
  value *arguments = arena_alloc(&c->arena, ((size_t)argc + 1) * sizeof(*arguments));
  for (int i = 0; arguments && i < argc; i++) {
    if (!is_list(&c->plan, i)) {
      arguments[i] = copied(sqlite_value(argv[i]), &c->arena);
    } else if (!read_list(argv[i], &c->arena, &arguments[i])) {
      return NULL;
    }
  }
  return c->arena.failed ? NULL : arguments;
}

/* ---- asking the server --------------------------------------------------- */

/* The current row of the batch, or the next one that is there at all: a count
** without groups may be 0. */
static void set_repeat(cursor *c) {
  c->repeat = 1;
  for (; c->inquiry.counted && c->row < c->batch.n_rows; c->row++) {
    c->repeat = batch_at(&c->batch, c->batch.n_columns - 1, c->row).integer;
    if (c->repeat > 0) break;
  }
}

/* Ends the request as soon as its last batch is here, so that its connection can
** serve another while this batch is read. */
static void settle(cursor *c) {
  if (c->remote.more || !c->remote.connection) return;
  stop_asking(c, NULL);
  const query *q = &c->inquiry.query;
  if (!q->n_filter && !q->n_group_by && !q->has_limit && !c->inquiry.counted) {
    table_has_rows(c->table, (double)c->remote.record.rows);
  }
  if (c->keyed) keyed_spent(c->keyed, c->remote.waited_us);
  arena_reset(&c->arena);
}

/* Sends the request, unless that was done before, and fetches the first rows. */
static bool start(cursor *c, const inquirer *who, tskdb_error *e) {
  remote *r = &c->remote;
  c->overlap = overlap_take(c->table, &r->request);
  if (!who->one_row && !who->again) overlap_begin(c->table, c);
  if (!c->overlap) return remote_start(r, &c->batch, e);
  return overlap_start(c->overlap, r, &c->batch, e);
}

static bool ask_server(cursor *c, const value *arguments, int n, tskdb_error *e) {
  inquirer who = {.table = c->table, .plan = &c->plan, .plan_text = c->plan_text,
                  .proof = &c->proof, .memo = &c->memo, .one_row = c->one_row,
                  .again = c->keyed && keyed_probes(c->keyed) > 1};
  inquiry *q = &c->inquiry;
  c->remote = (remote){.server = c->table->server, .wait = &c->wait,
                       .repeatable = c->table->relation->kind != RELATION_QUERY};
  if (!inquiry_make(q, &who, arguments, n, &c->arena, &c->remote.request, e)) return false;
  c->remote.kind = q->counted ? "runs" : "scan";
  if (!prepare_batch(c, q->query.n_select, e) || q->kind == ROWS_EMPTY) return !error_is_set(e);
  if (!start(c, &who, e)) return false;
  /* The next batch is under way while this one is read, and while the tables that
  ** are joined with it are probed. */
  remote_read_ahead(&c->remote, c->batch.n_columns);
  set_repeat(c);
  return true;
}

/* A small answer to a probe is remembered, and read from there. */
static bool keep(cursor *c, tskdb_error *e) {
  if (!c->keyed || c->inquiry.counted || c->remote.more) return true;
  if (!keyed_wants(c->keyed, &c->batch)) return true;
  if (!keyed_keep(c->keyed, &c->batch, &c->stored, e)) return false;
  c->mode = MODE_STORED;
  return true;
}

static bool read_spilled(cursor *c, tskdb_error *e) {
  batch_clear(&c->batch);
  c->row = 0;
  do {
    if (!keyed_spilled(c->keyed, &c->batch, &c->spill_more, e)) return false;
  } while (!c->batch.n_rows && c->spill_more);
  return true;
}

static bool probe(cursor *c, const value *arguments, int n, tskdb_error *e) {
  switch (keyed_probe(c->keyed, c, arguments, n, &c->wait, &c->stored, e)) {
    case KEYED_ERROR: return false;
    case KEYED_STORED: c->mode = MODE_STORED; return true;
    case KEYED_SPILLED:
      c->mode = MODE_SPILLED;
      return prepare_batch(c, c->plan.n_columns, e) && read_spilled(c, e);
    case KEYED_ASK: break;
  }
  return ask_server(c, arguments, n, e) && keep(c, e);
}

/* Where the server may merge rows, those of different keys would be merged too. */
static void prepare_probing(cursor *c, const value *arguments, int n) {
  const server_options *o = &c->table->server->options;
  if (c->keyed && keyed_fits(c->keyed, arguments, n)) return;
  if (c->plan.distinct || !(o->batch_keys || o->fetch_whole)) return;
  park(c);
  retire(c, c->keyed);
  c->keyed = NULL;
  take_parked(c, arguments, n);
  if (c->keyed) return;
  c->keyed = c->idle ? c->idle : keyed_new(c->table, &c->plan, c->plan_text, c->position);
  c->idle = NULL;
}

int cursor_filter(cursor *c, const char *plan_text, int argc, sqlite3_value **argv) {
  tskdb_error e = {0};
  cursor_end_scan(c, NULL);
  c->begun = true;
  if (!adopt_plan(c, plan_text, &e)) return cursor_fail(c, &e);
  value *arguments = read_arguments(c, argc, argv);
  if (!arguments) {
    error_memory(&e);
    return cursor_fail(c, &e);
  }
  prepare_probing(c, arguments, argc);
  bool ok = c->keyed ? probe(c, arguments, argc, &e) : ask_server(c, arguments, argc, &e);
  if (!ok) return cursor_fail(c, &e);
  settle(c);
  return SQLITE_OK;
}

/* ---- rows ---------------------------------------------------------------- */

static int next_batch(cursor *c) {
  tskdb_error e = {0};
  c->batch.byte_limit = c->table->server->options.batch_bytes;
  if (!remote_fetch(&c->remote, &c->batch, &e)) return cursor_fail(c, &e);
  c->row = 0;
  set_repeat(c);
  settle(c);
  return SQLITE_OK;
}

static int next_spilled(cursor *c) {
  tskdb_error e = {0};
  if (++c->row < c->batch.n_rows || !c->spill_more) return SQLITE_OK;
  return read_spilled(c, &e) ? SQLITE_OK : cursor_fail(c, &e);
}

int cursor_next(cursor *c) {
  c->has_id = false;
  if (c->mode == MODE_STORED) {
    c->stored = keyed_next(c->keyed, c->stored);
    return SQLITE_OK;
  }
  if (c->mode == MODE_SPILLED) return next_spilled(c);
  if (--c->repeat > 0) return SQLITE_OK;
  if (++c->row < c->batch.n_rows) {
    set_repeat(c);
    return SQLITE_OK;
  }
  return c->remote.more ? next_batch(c) : SQLITE_OK;
}

bool cursor_eof(const cursor *c) {
  return c->mode == MODE_STORED ? !c->stored.page : c->row >= c->batch.n_rows;
}

const batch *cursor_current(const cursor *c, uint32_t *row) {
  if (!c->plan_text || cursor_eof(c)) return NULL;
  *row = c->mode == MODE_STORED ? c->stored.row : c->row;
  return c->mode == MODE_STORED ? c->stored.page : &c->batch;
}

/* Two cursors may take each other for the source of their keys: an EXISTS leaves its
** own on a row.  Neither is looked through twice. */
bool cursor_upcoming(cursor *c, cursor_visitor *see, void *context) {
  if (c->looked_through || cursor_eof(c)) return true;
  if (c->mode == MODE_STORED) {
    c->looked_through = true;
    bool all = keyed_upcoming(c->keyed, c->stored, see, context);
    c->looked_through = false;
    return all;
  }
  for (uint32_t row = c->row + 1; row < c->batch.n_rows; row++) {
    if (!see(context, &c->batch, row)) return false;
  }
  return true;
}

static value cell(const cursor *c, int col) {
  int at = c->position[col];
  if (at < 0) return (value){.storage = STORAGE_NULL};
  return c->mode == MODE_STORED ? batch_at(c->stored.page, at, c->stored.row)
                                : batch_at(&c->batch, at, c->row);
}

/* The hidden key as a JSON array of the key's values; a blob is {"hex":"…"}, so
** that different keys have different texts. */
static void print_key(const cursor *c, buffer *out) {
  const relation *r = c->table->relation;
  for (int i = 0; i < r->n_key; i++) {
    value v = cell(c, r->key[i]);
    buffer_char(out, i ? ',' : '[');
    switch (v.storage) {
      case STORAGE_INTEGER: buffer_printf(out, "%lld", (long long)v.integer); break;
      case STORAGE_TEXT: buffer_json(out, v.bytes, v.length); break;
      case STORAGE_BLOB:
        buffer_text(out, "{\"hex\":\"");
        for (size_t k = 0; k < v.length; k++) buffer_printf(out, "%02x", (unsigned char)v.bytes[k]);
        buffer_text(out, "\"}");
        break;
      case STORAGE_REAL: {
        char text[32];
        buffer_append(out, text, value_format_real(v.real, text));
        break;
      }
      default: buffer_text(out, "null");
    }
  }
  buffer_char(out, ']');
}

static int result_key(const cursor *c, sqlite3_context *out) {
  buffer text = {0};
  print_key(c, &text);
  if (text.failed) {
    sqlite3_result_error_nomem(out);
  } else {
    sqlite3_result_text64(out, buffer_cstr(&text), text.length, SQLITE_TRANSIENT, SQLITE_UTF8);
  }
  buffer_free(&text);
  return SQLITE_OK;
}

/* A text that has its NUL at its end and nowhere else: SQLite then copies the
** NUL too and need not make room for one when the text is read. */
static void result_text(sqlite3_context *out, const char *text, size_t length) {
  bool whole = strlen(text) == length;
  if (whole) sqlite3_result_text(out, text, -1, SQLITE_TRANSIENT);
  else sqlite3_result_text64(out, text, length, SQLITE_TRANSIENT, SQLITE_UTF8);
}

int cursor_column(cursor *c, sqlite3_context *out, int column_number) {
  const relation *r = c->table->relation;
  if (column_number == c->table->key_column) return result_key(c, out);
  if (column_number < 0 || column_number >= r->n_columns || c->position[column_number] < 0) {
    sqlite3_result_error(out, "tskdb: a column is read that the statement did not name", -1);
    return SQLITE_ERROR;
  }
  bool stored = c->mode == MODE_STORED;
  const batch *b = stored ? c->stored.page : &c->batch;
  uint32_t row = stored ? c->stored.row : c->row;
  size_t slot = (size_t)c->position[column_number] * b->row_limit + row;
  const batch_cell *found = &b->cells[slot];
  switch (b->storage[slot]) {
    case STORAGE_INTEGER: sqlite3_result_int64(out, found->integer); break;
    case STORAGE_REAL: sqlite3_result_double(out, found->real); break;
    case STORAGE_TEXT: result_text(out, b->heap + found->bytes.offset, found->bytes.length); break;
    case STORAGE_BLOB:
      sqlite3_result_blob64(out, b->heap + found->bytes.offset, found->bytes.length,
                            SQLITE_TRANSIENT);
      break;
    default: sqlite3_result_null(out);
  }
  return SQLITE_OK;
}

/* Asked more than once, a row answers the same. */
static bool content_id(cursor *c, int64_t *out) {
  uint64_t hash = 0;
  if (!c->has_id) {
    for (int i = 0; i < c->plan.n_columns; i++) {
      value v = cell(c, c->plan.columns[i]);
      hash = value_hash(&v, hash);
    }
    c->has_id = identity_next(&c->ids, hash, &c->id);
  }
  *out = c->id;
  return c->has_id;
}

int cursor_rowid(cursor *c, sqlite3_int64 *out) {
  const relation *r = c->table->relation;
  int64_t id = 0;
  if (r->key_is_rowid) id = cell(c, r->key[0]).integer;
  else if (!content_id(c, &id)) return SQLITE_NOMEM;
  *out = id;
  return SQLITE_OK;
}
