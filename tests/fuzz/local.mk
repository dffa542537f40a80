# tests/fuzz/local.mk - the fuzz targets, one a block.  With --enable-fuzzing libFuzzer drives them
# (run.sh); without, libreplay.la has their main() and each is a suite: the corpus of its name.
libreplay_la_SOURCES = %reldir%/replay.c %reldir%/fuzz.h
FUZZ_FLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)

FUZZ_TARGETS = \
	%reldir%/options \
	%reldir%/plan \
	%reldir%/url \
	%reldir%/value
%canon_reldir%_options_LDFLAGS = $(FUZZ_FLAGS)
%canon_reldir%_plan_LDFLAGS = $(FUZZ_FLAGS)
%canon_reldir%_url_LDFLAGS = $(FUZZ_FLAGS)
%canon_reldir%_url_CPPFLAGS = $(AM_CPPFLAGS) $(POSTGRES_CFLAGS) $(MYSQL_CFLAGS) $(MONGO_CFLAGS) \
	$(REDIS_CFLAGS)
%canon_reldir%_value_LDFLAGS = $(FUZZ_FLAGS)

if DRIVER_POSTGRES
FUZZ_TARGETS += %reldir%/postgres_value
%canon_reldir%_postgres_value_LDFLAGS = $(FUZZ_FLAGS)
%canon_reldir%_postgres_value_CPPFLAGS = $(AM_CPPFLAGS) $(POSTGRES_CFLAGS)
endif

if DRIVER_MYSQL
FUZZ_TARGETS += %reldir%/mysql_row
%canon_reldir%_mysql_row_LDFLAGS = $(FUZZ_FLAGS)
%canon_reldir%_mysql_row_CPPFLAGS = $(AM_CPPFLAGS) $(MYSQL_CFLAGS)
endif

if DRIVER_MONGO
FUZZ_TARGETS += %reldir%/mongo_document
%canon_reldir%_mongo_document_LDFLAGS = $(FUZZ_FLAGS)
%canon_reldir%_mongo_document_CPPFLAGS = $(AM_CPPFLAGS) $(MONGO_CFLAGS)
endif

if DRIVER_REDIS
FUZZ_TARGETS += %reldir%/redis_key %reldir%/redis_reply
%canon_reldir%_redis_key_LDFLAGS = $(FUZZ_FLAGS)
%canon_reldir%_redis_key_CPPFLAGS = $(AM_CPPFLAGS) $(REDIS_CFLAGS)
%canon_reldir%_redis_reply_LDFLAGS = $(FUZZ_FLAGS)
%canon_reldir%_redis_reply_CPPFLAGS = $(AM_CPPFLAGS) $(REDIS_CFLAGS)
endif

# Looks for new inputs for FUZZ_SECONDS with each target, in a build of its own.
FUZZ_SECONDS = 600
fuzz:
	@$(srcdir)/%reldir%/run.sh $(abs_builddir)/fuzzers $(FUZZ_SECONDS)
# For run.sh: the targets of this build.
list-fuzz-targets:
	@printf '%s\n' $(FUZZ_TARGETS)
.PHONY: fuzz list-fuzz-targets

EXTRA_DIST += %reldir%/run.sh %reldir%/corpus
