# SPDX-License-Identifier: Apache-2.0
# What the scripts over `blkbench compare` share; sourced first, in place of lib.sh.

. "$(dirname "$0")/lib.sh"
blkbench=$bin/blkbench
out=$dir/stdout
image=$dir/image
compare=("$blkbench" compare --runtime 200ms)
small=("${compare[@]}" --filename "$image" --size 16m)
sized=("${compare[@]}" --filename "$image" --size) # and a size

# json_count TEXT N: the last JSON on stdout has N lines with TEXT.
json_count() {
    expect_equal "lines with $1" "$(grep -cF -- "$1" "$out")" "$2"
}

# Nothing named after the image is there.
expect_nothing() {
    compgen -G "$image*" >/dev/null && fail "left behind: $(compgen -G "$image*" | tr '\n' ' ')"
    rm -f "$image"*
}

refused() {
    expect_refused "$@"
    expect_nothing
}
