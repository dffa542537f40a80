/*
** bound.c - the values that are bound to a statement.
**
** Both texts are read at once, token by token.  They are the same but where the
** one has a parameter and the other a literal.  Where they differ otherwise (a long
** value that this build of SQLite cuts off), nothing is known.
**
** Tokens: https://www.sqlite.org/lang_expr.html#varparam and SQLite's tokenize.c.
*/
#include "vtab/bound.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct reading {
  sqlite3_stmt *stmt;
  const char *sql, *expanded;  /* what is left of them */
  arena *arena;
  bound *out;
  int newest;                  /* the largest number of a parameter so far */
} reading;

/* A letter, a digit, or a byte that SQLite takes for one. */
static bool is_word(char c) {
  unsigned char u = (unsigned char)c;
  return isalnum(u) || c == '_' || c == '$' || u >= 0x80;
}

static size_t quoted_length(const char *at, char end) {
  size_t n = 1;
  for (; at[n]; n++) {
    if (at[n] != end) continue;
    if (end != ']' && at[n + 1] == end) n++;
    else return n + 1;
  }
  return n;
}

static size_t variable_length(const char *at) {
  size_t n = 1;
  if (*at == '?') return n + strspn(at + 1, "0123456789");
  for (; at[n]; n++) {
    if (at[n] == ':' && at[n + 1] == ':') n++;
    else if (at[n] == '(' && n > 1) n += strcspn(at + n, ")");
    else if (!is_word(at[n])) break;
    if (!at[n]) break;
  }
  return n;
}

/* How long the token at AT is; *VARIABLE: it is a parameter. */
static size_t token_length(const char *at, bool *variable) {
  const char *end;
  *variable = false;
  switch (*at) {
    case '\'': case '"': case '`': return quoted_length(at, *at);
    case '[': return quoted_length(at, ']');
    case '-':
      return at[1] == '-' ? strcspn(at, "\n") : 1;
    case '/':
      if (at[1] != '*') return 1;
      end = strstr(at + 2, "*/");
      return end ? (size_t)(end + 2 - at) : strlen(at);
    case '?': case ':': case '@': case '$': case '#':
      *variable = *at == '?' || is_word(at[1]) || at[1] == ':';
      return *variable ? variable_length(at) : 1;
    default: break;
  }
  size_t n = 0;
  while (is_word(at[n])) n++;
  return n ? n : 1;
}

/* The number of the parameter whose token is the N bytes at AT; 0: not known. */
static int variable_number(reading *r, const char *at, size_t n) {
  int number;
  if (n == 1) {
    number = r->newest + 1;
  } else if (*at == '?') {
    number = atoi(at + 1);
  } else {
    const char *name = arena_strndup(r->arena, at, n);
    number = name ? sqlite3_bind_parameter_index(r->stmt, name) : 0;
  }
  if (number > r->newest) r->newest = number;
  return number > 0 && number <= r->out->n ? number : 0;
}

/* '…' with its quotes doubled. */
static value read_text(reading *r, size_t length) {
  char *out = arena_alloc(r->arena, length);
  size_t n = 0;
  for (size_t i = 1; out && i + 1 < length; i++) {
    out[n++] = r->expanded[i];
    if (r->expanded[i] == '\'') i++;
  }
  return (value){.storage = STORAGE_TEXT, .bytes = out, .length = n};
}

/* The length of a number as SQLite prints it: 5, -1.5, 1.0e+20, Inf; 0: none stands at AT. */
static size_t number_length(const char *at, bool *integer) {
  size_t n = *at == '-', digits = strspn(at + n, "0123456789");
  *integer = digits > 0;
  if (!digits) return strncmp(at + n, "Inf", 3) == 0 ? n + 3 : 0;
  n += digits;
  if (at[n] == '.') {
    *integer = false;
    n++;
    n += strspn(at + n, "0123456789");
  }
  if (at[n] == 'e') {
    *integer = false;
    n += at[n + 1] == '-' || at[n + 1] == '+' ? 2 : 1;
    n += strspn(at + n, "0123456789");
  }
  return n;
}

/* Reads the literal in the expanded text, and steps over it: vdbetrace.c prints these. */
static bool read_literal(reading *r, value *out, bool *known) {
  static const char null[] = "NULL", zeros[] = "zeroblob(";
  const char *at = r->expanded;
  bool integer;
  size_t n = number_length(at, &integer);
  *known = true;
  if (*at == '\'') {
    n = quoted_length(at, '\'');
    *out = read_text(r, n);
    *known = out->bytes != NULL;
  } else if (strncmp(at, null, sizeof(null) - 1) == 0) {
    n = sizeof(null) - 1;
    *out = (value){.storage = STORAGE_NULL};
  } else if (n && integer) {
    *out = (value){.storage = STORAGE_INTEGER, .integer = strtoll(at, NULL, 10)};
  } else {
    /* A number is printed with 15 digits; nobody here asks for a blob. */
    *known = false;
    if (*at == 'x' && at[1] == '\'') n = 1 + quoted_length(at + 1, '\'');
    if (strncmp(at, zeros, sizeof(zeros) - 1) == 0) n = strcspn(at, ")") + 1;
  }
  r->expanded += n;
  return n > 0;
}

/* One token of the statement's text. False: the texts have come apart. */
static bool read_token(reading *r) {
  bool variable;
  size_t n = token_length(r->sql, &variable);
  if (!variable) {
    if (strncmp(r->sql, r->expanded, n) != 0) return false;
    r->expanded += n;
  } else {
    value v;
    bool known;
    int number = variable_number(r, r->sql, n);
    if (!read_literal(r, &v, &known)) return false;
    if (number && known) {
      r->out->values[number - 1] = v;
      r->out->known[number - 1] = true;
    }
  }
  r->sql += n;
  return true;
}

bool bound_read(sqlite3_stmt *stmt, arena *a, bound *out) {
  *out = (bound){.n = sqlite3_bind_parameter_count(stmt)};
  out->values = arena_alloc(a, ((size_t)out->n + 1) * sizeof(*out->values));
  out->known = arena_alloc(a, (size_t)out->n + 1);
  char *expanded = sqlite3_expanded_sql(stmt);
  reading r = {.stmt = stmt, .sql = sqlite3_sql(stmt), .expanded = expanded, .arena = a, .out = out};
  bool ok = out->values && out->known && r.sql && expanded;
  while (ok && *r.sql) ok = read_token(&r);
  ok = ok && !*r.expanded && !a->failed;
  sqlite3_free(expanded);
  return ok;
}
