/*
** url.c - connection URLs: parsing, and hiding what is secret.
**
** Guarantees that no message quotes any part of the text behind the scheme:
** in a URL that is not well-formed nobody can know what is the password.
** For the same reason url_redact() hides too much rather than too little: all
** from the first colon to the last "@", wherever that stands.
**
** Grammar: scheme :// [user [: password] @] host [: port] {, host [: port]}
**          [/ path] [? key = value {& key = value}]
** Every part is percent-decoded on its own; "%00" is refused.
*/
#include "vtab/url.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "vtab/buffer.h"
#include "vtab/memory.h"
#include "vtab/value.h"

/* A stretch of the text. */
typedef struct span {
  const char *start, *end;
} span;

typedef struct parser {
  const char *text;              /* the whole, for positions */
  arena *arena;
  tskdb_error *error;
} parser;

static bool fail(const parser *p, const char *what) {
  return error_set(p->error, ERROR_CONFIG, "bad URL: %s", what);
}

static size_t position(const parser *p, const char *at) {
  return (size_t)(at - p->text) + 1;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c) {
  return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of the escape at P ("%41"), -1 if it is none. */
static int escaped_byte(const char *p, const char *end) {
  if (end - p < 3 || hex_digit(p[1]) < 0 || hex_digit(p[2]) < 0) return -1;
  return hex_digit(p[1]) * 16 + hex_digit(p[2]);
}

/* The first of C in S, or its end. */
static const char *find(span s, char c) {
  const char *found = s.end > s.start ? memchr(s.start, c, (size_t)(s.end - s.start)) : NULL;
  return found ? found : s.end;
}

/* Where the scheme of TEXT ends, at its colon; NULL if there is none. */
static const char *scheme_end(const char *text) {
  const char *p = text;
  if (!is_letter(*p)) return NULL;
  while (is_letter(*p) || is_digit(*p) || *p == '+' || *p == '-' || *p == '.') p++;
  return *p == ':' ? p : NULL;
}

const char *url_scheme(const char *text, arena *a) {
  const char *end = scheme_end(text);
  char *scheme = end ? arena_strndup(a, text, (size_t)(end - text)) : NULL;
  for (char *p = scheme; p && *p; p++) *p = lower(*p);
  return scheme;
}

/*
** Parsing
*/

/* Decodes S into OUT. */
static bool decode(const parser *p, span s, const char **out) {
  char *copy = arena_alloc(p->arena, (size_t)(s.end - s.start) + 1), *to = copy;
  if (copy == NULL) return error_memory(p->error);
  for (const char *from = s.start; from < s.end; from++) {
    int byte = (unsigned char)*from;
    if (byte < 0x20 || byte == 0x7F)
      return error_set(p->error, ERROR_CONFIG, "bad URL: control character at position %zu",
                       position(p, from));
    if (byte == '%') {
      byte = escaped_byte(from, s.end);
      if (byte < 0)
        return error_set(p->error, ERROR_CONFIG,
                         "bad URL: \"%%\" at position %zu is not followed by two hexadecimal "
                         "digits (a literal %% is written %%25)",
                         position(p, from));
      if (byte == 0)
        return error_set(p->error, ERROR_CONFIG, "bad URL: %%00 at position %zu",
                         position(p, from));
      from += 2;
    }
    *to++ = (char)byte;
  }
  *out = copy;
  return true;
}

static bool parse_user(const parser *p, span s, url *out) {
  const char *colon = find(s, ':');
  if (colon > s.start && !decode(p, (span){s.start, colon}, &out->user)) return false;
  return colon == s.end || decode(p, (span){colon + 1, s.end}, &out->password);
}

static bool host_error(const parser *p, int number, const char *what) {
  return error_set(p->error, ERROR_CONFIG, "bad URL: %s (host %d; in a user name or password, "
                   "write : as %%3A, / as %%2F, @ as %%40, ? as %%3F)", what, number);
}

/* The port behind a host, S without its colon; empty is the default. */
static bool parse_port(const parser *p, span s, int number, int *port) {
  int n = 0;
  for (const char *c = s.start; c < s.end; c++) {
    if (is_digit(*c) && n <= 65535) n = n * 10 + (*c - '0');
    else n = 65536;
  }
  if (n > 65535 || (s.end > s.start && n == 0))
    return host_error(p, number, "the port is not a number from 1 to 65535");
  *port = n;
  return true;
}

static bool parse_host(const parser *p, span s, int number, url_host *out) {
  const char *colon = find(s, ':'), *bracket = s.start;
  span name = {s.start, colon};
  if (s.start < s.end && *s.start == '[') {
    bracket = find(s, ']');
    if (bracket == s.end) return host_error(p, number, "\"[\" without \"]\"");
    name = (span){s.start + 1, bracket};
    if (name.start == name.end) return host_error(p, number, "empty brackets");
    colon = bracket + 1;
    if (colon < s.end && *colon != ':') return host_error(p, number, "unexpected text after \"]\"");
  } else if (colon < s.end && find((span){colon + 1, s.end}, ':') < s.end) {
    return host_error(p, number, "more than one \":\"; an IPv6 address stands in brackets");
  }
  if (!decode(p, name, &out->host)) return false;
  return colon == s.end || parse_port(p, (span){colon + 1, s.end}, number, &out->port);
}

static bool parse_hosts(const parser *p, span s, url *out) {
  size_t n = 1;
  for (const char *c = find(s, ','); c < s.end; c = find((span){c + 1, s.end}, ',')) n++;
  if (n > 1000) return fail(p, "more than 1000 hosts");
  out->hosts = arena_alloc(p->arena, n * sizeof *out->hosts);
  if (out->hosts == NULL) return error_memory(p->error);
  for (const char *start = s.start; out->n_hosts < (int)n; out->n_hosts++) {
    const char *comma = find((span){start, s.end}, ',');
    url_host *host = &out->hosts[out->n_hosts];
    if (!parse_host(p, (span){start, comma}, out->n_hosts + 1, host)) return false;
    start = comma + 1;
  }
  return true;
}

static bool parse_authority(const parser *p, span s, url *out) {
  const char *at = find(s, '@');
  if (at == s.end) return parse_hosts(p, s, out);
  if (find((span){at + 1, s.end}, '@') < s.end)
    return fail(p, "more than one \"@\" before the path (in a user name or password, write %40)");
  return parse_user(p, (span){s.start, at}, out) && parse_hosts(p, (span){at + 1, s.end}, out);
}

static bool parse_parameters(const parser *p, span s, url *out) {
  size_t n = 1;
  for (const char *c = find(s, '&'); c < s.end; c = find((span){c + 1, s.end}, '&')) n++;
  if (n > 1000) return fail(p, "more than 1000 parameters");
  out->parameters = arena_alloc(p->arena, n * sizeof *out->parameters);
  if (out->parameters == NULL) return error_memory(p->error);
  for (const char *start = s.start; start < s.end;) {
    const char *end = find((span){start, s.end}, '&');
    const char *equals = find((span){start, end}, '=');
    if (end > start) {
      url_parameter *parameter = &out->parameters[out->n_parameters];
      if (equals == start || equals == end)
        return error_set(p->error, ERROR_CONFIG, "bad URL: parameter %d is not key=value",
                         out->n_parameters + 1);
      if (!decode(p, (span){start, equals}, &parameter->key)) return false;
      if (!decode(p, (span){equals + 1, end}, &parameter->value)) return false;
      out->n_parameters++;
    }
    start = end + (end < s.end);
  }
  return true;
}

bool url_parse(const char *text, arena *a, url *out, tskdb_error *e) {
  parser p = {.text = text, .arena = a, .error = e};
  const char *scheme = text ? scheme_end(text) : NULL;
  *out = (url){.path = ""};
  if (scheme == NULL || strncmp(scheme, "://", 3) != 0)
    return fail(&p, "it must look like scheme://user@host:port/database?key=value");
  out->scheme = url_scheme(text, a);
  if (out->scheme == NULL) return error_memory(e);
  span rest = {scheme + 3, scheme + strlen(scheme)};
  const char *query = find(rest, '?');
  const char *slash = find((span){rest.start, query}, '/');
  if (!parse_authority(&p, (span){rest.start, slash}, out)) return false;
  if (slash < query && !decode(&p, (span){slash + 1, query}, &out->path)) return false;
  return query == rest.end || parse_parameters(&p, (span){query + 1, rest.end}, out);
}

const char *url_parameter_value(const url *u, const char *key) {
  for (int i = u->n_parameters; i-- > 0;)
    if (strcmp(u->parameters[i].key, key) == 0) return u->parameters[i].value;
  return NULL;
}

/*
** Hiding secrets.  MASK has a byte for each one of the text; what is marked
** in it is not shown.
*/

/* A parameter is secret if its name contains one of these, or is "pass". */
static const char *const secret_words[] = {"password", "passwd", "passphrase", "passcode",
                                           "pwd",      "secret", "token",      "credential",
                                           "apikey",   "api_key"};

/* The byte that a key's text has at *P, escapes decoded and folded; moves *P on. */
static char key_byte(const char **p, const char *end) {
  int byte = **p == '%' ? escaped_byte(*p, end) : -1;
  *p += byte < 0 ? 1 : 3;
  return lower(byte < 0 ? (*p)[-1] : (char)byte);
}

/* Whether the key S is WORD, or begins with it if PREFIX. */
static bool key_matches(span s, const char *word, bool prefix) {
  while (*word && s.start < s.end)
    if (key_byte(&s.start, s.end) != *word++) return false;
  return *word == 0 && (prefix || s.start == s.end);
}

static bool is_secret_key(span s) {
  if (key_matches(s, "pass", false)) return true;
  while (s.start < s.end) {
    for (size_t i = 0; i < sizeof secret_words / sizeof *secret_words; i++)
      if (key_matches(s, secret_words[i], true)) return true;
    key_byte(&s.start, s.end);
  }
  return false;
}

static void hide(const char *text, char *mask, span s) {
  if (s.end > s.start) memset(mask + (s.start - text), 1, (size_t)(s.end - s.start));
}

/* The password before a host. S is what follows "scheme://". */
static void hide_password(const char *text, char *mask, span s) {
  const char *colon = find(s, ':'), *at = NULL;
  for (const char *p = s.start; p < s.end; p++)
    if (*p == '@') at = p;
  if (at) {
    if (colon < at) hide(text, mask, (span){colon + 1, at});
    return;
  }
  /* No "@" at all: perhaps the host was forgotten.  What can be no port is hidden. */
  while (colon < s.end) {
    const char *p = colon + 1;
    while (p < s.end && is_digit(*p)) p++;
    if (p < s.end && !strchr(",/?", *p)) {
      const char *bracket = find(s, ']');
      if (*s.start == '[' && bracket < s.end && colon < bracket) {
        colon = find((span){bracket + 1, s.end}, ':');
        continue;
      }
      hide(text, mask, (span){colon + 1, s.end});
      return;
    }
    const char *next = p < s.end && *p == ',' ? p + 1 : s.end;
    s.start = next;
    colon = find(s, ':');
  }
}

/* The first C in S that is not hidden; else S.end. */
static const char *find_shown(const char *text, const char *mask, span s, char c) {
  const char *p = find(s, c);
  while (p < s.end && mask[p - text]) p = find((span){p + 1, s.end}, c);
  return p;
}

/* Where a secret value ends that begins at S.start in a URL: at an "&" behind
** which the next "key=" stands.  What the password holds does not matter. */
static const char *url_value_end(const char *text, const char *mask, span s) {
  const char *end = find_shown(text, mask, s, '&');
  while (end < s.end) {
    span next = {end + 1, find_shown(text, mask, (span){end + 1, s.end}, '&')};
    if (find_shown(text, mask, next, '=') < next.end) break;
    end = next.end;
  }
  return end;
}

/* The same in text like "host=a password='b c'". */
static const char *word_value_end(span s) {
  const char *p = s.start;
  while (p < s.end && *p == ' ') p++;
  bool quoted = p < s.end && *p == '\'';
  for (p += quoted; p < s.end; p++) {
    if (*p == '\\' && p + 1 < s.end) p++;
    else if (*p == (quoted ? '\'' : ' ')) return p + quoted;
  }
  return p;
}

static const char *skip_blanks(const char *p, const char *end) {
  while (p < end && *p == ' ') p++;
  return p;
}

/* Every key=value in S whose key is secret. */
static void hide_parameters(const char *text, char *mask, span s, bool is_url) {
  const char *key = s.start, *p = s.start;
  while (p < s.end) {
    const char *next = skip_blanks(p, s.end);
    if (next < s.end && *next == '=') {
      span given = {next + 1, s.end};
      if (is_secret_key((span){key, p})) {
        given.end = is_url ? url_value_end(text, mask, given) : word_value_end(given);
        hide(text, mask, given);
        given.start = given.end;
      }
      key = p = given.start;
    } else if (next > p) {
      key = p = next;
    } else if (strchr("?&;/,", *p++)) {
      key = p;
    }
  }
}

const char *url_redact(const char *text, arena *a) {
  size_t length = strlen(text);
  char *mask = arena_alloc(a, length + 1);
  buffer out = {0};
  if (mask == NULL) return NULL;
  const char *scheme = scheme_end(text);
  bool is_url = scheme && strncmp(scheme, "://", 3) == 0;
  span rest = {is_url ? scheme + 3 : text, text + length};
  hide_password(text, mask, rest);
  hide_parameters(text, mask, rest, is_url);
  for (size_t i = 0; i < length; i++) {
    if (!mask[i]) buffer_char(&out, text[i]);
    else if (i == 0 || !mask[i - 1]) buffer_text(&out, "***");
  }
  const char *redacted = out.failed ? NULL : arena_strdup(a, buffer_cstr(&out));
  buffer_free(&out);
  return redacted;
}

/* ---- values of parameters ------------------------------------------------ */

bool url_read_switch(const char *key, const char *text, bool *out, tskdb_error *e) {
  static const char *const yes[] = {"true", "1", "yes", "on"};
  static const char *const no[] = {"false", "0", "no", "off"};
  for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
    *out = strcasecmp(text, yes[i]) == 0;
    if (*out || strcasecmp(text, no[i]) == 0) return true;
  }
  return error_set(e, ERROR_CONFIG, "URL parameter %s must be true or false", key);
}

bool url_read_seconds(const char *key, const char *text, int *milliseconds, tskdb_error *e) {
  enum { DAY_MS = 24 * 3600 * 1000 };
  double seconds;
  if (!value_parse_real(text, strlen(text), &seconds) || !(seconds > 0) ||
      seconds * 1000 > DAY_MS) {
    return error_set(e, ERROR_CONFIG, "URL parameter %s must be a number of seconds up to a day",
                     key);
  }
  *milliseconds = seconds * 1000 < 1 ? 1 : (int)(seconds * 1000);
  return true;
}

bool url_read_file(const char *key, const char *text, arena *a, const char **out, tskdb_error *e) {
  if (access(text, R_OK) == 0) return url_read_text(text, a, out, e);
  return error_set(e, ERROR_CONFIG, "URL parameter %s: cannot read \"%s\": %s", key, text,
                   strerror(errno));
}

bool url_read_text(const char *text, arena *a, const char **out, tskdb_error *e) {
  *out = arena_strdup(a, text);
  return *out || error_memory(e);
}

void url_wipe(const char *secret) {
  if (secret) mem_wipe((char *)(uintptr_t)secret, strlen(secret));
}
