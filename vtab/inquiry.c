/*
** inquiry.c - what a scan asks its server.
*/
#include "vtab/inquiry.h"

#include "vtab/residual.h"

enum { BULK_ROWS = 2000 };       /* of a relation of so many, or of nobody knows how many */

/* What the statement's program allows to ask for less than all rows. */
static bool ask_for_less(inquiry *q, const inquirer *who, const value *arguments, int n, arena *a,
                         tskdb_error *e) {
  if (who->one_row || who->again) return true;
  const plan *chosen = who->plan;
  const proof *p = who->proof;
  plan_subject subject = table_subject(who->table);
  bool limited = chosen->limit != PLAN_LOCAL && q->kind == ROWS_EXACT;
  bool residual = residual_is_wanted(who->table, chosen);
  bool countable = chosen->limit == PLAN_LOCAL && plan_is_countable(chosen, &subject);
  if (!limited && !residual && !countable) return true;
  if (!proof_read(who->proof, who->table, chosen, who->plan_text)) return true;
  if (limited && p->plain) {
    plan_limit(chosen, arguments, n, &q->query);
  } else if (residual && p->residual &&
             !residual_apply(p->residual, p->statement, who->table, a, &q->query, &q->kind)) {
    return error_memory(e);
  }
  if (countable && p->reads_only) {
    q->counted = true;
    return plan_runs(chosen, &subject, a, &q->query) || error_memory(e);
  }
  return true;
}

bool inquiry_make(inquiry *q, const inquirer *who, const value *arguments, int n, arena *a,
                  request *out, tskdb_error *e) {
  const server *s = who->table->server;
  plan_subject subject = table_subject(who->table);
  *q = (inquiry){0};
  if (!plan_query(who->plan, &subject, arguments, n, a, &q->query, &q->kind)) return error_memory(e);
  int planned = q->query.n_filter;
  if (!ask_for_less(q, who, arguments, n, a, e)) return false;
  double rows = who->table->relation->rows;
  q->query.bulk = s->options.bulk && (rows < 0 || rows >= BULK_ROWS);
  q->query.one_row = who->one_row && q->kind == ROWS_EXACT;
  /* The memo knows the plan's own terms. */
  q->query.memo = q->query.n_filter > planned ? NULL : who->memo;
  if (q->kind == ROWS_EMPTY) return true;
  return s->driver->compile(&q->query, who->table->catalog->version, a, out, e);
}
