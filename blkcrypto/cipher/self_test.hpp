// SPDX-License-Identifier: Apache-2.0
#pragma once
// The power-on self-test: fixed vectors, run once when an implementation is first selected.

#include "blkcrypto/cipher/skcipher.hpp"

namespace blkcrypto {

/// Makes a tfm and checks known ciphertext in both directions, several units per call, and that a weak key is
/// refused where the mode has weak keys. False on any difference. Throws std::bad_alloc: that is no verdict.
bool passes_self_test(const skcipher_implementation& implementation);

} // namespace blkcrypto
