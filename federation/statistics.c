/*
** statistics.c - what SQLite's planner is told of a server, looked at again.
**
** A catalog is a snapshot that its tables hold on to; its estimates are all of it that
** may change, and only here: under the mutex of the SQLite connection, whose
** catalog it is.  Workers read no estimates.
*/
#include "federation/statistics.h"

#include <string.h>

#include "federation/server.h"
#include "vtab/buffer.h"
#include "vtab/table.h"

static bool same_text(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") == 0; }

static bool is_same_relation(const relation *a, const relation *b) {
  return same_text(a->remote_name, b->remote_name) && same_text(a->remote_schema, b->remote_schema);
}

static void copy_columns(const relation *from, relation *to) {
  for (int i = 0; i < to->n_columns; i++) {
    for (int k = 0; k < from->n_columns; k++) {
      if (!same_text(to->columns[i].remote_name, from->columns[k].remote_name)) continue;
      to->columns[i].distinct = from->columns[k].distinct;
      to->columns[i].null_fraction = from->columns[k].null_fraction;
      break;
    }
  }
}

/* Gives the estimates of FROM to the relations of TO that it has too; how many those are. */
static int copy_estimates(const catalog *from, catalog *to) {
  int n = 0;
  for (int i = 0; i < to->n_relations; i++) {
    relation *old = &to->relations[i];
    for (int k = 0; k < from->n_relations; k++) {
      /* Both lists have the server's order: the same place is looked at first. */
      const relation *now = &from->relations[(i + k) % from->n_relations];
      if (!is_same_relation(now, old)) continue;
      old->rows = now->rows;
      old->bytes = now->bytes;
      copy_columns(now, old);
      n++;
      break;
    }
  }
  return n;
}

static int spread(attached_server *s, const catalog *now) {
  int n = copy_estimates(now, s->base.catalog);
  s->registry->base.estimates++;
  const catalog *done = s->base.catalog;
  for (table *t = s->registry->base.tables; t; t = t->next) {
    /* A table that was attached before a refresh may hold an older catalog. */
    if (t->server != &s->base || t->catalog == done) continue;
    copy_estimates(now, t->catalog);
    done = t->catalog;
  }
  return n;
}

bool statistics_analyze(registry *r, const char *name, buffer *report, tskdb_error *e) {
  int64_t round_trips;
  attached_server *s =
    registry_unlocked(r, "tskdb_analyze()", e) ? registry_find(r, name, e) : NULL;
  if (!s) return false;
  if (!s->base.driver) {
    return error_set(e, ERROR_CONFIG, "\"%.64s\" is a SQLite file: use SQLite's own ANALYZE", name);
  }
  catalog *now = server_discover(s, &round_trips, e);
  if (!now) {
    error_server(e, s->base.name);
    return false;
  }
  int n = spread(s, now);
  catalog_release(now);
  buffer_printf(report, "%s: estimates of %d tables, a round trip takes %.0f µs", s->base.name, n,
                s->base.pace.round_trip_us);
  return true;
}
