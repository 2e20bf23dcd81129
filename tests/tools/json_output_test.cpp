// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/json_output.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"
#include "tests/bench/scratch_directory.hpp"
#include "tests/support/file_size_limit.hpp"

#include <doctest/doctest.h>

using namespace blkcrypto;
using blkcrypto::test::scratch_directory;

namespace {

// As after `verb --json=FILE`.
struct requested {
    CLI::App verb;
    cli::json_output json;

    explicit requested(const std::string& path) {
        json.add_to(verb);
        verb.parse("--json=" + path);
    }
};

const auto document = cli::make_document("test", 1);

} // namespace

TEST_CASE("a JSON file that is new is there when it is whole, and not before") {
    const scratch_directory files;
    requested to(files.path("new"));
    to.json.open();
    CHECK(files.names().empty());
    to.json.write(document);
    CHECK(std::filesystem::file_size(files.path("new")) != 0);
}

TEST_CASE("a JSON file that is there keeps its content until there is another") {
    const scratch_directory files;
    requested to(files.write("old", std::string(1000, 'x')));
    to.json.open();
    CHECK(std::filesystem::file_size(files.path("old")) == 1000);
    to.json.write(document);
    CHECK(std::filesystem::file_size(files.path("old")) < 100);
}

TEST_CASE("a JSON file that cannot be written is found before the work is done") {
    const scratch_directory files;
    requested to(files.path("none/new"));
    CHECK_THROWS_AS(to.json.open(), cli::program_error);
}

TEST_CASE("of a new JSON file that does not fit nothing is left") {
    const scratch_directory files;
    requested to(files.path("new"));
    to.json.open();
    {
        const test::file_size_limit small(10);
        CHECK_THROWS_AS(to.json.write(document), cli::program_error);
    }
    CHECK(files.names().empty());
}
