// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_figures.hpp"
#include "tests/bench/claim_checks.hpp"
#include "tests/support/test_cipher.hpp"

using namespace blkcrypto;
using namespace blkcrypto::bench;
using namespace blkcrypto::test;

namespace {

// So much of an I/O's 10 us.
void set_waits(made_up_lab& lab, std::string_view name, std::uint64_t percent) {
    constexpr auto wait = static_cast<std::size_t>(io_part::wait);
    constexpr auto rest = static_cast<std::size_t>(io_part::rest);
    lab.change(name, [&](lab_turn_result& turn) {
        turn.attribution.part_ns[wait] = percent * 10'000;
        turn.attribution.part_ns[rest] = 100'000 - percent * 10'000;
    });
}

} // namespace

TEST_CASE("S4 says which of map and pool did more, or that the rounds tell no difference") {
    made_up_lab lab("prepared-map,pool-global");
    CHECK_SAYS(lab.claim(4), "times the IOPS of pool-global, which these rounds cannot tell from none.");
    lab.make_faster("prepared-map", 1.3);
    CHECK_SAYS(lab.claim(4), "it did 1.30 (1.30-1.30) times the IOPS of pool-global. The map paid.");
    lab.make_faster("prepared-map", 1 / 1.69);
    CHECK_SAYS(lab.claim(4), "0.769 (0.769-0.769) times the IOPS of pool-global. The map cost more than it "
                             "saved.");
    CHECK_SAYS(lab.claim(4), "prepared-map had the key in place in 75 % of its uses, pool-global in 75 %");
    check_missing(made_up_lab("prepared-map").claim(4), "pool-global was not run (--strategies)");
}

TEST_CASE("S4 does not give the map what its hits cannot explain") {
    made_up_lab lab("prepared-map,pool-global");
    lab.make_faster("prepared-map", 1.3);
    lab.change("prepared-map", [](lab_turn_result& turn) { turn.tfm_use = {.hits = 99, .misses = 901}; });
    CHECK_SAYS(lab.claim(4), "it is not the map that paid.");
    lab.change("prepared-map", [](lab_turn_result& turn) { turn.tfm_use = {.hits = 100, .misses = 900}; });
    CHECK_SAYS(lab.claim(4), "The map paid.");
}

TEST_CASE("S5 has the memory of the pools, their speed, and the waits of the shared one in any round") {
    lab_arguments typed;
    typed.numjobs = "2";
    made_up_lab lab("pool-per-file,pool-global,pool-per-master-key", typed);
    lab.change("pool-per-file", [](lab_turn_result& turn) { turn.figures.pinned_bytes = 32 << 20; });
    CHECK_SAYS(lab.claim(5),
               "pool-per-file pinned 32 MiB; pool-global 128 KiB, pool-per-master-key 128 KiB, of "
               "256 files opened. pool-global did 1.00 (1.00-1.00) times the IOPS of pool-per-file, which "
               "these rounds cannot tell from none. pool-global never waited, of 128 transforms for 2 jobs.");
    lab.change("pool-global", [](lab_turn_result& turn) { turn.figures.pinned_bytes = 64 << 10; });
    lab.of("pool-global").rounds[1].tfm_use.waits = 700; // the only one: the median of the rounds is 0
    set_waits(lab, "pool-per-file", 2);
    set_waits(lab, "pool-global", 6);
    CHECK_SAYS(
        lab.claim(5),
        fmt::format(
            "pool-global waited 700 times in {} I/Os of all rounds; waiting was 6 % of an I/O's "
            "time, with pool-per-file 2 %. A shrinker could take 64 KiB back from it. Too much memory: shown. "
            "A bottleneck: not shown.",
            20'000 * lab.of("pool-global").rounds.size()));
    lab.stop("pool-per-file", true);
    CHECK_SAYS(lab.claim(5), "pool-per-file stopped at the memory limit of 512 MiB");
    CHECK_SAYS(lab.claim(5), "Too much memory: shown.");
    lab.stop("pool-per-file", false);
    CHECK(!lab.claim(5).is_shown());
    check_missing(made_up_lab("pool-per-file,pool-per-master-key").claim(5),
                  "pool-global was not run (--strategies)");
    check_missing(made_up_lab("pool-global").claim(5), "pool-per-file was not run (--strategies)");
}

TEST_CASE("S5 is shown by waits that matter, not by a few, and by no wait of a pool that was faster") {
    lab_arguments typed;
    typed.numjobs = "2";
    made_up_lab lab("pool-per-file,pool-global", typed);
    const auto verdict = [&] { return lab.claim(5).verdict; };
    lab.change("pool-per-file", [](lab_turn_result& turn) { turn.figures.pinned_bytes = 32 << 20; });
    lab.of("pool-global").rounds[3].tfm_use.waits = 1;
    CHECK(verdict() == claim_verdict::not_shown); // one in all rounds
    lab.change("pool-global", [](lab_turn_result& turn) { turn.tfm_use.waits = 700; });
    set_waits(lab, "pool-per-file", 4);
    set_waits(lab, "pool-global", 8);
    CHECK(verdict() == claim_verdict::not_shown);
    set_waits(lab, "pool-global", 9);
    CHECK(verdict() == claim_verdict::shown);
    lab.make_faster("pool-global", 1.2);
    CHECK(verdict() == claim_verdict::against);
    CHECK_SAYS(lab.claim(5), "Too much memory: shown. A bottleneck: against.");
    lab.make_faster("pool-global", 0.5);
    set_waits(lab, "pool-global", 4);
    CHECK(verdict() == claim_verdict::shown); // slower
    CHECK_SAYS(lab.claim(5), "Too much memory: shown. A bottleneck: shown.");
    lab.change("pool-per-file", [](lab_turn_result& turn) { turn.figures.pinned_bytes = 1 << 10; });
    CHECK(verdict() == claim_verdict::against);
    CHECK_SAYS(lab.claim(5), "Too much memory: against. A bottleneck: shown.");
}

TEST_CASE("S5 has its second half from several jobs alone, whoever is faster with one") {
    made_up_lab lab("pool-per-file,pool-global");
    lab.change("pool-per-file", [](lab_turn_result& turn) { turn.figures.pinned_bytes = 32 << 20; });
    CHECK_SAYS(lab.claim(5), "pool-global never waited, but one job cannot make a pool wait");
    CHECK_SAYS(lab.claim(5), "(--numjobs 2 or more can)");
    for (const double factor : {1.0, 2.0, 0.25}) {
        lab.make_faster("pool-global", factor);
        CHECK_SAYS(lab.claim(5), "Too much memory: shown. A bottleneck: one job cannot test it.");
        CHECK(lab.claim(5).verdict == claim_verdict::not_shown);
    }
    lab.stop("pool-per-file", true);
    CHECK(lab.claim(5).verdict == claim_verdict::not_shown);
}

TEST_CASE("S9 sets the keyslots against the map, and the cost of a miss against a cached derived key") {
    made_up_lab lab("prepared-map,fallback-keyslots");
    lab.change("prepared-map", [](lab_turn_result& turn) { turn.tfm_use.hits = 45'000; });
    const auto same = lab.claim(9);
    CHECK_SAYS(
        same,
        "fallback-keyslots had the key in place in 75 % of its uses (100 slots), prepared-map in 90 "
        "% (a pool of 128); the keyslots did 1.00 (1.00-1.00) times the IOPS of prepared-map, which these "
        "rounds cannot tell from none.");
    CHECK_SAYS(same,
               "A miss of its cost 1.50 us to derive and 500 ns to set: deriving is 75 % of a miss's derive "
               "and setkey. A cache of derived keys can spare that; there was none in this run "
               "(--derived-key-cache).");
    lab.make_faster("fallback-keyslots", 0.8);
    CHECK_SAYS(lab.claim(9), "the keyslots did 0.800 (0.800-0.800) times the IOPS of prepared-map. A miss");
    lab.options.derived_keys = 4096;
    lab.change("fallback-keyslots",
               [](lab_turn_result& turn) { turn.derived_keys = {.hits = 4000, .misses = 1000}; });
    CHECK_SAYS(
        lab.claim(9),
        "A miss of its cost 1.50 us to derive and 500 ns to set, with a cache of 4096 derived keys that had "
        "80 % of the keys asked for; one that is not there takes");
    check_missing(made_up_lab("fallback-keyslots").claim(9), "prepared-map was not run (--strategies)");
    lab.options.strategy.keyslots = 1;
    CHECK_SAYS(lab.claim(9), "(1 slot), prepared-map");
}

TEST_CASE("S9 takes keyslots that are no worse than the map, and derived keys that were kept and used") {
    made_up_lab lab("prepared-map,fallback-keyslots");
    const auto verdict = [&] { return lab.claim(9).verdict; };
    CHECK(verdict() == claim_verdict::not_shown); // no keys were kept
    lab.options.derived_keys = 4096;
    CHECK(verdict() == claim_verdict::not_shown); // and none was asked for again
    CHECK_SAYS(lab.claim(9), "with a cache of 4096 derived keys that had 0 % of the keys asked for");
    for (auto& round : lab.of("fallback-keyslots").rounds)
        round.derived_keys = {.hits = 5, .misses = 95};
    CHECK(verdict() == claim_verdict::not_shown); // too few to pay
    for (auto& round : lab.of("fallback-keyslots").rounds)
        round.derived_keys = {.hits = 10, .misses = 90};
    CHECK(verdict() == claim_verdict::shown);
    lab.make_faster("fallback-keyslots", 1.5);
    CHECK(verdict() == claim_verdict::shown);
    lab.make_faster("fallback-keyslots", 0.4);
    CHECK(verdict() == claim_verdict::against);
    CHECK_SAYS(lab.claim(9), "As a map the keyslots did less.");
    const auto few_hits = [](lab_turn_result& turn) { turn.tfm_use = {.hits = 99, .misses = 901}; };
    lab.change("fallback-keyslots", few_hits); // the map still has its own
    CHECK(verdict() == claim_verdict::against);
    lab.change("prepared-map", few_hits);
    CHECK(verdict() == claim_verdict::not_shown);
    CHECK_SAYS(lab.claim(9), "With so few hits neither is a map.");
    lab.make_faster("fallback-keyslots", 5);
    CHECK(verdict() == claim_verdict::not_shown);
    lab.change("prepared-map", [](lab_turn_result& turn) { turn.tfm_use = {.hits = 100, .misses = 900}; });
    CHECK(verdict() == claim_verdict::shown);
    lab.of("fallback-keyslots").rounds.resize(5);
    CHECK(verdict() == claim_verdict::not_shown);
    lab.options.derived_keys = 0;
    lab.change("fallback-keyslots", [](lab_turn_result& turn) { turn.attribution.setups = 0; });
    CHECK_SAYS(lab.claim(9), "No key had to be set up, and no derived key was kept (--derived-key-cache).");
}

TEST_CASE("S9 says which of its sides all modes share") {
    const test::second_mode has_adiantum(crypto_mode::adiantum);
    lab_arguments typed;
    typed.modes = "aes-256-xts,adiantum";
    const made_up_lab lab("prepared-map,fallback-keyslots", typed);
    CHECK_SAYS(lab.claim(9), "(100 slots shared by 2 modes), prepared-map in 75 % (a pool of 128 for each "
                             "of them);");
}
