/*
** explain.c - a plan in words.
**
** The remote text is made by the same code that a scan runs: the plan becomes
** a query for specimen values, one of each column's own type, and the driver
** compiles it.  Nothing here prints what a scan would not send.
*/
#include "vtab/explain.h"

#include <string.h>

#include "vtab/buffer.h"
#include "vtab/residual.h"

static value specimen_text(const char *text) {
  return (value){.storage = STORAGE_TEXT, .bytes = text, .length = strlen(text)};
}

/* A value that pushdown_resolve() hands to a row of the class unchanged. */
static value specimen(type_class klass) {
  switch (klass) {
    case CLASS_BOOL: case CLASS_INT: case CLASS_UINT64: case CLASS_BIT:
      return (value){.storage = STORAGE_INTEGER, .integer = 1};
    case CLASS_YEAR: return (value){.storage = STORAGE_INTEGER, .integer = 2000};
    case CLASS_FLOAT: case CLASS_FLOAT4: case CLASS_DECIMAL: case CLASS_NUMERIC:
      return (value){.storage = STORAGE_REAL, .real = 1.5};
    case CLASS_DATE: return specimen_text("2000-01-01");
    case CLASS_TIMESTAMP: case CLASS_TIMESTAMPTZ: return specimen_text("2000-01-01 00:00:00");
    case CLASS_UUID: return specimen_text("00000000-0000-0000-0000-000000000000");
    case CLASS_BYTES: case CLASS_GEOMETRY:
      return (value){.storage = STORAGE_BLOB, .bytes = "x", .length = 1};
    default: return specimen_text("x");
  }
}

/* Two different specimens: a list of one would be asked for as an equality. */
static value specimen_list(type_class klass, arena *a) {
  value *list = arena_alloc(a, 2 * sizeof(*list));
  if (list) list[0] = list[1] = specimen(klass);
  return (value){.storage = STORAGE_LIST, .list = list, .n_list = list ? 2 : 0};
}

static value *specimens(const plan *p, const relation *r, arena *a, int *n) {
  value *arguments = arena_alloc(a, ((size_t)p->n_terms + 1) * sizeof(*arguments));
  *n = arguments ? p->n_terms : 0;
  for (int i = 0; arguments && i < p->n_terms; i++) {
    const plan_term *t = &p->terms[i];
    type_class klass = r->columns[t->column].klass;
    if (t->argument < 0 || t->argument >= *n) continue;
    /* The usual pattern has a beginning. */
    arguments[t->argument] = t->op == OP_IN     ? specimen_list(klass, a)
                             : t->op == OP_LIKE ? specimen_text("x%")
                             : t->op == OP_GLOB ? specimen_text("x*")
                                                : specimen(klass);
  }
  return arguments;
}

static bool explain_remote(const table *t, const plan *p, arena *a, explanation *out, tskdb_error *e) {
  plan_subject subject = table_subject(t);
  request sent;
  query q;
  plan_rows kind;
  int n;
  value *arguments = specimens(p, t->relation, a, &n);
  if (!arguments || !plan_query(p, &subject, arguments, n, a, &q, &kind)) return error_memory(e);
  if (!t->server->driver->compile(&q, t->catalog->version, a, &sent, e)) return false;
  out->remote = sent.text;
  return true;
}

static const char *operator_text(query_operator op) {
  return op == OP_IS ? "IS" : query_operator_name(op);
}

static void print_term(const plan_term *t, const relation *r, bool why, buffer *out) {
  bool no_value = t->op == OP_IS_NULL || t->op == OP_NOT_NULL;
  if (out->length) buffer_char(out, '\n');
  buffer_printf(out, "%s %s%s", r->columns[t->column].name, operator_text(t->op),
                no_value ? "" : t->op == OP_IN ? " (?)" : " ?");
  if (why) buffer_printf(out, ": %s", reason_words(t->reason));
}

static const char *print_terms(const plan *p, const relation *r, verdict wanted, arena *a) {
  buffer text = {0};
  for (int i = 0; i < p->n_terms; i++) {
    if (p->terms[i].verdict == wanted) print_term(&p->terms[i], r, wanted != PUSH_EXACT, &text);
  }
  const char *out = text.failed ? NULL : arena_strdup(a, buffer_cstr(&text));
  buffer_free(&text);
  return out;
}

static const char *print_order(const plan *p, const relation *r, arena *a) {
  buffer text = {0};
  const char *verb = p->distinct ? "DISTINCT " : p->sorted ? "ORDER BY " : "GROUP BY ";
  for (int i = 0; i < p->n_order; i++) {
    buffer_printf(&text, "%s%s%s", i ? ", " : verb, r->columns[p->order[i].column].name,
                  p->order[i].descending ? " DESC" : "");
  }
  const char *out = text.failed ? NULL : arena_strdup(a, buffer_cstr(&text));
  buffer_free(&text);
  return out;
}

static void print_line(buffer *out, const char *text) {
  buffer_printf(out, "%s%s", out->length ? "\n" : "", text);
}

/* What cursor.c and keyed.c would try. */
static const char *print_joins(const table *t, const plan *p, const plan_subject *s, arena *a) {
  buffer text = {0};
  bool probed = !p->distinct;
  if (probed && s->options->batch_keys && plan_is_probe(p)) {
    print_line(&text, "keys: many in a request, where they come from another server's rows");
  }
  if (probed && s->options->fetch_whole) {
    print_line(&text, "whole: fetched once when probes have taken as long as that would");
  }
  if (p->limit != PLAN_LOCAL) print_line(&text, "limit: sent if the program has nothing above the scan");
  if (residual_is_wanted(t, p)) {
    print_line(&text, "residual: what else WHERE says of the table, if the program shows it");
  }
  if (plan_is_countable(p, s)) {
    print_line(&text, "runs: equal rows once with their number, if the program reads nothing else");
  }
  const char *out = text.failed ? NULL : arena_strdup(a, buffer_cstr(&text));
  buffer_free(&text);
  return out;
}

bool explain_plan(const table *t, const char *text, arena *a, explanation *out, tskdb_error *e) {
  plan p;
  *out = (explanation){0};
  if (!plan_decode(text, t->relation, a, &p)) return error_set(e, ERROR_INTERNAL, "not a plan of this table");
  if (!explain_remote(t, &p, a, out, e)) return false;
  out->exact = print_terms(&p, t->relation, PUSH_EXACT, a);
  out->superset = print_terms(&p, t->relation, PUSH_SUPERSET, a);
  out->local = print_terms(&p, t->relation, PUSH_LOCAL, a);
  out->order = print_order(&p, t->relation, a);
  plan_subject subject = table_subject(t);
  out->joins = print_joins(t, &p, &subject, a);
  return a->failed ? error_memory(e) : true;
}
