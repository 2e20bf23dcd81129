// SPDX-License-Identifier: Apache-2.0
#pragma once
// How `blkcrypto speed` measures: in rounds, in each of which every subject has one slice of time, so that a
// ratio compares what was measured within a fraction of a second.

#include "blkcrypto/tools/speed_subject.hpp"

#include <chrono>
#include <functional>
#include <optional>

namespace blkcrypto::tools {

/// What the subjects of a comparison have in common.
struct speed_conditions {
    cipher_direction direction;
    data_unit_size unit_size;
    std::size_t working_set_bytes; // of each thread: half is read, half written, from end to end and again
    unsigned threads;
};

struct speed_figures {
    double min = 0;
    double median = 0;
    double max = 0;
};

struct speed_row {
    std::string implementation;
    speed_role role;
    speed_conditions conditions;
    speed_figures gb_per_s; // of all threads together; 10^9 bytes that were crypted
    // Medians over rounds; nothing: that is not among the subjects.
    std::optional<double> ratio_to_openssl;
    std::optional<double> ratio_to_limit; // the bare instructions of the cipher
    std::optional<double> ratio_to_memcpy;
};

struct speed_effort {
    unsigned rounds;
    std::chrono::nanoseconds slice;
};

/// A row for each subject, in their order. `memory` is as much as all threads' working sets. `slice_done` is
/// called after every slice. program_error, exit code 1: a thread cannot be had.
std::vector<speed_row> measure_speed(const speed_subjects& subjects, const speed_conditions& conditions,
                                     bytes_span memory, const speed_effort& effort,
                                     const std::function<void()>& slice_done);

} // namespace blkcrypto::tools
