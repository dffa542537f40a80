/*
** text_memo.c - the last text of a cursor, for its next query of the same shape.
**
** Invariant: two queries of equal shape have the same text in one dialect.  What
** sql_text.c prints must be in see_shape(), and the values of parameters in
** neither.
*/
#include "vtab/text_memo.h"

#include <string.h>

/* Shapes are compared word by word while they are listed, or written down. */
typedef struct shape_list {
  const uint64_t *expected;  /* NULL: they are only counted or written */
  uint64_t *out;
  size_t n, limit;
  bool differs;
} shape_list;

static inline void see(shape_list *l, uint64_t word) {
  if (l->expected && (l->n >= l->limit || l->expected[l->n] != word)) l->differs = true;
  if (l->out && l->n < l->limit) l->out[l->n] = word;
  l->n++;
}

static void see_column(shape_list *l, const query_expr *x) {
  see(l, (uint64_t)(uint32_t)x->column << 32 | (uint64_t)(uint32_t)x->source << 8 | (uint64_t)x->kind);
}

/* A column as its row has it. */
static void see_above(shape_list *l, const query_expr *x) {
  see_column(l, x);
  see(l, (uintptr_t)x->row);
}

static void see_term(shape_list *l, const query *q, const query_expr *x) {
  bool has_value = x->n_args > 1;
  int parameter = has_value ? x->args[1].parameter : 0;
  bool list = has_value && q->parameters[parameter].storage == STORAGE_LIST;
  see(l, (uint64_t)(uint32_t)parameter << 32 | (uint64_t)x->op << 8 | (uint64_t)list << 1 | has_value);
  see(l, (uintptr_t)x->row);
  see_column(l, &x->args[0]);
}

static void see_shape(shape_list *l, const query *q) {
  for (int i = 0; i < q->n_sources; i++) see(l, (uintptr_t)q->sources[i].relation);
  see(l, (uint64_t)q->n_select);
  for (int i = 0; i < q->n_select; i++) see_column(l, &q->select[i]);
  see(l, (uint64_t)q->n_filter);
  for (int i = 0; i < q->n_filter; i++) see_term(l, q, &q->filter[i]);
  see(l, (uint64_t)q->n_group_by);
  for (int i = 0; i < q->n_group_by; i++) see_above(l, &q->group_by[i]);
  see(l, (uint64_t)q->n_order_by);
  for (int i = 0; i < q->n_order_by; i++) {
    see_above(l, &q->order_by[i].column);
    see(l, q->order_by[i].descending);
  }
  see(l, q->has_limit);
  see(l, q->has_limit ? (uint64_t)q->limit : 0);
}

static bool is_same_shape(const text_memo *m, const query *q) {
  shape_list l = {.expected = m->shape, .limit = m->n_shape};
  see_shape(&l, q);
  return !l.differs && l.n == m->n_shape;
}

bool text_memo_recall(const text_memo *m, const query *q, arena *a, request *out) {
  if (!m->shape || !is_same_shape(m, q)) return false;
  value *parameters = arena_alloc(a, ((size_t)m->n_from + 1) * sizeof(*parameters));
  if (!parameters) return false;
  for (int i = 0; i < m->n_from; i++) parameters[i] = q->parameters[m->from[i]];
  *out = (request){.text = m->text, .hash = m->hash, .parameters = parameters,
                   .n_parameters = m->n_from, .query = q};
  return true;
}

void text_memo_keep(text_memo *m, const query *q, const request *r, const int *from) {
  arena_reset(&m->arena);
  m->shape = NULL;
  for (int i = 0; i < r->n_parameters; i++) {
    if (from[i] < 0) return;
  }
  shape_list count = {0};
  see_shape(&count, q);
  shape_list l = {.out = arena_alloc(&m->arena, count.n * sizeof(*m->shape)), .limit = count.n};
  m->from = arena_alloc(&m->arena, ((size_t)r->n_parameters + 1) * sizeof(*m->from));
  m->text = arena_strdup(&m->arena, r->text);
  if (m->arena.failed) return;
  if (r->n_parameters) memcpy(m->from, from, (size_t)r->n_parameters * sizeof(*m->from));
  see_shape(&l, q);
  m->shape = l.out;
  m->n_shape = l.n;
  m->n_from = r->n_parameters;
  m->hash = r->hash;
}

void text_memo_free(text_memo *m) {
  arena_free(&m->arena);
  *m = (text_memo){0};
}
