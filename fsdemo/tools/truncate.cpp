// SPDX-License-Identifier: Apache-2.0
// fsdemo truncate: another size. A file grows by a hole; of one that shrinks, the rest of the last block is
// made zeros, for which it takes the key.

#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/tools/mounted_image.hpp"
#include "fsdemo/tools/verbs.hpp"

namespace blkcrypto::fsdemo::tools {
namespace {

class truncate_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override {
        CLI::App* app = cli::add_verb(program, "truncate", "Set the size of a file",
                                      "fsdemo truncate disk.img /secret/letter 4k --key-file master.key");
        options_.add_to(*app);
        app->add_option("PATH", path_, "a file")->required()->type_name("");
        app->add_option("SIZE", size_, "such as 1000, 4k, 1t")->required()->type_name("");
        return app;
    }

    int run() override {
        const std::uint64_t size_bytes = cli::parse_size("SIZE", size_);
        const image_path path = image_path::parse(path_);
        const auto image = mounted_image::open(options_, image_use::write);
        {
            const file_handle file = image->open_file(image->locate_existing(path));
            image->check(path, image->fs().truncate(*file, size_bytes));
        }
        image->finish();
        return cli::exit_success;
    }

  private:
    mount_options options_;
    std::string path_;
    std::string size_;
};

} // namespace

std::unique_ptr<cli::verb> make_truncate_verb() {
    return std::make_unique<truncate_verb>();
}

} // namespace blkcrypto::fsdemo::tools
