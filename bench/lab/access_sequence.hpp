// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which extent a job does I/O to next, and whether it reads or writes: arithmetic over the seed, or a trace.
// The same job in the same round has the same sequence under every strategy. An extent is named by its key
// id: file * extents_per_file + extent.

#include "bench/seeded.hpp"

#include <cstdint>
#include <memory>
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

class access_sequence {
  public:
    struct step {
        std::uint64_t key; // id
        bool is_read;
    };

    /// The options outlive it. The job has at least one file. Throws bad_alloc.
    access_sequence(const access_options& options, const key_space& keys, std::uint64_t seed, unsigned round);
    ~access_sequence();

    /// Never ends: a trace begins anew (one without a key of this job gives its first key).
    step next() noexcept;
};

} // namespace blkcrypto::bench
