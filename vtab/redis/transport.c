/*
** transport.c - bytes to a server and back: sockets, TLS by OpenSSL, time
** limits.
**
** The socket never blocks; every wait goes through wait.h, so it ends with the
** user's interrupt, the time limit or the data.  No write raises SIGPIPE, with
** TLS neither: OpenSSL writes through a method of ours.
**
** Invariant: after a failure the transport is only closed; nothing else is
** sent or received.
*/
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vtab/memory.h"
#include "vtab/redis/redis_driver.h"

struct redis_transport {
  int fd;
  SSL *ssl;                    /* NULL: plain */
  int64_t deadline_us;         /* while connecting; 0: the scope's own limit holds */
};

/* ---- waiting ------------------------------------------------------------- */

static bool wait_for(redis_transport *t, short events, const wait_scope *w, tskdb_error *e) {
  if (!t->deadline_us) return wait_socket(w, t->fd, events, NULL, e);
  bool late = false;
  int64_t left_ms = (t->deadline_us - wait_now_us()) / 1000;
  if (!wait_socket_for(w, t->fd, events, left_ms > 0 ? (int)left_ms : 1, &late, NULL, e))
    return false;
  return !late ||
         error_set(e, ERROR_TIMEOUT, "no connection within the time for it (connect_timeout)");
}

/* ---- TLS: the method through which OpenSSL reaches the socket ------------ */

static int tls_descriptor(BIO *b) { return ((redis_transport *)BIO_get_data(b))->fd; }

static int tls_write(BIO *b, const char *bytes, int length) {
  BIO_clear_retry_flags(b);
  ssize_t n = send(tls_descriptor(b), bytes, (size_t)length, MSG_NOSIGNAL);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(b);
  return (int)n;
}

static int tls_read(BIO *b, char *out, int room) {
  BIO_clear_retry_flags(b);
  ssize_t n = recv(tls_descriptor(b), out, (size_t)room, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(b);
  return (int)n;
}

static long tls_control(BIO *b, int command, long number, void *pointer) {
  (void)b, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *tls_method;
static pthread_once_t tls_prepared = PTHREAD_ONCE_INIT;

/* The method lives as long as the process; OpenSSL leaves exit alone. */
static void tls_prepare(void) {
  OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
  BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tskdb socket");
  if (!m) return;
  BIO_meth_set_write(m, tls_write);
  BIO_meth_set_read(m, tls_read);
  BIO_meth_set_ctrl(m, tls_control);
  tls_method = m;
}

/* OpenSSL's own words for what failed last; clears its queue. */
static bool tls_error(const char *what, tskdb_error *e) {
  char words[200] = "";
  unsigned long code = ERR_peek_last_error();
  if (code) ERR_error_string_n(code, words, sizeof(words));
  ERR_clear_error();
  return error_set(e, ERROR_TLS, "%s%s%s", what, words[0] ? ": " : "", words);
}

static bool tls_load_files(redis_login *l, SSL_CTX *x, tskdb_error *e) {
  if (l->ca ? !SSL_CTX_load_verify_locations(x, l->ca, NULL)
            : !SSL_CTX_set_default_verify_paths(x)) {
    return tls_error("cannot read the authorities' certificates", e);
  }
  if (l->certificate && SSL_CTX_use_certificate_chain_file(x, l->certificate) != 1) {
    return tls_error("cannot read ssl-cert", e);
  }
  const char *key = l->key ? l->key : l->certificate;
  if (key && SSL_CTX_use_PrivateKey_file(x, key, SSL_FILETYPE_PEM) != 1) {
    return tls_error("cannot read ssl-key", e);
  }
  return true;
}

bool redis_tls_context(redis_login *l, tskdb_error *e) {
  pthread_once(&tls_prepared, tls_prepare);
  ERR_clear_error();
  l->context = tls_method ? SSL_CTX_new(TLS_client_method()) : NULL;
  if (!l->context) return error_memory(e);
  SSL_CTX_set_min_proto_version(l->context, TLS1_2_VERSION);
  SSL_CTX_set_verify(l->context, l->tls == REDIS_TLS_REQUIRE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                     NULL);
  return tls_load_files(l, l->context, e);
}

void redis_tls_context_free(redis_login *l) {
  SSL_CTX_free(l->context);
  l->context = NULL;
}

/* The name that the certificate must have, and the one that the server is told. */
static bool tls_expect(redis_transport *t, const redis_login *l, const char *host) {
  X509_VERIFY_PARAM *p = SSL_get0_param(t->ssl);
  unsigned char address[sizeof(struct in6_addr)];
  bool numeric = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
  if (!numeric && !SSL_set_tlsext_host_name(t->ssl, host)) return false;
  if (l->tls != REDIS_TLS_VERIFY_FULL) return true;
  return numeric ? X509_VERIFY_PARAM_set1_ip_asc(p, host) : X509_VERIFY_PARAM_set1_host(p, host, 0);
}

/* Whether the operation that gave RC can go on; waits for what it needs.
** False with an error, or without one at the end of the stream. */
static bool tls_go_on(redis_transport *t, int rc, const wait_scope *w, const char *what,
                      tskdb_error *e) {
  switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_READ: return wait_for(t, POLLIN, w, e);
    case SSL_ERROR_WANT_WRITE: return wait_for(t, POLLOUT, w, e);
    case SSL_ERROR_ZERO_RETURN:
    case SSL_ERROR_SYSCALL:
      ERR_clear_error();
      return error_set(e, ERROR_NETWORK, "the server closed the connection");
    default: return tls_error(what, e);
  }
}

static bool tls_start(redis_transport *t, const redis_login *l, const redis_host *at,
                      const wait_scope *w, tskdb_error *e) {
  t->ssl = SSL_new(l->context);
  BIO *b = t->ssl ? BIO_new(tls_method) : NULL;
  if (!b) return error_memory(e);
  BIO_set_data(b, t);
  BIO_set_init(b, 1);
  SSL_set_bio(t->ssl, b, b);
  if (at->name && !tls_expect(t, l, at->name)) return tls_error("bad host name", e);
  for (;;) {
    ERR_clear_error();
    int rc = SSL_connect(t->ssl);
    if (rc == 1) return true;
    long verified = SSL_get_verify_result(t->ssl);
    if (l->tls >= REDIS_TLS_VERIFY_CA && verified != X509_V_OK) {
      ERR_clear_error();
      return error_set(e, ERROR_TLS, "the server's certificate is refused: %s",
                       X509_verify_cert_error_string(verified));
    }
    tskdb_error mine = {0};
    if (tls_go_on(t, rc, w, "TLS cannot be started", &mine)) continue;
    if (mine.klass == ERROR_NETWORK) return error_set(e, ERROR_TLS, "the server offers no TLS");
    error_prefix(&mine, "TLS");
    *e = mine;
    return false;
  }
}

/* ---- connecting ---------------------------------------------------------- */

static bool connect_address(redis_transport *t, const struct sockaddr *a, socklen_t length,
                            const wait_scope *w, tskdb_error *e) {
  t->fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (t->fd < 0) return error_set(e, ERROR_NETWORK, "no socket: %s", strerror(errno));
  int failure = 0;
  if (connect(t->fd, a, length) != 0) {
    failure = errno;
    if (failure == EINPROGRESS || failure == EINTR) {
      socklen_t size = sizeof(failure);
      if (!wait_for(t, POLLOUT, w, e)) return false;
      getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    }
  }
  return failure == 0 || error_set(e, ERROR_NETWORK, "%s", strerror(failure));
}

static bool connect_socket(redis_transport *t, const char *path, const wait_scope *w,
                           tskdb_error *e) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof(a.sun_path)) return error_set(e, ERROR_CONFIG, "the name is too long");
  memcpy(a.sun_path, path, strlen(path) + 1);
  return connect_address(t, (const struct sockaddr *)&a, sizeof(a), w, e);
}

static void disconnect(redis_transport *t) {
  if (t->fd >= 0) close(t->fd);
  t->fd = -1;
}

/* A dead peer is noticed within about a minute, small requests leave at once. */
static void tune(int fd) {
  static const struct { int level, name, number;
  } options[] = {
      {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
      {IPPROTO_TCP, TCP_KEEPIDLE, 30}, {IPPROTO_TCP, TCP_KEEPINTVL, 10},
      {IPPROTO_TCP, TCP_KEEPCNT, 3},
  };
  for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
    setsockopt(fd, options[i].level, options[i].name, &options[i].number, sizeof(int));
  }
}

/* Each address of the host in turn. */
static bool connect_host(redis_transport *t, const redis_host *at, const wait_scope *w,
                         tskdb_error *e) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found;
  char port[16];
  snprintf(port, sizeof(port), "%d", at->port);
  int rc = getaddrinfo(at->name, port, &hints, &found);
  if (rc != 0) return error_set(e, ERROR_NETWORK, "%s", gai_strerror(rc));
  bool ok = false;
  tskdb_error mine = {0};
  for (const struct addrinfo *a = found; a && !ok; a = a->ai_next) {
    error_clear(&mine);
    disconnect(t);
    ok = connect_address(t, a->ai_addr, a->ai_addrlen, w, &mine);
    if (!ok && mine.klass != ERROR_NETWORK) break;
  }
  freeaddrinfo(found);
  if (ok) tune(t->fd);
  else if (e) *e = mine;
  return ok;
}

redis_transport *redis_transport_open(const redis_login *l, const redis_host *at,
                                      const wait_scope *w, int64_t deadline_us, tskdb_error *e) {
  redis_transport *t = mem_zalloc(sizeof(*t));
  if (!t) {
    error_memory(e);
    return NULL;
  }
  t->fd = -1;
  t->deadline_us = deadline_us;
  bool ok = at->socket ? connect_socket(t, at->socket, w, e) : connect_host(t, at, w, e);
  if (ok && l->context) ok = tls_start(t, l, at, w, e);
  if (ok) return t;
  redis_transport_close(t, false);
  return NULL;
}

void redis_transport_settle(redis_transport *t) { t->deadline_us = 0; }

void redis_transport_interrupt(redis_transport *t) { shutdown(t->fd, SHUT_RDWR); }

void redis_transport_close(redis_transport *t, bool forked) {
  if (!t) return;
  if (t->ssl) {
    /* No goodbye: it could wait, and in a child it would be the parent's session. */
    SSL_set_quiet_shutdown(t->ssl, 1);
    SSL_free(t->ssl);
  }
  (void)forked;
  disconnect(t);
  mem_free(t);
}

/* ---- bytes --------------------------------------------------------------- */

static bool send_some(redis_transport *t, const char *bytes, size_t length, size_t *sent,
                      const wait_scope *w, tskdb_error *e) {
  if (t->ssl) {
    ERR_clear_error();
    int rc = SSL_write_ex(t->ssl, bytes, length, sent);
    return rc == 1 || tls_go_on(t, rc, w, "cannot send", e);
  }
  ssize_t n = send(t->fd, bytes, length, MSG_NOSIGNAL);
  if (n >= 0) *sent = (size_t)n;
  else if (errno == EAGAIN) return wait_for(t, POLLOUT, w, e);
  else if (errno != EINTR)
    return error_set(e, ERROR_NETWORK, "the connection is lost: %s", strerror(errno));
  return true;
}

bool redis_transport_send(redis_transport *t, const char *bytes, size_t length, const wait_scope *w,
                          tskdb_error *e) {
  while (length > 0) {
    size_t sent = 0;
    if (!send_some(t, bytes, length, &sent, w, e)) return false;
    bytes += sent;
    length -= sent;
  }
  return true;
}

bool redis_transport_await(redis_transport *t, const wait_scope *w, tskdb_error *e) {
  return wait_for(t, POLLIN, w, e);
}

bool redis_transport_receive(redis_transport *t, char *out, size_t room, size_t *n,
                             const wait_scope *w, tskdb_error *e) {
  for (*n = 0; *n == 0;) {
    if (t->ssl) {
      ERR_clear_error();
      int rc = SSL_read_ex(t->ssl, out, room, n);
      if (rc != 1 && !tls_go_on(t, rc, w, "cannot receive", e)) return false;
      continue;
    }
    ssize_t got = recv(t->fd, out, room, 0);
    if (got > 0) *n = (size_t)got;
    else if (got == 0) return error_set(e, ERROR_NETWORK, "the server closed the connection");
    else if (errno == EAGAIN && !wait_for(t, POLLIN, w, e)) return false;
    else if (errno != EAGAIN && errno != EINTR)
      return error_set(e, ERROR_NETWORK, "the connection is lost: %s", strerror(errno));
  }
  return true;
}

bool redis_transport_has_input(redis_transport *t) {
  struct pollfd p = {.fd = t->fd, .events = POLLIN};
  /* What else comes over TLS may be TLS' own. */
  return t->ssl ? SSL_pending(t->ssl) > 0 : poll(&p, 1, 0) > 0;
}
