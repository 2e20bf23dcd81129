// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/mode_switch.hpp"

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/cipher/name_list.hpp"

#include <stdlib.h> // NOLINT: secure_getenv
#include <string>

namespace blkcrypto {
namespace {

void say_unknown(std::string_view name) {
    std::string line("BLKCRYPTO_DISABLE_MODES, a list with commas: there is no mode '");
    line.append(name).append("', but");
    for (const auto& known : crypto_modes())
        line.append(" ").append(known.name);
    log_warning(line);
}

} // namespace

mode_set parse_modes(std::string_view names) {
    mode_set modes;
    for_each_name(names, [&](std::string_view name) {
        const auto* known = find_mode(name);
        if (known != nullptr)
            modes.set(mode_index(known->mode));
        else
            say_unknown(name);
    });
    return modes;
}

const mode_set& disabled_modes() {
    static const mode_set modes = [] {
        const char* names = secure_getenv("BLKCRYPTO_DISABLE_MODES");
        return names != nullptr ? parse_modes(names) : mode_set();
    }();
    return modes;
}

} // namespace blkcrypto
