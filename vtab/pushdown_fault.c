/*
** pushdown_fault.c - pushdown rows made wrong and rows used, for tests: see pushdown_fault.h.
*/
#include "vtab/pushdown_fault.h"

#ifdef TSKDB_FAULT_INJECTION

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/driver.h"

/* The one row that is wrong, and which it stands for.  Another fault has another address: what
** is remembered of a row is remembered by that (text_memo.c). */
typedef struct fault {
  pushdown_row row;
  int number;
  char text[1000];
  struct fault *older;
} fault;
static fault *newest;

/* The value of NAME in the variable, up to the end of its line; false: not there. */
static bool fault_field(const char *name, char *out, size_t size) {
  const char *at = getenv("TSKDB_PUSHDOWN_FAULT");
  size_t n = strlen(name);
  while (at && *at) {
    size_t line = strcspn(at, "\n");
    if (line > n && strncmp(at, name, n) == 0 && at[n] == '=') {
      snprintf(out, size, "%.*s", (int)(line - n - 1), at + n + 1);
      return true;
    }
    at += line + (at[line] != 0);
  }
  return false;
}

static bool fault_is_for(const struct driver *d, int i, query_operator op) {
  char text[32];
  if (!fault_field("driver", text, sizeof(text)) || strcmp(text, d->name) != 0) return false;
  if (!fault_field("row", text, sizeof(text)) || atoi(text) != i + 1) return false;
  return !fault_field("operator", text, sizeof(text)) || strcmp(text, query_operator_name(op)) == 0;
}

static bool is_same(const fault *a, const fault *b) {
  return a->number == b->number && a->row.verdict == b->row.verdict &&
         a->row.collations == b->row.collations && a->row.needs == b->row.needs &&
         a->row.ops == b->row.ops && strcmp(a->text, b->text) == 0;
}

const pushdown_row *pushdown_fault_row(const struct driver *d, int i, query_operator op) {
  const pushdown_row *row = &d->pushdown[i];
  fault made = {.row = *row, .number = i, .older = newest};
  char text[32];
  if (!fault_is_for(d, i, op)) return row;
  if (fault_field("verdict", text, sizeof(text))) {
    made.row.verdict = strcmp(text, "exact") == 0 ? PUSH_EXACT : PUSH_SUPERSET;
  }
  if (fault_field("collations", text, sizeof(text))) made.row.collations = (uint32_t)atoi(text);
  if (fault_field("needs", text, sizeof(text))) made.row.needs = (uint32_t)atoi(text);
  bool said = fault_field("text", made.text, sizeof(made.text));
  if (!newest || !is_same(newest, &made)) {
    fault *kept = malloc(sizeof(*kept));
    if (!kept) return row;
    *kept = made;
    if (said) kept->row.text = kept->text;
    newest = kept;
  }
  return &newest->row;
}

/* What is the same for every value of a list. */
typedef struct use {
  const char *driver, *op, *asked, *klass;
  int number;
} use;

static void trace(FILE *to, const use *u, const value *given) {
  if (given && given->storage == STORAGE_LIST) {
    for (size_t i = 0; i < given->n_list; i++) trace(to, u, &given->list[i]);
    return;
  }
  fprintf(to, "%s\t%d\t%s\t%s\t%s\t%s\n", u->driver, u->number + 1, u->op, u->asked, u->klass,
          given ? value_storage_name(given->storage) : "-");
}

void pushdown_fault_use(const struct driver *d, const pushdown_row *row, query_operator op,
               query_operator asked, const column *c, const value *given) {
  static FILE *to;
  const char *name = getenv("TSKDB_PUSHDOWN_TRACE");
  if (!name || !*name || !row) return;
  if (!to) to = fopen(name, "a");
  if (!to) return;
  use u = {.driver = d->name, .op = query_operator_name(op), .asked = query_operator_name(asked),
           .klass = value_class_name(c->klass)};
  u.number = newest && row == &newest->row ? newest->number : (int)(row - d->pushdown);
  trace(to, &u, given);
  fflush(to);
}

#endif
