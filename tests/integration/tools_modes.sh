#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `blkcrypto modes`, and what all programs do alike: --help, --version, --json, usage errors.

. "$(dirname "$0")/lib.sh"
blkcrypto=$bin/blkcrypto
out=$dir/stdout

expect_exit 0 "$blkcrypto" modes
for mode in aes-256-xts aes-128-cbc-essiv adiantum sm4-xts; do
    grep -q "^$mode " "$out" || fail "modes does not list $mode"
done
expect_equal "lines of modes" "$(wc -l <"$out")" 5
grep -Eq '^aes-256-xts +AES-256-XTS +64 +16 +32 +aes_xts_' "$out" || fail "row of aes-256-xts: $(cat "$out")"

# JSON: alone on stdout and nothing else there; with a file, in the file and beside the table.
expect_exit 0 "$blkcrypto" modes --json
cp "$out" "$dir/alone.json"
expect_equal "first byte" "$(head -c 1 "$out")" "{"
grep -q '"schema": "blkcrypto.modes"' "$out" || fail "no schema"
grep -q '"version": 1' "$out" || fail "no version"
expect_equal "modes in JSON" "$(grep -c '"kernel_name"' "$out")" 4
if command -v python3 >/dev/null; then
    python3 -m json.tool "$out" >/dev/null || fail "not JSON"
fi

head -c 100000 /dev/zero >"$dir/file.json"
expect_exit 0 "$blkcrypto" modes --json="$dir/file.json"
expect_same_file "--json=FILE replaces" "$dir/file.json" "$dir/alone.json"
grep -q '^aes-256-xts' "$out" || fail "no table beside --json=FILE"

# Which implementation a mode gets where the CPU can do less. Our own need at least AES-NI and AVX: where one of them
# is selected, the one for a lesser CPU is there as well.
implementation_without() {
    BLKCRYPTO_DISABLE_CPU_FEATURES=$1 "$blkcrypto" modes 2>"$dir/stderr" | sed -n 's/^aes-256-xts .* //p'
}
without_none=$(implementation_without "")
case $without_none in
aes_xts_vaes_avx512) ladder=(aes_xts_vaes_avx2 aes_xts_aesni_avx aes_xts_aesni_avx aes_xts_openssl) ;;
aes_xts_vaes_avx2) ladder=(aes_xts_vaes_avx2 aes_xts_aesni_avx aes_xts_aesni_avx aes_xts_openssl) ;;
aes_xts_aesni_avx) ladder=(aes_xts_aesni_avx aes_xts_aesni_avx aes_xts_aesni_avx aes_xts_openssl) ;;
*) ladder=(aes_xts_openssl aes_xts_openssl aes_xts_openssl aes_xts_openssl) ;;
esac
expect_equal "without avx512f" "$(implementation_without avx512f)" "${ladder[0]}"
expect_equal "without vaes" "$(implementation_without vaes)" "${ladder[1]}"
expect_equal "without two of them" "$(implementation_without avx512f,vpclmulqdq)" "${ladder[2]}"
expect_equal "without aes" "$(implementation_without aes)" "${ladder[3]}"
[[ ! -s $dir/stderr ]] || fail "a feature that is known is no reason for words: $(cat "$dir/stderr")"
expect_equal "without what is no feature" "$(implementation_without vase)" "$without_none"
expect_says "there is no CPU feature 'vase'"
expect_equal "lines about what is no feature" "$(wc -l <"$dir/stderr")" 1
export BLKCRYPTO_DISABLE_CPU_FEATURES=aes
expect_exit 0 "$blkcrypto" modes --json
grep -q '"implementation": "aes_xts_openssl"' "$out" || fail "JSON without aes: $(cat "$out")"
unset BLKCRYPTO_DISABLE_CPU_FEATURES

# The ladders of the other modes, down to what every processor has.
last_of() {
    BLKCRYPTO_DISABLE_CPU_FEATURES=ssse3,avx "$blkcrypto" modes | awk -v mode="$1" '$1 == mode { print $NF }'
}
expect_equal "aes-128-cbc-essiv on any processor" "$(last_of aes-128-cbc-essiv)" aes_cbc_essiv_openssl
expect_equal "adiantum on any processor" "$(last_of adiantum)" adiantum_portable
expect_equal "sm4-xts on any processor" "$(last_of sm4-xts)" sm4_xts_openssl

# A mode that is switched off is missing for all programs, and the others are not.
export BLKCRYPTO_DISABLE_MODES=adiantum,sm4-xts
expect_exit 0 "$blkcrypto" modes
expect_equal "modes that are switched off" "$(grep -c 'none (ENOPKG)$' "$out")" 2
grep -Eq '^adiantum .* none \(ENOPKG\)$' "$out" || fail "adiantum is still there: $(cat "$out")"
grep -Eq '^aes-128-cbc-essiv .* aes_cbc_essiv_' "$out" || fail "another mode is gone: $(cat "$out")"
head -c 32 /dev/urandom >"$dir/key"
expect_refused ENOPKG "$blkcrypto" crypt encrypt --mode adiantum --key-file "$dir/key" --in /dev/null --out "$dir/none"
[[ ! -e $dir/none ]] || fail "something was written with a mode that is missing"
export BLKCRYPTO_DISABLE_MODES=rot13
"$blkcrypto" modes >"$out" 2>"$dir/stderr" || fail "modes with an unknown name switched off"
expect_says "there is no mode 'rot13'"
expect_equal "modes after an unknown name" "$(grep -c ENOPKG "$out")" 0
unset BLKCRYPTO_DISABLE_MODES

# The file is never a separate word, and nothing is replaced before all arguments are known to be good.
expect_refused "$dir/extra" "$blkcrypto" modes --json "$dir/extra"
[[ ! -e $dir/extra ]] || fail "--json took the next word"
expect_refused "--bogus" "$blkcrypto" modes --json="$dir/file.json" --bogus
expect_same_file "kept on a usage error" "$dir/file.json" "$dir/alone.json"
expect_refused "ENOENT" "$blkcrypto" modes --json="$dir/none/file.json"
expect_refused "EISDIR" "$blkcrypto" modes --json="$dir"
expect_refused "--json=: the value is empty" "$blkcrypto" modes --json=

# Usage errors and help.
expect_refused "conjure: neither a verb" "$blkcrypto" conjure
expect_refused "a verb is missing" "$blkcrypto"
expect_refused "--bogus" "$blkcrypto" --bogus
expect_refused "extra" "$blkcrypto" modes extra
expect_refused "blkcrypto: " "$blkcrypto" modes $'two\nlines'
for verb in "" modes crypt; do
    expect_exit 0 "$blkcrypto" $verb --help
    [[ -s $out ]] || fail "no help for '$verb'"
    [[ -z $verb ]] || grep -q "^ *blkcrypto $verb" "$out" || fail "no example in the help of $verb"
done
expect_exit 0 "$blkcrypto" modes --help
grep -qF -- '--json[=FILE]' "$out" || fail "--json is not explained: $(cat "$out")"
expect_exit 0 "$blkcrypto" --version
grep -Eq '^blkcrypto [0-9]+\.[0-9]+\.[0-9]+$' "$out" || fail "version: $(cat "$out")"

# A stdout that takes nothing is an I/O error: full, closed, a pipe nobody reads.
to_full() { "$@" >/dev/full; }
to_closed() { "$@" >&-; }
expect_exit 1 to_full "$blkcrypto" modes
expect_says ENOSPC
expect_exit 1 to_full "$blkcrypto" modes --json
expect_exit 1 to_full "$blkcrypto" --help
expect_exit 1 to_closed "$blkcrypto" modes
expect_says EBADF

finish
