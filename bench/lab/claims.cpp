// SPDX-License-Identifier: Apache-2.0
// A function for each claim about when and where keys are set up; those about what is shared and found again,
// S4, S5 and S9, are in claims_of_maps.cpp. Each looks for the strategies it is about; without them it says
// what is missing. Where the numbers are against the claim the sentence says so: it is made of them.
#include "bench/lab/claims.hpp"

#include "bench/lab/claim_judge.hpp"
#include "bench/lab/lab_figures.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace blkcrypto::bench {
namespace judging {
namespace {

using result_list = std::vector<const lab_strategy_result*>;

std::string names_of(const result_list& strategies) {
    std::vector<std::string_view> names;
    for (const auto* strategy : strategies)
        names.push_back(strategy->strategy->name);
    return fmt::format("{}", fmt::join(names, ", "));
}

// Transforms of its own, in a pool or keyslots: not those of an engine, which has none.
bool has_prepared_transforms(const lab_strategy_result& strategy) {
    return strategy.strategy->make != nullptr &&
           (strategy.strategy->has_pool || strategy.strategy->has_keyslots);
}

// What is made in the I/O path is not made at open. Which of the two takes longer is a matter of the image.
std::string first_byte_text(const lab_strategy_result& naive, const lab_strategy_result& slots) {
    const std::string after = time_text(median(naive, &first_byte_ns_of));
    const std::string other = time_text(median(slots, &first_byte_ns_of));
    switch (difference_to(naive, slots, &first_byte_ns_of)) {
    case difference::less:
        return fmt::format(" The first byte came after {}, sooner than with fallback-keyslots ({}).", after,
                           other);
    case difference::more:
        return fmt::format(" The first byte came after {}, later than with fallback-keyslots ({}).", after,
                           other);
    case difference::none:
    case difference::unknown:
        break;
    }
    return fmt::format(
        " The first byte came after {}, with fallback-keyslots after {}; these rounds cannot tell "
        "who was sooner.",
        after, other);
}

} // namespace

claim_finding judge::s1() const {
    const auto* naive = measured("full-in-io");
    if (naive == nullptr)
        return missing(1, {"full-in-io"});
    const double allocations = count(*naive, &io_allocations_of);
    const double modules = count(*naive, &modules_loaded_in_io_of);
    if (sum_of(*naive, &io_allocations_of) == 0 && sum_of(*naive, &modules_loaded_in_io_of) == 0)
        return not_shown(1, "full-in-io asked for no transform in the I/O path; I/O to extents that "
                            "have none yet would");
    const io_times where = naive->times();
    std::string text = fmt::format(
        "full-in-io asked for {} ({}) in the I/O path in a round, {} an I/O, and loaded {} there{}. Allocating was "
        "{} of an I/O, {} % of its time.",
        counted(allocations, "transform"), bytes_text(count(*naive, &io_allocated_bytes_of)),
        short_number(median(*naive, &io_allocations_per_io_of)), counted(modules, "module"),
        by_mounts(modules), time_text(where.of(io_part::allocate)),
        short_number(where.percent(io_part::allocate)));
    if (const auto* slots = measured("fallback-keyslots"); slots != nullptr)
        text += first_byte_text(*naive, *slots);
    return shown(1, text + " The deadlock itself is no matter of time.");
}

// What a file costs to open, and what all of them have in memory.
std::string judge::open_costs_text(const lab_strategy_result& all, const lab_strategy_result& map) const {
    const double extents = options_.image.extents_per_file;
    const double open_ns = median(all, &open_ns_of);
    const double pinned = median(all, &pinned_bytes_per_file_of);
    return fmt::format(
        "A file of {} took {} to open and pinned {} with all-at-open ({} and {} an extent), {} times the {} of "
        "prepared-map. All {} together pinned {}, with prepared-map {} whatever their number (a pool of {} for "
        "each mode).",
        plural(options_.image.extents_per_file, "extent"), time_text(open_ns), bytes_text(pinned),
        time_text(open_ns / extents), bytes_text(pinned / extents), ratio_text(all, map, &open_ns_of),
        time_text(median(map, &open_ns_of)), plural(options_.image.files, "file"),
        bytes_text(count(all, &pinned_bytes_of)), bytes_text(count(map, &pinned_bytes_of)),
        options_.strategy.pool_size);
}

// Of both halves, time and memory: the one does not stand for the other.
claim_finding judge::open_costs(const lab_strategy_result& all, const lab_strategy_result& map) const {
    std::string text = open_costs_text(all, map);
    const auto time = difference_to(all, map, &open_ns_of);
    if (time == difference::unknown)
        text += " The rounds are too few to tell a difference in time.";
    else if (time == difference::none)
        text += " The difference in time these rounds cannot tell from none.";
    else if (time == difference::less)
        text += " All-at-open was not slower to open here.";
    if (all.ratio_to(map, &pinned_bytes_of).median > 1)
        return finding(2, verdict_of(time), text);
    return finding(2, claim_verdict::against, text + " All-at-open pinned no more here.");
}

// A limit that stops everybody says nothing about what all-at-open does.
claim_finding judge::stopped_opening(const lab_strategy_result& all) const {
    for (const char* name : {"prepared-map", "fallback-keyslots", "pool-global"})
        if (const auto* bounded = measured(name); bounded != nullptr)
            return shown(2, fmt::format("{}. {} opened all {} and pinned {}.", stop_text(all), name,
                                        plural(options_.image.files, "file"),
                                        bytes_text(count(*bounded, &pinned_bytes_of))));
    return not_shown(2, fmt::format("{}; but no strategy whose transforms are limited opened everything, "
                                    "either: {}",
                                    stop_text(all),
                                    why_missing({"prepared-map", "fallback-keyslots", "pool-global"})));
}

claim_finding judge::s2() const {
    const auto* all = find("all-at-open");
    if (all != nullptr && all->stop && all->stop->at_memory_limit)
        return stopped_opening(*all);
    if (measured("all-at-open") == nullptr || measured("prepared-map") == nullptr)
        return missing(2, {"all-at-open", "prepared-map"});
    return open_costs(*all, *measured("prepared-map"));
}

claim_finding judge::s3() const {
    const auto* pool = measured("pool-per-file");
    if (pool == nullptr)
        return missing(3, {"pool-per-file"});
    const io_times where = pool->times();
    if (where.ios == 0)
        return not_shown(3, "no I/O of pool-per-file was looked into; more I/Os would be (--ios)");
    const double allocations = sum_of(*pool, &io_allocations_of); // one is too many, in whichever round
    const bool sets_keys_up = count(*pool, &misses_of) != 0;
    return finding(
        3, sets_keys_up && allocations == 0 ? claim_verdict::shown : claim_verdict::against,
        fmt::format("pool-per-file asked for {} in the I/O path{}. Of the {} of an I/O, deriving was "
                    "{} ({} %) and setkey {} ({} %); {} % of its uses had to set a key up.",
                    counted(allocations, "transform"),
                    allocations == 0 ? "" : ", all rounds together, so the pool did not keep it out of there",
                    time_text(where.whole_ns), time_text(where.of(io_part::derive)),
                    short_number(where.percent(io_part::derive)), time_text(where.of(io_part::setkey)),
                    short_number(where.percent(io_part::setkey)),
                    short_number(100 - median(*pool, &hit_percent_of))));
}

claim_finding judge::s6() const {
    const auto* nofs = measured("nofs-in-io");
    const auto* naive = measured("full-in-io");
    if (nofs == nullptr || naive == nullptr)
        return missing(6, {"nofs-in-io", "full-in-io"});
    return finding(
        6, claim_verdict::not_shown,
        fmt::format("nofs-in-io did {}, and asked for {} in the I/O path where full-in-io asked for {}: "
                    "the scope changes the context of what is done, not what is done. Who "
                    "holds the lock that it waits for is no matter of time: only a context "
                    "checker could show that.",
                    iops_against(*nofs, *naive), counted(count(*nofs, &io_allocations_of), "transform"),
                    short_number(count(*naive, &io_allocations_of))));
}

// How many mounts have read modules, each for itself; of one there is nothing to say.
std::string judge::by_mounts(double modules) const {
    return modules == 0 || options_.workload.jobs == 1
               ? std::string()
               : fmt::format(", by {} mounts", options_.workload.jobs);
}

// Which of the strategies that set up at open did anything of it in the I/O path, in whichever round.
judge::quietness judge::quiet_ones() const {
    result_list quiet;
    std::vector<std::string> others;
    double modules = 0;
    for (const auto& strategy : result_.strategies) {
        if (strategy.rounds.empty() || !has_prepared_transforms(strategy))
            continue;
        const double allocations = sum_of(strategy, &io_allocations_of);
        const double in_io = sum_of(strategy, &modules_loaded_in_io_of);
        if (allocations == 0 && in_io == 0) {
            quiet.push_back(&strategy);
            modules = std::max(modules, count(strategy, &modules_loaded_of));
        } else {
            others.push_back(fmt::format("{} asked for {} and loaded {} in the I/O path, all rounds together",
                                         strategy.strategy->name, counted(allocations, "transform"),
                                         counted(in_io, "module")));
        }
    }
    std::string text;
    if (!quiet.empty())
        text = fmt::format("{} asked for no transform and loaded no module in the I/O path (at open: {}{}).",
                           names_of(quiet), counted(modules, "module"), by_mounts(modules));
    for (const auto& other : others)
        text += fmt::format("{}{}.", text.empty() ? "" : " But ", other);
    return {text, others.empty() ? claim_verdict::shown : claim_verdict::against};
}

// Because there was none that sets up at open, or because all of them stopped.
claim_finding judge::none_is_quiet(std::size_t number) const {
    result_list stopped;
    for (const auto& strategy : result_.strategies)
        if (has_prepared_transforms(strategy))
            stopped.push_back(&strategy);
    if (!stopped.empty())
        return not_shown(number,
                         fmt::format("all that set up a pool or keyslots stopped ({})", names_of(stopped)));
    claim_finding found = not_shown(number, "no strategy with a pool or keyslots was run (--strategies)");
    found.lacks_strategies = true;
    return found;
}

claim_finding judge::s7() const {
    const auto [quiet, verdict] = quiet_ones();
    if (quiet.empty())
        return none_is_quiet(7);
    return finding(7, verdict,
                   fmt::format("Each of {} with {} has one mode, known when it is opened: {} Nothing is "
                               "reflinked here, so the rule for reflinks is not part of it.",
                               plural(options_.image.files, "file"),
                               plural(options_.image.extents_per_file, "extent"), quiet));
}

// What the strategies did in the I/O path that hear of no mode at open.
std::string judge::told_nothing_text() const {
    const auto* naive = measured("full-in-io");
    if (naive == nullptr)
        return " What happens where nothing is named full-in-io would show; it was not measured.";
    const double modules = count(*naive, &modules_loaded_in_io_of);
    return fmt::format(
        " full-in-io, which is told nothing at open, asked for {} and loaded {} in the I/O path{}.",
        counted(count(*naive, &io_allocations_of), "transform"), counted(modules, "module"),
        by_mounts(modules));
}

claim_finding judge::s8() const {
    const auto& modes = options_.image.modes;
    if (modes.size() < 2)
        return not_shown(8, "all files have one mode; --modes with two or more would");
    const auto [quiet, verdict] = quiet_ones();
    if (quiet.empty())
        return none_is_quiet(8);
    std::vector<std::string_view> names;
    for (const auto* mode : modes)
        names.push_back(mode->name);
    const auto* naive = measured("full-in-io");
    const bool has_contrast = naive != nullptr && sum_of(*naive, &modules_loaded_in_io_of) != 0;
    return finding(8, verdict == claim_verdict::shown && !has_contrast ? claim_verdict::not_shown : verdict,
                   fmt::format("{} modes ({}), one a file and named when it is opened, {} with {}: {}{}",
                               modes.size(), fmt::join(names, ", "), plural(options_.image.files, "file"),
                               plural(options_.image.extents(), "extent"), quiet, told_nothing_text()));
}

} // namespace judging

std::vector<claim_finding> judge_claims(const lab_options& options, const lab_result& result) {
    const judging::judge j(options, result);
    std::vector<claim_finding> findings{j.s1(), j.s2(), j.s3(), j.s4(), j.s5(),
                                        j.s6(), j.s7(), j.s8(), j.s9()};
    constexpr std::array<std::string_view, 9> names{"S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9"};
    for (std::size_t i = 0; i < findings.size(); ++i)
        findings[i].claim = names[i];
    return findings;
}

} // namespace blkcrypto::bench
