/*
** overlap.c - requests that are sent before SQLite opens their scans.
*/
#include "vtab/overlap.h"

#include <string.h>

#include "vtab/bound.h"
#include "vtab/inquiry.h"
#include "vtab/memory.h"
#include "vtab/process.h"

/* A scan that is thought to take less is over before a thread has begun. */
static const double SLOW_US = 1000.0, DEFAULT_ROUND_TRIP_US = 200.0, UNKNOWN_ROWS = 10000.0;
/* A server that waits longer for its reader may lose patience (net_write_timeout). */
enum { PATIENCE_US = 10 * 1000000 };

struct overlap {
  overlap *next;               /* in overlaps.begun, until it is taken */
  const cursor *cause;
  table *table;
  execution in;
  uint64_t compilations, writes;
  arena arena;                 /* of what follows */
  plan plan;
  proof proof;
  inquiry inquiry;
  remote remote;
};

/* All of one SQLite connection. */
struct overlaps {
  overlap *begun;
  int alive;                   /* begun or taken: they borrow from the program */
  /* the program of the statement and what it says */
  arena arena;
  program program;
  outlook outlook;
  execution in;
  uint64_t compilations;
};

/* ---- which ------------------------------------------------------------------ */

bool overlap_is_caused_by(const table *t) {
  const server *s = t->server;
  double trip_us = s->pace.round_trip_us > 0 ? s->pace.round_trip_us : DEFAULT_ROUND_TRIP_US;
  double row_us = s->pace.row_us > 0 ? s->pace.row_us : s->driver->row_us;
  double rows = t->relation->rows < 0 ? UNKNOWN_ROWS : t->relation->rows;
  return s->options.overlap && trip_us + rows * row_us >= SLOW_US;
}

/* The elements of a list are known only when SQLite hands them over, and one row is here
** soon.  A native statement may do more than read: it must be one that SQLite comes to. */
static bool is_wanted(const outlook_scan *s, const plan *p) {
  const relation *r = s->table->relation;
  for (int i = 0; i < p->n_terms; i++) {
    if (p->terms[i].op == OP_IN && p->terms[i].argument != PLAN_LOCAL) return false;
  }
  if (r->kind == RELATION_QUERY && !s->certain) return false;
  return overlap_is_caused_by(s->table) && !plan_is_unique(p, r);
}

bool overlap_is_wanted(const outlook_scan *s, arena *a) {
  plan p;
  return plan_decode(s->plan_text, s->table->relation, a, &p) && is_wanted(s, &p);
}

static bool has_other_servers(const table *t) {
  const table *other = t->directory->tables;
  while (other && other->server == t->server) other = other->next;
  return other != NULL;
}

/* What is to come in this execution, as far as anything is known; else NULL. */
static struct overlaps *look_ahead(table *t, execution now) {
  server_directory *d = t->directory;
  struct overlaps *o = d->overlaps;
  if (!o) o = d->overlaps = mem_zalloc(sizeof(*o));
  if (!o) return NULL;
  if (o->in.statement != now.statement || o->compilations != d->compilations) {
    if (o->alive) return NULL;
    arena_reset(&o->arena);
    o->outlook = (outlook){0};
    o->compilations = d->compilations;
    if (!program_load(t, &o->arena, &o->program) ||
        !outlook_read(&o->program, d, &o->arena, &o->outlook)) {
      o->outlook = (outlook){0};
    }
  }
  for (int i = 0; i < o->outlook.n && !execution_same(o->in, now); i++) {
    o->outlook.scans[i].begun = false;
  }
  o->in = now;
  return o;
}

static bool is_server_busy(const struct overlaps *all, const server *s) {
  for (const overlap *o = all->begun; o; o = o->next) {
    if (o->table->server == s) return true;
  }
  return false;
}

/* Whether a cursor has asked for it already. */
static bool is_open(const outlook_scan *s) {
  for (cursor *c = cursor_newest(s->table->directory); c; c = cursor_older(c)) {
    if (cursor_scans(c, s->table, s->plan_text)) return true;
  }
  return false;
}

static bool may_begin(const struct overlaps *all, const outlook_scan *s, const table *asking) {
  const server *at = s->table->server;
  return !s->begun && at != asking->server && !is_server_busy(all, at) && !is_open(s);
}

/* ---- sending ---------------------------------------------------------------- */

static value *read_arguments(overlap *o, const outlook_scan *s) {
  bound values = {0};
  value *out = arena_alloc(&o->arena, ((size_t)s->n_arguments + 1) * sizeof(*out));
  for (int i = 0; out && i < s->n_arguments; i++) {
    int number = s->arguments[i].variable;
    out[i] = s->arguments[i].constant;
    if (!number) continue;
    if (!values.n && !bound_read(o->in.statement, &o->arena, &values)) return NULL;
    if (number > values.n || !values.known[number - 1]) return NULL;
    out[i] = values.values[number - 1];
  }
  return out;
}

static bool prepare(overlap *o, const outlook_scan *s) {
  tskdb_error ignored = {0};
  table *t = o->table;
  if (!plan_decode(s->plan_text, t->relation, &o->arena, &o->plan)) return false;
  if (!is_wanted(s, &o->plan)) return false;
  value *arguments = read_arguments(o, s);
  proof_make(&o->proof, &t->directory->overlaps->program, o->in.statement, t, &o->plan,
             s->plan_text);
  inquirer who = {.table = t, .plan = &o->plan, .plan_text = s->plan_text, .proof = &o->proof};
  o->remote = (remote){.server = t->server, .repeatable = t->relation->kind != RELATION_QUERY};
  return arguments && inquiry_make(&o->inquiry, &who, arguments, s->n_arguments, &o->arena,
                                   &o->remote.request, &ignored) &&
         o->inquiry.kind != ROWS_EMPTY && !o->arena.failed;
}

static overlap *begin(const outlook_scan *s, const cursor *cause, execution now) {
  table *t = s->table;
  server *at = t->server;
  overlap *o = mem_zalloc(sizeof(*o));
  if (!o) return NULL;
  *o = (overlap){.cause = cause, .table = t, .in = now, .writes = at->writes,
                 .compilations = t->directory->compilations};
  t->directory->overlaps->alive++;
  connection *c = prepare(o, s) ? at->acquire_idle(at) : NULL;
  if (c && remote_begin(&o->remote, c, o->inquiry.query.n_select)) return o;
  overlap_free(o);
  return NULL;
}

void overlap_begin(table *t, const cursor *cause) {
  if (!overlap_is_caused_by(t) || !has_other_servers(t)) return;
  execution now = execution_current(t->db);
  struct overlaps *all = now.statement ? look_ahead(t, now) : NULL;
  for (int i = 0; all && i < all->outlook.n; i++) {
    outlook_scan *s = &all->outlook.scans[i];
    if (!may_begin(all, s, t)) continue;
    overlap *o = begin(s, cause, now);
    s->begun = true;
    if (!o) continue;
    o->next = all->begun;
    all->begun = o;
  }
}

/* ---- taking over ------------------------------------------------------------- */

static bool is_same_request(const request *a, const request *b) {
  if (a->n_parameters != b->n_parameters || strcmp(a->text, b->text) != 0) return false;
  for (int i = 0; i < a->n_parameters; i++) {
    if (!value_is_same(&a->parameters[i], &b->parameters[i])) return false;
  }
  return true;
}

static bool is_valid(const overlap *o, execution now) {
  const table *t = o->table;
  return execution_same(o->in, now) && o->compilations == t->directory->compilations &&
         o->writes == t->server->writes && o->remote.process == process_id();
}

overlap *overlap_take(table *t, const request *r) {
  struct overlaps *all = t->directory->overlaps;
  if (!all || !all->begun) return NULL;
  execution now = execution_current(t->db);
  for (overlap **link = &all->begun; *link; link = &(*link)->next) {
    overlap *o = *link;
    if (o->table != t || !is_valid(o, now) || !is_same_request(&o->remote.request, r)) continue;
    *link = o->next;
    return o;
  }
  return NULL;
}

/* A lost connection is tried again as remote_start() does. */
bool overlap_start(overlap *o, remote *r, batch *b, tskdb_error *e) {
  bool late = wait_now_us() - o->remote.started_us > PATIENCE_US;
  if (late && prefetch_is_waiting(o->remote.prefetch)) return remote_start(r, b, e);
  if (remote_take_over(r, &o->remote, b, e)) return true;
  if (e->klass != ERROR_NETWORK || !r->repeatable) return false;
  remote_stop(r, e);
  error_clear(e);
  return remote_start(r, b, e);
}

/* ---- ends -------------------------------------------------------------------- */

void overlap_free(overlap *o) {
  if (!o) return;
  o->table->directory->overlaps->alive--;
  o->remote.kind = "unused";
  o->remote.record.ahead_ms = (double)(wait_now_us() - o->remote.started_us) / 1000.0;
  remote_stop(&o->remote, NULL);
  proof_free(&o->proof);
  arena_free(&o->arena);
  mem_free(o);
}

bool overlap_is_under_way(const server_directory *d) { return d->overlaps && d->overlaps->begun; }

static void cancel(server_directory *d, const cursor *cause, const table *t) {
  overlap **link = d->overlaps ? &d->overlaps->begun : NULL;
  while (link && *link) {
    overlap *o = *link;
    if ((cause && o->cause != cause) || (t && o->table != t)) {
      link = &o->next;
      continue;
    }
    *link = o->next;
    overlap_free(o);
  }
}

void overlap_cancel(server_directory *d, const cursor *cause) { cancel(d, cause, NULL); }

void overlap_forget(table *t) {
  struct overlaps *all = t->directory ? t->directory->overlaps : NULL;
  if (!all) return;
  cancel(t->directory, NULL, t);
  all->outlook = (outlook){0};
  all->in = (execution){0};
}

void overlap_free_all(server_directory *d) {
  if (!d->overlaps) return;
  cancel(d, NULL, NULL);
  arena_free(&d->overlaps->arena);
  mem_free(d->overlaps);
  d->overlaps = NULL;
}
