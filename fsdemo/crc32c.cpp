// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/crc32c.hpp"

#include <boost/crc.hpp>

namespace blkcrypto::fsdemo {

std::uint32_t crc32c(bytes_view bytes) noexcept {
    boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> sum;
    sum.process_bytes(bytes.data(), bytes.size());
    return sum.checksum();
}

} // namespace blkcrypto::fsdemo
