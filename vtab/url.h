/*
** url.h - connection URLs: scheme://user:password@host:port,host:port/path?key=value
**
** The form of RFC 3986 as libpq reads it: several hosts, IPv6 in brackets, a
** percent-escaped socket folder as host, parameters.  Postgres leaves parsing
** to libpq itself; the other drivers read this.  The one place that knows
** which parts are secret.
*/
#ifndef VTAB_URL_H
#define VTAB_URL_H

#include "vtab/arena.h"
#include "vtab/error.h"

typedef struct url_host {
  const char *host;          /* decoded; "/…" is a socket folder or file; "" is the default */
  int port;                  /* 0: the default */
} url_host;

typedef struct url_parameter {
  const char *key, *value;   /* decoded */
} url_parameter;

typedef struct url {
  const char *scheme;        /* lower case, without "://" */
  const char *user;          /* NULL: not given */
  const char *password;      /* NULL: not given; "" is an empty one */
  url_host *hosts;
  int n_hosts;               /* at least 1 */
  const char *path;          /* decoded, without the leading slash; "" if none */
  url_parameter *parameters;
  int n_parameters;
} url;

/* Parses TEXT into OUT, all memory in A. False with ERROR_CONFIG that says
** what is wrong and where, never quoting a secret. */
bool url_parse(const char *text, arena *a, url *out, tskdb_error *e);

/* The value of a parameter, the last one if it stands twice; NULL if absent. */
const char *url_parameter_value(const url *u, const char *key);

/* What a parameter may be. KEY is for the message of a value that is refused: false
** with ERROR_CONFIG. */
bool url_read_switch(const char *key, const char *text, bool *out, tskdb_error *e);
/* Seconds, perhaps with a fraction, more than none and up to a day. */
bool url_read_seconds(const char *key, const char *text, int *milliseconds, tskdb_error *e);
/* A file that can be read now: whoever reads it later names none in its message. In A. */
bool url_read_file(const char *key, const char *text, arena *a, const char **out, tskdb_error *e);
/* Any text, in A. */
bool url_read_text(const char *text, arena *a, const char **out, tskdb_error *e);

/* Overwrites a decoded secret where it stands; NULL is a no-op. */
void url_wipe(const char *secret);

/* TEXT with the password and every parameter whose name speaks of a secret
** replaced by "***"; also for text that url_parse() refuses. In A; NULL
** without memory. */
const char *url_redact(const char *text, arena *a);

/* Only the scheme of TEXT, lower case, in A; NULL if there is none. */
const char *url_scheme(const char *text, arena *a);

#endif
