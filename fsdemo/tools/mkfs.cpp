// SPDX-License-Identifier: Apache-2.0
// fsdemo mkfs: makes the image, of zeros, and an empty filesystem on it.

#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/demo_fs.hpp"
#include "fsdemo/tools/hex.hpp"
#include "fsdemo/tools/image_stack.hpp"
#include "fsdemo/tools/verbs.hpp"

#include <sys/stat.h>
#include <unistd.h>

namespace blkcrypto::fsdemo::tools {
namespace {

constexpr std::uint64_t size_bytes_min = blocks_min << block_bits;
constexpr std::uint64_t size_bytes_max = blocks_max << block_bits;

// A link that leads nowhere is something.
bool is_there(const std::string& path) {
    struct stat found {};
    return lstat(path.c_str(), &found) == 0;
}

bool is_regular(const std::string& path) {
    struct stat found {};
    return stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode);
}

int exit_code_of(std::error_code error) {
    return error == make_error(EEXIST) || error == make_error(ENOSPC) || error == make_error(EIO)
               ? cli::exit_failed
               : cli::exit_unusable;
}

class mkfs_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override;
    int run() override;

  private:
    image_lock create_new(byte_count size) const;
    image_lock replace(byte_count size) const;
    void format(image_lock&& lock, const filesystem_uuid& uuid) const;

    std::string image_;
    std::string size_;
    std::string uuid_;
    bool overwrite_ = false;
};

CLI::App* mkfs_verb::add_to(CLI::App& program) {
    CLI::App* app = cli::add_verb(program, "mkfs", "Make an image with an empty filesystem",
                                  "fsdemo mkfs disk.img --size 256m");
    app->add_option("IMAGE", image_, "the file to make")->required()->type_name("");
    app->add_option("--size", size_, "256k to 1t; what is behind the last 4096 bytes is not used")
        ->required()
        ->type_name("SIZE");
    app->add_flag("--overwrite", overwrite_, "replace a file that is there");
    app->add_option("--uuid", uuid_, "32 hexadecimal digits (default random)")->type_name("HEX");
    return app;
}

image_lock mkfs_verb::create_new(byte_count size) const {
    const std::error_code error = create_image(image_, size, false);
    if (error == make_error(EEXIST))
        throw cli::program_error(cli::exit_failed, image_, "there already; --overwrite replaces it", EEXIST);
    if (error)
        throw cli::file_error(exit_code_of(error), image_, error.value());
    return image_lock::take(image_, image_use::write);
}

// Not while somebody uses it.
image_lock mkfs_verb::replace(byte_count size) const {
    image_lock lock = image_lock::take(image_, image_use::write);
    if (!is_regular(image_))
        throw cli::unusable(image_, "not a regular file", EINVAL);
    if (const std::error_code error = create_image(image_, size, true))
        throw cli::file_error(exit_code_of(error), image_, error.value());
    return lock;
}

void mkfs_verb::format(image_lock&& lock, const filesystem_uuid& uuid) const {
    const auto stack = image_stack::open(image_, std::move(lock), image_use::write);
    filesystem_uuid chosen = uuid;
    if (uuid_.empty())
        stack->environment().fill_random(chosen);
    if (const std::error_code error = demo_fs::format(stack->device(), stack->environment(), chosen))
        throw cli::file_error(exit_code_of(error), image_, error.value());
}

int mkfs_verb::run() {
    const byte_count size{cli::parse_size("--size", size_)};
    if (size.value < size_bytes_min || size.value > size_bytes_max)
        throw cli::unusable("--size", "an image has 256k to 1t", EINVAL);
    filesystem_uuid uuid{};
    if (!uuid_.empty())
        parse_hex_into("--uuid", uuid_, uuid);
    const bool is_new = !is_there(image_);
    image_lock lock = is_new || !overwrite_ ? create_new(size) : replace(size);
    try {
        format(std::move(lock), uuid);
    } catch (...) {
        if (is_new)
            (void)unlink(image_.c_str());
        throw;
    }
    return cli::exit_success;
}

} // namespace

std::unique_ptr<cli::verb> make_mkfs_verb() {
    return std::make_unique<mkfs_verb>();
}

} // namespace blkcrypto::fsdemo::tools
