#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `blkbench diff`: what it says of two stored runs, its exit status, and what it does with files that are no runs.

. "$(dirname "$0")/lib.sh"
diff=("$bin/blkbench" diff)
out=$dir/stdout
cd "$dir" || exit 1

# compare_run RATIO LOWER UPPER [OPTION=VALUE]: a run as blkbench compare stores it.
compare_run() {
    cat <<JSON
{"schema": "blkbench.compare", "version": 1,
 "options": {"rw": "randwrite", "bs_bytes": 4096, ${4:-\"iodepth\": 32}},
 "machine": {"cpu": "some CPU", "cores": 2, "kernel": "6.18"},
 "controls": {"memcpy_gb_per_s": 10.5, "spread": {"memcpy_gb_per_s": [10, 11]}},
 "paths": [{"path": "fallback", "bytes_per_s": 1000000, "ratio_to_plain": $1,
            "spread": {"bytes_per_s": [900000, 1100000], "ratio_to_plain": [$2, $3]}, "errors": 0}]}
JSON
}

# bench_run RATIO: a run as scripts/bench.sh stores it.
bench_run() {
    echo '{"schema": "blkcrypto.bench", "version": 1, "rows": [{"name": "a row", "unit": "ratio", "better": "higher",' \
        "\"median\": $1, \"p25\": $1, \"p75\": $1}]}"
}

compare_run 0.90 0.88 0.92 >before
compare_run 0.91 0.89 0.93 >same
compare_run 0.95 0.94 0.96 >better
compare_run 0.80 0.78 0.82 >worse
bench_run 0.9 >bench.before
bench_run 0.8 >bench.worse

verdicts() {
    expect_exit 0 "${diff[@]}" before before
    expect_exit 0 "${diff[@]}" before same
    grep -q '^0 of 1 ratios got worse beyond the spread\.$' "$out" || fail "no sum: $(cat "$out")"
    grep -Eq '(better|worse)$' "$out" && fail "something moved within the spread: $(cat "$out")"
    expect_exit 0 "${diff[@]}" before better
    grep -Eq '^fallback: throughput / plain .* 1\.056  better$' "$out" || fail "not better: $(cat "$out")"
    expect_exit 1 "${diff[@]}" before worse
    expect_says "worse: 1 of 1 ratios got worse beyond the spread, the first: fallback: throughput / plain"
    grep -Eq '^fallback: throughput / plain .* 0\.889  worse$' "$out" || fail "not worse: $(cat "$out")"
    expect_exit 1 "${diff[@]}" bench.before bench.worse
    expect_exit 0 "${diff[@]}" bench.worse bench.before
    from_pipe() { cat before | "$@"; }
    expect_exit 1 from_pipe "${diff[@]}" - worse
}

as_json() {
    expect_exit 1 "${diff[@]}" before worse --json
    expect_equal "first byte" "$(head -c 1 "$out")" "{"
    grep -q '"schema": "blkbench.diff"' "$out" || fail "no schema"
    expect_equal "worse figures" "$(grep -c '"verdict": "worse"' "$out")" 1
    grep -q '"ratios_worse": 1' "$out" || fail "no sum"
    expect_exit 0 "${diff[@]}" before better --json=found.json
    grep -q '"verdict": "better"' found.json || fail "no JSON in the file"
    grep -q 'better$' "$out" || fail "no text beside --json=FILE"
    cp before kept
    expect_refused "--json: ./before is one of the runs" "${diff[@]}" before worse --json=./before
    append() { "$@" >>before; }
    expect_refused "stdout: it is before, one of the runs" append "${diff[@]}" before worse
    expect_same_file "a run named as the output" before kept
    expect_refused ENOENT "${diff[@]}" before worse --json=none/found.json
    to_full() { "$@" >/dev/full; }
    expect_exit 1 to_full "${diff[@]}" before same
    expect_says ENOSPC
}

other_things() {
    compare_run 0.9 0.8 1 '"iodepth": 64' >other
    expect_refused "other: not of the same kind as before: iodepth was 32, is 64" "${diff[@]}" before other
    expect_refused "one is a blkbench.compare, the other a blkcrypto.bench" "${diff[@]}" before bench.before
    sed 's/"errors"/"image_io": "io_uring", &/' before >ring
    sed 's/"errors"/"image_io": "by_size", &/' before >by_size
    expect_refused "by_size: not of the same kind as ring: image_io of fallback was io_uring, is by_size" "${diff[@]}" ring by_size
    expect_exit 0 "${diff[@]}" before ring --json=found.json
    grep -qx 'Note: image_io of fallback was unknown, is io_uring\.' "$out" || fail "no note: $(cat "$out")"
    grep -q '"image_io of fallback was unknown, is io_uring"' found.json || fail "no note in the JSON"
    sed 's/"path"/"mode": "adiantum", &/' before >adiantum
    sed 's/"path"/"mode": "sm4-xts", &/' before >sm4
    expect_exit 0 "${diff[@]}" adiantum adiantum
    grep -q '^fallback: throughput / plain' "$out" || fail "one mode, and it is named: $(cat "$out")"
    expect_refused "sm4: not of the same kind as adiantum: mode was adiantum, is sm4-xts" "${diff[@]}" adiantum sm4
    compare_run null 0.8 1 >none
    expect_refused "none: no ratio that before has too" "${diff[@]}" before none
    expect_refused "stdin" "${diff[@]}" - -
    expect_refused "diff: " "${diff[@]}" before
    expect_refused "diff: " "${diff[@]}" before same worse
}

# refused_file TEXT: the file `bad` is refused in either place.
refused_file() {
    expect_refused "bad: $1" "${diff[@]}" bad before
    expect_refused "bad: $1" "${diff[@]}" before bad
}

no_runs() {
    local length
    expect_refused "missing: No such file or directory (ENOENT)" "${diff[@]}" before missing
    expect_refused "(EISDIR)" "${diff[@]}" "$dir" before
    for length in 0 1 100 400; do
        head -c $length before >bad
        refused_file "not JSON"
    done
    head -c 1M /dev/urandom >bad
    refused_file "not JSON"
    head -c 1M /dev/zero | tr '\0' '[' >bad
    refused_file "not JSON"
    head -c 9M /dev/zero | tr '\0' ' ' >bad
    refused_file "larger than 8388608 bytes"
    expect_refused "larger than 8388608 bytes" "${diff[@]}" before /dev/zero
    sed 's/blkbench.compare/blkcrypto.modes/' before >bad
    refused_file "schema blkcrypto.modes, not"
    sed 's/"version": 1/"version": 2/' before >bad
    refused_file "version 2 of its schema, not 1"
    sed 's/"fallback"/"fall\\u001bback"/' before >bad
    refused_file 'the text of "path" cannot be shown'
    sed 's/0.88, 0.92/0.92, 0.88/' before >bad
    refused_file "fallback: throughput / plain: the quartiles are not around the median"
    sed 's/0.90/"much"/' before >bad
    refused_file 'no number as "ratio_to_plain"'
    sed 's/1000000/1e999/' before >bad
    refused_file "not JSON"
}

verdicts
as_json
other_things
no_runs
finish
