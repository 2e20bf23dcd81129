#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bench/peers.sh: it refuses what it cannot use and names the tools that are missing, its arithmetic is right, and a short
# run of it leaves a table, and nothing else.

# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
command -v jq >/dev/null || skip "no jq here"
root=$(cd "$(dirname "$0")/../.." && pwd)
peers=$root/bench/peers.sh
[[ -r $peers ]] || skip "the checkout is not here: this test is about its scripts"

# jq_peers FILTER [OPTION...] <JSON: with the functions of peers.jq.
jq_peers() {
    local filter=$1
    shift
    jq -c "$@" -L "$root/bench" "include \"peers\"; $filter"
}

# sample SERVER WORKLOAD ROUND MIB_PER_S CPU_S_PER_GIB
sample() {
    jq -c -n --arg server "$1" --arg workload "$2" --argjson round "$3" --argjson mib_per_s "$4" --argjson cpu_s_per_gib "$5" \
        '{pass: "pinned"} + $ARGS.named'
}

# verdict FIGURE OTHER WORKLOAD EXPECTED: ratio and verdict of the gate on the fallback, from the samples.
verdict() {
    # shellcheck disable=SC2016 # jq's variables
    expect_equal "gate on $1, $2, $3" "$(jq_peers '[.[]] as $samples | gates | select(.figure == $figure and .other == $other
        and .workload == $workload) | verdict($samples) | [.ratio.median, .verdict]' -s --arg figure "$1" --arg other "$2" \
        --arg workload "$3" <"$dir/samples")" "$4"
}

# Ratios are of one round: the medians of the figures would give others.
arithmetic() {
    local small=4k-randread-qd32 middle=128k-randwrite-qd32
    {
        sample nbdkit $small 1 100 1 && sample fallback $small 1 90 2
        sample nbdkit $small 2 400 1 && sample fallback $small 2 440 2
        sample nbdkit $small 3 200 1 && sample fallback $small 3 240 2
        sample nbdkit-luks $middle 1 100 3 && sample fallback $middle 1 240 0.75
    } >"$dir/samples"
    verdict mib_per_s nbdkit $small '[1.1,"pass"]'
    verdict mib_per_s nbdkit-luks $middle '[2.4,"FAIL"]'
    verdict cpu_s_per_gib nbdkit-luks $middle '[0.25,"pass"]'
    verdict mib_per_s nbdkit $middle '[null,"not measured"]'
    expect_equal "fixed digits" "$(jq_peers '[(0, 1, 1.999, 12.3456, 0.05, null) | fixed(2)]' -n)" '["0.00","1.00","2.00","12.35","0.05","-"]'
    expect_equal "no digits" "$(jq_peers '1234.5 | fixed(0)' -n)" '"1235"'
    expect_equal "a sample" "$(jq_peers 'sample_of("p"; 1; "w"; "s"; 0.5) | [.mib_per_s, .cpu_s_per_gib]' \
        <<<'{"jobs": [{"read": {"io_bytes": 1048576, "runtime": 500}, "write": {"io_bytes": 0, "runtime": 0}}]}')" '[2,512]'
}

refusals() {
    expect_refused "unknown option --nonsense" "$peers" --nonsense
    expect_refused "--rounds '0'" "$peers" --rounds 0
    expect_refused "--size '5'" "$peers" --size 5
    expect_refused "no server, workload or pass named 'nothing'" "$peers" --only nothing
    expect_refused "cannot write" "$peers" --json "$dir/missing/file"
    expect_refused "has no verb attach" "$peers" --only plain "$dir"
    expect_refused "no directory that can be written" "$peers" --only plain --tmpfs "$dir/missing" "$bin"
}

# Everything but fio and jq.
missing_tools() {
    local tool
    mkdir "$dir/bin"
    for tool in bash dirname taskset sed grep; do ln -s "$(command -v $tool)" "$dir/bin/$tool"; done
    expect_exit 77 env PATH="$dir/bin" "$peers" --only plain "$bin"
    expect_says "missing: fio, jq"
}

short_run() {
    # It may say that this is no tmpfs.
    "$peers" --rounds 1 --seconds 1 --size 16m --only unpinned,plain,fallback,4k-randwrite-qd32 --tmpfs "$dir" \
        --json "$dir/run.json" --markdown "$dir/run.md" "$bin" >"$dir/stdout" 2>"$dir/stderr" || fail "exit $?: $(cat "$dir/stderr")"
    expect_same_file "--markdown" "$dir/run.md" "$dir/stdout"
    expect_equal "rows" "$(grep -c '^| 4k-randwrite-qd32 |' "$dir/run.md")" 2
    expect_equal "of the document" "$(jq -c '[.schema, (.samples | length), ([.rows[].server] | unique)]' "$dir/run.json")" \
        '["blkcrypto.peers",2,["fallback","plain"]]'
    expect_equal "what is left" "$(find "$dir" -name 'blkcrypto-peers.*')" ""
}

arithmetic
missing_tools
if fio --enghelp 2>/dev/null | grep -qw nbd; then
    refusals
    short_run
fi
finish
