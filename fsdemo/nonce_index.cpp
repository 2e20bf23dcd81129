// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/nonce_index.hpp"

#include <algorithm>
#include <utility>

namespace blkcrypto::fsdemo {
namespace {

// Many small steps are as cheap as a few large ones.
template <typename Vector>
void reserve_more(Vector& vector, std::size_t count) {
    if (count > vector.capacity())
        vector.reserve(std::max(count, 2 * vector.capacity()));
}

} // namespace

void nonce_index::grow(std::uint32_t count) {
    const std::uint32_t before = size();
    if (count <= before)
        return;
    reserve_more(links_, count);
    reserve_more(hashes_, count);
    rehash(count); // the last that may throw
    links_.resize(count);
    hashes_.resize(count);
    for (std::uint32_t place = count; place-- > before;)
        put_least_recent(place);
}

void nonce_index::rehash(std::uint32_t count) {
    const std::size_t wanted = std::bit_ceil(std::size_t{count});
    if (wanted <= buckets_.size())
        return;
    std::vector<std::uint32_t> buckets(wanted, none);
    for (const std::uint32_t first : buckets_)
        for (std::uint32_t place = first; place != none;) {
            auto& head = buckets[hashes_[place] & (wanted - 1)];
            const std::uint32_t next = std::exchange(links_[place].next_in_bucket, head);
            head = std::exchange(place, next);
        }
    buckets_ = std::move(buckets);
}

void nonce_index::insert(const crypto_nonce& nonce, std::uint32_t place) noexcept {
    hashes_[place] = load_little<std::uint64_t>(nonce.data());
    links_[place].next_in_bucket = std::exchange(buckets_[hash(nonce)], place);
}

void nonce_index::erase(const crypto_nonce& nonce, std::uint32_t place) noexcept {
    std::uint32_t* at = &buckets_[hash(nonce)];
    while (*at != place)
        at = &links_[*at].next_in_bucket;
    *at = std::exchange(links_[place].next_in_bucket, none);
}

void nonce_index::take(std::uint32_t idle_place) noexcept {
    link& l = links_[idle_place];
    (l.older == none ? oldest_ : links_[l.older].newer) = l.newer;
    (l.newer == none ? newest_ : links_[l.newer].older) = l.older;
    l.older = l.newer = none;
}

void nonce_index::put_most_recent(std::uint32_t place) noexcept {
    links_[place].older = newest_;
    (newest_ == none ? oldest_ : links_[newest_].newer) = place;
    newest_ = place;
}

void nonce_index::put_least_recent(std::uint32_t place) noexcept {
    links_[place].newer = oldest_;
    (oldest_ == none ? newest_ : links_[oldest_].older) = place;
    oldest_ = place;
}

} // namespace blkcrypto::fsdemo
