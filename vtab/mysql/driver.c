/*
** driver.c - MySQL and MariaDB as a driver: the table of functions.
**
** Not here: anything that does something; mysql_driver.h lists the rooms.
*/
#include "vtab/mysql/mysql_driver.h"
#include "vtab/sqlite.h"

static const char *const schemes[] = {"mysql", "mariadb", NULL};

/* A protocol packet names at most 65,535 parameters, and each element of a
** text list takes two; a list of this length is still planned quickly. */
enum { MAX_LIST = 8000 };

static const column count_column = {.name = "count(*)", .remote_name = "count(*)",
                                    .remote_type = "bigint(21)", .klass = CLASS_INT,
                                    .flags = COLUMN_NOT_NULL};

static const driver mysql_driver = {
  .contract = DRIVER_CONTRACT,
  .name = "mysql",
  .schemes = schemes,
  .pushdown = mysql_pushdown,
  .n_pushdown = MYSQL_PUSHDOWN_ROWS,
  .facts = mysql_facts,
  .max_list = MAX_LIST,
  .row_us = 0.5,
  .nests = true,
  .text_has_nul = true,
  .max_words = 1,
  .count_column = &count_column,
  .native_usage = "'native SELECT'",
  .open = mysql_driver_open,
  .ping = mysql_driver_ping,
  .reset = mysql_driver_reset,
  .cancel = mysql_driver_cancel,
  .close = mysql_driver_close,
  .discover = mysql_driver_discover,
  .describe = mysql_driver_describe,
  .compile = mysql_driver_compile,
  .scan_open = mysql_driver_scan_open,
  .scan_fetch = mysql_driver_scan_fetch,
  .scan_close = mysql_driver_scan_close,
  .exec = mysql_driver_exec,
};

/* The module's one visible symbol. */
extern driver_entry tskdb_driver_mysql;

DRIVER_ENTRY const driver *tskdb_driver_mysql(const driver_host *host) {
  if (host->contract != DRIVER_CONTRACT) return NULL;
#ifndef SQLITE_CORE
  if (!sqlite_host_set(host->sqlite_api)) return NULL;
#endif
  return &mysql_driver;
}
