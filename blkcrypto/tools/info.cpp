// SPDX-License-Identifier: Apache-2.0
// blkcrypto info: one attachment, with what it has done so far.

#include "blkcrypto/tools/cli/json_output.hpp"
#include "blkcrypto/tools/cli/printable.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "blkcrypto/tools/control_client.hpp"
#include "blkcrypto/tools/verbs.hpp"

#include <fmt/format.h>
#include <vector>

namespace blkcrypto::tools {
namespace {

using nlohmann::ordered_json;

std::string text_of(const ordered_json& value) {
    if (value.is_string())
        return cli::printable(value.get<std::string>());
    if (value.is_null())
        return "-";
    if (value.is_boolean())
        return value.get<bool>() ? "yes" : "no";
    if (!value.is_object())
        return value.dump();
    std::vector<std::string> parts;
    for (const auto& [name, part] : value.items())
        parts.push_back(fmt::format("{} {}", name, text_of(part)));
    return fmt::format("{}", fmt::join(parts, ", "));
}

// A line each; what is about the document itself, and the commands that nobody has used, are left out.
void print_text(const ordered_json& document) {
    for (const auto& [name, value] : document.items()) {
        if (name == "commands" && value.is_object()) {
            for (const auto& [command, counters] : value.items())
                if (counters.is_object() && counters.value("requests", ordered_json()) != 0)
                    fmt::print("{}: {}\n", command, text_of(counters));
        } else if (name != "schema" && name != "version" && name != "image_id") {
            fmt::print("{}: {}\n", name, text_of(value));
        }
    }
}

class info_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override;
    int run() override;

  private:
    std::string name_;
    cli::json_output json_;
};

CLI::App* info_verb::add_to(CLI::App& program) {
    CLI::App* app = cli::add_verb(program, "info", "Say how an attachment is made, and what it has done",
                                  "blkcrypto info disk.img");
    app->add_option("URI|IMAGE", name_, "as attach has printed it, or the image's name")
        ->required()
        ->type_name("");
    json_.add_to(*app);
    return app;
}

int info_verb::run() {
    control_client client;
    found_attachment found = client.find(name_);
    const known_attachment known = client.info(found);
    if (json_.wants_text())
        print_text(known.document);
    json_.write(known.document);
    return cli::exit_success;
}

} // namespace

std::unique_ptr<cli::verb> make_info_verb() {
    return std::make_unique<info_verb>();
}

} // namespace blkcrypto::tools
