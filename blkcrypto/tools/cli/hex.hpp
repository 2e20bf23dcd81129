// SPDX-License-Identifier: Apache-2.0
#pragma once
// Text of what is named by bytes: identifiers, nonces, UUIDs, digests, as lower-case hexadecimal without
// dashes.

#include "blkcrypto/base/bytes.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace blkcrypto::cli {

std::string to_hex(bytes_view bytes);

/// Of either case, whole bytes. program_error, exit code 2, that names `option`.
std::vector<std::byte> parse_hex(std::string_view option, std::string_view text);

/// parse_hex() into exactly as many bytes as there is room for.
void parse_hex_into(std::string_view option, std::string_view text, bytes_span into);

} // namespace blkcrypto::cli
