// SPDX-License-Identifier: Apache-2.0
// blkcrypto detach: the end of an attachment, or of all. Returns when what was written is on the medium, the
// socket is gone and the image is free.

#include "blkcrypto/tools/cli/program_error.hpp"
#include "blkcrypto/tools/control_client.hpp"
#include "blkcrypto/tools/verbs.hpp"

#include <cerrno>

namespace blkcrypto::tools {
namespace {

class detach_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override;
    int run() override;

  private:
    int detach_all();

    std::string name_;
    bool all_ = false;
};

CLI::App* detach_verb::add_to(CLI::App& program) {
    CLI::App* app = cli::add_verb(program, "detach", "Make all data safe and end an attachment",
                                  "blkcrypto detach disk.img");
    app->add_option("URI|IMAGE", name_, "as attach has printed it, or the image's name")->type_name("");
    app->add_flag("--all", all_, "all attachments of the user");
    return app;
}

void detach_one(control_client& client, found_attachment& which) {
    if (client.detach(which))
        throw cli::program_error(cli::exit_failed, which.known.uri, "detached, but data may be missing", EIO);
}

// All of them, whatever becomes of the first; what went wrong with the last is what is said.
int detach_verb::detach_all() {
    control_client client;
    std::optional<cli::program_error> failed;
    for (auto& found : client.attachments())
        try {
            detach_one(client, found);
        } catch (const cli::program_error& error) {
            failed = error;
        }
    if (failed)
        throw *failed;
    client.check_all_answered();
    return cli::exit_success;
}

int detach_verb::run() {
    if (all_ == !name_.empty())
        throw cli::unusable("detach", "either URI|IMAGE or --all says what (see --help)");
    if (all_)
        return detach_all();
    control_client client;
    found_attachment found = client.find(name_);
    detach_one(client, found);
    return cli::exit_success;
}

} // namespace

std::unique_ptr<cli::verb> make_detach_verb() {
    return std::make_unique<detach_verb>();
}

} // namespace blkcrypto::tools
