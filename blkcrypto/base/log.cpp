// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/log.hpp"

#include <cstdio>
#include <cstdlib>

namespace blkcrypto {
namespace {

void write_to_stderr(std::string_view line) noexcept {
    std::fprintf(stderr, "blkcrypto: %.*s\n", static_cast<int>(line.size()), line.data());
}

std::atomic<log_sink> current_sink{&write_to_stderr};

} // namespace

log_sink set_log_sink(log_sink sink) noexcept {
    return current_sink.exchange(sink);
}

void log_warning(std::string_view line) noexcept {
    current_sink.load()(line);
}

void fatal(std::string_view what) noexcept {
    log_warning(what);
    std::abort();
}

} // namespace blkcrypto
