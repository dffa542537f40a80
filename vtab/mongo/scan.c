/*
** scan.c - documents of a cursor, from the library's buffers into batches.
**
** The commands are find or aggregate, getMore and killCursors, sent as they
** are: a reply is one buffer, and its documents are decoded where they lie,
** each in one pass in its own order.  A reply holds as many documents as make
** about REPLY_BYTES, by the size of those before.  From the second on, the
** next is asked for before the one at hand is decoded (ahead.c): the server
** works meanwhile.  Not from the first: a reader may want no more than that.
**
** Time: a wait is bounded by the scope.  maxTimeMS is sent only where no row
** can come before all are known, because for a cursor MongoDB adds up the time
** of all its replies, however long the reader took between them, and a getMore
** may have none of its own.
**
** Invariants:
**   1. The end of rows, a document and an error are told apart: a cursor that
**      is gone is SCAN_ERROR.
**   2. After scan_close() the server has no cursor of this scan, or the
**      connection is marked broken.
**   3. Lengths and types are checked: a damaged reply is an error.
*/
#include <string.h>

#include "vtab/memory.h"
#include "vtab/mongo/mongo_driver.h"

enum {
  FIRST_DOCUMENTS = 1000,
  REPLY_BYTES = 4 * 1024 * 1024,
  DOCUMENTS_MIN = 64,
  DRAIN_MS = 50,
  CLOSE_MS = 2000
};

struct scan {
  mongo_connection *c;
  const mongo_request *m;
  bson_t reply;
  mongo_message message;       /* what the reply points into, if it came past the library */
  bson_iter_t documents;       /* in the reply's batch */
  bool ahead;                  /* the next getMore is on its way */
  int64_t cursor;              /* 0: the server has no more */
  int64_t rows_left;           /* of a count */
  uint64_t n_documents, n_bytes;   /* so far, for the size of the next reply */
  uint64_t n_before;           /* n_documents when the last reply came */
  int64_t since_us;            /* for mongo_goes_on() */
  bool dead;                   /* the answer is lost: nothing is known of the cursor */
};

/* ---- requests -------------------------------------------------------------- */

/* Where the reply's documents begin, and what is known of the cursor. */
static bool adopt_reply(scan *s, const char *path, tskdb_error *e) {
  bson_t documents;
  bool known = bson_has_field(&s->reply, "cursor.id");
  s->cursor = mongo_number(&s->reply, "cursor.id", 0);
  if (known && mongo_part(&s->reply, path, &documents) &&
      bson_iter_init(&s->documents, &documents)) {
    return true;
  }
  s->c->base.broken = true;
  return error_set(e, ERROR_PROTOCOL, "the server answers without a batch");
}

/* The documents of a list of keys, of which most have one, come in one reply. */
static int32_t first_size(const request *r) {
  size_t n = FIRST_DOCUMENTS;
  for (int i = 0; i < r->query->n_parameters; i++) {
    const value *v = &r->query->parameters[i];
    if (v->storage == STORAGE_LIST && v->n_list >= n) n = v->n_list + 1;
  }
  return (int32_t)n;
}

static void append_first_size(bson_t *command, const request *r, const wait_scope *w) {
  const mongo_request *m = r->compiled;
  bson_t cursor;
  if (m->aggregate) {
    BSON_APPEND_DOCUMENT_BEGIN(command, "cursor", &cursor);
    BSON_APPEND_INT32(&cursor, "batchSize", first_size(r));
    bson_append_document_end(command, &cursor);
  } else {
    BSON_APPEND_INT32(command, "batchSize", first_size(r));
  }
  if (m->blocking && w->timeout_ms > 0) BSON_APPEND_INT64(command, "maxTimeMS", w->timeout_ms);
}

scan *mongo_driver_scan_open(connection *base, const request *r, const wait_scope *w,
                             tskdb_error *e) {
  scan *s = BSON_ALIGNED_ALLOC0(scan);   /* as bson_t wants it */
  bson_t given, command;
  if (!s) {
    error_memory(e);
    return NULL;
  }
  s->c = (mongo_connection *)base;
  s->m = r->compiled;
  bson_init_static(&given, s->m->command, s->m->length);
  bson_copy_to(&given, &command);
  append_first_size(&command, r, w);
  bool ok = mongo_run(s->c, MONGO_READ, s->m->database, &command, w, "the server refuses the query",
                      &s->reply, e) &&
            adopt_reply(s, "cursor.firstBatch", e);
  bson_destroy(&command);
  if (ok) return s;
  mongo_driver_scan_close(s);
  return NULL;
}

static int32_t next_size(const scan *s) {
  uint64_t average = s->n_documents ? s->n_bytes / s->n_documents + 1 : 1024;
  uint64_t n = REPLY_BYTES / average;
  return (int32_t)(n < DOCUMENTS_MIN ? DOCUMENTS_MIN : n);
}

static bson_t *next_command(const scan *s) {
  return BCON_NEW("getMore", BCON_INT64(s->cursor), "collection", BCON_UTF8(s->m->collection),
                  "batchSize", BCON_INT32(next_size(s)));
}

/* Sends the request for the reply after this one. */
static bool send_ahead(scan *s, tskdb_error *e) {
  if (s->cursor == 0 || !mongo_stream_of_server(s->c)) return true;
  bson_t *command = next_command(s);
  s->ahead = mongo_ahead_send(s->c, s->m->database, command, e);
  bson_destroy(command);
  return s->ahead;
}

static bool receive(scan *s, tskdb_error *e) {
  if (s->ahead) {
    s->ahead = false;
    return mongo_ahead_receive(s->c, &s->message, &s->reply, e);
  }
  bson_t *command = next_command(s);
  bool ok = mongo_command(s->c, MONGO_CONTINUE, s->m->database, command, "the rows broke off",
                          &s->reply, e);
  bson_destroy(command);
  return ok;
}

static bool fetch_reply(scan *s, const wait_scope *w, tskdb_error *e) {
  mongo_call call;
  if (!mongo_goes_on(&s->since_us, s->n_documents > s->n_before, w, e)) return false;
  s->n_before = s->n_documents;
  bson_destroy(&s->reply);
  bson_init(&s->reply);
  mongo_begin(&call, s->c, w);
  bool ok = receive(s, e);
  /* What was refused, or interrupted, is no cursor any more. */
  if (!ok) s->dead = call.killed || s->c->base.broken;
  ok = ok && adopt_reply(s, "cursor.nextBatch", e) && send_ahead(s, e);
  mongo_end(s->c);
  return ok;
}

/* ---- documents ------------------------------------------------------------- */

/* The field of that name. Documents mostly have their fields in the order in which
** they were sampled: the one behind the last is tried first. */
static const mongo_layout *find_field(const mongo_layout *fields, int n, int *next,
                                      const char *name, uint32_t length) {
  int i = *next;
  for (int tries = 0; tries < n; tries++, i++) {
    if (i >= n) i = 0;
    if (fields[i].length == length && memcmp(fields[i].name, name, length) == 0) {
      *next = i + 1;
      return &fields[i];
    }
  }
  return NULL;
}

static void decode_fields(batch *b, bson_iter_t *at, const mongo_layout *fields, int n,
                          const scan *s) {
  int next = 0;
  while (bson_iter_next(at)) {
    const char *name = bson_iter_key_unsafe(at);
    uint32_t length = bson_iter_key_len(at);
    if (s->m->key >= 0 && fields == s->m->layout && length == 3 && memcmp(name, "_id", 3) == 0) {
      types_decode_key(b, s->m->key, at);
    }
    const mongo_layout *f = find_field(fields, n, &next, name, length);
    if (!f) continue;
    if (f->column >= 0) types_decode(b, f->column, f->digits, at);
    bson_iter_t nested;
    if (f->n_fields && BSON_ITER_HOLDS_DOCUMENT(at) && bson_iter_recurse(at, &nested)) {
      decode_fields(b, &nested, f->fields, f->n_fields, s);
    }
  }
}

static bool decode_document(scan *s, batch *b, tskdb_error *e) {
  const uint8_t *bytes = NULL;
  uint32_t length = 0;
  bson_iter_t at;
  bson_t document;
  if (BSON_ITER_HOLDS_DOCUMENT(&s->documents)) bson_iter_document(&s->documents, &length, &bytes);
  if (!bytes || !bson_init_static(&document, bytes, length) || !bson_iter_init(&at, &document)) {
    return error_set(e, ERROR_PROTOCOL, "the server answers with a damaged document");
  }
  s->n_documents++;
  s->n_bytes += length;
  if (s->m->counting) {
    s->rows_left = mongo_number(&document, "n", 0);
    return true;
  }
  if (s->m->whole >= 0) types_decode_document(b, s->m->whole, bytes, length);
  decode_fields(b, &at, s->m->layout, s->m->n_layout, s);
  return at.err_off == 0 ||
         error_set(e, ERROR_PROTOCOL, "the server answers with a damaged document");
}

/* ---- fetching -------------------------------------------------------------- */

/* Ends a row; true if the batch has room for another. */
static bool end_row(batch *b, scan_status *status, tskdb_error *e) {
  if (batch_end_row(b)) return true;
  *status = SCAN_ROWS;
  if (b->failed) {
    *status = SCAN_ERROR;
    error_memory(e);
  }
  return false;
}

/* The rows of a count: as many as it says, of no columns. */
static bool emit_counted(scan *s, batch *b, scan_status *status, tskdb_error *e) {
  while (s->rows_left > 0) {
    s->rows_left--;
    if (!end_row(b, status, e)) return false;
  }
  return true;
}

scan_status mongo_driver_scan_fetch(scan *s, batch *b, const wait_scope *w, tskdb_error *e) {
  scan_status status = SCAN_END;
  if (wait_interrupted(w, e)) return SCAN_ERROR;
  for (;;) {
    if (!emit_counted(s, b, &status, e)) return status;
    if (bson_iter_next(&s->documents)) {
      if (!decode_document(s, b, e)) return SCAN_ERROR;
      if (!s->m->counting && !end_row(b, &status, e)) return status;
    } else if (s->documents.err_off) {
      error_set(e, ERROR_PROTOCOL, "the server answers with a damaged batch");
      return SCAN_ERROR;
    } else if (s->cursor == 0) {
      return SCAN_END;
    } else if (!fetch_reply(s, w, e)) {
      return SCAN_ERROR;
    }
  }
}

/* ---- closing --------------------------------------------------------------- */

/* Reads what is on its way; the server is told to stop if that takes long. */
static void drain(scan *s) {
  static const wait_scope alone = {.wake_fd = -1};
  tskdb_error ignored = {0};
  bson_t reply;
  mongo_call call;
  mongo_begin_until(&call, s->c, &alone, wait_now_us() + (int64_t)DRAIN_MS * 1000);
  mongo_ahead_receive(s->c, &s->message, &reply, &ignored);
  mongo_end(s->c);
  s->ahead = false;
  s->dead = call.killed;
}

static void kill_cursor(scan *s) {
  static const wait_scope alone = {.wake_fd = -1};
  bson_t *command = BCON_NEW("killCursors", BCON_UTF8(s->m->collection), "cursors", "[",
                             BCON_INT64(s->cursor), "]");
  bson_t reply;
  tskdb_error ignored = {0};
  mongo_call call;
  mongo_begin_until(&call, s->c, &alone, wait_now_us() + (int64_t)CLOSE_MS * 1000);
  if (!mongo_command(s->c, MONGO_CONTINUE, s->m->database, command, "", &reply, &ignored))
    s->c->base.broken = true;
  mongo_end(s->c);
  bson_destroy(&reply);
  bson_destroy(command);
}

void mongo_driver_scan_close(scan *s) {
  if (!s) return;
  if (s->ahead && !s->c->base.broken) drain(s);
  if (s->cursor != 0 && !s->dead && !s->c->base.broken) kill_cursor(s);
  bson_destroy(&s->reply);
  mem_free(s->message.bytes);
  bson_free(s);
}
