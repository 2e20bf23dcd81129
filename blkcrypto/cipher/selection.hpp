// SPDX-License-Identifier: Apache-2.0
#pragma once
// The switch that tests and benchmarks have over which implementation a mode gets: other verdicts than the
// self-test's, implementations that this build does not have, and a processor that can do less. Programs
// never use it.

#include "blkcrypto/cipher/self_test.hpp"

namespace blkcrypto {

struct selection_override {
    bool (*passes)(const skcipher_implementation&) = &passes_self_test;
    std::span<const skcipher_implementation> before =
        {};                                 // tried before the built-in ones; outlives the override
    cpu_feature_set features_disabled = {}; // as if the processor lacked them
};

/// Applies until the next call; {} is what programs have. What was selected is forgotten, the next use of a
/// mode selects anew; tfms that exist stay as they are.
void override_selection(const selection_override& with) noexcept;

} // namespace blkcrypto
