// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory that comes with the infos of extents, for a strategy that expands keys into it: of each mode as much
// as it needs, for every info there is, from the moment a file of the mode is opened. Part of extent_keys.

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/base/result.hpp"
#include "blkcrypto/cipher/crypto_mode.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace blkcrypto::fsdemo {

/// Pages that core dumps leave out, zeroized before they are given back.
class secret_pages {
  public:
    /// All of them there from the start: their first use is in the I/O path. Nothing for 0 bytes. ENOMEM.
    static result<secret_pages> make(std::size_t bytes);
    secret_pages(secret_pages&& other) noexcept;
    secret_pages& operator=(secret_pages&& other) noexcept;
    ~secret_pages();

    bytes_span bytes() const noexcept { return bytes_; }

  private:
    explicit secret_pages(bytes_span bytes) noexcept : bytes_(bytes) {}
    bytes_span bytes_;
};

class extent_memory {
  public:
    bool has(crypto_mode mode) const noexcept { return of_mode_[mode_index(mode)].each_bytes != 0; }

    /// `each_bytes` for each of the first `count` places, a multiple of 64. ENOMEM. Throws bad_alloc.
    std::error_code add_mode(crypto_mode mode, std::size_t each_bytes, std::uint32_t count);
    /// The same of each mode that was added, for the places from `before` to `count`; all or nothing. ENOMEM.
    /// Throws bad_alloc.
    std::error_code grow(std::uint32_t before, std::uint32_t count);

    /// Empty: the mode needs none.
    bytes_span of(crypto_mode mode, std::uint32_t place) const noexcept;

  private:
    struct chunk {
        std::uint32_t first_place;
        secret_pages pages;
    };
    struct mode_memory {
        std::size_t each_bytes = 0;
        std::vector<chunk> chunks; // by place
    };

    std::array<mode_memory, crypto_mode_count> of_mode_;
};

} // namespace blkcrypto::fsdemo
