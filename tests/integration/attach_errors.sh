#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `blkcrypto attach` refuses: in one line, with the right exit status, and with nothing changed.

# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/attach_lib.sh
. "$(dirname "$0")/attach_lib.sh"

random_file disk.img 65536
random_file key32 32
random_file other.key 64

# What is in the directory, and in the files; sockets of the moment aside.
everything() {
    find . -mindepth 1 ! -name stdout ! -name stderr ! -name before ! -name after ! -path './run/*' -printf '%p %y %m %s\n' | sort
    find . -type f ! -name stdout ! -name stderr ! -name before ! -name after -exec sha256sum {} + | sort
}

# refused TEXT ARGUMENT...: exit 2 with TEXT, in the background and in the foreground, and nothing is another.
refused() {
    local text=$1
    shift
    everything >before
    expect_refused "$text" "$blkcrypto" attach "$@"
    expect_refused "$text" "$blkcrypto" attach "$@" --foreground
    everything >after
    cmp -s before after || fail "changed by attach $*: $(diff before after | head -n 5)"
}

# failed TEXT ARGUMENT...: likewise, exit 1.
failed() {
    local text=$1
    shift
    everything >before
    expect_exit 1 "$blkcrypto" attach "$@"
    expect_says "$text"
    [[ ! -s stdout ]] || fail "prints although it failed: $*"
    everything >after
    cmp -s before after || fail "changed by attach $*: $(diff before after | head -n 5)"
}

on_socket=(--socket s.sock "${crypto[@]}")

places() {
    refused "either that or --listen" disk.img "${crypto[@]}"
    refused "either that or --listen" disk.img "${on_socket[@]}" --listen 127.0.0.1:0 --insecure
    refused "TLS does not exist yet" disk.img "${crypto[@]}" --listen 127.0.0.1:0
    refused "TLS, without which no other is served, does not exist yet" disk.img "${crypto[@]}" --listen 0.0.0.0:0 --insecure
    refused "TLS" disk.img "${crypto[@]}" --listen example.com:10809 --insecure
    refused "TLS" disk.img "${crypto[@]}" --listen "[::]:0" --insecure
    refused "not HOST:PORT" disk.img "${crypto[@]}" --listen 10809 --insecure
    refused "'65536' is not a number" disk.img "${crypto[@]}" --listen 127.0.0.1:65536 --insecure
    refused "no use without --listen" disk.img "${on_socket[@]}" --insecure
    refused "--socket: the value is empty" disk.img "${crypto[@]}" --socket ""
    refused "longer than the path of a socket can be" disk.img "${crypto[@]}" --socket "$(printf 'x%.0s' {1..120})"
    refused "ENOENT" disk.img "${crypto[@]}" --socket none/s.sock
    echo precious >precious
    refused "no socket (EEXIST)" disk.img "${crypto[@]}" --socket precious
    mkdir folder
    refused "no socket (EEXIST)" disk.img "${crypto[@]}" --socket folder
}

in_use() {
    local port
    truncate --size=1M busy.img
    behind busy --path plain
    refused "somebody serves there already (EADDRINUSE)" disk.img "${crypto[@]}" --socket busy.sock
    refused "in use by another process (EBUSY)" busy.img "${on_socket[@]}"
    refused "in use by another process (EBUSY)" busy.img "${on_socket[@]}" --read-only
    refused "in use by another process (EBUSY)" busy.img "${on_socket[@]}" --create --size 1m --overwrite
    expect_exit 0 "$blkcrypto" detach busy.img
    uri=$("$blkcrypto" attach busy.img --listen 127.0.0.1:0 --insecure --path plain --pid-file busy.pid)
    pids+=("$(cat busy.pid)")
    port=${uri##*:}
    refused "somebody serves there already (EADDRINUSE)" disk.img "${crypto[@]}" --listen "localhost:$port" --insecure
    expect_exit 0 "$blkcrypto" detach "$uri"
    # Something that was no attachment's, and nobody listens at.
    if command -v python3 >/dev/null; then
        python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("dead.sock")'
        uri=$("$blkcrypto" attach busy.img --socket dead.sock --path plain --pid-file busy.pid) || fail "a dead socket is not replaced"
        pids+=("$(cat busy.pid)")
        expect_exit 0 "$blkcrypto" detach "$uri"
    fi
}

# A device that somebody else has claimed, as mount does.
devices() {
    ((EUID == 0)) && command -v losetup python3 >/dev/null || return 0
    local loop
    random_file loop.img 1048576
    loop=$(losetup --find --show loop.img 2>/dev/null) || return 0
    # Gone with the last that has it open, however this script ends.
    exec 8<"$loop"
    losetup --detach "$loop"
    python3 -c 'import os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_EXCL)
print("claimed", flush=True)
time.sleep(60)' "$loop" >claimed &
    pids+=("$!")
    until_true 10 test -s claimed || fail "cannot claim $loop"
    expect_refused "in use: mounted, or part of another device (EBUSY)" "$blkcrypto" attach "$loop" --socket s.sock --path plain
    kill -KILL "$!"
    wait "$!" 2>/dev/null
    uri=$("$blkcrypto" attach "$loop" --socket loop.sock --path plain --pid-file loop.pid) || fail "a device that is free is refused"
    pids+=("$(cat loop.pid)")
    expect_exit 0 "$blkcrypto" detach "$uri"
    exec 8<&-
}

images() {
    refused "none.img: No such file or directory (ENOENT)" none.img "${on_socket[@]}"
    refused "EISDIR" folder "${on_socket[@]}"
    refused "ENOTBLK" /dev/null "${on_socket[@]}"
    mkfifo pipe
    refused "ENOTBLK" pipe "${on_socket[@]}"
    : >empty.img
    refused "0 bytes are no whole data units" empty.img "${on_socket[@]}"
    random_file small.img 2048
    refused "not a multiple of 4096" small.img "${on_socket[@]}"
    random_file tail.img 9000
    refused "not a multiple of 4096" tail.img "${on_socket[@]}"
    refused "not a multiple of 512" tail.img --socket s.sock --path plain
    random_file unit.img 66048
    refused "not a multiple of 65536" unit.img --socket s.sock --key-file key --mode aes-256-xts --data-unit-size 64k
}

crypto_options() {
    local option
    refused "expected 64" disk.img --socket s.sock --key-file key32 --mode aes-256-xts --data-unit-size 4k
    refused "expected 32" disk.img --socket s.sock --key-file key --mode adiantum --data-unit-size 4k
    refused "none.key" disk.img --socket s.sock --key-file none.key --mode aes-256-xts --data-unit-size 4k
    refused "no hexadecimal digit" disk.img "${on_socket[@]}" --key-format hex
    refused "not one of raw, hex" disk.img "${on_socket[@]}" --key-format base64
    refused "not one of aes-256-xts, " disk.img --socket s.sock --key-file key --mode rot13 --data-unit-size 4k
    refused "--data-unit-size" disk.img --socket s.sock --key-file key --mode aes-256-xts --data-unit-size 256
    refused "--data-unit-size" disk.img --socket s.sock --key-file key --mode aes-256-xts --data-unit-size 5000
    refused "not one of fallback, inline, plain" disk.img "${on_socket[@]}" --path hardware
    refused "ufs-std" disk.img "${on_socket[@]}" --path inline --engine none
    refused "engine ufs-std" disk.img --socket s.sock --key-file key32 --mode adiantum --data-unit-size 4k --path inline --engine ufs-std
    refused "--dun-offset" disk.img "${on_socket[@]}" --dun-offset 0xffffffffffffffffffffffffffffffff
    refused "--dun-offset" disk.img "${on_socket[@]}" --dun-offset -1
    refused "engine emmc-cqhci" disk.img "${on_socket[@]}" --dun-offset 0xffffffff --path inline --engine emmc-cqhci
    refused "--mode: missing" disk.img --socket s.sock --key-file key --data-unit-size 4k
    refused "--key-file: missing" disk.img --socket s.sock --mode aes-256-xts --data-unit-size 4k
    refused "--data-unit-size: missing" disk.img --socket s.sock --key-file key --mode aes-256-xts
    for option in "--key-file key" "--mode adiantum" "--data-unit-size 4k" "--dun-offset 1" "--key-format hex" "--keycheck c"; do
        # shellcheck disable=SC2086 # an option and its value
        refused "has no use with --path plain" disk.img --socket s.sock --path plain $option
    done
    refused "--engine: has no use without --path inline" disk.img "${on_socket[@]}" --engine generic
    refused "no use with another --path" disk.img "${on_socket[@]}" --path inline --decrypt-workers 1
    refused "'0' is not a number" disk.img "${on_socket[@]}" --threads 0
    refused "'65' is not a number" disk.img "${on_socket[@]}" --threads 65
    refused "--decrypt-workers" disk.img "${on_socket[@]}" --decrypt-workers many
}

new_images() {
    refused "no use without --create" disk.img "${on_socket[@]}" --size 1m
    refused "no use without --create" disk.img "${on_socket[@]}" --overwrite
    refused "--size: missing" new.img "${on_socket[@]}" --create
    refused "not one or more data units of 4096" new.img "${on_socket[@]}" --create --size 0
    refused "not one or more data units of 4096" new.img "${on_socket[@]}" --create --size 6k
    refused "--size" new.img "${on_socket[@]}" --create --size 1x
    refused "nobody could write" new.img "${on_socket[@]}" --create --size 1m --read-only
    refused "ENOENT" none/new.img "${on_socket[@]}" --create --size 1m
    refused "EISDIR" folder "${on_socket[@]}" --create --size 1m --overwrite
    refused "ENOTBLK" /dev/null "${on_socket[@]}" --create --size 1m --overwrite
    failed "there already; --overwrite replaces it (EEXIST)" disk.img "${on_socket[@]}" --create --size 1m
    ln -s nowhere dangling
    failed "EEXIST" dangling "${on_socket[@]}" --create --size 1m
    # Made, and gone again: what comes after it fails.
    refused "EEXIST" new.img "${crypto[@]}" --socket precious --create --size 1m
    refused "EEXIST" disk.img "${crypto[@]}" --socket precious --create --size 1m --overwrite
    refused "expected 64" disk.img --socket s.sock --key-file key32 --mode aes-256-xts --data-unit-size 4k --create --size 1m --overwrite
    refused "EISDIR" new.img "${on_socket[@]}" --pid-file folder --create --size 1m
    refused "none/p: No such file or directory (ENOENT)" new.img "${on_socket[@]}" --pid-file none/p --create --size 1m
    refused "--dun-offset" disk.img "${on_socket[@]}" --dun-offset 0xffffffffffffffffffffffffffffffff --create --size 1m --overwrite
    failed "ENOSPC" new.img "${on_socket[@]}" --create --size 15t
}

# Files that must not be the same.
names() {
    refused "is also what IMAGE names" key "${on_socket[@]}"
    ln -s disk.img link.img
    refused "is also what IMAGE names" disk.img "${crypto[@]}" --socket ./disk.img
    refused "is also what IMAGE names" disk.img "${on_socket[@]}" --pid-file link.img
    refused "is also what IMAGE names" disk.img "${on_socket[@]}" --json=disk.img
    refused "is also what --key-file names" disk.img "${on_socket[@]}" --pid-file key
    refused "is also what --key-file names" disk.img "${on_socket[@]}" --keycheck key
    refused "is also what --socket names" disk.img "${on_socket[@]}" --pid-file "$dir/s.sock"
    refused "is also what IMAGE names" new.img "${crypto[@]}" --socket ./new.img --create --size 1m
}

# Whose directory of control sockets cannot be trusted attaches nothing.
control_directory() {
    mkdir --parents run/blkcrypto
    chmod 755 run/blkcrypto
    refused "open to others" disk.img "${on_socket[@]}"
    expect_refused "open to others" "$blkcrypto" list
    rmdir run/blkcrypto
    ln -s "$dir/folder" run/blkcrypto
    refused "run/blkcrypto" disk.img "${on_socket[@]}"
    rm run/blkcrypto
    : >run/blkcrypto
    refused "ENOTDIR" disk.img "${on_socket[@]}"
    expect_refused "ENOTDIR" "$blkcrypto" detach --all
    rm run/blkcrypto
    if ((EUID == 0)); then
        mkdir -m 700 run/blkcrypto
        chown 65534 run/blkcrypto
        refused "belongs to somebody else" disk.img "${on_socket[@]}"
        rm -r run/blkcrypto
    fi
}

# Nobody to tell: the server does not stay.
nobody_listens() {
    [[ -e /dev/full ]] || return 0
    "$blkcrypto" attach disk.img "${on_socket[@]}" --pid-file full.pid >/dev/full 2>stderr
    expect_equal "exit status with a full stdout" "$?" 1
    [[ ! -e s.sock && ! -e full.pid ]] || fail "the server stays although nobody knows where"
    # What it has made does not stay either, and what was there before is back.
    rm -f full.img
    everything >before
    ! "$blkcrypto" attach full.img "${on_socket[@]}" --create --size 1m >/dev/full 2>stderr || fail "prints to /dev/full"
    ! "$blkcrypto" attach disk.img "${on_socket[@]}" --create --size 1m --overwrite >/dev/full 2>stderr || fail "prints to /dev/full"
    everything >after
    cmp -s before after || fail "changed by attach that could not print: $(diff before after | head -n 5)"
}

places
in_use
devices
images
crypto_options
new_images
names
control_directory
nobody_listens
expect_equal "attachments" "$("$blkcrypto" list)" ""
finish
