// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/inline_crypt/crypto_fallback.hpp"

#include <algorithm>
#include <cerrno>

namespace blkcrypto {
namespace {

constexpr lock_class lanes_lock_class{"crypto_fallback.lanes"};
constexpr lock_class reserve_lock_class{"crypto_fallback.reserve"};
constexpr lock_class reserve_waiting_class{"crypto_fallback.reserve.waiting"};
constexpr allocation_class reserve_memory{"crypto_fallback.reserve"};

} // namespace

crypto_fallback::crypto_fallback(std::unique_ptr<tfm_source> tfms, const fallback_options& options,
                                 bounce_pool&& reserve)
    : tfms_(std::move(tfms)), options_(options), lanes_lock_(lanes_lock_class),
      lanes_taken_(options.decrypt_workers, true), reserve_chunk_bytes_max_(reserve.chunk_bytes_max()),
      reserve_lock_(reserve_lock_class), reserve_(std::move(reserve)),
      reserve_waiting_(reserve_waiting_class) {
    for (unsigned worker = 0; worker < options.decrypt_workers; ++worker)
        worker_lanes_.emplace_back(worker);
}

result<std::unique_ptr<crypto_fallback>> crypto_fallback::make(env& e, std::unique_ptr<tfm_source> tfms,
                                                               const fallback_options& options) {
    if ((options.decrypt_executor != nullptr) != (options.decrypt_workers != 0))
        return make_error(EINVAL);
    const std::uint64_t reserve_bytes = std::uint64_t{options.kernel.bounce_reserve_pages}
                                        << bounce_pool::chunk_bits_min;
    if (!e.allow_allocation(reserve_memory, reserve_bytes))
        return make_error(ENOMEM);
    auto reserve = bounce_pool::make(reserve_bytes);
    if (reserve.has_error())
        return reserve.error();
    return or_no_memory([&]() -> result<std::unique_ptr<crypto_fallback>> {
        return std::unique_ptr<crypto_fallback>(
            new crypto_fallback(std::move(tfms), options, std::move(*reserve)));
    });
}

std::error_code crypto_fallback::start_using_key(env& e, const key_request& key) {
    if (!supports(key.config()))
        return make_error(EOPNOTSUPP);
    return tfms_->start_using(e, key.config());
}

unsigned crypto_fallback::take_lane_index() {
    const plain_lock lock(lanes_lock_);
    const auto found = std::ranges::find(lanes_taken_, false);
    const auto index = static_cast<unsigned>(found - lanes_taken_.begin());
    if (found == lanes_taken_.end())
        lanes_taken_.push_back(true);
    else
        *found = true;
    return index;
}

void crypto_fallback::give_lane_index_back(unsigned index) noexcept {
    const plain_lock lock(lanes_lock_);
    lanes_taken_[index] = false;
}

bounce_chunk crypto_fallback::try_get_reserve(env& e, std::uint32_t wanted_bytes,
                                              std::uint32_t least_bytes) noexcept {
    const env_lock lock(e, reserve_lock_);
    return reserve_.try_get(wanted_bytes, least_bytes);
}

void crypto_fallback::put_reserve(env& e, const bounce_chunk& chunk) noexcept {
    {
        const env_lock lock(e, reserve_lock_);
        reserve_.put(chunk);
    }
    reserve_waiting_.wake_one(e);
}

bool crypto_fallback::reserve_is_whole(env& e) noexcept {
    const env_lock lock(e, reserve_lock_);
    return reserve_.is_whole();
}

void crypto_fallback::wait_for_reserve(waiter& w, std::uint32_t least_bytes) noexcept {
    reserve_waiting_.add(w);
    bool came_free_meanwhile = false;
    {
        const env_lock lock(w.owner(), reserve_lock_);
        const bounce_chunk chunk = reserve_.try_get(least_bytes, least_bytes);
        came_free_meanwhile = static_cast<bool>(chunk);
        if (came_free_meanwhile)
            reserve_.put(chunk);
    }
    if (came_free_meanwhile)
        reserve_waiting_.wake_one(w.owner());
}

} // namespace blkcrypto
