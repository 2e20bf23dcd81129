#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A disk of `blkcrypto attach` whose image is sparse, on a filesystem that becomes full: clients get ENOSPC, and are served.

here=$(cd "$(dirname "$0")" && pwd)
# The small filesystem is mounted where nobody else sees it, and gone with this script.
if [[ ${1:-} != mounted ]]; then
    unshare=(unshare --mount)
    ((EUID == 0)) || unshare+=(--user --map-root-user)
    "${unshare[@]}" true 2>/dev/null || {
        echo "skipped: no right to mount a filesystem here"
        exit 77
    }
    exec "${unshare[@]}" bash "$0" mounted
fi
export BLKCRYPTO_BIN=${BLKCRYPTO_BIN:?is not set}

# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/integration/attach_lib.sh
. "$here/attach_lib.sh"
needs qemu-io mount
mkdir small
mount -t tmpfs -o size=2m none small || skip "cannot mount a tmpfs"

# full OPTION...: without FUA, which would make the refused write one that was to be on the medium.
full() {
    truncate --size=8M small/disk.img
    ln -sf small/disk.img disk.img
    serve disk "$@"
    qemu_io "write -P 1 0 1m" flush
    qemu-io -t writeback -f raw -c "write -P 2 1m 4m" "$uri" >stdout 2>&1
    grep -q 'No space left' stdout || fail "$*: a full filesystem is: $(cat stdout)"
    qemu_io "read -P 1 0 1m" "write -P 3 512 4096" "read -P 3 512 4096" flush
    qemu-io -t writeback -f raw -c "write -z 4m 4m" -c "write -P 4 6m 1m" "$uri" >stdout 2>&1
    grep -q 'No space left' stdout || fail "$*: zeroes on a full filesystem: $(cat stdout)"
    # What is given back can be used again.
    qemu_io "discard 1m 7m" "write -P 5 2m 512k" "read -P 5 2m 512k" "read -P 1 8k 1016k" flush
    detach
    rm small/disk.img
}

# shellcheck disable=SC2317 # until_true calls it
unmounts() { umount "$dir/small" 2>"$dir/stderr"; }

full "${crypto[@]}"
full "${crypto[@]}" --path inline
full --path plain
# io_uring closes its files late.
cd / || exit 1
until_true 10 unmounts || umount --lazy "$dir/small"
finish
