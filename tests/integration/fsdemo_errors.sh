#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `fsdemo`: everything it must refuse, in one line with the right errno and exit status, and with nothing lost.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/fsdemo_lib.sh"

head -c 3000000 /dev/urandom >data
head -c 5000 /dev/urandom >patch

# expect_failed TEXT ARGUMENT...: exit 1, and the one line says TEXT.
expect_failed() {
    local text=$1
    shift
    expect_exit 1 "$fsdemo" "$@"
    expect_says "$text"
}
refused() {
    local text=$1
    shift
    expect_refused "$text" "$fsdemo" "$@"
}

# unchanged IMAGE COMMAND...: no byte of the image is another one after it.
unchanged() {
    local image=$1 before
    shift
    before=$(sha256_of "$image")
    "$@"
    expect_equal "$image after: $*" "$(sha256_of "$image")" "$before"
}

make_image() {
    fs mkfs d.img --size 8m
    fs mkdir d.img /s "${key[@]}"
    fs mkdir d.img /s/full "${key[@]}"
    put_data d.img /s/f data "${key[@]}"
    put_data d.img /s/full/f patch "${key[@]}"
    fs mkdir d.img /p
    put_data d.img /p/f patch
    fs mkdir d.img /empty
}

images() {
    local length
    refused ENOENT ls none.img
    refused EISDIR ls .
    refused ENOTBLK ls /dev/null
    mkfifo pipe
    refused ENOTBLK ls pipe
    refused ENOTBLK put pipe /f --from patch
    refused "no fsdemo image (EMEDIUMTYPE)" ls data
    refused "too short" ls patch
    : >empty.img
    refused "too short" ls empty.img
    # The image as it was, cut: not even what is left is read.
    for length in 4096 8192 8193 1000000 $(((8 << 20) - 4096)); do
        head -c "$length" d.img >cut.img
        expect_exit 2 "$fsdemo" get cut.img /s/f "${key[@]}"
    done
    expect_says "blocks"
    # Of two superblocks one is enough; of none the message says what is wrong.
    cp d.img bad.img
    dd if=/dev/urandom of=bad.img bs=4000 count=1 conv=notrunc status=none
    dd if=/dev/urandom of=bad.img bs=4096 seek=1 count=1 conv=notrunc status=none
    refused "EMEDIUMTYPE" ls bad.img
    # A damaged tree: whatever needs it says so.
    cp d.img bad.img
    damage_nodes bad.img
    refused EUCLEAN ls bad.img /s
    unchanged bad.img refused EUCLEAN put bad.img /p/f --from patch
}

# Every node of the image gets a byte that is wrong.
damage_nodes() {
    local offset
    while IFS=: read -r offset _; do
        ((offset % 4096 == 4)) && bytes ff | dd of="$1" bs=1 seek=$((offset + 60)) conv=notrunc status=none
    done < <(grep -obUa fsdn "$1")
}

features() {
    local block feature
    for block in 0 1; do
        fs mkfs feature.img --size 1m --overwrite
        ((block == 1)) || fs mkdir feature.img /d # the second state is in block 0
        cp feature.img feature.orig
        patch_superblock feature.img $block 33 80
        refused "features that are not known here (EOPNOTSUPP)" ls feature.img
        unchanged feature.img refused EOPNOTSUPP mkdir feature.img /e
        cp feature.orig feature.img
        patch_superblock feature.img $block 40 01
        fs ls feature.img
        unchanged feature.img refused "can only be read (EROFS)" mkdir feature.img /e
        cp feature.orig feature.img
        patch_superblock feature.img $block 48 01
        fs mkdir feature.img /e
        cp feature.orig feature.img
        patch_superblock feature.img $block 12 02
        expect_exit $((block == 1 ? 2 : 0)) "$fsdemo" ls feature.img # block 1 has the state before
    done
}

locked() {
    exec 9<d.img
    flock 9
    refused "in use by another process (EBUSY)" ls d.img
    unchanged d.img refused EBUSY put d.img /p/f --from data
    unchanged d.img refused EBUSY mkfs d.img --size 1m --overwrite
    flock -u 9
    flock -s 9
    fs ls d.img
    unchanged d.img refused EBUSY mkdir d.img /new
    exec 9<&-
    fs ls d.img

    # Killed in the middle of a put: the file is the old one, and nothing is locked.
    mkfifo feed
    "$fsdemo" put d.img /s/f "${key[@]}" --from feed >killed.log 2>&1 &
    local pid=$!
    exec 8>feed
    head -c 2500000 /dev/urandom >&8
    refused EBUSY ls d.img
    kill -9 $pid
    wait $pid 2>/dev/null
    exec 8>&-
    expect_data d.img /s/f data "${key[@]}"
    expect_clean d.img
}

keys() {
    local identifier
    identifier=$("$fsdemo" derive "${key[@]}" --context 1 --length 16)
    unchanged d.img no_key "$identifier"
    expect_exit 0 "$fsdemo" ls d.img /s/full
    expect_exit 0 "$fsdemo" stat d.img /s/f
    # A name is not secret: it can be changed, and removed, without the key.
    fs mv d.img /s/full/f /s/full/g
    fs rm d.img /s/full/g

    head -c 15 /dev/urandom >15.key
    head -c 65 /dev/urandom >65.key
    refused "15.key: holds a key of 15 bytes, expected 16 to 64" get d.img /s/f --key-file 15.key
    refused "65.key" get d.img /s/f --key-file master.key --key-file 65.key
    refused "no hexadecimal digit" get d.img /s/f --key-file master.key --key-format hex
    refused none.key get d.img /s/f --key-file none.key
    refused "only one key" get d.img /s/f --key-file - --key-file -
    refused "only one key" get d.img /s/f --key-file - --key-file /dev/stdin
    refused "a key and the data" put d.img /s/f --key-file - --from -
    refused "a key and the data" put d.img /s/f --key-file master.key --from master.key
    refused "is also a key file" get d.img /s/f "${key[@]}" --to master.key
    refused "is also the image" get d.img /s/f "${key[@]}" --to ./d.img
    refused "--json: ./d.img is also the image" stat d.img /s/f --json=./d.img
    refused "--json: master.key is also a key file" ls d.img "${key[@]}" --json=master.key
    refused "is also the image" put d.img /s/f "${key[@]}" --from d.img
    expect_data d.img /s/f data "${key[@]}"
    # Too short for the mode.
    head -c 31 /dev/urandom >31.key
    unchanged d.img refused "31 bytes, aes-256-xts needs 32" mkdir d.img /empty --key-file 31.key
}

no_key() {
    local needed="/s/f: needs the master key $1 (ENOKEY)" path
    for path in fallback inline; do
        expect_failed "$needed" get d.img /s/f --path $path
        expect_failed "$needed" put d.img /s/f --from patch --path $path
    done
    expect_failed "$needed" truncate d.img /s/f 5
    expect_failed "$needed" cp d.img --reflink /s/f /s/g
    expect_failed "/s/new: needs the master key $1 (ENOKEY)" put d.img /s/new --from patch
    expect_failed "/s/new: needs the master key $1 (ENOKEY)" mkdir d.img /s/new
    expect_failed "$1, which the key file does not have (ENOKEY)" get d.img /s/f --key-file other.key
    head -c 64 /dev/urandom >third.key
    expect_failed "$1, which none of the 2 key files has (ENOKEY)" get d.img /s/f --key-file other.key --key-file third.key
    # What was in the output file stays.
    echo precious >precious
    expect_failed ENOKEY get d.img /s/f --to precious
    expect_equal "output of a get that failed" "$(cat precious)" precious
}

policies() {
    fs mkdir d.img /a "${key[@]}" --contents adiantum
    unchanged d.img policy_errors
}

policy_errors() {
    expect_failed ENOTEMPTY mkdir d.img /p "${key[@]}"
    expect_failed EEXIST mkdir d.img /p
    expect_failed EEXIST mkdir d.img /p/f "${key[@]}"
    expect_failed EEXIST mkdir d.img /a --key-file other.key
    expect_failed EEXIST mkdir d.img /a "${key[@]}"
    expect_failed EEXIST mkdir d.img /a "${key[@]}" --contents adiantum --data-unit-size 512
    expect_failed "its parent has another encryption policy, which its children inherit (EEXIST)" mkdir d.img /a/b --key-file other.key --key-file master.key
    expect_failed EEXIST mkdir d.img /a/b "${key[@]}" --contents aes-256-xts
    refused "--data-unit-size: '8192' is not a power of two from 512 to 4096" mkdir d.img /empty "${key[@]}" --data-unit-size 8192
    refused "Unsupported encryption modes; allowed: aes-256-xts with aes-256-cts, " mkdir d.img /empty "${key[@]}" --contents adiantum --filenames aes-256-cts
    expect_says "adiantum with adiantum (EINVAL)"
    refused "Unsupported encryption modes; allowed: " mkdir d.img /empty "${key[@]}" --contents aes-256-cts
    refused "--data-unit-size" mkdir d.img /empty "${key[@]}" --data-unit-size 256
    refused "--contents" mkdir d.img /empty "${key[@]}" --contents rot13
    refused "--filenames" mkdir d.img /empty "${key[@]}" --filenames rot13
    refused "a policy needs a key" mkdir d.img /empty --contents adiantum
    expect_failed "/a/f: its directory has another key, mode or data unit size (EXDEV)" cp d.img --reflink /s/f /a "${key[@]}"
    expect_failed EXDEV cp d.img --reflink /s/f /p/g "${key[@]}"
    expect_failed EXDEV cp d.img --reflink /p/f /s/g "${key[@]}"
    expect_failed "another encryption policy (EXDEV)" mv d.img /p/f /s
    expect_failed "another encryption policy (EXDEV)" mv d.img /s/f /a/f
}

# An engine that does not have the mode, and nothing beneath it.
engines() {
    "$fsdemo" put d.img /a/f --from patch "${key[@]}" || fail "put into /a"
    unchanged d.img refused "engine ufs-std: no adiantum in units of 4096 bytes, which /a/f needs (EOPNOTSUPP)" \
        put d.img /a/f --from data "${key[@]}" --path inline --engine ufs-std
    refused "engine ufs-std: no adiantum" get d.img /a/f "${key[@]}" --path inline --engine ufs-std
    expect_data d.img /a/f patch "${key[@]}" --path inline
    refused "--engine" get d.img /a/f "${key[@]}" --path inline --engine warp
    refused "--path" get d.img /a/f "${key[@]}" --path sideways
    refused "--engine: fallback-keyslots has no use for it" get d.img /a/f "${key[@]}" --engine generic
    refused "--engine: pool-global has no use for it" get d.img /a/f "${key[@]}" --strategy pool-global --engine ufs-std
    refused "--keyslots: engine samsung-fmp has none" get d.img /a/f "${key[@]}" --path inline --engine samsung-fmp --keyslots 8
    refused "--derived-key-cache: '1048577'" get d.img /a/f "${key[@]}" --derived-key-cache 1048577
    export BLKCRYPTO_DISABLE_MODES=adiantum
    refused "ENOPKG" get d.img /a/f "${key[@]}"
    refused "ENOPKG" get d.img /a/f "${key[@]}" --path inline
    unset BLKCRYPTO_DISABLE_MODES
}

# Full: nothing of what was there is lost, and what is removed gives its room back.
full() {
    fs mkfs full.img --size 1m
    fs mkdir full.img /s "${key[@]}"
    head -c 600000 data >old
    put_data full.img /s/f old "${key[@]}"
    unchanged_state full.img put full.img /s/f --from data "${key[@]}"
    unchanged_state full.img put full.img /s/f --from old "${key[@]}" # both do not fit at once
    unchanged_state full.img put full.img /s/new --from data "${key[@]}" --path inline
    unchanged_state full.img put full.img /s/f --from data "${key[@]}" --offset 5000
    put_data full.img /s/f patch "${key[@]}" --offset 100
    patch_old
    # Small files until it is full, then all of them away again.
    local i=0
    while "$fsdemo" put full.img /s/n$i --from patch "${key[@]}" 2>err; do i=$((i + 1)); done
    grep -q ENOSPC err || fail "full: $(cat err)"
    ((i > 10)) || fail "full after $i files"
    expect_data full.img /s/f old "${key[@]}"
    expect_clean full.img
    for ((; i > 0; --i)); do fs rm full.img /s/n$((i - 1)); done
    fs rm full.img /s/f
    put_data full.img /s/f old "${key[@]}"
    expect_data full.img /s/f old "${key[@]}" --path inline
    expect_clean full.img
}

patch_old() {
    dd if=patch of=old bs=100 seek=1 conv=notrunc status=none
    expect_data full.img /s/f old "${key[@]}"
}

# A command that finds no room; the file and the free space are as before.
unchanged_state() {
    local image=$1 free
    shift
    "$fsdemo" df "$image" --json >df.before
    expect_failed ENOSPC "$@"
    expect_clean "$image"
    "$fsdemo" df "$image" --json | cmp -s - df.before || fail "other state after: $*"
    expect_data "$image" /s/f old "${key[@]}"
    expect_equal "entries after: $*" "$("$fsdemo" ls "$image" /s | wc -l)" 1
}

# Where a report goes is never the image it is about, by whatever name, not even as stdout.
outputs() {
    local name verb
    ln -s d.img link.img
    ln d.img hard.img
    for verb in fsck ls df "stat /s/f"; do
        set -- $verb
        for name in d.img ./d.img link.img hard.img; do
            unchanged d.img refused "--json: $name is also the image" "$1" d.img "${@:2}" --json=$name
        done
        unchanged d.img onto_image "$1" d.img "${@:2}" --json
        unchanged d.img onto_image "$1" d.img "${@:2}"
        unchanged d.img onto_image "$1" d.img "${@:2}" --json=report.json
    done
    unchanged d.img onto_image get d.img /p/f
    rm link.img hard.img
}

# A command whose stdout is the image.
onto_image() {
    local status=0
    "$fsdemo" "$@" 1<>d.img 2>stderr || status=$?
    expect_equal "status onto the image: $*" $status 2
    expect_says "stdout is also the image"
    status=0
    "$fsdemo" "$@" >>d.img 2>stderr || status=$?
    expect_equal "status behind the image: $*" $status 2
    expect_says "stdout is also the image"
}

names() {
    local long
    printf -v long '%0256d' 0
    unchanged d.img name_errors "$long"
}

name_errors() {
    expect_failed "ENAMETOOLONG" put d.img "/p/$1" --from patch
    expect_failed "ENAMETOOLONG" mkdir d.img "/$1"
    expect_failed "ENAMETOOLONG" mv d.img /p/f "/p/$1"
    expect_failed ENAMETOOLONG ls d.img "/$1/x"
    local name
    for name in . ..; do
        expect_failed EINVAL mkdir d.img /p/$name
        expect_failed EINVAL put d.img /$name/f --from patch
        expect_failed "'.' and '..' are no names in an image (EINVAL)" ls d.img /p/$name
    done
    expect_failed "/p/f/: Not a directory (ENOTDIR)" get d.img /p/f/
    expect_failed ENOTDIR get d.img /p/f/x
    expect_failed ENOTDIR put d.img /p/f/x --from patch
    expect_failed ENOTDIR put d.img /p/f/ --from patch
    expect_failed EISDIR put d.img /p/new/ --from patch
    expect_failed ENOTDIR rm d.img /p/f/
    expect_failed ENOTDIR mv d.img /p/f/ /p/g
    expect_failed ENOTDIR mv d.img /p/f /p/g/
    expect_failed ENOTDIR cp d.img --reflink /p/f /p/g/
    expect_failed ENOENT get d.img /p/none
    expect_failed ENOENT put d.img /none/f --from patch
    expect_failed ENOENT mkdir d.img /none/d
    expect_failed ENOENT rm d.img /p/none
    expect_failed ENOENT mv d.img /p/none /p/g
    expect_failed ENOENT mv d.img /p/f /none/g
    expect_failed ENOENT stat d.img none
    expect_failed ENOENT ls d.img ""
    expect_failed EISDIR get d.img /p
    expect_failed EISDIR put d.img / --from patch
    expect_failed EISDIR truncate d.img /p 5
    expect_failed EISDIR cp d.img --reflink /p /q
    expect_failed EEXIST cp d.img --reflink /p/f /p/f
    expect_failed EEXIST cp d.img --reflink /p/f /p
    expect_failed EEXIST mkdir d.img /
    expect_failed ENOTEMPTY rm d.img /p
    expect_failed EBUSY rm d.img /
    expect_failed EBUSY mv d.img / /p
    expect_failed "a directory cannot go into itself (EINVAL)" mv d.img /p /p/q
    expect_failed EFBIG truncate d.img /p/f 9223372036854775807
    refused "SIZE" truncate d.img /p/f -- -1
    expect_failed EFBIG put d.img /p/f --from patch --offset 9223372036854775807
    expect_failed EFBIG put d.img /p/f --from patch --offset 18446744073709551615
}

making() {
    unchanged d.img expect_failed "there already; --overwrite replaces it (EEXIST)" mkfs d.img --size 1m
    local size
    for size in 0 4k 262143 1099511627777 2t; do refused "--size" mkfs new.img --size $size; done
    refused "--size" mkfs new.img
    refused "--uuid" mkfs new.img --size 1m --uuid 0011
    refused "--uuid" mkfs new.img --size 1m --uuid 000102030405060708090a0b0c0d0e0x
    refused ENOENT mkfs none/new.img --size 1m
    refused EISDIR mkfs . --size 1m --overwrite
    refused ENOTBLK mkfs pipe --size 1m --overwrite
    refused "mkfs makes no others" mkfs pipe --size 1m
    if mknod device b 7 200 2>/dev/null; then
        refused "mkfs makes no others" mkfs device --size 1m
        refused "mkfs makes no others" mkfs device --size 1m --overwrite
    fi
    # One that cannot be made, larger than a file may be here, leaves the old one and nothing else.
    (
        ulimit -f 2048
        trap '' XFSZ
        "$fsdemo" mkfs d.img --size 8m --overwrite 2>stderr && exit 0
        "$fsdemo" mkfs new.img --size 8m 2>stderr && exit 0
        exit 1
    ) && fail "an image larger than a file may be"
    expect_data d.img /s/f data "${key[@]}"
    expect_clean d.img
    compgen -G '*.mkfs-*' >/dev/null && fail "left behind: $(compgen -G '*.mkfs-*')"
    # Through a link the file it leads to is replaced.
    fs mkfs target.img --size 1m
    ln -s target.img to_target.img
    fs mkdir target.img /old
    fs mkfs to_target.img --size 1m --overwrite
    [[ -L to_target.img ]] || fail "mkfs replaced the link"
    fs ls target.img
    expect_equal "entries of a new image" "$(wc -l <stdout)" 0
    [[ ! -e new.img ]] || fail "an image that was refused is there"
    fs mkfs new.img --size 262144
    fs mkdir new.img /d
}

usage() {
    refused "only --reflink" cp d.img /s/f /s/g
    refused "--bogus" ls d.img --bogus
    refused "PATH" get d.img
    refused "a verb is missing"
    refused "frobnicate" frobnicate d.img
    refused "--offset" get d.img /p/f --offset x
    refused "--json=: the value is empty" ls d.img --json=
    local option
    for option in --strategy --path --engine --key-file --to; do
        refused "$option: the value is empty" get d.img /p/f $option ""
    done
    refused "--strategy=: the value is empty" get d.img --strategy= /p/f
    local derive=(derive "${key[@]}" --length 16)
    refused "--context" "${derive[@]}" --context 10
    refused "--context" "${derive[@]}" --context nothing
    refused "--nonce" "${derive[@]}" --context 9
    refused "--nonce" "${derive[@]}" --context 9 --nonce 00
    refused "--nonce" "${derive[@]}" --context 1 --nonce e0e1e2e3e4e5e6e7e8e9eaebecedeeef
    refused "not together" "${derive[@]}" --context 9 --nonce e0e1e2e3e4e5e6e7e8e9eaebecedeeef --info 00
    refused "--info" "${derive[@]}" --context 9 --info 0
    refused "--length" derive "${key[@]}" --context 1 --length 0
    refused "--length" derive "${key[@]}" --context 1 --length 16321
    refused "--key-file" derive --context 1 --length 16
    # A reader that went away, an output that is full.
    "$fsdemo" get d.img /s/f "${key[@]}" 2>err | head -c 1 >/dev/null
    expect_exit 1 "$fsdemo" get d.img /s/f "${key[@]}" --to /dev/full
    expect_says ENOSPC
}

make_image
images
features
locked
keys
policies
engines
outputs
names
making
usage
full
finish
