// SPDX-License-Identifier: Apache-2.0
// blkcrypto list: the attachments of the user.

#include "blkcrypto/tools/cli/json_output.hpp"
#include "blkcrypto/tools/cli/printable.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "blkcrypto/tools/control_client.hpp"
#include "blkcrypto/tools/verbs.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace blkcrypto::tools {
namespace {

using table_row = std::array<std::string, 6>;

// Those that ended meanwhile are left out.
std::vector<known_attachment> known_ones(std::vector<found_attachment>&& found) {
    std::vector<known_attachment> known;
    for (auto& one : found)
        if (!one.ended)
            known.push_back(std::move(one.known));
    return known;
}

table_row row_of(const known_attachment& known) {
    return {fmt::format("{}", known.pid),          known.path,
            known.mode.empty() ? "-" : known.mode, fmt::format("{}", known.size_bytes),
            cli::printable(known.image),           cli::printable(known.uri)};
}

void print_table(const std::vector<known_attachment>& attachments) {
    if (attachments.empty())
        return;
    std::vector<table_row> rows{{"PID", "PATH", "MODE", "SIZE", "IMAGE", "URI"}};
    std::ranges::transform(attachments, std::back_inserter(rows), row_of);
    std::array<std::size_t, std::tuple_size_v<table_row>> widths{};
    for (const auto& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], row[i].size());
    for (const auto& row : rows) {
        for (std::size_t i = 0; i + 1 < row.size(); ++i)
            fmt::print("{:<{}}  ", row[i], widths[i]);
        fmt::print("{}\n", row.back());
    }
}

nlohmann::ordered_json to_json(const std::vector<known_attachment>& attachments) {
    auto document = cli::make_document("blkcrypto-attachments", 1);
    auto& all = document["attachments"] = nlohmann::ordered_json::array();
    for (const auto& known : attachments) {
        nlohmann::ordered_json row;
        for (const char* const field : {"pid", "path", "mode", "size_bytes", "read_only", "image", "uri"})
            row[field] = known.document.value(field, nlohmann::ordered_json());
        all.push_back(std::move(row));
    }
    return document;
}

class list_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override;
    int run() override;

  private:
    cli::json_output json_;
};

CLI::App* list_verb::add_to(CLI::App& program) {
    CLI::App* app = cli::add_verb(program, "list", "Say what is attached", "blkcrypto list");
    json_.add_to(*app);
    return app;
}

int list_verb::run() {
    control_client client;
    const auto attachments = known_ones(client.attachments());
    if (json_.wants_text())
        print_table(attachments);
    json_.write(to_json(attachments));
    client.check_all_answered();
    return cli::exit_success;
}

} // namespace

std::unique_ptr<cli::verb> make_list_verb() {
    return std::make_unique<list_verb>();
}

} // namespace blkcrypto::tools
