// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/access_sequence.hpp"

#include "tests/support/allocation_counter.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <numeric>
#include <set>

using namespace blkcrypto;
using namespace blkcrypto::bench;

namespace {

std::vector<std::uint64_t> keys_of(const access_options& options, const key_space& space, std::uint64_t seed,
                                   unsigned round, std::size_t count) {
    access_sequence sequence(options, space, seed, round);
    std::vector<std::uint64_t> keys;
    for (std::size_t i = 0; i < count; ++i)
        keys.push_back(sequence.next().key);
    return keys;
}

std::vector<bool> reads_of(const access_options& options, const key_space& space, std::uint64_t seed,
                           unsigned round, std::size_t count) {
    access_sequence sequence(options, space, seed, round);
    std::vector<bool> reads;
    for (std::size_t i = 0; i < count; ++i)
        reads.push_back(sequence.next().is_read);
    return reads;
}

constexpr std::array kinds{access_kind::uniform, access_kind::sequential, access_kind::zipf,
                           access_kind::trace};

access_options options_of(access_kind kind) {
    access_options options;
    options.kind = kind;
    if (kind == access_kind::trace)
        options.trace = {5, 0, 76, 11, 5, 33, 2};
    return options;
}

// The sum of (seen - expected)^2 / expected over cells of at least 50, by how many deviations of its own it
// is above what it should be: above 6 once in a thousand million runs. The sum itself is far from normal
// where cells are few (of two, above 6 of its deviations once in 500); its cube root is normal for all of
// them (Wilson and Hilferty 1931).
double deviation(const std::vector<double>& seen, const std::vector<double>& expected) {
    double sum = 0;
    double cell_seen = 0;
    double cell_expected = 0;
    int cells = 0;
    for (std::size_t i = 0; i < seen.size(); ++i) {
        cell_seen += seen[i];
        cell_expected += expected[i];
        if (cell_expected < 50)
            continue;
        sum += (cell_seen - cell_expected) * (cell_seen - cell_expected) / cell_expected;
        ++cells;
        cell_seen = cell_expected = 0;
    }
    const double freedom = cells - 1; // the last cell may be dropped: it is small
    const double variance = 2 / (9 * freedom);
    return (std::cbrt(sum / freedom) - (1 - variance)) / std::sqrt(variance);
}

std::vector<double> zipf_expectation(std::uint64_t count, double skew, double draws) {
    std::vector<double> expected;
    for (std::uint64_t rank = 1; rank <= count; ++rank)
        expected.push_back(std::pow(static_cast<double>(rank), -skew));
    const double whole = std::accumulate(expected.begin(), expected.end(), 0.0);
    for (auto& cell : expected)
        cell *= draws / whole;
    return expected;
}

} // namespace

TEST_CASE("the same seed, job and round make the same sequence, any other makes another") {
    const key_space space{.files = 10, .extents_per_file = 8, .jobs = 2, .job = 1};
    for (const auto kind : {access_kind::uniform, access_kind::zipf}) {
        const auto options = options_of(kind);
        const auto keys = keys_of(options, space, 1, 0, 100);
        CHECK(keys_of(options, space, 1, 0, 100) == keys);
        CHECK(keys_of(options, space, 2, 0, 100) != keys);
        CHECK(keys_of(options, space, 1, 1, 100) != keys);
        CHECK(keys_of(options, {10, 8, 2, 0}, 1, 0, 100) != keys);
        CHECK(reads_of(options, space, 1, 0, 100) != reads_of(options, space, 1, 1, 100));
        CHECK(reads_of(options, space, 1, 0, 100) != reads_of(options, {10, 8, 2, 0}, 1, 0, 100));
    }
}

TEST_CASE("a seed draws these keys on every machine") {
    const key_space space{.files = 1000, .extents_per_file = 16};
    access_options options;
    CHECK(keys_of(options, space, 1, 0, 8) ==
          std::vector<std::uint64_t>{3590, 11706, 10548, 10388, 10994, 5406, 3799, 858});
    options.skew = 1;
    CHECK(keys_of(options, space, 1, 0, 8) ==
          std::vector<std::uint64_t>{4197, 11706, 11667, 8265, 10840, 11497, 12684, 10836});
    options.skew = 3;
    CHECK(keys_of(options, space, 1, 0, 8) ==
          std::vector<std::uint64_t>{15207, 10111, 10111, 15207, 10111, 10111, 10111, 10111});
    std::uint64_t sum = 0; // of many draws: whatever differs once shows
    for (const double skew : {0.3, 0.99, 1.0, 1.2, 5.0}) {
        options.skew = skew;
        for (const auto key : keys_of(options, space, 7, 3, 20'000))
            sum = mix64(sum ^ key);
    }
    CHECK(sum == 15041437493640176902U);
}

TEST_CASE("a job takes keys of its own files only, and all of them, and the jobs have each key once") {
    for (const auto kind : {access_kind::uniform, access_kind::sequential, access_kind::zipf}) {
        auto options = options_of(kind);
        options.skew = 0.3;
        std::set<std::uint64_t> all;
        std::uint64_t own_keys = 0;
        for (unsigned job = 0; job < 3; ++job) {
            const key_space space{.files = 11, .extents_per_file = 7, .jobs = 3, .job = job};
            const auto keys = keys_of(options, space, test::test_seed(), 0, 20'000);
            CHECK(std::ranges::all_of(keys, [&](std::uint64_t key) { return key / 7 % 3 == job; }));
            const std::set own(keys.begin(), keys.end());
            CHECK(own.size() == access_sequence::keys_of(space));
            own_keys += own.size();
            all.insert(own.begin(), own.end());
        }
        CHECK(own_keys == 77);
        CHECK(all.size() == 77);
        CHECK(*all.rbegin() == 76);
    }
}

TEST_CASE("a job alone with one key, and one with a job for each file, stay within their keys") {
    for (const auto kind : {access_kind::uniform, access_kind::sequential, access_kind::zipf}) {
        const auto options = options_of(kind);
        CHECK(keys_of(options, {1, 1, 1, 0}, 3, 0, 20) == std::vector<std::uint64_t>(20));
        CHECK(keys_of(options, {4, 1, 4, 2}, 3, 0, 20) == std::vector<std::uint64_t>(20, 2));
    }
}

TEST_CASE("a sequential job walks its keys in order and round, from another place in each round") {
    const auto options = options_of(access_kind::sequential);
    const key_space space{.files = 5, .extents_per_file = 3, .jobs = 2, .job = 0}; // files 0, 2 and 4
    const std::vector<std::uint64_t> order{0, 1, 2, 6, 7, 8, 12, 13, 14};
    std::set<std::uint64_t> starts;
    for (unsigned round = 0; round < 50; ++round) {
        const auto keys = keys_of(options, space, test::test_seed(), round, 30);
        const auto start = std::ranges::find(order, keys.front());
        REQUIRE(start != order.end());
        starts.insert(keys.front());
        for (std::size_t i = 0; i < keys.size(); ++i)
            CHECK(keys[i] == order[(static_cast<std::size_t>(start - order.begin()) + i) % order.size()]);
    }
    CHECK(starts.size() > 3);
}

TEST_CASE("ranks come up as often as Zipf's law says, for skews below, at and above 1") {
    constexpr int draws = 400'000;
    for (const double skew : {0.5, 1.0, 1.0000001, 1.2, 3.0, 5.0}) {
        for (const std::uint64_t count : {2U, 10U, 1000U, 50'000U}) {
            const zipf_numbers zipf(count, skew);
            seeded_numbers numbers(test::test_seed() + count);
            std::vector<double> seen(count);
            for (int i = 0; i < draws; ++i) {
                ++seen.at(zipf.next(numbers) - 1);
            }
            CAPTURE(skew);
            CAPTURE(count);
            CHECK(deviation(seen, zipf_expectation(count, skew, draws)) < 6);
        }
    }
}

TEST_CASE("the check of frequencies notices a skew that is three hundredths off") {
    constexpr int draws = 400'000;
    const zipf_numbers zipf(1000, 1);
    seeded_numbers numbers(test::test_seed());
    std::vector<double> seen(1000);
    for (int i = 0; i < draws; ++i)
        ++seen[zipf.next(numbers) - 1];
    CHECK(deviation(seen, zipf_expectation(1000, 1.03, draws)) > 6);
}

TEST_CASE("the most of ranks that there can be stay in range") {
    for (const double skew : {0.001, 1.0, 5.0}) {
        const zipf_numbers zipf(std::uint64_t{1} << 32, skew);
        seeded_numbers numbers(test::test_seed());
        std::uint64_t largest = 0;
        for (int i = 0; i < 20'000; ++i) {
            const auto rank = zipf.next(numbers);
            CHECK(rank - 1 < std::uint64_t{1} << 32);
            largest = std::max(largest, rank);
        }
        CHECK((largest > std::uint64_t{1} << 31) == (skew < 5));
    }
}

TEST_CASE("the hot keys are the same in every round, are not neighbours, and are others for another seed") {
    access_options options;
    options.skew = 3;
    const key_space space{.files = 100, .extents_per_file = 16};
    const auto hottest = [&](std::uint64_t seed, unsigned round) {
        std::vector<int> counts(1600);
        for (const auto key : keys_of(options, space, seed, round, 5000))
            ++counts[key];
        std::vector<std::size_t> order(counts.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::ranges::partial_sort(order, order.begin() + 3, std::greater(),
                                  [&](std::size_t key) { return counts[key]; });
        return std::vector(order.begin(), order.begin() + 3);
    };
    const std::uint64_t seed = test::test_seed();
    const auto hot = hottest(seed, 0);
    CHECK(hottest(seed, 1) == hot);
    CHECK(hottest(seed, 7) == hot);
    std::set<std::vector<std::size_t>> of_seeds;
    int in_one_file = 0;
    for (std::uint64_t other = 0; other < 8; ++other) {
        const auto keys = hottest(seed + other, 0);
        of_seeds.insert(keys);
        in_one_file += keys[0] / 16 == keys[1] / 16 && keys[1] / 16 == keys[2] / 16 ? 1 : 0;
    }
    CHECK(of_seeds.size() == 8);
    CHECK(in_one_file < 3);
}

TEST_CASE("a seeded permutation gives every number once") {
    for (const std::uint64_t count : {1U, 2U, 3U, 64U, 65U, 1000U, 4097U}) {
        const seeded_permutation permutation(count, test::test_seed() + count);
        std::vector<bool> seen(count);
        for (std::uint64_t i = 0; i < count; ++i) {
            const auto to = permutation(i);
            REQUIRE(to < count);
            CHECK(!seen[to]);
            seen[to] = true;
        }
    }
}

TEST_CASE("a trace is taken in its order by the job it belongs to, again from its start, in every round") {
    const auto options = options_of(access_kind::trace); // 5 0 76 11 5 33 2, 7 extents a file
    using keys = std::vector<std::uint64_t>;
    for (const unsigned round : {0U, 3U}) {
        CHECK(keys_of(options, {11, 7, 1, 0}, 1, round, 9) == keys{5, 0, 76, 11, 5, 33, 2, 5, 0});
        CHECK(keys_of(options, {11, 7, 2, 0}, 1, round, 7) == keys{5, 0, 76, 5, 33, 2, 5});
        CHECK(keys_of(options, {11, 7, 2, 1}, 1, round, 3) == keys{11, 11, 11});
    }
}

TEST_CASE("reads are as many as asked for, and the same ones whatever is accessed") {
    const key_space space{.files = 11, .extents_per_file = 7};
    constexpr double deviation_of_30_percent = 92;
    for (const unsigned percent : {0U, 30U, 100U}) {
        std::set<std::vector<bool>> of_kinds;
        for (const auto kind : kinds) {
            auto options = options_of(kind);
            options.read_percent = percent;
            of_kinds.insert(reads_of(options, space, test::test_seed(), 0, 40'000));
        }
        CHECK(of_kinds.size() == 1); // so a trace reads and writes like the run it was recorded of
        const auto count = static_cast<double>(std::ranges::count(*of_kinds.begin(), true));
        CHECK(std::abs(count - 400.0 * percent) <= (percent == 30 ? 6 * deviation_of_30_percent : 0));
    }
}

TEST_CASE("taking a step allocates nothing") {
    if (!test::allocation_counter::available())
        return;
    for (const auto kind : kinds) {
        const auto options = options_of(kind);
        access_sequence sequence(options, {11, 7, 2, 1}, 1, 0);
        std::uint64_t sum = 0;
        const test::allocation_counter counter;
        for (int i = 0; i < 1000; ++i)
            sum += sequence.next().key;
        const auto allocations = counter.count();
        CHECK(allocations == 0);
        CHECK(sum != 0);
    }
}
