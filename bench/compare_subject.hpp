// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `blkbench compare` sets side by side: a path, and the mode it encrypts with.
//
//   plain     the image file, no encryption: the control, one for all modes
//   inline    an inline crypto engine in front of the image file
//   fallback  blk-crypto-fallback above the image file
//
// Each has an image file of its own.

#include "blkcrypto/cipher/crypto_mode.hpp"

#include <array>
#include <span>
#include <string>
#include <vector>

namespace blkcrypto::bench {

enum class path_kind { plain, inline_engine, fallback };
inline constexpr std::array<std::string_view, 3> path_names{"plain", "inline", "fallback"};

constexpr std::string_view name_of(path_kind kind) {
    return path_names[static_cast<std::size_t>(kind)];
}

struct compare_subject {
    path_kind kind = path_kind::plain;
    const crypto_mode_info* mode = nullptr; // null on the plain path
    std::string name;                       // "inline"; "adiantum inline" if it is one mode of several
    std::string image;                      // IMAGE.inline; IMAGE.adiantum.inline
};

/// Every path with every mode, but plain once; mode by mode, in the order of `kinds`. `image` is what the
/// names of the image files begin with.
std::vector<compare_subject> subjects_of(const std::string& image, std::span<const path_kind> kinds,
                                         std::span<const crypto_mode_info* const> modes);

/// The order in which the subjects, by their index, have their slices of a round. Each is first, in the
/// middle and last in turn; if there are more of them than rounds, the rounds' first ones are spread over
/// all.
std::vector<std::size_t> order_of_round(unsigned round, unsigned rounds, std::size_t subjects);

} // namespace blkcrypto::bench
