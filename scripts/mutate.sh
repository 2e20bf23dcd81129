#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Do the tests notice? Breaks a copy of the source, one small mutation after another, and runs the test programs of
# the layers on each. Fails below 95 % killed, if a bug that the kernel once had survives, or if a mutation that is
# said to survive does not. tests/mutations/README.md says how the lists of mutations are written.
#
#   scripts/mutate.sh              all of them: a quarter of an hour or more
#   scripts/mutate.sh NAME...      only these
#   scripts/mutate.sh --historic   only the bugs that the kernel once had
#   scripts/mutate.sh --list       only says what there is, after a look whether each still fits the source
#
# JOBS=N sets how many compilers run at once (default: one per processor). All happens in build/mutate, the checkout
# is only read; build/mutate/NAME.log is what the compiler and the tests said. The seed is 1 unless
# BLKCRYPTO_TEST_SEED is set, so that a mutation has the same fate each time.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
work=$root/build/mutate
tree=$work/tree
binaries=$work/binaries
jobs=${JOBS:-$(nproc)}
least_percent=95
programs=(base cipher block inline_crypt dev dev_engine dev_uring faults nbd nbd_transmission
          fsdemo fsdemo_volume fsdemo_fs fsdemo_fsck fsdemo_strategies)
memory_limit_kib=$((8 << 20)) # of a test program: a loop without end may allocate in it
export BLKCRYPTO_TEST_SEED=${BLKCRYPTO_TEST_SEED:-1}

usage() { sed -n '3,14{s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

# --- the lists ---

# One element for each mutation; the places that one changes stand one after another with `between` between them.
between=$'\x01'
names=() files=() finds=() replacements=() historics=() survives=() places=()

# Takes the lines of a list that belong to one mutation; `place` is where they are, for messages.
read_list() {
    local list=$1 line number=0 last=-1 place
    while IFS= read -r line || [[ -n $line ]]; do
        number=$((number + 1))
        place="${list#"$root"/}:$number"
        case $line in
        '' | '#'*) continue ;;
        '['*']')
            last=${#names[@]}
            line=${line#'['}
            names+=("${line%']'}") places+=("$place")
            files+=('') finds+=('') replacements+=('') historics+=('') survives+=('')
            continue
            ;;
        esac
        [[ $last -ge 0 ]] || die "$place: before the first [name]"
        case $line in
        'file: '*) files[last]=${line#*: } ;;
        'historic: '*) historics[last]=${line#*: } ;;
        'survives: '*) survives[last]=${line#*: } ;;
        '-'*) finds[last]+=${line#-}$'\n' ;;
        '+'*) replacements[last]+=${line#+}$'\n' ;;
        '...')
            finds[last]+=$between
            replacements[last]+=$between
            ;;
        ' '*)
            finds[last]+=${line# }$'\n'
            replacements[last]+=${line# }$'\n'
            ;;
        *) die "$place: neither a known word nor a line that begins with -, + or a space" ;;
        esac
    done <"$list"
}

# Sets `mutated` to the text of file $1 with mutation $2 made in it.
mutate_text() {
    local find=${finds[$2]}$between replacement=${replacements[$2]}$between needle before after
    [[ $find != "$replacement" ]] || die "${places[$2]}: ${names[$2]} changes nothing"
    mutated=$'\n'$(<"$1")$'\n'
    while [[ -n $find ]]; do
        needle=$'\n'${find%%"$between"*}
        [[ $needle != $'\n' ]] || die "${places[$2]}: ${names[$2]} looks for nothing"
        [[ $mutated == *"$needle"* ]] || die "${places[$2]}: the lines of ${names[$2]} are not in ${files[$2]}"
        before=${mutated%%"$needle"*}
        after=${mutated#*"$needle"}
        [[ $'\n'$after != *"$needle"* ]] ||
            die "${places[$2]}: the lines of ${names[$2]} are more than once in ${files[$2]}"
        mutated=$before$'\n'${replacement%%"$between"*}$after
        find=${find#*"$between"}
        replacement=${replacement#*"$between"}
    done
    mutated=${mutated#$'\n'}
}

read_lists() {
    local list i mutated
    local -A seen=()
    for list in "$root"/tests/mutations/*.list; do
        read_list "$list"
    done
    for i in "${!names[@]}"; do
        [[ ${names[i]} =~ ^[a-z0-9_]+$ ]] || die "${places[i]}: '${names[i]}' is no name"
        [[ -z ${seen[${names[i]}]:-} ]] || die "${places[i]}: there is another ${names[i]}"
        seen[${names[i]}]=yes
        [[ -f $root/${files[i]} ]] || die "${places[i]}: there is no file '${files[i]}'"
        [[ -z ${historics[i]} || -z ${survives[i]} ]] || die "${places[i]}: a historic bug may not survive"
        mutate_text "$root/${files[i]}" "$i"
    done
}

list_them() {
    local i note
    for i in "${selected[@]}"; do
        note=${historics[i]:+historic: ${historics[i]}}${survives[i]:+survives: ${survives[i]}}
        printf '%-38s %s\n' "${names[i]}" "${files[i]#blkcrypto/}"
        [[ -z $note ]] || printf '    %s\n' "$note"
    done
    echo "${#selected[@]} mutations"
}

# Sets `selected` to the numbers of the mutations that the arguments name.
select_mutations() {
    local wanted i
    selected=()
    for wanted in "$@"; do
        for i in "${!names[@]}"; do
            [[ ${names[i]} != "$wanted" ]] || break
        done
        [[ ${names[i]} == "$wanted" ]] || die "no mutation named '$wanted' (--list says which there are)"
        selected+=("$i")
    done
    for i in "${!names[@]}"; do
        [[ $# -eq 0 && (-z $only_historic || -n ${historics[i]}) ]] || continue
        selected+=("$i")
    done
    [[ ${#selected[@]} -gt 0 ]] || die "nothing is left to run"
}

# --- the copy ---

# Makes the tree what the checkout is. Files that are the same already stay as old as they are, so that a second run
# compiles little.
copy_checkout() {
    local file
    local -A wanted=()
    while IFS= read -r -d '' file; do
        [[ -f $root/$file ]] || continue
        wanted[$file]=yes
        cmp -s -- "$root/$file" "$tree/$file" && continue
        mkdir -p -- "$(dirname "$tree/$file")"
        cp -- "$root/$file" "$tree/$file"
    done < <(git -C "$root" ls-files -z --cached --others --exclude-standard)
    while IFS= read -r -d '' file; do
        [[ -n ${wanted[$file]:-} ]] || rm -- "$tree/$file"
    done < <(cd "$tree" && find . -type f -printf '%P\0')
}

# The tests take minutes without any optimisation, the compiler takes longer with more of it. Assertions are on.
configure() {
    cmake -S "$tree" -B "$binaries" -G Ninja -D BLKCRYPTO_BUILD_TESTS=ON -D CMAKE_BUILD_TYPE= \
        -D "CMAKE_CXX_FLAGS=-O1 -w -D_GLIBCXX_ASSERTIONS"
}

build() { cmake --build "$binaries" --parallel "$jobs" --target "${programs[@]/%/_tests}"; }

# --- the runs ---

# run_program NAME SECONDS [OPTION...]: one test program, until its first failure. The races of inline_crypt, which take
# longer than all else, are `races`, and not in `inline_crypt`.
run_program() {
    local program=$1 which=--test-suite-exclude
    if [[ $program == races ]]; then
        program=inline_crypt which=--test-suite
    fi
    ulimit -c 0
    ulimit -v "$memory_limit_kib"
    exec timeout --foreground --kill-after=5 "$2" "$binaries/bin/tests/${program}_tests" --abort-after=1 \
        "${@:3}" "$which=crypto_profile races"
}

declare -A seconds_of=()

# The copy has to pass before it is broken; and how long that takes says how long is too long.
prove_unmutated() {
    local program log=$work/unmutated.log
    if ! run configure >"$log" 2>&1 || ! run build >>"$log" 2>&1; then
        die "the unmutated copy does not build: build/mutate/unmutated.log"
    fi
    for program in "${programs[@]}" races; do
        SECONDS=0
        run run_program "$program" 600 >"$log" 2>&1 ||
            die "${program}_tests fails without any mutation: build/mutate/unmutated.log"
        seconds_of[$program]=$SECONDS
    done
}

# The programs, the one of the mutated layer first: it has the tests that should notice.
programs_for() {
    case $1 in
    blkcrypto/base/secret*) echo base cipher ;;
    blkcrypto/cipher/*) echo cipher inline_crypt ;;
    blkcrypto/inline_crypt/*) echo inline_crypt dev_engine block dev faults races ;;
    blkcrypto/dev/*) echo dev_engine dev dev_uring inline_crypt block faults ;;
    blkcrypto/nbd/*) echo nbd nbd_transmission ;;
    fsdemo/policy.cpp | fsdemo/hkdf.cpp | fsdemo/key_derivation.cpp | fsdemo/iv.cpp | fsdemo/keyring.cpp)
        echo fsdemo fsdemo_fs
        ;;
    fsdemo/fsck*) echo fsdemo_fsck ;;
    fsdemo/*) echo fsdemo_volume fsdemo_fs fsdemo_fsck ;;
    *) echo block inline_crypt dev_engine dev faults ;;
    esac
}

# Sets `outcome` (killed, survived, error) and `killer` for the mutated tree: the file and whether it is a historic bug.
# Of those it is asked that the tests of the suite "historic" beside the mutated layer notice by themselves.
try_mutated() {
    local log=$1 order options=() program status how
    order=$(programs_for "$2")
    if [[ -n $3 ]]; then
        order=${order%% *}
        options=(--test-suite=historic)
    fi
    outcome=error killer='it does not compile'
    run build >"$log" 2>&1 || return 0
    for program in $order; do
        status=0
        run run_program "$program" $((30 + 5 * seconds_of[$program])) "${options[@]}" >"$log" 2>&1 || status=$?
        [[ $status -ne 0 ]] || continue
        how=
        [[ $status -ne 124 && $status -ne 137 ]] || how=' (hangs)'
        outcome=killed
        killer=$(sed -n 's/^TEST CASE:  *//p' "$log" | tail -n 1)
        killer="$program$how: ${killer:-no test case, exit status $status}"
        return 0
    done
    outcome=survived killer=
}

outcomes=() killers=()
killed=0 wrong=0

try_mutation() {
    local i=$1 outcome killer original mutated
    local file=$tree/${files[i]}
    mutate_text "$file" "$i"
    original=$(<"$file")
    printf '%s' "$mutated" >"$file"
    try_mutated "$work/${names[i]}.log" "${files[i]}" "${historics[i]}"
    printf '%s\n' "$original" >"$file"
    case $outcome in
    killed)
        killed=$((killed + 1))
        if [[ -n ${survives[i]} ]]; then
            outcome=KILLED wrong=$((wrong + 1))
            killer+=' (the list says that it survives)'
        fi
        ;;
    survived)
        if [[ -n ${survives[i]} ]]; then
            killer=${survives[i]}
        else
            outcome=SURVIVED
            [[ -z ${historics[i]} && -n $is_whole_list ]] || wrong=$((wrong + 1))
        fi
        ;;
    error) outcome=ERROR wrong=$((wrong + 1)) ;;
    esac
    outcomes[i]=$outcome
    killers[i]=$killer
}

print_table() {
    local i note
    echo
    for i in "${selected[@]}"; do
        note=${historics[i]:+historic}
        printf '%-9s %-9s %-38s %s\n' "${outcomes[i]}" "$note" "${names[i]}" "${killers[i]}"
    done
    echo
    echo "mutate.sh: $killed of ${#selected[@]} mutations killed: $((100 * killed / ${#selected[@]})) %"
}

# --- the script ---

only_historic='' only_list=''
arguments=()
for argument in "$@"; do
    case $argument in
    -h | --help)
        usage
        exit 0
        ;;
    --historic) only_historic=yes ;;
    --list) only_list=yes ;;
    -*) die "unknown option $argument" ;;
    *) arguments+=("$argument") ;;
    esac
done
[[ -z $only_historic || ${#arguments[@]} -eq 0 ]] || die "either names or --historic"
is_whole_list=yes
[[ -z $only_historic && ${#arguments[@]} -eq 0 ]] || is_whole_list=

read_lists
select_mutations "${arguments[@]}"
if [[ -n $only_list ]]; then
    list_them
    exit 0
fi

"$root/scripts/setup.sh" build test
use_ccache
mkdir -p "$tree"
copy_checkout
echo "mutate.sh: the unmutated copy ..."
prove_unmutated
number=0
for i in "${selected[@]}"; do
    number=$((number + 1))
    try_mutation "$i"
    echo "mutate.sh: $number of ${#selected[@]}, ${names[i]}: ${outcomes[i]}${killers[i]:+, ${killers[i]}}"
done
print_table
if [[ -n $is_whole_list && $((100 * killed)) -lt $((least_percent * ${#selected[@]})) ]]; then
    echo "mutate.sh: fewer than $least_percent %"
    exit 1
fi
[[ $wrong -eq 0 ]]
