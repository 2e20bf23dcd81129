#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages that are missing, and nothing when none is.
#
#   scripts/setup.sh               what is needed to build and to test
#   scripts/setup.sh LIST...       only third_party/packages.LIST: build, test, check, bench
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

die() {
    echo "setup.sh: $1" >&2
    exit 2
}

# The package names of one list, one a line.
packages_of() {
    sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$root/third_party/packages.$1"
}

is_installed() {
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null || true) == installed ]]
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '3,6{s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit 0
fi

lists=("$@")
[[ ${#lists[@]} -gt 0 ]] || lists=(build test)
for list in "${lists[@]}"; do
    [[ $list =~ ^[a-z]+$ && -r $root/third_party/packages.$list ]] || die "no list of packages named '$list' (build, test, check, bench)"
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    die "this is not a Debian system: install what third_party/README.md lists, then use cmake --preset directly"
fi

missing=()
for list in "${lists[@]}"; do
    while read -r package; do
        is_installed "$package" || missing+=("$package")
    done < <(packages_of "$list")
done
if [[ ${#missing[@]} -eq 0 ]]; then
    echo "setup.sh: all packages for ${lists[*]} are installed"
    exit 0
fi

as_root=()
if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || die "not root and no sudo: have an administrator run: apt-get install ${missing[*]}"
    as_root=(sudo)
    [[ -t 0 ]] || as_root=(sudo -n) # nobody there to type a password
fi

apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

echo "setup.sh: installing ${missing[*]}"
# One unreachable source of several need not matter: the installation decides.
apt update || echo "setup.sh: apt-get update failed, trying to install all the same" >&2
apt install --no-install-recommends "${missing[@]}" || die "could not install: ${missing[*]}"
