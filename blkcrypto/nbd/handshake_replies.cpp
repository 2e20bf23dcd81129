// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/handshake_replies.hpp"

#include <algorithm>
#include <cassert>

namespace blkcrypto::nbd {
namespace {

constexpr std::size_t greeting_bytes = 18;
constexpr std::size_t reply_header_bytes = 20;
constexpr std::size_t export_fields_bytes = 10;
constexpr std::size_t zeroes_bytes = 124;
constexpr std::size_t info_export_bytes = 12;
constexpr std::size_t info_block_size_bytes = 14;

// NBD_OPT_GO gets most, if it asks for everything: the export, block sizes, name, description, and an end. A
// list has both texts too, and fewer headers. What is said in numbers alone is shorter, except for the
// zeroes of old.
constexpr std::size_t info_replies_bytes =
    5 * reply_header_bytes + info_export_bytes + info_block_size_bytes + 2 * sizeof(info_type);
constexpr std::size_t wordless_bytes_max = std::max(info_replies_bytes, export_fields_bytes + zeroes_bytes);
static_assert(2 * reply_header_bytes + sizeof(std::uint32_t) <= info_replies_bytes, "a list fits");
static_assert(2 * reply_header_bytes + sizeof(std::uint32_t) + base_allocation_name.size() <=
                  wordless_bytes_max,
              "a metadata context fits");

} // namespace

handshake_replies::handshake_replies(const export_info& served)
    : served_(served), reply_bytes_max_(wordless_bytes_max + served.name.size() + served.description.size()),
      memory_(greeting_bytes + reply_bytes_max_) {
    assert(served.name.size() <= string_bytes_max && served.description.size() <= string_bytes_max);
}

void handshake_replies::add_greeting() noexcept {
    std::byte* const at = append(greeting_bytes).data();
    store_big(at, init_magic);
    store_big(at + 8, option_magic);
    store_big<std::uint16_t>(at + 16, handshake_flag::fixed_newstyle | handshake_flag::no_zeroes);
}

void handshake_replies::add_export(std::uint16_t flags, bool with_zeroes) noexcept {
    std::byte* const at = append(export_fields_bytes).data();
    store_big(at, served_.size_bytes);
    store_big(at + 8, flags);
    if (with_zeroes)
        std::ranges::fill(append(zeroes_bytes), std::byte{0});
}

void handshake_replies::add_server(option to) noexcept {
    std::array<std::byte, sizeof(std::uint32_t)> name_length;
    store_big(name_length.data(), static_cast<std::uint32_t>(served_.name.size()));
    const std::size_t text_bytes = served_.name.size() + served_.description.size();
    add_header(to, option_reply::server, name_length.size() + text_bytes);
    append_bytes(name_length);
    append_text(served_.name);
    append_text(served_.description);
}

void handshake_replies::add_info_export(option to, std::uint16_t flags) noexcept {
    std::array<std::byte, info_export_bytes> fields;
    store_big(fields.data(), static_cast<std::uint16_t>(info_type::exported));
    store_big(fields.data() + 2, served_.size_bytes);
    store_big(fields.data() + 10, flags);
    add(to, option_reply::info, fields);
}

void handshake_replies::add_info_block_size(option to) noexcept {
    std::array<std::byte, info_block_size_bytes> fields;
    store_big(fields.data(), static_cast<std::uint16_t>(info_type::block_size));
    store_big(fields.data() + 2, served_.block_bytes_min);
    store_big(fields.data() + 6, served_.block_bytes_preferred);
    store_big(fields.data() + 10, served_.block_bytes_max);
    add(to, option_reply::info, fields);
}

void handshake_replies::add_info_name(option to) noexcept {
    add_info_text(to, info_type::name, served_.name);
}

void handshake_replies::add_info_description(option to) noexcept {
    add_info_text(to, info_type::description, served_.description);
}

void handshake_replies::add_base_allocation(option to, std::uint32_t id) noexcept {
    std::array<std::byte, sizeof(id)> field;
    store_big(field.data(), id);
    add(to, option_reply::meta_context, field, base_allocation_name);
}

void handshake_replies::sent(std::size_t bytes) noexcept {
    assert(bytes <= size_bytes_);
    const bytes_view rest = this->bytes().subspan(bytes);
    std::ranges::copy(rest, memory_.begin());
    size_bytes_ = rest.size();
}

void handshake_replies::add_info_text(option to, info_type type, std::string_view text) noexcept {
    std::array<std::byte, sizeof(type)> field;
    store_big(field.data(), static_cast<std::uint16_t>(type));
    add(to, option_reply::info, field, text);
}

void handshake_replies::add(option to, option_reply type, bytes_view fields, std::string_view text) noexcept {
    add_header(to, type, fields.size() + text.size());
    append_bytes(fields);
    append_text(text);
}

void handshake_replies::add_header(option to, option_reply type, std::size_t data_bytes) noexcept {
    std::byte* const at = append(reply_header_bytes).data();
    store_big(at, option_reply_magic);
    store_big(at + 8, static_cast<std::uint32_t>(to));
    store_big(at + 12, static_cast<std::uint32_t>(type));
    store_big(at + 16, static_cast<std::uint32_t>(data_bytes));
}

bytes_span handshake_replies::append(std::size_t bytes) noexcept {
    assert(bytes <= memory_.size() - size_bytes_);
    const bytes_span place = bytes_span(memory_).subspan(size_bytes_, bytes);
    size_bytes_ += bytes;
    return place;
}

void handshake_replies::append_bytes(bytes_view bytes) noexcept {
    std::ranges::copy(bytes, append(bytes.size()).begin());
}

void handshake_replies::append_text(std::string_view text) noexcept {
    append_bytes(std::as_bytes(std::span(text)));
}

} // namespace blkcrypto::nbd
