// SPDX-License-Identifier: Apache-2.0
// Which implementation a mode gets, on a processor that can do less than this one and beside implementations
// that are wrong.
#include "blkcrypto/cipher/selection.hpp"

#include "tests/cipher/cipher_cases.hpp"
#include "tests/cipher/flawed_cipher.hpp"
#include "tests/support/logged_lines.hpp"

#include <algorithm>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

using enum cpu_feature;

constexpr auto mode = crypto_mode::aes_256_xts;

// Holds an override while it lives.
struct selection_as {
    explicit selection_as(const selection_override& with) { override_selection(with); }
    ~selection_as() { override_selection({}); }
    selection_as(const selection_as&) = delete;
    selection_as& operator=(const selection_as&) = delete;
};

bool can_run(std::string_view name, cpu_feature_set features) {
    const auto all = skcipher_implementations();
    const auto found = std::ranges::find(all, name, &skcipher_implementation::name);
    return found != all.end() && features.contains(found->needs);
}

// What is selected where the processor lacks these. Where it can do too little to show this, that it can run
// what is selected.
void check_without(cpu_feature_set lacking, std::string_view expected) {
    CAPTURE(std::string(expected));
    const selection_as with({.features_disabled = lacking});
    const auto* selected = selected_implementation(mode);
    REQUIRE(selected != nullptr);
    CHECK(cpu_features().without(lacking).contains(selected->needs));
    if (can_run(expected, cpu_features().without(lacking)))
        CHECK(selected->name == expected);
}

bool gives_right_ciphertext(const skcipher_implementation& implementation, std::unique_ptr<skcipher> tfm) {
    cipher_case with{implementation, random_key(implementation, 90), std::move(tfm)};
    REQUIRE_FALSE(with.tfm->setkey(with.key));
    const auto plain = random_bytes(11 * 512, test_seed() + 91);
    auto data = plain;
    crypt_in_place(with, cipher_direction::encrypt, 7, unit_of(512), data, with.lane);
    return data == reference_ciphertext(with, with.key, 7, unit_of(512), plain);
}

template <flaw Flaw>
constexpr skcipher_implementation flawed_as(std::string_view name, cpu_feature_set needs = {}) {
    return {mode, name, &make_flawed<Flaw>, needs};
}

} // namespace

TEST_CASE("without overrides the first implementation that the CPU can run is selected") {
    const auto usable = usable_implementations();
    const auto first = std::ranges::find(usable, mode, &skcipher_implementation::mode);
    REQUIRE(first != usable.end());
    CHECK(selected_implementation(mode)->name == first->name);
}

TEST_CASE("a CPU that can do less gets the next implementation in the list") {
    check_without({}, "aes_xts_vaes_avx512");
    check_without({avx512f}, "aes_xts_vaes_avx2");
    check_without({avx512f, vaes}, "aes_xts_aesni_avx");
    check_without({avx512f, vaes, aes}, "aes_xts_openssl");
}

TEST_CASE("each CPU feature that an implementation needs is asked for") {
    for (const auto feature : {avx512f, avx512bw, avx512vl})
        check_without({feature}, "aes_xts_vaes_avx2");
    for (const auto feature : {avx2, vaes, vpclmulqdq})
        check_without({feature}, "aes_xts_aesni_avx");
    for (const auto feature : {ssse3, sse4_1, aes, pclmulqdq, avx})
        check_without({feature}, "aes_xts_openssl");
}

TEST_CASE("an override ends and what is selected is what was selected before") {
    const auto* before = selected_implementation(mode);
    check_without({aes}, "aes_xts_openssl");
    CHECK(selected_implementation(mode) == before);
}

TEST_CASE("every implementation that is selected gives right ciphertext") {
    for (const cpu_feature_set lacking : {cpu_feature_set{}, {avx512f}, {vaes}, {aes}}) {
        const selection_as with({.features_disabled = lacking});
        const auto* selected = selected_implementation(mode);
        REQUIRE(selected != nullptr);
        CAPTURE(std::string(selected->name));
        CHECK(gives_right_ciphertext(*selected, make_skcipher(mode, 1).value()));
    }
}

TEST_CASE("an implementation with one wrong bit is passed over, said once, and the next one does the work") {
    static constexpr std::array wrong{flawed_as<flaw::one_bit>("one_bit_wrong")};
    const auto* right = selected_implementation(mode);
    REQUIRE(right != nullptr);
    const selection_as with({.before = wrong});
    CHECK(logged_lines("one_bit_wrong") == 0);
    for (int use = 0; use < 10; ++use) {
        CHECK(selected_implementation(mode) == right);
        CHECK(select_implementation(mode).value() == right);
        CHECK(gives_right_ciphertext(*right, make_skcipher(mode, 1).value()));
    }
    CHECK(logged_lines("one_bit_wrong failed its self-test and is not used") == 1);
    CHECK(logged_lines("one_bit_wrong") == 1);
}

TEST_CASE("a wrong implementation is said once however many threads are the first to use the mode") {
    static constexpr std::array wrong{flawed_as<flaw::one_bit>("wrong_for_threads")};
    const auto* right = selected_implementation(mode);
    const selection_as with({.before = wrong});
    std::array<const skcipher_implementation*, 4> selected{};
    std::vector<std::thread> threads;
    for (auto& mine : selected)
        threads.emplace_back([&mine] { mine = selected_implementation(mode); });
    for (auto& thread : threads)
        thread.join();
    CHECK(std::ranges::count(selected, right) == std::ssize(selected));
    CHECK(logged_lines("wrong_for_threads") == 1);
}

TEST_CASE("each wrong implementation before the right one is said once") {
    static constexpr std::array wrong{flawed_as<flaw::same_iv_for_all_units>("wrong_ivs"),
                                      flawed_as<flaw::decrypts_nothing>("no_decryption"),
                                      flawed_as<flaw::none>("nothing_wrong"),
                                      flawed_as<flaw::one_bit>("not_reached")};
    const selection_as with({.before = wrong});
    for (int use = 0; use < 3; ++use)
        CHECK(selected_implementation(mode) == &wrong[2]);
    CHECK(logged_lines("wrong_ivs") == 1);
    CHECK(logged_lines("no_decryption") == 1);
    CHECK(logged_lines("nothing_wrong") == 0);
    CHECK(logged_lines("not_reached") == 0);
}

TEST_CASE("who asks whether an implementation is usable gets the verdict that selection has, said once") {
    static constexpr std::array wrong{flawed_as<flaw::one_bit>("asked_for_itself")};
    const selection_as with({.before = wrong});
    for (int use = 0; use < 3; ++use) {
        CHECK(check_usable(wrong[0]) == make_error(ENOPKG));
        CHECK(selected_implementation(mode) != &wrong[0]);
        CHECK_FALSE(check_usable(*selected_implementation(mode)));
    }
    CHECK(logged_lines("asked_for_itself") == 1);
}

TEST_CASE("what the CPU cannot run is not usable") {
    const selection_as with({.features_disabled = {aes}});
    for (const auto& implementation : skcipher_implementations())
        CHECK(check_usable(implementation) ==
              (implementation.needs.contains(aes) ? make_error(ENOPKG) : std::error_code()));
}

TEST_CASE("what the CPU cannot run is passed over untried and in silence") {
    static constexpr std::array elsewhere{flawed_as<flaw::one_bit>("for_another_cpu", {aes, avx512f})};
    const selection_as with({.before = elsewhere, .features_disabled = {avx512f}});
    CHECK(selected_implementation(mode) != &elsewhere.front());
    CHECK(logged_lines("for_another_cpu") == 0);
}
