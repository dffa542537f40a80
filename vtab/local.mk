# vtab/local.mk - the sources of the ground floor, one noun a line.

# Shared rooms: in tskdb.so, and in every driver module as well.
ROOM_SOURCES = \
	%reldir%/arena.c %reldir%/arena.h \
	%reldir%/batch.c %reldir%/batch.h \
	%reldir%/bound.c %reldir%/bound.h \
	%reldir%/buffer.c %reldir%/buffer.h \
	%reldir%/error.c %reldir%/error.h \
	%reldir%/memory.c %reldir%/memory.h \
	%reldir%/number.c %reldir%/number.h \
	%reldir%/pushdown.c %reldir%/pushdown.h \
	%reldir%/pushdown_fault.c %reldir%/pushdown_fault.h \
	%reldir%/relation.c %reldir%/relation.h \
	%reldir%/sql_text.c %reldir%/sql_text.h \
	%reldir%/sqlite.c %reldir%/sqlite.h \
	%reldir%/text_memo.c %reldir%/text_memo.h \
	%reldir%/url.c %reldir%/url.h \
	%reldir%/value.c %reldir%/value.h \
	%reldir%/wait.c %reldir%/wait.h

# The core: in tskdb.so and libtskdb only.
CORE_SOURCES = \
	%reldir%/driver.h \
	%reldir%/query.c %reldir%/query.h \
	%reldir%/server.h \
	%reldir%/table.h \
	%reldir%/cost.c \
	%reldir%/cursor.c %reldir%/cursor.h \
	%reldir%/explain.c %reldir%/explain.h \
	%reldir%/identity.c %reldir%/identity.h \
	%reldir%/interrupt.c %reldir%/interrupt.h \
	%reldir%/inquiry.c %reldir%/inquiry.h \
	%reldir%/keyed.c %reldir%/keyed.h \
	%reldir%/module.c %reldir%/module.h \
	%reldir%/outer_join.c %reldir%/outer_join.h \
	%reldir%/outlook.c %reldir%/outlook.h \
	%reldir%/overlap.c %reldir%/overlap.h \
	%reldir%/plan.c %reldir%/plan.h \
	%reldir%/plan_text.c \
	%reldir%/prefetch.c %reldir%/prefetch.h \
	%reldir%/process.c %reldir%/process.h \
	%reldir%/loop.c %reldir%/loop.h \
	%reldir%/program.c %reldir%/program.h \
	%reldir%/proof.c %reldir%/proof.h \
	%reldir%/remote.c %reldir%/remote.h \
	%reldir%/period.c %reldir%/period.h \
	%reldir%/residual.c %reldir%/residual.h \
	%reldir%/source.c %reldir%/source.h \
	%reldir%/spill.c %reldir%/spill.h \
	%reldir%/statement.c %reldir%/statement.h \
	%reldir%/store.c %reldir%/store.h

# The drivers.  A new database is a block like these two.
POSTGRES_SOURCES = \
	%reldir%/postgres/postgres.h \
	%reldir%/postgres/cancel.c \
	%reldir%/postgres/catalog.c \
	%reldir%/postgres/compile.c \
	%reldir%/postgres/connect.c \
	%reldir%/postgres/driver.c \
	%reldir%/postgres/endpoint.c \
	%reldir%/postgres/exchange.c \
	%reldir%/postgres/scan.c \
	%reldir%/postgres/statement.c \
	%reldir%/postgres/types.c

if DRIVER_POSTGRES
DRIVER_MODULES += tskdb_postgres.la
EMBEDDED_DRIVERS += libembedded_postgres.la
tskdb_postgres_la_SOURCES = $(POSTGRES_SOURCES)
tskdb_postgres_la_CPPFLAGS = $(GUEST_CPPFLAGS) $(POSTGRES_CFLAGS)
tskdb_postgres_la_LDFLAGS = $(MODULE_LDFLAGS) -export-symbols-regex '^tskdb_driver_postgres$$'
tskdb_postgres_la_LIBADD = librooms.la $(POSTGRES_LIBS)
libembedded_postgres_la_SOURCES = $(POSTGRES_SOURCES)
libembedded_postgres_la_CPPFLAGS = $(EMBEDDED_CPPFLAGS) $(POSTGRES_CFLAGS)
libembedded_postgres_la_LIBADD = $(POSTGRES_LIBS)
endif

MYSQL_SOURCES = \
	%reldir%/mysql/catalog.c \
	%reldir%/mysql/compile.c \
	%reldir%/mysql/connect.c \
	%reldir%/mysql/driver.c \
	%reldir%/mysql/guard.c \
	%reldir%/mysql/login.c \
	%reldir%/mysql/mysql_driver.h \
	%reldir%/mysql/scan.c \
	%reldir%/mysql/statement.c \
	%reldir%/mysql/types.c \
	%reldir%/mysql/wire.c

if DRIVER_MYSQL
DRIVER_MODULES += tskdb_mysql.la
EMBEDDED_DRIVERS += libembedded_mysql.la
tskdb_mysql_la_SOURCES = $(MYSQL_SOURCES)
tskdb_mysql_la_CPPFLAGS = $(GUEST_CPPFLAGS) $(MYSQL_CFLAGS)
tskdb_mysql_la_LDFLAGS = $(MODULE_LDFLAGS) -export-symbols-regex '^tskdb_driver_mysql$$'
tskdb_mysql_la_LIBADD = librooms.la $(MYSQL_LIBS)
libembedded_mysql_la_SOURCES = $(MYSQL_SOURCES)
libembedded_mysql_la_CPPFLAGS = $(EMBEDDED_CPPFLAGS) $(MYSQL_CFLAGS)
libembedded_mysql_la_LIBADD = $(MYSQL_LIBS)
endif

MONGO_SOURCES = \
	%reldir%/mongo/ahead.c \
	%reldir%/mongo/catalog.c \
	%reldir%/mongo/compile.c \
	%reldir%/mongo/connect.c \
	%reldir%/mongo/driver.c \
	%reldir%/mongo/filter.c \
	%reldir%/mongo/guard.c \
	%reldir%/mongo/login.c \
	%reldir%/mongo/mongo_driver.h \
	%reldir%/mongo/sample.c \
	%reldir%/mongo/scan.c \
	%reldir%/mongo/schema.c \
	%reldir%/mongo/statement.c \
	%reldir%/mongo/stream.c \
	%reldir%/mongo/types.c \
	%reldir%/mongo/wire.c

if DRIVER_MONGO
DRIVER_MODULES += tskdb_mongo.la
EMBEDDED_DRIVERS += libembedded_mongo.la
tskdb_mongo_la_SOURCES = $(MONGO_SOURCES)
tskdb_mongo_la_CPPFLAGS = $(GUEST_CPPFLAGS) $(MONGO_CFLAGS)
tskdb_mongo_la_LDFLAGS = $(MODULE_LDFLAGS) -export-symbols-regex '^tskdb_driver_mongo$$'
tskdb_mongo_la_LIBADD = librooms.la $(MONGO_LIBS)
libembedded_mongo_la_SOURCES = $(MONGO_SOURCES)
libembedded_mongo_la_CPPFLAGS = $(EMBEDDED_CPPFLAGS) $(MONGO_CFLAGS)
libembedded_mongo_la_LIBADD = $(MONGO_LIBS)
endif

REDIS_SOURCES = \
	%reldir%/redis/catalog.c \
	%reldir%/redis/cluster.c \
	%reldir%/redis/compile.c \
	%reldir%/redis/connect.c \
	%reldir%/redis/driver.c \
	%reldir%/redis/exchange.c \
	%reldir%/redis/login.c \
	%reldir%/redis/match.c \
	%reldir%/redis/members.c \
	%reldir%/redis/native.c \
	%reldir%/redis/redis_driver.h \
	%reldir%/redis/row.c \
	%reldir%/redis/sample.c \
	%reldir%/redis/scan.c \
	%reldir%/redis/seen.c \
	%reldir%/redis/step.c \
	%reldir%/redis/template.c \
	%reldir%/redis/transport.c \
	%reldir%/redis/types.c

if DRIVER_REDIS
DRIVER_MODULES += tskdb_redis.la
EMBEDDED_DRIVERS += libembedded_redis.la
tskdb_redis_la_SOURCES = $(REDIS_SOURCES)
tskdb_redis_la_CPPFLAGS = $(GUEST_CPPFLAGS) $(REDIS_CFLAGS)
tskdb_redis_la_LDFLAGS = $(MODULE_LDFLAGS) -export-symbols-regex '^tskdb_driver_redis$$'
tskdb_redis_la_LIBADD = librooms.la $(REDIS_LIBS)
libembedded_redis_la_SOURCES = $(REDIS_SOURCES)
libembedded_redis_la_CPPFLAGS = $(EMBEDDED_CPPFLAGS) $(REDIS_CFLAGS)
libembedded_redis_la_LIBADD = $(REDIS_LIBS)
endif
