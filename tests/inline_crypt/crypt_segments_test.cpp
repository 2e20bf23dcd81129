// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/inline_crypt/crypt_segments.hpp"
#include "tests/inline_crypt/scattered_buffer.hpp"
#include "tests/inline_crypt/test_keys.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

struct keyed_cipher {
    explicit keyed_cipher(random_source& random)
        : key(random), tfm(*make_skcipher(crypto_mode::aes_256_xts, 1)) {
        REQUIRE_FALSE(tfm->setkey(key.bytes));
    }
    test_key key;
    std::unique_ptr<skcipher> tfm;
    cipher_lane lane{0};
};

// Crypts all of `data` in a few calls that each take a random number of units; null target: in place.
void crypt_in_steps(keyed_cipher& with, cipher_direction direction, data_unit_size unit,
                    std::span<const bio_vec> segments, std::uint32_t size_bytes, dun at_dun,
                    std::byte* target, random_source& random) {
    bvec_iter at{{}, size_bytes, 0, 0};
    while (at.size_bytes != 0) {
        const std::uint64_t units = 1 + random.below(unit.units_in(at.size_bytes));
        const auto bytes = static_cast<std::uint32_t>(units * unit.bytes());
        crypt_segments(*with.tfm, direction, unit, segments, at, at_dun, bytes, target, with.lane);
        target = target == nullptr ? nullptr : target + bytes;
    }
}

} // namespace

TEST_CASE("segments are crypted as if they were one piece, for all unit sizes") {
    random_source random(test_seed() + 1);
    keyed_cipher with(random);
    for (std::uint32_t unit_bytes = 512; unit_bytes <= 65536; unit_bytes *= 2) {
        const data_unit_size unit = unit_of(unit_bytes);
        for (int round = 0; round < 8; ++round) {
            CAPTURE(unit_bytes);
            const std::size_t size = unit_bytes * (1 + random.below(unit_bytes < 8192 ? 150 : 6));
            const dun first = random_dun(random);
            const auto plain = random_bytes(size, random.next());
            const auto expected = reference_ciphertext(with.key.bytes, first, unit, plain);
            scattered_buffer data(size, std::min(unit_bytes, 4096U), random);
            data.write(plain);

            std::vector<std::byte> out(size);
            crypt_in_steps(with, cipher_direction::encrypt, unit, data.segments(), data.size_bytes(), first,
                           out.data(), random);
            CHECK(out == expected);
            CHECK(data.read() == plain);

            crypt_in_steps(with, cipher_direction::encrypt, unit, data.segments(), data.size_bytes(), first,
                           nullptr, random);
            CHECK(data.read() == expected);
            crypt_in_steps(with, cipher_direction::decrypt, unit, data.segments(), data.size_bytes(), first,
                           nullptr, random);
            CHECK(data.read() == plain);
        }
    }
}

TEST_CASE("crypting moves the place and the data unit number on") {
    random_source random(test_seed() + 2);
    keyed_cipher with(random);
    scattered_buffer data(16 * 4096, 4096, random);
    bvec_iter at{{100}, data.size_bytes(), 0, 0};
    dun at_dun(UINT64_MAX);
    crypt_segments(*with.tfm, cipher_direction::encrypt, unit_of(4096), data.segments(), at, at_dun, 5 * 4096,
                   nullptr, with.lane);
    CHECK(at.start == sector{140});
    CHECK(at.size_bytes == 11 * 4096);
    CHECK(at_dun == dun(uint256(4, 1, 0, 0)));
}

TEST_CASE("segments without data between the parts of a unit do no harm") {
    random_source random(test_seed() + 3);
    keyed_cipher with(random);
    const auto plain = random_bytes(2 * 65536, random.next());
    auto data = plain;
    std::vector<bio_vec> segments;
    for (std::size_t at = 0; at < data.size(); at += 4096) {
        segments.insert(segments.end(), 10, bio_vec{data.data() + at, 0});
        segments.push_back({data.data() + at, 4096});
    }
    crypt_in_steps(with, cipher_direction::encrypt, unit_of(65536), segments, 2 * 65536, dun(1), nullptr,
                   random);
    CHECK(data == reference_ciphertext(with.key.bytes, dun(1), unit_of(65536), plain));
}

// Pages, but for a first segment of two: a batch of segments ends within a unit.
TEST_CASE("a unit in more segments than are left of a batch is crypted as one") {
    random_source random(test_seed() + 4);
    keyed_cipher with(random);
    for (const std::uint32_t unit_bytes : {8192U, 16384U, 65536U}) {
        CAPTURE(unit_bytes);
        const auto plain = random_bytes(8 * 65536, random.next());
        auto data = plain;
        std::vector<bio_vec> segments{{data.data(), 8192}};
        for (std::size_t done = 8192; done < data.size(); done += 4096)
            segments.push_back({data.data() + done, 4096});
        bvec_iter at{{}, 8 * 65536, 0, 0};
        dun at_dun(1);
        crypt_segments(*with.tfm, cipher_direction::encrypt, unit_of(unit_bytes), segments, at, at_dun,
                       8 * 65536, nullptr, with.lane);
        CHECK(data == reference_ciphertext(with.key.bytes, dun(1), unit_of(unit_bytes), plain));
        CHECK(at_dun == dun(1 + 8 * 65536 / unit_bytes));
    }
}

TEST_CASE("zeros are encrypted whatever was in the memory for them") {
    random_source random(test_seed() + 5);
    keyed_cipher with(random);
    auto target = random_bytes(3 * 4096, random.next());
    bvec_iter at{{100}, 5 * 4096, 0, 0};
    dun at_dun(UINT64_MAX);
    crypt_zeros(*with.tfm, unit_of(4096), at, at_dun, target, with.lane);
    CHECK(target == reference_ciphertext(with.key.bytes, dun(UINT64_MAX), unit_of(4096),
                                         std::vector<std::byte>(3 * 4096)));
    CHECK(at.start == sector{124});
    CHECK(at.size_bytes == 2 * 4096);
    CHECK(at_dun == dun(uint256(2, 1, 0, 0)));
}
