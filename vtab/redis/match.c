/*
** match.c - SQLite's patterns to those of SCAN's MATCH.
**
** Only what a pattern begins with is sent, up to its first wildcard: SQLite
** checks the rest.  It ends at the first byte that is not ASCII as well:
** SQLite reads invalid UTF-8 leniently, so a key with other bytes may be like
** such a pattern.  LIKE folds ASCII letters: "a" is sent as "[aA]".
**
** In MATCH  * ? [ \ ]  mean something and are escaped by a backslash.
*/
#include <string.h>

#include "vtab/redis/redis_driver.h"

static void literal(buffer *out, char c) {
  if (strchr("*?[]\\^-", c) && c) buffer_char(out, '\\');
  buffer_char(out, c);
}

void redis_match_literal(buffer *out, const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) literal(out, bytes[i]);
}

/* How many bytes of the pattern stand for themselves: up to one of SPECIAL. */
static size_t leading(const char *pattern, size_t length, const char *special) {
  size_t n = 0;
  while (n < length && pattern[n] && !(pattern[n] & 0x80) && !strchr(special, pattern[n])) n++;
  return n;
}

size_t redis_match_like(buffer *out, const char *pattern, size_t length) {
  size_t n = leading(pattern, length, "%_");
  for (size_t i = 0; i < n; i++) {
    char c = pattern[i], lower = (char)(c | 0x20);
    if (lower >= 'a' && lower <= 'z') buffer_printf(out, "[%c%c]", lower, lower & ~0x20);
    else literal(out, c);
  }
  return n;
}

size_t redis_match_glob(buffer *out, const char *pattern, size_t length) {
  size_t n = leading(pattern, length, "*?[");
  redis_match_literal(out, pattern, n);
  return n;
}
