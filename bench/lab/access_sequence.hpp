// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which extent a job does I/O to next, and whether it reads or writes: arithmetic over the seed, or a trace.
// The same job in the same round has the same sequence under every strategy. An extent is named by its key
// id: file * extents_per_file + extent.

#include "bench/lab/zipf_numbers.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace blkcrypto::bench {

enum class access_kind : std::uint8_t { uniform, sequential, zipf, trace };

inline constexpr double zipf_skew_max = 5;

struct access_options {
    access_kind kind = access_kind::zipf;
    double skew = 0.99;               // of zipf: the rank-r key is used r^-skew as often as the first
    std::vector<std::uint32_t> trace; // key ids, each below extents
    unsigned read_percent = 50;
};

/// The keys there are, and which of them belong to a job: those of the files whose number is `job` modulo
/// `jobs`.
struct key_space {
    std::uint64_t files = 1;
    std::uint64_t extents_per_file = 1;
    unsigned jobs = 1;
    unsigned job = 0;
};

/// A bijection of the numbers below `count` that looks random, without a table.
class seeded_permutation {
  public:
    /// `count` is 1 to 2^32.
    seeded_permutation(std::uint64_t count, std::uint64_t seed) noexcept;

    /// `index` is below the count, and so is what it becomes.
    std::uint64_t operator()(std::uint64_t index) const noexcept;

  private:
    struct mixing {
        std::uint64_t addend;
        std::uint64_t factor; // odd
    };

    std::uint64_t mix(std::uint64_t value) const noexcept;

    std::uint64_t count_;
    std::uint64_t mask_; // of the least power of two that is not below the count
    unsigned shift_;
    std::array<mixing, 3> mixings_;
};

class access_sequence {
  public:
    struct step {
        std::uint64_t key; // id
        bool is_read;
    };

    /// The options outlive it. The job has at least one file, and a trace at least one key of its files;
    /// there are at most 2^32 keys. Throws bad_alloc.
    access_sequence(const access_options& options, const key_space& keys, std::uint64_t seed, unsigned round);
    access_sequence(access_sequence&&) = default;
    access_sequence& operator=(access_sequence&&) = delete;

    /// Never ends: a trace begins anew. Allocates nothing.
    step next() noexcept;

    /// How many keys are the job's.
    static std::uint64_t keys_of(const key_space& keys) noexcept;

  private:
    std::uint64_t next_key() noexcept;
    std::uint64_t key_at(std::uint64_t own_index) const noexcept;
    std::uint64_t next_in_order() noexcept;

    const access_options& options_;
    key_space keys_;
    std::uint64_t own_keys_;
    seeded_numbers key_numbers_;
    seeded_numbers read_numbers_; // apart: a trace reads and writes like the run it was recorded of
    zipf_numbers ranks_;
    seeded_permutation hot_keys_;             // the key of a rank, the same in every round
    std::vector<std::uint32_t> picked_trace_; // the job's, if there are other jobs
    std::span<const std::uint32_t> trace_;
    std::uint64_t position_ = 0; // in the trace, or of those in order
};

} // namespace blkcrypto::bench
