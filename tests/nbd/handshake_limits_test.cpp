// SPDX-License-Identifier: Apache-2.0
// How much a client may say, and how much it may leave unread.
#include "tests/nbd/handshake_conversation.hpp"
#include "tests/nbd/handshake_run.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>

using namespace blkcrypto;
using namespace blkcrypto::nbd;
using namespace blkcrypto::test;

namespace {

using state = handshake::state;

constexpr std::uint32_t read_max = handshake::option_bytes_max;
constexpr std::uint32_t skipped_max = handshake::skipped_bytes_max;

/// A client's whole say, of every option one, some of them twice.
message long_say() {
    const message all_infos = info_data(disk_name, {0, 1, 2, 3});
    const message query = meta_data(disk_name, {"base:allocation"});
    message said = client_flags(both_client_flags);
    append(said, option_message(option::list));
    append(said, option_message(option::info, all_infos));
    append(said, option_message(option::starttls));
    append(said, option_message(option::structured_reply));
    append(said, option_message(option{99}, message(read_max + 1)));
    append(said, option_message(option::list_meta_context, query));
    append(said, option_message(option::set_meta_context, query));
    append(said, option_message(option::info, all_infos));
    append(said, option_message(option::go, all_infos));
    append(said, packed(request_magic));
    return said;
}

} // namespace

TEST_CASE("an option of as much data as is read is read, and one of a byte more is skipped and too big") {
    for (const option type : {option::list, option::go, option::set_meta_context, option{99}}) {
        conversation c(both_client_flags);
        const message data(read_max + 1);
        const auto read = c.ask(type, bytes_view(data).first(read_max));
        REQUIRE(read.size() == 1);
        CHECK(read[0].type == (type == option{99} ? option_reply::err_unsup : option_reply::err_invalid));
        CHECK(c.ask(type, data) == only(type, option_reply::err_too_big));
        CHECK(c.goes_on());
    }
}

TEST_CASE("an option is skipped in whatever pieces it comes, and answered behind its last byte") {
    random_source random(test_seed());
    conversation c(both_client_flags);
    for (const std::uint32_t bytes : {read_max + 1, skipped_max - 1, skipped_max}) {
        CHECK(c.say(option_header(option::go, bytes)).empty());
        std::uint32_t left_bytes = bytes;
        while (left_bytes > 1) {
            const auto part = static_cast<std::uint32_t>(1 + random.below(left_bytes - 1));
            CHECK(c.say(message(part)).empty());
            left_bytes -= part;
        }
        CHECK(replies_in(c.say(message(1))) == only(option::go, option_reply::err_too_big));
        CHECK(c.goes_on());
    }
}

TEST_CASE("who announces more than is skipped is disconnected at once") {
    for (const std::uint32_t bytes : {skipped_max + 1, 0x7fffffffU, 0x80000000U, 0xffffffffU})
        for (const option type : {option::export_name, option::go, option::abort, option{99}}) {
            conversation c(both_client_flags);
            CHECK(c.say(option_header(type, bytes)).empty());
            CHECK(c.current_state() == state::closing);
        }
}

TEST_CASE("EXPORT_NAME may be as long as strings may be, and a longer one ends the connection at once") {
    export_info served = served_disk_info();
    served.name = std::string(string_bytes_max, 'n');
    conversation longest(both_client_flags, served);
    CHECK(longest.say(option_message(option::export_name, served.name)).size() == 10);
    conversation longer(both_client_flags, served);
    CHECK(longer.say(option_header(option::export_name, string_bytes_max + 1)).empty());
    CHECK(longer.current_state() == state::closing);
}

TEST_CASE("strings in options have up to 4096 bytes, and longer ones are invalid") {
    const std::string longest(string_bytes_max, 'n');
    const std::string longer(string_bytes_max + 1, 'n');
    export_info served = served_disk_info();
    served.name = longest;
    served.description = longest;
    conversation c(both_client_flags, served);
    c.use_structured_replies();
    CHECK(c.ask(option::list).size() == 2);
    CHECK(c.ask(option::info, info_data(longest, {1, 2})).size() == 5);
    CHECK(c.ask(option::info, info_data(longer)) == only(option::info, option_reply::err_invalid));
    for (const option type : {option::list_meta_context, option::set_meta_context}) {
        CHECK(c.ask(type, meta_data(longest, {longest, "base:allocation"})).size() == 2);
        CHECK(c.ask(type, meta_data(longer)) == only(type, option_reply::err_invalid));
        CHECK(c.ask(type, meta_data(longest, {longer})) == only(type, option_reply::err_invalid));
    }
}

TEST_CASE("however often something is asked for in an option it is told once") {
    conversation c(both_client_flags);
    c.use_structured_replies();
    const std::vector<std::uint16_t> types((read_max - 10) / 2, 1);
    CHECK(c.ask(option::info, info_data(disk_name, types)).size() == 4);
    const std::vector<std::string_view> queries((read_max - 12) / 19, "base:allocation");
    for (const option type : {option::list_meta_context, option::set_meta_context})
        CHECK(c.ask(type, meta_data(disk_name, queries)).size() == 2);
    const std::vector<std::string_view> empty_queries((read_max - 12) / 4);
    CHECK(c.ask(option::list_meta_context, meta_data(disk_name, empty_queries)).size() == 1);
}

TEST_CASE("a client has so many options, skipped ones among them, and the next ends the connection") {
    for (const std::uint32_t bytes : {0U, read_max + 1}) {
        conversation c(both_client_flags);
        const message option_of_it = option_message(option{99}, message(bytes));
        for (unsigned i = 0; i < handshake::options_max; ++i)
            CHECK(c.say(option_of_it).size() == 20);
        CHECK(c.current_state() == state::negotiating);
        CHECK(c.say(option_header(option::go, 0)).empty());
        CHECK(c.current_state() == state::closing);
    }
}

TEST_CASE("who does not read is not read, and has all answers in order once it does") {
    const export_info served = served_disk_info();
    handshake h(served);
    message said = client_flags(both_client_flags);
    for (unsigned i = 0; i < handshake::options_max; ++i)
        append(said, option_message(option::info, info_data(disk_name, {1, 2})));
    std::size_t taken = 0;
    const auto take = [&] {
        std::size_t bytes = 1;
        while (bytes != 0) {
            bytes = h.consume(bytes_view(said).subspan(taken));
            taken += bytes;
        }
    };
    take();
    CHECK(taken < 200);
    message heard;
    while (!h.output().empty()) {
        CHECK(h.output().size() < 400);
        heard.push_back(h.output().front());
        h.sent(1);
        take();
    }
    CHECK(taken == said.size());
    CHECK(heard == run_at_once(served, said).output);
}

TEST_CASE("output stays where it is until it has been sent") {
    const export_info served = served_disk_info();
    handshake h(served);
    h.sent(10);
    const bytes_view under_way = h.output();
    const message before(under_way.begin(), under_way.end());
    REQUIRE(h.consume(client_flags(both_client_flags)) != 0);
    REQUIRE(h.consume(option_message(option::list)) != 0);
    CHECK(h.output().data() == under_way.data());
    CHECK(std::ranges::equal(before, h.output().first(before.size())));
}

TEST_CASE("a handshake allocates when it is made and never again") {
    if (!allocation_counter::available())
        return;
    const export_info served = served_disk_info();
    const message said = long_say();
    handshake h(served);
    const allocation_counter allocations;
    bytes_view rest = said;
    std::size_t bytes = 1;
    while (bytes != 0) {
        h.sent(h.output().size());
        bytes = h.consume(rest);
        rest = rest.subspan(bytes);
    }
    const std::uint64_t count = allocations.count();
    CHECK(count == 0);
    CHECK(h.current_state() == state::done);
    CHECK(rest.size() == sizeof(request_magic));
}

TEST_CASE("however a conversation is cut, and however slowly it is heard, it is the same one") {
    const export_info served = served_disk_info();
    const message said = long_say();
    const handshake_result expected = run_at_once(served, said);
    CHECK(expected.state == state::done);
    CHECK(expected.outcome.base_allocation);
    CHECK(broken_promise_of(expected) == nullptr);
    random_source random(test_seed());
    for (int i = 0; i < 300; ++i) {
        const handshake_result cut = run_in_pieces(served, said, random);
        REQUIRE(broken_promise_of(cut) == nullptr);
        REQUIRE(difference_of(cut, expected) == nullptr);
    }
}
