/*
** guard.c - only whole, well-formed messages reach the client library.
**
** libmongoc trusts what a server says: a reply to hello with a wrong length
** inside, or a member's name that is none, ends the process.  So between the
** library and a socket (or TLS over it) stands this stream.  It holds a message
** back until all of it is here, and hands it on if it answers the last request
** and its document is one: every length and type in it, level by level.
**
** What ahead.c reads is decoded with checks of its own and does not come this way.
** A compressed reply is handed on as it is, but only where the request was
** compressed, and the library never compresses hello or a login.
**
** Invariant: the buffer holds bytes of one message; a message that was refused is
** the last, the stream gives nothing any more.
*/
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/memory.h"
#include "vtab/mongo/mongo_driver.h"

enum {
  GUARD_TYPE = 101,            /* none of the library's own */
  KEPT_BYTES = 64 * 1024,      /* of the buffer, between messages */
  DEEPEST = 250                /* levels of a document; the server itself takes 200 */
};

/* What is known of a message from its head. */
typedef struct head {
  uint32_t length, id, answers, code;
} head;

typedef struct guard {
  mongoc_stream_t base;        /* must be first */
  mongo_connection *c;
  mongoc_stream_t *inner;
  head asked;                  /* the last request */
  uint8_t written[MONGO_HEAD]; /* the beginning of the request that is going out */
  size_t n_written, to_write;  /* bytes of its head; of the rest, still to come */
  uint8_t *bytes;              /* the message that is coming in */
  size_t room, have, given;
  uint32_t length;             /* of it; 0: its head is not here yet */
  bool refused;
} guard;

static head read_head(const uint8_t *at) {
  return (head){mongo_get_number(at), mongo_get_number(at + 4), mongo_get_number(at + 8),
                mongo_get_number(at + 12)};
}

/* ---- what is well-formed ----------------------------------------------------- */

/* "name:port", as a server names the members of its set; "[::1]:27017". */
static bool is_member(const bson_iter_t *at) {
  uint32_t length = 0;
  const char *text = BSON_ITER_HOLDS_UTF8(at) ? bson_iter_utf8(at, &length) : NULL;
  const char *colon = text ? strrchr(text, ':') : NULL, *bracket = text ? strchr(text, ']') : NULL;
  if (!colon || colon == text || length > BSON_HOST_NAME_MAX || strlen(text) != length)
    return false;
  size_t digits = strspn(colon + 1, "0123456789");
  bool in_brackets = *text == '[' && bracket && bracket > text + 1 && bracket + 1 == colon;
  bool port = digits > 0 && digits < 6 && !colon[1 + digits] && atoi(colon + 1) > 0 &&
              atoi(colon + 1) <= UINT16_MAX;
  return port && (in_brackets || (!bracket && strchr(text, ':') == colon));
}

static bool is_text(const bson_iter_t *at) { return BSON_ITER_HOLDS_UTF8(at); }

/* What the library takes for granted of a reply to hello: what each value in a list
** of that name is. */
static const struct { const char *name; bool (*is)(const bson_iter_t *at); } taken_for_granted[] = {
  {"hosts", is_member},     {"passives", is_member}, {"arbiters", is_member},
  {"compression", is_text}, {"tags", is_text}};

/* The library writes to stderr of an array that begins otherwise. */
static bool begins_with_0(const bson_iter_t *array) {
  bson_iter_t at;
  return !bson_iter_recurse(array, &at) || !bson_iter_next(&at) ||
         strcmp(bson_iter_key(&at), "0") == 0;
}

static bool is_as_granted(const bson_iter_t *field) {
  bson_iter_t at;
  const char *name = bson_iter_key(field);
  if (BSON_ITER_HOLDS_ARRAY(field) && !begins_with_0(field)) return false;
  if (strcmp(name, "speculativeAuthenticate") == 0) return BSON_ITER_HOLDS_DOCUMENT(field);
  bool list = BSON_ITER_HOLDS_ARRAY(field) || strcmp(name, "tags") == 0;
  for (size_t i = 0; i < sizeof(taken_for_granted) / sizeof(taken_for_granted[0]); i++) {
    if (!list || strcmp(taken_for_granted[i].name, name) != 0) continue;
    if (!bson_iter_recurse(field, &at)) return true;
    while (bson_iter_next(&at)) {
      if (!taken_for_granted[i].is(&at)) return false;
    }
  }
  return true;
}

static bool is_bearable(const uint8_t *bytes, size_t length) {
  bson_iter_t at;
  if (!types_is_document(bytes, length, DEEPEST) || !bson_iter_init_from_data(&at, bytes, length))
    return false;
  while (bson_iter_next(&at)) {
    if (!is_as_granted(&at)) return false;
  }
  return true;
}

/* The whole of the message: one document behind what its kind of message begins with. */
static bool is_answer(const guard *g) {
  enum { OP_REPLY = 1, REPLY_FRONT = 36, CHECKSUM_BYTES = 4 };
  head h = read_head(g->bytes);
  size_t front = h.code == OP_REPLY ? REPLY_FRONT : MONGO_FRONT, tail = 0;
  if (h.answers != g->asked.id) return false;
  if (h.code == MONGO_OP_COMPRESSED) return g->asked.code == MONGO_OP_COMPRESSED;
  if (h.code != OP_REPLY && h.code != MONGO_OP_MSG) return false;
  if (h.code == MONGO_OP_MSG) {
    tail = mongo_get_number(g->bytes + MONGO_HEAD) & MONGO_CHECKSUM ? CHECKSUM_BYTES : 0;
    if (g->bytes[MONGO_FRONT - 1] != 0) return false;
  }
  return g->length > front + tail && is_bearable(g->bytes + front, g->length - front - tail);
}

/* ---- reading --------------------------------------------------------------------- */

static void forget_message(guard *g) {
  if (g->room > KEPT_BYTES) {
    mem_free(g->bytes);
    g->bytes = NULL;
    g->room = 0;
  }
  g->have = g->given = g->length = 0;
}

static bool make_room(guard *g, size_t size) {
  if (size <= g->room) return true;
  uint8_t *grown = mem_realloc(g->bytes, size);
  if (!grown) {
    mongo_starve(g->c);
    return false;
  }
  g->bytes = grown;
  g->room = size;
  return true;
}

static bool refuse(guard *g) {
  g->refused = true;
  error_clear(&g->c->trouble);
  error_set(&g->c->trouble, ERROR_PROTOCOL, "the server answers with a damaged message");
  errno = EBADMSG;
  return false;
}

/* Whether a whole message is here; else errno says why not, and a later call goes on. */
static bool have_message(guard *g, int32_t timeout_ms) {
  while (!g->refused && (g->length == 0 || g->have < g->length)) {
    size_t want = g->length ? g->length : MONGO_HEAD;
    if (!make_room(g, want)) return false;
    errno = 0;
    ssize_t n = mongoc_stream_read(g->inner, g->bytes + g->have, want - g->have, 1, timeout_ms);
    if (n <= 0) return false;
    g->have += (size_t)n;
    if (g->length == 0 && g->have == MONGO_HEAD) {
      g->length = read_head(g->bytes).length;
      if (g->length <= MONGO_FRONT || g->length > MONGO_MESSAGE_MAX) return refuse(g);
    }
    if (g->have == g->length && !is_answer(g)) return refuse(g);
  }
  if (!g->refused) return true;
  errno = EBADMSG;
  return false;
}

static ssize_t guard_readv(mongoc_stream_t *base, mongoc_iovec_t *iov, size_t n, size_t min_bytes,
                           int32_t timeout_ms) {
  guard *g = (guard *)base;
  size_t total = 0;
  for (size_t i = 0; i < n; i++) {
    for (size_t filled = 0; filled < iov[i].iov_len;) {
      bool enough = total > 0 && total >= min_bytes;
      if (enough && g->have == 0) return (ssize_t)total;
      if (!have_message(g, timeout_ms)) return enough ? (ssize_t)total : -1;
      size_t take = g->length - g->given;
      if (take > iov[i].iov_len - filled) take = iov[i].iov_len - filled;
      memcpy((char *)iov[i].iov_base + filled, g->bytes + g->given, take);
      g->given += take;
      filled += take;
      total += take;
      if (g->given == g->length) forget_message(g);
    }
  }
  return (ssize_t)total;
}

/* ---- writing --------------------------------------------------------------------- */

/* Notes the head of a request as its bytes go out, in whatever pieces. */
static void note_written(guard *g, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    size_t take = g->to_write ? g->to_write : MONGO_HEAD - g->n_written;
    if (take > length) take = length;
    if (g->to_write) {
      g->to_write -= take;
    } else {
      memcpy(g->written + g->n_written, bytes, take);
      g->n_written += take;
      if (g->n_written == MONGO_HEAD) {
        g->asked = read_head(g->written);
        g->to_write = g->asked.length - MONGO_HEAD;
        g->n_written = 0;
      }
    }
    bytes += take;
    length -= take;
  }
}

static ssize_t guard_writev(mongoc_stream_t *base, mongoc_iovec_t *iov, size_t n,
                            int32_t timeout_ms) {
  guard *g = (guard *)base;
  ssize_t sent = mongoc_stream_writev(g->inner, iov, n, timeout_ms);
  size_t left = sent > 0 ? (size_t)sent : 0;
  for (size_t i = 0; i < n && left > 0; i++) {
    size_t length = iov[i].iov_len < left ? iov[i].iov_len : left;
    note_written(g, (const uint8_t *)iov[i].iov_base, length);
    left -= length;
  }
  return sent;
}

/* ---- the library's other questions --------------------------------------------------- */

static void guard_destroy(mongoc_stream_t *base) {
  guard *g = (guard *)base;
  mongoc_stream_destroy(g->inner);
  mem_free(g->bytes);
  mem_free(g);
}

static mongoc_stream_t *inner_of(mongoc_stream_t *base) { return ((guard *)base)->inner; }

static int guard_close(mongoc_stream_t *base) { return mongoc_stream_close(inner_of(base)); }

static int guard_flush(mongoc_stream_t *base) { return mongoc_stream_flush(inner_of(base)); }

static int guard_setsockopt(mongoc_stream_t *base, int level, int name, void *setting,
                            mongoc_socklen_t size) {
  return mongoc_stream_setsockopt(inner_of(base), level, name, setting, size);
}

static bool guard_check_closed(mongoc_stream_t *base) {
  return mongoc_stream_check_closed(inner_of(base));
}

static bool guard_timed_out(mongoc_stream_t *base) {
  return mongoc_stream_timed_out(inner_of(base));
}

static bool guard_should_retry(mongoc_stream_t *base) {
  const guard *g = (guard *)base;
  return !g->refused && mongoc_stream_should_retry(g->inner);
}

mongoc_stream_t *mongo_guard(mongo_connection *c, mongoc_stream_t *inner) {
  guard *g = mem_zalloc(sizeof(*g));
  if (!g) return NULL;
  g->base = (mongoc_stream_t){
    .type = GUARD_TYPE, .destroy = guard_destroy, .close = guard_close, .flush = guard_flush,
    .writev = guard_writev, .readv = guard_readv, .setsockopt = guard_setsockopt,
    .get_base_stream = inner_of, .check_closed = guard_check_closed, .failed = guard_destroy,
    .timed_out = guard_timed_out, .should_retry = guard_should_retry};
  g->c = c;
  g->inner = inner;
  return &g->base;
}
