// SPDX-License-Identifier: Apache-2.0
// Which IV each data unit of a run has: any number of units, any step, and a carry out of a 64-bit limb
// anywhere. Implementations encrypt the IVs of several units ahead of their use, and this is where one of
// them would be lost, used twice or counted wrongly.
#include "tests/cipher/cipher_cases.hpp"

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::size_t units_max = 40;

// The longest run there is here, and what the reference makes of it: a shorter one is its beginning.
struct expected_run {
    expected_run(const cipher_case& with, const iv_sequence& sequence, data_unit_size size,
                 std::uint64_t seed)
        : ivs(sequence), unit(size), plain(random_bytes(units_max * size.bytes(), seed)),
          cipher(reference_ciphertext(with, with.key, ivs, unit, plain)) {}

    iv_sequence ivs;
    data_unit_size unit;
    std::vector<std::byte> plain;
    std::vector<std::byte> cipher;
};

bool gives(const cipher_case& with, cipher_direction direction, const expected_run& run, bytes_view source,
           bytes_view expected) {
    static std::vector<std::byte> memory(units_max * data_unit_size::max_bytes);
    const bytes_span target = bytes_span(memory).first(source.size());
    cipher_lane lane(0);
    const cipher_segment all{source.data(), target.data(), source.size()};
    with.tfm->crypt(direction, run.ivs, run.unit, {&all, 1}, lane);
    return same_bytes(target, expected);
}

void check_all_counts(const cipher_case& with, const expected_run& run) {
    for (std::size_t units = 1; units <= units_max; ++units) {
        CAPTURE(units);
        const bytes_view plain = bytes_view(run.plain).first(units * run.unit.bytes());
        const bytes_view cipher = bytes_view(run.cipher).first(units * run.unit.bytes());
        CHECK(gives(with, cipher_direction::encrypt, run, plain, cipher));
        CHECK(gives(with, cipher_direction::decrypt, run, cipher, plain));
    }
}

// IVs whose low `limbs` limbs carry where unit number `unit` of the run begins.
iv_sequence carrying_at(std::uint64_t unit, std::size_t limbs, unsigned shift, random_source& random) {
    const std::uint64_t step = std::uint64_t{1} << shift;
    uint256 first(random.below(step) - unit * step, random.next(), random.next(), random.next());
    for (std::size_t limb = 1; limb < limbs; ++limb)
        first.limbs[limb] = ~std::uint64_t{0};
    return {first, shift};
}

void check_carries(const cipher_case& with, std::uint32_t size, unsigned shift,
                   std::span<const std::uint64_t> places) {
    random_source random(test_seed() + size + shift);
    for (const std::size_t limbs : {1U, 2U, 4U})
        for (const std::uint64_t place : places) {
            CAPTURE(size);
            CAPTURE(shift);
            CAPTURE(limbs);
            CAPTURE(place);
            const auto ivs = carrying_at(place, limbs, shift, random);
            check_all_counts(with, expected_run(with, ivs, unit_of(size), random.next()));
        }
}

// Around the borders of groups of one, two and four units, and at the end.
constexpr std::array<std::uint64_t, 9> near_borders{1, 2, 3, 4, 5, 7, 8, 9, 39};

} // namespace

TEST_CASE("each unit of a run of up to forty has the IV after that of the unit before") {
    for_each_cipher(1, [](cipher_case& with) {
        random_source random(test_seed() + 40);
        for (std::uint32_t size = data_unit_size::min_bytes; size <= data_unit_size::max_bytes; size *= 2) {
            CAPTURE(size);
            const auto ivs = carrying_at(1 + random.below(units_max), 1, 0, random);
            check_all_counts(with, expected_run(with, ivs, unit_of(size), random.next()));
        }
    });
}

TEST_CASE("the IVs of a run may carry out of a limb before any of its units") {
    std::vector<std::uint64_t> everywhere(units_max);
    for (std::size_t i = 0; i < everywhere.size(); ++i)
        everywhere[i] = i + 1;
    for_each_cipher(1, [&](cipher_case& with) { check_carries(with, 512, 0, everywhere); });
}

TEST_CASE("the IVs of a run of larger units may carry out of a limb") {
    for_each_cipher(1, [](cipher_case& with) {
        for (const std::uint32_t size : {1024U, 2048U, 4096U})
            check_carries(with, size, 0, std::span(near_borders).first(6));
    });
}

TEST_CASE("the IVs of a run go in steps of up to 128 and carry out of a limb between two") {
    for_each_cipher(1, [](cipher_case& with) {
        for (unsigned shift = 1; shift <= iv_sequence::shift_max; ++shift)
            check_carries(with, 512, shift, near_borders);
        check_carries(with, 4096, 3, std::span(near_borders).first(3));
    });
}

// Not only what the tests' own reference says: a call for each unit has nothing to count.
TEST_CASE("a run gives what one call for each unit gives, whatever the step") {
    for_each_cipher(1, [](cipher_case& with) {
        random_source random(test_seed() + 41);
        for (unsigned shift = 0; shift <= iv_sequence::shift_max; ++shift) {
            CAPTURE(shift);
            const iv_sequence ivs(random_iv(random), shift);
            auto at_once = random_bytes(13 * 512, random.next());
            auto one_by_one = at_once;
            crypt_in_place(with, cipher_direction::encrypt, ivs, unit_of(512), at_once, with.lane);
            uint256 iv = ivs.next();
            for (std::size_t at = 0; at < one_by_one.size(); at += 512, iv.add(std::uint64_t{1} << shift))
                crypt_in_place(with, cipher_direction::encrypt, iv, unit_of(512),
                               bytes_span(one_by_one).subspan(at, 512), with.lane);
            CHECK(at_once == one_by_one);
        }
    });
}
