// SPDX-License-Identifier: Apache-2.0
#pragma once
// Is what a round left on the image encrypted as the format says? A strategy that uses the same wrong key
// always reads what it wrote, and alone in a run it has no other's image to differ from.

#include "bench/lab/job_load.hpp"
#include "bench/lab/lab_image.hpp"

#include <string_view>

namespace blkcrypto::bench {

/// Reads the samples of what all jobs wrote through a mount of its own, with the keyslots of
/// blk-crypto-fallback. `writer` left the image. program_error, exit code 1.
void check_image(const round_plan& plan, const lab_image& image, std::string_view writer, env& e);

} // namespace blkcrypto::bench
