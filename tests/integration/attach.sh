#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `blkcrypto attach` in the background, and what goes with it: list, info, detach.

# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/attach_lib.sh
. "$(dirname "$0")/attach_lib.sh"
needs nbdcopy

# field NAME: of the JSON in $dir/stdout; the first of that name.
field() {
    sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" stdout | head -n 1
}

expect_field() {
    expect_equal "field $1" "$(field "$1")" "$2"
}

# Of the attachments that list --json knows.
listed() {
    expect_exit 0 "$blkcrypto" list --json
    grep -c '"pid":' stdout
}

nothing_is_left() {
    expect_equal "attachments" "$(listed)" 0
    expect_equal "control sockets" "$(ls run/blkcrypto)" ""
    [[ ! -e $1 ]] || fail "$1 is still there"
    flock --nonblock "$2" true || fail "$2 is still locked"
}

no_attachment() {
    expect_exit 0 "$blkcrypto" list
    [[ ! -s stdout ]] || fail "list of nothing prints: $(cat stdout)"
    expect_equal "attachments" "$(listed)" 0
    expect_exit 0 "$blkcrypto" detach --all
    expect_refused "no such attachment (ENOENT)" "$blkcrypto" detach "nbd+unix:///?socket=$dir/none.sock"
    expect_refused "no such attachment (ENOENT)" "$blkcrypto" info disk.img
    expect_refused "either" "$blkcrypto" detach
    expect_refused "either" "$blkcrypto" detach --all disk.img
    [[ ! -e run/blkcrypto ]] || fail "asking makes the directory of control sockets"
}

from_attach_to_detach() {
    behind disk --create --size 8m "${crypto[@]}" --threads 2
    expect_equal "URI" "$uri" "nbd+unix:///?socket=$dir/disk.sock"
    [[ $(readlink "/proc/$server/fd/0") == /dev/null ]] || ((EUID != 0)) || fail "the server has a stdin"
    random_file data 8388608
    client nbdcopy --flush data "$uri"
    client nbdcopy "$uri" copy
    expect_same_file "disk" data copy

    expect_exit 0 "$blkcrypto" list
    grep -qE "^$server +fallback +aes-256-xts +8388608 +$dir/disk.img +nbd\+unix:" stdout || fail "list: $(cat stdout)"
    expect_equal "attachments" "$(listed)" 1
    expect_equal "mode of control sockets" "$(stat --format=%a run/blkcrypto)" 700
    expect_info
    expect_exit 0 "$blkcrypto" info disk.img
    grep -q "^mode: aes-256-xts$" stdout || fail "info: $(cat stdout)"
    grep -q "^write: requests [1-9]" stdout || fail "info of writes: $(cat stdout)"

    expect_exit 0 "$blkcrypto" detach "$uri"
    nothing_is_left disk.sock disk.img
    [[ ! -e disk.pid ]] || fail "the pid file is still there"
    expect_exit 0 "$blkcrypto" crypt decrypt "${crypto[@]}" --in disk.img --out plain
    expect_same_file "what is on the image" data plain
    expect_refused "no such attachment (ENOENT)" "$blkcrypto" detach "$uri"
}

expect_info() {
    local command
    expect_exit 0 "$blkcrypto" info "$uri" --json
    expect_field schema blkcrypto-attachment
    expect_field uri "$uri"
    expect_field pid "$server"
    expect_field image "$dir/disk.img"
    expect_field size_bytes 8388608
    expect_field read_only false
    expect_field path fallback
    expect_field mode aes-256-xts
    expect_field data_unit_size 4096
    expect_field engine null
    expect_field threads 2
    expect_field keycheck verified
    expect_field connections 0
    for command in read write; do
        expect_equal "bytes of $command" "$(grep -A 2 "\"$command\": {" stdout | sed -n 's/.*"bytes": \([0-9]*\),/\1/p')" 8388608
    done
    # An image by whatever name, also one that it got later.
    ln -sf disk.img other
    expect_exit 0 "$blkcrypto" info other --json=file.json
    mv disk.img moved.img
    expect_exit 0 "$blkcrypto" info moved.img
    mv moved.img disk.img
    grep -q blkcrypto-attachment file.json || fail "info --json=FILE: $(cat file.json)"
}

# Two that only read; one of them is another path. The image does not tell them apart.
several() {
    local first
    behind disk "${crypto[@]}" --read-only --path inline --engine ufs-std
    first=$uri
    ln -sf disk.img second.img
    behind second "${crypto[@]}" --keycheck disk.img.keycheck --read-only --decrypt-workers 1
    expect_equal "attachments" "$(listed)" 2
    expect_refused "attached 2 times" "$blkcrypto" detach disk.img
    expect_refused "in use by another process (EBUSY)" "$blkcrypto" attach disk.img --socket x.sock "${crypto[@]}"
    expect_exit 0 "$blkcrypto" info "$first" --json
    expect_field engine ufs-std
    expect_field path inline
    expect_field read_only true
    expect_exit 0 "$blkcrypto" detach "$first"
    expect_equal "attachments" "$(listed)" 1
    behind disk "${crypto[@]}" --read-only
    expect_exit 0 "$blkcrypto" detach --all
    nothing_is_left disk.sock disk.img
}

json() {
    local server
    expect_exit 0 "$blkcrypto" attach disk.img --listen "[::1]:0" --insecure --path plain --no-keycheck --json
    server=$(field pid)
    pids+=("$server")
    uri=$(field uri)
    [[ $uri =~ ^nbd://\[::1\]:[1-9][0-9]*$ ]] || fail "URI of TCP: $uri"
    expect_exit 0 "$blkcrypto" info disk.img --json
    expect_field mode null
    expect_field keycheck none
    expect_exit 0 "$blkcrypto" detach "$uri"
    until_true 20 has_ended "$server" || fail "the server is still there"
}

# What the server has no use for it does not keep: a pipe that JSON goes to, and what a shell has open.
nothing_is_kept_open() {
    local reader
    mkfifo json.pipe
    cat json.pipe >json.out &
    reader=$!
    pids+=("$reader")
    exec 9>lock
    flock 9
    behind disk --path plain --no-keycheck --json=json.pipe
    exec 9>&-
    until_true 10 has_ended "$reader" || fail "whoever reads the JSON sees no end of it"
    grep -q blkcrypto-attach json.out || fail "JSON in a pipe: $(cat json.out)"
    flock --nonblock lock true || fail "the server keeps a lock of the shell's"
    expect_exit 0 "$blkcrypto" detach "$uri"
    # The key may be one of them.
    behind disk --key-file <(cat key) --mode aes-256-xts --data-unit-size 4k
    expect_exit 0 "$blkcrypto" detach "$uri"
}

# The key comes from where a pipe says, and nothing of it is left in the server's arguments.
key_from_stdin() {
    behind disk --key-file - --mode aes-256-xts --data-unit-size 4k <key
    expect_exit 0 "$blkcrypto" info disk.img
    expect_exit 0 "$blkcrypto" detach disk.img
}

# A terminal that goes away ends an attachment in the foreground in an orderly way, and none in the background.
hung_up() {
    serve disk "${crypto[@]}"
    kill -HUP "$server"
    until_true 20 has_ended "$server" || fail "does not end with its terminal"
    wait "$server" || fail "exit status $? after SIGHUP"
    behind disk "${crypto[@]}"
    kill -HUP "$server"
    sleep 0.2
    expect_exit 0 "$blkcrypto" detach "$uri"
}

# Of a server that was killed: nobody listens, and it is cleared away.
killed() {
    behind disk "${crypto[@]}"
    kill -KILL "$server"
    until_true 20 has_ended "$server"
    [[ -S run/blkcrypto/$server.sock ]] || fail "no control socket of $server"
    expect_refused "no such attachment" "$blkcrypto" detach "$uri"
    expect_equal "control sockets" "$(ls run/blkcrypto)" ""
    # So is its socket by the next attachment.
    [[ -S disk.sock ]] || fail "no socket"
    behind disk "${crypto[@]}"
    expect_exit 0 "$blkcrypto" detach disk.img
}

# Ends while somebody waits for it: in an orderly way, and not.
ends_meanwhile() {
    behind disk "${crypto[@]}"
    kill -STOP "$server"
    "$blkcrypto" detach "$uri" >stdout 2>stderr &
    local waiting=$! status=0
    pids+=("$waiting")
    until_true 10 somebody_waits || fail "detach does not connect"
    kill -KILL "$server"
    wait "$waiting" || status=$?
    expect_equal "exit status of detach" "$status" 1
    expect_equal "lines of detach" "$(wc -l <stderr)" 1
    expect_says "ended without a word"
    "$blkcrypto" detach --all
}

# The kernel lists a socket that nobody has accepted by the name of the one that listens.
# shellcheck disable=SC2317 # until_true calls it
somebody_waits() { [[ $(grep -c "/$server.new\$" /proc/net/unix) -gt 1 ]]; }

# Whoever is at the control socket and says nothing, or anything, is in nobody's way.
hostile_clients() {
    local i
    command -v python3 >/dev/null || return 0
    behind disk "${crypto[@]}"
    python3 - "$dir/run/blkcrypto/$server.sock" <<'EOF' || fail "hostile clients"
import os, socket, sys, time
os.chdir(os.path.dirname(sys.argv[1]))
def ask(text, limit=20):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(limit)
    s.connect(os.path.basename(sys.argv[1]))
    try:
        s.sendall(text)
        got = b""
        while not got.endswith(b"\n"):
            part = s.recv(65536)
            if not part:
                break
            got += part
        return got
    except (BrokenPipeError, ConnectionResetError):
        return b""
for text in [b"\n", b"x\n", b"{}\n", b'{"op":7}\n', b'{"op":"stop"}\n', b"[" * 4000 + b"\n", b"\xff\x00\n", b"x" * 5000,
             b'{"op":"info"' + b" " * 4090 + b"}\n"]:
    assert ask(text) == b"", text
assert ask(b'{"op":"info"}\n').startswith(b'{"schema":"blkcrypto-attachment"')
idle = []
for i in range(40):
    s = socket.socket(socket.AF_UNIX)
    s.connect(os.path.basename(sys.argv[1]))
    idle.append(s)
begin = time.monotonic()
assert ask(b'{"op":"info"}\n') == b"" # there are too many
assert time.monotonic() - begin < 3
time.sleep(6)
assert ask(b'{"op":"info"}\n') != b"" # they have lost their places
EOF
    client nbdcopy "$uri" copy
    expect_exit 0 "$blkcrypto" detach "$uri"
}

no_attachment
from_attach_to_detach
several
json
nothing_is_kept_open
key_from_stdin
hung_up
killed
ends_meanwhile
hostile_clients
finish
