# bench/local.mk - the benchmark's programs and `make bench`.  They are built for it alone.
BENCHES = %reldir%/sqlite_host %reldir%/bare_postgres %reldir%/bare_mysql
EXTRA_PROGRAMS = $(BENCHES)
CLEANFILES += $(BENCHES)

bench_sqlite_host_SOURCES = %reldir%/sqlite_host.c
bench_sqlite_host_CPPFLAGS = $(SQLITE3_CFLAGS)
bench_sqlite_host_LDADD = $(SQLITE3_LIBS)
bench_bare_postgres_SOURCES = %reldir%/bare_postgres.c
bench_bare_postgres_CPPFLAGS = $(POSTGRES_CFLAGS)
bench_bare_postgres_LDADD = $(POSTGRES_LIBS)
bench_bare_mysql_SOURCES = %reldir%/bare_mysql.c
bench_bare_mysql_CPPFLAGS = $(MYSQL_CFLAGS)
bench_bare_mysql_LDADD = $(MYSQL_LIBS)

EXTRA_DIST += %reldir%/bench.sh %reldir%/run.py

bench: all $(BENCHES)
	$(srcdir)/%reldir%/bench.sh "$(abs_top_builddir)"
.PHONY: bench
