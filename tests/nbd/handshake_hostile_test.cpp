// SPDX-License-Identifier: Apache-2.0
// Messages that are not whole, or not what they say they are.
#include "tests/nbd/handshake_conversation.hpp"
#include "tests/nbd/handshake_run.hpp"
#include "tests/support/guarded_buffer.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>

using namespace blkcrypto;
using namespace blkcrypto::nbd;
using namespace blkcrypto::test;

namespace {

using state = handshake::state;

constexpr std::uint32_t all_ones = 0xffffffff;

/// Of every option one that is well-formed.
std::vector<message> good_options() {
    const message infos = info_data(disk_name, {0, 1, 2, 3});
    const message queries = meta_data(disk_name, {"base:allocation", "base:", "x-y:z"});
    return {option_message(option::export_name, disk_name),
            option_message(option::abort),
            option_message(option::list),
            option_message(option::starttls, "some data"),
            option_message(option::info, infos),
            option_message(option::go, infos),
            option_message(option::structured_reply),
            option_message(option::list_meta_context, queries),
            option_message(option::set_meta_context, queries)};
}

/// An option with lengths in it, and where these are: of 32 bits, but for the last of GO and INFO.
struct option_with_lengths {
    option type;
    message data;
    std::vector<std::size_t> lengths_at;
};

std::vector<option_with_lengths> options_with_lengths() {
    const message infos = info_data(disk_name, {1, 2, 3});
    const message queries = meta_data(disk_name, {"base:allocation", "x-y:z"});
    return {{option::info, infos, {0}},
            {option::go, infos, {0}},
            {option::list_meta_context, queries, {0, 8, 12, 31}},
            {option::set_meta_context, queries, {0, 8, 12, 31}}};
}

/// A guard page follows: what reads a byte too far dies.
std::size_t consume_guarded(handshake& h, bytes_view said) {
    guarded_buffer memory(said.size(), guard_side::end);
    std::ranges::copy(said, memory.data());
    return h.consume(memory.bytes());
}

} // namespace

TEST_CASE("nothing is taken or answered before a message is whole, and then all of it is") {
    for (const message& said : good_options()) {
        conversation c(both_client_flags);
        c.use_structured_replies();
        CAPTURE(std::to_integer<int>(said[11]));
        for (std::size_t bytes = 0; bytes < said.size(); ++bytes) {
            CHECK(consume_guarded(c.subject(), bytes_view(said).first(bytes)) == 0);
            CHECK(c.subject().output().empty());
            CHECK(c.current_state() == state::negotiating);
        }
        CHECK(consume_guarded(c.subject(), said) == said.size());
        CHECK_FALSE(c.subject().output().empty());
    }
    const export_info served = served_disk_info();
    handshake h(served);
    const message flags = client_flags(both_client_flags);
    for (std::size_t bytes = 0; bytes < flags.size(); ++bytes)
        CHECK(consume_guarded(h, bytes_view(flags).first(bytes)) == 0);
    CHECK(consume_guarded(h, flags) == flags.size());
}

TEST_CASE("a message is taken alone, whatever follows it") {
    for (const message& said : good_options()) {
        conversation c(both_client_flags);
        c.use_structured_replies();
        message with_more = said;
        append(with_more, option_message(option::list));
        CHECK(c.subject().consume(with_more) == said.size());
    }
}

TEST_CASE("an option that does not begin with its magic ends the connection, whichever bit of it is wrong") {
    for (unsigned bit = 0; bit < 64; ++bit) {
        conversation c(both_client_flags);
        message said = option_header(option::list, 0);
        said[bit / 8] ^= std::byte{1} << (bit % 8);
        CHECK(c.say(said).empty());
        CHECK(c.current_state() == state::closing);
    }
}

TEST_CASE("data that ends too early is invalid at every byte, and so is more than there should be") {
    for (const auto& o : options_with_lengths()) {
        CAPTURE(static_cast<std::uint32_t>(o.type));
        conversation c(both_client_flags);
        c.use_structured_replies();
        const auto invalid = only(o.type, option_reply::err_invalid);
        for (std::size_t bytes = 0; bytes < o.data.size(); ++bytes)
            CHECK(c.ask(o.type, bytes_view(o.data).first(bytes)) == invalid);
        message longer = o.data;
        for (int i = 0; i < 20; ++i) {
            longer.push_back(std::byte{0});
            CHECK(c.ask(o.type, longer) == invalid);
        }
        CHECK(c.goes_on());
        CHECK(c.ask(o.type, o.data).size() > 1);
    }
}

TEST_CASE("a length in an option that does not fit the rest is invalid, and the client may go on") {
    for (const auto& o : options_with_lengths()) {
        conversation c(both_client_flags);
        c.use_structured_replies();
        for (const std::size_t at : o.lengths_at) {
            CAPTURE(at);
            const auto right = load_big<std::uint32_t>(o.data.data() + at);
            for (const std::uint32_t wrong : {0U, right - 1, right + 1, right + 2, right + 4, 4096U, 4097U,
                                              0x7fffffffU, 0x80000000U, all_ones - 3, all_ones}) {
                CAPTURE(wrong);
                message data = o.data;
                store_big(data.data() + at, wrong);
                CHECK(c.ask(o.type, data) == only(o.type, option_reply::err_invalid));
            }
        }
        CHECK_FALSE(c.outcome().base_allocation);
        CHECK(c.goes_on());
    }
}

TEST_CASE("a number of infos that is not the number of them is invalid") {
    for (const option type : {option::info, option::go}) {
        conversation c(both_client_flags);
        const message right = info_data(disk_name, {1, 2, 3});
        for (const unsigned wrong : {0U, 1U, 2U, 4U, 0x7fffU, 0x8000U, 0xffffU}) {
            message data = right;
            store_big(data.data() + 8, static_cast<std::uint16_t>(wrong));
            CHECK(c.ask(type, data) == only(type, option_reply::err_invalid));
        }
        CHECK(c.goes_on());
    }
}

TEST_CASE("whatever is said, the promises hold and cutting it elsewhere changes nothing") {
    random_source random(test_seed());
    const export_info served = served_disk_info();
    const auto options = good_options();
    for (int i = 0; i < 3000; ++i) {
        message said = client_flags(both_client_flags);
        for (std::uint64_t n = random.below(8); n != 0; --n)
            append(said, options[2 + random.below(options.size() - 2)]);
        for (std::uint64_t n = random.below(4); n != 0; --n)
            said[random.below(said.size())] = static_cast<std::byte>(random.next());
        said.resize(said.size() - random.below(4) * random.below(2));
        const handshake_result whole = run_at_once(served, said);
        const handshake_result cut = run_in_pieces(served, said, random);
        REQUIRE(broken_promise_of(whole) == nullptr);
        REQUIRE(broken_promise_of(cut) == nullptr);
        REQUIRE(difference_of(whole, cut) == nullptr);
    }
}

TEST_CASE("noise is no client") {
    random_source random(test_seed());
    const export_info served = served_disk_info();
    for (int i = 0; i < 200; ++i) {
        message said = client_flags(both_client_flags);
        append(said, random_bytes(16 + random.below(100), random.next()));
        const handshake_result result = run_at_once(served, said);
        CHECK(broken_promise_of(result) == nullptr);
        CHECK(result.state == state::closing);
    }
}
