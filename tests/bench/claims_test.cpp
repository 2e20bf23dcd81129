// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_figures.hpp"
#include "tests/bench/claim_checks.hpp"
#include "tests/support/test_cipher.hpp"

using namespace blkcrypto;
using namespace blkcrypto::bench;
using namespace blkcrypto::test;

TEST_CASE("there is a finding for each of S1 to S9, a sentence with its end") {
    for (const char* strategies : {all_of_them, "library-key", "full-in-io,prepared-map"}) {
        const auto claims = made_up_lab(strategies).claims();
        REQUIRE(claims.size() == 9);
        for (std::size_t i = 0; i < claims.size(); ++i) {
            CHECK(claims[i].claim == fmt::format("S{}", i + 1));
            CHECK(!claims[i].says.empty());
            CHECK(claims[i].shows.size() > 40);
            CHECK((claims[i].verdict == claim_verdict::not_shown) ==
                  claims[i].shows.starts_with("this run does not show it: "));
        }
    }
}

TEST_CASE("S1 counts what full-in-io allocates in the I/O path, and has nothing to show if that is nothing") {
    made_up_lab lab("full-in-io,fallback-keyslots");
    check_missing(lab.claim(1), "full-in-io asked for no transform in the I/O path; I/O to extents that "
                                "have none yet would");
    lab.change("full-in-io", [](lab_turn_result& turn) {
        turn.figures.io_allocations = 5000;
        turn.figures.io_allocated_bytes = 3 << 20;
        turn.modules_loaded_in_io = 1;
        turn.first_byte_ns = 90'000;
        turn.attribution.part_ns[static_cast<std::size_t>(io_part::allocate)] = 100 * 700;
        turn.attribution.part_ns[static_cast<std::size_t>(io_part::rest)] -= 100 * 700;
    });
    const auto finding = lab.claim(1);
    CHECK_SAYS(finding,
               "full-in-io asked for 5000 transforms (3 MiB) in the I/O path in a round, 0.250 an I/O, "
               "and loaded 1 module there.");
    CHECK_SAYS(finding, "Allocating was 700 ns of an I/O, 7 % of its time.");
    CHECK_SAYS(finding,
               "The first byte came after 90 us, later than with fallback-keyslots (60 us). The deadlock");
    lab.change("full-in-io", [](lab_turn_result& turn) { turn.first_byte_ns = 40'000; });
    CHECK_SAYS(lab.claim(1), "The first byte came after 40 us, sooner than with fallback-keyslots (60 us).");
    lab.change("full-in-io", [](lab_turn_result& turn) { turn.first_byte_ns = 60'000; });
    CHECK_SAYS(lab.claim(1),
               "The first byte came after 60 us, with fallback-keyslots after 60 us; these rounds "
               "cannot tell who was sooner.");
    CHECK_SAYS(finding, "The deadlock itself is no matter of time.");
    made_up_lab alone("full-in-io");
    alone.result.strategies = {lab.of("full-in-io")};
    CHECK(!says(alone.claim(1), "first byte"));
    check_missing(made_up_lab("prepared-map").claim(1), "full-in-io was not run (--strategies)");
}

TEST_CASE("S2 sets the open of all-at-open against prepared-map's, and says so when it is not the dearer") {
    made_up_lab lab("all-at-open,prepared-map");
    lab.change("all-at-open", [](lab_turn_result& turn) {
        turn.open_ns *= 40;
        turn.figures.pinned_bytes = 4 << 20;
    });
    const auto dear = lab.claim(2);
    CHECK_SAYS(
        dear, "A file of 16 extents took 800 us to open and pinned 16 KiB with all-at-open (50 us and 1 KiB "
              "an extent), 40.0 (40.0-40.0) times the 20 us of prepared-map. All 256 files together pinned 4 "
              "MiB, with prepared-map 128 KiB whatever their number (a pool of 128 for each mode).");
    CHECK(!says(dear, "no more here"));
    CHECK(!says(dear, "not slower"));
    CHECK(dear.verdict == claim_verdict::shown);
    lab.change("all-at-open", [](lab_turn_result& turn) {
        turn.open_ns /= 80;
        turn.figures.pinned_bytes = 1 << 10;
    });
    const auto cheap = lab.claim(2);
    CHECK_SAYS(cheap, "All-at-open was not slower to open here.");
    CHECK_SAYS(cheap, "All 256 files together pinned 1 KiB, with prepared-map 128 KiB whatever");
    CHECK_SAYS(cheap, "All-at-open pinned no more here.");
}

TEST_CASE("S2 calls no time shorter that the rounds cannot tell, and memory alone does not show it") {
    made_up_lab lab("all-at-open,prepared-map");
    lab.change("all-at-open", [](lab_turn_result& turn) { turn.figures.pinned_bytes = 4 << 20; });
    CHECK_SAYS(lab.claim(2), "The difference in time these rounds cannot tell from none.");
    CHECK(!says(lab.claim(2), "not slower"));
    CHECK(lab.claim(2).verdict == claim_verdict::not_shown);
    lab.change("all-at-open", [](lab_turn_result& turn) { turn.open_ns /= 2; });
    CHECK(lab.claim(2).verdict == claim_verdict::against);
}

TEST_CASE("S2 is shown by a stop at the memory limit, and not by a stop for another reason") {
    made_up_lab lab("all-at-open,prepared-map");
    lab.stop("all-at-open", true);
    CHECK_SAYS(lab.claim(2),
               "all-at-open stopped at the memory limit of 512 MiB, opening file 201 of 256: it "
               "had 3200 transforms, 3 MiB. prepared-map opened all 256 files and pinned 128 KiB.");
    CHECK(lab.claim(2).verdict == claim_verdict::shown);
    lab.stop("all-at-open", false, make_error(EIO));
    check_missing(lab.claim(2), "all-at-open stopped with EIO, opening file 201 of 256: it had 3200 "
                                "transforms, 3 MiB");
    check_missing(made_up_lab("library-key").claim(2), "all-at-open was not run (--strategies); prepared-map "
                                                       "was not run (--strategies)");
}

TEST_CASE("S2 is not shown by a limit that nobody opens all files under") {
    made_up_lab lab("all-at-open,prepared-map,fallback-keyslots");
    lab.stop("all-at-open", true);
    lab.stop("prepared-map", true);
    CHECK_SAYS(lab.claim(2), "fallback-keyslots opened all 256 files and pinned 128 KiB.");
    CHECK(lab.claim(2).verdict == claim_verdict::shown);
    lab.stop("fallback-keyslots", true);
    CHECK_SAYS(lab.claim(2), "but no strategy whose transforms are limited opened everything, either: "
                             "prepared-map stopped at the memory limit");
    CHECK(lab.claim(2).verdict == claim_verdict::not_shown);
    made_up_lab pool("all-at-open,pool-global");
    pool.stop("all-at-open", true);
    CHECK(pool.claim(2).verdict == claim_verdict::shown);
    made_up_lab alone("all-at-open");
    alone.stop("all-at-open", true);
    CHECK(alone.claim(2).verdict == claim_verdict::not_shown);
}

TEST_CASE("S3 tells what deriving and setting a key cost, and allocations that the pool did not prevent") {
    made_up_lab lab("pool-per-file");
    const auto finding = lab.claim(3);
    CHECK_SAYS(finding,
               "pool-per-file asked for 0 transforms in the I/O path. Of the 10 us of an I/O, deriving "
               "was 1.50 us (15 %) and setkey 500 ns (5 %); 25 % of its uses had to set a key up.");
    lab.change("pool-per-file", [](lab_turn_result& turn) { turn.figures.io_allocations = 1; });
    CHECK_SAYS(lab.claim(3), "asked for 7 transforms in the I/O path, all rounds together, so the pool did "
                             "not keep it out of there");
    CHECK(lab.claim(3).verdict == claim_verdict::against);
    lab.change("pool-per-file", [](lab_turn_result& turn) { turn.attribution = {}; });
    check_missing(lab.claim(3), "no I/O of pool-per-file was looked into; more I/Os would be (--ios)");
    check_missing(made_up_lab("pool-global").claim(3), "pool-per-file was not run (--strategies)");
}

TEST_CASE("a difference is one that noise makes in less than one run of 20") {
    const auto of = [](std::size_t less, std::size_t more, std::size_t same = 0) {
        std::vector<double> ratios(less, 0.9);
        ratios.insert(ratios.end(), more, 1.1);
        ratios.insert(ratios.end(), same, 1.0);
        return difference_of(ratios);
    };
    for (std::size_t rounds = 0; rounds < difference_rounds_min; ++rounds)
        CHECK(of(0, rounds) == difference::unknown);
    CHECK(of(0, 6) == difference::more);
    CHECK(of(7, 0) == difference::less);
    CHECK(of(1, 6) == difference::none); // p = 0.125
    CHECK(of(8, 1) == difference::less); // p = 0.039
    CHECK(of(2, 9) == difference::none); // p = 0.065
    CHECK(of(2, 10) == difference::more);
    CHECK(of(0, 5, 1) == difference::none); // five that say anything
    CHECK(of(5000, 5000) == difference::none);
    CHECK(of(4800, 5200) == difference::more);
    CHECK(difference_of(std::vector<double>(9, 1.01)) == difference::none); // next to 1
}

TEST_CASE("a difference of too few rounds, or with rounds on either side, is none") {
    made_up_lab lab("prepared-map,pool-global,all-at-open");
    lab.make_faster("prepared-map", 5);
    CHECK_SAYS(lab.claim(4), "The map paid.");
    auto& rounds = lab.of("prepared-map").rounds;
    rounds[0].elapsed_ns *= 10; // half of pool-global's
    CHECK_SAYS(lab.claim(4), "which these rounds cannot tell from none");
    rounds[0].elapsed_ns /= 10;
    rounds.resize(5);
    CHECK_SAYS(lab.claim(4), "times the IOPS of pool-global, in too few rounds to tell a difference.");
    CHECK(!says(lab.claim(4), "The map"));
    CHECK_SAYS(lab.claim(2), "The rounds are too few to tell a difference in time.");
}

TEST_CASE("S6 compares the scope with none, and is never shown: that could only a context checker") {
    made_up_lab lab("full-in-io,nofs-in-io");
    CHECK_SAYS(lab.claim(6), "times the IOPS of full-in-io, which these rounds cannot tell from none");
    CHECK_SAYS(lab.claim(6), "only a context checker could");
    lab.make_faster("nofs-in-io", 0.5);
    CHECK_SAYS(lab.claim(6), "nofs-in-io did 0.500 (0.500-0.500) times the IOPS of full-in-io, and");
    check_missing(made_up_lab("full-in-io").claim(6), "nofs-in-io was not run (--strategies)");
}

TEST_CASE("S7 names who asked for no transform in the I/O path, and who did") {
    made_up_lab lab("full-in-io,pool-global,fallback-keyslots,library-key,inline-hardware");
    lab.change("pool-global", [](lab_turn_result& turn) { turn.modules_loaded = 1; });
    const auto quiet = lab.claim(7);
    CHECK_SAYS(
        quiet,
        "Each of 256 files with 16 extents has one mode, known when it is opened: pool-global, "
        "fallback-keyslots asked for no transform and loaded no module in the I/O path (at open: 1 module).");
    CHECK(!says(quiet, "But"));
    CHECK(quiet.verdict == claim_verdict::shown);
    lab.change("pool-global", [](lab_turn_result& turn) { turn.figures.io_allocations = 3; });
    CHECK_SAYS(lab.claim(7), "opened: fallback-keyslots asked for no transform");
    CHECK_SAYS(lab.claim(7),
               "But pool-global asked for 21 transforms and loaded 0 modules in the I/O path, all rounds "
               "together.");
    lab.change("pool-global", [](lab_turn_result& turn) { turn.figures.io_allocations = 0; });
    CHECK(lab.claim(7).verdict == claim_verdict::shown);
    lab.of("inline-hardware").rounds[2].modules_loaded_in_io = 1; // an engine has no transforms of its own
    CHECK(lab.claim(7).verdict == claim_verdict::shown);
    lab.of("fallback-keyslots").rounds[2].modules_loaded_in_io = 1; // in one round of seven
    CHECK(lab.claim(7).verdict == claim_verdict::against);
    check_missing(made_up_lab("full-in-io,library-key").claim(7),
                  "no strategy with a pool or keyslots was run (--strategies)");
    lab.stop("pool-global", true);
    lab.stop("fallback-keyslots", true);
    check_missing(lab.claim(7),
                  "all that set up a pool or keyslots stopped (pool-global, fallback-keyslots)");
}

TEST_CASE("S8 needs two modes, and says what a strategy did in the I/O path that hears of none at open") {
    const test::second_mode has_adiantum(crypto_mode::adiantum);
    check_missing(made_up_lab(all_of_them).claim(8),
                  "all files have one mode; --modes with two or more would");
    lab_arguments typed;
    typed.modes = "aes-256-xts,adiantum";
    made_up_lab lab("full-in-io,prepared-map", typed);
    lab.change("full-in-io", [](lab_turn_result& turn) {
        turn.modules_loaded_in_io = 2;
        turn.figures.io_allocations = 10;
    });
    CHECK_SAYS(lab.claim(8), "2 modes (aes-256-xts, adiantum), one a file and named when it is opened, 256 "
                             "files with 4096 extents: prepared-map asked for no transform");
    CHECK_SAYS(lab.claim(8),
               "full-in-io, which is told nothing at open, asked for 10 transforms and loaded 2 "
               "modules in the I/O path.");
    CHECK(lab.claim(8).verdict == claim_verdict::shown);
    made_up_lab told("prepared-map", typed);
    CHECK(told.claim(8).verdict == claim_verdict::not_shown); // nobody was told nothing
    CHECK_SAYS(told.claim(8),
               "What happens where nothing is named full-in-io would show; it was not measured.");
    lab.change("prepared-map", [](lab_turn_result& turn) { turn.figures.io_allocations = 1; });
    CHECK(lab.claim(8).verdict == claim_verdict::against);
    check_missing(made_up_lab("library-key", typed).claim(8),
                  "no strategy with a pool or keyslots was run (--strategies)");
}

TEST_CASE("modules that each of several mounts loads are said to be of so many") {
    lab_arguments typed;
    typed.numjobs = "2";
    made_up_lab lab("full-in-io,prepared-map", typed);
    lab.change("full-in-io", [](lab_turn_result& turn) { turn.modules_loaded_in_io = 2; });
    lab.change("prepared-map", [](lab_turn_result& turn) { turn.modules_loaded = 2; });
    CHECK_SAYS(lab.claim(1), "loaded 2 modules there, by 2 mounts.");
    CHECK_SAYS(lab.claim(7), "(at open: 2 modules, by 2 mounts)");
}

TEST_CASE("counts in the sentences are whole, also between two rounds") {
    made_up_lab lab("full-in-io");
    auto& rounds = lab.of("full-in-io").rounds;
    rounds.resize(2);
    rounds[0].figures.io_allocations = 2;
    rounds[1].figures.io_allocations = 1;
    CHECK_SAYS(lab.claim(1), "full-in-io asked for 1 transform (");
}

TEST_CASE("a claim whose strategies were not asked for says so, one whose strategies stopped does not") {
    made_up_lab lab("full-in-io,prepared-map,pool-global");
    const auto lacks = [&](std::size_t claim) { return lab.claim(claim).lacks_strategies; };
    for (const std::size_t claim : {2U, 3U, 5U, 6U, 9U})
        CHECK(lacks(claim));
    for (const std::size_t claim : {1U, 4U, 7U, 8U})
        CHECK(!lacks(claim));
    for (const char* name : {"full-in-io", "prepared-map", "pool-global"})
        lab.stop(name, true);
    for (const std::size_t claim : {1U, 4U, 7U, 8U})
        CHECK(!lacks(claim));
    CHECK(made_up_lab("full-in-io").claim(7).lacks_strategies);
}

TEST_CASE("a strategy that stopped before a round was over is no measurement of anything") {
    made_up_lab lab(all_of_them);
    for (const auto& strategy : lab.result.strategies)
        lab.stop(strategy.strategy->name, false, make_error(EIO));
    for (const auto& claim : lab.claims()) {
        CAPTURE(claim.shows);
        CHECK(!claim.is_shown());
    }
}

TEST_CASE("numbers against a claim are not called shown, and no difference is neither") {
    lab_arguments typed;
    typed.numjobs = "2";
    made_up_lab lab(all_of_them, typed);
    const auto verdict = [&](std::size_t claim) { return lab.claim(claim).verdict; };
    CHECK(verdict(2) == claim_verdict::against); // pins no more
    CHECK(verdict(3) == claim_verdict::shown);
    CHECK(verdict(4) == claim_verdict::not_shown);
    CHECK(verdict(5) == claim_verdict::against); // pins no more
    CHECK(verdict(6) == claim_verdict::not_shown);
    for (const char* name : {"all-at-open", "pool-per-file"})
        lab.change(name, [](lab_turn_result& turn) { turn.figures.pinned_bytes = 4 << 20; });
    CHECK(verdict(2) == claim_verdict::not_shown);
    CHECK(verdict(5) == claim_verdict::not_shown); // two jobs, and no wait
    lab.make_faster("pool-global", 0.5);
    CHECK(verdict(5) == claim_verdict::shown);
    lab.options.workload.jobs = 1;
    CHECK(verdict(5) == claim_verdict::not_shown);
    lab.make_faster("pool-global", 2);
    lab.change("all-at-open", [](lab_turn_result& turn) { turn.open_ns *= 2; });
    CHECK(verdict(2) == claim_verdict::shown);
    lab.make_faster("prepared-map", 2);
    CHECK(verdict(4) == claim_verdict::shown);
    lab.make_faster("prepared-map", 0.25);
    CHECK(verdict(4) == claim_verdict::against);
    lab.change("pool-per-file", [](lab_turn_result& turn) { turn.tfm_use = {.hits = 9}; });
    CHECK(verdict(3) == claim_verdict::against);
    CHECK(lab.json()["claims"][2]["verdict"] == "against");
    CHECK(lab.json()["claims"][2]["shown"] == false);
    CHECK(lab.json()["claims"][5]["verdict"] == "not shown");
}
