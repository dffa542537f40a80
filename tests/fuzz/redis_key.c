/*
** redis_key.c - keys and the texts that stand for many: templates, patterns,
** ids of streams, scores.
**
** The bytes up to the first line's end are a template or a pattern, the rest a
** key.
**
** Invariants: a form and its part give the key back; a key that is LIKE or GLOB
** a pattern matches what SCAN is asked for; a score's text reads back.
*/
#include "vtab/redis/redis_driver.h"

#include "tests/fuzz/fuzz.h"
#include "vtab/sqlite.h"

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  return sqlite3_initialize();
}

static void check_template(const char *text, const char *key, size_t length) {
  arena a = {0};
  redis_template t;
  tskdb_error e = {0};
  const char *part;
  size_t n;
  if (redis_template_parse(text, &a, &t, &e)) {
    MUST(strcmp(redis_template_text(&t, &a), text) == 0);
    MUST(redis_template_table(&t, &a) != NULL);
    if (redis_template_match(&t, key, length, &part, &n)) {
      MUST(n > 0 && t.prefix_length + n + t.suffix_length == length);
      MUST(memcmp(key, t.prefix, t.prefix_length) == 0 && part == key + t.prefix_length);
      MUST(memcmp(part + n, t.suffix, t.suffix_length) == 0);
    }
  }
  MUST(redis_template_parse(text, &a, &t, &e) != error_is_set(&e) || a.failed);
  arena_free(&a);
}

/* Whether KEY begins as PATTERN says, of Redis' patterns those that match.c
** writes: \c, [xy] and c. */
static bool begins(const buffer *pattern, const char *key, size_t length) {
  const char *p = buffer_cstr(pattern), *end = p + pattern->length;
  for (size_t i = 0; p < end; i++) {
    if (i == length) return false;
    if (*p == '[') {
      MUST(end - p >= 4 && p[3] == ']');
      if (key[i] != p[1] && key[i] != p[2]) return false;
      p += 4;
      continue;
    }
    if (*p == '\\') p++;
    MUST(p < end);
    if (*p++ != key[i]) return false;
  }
  return true;
}

static void check_patterns(const char *text, const char *key, size_t length) {
  buffer like = {0}, glob = {0}, literal = {0};
  redis_match_like(&like, text, strlen(text));
  redis_match_glob(&glob, text, strlen(text));
  redis_match_literal(&literal, key, length);
  if (sqlite3_strlike(text, key, 0) == 0) MUST(begins(&like, key, length));
  if (sqlite3_strglob(text, key) == 0) MUST(begins(&glob, key, length));
  MUST(begins(&literal, key, length));
  buffer_free(&like);
  buffer_free(&glob);
  buffer_free(&literal);
}

static void check_numbers(const char *text, size_t length) {
  uint64_t milliseconds, sequence;
  double score, back;
  char out[32];
  redis_parse_id(text, length, &milliseconds, &sequence);
  if (redis_parse_score(text, length, &score)) {
    MUST(redis_parse_score(out, redis_print_score(score, out), &back) && back == score);
  }
  value v = redis_decode(DECODE_NUMBER, text, length);
  must_be_value(&v);
  if (v.storage != STORAGE_REAL) return;
  /* Told apart from every other text: SQLite writes it so. */
  sqlite3_str *s = sqlite3_str_new(NULL);
  sqlite3_str_appendf(s, "%!.15g", v.real);
  char *written = sqlite3_str_finish(s);
  MUST(strlen(written) == length && memcmp(written, text, length) == 0);
  sqlite3_free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  char *text = fuzz_text(bytes, length);
  char *end = memchr(text, '\n', length), *key = end ? end + 1 : text + length;
  size_t key_length = length - (size_t)(key - text);
  if (end) *end = 0;
  check_template(text, key, key_length);
  check_numbers(key, key_length);
  /* SQLite's functions take terminated text. */
  if (!memchr(key, 0, key_length)) check_patterns(text, key, key_length);
  free(text);
  return 0;
}
