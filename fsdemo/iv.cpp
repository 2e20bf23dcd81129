// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/iv.hpp"

#include <algorithm>
#include <bit>

namespace blkcrypto::fsdemo {
namespace {

// The DUN of iv_ino_lblk_32 is a sum of 32 bits, however large the index is.
std::uint32_t hashed_index(const iv_source& source, std::uint64_t index) noexcept {
    return static_cast<std::uint32_t>(source.hashed_inode + index);
}

class siphash_state {
  public:
    siphash_state(std::uint64_t k0, std::uint64_t k1) noexcept
        : v_{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
             k1 ^ 0x7465646279746573} {}

    void add(std::uint64_t word) noexcept {
        v_[3] ^= word;
        rounds(2);
        v_[0] ^= word;
    }

    std::uint64_t finish() noexcept {
        v_[2] ^= 0xff;
        rounds(4);
        return v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
    }

  private:
    void rounds(unsigned count) noexcept {
        for (; count != 0; --count) {
            half_round(0, 1, 13), half_round(2, 3, 16);
            v_[0] = std::rotl(v_[0], 32);
            half_round(2, 1, 17), half_round(0, 3, 21);
            v_[2] = std::rotl(v_[2], 32);
        }
    }
    void half_round(unsigned a, unsigned b, int bits) noexcept {
        v_[a] += v_[b];
        v_[b] = std::rotl(v_[b], bits) ^ v_[a];
    }

    std::array<std::uint64_t, 4> v_;
};

} // namespace

iv_flavour flavour_of(std::uint8_t policy_flags) noexcept {
    if ((policy_flags & policy_flag_iv_ino_lblk_64) != 0)
        return iv_flavour::iv_ino_lblk_64;
    if ((policy_flags & policy_flag_iv_ino_lblk_32) != 0)
        return iv_flavour::iv_ino_lblk_32;
    if ((policy_flags & policy_flag_direct_key) != 0)
        return iv_flavour::direct_key;
    return iv_flavour::per_file;
}

dun generate_dun(const iv_source& source, std::uint64_t index) noexcept {
    switch (source.flavour) {
    case iv_flavour::direct_key: {
        const std::byte* nonce = source.file_nonce.data();
        return dun(
            uint256(index, load_little<std::uint64_t>(nonce), load_little<std::uint64_t>(nonce + 8), 0));
    }
    case iv_flavour::iv_ino_lblk_64:
        return dun(index | std::uint64_t{source.inode} << 32);
    case iv_flavour::iv_ino_lblk_32:
        return dun(hashed_index(source, index));
    case iv_flavour::per_file:
        break;
    }
    return dun(index);
}

std::uint64_t limit_io_units(const iv_source& source, std::uint64_t index, std::uint64_t units) noexcept {
    if (source.flavour != iv_flavour::iv_ino_lblk_32)
        return units;
    constexpr std::uint64_t wrap = std::uint64_t{1} << 32;
    return std::min(units, wrap - hashed_index(source, index));
}

std::uint8_t dun_bytes_of(iv_flavour flavour, std::uint64_t file_bytes_max,
                          data_unit_size unit_size) noexcept {
    switch (flavour) {
    case iv_flavour::direct_key:
        return 8 + sizeof(crypto_nonce);
    case iv_flavour::iv_ino_lblk_64:
        return 8;
    case iv_flavour::iv_ino_lblk_32:
        return 4;
    case iv_flavour::per_file:
        break;
    }
    return static_cast<std::uint8_t>(dun(unit_index(file_bytes_max - 1, unit_size)).significant_bytes());
}

std::uint64_t siphash(const std::array<std::byte, 16>& key, bytes_view message) noexcept {
    siphash_state state(load_little<std::uint64_t>(key.data()), load_little<std::uint64_t>(key.data() + 8));
    auto last = std::uint64_t{message.size()} << 56;
    for (; message.size() >= 8; message = message.subspan(8))
        state.add(load_little<std::uint64_t>(message.data()));
    for (std::size_t i = 0; i < message.size(); ++i)
        last |= std::to_integer<std::uint64_t>(message[i]) << (8 * i);
    state.add(last);
    return state.finish();
}

std::uint32_t hash_inode_number(const std::array<std::byte, 16>& inode_hash_key,
                                std::uint64_t inode) noexcept {
    std::array<std::byte, 8> message;
    store_little(message.data(), inode);
    return static_cast<std::uint32_t>(siphash(inode_hash_key, message));
}

} // namespace blkcrypto::fsdemo
