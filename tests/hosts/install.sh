#!/bin/sh
# tests/hosts/install.sh - installs the SQLite hosts that are no Debian packages, once, into
# $TSKDB_HOSTS, else ${XDG_CACHE_HOME:-~/.cache}/tskdb:
#
#   apsw             Python with the newest SQLite, a wheel
#   better-sqlite3   Node's, compiled here if there is no build for this machine (a minute)
#   sqlite           its SQLite as a library that a C program can be given in place of Debian's
#
# A host that cannot be installed is left out and its suite is skipped; the exit status is then 1.
set -eu

APSW=3.54.1.0
BETTER_SQLITE3=12.11.1

here=$(cd "$(dirname "$0")" && pwd)
hosts=${TSKDB_HOSTS:-${XDG_CACHE_HOME:-$HOME/.cache}/tskdb}
mkdir -p "$hosts"
log=$(mktemp)
fresh=
trap 'rm -rf "$log" ${fresh:+"$fresh"}' EXIT

# Fills folder $1 by running the rest of the arguments with a fresh folder in place of {}, and
# points the link $2 to it.  A folder that is there is whole.
provide() {
    folder=$hosts/$1 link=$hosts/$2
    shift 2
    if [ ! -d "$folder" ]; then
        fresh=$(mktemp -d "$hosts/.new.XXXXXX")
        echo "hosts: installing ${folder##*/}" >&2
        "$@" "$fresh" >"$log" 2>&1 || {
            echo "hosts: ${folder##*/} cannot be installed:" >&2
            tail -n 15 "$log" >&2
            return 1
        }
        mv "$fresh" "$folder"
        fresh=
    fi
    ln -sfn "${folder##*/}" "$link"
}

install_apsw() {
    /usr/bin/python3 -m pip install -q --disable-pip-version-check --no-deps --only-binary :all: \
        --target "$1" "apsw==$APSW"
}

# Node's headers are beside it; a build need not ask for them.
install_better_sqlite3() {
    prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
    [ -d "$prefix/include/node" ] || prefix=
    (cd "$1" && echo '{"private": true}' >package.json &&
        npm install --no-audit --no-fund ${prefix:+"--nodedir=$prefix"} \
            "better-sqlite3@$BETTER_SQLITE3" &&
        node -e "new (require('better-sqlite3'))(':memory:')")
}

install_sqlite() {
    "${CC:-cc}" -O1 -g1 -shared -fPIC -Wl,-soname,libsqlite3.so.0 -DSQLITE_THREADSAFE=1 \
        -o "$1/libsqlite3.so.0" "$hosts/better-sqlite3/node_modules/better-sqlite3/deps/sqlite3/sqlite3.c" \
        -lm -lpthread
}

status=0
python=$(/usr/bin/python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
provide "apsw-$APSW-$python" apsw install_apsw || status=1
command -v npm >/dev/null || "$here/../packages.sh" node || :
if command -v npm >/dev/null && command -v node >/dev/null; then
    node=$(node -p 'process.versions.modules')
    provide "better-sqlite3-$BETTER_SQLITE3-node$node" better-sqlite3 install_better_sqlite3 ||
        status=1
    provide "sqlite-$BETTER_SQLITE3" sqlite install_sqlite || status=1
else
    echo "hosts: no node and npm" >&2
    status=1
fi
exit $status
