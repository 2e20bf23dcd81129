// SPDX-License-Identifier: Apache-2.0
// The claims about transforms that are shared, and found again: maps, pools and keyslots.
#include "bench/lab/claim_judge.hpp"
#include "bench/lab/lab_figures.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace blkcrypto::bench::judging {
namespace {

// Faster is not enough: where the key is hardly ever in place, something else than the map is.
constexpr double hits_that_explain = 10; // percent

std::string_view worth_of_map(difference verdict, bool is_by_hits) {
    switch (verdict) {
    case difference::more:
        return is_by_hits ? " The map paid."
                          : " So few hits do not explain that: it is not the map that paid.";
    case difference::less:
        return " The map cost more than it saved.";
    case difference::none:
    case difference::unknown:
        break;
    }
    return "";
}

// "75 %"; 0 of nothing.
std::string percent_text(double part, double whole) {
    return short_number(whole == 0 ? 0 : 100 * part / whole) + " %";
}

std::string hits_text(const lab_strategy_result& strategy) {
    return fmt::format("{} had the key in place in {} % of its uses", strategy.strategy->name,
                       short_number(median(strategy, &hit_percent_of)));
}

// Of the same speed is what three quarters of the rounds have no further below.
constexpr double as_good_as = 0.95;

// Percentage points of an I/O's time that it waits longer for a shared pool than for a file's own. Less is
// what that varies by from run to run.
constexpr double waits_that_matter = 5;

// That keys are found in place in one of them at least.
bool are_maps_of_use(const lab_strategy_result& one, const lab_strategy_result& other) {
    return std::max(median(one, &hit_percent_of), median(other, &hit_percent_of)) >= hits_that_explain;
}

std::string_view name_of(claim_verdict verdict) {
    return claim_verdict_names[static_cast<std::size_t>(verdict)];
}

// Of a claim with two halves.
claim_verdict of_both(claim_verdict one, claim_verdict other) {
    if (one == claim_verdict::against || other == claim_verdict::against)
        return claim_verdict::against;
    return one == other ? one : claim_verdict::not_shown;
}

// Of nobody: 0.
double wait_percent(const lab_strategy_result* pool) {
    return pool == nullptr ? 0 : pool->times().percent(io_part::wait);
}

} // namespace

claim_finding judge::s4() const {
    const auto* map = measured("prepared-map");
    const auto* pool = measured("pool-global");
    if (map == nullptr || pool == nullptr)
        return missing(4, {"prepared-map", "pool-global"});
    const auto faster = difference_to(*map, *pool, &iops_of);
    const bool is_by_hits = median(*map, &hit_percent_of) >= hits_that_explain;
    const auto worth =
        faster == difference::more && !is_by_hits ? claim_verdict::not_shown : verdict_of(faster);
    return finding(4, worth,
                   fmt::format("{}, pool-global in {} %; it did {}.{}", hits_text(*map),
                               short_number(median(*pool, &hit_percent_of)), iops_against(*map, *pool),
                               worth_of_map(faster, is_by_hits)));
}

// The memory of pools that are shared, against one that is a file's.
std::string judge::shared_pools_text(const lab_strategy_result& per_file) const {
    std::vector<std::string> shared;
    for (const char* name : {"pool-global", "pool-per-master-key"})
        if (const auto* pool = measured(name); pool != nullptr)
            shared.push_back(fmt::format("{} {}", name, bytes_text(count(*pool, &pinned_bytes_of))));
    const std::string pinned =
        per_file.rounds.empty()
            ? stop_text(per_file)
            : fmt::format("pool-per-file pinned {}", bytes_text(count(per_file, &pinned_bytes_of)));
    return fmt::format("{}; {}, of {} opened.", pinned, fmt::join(shared, ", "),
                       plural(options_.image.files, "file"));
}

// Waits of all rounds together: a median would forget those of a few of them.
std::string judge::waits_text(const lab_strategy_result& pool) const {
    const double waits = sum_of(pool, &waits_of);
    if (waits != 0) {
        const auto* per_file = measured("pool-per-file");
        return fmt::format(" {} waited {} in {} I/Os of all rounds; waiting was {} % of an I/O's time{}.",
                           pool.strategy->name, counted(waits, "time"), short_number(sum_of(pool, &ios_of)),
                           short_number(wait_percent(&pool)),
                           per_file == nullptr ? ""
                                               : fmt::format(", with pool-per-file {} %",
                                                             short_number(wait_percent(per_file))));
    }
    if (options_.workload.jobs == 1)
        return fmt::format(" {} never waited, but one job cannot make a pool wait: it has a transform only "
                           "while it encrypts (--numjobs 2 or more can).",
                           pool.strategy->name);
    return fmt::format(" {} never waited, of {} for {}.", pool.strategy->name,
                       plural(options_.strategy.pool_size, "transform"),
                       plural(options_.workload.jobs, "job"));
}

// That a pool per file has more than a shared one; one that got no more memory had.
claim_verdict judge::pool_memory_verdict(const lab_strategy_result& per_file,
                                         const lab_strategy_result& global) const {
    const bool is_more = per_file.rounds.empty() || per_file.ratio_to(global, &pinned_bytes_of).median > 1;
    return is_more ? claim_verdict::shown : claim_verdict::against;
}

// That the shared pool is slower, or that jobs wait for it. One job cannot have it wait, whatever it takes.
claim_verdict judge::bottleneck_verdict(const lab_strategy_result& per_file,
                                        const lab_strategy_result& global) const {
    if (options_.workload.jobs == 1)
        return claim_verdict::not_shown;
    const auto speed = difference_to(global, per_file, &iops_of);
    if (speed == difference::more)
        return claim_verdict::against;
    const double waits = wait_percent(&global) - wait_percent(measured("pool-per-file"));
    const bool waits_much = sum_of(global, &waits_of) != 0 && waits >= waits_that_matter;
    return speed == difference::less || waits_much ? claim_verdict::shown : claim_verdict::not_shown;
}

claim_finding judge::s5() const {
    const auto* per_file = find("pool-per-file");
    const auto* global = measured("pool-global");
    const bool is_known = per_file != nullptr &&
                          (!per_file->rounds.empty() || (per_file->stop && per_file->stop->at_memory_limit));
    if (!is_known || global == nullptr)
        return missing(5, {"pool-per-file", "pool-global"});
    const std::string speed = per_file->rounds.empty()
                                  ? std::string()
                                  : fmt::format(" pool-global did {}.", iops_against(*global, *per_file));
    const auto memory = pool_memory_verdict(*per_file, *global);
    const auto bottleneck = bottleneck_verdict(*per_file, *global);
    return finding(5, of_both(memory, bottleneck),
                   fmt::format("{}{}{} A shrinker could take {} back from it. Too much memory: {}. A "
                               "bottleneck: {}.",
                               shared_pools_text(*per_file), speed, waits_text(*global),
                               bytes_text(count(*global, &reclaimable_bytes_of)), name_of(memory),
                               options_.workload.jobs == 1 ? "one job cannot test it" : name_of(bottleneck)));
}

// What a miss costs with the key derived anew, and with a key that was kept.
std::string judge::derived_keys_text(const lab_strategy_result& slots) const {
    const io_times where = slots.times();
    const bool has_none = options_.derived_keys == 0;
    if (where.setups == 0)
        return fmt::format(" No key had to be set up{}.",
                           has_none ? ", and no derived key was kept (--derived-key-cache)" : "");
    const std::string cost = fmt::format("A miss of its cost {} to derive and {} to set",
                                         time_text(where.setup_derive_ns), time_text(where.setup_setkey_ns));
    if (has_none)
        return fmt::format(
            " {}: deriving is {} of a miss's derive and setkey. A cache of derived keys can spare "
            "that; there was none in this run (--derived-key-cache).",
            cost, percent_text(where.setup_derive_ns, where.setup_derive_ns + where.setup_setkey_ns));
    const double hits = median(slots, &derived_key_hits_of);
    const double asked = hits + median(slots, &derived_key_misses_of);
    return fmt::format(
        " {}, with a cache of {} that had {} of the keys asked for; one that is not there takes {} "
        "to derive, alone.",
        cost, plural(options_.derived_keys, "derived key"), percent_text(hits, asked),
        time_text(result_.steps.derive_ns));
}

// Of both halves: keyslots that are as good as the map, and derived keys that were kept and asked for again.
claim_verdict judge::map_and_cache_verdict(const lab_strategy_result& slots,
                                           const lab_strategy_result& map) const {
    if (!are_maps_of_use(slots, map))
        return claim_verdict::not_shown;
    const auto speed = difference_to(slots, map, &iops_of);
    if (speed == difference::less)
        return claim_verdict::against;
    const double hits = sum_of(slots, &derived_key_hits_of);
    const double asked = hits + sum_of(slots, &derived_key_misses_of);
    const bool keys_paid = asked != 0 && 100 * hits / asked >= hits_that_explain;
    const bool is_as_good = speed != difference::unknown && slots.ratio_to(map, &iops_of).p25 >= as_good_as;
    return is_as_good && keys_paid ? claim_verdict::shown : claim_verdict::not_shown;
}

std::string judge::slots_and_map_text(const lab_strategy_result& slots,
                                      const lab_strategy_result& map) const {
    const std::size_t modes = options_.image.modes.size();
    return fmt::format("{} ({}{}), prepared-map in {} % (a pool of {}{}); the keyslots did {}.",
                       hits_text(slots), plural(options_.strategy.keyslots, "slot"),
                       modes == 1 ? "" : fmt::format(" shared by {} modes", modes),
                       short_number(median(map, &hit_percent_of)), options_.strategy.pool_size,
                       modes == 1 ? "" : " for each of them", iops_against(slots, map));
}

claim_finding judge::s9() const {
    const auto* slots = measured("fallback-keyslots");
    const auto* map = measured("prepared-map");
    if (slots == nullptr || map == nullptr)
        return missing(9, {"fallback-keyslots", "prepared-map"});
    const auto verdict = map_and_cache_verdict(*slots, *map);
    return finding(9, verdict,
                   fmt::format("{}{}{}{}", slots_and_map_text(*slots, *map),
                               are_maps_of_use(*slots, *map) ? "" : " With so few hits neither is a map.",
                               derived_keys_text(*slots),
                               verdict == claim_verdict::against ? " As a map the keyslots did less." : ""));
}

} // namespace blkcrypto::bench::judging
