/*
** statistics.h - what SQLite's planner is told of a server, looked at again.
*/
#ifndef FEDERATION_STATISTICS_H
#define FEDERATION_STATISTICS_H

#include "federation/registry.h"

struct buffer;

/* Asks server NAME for its estimates of rows and different values anew, and
** gives them to every table that is attached; the server itself counts nothing.
** Measures the round trip as well.  Appends a line to REPORT. */
bool statistics_analyze(registry *r, const char *name, struct buffer *report, tskdb_error *e);

#endif
