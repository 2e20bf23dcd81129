// SPDX-License-Identifier: Apache-2.0
// fsdemo mkdir: a directory, and the encryption policy of what will be in it. What is made in an encrypted
// directory has its policy; there options that are not given are those of that policy.

#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/tools/mounted_image.hpp"
#include "fsdemo/tools/verbs.hpp"

#include <bit>
#include <fmt/format.h>

namespace blkcrypto::fsdemo::tools {
namespace {

fscrypt_mode parse_fscrypt_mode(std::string_view option, std::string_view text, std::string_view known) {
    const auto mode = find_fscrypt_mode(text);
    if (!mode)
        throw cli::unusable(option, fmt::format("{} is none of {}", text, known));
    return *mode;
}

bool is_allowed(fscrypt_mode contents, fscrypt_mode filenames) {
    const encryption_policy policy{.contents_mode = contents, .filenames_mode = filenames};
    std::string_view why;
    return check_policy(encode(policy), {}, why).has_value();
}

/// "aes-256-xts with aes-256-cts", ...
std::string allowed_pairs() {
    std::string pairs;
    for (unsigned contents = 0; contents <= UINT8_MAX; ++contents)
        for (unsigned filenames = 0; filenames <= UINT8_MAX; ++filenames) {
            const auto one = static_cast<fscrypt_mode>(contents);
            const auto other = static_cast<fscrypt_mode>(filenames);
            if (is_allowed(one, other))
                pairs += fmt::format("{}{} with {}", pairs.empty() ? "" : ", ", name_of(one), name_of(other));
        }
    return pairs;
}

class mkdir_verb final : public cli::verb {
  public:
    CLI::App* add_to(CLI::App& program) override;
    int run() override;

  private:
    struct wanted_policy {
        std::optional<fscrypt_mode> contents;
        std::optional<fscrypt_mode> filenames;
        std::optional<std::uint8_t> log2_unit_size;
    };
    wanted_policy parse() const;
    void set_policy(mounted_image& image, const mounted_image::place& where, inode_number directory,
                    const wanted_policy& wanted, const encryption_policy* inherited) const;

    mount_options options_;
    std::string path_;
    std::string contents_;
    std::string filenames_;
    std::string unit_size_;
};

CLI::App* mkdir_verb::add_to(CLI::App& program) {
    CLI::App* app = cli::add_verb(program, "mkdir", "Make a directory, with --key-file an encrypted one",
                                  "fsdemo mkdir disk.img /secret --key-file master.key --contents adiantum");
    options_.add_to(*app);
    app->add_option("PATH", path_,
                    "the directory. With --key-file it may be there, empty, and gets the policy.\nThe first "
                    "key is the policy's, others unlock the directory it is in")
        ->required()
        ->type_name("");
    app->add_option("--contents", contents_,
                    "of files: aes-256-xts (default), aes-128-cbc-essiv, adiantum, sm4-xts")
        ->type_name("MODE");
    app->add_option("--filenames", filenames_,
                    "recorded in the policy, names are not encrypted: aes-256-cts,\naes-128-cts, adiantum, "
                    "sm4-cts, aes-256-hctr2 (default the one that goes with --contents).\nAllowed: " +
                        allowed_pairs())
        ->type_name("MODE");
    app->add_option("--data-unit-size", unit_size_, "512 to 4096 (default 4096)")->type_name("SIZE");
    return app;
}

mkdir_verb::wanted_policy mkdir_verb::parse() const {
    if (options_.keys.files.empty() && !(contents_.empty() && filenames_.empty() && unit_size_.empty()))
        throw cli::unusable("--key-file", "a policy needs a key");
    wanted_policy wanted;
    if (!contents_.empty())
        wanted.contents =
            parse_fscrypt_mode("--contents", contents_, "aes-256-xts, aes-128-cbc-essiv, adiantum, sm4-xts");
    if (!filenames_.empty())
        wanted.filenames = parse_fscrypt_mode("--filenames", filenames_,
                                              "aes-256-cts, aes-128-cts, adiantum, sm4-cts, aes-256-hctr2");
    if (!unit_size_.empty()) {
        const auto parsed = data_unit_size::make(cli::parse_size("--data-unit-size", unit_size_));
        if (!parsed || parsed->bits() > block_bits)
            throw cli::unusable("--data-unit-size",
                                fmt::format("'{}' is not a power of two from {} to {}", unit_size_,
                                            data_unit_size::min_bytes, block_bytes),
                                EINVAL);
        const data_unit_size size = *parsed;
        // 0 is the filesystem's block: one policy, one spelling.
        wanted.log2_unit_size = static_cast<std::uint8_t>(size.bits() == block_bits ? 0 : size.bits());
    }
    return wanted;
}

void mkdir_verb::set_policy(mounted_image& image, const mounted_image::place& where, inode_number directory,
                            const wanted_policy& wanted, const encryption_policy* inherited) const {
    const auto& key = image.keys().front();
    encryption_policy policy;
    policy.contents_mode =
        wanted.contents.value_or(inherited != nullptr ? inherited->contents_mode : fscrypt_mode::aes_256_xts);
    const bool has_inherited_mode = inherited != nullptr && inherited->contents_mode == policy.contents_mode;
    policy.filenames_mode = wanted.filenames.value_or(
        has_inherited_mode ? inherited->filenames_mode : default_filenames_mode(policy.contents_mode));
    policy.log2_data_unit_size =
        wanted.log2_unit_size.value_or(inherited != nullptr ? inherited->log2_data_unit_size : 0);
    policy.flags = inherited != nullptr ? inherited->flags : 0;
    policy.master_key_identifier = key.identifier;

    const auto* mode = find_mode(block_mode(policy.contents_mode));
    if (mode != nullptr && !is_valid_master_key_size(key.size_bytes, mode->security_strength_bytes))
        throw cli::unusable(options_.keys.files.front(),
                            fmt::format("holds a key of {} bytes, {} needs {}", key.size_bytes, mode->name,
                                        mode->security_strength_bytes));
    std::string_view why;
    const std::error_code error = image.fs().set_policy(directory, encode(policy), why);
    if (error == make_error(EINVAL) && !is_allowed(policy.contents_mode, policy.filenames_mode))
        throw cli::unusable("--contents, --filenames", fmt::format("{}; allowed: {}", why, allowed_pairs()),
                            EINVAL);
    if (error == make_error(EINVAL) && !why.empty())
        throw cli::unusable("encryption policy", why, EINVAL);
    if (error == make_error(EEXIST) && inherited != nullptr)
        throw cli::program_error(cli::exit_failed, where.path.text,
                                 "its parent has another encryption policy, which its children inherit",
                                 EEXIST);
    if (error == make_error(EEXIST))
        throw cli::program_error(cli::exit_failed, where.path.text, "has another encryption policy", EEXIST);
    image.check(where.path, error);
}

int mkdir_verb::run() {
    const wanted_policy wanted = parse();
    const image_path path = image_path::parse(path_);
    const auto image = mounted_image::open(options_, image_use::write);
    const bool has_key = !image->keys().empty();
    const auto where = image->locate(path);
    if (where.found && !(has_key && where.is_directory()))
        image->fail(path, make_error(EEXIST));
    const inode_number directory =
        where.found ? where.found->inode : image->make(where, inode_kind::directory);
    if (has_key) {
        const auto made = image->take(path, image->fs().status_of(directory));
        set_policy(*image, where, directory, wanted, where.found ? nullptr : made.item.policy());
    }
    image->finish();
    return cli::exit_success;
}

} // namespace

std::unique_ptr<cli::verb> make_mkdir_verb() {
    return std::make_unique<mkdir_verb>();
}

} // namespace blkcrypto::fsdemo::tools
