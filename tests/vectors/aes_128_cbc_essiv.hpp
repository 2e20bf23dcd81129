// SPDX-License-Identifier: Apache-2.0
#pragma once
// Published AES-128-CBC-ESSIV vectors, and ciphertext as fscrypt writes it.
//
// published: essiv_aes_cbc_tv_template of the kernel's crypto/testmgr.h.
//
// fscrypt: computed with OpenSSL, DUN 0 also with xfstests' fscrypt-crypt-util.

#include "tests/vectors/fscrypt_keys.hpp"
#include "tests/vectors/vector_row.hpp"

namespace blkcrypto::vectors {

inline constexpr auto aes_128_cbc_essiv_published = std::to_array<vector_row>({
    {.name = "essiv_aes_cbc_tv_template[0]",
     .key_hex = "06a9214036b8a15b512e03d534120006",
     .dun = from_iv("3dafba429d9eb4300000000000000000"),
     .unit_size_bytes = 16,
     .length_bytes = 16,
     .plain_hex = "53696e676c6520626c6f636b206d7367",
     .first_hex = "fa59e75f415665c336ca6b72109f8cd4"},
    {.name = "essiv_aes_cbc_tv_template[1]",
     .key_hex = "c286696d887c9aa0611bbb3e2025a45a",
     .dun = from_iv("562e17996d093d280000000000000000"),
     .unit_size_bytes = 32,
     .length_bytes = 32,
     .first_hex = "c8599afe79e67b20067d550a5ec7b5a70b9c80d215a1b86dc6ab7b65d9fd88eb"},
});

inline constexpr auto aes_128_cbc_essiv_fscrypt = std::to_array<vector_row>({
    {.name = "per extent, DUN 0",
     .key_hex = per_extent_key_16,
     .unit_size_bytes = 4096,
     .length_bytes = 4096,
     .first_hex = "dfc1b7681369b5638308a677021952a7cfa75bf532491db2f73f3e65d8d4bedb",
     .sha256_hex = "dce36c339f8af6c2b1822de65c9d1063f5aa9f5274398e8b79c6f9a61e40a25b"},
    {.name = "per extent, DUN 1",
     .key_hex = per_extent_key_16,
     .dun = {1},
     .unit_size_bytes = 4096,
     .length_bytes = 4096,
     .first_hex = "e7dfb4703ec62a478cd96c21d9879b00b5bd978015bdee54a8ec43e72d9b49cb",
     .sha256_hex = "c15b6aeabb2b4553dd42635eb4329cbfc416d741e34f902375bd9120e8a021d3"},
});

} // namespace blkcrypto::vectors
