/*
** drivers.h - which databases there are, and the way to their code.
*/
#ifndef FEDERATION_DRIVERS_H
#define FEDERATION_DRIVERS_H

#include "vtab/driver.h"

/* Notes where this module lies; called once, while it is loaded: the folder
** of the process may change later. */
void drivers_locate(void);

/* How many kinds of server this version knows, and the name of each. */
int drivers_count(void);
const char *drivers_name(int i);

/* The driver number I, opened at its first use and never closed. NULL with
** ERROR_CONFIG if it was left out at build time or cannot be loaded. Any thread. */
const driver *drivers_open(int i, tskdb_error *e);

/* The number of the driver for a URL's scheme, -1 with ERROR_CONFIG that
** lists the known schemes if there is none. */
int drivers_find(const char *scheme, tskdb_error *e);

#endif
