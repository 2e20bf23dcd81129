#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `blkbench strategies`: a small run of all of them, what it reports and leaves behind; a trace that is recorded and
# taken again; a strategy that stops at the memory limit; bad input, which changes nothing.

. "$(dirname "$0")/blkbench_lib.sh"
command -v jq >/dev/null || skip "no jq"

small=("$blkbench" strategies --files 8 --extents-per-file 4 --ios 200 --rounds 2)
onto=("${small[@]}" --filename "$image")
plain=("$blkbench" strategies --filename "$image") # for options that may be there once
eleven="full-in-io nofs-in-io all-at-open pool-per-file pool-global pool-per-master-key prepared-map fallback-keyslots
    clone-transform library-key inline-hardware"

# holds FILTER: it is true of the last JSON on stdout.
holds() {
    [[ $(jq -r "$1" "$out" 2>&1) == true ]] || fail "not so: $1 ($(jq -c "$1" "$out" 2>&1 | head -c 200))"
}

# query FILTER: of the last JSON on stdout.
query() {
    jq -c "$1" "$out"
}

# The images' hashes of the first round, each once.
hashes='[.strategies[].image_hash[0]] | unique'

as_json() {
    expect_exit 0 "${small[@]}" --json
    expect_equal "first byte" "$(head -c 1 "$out")" "{"
    holds '.schema == "blkbench.strategies" and .version == 1'
    expect_equal "strategies" "$(jq -r '[.strategies[].strategy] | join(" ")' "$out")" "$(echo $eleven)"
    holds '.options.files == 8 and .options.extents_per_file == 4 and .options.ios == 200 and .options.rounds == 2'
    holds '.options.filename == null'
    holds '.images_agree and .first_difference == null'
    holds '[.strategies[] | .rounds == 2 and .stopped == null] | all'
    holds '[.strategies[] | .image_hash | length == 2] | all'
    holds "$hashes | length == 1"
    holds '[.strategies[].image_hash[1]] | unique | length == 1'
    holds '[.strategies[] | .iops | .p25 <= .median and .median <= .p75 and .median > 0] | all'
    holds '[.strategies[] | .p50_ns > 0 and .p50_ns <= .p99_ns and .p99_ns <= .p999_ns] | all'
    holds '[.strategies[] | .ratio_to_single_key.median > 0] | all'
    holds '.control.iops.median > 0'
    holds '.steps | .derive_ns > 0 and .setkey_ns > 0 and .cipher_ns > 0'
    # What makes the strategies what they are.
    holds '[.strategies[] | select(.strategy == "full-in-io" or .strategy == "nofs-in-io") | .io_allocations > 0] | all'
    holds '[.strategies[] | select(.strategy | test("^(pool|prepared|fallback|all)")) | .io_allocations == 0] | all'
    holds '.strategies[] | select(.strategy == "pool-per-file") | .transforms == 8 * 128'
    holds '.strategies[] | select(.strategy == "pool-global") | .transforms == 128'
    holds '[.claims[].claim] | join(" ") == "S1 S2 S3 S4 S5 S6 S7 S8 S9"'
    holds '[.claims[] | (.shows | startswith("this run does not show it: ")) == (.verdict == "not shown")] | all'
    holds '.claims[0].shown and .claims[7].shown == false' # one mode only
    expect_nothing
}

as_text() {
    expect_exit 0 "${small[@]}" --strategies prepared-map,fallback-keyslots --seed 7 --json="$dir/file.json"
    awk 'length > 78' "$out" | grep -q . && fail "wider than 78 columns: $(awk 'length > 78' "$out")"
    tr -d '\n -~' <"$out" | grep -q . && fail "not ASCII"
    grep -q 'seed 7' "$out" || fail "the seed is not printed"
    local name claim
    for name in prepared-map fallback-keyslots; do
        expect_equal "rows and bars of $name" "$(grep -c "^$name  *[0-9|]" "$out")" 6
    done
    for claim in 7 8 9; do grep -Eq "^S$claim  (not )?(shown|against): " "$out" || fail "no verdict on S$claim"; done
    grep -q "^S1, S2, S3, S4, S5, S6: their strategies were not run (--strategies)" "$out" ||
        fail "the text does not say why claims are left out"
    grep -q '"schema": "blkbench.strategies"' "$dir/file.json" || fail "no JSON in the file"
    expect_exit 0 "$blkbench" strategies --help
    for name in $eleven; do grep -q "^  $name " "$out" || fail "--help does not list $name"; done
}

# The same seed leaves the same images, whatever the strategies, their sizes and the engine; another seed others.
seeds() {
    local some=("${small[@]}" --json --strategies)
    expect_exit 0 "${some[@]}" prepared-map --seed 7
    local first
    first=$(query '.strategies[0].image_hash')
    expect_exit 0 "${some[@]}" inline-hardware,pool-global --seed 7 --engine generic --pool-size 2 --derived-key-cache 8 --keyslots 3
    expect_equal "images of the same seed" "$(query '[.strategies[].image_hash] | unique')" "[$first]"
    holds '.options.engine_keyslots == 3 and .options.derived_key_cache == 8'
    expect_exit 0 "${some[@]}" prepared-map --seed 8
    [[ $(query '.strategies[0].image_hash') != "$first" ]] || fail "another seed left the same images"
}

image_kept() {
    expect_exit 0 "${onto[@]}" --strategies library-key
    [[ -s $image ]] || fail "no image is kept"
    expect_exit 1 "${onto[@]}" --strategies library-key
    expect_says "$image: there already; --overwrite replaces it (EEXIST)"
    expect_exit 0 "${onto[@]}" --strategies library-key --overwrite --access sequential --reads 0 --numjobs 2 --keys 2
    rm -f "$image"*
}

# A run, taken again from the trace of its first round: the same accesses, the same writes.
traces() {
    local access jobs again
    for jobs in 1 3; do
        for access in zipf:1.2 uniform; do
            local run=("${small[@]}" --strategies pool-global,fallback-keyslots --seed 9 --numjobs $jobs --json)
            rm -f "$dir/trace"
            expect_exit 0 "${run[@]}" --access $access --record "$dir/trace"
            again=$(query "$hashes")
            expect_equal "keys in the trace" "$(grep -c '^[0-9]' "$dir/trace")" $((200 * jobs))
            cp "$dir/trace" "$dir/kept"
            expect_exit 0 "${run[@]}" --access "trace:$dir/trace" --record "$dir/second"
            expect_equal "images of a trace of $access by $jobs" "$(query "$hashes")" "$again"
            expect_same_file "a trace that was taken" "$dir/trace" "$dir/kept"
            cmp -s <(grep '^[0-9]' "$dir/trace") <(grep '^[0-9]' "$dir/second") || fail "the trace of a trace is another"
        done
    done
    printf '# by hand\n0\n\n31\n5\n' >"$dir/trace"
    expect_exit 0 "$blkbench" strategies --files 8 --extents-per-file 4 --rounds 1 --strategies library-key --access "trace:$dir/trace" --json
    holds '.options.ios == 3 and .options.access.trace_entries == 3'
    expect_exit 0 "$blkbench" strategies --files 8 --extents-per-file 4 --rounds 1 --strategies library-key --access trace:- --json < <(sed 's/^/ /; s/$/\r/' "$dir/trace")
    holds '.options.ios == 3 and .options.access.trace_entries == 3'
}

# One that needs too much stops and is told; the others go on.
memory_limit() {
    expect_exit 0 "$blkbench" strategies --files 8 --extents-per-file 64 --ios 200 --rounds 2 --strategies all-at-open,pool-global --pool-size 4 --memory-limit 64k --json="$dir/file.json"
    grep -q "^all-at-open stopped at the memory limit of 64 KiB" "$out" || fail "the text does not say what stopped"
    cp "$dir/file.json" "$out"
    holds '.strategies[0].stopped | .at_memory_limit and .errno == "ENOMEM"'
    holds '.strategies[0].iops == null and .strategies[1].iops.median > 0 and .strategies[1].stopped == null'
    holds '.claims[1].shown'
}

several_modes() {
    local modes
    modes=$("$bin/blkcrypto" modes | grep -v -e ENOPKG -e '^mode ' | cut -d' ' -f1 | head -n 2 | paste -s -d ,)
    [[ $modes == *,* ]] || return 0
    expect_exit 0 "${small[@]}" --modes "$modes" --json
    holds '.images_agree and .options.engine == "generic" and .claims[7].shown'
    refused "--modes: ${modes%,*} is there twice" "${onto[@]}" --modes "$modes,${modes%,*}"
    refused "engine ufs-std: it does not have the mode ${modes#*,}" "${onto[@]}" --modes "$modes" --engine ufs-std
    expect_exit 0 "${small[@]}" --modes "$modes" --strategies prepared-map
}

bad_numbers() {
    local value
    for value in 0 4294967296 x; do refused "--files: '$value'" "${plain[@]}" --files "$value"; done
    for value in 0 1k; do refused "--extents-per-file: '$value'" "${plain[@]}" --extents-per-file "$value"; done
    for value in 0 65537; do refused "--pool-size: '$value'" "${onto[@]}" --pool-size "$value"; done
    for value in 0 1025; do refused "--keyslots: '$value'" "${onto[@]}" --keyslots "$value"; done
    for value in 0 6k; do refused "--bs: '$value' is not whole blocks of 4k, one at least" "${onto[@]}" --bs "$value"; done
    refused "--bs: '129m' is more than the longest extent, 128m" "${onto[@]}" --bs 129m
    for value in 0 4097; do refused "--iodepth: '$value'" "${onto[@]}" --iodepth "$value"; done
    for value in 0 -1 1x 5.1 nan ""; do refused "--access: '$value' is not a skew" "${onto[@]}" --access "zipf:$value"; done
    refused "--reads: '101'" "${onto[@]}" --reads 101
    refused "--rounds: '0'" "${plain[@]}" --rounds 0
    refused "--pool-size: none of the strategies has a use for it" "${plain[@]}" --strategies full-in-io --pool-size 8
    refused "--keyslots: none of the strategies has a use for it" "${plain[@]}" --strategies pool-global --keyslots 8
    refused "--engine: none of the strategies has a use for it" "${onto[@]}" --strategies prepared-map --engine qcom-ice
    refused "--derived-key-cache: 'x'" "${onto[@]}" --derived-key-cache x
    refused "--seed: '18446744073709551616'" "${onto[@]}" --seed 18446744073709551616
    refused "--memory-limit: '99999999999t'" "${onto[@]}" --memory-limit 99999999999t
    refused "--numjobs: 9 jobs, but only 8 files" "${onto[@]}" --numjobs 9
    refused "--keys x --modes: 9 pairs of key and mode, but only 8 files" "${onto[@]}" --keys 9
    refused "--ios: not beside --runtime" "${onto[@]}" --runtime 1
    refused "--files x --extents-per-file: 4294967298 extents are more than 4294967296" \
        "${plain[@]}" --files 2147483649 --extents-per-file 2
    refused "--files x --extents-per-file: 18446744065119617025" "${plain[@]}" --files 4294967295 --extents-per-file 4294967295
    refused "are more than an image can have" "${plain[@]}" --files 65536 --extents-per-file 8192
    refused "are more than half of this machine's memory" "${onto[@]}" --bs 128m --iodepth 4096 --numjobs 2
    refused "I/Os in flight are more than 8192" "${plain[@]}" --iodepth 4096 --numjobs 8
}

bad_names() {
    refused "--strategies: 'pool' is not one of full-in-io, nofs-in-io, all-at-open, pool-per-file, pool-global" \
        "${onto[@]}" --strategies prepared-map,pool
    refused "--strategies: all stands alone: it has the others" "${onto[@]}" --strategies all,prepared-map
    refused "--strategies: prepared-map is there twice" "${onto[@]}" --strategies prepared-map,prepared-map
    refused "--modes: 'aes' is not one of aes-256-xts" "${onto[@]}" --modes aes
    refused "--modes: aes-256-xts is there twice" "${onto[@]}" --modes aes-256-xts,aes-256-xts
    refused "--engine: 'nvme' is not one of ufs-std" "${onto[@]}" --engine nvme
    refused "--access: 'random' is not one of uniform, sequential, zipf:T, trace:FILE" "${onto[@]}" --access random
    refused "--bogus" "${onto[@]}" --bogus
    local option mode
    for option in --filename --strategies --access --record --engine --runtime; do
        expect_refused "$option: the value is empty" "${small[@]}" $option ""
        expect_refused "$option=: the value is empty" "${small[@]}" $option= --overwrite
    done
    for mode in $("$bin/blkcrypto" modes | grep ENOPKG | cut -d' ' -f1); do
        refused "--modes: no implementation of $mode here (ENOPKG)" "${onto[@]}" --modes "$mode"
    done
}

bad_files() {
    local trace=$dir/bad
    of_trace() { refused "$trace:$1" "${onto[@]}" --access "trace:$trace"; }
    printf '0\n32\n' >"$trace"
    of_trace "2: there is no key 32, only those from 0 to 31"
    printf '# five\nfive\n' >"$trace"
    of_trace "2: 'five' is not a number"
    printf '1\n000000000000000000001\n' >"$trace"
    of_trace "2: more than 20 characters are no key id"
    printf '1\r\n\r2\\\r\n' >"$trace"
    of_trace "2: '2\\\\' is not a number"
    printf '1\n2\r3\n' >"$trace"
    of_trace "2: '2\\x0d3' is not a number"
    printf '#\n\n' >"$trace"
    of_trace " there is no key in it"
    refused ENOENT "${onto[@]}" --access "trace:$dir/none"
    refused EISDIR "${onto[@]}" --access "trace:$dir"
    refused "/dev/zero:1: there is a zero byte, so it is no text" "${onto[@]}" --access trace:/dev/zero
    refused "--access: trace: without the name of a file behind it" "${onto[@]}" --access trace:
    refused "stdin:1: 'x' is not a number" "${onto[@]}" --access trace:- <<<x

    echo 1 >"$trace"
    refused "--record: $dir/./bad is the trace $trace" "${onto[@]}" --access "trace:$trace" --record "$dir/./bad"
    expect_equal "a trace named as the record" "$(cat "$trace")" 1
    refused "--record: $dir/./image is the image $image" "${onto[@]}" --record "$dir/./image"
    refused "--record: $dir/bad is the trace /dev/stdin" "${onto[@]}" --access trace:- --record "$trace" <"$trace"
    refused "--json: $dir/bad is the trace /dev/stdin" "${onto[@]}" --access trace:- --json="$trace" <"$trace"
    refused "$dir/none/record: No such file or directory (ENOENT)" "${onto[@]}" --record "$dir/none/record"
    refused EISDIR "${onto[@]}" --record "$dir"
    refused "--json: $image is the image" "${onto[@]}" --json="$image"
    refused "--json: $dir/./new is the record $dir/new" "${onto[@]}" --record "$dir/new" --json="$dir/./new"
    refused "--json: $dir/./bad is the trace $trace" "${onto[@]}" --access "trace:$trace" --json="$dir/./bad"
    expect_refused "--access: $trace is the image" "${small[@]}" --filename "$trace" --overwrite --access "trace:$trace"
    expect_refused "--access: /dev/stdin is the image" "${small[@]}" --filename "$trace" --overwrite --access trace:- <"$trace"
    expect_equal "a trace named as the image" "$(cat "$trace")" 1
    [[ ! -e $dir/new ]] || fail "a refused run made its record"
    refused "$dir/none/image: No such file or directory (ENOENT)" "${small[@]}" --filename "$dir/none/image"
    refused EISDIR "${small[@]}" --filename "$dir"
}

as_json
as_text
seeds
image_kept
traces
memory_limit
several_modes
bad_numbers
bad_names
bad_files
finish
