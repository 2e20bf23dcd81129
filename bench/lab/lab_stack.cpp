// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/lab_stack.hpp"

#include "blkcrypto/dev/inline_crypto_device.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

namespace blkcrypto::bench {

lab_stack::lab_stack(const std::string& image, const fsdemo::strategy_info& strategy,
                     const lab_options& options, env& e)
    : info_(strategy) {
    constexpr std::uint32_t block_bytes = 4096; // the filesystem's: it asks for nothing smaller
    file_ = cli::take(make_image_device({.path = image, .logical_block_size_bytes = block_bytes}), image,
                      cli::exit_failed);
    if (strategy.make == nullptr)
        put_engine(options.engine, e);
    else
        put_strategy(options.strategy, e);
}

void lab_stack::put_engine(const engine_profile& engine, env& e) {
    engine_pool_ = cli::take(worker_pool::make(1, "engine"), "engine thread", cli::exit_failed);
    inline_device_ = cli::take(make_inline_crypto_device(*file_, engine, e, {*engine_pool_, 1}), info_.name,
                               cli::exit_failed);
}

void lab_stack::put_strategy(const fsdemo::strategy_options& options, env& e) {
    auto strategy = cli::take(info_.make(e, options), info_.name, cli::exit_failed);
    strategy_ = strategy.get();
    fallback_ = cli::take(crypto_fallback::make(e, std::move(strategy), {}), info_.name, cli::exit_failed);
}

} // namespace blkcrypto::bench
