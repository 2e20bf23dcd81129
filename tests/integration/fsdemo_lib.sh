# SPDX-License-Identifier: Apache-2.0
# What the scripts about `fsdemo` share; sourced after lib.sh. Works in $dir.

fsdemo=$bin/fsdemo
blkcrypto=$bin/blkcrypto
cd "$dir" || exit 1

counting_bytes 64 >master.key
head -c 64 /dev/urandom >other.key
key=(--key-file master.key)

# fs ARGUMENT...: has to succeed without a word on stderr.
fs() {
    expect_exit 0 "$fsdemo" "$@"
}

# put_data IMAGE PATH FILE OPTION..., expect_data IMAGE PATH FILE OPTION...
put_data() {
    local image=$1 path=$2 from=$3
    shift 3
    fs put "$image" "$path" --from "$from" "$@"
}
expect_data() {
    local image=$1 path=$2 expected=$3
    shift 3
    fs get "$image" "$path" "$@" --to got
    expect_same_file "$image $path $*" got "$expected"
}

# Nothing is wrong with the image, says fsck, where the program has it.
expect_clean() {
    ! "$fsdemo" --help | grep -q "^  fsck " || fs fsck "$1"
}

# A value of a JSON document with a member a line, as the programs print it: json_value NAME FILE
json_value() {
    sed -n "s/^ *\"$1\": *\"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$2" | head -n 1
}

# The extents of `stat --json`, one a line: file_offset physical_offset length nonce mode data_unit_size first_dun
extent_rows() {
    awk -F'"' '
        /"file_offset"/ { n = 0 }
        /"(file_offset|physical_offset|length|nonce|mode|data_unit_size|first_dun)":/ {
            value = NF > 3 ? $4 : $3
            gsub(/[ :,]/, "", value)
            row[++n] = value
        }
        /"first_dun"/ { for (i = 1; i <= n; ++i) printf "%s%s", row[i], i < n ? " " : "\n" }' "$1"
}

crc32c_table=()
make_crc32c_table() {
    local i j c
    for ((i = 0; i < 256; ++i)); do
        c=$i
        for ((j = 0; j < 8; ++j)); do c=$(((c >> 1) ^ (c & 1 ? 0x82f63b78 : 0))); done
        crc32c_table[i]=$c
    done
}

# patch_superblock IMAGE BLOCK OFFSET BYTE: one byte of it, in hexadecimal, and the checksum that then is right.
patch_superblock() {
    local image=$1 block=$2 offset=$3 byte=$4 crc=0xffffffff value
    ((${#crc32c_table[@]})) || make_crc32c_table
    bytes "$byte" | dd of="$image" bs=1 seek=$((block * 4096 + offset)) conv=notrunc status=none
    for value in $(dd if="$image" bs=4096 skip="$block" count=1 status=none | tail -c +13 | od -An -v -tu1); do
        crc=$(((crc >> 8) ^ crc32c_table[(crc ^ value) & 255]))
    done
    crc=$((crc ^ 0xffffffff))
    bytes "$(printf '%02x%02x%02x%02x' $((crc & 255)) $((crc >> 8 & 255)) $((crc >> 16 & 255)) $((crc >> 24)))" |
        dd of="$image" bs=1 seek=$((block * 4096 + 8)) conv=notrunc status=none
}
