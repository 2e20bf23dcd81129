// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/cipher/self_test.hpp"
#include "tests/cipher/cipher_cases.hpp"
#include "tests/cipher/flawed_cipher.hpp"

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

template <flaw Flaw>
bool passes() {
    return passes_self_test({crypto_mode::aes_256_xts, "flawed", &make_flawed<Flaw>});
}

template <int Errno>
result<std::unique_ptr<skcipher>> make_nothing(unsigned) {
    return make_error(Errno);
}

} // namespace

TEST_CASE("every implementation passes its self-test") {
    for (const auto& implementation : usable_implementations()) {
        INFO("implementation ", std::string(implementation.name));
        CHECK(passes_self_test(implementation));
    }
}

TEST_CASE("the self-test notices a cipher that is wrong") {
    CHECK(passes<flaw::none>());
    CHECK_FALSE(passes<flaw::one_bit>());
    CHECK_FALSE(passes<flaw::same_iv_for_all_units>());
    CHECK_FALSE(passes<flaw::decrypts_nothing>());
    CHECK_FALSE(passes<flaw::takes_weak_keys>());
    CHECK_FALSE(passes<flaw::takes_short_keys>());
    CHECK_FALSE(passes<flaw::wrong_after_512_bytes>());
    CHECK_FALSE(passes<flaw::wrong_from_the_fifth_unit_on>());
    CHECK_FALSE(passes<flaw::wrong_in_the_middle>());
    CHECK_FALSE(passes<flaw::high_word_of_the_iv_is_ignored>());
}

TEST_CASE("an implementation that cannot be made fails its self-test, but a lack of memory is no verdict") {
    CHECK_FALSE(passes_self_test({crypto_mode::aes_256_xts, "absent", &make_nothing<ENOPKG>}));
    CHECK_THROWS_AS(passes_self_test({crypto_mode::aes_256_xts, "poor", &make_nothing<ENOMEM>}),
                    std::bad_alloc);
}
