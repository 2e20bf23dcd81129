// SPDX-License-Identifier: Apache-2.0
#include "tests/fsdemo/medium_crypto.hpp"

#include "tests/reference_crypto/reference_crypto.hpp"

namespace blkcrypto::test {

bool decrypt_units(crypto_mode mode, bytes_view key, std::uint64_t first_dun, std::uint32_t unit_bytes,
                   bytes_span data) {
    for (std::uint64_t at = 0; at < data.size(); at += unit_bytes) {
        std::array<std::uint8_t, reference_crypto::iv_bytes> iv{};
        store_little(reinterpret_cast<std::byte*>(iv.data()), first_dun + at / unit_bytes);
        if (!reference_crypto::decrypt_unit(
                find_mode(mode)->name, {reinterpret_cast<const std::uint8_t*>(key.data()), key.size()}, iv,
                {reinterpret_cast<std::uint8_t*>(data.data() + at), unit_bytes}))
            return false;
    }
    return true;
}

} // namespace blkcrypto::test
