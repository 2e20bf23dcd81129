// SPDX-License-Identifier: Apache-2.0
#pragma once
// The proof that goes with the numbers, for one mode at a time. The same seeded writes go through the inline
// and the fallback path; then the two images, read as plain files, have to be equal byte for byte, and data
// units spread over them have to decrypt, by reference_crypto, which shares no code with either path, to what
// was written.

#include "bench/compare_path.hpp"

#include <span>

namespace blkcrypto::bench {

struct verify_result {
    std::optional<bool> identical; // nothing: only one encrypted image, so no other to be equal to
    std::uint64_t units_compared = 0;
    std::uint64_t units_checked =
        0;                        // decrypted by reference_crypto, counted once however many images there are
    std::uint64_t mismatches = 0; // units that differ between the images, and those that do not decrypt
    std::optional<std::uint64_t>
        first_mismatch; // offset in bytes: of the first byte that differs, or of the unit
    std::string
        error; // what kept it from an end, an I/O with its offset; the counts stop there. Empty: nothing

    bool passed() const noexcept { return mismatches == 0 && error.empty(); }
    void add_mismatch(std::uint64_t offset_bytes) noexcept;
    /// Of several modes: identical if all are that can be, the units of all, the first offset in any, and the
    /// first error.
    void add(const verify_result& of_another_mode);
};

/// Rewrites the images of `paths`, one or two encrypted ones of one mode, whole, and checks them. I/O that
/// fails ends it and is in the result, not thrown: the timed rounds before it still have to be reported.
verify_result verify_paths(std::span<compare_path* const> paths, env& e, std::uint64_t seed);

/// The first half of the check: two files of the stripes' size, unit by unit. Adds to `result`.
void compare_images(const std::string& one, const std::string& other, const key_stripes& stripes,
                    verify_result& result);

/// The second half: up to samples_max units, all if there are no more, else one from each of as many equal
/// parts, the image's first and last among them. A unit counts as checked if reference_crypto knows the mode.
inline constexpr std::uint64_t samples_max = 4096;
void check_samples(std::span<const std::string> images, const block_layout& layout,
                   std::uint64_t content_seed, verify_result& result);

} // namespace blkcrypto::bench
