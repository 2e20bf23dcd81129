// SPDX-License-Identifier: Apache-2.0
#include "tests/cipher/cipher_cases.hpp"

#include <array>
#include <atomic>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr unsigned thread_count = 4;
constexpr int rounds = 300;

struct work {
    iv_sequence ivs;
    std::vector<std::byte> plain;
    std::vector<std::byte> expected;
};

// Encrypts and decrypts the same data over and over; the number of wrong results.
int wrong_results(const cipher_case& with, const work& mine, unsigned lane_index) {
    int wrong = 0;
    cipher_lane lane(lane_index);
    auto data = mine.plain;
    for (int round = 0; round < rounds; ++round) {
        crypt_in_place(with, cipher_direction::encrypt, mine.ivs, unit_of(512), data, lane);
        wrong += data == mine.expected ? 0 : 1;
        crypt_in_place(with, cipher_direction::decrypt, mine.ivs, unit_of(512), data, lane);
        wrong += data == mine.plain ? 0 : 1;
    }
    return wrong;
}

// Four threads on one tfm, thread t with the lane lane_indices[t].
void check_threads(unsigned lanes, std::array<unsigned, thread_count> lane_indices) {
    for_each_cipher(lanes, [&](cipher_case& with) {
        random_source random(test_seed() + lanes);
        std::vector<work> works;
        for (unsigned t = 0; t < thread_count; ++t) {
            const uint256 iv = random_iv(random);
            auto plain = random_bytes(4 * 512, random.next());
            auto expected = reference_ciphertext(with, with.key, iv, unit_of(512), plain);
            works.push_back({iv, std::move(plain), std::move(expected)});
        }
        std::atomic<int> wrong{0};
        std::vector<std::thread> threads;
        for (unsigned t = 0; t < thread_count; ++t)
            threads.emplace_back([&, t] { wrong += wrong_results(with, works[t], lane_indices[t]); });
        for (auto& thread : threads)
            thread.join();
        CHECK(wrong.load() == 0);
    });
}

// Whole runs of 4096-byte units: `backwards` starts with a decryption, so that both directions are in use at
// once.
int wrong_runs(const cipher_case& with, const work& mine, unsigned lane_index, bool backwards) {
    constexpr int run_rounds = 20;
    int wrong = 0;
    cipher_lane lane(lane_index);
    auto data = backwards ? mine.expected : mine.plain;
    for (int turn = 0; turn < 2 * run_rounds; ++turn) {
        const bool decrypts = (turn % 2 != 0) != backwards;
        crypt_in_place(with, decrypts ? cipher_direction::decrypt : cipher_direction::encrypt, mine.ivs,
                       unit_of(4096), data, lane);
        wrong += same_bytes(data, decrypts ? mine.plain : mine.expected) ? 0 : 1;
    }
    return wrong;
}

} // namespace

TEST_CASE("threads with lanes of their own use one tfm at once") {
    check_threads(4, {0, 1, 2, 3});
}

TEST_CASE("threads with the same lane number use one tfm at once") {
    check_threads(4, {2, 2, 2, 2});
}

TEST_CASE("more threads than the tfm has lanes use it at once") {
    check_threads(1, {0, 1, 2, 3});
    check_threads(2, {0, 1, 2, 3});
}

TEST_CASE("lane numbers may be anything") {
    check_threads(2, {~0U, 1U << 31, 12345, 7});
}

TEST_CASE("threads encrypt and decrypt long runs of large units with one tfm at once") {
    for_each_cipher(thread_count, [](cipher_case& with) {
        random_source random(test_seed() + 5);
        std::vector<work> works;
        for (std::size_t t = 0; t < thread_count; ++t) {
            const iv_sequence ivs(random_iv(random), t == 3 ? 3 : 0);
            auto plain = random_bytes((9 + t) * 4096, random.next());
            auto expected = reference_ciphertext(with, with.key, ivs, unit_of(4096), plain);
            works.push_back({ivs, std::move(plain), std::move(expected)});
        }
        std::atomic<int> wrong{0};
        std::vector<std::thread> threads;
        for (unsigned t = 0; t < thread_count; ++t)
            threads.emplace_back([&, t] { wrong += wrong_runs(with, works[t], t, t % 2 != 0); });
        for (auto& thread : threads)
            thread.join();
        CHECK(wrong.load() == 0);
    });
}
