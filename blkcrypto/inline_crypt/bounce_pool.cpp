// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/inline_crypt/bounce_pool.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace blkcrypto {
namespace {

std::size_t order_for(std::uint32_t bytes) {
    const auto bits = static_cast<unsigned>(std::bit_width(std::max(bytes, 2U) - 1));
    return std::clamp(bits, bounce_pool::chunk_bits_min, bounce_pool::chunk_bits_max) -
           bounce_pool::chunk_bits_min;
}

std::uint32_t pages_for(std::uint32_t bytes) {
    constexpr std::uint32_t page_mask = (1U << bounce_pool::chunk_bits_min) - 1;
    return (bytes >> bounce_pool::chunk_bits_min) + ((bytes & page_mask) != 0 ? 1 : 0);
}

} // namespace

result<bounce_pool> bounce_pool::make(std::uint64_t bytes) {
    constexpr std::uint64_t page_mask = (1U << chunk_bits_min) - 1;
    const std::uint64_t rounded = (bytes + page_mask) & ~page_mask;
    void* base = nullptr;
    if (rounded != 0) {
        base =
            mmap(nullptr, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (base == MAP_FAILED)
            return make_error(ENOMEM);
    }
    try {
        return bounce_pool(static_cast<std::byte*>(base), rounded >> chunk_bits_min);
    } catch (const std::bad_alloc&) {
        munmap(base, rounded);
        return make_error(ENOMEM);
    }
}

bounce_pool::bounce_pool(std::byte* base, std::size_t page_count)
    : base_(base), page_count_(page_count), pages_(page_count) {
    buddies_.fill(no_page);
    recent_.fill(no_page);
    // The largest aligned chunks first, smaller ones at the end.
    for (std::size_t first = 0; first < page_count;) {
        const auto fits = static_cast<std::size_t>(std::bit_width(page_count - first)) - 1;
        const std::size_t aligned =
            first == 0 ? order_count - 1 : static_cast<std::size_t>(std::countr_zero(first));
        const std::size_t order = std::min({fits, aligned, order_count - 1});
        add_to_buddies(static_cast<page_number>(first), order);
        first += std::size_t{1} << order;
    }
}

bounce_pool::bounce_pool(bounce_pool&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), page_count_(std::exchange(other.page_count_, 0)),
      pages_out_(std::exchange(other.pages_out_, 0)), pages_(std::move(other.pages_)),
      buddies_(other.buddies_), recent_(other.recent_) {}

bounce_pool::~bounce_pool() {
    assert(is_whole());
    if (base_ != nullptr)
        munmap(base_, page_count_ << chunk_bits_min);
}

bounce_chunk bounce_pool::try_get(std::uint32_t wanted_bytes, std::uint32_t least_bytes) noexcept {
    const std::size_t least = order_for(least_bytes);
    const page_number wanted_pages = pages_for(std::max(wanted_bytes, least_bytes));
    for (std::size_t order = order_for(std::max(wanted_bytes, least_bytes)) + 1; order-- > least;) {
        const page_number first = take(order);
        if (first == no_page)
            continue;
        const page_number pages = std::min(wanted_pages, page_number{1} << order);
        put_tail(first, pages, page_number{1} << order);
        pages_out_ += pages;
        return {base_ + (std::size_t{first} << chunk_bits_min), pages << chunk_bits_min};
    }
    return {};
}

// What was taken is aligned to its size, so cutting it in halves again and again keeps the pieces aligned.
void bounce_pool::put_tail(page_number first, page_number used, page_number taken) noexcept {
    while (used < taken) {
        const auto order = static_cast<std::size_t>(std::countr_zero(used));
        put_recent(first + used, order);
        used += page_number{1} << order;
    }
}

void bounce_pool::put(const bounce_chunk& chunk) noexcept {
    auto first = static_cast<page_number>((chunk.data - base_) >> chunk_bits_min);
    page_number pages = chunk.size_bytes >> chunk_bits_min;
    pages_out_ -= pages;
    while (pages != 0) {
        const auto order = static_cast<std::size_t>(std::bit_width(pages)) - 1;
        put_recent(first, order);
        first += page_number{1} << order;
        pages -= page_number{1} << order;
    }
}

void bounce_pool::put_recent(page_number first, std::size_t order) noexcept {
    pages_[first].order = static_cast<std::uint8_t>(order);
    pages_[first].next = recent_[order];
    recent_[order] = first;
}

bounce_pool::page_number bounce_pool::take(std::size_t order) noexcept {
    if (recent_[order] != no_page) [[likely]]
        return std::exchange(recent_[order], pages_[recent_[order]].next);
    const page_number first = take_from_buddies(order);
    if (first != no_page || !give_recent_to_buddies())
        return first;
    return take_from_buddies(order);
}

bounce_pool::page_number bounce_pool::take_from_buddies(std::size_t order) noexcept {
    std::size_t from = order;
    while (from < order_count && buddies_[from] == no_page)
        ++from;
    if (from == order_count)
        return no_page;
    const page_number first = buddies_[from];
    remove_from_buddies(first);
    while (from-- > order)
        add_to_buddies(first + (page_number{1} << from), from);
    return first;
}

bool bounce_pool::give_recent_to_buddies() noexcept {
    bool any = false;
    for (std::size_t order = 0; order < order_count; ++order)
        while (recent_[order] != no_page) {
            const page_number first = std::exchange(recent_[order], pages_[recent_[order]].next);
            join(first, order);
            any = true;
        }
    return any;
}

void bounce_pool::join(page_number first, std::size_t order) noexcept {
    while (order + 1 < order_count) {
        const page_number buddy = first ^ (page_number{1} << order);
        if (buddy >= page_count_ || !pages_[buddy].in_buddy_list || pages_[buddy].order != order)
            break;
        remove_from_buddies(buddy);
        first = std::min(first, buddy);
        ++order;
    }
    add_to_buddies(first, order);
}

void bounce_pool::add_to_buddies(page_number first, std::size_t order) noexcept {
    page& head = pages_[first];
    head = {buddies_[order], no_page, static_cast<std::uint8_t>(order), true};
    if (head.next != no_page)
        pages_[head.next].previous = first;
    buddies_[order] = first;
}

void bounce_pool::remove_from_buddies(page_number first) noexcept {
    page& leaving = pages_[first];
    if (leaving.next != no_page)
        pages_[leaving.next].previous = leaving.previous;
    (leaving.previous == no_page ? buddies_[leaving.order] : pages_[leaving.previous].next) = leaving.next;
    leaving.in_buddy_list = false;
}

} // namespace blkcrypto
