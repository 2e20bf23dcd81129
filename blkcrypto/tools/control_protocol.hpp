// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is said over a control socket: a line of JSON by the client, one by the server that holds the
// attachment, and so on.
//   {"op":"identify"}  is answered by the thread that listens, which asks no other: an object of the schema
//                      "blkcrypto-attachment", without statistics.
//   {"op":"info"}      likewise, with statistics, once each thread has told its own.
//   {"op":"detach"}    is answered when the data are safe and everything is taken down, the control socket
//                      included: an object of the schema "blkcrypto-detached".
// Whoever is connected when the attachment ends, whatever they asked, gets that last answer.
// Pure: text in, values out. Text from the other side may be anything.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace blkcrypto::tools {

enum class control_op : std::uint8_t { identify, info, detach };

/// What a request may have, with its newline.
inline constexpr std::size_t control_request_bytes_max = 4096;
/// What an answer may have.
inline constexpr std::size_t control_answer_bytes_max = 1 << 20;

/// With its newline.
std::string control_request(control_op op);
/// Without its newline. Nothing: that is no request.
std::optional<control_op> parse_control_request(std::string_view line);

/// The start of the answer to identify and info.
nlohmann::ordered_json make_attachment_document();

/// What tells attachments apart, from an answer to identify or info.
struct known_attachment {
    std::uint64_t pid = 0;
    std::string uri;
    std::string image;    // absolute
    std::string image_id; // see image_identity()
    std::string path;
    std::string mode; // empty: none
    std::uint64_t size_bytes = 0;
    nlohmann::ordered_json document; // all of it
};
std::optional<known_attachment> parse_attachment(std::string_view line);

/// The attachment that has ended, and how.
struct detached_attachment {
    std::string uri;
    std::string image_id;
    bool data_may_be_missing = false;
};
/// With its newline. `facts` are those that identify is answered with.
std::string detached_answer(const nlohmann::ordered_json& facts, bool data_may_be_missing);
/// Nothing: that is no such answer.
std::optional<detached_attachment> parse_detached(std::string_view line);

/// Any of the document as a line, in ASCII.
std::string to_line(const nlohmann::ordered_json& document);

/// The same text for all names of a file, and for all nodes of a block device. Empty if it cannot be looked
/// at.
std::string image_identity(const std::string& path);

} // namespace blkcrypto::tools
