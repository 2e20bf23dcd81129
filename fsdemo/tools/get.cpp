// SPDX-License-Identifier: Apache-2.0
// fsdemo get: data out of a file.

#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/tools/file_transfer.hpp"
#include "fsdemo/tools/mounted_image.hpp"
#include "fsdemo/tools/verbs.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace blkcrypto::fsdemo::tools {
namespace {

class get_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override;
    int run() override;

  private:
    cli::file open_output() const;

    mount_options options_;
    std::string path_;
    std::string to_ = cli::standard_stream;
    std::string offset_ = "0";
    std::string length_;
};

CLI::App* get_verb::add_to(CLI::App& program) {
    CLI::App* app = cli::add_verb(program, "get", "Read a file",
                                  "fsdemo get disk.img /secret/letter --to letter.txt --key-file master.key");
    options_.add_to(*app);
    app->add_option("PATH", path_, "the file")->required()->type_name("");
    app->add_option("--to", to_, "default stdout; replaced")->type_name("FILE");
    app->add_option("--offset", offset_, "where in the file to begin (default 0)")->type_name("SIZE");
    app->add_option("--length", length_, "at most so much (default to the end)")->type_name("SIZE");
    return app;
}

cli::file get_verb::open_output() const {
    options_.check_output("--to", to_);
    cli::file output = cli::file::open_output(to_);
    if (output.is_same_as(options_.image)) // by now
        throw cli::unusable("--to", fmt::format("{} is also the image", output.name()));
    return output;
}

int get_verb::run() {
    const std::uint64_t offset_bytes = cli::parse_size("--offset", offset_);
    const std::uint64_t length_bytes =
        length_.empty() ? file_bytes_max : cli::parse_size("--length", length_);
    const image_path path = image_path::parse(path_);
    const auto image = mounted_image::open(options_, image_use::read);
    const file_handle file = image->open_file(image->locate_existing(path));
    cli::file output = open_output();
    const std::uint64_t behind = file->size_bytes() - std::min(offset_bytes, file->size_bytes());
    const std::uint64_t to_get = std::min(length_bytes, behind);
    {
        cli::progress progress("get", to_get);
        file_transfer transfer(image->fs(), *file);
        image->check(path, transfer.get(output, offset_bytes, to_get, progress));
    }
    output.close();
    return cli::exit_success;
}

} // namespace

std::unique_ptr<cli::verb> make_get_verb() {
    return std::make_unique<get_verb>();
}

} // namespace blkcrypto::fsdemo::tools
