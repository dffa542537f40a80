/*
** driver.c - MongoDB as a driver: the table of functions.
**
** Not here: anything that does something; mongo_driver.h lists the rooms.
*/
#include "vtab/mongo/mongo_driver.h"
#include "vtab/sqlite.h"

static const char *const schemes[] = {"mongodb", "mongodb+srv", NULL};

/* The server plans an element of $in in some microseconds.  Where decimals can be, each key is a range of
** its own in $or, planned by itself in 30 or 40: beyond some hundred that is no cheaper a key, and it may
** be dearer beside another condition. */
enum { MAX_LIST = 4000, SUPERSET_KEYS = 400 };

static const driver mongo_driver = {
  .contract = DRIVER_CONTRACT,
  .name = "mongo",
  .schemes = schemes,
  .pushdown = mongo_pushdown,
  .n_pushdown = MONGO_PUSHDOWN_ROWS,
  .facts = mongo_facts,
  .max_list = MAX_LIST,
  .superset_keys = SUPERSET_KEYS,
  .row_us = 1.0,
  .member_paths = true,
  .nests = true,
  .text_has_nul = true,
  .count_column = &mongo_count_column,
  .max_words = 2,
  .native_usage = "'collection', '[pipeline]'",
  .open = mongo_driver_open,
  .ping = mongo_driver_ping,
  .reset = mongo_driver_reset,
  .cancel = mongo_driver_cancel,
  .close = mongo_driver_close,
  .discover = mongo_driver_discover,
  .describe = mongo_driver_describe,
  .compile = mongo_driver_compile,
  .scan_open = mongo_driver_scan_open,
  .scan_fetch = mongo_driver_scan_fetch,
  .scan_close = mongo_driver_scan_close,
  .exec = mongo_driver_exec,
};

/* The module's one visible symbol. */
extern driver_entry tskdb_driver_mongo;

DRIVER_ENTRY const driver *tskdb_driver_mongo(const driver_host *host) {
  if (host->contract != DRIVER_CONTRACT) return NULL;
#ifndef SQLITE_CORE
  if (!sqlite_host_set(host->sqlite_api)) return NULL;
#endif
  return &mongo_driver;
}
