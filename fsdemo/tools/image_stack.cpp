// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/tools/image_stack.hpp"

#include "blkcrypto/dev/inline_crypto_device.hpp"
#include "blkcrypto/tools/cli/choice.hpp"
#include "blkcrypto/tools/cli/number.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"
#include "fsdemo/derived_keys.hpp"

#include <array>
#include <fmt/format.h>

namespace blkcrypto::fsdemo::tools {
namespace {

constexpr std::string_view native_strategy = "inline-hardware"; // of the inline path
constexpr std::string_view usual_strategy = "fallback-keyslots";

const strategy_info& parse_strategy(const std::string& text) {
    std::vector<std::string_view> names;
    for (const strategy_info& known : strategies())
        names.push_back(known.name);
    return strategies()[cli::parse_choice("--strategy", text, names)];
}

// The two options say the same in part.
const strategy_info& parse_path_and_strategy(const std::string& path, const std::string& strategy) {
    constexpr std::array<std::string_view, 2> paths{"fallback", "inline"};
    const bool is_inline = !path.empty() && cli::parse_choice("--path", path, paths) == 1;
    if (strategy.empty())
        return *find_strategy(is_inline ? native_strategy : usual_strategy);
    const strategy_info& chosen = parse_strategy(strategy);
    if (!path.empty() && is_inline != (chosen.make == nullptr))
        throw cli::unusable("--strategy", fmt::format("{} is not for the {} path", chosen.name, path));
    return chosen;
}

void refuse_without_use(std::string_view option, const strategy_info& strategy) {
    throw cli::unusable(option, fmt::format("{} has no use for it", strategy.name));
}

// Nothing typed: the one that has all modes.
engine_profile parse_engine(const std::string& text, const strategy_info& strategy) {
    if (!text.empty() && strategy.make != nullptr)
        refuse_without_use("--engine", strategy);
    return cli::parse_engine("--engine", text.empty() ? "generic" : text);
}

// Where the key travels with each command there are none to be replaced.
void set_keyslots(engine_profile& engine, unsigned keyslots) {
    if (engine.keyslots == 0)
        throw cli::unusable("--keyslots", fmt::format("engine {} has none", engine.name));
    engine.keyslots = keyslots;
}

// Nothing typed: what was there.
void parse_size(std::string_view option, const std::string& text, const strategy_info& strategy, bool has_use,
                unsigned max, unsigned& size) {
    if (text.empty())
        return;
    if (!has_use)
        refuse_without_use(option, strategy);
    size = static_cast<unsigned>(cli::parse_count(option, text, 1, max));
}

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
    verb.add_option("--strategy", strategy,
                    "when extents get their keys (default fallback-keyslots, of the inline\npath "
                    "inline-hardware)")
        ->type_name("NAME");
    verb.add_option("--pool-size", pool_size, "transforms of a pool (default 128)")->type_name("N");
    verb.add_option("--keyslots", keyslots, "of the fallback (default 100) or the engine")->type_name("N");
    verb.add_option("--derived-key-cache", derived_key_cache, "derived keys that are kept (default 1024)")
        ->type_name("N");
}

stack_options::checked stack_options::check() const {
    checked all;
    const strategy_info& chosen = parse_path_and_strategy(path, strategy);
    all.strategy = &chosen;
    all.engine = parse_engine(engine, chosen);
    parse_size("--pool-size", pool_size, chosen, chosen.has_pool, pool_size_max, all.sizes.pool_size);
    parse_size("--keyslots", keyslots, chosen, chosen.has_keyslots, keyslots_max, all.sizes.keyslots);
    if (!keyslots.empty() && chosen.make == nullptr)
        set_keyslots(all.engine, all.sizes.keyslots);
    if (!derived_key_cache.empty())
        all.derived_keys = static_cast<unsigned>(
            cli::parse_count("--derived-key-cache", derived_key_cache, 0, derived_keys::capacity_max));
    return all;
}

std::unique_ptr<image_stack> image_stack::open(const std::string& image, image_use use,
                                               const stack_options& options) {
    return open(image, image_lock::take(image, use), use, options);
}

std::unique_ptr<image_stack> image_stack::open(const std::string& image, image_lock&& lock, image_use use,
                                               const stack_options& options) {
    const auto checked = options.check();
    std::unique_ptr<image_stack> stack(new image_stack(image, std::move(lock)));
    stack->env_ = cli::take(thread_env::make(), "event loop");
    stack->metadata_env_ = cli::take(thread_env::make(), "event loop");
    stack->file_ = cli::take(make_image_device({.path = image, .read_only = use == image_use::read}), image);
    stack->lock_.check_still_at(image);
    stack->derived_keys_ = checked.derived_keys;
    if (checked.strategy->make == nullptr)
        stack->put_engine(checked.engine);
    else
        stack->put_fallback(checked);
    return stack;
}

void image_stack::put_engine(const engine_profile& profile) {
    engine_name_ = profile.name;
    engine_pool_ = cli::take(worker_pool::make(1, "engine"), "engine thread");
    inline_device_ =
        cli::take(make_inline_crypto_device(*file_, profile, *env_, {*engine_pool_, 1}), crypted_by());
}

void image_stack::put_fallback(const stack_options::checked& options) {
    auto made = cli::take(options.strategy->make(*env_, options.sizes), options.strategy->name);
    strategy_ = made.get();
    fallback_ = cli::take(crypto_fallback::make(*env_, std::move(made), {}), crypted_by());
}

std::string image_stack::crypted_by() const {
    return engine_name_.empty() ? "fallback" : fmt::format("engine {}", engine_name_);
}

} // namespace blkcrypto::fsdemo::tools
