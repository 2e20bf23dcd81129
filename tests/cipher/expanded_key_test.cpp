// SPDX-License-Identifier: Apache-2.0
// What a key is expanded into is as secret as the key: from two round keys in a row the whole key follows.
// Without optimisation compilers keep copies of every value in memory, and the claim is not made.
#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/aes_xts_schedule.hpp"
#include "tests/cipher/cipher_cases.hpp"
#include "tests/support/memory_search.hpp"

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

#if defined(__OPTIMIZE__)
constexpr bool is_optimised = true;
#else
constexpr bool is_optimised = false;
#endif

bool cannot_tell() {
    return !is_optimised || !cpu_features().contains({cpu_feature::aes, cpu_feature::sse4_1});
}

// A round key for encryption is one for decryption twice: the first and the last. Once in each schedule.
constexpr std::size_t hits_in_schedule = 3 * (aes_256_rounds + 1) + 4;

bool is_ours(const cipher_case& with) {
    return with.implementation.name != "aes_xts_openssl";
}

void append_pieces(std::vector<masked_pattern>& to, const aes_256_round_keys& keys) {
    for (auto& piece : masked_pieces({keys.front().data(), sizeof(keys)}))
        to.push_back(std::move(piece));
}

// Keys the tfm with bytes that nobody keeps; the patterns find their round keys.
std::vector<masked_pattern> setkey_unseen(cipher_case& with, std::uint64_t stream) {
    std::array<std::byte, aes_256_xts_key_bytes> key;
    aes_xts_schedule schedule;
    random_source(test_seed() + stream).fill(key);
    expand_aes_xts_key(key, schedule);
    std::vector<masked_pattern> patterns;
    append_pieces(patterns, schedule.encrypt);
    append_pieces(patterns, schedule.decrypt);
    append_pieces(patterns, schedule.tweak);
    zeroize({schedule.encrypt.front().data(), sizeof(schedule)});
    CHECK_FALSE(with.tfm->setkey(key));
    zeroize(key);
    return patterns;
}

// Both directions, runs with and without a second group of IVs, ragged segments.
void use(cipher_case& with) {
    std::vector<std::byte> data(11 * 4096);
    const std::array segments{cipher_segment{data.data(), data.data(), 9 * 4096 + 5},
                              cipher_segment{data.data() + 9 * 4096 + 5, data.data() + 9 * 4096 + 5, 8187}};
    for (const auto direction : {cipher_direction::encrypt, cipher_direction::decrypt}) {
        with.tfm->crypt(direction, 1, unit_of(4096), segments, with.lane);
        crypt_in_place(with, direction, 1, unit_of(512), bytes_span(data).first(512), with.lane);
    }
}

} // namespace

TEST_CASE("the round keys of a keyed tfm are in its expanded key and nowhere else") {
    if (cannot_tell())
        return;
    for_each_cipher(1, [](cipher_case& with) {
        if (!is_ours(with))
            return;
        const auto round_keys = setkey_unseen(with, 110);
        CHECK(count_in_memory(round_keys) == hits_in_schedule);
        use(with);
        CHECK(count_in_memory(round_keys) == hits_in_schedule);
    });
}

TEST_CASE("no round key of a key is left after the next setkey") {
    if (cannot_tell())
        return;
    for_each_cipher(1, [](cipher_case& with) {
        const auto old_keys = setkey_unseen(with, 111);
        use(with);
        const auto new_keys = setkey_unseen(with, 112);
        CHECK(count_in_memory(old_keys) == 0);
        use(with);
        CHECK(count_in_memory(old_keys) == 0);
        if (is_ours(with))
            CHECK(count_in_memory(new_keys) == hits_in_schedule);
    });
}

TEST_CASE("no round key of a key is left after the tfm") {
    if (cannot_tell())
        return;
    for_each_cipher(1, [](cipher_case& with) {
        const auto round_keys = setkey_unseen(with, 113);
        use(with);
        with.tfm.reset();
        CHECK(count_in_memory(round_keys) == 0);
    });
}
