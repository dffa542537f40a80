#!/bin/bash
# tests/fuzz/run.sh - builds the fuzz targets with libFuzzer, ASan and UBSan, and runs them one
# after the other.  `make fuzz` calls it.
#
#   tests/fuzz/run.sh [--only PATTERN] [--merge] FOLDER [SECONDS]
#
# FOLDER has the build, what each target has found of its way (corpus/<target>, kept for the next
# run) and inputs that failed (found/).  --merge then leaves in tests/fuzz/corpus of the sources few
# inputs that reach every line that is known.  The exit status is not 0 if something was found.
set -euo pipefail

source_dir=$(cd "$(dirname "$0")/../.." && pwd)
only=. merge=
while [ $# -gt 0 ]; do
    case $1 in
        --only) only=${2:?}; shift 2 ;;
        --merge) merge=yes; shift ;;
        *) break ;;
    esac
done
mkdir -p "${1:?where to build}"
folder=$(cd "$1" && pwd)
seconds=${2:-600}

cd "$folder"
[ -f config.status ] && [ config.status -nt "$source_dir/configure" ] ||
    "$source_dir/configure" -q CC=clang --enable-fuzzing --enable-asan --enable-ubsan >configure.log
targets=$(make -s --no-print-directory list-fuzz-targets | grep -E "$only")
# shellcheck disable=SC2086 # a list
make -s -j"$(nproc)" $targets >make.log 2>&1 || { tail -n 40 make.log; exit 1; }
mkdir -p found

# An interrupt ends all, and not one target only.
trap 'exit 130' INT

failed=0
for target in $targets; do
    name=${target##*/}
    seeds=$source_dir/tests/fuzz/corpus/$name
    mkdir -p "corpus/$name" "$seeds"
    status=0
    ./"$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="found/$name-" "corpus/$name" "$seeds" >"$name.log" 2>&1 || status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$name.log")
    if [ $status -eq 0 ]; then
        inputs=$(find "corpus/$name" -type f | wc -l)
        echo "ok - $name: ${runs:-0} runs in $seconds s, $inputs inputs"
    else
        echo "not ok - $name: found/$name-*"
        tail -n 40 "$name.log" | sed 's/^/# /'
        failed=1
    fi
    if [ -n "$merge" ]; then
        # What has a name of its own stays.
        rm -rf merged && mkdir merged
        find "$seeds" -type f -regextype egrep -regex '.*/[0-9a-f]{40}' -exec mv -t merged {} +
        ./"$target" -merge=1 -use_counters=0 "$seeds" merged "corpus/$name" >"$name-merge.log" 2>&1
    fi
done
exit $failed
