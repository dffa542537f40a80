/*
** mysql_row.c - what a MySQL server sends for a statement: the description of
** its fields and rows in the binary protocol, through the client library.
**
** The first byte is the number of fields, one byte each says which, the rest
** are packets, each behind two bytes of length. Without fields the rest is the
** whole conversation as it comes. The transport is this file's own: bytes from
** memory. It exists for MariaDB's library, which has a place for one.
**
** Invariants: rows are those that a second, simple reading of the protocol finds,
** with its integers, reals and bytes; one that is cut short, or that announces
** more than its packet has, is no row; a date is digits in their places.
*/
/* fetch_rows() has no name outside. */
#include "vtab/mysql/scan.c"

#include "tests/fuzz/fuzz.h"

#ifdef LIBMARIADB

#include <ctype.h>
#include <ma_pvio.h>

/* ---- a transport that has all of it already -------------------------------- */

typedef struct spoken {
  const uint8_t *bytes;
  size_t length;
} spoken;

enum { NET_BUFFER = 8192, NET_HEADROOM = 16 };

static ssize_t hear(MARIADB_PVIO *pvio, uchar *out, size_t room) {
  spoken *s = pvio->data;
  size_t n = s->length < room ? s->length : room;
  if (n) memcpy(out, s->bytes, n);
  s->bytes += n;
  s->length -= n;
  return (ssize_t)n;
}

static ssize_t say(MARIADB_PVIO *pvio, const uchar *bytes, size_t length) {
  (void)pvio, (void)bytes;
  return (ssize_t)length;
}

static void ignore_status(void *context, enum enum_mariadb_status_info kind, ...) {
  (void)context, (void)kind;
}

static PVIO_METHODS from_memory = {.read = hear, .write = say};

/* As mysql_real_connect() leaves it. The library frees what is made here. */
static MYSQL *connected(const mysql_login *l, spoken *s) {
  tskdb_error e = {0};
  MYSQL *m = wire_new(l, MYSQL_TLS_DISABLE, 1000, &e);
  MUST(m);
  MARIADB_PVIO *pvio = calloc(1, sizeof(*pvio));
  NET *net = &m->net;
  net->buff = calloc(1, NET_BUFFER + NET_HEADROOM);
  MUST(pvio && net->buff);
  pvio->cache = pvio->cache_pos = calloc(1, PVIO_READ_AHEAD_CACHE_SIZE);
  pvio->mysql = m;
  pvio->methods = &from_memory;
  pvio->set_error = m->methods->set_error;
  pvio->data = s;
  net->pvio = pvio;
  net->max_packet = NET_BUFFER;
  net->max_packet_size = m->options.max_allowed_packet;
  net->buff_end = net->buff + NET_BUFFER;
  net->write_pos = net->read_pos = net->buff;
  net->fd = -1;
  mysql_optionsv(m, MARIADB_OPT_STATUS_CALLBACK, ignore_status, NULL);
  m->server_version = strdup("10.11.0-MariaDB");
  m->server_capabilities = CLIENT_PROTOCOL_41 | CLIENT_LONG_FLAG | CLIENT_MYSQL;
  m->status = MYSQL_STATUS_READY;
  return m;
}

/* ---- fields ---------------------------------------------------------------- */

enum { UTF8MB4 = 45, BYTES = 63, MOST_FIELDS = 9, MOST_ROWS = 16 };

static const struct field {
  type_class klass;
  enum enum_field_types type;
  uint16_t flags, charset;
  uint32_t length;
} fields[] = {
  {CLASS_INT, MYSQL_TYPE_TINY, 0, BYTES, 4},
  {CLASS_INT, MYSQL_TYPE_SHORT, UNSIGNED_FLAG, BYTES, 5},
  {CLASS_INT, MYSQL_TYPE_INT24, 0, BYTES, 9},
  {CLASS_INT, MYSQL_TYPE_LONG, 0, BYTES, 11},
  {CLASS_INT, MYSQL_TYPE_LONG, UNSIGNED_FLAG, BYTES, 10},
  {CLASS_INT, MYSQL_TYPE_LONGLONG, 0, BYTES, 20},
  {CLASS_UINT64, MYSQL_TYPE_LONGLONG, UNSIGNED_FLAG, BYTES, 20},
  {CLASS_NUMERIC_TEXT, MYSQL_TYPE_LONGLONG, UNSIGNED_FLAG, BYTES, 20},
  {CLASS_YEAR, MYSQL_TYPE_YEAR, UNSIGNED_FLAG, BYTES, 4},
  {CLASS_FLOAT4, MYSQL_TYPE_FLOAT, 0, BYTES, 12},
  {CLASS_FLOAT, MYSQL_TYPE_DOUBLE, 0, BYTES, 22},
  {CLASS_BIT, MYSQL_TYPE_BIT, UNSIGNED_FLAG, BYTES, 63},
  {CLASS_DECIMAL, MYSQL_TYPE_NEWDECIMAL, 0, BYTES, 12},
  {CLASS_NUMERIC, MYSQL_TYPE_NEWDECIMAL, 0, BYTES, 67},
  {CLASS_NUMERIC_TEXT, MYSQL_TYPE_NEWDECIMAL, 0, BYTES, 67},
  {CLASS_DATE, MYSQL_TYPE_DATE, 0, BYTES, 10},
  {CLASS_TIME, MYSQL_TYPE_TIME, 0, BYTES, 10},
  {CLASS_TIMESTAMP, MYSQL_TYPE_DATETIME, 0, BYTES, 26},
  {CLASS_TIMESTAMPTZ, MYSQL_TYPE_TIMESTAMP, 0, BYTES, 26},
  {CLASS_TEXT, MYSQL_TYPE_VAR_STRING, 0, UTF8MB4, 80},
  {CLASS_TEXT, MYSQL_TYPE_BLOB, BLOB_FLAG, UTF8MB4, UINT32_MAX},
  {CLASS_CHAR, MYSQL_TYPE_STRING, 0, UTF8MB4, 8},
  {CLASS_ENUM, MYSQL_TYPE_STRING, ENUM_FLAG, UTF8MB4, 8},
  {CLASS_JSONB, MYSQL_TYPE_JSON, 0, UTF8MB4, UINT32_MAX},
  {CLASS_BYTES, MYSQL_TYPE_VAR_STRING, 0, BYTES, 300},
  {CLASS_BYTES, MYSQL_TYPE_BLOB, BLOB_FLAG, BYTES, 65535},
};

enum { N_FIELDS = sizeof(fields) / sizeof(fields[0]) };

static column columns[N_FIELDS];

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  tskdb_error e = {0};
  (void)argc, (void)argv;
  for (int i = 0; i < N_FIELDS; i++) {
    columns[i] = (column){.name = "c", .remote_name = "c", .remote_type = "t",
                          .klass = fields[i].klass};
  }
  MUST(wire_library_init(&e));
  return 0;
}

/* ---- a conversation that is well-formed up to its rows --------------------- */

static void put_number(buffer *out, uint64_t v, int bytes) {
  for (int i = 0; i < bytes; i++) buffer_char(out, (char)(v >> 8 * i & 0xFF));
}

static void put_packet(buffer *out, const void *bytes, size_t length) {
  put_number(out, length, 4);
  buffer_append(out, bytes, length);
}

static void put_end(buffer *out) { put_packet(out, "\xFE\0\0\2\0", 5); }

static void put_description(buffer *out, const uint8_t *which, int n) {
  for (int i = 0; i < n; i++) {
    const struct field *f = &fields[which[i] % N_FIELDS];
    buffer packet = {0};
    buffer_append(&packet, "\3def\0\0\0\1c\1c\14", 12);
    put_number(&packet, f->charset, 2);
    put_number(&packet, f->length, 4);
    put_number(&packet, f->type, 1);
    put_number(&packet, f->flags, 2);
    put_number(&packet, 0, 3);
    put_packet(out, packet.text, packet.length);
    buffer_free(&packet);
  }
  put_end(out);
}

/* The answers to preparing and to executing a statement. */
static void put_statement(buffer *out, const uint8_t *which, int n) {
  char prepared[12] = {0, 1, 0, 0, 0, (char)n}, executed = (char)n;
  put_packet(out, prepared, sizeof(prepared));
  put_description(out, which, n);
  put_packet(out, &executed, 1);
  put_description(out, which, n);
}

/* ---- a second reading of a row --------------------------------------------- */

typedef struct reading {
  const uint8_t *at, *end;
  bool bad;
} reading;

static const uint8_t *take(reading *r, uint64_t n) {
  const uint8_t *p = r->at;
  if (n > (uint64_t)(r->end - r->at)) r->bad = true;
  else r->at += n;
  return p;
}

static uint64_t take_number(reading *r, int bytes) {
  const uint8_t *p = take(r, (uint64_t)bytes);
  uint64_t v = 0;
  for (int i = 0; !r->bad && i < bytes; i++) v |= (uint64_t)p[i] << 8 * i;
  return v;
}

static uint64_t take_length(reading *r) {
  uint64_t first = take_number(r, 1);
  if (first < 251) return first;
  if (first == 251 || first == 255) r->bad = true;
  return take_number(r, first == 252 ? 2 : first == 253 ? 3 : 8);
}

static int width_of(enum enum_field_types type) {
  switch ((int)type) {
    case MYSQL_TYPE_TINY: return 1;
    case MYSQL_TYPE_SHORT: case MYSQL_TYPE_YEAR: return 2;
    case MYSQL_TYPE_INT24: case MYSQL_TYPE_LONG: case MYSQL_TYPE_FLOAT: return 4;
    case MYSQL_TYPE_LONGLONG: case MYSQL_TYPE_DOUBLE: return 8;
    default: return 0;
  }
}

static void check_number(const struct field *f, int width, uint64_t bits, const value *v) {
  if (f->type == MYSQL_TYPE_FLOAT) {
    uint32_t half = (uint32_t)bits;
    float real;
    memcpy(&real, &half, sizeof(real));
    MUST(real != real ? v->storage == STORAGE_NULL
                      : v->storage == STORAGE_REAL && v->real == (double)real);
  } else if (f->type == MYSQL_TYPE_DOUBLE) {
    double real;
    memcpy(&real, &bits, sizeof(real));
    MUST(real != real ? v->storage == STORAGE_NULL : v->storage == STORAGE_REAL && v->real == real);
  } else if (f->klass == CLASS_NUMERIC_TEXT) {
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)bits);
    MUST(v->storage == STORAGE_TEXT && v->length == (size_t)n);
    MUST(memcmp(v->bytes, digits, v->length) == 0);
  } else if (f->klass == CLASS_UINT64 && bits > INT64_MAX) {
    MUST(v->storage == STORAGE_REAL && v->real == (double)bits);
  } else {
    uint64_t sign = f->flags & UNSIGNED_FLAG ? 0 : UINT64_C(1) << (8 * width - 1);
    MUST(v->storage == STORAGE_INTEGER && v->integer == (int64_t)((bits ^ sign) - sign));
  }
}

/* "00-00 00:00" and its like: a digit for each 0, any further digits at the end. */
static bool has_shape(const value *v, const char *shape) {
  size_t i = 0;
  for (; *shape && i < v->length; shape++, i++) {
    if (*shape == '0' ? !isdigit((unsigned char)v->bytes[i]) : v->bytes[i] != *shape) return false;
  }
  return !*shape;
}

static void check_bytes(const struct field *f, const uint8_t *bytes, uint64_t n, const value *v) {
  value clock = *v;
  switch (f->klass) {
    case CLASS_DATE: MUST(has_shape(v, "0000-00-00") && v->length == 10); break;
    case CLASS_TIMESTAMP: case CLASS_TIMESTAMPTZ: MUST(has_shape(v, "0000-00-00 00:00:00")); break;
    case CLASS_TIME:
      if (clock.length && *clock.bytes == '-') clock.bytes++, clock.length--;
      MUST(has_shape(&clock, "00:00:00") || has_shape(&clock, "000:00:00"));
      break;
    case CLASS_BIT: MUST(v->storage == STORAGE_INTEGER && v->integer >= 0); break;
    case CLASS_DECIMAL: case CLASS_NUMERIC:
      MUST(v->storage == STORAGE_INTEGER || v->storage == STORAGE_REAL);
      break;
    default:
      MUST(v->storage == STORAGE_BLOB || (v->storage == STORAGE_TEXT && f->charset == UTF8MB4) ||
           f->klass == CLASS_NUMERIC_TEXT);
      MUST(v->length == n && (!n || memcmp(v->bytes, bytes, n) == 0));
  }
}

static void check_row(const uint8_t *which, int n, reading r, const batch *b, uint32_t row) {
  take(&r, 1);
  const uint8_t *nulls = take(&r, (uint64_t)(n + 9) / 8);
  MUST(!r.bad);
  for (int i = 0; i < n; i++) {
    const struct field *f = &fields[which[i] % N_FIELDS];
    value v = batch_at(b, i, row);
    must_be_value(&v);
    if (nulls[(i + 2) / 8] >> (i + 2) % 8 & 1) {
      MUST(v.storage == STORAGE_NULL);
      continue;
    }
    int width = width_of(f->type);
    uint64_t number = width ? take_number(&r, width) : take_length(&r);
    const uint8_t *bytes = width ? NULL : take(&r, number);
    MUST(!r.bad);
    if (width) check_number(f, width, number, &v);
    else check_bytes(f, bytes, number, &v);
  }
}

/* ---- one conversation ------------------------------------------------------ */

/* Whether it ends well. */
static bool converse(const uint8_t *which, int n, spoken *s, batch *b) {
  static const wait_scope scope = {.timeout_ms = 1000, .wake_fd = -1};
  static mysql_login login;
  tskdb_error e = {0};
  query_expr select[MOST_FIELDS] = {{0}};
  query_source source = {&(relation){.name = "r", .remote_name = "r", .columns = columns,
                                     .n_columns = N_FIELDS}};
  query q = {.sources = &source, .n_sources = 1, .select = select, .n_select = n};
  request r = {.query = &q, .text = "SELECT"};
  for (int i = 0; i < n; i++) {
    select[i] = (query_expr){.kind = EXPR_COLUMN, .column = which[i] % N_FIELDS};
  }
  mysql_connection c = {.base = {.version = 101100}, .login = &login, .mariadb = true};
  c.handle = connected(&login, s);
  scan *open = mysql_driver_scan_open(&c.base, &r, &scope, &e);
  scan_status status = open ? mysql_driver_scan_fetch(open, b, &scope, &e) : SCAN_ERROR;
  MUST((status == SCAN_ERROR) == error_is_set(&e));
  mysql_driver_scan_close(open);
  mysql_close(c.handle);
  statement_cache_clear(&c.cache);
  return status != SCAN_ERROR;
}

/* Says the bytes as packets, and where they are; how many there are. One that begins with
** 0xFF is none here: an error, or a report of progress, which the library passes over. */
static int put_packets(buffer *said, const uint8_t *p, const uint8_t *end, reading *packets) {
  int n = 0;
  while (n < MOST_ROWS && end - p >= 2) {
    size_t length = (size_t)(p[0] | p[1] << 8), left = (size_t)(end - p - 2);
    if (length > left) length = left;
    p += 2;
    put_packet(said, p, length);
    if (length && *p != 0xFF) packets[n++] = (reading){.at = p, .end = p + length};
    p += length;
  }
  return n;
}

static void converse_in_rows(const uint8_t *which, int n, const uint8_t *bytes, size_t length) {
  reading packets[MOST_ROWS];
  buffer said = {0};
  batch b;
  put_statement(&said, which, n);
  int n_packets = put_packets(&said, bytes, bytes + length, packets);
  put_end(&said);
  spoken s = {(const uint8_t *)said.text, said.length};
  MUST(batch_init(&b, n, 1 << 20));
  if (converse(which, n, &s, &b)) {
    MUST(b.n_rows <= (uint32_t)n_packets);
    for (uint32_t row = 0; row < b.n_rows; row++) check_row(which, n, packets[row], &b, row);
  }
  batch_free(&b);
  buffer_free(&said);
}

static void converse_at_will(const uint8_t *bytes, size_t length) {
  static const uint8_t which[] = {5, 19};
  spoken s = {bytes, length};
  batch b;
  MUST(batch_init(&b, 2, 1 << 20));
  if (converse(which, 2, &s, &b)) {
    for (uint32_t i = 0; i < 2 * b.n_rows; i++) {
      value v = batch_at(&b, i % 2, i / 2);
      must_be_value(&v);
    }
  }
  batch_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  size_t n = length ? bytes[0] % (MOST_FIELDS + 1) : 0;
  if (length < n + 1) return 0;
  if (n) converse_in_rows(bytes + 1, (int)n, bytes + 1 + n, length - 1 - n);
  else converse_at_will(bytes + 1, length - 1);
  return 0;
}

#else

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  (void)bytes, (void)length;
  return 0;
}

#endif
