// SPDX-License-Identifier: Apache-2.0
#include "bench/round_progress.hpp"

#include "blkcrypto/tools/cli/progress.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

namespace blkcrypto::bench {

round_progress::round_progress(unsigned slices, std::chrono::nanoseconds slice)
    : is_terminal_(isatty(STDERR_FILENO) == 1), slice_(slice), slices_(slices) {}

round_progress::~round_progress() {
    if (is_shown_)
        cli::print_live_line({});
}

void round_progress::begin_slice(unsigned round, std::string_view subject) {
    ++begun_;
    round_ = round;
    subject_ = subject;
    slice_start_ = clock::now();
}

void round_progress::update(std::uint64_t slice_bytes) {
    if (!is_terminal_)
        return;
    is_shown_ = true;
    const std::chrono::duration<double> elapsed = clock::now() - slice_start_;
    const double done = begun_ - 1 + std::min(1.0, elapsed / slice_);
    const auto left = static_cast<std::uint64_t>((slices_ - done) * slice_.count() + 0.5);
    const double mib_per_s = static_cast<double>(slice_bytes) / elapsed.count() / (1024 * 1024);
    cli::print_live_line(fmt::format("round {}, {}: {:.0f} %, {:.1f} MiB/s, {}:{:02} left", round_ + 1,
                                     subject_, 100 * done / slices_, mib_per_s, left / 60, left % 60));
}

} // namespace blkcrypto::bench
