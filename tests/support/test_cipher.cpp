// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_cipher.hpp"

#include "blkcrypto/cipher/selection.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <mutex>
#include <vector>

namespace blkcrypto::test {
namespace {

class stand_in_cipher;

struct tfm_registry {
    std::mutex lock;
    std::vector<const stand_in_cipher*> tfms;
    int allowed = INT_MAX;
};

tfm_registry& registry() {
    static tfm_registry all;
    return all;
}

std::atomic<bool> refuses_keys{false};
crypto_mode mode_that_is_missing = crypto_mode::invalid;
crypto_mode mode_that_stands_in = crypto_mode::invalid;

class stand_in_cipher final : public skcipher {
  public:
    ~stand_in_cipher() override {
        const std::lock_guard lock(registry().lock);
        std::erase(registry().tfms, this);
    }
    std::error_code setkey(bytes_view key) noexcept override {
        if (key.size() > key_.size() || refuses_keys)
            return make_error(EINVAL);
        std::memcpy(key_.data(), key.data(), key.size());
        size_ = key.size();
        return {};
    }
    void forget() noexcept override {
        key_ = {};
        size_ = 0;
    }
    bytes_view key() const noexcept { return bytes_view(key_).first(size_); }

  private:
    void crypt_units(cipher_direction, const unit_run& run, cipher_lane&) const noexcept override {
        iv_sequence next = run.ivs;
        const std::size_t unit_bytes = run.unit_size.bytes();
        for (const auto& segment : run.segments) {
            std::memmove(segment.target, segment.source, segment.length_bytes);
            for (std::size_t at = 0; at < segment.length_bytes; at += unit_bytes, next.skip(1))
                stand_in_crypt(key(), next.next(), {segment.target + at, unit_bytes});
        }
    }

    std::array<std::byte, 64> key_{};
    std::size_t size_ = 0;
};

skcipher* place_stand_in(std::byte* memory) noexcept {
    const std::lock_guard lock(registry().lock);
    auto* const made = new (memory) stand_in_cipher;
    registry().tfms.push_back(made);
    return made;
}

result<std::unique_ptr<skcipher>> make_stand_in(unsigned) {
    const std::lock_guard lock(registry().lock);
    if (registry().allowed-- <= 0)
        return make_error(ENOMEM);
    auto made = std::make_unique<stand_in_cipher>();
    registry().tfms.push_back(made.get());
    return made;
}

bool passes(const skcipher_implementation& implementation) {
    return implementation.mode != mode_that_is_missing &&
           (implementation.mode == mode_that_stands_in || passes_self_test(implementation));
}

} // namespace

void stand_in_crypt(bytes_view key, const uint256& iv, bytes_span unit) noexcept {
    const auto iv_bytes = iv.little_endian();
    for (std::size_t i = 0; i < unit.size(); ++i)
        unit[i] ^=
            key[i % key.size()] ^ iv_bytes[i % iv_bytes.size()] ^ static_cast<std::byte>(unit.size() >> 9);
}

second_mode::second_mode(crypto_mode mode)
    : implementations_{{{.mode = mode,
                         .name = "stand_in",
                         .make = &make_stand_in,
                         .tfm_bytes = sizeof(stand_in_cipher),
                         .placed = {.bytes = sizeof(stand_in_cipher), .make_at = &place_stand_in}}}} {
    mode_that_stands_in = mode;
    refuses_keys = false;
    allow_tfms(INT_MAX);
    override_selection({.passes = &passes, .before = implementations_});
}

second_mode::~second_mode() {
    override_selection({});
    mode_that_stands_in = crypto_mode::invalid;
}

void second_mode::allow_tfms(int count) noexcept {
    const std::lock_guard lock(registry().lock);
    registry().allowed = count;
}

void second_mode::refuse_keys() noexcept {
    refuses_keys = true;
}

int second_mode::tfms() noexcept {
    const std::lock_guard lock(registry().lock);
    return static_cast<int>(registry().tfms.size());
}

int second_mode::tfms_with(bytes_view key) noexcept {
    const std::lock_guard lock(registry().lock);
    return static_cast<int>(std::ranges::count_if(
        registry().tfms, [&](const auto* tfm) { return std::ranges::equal(tfm->key(), key); }));
}

bytes_view second_mode::key_of(const skcipher& tfm) noexcept {
    return static_cast<const stand_in_cipher&>(tfm).key();
}

missing_mode::missing_mode(crypto_mode mode) {
    mode_that_is_missing = mode;
    override_selection({.passes = &passes});
}

missing_mode::~missing_mode() {
    override_selection({});
    mode_that_is_missing = crypto_mode::invalid;
}

} // namespace blkcrypto::test
