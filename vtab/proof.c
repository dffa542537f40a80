/*
** proof.c - what the program of the running statement proves of one scan.
*/
#include "vtab/proof.h"

#include "vtab/residual.h"

bool proof_read(proof *p, table *t, const plan *chosen, const char *plan_text) {
  sqlite3_stmt *running = execution_current(t->db).statement;
  uint64_t at = t->directory->compilations;
  program whole;
  loop l;
  if (!running) return false;
  if (p->statement == running && p->at == at) return true;
  arena_reset(&p->arena);
  *p = (proof){.arena = p->arena, .statement = running, .at = at};
  if (!program_load(t, &p->arena, &whole)) return true;
  p->reads_only = program_reads_only(&whole, t, chosen, plan_text);
  if (!loop_find(&whole, t, plan_text, &l)) return true;
  p->plain = loop_is_plain(&l, chosen, &p->arena);
  p->residual = residual_condition(&l, chosen, &p->arena);
  return true;
}

void proof_free(proof *p) {
  arena_free(&p->arena);
  *p = (proof){0};
}
