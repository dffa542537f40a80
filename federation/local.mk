# federation/local.mk - the sources of the second floor, one noun a line.

include_HEADERS += %reldir%/tskdb.h

FEDERATION_SOURCES = \
	%reldir%/attach.c %reldir%/attach.h \
	%reldir%/drivers.c %reldir%/drivers.h \
	%reldir%/explain.c %reldir%/explain.h \
	%reldir%/functions.c %reldir%/functions.h \
	%reldir%/library.c %reldir%/library.h \
	%reldir%/options.c %reldir%/options.h \
	%reldir%/pool.c %reldir%/pool.h \
	%reldir%/registry.c %reldir%/registry.h \
	%reldir%/requests.c %reldir%/requests.h \
	%reldir%/schema.c %reldir%/schema.h \
	%reldir%/server.c %reldir%/server.h \
	%reldir%/sheet.h %reldir%/snapshot.c \
	%reldir%/statistics.c %reldir%/statistics.h \
	%reldir%/tables.c %reldir%/tables.h

# In the loadable extension only: its entry point.
EXTENSION_SOURCES = \
	%reldir%/extension.c
