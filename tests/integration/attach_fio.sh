#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# fio writes to disks of `blkcrypto attach` and verifies what it wrote: blocks of 512 bytes to 4 MiB, many at once, on
# four connections.

# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/attach_lib.sh
. "$(dirname "$0")/attach_lib.sh"
needs_fio_nbd

# verify OPTION...: attached with these; each job has 16 MiB of its own.
verify() {
    serve disk --create --overwrite --size 64m "$@"
    client fio --name=verify --ioengine=nbd --uri="$uri" --rw=randwrite --bsrange=512-4m --iodepth=16 --numjobs=4 \
        --size=16m --offset_increment=16m --verify=crc32c --verify_fatal=1 --verify_backlog=64 --serialize_overlap=1 \
        --end_fsync=1 --group_reporting --max_latency=30s
    ! grep -q 'verify: bad\|err= *[1-9]' stdout stderr || fail "fio with $*: $(head -c 500 stderr)"
    detach
}

# Small ones at odd places, where writes to one unit come from two connections.
shared_units() {
    serve disk --create --overwrite --size 4m "${crypto[@]}" --threads 2
    client fio --ioengine=nbd --uri="$uri" --rw=randwrite --bs=512 --iodepth=32 --verify=crc32c --verify_fatal=1 \
        --size=2m --zonemode=strided --zonesize=512 --zoneskip=512 --zonerange=512 \
        --name=even --offset=0 --name=odd --offset=512
    detach
}

verify "${crypto[@]}"
verify --key-file key --mode aes-256-xts --data-unit-size 512 --threads 2 --decrypt-workers 2
verify "${crypto[@]}" --path inline
verify --path plain
shared_units
finish
