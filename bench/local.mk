# bench/local.mk - the benchmark's programs and `make bench`.  They are built for it alone.
BENCHES = \
	%reldir%/bare_join \
	%reldir%/bare_mysql \
	%reldir%/bare_postgres \
	%reldir%/proxy \
	%reldir%/sqlite_host
if DRIVER_MONGO
BENCHES += %reldir%/bare_mongo
endif
if DRIVER_REDIS
BENCHES += %reldir%/bare_redis
endif
EXTRA_PROGRAMS = $(BENCHES)
CLEANFILES += $(BENCHES)

bench_sqlite_host_SOURCES = %reldir%/sqlite_host.c
bench_sqlite_host_CPPFLAGS = $(SQLITE3_CFLAGS)
bench_sqlite_host_LDADD = $(SQLITE3_LIBS)
bench_bare_postgres_SOURCES = %reldir%/bare_numbers.h %reldir%/bare_postgres.c
bench_bare_postgres_CPPFLAGS = $(POSTGRES_CFLAGS)
bench_bare_postgres_LDADD = $(POSTGRES_LIBS)
bench_bare_mysql_SOURCES = %reldir%/bare_mysql.c
bench_bare_mysql_CPPFLAGS = $(MYSQL_CFLAGS)
bench_bare_mysql_LDADD = $(MYSQL_LIBS)
bench_bare_redis_SOURCES = %reldir%/bare_redis.c
bench_bare_redis_CPPFLAGS = $(REDIS_CFLAGS)
bench_bare_redis_LDADD = $(REDIS_LIBS)

bench_bare_mongo_SOURCES = %reldir%/bare_mongo.c
bench_bare_mongo_CPPFLAGS = -D_GNU_SOURCE $(MONGO_CFLAGS)
bench_bare_mongo_LDADD = $(MONGO_LIBS)
bench_bare_join_SOURCES = \
	%reldir%/bare_join.c \
	%reldir%/bare_join.h \
	%reldir%/bare_join_mysql.c \
	%reldir%/bare_join_postgres.c \
	%reldir%/bare_numbers.h
bench_bare_join_CPPFLAGS = $(POSTGRES_CFLAGS) $(MYSQL_CFLAGS)
bench_bare_join_LDADD = $(POSTGRES_LIBS) $(MYSQL_LIBS)
if DRIVER_MONGO
bench_bare_join_SOURCES += %reldir%/bare_join_mongo.c
bench_bare_join_CPPFLAGS += -D_GNU_SOURCE -DBENCH_MONGO $(MONGO_CFLAGS)
bench_bare_join_LDADD += $(MONGO_LIBS)
endif
if DRIVER_REDIS
bench_bare_join_SOURCES += %reldir%/bare_join_redis.c
bench_bare_join_CPPFLAGS += -DBENCH_REDIS $(REDIS_CFLAGS)
bench_bare_join_LDADD += $(REDIS_LIBS)
endif
bench_proxy_SOURCES = %reldir%/proxy.c

EXTRA_DIST += \
	%reldir%/address.py \
	%reldir%/bench.sh \
	%reldir%/comparison.py \
	%reldir%/figures.py \
	%reldir%/javascript.js \
	%reldir%/javascript.py \
	%reldir%/joins.py \
	%reldir%/mixed.py \
	%reldir%/network.py \
	%reldir%/program.py \
	%reldir%/report.py \
	%reldir%/run.py \
	%reldir%/tpch/data.py \
	%reldir%/tpch/queries.sql \
	%reldir%/tpch/run.py \
	%reldir%/tpch/schema.sql

# The programs alone, to run parts of the benchmark by hand (docs/performance.md).
bench-programs: all $(BENCHES)
bench: bench-programs
	$(srcdir)/%reldir%/bench.sh "$(abs_top_builddir)"
.PHONY: bench bench-programs
