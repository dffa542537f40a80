/*
** options.c - the JSON object of tskdb_attach().
**
** Invariant: what is printed of options is read as the same options.
*/
#include "federation/options.h"

#include "tests/fuzz/fuzz.h"
#include "vtab/buffer.h"

static sqlite3 *db;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  MUST(sqlite3_open(":memory:", &db) == SQLITE_OK);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  arena a = {0};
  options o, again;
  tskdb_error e = {0};
  bool for_sqlite = length && bytes[0] == ' ';
  char *text = fuzz_text(bytes, length);
  bool ok = options_parse(db, text, for_sqlite, &a, &o, &e);
  MUST(ok != error_is_set(&e));
  if (ok) {
    buffer once = {0}, twice = {0};
    options_print(&o, &once);
    MUST(options_parse(db, buffer_cstr(&once), for_sqlite, &a, &again, &e));
    options_print(&again, &twice);
    MUST(strcmp(buffer_cstr(&once), buffer_cstr(&twice)) == 0);
    MUST(o.pushdown == again.pushdown && o.timeout_ms == again.timeout_ms &&
         o.tables.n == again.tables.n && o.pushdown_off.n == again.pushdown_off.n);
    option_list_matches(&o.tables, "orders", "shop.orders");
    buffer_free(&once);
    buffer_free(&twice);
  }
  MUST(sqlite3_next_stmt(db, NULL) == NULL);
  free(text);
  arena_free(&a);
  return 0;
}
