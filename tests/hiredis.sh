#!/bin/sh
# tests/hiredis.sh FOLDER - hiredis 1.x in FOLDER: a shared library, its headers and hiredis.pc.
#
# Debian 12 has hiredis 0.14; the Python package of that name brings the C sources of a newer one.
# Exits with 77 if they cannot be fetched.
set -eu

PACKAGE=hiredis==3.5.0  # has hiredis 1.5.0

folder=${1:?}
[ ! -f "$folder/hiredis.pc" ] || exit 0
mkdir -p "$folder/hiredis"
python3 -m pip download -q --disable-pip-version-check --no-deps --no-binary :all: \
    --dest "$folder" "$PACKAGE" || exit 77
tar -xzf "$folder"/hiredis-*.tar.gz -C "$folder" --strip-components=1
sources=$folder/vendor/hiredis
cp "$sources"/*.h "$folder/hiredis"
version=$(awk '/define HIREDIS_(MAJOR|MINOR|PATCH)/ {v = v "." $3} END {print substr(v, 2)}' \
    "$sources/hiredis.h")
(cd "$sources" && ${CC:-cc} -O2 -fPIC -shared -Wl,-soname,libhiredis.so.1 \
    alloc.c async.c hiredis.c net.c read.c sds.c sockcompat.c -o "$folder/libhiredis.so.1")
ln -sf libhiredis.so.1 "$folder/libhiredis.so"
cat >"$folder/hiredis.pc" <<PC
Name: hiredis
Description: client library for Redis
Version: $version
Cflags: -I$folder/hiredis -D_FILE_OFFSET_BITS=64
Libs: -L$folder -lhiredis
PC
