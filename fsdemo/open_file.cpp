// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/open_file.hpp"

#include <algorithm>

namespace blkcrypto::fsdemo {
namespace {

constexpr lock_class range_locks{"open_file.ranges"};

} // namespace

const file_part* part_cache::find(std::uint64_t at_bytes) const noexcept {
    const auto behind = std::ranges::upper_bound(parts_, at_bytes, {}, &file_part::begin_bytes);
    if (behind == parts_.begin())
        return nullptr;
    const file_part& part = *std::prev(behind);
    return at_bytes < part.end_bytes ? &part : nullptr;
}

const file_part& part_cache::add(const file_part& part) {
    if (parts_.size() == parts_max)
        parts_.clear();
    const auto behind = std::ranges::upper_bound(parts_, part.begin_bytes, {}, &file_part::begin_bytes);
    return *parts_.insert(behind, part);
}

open_file::open_file(inode_number number, const inode_item& item)
    : number_(number), item_(item), ranges_(range_locks) {}

} // namespace blkcrypto::fsdemo
