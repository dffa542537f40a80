/*
** postgres_value.c - values in PostgreSQL's binary format, and the messages of
** a COPY that hold them.
**
** The first byte is the type, or says that the rest are messages of a COPY, each
** behind two bytes of length.
**
** Invariants: a numeric is the value that SQLite makes of the text which the
** server would print of it; a message is one row or an error.
*/
#include <arpa/inet.h>

#include "tests/fuzz/fuzz.h"
/* take_message() has no name outside. */
#include "vtab/postgres/scan.c"

static const struct { uint32_t oid; char kind, category; } types[] = {
  {16, 'b', 'B'},   {21, 'b', 'N'},   {23, 'b', 'N'},   {20, 'b', 'N'},   {26, 'b', 'N'},
  {700, 'b', 'N'},  {701, 'b', 'N'},  {1700, 'b', 'N'}, {25, 'b', 'S'},   {1043, 'b', 'S'},
  {19, 'b', 'S'},   {1042, 'b', 'S'}, {17, 'b', 'U'},   {1082, 'b', 'D'}, {1083, 'b', 'D'},
  {1114, 'b', 'D'}, {1184, 'b', 'D'}, {2950, 'b', 'U'}, {114, 'b', 'U'},  {3802, 'b', 'U'},
  {869, 'b', 'I'},  {1007, 'b', 'A'},
};

enum { N_TYPES = sizeof(types) / sizeof(types[0]), NUMERIC = 7 };

static column columns[N_TYPES];

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  static const discovery want = {0};
  (void)argc, (void)argv;
  for (int i = 0; i < N_TYPES; i++) {
    postgres_type t = {types[i].oid, -1, types[i].kind, types[i].category};
    columns[i] = (column){.name = "c", .remote_type = "t"};
    postgres_classify(&t, &want, 0, &columns[i]);
  }
  return 0;
}

/* ---- numeric --------------------------------------------------------------- */

static int int16_of(const uint8_t *p) { return (int16_t)(p[0] << 8 | p[1]); }

/* As PostgreSQL prints it: get_str_from_var() of its numeric.c. */
static void print_as_server(const uint8_t *p, buffer *out) {
  int digits = int16_of(p), weight = int16_of(p + 2), scale = int16_of(p + 6);
  if (int16_of(p + 4)) buffer_char(out, '-');
  if (weight < 0) buffer_char(out, '0');
  for (int i = 0; i <= weight; i++) {
    buffer_printf(out, "%04d", i < digits ? int16_of(p + 8 + 2 * i) : 0);
  }
  if (scale) buffer_char(out, '.');
  for (int k = 0; k < scale; k++) {
    int i = weight + 1 + k / 4, group = i >= 0 && i < digits ? int16_of(p + 8 + 2 * i) : 0;
    static const int powers[] = {1000, 100, 10, 1};
    buffer_char(out, (char)('0' + group / powers[k % 4] % 10));
  }
}

static void check_numeric(const uint8_t *p, const value *v) {
  buffer text = {0};
  int sign = int16_of(p + 4) & 0xFFFF;
  if (sign && sign != 0x4000) return;          /* NaN and the infinities */
  print_as_server(p, &text);
  value printed = value_from_decimal(buffer_cstr(&text), text.length);
  MUST(value_is_same(&printed, v));
  buffer_free(&text);
}

/* ---- one value, and rows --------------------------------------------------- */

static void decode_one(int type, const uint8_t *bytes, size_t length) {
  batch b;
  MUST(batch_init(&b, 1, 1 << 16));
  if (postgres_decoder_of(&columns[type])((const char *)bytes, (int)length, &b, 0)) {
    batch_end_row(&b);
    value v = batch_at(&b, 0, 0);
    must_be_value(&v);
    if (type == NUMERIC) check_numeric(bytes, &v);
  }
  batch_free(&b);
}

static void decode_copy(const uint8_t *p, const uint8_t *end) {
  enum { N = 4 };
  static const int chosen[N] = {2, 8, NUMERIC, 15};
  query_expr select[N] = {{0}};
  postgres_connection c = {.base = {.version = 150018}};
  query_source source = {&(relation){.columns = columns, .n_columns = N_TYPES}};
  query q = {.sources = &source, .n_sources = 1, .select = select, .n_select = N, .bulk = true};
  request r = {.query = &q};
  batch b;
  tskdb_error e = {0};
  for (int i = 0; i < N; i++) select[i] = (query_expr){.kind = EXPR_COLUMN, .column = chosen[i]};
  scan *s = scan_new(&c, &r);
  MUST(s && batch_init(&b, N, 1 << 16));
  for (bool ok = true; ok && end - p >= 2 && !batch_is_full(&b);) {
    uint32_t length = (uint32_t)(p[0] << 8 | p[1]), rows = b.n_rows;
    p += 2;
    if (length > (uint32_t)(end - p)) length = (uint32_t)(end - p);
    char *exactly = fuzz_text(p, length);
    ok = take_message(s, exactly, length, &b, &e);
    MUST(ok != error_is_set(&e));
    if (ok) MUST(b.n_rows - rows <= 1);
    for (int i = 0; ok && i < N && b.n_rows > rows; i++) {
      value v = batch_at(&b, i, rows);
      must_be_value(&v);
    }
    free(exactly);
    p += length;
  }
  batch_free(&b);
  s->ended = true;
  postgres_scan_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  if (!length) return 0;
  if (bytes[0] < N_TYPES) decode_one(bytes[0], bytes + 1, length - 1);
  else decode_copy(bytes + 1, bytes + length);
  return 0;
}
