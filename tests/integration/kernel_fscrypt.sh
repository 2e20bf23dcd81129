#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the running kernel says and writes with fscrypt on an ext4 image, against what fsdemo says and computes. The
# program does the comparison; here is the image, mounted.

. "$(dirname "$0")/lib.sh"

unmount() {
    ! mountpoint -q "$dir/mounted" || umount "$dir/mounted" || umount -l "$dir/mounted"
}
trap 'unmount; rm -rf --one-file-system "$dir"' EXIT

[[ $(id -u) == 0 ]] || skip "only root mounts"
type mkfs.ext4 >/dev/null 2>&1 || skip "no mkfs.ext4"
[[ -e /dev/loop-control ]] || skip "no loop devices"
mkdir "$dir/mounted"
truncate -s 64M "$dir/image"
mkfs.ext4 -q -F -b 4096 -O encrypt,stable_inodes "$dir/image" 2>"$dir/stderr" || skip "$(head -n 1 "$dir/stderr")"
# The loop device goes with the mount.
mount -t ext4 -o loop "$dir/image" "$dir/mounted" 2>"$dir/stderr" || skip "$(head -n 1 "$dir/stderr")"

"$bin/tests/kernel_fscrypt" "$dir/mounted" "$dir/image"
status=$?
((status != 77)) || exit 77
((status == 0)) || fail "kernel_fscrypt ended with $status"
finish
