#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `fsdemo`: every verb, by both paths, in all modes; and the file that is decrypted from outside, with what `stat`
# and `derive` say and the cipher alone.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/fsdemo_lib.sh"

head -c 9000001 /dev/urandom >data
head -c 5000 /dev/urandom >patch
head -c 10 patch >short

verbs_without_encryption() {
    fs mkfs plain.img --size 32m --uuid 000102030405060708090a0b0c0d0e0f
    fs df plain.img --json
    expect_equal uuid "$(json_value fs_uuid stdout)" 000102030405060708090a0b0c0d0e0f
    expect_equal size "$(json_value size stdout)" $((32 << 20))
    local free
    free=$(json_value free stdout)
    fs mkdir plain.img /d
    fs mkdir plain.img d/e/
    put_data plain.img /d/f data
    expect_data plain.img d/f data
    fs get plain.img /d/f
    expect_same_file "to stdout" stdout data
    "$fsdemo" put plain.img /d/g <patch || fail "put from stdin"
    expect_data plain.img /d/g patch
    fs ls plain.img /d
    expect_equal "ls" "$(awk '{ print $1, $2, $4 }' stdout)" $'d 0 e/\n- 9000001 f\n- 5000 g'
    fs ls plain.img /d --json
    expect_equal "ls --json" "$(grep -c '"kind": "file"' stdout)" 2
    fs ls plain.img
    expect_equal "ls of the root" "$(awk '{ print $4 }' stdout)" d/
    fs ls plain.img /d/g
    expect_equal "ls of a file" "$(awk '{ print $4 }' stdout)" g
    fs stat plain.img /d/g --json=stat.json
    grep -q 'not encrypted' stdout || fail "stat beside a JSON file has no text"
    expect_equal "policy of none" "$(json_value policy stat.json)" null
    read -r _ at length nonce _ <<<"$(extent_rows stat.json)"
    expect_equal "length on the image" "$length $nonce" "8192 null"
    dd if=plain.img bs=4096 skip=$((at / 4096)) count=2 status=none | head -c 5000 | cmp -s - patch || fail "plaintext on the image"
    # Moving: renaming, into a directory, over a file, a directory.
    fs mv plain.img /d/g /d/h
    fs mv plain.img /d/h /d/e
    expect_data plain.img /d/e/h patch
    fs mv plain.img /d/f /d/e/h
    fs mv plain.img /d/e/h /d/f
    fs mv plain.img /d/e /top
    put_data plain.img /top/x patch
    fs mv plain.img /top/x /d/f
    expect_data plain.img /d/f patch
    fs rm plain.img /d/f
    fs rm plain.img /d
    fs rm plain.img /top/
    fs df plain.img --json
    expect_equal "free when all is gone" "$(json_value free stdout)" "$free"
    fs mkfs plain.img --size 1m --overwrite
    fs df plain.img --json
    expect_equal "size after --overwrite" "$(json_value size stdout)" $((1 << 20))
}

# What is at OFFSET of FILE now is PATCH.
patch_file() {
    dd if="$3" of="$1" bs=64K seek="$2" oflag=seek_bytes conv=notrunc status=none
}

# Through one path written, through the other read, and back.
all_modes() {
    local mode unit path other model
    fs mkfs modes.img --size 64m
    for mode in aes-256-xts aes-128-cbc-essiv adiantum sm4-xts; do
        for unit in 4096 512; do
            local in=/$mode-$unit
            fs mkdir modes.img $in "${key[@]}" --contents $mode --data-unit-size $unit
            for path in fallback inline; do
                other=$([[ $path == inline ]] && echo fallback || echo inline)
                model=model.$mode.$unit
                head -c 4500001 data >$model
                put_data modes.img $in/f $model "${key[@]}" --path $path
                expect_data modes.img $in/f $model "${key[@]}" --path $other
                put_data modes.img $in/f patch "${key[@]}" --path $other --offset 4190001
                patch_file $model 4190001 patch
                put_data modes.img $in/f patch "${key[@]}" --path $path --offset 777 --in-place
                patch_file $model 777 patch
                expect_data modes.img $in/f $model "${key[@]}" --path $path
            done
            decrypt_outside modes.img $in/f master.key $model
            fs cp modes.img --reflink $in/f $in/copy "${key[@]}"
            put_data modes.img $in/copy patch "${key[@]}" --offset 20000
            expect_data modes.img $in/f $model "${key[@]}"
            patch_file $model 20000 patch
            expect_data modes.img $in/copy $model "${key[@]}"
            decrypt_outside modes.img $in/copy master.key $model
            fs rm modes.img $in/f
            expect_data modes.img $in/copy $model "${key[@]}" --path inline
            fs rm modes.img $in/copy
        done
    done
    expect_clean modes.img
    # An engine of real hardware, which has one mode.
    put_data modes.img /aes-256-xts-4096/e data "${key[@]}" --path inline --engine ufs-std
    expect_data modes.img /aes-256-xts-4096/e data "${key[@]}" --path inline --engine samsung-fmp
}

declare -A key_bytes=([aes-256-xts]=64 [aes-128-cbc-essiv]=16 [adiantum]=32 [sm4-xts]=32)

# decrypt_outside IMAGE PATH KEY EXPECTED: no key is given to `stat`, and no image to anything else.
decrypt_outside() {
    local at physical length nonce mode unit dun size rows=0
    "$fsdemo" stat "$1" "$2" --json >outside.json || fail "stat $2"
    size=$(json_value size outside.json)
    : >outside
    truncate -s "$size" outside
    while read -r at physical length nonce mode unit dun; do
        rows=$((rows + 1))
        dd if="$1" bs=4096 skip=$((physical / 4096)) count=$((length / 4096)) status=none >cipher
        expect_exit 0 "$fsdemo" derive --key-file "$3" --context PER_EXTENT_ENC_KEY --nonce "$nonce" --length "${key_bytes[$mode]}"
        cp stdout extent.key
        expect_exit 0 "$blkcrypto" crypt decrypt --mode "$mode" --key-file extent.key --key-format hex \
            --data-unit-size "$unit" --dun "$dun" --in cipher --out piece
        dd if=piece of=outside bs=4096 seek=$((at / 4096)) conv=notrunc status=none
    done < <(extent_rows outside.json)
    ((rows > 0)) || fail "$2: no extents"
    ((size % 4096 == 0)) || tail -c +$((size + 1)) outside | tr -d '\0' | cmp -s - /dev/null || fail "$2: its tail is not zeros"
    truncate -s "$size" outside
    expect_same_file "$2 decrypted from outside" outside "$4"
}

holes_and_sizes() {
    fs mkfs holes.img --size 4m
    fs mkdir holes.img /s "${key[@]}"
    # A terabyte of nothing and a few bytes, in 4 MiB.
    "$fsdemo" put holes.img /s/f "${key[@]}" --offset 1t < <(printf end) || fail "put behind a hole"
    fs stat holes.img /s/f --json=stat.json
    expect_equal "size" "$(json_value size stat.json)" $(((1 << 40) + 3))
    expect_equal "extents" "$(extent_rows stat.json | wc -l)" 1
    fs get holes.img /s/f "${key[@]}" --offset $(((1 << 40) - 2)) --length 100
    expect_equal "across the hole's end" "$(hex_of stdout)" 0000656e64
    fs get holes.img /s/f "${key[@]}" --offset 2t
    expect_equal "behind the end" "$(stat -c %s stdout)" 0
    fs get holes.img /s/f "${key[@]}" --offset 1g --length 5000001
    head -c 5000001 /dev/zero | cmp -s - stdout || fail "a hole does not read as zeros"
    # Shrunk and grown, what was there does not come back.
    put_data holes.img /s/g patch "${key[@]}"
    fs truncate holes.img /s/g 100 "${key[@]}"
    fs truncate holes.img /s/g 9000 "${key[@]}" --path inline
    { head -c 100 patch; head -c 8900 /dev/zero; } >model
    expect_data holes.img /s/g model "${key[@]}"
    expect_equal "extents of a short file" "$("$fsdemo" stat holes.img /s/g --json | grep -c file_offset)" 1
    # Replaced by less, by nothing; with an offset never shortened.
    "$fsdemo" put holes.img /s/g "${key[@]}" --offset 8999 < <(printf xyz) || fail "put at the end"
    truncate -s 8999 model
    printf xyz >>model
    expect_data holes.img /s/g model "${key[@]}"
    "$fsdemo" put holes.img /s/g "${key[@]}" --offset 1 </dev/null || fail "put of nothing"
    expect_data holes.img /s/g model "${key[@]}"
    put_data holes.img /s/g short "${key[@]}"
    expect_data holes.img /s/g short "${key[@]}"
    put_data holes.img /s/g /dev/null "${key[@]}"
    expect_data holes.img /s/g /dev/null "${key[@]}"
}

# In place the extent stays where it is, with its nonce; otherwise neither does.
in_place() {
    fs mkfs place.img --size 4m
    fs mkdir place.img /s "${key[@]}"
    put_data place.img /s/f patch "${key[@]}"
    fs stat place.img /s/f --json
    extent_rows stdout >before
    head -c 5000 data >model
    put_data place.img /s/f model "${key[@]}" --in-place
    fs stat place.img /s/f --json
    extent_rows stdout | cmp -s - before || fail "--in-place moved the extent"
    expect_data place.img /s/f model "${key[@]}"
    put_data place.img /s/f short "${key[@]}" --in-place
    expect_data place.img /s/f short "${key[@]}"
    put_data place.img /s/f patch "${key[@]}" --in-place
    expect_data place.img /s/f patch "${key[@]}"
    fs stat place.img /s/f --json
    extent_rows stdout >before
    put_data place.img /s/f model "${key[@]}"
    fs stat place.img /s/f --json
    grep -qF "$(cut -d' ' -f4 before)" stdout && fail "a nonce was used again"
    # What is shared is not overwritten for both.
    fs cp place.img --reflink /s/f /s/copy "${key[@]}"
    put_data place.img /s/copy patch "${key[@]}" --in-place
    expect_data place.img /s/f model "${key[@]}"
    expect_data place.img /s/copy patch "${key[@]}"
    expect_clean place.img
}

# Policies: inherited, set later, of two keys; reflinks between them.
policies() {
    fs mkfs pol.img --size 4m
    fs mkdir pol.img /a "${key[@]}" --contents adiantum --data-unit-size 512
    fs mkdir pol.img /a/sub "${key[@]}"
    put_data pol.img /a/sub/f patch "${key[@]}"
    fs stat pol.img /a/sub/f --json
    expect_equal "inherited mode" "$(json_value contents_mode stdout) $(json_value filenames_mode stdout)" "adiantum adiantum"
    expect_equal "inherited unit" "$(json_value log2_data_unit_size stdout) $(json_value data_unit_size stdout)" "9 512"
    local identifier
    identifier=$("$fsdemo" derive "${key[@]}" --context 1 --length 16)
    expect_equal "identifier" "$(json_value master_key_identifier stdout)" "$identifier"
    # An empty directory gets one; once more is nothing new.
    fs mkdir pol.img /later
    fs mkdir pol.img /later --key-file other.key
    fs mkdir pol.img /later --key-file other.key
    fs mkdir pol.img /later/inner --key-file other.key --key-file master.key
    put_data pol.img /later/f patch --key-file master.key --key-file other.key
    expect_data pol.img /later/f patch --key-file other.key
    # Same key, mode and unit: extents can be shared, though the policies differ in what is for names.
    fs mkdir pol.img /b "${key[@]}" --filenames aes-256-hctr2
    fs mkdir pol.img /c "${key[@]}"
    put_data pol.img /b/f patch "${key[@]}"
    fs cp pol.img --reflink /b/f /c "${key[@]}"
    expect_data pol.img /c/f patch "${key[@]}"
    # An encrypted file stays one where there is no policy.
    fs mv pol.img /c/f /f
    expect_data pol.img /f patch "${key[@]}"
    # 16 bytes are enough for AES-128.
    head -c 16 /dev/urandom >short.key
    fs mkdir pol.img /essiv --key-file short.key --contents aes-128-cbc-essiv
    put_data pol.img /essiv/f patch --key-file short.key
    decrypt_outside pol.img /essiv/f short.key patch
    # The same by a key in hexadecimal, from stdin.
    hex_of short.key >short.hex
    "$fsdemo" get pol.img /essiv/f --key-file - --key-format hex <short.hex | cmp -s - patch || fail "key from stdin"
}

# A known answer: HKDF-SHA512 of the key 00..3f, computed with OpenSSL.
derive() {
    local expected=4b5fe62897a531db5ff0c399594fc223b558880006de68ae0db8598fa8090c72
    expected+=51b2dd4de47fb06d2e6230a6fc317ecdf91f391ce72d1623a5e685fc23d7e1be
    local nonce=e0e1e2e3e4e5e6e7e8e9eaebecedeeef context
    for context in 9 PER_EXTENT_ENC_KEY HKDF_CONTEXT_PER_EXTENT_ENC_KEY per_extent_enc_key; do
        fs derive "${key[@]}" --context $context --nonce $nonce --length 64
        expect_equal "derived by $context" "$(cat stdout)" "$expected"
        fs derive "${key[@]}" --context $context --info $nonce --length 64
        expect_equal "derived by $context with info" "$(cat stdout)" "$expected"
    done
    fs derive "${key[@]}" --context 3 --info 01 --length 16320
    expect_equal "derived at most" "$(wc -c <stdout)" 32641
}

# What control characters there are in names does not reach a terminal.
names() {
    fs mkfs names.img --size 1m
    put_data names.img $'/a\e[2Jb\nc\\' patch
    fs ls names.img
    expect_equal "name with control characters" "$(awk '{ print $4 }' stdout)" 'a\x1b[2Jb\x0ac\\'
    fs ls names.img --json
    grep -qF '"name": "a\u001b[2Jb\nc\\"' stdout || fail "ls --json of a name with control characters"
    # Not UTF-8, a C1 control, one that reverses text; letters stay.
    fs mkfs letters.img --size 1m
    put_data letters.img $'/\xff\xc2\x9b\xe2\x80\xaeb\xc3\xa4\xe2\x82' patch
    fs ls letters.img
    expect_equal "name that is not all letters" "$(awk '{ print $4 }' stdout)" $'\\xff\\xc2\\x9b\\xe2\\x80\\xaeb\xc3\xa4\\xe2\\x82'
    local long
    printf -v long '%0255d' 0
    put_data names.img "/$long" patch
    expect_data names.img "/$long" patch
    fs ls names.img
    expect_equal "names" "$(wc -l <stdout)" 2
}

helps() {
    local verb
    for verb in mkfs mkdir put get ls stat cp mv rm truncate df derive; do
        expect_exit 0 "$fsdemo" $verb --help
        grep -q "^  fsdemo $verb " stdout || fail "$verb --help has no example"
    done
    expect_exit 0 "$fsdemo" --version
    expect_equal version "$(cut -d' ' -f1 stdout)" fsdemo
}

verbs_without_encryption
all_modes
holes_and_sizes
in_place
policies
derive
names
helps
finish
