// SPDX-License-Identifier: Apache-2.0
// What does the key of an extent cost that was not derived before? AES-256-XTS, 64 bytes; each key is of
// another nonce.
//
//   extent_key/derived         fsdemo's derive() of a master key that is in use
//   extent_key/evp_kdf         OpenSSL's HKDF, expanding only, in a context that keeps digest, mode and the
//                              pseudorandom key: the info of each key is set
//   extent_key/evp_kdf_anew    the same with all parameters set for each key
//   master_key/added           what is done once: extraction, and its two padded keys

#include "bench/micro.hpp"
#include "bench/micro_bios.hpp"
#include "fsdemo/key_derivation.hpp"
#include "fsdemo/policy.hpp"

#include <algorithm>
#include <cstdlib>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

namespace blkcrypto::bench {
namespace {

constexpr unsigned keys_a_look = 64; // at the clock
constexpr std::size_t key_bytes = 64;

using derived_key = std::array<std::byte, key_bytes>;

// One after the other, each with another nonce.
class nonce_sequence {
  public:
    bytes_view next() {
        store_little(nonce_.data(), ++number_);
        return nonce_;
    }

  private:
    std::uint64_t number_ = 0;
    fsdemo::crypto_nonce nonce_{};
};

void run_derived(benchmark::State& state) {
    const auto master = fsdemo::hkdf_sha512::make(micro_key_bytes()).value();
    nonce_sequence nonces;
    derived_key key;
    for (auto _ : state)
        for (unsigned i = 0; i < keys_a_look; ++i) {
            fsdemo::derive(master, fsdemo::hkdf_context::per_extent_enc_key, nonces.next(), key);
            benchmark::DoNotOptimize(key);
        }
    count(state, keys_a_look);
}

struct kdf_deleter {
    void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
    void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};

// EVP's HKDF as one uses it who keeps a context for a master key.
class evp_expansion {
  public:
    evp_expansion() : info_(8 + 1 + sizeof(fsdemo::crypto_nonce)), prk_(micro_key_bytes()) {
        std::ranges::copy(std::as_bytes(std::span("fscrypt")), info_.begin());
        info_[8] = static_cast<std::byte>(fsdemo::hkdf_context::per_extent_enc_key);
        if (context_ == nullptr || EVP_KDF_CTX_set_params(context_.get(), all_.data()) != 1)
            std::abort(); // OpenSSL without HKDF
    }
    evp_expansion(const evp_expansion&) = delete;
    evp_expansion& operator=(const evp_expansion&) = delete;

    bool derive(bytes_view nonce, derived_key& key, bool sets_all) {
        std::ranges::copy(nonce, info_.begin() + 9);
        const OSSL_PARAM* parameters = sets_all ? all_.data() : all_.data() + info_parameter;
        return EVP_KDF_derive(context_.get(), reinterpret_cast<unsigned char*>(key.data()), key.size(),
                              parameters) == 1;
    }

  private:
    static constexpr std::size_t info_parameter = 3;

    std::vector<std::byte> info_;
    std::vector<std::byte> prk_;
    int mode_ = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    char digest_[7] = "SHA512";
    std::array<OSSL_PARAM, 5> all_{
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode_),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest_, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, prk_.data(), prk_.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info_.data(), info_.size()),
        OSSL_PARAM_construct_end()};
    std::unique_ptr<EVP_KDF, kdf_deleter> kdf_{EVP_KDF_fetch(nullptr, "HKDF", nullptr)};
    std::unique_ptr<EVP_KDF_CTX, kdf_deleter> context_{EVP_KDF_CTX_new(kdf_.get())};
};

void run_evp(benchmark::State& state, bool sets_all) {
    evp_expansion expansion;
    nonce_sequence nonces;
    derived_key key;
    bool done = true;
    for (auto _ : state)
        for (unsigned i = 0; i < keys_a_look; ++i)
            done = expansion.derive(nonces.next(), key, sets_all) && done;
    if (!done)
        state.SkipWithError("EVP_KDF");
    count(state, keys_a_look);
}

void run_added(benchmark::State& state) {
    const auto raw_key = micro_key_bytes();
    for (auto _ : state)
        benchmark::DoNotOptimize(fsdemo::hkdf_sha512::make(raw_key));
    count(state, 1);
}

} // namespace
} // namespace blkcrypto::bench

int main(int argc, char** argv) {
    using namespace blkcrypto::bench;
    micro_list all;
    all.add("extent_key/derived", run_derived);
    all.add("extent_key/evp_kdf", [](benchmark::State& state) { run_evp(state, false); });
    all.add("extent_key/evp_kdf_anew", [](benchmark::State& state) { run_evp(state, true); });
    all.add("master_key/added", run_added);
    return all.run(argc, argv);
}
