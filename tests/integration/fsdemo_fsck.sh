#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `fsdemo fsck`: what it says of good images, of damaged ones and of what is none, and that it needs no key.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/fsdemo_lib.sh"

head -c 300000 /dev/urandom >data

# damage IMAGE OFFSET: other bits in one byte.
damage() {
    local byte
    byte=$(dd if="$1" bs=1 skip="$2" count=1 status=none | od -An -tu1)
    bytes "$(printf '%02x' $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# The block of the tree's root, as the newer superblock has it.
root_block() {
    local image=$1 generation at
    generation=$(json_value generation "$2")
    at=$((generation % 2 * 4096 + 72))
    dd if="$image" bs=1 skip=$at count=8 status=none | od -An -v -tu8 | tr -d ' '
}

fs mkfs disk.img --size 16m
fs fsck disk.img
grep -q 'clean$' stdout || fail "a new image is not clean: $(cat stdout)"
fs mkdir disk.img /plain
put_data disk.img /plain/a data
fs mkdir disk.img /secret "${key[@]}" --contents aes-256-xts
put_data disk.img /secret/b data "${key[@]}"
fs cp --reflink disk.img /secret/b /secret/c "${key[@]}"
before=$(sha256_of disk.img)
fs fsck disk.img
expect_equal "lines of a clean image" "$(wc -l <stdout)" 1
grep -q '3 directories, 3 files' stdout || fail "totals: $(cat stdout)"
fs fsck disk.img --json
expect_equal schema "$(json_value schema stdout)" fsdemo.fsck
expect_equal clean "$(json_value clean stdout)" true
expect_equal files "$(json_value files stdout)" 3
expect_equal findings "$(json_value findings_count stdout)" 0
cp stdout clean.json
expect_equal "the image" "$(sha256_of disk.img)" "$before"

# A node that is not what was written.
cp disk.img node.img
block=$(root_block node.img clean.json)
damage node.img $((block * 4096 + 100))
expect_exit 1 "$fsdemo" fsck node.img
expect_says "1 finding"
grep -qx "node: block $block has a wrong checksum" stdout || fail "finding of a node: $(cat stdout)"
expect_exit 1 "$fsdemo" fsck node.img --json=node.json
expect_equal clean "$(json_value clean node.json)" false
expect_equal incomplete "$(json_value incomplete node.json)" true
expect_equal block "$(json_value block node.json)" "$block"
grep -q '^node: ' stdout || fail "no text beside a JSON file"

# A superblock that says something else, under a right checksum.
cp disk.img count.img
generation=$(json_value generation clean.json)
patch_superblock count.img $((generation % 2)) 104 05
expect_exit 1 "$fsdemo" fsck count.img
grep -q '^space: free runs add up to' stdout || fail "finding of a wrong count: $(cat stdout)"

# Of the other superblock it is only said.
cp disk.img old.img
damage old.img $(((generation + 1) % 2 * 4096 + 20))
fs fsck old.img
grep -qx "note: superblock $(((generation + 1) % 2)) does not count: wrong checksum" stdout || fail "note: $(cat stdout)"

# An image that ends too early.
cp disk.img short.img
truncate -s 15M short.img
expect_exit 1 "$fsdemo" fsck short.img
grep -q '^superblock: .* only 3840 are there' stdout || fail "finding of a short image: $(cat stdout)"

# What is no image.
head -c 1M /dev/zero >zeros
expect_refused "no fsdemo image (EMEDIUMTYPE)" "$fsdemo" fsck zeros
expect_refused ENOENT "$fsdemo" fsck missing
expect_refused EISDIR "$fsdemo" fsck .
damage old.img $((generation % 2 * 4096 + 20))
expect_refused "its superblock: wrong checksum (EUCLEAN)" "$fsdemo" fsck old.img
expect_exit 0 "$fsdemo" fsck --help
grep -q "^  fsdemo fsck " stdout || fail "fsck --help has no example"
finish
