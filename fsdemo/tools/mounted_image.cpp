// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/tools/mounted_image.hpp"

#include "blkcrypto/cipher/skcipher.hpp"
#include "blkcrypto/tools/cli/hex.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

namespace blkcrypto::fsdemo::tools {
namespace {

using cli::exit_failed;
using cli::exit_unusable;

} // namespace

// --- options ---

void key_options::add_to(CLI::App& verb) {
    // Without extra arguments: a positional one may follow.
    verb.add_option("--key-file", files, "a master key of 16 to 64 bytes; - is stdin. May be repeated")
        ->type_name("FILE")
        ->allow_extra_args(false);
    verb.add_option("--key-format", format, "raw (default) or hex")->type_name("FORMAT");
}

bool key_options::are_from(const std::string& input) const {
    return std::ranges::any_of(files, [&](const std::string& path) {
        return path == input || cli::file::are_same_input(path, input);
    });
}

std::vector<secret> key_options::read() const {
    const auto is_stdin = [](const std::string& path) {
        return path == cli::standard_stream || cli::file::are_same_input(path, cli::standard_stream);
    };
    const bool has_stdin = std::ranges::find(files, std::string(cli::standard_stream)) != files.end();
    if (has_stdin && std::ranges::count_if(files, is_stdin) > 1)
        throw cli::unusable("--key-file", "only one key can come from stdin");
    const auto as = cli::parse_key_format("--key-format", format);
    std::vector<secret> keys;
    for (const std::string& path : files)
        keys.push_back(cli::read_key_file(path, as, master_key_bytes_min, master_key_bytes_max));
    return keys;
}

void mount_options::add_to(CLI::App& verb) {
    verb.add_option("IMAGE", image, "an image that `fsdemo mkfs` made")->required()->type_name("");
    keys.add_to(verb);
    stack.add_to(verb);
}

void mount_options::check_output(std::string_view option, const std::string& path) const {
    const std::string output = path == cli::standard_stream ? "/dev/stdout" : path;
    const std::string_view name = path == cli::standard_stream ? "stdout" : std::string_view(path);
    check_not_image(option, path, image);
    for (const std::string& key : keys.files)
        if (key != cli::standard_stream && cli::file::are_same_input(output, key))
            throw cli::unusable(option, fmt::format("{} is also a key file", name));
}

void mount_options::check_output(const cli::json_output& json) const {
    check_not_image(json, image);
    if (json.is_requested())
        check_output("--json", json.target());
}

// --- mounting ---

// Keys first: who waits for one on stdin does not hold the image.
std::unique_ptr<mounted_image> mounted_image::open(const mount_options& options, image_use use) {
    const auto keys = options.keys.read();
    std::unique_ptr<mounted_image> mounted(
        new mounted_image(image_stack::open(options.image, use, options.stack)));
    std::string why;
    fs_options how{.read_only = use == image_use::read, .commits_for_room = false};
    how.derived_keys_max = mounted->stack_->derived_keys().value_or(how.derived_keys_max);
    auto fs = demo_fs::mount(mounted->stack_->door(), how, why);
    if (!fs)
        mounted->fail_as_damaged(why, fs.error());
    mounted->fs_ = std::move(*fs);
    mounted->add_keys(keys);
    return mounted;
}

void mounted_image::add_keys(const std::vector<secret>& keys) {
    for (const secret& key : keys) {
        const auto added = fs_->keys().add(key.bytes());
        if (!added)
            throw cli::file_error(exit_failed, "--key-file", added.error().value());
        keys_.push_back({*added, key.size_bytes()});
    }
}

void mounted_image::finish() {
    const std::error_code error = fs_->sync();
    if (error == make_error(EUCLEAN) || (error && !fs_->trouble().empty()))
        fail_as_damaged(fs_->trouble(), error);
    if (error)
        throw cli::file_error(exit_failed, image(), error.value());
}

// --- places ---

mounted_image::place mounted_image::locate(const image_path& path) {
    place where{path, root_inode, {}};
    inode_number inode = root_inode;
    if (!where.is_root()) {
        where.parent = take(path, fs_->lookup(path.parent));
        const auto found = fs_->lookup_in(where.parent, path.name);
        if (!found && found.error() == make_error(ENOENT))
            return where;
        inode = take(path, found);
    }
    where.found = take(path, fs_->status_of(inode));
    if (path.names_directory && !where.is_directory())
        fail(path, make_error(ENOTDIR));
    return where;
}

mounted_image::place mounted_image::locate_existing(const image_path& path) {
    place where = locate(path);
    if (!where.found)
        fail(path, make_error(ENOENT));
    return where;
}

mounted_image::place mounted_image::locate_target(const image_path& path, const std::string& name,
                                                  inode_kind kind) {
    place where = locate(path);
    if (where.is_directory())
        return locate(path.below(name));
    if (path.names_directory && kind == inode_kind::file)
        fail(path, make_error(ENOTDIR));
    return where;
}

// --- what needs keys ---

file_handle mounted_image::open_file(const place& where) {
    const encryption_policy* policy = where.found->item.policy();
    if (policy != nullptr)
        check_usable(where.path, *policy);
    auto file = fs_->open(where.found->inode);
    if (file)
        return std::move(*file);
    const auto error = file.error();
    if (policy != nullptr && error == make_error(ENOKEY))
        fail_without_key(where.path, *policy);
    if (policy != nullptr && (error == make_error(EOPNOTSUPP) || error == make_error(ENOPKG)))
        fail_without_mode(where.path, *policy, error);
    fail(where.path, error);
}

inode_number mounted_image::make(const place& where, inode_kind kind) {
    auto made = kind == inode_kind::directory ? fs_->make_directory(where.parent, where.path.name)
                                              : fs_->create_file(where.parent, where.path.name);
    if (!made && made.error() == make_error(ENOKEY)) {
        const auto parent = take(where.path, fs_->status_of(where.parent));
        if (parent.item.policy() != nullptr)
            fail_without_key(where.path, *parent.item.policy());
    }
    return take(where.path, std::move(made));
}

// What the layers below have no words for but in the log.
void mounted_image::check_usable(const image_path& path, const encryption_policy& policy) {
    std::string_view why;
    if (!check_policy(encode(policy), fs_->traits(), why))
        fail_as_damaged(fmt::format("the encryption policy of {}: {}", path.text, why), make_error(EINVAL));
    const auto* mode = find_mode(block_mode(policy.contents_mode));
    const auto key = std::ranges::find(keys_, policy.master_key_identifier, &given_key::identifier);
    if (key == keys_.end())
        return;
    if (!is_valid_master_key_size(key->size_bytes, mode->security_strength_bytes))
        throw cli::program_error(exit_failed, path.text,
                                 fmt::format("its master key has {} bytes, {} needs {}", key->size_bytes,
                                             mode->name, mode->security_strength_bytes),
                                 ENOKEY);
    if (selected_implementation(mode->mode) == nullptr)
        fail_without_mode(path, policy, make_error(ENOPKG));
    constexpr std::uint8_t some_dun_bytes = 1;
    const crypto_door door = stack_->door();
    if (!config_supported(door.device, door.fallback,
                          {mode->mode, unit_size_of(policy, fs_->traits()), some_dun_bytes}))
        fail_without_mode(path, policy, make_error(EOPNOTSUPP));
}

// --- what the user is told ---

void mounted_image::fail_without_key(const image_path& path, const encryption_policy& policy) {
    std::string why = fmt::format("needs the master key {}", cli::to_hex(policy.master_key_identifier));
    if (keys_.size() == 1)
        why += ", which the key file does not have";
    else if (!keys_.empty())
        why += fmt::format(", which none of the {} key files has", keys_.size());
    throw cli::program_error(exit_failed, path.text, why, ENOKEY);
}

void mounted_image::fail_without_mode(const image_path& path, const encryption_policy& policy,
                                      std::error_code error) {
    throw cli::unusable(stack_->crypted_by(),
                        fmt::format("no {} in units of {} bytes, which {} needs",
                                    name_of(policy.contents_mode),
                                    unit_size_of(policy, fs_->traits()).bytes(), path.text),
                        error.value());
}

void mounted_image::fail_as_damaged(std::string_view why, std::error_code error) {
    throw cli::program_error(error == make_error(EIO) ? exit_failed : exit_unusable, image(),
                             why.empty() ? error.message() : std::string(why), error.value());
}

void mounted_image::fail(const image_path& path, std::error_code error) {
    const bool is_metadata = error == make_error(EUCLEAN) || error == make_error(EIO);
    if (error == make_error(EUCLEAN) || (is_metadata && !fs_->trouble().empty()))
        fail_as_damaged(fs_->trouble(), error);
    throw cli::file_error(exit_failed, path.text, error.value());
}

} // namespace blkcrypto::fsdemo::tools
