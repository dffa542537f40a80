#!/bin/sh
# tests/packages.sh - installs the Debian packages that are missing, and says which.
#
#   tests/packages.sh [group...]     without a group all but node and fuzz
#
#   build      compiler, autotools, SQLite's and the client libraries' headers
#   postgres   the PostgreSQL server
#   mysql      the MariaDB server
#   mongo      what fetches a MongoDB server (see tests/servers.sh), its client for Python, a DNS server
#   redis      the Redis server and its Sentinel
#   shell      the stock sqlite3 shell
#   check      what the tests need beyond these
#   hosts      what tests/hosts/install.sh needs to install hosts
#   node       Node and npm, for machines that have them from nowhere else; not by default
#   fuzz       clang with libFuzzer, for make fuzz; not by default
#
# It works as root or with sudo, and touches nothing when all is there.  No server of the system
# is started, and it fails when a package could not be installed.  On a system without dpkg it
# installs nothing.
set -eu

packages_of() {
    case $1 in
        build)
            echo "gcc libc6-dev make binutils autoconf automake libtool pkg-config" \
                "libsqlite3-dev libpq-dev libmariadb-dev" \
                "libmongoc-dev libbson-dev libhiredis-dev libssl-dev" ;;
        postgres) echo "postgresql openssl perl-base util-linux" ;;
        mysql) echo "mariadb-server mariadb-client openssl perl-base util-linux" ;;
        mongo)
            echo "python3 python3-pip python3-pymongo python3-dnslib libcurl4 openssl perl-base" \
                "util-linux" ;;
        redis) echo "redis-server redis-sentinel openssl perl-base util-linux" ;;
        shell) echo "sqlite3" ;;
        check) echo "check clang python3 valgrind xz-utils" ;;
        hosts) echo "python3-pip g++" ;;
        node) echo "nodejs npm libnode-dev" ;;
        fuzz) echo "clang libclang-rt-dev" ;;
        *) echo "packages: no group $1" >&2; return 1 ;;
    esac
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else
        echo "packages: neither root nor sudo; install them and run this again" >&2
        return 1
    fi
}

# Debian starts a server when its package is installed, unless this file says no.
policy=/usr/sbin/policy-rc.d
forbid_starting() {
    [ ! -e $policy ] || return 0
    trap 'as_root rm -f $policy' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
}

install_packages() {
    forbid_starting
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -qq -y --no-install-recommends install "$@" </dev/null >/dev/null
}

[ $# -gt 0 ] || set -- build postgres mysql mongo redis shell check hosts
wanted=
for group; do wanted="$wanted $(packages_of "$group")"; done

if ! command -v dpkg-query >/dev/null; then
    echo "packages: not a Debian system; needed are the likes of$wanted" >&2
    exit 0
fi
missing=
for package in $wanted; do
    installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "packages: installing$missing" >&2
# shellcheck disable=SC2086 # a list
install_packages $missing
