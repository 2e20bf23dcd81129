// SPDX-License-Identifier: Apache-2.0
// fsdemo mv: mv(1), on rename(2).

#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/tools/mounted_image.hpp"
#include "fsdemo/tools/verbs.hpp"

namespace blkcrypto::fsdemo::tools {
namespace {

class mv_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override {
        CLI::App* app = cli::add_verb(program, "mv", "Rename or move a file or directory",
                                      "fsdemo mv disk.img /secret/letter /secret/old");
        options_.add_to(*app);
        app->add_option("FROM", from_, "a file or directory")->required()->type_name("");
        app->add_option("TO", to_, "its new name, or a directory to put it into")->required()->type_name("");
        return app;
    }

    int run() override {
        const image_path from_path = image_path::parse(from_);
        const image_path to_path = image_path::parse(to_);
        const auto image = mounted_image::open(options_, image_use::write);
        const auto from = image->locate_existing(from_path);
        if (from.is_root())
            image->fail(from_path, make_error(EBUSY));
        const auto to = image->locate_target(to_path, from.path.name, from.found->item.kind);
        const std::error_code error =
            image->fs().rename(from.parent, from.path.name, to.parent, to.path.name);
        if (error == make_error(EXDEV))
            throw cli::program_error(cli::exit_failed, to.path.text,
                                     "its directory has another encryption policy", EXDEV);
        if (error == make_error(EINVAL))
            throw cli::program_error(cli::exit_failed, to.path.text, "a directory cannot go into itself",
                                     EINVAL);
        image->check(to.path, error);
        image->finish();
        return cli::exit_success;
    }

  private:
    mount_options options_;
    std::string from_;
    std::string to_;
};

} // namespace

std::unique_ptr<cli::verb> make_mv_verb() {
    return std::make_unique<mv_verb>();
}

} // namespace blkcrypto::fsdemo::tools
