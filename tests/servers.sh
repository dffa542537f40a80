#!/bin/bash
# tests/servers.sh - private database servers for tests, examples and measurements.
#
#   tests/servers.sh start    start those that are installed; does nothing for one that runs
#   tests/servers.sh urls     print TSKDB_TEST_<NAME>=<url> lines, for eval
#   tests/servers.sh stop     stop them and remove their data
#
# They live in $TSKDB_SERVERS_DIR (else a folder under $TMPDIR that belongs to this user and
# checkout), listen on free ports of 127.0.0.1 and on sockets in that folder, and share nothing
# with a server of the system.  A variable TSKDB_TEST_<NAME> that is already set names a server
# that somebody else runs: it is used, not started.
#
# They are unhelpful on purpose: other collations, time zones, date styles and modes than a
# developer's machine has, and a password full of characters that URLs and SQL must quote.
#
# A new server: one section with start_x, stop_x and urls_x, and its name in SERVERS.
set -euo pipefail

SERVERS="postgres mysql"
USER_NAME=tskdb
PASSWORD="p@ss/w:rd%'\""
PASSWORD_IN_URL='p%40ss%2Fw%3Ard%25%27%22'
DATABASE=tskdb_test
START_SECONDS=60
STOP_SECONDS=20

here=$(cd "$(dirname "$0")/.." && pwd)
checkout=$(printf '%s' "$here" | cksum | cut -d ' ' -f 1)
dir=${TSKDB_SERVERS_DIR:-${TMPDIR:-/tmp}/tskdb-servers-$(id -u)-$checkout}

say() { echo "servers: $*" >&2; }
die() { say "$@"; exit 1; }

# --- what every server needs -----------------------------------------------------------------

# Makes the folder.  Other users (the servers') may pass through it, not list it.
make_folder() {
    [ -d "$dir" ] || mkdir -m 711 "$dir"
    [ -O "$dir" ] && [ ! -L "$dir" ] || die "$dir does not belong to this user"
    dir=$(cd "$dir" && pwd)
    # A socket's path has room for 107 bytes.
    [ ${#dir} -le 70 ] || die "$dir is too long a name for sockets; set TSKDB_SERVERS_DIR"
    exec 9>"$dir/lock"
    flock 9
}

# The user that a server runs as: $1 where there is such a user, else nobody; ourselves if we
# are not root.
user_for() {
    if [ "$(id -u)" -ne 0 ]; then id -un
    elif id "$1" >/dev/null 2>&1; then echo "$1"
    else echo nobody
    fi
}

# Runs a command as a user, without our lock.
as_user() {
    local user=$1
    shift
    if [ "$(id -un)" = "$user" ]; then "$@" 9>&-; else runuser -u "$user" -- "$@" 9>&-; fi
}

# Fails unless user $1 can reach the folder.
must_reach() {
    as_user "$1" test -x "$dir" && return 0
    say "user $1 cannot reach $dir: a folder above it is closed to others (chmod a+x)"
    return 1
}

free_port() {
    perl -MIO::Socket::INET -e '
        print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 0)->sockport'
}

# The pid in file $1, if that process runs and is one of this folder.
pid_of() {
    local pid
    [ -f "$1" ] || return 1
    pid=$(head -n 1 "$1")
    [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
    tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF "$dir/" || return 1
    echo "$pid"
}

# Waits up to $1 seconds until the command succeeds.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# Stops the process of pid file $1 with signal $2, after a time with KILL.
stop_pid() {
    local pid
    pid=$(pid_of "$1") || return 0
    kill "-$2" "$pid" 2>/dev/null || return 0
    wait_until "$STOP_SECONDS" gone "$pid" && return 0
    say "process $pid does not stop, killing it"
    kill -KILL "$pid" 2>/dev/null || return 0
    wait_until 5 gone "$pid" || :
}

# Says that a server did not start, with the end of its log, and fails.
failed() {
    say "$1 did not start; the end of $2:"
    tail -n 40 "$2" >&2 || :
    return 1
}

# Prints NAME='value', whatever the value holds.
print_variable() {
    printf "%s='%s'\n" "$1" "$(printf '%s' "$2" | sed "s/'/'\\\\''/g")"
}

# Makes ca.pem and a certificate for 127.0.0.1, ::1 and localhost signed by it.
make_certificates() {
    [ -f "$dir/ca.pem" ] && return 0
    command -v openssl >/dev/null || { say "no openssl: servers without TLS"; return 0; }
    local tls=$dir/tls
    mkdir -p -m 700 "$tls"
    {
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=tskdb test CA" \
            -keyout "$tls/ca.key" -out "$tls/ca.pem"
        openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" \
            -keyout "$tls/server.key" -out "$tls/server.csr"
        echo "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1" >"$tls/server.ext"
        openssl x509 -req -in "$tls/server.csr" -days 30 -CA "$tls/ca.pem" -CAkey "$tls/ca.key" \
            -CAcreateserial -extfile "$tls/server.ext" -out "$tls/server.pem"
    } >"$tls/log" 2>&1 || { failed certificates "$tls/log"; return 1; }
    # Last, so that its presence means that all is there.
    install -m 644 "$tls/ca.pem" "$dir/ca.pem"
}

# Gives user $1 its own copy of the server's certificate in folder $2.
give_certificate() {
    [ -f "$dir/ca.pem" ] || return 0
    install -m 600 -o "$1" "$dir/tls/server.pem" "$2/server.pem"
    install -m 600 -o "$1" "$dir/tls/server.key" "$2/server.key"
}

# --- PostgreSQL ------------------------------------------------------------------------------

# The newest installed version's programs; Debian keeps them out of PATH.
postgres_bin() {
    local initdb
    initdb=$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)
    [ -n "$initdb" ] || initdb=$(command -v initdb) || return 1
    dirname "$initdb"
}

postgres_settings() {
    cat <<END
listen_addresses = '127.0.0.1,::1'
unix_socket_directories = '$dir/postgres'
timezone = 'America/St_Johns'
datestyle = 'German, DMY'
intervalstyle = 'sql_standard'
bytea_output = 'escape'
extra_float_digits = 0
max_prepared_transactions = 20
max_connections = 200
shared_buffers = 64MB
password_encryption = 'scram-sha-256'
# Nothing here outlives a crash, and need not.
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
log_line_prefix = '%m [%p] '
END
    [ ! -f "$dir/ca.pem" ] || cat <<END
ssl = on
ssl_cert_file = '$dir/postgres/server.pem'
ssl_key_file = '$dir/postgres/server.key'
END
}

postgres_init() {
    local user=$1 bin=$2 home=$dir/postgres icu=
    install -d -m 711 -o "$user" "$home"
    install -m 644 -o "$user" /dev/null "$home/log"
    give_certificate "$user" "$home"
    # PostgreSQL 15 and newer can have ICU collations for a whole database.
    if as_user "$user" "$bin/initdb" --help | grep -q -e --locale-provider; then
        icu="--locale-provider=icu --icu-locale=en-US"
    fi
    printf '%s\n' "$PASSWORD" >"$home/password"
    chown "$user" "$home/password"
    # shellcheck disable=SC2086 # two options
    as_user "$user" "$bin/initdb" -D "$home/data" --no-sync --encoding=UTF8 --locale=C $icu \
        --username="$USER_NAME" --pwfile="$home/password" --auth=scram-sha-256 \
        >>"$home/log" 2>&1 || return 1
    rm -f "$home/password"
    postgres_settings >>"$home/data/postgresql.conf"
}

postgres_sql() {
    PGPASSWORD=$PASSWORD "$1/psql" -X -q -w -v ON_ERROR_STOP=1 -h "$dir/postgres" \
        -p "$(cat "$dir/postgres/port")" -U "$USER_NAME" -d postgres -tA -c "$2" 9>&-
}

start_postgres() {
    local bin user home=$dir/postgres
    bin=$(postgres_bin) || { say "PostgreSQL is not installed, going on without"; return 0; }
    pid_of "$home/data/postmaster.pid" >/dev/null && return 0
    user=$(user_for postgres)
    must_reach "$user" || return 1
    cd "$dir" # a folder that every user may stand in
    if [ ! -f "$home/data/postgresql.conf" ]; then
        postgres_init "$user" "$bin" || { failed PostgreSQL "$home/log"; return 1; }
    fi
    # Another process may take the port between our look and the server's: try again.
    local try
    for try in 1 2 3; do
        free_port >"$home/port"
        if as_user "$user" "$bin/pg_ctl" start -D "$home/data" -l "$home/log" -w -s \
                -t "$START_SECONDS" -o "-p $(cat "$home/port")" >/dev/null 2>&1; then
            break
        fi
        [ "$try" -lt 3 ] || { failed PostgreSQL "$home/log"; return 1; }
    done
    [ -n "$(postgres_sql "$bin" "SELECT 1 FROM pg_database WHERE datname = '$DATABASE'")" ] ||
        postgres_sql "$bin" "CREATE DATABASE $DATABASE" ||
        { failed "PostgreSQL's database" "$home/log"; return 1; }
    say "PostgreSQL $("$bin/postgres" --version | cut -d ' ' -f 3) on port $(cat "$home/port")"
}

stop_postgres() {
    stop_pid "$dir/postgres/data/postmaster.pid" INT
    rm -rf "$dir/postgres"
}

urls_postgres() {
    pid_of "$dir/postgres/data/postmaster.pid" >/dev/null || return 0
    local port
    port=$(cat "$dir/postgres/port")
    print_variable TSKDB_TEST_POSTGRES \
        "postgresql://$USER_NAME:$PASSWORD_IN_URL@127.0.0.1:$port/$DATABASE"
    print_variable TSKDB_TEST_POSTGRES_SOCKET "$dir/postgres" # the folder, as libpq's host
}

# --- MariaDB, MySQL --------------------------------------------------------------------------

mysql_init() {
    local user=$1 home=$dir/mysql tls=
    install -d -m 711 -o "$user" "$home"
    install -d -m 700 -o "$user" "$home/tmp"
    install -m 644 -o "$user" /dev/null "$home/log"
    give_certificate "$user" "$home"
    [ ! -f "$dir/ca.pem" ] || tls="ssl_ca = $dir/ca.pem
ssl_cert = $home/server.pem
ssl_key = $home/server.key"
    cat >"$home/my.cnf" <<END
[mariadbd]
datadir = $home/data
tmpdir = $home/tmp
socket = $home/socket
pid_file = $home/pid
log_error = $home/log
bind_address = 127.0.0.1
skip_name_resolve
character_set_server = utf8mb4
collation_server = utf8mb4_general_ci
default_time_zone = +05:30
sql_mode = ALLOW_INVALID_DATES,HIGH_NOT_PRECEDENCE,PAD_CHAR_TO_FULL_LENGTH
local_infile = ON
max_connections = 200
max_allowed_packet = 64M
innodb_buffer_pool_size = 64M
innodb_flush_log_at_trx_commit = 0
innodb_doublewrite = 0
innodb_fast_shutdown = 3
skip_log_bin
$tls
END
    # The server runs this before it listens: our user, and no other way in.
    cat >"$home/users.sql" <<END
DROP USER IF EXISTS ''@'localhost', ''@'$(hostname)', 'root'@'127.0.0.1', 'root'@'::1', 'root'@'$(hostname)';
CREATE USER IF NOT EXISTS '$USER_NAME'@'%' IDENTIFIED BY '${PASSWORD//\'/\'\'}';
GRANT ALL ON *.* TO '$USER_NAME'@'%' WITH GRANT OPTION;
ALTER USER 'root'@'localhost' ACCOUNT LOCK;
CREATE DATABASE IF NOT EXISTS $DATABASE;
END
    (umask 077 && cat >"$home/client.cnf" <<END
[client]
user = $USER_NAME
password = "${PASSWORD//\"/\\\"}"
socket = $home/socket
END
    )
    chown "$user" "$home/users.sql"
    chmod 600 "$home/users.sql"
    mariadb-install-db --no-defaults --user="$user" --datadir="$home/data" \
        --auth-root-authentication-method=normal --skip-test-db >>"$home/log" 2>&1 9>&-
}

mysql_answers() {
    mariadb-admin --defaults-file="$dir/mysql/client.cnf" status 9>&-
}

# Starts the server on a free port and waits for it.
mysql_launch() {
    local user=$1 home=$dir/mysql launched
    free_port >"$home/port"
    setsid mariadbd --defaults-file="$home/my.cnf" --user="$user" --port="$(cat "$home/port")" \
        --init-file="$home/users.sql" >>"$home/log" 2>&1 </dev/null 9>&- &
    launched=$!
    mysql_ready() { mysql_answers || gone "$launched"; }
    wait_until "$START_SECONDS" mysql_ready
    mysql_answers >/dev/null 2>&1
}

start_mysql() {
    local user home=$dir/mysql try
    PATH=$PATH:/usr/sbin:/usr/local/sbin
    if ! command -v mariadbd >/dev/null || ! command -v mariadb-install-db >/dev/null; then
        say "MariaDB is not installed, going on without"
        return 0
    fi
    pid_of "$home/pid" >/dev/null && return 0
    user=$(user_for mysql)
    must_reach "$user" || return 1
    cd "$dir"
    if [ ! -f "$home/initialized" ]; then
        mysql_init "$user" || { failed MariaDB "$home/log"; return 1; }
        touch "$home/initialized"
    fi
    for try in 1 2 3; do
        mysql_launch "$user" && break
        stop_pid "$home/pid" KILL
        [ "$try" -lt 3 ] || { failed MariaDB "$home/log"; return 1; }
    done
    say "MariaDB $(mariadbd --version | sed 's/.*Ver \([^ -]*\).*/\1/') on port $(cat "$home/port")"
}

stop_mysql() {
    stop_pid "$dir/mysql/pid" TERM
    rm -rf "$dir/mysql"
}

urls_mysql() {
    pid_of "$dir/mysql/pid" >/dev/null || return 0
    local port
    port=$(cat "$dir/mysql/port")
    print_variable TSKDB_TEST_MYSQL \
        "mysql://$USER_NAME:$PASSWORD_IN_URL@127.0.0.1:$port/$DATABASE"
    print_variable TSKDB_TEST_MYSQL_SOCKET "$dir/mysql/socket"
}

# --- the three commands ----------------------------------------------------------------------

# The variable that names a server, e.g. TSKDB_TEST_MYSQL for mysql.
variable_of() { echo "TSKDB_TEST_${1^^}"; }

start() {
    local server variable
    make_folder
    make_certificates
    for server in $SERVERS; do
        variable=$(variable_of "$server")
        if [ -n "${!variable:-}" ]; then
            say "$variable is set: using that server"
        else
            "start_$server" || die "the others were left running; '$0 stop' stops them"
        fi
    done
}

urls() {
    local server variable
    dir=$(cd "$dir" 2>/dev/null && pwd) || dir=/nonexistent
    for server in $SERVERS; do
        variable=$(variable_of "$server")
        if [ -n "${!variable:-}" ]; then
            print_variable "$variable" "${!variable}"
        else
            "urls_$server"
        fi
    done
    [ ! -f "$dir/ca.pem" ] || print_variable TSKDB_TEST_CA "$dir/ca.pem"
}

stop() {
    local server
    [ -d "$dir" ] || return 0
    make_folder
    cd /
    for server in $SERVERS; do "stop_$server"; done
    rm -rf "$dir/tls" "$dir/ca.pem" "$dir/lock"
    rmdir "$dir" 2>/dev/null || say "left $dir, which holds other files"
}

case ${1:-} in
    start | stop | urls) "$1" ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
