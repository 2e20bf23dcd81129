// SPDX-License-Identifier: Apache-2.0
#pragma once
// What clients say in options that have more to them than a name: read from the bytes of one, whatever they
// are. Strings are views of these bytes. The handshake reads options with it; what is answered is its matter.

#include "blkcrypto/base/bytes.hpp"

#include <cstdint>
#include <string_view>

namespace blkcrypto::nbd {

/// NBD_OPT_INFO and NBD_OPT_GO. What is asked for twice is asked for; types that we do not have are passed
/// over, and those that are answered always need no place here.
struct info_option {
    std::string_view export_name;
    bool wants_name = false;
    bool wants_description = false;
};

/// NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT.
struct meta_context_option {
    std::string_view export_name;
    bool has_queries = false;
    bool names_base = false; // one of the queries is the namespace alone, for all contexts in it
    bool names_base_allocation = false;
};

std::string_view text_of(bytes_view bytes) noexcept;

/// False if the lengths in `from` do not add up to its size, or a string is longer than strings may be: then
/// the option is invalid, and `into` of no use.
[[nodiscard]] bool decode(bytes_view from, info_option& into) noexcept;
[[nodiscard]] bool decode(bytes_view from, meta_context_option& into) noexcept;

} // namespace blkcrypto::nbd
