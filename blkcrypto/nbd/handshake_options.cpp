// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/handshake_options.hpp"

#include "blkcrypto/nbd/export_info.hpp"

namespace blkcrypto::nbd {
namespace {

constexpr std::string_view base_namespace = "base:";

/// Takes fields off the front. Once there was less than a field needs it has failed, and all that is taken is
/// zero: whoever reads a number of fields looks once, at the end, but for loops.
class field_reader {
  public:
    explicit field_reader(bytes_view from) noexcept : rest_(from) {}

    template <typename Integer>
    Integer take_integer() noexcept {
        const bytes_view field = take(sizeof(Integer));
        return has_failed_ ? Integer{0} : load_big<Integer>(field.data());
    }

    /// A length of 32 bits, and as many bytes.
    std::string_view take_string() noexcept {
        const auto length_bytes = take_integer<std::uint32_t>();
        has_failed_ = has_failed_ || length_bytes > string_bytes_max;
        return text_of(take(length_bytes));
    }

    bool has_failed() const noexcept { return has_failed_; }
    bool has_read_all() const noexcept { return !has_failed_ && rest_.empty(); }

  private:
    bytes_view take(std::size_t bytes) noexcept {
        has_failed_ = has_failed_ || bytes > rest_.size();
        if (has_failed_)
            return {};
        const bytes_view taken = rest_.first(bytes);
        rest_ = rest_.subspan(bytes);
        return taken;
    }

    bytes_view rest_;
    bool has_failed_ = false;
};

} // namespace

std::string_view text_of(bytes_view bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool decode(bytes_view from, info_option& into) noexcept {
    field_reader fields(from);
    into = {.export_name = fields.take_string()};
    const auto count = fields.take_integer<std::uint16_t>();
    for (unsigned i = 0; i < count && !fields.has_failed(); ++i) {
        const info_type type{fields.take_integer<std::uint16_t>()};
        into.wants_name = into.wants_name || type == info_type::name;
        into.wants_description = into.wants_description || type == info_type::description;
    }
    return fields.has_read_all();
}

// The count is the client's, up to four thousand millions: the loop ends with the bytes at the latest.
bool decode(bytes_view from, meta_context_option& into) noexcept {
    field_reader fields(from);
    into = {.export_name = fields.take_string()};
    const auto count = fields.take_integer<std::uint32_t>();
    into.has_queries = count != 0;
    for (std::uint32_t i = 0; i < count && !fields.has_failed(); ++i) {
        const std::string_view query = fields.take_string();
        into.names_base = into.names_base || query == base_namespace;
        into.names_base_allocation = into.names_base_allocation || query == base_allocation_name;
    }
    return fields.has_read_all();
}

} // namespace blkcrypto::nbd
