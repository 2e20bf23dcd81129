#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `blkcrypto attach` when something ends without notice: the server, by SIGKILL, or in an orderly way, while clients are
# busy; clients, while the server is. And a client that says nothing for long is kept.

# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/attach_lib.sh
. "$(dirname "$0")/attach_lib.sh"
needs qemu-io nbdcopy
needs_fio_nbd

size_mib=32
sectors_mib=8 # the first 8 MiB take the batches, 64 KiB each from there, load goes to the second half
batches=$((sectors_mib * 3 * 1024 / 64))

# The bytes of a batch: never 0, not that of the batch before.
pattern_of() { echo $(($1 % 250 + 1)); }

# batch_offset BATCH: of 64 KiB, in the second 8 MiB; the first turn of three is overwritten by the next.
batch_offset() { echo $((sectors_mib * 1048576 + $1 % (batches / 3) * 65536)); }

# Each batch: a sector of a unit that others have the other sectors of, and 64 KiB; then a flush.
make_batches() {
    local batch
    for ((batch = 0; batch < batches; ++batch)); do
        echo "write -P $(pattern_of "$batch") $((batch * 512)) 512"
        echo "write -P $(pattern_of "$batch") $(batch_offset "$batch") 65536"
        echo flush
    done
}

# start_load [OPTION...]: fio, writing to the second half of the disk until it is stopped; nobody else is. Sets `load`.
start_load() {
    sleep 0.1
    touch stamp
    fio --name=load --ioengine=nbd --uri="$uri" --rw=randwrite --bs=64k --iodepth=16 --numjobs=2 --time_based --runtime=60 \
        --offset=$((size_mib / 2))m --size=$((size_mib / 2))m --buffer_pattern=0xb2 "$@" >load.log 2>&1 &
    load=$!
    pids+=("$load")
    until_true 20 is_written_to || fail "fio does not begin: $(tail -n 3 load.log)"
}

# shellcheck disable=SC2317 # until_true calls it
is_written_to() { [[ disk.img -nt stamp ]]; }

# The load has noticed that the server is gone.
load_has_ended() {
    until_true 20 has_ended "$load" || fail "fio does not notice that the server is gone"
    stop_load
}

# A fio that is told to stop takes its jobs along.
stop_load() {
    kill -INT "$load" 2>/dev/null
    until_true 10 has_ended "$load" || kill -KILL "$load" 2>/dev/null
    wait "$load" 2>/dev/null
}

# How many batches were written and flushed before the first write that failed: one whose successor has begun.
flushed_batches() {
    local written
    written=$(sed '/failed/,$d' "$1" | grep -c 'wrote ')
    echo $((written > 0 ? (written - 1) / 2 : 0))
}

# After SIGKILL: a new server takes over socket and image, and all that was flushed is there.
killed_server() {
    local flushed batch last
    serve disk "${crypto[@]}" --threads 2
    start_load
    qemu-io -f raw "$uri" <batches >writer.log 2>&1 &
    local writer=$!
    pids+=("$writer")
    sleep "$1"
    kill_server
    wait "$writer"
    load_has_ended
    flushed=$(flushed_batches writer.log)
    serve disk "${crypto[@]}"
    for ((batch = 0; batch < flushed; ++batch)); do
        echo "read -P $(pattern_of "$batch") $((batch * 512)) 512"
        # What a later batch has begun to overwrite is neither the one nor the other.
        last=$((batch + batches / 3))
        [[ $last -lt $((flushed + 1)) ]] || echo "read -P $(pattern_of "$batch") $(batch_offset "$batch") 65536"
    done >check
    qemu-io -f raw "$uri" <check >checked.log 2>&1
    ! grep -i 'verification failed\|read failed' checked.log >lost || fail "killed after $1 s with $flushed batches flushed: $(head -n 3 lost)"
    expect_equal "reads after a kill" "$(grep -c 'read 512\|read 65536' checked.log)" "$(wc -l <check)"
    total_flushed=$((total_flushed + flushed))
    detach
}

# SIGTERM under load: all of them see an end, nothing is half done, and the exit status says that nothing is missing.
detached_under_load() {
    serve disk "${crypto[@]}" --threads 2
    qemu_io "write -P 0xb1 0 ${size_mib}m" flush
    start_load
    detach
    load_has_ended
    serve disk "${crypto[@]}"
    client nbdcopy "$uri" after
    detach
    expect_equal "bytes that nobody wrote" "$(tr -d '\261\262' <after | wc -c)" 0
    expect_equal "bytes beside the load" "$(head -c $((size_mib * 524288)) after | tr -d '\261' | wc -c)" 0
    [[ $(tr -d '\261' <after | wc -c) -gt 0 ]] || fail "there was no load"
}

killed_clients() {
    local i
    serve disk "${crypto[@]}" --threads 2
    qemu_io "write -P 3 0 16m"
    for i in 1 2 3 4; do
        start_load --thread
        kill -KILL "$load" 2>/dev/null
        wait "$load" 2>/dev/null
        qemu_io "read -P 3 0 16m" "write -P 3 $((i * 512)) 4k" flush
        nbdcopy "$uri" null: &
        pids+=("$!")
        sleep 0.0$i
        kill -KILL "$!" 2>/dev/null
        wait "$!" 2>/dev/null
    done
    qemu_io "read -P 3 0 16m"
    detach
}

# Longer than a handshake may take.
idle_client() {
    serve idle --create --size 1m "${crypto[@]}"
    idle_server=$server
    { sleep 12 && echo "write -P 1 0 1m" && echo "read -P 1 0 1m"; } | qemu-io -f raw "$uri" >idle.log 2>&1 &
    idle=$!
    pids+=("$idle")
}

idle_client_is_served() {
    wait "$idle" || fail "the idle client ended with $?: $(head -c 300 idle.log)"
    expect_equal "of an idle client" "$(grep -c 'wrote \|read ' idle.log)" 2
    detach "$idle_server"
}

idle_client
serve disk --create --size ${size_mib}m "${crypto[@]}"
detach
make_batches >batches
total_flushed=0
killed_server 0.5
killed_server 1
killed_server 1.5
[[ $total_flushed -gt 0 ]] || fail "no batch was ever flushed before the kill: $(head -n 3 writer.log)"
detached_under_load
killed_clients
idle_client_is_served
finish
