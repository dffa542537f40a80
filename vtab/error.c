/*
** error.c - the one error object.
**
** Guarantees that a message is valid UTF-8, fits and holds no control
** characters but line feed and tab, whatever bytes a server sent: hosts show
** it on terminals and decode it strictly.
** Invariants: no allocation; e->klass decides whether the rest is valid.
*/
#include "vtab/error.h"

#include <stdio.h>
#include <string.h>

#include "vtab/sqlite.h"
#include "vtab/value.h"

static const struct {
  const char *name;
  int sqlite_code;
  bool retryable;
} classes[] = {
#define X(symbol, class_name, code, retry) [symbol] = {class_name, code, retry},
  ERROR_CLASSES(X)
#undef X
};

enum { N_CLASSES = sizeof classes / sizeof *classes };

/* Makes TEXT presentable in place. A character that was cut at the end goes
** when CUT; any other byte that is not UTF-8 becomes a question mark. */
static void clean(char *text, bool cut) {
  size_t length = strlen(text), i = 0;
  while (i < length) {
    unsigned char c = (unsigned char)text[i];
    size_t n = value_utf8_character(text + i, length - i);
    if (n == 0 && cut && length - i < 4 && c >= 0xC2) {
      text[i] = 0;
      return;
    }
    if (n == 0) text[i] = '?';
    if (n == 1 && ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F)) text[i] = ' ';
    /* U+0080..U+009F: control characters as well */
    if (n == 2 && c == 0xC2 && (unsigned char)text[i + 1] < 0xA0) text[i] = text[i + 1] = '?';
    i += n ? n : 1;
  }
}

/* Blanks and line feeds at the end: client libraries leave them there. */
static void trim(char *text) {
  size_t length = strlen(text);
  while (length && strchr(" \n\t", text[length - 1])) text[--length] = 0;
}

/* Copies TEXT into OUT, cut at a character's boundary. */
static void copy_cut(char *out, size_t size, const char *text) {
  int length = snprintf(out, size, "%s", text);
  clean(out, length < 0 || (size_t)length >= size);
}

void error_clear(tskdb_error *e) {
  if (e == NULL) return;
  e->klass = ERROR_NONE;
  e->native = 0;
  e->sqlstate[0] = e->server[0] = e->text[0] = 0;
  e->retryable = e->outcome_unknown = false;
}

bool error_is_set(const tskdb_error *e) {
  return e != NULL && e->klass != ERROR_NONE;
}

bool error_set(tskdb_error *e, error_class klass, const char *format, ...) {
  va_list args;
  if (e == NULL || error_is_set(e)) return false;
  error_clear(e);
  e->klass = (unsigned)klass < N_CLASSES && klass != ERROR_NONE ? klass : ERROR_INTERNAL;
  e->retryable = classes[e->klass].retryable;
  va_start(args, format);
  int length = vsnprintf(e->text, sizeof e->text, format, args);
  va_end(args);
  if (length < 0) e->text[0] = 0;
  clean(e->text, length >= (int)sizeof e->text);
  trim(e->text);
  return false;
}

bool error_memory(tskdb_error *e) {
  return error_set(e, ERROR_MEMORY, "out of memory");
}

void error_native(tskdb_error *e, int native, const char *sqlstate) {
  static const char allowed[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  if (!error_is_set(e)) return;
  e->native = native;
  if (sqlstate && strlen(sqlstate) == 5 && strspn(sqlstate, allowed) == 5)
    memcpy(e->sqlstate, sqlstate, 6);
}

void error_server(tskdb_error *e, const char *server) {
  if (!error_is_set(e) || e->server[0] || server == NULL) return;
  copy_cut(e->server, sizeof e->server, server);
}

void error_prefix(tskdb_error *e, const char *format, ...) {
  char text[sizeof e->text];
  va_list args;
  if (!error_is_set(e)) return;
  va_start(args, format);
  int length = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (length < 0) return;
  if (length < (int)sizeof text)
    length += snprintf(text + length, sizeof text - (size_t)length, ": %s", e->text);
  clean(text, length >= (int)sizeof text);
  memcpy(e->text, text, strlen(text) + 1);
}

/* What stands behind the message: what is known of a lost write, and the server's own code. */
static void format_tail(const tskdb_error *e, char *out, size_t size) {
  const char *unknown = "";
  if (e->outcome_unknown) unknown = " (it is not known whether the write took effect)";
  if (e->sqlstate[0] && e->native)
    snprintf(out, size, "%s [%d %s]", unknown, e->native, e->sqlstate);
  else if (e->sqlstate[0])
    snprintf(out, size, "%s [%s]", unknown, e->sqlstate);
  else if (e->native)
    snprintf(out, size, "%s [%d]", unknown, e->native);
  else
    snprintf(out, size, "%s", unknown);
}

const char *error_format(const tskdb_error *e, char *out, size_t size) {
  char tail[96];
  if (size == 0) return out;
  out[0] = 0;
  if (!error_is_set(e)) return out;
  format_tail(e, tail, sizeof tail);
  size_t tail_length = strlen(tail);
  size_t room = size > tail_length ? size - tail_length : size;
  int length = snprintf(out, room, "%s%s%s", e->server, e->server[0] ? ": " : "", e->text);
  clean(out, length < 0 || (size_t)length >= room);
  if (room < size) memcpy(out + strlen(out), tail, tail_length + 1);
  return out;
}

int error_sqlite_code(const tskdb_error *e) {
  if (!error_is_set(e)) return SQLITE_OK;
  return classes[(unsigned)e->klass < N_CLASSES ? e->klass : ERROR_INTERNAL].sqlite_code;
}

const char *error_class_name(error_class klass) {
  return (unsigned)klass < N_CLASSES ? classes[klass].name : "unknown";
}
