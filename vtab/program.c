/*
** program.c - what the program of a statement proves.
**
** Opcodes: https://www.sqlite.org/opcode.html.  They are not an interface of
** SQLite that is promised to stay, so the lists here are of what is harmless.
*/
#include "vtab/program.h"

#include <stdlib.h>
#include <string.h>

int program_visit(sqlite3 *db, const char *sql, program_visitor *see, void *context) {
  enum { OPCODE = 1, P1 = 2, P2 = 3, P3 = 4, P4 = 5, P5 = 6 };
  sqlite3_stmt *stmt = NULL;
  char *explain = sqlite3_mprintf("EXPLAIN %s", sql);
  if (!explain) return SQLITE_NOMEM;
  int rc = sqlite3_prepare_v2(db, explain, -1, &stmt, NULL);
  sqlite3_free(explain);
  while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
    instruction i = {.opcode = (const char *)sqlite3_column_text(stmt, OPCODE),
                     .p1 = sqlite3_column_int(stmt, P1),
                     .p2 = sqlite3_column_int(stmt, P2),
                     .p3 = sqlite3_column_int(stmt, P3),
                     .p4 = (const char *)sqlite3_column_text(stmt, P4),
                     .p5 = sqlite3_column_int(stmt, P5)};
    if (i.opcode && !see(context, &i)) break;
  }
  int end = sqlite3_finalize(stmt);
  return rc == SQLITE_OK ? end : rc;
}

bool program_is(const instruction *i, const char *opcode) { return strcmp(i->opcode, opcode) == 0; }

bool program_opens(const instruction *i, const table *t) {
  static const char prefix[] = "vtab:";
  if (!program_is(i, "VOpen") || !i->p4) return false;
  if (strncmp(i->p4, prefix, sizeof(prefix) - 1) != 0) return false;
  return (uintptr_t)strtoull(i->p4 + sizeof(prefix) - 1, NULL, 16) == (uintptr_t)t;
}

bool program_opens_any(const instruction *i) {
  return strncmp(i->opcode, "Open", 4) == 0 || program_is(i, "VOpen") ||
         program_is(i, "SorterOpen") || program_is(i, "ReopenIdx");
}

/* Shows SEE the program of the statement that is running. */
static bool visit_running(table *t, program_visitor *see, void *context) {
  execution now = execution_current(t->db);
  const char *sql = now.statement ? sqlite3_sql(now.statement) : NULL;
  if (!sql) return false;
  uint64_t compilations = t->directory->compilations;
  bool ok = program_visit(t->db, sql, see, context) == SQLITE_OK;
  t->directory->compilations = compilations;   /* this one changes nothing */
  return ok;
}

/* ---- the whole ------------------------------------------------------------ */

typedef struct loading {
  program *program;
  arena *arena;
  bool refused;
} loading;

static bool load(void *context, const instruction *i) {
  loading *l = context;
  program *p = l->program;
  l->refused = program_is(i, "Program");
  p->code = arena_more(l->arena, p->code, (size_t)p->n, sizeof(*p->code));
  if (l->refused || !p->code) return false;
  instruction *made = &p->code[p->n++];
  *made = *i;
  made->opcode = arena_strdup(l->arena, i->opcode);
  made->p4 = arena_strdup(l->arena, i->p4);
  return !l->arena->failed;
}

bool program_load(table *t, arena *a, program *out) {
  loading l = {.program = out, .arena = a};
  *out = (program){0};
  return visit_running(t, load, &l) && !l.refused && !a->failed;
}

/* ---- which columns of a table are read ------------------------------------ */

enum { CURSORS_MOST = 64 };    /* numbers of cursors that are followed */

typedef struct columns_proof {
  const table *table;
  const plan *plan;
  const char *plan_text;
  uint64_t cursors;            /* numbers that are open on the table, a bit each */
  bool planned;                /* the plan is one of the program's */
  bool refuted;
} columns_proof;

static bool is_used(const plan *p, int col) {
  for (int i = 0; i < p->n_used; i++) {
    if (p->columns[i] == col) return true;
  }
  return false;
}

static bool see_use(void *context, const instruction *i) {
  columns_proof *p = context;
  bool follows = i->p1 >= 0 && i->p1 < CURSORS_MOST && (p->cursors & (UINT64_C(1) << i->p1));
  if (program_opens(i, p->table)) {
    if (i->p1 < 0 || i->p1 >= CURSORS_MOST) p->refuted = true;
    else p->cursors |= UINT64_C(1) << i->p1;
  } else if (program_is(i, "Program") || program_is(i, "VUpdate")) {
    p->refuted = true;
  } else if (follows && program_is(i, "VFilter")) {
    if (i->p4 && strcmp(i->p4, p->plan_text) == 0) p->planned = true;
  } else if (follows && program_is(i, "VColumn")) {
    p->refuted = !is_used(p->plan, i->p2);
  } else if (follows && (program_is(i, "Rowid") || program_is(i, "Column"))) {
    p->refuted = true;
  }
  return !p->refuted;
}

bool program_reads_only(table *t, const plan *p, const char *plan_text) {
  columns_proof proof = {.table = t, .plan = p, .plan_text = plan_text};
  return visit_running(t, see_use, &proof) && !proof.refuted && proof.planned;
}
