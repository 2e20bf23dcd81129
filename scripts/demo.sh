#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the programs and shows what they are for: the same random reads and writes on a 256 MiB image, once plain,
# once through an inline encryption engine, once through blk-crypto's software fallback.
#
#   scripts/demo.sh                the images go to a temporary directory and are removed at the end
#   scripts/demo.sh DIRECTORY      they are kept there (existing demo images are overwritten)
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
programs=$root/build/demo/bin
needed_mib=800 # three images of 256 MiB

temporary=

at_exit() {
    [[ -z $temporary ]] || rm -rf -- "$temporary"
}

is_tmpfs() { [[ $(stat --file-system --format=%T "$1") == tmpfs ]]; }

# Where the images go: a disk if there is one, since memory would hide what the storage costs.
choose_directory() {
    if [[ -n $kept ]]; then
        mkdir -p -- "$kept" 2>/dev/null || die "cannot make the directory $kept"
        images=$(cd "$kept" && pwd)
        return
    fi
    local base=${TMPDIR:-/var/tmp}
    [[ -d $base && -w $base ]] || die "no directory that can be written: $base"
    if is_tmpfs "$base" && ! is_tmpfs /var/tmp; then
        base=/var/tmp
    fi
    temporary=$(mktemp -d "$base/blkcrypto-demo.XXXXXX")
    images=$temporary
}

kept=
case ${1:-} in
-h | --help)
    sed -n '3,7{s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit 0
    ;;
-*) die "unknown option $1 (there is none but --help)" ;;
*) kept=${1:-} ;;
esac
[[ $# -le 1 ]] || die "one directory at most"

choose_directory
free_mib=$(($(df --output=avail --block-size=1M "$images" | tail -n 1)))
[[ $free_mib -ge $needed_mib ]] || die "$images has $free_mib MiB free, the images need $needed_mib"

"$root/scripts/setup.sh" build

echo
echo "== Building (a few minutes the first time) =="
use_ccache
cd "$root"
run cmake --preset demo
run cmake --build --preset demo

cat <<'TEXT'

== Which ciphers this build has ==
The encryption modes are those of Linux's blk-crypto. A mode may have several implementations; the fastest that this
CPU can run, and that passes a self-test, is used.

TEXT
run "$programs/blkcrypto" modes

cat <<TEXT

== The same I/O three ways (about half a minute) ==
Random reads and writes of 64 KiB, 32 in flight, on image files of 256 MiB in $images.
The image is divided among 4 keys; a data unit, the piece that is encrypted by itself, is 4 KiB.

  plain      No encryption: what the storage and the block layer cost by themselves. The others are compared to it.
  inline     Every request carries its key and a data unit number down to a device with an encryption engine and 32
             keyslots, as UFS storage has. The host only programs the keyslots; the engine encrypts.
  fallback   The device can do nothing: the host's CPU encrypts into bounce pages before a write, and decrypts after
             a read. This is Linux's blk-crypto-fallback.

TEXT
run "$programs/blkbench" compare --filename "$images/demo.img" --size 256m --rw randrw --bs 64k --iodepth 32 \
    --numjobs 1 --runtime 8 --paths plain,inline,fallback --mode aes-256-xts --data-unit-size 4096 --keys 4 \
    --engine ufs-std --seed 1 --overwrite

cat <<'TEXT'

== How to read this ==
  host CPU     Seconds of processor time the host spends for each GiB of data. This is the figure to compare: fallback
               minus plain is what software encryption costs you, inline minus plain is what is left of that cost
               with an engine.
  engine CPU   Seconds spent in the thread that plays the engine. In a real device that is silicon, and free.
  throughput   The engine here is software on the same processor. So the speed of `inline` is the speed of a
               model on this machine, not of any hardware; do not quote it as such.
  verify       Afterwards both encrypted images were written whole from the same seed. They must be identical byte
               for byte, and an independent implementation of the cipher (nettle, which shares no code with this
               project) must turn their data units back into what was written. So the paths differ in cost, and in
               nothing else.
TEXT
if [[ -n $kept ]]; then
    echo
    echo "The images are in $images: demo.img.plain, demo.img.inline, demo.img.fallback."
fi
