// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/mode_switch.hpp"

#include <doctest/doctest.h>
#include <ostream>

using namespace blkcrypto;

TEST_CASE("a list of names stands for those modes and no others") {
    CHECK(parse_modes("").none());
    CHECK(parse_modes(",,").none());
    const mode_set two = parse_modes("adiantum,,sm4-xts,");
    CHECK(two.count() == 2);
    CHECK(two.test(mode_index(crypto_mode::adiantum)));
    CHECK(two.test(mode_index(crypto_mode::sm4_xts)));
    for (const auto& mode : crypto_modes())
        CHECK(parse_modes(mode.name) == mode_set().set(mode_index(mode.mode)));
}

TEST_CASE("a name that is no mode takes none away") {
    CHECK(parse_modes("rot13").none());
    CHECK(parse_modes("rot13,adiantum") == parse_modes("adiantum"));
    CHECK(parse_modes("adiantum sm4-xts").none());
}
