// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbers and bytes that look random and are the same for the same seed (splitmix64). Not for keys that
// matter.

#include "blkcrypto/base/bytes.hpp"

#include <cstdint>
#include <vector>

namespace blkcrypto::test {

class random_source {
  public:
    explicit random_source(std::uint64_t seed) noexcept : state_(seed) {}

    std::uint64_t next() noexcept;
    /// 0 .. bound - 1; `bound` is not 0.
    std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
    void fill(bytes_span bytes) noexcept;

  private:
    std::uint64_t state_;
};

std::vector<std::byte> random_bytes(std::size_t size_bytes, std::uint64_t seed);

/// 00 01 .. ff 00 01 ..: the plaintext of many published vectors.
std::vector<std::byte> counting_bytes(std::size_t size_bytes);

/// The bytes that hexadecimal digits stand for; the digits are well-formed.
std::vector<std::byte> from_hex(const char* digits);

} // namespace blkcrypto::test
