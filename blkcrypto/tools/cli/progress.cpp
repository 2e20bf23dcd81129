// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/progress.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace blkcrypto::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto silent_for = 1s;
constexpr auto print_every = 250ms;
std::string time_text(double seconds) {
    const auto whole = static_cast<std::uint64_t>(seconds + 0.5);
    return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

} // namespace

void print_live_line(std::string_view text) noexcept {
    constexpr std::size_t line_bytes_max = 256;
    char line[line_bytes_max];
    const auto printed = fmt::format_to_n(line, sizeof(line), "\r\033[K{}", text);
    (void)std::fwrite(line, 1, std::min(printed.size, sizeof(line)), stderr);
}

progress::progress(std::string what, std::optional<std::uint64_t> total_bytes)
    : what_(std::move(what)), total_bytes_(total_bytes), is_terminal_(isatty(STDERR_FILENO) == 1),
      start_(clock::now()), next_print_(start_ + silent_for) {}

progress::~progress() {
    if (is_shown_)
        print_live_line({});
}

void progress::update(std::uint64_t done_bytes) {
    if (!is_terminal_)
        return;
    const auto now = clock::now();
    if (now < next_print_)
        return;
    next_print_ = now + print_every;
    is_shown_ = true;
    const std::chrono::duration<double> elapsed = now - start_;
    print_live_line(line(done_bytes, elapsed.count()));
}

std::string progress::line(std::uint64_t done_bytes, double seconds) const {
    constexpr double mib = 1024 * 1024;
    const double done = static_cast<double>(done_bytes);
    const double rate = done / seconds;
    if (!total_bytes_ || *total_bytes_ == 0 || done_bytes == 0)
        return fmt::format("{}: {:.0f} MiB, {:.1f} MiB/s", what_, done / mib, rate / mib);
    const double total = static_cast<double>(*total_bytes_);
    return fmt::format("{}: {:.0f} %, {:.1f} MiB/s, {} left", what_, 100 * done / total, rate / mib,
                       time_text(done < total ? (total - done) / rate : 0));
}

} // namespace blkcrypto::cli
