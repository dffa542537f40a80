# tests/local.mk - the suites, one a line, in the order of the floors.
#
# A suite is tests/<floor>/<noun>_test.c (a Check program, linked with everything, hidden names
# too) or tests/<floor>/<noun>.test (an executable script that prints "ok - case" and "not ok -
# case" lines and uses the stock sqlite3 as $TSKDB_SQLITE3 with $TSKDB_MODULE).  Both exit with
# 77 when what they need is not there.  A comment "Budget: N s" at its head says how long it may
# take; without one it is 10 s.
C_SUITES = \
	%reldir%/federation/shortage_test \
	%reldir%/vtab/batch_test \
	%reldir%/vtab/error_test \
	%reldir%/vtab/memory_test \
	%reldir%/vtab/period_test \
	%reldir%/vtab/pushdown_test \
	%reldir%/vtab/relation_test \
	%reldir%/vtab/store_test \
	%reldir%/vtab/text_memo_test \
	%reldir%/vtab/url_test \
	%reldir%/vtab/value_test \
	%reldir%/vtab/wait_test

if DRIVER_POSTGRES
C_SUITES += \
	%reldir%/federation/pool_test \
	%reldir%/vtab/postgres_pushdown_test \
	%reldir%/vtab/postgres_test \
	%reldir%/vtab/postgres_types_test
%canon_reldir%_vtab_postgres_types_test_CPPFLAGS = $(AM_CPPFLAGS) $(POSTGRES_CFLAGS)
endif
if DRIVER_MONGO
C_SUITES += \
	%reldir%/vtab/mongo_pushdown_test \
	%reldir%/vtab/mongo_test
endif
if DRIVER_MYSQL
C_SUITES += \
	%reldir%/vtab/mysql_pushdown_test \
	%reldir%/vtab/mysql_test
endif
if DRIVER_REDIS
C_SUITES += \
	%reldir%/vtab/redis_pushdown_test \
	%reldir%/vtab/redis_scan_test \
	%reldir%/vtab/redis_test
endif

SCRIPT_SUITES = \
	%reldir%/check_floors.sh \
	%reldir%/exports.test \
	%reldir%/documents/commands.test \
	%reldir%/documents/pushdown.test \
	%reldir%/documents/quickstart.test \
	%reldir%/vtab/mongo_comparison.test \
	%reldir%/vtab/mongo_login.test \
	%reldir%/vtab/mongo_router.test \
	%reldir%/vtab/mongo_scan.test \
	%reldir%/vtab/mongo_set.test \
	%reldir%/vtab/mongo_tables.test \
	%reldir%/vtab/index.test \
	%reldir%/vtab/residual.test \
	%reldir%/vtab/mysql_types.test \
	%reldir%/vtab/redis.test \
	%reldir%/vtab/scan.test \
	%reldir%/vtab/join_keys.test \
	%reldir%/vtab/joins.test \
	%reldir%/vtab/overlap.test \
	%reldir%/vtab/contract.test \
	%reldir%/faults/hostile.test \
	%reldir%/faults/spoiled.test \
	%reldir%/hosts/node.test \
	%reldir%/hosts/python.test \
	%reldir%/hosts/shell.test \
	%reldir%/federation/attach.test \
	%reldir%/federation/explain.test \
	%reldir%/federation/library.test \
	%reldir%/differential/differential.test \
	%reldir%/differential/mutation.test

# What the suites of the drivers share.
libfixture_la_SOURCES = \
	%reldir%/vtab/driver_fixture.c %reldir%/vtab/driver_fixture.h \
	%reldir%/vtab/pretender.c %reldir%/vtab/pretender.h \
	%reldir%/vtab/pushdown_comparison.c %reldir%/vtab/pushdown_comparison.h \
	%reldir%/vtab/suite.c %reldir%/vtab/suite.h

if HAVE_CHECK
check_LTLIBRARIES = libfixture.la libreplay.la
check_PROGRAMS += $(C_SUITES) $(FUZZ_TARGETS)
endif
dist_check_SCRIPTS += $(SCRIPT_SUITES)
TESTS = $(check_PROGRAMS) $(dist_check_SCRIPTS)
TEST_EXTENSIONS = .sh .test
AM_TESTS_ENVIRONMENT = . tests/environment;
TEST_LOG_COMPILER = $$TSKDB_SCRIPT_RUNNER

# Every C suite has these, unless it says otherwise.
AM_CPPFLAGS = $(EMBEDDED_CPPFLAGS) $(CHECK_CFLAGS)
LDADD = libfixture.la libreplay.la libembedded.la $(CHECK_LIBS)

EXTRA_DIST += \
	%reldir%/differential/comparison.py \
	%reldir%/differential/conditions.py \
	%reldir%/differential/coverage.py \
	%reldir%/differential/dataset.py \
	%reldir%/differential/equivalent.py \
	%reldir%/differential/found.py \
	%reldir%/differential/generator.py \
	%reldir%/differential/mutate.py \
	%reldir%/differential/plans.py \
	%reldir%/differential/query.py \
	%reldir%/differential/run.py \
	%reldir%/differential/servers/__init__.py \
	%reldir%/differential/servers/mongo.py \
	%reldir%/differential/servers/mysql.py \
	%reldir%/differential/servers/postgres.py \
	%reldir%/differential/servers/redis.py \
	%reldir%/differential/servers/server.py \
	%reldir%/differential/shrink.py \
	%reldir%/differential/store.py \
	%reldir%/differential/traps.py \
	%reldir%/federation/library_program.c \
	%reldir%/faults/impostor.py \
	%reldir%/faults/lengths.py \
	%reldir%/faults/proxy.py \
	%reldir%/faults/tables.py \
	%reldir%/host.py \
	%reldir%/hosts/install.sh \
	%reldir%/hosts/library.py \
	%reldir%/hosts/node.js \
	%reldir%/hiredis.sh \
	%reldir%/packages.sh \
	%reldir%/run.sh \
	%reldir%/private_servers.py \
	%reldir%/servers.sh \
	%reldir%/tsan.supp \
	%reldir%/vtab/redis_fixture.h

# For tests/run.sh: the suites of this build.
list-suites:
	@printf '%s\n' $(TESTS)
check-mutation:
	@$(MAKE) -s check TESTS=%reldir%/differential/mutation.test VERBOSE=yes
# Every byte of what a server says, every allocation (--enable-fault-injection) in Debian's SQLite and
# the newest: takes hours, not for every day. The servers are to be named.
soak: all %reldir%/federation/shortage_test
	. tests/environment; export TSKDB_STEP=1; $(srcdir)/%reldir%/faults/spoiled.test && \
		for newest in "" $$TSKDB_HOSTS/sqlite; do \
			LD_LIBRARY_PATH=$$newest %reldir%/federation/shortage_test || [ $$? -eq 77 ] || exit 1; \
		done
# The pages that are made from the program; a suite says when one is old.
update-documents: all
	. tests/environment; $(srcdir)/docs/pushdown.py >pushdown.tmp && mv pushdown.tmp $(srcdir)/docs/pushdown.md
check-floors:
	@$(srcdir)/%reldir%/check_floors.sh $(srcdir)
.PHONY: soak update-documents list-suites check-mutation check-floors
