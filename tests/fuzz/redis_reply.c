/*
** redis_reply.c - the replies of a Redis server: rows of every relation, and
** discovery from a sample.
**
** The first byte is the relation, the second how it is asked, the third how
** the replies are cut into portions; the rest are the replies.  The transport
** is this file's own: bytes from memory.
**
** Invariants: the same bytes are the same rows, however they are cut; what
** ends too early is an error.
*/
#include "vtab/redis/redis_driver.h"

#include "tests/fuzz/fuzz.h"
#include "vtab/memory.h"

/* ---- a transport that has all of it already -------------------------------- */

struct redis_transport {
  const char *bytes;
  size_t length, portion;
};

redis_transport *redis_transport_open(const redis_login *l, const redis_host *at,
                                      const wait_scope *w, int64_t deadline_us, tskdb_error *e) {
  (void)l, (void)at, (void)w, (void)deadline_us;
  error_set(e, ERROR_NETWORK, "there is one server only");
  return NULL;
}

bool redis_transport_await(redis_transport *t, const wait_scope *w, tskdb_error *e) {
  (void)t, (void)w, (void)e;
  return true;
}

bool redis_transport_receive(redis_transport *t, char *out, size_t room, size_t *n,
                             const wait_scope *w, tskdb_error *e) {
  (void)w;
  size_t most = t->portion < room ? t->portion : room;
  *n = t->length < most ? t->length : most;
  if (!*n) return error_set(e, ERROR_NETWORK, "the server closed the connection");
  memcpy(out, t->bytes, *n);
  t->bytes += *n;
  t->length -= *n;
  return true;
}

bool redis_transport_send(redis_transport *t, const char *bytes, size_t length, const wait_scope *w,
                          tskdb_error *e) {
  (void)t, (void)bytes, (void)length, (void)w, (void)e;
  return true;
}

void redis_transport_settle(redis_transport *t) { (void)t; }
bool redis_transport_has_input(redis_transport *t) { return t->length > 0; }
void redis_transport_interrupt(redis_transport *t) { (void)t; }
void redis_transport_close(redis_transport *t, bool forked) { (void)t, (void)forked; }
bool redis_tls_context(redis_login *l, tskdb_error *e) { (void)l; return error_memory(e); }
void redis_tls_context_free(redis_login *l) { (void)l; }

/* ---- relations ------------------------------------------------------------- */

#define KEY {.name = "key", .klass = CLASS_TEXT, .type_id = ATTRIBUTE_KEY, \
             .flags = COLUMN_NOT_NULL | COLUMN_ANY_BYTES | REDIS_IS_KEY}
#define COLUMN(what, class) {.name = "c", .remote_name = "c", .klass = class, .type_id = what}
#define FIELD(field, class, decoding) {.name = field, .remote_name = field, .klass = class, \
                                       .type_id = ATTRIBUTE_NAMED, .type_detail = decoding}

enum { MOST_COLUMNS = 6 };

static const struct table { redis_table table; column columns[MOST_COLUMNS]; int n; } tables[] = {
  {TABLE_KEYS, {KEY, COLUMN(ATTRIBUTE_TYPE, CLASS_TEXT), COLUMN(ATTRIBUTE_TTL, CLASS_INT),
                COLUMN(ATTRIBUTE_ENCODING, CLASS_TEXT), COLUMN(ATTRIBUTE_BYTES, CLASS_INT)}, 5},
  {TABLE_STRINGS, {KEY, COLUMN(ATTRIBUTE_VALUE, CLASS_TEXT), COLUMN(ATTRIBUTE_TTL, CLASS_INT)}, 3},
  {TABLE_HASHES, {KEY, COLUMN(ATTRIBUTE_ELEMENT, CLASS_TEXT),
                  COLUMN(ATTRIBUTE_VALUE, CLASS_TEXT)}, 3},
  {TABLE_LISTS, {KEY, COLUMN(ATTRIBUTE_INDEX, CLASS_INT), COLUMN(ATTRIBUTE_VALUE, CLASS_TEXT)}, 3},
  {TABLE_SETS, {KEY, COLUMN(ATTRIBUTE_ELEMENT, CLASS_TEXT)}, 2},
  {TABLE_ZSETS, {KEY, COLUMN(ATTRIBUTE_ELEMENT, CLASS_TEXT),
                 COLUMN(ATTRIBUTE_SCORE, CLASS_FLOAT)}, 3},
  {TABLE_STREAMS, {KEY, COLUMN(ATTRIBUTE_ELEMENT, CLASS_TEXT),
                   COLUMN(ATTRIBUTE_FIELDS, CLASS_TEXT)}, 3},
  {TABLE_FAMILY, {KEY, FIELD("a", CLASS_TEXT, DECODE_BYTES), FIELD("b", CLASS_MIXED, DECODE_NUMBER),
                  COLUMN(ATTRIBUTE_TTL, CLASS_INT)}, 4},
  {TABLE_NATIVE, {COLUMN(ATTRIBUTE_INDEX, CLASS_INT), COLUMN(ATTRIBUTE_VALUE, CLASS_TEXT)}, 2},
};

enum { N_TABLES = sizeof(tables) / sizeof(tables[0]) };

static const char *const family_words[] = {"user:", "id", ""};
static const char *const native_words[] = {"LRANGE", "k"};

static relation relation_of(const struct table *t) {
  relation r = {.name = "r", .remote_name = "r", .remote_id = t->table, .n_columns = t->n,
                .columns = (column *)(uintptr_t)t->columns, .kind = RELATION_TABLE};
  if (t->table == TABLE_FAMILY) r.native = (native_text){family_words, 3};
  if (t->table == TABLE_NATIVE) r.native = (native_text){native_words, 2}, r.kind = RELATION_QUERY;
  return r;
}

/* ---- one conversation ------------------------------------------------------ */

enum { HOW_DIRECT = 1, HOW_KEY_ALONE = 2, HOW_LIMIT = 4 };

static const wait_scope scope = {.timeout_ms = 1000, .wake_fd = -1};

static void print_rows(const batch *b, buffer *out) {
  for (uint32_t row = 0; row < b->n_rows; row++) {
    for (int i = 0; i < b->n_columns; i++) {
      value v = batch_at(b, i, row);
      must_be_value(&v);
      buffer_printf(out, "%d:%lld:%a:", (int)v.storage, (long long)v.integer, v.real);
      if (v.length) buffer_append(out, v.bytes, v.length);
      buffer_char(out, '\n');
    }
  }
}

static bool scan_all(redis_connection *c, const request *r, buffer *out, tskdb_error *e) {
  batch b;
  scan *s = redis_driver_scan_open(&c->base, r, &scope, e);
  scan_status status = SCAN_ERROR;
  if (!s) return false;
  MUST(batch_init(&b, r->query->n_select, 1 << 16));
  do {
    batch_clear(&b);
    status = redis_driver_scan_fetch(s, &b, &scope, e);
    MUST((status == SCAN_ERROR) == error_is_set(e));
    if (status != SCAN_ERROR) print_rows(&b, out);
  } while (status == SCAN_ROWS);
  redis_driver_scan_close(s);
  batch_free(&b);
  return status == SCAN_END;
}

static bool ask(redis_connection *c, const struct table *t, int how, buffer *out, tskdb_error *e) {
  arena a = {0};
  relation r = relation_of(t);
  request asked = {0};
  query_expr select[MOST_COLUMNS] = {{0}};
  query_expr args[2] = {{.kind = EXPR_COLUMN}, {.kind = EXPR_PARAMETER}};
  query_source source = {&r};
  value key = {.storage = STORAGE_TEXT, .bytes = "user:1", .length = 6};
  query_expr term = {.kind = EXPR_TERM, .op = OP_EQ, .row = &redis_pushdown[0], .args = args,
                     .n_args = 2};
  query q = {.sources = &source, .n_sources = 1, .select = select, .n_select = r.n_columns,
             .parameters = &key, .n_parameters = 1, .filter = &term};
  for (int i = 0; i < r.n_columns; i++) select[i] = (query_expr){.kind = EXPR_COLUMN, .column = i};
  if ((how & HOW_DIRECT) && t->table != TABLE_NATIVE) q.n_filter = 1;
  if (how & HOW_KEY_ALONE) q.n_select = 1;
  if (how & HOW_LIMIT) q.has_limit = true, q.limit = 3;
  bool ok = redis_driver_compile(&q, c->base.version, &a, &asked, e) && scan_all(c, &asked, out, e);
  arena_free(&a);
  return ok;
}

static bool discover(redis_connection *c, int how, tskdb_error *e) {
  static const char *const families[] = {"user:<id>"}, *const columns[] = {"user.x"};
  discovery want = {.sample = 20, .families = families, .columns = columns};
  if (how & HOW_DIRECT) want.n_families = want.n_columns = 1;
  catalog *k = catalog_new();
  bool ok = redis_driver_discover(&c->base, &want, &scope, k, e);
  for (int i = 0; ok && i < k->n_relations; i++) {
    MUST(k->relations[i].name && k->relations[i].n_columns);
  }
  catalog_release(k);
  return ok;
}

/* Whether it ends well; OUT has the rows then. *MORE: the server has said more than it was asked,
** which is an error if it is there already, else when the connection is used again. */
static bool converse(const uint8_t *bytes, size_t length, size_t portion, buffer *out,
                     bool *more) {
  tskdb_error e = {0};
  redis_login login = {.n_hosts = 1};
  redis_transport t = {(const char *)bytes + 3, length - 3, portion};
  redis_node node = {.at = {.name = "host", .port = 6379}, .master = true, .transport = &t};
  redis_node *nodes[] = {&node};
  redis_connection c = {.base = {.version = 70015}, .login = &login, .nodes = nodes, .n_nodes = 1,
                        .room = 1, .connect_ms = 100, .product = "Redis"};
  MUST(redis_node_init_reader(&node, &e));
  int which = bytes[0] % (N_TABLES + 1);
  bool ok = which < N_TABLES ? ask(&c, &tables[which], bytes[1], out, &e)
                             : discover(&c, bytes[1], &e);
  MUST(ok != error_is_set(&e));
  *more = *more || strstr(e.text, "more than it was asked");
  redisReaderFree(node.reader);
  buffer_free(&node.out);
  arena_free(&c.arena);
  return ok;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  if (length < 3) return 0;
  buffer whole = {0}, pieces = {0};
  bool more = false, ok = converse(bytes, length, SIZE_MAX, &whole, &more);
  /* Where a LIMIT is reached may depend on what has arrived. */
  bool comparable = !(bytes[1] & HOW_LIMIT);
  if (comparable) {
    bool again = converse(bytes, length, 1 + bytes[2] % 32, &pieces, &more);
    if (more) ok = false;
    else MUST(again == ok);
    if (ok) MUST(whole.length == pieces.length);
    if (ok && whole.length) MUST(memcmp(whole.text, pieces.text, whole.length) == 0);
  }
  buffer_free(&whole);
  buffer_free(&pieces);
  return 0;
}
