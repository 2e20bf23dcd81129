// SPDX-License-Identifier: Apache-2.0
#pragma once
// Searches the interleavings of a small program for one that fails. Every execution is replayed from the
// start: the program needs no way back, only to be deterministic. See explored_run.hpp for what a program is.

#include "tests/support/explored_run.hpp"

namespace blkcrypto::test {

using task_schedule = std::vector<std::uint8_t>;

/// What a search has seen.
struct exploration {
    std::uint64_t explored = 0; // executions that ran to their end
    std::uint64_t pruned = 0;   // left where they could only repeat another one
    std::uint64_t states = 0;   // different ones, if they were remembered
    std::string failure;        // of the last execution, which ends the search; empty if there is none
    task_schedule schedule;     // the tasks that made its steps

    bool found_failure() const noexcept { return !failure.empty(); }
    exploration& operator+=(const exploration& other);
};

/// "0 0 1 2", to be replayed.
std::string to_string(const task_schedule& schedule);

/// For programs that have a digest(): an execution is left when it comes to a state that was seen before.
enum class remember_states : bool { no, yes };

/// Every interleaving but for the order of neighbouring steps that do not conflict: sleep sets (P. Godefroid,
/// "Partial-order methods for the verification of concurrent systems", LNCS 1032), with his state matching.
exploration explore_all(unsigned task_count, const program_factory& make, remember_states remember);

/// Every interleaving in which a task that could go on is interrupted at most so many times (M. Musuvathi and
/// S. Qadeer, "Iterative context bounding", PLDI 2007). The program has a digest().
exploration explore_bounded(unsigned task_count, const program_factory& make, unsigned preemptions_max);

/// So many executions of random order.
exploration explore_random(unsigned task_count, const program_factory& make, std::uint64_t seed,
                           unsigned executions);

/// The one execution. Steps beyond the schedule are made by the lowest task that can go on.
exploration replay(unsigned task_count, const program_factory& make, const task_schedule& schedule);

} // namespace blkcrypto::test
