// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/key_trace.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"
#include "tests/bench/scratch_directory.hpp"
#include "tests/support/file_size_limit.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace blkcrypto;
using namespace blkcrypto::bench;

namespace {

struct parsed {
    std::vector<std::uint32_t> entries;
    std::string why;
    bool operator==(const parsed&) const = default;
};

std::string why_of(const key_trace_parser& parser) {
    CHECK((parser.line() == 0 || !parser.why().empty()));
    return parser.line() == 0 ? parser.why() : fmt::format("{}: {}", parser.line(), parser.why());
}

parsed parse(std::string_view text, std::uint64_t keys = 100) {
    key_trace_parser parser(keys);
    const bool is_fine = parser.take(text) && parser.end();
    CHECK(is_fine == parser.why().empty());
    return {is_fine ? parser.take_entries() : std::vector<std::uint32_t>(), why_of(parser)};
}

parsed parse_in_pieces(std::string_view text, std::uint64_t keys, test::random_source& random) {
    key_trace_parser parser(keys);
    while (!text.empty()) {
        const auto piece = text.substr(0, 1 + random.below(text.size()));
        text.remove_prefix(piece.size());
        if (!parser.take(piece))
            break;
    }
    const bool is_fine = parser.end();
    return {is_fine ? parser.take_entries() : std::vector<std::uint32_t>(), why_of(parser)};
}

} // namespace

TEST_CASE("a trace is a key a line, empty lines and those that begin with a # left out") {
    using entries = std::vector<std::uint32_t>;
    CHECK(parse("0\n99\n7\n").entries == entries{0, 99, 7});
    CHECK(parse("0\n99").entries == entries{0, 99}); // no newline at its end
    CHECK(parse("# of a run, 3\n\n5\n#\n\n6\n").entries == entries{5, 6});
    CHECK(parse("00000000000000000042\n").entries == entries{42});
    CHECK(parse("4294967295\n", std::uint64_t{1} << 32).entries == entries{4294967295});
    CHECK(parse("#" + std::string(100'000, '9') + "\n1\n").entries == entries{1});
}

TEST_CASE("blanks and tabs around a key are nothing, nor is the carriage return of another system's text") {
    using entries = std::vector<std::uint32_t>;
    CHECK(parse("0\r\n99\r\n7").entries == entries{0, 99, 7});
    CHECK(parse("# five\r\n\r\n5\r\n").entries == entries{5});
    CHECK(parse(" 0\n\t 99 \t\r\n  # of a run\n  \n7 ").entries == entries{0, 99, 7});
    const std::string wide(100, ' ');
    CHECK(parse(wide + "00000000000000000042" + wide + "\n").entries == entries{42});
}

TEST_CASE("what is wrong with a trace is said with its line") {
    CHECK(parse("1\n\n100\n").why == "3: there is no key 100, only those from 0 to 99");
    CHECK(parse("1\n18446744073709551616").why ==
          "2: there is no key 18446744073709551616, only those from 0 to 99");
    CHECK(parse("000000000000000000001\n").why == "1: more than 20 characters are no key id");
    CHECK(parse("5" + std::string(30, ' ') + "6\n").why == "1: more than 20 characters are no key id");
    CHECK(parse("#\n#\n5 # five\n").why == "3: '5 # five' is not a number");
    CHECK(parse("5\t6\n").why == "1: '5\t6' is not a number");
    CHECK(parse("-5\n").why == "1: '-5' is not a number");
    CHECK(parse("5\r6\n").why == "1: '5\r6' is not a number");
    CHECK(parse(std::string_view("5\0\n", 3)).why == "1: there is a zero byte, so it is no text");
    for (const char* empty : {"", "\n", "# nothing\n\n"})
        CHECK(parse(empty).why == "there is no key in it");
}

TEST_CASE("what comes after an error changes nothing any more") {
    key_trace_parser parser(10);
    CHECK(!parser.take("1\nx\n"));
    const std::string why = parser.why();
    CHECK(!parser.take("2\n"));
    CHECK(!parser.end());
    CHECK(parser.why() == why);
}

TEST_CASE("a trace means the same in whatever pieces it comes, whatever is in it") {
    test::random_source random(test::test_seed() + 41);
    constexpr std::string_view characters = "0123456789999 \r\t#\n\n\n-x";
    for (int run = 0; run < 300; ++run) {
        std::string text;
        for (std::uint64_t length = random.below(200); length != 0; --length)
            text += characters[random.below(run % 2 == 0 ? 20 : characters.size())];
        const std::uint64_t keys = 1 + random.below(std::uint64_t{1} << 32);
        CAPTURE(text);
        CHECK(parse(text, keys) == parse_in_pieces(text, keys, random));
    }
}

TEST_CASE("a trace has no more keys than it may have") {
    key_trace_parser parser(1);
    std::string piece;
    for (std::size_t i = 0; i < trace_entries_max / 64; ++i)
        piece += "0\n";
    for (int i = 0; i < 64; ++i)
        REQUIRE(parser.take(piece));
    CHECK(!parser.take("0\n"));
    CHECK(why_of(parser) == "67108865: the trace has more than 67108864 keys");
}

TEST_CASE("a trace that was written reads back the same, over what was in the file") {
    const test::scratch_directory scratch;
    const auto path = scratch.write("trace", std::string(1 << 20, 'x'));
    test::random_source random(test::test_seed() + 42);
    std::vector<std::uint32_t> keys;
    for (int i = 0; i < 50'000; ++i)
        keys.push_back(static_cast<std::uint32_t>(random.next()));
    write_key_trace(path, keys, "of a run");
    CHECK(read_key_trace(path, std::uint64_t{1} << 32) == keys);
}

TEST_CASE("of a new trace that does not fit nothing is left") {
    const test::scratch_directory scratch;
    const std::vector<std::uint32_t> keys(50'000, 7);
    {
        const test::file_size_limit small(1000);
        CHECK_THROWS_AS(write_key_trace(scratch.path("trace"), keys, "of a run"), cli::program_error);
    }
    CHECK(scratch.names().empty());
}

TEST_CASE("a trace that cannot be used is exit code 2, and its file is named") {
    const test::scratch_directory scratch;
    const auto why_refused = [&](const std::string& path) -> std::string {
        try {
            (void)read_key_trace(path, 10);
        } catch (const cli::program_error& refused) {
            CHECK(refused.exit_code() == cli::exit_unusable);
            return refused.what();
        }
        return {};
    };
    const auto path = scratch.write("trace", "3\nthree\n");
    CHECK(why_refused(path) == path + ":2: 'three' is not a number");
    CHECK(why_refused("/dev/zero") == "/dev/zero:1: there is a zero byte, so it is no text");
    CHECK(why_refused("/dev/null") == "/dev/null: there is no key in it");
    CHECK(why_refused(scratch.path("none")).find("(ENOENT)") != std::string::npos);
    CHECK(why_refused(scratch.path("")).find("(EISDIR)") != std::string::npos);
}
