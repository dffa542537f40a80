/*
** wire.c - calls into the client library: the only file that knows which one
** it is.
**
** MariaDB Connector/C lets us wait in its place (MARIADB_OPT_IO_WAIT): every
** read and write that would block comes to wait_in_place(), which polls
** through the scope of the call that this thread is in.  So all of the
** library, TLS and the one-round-trip execute included, can be interrupted
** without its coroutines.  Oracle's library blocks; there a call is bounded by
** the read and write time-outs that wire_new() sets, and an interrupt is seen
** between calls.
**
** What an interrupt or a time-out does, in one place: the server is told to
** stop (KILL QUERY, over a connection of its own), and the call goes on for a
** short grace period, in which the server normally answers "query execution
** was interrupted": then the connection is as good as before.  Else the
** library is told that the wait failed, and the connection is broken.
**
** Invariants:
**   1. Outside wire_begin() … wire_end() the library never waits.
**   2. SIGPIPE: the library's start ignores it for the whole process, which
**      is undone; plain sockets are written with MSG_NOSIGNAL; TLS is not, so
**      on such connections SIGPIPE is blocked in the thread during a call and
**      one that came is taken away.
**   3. LOCAL INFILE is off, the clear-text authentication plugin is allowed
**      over verified TLS only.
*/
#include "vtab/mysql/mysql_driver.h"

#include <errno.h>
#ifdef LIBMARIADB
#include <ma_pvio.h>
#endif
#include <mysqld_error.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
  GRACE_MS = 2000,             /* for the server's answer to KILL QUERY */
  TLS_RETRY_MS = 20,           /* see wait_in_place() */
  MAX_PACKET = 1 << 30,
  ORACLE_READ_SECONDS = 600    /* where a wait cannot be interrupted */
};

static _Thread_local wire_call *current;

/* ---- the library's start ------------------------------------------------- */

static struct { pthread_once_t once; bool ok; } library = {PTHREAD_ONCE_INIT, false};

static void library_start(void) {
  struct sigaction before;
  bool known = sigaction(SIGPIPE, NULL, &before) == 0;
  library.ok = mysql_library_init(0, NULL, NULL) == 0;
  if (known) sigaction(SIGPIPE, &before, NULL);
}

bool wire_library_init(tskdb_error *e) {
  pthread_once(&library.once, library_start);
  if (!library.ok) return error_set(e, ERROR_INTERNAL, "the MySQL client library does not start");
  return true;
}

#ifdef LIBMARIADB
void wire_thread_start(void) {}
#else
static pthread_key_t thread_key;
static pthread_once_t thread_key_once = PTHREAD_ONCE_INIT;

static void thread_stop(void *unused) {
  (void)unused;
  mysql_thread_end();
}

static void thread_key_start(void) { pthread_key_create(&thread_key, thread_stop); }

/* Oracle's library keeps something for each thread; it goes with the thread. */
void wire_thread_start(void) {
  pthread_once(&thread_key_once, thread_key_start);
  if (pthread_getspecific(thread_key)) return;
  mysql_thread_init();
  pthread_setspecific(thread_key, &thread_key);
}
#endif

/* ---- waiting ---------------------------------------------------------------- */

/* The wait has ended, CALL->why says how: tells the server, starts the grace period.
** False: there is nothing to wait for any more. */
static bool stop_call(wire_call *call) {
  call->stopped = true;
  if (!call->c || !call->c->ready) {
    call->gave_up = true;
    return false;
  }
  mysql_driver_cancel(&call->c->base);
  call->deadline_us = wait_now_us() + (int64_t)GRACE_MS * 1000;
  return true;
}

void wire_stop(wire_call *call) { stop_call(call); }

#ifdef LIBMARIADB

/* Milliseconds that the next wait may take; 0: no bound, -1: none are left. */
static int wait_limit(const wire_call *call) {
  int limit = call->stopped ? 0 : call->limit_ms;
  if (call->deadline_us) {
    int64_t left = (call->deadline_us - wait_now_us() + 999) / 1000;
    if (left <= 0) return -1;
    if (limit <= 0 || left < limit) limit = (int)left;
  }
  return limit;
}

/* Whether a wait that was cut short has lasted as long as it may. */
static bool is_overdue(wire_call *call, int slice_ms) {
  call->quiet_ms += slice_ms;
  return !call->stopped && call->limit_ms > 0 && call->quiet_ms >= call->limit_ms;
}

/* Waits once more; within TLS only for a short time, and then as if FD were
** ready.  False: the library shall give up. */
static bool wait_once(wire_call *call, int fd, short events) {
  static const wait_scope grace = {.wake_fd = -1};
  const wait_scope *scope = call->stopped ? &grace : call->scope;
  int limit = wait_limit(call);
  bool timed_out = limit < 0, sliced = call->tls && (limit <= 0 || TLS_RETRY_MS < limit);
  if (!timed_out && !wait_socket_for(scope, fd, events, sliced ? TLS_RETRY_MS : limit, &timed_out,
                                     NULL, &call->why)) {
    return stop_call(call);
  }
  if (!timed_out) {
    call->quiet_ms = 0;
    return true;
  }
  if (sliced && !is_overdue(call, TLS_RETRY_MS)) return true;
  if (call->stopped) {
    call->gave_up = true;
    return false;
  }
  error_set(&call->why, ERROR_TIMEOUT, "no answer for %d ms (option timeout)",
            call->scope->timeout_ms);
  return stop_call(call);
}

/* The server speaks first. A report of progress (an error of number 65535) in place of its
** greeting would end the process: the library asks for the server's version then. */
static bool is_greeted(wire_call *call, int fd) {
  unsigned char head[7];                 /* length, number, 0xFF, an error's number */
  int whole = sizeof(head), one = 1;
  bool tls = call->tls;
  call->tls = call->ungreeted = false;
  setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &whole, sizeof(whole));
  bool ok = wait_once(call, fd, POLLIN);
  setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
  call->tls = tls;
  if (!ok || recv(fd, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT) < whole) return ok;
  if (head[4] != 0xFF || head[5] != 0xFF || head[6] != 0xFF) return true;
  error_set(&call->why, ERROR_PROTOCOL, "the server's first words are no greeting");
  call->stopped = call->gave_up = true;
  return false;
}

/* The library's wait: 1 ready (or: try again), 0 no. */
static int wait_in_place(my_socket fd, my_bool is_read, int timeout) {
  wire_call *call = current;
  (void)timeout;
  if (!call || call->gave_up) {
    errno = ETIMEDOUT;
    return 0;
  }
  /* Within TLS the library always asks to wait for reading, also when it
  ** wants to write: there it tries again after a short time. */
  bool ready = wait_once(call, fd, is_read ? POLLIN : POLLOUT);
  if (ready && (!call->ungreeted || is_greeted(call, fd))) return 1;
  errno = ETIMEDOUT;
  return 0;
}

#endif

static void block_pipe(wire_call *call) {
  sigset_t pipe_only;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  /* One that is pending already is not ours to take away. */
  sigset_t pending;
  if (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE)) return;
  call->pipe_blocked = pthread_sigmask(SIG_BLOCK, &pipe_only, &call->signals) == 0;
}

static void unblock_pipe(wire_call *call) {
  static const struct timespec now = {0, 0};
  sigset_t pipe_only;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  while (sigtimedwait(&pipe_only, NULL, &now) < 0 && errno == EINTR) {}
  pthread_sigmask(SIG_SETMASK, &call->signals, NULL);
}

static void begin(wire_call *call, bool tls) {
  wire_thread_start();
  call->outer = current;
  call->tls = tls;
  if (tls) block_pipe(call);
  current = call;
}

void wire_begin(wire_call *call, mysql_connection *c, const wait_scope *w) {
  *call = (wire_call){.c = c, .scope = w, .limit_ms = w->timeout_ms};
  int read_ms = c->login->read_timeout_ms;
  if (read_ms > 0 && (call->limit_ms <= 0 || read_ms < call->limit_ms)) call->limit_ms = read_ms;
  begin(call, c->tls);
}

void wire_begin_connect(wire_call *call, const wait_scope *w, int64_t deadline_us, bool tls) {
  *call = (wire_call){.scope = w, .deadline_us = deadline_us};
  begin(call, tls);
}

void wire_end(wire_call *call) {
  current = call->outer;
  if (call->pipe_blocked) unblock_pipe(call);
}

/* ---- a handle with its options ------------------------------------------- */

/* Plugins that never show the password to whoever asks for it. */
#define SAFE_PLUGINS \
  "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,parsec," \
  "auth_gssapi_client"
#define VERIFIED_PLUGINS SAFE_PLUGINS ",mysql_clear_password,dialog"

#ifdef LIBMARIADB

static void set_tls(MYSQL *m, const mysql_login *l, mysql_tls tls) {
  wire_flag verify = tls == MYSQL_TLS_VERIFY_FULL, enforce = tls != MYSQL_TLS_DISABLE;
  /* From 3.4 on the library either verifies the name too or nothing. */
  if (tls == MYSQL_TLS_VERIFY_CA && mysql_get_client_version() >= 30400) verify = 1;
  mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
  if (!enforce) return;
  mysql_options(m, MYSQL_OPT_SSL_ENFORCE, &enforce);
  if (l->certificate) mysql_options(m, MYSQL_OPT_SSL_CERT, l->certificate);
  if (l->key) mysql_options(m, MYSQL_OPT_SSL_KEY, l->key);
  if (l->ca && tls >= MYSQL_TLS_VERIFY_CA) mysql_options(m, MYSQL_OPT_SSL_CA, l->ca);
}

static void set_library(MYSQL *m, int connect_ms) {
  /* A blocking TLS handshake comes up for air this often; wait_in_place()
  ** knows how long connecting may really take. */
  unsigned int second = 1;
  unsigned long packet = MAX_PACKET;
  (void)connect_ms;
  mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &second);
  mysql_options(m, MARIADB_OPT_IO_WAIT, (const void *)(intptr_t)wait_in_place);
  mysql_options(m, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
}

static void set_plugins(MYSQL *m, bool verified) {
  mysql_options(m, MARIADB_OPT_RESTRICTED_AUTH, verified ? VERIFIED_PLUGINS : SAFE_PLUGINS);
}

#else

static void set_tls(MYSQL *m, const mysql_login *l, mysql_tls tls) {
  static const unsigned int modes[] = {SSL_MODE_DISABLED, SSL_MODE_PREFERRED, SSL_MODE_REQUIRED,
                                       SSL_MODE_VERIFY_CA, SSL_MODE_VERIFY_IDENTITY};
  mysql_options(m, MYSQL_OPT_SSL_MODE, &modes[tls]);
  if (tls == MYSQL_TLS_DISABLE) return;
  if (l->certificate) mysql_options(m, MYSQL_OPT_SSL_CERT, l->certificate);
  if (l->key) mysql_options(m, MYSQL_OPT_SSL_KEY, l->key);
  if (l->ca) mysql_options(m, MYSQL_OPT_SSL_CA, l->ca);
}

static void set_library(MYSQL *m, int connect_ms) {
  unsigned int connect = connect_ms > 1000 ? (unsigned int)connect_ms / 1000 : 1;
  unsigned int wait = ORACLE_READ_SECONDS;
  unsigned long packet = MAX_PACKET;
  mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
  mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &wait);
  mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &wait);
  mysql_options(m, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
}

static void set_plugins(MYSQL *m, bool verified) {
  bool clear = verified;
  mysql_options(m, MYSQL_ENABLE_CLEARTEXT_PLUGIN, &clear);
}

#endif

MYSQL *wire_new(const mysql_login *l, mysql_tls tls, int connect_ms, tskdb_error *e) {
  unsigned int off = 0;
  wire_flag reconnect = 0, report = 1;
  MYSQL *m = mysql_init(NULL);
  if (!m) {
    error_memory(e);
    return NULL;
  }
  guard_statements(m);
  mysql_options(m, MYSQL_OPT_LOCAL_INFILE, &off);
  mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
#ifdef LIBMARIADB
  mysql_options(m, MYSQL_OPT_RECONNECT, &reconnect);
#else
  (void)reconnect;
#endif
  mysql_options(m, MYSQL_REPORT_DATA_TRUNCATION, &report);
  if (l->compress) mysql_options(m, MYSQL_OPT_COMPRESS, NULL);
  set_library(m, connect_ms);
  set_tls(m, l, tls);
  set_plugins(m, tls == MYSQL_TLS_VERIFY_FULL || tls == MYSQL_TLS_VERIFY_CA);
  return m;
}

/* ---- errors ------------------------------------------------------------------ */

/* The server's and the library's error numbers by class.  What is not here is
** the server's opinion of a statement. */
static const struct { int number; error_class klass; } error_numbers[] = {
  {CR_OUT_OF_MEMORY, ERROR_MEMORY},
  {CR_CONNECTION_ERROR, ERROR_NETWORK},
  {CR_CONN_HOST_ERROR, ERROR_NETWORK},
  {CR_IPSOCK_ERROR, ERROR_NETWORK},
  {CR_SOCKET_CREATE_ERROR, ERROR_NETWORK},
  {CR_UNKNOWN_HOST, ERROR_NETWORK},
  {CR_SERVER_GONE_ERROR, ERROR_NETWORK},
  {CR_SERVER_LOST, ERROR_NETWORK},
  {CR_SERVER_HANDSHAKE_ERR, ERROR_NETWORK},
  {CR_SERVER_LOST_EXTENDED, ERROR_NETWORK},
  {CR_SSL_CONNECTION_ERROR, ERROR_TLS},
  {CR_VERSION_ERROR, ERROR_PROTOCOL},
  {CR_MALFORMED_PACKET, ERROR_PROTOCOL},
  {CR_COMMANDS_OUT_OF_SYNC, ERROR_PROTOCOL},
  {CR_UNKNOWN_ERROR, ERROR_PROTOCOL},
  {CR_AUTH_PLUGIN_CANNOT_LOAD, ERROR_AUTH},
  {CR_AUTH_PLUGIN_ERR, ERROR_AUTH},
#ifdef LIBMARIADB
  {CR_PLUGIN_NOT_ALLOWED, ERROR_AUTH},
#endif
  {ER_ACCESS_DENIED_ERROR, ERROR_AUTH},
  {ER_DBACCESS_DENIED_ERROR, ERROR_AUTH},
  {1142 /* table access denied */, ERROR_AUTH},
  {1143 /* column access denied */, ERROR_AUTH},
  {1227 /* a privilege is missing */, ERROR_AUTH},
  {1130 /* host not allowed */, ERROR_AUTH},
  {1129 /* host blocked */, ERROR_AUTH},
  {1698 /* access denied, no password given */, ERROR_AUTH},
  {1820 /* the password has expired */, ERROR_AUTH},
  {1862 /* the password has expired */, ERROR_AUTH},
  {3159 /* the server requires TLS */, ERROR_TLS},
  {ER_BAD_DB_ERROR, ERROR_CONFIG},
  {1040 /* too many connections */, ERROR_NETWORK},
  {1203 /* too many connections of this user */, ERROR_NETWORK},
  {1226 /* a limit of this user */, ERROR_LIMIT},
  {1053 /* the server shuts down */, ERROR_NETWORK},
  {1079 /* the server shuts down */, ERROR_NETWORK},
  {1152 /* aborted connection */, ERROR_NETWORK},
  {1158 /* network read error */, ERROR_NETWORK},
  {1159 /* network read time-out */, ERROR_NETWORK},
  {1160 /* network write error */, ERROR_NETWORK},
  {1161 /* network write time-out */, ERROR_NETWORK},
  {1927 /* the connection was killed */, ERROR_NETWORK},
  {4031 /* the server closed an idle connection */, ERROR_NETWORK},
  {1205 /* lock wait time-out */, ERROR_CONFLICT},
  {1213 /* deadlock */, ERROR_CONFLICT},
  {1020 /* the record has changed since it was read */, ERROR_CONFLICT},
  {1317 /* KILL QUERY */, ERROR_INTERRUPT},
  {1969 /* max_statement_time */, ERROR_TIMEOUT},
  {3024 /* max_execution_time */, ERROR_TIMEOUT},
  {1146 /* no such table */, ERROR_STALE},
  {1054 /* no such column */, ERROR_STALE},
  {1356 /* a view refers to what is not there */, ERROR_STALE},
  {1037, ERROR_MEMORY},
  {1038, ERROR_MEMORY},
};

static error_class class_of(int number) {
  for (size_t i = 0; i < sizeof(error_numbers) / sizeof(error_numbers[0]); i++) {
    if (error_numbers[i].number == number) return error_numbers[i].klass;
  }
  return ERROR_SQL;
}

/* Errors of the library itself (2000..2999, 5000..) leave the protocol's state unknown. */
static bool is_fatal(int number) {
  error_class klass = class_of(number);
  return (number >= 2000 && number < 3000) || number >= 5000 || number == 1927 || number == 1053 ||
         klass == ERROR_PROTOCOL || klass == ERROR_MEMORY;
}

static bool set_error(const wire_call *call, int number, const char *sqlstate, const char *text,
                      const char *what, tskdb_error *e) {
  if (call && call->stopped && error_is_set(&call->why)) {
    error_set(e, call->why.klass, "%s", call->why.text);
    if (call->why.klass != ERROR_INTERRUPT) error_prefix(e, "%s", what);
    return false;
  }
  error_class klass = number ? class_of(number) : ERROR_PROTOCOL;
  error_set(e, klass, "%s: %s", what, text && *text ? text : "the client library gives no reason");
  error_native(e, number, sqlstate && strcmp(sqlstate, "00000") != 0 ? sqlstate : NULL);
  return false;
}

bool wire_connect_error(const wire_call *call, MYSQL *handle, const char *what, tskdb_error *e) {
  return set_error(call, (int)mysql_errno(handle), mysql_sqlstate(handle), mysql_error(handle),
                   what, e);
}

bool wire_error(const wire_call *call, mysql_connection *c, const char *what, tskdb_error *e) {
  int number = (int)mysql_errno(c->handle);
  bool stopped = call && call->stopped;   /* what the user stopped may have ended well */
  bool lost = number ? is_fatal(number) : !stopped;
  if (lost || (call && call->gave_up)) c->base.broken = true;
  return wire_connect_error(call, c->handle, what, e);
}

bool wire_statement_error(const wire_call *call, mysql_connection *c, MYSQL_STMT *s,
                          const char *what, tskdb_error *e) {
  int number = (int)mysql_stmt_errno(s);
  if (!number) return wire_error(call, c, what, e);
  if (is_fatal(number) || (call && call->gave_up)) c->base.broken = true;
  return set_error(call, number, mysql_stmt_sqlstate(s), mysql_stmt_error(s), what, e);
}

/* ---- calls ---------------------------------------------------------------------- */

bool wire_query(mysql_connection *c, const char *text, size_t length, const wait_scope *w,
                const char *what, MYSQL_RES **rows, tskdb_error *e) {
  wire_call call;
  bool ok;
  wire_begin(&call, c, w);
  c->base.round_trips++;
  ok = mysql_real_query(c->handle, text, (unsigned long)length) == 0;
  if (ok && rows) {
    *rows = mysql_store_result(c->handle);
    ok = *rows != NULL || mysql_errno(c->handle) == 0;
  }
  /* The answer may have come in the grace period: the user still said stop. */
  if (ok && call.stopped) {
    if (rows && *rows) mysql_free_result(*rows);
    ok = false;
  }
  if (!ok) wire_error(&call, c, what, e);
  wire_end(&call);
  wire_check_idle(c);
  c->base.bytes_received = wire_bytes_received(c);
  return ok;
}

/* Whether the library has read ahead what no statement has asked for. */
static bool has_leftovers(const MYSQL *m) {
#ifdef LIBMARIADB
  const MARIADB_PVIO *p = m->net.pvio;
  return p && p->cache && p->cache_pos < p->cache + p->cache_size;
#else
  (void)m;
  return false;
#endif
}

void wire_check_idle(mysql_connection *c) {
  if (c->base.broken) return;
  if (mysql_more_results(c->handle) || has_leftovers(c->handle)) c->base.broken = true;
}

#ifdef LIBMARIADB

int wire_execute_direct(mysql_connection *c, MYSQL_STMT *s, const char *text, size_t length,
                        MYSQL_BIND *parameters, int n) {
  unsigned int count = (unsigned int)n;
  c->base.round_trips++;
  if (count) {
    if (mysql_stmt_attr_set(s, STMT_ATTR_PREBIND_PARAMS, &count)) return 1;
    if (mysql_stmt_bind_param(s, parameters)) return 1;
  }
  if (!c->mariadb) c->base.round_trips++;
  return mariadb_stmt_execute_direct(s, text, length);
}

const MYSQL_FIELD *wire_fields(MYSQL_STMT *s, MYSQL_RES **owned) {
  *owned = NULL;
  return mariadb_stmt_fetch_fields(s);
}

uint64_t wire_bytes_received(const mysql_connection *c) {
  size_t bytes = 0;
  if (!c->handle->net.pvio) return c->base.bytes_received;   /* closed by the library */
  if (mariadb_get_infov(c->handle, MARIADB_CONNECTION_BYTES_READ, &bytes))
    return c->base.bytes_received;
  return bytes;
}

#else

int wire_execute_direct(mysql_connection *c, MYSQL_STMT *s, const char *text, size_t length,
                        MYSQL_BIND *parameters, int n) {
  c->base.round_trips += 2;
  if (mysql_stmt_prepare(s, text, (unsigned long)length)) return 1;
  if (mysql_stmt_param_count(s) != (unsigned long)n) return 1;
  if (n && mysql_stmt_bind_param(s, parameters)) return 1;
  return mysql_stmt_execute(s);
}

const MYSQL_FIELD *wire_fields(MYSQL_STMT *s, MYSQL_RES **owned) {
  *owned = mysql_stmt_result_metadata(s);
  return *owned ? mysql_fetch_fields(*owned) : NULL;
}

uint64_t wire_bytes_received(const mysql_connection *c) { return c->base.bytes_received; }

#endif
