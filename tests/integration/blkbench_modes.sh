#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `blkbench compare` of several modes in one run: the images it leaves, what it reports, and what stands in the way of
# one image of many. The rest of the verb: blkbench_compare.sh.

. "$(dirname "$0")/blkbench_lib.sh"

expect_exit 0 "$bin/blkcrypto" modes
((failures == 0)) || finish
mapfile -t modes < <(grep -v -e ENOPKG -e '^mode ' "$out" | cut -d' ' -f1)
((${#modes[@]} > 1)) || skip "this build has one mode"
one=${modes[0]}
other=${modes[1]}
of=("$blkbench" compare --filename "$image" --size 1m --keys 3 --runtime 100ms --seed 7 --mode) # and modes
two=("${of[@]}" "$one,$other")

# comma_list WORD...
comma_list() {
    local IFS=,
    echo "$*"
}

# expect_images MODE...: there are the images of these modes and one plain image, and no others; those of a mode are
# equal, those of two modes are not.
expect_images() {
    local mode names=(image.plain)
    for mode in "$@"; do
        names+=("image.$mode.inline" "image.$mode.fallback")
        expect_same_file "images of $mode" "$image.$mode.inline" "$image.$mode.fallback"
    done
    expect_equal "images of $*" "$(cd "$dir" && printf '%s\n' image.*)" "$(printf '%s\n' "${names[@]}" | sort)"
    expect_equal "different images of $*" "$(sha256_of "$image".* | sort -u | wc -l)" $((1 + $#))
}

two_modes() {
    expect_exit 0 "${two[@]}" --json
    expect_images "$one" "$other"
    json_count '"path": "plain"' 1
    json_count '"path": "inline"' 2
    json_count '"path": "fallback"' 2
    json_count "\"mode\": \"$other\"" 5 # two paths; in the options, the controls and the verdict
    json_count "\"mode\": \"$one,$other\"" 1
    json_count '"mode": null' 1
    json_count '"ratio_to_plain": 1.0,' 1
    json_count '"engine": "generic"' 1
    json_count '"identical": true' 3 # of each mode, and of all
    json_count '"units_checked": 256' 2
    json_count '"units_checked": 512' 1
    json_count '"mismatches": 0' 3
    expect_exit 0 "${of[@]}" "$other,$one" --reuse --rw randread --no-verify
    mv "$image.$other.inline" "$dir/among_two"
    rm -f "$image".*
}

all_modes() {
    local mode
    expect_exit 0 "${of[@]}" "$(comma_list "${modes[@]}")" --json="$dir/all.json"
    expect_images "${modes[@]}"
    for mode in "${modes[@]}"; do
        grep -q "^$mode (.*)$" "$out" || fail "no table of $mode"
    done
    expect_equal "tables" "$(grep -c '^throughput / plain' "$out")" ${#modes[@]}
    expect_equal "verdicts" "$(grep '^Verify' "$out")" "Verify, $(comma_list "${modes[@]}" | sed 's/,/, /g'):"
    awk 'length > 100' "$out" | grep -q . && fail "wider than 100 columns: $(awk 'length > 100' "$out")"
    expect_exit 0 "$blkbench" diff "$dir/all.json" "$dir/all.json"
    for mode in "${modes[@]}"; do
        grep -q "^$mode fallback: throughput / plain " "$out" || fail "diff does not name $mode: $(cat "$out")"
    done
    rm -f "$image".*
}

# A mode alone leaves what it leaves among others, under the names that one mode has; its rows are found among others'.
alone() {
    expect_exit 0 "${of[@]}" "$other" --json="$dir/alone.json"
    grep -q "^engine generic" "$out" || fail "not the engine that has $other: $(cat "$out")"
    expect_same_file "$other alone and among others" "$image.inline" "$dir/among_two"
    expect_same_file "$other alone by both paths" "$image.inline" "$image.fallback"
    rm -f "$image".*
    "$blkbench" diff "$dir/alone.json" "$dir/all.json" >"$out" 2>"$dir/stderr" # it may be worse: it was measured
    grep -Eq '^[0-4] of 4 ratios got worse' "$out" || fail "alone and among all: $(cat "$out" "$dir/stderr")"
    grep -q "^$other fallback: throughput / plain .*[0-9]" "$out" || fail "alone and among all: $(cat "$out")"
    grep -q "^Note: only in the second: $one inline: " "$out" || fail "nothing said about what is new: $(cat "$out")"
}

refusals() {
    refused "'luks' is not one of aes-256-xts" "${of[@]}" "$one,luks"
    refused "--mode: $other is there twice" "${of[@]}" "$other,$one,$other"
    refused "engine ufs-std: it does not have the mode $other" "${two[@]}" --engine ufs-std
    echo "{\"name\": \"odd\", \"keyslots\": 2, \"dun_bytes\": 2, \"modes\": {\"$other\": [4096]}}" >"$dir/engine"
    refused "engine odd: it does not have the mode $one" "${two[@]}" --engine-file "$dir/engine"
    expect_exit 0 "${two[@]}" --engine ufs-std --paths fallback --no-verify
    expect_equal "images of the fallback" "$(cd "$dir" && echo image.*)" \
        "$(printf 'image.%s.fallback\n' "$one" "$other" | sort | tr '\n' ' ' | sed 's/ $//')"
    rm -f "$image".*
}

# What is in the way of one image keeps all from being made.
images_in_the_way() {
    echo kept >"$image.$other.fallback"
    expect_exit 1 "${two[@]}"
    expect_says "$image.$other.fallback: there already; --overwrite replaces it (EEXIST)"
    expect_equal "images beside one in the way" "$(cat "$image".*)" kept
    expect_refused "$image.plain: No such file or directory (ENOENT)" "${two[@]}" --reuse
    ln "$image.$other.fallback" "$image.$one.inline"
    expect_refused "$image.$other.fallback: the same file as another" "${two[@]}" --overwrite
    expect_refused "--json: $image.$other.fallback is the image" "${two[@]}" --json="$image.$other.fallback"
    ln "$dir/engine" "$image.$other.inline"
    echo "{\"name\": \"odd\", \"keyslots\": 2, \"dun_bytes\": 2, \"modes\": {\"$one\": [4096], \"$other\": [4096]}}" >"$dir/engine"
    expect_refused "--engine-file: $dir/engine is the image $image.$other.inline" "${two[@]}" --overwrite --engine-file "$dir/engine"
    rm -f "$image".*
}

# Room for three images, not for those of another mode beside them.
full_disk() {
    mkdir "$dir/full"
    if ! mount -t tmpfs -o size=24m none "$dir/full" 2>/dev/null; then
        echo "not checked without the right to mount: a full disk"
        return
    fi
    expect_exit 1 "${compare[@]}" --filename "$dir/full/image" --size 7m --mode "$one,$other"
    expect_says "$dir/full/image.$other.inline: No space left on device (ENOSPC)"
    expect_equal "left on a full disk" "$(ls "$dir/full")" ""
    umount "$dir/full"
}

two_modes
all_modes
alone
refusals
images_in_the_way
full_disk
finish
