// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/result.hpp"
#include "blkcrypto/base/status.hpp"

#include <array>
#include <cerrno>
#include <doctest/doctest.h>

using namespace blkcrypto;

namespace {

struct expected_row {
    blk_status status;
    int kernel_value;
    int errno_value;
    std::uint32_t nbd_error;
};

// include/linux/blk_types.h, blk_errors[] of block/blk-core.c, and the NBD protocol's error values.
constexpr std::array<expected_row, 13> kernel_rows{{
    {blk_status::ok, 0, 0, 0},
    {blk_status::notsupp, 1, EOPNOTSUPP, 95},
    {blk_status::timeout, 2, ETIMEDOUT, 5},
    {blk_status::nospc, 3, ENOSPC, 28},
    {blk_status::target, 5, EREMOTEIO, 5},
    {blk_status::medium, 7, ENODATA, 5},
    {blk_status::protection, 8, EILSEQ, 5},
    {blk_status::resource, 9, ENOMEM, 12},
    {blk_status::ioerr, 10, EIO, 5},
    {blk_status::again, 12, EAGAIN, 12},
    {blk_status::dev_resource, 13, EBUSY, 12},
    {blk_status::offline, 16, ENODEV, 108},
    {blk_status::inval, 19, EINVAL, 22},
}};

} // namespace

TEST_CASE("a status has the kernel's value and errno, and NBD's error") {
    for (const auto& row : kernel_rows) {
        CAPTURE(row.kernel_value);
        CHECK(static_cast<int>(row.status) == row.kernel_value);
        CHECK(to_errno(row.status) == row.errno_value);
        CHECK(to_nbd_error(row.status) == row.nbd_error);
    }
}

TEST_CASE("a status survives the way through errno and back") {
    for (const auto& row : kernel_rows) {
        CAPTURE(row.kernel_value);
        CHECK(to_blk_status(to_errno(row.status)) == row.status);
        CHECK(to_blk_status(make_error(to_errno(row.status))) == row.status);
    }
}

TEST_CASE("an errno without a row is an I/O error") {
    CHECK(to_blk_status(EPIPE) == blk_status::ioerr);
    CHECK(to_blk_status(-1) == blk_status::ioerr);
}

TEST_CASE("an unknown status counts as an I/O error") {
    const auto unknown = static_cast<blk_status>(200);
    CHECK(to_errno(unknown) == EIO);
    CHECK(to_nbd_error(unknown) == 5);
    CHECK(to_string(unknown) == "I/O");
}

TEST_CASE("statuses are worded as in the kernel log") {
    CHECK(to_string(blk_status::ok).empty());
    CHECK(to_string(blk_status::notsupp) == "operation not supported");
    CHECK(to_string(blk_status::nospc) == "critical space allocation");
    CHECK(to_string(blk_status::ioerr) == "I/O");
}
