// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/policy.hpp"
#include "tests/support/property.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

using byte_vector = std::vector<std::byte>;

template <std::size_t Size>
std::array<std::byte, Size> array_of(const char* hex) {
    std::array<std::byte, Size> bytes;
    std::ranges::copy(from_hex(hex), bytes.begin());
    return bytes;
}

const auto key_64 = array_of<16>("8699c2c53707405da5aba5ae4d8583c0");
const auto file_nonce = array_of<16>("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
const auto extent_nonce = array_of<16>("e0e1e2e3e4e5e6e7e8e9eaebecedeeef");

const encryption_policy usual{.contents_mode = fscrypt_mode::aes_256_xts,
                              .filenames_mode = fscrypt_mode::aes_256_cts,
                              .flags = policy_flags_pad_32,
                              .master_key_identifier = key_64};

encryption_policy with_modes(unsigned contents, unsigned filenames) {
    auto policy = usual;
    policy.contents_mode = static_cast<fscrypt_mode>(contents);
    policy.filenames_mode = static_cast<fscrypt_mode>(filenames);
    return policy;
}

encryption_policy with_flags(std::uint8_t flags) {
    auto policy = usual;
    policy.flags = flags;
    return policy;
}

encryption_policy with_unit_bits(std::uint8_t bits, std::uint8_t flags = 0) {
    auto policy = with_flags(flags);
    policy.log2_data_unit_size = bits;
    return policy;
}

// As ext4 is, with inodes that keep their numbers.
const crypto_traits per_file_traits{.has_per_extent_encryption = false,
                                    .has_stable_inodes = true,
                                    .has_32bit_inodes = true,
                                    .file_bytes_max = std::uint64_t{1} << 44};

// Empty: it is allowed.
std::string broken_rule(bytes_view bytes, const crypto_traits& traits = {}) {
    std::string_view why = "not written";
    const auto checked = check_policy(bytes, traits, why);
    CHECK(checked.has_value() == why.empty());
    if (!checked.has_value())
        CHECK(checked.error() == std::errc::invalid_argument);
    return std::string(why);
}

std::string broken_rule(const encryption_policy& policy, const crypto_traits& traits = {}) {
    return broken_rule(encode(policy), traits);
}

bool is_allowed(const encryption_policy& policy, const crypto_traits& traits = {}) {
    return broken_rule(policy, traits).empty();
}

// One rule broken, and how the check calls it.
struct breach {
    std::function<void(encryption_policy&)> commit;
    const char* why;
};

std::string why_not_loaded(bytes_view bytes, const encryption_policy& policy) {
    std::string_view why = "not written";
    const auto loaded = decode_extent_context(bytes, policy, why);
    CHECK(loaded.has_value() == why.empty());
    if (!loaded.has_value())
        CHECK(loaded.error() == std::errc::invalid_argument);
    return std::string(why);
}

} // namespace

TEST_CASE("policies have 24 or 12 bytes, contexts 40 or 28, and reserved bytes are zero" * PROPERTY(49)) {
    static_assert(policy_size_bytes == 24 && policy_v1_size_bytes == 12);
    static_assert(context_size_bytes == 40 && context_v1_size_bytes == 28);
    CHECK(encode(usual).size() == 24);
    CHECK(encode(encryption_context{usual, file_nonce}).size() == 40);
    for (std::size_t size = 0; size <= 64; ++size) {
        byte_vector policy(size), context(size);
        std::ranges::copy(bytes_view(encode(usual)).first(std::min<std::size_t>(size, 24)), policy.begin());
        std::ranges::copy(
            bytes_view(encode(encryption_context{usual, file_nonce})).first(std::min<std::size_t>(size, 40)),
            context.begin());
        CHECK(broken_rule(policy).empty() == (size == 24));
        CHECK(decode_context(context).has_value() == (size == 40));
    }
    for (std::size_t at = 0; at < 3; ++at) {
        auto policy = usual;
        policy.reserved[at] = std::byte{1};
        CHECK(broken_rule(policy) == "Reserved bits set in encryption policy");
    }
}

TEST_CASE("a policy and a context lie on disk as in Linux") {
    const auto on_disk =
        from_hex("02010403000000008699c2c53707405da5aba5ae4d8583c0a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
    const encryption_context context{usual, file_nonce};
    CHECK(std::ranges::equal(encode(context), on_disk));
    CHECK(std::ranges::equal(encode(usual), bytes_view(on_disk).first(24)));
    CHECK(decode_context(on_disk).value() == context);
}

TEST_CASE("what is decoded is what was encoded") {
    random_source random(test_seed());
    for (int round = 0; round < 200; ++round) {
        std::array<std::byte, 40> bytes;
        random.fill(bytes);
        bytes[0] = std::byte{2};
        CHECK(encode(decode_context(bytes).value()) == bytes);
    }
}

TEST_CASE("contexts of other versions are refused") {
    auto bytes = encode(encryption_context{usual, file_nonce});
    for (unsigned version = 0; version < 256; ++version) {
        bytes[0] = static_cast<std::byte>(version);
        CHECK(decode_context(bytes).has_value() == (version == 2));
    }
    const byte_vector v1(context_v1_size_bytes, std::byte{1});
    CHECK(decode_context(v1).error() == std::errc::invalid_argument);
}

TEST_CASE("policies of version 1 and unknown ones are refused") {
    const byte_vector v1(policy_v1_size_bytes);
    CHECK(broken_rule(v1) == "v1 policies aren't supported on file systems that use extent encryption");
    CHECK(broken_rule(v1, per_file_traits) == "v1 policies aren't supported");
    for (unsigned version = 1; version < 256; ++version)
        if (auto bytes = encode(usual); version != 2) {
            bytes[0] = static_cast<std::byte>(version);
            CHECK(broken_rule(bytes) == "unknown encryption policy version");
        }
}

TEST_CASE("five pairs of modes are allowed") {
    unsigned allowed = 0;
    for (unsigned contents = 0; contents < 256; ++contents)
        for (unsigned filenames = 0; filenames < 256; ++filenames) {
            const auto why = broken_rule(with_modes(contents, filenames));
            allowed += why.empty() ? 1U : 0U;
            if (!why.empty() && why != "Unsupported encryption modes")
                FAIL("modes: ", why);
        }
    CHECK(allowed == 5);
    CHECK(is_allowed(with_modes(1, 4)));
    CHECK(is_allowed(with_modes(1, 10)));
    CHECK(is_allowed(with_modes(5, 6)));
    CHECK(is_allowed(with_modes(7, 8)));
    CHECK(is_allowed(with_modes(9, 9)));
}

TEST_CASE("where extents have keys, the padding of names is the only flag") {
    for (unsigned flags = 0; flags < 256; ++flags)
        CHECK(is_allowed(with_flags(static_cast<std::uint8_t>(flags))) == (flags < 4));
    CHECK(broken_rule(with_flags(0x20)) == "Unsupported encryption flags");
    CHECK(broken_rule(with_flags(0x18)) == "Mutually exclusive encryption flags");
    for (const auto flag : {policy_flag_direct_key, policy_flag_iv_ino_lblk_64, policy_flag_iv_ino_lblk_32})
        CHECK(broken_rule(with_flags(flag)) ==
              "Encryption flags aren't supported on file systems that use extent encryption");
}

TEST_CASE("data units are of the sizes that the filesystem can have") {
    for (unsigned bits = 0; bits < 256; ++bits)
        CHECK(is_allowed(with_unit_bits(static_cast<std::uint8_t>(bits))) ==
              (bits == 0 || (bits >= 9 && bits <= 12)));
    CHECK(broken_rule(with_unit_bits(13)) == "Unsupported log2_data_unit_size in encryption policy");
    CHECK(broken_rule(with_unit_bits(12), {.supports_subblock_data_units = false}) ==
          "Filesystem does not support configuring crypto data unit size");
    CHECK(is_allowed(with_unit_bits(12, policy_flag_iv_ino_lblk_32), per_file_traits));
    CHECK(broken_rule(with_unit_bits(9, policy_flag_iv_ino_lblk_32), per_file_traits) ==
          "Sub-block data units not yet supported with IV_INO_LBLK_32");
}

TEST_CASE("DIRECT_KEY is for one mode with room for a nonce in its IVs") {
    auto adiantum = with_modes(9, 9);
    adiantum.flags = policy_flag_direct_key;
    CHECK(is_allowed(adiantum, per_file_traits));
    CHECK(broken_rule(with_flags(policy_flag_direct_key), per_file_traits) ==
          "Direct key flag not allowed with different contents and filenames modes");
}

TEST_CASE("IV_INO_LBLK policies are for AES-256-XTS, stable inode numbers of 32 bits, files not too large") {
    for (const auto flag : {policy_flag_iv_ino_lblk_64, policy_flag_iv_ino_lblk_32}) {
        const auto policy = with_flags(flag);
        CHECK(is_allowed(policy, per_file_traits));
        auto traits = per_file_traits;
        traits.file_bytes_max += 1;
        CHECK(broken_rule(policy, traits).ends_with("maximum file size is too large"));
        traits.has_32bit_inodes = false;
        CHECK(broken_rule(policy, traits).ends_with("inode numbers are too long"));
        traits.has_stable_inodes = false;
        CHECK(broken_rule(policy, traits).ends_with("doesn't have stable inode numbers"));
        auto adiantum = with_modes(9, 9);
        adiantum.flags = flag;
        CHECK(broken_rule(adiantum, traits).ends_with("contents mode other than AES-256-XTS"));
    }
}

TEST_CASE("the size of data units counts for what is too large for an IV_INO_LBLK policy") {
    auto traits = per_file_traits;
    traits.file_bytes_max = std::uint64_t{1} << 41;
    CHECK(is_allowed(with_unit_bits(9, policy_flag_iv_ino_lblk_64), traits));
    traits.file_bytes_max += 1;
    CHECK_FALSE(is_allowed(with_unit_bits(9, policy_flag_iv_ino_lblk_64), traits));
    CHECK(is_allowed(with_unit_bits(10, policy_flag_iv_ino_lblk_64), traits));
}

TEST_CASE("of several broken rules the first in the kernel's order is named, and per-extent filesystems take "
          "no v1, DIRECT_KEY or IV_INO_LBLK policy" *
          PROPERTY(50)) {
    const std::vector<breach> in_order{
        {[](auto& p) { p.filenames_mode = fscrypt_mode::sm4_cts; }, "Unsupported encryption modes"},
        {[](auto& p) { p.flags |= 0x80; }, "Unsupported encryption flags"},
        {[](auto& p) { p.flags |= policy_flag_direct_key | policy_flag_iv_ino_lblk_64; },
         "Mutually exclusive encryption flags"},
        {[](auto& p) { p.flags |= policy_flag_iv_ino_lblk_64; },
         "Encryption flags aren't supported on file systems that use extent encryption"},
        {[](auto& p) { p.log2_data_unit_size = 8; }, "Unsupported log2_data_unit_size in encryption policy"},
        {[](auto& p) { p.reserved[1] = std::byte{1}; }, "Reserved bits set in encryption policy"},
    };
    for (std::size_t first = 0; first < in_order.size(); ++first) {
        auto policy = usual;
        for (std::size_t i = first; i < in_order.size(); ++i)
            in_order[i].commit(policy);
        CHECK(broken_rule(policy) == in_order[first].why);
    }
    CHECK_FALSE(broken_rule(byte_vector(policy_v1_size_bytes)).empty());
}

TEST_CASE("elsewhere DIRECT_KEY is checked after the data unit and before the reserved bytes") {
    auto policy = with_unit_bits(8, policy_flag_direct_key);
    policy.reserved[0] = std::byte{1};
    CHECK(broken_rule(policy, per_file_traits) == "Unsupported log2_data_unit_size in encryption policy");
    policy.log2_data_unit_size = 0;
    CHECK(broken_rule(policy, per_file_traits).starts_with("Direct key flag"));
    policy.flags = policy_flag_iv_ino_lblk_64;
    CHECK(broken_rule(policy, {.has_per_extent_encryption = false}).starts_with("Can't use IV_INO_LBLK"));
    CHECK(broken_rule(policy, per_file_traits).starts_with("Reserved bits"));
}

TEST_CASE("a policy that passes is the one that was encoded") {
    std::string_view why;
    auto policy = with_unit_bits(9, 2);
    CHECK(check_policy(encode(policy), {}, why).value() == policy);
}

TEST_CASE("any bytes are a policy and contexts, or are refused") {
    random_source random(test_seed());
    for (int round = 0; round < 20000; ++round) {
        auto bytes = random_bytes(random.below(48), random.next());
        if (!bytes.empty() && random.below(2) == 0)
            bytes[0] = static_cast<std::byte>(random.below(3));
        (void)broken_rule(bytes);
        (void)decode_context(bytes);
        (void)why_not_loaded(bytes, usual);
    }
}

TEST_CASE("an extent's context has 34 bytes, and is refused by size, version, key and mode, in this order" *
          PROPERTY(60)) {
    const extent_context context{fscrypt_mode::aes_256_xts, key_64, extent_nonce};
    auto bytes = encode(context);
    static_assert(bytes.size() == 34);
    CHECK(std::ranges::equal(bytes, from_hex("01018699c2c53707405da5aba5ae4d8583c0"
                                             "e0e1e2e3e4e5e6e7e8e9eaebecedeeef")));
    std::string_view why;
    CHECK(decode_extent_context(bytes, usual, why).value() == context);
    byte_vector longer(bytes.begin(), bytes.end());
    longer.resize(40, std::byte{0xff});
    CHECK(decode_extent_context(longer, usual, why).value() == context);

    bytes[1] = std::byte{5};
    CHECK(why_not_loaded(bytes, usual) == "Mismatching encryption mode");
    bytes[17] ^= std::byte{1};
    CHECK(why_not_loaded(bytes, usual) == "Mismatching master key identifier");
    bytes[0] = std::byte{2};
    CHECK(why_not_loaded(bytes, usual) == "Invalid extent encryption context version");
    for (std::size_t size = 0; size < 34; ++size)
        CHECK(why_not_loaded(bytes_view(bytes).first(size), usual) ==
              "extent encryption context is too short");
}

TEST_CASE("modes have the values and sizes of Linux, and a counterpart in the block layer if it has one") {
    CHECK(block_mode(fscrypt_mode::aes_256_xts) == crypto_mode::aes_256_xts);
    CHECK(block_mode(fscrypt_mode::aes_128_cbc) == crypto_mode::aes_128_cbc_essiv);
    CHECK(block_mode(fscrypt_mode::sm4_xts) == crypto_mode::sm4_xts);
    CHECK(block_mode(fscrypt_mode::adiantum) == crypto_mode::adiantum);
    unsigned in_block_layer = 0;
    for (unsigned value = 0; value < 256; ++value)
        in_block_layer += block_mode(static_cast<fscrypt_mode>(value)) != crypto_mode::invalid ? 1U : 0U;
    CHECK(in_block_layer == 4);
}

TEST_CASE("every mode has a name, by which it is found, and the block layer's where it has the mode") {
    unsigned named = 0;
    for (unsigned value = 0; value < 256; ++value) {
        const auto mode = static_cast<fscrypt_mode>(value);
        const auto name = name_of(mode);
        if (name.empty())
            continue;
        ++named;
        CHECK(find_fscrypt_mode(name).value() == mode);
        if (const auto* block = find_mode(block_mode(mode)))
            CHECK(name == block->name);
    }
    CHECK(named == 8);
    CHECK(find_fscrypt_mode("").error() == std::errc::invalid_argument);
    CHECK(find_fscrypt_mode("AES-256-XTS").error() == std::errc::invalid_argument);
}

TEST_CASE("with the default mode for names a policy is allowed") {
    for (unsigned contents = 0; contents < 256; ++contents) {
        const auto names = default_filenames_mode(static_cast<fscrypt_mode>(contents));
        const bool is_for_contents = block_mode(static_cast<fscrypt_mode>(contents)) != crypto_mode::invalid;
        CHECK(is_allowed(with_modes(contents, static_cast<unsigned>(names))) == is_for_contents);
    }
}

TEST_CASE("data units are blocks unless the policy says otherwise") {
    CHECK(unit_size_of(usual, {}).bytes() == 4096);
    CHECK(unit_size_of(usual, {.block_bits = 14}).bytes() == 16384);
    CHECK(unit_size_of(with_unit_bits(9), {}).bytes() == 512);
}
