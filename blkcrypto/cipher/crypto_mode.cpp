// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/crypto_mode.hpp"

#include <algorithm>

namespace blkcrypto {
namespace {

constexpr std::array<crypto_mode_info, crypto_mode_count - 1> table{{
    {crypto_mode::aes_256_xts, "aes-256-xts", "AES-256-XTS", "xts(aes)", 64, 32, 16},
    {crypto_mode::aes_128_cbc_essiv, "aes-128-cbc-essiv", "AES-128-CBC-ESSIV", "essiv(cbc(aes),sha256)", 16,
     16, 16},
    {crypto_mode::adiantum, "adiantum", "Adiantum", "adiantum(xchacha12,aes)", 32, 32, 32},
    {crypto_mode::sm4_xts, "sm4-xts", "SM4-XTS", "xts(sm4)", 32, 16, 16},
}};

// What bio_crypt_ctx_init() checks when the kernel boots.
static_assert(std::ranges::all_of(table, [](const crypto_mode_info& m) {
    return m.key_size_bytes <= raw_key_size_max_bytes && m.security_strength_bytes <= m.key_size_bytes &&
           m.iv_size_bytes <= iv_size_max_bytes;
}));
static_assert(std::ranges::all_of(table, [](const crypto_mode_info& m) {
    return &m - table.data() + 1 == static_cast<std::ptrdiff_t>(mode_index(m.mode));
}));

} // namespace

std::span<const crypto_mode_info> crypto_modes() noexcept {
    return table;
}

const crypto_mode_info* find_mode(crypto_mode mode) noexcept {
    const std::size_t index = mode_index(mode);
    return index == 0 || index >= crypto_mode_count ? nullptr : &table[index - 1];
}

const crypto_mode_info* find_mode(std::string_view name) noexcept {
    const auto found = std::ranges::find(table, name, &crypto_mode_info::name);
    return found == table.end() ? nullptr : &*found;
}

} // namespace blkcrypto
