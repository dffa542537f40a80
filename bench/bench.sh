#!/bin/bash
# bench/bench.sh - runs the benchmark on private servers that it starts and stops.
#
#   bench/bench.sh BUILD [run.py's options]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1
shift
work=$(mktemp -d "${TMPDIR:-/tmp}/tskdb-bench-XXXXXX")
chmod 711 "$work"   # the servers' users pass through it
export TSKDB_SERVERS_DIR=$work/servers
trap '"$root/tests/servers.sh" stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
"$root/tests/servers.sh" start
urls=$("$root/tests/servers.sh" urls)
set -a
eval "$urls"
set +a
"$root/bench/run.py" --build "$build" --json "$build/bench.json" "$@"
"$root/bench/joins.py" --build "$build" --json "$build/joins.json"
"$root/bench/javascript.py" --build "$build" --data "$build/bench-data" --json "$build/javascript.json"
"$root/bench/tpch/run.py" --build "$build" --data "$build/bench-data" --json "$build/tpch.json"
"$root/bench/mixed.py" --build "$build" --json "$build/mixed.json"
