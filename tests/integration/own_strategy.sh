#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` leaves is whole and can be moved; outside the tree examples/own-strategy is built with it, and
# has a row in the table of `blkbench strategies`. Compiles one file, as the build it belongs to was compiled.

. "$(dirname "$0")/lib.sh"

build=$(dirname "$bin")
[[ -r $build/CMakeCache.txt ]] || skip "$bin is in no build directory"
command -v cmake >/dev/null || skip "no cmake"

# cached NAME: what the build has for it.
cached() {
    sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"
}
source=$(cached CMAKE_HOME_DIRECTORY)
type=$(cached CMAKE_BUILD_TYPE)
same=(-G "$(cached CMAKE_GENERATOR)" "-DCMAKE_MAKE_PROGRAM=$(cached CMAKE_MAKE_PROGRAM)")
for name in CMAKE_BUILD_TYPE CMAKE_CXX_COMPILER CMAKE_CXX_COMPILER_LAUNCHER CMAKE_CXX_FLAGS "CMAKE_CXX_FLAGS_${type^^}" \
    CMAKE_EXE_LINKER_FLAGS; do
    same+=("-D$name=$(cached "$name")")
done

# must COMMAND...: nothing is left to be checked if it fails.
must() {
    "$@" >"$dir/output" 2>&1 && return
    tail -n 30 "$dir/output"
    fail "$*"
    finish
}

installed() {
    unset DESTDIR
    must cmake --install "$build" --prefix "$dir/made"
    mv "$dir/made" "$dir/moved"
    local program header line
    for program in blkcrypto fsdemo blkbench; do
        expect_exit 0 "$dir/moved/bin/$program" --version
    done
    # Nothing points back.
    grep -rlF -e "$dir/made" -e "$source" --include='*.cmake' "$dir/moved" && fail "these files name a place elsewhere"
    # Whatever a header includes of ours has come along.
    while IFS=: read -r header line; do
        line=${line#*\"}
        [[ -r $dir/moved/include/blkcrypto/${line%%\"*} ]] || fail "${header#"$dir/moved/"} includes ${line%%\"*}"
    done < <(grep -r '^#include "' "$dir/moved/include")
}

built() {
    if ! find "$dir/moved" -name 'libblkcrypto_lab.a' | grep -q .; then
        ((failures == 0)) || finish
        skip "this build has no lab"
    fi
    local documents
    documents=$(find "$dir/moved" -type d -path '*/doc/blkcrypto')
    [[ -r $documents/LICENSE && -r $documents/docs/own-strategy.md ]] || fail "no licence or no documents in ${documents:-PREFIX}"
    cp -R "$documents/examples/own-strategy" "$dir/own"
    cd "$dir/own" || exit 1
    must cmake -B build "${same[@]}" -DCMAKE_PREFIX_PATH="$dir/moved"
    grep -q "^blkcrypto_DIR:PATH=$dir/moved/" build/CMakeCache.txt || fail "another package was found"
    must cmake --build build
    readelf -d build/my_lab | grep -q BIND_NOW || fail "not linked with -z now"
}

lab=("$dir/own/build/my_lab" strategies)
small=(--files 8 --extents-per-file 8 --ios 500 --rounds 2 --seed 1)

has_row() {
    expect_exit 0 "${lab[@]}" --strategies second-chance,prepared-map "${small[@]}" "$@" --json
    grep -q '"strategy": "second-chance"' "$dir/stdout" || fail "no row in the table: $*"
    grep -q '"strategy": "prepared-map"' "$dir/stdout" || fail "no row of the strategy beside it: $*"
    grep -q '"images_agree": true' "$dir/stdout" || fail "not the same images: $*"
}

ran() {
    has_row --pool-size 16
    has_row --pool-size 1 --numjobs 2 --bs 64k # both jobs wait for one
    has_row --pool-size 4 --keys 2 --modes aes-256-xts,adiantum
    expect_exit 0 "${lab[@]}" --help
    grep -q second-chance "$dir/stdout" || fail "--help does not name it"
    grep -q "^  my_lab strategies " "$dir/stdout" || fail "the example of --help is another program's"
    expect_refused second-chance "${lab[@]}" --strategies third-chance
    expect_says "my_lab: --strategies: 'third-chance'"
    expect_exit 0 "$dir/own/build/my_lab" --version
    grep -q '^my_lab ' "$dir/stdout" || fail "--version names another program: $(cat "$dir/stdout")"
    expect_exit 0 "$dir/own/build/my_lab" --help
    ! grep -q blkbench "$dir/stdout" || fail "--help names another program: $(grep blkbench "$dir/stdout")"
}

installed
built
ran
finish
