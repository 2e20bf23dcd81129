#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# qemu-io on disks of `blkcrypto attach`: reads, writes, zeroes, discards and flushes at sectors that are no data units.

# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/attach_lib.sh
. "$(dirname "$0")/attach_lib.sh"
needs qemu-io qemu-img

# The same commands on a plain file and on the disk have to leave the same bytes. Discards are left out: what they
# leave is undefined.
same_as_a_file() {
    local command arguments=() i offset sectors
    for ((i = 0; i < 200; ++i)); do
        sectors=$((RANDOM % 300 + 1))
        offset=$(random_sectors 0 $((8192 - sectors)))
        case $((RANDOM % 8)) in
        0) command="write -z $offset $((sectors * 512))" ;;
        1) command="write -z -u $offset $((sectors * 512))" ;;
        2) command="write -f -P $((i % 255 + 1)) $offset $((sectors * 512))" ;;
        3) command="flush" ;;
        4) command="read $offset $((sectors * 512))" ;;
        5) command="aio_write -P $((i % 255 + 1)) $offset $((sectors * 512))" && arguments+=(-c "$command") && command=aio_flush ;;
        *) command="write -P $((i % 255 + 1)) $offset $((sectors * 512))" ;;
        esac
        arguments+=(-c "$command")
    done
    random_file data 4194304
    client qemu-img convert -n -f raw -O raw data "$uri"
    client qemu-io -f raw "${arguments[@]}" data
    client qemu-io -f raw "${arguments[@]}" "$uri"
    client qemu-img compare -f raw -F raw data "$uri" ||
        printf '%s\n' "${arguments[@]}" >&2
}

sub_units() {
    qemu_io "write -P 1 0 16k" "write -P 2 512 512" "write -P 3 3584 1024" "write -z 8192 512" flush \
        "read -P 1 0 512" "read -P 2 512 512" "read -P 1 1024 2560" "read -P 3 3584 1024" "read -P 1 4608 3584" \
        "read -P 0 8192 512" "read -P 1 8704 7680"
}

# What is discarded may read as anything, what lies beside it in the same unit may not.
discards() {
    qemu_io "write -P 7 1m 64k" "discard 1025k 30k" "read -P 7 1m 1k" "read -P 7 1055k 33k" flush
    qemu_io "discard 0 4m" "write -P 9 512 1m" "read -P 9 512 1m" flush
}

# Beyond the end, and more than one request can take, in pieces.
at_the_end() {
    qemu_io "write -P 5 4193792 512" "read -P 5 4193792 512" "write -P 4 0 4m" "read -P 4 0 4m"
    ! qemu-io -f raw -c "write 4m 512" "$uri" >stdout 2>&1 || grep -q failed stdout || fail "wrote beyond the end: $(cat stdout)"
}

read_only() {
    local uri
    serve disk "${crypto[@]}" --read-only
    client qemu-io -r -f raw -c "read -P 4 0 4m" "$uri"
    ! qemu-io -f raw -c "write 0 512" "$uri" >stdout 2>&1 || grep -q -i 'failed\|read' stdout || fail "wrote: $(cat stdout)"
    client qemu-io -r -f raw -c "read -P 4 0 4m" "$uri"
    detach
}

for options in "--data-unit-size 4k" "--data-unit-size 64k" "--data-unit-size 512" "--data-unit-size 4k --path inline"; do
    read -r -a options <<<"$options"
    serve disk --create --overwrite --size 4m --key-file key --mode aes-256-xts "${options[@]}"
    sub_units
    same_as_a_file
    discards
    at_the_end
    detach
done
serve disk --create --overwrite --size 4m "${crypto[@]}"
at_the_end
detach
read_only
finish
