// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/key_check.hpp"

#include "blkcrypto/tools/cli/hex.hpp"
#include "blkcrypto/tools/cli/json_output.hpp"
#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <memory>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sys/random.h>

namespace blkcrypto::tools {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view schema = "blkcrypto-keycheck";
constexpr unsigned version = 1;
constexpr std::string_view label{"blkcrypto key check v1\0", 23};
constexpr std::size_t salt_bytes = 32; // of those that are made
constexpr std::size_t salt_bytes_min = 16;
constexpr std::size_t salt_bytes_max = 1024;
constexpr std::size_t hmac_bytes = 64;

// --- The digest ---

void append(std::vector<std::byte>& to, bytes_view bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

void append_number(std::vector<std::byte>& to, std::uint32_t number) {
    std::array<std::byte, sizeof(number)> bytes;
    store_little(bytes.data(), number);
    append(to, bytes);
}

std::vector<std::byte> digested_message(const key_check& check) {
    std::vector<std::byte> message;
    append(message, std::as_bytes(std::span(label)));
    append_number(message, static_cast<std::uint32_t>(check.salt.size()));
    append(message, check.salt);
    append_number(message, static_cast<std::uint32_t>(check.mode.size()));
    append(message, std::as_bytes(std::span(check.mode)));
    append_number(message, static_cast<std::uint32_t>(check.unit_bytes));
    append(message, check.dun_offset.little_endian());
    return message;
}

const unsigned char* raw(bytes_view bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

// OpenSSL keeps the key in memory that it wipes. Leaves what is on the stack to be wiped.
[[gnu::noinline]] bool hmac_sha512(bytes_view key, bytes_view message,
                                   std::array<std::byte, hmac_bytes>& code) {
    const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> kind(EVP_MAC_fetch(nullptr, "HMAC", nullptr),
                                                                 &EVP_MAC_free);
    const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> mac(EVP_MAC_CTX_new(kind.get()),
                                                                        &EVP_MAC_CTX_free);
    char hash[] = "SHA512";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0),
                                     OSSL_PARAM_construct_end()};
    std::size_t length = 0;
    return mac != nullptr && EVP_MAC_init(mac.get(), raw(key), key.size(), parameters) == 1 &&
           EVP_MAC_update(mac.get(), raw(message), message.size()) == 1 &&
           EVP_MAC_final(mac.get(), reinterpret_cast<unsigned char*>(code.data()), &length, code.size()) ==
               1 &&
           length == code.size();
}

std::array<std::byte, 32> digest_of(const key_check& check, bytes_view key) {
    constexpr std::size_t stack_bytes = 8192;
    std::array<std::byte, hmac_bytes> code{};
    const bool is_done = hmac_sha512(key, digested_message(check), code);
    wipe_vector_registers();
    wipe_stack<stack_bytes>();
    if (!is_done)
        throw cli::program_error(cli::exit_failed, "key check", "no HMAC-SHA-512 here", ENOPKG);
    std::array<std::byte, 32> digest{};
    std::copy_n(code.begin(), digest.size(), digest.begin());
    return digest;
}

void fill_random(bytes_span bytes) {
    while (!bytes.empty()) {
        const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
        if (got < 0 && errno != EINTR)
            throw cli::file_error(cli::exit_failed, "random bytes", errno);
        bytes = bytes.subspan(got < 0 ? 0 : static_cast<std::size_t>(got));
    }
}

// --- The text ---

// The fields of a file, each of which has to be there.
class check_fields {
  public:
    check_fields(const std::string& name, std::string_view text) : name_(name) {
        constexpr bool throws = false;
        document_ = ordered_json::parse(text, nullptr, throws);
        if (!document_.is_object())
            throw cli::unusable(name_, "no key check: not a JSON object", EINVAL);
    }

    [[noreturn]] void fail(const char* field, std::string_view what) const {
        throw cli::unusable(name_, fmt::format("no key check: field '{}' is {}", field, what), EINVAL);
    }
    const ordered_json& at(const char* field) const {
        const auto found = document_.find(field);
        if (found == document_.end())
            fail(field, "missing");
        return *found;
    }
    std::string text(const char* field) const {
        const ordered_json& value = at(field);
        if (!value.is_string())
            fail(field, "no text");
        return value.get<std::string>();
    }
    std::uint64_t number(const char* field) const {
        const ordered_json& value = at(field);
        if (!value.is_number_unsigned())
            fail(field, "no number");
        return value.get<std::uint64_t>();
    }
    uint256 large_number(const char* field) const {
        if (!at(field).is_string())
            return number(field);
        try {
            return cli::parse_uint256(field, text(field));
        } catch (const cli::program_error&) {
            fail(field, "no number below 2^256");
        }
    }
    std::vector<std::byte> bytes(const char* field, std::size_t min_bytes, std::size_t max_bytes) const;

  private:
    const std::string& name_;
    ordered_json document_;
};

std::vector<std::byte> check_fields::bytes(const char* field, std::size_t min_bytes,
                                           std::size_t max_bytes) const {
    const std::string digits = text(field);
    if (digits.size() % 2 != 0 || digits.size() < 2 * min_bytes || digits.size() > 2 * max_bytes)
        fail(field,
             fmt::format("{} hexadecimal digits, not {} to {}", digits.size(), 2 * min_bytes, 2 * max_bytes));
    std::vector<std::byte> bytes(digits.size() / 2);
    for (std::size_t i = 0; i < digits.size(); ++i) {
        const auto digit = cli::hex_digit_value(digits[i]);
        if (!digit)
            fail(field, "not hexadecimal");
        bytes[i / 2] = bytes[i / 2] << 4 | std::byte{*digit};
    }
    return bytes;
}

[[noreturn]] void differs(const std::string& name, const char* field, std::string_view theirs,
                          std::string_view ours) {
    throw cli::unusable(name, fmt::format("the image was made with {} {}, not {}", field, theirs, ours),
                        EINVAL);
}

} // namespace

key_check make_key_check(const disk_crypto& crypto, bytes_view key) {
    key_check check;
    check.mode = crypto.mode->name;
    check.unit_bytes = crypto.unit_size.bytes();
    check.dun_offset = crypto.dun_offset;
    check.salt.resize(salt_bytes);
    fill_random(check.salt);
    check.digest = digest_of(check, key);
    return check;
}

key_check parse_key_check(const std::string& name, std::string_view text) {
    const check_fields fields(name, text);
    if (fields.text("schema") != schema)
        fields.fail("schema", fmt::format("not {}", schema));
    if (fields.number("version") != version)
        fields.fail("version", fmt::format("{}, which is not known here", fields.number("version")));
    key_check check;
    check.mode = fields.text("mode");
    if (find_mode(check.mode) == nullptr)
        fields.fail("mode", "no mode that is known here");
    check.unit_bytes = fields.number("data_unit_size");
    if (!data_unit_size::make(check.unit_bytes))
        fields.fail("data_unit_size", "no size of a data unit");
    check.dun_offset = fields.large_number("dun_offset");
    check.salt = fields.bytes("salt", salt_bytes_min, salt_bytes_max);
    const auto digest = fields.bytes("digest", check.digest.size(), check.digest.size());
    std::ranges::copy(digest, check.digest.begin());
    return check;
}

std::string to_text(const key_check& check) {
    auto document = cli::make_document(schema, version);
    document["mode"] = check.mode;
    document["data_unit_size"] = check.unit_bytes;
    document["dun_offset"] = cli::to_json(check.dun_offset);
    document["salt"] = cli::to_hex(check.salt);
    document["digest"] = cli::to_hex(check.digest);
    return document.dump(2) + '\n';
}

void verify_key_check(const std::string& name, const key_check& check, const disk_crypto& crypto,
                      bytes_view key) {
    if (check.mode != crypto.mode->name)
        differs(name, "mode", check.mode, crypto.mode->name);
    if (check.unit_bytes != crypto.unit_size.bytes())
        differs(name, "data_unit_size", fmt::format("{}", check.unit_bytes),
                fmt::format("{}", crypto.unit_size.bytes()));
    if (check.dun_offset != crypto.dun_offset)
        differs(name, "dun_offset", cli::to_decimal(check.dun_offset), cli::to_decimal(crypto.dun_offset));
    const auto digest = digest_of(check, key);
    if (CRYPTO_memcmp(digest.data(), check.digest.data(), digest.size()) != 0)
        throw cli::program_error(cli::exit_failed, name, "the key does not fit the image", EKEYREJECTED);
}

} // namespace blkcrypto::tools
