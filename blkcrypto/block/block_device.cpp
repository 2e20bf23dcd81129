// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/block/block_device.hpp"

#include "blkcrypto/base/log.hpp"

#include <algorithm>
#include <cassert>

namespace blkcrypto {
namespace {

// A unit of up to a page lies within one segment; larger ones may be scattered over pages.
constexpr std::uint32_t unscattered_unit_max_bytes = 4096;

} // namespace

bool segments_are_whole_units(const bio& b, data_unit_size unit_size) noexcept {
    if (!unit_size.divides(b.iter.size_bytes))
        return false;
    const bool has_one_segment = b.iter.index + 1 == b.segments.size(); // that is what is left of it
    if (!b.has_data() || has_one_segment)
        return true;
    const std::uint32_t granule = std::min(unit_size.bytes(), unscattered_unit_max_bytes);
    bvec_iter at = b.iter;
    while (at.size_bytes != 0) {
        const std::uint32_t length = at.current(b.segments).length_bytes;
        if (length % granule != 0)
            return false;
        at.advance(b.segments, length);
    }
    return true;
}

block_queue::block_queue(const block_device& device, env& environment, const queue_options& options) noexcept
    : env_(environment), ended_(environment), limits_(device.limits()), capacity_(device.capacity()),
      native_(device.native_crypto()), misaligned_(options.kernel.misaligned) {}

void block_queue::submit(bio& b) noexcept {
    ++in_flight_;
    const blk_status verdict = check(b);
    if (verdict != blk_status::ok) [[unlikely]]
        return complete(b, verdict);
    b.enter_stage(bio_stage::storage, env_);
    const bool asks_for_nothing = b.is_flush() ? !limits_.volatile_cache : b.iter.size_bytes == 0;
    if (asks_for_nothing)
        return complete(b, blk_status::ok);
    do_submit(b);
}

blk_status block_queue::check(const bio& b) const noexcept {
    if (b.crypt) {
        const blk_status verdict = check_crypt_ctx(b);
        if (verdict != blk_status::ok)
            return verdict;
    }
    if (b.op != bio_op::read && b.op != bio_op::write) [[unlikely]] {
        if (b.op == bio_op::flush && b.iter.size_bytes != 0)
            return blk_status::inval;
        if (b.op == bio_op::discard && !limits_.discard)
            return blk_status::notsupp;
    }
    return check_place(b);
}

blk_status block_queue::check_place(const bio& b) const noexcept {
    if ((b.fua || b.preflush) && b.op != bio_op::write)
        return blk_status::ioerr;
    const std::uint64_t block_mask = limits_.logical_block_size_bytes - 1;
    const std::uint64_t sectors = b.iter.size_bytes >> sector_bits;
    if (((to_bytes(b.iter.start).value | b.iter.size_bytes) & block_mask) != 0)
        return blk_status::ioerr;
    if (sectors > capacity_.value || b.iter.start.value > capacity_.value - sectors)
        return blk_status::ioerr;
    return blk_status::ok;
}

blk_status block_queue::check_crypt_ctx(const bio& b) const noexcept {
    if (!b.has_plaintext()) {
        static warn_once warned;
        warned("encrypted bio without data");
        return blk_status::ioerr;
    }
    if (native_ == nullptr || !native_->supports(b.crypt.key->config()))
        return blk_status::notsupp;
    if (limits_.cut_data_units)
        return blk_status::ok; // the device looks for itself
    return segments_are_whole_units(b, b.crypt.unit_size()) ? blk_status::ok : misaligned_;
}

unsigned block_queue::poll() noexcept {
    env_.run_ready();
    do_poll();
    const unsigned ended = ended_.run();
    in_flight_ -= ended;
    return ended;
}

unsigned block_queue::wait() noexcept {
    while (in_flight_ != 0) {
        const unsigned ended = poll();
        if (ended != 0)
            return ended;
        env_.sleep();
    }
    return 0;
}

} // namespace blkcrypto
