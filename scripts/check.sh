#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every configuration, one after another, and ends with a table.
#
#   scripts/check.sh               all of them
#   scripts/check.sh NAME...       only these
#   scripts/check.sh ^NAME...      all but these
#
#   release   optimised, warnings as errors, all tests
#   dev       assertions on, every header compiled alone, all tests
#   asan      AddressSanitizer and UndefinedBehaviorSanitizer, all tests
#   tsan      ThreadSanitizer, all tests but those labelled uring
#   clang     clang, its thread-safety analysis as errors, all tests
#   fuzz      clang's libFuzzer, 20 s a target over inputs that are made for it (FUZZ_SECONDS=N for others)
#   portable  ciphers of libraries only, which other architectures have: tests of the ciphers and of the tools
#   coverage  the tests reach 95 % of the lines of block/ and inline_crypt/ (scripts/coverage.sh)
#   format    clang-format finds nothing to change
#
# JOBS=N sets how many compilers run at once (default: one per processor). The output of each goes to
# build/check/NAME.log; of one that fails, the end is shown.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
all=(release dev asan tsan clang fuzz portable coverage format)
jobs=${JOBS:-$(nproc)}
logs=$root/build/check

usage() { sed -n '3,20{s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

is_one_of() {
    local wanted=$1 name
    shift
    for name in "$@"; do
        [[ $name != "$wanted" ]] || return 0
    done
    return 1
}

# Sets `selected` from the arguments, in the order of `all`.
select_configurations() {
    local argument name only=() without=()
    for argument in "$@"; do
        is_one_of "${argument#^}" "${all[@]}" || die "no configuration named '${argument#^}' (${all[*]})"
        case $argument in
        ^*) without+=("${argument#^}") ;;
        *) only+=("$argument") ;;
        esac
    done
    [[ ${#only[@]} -gt 0 ]] || only=("${all[@]}")
    selected=()
    for name in "${all[@]}"; do
        if is_one_of "$name" "${only[@]}" && ! is_one_of "$name" "${without[@]}"; then
            selected+=("$name")
        fi
    done
    [[ ${#selected[@]} -gt 0 ]] || die "nothing is left to run"
}

# Configure, build and test one preset. `dev` also compiles every header by itself.
check_preset() {
    cmake --preset "$1" && cmake --build --preset "$1" --parallel "$jobs" || return 1
    if [[ $1 == dev ]]; then
        cmake --build --preset dev --parallel "$jobs" --target all_verify_interface_header_sets || return 1
    fi
    ctest --preset "$1" --no-tests=error
}

check_format() {
    local files
    mapfile -t files < <(git ls-files '*.cpp' '*.hpp' '*.inc')
    [[ ${#files[@]} -gt 0 ]] && clang-format --dry-run -Werror "${files[@]}"
}

# Whether clang can link a fuzzer: Debian has that in a package of its own.
has_libfuzzer() {
    echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
        clang++ -x c++ -fsanitize=fuzzer -o /dev/null - 2>/dev/null
}

# Inputs that the fuzzers find are kept in build/fuzz/corpus, what makes one fail in build/fuzz/found.
check_fuzz() {
    local fuzzer name
    if ! has_libfuzzer; then
        echo "fuzz: skipped, clang has no libFuzzer here (libclang-rt-14-dev)"
        return
    fi
    cmake --preset fuzz && cmake --build --preset fuzz --parallel "$jobs" || return 1
    build/fuzz/bin/fuzz/make_fuzz_corpus build/fuzz/corpus && mkdir -p build/fuzz/found || return 1
    for fuzzer in build/fuzz/bin/fuzz/*_fuzz; do
        name=${fuzzer##*/}
        "$fuzzer" -max_total_time="${FUZZ_SECONDS:-20}" -max_len=1048576 -rss_limit_mb=2048 -timeout=20 \
            -artifact_prefix="build/fuzz/found/$name-" "build/fuzz/corpus/$name" || return 1
    done
}

# What the table says of a run: ctest's last line, coverage.sh's lines, or that it was skipped.
summary_of() {
    sed -n -e 's/^\([0-9]*% tests passed.*\)$/\1/p' -e 's/^coverage\.sh: blkcrypto\/\(.*%.*\)$/\1/p' \
        -e 's/^fuzz: \(skipped.*\)$/\1/p' -e 's/^\(Done [0-9]* runs.*\)$/\1/p' "$1" |
        tail -n 2 | paste -s -d ';' | sed 's/;/; /'
}

check_one() {
    case $1 in
    format) check_format ;;
    fuzz) check_fuzz ;;
    coverage) JOBS=$jobs scripts/coverage.sh ;;
    *) check_preset "$1" ;;
    esac
}

case ${1:-} in
-h | --help)
    usage
    exit 0
    ;;
esac
select_configurations "$@"
cd "$root"
mkdir -p "$logs"

lists=(build test)
for name in clang fuzz coverage format; do
    if is_one_of "$name" "${selected[@]}"; then
        lists+=(check)
        break
    fi
done
scripts/setup.sh "${lists[@]}"
use_ccache

table=
failures=0
for name in "${selected[@]}"; do
    echo "check.sh: $name ..."
    SECONDS=0
    outcome=passed
    if ! run check_one "$name" >"$logs/$name.log" 2>&1; then
        outcome=FAILED
        failures=$((failures + 1))
        tail -n 60 "$logs/$name.log"
        echo "check.sh: $name failed, all of its output is in build/check/$name.log"
    fi
    table+=$(printf '%-9s %-7s %4d s  %s' "$name" "$outcome" "$SECONDS" "$(summary_of "$logs/$name.log")")$'\n'
done

printf '\n%s' "$table"
[[ $failures -eq 0 ]]
