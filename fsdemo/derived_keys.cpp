// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/derived_keys.hpp"

#include <cerrno>
#include <cstring>

namespace blkcrypto::fsdemo {
namespace {

constexpr lock_class keys_lock{"derived_keys"};
constexpr allocation_class keys_memory{"derived_keys"};

} // namespace

derived_keys::derived_keys(std::vector<place>&& places) : lock_(keys_lock), places_(std::move(places)) {
    index_.grow(static_cast<std::uint32_t>(places_.size()));
}

result<std::unique_ptr<derived_keys>> derived_keys::make(env& e, unsigned capacity) {
    if (capacity == 0)
        return make_error(EINVAL);
    if (!e.allow_allocation(keys_memory, bytes_for(capacity)))
        return make_error(ENOMEM);
    return or_no_memory([&]() -> result<std::unique_ptr<derived_keys>> {
        std::vector<place> places(capacity);
        for (place& p : places) {
            auto bytes = secret::make(raw_key_size_max_bytes);
            if (!bytes)
                return bytes.error();
            p.bytes = std::move(*bytes);
        }
        return std::unique_ptr<derived_keys>(new derived_keys(std::move(places)));
    });
}

// Derived without the lock: two threads that miss the same key both derive it, and the first one's is kept.
void derived_keys::get(const master_key& master, const crypto_nonce& nonce, crypto_mode mode,
                       bytes_span out) noexcept {
    {
        const plain_lock lock(lock_);
        if (copy_known(master, nonce, mode, out)) {
            ++counters_.hits;
            return;
        }
        ++counters_.misses;
    }
    master.derive(hkdf_context::per_extent_enc_key, nonce, out);
    const plain_lock lock(lock_);
    if (find(master, nonce, mode) == nonce_index::none)
        keep(master, nonce, mode, out);
}

std::uint32_t derived_keys::find(const master_key& master, const crypto_nonce& nonce,
                                 crypto_mode mode) const noexcept {
    for (std::uint32_t i = index_.first_like(nonce); i != nonce_index::none; i = index_.next_like(i)) {
        const place& p = places_[i];
        if (is_same(p.nonce, nonce) && p.master == &master && p.mode == mode)
            return i;
    }
    return nonce_index::none;
}

bool derived_keys::copy_known(const master_key& master, const crypto_nonce& nonce, crypto_mode mode,
                              bytes_span out) {
    const std::uint32_t i = find(master, nonce, mode);
    if (i == nonce_index::none)
        return false;
    std::memcpy(out.data(), places_[i].bytes.bytes().data(), out.size());
    index_.take(i);
    index_.put_most_recent(i);
    return true;
}

void derived_keys::keep(const master_key& master, const crypto_nonce& nonce, crypto_mode mode,
                        bytes_view bytes) {
    const std::uint32_t i = index_.least_recent();
    place& p = places_[i];
    if (p.master != nullptr) {
        ++counters_.evictions;
        vacate(i);
    }
    (void)p.bytes.resize(bytes.size());
    std::memcpy(p.bytes.writable().data(), bytes.data(), bytes.size());
    p.master = &master;
    p.nonce = nonce;
    p.mode = mode;
    index_.insert(nonce, i);
    index_.take(i);
    index_.put_most_recent(i);
}

void derived_keys::vacate(std::uint32_t index) noexcept {
    place& p = places_[index];
    index_.erase(p.nonce, index);
    p.bytes.wipe();
    p.master = nullptr;
}

void derived_keys::forget(const master_key& master) noexcept {
    const plain_lock lock(lock_);
    for (std::uint32_t i = 0; i < places_.size(); ++i)
        if (places_[i].master == &master) {
            vacate(i);
            index_.take(i);
            index_.put_least_recent(i);
        }
}

cache_counters derived_keys::counters() const noexcept {
    const plain_lock lock(lock_);
    return counters_;
}

} // namespace blkcrypto::fsdemo
