// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/base/secret.hpp"

#include "blkcrypto/base/secret_cells.hpp"

#include <cerrno>
#include <cstring>
#include <type_traits>
#include <utility>

namespace blkcrypto {

void zeroize(bytes_span memory) noexcept {
    explicit_bzero(memory.data(), memory.size());
}

#if defined(__x86_64__)
namespace {

[[gnu::target("avx512f")]] void wipe_registers_16_to_31() noexcept {
    asm volatile("vpxorq %%zmm16, %%zmm16, %%zmm16; vpxorq %%zmm17, %%zmm17, %%zmm17;"
                 "vpxorq %%zmm18, %%zmm18, %%zmm18; vpxorq %%zmm19, %%zmm19, %%zmm19;"
                 "vpxorq %%zmm20, %%zmm20, %%zmm20; vpxorq %%zmm21, %%zmm21, %%zmm21;"
                 "vpxorq %%zmm22, %%zmm22, %%zmm22; vpxorq %%zmm23, %%zmm23, %%zmm23;"
                 "vpxorq %%zmm24, %%zmm24, %%zmm24; vpxorq %%zmm25, %%zmm25, %%zmm25;"
                 "vpxorq %%zmm26, %%zmm26, %%zmm26; vpxorq %%zmm27, %%zmm27, %%zmm27;"
                 "vpxorq %%zmm28, %%zmm28, %%zmm28; vpxorq %%zmm29, %%zmm29, %%zmm29;"
                 "vpxorq %%zmm30, %%zmm30, %%zmm30; vpxorq %%zmm31, %%zmm31, %%zmm31" ::
                     : "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24",
                       "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31");
}

[[gnu::target("avx")]] void wipe_registers_0_to_15() noexcept {
    asm volatile("vzeroall" ::
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                       "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

void wipe_sse_registers() noexcept {
    asm volatile(
        "pxor %%xmm0, %%xmm0; pxor %%xmm1, %%xmm1; pxor %%xmm2, %%xmm2; pxor %%xmm3, %%xmm3;"
        "pxor %%xmm4, %%xmm4; pxor %%xmm5, %%xmm5; pxor %%xmm6, %%xmm6; pxor %%xmm7, %%xmm7;"
        "pxor %%xmm8, %%xmm8; pxor %%xmm9, %%xmm9; pxor %%xmm10, %%xmm10; pxor %%xmm11, %%xmm11;"
        "pxor %%xmm12, %%xmm12; pxor %%xmm13, %%xmm13; pxor %%xmm14, %%xmm14; pxor %%xmm15, %%xmm15" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
              "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

} // namespace

void wipe_vector_registers() noexcept {
    __builtin_cpu_supports("avx") ? wipe_registers_0_to_15() : wipe_sse_registers();
    if (__builtin_cpu_supports("avx512f"))
        wipe_registers_16_to_31();
}
#else
void wipe_vector_registers() noexcept {}
#endif

namespace {

// Secrets in static objects may outlive any other static.
static_assert(std::is_trivially_destructible_v<secret_cells>);

secret_cells& cells() {
    static secret_cells instance(secret::capacity, secret_cells::locking::locked);
    return instance;
}

} // namespace

result<secret> secret::make(std::size_t size_bytes) {
    if (size_bytes > capacity)
        return make_error(EINVAL);
    secret made;
    made.cell_ = cells().take();
    if (made.cell_ == nullptr)
        return make_error(ENOMEM);
    made.size_ = size_bytes;
    return made;
}

result<secret> secret::copy_of(bytes_view bytes) {
    auto made = make(bytes.size());
    if (made.has_value() && !bytes.empty())
        std::memcpy(made->cell_, bytes.data(), bytes.size());
    wipe_vector_registers();
    return made;
}

secret::secret(secret&& other) noexcept
    : cell_(std::exchange(other.cell_, nullptr)), size_(std::exchange(other.size_, 0)) {}

secret& secret::operator=(secret&& other) noexcept {
    if (this != &other) {
        release();
        cell_ = std::exchange(other.cell_, nullptr);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

secret::~secret() {
    release();
}

void secret::release() noexcept {
    if (cell_ != nullptr)
        cells().give_back(cell_);
}

bool secret::resize(std::size_t size_bytes) noexcept {
    if (cell_ == nullptr || size_bytes > capacity)
        return false;
    if (size_bytes < size_)
        zeroize({cell_ + size_bytes, size_ - size_bytes});
    size_ = size_bytes;
    return true;
}

void secret::wipe() noexcept {
    if (cell_ != nullptr)
        zeroize({cell_, capacity});
}

} // namespace blkcrypto
