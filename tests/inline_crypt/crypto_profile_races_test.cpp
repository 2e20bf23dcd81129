// SPDX-License-Identifier: Apache-2.0
// Races of tasks over one crypto_profile, in every order or in many. What has to hold is in
// raced_profile.cpp.
#include "tests/inline_crypt/raced_profile.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <set>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

using enum race_op::kind_of_op;
using enum race_keys::place;

constexpr unsigned keys = 3; // of the races that are explored completely
using op_list = std::vector<race_op>;

// A number per key: what it is called after renaming.
using renaming = std::array<unsigned, keys>;

// In a fixed order of the tasks: they are alike.
op_list renamed(const op_list& ops, const renaming& to) {
    op_list result;
    for (const race_op& op : ops)
        result.push_back({op.kind, op.kind == reset ? 0 : to[op.key]});
    std::ranges::sort(result);
    return result;
}

// The least of the combinations that differ only in the names of keys and tasks.
op_list representative(const op_list& ops, const std::vector<unsigned>& programmed) {
    op_list least = renamed(ops, {0, 1, 2});
    renaming to{0, 1, 2};
    do {
        if (std::ranges::all_of(programmed, [&](unsigned key) { return to[key] == key; }))
            least = std::min(least, renamed(ops, to));
    } while (std::ranges::next_permutation(to).found);
    return least;
}

// Three tasks of one op each, the first of them of `some` and the others of `some` or `others`, in every
// essentially different combination.
std::vector<race> races_of_three(unsigned num_slots, const std::vector<unsigned>& programmed,
                                 const op_list& some, const op_list& others = {}) {
    op_list ops = some;
    ops.insert(ops.end(), others.begin(), others.end());
    std::vector<race> races;
    std::set<op_list> seen;
    for (std::size_t a = 0; a < some.size(); ++a)
        for (std::size_t b = a; b < ops.size(); ++b)
            for (std::size_t c = b; c < ops.size(); ++c)
                if (seen.insert(representative({ops[a], ops[b], ops[c]}, programmed)).second)
                    races.push_back({num_slots, programmed, {{ops[a]}, {ops[b]}, {ops[c]}}, false});
    return races;
}

const op_list gets_and_evicts{{get, 0}, {get, 1}, {get, 2}, {evict, 0}, {evict, 1}, {evict, 2}};

bool is_right(const race& r, const exploration& found) {
    CHECK_MESSAGE(!found.found_failure(), found.failure, "\n", to_string(r),
                  "\nschedule: ", to_string(found.schedule));
    return !found.found_failure();
}

template <typename Search>
void explore_races(const std::vector<race>& races, race_keys::place where, Search search) {
    exploration all;
    for (const race& r : races) {
        const race_keys named(r.num_slots, where);
        const exploration found = search(static_cast<unsigned>(r.tasks.size()), raced_profile(r, named));
        all += found;
        if (!is_right(r, found))
            break;
    }
    MESSAGE(races.size(), " races, ", all.explored, " executions and ", all.pruned, " left early, ",
            all.states, " states");
}

// A list that has become shorter would pass as well.
void explore_completely(std::size_t count, const std::vector<race>& races, race_keys::place where) {
    CHECK(races.size() == count);
    explore_races(races, where, [](unsigned task_count, const program_factory& make) {
        return explore_all(task_count, make, remember_states::yes);
    });
}

race random_race(random_source& random) {
    race r{1 + static_cast<unsigned>(random.below(race::slots_max)), {}, {}, false};
    const auto num_keys = 2 + random.below(race::keys_max - 1);
    r.tasks.resize(2 + random.below(explored_tasks_max - 1));
    for (auto& ops : r.tasks)
        for (auto left = 1 + random.below(6); left != 0; --left) {
            constexpr std::array kinds{get, get, get, get, get_keep, get_bad, evict, reset};
            ops.push_back(
                {kinds.at(random.below(kinds.size())), static_cast<unsigned>(random.below(num_keys))});
        }
    return r;
}

} // namespace

TEST_SUITE_BEGIN("crypto_profile races" * doctest::skip(!fibers_can_run));

// --- every order of three tasks ---

TEST_CASE("three gets or evicts race for two free slots") {
    explore_completely(14, races_of_three(2, {}, gets_and_evicts), one_chain);
}

TEST_CASE("three gets or evicts race for two slots that hold idle keys") {
    explore_completely(56, races_of_three(2, {0, 1}, gets_and_evicts), one_chain);
}

TEST_CASE("three gets or evicts race for two slots whose keys are in chains of their own") {
    explore_completely(56, races_of_three(2, {0, 1}, gets_and_evicts), apart);
}

TEST_CASE("three gets or evicts race for one slot, free or with an idle key") {
    explore_completely(14, races_of_three(1, {}, gets_and_evicts), one_chain);
    explore_completely(32, races_of_three(1, {0}, gets_and_evicts), one_chain);
}

TEST_CASE("a reset races with two gets, evicts or resets") {
    explore_completely(18, races_of_three(1, {0}, {{reset}}, gets_and_evicts), one_chain);
    explore_completely(28, races_of_three(2, {0, 1}, {{reset}}, gets_and_evicts), one_chain);
}

// Who keeps a slot does not wake anybody by putting it: a wake-up that is lost elsewhere shows.
TEST_CASE("a task that keeps the only slot races with two gets or evicts") {
    explore_completely(54, races_of_three(1, {0}, {{get_keep, 0}, {get_keep, 1}}, gets_and_evicts),
                       one_chain);
}

TEST_CASE("a task that keeps one of two slots races with two gets or evicts") {
    explore_completely(64, races_of_three(2, {0, 1}, {{get_keep, 0}, {get_keep, 2}}, gets_and_evicts),
                       one_chain);
}

TEST_CASE("a key that cannot be programmed races with two gets or evicts") {
    explore_completely(
        15, races_of_three(1, {0}, {{get_bad, 2}}, {{get, 0}, {get, 1}, {evict, 0}, {evict, 1}}), one_chain);
    explore_completely(
        15, races_of_three(2, {0, 1}, {{get_bad, 2}}, {{get, 0}, {get, 1}, {evict, 0}, {evict, 1}}),
        one_chain);
}

TEST_CASE("remembering states leaves no end of a race out") {
    const std::vector<race> races{{1, {0}, {{{get, 0}}, {{evict, 0}}}, false},
                                  {1, {0}, {{{get, 1}}, {{get, 0}}}, false},
                                  {2, {0, 1}, {{{get, 2}}, {{evict, 1}}}, false},
                                  {1, {0}, {{{reset}}, {{get, 1}}}, false}};
    for (const race& r : races) {
        const race_keys named(r.num_slots, one_chain);
        std::array<std::set<std::uint64_t>, 2> ends;
        for (const auto remember : {remember_states::no, remember_states::yes})
            CHECK(is_right(r, explore_all(2, raced_profile(r, named, &ends[remember == remember_states::yes]),
                                          remember)));
        CHECK(ends[0].size() > 1);
        CHECK(ends[0] == ends[1]);
    }
}

// --- more tasks and ops, fewer orders ---

TEST_CASE("three or four tasks of some ops race with a bounded number of preemptions") {
    constexpr unsigned preemptions_max = 2;
    const std::vector<race> races{
        {2, {}, {{{get, 0}, {get, 1}}, {{get, 1}, {get, 2}}, {{get, 2}, {get, 0}}}},
        {2, {0, 1}, {{{get, 0}, {evict, 0}}, {{get, 1}, {get, 2}}, {{get, 2}, {evict, 1}}}},
        {2, {0, 1}, {{{get, 0}, {reset}}, {{evict, 0}, {get, 2}}, {{get, 2}, {get, 0}}}},
        {1,
         {0},
         {{{get, 0}, {get, 1}, {evict, 0}}, {{get, 1}, {evict, 1}, {get, 0}}, {{get, 0}, {get, 0}, {reset}}}},
        {2, {0, 1}, {{{get, 2}, {get, 0}}, {{get, 3}, {evict, 2}}, {{get, 0}}, {{get, 1}, {get, 3}}}},
        {2, {}, {{{get_keep, 0}, {get, 1}}, {{get, 1}, {evict, 0}}, {{get, 2}}, {{get_bad, 3}}}},
    };
    explore_races(races, one_chain, [](unsigned task_count, const program_factory& make) {
        return explore_bounded(task_count, make, preemptions_max);
    });
}

// One puts a slot that another puts wholly meanwhile: the stamp it took first must not be what counts.
TEST_CASE("a slot that is put late is not the oldest, by the clock of those who put it") {
    explore_races({{2, {0, 1}, {{{get, 0}}, {{get, 0}}, {{get, 1}, {get, 2}}}, true}}, one_chain,
                  [](unsigned task_count, const program_factory& make) {
                      return explore_bounded(task_count, make, 2);
                  });
}

TEST_CASE("up to six tasks of random ops race in random order") {
    random_source random(test_seed());
    std::vector<race> races;
    for (int i = 0; i < 400; ++i)
        races.push_back(random_race(random));
    explore_races(races, one_chain, [&](unsigned task_count, const program_factory& make) {
        return explore_random(task_count, make, random.next(), 200);
    });
}

TEST_SUITE_END();
