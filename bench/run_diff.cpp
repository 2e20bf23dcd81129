// SPDX-License-Identifier: Apache-2.0
#include "bench/run_diff.hpp"

#include "blkcrypto/tools/cli/json_output.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>

namespace blkcrypto::bench {
namespace {

constexpr std::array<std::string_view, 3> verdict_names{"same", "better", "worse"};

std::string_view name_of(figure_verdict verdict) {
    return verdict_names[static_cast<std::size_t>(verdict)];
}

using figure_index = std::map<std::pair<stored_subject, std::string>, const stored_figure*>;

figure_index index_of(const stored_run& run) {
    figure_index index;
    for (const auto& figure : run.figures)
        index.emplace(std::pair(figure.of, figure.name), &figure);
    return index;
}

const stored_figure* find_figure(const figure_index& index, const stored_figure& like) {
    const auto found = index.find({like.of, like.name});
    return found == index.end() ? nullptr : found->second;
}

// Whether a figure without its mode could be taken for another's.
bool have_several_modes(const stored_run& before, const stored_run& after) {
    auto modes = before.modes();
    modes.merge(after.modes());
    return modes.size() > 1;
}

const std::string* find_fact(std::span<const stored_fact> facts, const stored_fact& like) {
    const auto found = std::ranges::find_if(
        facts, [&](const stored_fact& fact) { return fact.of == like.of && fact.name == like.name; });
    return found == facts.end() ? nullptr : &found->value;
}

// Of facts that only one run has, the other may be older than the option: nothing is known of it.
void note_facts(run_diff& diff, std::span<const stored_fact> before, std::span<const stored_fact> after,
                bool names_mode) {
    for (const auto& fact : before) {
        const std::string* now = find_fact(after, fact);
        if (now == nullptr || *now != fact.value)
            diff.settings.push_back(fmt::format("{} was {}, is {}", label_of(fact, names_mode), fact.value,
                                                now == nullptr ? "unknown" : *now));
    }
    for (const auto& fact : after)
        if (find_fact(before, fact) == nullptr)
            diff.settings.push_back(
                fmt::format("{} was unknown, is {}", label_of(fact, names_mode), fact.value));
}

// Four digits, or all before the point.
std::string number_text(double value) {
    return value >= 10'000 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

std::string figure_text(const spread& figure) {
    return fmt::format("{} ({}-{})", number_text(figure.median), number_text(figure.p25),
                       number_text(figure.p75));
}

std::string change_text(const figure_diff& figure) {
    return figure.before.median == 0 ? "-"
                                     : fmt::format("{:.3f}", figure.after.median / figure.before.median);
}

// As wide as the widest of what stands in a column.
std::size_t column_width(const run_diff& diff, std::size_t least, auto text_of) {
    for (const auto& figure : diff.figures)
        least = std::max(least, std::string_view(text_of(figure)).size());
    return least;
}

// Names the first few of them.
std::string note_missing(std::string_view where, std::span<const std::string> names) {
    constexpr std::size_t named_max = 3;
    if (names.empty())
        return {};
    const auto named = names.first(std::min(names.size(), named_max));
    const std::string more =
        names.size() > named_max ? fmt::format(" and {} more", names.size() - named_max) : "";
    return fmt::format("Note: only in the {}: {}{}.\n", where, fmt::join(named, "; "), more);
}

nlohmann::ordered_json spread_json(const spread& figure) {
    return {{"median", figure.median}, {"p25", figure.p25}, {"p75", figure.p75}};
}

nlohmann::ordered_json figure_json(const figure_diff& figure) {
    nlohmann::ordered_json json{{"name", figure.name},
                                {"is_ratio", figure.is_ratio},
                                {"better", figure.better == better_when::higher ? "higher" : "lower"},
                                {"before", spread_json(figure.before)},
                                {"after", spread_json(figure.after)},
                                {"change", nullptr},
                                {"verdict", name_of(figure.verdict)}};
    if (figure.before.median != 0)
        json["change"] = figure.after.median / figure.before.median;
    return json;
}

} // namespace

std::size_t run_diff::ratios() const {
    return static_cast<std::size_t>(std::ranges::count(figures, true, &figure_diff::is_ratio));
}

std::vector<std::string> run_diff::worse_ratios() const {
    std::vector<std::string> names;
    for (const auto& figure : figures)
        if (figure.is_ratio && figure.verdict == figure_verdict::worse)
            names.push_back(figure.name);
    return names;
}

figure_verdict judge(const spread& before, const spread& after, better_when better) {
    const bool rose = after.median > before.median && after.p25 > before.p75;
    const bool fell = after.median < before.median && after.p75 < before.p25;
    if (!rose && !fell)
        return figure_verdict::same;
    return rose == (better == better_when::higher) ? figure_verdict::better : figure_verdict::worse;
}

std::string why_not_comparable(const stored_run& before, const stored_run& after) {
    if (before.schema != after.schema)
        return fmt::format("one is a {}, the other a {}", before.schema, after.schema);
    for (const auto& fact : before.workload) {
        const std::string* now = find_fact(after.workload, fact);
        if (now != nullptr && *now != fact.value)
            return fmt::format("{} was {}, is {}", label_of(fact, have_several_modes(before, after)),
                               fact.value, *now);
    }
    const auto had = before.modes();
    const auto has = after.modes();
    const bool share_one =
        std::ranges::any_of(had, [&](const std::string& mode) { return has.contains(mode); });
    if (!had.empty() && !has.empty() && !share_one)
        return fmt::format("mode was {}, is {}", fmt::join(had, ","), fmt::join(has, ","));
    return {};
}

run_diff diff_of(const stored_run& before, const stored_run& after) {
    run_diff diff;
    const figure_index earlier = index_of(before);
    const figure_index later = index_of(after);
    const bool names_mode = have_several_modes(before, after);
    for (const auto& was : before.figures) {
        const stored_figure* is = find_figure(later, was);
        if (is == nullptr)
            diff.only_before.push_back(label_of(was, names_mode));
        else
            diff.figures.push_back({label_of(was, names_mode), was.is_ratio, was.better, was.value, is->value,
                                    judge(was.value, is->value, was.better)});
    }
    for (const auto& is : after.figures)
        if (find_figure(earlier, is) == nullptr)
            diff.only_after.push_back(label_of(is, names_mode));
    note_facts(diff, before.workload, after.workload, names_mode);
    note_facts(diff, before.setting, after.setting, names_mode);
    return diff;
}

std::string diff_text(const run_diff& diff) {
    const std::size_t names = column_width(diff, 30, [](const figure_diff& f) { return f.name; });
    const std::size_t firsts =
        column_width(diff, 20, [](const figure_diff& f) { return figure_text(f.before); });
    const std::size_t seconds =
        column_width(diff, 20, [](const figure_diff& f) { return figure_text(f.after); });
    std::string text = fmt::format("{:<{}}  {:>{}}  {:>{}} {:>7}\n", "median (p25-p75)", names, "first",
                                   firsts, "second", seconds, "change");
    for (const auto& figure : diff.figures) {
        text += fmt::format("{:<{}}  {:>{}}  {:>{}} {:>7}", figure.name, names, figure_text(figure.before),
                            firsts, figure_text(figure.after), seconds, change_text(figure));
        if (figure.verdict != figure_verdict::same)
            text += fmt::format("  {}", name_of(figure.verdict));
        text += '\n';
    }
    text += note_missing("first", diff.only_before) + note_missing("second", diff.only_after);
    for (const auto& setting : diff.settings)
        text += fmt::format("Note: {}.\n", setting);
    const auto worse = diff.worse_ratios().size();
    return text + fmt::format("{} of {} ratios got worse beyond the spread.\n", worse, diff.ratios());
}

nlohmann::ordered_json diff_json(const run_diff& diff) {
    auto document = cli::make_document("blkbench.diff", 1);
    document["figures"] = nlohmann::ordered_json::array();
    for (const auto& figure : diff.figures)
        document["figures"].push_back(figure_json(figure));
    document["only_before"] = diff.only_before;
    document["only_after"] = diff.only_after;
    document["settings"] = diff.settings;
    document["ratios"] = diff.ratios();
    document["ratios_worse"] = diff.worse_ratios().size();
    return document;
}

} // namespace blkcrypto::bench
