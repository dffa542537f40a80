/*
** query.c - how a query is put together.
**
** Both producers of conditions, the plan (plan.c) and what the statement's program
** says beside it (residual.c), add them here: a pushdown row is noted as used, and
** a value becomes a parameter, in one place.
*/
#include "vtab/query.h"

#include "vtab/pushdown_fault.h"

int query_add_parameter(query *q, arena *a, value v) {
  value *grown = arena_more(a, (value *)(uintptr_t)q->parameters, (size_t)q->n_parameters,
                            sizeof(*grown));
  if (!grown) return 0;
  q->parameters = grown;
  grown[q->n_parameters] = v;
  return q->n_parameters++;
}

static query_expr parameter(query *q, arena *a, const value *v) {
  return (query_expr){.kind = EXPR_PARAMETER, .parameter = query_add_parameter(q, a, *v)};
}

query_expr query_term(query *q, arena *a, const pushdown_context *p, int col,
                      query_operator asked, const outcome_term *t, const value *given,
                      const value *member) {
  query_expr *args = arena_alloc(a, 3 * sizeof(*args));
  query_expr out = {.kind = EXPR_TERM, .op = t->op, .row = t->row, .args = args, .n_args = 1};
  (void)p, (void)asked, (void)given;     /* noted in builds for tests alone */
  if (!args) return out;
  pushdown_fault_use(p->driver, t->row, t->op, asked, &q->sources[0].relation->columns[col], given);
  args[0] = (query_expr){.kind = EXPR_COLUMN, .column = col};
  if (t->op == OP_IS_NULL || t->op == OP_NOT_NULL) return out;
  args[1] = parameter(q, a, &t->value);
  if (member) args[2] = parameter(q, a, member);
  out.n_args = member ? 3 : 2;
  return out;
}

query_expr query_pair(query *q, arena *a, const pushdown_context *p, int col, int other,
                      query_operator op, const pushdown_row *row) {
  query_expr *args = arena_alloc(a, 2 * sizeof(*args));
  query_expr out = {.kind = EXPR_TERM, .op = op, .row = row, .args = args, .n_args = args ? 2 : 0};
  (void)p, (void)q;                      /* noted in builds for tests alone */
  if (!args) return out;
  pushdown_fault_use(p->driver, row, op, op, &q->sources[0].relation->columns[col], NULL);
  args[0] = (query_expr){.kind = EXPR_COLUMN, .column = col};
  args[1] = (query_expr){.kind = EXPR_COLUMN, .column = other};
  return out;
}

void query_add_condition(query *q, arena *a, const query_expr *x) {
  for (int i = 0; x->kind == EXPR_ALL && i < x->n_args; i++) {
    query_add_condition(q, a, &x->args[i]);
  }
  if (x->kind == EXPR_ALL) return;
  query_expr *grown = arena_more(a, q->filter, (size_t)q->n_filter, sizeof(*grown));
  if (!grown) return;
  q->filter = grown;
  grown[q->n_filter++] = *x;
}
