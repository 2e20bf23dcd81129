// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/control_protocol.hpp"

#include "blkcrypto/tools/cli/json_output.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace blkcrypto::tools {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view attachment_schema = "blkcrypto-attachment";
constexpr std::string_view detached_schema = "blkcrypto-detached";
constexpr unsigned version = 1;

constexpr std::array<std::string_view, 3> op_names{"identify", "info", "detach"}; // by control_op

// An object, or nothing.
std::optional<ordered_json> parse_object(std::string_view text) {
    constexpr bool throws = false;
    ordered_json parsed = ordered_json::parse(text, nullptr, throws);
    if (!parsed.is_object())
        return std::nullopt;
    return parsed;
}

std::optional<ordered_json> parse_document(std::string_view text, std::string_view schema) {
    auto parsed = parse_object(text);
    if (!parsed || parsed->value("schema", ordered_json()) != schema ||
        parsed->value("version", ordered_json()) != version)
        return std::nullopt;
    return parsed;
}

// Fields of a document; is_complete() turns false where one is missing or something else.
class field_reader {
  public:
    explicit field_reader(const ordered_json& document) : document_(document) {}

    std::string text(const char* name) {
        const auto found = document_.find(name);
        const bool is_text = found != document_.end() && found->is_string();
        is_complete_ = is_complete_ && is_text;
        return is_text ? found->get<std::string>() : std::string();
    }
    std::uint64_t number(const char* name) {
        const auto found = document_.find(name);
        const bool is_number = found != document_.end() && found->is_number_unsigned();
        is_complete_ = is_complete_ && is_number;
        return is_number ? found->get<std::uint64_t>() : 0;
    }
    std::string text_or_null(const char* name) {
        const auto found = document_.find(name);
        return found != document_.end() && found->is_null() ? std::string() : text(name);
    }
    bool is_complete() const noexcept { return is_complete_; }

  private:
    const ordered_json& document_;
    bool is_complete_ = true;
};

} // namespace

std::string control_request(control_op op) {
    return fmt::format("{{\"op\":\"{}\"}}\n", op_names[static_cast<std::size_t>(op)]);
}

std::optional<control_op> parse_control_request(std::string_view line) {
    const auto request = parse_object(line);
    if (!request)
        return std::nullopt;
    const ordered_json op = request->value("op", ordered_json());
    const auto* const found = std::find(op_names.begin(), op_names.end(), op);
    if (found == op_names.end())
        return std::nullopt;
    return static_cast<control_op>(found - op_names.begin());
}

ordered_json make_attachment_document() {
    return cli::make_document(attachment_schema, version);
}

std::optional<known_attachment> parse_attachment(std::string_view line) {
    auto document = parse_document(line, attachment_schema);
    if (!document)
        return std::nullopt;
    field_reader fields(*document);
    known_attachment known;
    known.pid = fields.number("pid");
    known.uri = fields.text("uri");
    known.image = fields.text("image");
    known.image_id = fields.text("image_id");
    known.path = fields.text("path");
    known.mode = fields.text_or_null("mode");
    known.size_bytes = fields.number("size_bytes");
    if (!fields.is_complete())
        return std::nullopt;
    known.document = std::move(*document);
    return known;
}

std::string detached_answer(const ordered_json& facts, bool data_may_be_missing) {
    auto document = cli::make_document(detached_schema, version);
    for (const char* const field : {"uri", "image_id"})
        document[field] = facts.value(field, ordered_json());
    document["data_may_be_missing"] = data_may_be_missing;
    return to_line(document);
}

std::optional<detached_attachment> parse_detached(std::string_view line) {
    const auto document = parse_document(line, detached_schema);
    if (!document)
        return std::nullopt;
    const ordered_json answer = document->value("data_may_be_missing", ordered_json());
    field_reader fields(*document);
    detached_attachment ended;
    ended.uri = fields.text("uri");
    ended.image_id = fields.text("image_id");
    if (!answer.is_boolean() || !fields.is_complete())
        return std::nullopt;
    ended.data_may_be_missing = answer.get<bool>();
    return ended;
}

std::string to_line(const ordered_json& document) {
    return document.dump(-1, ' ', true, ordered_json::error_handler_t::replace) + '\n';
}

std::string image_identity(const std::string& path) {
    struct stat found {};
    if (stat(path.c_str(), &found) != 0)
        return {};
    if (S_ISBLK(found.st_mode))
        return fmt::format("block-{}:{}", major(found.st_rdev), minor(found.st_rdev));
    return fmt::format("{}:{}-{}", major(found.st_dev), minor(found.st_dev), found.st_ino);
}

} // namespace blkcrypto::tools
