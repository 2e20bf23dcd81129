// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/reply_memory.hpp"

namespace blkcrypto::nbd {
namespace {

constexpr std::uint32_t page_bytes = 4096;
constexpr std::uint32_t least_alignment_bytes = 512;

} // namespace

reply_memory::run reply_memory::try_get(std::uint32_t bytes) noexcept {
    const std::uint32_t alignment = bytes < page_bytes ? least_alignment_bytes : page_bytes;
    if (current_ != nullptr && current_->holders == 1)
        used_bytes_ = 0;
    const std::uint32_t begin = (used_bytes_ + alignment - 1) & ~(alignment - 1);
    if (current_ != nullptr && begin + bytes <= chunk_bytes) {
        ++current_->holders;
        used_bytes_ = begin + bytes;
        return {current_->data + begin, current_};
    }
    chunk* const next = pool_.try_get();
    if (next == nullptr)
        return {};
    reset();
    current_ = next;
    ++current_->holders;
    used_bytes_ = bytes;
    return {current_->data, current_};
}

void reply_memory::reset() noexcept {
    if (current_ != nullptr)
        pool_.drop(*current_);
    current_ = nullptr;
    used_bytes_ = 0;
}

} // namespace blkcrypto::nbd
