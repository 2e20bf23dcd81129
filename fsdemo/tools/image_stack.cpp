// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/tools/image_stack.hpp"

#include "blkcrypto/dev/inline_crypto_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "blkcrypto/tools/cli/choice.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <array>
#include <fmt/format.h>

namespace blkcrypto::fsdemo::tools {
namespace {

using cli::exit_unusable;

} // namespace

void check_not_image(std::string_view option, const std::string& path, const std::string& image) {
    const bool is_stdout = path == cli::standard_stream;
    if (is_stdout ? cli::file::open_output(path).is_same_as(image) : cli::file::are_same_input(path, image))
        throw cli::unusable(option, fmt::format("{} is also the image", is_stdout ? "stdout" : path));
}

void check_not_image(const cli::json_output& json, const std::string& image) {
    if (json.is_requested())
        check_not_image("--json", json.target(), image);
    if (json.wants_text())
        check_not_image("output", cli::standard_stream, image);
}

void stack_options::add_to(CLI::App& verb) {
    verb.add_option("--path", path, "fallback (default) or inline: where encryption is done")
        ->type_name("PATH");
    verb.add_option("--engine", engine, "of the inline path, built in (default generic)")->type_name("NAME");
}

std::unique_ptr<image_stack> image_stack::open(const std::string& image, image_use use,
                                               const stack_options& options) {
    return open(image, image_lock::take(image, use), use, options);
}

std::unique_ptr<image_stack> image_stack::open(const std::string& image, image_lock&& lock, image_use use,
                                               const stack_options& options) {
    constexpr std::array<std::string_view, 2> paths{"fallback", "inline"};
    const bool is_inline = cli::parse_choice("--path", options.path, paths) == 1;
    const engine_profile& profile = cli::parse_engine("--engine", options.engine);
    std::unique_ptr<image_stack> stack(new image_stack(image, std::move(lock)));
    stack->env_ = cli::take(thread_env::make(), "event loop");
    stack->metadata_env_ = cli::take(thread_env::make(), "event loop");
    stack->file_ = cli::take(make_image_device({.path = image, .read_only = use == image_use::read}), image);
    stack->lock_.check_still_at(image);
    if (is_inline)
        stack->put_engine(profile);
    else
        stack->put_fallback();
    return stack;
}

void image_stack::put_engine(const engine_profile& profile) {
    engine_name_ = profile.name;
    engine_pool_ = cli::take(worker_pool::make(1, "engine"), "engine thread");
    inline_device_ =
        cli::take(make_inline_crypto_device(*file_, profile, *env_, {*engine_pool_, 1}), crypted_by());
}

void image_stack::put_fallback() {
    auto tfms = cli::take(make_keyslot_tfms(*env_, kernel_7_0.fallback_keyslots, 1), crypted_by());
    fallback_ = cli::take(crypto_fallback::make(*env_, std::move(tfms), {}), crypted_by());
}

std::string image_stack::crypted_by() const {
    return engine_name_.empty() ? "fallback" : fmt::format("engine {}", engine_name_);
}

} // namespace blkcrypto::fsdemo::tools
