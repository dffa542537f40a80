/*
** sql_text.c - the query IR as SQL text: the printer of every SQL server.
**
** SELECT <columns> FROM <relation> WHERE <terms> GROUP BY … ORDER BY … LIMIT …
**
** Invariants:
**   1. No value of the user's stands in the text: values are parameters, and
**      LIMIT and OFFSET are integers that we print ourselves.
**   2. Every identifier goes through buffer_quoted().
**   3. The parameters are in the order in which the placeholders stand.
**
** The texts of the pushdown rows are expanded here (pushdown.h says how).  A row
** text that breaks this form is a mistake in a driver's table and reported as
** ERROR_INTERNAL.
*/
#include "vtab/sql_text.h"

#include <string.h>

#include "vtab/text_memo.h"

/* Which rows are asked for, by what stands in the first column of the order. */
typedef enum part { PART_ALL, PART_WITHIN, PART_BEYOND, PART_NULL } part;

/* What is being printed. */
typedef struct printer {
  buffer text;
  const query *query;
  const sql_dialect *dialect;
  arena *arena;
  value *parameters;       /* in the order of the placeholders */
  int *from;               /* for each: into query.parameters, -1: an element of a list */
  int n_parameters;
  bool malformed;          /* a row text has an unknown {name} */
  part part;
} printer;

static const column *column_of(const printer *p, const query_expr *x) {
  return &p->query->sources[x->source].relation->columns[x->column];
}

static void print_column(printer *p, const query_expr *x) {
  buffer_quoted(&p->text, column_of(p, x)->remote_name, p->dialect->quote);
}

void sql_text_relation(buffer *out, const relation *r, char quote) {
  if (r->kind == RELATION_QUERY) {
    /* The line break keeps a trailing comment of the user's from swallowing the parenthesis. */
    buffer_printf(out, "(%s\n) ", r->native.words[0]);
    buffer_quoted(out, "q", quote);
    return;
  }
  if (r->remote_schema) {
    buffer_quoted(out, r->remote_schema, quote);
    buffer_char(out, '.');
  }
  buffer_quoted(out, r->remote_name, quote);
}

/* Which of the query's parameters V is; -1: an element of one. */
static int index_of(const query *q, const value *v) {
  for (int i = 0; i < q->n_parameters; i++) {
    if (v == &q->parameters[i]) return i;
  }
  return -1;
}

/* Adds one parameter; returns its number, counted from 1. */
static int add_parameter(printer *p, const value *v) {
  size_t n = (size_t)p->n_parameters;
  p->parameters = arena_more(p->arena, p->parameters, n, sizeof(*p->parameters));
  p->from = arena_more(p->arena, p->from, n, sizeof(*p->from));
  if (!p->from) return 0;
  p->parameters[p->n_parameters] = *v;
  p->from[p->n_parameters] = index_of(p->query, v);
  return ++p->n_parameters;
}

/* *NUMBER is the placeholder that this term's value already has, 0 for none. */
static void print_value(printer *p, const value *v, int *number) {
  if (p->dialect->numbered) {
    if (!*number) *number = add_parameter(p, v);
    buffer_printf(&p->text, "$%d", *number);
    return;
  }
  if (v->storage != STORAGE_LIST) {
    add_parameter(p, v);
    buffer_char(&p->text, '?');
    return;
  }
  for (size_t i = 0; i < v->n_list; i++) {
    add_parameter(p, &v->list[i]);
    buffer_text(&p->text, i ? ",?" : "?");
  }
}

/* A row's text, or a part of it, that is being expanded. */
typedef struct template {
  const char *text, *end;
  const query_expr *column;
  query_operator op;
  const query_expr *other; /* the other column of two, NULL where there is none */
  const value *value;      /* NULL where the row has none */
  int number;              /* the placeholder that the value has, 0 for none yet */
  const value *member;     /* the label of a member, NULL where there is none */
  int member_number;
} template;

static void print_template(printer *p, template *t) {
  for (const char *at = t->text; at < t->end;) {
    size_t literal = strcspn(at, "{");
    if (literal > (size_t)(t->end - at)) literal = (size_t)(t->end - at);
    buffer_append(&p->text, at, literal);
    at += literal;
    if (at == t->end) break;
    if (strncmp(at, "{c}", 3) == 0) {
      print_column(p, t->column);
      at += 3;
    } else if (strncmp(at, "{d}", 3) == 0 && t->other) {
      print_column(p, t->other);
      at += 3;
    } else if (strncmp(at, "{v}", 3) == 0 && t->value) {
      print_value(p, t->value, &t->number);
      at += 3;
    } else if (strncmp(at, "{m}", 3) == 0 && t->member) {
      print_value(p, t->member, &t->member_number);
      at += 3;
    } else if (strncmp(at, "{t}", 3) == 0) {
      buffer_text(&p->text, column_of(p, t->column)->remote_type);
      at += 3;
    } else if (strncmp(at, "{op}", 4) == 0 && t->op < OP_COUNT && p->dialect->operators[t->op]) {
      buffer_text(&p->text, p->dialect->operators[t->op]);
      at += 4;
    } else {
      p->malformed = true;
      return;
    }
  }
}

static template term_template(const printer *p, const query_expr *x) {
  const char *text = x->row->text;
  bool pair = OPS(x->op) & OPS_COLUMNS;
  return (template){
      .text = text, .end = text + strlen(text), .column = &x->args[0],
      .op = pushdown_comparison(x->op), .other = pair ? &x->args[1] : NULL,
      .value = x->n_args > 1 && !pair ? &p->query->parameters[x->args[1].parameter] : NULL,
      .member = x->n_args > 2 ? &p->query->parameters[x->args[2].parameter] : NULL};
}

#define SPLIT "{or}"

/* An order's or a group's column. */
static void print_above(printer *p, const query_expr *x, query_operator op) {
  const char *text = x->row->text, *split = strstr(text, SPLIT);
  template t = {.text = text, .end = split ? split : text + strlen(text), .column = x, .op = op};
  print_template(p, &t);
}

static void print_select(printer *p) {
  const query *q = p->query;
  buffer quoted = {0};
  buffer_text(&p->text, "SELECT ");
  if (!q->n_select) buffer_text(&p->text, "NULL");
  for (int i = 0; i < q->n_select; i++) {
    if (i) buffer_text(&p->text, ", ");
    if (q->select[i].kind == EXPR_COUNT) {
      buffer_text(&p->text, p->dialect->count);
      continue;
    }
    const column *c = column_of(p, &q->select[i]);
    buffer_clear(&quoted);
    buffer_quoted(&quoted, c->remote_name, p->dialect->quote);
    p->dialect->select(&p->text, c, buffer_cstr(&quoted));
    if (quoted.failed) p->text.failed = true;
  }
  buffer_free(&quoted);
}

static void print_source(printer *p) {
  buffer_text(&p->text, " FROM ");
  sql_text_relation(&p->text, p->query->sources[0].relation, p->dialect->quote);
}

static bool is_split(const query_expr *x) {
  return x->kind == EXPR_TERM && strstr(x->row->text, SPLIT) != NULL;
}

static bool is_beside(const query_expr *a, const query_expr *b) {
  return is_split(b) && a->args[0].source == b->args[0].source &&
         a->args[0].column == b->args[0].column;
}

/* The parts before the splits of the N templates, or those after them, all of them. */
static void print_parts(printer *p, template *all, int n, bool after) {
  for (int i = 0; i < n; i++) {
    template *t = &all[i];
    const char *whole = t->text, *end = t->end, *split = strstr(whole, SPLIT);
    if (i) buffer_text(&p->text, " AND ");
    t->text = after ? split + strlen(SPLIT) : whole;
    t->end = after ? end : split;
    print_template(p, t);
    t->text = whole;
    t->end = end;
  }
}

/* Term I and those behind it that are split over the same column, as one: two
** bounds of a range are then one range for the server's index. */
static void print_split(printer *p, int i) {
  const query *q = p->query;
  template *all = arena_alloc(p->arena, (size_t)(q->n_filter - i) * sizeof(*all));
  int n = 0;
  for (int k = i; all && k < q->n_filter; k++) {
    if (is_beside(&q->filter[i], &q->filter[k])) all[n++] = term_template(p, &q->filter[k]);
  }
  if (!all) return;
  bool one_side = p->part == PART_WITHIN || p->part == PART_BEYOND;
  if (one_side && q->filter[i].args[0].column == q->order_by[0].column.column) {
    print_parts(p, all, n, p->part == PART_BEYOND);
    return;
  }
  buffer_text(&p->text, "((");
  print_parts(p, all, n, false);
  buffer_text(&p->text, ") OR (");
  print_parts(p, all, n, true);
  buffer_text(&p->text, "))");
}

/* A term by itself, or what several come to. */
static void print_condition(printer *p, const query_expr *x) {
  if (x->kind != EXPR_TERM) {
    buffer_char(&p->text, '(');
    for (int i = 0; i < x->n_args; i++) {
      if (i) buffer_text(&p->text, x->kind == EXPR_ALL ? " AND " : " OR ");
      print_condition(p, &x->args[i]);
    }
    buffer_char(&p->text, ')');
    return;
  }
  template t = term_template(p, x);
  buffer_char(&p->text, '(');
  if (is_split(x)) {
    print_parts(p, &t, 1, false);
    buffer_text(&p->text, " OR ");
    print_parts(p, &t, 1, true);
  } else {
    print_template(p, &t);
  }
  buffer_char(&p->text, ')');
}

static bool is_printed_before(const query *q, int i) {
  for (int k = 0; k < i; k++) {
    if (is_split(&q->filter[k]) && is_beside(&q->filter[k], &q->filter[i])) return true;
  }
  return false;
}

static void print_filter(printer *p) {
  const query *q = p->query;
  for (int i = 0; i < q->n_filter; i++) {
    if (is_printed_before(q, i)) continue;
    buffer_text(&p->text, i ? " AND " : " WHERE ");
    if (is_split(&q->filter[i])) {
      print_split(p, i);
    } else if (q->filter[i].kind != EXPR_TERM) {
      print_condition(p, &q->filter[i]);
    } else {
      template t = term_template(p, &q->filter[i]);
      print_template(p, &t);
    }
  }
}

/* DISTINCT is sent as GROUP BY over each column's DISTINCT row, because that
** expression (text by its bytes) may be another than the selected one. */
static void print_group(printer *p) {
  const query *q = p->query;
  for (int i = 0; i < q->n_group_by; i++) {
    buffer_text(&p->text, i ? ", " : " GROUP BY ");
    print_above(p, &q->group_by[i], OP_DISTINCT);
  }
}

static void print_order(printer *p) {
  const query *q = p->query;
  int first = p->part == PART_NULL;      /* these are equal in the first column */
  for (int i = first; i < q->n_order_by; i++) {
    const query_order *o = &q->order_by[i];
    buffer_text(&p->text, i > first ? ", " : " ORDER BY ");
    if (i == 0 && p->part == PART_WITHIN) {
      print_column(p, &o->column);
      buffer_text(&p->text, o->descending ? " DESC" : " ASC");
      continue;
    }
    print_above(p, &o->column, OP_ORDER);
    p->dialect->direction(&p->text, column_of(p, &o->column), o->descending);
  }
}

static void print_limit(printer *p) {
  const query *q = p->query;
  if (q->has_limit) buffer_printf(&p->text, " LIMIT %lld", (long long)q->limit);
}

/* ---- the first rows of an order -------------------------------------------

   ORDER BY a LIMIT n by an index on a, where that has NULLs at the other end than SQLite, or
   has some values elsewhere.  The others of its values are in SQLite's order, so the first
   rows are among the first of these, of the rest and of the NULLs:

   SELECT … FROM ((SELECT … WHERE <a within> ORDER BY a LIMIT n) UNION ALL
                  (SELECT … WHERE NOT (<a within>) ORDER BY <a as SQLite> LIMIT n) UNION ALL
                  (SELECT … WHERE a IS NULL LIMIT n)) q ORDER BY <a as SQLite> LIMIT n  */

/* The condition under which the column by itself is in the order of X; NULL: always. */
static const char *within_of(const query_expr *x) {
  const char *split = strstr(x->row->text, SPLIT);
  return split ? split + strlen(SPLIT) : NULL;
}

static bool is_equal_to_a_value(const query *q, int col) {
  for (int i = 0; i < q->n_filter; i++) {
    const query_expr *x = &q->filter[i];
    if (x->kind == EXPR_TERM && x->op == OP_EQ && x->args[0].column == col) return true;
  }
  return false;
}

/* Whether an index has the rows of the filter in the order of COL. */
static bool is_indexed(const query *q, int col) {
  const relation *r = q->sources[0].relation;
  for (int i = 0; i < r->n_indexes; i++) {
    const relation_index *index = &r->indexes[i];
    int n = 0;
    while (n < index->n_columns && index->columns[n] != col &&
           is_equal_to_a_value(q, index->columns[n])) n++;
    if (n < index->n_columns && index->columns[n] == col) return true;
  }
  return false;
}

/* Whether rows with NULL in COL are asked for. */
static bool has_nulls(const query *q, int col) {
  if (q->sources[0].relation->columns[col].flags & COLUMN_NOT_NULL) return false;
  for (int i = 0; i < q->n_filter; i++) {
    const query_expr *x = &q->filter[i];
    bool finds_null = x->kind != EXPR_TERM || x->op == OP_IS_NULL || x->op == OP_IS_NOT;
    if (!finds_null && x->args[0].column == col) return false;
  }
  return true;
}

static bool is_top(const printer *p) {
  const query *q = p->query;
  if (!p->dialect->orders_apart || !q->has_limit || !q->n_order_by || q->n_group_by) return false;
  if (!q->n_select || q->select[q->n_select - 1].kind == EXPR_COUNT) return false;
  const query_expr *first = &q->order_by[0].column;
  bool apart = strcmp(first->row->text, "{c}") == 0 && has_nulls(q, first->column);
  return (apart || within_of(first)) && is_indexed(q, first->column);
}

static bool is_selected(const query *q, const query_expr *x) {
  for (int i = 0; i < q->n_select; i++) {
    if (q->select[i].column == x->column) return true;
  }
  return false;
}

/* What is shown, and what it is ordered by. */
static void print_columns(printer *p) {
  const query *q = p->query;
  for (int i = 0; i < q->n_select; i++) {
    if (i) buffer_text(&p->text, ", ");
    print_column(p, &q->select[i]);
  }
  for (int i = 0; i < q->n_order_by; i++) {
    if (is_selected(q, &q->order_by[i].column)) continue;
    buffer_text(&p->text, ", ");
    print_column(p, &q->order_by[i].column);
  }
}

static void print_part(printer *p, part which) {
  const query_expr *first = &p->query->order_by[0].column;
  const char *within = within_of(first);
  template t = {.text = within, .end = within ? within + strlen(within) : NULL, .column = first,
                .op = OP_ORDER};
  p->part = which;
  buffer_text(&p->text, which == PART_WITHIN ? "(SELECT " : " UNION ALL (SELECT ");
  print_columns(p);
  print_source(p);
  print_filter(p);
  buffer_text(&p->text, p->query->n_filter ? " AND " : " WHERE ");
  if (which == PART_BEYOND) buffer_text(&p->text, "NOT (");
  if (within && which != PART_NULL) print_template(p, &t);
  else print_column(p, first);
  if (which == PART_BEYOND) buffer_char(&p->text, ')');
  else if (which == PART_NULL) buffer_text(&p->text, " IS NULL");
  else if (!within) buffer_text(&p->text, " IS NOT NULL");
  print_order(p);
  print_limit(p);
  buffer_char(&p->text, ')');
  p->part = PART_ALL;
}

static void print_top(printer *p) {
  const query_expr *first = &p->query->order_by[0].column;
  buffer_text(&p->text, " FROM (");
  print_part(p, PART_WITHIN);
  if (within_of(first)) print_part(p, PART_BEYOND);
  if (has_nulls(p->query, first->column)) print_part(p, PART_NULL);
  buffer_text(&p->text, ") q");
}

/* FNV-1a; never 0. */
uint64_t sql_text_hash(const char *text) {
  uint64_t h = UINT64_C(14695981039346656037);
  for (; *text; text++) h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
  return h ? h : 1;
}

static bool print(printer *p, request *out, tskdb_error *e) {
  print_select(p);
  if (is_top(p)) {
    print_top(p);
  } else {
    print_source(p);
    print_filter(p);
    print_group(p);
  }
  print_order(p);
  print_limit(p);
  *out = (request){.parameters = p->parameters, .n_parameters = p->n_parameters, .query = p->query};
  if (!p->text.failed && !p->malformed) {
    out->text = arena_strndup(p->arena, buffer_cstr(&p->text), p->text.length);
  }
  buffer_free(&p->text);
  if (p->malformed) return error_set(e, ERROR_INTERNAL, "a pushdown row's text has an unknown name");
  if (!out->text || p->arena->failed) return error_memory(e);
  out->hash = sql_text_hash(out->text);
  return true;
}

bool sql_text_compile(const query *q, const sql_dialect *d, arena *a, request *out, tskdb_error *e) {
  printer p = {.query = q, .dialect = d, .arena = a};
  if (q->memo && text_memo_recall(q->memo, q, a, out)) return true;
  if (!print(&p, out, e)) return false;
  if (q->memo) text_memo_keep(q->memo, q, out, p.from);
  return true;
}
