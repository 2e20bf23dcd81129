// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an I/O ends with. The names and values are the kernel's BLK_STS_* (include/linux/blk_types.h), the
// table in status.cpp is the only place that translates between a blk_status, an errno and an NBD error.

#include <cstdint>
#include <string_view>
#include <system_error>

namespace blkcrypto {

enum class blk_status : std::uint8_t {
    ok = 0,
    notsupp = 1,
    timeout = 2,
    nospc = 3,
    target = 5,
    medium = 7,
    protection = 8,
    resource = 9,
    ioerr = 10,
    again = 12,
    dev_resource = 13,
    offline = 16,
    inval = 19,
};

/// As blk_status_to_errno(), but positive. 0 for ok.
int to_errno(blk_status status);

/// As errno_to_blk_status(): a positive errno; one that has no row of its own is ioerr.
blk_status to_blk_status(int errno_value);

blk_status to_blk_status(std::error_code error);

/// The error field of an NBD reply (doc/proto.md, "Error values"). 0 for ok.
std::uint32_t to_nbd_error(blk_status status);

/// The kernel's words for it, as they appear in "... error, dev ..." log lines.
std::string_view to_string(blk_status status);

} // namespace blkcrypto
