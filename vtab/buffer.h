/*
** buffer.h - the one string buffer: text or bytes that grow at the end.
**
** Sticky: after a failed allocation `failed` is set, what was appended so
** far stays, and every later append does nothing.  Check it once at the end.
** The content is always NUL-terminated when text is not NULL.
** Not thread-safe; a buffer belongs to its owner.
*/
#ifndef VTAB_BUFFER_H
#define VTAB_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct buffer {
  char *text;              /* mem_alloc'd, NULL while empty */
  size_t length;           /* without the NUL */
  size_t capacity;
  bool failed;             /* out of memory: the content is not complete */
} buffer;

void buffer_init(buffer *b);                   /* {0} is initialised as well */
void buffer_append(buffer *b, const void *bytes, size_t length);
void buffer_text(buffer *b, const char *text);
void buffer_char(buffer *b, char c);
void buffer_printf(buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends TEXT between QUOTE characters, each QUOTE inside doubled: the
** quoting of identifiers and of SQL strings in every dialect we print. */
void buffer_quoted(buffer *b, const char *text, char quote);
/* Appends TEXT as a JSON string with its quotes; control characters escaped. */
void buffer_json(buffer *b, const char *text, size_t length);
void buffer_clear(buffer *b);                  /* length 0; keeps the memory; clears failed */
void buffer_free(buffer *b);
const char *buffer_cstr(const buffer *b);      /* never NULL; borrowed until the next append */

#endif
