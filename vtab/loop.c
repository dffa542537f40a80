/*
** loop.c - the loop over one scan in a statement's program, read as a condition.
**
** Opcodes: https://www.sqlite.org/opcode.html.  They are not an interface of
** SQLite that is promised to stay: an instruction that is not known here ends
** the path, and nothing is concluded from what follows.
**
** Invariants:
**   1. A condition that loop_condition() returns is implied by the program's: where a
**      jump's own condition cannot be said, both ways stay open.
**   2. Paths only lead forward, and their number is bounded.
**   3. Constants that SQLite has moved out of the loop stand at the program's
**      end; their registers are written nowhere else.
*/
#include "vtab/loop.h"

#include <stdlib.h>
#include <string.h>

#include "vtab/period.h"

enum {
  REGISTERS = 96,              /* whose contents are known; of the others nothing is */
  STEPS_MOST = 600,            /* instructions on all paths together */
  FORKS_MOST = 32              /* jumps on one path, each a level of the stack */
};

typedef enum symbol_kind {
  SYMBOL_UNKNOWN, SYMBOL_NULL, SYMBOL_CONSTANT, SYMBOL_VARIABLE, SYMBOL_SUBJECT, SYMBOL_LIKE
} symbol_kind;

/* What a register holds. */
typedef struct symbol {
  symbol_kind kind;
  value constant;              /* INTEGER or TEXT; of SYMBOL_LIKE the pattern */
  int variable;
  subject_kind subject;
  int column;
  int64_t addend;
  const char *label;
} symbol;

typedef struct registers {
  const symbol *at[REGISTERS]; /* NULL: unknown */
} registers;

typedef struct walk {
  const loop *loop;
  const instruction *code;
  arena *arena;
  int steps;
} walk;

/* ---- finding it ----------------------------------------------------------- */

bool loop_find(const program *p, const table *t, const char *plan_text, loop *out) {
  int opened = 0, filters = 0, nexts = 0;
  *out = (loop){.program = p, .table = t, .cursor = -1};
  for (int i = 0; i < p->n; i++) {
    if (!program_opens(&p->code[i], t)) continue;
    out->cursor = p->code[i].p1;
    opened++;
  }
  if (opened != 1) return false;
  for (int i = 0; i < p->n; i++) {
    const instruction *at = &p->code[i];
    if (at->p1 != out->cursor) continue;
    if (program_is(at, "NullRow")) return false;
    if (program_is(at, "VFilter")) {
      if (!at->p4 || strcmp(at->p4, plan_text) != 0) return false;
      out->filter = i;
      filters++;
    } else if (program_is(at, "VNext")) {
      out->next = i;
      nexts++;
    }
  }
  return filters == 1 && nexts == 1 && out->filter < out->next;
}

/* ---- what registers hold -------------------------------------------------- */

static const symbol *get(const registers *r, int number) {
  static const symbol unknown;
  return number >= 0 && number < REGISTERS && r->at[number] ? r->at[number] : &unknown;
}

static void set(registers *r, int number, const symbol *s) {
  if (number >= 0 && number < REGISTERS) r->at[number] = s;
}

static void forget(registers *r, int first, int n) {
  for (int i = 0; i < n; i++) set(r, first + i, NULL);
}

static symbol *make(walk *w, symbol s) {
  symbol *made = arena_alloc(w->arena, sizeof(*made));
  if (made) *made = s;
  return made;
}

static symbol *make_integer(walk *w, int64_t i) {
  return make(w, (symbol){.kind = SYMBOL_CONSTANT,
                          .constant = {.storage = STORAGE_INTEGER, .integer = i}});
}

/* A literal of SQL has no NUL inside: the text would have ended there. */
static symbol *make_text(walk *w, const char *text) {
  value v = {.storage = STORAGE_TEXT, .bytes = text, .length = strlen(text)};
  return make(w, (symbol){.kind = SYMBOL_CONSTANT, .constant = v});
}

static bool is_integer(const symbol *s) {
  return s->kind == SYMBOL_CONSTANT && s->constant.storage == STORAGE_INTEGER;
}

static bool is_text(const symbol *s) {
  return s->kind == SYMBOL_CONSTANT && s->constant.storage == STORAGE_TEXT;
}

static bool is_column(const symbol *s) {
  return s->kind == SYMBOL_SUBJECT && s->subject == SUBJECT_COLUMN;
}

/* Instructions that write a constant into P2. False: I is none. */
static bool assign_constant(walk *w, const instruction *i, registers *r) {
  if (program_is(i, "Integer")) {
    set(r, i->p2, make_integer(w, i->p1));
  } else if (program_is(i, "Int64") && i->p4) {
    set(r, i->p2, make_integer(w, strtoll(i->p4, NULL, 10)));
  } else if ((program_is(i, "String8") || program_is(i, "String")) && i->p4) {
    set(r, i->p2, make_text(w, i->p4));
  } else if (program_is(i, "Variable")) {
    set(r, i->p2, make(w, (symbol){.kind = SYMBOL_VARIABLE, .variable = i->p1}));
  } else if (program_is(i, "Null")) {
    set(r, i->p2, make(w, (symbol){.kind = SYMBOL_NULL}));
    for (int k = i->p2 + 1; k <= i->p3; k++) set(r, k, get(r, i->p2));
  } else {
    return false;
  }
  return true;
}

/* column + K, where the column holds integers alone. */
static const symbol *sum(walk *w, const symbol *a, const symbol *b, bool minus) {
  if (!minus && is_column(b)) {
    const symbol *column_side = b;
    b = a;
    a = column_side;
  }
  if (!is_column(a) || !is_integer(b)) return NULL;
  if (w->loop->table->relation->columns[a->column].klass != CLASS_INT) return NULL;
  symbol s = *a;
  s.subject = SUBJECT_SUM;
  s.addend = b->constant.integer;
  if (minus && s.addend == INT64_MIN) return NULL;
  if (minus) s.addend = -s.addend;
  return make(w, s);
}

/* The member that S names in every SQLite: 'a', or '$.a.b' as a.b. NULL: none that is plain. */
static const char *label_of(const symbol *s) {
  if (!is_text(s)) return NULL;
  const char *label = s->constant.bytes;
  bool path = strncmp(label, "$.", 2) == 0, begins = true;
  if (path) label += 2;
  for (const char *at = label; *at; at++) {
    bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';
    bool dot = path && *at == '.' && !begins;
    if (!letter && !dot && (begins || *at < '0' || *at > '9')) return NULL;
    begins = dot;
  }
  return begins ? NULL : label;
}

/* The pattern of a LIKE with ESCAPE as one without that finds no less: what is
** escaped becomes any character. NULL: it is not a pattern of that kind. */
static const char *unescaped(walk *w, const symbol *pattern, const symbol *escape) {
  if (!is_text(escape) || escape->constant.length != 1) return NULL;
  char *out = arena_strndup(w->arena, pattern->constant.bytes, pattern->constant.length);
  size_t n = 0;
  for (const char *at = out; at && *at; at++) {
    if (*at != escape->constant.bytes[0]) {
      out[n++] = *at;
      continue;
    }
    size_t length = value_utf8_character(at + 1, strlen(at + 1));
    if (!length) return NULL;
    out[n++] = '_';
    at += length;
  }
  if (out) out[n] = 0;
  return out;
}

static const symbol *like(walk *w, const symbol *pattern, const symbol *text,
                          const symbol *escape) {
  if (!is_text(pattern) || !is_column(text)) return NULL;
  const char *plain = escape ? unescaped(w, pattern, escape) : pattern->constant.bytes;
  if (!plain) return NULL;
  symbol s = *text;
  s.kind = SYMBOL_LIKE;
  s.constant = (value){.storage = STORAGE_TEXT, .bytes = plain, .length = strlen(plain)};
  return make(w, s);
}

/* date(column), strftime('%Y-%m', column), substr(column, 1, 7).  How many arguments a call of
** the first two has, the program does not say: P1 has a bit for each that is constant, and the
** last one that is not is written right before the call. */
static const symbol *period_call(walk *w, const instruction *i, const registers *r) {
  static const struct { const char *name, *format; int constants, at, length; } calls[] = {
    {"date(-1)", NULL, 0, 0, PERIOD_DAY},
    {"strftime(-1)", "%Y", 1, 1, PERIOD_YEAR}, {"strftime(-1)", "%Y-%m", 1, 1, PERIOD_MONTH},
    {"strftime(-1)", "%Y-%m-%d", 1, 1, PERIOD_DAY},
    {"substr(3)", NULL, 6, 0, PERIOD_YEAR}, {"substr(3)", NULL, 6, 0, PERIOD_MONTH},
    {"substr(3)", NULL, 6, 0, PERIOD_DAY},
  };
  const symbol *first = get(r, i->p2), *second = get(r, i->p2 + 1), *third = get(r, i->p2 + 2);
  for (size_t k = 0; k < sizeof(calls) / sizeof(calls[0]); k++) {
    const symbol *subject = calls[k].at ? second : first;
    const char *format = calls[k].format;
    bool cut = calls[k].constants == 6;
    if (strcmp(i->p4, calls[k].name) != 0 || i->p1 != calls[k].constants) continue;
    if (!is_column(subject) || !program_is(i - 1, "VColumn")) continue;
    if (i[-1].p3 != i->p2 + calls[k].at) continue;
    if (format && (!is_text(first) || strcmp(first->constant.bytes, format) != 0)) continue;
    if (cut && (!is_integer(second) || second->constant.integer != 1)) continue;
    if (cut && (!is_integer(third) || third->constant.integer != calls[k].length)) continue;
    symbol s = *subject;
    s.subject = SUBJECT_PERIOD;
    s.addend = calls[k].length;
    return make(w, s);
  }
  return NULL;
}

/* SQLite's own functions whose result is known as a symbol. */
static const symbol *call(walk *w, const instruction *i, const registers *r) {
  const symbol *first = get(r, i->p2), *second = get(r, i->p2 + 1), *third = get(r, i->p2 + 2);
  const char *name = i->p4 ? i->p4 : "";
  if (strcmp(name, "like(2)") == 0) return like(w, first, second, NULL);
  if (strcmp(name, "like(3)") == 0) return like(w, first, second, third);
  const symbol *beginning = i->p4 ? period_call(w, i, r) : NULL;
  if (beginning || !is_column(first)) return beginning;
  symbol s = *first;
  if (strcmp(name, "lower(1)") == 0 || strcmp(name, "upper(1)") == 0) {
    s.subject = SUBJECT_FOLDED;
  } else if (strcmp(name, "->>(2)") == 0 && label_of(second)) {
    s.subject = SUBJECT_MEMBER;
    s.label = label_of(second);
  } else {
    return NULL;
  }
  return make(w, s);
}

/* Instructions that compute something into P3 that is not known. */
static const char *const results[] = {
  "Column", "Multiply", "Divide", "Remainder", "Concat", "BitAnd", "BitOr", "ShiftLeft",
  "ShiftRight", "And", "Or",
};
/* The same into P2, and into P1. */
static const char *const results_2[] = {"Rowid", "Real", "Blob", "Not", "BitNot", "IsTrue"};
static const char *const results_1[] = {"Cast", "RealAffinity"};
static const char *const idle[] = {"Noop", "Explain", "ReleaseReg", "CursorHint"};

#define AMONG(i, names) is_among(i, names, sizeof(names) / sizeof((names)[0]))

static bool is_among(const instruction *i, const char *const *names, size_t n) {
  for (size_t k = 0; k < n; k++) {
    if (program_is(i, names[k])) return true;
  }
  return false;
}

/* Follows an instruction that only computes. False: I does more, or is not known. */
static bool compute(walk *w, const instruction *i, registers *r) {
  if (assign_constant(w, i, r) || AMONG(i, idle)) return true;
  if (program_is(i, "VColumn")) {
    bool ours = i->p1 == w->loop->cursor && i->p2 >= 0 &&
                i->p2 < w->loop->table->relation->n_columns;
    set(r, i->p3, ours ? make(w, (symbol){.kind = SYMBOL_SUBJECT, .column = i->p2}) : NULL);
  } else if (program_is(i, "SCopy")) {
    set(r, i->p2, get(r, i->p1));
  } else if (program_is(i, "Copy")) {
    for (int k = 0; k <= i->p3; k++) set(r, i->p2 + k, get(r, i->p1 + k));
  } else if (program_is(i, "Add")) {
    set(r, i->p3, sum(w, get(r, i->p1), get(r, i->p2), false));
  } else if (program_is(i, "Subtract")) {
    set(r, i->p3, sum(w, get(r, i->p2), get(r, i->p1), true));
  } else if (program_is(i, "Function") || program_is(i, "PureFunc")) {
    set(r, i->p3, call(w, i, r));
  } else if (program_is(i, "Affinity")) {
    forget(r, i->p1, i->p2);
  } else if (AMONG(i, results)) {
    forget(r, i->p3, 1);
  } else if (AMONG(i, results_2)) {
    forget(r, i->p2, 1);
  } else if (AMONG(i, results_1)) {
    forget(r, i->p1, 1);
  } else {
    return false;
  }
  return true;
}

/* The constants that SQLite has moved out of all loops, and what it works out of them: Init
** jumps to them. An instruction that is not known may write any register. */
static void read_constants(walk *w, registers *r) {
  const program *p = w->loop->program;
  *r = (registers){{0}};
  if (!p->n || !program_is(&p->code[0], "Init")) return;
  for (int i = p->code[0].p2; i > 0 && i < p->n; i++) {
    if (program_is(&p->code[i], "Goto")) break;
    if (!compute(w, &p->code[i], r)) *r = (registers){{0}};
  }
}

/* ---- conditions ----------------------------------------------------------- */

static condition always = {.kind = CONDITION_TRUE};
static condition never = {.kind = CONDITION_FALSE};

static bool same_atom(const condition *a, const condition *b) {
  bool same_label = a->label && b->label ? strcmp(a->label, b->label) == 0 : a->label == b->label;
  return a->subject == b->subject && a->column == b->column && a->other == b->other &&
         a->addend == b->addend && same_label && a->op == b->op && a->collation == b->collation &&
         a->no_affinity == b->no_affinity && a->or_null == b->or_null &&
         a->variable == b->variable && value_is_same(&a->operand, &b->operand);
}

static bool same(const condition *a, const condition *b) {
  if (a == b) return true;
  if (a->kind != b->kind || a->n_parts != b->n_parts) return false;
  if (a->kind == CONDITION_ATOM) return same_atom(a, b);
  for (int i = 0; i < a->n_parts; i++) {
    if (!same(a->parts[i], b->parts[i])) return false;
  }
  return true;
}

/* C as a list of parts of KIND. */
static condition **parts_of(condition **c, condition_kind kind, int *n) {
  *n = (*c)->kind == kind ? (*c)->n_parts : 1;
  return (*c)->kind == kind ? (*c)->parts : c;
}

static bool is_within(condition *const *parts, int n, const condition *c) {
  for (int i = 0; i < n; i++) {
    if (same(parts[i], c)) return true;
  }
  return false;
}

/* Whether B is a comparison that is never true of NULL, of the column that A says is not NULL. */
static bool implies_not_null(const condition *b, const condition *a) {
  return a->kind == CONDITION_ATOM && a->op == OP_NOT_NULL && b->kind == CONDITION_ATOM &&
         b->column == a->column && !b->or_null && b->op != OP_IS_NULL && b->op != OP_IS_NOT;
}

/* All parts of A and of B, each once, as one condition of KIND. */
static condition *join(walk *w, condition_kind kind, condition *a, condition *b) {
  int na, nb;
  condition **pa = parts_of(&a, kind, &na), **pb = parts_of(&b, kind, &nb);
  condition *made = arena_alloc(w->arena, sizeof(*made));
  condition **parts = arena_alloc(w->arena, (size_t)(na + nb) * sizeof(*parts));
  if (!made || !parts) return &always;
  int n = 0;
  for (int i = 0; i < na; i++) parts[n++] = pa[i];
  for (int i = 0; i < nb; i++) {
    if (!is_within(parts, n, pb[i])) parts[n++] = pb[i];
  }
  if (n == 1) return parts[0];
  *made = (condition){.kind = kind, .parts = parts, .n_parts = n};
  return made;
}

static condition *both(walk *w, condition *a, condition *b) {
  if (a->kind == CONDITION_FALSE || b->kind == CONDITION_FALSE) return &never;
  if (a->kind == CONDITION_TRUE || implies_not_null(b, a)) return b;
  if (b->kind == CONDITION_TRUE || implies_not_null(a, b)) return a;
  return join(w, CONDITION_ALL, a, b);
}

/* The parts of the conjunction A that B does not have (WANTED false), or that both have. */
static condition *common(walk *w, condition *a, condition *b, bool wanted) {
  int na, nb;
  condition **pa = parts_of(&a, CONDITION_ALL, &na), **pb = parts_of(&b, CONDITION_ALL, &nb);
  condition *out = &always;
  for (int i = 0; i < na; i++) {
    if (is_within(pb, nb, pa[i]) == wanted) out = both(w, out, pa[i]);
  }
  return out;
}

static condition *either(walk *w, condition *a, condition *b) {
  if (a->kind == CONDITION_FALSE) return b;
  if (b->kind == CONDITION_FALSE) return a;
  if (a->kind == CONDITION_TRUE || b->kind == CONDITION_TRUE) return &always;
  return join(w, CONDITION_ANY, a, b);
}

/* Where a jump is taken T holds and then A, where not P and then B. What follows an
** OR is met on both ways: (X AND a) OR (X AND b) is X AND (a OR b).  And of T and P one
** always holds: T OR (P AND b) is T OR b. */
static condition *join_ways(walk *w, condition *t, condition *a, condition *p, condition *b) {
  if (t->kind == CONDITION_FALSE || a->kind == CONDITION_FALSE) return both(w, p, b);
  if (p->kind == CONDITION_FALSE || b->kind == CONDITION_FALSE) return both(w, t, a);
  condition *shared = common(w, a, b, true);
  condition *left = common(w, a, b, false), *right = common(w, b, a, false);
  if (left->kind == CONDITION_TRUE && right->kind == CONDITION_TRUE) return shared;
  if (left->kind == CONDITION_TRUE) left = t;
  else if (right->kind == CONDITION_TRUE) right = p;
  else {
    left = both(w, t, left);
    right = both(w, p, right);
  }
  return both(w, shared, either(w, left, right));
}

static condition *atom(walk *w, const symbol *s, query_operator op, const symbol *operand) {
  condition *made = arena_alloc(w->arena, sizeof(*made));
  if (!made) return &always;
  *made = (condition){.kind = CONDITION_ATOM, .subject = s->subject, .column = s->column,
                      .addend = s->addend, .label = s->label, .op = op};
  if (operand && operand->kind == SYMBOL_VARIABLE) made->variable = operand->variable;
  else if (operand) made->operand = operand->constant;
  return made;
}

/* ---- jumps ---------------------------------------------------------------- */

/* What must hold where a jump is taken, and where it is not. */
typedef struct fork {
  condition *taken, *passed;
} fork;

static const fork open_fork = {&always, &always};

/* P5 of comparisons: https://www.sqlite.org/opcode.html and sqliteInt.h. */
enum { P5_AFFINITY = 0x47, P5_NO_AFFINITY = 0x40, P5_JUMP_IF_NULL = 0x10, P5_NULL_EQUAL = 0x80 };

/* mirrored: which of them says the same with its sides exchanged. */
static const struct { const char *opcode; query_operator op, negated; int mirrored; } comparisons[] = {
  {"Eq", OP_EQ, OP_NE, 0}, {"Ne", OP_NE, OP_EQ, 1}, {"Lt", OP_LT, OP_GE, 4},
  {"Le", OP_LE, OP_GT, 5}, {"Gt", OP_GT, OP_LE, 2}, {"Ge", OP_GE, OP_LT, 3},
};

static int comparison_of(const instruction *i) {
  int n = sizeof(comparisons) / sizeof(comparisons[0]);
  for (int k = 0; k < n; k++) {
    if (program_is(i, comparisons[k].opcode)) return k;
  }
  return -1;
}

/* P4 is the collation's name with the text's encoding behind a dash. */
static collation_kind collation_of(const instruction *i) {
  static const struct { const char *name; collation_kind kind; } collations[] = {
    {"BINARY-", COLLATION_BINARY}, {"NOCASE-", COLLATION_NOCASE}, {"RTRIM-", COLLATION_RTRIM}};
  if (!i->p4 || !*i->p4) return COLLATION_BINARY;
  for (size_t k = 0; k < sizeof(collations) / sizeof(collations[0]); k++) {
    if (strncmp(i->p4, collations[k].name, strlen(collations[k].name)) == 0) {
      return collations[k].kind;
    }
  }
  return COLLATION_OTHER;
}

/* The affinity that the comparison applies must be the column's, or none. */
static bool has_known_affinity(const walk *w, const instruction *i, const symbol *s) {
  static const int codes[] = {[AFFINITY_BLOB] = 0x41, [AFFINITY_TEXT] = 0x42,
                              [AFFINITY_NUMERIC] = 0x43, [AFFINITY_INTEGER] = 0x44,
                              [AFFINITY_REAL] = 0x45};
  int applied = i->p5 & P5_AFFINITY;
  if (applied == P5_NO_AFFINITY || applied == 0) return true;
  if (s->subject != SUBJECT_COLUMN) return false;
  type_class klass = w->loop->table->relation->columns[s->column].klass;
  return applied == codes[value_class_affinity(klass)];
}

/* An atom that says S OP OPERAND; NULL: there is none for it. */
static condition *compared(walk *w, const instruction *i, const symbol *s, query_operator op,
                           const symbol *operand) {
  bool equality = op == OP_EQ;
  if (!equality && (s->subject == SUBJECT_FOLDED || s->subject == SUBJECT_MEMBER)) return NULL;
  condition *made = atom(w, s, op, operand);
  if (made->kind != CONDITION_ATOM) return NULL;
  made->collation = collation_of(i);
  int applied = i->p5 & P5_AFFINITY;
  made->no_affinity = applied == P5_NO_AFFINITY || applied == 0;
  return made;
}

static condition *with_null(condition *c) {
  if (!c) return &always;
  c->or_null = true;
  return c;
}

/* A column OP another one. P5's affinity does nothing to values of two columns that a
** server compares with each other: both are numbers, or neither is. */
static condition *paired(walk *w, const instruction *i, const symbol *a, query_operator op,
                         const symbol *b, bool or_null) {
  condition *made = atom(w, a, op, NULL);
  if (made->kind != CONDITION_ATOM) return made;
  made->subject = SUBJECT_PAIR;
  made->other = b->column;
  made->collation = collation_of(i);
  made->or_null = or_null;
  return made;
}

static fork fork_of_pair(walk *w, const instruction *i, int k, const symbol *a, const symbol *b) {
  bool is = i->p5 & P5_NULL_EQUAL, null = is || (i->p5 & P5_JUMP_IF_NULL);
  return (fork){paired(w, i, a, comparisons[k].op, b, null),
                paired(w, i, a, comparisons[k].negated, b, is || !null)};
}

/* IS and IS NOT. */
static fork fork_of_is(walk *w, const instruction *i, bool equal, const symbol *s,
                       const symbol *operand) {
  condition *is = NULL, *is_not = NULL;
  if (operand->kind == SYMBOL_NULL) {
    is = atom(w, s, OP_IS_NULL, NULL);
    is_not = atom(w, s, OP_NOT_NULL, NULL);
    if (s->subject != SUBJECT_COLUMN) return open_fork;
  } else if (operand->kind == SYMBOL_CONSTANT) {
    is = compared(w, i, s, OP_EQ, operand);
    is_not = compared(w, i, s, OP_NE, operand);
    if (is_not) is_not = with_null(is_not);
  }
  fork f = {is ? is : &always, is_not ? is_not : &always};
  return equal ? f : (fork){f.passed, f.taken};
}

/* Two constants: what CASE and coalesce() come to on one path. */
static fork fork_of_constants(const instruction *i, int k, const symbol *a, const symbol *b) {
  int order;
  if (is_integer(a) && is_integer(b)) {
    order = (a->constant.integer > b->constant.integer) -
            (a->constant.integer < b->constant.integer);
  } else if (is_text(a) && is_text(b) && collation_of(i) == COLLATION_BINARY) {
    order = strcmp(a->constant.bytes, b->constant.bytes);
  } else {
    return open_fork;
  }
  bool taken = false;
  switch (comparisons[k].op) {
    case OP_EQ: taken = order == 0; break;
    case OP_NE: taken = order != 0; break;
    case OP_LT: taken = order < 0; break;
    case OP_LE: taken = order <= 0; break;
    case OP_GT: taken = order > 0; break;
    default: taken = order >= 0; break;
  }
  return taken ? (fork){&always, &never} : (fork){&never, &always};
}

/* r[P3] OP r[P1] */
static fork fork_of_comparison(walk *w, const instruction *i, int k, const registers *r) {
  const symbol *s = get(r, i->p3), *operand = get(r, i->p1);
  if (s->kind == SYMBOL_CONSTANT && operand->kind == SYMBOL_CONSTANT) {
    return fork_of_constants(i, k, s, operand);
  }
  if (is_column(s) && is_column(operand)) return fork_of_pair(w, i, k, s, operand);
  if (operand->kind == SYMBOL_SUBJECT) {
    const symbol *swapped = s;
    s = operand;
    operand = swapped;
    k = comparisons[k].mirrored;
  }
  bool known = operand->kind == SYMBOL_CONSTANT || operand->kind == SYMBOL_VARIABLE ||
               operand->kind == SYMBOL_NULL;
  if (s->kind != SYMBOL_SUBJECT || !known || !has_known_affinity(w, i, s)) return open_fork;
  bool null = i->p5 & P5_JUMP_IF_NULL;
  if (i->p5 & P5_NULL_EQUAL) return fork_of_is(w, i, comparisons[k].op == OP_EQ, s, operand);
  if (operand->kind == SYMBOL_NULL) {
    return null ? (fork){&always, &never} : (fork){&never, &always};
  }
  condition *taken = compared(w, i, s, comparisons[k].op, operand);
  condition *passed = compared(w, i, s, comparisons[k].negated, operand);
  if (null) return (fork){with_null(taken), passed ? passed : &always};
  return (fork){taken ? taken : &always, with_null(passed)};
}

/* IsNull and NotNull */
static fork fork_of_null(walk *w, bool is_null, const symbol *s) {
  condition *null = &always, *not_null = &always;
  if (s->kind == SYMBOL_NULL) not_null = &never;
  else if (s->kind == SYMBOL_CONSTANT) null = &never;
  else if (is_column(s)) {
    null = atom(w, s, OP_IS_NULL, NULL);
    not_null = atom(w, s, OP_NOT_NULL, NULL);
  }
  return is_null ? (fork){null, not_null} : (fork){not_null, null};
}

/* The truth of a column of integers, of a LIKE, of a constant. NULL: not known. */
static condition *truth(walk *w, const symbol *s, bool wanted) {
  static const symbol zero = {.kind = SYMBOL_CONSTANT, .constant = {.storage = STORAGE_INTEGER}};
  if (s->kind == SYMBOL_LIKE) return wanted ? atom(w, s, OP_LIKE, s) : NULL;
  if (is_integer(s)) return (s->constant.integer != 0) == wanted ? &always : &never;
  if (!is_column(s)) return NULL;
  type_class klass = w->loop->table->relation->columns[s->column].klass;
  if (klass != CLASS_INT && klass != CLASS_BOOL) return NULL;
  return atom(w, s, wanted ? OP_NE : OP_EQ, &zero);
}

/* If and IfNot: P3 says whether NULL jumps. */
static fork fork_of_truth(walk *w, const instruction *i, bool jumps_if, const symbol *s) {
  condition *taken = truth(w, s, jumps_if), *passed = truth(w, s, !jumps_if);
  if (s->kind == SYMBOL_NULL) return i->p3 ? (fork){&always, &never} : (fork){&never, &always};
  condition **widened = i->p3 ? &taken : &passed;
  if (*widened && (*widened)->kind == CONDITION_ATOM) (*widened)->or_null = true;
  return (fork){taken ? taken : &always, passed ? passed : &always};
}

/* False: I is no jump that is known here. */
static bool read_fork(walk *w, const instruction *i, const registers *r, fork *out) {
  int k = comparison_of(i);
  bool null = program_is(i, "IsNull"), truth = program_is(i, "If");
  if (k >= 0) *out = fork_of_comparison(w, i, k, r);
  else if (null || program_is(i, "NotNull")) *out = fork_of_null(w, null, get(r, i->p1));
  else if (truth || program_is(i, "IfNot")) *out = fork_of_truth(w, i, truth, get(r, i->p1));
  else return false;
  return true;
}

/* ---- paths ---------------------------------------------------------------- */

static condition *follow(walk *w, int at, registers r, int forks);

/* The jump at AT, with both ways on from it. */
static condition *follow_fork(walk *w, int at, fork f, registers *r, int forks) {
  int target = w->code[at].p2;
  if (target <= at || forks == FORKS_MOST) return &always;
  condition *taken = &never, *passed = &never;
  bool leaves = target == w->loop->next;
  if (!leaves && f.taken->kind != CONDITION_FALSE) taken = follow(w, target, *r, forks + 1);
  if (f.passed->kind != CONDITION_FALSE) passed = follow(w, at + 1, *r, forks + 1);
  return join_ways(w, f.taken, taken, f.passed, passed);
}

/* What must hold at address AT for the program to do anything with the row.  WHERE
** leaves a row by a jump to the next one.  What falls through to it may have left
** something in a register: the columns beside an aggregate. */
static condition *follow(walk *w, int at, registers r, int forks) {
  while (w->steps++ < STEPS_MOST) {
    fork f;
    if (at >= w->loop->next) return &always;
    const instruction *i = &w->code[at];
    if (program_is(i, "Goto") && i->p2 > at) {
      at = i->p2;
    } else if (read_fork(w, i, &r, &f)) {
      return follow_fork(w, at, f, &r, forks);
    } else if (compute(w, i, &r)) {
      at++;
    } else {
      return &always;
    }
  }
  return &always;
}

condition *loop_condition(const loop *l, arena *a) {
  walk w = {.loop = l, .code = l->program->code, .arena = a};
  registers r;
  read_constants(&w, &r);
  condition *c = follow(&w, l->filter + 1, r, 0);
  return a->failed ? NULL : c;
}

/* ---- a plain scan --------------------------------------------------------- */

/* What may stand in the loop beside what compute() knows: it hands out, or
** counts OFFSET and LIMIT. */
static const char *const harmless[] = {"ResultRow", "DecrJumpZero", "IfPos"};

static bool is_same_operand(const symbol *a, const symbol *b) {
  if (a->kind != b->kind) return false;
  if (a->kind == SYMBOL_VARIABLE) return a->variable == b->variable;
  return a->kind == SYMBOL_CONSTANT && value_is_same(&a->constant, &b->constant);
}

/* Whether a term of the plan says the same as the comparison I, which leads to the next row.
** GIVEN are the registers as VFilter found them. */
static bool is_planned(const loop *l, const plan *p, const instruction *i, const registers *r,
                       const registers *given) {
  int k = comparison_of(i), first = l->program->code[l->filter].p3 + 2;   /* VFilter's arguments */
  const symbol *s = get(r, i->p3), *operand = get(r, i->p1);
  if (k < 0 || i->p2 != l->next || !is_column(s) || (i->p5 & P5_NULL_EQUAL)) return false;
  if (!(i->p5 & P5_JUMP_IF_NULL)) return false;
  for (int n = 0; n < p->n_terms; n++) {
    const plan_term *t = &p->terms[n];
    if (t->column != s->column || t->op != comparisons[k].negated) continue;
    if (t->argument == PLAN_LOCAL || t->collation != collation_of(i)) continue;
    if (is_same_operand(get(given, first + t->argument), operand)) return true;
  }
  return false;
}

/* The same of IS NULL and IS NOT NULL. */
static bool is_null_planned(const loop *l, const plan *p, const instruction *i,
                            const registers *r) {
  bool drops_null = program_is(i, "IsNull");
  const symbol *s = get(r, i->p1);
  if (!drops_null && !program_is(i, "NotNull")) return false;
  if (i->p2 != l->next || !is_column(s)) return false;
  query_operator wanted = drops_null ? OP_NOT_NULL : OP_IS_NULL;
  for (int n = 0; n < p->n_terms; n++) {
    const plan_term *t = &p->terms[n];
    if (t->column == s->column && t->op == wanted && t->argument != PLAN_LOCAL) return true;
  }
  return false;
}

/* Follows the computations that stand right before VFilter. */
static void approach(walk *w, registers *r) {
  int begin = w->loop->filter;
  while (begin > 0 && compute(w, &w->code[begin - 1], &(registers){{0}})) begin--;
  for (int i = begin; i < w->loop->filter; i++) compute(w, &w->code[i], r);
}

bool loop_is_plain(const loop *l, const plan *p, arena *a) {
  walk w = {.loop = l, .code = l->program->code, .arena = a};
  registers r;
  int opened = 0;
  for (int i = 0; i < l->program->n; i++) {
    const instruction *at = &w.code[i];
    opened += program_opens_any(at);
    if (program_is(at, "Yield") || program_is(at, "Gosub")) return false;
  }
  if (opened != 1) return false;
  read_constants(&w, &r);
  approach(&w, &r);
  registers given = r;
  for (int i = l->filter + 1; i < l->next; i++) {
    const instruction *at = &w.code[i];
    if (compute(&w, at, &r) || AMONG(at, harmless)) continue;
    if (!is_planned(l, p, at, &r, &given) && !is_null_planned(l, p, at, &r)) return false;
  }
  return !a->failed;
}
