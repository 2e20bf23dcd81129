#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `blkcrypto crypt`: known ciphertext, round trips, streams, and everything it must refuse. Known answers: IEEE
# 1619-2007 annex B, and fscrypt's per-extent case, computed independently with xfstests' fscrypt-crypt-util and
# OpenSSL.

. "$(dirname "$0")/lib.sh"
blkcrypto=$bin/blkcrypto
crypt=("$blkcrypto" crypt)
cd "$dir" || exit 1

ieee_key=2718281828459045235360287471352662497757247093699959574966967627
ieee_key+=3141592653589793238462643383279502884197169399375105820974944592
# HKDF-SHA512 of the master key 00..3f for the extent nonce e0..ef.
extent_key=4b5fe62897a531db5ff0c399594fc223b558880006de68ae0db8598fa8090c72
extent_key+=51b2dd4de47fb06d2e6230a6fc317ecdf91f391ce72d1623a5e685fc23d7e1be
bytes "$ieee_key" >ieee.key
bytes "$extent_key" >extent.key
counting_bytes 512 >plain512
counting_bytes 4096 >plain4096
head -c 4096 /dev/zero >zero4096
expect_equal "plain4096" "$(sha256_of plain4096)" c8f5d0341d54d951a71b136e6e2afcb14d11ed8489a7ae126a8fee0df6ecf193

# known_answer SHA256 PLAIN OPTION...: encrypts to it, and back.
known_answer() {
    local sum=$1 plain=$2
    shift 2
    expect_exit 0 "${crypt[@]}" encrypt --in "$plain" --out cipher "$@"
    expect_equal "ciphertext of $plain $*" "$(sha256_of cipher)" "$sum"
    expect_exit 0 "${crypt[@]}" decrypt --in cipher --out back "$@"
    expect_same_file "decrypted $*" "$plain" back
}

known_answers() {
    local ieee=(--mode aes-256-xts --key-file ieee.key --data-unit-size 512)
    known_answer e97e974fa393af794f7a4684395814cf820de60a01eaec677d87b452e316b364 plain512 "${ieee[@]}" --dun 0xff
    expect_equal "first block" "$(hex_of cipher | head -c 32)" 1c3b3a102f770386e4836c99e370cf9b
    known_answer e97e974fa393af794f7a4684395814cf820de60a01eaec677d87b452e316b364 plain512 "${ieee[@]}" --dun 255
    known_answer afba71abc4e95b186d89a63a5437c1bafcfd1a18ca273970c534aba4f8d05282 plain512 "${ieee[@]}" \
        --dun 0xffFFffffff

    local extent=(--mode aes-256-xts --key-file extent.key)
    known_answer 6d6fb32341d4896d8f11880f5f4537643d64e95c233dae084a0a656e2881cd13 plain4096 "${extent[@]}"
    known_answer 6d6fb32341d4896d8f11880f5f4537643d64e95c233dae084a0a656e2881cd13 plain4096 "${extent[@]}" \
        --data-unit-size 4096 --dun 0
    known_answer c6281b7545c8def1b1920e28df71934a68054a2daddb5ab85c6aa2406cff84bc plain4096 "${extent[@]}" \
        --data-unit-size 4k --dun 1
    known_answer 7544bdf45369ba56d5e2acfb20ebc3576797695d4e3c3218cdfdd422648f960e plain4096 "${extent[@]}" --dun 0x7
    known_answer 98aef2f37faccb2030bdfa088fb256209c03d66c6d773759db9f35437c9008a3 plain4096 "${extent[@]}" \
        --data-unit-size 512
    known_answer 2d48f578e857d4ea067219205cfa8c887ed21aeebfbeb892492e0fffac6e6fce zero4096 "${extent[@]}"
}

# What fscrypt writes with the other modes; a shorter key is the beginning of the longer one.
known_answers_of_modes() {
    head -c 16 extent.key >extent16.key
    head -c 32 extent.key >extent32.key
    local essiv=(--mode aes-128-cbc-essiv --key-file extent16.key)
    known_answer dce36c339f8af6c2b1822de65c9d1063f5aa9f5274398e8b79c6f9a61e40a25b plain4096 "${essiv[@]}"
    known_answer c15b6aeabb2b4553dd42635eb4329cbfc416d741e34f902375bd9120e8a021d3 plain4096 "${essiv[@]}" --dun 1
    local adiantum=(--mode adiantum --key-file extent32.key)
    known_answer ab030dfa277514c723420062152099d0095c58cb9f94a8ab422acf2b3952640c plain4096 "${adiantum[@]}"
    known_answer 8e73bf0c9bccef028d560f439cb39e8b2df5bc7a2f92dfef3c783a9761dbc1ac plain4096 "${adiantum[@]}" --dun 1
    local sm4=(--mode sm4-xts --key-file extent32.key)
    known_answer 35a20f6fdfcf8c98a459214543c6d7d200fda3048dcf0fcf7145263e71f4f395 plain4096 "${sm4[@]}"
    known_answer 44529d251a2f1ade67687257fce217e56c1e8d73a49ed6468c1da482a9f92b70 plain4096 "${sm4[@]}" --dun 1
    # Adiantum's IV takes any DUN there is, of which the others have 16 bytes.
    local last=0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
    expect_exit 0 "${crypt[@]}" encrypt "${adiantum[@]}" --dun $last --in plain4096 --out cipher
    expect_refused "does not fit" "${crypt[@]}" encrypt "${adiantum[@]}" --dun $last --data-unit-size 2k --in plain4096 --out never
    expect_refused "does not fit" "${crypt[@]}" encrypt "${essiv[@]}" --dun $last --in plain4096 --out never
    local key
    for key in extent.key extent16.key; do
        expect_refused "$key" "${crypt[@]}" encrypt --mode adiantum --key-file $key --in plain4096 --out never
    done
    cat extent16.key extent16.key >halves.key
    expect_refused "halves" "${crypt[@]}" encrypt --mode sm4-xts --key-file halves.key --in plain4096 --out never
    expect_exit 0 "${crypt[@]}" encrypt --mode adiantum --key-file halves.key --in plain4096 --out cipher
    [[ ! -e never ]] || fail "a key that is refused left an output file"
}

# Sizes around the program's buffer; a large input equals its units crypted one by one at their own DUNs.
round_trips() {
    head -c $((3 * 1024 * 1024 + 65536)) /dev/urandom >large
    local unit
    for unit in 512 1k 4096 16K 64k; do
        local options=(--key-file extent.key --data-unit-size "$unit" --dun 18446744073709551610)
        expect_exit 0 "${crypt[@]}" encrypt "${options[@]}" --in large --out large.cipher
        expect_equal "length with $unit" "$(stat -c %s large.cipher)" "$(stat -c %s large)"
        ! cmp -s large large.cipher || fail "not encrypted with $unit"
        "${crypt[@]}" decrypt "${options[@]}" <large.cipher 2>/dev/null | cmp -s - large || fail "round trip with $unit"
    done
    expect_exit 0 "${crypt[@]}" encrypt --key-file extent.key --in large --out large.cipher --dun 5
    dd if=large of=unit256 bs=4096 skip=256 count=1 status=none
    expect_exit 0 "${crypt[@]}" encrypt --key-file extent.key --in unit256 --out unit256.cipher --dun 261
    dd if=large.cipher bs=4096 skip=256 count=1 status=none | cmp -s - unit256.cipher || fail "DUN after a buffer"
}

empty_input() {
    printf x >out
    : >empty
    expect_exit 0 "${crypt[@]}" encrypt --key-file extent.key --in empty --out out
    expect_equal "output of empty input" "$(stat -c %s out)" 0
    : | "${crypt[@]}" encrypt --key-file extent.key >out || fail "empty pipe"
    expect_equal "output of an empty pipe" "$(stat -c %s out)" 0
}

# All ways to give the same key; the key is in no output, nor in a message about it.
keys() {
    local sum=6d6fb32341d4896d8f11880f5f4537643d64e95c233dae084a0a656e2881cd13
    printf '%s' "$extent_key" >hex.key
    printf '%s\n' "$extent_key" >hex_newline.key
    printf '%s\n' "${extent_key^^}" >HEX.key
    local key
    for key in hex.key hex_newline.key HEX.key; do
        known_answer "$sum" plain4096 --key-file "$key" --key-format hex
    done
    expect_exit 0 "${crypt[@]}" encrypt --key-file <(cat extent.key) --in plain4096 --out cipher
    expect_equal "key from a process" "$(sha256_of cipher)" "$sum"
    "${crypt[@]}" encrypt --key-file - --in plain4096 --out cipher <extent.key || fail "key from stdin"
    expect_equal "key from stdin" "$(sha256_of cipher)" "$sum"
    cat hex_newline.key | "${crypt[@]}" encrypt --key-file - --key-format hex --in plain4096 >cipher || fail "hex key from a pipe"
    expect_equal "hex key from a pipe" "$(sha256_of cipher)" "$sum"

    local refused=("${crypt[@]}" encrypt --in plain4096 --out never)
    head -c 63 extent.key >short.key
    { cat extent.key; echo; } >newline.key
    { cat hex_newline.key; echo; } >two_newlines.key
    { head -c 20 hex.key; printf 'xyz'; tail -c +24 hex.key; } >bad.key
    head -c 127 hex.key >odd.key
    printf '%sab\n' "$extent_key" >long_hex.key
    { head -c 32 extent.key; head -c 32 extent.key; } >equal.key
    head -c 1000000 /dev/zero >huge.key
    mkdir -p folder
    expect_refused "short.key: holds a key of 63 bytes, expected 64" "${refused[@]}" --key-file short.key
    expect_refused "newline.key: holds a key of 65 bytes, expected 64" "${refused[@]}" --key-file newline.key
    expect_refused "hex.key: holds a key of 128 bytes, expected 64" "${refused[@]}" --key-file hex.key
    expect_says "--key-format hex"
    expect_refused "huge.key: holds a key of 1000000 bytes" "${refused[@]}" --key-file huge.key
    expect_refused "/dev/zero: holds a key of more than 64 bytes" "${refused[@]}" --key-file /dev/zero
    expect_refused "empty: holds a key of 0 bytes" "${refused[@]}" --key-file empty
    expect_refused "offset 129" "${refused[@]}" --key-file two_newlines.key --key-format hex
    expect_refused "offset 20" "${refused[@]}" --key-file bad.key --key-format hex
    expect_refused "odd number" "${refused[@]}" --key-file odd.key --key-format hex
    expect_refused "holds a key of 65 bytes, expected 64" "${refused[@]}" --key-file long_hex.key --key-format hex
    expect_refused "halves" "${refused[@]}" --key-file equal.key
    expect_refused "none.key: " "${refused[@]}" --key-file none.key
    expect_refused "EISDIR" "${refused[@]}" --key-file folder
    expect_refused "base64" "${refused[@]}" --key-file extent.key --key-format base64
    expect_refused "--key-file is required" "${refused[@]}"
    [[ ! -e never ]] || fail "a refused key left an output file"

    local text
    for text in "${extent_key:0:16}" "${extent_key:16:16}" "${extent_key:112:16}"; do
        "${refused[@]}" --key-file bad.key --key-format hex 2>&1 | grep -qi "$text" && fail "key digits in a message"
        "${refused[@]}" --key-file long_hex.key --key-format hex 2>&1 | grep -qi "$text" && fail "key digits in a message"
    done
}

bad_arguments() {
    local refused=("${crypt[@]}" encrypt --key-file extent.key --in plain4096 --out never)
    local value
    for value in 0 1 256 513 4097 128k 1t 4kk k "" 4x -512 99999999999999999999 17179869185g " 4096"; do
        expect_refused "--data-unit-size" "${refused[@]}" --data-unit-size "$value"
    done
    for value in 12x 0x "" 0xg " 1" 1e3 \
        115792089237316195423570985008687907853269984665640564039457584007913129639936 \
        0x10000000000000000000000000000000000000000000000000000000000000000; do
        expect_refused "--dun" "${refused[@]}" --dun "$value"
    done
    expect_refused "aes-256-xts, aes-128-cbc-essiv, adiantum, sm4-xts" "${refused[@]}" --mode aes-xts
    expect_refused "encrypt, decrypt" "${crypt[@]}" scramble --key-file extent.key --in plain4096 --out never
    expect_refused "crypt: " "${crypt[@]}" --key-file extent.key
    expect_refused "--bogus" "${refused[@]}" --bogus
    expect_refused "crypt: " "${refused[@]}" another
    expect_refused "--in" "${crypt[@]}" encrypt --key-file extent.key --in
    [[ ! -e never ]] || fail "bad arguments left an output file"
}

# A mode that is known and missing.
missing_implementation() {
    export BLKCRYPTO_DISABLE_MODES=aes-256-xts
    expect_refused ENOPKG "${crypt[@]}" encrypt --mode aes-256-xts --key-file extent.key --in plain4096 --out never
    unset BLKCRYPTO_DISABLE_MODES
    [[ ! -e never ]] || fail "a mode without an implementation left an output file"
}

# The first and the last unit's DUN must fit the 16 bytes of an XTS IV.
dun_limits() {
    local last=0xffffffffffffffffffffffffffffffff
    local encrypt=("${crypt[@]}" encrypt --key-file extent.key --data-unit-size 2k)
    expect_exit 0 "${encrypt[@]}" --dun 0xfffffffffffffffffffffffffffffffe --in plain4096 --out fits
    expect_refused "does not fit" "${encrypt[@]}" --dun $last --in plain4096 --out never
    expect_refused "does not fit" "${encrypt[@]}" --dun ${last}0 --in empty --out never
    expect_refused "does not fit" "${encrypt[@]}" --dun 340282366920938463463374607431768211456 --in empty --out never
    [[ ! -e never ]] || fail "a DUN that does not fit left an output file"
    from_pipe() { cat plain4096 | "$@" --out piped; }
    expect_exit 2 from_pipe "${encrypt[@]}" --dun $last
    expect_equal "units before the limit" "$(stat -c %s piped)" 2048
}

# --iv-shift N: the IV of the next unit is 2^N more, carries included; the last one must fit.
iv_shift() {
    head -c $((5 * 4096)) large >five
    local shift unit at first=18446744073709551590
    for shift in 1 3 7; do
        expect_exit 0 "${crypt[@]}" encrypt --key-file extent.key --in five --out five.cipher --dun $first --iv-shift $shift
        expect_exit 0 "${crypt[@]}" decrypt --key-file extent.key --in five.cipher --out back --dun $first --iv-shift $shift
        expect_same_file "decrypted with shift $shift" five back
        for unit in 0 1 2 3 4; do
            # 18446744073709551590 is 2^64 - 26.
            at=$((unit * (1 << shift)))
            if ((at < 26)); then at=1844674407370955$((1590 + at)); else printf -v at '0x1%016x' $((at - 26)); fi
            dd if=five of=one bs=4096 skip=$unit count=1 status=none
            expect_exit 0 "${crypt[@]}" encrypt --key-file extent.key --in one --out one.cipher --dun "$at"
            dd if=five.cipher bs=4096 skip=$unit count=1 status=none | cmp -s - one.cipher || fail "unit $unit with shift $shift"
        done
    done
    local last=0xffffffffffffffffffffffffffffff
    local encrypt=("${crypt[@]}" encrypt --key-file extent.key --data-unit-size 2k --iv-shift 3)
    expect_exit 0 "${encrypt[@]}" --dun ${last}f7 --in plain4096 --out fits
    expect_refused "does not fit" "${encrypt[@]}" --dun ${last}f8 --in plain4096 --out never
    expect_exit 0 "${encrypt[@]}" --dun 0xffffffffffffffff --in plain4096 --out fits
    local value
    for value in 8 -1 x "" 1k 99999999999999999999; do
        expect_refused "--iv-shift" "${crypt[@]}" encrypt --key-file extent.key --in plain4096 --out never --iv-shift "$value"
    done
    [[ ! -e never ]] || fail "an IV that does not fit left an output file"
}

partial_units() {
    head -c 10000 large >partial
    local encrypt=("${crypt[@]}" encrypt --key-file extent.key)
    expect_refused "partial: 10000 bytes are not whole data units of 4096" "${encrypt[@]}" --in partial --out never
    [[ ! -e never ]] || fail "a partial unit left an output file"
    printf kept >kept
    expect_refused "partial" "${encrypt[@]}" --in partial --out kept
    expect_equal "output of a refused input" "$(cat kept)" kept
    from_file() { "$@" <partial; }
    expect_refused "stdin" from_file "${encrypt[@]}"
    from_pipe() { cat partial | "$@" >piped; }
    expect_exit 2 from_pipe "${encrypt[@]}"
    expect_exit 0 "${encrypt[@]}" --in large --out large.cipher
    expect_equal "whole units of a pipe" "$(stat -c %s piped)" 8192
    head -c 8192 large.cipher | cmp -s - piped || fail "whole units of a pipe differ"
}

files() {
    local encrypt=("${crypt[@]}" encrypt --key-file extent.key)
    cp plain4096 same
    ln -f same hard
    ln -sf same soft
    append_to_same() { "$@" >>same; }
    from_same() { "$@" <same; }
    expect_refused "also the input" "${encrypt[@]}" --in same --out same
    expect_refused "also the input" "${encrypt[@]}" --in same --out ./hard
    expect_refused "also the input" "${encrypt[@]}" --in "$dir/soft" --out same
    expect_exit 2 append_to_same "${encrypt[@]}" --in same
    expect_refused "also the input" from_same "${encrypt[@]}" --out hard
    expect_same_file "input kept" same plain4096
    cp extent.key key.copy
    expect_refused "also the key file" "${encrypt[@]}" --key-format raw --in plain4096 --out extent.key
    expect_same_file "key kept" extent.key key.copy
    expect_refused "stdin" from_same "${crypt[@]}" encrypt --key-file - --out never
    local alias
    both_from_pipe() { cat extent.key plain4096 | "$@" --out never; }
    for alias in /dev/stdin /dev/fd/0 /proc/self/fd/0; do
        expect_refused "both come from stdin" from_same "${crypt[@]}" encrypt --key-file $alias --out never
        expect_refused "both come from stdin" both_from_pipe "${crypt[@]}" encrypt --key-file $alias
        expect_refused "both come from stdin" both_from_pipe "${crypt[@]}" encrypt --key-file - --in $alias
        expect_refused "both come from $alias" both_from_pipe "${crypt[@]}" encrypt --key-file /dev/stdin --in $alias
    done
    expect_refused "both come from ./hard" "${crypt[@]}" encrypt --key-file same --in ./hard --out never
    expect_refused "ENOENT" "${encrypt[@]}" --in none --out never
    expect_refused "EISDIR" "${encrypt[@]}" --in folder --out never
    [[ ! -e never ]] || fail "an unusable input left an output file"
    expect_refused "EISDIR" "${encrypt[@]}" --in plain4096 --out folder
    expect_refused "ENOENT" "${encrypt[@]}" --in plain4096 --out none/file
    printf 'longer than the new content' >replaced
    expect_exit 0 "${encrypt[@]}" --in empty --out replaced
    expect_equal "replaced output" "$(stat -c %s replaced)" 0
}

failing_devices() {
    local encrypt=("${crypt[@]}" encrypt --key-file extent.key --in large)
    local reader
    expect_exit 1 "${encrypt[@]}" --out /dev/full
    expect_says "/dev/full: No space left on device (ENOSPC)"
    to_closed() { "$@" >&-; }
    expect_exit 1 to_closed "${encrypt[@]}"
    if ((EUID == 0)); then # others may not open their own memory once core dumps are refused
        expect_exit 1 "${crypt[@]}" encrypt --key-file extent.key --in /proc/self/mem --out partial.out
        expect_says "EIO"
    else
        cp extent.key secret.key
        chmod 0 secret.key replaced
        expect_refused EACCES "${crypt[@]}" encrypt --key-file secret.key --in large --out never
        expect_refused EACCES "${encrypt[@]}" --out replaced
    fi
    "${encrypt[@]}" 2>broken | head -c 1 >/dev/null
    reader=("${PIPESTATUS[@]}")
    expect_equal "exit when nobody reads" "${reader[0]}" 1
    expect_equal "lines when nobody reads" "$(wc -l <broken)" 1
}

known_answers
known_answers_of_modes
round_trips
empty_input
keys
bad_arguments
missing_implementation
dun_limits
iv_shift
partial_units
files
failing_devices
finish
