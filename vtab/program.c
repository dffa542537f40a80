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
  enum { OPCODE = 1, P1 = 2, P2 = 3, P4 = 5 };
  sqlite3_stmt *stmt = NULL;
  char *explain = sqlite3_mprintf("EXPLAIN %s", sql);
  if (!explain) return SQLITE_NOMEM;
  int rc = sqlite3_prepare_v2(db, explain, -1, &stmt, NULL);
  sqlite3_free(explain);
  while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
    instruction i = {.opcode = (const char *)sqlite3_column_text(stmt, OPCODE),
                     .p1 = sqlite3_column_int(stmt, P1),
                     .p2 = sqlite3_column_int(stmt, P2),
                     .p4 = (const char *)sqlite3_column_text(stmt, P4)};
    if (i.opcode && !see(context, &i)) break;
  }
  int end = sqlite3_finalize(stmt);
  return rc == SQLITE_OK ? end : rc;
}

static bool is(const instruction *i, const char *opcode) { return strcmp(i->opcode, opcode) == 0; }

bool program_opens(const instruction *i, const table *t) {
  static const char prefix[] = "vtab:";
  if (!is(i, "VOpen") || !i->p4 || strncmp(i->p4, prefix, sizeof(prefix) - 1) != 0) return false;
  return (uintptr_t)strtoull(i->p4 + sizeof(prefix) - 1, NULL, 16) == (uintptr_t)t;
}

/* Whether the program of the statement that is running, as SEE judges it, proves something. */
static bool prove(table *t, program_visitor *see, void *context) {
  execution now = execution_current(t->db);
  const char *sql = now.statement ? sqlite3_sql(now.statement) : NULL;
  if (!sql) return false;
  uint64_t compilations = t->directory->compilations;
  bool ok = program_visit(t->db, sql, see, context) == SQLITE_OK;
  t->directory->compilations = compilations;   /* this one changes nothing */
  return ok;
}

/* ---- one source, each of whose rows is a row of the result ---------------- */

/* What may stand in the loop: it computes and hands out, and never jumps but to
** count OFFSET and LIMIT. */
static const char *const linear[] = {
  "VColumn", "Rowid", "Copy", "SCopy", "Integer", "Int64", "Real", "String", "String8", "Null",
  "Blob", "Variable", "RealAffinity", "Affinity", "Cast", "Function", "PureFunc", "Concat", "Add",
  "Subtract", "Multiply", "Divide", "Remainder", "ResultRow", "DecrJumpZero", "IfPos", "Noop",
};

typedef struct scan_proof {
  const table *table;
  const char *plan_text;
  int opened;                  /* cursors of any kind */
  bool ours;                   /* the one is ours */
  bool inside, done;           /* the loop */
  bool refuted;
} scan_proof;

static bool is_linear(const instruction *i) {
  for (size_t k = 0; k < sizeof(linear) / sizeof(linear[0]); k++) {
    if (is(i, linear[k])) return true;
  }
  return false;
}

static bool opens_a_cursor(const char *opcode) {
  return strncmp(opcode, "Open", 4) == 0 || strcmp(opcode, "VOpen") == 0 ||
         strcmp(opcode, "SorterOpen") == 0 || strcmp(opcode, "ReopenIdx") == 0;
}

static bool see_scan(void *context, const instruction *i) {
  scan_proof *p = context;
  if (opens_a_cursor(i->opcode)) {
    p->opened++;
    p->ours = program_opens(i, p->table);
  } else if (is(i, "VFilter")) {
    if (p->inside || p->done || !i->p4 || strcmp(i->p4, p->plan_text) != 0) p->refuted = true;
    p->inside = true;
  } else if (is(i, "VNext")) {
    p->inside = false;
    p->done = true;
  } else if (is(i, "Program") || is(i, "Yield") || is(i, "Gosub")) {
    p->refuted = true;
  } else if (p->inside && !is_linear(i)) {
    p->refuted = true;
  }
  return !p->refuted;
}

bool program_is_plain_scan(table *t, const char *plan_text) {
  scan_proof p = {.table = t, .plan_text = plan_text};
  return prove(t, see_scan, &p) && !p.refuted && p.done && p.opened == 1 && p.ours;
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
  } else if (is(i, "Program") || is(i, "VUpdate")) {
    p->refuted = true;
  } else if (follows && is(i, "VFilter")) {
    if (i->p4 && strcmp(i->p4, p->plan_text) == 0) p->planned = true;
  } else if (follows && is(i, "VColumn")) {
    p->refuted = !is_used(p->plan, i->p2);
  } else if (follows && (is(i, "Rowid") || is(i, "Column"))) {
    p->refuted = true;
  }
  return !p->refuted;
}

bool program_reads_only(table *t, const plan *p, const char *plan_text) {
  columns_proof proof = {.table = t, .plan = p, .plan_text = plan_text};
  return prove(t, see_use, &proof) && !proof.refuted && proof.planned;
}
