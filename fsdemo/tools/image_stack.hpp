// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a filesystem stands on when a program uses it: the image, locked against other processes, the device
// on it, and the way its encrypted bios take: through an inline engine, or through the fallback. All of it is
// for the thread that opened it.

#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/base/worker_pool.hpp"
#include "blkcrypto/dev/engine_profile.hpp"
#include "blkcrypto/dev/image_device.hpp"
#include "blkcrypto/tools/cli/image_lock.hpp"
#include "blkcrypto/tools/cli/json_output.hpp"
#include "fsdemo/crypto_door.hpp"
#include "fsdemo/strategies/strategy_table.hpp"

#include <CLI/CLI.hpp>

namespace blkcrypto::fsdemo::tools {

using cli::image_lock;
using cli::image_use;

/// `path`, where something is to be written ("-" is stdout), is not the image. program_error, exit code 2,
/// that names `option`. Opens nothing.
void check_not_image(std::string_view option, const std::string& path, const std::string& image);
/// Neither is where a verb's JSON goes, nor where its text does.
void check_not_image(const cli::json_output& json, const std::string& image);

/// --path, --engine, --strategy and what belongs to it.
struct stack_options {
    std::string path;              // empty: what the strategy needs
    std::string engine;            // likewise the next: of the inline path generic
    std::string strategy;          // empty: that of the path
    std::string pool_size;         // the strategy's own
    std::string keyslots;          // or the engine's own
    std::string derived_key_cache; // or the filesystem's own

    void add_to(CLI::App& verb);

    /// program_error, exit code 2: an unknown name, a number out of range, options that contradict each other
    /// or that the strategy has no use for.
    struct checked {
        const strategy_info* strategy = nullptr;
        strategy_options sizes;
        engine_profile engine;
        std::optional<unsigned> derived_keys;
    };
    checked check() const;
};

class image_stack {
  public:
    /// program_error, exit code 2.
    static std::unique_ptr<image_stack> open(const std::string& image, image_use use,
                                             const stack_options& options = {});
    /// With a lock that is held.
    static std::unique_ptr<image_stack> open(const std::string& image, image_lock&& lock, image_use use,
                                             const stack_options& options = {});

    const std::string& image() const noexcept { return image_; }
    env& environment() noexcept { return *env_; }
    block_device& device() noexcept { return inline_device_ ? *inline_device_ : *file_; }
    crypto_door door() noexcept { return {*env_, device(), fallback_.get(), *metadata_env_, strategy_}; }
    /// As asked for; nothing: the filesystem's own number.
    std::optional<unsigned> derived_keys() const noexcept { return derived_keys_; }
    /// What crypts, for messages: "engine ufs-std", "fallback".
    std::string crypted_by() const;

  private:
    image_stack(const std::string& image, image_lock&& lock) : image_(image), lock_(std::move(lock)) {}
    void put_engine(const engine_profile& profile);
    void put_fallback(const stack_options::checked& options);

    const std::string image_;
    image_lock lock_;
    std::unique_ptr<thread_env> env_;
    std::unique_ptr<thread_env> metadata_env_;
    std::unique_ptr<worker_pool> engine_pool_;
    std::unique_ptr<image_device> file_;
    std::unique_ptr<block_device> inline_device_; // null: the fallback path
    std::unique_ptr<crypto_fallback> fallback_;   // null: the inline path
    key_strategy* strategy_ = nullptr;            // the fallback's, on that path
    std::optional<unsigned> derived_keys_;
    std::string engine_name_;
};

} // namespace blkcrypto::fsdemo::tools
