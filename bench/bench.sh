#!/bin/bash
# bench/bench.sh - runs the whole benchmark on private servers that it starts and stops.
#
#   bench/bench.sh BUILD
#
# Takes at most 25 minutes, and about 15 on a quiet machine of two cores: each part has its own time,
# and one that fails or is not done by then leaves the others alone.  The parts come in the order of
# their importance, and the table says what was cut off.  The figures of each part are printed as
# they are measured, one table of all ratios at the end (report.py); BUILD/bench.json has everything,
# and figures.py puts it into docs/performance.md.  BENCH_QUICK=1 tries every part with small tables
# in a few minutes: no figures.
set -euo pipefail
MINUTES=25
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1
deadline=$((SECONDS + MINUTES * 60))
work=$(mktemp -d "${TMPDIR:-/tmp}/tskdb-bench-XXXXXX")
chmod 711 "$work"   # the servers' users pass through it
export TSKDB_SERVERS_DIR=$work/servers
trap '"$root/tests/servers.sh" stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# part SECONDS NAME COMMAND...: runs COMMAND, which writes BUILD/NAME.json, in so many seconds at most.
part() {
    local seconds=$1 name=$2 left=$((deadline - SECONDS)) status=0
    shift 2
    rm -f "$build/$name.json"
    if [ "$left" -lt "$seconds" ]; then seconds=$left; fi
    if [ "$seconds" -lt 10 ]; then echo "bench: no time is left for $name"; return 0; fi
    printf '\n== %s\n' "$name"
    timeout -k 10 "$seconds" "$@" --build "$build" --json "$build/$name.json" || status=$?
    case $status in
        0) ;;
        124) echo "bench: $name took more than $seconds s" ;;
        *) echo "bench: $name failed" ;;
    esac
}

read -r load _ </proc/loadavg
rows=() joins=() javascript=() tpch=(--limit 20 --seconds 560) mixed=()
if [ -n "${BENCH_QUICK:-}" ]; then
    rows=(--rows 20000 --lookups 200 --runs 1)
    joins=(--outer 100,2000 --inner 20000 --rows 100000 --runs 1)
    javascript=(--rows 20000 --outer 100,2000 --runs 1)
    tpch=(--scale 0.01 --runs 1 --limit 5)
    mixed=(--queries 200)
fi
"$root/tests/servers.sh" start
urls=$("$root/tests/servers.sh" urls)
set -a
eval "$urls"
set +a
data=$build/bench-data
part 300 scans "$root/bench/run.py" "${rows[@]}"
part 600 tpch "$root/bench/tpch/run.py" --data "$data" "${tpch[@]}"
part 60 mixed "$root/bench/mixed.py" "${mixed[@]}"
part 420 joins "$root/bench/joins.py" "${joins[@]}"
part 420 javascript "$root/bench/javascript.py" --data "$data" "${javascript[@]}"
"$root/bench/report.py" "$build" --json "$build/bench.json" --load "$load"
