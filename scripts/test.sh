#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the release preset and runs all tests: with ctest as whoever you are and, if that is root, also as the user
# nobody. Nothing here needs root, and this shows it: no privilege, 8 MiB of locked memory.
#
#   scripts/test.sh                JOBS=N for other than two tests at a time
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
build=$root/build/release
locked_memory_kib=8192
seconds_per_program=300

copy=

at_exit() {
    [[ -z $copy ]] || rm -rf -- "$copy"
}

limit_locked_memory() {
    local now
    now=$(ulimit -l)
    if [[ $now == unlimited || $now -gt $locked_memory_kib ]]; then
        ulimit -l "$locked_memory_kib"
    fi
}

run_ctest() {
    [[ $EUID -eq 0 ]] || limit_locked_memory
    cd "$root" && exec ctest --preset release --no-tests=error --parallel "${JOBS:-2}"
}

as_nobody() {
    setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=-all "$@"
}

# Nobody may be unable to enter the checkout, so all a test needs goes where nobody can read it.
make_copy() {
    local base
    for base in "${TMPDIR:-/var/tmp}" /var/tmp /tmp; do
        copy=$(mktemp -d "$base/blkcrypto-test.XXXXXX") && chmod 755 "$copy" && as_nobody test -x "$copy" && break
        [[ -z $copy ]] || rm -rf -- "$copy"
        copy=
    done
    [[ -n $copy ]] && mkdir "$copy/home" && cp -R "$build/bin" "$copy/bin" && cp -R "$root/tests" "$copy/tests" &&
        chmod -R a+rX "$copy/bin" "$copy/tests" && chown nobody:nogroup "$copy/home" && chmod 700 "$copy/home"
}

# What ctest runs that is not about the source tree: the layers' test programs, the scripts over our programs.
tests_in_copy() {
    find "$copy/bin" -type f -name '*_tests' -perm -u+x
    find "$copy/tests/integration" -type f -name '*.sh' ! -name lib.sh
}

run_one_as_nobody() {
    limit_locked_memory
    cd "$copy/home"
    unset XDG_RUNTIME_DIR
    export HOME=$copy/home TMPDIR=$copy/home BLKCRYPTO_BIN=$copy/bin
    local command=("$1")
    [[ $1 != *.sh ]] || command=(bash "$1")
    exec setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=-all \
        timeout --foreground --kill-after=10 "$seconds_per_program" "${command[@]}"
}

run_suite_as_nobody() {
    local test name status passed=0 skipped=0 cases=0 failed=()
    if ! make_copy; then
        as_nobody_line="as nobody: could not copy the tests to a directory that nobody can enter"
        return 1
    fi
    while read -r test; do
        name=${test##*/}
        status=0
        run run_one_as_nobody "$test" >"$copy/output" 2>&1 || status=$?
        cases=$((cases + $(sed -n 's/^\[doctest\] test cases: *\([0-9]*\).*/\1/p' "$copy/output" | tail -n 1 | grep . || echo 0)))
        case $status in
        0) passed=$((passed + 1)) ;;
        77) skipped=$((skipped + 1)) ;;
        *)
            failed+=("$name")
            cat "$copy/output"
            echo "test.sh: $name failed as nobody (exit status $status)"
            ;;
        esac
    done < <(tests_in_copy | sort)
    as_nobody_line="as nobody with ulimit -l $locked_memory_kib: $passed programs and scripts passed ($cases test cases),"
    as_nobody_line+=" ${#failed[@]} failed${failed[*]:+ (${failed[*]})}, $skipped skipped"
    [[ ${#failed[@]} -eq 0 && $passed -gt 0 ]]
}

case ${1:-} in
'') ;;
-h | --help)
    sed -n '3,6{s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit 0
    ;;
*) die "it takes no argument" ;;
esac

"$root/scripts/setup.sh" build test
use_ccache
cd "$root"
run cmake --preset release
run cmake --build --preset release

# Nobody's run comes first, so that ctest's own closing lines end the output.
nobody_status=0
if [[ $EUID -eq 0 ]]; then
    run_suite_as_nobody || nobody_status=1
else
    as_nobody_line="as an ordinary user with ulimit -l $locked_memory_kib: that is the run above"
fi

ctest_status=0
run run_ctest || ctest_status=$?
echo
echo "test.sh: $as_nobody_line"
[[ $ctest_status -eq 0 && $nobody_status -eq 0 ]]
