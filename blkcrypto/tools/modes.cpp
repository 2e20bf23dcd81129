// SPDX-License-Identifier: Apache-2.0
// blkcrypto modes: the mode table, and what this build and this CPU have for each mode.

#include "blkcrypto/cipher/skcipher.hpp"
#include "blkcrypto/tools/cli/json_output.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "blkcrypto/tools/verbs.hpp"

#include <fmt/format.h>

namespace blkcrypto::tools {
namespace {

std::string table_text() {
    constexpr const char* row = "{:<18}  {:<18} {:>10} {:>10} {:>15}  {}\n";
    std::string text =
        fmt::format(row, "mode", "kernel name", "key bytes", "IV bytes", "strength bytes", "implementation");
    for (const auto& mode : crypto_modes()) {
        const auto* implementation = selected_implementation(mode.mode);
        text += fmt::format(row, mode.name, mode.kernel_name, mode.key_size_bytes, mode.iv_size_bytes,
                            mode.security_strength_bytes,
                            implementation != nullptr ? implementation->name : "none (ENOPKG)");
    }
    return text;
}

nlohmann::ordered_json mode_json(const crypto_mode_info& mode) {
    const auto* implementation = selected_implementation(mode.mode);
    return {{"name", mode.name},
            {"kernel_name", mode.kernel_name},
            {"key_size_bytes", mode.key_size_bytes},
            {"iv_size_bytes", mode.iv_size_bytes},
            {"security_strength_bytes", mode.security_strength_bytes},
            {"implementation",
             implementation != nullptr ? nlohmann::ordered_json(implementation->name) : nullptr}};
}

class modes_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override {
        CLI::App* app = cli::add_verb(program, "modes", "Show the encryption modes and their implementations",
                                      "blkcrypto modes --json=modes.json");
        json_.add_to(*app);
        return app;
    }

    int run() override {
        json_.open();
        if (json_.wants_text())
            cli::file::open_output(cli::standard_stream).write(table_text());
        auto document = cli::make_document("blkcrypto.modes", 1);
        for (const auto& mode : crypto_modes())
            document["modes"].push_back(mode_json(mode));
        json_.write(document);
        return cli::exit_success;
    }

  private:
    cli::json_output json_;
};

} // namespace

std::unique_ptr<cli::verb> make_modes_verb() {
    return std::make_unique<modes_verb>();
}

} // namespace blkcrypto::tools
