// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/crc32c.hpp"

#include <isa-l/crc.h>

namespace blkcrypto::fsdemo {

// The library's buffer is not const, and it leaves both inversions to its caller.
std::uint32_t crc32c(bytes_view bytes) noexcept {
    auto* const data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
    return ~crc32_iscsi(data, static_cast<int>(bytes.size()), ~0U);
}

} // namespace blkcrypto::fsdemo
