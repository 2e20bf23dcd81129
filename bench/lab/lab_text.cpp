// SPDX-License-Identifier: Apache-2.0
// The report as a mail: a function for each of its parts, in their order.
#include "bench/lab/lab_report.hpp"

#include "bench/lab/lab_figures.hpp"
#include "bench/lab/text_layout.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace blkcrypto::bench {
namespace {

constexpr double ns_per_us = 1000;
constexpr double kilo = 1000;
constexpr std::size_t name_width_min = 19; // the longest of the names that are there anyway
constexpr std::size_t name_width_max = 40;
constexpr std::size_t bar_columns = 46;

// What a key's setup consists of, and the letters that bars are made of.
struct setup_part {
    io_part part;
    char letter;
};
constexpr std::array setup_parts{setup_part{io_part::lookup, 'L'}, setup_part{io_part::derive, 'D'},
                                 setup_part{io_part::setkey, 'K'}, setup_part{io_part::allocate, 'A'},
                                 setup_part{io_part::wait, 'W'}};

using result_figure = double (*)(const lab_turn_result&);
using cells = std::vector<std::string>;

std::string name_of(const lab_strategy_result& result) {
    return to_ascii(result.strategy->name);
}

// The control first.
std::vector<const lab_strategy_result*> rows_of(const lab_result& result) {
    std::vector<const lab_strategy_result*> rows{&result.single_key};
    for (const auto& strategy : result.strategies)
        rows.push_back(&strategy);
    return rows;
}

// That of the first column. A line is as much wider as a name is longer than those that fit into a mail:
// of two that are cut nobody could tell which is which.
std::size_t name_width_of(const lab_result& result) {
    std::size_t width = name_width_min;
    for (const auto* row : rows_of(result))
        width = std::max(width, row->strategy->name.size());
    return std::min(width, name_width_max);
}

std::string count_text(const lab_strategy_result& of, result_figure count) {
    return of.rounds.empty() ? "-" : short_number(of.count_over_rounds(count));
}

std::string median_text(const lab_strategy_result& of, result_figure figure, double unit = 1) {
    return of.rounds.empty() ? "-" : short_number(of.over_rounds(figure).median / unit);
}

// A row for each, of what `cells_of` makes of it, and what the heads mean.
template <typename CellsOf>
std::string table_text(const lab_result& result, const table_layout& layout, std::string_view name,
                       const cells& heads, CellsOf cells_of, std::string_view meaning) {
    std::string text = layout.row(name, heads);
    for (const auto* row : rows_of(result))
        text += layout.row(name_of(*row), cells_of(*row));
    return text + wrapped("", meaning) + '\n';
}

std::string image_text(const lab_options& options, const lab_result& result) {
    std::vector<std::string_view> modes;
    for (const auto* mode : options.image.modes)
        modes.push_back(mode->name);
    const auto& image = options.image;
    return fmt::format("{} x {} of {}, {}, {}; {}{}", plural(image.files, "file"),
                       plural(image.extents_per_file, "extent"), bytes_text(image.extent_bytes),
                       plural(image.master_keys, "master key"), fmt::join(modes, " "),
                       bytes_text(static_cast<double>(result.image_bytes)),
                       result.image_io.empty() ? "" : ", image I/O " + result.image_io);
}

std::string access_text(const access_options& access) {
    switch (access.kind) {
    case access_kind::uniform:
        return "uniform";
    case access_kind::sequential:
        return "sequential";
    case access_kind::trace:
        return fmt::format("a trace of {} accesses", access.trace.size());
    case access_kind::zipf:
        break;
    }
    return fmt::format("zipf:{:g}", access.skew);
}

std::string workload_text(const lab_workload_options& workload) {
    const std::string length = workload.ios == 0 ? fmt::format("{} ms a turn", workload.runtime_ms)
                                                 : plural(workload.ios, "I/O") + " a job and turn";
    return fmt::format("{}, {} % reads, {} in flight, {}, {}, {}; seed {}", access_text(workload.access),
                       workload.access.read_percent, workload.depth, plural(workload.jobs, "job"), length,
                       plural(workload.rounds, "round"), workload.seed);
}

std::string sizes_text(const lab_options& options) {
    const auto& strategy = options.strategy;
    const std::string slots =
        options.engine.keyslots == 0 ? "no keyslots" : plural(options.engine.keyslots, "keyslot");
    return fmt::format("a pool {}, fallback {}, engine {} {}, {}, {} kept, memory limit {}",
                       plural(strategy.pool_size, "transform"), plural(strategy.keyslots, "keyslot"),
                       options.engine.name, slots, plural(options.derived_keys, "cached derived key"),
                       plural(options.extent_infos, "extent info"),
                       strategy.memory_limit_bytes == 0
                           ? "none"
                           : bytes_text(static_cast<double>(strategy.memory_limit_bytes)));
}

std::string steps_text(const lab_step_costs& steps) {
    return fmt::format("derive {}, setkey {}, allocate {}, the cipher of an I/O {}",
                       time_text(steps.derive_ns), time_text(steps.setkey_ns), time_text(steps.allocate_ns),
                       time_text(steps.cipher_ns));
}

// How the figures of the rounds became one.
std::string figures_text(unsigned rounds) {
    const std::string all =
        rounds == 1 ? "Figures are those of the one round."
                    : "Figures are medians of the rounds, p25-p75 in brackets; of an I/O's time, of each "
                      "part by itself.";
    if (rounds >= difference_rounds_min)
        return all;
    return fmt::format("{} With fewer than {} rounds no difference is called one.", all,
                       difference_rounds_min);
}

std::string header_text(const lab_options& options, const lab_result& result) {
    const auto& machine = result.machine;
    return "When does an extent get its key?\n\n" +
           wrapped("machine   ", fmt::format("{}, {}, Linux {}", machine.cpu_model,
                                             plural(machine.cores, "core"), machine.kernel)) +
           wrapped("image     ", image_text(options, result)) +
           wrapped("workload  ", workload_text(options.workload)) +
           wrapped("sizes     ", sizes_text(options)) + wrapped("steps     ", steps_text(result.steps)) +
           wrapped("", figures_text(options.workload.rounds)) + '\n';
}

std::string speed_table(const lab_result& result) {
    const table_layout layout{name_width_of(result), {9, 9, 10, 9, 21}};
    return table_text(
        result, layout, "speed; times in us", {"open", "1st byte", "CPU an IO", "kIOPS", "ratio"},
        [&](const lab_strategy_result& of) -> cells {
            if (of.rounds.empty())
                return cells(5, "-");
            const bool is_control = &of == &result.single_key;
            return {median_text(of, &open_ns_of, ns_per_us), median_text(of, &first_byte_ns_of, ns_per_us),
                    median_text(of, &host_cpu_ns_per_io_of, ns_per_us), median_text(of, &iops_of, kilo),
                    is_control ? "1" : ratio_text(of, result.single_key, &iops_of)};
        },
        "open: of a file, mean. 1st byte: from the open of the first file to the end of a first read of it, "
        "which sets its key up. CPU an IO: of the jobs' threads, without an engine's. ratio: of IOPS to "
        "single-key in the same round, median (p25-p75), so that it may differ from that of the kIOPS. "
        "single-key is the control: the same I/O with a transform that is never keyed again.");
}

std::string latency_table(const lab_result& result) {
    const table_layout layout{name_width_of(result), {9, 9, 9, 8, 10, 10}};
    return table_text(
        result, layout, "latency in us", {"p50", "p99", "p99.9", "hits, %", "steals", "waits"},
        [](const lab_strategy_result& of) -> cells {
            const bool counts = has_tfm_use(of);
            return {
                median_text(of, &p50_ns_of, ns_per_us),    median_text(of, &p99_ns_of, ns_per_us),
                median_text(of, &p999_ns_of, ns_per_us),   counts ? median_text(of, &hit_percent_of) : "-",
                counts ? count_text(of, &steals_of) : "-", counts ? count_text(of, &waits_of) : "-"};
        },
        "hits: uses that found the key in place. steals: of a transform or keyslot with another "
        "key. waits: times that an I/O was parked, for a transform, a keyslot or a module.");
}

// As wide in a column whether there was no wait or a long one.
std::string us_text(double us) {
    return fmt::format("{:.{}f}", us, us < 10 ? 3 : us < 1000 ? 1 : 0);
}

std::string time_table(const lab_result& result) {
    const table_layout layout{name_width_of(result), {7, 7, 7, 7, 7, 7, 8, 9}};
    cells heads(io_part_names.begin(), io_part_names.end());
    heads[static_cast<std::size_t>(io_part::allocate)] = "alloc.";
    return table_text(
        result, layout, "time of an I/O, us", heads,
        [](const lab_strategy_result& of) {
            const io_times where = of.times();
            cells parts;
            for (std::size_t part = 0; part < io_part_count; ++part)
                parts.push_back(where.ios == 0 ? "-"
                                               : us_text(where.of(static_cast<io_part>(part)) / ns_per_us));
            return parts;
        },
        "lookup: from asking for a transform or keyslot until something is done for it. wait: parked, for a "
        "transform, a keyslot or a module. rest: it waits behind others, of which so many are in flight, and "
        "for the filesystem.");
}

// Of one that stopped before a round was over: what it had then, and no more is known.
cells memory_at_stop(const lab_strategy_result& of) {
    cells had(6, "-");
    if (of.stop) {
        had[0] = short_number(static_cast<double>(of.stop->transforms)) + '*';
        had[3] = bytes_text(static_cast<double>(of.stop->transform_bytes));
    }
    return had;
}

std::string memory_table(const lab_result& result) {
    const table_layout layout{name_width_of(result), {11, 9, 12, 9, 9, 9}};
    const auto is_at_stop = [](const lab_strategy_result& of) { return of.rounds.empty() && of.stop; };
    return table_text(
        result, layout, "memory", {"transforms", "pinned", "reclaimable", "at most", "infos", "allocs"},
        [](const lab_strategy_result& of) -> cells {
            if (of.rounds.empty())
                return memory_at_stop(of);
            const auto bytes = [&](result_figure figure) { return bytes_text(of.count_over_rounds(figure)); };
            return {count_text(of, &transforms_of), bytes(&pinned_bytes_of),
                    bytes(&reclaimable_bytes_of),   bytes(&transform_bytes_max_of),
                    bytes(&info_bytes_of),          count_text(of, &io_allocations_of)};
        },
        fmt::format("infos: memory of the infos of extents, which the columns before leave out. allocs: "
                    "transforms asked for in the I/O path.{}",
                    std::ranges::any_of(result.strategies, is_at_stop)
                        ? " *: it stopped, and had so many then."
                        : ""));
}

std::string bar_line(std::size_t name_width, const lab_strategy_result& of, const std::string& bar,
                     const std::string& value) {
    return fmt::format("{:<{}.{}} |{} {}\n", name_of(of), name_width, name_width, bar, value);
}

std::string throughput_chart(const lab_result& result) {
    double most = 0;
    for (const auto* row : rows_of(result))
        most = std::max(most, row->over_rounds(&iops_of).median);
    const std::size_t name_width = name_width_of(result);
    std::string text = "throughput, thousand I/Os a second\n";
    for (const auto* row : rows_of(result)) {
        const double rate = row->over_rounds(&iops_of).median;
        const bar_part whole{'#', rate};
        text += bar_line(name_width, *row, stacked_bar({&whole, 1}, most, bar_columns),
                         row->rounds.empty() ? "-" : short_number(rate / kilo));
    }
    return text + '\n';
}

double setup_ns_per_io(const io_times& where) {
    double sum = 0;
    for (const setup_part& of : setup_parts)
        sum += where.of(of.part);
    return sum;
}

// Not all of an I/O's time: what it waits for beside its key would leave nothing to see of the rest.
std::string setup_chart(const lab_result& result) {
    std::vector<double> sums;
    for (const auto* row : rows_of(result))
        sums.push_back(setup_ns_per_io(row->times()));
    const double scale = bar_scale(sums);
    const std::size_t name_width = name_width_of(result);
    std::string text = fmt::format("setting keys up, of an I/O: L look-up, D derive, K setkey, A allocate,\n"
                                   "W parked: for a transform, a keyslot or a module{}\n",
                                   std::ranges::max(sums) > scale ? "; > a bar cut short" : "");
    for (const auto* row : rows_of(result)) {
        const io_times where = row->times();
        std::vector<bar_part> parts;
        for (const setup_part& of : setup_parts)
            parts.push_back({of.letter, where.of(of.part)});
        text += bar_line(name_width, *row, stacked_bar(parts, scale, bar_columns),
                         where.ios == 0 ? "-" : time_text(setup_ns_per_io(where)));
    }
    return text + '\n';
}

// Its row cannot be read without this.
std::string engine_text(const lab_result& result) {
    const auto is_native = [](const lab_strategy_result& of) { return of.strategy->make == nullptr; };
    if (std::ranges::none_of(result.strategies, is_native))
        return {};
    return wrapped("",
                   "inline-hardware: the engine here is software, on a thread of this machine. Its hits and "
                   "its CPU an IO are the host's; its speed predicts no hardware.") +
           '\n';
}

std::string stops_text(const lab_options& options, const lab_result& result) {
    std::string text;
    for (const auto& strategy : result.strategies)
        if (strategy.stop)
            text += wrapped("", stop_text(strategy, options.strategy.memory_limit_bytes) + ".");
    return text;
}

std::string images_text(const lab_result& result) {
    const std::size_t complete = complete_strategies(result);
    if (!result.images_agree)
        return wrapped("", fmt::format("THE IMAGES DIFFER: {}.", result.first_difference));
    if (complete < 2)
        return wrapped("", "No two strategies came to an end: nothing to compare an image with.");
    return wrapped("", fmt::format("After every round the images of the {} strategies that finished it were "
                                   "the same, byte for byte.",
                                   complete));
}

// A block for each strategy that is none of the eleven.
std::string pairs_text(const lab_result& result) {
    const table_layout layout{name_width_of(result), {24, 13}};
    const lab_strategy_result* own = nullptr;
    std::string text;
    for (const auto& pair : own_pairs(result)) {
        if (pair.strategy != own)
            text += '\n' +
                    wrapped("", fmt::format("{} beside the others, in the same rounds",
                                            name_of(*pair.strategy))) +
                    layout.row("against", cells{"ratio of IOPS", "it is"});
        own = pair.strategy;
        text += layout.row(name_of(*pair.to), cells{ratio_text(*pair.strategy, *pair.to, &iops_of),
                                                    std::string(pair.verdict())});
    }
    return text;
}

std::string verdict_text(const claim_finding& claim) {
    return fmt::format("{}: {}.", claim_verdict_names[static_cast<std::size_t>(claim.verdict)], claim.says);
}

// Those that strategies are missing for in one line.
std::string claims_text(std::span<const claim_finding> claims) {
    std::string text;
    std::vector<std::string_view> left_out;
    for (const auto& claim : claims)
        if (claim.lacks_strategies)
            left_out.push_back(claim.claim);
        else
            text += '\n' + wrapped(fmt::format("{}  ", claim.claim), verdict_text(claim)) +
                    wrapped("    ", claim.shows);
    if (!left_out.empty())
        text += '\n' + wrapped("", fmt::format("{}: their strategies were not run (--strategies).",
                                               fmt::join(left_out, ", ")));
    return text;
}

} // namespace

std::string lab_text(const lab_options& options, const lab_result& result,
                     std::span<const claim_finding> claims) {
    return to_ascii(header_text(options, result) + speed_table(result) + latency_table(result) +
                    time_table(result) + memory_table(result) + throughput_chart(result) +
                    setup_chart(result) + engine_text(result) + stops_text(options, result) +
                    images_text(result) + pairs_text(result) + claims_text(claims));
}

} // namespace blkcrypto::bench
