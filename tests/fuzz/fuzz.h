/*
** fuzz.h - what a target of tests/fuzz is: one function that is given bytes.
**
** libFuzzer looks for bytes that make it fail (tests/fuzz/run.sh); everywhere
** else replay.c gives it those of its corpus.  A target states its invariants
** with MUST() and depends on nothing but its bytes: no server, no file, no
** setting of the user's.
*/
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/value.h"

/* libFuzzer's names. Both return 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define MUST(condition) \
  ((condition) ? (void)0 \
               : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), abort()))

/* What every decoder owes: TEXT is UTF-8, a REAL is no NaN. */
static inline void must_be_value(const value *v) {
  if (v->storage == STORAGE_TEXT) MUST(value_is_utf8(v->bytes, v->length));
  if (v->storage == STORAGE_REAL) MUST(v->real == v->real);
  MUST(v->storage != STORAGE_LIST);
}

/* Bytes up to their first NUL as text: new, free() it. */
static inline char *fuzz_text(const uint8_t *bytes, size_t length) {
  char *text = malloc(length + 1);
  if (!text) exit(1);
  if (length) memcpy(text, bytes, length);
  text[length] = 0;
  return text;
}

#endif
