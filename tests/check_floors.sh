#!/bin/sh
# tests/check_floors.sh - the floors stay floors: includes point down only, a client library's
# headers stay in their driver's folder, and every file is named after a noun.
#
#   tests/check_floors.sh [source folder]
#
# Budget: 5 s
set -eu
cd "${1:-${TSKDB_SRCDIR:-$(dirname "$0")/..}}"

# From the ground up.
FLOORS="vtab federation migrate shell"
failures=0

# report NAME OFFENDERS: one case; each offender is a line.
report() {
    if [ -z "$2" ]; then
        echo "ok - $1"
    else
        echo "not ok - $1"
        printf '%s\n' "$2" | sed 's/^/#   /'
        failures=$((failures + 1))
    fi
}

# Every include line of folder $1 as file:line:#include ...
includes() {
    [ -d "$1" ] || return 0
    find "$1" -name '*.[ch]' -exec grep -nHE '^[[:space:]]*#[[:space:]]*include' {} + || :
}

# The floors above $1, as a|b.
above() {
    seen=
    higher=
    for floor in $FLOORS; do
        [ -z "$seen" ] || higher="$higher${higher:+|}$floor"
        [ "$floor" != "$1" ] || seen=yes
    done
    echo "$higher"
}

arrows_point_down() {
    for floor in $FLOORS; do
        higher=$(above "$floor")
        [ -n "$higher" ] && [ -d "$floor" ] || continue
        report "$floor/ includes nothing of a floor above it" \
            "$(includes "$floor" | grep -E "[\"<](.*/)?($higher)/" || :)"
    done
    report "no include climbs with .." \
        "$(for floor in $FLOORS; do includes "$floor"; done | grep -F '../' || :)"
}

# headers_stay LIBRARY FOLDER REGEX: headers matching REGEX are included under FOLDER alone.
headers_stay() {
    report "$1's headers are included in $2/ alone" \
        "$(for floor in $FLOORS; do includes "$floor"; done |
            grep -E "[\"<]($3)" | grep -vE "^$2/" || :)"
}

drivers_stay_apart() {
    for folder in vtab/*/; do
        [ -d "$folder" ] || continue
        folder=${folder%/}
        report "$folder/ is included by itself alone" \
            "$(for floor in $FLOORS; do includes "$floor"; done |
                grep -F "\"$folder/" | grep -v "^$folder/" || :)"
    done
}

names_are_nouns() {
    report "no file or folder is named utils, common, misc or helpers" \
        "$(find $FLOORS tests bench examples docs 2>/dev/null |
            grep -E '/(utils?|common|misc|helpers?)(\.[^/]*)?$' || :)"
}

arrows_point_down
headers_stay libpq vtab/postgres 'libpq-|libpq/|postgres_ext\.h|pg_config'
headers_stay "Connector/C" vtab/mysql 'mysql\.h|mysql_|mysqld_|errmsg\.h|mysql/|mariadb/|ma_'
headers_stay libmongoc vtab/mongo 'mongoc|bson'
headers_stay hiredis vtab/redis 'hiredis|async\.h'
headers_stay OpenSSL 'vtab/[a-z]+' 'openssl/'
drivers_stay_apart
names_are_nouns
[ "$failures" -eq 0 ]
