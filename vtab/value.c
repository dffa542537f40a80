/*
** value.c - values and types: names, affinities, UTF-8.
*/
#include "vtab/value.h"

#include <string.h>

static const struct {
  const char *name;
  affinity affinity;
} classes[CLASS_COUNT] = {
#define X(symbol, class_name, class_affinity) [symbol] = {class_name, class_affinity},
  TYPE_CLASSES(X)
#undef X
};

const char *value_class_name(type_class klass) {
  return (unsigned)klass < CLASS_COUNT ? classes[klass].name : "unknown";
}

affinity value_class_affinity(type_class klass) {
  return (unsigned)klass < CLASS_COUNT ? classes[klass].affinity : AFFINITY_BLOB;
}

const char *value_storage_name(storage s) {
  static const char *const names[] = {"null", "integer", "real", "text", "blob", "list"};
  return (unsigned)s < sizeof names / sizeof *names ? names[s] : "unknown";
}

size_t value_utf8_character(const char *bytes, size_t length) {
  const unsigned char *p = (const unsigned char *)bytes;
  if (length == 0) return 0;
  if (p[0] < 0x80) return 1;
  if (length < 2 || p[0] < 0xC2 || p[0] > 0xF4) return 0;
  if (p[0] < 0xE0) return p[1] >> 6 == 2 ? 2 : 0;
  /* The second byte's range keeps out overlong forms, surrogates and what lies beyond U+10FFFF. */
  unsigned char low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
  unsigned char high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
  size_t n = p[0] < 0xF0 ? 3 : 4;
  if (length < n || p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < n; i++)
    if (p[i] >> 6 != 2) return 0;
  return n;
}

bool value_is_utf8(const char *bytes, size_t length) {
  size_t i = 0;
  while (i < length) {
    uint64_t word;
    /* Most text is ASCII: eight bytes at a time. */
    if (length - i >= sizeof word) {
      memcpy(&word, bytes + i, sizeof word);
      if ((word & UINT64_C(0x8080808080808080)) == 0) {
        i += sizeof word;
        continue;
      }
    }
    size_t n = value_utf8_character(bytes + i, length - i);
    if (n == 0) return false;
    i += n;
  }
  return true;
}
