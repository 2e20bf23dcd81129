// SPDX-License-Identifier: Apache-2.0
// A run in many segments is one run. Segments that are whole units reach an implementation together, those
// that are not by way of scratch memory: what counts units, and what makes IVs for several of them ahead,
// goes on from one to the other.
#include "tests/cipher/cipher_cases.hpp"
#include "tests/support/guarded_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

using lengths = std::vector<std::size_t>;

std::size_t total(const lengths& pieces) {
    return std::accumulate(pieces.begin(), pieces.end(), std::size_t{0});
}

// Pieces at any address, in any order, with something between any two that must stay as it is.
class scattered_pieces {
  public:
    scattered_pieces(const lengths& pieces, random_source& random) : lengths_(pieces), at_(pieces.size()) {
        lengths order(pieces.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        for (std::size_t i = order.size(); i > 1; --i)
            std::swap(order[i - 1], order[random.below(i)]);
        std::size_t end = 0;
        for (const std::size_t piece : order) {
            at_[piece] = end + 1 + random.below(70);
            end = at_[piece] + lengths_[piece];
        }
        memory_.assign(end + 64, std::byte{0x5c});
    }

    std::byte* piece(std::size_t number) { return memory_.data() + at_[number]; }

    void put(bytes_view data) {
        for (std::size_t i = 0; i < lengths_.size(); data = data.subspan(lengths_[i]), ++i)
            std::copy_n(data.begin(), lengths_[i], piece(i));
    }
    /// The pieces hold `data`, and what is between them is untouched.
    bool holds(bytes_view data) const {
        scattered_pieces expected(*this);
        std::ranges::fill(expected.memory_, std::byte{0x5c});
        expected.put(data);
        return same_bytes(memory_, expected.memory_);
    }

  private:
    lengths lengths_;
    std::vector<std::size_t> at_;
    std::vector<std::byte> memory_;
};

// Each piece in memory of its own that ends, or begins, where nothing may be read or written.
class guarded_pieces {
  public:
    guarded_pieces(const lengths& pieces, guard_side side) : lengths_(pieces) {
        for (const std::size_t length : pieces)
            memory_.push_back(std::make_unique<guarded_buffer>(length, side));
    }

    std::byte* piece(std::size_t number) { return memory_[number]->data(); }

    void put(bytes_view data) {
        for (std::size_t i = 0; i < lengths_.size(); data = data.subspan(lengths_[i]), ++i)
            std::copy_n(data.begin(), lengths_[i], piece(i));
    }
    bool holds(bytes_view data) const {
        std::size_t at = 0;
        return std::ranges::all_of(memory_, [&](const auto& piece) {
            const std::size_t from = std::exchange(at, at + piece->bytes().size());
            return same_bytes(piece->bytes(), data.subspan(from, piece->bytes().size()));
        });
    }

  private:
    lengths lengths_;
    std::vector<std::unique_ptr<guarded_buffer>> memory_;
};

template <typename Pieces>
std::vector<cipher_segment> segments_of(const lengths& pieces, Pieces& source, Pieces& target) {
    std::vector<cipher_segment> segments;
    for (std::size_t i = 0; i < pieces.size(); ++i)
        segments.push_back({source.piece(i), target.piece(i), pieces[i]});
    return segments;
}

// What a run is, whichever way it is cut.
struct run_data {
    run_data(const cipher_case& with, const iv_sequence& sequence, data_unit_size size, std::size_t bytes,
             std::uint64_t seed)
        : ivs(sequence), unit(size), plain(random_bytes(bytes, seed)),
          cipher(reference_ciphertext(with, with.key, ivs, unit, plain)) {}

    iv_sequence ivs;
    data_unit_size unit;
    std::vector<std::byte> plain;
    std::vector<std::byte> cipher;
};

// There out of place, back in place. `a` and `b` are two places for the same pieces.
template <typename Pieces>
void check_pieces(cipher_case& with, const run_data& run, const lengths& pieces, Pieces&& a, Pieces&& b) {
    a.put(run.plain);
    with.tfm->crypt(cipher_direction::encrypt, run.ivs, run.unit, segments_of(pieces, a, b), with.lane);
    CHECK(b.holds(run.cipher));
    CHECK(a.holds(run.plain));
    with.tfm->crypt(cipher_direction::encrypt, run.ivs, run.unit, segments_of(pieces, a, a), with.lane);
    CHECK(a.holds(run.cipher));
    with.tfm->crypt(cipher_direction::decrypt, run.ivs, run.unit, segments_of(pieces, b, b), with.lane);
    CHECK(b.holds(run.plain));
    with.tfm->crypt(cipher_direction::decrypt, run.ivs, run.unit, segments_of(pieces, a, b), with.lane);
    CHECK(b.holds(run.plain));
}

void check_scattered(cipher_case& with, const run_data& run, const lengths& pieces, random_source& random) {
    CAPTURE(pieces.size());
    check_pieces(with, run, pieces, scattered_pieces(pieces, random), scattered_pieces(pieces, random));
}

// `units` in whole segments where the bits of `cuts` say: bit i cuts after unit i.
lengths cut_by_bits(std::size_t units, std::uint64_t cuts, std::size_t unit_bytes) {
    lengths pieces{unit_bytes};
    for (std::size_t i = 0; i + 1 < units; ++i)
        if ((cuts >> i & 1) != 0)
            pieces.push_back(unit_bytes);
        else
            pieces.back() += unit_bytes;
    return pieces;
}

void append(lengths& to, const lengths& more) {
    to.insert(to.end(), more.begin(), more.end());
}

// About `units` in segments of whole units, of which a quarter is empty.
lengths whole_segments(std::size_t units, std::size_t unit_bytes, random_source& random) {
    lengths pieces;
    for (std::size_t left = units; left != 0; left -= pieces.back() / unit_bytes)
        pieces.push_back(
            random.below(4) == 0 ? 0 : (1 + random.below(std::min<std::size_t>(left, 6))) * unit_bytes);
    if (random.below(2) == 0)
        pieces.push_back(0);
    return pieces;
}

// The same in segments of any length.
lengths ragged_segments(std::size_t units, std::size_t unit_bytes, random_source& random) {
    lengths pieces;
    for (std::size_t left = units * unit_bytes; left != 0; left -= pieces.back())
        pieces.push_back(
            random.below(5) == 0 ? 0 : 1 + random.below(std::min<std::size_t>(left, 2 * unit_bytes)));
    return pieces;
}

lengths mixed_segments(std::size_t unit_bytes, random_source& random) {
    lengths pieces;
    for (auto parts = 2 + random.below(4); parts != 0; --parts) {
        append(pieces, whole_segments(random.below(7), unit_bytes, random));
        append(pieces, ragged_segments(random.below(4), unit_bytes, random));
    }
    return pieces;
}

// IVs that often carry within the run.
iv_sequence any_ivs(random_source& random) {
    return {random_iv(random), static_cast<unsigned>(random.below(4) == 0 ? random.below(8) : 0)};
}

using cutter = lengths (*)(std::size_t unit_bytes, random_source& random);

void check_random_cuts(int rounds, std::initializer_list<std::uint32_t> sizes, cutter cut) {
    for_each_cipher(1, [&](cipher_case& with) {
        random_source random(test_seed() + 70);
        for (const std::uint32_t size : sizes)
            for (int round = 0; round < rounds; ++round) {
                CAPTURE(size);
                CAPTURE(round);
                const lengths pieces = cut(size, random);
                const run_data run(with, any_ivs(random), unit_of(size), total(pieces), random.next());
                check_scattered(with, run, pieces, random);
            }
    });
}

void check_guarded(cipher_case& with, std::uint32_t size, const lengths& pieces, random_source& random) {
    const run_data run(with, any_ivs(random), unit_of(size), total(pieces), random.next());
    for (const auto side : {guard_side::start, guard_side::end})
        check_pieces(with, run, pieces, guarded_pieces(pieces, side), guarded_pieces(pieces, side));
}

} // namespace

TEST_CASE("up to nine units are one run in whatever segments of whole units they are") {
    for_each_cipher(1, [](cipher_case& with) {
        random_source random(test_seed() + 71);
        const run_data run(with, any_ivs(random), unit_of(512), 9 * 512, random.next());
        for (std::size_t units = 1; units <= 9; ++units) {
            run_data part = run;
            part.plain.resize(units * 512);
            part.cipher.resize(units * 512);
            for (std::uint64_t cuts = 0; cuts < std::uint64_t{1} << (units - 1); ++cuts) {
                CAPTURE(units);
                CAPTURE(cuts);
                check_scattered(with, part, cut_by_bits(units, cuts, 512), random);
            }
        }
    });
}

TEST_CASE("many segments of whole units, some of them empty, are one run") {
    check_random_cuts(60, {512, 1024, 4096}, [](std::size_t unit_bytes, random_source& random) {
        return whole_segments(1 + random.below(40), unit_bytes, random);
    });
    check_random_cuts(3, {16384, 65536}, [](std::size_t unit_bytes, random_source& random) {
        return whole_segments(1 + random.below(12), unit_bytes, random);
    });
}

TEST_CASE("segments that are cut anywhere are one run") {
    check_random_cuts(60, {512, 1024, 4096}, [](std::size_t unit_bytes, random_source& random) {
        return ragged_segments(1 + random.below(20), unit_bytes, random);
    });
}

TEST_CASE("whole segments, ragged ones and whole ones again are one run") {
    check_random_cuts(100, {512, 4096}, &mixed_segments);
    check_random_cuts(3, {16384, 65536}, &mixed_segments);
}

TEST_CASE("units of one byte to a segment are one run") {
    check_random_cuts(1, {512}, [](std::size_t unit_bytes, random_source&) {
        lengths pieces(3 * unit_bytes, 1);
        pieces.push_back(5 * unit_bytes);
        return pieces;
    });
}

TEST_CASE("empty segments before, between and after whole units change nothing") {
    for_each_cipher(1, [](cipher_case& with) {
        random_source random(test_seed() + 72);
        for (std::size_t units = 1; units <= 9; ++units) {
            CAPTURE(units);
            const run_data run(with, any_ivs(random), unit_of(512), units * 512, random.next());
            lengths pieces{0, 0};
            for (std::size_t i = 0; i < units; ++i)
                append(pieces, {512, 0});
            check_scattered(with, run, pieces, random);
        }
    });
}

TEST_CASE("nothing outside the segments is touched, read ahead or not") {
    for_each_cipher(1, [](cipher_case& with) {
        random_source random(test_seed() + 73);
        for (const std::uint32_t size : {512U, 4096U})
            for (std::size_t units = 1; units <= 9; ++units) {
                CAPTURE(size);
                CAPTURE(units);
                check_guarded(with, size, lengths(units, size), random);
                check_guarded(with, size, whole_segments(units, size, random), random);
                check_guarded(with, size, ragged_segments(units, size, random), random);
                check_guarded(with, size, mixed_segments(size, random), random);
            }
    });
}
