// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tests of what happens where a mode is missing switch modes off for a whole process with the environment
// variable BLKCRYPTO_DISABLE_MODES, a list of names: adiantum,sm4-xts. It is then as if this build had no
// implementation of them: ENOPKG.

#include "blkcrypto/cipher/crypto_mode.hpp"

#include <bitset>

namespace blkcrypto {

using mode_set = std::bitset<crypto_mode_count>; // by mode_index()

/// Of this process.
const mode_set& disabled_modes();

/// The modes that a list of names, as in the environment variable, stands for; a name that is none is logged,
/// since whoever wrote it believes that something is off.
mode_set parse_modes(std::string_view names);

} // namespace blkcrypto
