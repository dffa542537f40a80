/*
** guard.c - what MariaDB's library believes of a server, and should not.
**
** It takes values out of a row before it knows that the row has them: one that is
** cut short, or whose lengths are not true, is made up of what lies behind it in
** memory. And it reads the results that were announced until none is left, also from
** a connection that is gone. So functions of ours stand in its table of methods; how
** long a row is is said there from 3.3.20 on. An older library, or Oracle's, is left as
** it is.
**
** Invariant: the library's own function is called for a row all of whose values
** lie within its packet, or never.
*/
#include "vtab/mysql/mysql_driver.h"

#ifdef LIBMARIADB

#include <pthread.h>
#include <string.h>

typedef int fetch_to_bind(MYSQL_STMT *s, unsigned char *row, unsigned long length);

/* Whether the headers have the length too. */
#define KNOWS_LENGTH \
  _Generic(((struct st_mariadb_methods *)0)->db_stmt_fetch_to_bind, fetch_to_bind *: true, \
           default: false)

static const struct st_mariadb_methods *theirs;   /* the library's, which is one and constant */
static struct st_mariadb_methods ours;            /* the same with our checks; written once */

/* Bytes of a value; -1: its length stands before it. */
static int width_of(enum enum_field_types type) {
  switch ((int)type) {
    case MYSQL_TYPE_NULL: return 0;
    case MYSQL_TYPE_TINY: return 1;
    case MYSQL_TYPE_SHORT: case MYSQL_TYPE_YEAR: return 2;
    case MYSQL_TYPE_INT24: case MYSQL_TYPE_LONG: case MYSQL_TYPE_FLOAT: return 4;
    case MYSQL_TYPE_LONGLONG: case MYSQL_TYPE_DOUBLE: return 8;
    default: return -1;
  }
}

/* The length at *AT, which moves behind it; more than there can be if it is none. */
static uint64_t take_length(const unsigned char **at, const unsigned char *end) {
  if (*at == end) return UINT64_MAX;
  unsigned first = *(*at)++;
  if (first < 251) return first;
  int bytes = first == 252 ? 2 : first == 253 ? 3 : first == 254 ? 8 : 0;
  uint64_t length = 0;
  if (!bytes || end - *at < bytes) return UINT64_MAX;
  for (int i = 0; i < bytes; i++) length |= (uint64_t)(*at)[i] << 8 * i;
  *at += bytes;
  return length;
}

static bool is_whole(const MYSQL_STMT *s, const unsigned char *row, unsigned long length) {
  const unsigned char *nulls = row + 1, *end = row + length;
  unsigned long head = 1 + (s->field_count + 9ul) / 8;
  if (length < head || row[0] != 0) return false;
  row += head;
  for (unsigned i = 0; i < s->field_count; i++) {
    if (nulls[(i + 2) / 8] >> (i + 2) % 8 & 1) continue;
    int width = width_of(s->fields[i].type);
    uint64_t n = width < 0 ? take_length(&row, end) : (uint64_t)width;
    if (n > (uint64_t)(end - row)) return false;
    row += n;
  }
  return true;
}

static int fetch_if_whole(MYSQL_STMT *s, unsigned char *row, unsigned long length) {
  if (!is_whole(s, row, length)) return GUARD_NO_ROW;
  return ((fetch_to_bind *)theirs->db_stmt_fetch_to_bind)(s, row, length);
}

/* Nothing more comes from a connection that is gone, whatever was announced. */
static void flush(MYSQL_STMT *s) {
  theirs->db_stmt_flush_unbuffered(s);
  if (!s->mysql->net.pvio) s->mysql->server_status = 0;
}

void guard_statements(MYSQL *m) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  /* A library that is older than its headers may have another table. */
  if (mysql_get_client_version() < MARIADB_PACKAGE_VERSION_ID) return;
  pthread_mutex_lock(&lock);
  if (!theirs) {
    theirs = m->methods;
    ours = *theirs;
    ours.db_stmt_flush_unbuffered = flush;
    if (KNOWS_LENGTH) {
      memcpy(&ours.db_stmt_fetch_to_bind, &(fetch_to_bind *){fetch_if_whole},
             sizeof(fetch_to_bind *));
    }
  }
  pthread_mutex_unlock(&lock);
  if (m->methods == theirs) m->methods = &ours;
}

#else

void guard_statements(MYSQL *m) { (void)m; }

#endif
