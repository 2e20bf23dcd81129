// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/speed_subject.hpp"

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <gcrypt.h>

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
        if (mode.mode != crypto_mode::aes_256_xts)
            return nullptr;
        std::unique_ptr<gcrypt_subject> made(new gcrypt_subject("aes_xts_libgcrypt"));
        const auto key = make_key(mode);
        for (unsigned i = 0; i < threads; ++i)
            made->add_lane(key);
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

    void add_lane(bytes_view key) {
        static const bool initialized = gcry_check_version(GCRYPT_VERSION) != nullptr &&
                                        gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0) == 0;
        gcry_cipher_hd_t lane = nullptr;
        gcry_error_t error = gcry_error(GPG_ERR_NOT_INITIALIZED);
        if (initialized)
            error = gcry_cipher_open(&lane, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_XTS, 0);
        if (error == 0) {
            lanes_.push_back(lane);
            error = gcry_cipher_setkey(lane, key.data(), key.size());
        }
        if (error != 0)
            throw cli::program_error(cli::exit_failed, "libgcrypt", gcry_strerror(error));
    }

    std::vector<gcry_cipher_hd_t> lanes_; // by thread
};

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
    bare_rounds_subject(std::string name, const skcipher_implementation& of)
        : speed_subject(std::move(name), speed_role::instructions), run_(of.run_bare_rounds) {}

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
        throw cli::unusable(mode.name, "no implementation of this mode", ENOPKG);
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
    const auto widest =
        std::ranges::find_if(usable, [](const auto* i) { return i->run_bare_rounds != nullptr; });
    if (widest != usable.end())
        subjects.push_back(std::make_unique<bare_rounds_subject>("aes_256_rounds", **widest));
    subjects.push_back(std::make_unique<memcpy_subject>());
    return subjects;
}

} // namespace blkcrypto::tools
