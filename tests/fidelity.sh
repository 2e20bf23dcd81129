#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fidelity.sh SOURCE_DIR - fails unless docs/fidelity.md and the test cases say the same about the properties of a
# faithful mirror of the kernel: one row "| N | ..." for each of the properties 1 to 71, which names, in quotes or
# backticks, a test case with exactly that name that is decorated with PROPERTY(N), the only one that is. A row whose
# verdict begins with "does not apply" needs none, and then no case may be decorated with that property.
# Run by ctest. Plain sh, sed and awk.
# shellcheck disable=SC2016 # what is in single quotes is for sed
set -eu

properties=71

# Prints "property TAB name" for each TEST_CASE in the tree at $1 that has a PROPERTY, "0 TAB name" for each other.
# The decorators may follow in the next line, as clang-format has it; a long name may be several literals.
test_cases() (
    cd "$1"
    find tests -name '*.cpp' -o -name '*.hpp' | sort |
    while IFS= read -r file; do
        awk '
        # A commented line holds no test case: the header of property.hpp has an example.
        /^[ \t]*\/\// { next }
        /^[ \t]*(TEST_CASE|TEST_CASE_TEMPLATE)[ \t]*\(/ { head = ""; inside = 1 }
        inside {
            head = head $0
            if ($0 !~ /\{[ \t]*(\/\/.*)?$/) next
            inside = 0
            rest = head
            sub(/^[^"]*"/, "", rest)
            name = ""
            for (;;) {
                end = 1
                while (end <= length(rest) && substr(rest, end, 1) != "\"")
                    end += substr(rest, end, 1) == "\\" ? 2 : 1
                name = name substr(rest, 1, end - 1)
                rest = substr(rest, end + 1)
                if (rest !~ /^[ \t]*"/) break
                sub(/^[ \t]*"/, "", rest)
            }
            gsub(/\\"/, "\"", name)
            found = 0
            while (match(rest, /PROPERTY\([0-9]+\)/)) {
                found = 1
                printf "%d\t%s\n", substr(rest, RSTART + 9, RLENGTH - 10), name
                rest = substr(rest, RSTART + RLENGTH)
            }
            if (!found) printf "0\t%s\n", name
        }' "$file"
    done
)

# Prints why the tree at $1 does not hold together, a line for each reason.
violations() (
    test_cases "$1" >"$scratch/cases"
    awk -v count="$properties" '
    function bad(why) { print why }
    NR == FNR {
        tab = index($0, "\t")
        property = substr($0, 1, tab - 1) + 0
        name = substr($0, tab + 1)
        exists[name] = 1
        if (property == 0) next
        if (property > count) bad("PROPERTY(" property ") of \"" name "\": there is no such property")
        else if (property in of_property) bad("property " property " has two test cases: \"" of_property[property] "\" and \"" name "\"")
        else of_property[property] = name
        next
    }
    /^\| *[0-9]+ *\|/ {
        row = $0
        sub(/^\| */, "", row)
        property = row + 0
        if (property < 1 || property > count) { bad("row " property ": there is no such property"); next }
        if (rows[property]++) { bad("property " property " has two rows"); next }
        # The last column is the verdict.
        verdict = row
        sub(/[ \t]*\|[ \t]*$/, "", verdict)
        sub(/^.*\|[ \t]*/, "", verdict)
        applies = verdict !~ /^does not apply/
        # A row may quote other things beside the name, other test cases too.
        named = ""
        is_right = 0
        while (match(row, /"[^"]+"|`[^`]+`/)) {
            quoted = substr(row, RSTART + 1, RLENGTH - 2)
            if (quoted ~ /^".*"$/) quoted = substr(quoted, 2, length(quoted) - 2)
            row = substr(row, RSTART + RLENGTH)
            if (!(quoted in exists)) continue
            named = quoted
            is_right = is_right || (property in of_property && of_property[property] == quoted)
        }
        if (!applies) {
            if (property in of_property)
                bad("property " property ": it does not apply, yet \"" of_property[property] "\" is PROPERTY(" property ")")
        }
        else if (named == "") bad("property " property ": its row names no test case that exists")
        else if (!(property in of_property)) bad("property " property ": \"" named "\" is not decorated with PROPERTY(" property ")")
        else if (!is_right) bad("property " property ": its row names \"" named "\", PROPERTY(" property ") is \"" of_property[property] "\"")
    }
    END {
        for (property = 1; property <= count; ++property)
            if (!rows[property]) bad("property " property " has no row")
    }' "$scratch/cases" "$1/docs/fidelity.md"
)

# --- does this notice what is wrong? ---

# A tree that holds together. The last property does not apply.
make_tree() {
    rm -rf "$scratch/tree"
    mkdir -p "$scratch/tree/docs" "$scratch/tree/tests/block"
    n=1
    while [ "$n" -lt "$properties" ]; do
        echo "| $n | what it says, like \`PROPERTY($n)\` | block: \"case $n holds\" | holds |" >>"$scratch/tree/docs/fidelity.md"
        echo "TEST_CASE(\"case $n holds\" * PROPERTY($n)) {" >>"$scratch/tree/tests/block/a_test.cpp"
        n=$((n + 1))
    done
    echo "| $n | what it says | none | does not apply: so |" >>"$scratch/tree/docs/fidelity.md"
    echo 'TEST_CASE("a case of no property") {' >>"$scratch/tree/tests/block/a_test.cpp"
}

# expect COUNT WHAT FILE SCRIPT: the tree has COUNT violations once the sed SCRIPT has changed FILE.
expect() {
    make_tree
    sed "$4" "$scratch/tree/$3" >"$scratch/changed"
    if [ -n "$4" ] && cmp -s "$scratch/changed" "$scratch/tree/$3"; then
        echo "self-check: $2: nothing was changed" >&2
        exit 1
    fi
    cp "$scratch/changed" "$scratch/tree/$3"
    violations "$scratch/tree" >"$scratch/found"
    if [ "$(wc -l <"$scratch/found")" -ne "$1" ]; then
        echo "self-check: $2: not $1 violations, but:" >&2
        cat "$scratch/found" >&2
        exit 1
    fi
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
rows=docs/fidelity.md
cases=tests/block/a_test.cpp
expect 0 'nothing wrong' $rows ''
expect 0 'a name in backticks' $rows '/^| 7 /s/"/`/g'
expect 0 'a name in quotes and backticks' $rows '/^| 7 /s/"\(.*\)"/`"\1"`/'
expect 0 'another test case named before' $rows '/^| 7 /s/block/like "case 8 holds", block/'
expect 0 'decorators in the next line' $cases '/case 7 /s/\* /\
          * /'
expect 0 'a name in two literals' $cases 's/"case 7 holds"/"case 7 "\
          "holds"/'
expect 1 'a row that is missing' $rows "/^| $properties /d"
expect 1 'a row that is there twice' $rows '/^| 7 /p'
expect 1 'a row of no property' $rows "/^| 7 /{p;s/7/$((properties + 1))/;}"
expect 1 'a row without a name' $rows '/^| 7 /s/"//g'
expect 1 'a name that no test case has' $rows '/^| 7 /s/case 7 holds/case 7 hold/'
expect 1 'a test case that was renamed' $cases '/case 7 /s/holds/is true/'
expect 1 'a test case that is only a comment' $cases '/case 7 /s/^/\/\/ /'
expect 1 'a test case without its decorator' $cases 's/ \* PROPERTY(7)//'
expect 1 'the name of the wrong test case' $rows '/^| 7 /s/case 7 holds/a case of no property/'
expect 1 'the name of another property'"'"'s test case' $rows '/^| 7 /s/case 7 holds/case 8 holds/'
expect 1 'two test cases of one property' $cases '$s/"a case of no property"/& * PROPERTY(7)/'
expect 1 'a test case of a property that does not exist' $cases "\$s/\"a case of no property\"/& * PROPERTY($((properties + 1)))/"
expect 1 'a test case of a property that does not apply' $cases "\$s/\"a case of no property\"/& * PROPERTY($properties)/"
expect 1 'a row that says so of a property with a test case' $rows '/^| 7 /s/| holds |/| does not apply: so |/'
expect 1 'a row without a name whose verdict only mentions it' $rows '/^| 7 /{s/"//g;s/| holds |/| holds where it does not apply |/;}'
expect 2 'numbers that changed places' $cases 's/PROPERTY(7)/PROPERTY(x)/;s/PROPERTY(8)/PROPERTY(7)/;s/PROPERTY(x)/PROPERTY(8)/'

if ! [ -r "$1/docs/fidelity.md" ]; then
    echo "$1: no docs/fidelity.md here" >&2
    exit 1
fi
violations "$1" >"$scratch/found"
if [ -s "$scratch/found" ]; then
    cat "$scratch/found" >&2
    exit 1
fi
