// SPDX-License-Identifier: Apache-2.0
#pragma once
// A stand-in for modes that have no implementation: no cipher, but it depends on key, IV and unit size, and
// can be made to be missing. While a second_mode lives, the mode has it.

#include "blkcrypto/cipher/skcipher.hpp"

#include <array>
#include <atomic>

namespace blkcrypto::test {

/// What the stand-in makes of a data unit; its own inverse.
void stand_in_crypt(bytes_view key, const uint256& iv, bytes_span unit) noexcept;

class second_mode {
  public:
    explicit second_mode(crypto_mode mode);
    ~second_mode();

    /// From now on tfms of it cannot be made: ENOMEM after so many more.
    static void allow_tfms(int count) noexcept;

    /// From now on its tfms take no key.
    static void refuse_keys() noexcept;

    /// The tfms that there are now.
    static int tfms() noexcept;

    /// The tfms that hold `key` now.
    static int tfms_with(bytes_view key) noexcept;

    /// What a tfm of it holds; empty: nothing.
    static bytes_view key_of(const skcipher& tfm) noexcept;

  private:
    std::array<skcipher_implementation, 1> implementations_;
};

/// While it lives the mode has no implementation.
class missing_mode {
  public:
    explicit missing_mode(crypto_mode mode);
    ~missing_mode();
};

} // namespace blkcrypto::test
