// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/access_sequence.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

namespace blkcrypto::bench {
namespace {

// Parts of the seed. Whatever a job draws, it draws from numbers of its own.
constexpr std::uint64_t key_part = 21;
constexpr std::uint64_t read_part = 22;
constexpr std::uint64_t hot_part = 23;

std::uint64_t seed_of_job(std::uint64_t seed, std::uint64_t part, const key_space& keys) noexcept {
    return sub_seed(sub_seed(seed, part), keys.job);
}

bool is_of_job(std::uint32_t key, const key_space& keys) noexcept {
    return key / keys.extents_per_file % keys.jobs == keys.job;
}

std::vector<std::uint32_t> trace_of_job(const access_options& options, const key_space& keys) {
    std::vector<std::uint32_t> own;
    if (options.kind == access_kind::trace && keys.jobs > 1)
        std::ranges::copy_if(options.trace, std::back_inserter(own),
                             [&](std::uint32_t key) { return is_of_job(key, keys); });
    return own;
}

} // namespace

seeded_permutation::seeded_permutation(std::uint64_t count, std::uint64_t seed) noexcept
    : count_(count), mask_(std::bit_ceil(count) - 1),
      shift_((static_cast<unsigned>(std::bit_width(mask_)) + 1) / 2), mixings_{} {
    seeded_numbers numbers(seed);
    for (auto& by : mixings_)
        by = {.addend = numbers.next(), .factor = numbers.next() | 1};
}

// Each step can be undone, so that no two values become one.
std::uint64_t seeded_permutation::mix(std::uint64_t value) const noexcept {
    for (const auto& by : mixings_) {
        value = (value + by.addend) * by.factor & mask_;
        value ^= value >> shift_;
    }
    return value;
}

// What falls behind the end goes on until it is back: less than twice on average.
std::uint64_t seeded_permutation::operator()(std::uint64_t index) const noexcept {
    assert(index < count_);
    do
        index = mix(index);
    while (index >= count_);
    return index;
}

access_sequence::access_sequence(const access_options& options, const key_space& keys, std::uint64_t seed,
                                 unsigned round)
    : options_(options), keys_(keys), own_keys_(keys_of(keys)),
      key_numbers_(sub_seed(seed_of_job(seed, key_part, keys), round)),
      read_numbers_(sub_seed(seed_of_job(seed, read_part, keys), round)), ranks_(own_keys_, options.skew),
      hot_keys_(own_keys_, seed_of_job(seed, hot_part, keys)), picked_trace_(trace_of_job(options, keys)),
      trace_(keys.jobs > 1 ? picked_trace_ : options.trace) {
    assert(options.kind != access_kind::trace || !trace_.empty());
    if (options.kind == access_kind::sequential)
        position_ = key_numbers_.below(own_keys_);
}

std::uint64_t access_sequence::keys_of(const key_space& keys) noexcept {
    assert(keys.job < keys.jobs && keys.job < keys.files);
    const std::uint64_t files = (keys.files - keys.job + keys.jobs - 1) / keys.jobs;
    return files * keys.extents_per_file;
}

access_sequence::step access_sequence::next() noexcept {
    const std::uint64_t key = next_key();
    return {key, read_numbers_.below(100) < options_.read_percent};
}

std::uint64_t access_sequence::next_key() noexcept {
    switch (options_.kind) {
    case access_kind::sequential:
        return key_at(next_in_order());
    case access_kind::zipf:
        return key_at(hot_keys_(ranks_.next(key_numbers_) - 1));
    case access_kind::trace:
        return trace_[next_in_order()];
    case access_kind::uniform:
        break;
    }
    return key_at(key_numbers_.below(own_keys_));
}

// One after the other, from the first again behind the last.
std::uint64_t access_sequence::next_in_order() noexcept {
    const std::uint64_t end = options_.kind == access_kind::trace ? trace_.size() : own_keys_;
    const std::uint64_t at = position_;
    position_ = at + 1 == end ? 0 : at + 1;
    return at;
}

std::uint64_t access_sequence::key_at(std::uint64_t own_index) const noexcept {
    if (keys_.jobs == 1)
        return own_index;
    const std::uint64_t file = keys_.job + own_index / keys_.extents_per_file * keys_.jobs;
    return file * keys_.extents_per_file + own_index % keys_.extents_per_file;
}

} // namespace blkcrypto::bench
