// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/cli/json_output.hpp"

#include "blkcrypto/tools/cli/program_error.hpp"

#include <fmt/format.h>

namespace blkcrypto::cli {

void json_output::add_to(CLI::App& verb) {
    // A flag, not an option with an optional value: CLI11 gives a flag a value only after '='. In braces: the
    // value of the bare flag.
    verb.add_flag(fmt::format("--json{{{}}}", standard_stream), target_,
                  "print JSON and nothing else, or write it to FILE");
}

void json_output::open() {
    if (!is_requested() || file_)
        return;
    file_.emplace(file::open_output(target_));
    if (!file_->is_new())
        return;
    file_->remove_if_new();
    file_.reset();
}

void json_output::write(const nlohmann::ordered_json& document) {
    if (!is_requested())
        return;
    const std::string text =
        document.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + '\n';
    if (!file_)
        file_.emplace(file::open_output(target_));
    try {
        file_->truncate();
        file_->write(text);
        file_->close();
    } catch (...) {
        file_->remove_if_new();
        throw;
    }
}

nlohmann::ordered_json make_document(std::string_view schema, unsigned version) {
    return {{"schema", schema}, {"version", version}};
}

} // namespace blkcrypto::cli
