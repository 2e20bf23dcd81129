// SPDX-License-Identifier: Apache-2.0
#include "bench/report.hpp"

#include "blkcrypto/cipher/skcipher.hpp"
#include "blkcrypto/tools/cli/json_output.hpp"

#include <cmath>
#include <fmt/format.h>
#include <fstream>
#include <sys/utsname.h>
#include <thread>

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

// A table with a column for each path.
class path_table {
  public:
    explicit path_table(std::span<const path_measurement> paths) : paths_(paths) {}

    template <typename TextOfPath>
    void row(std::string_view label, TextOfPath text_of) {
        std::string line = fmt::format("{:<22}", label);
        for (const auto& path : paths_)
            line += fmt::format(" {:>25}", text_of(path));
        text_ += line + '\n';
    }
    void figure_row(std::string_view label, double round_figures::*figure, double unit) {
        row(label, [&](const path_measurement& path) { return figure_text(path.over_rounds(figure), unit); });
    }
    void ratio_row(std::string_view label, double round_figures::*figure, const path_measurement& control) {
        row(label, [&](const path_measurement& path) {
            return path.kind == control.kind ? "1" : figure_text(path.ratio_to(control, figure), 1);
        });
    }
    void keyslot_row(std::string_view label, std::uint64_t keyslot_counters::*counter) {
        row(label, [&](const path_measurement& path) {
            return path.kind == path_kind::plain ? "-" : std::to_string(path.keyslots.*counter);
        });
    }
    void blank() { text_ += '\n'; }
    std::string take() { return std::move(text_); }

  private:
    std::span<const path_measurement> paths_;
    std::string text_;
};

std::string tables_text(std::span<const path_measurement> paths) {
    path_table table(paths);
    table.row("median (p25-p75)",
              [](const path_measurement& path) { return std::string(name_of(path.kind)); });
    table.figure_row("throughput, MiB/s", &round_figures::bytes_per_s, mib);
    table.figure_row("IOPS", &round_figures::iops, 1);
    table.figure_row("latency p50, us", &round_figures::p50_ns, ns_per_us);
    table.figure_row("latency p99, us", &round_figures::p99_ns, ns_per_us);
    table.figure_row("latency p99.9, us", &round_figures::p999_ns, ns_per_us);
    table.figure_row("host CPU, s/GiB", &round_figures::host_cpu_s_per_gib, 1);
    table.figure_row("engine CPU, s/GiB", &round_figures::engine_cpu_s_per_gib, 1);
    if (const auto* control = find_control(paths)) {
        table.ratio_row("throughput / plain", &round_figures::bytes_per_s, *control);
        table.ratio_row("host CPU / plain", &round_figures::host_cpu_s_per_gib, *control);
    }
    table.blank();
    table.row("keyslots, all rounds",
              [](const path_measurement& path) { return std::string(name_of(path.kind)); });
    table.keyslot_row("hits", &keyslot_counters::hits);
    table.keyslot_row("misses", &keyslot_counters::misses);
    table.keyslot_row("evictions", &keyslot_counters::evictions);
    table.keyslot_row("waits", &keyslot_counters::waits);
    return table.take();
}

std::string_view implementation_name(const compare_options& options) {
    const auto* implementation = selected_implementation(options.mode->mode);
    return implementation != nullptr ? implementation->name : "none";
}

std::string keyslots_in_words(const engine_profile& engine) {
    return engine.keyslots == 0 ? "no keyslots, the key is in each command"
                                : fmt::format("{} keyslots", engine.keyslots);
}

std::string header_text(const compare_options& options, const compare_result& result) {
    const workload_options& workload = options.workload;
    const std::string mix =
        workload.pattern == access_pattern::randrw ? fmt::format(" ({} % reads)", workload.read_percent) : "";
    std::string text = fmt::format(
        "{}{}, blocks of {} bytes, {} in flight{}, {} job{}; images of {:.6g} MiB\n",
        access_pattern_names[static_cast<std::size_t>(workload.pattern)], mix, workload.block_bytes,
        workload.depth, workload.nomerges ? ", never merged" : "", workload.jobs,
        workload.jobs == 1 ? "" : "s", static_cast<double>(options.stripes.size_bytes()) / mib);
    // All images are in one folder: what is done with the first is done with all.
    text += fmt::format("image I/O {} (--image-io {})\n", name_of(result.paths.front().io),
                        name_of(options.stack.image_io));
    text +=
        fmt::format("{} ({}), data units of {} bytes, their numbers counted through the image\n",
                    options.mode->name, implementation_name(options), options.stripes.unit_size().bytes());
    text += fmt::format("{} benchmark key{} made from the seed (not secret), each for a stripe of {} bytes\n",
                        options.stripes.keys(), options.stripes.keys() == 1 ? "" : "s",
                        options.stripes.stripe_bytes());
    text += fmt::format("engine {}, {}, on {} thread{}; fallback decrypts on {}\n", options.stack.engine.name,
                        keyslots_in_words(options.stack.engine), options.stack.engine_threads,
                        options.stack.engine_threads == 1 ? "" : "s",
                        options.stack.decrypt_workers == 0
                            ? "the jobs' threads"
                            : fmt::format("{} workers", options.stack.decrypt_workers));
    text += fmt::format("{} interleaved round{} of {:.3g} s a path; seed {}\n", options.rounds,
                        options.rounds == 1 ? "" : "s", static_cast<double>(options.slice_ns()) / 1e9,
                        workload.seed);
    const machine_info& machine = result.machine;
    return text + fmt::format("{}, {} cores, Linux {}\n\n", machine.cpu_model, machine.cores, machine.kernel);
}

std::string controls_text(const compare_options& options, const control_figures& controls) {
    const std::string cipher = controls.cipher_gb_per_s ? fmt::format("{} {:.3g} GB/s", options.mode->name,
                                                                      controls.cipher_gb_per_s->median)
                                                        : "no cipher";
    return fmt::format("Controls, one thread each: memcpy {:.3g} GB/s, {}, in blocks of {} bytes;\n"
                       "        null device {:.3g} million bios/s, {} in flight.\n",
                       controls.memcpy_gb_per_s.median, cipher, controls.block_bytes,
                       controls.null_device_mbios_per_s.median, options.workload.depth);
}

std::string_view cost_of(path_kind kind) {
    return kind == path_kind::inline_engine ? "the engine model and the hand-over to its thread cost the rest"
                                            : "software encryption costs the rest";
}

// The control is what the others cannot beat: near it the image file limits them, far below it something
// else does.
std::string control_text(std::span<const path_measurement> paths) {
    const auto* control = find_control(paths);
    if (control == nullptr)
        return "No control: without the plain path nothing says how fast the image file alone would be.\n";
    std::string text = fmt::format("Control: plain, the image file without encryption, does {:.0f} MiB/s.",
                                   control->over_rounds(&round_figures::bytes_per_s).median / mib);
    for (const auto& path : paths) {
        if (path.kind == control->kind)
            continue;
        const double ratio = path.ratio_to(*control, &round_figures::bytes_per_s).median;
        if (ratio >= near_control)
            text += fmt::format("\n        It limits {}.", name_of(path.kind));
        else
            text += fmt::format("\n        What limits {}, at {:.2f} of the control, is not the image file:\n"
                                "        {}.",
                                name_of(path.kind), ratio, cost_of(path.kind));
    }
    return text + '\n';
}

std::string inline_text(const compare_options& options) {
    if (!options.has_path(path_kind::inline_engine))
        return {};
    return "Inline: the engine here is software, so its headline is host CPU per GiB;\n"
           "        its throughput and latency on this machine's clock do not predict hardware.\n";
}

std::string verify_text(const verify_result& verify) {
    if (!verify.error.empty())
        return fmt::format("Verify: FAILED before its end, so nothing is proven:\n        {}\n",
                           verify.error);
    std::string text = "Verify: ";
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

std::string errors_text(std::span<const path_measurement> paths) {
    std::string text;
    for (const auto& path : paths)
        if (path.errors != 0)
            text += fmt::format("I/O errors: {} on {}\n", path.errors, path.image);
    return text;
}

nlohmann::ordered_json path_json(const compare_options& options, const path_measurement& path,
                                 const path_measurement* control) {
    nlohmann::ordered_json json{
        {"path", name_of(path.kind)},
        {"image", path.image},
        {"image_io", name_of(path.io)},
        {"mode", options.mode->name},
        {"direction", access_pattern_names[static_cast<std::size_t>(options.workload.pattern)]}};
    nlohmann::ordered_json quartiles;
    const auto add = [&](const char* name, const spread& figure) {
        json[name] = figure.median;
        quartiles[name] = {figure.p25, figure.p75};
    };
    const auto add_whole = [&](const char* name, const spread& figure) {
        json[name] = std::llround(figure.median);
        quartiles[name] = {std::llround(figure.p25), std::llround(figure.p75)};
    };
    add_whole("bytes_per_s", path.over_rounds(&round_figures::bytes_per_s));
    add("iops", path.over_rounds(&round_figures::iops));
    add_whole("p50_ns", path.over_rounds(&round_figures::p50_ns));
    add_whole("p99_ns", path.over_rounds(&round_figures::p99_ns));
    add_whole("p999_ns", path.over_rounds(&round_figures::p999_ns));
    add("host_cpu_s_per_gib", path.over_rounds(&round_figures::host_cpu_s_per_gib));
    add("engine_cpu_s_per_gib", path.over_rounds(&round_figures::engine_cpu_s_per_gib));
    json["keyslots"] = {{"hits", path.keyslots.hits},
                        {"misses", path.keyslots.misses},
                        {"evictions", path.keyslots.evictions},
                        {"waits", path.keyslots.waits}};
    json["ratio_to_plain"] = nullptr;
    json["host_cpu_ratio_to_plain"] = nullptr;
    if (control != nullptr) {
        add("ratio_to_plain", path.ratio_to(*control, &round_figures::bytes_per_s));
        add("host_cpu_ratio_to_plain", path.ratio_to(*control, &round_figures::host_cpu_s_per_gib));
    }
    json["spread"] = quartiles;
    json["errors"] = path.errors;
    return json;
}

// A whole number where it is one, as it is typed.
nlohmann::ordered_json runtime_json(std::chrono::milliseconds runtime) {
    if (runtime % std::chrono::seconds(1) == std::chrono::milliseconds(0))
        return runtime / std::chrono::seconds(1);
    return std::chrono::duration<double>(runtime).count();
}

nlohmann::ordered_json options_json(const compare_options& options) {
    const workload_options& workload = options.workload;
    nlohmann::ordered_json json{{"filename", options.image},
                                {"size_bytes", options.stripes.size_bytes()},
                                {"rw", access_pattern_names[static_cast<std::size_t>(workload.pattern)]},
                                {"rwmixread", workload.read_percent},
                                {"bs_bytes", workload.block_bytes},
                                {"iodepth", workload.depth},
                                {"nomerges", workload.nomerges},
                                {"numjobs", workload.jobs},
                                {"runtime_s", runtime_json(options.runtime)},
                                {"rounds", options.rounds},
                                {"mode", options.mode->name},
                                {"implementation", implementation_name(options)},
                                {"data_unit_size", options.stripes.unit_size().bytes()},
                                {"dun_bytes", options.stripes.dun_bytes()},
                                {"keys", options.stripes.keys()},
                                {"stripe_bytes", options.stripes.stripe_bytes()},
                                {"engine", options.stack.engine.name},
                                {"engine_keyslots", options.stack.engine.keyslots},
                                {"engine_threads", options.stack.engine_threads},
                                {"decrypt_workers", options.stack.decrypt_workers},
                                {"image_io", name_of(options.stack.image_io)},
                                {"seed", workload.seed},
                                {"verify", options.verify}};
    for (const auto kind : options.paths)
        json["paths"].push_back(name_of(kind));
    return json;
}

template <typename T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
    return value ? nlohmann::ordered_json(*value) : nullptr;
}

nlohmann::ordered_json controls_json(const control_figures& controls) {
    const auto quartiles = [](const spread& figure) {
        return nlohmann::ordered_json{figure.p25, figure.p75};
    };
    nlohmann::ordered_json json{{"threads", 1},
                                {"block_bytes", controls.block_bytes},
                                {"memcpy_gb_per_s", controls.memcpy_gb_per_s.median},
                                {"cipher_gb_per_s", nullptr},
                                {"null_device_mbios_per_s", controls.null_device_mbios_per_s.median}};
    json["spread"] = {{"memcpy_gb_per_s", quartiles(controls.memcpy_gb_per_s)},
                      {"null_device_mbios_per_s", quartiles(controls.null_device_mbios_per_s)}};
    if (controls.cipher_gb_per_s) {
        json["cipher_gb_per_s"] = controls.cipher_gb_per_s->median;
        json["spread"]["cipher_gb_per_s"] = quartiles(*controls.cipher_gb_per_s);
    }
    return json;
}

nlohmann::ordered_json verify_json(const verify_result& verify) {
    return {{"identical", or_null(verify.identical)},
            {"units_compared", verify.units_compared},
            {"units_checked", verify.units_checked},
            {"mismatches", verify.mismatches},
            {"first_mismatch_offset", or_null(verify.first_mismatch)},
            {"error",
             verify.error.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(verify.error)}};
}

std::string cpu_model() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);)
        if (line.starts_with("model name") && line.find(": ") != std::string::npos)
            return line.substr(line.find(": ") + 2);
    return "unknown CPU";
}

} // namespace

machine_info this_machine() {
    utsname system{};
    uname(&system);
    return {cpu_model(), system.release, std::thread::hardware_concurrency()};
}

std::string report_text(const compare_options& options, const compare_result& result) {
    std::string text = header_text(options, result) + tables_text(result.paths) + '\n';
    text += controls_text(options, result.controls) + control_text(result.paths) + inline_text(options);
    if (result.verify)
        text += verify_text(*result.verify);
    else if (!options.verify)
        text += "Verify: not done, as asked for.\n";
    return text + errors_text(result.paths);
}

nlohmann::ordered_json report_json(const compare_options& options, const compare_result& result) {
    auto document = cli::make_document("blkbench.compare", 1);
    document["options"] = options_json(options);
    document["machine"] = {{"cpu", result.machine.cpu_model},
                           {"kernel", result.machine.kernel},
                           {"cores", result.machine.cores}};
    document["controls"] = controls_json(result.controls);
    for (const auto& path : result.paths)
        document["paths"].push_back(path_json(options, path, find_control(result.paths)));
    document["verify"] = result.verify ? verify_json(*result.verify) : nlohmann::ordered_json(nullptr);
    return document;
}

} // namespace blkcrypto::bench
