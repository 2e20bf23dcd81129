// SPDX-License-Identifier: Apache-2.0
// What a key is expanded into is as secret as the key: from two round keys in a row the whole key follows.
// Without optimisation, and for sanitizers, compilers keep copies of values in memory: the claim is not made
// there.
#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/aes_xts_vector.hpp"
#include "tests/cipher/cipher_cases.hpp"
#include "tests/cipher/parked_thread.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/memory_search.hpp"

#include <algorithm>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

bool cannot_tell() {
    const bool sanitized = !allocation_counter::available();
    return !is_optimised || sanitized || !cpu_features().contains({cpu_feature::aes, cpu_feature::sse4_1});
}

// A round key for encryption is one for decryption twice: the first and the last. Once in each schedule.
constexpr std::size_t hits_in_schedule = 3 * (aes_256_rounds + 1) + 4;

void append_pieces(std::vector<masked_pattern>& to, const aes_256_round_keys& keys) {
    for (auto& piece : masked_pieces({keys.front().data(), sizeof(keys)}))
        to.push_back(std::move(piece));
}

// The patterns of the round keys of a random key, which is written to `key`.
std::vector<masked_pattern> make_key(std::span<std::byte, aes_256_xts_key_bytes> key, std::uint64_t stream) {
    aes_xts_schedule schedule;
    random_source(test_seed() + stream).fill(key);
    expand_aes_xts_key(key, schedule);
    std::vector<masked_pattern> patterns;
    append_pieces(patterns, schedule.encrypt);
    append_pieces(patterns, schedule.decrypt);
    append_pieces(patterns, schedule.tweak);
    zeroize({schedule.encrypt.front().data(), sizeof(schedule)});
    return patterns;
}

// Keys the tfm with bytes that nobody keeps.
std::vector<masked_pattern> setkey_unseen(cipher_case& with, std::uint64_t stream) {
    std::array<std::byte, aes_256_xts_key_bytes> key;
    auto patterns = make_key(key, stream);
    CHECK_FALSE(with.tfm->setkey(key));
    zeroize(key);
    return patterns;
}

// Runs `body(cipher_case&)` for the implementations of the mode whose round keys are looked for.
template <typename Body>
void for_each_aes_256_xts(Body body) {
    for_each_cipher(1, [&](cipher_case& with) {
        if (with.implementation.mode == crypto_mode::aes_256_xts)
            body(with);
    });
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

// How often the patterns occur after `body`, which has a stack of its own: that is looked at as it was left.
template <typename Body>
std::size_t count_after(Body body, const std::vector<masked_pattern>& patterns) {
    const parked_thread thread(body);
    return count_in_memory(patterns);
}

// As the caller finds them, one every 64 bytes. Ours need AVX; AVX-512 may not be there.
struct vector_registers {
    alignas(64) std::array<std::byte, 32 * 64> bytes{};
};

[[gnu::target("avx")]] void store_ymm(std::byte* to) noexcept {
    asm volatile(".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
                 "vmovdqu %%ymm\\i, 64*\\i(%0)\n"
                 ".endr" ::"r"(to)
                 : "memory");
}

[[gnu::target("avx512f")]] void store_zmm(std::byte* to) noexcept {
    asm volatile(
        ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
        "vmovdqu64 %%zmm\\i, 64*\\i(%0)\n"
        ".endr" ::"r"(to)
        : "memory");
}

[[gnu::noinline]] void store(vector_registers& registers) noexcept {
    __builtin_cpu_supports("avx512f") ? store_zmm(registers.bytes.data()) : store_ymm(registers.bytes.data());
}

std::size_t count_in(const vector_registers& registers, const std::vector<masked_pattern>& patterns) {
    std::size_t hits = 0;
    for (std::size_t at = 0; at < registers.bytes.size(); at += aes_block_bytes)
        hits += static_cast<std::size_t>(std::ranges::count_if(
            patterns, [&](const auto& pattern) { return pattern.matches(registers.bytes.data() + at); }));
    return hits;
}

const aes_xts_kernels* kernels_of(const skcipher_implementation& implementation) {
    if (implementation.name == "aes_xts_vaes_avx512")
        return &aes_xts_vaes_avx512;
    if (implementation.name == "aes_xts_vaes_avx2")
        return &aes_xts_vaes_avx2;
    return implementation.name == "aes_xts_aesni_avx" ? &aes_xts_aesni_avx : nullptr;
}

} // namespace

TEST_CASE("setkey leaves round keys in the tfm and nowhere else") {
    if (cannot_tell())
        return;
    for_each_aes_256_xts([](cipher_case& with) {
        if (!is_ours(with))
            return;
        std::array<std::byte, aes_256_xts_key_bytes> key;
        const auto round_keys = make_key(key, 110);
        std::error_code refused;
        const auto set_key = [&] {
            refused = with.tfm->setkey(key);
            zeroize(key);
        };
        CHECK(count_after(set_key, round_keys) == hits_in_schedule);
        CHECK_FALSE(refused);
    });
}

TEST_CASE("crypt leaves no copy of a round key") {
    if (cannot_tell())
        return;
    for_each_aes_256_xts([](cipher_case& with) {
        if (!is_ours(with))
            return;
        const auto round_keys = setkey_unseen(with, 114);
        CHECK(count_in_memory(round_keys) == hits_in_schedule);
        CHECK(count_after([&] { use(with); }, round_keys) == hits_in_schedule);
    });
}

// What is left in registers is on a stack after the next interrupt, or in the memory of whoever saves them.
TEST_CASE("setkey and crypt leave no round key in vector registers") {
    if (cannot_tell())
        return;
    for_each_aes_256_xts([](cipher_case& with) {
        if (!is_ours(with))
            return;
        std::array<std::byte, aes_256_xts_key_bytes> key;
        std::array<std::byte, 9 * 512> data{};
        const cipher_segment all{data.data(), data.data(), data.size()};
        const auto round_keys = make_key(key, 115);
        std::array<vector_registers, 3> after;
        const auto refused = with.tfm->setkey(key);
        store(after[0]);
        with.tfm->crypt(cipher_direction::encrypt, 1, unit_of(512), {&all, 1}, with.lane);
        store(after[1]);
        with.tfm->crypt(cipher_direction::decrypt, 1, unit_of(512), {&all, 1}, with.lane);
        store(after[2]);
        CHECK_FALSE(refused);
        for (const auto& registers : after)
            CHECK(count_in(registers, round_keys) == 0);
    });
}

TEST_CASE("who has memory for the expanded key needs no tfm and allocates nothing") {
    for_each_aes_256_xts([](cipher_case& with) {
        const aes_xts_kernels* kernels = kernels_of(with.implementation);
        if (kernels == nullptr)
            return;
        const auto plain = random_bytes(9 * 512, test_seed() + 40);
        const iv_sequence ivs(7);
        const auto expected = reference_ciphertext(with, with.key, ivs, unit_of(512), plain);
        auto data = plain;
        const cipher_segment in_place{data.data(), data.data(), data.size()};
        const unit_run run{ivs, unit_of(512), 9, {&in_place, 1}};
        const allocation_counter allocations;
        aes_xts_schedule schedule;
        expand_aes_xts_key(bytes_view(with.key).first<aes_256_xts_key_bytes>(), schedule);
        kernels->encrypt(schedule, run);
        const bool encrypted = data == expected;
        kernels->decrypt(schedule, run);
        const auto made = allocations.count();
        zeroize({schedule.encrypt.front().data(), sizeof(schedule)});
        CHECK(encrypted);
        CHECK(data == plain);
        CHECK(made == 0);
    });
}
