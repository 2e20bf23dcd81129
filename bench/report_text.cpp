// SPDX-License-Identifier: Apache-2.0
#include "bench/report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace blkcrypto::bench {
namespace {

constexpr double mib = 1024 * 1024;
constexpr double ns_per_us = 1000;
constexpr double near_control = 0.9; // less of its throughput is more than noise

// A figure with its quartiles: as many digits after the point as make three or so in all.
std::string figure_text(const spread& figure, double unit) {
    const double median = figure.median / unit;
    const int digits = median >= 100 ? 0 : median >= 10 ? 1 : median >= 1 ? 2 : 3;
    return fmt::format("{:.{}f} ({:.{}f}-{:.{}f})", median, digits, figure.p25 / unit, digits,
                       figure.p75 / unit, digits);
}

using path_columns = std::vector<const path_measurement*>;

// A table with a column for each of them.
class path_table {
  public:
    explicit path_table(const path_columns& paths) : paths_(paths) {}

    template <typename TextOfPath>
    void row(std::string_view label, TextOfPath text_of) {
        std::string line = fmt::format("{:<22}", label);
        for (const auto* path : paths_)
            line += fmt::format(" {:>25}", text_of(*path));
        text_ += line + '\n';
    }
    void name_row(std::string_view label) {
        row(label, [](const path_measurement& path) { return name_of(path.subject.kind); });
    }
    void figure_row(std::string_view label, double round_figures::*figure, double unit) {
        row(label, [&](const path_measurement& path) { return figure_text(path.over_rounds(figure), unit); });
    }
    void ratio_row(std::string_view label, double round_figures::*figure, const path_measurement& control) {
        row(label, [&](const path_measurement& path) {
            return &path == &control ? "1" : figure_text(path.ratio_to(control, figure), 1);
        });
    }
    void keyslot_row(std::string_view label, std::uint64_t keyslot_counters::*counter) {
        row(label, [&](const path_measurement& path) {
            return path.subject.kind == path_kind::plain ? "-" : std::to_string(path.keyslots.*counter);
        });
    }
    void blank() { text_ += '\n'; }
    std::string take() { return std::move(text_); }

  private:
    const path_columns& paths_;
    std::string text_;
};

std::string table_text(const path_columns& paths, const path_measurement* control) {
    path_table table(paths);
    table.name_row("median (p25-p75)");
    table.figure_row("throughput, MiB/s", &round_figures::bytes_per_s, mib);
    table.figure_row("IOPS", &round_figures::iops, 1);
    table.figure_row("latency p50, us", &round_figures::p50_ns, ns_per_us);
    table.figure_row("latency p99, us", &round_figures::p99_ns, ns_per_us);
    table.figure_row("latency p99.9, us", &round_figures::p999_ns, ns_per_us);
    table.figure_row("host CPU, s/GiB", &round_figures::host_cpu_s_per_gib, 1);
    table.figure_row("engine CPU, s/GiB", &round_figures::engine_cpu_s_per_gib, 1);
    if (control != nullptr) {
        table.ratio_row("throughput / plain", &round_figures::bytes_per_s, *control);
        table.ratio_row("host CPU / plain", &round_figures::host_cpu_s_per_gib, *control);
    }
    table.blank();
    table.name_row("keyslots, all rounds");
    table.keyslot_row("hits", &keyslot_counters::hits);
    table.keyslot_row("misses", &keyslot_counters::misses);
    table.keyslot_row("evictions", &keyslot_counters::evictions);
    table.keyslot_row("waits", &keyslot_counters::waits);
    return table.take();
}

// Those of a mode and the plain one, in the order asked for.
path_columns columns_of(const compare_options& options, const compare_result& result,
                        const crypto_mode_info* mode) {
    path_columns columns;
    for (const auto kind : options.paths)
        for (const auto& path : result.paths)
            if (path.subject.kind == kind && (path.subject.mode == nullptr || path.subject.mode == mode))
                columns.push_back(&path);
    return columns;
}

std::string mode_text(const mode_result& mode) {
    return fmt::format("{} ({})", mode.info->name, mode.implementation);
}

std::string tables_text(const compare_options& options, const compare_result& result) {
    const auto* control = find_control(result.paths);
    if (!options.has_encrypted_path() || !options.has_several_modes())
        return table_text(columns_of(options, result, options.modes.front()), control) + '\n';
    std::string text;
    for (const auto& mode : result.modes)
        text += fmt::format("{}\n{}\n", mode_text(mode),
                            table_text(columns_of(options, result, mode.info), control));
    return text;
}

std::string keyslots_in_words(const engine_profile& engine) {
    return engine.keyslots == 0 ? "no keyslots, the key is in each command"
                                : fmt::format("{} keyslots", engine.keyslots);
}

std::string workload_text(const compare_options& options) {
    const workload_options& workload = options.workload;
    const std::string mix =
        workload.pattern == access_pattern::randrw ? fmt::format(" ({} % reads)", workload.read_percent) : "";
    return fmt::format("{}{}, blocks of {} bytes, {} in flight{}, {} job{}; images of {:.6g} MiB\n",
                       access_pattern_names[static_cast<std::size_t>(workload.pattern)], mix,
                       workload.block_bytes, workload.depth, workload.nomerges ? ", never merged" : "",
                       workload.jobs, workload.jobs == 1 ? "" : "s",
                       static_cast<double>(options.stripes.size_bytes()) / mib);
}

// Several modes are named above their tables.
std::string encryption_text(const compare_options& options, const compare_result& result) {
    const bool has_several = options.has_several_modes();
    const key_stripes& stripes = options.stripes;
    return fmt::format(
        "{}data units of {} bytes, their numbers counted through the image\n"
        "{} benchmark key{}{} made from the seed (not secret), each for a stripe of {} bytes\n",
        has_several ? "" : mode_text(result.modes.front()) + "\n", stripes.unit_size().bytes(),
        stripes.keys(), stripes.keys() == 1 ? "" : "s", has_several ? " a mode" : "", stripes.stripe_bytes());
}

std::string engine_text(const compare_options& options) {
    const stack_options& stack = options.stack;
    const bool is_substitute = options.engine_is_usual && stack.engine.name != usual_engine;
    return fmt::format(
        "engine {}, {}, on {} thread{}; fallback decrypts on {}\n{}", stack.engine.name,
        keyslots_in_words(stack.engine), stack.engine_threads, stack.engine_threads == 1 ? "" : "s",
        stack.decrypt_workers == 0 ? "the jobs' threads" : fmt::format("{} workers", stack.decrypt_workers),
        is_substitute ? fmt::format("        ({}, the usual engine, lacks a mode)\n", usual_engine) : "");
}

std::string header_text(const compare_options& options, const compare_result& result) {
    // All images are in one folder: what is done with the first is done with all.
    const std::string image_io = fmt::format(
        "image I/O {} (--image-io {})\n", name_of(result.paths.front().io), name_of(options.stack.image_io));
    const std::string rounds =
        fmt::format("{} interleaved round{} of {:.3g} s a path{}; seed {}\n", options.rounds,
                    options.rounds == 1 ? "" : "s", static_cast<double>(options.slice_ns()) / 1e9,
                    options.has_several_modes() ? " and mode" : "", options.workload.seed);
    const machine_info& machine = result.machine;
    return workload_text(options) + image_io + encryption_text(options, result) + engine_text(options) +
           rounds +
           fmt::format("{}, {} cores, Linux {}\n\n", machine.cpu_model, machine.cores, machine.kernel);
}

// Around a list of what is of each mode: several are on a line of their own.
std::string_view gap_of(const compare_options& options) {
    return options.has_several_modes() ? "\n        " : " ";
}

std::string ciphers_text(std::span<const mode_result> modes) {
    std::vector<std::string> ciphers;
    for (const auto& mode : modes)
        if (mode.cipher_gb_per_s)
            ciphers.push_back(fmt::format("{} {:.3g}", mode.info->name, mode.cipher_gb_per_s->median));
    return ciphers.empty() ? "no cipher" : fmt::format("{} GB/s", fmt::join(ciphers, ", "));
}

std::string controls_text(const compare_options& options, const compare_result& result) {
    const control_figures& controls = result.controls;
    const std::string_view gap = gap_of(options);
    return fmt::format("Controls, one thread each: memcpy {:.3g} GB/s,{}{},{}in blocks of {} bytes;\n"
                       "        null device {:.3g} million bios/s, {} in flight.\n",
                       controls.memcpy_gb_per_s.median, gap, ciphers_text(result.modes), gap,
                       controls.block_bytes, controls.null_device_mbios_per_s.median, options.workload.depth);
}

std::string_view cost_of(path_kind kind) {
    return kind == path_kind::inline_engine ? "the engine model and the hand-over to its thread cost the rest"
                                            : "software encryption costs the rest";
}

// Of one path: with which modes the image file limits it, and with which something else does.
std::string limits_text(const compare_options& options, std::span<const path_measurement> paths,
                        const path_measurement& control, path_kind kind) {
    const bool names_mode = options.has_several_modes();
    std::vector<std::string_view> near;
    std::vector<std::string> below;
    for (const auto& path : paths) {
        if (path.subject.kind != kind)
            continue;
        const std::string_view mode = path.subject.mode->name;
        const double ratio = path.ratio_to(control, &round_figures::bytes_per_s).median;
        if (ratio >= near_control)
            near.push_back(mode);
        else
            below.push_back(names_mode ? fmt::format("{:.2f} ({})", ratio, mode)
                                       : fmt::format("{:.2f}", ratio));
    }
    std::string text;
    if (!near.empty())
        text += fmt::format("\n        It limits {}{}.", name_of(kind),
                            names_mode ? fmt::format(" with {}", fmt::join(near, ", ")) : "");
    if (!below.empty())
        text += fmt::format("\n        What limits {}, at{}{}{}of the control, is not the image file:\n"
                            "        {}.",
                            name_of(kind), gap_of(options), fmt::join(below, ", "), gap_of(options),
                            cost_of(kind));
    return text;
}

// The control is what the others cannot beat: near it the image file limits them, far below it something
// else does.
std::string control_text(const compare_options& options, std::span<const path_measurement> paths) {
    const auto* control = find_control(paths);
    if (control == nullptr)
        return "No control: without the plain path nothing says how fast the image file alone would be.\n";
    std::string text = fmt::format("Control: plain, the image file without encryption, does {:.0f} MiB/s.",
                                   control->over_rounds(&round_figures::bytes_per_s).median / mib);
    for (const auto kind : options.paths)
        if (kind != path_kind::plain)
            text += limits_text(options, paths, *control, kind);
    return text + '\n';
}

std::string inline_text(const compare_options& options) {
    if (!options.has_path(path_kind::inline_engine))
        return {};
    return "Inline: the engine here is software, so its headline is host CPU per GiB;\n"
           "        its throughput and latency on this machine's clock do not predict hardware.\n";
}

std::string verdict_text(const verify_result& verify) {
    if (!verify.error.empty())
        return fmt::format("FAILED before its end, so nothing is proven:\n        {}\n", verify.error);
    std::string text;
    if (verify.identical)
        text += fmt::format(
            "the same writes through inline and fallback left {} images ({} data units).\n        ",
            *verify.identical ? "identical" : "DIFFERENT", verify.units_compared);
    if (verify.units_checked == 0)
        text += "No unit was decrypted: reference_crypto, the independent code, does not know the mode.\n";
    else
        text += fmt::format("{} units spread over the image were decrypted by independent code\n"
                            "        (reference_crypto) and {}.\n",
                            verify.units_checked,
                            verify.passed() ? "hold what was written" : "compared with what was written");
    if (!verify.passed())
        text += fmt::format("        {} MISMATCHES, the first at offset {}.\n", verify.mismatches,
                            verify.first_mismatch.value_or(0));
    return text;
}

// Modes in a row of which the same is to be said share it.
std::string verify_text(const compare_options& options, const compare_result& result) {
    if (!options.verify)
        return "Verify: not done, as asked for.\n";
    std::vector<std::pair<std::string, std::string>> verdicts; // each with its modes
    for (const auto& mode : result.modes) {
        if (!mode.verify)
            continue;
        const std::string verdict = verdict_text(*mode.verify);
        if (verdicts.empty() || verdicts.back().first != verdict)
            verdicts.emplace_back(verdict, mode.info->name);
        else
            verdicts.back().second += fmt::format(", {}", mode.info->name);
    }
    std::string text;
    for (const auto& [verdict, modes] : verdicts)
        text += options.has_several_modes() ? fmt::format("Verify, {}:\n        {}", modes, verdict)
                                            : "Verify: " + verdict;
    return text;
}

std::string errors_text(std::span<const path_measurement> paths) {
    std::string text;
    for (const auto& path : paths)
        if (path.errors != 0)
            text += fmt::format("I/O errors: {} on {}\n", path.errors, path.subject.image);
    return text;
}

} // namespace

std::string report_text(const compare_options& options, const compare_result& result) {
    return header_text(options, result) + tables_text(options, result) + controls_text(options, result) +
           control_text(options, result.paths) + inline_text(options) + verify_text(options, result) +
           errors_text(result.paths);
}

} // namespace blkcrypto::bench
