# SPDX-License-Identifier: Apache-2.0
# What the integration scripts share; sourced first. Makes a scratch directory, $dir, that goes away at the end, and
# ends the script with the number of failed checks as its result. Not a test framework: a check prints one line
# when it fails and the script goes on.

set -u -o pipefail
export LC_ALL=C

bin=${BLKCRYPTO_BIN:-${1:?set BLKCRYPTO_BIN or name the directory of the programs}}
dir=$(mktemp -d) || exit 1
failures=0
trap 'rm -rf "$dir"' EXIT

skip() {
    echo "skipped: $*"
    exit 77
}

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

finish() {
    ((failures == 0)) || echo "$failures checks failed"
    exit $((failures != 0))
}

# Bytes from hexadecimal digits, to stdout.
bytes() {
    printf '%b' "$(sed 's/../\\x&/g' <<<"$1")"
}

hex_of() {
    od -An -v -tx1 "$1" | tr -d ' \n'
}

# counting_bytes N: byte i is i mod 256.
counting_bytes() {
    local i all=
    for ((i = 0; i < 256; ++i)); do all+=$(printf '\\x%02x' "$i"); done
    for ((i = 0; i < $1; i += 256)); do printf '%b' "$all"; done | head -c "$1"
}

sha256_of() {
    sha256sum "$@" | cut -d' ' -f1
}

# expect_equal WHAT ACTUAL EXPECTED
expect_equal() {
    [[ $2 == "$3" ]] || fail "$1: got '$2', expected '$3'"
}

expect_same_file() {
    cmp -s "$2" "$3" || fail "$1: $2 and $3 differ"
}

# expect_exit CODE COMMAND...: stdout goes to $dir/stdout, stderr to $dir/stderr. A failure must say so in one line.
expect_exit() {
    local expected=$1 status=0
    shift
    "$@" >"$dir/stdout" 2>"$dir/stderr" || status=$?
    [[ $status == "$expected" ]] || fail "exit $status, expected $expected: $* ($(head -c 300 "$dir/stderr"))"
    if ((expected != 0)); then
        [[ $(wc -l <"$dir/stderr") == 1 ]] || fail "not one line on stderr: $*: $(head -c 500 "$dir/stderr")"
    else
        [[ ! -s $dir/stderr ]] || fail "stderr is not empty: $*: $(head -c 500 "$dir/stderr")"
    fi
}

# expect_refused TEXT COMMAND...: exit 2, nothing on stdout, and TEXT in the one line on stderr.
expect_refused() {
    local text=$1
    shift
    expect_exit 2 "$@"
    [[ ! -s $dir/stdout ]] || fail "wrote to stdout although refused: $*"
    expect_says "$text"
}

# The last expect_exit()'s stderr holds TEXT.
expect_says() {
    grep -qF -- "$1" "$dir/stderr" || fail "stderr does not say '$1': $(head -c 300 "$dir/stderr")"
}
