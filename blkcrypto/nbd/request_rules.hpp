// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which requests are served: what doc/proto.md asks of each command and its flags, and what was agreed on
// with the client.

#include "blkcrypto/nbd/export_info.hpp"

namespace blkcrypto::nbd {

/// Errors of the protocol that no blk_status stands behind; the others come from to_nbd_error().
namespace nbd_error {
inline constexpr std::uint32_t perm = 1;
inline constexpr std::uint32_t inval = 22;
inline constexpr std::uint32_t nospc = 28;
inline constexpr std::uint32_t shutdown = 108;
} // namespace nbd_error

/// 0, or the error that the request ends with. Not for disc, which has no reply.
std::uint32_t verdict_on(const request_header& header, const export_info& info,
                         const negotiated& agreed) noexcept;

} // namespace blkcrypto::nbd
