/*
** stream.c - the sockets that the client library reads and writes.
**
** libmongoc blocks in its own poll() for as long as a socket's time-out says,
** and cannot be told to stop.  But it takes sockets from whoever gives it
** some: these wait by the scope of the present call (wire.c), so that every
** wait of the library, also while it looks for a primary, logs in or speaks
** TLS over such a socket, is interrupted and bounded like any other.
**
** A small read ahead spares a system call for the length before each message;
** what is long is received where it belongs.
**
** Where there is no connection the library is given a stream that fails, and not
** NULL: it may ask while it holds a lock (a member that it has just heard of), and
** would wait for that lock again to note the failure (libmongoc 1.23).
**
** Invariants: no SIGPIPE (MSG_NOSIGNAL); a socket of a forked child sends
** nothing; errno tells the library EAGAIN from the rest.
*/
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vtab/memory.h"
#include "vtab/mongo/mongo_driver.h"

enum {
  STREAM_TYPE = 100,           /* none of the library's own */
  AHEAD = 16 * 1024
};

typedef struct mongo_stream {
  mongoc_stream_t base;        /* must be first */
  mongo_connection *c;
  struct mongo_stream *next;   /* of the connection's */
  mongoc_stream_t *outer;      /* itself, or TLS over it; the guard stands above */
  char host[BSON_HOST_NAME_MAX + 7];
  int fd;                      /* -1: closed */
  bool timed_out;
  size_t start, end;           /* of what was read ahead */
  char ahead[AHEAD];
} mongo_stream;

static mongoc_stream_t no_stream;

/* ---- waiting --------------------------------------------------------------- */

/* Milliseconds that the next wait may take; 0: no bound, -1: none are left. */
static int wait_limit(const mongo_call *call, int asked_ms) {
  int limit = call->stopped ? 0 : call->limit_ms;
  if (asked_ms > 0 && (limit <= 0 || asked_ms < limit)) limit = asked_ms;
  if (call->deadline_us) {
    int64_t left = (call->deadline_us - wait_now_us() + 999) / 1000;
    if (left <= 0) return -1;
    if (limit <= 0 || left < limit) limit = (int)left;
  }
  return limit;
}

static bool is_over(const mongo_connection *c) {
  return c->silent || !c->call || c->call->gave_up;
}

/* Whether FD is ready; false with errno when the wait, which may take ASKED_MS
** (negative: as long as the call may), has ended otherwise. */
static bool wait_ready(mongo_connection *c, int fd, short events, int asked_ms) {
  static const wait_scope grace = {.wake_fd = -1};
  while (!is_over(c) && !c->call->farewell) {
    mongo_call *call = c->call;
    const wait_scope *scope = call->stopped ? &grace : call->scope;
    int limit = wait_limit(call, asked_ms);
    bool timed_out = limit < 0, interrupted = false;
    if (!timed_out) {
      interrupted = !wait_socket_for(scope, fd, events, limit, &timed_out, NULL, &call->why);
    }
    if (!timed_out && !interrupted) return true;
    /* The library's own limit is its own affair. */
    if (timed_out && limit == asked_ms && limit != call->limit_ms) break;
    if (timed_out && !call->stopped) {
      error_set(&call->why, ERROR_TIMEOUT, "no answer for %d ms (option timeout)",
                call->scope->timeout_ms);
    }
    mongo_stop(c);
  }
  errno = ETIMEDOUT;
  return false;
}

/* ---- reading and writing --------------------------------------------------- */

static ssize_t receive(mongo_stream *s, void *out, size_t size) {
  ssize_t n;
  do n = recv(s->fd, out, size, 0); while (n < 0 && errno == EINTR);
  if (n > 0) s->c->base.bytes_received += (uint64_t)n;
  if (n == 0) errno = ECONNRESET;
  return n;
}

static size_t take_ahead(mongo_stream *s, char *out, size_t size) {
  size_t n = s->end - s->start;
  if (n > size) n = size;
  memcpy(out, s->ahead + s->start, n);
  s->start += n;
  return n;
}

/* What is there already, without waiting: at least one byte, or an error. */
static ssize_t read_some(mongo_stream *s, char *out, size_t size) {
  if (s->start < s->end) return (ssize_t)take_ahead(s, out, size);
  if (size >= AHEAD) return receive(s, out, size);
  ssize_t n = receive(s, s->ahead, AHEAD);
  if (n <= 0) return n;
  s->start = 0;
  s->end = (size_t)n;
  return (ssize_t)take_ahead(s, out, size);
}

/* Reads into one piece until it has NEED of its SIZE bytes. */
static ssize_t read_piece(mongo_stream *s, char *out, size_t size, size_t need, int timeout_ms) {
  size_t got = 0;
  while (got < size) {
    ssize_t n = read_some(s, out + got, size - got);
    if (n > 0) {
      got += (size_t)n;
      if (got >= need) break;
    } else if (n == 0 || errno != EAGAIN) {
      return -1;
    } else if (timeout_ms == 0) {
      errno = EAGAIN;
      break;
    } else if (!wait_ready(s->c, s->fd, POLLIN, timeout_ms)) {
      s->timed_out = true;
      return -1;
    }
  }
  return got ? (ssize_t)got : -1;
}

static ssize_t stream_readv(mongoc_stream_t *base, mongoc_iovec_t *iov, size_t n, size_t min_bytes,
                            int32_t timeout_ms) {
  mongo_stream *s = (mongo_stream *)base;
  size_t total = 0;
  s->timed_out = false;
  for (size_t i = 0; i < n; i++) {
    size_t need = min_bytes > total ? min_bytes - total : 0;
    if (total && need == 0 && s->start == s->end) break;
    ssize_t got = read_piece(s, iov[i].iov_base, iov[i].iov_len,
                             need > iov[i].iov_len ? iov[i].iov_len : need ? need : 1, timeout_ms);
    if (got < 0) return total && need == 0 ? (ssize_t)total : -1;
    total += (size_t)got;
    if ((size_t)got < iov[i].iov_len) break;
  }
  return (ssize_t)total;
}

/* What SENT bytes leave of the pieces. */
static void advance(struct iovec **iov, size_t *n, size_t sent) {
  while (*n && sent >= (*iov)->iov_len) {
    sent -= (*iov)->iov_len;
    (*iov)++;
    (*n)--;
  }
  if (*n) {
    (*iov)->iov_base = (char *)(*iov)->iov_base + sent;
    (*iov)->iov_len -= sent;
  }
}

static ssize_t send_pieces(mongo_stream *s, struct iovec *iov, size_t n, int timeout_ms) {
  size_t total = 0;
  while (n) {
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = n > 64 ? 64 : n};
    ssize_t sent = sendmsg(s->fd, &message, MSG_NOSIGNAL);
    if (sent >= 0) {
      total += (size_t)sent;
      advance(&iov, &n, (size_t)sent);
    } else if (errno == EAGAIN) {
      if (timeout_ms == 0) break;
      if (!wait_ready(s->c, s->fd, POLLOUT, timeout_ms)) {
        s->timed_out = true;
        return -1;
      }
    } else if (errno != EINTR) {
      return -1;
    }
  }
  if (total == 0 && n) errno = EAGAIN;
  return total || !n ? (ssize_t)total : -1;
}

static ssize_t stream_writev(mongoc_stream_t *base, mongoc_iovec_t *iov, size_t n,
                             int32_t timeout_ms) {
  mongo_stream *s = (mongo_stream *)base;
  s->timed_out = false;
  if (is_over(s->c)) {
    errno = ETIMEDOUT;
    return -1;
  }
  struct iovec *copy = mem_alloc((n ? n : 1) * sizeof(*copy));
  if (!copy) {
    mongo_starve(s->c);
    return -1;
  }
  for (size_t i = 0; i < n; i++) copy[i] = (struct iovec){iov[i].iov_base, iov[i].iov_len};
  ssize_t sent = send_pieces(s, copy, n, timeout_ms);
  int why = errno;
  mem_free(copy);
  errno = why;
  return sent;
}

/* ---- the library's other questions ----------------------------------------- */

/* One look at all of them; what was read ahead counts as ready. */
static int look(mongoc_stream_poll_t *streams, struct pollfd *fds, size_t n, int timeout_ms) {
  int ready = 0;
  for (size_t i = 0; i < n; i++) {
    bool none = streams[i].stream == &no_stream;
    const mongo_stream *s = none ? NULL : (mongo_stream *)streams[i].stream;
    fds[i] = (struct pollfd){.fd = none ? -1 : s->fd, .events = (short)streams[i].events};
    streams[i].revents = none ? POLLERR : s->start < s->end ? streams[i].events & POLLIN : 0;
    ready += streams[i].revents != 0;
  }
  int found = poll(fds, n, ready ? 0 : timeout_ms);
  for (size_t i = 0; found > 0 && i < n; i++) {
    ready += !streams[i].revents && fds[i].revents;
    streams[i].revents |= fds[i].revents;
  }
  return ready;
}

/* While the library looks for servers it waits for several sockets at once. */
static ssize_t stream_poll(mongoc_stream_poll_t *streams, size_t n, int32_t timeout_ms) {
  size_t first = 0;
  while (first < n && streams[first].stream == &no_stream) streams[first++].revents = POLLERR;
  if (first == n) return (ssize_t)n;
  mongo_connection *c = ((mongo_stream *)streams[first].stream)->c;
  int64_t end_us = timeout_ms < 0 ? INT64_MAX : wait_now_us() + (int64_t)timeout_ms * 1000;
  struct pollfd *fds = mem_alloc(n * sizeof(*fds));
  int ready = 0;
  while (fds && !is_over(c) && !c->call->farewell) {
    int64_t left_us = end_us - wait_now_us();
    if (c->call->deadline_us && c->call->deadline_us - wait_now_us() < left_us)
      left_us = c->call->deadline_us - wait_now_us();
    if (left_us < 0) left_us = 0;
    int slice = left_us > WAIT_SLICE_MS * 1000 ? WAIT_SLICE_MS : (int)((left_us + 999) / 1000);
    ready = look(streams, fds, n, slice);
    if (ready || left_us == 0) break;
    if (!c->call->stopped && wait_interrupted(c->call->scope, &c->call->why)) mongo_stop(c);
  }
  mem_free(fds);
  return ready;
}

static int stream_close(mongoc_stream_t *base) {
  mongo_stream *s = (mongo_stream *)base;
  if (s->fd >= 0) close(s->fd);
  s->fd = -1;
  return 0;
}

static void stream_destroy(mongoc_stream_t *base) {
  mongo_stream *s = (mongo_stream *)base;
  for (mongo_stream **at = &s->c->streams; *at; at = &(*at)->next) {
    if (*at != s) continue;
    *at = s->next;
    break;
  }
  stream_close(base);
  mem_free(s);
}

mongoc_stream_t *mongo_stream_of_server(const mongo_connection *c) {
  for (const mongo_stream *s = c->streams; s; s = s->next) {
    if (s->outer && strcmp(s->host, c->host) == 0) return s->outer;
  }
  return NULL;
}

static int stream_flush(mongoc_stream_t *base) {
  (void)base;
  return 0;
}

static int stream_setsockopt(mongoc_stream_t *base, int level, int name, void *setting,
                             mongoc_socklen_t size) {
  return setsockopt(((mongo_stream *)base)->fd, level, name, setting, size);
}

static bool stream_check_closed(mongoc_stream_t *base) {
  mongo_stream *s = (mongo_stream *)base;
  char byte;
  if (s->fd < 0) return true;
  if (s->start < s->end) return false;
  ssize_t n = recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static bool stream_timed_out(mongoc_stream_t *base) { return ((mongo_stream *)base)->timed_out; }

static bool stream_should_retry(mongoc_stream_t *base) {
  (void)base;
  return errno == EAGAIN || errno == EINTR;
}

static mongo_stream *stream_new(mongo_connection *c, const mongoc_host_list_t *host, int fd) {
  mongo_stream *s = mem_zalloc(sizeof(*s));
  if (!s) return NULL;
  s->base = (mongoc_stream_t){
    .type = STREAM_TYPE, .destroy = stream_destroy, .close = stream_close, .flush = stream_flush,
    .writev = stream_writev, .readv = stream_readv, .setsockopt = stream_setsockopt,
    .check_closed = stream_check_closed, .poll = stream_poll, .failed = stream_destroy,
    .timed_out = stream_timed_out, .should_retry = stream_should_retry};
  s->c = c;
  s->fd = fd;
  snprintf(s->host, sizeof(s->host), "%s", host->host_and_port);
  s->next = c->streams;
  c->streams = s;
  return s;
}

/* ---- no connection --------------------------------------------------------- */

static void none_destroy(mongoc_stream_t *base) { (void)base; }

static int none_do(mongoc_stream_t *base) {
  (void)base;
  return 0;
}

static ssize_t none_writev(mongoc_stream_t *base, mongoc_iovec_t *iov, size_t n,
                           int32_t timeout_ms) {
  (void)base, (void)iov, (void)n, (void)timeout_ms;
  errno = ENOTCONN;
  return -1;
}

static ssize_t none_readv(mongoc_stream_t *base, mongoc_iovec_t *iov, size_t n, size_t min_bytes,
                          int32_t timeout_ms) {
  (void)min_bytes;
  return none_writev(base, iov, n, timeout_ms);
}

static int none_setsockopt(mongoc_stream_t *base, int level, int name, void *setting,
                           mongoc_socklen_t size) {
  (void)base, (void)level, (void)name, (void)setting, (void)size;
  return 0;
}

static bool none_is_closed(mongoc_stream_t *base) {
  (void)base;
  return true;
}

static bool none_is_not(mongoc_stream_t *base) {
  (void)base;
  return false;
}

/* One for all: nothing is ever written into it. */
static mongoc_stream_t no_stream = {
  .type = STREAM_TYPE, .destroy = none_destroy, .close = none_do, .flush = none_do,
  .writev = none_writev, .readv = none_readv, .setsockopt = none_setsockopt,
  .check_closed = none_is_closed, .poll = stream_poll, .failed = none_destroy,
  .timed_out = none_is_not, .should_retry = none_is_not};

/* ---- opening --------------------------------------------------------------- */

static bool connect_failed(mongo_connection *c, const mongoc_host_list_t *host, const char *why) {
  error_clear(&c->trouble);
  return error_set(&c->trouble, ERROR_NETWORK, "cannot connect to \"%.200s\": %s",
                   host->host_and_port, why);
}

/* A connected socket, or -1 with the connection's trouble set. */
static int connect_address(mongo_connection *c, const mongoc_host_list_t *host, int family,
                           const struct sockaddr *address, socklen_t size, int limit_ms) {
  int on = 1, why = 0;
  socklen_t why_size = sizeof(why);
  int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    connect_failed(c, host, "no socket");
    return -1;
  }
  if (family != AF_UNIX) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  }
  char text[128];
  if (connect(fd, address, size) == 0) return fd;
  if (errno != EINPROGRESS && errno != EAGAIN) {
    connect_failed(c, host, strerror_r(errno, text, sizeof(text)));
  } else if (!wait_ready(c, fd, POLLOUT, limit_ms)) {
    if (!c->call || !c->call->stopped) connect_failed(c, host, "no answer");
  } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &why_size) != 0 || why) {
    connect_failed(c, host, strerror_r(why, text, sizeof(text)));
  } else {
    return fd;
  }
  close(fd);
  return -1;
}

static int connect_unix(mongo_connection *c, const mongoc_host_list_t *host, int limit_ms) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(host->host) >= sizeof(address.sun_path)) {
    connect_failed(c, host, "the path of the socket is too long");
    return -1;
  }
  strcpy(address.sun_path, host->host);
  return connect_address(c, host, AF_UNIX, (struct sockaddr *)&address, sizeof(address), limit_ms);
}

static int connect_host(mongo_connection *c, const mongoc_host_list_t *host, int limit_ms) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
  char port[8];
  int fd = -1;
  snprintf(port, sizeof(port), "%hu", host->port);
  int rc = getaddrinfo(host->host, port, &hints, &found);
  if (rc != 0) {
    connect_failed(c, host, gai_strerror(rc));
    return -1;
  }
  for (struct addrinfo *a = found; a && fd < 0 && !is_over(c); a = a->ai_next) {
    fd = connect_address(c, host, a->ai_family, a->ai_addr, a->ai_addrlen, limit_ms);
  }
  freeaddrinfo(found);
  return fd;
}

/* What the URL says of TLS. The strings are the URL's. */
static mongoc_ssl_opt_t tls_options(const mongoc_uri_t *uri) {
  bool insecure = mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSINSECURE, false);
  return (mongoc_ssl_opt_t){
    .pem_file = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, NULL),
    .pem_pwd = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILEPASSWORD, NULL),
    .ca_file = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCAFILE, NULL),
    .weak_cert_validation =
      mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSALLOWINVALIDCERTIFICATES, insecure),
    .allow_invalid_hostname =
      mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSALLOWINVALIDHOSTNAMES, insecure)};
}

/* TLS over S, or NULL; S is taken in any case. */
static mongoc_stream_t *start_tls(mongo_connection *c, mongoc_stream_t *s, const mongoc_uri_t *uri,
                                  const mongoc_host_list_t *host, int limit_ms) {
  mongoc_ssl_opt_t options = tls_options(uri);
  bson_error_t why = {0};
  mongoc_stream_t *tls = mongoc_stream_tls_new_with_hostname(s, host->host, &options, 1);
  if (!tls) {
    mongoc_stream_destroy(s);
  } else if (mongoc_stream_tls_handshake_block(tls, host->host, limit_ms, &why)) {
    return tls;
  } else {
    mongoc_stream_destroy(tls);
  }
  error_clear(&c->trouble);
  error_set(&c->trouble, ERROR_TLS, "no TLS with \"%.200s\": %s", host->host_and_port,
            why.message[0] ? why.message : "the certificate or key files cannot be used");
  return NULL;
}

/* What the library is given: OUTER is S or TLS over it, and taken. */
static mongoc_stream_t *guarded(mongo_connection *c, mongo_stream *s, mongoc_stream_t *outer) {
  mongoc_stream_t *out = mongo_guard(c, outer);
  s->outer = outer;
  if (!out) mongoc_stream_destroy(outer);
  return out;
}

/* How long one host may take, so that there is time for the others: those of the URL, and
** those that they name. */
static int host_limit(const mongo_connection *c, const mongoc_uri_t *uri) {
  int limit = mongoc_uri_get_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, 10000), shares = 0;
  for (const mongoc_host_list_t *h = mongoc_uri_get_hosts(uri); h; h = h->next) shares++;
  if (c->login->several) shares++;
  if (c->call && c->call->deadline_us) {
    int64_t left = (c->call->deadline_us - wait_now_us()) / 1000 / (shares > 0 ? shares : 1);
    if (left < limit) limit = left < 1 ? 1 : (int)left;
  }
  return limit;
}

mongoc_stream_t *mongo_stream_open(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                   void *context, bson_error_t *error) {
  mongo_connection *c = context;
  mongoc_stream_t *out = NULL;
  (void)error;
  if (!is_over(c) && !c->call->farewell) {
    int limit_ms = host_limit(c, uri);
    int fd =
      host->family == AF_UNIX ? connect_unix(c, host, limit_ms) : connect_host(c, host, limit_ms);
    mongo_stream *s = fd >= 0 ? stream_new(c, host, fd) : NULL;
    if (fd >= 0 && !s) close(fd);
    if (s) {
      out = mongoc_uri_get_tls(uri) ? start_tls(c, &s->base, uri, host, limit_ms) : &s->base;
      if (out) out = guarded(c, s, out);   /* else S is gone */
    }
  }
  return out ? out : &no_stream;
}
