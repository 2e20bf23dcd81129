// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keys that fs/crypto derives by HKDF-SHA512 from the master key 00 01 .. 3f. Computed with Python's hmac;
// those per file, per mode and DIRECT_KEY confirmed with xfstests' fscrypt-crypt-util.

namespace blkcrypto::vectors {

/// Context 2, nonce a0 .. af.
inline constexpr auto per_file_key = "bd5252baa3698125929bab1ef11f6f7ec773084fd47cc5d7fd5a07d422da343c"
                                     "73a5f95f05137c1585fe6bfd588dff7de3e1173fe2e4b1f987819eca1a9ec7a1";

/// Context 9, nonce e0 .. ef, as proposed for extents. A mode with a shorter key has the beginning of it.
inline constexpr auto per_extent_key = "4b5fe62897a531db5ff0c399594fc223b558880006de68ae0db8598fa8090c72"
                                       "51b2dd4de47fb06d2e6230a6fc317ecdf91f391ce72d1623a5e685fc23d7e1be";
inline constexpr auto per_extent_key_32 = "4b5fe62897a531db5ff0c399594fc223b558880006de68ae0db8598fa8090c72";
inline constexpr auto per_extent_key_16 = "4b5fe62897a531db5ff0c399594fc223";

/// IV_INO_LBLK_64, context 4, and IV_INO_LBLK_32, context 6: AES-256-XTS (mode 1), filesystem UUID 30 .. 3f.
inline constexpr auto lblk_64_key = "19e4b97f9194d13e0538a5a9021fefa537b5a8f056de38db3ad782109e6dcc92"
                                    "3546f46b7f5554063667c40c8210df72272f0b83616b85468a0cb799f7cea648";
inline constexpr auto lblk_32_key = "a8972652eb204b099c2424ad173935ec49271ef665b80ecbcb3885be469eed26"
                                    "04b97911dd13a0c6c43b85b854cdff5c0f4acf8dfeaf3a3a87bd7a9759fbd7e4";

/// DIRECT_KEY, context 3: Adiantum (mode 9).
inline constexpr auto direct_key = "9efb31534e244dd4c251dd5d540c714ab1cfcfaf0008a870cc298b52b32b7d39";

} // namespace blkcrypto::vectors
