/*
** proxy.c - a network in a box: a TCP proxy that adds to each round trip, for the benchmark.
**
**   proxy TARGET_HOST TARGET_PORT DELAY_MICROSECONDS COUNTS_FILE
**
** Listens on a free port of 127.0.0.1 and prints it.  What a client sends reaches the server
** DELAY later; answers pass at once, so that a round trip is DELAY longer and a stream as fast as
** ever.  COUNTS_FILE (16 bytes) holds two numbers that whoever measures may read at any time: the
** round trips (a client that sends after its server has answered) and the bytes from the server.
**
** One thread; a connection is two descriptors and, in each direction, what was read and is not
** yet written.  Invariant: bytes leave in the order in which they came.
*/
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, CHUNK = 256 * 1024 };

/* Bytes under way in one direction. */
typedef struct chunk {
  struct chunk *next;
  int64_t due_ns;            /* not to be written before */
  size_t length, written;
  char bytes[];
} chunk;

typedef struct stream {
  int from, to;
  chunk *first, **last;
  int ended;                 /* `from` sends no more */
  int shut;                  /* and `to` was told */
  int64_t delay_ns;
} stream;

typedef struct pair {
  stream up, down;           /* client to server, server to client */
  int answered;              /* the server has sent since the client last did */
} pair;

static pair *pairs[CONNECTIONS_MAX];
static int n_pairs;
static struct counts { uint64_t round_trips, bytes; } *counts;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void prepare(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  fcntl(fd, F_SETFL, O_NONBLOCK);
}

static int listen_anywhere(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(at);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 64) ||
      getsockname(fd, (struct sockaddr *)&at, &length)) {
    die("listen");
  }
  printf("%d\n", ntohs(at.sin_port));
  fflush(stdout);
  return fd;
}

static int connect_target(const struct addrinfo *target) {
  int fd = socket(target->ai_family, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, target->ai_addr, target->ai_addrlen)) die("connect");
  return fd;
}

static void stream_init(stream *s, int from, int to, int64_t delay_ns) {
  *s = (stream){.from = from, .to = to, .delay_ns = delay_ns};
  s->last = &s->first;
}

static void accept_client(int listener, const struct addrinfo *target, int64_t delay_ns) {
  int client = accept(listener, NULL, NULL);
  if (client < 0) return;
  if (n_pairs == CONNECTIONS_MAX) {
    close(client);
    return;
  }
  int server = connect_target(target);
  pair *l = calloc(1, sizeof(*l));
  if (!l) die("memory");
  prepare(client);
  prepare(server);
  stream_init(&l->up, client, server, delay_ns);
  stream_init(&l->down, server, client, 0);
  l->answered = 1;
  pairs[n_pairs++] = l;
}

/* Reads what is there.  Returns how much. */
static size_t read_stream(stream *s) {
  static char buffer[CHUNK];
  ssize_t n = read(s->from, buffer, sizeof(buffer));
  if (n <= 0) {
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) s->ended = 1;
    return 0;
  }
  chunk *c = malloc(sizeof(*c) + (size_t)n);
  if (!c) die("memory");
  *c = (chunk){.due_ns = now_ns() + s->delay_ns, .length = (size_t)n};
  memcpy(c->bytes, buffer, (size_t)n);
  *s->last = c;
  s->last = &c->next;
  return (size_t)n;
}

/* Writes what is due and fits. */
static void write_stream(stream *s, int64_t now) {
  while (s->first && s->first->due_ns <= now) {
    chunk *c = s->first;
    ssize_t n = send(s->to, c->bytes + c->written, c->length - c->written, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) s->ended = 1;
    c->written = n < 0 ? c->length : c->written + (size_t)n;
    if (c->written < c->length) return;
    s->first = c->next;
    if (!s->first) s->last = &s->first;
    free(c);
  }
  if (s->ended && !s->first && !s->shut) {
    shutdown(s->to, SHUT_WR);
    s->shut = 1;
  }
}

static void serve(pair *l, short client, short server, int64_t now) {
  if (client & (POLLIN | POLLHUP | POLLERR) && read_stream(&l->up)) {
    counts->round_trips += (uint64_t)l->answered;
    l->answered = 0;
  }
  if (server & (POLLIN | POLLHUP | POLLERR)) {
    size_t n = read_stream(&l->down);
    counts->bytes += n;
    if (n) l->answered = 1;
  }
  write_stream(&l->up, now);
  write_stream(&l->down, now);
}

/* Whether both directions have ended, or one that cannot be told. */
static int is_over(const pair *l) { return l->up.shut && l->down.shut; }

static void drop_pair(int i) {
  pair *l = pairs[i];
  close(l->up.from);
  close(l->up.to);
  free(l);
  pairs[i] = pairs[--n_pairs];
}

/* What to wait for in S, one descriptor of which has EVENTS; *DUE: the next time to write. */
static short wanted(const stream *from, const stream *to, int64_t now, int64_t *due) {
  short events = from->ended || from->first ? 0 : POLLIN;   /* one chunk at a time, unless delayed */
  if (!from->ended && from->delay_ns) events = POLLIN;
  if (to->first && to->first->due_ns <= now) events |= POLLOUT;
  else if (to->first && (*due < 0 || to->first->due_ns < *due)) *due = to->first->due_ns;
  return events;
}

static void turn(int listener, const struct addrinfo *target, int64_t delay_ns) {
  struct pollfd fds[2 * CONNECTIONS_MAX + 1];
  int64_t now = now_ns(), due = -1;
  int n = n_pairs;
  fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
  for (int i = 0; i < n; i++) {
    pair *l = pairs[i];
    fds[1 + 2 * i] = (struct pollfd){l->up.from, wanted(&l->up, &l->down, now, &due), 0};
    fds[2 + 2 * i] = (struct pollfd){l->up.to, wanted(&l->down, &l->up, now, &due), 0};
    for (int k = 1; k <= 2; k++) {
      if (!fds[k + 2 * i].events) fds[k + 2 * i].fd = -1;   /* an end is told once */
    }
  }
  int64_t left = due < 0 ? 0 : due > now ? due - now : 0;
  struct timespec limit = {left / 1000000000, left % 1000000000};
  if (ppoll(fds, (nfds_t)(1 + 2 * n), due < 0 ? NULL : &limit, NULL) < 0 && errno != EINTR) die("poll");
  now = now_ns();
  for (int i = 0; i < n; i++) serve(pairs[i], fds[1 + 2 * i].revents, fds[2 + 2 * i].revents, now);
  for (int i = n - 1; i >= 0; i--) {
    if (is_over(pairs[i])) drop_pair(i);
  }
  if (fds[0].revents) accept_client(listener, target, delay_ns);
}

int main(int argc, char **argv) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *target;
  if (argc != 5) return 2;
  int file = open(argv[4], O_RDWR | O_CREAT, 0600);
  if (file < 0 || ftruncate(file, sizeof(*counts))) die(argv[4]);
  counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (counts == MAP_FAILED) die(argv[4]);
  if (getaddrinfo(argv[1], argv[2], &hints, &target)) die(argv[1]);
  int listener = listen_anywhere();
  for (;;) turn(listener, target, atoll(argv[3]) * 1000);
}
