// SPDX-License-Identifier: Apache-2.0
#pragma once
// CRC-32C, which covers all metadata of an image.

#include "blkcrypto/base/bytes.hpp"

#include <cstdint>

namespace blkcrypto::fsdemo {

std::uint32_t crc32c(bytes_view bytes) noexcept;

} // namespace blkcrypto::fsdemo
