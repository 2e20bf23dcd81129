// SPDX-License-Identifier: Apache-2.0
#pragma once
// An image that a verb has mounted, with the keys it was given. What goes wrong inside becomes the one line
// that the user sees (program_error): exit code 2 for an image that cannot be used, 1 for what cannot be done
// with a good one. A missing key is named.
//
// Only finish() makes changes durable. A verb that fails before leaves the image as it was, but for what it
// wrote in place.

#include "blkcrypto/tools/cli/key_file.hpp"
#include "fsdemo/demo_fs.hpp"
#include "fsdemo/tools/image_path.hpp"
#include "fsdemo/tools/image_stack.hpp"

namespace blkcrypto::fsdemo::tools {

/// --key-file, any number of them, and --key-format.
struct key_options {
    std::vector<std::string> files;
    std::string format = "raw";

    void add_to(CLI::App& verb);
    bool are_from(const std::string& input) const; // one of them is that file or stream
    /// In the order given. program_error, exit code 2: unusable, or two from stdin.
    std::vector<secret> read() const;
};

/// IMAGE, and what every verb that mounts one takes.
struct mount_options {
    std::string image;
    key_options keys;
    stack_options stack;

    void add_to(CLI::App& verb);
    /// `path`, where something is to be written ("-" is stdout), is neither the image nor a key file.
    /// program_error, exit code 2, that names `option`. Opens nothing.
    void check_output(std::string_view option, const std::string& path) const;
    /// The same of what a verb prints or writes as its result.
    void check_output(const cli::json_output& json) const;
};

class mounted_image {
  public:
    /// program_error.
    static std::unique_ptr<mounted_image> open(const mount_options& options, image_use use);

    demo_fs& fs() noexcept { return *fs_; }
    const std::string& image() const noexcept { return stack_->image(); }

    struct given_key {
        key_identifier identifier{};
        std::size_t size_bytes = 0;
    };
    /// In the order of the options.
    const std::vector<given_key>& keys() const noexcept { return keys_; }

    /// Where a path leads: a directory, and what has that name in it.
    struct place {
        image_path path;
        inode_number parent = 0;
        std::optional<inode_status> found;

        bool is_root() const noexcept { return path.name.empty(); }
        bool is_directory() const noexcept { return found && found->item.kind == inode_kind::directory; }
    };
    /// The directory is there.
    place locate(const image_path& path);
    /// All of it is there.
    place locate_existing(const image_path& path);
    /// Where something called `name` is to go: into `path` if that is a directory, else to be called that.
    place locate_target(const image_path& path, const std::string& name, inode_kind kind);

    file_handle open_file(const place& where);
    /// With the policy of the directory it is in.
    inode_number make(const place& where, inode_kind kind);

    /// What the user is told when something with `path` failed.
    [[noreturn]] void fail(const image_path& path, std::error_code error);
    [[noreturn]] void fail_as_damaged(std::string_view why, std::error_code error);
    void check(const image_path& path, std::error_code error) {
        if (error)
            fail(path, error);
    }
    template <typename T>
    T take(const image_path& path, result<T> made) {
        if (made.has_error())
            fail(path, made.error());
        return std::move(*made);
    }

    /// Makes everything durable.
    void finish();

  private:
    explicit mounted_image(std::unique_ptr<image_stack> stack) : stack_(std::move(stack)) {}
    void add_keys(const std::vector<secret>& keys);
    void check_usable(const image_path& path, const encryption_policy& policy);
    [[noreturn]] void fail_without_key(const image_path& path, const encryption_policy& policy);
    [[noreturn]] void fail_without_mode(const image_path& path, const encryption_policy& policy,
                                        std::error_code error);

    const std::unique_ptr<image_stack> stack_;
    std::unique_ptr<demo_fs> fs_;
    std::vector<given_key> keys_;
};

} // namespace blkcrypto::fsdemo::tools
