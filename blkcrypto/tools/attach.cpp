// SPDX-License-Identifier: Apache-2.0
// blkcrypto attach: an image as a disk for NBD clients, served in the background.

#include "blkcrypto/tools/attachment.hpp"
#include "blkcrypto/tools/background.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "blkcrypto/tools/verbs.hpp"

#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace blkcrypto::tools {
namespace {

class attach_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override;
    int run() override;

  private:
    int serve_here(const attach_options& options);
    int serve_behind(const attach_options& options, background& process);
    int wait_for(background& process);
    void print(const std::string& uri, pid_t server);

    attach_arguments arguments_;
};

CLI::App* attach_verb::add_to(CLI::App& program) {
    CLI::App* app =
        cli::add_verb(program, "attach", "Serve an image as a disk to NBD clients",
                      "blkcrypto attach disk.img --socket disk.sock --create --size 1g --key-file "
                      "key.bin --mode aes-256-xts --data-unit-size 4k");
    arguments_.add_to(*app);
    return app;
}

int attach_verb::run() {
    const attach_options options = arguments_.parse();
    arguments_.json().open();
    if (arguments_.is_foreground())
        return serve_here(options);
    background process = background::fork();
    return process.is_starter() ? wait_for(process) : serve_behind(options, process);
}

int attach_verb::serve_here(const attach_options& options) {
    attachment served(options);
    print(served.uri(), getpid());
    served.keep();
    served.serve();
    return cli::exit_success;
}

int attach_verb::serve_behind(const attach_options& options, background& process) {
    arguments_.json().close(); // the starter's
    process.note_inherited();
    attachment served(options);
    process.report_ready(served.uri());
    if (!process.is_confirmed())
        return cli::exit_failed; // and nothing is left of it
    served.keep();
    process.go_on();
    served.serve();
    return cli::exit_success;
}

int attach_verb::wait_for(background& process) {
    const auto uri = process.wait_until_ready();
    if (!uri)
        return process.exit_code();
    try {
        print(*uri, process.pid());
    } catch (const cli::program_error&) {
        process.refuse(); // nobody would know what to detach
        throw;
    }
    process.confirm();
    return cli::exit_success;
}

void attach_verb::print(const std::string& uri, pid_t server) {
    cli::json_output& json = arguments_.json();
    if (json.wants_text())
        cli::file::open_output(cli::standard_stream).write(uri + '\n');
    auto document = cli::make_document("blkcrypto-attach", 1);
    document["uri"] = uri;
    document["pid"] = server;
    json.write(document);
}

} // namespace

std::unique_ptr<cli::verb> make_attach_verb() {
    return std::make_unique<attach_verb>();
}

} // namespace blkcrypto::tools
