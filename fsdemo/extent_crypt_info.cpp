// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/extent_crypt_info.hpp"

#include <bit>
#include <cassert>
#include <cerrno>

namespace blkcrypto::fsdemo {

std::error_code extent_crypt_info::derive(secret& into) const noexcept {
    if (!into.resize(bytes_.size_bytes()))
        return make_error(EINVAL);
    std::memcpy(into.writable().data(), bytes_.bytes().data(), bytes_.size_bytes());
    return {};
}

// --- making ---

extent_keys::extent_keys(const crypto_door& door, std::vector<place>&& places)
    : door_(door), places_(std::move(places)), buckets_(std::bit_ceil(places_.size()), none) {
    for (std::uint32_t i = 0; i < places_.size(); ++i)
        put_idle_last(i);
}

result<std::unique_ptr<extent_keys>> extent_keys::make(const crypto_door& door, unsigned capacity) {
    if (capacity == 0)
        return make_error(EINVAL);
    return or_no_memory([&]() -> result<std::unique_ptr<extent_keys>> {
        std::vector<place> places(capacity);
        for (place& p : places) {
            auto bytes = secret::make(raw_key_size_max_bytes);
            if (!bytes)
                return bytes.error();
            p.bytes = std::move(*bytes);
        }
        return std::unique_ptr<extent_keys>(new extent_keys(door, std::move(places)));
    });
}

extent_keys::~extent_keys() {
    assert(in_use_ == 0);
    for (std::uint32_t i = 0; i < places_.size(); ++i)
        if (places_[i].key)
            vacate(i);
}

// --- the order of those not in use ---

void extent_keys::take_from_idle(std::uint32_t index) noexcept {
    place& p = places_[index];
    (p.older == none ? oldest_ : places_[p.older].newer) = p.newer;
    (p.newer == none ? newest_ : places_[p.newer].older) = p.older;
    p.older = p.newer = none;
}

void extent_keys::put_idle_last(std::uint32_t index) noexcept {
    places_[index].older = newest_;
    (newest_ == none ? oldest_ : places_[newest_].newer) = index;
    newest_ = index;
}

void extent_keys::put_idle_first(std::uint32_t index) noexcept {
    places_[index].newer = oldest_;
    (oldest_ == none ? newest_ : places_[oldest_].older) = index;
    oldest_ = index;
}

// --- finding ---

// A nonce is random: any bits of it are a hash.
std::uint32_t& extent_keys::bucket_of(const crypto_nonce& nonce) noexcept {
    return buckets_[load_little<std::uint64_t>(nonce.data()) & (buckets_.size() - 1)];
}

std::uint32_t extent_keys::find(const master_key& master, const crypto_nonce& nonce,
                                crypto_mode mode) noexcept {
    for (std::uint32_t i = bucket_of(nonce); i != none; i = places_[i].next_in_bucket) {
        const place& p = places_[i];
        if (p.nonce == nonce && p.master == &master && p.key->config().mode == mode)
            return i;
    }
    return none;
}

extent_keys::grant extent_keys::get(const master_key& master, const crypto_nonce& nonce,
                                    const crypto_config& config) noexcept {
    std::uint32_t index = find(master, nonce, config.mode);
    // The same nonce with another unit size is a damaged image, or somebody's copy: never the same key
    // object.
    if (index != none && places_[index].key->config().unit_size != config.unit_size)
        return {nullptr, make_error(EINVAL)};
    if (index != none) {
        ++counters_.hits;
        if (places_[index].references == 0)
            take_from_idle(index);
    } else {
        index = oldest_;
        if (index == none)
            return {};
        if (const std::error_code error = move_in(index, master, nonce, config))
            return {nullptr, error};
        take_from_idle(index);
    }
    place& p = places_[index];
    in_use_ += p.references == 0 ? 1 : 0;
    ++p.references;
    return {&*p.key, {}};
}

void extent_keys::put(extent_crypt_info& key) noexcept {
    const std::uint32_t index = key.place_;
    place& p = places_[index];
    assert(p.references != 0);
    if (--p.references != 0)
        return;
    --in_use_;
    put_idle_last(index);
}

// --- moving in and out ---

std::error_code extent_keys::move_in(std::uint32_t index, const master_key& master, const crypto_nonce& nonce,
                                     const crypto_config& config) noexcept {
    place& p = places_[index];
    if (p.key) {
        ++counters_.evictions;
        vacate(index);
    }
    ++counters_.misses;
    (void)p.bytes.resize(find_mode(config.mode)->key_size_bytes);
    master.derive(hkdf_context::per_extent_enc_key, nonce, p.bytes.writable());
    p.key.emplace(config, p.bytes, index);
    if (const std::error_code error =
            start_using_key(door_.environment, door_.device, door_.fallback, *p.key)) {
        p.key.reset();
        p.bytes.wipe();
        return error;
    }
    p.master = &master;
    p.nonce = nonce;
    p.next_in_bucket = std::exchange(bucket_of(nonce), index);
    return {};
}

// Its bytes go when no keyslot has them any more.
void extent_keys::vacate(std::uint32_t index) noexcept {
    place& p = places_[index];
    (void)evict_key(door_.environment, door_.device, door_.fallback, *p.key); // the log has the error
    std::uint32_t* link = &bucket_of(p.nonce);
    while (*link != index)
        link = &places_[*link].next_in_bucket;
    *link = p.next_in_bucket;
    p.next_in_bucket = none;
    p.key.reset();
    p.bytes.wipe();
    p.master = nullptr;
}

void extent_keys::secret_wiped(const master_key& master) noexcept {
    for (std::uint32_t i = 0; i < places_.size(); ++i) {
        if (places_[i].master != &master)
            continue;
        assert(places_[i].references == 0);
        vacate(i);
        take_from_idle(i);
        put_idle_first(i);
    }
}

} // namespace blkcrypto::fsdemo
