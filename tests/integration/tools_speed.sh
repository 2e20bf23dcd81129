#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `blkcrypto speed`: that it measures what it says and says what it measured. No figure is judged here.

. "$(dirname "$0")/lib.sh"
speed=("$bin/blkcrypto" speed)
out=$dir/stdout

expect_refused "rot13" "${speed[@]}" --mode rot13
expect_refused "--data-unit-size" "${speed[@]}" --data-unit-size 1000
for count in 0 65 x -1 ""; do
    expect_refused "--threads" "${speed[@]}" --threads "$count"
done
expect_refused "--rounds" "${speed[@]}" --rounds 0
expect_refused "ENOENT" "${speed[@]}" --json="$dir/none/file"
expect_exit 0 "${speed[@]}" --help
grep -q '^ *blkcrypto speed --mode' "$out" || fail "no example in the help"
BLKCRYPTO_DISABLE_MODES=adiantum expect_refused ENOPKG "${speed[@]}" --mode adiantum
BLKCRYPTO_DISABLE_MODES=aes-256-xts,aes-128-cbc-essiv,adiantum,sm4-xts expect_refused ENOPKG "${speed[@]}"

# What cannot be had is said, and nothing waits for it. AddressSanitizer takes more memory than these limits by itself.
little_memory() { (ulimit -v "$1" && shift && "$@"); }
if little_memory 400000 "$bin/blkcrypto" --version >"$out" 2>&1; then
    expect_exit 1 little_memory 400000 "${speed[@]}" --rounds 1 --data-unit-size 4k
    expect_says ENOMEM
    expect_exit 1 little_memory 900000 timeout 60 "${speed[@]}" --rounds 1 --data-unit-size 4k --threads 64
    expect_says threads
else
    echo "not checked: limits of memory, which this build exceeds by itself"
fi

# Text for people beside JSON in a file; one thread is always there.
expect_exit 0 "${speed[@]}" --mode aes-256-xts --data-unit-size 4k --threads 2 --rounds 1 --json="$dir/speed.json"
grep -q '^aes_xts_openssl ' "$out" || fail "no row of OpenSSL: $(cat "$out")"
grep -q '^  of memcpy  *[0-9]' "$out" || fail "what memcpy reaches is not said: $(cat "$out")"
(($(awk '{ if (length > most) most = length } END { print most }' "$out") <= 100)) || fail "wider than 100 columns"

command -v jq >/dev/null || { echo "not checked: JSON, as jq is missing"; finish; }
json() { jq -e "$1" "$dir/speed.json" >/dev/null || fail "JSON: not so: $1"; }
json '.schema == "blkcrypto.speed" and .version == 1'
json '[to_entries[] | select(.value | type == "array") | .key] == ["rows"]'
json '.rows | all(.mode == "aes-256-xts" or .mode == "control")'
json '.rows | all(.data_unit_size == 4096)'
json '[.rows[].threads] | unique == [1, 2]'
json '[.rows[].direction] | unique == ["decrypt", "encrypt"]'
json '.rows | all(.gb_per_s | 0 < .min and .min <= .median and .median <= .max)'
json '[.rows[] | select(.implementation == "memcpy")] | all(.ratio_to_memcpy == 1)'
json '.rows | any(.threads == 1 and .working_set_bytes <= 1048576)'
json '.rows | any(.working_set_bytes >= 134217728)'
json '[.rows[] | select(.implementation == "aes_xts_openssl")] | length == 8 and all(.ratio_to_openssl == 1)'
json '[.rows[] | select(.mode == "control") | .implementation] | contains(["memcpy"])'
json '[.rows[] | select(.mode == "aes-256-xts") | .implementation] | contains(["aes_xts_openssl", "aes_xts_libgcrypt"])'
json '[.rows[] | select(.implementation == "aes_256_rounds")] | all(.ratio_to_limit == 1)'
json '.rows | group_by([.implementation, .direction, .working_set_bytes, .threads]) | all(length == 1)'

# What is chosen for a mode is measured, and what the processor is said to lack is not.
chosen=$("$bin/blkcrypto" modes | awk '$1 == "aes-256-xts" { print $NF }')
json "[.rows[].implementation] | contains([\"$chosen\"])"
BLKCRYPTO_DISABLE_CPU_FEATURES=aes expect_exit 0 "${speed[@]}" --mode aes-256-xts --data-unit-size 64k --rounds 1 --json
cp "$out" "$dir/speed.json"
json '[.rows[].implementation] | unique == ["aes_xts_libgcrypt", "aes_xts_openssl", "memcpy"]'
json '.rows | all(.ratio_to_limit == null)'

# Without --mode all of them, each with its own controls; a mode that is not there is left out.
BLKCRYPTO_DISABLE_MODES=aes-256-xts expect_exit 0 "${speed[@]}" --data-unit-size 4k --rounds 1 --json="$dir/speed.json"
for mode in aes-128-cbc-essiv adiantum sm4-xts; do
    chosen=$("$bin/blkcrypto" modes | awk -v mode="$mode" '$1 == mode { print $NF }')
    json "[.rows[] | select(.mode == \"$mode\") | .implementation] | contains([\"$chosen\"])"
    grep -q "^$mode, 1 thread" "$out" || fail "no table of $mode"
done
json '[.rows[].mode] | unique == ["adiantum", "aes-128-cbc-essiv", "control", "sm4-xts"]'
json '[.rows[] | select(.mode == "control") | .implementation] | contains(["chacha20_openssl", "sm4_blocks_openssl", "memcpy"])'
json '[.rows[] | select(.implementation == "chacha20_openssl")] | length > 0 and all(.ratio_to_openssl == 1)'
json '[.rows[] | select(.implementation == "sm4_xts_openssl" or .implementation == "aes_cbc_essiv_openssl")] | all(.ratio_to_openssl == 1)'
json '[.rows[] | select(.mode == "adiantum")] | all(.ratio_to_openssl > 0)'
(($(awk '{ if (length > most) most = length } END { print most }' "$out") <= 100)) || fail "wider than 100 columns"

finish
