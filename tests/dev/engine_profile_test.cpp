// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/engine_profile.hpp"

#include <doctest/doctest.h>

using namespace blkcrypto;

namespace {

crypto_config config_of(crypto_mode mode, std::uint32_t unit_bytes, std::uint8_t dun_bytes) {
    return {mode, *data_unit_size::make(unit_bytes), dun_bytes};
}

constexpr auto xts = crypto_mode::aes_256_xts;

} // namespace

TEST_CASE("ufs-std has 32 slots and takes AES-256-XTS with DUNs of up to 8 bytes") {
    const engine_profile* ufs = find_engine_profile("ufs-std");
    REQUIRE(ufs != nullptr);
    CHECK(ufs->keyslots == 32);
    CHECK(ufs->capabilities.supports(config_of(xts, 512, 8)));
    CHECK(ufs->capabilities.supports(config_of(xts, 65536, 1)));
    CHECK_FALSE(ufs->capabilities.supports(config_of(xts, 4096, 9)));
    CHECK_FALSE(ufs->capabilities.supports(config_of(crypto_mode::adiantum, 4096, 8)));
    CHECK(ufs->costs.are_assumed);
}

TEST_CASE("emmc-cqhci takes DUNs of up to 4 bytes") {
    const engine_profile* emmc = find_engine_profile("emmc-cqhci");
    REQUIRE(emmc != nullptr);
    CHECK(emmc->capabilities.supports(config_of(xts, 4096, 4)));
    CHECK_FALSE(emmc->capabilities.supports(config_of(xts, 4096, 5)));
}

TEST_CASE("generic takes every mode with DUNs of any width") {
    const engine_profile* generic = find_engine_profile("generic");
    REQUIRE(generic != nullptr);
    CHECK(generic->keyslots == 100);
    for (const auto& mode : crypto_modes())
        CHECK(generic->capabilities.supports(config_of(mode.mode, 512, 32)));
}

TEST_CASE("every engine but generic takes AES-256-XTS alone, samsung-fmp without slots in units of 4096") {
    for (const engine_profile& engine : builtin_engine_profiles()) {
        CAPTURE(engine.name);
        CHECK(find_engine_profile(engine.name) == &engine);
        CHECK(engine.costs.are_assumed);
        if (engine.name == "generic")
            continue;
        const bool is_fmp = engine.name == "samsung-fmp";
        CHECK((engine.keyslots == 0) == is_fmp);
        CHECK(engine.capabilities.supports(config_of(xts, 4096, 4)));
        CHECK(engine.capabilities.supports(config_of(xts, 512, 4)) == !is_fmp);
        CHECK(engine.capabilities.supports(config_of(xts, 4096, 16)) == is_fmp);
        for (const auto& mode : crypto_modes())
            CHECK((engine.capabilities.unit_sizes[mode_index(mode.mode)] != 0) == (mode.mode == xts));
    }
    CHECK(find_engine_profile("qcom-ice-hwkm")->keyslots == find_engine_profile("qcom-ice")->keyslots / 2);
}

TEST_CASE("an unknown engine is not found") {
    CHECK(find_engine_profile("ufs") == nullptr);
}

TEST_CASE("a JSON object becomes a profile with exactly what it says") {
    std::string why;
    const auto parsed = parse_engine_profile(R"({"name": "mine", "keyslots": 3, "dun_bytes": 5,
        "modes": {"aes-256-xts": [512, 4096]}, "program_us": 7, "evict_us": 3,
        "reset_us": 900, "bandwidth_mb_per_s": 250})",
                                             why);
    REQUIRE_MESSAGE(parsed.has_value(), why);
    CHECK(parsed->name == "mine");
    CHECK(parsed->keyslots == 3);
    CHECK(parsed->costs.program_ns == 7'000);
    CHECK(parsed->costs.evict_ns == 3'000);
    CHECK(parsed->costs.reset_ns == 900'000);
    CHECK(parsed->costs.bandwidth_bytes_per_s == 250'000'000);
    CHECK_FALSE(parsed->costs.are_assumed);
    CHECK(parsed->capabilities.supports(config_of(xts, 512, 5)));
    CHECK(parsed->capabilities.supports(config_of(xts, 4096, 5)));
    CHECK_FALSE(parsed->capabilities.supports(config_of(xts, 1024, 5)));
    CHECK_FALSE(parsed->capabilities.supports(config_of(xts, 4096, 6)));
}

TEST_CASE("an engine without keyslots can be described") {
    std::string why;
    const auto parsed = parse_engine_profile(
        R"({"name": "x", "keyslots": 0, "dun_bytes": 16, "modes": {"aes-256-xts": [4096]}})", why);
    REQUIRE_MESSAGE(parsed.has_value(), why);
    CHECK(parsed->keyslots == 0);
    CHECK(parsed->costs.reset_ns == 0);
}

TEST_CASE("a profile that is wrong is refused by the name of the field") {
    struct wrong_profile {
        const char* json;
        const char* named;
    };
    const wrong_profile wrong[] = {
        {R"({"keyslots": 1, "dun_bytes": 8, "modes": {"aes-256-xts": [512]}})", "\"name\""},
        {R"({"name": "x\u001b[31m", "keyslots": 1, "dun_bytes": 8, "modes": {"aes-256-xts": [512]}})",
         "\"name\""},
        {R"({"name": "x", "keyslots": 1, "keyslots": 0, "dun_bytes": 8, "modes": {"aes-256-xts": [512]}})",
         "\"keyslots\""},
        {R"({"name": "x", "keyslots": -1, "dun_bytes": 8, "modes": {"aes-256-xts": [512]}})", "\"keyslots\""},
        {R"({"name": "x", "keyslots": 9999, "dun_bytes": 8, "modes": {"aes-256-xts": [512]}})",
         "\"keyslots\""},
        {R"({"name": "x", "keyslots": 1.5, "dun_bytes": 8, "modes": {"aes-256-xts": [512]}})",
         "\"keyslots\""},
        {R"({"name": "x", "keyslots": 1, "dun_bytes": 33, "modes": {"aes-256-xts": [512]}})",
         "\"dun_bytes\""},
        {R"({"name": "x", "keyslots": 1, "dun_bytes": 8})", "\"modes\""},
        {R"({"name": "x", "keyslots": 1, "dun_bytes": 8, "modes": {}})", "\"modes\""},
        {R"({"name": "x", "keyslots": 1, "dun_bytes": 8, "modes": {"rot13": [512]}})", "rot13"},
        {R"({"name": "x", "keyslots": 1, "dun_bytes": 8, "modes": {"aes-256-xts": []}})",
         "modes.aes-256-xts"},
        {R"({"name": "x", "keyslots": 1, "dun_bytes": 8, "modes": {"aes-256-xts": 512}})",
         "modes.aes-256-xts"},
        {R"({"name": "x", "keyslots": 1, "dun_bytes": 8, "modes": {"aes-256-xts": [600]}})",
         "modes.aes-256-xts"},
        {R"({"name": "x", "keyslots": 1, "dun_bytes": 8, "modes": {"aes-256-xts": [512]}, "colour": 1})",
         "\"colour\""},
        {R"({"name": "x")", "line 1, column 13"},
        {R"([1, 2])", "object"},
        {"", "line 1"},
    };
    for (const auto& one : wrong) {
        CAPTURE(one.json);
        std::string why;
        const auto parsed = parse_engine_profile(one.json, why);
        CHECK(parsed.has_error());
        CHECK_MESSAGE(why.find(one.named) != std::string::npos, why);
    }
}
