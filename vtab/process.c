/*
** process.c - which process this is.
**
** The number is kept on a page that the kernel empties in a child
** (MADV_WIPEONFORK), whichever way the child was made: pthread_atfork() would
** not see clone() or _Fork().  Where there is no such page the kernel is
** asked.
*/
#include "vtab/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

typedef _Atomic pid_t kept_id;

static kept_id *page;            /* NULL: the kernel gives none; 0 in it: not asked yet */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_page(void) {
#ifdef MADV_WIPEONFORK
  size_t size = (size_t)sysconf(_SC_PAGESIZE);
  void *made = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) return;
  if (madvise(made, size, MADV_WIPEONFORK) == 0) page = made;
  else munmap(made, size);
#endif
}

pid_t process_id(void) {
  pthread_once(&once, make_page);
  pid_t id = page ? atomic_load_explicit(page, memory_order_relaxed) : 0;
  if (id) return id;
  id = getpid();
  if (page) atomic_store_explicit(page, id, memory_order_relaxed);
  return id;
}
