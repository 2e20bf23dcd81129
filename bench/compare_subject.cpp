// SPDX-License-Identifier: Apache-2.0
#include "bench/compare_subject.hpp"

#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

compare_subject make_subject(const std::string& image, path_kind kind, const crypto_mode_info* mode,
                             bool names_mode) {
    if (!names_mode)
        return {kind, mode, std::string(name_of(kind)), fmt::format("{}.{}", image, name_of(kind))};
    return {kind, mode, fmt::format("{} {}", mode->name, name_of(kind)),
            fmt::format("{}.{}.{}", image, mode->name, name_of(kind))};
}

} // namespace

std::vector<compare_subject> subjects_of(const std::string& image, std::span<const path_kind> kinds,
                                         std::span<const crypto_mode_info* const> modes) {
    std::vector<compare_subject> subjects;
    for (const auto* mode : modes) {
        for (const auto kind : kinds) {
            if (kind != path_kind::plain)
                subjects.push_back(make_subject(image, kind, mode, modes.size() > 1));
            else if (mode == modes.front())
                subjects.push_back(make_subject(image, kind, nullptr, false));
        }
    }
    return subjects;
}

std::vector<std::size_t> order_of_round(unsigned round, unsigned rounds, std::size_t subjects) {
    const std::size_t first = subjects <= rounds ? round % subjects : round * subjects / rounds;
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < subjects; ++i)
        order.push_back((first + i) % subjects);
    return order;
}

} // namespace blkcrypto::bench
