/*
** attach.h - making a server part of a SQLite connection, and the contrary.
**
** Each returns false with an error, after which the connection is as before.
*/
#ifndef FEDERATION_ATTACH_H
#define FEDERATION_ATTACH_H

#include "federation/registry.h"

struct buffer;

/* OPTIONS may be NULL. Appends the one-line summary. */
bool attach_server(registry *r, const char *name, const char *url, const char *options,
                   struct buffer *summary, tskdb_error *e);
bool attach_detach(registry *r, const char *name, tskdb_error *e);

/* Looks again; appends what was added, changed and dropped. */
bool attach_refresh(registry *r, const char *name, struct buffer *report, tskdb_error *e);

#endif
