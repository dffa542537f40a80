# federation/local.mk - the sources of the second floor, one noun a line.

include_HEADERS += %reldir%/tskdb.h

FEDERATION_SOURCES = \
	%reldir%/explain.c %reldir%/explain.h \
	%reldir%/library.c

# In the loadable extension only: its entry point.
EXTENSION_SOURCES = \
	%reldir%/extension.c
