/*
** outer_join.c - the word LEFT in the statements that run and in the views
** that they may use: see outer_join.h.
**
** Several statements may be under way on a connection and which of them asks
** is not known: one that has the word is enough.  The views are looked through
** each time; their schemas are in memory, and the request that follows takes
** longer.
*/
#include "vtab/outer_join.h"

#include <string.h>

enum { FIXED_IN = 3051000 };

bool outer_join_suspects(query_operator op) {
  const uint32_t offered =
      OPS(OP_NE) | OPS(OP_IS_NOT) | OPS(OP_NOT_NULL) | OPS(OP_LIKE) | OPS(OP_GLOB);
  return (OPS(op) & offered) && sqlite_version() < FIXED_IN;
}

static bool has_left(const char *sql) {
  for (; *sql; sql++) {
    if ((*sql == 'L' || *sql == 'l') && sqlite3_strnicmp(sql, "LEFT", 4) == 0) return true;
  }
  return false;
}

static bool is_in_statements(sqlite3 *db) {
  for (sqlite3_stmt *s = sqlite3_next_stmt(db, NULL); s; s = sqlite3_next_stmt(db, s)) {
    if (!sqlite3_stmt_busy(s)) continue;
    const char *sql = sqlite3_sql(s);
    if (!sql || has_left(sql)) return true;
  }
  return false;
}

static bool is_in_views(sqlite3 *db, const char *schema) {
  sqlite3_stmt *s = NULL;
  char *sql = sqlite3_mprintf(
      "SELECT sql FROM \"%w\".sqlite_schema WHERE type IN ('view', 'trigger')", schema);
  int rc = sql ? sqlite3_prepare_v2(db, sql, -1, &s, NULL) : SQLITE_NOMEM;
  bool found = false;
  sqlite3_free(sql);
  while (rc == SQLITE_OK && !found && (rc = sqlite3_step(s)) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(s, 0);
    found = !text || has_left(text);
    rc = SQLITE_OK;
  }
  sqlite3_finalize(s);
  return found || (rc != SQLITE_OK && rc != SQLITE_DONE);
}

bool outer_join_possible(sqlite3 *db, const char *schema) {
  return !schema || is_in_statements(db) || is_in_views(db, "temp") || is_in_views(db, schema);
}
