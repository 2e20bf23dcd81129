// SPDX-License-Identifier: Apache-2.0
// The report as JSON. No key is in it, only the seed that benchmark keys are made of.
#include "bench/lab/lab_report.hpp"

#include "bench/lab/lab_figures.hpp"
#include "blkcrypto/cipher/skcipher.hpp"
#include "blkcrypto/tools/cli/json_output.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <cmath>

namespace blkcrypto::bench {
namespace {

using json = nlohmann::ordered_json;
using round_figure = double (*)(const lab_turn_result&);

constexpr std::array<std::string_view, 4> access_names{"uniform", "sequential", "zipf", "trace"};

json spread_json(const spread& figure) {
    return {{"median", figure.median}, {"p25", figure.p25}, {"p75", figure.p75}};
}

json text_or_null(std::string_view text) {
    return text.empty() ? json(nullptr) : json(text);
}

json modes_json(std::span<const crypto_mode_info* const> modes) {
    auto array = json::array();
    for (const auto* mode : modes) {
        const auto* implementation = selected_implementation(mode->mode);
        array.push_back(
            {{"mode", mode->name},
             {"implementation", implementation == nullptr ? json(nullptr) : json(implementation->name)}});
    }
    return array;
}

json access_json(const access_options& access) {
    json described{{"kind", access_names[static_cast<std::size_t>(access.kind)]},
                   {"skew", nullptr},
                   {"trace_entries", nullptr},
                   {"read_percent", access.read_percent}};
    if (access.kind == access_kind::zipf)
        described["skew"] = access.skew;
    if (access.kind == access_kind::trace)
        described["trace_entries"] = access.trace.size();
    return described;
}

void add_workload(json& options, const lab_workload_options& workload) {
    options["access"] = access_json(workload.access);
    options["iodepth"] = workload.depth;
    options["numjobs"] = workload.jobs;
    options["ios"] = workload.ios == 0 ? json(nullptr) : json(workload.ios);
    options["runtime_ms"] = workload.ios == 0 ? json(workload.runtime_ms) : json(nullptr);
    options["rounds"] = workload.rounds;
    options["seed"] = workload.seed;
}

json options_json(const lab_options& options) {
    const auto& image = options.image;
    json described{{"filename", text_or_null(image.path)},
                   {"files", image.files},
                   {"extents_per_file", image.extents_per_file},
                   {"extents", image.extents()},
                   {"bs_bytes", image.extent_bytes},
                   {"keys", image.master_keys},
                   {"modes", modes_json(image.modes)}};
    add_workload(described, options.workload);
    described["pool_size"] = options.strategy.pool_size;
    described["keyslots"] = options.strategy.keyslots;
    described["engine"] = options.engine.name;
    described["engine_keyslots"] = options.engine.keyslots;
    described["memory_limit_bytes"] = options.strategy.memory_limit_bytes;
    described["derived_key_cache"] = options.derived_keys;
    described["extent_infos"] = options.extent_infos;
    described["record"] = text_or_null(options.record);
    for (const auto* strategy : options.strategies)
        described["strategies"].push_back(strategy->name);
    return described;
}

json steps_json(const lab_step_costs& steps) {
    return {{"derive_ns", steps.derive_ns},
            {"setkey_ns", steps.setkey_ns},
            {"allocate_ns", steps.allocate_ns},
            {"cipher_ns", steps.cipher_ns}};
}

// Nanoseconds of an I/O; null if none was looked into.
json attribution_json(const io_times& where) {
    if (where.ios == 0)
        return nullptr;
    json described{{"ios", where.ios}, {"whole", where.whole_ns}};
    for (std::size_t part = 0; part < io_part_count; ++part)
        described[std::string(io_part_names[part])] = where.part_ns[part];
    described["setups"] = where.setups;
    described["setup_derive"] = where.setup_derive_ns;
    described["setup_setkey"] = where.setup_setkey_ns;
    described["setup_allocate"] = where.setup_allocate_ns;
    return described;
}

json stop_json(const std::optional<lab_stop>& stop) {
    if (!stop)
        return nullptr;
    return {{"where", stop->where},
            {"errno", cli::errno_name(stop->error.value())},
            {"at_memory_limit", stop->at_memory_limit},
            {"transforms", stop->transforms},
            {"transform_bytes", stop->transform_bytes}};
}

struct named_figure {
    const char* name;
    round_figure figure;
};

constexpr std::array spread_figures{named_figure{"iops", &iops_of},
                                    named_figure{"bytes_per_s", &bytes_per_s_of}};

// Medians of the rounds.
constexpr std::array time_figures{named_figure{"open_ns_per_file", &open_ns_of},
                                  named_figure{"open_ns_max", &open_max_ns_of},
                                  named_figure{"first_byte_ns", &first_byte_ns_of},
                                  named_figure{"p50_ns", &p50_ns_of},
                                  named_figure{"p99_ns", &p99_ns_of},
                                  named_figure{"p999_ns", &p999_ns_of}};

// The same, of a round.
constexpr std::array count_figures{named_figure{"ios", &ios_of},
                                   named_figure{"transforms", &transforms_of},
                                   named_figure{"pinned_bytes", &pinned_bytes_of},
                                   named_figure{"reclaimable_bytes", &reclaimable_bytes_of},
                                   named_figure{"transform_bytes_max", &transform_bytes_max_of},
                                   named_figure{"info_bytes", &info_bytes_of},
                                   named_figure{"io_allocations", &io_allocations_of},
                                   named_figure{"io_allocated_bytes", &io_allocated_bytes_of},
                                   named_figure{"hits", &hits_of},
                                   named_figure{"steals", &steals_of},
                                   named_figure{"misses", &misses_of},
                                   named_figure{"waits", &waits_of},
                                   named_figure{"derived_key_hits", &derived_key_hits_of},
                                   named_figure{"derived_key_misses", &derived_key_misses_of},
                                   named_figure{"modules_loaded", &modules_loaded_of},
                                   named_figure{"modules_loaded_in_io", &modules_loaded_in_io_of}};

constexpr std::array cpu_figures{named_figure{"host_cpu_s_per_gib", &host_cpu_s_per_gib_of},
                                 named_figure{"engine_cpu_s_per_gib", &engine_cpu_s_per_gib_of}};

// A whole number as one: counts and bytes, and nanoseconds, of which there is no part.
json whole_json(double median) {
    return std::llround(median);
}

void add_figures(json& described, const lab_strategy_result& of, const lab_strategy_result& control) {
    const bool has_round = !of.rounds.empty();
    const auto or_null = [&](json value) { return has_round ? std::move(value) : json(nullptr); };
    described["rounds"] = of.rounds.size();
    for (const auto& [name, figure] : spread_figures)
        described[name] = or_null(spread_json(of.over_rounds(figure)));
    described["ratio_to_single_key"] = or_null(spread_json(of.ratio_to(control, &iops_of)));
    for (const auto& [name, figure] : time_figures)
        described[name] = or_null(whole_json(of.over_rounds(figure).median));
    for (const auto& [name, figure] : count_figures)
        described[name] = or_null(whole_json(of.count_over_rounds(figure)));
    for (const auto& [name, figure] : cpu_figures)
        described[name] = or_null(of.over_rounds(figure).median);
    described["attribution"] = attribution_json(of.times());
}

json image_hashes_json(const lab_strategy_result& of) {
    auto hashes = json::array();
    for (const auto& round : of.rounds)
        hashes.push_back(text_or_null(round.image_hash));
    return hashes;
}

json strategy_json(const lab_strategy_result& of, const lab_strategy_result& control) {
    json described{
        {"strategy", of.strategy->name}, {"at_open", of.strategy->at_open}, {"in_io", of.strategy->in_io}};
    add_figures(described, of, control);
    described["image_hash"] = image_hashes_json(of);
    described["stopped"] = stop_json(of.stop);
    return described;
}

json pair_json(const strategy_pair& pair) {
    return {{"strategy", pair.strategy->strategy->name},
            {"to", pair.to->strategy->name},
            {"iops_ratio", spread_json(pair.strategy->ratio_to(*pair.to, &iops_of))},
            {"verdict", pair.verdict()}};
}

json claim_json(const claim_finding& claim) {
    return {{"claim", claim.claim},
            {"says", claim.says},
            {"shown", claim.is_shown()},
            {"verdict", claim_verdict_names[static_cast<std::size_t>(claim.verdict)]},
            {"shows", claim.shows}};
}

} // namespace

json lab_json(const lab_options& options, const lab_result& result, std::span<const claim_finding> claims) {
    auto document = cli::make_document("blkbench.strategies", 1);
    document["machine"] = {{"cpu", result.machine.cpu_model},
                           {"kernel", result.machine.kernel},
                           {"cores", result.machine.cores}};
    document["options"] = options_json(options);
    document["image"] = {
        {"bytes", result.image_bytes}, {"io", text_or_null(result.image_io)}, {"layout_s", result.layout_s}};
    document["steps"] = steps_json(result.steps);
    document["control"] = {{"strategy", result.single_key.strategy->name}};
    add_figures(document["control"], result.single_key, result.single_key);
    document["strategies"] = json::array();
    for (const auto& strategy : result.strategies)
        document["strategies"].push_back(strategy_json(strategy, result.single_key));
    if (complete_strategies(result) < 2 && result.images_agree)
        document["images_agree"] = nullptr; // with what?
    else
        document["images_agree"] = result.images_agree;
    document["first_difference"] = text_or_null(result.first_difference);
    document["pairs"] = json::array();
    for (const auto& pair : own_pairs(result))
        document["pairs"].push_back(pair_json(pair));
    document["claims"] = json::array();
    for (const auto& claim : claims)
        document["claims"].push_back(claim_json(claim));
    return document;
}

} // namespace blkcrypto::bench
