// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bounce memory: where ciphertext stands between the cipher and the device, since a source bio's own memory
// must not change. A region made up front, given out in contiguous chunks of whole pages, so that what a
// request of any usual size needs is one piece. For one thread, or under its owner's lock. It only ever
// holds ciphertext.

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/base/result.hpp"
#include "blkcrypto/block/bio.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

namespace blkcrypto {

struct bounce_chunk {
    std::byte* data = nullptr; // null: none
    std::uint32_t size_bytes = 0;

    explicit operator bool() const noexcept { return data != nullptr; }
};

class bounce_pool {
  public:
    static constexpr unsigned chunk_bits_min = 12;
    static constexpr unsigned chunk_bits_max = 22;

    /// At least `bytes`, rounded up to whole pages; 0 makes a pool that never has anything. ENOMEM.
    static result<bounce_pool> make(std::uint64_t bytes);
    ~bounce_pool();
    bounce_pool(bounce_pool&& other) noexcept;
    bounce_pool& operator=(bounce_pool&&) = delete;

    /// A chunk for `wanted_bytes`, in whole pages; if there is none that large, one of a power of two bytes,
    /// the largest there is, but no smaller than `least_bytes`. No chunk if there is none of that size
    /// either.
    bounce_chunk try_get(std::uint32_t wanted_bytes, std::uint32_t least_bytes) noexcept;
    void put(const bounce_chunk& chunk) noexcept;

    /// The largest chunk it can have when none is out; 0 without memory.
    std::uint32_t chunk_bytes_max() const noexcept {
        return static_cast<std::uint32_t>(std::bit_floor(std::min(page_count_, order_pages_max))
                                          << chunk_bits_min);
    }

    bytes_span region() const noexcept { return {base_, page_count_ << chunk_bits_min}; }
    bool is_whole() const noexcept { return pages_out_ == 0; }

  private:
    static constexpr std::size_t order_count = chunk_bits_max - chunk_bits_min + 1;
    static constexpr std::size_t order_pages_max = std::size_t{1} << (order_count - 1);
    using page_number = std::uint32_t;
    static constexpr page_number no_page = UINT32_MAX;

    // A free chunk is a power of two pages, known by its first page. In a buddy list it may be joined with
    // its neighbour; in a recent list it stays as it is, to be given out again at once while it is warm.
    struct page {
        page_number next = no_page;
        page_number previous = no_page;
        std::uint8_t order = 0;
        bool in_buddy_list = false;
    };

    bounce_pool(std::byte* base, std::size_t page_count);
    page_number take(std::size_t order) noexcept;
    page_number take_from_buddies(std::size_t order) noexcept;
    void put_tail(page_number first, page_number used, page_number taken) noexcept;
    void put_recent(page_number first, std::size_t order) noexcept;
    bool give_recent_to_buddies() noexcept;
    void join(page_number first, std::size_t order) noexcept;
    void add_to_buddies(page_number first, std::size_t order) noexcept;
    void remove_from_buddies(page_number first) noexcept;

    std::byte* base_;
    std::size_t page_count_;
    std::size_t pages_out_ = 0;
    std::vector<page> pages_;
    std::array<page_number, order_count> buddies_;
    std::array<page_number, order_count> recent_;
};

} // namespace blkcrypto
