#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Images through `blkcrypto attach` and back, by nbdcopy and qemu-img; and what then is on the image is what
# `blkcrypto crypt encrypt` makes of the same bytes.

# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/attach_lib.sh
. "$(dirname "$0")/attach_lib.sh"
needs nbdcopy qemu-img

# One disk after another, of sizes that nbdcopy's requests do not divide.
there_and_back() {
    local i size
    for i in 1 2 3; do
        size=$(random_sectors 2 20000)
        random_file data "$size"
        serve plain --path plain --create --overwrite --size "$size"
        client nbdcopy data "$uri"
        client nbdcopy "$uri" back
        expect_same_file "plain, $size bytes" data back
        client qemu-img compare -f raw -F raw data "$uri"
        detach
        expect_same_file "image of a plain disk, $size bytes" data plain.img

        size=$((size + 4095 & ~4095))
        random_file data "$size"
        serve disk --create --overwrite --size "$size" "${crypto[@]}"
        client nbdcopy --flush data "$uri"
        client nbdcopy "$uri" back
        expect_same_file "encrypted, $size bytes" data back
        client qemu-img compare -f raw -F raw data "$uri"
        detach
        ! cmp -s data disk.img || fail "the image is not encrypted"
    done
}

# A source that is smaller, of whole sectors but not of whole data units, leaves what is behind it.
smaller_source() {
    random_file data 1048576
    random_file patch 100864 # 197 sectors
    serve disk --create --overwrite --size 1m "${crypto[@]}"
    client nbdcopy data "$uri"
    client nbdcopy patch "$uri"
    client nbdcopy "$uri" back
    dd if=patch of=data conv=notrunc status=none
    expect_same_file "a smaller source" data back
    random_file patch 1000
    ! nbdcopy patch "$uri" >stdout 2>stderr || fail "a source that ends within a sector was written"
    grep -q 'Invalid argument' stderr || fail "nbdcopy of 1000 bytes says: $(head -c 300 stderr)"
    detach
}

# Between two disks, and by qemu-img convert both ways: from qcow2, and to qcow2.
disk_to_disk() {
    local first
    random_file data 3145728
    truncate --size=5242880 data # a hole at the end: qemu-img writes zeroes there, which are encrypted ones
    serve disk --create --overwrite --size 5m "${crypto[@]}"
    first=$uri first_server=$server
    client qemu-img convert -f raw -O qcow2 data data.qcow2
    client qemu-img convert -n -f qcow2 -O raw data.qcow2 "$first"
    client qemu-img compare -f raw -F qcow2 "$first" data.qcow2
    serve other --create --size 5m --key-file key --mode aes-256-xts --data-unit-size 512
    client nbdcopy "$first" "$uri"
    client qemu-img compare -f raw -F raw "$first" "$uri"
    client qemu-img convert -f raw -O qcow2 "$uri" back.qcow2
    client qemu-img compare -f raw -F qcow2 data back.qcow2
    detach
    detach "$first_server"
    ! cmp -s disk.img other.img || fail "units of 512 and 4096 bytes give the same image"
}

# on_the_image MODE KEY_BYTES UNIT FIRST_DUN OPTION...
on_the_image() {
    local mode=$1 unit=$3 dun=$4
    random_file mode.key "$2"
    shift 4
    random_file data 1310720
    serve disk --create --overwrite --size 1280k --mode "$mode" --key-file mode.key --data-unit-size "$unit" --dun-offset "$dun" "$@"
    client nbdcopy data "$uri"
    detach
    client "$blkcrypto" crypt encrypt --mode "$mode" --key-file mode.key --data-unit-size "$unit" --dun "$dun" --in data --out expected
    expect_same_file "$mode, units of $unit, from $dun, $*" disk.img expected
}

there_and_back
smaller_source
disk_to_disk
on_the_image aes-256-xts 64 4096 0
on_the_image aes-256-xts 64 4096 0xfffffffffffffff0 # their numbers go beyond 64 bits
on_the_image aes-256-xts 64 512 12345 --threads 2
on_the_image aes-256-xts 64 65536 7 --path inline
on_the_image aes-128-cbc-essiv 16 4096 1 --decrypt-workers 2
on_the_image adiantum 32 4096 0x100000000000000000000000000000000 --path inline --engine generic
on_the_image sm4-xts 32 1024 3
finish
