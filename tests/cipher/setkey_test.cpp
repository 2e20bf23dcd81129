// SPDX-License-Identifier: Apache-2.0
#include "tests/cipher/cipher_cases.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/death.hpp"
#include "tests/support/memory_search.hpp"

#include <array>
#include <string.h> // NOLINT: explicit_bzero

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::size_t length = 3 * 512;

std::vector<std::byte> encrypted(cipher_case& with, bytes_view plain, cipher_lane& lane) {
    std::vector<std::byte> data(plain.begin(), plain.end());
    crypt_in_place(with, cipher_direction::encrypt, 3, unit_of(512), data, lane);
    return data;
}

bool has_weak_keys(const cipher_case& with) {
    return find_mode(with.implementation.mode)->name.ends_with("-xts");
}

// The key itself, as every cipher does but our own SM4, whose round keys all come after the first round.
bool keeps_key(const cipher_case& with) {
    return with.implementation.mode != crypto_mode::sm4_xts || !is_ours(with);
}

// Both directions, on each lane, so that nothing is keyed later than it seems.
void use_all_lanes(cipher_case& with, std::span<cipher_lane> lanes) {
    for (auto& lane : lanes)
        for (const auto direction : {cipher_direction::encrypt, cipher_direction::decrypt}) {
            std::array<std::byte, length> data{};
            crypt_in_place(with, direction, 1, unit_of(512), data, lane);
        }
}

// Keys the tfm with bytes that nobody keeps; the patterns find what the tfm keeps.
std::vector<masked_pattern> setkey_unseen(cipher_case& with, std::uint64_t stream) {
    std::array<std::byte, raw_key_size_max_bytes> key;
    const bytes_span used = bytes_span(key).first(with.key.size());
    random_source(test_seed() + stream).fill(used);
    auto pieces = masked_pieces(used);
    CHECK_FALSE(with.tfm->setkey(used));
    explicit_bzero(key.data(), key.size());
    return pieces;
}

} // namespace

TEST_CASE("a new key takes effect on every lane and in both directions") {
    for_each_cipher(2, [](cipher_case& with) {
        std::array<cipher_lane, 3> lanes{cipher_lane(0), cipher_lane(1), cipher_lane(2)};
        use_all_lanes(with, lanes);
        const auto plain = random_bytes(length, test_seed() + 10);
        for (std::uint64_t round = 0; round < 5; ++round) {
            const auto key = random_key(with.implementation, 20 + round);
            REQUIRE_FALSE(with.tfm->setkey(key));
            const auto expected = reference_ciphertext(with, key, 3, unit_of(512), plain);
            for (auto& lane : lanes) {
                auto data = expected;
                crypt_in_place(with, cipher_direction::decrypt, 3, unit_of(512), data, lane);
                CHECK(data == plain);
                CHECK(encrypted(with, plain, lane) == expected);
            }
        }
    });
}

TEST_CASE("a key of the wrong length is refused and the old one goes on") {
    for_each_cipher(2, [](cipher_case& with) {
        const auto plain = random_bytes(length, test_seed() + 11);
        const auto expected = reference_ciphertext(with, with.key, 3, unit_of(512), plain);
        const auto bytes = random_bytes(256, test_seed() + 12);
        cipher_lane second_lane(1);
        for (std::size_t size = 0; size <= bytes.size(); ++size) {
            if (size == with.key.size())
                continue;
            CAPTURE(size);
            CHECK(with.tfm->setkey(bytes_view(bytes).first(size)) == std::errc::invalid_argument);
        }
        CHECK(encrypted(with, plain, with.lane) == expected);
        CHECK(encrypted(with, plain, second_lane) == expected);
    });
}

TEST_CASE("an XTS key with two equal halves is refused and the old one goes on") {
    for_each_cipher(2, [](cipher_case& with) {
        if (!has_weak_keys(with))
            return;
        const auto plain = random_bytes(length, test_seed() + 13);
        const auto expected = reference_ciphertext(with, with.key, 3, unit_of(512), plain);
        auto weak = random_key(with.implementation, 14);
        std::ranges::copy_n(weak.begin(), static_cast<std::ptrdiff_t>(weak.size() / 2),
                            weak.begin() + static_cast<std::ptrdiff_t>(weak.size() / 2));
        CHECK(with.tfm->setkey(weak) == std::errc::invalid_argument);
        CHECK(with.tfm->setkey(std::vector<std::byte>(weak.size())) == std::errc::invalid_argument);
        cipher_lane second_lane(1);
        CHECK(encrypted(with, plain, with.lane) == expected);
        CHECK(encrypted(with, plain, second_lane) == expected);
        weak.back() ^= std::byte{1};
        CHECK_FALSE(with.tfm->setkey(weak));
        CHECK(encrypted(with, plain, with.lane) == reference_ciphertext(with, weak, 3, unit_of(512), plain));
    });
}

TEST_CASE("a key may lie at any address") {
    for_each_cipher(1, [](cipher_case& with) {
        const auto plain = random_bytes(length, test_seed() + 15);
        const auto expected = reference_ciphertext(with, with.key, 3, unit_of(512), plain);
        for (std::size_t offset = 0; offset < 16; ++offset) {
            std::vector<std::byte> holder(offset);
            holder.insert(holder.end(), with.key.begin(), with.key.end());
            REQUIRE_FALSE(with.tfm->setkey(bytes_view(holder).subspan(offset)));
            CHECK(encrypted(with, plain, with.lane) == expected);
        }
    });
}

TEST_CASE("a tfm does not need the caller's copy of the key") {
    for_each_cipher(1, [](cipher_case& with) {
        const auto plain = random_bytes(length, test_seed() + 16);
        auto key = random_key(with.implementation, 17);
        const auto expected = reference_ciphertext(with, key, 3, unit_of(512), plain);
        REQUIRE_FALSE(with.tfm->setkey(key));
        explicit_bzero(key.data(), key.size());
        CHECK(encrypted(with, plain, with.lane) == expected);
    });
}

TEST_CASE("setkey and crypt allocate nothing") {
    if (!allocation_counter::available())
        return;
    for (const auto& implementation : usable_implementations()) {
        INFO("implementation ", std::string(implementation.name));
        auto tfm = implementation.make(2).value();
        const auto key = random_key(implementation, 18);
        const auto other_key = random_key(implementation, 19);
        std::array<cipher_lane, 2> lanes{cipher_lane(0), cipher_lane(1)};
        std::vector<std::byte> data(3 * 8192);
        const std::array segments{
            cipher_segment{data.data(), data.data(), 8192 + 77},
            cipher_segment{data.data() + 8192 + 77, data.data() + 8192 + 77, 2 * 8192 - 77}};
        const auto unit = unit_of(8192);
        std::error_code refused;
        const allocation_counter allocations;
        for (const auto& round_key : {bytes_view(key), bytes_view(other_key), bytes_view(key)}) {
            refused = tfm->setkey(round_key);
            for (auto& lane : lanes) {
                tfm->crypt(cipher_direction::encrypt, 5, unit, segments, lane);
                tfm->crypt(cipher_direction::decrypt, 5, unit, segments, lane);
            }
        }
        const auto made = allocations.count();
        CHECK(made == 0);
        CHECK_FALSE(refused);
    }
}

TEST_CASE("nothing of a key is left after the next setkey") {
    for_each_cipher(2, [](cipher_case& with) {
        std::array<cipher_lane, 2> lanes{cipher_lane(0), cipher_lane(1)};
        const auto old_pieces = setkey_unseen(with, 30);
        use_all_lanes(with, lanes);
        CHECK((count_in_memory(old_pieces) > 0) == keeps_key(with));
        const auto new_pieces = setkey_unseen(with, 31);
        CHECK(count_in_memory(old_pieces) == 0);
        use_all_lanes(with, lanes);
        CHECK(count_in_memory(old_pieces) == 0);
        CHECK((count_in_memory(new_pieces) > 0) == keeps_key(with));
    });
}

TEST_CASE("nothing of a key is left after the tfm") {
    for_each_cipher(2, [](cipher_case& with) {
        std::array<cipher_lane, 2> lanes{cipher_lane(0), cipher_lane(1)};
        const auto pieces = setkey_unseen(with, 32);
        use_all_lanes(with, lanes);
        with.tfm.reset();
        CHECK(count_in_memory(pieces) == 0);
    });
}

TEST_CASE("a refused key leaves no copy") {
    for_each_cipher(1, [](cipher_case& with) {
        if (!has_weak_keys(with))
            return;
        std::array<std::byte, raw_key_size_max_bytes> key;
        const std::size_t half = with.key.size() / 2;
        random_source(test_seed() + 33).fill(bytes_span(key).first(half));
        std::copy_n(key.begin(), half, key.begin() + static_cast<std::ptrdiff_t>(half));
        const auto pieces = masked_pieces(bytes_view(key).first(half));
        CHECK(with.tfm->setkey(bytes_view(key).first(with.key.size())) == std::errc::invalid_argument);
        explicit_bzero(key.data(), key.size());
        CHECK(count_in_memory(pieces) == 0);
    });
}

TEST_CASE("crypt without a key ends the process") {
    const auto crypt_unkeyed = [](void* argument) {
        std::vector<std::byte> data(512);
        const cipher_segment all{data.data(), data.data(), data.size()};
        cipher_lane lane(0);
        static_cast<skcipher*>(argument)->crypt(cipher_direction::encrypt, 0, unit_of(512), {&all, 1}, lane);
    };
    for (const auto& implementation : usable_implementations()) {
        INFO("implementation ", std::string(implementation.name));
        const auto tfm = implementation.make(1).value();
        CHECK(aborts_saying("no key", crypt_unkeyed, tfm.get()));
    }
}
