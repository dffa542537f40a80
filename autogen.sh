#!/bin/sh
# autogen.sh - makes ./configure from configure.ac in a fresh checkout.
# A release tarball has ./configure already.  Afterwards:
#   mkdir build && cd build && ../configure && make
set -eu
cd "$(dirname "$0")"

missing=
for tool in autoconf automake libtoolize pkg-config; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    echo "autogen.sh: not found:$missing" >&2
    echo "autogen.sh: on Debian, tests/packages.sh build installs them" >&2
    exit 1
fi
exec autoreconf --force --install --warnings=all,no-obsolete
