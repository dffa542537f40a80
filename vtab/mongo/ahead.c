/*
** ahead.c - a getMore that is on its way while the reply before it is decoded.
**
** libmongoc sends a command and waits for its answer in one call, so that
** server and client would work in turns.  The sockets are ours (stream.c):
** from the second reply of a scan on, the next getMore is written to the
** connection's own socket before the reply at hand is decoded, and its answer
** is read when it is needed.
**
** Invariant: between mongo_ahead_send() and the end of mongo_ahead_receive()
** the library is not called for this connection.
*/
#include <string.h>

#include "vtab/memory.h"
#include "vtab/mongo/mongo_driver.h"

static void put_number(uint8_t *out, uint32_t n) {
  for (int i = 0; i < 4; i++) out[i] = (uint8_t)(n >> (8 * i));
}

static bool lost(mongo_connection *c, tskdb_error *e) {
  bson_error_t why = {.domain = MONGOC_ERROR_STREAM};
  bson_strncpy(why.message, "the connection was lost", sizeof(why.message));
  c->base.broken = true;
  return mongo_error(c, &why, "the rows broke off", e);
}

bool mongo_ahead_send(mongo_connection *c, const char *database, const bson_t *command,
                      tskdb_error *e) {
  uint8_t front[MONGO_FRONT] = {0};
  bson_t whole;
  bson_copy_to(command, &whole);
  BSON_APPEND_UTF8(&whole, "$db", database);
  BSON_APPEND_DOCUMENT(&whole, "lsid", &c->session_id);
  put_number(front, MONGO_FRONT + whole.len);
  put_number(front + 4, ++c->ahead_id);
  put_number(front + 12, MONGO_OP_MSG);
  mongoc_iovec_t pieces[] = {
    {.iov_base = (char *)front, .iov_len = MONGO_FRONT},
    {.iov_base = (char *)(uintptr_t)bson_get_data(&whole), .iov_len = whole.len}};
  ssize_t sent = mongoc_stream_writev(mongo_stream_of_server(c), pieces, 2, -1);
  bool ok = sent == (ssize_t)(MONGO_FRONT + whole.len);
  bson_destroy(&whole);
  c->base.round_trips++;
  return ok || lost(c, e);
}

static bool read_exactly(mongoc_stream_t *s, void *out, size_t n) {
  return mongoc_stream_read(s, out, n, n, -1) == (ssize_t)n;
}

/* The message after its head, in M's buffer, which grows. */
static bool read_body(mongo_connection *c, mongoc_stream_t *s, mongo_message *m, uint32_t length) {
  if (length > m->size) {
    uint8_t *grown = mem_realloc(m->bytes, length);
    if (!grown) {
      mongo_starve(c);
      return false;
    }
    m->bytes = grown;
    m->size = length;
  }
  return read_exactly(s, m->bytes, length);
}

/* A reply that says what is wrong. */
static bool is_refused(mongo_connection *c, const bson_t *reply, tskdb_error *e) {
  bson_error_t why = {.domain = MONGOC_ERROR_SERVER};
  const char *text = mongo_text(reply, "errmsg");
  if (mongo_real(reply, "ok", 0) > 0) return false;
  why.code = (uint32_t)mongo_number(reply, "code", 0);
  bson_strncpy(why.message, text ? text : "", sizeof(why.message));
  mongo_error(c, &why, "the rows broke off", e);
  return true;
}

bool mongo_ahead_receive(mongo_connection *c, mongo_message *m, bson_t *reply, tskdb_error *e) {
  mongoc_stream_t *s = mongo_stream_of_server(c);
  uint8_t head[MONGO_HEAD];
  if (!s || !read_exactly(s, head, MONGO_HEAD)) return lost(c, e);
  uint32_t length = mongo_get_number(head), answers = mongo_get_number(head + 8), extra;
  bool ours = answers == c->ahead_id && mongo_get_number(head + 12) == MONGO_OP_MSG;
  if (!ours || length < MONGO_FRONT + 5 || length > MONGO_MESSAGE_MAX) {
    c->base.broken = true;
    return error_set(e, ERROR_PROTOCOL, "the server answers something else than it was asked");
  }
  if (!read_body(c, s, m, length - MONGO_HEAD)) return lost(c, e);
  extra = mongo_get_number(m->bytes) & MONGO_CHECKSUM ? 4 : 0;
  if (m->bytes[4] != 0 || !bson_init_static(reply, m->bytes + 5, length - MONGO_FRONT - extra)) {
    c->base.broken = true;
    return error_set(e, ERROR_PROTOCOL, "the server answers with a damaged message");
  }
  if (is_refused(c, reply, e)) return false;
  /* The answer may have come in the grace period: the user still said stop. */
  if (!c->call->stopped) return true;
  error_set(e, c->call->why.klass, "%s", c->call->why.text);
  return false;
}
