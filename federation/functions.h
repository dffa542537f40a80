/*
** functions.h - the SQL functions.
*/
#ifndef FEDERATION_FUNCTIONS_H
#define FEDERATION_FUNCTIONS_H

#include "federation/registry.h"

/* Registers them on R's connection; each holds R. Returns an SQLite code. */
int functions_register(registry *r);

#endif
