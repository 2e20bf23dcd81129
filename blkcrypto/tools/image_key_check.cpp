// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/tools/image_key_check.hpp"

#include "blkcrypto/tools/cli/printable.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "blkcrypto/tools/key_check.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace blkcrypto::tools {
namespace {

std::string chosen_path(const attach_options& options) {
    return options.key_check.empty() ? default_key_check_path(options.disk.image) : options.key_check;
}

} // namespace

std::string default_key_check_path(const std::string& image) {
    struct stat found {};
    if (stat(image.c_str(), &found) == 0 && S_ISBLK(found.st_mode))
        return {};
    std::string file = image;
    if (lstat(image.c_str(), &found) == 0 && S_ISLNK(found.st_mode)) {
        const std::unique_ptr<char, decltype(&std::free)> real(realpath(image.c_str(), nullptr), &std::free);
        file = real ? real.get() : image;
    }
    return file + ".keycheck";
}

image_key_check::image_key_check(const attach_options& options, bytes_view key)
    : options_(options), path_(chosen_path(options)) {
    const bool is_plain = !options.disk.crypto;
    if (!is_plain && options.no_key_check)
        outcome_ = "skipped";
    if (options.new_size && (is_plain || options.no_key_check))
        leave_out();
    else if (is_plain)
        refuse_plain();
    else if (options.new_size)
        make(key);
    else if (!options.no_key_check)
        verify(key);
}

// Plaintext among ciphertext is as bad as another key.
void image_key_check::refuse_plain() const {
    if (!options_.no_key_check && !path_.empty() && access(path_.c_str(), F_OK) == 0)
        throw cli::unusable(
            path_, "a key check: the image is encrypted; with --no-keycheck --path plain serves it as it is");
}

// It may be the only one of an image that is elsewhere at the moment: moved, or not mounted.
void image_key_check::check_may_replace() const {
    struct stat found {};
    if (!options_.overwrite && lstat(path_.c_str(), &found) == 0)
        cli::fail_to_make(path_, make_error(EEXIST));
}

void image_key_check::leave_out() {
    check_may_replace();
    stale_path_ = std::filesystem::absolute(path_).string();
}

void image_key_check::make(bytes_view key) {
    check_may_replace();
    new_file_.emplace(path_);
    const std::string text = to_text(make_key_check(*options_.disk.crypto, key));
    if (const std::error_code error = write_key_check_file(new_file_->path(), text))
        cli::fail_to_make(path_, error);
    new_file_->is_made();
    outcome_ = "verified";
}

void image_key_check::put_in_place() {
    if (!new_file_)
        return;
    if (const std::error_code error = new_file_->put_in_place(options_.overwrite))
        fail_to_place(path_, error);
}

void image_key_check::verify(bytes_view key) {
    const auto text = path_.empty() ? std::nullopt : read_key_check_file(path_);
    if (!text && !options_.key_check.empty())
        throw cli::file_error(cli::exit_unusable, path_, ENOENT);
    if (!text) {
        outcome_ = "absent";
        return;
    }
    verify_key_check(path_, parse_key_check(path_, *text), *options_.disk.crypto, key);
    outcome_ = "verified";
}

void image_key_check::tell() const {
    if (outcome_ == "absent")
        fmt::print(stderr, "blkcrypto: {}: there is no key check, so the key was not checked\n",
                   cli::printable(options_.disk.image));
}

void image_key_check::keep() noexcept {
    if (!stale_path_.empty())
        (void)unlink(stale_path_.c_str());
    if (new_file_)
        new_file_->keep();
}

} // namespace blkcrypto::tools
