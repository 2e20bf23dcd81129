// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/request_rules.hpp"

namespace blkcrypto::nbd {
namespace {

bool changes(command c) {
    return c == command::write || c == command::trim || c == command::write_zeroes;
}

bool brings_data(command c) {
    return c == command::read || c == command::write;
}

/// What may be set beside FUA, which means something to some commands and is allowed with all.
std::uint16_t flags_of(command c, const negotiated& agreed) {
    if (c == command::read && agreed.structured_replies)
        return command_flag::df;
    if (c == command::write_zeroes)
        return command_flag::no_hole;
    return c == command::block_status ? command_flag::req_one : 0;
}

bool is_offered(command c, const negotiated& agreed) {
    if (c == command::block_status)
        return agreed.base_allocation;
    return brings_data(c) || changes(c) || c == command::flush;
}

std::uint32_t verdict_on_range(const request_header& header, const export_info& info) {
    const std::uint64_t offset = header.offset_bytes;
    const std::uint32_t length = header.length_bytes;
    if (length == 0 || ((offset | length) & (info.block_bytes_min - 1)) != 0)
        return nbd_error::inval;
    if (offset > info.size_bytes || length > info.size_bytes - offset) {
        const bool fills = header.type == command::write || header.type == command::write_zeroes;
        return fills ? nbd_error::nospc : nbd_error::inval;
    }
    return brings_data(header.type) && length > info.block_bytes_max ? nbd_error::inval : 0;
}

} // namespace

std::uint32_t verdict_on(const request_header& header, const export_info& info,
                         const negotiated& agreed) noexcept {
    const unsigned allowed = command_flag::fua | flags_of(header.type, agreed);
    if (!is_offered(header.type, agreed) || (header.flags & ~allowed) != 0)
        return nbd_error::inval;
    if (info.read_only && changes(header.type))
        return nbd_error::perm;
    if (header.type == command::flush)
        return (header.offset_bytes | header.length_bytes) == 0 ? 0 : nbd_error::inval;
    return verdict_on_range(header, info);
}

} // namespace blkcrypto::nbd
