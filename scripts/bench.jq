# SPDX-License-Identifier: Apache-2.0
# The arithmetic of bench.sh, over the rows of bench/rows.json. A round's figures are one object, name to number; a row's
# value is computed within each round, so that a ratio compares what was measured next to each other, and only then
# summed up over rounds.

# --- what was measured, as figures ---

# Google benchmark's JSON: ns per operation by name, and NAME.COUNTER for its own counters.
def figures_of_benchmarks:
    def name: .name | sub("/manual_time$"; "");
    [.benchmarks[]
     | (select((.items_per_second // 0) > 0) | {key: name, value: (1e9 / .items_per_second)}),
       (select(has("heap_growth_bytes")) | {key: (name + ".heap_growth_bytes"), value: .heap_growth_bytes})]
    | from_entries;

# The JSON of blkbench compare. The cipher's time is its faster slices': a thread that was not disturbed takes as long on the
# clock as on the processor.
def figures_of_compare:
    ([.paths[] | {key: (.path + ".bytes_per_s"), value: .bytes_per_s}, {key: (.path + ".cpu"), value: .host_cpu_s_per_gib}]
     | from_entries)
    + (.controls
       | if .cipher_gb_per_s == null then {}
         else {"cipher.bytes_per_s": (.cipher_gb_per_s * 1e9), "cipher.cpu": (1.073741824 / .spread.cipher_gb_per_s[1])}
         end);

# The same of a comparison that was run another way.
def figures_of_compare($how): figures_of_compare | with_entries(.key = $how + "." + .key);

# The JSON of fio.
def figures_of_fio($name):
    {($name + ".bytes_per_s"): (.jobs[0] | .read.bw_bytes + .write.bw_bytes)};

# --- rows ---

# All rows, those of images once for each of their places and workloads; each with the group that is run for it.
def all_rows:
    . as $table
    | [.rows[]
       | . as $row
       | if .group != "image" then .
         else (.places // $table.places)[] as $place
              | (.workloads // ($table.workloads | keys_unsorted))[] as $workload
              | $row | del(.places, .workloads)
              | .group = $place + "/" + $workload
              | .name = $row.name + ", " + $place + " " + $workload
         end];

def groups: (.programs | keys_unsorted[]), (.places[] as $place | .workloads | keys_unsorted[] | $place + "/" + .);
def quick_groups:
    (.programs | keys_unsorted[]),
    (.places[] as $place | .workloads | to_entries[] | select(.value.quick) | $place + "/" + .key);

# The names of figures in a value.
def names: if type == "string" then . elif type == "array" then (.[1:][] | names) else empty end;

# What a program is asked for, so that it measures what the rows need and nothing else.
def filter: [names | split(".")[0]] | unique | "^(" + join("|") + ")(/manual|$)";

def command($table):
    if $table.programs[.group] == null then "scripts/bench.sh --only " + .group
    else "build/release/bin/" + $table.programs[.group] + " --benchmark_filter='" + (.value | filter) + "'"
    end;

# Null if a figure is missing.
def evaluate($figures):
    if type == "number" then .
    elif type == "string" then $figures[.]
    else (.[1] | evaluate($figures)) as $a
         | (.[2] | evaluate($figures)) as $b
         | if $a == null or $b == null then null
           elif .[0] == "+" then $a + $b
           elif .[0] == "-" then $a - $b
           elif .[0] == "*" then $a * $b
           elif .[0] != "/" then error("bench/rows.json: no operator " + .[0])
           elif $b == 0 then null
           else $a / $b
           end
    end;

# Between two values where need be, as blkbench does.
def quantile($fraction):
    sort
    | ($fraction * (length - 1)) as $place
    | ($place | floor) as $below
    | .[$below] + ((.[$below + 1] // .[$below]) - .[$below]) * ($place - $below);

# From the figures of all rounds, each one's best: more bytes per second, less of anything else.
def best_figures:
    reduce (.[] | to_entries[] | select(.value != null)) as $figure ({};
        if .[$figure.key] == null then .[$figure.key] = $figure.value
        elif $figure.key | endswith(".bytes_per_s") then .[$figure.key] = ([.[$figure.key], $figure.value] | max)
        else .[$figure.key] = ([.[$figure.key], $figure.value] | min)
        end);

def reaches($better; $goal): if $better == "higher" then . >= $goal else . <= $goal end;

# What of a row counts against its gate.
def judged:
    if .rule == "best" then .best
    elif .rule == "worst" then .worst
    elif .rule == "range" then (if .better == "higher" then .p75 else .p25 end)
    elif .rule == "median" then .median
    else error("bench/rows.json: no rule " + .rule)
    end;

# How many rounds a verdict needs at least; before that a row has none.
def rounds_min: 5;

# Null is less than any number: nothing may be asked of it.
def verdict:
    judged as $value | .better as $better | .gate as $gate
    | if $value == null then "not measured"
      elif $gate == null then "reported"
      elif (.samples | length) < rounds_min then "undecided"
      elif ($value | reaches($better; $gate)) then "met"
      elif .rule == "best" and (.samples | length) < 9 then "undecided"
      else "missed"
      end;

# `$rounds`: the figures of the row's group, by round.
def summed_up($table; $rounds):
    . as $row
    | ($rounds | map(. as $figures | $row.value | evaluate($figures)) | map(select(. != null))) as $samples
    | {name, group, unit, better, rule: (.rule // "median"), gate, stretch,
       median: null, p25: null, p75: null, best: null, worst: null, samples: $samples}
    | if $samples == [] then .
      else .median = ($samples | quantile(0.5))
           | .p25 = ($samples | quantile(0.25))
           | .p75 = ($samples | quantile(0.75))
           | .best = ($rounds | best_figures as $figures | $row.value | evaluate($figures))
           | .worst = ($samples | if $row.better == "higher" then min else max end)
      end
    | .verdict = verdict
    | .stretch_reached = (judged as $value | .better as $better | .stretch as $stretch
                          | if $stretch == null or $value == null then null else $value | reaches($better; $stretch) end)
    | .command = ($row | command($table));

# From a stream of {round, group, figures}.
def run_of($table; $options; $machine; $samples):
    {schema: "blkcrypto.bench", version: 1, options: $options, machine: $machine,
     rows: [$table | all_rows[]
            | . as $row
            | [$samples[] | select(.group == $row.group) | .figures] as $rounds
            | select($rounds != [])
            | summed_up($table; $rounds)]};

# Of a run: a line that counts verdicts.
def summary:
    .rows as $rows
    | def count($verdict): [$rows[] | select(.verdict == $verdict)] | length | tostring + " " + $verdict;
    ["met", "missed", "undecided", "reported", "not measured"] | map(. as $verdict | count($verdict)) | "rows: " + join(", ");

def unmeasured: [.rows[] | select(.verdict == "not measured") | .name];

# Of a run: the ratios that an earlier one has of what was measured now, and that it has not. A row that is gone could hide
# that it got worse.
def lost_ratios($earlier; $groups):
    def ratios: [.rows[] | select(.unit == "ratio" and .median != null)];
    (ratios | map(.name)) as $here
    | [$earlier | ratios[] | select(.group as $group | $groups | index([$group])) | .name] - $here;

# --- tables ---

# Four digits or so.
def digits:
    if . == null then "-"
    else (if fabs >= 1000 then 1 elif fabs >= 100 then 10 elif fabs >= 10 then 100 else 1000 end) as $scale
         | (. * $scale | round) / $scale | tostring
    end;

def result_text: if .median == null then "-" else (.median | digits) + " (" + (.p25 | digits) + "-" + (.p75 | digits) + ")" end;
def verdict_text: .verdict + (if .stretch_reached then ", stretch" else "" end);

def pad($width): tostring | . + " " * ([$width - length, 1] | max);
def text_line: (.[0] | pad(60)) + (.[1] | pad(13)) + (.[2] | pad(24)) + (.[3] | pad(9)) + (.[4] | pad(7)) + (.[5] | pad(9)) + .[6];

# What a row's verdict is about, if it is not in the column before.
def extreme_text: if .rule == "best" then .best | digits elif .rule == "worst" then .worst | digits else "" end;

def run_text:
    (["row", "unit", "median (p25-p75)", "extreme", "gate", "stretch", "verdict"] | text_line),
    (.rows[]
     | [.name, .unit, result_text, extreme_text, (.gate | digits), (.stretch | digits), verdict_text]
     | text_line);

def commands_text: .rows | group_by(.command)[] | "# " + (map(.name) | join("; ")), .[0].command;

# For docs/performance.md, of a run or of the rows alone; the commands beside the table, since in it a | would need a
# backslash that a shell must not see.
def markdown:
    "| row | unit | median (p25-p75) | extreme | gate | stretch | rule | verdict |",
    "|---|---|---|---|---|---|---|---|",
    (.rows[]
     | [.name, .unit, result_text, extreme_text, (.gate | digits), (.stretch | digits), .rule,
        verdict_text]
     | "| " + join(" | ") + " |"),
    "",
    (.rows | group_by(.command)[] | "    # " + (map(.name) | join("; ")), "    " + .[0].command);
