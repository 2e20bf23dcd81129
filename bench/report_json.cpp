// SPDX-License-Identifier: Apache-2.0
#include "bench/report.hpp"

#include "blkcrypto/tools/cli/json_output.hpp"

#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace blkcrypto::bench {
namespace {

std::vector<std::string_view> names_of(std::span<const crypto_mode_info* const> modes) {
    std::vector<std::string_view> names;
    for (const auto* mode : modes)
        names.push_back(mode->name);
    return names;
}

// An object for each mode.
template <typename ObjectOf>
nlohmann::ordered_json array_of(std::span<const mode_result> modes, ObjectOf object_of) {
    auto array = nlohmann::ordered_json::array();
    for (const auto& mode : modes)
        array.push_back(object_of(mode));
    return array;
}

// The plain path has the mode that it is the control of, if it is one.
nlohmann::ordered_json mode_json(const compare_options& options, const compare_subject& subject) {
    if (subject.mode == nullptr && options.has_several_modes())
        return nullptr;
    return (subject.mode == nullptr ? options.modes.front() : subject.mode)->name;
}

nlohmann::ordered_json path_json(const compare_options& options, const path_measurement& path,
                                 const path_measurement* control) {
    nlohmann::ordered_json json{
        {"path", name_of(path.subject.kind)},
        {"image", path.subject.image},
        {"image_io", name_of(path.io)},
        {"mode", mode_json(options, path.subject)},
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

nlohmann::ordered_json options_json(const compare_options& options, std::span<const mode_result> modes) {
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
                                {"mode", fmt::format("{}", fmt::join(names_of(options.modes), ","))},
                                {"implementation", nullptr},
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
    if (modes.size() == 1)
        json["implementation"] = modes.front().implementation;
    else
        json["modes"] = array_of(modes, [](const mode_result& mode) {
            return nlohmann::ordered_json{{"mode", mode.info->name}, {"implementation", mode.implementation}};
        });
    return json;
}

template <typename T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
    return value ? nlohmann::ordered_json(*value) : nullptr;
}

nlohmann::ordered_json quartiles_json(const spread& figure) {
    return {figure.p25, figure.p75};
}

// Of a cipher, as it stands among the controls.
void add_cipher(nlohmann::ordered_json& json, const mode_result& mode) {
    if (!mode.cipher_gb_per_s)
        return;
    json["cipher_gb_per_s"] = mode.cipher_gb_per_s->median;
    json["spread"]["cipher_gb_per_s"] = quartiles_json(*mode.cipher_gb_per_s);
}

nlohmann::ordered_json controls_json(const control_figures& controls, std::span<const mode_result> modes) {
    nlohmann::ordered_json json{{"threads", 1},
                                {"block_bytes", controls.block_bytes},
                                {"memcpy_gb_per_s", controls.memcpy_gb_per_s.median},
                                {"cipher_gb_per_s", nullptr},
                                {"null_device_mbios_per_s", controls.null_device_mbios_per_s.median}};
    json["spread"] = {{"memcpy_gb_per_s", quartiles_json(controls.memcpy_gb_per_s)},
                      {"null_device_mbios_per_s", quartiles_json(controls.null_device_mbios_per_s)}};
    if (modes.size() == 1)
        add_cipher(json, modes.front());
    else
        json["modes"] = array_of(modes, [](const mode_result& mode) {
            nlohmann::ordered_json of_mode{{"mode", mode.info->name}, {"cipher_gb_per_s", nullptr}};
            add_cipher(of_mode, mode);
            return of_mode;
        });
    return json;
}

nlohmann::ordered_json verdict_json(const verify_result& verify) {
    return {{"identical", or_null(verify.identical)},
            {"units_compared", verify.units_compared},
            {"units_checked", verify.units_checked},
            {"mismatches", verify.mismatches},
            {"first_mismatch_offset", or_null(verify.first_mismatch)},
            {"error",
             verify.error.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(verify.error)}};
}

// All modes are verified or none is.
nlohmann::ordered_json verify_json(std::span<const mode_result> modes) {
    if (!modes.front().verify)
        return nullptr;
    verify_result all;
    for (const auto& mode : modes)
        all.add(*mode.verify);
    auto json = verdict_json(all);
    if (modes.size() > 1)
        json["modes"] = array_of(modes, [](const mode_result& mode) {
            nlohmann::ordered_json of_mode{{"mode", mode.info->name}};
            of_mode.update(verdict_json(*mode.verify));
            return of_mode;
        });
    return json;
}

} // namespace

nlohmann::ordered_json report_json(const compare_options& options, const compare_result& result) {
    auto document = cli::make_document("blkbench.compare", 1);
    document["options"] = options_json(options, result.modes);
    document["machine"] = {{"cpu", result.machine.cpu_model},
                           {"kernel", result.machine.kernel},
                           {"cores", result.machine.cores}};
    document["controls"] = controls_json(result.controls, result.modes);
    for (const auto& path : result.paths)
        document["paths"].push_back(path_json(options, path, find_control(result.paths)));
    document["verify"] = verify_json(result.modes);
    return document;
}

} // namespace blkcrypto::bench
