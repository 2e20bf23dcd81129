// SPDX-License-Identifier: Apache-2.0
#include "bench/micro_bios.hpp"

#include "bench/seeded.hpp"

#include <cstring>
#include <utility>

namespace blkcrypto::bench {

data_unit_size micro_unit_size() {
    static const data_unit_size size = *data_unit_size::make(4096);
    return size;
}

crypto_config micro_config() {
    return {crypto_mode::aes_256_xts, micro_unit_size(), 8};
}

std::vector<std::byte> micro_key_bytes(std::uint64_t index) {
    std::vector<std::byte> bytes(find_mode(crypto_mode::aes_256_xts)->key_size_bytes);
    fill_content(index, 0, bytes);
    return bytes;
}

block_walk::block_walk(std::uint64_t stretch_bytes, std::uint32_t block_bytes, block_order order) {
    for (std::uint64_t at = 0; at + block_bytes <= stretch_bytes; at += block_bytes)
        offsets_.push_back(at);
    seeded_numbers numbers(0);
    if (order == block_order::random)
        for (std::size_t i = offsets_.size(); i > 1; --i)
            std::swap(offsets_[i - 1], offsets_[numbers.below(i)]);
}

bio_batch::bio_batch(std::uint64_t stretch_bytes, std::uint32_t block_bytes, block_order order)
    : memory_(make_touched_buffers(batch, block_bytes)), walk_(stretch_bytes, block_bytes, order),
      bios_(batch) {
    for (unsigned i = 0; i < batch; ++i)
        segments_.push_back({memory_[i].data(), block_bytes, unregistered_buffer});
}

bool bio_batch::run(submit_queue& queue, bio_op op, key_choice& keys) noexcept {
    for (unsigned i = 0; i < batch; ++i) {
        const std::uint64_t offset = walk_.next();
        bios_[i].prepare(op, to_sectors_exact({offset}), {&segments_[i], 1}, *this);
        if (const key_request* key = keys.next(); key != nullptr)
            bios_[i].set_crypt_ctx(*key, dun(micro_unit_size().units_in(offset)));
        queue.submit(bios_[i]);
    }
    while (queue.in_flight() != 0)
        queue.wait();
    return all_well_;
}

void bio_batch::end_io(bio& ended) noexcept {
    all_well_ = all_well_ && ended.status == blk_status::ok;
}

cipher_loop::cipher_loop(what work, bytes_span medium, std::uint32_t block_bytes, block_order order)
    : work_(work), medium_(medium), sources_(make_touched_buffers(batch, block_bytes)),
      target_(make_touched_buffers(1, block_bytes)), walk_(medium.size(), block_bytes, order),
      tfm_(*make_skcipher(crypto_mode::aes_256_xts, 1)) {
    if (tfm_->setkey(micro_key_bytes()))
        std::abort(); // a constant
}

void cipher_loop::run() noexcept {
    const std::size_t bytes = target_[0].size();
    for (unsigned i = 0; i < batch; ++i) {
        const std::uint64_t offset = walk_.next();
        std::byte* const block = sources_[i].data();
        std::byte* const place = medium_.data() + offset;
        switch (work_) {
        case what::copy:
            std::memcpy(place, block, bytes);
            break;
        case what::encrypt:
            crypt(cipher_direction::encrypt, block, target_[0].data(), offset);
            break;
        case what::encrypt_copy:
            crypt(cipher_direction::encrypt, block, target_[0].data(), offset);
            std::memcpy(place, target_[0].data(), bytes);
            break;
        case what::copy_decrypt:
            std::memcpy(block, place, bytes);
            crypt(cipher_direction::decrypt, block, block, offset);
            break;
        }
        benchmark::ClobberMemory();
    }
}

void cipher_loop::crypt(cipher_direction direction, const std::byte* from, std::byte* to,
                        std::uint64_t offset) noexcept {
    const cipher_segment segment{from, to, target_[0].size()};
    tfm_->crypt(direction, micro_unit_size().units_in(offset), micro_unit_size(), {&segment, 1}, lane_);
}

} // namespace blkcrypto::bench
