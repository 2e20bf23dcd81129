// SPDX-License-Identifier: Apache-2.0
#pragma once
// --json[=FILE]: alone it asks for JSON on stdout and nothing else there; with a file, for JSON in the file
// beside the usual text. The file is never a separate word, so a positional argument may follow. A verb
// declares it with add_to(), calls open() once all arguments are checked, and write() with its result.

#include "blkcrypto/tools/cli/file.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace blkcrypto::cli {

class json_output {
  public:
    void add_to(CLI::App& verb);

    bool is_requested() const noexcept { return !target_.empty(); }

    /// The file asked for; "-" for stdout, empty if not requested.
    const std::string& target() const noexcept { return target_; }

    /// False if stdout belongs to the JSON.
    bool wants_text() const { return target_ != standard_stream; }

    /// Opens the file, keeping its content, so that one that cannot be written is found before the work is
    /// done. What was not there is gone again, and made by write(): nothing is left of work that does not
    /// come to its end.
    void open();

    /// Replaces the file's content, or prints. Does nothing unless requested. Opens the file if nobody has.
    /// A file that is new is whole, or not there.
    void write(const nlohmann::ordered_json& document);

    /// For a process that leaves writing to another.
    void close() noexcept { file_.reset(); }

  private:
    std::string target_; // empty: not requested
    std::optional<file> file_;
};

/// The start of every document: its schema's name and version.
nlohmann::ordered_json make_document(std::string_view schema, unsigned version);

} // namespace blkcrypto::cli
