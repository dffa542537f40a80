/*
** template.c - templates of keys: "user:<id>" is a prefix, a part that becomes
** a column, and perhaps a suffix.
**
** Invariant: a key is of a form in one way at most, and the form and the part
** give the key back, byte for byte.
*/
#include <string.h>

#include "vtab/redis/redis_driver.h"

bool redis_template_parse(const char *text, arena *a, redis_template *out, tskdb_error *e) {
  const char *open = strchr(text, '<'), *close = open ? strchr(open, '>') : NULL;
  if (!close || close == open + 1 || strpbrk(close + 1, "<>")) {
    return error_set(e, ERROR_CONFIG, "option families: \"%s\" is no template; one part of it is a "
                     "name in angle brackets, as in \"user:<id>\"", text);
  }
  out->prefix = arena_strndup(a, text, (size_t)(open - text));
  out->name = arena_strndup(a, open + 1, (size_t)(close - open - 1));
  out->suffix = arena_strdup(a, close + 1);
  out->prefix_length = (size_t)(open - text);
  out->suffix_length = strlen(close + 1);
  if (out->prefix_length + out->suffix_length == 0) {
    return error_set(e, ERROR_CONFIG, "option families: \"%s\" would be every hash", text);
  }
  return !a->failed || error_memory(e);
}

static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c & 0x80);
}

bool redis_template_match(const redis_template *t, const char *key, size_t length,
                          const char **part, size_t *part_length) {
  if (length <= t->prefix_length + t->suffix_length) return false;
  const char *end = key + length - t->suffix_length;
  if (memcmp(key, t->prefix, t->prefix_length) != 0) return false;
  if (memcmp(end, t->suffix, t->suffix_length) != 0) return false;
  *part = key + t->prefix_length;
  *part_length = (size_t)(end - *part);
  char separator = t->prefix_length ? t->prefix[t->prefix_length - 1] : 'a';
  return is_word(separator) || !memchr(*part, separator, *part_length);
}

/* What is left of the key without its part and the separators around that. */
const char *redis_template_table(const redis_template *t, arena *a) {
  size_t before = t->prefix_length, skip = 0;
  while (before > 1 && !is_word(t->prefix[before - 1])) before--;
  if (before == 0) {
    while (skip + 1 < t->suffix_length && !is_word(t->suffix[skip])) skip++;
  }
  return arena_printf(a, "%.*s%s", (int)before, t->prefix, t->suffix + skip);
}

const char *redis_template_text(const redis_template *t, arena *a) {
  return arena_printf(a, "%s<%s>%s", t->prefix, t->name, t->suffix);
}

void redis_template_of(const relation *r, redis_template *out) {
  const char *const *words = r->native.words;
  *out = (redis_template){.prefix = words[0], .name = words[1], .suffix = words[2],
                          .prefix_length = strlen(words[0]), .suffix_length = strlen(words[2])};
}
