// SPDX-License-Identifier: Apache-2.0
#include "bench/compare_options.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"
#include "tests/support/test_cipher.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <set>

using namespace blkcrypto;
using namespace blkcrypto::bench;

namespace {

const crypto_mode_info* const xts = find_mode(crypto_mode::aes_256_xts);
const crypto_mode_info* const adiantum = find_mode(crypto_mode::adiantum);

compare_arguments typed_modes(const std::string& modes) {
    compare_arguments typed;
    typed.filename = "image";
    typed.mode = modes;
    return typed;
}

std::string why_refused(const compare_arguments& typed) {
    try {
        (void)typed.check(1);
    } catch (const cli::program_error& refused) {
        CHECK(refused.exit_code() == cli::exit_unusable);
        return refused.what();
    }
    return {};
}

} // namespace

TEST_CASE("the images of one mode are named by path, those of several by mode and path, with one plain") {
    CHECK(typed_modes("aes-256-xts").check(1).images() ==
          std::vector<std::string>{"image.plain", "image.inline", "image.fallback"});
    const test::second_mode has_adiantum(crypto_mode::adiantum);
    const auto several = typed_modes("adiantum,aes-256-xts").check(1);
    CHECK(several.images() == std::vector<std::string>{"image.plain", "image.adiantum.inline",
                                                       "image.adiantum.fallback", "image.aes-256-xts.inline",
                                                       "image.aes-256-xts.fallback"});
    CHECK(several.subjects[0].mode == nullptr);
    CHECK(several.subjects[1].mode == adiantum);
    CHECK(several.subjects[1].name == "adiantum inline");
    CHECK(several.subjects[4].mode == xts);
    auto typed = typed_modes("adiantum,aes-256-xts");
    typed.paths = "fallback,plain";
    CHECK(typed.check(1).images() ==
          std::vector<std::string>{"image.adiantum.fallback", "image.plain", "image.aes-256-xts.fallback"});
}

TEST_CASE("a mode that is not known, there twice or without an implementation is refused by its name") {
    CHECK(why_refused(typed_modes("adiantum,aes")) ==
          "--mode: 'aes' is not one of aes-256-xts, aes-128-cbc-essiv, adiantum, sm4-xts");
    CHECK(why_refused(typed_modes("adiantum,")).find("'' is not one of") != std::string::npos);
    CHECK(why_refused(typed_modes("adiantum,aes-256-xts,adiantum")) == "--mode: adiantum is there twice");
    const test::missing_mode no_adiantum(crypto_mode::adiantum);
    auto typed = typed_modes("aes-256-xts,adiantum");
    CHECK(why_refused(typed) == "--mode: no implementation of adiantum here (ENOPKG)");
    typed.paths = "plain";
    CHECK(why_refused(typed).empty());
}

TEST_CASE("the engine is ufs-std, or generic if that lacks a mode and no engine was named") {
    const test::second_mode has_adiantum(crypto_mode::adiantum);
    CHECK(typed_modes("aes-256-xts").check(1).stack.engine.name == "ufs-std");
    CHECK(typed_modes("adiantum").check(1).stack.engine.name == "generic");
    auto typed = typed_modes("aes-256-xts,adiantum");
    CHECK(typed.check(1).stack.engine.name == "generic");
    typed.engine = "ufs-std";
    CHECK(why_refused(typed) ==
          "engine ufs-std: it does not have the mode adiantum; --engine generic has (EOPNOTSUPP)");
    typed.paths = "plain,fallback"; // no engine in it
    CHECK(why_refused(typed).empty());
    typed.engine = "";
    CHECK(why_refused(typed).find("--engine: '' is not one of") == 0);
}

TEST_CASE("each subject is first, in the middle and last in turn, once in every round") {
    CHECK(order_of_round(0, 5, 3) == std::vector<std::size_t>{0, 1, 2});
    CHECK(order_of_round(1, 5, 3) == std::vector<std::size_t>{1, 2, 0});
    CHECK(order_of_round(4, 5, 3) == std::vector<std::size_t>{1, 2, 0});
    for (const unsigned rounds : {1U, 5U, 12U}) {
        for (const std::size_t subjects : {1U, 2U, 5U, 9U}) {
            std::set<std::size_t> first;
            for (unsigned round = 0; round < rounds; ++round) {
                const auto order = order_of_round(round, rounds, subjects);
                CHECK(std::set(order.begin(), order.end()).size() == subjects);
                CHECK(*std::ranges::max_element(order) == subjects - 1);
                first.insert(order.front());
            }
            CHECK(first.size() == std::min<std::size_t>(rounds, subjects));
        }
    }
    // More of them than rounds: those that begin one are not all neighbours.
    CHECK(order_of_round(1, 5, 9).front() == 1);
    CHECK(order_of_round(4, 5, 9).front() == 7);
}
