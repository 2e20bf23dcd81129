#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `blkcrypto detach`, `list` and `info` when an attachment is busy, or is being ended by somebody else.

# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/attach_lib.sh
. "$(dirname "$0")/attach_lib.sh"

# Whoever asks for the end while it comes is told how it ended; whoever asks later, that there is none.
detached_by_many() {
    local round i status askers done_by
    for ((round = 0; round < 8; ++round)); do
        behind disk --path plain
        askers=() done_by=0
        for i in 1 2 3 4 5 6; do
            "$blkcrypto" detach disk.img >/dev/null 2>"detach.$i" &
            askers+=("$!")
        done
        "$blkcrypto" list >list.out 2>&1 || fail "list fails while an attachment ends: $(cat list.out)"
        for ((i = 0; i < 6; ++i)); do
            status=0
            wait "${askers[i]}" || status=$?
            [[ $status == 0 ]] && done_by=1
            [[ $status == 0 || $status == 2 ]] || fail "detach by many: $status: $(cat "detach.$((i + 1))")"
        done
        expect_equal "somebody has detached it" "$done_by" 1
    done
}

# A thread that is in a system call for long: with one processor and an image in memory, flushing is one.
busy() {
    command -v taskset >/dev/null && command -v qemu-io >/dev/null && [[ -w /dev/shm && -e $bin/tests/libslow_sync.so ]] || return 0
    # A sanitizer's runtime wants to be the first.
    LD_PRELOAD=$bin/tests/libslow_sync.so "$blkcrypto" list >/dev/null 2>&1 || return 0
    local image began flusher lister status=0
    image=$(mktemp /dev/shm/blkcrypto-XXXXXX)
    truncate -s 1m "$image"
    SLOW_SYNC=$dir/slow LD_PRELOAD=$bin/tests/libslow_sync.so taskset -c 0 "$blkcrypto" attach "$image" --socket busy.sock \
        --path plain --threads 1 --pid-file busy.pid >uri || fail "attach"
    server=$(cat busy.pid)
    pids+=("$server")
    uri=$(cat uri)
    touch slow
    qemu-io -f raw -c "write 0 4k" -c flush "$uri" >/dev/null 2>&1 &
    flusher=$!
    sleep 1
    began=$SECONDS
    "$blkcrypto" list >list.out 2>&1 &
    lister=$!
    { sleep 7 && rm slow; } &
    expect_exit 0 "$blkcrypto" detach "$uri"
    if ((SECONDS - began >= 6)); then
        wait "$lister" || status=$?
        expect_equal "exit status of list" "$status" 0
    else
        echo "note: nothing was busy here"
    fi
    wait "$flusher"
    rm -f "$image" slow
}

random_file disk.img 1048576
detached_by_many
busy
finish
