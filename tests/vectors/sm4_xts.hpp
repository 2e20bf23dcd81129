// SPDX-License-Identifier: Apache-2.0
#pragma once
// Published SM4-XTS vectors, and ciphertext as fscrypt writes it.
//
// published: sm4_xts_tv_template of the kernel's crypto/testmgr.h, whose inputs are those of vectors 2 to 4
// of IEEE Std 1619-2007, annex B, for AES-128-XTS.
//
// fscrypt: computed with OpenSSL.

#include "tests/vectors/fscrypt_keys.hpp"
#include "tests/vectors/vector_row.hpp"

namespace blkcrypto::vectors {

inline constexpr auto sm4_xts_published = std::to_array<vector_row>({
    {.name = "sm4_xts_tv_template[1]",
     .key_hex = "1111111111111111111111111111111122222222222222222222222222222222",
     .dun = {0x3333333333},
     .unit_size_bytes = 32,
     .length_bytes = 32,
     .plain_hex = "44",
     .first_hex = "a74d726c11196a32be04e001ff29d0c7932f9f3ec29bfcb64dd17f63cbd3ea31"},
    {.name = "sm4_xts_tv_template[2]",
     .key_hex = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f022222222222222222222222222222222",
     .dun = {0x3333333333},
     .unit_size_bytes = 32,
     .length_bytes = 32,
     .plain_hex = "44",
     .first_hex = "7f76088effadf70c02ea9f95da0628d351bfcb9eac0563bcf17b710dab0a9826"},
    {.name = "sm4_xts_tv_template[3]",
     .key_hex = "2718281828459045235360287471352631415926535897932384626433832795",
     .unit_size_bytes = 512,
     .length_bytes = 512,
     .first_hex = "54dd65b6326faea8fad1a83c63614af39f721d8dfe177a30b66abf6a449980e1",
     .sha256_hex = "6ad0c386ffd6dbf72b0073d3a902c2b037d4879271ffa886d1c19af56a986fce"},
});

inline constexpr auto sm4_xts_fscrypt = std::to_array<vector_row>({
    {.name = "per extent, DUN 0",
     .key_hex = per_extent_key_32,
     .unit_size_bytes = 4096,
     .length_bytes = 4096,
     .first_hex = "db81b6de849feeece0151d17605efb95dfe04d48dfd84bb7ea871152f997e5ee",
     .sha256_hex = "35a20f6fdfcf8c98a459214543c6d7d200fda3048dcf0fcf7145263e71f4f395"},
    {.name = "per extent, DUN 1",
     .key_hex = per_extent_key_32,
     .dun = {1},
     .unit_size_bytes = 4096,
     .length_bytes = 4096,
     .first_hex = "69dbb2b8da24d436ca8536ffe1da276a0dcb5151bf2de183e097213061726e0f",
     .sha256_hex = "44529d251a2f1ade67687257fce217e56c1e8d73a49ed6468c1da482a9f92b70"},
});

} // namespace blkcrypto::vectors
