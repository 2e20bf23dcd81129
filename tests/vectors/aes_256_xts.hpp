// SPDX-License-Identifier: Apache-2.0
#pragma once
// Published AES-256-XTS vectors, and ciphertext as fscrypt writes it.
//
// ieee_1619: vectors 10 to 14 of IEEE Std 1619-2007, annex B; the same as aes_xts_tv_template[4] and
// following of the kernel's crypto/testmgr.h. One data unit of 512 bytes, 00 .. ff twice.
//
// fscrypt: the same cipher under keys that fs/crypto derives by HKDF-SHA512 from the master key 00 .. 3f: Kf
// is the per-file key (context 2) of the nonce a0 .. af, Kx the per-extent key (context 9) of the nonce e0 ..
// ef. Ciphertext of 4096 bytes. Computed with OpenSSL; the row Kf, 0 confirmed with xfstests'
// fscrypt-crypt-util.

#include <array>
#include <cstdint>

namespace blkcrypto::vectors {

struct aes_256_xts_row {
    const char* name;
    const char* key_hex;
    std::array<std::uint64_t, 4> dun; // least significant limb first
    std::uint32_t unit_size_bytes;
    std::uint32_t length_bytes;
    bool plain_is_zeros; // otherwise 00 01 .. ff 00 ..
    const char* first_32_hex;
    const char* last_16_hex; // null: not published
    const char* sha256_hex;  // of all of the ciphertext
};

inline constexpr auto ieee_key = "2718281828459045235360287471352662497757247093699959574966967627"
                                 "3141592653589793238462643383279502884197169399375105820974944592";
inline constexpr auto kf = "bd5252baa3698125929bab1ef11f6f7ec773084fd47cc5d7fd5a07d422da343c"
                           "73a5f95f05137c1585fe6bfd588dff7de3e1173fe2e4b1f987819eca1a9ec7a1";
inline constexpr auto kx = "4b5fe62897a531db5ff0c399594fc223b558880006de68ae0db8598fa8090c72"
                           "51b2dd4de47fb06d2e6230a6fc317ecdf91f391ce72d1623a5e685fc23d7e1be";

inline constexpr std::array ieee_1619{
    aes_256_xts_row{"IEEE 1619 vector 10",
                    ieee_key,
                    {0xff},
                    512,
                    512,
                    false,
                    "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b",
                    "c4f36ffda9fcea70b9c6e693e148c151",
                    "e97e974fa393af794f7a4684395814cf820de60a01eaec677d87b452e316b364"},
    aes_256_xts_row{"IEEE 1619 vector 11",
                    ieee_key,
                    {0xffff},
                    512,
                    512,
                    false,
                    "77a31251618a15e6b92d1d66dffe7b50b50bad552305ba0217a610688eff7e11",
                    "a4f9e27b42af8100cb9d59cef9645803",
                    "def4fad29e95dfe1a24b1ad4620f86d7be094cced5b19e0b121aa82d9e6baf98"},
    aes_256_xts_row{"IEEE 1619 vector 12",
                    ieee_key,
                    {0xffffff},
                    512,
                    512,
                    false,
                    "e387aaa58ba483afa7e8eb469778317ecf4cf573aa9d4eac23f2cdf914e4e200",
                    "2263a1eef52dd6888c309f5a7d712826",
                    "8bf44861a081dd660d91ce615b5cdfb4d5df9d72c3025c12e67cc0ae097fa5d5"},
    aes_256_xts_row{"IEEE 1619 vector 13",
                    ieee_key,
                    {0xffffffff},
                    512,
                    512,
                    false,
                    "bf53d2dade78e822a4d949a9bc6766b01b06a8ef70d26748c6a7fc36d80ae4c5",
                    "4c82f335abb152c4a93411373aaa8220",
                    "c706140a11affda7402234f5e6331eacbfeb687d8e80d83962691823bb3636f0"},
    aes_256_xts_row{"IEEE 1619 vector 14",
                    ieee_key,
                    {0xffffffffff},
                    512,
                    512,
                    false,
                    "64497e5a831e4a932c09be3e5393376daa599548b816031d224bbf50a818ed23",
                    "d609d273ad5b0d59631c531f6a0a57b9",
                    "afba71abc4e95b186d89a63a5437c1bafcfd1a18ca273970c534aba4f8d05282"},
};

inline constexpr std::array fscrypt{
    aes_256_xts_row{"Kf, DUN 0",
                    kf,
                    {0},
                    4096,
                    4096,
                    false,
                    "369eff698e62ac783e7dde3fb6e9cc76d7bb93594c85f6ee8bacbc465f01bed9",
                    nullptr,
                    "c31ee011bed1d6a455c7f24042d633029aebfddebefd46e8c996fe95db574ce9"},
    aes_256_xts_row{"Kf, DUN 1",
                    kf,
                    {1},
                    4096,
                    4096,
                    false,
                    "06336dccf9e24c1362a842492d8b1199e5d3a194369d95e6161a11b888894be6",
                    nullptr,
                    "f4e8c8dc676debab4629a2c15f1a86c4c3b63a1ee25bffd37e5165aac2fe425a"},
    aes_256_xts_row{"Kf, DUN 2^32",
                    kf,
                    {1ULL << 32},
                    4096,
                    4096,
                    false,
                    "c19d4a9bb1737bb54cadc356e802028c694174b77f8cefc191869712a3863d73",
                    nullptr,
                    "acfd51111047a29c7ffba6706ff626e00ed0bf6a964943dc6a743ee29882b479"},
    aes_256_xts_row{"Kf, DUN 2^64 - 1",
                    kf,
                    {0xffffffffffffffff},
                    4096,
                    4096,
                    false,
                    "8a0089c7fba32d02898e37be76feb8ad99f5c4324c518c4da9cfc282b1da3e43",
                    nullptr,
                    "cc6521db75dd4e5540bd8b3308e9291ae91ca5b753c92d7bc7ca4dbea6e2551b"},
    aes_256_xts_row{"Kf, DUN 2^64",
                    kf,
                    {0, 1},
                    4096,
                    4096,
                    false,
                    "80a7a830a9c29b6c96263ea5b74524b3da9476d59c57688dc3577b2995916260",
                    nullptr,
                    "f22402d9e0342f8c34d6697640f9733e2173559b1ae307f8072b61e42b4ad3f0"},
    aes_256_xts_row{"Kx, DUN 0",
                    kx,
                    {0},
                    4096,
                    4096,
                    false,
                    "3a1c88c8a790ac654927d912beee86479b5f3eb5791cdbcc46464a211803e7f6",
                    nullptr,
                    "6d6fb32341d4896d8f11880f5f4537643d64e95c233dae084a0a656e2881cd13"},
    aes_256_xts_row{"Kx, DUN 1",
                    kx,
                    {1},
                    4096,
                    4096,
                    false,
                    "041961d1f7ff3798e4cf0262f291fa5409422ad9525f82dd7030bd6cce862a3e",
                    nullptr,
                    "c6281b7545c8def1b1920e28df71934a68054a2daddb5ab85c6aa2406cff84bc"},
    aes_256_xts_row{"Kx, DUN 7",
                    kx,
                    {7},
                    4096,
                    4096,
                    false,
                    "5387b900720d9cc4cde35ac35876ee599810b916e87a7c6cd91e45cf7bd3f622",
                    nullptr,
                    "7544bdf45369ba56d5e2acfb20ebc3576797695d4e3c3218cdfdd422648f960e"},
    aes_256_xts_row{"Kx, units of 512, DUN 0 to 7",
                    kx,
                    {0},
                    512,
                    4096,
                    false,
                    "3a1c88c8a790ac654927d912beee86479b5f3eb5791cdbcc46464a211803e7f6",
                    nullptr,
                    "98aef2f37faccb2030bdfa088fb256209c03d66c6d773759db9f35437c9008a3"},
    aes_256_xts_row{"Kx, zeros, DUN 0",
                    kx,
                    {0},
                    4096,
                    4096,
                    true,
                    "a79b222bb57091d537bcf075568b07a085110f00c385b50633218811d5d1a35b",
                    nullptr,
                    "2d48f578e857d4ea067219205cfa8c887ed21aeebfbeb892492e0fffac6e6fce"},
};

} // namespace blkcrypto::vectors
