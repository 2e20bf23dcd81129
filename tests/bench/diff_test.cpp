// SPDX-License-Identifier: Apache-2.0
#include "bench/run_diff.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

using namespace blkcrypto::bench;

namespace {

// A run of two paths and the controls, as blkbench compare writes it, with what differs filled in.
struct compare_run {
    std::string bs_bytes = "4096";
    std::string ratio = "0.9";
    std::string quartiles = "[0.85, 0.95]";
    std::string cpu = "\"a CPU\"";
    std::string version = "1";
    std::string more_options = {}; // each with a comma before it
    std::string image_io = "\"io_uring\"";

    std::string text() const {
        return fmt::format(R"({{"schema": "blkbench.compare", "version": {},
            "options": {{"bs_bytes": {}, "rw": "randwrite"{}}},
            "machine": {{"cpu": {}, "cores": 2, "kernel": "6.18"}},
            "controls": {{"memcpy_gb_per_s": 10, "cipher_gb_per_s": null, "spread": {{"memcpy_gb_per_s": [9, 11]}}}},
            "paths": [
              {{"path": "plain", "bytes_per_s": 1048576, "ratio_to_plain": 1, "errors": 0,
                "spread": {{"bytes_per_s": [1048576, 2097152], "ratio_to_plain": [1, 1]}}}},
              {{"path": "fallback", "bytes_per_s": 1048576, "ratio_to_plain": {}, "errors": 0,
                "image_io": {}, "spread": {{"bytes_per_s": [1048576, 2097152], "ratio_to_plain": {}}}}}]}})",
                           version, bs_bytes, more_options, cpu, ratio, image_io, quartiles);
    }
};

// A run of inline and fallback with some modes, or with one, as blkbench compare writes either.
std::string run_of_modes(const std::vector<std::string>& modes, const std::string& ratio = "0.9",
                         const std::string& image_io = "io_uring") {
    std::string paths = R"({"path": "plain", "mode": null, "iops": 9, "spread": {"iops": [9, 9]}})";
    std::string options;
    std::string controls;
    for (const auto& mode : modes) {
        for (const char* path : {"inline", "fallback"})
            paths += fmt::format(R"(, {{"path": "{}", "mode": "{}", "ratio_to_plain": {}, "image_io": "{}",
                                 "spread": {{"ratio_to_plain": [{}, {}]}}}})",
                                 path, mode, ratio, image_io, ratio, ratio);
        options += fmt::format(R"({}{{"mode": "{}", "implementation": "{}_openssl"}})",
                               options.empty() ? "" : ", ", mode, mode);
        controls += fmt::format(
            R"({}{{"mode": "{}", "cipher_gb_per_s": 2, "spread": {{"cipher_gb_per_s": [1, 3]}}}})",
            controls.empty() ? "" : ", ", mode);
    }
    if (modes.size() == 1) {
        options.pop_back();
        return fmt::format(R"({{"schema": "blkbench.compare", "version": 1, "options": {}}},
                           "controls": {}, "paths": [{}]}})",
                           options, controls, paths);
    }
    return fmt::format(R"({{"schema": "blkbench.compare", "version": 1,
                       "options": {{"mode": "{}", "modes": [{}]}},
                       "controls": {{"cipher_gb_per_s": null, "modes": [{}]}}, "paths": [{}]}})",
                       fmt::join(modes, ","), options, controls, paths);
}

std::string bench_run(const std::string& rows) {
    return R"({"schema": "blkcrypto.bench", "version": 1, "rows": [)" + rows + "]}";
}

stored_run parsed(const std::string& text) {
    std::string why;
    auto run = parse_stored_run(text, why);
    REQUIRE_MESSAGE(run, why);
    return *run;
}

std::string why_refused(const std::string& text) {
    std::string why;
    CHECK_FALSE(parse_stored_run(text, why));
    return why;
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a run of fewer than five rounds has no spread, and is refused") {
    for (const char* rounds : {"0", "1", "4", "-1"})
        CHECK(
            contains(why_refused(compare_run{.more_options = fmt::format(", \"rounds\": {}", rounds)}.text()),
                     fmt::format("{} rounds", rounds)));
    for (const char* rounds : {"5", "9"})
        parsed(compare_run{.more_options = fmt::format(", \"rounds\": {}", rounds)}.text());
}

TEST_CASE("a figure has moved only if its medians differ and its quartile ranges do not overlap") {
    const spread before{10, 9, 11};
    CHECK(judge(before, {12, 11.5, 13}, better_when::higher) == figure_verdict::better);
    CHECK(judge(before, {12, 11.5, 13}, better_when::lower) == figure_verdict::worse);
    CHECK(judge(before, {8, 7, 8.5}, better_when::higher) == figure_verdict::worse);
    CHECK(judge(before, {8, 7, 8.5}, better_when::lower) == figure_verdict::better);
    CHECK(judge(before, {12, 11, 13}, better_when::lower) == figure_verdict::same); // they touch
    CHECK(judge(before, {8, 7, 9}, better_when::higher) == figure_verdict::same);
    CHECK(judge({10, 10, 10}, {10, 10, 10}, better_when::higher) == figure_verdict::same);
}

TEST_CASE("a comparison is read as figures by path, without the control's ratio to itself") {
    const auto run = parsed(compare_run().text());
    REQUIRE(run.figures.size() == 4);
    CHECK(label_of(run.figures[0], true) == "plain: throughput, MiB/s");
    CHECK(run.figures[0].value.p75 == doctest::Approx(2));
    CHECK(label_of(run.figures[1], true) == "fallback: throughput / plain");
    CHECK(run.figures[1].is_ratio);
    CHECK(run.figures[1].value.p25 == doctest::Approx(0.85));
    CHECK_FALSE(run.figures[2].is_ratio);
    CHECK(label_of(run.figures[3], true) == "control: memcpy, GB/s");
}

TEST_CASE("a run of the bench script is read as rows, of which those without a figure are left out") {
    const auto run = parsed(bench_run(
        R"({"name": "a", "unit": "ratio", "better": "higher", "median": 2, "p25": 1, "p75": 3},
           {"name": "b", "unit": "ns", "better": "lower", "median": null, "p25": null, "p75": null},
           {"name": "c", "unit": "ns", "better": "lower", "median": 2, "p25": 1, "p75": 3})"));
    REQUIRE(run.figures.size() == 2);
    CHECK(run.figures[0].is_ratio);
    CHECK(run.figures[1].name == "c, ns");
    CHECK(run.figures[1].better == better_when::lower);
    CHECK_FALSE(run.figures[1].is_ratio);
}

TEST_CASE("only ratios count as worse, and all that moved is told") {
    compare_run later{.ratio = "0.7", .quartiles = "[0.69, 0.71]", .cpu = "\"another\""};
    const auto diff = diff_of(parsed(compare_run().text()), parsed(later.text()));
    CHECK(diff.ratios() == 1);
    REQUIRE(diff.worse_ratios().size() == 1);
    CHECK(diff.worse_ratios()[0] == "fallback: throughput / plain");
    REQUIRE(diff.settings.size() == 1);
    CHECK(diff.settings[0] == "cpu was a CPU, is another");
    CHECK(contains(diff_text(diff), "0.778  worse"));
    CHECK(contains(diff_text(diff), "1 of 1 ratios got worse"));
    CHECK(diff_json(diff)["figures"][1]["verdict"] == "worse");
    CHECK(diff_json(diff)["ratios_worse"] == 1);

    const auto absolute = R"({"name": "a", "unit": "ns", "better": "lower", "median": )";
    const auto slower = diff_of(parsed(bench_run(std::string(absolute) + R"(1, "p25": 1, "p75": 1})")),
                                parsed(bench_run(std::string(absolute) + R"(2, "p25": 2, "p75": 2})")));
    CHECK(slower.figures[0].verdict == figure_verdict::worse);
    CHECK(slower.worse_ratios().empty());
}

TEST_CASE("what only one run has is a note") {
    const auto row = [](const char* name) {
        return fmt::format(
            R"({{"name": "{}", "unit": "ratio", "better": "higher", "median": 0, "p25": 0, "p75": 0}})",
            name);
    };
    const auto diff =
        diff_of(parsed(bench_run(row("a") + "," + row("b"))), parsed(bench_run(row("b") + "," + row("c"))));
    REQUIRE(diff.figures.size() == 1);
    CHECK(diff_json(diff)["figures"][0]["change"].is_null()); // from 0
    CHECK(diff.only_before == std::vector<std::string>{"a"});
    CHECK(diff.only_after == std::vector<std::string>{"c"});
    CHECK(contains(diff_text(diff), "Note: only in the first: a.\nNote: only in the second: c.\n"));
    const auto many = diff_of(
        parsed(bench_run(row("a") + "," + row("b") + "," + row("c") + "," + row("d") + "," + row("e"))),
        parsed(bench_run(row("a"))));
    CHECK(contains(diff_text(many), "only in the first: b; c; d and 1 more."));
}

TEST_CASE("runs of something else are not set beside each other") {
    const auto run = parsed(compare_run().text());
    CHECK(why_not_comparable(run, run).empty());
    CHECK(why_not_comparable(run, parsed(compare_run{.bs_bytes = "8192"}.text())) ==
          "bs_bytes was 4096, is 8192");
    CHECK(why_not_comparable(run, parsed(compare_run{.image_io = "\"by_size\""}.text())) ==
          "image_io of fallback was io_uring, is by_size");
    CHECK(why_not_comparable(parsed(compare_run{.more_options = R"(, "nomerges": false)"}.text()),
                             parsed(compare_run{.more_options = R"(, "nomerges": true)"}.text())) ==
          "nomerges was false, is true");
    CHECK(contains(why_not_comparable(run, parsed(bench_run(""))), "blkcrypto.bench"));
}

TEST_CASE("rows match by path and mode, which is named if the two runs have several") {
    const auto names_of = [](const run_diff& diff) {
        std::vector<std::string> names;
        for (const auto& figure : diff.figures)
            names.push_back(figure.name);
        return names;
    };
    const auto one = parsed(run_of_modes({"sm4-xts"}));
    CHECK(names_of(diff_of(one, one)) == std::vector<std::string>{"plain: IOPS", "inline: throughput / plain",
                                                                  "fallback: throughput / plain",
                                                                  "control: cipher, GB/s"});
    const auto two = parsed(run_of_modes({"adiantum", "sm4-xts"}, "0.5"));
    CHECK(names_of(diff_of(two, parsed(run_of_modes({"sm4-xts", "adiantum"})))) ==
          std::vector<std::string>{
              "plain: IOPS", "adiantum inline: throughput / plain", "adiantum fallback: throughput / plain",
              "sm4-xts inline: throughput / plain", "sm4-xts fallback: throughput / plain",
              "adiantum control: cipher, GB/s", "sm4-xts control: cipher, GB/s"});
    CHECK(why_not_comparable(one, two).empty());
    const auto diff = diff_of(one, two);
    CHECK(names_of(diff) == std::vector<std::string>{"plain: IOPS", "sm4-xts inline: throughput / plain",
                                                     "sm4-xts fallback: throughput / plain",
                                                     "sm4-xts control: cipher, GB/s"});
    CHECK(diff.worse_ratios().size() == 2);
    CHECK(diff.only_before.empty());
    CHECK(diff.only_after == std::vector<std::string>{"adiantum inline: throughput / plain",
                                                      "adiantum fallback: throughput / plain",
                                                      "adiantum control: cipher, GB/s"});
    CHECK(contains(diff_text(diff), "Note: implementation of adiantum was unknown, is adiantum_openssl.\n"));
}

TEST_CASE(
    "runs without a mode in common are not compared, nor are modes whose images were read another way") {
    const auto two = parsed(run_of_modes({"adiantum", "sm4-xts"}));
    CHECK(why_not_comparable(parsed(run_of_modes({"aes-256-xts"})), two) ==
          "mode was aes-256-xts, is adiantum,sm4-xts");
    CHECK(why_not_comparable(two, parsed(run_of_modes({"adiantum"}, "0.9", "by_size"))) ==
          "image_io of adiantum inline was io_uring, is by_size");
    CHECK(contains(why_refused(run_of_modes({"adiantum", "adiantum"})),
                   "adiantum inline: throughput / plain is there twice"));
    CHECK(contains(why_refused(run_of_modes({"adiantum", "\\u001b[2J"})), "cannot be shown"));
}

TEST_CASE("what was asked for and what only one run says are told, and do not refuse") {
    const auto settings = [](const std::string& before, const std::string& after) {
        const auto first = parsed(before);
        const auto second = parsed(after);
        CHECK(why_not_comparable(first, second).empty());
        return diff_of(first, second).settings;
    };
    const compare_run older{.image_io = "null"};
    const compare_run newer{.more_options = R"(, "nomerges": true)"};
    CHECK(settings(older.text(), newer.text()) ==
          std::vector<std::string>{"nomerges was unknown, is true",
                                   "image_io of fallback was unknown, is io_uring"});
    CHECK(settings(newer.text(), older.text()) ==
          std::vector<std::string>{"nomerges was true, is unknown",
                                   "image_io of fallback was io_uring, is unknown"});
    CHECK(settings(compare_run{.more_options = R"(, "image_io": "auto")"}.text(),
                   compare_run{.more_options = R"(, "image_io": "io_uring")"}.text()) ==
          std::vector<std::string>{"image_io was auto, is io_uring"});
    const auto on = [](const char* disk) {
        return fmt::format(
            R"({{"schema": "blkcrypto.bench", "version": 1, "options": {{"disk": "{}"}}, "rows": []}})",
            disk);
    };
    CHECK(settings(on("ext2/ext3"), on("xfs")) == std::vector<std::string>{"disk was ext2/ext3, is xfs"});
    const auto diff = diff_of(parsed(older.text()), parsed(newer.text()));
    CHECK(contains(diff_text(diff), "Note: nomerges was unknown, is true.\n"));
    CHECK(diff_json(diff)["settings"][0] == "nomerges was unknown, is true");
}

TEST_CASE("whatever is no stored run is refused with a reason") {
    CHECK(why_refused("") == "not JSON");
    CHECK(why_refused("{\"schema\": \"blkbench.compare\"") == "not JSON");
    CHECK(why_refused(std::string(1'000'000, '[')) == "not JSON");
    CHECK(contains(why_refused(std::string(100'000, '[') + std::string(100'000, ']')), "schema"));
    CHECK(contains(why_refused(std::string(stored_run::text_bytes_max + 1, ' ')), "larger"));
    for (const char* no_document :
         {"[]", "null", "1", "\"text\"", "{}", R"({"schema": 1})", R"({"schema": ""})"})
        CHECK(contains(why_refused(no_document), "schema"));
    CHECK(contains(why_refused(R"({"schema": "blkcrypto.modes", "version": 1})"), "schema blkcrypto.modes"));
    CHECK(contains(why_refused(R"({"schema": "blkbench.compare"})"), "version"));
    CHECK(contains(why_refused(compare_run{.version = "2"}.text()), "version 2"));
    CHECK(contains(why_refused(compare_run{.version = "1e400"}.text()), "not JSON"));
    CHECK(contains(why_refused(R"({"schema": "blkbench.compare", "version": 1})"), "paths"));
    CHECK(contains(why_refused(R"({"schema": "blkbench.compare", "version": 1, "paths": [1]})"), "path"));
    CHECK(contains(why_refused(compare_run{.ratio = "\"0.9\""}.text()), "ratio_to_plain"));
    for (const char* no_quartiles :
         {"[0.95, 0.85]", "[0.95, 0.99]", "[0.1, 0.2]", "[0.85]", "{}", "[null, 1]"})
        CHECK_FALSE(why_refused(compare_run{.quartiles = no_quartiles}.text()).empty());
}

TEST_CASE("names that a terminal would act on, double ones and endless lists are refused") {
    const auto row = [](const std::string& name, const std::string& better = "higher") {
        return fmt::format(
            R"({{"name": "{}", "unit": "ratio", "better": "{}", "median": 1, "p25": 1, "p75": 1}})", name,
            better);
    };
    CHECK(contains(why_refused(bench_run(row("\\u001b[2J"))), "cannot be shown"));
    CHECK(contains(why_refused(bench_run(row("\\u009b2J"))), "cannot be shown"));
    CHECK(contains(why_refused(bench_run(row(std::string(stored_run::name_bytes_max + 1, 'a')))),
                   "cannot be shown"));
    CHECK(contains(why_refused(bench_run(row("a") + "," + row("a"))), "a is there twice"));
    CHECK(contains(why_refused(bench_run(row("a", "both"))), "neither higher nor lower"));
    std::string rows = "0";
    for (std::size_t i = 0; i < stored_run::figures_max; ++i)
        rows += ",0";
    CHECK(contains(why_refused(bench_run(rows)), "too long"));
    const auto settings = parsed(compare_run{.cpu = "\"\\u001b[2J\""}.text()).setting;
    const auto cpu = std::ranges::find(settings, "cpu", &stored_fact::name);
    REQUIRE(cpu != settings.end());
    CHECK(cpu->value == "something that cannot be shown");
}
