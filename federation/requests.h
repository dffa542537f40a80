/*
** requests.h - what a SQLite connection's servers were asked last.
*/
#ifndef FEDERATION_REQUESTS_H
#define FEDERATION_REQUESTS_H

#include "vtab/server.h"

enum { REQUESTS_KEPT = 200 };

/* One request; its strings are owned. */
typedef struct logged_request {
  int64_t id;              /* from 1; 0: this place is empty */
  char *server, *text;
  char *error;             /* NULL: none */
  double started;          /* Unix time, seconds */
  double first_ms, last_ms;
  int64_t rows, bytes, round_trips;
  const char *kind;        /* static; NULL: no scan */
  int64_t keys, hits, misses, spilled;
  double ahead_ms;
} logged_request;

/* A ring; {0} is an empty one. */
typedef struct request_log {
  logged_request items[REQUESTS_KEPT];
  int64_t last_id;
} request_log;

/* Adds one, in place of the oldest.  Long texts are cut; without memory it is left out. */
void requests_add(request_log *l, const char *server, const request_record *r);

/* The request number I of those that are kept, oldest first; NULL: there are no more. */
const logged_request *requests_get(const request_log *l, int i);

void requests_clear(request_log *l);

#endif
