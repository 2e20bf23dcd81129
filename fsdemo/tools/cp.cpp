// SPDX-License-Identifier: Apache-2.0
// fsdemo cp --reflink: no data is copied. Both files have the same extents, with their keys, until one of
// them is written.

#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/tools/mounted_image.hpp"
#include "fsdemo/tools/verbs.hpp"

namespace blkcrypto::fsdemo::tools {
namespace {

class cp_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override {
        CLI::App* app =
            cli::add_verb(program, "cp", "Make a file that shares another one's extents",
                          "fsdemo cp disk.img --reflink /secret/letter /secret/copy --key-file master.key");
        options_.add_to(*app);
        app->add_option("FROM", from_, "a file")->required()->type_name("");
        app->add_option("TO", to_, "the new file, or a directory for it, of the same key and mode")
            ->required()
            ->type_name("");
        app->add_flag("--reflink", reflink_, "required: there are no other copies");
        return app;
    }

    int run() override {
        if (!reflink_)
            throw cli::unusable("cp", "only --reflink is offered; get and put copy data");
        const image_path from_path = image_path::parse(from_);
        const image_path to_path = image_path::parse(to_);
        const auto image = mounted_image::open(options_, image_use::write);
        reflink(*image, from_path, to_path);
        image->finish();
        return cli::exit_success;
    }

  private:
    static void reflink(mounted_image& image, const image_path& from_path, const image_path& to_path) {
        const auto from = image.locate_existing(from_path);
        const file_handle file = image.open_file(from);
        const auto to = image.locate_target(to_path, from.path.name, inode_kind::file);
        if (to.found)
            image.fail(to.path, make_error(EEXIST));
        const auto made = image.fs().reflink(*file, to.parent, to.path.name);
        if (!made && made.error() == make_error(EXDEV))
            throw cli::program_error(cli::exit_failed, to.path.text,
                                     "its directory has another key, mode or data unit size", EXDEV);
        image.take(to.path, made);
    }

    mount_options options_;
    std::string from_;
    std::string to_;
    bool reflink_ = false;
};

} // namespace

std::unique_ptr<cli::verb> make_cp_verb() {
    return std::make_unique<cp_verb>();
}

} // namespace blkcrypto::fsdemo::tools
