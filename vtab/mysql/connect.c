/*
** connect.c - a connection: opened, pinned, used again, stopped, closed.
**
** Remote session: one SET after connecting (and after a reset) pins what the
** meaning of data depends on: time zone UTC, utf8mb4 with a binary collation,
** a strict sql_mode in which backslashes escape and || is OR, no
** `IS NULL finds the last insert id`, no limits on group_concat and on the
** rows of a SELECT, and a server that waits for a slow reader.
**
** Not here: how calls wait (wire.c); which statements are prepared
** (statement.c).
*/
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vtab/memory.h"
#include "vtab/mysql/mysql_driver.h"

enum {
  CONNECT_MS = 10000,          /* without any given bound */
  CANCEL_MS = 3000
};

#define STRING(number) STRING_OF(number)
#define STRING_OF(number) #number

static const char pin[] =
  "SET character_set_client = utf8mb4, character_set_connection = utf8mb4, "
  "character_set_results = utf8mb4, collation_connection = utf8mb4_bin, "
  "time_zone = '+00:00', "
  "sql_mode = "
  "'STRICT_TRANS_TABLES,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', "
  "max_sort_length = " STRING(MYSQL_MAX_SORT_LENGTH) ", "
  "sql_auto_is_null = 0, sql_big_selects = 1, sql_select_limit = DEFAULT, "
  "group_concat_max_len = 4294967295, net_write_timeout = 86400";

static bool pin_session(mysql_connection *c, const wait_scope *w, tskdb_error *e) {
  char text[sizeof(pin) + 64];
  const char *read_only = "";
  if (c->login->read_only)
    read_only = c->mariadb ? ", tx_read_only = 1" : ", transaction_read_only = 1";
  int length = snprintf(text, sizeof(text), "%s%s", pin, read_only);
  return wire_query(c, text, (size_t)length, w, "cannot prepare the session", NULL, e);
}

/* ---- open ------------------------------------------------------------------ */

/* Where, in words, for a message. */
static const char *place(const mysql_host *h, char *out, size_t size) {
  if (h->socket) snprintf(out, size, "socket \"%s\"", h->socket);
  else snprintf(out, size, "host \"%s\", port %d", h->name, h->port);
  return out;
}

/* What the library calls a host: no name means a socket, and "localhost" would
** mean one to it too. */
static MYSQL *connect_handle(MYSQL *m, const mysql_login *l, const mysql_host *h) {
  unsigned int protocol = h->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  mysql_options(m, MYSQL_OPT_PROTOCOL, &protocol);
  return mysql_real_connect(m, h->socket ? "localhost" : h->name, l->user, l->password, l->database,
                            (unsigned int)h->port, h->socket, CLIENT_MULTI_RESULTS);
}

/* The server was asked for TLS: it must have come. */
static bool check_tls(MYSQL *m, mysql_tls tls, tskdb_error *e) {
  if (tls <= MYSQL_TLS_PREFER || mysql_get_ssl_cipher(m)) return true;
  return error_set(e, ERROR_TLS, "the server offers no TLS");
}

/* A connected handle, or NULL. */
static MYSQL *connect_host(const mysql_login *l, const mysql_host *h, const wait_scope *w,
                           int64_t deadline_us, tskdb_error *e) {
  mysql_tls tls = login_tls(l, h);
  int left_ms = (int)((deadline_us - wait_now_us()) / 1000);
  wire_call call;
  char where[300];
  MYSQL *m = wire_new(l, tls, left_ms, e);
  if (!m) return NULL;
  place(h, where, sizeof(where));
  wire_begin_connect(&call, w, deadline_us, tls != MYSQL_TLS_DISABLE);
  call.ungreeted = true;
  bool ok = connect_handle(m, l, h) != NULL;
  if (!ok) {
    wire_connect_error(&call, m, "cannot connect", e);
    if (e->klass == ERROR_TIMEOUT) {
      error_clear(e);
      error_set(e, ERROR_TIMEOUT, "cannot connect: no answer in time");
    }
  } else {
    ok = check_tls(m, tls, e);
  }
  if (!ok) {
    error_prefix(e, "%s", where);
    mysql_close(m);
  }
  wire_end(&call);
  return ok ? m : NULL;
}

/* Another host may do better only if this one was not reached or not ready. */
static bool try_next(const tskdb_error *e) {
  return e->klass == ERROR_NETWORK || e->klass == ERROR_TIMEOUT;
}

/* Each host gets its share of what is left of the time. */
static bool connect_any(mysql_connection *c, const wait_scope *w, int64_t deadline_us,
                        tskdb_error *e) {
  mysql_login *l = c->login;
  for (int i = 0; i < l->n_hosts; i++) {
    int64_t now = wait_now_us(), share = (deadline_us - now) / (l->n_hosts - i);
    tskdb_error mine = {0};
    c->handle = connect_host(l, &l->hosts[i], w, now + share, &mine);
    c->host = &l->hosts[i];
    if (c->handle) return true;
    if (i + 1 < l->n_hosts && try_next(&mine)) continue;
    error_set(e, mine.klass, "%s", mine.text);
    error_native(e, mine.native, mine.sqlstate);
    return false;
  }
  return false;
}

/* A peer that is gone is noticed within about a minute, idle or in the midst of sending. */
static void notice_dead_peer(int fd) {
  static const struct { int level, name, value; } options[] = {
    {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 30}, {IPPROTO_TCP, TCP_KEEPINTVL, 10},
    {IPPROTO_TCP, TCP_KEEPCNT, 3}, {IPPROTO_TCP, TCP_USER_TIMEOUT, 60000},
  };
  for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
    setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
  }
}

static void greet(mysql_connection *c) {
  const char *version = mysql_get_server_info(c->handle);
  int fd = wire_socket(c->handle);
  c->base.version = (uint32_t)mysql_get_server_version(c->handle);
  c->mariadb = version && strstr(version, "MariaDB") != NULL;
  c->thread_id = mysql_thread_id(c->handle);
  c->tls = mysql_get_ssl_cipher(c->handle) != NULL;
  c->base.round_trips = 1;
  if (c->host->name) notice_dead_peer(fd);
#ifdef LIBMARIADB
  /* TLS reads the socket directly: without this a read would not come back to
  ** the one place that waits (wire.c). */
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
#endif
}

static int connect_bound(const endpoint *at, const mysql_login *l) {
  int ms = at->connect_timeout_ms > 0 ? at->connect_timeout_ms : CONNECT_MS;
  return l->connect_timeout_ms > 0 && l->connect_timeout_ms < ms ? l->connect_timeout_ms : ms;
}

/* The scope, with a wait that ends at the deadline if not before. */
static wait_scope what_is_left(const wait_scope *w, int64_t deadline_us) {
  wait_scope rest = *w;
  int left_ms = (int)((deadline_us - wait_now_us()) / 1000);
  if (left_ms < 1) left_ms = 1;
  if (rest.timeout_ms <= 0 || rest.timeout_ms > left_ms) rest.timeout_ms = left_ms;
  return rest;
}

connection *mysql_driver_open(const endpoint *at, const wait_scope *w, tskdb_error *e) {
  mysql_connection *c;
  if (!wire_library_init(e)) return NULL;
  wire_thread_start();
  c = mem_zalloc(sizeof(*c));
  if (!c) {
    error_memory(e);
    return NULL;
  }
  c->login = login_new(at, e);
  if (c->login) {
    int64_t deadline_us = wait_now_us() + (int64_t)connect_bound(at, c->login) * 1000;
    if (connect_any(c, w, deadline_us, e)) {
      greet(c);
      wait_scope rest = what_is_left(w, deadline_us);
      c->ready = pin_session(c, &rest, e);
      if (c->ready) return &c->base;
    }
  }
  mysql_driver_close(&c->base, false);
  return NULL;
}

/* ---- keeping -------------------------------------------------------------------- */

bool mysql_driver_ping(connection *base, const wait_scope *w, tskdb_error *e) {
  mysql_connection *c = (mysql_connection *)base;
  wire_call call;
  wire_begin(&call, c, w);
  c->base.round_trips++;
  bool ok = mysql_ping(c->handle) == 0 && !call.stopped;
  if (!ok) {
    wire_error(&call, c, "the connection does not answer", e);
    c->base.broken = true;
  }
  wire_end(&call);
  return ok;
}

bool mysql_driver_reset(connection *base, const wait_scope *w, tskdb_error *e) {
  mysql_connection *c = (mysql_connection *)base;
  wire_call call;
  wire_begin(&call, c, w);
  c->base.round_trips++;
  bool ok = mysql_reset_connection(c->handle) == 0 && !call.stopped;
  if (!ok) wire_error(&call, c, "cannot reset the session", e);
  /* The server has forgotten its prepared statements, and so has the library. */
  if (ok) statement_cache_clear(&c->cache);
  wire_end(&call);
  if (ok && c->login->database) {
    /* USE is not undone by it. */
    wire_begin(&call, c, w);
    c->base.round_trips++;
    ok = mysql_select_db(c->handle, c->login->database) == 0 && !call.stopped;
    if (!ok) wire_error(&call, c, "cannot go back to the URL's database", e);
    wire_end(&call);
  }
  ok = ok && pin_session(c, w, e);
  if (ok) c->base.dirty = false;
  else c->base.broken = true;
  return ok;
}

/* ---- stopping -------------------------------------------------------------------- */

/* Over a connection of its own, which the server knows nothing else of. */
void mysql_driver_cancel(connection *base) {
  const mysql_connection *c = (const mysql_connection *)base;
  static const wait_scope alone = {.wake_fd = -1};
  int64_t deadline_us = wait_now_us() + (int64_t)CANCEL_MS * 1000;
  tskdb_error ignored = {0};
  wire_call call;
  char text[64];
  wire_thread_start();
  MYSQL *m = connect_host(c->login, c->host, &alone, deadline_us, &ignored);
  if (!m) return;
  int length = snprintf(text, sizeof(text), "KILL QUERY %lu", c->thread_id);
  wire_begin_connect(&call, &alone, deadline_us, c->tls);
  mysql_real_query(m, text, (unsigned long)length);
  mysql_close(m);
  wire_end(&call);
}

/* Puts /dev/null in the place of the socket, so that what the library says in
** closing does not reach a server that the parent process still talks to. */
static void disconnect_child(MYSQL *m) {
  int fd = wire_socket(m), null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || fd < 0) return;
  dup2(null, fd);
  close(null);
}

void mysql_driver_close(connection *base, bool forked) {
  mysql_connection *c = (mysql_connection *)base;
  if (!c) return;
  if (c->handle) {
    wire_call call;
    static const wait_scope alone = {.wake_fd = -1};
    int fd = wire_socket(c->handle);
    if (forked) disconnect_child(c->handle);
    else if (c->base.broken && fd >= 0) shutdown(fd, SHUT_RDWR);
    wire_begin_connect(&call, &alone, 1, c->tls);   /* a deadline that has passed: no waiting */
    mysql_close(c->handle);
    wire_end(&call);
    /* Its statements are orphans now: freeing them sends nothing. */
    statement_cache_clear(&c->cache);
  }
  login_free(c->login);
  mem_free(c);
}
