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
** The texts of the pushdown rows are expanded here: {c} is the column, {v}
** the value, {op} the operator.  A row text that breaks this form is a
** mistake in a driver's table and reported as ERROR_INTERNAL.
*/
#include "vtab/sql_text.h"

#include <string.h>

/* What is being printed. */
typedef struct printer {
  buffer text;
  const query *query;
  const sql_dialect *dialect;
  arena *arena;
  value *parameters;       /* in the order of the placeholders */
  int n_parameters;
  int capacity;
  bool malformed;          /* a row text has an unknown {name} */
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

/* Adds one parameter; returns its number, counted from 1. */
static int add_parameter(printer *p, const value *v) {
  if (p->n_parameters == p->capacity) {
    int capacity = p->capacity ? p->capacity * 2 : 8;
    value *grown = arena_alloc(p->arena, (size_t)capacity * sizeof(*grown));
    if (!grown) return 0;
    if (p->n_parameters) memcpy(grown, p->parameters, (size_t)p->n_parameters * sizeof(*grown));
    p->parameters = grown;
    p->capacity = capacity;
  }
  p->parameters[p->n_parameters] = *v;
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

/* Expands TEMPLATE for column C, operator OP and value V (NULL where the row has none). */
static void print_template(printer *p, const char *template, const query_expr *c, query_operator op,
                           const value *v) {
  int number = 0;
  for (const char *at = template; *at;) {
    size_t literal = strcspn(at, "{");
    buffer_append(&p->text, at, literal);
    at += literal;
    if (!*at) break;
    if (strncmp(at, "{c}", 3) == 0) {
      print_column(p, c);
      at += 3;
    } else if (strncmp(at, "{v}", 3) == 0 && v) {
      print_value(p, v, &number);
      at += 3;
    } else if (strncmp(at, "{op}", 4) == 0 && op < OP_COUNT && p->dialect->operators[op]) {
      buffer_text(&p->text, p->dialect->operators[op]);
      at += 4;
    } else {
      p->malformed = true;
      return;
    }
  }
}

static void print_term(printer *p, const query_expr *x) {
  const value *v = x->n_args > 1 ? &p->query->parameters[x->args[1].parameter] : NULL;
  print_template(p, x->row->text, &x->args[0], x->op, v);
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
  buffer_text(&p->text, " FROM ");
  sql_text_relation(&p->text, q->sources[0].relation, p->dialect->quote);
}

static void print_filter(printer *p) {
  const query *q = p->query;
  for (int i = 0; i < q->n_filter; i++) {
    buffer_text(&p->text, i ? " AND " : " WHERE ");
    print_term(p, &q->filter[i]);
  }
}

/* DISTINCT is sent as GROUP BY over each column's DISTINCT row, because that
** expression (text by its bytes) may be another than the selected one. */
static void print_group(printer *p) {
  const query *q = p->query;
  for (int i = 0; i < q->n_group_by; i++) {
    buffer_text(&p->text, i ? ", " : " GROUP BY ");
    print_template(p, q->group_by[i].row->text, &q->group_by[i], OP_DISTINCT, NULL);
  }
}

static void print_order(printer *p) {
  const query *q = p->query;
  for (int i = 0; i < q->n_order_by; i++) {
    const query_order *o = &q->order_by[i];
    buffer_text(&p->text, i ? ", " : " ORDER BY ");
    print_template(p, o->column.row->text, &o->column, OP_ORDER, NULL);
    p->dialect->direction(&p->text, column_of(p, &o->column), o->descending);
  }
}

static void print_limit(printer *p) {
  const query *q = p->query;
  if (!q->has_limit) return;
  buffer_printf(&p->text, " LIMIT %lld", (long long)q->limit);
  if (q->offset) buffer_printf(&p->text, " OFFSET %lld", (long long)q->offset);
}

bool sql_text_compile(const query *q, const sql_dialect *d, arena *a, request *out, tskdb_error *e) {
  printer p = {.query = q, .dialect = d, .arena = a};
  print_select(&p);
  print_filter(&p);
  print_group(&p);
  print_order(&p);
  print_limit(&p);
  *out = (request){.parameters = p.parameters, .n_parameters = p.n_parameters, .query = q};
  if (!p.text.failed && !p.malformed) {
    out->text = arena_strndup(a, buffer_cstr(&p.text), p.text.length);
  }
  buffer_free(&p.text);
  if (p.malformed) return error_set(e, ERROR_INTERNAL, "a pushdown row's text has an unknown name");
  if (!out->text || a->failed) return error_memory(e);
  return true;
}
