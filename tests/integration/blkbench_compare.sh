#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `blkbench compare`: a small comparison, what it reports and leaves behind; bad input, which changes nothing; a disk
# that is full and an image that fails under it.

. "$(dirname "$0")/blkbench_lib.sh"

small_comparison() {
    local path
    expect_exit 0 "${small[@]}" --keys 3 --bs 12k --numjobs 2 --iodepth 8 --json
    expect_equal "first byte" "$(head -c 1 "$out")" "{"
    if command -v python3 >/dev/null; then
        python3 -m json.tool "$out" >/dev/null || fail "not JSON"
    fi
    json_count '"schema": "blkbench.compare"' 1
    json_count '"version": 1' 1
    json_count '"keys": 3' 1
    json_count '"bs_bytes": 12288' 1
    for path in plain inline fallback; do json_count "\"path\": \"$path\"" 1; done
    json_count '"mode": "aes-256-xts"' 4 # in the options, and for each path
    json_count '"direction": "randrw"' 3
    json_count '"errors": 0' 3
    json_count "\"engine_threads\": $(($(nproc) < 2 ? 1 : 2))" 1
    json_count '"ratio_to_plain": 1.0' 1
    grep -Eq '"bytes_per_s": [1-9][0-9]{5,}' "$out" || fail "no throughput"
    grep -Eq '"p999_ns": [1-9][0-9]{3,}' "$out" || fail "no latency"
    json_count '"controls": {' 1
    for path in memcpy_gb_per_s cipher_gb_per_s null_device_mbios_per_s iops p50_ns p99_ns host_cpu_s_per_gib engine_cpu_s_per_gib spread keyslots hits misses evictions waits
    do
        grep -q "\"$path\":" "$out" || fail "no $path"
    done
    json_count '"identical": true' 1
    json_count '"units_checked": 4096' 1
    json_count '"mismatches": 0' 1
    json_count '"error": null' 1
    for path in plain inline fallback; do
        expect_equal "size of $path" "$(stat -c %s "$image.$path")" 16777216
    done
    expect_same_file "images of the two paths" "$image.inline" "$image.fallback"
    cmp -s "$image.plain" "$image.inline" && fail "inline did not encrypt"
}

# The same seed leaves the same images, whatever the engine; another seed others.
seeds() {
    local run=("${sized[@]}" 1m --paths fallback,inline --overwrite)
    expect_exit 0 "${run[@]}" --seed 7
    cp "$image.inline" "$dir/seed7"
    grep -q "seed 7" "$out" || fail "the seed is not printed"
    expect_exit 0 "${run[@]}" --seed 7 --engine generic --numjobs 2
    expect_same_file "same seed" "$image.fallback" "$dir/seed7"
    expect_exit 0 "${run[@]}" --seed 8
    cmp -s "$image.inline" "$dir/seed7" && fail "another seed left the same image"
    grep -q "No control" "$out" || fail "nothing said about the missing control"
    rm -f "$image".*
}

text_report() {
    expect_exit 0 "${sized[@]}" 260k --bs 16k --keys 64 --rw write --decrypt-workers 2 --json="$dir/file.json"
    grep -q "identical images" "$out" || fail "the text does not say what was proven"
    grep -Eq "^Controls, .*memcpy [0-9.]+ GB/s, aes-256-xts [0-9.]+ GB/s" "$out" || fail "the controls are not printed"
    grep -q "host CPU per GiB" "$out" || fail "no headline for the inline path"
    awk 'length > 100' "$out" | grep -q . && fail "wider than 100 columns: $(awk 'length > 100' "$out")"
    grep -q '"schema": "blkbench.compare"' "$dir/file.json" || fail "no JSON in the file"
    rm -f "$image".*
    expect_exit 0 "${small[@]}" --paths plain --rw randread --json
    json_count '"verify": null' 1
    rm -f "$image".*
    expect_exit 0 "$blkbench" compare --filename "$image" --size 1m --runtime 40ms --rounds 2 --no-verify --json="$dir/file.json"
    grep -q "^2 interleaved rounds of 0.02 s a path" "$out" || fail "the text does not say how many rounds"
    grep -q "^Verify: not done" "$out" || fail "the text does not say that nothing was verified"
    cp "$dir/file.json" "$out"
    json_count '"rounds": 2' 1
    json_count '"runtime_s": 0.04' 1
    json_count '"verify": false' 1
    json_count '"verify": null' 1
    rm -f "$image".*
    expect_exit 0 "${sized[@]}" 64k --data-unit-size 512 --bs 1536 --paths inline --json
    json_count '"identical": null' 1
    json_count '"units_checked": 128' 1
    json_count '"ratio_to_plain": null' 1
    rm -f "$image".*
}

# Each way to read and write images leaves the same ones; a way that is not there is refused before anything is made.
image_io() {
    local way ways="auto preadv2"
    if "${sized[@]}" 64k --paths plain --image-io io_uring >/dev/null 2>"$dir/stderr"; then
        ways+=" io_uring by_size"
    else
        expect_refused "--image-io: this system does not let the program use it" "${small[@]}" --image-io io_uring
        echo "not checked without io_uring: images through a ring"
    fi
    rm -f "$image".*
    for way in $ways; do
        expect_exit 0 "${sized[@]}" 1m --paths plain,fallback --bs 128k --seed 7 --overwrite --image-io "$way" --json="$dir/way"
        grep -q "^image I/O .* (--image-io $way)" "$out" || fail "the text does not say how images are read and written"
        expect_equal "lines with $way in the JSON" "$(grep -c "\"image_io\": \"$way\"" "$dir/way")" \
            "$([[ $way == auto ]] && echo 1 || echo 3)"
        [[ -e $dir/fallback ]] || cp "$image.fallback" "$dir/fallback"
        expect_same_file "images by $way" "$image.fallback" "$dir/fallback"
    done
    rm -f "$image".*
}

bad_numbers() {
    local value
    refused "--bs: '6k' is not whole data units of 4k" "${small[@]}" --bs 6k
    refused "--bs" "${small[@]}" --bs 0
    refused "--bs" "${sized[@]}" 4g --bs 2g
    refused "--size" "${sized[@]}" 10000
    refused "--size" "${sized[@]}" 0
    refused "--size: '8k' is smaller than a block of 16k" "${sized[@]}" 8k --bs 16k
    refused "--size" "${sized[@]}" 9000000t
    refused "--keys: 5 keys, but only 4 data units" "${sized[@]}" 16k --keys 5
    for value in 0 -1 4097 "" 1x; do refused "--iodepth" "${small[@]}" --iodepth="$value"; done
    for value in 0 257 1k; do refused "--numjobs" "${small[@]}" --numjobs "$value"; done
    for value in 0 1000001; do refused "--keys" "${small[@]}" --keys "$value"; done
    for value in 0 0.5 86401 ms 86400001ms 1us 1h -1 " 1"; do
        refused "--runtime: '$value' is no whole number of seconds up to 86400, or of milliseconds as in 500ms" \
            "$blkbench" compare --filename "$image" --runtime "$value"
    done
    refused "--runtime: '49ms' in 5 rounds" "$blkbench" compare --filename "$image" --runtime 49ms
    for value in 0 10001 1.5 ""; do refused "--rounds" "${small[@]}" --rounds="$value"; done
    refused "--runtime: '200ms' in 21 rounds: a slice is 10 ms at least" "${small[@]}" --rounds 21
    refused "--rwmixread" "${small[@]}" --rwmixread 101
    refused "--decrypt-workers" "${small[@]}" --decrypt-workers 257
    refused "--seed" "${small[@]}" --seed 18446744073709551616
    for value in 0 256 1000 128k; do refused "--data-unit-size" "${small[@]}" --data-unit-size "$value"; done
    refused "memory" "${sized[@]}" 1t --bs 1g --iodepth 4096 --numjobs 256
    refused "4 blocks" "${sized[@]}" 16k --rw read --numjobs 5
}

bad_names() {
    refused "plain, inline, fallback" "${small[@]}" --paths plain,luks
    refused "plain, inline, fallback" "${small[@]}" --paths plain,
    refused "inline is there twice" "${small[@]}" --paths inline,plain,inline
    refused "read, write, randread, randwrite, randrw" "${small[@]}" --rw trim
    refused "ufs-std, emmc-cqhci, qcom-ice, qcom-ice-hwkm, samsung-fmp, mtk-ufs, generic" "${small[@]}" --engine nvme
    refused "aes-256-xts, aes-128-cbc-essiv, adiantum, sm4-xts" "${small[@]}" --mode aes
    refused "'' is not one of aes-256-xts" "${small[@]}" --mode aes-256-xts,
    refused "'luks' is not one of aes-256-xts" "${small[@]}" --mode aes-256-xts,luks
    refused "--mode: sm4-xts is there twice" "${small[@]}" --mode sm4-xts,aes-256-xts,sm4-xts
    refused "auto, io_uring, preadv2, by_size" "${small[@]}" --image-io mmap
    refused "--filename" "$blkbench" compare
    refused "--bogus" "${small[@]}" --bogus
    local mode
    for mode in $("$bin/blkcrypto" modes | grep ENOPKG | cut -d' ' -f1); do
        refused "no implementation of $mode here (ENOPKG)" "${small[@]}" --mode "$mode"
        refused "no implementation of $mode here (ENOPKG)" "${small[@]}" --mode "aes-256-xts,$mode"
    done
}

engines() {
    local file=$dir/engine.json
    from_file() { refused "$1" "${small[@]}" --engine-file "$file"; }
    echo '{"name": "odd", "keyslots": 2, "dun_bytes": 1, "modes": {"aes-256-xts": [512]}}' >"$file"
    from_file "engine odd: it does not have data units of 4k"
    refused "engine odd: its data unit numbers have 1 bytes, an image of that size needs 2" \
        "${small[@]}" --data-unit-size 512 --engine-file "$file"
    echo '{"name": "odd", "keyslots": 2, "dun_bytes": 1, "modes": {"adiantum": [4096]}}' >"$file"
    from_file "engine odd: it does not have the mode aes-256-xts"
    echo '{"name": "odd", "keyslots": 0' >"$file"
    from_file "$file: "
    echo '{"name": "odd", "keyslots": 1025, "dun_bytes": 1, "modes": {"adiantum": [4096]}}' >"$file"
    from_file "keyslots"
    file=$dir/none
    from_file ENOENT
    file=$dir
    from_file EISDIR
    refused "engine emmc-cqhci: its data unit numbers have 4 bytes" \
        "${sized[@]}" 4t --engine emmc-cqhci --data-unit-size 512
    file=$dir/engine.json
    echo '{"name": "tiny", "keyslots": 1, "dun_bytes": 2, "modes": {"aes-256-xts": [4096]}}' >"$file"
    ln "$file" "$image.inline"
    expect_refused "--engine-file: $file is the image" "${small[@]}" --overwrite --engine-file "$file"
    rm "$image.inline"
    expect_exit 0 "${sized[@]}" 1m --keys 4 --paths inline --engine-file "$file" --json
    json_count '"engine": "tiny"' 1
    grep -Eq '"evictions": [1-9]' "$out" || fail "four keys in one slot, but no eviction"
    expect_exit 0 "${sized[@]}" 1m --keys 4 --paths inline,fallback --engine samsung-fmp --overwrite
    grep -q "engine samsung-fmp, no keyslots" "$out" || fail "an engine without keyslots, but nothing says so"
    grep -q "identical images" "$out" || fail "an engine without keyslots left other bytes than the fallback"
    rm -f "$image".*
}

bad_files() {
    mkdir "$dir/folder"
    refused "$dir/folder: Is a directory (EISDIR)" "${compare[@]}" --size 16m --filename "$dir/folder"
    refused "$dir/none/image: No such file or directory (ENOENT)" "${compare[@]}" --size 16m --filename "$dir/none/image"
    refused "ENOTDIR" "${compare[@]}" --size 16m --filename "$out/image"
    refused "empty" "${compare[@]}" --size 16m --filename ""
    refused "ENOENT" "${small[@]}" --json="$dir/none/file.json"

    # The report is none of the images, those that are there and those that are still to be made.
    local name
    ln -s image.plain "$dir/soft"
    ln -s "$dir" "$dir/same_folder"
    for name in "$image.plain" "$dir/./image.inline" "$dir/../$(basename "$dir")/image.fallback" "$dir/soft" \
        "$dir/same_folder/image.inline"; do
        refused "--json: $name is the image $image." "${small[@]}" --json="$name"
    done
    in_folder() { (cd "$dir" && "$@"); }
    refused "--json: image.plain is the image ./image.plain" in_folder "${compare[@]}" --filename ./image --json=image.plain
    echo kept >"$image.plain"
    ln "$image.plain" "$dir/hard"
    for name in "$image.plain" "$dir/soft" "$dir/hard" "$dir/same_folder/image.plain"; do
        expect_refused "--json: $name is the image $image.plain" "${small[@]}" --overwrite --json="$name"
    done
    expect_refused "--json: $dir/hard is the image" "${small[@]}" --json="$dir/hard"
    onto_image() { "$@" >>"$image.plain"; }
    expect_refused "stdout is the image" onto_image "${small[@]}" --overwrite
    expect_equal "image named as the report" "$(cat "$image.plain")" kept
    rm "$image.plain" "$dir/hard" "$dir/soft" "$dir/same_folder"
    expect_nothing

    # What exists is kept, and nothing is made beside it.
    echo kept >"$image.fallback"
    expect_exit 1 "${small[@]}"
    expect_says "$image.fallback: there already; --overwrite replaces it (EEXIST)"
    expect_equal "existing image" "$(cat "$image.fallback")" kept
    rm "$image.fallback"
    expect_nothing
    mkdir "$image.inline"
    expect_refused "EISDIR" "${small[@]}" --overwrite
    rmdir "$image.inline"
    mkfifo "$image.plain"
    expect_refused "not a regular file" "${small[@]}" --overwrite
    rm "$image.plain"
    echo kept >"$image.plain"
    ln "$image.plain" "$image.inline"
    expect_refused "the same file as another" "${small[@]}" --overwrite
    expect_equal "linked image" "$(cat "$image.plain")" kept
    rm "$image.plain" "$image.inline"
    expect_nothing
}

# An image that loses its end while it is read: counted, reported with the offset, exit 1.
failing_image() {
    local status=0 pid
    "$blkbench" compare --filename "$image" --size 4m --runtime 4 --paths plain --rw randread --json >"$out" 2>"$dir/stderr" &
    pid=$!
    while kill -0 $pid 2>/dev/null; do # the prefill may have made it whole again
        sleep 0.5
        [[ ! -e $image.plain ]] || truncate -s 1m "$image.plain"
    done
    wait $pid || status=$?
    expect_equal "exit of a failing image" "$status" 1
    expect_equal "lines about a failing image" "$(wc -l <"$dir/stderr")" 1
    grep -Eq "^blkbench: $image.plain: read at offset [0-9]+, the first of [0-9]+ errors: .* \(EIO\)$" "$dir/stderr" ||
        fail "failing image: $(cat "$dir/stderr")"
    grep -Eq '"errors": [1-9]' "$out" || fail "errors are not counted"
    rm -f "$image".*
}

# Files that can no longer grow, or be written at all, once the verify pass writes: the rounds before it, which only
# read, are reported all the same.
failing_verify() {
    if ! command -v prlimit >/dev/null; then
        echo "not checked without prlimit: a failing verify pass"
        return
    fi
    local status=0 pid
    (
        trap '' XFSZ
        exec "$blkbench" compare --filename "$image" --size 4m --runtime 3 --paths plain,inline --rw randread \
            --json="$dir/failed.json"
    ) >"$out" 2>"$dir/stderr" &
    pid=$!
    sleep 1.5
    prlimit --pid $pid --fsize=65536
    wait $pid || status=$?
    expect_equal "exit of a failing verify pass" "$status" 1
    expect_equal "lines about a failing verify pass" "$(wc -l <"$dir/stderr")" 1
    grep -Eq "^blkbench: verify failed: $image.inline: write at offset [0-9]+: " "$dir/stderr" ||
        fail "failing verify pass: $(cat "$dir/stderr")"
    grep -q "throughput / plain" "$out" || fail "no table although the rounds went well"
    grep -q "Verify: FAILED" "$out" || fail "the text does not say that the verify pass failed"
    grep -Eq '"error": ".*image.inline: write at offset' "$dir/failed.json" || fail "no verify.error in the JSON"
    grep -q '"iops"' "$dir/failed.json" || fail "no figures in the JSON"
    rm -f "$image".*
}

# A terminal that goes away takes the progress line with it and nothing else.
lost_terminal() {
    if ! command -v python3 >/dev/null; then
        echo "not checked without python3: a lost terminal"
        return
    fi
    local status=0
    python3 -c '
import os, pty, subprocess, sys, time
ours, theirs = pty.openpty()
run = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=theirs)
os.close(theirs)
time.sleep(1)
os.close(ours)
sys.exit(run.wait() % 256)' "$blkbench" compare --filename "$image" --size 4m --runtime 3 --paths plain --rw randread || status=$?
    expect_equal "exit when the terminal is gone" "$status" 0
    rm -f "$image".*
}

# Room for one image of three: no data is written, nothing is left.
full_disk() {
    mkdir "$dir/full"
    if ! mount -t tmpfs -o size=24m none "$dir/full" 2>/dev/null; then
        echo "not checked without the right to mount: a full disk"
        return
    fi
    expect_exit 1 "${compare[@]}" --size 16m --filename "$dir/full/image"
    expect_says "$dir/full/image.inline: No space left on device (ENOSPC)"
    expect_equal "left on a full disk" "$(ls "$dir/full")" ""

    # Old images are kept where the new ones have no room; their own room counts where they have.
    local path
    for path in plain inline fallback; do echo kept >"$dir/full/image.$path"; done
    expect_exit 1 "${compare[@]}" --size 16m --filename "$dir/full/image" --overwrite
    expect_says "$dir/full/image.inline: No space left on device (ENOSPC)"
    expect_equal "old images on a full disk" "$(cat "$dir"/full/image.* | tr '\n' ' ')" "kept kept kept "
    for path in plain inline fallback; do head -c 7M /dev/zero >"$dir/full/image.$path"; done
    expect_exit 0 "${compare[@]}" --size 7m --filename "$dir/full/image" --overwrite
    umount "$dir/full"
}

# An image of an earlier run is measured as it is, and nothing is made or filled.
reused_images() {
    local short=("$blkbench" compare --filename "$image" --size 1m --runtime 100ms --paths plain,fallback --seed 3)
    local run=("${short[@]}" --reuse --rw randread)
    expect_refused "$image.plain: No such file or directory (ENOENT)" "${run[@]}"
    expect_nothing
    expect_exit 0 "${short[@]}"
    cp "$image.plain" "$dir/kept"
    expect_exit 0 "${run[@]}" --no-verify
    expect_same_file "an image that was only read" "$image.plain" "$dir/kept"
    expect_exit 0 "${run[@]}"
    grep -q "hold what was written" "$out" || fail "reused images were not verified"
    expect_refused "--overwrite" "${run[@]}" --overwrite
    expect_refused "$image.plain: has 1m, and --size is 2m" "${sized[@]}" 2m --paths plain --reuse
    rm "$image.plain"
    mkdir "$image.plain"
    expect_refused "$image.plain: Is a directory (EISDIR)" "${run[@]}"
    rmdir "$image.plain"
    rm -f "$image".*
}

small_comparison
rm -f "$image".*
seeds
text_report
reused_images
image_io
bad_numbers
bad_names
engines
bad_files
failing_image
failing_verify
lost_terminal
full_disk
finish
