// SPDX-License-Identifier: Apache-2.0
// Each option as a client means it, and what it leads to.
#include "tests/nbd/handshake_conversation.hpp"
#include "tests/support/random_bytes.hpp"

using namespace blkcrypto;
using namespace blkcrypto::nbd;
using namespace blkcrypto::test;

namespace {

using state = handshake::state;

constexpr std::uint16_t plain_flags = 0x16d; // all but read_only and send_df
constexpr std::uint16_t df_flag = 0x80;

std::vector<reply> info_replies(option to, std::uint16_t flags, bool name, bool description) {
    const auto info = [&](message data) {
        return reply{.to = to, .type = option_reply::info, .data = std::move(data)};
    };
    std::vector<reply> replies{
        info(packed(std::uint16_t{0}, std::uint64_t{0x123456789a00}, flags)),
        info(packed(std::uint16_t{3}, std::uint32_t{512}, std::uint32_t{4096}, std::uint32_t{32 << 20}))};
    if (name)
        replies.push_back(info(packed(std::uint16_t{1}, disk_name)));
    if (description)
        replies.push_back(info(packed(std::uint16_t{2}, std::string_view("what it is"))));
    replies.push_back({.to = to, .type = option_reply::ack, .data = {}});
    return replies;
}

std::vector<reply> context_replies(option to, std::uint32_t id) {
    return {{.to = to,
             .type = option_reply::meta_context,
             .data = packed(id, std::string_view("base:allocation"))},
            {.to = to, .type = option_reply::ack, .data = {}}};
}

std::vector<reply> set_base_allocation(conversation& c) {
    return c.ask(option::set_meta_context, meta_data(disk_name, {"base:allocation"}));
}

} // namespace

TEST_CASE("the greeting is two magics and both flags, and needs nothing to be said first") {
    const export_info served = served_disk_info();
    handshake h(served);
    CHECK(message(h.output().begin(), h.output().end()) == from_hex("4e42444d41474943"
                                                                    "49484156454f5054"
                                                                    "0003"));
    CHECK(h.current_state() == state::negotiating);
}

TEST_CASE("a client may say either flag, both or none, and any other ends the connection unanswered") {
    for (std::uint32_t flags = 0; flags < 4; ++flags)
        CHECK(conversation(flags).current_state() == state::negotiating);
    for (unsigned bit = 2; bit < 32; ++bit)
        CHECK(conversation(both_client_flags | 1U << bit).current_state() == state::closing);
}

TEST_CASE("EXPORT_NAME is answered with size, flags, and zeroes unless none were agreed on") {
    for (std::uint32_t flags = 0; flags < 4; ++flags) {
        CAPTURE(flags);
        conversation c(flags);
        message expected = packed(std::uint64_t{0x123456789a00}, plain_flags);
        if ((flags & handshake_flag::no_zeroes) == 0)
            expected.resize(expected.size() + 124);
        CHECK(c.say(option_message(option::export_name, disk_name)) == expected);
        CHECK(c.current_state() == state::done);
    }
}

TEST_CASE("EXPORT_NAME of an export that is not there ends the connection unanswered") {
    using namespace std::string_view_literals;
    for (const std::string_view name : {""sv, "dis"sv, "disk "sv, "Disk"sv, "disk\0"sv, "\xff\xfe"sv}) {
        conversation c(both_client_flags);
        CHECK(c.say(option_message(option::export_name, name)).empty());
        CHECK(c.current_state() == state::closing);
    }
}

TEST_CASE("an export without a name is the one that is served to who names none") {
    export_info served = served_disk_info();
    served.name.clear();
    conversation by_name(both_client_flags, served);
    CHECK(by_name.say(option_message(option::export_name)).size() == 10);
    CHECK(by_name.current_state() == state::done);
    conversation go(both_client_flags, served);
    CHECK(go.ask(option::go, info_data("")) == info_replies(option::go, plain_flags, false, false));
    conversation wrong(both_client_flags, served);
    CHECK(wrong.ask(option::go, info_data("disk")) == only(option::go, option_reply::err_unknown));
}

TEST_CASE("a client that is not of the fixed kind gets EXPORT_NAME, and the end for any other option") {
    for (std::uint32_t type = 2; type < 14; ++type) {
        conversation c(handshake_flag::no_zeroes);
        CHECK(c.say(option_header(option{type}, 0)).empty());
        CHECK(c.current_state() == state::closing);
    }
}

TEST_CASE("ABORT is acknowledged, with data or without, and ends the connection") {
    for (const std::string_view data : {"", "why"}) {
        conversation c(both_client_flags);
        CHECK(c.ask(option::abort, data) == only(option::abort, option_reply::ack));
        CHECK(c.current_state() == state::closing);
    }
}

TEST_CASE("LIST tells the only export with its description, and takes no data") {
    conversation c(both_client_flags);
    const std::vector<reply> expected{
        {.to = option::list,
         .type = option_reply::server,
         .data = packed(std::uint32_t{4}, disk_name, std::string_view("what it is"))},
        {.to = option::list, .type = option_reply::ack, .data = {}}};
    CHECK(c.ask(option::list) == expected);
    CHECK(c.ask(option::list, "x") == only(option::list, option_reply::err_invalid));
    CHECK(c.goes_on());
}

TEST_CASE("a reply is magic, option, type, length and data, to the byte") {
    conversation c(both_client_flags);
    CHECK(c.say(from_hex("49484156454f5054" // IHAVEOPT
                         "00000007"         // GO
                         "00000010"
                         "00000004"
                         "6469736b" // disk
                         "0001"
                         "0001" // NAME
                         "00000000")) == from_hex("0003e889045565a9"
                                                  "00000007"
                                                  "80000003" // four bytes too many
                                                  "00000000"));
    CHECK(c.say(from_hex("49484156454f5054"
                         "00000007"
                         "0000000c"
                         "00000004"
                         "6469736b"
                         "0001"
                         "0001")) == from_hex("0003e889045565a9" // the export
                                              "00000007"
                                              "00000003"
                                              "0000000c"
                                              "0000"
                                              "0000123456789a00"
                                              "016d"
                                              "0003e889045565a9" // block sizes
                                              "00000007"
                                              "00000003"
                                              "0000000e"
                                              "0003"
                                              "00000200"
                                              "00001000"
                                              "02000000"
                                              "0003e889045565a9" // the name
                                              "00000007"
                                              "00000003"
                                              "00000006"
                                              "0001"
                                              "6469736b"
                                              "0003e889045565a9" // the end
                                              "00000007"
                                              "00000001"
                                              "00000000"));
    CHECK(c.current_state() == state::done);
}

TEST_CASE(
    "GO and INFO tell the export and block sizes always, name and description if asked, all of it once") {
    for (const option type : {option::info, option::go}) {
        for (unsigned chosen = 0; chosen < 64; ++chosen) {
            CAPTURE(chosen);
            std::vector<std::uint16_t> types;
            for (unsigned n = 0; n < 6; ++n) // 4 and 5 mean nothing
                if ((chosen >> n & 1) != 0)
                    types.push_back(static_cast<std::uint16_t>(n));
            types.insert(types.end(), types.begin(), types.end());
            types.push_back(0xffff);
            conversation c(both_client_flags);
            CHECK(c.ask(type, info_data(disk_name, types)) ==
                  info_replies(type, plain_flags, (chosen & 2) != 0, (chosen & 4) != 0));
            CHECK(c.current_state() == (type == option::go ? state::done : state::negotiating));
        }
    }
}

TEST_CASE("GO and INFO of an export that is not there find none, and the client may go on") {
    using namespace std::string_view_literals;
    conversation c(both_client_flags);
    for (const option type : {option::info, option::go})
        for (const std::string_view name :
             {""sv, "dis"sv, "disk "sv, "disk\0"sv, "\0disk"sv, "\xff\xc0\x80"sv})
            CHECK(c.ask(type, info_data(name, {1, 2, 3})) == only(type, option_reply::err_unknown));
    CHECK(c.goes_on());
}

TEST_CASE("structured replies are agreed on by asking, once or again, and change the flags") {
    conversation c(both_client_flags);
    CHECK_FALSE(c.outcome().structured_replies);
    CHECK(c.ask(option::structured_reply, "x") == only(option::structured_reply, option_reply::err_invalid));
    CHECK_FALSE(c.outcome().structured_replies);
    for (int i = 0; i < 2; ++i)
        CHECK(c.ask(option::structured_reply) == only(option::structured_reply, option_reply::ack));
    CHECK(c.outcome().structured_replies);
    const std::uint16_t flags = plain_flags | df_flag;
    CHECK(c.ask(option::info, info_data(disk_name)) == info_replies(option::info, flags, false, false));
    CHECK(c.say(option_message(option::export_name, disk_name)) ==
          packed(std::uint64_t{0x123456789a00}, flags));
}

TEST_CASE("of an export for reading the client learns that, and that it can neither trim nor write zeroes") {
    export_info served = served_disk_info();
    served.read_only = true;
    conversation c(both_client_flags, served);
    CHECK(c.ask(option::go, info_data(disk_name)) == info_replies(option::go, 0x10f, false, false));
}

TEST_CASE("metadata contexts need structured replies") {
    for (const option type : {option::list_meta_context, option::set_meta_context}) {
        conversation c(both_client_flags);
        CHECK(c.ask(type, meta_data(disk_name, {"base:allocation"})) ==
              only(type, option_reply::err_invalid));
        CHECK_FALSE(c.outcome().base_allocation);
        c.use_structured_replies();
        CHECK(c.ask(type, meta_data(disk_name, {"base:allocation"})).size() == 2);
    }
}

TEST_CASE("a namespace alone lists what is in it and sets nothing, and unknown queries find nothing") {
    using namespace std::string_view_literals;
    struct row {
        std::vector<std::string_view> queries;
        bool is_listed, is_set;
    };
    const std::vector<row> rows{{{}, true, false},
                                {{"base:"}, true, false},
                                {{"base:allocation"}, true, true},
                                {{"base:allocation", "base:allocation", "base:"}, true, true},
                                {{"qemu:dirty-bitmap:b0", "base:allocation"}, true, true},
                                {{"base:allocation", ""}, true, true},
                                {{"qemu:", "x-y:z"}, false, false},
                                {{""}, false, false},
                                {{"base"}, false, false},
                                {{"base:allocatio"}, false, false},
                                {{"base:allocation "}, false, false},
                                {{"base:allocation\0"sv}, false, false},
                                {{"\xff\xfe\0"sv}, false, false}};
    for (const row& r : rows) {
        CAPTURE(&r - rows.data());
        conversation c(both_client_flags);
        c.use_structured_replies();
        const message data = meta_data(disk_name, r.queries);
        CHECK(c.ask(option::list_meta_context, data) ==
              (r.is_listed ? context_replies(option::list_meta_context, 0)
                           : only(option::list_meta_context, option_reply::ack)));
        CHECK_FALSE(c.outcome().base_allocation);
        CHECK(c.ask(option::set_meta_context, data) ==
              (r.is_set ? context_replies(option::set_meta_context, base_allocation_id)
                        : only(option::set_meta_context, option_reply::ack)));
        CHECK(c.outcome().base_allocation == r.is_set);
    }
}

TEST_CASE("a context stays set through other options until it is set anew, whatever comes of that") {
    conversation c(both_client_flags);
    c.use_structured_replies();
    const auto sets = [&](bytes_view data) {
        set_base_allocation(c);
        CHECK(c.outcome().base_allocation);
        c.ask(option::list_meta_context, meta_data(disk_name, {"x-y:z"}));
        c.ask(option::info, info_data(disk_name));
        CHECK(c.ask(option::go, info_data("other")) == only(option::go, option_reply::err_unknown));
        CHECK(c.outcome().base_allocation);
        return c.ask(option::set_meta_context, data);
    };
    CHECK(sets(meta_data(disk_name)) == only(option::set_meta_context, option_reply::ack));
    CHECK_FALSE(c.outcome().base_allocation);
    CHECK(sets(packed(std::uint32_t{1})) == only(option::set_meta_context, option_reply::err_invalid));
    CHECK_FALSE(c.outcome().base_allocation);
    CHECK(sets(meta_data("other", {"base:allocation"})) ==
          only(option::set_meta_context, option_reply::err_unknown));
    CHECK_FALSE(c.outcome().base_allocation);
}

TEST_CASE("a context of the export that is served goes with it into transmission, and of another does not") {
    for (const std::string_view name : {disk_name, std::string_view("other")}) {
        conversation c(both_client_flags);
        c.use_structured_replies();
        c.ask(option::set_meta_context, meta_data(name, {"base:allocation"}));
        c.ask(option::go, info_data(disk_name));
        CHECK(c.current_state() == state::done);
        CHECK(c.outcome().base_allocation == (name == disk_name));
    }
    conversation listing(both_client_flags);
    listing.use_structured_replies();
    CHECK(listing.ask(option::list_meta_context, meta_data("other")) ==
          only(option::list_meta_context, option_reply::err_unknown));
}

TEST_CASE("an option that is not known here is refused, with data or without, and the client may go on") {
    conversation c(both_client_flags);
    for (const std::uint32_t number : {0U, 4U, 5U, 11U, 12U, 0x10001U, 0x80000000U, 0xffffffffU})
        for (const std::string_view data : {"", "some data"})
            CHECK(c.ask(option{number}, data) == only(option{number}, option_reply::err_unsup));
    CHECK(c.goes_on());
}

TEST_CASE("after the end nothing is taken: the rest is of the transmission") {
    const message more = option_message(option::list);
    conversation done(both_client_flags);
    done.ask(option::go, info_data(disk_name));
    CHECK(done.subject().consume(more) == 0);
    conversation closing(both_client_flags);
    closing.ask(option::abort);
    CHECK(closing.subject().consume(more) == 0);
    CHECK(closing.subject().output().empty());
}
