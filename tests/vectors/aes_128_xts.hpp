// SPDX-License-Identifier: Apache-2.0
#pragma once
// AES-128-XTS is no mode of blk-crypto. The reference has it because most vectors of IEEE Std 1619-2007,
// annex B, are for it: these show that its XTS is right, whatever the block cipher. The first has a key that
// blk-crypto refuses.

#include "tests/vectors/vector_row.hpp"

namespace blkcrypto::vectors {

inline constexpr auto aes_128_xts_published = std::to_array<vector_row>({
    {.name = "IEEE 1619 vector 1",
     .key_hex = "00000000000000000000000000000000"
                "00000000000000000000000000000000",
     .unit_size_bytes = 32,
     .length_bytes = 32,
     .plain_hex = "00",
     .first_hex = "917cf69ebd68b2ec9b9fe9a3eadda692cd43d2f59598ed858c02c2652fbf922e"},
    {.name = "IEEE 1619 vector 2",
     .key_hex = "1111111111111111111111111111111122222222222222222222222222222222",
     .dun = {0x3333333333},
     .unit_size_bytes = 32,
     .length_bytes = 32,
     .plain_hex = "44",
     .first_hex = "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0"},
    {.name = "IEEE 1619 vector 3",
     .key_hex = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f022222222222222222222222222222222",
     .dun = {0x3333333333},
     .unit_size_bytes = 32,
     .length_bytes = 32,
     .plain_hex = "44",
     .first_hex = "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89"},
    {.name = "IEEE 1619 vector 4",
     .key_hex = "2718281828459045235360287471352631415926535897932384626433832795",
     .unit_size_bytes = 512,
     .length_bytes = 512,
     .first_hex = "27a7479befa1d476489f308cd4cfa6e2a96e4bbe3208ff25287dd3819616e89c",
     .sha256_hex = "ebee4d64dd2395bb2d6a2d37a0a48ecb2bf4913cfc99d27c2214f2f4144715ea"},
});

} // namespace blkcrypto::vectors
