// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/strategies/transform_memory.hpp"

#include <cerrno>

namespace blkcrypto::fsdemo {

std::error_code transform_memory::charge(std::uint64_t transforms, std::uint64_t bytes) noexcept {
    std::uint64_t known = bytes_.load();
    do
        if (limit_bytes_ != 0 && known + bytes > limit_bytes_) {
            ++limit_refusals_;
            return make_error(ENOMEM);
        }
    while (!bytes_.compare_exchange_weak(known, known + bytes));
    transforms_ += transforms;
    std::uint64_t known_max = bytes_max_.load();
    while (known_max < known + bytes && !bytes_max_.compare_exchange_weak(known_max, known + bytes)) {
    }
    return {};
}

void transform_memory::give_back(std::uint64_t transforms, std::uint64_t bytes) noexcept {
    transforms_ -= transforms;
    bytes_ -= bytes;
}

result<std::unique_ptr<skcipher>> transform_memory::allocate(env& e, crypto_mode mode) {
    const std::uint64_t bytes = bytes_of(mode);
    if (!e.allow_allocation(transform_allocation, bytes))
        return make_error(ENOMEM);
    if (const std::error_code error = charge(1, bytes))
        return error;
    auto made = make_skcipher(mode, lanes_);
    if (!made)
        give_back(1, bytes);
    return made;
}

result<std::unique_ptr<skcipher>> transform_memory::allocate_in_io(env& e, crypto_mode mode) {
    auto made = allocate(e, mode);
    if (made) {
        ++io_allocations_;
        io_allocated_bytes_ += bytes_of(mode);
    }
    return made;
}

void transform_memory::free(std::unique_ptr<skcipher> transform, crypto_mode mode) noexcept {
    transform.reset();
    give_back(1, bytes_of(mode));
}

std::uint64_t transform_memory::bytes_of(crypto_mode mode) const noexcept {
    auto& known = bytes_of_[mode_index(mode)];
    if (known.load(std::memory_order_relaxed) == 0)
        known.store(tfm_bytes(mode, lanes_), std::memory_order_relaxed);
    return known.load(std::memory_order_relaxed);
}

strategy_figures transform_memory::figures() const noexcept {
    return {.transforms = transforms_,
            .transform_bytes = bytes_,
            .pinned_bytes = 0,
            .transform_bytes_max = bytes_max_,
            .io_allocations = io_allocations_,
            .io_allocated_bytes = io_allocated_bytes_,
            .limit_refusals = limit_refusals_};
}

} // namespace blkcrypto::fsdemo
