/*
** statement.c - which statement of a SQLite connection is running.
*/
#include "vtab/statement.h"

execution execution_current(sqlite3 *db) {
  sqlite3_stmt *found = NULL;
  for (sqlite3_stmt *s = sqlite3_next_stmt(db, NULL); s; s = sqlite3_next_stmt(db, s)) {
    if (!sqlite3_stmt_busy(s)) continue;
    if (found) return (execution){0};
    found = s;
  }
  if (!found) return (execution){0};
  return (execution){found, sqlite3_stmt_status(found, SQLITE_STMTSTATUS_RUN, 0)};
}

bool execution_same(execution a, execution b) {
  return a.statement && a.statement == b.statement && a.run == b.run;
}
