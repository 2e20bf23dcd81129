// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/aes_xts_schedule.hpp"

#include "blkcrypto/cipher/cpu_features.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

// FIPS 197, appendix A.3.
constexpr auto fips_key = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
constexpr auto fips_round_keys = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
                                 "9ba354118e6925afa51a8b5f2067fcdea8b09c1a93d194cdbe49846eb75d5b9a"
                                 "d59aecb85bf3c917fee94248de8ebe96b5a9328a2678a647983122292f6c79b3"
                                 "812c81addadf48ba24360af2fab8b46498c5bfc9bebd198e268c3ba709e04214"
                                 "68007bacb2df331696e939e46c518d80c814e20476a9fb8a5025c02d59c58239"
                                 "de1369676ccc5a71fa2563959674ee155886ca5d2e2f31d77e0af1fa27cf73c3"
                                 "749c47ab18501ddae2757e4f7401905acafaaae3e4d59b349adf6acebd10190d"
                                 "fe4890d1e6188d0b046df344706c631e";

using block = std::array<std::byte, aes_block_bytes>;

bool cannot_expand() {
    return !cpu_features().contains({cpu_feature::aes, cpu_feature::sse4_1});
}

aes_xts_schedule expanded(bytes_view key) {
    aes_xts_schedule schedule;
    expand_aes_xts_key(key.first<aes_256_xts_key_bytes>(), schedule);
    return schedule;
}

bytes_view bytes_of(const aes_256_round_keys& keys) {
    return {keys.front().data(), sizeof(keys)};
}

std::vector<std::byte> joined(std::vector<std::byte> first, const std::vector<std::byte>& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

// In the field of AES: FIPS 197, 4.2.
unsigned product(unsigned a, unsigned b) {
    unsigned sum = 0;
    for (; b != 0; b >>= 1, a = a << 1 ^ ((a & 0x80) != 0 ? 0x11bU : 0U))
        sum ^= (b & 1) != 0 ? a : 0U;
    return sum;
}

// FIPS 197, 5.3.3, as it stands there.
block inverse_mix_columns(const block& in) {
    constexpr std::array<unsigned, 4> factors{0x0e, 0x0b, 0x0d, 0x09};
    block out{};
    for (std::size_t i = 0; i < in.size(); ++i)
        for (std::size_t k = 0; k < 4; ++k) {
            const auto byte = std::to_integer<unsigned>(in[i / 4 * 4 + (i + k) % 4]);
            out[i] ^= static_cast<std::byte>(product(byte, factors[k]));
        }
    return out;
}

} // namespace

TEST_CASE("the round keys of both halves of an AES-256-XTS key are those of FIPS 197") {
    if (cannot_expand())
        return;
    const auto key = from_hex(fips_key);
    const auto other = random_bytes(32, test_seed() + 80);
    const auto round_keys = from_hex(fips_round_keys);
    REQUIRE(round_keys.size() == sizeof(aes_256_round_keys));
    CHECK(std::ranges::equal(bytes_of(expanded(joined(key, other)).encrypt), round_keys));
    CHECK(std::ranges::equal(bytes_of(expanded(joined(other, key)).tweak), round_keys));
}

TEST_CASE("neither half of an AES-256-XTS key has an effect on the round keys of the other") {
    if (cannot_expand())
        return;
    const auto first = random_bytes(32, test_seed() + 81);
    const auto second = random_bytes(32, test_seed() + 82);
    const auto straight = expanded(joined(first, second));
    const auto swapped = expanded(joined(second, first));
    CHECK(straight.encrypt == swapped.tweak);
    CHECK(straight.tweak == swapped.encrypt);
    CHECK(expanded(joined(first, first)).decrypt == straight.decrypt);
}

TEST_CASE("round keys for decryption are those for encryption backwards with their columns unmixed") {
    if (cannot_expand())
        return;
    for (std::uint64_t stream = 0; stream < 100; ++stream) {
        const auto schedule = expanded(random_bytes(64, test_seed() + 100 + stream));
        CHECK(schedule.decrypt.front() == schedule.encrypt.back());
        CHECK(schedule.decrypt.back() == schedule.encrypt.front());
        for (std::size_t round = 1; round < aes_256_rounds; ++round) {
            CAPTURE(round);
            CHECK(schedule.decrypt[round] == inverse_mix_columns(schedule.encrypt[aes_256_rounds - round]));
        }
    }
}

TEST_CASE("an expanded key has 768 bytes of aligned memory and its making allocates none") {
    CHECK(sizeof(aes_xts_schedule) == 768);
    CHECK(alignof(aes_xts_schedule) == 64);
    if (cannot_expand() || !allocation_counter::available())
        return;
    const auto key = random_bytes(64, test_seed() + 83);
    aes_xts_schedule schedule;
    const allocation_counter allocations;
    expand_aes_xts_key(bytes_view(key).first<64>(), schedule);
    const auto made = allocations.count();
    CHECK(made == 0);
}

TEST_CASE("an AES-256-XTS key at any address expands to the same") {
    if (cannot_expand())
        return;
    const auto key = random_bytes(64, test_seed() + 84);
    const auto expected = expanded(key);
    for (std::size_t offset = 0; offset < 16; ++offset) {
        const auto moved = joined(std::vector<std::byte>(offset), key);
        const auto schedule = expanded(bytes_view(moved).subspan(offset));
        CHECK(schedule.encrypt == expected.encrypt);
        CHECK(schedule.decrypt == expected.decrypt);
        CHECK(schedule.tweak == expected.tweak);
    }
}
