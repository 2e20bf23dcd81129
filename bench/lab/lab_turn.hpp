// SPDX-License-Identifier: Apache-2.0
#pragma once
// One strategy's turn in a round: all jobs mount, open their files, do their I/O, and leave.

#include "bench/lab/lab_job.hpp"

#include <functional>

namespace blkcrypto::bench {

struct turn_outcome {
    lab_turn_result done; // without the image's hash
    std::optional<lab_stop> stop;
};

/// Called a few times a second with the bytes done.
using turn_observer = std::function<void(std::uint64_t bytes)>;

/// program_error.
turn_outcome run_turn(const round_plan& plan, const lab_image& image, lab_stack& stack, env& e,
                      const turn_observer& tell);

} // namespace blkcrypto::bench
