#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures what `blkcrypto attach` serves beside other NBD servers: fio over a unix socket, images in memory, all of them
# in the same rounds. Prints a table in Markdown, and which gates are met.
#
#   bench/peers.sh [OPTION...] [DIRECTORY]
#
#   DIRECTORY          of the program (build/release/bin)
#   --rounds N         how often all of it is measured: 5
#   --seconds N        how long each measurement takes: 2
#   --size SIZE        of each image: 512m; there are six
#   --only NAME,...    only these servers, workloads and passes; 4k, 128k and 1m are all workloads of that size
#   --tmpfs DIR        where the images go, in a directory of their own, which is removed: /dev/shm
#   --json FILE        every measurement, and what was made of them
#   --markdown FILE    the table and the gates, beside stdout
#
# Servers:
#   nbdkit             nbdkit's file plugin: no encryption, what others are measured by
#   nbdkit-luks        its luks filter on that
#   qemu-luks          qemu-nbd on an image with LUKS
#   plain              blkcrypto attach --path plain
#   fallback           blkcrypto attach --path fallback, aes-256-xts, data units of 4096 bytes
#   fallback-512       the same with data units of 512 bytes, as in LUKS's images here
# Workloads: {4k-randread,4k-randwrite,128k-randread,128k-randwrite}-qd32, {128k,1m}-{randread,randwrite}-qd8
# Passes: pinned (the server to one processor, fio to another), unpinned
#
# Exit status: 0, whichever gates are met; 1 if a measurement failed; 2 if it cannot be measured at all; 77 if a tool is
# missing.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

all_servers=(nbdkit nbdkit-luks qemu-luks plain fallback fallback-512)
all_passes=(pinned unpinned)
all_workloads=(4k-randread-qd32 4k-randwrite-qd32 128k-randread-qd32 128k-randwrite-qd32
    128k-randread-qd8 128k-randwrite-qd8 1m-randread-qd8 1m-randwrite-qd8)
warm_up_ms=300
fill_seconds_max=300

usage() { sed -n '3,32{s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

place=
scratch=
declare -A server_pid=() # by the server's name

# shellcheck disable=SC2317 # lib.sh calls it
at_exit() {
    stop_servers
    [[ -z $place ]] || rm -rf -- "$place"
    [[ -z $scratch ]] || rm -rf -- "$scratch"
}

# --- what is to be measured ---

parse_arguments() {
    while [[ $# -gt 0 ]]; do
        case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --rounds | --seconds | --size | --only | --tmpfs | --json | --markdown)
            [[ $# -ge 2 && -n $2 ]] || die "$1 needs a value"
            case $1 in
            --rounds) rounds=$2 ;;
            --seconds) seconds=$2 ;;
            --size) size=$2 ;;
            --only) only=$2 ;;
            --tmpfs) tmpfs=$(absolute "$2") ;;
            --json) json=$(absolute "$2") ;;
            --markdown) markdown=$(absolute "$2") ;;
            esac
            shift
            ;;
        -*) die "unknown option $1 (see --help)" ;;
        *)
            [[ -z $programs ]] || die "one directory of the program, not two"
            programs=$(absolute "$1")
            ;;
        esac
        shift
    done
}

check_arguments() {
    local file
    [[ $rounds =~ ^[1-9][0-9]{0,2}$ ]] || die "--rounds '$rounds' is not a number from 1 to 999"
    [[ $seconds =~ ^[1-9][0-9]{0,2}$ ]] || die "--seconds '$seconds' is not a number from 1 to 999"
    [[ $size =~ ^([1-9][0-9]{0,5})([mg])$ ]] || die "--size '$size' is not like 512m or 1g"
    size_mib=${BASH_REMATCH[1]}
    [[ ${BASH_REMATCH[2]} == m ]] || size_mib=$((size_mib * 1024))
    [[ $size_mib -ge 16 ]] || die "--size $size: less than 16 MiB measure nothing"
    for file in "$json" "$markdown"; do
        [[ -z $file ]] || { [[ -w $(dirname "$file") && ! -d $file ]] || die "cannot write $file"; }
    done
}

# chosen NAME NAME...: those that are the name, or begin with it and a dash if it is a size.
chosen() {
    local name=$1 candidate
    shift
    for candidate in "$@"; do
        if [[ $candidate == "$name" ]] || [[ $name =~ ^[0-9]+[km]$ && $candidate == "$name"-* ]]; then
            echo "$candidate"
        fi
    done
}

# Sets `servers`, `workloads` and `passes`: those that are named, or all where none of a kind is.
select_what() {
    local name named=() found=() wanted=()
    [[ -z $only ]] || mapfile -t -d , named < <(printf '%s,' "$only")
    for name in "${named[@]}"; do
        mapfile -t found < <(chosen "$name" "${all_servers[@]}" "${all_workloads[@]}" "${all_passes[@]}")
        [[ ${#found[@]} -gt 0 ]] || die "--only: no server, workload or pass named '$name' (see --help)"
        wanted+=("${found[@]}")
    done
    mapfile -t servers < <(wanted_of "${all_servers[@]}")
    mapfile -t workloads < <(wanted_of "${all_workloads[@]}")
    mapfile -t passes < <(wanted_of "${all_passes[@]}")
}

# wanted_of NAME...: those that are in `wanted`, or all of them if none is.
wanted_of() {
    local name kept=()
    for name in "$@"; do
        [[ " ${wanted[*]} " != *" $name "* ]] || kept+=("$name")
    done
    [[ ${#kept[@]} -gt 0 ]] || kept=("$@")
    printf '%s\n' "${kept[@]}"
}

has_server() { [[ " ${servers[*]} " == *" $1 "* ]]; }

check_tools() {
    local tool tools=(fio jq taskset) missing=()
    if has_server nbdkit || has_server nbdkit-luks; then tools+=(nbdkit); fi
    if has_server nbdkit-luks || has_server qemu-luks; then tools+=(qemu-img); fi
    if has_server qemu-luks; then tools+=(qemu-nbd); fi
    for tool in "${tools[@]}"; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    if command -v fio >/dev/null && ! fio --enghelp 2>/dev/null | grep -qw nbd; then
        missing+=("fio with its nbd engine")
    fi
    if [[ " ${tools[*]} " == *" nbdkit "* ]] && command -v nbdkit >/dev/null; then
        nbdkit --dump-plugin file >/dev/null 2>&1 || missing+=("nbdkit's file plugin")
        ! has_server nbdkit-luks || nbdkit --filter=luks null --version >/dev/null 2>&1 || missing+=("nbdkit's luks filter")
    fi
    if [[ ${#missing[@]} -gt 0 ]]; then
        local all
        all=$(printf ', %s' "${missing[@]}")
        echo "peers.sh: missing: ${all:2} (scripts/setup.sh bench installs them)" >&2
        exit 77
    fi
    "$programs/blkcrypto" attach --help >/dev/null 2>&1 || die "$programs/blkcrypto has no verb attach, or is not there"
}

# Sets `server_cpu` and `client_cpu`, the first two processors that we may use.
choose_processors() {
    local range cpus=() i
    for range in $(taskset -cp $$ | sed 's/.*: //; s/,/ /g'); do
        for ((i = ${range%-*}; i <= ${range#*-}; ++i)); do cpus+=("$i"); done
    done
    [[ ${#cpus[@]} -ge 2 || " ${passes[*]} " != *" pinned "* ]] || die "pinned: there is only one processor"
    server_cpu=${cpus[0]}
    client_cpu=${cpus[1]:-${cpus[0]}}
}

# Sets `place`: a directory of our own for images and sockets.
make_place() {
    [[ -d $tmpfs && -w $tmpfs ]] || die "no directory that can be written: $tmpfs"
    filesystem=$(stat --file-system --format=%T "$tmpfs")
    [[ $filesystem == tmpfs ]] || echo "peers.sh: $tmpfs is no tmpfs" >&2
    local needed=$((${#servers[@]} * (size_mib + 4) + 64)) free
    free=$(($(df --output=avail --block-size=1M "$tmpfs" | tail -n 1)))
    [[ $free -ge $needed ]] || die "$tmpfs has $free MiB free, ${#servers[@]} images need $needed"
    place=$(mktemp -d "$tmpfs/blkcrypto-peers.XXXXXX")
}

# --- the servers ---

make_images() {
    local server image
    head -c 64 /dev/urandom >"$place/key"
    head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$place/passphrase"
    for server in "${servers[@]}"; do
        image=$place/$server.img
        case $server in
        *-luks)
            run qemu-img create -q -f luks --object secret,id=passphrase,file="$place/passphrase" \
                -o key-secret=passphrase,cipher-alg=aes-256,cipher-mode=xts,ivgen-alg=plain64,iter-time=10 \
                "$image" "${size_mib}M" >"$scratch/errors" 2>&1 || die "qemu-img: $(tail -n 1 "$scratch/errors")"
            ;;
        *) truncate --size="${size_mib}M" "$image" ;;
        esac
    done
}

# Sets `command` to what serves NAME's image in the foreground.
command_of() {
    local image=$place/$1.img socket=$place/$1.sock
    local ours=("$programs/blkcrypto" attach "$image" --socket "$socket" --foreground)
    local crypto=(--path fallback --key-file "$place/key" --mode aes-256-xts --data-unit-size)
    case $1 in
    nbdkit) command=(nbdkit -f -U "$socket" file "$image") ;;
    nbdkit-luks) command=(nbdkit -f -U "$socket" --filter=luks file "$image" passphrase=+"$place/passphrase") ;;
    qemu-luks)
        command=(qemu-nbd --persistent --shared=8 --socket="$socket" --object "secret,id=passphrase,file=$place/passphrase"
            --image-opts "driver=luks,key-secret=passphrase,file.driver=file,file.filename=$image")
        ;;
    plain) command=("${ours[@]}" --path plain) ;;
    fallback) command=("${ours[@]}" "${crypto[@]}" 4096) ;;
    fallback-512) command=("${ours[@]}" "${crypto[@]}" 512) ;;
    esac
}

# start_server NAME PASS: returns when it accepts connections.
start_server() {
    local command=() wait
    command_of "$1"
    [[ $2 != pinned ]] || command=(taskset -c "$server_cpu" "${command[@]}")
    "${command[@]}" </dev/null >"$scratch/$1.log" 2>&1 &
    server_pid[$1]=$!
    for ((wait = 0; wait < 200; ++wait)); do
        [[ ! -S $place/$1.sock ]] || return 0
        kill -0 "${server_pid[$1]}" 2>/dev/null || break
        sleep 0.05
    done
    die "$1 does not serve: $(tail -n 1 "$scratch/$1.log")"
}

start_servers() {
    local server
    for server in "${servers[@]}"; do
        start_server "$server" "$1"
    done
}

# What does not end within ten seconds is killed.
stop_servers() {
    local server pid wait
    for server in "${!server_pid[@]}"; do
        kill -TERM "${server_pid[$server]}" 2>/dev/null || true
    done
    for server in "${!server_pid[@]}"; do
        pid=${server_pid[$server]}
        for ((wait = 0; wait < 200; ++wait)); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.05
        done
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        rm -f -- "$place/$server.sock"
    done
    server_pid=()
}

# Seconds of processor time, user and system, of all threads of a process, those that have ended included.
cpu_seconds() {
    local stat fields
    stat=$(<"/proc/$1/stat")
    read -r -a fields <<<"${stat##*) }"
    awk -v ticks=$((fields[11] + fields[12])) -v hz="$ticks_per_second" 'BEGIN {printf "%.3f\n", ticks / hz}'
}

# --- measuring ---

# run_fio SERVER PASS OPTION...: its JSON is in $scratch/fio.json.
run_fio() {
    local server=$1 pinned=()
    [[ $2 != pinned ]] || pinned=(taskset -c "$client_cpu")
    shift 2
    run "${pinned[@]}" fio --name=peers --ioengine=nbd --uri="nbd+unix:///?socket=$place/$server.sock" \
        --output-format=json --output="$scratch/fio.json" "$@" >"$scratch/errors" 2>&1
}

# run_workload SERVER PASS WORKLOAD TIME
run_workload() {
    local bs rw depth
    IFS=- read -r bs rw depth <<<"$3"
    run_fio "$1" "$2" --bs="$bs" --rw="$rw" --iodepth="${depth#qd}" --size="${size_mib}m" --norandommap --time_based --runtime="$4"
}

# Through the server, so that every unit of every image has been written.
fill() {
    local server
    for server in "${servers[@]}"; do
        report "filling the image of $server"
        run_fio "$server" unpinned --bs=1m --rw=write --iodepth=8 --size="${size_mib}m" --runtime="$fill_seconds_max" ||
            die "the image of $server cannot be filled: $(tail -n 1 "$scratch/errors")"
    done
}

# On a terminal, a line of progress.
report() {
    [[ ! -t 2 ]] || echo "peers.sh: $*" >&2
}

# measure PASS ROUND WORKLOAD SERVER: a line of $scratch/samples.
measure() {
    local pass=$1 round=$2 workload=$3 server=$4 before after pid=${server_pid[$4]}
    # shellcheck disable=SC2016 # jq's variables
    if run_workload "$server" "$pass" "$workload" "${warm_up_ms}ms" && before=$(cpu_seconds "$pid") &&
        run_workload "$server" "$pass" "$workload" "${seconds}s" && after=$(cpu_seconds "$pid") &&
        with_jq -c 'sample_of($pass; $round; $workload; $server; $after - $before)' --arg pass "$pass" \
            --argjson round "$round" --arg workload "$workload" --arg server "$server" \
            --argjson before "$before" --argjson after "$after" "$scratch/fio.json" >"$scratch/sample" 2>>"$scratch/errors"; then
        cat "$scratch/sample" >>"$scratch/samples"
        [[ ! -t 2 ]] || report "$pass, round $round of $rounds, $workload, $server: $(with_jq -r \
            '"\(.mib_per_s | fixed(0)) MiB/s, \(.cpu_s_per_gib | fixed(3)) s/GiB"' "$scratch/sample")"
    else
        failures=$((failures + 1))
        echo "peers.sh: $pass, round $round, $workload, $server failed: $(tail -n 1 "$scratch/errors" | cut -c 1-300)" >&2
    fi
}

# with_jq OPTION FILTER [ARGUMENT...]: with the functions of peers.jq.
with_jq() {
    local option=$1 filter=$2
    shift 2
    jq "$option" -L "$root/bench" "include \"peers\"; $filter" "$@"
}

# Who begins changes from round to round.
measure_pass() {
    local pass=$1 round workload i count=${#servers[@]}
    for ((round = 1; round <= rounds; ++round)); do
        for workload in "${workloads[@]}"; do
            for ((i = 0; i < count; ++i)); do
                measure "$pass" "$round" "$workload" "${servers[(i + round - 1) % count]}"
            done
        done
    done
}

measure_all() {
    local pass filled=
    : >"$scratch/samples"
    for pass in "${passes[@]}"; do
        start_servers "$pass"
        [[ -n $filled ]] || fill
        filled=1
        measure_pass "$pass"
        stop_servers
    done
}

# --- the result ---

# The arguments as a JSON array of strings.
array() { jq -c -n '$ARGS.positional' --args "$@"; }

# The first line of what a program says of its version, where it is used.
version_of() {
    local command
    for command in "$@"; do
        ! command -v "$command" >/dev/null || "$command" --version 2>/dev/null | head -n 1
    done
}

machine_json() {
    local cpu versions
    cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    mapfile -t versions < <(version_of fio nbdkit qemu-nbd "$programs/blkcrypto")
    jq -n '$ARGS.named' --arg cpu "${cpu:-unknown CPU}" --argjson cores "$(nproc)" --arg kernel "$(uname -r)" \
        --argjson versions "$(array "${versions[@]}")"
}

write_result() {
    local options
    options=$(jq -n '$ARGS.named' --argjson rounds "$rounds" --argjson seconds "$seconds" --arg size "$size" --arg filesystem "$filesystem" \
        --argjson passes "$(array "${passes[@]}")" --arg commit "$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)")
    # shellcheck disable=SC2016 # jq's variables
    with_jq -s 'document($options; $machine; $options.passes; $workloads; $servers)' --argjson options "$options" \
        --argjson machine "$(machine_json)" --argjson workloads "$(array "${workloads[@]}")" \
        --argjson servers "$(array "${servers[@]}")" "$scratch/samples" >"$scratch/result.json"
    with_jq -r markdown "$scratch/result.json" >"$scratch/result.md"
    [[ -z $json ]] || cp -- "$scratch/result.json" "$json" || die "cannot write $json"
    [[ -z $markdown ]] || cp -- "$scratch/result.md" "$markdown" || die "cannot write $markdown"
    cat "$scratch/result.md"
}

programs=
rounds=5
seconds=2
size=512m
only=
tmpfs=/dev/shm
json=
markdown=
failures=0
parse_arguments "$@"
programs=${programs:-$root/build/release/bin}
check_arguments
select_what
check_tools
choose_processors
ticks_per_second=$(getconf CLK_TCK)
scratch=$(mktemp -d)
make_place

measurements=$((${#passes[@]} * rounds * ${#workloads[@]} * ${#servers[@]}))
report "$measurements measurements, about $((measurements * (seconds * 1000 + warm_up_ms + 900) / 60000 + 1)) minutes"
make_images
measure_all
write_result
[[ $failures -eq 0 ]] || {
    echo "peers.sh: $failures measurements failed" >&2
    exit 1
}
