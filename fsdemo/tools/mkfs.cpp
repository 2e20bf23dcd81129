// SPDX-License-Identifier: Apache-2.0
// fsdemo mkfs: makes the image, of zeros, and an empty filesystem on it. It gets its name when it is
// complete: until then an old image of that name is there and whole.

#include "blkcrypto/tools/cli/hex.hpp"
#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/demo_fs.hpp"
#include "fsdemo/tools/image_stack.hpp"
#include "fsdemo/tools/verbs.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
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

// Never a device: what mkfs makes takes the place of what was there.
void check_regular(const std::string& path) {
    struct stat found {};
    if (stat(path.c_str(), &found) != 0 || S_ISREG(found.st_mode))
        return; // what is not there is for others to say
    if (S_ISDIR(found.st_mode))
        throw cli::file_error(cli::exit_unusable, path, EISDIR);
    throw cli::unusable(path, "not a regular file, and mkfs makes no others", ENOTBLK);
}

// Of a link, what it leads to.
std::string real_path(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), &std::free);
    if (!real)
        throw cli::file_error(cli::exit_unusable, path, errno);
    return real.get();
}

/// The image while it is being made: a file beside its final name, removed unless it gets that.
class new_image {
  public:
    explicit new_image(const std::string& target)
        : target_(target), path_(fmt::format("{}.mkfs-{}", target, getpid())) {}
    new_image(const new_image&) = delete;
    new_image& operator=(const new_image&) = delete;
    ~new_image() {
        if (is_made_)
            (void)unlink(path_.c_str());
    }

    const std::string& path() const noexcept { return path_; }
    std::error_code make(byte_count size) {
        const std::error_code error = create_image(path_, size, false);
        is_made_ = !error;
        return error;
    }
    /// Without `overwrite` EEXIST where something has the name by now.
    std::error_code put_in_place(bool overwrite) {
        if ((overwrite ? rename(path_.c_str(), target_.c_str()) : link(path_.c_str(), target_.c_str())) != 0)
            return make_error(errno);
        is_made_ = !overwrite; // a link has left the other name
        return sync_directory();
    }

  private:
    std::error_code sync_directory() const {
        const auto slash = target_.rfind('/');
        const std::string directory = slash == std::string::npos ? "." : target_.substr(0, slash + 1);
        const file_descriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return make_error(!opened || fsync(opened.get()) != 0 ? errno : 0);
    }

    const std::string target_;
    const std::string path_;
    bool is_made_ = false;
};

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
    [[noreturn]] void fail(std::error_code error) const;
    void format(const std::string& path, const filesystem_uuid& uuid) const;

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

[[noreturn]] void mkfs_verb::fail(std::error_code error) const {
    if (error == make_error(EEXIST) && !overwrite_)
        throw cli::program_error(cli::exit_failed, image_, "there already; --overwrite replaces it", EEXIST);
    throw cli::file_error(exit_code_of(error), image_, error.value());
}

void mkfs_verb::format(const std::string& path, const filesystem_uuid& uuid) const {
    const auto stack = image_stack::open(path, image_use::write);
    filesystem_uuid chosen = uuid;
    if (uuid_.empty())
        stack->environment().fill_random(chosen);
    if (const std::error_code error = demo_fs::format(stack->device(), stack->environment(), chosen))
        fail(error);
}

int mkfs_verb::run() {
    const byte_count size{cli::parse_size("--size", size_)};
    if (size.value < size_bytes_min || size.value > size_bytes_max)
        throw cli::unusable("--size", "an image has 256k to 1t", EINVAL);
    filesystem_uuid uuid{};
    if (!uuid_.empty())
        cli::parse_hex_into("--uuid", uuid_, uuid);
    check_regular(image_);
    const bool replaces = is_there(image_);
    if (replaces && !overwrite_)
        fail(make_error(EEXIST));
    // Not while somebody uses it, and nobody does until the new one is there.
    std::optional<image_lock> old;
    if (replaces)
        old.emplace(image_lock::take(image_, image_use::write));
    new_image made(replaces ? real_path(image_) : image_);
    if (const std::error_code error = made.make(size))
        fail(error);
    format(made.path(), uuid);
    if (replaces)
        old->check_still_at(image_);
    if (const std::error_code error = made.put_in_place(replaces))
        fail(error);
    return cli::exit_success;
}

} // namespace

std::unique_ptr<cli::verb> make_mkfs_verb() {
    return std::make_unique<mkfs_verb>();
}

} // namespace blkcrypto::fsdemo::tools
