#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the tests of the layers reach of blkcrypto/block and blkcrypto/inline_crypt: the share of lines for each file,
# the lines that nothing ran, and the branches that nothing took. Fails below 95 % of the lines of either folder.
#
#   scripts/coverage.sh            JOBS=N for other than one compiler per processor
#
# It counts the programs of base, block, inline_crypt, dev and faults, not the integration tests. Branches that only an
# exception takes do not count. build/coverage/coverage.json is what gcovr made of it.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
build=$root/build/coverage
data=$build/coverage.json
jobs=${JOBS:-$(nproc)}
folders=(blkcrypto/block blkcrypto/inline_crypt)
least_percent=95
seconds_per_program=300

# --- what the tests reach ---

# shellcheck disable=SC2317 # reached through run
configure_and_build() {
    cmake --preset coverage && cmake --build --preset coverage --parallel "$jobs"
}

# Counts of an earlier run would be added to.
forget_counts() { find "$build" -name '*.gcda' -delete; }

# Each program once, as a whole: ctest starts one for each test case, and each reads and writes all the counts.
run_programs() {
    local program
    for program in "$build"/bin/tests/{base,block,inline_crypt,dev*,faults}_tests; do
        echo "coverage.sh: ${program##*/}"
        # The races reach nothing that others do not, over and over.
        run timeout --foreground --kill-after=10 "$seconds_per_program" "$program" \
            --test-suite-exclude="crypto_profile races" ||
            die "${program##*/} failed: there is no coverage of a program that stops early"
    done
}

# shellcheck disable=SC2317 # reached through run
collect() {
    gcovr --root "$root" --object-directory "$build" "${folders[@]/#/--filter=}" \
        --exclude-throw-branches --exclude-unreachable-branches -j "$jobs" --json "$data" "$build"
}

# --- what to say about it ---

# report FOLDER [OPTION...]: gcovr's table of the files of a folder.
report() {
    local folder=$1
    shift
    gcovr --root "$root" --add-tracefile "$data" --filter "$folder/" --exclude-throw-branches \
        --exclude-unreachable-branches --txt "$@"
}

# list_missing FOLDER [OPTION...]: the source lines that are in the last column of that table. It has a file to a line
# ("FILE N N N% 3,7-9"), but a long name or a long list goes on in lines of their own.
list_missing() {
    local file line number numbers
    while read -r file numbers; do
        for number in ${numbers//,/ }; do
            for line in $(seq "${number%-*}" "${number#*-}"); do
                printf '  %s:%s: %s\n' "$file" "$line" "$(sed -n "${line}s/^ *//p" "$root/$file")"
            done
        done
    done < <(report "$@" | missing_numbers)
}

missing_numbers() {
    awk '/^-+$/ { next }
        /^[a-z_]+\/.*\.[ch]pp/ { if (file) print file, numbers; file = $1; numbers = ""; $1 = "" }
        /^(TOTAL|File)/ { next }
        file { n = split($0, word, " "); if (word[n] ~ /^[0-9][0-9,-]*$/ && $0 !~ /%$/) numbers = numbers word[n] }
        END { if (file) print file, numbers }'
}

# Sets `covered` and `lines` to the numbers of the table's last row.
read_total() {
    read -r _ lines covered _ < <(report "$1" | grep '^TOTAL')
}

[[ $# -eq 0 || $1 == -h || $1 == --help ]] || die "it takes no argument"
if [[ $# -ne 0 ]]; then
    sed -n '3,9{s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit 0
fi

"$root/scripts/setup.sh" build test check
use_ccache
cd "$root"
run configure_and_build
forget_counts
run_programs
run collect

status=0
for folder in "${folders[@]}"; do
    echo
    report "$folder"
    echo "Lines of $folder that nothing ran:"
    list_missing "$folder"
    echo "Lines of $folder with a branch that nothing took:"
    list_missing "$folder" --branches
done
echo
for folder in "${folders[@]}"; do
    read_total "$folder"
    outcome=
    if [[ $((100 * covered)) -lt $((least_percent * lines)) ]]; then
        status=1
        outcome=", less than $least_percent %"
    fi
    echo "coverage.sh: $folder: $((1000 * covered / lines / 10)).$((1000 * covered / lines % 10)) % of $lines lines$outcome"
done
exit "$status"
