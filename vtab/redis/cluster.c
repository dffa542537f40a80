/*
** cluster.c - a Redis Cluster: which node has which slot, and redirections.
**
** A key's slot is a checksum of its hash tag, the part in the first "{…}", or
** of the whole key.  The map is read when a connection opens and again after a
** redirection; between the two, MOVED and ASK tell where a key is.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vtab/memory.h"
#include "vtab/redis/redis_driver.h"

enum { AGAIN_MS = 20 };        /* before a key in the middle of moving is asked for again */

/* CRC-16/XMODEM, bit by bit: keys are short. */
static unsigned checksum(const char *bytes, size_t length) {
  unsigned crc = 0;
  for (size_t i = 0; i < length; i++) {
    crc ^= (unsigned)(unsigned char)bytes[i] << 8;
    for (int bit = 0; bit < 8; bit++)
      crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xFFFF;
  }
  return crc;
}

int redis_slot_of(const char *key, size_t length) {
  const char *open = length ? memchr(key, '{', length) : NULL;
  if (open) {
    size_t rest = length - (size_t)(open - key) - 1;
    const char *close = rest ? memchr(open + 1, '}', rest) : NULL;
    if (close && close > open + 1) {
      key = open + 1;
      length = (size_t)(close - key);
    }
  }
  return (int)(checksum(key, length) % REDIS_SLOTS);
}

int redis_node_of(const redis_connection *c, const char *key, size_t length, tskdb_error *e) {
  if (!c->cluster) return 0;
  int slot = redis_slot_of(key, length), node = c->slots[slot];
  if (node < 0) error_set(e, ERROR_NETWORK, "no node of the cluster has slot %d", slot);
  return node;
}

/* One entry of CLUSTER SLOTS: first slot, last slot, [host, port, …], replicas. */
static bool read_range(redis_connection *c, const redis_tree *t, const char *own_host,
                       tskdb_error *e) {
  const redis_tree *first = redis_tree_at(t, 0), *last = redis_tree_at(t, 1),
                   *at = redis_tree_at(t, 2);
  const redis_tree *host = redis_tree_at(at, 0), *port = redis_tree_at(at, 1);
  bool sane = first && last && port && first->integer >= 0 && last->integer < REDIS_SLOTS &&
              first->integer <= last->integer && port->integer > 0 && port->integer < 65536;
  if (!sane) return error_set(e, ERROR_PROTOCOL, "CLUSTER SLOTS makes no sense");
  /* A node that does not know its own address leaves it empty. */
  const char *name = host->kind == REDIS_STRING && host->length ? host->bytes : own_host;
  int node = redis_node_find(c, name, (int)port->integer);
  if (node < 0) return error_memory(e);
  c->nodes[node]->master = true;
  for (int64_t slot = first->integer; slot <= last->integer; slot++) c->slots[slot] = (int16_t)node;
  return true;
}

static bool read_slots(redis_connection *c, const redis_tree *t, const char *own_host,
                       tskdb_error *e) {
  for (int i = 0; i < REDIS_SLOTS; i++) c->slots[i] = -1;
  for (int i = 0; i < c->n_nodes; i++) c->nodes[i]->master = false;
  for (const redis_tree *range = t->first; range; range = range->next) {
    if (!read_range(c, range, own_host, e)) return false;
  }
  return t->first || error_set(e, ERROR_NETWORK, "no node of the cluster has a slot");
}

static redis_node *any_connected(const redis_connection *c) {
  for (int i = 0; i < c->n_nodes; i++) {
    if (c->nodes[i]->transport && c->nodes[i]->owed == 0) return c->nodes[i];
  }
  return NULL;
}

bool redis_cluster_read(redis_connection *c, const wait_scope *w, tskdb_error *e) {
  arena a = {0};
  redis_node *n = any_connected(c);
  if (!c->slots) c->slots = mem_alloc(REDIS_SLOTS * sizeof(*c->slots));
  if (!n || !c->slots) return error_memory(e);
  const redis_tree *t = redis_addf(n, e, "CLUSTER SLOTS") ? redis_ask(c, n, &a, w, e) : NULL;
  const char *own_host = n->at.name ? n->at.name : "127.0.0.1";
  bool ok = t && read_slots(c, t, own_host, e);
  if (ok) redis_members_note(c->login, t, own_host);
  arena_free(&a);
  c->cluster = true;
  if (ok) c->slots_moved = false;
  else c->base.broken = true;  /* half a map is none */
  return ok;
}

/* "3999 127.0.0.1:6381" behind the code. */
redis_redirection redis_redirected(redis_connection *c, const redis_node *from, const char *bytes,
                                   size_t length, int *node) {
  char text[300], host[256];
  if (!c->cluster) return REDIRECT_NONE;
  if (redis_is_error(bytes, length, "TRYAGAIN")) return REDIRECT_AGAIN;
  bool moved = redis_is_error(bytes, length, "MOVED");
  if (!moved && !redis_is_error(bytes, length, "ASK")) return REDIRECT_NONE;
  snprintf(text, sizeof(text), "%.*s", (int)length, bytes);
  const char *slot_text = strchr(text, ' '), *place = slot_text ? strchr(slot_text + 1, ' ') : NULL;
  const char *colon = place ? strrchr(place, ':') : NULL;
  if (!colon) return REDIRECT_NONE;
  int slot = atoi(slot_text + 1), port = atoi(colon + 1);
  snprintf(host, sizeof(host), "%.*s", (int)(colon - place - 1), place + 1);
  if (slot < 0 || slot >= REDIS_SLOTS || port <= 0 || port > 65535) return REDIRECT_NONE;
  *node = redis_node_find(c, *host ? host : from->at.name, port);
  if (*node < 0) return REDIRECT_NONE;
  if (moved) {
    c->slots[slot] = (int16_t)*node;
    c->slots_moved = true;
  }
  return moved ? REDIRECT_MOVED : REDIRECT_ASK;
}

bool redis_cluster_pause(const wait_scope *w, tskdb_error *e) {
  struct timespec t = {.tv_nsec = AGAIN_MS * 1000000L};
  nanosleep(&t, NULL);
  return !wait_interrupted(w, e);
}
