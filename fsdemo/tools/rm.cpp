// SPDX-License-Identifier: Apache-2.0
// fsdemo rm: a file or an empty directory. Needs no key.

#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/tools/mounted_image.hpp"
#include "fsdemo/tools/verbs.hpp"

namespace blkcrypto::fsdemo::tools {
namespace {

class rm_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override {
        CLI::App* app = cli::add_verb(program, "rm", "Remove a file or an empty directory",
                                      "fsdemo rm disk.img /secret/letter");
        options_.add_to(*app);
        app->add_option("PATH", path_, "a file or an empty directory")->required()->type_name("");
        return app;
    }

    int run() override {
        const image_path path = image_path::parse(path_);
        const auto image = mounted_image::open(options_, image_use::write);
        const auto where = image->locate_existing(path);
        image->check(path,
                     where.is_root() ? make_error(EBUSY) : image->fs().remove(where.parent, where.path.name));
        image->finish();
        return cli::exit_success;
    }

  private:
    mount_options options_;
    std::string path_;
};

} // namespace

std::unique_ptr<cli::verb> make_rm_verb() {
    return std::make_unique<rm_verb>();
}

} // namespace blkcrypto::fsdemo::tools
