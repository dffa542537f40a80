#!/bin/bash
# tests/run.sh - installs what the tests need, builds, starts private servers, runs every suite,
# stops the servers.  The last line is "N passed, N failed", and "N skipped" where some were.
#
#   tests/run.sh                        everything
#   tests/run.sh --only PATTERN         the suites whose names match the extended regex
#   tests/run.sh --with CONFIGURE-FLAG  build with this flag too, e.g. --enable-asan (repeatable)
#   tests/run.sh --build FOLDER         build there instead of in ./build
#   tests/run.sh --list                 the suites with their budgets in seconds
#
# A suite is a test of `make check`, or one of the stages at the end of this file.  It states its
# budget at its head; past it the run says so, past three times the budget it has failed.
# TSKDB_BUDGET_FACTOR multiplies all budgets, for slow machines.  Servers that somebody else runs
# are named as tests/servers.sh says.
set -euo pipefail

source_dir=$(cd "$(dirname "$0")/.." && pwd)
build_dir=$source_dir/build
only=.
list=
flags=()
[ "${CI:-}" != true ] || flags+=(--enable-werror)
jobs=$(nproc 2>/dev/null || echo 2)

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
while [ $# -gt 0 ]; do
    case $1 in
        -k | --only) only=${2:?}; shift 2 ;;
        --with) flags+=("${2:?}"); shift 2 ;;
        --build) mkdir -p "${2:?}"; build_dir=$(cd "$2" && pwd); shift 2 ;;
        --list) list=yes; shift ;;
        *) usage ;;
    esac
done

passed=0
failed=0
skipped=0
work=
suite_pid=

finish() {
    local status=$?
    trap - EXIT INT TERM HUP
    [ -z "$suite_pid" ] || kill "$suite_pid" 2>/dev/null || :
    stop_servers
    [ -z "$work" ] || rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

heading() { printf '\n== %s\n' "$*"; }

# Ends the run with a failure that is no suite's.
give_up() {
    echo "run: $*"
    echo "$passed passed, $((failed + 1)) failed"
    exit 1
}

# --- build -----------------------------------------------------------------------------------

# Configures and builds in folder $1 with the flags that follow; the log is shown on failure.
build() {
    local folder=$1 log=$work/build.log
    shift
    # Makefile.in is the last file that autogen.sh makes.
    [ -f "$source_dir/Makefile.in" ] && [ "$source_dir/Makefile.in" -nt "$source_dir/configure.ac" ] ||
        "$source_dir/autogen.sh" >"$log" 2>&1 || { cat "$log"; return 1; }
    mkdir -p "$folder"
    # With other packages configure may find more, Check above all: without it half the suites are
    # not there, and nothing says so.
    if [ ! -f "$folder/config.status" ] || [ "$(cat "$folder/.flags" 2>/dev/null)" != "$*" ] ||
            [ /var/lib/dpkg/status -nt "$folder/config.status" ]; then
        (cd "$folder" && "$source_dir/configure" -q "$@") >"$log" 2>&1 || { cat "$log"; return 1; }
        echo "$*" >"$folder/.flags"
    fi
    make -C "$folder" -s -j"$jobs" all >"$log" 2>&1 &&
        make -C "$folder" -s -j"$jobs" check TESTS= >>"$log" 2>&1 || { tail -n 60 "$log"; return 1; }
    # Warnings are seen also where they are no errors.
    grep -E 'warning:' "$log" || :
}

# --- servers ---------------------------------------------------------------------------------

start_servers() {
    if [ -z "${TSKDB_SERVERS_DIR:-}" ]; then
        TSKDB_SERVERS_DIR=$(mktemp -d /tmp/tskdb.XXXXXX)
        export TSKDB_SERVERS_DIR
        chmod 711 "$TSKDB_SERVERS_DIR"
    fi
    servers_ours=yes
    "$source_dir/tests/servers.sh" start || give_up "servers did not start"
    local urls
    urls=$("$source_dir/tests/servers.sh" urls)
    set -a
    eval "$urls"
    set +a
}

stop_servers() {
    [ -n "${servers_ours:-}" ] || return 0
    servers_ours=
    # The variables of servers that this run started must not look like somebody else's.
    "$source_dir/tests/servers.sh" stop || :
}

# --- suites ----------------------------------------------------------------------------------

# The seconds that suite $1 may take: "Budget: N s" at its head.
budget_of() {
    local file=$source_dir/$1 budget
    [ -f "$file" ] || file=$file.c
    budget=$(head -n 40 "$file" 2>/dev/null | sed -n 's/.*Budget: *\([0-9]*\) *s.*/\1/p' | head -n 1)
    echo $((${budget:-10} * ${TSKDB_BUDGET_FACTOR:-1}))
}

# Counts the cases in the output $1 of a suite that exited with $2: sets cases_passed,
# cases_failed, cases_skipped.  A suite that counts nothing is one case; one that fails has a
# failed case.
count_cases() {
    local log=$1 status=$2 checks bad
    cases_passed=0 cases_failed=0 cases_skipped=0
    if [ "$status" -eq 77 ]; then cases_skipped=1; return; fi
    while read -r checks bad; do
        cases_passed=$((cases_passed + checks - bad))
        cases_failed=$((cases_failed + bad))
    done < <(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2 \3/p' "$log" |
        awk '{print $1, $2 + $3}')
    cases_skipped=$(grep -ciE '^ok\b.*# *skip' "$log" || :)
    cases_passed=$((cases_passed + $(grep -cE '^ok\b' "$log" || :) - cases_skipped))
    cases_failed=$((cases_failed + $(grep -cE '^not ok\b' "$log" || :)))
    if [ "$status" -ne 0 ] && [ $cases_failed -eq 0 ]; then cases_failed=1; fi
    if [ $((cases_passed + cases_failed + cases_skipped)) -eq 0 ]; then cases_passed=1; fi
}

# Runs suite $1 with budget $2: the rest is its command.
run_suite() {
    local name=$1 budget=$2 log=$work/suite.log status=0 start end seconds note=
    shift 2
    [[ $name =~ $only ]] || return 0
    if [ -n "$list" ]; then printf '%-44s %4s s\n' "$name" "$budget"; return; fi
    start=$(date +%s%N)
    # In the background, so that a signal ends the run at once and not after the suite.
    timeout -k 10 $((budget * 3)) "$@" >"$log" 2>&1 </dev/null &
    suite_pid=$!
    wait "$suite_pid" || status=$?
    suite_pid=
    end=$(date +%s%N)
    seconds=$(printf '%d.%02d' $(((end - start) / 1000000000)) $(((end - start) / 10000000 % 100)))
    count_cases "$log" $status
    [ $(((end - start) / 1000000000)) -lt "$budget" ] || note="  OVER ITS BUDGET"
    [ $status -ne 124 ] && [ $status -ne 137 ] || note="  STOPPED at three times its budget"
    printf '%-44s %7s s of %3s   %4d passed %3d failed %3d skipped%s\n' "$name" "$seconds" \
        "$budget" $cases_passed $cases_failed $cases_skipped "$note"
    if [ $cases_failed -gt 0 ] || [ $status -ne 0 ] && [ $status -ne 77 ]; then
        echo "--- output of $name (exit status $status)"
        tail -n 200 "$log"
        echo "---"
    fi
    passed=$((passed + cases_passed))
    failed=$((failed + cases_failed))
    skipped=$((skipped + cases_skipped))
}

# Test $2 of make check in build $1, in the environment that the build made for it.
run_test() {
    cd "$1"
    # shellcheck disable=SC1091 # made by configure
    . tests/environment
    case $2 in
        *.test) exec $TSKDB_SCRIPT_RUNNER "$source_dir/$2" ;;
        *.sh) exec "$source_dir/$2" ;;
        *) exec "$1/$2" ;;
    esac
}

# --- stages: suites that are builds of their own -----------------------------------------------

# clang, every warning an error.
stage_clang() { build "$build_dir-clang" CC=clang --enable-werror; }

# The build in which memory and undefined behaviour are watched, and allocations can be made to fail.
stage_asan() { build "$build_dir-asan" --enable-asan --enable-ubsan --enable-fault-injection; }

# Allocations that fail, in the newest SQLite: of stage/asan's build.
stage_newest_sqlite() {
    cd "$build_dir-asan" || return
    # shellcheck disable=SC1091 # made by configure
    . tests/environment
    [ -f "$TSKDB_HOSTS/sqlite/libsqlite3.so.0" ] || return 77
    LD_LIBRARY_PATH=$TSKDB_HOSTS/sqlite tests/federation/shortage_test
}

# Data races between the worker, the pool's users and the cursors, on every server.  Their client
# libraries are not instrumented (tests/tsan.supp).
stage_tsan() {
    build "$build_dir-tsan" --enable-tsan || return
    cd "$build_dir-tsan"
    # shellcheck disable=SC1091 # made by configure
    . tests/environment
    local options="suppressions=$source_dir/tests/tsan.supp ignore_noninstrumented_modules=1"
    options="$options halt_on_error=1"
    local suite status=0
    # raced SUITE CASE...
    raced() {
        suite=$1
        shift
        LD_PRELOAD=$TSKDB_PRELOAD TSAN_OPTIONS=$options \
            "$source_dir/tests/vtab/$suite.test" "$@" || status=1
    }
    raced scan every_row without_the_worker two_scans inside_another reset interrupt timeout \
        killed_in threads
    raced mongo_scan every_document two_scans given_up interrupt timeout killed threads
    raced redis huge interrupt killed inside_another
    raced overlap run_again two_statements interrupt reset
    raced contract four_threads
    return $status
}

# What only valgrind sees: values that were never set, in client libraries too. The rooms that
# decode, and a driver with its library on its server.
stage_valgrind() {
    cd "$build_dir" || return
    # shellcheck disable=SC1091 # made by configure
    . tests/environment
    local suite
    export CK_FORK=no CK_EXCLUDE_TAGS=timed
    for suite in batch error pushdown ${TSKDB_TEST_POSTGRES:+postgres}; do
        ./libtool --mode=execute valgrind -q --error-exitcode=9 --leak-check=full \
            --errors-for-leak-kinds=definite "./tests/vtab/${suite}_test" || return
    done
}

# A tarball builds, passes its tests without a server, installs, uninstalls and cleans up.
stage_distcheck() {
    unset "${!TSKDB_TEST_@}"
    make -C "$build_dir" -j"$jobs" distcheck
}

# A build without any driver still works.  Without OpenSSL Redis is left out, or an error if it was
# asked for.
stage_no_drivers() {
    local folder=$build_dir-none/openssl
    mkdir -p "$folder"
    printf '#!/bin/sh\ncase $* in *openssl*) exit 1 ;; esac\nexec pkg-config "$@"\n' >"$folder/pkg-config"
    chmod +x "$folder/pkg-config"
    (cd "$folder" && export PKG_CONFIG="$folder/pkg-config" &&
        "$source_dir/configure" | grep 'redis: no (openssl' &&
        ! "$source_dir/configure" -q --with-redis) || return
    build "$build_dir-none" --without-postgres --without-mysql --without-mongo --without-redis \
        --enable-werror &&
        sqlite3 :memory: ".load $build_dir-none/tskdb" "SELECT 1;"
}

# The Redis driver with hiredis 1.x; everything else has Debian's 0.14.
stage_hiredis() {
    local folder=$build_dir-hiredis/library suite
    "$source_dir/tests/hiredis.sh" "$folder" || return
    PKG_CONFIG_PATH=$folder build "$build_dir-hiredis" --without-postgres --without-mysql \
        --without-mongo --with-redis --enable-werror LDFLAGS="-L$folder -Wl,-rpath,$folder" || return
    cd "$build_dir-hiredis" || return
    # shellcheck disable=SC1091 # made by configure
    . tests/environment
    for suite in redis_test redis_scan_test redis_pushdown_test; do
        "tests/vtab/$suite" || return
    done
}

# --- the run ---------------------------------------------------------------------------------

work=$(mktemp -d)
export -f build run_test stage_asan stage_clang stage_distcheck stage_hiredis stage_newest_sqlite
export -f stage_no_drivers stage_tsan stage_valgrind
export source_dir build_dir jobs work

if [ -z "$list" ]; then
    heading packages
    "$source_dir/tests/packages.sh" || echo "run: going on without some packages"
    "$source_dir/tests/hosts/install.sh" || echo "run: going on without some hosts"
fi
heading "build in $build_dir ${flags[*]:-}"
build "$build_dir" "${flags[@]}" || give_up "the build failed"
suites=$(make -C "$build_dir" -s --no-print-directory list-suites)
if [ -z "$list" ]; then
    heading servers
    start_servers
fi

heading suites
for suite in $suites; do
    run_suite "$suite" "$(budget_of "$suite")" bash -c 'run_test "$@"' - "$build_dir" "$suite"
done
run_suite stage/clang 120 bash -c stage_clang
run_suite stage/no-drivers 60 bash -c stage_no_drivers
run_suite stage/hiredis 90 bash -c stage_hiredis
run_suite stage/asan 180 bash -c stage_asan
# Every suite once more; ASan makes the work twice as long.
for suite in $suites; do
    run_suite "asan/$suite" $(($(budget_of "$suite") * 2)) \
        bash -c 'run_test "$@"' - "$build_dir-asan" "$suite"
done
run_suite stage/newest-sqlite 120 bash -c stage_newest_sqlite
run_suite stage/tsan 240 bash -c stage_tsan
run_suite stage/valgrind 120 bash -c stage_valgrind
run_suite stage/distcheck 240 bash -c stage_distcheck
[ -z "$list" ] || exit 0

heading result
[ $skipped -eq 0 ] && tail= || tail=", $skipped skipped"
stop_servers
echo "$passed passed, $failed failed$tail"
[ $failed -eq 0 ]
