/*
** seen.c - the keys that SCAN has returned, so that none comes twice.
**
** SCAN returns a key more than once when the server's table shrinks while it
** is scanned; only remembering every key finds all of those.  A key is kept
** as a fingerprint of 128 bits (two different keys of a billion share one with
** a chance below 1e-20), in pages that a part of the fingerprint chooses.
** When a page is full, there are twice as many pages.  Beyond MEMORY_PAGES
** they live in a file without a name, so memory is bounded whatever a server
** sends.
*/
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vtab/memory.h"
#include "vtab/redis/redis_driver.h"

enum {
  PAGE_ENTRIES = 63,
  FIRST_PAGES = 16,
  MEMORY_PAGES = 16384         /* 16 MiB, half a million keys and more */
};

typedef struct fingerprint {
  uint64_t high, low;
} fingerprint;

typedef struct page {
  uint64_t n;
  fingerprint entries[PAGE_ENTRIES];
} page;

struct redis_seen {
  uint64_t n_pages;            /* a power of two; a fingerprint's is its low bits */
  page *pages;                 /* NULL: in the file */
  int file;                    /* -1: none */
  uint64_t seed;
};

redis_seen *redis_seen_new(void) {
  redis_seen *s = mem_zalloc(sizeof(*s));
  if (!s) return NULL;
  s->file = -1;
  s->n_pages = FIRST_PAGES;
  s->seed = (uint64_t)wait_now_us() ^ (uint64_t)(uintptr_t)s;
  s->pages = mem_zalloc(FIRST_PAGES * sizeof(page));
  if (s->pages) return s;
  mem_free(s);
  return NULL;
}

void redis_seen_free(redis_seen *s) {
  if (!s) return;
  if (s->file >= 0) close(s->file);
  mem_free(s->pages);
  mem_free(s);
}

/* ---- fingerprints -------------------------------------------------------- */

static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
  x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
  return x ^ (x >> 33);
}

static uint64_t rotate(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

/* Two lanes over words of eight bytes, the last one padded; the length counts. */
static fingerprint fingerprint_of(uint64_t seed, const char *bytes, size_t length) {
  uint64_t a = mix(seed ^ length), b = mix(~seed + length);
  for (size_t i = 0; i < length; i += 8) {
    uint64_t word = 0;
    memcpy(&word, bytes + i, length - i < 8 ? length - i : 8);
    a = rotate(a ^ mix(word ^ UINT64_C(0x9e3779b97f4a7c15)), 29) * UINT64_C(0x87c37b91114253d5);
    b = rotate(b + mix(word + UINT64_C(0xd6e8feb86659fd93)), 37) * UINT64_C(0x4cf5ad432745937f) + a;
  }
  return (fingerprint){.high = mix(a + rotate(b, 32)), .low = mix(b ^ a)};
}

/* ---- pages --------------------------------------------------------------- */

static bool file_error(const char *what, tskdb_error *e) {
  return error_set(e, ERROR_LIMIT, "cannot %s a temporary file for the keys of a scan: %s", what,
                   strerror(errno));
}

static bool load(const redis_seen *s, uint64_t i, page *out, tskdb_error *e) {
  if (s->pages) *out = s->pages[i];
  else if (pread(s->file, out, sizeof(*out), (off_t)(i * sizeof(*out))) != (ssize_t)sizeof(*out))
    return file_error("read", e);
  return true;
}

static bool store(redis_seen *s, uint64_t i, const page *p, tskdb_error *e) {
  if (s->pages) s->pages[i] = *p;
  else if (pwrite(s->file, p, sizeof(*p), (off_t)(i * sizeof(*p))) != (ssize_t)sizeof(*p))
    return file_error("write", e);
  return true;
}

static bool move_to_file(redis_seen *s, tskdb_error *e) {
  const char *folder = getenv("SQLITE_TMPDIR");
  char name[4096];
  if (!folder) folder = getenv("TMPDIR");
  snprintf(name, sizeof(name), "%s/tskdb-XXXXXX", folder && *folder ? folder : "/tmp");
  int file = mkostemp(name, O_CLOEXEC);
  if (file < 0) return file_error("make", e);
  unlink(name);
  page *kept = s->pages;
  s->file = file;
  s->pages = NULL;
  bool ok = true;
  for (uint64_t i = 0; ok && i < s->n_pages; i++) ok = store(s, i, &kept[i], e);
  mem_free(kept);
  return ok;
}

/* Each page's entries go to it and to the one as far behind it as there are pages. */
static bool split(redis_seen *s, tskdb_error *e) {
  uint64_t n = s->n_pages;
  if (s->pages && n >= MEMORY_PAGES && !move_to_file(s, e)) return false;
  if (s->pages) {
    page *grown = mem_realloc(s->pages, 2 * n * sizeof(page));
    if (!grown) return error_memory(e);
    s->pages = grown;
  }
  for (uint64_t i = 0; i < n; i++) {
    page whole, half[2] = {{0}, {0}};
    if (!load(s, i, &whole, e)) return false;
    for (uint64_t k = 0; k < whole.n; k++) {
      page *p = &half[(whole.entries[k].low & n) != 0];
      p->entries[p->n++] = whole.entries[k];
    }
    if (!store(s, i, &half[0], e) || !store(s, i + n, &half[1], e)) return false;
  }
  s->n_pages = 2 * n;
  return true;
}

int redis_seen_add(redis_seen *s, const char *bytes, size_t length, tskdb_error *e) {
  fingerprint f = fingerprint_of(s->seed, bytes, length);
  for (;;) {
    uint64_t i = f.low & (s->n_pages - 1);
    page local, *p = s->pages ? &s->pages[i] : &local;
    if (!s->pages && !load(s, i, &local, e)) return -1;
    for (uint64_t k = 0; k < p->n; k++) {
      if (p->entries[k].high == f.high && p->entries[k].low == f.low) return 0;
    }
    if (p->n < PAGE_ENTRIES) {
      p->entries[p->n++] = f;
      return s->pages || store(s, i, p, e) ? 1 : -1;
    }
    if (!split(s, e)) return -1;
  }
}
