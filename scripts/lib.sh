# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the scripts beside this one have in common; each sources it first. An end of a script, however it comes, is the
# end of everything that it started with run().
#
#   absolute FILE      its name in any directory
#   die MESSAGE        says it and ends the script with status 2
#   run COMMAND...     runs it in a process group of its own; afterwards nothing of that group is left
#   at_exit            a function for the script to define anew: what is to be done last, once nothing runs any more
#   use_ccache         compiles through ccache, if there is one

# shellcheck disable=SC2034 # for the scripts: the checkout
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
child=

absolute() {
    if [[ $1 == /* ]]; then echo "$1"; else echo "$PWD/$1"; fi
}

die() {
    echo "${0##*/}: $1" >&2
    exit 2
}

run() {
    local status=0
    set -m
    "$@" </dev/null &
    child=$!
    set +m
    wait "$child" || status=$?
    kill -KILL -- "-$child" 2>/dev/null || true
    child=
    return "$status"
}

at_exit() { :; }

clean_up() {
    trap '' INT TERM HUP
    if [[ -n $child ]]; then
        kill -TERM -- "-$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
        kill -KILL -- "-$child" 2>/dev/null || true
    fi
    at_exit
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

use_ccache() {
    if command -v ccache >/dev/null; then
        export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
    fi
}
