#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures everything that bench/rows.json lists, each subject beside its control in the same round, and says which
# gates are met. docs/performance.md says how to read it.
#
#   scripts/bench.sh [OPTION...]
#
#   --rounds N         how often all of it is measured: 9 (quick: 5), at least 5
#   --quick            shorter slices, fewer workloads
#   --only GROUP,...   only these: cipher, submit, keyslot, queues, bounce, merge, ring, disk, tmpfs, or a workload: disk/4k-write
#   --disk DIR         where images on a disk go (/var/tmp), and
#   --tmpfs DIR        those in memory (/dev/shm); both in a directory of their own, which is removed
#   --json FILE        where the result goes (build/bench/run.json)
#   --against FILE     says at the end what moved since that run; FILE may be the one that the result goes to
#   --rows             measures nothing: prints the table of rows for docs/performance.md
#   --markdown FILE    measures nothing: prints that table with the result in FILE
#
# Exit status: 0, whichever gates are met; 1 if something failed in some round, a row has no figure, or a ratio got worse
# beyond the spread or is missing since the run of --against; 2 if it cannot be measured at all.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
table=$root/bench/rows.json
programs=$root/build/release/bin
image_size=256m
depth=32

usage() { sed -n '3,19{s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

temporary=()

# shellcheck disable=SC2317 # lib.sh calls it
at_exit() {
    local directory
    for directory in "${temporary[@]}"; do
        rm -rf -- "$directory"
    done
}

# with_table FILTER [OPTION...]: a filter over bench/rows.json, with the functions of bench.jq.
with_table() {
    local filter=$1
    shift
    jq -r "$@" -L "$root/scripts" "include \"bench\"; $filter" "$table"
}

# figures FILTER [OPTION...] <MEASURED
figures() {
    local filter=$1
    shift
    jq -c "$@" -L "$root/scripts" "include \"bench\"; $filter"
}

# The rows without a run, as one that measured nothing.
print_rows() {
    # shellcheck disable=SC2016 # jq's variables
    with_table '. as $table | {rows: [all_rows[] | . as $row | summed_up($table; [])]} | .rows[] |= (.verdict = "") | markdown'
}

print_markdown() {
    [[ -r $1 ]] || die "cannot read $1"
    jq -r -L "$root/scripts" 'include "bench"; if .schema == "blkcrypto.bench" then markdown else error("not a run of bench.sh") end' "$1" 2>/dev/null ||
        die "$1: not a run of bench.sh"
}

parse_arguments() {
    while [[ $# -gt 0 ]]; do
        case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --quick) quick=1 ;;
        --rows)
            print_rows
            exit 0
            ;;
        --rounds | --only | --disk | --tmpfs | --json | --against | --markdown)
            [[ $# -ge 2 && -n $2 ]] || die "$1 needs a value"
            case $1 in
            --rounds) rounds=$2 ;;
            --only) only=$2 ;;
            --disk) disk=$(absolute "$2") ;;
            --tmpfs) tmpfs=$(absolute "$2") ;;
            --json) json=$(absolute "$2") ;;
            --against) against=$(absolute "$2") ;;
            --markdown)
                print_markdown "$2"
                exit 0
                ;;
            esac
            shift
            ;;
        *) die "unknown option $1 (see --help)" ;;
        esac
        shift
    done
}

# Sets `groups`: those that are named, or lie in what is named, each once, in the order of the table.
select_groups() {
    local known=groups named name group
    [[ -z $quick || -n $only ]] || known=quick_groups
    mapfile -t groups < <(with_table "$known")
    [[ -n $only ]] || return 0
    local all=("${groups[@]}")
    local -A chosen=()
    mapfile -t -d , named < <(printf '%s,' "$only")
    for name in "${named[@]}"; do
        local found=
        for group in "${all[@]}"; do
            [[ $group == "$name" || $group == "$name"/* ]] || continue
            chosen[$group]=1
            found=1
        done
        [[ -n $found ]] || die "no group named '$name' (${all[*]})"
    done
    groups=()
    for group in "${all[@]}"; do
        [[ -z ${chosen[$group]:-} ]] || groups+=("$group")
    done
}

# A copy of what to compare with, since the result may go to that very file; no wait for a run that cannot be used.
take_baseline() {
    cat -- "$against" >"$scratch/baseline.json" 2>/dev/null || die "cannot read $against"
    jq -e -s 'length == 1 and (.[0] | .schema == "blkcrypto.bench" and (.rows | type == "array"))' "$scratch/baseline.json" \
        >/dev/null 2>&1 || die "$against: not a run of bench.sh"
}

is_image_group() { [[ $1 == */* ]]; }

place_of() {
    if [[ $1 == disk/* ]]; then echo "$disk"; else echo "$tmpfs"; fi
}

# make_place DIRECTORY: prints a directory of our own in it.
make_place() {
    local made
    [[ -d $1 && -w $1 ]] || die "no directory that can be written: $1"
    local free_mib=$(($(df --output=avail --block-size=1M "$1" | tail -n 1)))
    [[ $free_mib -ge 600 ]] || die "$1 has $free_mib MiB free, two images need 600"
    made=$(mktemp -d "$1/blkcrypto-bench.XXXXXX")
    echo "$made"
}

# Sets `disk` and `tmpfs` to directories of our own, where they are needed.
make_places() {
    local needed=" ${groups[*]}"
    if [[ $needed == *" disk/"* ]]; then
        [[ $(stat --file-system --format=%T "$disk") != tmpfs ]] || echo "bench.sh: $disk is no disk but a tmpfs" >&2
        disk=$(make_place "$disk")
        temporary+=("$disk")
    fi
    if [[ $needed == *" tmpfs/"* ]]; then
        tmpfs=$(make_place "$tmpfs")
        temporary+=("$tmpfs")
    fi
}

build() {
    local targets
    mapfile -t targets < <(with_table '.programs[]')
    run cmake --preset release && run cmake --build --preset release --target blkbench "${targets[@]}"
}

# --- measuring: each prints figures, and leaves in $scratch/errors what the last program said ---

# run_program GROUP ROUND: a google-benchmark program, from its end in every other round.
run_program() {
    local program filter order=()
    program=$(with_table ".programs[\"$1\"]")
    filter=$(with_table "[all_rows[] | select(.group == \"$1\") | .value] | [\"+\"] + . | filter")
    [[ $(($2 % 2)) -eq 0 ]] || order=(--reverse)
    run "$programs/$program" --benchmark_filter="$filter" --benchmark_min_time="$min_time" --benchmark_format=json \
        "${order[@]}" >"$scratch/program.json" 2>"$scratch/errors" || return 1
    figures figures_of_benchmarks <"$scratch/program.json"
}

# run_compare FIGURES IMAGE RW BS TIME PATHS [OPTION...]
run_compare() {
    local filter=$1 image=$2 rw=$3 bs=$4 time=$5 paths=$6
    shift 6
    run "$programs/blkbench" compare --filename "$image" --size "$image_size" --rw "$rw" --bs "$bs" --iodepth "$depth" \
        --runtime "$time" --rounds 1 --paths "$paths" --seed 1 --no-verify --json "$@" \
        >"$scratch/compare.json" 2>"$scratch/errors" || return 1
    figures "$filter" <"$scratch/compare.json"
}

# run_fio NAME IMAGE RW BS PLACE [OPTION...]: on the plain image, as compare is on it.
run_fio() {
    local name=$1 image=$2 rw=$3 bs=$4 direct=1
    [[ $5 == disk/* ]] || direct=0
    shift 5
    run fio --name=bench --thread --ioengine=io_uring --iodepth="$depth" --rw="$rw" --bs="$bs" --size="$image_size" \
        --filename="$image.plain" --direct="$direct" --norandommap --time_based --runtime="${slice_ms}ms" \
        --output-format=json "$@" >"$scratch/fio.json" 2>"$scratch/errors" || return 1
    # shellcheck disable=SC2016 # jq's variable
    figures 'figures_of_fio($name)' --arg name "$name" <"$scratch/fio.json"
}

# run_image GROUP ROUND: fio plain and with registered memory, compare between them, some workloads also without merging;
# the other way round in every other round. The images are made and filled once, so that no side starts on a disk that is
# busy with that.
run_image() {
    local image workload rw bs paths=plain,fallback
    image=$(place_of "$1")/image
    workload=${1#*/}
    rw=$(with_table ".workloads[\"$workload\"].rw")
    bs=$(with_table ".workloads[\"$workload\"].bs")
    [[ $(($2 % 2)) -eq 0 ]] || paths=fallback,plain
    local compare=("$image" "$rw" "$bs" "${slice_ms}ms" "$paths" --reuse)
    local steps=(fio compare nomerges registered) step
    [[ $(with_table ".workloads[\"$workload\"].nomerges // false") == true ]] || steps=(fio compare registered)
    [[ $(($2 % 2)) -eq 0 ]] || mapfile -t steps < <(printf '%s\n' "${steps[@]}" | tac)
    [[ -e $image.plain ]] || run_compare figures_of_compare "$image" "$rw" "$bs" 10ms "$paths" >/dev/null || return 1
    for step in "${steps[@]}"; do
        case $step in
        fio) run_fio fio "$image" "$rw" "$bs" "$1" ;;
        registered) run_fio fio_registered "$image" "$rw" "$bs" "$1" --fixedbufs=1 --registerfiles=1 ;;
        compare) run_compare figures_of_compare "${compare[@]}" ;;
        nomerges) run_compare 'figures_of_compare("nomerges")' "${compare[@]}" --nomerges ;;
        esac || return 1
    done
}

# run_group GROUP ROUND
run_group() {
    if is_image_group "$1"; then run_image "$@"; else run_program "$@"; fi
}

# measure ROUND GROUP: a line of samples. What cannot be measured here leaves its rows without a figure in that round.
measure() {
    local found
    echo "bench.sh: round $(($1 + 1)) of $rounds, $2" >&2
    : >"$scratch/errors"
    if ! run_group "$2" "$1" >"$scratch/figures"; then
        failures+=("$2 in round $(($1 + 1))")
        echo "bench.sh: $2 failed in round $(($1 + 1)); the last that it said:" >&2
        tail -n 5 "$scratch/errors" | cut -c 1-300 >&2
    fi
    found=$(jq -c -s 'add // {}' "$scratch/figures")
    jq -c -n --argjson round "$1" --arg group "$2" --argjson figures "$found" '$ARGS.named' >>"$scratch/samples"
}

measure_all() {
    local round group
    : >"$scratch/samples"
    for ((round = 0; round < rounds; ++round)); do
        for group in "${groups[@]}"; do
            measure "$round" "$group"
        done
    done
}

# --- the result ---

machine_json() {
    local cpu
    cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    jq -n --arg cpu "${cpu:-unknown CPU}" --argjson cores "$(nproc)" --arg kernel "$(uname -r)" '$ARGS.named'
}

write_result() {
    local options
    options=$(jq -n --argjson rounds "$rounds" --argjson slice_ms "$slice_ms" --arg disk "$(stat --file-system --format=%T "$disk")" \
        --arg commit "$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)" '$ARGS.named')
    # shellcheck disable=SC2016 # jq's variables
    with_table '. as $table | run_of($table; $options; $machine; $samples)' --argjson options "$options" \
        --argjson machine "$(machine_json)" --slurpfile samples "$scratch/samples" >"$scratch/run.json"
    cp -- "$scratch/run.json" "$json" || die "cannot write $json"
}

print_result() {
    echo
    jq -r -L "$root/scripts" 'include "bench"; run_text' "$json"
    echo
    echo "To repeat:"
    jq -r -L "$root/scripts" 'include "bench"; commands_text' "$json"
    echo
    jq -r -L "$root/scripts" 'include "bench"; summary' "$json"
    echo "The result is in $json"
}

# complain WHAT NAME...: if there is a name, names the first few and leaves a status of failure.
complain() {
    local what=$1 first more=
    shift
    [[ $# -gt 0 ]] || return 0
    first=$(printf '; %s' "${@:1:3}")
    [[ $# -le 3 ]] || more=" and $(($# - 3)) more"
    echo "bench.sh: $# $what: ${first:2}$more" >&2
    [[ $status -gt 1 ]] || status=1
}

complain_of_the_result() {
    local names
    complain "measurements failed" "${failures[@]}"
    mapfile -t names < <(jq -r -L "$root/scripts" 'include "bench"; unmeasured[]' "$json")
    complain "rows were not measured" "${names[@]}"
}

compare_with_baseline() {
    local names
    echo
    run "$programs/blkbench" diff "$scratch/baseline.json" "$json" || status=$?
    # shellcheck disable=SC2016 # jq's variables
    mapfile -t names < <(jq -r -L "$root/scripts" --slurpfile earlier "$scratch/baseline.json" \
        'include "bench"; lost_ratios($earlier[0]; $ARGS.positional)[]' "$json" --args "${groups[@]}")
    complain "ratios of $against are missing now" "${names[@]}"
}

quick=
rounds=
only=
disk=/var/tmp
tmpfs=/dev/shm
json=
against=
failures=()
status=0
parse_arguments "$@"

slice_ms=1000
min_time=0.05
if [[ -n $quick ]]; then
    slice_ms=150
    min_time=0.02
fi
rounds=${rounds:-$([[ -n $quick ]] && echo 5 || echo 9)}
[[ $rounds =~ ^[0-9]{1,3}$ && $((10#$rounds)) -ge 5 ]] || die "--rounds '$rounds' is not a number from 5 to 999"
rounds=$((10#$rounds))
[[ -z $against || -r $against ]] || die "cannot read $against"
if [[ -z $json ]]; then
    json=$root/build/bench/run.json
    mkdir -p "$root/build/bench"
fi
[[ -d $(dirname "$json") && -w $(dirname "$json") && ! -d $json ]] || die "cannot write $json"

scratch=$(mktemp -d)
temporary+=("$scratch")
command -v jq >/dev/null || "$root/scripts/setup.sh" build test bench
select_groups
[[ -z $against ]] || take_baseline
"$root/scripts/setup.sh" build test bench
make_places

use_ccache
cd "$root"
build >"$scratch/build.log" 2>&1 || {
    tail -n 30 "$scratch/build.log" >&2
    die "the build failed"
}

measure_all
write_result
print_result
complain_of_the_result
[[ -z $against ]] || compare_with_baseline
exit "$status"
