// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/status.hpp"

#include <array>
#include <cerrno>

namespace blkcrypto {
namespace {

struct status_row {
    blk_status status;
    int errno_value;
    std::uint32_t nbd_error;
    std::string_view words;
};

constexpr std::uint32_t nbd_eio = 5, nbd_enomem = 12, nbd_einval = 22, nbd_enospc = 28, nbd_enotsup = 95,
                        nbd_eshutdown = 108;

// Rows of block/blk-core.c blk_errors[]. The first row with an errno wins when translating back.
constexpr std::array<status_row, 13> rows{{
    {blk_status::ok, 0, 0, ""},
    {blk_status::notsupp, EOPNOTSUPP, nbd_enotsup, "operation not supported"},
    {blk_status::timeout, ETIMEDOUT, nbd_eio, "timeout"},
    {blk_status::nospc, ENOSPC, nbd_enospc, "critical space allocation"},
    {blk_status::target, EREMOTEIO, nbd_eio, "critical target"},
    {blk_status::medium, ENODATA, nbd_eio, "critical medium"},
    {blk_status::protection, EILSEQ, nbd_eio, "protection"},
    {blk_status::resource, ENOMEM, nbd_enomem, "kernel resource"},
    {blk_status::dev_resource, EBUSY, nbd_enomem, "device resource"},
    {blk_status::again, EAGAIN, nbd_enomem, "nonblocking retry"},
    {blk_status::offline, ENODEV, nbd_eshutdown, "device offline"},
    {blk_status::inval, EINVAL, nbd_einval, "invalid"},
    {blk_status::ioerr, EIO, nbd_eio, "I/O"},
}};

const status_row& row_of(blk_status status) {
    for (const auto& row : rows)
        if (row.status == status)
            return row;
    return rows.back();
}

} // namespace

int to_errno(blk_status status) {
    return row_of(status).errno_value;
}

blk_status to_blk_status(int errno_value) {
    for (const auto& row : rows)
        if (row.errno_value == errno_value)
            return row.status;
    return blk_status::ioerr;
}

blk_status to_blk_status(std::error_code error) {
    return to_blk_status(error.value());
}

std::uint32_t to_nbd_error(blk_status status) {
    return row_of(status).nbd_error;
}

std::string_view to_string(blk_status status) {
    return row_of(status).words;
}

} // namespace blkcrypto
