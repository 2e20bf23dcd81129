// SPDX-License-Identifier: Apache-2.0
#include "bench/block_stream.hpp"

#include <algorithm>

namespace blkcrypto::bench {
namespace {

// floor(blocks * part / parts) without overflow.
std::uint64_t start_of_part(std::uint64_t blocks, unsigned part, unsigned parts) {
    return blocks / parts * part + blocks % parts * part / parts;
}

} // namespace

std::uint64_t count_blocks(std::uint64_t size_bytes, std::uint32_t block_bytes) {
    return size_bytes / block_bytes + (size_bytes % block_bytes != 0 ? 1 : 0);
}

block_stream::block_stream(const workload_options& options, std::uint64_t size_bytes, unsigned job,
                           unsigned round)
    : pattern_(options.pattern), read_percent_(options.read_percent), block_bytes_(options.block_bytes),
      size_bytes_(size_bytes), count_(count_blocks(size_bytes, options.block_bytes)),
      numbers_(sub_seed(sub_seed(options.seed, round), job)) {
    if (!is_sequential(pattern_))
        return;
    first_ = start_of_part(count_, job, options.jobs);
    count_ = start_of_part(count_, job + 1, options.jobs) - first_;
    position_ = numbers_.below(count_);
}

block_stream::step block_stream::next() noexcept {
    const std::uint64_t offset_bytes = next_index() * block_bytes_;
    const auto length_bytes = std::min<std::uint64_t>(block_bytes_, size_bytes_ - offset_bytes);
    return {next_op(), {offset_bytes, static_cast<std::uint32_t>(length_bytes)}};
}

std::uint64_t block_stream::next_index() noexcept {
    if (!is_sequential(pattern_))
        return numbers_.below(count_);
    position_ = position_ + 1 < count_ ? position_ + 1 : 0;
    return first_ + position_;
}

bio_op block_stream::next_op() noexcept {
    switch (pattern_) {
    case access_pattern::read:
    case access_pattern::randread:
        return bio_op::read;
    case access_pattern::write:
    case access_pattern::randwrite:
        return bio_op::write;
    case access_pattern::randrw:
        break;
    }
    return numbers_.below(100) < read_percent_ ? bio_op::read : bio_op::write;
}

} // namespace blkcrypto::bench
