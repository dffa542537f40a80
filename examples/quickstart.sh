#!/bin/bash
# examples/quickstart.sh - one SQL statement over PostgreSQL, MariaDB, MongoDB, Redis and SQLite.
#
#   examples/quickstart.sh           try it; everything it started is gone afterwards
#   examples/quickstart.sh --keep    leave the servers running and say where they are
#
# It installs the Debian packages that are missing, builds tskdb in ./build unless it is built,
# starts private servers in a temporary folder, loads a small shop into them and into a SQLite
# file, and asks one question that needs all of them, in the stock sqlite3 shell.  A server that
# cannot be installed or started is left out and its table stands in a SQLite file instead.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
build=${TSKDB_BUILD:-$root/build}
keep=no
case ${1:-} in
    '') ;;
    --keep) keep=yes ;;
    *) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/tskdb-shop-XXXXXX")
chmod 711 "$work"   # the servers' users pass through it
export TSKDB_SERVERS_DIR=$work/servers

# Only servers of its own: it drops tables.
unset "${!TSKDB_TEST_@}"

title() { printf '\n== %s\n' "$*"; }

finish() {
    local status=$?
    if [ "$keep" = no ] || [ $status -ne 0 ]; then
        "$root/tests/servers.sh" stop >/dev/null 2>&1 || true
        rm -rf "$work"
    fi
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

without() { echo "quickstart: $1 could not be $2; going on without it"; }

build_tskdb() {
    if [ ! -x "$root/configure" ]; then (cd "$root" && ./autogen.sh >"$work/build.log" 2>&1) || tail_log; fi
    mkdir -p "$build"
    if [ ! -f "$build/Makefile" ]; then
        (cd "$build" && "$root/configure" >>"$work/build.log" 2>&1) || tail_log
    fi
    make -C "$build" -j2 >>"$work/build.log" 2>&1 || tail_log
}

tail_log() {
    tail -n 40 "$work/build.log" >&2
    echo "quickstart: the build failed" >&2
    exit 1
}

# --- the shop ---------------------------------------------------------------------------------

orders_sql="
DROP TABLE IF EXISTS orders;
CREATE TABLE orders (
  id integer PRIMARY KEY, customer_id integer NOT NULL, product_id integer NOT NULL,
  quantity integer NOT NULL, placed_at timestamp NOT NULL);
INSERT INTO orders VALUES
  (1, 1, 10, 2, '2026-01-03 09:15:00'), (2, 2, 11, 1, '2026-01-04 11:00:00'),
  (3, 1, 12, 5, '2026-02-11 16:42:10'), (4, 3, 10, 1, '2025-12-30 08:00:00'),
  (5, 4, 11, 3, '2026-03-05 20:05:00'), (6, 2, 12, 4, '2026-03-09 10:30:00'),
  (7, 5, 13, 1, '2026-03-10 12:00:00'), (8, 4, 10, 6, '2026-04-01 07:45:00');
"
customers_sql="
DROP TABLE IF EXISTS customers;
CREATE TABLE customers (id integer PRIMARY KEY, name varchar(40) NOT NULL, country char(2));
INSERT INTO customers VALUES
  (1, 'Ada', 'GB'), (2, 'Blaise', 'FR'), (3, 'Carl', 'DE'), (4, 'Dorothy', 'US'), (5, 'Émilie', 'FR');
"
products_sql="
CREATE TABLE products (id INTEGER PRIMARY KEY, title TEXT NOT NULL, price REAL NOT NULL);
INSERT INTO products VALUES (10, 'slide rule', 12.5), (11, 'astrolabe', 89.0), (12, 'ink', 3.2), (13, 'globe', 240.0);
"
reviews_json='
{"delete": "reviews", "deletes": [{"q": {}, "limit": 0}]};
{"insert": "reviews", "documents": [
  {"_id": 10, "stars": 4.5, "by": {"name": "Émilie"}, "tags": ["wood", "exact"]},
  {"_id": 11, "stars": 3, "by": {"name": "Carl"}},
  {"_id": 12, "stars": 5, "by": {"name": "Ada"}, "tags": []},
  {"_id": 13, "stars": 2.5}]};
'
reviews_sql="
CREATE TABLE reviews (_id INTEGER PRIMARY KEY, stars REAL NOT NULL);
INSERT INTO reviews VALUES (10, 4.5), (11, 3), (12, 5), (13, 2.5);
"
stock_sql="
CREATE TABLE stock (id INTEGER PRIMARY KEY, on_hand INTEGER NOT NULL);
INSERT INTO stock VALUES (10, 31), (11, 4), (12, 250), (13, 1);
"
# The same as hashes: a command and its arguments a line.
stock_commands="
'HSET', 'stock:10', 'on_hand', 31
'HSET', 'stock:11', 'on_hand', 4
'HSET', 'stock:12', 'on_hand', 250
'HSET', 'stock:13', 'on_hand', 1
"
question="
SELECT c.name, c.country, count(*) AS orders, sum(o.quantity * p.price) AS total,
       round(avg(r.stars), 1) AS stars, min(s.on_hand) AS least_stock
  FROM pg.orders o
  JOIN crm.customers c ON c.id = o.customer_id
  JOIN products p      ON p.id = o.product_id
  JOIN docs.reviews r  ON r._id = o.product_id
  JOIN cache.stock s   ON s.id = o.product_id
 WHERE o.placed_at >= '2026-01-01'
 GROUP BY c.id
 ORDER BY total DESC;
"

attachments=''
# attach NAME TABLE PRODUCT URL STATEMENTS [SQL]: loads the statements into the server, or, where
# there is none, the SQL (the statements, if it is left out) into a SQLite file.
attach() {
    local name=$1 table=$2 product=$3 url=$4 statements=$5
    if [ -z "$url" ]; then
        product="$name.db, a SQLite file"
        url=sqlite:$work/$name.db
        sqlite3 "$work/$name.db" "${6:-$statements}"
    else
        load_with_tskdb "$url" "$statements"
    fi
    printf '%-10s %s\n' "$table:" "$product"
    attachments+="SELECT tskdb_attach('$name', '${url//\'/\'\'}');"$'\n'
}

# The tskdb_exec calls for statements that end with ';', or for a command and its arguments a line.
calls_of() {
    local statement
    if [[ $1 != *';'* ]]; then
        sed -n "s/^'.*/SELECT tskdb_exec('load', &);/p" <<<"$1"
        return
    fi
    while IFS= read -r -d ';' statement; do
        [ -n "${statement//[[:space:]]/}" ] || continue
        echo "SELECT tskdb_exec('load', '${statement//\'/\'\'}');"
    done <<<"$1"
}

# Sends each statement by tskdb_exec, as an application would.
load_with_tskdb() {
    {
        echo ".load $build/tskdb"
        echo ".output /dev/null"
        echo "SELECT tskdb_attach('load', '${1//\'/\'\'}');"
        calls_of "$2"
    } | sqlite3 -bail
}

show() {
    title "what it asks"
    printf '%s' "$question"
    title "the answer"
    {
        echo ".load $build/tskdb"
        echo ".output /dev/null"
        printf '%s' "$attachments"
        echo ".output stdout"
        echo ".mode column"
        printf '%s' "$question"
        echo ".print"
        echo ".print == what each server was asked"
        echo ".mode list"
        echo ".headers off"
        echo ".separator ' '"
        echo "SELECT server || ':', statement, '-- ' || rows || ' rows, ' || round(last_ms, 1) || ' ms' FROM tskdb_requests ORDER BY id;"
    } | sqlite3 -bail "$work/shop.db"
}

# --- what happens -----------------------------------------------------------------------------

title "packages"
"$root/tests/packages.sh" build shell
servers=
for server in postgres mysql mongo redis; do
    if "$root/tests/packages.sh" $server; then servers+=" $server"; else without $server installed; fi
done

title "build"
build_tskdb
echo "built in $build"

title "private servers in $work"
for server in $servers; do
    "$root/tests/servers.sh" start "$server" || without "$server" started
done
eval "$("$root/tests/servers.sh" urls)"
sqlite3 "$work/shop.db" "$products_sql"
attach pg orders PostgreSQL "${TSKDB_TEST_POSTGRES:-}" "$orders_sql"
attach crm customers MariaDB "${TSKDB_TEST_MYSQL:-}" "$customers_sql"
attach docs reviews MongoDB "${TSKDB_TEST_MONGO:-}" "$reviews_json" "$reviews_sql"
attach cache stock Redis "${TSKDB_TEST_REDIS:-}" "$stock_commands" "$stock_sql"
printf '%-10s %s\n' products: "shop.db, a SQLite file"

show

title "how to go on"
if [ "$keep" = yes ]; then
    cat <<END
The servers are running.  Stop them with
  TSKDB_SERVERS_DIR=$TSKDB_SERVERS_DIR $root/tests/servers.sh stop && rm -rf $work
Ask them yourself:
  sqlite3 $work/shop.db
  .load $build/tskdb
$attachments
END
else
    cat <<END
  sqlite3 your.db
  .load $build/tskdb
  SELECT tskdb_attach('pg', 'postgresql://user@host/database');
  SELECT * FROM tskdb_tables;
Run it again with --keep to leave these servers running.  README.md goes on from here.
END
fi
