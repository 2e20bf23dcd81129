// SPDX-License-Identifier: Apache-2.0
#pragma once
// Did a strategy write what it was asked to? All of a round write the same bytes to the same places, so one
// that writes nothing would leave the image that the one before it left. Hence some places are spoiled before
// each turn; what is still spoiled after it changes the image's hash.

#include "bench/lab/job_load.hpp"
#include "bench/lab/lab_image.hpp"

#include <array>
#include <span>
#include <vector>

namespace blkcrypto::bench {

/// The key ids of the first extents that a job writes in a round, none twice. Of its first thousand steps, so
/// that it takes no time where nothing is written.
std::vector<std::uint64_t> write_sample(const round_plan& plan, unsigned job);

/// What was at the beginning of an extent.
struct spoiled_place {
    std::uint64_t at_bytes;
    std::array<std::byte, 64> was;
};

/// Overwrites the first bytes of the extents of all jobs' samples, in the image's file at `path`.
/// program_error.
std::vector<spoiled_place> spoil_samples(const round_plan& plan, const lab_image& image,
                                         const std::string& path);

/// After a turn that did not come to its end: the image is whole again for whoever reads it. program_error.
void mend_samples(std::span<const spoiled_place> places, const std::string& path);

} // namespace blkcrypto::bench
