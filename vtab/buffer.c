/*
** buffer.c - the one string buffer.
**
** Invariants: text == NULL or length < capacity and text[length] == 0.  A
** failed append leaves the content as it was.
*/
#include "vtab/buffer.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "vtab/memory.h"

enum { BUFFER_MIN = 64 };

void buffer_init(buffer *b) {
  *b = (buffer){0};
}

/* Makes room for LENGTH more bytes and the NUL. */
static bool reserve(buffer *b, size_t length) {
  if (b->failed) return false;
  if (b->text && length < b->capacity - b->length) return true;
  if (length < SIZE_MAX / 4 && b->length < SIZE_MAX / 4) {
    size_t need = b->length + length + 1;
    size_t capacity = b->capacity ? b->capacity * 2 : BUFFER_MIN;
    if (capacity < need) capacity = need;
    char *text = mem_realloc(b->text, capacity);
    if (text) {
      b->text = text;
      b->capacity = capacity;
      return true;
    }
  }
  b->failed = true;
  return false;
}

void buffer_append(buffer *b, const void *bytes, size_t length) {
  if (length == 0 || !reserve(b, length)) return;
  memcpy(b->text + b->length, bytes, length);
  b->length += length;
  b->text[b->length] = 0;
}

void buffer_text(buffer *b, const char *text) {
  if (text) buffer_append(b, text, strlen(text));
}

void buffer_char(buffer *b, char c) {
  buffer_append(b, &c, 1);
}

void buffer_printf(buffer *b, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (length < 0) b->failed = true;
  if (length <= 0 || !reserve(b, (size_t)length)) return;
  va_start(args, format);
  vsnprintf(b->text + b->length, (size_t)length + 1, format, args);
  va_end(args);
  b->length += (size_t)length;
}

void buffer_quoted(buffer *b, const char *text, char quote) {
  buffer_char(b, quote);
  for (const char *next; (next = strchr(text, quote)) != NULL; text = next + 1) {
    buffer_append(b, text, (size_t)(next - text) + 1);
    buffer_char(b, quote);
  }
  buffer_text(b, text);
  buffer_char(b, quote);
}

/* The escape of C inside a JSON string, written to OUT; NULL if C stands for itself. */
static const char *json_escape(unsigned char c, char out[8]) {
  static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
  for (const char *pair = named; *pair; pair += 2) {
    if (c != (unsigned char)*pair) continue;
    snprintf(out, 8, "\\%c", pair[1]);
    return out;
  }
  if (c >= 0x20) return NULL;
  snprintf(out, 8, "\\u%04x", (unsigned)c);
  return out;
}

void buffer_json(buffer *b, const char *text, size_t length) {
  size_t start = 0;
  buffer_char(b, '"');
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    char escape[8];
    buffer_append(b, text + start, i - start);
    buffer_text(b, json_escape(c, escape));
    start = i + 1;
  }
  buffer_append(b, text + start, length - start);
  buffer_char(b, '"');
}

void buffer_clear(buffer *b) {
  b->length = 0;
  b->failed = false;
  if (b->text) b->text[0] = 0;
}

void buffer_free(buffer *b) {
  mem_free(b->text);
  *b = (buffer){0};
}

const char *buffer_cstr(const buffer *b) {
  return b->text ? b->text : "";
}
