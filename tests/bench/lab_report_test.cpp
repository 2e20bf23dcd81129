// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_figures.hpp"
#include "bench/lab/text_layout.hpp"
#include "tests/bench/made_up_lab.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_cipher.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <numeric>
#include <sstream>

using namespace blkcrypto;
using namespace blkcrypto::bench;
using test::made_up_lab;

namespace {

constexpr const char* all_of_them = "all";

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

void check_fits_a_mail(const std::string& text, std::size_t columns = text_columns) {
    CHECK(text.back() == '\n');
    for (const auto& line : lines_of(text)) {
        CAPTURE(line);
        CHECK(line.size() <= columns);
        CHECK(std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; }));
    }
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

// The line of a table or chart that begins with the name, the `nth` of them.
std::string line_of(const std::string& text, std::string_view name, std::size_t nth) {
    for (const auto& line : lines_of(text))
        if (line.starts_with(std::string(name) + ' ') && nth-- == 0)
            return line;
    return {};
}

} // namespace

TEST_CASE("the text fits into a mail, whatever the strategies, the modes and what happened to them") {
    const test::second_mode has_adiantum(crypto_mode::adiantum);
    check_fits_a_mail(made_up_lab(all_of_them).text());
    lab_arguments typed;
    typed.modes = "aes-256-xts,adiantum";
    typed.runtime = "3";
    typed.engine = "generic";
    made_up_lab lab(all_of_them, typed);
    lab.result.machine.cpu_model = "A CPU \xe2\x84\xa2 with a name that goes on " + std::string(200, '#');
    lab.change("pool-global", [](lab_turn_result& turn) {
        turn.open_ns = turn.first_byte_ns = ~std::uint64_t{0};
        turn.elapsed_ns = 1;
        turn.tfm_use = {
            .hits = 1, .misses = ~std::uint64_t{0} / 2, .evictions = ~std::uint64_t{0}, .waits = 99};
        turn.figures.transforms = turn.figures.pinned_bytes = ~std::uint64_t{0};
    });
    lab.stop("all-at-open", true);
    const fsdemo::strategy_info mine{
        .name = "a-strategy-of-s\xc3\xb6meone-else-with-quite-a-name", .at_open = {}, .in_io = {}};
    lab.of("library-key").strategy = &mine;
    const std::size_t columns = text_columns + mine.name.size() - 19;
    check_fits_a_mail(lab.text(), columns);
    lab.result.images_agree = false;
    lab.result.first_difference = "round 3: " + std::string(300, 'x');
    for (const auto& strategy : lab.result.strategies)
        if (!strategy.stop)
            lab.stop(strategy.strategy->name, false);
    check_fits_a_mail(lab.text(), columns);
}

TEST_CASE("each strategy is a row of every table, medians with the quartiles of the rounds") {
    made_up_lab lab("full-in-io,prepared-map");
    lab.make_faster("prepared-map", 0.5);
    lab.of("prepared-map").rounds.resize(3);
    lab.of("prepared-map").rounds[2].elapsed_ns = 1'000'000'000; // 20 thousand a second
    const std::string text = lab.text();
    CHECK(line_of(text, "single-key", 0).ends_with(" 1"));
    const std::string speed = line_of(text, "prepared-map", 0);
    CAPTURE(speed);
    CHECK(has(speed, " 20  ")); // us an open
    CHECK(has(speed, " 60  "));
    CHECK(has(speed, " 50.0 "));
    CHECK(has(speed, " 0.500 (0.350-0.500)"));
    const std::string latency = line_of(text, "prepared-map", 1);
    CAPTURE(latency);
    CHECK(has(latency, " 75 "));
    CHECK(latency.ends_with(" 4872         0"));
    const std::string time = line_of(text, "prepared-map", 2);
    CAPTURE(time);
    CHECK(time.ends_with("  0.500  1.500  0.500  0.000  0.000  0.500   6.000    1.000"));
    CHECK(has(line_of(text, "prepared-map", 3), "128  128 KiB         0 B  128 KiB  144 KiB        0"));
    CHECK(std::ranges::count(line_of(text, "full-in-io", 4), '#') ==
          std::ranges::count(line_of(text, "single-key", 4), '#'));
    CHECK(std::ranges::count(line_of(text, "prepared-map", 4), '#') == 23); // half of them
    const std::string where = line_of(text, "prepared-map", 5);
    CAPTURE(where);
    CHECK(std::ranges::count(where, 'L') == 9);
    CHECK(std::ranges::count(where, 'D') == 28); // 3 of 5 of 46
    CHECK(std::ranges::count(where, 'K') == 9);
    CHECK(where.ends_with(" 2.50 us"));
}

TEST_CASE("a strategy that looked no transform up has no rate of hits, and one that stopped no figures") {
    made_up_lab lab("library-key,all-at-open");
    lab.change("library-key", [](lab_turn_result& turn) { turn.tfm_use = {}; });
    lab.stop("all-at-open", true);
    const std::string text = lab.text();
    CHECK(line_of(text, "library-key", 1).ends_with("       -         -         -"));
    for (std::size_t table = 0; table < 3; ++table) {
        const std::string row = line_of(text, "all-at-open", table);
        CAPTURE(row);
        CHECK(row.find_first_of("0123456789") == std::string::npos);
        CHECK(row.ends_with(" -"));
    }
    CHECK(line_of(text, "all-at-open", 3) ==
          "all-at-open              3200*        -           -    3 MiB        -        -");
    CHECK(has(text, "*: it stopped, and had so"));
    CHECK(!has(made_up_lab("library-key").text(), "*: it stopped"));
    CHECK(has(text, "\nall-at-open stopped at the memory limit of 512 MiB, opening file 201 of 256:"));
}

TEST_CASE("the text says how the images compare, and it says a difference loudly") {
    made_up_lab lab("library-key,all-at-open");
    CHECK(has(lab.text(), "the images of the 2 strategies that finished it"));
    lab.stop("all-at-open", true);
    CHECK(has(lab.text(), "nothing to compare an image with"));
    lab.result.images_agree = false;
    lab.result.first_difference = "round 2: library-key";
    CHECK(has(lab.text(), "\nTHE IMAGES DIFFER: round 2: library-key.\n"));
}

TEST_CASE("the text has the workload with its seed, and every claim") {
    lab_arguments typed;
    typed.access = "zipf:1.2";
    const made_up_lab lab(all_of_them, typed);
    const std::string text = lab.text();
    CHECK(has(text, "zipf:1.2, 50 % reads, 32 in flight, 1 job, 20000 I/Os a job and"));
    CHECK(has(text, "seed 4711"));
    CHECK(has(text, "1024 extent infos kept"));
    CHECK(has(text, "a CPU, 2 cores, Linux 6.18"));
    for (std::size_t claim = 1; claim <= 9; ++claim)
        CHECK(has(text, fmt::format("\nS{}  {}: {}", claim,
                                    claim_verdict_names[static_cast<std::size_t>(lab.claim(claim).verdict)],
                                    lab.claim(claim).says.substr(0, 50))));
    CHECK(!has(text, "were not run"));
}

TEST_CASE("claims whose strategies were not asked for are a line of the text, and all are in the JSON") {
    const made_up_lab lab("full-in-io,prepared-map");
    const std::string text = lab.text();
    CHECK(has(text, "\nS1  "));
    CHECK(has(text, "\nS7  shown: "));
    CHECK(has(text, "\nS2, S3, S4, S5, S6, S9: their strategies were not run (--strategies).\n"));
    CHECK(!has(text, "\nS4  "));
    CHECK(lab.json()["claims"].size() == 9);
}

TEST_CASE("of one round there is no spread, and the text says that few rounds tell no difference") {
    made_up_lab lab("prepared-map");
    const auto says_few = [&] { return has(lab.text(), "With fewer than 6 rounds no difference"); };
    CHECK(!says_few());
    lab.options.workload.rounds = 5;
    CHECK(says_few());
    lab.options.workload.rounds = 1;
    for (auto* rounds : {&lab.result.single_key.rounds, &lab.of("prepared-map").rounds})
        rounds->resize(1);
    lab.make_faster("prepared-map", 0.5);
    CHECK(says_few());
    CHECK(has(lab.text(), "Figures are those of the one round."));
    CHECK(line_of(lab.text(), "prepared-map", 0).ends_with("  0.500"));
}

TEST_CASE("one bar that is much longer than all others is cut, and the others can be compared") {
    made_up_lab lab("prepared-map,pool-global,full-in-io");
    const auto wait_long = [](lab_turn_result& turn) {
        turn.attribution.part_ns[static_cast<std::size_t>(io_part::wait)] = 100 * 380'000;
    };
    CHECK(!has(lab.text(), "cut short"));
    lab.change("full-in-io", wait_long);
    const std::string text = lab.text();
    CHECK(has(text, "W parked: for a transform, a keyslot or a module; > a bar cut short\n"));
    CHECK(line_of(text, "full-in-io", 5).ends_with("KKW> 382 us"));
    CHECK(line_of(text, "full-in-io", 5).size() < text_columns);
    CHECK(has(line_of(text, "prepared-map", 5), std::string(28, 'D')));
    CHECK(line_of(text, "prepared-map", 5).ends_with("K 2.50 us"));
    CHECK(bar_scale({1, 4}) == 4);
    CHECK(bar_scale({1, 40, 0}) == 40); // of two there is nothing to compare
    CHECK(bar_scale({1, 4, 2}) == 4);
    CHECK(bar_scale({1, 9, 2}) == 2);
    CHECK(bar_scale({9, 9, 2}) == 9);
    CHECK(bar_scale({}) == 0);
}

TEST_CASE("a strategy of one's own is compared with each other, in text and JSON") {
    const fsdemo::strategy_info mine{.name = "my-strategy", .at_open = {}, .in_io = {}};
    const fsdemo::strategy_info another{.name = "another", .at_open = {}, .in_io = {}};
    made_up_lab lab("full-in-io,prepared-map,pool-global,library-key,all-at-open");
    CHECK(lab.json()["pairs"].empty());
    CHECK(!has(lab.text(), "beside the others"));
    lab.replace("library-key", mine);
    lab.make_faster("my-strategy", 0.5);
    lab.make_faster("full-in-io", 0.25);
    lab.change("full-in-io", [](lab_turn_result& turn) { turn.image_hash.clear(); });
    lab.replace("pool-global", another);
    lab.make_faster("another", 0.5);
    lab.stop("all-at-open", true);
    const std::string text = lab.text();
    CAPTURE(text);
    CHECK(has(text, "\nmy-strategy beside the others, in the same rounds\n"
                    "against                       ratio of IOPS        it is\n"
                    "full-in-io                 2.00 (2.00-2.00)       faster\n"
                    "prepared-map            0.500 (0.500-0.500)       slower\n"
                    "another                    1.00 (1.00-1.00)  cannot tell\n"
                    "\n"));
    CHECK(has(text, "\nanother beside the others"));
    const auto pairs = lab.json()["pairs"];
    REQUIRE(pairs.size() == 6);
    CHECK(pairs[3]["strategy"] == "my-strategy");
    CHECK(pairs[3]["to"] == "full-in-io");
    CHECK(pairs[3]["iops_ratio"]["median"].get<double>() == doctest::Approx(2));
    CHECK(pairs[3]["iops_ratio"].size() == 3);
    CHECK(pairs[3]["verdict"] == "faster");
    CHECK(pairs[5]["verdict"] == "cannot tell");
}

TEST_CASE("the JSON reads back as it was written, with all that the text has") {
    made_up_lab lab(all_of_them);
    lab.stop("all-at-open", true);
    const auto json = lab.json();
    CHECK(nlohmann::ordered_json::parse(json.dump(2)) == json);
    CHECK(json["schema"] == "blkbench.strategies");
    CHECK(json["version"] == 1);
    CHECK(json["machine"]["cpu"] == "a CPU");
    CHECK(json["options"]["seed"] == 4711);
    CHECK(json["options"]["filename"].is_null());
    CHECK(json["options"]["extent_infos"] == 1024);
    CHECK(json["options"]["access"]["skew"] == 0.99);
    CHECK(json["options"]["modes"][0]["mode"] == "aes-256-xts");
    CHECK(json["steps"]["derive_ns"] == 1500);
    CHECK(json["control"]["strategy"] == "single-key");
    CHECK(json["control"]["iops"]["median"].get<double>() == doctest::Approx(99'700).epsilon(0.001));
    CHECK(json["images_agree"] == true);
    CHECK(json["first_difference"].is_null());
    REQUIRE(json["strategies"].size() == 11);
    CHECK(json["claims"].size() == 9);
    CHECK(json["claims"][0]["claim"] == "S1");
    CHECK(json["claims"][0]["shown"] == false);
    for (const auto& claim : json["claims"])
        CHECK(!claim["shows"].get<std::string>().empty());
}

TEST_CASE("a strategy in the JSON has its figures, and one that stopped says where and why") {
    made_up_lab lab("prepared-map,all-at-open");
    lab.make_faster("prepared-map", 2);
    lab.stop("all-at-open", true);
    const auto json = lab.json();
    const auto& map = json["strategies"][0];
    CHECK(map["strategy"] == "prepared-map");
    CHECK(map["rounds"] == made_up_lab::rounds);
    CHECK(map["ratio_to_single_key"]["median"].get<double>() == doctest::Approx(2));
    CHECK(map["open_ns_per_file"] == 20'000);
    CHECK(map["open_ns_max"] == 90'000);
    CHECK(map["first_byte_ns"] == 60'000);
    CHECK(map["ios"] == 20'000);
    CHECK(map["hits"] == 15'000);
    CHECK(map["misses"] == 5'000);
    CHECK(map["steals"] == 4'872);
    CHECK(map["waits"] == 0);
    CHECK(map["transforms"] == 128);
    CHECK(map["pinned_bytes"] == 128 << 10);
    CHECK(map["reclaimable_bytes"] == 0);
    CHECK(map["info_bytes"] == 144 << 10);
    CHECK(map["attribution"]["whole"] == 10'000);
    CHECK(map["attribution"]["lookup"] == 500);
    CHECK(map["attribution"]["derive"] == 1'500);
    CHECK(map["attribution"]["storage"] == 6'000);
    CHECK(map["attribution"]["setup_derive"] == 1'500);
    CHECK(map["image_hash"][2] == std::string(63, '0') + "3");
    CHECK(map["stopped"].is_null());
    const auto& all = json["strategies"][1];
    CHECK(all["rounds"] == 0);
    CHECK(all["iops"].is_null());
    CHECK(all["p99_ns"].is_null());
    CHECK(all["attribution"].is_null());
    CHECK(all["image_hash"].empty());
    CHECK(all["stopped"]["where"] == "opening file 201 of 256");
    CHECK(all["stopped"]["errno"] == "ENOMEM");
    CHECK(all["stopped"]["at_memory_limit"] == true);
    CHECK(all["stopped"]["transforms"] == 3200);
}

TEST_CASE("counts are whole with an even number of rounds, too, the same in text and JSON") {
    made_up_lab lab("prepared-map");
    auto& map = lab.of("prepared-map");
    map.rounds.resize(4);
    for (std::size_t round = 0; round < 4; ++round) {
        map.rounds[round].figures.transforms = 3 - round;
        map.rounds[round].tfm_use.evictions = 10 + round;
    }
    CHECK(map.count_over_rounds(&transforms_of) == 1);
    CHECK(line_of(lab.text(), "prepared-map", 1).ends_with(" 11         0"));
    CHECK(has(line_of(lab.text(), "prepared-map", 3), "  1  128 KiB"));
    CHECK(lab.json()["strategies"][0]["transforms"] == 1);
    CHECK(lab.json()["strategies"][0]["steals"] == 11);
}

TEST_CASE("a name that is longer than the others is a column's width, up to 40 characters") {
    const fsdemo::strategy_info mine{
        .name = "a-strategy-of-mine-with-a-map", .at_open = {}, .in_io = {}, .make = {}};
    const fsdemo::strategy_info longest{
        .name = "a-strategy-of-mine-with-a-name-that-does-not-end", .at_open = {}, .in_io = {}, .make = {}};
    made_up_lab lab("library-key,prepared-map");
    auto& own = lab.of("library-key");
    own.strategy = &mine;
    const std::string text = lab.text();
    for (std::size_t nth = 0; nth < 6; ++nth) {
        CHECK(!line_of(text, mine.name, nth).empty());
        CHECK(line_of(text, mine.name, nth).size() <= text_columns + mine.name.size() - 19);
    }
    CHECK(line_of(text, mine.name, 1).size() == line_of(text, "prepared-map", 1).size());
    own.strategy = &longest;
    CHECK(!line_of(lab.text(), longest.name.substr(0, 40), 3).empty());
}

TEST_CASE("of images that differ, those are named that are fewer, and all if none are") {
    made_up_lab lab("full-in-io,pool-global,prepared-map,library-key,all-at-open");
    lab.stop("all-at-open", true); // has none
    const auto differ = [&](std::size_t round) { return image_difference(lab.result.strategies, round); };
    CHECK(differ(3).empty());
    lab.of("full-in-io").rounds[3].image_hash = "1"; // the first of them
    CHECK(differ(3) == "full-in-io");
    CHECK(differ(2).empty());
    lab.of("library-key").rounds[3].image_hash = "2";
    CHECK(differ(3) == "full-in-io and (pool-global, prepared-map) and library-key differ");
    lab.of("library-key").rounds[3].image_hash = "1";
    CHECK(differ(3) == "(full-in-io, library-key) and (pool-global, prepared-map) differ");
    lab.of("pool-global").rounds.resize(3); // three finished the round
    CHECK(differ(3) == "prepared-map");
    CHECK(differ(7).empty());
}

TEST_CASE("figures of no round, no I/O and no time are 0, and never a division by it") {
    const lab_strategy_result none;
    CHECK(none.over_rounds(&iops_of).median == 0);
    CHECK(none.ratio_to(none, &iops_of).p75 == 0);
    lab_strategy_result empty;
    empty.rounds.resize(2);
    for (const auto figure : {&iops_of, &bytes_per_s_of, &open_ns_of, &hit_percent_of, &host_cpu_s_per_gib_of,
                              &pinned_bytes_per_file_of, &io_allocations_per_io_of})
        CHECK(empty.over_rounds(figure).median == 0);
    CHECK(empty.ratio_to(empty, &iops_of).median == 0);
    CHECK(empty.times().percent(io_part::rest) == 0);
    made_up_lab lab("library-key,prepared-map");
    for (auto& strategy : lab.result.strategies)
        strategy.rounds.assign(1, {});
    lab.result.single_key.rounds.clear();
    check_fits_a_mail(lab.text());
    CHECK(!lab.json().dump().empty());
}

TEST_CASE("a ratio compares the rounds that both have, in the same round") {
    made_up_lab lab("library-key,prepared-map");
    lab.make_faster("library-key", 4);
    auto& faster = lab.of("library-key");
    faster.rounds.resize(2);
    faster.rounds[0].elapsed_ns *= 2;
    const spread ratio = faster.ratio_to(lab.of("prepared-map"), &iops_of);
    CHECK(ratio.median == doctest::Approx(3));
    CHECK(ratio.p25 == doctest::Approx(2.5));
    CHECK(faster.latencies().total() == 2000);
    CHECK(faster.times().ios == 200);
    CHECK(faster.times().setups == 100);
}

TEST_CASE("a round that something else held up makes no part of an I/O's time, in table, chart and JSON") {
    made_up_lab lab("prepared-map");
    const std::string before = lab.text();
    auto& held_up = lab.of("prepared-map").rounds[4].attribution;
    held_up.whole_ns *= 50;
    held_up.part_ns[static_cast<std::size_t>(io_part::derive)] *= 300;
    held_up.setup_derive_ns *= 600;
    lab.of("prepared-map").rounds[0].attribution = {}; // in it none was looked into
    const io_times times = lab.of("prepared-map").times();
    CHECK(times.of(io_part::derive) == 1'500);
    CHECK(times.whole_ns == std::accumulate(times.part_ns.begin(), times.part_ns.end(), 0.0));
    CHECK(times.ios == 600);
    CHECK(times.setup_derive_ns == 1'500);
    CHECK(lab.text() == before);
    CHECK(lab.json()["strategies"][0]["attribution"]["derive"] == 1'500);
    CHECK(lab.json()["strategies"][0]["attribution"]["whole"] == 10'000);
}

TEST_CASE("a paragraph is wrapped at blanks, and nowhere is wider than its columns") {
    CHECK(wrapped("S1  ", "a few words") == "S1  a few words\n");
    CHECK(wrapped("", "") == "\n");
    test::random_source random(test::test_seed() + 43);
    for (int run = 0; run < 200; ++run) {
        std::string text;
        std::string unbroken;
        for (std::uint64_t words = random.below(60); words != 0; --words) {
            const std::string word(1 + random.below(run % 5 == 0 ? 200 : 12),
                                   static_cast<char>('a' + words % 26));
            text += word + std::string(1 + random.below(3), ' ');
            unbroken += word;
        }
        const std::string label(random.below(12), 'L');
        std::string seen;
        for (const auto& line : lines_of(wrapped(label, text))) {
            CHECK(line.size() <= text_columns);
            seen += line;
        }
        std::erase(seen, ' ');
        std::erase(seen, 'L');
        CHECK(seen == unbroken);
    }
}

TEST_CASE("a stacked bar is as long as its parts are of the most, to half a column") {
    const std::vector<bar_part> parts{{'a', 1}, {'b', 0.4}, {'c', 0}, {'d', 2.6}};
    CHECK(stacked_bar(parts, 4, 40) == std::string(10, 'a') + std::string(4, 'b') + std::string(26, 'd'));
    CHECK(stacked_bar(parts, 8, 40).size() == 20);
    CHECK(stacked_bar(parts, 2, 40) ==
          std::string(20, 'a') + std::string(8, 'b') + std::string(11, 'd') + '>');
    CHECK(stacked_bar(parts, 0, 40).empty());
    const std::vector<bar_part> crumbs(10, {'x', 0.4});
    CHECK(stacked_bar(crumbs, 10, 10).size() == 4); // each alone would round to nothing
}
