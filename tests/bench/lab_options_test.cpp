// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_options.hpp"

#include "bench/lab/known_strategies.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "tests/bench/scratch_directory.hpp"
#include "tests/support/test_cipher.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

using namespace blkcrypto;
using namespace blkcrypto::bench;

namespace {

constexpr std::uint64_t random_seed_here = 77;

strategy_list known_here(std::span<const fsdemo::strategy_info> own = {}) {
    std::string why;
    auto known = known_strategies(own, why);
    CHECK(why.empty());
    return known;
}

lab_options check(const lab_arguments& typed) {
    return typed.check(known_here(), random_seed_here);
}

lab_arguments typed_with(std::string lab_arguments::*option, const std::string& text) {
    lab_arguments typed;
    typed.*option = text;
    return typed;
}

std::string why_refused(const lab_arguments& typed) {
    try {
        (void)check(typed);
    } catch (const cli::program_error& refused) {
        CHECK(refused.exit_code() == cli::exit_unusable);
        CHECK(std::string_view(refused.what()).find('\n') == std::string_view::npos);
        return refused.what();
    }
    return {};
}

std::string why_refused(std::string lab_arguments::*option, const std::string& text) {
    return why_refused(typed_with(option, text));
}

bool begins_with(const std::string& text, std::string_view start) {
    return text.starts_with(start);
}

} // namespace

TEST_CASE("nothing typed is all strategies over 256 files of 16 extents, by zipf:0.99, 20000 I/Os a round") {
    const auto options = check({});
    CHECK(options.strategies == known_here());
    CHECK(options.image.path.empty());
    CHECK(options.image.extents() == 4096);
    CHECK(options.image.extent_bytes == 4096);
    CHECK(options.image.modes == std::vector{find_mode(crypto_mode::aes_256_xts)});
    CHECK(options.workload.access.kind == access_kind::zipf);
    CHECK(options.workload.access.skew == 0.99);
    CHECK(options.workload.access.read_percent == 50);
    CHECK(options.workload.ios == 20'000);
    CHECK(options.workload.runtime_ms == 0);
    CHECK(options.workload.rounds == 7);
    CHECK(options.workload.seed == random_seed_here);
    CHECK(options.strategy.pool_size == 128);
    CHECK(options.strategy.keyslots == 100);
    CHECK(options.strategy.memory_limit_bytes == std::uint64_t{512} << 20);
    CHECK(options.derived_keys == 0);
    CHECK(options.extent_infos == 1024);
    CHECK(options.engine.name == "ufs-std");
    CHECK(options.engine.keyslots == find_engine_profile("ufs-std")->keyslots);
    CHECK(options.record.empty());
}

TEST_CASE("a number of keyslots is the fallback's, and the engine's in place of its own") {
    const auto options = check(typed_with(&lab_arguments::keyslots, "7"));
    CHECK(options.strategy.keyslots == 7);
    CHECK(options.engine.keyslots == 7);
    auto typed = typed_with(&lab_arguments::engine, "samsung-fmp"); // it has none: the key is in each command
    REQUIRE(check(typed).engine.keyslots == 0);
    typed.keyslots = "7";
    CHECK(check(typed).engine.keyslots == 0);
}

TEST_CASE("all strategies are a word of their own, which a list does not have") {
    CHECK(check(typed_with(&lab_arguments::strategies, "all")).strategies == known_here());
    for (const char* list : {"all,prepared-map", "prepared-map,all", "all,all"})
        CHECK(why_refused(&lab_arguments::strategies, list) ==
              "--strategies: all stands alone: it has the others");
    CHECK(why_refused(&lab_arguments::strategies, "every").ends_with(", inline-hardware, all"));
}

TEST_CASE("strategies are those named, in that order, and each is refused twice or unknown") {
    const auto options = check(typed_with(&lab_arguments::strategies, "prepared-map,full-in-io"));
    CHECK(options.strategies ==
          std::vector{fsdemo::find_strategy("prepared-map"), fsdemo::find_strategy("full-in-io")});
    CHECK(begins_with(why_refused(&lab_arguments::strategies, "full-in-io,pool"),
                      "--strategies: 'pool' is not one of full-in-io, nofs-in-io, all-at-open,"));
    CHECK(begins_with(why_refused(&lab_arguments::strategies, "full-in-io,"),
                      "--strategies: '' is not one of"));
    CHECK(why_refused(&lab_arguments::strategies, "full-in-io,full-in-io") ==
          "--strategies: full-in-io is there twice");
}

TEST_CASE("strategies of somebody else's are offered behind the eleven, if their names can be told apart") {
    using info = fsdemo::strategy_info;
    const auto named = [](std::string_view name) {
        return info{.name = name, .at_open = {}, .in_io = {}, .make = &fsdemo::make_full_in_io};
    };
    const std::array own{named("mine"), named("other")};
    const auto known = known_here(own);
    REQUIRE(known.size() == 13);
    CHECK(known[11] == &own[0]);
    const auto typed = typed_with(&lab_arguments::strategies, "mine");
    CHECK(typed.check(known, 1).strategies == std::vector{&own[0]});
    CHECK(why_refused(typed).find("'mine' is not one of") != std::string::npos);
    const auto why_not = [&](std::string_view name) {
        const std::array taken{own[0], named(name)};
        std::string why;
        (void)known_strategies(taken, why);
        return why;
    };
    CHECK(why_not("yours").empty());
    CHECK(why_not("mine") == "strategy 'mine': the name is taken");
    CHECK(why_not("prepared-map") == "strategy 'prepared-map': the name is taken");
    for (const char* name : {"", "a,b", "a b"})
        CHECK(why_not(name) ==
              fmt::format("strategy '{}': such a name cannot be typed in --strategies", name));
    CHECK(why_not("all") == "strategy 'all': the name is taken");
    CHECK(why_not("single-key") == "strategy 'single-key': the name is taken"); // the control's
    for (const char* name : {"a\tb", "a\nb", "\x1b[2J", "a\x7f", "\xc3\xb6"})
        CHECK(why_not(name).ends_with("such a name cannot be typed in --strategies"));
    auto loud = named("loud");
    loud.in_io = "rings\a";
    std::string why;
    (void)known_strategies(std::span(&loud, 1), why);
    CHECK(why == "strategy 'loud': what it says of itself is not printable ASCII");
}

TEST_CASE("what is accessed is said by name, skew or trace, and anything else is refused") {
    CHECK(check(typed_with(&lab_arguments::access, "uniform")).workload.access.kind == access_kind::uniform);
    CHECK(check(typed_with(&lab_arguments::access, "sequential")).workload.access.kind ==
          access_kind::sequential);
    for (const double skew : {0.01, 1.0, 5.0})
        CHECK(check(typed_with(&lab_arguments::access, fmt::format("zipf:{}", skew))).workload.access.skew ==
              skew);
    for (const char* skew : {"0", "-1", "5.01", "nan", "inf", "1x", "", " 1", "1e99999", "0x1"}) {
        CAPTURE(skew);
        CHECK(why_refused(&lab_arguments::access, std::string("zipf:") + skew) ==
              fmt::format("--access: '{}' is not a skew above 0, up to 5", skew));
    }
    for (const char* access : {"", "zipf", "random", "zipf0.9", "trace"})
        CHECK(why_refused(&lab_arguments::access, access) ==
              fmt::format("--access: '{}' is not one of uniform, sequential, zipf:T, trace:FILE", access));
}

TEST_CASE("numbers out of range are refused by the option's name") {
    struct refusal {
        std::string lab_arguments::*option;
        const char* name;
        std::vector<const char*> texts;
    };
    const std::vector<refusal> refusals{
        {&lab_arguments::files, "--files", {"0", "4294967296", "1k", "-1", ""}},
        {&lab_arguments::extents_per_file, "--extents-per-file", {"0", "4294967296", "x"}},
        {&lab_arguments::keys, "--keys", {"0", "1025"}},
        {&lab_arguments::reads, "--reads", {"101", "-1", "50.5"}},
        {&lab_arguments::bs, "--bs", {"0", "1k", "6k", "4097", "x", "99999999999t"}},
        {&lab_arguments::iodepth, "--iodepth", {"0", "4097"}},
        {&lab_arguments::numjobs, "--numjobs", {"0", "257"}},
        {&lab_arguments::ios, "--ios", {"0", "x", "18446744073709551616"}},
        {&lab_arguments::runtime, "--runtime", {"0", "49ms", "0.5", "86401"}},
        {&lab_arguments::rounds, "--rounds", {"0", "10001"}},
        {&lab_arguments::pool_size, "--pool-size", {"0", "65537"}},
        {&lab_arguments::keyslots, "--keyslots", {"0", "1025"}},
        {&lab_arguments::derived_key_cache, "--derived-key-cache", {"x", "1048577"}},
        {&lab_arguments::extent_infos, "--extent-infos", {"31", "131073", "x"}},
        {&lab_arguments::memory_limit, "--memory-limit", {"x", "16777216t"}},
        {&lab_arguments::seed, "--seed", {"x", "18446744073709551616"}}};
    for (const auto& [option, name, texts] : refusals) {
        for (const char* text : texts) {
            const std::string why = why_refused(option, text);
            CAPTURE(text);
            CAPTURE(why);
            CHECK(begins_with(why, std::string(name) + ": '"));
        }
    }
}

TEST_CASE(
    "the extent infos that are kept depend on no strategy's size, and are enough for the I/Os in flight") {
    auto typed = typed_with(&lab_arguments::pool_size, "65536");
    typed.keyslots = "1024";
    CHECK(check(typed).extent_infos == 1024);
    typed.iodepth = "4096";
    CHECK(check(typed).extent_infos == 4096);
    CHECK(check(typed_with(&lab_arguments::extent_infos, "32")).extent_infos == 32);
    CHECK(check(typed_with(&lab_arguments::extent_infos, "131072")).extent_infos == 131072);
}

TEST_CASE("the edges of the ranges are taken") {
    CHECK(check(typed_with(&lab_arguments::bs, "128m")).image.extent_bytes == 128U << 20);
    CHECK(why_refused(&lab_arguments::bs, "134221824") ==
          "--bs: '134221824' is more than the longest extent, 128m");
    CHECK(check(typed_with(&lab_arguments::pool_size, "65536")).strategy.pool_size == 65536);
    CHECK(check(typed_with(&lab_arguments::keyslots, "1024")).strategy.keyslots == 1024);
    CHECK(check(typed_with(&lab_arguments::memory_limit, "0")).strategy.memory_limit_bytes == 0);
    CHECK(check(typed_with(&lab_arguments::seed, "18446744073709551615")).workload.seed == ~std::uint64_t{0});
}

TEST_CASE("more than the image can hold, and jobs or keys without a file, are refused") {
    auto typed = typed_with(&lab_arguments::files, "65537");
    typed.extents_per_file = "65536";
    CHECK(why_refused(typed) == "--files x --extents-per-file: 4295032832 extents are more than 4294967296");
    typed.files = "4294967295";
    typed.extents_per_file = "4294967295";
    CHECK(why_refused(typed) ==
          "--files x --extents-per-file: 18446744065119617025 extents are more than 4294967296");
    typed.files = "65536";
    typed.extents_per_file = "8192";
    CHECK(why_refused(typed) ==
          "--files x --extents-per-file x --bs: 2t are more than an image can have, 1t");
    auto few = typed_with(&lab_arguments::files, "3");
    few.numjobs = "4";
    CHECK(why_refused(few) == "--numjobs: 4 jobs, but only 3 files");
    few.numjobs = "3";
    CHECK(check(few).strategy.lanes == 3);
    few.keys = "4";
    CHECK(why_refused(few) == "--keys x --modes: 4 pairs of key and mode, but only 3 files");
    auto deep = typed_with(&lab_arguments::iodepth, "4096");
    deep.numjobs = "2";
    deep.bs = "128m";
    CHECK(begins_with(why_refused(deep), "--numjobs x --iodepth x --bs: buffers of 1t are more"));
    deep.numjobs = "3";
    CHECK(why_refused(deep) == "--numjobs x --iodepth: 12288 I/Os in flight are more than 8192");
}

TEST_CASE("infos, derived keys and buffers of all jobs together are no more than half of the memory") {
    const auto half_bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                            static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) / 2;
    auto typed = typed_with(&lab_arguments::numjobs, "256"); // of 32 I/Os: 8192 buffers
    const std::uint64_t buffer_bytes =
        std::min<std::uint64_t>(half_bytes / 8192 / 4096 * 4096 - 16384, 128U << 20);
    typed.bs = fmt::format("{}", buffer_bytes);
    typed.extents_per_file = "1";
    CHECK(check(typed).workload.jobs == 256);
    const bool is_small = half_bytes < std::uint64_t{1} << 40;
    const auto is_refused = [&] {
        return begins_with(why_refused(typed), "--numjobs, --extent-infos, --derived-key-cache: "
                                               "infos, keys and buffers of ");
    };
    typed.derived_key_cache = "1048576";
    CHECK(is_refused() == is_small);
    typed.derived_key_cache = "0";
    typed.extent_infos = "131072";
    CHECK(is_refused() == is_small);
}

TEST_CASE("a size of what no chosen strategy has is refused, and taken if one of them has it") {
    auto typed = typed_with(&lab_arguments::pool_size, "8");
    typed.strategies = "full-in-io,fallback-keyslots";
    CHECK(why_refused(typed) == "--pool-size: none of the strategies has a use for it");
    typed.strategies += ",pool-global";
    CHECK(check(typed).strategy.pool_size == 8);
    typed.keyslots = "8";
    for (const char* having : {"pool-global,fallback-keyslots", "pool-global,inline-hardware"}) {
        typed.strategies = having;
        CHECK(check(typed).strategy.keyslots == 8);
    }
    typed.engine = "samsung-fmp"; // the key is in each command
    CHECK(why_refused(typed) == "--keyslots: none of the strategies has a use for it");
    typed.strategies += ",fallback-keyslots";
    CHECK(check(typed).strategy.keyslots == 8);
    typed.strategies = "pool-global,library-key";
    CHECK(why_refused(typed) == "--keyslots: none of the strategies has a use for it");
    typed.keyslots.clear();
    CHECK(why_refused(typed) == "--engine: none of the strategies has a use for it");
    typed.engine.clear();
    CHECK(check(typed).strategy.keyslots == 100);
}

TEST_CASE("how long it takes is said in I/Os or in time, divided by the rounds") {
    auto typed = typed_with(&lab_arguments::runtime, "2");
    typed.rounds = "4";
    CHECK(check(typed).workload.runtime_ms == 500);
    CHECK(check(typed).workload.ios == 0);
    typed.ios = "100";
    CHECK(why_refused(typed) == "--ios: not beside --runtime");
    typed.runtime.clear();
    CHECK(check(typed).workload.ios == 100);
}

TEST_CASE("a mode that is unknown, there twice or without an implementation is refused by its name") {
    CHECK(
        begins_with(why_refused(&lab_arguments::modes, "aes"), "--modes: 'aes' is not one of aes-256-xts,"));
    CHECK(why_refused(&lab_arguments::modes, "adiantum,adiantum") == "--modes: adiantum is there twice");
    const test::missing_mode no_adiantum(crypto_mode::adiantum);
    CHECK(why_refused(&lab_arguments::modes, "adiantum") ==
          "--modes: no implementation of adiantum here (ENOPKG)");
}

TEST_CASE("the engine has to have the modes and data units only if a strategy leaves it to the device") {
    const test::second_mode has_adiantum(crypto_mode::adiantum);
    auto typed = typed_with(&lab_arguments::modes, "aes-256-xts,adiantum");
    CHECK(check(typed).engine.name == "generic");
    typed.engine = "ufs-std";
    CHECK(why_refused(typed) ==
          "engine ufs-std: it does not have the mode adiantum; --engine generic has (EOPNOTSUPP)");
    typed.strategies = "prepared-map,fallback-keyslots";
    CHECK(why_refused(typed) == "--engine: none of the strategies has a use for it");
    typed.engine.clear();
    CHECK(check(typed).engine.name == "generic");
    CHECK(
        begins_with(why_refused(&lab_arguments::engine, "nvme"), "--engine: 'nvme' is not one of ufs-std,"));
}

TEST_CASE("a trace is read, is as long as its I/Os, and its file is refused with the line that is wrong") {
    const test::scratch_directory scratch;
    const auto trace = scratch.write("trace", "# a run\n0\n4095\n\n17\n");
    auto typed = typed_with(&lab_arguments::access, "trace:" + trace);
    CHECK(check(typed).workload.access.trace == std::vector<std::uint32_t>{0, 4095, 17});
    CHECK(check(typed).workload.ios == 3);
    typed.numjobs = "2"; // all three are of file 0, 255 and 1
    CHECK(check(typed).workload.ios == 2);
    typed.numjobs = "3";
    CHECK(why_refused(typed) == "--access: the trace has no key of job 2's files, those with number % 3 = 2");
    typed.numjobs = "2";
    typed.ios = "50";
    CHECK(check(typed).workload.ios == 50);
    scratch.write("trace", "0\n4096\n");
    CHECK(why_refused(typed) == trace + ":2: there is no key 4096, only those from 0 to 4095");
    typed.access = "trace:" + scratch.path("none");
    CHECK(why_refused(typed).find("(ENOENT)") != std::string::npos);
    typed.access = "trace:";
    CHECK(why_refused(typed) == "--access: trace: without the name of a file behind it");
}

TEST_CASE("a time says which units there are when it has another") {
    for (const char* text : {"0", "0.5", "1h", "500us", "1s", "ms", "0ms", " 1", "-1", "86401", "86400001ms",
                             "18446744073709551616"}) {
        CAPTURE(text);
        CHECK(
            why_refused(&lab_arguments::runtime, text) ==
            fmt::format("--runtime: '{}' is no whole number of seconds up to 86400, or of milliseconds as in "
                        "500ms",
                        text));
    }
    CHECK(check(typed_with(&lab_arguments::runtime, "700ms")).workload.runtime_ms == 100);
}

TEST_CASE("a record is a file that can be made, and neither the image nor the trace by whatever name") {
    const test::scratch_directory scratch;
    const auto trace = scratch.write("trace", "1\n");
    auto typed = typed_with(&lab_arguments::access, "trace:" + trace);
    typed.record = scratch.path("record");
    CHECK(check(typed).record == typed.record);
    CHECK(!scratch.has("record")); // nothing is made yet
    typed.record = scratch.path("./trace");
    CHECK(why_refused(typed) == fmt::format("--record: {} is the trace {}", typed.record, trace));
    scratch.link("trace", "other_name");
    typed.record = scratch.path("other_name");
    CHECK(why_refused(typed) == fmt::format("--record: {} is the trace {}", typed.record, trace));
    typed.access = "uniform";
    CHECK(why_refused(typed).empty());
    typed.filename = scratch.path("image");
    typed.record = scratch.path("./image"); // neither is there
    CHECK(why_refused(typed) == fmt::format("--record: {} is the image {}", typed.record, typed.filename));
    typed.record = scratch.path("none/record");
    CHECK(why_refused(typed) == typed.record + ": No such file or directory (ENOENT)");
    typed.record = scratch.path("trace/record");
    CHECK(why_refused(typed) == typed.record + ": Not a directory (ENOTDIR)");
    typed.record = scratch.path("");
    CHECK(why_refused(typed).find("(EISDIR)") != std::string::npos);
    typed.record = "-";
    CHECK(why_refused(typed) == "--record: '-' is not the name of a file");
}
