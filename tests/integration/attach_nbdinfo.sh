#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `blkcrypto attach` tells nbdinfo of a disk: size, what can be done, what is allocated; on a unix socket and on TCP.

# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/attach_lib.sh
. "$(dirname "$0")/attach_lib.sh"
needs nbdinfo

# can WHAT YES: what nbdinfo --can (or --is) WHAT ends with: 0 is yes, 2 is no.
can() {
    local status=0
    nbdinfo "$1" "$2" "$uri" >stdout 2>stderr || status=$?
    expect_equal "nbdinfo $1 $2" "$status" "$3"
}

can_all() {
    local what
    for what in "$@"; do can --can "$what" 0; done
}

can_none() {
    local what
    for what in "$@"; do can --can "$what" 2; done
}

# member NAME: a number, string or boolean of nbdinfo --json.
member() {
    sed -n "s/^[[:space:]]*\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" stdout | head -n 1
}

expect_member() {
    expect_equal "nbdinfo --json: $1" "$(member "$1")" "$2"
}

# map EXPECTED: offset, length and type of each row, separated by commas.
map() {
    client nbdinfo --map "$uri"
    expect_equal "nbdinfo --map" "$(awk '{printf "%s%s %s %s", (NR > 1 ? "," : ""), $1, $2, $4}' stdout)" "$1"
}

an_encrypted_disk() {
    serve disk --create --size 8m "${crypto[@]}"
    expect_equal "URI" "$uri" "nbd+unix:///?socket=$dir/disk.sock"
    expect_equal "who may connect" "$(stat --format=%a disk.sock)" 600
    client nbdinfo --size "$uri"
    expect_equal "nbdinfo --size" "$(cat stdout)" 8388608
    can_all connect read write flush fua trim zero multi-conn df structured-reply
    can_none cache fast-zero
    can --is read-only 2
    can --is tls 2
    can --is rotational 2
    map "0 8388608 data"
    client nbdinfo --list "$uri"
    expect_equal "exports" "$(grep -c '^export=' stdout)" 1
    client nbdinfo --json "$uri"
    expect_member protocol newstyle-fixed
    expect_member export-name ""
    expect_member export-size 8388608
    expect_member block_size_minimum 512
    expect_member block_size_preferred 4096
    expect_member block_size_maximum 33554432
    grep -q '"base:allocation"' stdout || fail "no base:allocation: $(cat stdout)"
    detach
    [[ ! -e disk.sock ]] || fail "the socket is still there"
}

a_large_unit_is_preferred() {
    serve large --create --size 1m --key-file key --mode aes-256-xts --data-unit-size 64k
    client nbdinfo --json "$uri"
    expect_member block_size_minimum 512
    expect_member block_size_preferred 65536
    detach
}

# Holes of a plain disk are zeros; those of an encrypted one are whatever they decrypt to.
holes() {
    truncate --size=4M sparse.img
    random_file data 65536
    dd if=data of=sparse.img bs=65536 seek=16 conv=notrunc status=none
    [[ $(stat --format='%b' sparse.img) -lt 1000 ]] || return 0 # a filesystem without holes
    serve sparse --path plain
    map "0 1048576 hole,zero,1048576 65536 data,1114112 3080192 hole,zero"
    detach
    serve sparse "${crypto[@]}"
    map "0 4194304 data"
    detach
}

read_only() {
    serve disk "${crypto[@]}" --read-only
    can --is read-only 0
    can_all read
    can_none write trim zero
    serve_another=$server
    serve disk2 "${crypto[@]}" --read-only
    can --is read-only 0
    detach
    detach "$serve_another"
}

tcp() {
    "$blkcrypto" attach disk.img --listen 127.0.0.1:0 --insecure --foreground "${crypto[@]}" >tcp.uri 2>tcp.log &
    server=$!
    pids+=("$server")
    until_true 20 serves_or_has_ended tcp
    uri=$(cat tcp.uri)
    [[ $uri =~ ^nbd://127\.0\.0\.1:[1-9][0-9]*/?$ ]] || fail "URI of TCP: '$uri' $(cat tcp.log)"
    client nbdinfo --size "$uri"
    expect_equal "nbdinfo --size" "$(cat stdout)" 8388608
    detach
}

# As most people do it: the URI is the only line, and nothing of the server keeps the pipe open.
in_the_background() {
    local printed
    printed=$("$blkcrypto" attach disk.img --socket back.sock --pid-file back.pid "${crypto[@]}" 2>back.log)
    expect_equal "printed" "$printed" "nbd+unix:///?socket=$dir/back.sock"
    server=$(cat back.pid)
    pids+=("$server")
    uri=$printed
    client nbdinfo --size "$uri"
    kill -TERM "$server"
    until_true 20 has_ended "$server" || fail "the server in the background does not end"
    [[ ! -e back.sock && ! -e back.pid ]] || fail "socket or pid file are still there"
}

an_encrypted_disk
a_large_unit_is_preferred
holes
ln -s disk.img disk2.img
read_only
tcp
in_the_background
finish
