// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbered places that are found by a nonce, and the order in which those that are idle were used last: what
// the caches of extents' keys have in common. It knows numbers only; what is in a place, its owner knows.

#include "blkcrypto/base/bytes.hpp"
#include "fsdemo/policy.hpp"

#include <bit>
#include <cstdint>
#include <vector>

namespace blkcrypto::fsdemo {

class nonce_index {
  public:
    static constexpr std::uint32_t none = UINT32_MAX;

    /// Adds places up to `count`, each idle, the least recently used of all, in no bucket. Throws bad_alloc,
    /// having changed nothing.
    void grow(std::uint32_t count);
    std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(links_.size()); }
    /// The memory it has.
    std::uint64_t bytes() const noexcept {
        return links_.capacity() * sizeof(link) + hashes_.capacity() * sizeof(std::uint64_t) +
               buckets_.capacity() * sizeof(std::uint32_t);
    }
    /// The memory it has with so many places, added at once.
    static constexpr std::uint64_t bytes_for(std::uint64_t places) noexcept {
        return places * (sizeof(link) + sizeof(std::uint64_t)) +
               std::bit_ceil(places) * sizeof(std::uint32_t);
    }

    // --- by nonce: those whose nonce hashes alike, one after the other ---

    std::uint32_t first_like(const crypto_nonce& nonce) const noexcept { return buckets_[hash(nonce)]; }
    std::uint32_t next_like(std::uint32_t place) const noexcept { return links_[place].next_in_bucket; }
    void insert(const crypto_nonce& nonce, std::uint32_t place) noexcept;
    /// It was inserted with that nonce.
    void erase(const crypto_nonce& nonce, std::uint32_t place) noexcept;

    // --- the idle ones ---

    std::uint32_t least_recent() const noexcept { return oldest_; } // none: no place is idle
    void take(std::uint32_t idle_place) noexcept;
    void put_most_recent(std::uint32_t place) noexcept;
    void put_least_recent(std::uint32_t place) noexcept;

  private:
    struct link {
        std::uint32_t next_in_bucket = none;
        std::uint32_t older = none;
        std::uint32_t newer = none;
    };

    // A nonce is random: any bits of it are a hash.
    std::size_t hash(const crypto_nonce& nonce) const noexcept {
        return load_little<std::uint64_t>(nonce.data()) & (buckets_.size() - 1);
    }
    void rehash(std::uint32_t count);

    std::vector<link> links_;
    std::vector<std::uint32_t> buckets_;
    std::vector<std::uint64_t> hashes_; // by place: the low word of the nonce it was inserted with
    std::uint32_t oldest_ = none;
    std::uint32_t newest_ = none;
};

} // namespace blkcrypto::fsdemo
