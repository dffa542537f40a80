/*
** driver.c - PostgreSQL as a driver: the table of functions.
**
** Not here: anything that does something; postgres.h lists the rooms.
*/
#include "vtab/postgres/postgres.h"
#include "vtab/sqlite.h"

static const char *const schemes[] = {"postgresql", "postgres", NULL};

/* A list is one array parameter: the bound is what is sensible to plan. */
enum { MAX_LIST = 100000 };

enum { OID_INT8 = 20 };
static const column count_column = {.name = "count(*)", .remote_name = "count(*)",
                                    .remote_type = "bigint", .klass = CLASS_INT,
                                    .type_id = OID_INT8, .flags = COLUMN_NOT_NULL};

/* Not constant only because the number of rows is known in compile.c. */
static driver postgres_driver = {
  .contract = DRIVER_CONTRACT,
  .name = "postgres",
  .schemes = schemes,
  .pushdown = postgres_pushdown,
  .max_list = MAX_LIST,
  .row_us = 0.5,
  .nests = true,
  .text_has_nul = false,
  .max_words = 1,
  .count_column = &count_column,
  .native_usage = "'native SELECT'",
  .open = postgres_open,
  .ping = postgres_ping,
  .reset = postgres_reset,
  .cancel = postgres_cancel,
  .close = postgres_close,
  .discover = postgres_discover,
  .describe = postgres_describe,
  .compile = postgres_compile,
  .scan_open = postgres_scan_open,
  .scan_fetch = postgres_scan_fetch,
  .scan_close = postgres_scan_close,
  .exec = postgres_exec,
};

/* The module's one visible symbol. */
extern driver_entry tskdb_driver_postgres;

DRIVER_ENTRY
const driver *tskdb_driver_postgres(const driver_host *host) {
  if (host->contract != DRIVER_CONTRACT) return NULL;
#ifndef SQLITE_CORE
  if (!sqlite_host_set(host->sqlite_api)) return NULL;
#endif
  postgres_driver.n_pushdown = postgres_n_pushdown;
  return &postgres_driver;
}
