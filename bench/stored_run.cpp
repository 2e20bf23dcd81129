// SPDX-License-Identifier: Apache-2.0
#include "bench/stored_run.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace blkcrypto::bench {
namespace {

using json = nlohmann::json;

constexpr unsigned known_version = 1;
constexpr double mib = 1024 * 1024;
constexpr double ns_per_us = 1000;
constexpr unsigned rounds_min = 5;

// What is wrong with the text; caught in parse_stored_run().
struct malformed {
    std::string why;
};

bool can_be_shown(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

// Looks nothing up in what is no object.
const json& field(const json& object, std::string_view name) {
    static const json nothing;
    if (!object.is_object())
        return nothing;
    const auto found = object.find(name);
    return found == object.end() ? nothing : *found;
}

std::string text_of(const json& object, std::string_view name) {
    const json& value = field(object, name);
    if (!value.is_string())
        throw malformed{fmt::format("no text as \"{}\"", name)};
    const auto& text = value.get_ref<const std::string&>();
    if (text.empty() || text.size() > stored_run::name_bytes_max || !can_be_shown(text))
        throw malformed{fmt::format("the text of \"{}\" cannot be shown", name)};
    return text;
}

double number_of(const json& value, std::string_view name) {
    if (!value.is_number() || !std::isfinite(value.get<double>()))
        throw malformed{fmt::format("no number as \"{}\"", name)};
    return value.get<double>();
}

const json& list_of(const json& object, std::string_view name) {
    const json& value = field(object, name);
    if (!value.is_array() || value.size() > stored_run::figures_max)
        throw malformed{fmt::format("no list as \"{}\", or too long a one", name)};
    return value;
}

spread checked_spread(const std::string& name, double median, double p25, double p75) {
    if (p25 > median || median > p75)
        throw malformed{fmt::format("{}: the quartiles are not around the median", name)};
    return {median, p25, p75};
}

// A number or a word, as it is written.
std::string fact_text(const json& value) {
    std::string text;
    if (value.is_string())
        text = value.get<std::string>();
    else if (value.is_primitive())
        text = value.dump();
    if (text.size() > stored_run::name_bytes_max || !can_be_shown(text))
        return "something that cannot be shown";
    return text;
}

// Quartiles of less are no spread: with one round any difference would be beyond it.
void check_rounds(const json& options) {
    const json& rounds = field(options, "rounds");
    if (rounds.is_number() && rounds.get<double>() < rounds_min)
        throw malformed{
            fmt::format("{} rounds, of which no spread can be told: it takes {}", rounds.dump(), rounds_min)};
}

// If it is there: an older run may lack it.
void add_fact(std::vector<stored_fact>& facts, const stored_subject& of, const json& object,
              std::string_view name) {
    if (const json& value = field(object, name); !value.is_null())
        facts.push_back({of, std::string(name), fact_text(value)});
}

void add_facts(std::vector<stored_fact>& facts, const json& object, std::span<const std::string_view> names) {
    for (const auto name : names)
        add_fact(facts, {}, object, name);
}

void add_machine(stored_run& run, const json& document) {
    constexpr std::array<std::string_view, 3> names{"cpu", "cores", "kernel"};
    add_facts(run.setting, field(document, "machine"), names);
}

// "adiantum fallback"; what there is of it.
std::string text_of(const stored_subject& subject, bool names_mode) {
    if (!names_mode || subject.mode.empty())
        return subject.name;
    return subject.name.empty() ? subject.mode : fmt::format("{} {}", subject.mode, subject.name);
}

// --- blkbench.compare ---

struct known_figure {
    std::string_view field;
    std::string_view name;
    double unit;
    better_when better;
    bool is_ratio;
};

constexpr std::array path_figures{
    known_figure{"ratio_to_plain", "throughput / plain", 1, better_when::higher, true},
    known_figure{"host_cpu_ratio_to_plain", "host CPU / plain", 1, better_when::lower, true},
    known_figure{"bytes_per_s", "throughput, MiB/s", mib, better_when::higher, false},
    known_figure{"iops", "IOPS", 1, better_when::higher, false},
    known_figure{"p50_ns", "latency p50, us", ns_per_us, better_when::lower, false},
    known_figure{"p99_ns", "latency p99, us", ns_per_us, better_when::lower, false},
    known_figure{"p999_ns", "latency p99.9, us", ns_per_us, better_when::lower, false},
    known_figure{"host_cpu_s_per_gib", "host CPU, s/GiB", 1, better_when::lower, false},
    known_figure{"engine_cpu_s_per_gib", "engine CPU, s/GiB", 1, better_when::lower, false},
};
constexpr std::array machine_controls{
    known_figure{"memcpy_gb_per_s", "memcpy, GB/s", 1, better_when::higher, false},
    known_figure{"null_device_mbios_per_s", "null device, 10^6 bios/s", 1, better_when::higher, false},
};
constexpr std::array mode_controls{
    known_figure{"cipher_gb_per_s", "cipher, GB/s", 1, better_when::higher, false},
};

// Those that are there: without the plain path ratios are null, without the mode the cipher is.
void add_known_figures(stored_run& run, const stored_subject& of, const json& object,
                       std::span<const known_figure> known) {
    for (const auto& figure : known) {
        const json& median = field(object, figure.field);
        if (median.is_null())
            continue;
        const json& quartiles = field(field(object, "spread"), figure.field);
        if (!quartiles.is_array() || quartiles.size() != 2)
            throw malformed{fmt::format("{}: no spread of \"{}\"", of.name, figure.field)};
        const auto in_unit = [&](const json& value) { return number_of(value, figure.field) / figure.unit; };
        run.figures.push_back(
            {of, std::string(figure.name), figure.is_ratio, figure.better,
             checked_spread(fmt::format("{}: {}", text_of(of, true), figure.name), in_unit(median),
                            in_unit(quartiles[0]), in_unit(quartiles[1]))});
    }
}

std::string mode_of(const json& object) {
    return field(object, "mode").is_null() ? std::string() : text_of(object, "mode");
}

void add_path(stored_run& run, const json& path) {
    const std::string name = text_of(path, "path");
    const bool is_control = name == name_of(path_kind::plain); // of any mode
    const stored_subject of{name, is_control ? std::string() : mode_of(path)};
    add_known_figures(run, of, path, // the ratio of the control to itself says nothing
                      std::span(path_figures).subspan(is_control ? 2 : 0));
    add_fact(run.setting, of, path, "errors");
    add_fact(run.workload, of, path, "image_io"); // that was used, whatever was asked for
}

// What is of one mode is in the section itself, of several in a list there.
template <typename Add>
void for_each_mode(const json& section, const std::string& only_mode, Add add) {
    if (field(section, "modes").is_null())
        return add(only_mode, section);
    for (const json& of_mode : list_of(section, "modes"))
        add(text_of(of_mode, "mode"), of_mode);
}

void add_modes(stored_run& run, const json& options, const json& controls) {
    const std::string only_mode = mode_of(options);
    for_each_mode(options, only_mode, [&](const std::string& mode, const json& of_mode) {
        add_fact(run.setting, {{}, mode}, of_mode, "implementation");
    });
    for_each_mode(controls, only_mode, [&](const std::string& mode, const json& of_mode) {
        add_known_figures(run, {"control", mode}, of_mode, mode_controls);
    });
}

void add_compare(stored_run& run, const json& document) {
    constexpr std::array<std::string_view, 12> same{
        "size_bytes",     "rw",   "rwmixread",      "bs_bytes", "iodepth",         "numjobs",
        "data_unit_size", "keys", "engine_threads", "engine",   "decrypt_workers", "nomerges"};
    constexpr std::array<std::string_view, 4> told{"rounds", "runtime_s", "engine_keyslots", "image_io"};
    const json& options = field(document, "options");
    const json& controls = field(document, "controls");
    check_rounds(options);
    add_facts(run.workload, options, same);
    add_facts(run.setting, options, told);
    for (const json& path : list_of(document, "paths"))
        add_path(run, path);
    add_known_figures(run, {"control", {}}, controls, machine_controls);
    add_modes(run, options, controls);
}

// --- blkcrypto.bench ---

better_when better_of(const json& row) {
    const std::string text = text_of(row, "better");
    if (text != "higher" && text != "lower")
        throw malformed{"\"better\" is neither higher nor lower"};
    return text == "higher" ? better_when::higher : better_when::lower;
}

void add_bench(stored_run& run, const json& document) {
    constexpr std::array<std::string_view, 3> told{"rounds", "slice_ms", "disk"};
    check_rounds(field(document, "options"));
    add_facts(run.setting, field(document, "options"), told);
    for (const json& row : list_of(document, "rows")) {
        const std::string name = text_of(row, "name");
        const std::string unit = text_of(row, "unit");
        if (field(row, "median").is_null()) // was not measured
            continue;
        run.figures.push_back(
            {{},
             fmt::format("{}{}{}", name, unit == "ratio" ? "" : ", ", unit == "ratio" ? "" : unit),
             unit == "ratio",
             better_of(row),
             checked_spread(name, number_of(field(row, "median"), "median"),
                            number_of(field(row, "p25"), "p25"), number_of(field(row, "p75"), "p75"))});
    }
}

void refuse_double_names(const stored_run& run) {
    std::set<std::string> labels;
    for (const auto& figure : run.figures)
        if (const auto [label, is_new] = labels.insert(label_of(figure, true)); !is_new)
            throw malformed{fmt::format("{} is there twice", *label)};
}

stored_run read(const json& document) {
    stored_run run;
    run.schema = text_of(document, "schema");
    const bool is_compare = run.schema == "blkbench.compare";
    if (!is_compare && run.schema != "blkcrypto.bench")
        throw malformed{fmt::format("schema {}, not blkbench.compare or blkcrypto.bench", run.schema)};
    const double version = number_of(field(document, "version"), "version");
    if (version != known_version)
        throw malformed{fmt::format("version {} of its schema, not {}", version, known_version)};
    (is_compare ? add_compare : add_bench)(run, document);
    add_machine(run, document);
    refuse_double_names(run);
    return run;
}

} // namespace

std::set<std::string> stored_run::modes() const {
    std::set<std::string> modes;
    for (const auto& figure : figures)
        if (!figure.of.mode.empty())
            modes.insert(figure.of.mode);
    return modes;
}

std::string label_of(const stored_figure& figure, bool names_mode) {
    const std::string of = text_of(figure.of, names_mode);
    return of.empty() ? figure.name : fmt::format("{}: {}", of, figure.name);
}

std::string label_of(const stored_fact& fact, bool names_mode) {
    const std::string of = text_of(fact.of, names_mode);
    return of.empty() ? fact.name : fmt::format("{} of {}", fact.name, of);
}

std::optional<stored_run> parse_stored_run(std::string_view text, std::string& why) {
    if (text.size() > stored_run::text_bytes_max) {
        why = fmt::format("larger than {} bytes", stored_run::text_bytes_max);
        return std::nullopt;
    }
    const json document = json::parse(text, nullptr, false);
    if (document.is_discarded()) {
        why = "not JSON";
        return std::nullopt;
    }
    try {
        return read(document);
    } catch (const malformed& found) {
        why = found.why;
        return std::nullopt;
    }
}

} // namespace blkcrypto::bench
