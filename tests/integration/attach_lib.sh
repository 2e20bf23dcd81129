# shellcheck shell=bash disable=SC2034,SC2154 # variables of, and for, the scripts that source this
# SPDX-License-Identifier: Apache-2.0
# What the scripts about `blkcrypto attach` share; sourced after lib.sh. Works in $dir. Servers end with the script.

blkcrypto=$bin/blkcrypto
cd "$dir" || exit 1
export XDG_RUNTIME_DIR=$dir/run
mkdir -m 700 run || exit 1

head -c 64 /dev/urandom >key
# The disk that most of the tests are about.
crypto=(--key-file key --mode aes-256-xts --data-unit-size 4k)

pids=() # of what runs in the background
trap 'end_all' EXIT
trap 'exit 1' INT TERM HUP

end_all() {
    local pid
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null; done
    wait
    # One that was not to start at all: nobody has its process.
    timeout 10 "$blkcrypto" detach --all >/dev/null 2>&1
    cd / && rm -rf "$dir"
}

# needs TOOL...: or the test is skipped.
needs() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "no $tool here"
    done
}

needs_fio_nbd() {
    needs fio
    fio --enghelp 2>/dev/null | grep -qw nbd || skip "this fio has no nbd engine"
}

# until_true SECONDS COMMAND...: asks until it is, or gives up.
until_true() {
    local tries=$(($1 * 20))
    shift
    until "$@"; do
        ((tries-- > 0)) || return 1
        sleep 0.05
    done
}

has_ended() { ! kill -0 "$1" 2>/dev/null; }

# serve NAME OPTION...: attaches NAME.img at NAME.sock, as a child. Sets `uri` and `server`, its process.
serve() {
    local name=$1
    shift
    rm -f "$name.uri"
    "$blkcrypto" attach "$name.img" --socket "$name.sock" --foreground "$@" >"$name.uri" 2>"$name.log" &
    server=$!
    pids+=("$server")
    until_true 20 serves_or_has_ended "$name"
    uri=$(cat "$name.uri")
    [[ -n $uri ]] || {
        fail "attach $name.img $*: $(head -c 300 "$name.log")"
        finish
    }
}

# shellcheck disable=SC2317 # until_true calls it
serves_or_has_ended() { [[ -s $1.uri ]] || has_ended "$server"; }

# detach [SERVER]: as SIGTERM does; it has to end with 0.
# shellcheck disable=SC2120 # mostly without an argument
detach() {
    local pid=${1:-$server} status=0
    kill -TERM "$pid" 2>/dev/null
    until_true 20 has_ended "$pid" || fail "server does not end"
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" || status=$?
    expect_equal "exit status of the server" "$status" 0
}

# kill_server: so that nothing is left undone but by the kernel.
kill_server() {
    kill -KILL "$server"
    wait "$server" 2>/dev/null
}

# client COMMAND...: has to succeed; its output goes to $dir/stdout and $dir/stderr.
client() {
    "$@" >stdout 2>stderr || fail "exit $?: $*: $(head -c 300 stderr) $(head -c 300 stdout)"
}

# qemu_io COMMAND...: each has to succeed.
qemu_io() {
    local command arguments=()
    for command in "$@"; do arguments+=(-c "$command"); done
    client qemu-io -f raw "${arguments[@]}" "$uri"
}

# random_file NAME BYTES
random_file() {
    head -c "$2" /dev/urandom >"$1"
}

# random_sectors LEAST MOST: bytes, a multiple of 512.
random_sectors() {
    echo $(((RANDOM * 32768 + RANDOM) % ($2 - $1 + 1) * 512 + $1 * 512))
}

# behind NAME OPTION...: attaches NAME.img at NAME.sock in the background. Sets `uri` and `server`, its process.
behind() {
    local name=$1
    shift
    uri=$("$blkcrypto" attach "$name.img" --socket "$name.sock" --pid-file "$name.pid" "$@" 2>"$name.log") || {
        fail "attach $name.img $*: $(head -c 300 "$name.log")"
        finish
    }
    server=$(cat "$name.pid")
    pids+=("$server")
}
