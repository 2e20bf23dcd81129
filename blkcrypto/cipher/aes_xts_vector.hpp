// SPDX-License-Identifier: Apache-2.0
#pragma once
// AES-256-XTS by this library's own code, in the widths that processors offer: an expanded key, and functions
// that crypt with it. A tfm is both together; who keeps expanded keys in memory of his own calls the
// functions, which allocate nothing.

#include "blkcrypto/cipher/aes_xts_schedule.hpp"
#include "blkcrypto/cipher/skcipher.hpp"

namespace blkcrypto {

/// Any number of threads may use one schedule at once. `run` has at least one unit. What a call had in
/// registers and on the stack is wiped before it returns.
using aes_xts_kernel = void (*)(const aes_xts_schedule& schedule, const unit_run& run) noexcept;

/// For a processor that has what the width needs; the caller has looked.
struct aes_xts_kernels {
    aes_xts_kernel encrypt;
    aes_xts_kernel decrypt;
    /// See skcipher_implementation.
    void (*run_bare_rounds)(std::uint64_t bytes) noexcept;
};

/// 128-bit vectors, for processors without VAES.
extern const aes_xts_kernels aes_xts_aesni_avx;
inline constexpr cpu_feature_set aes_xts_aesni_avx_needs{
    cpu_feature::ssse3, cpu_feature::sse4_1, cpu_feature::aes, cpu_feature::pclmulqdq, cpu_feature::avx};

/// 256-bit vectors, for processors without AVX-512.
extern const aes_xts_kernels aes_xts_vaes_avx2;
inline constexpr cpu_feature_set aes_xts_vaes_avx2_needs =
    aes_xts_aesni_avx_needs | cpu_feature_set{cpu_feature::avx2, cpu_feature::vaes, cpu_feature::vpclmulqdq};

/// 512-bit vectors.
extern const aes_xts_kernels aes_xts_vaes_avx512;
inline constexpr cpu_feature_set aes_xts_vaes_avx512_needs =
    aes_xts_vaes_avx2_needs |
    cpu_feature_set{cpu_feature::avx512f, cpu_feature::avx512bw, cpu_feature::avx512vl};

/// `kernels` outlives the tfm. ENOMEM.
result<std::unique_ptr<skcipher>> make_aes_xts_vector(const aes_xts_kernels& kernels);

/// The same for the table in skcipher.cpp; the number of lanes does not matter.
template <const aes_xts_kernels& Kernels>
result<std::unique_ptr<skcipher>> make_aes_xts_vector(unsigned) {
    return make_aes_xts_vector(Kernels);
}
template <const aes_xts_kernels& Kernels>
void run_bare_aes_256_rounds(std::uint64_t bytes) noexcept {
    Kernels.run_bare_rounds(bytes);
}

} // namespace blkcrypto
