/*
** scan.c - the rows of one request: keys, pipelines, batches.
**
** Keys come from the plan or from SCAN, and wait in pages.  Each is read by the
** plan's commands, many keys in one pipeline.  The next SCAN travels before the
** reads of the page that is there, so its reply is here first, and the next
** pipeline leaves while the server still answers this one: about one round
** trip for a thousand keys of a node, and neither side waits for the other.
**
** Commands that are under way all go to one node.  In a cluster the masters
** are scanned one after the other; keys that have moved are asked for again
** where they are said to be.
**
** Invariants:
**   1. Replies come in the order of `flight`.
**   2. No key has rows twice: SCAN's repetitions are dropped (seen.c), and a
**      key that has to be asked for again has given no row yet.
**   3. A key that has gone, or is of another type now, gives no row; any other
**      error ends the scan.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/memory.h"
#include "vtab/redis/redis_driver.h"

enum {
  LEAST_COUNT = 10,            /* SCAN's COUNT under a small LIMIT */
  FIRST_COUNT = 100,           /* the first one: SQLite's own LIMIT may be content with that */
  COUNT = 1000,
  PIPELINE = 1000,             /* keys of a pipeline, of small values */
  LEAST_PIPELINE = 8,
  AGAIN = 500,                 /* keys to be asked for once more that are worth a pipeline */
  PIPELINE_BYTES = 4 << 20,    /* what a pipeline's replies should have at most */
  SPARE_BYTES = 4 << 20,
  MOST_TRIES = 50              /* of a key that moves */
};

typedef struct page_key {
  size_t offset, length;       /* in the page's bytes */
  int16_t node;
  uint8_t tries;
  bool asking;                 /* its slot is being moved there */
  bool check;                  /* ask for its type as well */
} page_key;

typedef struct page {
  struct page *next;
  buffer bytes;
  page_key *keys;
  int n, room;
  int sent, done;              /* how many of them */
} page;

typedef enum flight_kind { FLIGHT_READ, FLIGHT_SCAN, FLIGHT_NATIVE, FLIGHT_IGNORED } flight_kind;

/* A command whose reply is to come. */
typedef struct flight {
  flight_kind kind;
  redis_step step;
  page *page;
  int key;
  bool first, last;            /* of the key's commands */
} flight;

struct scan {
  redis_sink sink;             /* must be first */
  redis_connection *c;
  const redis_plan *plan;
  redis_reading reading;
  batch spare;
  redis_seen *seen;            /* NULL: keys cannot come twice */
  tskdb_error *e;              /* of the present fetch */
  /* keys */
  page *first, *last;          /* in the order of their commands */
  page *sending;               /* the first with keys that have not been sent, NULL: none */
  page *arriving;              /* what SCAN's reply is filling */
  page *again;                 /* keys to be asked for once more, when there are enough of them */
  /* SCAN */
  bool scanning;               /* some node has keys left */
  int scan_node;
  char cursor[REDIS_CURSOR];   /* empty while the next is awaited */
  bool scan_sent;
  int count;
  /* commands */
  int node;                    /* to which all of `flight` went */
  flight *flight;
  int head, tail, room;        /* those from head to tail are under way */
  int reads;                   /* keys under way */
  uint64_t bytes_before;       /* of the connection, at the start */
  int64_t keys_done;
  int64_t absent;              /* of them: not there, as far as their replies say */
  buffer error;                /* the present reply is this error */
  bool has_error, failed;
  redis_native native;         /* TABLE_NATIVE: the command, without words until it is sent */
  arena words;
};

/* ---- pages --------------------------------------------------------------- */

static page *page_new(void) { return mem_zalloc(sizeof(page)); }

static void page_free(page *p) {
  if (!p) return;
  buffer_free(&p->bytes);
  mem_free(p->keys);
  mem_free(p);
}

static page_key *page_add(page *p, const char *bytes, size_t length, int node) {
  if (p->n == p->room) {
    int room = p->room ? 2 * p->room : 128;
    page_key *grown = mem_realloc(p->keys, (size_t)room * sizeof(*grown));
    if (!grown) return NULL;
    p->keys = grown;
    p->room = room;
  }
  page_key *k = &p->keys[p->n];
  *k = (page_key){.offset = p->bytes.length, .length = length, .node = (int16_t)node};
  buffer_append(&p->bytes, bytes, length);
  if (p->bytes.failed) return NULL;
  p->n++;
  return k;
}

static void enqueue(scan *s, page *p) {
  if (s->last) s->last->next = p;
  else s->first = p;
  s->last = p;
  if (!s->sending) s->sending = p;
}

static void free_done(scan *s) {
  while (s->first && s->first->done == s->first->n && s->first != s->arriving) {
    page *p = s->first;
    s->first = p->next;
    if (s->last == p) s->last = NULL;
    if (s->sending == p) s->sending = p->next;
    page_free(p);
  }
}

/* ---- opening ------------------------------------------------------------- */

static int compare_nodes(const void *a, const void *b) {
  return ((const page_key *)a)->node - ((const page_key *)b)->node;
}

/* The plan's own keys, each once; those of one node together. */
static bool add_direct_keys(scan *s, tskdb_error *e) {
  page *p = page_new();
  if (!p) return error_memory(e);
  bool ok = true;
  for (size_t i = 0; ok && i < s->plan->n_keys; i++) {
    const redis_bytes *k = &s->plan->keys[i];
    int node = redis_node_of(s->c, k->bytes, k->length, e);
    int fresh = s->seen ? redis_seen_add(s->seen, k->bytes, k->length, e) : 1;
    ok = node >= 0 && fresh >= 0;
    if (ok && fresh && !page_add(p, k->bytes, k->length, node)) ok = error_memory(e);
  }
  if (ok && s->c->cluster) qsort(p->keys, (size_t)p->n, sizeof(*p->keys), compare_nodes);
  enqueue(s, p);
  return ok;
}

static void take(redis_sink *base, const redis_element *x);

static bool prepare(scan *s, const wait_scope *w, tskdb_error *e) {
  redis_connection *c = s->c;
  const redis_plan *p = s->plan;
  if (c->slots_moved && !redis_cluster_read(c, w, e)) return false;
  bool once = p->direct && p->n_keys < 2;
  if (p->table != TABLE_NATIVE && !once && !(s->seen = redis_seen_new())) return error_memory(e);
  if (!batch_init(&s->spare, p->n_select, SPARE_BYTES)) return error_memory(e);
  s->bytes_before = c->base.bytes_received;
  s->count = p->limit >= 0 && p->limit < FIRST_COUNT ? LEAST_COUNT : FIRST_COUNT;
  snprintf(s->cursor, sizeof(s->cursor), "0");
  if (p->none || p->table == TABLE_NATIVE) return true;
  if (p->direct) return add_direct_keys(s, e);
  s->scanning = true;
  while (!c->nodes[s->scan_node]->master) s->scan_node++;
  return true;
}

scan *redis_driver_scan_open(connection *base, const request *r, const wait_scope *w,
                             tskdb_error *e) {
  scan *s = mem_zalloc(sizeof(*s));
  if (!s) {
    error_memory(e);
    return NULL;
  }
  s->sink.take = take;
  s->c = (redis_connection *)base;
  s->plan = r->compiled;
  s->reading.plan = r->compiled;
  s->reading.spare = &s->spare;
  if (prepare(s, w, e)) return s;
  redis_driver_scan_close(s);
  return NULL;
}

void redis_driver_scan_close(scan *s) {
  if (!s) return;
  if (s->head < s->tail) redis_abandon(s->c, s->c->nodes[s->node]);
  while (s->first) {
    page *p = s->first;
    s->first = p->next;
    page_free(p);
  }
  page_free(s->arriving);
  page_free(s->again);
  redis_seen_free(s->seen);
  batch_free(&s->spare);
  buffer_free(&s->reading.text);
  buffer_free(&s->error);
  arena_free(&s->words);
  mem_free(s->flight);
  mem_free(s);
}

/* ---- sending ------------------------------------------------------------- */

static bool push(scan *s, flight f) {
  if (s->tail == s->room) {
    int under_way = s->tail - s->head;
    if (s->head > s->room / 2) {
      memmove(s->flight, s->flight + s->head, (size_t)under_way * sizeof(f));
    } else {
      int room = s->room ? 2 * s->room : 256;
      flight *grown = mem_alloc((size_t)room * sizeof(f));
      if (!grown) {
        s->c->base.broken = true;    /* nobody would take the reply */
        return error_memory(s->e);
      }
      if (under_way) memcpy(grown, s->flight + s->head, (size_t)under_way * sizeof(f));
      mem_free(s->flight);
      s->flight = grown;
      s->room = room;
    }
    s->head = 0;
    s->tail = under_way;
  }
  s->flight[s->tail++] = f;
  return true;
}

/* Whether keys are asked for their type at once: where most are not there, or without a field. */
static bool are_doubtful(const scan *s) {
  const redis_plan *p = s->plan;
  return p->steps[p->n_steps - 1] == STEP_FAMILY && 2 * s->absent > s->keys_done;
}

/* The commands of one key; with its type, if that is in doubt. */
static bool send_key(scan *s, redis_node *n, page *p, int number) {
  const redis_plan *plan = s->plan;
  const page_key *k = &p->keys[number];
  const char *bytes = buffer_cstr(&p->bytes) + k->offset;
  int steps = plan->n_steps + (k->check || are_doubtful(s));
  for (int i = 0; i < steps; i++) {
    redis_step step = i < plan->n_steps ? plan->steps[i] : STEP_TYPE;
    int count;
    if (!redis_step_send(plan, i, n, bytes, k->length, k->asking, &count, s->e)) return false;
    for (int r = 0; r < count; r++) {
      bool ignored = k->asking && r % 2 == 0;
      flight f = {
          .kind = ignored ? FLIGHT_IGNORED : FLIGHT_READ, .step = step, .page = p, .key = number};
      f.first = i == 0 && r == (k->asking ? 1 : 0);
      f.last = i == steps - 1 && r == count - 1;
      if (!push(s, f)) return false;
    }
  }
  s->reads++;
  return true;
}

static bool send_scan(scan *s, redis_node *n) {
  const redis_plan *p = s->plan;
  char count[16];
  const char *words[8] = {"SCAN", s->cursor, "COUNT", count};
  size_t lengths[8] = {4, strlen(s->cursor), 5};
  int n_words = 4;
  lengths[3] = (size_t)snprintf(count, sizeof(count), "%d", s->count);
  if (p->match) {
    words[n_words] = "MATCH";
    lengths[n_words++] = 5;
    words[n_words] = p->match;
    lengths[n_words++] = p->match_length;
  }
  if (p->type_scanned) {
    words[n_words] = "TYPE";
    lengths[n_words++] = 4;
    words[n_words] = p->type;
    lengths[n_words++] = strlen(p->type);
  }
  s->count = COUNT;
  s->scan_sent = true;
  bool ok = redis_add(n, n_words, words, lengths, s->e);
  *s->cursor = 0;
  return ok && push(s, (flight){.kind = FLIGHT_SCAN});
}

/* The native command has been added to its node. */
static bool fly_native(scan *s, const wait_scope *w) {
  s->node = s->native.node;
  return (!s->native.asking || push(s, (flight){.kind = FLIGHT_IGNORED})) &&
         push(s, (flight){.kind = FLIGHT_NATIVE}) &&
         redis_flush(s->c, s->c->nodes[s->node], w, s->e);
}

static bool send_native(scan *s, const wait_scope *w) {
  const native_text *t = &s->plan->relation->native;
  redis_bytes *words = arena_alloc(&s->words, (size_t)t->n_words * sizeof(*words));
  if (!words) return error_memory(s->e);
  for (int i = 0; i < t->n_words; i++) words[i] = (redis_bytes){t->words[i], strlen(t->words[i])};
  s->native = (redis_native){.words = words, .n = t->n_words};
  s->c->base.dirty = true;
  return redis_native_send(s->c, &s->native, w, s->e) && fly_native(s, w);
}

/* How many keys may be under way, so that neither side has to hold much. */
static int pipeline_size(const scan *s) {
  if (s->keys_done < LEAST_PIPELINE) return s->plan->direct ? PIPELINE : FIRST_COUNT;
  uint64_t each = (s->c->base.bytes_received - s->bytes_before) / (uint64_t)s->keys_done + 1;
  uint64_t n = PIPELINE_BYTES / each;
  return n > PIPELINE ? PIPELINE : n < LEAST_PIPELINE ? LEAST_PIPELINE : (int)n;
}

/* The next page of SCAN's node, or the next node. False: there is none. */
static bool next_scan(scan *s) {
  const redis_connection *c = s->c;
  if (!s->scanning || s->scan_sent) return false;
  if (s->scan_node >= c->n_nodes) s->scanning = false;
  return s->scanning;
}

static bool has_unsent(const scan *s) {
  return s->sending && (s->sending->next || s->sending->sent < s->sending->n);
}

/* Keys to be asked for once more leave when there are many, or when nothing else is to be done. */
static void release_again(scan *s) {
  bool last = s->reads == 0 && !has_unsent(s);
  if (!s->again || (s->again->n < AGAIN && !last)) return;
  enqueue(s, s->again);
  s->again = NULL;
}

/* Turns to the node of what is to be sent next, when nothing is under way. */
static bool choose_node(scan *s, const wait_scope *w) {
  if (s->head < s->tail) return true;
  if (s->sending && s->sending->sent < s->sending->n)
    s->node = s->sending->keys[s->sending->sent].node;
  else if (next_scan(s)) s->node = s->scan_node;
  return redis_node_ready(s->c, s->c->nodes[s->node], w, s->e);
}

/* Whether one more pipeline to this node is enough for the keys that are there. */
static bool is_last_pipeline(const scan *s, int size) {
  const page *p = s->sending;
  if (p && p->sent == p->n) p = p->next;
  if (!p) return true;
  return !p->next && p->n - p->sent <= size && p->keys[p->sent].node == s->node;
}

/* SCAN replies are here before those of the reads behind them. */
static bool top_up(scan *s, const wait_scope *w) {
  if (s->plan->table == TABLE_NATIVE) return s->native.words || send_native(s, w);
  release_again(s);
  if (!choose_node(s, w)) return false;
  redis_node *n = s->c->nodes[s->node];
  int size = pipeline_size(s);
  if (s->reads > size) return true;
  if (is_last_pipeline(s, size) && next_scan(s) && s->scan_node == s->node && !send_scan(s, n))
    return false;
  for (int i = 0; i < size && s->sending; i++) {
    page *p = s->sending;
    if (p->sent == p->n) {
      s->sending = p->next;
      continue;
    }
    if (p->keys[p->sent].node != s->node) break;
    if (!send_key(s, n, p, p->sent++)) return false;
  }
  return redis_flush(s->c, n, w, s->e);
}

/* ---- replies of SCAN ----------------------------------------------------- */

static void fail_memory(scan *s) {
  s->failed = true;
  error_memory(s->e);
}

/* A row of the key alone needs no command. */
static void take_bare_key(scan *s, const char *bytes, size_t length) {
  redis_reading *r = &s->reading;
  redis_reading_start(r, bytes, length);
  int type = s->plan->at[ATTRIBUTE_TYPE];
  if (type >= 0) {
    batch_bytes_value(r->batch, type, STORAGE_TEXT, s->plan->type, strlen(s->plan->type));
  }
  redis_end_row(r);
  s->keys_done++;
}

static void take_key(scan *s, const redis_element *x) {
  const redis_plan *p = s->plan;
  const char *part;
  size_t length;
  if (s->failed) return;
  if (p->table == TABLE_FAMILY &&
      !redis_template_match(&p->form, x->bytes, x->length, &part, &length))
    return;
  int fresh = redis_seen_add(s->seen, x->bytes, x->length, s->e);
  if (fresh < 0) s->failed = true;
  if (fresh <= 0) return;
  if (p->n_steps == 0) take_bare_key(s, x->bytes, x->length);
  else if (!page_add(s->arriving, x->bytes, x->length, s->node)) fail_memory(s);
}

static void take_page(scan *s, const redis_element *x) {
  if (x->depth == 1 && x->index == 0) {
    if (x->kind == REDIS_STRING) redis_parse_cursor(x->bytes, x->length, s->cursor);
  } else if (x->depth == 1 && x->index == 1 && x->kind == REDIS_ARRAY) {
    if (!s->arriving && !(s->arriving = page_new())) fail_memory(s);
  } else if (x->depth == 2 && x->parent_index == 1 && x->kind == REDIS_STRING) {
    take_key(s, x);
  }
}

static bool end_page(scan *s) {
  s->scan_sent = false;
  if (!s->arriving || !*s->cursor)
    return error_set(s->e, ERROR_PROTOCOL, "SCAN's reply makes no sense");
  if (s->arriving->n > 0) {
    enqueue(s, s->arriving);
    s->arriving = NULL;
  }
  if (strcmp(s->cursor, "0") != 0) return true;
  do s->scan_node++;
  while (s->scan_node < s->c->n_nodes && !s->c->nodes[s->scan_node]->master);
  return true;
}

/* ---- replies of reads ---------------------------------------------------- */

static void take(redis_sink *base, const redis_element *x) {
  scan *s = (scan *)base;
  const flight *f = &s->flight[s->head];
  if (x->depth == 0 && x->kind == REDIS_ERROR) {
    buffer_clear(&s->error);
    buffer_append(&s->error, x->bytes, x->length);
    s->has_error = true;
    return;
  }
  switch (f->kind) {
    case FLIGHT_SCAN: take_page(s, x); break;
    case FLIGHT_NATIVE: redis_native_take(&s->reading, x); break;
    case FLIGHT_IGNORED: break;
    case FLIGHT_READ:
      if (s->reading.fate == FATE_ROWS) redis_step_take(&s->reading, f->step, x);
  }
}

/* The key will be asked for once more, together with others. */
static bool ask_again(scan *s, const page *p, int number, int node, bool asking, bool check) {
  const page_key old = p->keys[number];
  if (!s->again && !(s->again = page_new())) return error_memory(s->e);
  page_key *k = page_add(s->again, buffer_cstr(&p->bytes) + old.offset, old.length, node);
  if (!k) return error_memory(s->e);
  k->tries = (uint8_t)(old.tries + 1);
  k->asking = asking;
  k->check = check;
  return k->tries < MOST_TRIES ||
         error_set(s->e, ERROR_NETWORK, "a key is redirected from node to node without end");
}

/* An error reply to a read. */
static bool take_error(scan *s, const flight *f, const wait_scope *w) {
  const char *text = buffer_cstr(&s->error);
  size_t length = s->error.length;
  int node = s->node;
  if (s->reading.fate != FATE_ROWS) return true;   /* decided by an earlier reply */
  if (redis_is_error(text, length, "WRONGTYPE") ||
      redis_is_error(text, length, "ERR no such key")) {
    s->reading.fate = FATE_GONE;
    return true;
  }
  redis_redirection where = redis_redirected(s->c, s->c->nodes[s->node], text, length, &node);
  if (where == REDIRECT_NONE) {
    return redis_reply_error(s->c, redis_step_command(f->step), text, length, s->e);
  }
  s->reading.fate = FATE_AGAIN;
  if (where == REDIRECT_AGAIN && !redis_cluster_pause(w, s->e)) return false;
  const page_key *k = &f->page->keys[f->key];
  bool asking = where == REDIRECT_ASK || (where == REDIRECT_AGAIN && k->asking);
  return ask_again(s, f->page, f->key, node, asking, k->check);
}

/* All replies of a key are here. */
static bool end_key(scan *s, const flight *f) {
  redis_reading *r = &s->reading;
  page *p = f->page;
  bool part = redis_step_is_part(f->step);
  bool ok = true;
  if (r->fate == FATE_ROWS && part) {
    if (!r->doubt) redis_end_row(r);
    else ok = ask_again(s, p, f->key, s->node, p->keys[f->key].asking, true);
  }
  if (r->open_row) redis_drop_row(r);
  s->absent += r->doubt || r->fate == FATE_GONE;
  p->done++;
  s->reads--;
  s->keys_done++;
  r->fate = FATE_ROWS;
  return ok;
}

/* The native command was answered by an error, which may say where it belongs. */
static bool native_again(scan *s, const wait_scope *w) {
  return redis_native_again(s->c, &s->native, buffer_cstr(&s->error), s->error.length, w, s->e) &&
         fly_native(s, w);
}

static bool end_reply(scan *s, const wait_scope *w) {
  const flight f = s->flight[s->head];
  bool error = s->has_error, ok = !s->failed;
  s->has_error = false;
  if (ok && error && f.kind == FLIGHT_READ) ok = take_error(s, &f, w);
  else if (ok && error && f.kind == FLIGHT_NATIVE) ok = native_again(s, w);
  else if (ok && error && f.kind == FLIGHT_SCAN) {
    ok = redis_reply_error(s->c, "SCAN", buffer_cstr(&s->error), s->error.length, s->e);
  } else if (ok && f.kind == FLIGHT_SCAN) {
    ok = end_page(s);
  }
  if (ok && f.kind == FLIGHT_READ && f.last) ok = end_key(s, &f);
  s->head++;
  if (s->head == s->tail) s->head = s->tail = 0;
  free_done(s);
  if (s->reading.failed && ok) ok = error_memory(s->e);
  return ok;
}

/* ---- fetching ------------------------------------------------------------ */

static bool has_work(const scan *s) {
  if (s->plan->limit >= 0 && s->reading.rows >= s->plan->limit) return false;
  if (s->head < s->tail) return true;
  if (s->plan->table == TABLE_NATIVE) return !s->native.words;
  return has_unsent(s) || s->again || (s->scanning && s->scan_node < s->c->n_nodes);
}

/* Rows that came after the last batch was full are the beginning of this one, and
** so is the one that is open in the spare. */
static void turn(scan *s, batch *b) {
  if (s->reading.batch == &s->spare) {
    batch filled = s->spare;
    s->spare = *b;
    s->spare.byte_limit = SPARE_BYTES;
    filled.byte_limit = b->byte_limit;
    *b = filled;
    batch_clear(&s->spare);
  }
  redis_reading_turn(&s->reading, b);
  s->reading.full = batch_is_full(b);
}

static bool step(scan *s, const wait_scope *w) {
  if (!top_up(s, w)) return false;
  if (s->head == s->tail) return true;
  flight *f = &s->flight[s->head];
  if (f->kind == FLIGHT_READ && f->first) {
    const page_key *k = &f->page->keys[f->key];
    redis_reading_start(&s->reading, buffer_cstr(&f->page->bytes) + k->offset, k->length);
    f->first = false;
  }
  switch (redis_receive(s->c, s->c->nodes[s->node], &s->sink, w, s->e)) {
    case REDIS_REPLY: return end_reply(s, w);
    case REDIS_MORE: return !s->failed;
    default: return false;
  }
}

scan_status redis_driver_scan_fetch(scan *s, batch *b, const wait_scope *w, tskdb_error *e) {
  s->e = e;
  turn(s, b);
  while (has_work(s)) {
    /* An open row stands in the spare, or else holds this batch back. */
    bool held = s->reading.open_row && s->reading.batch == b;
    if (s->reading.full && !held) return SCAN_ROWS;
    if (!step(s, w)) return SCAN_ERROR;
  }
  return s->spare.n_rows > 0 ? SCAN_ROWS : SCAN_END;
}
