// SPDX-License-Identifier: Apache-2.0
// Where the data lies must not change what it becomes: sizes, addresses, places in memory, cuts into
// segments.
#include "tests/cipher/cipher_cases.hpp"
#include "tests/support/death.hpp"
#include "tests/support/guarded_buffer.hpp"

#include <algorithm>
#include <cstring>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::byte canary{0x5c};
constexpr std::array<std::uint32_t, 8> unit_sizes{512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};

std::vector<std::byte> crypt_out_of_place(cipher_case& with, cipher_direction direction, const uint256& iv,
                                          data_unit_size unit, bytes_view source) {
    std::vector<std::byte> target(source.size());
    const cipher_segment all{source.data(), target.data(), source.size()};
    with.tfm->crypt(direction, iv, unit, {&all, 1}, with.lane);
    return target;
}

// Cuts source and target into pieces of any length, some of them empty.
std::vector<cipher_segment> cut_anywhere(bytes_view source, bytes_span target, random_source& random) {
    std::vector<cipher_segment> segments;
    std::size_t at = 0;
    while (at < source.size()) {
        const std::size_t most = std::min<std::size_t>(source.size() - at, 1 + random.below(9000));
        const std::size_t length = random.below(4) == 0 ? 0 : 1 + random.below(most);
        segments.push_back({source.data() + at, target.data() + at, length});
        at += length;
    }
    segments.push_back({source.data() + at, target.data() + at, 0});
    return segments;
}

// A few units that are crypted at one address after the other.
class aligned_run {
  public:
    aligned_run(cipher_case& with, data_unit_size unit, std::size_t units)
        : with_(with), unit_(unit), iv_(uint256(~std::uint64_t{0}, 1, 2, 3)),
          plain_(random_bytes(units * unit.bytes(), test_seed() + 3)),
          expected_(reference_ciphertext(with, with.key, iv_, unit, plain_)) {
        REQUIRE(plain_.size() <= room);
    }

    /// From so many bytes past a cache line's beginning to so many past another's, and back.
    void check(std::size_t from, std::size_t to) {
        CAPTURE(from);
        CAPTURE(to);
        const std::size_t size = plain_.size();
        std::memset(target_.data(), std::to_integer<int>(canary), target_.size());
        std::memcpy(source_.data() + from, plain_.data(), size);
        crypt(cipher_direction::encrypt, source_.data() + from, target_.data() + to);
        CHECK(same_bytes(bytes_view(target_).subspan(to, size), expected_));
        CHECK(same_bytes(bytes_view(source_).subspan(from, size), plain_));
        const bytes_view after = bytes_view(target_).subspan(to + size, 64);
        CHECK(std::ranges::count(bytes_view(target_).first(to), canary) == static_cast<std::ptrdiff_t>(to));
        CHECK(std::ranges::count(after, canary) == 64);
        crypt(cipher_direction::decrypt, target_.data() + to, source_.data() + from);
        CHECK(same_bytes(bytes_view(source_).subspan(from, size), plain_));
    }

    void check_in_place(std::size_t at) {
        CAPTURE(at);
        std::byte* const data = source_.data() + at;
        std::memcpy(data, plain_.data(), plain_.size());
        crypt(cipher_direction::encrypt, data, data);
        CHECK(same_bytes({data, plain_.size()}, expected_));
        crypt(cipher_direction::decrypt, data, data);
        CHECK(same_bytes({data, plain_.size()}, plain_));
    }

  private:
    static constexpr std::size_t room = 2 * 4096;
    using memory = std::array<std::byte, room + 2 * 64>;

    void crypt(cipher_direction direction, const std::byte* source, std::byte* target) {
        const cipher_segment all{source, target, plain_.size()};
        with_.tfm->crypt(direction, iv_, unit_, {&all, 1}, with_.lane);
    }

    cipher_case& with_;
    data_unit_size unit_;
    uint256 iv_;
    std::vector<std::byte> plain_;
    std::vector<std::byte> expected_;
    alignas(64) memory source_;
    alignas(64) memory target_;
};

void check_between_guards(cipher_case& with, data_unit_size unit, std::size_t units, guard_side side) {
    random_source random(test_seed() + units);
    const uint256 iv = random_iv(random);
    guarded_buffer source(units * unit.bytes(), side);
    guarded_buffer target(units * unit.bytes(), side);
    random.fill(source.bytes());
    const auto expected = reference_ciphertext(with, with.key, iv, unit, source.bytes());
    const cipher_segment there{source.data(), target.data(), source.bytes().size()};
    with.tfm->crypt(cipher_direction::encrypt, iv, unit, {&there, 1}, with.lane);
    CHECK(std::ranges::equal(target.bytes(), expected));
    crypt_in_place(with, cipher_direction::encrypt, iv, unit, source.bytes(), with.lane);
    CHECK(std::ranges::equal(source.bytes(), expected));
    const cipher_segment back{target.data(), source.data(), target.bytes().size()};
    with.tfm->crypt(cipher_direction::decrypt, iv, unit, {&back, 1}, with.lane);
    crypt_in_place(with, cipher_direction::decrypt, iv, unit, target.bytes(), with.lane);
    CHECK(std::ranges::equal(source.bytes(), target.bytes()));
}

} // namespace

TEST_CASE("every data unit size and number of units agrees with the reference") {
    for_each_cipher(1, [](cipher_case& with) {
        random_source random(test_seed());
        for (const std::uint32_t size : unit_sizes)
            for (const std::size_t units : {1U, 2U, 3U, 4U, 7U, 8U, 9U, 17U}) {
                CAPTURE(size);
                CAPTURE(units);
                const auto plain = random_bytes(units * size, random.next());
                const uint256 iv = random_iv(random);
                const auto expected = reference_ciphertext(with, with.key, iv, unit_of(size), plain);
                CHECK(crypt_out_of_place(with, cipher_direction::encrypt, iv, unit_of(size), plain) ==
                      expected);
                CHECK(crypt_out_of_place(with, cipher_direction::decrypt, iv, unit_of(size), expected) ==
                      plain);
            }
    });
}

TEST_CASE("in place gives what out of place gives and the source is left alone") {
    for_each_cipher(1, [](cipher_case& with) {
        random_source random(test_seed() + 1);
        for (const std::uint32_t size : unit_sizes)
            for (const auto direction : {cipher_direction::encrypt, cipher_direction::decrypt}) {
                CAPTURE(size);
                const auto source = random_bytes(5 * std::size_t{size}, random.next());
                const auto untouched = source;
                const uint256 iv = random_iv(random);
                const auto there = crypt_out_of_place(with, direction, iv, unit_of(size), source);
                CHECK(source == untouched);
                CHECK(there != source);
                auto here = source;
                crypt_in_place(with, direction, iv, unit_of(size), here, with.lane);
                CHECK(here == there);
            }
    });
}

TEST_CASE("several units in a call give what one call for each gives") {
    for_each_cipher(1, [](cipher_case& with) {
        random_source random(test_seed() + 2);
        const auto unit = unit_of(512);
        auto at_once = random_bytes(33 * 512, random.next());
        auto one_by_one = at_once;
        uint256 iv = random_iv(random);
        crypt_in_place(with, cipher_direction::encrypt, iv, unit, at_once, with.lane);
        for (std::size_t at = 0; at < one_by_one.size(); at += 512) {
            crypt_in_place(with, cipher_direction::encrypt, iv, unit, bytes_span(one_by_one).subspan(at, 512),
                           with.lane);
            iv.add(1);
        }
        CHECK(at_once == one_by_one);
    });
}

TEST_CASE("source and target may have any alignment and nothing beside the target changes") {
    for_each_cipher(1, [](cipher_case& with) {
        aligned_run run(with, unit_of(512), 2);
        for (std::size_t from = 0; from < 64; ++from)
            for (std::size_t to = 0; to < 64; ++to)
                run.check(from, to);
    });
}

TEST_CASE("larger units may have any alignment") {
    for_each_cipher(1, [](cipher_case& with) {
        aligned_run run(with, unit_of(4096), 1);
        for (std::size_t any = 0; any < 64; ++any)
            for (const std::size_t other : {0U, 1U, 15U, 16U, 17U, 32U, 48U, 63U}) {
                run.check(any, other);
                run.check(other, any);
            }
    });
}

TEST_CASE("data may be crypted in place at any alignment") {
    for_each_cipher(1, [](cipher_case& with) {
        aligned_run small(with, unit_of(512), 5);
        aligned_run large(with, unit_of(4096), 2);
        for (std::size_t at = 0; at < 64; ++at) {
            small.check_in_place(at);
            large.check_in_place(at);
        }
    });
}

TEST_CASE("nothing outside source and target is touched") {
    for_each_cipher(1, [](cipher_case& with) {
        for (const std::uint32_t size : unit_sizes)
            for (std::size_t units = 1; units <= (size == 512 || size == 4096 ? 9U : 2U); ++units)
                for (const auto side : {guard_side::start, guard_side::end}) {
                    CAPTURE(size);
                    CAPTURE(units);
                    check_between_guards(with, unit_of(size), units, side);
                }
    });
}

TEST_CASE("cuts into segments do not change the ciphertext") {
    for_each_cipher(1, [](cipher_case& with) {
        random_source random(test_seed() + 4);
        for (const std::uint32_t size : unit_sizes)
            for (int round = 0; round < 12; ++round) {
                CAPTURE(size);
                const auto plain = random_bytes((1 + random.below(9)) * size, random.next());
                const uint256 iv = random_iv(random);
                const auto expected = reference_ciphertext(with, with.key, iv, unit_of(size), plain);
                std::vector<std::byte> target(plain.size());
                with.tfm->crypt(cipher_direction::encrypt, iv, unit_of(size),
                                cut_anywhere(plain, target, random), with.lane);
                CHECK(target == expected);
                with.tfm->crypt(cipher_direction::decrypt, iv, unit_of(size),
                                cut_anywhere(target, target, random), with.lane);
                CHECK(target == plain);
            }
    });
}

TEST_CASE("segments need not be in the order of their addresses") {
    for_each_cipher(1, [](cipher_case& with) {
        const auto plain = random_bytes(8192, test_seed() + 5);
        const auto expected = reference_ciphertext(with, with.key, 9, unit_of(8192), plain);
        std::vector<std::byte> swapped(plain.size());
        std::ranges::copy(bytes_view(plain).first(3001), swapped.end() - 3001);
        std::ranges::copy(bytes_view(plain).subspan(3001), swapped.begin());
        const std::size_t back = plain.size() - 3001;
        const std::array segments{cipher_segment{swapped.data() + back, swapped.data() + back, 3001},
                                  cipher_segment{swapped.data(), swapped.data(), back}};
        with.tfm->crypt(cipher_direction::encrypt, 9, unit_of(8192), segments, with.lane);
        CHECK(std::ranges::equal(bytes_view(swapped).subspan(back), bytes_view(expected).first(3001)));
        CHECK(std::ranges::equal(bytes_view(swapped).first(back), bytes_view(expected).subspan(3001)));
    });
}

TEST_CASE("no data is nothing to do") {
    for_each_cipher(1, [](cipher_case& with) {
        with.tfm->crypt(cipher_direction::encrypt, 0, unit_of(512), {}, with.lane);
        const std::array<cipher_segment, 2> empty{};
        with.tfm->crypt(cipher_direction::decrypt, 0, unit_of(512), empty, with.lane);
    });
}

TEST_CASE("part of a data unit ends the process") {
    const auto crypt_a_part = [](void* argument) {
        auto& with = *static_cast<cipher_case*>(argument);
        std::vector<std::byte> data(4096 + 512);
        crypt_in_place(with, cipher_direction::encrypt, 0, unit_of(4096), data, with.lane);
    };
    for_each_cipher(
        1, [&](cipher_case& with) { CHECK(aborts_saying("whole data units", crypt_a_part, &with)); });
}
