#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The key check of `blkcrypto attach`: made with the image, verified with each attachment.

# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/attach_lib.sh
. "$(dirname "$0")/attach_lib.sh"

random_file other.key 64
on_socket=(--socket disk.sock "${crypto[@]}")

# keycheck_is OUTCOME: of the attachment at disk.sock, which ends.
keycheck_is() {
    expect_exit 0 "$blkcrypto" info "$uri" --json
    grep -q "\"keycheck\": \"$1\"" stdout || fail "not '$1': $(grep keycheck stdout)"
    expect_exit 0 "$blkcrypto" detach "$uri"
}

refused() {
    local text=$1
    shift
    expect_refused "$text" "$blkcrypto" attach "$@"
}

made_and_verified() {
    behind disk --create --size 1m "${crypto[@]}"
    keycheck_is verified
    expect_equal "mode of the key check" "$(stat --format=%a disk.img.keycheck)" 600
    cp disk.img.keycheck saved
    behind disk "${crypto[@]}"
    [[ ! -s disk.log ]] || fail "says something: $(cat disk.log)"
    keycheck_is verified
    expect_same_file "the key check" disk.img.keycheck saved
    # By another name of the image.
    ln -sf disk.img link.img
    behind link "${crypto[@]}"
    keycheck_is verified
}

wrong_keys() {
    local before
    before=$(sha256_of disk.img)
    expect_exit 1 "$blkcrypto" attach disk.img --socket disk.sock --key-file other.key --mode aes-256-xts --data-unit-size 4k
    expect_says "disk.img.keycheck: the key does not fit the image"
    [[ ! -s stdout ]] || fail "prints a URI for a wrong key"
    [[ ! -e disk.sock ]] || fail "a socket for a wrong key"
    refused "made with data_unit_size 4096, not 512" disk.img --socket disk.sock --key-file key --mode aes-256-xts --data-unit-size 512
    refused "made with dun_offset 0, not 1" disk.img "${on_socket[@]}" --dun-offset 1
    head -c 32 key >key32
    refused "made with mode aes-256-xts, not sm4-xts" disk.img --socket disk.sock --key-file key32 --mode sm4-xts --data-unit-size 4k
    expect_equal "the image" "$(sha256_of disk.img)" "$before"
    refused "disk.img.keycheck: a key check: the image is encrypted" disk.img --socket disk.sock --path plain
    # Whoever insists.
    behind disk --path plain --no-keycheck
    keycheck_is none
    behind disk --key-file other.key --mode aes-256-xts --data-unit-size 4k --no-keycheck
    [[ ! -s disk.log ]] || fail "says something: $(cat disk.log)"
    keycheck_is skipped
}

absent() {
    mv disk.img.keycheck elsewhere
    behind disk "${crypto[@]}"
    expect_equal "lines about it" "$(wc -l <disk.log)" 1
    grep -q "^blkcrypto: disk.img: there is no key check" disk.log || fail "says: $(cat disk.log)"
    keycheck_is absent
    [[ ! -e disk.img.keycheck ]] || fail "one was made"
    refused "none.keycheck: No such file or directory (ENOENT)" disk.img "${on_socket[@]}" --keycheck none.keycheck
    behind disk "${crypto[@]}" --keycheck elsewhere
    keycheck_is verified
    refused "needs a file" disk.img "${on_socket[@]}" --keycheck elsewhere --no-keycheck
    mv elsewhere disk.img.keycheck
}

# With --create, under another name and under its own.
created() {
    behind named --create --size 1m "${crypto[@]}" --keycheck named.check --dun-offset 0x100000000000000000000
    keycheck_is verified
    [[ -e named.check && ! -e named.img.keycheck ]] || fail "the key check is not where it was asked for"
    behind named "${crypto[@]}" --keycheck named.check --dun-offset 0x100000000000000000000
    keycheck_is verified
    expect_exit 1 "$blkcrypto" attach third.img "${on_socket[@]}" --create --size 1m --keycheck named.check
    expect_says "named.check: there already; --overwrite replaces it (EEXIST)"
    [[ ! -e third.img ]] || fail "an image is left"

    behind bare --create --size 1m "${crypto[@]}" --no-keycheck
    keycheck_is skipped
    [[ ! -e bare.img.keycheck ]] || fail "a key check nobody wants"

    # Another key for a new image, and then none: the old check does not stay.
    behind disk --create --size 1m --overwrite --key-file other.key --mode aes-256-xts --data-unit-size 4k
    keycheck_is verified
    behind disk --key-file other.key --mode aes-256-xts --data-unit-size 4k
    keycheck_is verified
    behind disk --create --size 1m --overwrite "${crypto[@]}" --no-keycheck
    keycheck_is skipped
    [[ ! -e disk.img.keycheck ]] || fail "the key check of the image before is still there"
    # Of an image that is gone, or elsewhere: not replaced unasked, and none of it is another's.
    local none
    cp saved gone.img.keycheck
    for none in "" --no-keycheck; do
        expect_exit 1 "$blkcrypto" attach gone.img "${on_socket[@]}" --create --size 1m $none
        expect_says "gone.img.keycheck: there already; --overwrite replaces it (EEXIST)"
        expect_same_file "the key check of another image" gone.img.keycheck saved
        expect_equal "files" "$(find . -name 'gone*')" ./gone.img.keycheck
    done
    behind gone --create --size 1m --overwrite "${crypto[@]}"
    keycheck_is verified
    ! cmp -s saved gone.img.keycheck || fail "the key check is still the old one"
}

# A failure after the image was replaced gives both back.
given_back() {
    local before
    behind disk --create --size 1m --overwrite "${crypto[@]}"
    keycheck_is verified
    before=$(sha256_of disk.img disk.img.keycheck)
    echo precious >precious
    refused EEXIST disk.img --socket precious --create --size 2m --overwrite --key-file other.key --mode aes-256-xts --data-unit-size 4k
    expect_equal "image and key check" "$(sha256_of disk.img disk.img.keycheck)" "$before"
    refused EEXIST new.img --socket precious --create --size 2m "${crypto[@]}"
    expect_equal "files" "$(find . -name 'new*' -o -name '*.new-*' -o -name '*.old-*')" ""
}

# damaged TEXT SED-COMMAND
damaged() {
    sed "$2" saved >disk.img.keycheck
    refused "disk.img.keycheck: no key check: $1" disk.img "${on_socket[@]}"
}

damaged_files() {
    damaged "field 'schema' is not blkcrypto-keycheck" 's/blkcrypto-keycheck/other/'
    damaged "field 'version' is 2" 's/"version": 1/"version": 2/'
    damaged "field 'version' is no number" 's/"version": 1/"version": -1/'
    damaged "field 'mode' is no mode" 's/aes-256-xts/rot13/'
    damaged "field 'mode' is no text" 's/"aes-256-xts"/7/'
    damaged "field 'data_unit_size' is no size" 's/4096/4097/'
    damaged "field 'data_unit_size' is missing" 's/data_unit_size/size/'
    damaged "field 'dun_offset' is no number" 's/"dun_offset": 0/"dun_offset": "x"/'
    damaged "field 'salt' is 0 hexadecimal digits" 's/"salt": "[0-9a-f]*"/"salt": ""/'
    damaged "field 'digest' is not hexadecimal" 's/"digest": "./"digest": "g/'
    damaged "field 'digest' is 63 hexadecimal digits" 's/"digest": "./"digest": "/'
    damaged "not a JSON object" 's/{/[/'
    damaged "not a JSON object" d
    head -c 100 saved >disk.img.keycheck
    refused "not a JSON object" disk.img "${on_socket[@]}"
    head -c 70000 /dev/zero >disk.img.keycheck
    refused "more than 65536 bytes" disk.img "${on_socket[@]}"
    rm disk.img.keycheck
    mkdir disk.img.keycheck
    refused "not a regular file" disk.img "${on_socket[@]}"
    rmdir disk.img.keycheck
    mkfifo disk.img.keycheck
    refused "not a regular file" disk.img "${on_socket[@]}"
    rm disk.img.keycheck
    # Another digit is another key.
    sed 's/"digest": "0/"digest": "1/; t; s/"digest": "./"digest": "0/' saved >disk.img.keycheck
    expect_exit 1 "$blkcrypto" attach disk.img "${on_socket[@]}"
    expect_says "does not fit"
}

made_and_verified
wrong_keys
absent
created
given_back
damaged_files
finish
