// SPDX-License-Identifier: Apache-2.0
#include "bench/block_io.hpp"

namespace blkcrypto::bench {

block_io::block_io(const block_layout& layout, bytes_span buffer, buffer_id registered, block_observer& told)
    : layout_(layout), buffer_(buffer), registered_(registered), told_(told),
      pieces_(std::make_unique<piece_io[]>(layout.stripes->pieces_max(buffer.size()))) {}

void block_io::submit(submit_queue& queue, bio_op op, const image_block& block) noexcept {
    block_ = block;
    failure_.reset();
    unsigned count = 0;
    std::uint32_t done_bytes = 0;
    while (done_bytes < block.length_bytes) {
        const std::uint64_t at = block.offset_bytes + done_bytes;
        const auto length = static_cast<std::uint32_t>(
            layout_.stripes->length_in_stripe(at, block.length_bytes - done_bytes));
        prepare(pieces_[count++], op, at, length);
        done_bytes += length;
    }
    remaining_ = count;
    for (unsigned i = 0; i < count; ++i)
        queue.submit(pieces_[i].piece);
}

void block_io::prepare(piece_io& to, bio_op op, std::uint64_t offset_bytes,
                       std::uint32_t length_bytes) noexcept {
    to.memory = {buffer_.data() + (offset_bytes - block_.offset_bytes), length_bytes, registered_};
    to.piece.prepare(op, to_sectors_exact({offset_bytes}), {&to.memory, 1}, *this);
    if (layout_.keys == nullptr)
        return;
    const crypto_key& key = (*layout_.keys)[layout_.stripes->key_index_at(offset_bytes)];
    to.piece.set_crypt_ctx(key, layout_.stripes->dun_at(offset_bytes));
}

void block_io::end_io(bio& piece) noexcept {
    if (piece.status != blk_status::ok && !failure_)
        failure_ = io_failure{piece.op, to_bytes(piece.iter.start).value, piece.status};
    if (--remaining_ == 0)
        told_.block_ended(*this);
}

} // namespace blkcrypto::bench
