/*
** memory.h - the one allocator of tskdb.
**
** All memory of the project comes from here, except what SQLite frees itself
** (idxStr, zErrMsg, sqlite3_vtab objects: sqlite3_malloc64).  It is the C
** library's heap and not SQLite's, because worker threads allocate too and
** a host may have configured SQLite without mutexes
** (SQLITE_CONFIG_SINGLETHREAD, which cannot be asked for at run time).
**
** Every function may return NULL and never aborts.  mem_free(NULL) is a no-op.
** Any thread.
*/
#ifndef VTAB_MEMORY_H
#define VTAB_MEMORY_H

#include <stddef.h>

void *mem_alloc(size_t size);                 /* uninitialised */
void *mem_zalloc(size_t size);                /* zeroed */
void *mem_realloc(void *block, size_t size);  /* on NULL the old block stays valid */
void mem_free(void *block);
char *mem_strdup(const char *text);           /* NULL gives NULL */
char *mem_strndup(const char *text, size_t length);

/* Overwrites SIZE bytes in a way that the compiler does not remove: for
** secrets, before they are freed. */
void mem_wipe(void *block, size_t size);

#ifdef TSKDB_FAULT_INJECTION
/* Fails the Nth allocation from now (1 is the next) and, if PERSISTENT,
** all after it.  0 switches it off.  Returns how many allocations were seen
** since the last call.  Tests only. */
long mem_fail_after(long nth, int persistent);
#endif

#endif
