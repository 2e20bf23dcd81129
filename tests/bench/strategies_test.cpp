// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/strategies.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"
#include "tests/bench/scratch_directory.hpp"

#include <cerrno>
#include <doctest/doctest.h>
#include <sstream>

using namespace blkcrypto;
using namespace blkcrypto::bench;
using blkcrypto::test::scratch_directory;

TEST_CASE("of a run that does not come to its end no new report is left, at no time") {
    scratch_directory files;
    static std::string report;
    static constexpr fsdemo::strategy_info failing{
        .name = "failing",
        .at_open = "",
        .in_io = "",
        .make = [](env&, const fsdemo::strategy_options&) -> result<std::unique_ptr<fsdemo::key_strategy>> {
            CHECK((!std::filesystem::exists(report) || std::filesystem::file_size(report) != 0));
            return make_error(EINVAL);
        }};
    const auto run = [&] {
        CLI::App program;
        const auto verb = make_strategies_verb({&failing});
        verb->add_to(program);
        program.parse("strategies --files 2 --ios 20 --rounds 1 --filename " + files.path("image") +
                      " --overwrite --strategies failing --json=" + report);
        (void)verb->run();
    };
    report = files.path("new");
    CHECK_THROWS_AS(run(), cli::program_error);
    CHECK(!files.has("new"));
    report = files.path("old");
    files.write("old", "as it was");
    CHECK_THROWS_AS(run(), cli::program_error);
    CHECK(std::filesystem::file_size(report) == 9);
}

TEST_CASE("the help of the verb fits into 100 columns") {
    std::string why;
    CLI::App program;
    CLI::App* const verb = make_strategies_verb(known_strategies({}, why))->add_to(program);
    std::istringstream help(verb->help());
    for (std::string line; std::getline(help, line);) {
        CAPTURE(line);
        CHECK(line.size() <= 100);
    }
}
