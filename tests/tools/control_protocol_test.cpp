// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/control_protocol.hpp"

#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;
using namespace blkcrypto::tools;

namespace {

std::string_view without_newline(std::string_view line) {
    REQUIRE(line.ends_with('\n'));
    return line.substr(0, line.size() - 1);
}

nlohmann::ordered_json sample() {
    auto document = make_attachment_document();
    document["pid"] = 4711;
    document["uri"] = "nbd://127.0.0.1:10809";
    document["image"] = "/a\n\xff";
    document["image_id"] = "1:2-3";
    document["path"] = "plain";
    document["mode"] = nullptr;
    document["size_bytes"] = 512;
    return document;
}

} // namespace

TEST_CASE("requests are understood as they are made") {
    for (const control_op op : {control_op::identify, control_op::info, control_op::detach})
        CHECK(parse_control_request(without_newline(control_request(op))) == op);
    CHECK(parse_control_request(" {\"more\": [1], \"op\": \"info\"} ") == control_op::info);
}

TEST_CASE("what is no request is none") {
    for (const char* const text :
         {"", "{", "info", "\"info\"", "[]", "{}", "{\"op\":1}", "{\"op\":null}", "{\"op\":{}}",
          "{\"op\":\"Info\"}", "{\"op\":\"info\"} x", "{\"OP\":\"info\"}"})
        CHECK(!parse_control_request(text));
    CHECK(!parse_control_request(std::string(control_request_bytes_max, '[')));
    random_source random(test_seed());
    for (unsigned i = 0; i < 5000; ++i) {
        std::string text = control_request(control_op::detach);
        text[random.below(text.size())] = static_cast<char>(random.next());
        (void)parse_control_request(text);
    }
}

TEST_CASE("an answer is a line of ASCII whatever is in it, and tells of the attachment") {
    const std::string line = to_line(sample());
    CHECK(line.find('\n') == line.size() - 1);
    for (const char c : line)
        CHECK(static_cast<unsigned char>(c) < 128);
    const auto known = parse_attachment(without_newline(line));
    REQUIRE(known);
    CHECK(known->pid == 4711);
    CHECK(known->uri == "nbd://127.0.0.1:10809");
    CHECK(known->mode.empty());
    CHECK(known->size_bytes == 512);
}

TEST_CASE("an answer without one of its fields tells of nothing") {
    for (const char* const field :
         {"schema", "version", "pid", "uri", "image", "image_id", "path", "mode", "size_bytes"}) {
        CAPTURE(field);
        auto document = sample();
        document.erase(field);
        CHECK(!parse_attachment(to_line(document)));
        document[field] = nlohmann::ordered_json::array();
        CHECK(!parse_attachment(to_line(document)));
    }
    CHECK(!parse_attachment(""));
    CHECK(!parse_attachment(detached_answer(sample(), false)));
}

TEST_CASE("the last answer says what has ended, and whether data may be missing") {
    for (const bool may_be_missing : {false, true}) {
        const std::string line = detached_answer(sample(), may_be_missing);
        const auto ended = parse_detached(without_newline(line));
        REQUIRE(ended);
        CHECK(ended->uri == "nbd://127.0.0.1:10809");
        CHECK(ended->image_id == "1:2-3");
        CHECK(ended->data_may_be_missing == may_be_missing);
    }
    CHECK(!parse_detached(detached_answer(nlohmann::ordered_json::object(), false)));
    CHECK(!parse_detached(to_line(sample())));
    CHECK(!parse_detached("{\"data_may_be_missing\":false}"));
    CHECK(!parse_detached("{\"schema\":\"blkcrypto-detached\",\"version\":1,\"data_may_be_missing\":0}"));
}
