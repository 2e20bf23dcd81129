// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/policy.hpp"

#include <algorithm>
#include <bit>

namespace blkcrypto::fsdemo {
namespace {

constexpr std::byte policy_v1{0}, policy_v2{2}, context_v2{2}, extent_context_v1{1};
constexpr std::size_t log2_data_unit_size_min = 9; // SECTOR_SHIFT

// fscrypt_modes[] of fs/crypto/keysetup.c.
struct mode_row {
    fscrypt_mode mode;
    std::string_view name; // the block layer's, if it has the mode
    crypto_mode block;
    unsigned iv_size_bytes;
    fscrypt_mode filenames; // the first that is allowed with it; 0: none is
};
constexpr fscrypt_mode no_mode{};
constexpr std::array modes{
    mode_row{fscrypt_mode::aes_256_xts, "aes-256-xts", crypto_mode::aes_256_xts, 16,
             fscrypt_mode::aes_256_cts},
    mode_row{fscrypt_mode::aes_256_cts, "aes-256-cts", crypto_mode::invalid, 16, no_mode},
    mode_row{fscrypt_mode::aes_128_cbc, "aes-128-cbc-essiv", crypto_mode::aes_128_cbc_essiv, 16,
             fscrypt_mode::aes_128_cts},
    mode_row{fscrypt_mode::aes_128_cts, "aes-128-cts", crypto_mode::invalid, 16, no_mode},
    mode_row{fscrypt_mode::sm4_xts, "sm4-xts", crypto_mode::sm4_xts, 16, fscrypt_mode::sm4_cts},
    mode_row{fscrypt_mode::sm4_cts, "sm4-cts", crypto_mode::invalid, 16, no_mode},
    mode_row{fscrypt_mode::adiantum, "adiantum", crypto_mode::adiantum, 32, fscrypt_mode::adiantum},
    mode_row{fscrypt_mode::aes_256_hctr2, "aes-256-hctr2", crypto_mode::invalid, 32, no_mode},
};

constexpr mode_row unknown_mode{no_mode, {}, crypto_mode::invalid, 0, no_mode};

const mode_row& row_of(fscrypt_mode mode) noexcept {
    const auto found = std::ranges::find(modes, mode, &mode_row::mode);
    return found == modes.end() ? unknown_mode : *found;
}

// Writes what lies on disk, field after field.
class byte_writer {
  public:
    explicit byte_writer(bytes_span into) noexcept : at_(into.data()) {}
    void put(std::byte value) noexcept { *at_++ = value; }
    void put(std::uint8_t value) noexcept { put(std::byte{value}); }
    void put(fscrypt_mode mode) noexcept { put(static_cast<std::byte>(mode)); }
    void put(bytes_view bytes) noexcept { at_ = std::ranges::copy(bytes, at_).out; }

  private:
    std::byte* at_;
};

template <std::size_t Size>
std::array<std::byte, Size> array_at(bytes_view bytes, std::size_t offset) noexcept {
    std::array<std::byte, Size> taken;
    std::ranges::copy(bytes.subspan(offset, Size), taken.begin());
    return taken;
}

// Of a policy and of a context alike: the same bytes in front, but for what the version counts.
encryption_policy decode_v2(bytes_view bytes) noexcept {
    return {static_cast<fscrypt_mode>(bytes[1]),
            static_cast<fscrypt_mode>(bytes[2]),
            std::to_integer<std::uint8_t>(bytes[3]),
            std::to_integer<std::uint8_t>(bytes[4]),
            array_at<3>(bytes, 5),
            array_at<16>(bytes, 8)};
}

constexpr std::uint8_t shared_key_flags =
    policy_flag_direct_key | policy_flag_iv_ino_lblk_64 | policy_flag_iv_ino_lblk_32;

bool has(const encryption_policy& policy, std::uint8_t flags) noexcept {
    return (policy.flags & flags) != 0;
}

unsigned unit_bits_of(const encryption_policy& policy, const crypto_traits& traits) noexcept {
    return policy.log2_data_unit_size != 0 ? policy.log2_data_unit_size : traits.block_bits;
}

// The rules of fscrypt_supported_v2_policy(): each says which is broken, nothing if none is.

std::string_view check_modes(const encryption_policy& policy, const crypto_traits&) noexcept {
    const auto wanted = row_of(policy.contents_mode).filenames;
    const bool is_hctr2 = policy.contents_mode == fscrypt_mode::aes_256_xts &&
                          policy.filenames_mode == fscrypt_mode::aes_256_hctr2;
    if (wanted != no_mode && (policy.filenames_mode == wanted || is_hctr2))
        return {};
    return "Unsupported encryption modes";
}

std::string_view check_flags(const encryption_policy& policy, const crypto_traits&) noexcept {
    if ((policy.flags & ~(policy_flags_pad_32 | shared_key_flags)) != 0)
        return "Unsupported encryption flags";
    if (std::popcount(static_cast<std::uint8_t>(policy.flags & shared_key_flags)) > 1)
        return "Mutually exclusive encryption flags";
    return {};
}

std::string_view check_extent_flags(const encryption_policy& policy, const crypto_traits& traits) noexcept {
    if (traits.has_per_extent_encryption && has(policy, shared_key_flags))
        return "Encryption flags aren't supported on file systems that use extent encryption";
    return {};
}

std::string_view check_unit_size(const encryption_policy& policy, const crypto_traits& traits) noexcept {
    const unsigned bits = policy.log2_data_unit_size;
    if (bits == 0)
        return {};
    if (!traits.supports_subblock_data_units)
        return "Filesystem does not support configuring crypto data unit size";
    if (bits < log2_data_unit_size_min || bits > traits.block_bits)
        return "Unsupported log2_data_unit_size in encryption policy";
    if (bits != traits.block_bits && has(policy, policy_flag_iv_ino_lblk_32))
        return "Sub-block data units not yet supported with IV_INO_LBLK_32";
    return {};
}

std::string_view check_direct_key(const encryption_policy& policy, const crypto_traits&) noexcept {
    constexpr unsigned index_and_nonce_bytes = 8 + sizeof(crypto_nonce);
    if (!has(policy, policy_flag_direct_key))
        return {};
    if (policy.contents_mode != policy.filenames_mode)
        return "Direct key flag not allowed with different contents and filenames modes";
    if (row_of(policy.contents_mode).iv_size_bytes < index_and_nonce_bytes)
        return "Direct key flag not allowed with this mode";
    return {};
}

std::string_view check_iv_ino_lblk(const encryption_policy& policy, const crypto_traits& traits) noexcept {
    if (!has(policy, policy_flag_iv_ino_lblk_64 | policy_flag_iv_ino_lblk_32))
        return {};
    if (policy.contents_mode != fscrypt_mode::aes_256_xts)
        return "Can't use IV_INO_LBLK policy with contents mode other than AES-256-XTS";
    if (!traits.has_stable_inodes)
        return "Can't use IV_INO_LBLK policy because the filesystem doesn't have stable inode numbers";
    if (!traits.has_32bit_inodes)
        return "Can't use IV_INO_LBLK policy because the filesystem's inode numbers are too long";
    if (static_cast<unsigned>(std::bit_width(traits.file_bytes_max - 1)) > 32 + unit_bits_of(policy, traits))
        return "Can't use IV_INO_LBLK policy because the filesystem's maximum file size is too large";
    return {};
}

std::string_view check_reserved(const encryption_policy& policy, const crypto_traits&) noexcept {
    return policy.reserved == decltype(policy.reserved){} ? std::string_view{}
                                                          : "Reserved bits set in encryption policy";
}

constexpr std::array rules_in_order{check_modes,      check_flags,       check_extent_flags, check_unit_size,
                                    check_direct_key, check_iv_ino_lblk, check_reserved};

std::string_view broken_rule(const encryption_policy& policy, const crypto_traits& traits) noexcept {
    for (const auto rule : rules_in_order)
        if (const std::string_view why = rule(policy, traits); !why.empty())
            return why;
    return {};
}

// What keeps the bytes from being a policy of version 2.
std::string_view misfit(bytes_view bytes, const crypto_traits& traits) noexcept {
    if (bytes.empty())
        return "no encryption policy";
    if (bytes[0] == policy_v1)
        return traits.has_per_extent_encryption
                   ? "v1 policies aren't supported on file systems that use extent encryption"
                   : "v1 policies aren't supported";
    if (bytes[0] != policy_v2)
        return "unknown encryption policy version";
    if (bytes.size() != policy_size_bytes)
        return "encryption policy of a wrong size";
    return {};
}

std::string_view extent_misfit(bytes_view bytes, const encryption_policy& policy) noexcept {
    if (bytes.size() < extent_context_size_bytes)
        return "extent encryption context is too short";
    if (bytes[0] != extent_context_v1)
        return "Invalid extent encryption context version";
    if (!std::ranges::equal(bytes.subspan(2, 16), policy.master_key_identifier))
        return "Mismatching master key identifier";
    if (static_cast<fscrypt_mode>(bytes[1]) != policy.contents_mode)
        return "Mismatching encryption mode";
    return {};
}

} // namespace

std::array<std::byte, policy_size_bytes> encode(const encryption_policy& policy) noexcept {
    std::array<std::byte, policy_size_bytes> bytes;
    byte_writer writer(bytes);
    writer.put(policy_v2);
    writer.put(policy.contents_mode);
    writer.put(policy.filenames_mode);
    writer.put(policy.flags);
    writer.put(policy.log2_data_unit_size);
    writer.put(policy.reserved);
    writer.put(policy.master_key_identifier);
    return bytes;
}

std::array<std::byte, context_size_bytes> encode(const encryption_context& context) noexcept {
    static_assert(context_v2 == policy_v2 && context_size_bytes == policy_size_bytes + sizeof(crypto_nonce));
    std::array<std::byte, context_size_bytes> bytes;
    byte_writer writer(bytes);
    writer.put(encode(context.policy));
    writer.put(context.nonce);
    return bytes;
}

std::array<std::byte, extent_context_size_bytes> encode(const extent_context& context) noexcept {
    std::array<std::byte, extent_context_size_bytes> bytes;
    byte_writer writer(bytes);
    writer.put(extent_context_v1);
    writer.put(context.mode);
    writer.put(context.master_key_identifier);
    writer.put(context.nonce);
    return bytes;
}

result<encryption_context> decode_context(bytes_view bytes) noexcept {
    if (bytes.size() != context_size_bytes || bytes[0] != context_v2)
        return make_error(EINVAL);
    return encryption_context{decode_v2(bytes), array_at<16>(bytes, policy_size_bytes)};
}

result<extent_context> decode_extent_context(bytes_view bytes, const encryption_policy& policy,
                                             std::string_view& why) noexcept {
    why = extent_misfit(bytes, policy);
    if (!why.empty())
        return make_error(EINVAL);
    return extent_context{policy.contents_mode, policy.master_key_identifier, array_at<16>(bytes, 18)};
}

result<encryption_policy> check_policy(bytes_view bytes, const crypto_traits& traits,
                                       std::string_view& why) noexcept {
    why = misfit(bytes, traits);
    if (!why.empty())
        return make_error(EINVAL);
    const auto policy = decode_v2(bytes);
    why = broken_rule(policy, traits);
    if (!why.empty())
        return make_error(EINVAL);
    return policy;
}

crypto_mode block_mode(fscrypt_mode mode) noexcept {
    return row_of(mode).block;
}

std::string_view name_of(fscrypt_mode mode) noexcept {
    return row_of(mode).name;
}

result<fscrypt_mode> find_fscrypt_mode(std::string_view name) noexcept {
    const auto found = std::ranges::find(modes, name, &mode_row::name);
    if (found == modes.end())
        return make_error(EINVAL);
    return found->mode;
}

fscrypt_mode default_filenames_mode(fscrypt_mode contents) noexcept {
    return row_of(contents).filenames;
}

data_unit_size unit_size_of(const encryption_policy& policy, const crypto_traits& traits) noexcept {
    return data_unit_size::make(std::uint64_t{1} << unit_bits_of(policy, traits)).value();
}

} // namespace blkcrypto::fsdemo
