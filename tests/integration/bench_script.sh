#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# scripts/bench.sh without measuring anything: its rows are those that the benchmark programs can measure and that
# docs/performance.md has, its arithmetic is right, and it refuses what it cannot use.

. "$(dirname "$0")/lib.sh"
command -v jq >/dev/null || skip "no jq here"
root=$(cd "$(dirname "$0")/../.." && pwd)
bench=("$root/scripts/bench.sh")
table=$root/bench/rows.json
out=$dir/stdout
[[ -r $table ]] || skip "the checkout is not here: this test is about its scripts"

# jq_bench FILTER [OPTION...] <JSON: with the functions of bench.jq.
jq_bench() {
    local filter=$1
    shift
    jq -c "$@" -L "$root/scripts" "include \"bench\"; $filter"
}

rows_fit() {
    local program name
    jq_bench '[all_rows[].name] | length == (unique | length)' <"$table" | grep -qx true || fail "two rows have one name"
    for program in $(jq -r '.programs[]' "$table"); do
        "$bin/$program" --benchmark_list_tests | sed 's,/manual_time$,,' >"$dir/known" || fail "$program lists nothing"
        jq_bench ".programs as \$programs | all_rows[] | select(\$programs[.group] == \"$program\") | .value | names | split(\".\")[0]" -r \
            <"$table" | sort -u >"$dir/wanted"
        [[ -s $dir/wanted ]] || fail "no row is about $program"
        while read -r name; do
            grep -qxF -- "$name" "$dir/known" || fail "$program does not measure $name"
        done <"$dir/wanted"
    done
    name=$(jq_bench '[all_rows[] | select(.group | contains("/")) | .value | names] | unique - ["plain.bytes_per_s", "plain.cpu",
        "fallback.bytes_per_s", "fallback.cpu", "cipher.bytes_per_s", "cipher.cpu",
        "nomerges.plain.bytes_per_s", "nomerges.fallback.bytes_per_s", "fio.bytes_per_s", "fio_registered.bytes_per_s"]' <"$table")
    expect_equal "figures that no image has" "$name" "[]"
}

# The order of measuring is the other one in every other round.
order() {
    local both='^null/(plain|idle_cipher)/4096/random$'
    "$bin/submit_cost" --benchmark_list_tests --benchmark_filter="$both" >"$dir/forward"
    "$bin/submit_cost" --benchmark_list_tests --benchmark_filter="$both" --reverse >"$dir/backward"
    expect_equal "two benchmarks" "$(wc -l <"$dir/forward")" 2
    tac "$dir/forward" | cmp -s - "$dir/backward" || fail "--reverse: $(tr '\n' ' ' <"$dir/backward")"
}

# What is not measured of the rows in FILE: name, unit, gate, stretch and rule.
fixed_columns() {
    awk -F'|' 'NF == 10 && !/^[|]---/ {print $2 "|" $3 "|" $6 "|" $7 "|" $8}' "$1"
}

page_has_the_rows() {
    local line
    expect_exit 0 "${bench[@]}" --rows
    fixed_columns "$out" >"$dir/rows"
    fixed_columns "$root/docs/performance.md" >"$dir/page"
    [[ $(wc -l <"$dir/rows") -gt 100 ]] || fail "few rows: $(wc -l <"$dir/rows")"
    diff "$dir/rows" "$dir/page" >"$dir/differences" || fail "docs/performance.md (>) is not bench/rows.json (<): $(cat "$dir/differences")"
    while IFS= read -r line; do
        grep -qxF -- "$line" "$root/docs/performance.md" || fail "docs/performance.md lacks: $line"
    done < <(sed -n '/^    /p' "$out")
}

# quantiles VALUES EXPECTED
quantiles() {
    expect_equal "quantiles of $1" "$(jq_bench '[quantile(0.25, 0.5, 0.75)]' <<<"$1")" "$2"
}

# verdict ROW SAMPLES EXPECTED: rounds with a figure a each, and what the row says of them.
verdict() {
    local row="{\"name\": \"r\", \"group\": \"g\", \"unit\": \"u\", $1}"
    local samples
    samples=$(jq -c '[.[] | {group: "g", figures: {a: .}}]' <<<"$2")
    expect_equal "verdict of $1 on $2" \
        "$(jq_bench 'run_of(.; {}; {}; $samples) | .rows[0] | [.median, .p25, .p75, .best, .worst, .verdict, .stretch_reached]' \
            --argjson samples "$samples" <<<"{\"programs\": {\"g\": \"p\"}, \"rows\": [$row]}")" "$3"
}

arithmetic() {
    quantiles '[5, 1, 4, 2, 3]' '[2,3,4]'
    quantiles '[1, 2]' '[1.25,1.5,1.75]'
    quantiles '[7]' '[7,7,7]'
    # Of ratios within rounds, not of medians.
    expect_equal "ratios" "$(jq_bench 'run_of(.; {}; {}; [[50, 100], [9, 10], [0.8, 1]] | map({group: "g", figures: {a: .[0], b: .[1]}})) | .rows[0] |
        [.median, .samples]' <<<'{"programs": {}, "rows": [{"group": "g", "value": ["/", "a", "b"]}]}')" '[0.8,[0.5,0.9,0.8]]'
    expect_equal "all operators" "$(jq_bench 'evaluate({a: 6, b: 3})' <<<'["*", ["+", "a", ["-", "b", 1]], ["/", "a", "b"]]')" 16
    expect_equal "a missing figure" "$(jq_bench 'evaluate({a: 6})' <<<'["+", "a", "b"]')" null
    expect_equal "by nothing" "$(jq_bench 'evaluate({a: 6})' <<<'["/", "a", 0]')" null

    local five='[1, 2, 3, 4, 5]' higher='"better": "higher", "value": "a"' lower='"better": "lower", "value": "a"'
    verdict "$higher, \"gate\": 3" "$five" '[3,2,4,1,1,"met",null]'
    verdict "$higher, \"gate\": 3.1, \"stretch\": 2.9" "$five" '[3,2,4,1,1,"missed",true]'
    verdict "$lower, \"gate\": 2.9" "$five" '[3,2,4,1,5,"missed",null]'
    verdict "$higher, \"gate\": 1" '[1, 2, 3, 4]' '[2.5,1.75,3.25,1,1,"undecided",null]'
    verdict "$higher, \"gate\": 1" '[1, null, 2, 3, 4]' '[2.5,1.75,3.25,1,1,"undecided",null]'
    verdict "$higher, \"rule\": \"range\", \"gate\": 4" "$five" '[3,2,4,1,1,"met",null]'
    verdict "$lower, \"rule\": \"range\", \"gate\": 1.9" "$five" '[3,2,4,1,5,"missed",null]'
    verdict "$lower, \"rule\": \"best\", \"gate\": 1" "$five" '[3,2,4,1,5,"met",null]'
    verdict "$lower, \"rule\": \"best\", \"gate\": 0.9" "$five" '[3,2,4,1,5,"undecided",null]'
    verdict "$lower, \"rule\": \"best\", \"gate\": 0.9" '[1, 2, 3, 4, 5, 6, 7, 8, 9]' '[5,3,7,1,9,"missed",null]'
    verdict "$lower, \"rule\": \"best\", \"gate\": 1" '[2, 1, null, 4, 5, 3]' '[3,2,4,1,5,"met",null]'
    verdict '"better": "higher", "rule": "best", "gate": 500, "value": ["/", 1000, "a"]' '[1, 2, 4, 5, 8]' '[250,200,500,1000,125,"met",null]'
    verdict "$lower, \"rule\": \"worst\", \"gate\": 0" '[0, 0, 0, 0, 0]' '[0,0,0,0,0,"met",null]'
    verdict "$lower, \"rule\": \"worst\", \"gate\": 0" '[0, 0, 8, 0, 0]' '[0,0,0,0,8,"missed",null]'
    verdict "$higher" "$five" '[3,2,4,1,1,"reported",null]'
    verdict "$higher" '[1, 2, 3]' '[2,1.5,2.5,1,1,"reported",null]'
    local rule
    for rule in median range best worst; do
        verdict "$lower, \"rule\": \"$rule\", \"gate\": 2, \"stretch\": 1" '[null, null, null, null, null]' \
            '[null,null,null,null,null,"not measured",null]'
    done

    expect_equal "best of rates and of times" "$(jq_bench best_figures <<<'[{"a.bytes_per_s": 1, "b": 1}, {"a.bytes_per_s": 2, "b": 2}]')" \
        '{"a.bytes_per_s":2,"b":1}'
    expect_equal "best without what is missing" "$(jq_bench best_figures <<<'[{"a.bytes_per_s": null, "b": null, "c": null}, {"a.bytes_per_s": 2, "b": 2},
        {"b": null}]')" '{"a.bytes_per_s":2,"b":2}'
    expect_equal "benchmarks" "$(jq_bench figures_of_benchmarks <<<'{"benchmarks": [{"name": "a/manual_time", "items_per_second": 1e9},
        {"name": "b", "error_occurred": true}, {"name": "c", "items_per_second": 5e8, "heap_growth_bytes": 8}]}')" \
        '{"a":1,"c":2,"c.heap_growth_bytes":8}'
    expect_equal "compare" "$(jq_bench figures_of_compare <<<'{"controls": {"cipher_gb_per_s": 2, "spread": {"cipher_gb_per_s": [1, 4]}},
        "paths": [{"path": "plain", "bytes_per_s": 7, "host_cpu_s_per_gib": 8}]}')" \
        '{"plain.bytes_per_s":7,"plain.cpu":8,"cipher.bytes_per_s":2000000000,"cipher.cpu":0.268435456}'
    expect_equal "fio" "$(jq_bench 'figures_of_fio("f")' <<<'{"jobs": [{"read": {"bw_bytes": 1}, "write": {"bw_bytes": 2}}]}')" \
        '{"f.bytes_per_s":3}'
}

refusals() {
    expect_refused "--bogus" "${bench[@]}" --bogus
    expect_refused "--rounds" "${bench[@]}" --rounds
    local value
    for value in 4 0 -5 1x 1000; do expect_refused "--rounds '$value'" "${bench[@]}" --rounds "$value"; done
    expect_refused "cannot read $dir/none" "${bench[@]}" --against "$dir/none"
    expect_refused "cannot read $dir/none" "${bench[@]}" --markdown "$dir/none"
    expect_refused "cannot write $dir/none/run.json" "${bench[@]}" --json "$dir/none/run.json"
    expect_exit 0 "${bench[@]}" --help
    grep -q -- '--against FILE' "$out" || fail "no help"
    grep -q '^Exit status' "$out" || fail "no exit status in the help"
    expect_refused "$table: not a run of bench.sh" "${bench[@]}" --against "$table"
    (cd "$root/bench" && expect_refused "no group named '*'" "${bench[@]}" --only '*' && exit "$failures") || fail "--only '*'"
    expect_refused "no group named 'tmp'" "${bench[@]}" --only disk,tmp
    expect_refused "no group named ''" "${bench[@]}" --only disk,,tmpfs
}

# --- the whole script, with programs that measure nothing ---

# stub FILE: a program with the text from stdin.
stub() {
    mkdir -p "$(dirname "$1")"
    (echo '#!/bin/bash' && cat) >"$1"
    chmod +x "$1"
}

# A checkout of which the programs print files from $dir, or fail if there is none; `once` makes the next one fail.
make_stubs() {
    mkdir -p "$dir/tree/scripts" "$dir/tree/bench" "$dir/here/images"
    cp "$root"/scripts/{bench.sh,bench.jq,lib.sh} "$dir/tree/scripts"
    cat >"$dir/tree/bench/rows.json" <<'JSON'
{"programs": {"one": "one"}, "places": ["disk", "tmpfs"], "workloads": {"w": {"rw": "write", "bs": "4k"}},
 "rows": [{"name": "a / b", "group": "one", "unit": "ratio", "better": "higher", "gate": 1, "value": ["/", "a", "b"]},
          {"name": "plain / fio", "group": "image", "unit": "ratio", "better": "higher", "gate": 1,
           "value": ["/", "plain.bytes_per_s", "fio.bytes_per_s"]}]}
JSON
    stub "$dir/tree/scripts/setup.sh" </dev/null
    stub "$dir/stubs/cmake" </dev/null
    stub "$dir/stubs/df" <<<'echo Avail; echo 1000'
    stub "$dir/stubs/fio" <<<"echo a word of fio >&2; cat '$dir/fio.json'"
    stub "$dir/tree/build/release/bin/one" <<<"! rm '$dir/once' 2>/dev/null && cat '$dir/one.json'"
    stub "$dir/tree/build/release/bin/blkbench" <<<"[[ \$1 == compare ]] || exec '$bin/blkbench' \"\$@\"; cat '$dir/compare.json'"
    echo '{"jobs": [{"read": {"bw_bytes": 0}, "write": {"bw_bytes": 2}}]}' >"$dir/fio.json"
    echo '{"controls": {}, "paths": [{"path": "plain", "bytes_per_s": 2, "host_cpu_s_per_gib": null}]}' >"$dir/compare.json"
    ratio 2
}

# ratio A_TO_B: what the program `one` measures from now on.
ratio() {
    echo "{\"benchmarks\": [{\"name\": \"a\", \"items_per_second\": 1}, {\"name\": \"b\", \"items_per_second\": $1}]}" >"$dir/one.json"
}

# with_stubs STATUS OPTION...: from a directory of its own.
with_stubs() {
    local expected=$1 status=0
    shift
    (cd "$dir/here" && PATH=$dir/stubs:$PATH "$dir/tree/scripts/bench.sh" --quick "$@") >"$out" 2>"$dir/stderr" || status=$?
    [[ $status == "$expected" ]] || fail "exit $status, expected $expected: $* ($(cat "$out" "$dir/stderr"))"
}

says() {
    grep -qxF -- "$1" "$out" || fail "stdout does not say '$1': $(cat "$out")"
}

baselines() {
    with_stubs 0 --only one,one,one --json run.json
    says "rows: 1 met, 0 missed, 0 undecided, 0 reported, 0 not measured"
    expect_equal "rounds of a group named three times" "$(grep -c 'round . of 5, one' "$dir/stderr")" 5
    [[ -s $dir/here/run.json ]] || fail "--json run.json is not in the directory of the caller"
    cp "$dir/here/run.json" "$dir/here/kept.json"
    ratio 1
    with_stubs 1 --only one --json run.json --against run.json
    expect_says "1 of 1 ratios got worse beyond the spread, the first: a / b"
    with_stubs 0 --only one --json run.json --against run.json
    ratio 2
}

failing_programs() {
    local all=(--only "one,tmpfs" --tmpfs images --json run.json)
    with_stubs 0 "${all[@]}" --against kept.json
    cp "$dir/here/run.json" "$dir/here/kept.json"
    [[ -z $(ls "$dir/here/images") ]] || fail "left in --tmpfs: $(ls "$dir/here/images")"

    touch "$dir/once"
    with_stubs 1 --only one
    expect_says "1 measurements failed: one in round 1"
    says "rows: 0 met, 0 missed, 1 undecided, 0 reported, 0 not measured"

    mv "$dir/one.json" "$dir/gone.json"
    with_stubs 1 "${all[@]}" --against kept.json
    expect_says "one.json: No such file or directory"
    expect_says "5 measurements failed: one in round 1; one in round 2; one in round 3 and 2 more"
    expect_says "1 rows were not measured: a / b"
    expect_says "1 ratios of $dir/here/kept.json are missing now: a / b"
    says "rows: 1 met, 0 missed, 0 undecided, 0 reported, 1 not measured"
    with_stubs 0 --only tmpfs --tmpfs images --against kept.json # of a group that was not asked for nothing is missing

    mv "$dir/compare.json" "$dir/gone.json"
    with_stubs 1 --only tmpfs --tmpfs images
    expect_says "compare.json: No such file or directory"
    grep -q 'a word of fio' "$dir/stderr" && fail "says of blkbench what fio said"
}

rows_fit
order
page_has_the_rows
arithmetic
refusals
make_stubs
baselines
failing_programs
finish
