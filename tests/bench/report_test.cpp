// SPDX-License-Identifier: Apache-2.0
#include "bench/report.hpp"

#include "tests/support/test_cipher.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <sstream>

using namespace blkcrypto;
using namespace blkcrypto::bench;

namespace {

// What a run of these modes could have measured: the same of every path, but for what tells them apart.
struct measured_run {
    explicit measured_run(const std::string& modes, const std::string& paths = "plain,inline,fallback")
        : options(check(modes, paths)) {
        double rate = 1e9;
        for (const auto& subject : options.subjects) {
            path_measurement path;
            path.subject = subject;
            path.rounds.push_back({.bytes_per_s = rate, .iops = rate / 4096});
            result.paths.push_back(path);
            rate -= 1e8;
        }
        double gb_per_s = 2;
        for (const auto* mode : options.modes) {
            result.modes.push_back({mode, "some_openssl", spread{gb_per_s, gb_per_s, gb_per_s}, {}});
            if (options.has_encrypted_path())
                result.modes.back().verify = verified(4);
            gb_per_s += 1;
        }
    }

    static compare_options check(const std::string& modes, const std::string& paths) {
        const test::second_mode has_adiantum(crypto_mode::adiantum);
        compare_arguments typed;
        typed.filename = "image";
        typed.mode = modes;
        typed.paths = paths;
        return typed.check(1);
    }
    static verify_result verified(std::uint64_t units) {
        return {.identical = true,
                .units_compared = units,
                .units_checked = units,
                .first_mismatch = {},
                .error = {}};
    }

    std::string text() const { return report_text(options, result); }
    nlohmann::ordered_json json() const { return report_json(options, result); }

    compare_options options;
    compare_result result{.machine = {"a CPU", "6.18", 2}, .controls = {}, .modes = {}, .paths = {}};
};

std::size_t count_of(const std::string& text, std::string_view part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++count;
    return count;
}

std::size_t widest_line(const std::string& text) {
    std::istringstream lines(text);
    std::size_t width = 0;
    for (std::string line; std::getline(lines, line);)
        width = std::max(width, line.size());
    return width;
}

} // namespace

TEST_CASE("the JSON of one mode has what is of the mode in place, and no lists of modes") {
    const auto json = measured_run("adiantum").json();
    CHECK(json["options"]["mode"] == "adiantum");
    CHECK(json["options"]["implementation"] == "some_openssl");
    CHECK(json["controls"]["cipher_gb_per_s"] == 2);
    CHECK(json["controls"]["spread"]["cipher_gb_per_s"][1] == 2);
    CHECK(json["verify"]["units_checked"] == 4);
    for (const char* section : {"options", "controls", "verify"})
        CHECK(!json[section].contains("modes"));
    REQUIRE(json["paths"].size() == 3);
    for (const auto& path : json["paths"])
        CHECK(path["mode"] == "adiantum"); // the plain one is its control
}

TEST_CASE("the JSON of several modes has a path for each, one plain, and lists of what is of a mode") {
    auto run = measured_run("adiantum,aes-256-xts");
    run.result.modes[1].verify->add_mismatch(4096);
    run.result.modes[1].verify->identical = false;
    const auto json = run.json();
    CHECK(json["options"]["mode"] == "adiantum,aes-256-xts");
    CHECK(json["options"]["implementation"].is_null());
    CHECK(json["options"]["modes"][1]["implementation"] == "some_openssl");
    CHECK(json["controls"]["cipher_gb_per_s"].is_null());
    CHECK(json["controls"]["modes"][1]["mode"] == "aes-256-xts");
    CHECK(json["controls"]["modes"][1]["cipher_gb_per_s"] == 3);
    CHECK(json["controls"]["modes"][1]["spread"]["cipher_gb_per_s"][0] == 3);
    CHECK(json["verify"]["identical"] == false);
    CHECK(json["verify"]["units_checked"] == 8);
    CHECK(json["verify"]["mismatches"] == 1);
    CHECK(json["verify"]["modes"][0]["mode"] == "adiantum");
    CHECK(json["verify"]["modes"][0]["identical"] == true);
    CHECK(json["verify"]["modes"][1]["first_mismatch_offset"] == 4096);
    std::string paths;
    for (const auto& path : json["paths"])
        paths += path["path"].get<std::string>() + " of " + path["mode"].dump() + " on " +
                 path["image"].get<std::string>() + "\n";
    CHECK(paths == "plain of null on image.plain\n"
                   "inline of \"adiantum\" on image.adiantum.inline\n"
                   "fallback of \"adiantum\" on image.adiantum.fallback\n"
                   "inline of \"aes-256-xts\" on image.aes-256-xts.inline\n"
                   "fallback of \"aes-256-xts\" on image.aes-256-xts.fallback\n");
    CHECK(json["paths"][4]["ratio_to_plain"] == doctest::Approx(0.6));
}

TEST_CASE("the text has a table for each mode, beside the one control of all") {
    const auto text = measured_run("adiantum,aes-256-xts").text();
    for (const char* heading : {"\nadiantum (some_openssl)\n", "\naes-256-xts (some_openssl)\n"})
        CHECK(count_of(text, heading) == 1);
    CHECK(count_of(text, " 954 (954-954)") == 2); // plain's, in both
    CHECK(count_of(text, "\nIOPS") == 2);
    CHECK(count_of(text, "adiantum 2, aes-256-xts 3 GB/s") == 1);
    CHECK(count_of(text, "It limits inline with adiantum.") == 1);
    CHECK(count_of(text, "What limits inline, at\n        0.70 (aes-256-xts)\n        of the control") == 1);
    CHECK(count_of(text, "at\n        0.80 (adiantum), 0.60 (aes-256-xts)\n        of the control") == 1);
    CHECK(count_of(text, "Verify, adiantum, aes-256-xts:\n") == 1);
    CHECK(widest_line(text) <= 100);

    const auto one = measured_run("adiantum").text();
    CHECK(count_of(one, "\nadiantum (some_openssl)\ndata units of 4096 bytes") == 1);
    CHECK(count_of(one, "\nIOPS") == 1);
    CHECK(count_of(one, "It limits inline.") == 1);
    CHECK(count_of(one, "What limits fallback, at 0.80 of the control, is not the image file:") == 1);
    CHECK(count_of(one, "Verify: the same writes") == 1);
}

TEST_CASE("a mode that did not verify is told by itself") {
    auto run = measured_run("adiantum,aes-256-xts");
    run.result.modes[0].verify->error = "image.adiantum.inline: write at offset 0";
    const auto text = run.text();
    CHECK(count_of(text, "Verify, adiantum:\n        FAILED before its end") == 1);
    CHECK(count_of(text, "Verify, aes-256-xts:\n        the same writes") == 1);
    CHECK(run.json()["verify"]["error"] == "image.adiantum.inline: write at offset 0");
    CHECK(run.json()["verify"]["modes"][1]["error"].is_null());
}

TEST_CASE("a plain path alone is one table, whatever the modes") {
    const measured_run run("adiantum,aes-256-xts", "plain");
    CHECK(count_of(run.text(), "\nIOPS") == 1);
    CHECK(run.json()["verify"].is_null());
    CHECK(run.json()["paths"].size() == 1);
}
