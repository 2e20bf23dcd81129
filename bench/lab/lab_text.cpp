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
constexpr std::array setup_parts{setup_part{io_part::derive, 'D'}, setup_part{io_part::setkey, 'K'},
                                 setup_part{io_part::allocate, 'A'}, setup_part{io_part::wait, 'W'}};

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

// A row for each, of what `cells_of` makes of it.
template <typename CellsOf>
std::string table_text(const lab_result& result, const table_layout& layout, std::string_view name,
                       const cells& heads, CellsOf cells_of) {
    std::string text = layout.row(name, heads);
    for (const auto* row : rows_of(result))
        text += layout.row(name_of(*row), cells_of(*row));
    return text + '\n';
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

std::string header_text(const lab_options& options, const lab_result& result) {
    const auto& machine = result.machine;
    return "When does an extent get its key?\n\n" +
           wrapped("machine   ", fmt::format("{}, {}, Linux {}", machine.cpu_model,
                                             plural(machine.cores, "core"), machine.kernel)) +
           wrapped("image     ", image_text(options, result)) +
           wrapped("workload  ", workload_text(options.workload)) +
           wrapped("sizes     ", sizes_text(options)) + wrapped("steps     ", steps_text(result.steps)) +
           wrapped("", "Figures are medians of the rounds, p25-p75 in brackets; of an I/O's time, of "
                       "each part by itself. ratio: of IOPS to the "
                       "single-key control, the same I/O with a transform that is never keyed again. "
                       "CPU an IO: of the jobs' threads, without an engine's. rest: the I/O waits behind "
                       "others, of which so many are in flight, and for the filesystem.") +
           '\n';
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
        });
}

std::string latency_table(const lab_result& result) {
    const table_layout layout{name_width_of(result), {9, 9, 9, 8, 10, 10}};
    return table_text(result, layout, "latency in us", {"p50", "p99", "p99.9", "hits, %", "steals", "waits"},
                      [](const lab_strategy_result& of) -> cells {
                          const bool counts = has_tfm_use(of);
                          return {median_text(of, &p50_ns_of, ns_per_us),
                                  median_text(of, &p99_ns_of, ns_per_us),
                                  median_text(of, &p999_ns_of, ns_per_us),
                                  counts ? median_text(of, &hit_percent_of) : "-",
                                  counts ? count_text(of, &steals_of) : "-",
                                  counts ? count_text(of, &waits_of) : "-"};
                      });
}

std::string time_table(const lab_result& result) {
    const table_layout layout{name_width_of(result), std::vector<std::size_t>(io_part_count, 8)};
    cells heads(io_part_names.begin(), io_part_names.end());
    heads[static_cast<std::size_t>(io_part::allocate)] = "alloc.";
    return table_text(result, layout, "time of an I/O, us", heads, [](const lab_strategy_result& of) {
        const io_times where = of.times();
        cells parts;
        for (std::size_t part = 0; part < io_part_count; ++part) {
            const double us = where.of(static_cast<io_part>(part)) / ns_per_us;
            parts.push_back(where.ios == 0 ? "-" : fmt::format("{:.{}f}", us, us < 10 ? 3 : 1));
        }
        return parts;
    });
}

std::string memory_table(const lab_result& result) {
    const table_layout layout{name_width_of(result), {11, 12, 12, 12, 12}};
    const auto bytes = [](const lab_strategy_result& of, result_figure figure) {
        return of.rounds.empty() ? std::string("-") : bytes_text(of.count_over_rounds(figure));
    };
    return table_text(result, layout, "memory",
                      {"transforms", "pinned", "reclaimable", "at most", "I/O alloc."},
                      [&](const lab_strategy_result& of) -> cells {
                          return {count_text(of, &transforms_of), bytes(of, &pinned_bytes_of),
                                  bytes(of, &reclaimable_bytes_of), bytes(of, &transform_bytes_max_of),
                                  count_text(of, &io_allocations_of)};
                      });
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
    double most = 0;
    for (const auto* row : rows_of(result))
        most = std::max(most, setup_ns_per_io(row->times()));
    const std::size_t name_width = name_width_of(result);
    std::string text = "setting keys up, of an I/O: D derive, K setkey, A allocate, W wait for one\n";
    for (const auto* row : rows_of(result)) {
        const io_times where = row->times();
        std::vector<bar_part> parts;
        for (const setup_part& of : setup_parts)
            parts.push_back({of.letter, where.of(of.part)});
        text += bar_line(name_width, *row, stacked_bar(parts, most, bar_columns),
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

std::string claims_text(std::span<const claim_finding> claims) {
    std::string text;
    for (const auto& claim : claims)
        text += '\n' + wrapped(fmt::format("{}  ", claim.claim), fmt::format("{}.", claim.says)) +
                wrapped("    ", claim.shows);
    return text;
}

} // namespace

std::string lab_text(const lab_options& options, const lab_result& result,
                     std::span<const claim_finding> claims) {
    return to_ascii(header_text(options, result) + speed_table(result) + latency_table(result) +
                    time_table(result) + memory_table(result) + throughput_chart(result) +
                    setup_chart(result) + engine_text(result) + stops_text(options, result) +
                    images_text(result) + claims_text(claims));
}

} // namespace blkcrypto::bench
