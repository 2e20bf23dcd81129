// SPDX-License-Identifier: Apache-2.0
// What a filesystem says of its bios: which context they get, and what may be added to them.
#include "fsdemo/bio_crypt.hpp"
#include "tests/fsdemo/crypt_rig.hpp"
#include "tests/support/property.hpp"
#include "tests/support/test_seed.hpp"

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

struct no_end final : bio_end_io {
    void end_io(bio&) noexcept override {}
};

struct key_of_an_extent {
    key_of_an_extent(crypto_mode mode, std::uint32_t unit_bytes)
        : made(crypto_key::make(random_bytes(find_mode(mode)->key_size_bytes, test_seed()),
                                {mode, *data_unit_size::make(unit_bytes), 8})
                   .value()),
          info(*made) {}
    std::unique_ptr<crypto_key> made;
    const key_request& info;
};

/// A write of `size_bytes` that begins at that byte of the extent.
struct some_bio {
    some_bio(const key_request* info, std::uint64_t offset_bytes, std::uint32_t size_bytes)
        : data(size_bytes), segment{data.data(), size_bytes} {
        b.prepare(bio_op::write, sector{0}, {&segment, 1}, end);
        set_bio_crypt_ctx(b, info, offset_bytes);
    }
    std::vector<std::byte> data;
    bio_vec segment;
    no_end end;
    bio b;
};

constexpr std::array unit_sizes{512U, 1024U, 2048U, 4096U};
constexpr std::array modes{crypto_mode::aes_256_xts, crypto_mode::aes_128_cbc_essiv, crypto_mode::sm4_xts,
                           crypto_mode::adiantum};

} // namespace

TEST_CASE("a bio's DUN is the offset of its first byte in the extent in data units, a plain one has none") {
    for (const std::uint32_t unit : unit_sizes) {
        const key_of_an_extent key(crypto_mode::aes_256_xts, unit);
        for (const std::uint64_t units : {0U, 1U, 77U, 262143U}) {
            const some_bio some(&key.info, units * unit, unit);
            CHECK(some.b.crypt.key == &key.info);
            CHECK(some.b.crypt.first_dun == dun(units));
        }
    }
    CHECK_FALSE(some_bio(nullptr, 4096, 4096).b.crypt);
}

TEST_CASE(
    "data is added to a bio of the same key whose DUN goes on, not over a gap, nor under another key, nor "
    "without one" *
    PROPERTY(53)) {
    for (const crypto_mode mode : modes)
        for (const std::uint32_t unit : unit_sizes) {
            const key_of_an_extent key(mode, unit);
            const key_of_an_extent equal(mode, unit); // the same bytes, another key
            const std::uint64_t begin = 10 * unit;
            const some_bio some(&key.info, begin, 3 * unit);
            CHECK(mergeable_bio(some.b, &key.info, begin + 3 * unit));
            for (const std::uint64_t elsewhere : {0U, 9U, 10U, 11U, 12U, 14U, 15U, 1000U})
                CHECK_FALSE(mergeable_bio(some.b, &key.info, elsewhere * unit));
            CHECK_FALSE(mergeable_bio(some.b, &equal.info, begin + 3 * unit));
            CHECK_FALSE(mergeable_bio(some.b, nullptr, begin + 3 * unit));
            const some_bio plain(nullptr, begin, 3 * unit);
            CHECK_FALSE(mergeable_bio(plain.b, &key.info, begin + 3 * unit));
        }
}

TEST_CASE("encrypted data is never added to a plain bio, nor plain data to an encrypted one, at any offset" *
          PROPERTY(68)) {
    const key_of_an_extent key(crypto_mode::aes_256_xts, 4096);
    for (std::uint32_t units = 1; units <= 4; ++units) {
        const some_bio plain(nullptr, 0, units * 4096);
        const some_bio encrypted(&key.info, 0, units * 4096);
        for (std::uint64_t offset = 0; offset <= 8 * 4096; offset += 512) {
            CHECK_FALSE(mergeable_bio(plain.b, &key.info, offset));
            CHECK_FALSE(mergeable_bio(encrypted.b, nullptr, offset));
            CHECK(mergeable_bio(plain.b, nullptr, offset));
        }
        CHECK(mergeable_bio(encrypted.b, &key.info, units * 4096));
    }
}
