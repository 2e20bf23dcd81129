// SPDX-License-Identifier: Apache-2.0
#pragma once
// AES-256-XTS by this library's own code, in the widths that processors offer: a tfm is an expanded key,
// which threads share, and a pair of functions. Which functions, is what the implementations differ in.

#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/cipher/aes_xts_schedule.hpp"
#include "blkcrypto/cipher/skcipher.hpp"

namespace blkcrypto {

/// The caller has checked that the processor has what the function needs.
using aes_xts_kernel = void (*)(const aes_xts_schedule& schedule, const unit_run& run) noexcept;

struct aes_xts_kernels {
    aes_xts_kernel encrypt;
    aes_xts_kernel decrypt;
};

/// `kernels` outlives the tfm. ENOMEM.
result<std::unique_ptr<skcipher>> make_aes_xts_vector(const aes_xts_kernels& kernels);

// For the table in skcipher.cpp, each with its bare rounds. The number of lanes does not matter. ENOMEM.

/// 512-bit vectors: avx512f, avx512bw, avx512vl, vaes, vpclmulqdq.
result<std::unique_ptr<skcipher>> make_aes_xts_vaes_avx512(unsigned lanes);
void run_bare_aes_256_vaes_avx512(std::uint64_t bytes) noexcept;

/// 256-bit vectors, for processors without AVX-512: avx2, vaes, vpclmulqdq.
result<std::unique_ptr<skcipher>> make_aes_xts_vaes_avx2(unsigned lanes);
void run_bare_aes_256_vaes_avx2(std::uint64_t bytes) noexcept;

/// 128-bit vectors, for processors without VAES: avx, aes, pclmulqdq.
result<std::unique_ptr<skcipher>> make_aes_xts_aesni_avx(unsigned lanes);
void run_bare_aes_256_aesni_avx(std::uint64_t bytes) noexcept;

} // namespace blkcrypto
