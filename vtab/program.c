/*
** program.c - the program of a statement.
**
** Opcodes: https://www.sqlite.org/opcode.html.
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

table *program_opened(const instruction *i, const server_directory *d) {
  table *t = d->tables;
  while (t && !program_opens(i, t)) t = t->next;
  return t;
}

bool program_opens_any(const instruction *i) {
  return strncmp(i->opcode, "Open", 4) == 0 || program_is(i, "VOpen") ||
         program_is(i, "SorterOpen") || program_is(i, "ReopenIdx");
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

bool program_compile(sqlite3 *db, const char *sql, arena *a, program *out) {
  loading l = {.program = out, .arena = a};
  *out = (program){0};
  return program_visit(db, sql, load, &l) == SQLITE_OK && !l.refused && !a->failed;
}

bool program_load(table *t, arena *a, program *out) {
  execution now = execution_current(t->db);
  const char *sql = now.statement ? sqlite3_sql(now.statement) : NULL;
  *out = (program){0};
  if (!sql) return false;
  uint64_t compilations = t->directory->compilations;
  bool ok = program_compile(t->db, sql, a, out);
  t->directory->compilations = compilations;   /* this one changes nothing */
  return ok;
}

/* ---- which columns of a table are read ------------------------------------ */

enum { CURSORS_MOST = 64 };    /* numbers of cursors that are followed */

static bool is_used(const plan *p, int col) {
  for (int i = 0; i < p->n_used; i++) {
    if (p->columns[i] == col) return true;
  }
  return false;
}

bool program_reads_only(const program *p, const table *t, const plan *chosen,
                        const char *plan_text) {
  uint64_t cursors = 0;        /* numbers that are open on the table, a bit each */
  bool planned = false;        /* the plan is one of the program's */
  for (int k = 0; k < p->n; k++) {
    const instruction *i = &p->code[k];
    bool counted = i->p1 >= 0 && i->p1 < CURSORS_MOST;
    bool follows = counted && (cursors & (UINT64_C(1) << i->p1));
    if (program_opens(i, t)) {
      if (!counted) return false;
      cursors |= UINT64_C(1) << i->p1;
    } else if (program_is(i, "VUpdate")) {
      return false;
    } else if (follows && program_is(i, "VFilter")) {
      planned |= i->p4 && strcmp(i->p4, plan_text) == 0;
    } else if (follows && program_is(i, "VColumn")) {
      if (!is_used(chosen, i->p2)) return false;
    } else if (follows && (program_is(i, "Rowid") || program_is(i, "Column"))) {
      return false;
    }
  }
  return planned;
}
