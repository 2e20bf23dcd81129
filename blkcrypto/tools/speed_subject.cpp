// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/speed_subject.hpp"

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <gcrypt.h>
#include <openssl/evp.h>

namespace blkcrypto::tools {
namespace {

// Any key is as fast as any other.
std::vector<std::byte> make_key(const crypto_mode_info& mode) {
    std::vector<std::byte> key(mode.key_size_bytes);
    for (std::size_t i = 0; i < key.size(); ++i)
        key[i] = static_cast<std::byte>(i);
    return key;
}

// One of the table. All threads use the same tfm, as they do with a keyslot.
class implementation_subject final : public speed_subject {
  public:
    implementation_subject(const skcipher_implementation& implementation, std::unique_ptr<skcipher> tfm,
                           unsigned threads)
        : speed_subject(std::string(implementation.name), implementation.library == "OpenSSL"
                                                              ? speed_role::openssl
                                                              : speed_role::implementation),
          tfm_(std::move(tfm)) {
        for (unsigned i = 0; i < threads; ++i)
            lanes_.emplace_back(i);
    }

    void run(unsigned thread, const speed_work& work) noexcept override {
        tfm_->crypt(work.direction, work.first_iv, work.unit_size, {&work.data, 1}, lanes_[thread]);
    }

  private:
    std::unique_ptr<skcipher> tfm_;
    std::vector<cipher_lane> lanes_;
};

class gcrypt_subject final : public speed_subject {
  public:
    /// Null if it does not have the mode. program_error, exit code 1: it fails.
    static std::unique_ptr<speed_subject> make(const crypto_mode_info& mode, unsigned threads) {
        const bool is_aes = mode.mode == crypto_mode::aes_256_xts;
        if (!is_aes && mode.mode != crypto_mode::sm4_xts)
            return nullptr;
        std::unique_ptr<gcrypt_subject> made(
            new gcrypt_subject(is_aes ? "aes_xts_libgcrypt" : "sm4_xts_libgcrypt"));
        const auto key = make_key(mode);
        for (unsigned i = 0; i < threads; ++i)
            made->add_lane(is_aes ? GCRY_CIPHER_AES256 : GCRY_CIPHER_SM4, key);
        return made;
    }
    ~gcrypt_subject() override {
        for (auto* lane : lanes_)
            gcry_cipher_close(lane);
    }

    void run(unsigned thread, const speed_work& work) noexcept override {
        gcry_cipher_hd_t lane = lanes_[thread];
        const auto crypt =
            work.direction == cipher_direction::encrypt ? &gcry_cipher_encrypt : &gcry_cipher_decrypt;
        uint256 iv = work.first_iv;
        const std::size_t unit_bytes = work.unit_size.bytes();
        for (std::size_t at = 0; at < work.data.length_bytes; at += unit_bytes, iv.add(1)) {
            const auto iv_bytes = iv.little_endian();
            if (gcry_cipher_setiv(lane, iv_bytes.data(), 16) != 0 ||
                crypt(lane, work.data.target + at, unit_bytes, work.data.source + at, unit_bytes) != 0)
                fatal("libgcrypt failed to encrypt with a key it had accepted");
        }
    }

  private:
    explicit gcrypt_subject(std::string name) : speed_subject(std::move(name), speed_role::implementation) {}

    void add_lane(int algorithm, bytes_view key) {
        static const bool initialized = gcry_check_version(GCRYPT_VERSION) != nullptr &&
                                        gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0) == 0;
        gcry_cipher_hd_t lane = nullptr;
        gcry_error_t error = gcry_error(GPG_ERR_NOT_INITIALIZED);
        if (initialized)
            error = gcry_cipher_open(&lane, algorithm, GCRY_CIPHER_MODE_XTS, 0);
        if (error == 0) {
            lanes_.push_back(lane);
            error = gcry_cipher_setkey(lane, key.data(), key.size());
        }
        if (error != 0)
            throw cli::program_error(cli::exit_failed, "libgcrypt", gcry_strerror(error));
    }

    std::vector<gcry_cipher_hd_t> lanes_; // by thread
};

// What OpenSSL's ciphers do without a mode around them.
class evp_subject final : public speed_subject {
  public:
    struct kind {
        std::string_view name;
        const EVP_CIPHER* cipher;
        speed_role role;
        std::size_t call_bytes; // 0: a unit
    };

    /// program_error, exit code 1: it fails.
    evp_subject(const kind& what, unsigned threads)
        : speed_subject(std::string(what.name), what.role), call_bytes_(what.call_bytes) {
        static constexpr unsigned char key[EVP_MAX_KEY_LENGTH]{1};
        for (unsigned i = 0; i < threads; ++i) {
            lanes_.emplace_back(EVP_CIPHER_CTX_new());
            if (!lanes_.back() ||
                EVP_CipherInit_ex(lanes_.back().get(), what.cipher, nullptr, key, nullptr, 1) != 1)
                throw cli::program_error(cli::exit_failed, "OpenSSL", "no cipher");
        }
    }

    void run(unsigned thread, const speed_work& work) noexcept override {
        static constexpr unsigned char iv[EVP_MAX_IV_LENGTH]{};
        const std::size_t unit_bytes = work.unit_size.bytes();
        const std::size_t call_bytes = call_bytes_ != 0 ? call_bytes_ : unit_bytes;
        EVP_CIPHER_CTX* lane = lanes_[thread].get();
        const auto* source = reinterpret_cast<const unsigned char*>(work.data.source);
        auto* target = reinterpret_cast<unsigned char*>(work.data.target);
        bool done = true;
        for (std::size_t at = 0; at < work.data.length_bytes; at += call_bytes) {
            int written = 0;
            if (at % unit_bytes == 0)
                done = EVP_CipherInit_ex(lane, nullptr, nullptr, nullptr, iv, -1) == 1 && done;
            done = EVP_CipherUpdate(lane, target + at, &written, source + at, static_cast<int>(call_bytes)) ==
                       1 &&
                   done;
        }
        if (!done)
            fatal("OpenSSL failed to encrypt with a key it had accepted");
    }

  private:
    struct context_deleter {
        void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
    };

    const std::size_t call_bytes_;
    std::vector<std::unique_ptr<EVP_CIPHER_CTX, context_deleter>> lanes_; // by thread
};

// What the mode is held against where OpenSSL does not have it, or has only its block cipher.
std::unique_ptr<speed_subject> make_evp_control(const crypto_mode_info& mode, unsigned threads) {
    if (mode.mode == crypto_mode::adiantum)
        return std::make_unique<evp_subject>(
            evp_subject::kind{"chacha20_openssl", EVP_chacha20(), speed_role::openssl_elsewise, 0}, threads);
    if (mode.mode == crypto_mode::sm4_xts)
        return std::make_unique<evp_subject>(
            evp_subject::kind{"sm4_blocks_openssl", EVP_sm4_ecb(), speed_role::other, 16}, threads);
    return nullptr;
}

class memcpy_subject final : public speed_subject {
  public:
    memcpy_subject() : speed_subject("memcpy", speed_role::memory) {}

    void run(unsigned, const speed_work& work) noexcept override {
        std::memcpy(work.data.target, work.data.source, work.data.length_bytes);
        asm volatile("" : : "r"(work.data.target) : "memory"); // to the compiler somebody looks at it
    }
};

class bare_rounds_subject final : public speed_subject {
  public:
    explicit bare_rounds_subject(const cipher_limit& limit)
        : speed_subject(std::string(limit.name), speed_role::instructions), run_(limit.run) {}

    void run(unsigned, const speed_work& work) noexcept override { run_(work.data.length_bytes); }

  private:
    void (*run_)(std::uint64_t bytes) noexcept;
};

std::unique_ptr<speed_subject> make_implementation(const skcipher_implementation& implementation,
                                                   const crypto_mode_info& mode, unsigned threads) {
    auto tfm = implementation.make(threads);
    const std::error_code error = tfm.has_error() ? tfm.error() : (*tfm)->setkey(make_key(mode));
    if (error)
        throw cli::file_error(cli::exit_failed, implementation.name, error.value());
    return std::make_unique<implementation_subject>(implementation, std::move(*tfm), threads);
}

// Those that a program could get.
std::vector<const skcipher_implementation*> usable_implementations(const crypto_mode_info& mode) {
    std::vector<const skcipher_implementation*> usable;
    for (const auto& implementation : skcipher_implementations()) {
        if (implementation.mode != mode.mode)
            continue;
        const std::error_code error = check_usable(implementation);
        if (!error)
            usable.push_back(&implementation);
        else if (error != make_error(ENOPKG))
            throw cli::file_error(cli::exit_failed, mode.name, error.value());
    }
    if (usable.empty())
        throw cli::unusable(mode.name, "no implementation of this mode here", ENOPKG);
    return usable;
}

} // namespace

speed_subjects make_speed_subjects(const crypto_mode_info& mode, unsigned threads) {
    speed_subjects subjects;
    const auto usable = usable_implementations(mode);
    for (const auto* implementation : usable)
        subjects.push_back(make_implementation(*implementation, mode, threads));
    if (auto gcrypt = gcrypt_subject::make(mode, threads))
        subjects.push_back(std::move(gcrypt));
    if (auto control = make_evp_control(mode, threads))
        subjects.push_back(std::move(control));
    const auto widest = std::ranges::find_if(usable, [](const auto* i) { return i->limit.run != nullptr; });
    if (widest != usable.end())
        subjects.push_back(std::make_unique<bare_rounds_subject>((*widest)->limit));
    subjects.push_back(std::make_unique<memcpy_subject>());
    return subjects;
}

} // namespace blkcrypto::tools
