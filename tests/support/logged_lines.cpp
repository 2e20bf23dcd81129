// SPDX-License-Identifier: Apache-2.0
#include "tests/support/logged_lines.hpp"

#include "blkcrypto/base/log.hpp"

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <new>
#include <string>
#include <vector>

namespace blkcrypto::test {
namespace {

struct line_log {
    std::mutex lock;
    std::vector<std::string> lines;
};

line_log& all_lines() {
    static auto* const instance = new line_log;
    return *instance;
}

// Also to stderr: fatal() says there why it ends the process.
void note(std::string_view line) noexcept {
    std::fprintf(stderr, "blkcrypto: %.*s\n", static_cast<int>(line.size()), line.data());
    const std::lock_guard lock(all_lines().lock);
    try {
        all_lines().lines.emplace_back(line);
    } catch (const std::bad_alloc&) {
        // A test of what happens without memory: the line is on stderr.
    }
}

[[maybe_unused]] const log_sink replaced = set_log_sink(&note);

} // namespace

std::size_t logged_lines(std::string_view words) {
    const std::lock_guard lock(all_lines().lock);
    return static_cast<std::size_t>(std::ranges::count_if(
        all_lines().lines, [&](const auto& line) { return line.find(words) != std::string::npos; }));
}

} // namespace blkcrypto::test
