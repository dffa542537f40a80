/*
** members.c - the nodes that a cluster has named, beyond one connection.
**
** A URL names one node of a cluster or a few.  When those are gone the cluster
** may well be there, so a new connection also tries the nodes that an earlier
** one was told of.  Only addresses are remembered, by the hosts of the URL, of
** the clusters that were last heard of, until the process ends.
*/
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/memory.h"
#include "vtab/redis/redis_driver.h"

enum {
  MOST_CLUSTERS = 32,
  MOST_MEMBERS = 2000          /* of one */
};

typedef struct cluster {
  char *hosts;                 /* of the URL; NULL: not used */
  char *members;               /* a line "port host" for each */
  uint64_t heard;              /* larger is later */
} cluster;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;   /* guards what follows */
static cluster known[MOST_CLUSTERS];
static uint64_t now;

/* A child that is forked meanwhile must find the lock free. */
static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }
static void watch_forks(void) { pthread_atfork(before_fork, after_fork, after_fork); }

static void enter(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  pthread_mutex_lock(&lock);
}

static void leave(void) { pthread_mutex_unlock(&lock); }

/* ---- as text ------------------------------------------------------------- */

static void print_place(buffer *out, const char *host, int port) {
  buffer_printf(out, "%d %s\n", port, host);
}

static void print_hosts(buffer *out, const redis_login *l) {
  for (int i = 0; i < l->n_hosts; i++) {
    const redis_host *h = &l->hosts[i];
    print_place(out, h->socket ? h->socket : h->name, h->port);
  }
}

/* Every node of CLUSTER SLOTS' reply, replicas as well. */
static void print_members(buffer *out, const redis_tree *slots, const char *own_host) {
  int n = 0;
  for (const redis_tree *range = slots->first; range; range = range->next) {
    const redis_tree *node = redis_tree_at(range, 2);
    for (; node && n < MOST_MEMBERS; node = node->next) {
      const redis_tree *host = redis_tree_at(node, 0), *port = redis_tree_at(node, 1);
      if (!host || !port || port->integer <= 0 || port->integer > 65535) continue;
      bool named = host->kind == REDIS_STRING && host->length && !strchr(host->bytes, '\n');
      print_place(out, named ? host->bytes : own_host, (int)port->integer);
      n++;
    }
  }
}

/* ---- remembering --------------------------------------------------------- */

/* The cluster of these hosts, else the place of the one that was heard of longest ago. */
static cluster *find(const char *hosts) {
  cluster *oldest = &known[0];
  for (int i = 0; i < MOST_CLUSTERS; i++) {
    if (known[i].hosts && strcmp(known[i].hosts, hosts) == 0) return &known[i];
    if (known[i].heard < oldest->heard) oldest = &known[i];
  }
  return oldest;
}

void redis_members_note(const redis_login *l, const redis_tree *slots, const char *own_host) {
  buffer hosts = {0}, members = {0};
  print_hosts(&hosts, l);
  print_members(&members, slots, own_host);
  cluster made = {.hosts = hosts.failed ? NULL : mem_strdup(buffer_cstr(&hosts)),
                  .members = members.failed ? NULL : mem_strdup(buffer_cstr(&members))};
  if (made.hosts && made.members) {
    enter();
    cluster *c = find(made.hosts), old = *c;
    made.heard = ++now;
    *c = made;
    leave();
    made = old;
  }
  mem_free(made.hosts);
  mem_free(made.members);
  buffer_free(&hosts);
  buffer_free(&members);
}

/* The lines of TEXT that are no hosts of L's, behind those. */
static redis_host *parse(const redis_login *l, char *text, arena *a, int *n) {
  size_t lines = 0;
  for (const char *p = text; *p; p++) lines += *p == '\n';
  redis_host *out = arena_alloc(a, ((size_t)l->n_hosts + lines) * sizeof(*out));
  if (!out) return NULL;
  memcpy(out, l->hosts, (size_t)l->n_hosts * sizeof(*out));
  *n = l->n_hosts;
  for (char *rest = text, *line; (line = strsep(&rest, "\n")) && *line;) {
    char *host;
    int port = (int)strtol(line, &host, 10);
    bool there = false;
    host++;
    for (int i = 0; i < *n && !there; i++) {
      there = out[i].name && out[i].port == port && strcmp(out[i].name, host) == 0;
    }
    if (!there) out[(*n)++] = (redis_host){.name = host, .port = port};
  }
  return out;
}

const redis_host *redis_members_of(const redis_login *l, arena *a, int *n) {
  buffer hosts = {0};
  char *text = NULL;
  print_hosts(&hosts, l);
  if (!hosts.failed) {
    enter();
    const cluster *c = find(buffer_cstr(&hosts));
    if (c->hosts && strcmp(c->hosts, buffer_cstr(&hosts)) == 0) text = arena_strdup(a, c->members);
    leave();
  }
  buffer_free(&hosts);
  redis_host *all = text ? parse(l, text, a, n) : NULL;
  if (all) return all;
  *n = l->n_hosts;
  return l->hosts;
}
