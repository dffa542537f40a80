/*
** functions.c - tskdb_attach(), tskdb_detach(), tskdb_refresh(), tskdb_analyze(), tskdb_exec(),
** tskdb_lock(), tskdb_version().
**
** Those that reach servers are DIRECTONLY: no view, trigger or schema can call
** them.  Their C forms in library.c go through attach.c and server.c as well.
*/
#include "federation/functions.h"

#include "federation/attach.h"
#include "federation/server.h"
#include "federation/statistics.h"
#include "federation/tskdb.h"
#include "vtab/buffer.h"
#include "vtab/memory.h"

static void fail(sqlite3_context *out, registry *r, const tskdb_error *e) {
  char text[1024];
  registry_remember(r, e);
  sqlite3_result_error(out, error_format(e, text, sizeof(text)), -1);
  sqlite3_result_error_code(out, error_sqlite_code(e));
}

static const char *text_of(sqlite3_value *v) {
  const char *text = (const char *)sqlite3_value_text(v);
  return text ? text : "";
}

static void finish(sqlite3_context *out, registry *r, bool ok, buffer *text, const tskdb_error *e) {
  if (!ok) fail(out, r, e);
  else if (text->failed) sqlite3_result_error_nomem(out);
  else sqlite3_result_text(out, buffer_cstr(text), -1, SQLITE_TRANSIENT);
  buffer_free(text);
}

static void attach(sqlite3_context *out, int argc, sqlite3_value **argv) {
  registry *r = sqlite3_user_data(out);
  tskdb_error e = {0};
  buffer summary = {0};
  const char *text = argc > 2 ? (const char *)sqlite3_value_text(argv[2]) : NULL;
  bool ok = argc < 2 || argc > 3
      ? error_set(&e, ERROR_CONFIG, "usage: tskdb_attach(name, url [, options])")
      : attach_server(r, text_of(argv[0]), text_of(argv[1]), text, &summary, &e);
  finish(out, r, ok, &summary, &e);
}

static void detach(sqlite3_context *out, int argc, sqlite3_value **argv) {
  registry *r = sqlite3_user_data(out);
  tskdb_error e = {0};
  buffer text = {0};
  (void)argc;
  bool ok = attach_detach(r, text_of(argv[0]), &e);
  buffer_printf(&text, "%s: detached", text_of(argv[0]));
  finish(out, r, ok, &text, &e);
}

static void refresh(sqlite3_context *out, int argc, sqlite3_value **argv) {
  registry *r = sqlite3_user_data(out);
  tskdb_error e = {0};
  buffer report = {0};
  (void)argc;
  bool ok = attach_refresh(r, text_of(argv[0]), &report, &e);
  finish(out, r, ok, &report, &e);
}

static void analyze(sqlite3_context *out, int argc, sqlite3_value **argv) {
  registry *r = sqlite3_user_data(out);
  tskdb_error e = {0};
  buffer report = {0};
  (void)argc;
  bool ok = statistics_analyze(r, text_of(argv[0]), &report, &e);
  finish(out, r, ok, &report, &e);
}

static attached_server *remote(registry *r, const char *name, tskdb_error *e) {
  attached_server *s = registry_unlocked(r, "tskdb_exec()", e) ? registry_find(r, name, e) : NULL;
  if (!s || s->base.driver) return s;
  error_set(e, ERROR_CONFIG, "\"%.64s\" is a SQLite file: use SQL itself", name);
  return NULL;
}

static void exec(sqlite3_context *out, int argc, sqlite3_value **argv) {
  registry *r = sqlite3_user_data(out);
  tskdb_error e = {0};
  int64_t affected = 0;
  bool ok = false;
  value *parameters = mem_alloc(((size_t)argc + 1) * sizeof(*parameters));
  if (!parameters) error_memory(&e);
  else if (argc < 2) error_set(&e, ERROR_CONFIG, "usage: tskdb_exec(server, statement [, parameter…])");
  else {
    attached_server *s = remote(r, text_of(argv[0]), &e);
    for (int i = 2; i < argc; i++) parameters[i - 2] = sqlite_value(argv[i]);
    ok = s && server_exec(s, text_of(argv[1]), parameters, argc - 2, &affected, &e);
    if (!ok && s) error_server(&e, s->base.name);
  }
  mem_free(parameters);
  if (ok) sqlite3_result_int64(out, affected);
  else fail(out, r, &e);
}

static void lock(sqlite3_context *out, int argc, sqlite3_value **argv) {
  (void)argc, (void)argv;
  ((registry *)sqlite3_user_data(out))->locked = true;
  sqlite3_result_text(out, "locked", -1, SQLITE_STATIC);
}

static void version(sqlite3_context *out, int argc, sqlite3_value **argv) {
  (void)argc, (void)argv;
  sqlite3_result_text(out, tskdb_version(), -1, SQLITE_STATIC);
}

static const struct {
  const char *name;
  int arguments;
  int flags;
  void (*call)(sqlite3_context *, int, sqlite3_value **);
} functions[] = {
  {"tskdb_attach", -1, SQLITE_DIRECTONLY, attach},
  {"tskdb_detach", 1, SQLITE_DIRECTONLY, detach},
  {"tskdb_refresh", 1, SQLITE_DIRECTONLY, refresh},
  {"tskdb_analyze", 1, SQLITE_DIRECTONLY, analyze},
  {"tskdb_exec", -1, SQLITE_DIRECTONLY, exec},
  {"tskdb_lock", 0, SQLITE_DIRECTONLY, lock},
  {"tskdb_version", 0, SQLITE_INNOCUOUS | SQLITE_DETERMINISTIC, version},
};

/* SQLite calls the destructor also when it refuses the function. */
int functions_register(registry *r) {
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof(functions) / sizeof(functions[0]); i++) {
    registry_retain(r);
    rc = sqlite3_create_function_v2(r->db, functions[i].name, functions[i].arguments,
                                    SQLITE_UTF8 | functions[i].flags, r, functions[i].call, NULL, NULL,
                                    registry_destroy);
  }
  return rc;
}
