// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/aes_xts_openssl.hpp"

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/xts_key.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <openssl/evp.h>
#include <utility>

namespace blkcrypto {
namespace {

constexpr std::size_t key_bytes = 64;

struct evp_deleter {
    void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using evp_context = std::unique_ptr<EVP_CIPHER_CTX, evp_deleter>;

// Fetched once and never given back. A fetch that failed is tried again: memory may have been short.
const EVP_CIPHER* xts_cipher() {
    static std::atomic<const EVP_CIPHER*> known{nullptr};
    const EVP_CIPHER* cipher = known.load();
    if (cipher != nullptr)
        return cipher;
    EVP_CIPHER* fetched = EVP_CIPHER_fetch(nullptr, "AES-256-XTS", nullptr);
    if (fetched == nullptr || known.compare_exchange_strong(cipher, fetched))
        return fetched;
    EVP_CIPHER_free(fetched);
    return cipher;
}

// An EVP context carries the IV and so serves one thread at a time. A tfm has one of each direction per lane;
// a lane's contexts are keyed when the lane first uses the key, and whenever a new key replaces one they
// hold.
struct alignas(64) evp_lane {
    std::atomic_flag busy;
    std::array<evp_context, 2> contexts;
    std::array<bool, 2> keyed{}; // by direction: holds the tfm's current key
};

class aes_xts_openssl final : public skcipher {
  public:
    static result<std::unique_ptr<skcipher>> make(unsigned lanes);

    std::error_code setkey(bytes_view key) noexcept override;

  private:
    aes_xts_openssl(std::vector<evp_lane>&& lanes, secret&& key) noexcept
        : lanes_(std::move(lanes)), key_(std::move(key)) {}

    void crypt_units(cipher_direction direction, const unit_run& run,
                     cipher_lane& lane) const noexcept override;
    EVP_CIPHER_CTX* keyed_context(evp_lane& lane, cipher_direction direction) const noexcept;
    void rekey(evp_lane& lane, std::size_t direction) const noexcept;

    mutable std::vector<evp_lane> lanes_;
    secret key_;
    bool has_key_ = false;
};

void require(int evp_result) noexcept {
    if (evp_result != 1) [[unlikely]]
        fatal("OpenSSL failed to encrypt with a key it had accepted");
}

// Holds a lane for one call. Two threads meet here only where there are fewer lanes than threads.
class lane_guard {
  public:
    explicit lane_guard(evp_lane& lane) noexcept : lane_(lane) {
        while (lane_.busy.test_and_set(std::memory_order_acquire))
            lane_.busy.wait(true, std::memory_order_relaxed);
    }
    ~lane_guard() {
        lane_.busy.clear(std::memory_order_release);
        lane_.busy.notify_one();
    }
    lane_guard(const lane_guard&) = delete;
    lane_guard& operator=(const lane_guard&) = delete;

  private:
    evp_lane& lane_;
};

result<std::unique_ptr<skcipher>> aes_xts_openssl::make(unsigned lane_count) {
    if (xts_cipher() == nullptr)
        return make_error(ENOPKG);
    auto key = secret::make(key_bytes);
    if (key.has_error())
        return key.error();
    std::vector<evp_lane> lanes(std::max(lane_count, 1U));
    for (auto& lane : lanes)
        for (std::size_t direction = 0; direction < 2; ++direction) {
            lane.contexts[direction].reset(EVP_CIPHER_CTX_new());
            const int encrypts = direction == static_cast<std::size_t>(cipher_direction::encrypt);
            auto* context = lane.contexts[direction].get();
            if (context == nullptr ||
                EVP_CipherInit_ex(context, xts_cipher(), nullptr, nullptr, nullptr, encrypts) != 1)
                return make_error(ENOMEM);
        }
    return std::unique_ptr<skcipher>(new aes_xts_openssl(std::move(lanes), std::move(*key)));
}

std::error_code aes_xts_openssl::setkey(bytes_view key) noexcept {
    if (const std::error_code refused = check_xts_key(key, key_bytes); refused)
        return refused;
    std::memcpy(key_.writable().data(), key.data(), key.size());
    has_key_ = true;
    for (auto& lane : lanes_)
        for (std::size_t direction = 0; direction < 2; ++direction)
            if (lane.keyed[direction])
                rekey(lane, direction);
    wipe_vector_registers();
    return {};
}

void aes_xts_openssl::rekey(evp_lane& lane, std::size_t direction) const noexcept {
    const auto* key = reinterpret_cast<const unsigned char*>(key_.bytes().data());
    require(EVP_CipherInit_ex(lane.contexts[direction].get(), nullptr, nullptr, key, nullptr, -1));
    lane.keyed[direction] = true;
    wipe_vector_registers();
}

EVP_CIPHER_CTX* aes_xts_openssl::keyed_context(evp_lane& lane, cipher_direction direction) const noexcept {
    const auto which = static_cast<std::size_t>(direction);
    if (!lane.keyed[which])
        rekey(lane, which);
    return lane.contexts[which].get();
}

void crypt_unit(EVP_CIPHER_CTX* context, const uint256& iv, const std::byte* source, std::byte* target,
                std::size_t bytes) noexcept {
    const auto iv_bytes = iv.little_endian();
    int written = 0;
    require(EVP_CipherInit_ex(context, nullptr, nullptr, nullptr,
                              reinterpret_cast<const unsigned char*>(iv_bytes.data()), -1));
    require(EVP_CipherUpdate(context, reinterpret_cast<unsigned char*>(target), &written,
                             reinterpret_cast<const unsigned char*>(source), static_cast<int>(bytes)));
}

void aes_xts_openssl::crypt_units(cipher_direction direction, const unit_run& run,
                                  cipher_lane& lane) const noexcept {
    if (!has_key_)
        fatal("crypt with a tfm that has no key");
    evp_lane& mine = lanes_[lane.index() % lanes_.size()];
    const lane_guard guard(mine);
    EVP_CIPHER_CTX* context = keyed_context(mine, direction);
    const std::size_t unit_bytes = run.unit_size.bytes();
    iv_sequence next = run.ivs;
    for (const auto& segment : run.segments)
        for (std::size_t at = 0; at < segment.length_bytes; at += unit_bytes, next.skip(1))
            crypt_unit(context, next.next(), segment.source + at, segment.target + at, unit_bytes);
}

} // namespace

result<std::unique_ptr<skcipher>> make_aes_xts_openssl(unsigned lanes) {
    return aes_xts_openssl::make(lanes);
}

} // namespace blkcrypto
