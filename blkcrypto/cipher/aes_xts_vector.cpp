// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/aes_xts_vector.hpp"

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/base/secret_cells.hpp"
#include "blkcrypto/cipher/xts_key.hpp"

#include <cerrno>
#include <new>
#include <type_traits>

namespace blkcrypto {
namespace {

static_assert(std::is_trivially_destructible_v<secret_cells>); // static objects may hold cells

// Not locked: there may be one for each of thousands of extents. Until it is given back, a key can so reach
// swap.
secret_cells& schedule_cells() {
    static secret_cells cells(sizeof(aes_xts_schedule), secret_cells::locking::unlocked);
    return cells;
}

class aes_xts_vector final : public skcipher {
  public:
    aes_xts_vector(const aes_xts_kernels& kernels, std::byte* cell) noexcept
        : kernels_(kernels), schedule_(*new (cell) aes_xts_schedule) {}
    ~aes_xts_vector() override { schedule_cells().give_back(reinterpret_cast<std::byte*>(&schedule_)); }

    std::error_code setkey(bytes_view key) noexcept override {
        if (const std::error_code refused = check_xts_key(key, aes_256_xts_key_bytes); refused)
            return refused;
        expand_aes_xts_key(key.first<aes_256_xts_key_bytes>(), schedule_);
        has_key_ = true;
        return {};
    }

  private:
    void crypt_units(cipher_direction direction, const unit_run& run, cipher_lane&) const noexcept override {
        if (!has_key_)
            fatal("crypt with a tfm that has no key");
        const auto kernel = direction == cipher_direction::encrypt ? kernels_.encrypt : kernels_.decrypt;
        kernel(schedule_, run);
    }

    const aes_xts_kernels& kernels_;
    aes_xts_schedule& schedule_;
    bool has_key_ = false;
};

} // namespace

result<std::unique_ptr<skcipher>> make_aes_xts_vector(const aes_xts_kernels& kernels) {
    std::byte* cell = schedule_cells().take();
    if (cell == nullptr)
        return make_error(ENOMEM);
    auto* tfm = new (std::nothrow) aes_xts_vector(kernels, cell);
    if (tfm == nullptr) {
        schedule_cells().give_back(cell);
        return make_error(ENOMEM);
    }
    return std::unique_ptr<skcipher>(tfm);
}

} // namespace blkcrypto
