/*
** driver.c - Redis as a driver: the table of functions.
**
** Not here: anything that does something; redis_driver.h lists the rooms.
*/
#include "vtab/redis/redis_driver.h"
#include "vtab/sqlite.h"

static const char *const schemes[] = {"redis", "rediss", "redis+sentinel", "rediss+sentinel",
                                      "redis+cluster", "rediss+cluster", NULL};

enum {
  MAX_LIST = 1000000,          /* keys are asked for in as many pipelines as it takes */
  MAX_WORDS = 1000
};

/* REDIS_IS_KEY and so on, in words. */
static const char *const facts[] = {"a key", "a type", "an element", "an index", "a score", "an id",
                                    NULL};

static driver redis_driver = {
  .contract = DRIVER_CONTRACT,
  .name = "redis",
  .schemes = schemes,
  .pushdown = redis_pushdown,
  .facts = facts,
  .max_list = MAX_LIST,
  .row_us = 6.0,
  .text_has_nul = true,
  .max_words = MAX_WORDS,
  .native_usage = "'COMMAND', 'argument', …",
  .open = redis_driver_open,
  .ping = redis_driver_ping,
  .reset = redis_driver_reset,
  .cancel = redis_driver_cancel,
  .close = redis_driver_close,
  .discover = redis_driver_discover,
  .describe = redis_driver_describe,
  .compile = redis_driver_compile,
  .scan_open = redis_driver_scan_open,
  .scan_fetch = redis_driver_scan_fetch,
  .scan_close = redis_driver_scan_close,
  .exec = redis_driver_exec,
};

/* The module's one visible symbol. */
extern driver_entry tskdb_driver_redis;

DRIVER_ENTRY const driver *tskdb_driver_redis(const driver_host *host) {
  if (host->contract != DRIVER_CONTRACT) return NULL;
#ifndef SQLITE_CORE
  if (!sqlite_host_set(host->sqlite_api)) return NULL;
#endif
  redis_driver.n_pushdown = redis_n_pushdown;
  return &redis_driver;
}
