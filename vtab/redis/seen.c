/*
** seen.c - the keys that SCAN has returned, so that none comes twice.
**
** SCAN returns a key more than once when the server's table shrinks while it
** is scanned; only remembering every key finds all of those.  A key is kept
** as a fingerprint of 128 bits (two different keys of a billion share one with
** a chance below 1e-20), in pages that a part of the fingerprint chooses, where one
** byte of each stands apart: one line of the cache says which to look at.
** When a page is full, there are twice as many pages.  Beyond MEMORY_PAGES
** they live in a file without a name, which is mapped: the system may write
** them out, so memory is bounded whatever a server sends.
*/
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vtab/memory.h"
#include "vtab/redis/redis_driver.h"

enum {
  PAGE_ENTRIES = 60,
  FIRST_PAGES = 16,
  MEMORY_PAGES = 16384         /* 16 MiB, half a million keys and more */
};

typedef struct fingerprint {
  uint64_t high, low;
} fingerprint;

typedef struct page {
  uint32_t n;
  uint8_t tags[PAGE_ENTRIES];  /* the last byte of each entry's `high` */
  fingerprint entries[PAGE_ENTRIES];
} page;

struct redis_seen {
  uint64_t n_pages;            /* a power of two; a fingerprint's is its low bits */
  page *pages;
  bool mapped;                 /* they are in the file */
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
  if (s->mapped) munmap(s->pages, s->n_pages * sizeof(page));
  else mem_free(s->pages);
  if (s->file >= 0) close(s->file);
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

/* ---- pages ------------------------------------------------------------------ */

static bool page_has(const page *p, fingerprint f) {
  const uint8_t *at = p->tags, *end = at + p->n;
  while ((at = memchr(at, (uint8_t)f.high, (size_t)(end - at)))) {
    const fingerprint *x = &p->entries[at++ - p->tags];
    if (x->high == f.high && x->low == f.low) return true;
  }
  return false;
}

static void page_put(page *p, fingerprint f) {
  p->tags[p->n] = (uint8_t)f.high;
  p->entries[p->n++] = f;
}

static bool file_error(const char *what, tskdb_error *e) {
  return error_set(e, ERROR_LIMIT, "cannot %s a temporary file for the keys of a scan: %s", what,
                   strerror(errno));
}

static bool make_file(redis_seen *s, tskdb_error *e) {
  const char *folder = getenv("SQLITE_TMPDIR");
  char name[4096];
  if (!folder) folder = getenv("TMPDIR");
  snprintf(name, sizeof(name), "%s/tskdb-XXXXXX", folder && *folder ? folder : "/tmp");
  s->file = mkostemp(name, O_CLOEXEC);
  if (s->file < 0) return file_error("make", e);
  unlink(name);
  return true;
}

/* Room for N pages in the file.  Its blocks are there before they are written to,
** so a full disk is an error and not a signal. */
static page *map_file(redis_seen *s, uint64_t n, tskdb_error *e) {
  size_t size = n * sizeof(page), before = s->n_pages * sizeof(page);
  if (s->file < 0 && !make_file(s, e)) return NULL;
  errno = posix_fallocate(s->file, 0, (off_t)size);
  if (errno) {
    file_error("extend", e);
    return NULL;
  }
  void *mapped = s->mapped ? mremap(s->pages, before, size, MREMAP_MAYMOVE)
                           : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->file, 0);
  if (mapped != MAP_FAILED) return mapped;
  file_error("map", e);
  return NULL;
}

/* Room for N pages, twice what there is; the first half is as it was. */
static bool make_room(redis_seen *s, uint64_t n, tskdb_error *e) {
  page *grown;
  if (s->mapped || n > MEMORY_PAGES) {
    grown = map_file(s, n, e);
    if (!grown) return false;
    if (!s->mapped) {
      memcpy(grown, s->pages, s->n_pages * sizeof(page));
      mem_free(s->pages);
      s->mapped = true;
    }
  } else {
    grown = mem_realloc(s->pages, n * sizeof(page));
    if (!grown) return error_memory(e);
  }
  s->pages = grown;
  return true;
}

/* Each page's entries go to it and to the one as far behind it as there are pages. */
static bool split(redis_seen *s, tskdb_error *e) {
  uint64_t n = s->n_pages;
  if (!make_room(s, 2 * n, e)) return false;
  s->n_pages = 2 * n;
  for (uint64_t i = 0; i < n; i++) {
    page whole = s->pages[i];
    s->pages[i].n = s->pages[i + n].n = 0;
    for (uint32_t k = 0; k < whole.n; k++) {
      page_put(&s->pages[i + (whole.entries[k].low & n)], whole.entries[k]);
    }
  }
  return true;
}

int redis_seen_add(redis_seen *s, const char *bytes, size_t length, tskdb_error *e) {
  fingerprint f = fingerprint_of(s->seed, bytes, length);
  for (;;) {
    page *p = &s->pages[f.low & (s->n_pages - 1)];
    if (page_has(p, f)) return 0;
    if (p->n < PAGE_ENTRIES) {
      page_put(p, f);
      return 1;
    }
    if (!split(s, e)) return -1;
  }
}
