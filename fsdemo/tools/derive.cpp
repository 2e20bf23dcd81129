// SPDX-License-Identifier: Apache-2.0
// fsdemo derive: what fscrypt derives from a master key, in hexadecimal: the identifier of the key, the key
// of an extent. No image is involved. For checking what is on one with other programs.

#include "blkcrypto/tools/cli/hex.hpp"
#include "blkcrypto/tools/cli/key_file.hpp"
#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/key_derivation.hpp"
#include "fsdemo/policy.hpp"
#include "fsdemo/tools/verbs.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace blkcrypto::fsdemo::tools {
namespace {

constexpr std::string_view name_prefix = "HKDF_CONTEXT_";

std::string known_names() {
    std::string names;
    for (const auto& known : hkdf_contexts())
        names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", known.name,
                             static_cast<unsigned>(known.context));
    return names;
}

hkdf_context parse_context(const std::string& text) {
    std::string name = text;
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (name.starts_with(name_prefix))
        name.erase(0, name_prefix.size());
    for (const auto& known : hkdf_contexts())
        if (known.name == name || std::to_string(static_cast<unsigned>(known.context)) == text)
            return known.context;
    throw cli::unusable("--context", fmt::format("{} is none of {}", text, known_names()));
}

bool takes_nonce(hkdf_context context) {
    return context == hkdf_context::per_file_enc_key || context == hkdf_context::dirhash_key ||
           context == hkdf_context::per_extent_enc_key;
}

/// Key bytes, more than a secret takes.
struct wiped_bytes {
    std::vector<std::byte> bytes;

    explicit wiped_bytes(std::size_t count) : bytes(count) {}
    wiped_bytes(const wiped_bytes&) = delete;
    wiped_bytes& operator=(const wiped_bytes&) = delete;
    ~wiped_bytes() { zeroize(bytes); }
};

void print_hex(bytes_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    wiped_bytes text(2 * bytes.size() + 1);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        text.bytes[2 * i] = static_cast<std::byte>(digits[std::to_integer<unsigned>(bytes[i] >> 4)]);
        text.bytes[2 * i + 1] =
            static_cast<std::byte>(digits[std::to_integer<unsigned>(bytes[i] & std::byte{0x0f})]);
    }
    text.bytes.back() = std::byte{'\n'};
    cli::file::open_output(cli::standard_stream).write(text.bytes);
}

class derive_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override;
    int run() override;

  private:
    std::vector<std::byte> info_for(hkdf_context context) const;

    cli::key_file_options key_;
    std::string context_;
    std::string nonce_;
    std::string info_;
    std::string length_;
};

CLI::App* derive_verb::add_to(CLI::App& program) {
    CLI::App* app = cli::add_verb(program, "derive", "Derive a key from a master key, as fscrypt does",
                                  "fsdemo derive --key-file master.key --context PER_EXTENT_ENC_KEY\n"
                                  "    --nonce 000102030405060708090a0b0c0d0e0f --length 64");
    key_.add_to(*app);
    app->add_option("--context", context_, "what for: " + known_names())->required()->type_name("NAME|N");
    app->add_option("--nonce", nonce_, "16 bytes, for the contexts that take one: 2, 5, 9")->type_name("HEX");
    app->add_option("--info", info_, "what comes behind the context, in place of a nonce")->type_name("HEX");
    app->add_option("--length", length_, "bytes to derive, 1 to 16320")->required()->type_name("N");
    return app;
}

std::vector<std::byte> derive_verb::info_for(hkdf_context context) const {
    if (!nonce_.empty() && !info_.empty())
        throw cli::unusable("--nonce", "not together with --info");
    if (!info_.empty())
        return cli::parse_hex("--info", info_);
    if (nonce_.empty() && takes_nonce(context))
        throw cli::unusable("--nonce", "this context needs one, or --info");
    if (nonce_.empty())
        return {};
    if (!takes_nonce(context))
        throw cli::unusable("--nonce", "this context takes none");
    std::vector<std::byte> nonce(sizeof(crypto_nonce));
    cli::parse_hex_into("--nonce", nonce_, nonce);
    return nonce;
}

int derive_verb::run() {
    const hkdf_context context = parse_context(context_);
    const std::vector<std::byte> info = info_for(context);
    const std::uint64_t length = cli::parse_count("--length", length_, 1, derived_bytes_max);
    const secret key = cli::read_key_file(key_.path, cli::parse_key_format("--key-format", key_.format),
                                          master_key_bytes_min, master_key_bytes_max);
    const auto master = hkdf_sha512::make(key.bytes());
    if (!master)
        throw cli::file_error(cli::exit_failed, "key", master.error().value());
    wiped_bytes derived(length);
    derive(*master, context, info, derived.bytes);
    print_hex(derived.bytes);
    return cli::exit_success;
}

} // namespace

std::unique_ptr<cli::verb> make_derive_verb() {
    return std::make_unique<derive_verb>();
}

} // namespace blkcrypto::fsdemo::tools
