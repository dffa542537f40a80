/*
** proof.c - what the program of the running statement proves of one scan.
*/
#include "vtab/proof.h"

#include "vtab/residual.h"

static void begin(proof *p, sqlite3_stmt *running, const table *t) {
  arena_reset(&p->arena);
  *p = (proof){.arena = p->arena, .statement = running, .at = t->directory->compilations};
}

static void prove(proof *p, const program *whole, table *t, const plan *chosen,
                  const char *plan_text) {
  loop l;
  p->reads_only = program_reads_only(whole, t, chosen, plan_text);
  if (!loop_find(whole, t, plan_text, &l)) return;
  p->plain = loop_is_plain(&l, chosen, &p->arena);
  p->residual = residual_condition(&l, chosen, &p->arena);
}

bool proof_read(proof *p, table *t, const plan *chosen, const char *plan_text) {
  sqlite3_stmt *running = execution_current(t->db).statement;
  program whole;
  if (!running) return false;
  if (p->statement == running && p->at == t->directory->compilations) return true;
  begin(p, running, t);
  if (program_load(t, &p->arena, &whole)) prove(p, &whole, t, chosen, plan_text);
  return true;
}

void proof_make(proof *p, const program *whole, sqlite3_stmt *running, table *t, const plan *chosen,
                const char *plan_text) {
  begin(p, running, t);
  prove(p, whole, t, chosen, plan_text);
}

void proof_free(proof *p) {
  arena_free(&p->arena);
  *p = (proof){0};
}
