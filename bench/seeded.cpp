// SPDX-License-Identifier: Apache-2.0
#include "bench/seeded.hpp"

#include <cassert>

namespace blkcrypto::bench {

void fill_content(std::uint64_t seed, std::uint64_t offset_bytes, bytes_span into) noexcept {
    constexpr std::size_t word = sizeof(std::uint64_t);
    assert(offset_bytes % word == 0 && into.size() % word == 0);
    const std::uint64_t start = mix64(seed) + offset_bytes / word;
    for (std::size_t i = 0; i < into.size() / word; ++i)
        store_little(into.data() + i * word, mix64(start + i));
}

} // namespace blkcrypto::bench
