// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/openssl_cipher.hpp"

#include "blkcrypto/base/log.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace blkcrypto {
namespace {

void require(int evp_result) noexcept {
    if (evp_result != 1) [[unlikely]]
        fatal("OpenSSL failed to encrypt with a key it had accepted");
}

} // namespace

const EVP_CIPHER* openssl_algorithm::fetch() noexcept {
    const EVP_CIPHER* known = fetched_.load();
    if (known != nullptr)
        return known;
    EVP_CIPHER* fetched = EVP_CIPHER_fetch(nullptr, name_, nullptr);
    if (fetched == nullptr || fetched_.compare_exchange_strong(known, fetched))
        return fetched;
    EVP_CIPHER_free(fetched);
    return known;
}

result<openssl_cipher> openssl_cipher::make(openssl_algorithm& algorithm, unsigned lane_count) {
    const EVP_CIPHER* cipher = algorithm.fetch();
    if (cipher == nullptr)
        return make_error(ENOPKG);
    auto key = secret::make(algorithm.key_bytes());
    if (key.has_error())
        return key.error();
    std::vector<evp_lane> lanes(std::max(lane_count, 1U));
    for (auto& lane : lanes)
        for (std::size_t direction = 0; direction < 2; ++direction) {
            lane.contexts[direction].reset(EVP_CIPHER_CTX_new());
            const int encrypts = direction == static_cast<std::size_t>(cipher_direction::encrypt);
            auto* context = lane.contexts[direction].get();
            if (context == nullptr ||
                EVP_CipherInit_ex(context, cipher, nullptr, nullptr, nullptr, encrypts) != 1)
                return make_error(ENOMEM);
            // Data is whole blocks, and a decryption that expects padding keeps the last one back. Only
            // there: a context without padding takes 12 ns more for each IV.
            if (encrypts == 0 && EVP_CIPHER_get_block_size(cipher) > 1)
                EVP_CIPHER_CTX_set_padding(context, 0);
        }
    return openssl_cipher(std::move(lanes), std::move(*key));
}

void openssl_cipher::setkey(bytes_view key) noexcept {
    if (key.size() != key_.size_bytes())
        fatal("openssl_cipher: a key of another length");
    std::memmove(key_.writable().data(), key.data(), key.size());
    has_key_ = true;
    for (auto& lane : lanes_)
        for (std::size_t direction = 0; direction < 2; ++direction)
            if (lane.keyed[direction])
                rekey(lane, direction);
    wipe_vector_registers();
}

// A context cannot be without a key once it had one: it gets another, which XTS does not refuse.
void openssl_cipher::forget() noexcept {
    for (std::size_t i = 0; i < key_.size_bytes(); ++i)
        key_.writable()[i] = static_cast<std::byte>(i);
    setkey(key_.bytes());
    key_.wipe();
    has_key_ = false;
}

void openssl_cipher::rekey(evp_lane& lane, std::size_t direction) const noexcept {
    const auto* key = reinterpret_cast<const unsigned char*>(key_.bytes().data());
    require(EVP_CipherInit_ex(lane.contexts[direction].get(), nullptr, nullptr, key, nullptr, -1));
    lane.keyed[direction] = true;
    wipe_stack<1024>(); // OpenSSL's SM4 leaves round keys there
    wipe_vector_registers();
}

openssl_cipher::call::call(const openssl_cipher& cipher, cipher_direction direction,
                           const cipher_lane& lane) noexcept
    : lane_(cipher.lanes_[lane.index() % cipher.lanes_.size()]),
      context_(lane_.contexts[static_cast<std::size_t>(direction)].get()) {
    if (!cipher.has_key_)
        fatal("crypt with a tfm that has no key");
    while (lane_.busy.test_and_set(std::memory_order_acquire))
        lane_.busy.wait(true, std::memory_order_relaxed);
    if (!lane_.keyed[static_cast<std::size_t>(direction)])
        cipher.rekey(lane_, static_cast<std::size_t>(direction));
}

openssl_cipher::call::~call() {
    lane_.busy.clear(std::memory_order_release);
    lane_.busy.notify_one();
}

void openssl_cipher::call::set_iv(const std::byte* iv) noexcept {
    require(EVP_CipherInit_ex(context_, nullptr, nullptr, nullptr, reinterpret_cast<const unsigned char*>(iv),
                              -1));
}

void openssl_cipher::call::crypt(const std::byte* source, std::byte* target, std::size_t bytes) noexcept {
    int written = 0;
    require(EVP_CipherUpdate(context_, reinterpret_cast<unsigned char*>(target), &written,
                             reinterpret_cast<const unsigned char*>(source), static_cast<int>(bytes)));
}

} // namespace blkcrypto
