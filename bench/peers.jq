# SPDX-License-Identifier: Apache-2.0
# The arithmetic of peers.sh. Ratios are computed within each round, between what was measured next to each other, and only
# then summed up over rounds.

def median: sort | if length == 0 then null elif length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def summary: if length == 0 then null else {median: median, min: min, max: max} end;

# The JSON of fio, with the seconds of processor time that the server took meanwhile. A read and a write count the same.
def sample_of($pass; $round; $workload; $server; $cpu_s):
    .jobs[0]
    | (.read.io_bytes + .write.io_bytes) as $bytes
    | ((.read.runtime + .write.runtime) / 1000) as $seconds
    | if $bytes == 0 or $seconds == 0 then error("fio did nothing") else . end
    | {pass: $pass, round: $round, workload: $workload, server: $server, bytes: $bytes, seconds: $seconds, server_cpu_s: $cpu_s,
       mib_per_s: ($bytes / 1048576 / $seconds), cpu_s_per_gib: ($cpu_s * 1073741824 / $bytes)};

# value(FIGURE of server) / value(FIGURE of other), a number for each round that has both. `.` are samples.
def ratios($pass; $workload; $server; $other; figure):
    [.[] | select(.pass == $pass and .workload == $workload)] as $all
    | [$all[] | select(.server == $server)
       | . as $ours | $all[] | select(.server == $other and .round == $ours.round)
       | (figure) as $theirs | select($theirs > 0) | ($ours | figure) / $theirs];

def row($pass; $workload; $server):
    . as $samples
    | [.[] | select(.pass == $pass and .workload == $workload and .server == $server)] as $own
    | {pass: $pass, workload: $workload, server: $server,
       mib_per_s: ([$own[].mib_per_s] | summary), cpu_s_per_gib: ([$own[].cpu_s_per_gib] | summary),
       speed_to_nbdkit: ($samples | ratios($pass; $workload; $server; "nbdkit"; .mib_per_s) | summary),
       cpu_to_nbdkit: ($samples | ratios($pass; $workload; $server; "nbdkit"; .cpu_s_per_gib) | summary)};

# What is asked of the fallback with data units of 4 KiB, pinned.
def gate($what; $figure; $workloads; $other; $at_least; $at_most):
    $workloads[] | {what: $what, figure: $figure, workload: ., other: $other, at_least: $at_least, at_most: $at_most};
def gates:
    ["4k-randread-qd32", "4k-randwrite-qd32"] as $small
    | ["128k-randread-qd32", "128k-randwrite-qd32", "128k-randread-qd8", "128k-randwrite-qd8"] as $middle
    | ["1m-randread-qd8", "1m-randwrite-qd8"] as $large
    | gate("speed"; "mib_per_s"; $small; "nbdkit"; 1.0; null),
      gate("speed"; "mib_per_s"; $middle + $large; "nbdkit"; 0.75; null),
      gate("speed"; "mib_per_s"; $middle; "nbdkit-luks"; 2.5; null),
      gate("speed"; "mib_per_s"; $middle; "qemu-luks"; 4.0; null),
      gate("server CPU per GiB"; "cpu_s_per_gib"; $middle; "nbdkit-luks"; null; (1 / 3));

def verdict($samples):
    . as $gate
    | ($samples | ratios("pinned"; $gate.workload; "fallback"; $gate.other; .[$gate.figure]) | summary) as $ratio
    | . + {ratio: $ratio,
           verdict: (if $ratio == null then "not measured"
                     elif ($gate.at_least == null or $ratio.median >= $gate.at_least)
                          and ($gate.at_most == null or $ratio.median <= $gate.at_most) then "pass"
                     else "FAIL" end)};

# The document of a run. `.` are samples.
def document($options; $machine; $passes; $workloads; $servers):
    . as $samples
    | {schema: "blkcrypto.peers", version: 1, options: $options, machine: $machine,
       rows: [$passes[] as $pass | $workloads[] as $workload | $servers[] as $server | $samples | row($pass; $workload; $server)],
       gates: [gates | verdict($samples)], samples: $samples};

# --- as text ---

# So many digits behind the point.
def fixed($digits):
    if . == null then "-"
    else (pow(10; $digits)) as $scale
         | (. * $scale | round) as $scaled
         | if $digits == 0 then "\($scaled)"
           else ($scaled % $scale | tostring) as $rest
                | "\($scaled / $scale | floor).\("0" * ($digits - ($rest | length)) // "")\($rest)"
           end
    end;
def spread($digits): if . == null then "-" else "\(.median | fixed($digits)) (\(.min | fixed($digits))-\(.max | fixed($digits)))" end;

def table($pass):
    "| workload | server | MiB/s | / nbdkit | server CPU, s/GiB | / nbdkit |",
    "|---|---|---|---|---|---|",
    (.rows[] | select(.pass == $pass and .mib_per_s != null)
     | "| \(.workload) | \(.server) | \(.mib_per_s | spread(0)) | \(.speed_to_nbdkit | spread(2)) | \(.cpu_s_per_gib | spread(3)) | \(.cpu_to_nbdkit | spread(2)) |");

def gates_text:
    .gates[]
    | "- \(.verdict): \(.workload), \(.what) / \(.other)'s: \(.ratio | spread(2)), "
      + if .at_least != null then "at least \(.at_least | fixed(2))" else "at most \(.at_most | fixed(2))" end;

def markdown:
    "\(.machine.cpu), \(.machine.cores) processors, Linux \(.machine.kernel); \(.options.rounds) rounds of \(.options.seconds) s, images of \(.options.size) on \(.options.filesystem).",
    "Median (least-greatest); ratios are of the same round.",
    (.options.passes[] as $pass
     | "",
       (if $pass == "pinned" then "Pinned: the server to one processor, fio to another:" else "Unpinned: the scheduler's choice:" end),
       "", table($pass)),
    "",
    "Gates, of `fallback` in the pinned pass:",
    "", gates_text;
