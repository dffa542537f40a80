/*
** outlook.c - which scans of a statement are to come, as its program says.
**
** The program is cut into pieces: a piece is entered by a jump and is run
** downwards until an instruction that leads elsewhere in any case.
**
**   piece entered by              example
**   the program's beginning       the first arm of a UNION ALL, and the next
**   Gosub                         a subquery that is materialised
**   Yield (InitCoroutine)         a subquery whose rows are handed over one by one
**   Goto, InitCoroutine's P2      what stands behind such a piece
**
** An instruction is come to if its piece is, and if no jump of the piece leads past it;
** but for jumps that are taken when a loop has no row, or a row is not wanted, and
** for Once, which lets the first time through.
**
** Opcodes: https://www.sqlite.org/opcode.html.  One that is not known here is taken
** for one that does not jump.
*/
#include "vtab/outlook.h"

#include <string.h>

enum { DEPTH_MOST = 12, ARGUMENTS_MOST = 64 };

/* ---- jumps ------------------------------------------------------------------ */

typedef enum jump {
  JUMP_NONE,
  JUMP_AWAY,                   /* always: what follows is another piece */
  JUMP_CALL,                   /* comes back to what follows */
  JUMP_ONCE,                   /* not the first time */
  JUMP_NO_ROW,                 /* where a loop has nothing to read */
  JUMP_IF                      /* for whatever other reason */
} jump;

static const struct { const char *opcode; jump kind; } jumps[] = {
  {"Init", JUMP_AWAY}, {"Goto", JUMP_AWAY}, {"Halt", JUMP_AWAY}, {"EndCoroutine", JUMP_AWAY},
  {"InitCoroutine", JUMP_AWAY}, {"Return", JUMP_AWAY},
  {"Gosub", JUMP_CALL},
  {"Once", JUMP_ONCE},
  {"VFilter", JUMP_NO_ROW}, {"Rewind", JUMP_NO_ROW}, {"Sort", JUMP_NO_ROW},
  {"SorterSort", JUMP_NO_ROW}, {"Last", JUMP_NO_ROW}, {"SeekGE", JUMP_NO_ROW},
  {"SeekGT", JUMP_NO_ROW}, {"SeekLE", JUMP_NO_ROW}, {"SeekLT", JUMP_NO_ROW},
  {"SeekRowid", JUMP_NO_ROW}, {"NotExists", JUMP_NO_ROW}, {"IdxGT", JUMP_NO_ROW},
  {"IdxGE", JUMP_NO_ROW}, {"IdxLT", JUMP_NO_ROW}, {"IdxLE", JUMP_NO_ROW},
  {"Yield", JUMP_NO_ROW}, {"IfEmpty", JUMP_NO_ROW},
  {"VNext", JUMP_IF}, {"Next", JUMP_IF}, {"Prev", JUMP_IF}, {"SorterNext", JUMP_IF},
  {"Eq", JUMP_IF}, {"Ne", JUMP_IF}, {"Lt", JUMP_IF}, {"Le", JUMP_IF}, {"Gt", JUMP_IF},
  {"Ge", JUMP_IF}, {"ElseEq", JUMP_IF}, {"ElseNotEq", JUMP_IF}, {"Jump", JUMP_IF},
  {"If", JUMP_IF}, {"IfNot", JUMP_IF}, {"IsNull", JUMP_IF}, {"NotNull", JUMP_IF},
  {"IsType", JUMP_IF}, {"IsNullOrType", JUMP_IF},
  {"IfNullRow", JUMP_IF}, {"IfPos", JUMP_IF}, {"IfNotZero", JUMP_IF},
  {"DecrJumpZero", JUMP_IF}, {"IfSmaller", JUMP_IF}, {"IfSizeBetween", JUMP_IF},
  {"Found", JUMP_IF}, {"NotFound", JUMP_IF}, {"NoConflict", JUMP_IF}, {"IfNoHope", JUMP_IF},
  {"SeekScan", JUMP_IF}, {"Filter", JUMP_IF}, {"MustBeInt", JUMP_IF}, {"RowSetRead", JUMP_IF},
  {"RowSetTest", JUMP_IF}, {"Program", JUMP_IF}, {"FkIfZero", JUMP_IF}};

static jump jump_of(const instruction *i) {
  /* A Return with P3 goes on below where the piece was not called. */
  if (program_is(i, "Return") && i->p3) return JUMP_NONE;
  if (program_is(i, "InitCoroutine") && !i->p2) return JUMP_NONE;
  for (size_t k = 0; k < sizeof(jumps) / sizeof(jumps[0]); k++) {
    if (program_is(i, jumps[k].opcode)) return jumps[k].kind;
  }
  return JUMP_NONE;
}

static bool continues_loop(const program *p, int at) {
  if (at < 0 || at >= p->n) return false;
  const instruction *i = &p->code[at];
  return program_is(i, "VNext") || program_is(i, "Next") || program_is(i, "Prev") ||
         program_is(i, "SorterNext");
}

/* Where a way has to lead: to an instruction, or right into the piece that it leads to. */
typedef struct goal {
  int at;
  int from, to;                /* the piece, up to what is looked for; none: to < from */
} goal;

static bool is_past(const goal *g, int target) {
  return target > g->at && !(target >= g->from && target <= g->to);
}

/* Whether I, which stands before the goal, may lead past it without a row that is to blame. */
static bool leads_past(const program *p, const instruction *i, jump kind, const goal *g,
                       bool *certain) {
  bool three = program_is(i, "Jump");
  if (!is_past(g, i->p2) && !(three && (is_past(g, i->p1) || is_past(g, i->p3)))) return false;
  if (kind == JUMP_NO_ROW || (kind == JUMP_IF && !three && continues_loop(p, i->p2))) {
    *certain = false;
    return false;
  }
  return kind == JUMP_IF;
}

/* ---- ways ------------------------------------------------------------------- */

static bool is_come_to(const program *p, goal g, int depth, bool *certain);

/* Whether an instruction is come to that leads into the piece FROM .. AT. */
static bool is_entered(const program *p, int from, int at, int depth, bool *certain) {
  const instruction *before = &p->code[from - 1];
  bool coroutine = program_is(before, "InitCoroutine") && before->p3 == from;
  for (int k = 0; k < p->n; k++) {
    const instruction *i = &p->code[k];
    bool leads;
    if (coroutine) {
      leads = program_is(i, "Yield") && i->p1 == before->p1 && (k < from || k >= before->p2);
    } else {
      leads = (program_is(i, "Goto") || program_is(i, "Gosub") || program_is(i, "InitCoroutine")) &&
              i->p2 >= from && i->p2 <= at && (k < from || k > at);
    }
    bool still = *certain;
    if (leads && is_come_to(p, (goal){k, from, at}, depth + 1, &still)) {
      *certain = still;
      return true;
    }
  }
  return false;
}

static bool is_come_to(const program *p, goal g, int depth, bool *certain) {
  int from = g.at;
  if (depth > DEPTH_MOST) return false;
  for (; from > 0; from--) {
    const instruction *i = &p->code[from - 1];
    jump kind = jump_of(i);
    if (kind == JUMP_AWAY) break;
    if (leads_past(p, i, kind, &g, certain)) return false;
  }
  return from <= 1 || is_entered(p, from, g.at, depth, certain);
}

/* ---- values ----------------------------------------------------------------- */

static bool constant_value(const instruction *i, value *out) {
  if (program_is(i, "Integer")) {
    *out = (value){.storage = STORAGE_INTEGER, .integer = i->p1};
  } else if (program_is(i, "String8") && i->p4) {
    *out = (value){.storage = STORAGE_TEXT, .bytes = i->p4, .length = strlen(i->p4)};
  } else if (program_is(i, "Real") && i->p4) {
    *out = (value){.storage = STORAGE_REAL};
    return value_parse_real(i->p4, strlen(i->p4), &out->real);
  } else if (program_is(i, "Int64") && i->p4) {
    *out = (value){.storage = STORAGE_TEXT, .bytes = i->p4, .length = strlen(i->p4)};
    return value_apply_numeric(out) && out->storage == STORAGE_INTEGER;
  } else if (program_is(i, "Null")) {
    *out = (value){.storage = STORAGE_NULL};
  } else {
    return false;
  }
  return true;
}

/* Whether I, which is no constant, puts something into the register. */
static bool writes(const instruction *i, int number) {
  static const char *const into_p2[] = {"SCopy", "Copy", "Move", "Rowid", "IntCopy", "VInitIn"};
  if (i->p3 == number && jump_of(i) == JUMP_NONE) return true;
  for (size_t k = 0; k < sizeof(into_p2) / sizeof(into_p2[0]); k++) {
    if (i->p2 == number && program_is(i, into_p2[k])) return true;
  }
  return false;
}

/* *FOUND: I gives the register its value; false: it gives another that is not known. */
static bool reads_constant(const instruction *i, int number, outlook_argument *out, bool *found) {
  value v;
  bool into = i->p2 == number || (program_is(i, "Null") && number >= i->p2 && number <= i->p3);
  *found = false;
  if (into && program_is(i, "Variable")) {
    *out = (outlook_argument){.variable = i->p1};
    *found = true;
  } else if (into && constant_value(i, &v)) {
    *out = (outlook_argument){.constant = v};
    *found = true;
  }
  return *found || !writes(i, number);
}

/* What the register holds at AT: what was written last above it, or, of a constant that
** SQLite has moved out of the loops, behind the program's end. */
static bool register_value(const program *p, int at, int number, outlook_argument *out) {
  bool found;
  for (int k = at; k-- > 0;) {
    if (!reads_constant(&p->code[k], number, out, &found)) return false;
    if (found) return true;
  }
  for (int k = at; k < p->n; k++) {
    if (!program_is(&p->code[k], "Transaction")) continue;
    for (; k < p->n; k++) {
      if (!reads_constant(&p->code[k], number, out, &found)) return false;
      if (found) return true;
    }
  }
  return false;
}

static bool read_arguments(const program *p, int at, arena *a, outlook_scan *out) {
  int first = p->code[at].p3;
  outlook_argument n;
  if (!register_value(p, at, first + 1, &n) || n.variable) return false;
  if (n.constant.storage != STORAGE_INTEGER || n.constant.integer > ARGUMENTS_MOST) return false;
  out->n_arguments = (int)n.constant.integer;
  out->arguments = arena_alloc(a, ((size_t)out->n_arguments + 1) * sizeof(*out->arguments));
  for (int i = 0; out->arguments && i < out->n_arguments; i++) {
    if (!register_value(p, at, first + 2 + i, &out->arguments[i])) return false;
  }
  return out->arguments != NULL;
}

/* ---- scans ------------------------------------------------------------------ */

/* The table that cursor CURSOR is open on at AT. */
static table *table_at(const program *p, const server_directory *d, int cursor, int at) {
  for (int k = at; k-- > 0;) {
    const instruction *i = &p->code[k];
    if (i->p1 == cursor && program_opens_any(i)) return program_opened(i, d);
  }
  return NULL;
}

bool outlook_read(const program *p, const server_directory *d, arena *a, outlook *out) {
  *out = (outlook){0};
  for (int at = 1; at < p->n; at++) {
    const instruction *i = &p->code[at];
    outlook_scan s = {.filter = at, .certain = true, .plan_text = i->p4};
    if (!program_is(i, "VFilter") || !i->p4) continue;
    s.table = table_at(p, d, i->p1, at);
    if (!s.table || !is_come_to(p, (goal){.at = at, .to = -1}, 0, &s.certain) || !read_arguments(p, at, a, &s)) continue;
    out->scans = arena_more(a, out->scans, (size_t)out->n, sizeof(*out->scans));
    if (!out->scans) return false;
    out->scans[out->n++] = s;
  }
  return !a->failed;
}
