/*
** mysql_pushdown_test.c - what the MySQL driver pushes is what SQLite would
** have answered: for every type, operator and awkward constant the rows that
** the server gives are compared with native SQLite's over the same values,
** with and without an index on the column; and the index is used.
** Budget: 60 s
*/
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <sqlite3.h>

#include "tests/vtab/mysql_fixture.h"

static connection *c;
static sqlite3 *native;

static void setup(void) {
  c = open_url(server_url);
  ck_assert_int_eq(sqlite3_open(":memory:", &native), SQLITE_OK);
}

static void teardown(void) {
  mysql->close(c, false);
  sqlite3_close(native);
}

/* A column, its values, and what it is compared with, as SQL literals that
** both sides read. */
static const struct type_case {
  const char *type, *values, *constants;
} cases[] = {
  {"INT", "(NULL),(0),(1),(-1),(5),(2147483647),(-2147483648)",
   "0,1,5,-1,2.5,5.0,-1.5,'5','5.0','05','abc','',x'35',1e300,-1e300,9223372036854775807"},
  {"BIGINT",
   "(NULL),(9007199254740993),(9007199254740992),(9223372036854775807),(-9223372036854775808)",
   "9007199254740993,9007199254740992.0,9223372036854775807,9.3e18,-9.3e18,-9223372036854775808,'"
   "9007199254740993'"},
  {"BIGINT UNSIGNED",
   "(NULL),(0),(5),(9223372036854775807),(9223372036854775808),(18446744073709551615)",
   "0,5,-1,9223372036854775807,9223372036854775808.0,18446744073709551615.0,4.5"},
  {"TINYINT(1)", "(NULL),(0),(1),(2)", "0,1,2,'1',1.0"},
  {"BIT(8)", "(NULL),(0),(5),(255)", "0,5,255,256,-1,4.5"},
  {"YEAR", "(NULL),(0),(1901),(1999),(2026),(2155)",
   "0,26,99,1901,2026,2155,2156,1900,-1,2025.5,'2026'"},
  {"DOUBLE", "(NULL),(0),(0.1),(-0.0),(1.5),(1e308),(-1e308),(9007199254740992)",
   "0,0.1,1.5,1,-1,1e308,9007199254740992,9007199254740993,'0.1','abc'"},
  {"FLOAT", "(NULL),(0),(0.1),(1.5),(16777216),(3.4e38)",
   "0,0.1,0.10000000149011612,1.5,1,16777216,16777217,0.099999,3.3999999521443642e38"},
  {"DECIMAL(10,2)", "(NULL),(0),(0.10),(1.50),(-1.50),(99999999.99)",
   "0,0.1,1.5,-1.5,1,0.105,99999999.99,99999999.985,1e20,-1e20,'0.1','1.50','abc',1e-20,2"},
  {"DECIMAL(15,0)", "(NULL),(0),(999999999999999),(-999999999999999)",
   "0,999999999999999,999999999999999.0,1e15,-999999999999999,0.5"},
  {"DECIMAL(38,20)",
   "(NULL),(0),(0.1),(0.10000000000000000001),(0.10000000000000001),(5),(123456789012345678.5)",
   "0,0.1,5,5.0,123456789012345678,123456789012345680.0,0.1000000000000001"},
  {"VARCHAR(20)",
   "(NULL),(''),('a'),('A'),('a '),('á'),('ab'),('b'),('É'),('é'),('😀'),('ß'),('ss'),('5'),('05'),"
   "('a\\0b'),('a_b'),('a%b'),('\\\\'),('zz')",
   "'','a','A','a "
   "','á','é','😀','ss','ß','b','zzz','\\',5,5.0,x'61','e','a%','_','%é','A_b','\\%','%a%','a\\_"
   "b'"},
  {"VARCHAR(20) COLLATE utf8mb4_bin", "(NULL),('a'),('A'),('a '),('é'),('😀'),('￿')",
   "'a','a ','A','é','😀','b','￿'"},
  {"VARCHAR(20) COLLATE utf8mb4_nopad_bin",
   "(NULL),(''),('a'),('A'),('a '),('é'),('😀'),('￿')",
   "'','a','a ','A','é','😀','b','￿','a  '"},
  {"VARCHAR(20) COLLATE utf8mb4_unicode_ci", "(NULL),('a'),('A'),('á'),('ss'),('ß'),('Straße')",
   "'a','á','ss','ß','Strasse'"},
  {"VARCHAR(20) CHARACTER SET latin1", "(NULL),('a'),('A'),('é'),('É'),('€'),('ÿ'),('?')",
   "'a','é','E','€','ÿ','😀','Ж','?','é '"},
  {"VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_nopad_bin",
   "(NULL),('a'),('é'),('€'),('ÿ'),('?'),('a ')", "'a','é','€','ÿ','😀','Ж','?','a '"},
  {"VARCHAR(20) CHARACTER SET utf8mb3", "(NULL),('a'),('A'),('é'),('￿')",
   "'a','A','é','😀','￿','%É'"},
  {"VARCHAR(20) CHARACTER SET ucs2", "(NULL),('a'),('é'),('￿')", "'a','A','é','😀','￿'"},
  {"VARCHAR(20) CHARACTER SET koi8r", "(NULL),('a'),('Ж'),('ж')", "'a','Ж','ж','é','%Ж'"},
  {"VARCHAR(20) CHARACTER SET sjis", "(NULL),('a'),('日本')", "'a','日本','日','é','_本'"},
  {"VARCHAR(20) CHARACTER SET utf16", "(NULL),('a'),('é'),('😀'),('￿')",
   "'a','A','é','😀','￿'"},
  {"VARCHAR(20) CHARACTER SET ascii", "(NULL),('a'),('A'),('?')", "'a','é','?'"},
  {"CHAR(10)", "(NULL),(''),('a'),('A'),('b  ')", "'','a','a ','b','b  ','A'"},
  {"CHAR(10) COLLATE utf8mb4_nopad_bin", "(NULL),(''),('a'),('A'),('b  ')",
   "'','a','a ','b','b  ','A'"},
  {"TEXT", "(NULL),(''),('a'),('A'),('é')", "'','a','é','E'"},
  {"ENUM('small','large','1','Medium')", "(NULL),('small'),('large'),('1'),('Medium')",
   "'small','large','1','2','medium','',1,2,'nope'"},
  {"SET('a','b','c')", "(NULL),(''),('a'),('a,c'),('b,c')", "'','a','a,c','c,a','1',1,'b'"},
  {"DATE", "(NULL),('1000-01-01'),('2026-01-01'),('2026-01-02'),('9999-12-31')",
   "'2026-01-01','2026-01-01 "
   "00:00:00','2026-02-30','2026-1-1','abc','9999-12-31','0001-01-01',2026,'20260101'"},
  {"DATETIME(6)",
   "(NULL),('2026-01-01 00:00:00'),('2026-01-01 00:00:00.5'),('2026-01-02 10:00:00'),('9999-12-31 "
   "23:59:59')",
   "'2026-01-01','2026-01-01 00:00:00','2026-01-01 00:00:00.5','2026-01-01 "
   "00:00:00.50','2026-01-02 10:00:00',"
   "'2026-01-02T10:00:00','2026-01-02 10:00','abc','2026-01-02 10:00:00.000001'"},
  {"TIMESTAMP NULL",
   "(NULL),('1970-01-01 00:00:01'),('2026-01-01 00:00:00'),('2038-01-19 03:14:07')",
   "'2026-01-01','2026-01-01 00:00:00','1900-01-01 00:00:00','9999-12-31 23:59:59','2026-01-01 "
   "00:00:00.5','abc'"},
  {"TIME", "(NULL),('00:00:00'),('23:00:00'),('100:00:00'),('-01:00:00')",
   "'23:00:00','100:00:00','0','-01:00:00'"},
  {"VARBINARY(10)", "(NULL),(''),(0x00),(0x61),(0x6100),(0xff)", "x'',x'00',x'61',x'ff','a',5"},
  {"BINARY(3)", "(NULL),(0x61),(0x616263)", "x'61',x'610000',x'616263'"},
  {"UUID",
   "(NULL),('123e4567-e89b-12d3-a456-426655440000'),('00000000-0000-0000-0000-000000000001')",
   "'123e4567-e89b-12d3-a456-426655440000','123E4567-E89B-12D3-A456-426655440000','abc',''"},
};

enum { N_CASES = sizeof cases / sizeof cases[0] };

static void run(const char *sql) {
  char *message = NULL;
  if (sqlite3_exec(native, sql, NULL, NULL, &message) != SQLITE_OK)
    ck_abort_msg("%s: %s", sql, message);
}

/* Copies the relation's rows (id, a) into native SQLite. */
static void copy_native(const relation *r) {
  char sql[200];
  asked a;
  batch b;
  tskdb_error e = {0};
  sqlite3_stmt *insert;
  scan_status status;
  run("DROP TABLE IF EXISTS t");
  snprintf(sql, sizeof sql, "CREATE TABLE t(id INTEGER PRIMARY KEY, a %s)", r->columns[1].declared);
  run(sql);
  ask(&a, r);
  compile(&a, c);
  sqlite3_prepare_v2(native, "INSERT INTO t VALUES (?, ?)", -1, &insert, NULL);
  scan *s = mysql->scan_open(c, &a.request, &patient, &e);
  assert_no_error(&e, "scan");
  ck_assert(batch_init(&b, 2, 1 << 16));
  do {
    batch_clear(&b);
    status = mysql->scan_fetch(s, &b, &patient, &e);
    assert_no_error(&e, "fetch");
    for (uint32_t row = 0; row < b.n_rows; row++) {
      size_t i = b.row_limit + row;
      sqlite3_bind_int64(insert, 1, b.cells[row].integer);
      switch ((storage)b.storage[i]) {
        case STORAGE_INTEGER: sqlite3_bind_int64(insert, 2, b.cells[i].integer); break;
        case STORAGE_REAL: sqlite3_bind_double(insert, 2, b.cells[i].real); break;
        case STORAGE_TEXT:
          sqlite3_bind_text(insert, 2, b.heap + b.cells[i].bytes.offset,
                            (int)b.cells[i].bytes.length, SQLITE_TRANSIENT);
          break;
        case STORAGE_BLOB:
          sqlite3_bind_blob(insert, 2, b.heap + b.cells[i].bytes.offset,
                            (int)b.cells[i].bytes.length, SQLITE_TRANSIENT);
          break;
        default: sqlite3_bind_null(insert, 2);
      }
      ck_assert_int_eq(sqlite3_step(insert), SQLITE_DONE);
      sqlite3_reset(insert);
    }
  } while (status == SCAN_ROWS);
  mysql->scan_close(s);
  batch_free(&b);
  sqlite3_finalize(insert);
  arena_free(&a.memory);
}

/* The ids that native SQLite finds, one a line; VALUE is bound to ?1. */
static void native_rows(buffer *out, const char *sql, const value *v) {
  sqlite3_stmt *s;
  if (sqlite3_prepare_v2(native, sql, -1, &s, NULL) != SQLITE_OK)
    ck_abort_msg("%s: %s", sql, sqlite3_errmsg(native));
  if (v && sqlite3_bind_parameter_count(s)) {
    switch (v->storage) {
      case STORAGE_INTEGER: sqlite3_bind_int64(s, 1, v->integer); break;
      case STORAGE_REAL: sqlite3_bind_double(s, 1, v->real); break;
      case STORAGE_TEXT: sqlite3_bind_text(s, 1, v->bytes, (int)v->length, SQLITE_TRANSIENT); break;
      case STORAGE_BLOB:
        sqlite3_bind_blob(s, 1, v->length ? v->bytes : "", (int)v->length, SQLITE_TRANSIENT);
        break;
      default: break;
    }
  }
  while (sqlite3_step(s) == SQLITE_ROW) {
    buffer_append(out, sqlite3_column_text(s, 0), (size_t)sqlite3_column_bytes(s, 0));
    buffer_char(out, '\n');
  }
  sqlite3_finalize(s);
}

/* What the server finds with the outcome's terms. */
static void pushed_rows(buffer *out, const relation *r, const outcome *o, const char *what) {
  asked a;
  tskdb_error e = {0};
  value values[2];
  query_expr args[2][2];
  query_expr filter[2];
  pushdown_row order = {.verdict = PUSH_EXACT, .text = "{c}"};
  query_order by = {.column = {.kind = EXPR_COLUMN, .column = 0, .row = &order}};
  ask(&a, r);
  for (int i = 0; i < o->n_terms; i++) {
    values[i] = o->terms[i].value;
    args[i][0] = (query_expr){.kind = EXPR_COLUMN, .column = 1};
    args[i][1] = (query_expr){.kind = EXPR_PARAMETER, .parameter = i};
    filter[i] = (query_expr){.kind = EXPR_TERM,
                             .op = o->terms[i].op,
                             .row = o->terms[i].row,
                             .args = args[i],
                             .n_args = 2};
  }
  a.q.n_select = 1;
  a.q.filter = filter;
  a.q.n_filter = o->n_terms;
  a.q.parameters = values;
  a.q.n_parameters = o->n_terms;
  a.q.order_by = &by;
  a.q.n_order_by = 1;
  compile(&a, c);
  fetch_text(c, &a.request, out, &e);
  if (error_is_set(&e)) ck_abort_msg("%s: %s: %s", what, a.request.text, e.text);
  arena_free(&a.memory);
}

static bool contains_line(const char *all, const char *line, size_t length) {
  for (const char *at = all; (at = strstr(at, "\n")) != NULL; at++) {}
  size_t n = strlen(all);
  for (size_t i = 0; i + length <= n; i++) {
    if ((i == 0 || all[i - 1] == '\n') && memcmp(all + i, line, length) == 0) return true;
  }
  return false;
}

static void compare(const relation *r, const outcome *o, const char *sql, const value *v,
                    const char *what) {
  buffer mine = {0}, theirs = {0};
  native_rows(&mine, sql, v);
  if (o->kind == OUTCOME_TERMS) pushed_rows(&theirs, r, o, what);
  if (o->kind == OUTCOME_TRUE) native_rows(&theirs, "SELECT id FROM t ORDER BY id", NULL);
  if (o->verdict == PUSH_EXACT) {
    ck_assert_msg(strcmp(buffer_cstr(&mine), buffer_cstr(&theirs)) == 0,
                  "%s: SQLite finds %s the server %s (%s)", what, buffer_cstr(&mine),
                  buffer_cstr(&theirs), o->n_terms ? o->terms[0].row->text : "no term");
  }
  for (const char *line = buffer_cstr(&mine); *line;) {
    size_t n = (size_t)(strchr(line, '\n') - line) + 1;
    ck_assert_msg(contains_line(buffer_cstr(&theirs), line, n), "%s: row %.*s is lost", what,
                  (int)n - 1, line);
    line += n;
  }
  buffer_free(&mine);
  buffer_free(&theirs);
}

static const struct { query_operator op; const char *sql;
} operators[] = {
  {OP_EQ, "="},
  {OP_NE, "<>"},
  {OP_LT, "<"},
  {OP_LE, "<="},
  {OP_GT, ">"},
  {OP_GE, ">="},
  {OP_IS, "IS"},
  {OP_IS_NOT, "IS NOT"},
  {OP_IS_NULL, "ISNULL --"},
  {OP_NOT_NULL, "NOTNULL --"},
  {OP_LIKE, "LIKE"},
  {OP_GLOB, "GLOB"},
};

static int pushed_cases;

static void compare_constant(const pushdown_context *p, const relation *r, const char *literal,
                             const value *v) {
  arena memory = {0};
  char sql[300], what[300];
  for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
    outcome o = pushdown_resolve(p, operators[i].op, &r->columns[1], COLLATION_BINARY, v, &memory);
    snprintf(what, sizeof what, "%s %s %s", r->columns[1].remote_type, operators[i].sql, literal);
    if (o.kind == OUTCOME_LOCAL) continue;
    pushed_cases++;
    snprintf(sql, sizeof sql, "SELECT id FROM t WHERE a %s ?1\nORDER BY id", operators[i].sql);
    compare(r, &o, sql, v, what);
  }
  arena_free(&memory);
}

/* The constants as values, bytes in A. */
static int constants_of(const char *literals, value *out, int max, arena *a) {
  char sql[1200];
  sqlite3_stmt *s;
  snprintf(sql, sizeof sql, "SELECT %s", literals);
  ck_assert_int_eq(sqlite3_prepare_v2(native, sql, -1, &s, NULL), SQLITE_OK);
  ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
  int n = sqlite3_column_count(s);
  ck_assert_int_le(n, max);
  for (int i = 0; i < n; i++) {
    value v = {.storage = STORAGE_NULL};
    size_t length = (size_t)sqlite3_column_bytes(s, i);
    switch (sqlite3_column_type(s, i)) {
      case SQLITE_INTEGER:
        v = (value){.storage = STORAGE_INTEGER, .integer = sqlite3_column_int64(s, i)};
        break;
      case SQLITE_FLOAT:
        v = (value){.storage = STORAGE_REAL, .real = sqlite3_column_double(s, i)};
        break;
      case SQLITE_TEXT:
        v = (value){.storage = STORAGE_TEXT, .length = length,
                    .bytes = arena_strndup(a, (const char *)sqlite3_column_text(s, i), length)};
        break;
      case SQLITE_BLOB: {
        char *copy = arena_alloc(a, length + 1);
        if (length) memcpy(copy, sqlite3_column_blob(s, i), length);
        v = (value){.storage = STORAGE_BLOB, .bytes = copy, .length = length};
        break;
      }
      default: break;
    }
    out[i] = v;
  }
  sqlite3_finalize(s);
  return n;
}

static void compare_list(const pushdown_context *p, const relation *r, const char *literals,
                         value *v, int n) {
  arena memory = {0};
  char sql[1500];
  value list = {.storage = STORAGE_LIST, .list = v, .n_list = (size_t)n};
  outcome o = pushdown_resolve(p, OP_IN, &r->columns[1], COLLATION_BINARY, &list, &memory);
  snprintf(sql, sizeof sql, "SELECT id FROM t WHERE a IN (%s) ORDER BY id", literals);
  if (o.kind != OUTCOME_LOCAL) {
    pushed_cases++;
    compare(r, &o, sql, NULL, sql);
  }
  arena_free(&memory);
}

/* ORDER BY both ways, and DISTINCT. */
static void compare_order(const pushdown_context *p, const relation *r) {
  static const char *const native_sql[] = {"SELECT quote(a) FROM t ORDER BY a, id",
                                           "SELECT quote(a) FROM t ORDER BY a DESC, id"};
  reason why;
  tskdb_error e = {0};
  const pushdown_row *row = pushdown_find(p, OP_ORDER, &r->columns[1], COLLATION_BINARY, &why);
  for (int descending = 0; row && descending < 2; descending++) {
    pushdown_row id = {.verdict = PUSH_EXACT, .text = "{c}"};
    query_order by[2] = {
      {.column = {.kind = EXPR_COLUMN, .column = 1, .row = row}, .descending = descending},
      {.column = {.kind = EXPR_COLUMN, .column = 0, .row = &id}}};
    asked a;
    buffer mine = {0}, theirs = {0};
    ask(&a, r);
    a.q.n_select = 1;
    a.q.order_by = by;
    a.q.n_order_by = 2;
    compile(&a, c);
    fetch_text(c, &a.request, &theirs, &e);
    assert_no_error(&e, a.request.text);
    native_rows(&mine,
                descending ? "SELECT id FROM t ORDER BY a DESC, id"
                           : "SELECT id FROM t ORDER BY a, id",
                NULL);
    ck_assert_msg(strcmp(buffer_cstr(&mine), buffer_cstr(&theirs)) == 0,
                  "%s ORDER BY %s: SQLite %s server %s", r->columns[1].remote_type,
                  native_sql[descending], buffer_cstr(&mine), buffer_cstr(&theirs));
    buffer_free(&mine);
    buffer_free(&theirs);
    arena_free(&a.memory);
    pushed_cases++;
  }
  row = pushdown_find(p, OP_DISTINCT, &r->columns[1], COLLATION_BINARY, &why);
  if (!row) return;
  query_expr group = {.kind = EXPR_COLUMN, .column = 1, .row = row};
  asked a;
  buffer theirs = {0}, mine = {0};
  ask(&a, r);
  a.q.select++;
  a.q.n_select = 1;
  a.q.group_by = &group;
  a.q.n_group_by = 1;
  compile(&a, c);
  fetch_text(c, &a.request, &theirs, &e);
  assert_no_error(&e, a.request.text);
  size_t lines = 0;
  for (size_t i = 0; i < theirs.length; i++) lines += theirs.text[i] == '\n';
  native_rows(&mine, "SELECT count(*) FROM (SELECT DISTINCT a FROM t)", NULL);
  ck_assert_msg((size_t)atoi(buffer_cstr(&mine)) == lines, "%s DISTINCT: SQLite %s server %zu",
                r->columns[1].remote_type, buffer_cstr(&mine), lines);
  buffer_free(&mine);
  buffer_free(&theirs);
  arena_free(&a.memory);
}

static void compare_case(const struct type_case *t, bool indexed) {
  char sql[1500];
  value constants[32];
  arena memory = {0};
  snprintf(sql, sizeof sql,
           "CREATE OR REPLACE TABLE pushed(id INT AUTO_INCREMENT PRIMARY KEY, a %s%s%s%s)", t->type,
           indexed ? ", KEY(a" : "", indexed && strcmp(t->type, "TEXT") == 0 ? "(10)" : "",
           indexed ? ")" : "");
  exec(c, sql);
  for (int i = 0; i < 2; i++) {   /* each value twice: DISTINCT */
    snprintf(sql, sizeof sql, "INSERT INTO pushed(a) VALUES %s", t->values);
    exec(c, sql);
  }
  exec(c, "ANALYZE TABLE pushed");
  tskdb_error e = {0};
  ck_assert(mysql->reset(c, &patient, &e));
  catalog *k = discover(c);
  const relation *r = relation_of(k, "pushed");
  pushdown_context p = {.driver = mysql, .version = c->version, .enabled = true};
  copy_native(r);
  int n = constants_of(t->constants, constants, 32, &memory);
  for (int i = 0; i < n; i++) {
    char literal[100];
    snprintf(literal, sizeof literal, "constant %d of %s", i + 1, t->constants);
    compare_constant(&p, r, literal, &constants[i]);
  }
  compare_list(&p, r, t->constants, constants, n);
  /* The first three of it, all of one class, where the whole may be local. */
  if (n >= 2) {
    buffer pair = {0};
    const char *first = t->constants, *comma = strchr(first, ','),
               *second = comma ? strchr(comma + 1, ',') : NULL;
    buffer_append(&pair, first, second ? (size_t)(second - first) : strlen(first));
    compare_list(&p, r, buffer_cstr(&pair), constants, 2);
    buffer_free(&pair);
  }
  compare_order(&p, r);
  catalog_release(k);
  arena_free(&memory);
}

START_TEST(pushed_rows_are_sqlites) {
  const struct type_case *t = &cases[_i / 2];
  if (strcmp(t->type, "UUID") == 0 && (c->version < 100700 || c->version > 200000)) return;
  pushed_cases = 0;
  compare_case(t, _i % 2);
  ck_assert_int_gt(pushed_cases, 0);
}
END_TEST

/* ---- the index ------------------------------------------------------------------ */

static long rows_read(void) {
  return atol(rows_of(
    c, "SELECT CAST(SUM(variable_value) AS SIGNED) FROM information_schema.session_status WHERE "
       "variable_name IN ('Handler_read_rnd_next', 'Handler_read_next', 'Handler_read_prev', "
       "'Handler_read_first')"));
}

static void expect_index(const relation *r, const char *name, query_operator op, const value *v) {
  pushdown_context p = {.driver = mysql, .version = c->version, .enabled = true};
  arena memory = {0};
  buffer got = {0};
  relation copy = *r;
  column columns[2] = {r->columns[0], r->columns[column_at(r, name)]};
  copy.columns = columns;
  copy.n_columns = 2;
  outcome o = pushdown_resolve(&p, op, &columns[1], COLLATION_BINARY, v, &memory);
  ck_assert_msg(o.kind == OUTCOME_TERMS, "%s is not pushed", name);
  long before = rows_read();
  long cost = rows_read() - before;
  before = rows_read();
  pushed_rows(&got, &copy, &o, name);
  long read = rows_read() - before - cost;
  ck_assert_msg(read < 2000, "%s %s read %ld rows", name, query_operator_name(op), read);
  ck_assert_msg(got.length > 0, "%s %s found nothing", name, query_operator_name(op));
  buffer_free(&got);
  arena_free(&memory);
}

static value text_value(const char *text) {
  return (value){.storage = STORAGE_TEXT, .bytes = text, .length = strlen(text)};
}

START_TEST(comparisons_use_the_servers_index) {
  exec(c, "CREATE OR REPLACE TABLE indexed(id INT PRIMARY KEY, i INT, t VARCHAR(30), l VARCHAR(30) "
          "CHARACTER SET latin1, "
          "n VARCHAR(30) COLLATE utf8mb4_nopad_bin, d DECIMAL(10,2), w DECIMAL(30,10), f DOUBLE, g "
          "FLOAT, m DATETIME, y DATE, "
          "z TIMESTAMP NULL, b VARBINARY(20), e ENUM('x','y','rare'), u UUID, "
          "KEY(i), KEY(t), KEY(l), KEY(n), KEY(d), KEY(w), KEY(f), KEY(g), KEY(m), KEY(y), KEY(z), "
          "KEY(b), KEY(e), KEY(u))");
  exec(
    c,
    "INSERT INTO indexed SELECT seq, seq, CONCAT('Name', seq), CONCAT('Näme', seq), CONCAT('name', "
    "seq), seq / 4, "
    "seq / 8, seq / 4, seq / 4, '2020-01-01' + INTERVAL seq MINUTE, '1990-01-01' + INTERVAL seq "
    "DAY, "
    "'2020-01-01' + INTERVAL seq MINUTE, UNHEX(LPAD(HEX(seq), 8, '0')), IF(seq = 77, 'rare', 'x'), "
    "CONCAT('00000000-0000-0000-0000-', LPAD(HEX(seq), 12, '0')) FROM seq_1_to_20000");
  exec(c, "ANALYZE TABLE indexed");
  tskdb_error e = {0};
  ck_assert(mysql->reset(c, &patient, &e));
  catalog *k = discover(c);
  const relation *r = relation_of(k, "indexed");
  value five = {.storage = STORAGE_INTEGER, .integer = 5},
        quarter = {.storage = STORAGE_REAL, .real = 1.25};
  value eighth = {.storage = STORAGE_REAL, .real = 0.125};
  value names[] = {text_value("Name5"), text_value("Name6")},
        latin[] = {text_value("Näme5"), text_value("Näme7")};
  value days[] = {text_value("1990-01-03"), text_value("1990-01-04")};
  value list = {.storage = STORAGE_LIST, .list = names, .n_list = 2};
  value latin_list = {.storage = STORAGE_LIST, .list = latin, .n_list = 2};
  value day_list = {.storage = STORAGE_LIST, .list = days, .n_list = 2};
  value bytes = {.storage = STORAGE_BLOB, .bytes = "\0\0\0\7", .length = 4};
  value moment = text_value("2020-01-01 00:05:00"), name = text_value("name5"),
        rare = text_value("rare");
  value uuid = text_value("00000000-0000-0000-0000-000000000011");
  value numbers[] = {five, {.storage = STORAGE_INTEGER, .integer = 7}};
  value number_list = {.storage = STORAGE_LIST, .list = numbers, .n_list = 2};
  expect_index(r, "i", OP_EQ, &five);
  expect_index(r, "i", OP_LT, &five);
  expect_index(r, "i", OP_IN, &number_list);
  expect_index(r, "t", OP_EQ, &names[0]);
  expect_index(r, "t", OP_IN, &list);
  expect_index(r, "l", OP_EQ, &latin[0]);
  expect_index(r, "l", OP_IN, &latin_list);
  expect_index(r, "n", OP_EQ, &name);
  expect_index(r, "d", OP_EQ, &quarter);
  expect_index(r, "d", OP_LE, &quarter);
  expect_index(r, "d", OP_IN, &number_list);
  expect_index(r, "w", OP_EQ, &eighth);
  expect_index(r, "f", OP_EQ, &quarter);
  expect_index(r, "g", OP_EQ, &quarter);
  expect_index(r, "m", OP_EQ, &moment);
  expect_index(r, "m", OP_LE, &moment);
  expect_index(r, "y", OP_IN, &day_list);
  expect_index(r, "z", OP_EQ, &moment);
  expect_index(r, "z", OP_LT, &moment);
  expect_index(r, "b", OP_EQ, &bytes);
  expect_index(r, "e", OP_EQ, &rare);
  expect_index(r, "u", OP_EQ, &uuid);
  catalog_release(k);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("mysql pushdown");
  TCase *t = tcase_create("differential");
  tcase_set_timeout(t, 40);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, pushed_rows_are_sqlites, 0, 2 * N_CASES);
  tcase_add_test(t, comparisons_use_the_servers_index);
  suite_add_tcase(s, t);
  return s;
}

int main(void) {
  fixture_start();
  SRunner *r = srunner_create(suite());
  srunner_run_all(r, CK_ENV);
  int failed = srunner_ntests_failed(r);
  srunner_free(r);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
