// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/round_contents.hpp"

namespace blkcrypto::bench {
namespace {

constexpr std::uint64_t content_part = 0x636f6e74656e74; // of the seed

} // namespace

round_contents::round_contents(std::uint64_t seed, std::uint64_t round, std::uint32_t piece_bytes)
    : seed_(sub_seed(sub_seed(seed, content_part), round)), piece_bytes_(piece_bytes),
      memory_(1, places * place_bytes + piece_bytes) {
    fill_content(seed_, 0, memory_.all());
}

} // namespace blkcrypto::bench
