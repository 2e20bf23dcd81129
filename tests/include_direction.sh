#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# include_direction.sh SOURCE_DIR - fails if a file includes something that stands above it. The layers of blkcrypto/
# are ordered as in blkcrypto/CMakeLists.txt; static libraries alone would let a header reach up unnoticed.
# Run by ctest. Plain sh and awk.
set -eu

# Prints "file:line: why" for every #include of ours that goes the wrong way in the tree at $1.
violations() (
    cd "$1"
    find blkcrypto fsdemo \( -name '*.hpp' -o -name '*.cpp' -o -name '*.inc' -o -name '*.h' -o -name '*.c' \) 2>/dev/null | sort |
    while IFS= read -r file; do
        awk -v file="$file" '
        function bad(why) { printf "%s:%d: %s\n", file, FNR, why }
        BEGIN {
            count = split("base cipher block inline_crypt dev nbd tools", names, " ")
            for (i = 1; i <= count; ++i) rank[names[i]] = i
            split(file, from, "/")
            if (from[1] == "blkcrypto") {
                limit = rank[from[2]]
                if (!limit) { bad("is in no known layer"); exit }
            } else
                limit = from[2] == "tools" ? rank["dev"] : rank["inline_crypt"]
        }
        /^[ \t]*#[ \t]*include[ \t]*["<]/ {
            path = $0
            sub(/^[^"<]*["<]/, "", path)
            sub(/[">].*$/, "", path)
            split(path, to, "/")
            if (path ~ /^\.\.?\//)
                bad("includes " path " by a relative path")
            else if (to[1] == "bench" || to[1] == "tests")
                bad("includes " path)
            else if (to[1] == "fsdemo" && from[1] == "blkcrypto")
                bad("includes " path)
            else if (to[1] == "blkcrypto" && !rank[to[2]])
                bad("includes " path ", which is in no known layer")
            else if (from[1] == "fsdemo" && from[2] == "tools" && path ~ /^blkcrypto\/tools\/cli\//)
                next # what all programs share
            else if (to[1] == "blkcrypto" && rank[to[2]] > limit)
                bad("includes " path " of a layer above")
        }' "$file"
    done
)

# expect COUNT FILE LINE: a tree that has nothing but FILE with LINE in it has COUNT violations.
expect() {
    rm -rf "$scratch/tree"
    mkdir -p "$scratch/tree/$(dirname "$2")"
    printf '%s\n' "$3" >"$scratch/tree/$2"
    found=$(violations "$scratch/tree" | wc -l)
    if [ "$found" -ne "$1" ]; then
        echo "self-check: $2 with '$3': $found violations found, not $1" >&2
        exit 1
    fi
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
expect 0 blkcrypto/block/a.hpp '#include "blkcrypto/cipher/b.hpp"'
expect 0 blkcrypto/block/a.hpp '#include "blkcrypto/block/b.hpp"'
expect 1 blkcrypto/base/a.cpp '#include "blkcrypto/cipher/b.hpp"'
expect 1 blkcrypto/dev/a.cpp '  #  include <blkcrypto/nbd/b.hpp>'
expect 1 blkcrypto/dev/a.cpp '#include "../nbd/b.hpp"'
expect 1 blkcrypto/tools/a.cpp '#include "fsdemo/b.hpp"'
expect 1 blkcrypto/tools/a.cpp '#include "tests/support/b.hpp"'
expect 1 blkcrypto/block/a.cpp '#include "bench/b.hpp"'
expect 1 blkcrypto/attic/a.cpp '#include <vector>'
expect 0 fsdemo/a.cpp '#include "blkcrypto/inline_crypt/b.hpp"'
expect 1 fsdemo/a.cpp '#include "blkcrypto/dev/b.hpp"'
expect 0 fsdemo/tools/a.cpp '#include "blkcrypto/dev/b.hpp"'
expect 1 fsdemo/tools/a.cpp '#include "blkcrypto/nbd/b.hpp"'
expect 0 fsdemo/tools/a.cpp '#include "blkcrypto/tools/cli/b.hpp"'
expect 1 fsdemo/tools/a.cpp '#include "blkcrypto/tools/b.hpp"'
expect 1 fsdemo/a.cpp '#include "blkcrypto/tools/cli/b.hpp"'

violations "$1" >"$scratch/found"
if [ -s "$scratch/found" ]; then
    cat "$scratch/found" >&2
    exit 1
fi
if ! [ -d "$1/blkcrypto/base" ]; then
    echo "$1: no blkcrypto/base here" >&2
    exit 1
fi
