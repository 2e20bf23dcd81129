// SPDX-License-Identifier: Apache-2.0
#pragma once
// From the segments of a bio to the segments of a cipher call. Used by the fallback, and by the engine model
// when it plays the part of the hardware.

#include "blkcrypto/block/bio.hpp"
#include "blkcrypto/cipher/skcipher.hpp"

namespace blkcrypto {

/// Crypts the next `bytes` of a bio, whole data units, from `at` and `at_dun`, and moves both on. Ciphertext
/// or plaintext goes to `target`, or back into the bio's own memory if that is null.
void crypt_segments(const skcipher& tfm, cipher_direction direction, data_unit_size unit_size,
                    std::span<const bio_vec> segments, bvec_iter& at, dun& at_dun, std::uint32_t bytes,
                    std::byte* target, cipher_lane& lane) noexcept;

/// Fills `target`, whole data units, with the ciphertext of zeros: what a range that is zeroed under a crypto
/// context holds. Moves `at`, a place in a bio without segments, and `at_dun` on.
void crypt_zeros(const skcipher& tfm, data_unit_size unit_size, bvec_iter& at, dun& at_dun, bytes_span target,
                 cipher_lane& lane) noexcept;

} // namespace blkcrypto
