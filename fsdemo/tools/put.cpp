// SPDX-License-Identifier: Apache-2.0
// fsdemo put: data into a file. New data goes to new extents, so that what was there stays until all of it is
// written; with --in-place it goes where the old data is, under the same keys.

#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/tools/file_transfer.hpp"
#include "fsdemo/tools/mounted_image.hpp"
#include "fsdemo/tools/verbs.hpp"

#include <fmt/format.h>

namespace blkcrypto::fsdemo::tools {
namespace {

class put_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override;
    int run() override;

  private:
    cli::file open_input() const;
    file_handle open_target(mounted_image& image, const image_path& path) const;
    void write(mounted_image& image, const image_path& path, cli::file& input,
               std::optional<std::uint64_t> offset_bytes) const;

    mount_options options_;
    std::string path_;
    std::string from_ = cli::standard_stream;
    std::string offset_;
    bool in_place_ = false;
};

CLI::App* put_verb::add_to(CLI::App& program) {
    CLI::App* app =
        cli::add_verb(program, "put", "Write a file, made if it is missing",
                      "fsdemo put disk.img /secret/letter --from letter.txt --key-file master.key");
    options_.add_to(*app);
    app->add_option("PATH", path_, "the file")->required()->type_name("");
    app->add_option("--from", from_, "default stdin")->type_name("FILE");
    app->add_option("--offset", offset_,
                    "where in the file; the rest of it stays (without: all of it is replaced)")
        ->type_name("SIZE");
    app->add_flag(
        "--in-place", in_place_,
        "overwrite data where it is, with the same keys and IVs: after a crash\neach data unit is old, "
        "new or torn");
    return app;
}

cli::file put_verb::open_input() const {
    if (options_.keys.are_from(from_))
        throw cli::unusable("--key-file", fmt::format("a key and the data cannot both come from {}",
                                                      from_ == cli::standard_stream ? "stdin" : from_));
    cli::file input = cli::file::open_input(from_);
    if (input.is_same_as(options_.image))
        throw cli::unusable("--from", fmt::format("{} is also the image", input.name()));
    return input;
}

file_handle put_verb::open_target(mounted_image& image, const image_path& path) const {
    auto where = image.locate(path);
    if (!where.found) {
        if (path.names_directory)
            image.fail(path, make_error(EISDIR));
        const inode_number made = image.make(where, inode_kind::file);
        where.found = image.take(path, image.fs().status_of(made));
    }
    return image.open_file(where);
}

void put_verb::write(mounted_image& image, const image_path& path, cli::file& input,
                     std::optional<std::uint64_t> offset_bytes) const {
    const file_handle file = open_target(image, path);
    if (!offset_bytes && !in_place_)
        image.check(path, image.fs().truncate(*file, 0));
    cli::progress progress("put", input.remaining_bytes());
    file_transfer transfer(image.fs(), *file);
    const std::uint64_t end =
        image.take(path, transfer.put(input, offset_bytes.value_or(0), in_place_, progress));
    if (!offset_bytes && end < file->size_bytes())
        image.check(path, image.fs().truncate(*file, end));
}

int put_verb::run() {
    std::optional<std::uint64_t> offset_bytes;
    if (!offset_.empty())
        offset_bytes = cli::parse_size("--offset", offset_);
    const image_path path = image_path::parse(path_);
    cli::file input = open_input();
    const auto image = mounted_image::open(options_, image_use::write);
    write(*image, path, input, offset_bytes);
    image->finish();
    return cli::exit_success;
}

} // namespace

std::unique_ptr<cli::verb> make_put_verb() {
    return std::make_unique<put_verb>();
}

} // namespace blkcrypto::fsdemo::tools
