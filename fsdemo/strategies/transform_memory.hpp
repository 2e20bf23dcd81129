// SPDX-License-Identifier: Apache-2.0
#pragma once
// What transforms cost in memory: a strategy's account of those that exist, with a limit. All threads'.

#include "blkcrypto/cipher/skcipher.hpp"
#include "fsdemo/key_strategy.hpp"

#include <array>
#include <atomic>

namespace blkcrypto::fsdemo {

inline constexpr allocation_class transform_allocation{"tfm"};

class transform_memory {
  public:
    /// 0: no limit. `lanes`: as of make_skcipher().
    transform_memory(std::uint64_t limit_bytes, unsigned lanes) noexcept
        : limit_bytes_(limit_bytes), lanes_(lanes) {}

    /// An unkeyed transform, whose memory is asked for in the env's context. ENOMEM, also above the limit;
    /// ENOPKG.
    result<std::unique_ptr<skcipher>> allocate(env& e, crypto_mode mode);
    /// The same in the I/O path, where it is counted.
    result<std::unique_ptr<skcipher>> allocate_in_io(env& e, crypto_mode mode);
    void free(std::unique_ptr<skcipher> transform, crypto_mode mode) noexcept;

    /// For transforms whose memory somebody else allocates. ENOMEM above the limit, which is counted.
    std::error_code charge(std::uint64_t transforms, std::uint64_t bytes) noexcept;
    void give_back(std::uint64_t transforms, std::uint64_t bytes) noexcept;

    /// Of a transform of the mode; the first time it is asked for it may run the ciphers' self-test.
    std::uint64_t bytes_of(crypto_mode mode) const noexcept;
    /// Without pinned_bytes, of which it knows nothing.
    strategy_figures figures() const noexcept;

  private:
    const std::uint64_t limit_bytes_;
    const unsigned lanes_;
    mutable std::array<std::atomic<std::uint64_t>, crypto_mode_count> bytes_of_{}; // 0: not known yet
    std::atomic<std::uint64_t> transforms_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> bytes_max_{0};
    std::atomic<std::uint64_t> io_allocations_{0};
    std::atomic<std::uint64_t> io_allocated_bytes_{0};
    std::atomic<std::uint64_t> limit_refusals_{0};
};

} // namespace blkcrypto::fsdemo
