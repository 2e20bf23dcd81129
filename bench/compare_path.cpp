// SPDX-License-Identifier: Apache-2.0
#include "bench/compare_path.hpp"

#include "blkcrypto/dev/inline_crypto_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "blkcrypto/tools/cli/program_error.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace blkcrypto::bench {
namespace {

// Blocks are whole data units; a device's are no larger than this.
constexpr std::uint32_t block_bytes_max = 4096;

} // namespace

std::unique_ptr<compare_path> compare_path::open(const compare_subject& subject, const stack_options& options,
                                                 const block_layout& layout, env& e) {
    std::unique_ptr<compare_path> path(new compare_path(subject, layout, e));
    const std::uint32_t unit_bytes = layout.stripes->unit_size().bytes();
    path->file_ =
        cli::take(make_image_device({.path = subject.image,
                                     .logical_block_size_bytes = std::min(unit_bytes, block_bytes_max),
                                     .io = options.image_io}),
                  subject.image, cli::exit_failed);
    if (subject.kind == path_kind::inline_engine) {
        path->engine_pool_ = cli::take(worker_pool::make(options.engine_threads, "engine"), "engine threads",
                                       cli::exit_failed);
        path->inline_device_ =
            cli::take(make_inline_crypto_device(*path->file_, options.engine, e,
                                                {*path->engine_pool_, options.engine_threads}),
                      "inline crypto device", cli::exit_failed);
    }
    if (subject.kind == path_kind::fallback) {
        fallback_options fallback;
        if (options.decrypt_workers != 0) {
            path->decrypt_pool_ = cli::take(worker_pool::make(options.decrypt_workers, "decrypt"),
                                            "decrypt workers", cli::exit_failed);
            fallback.decrypt_executor = path->decrypt_pool_.get();
            fallback.decrypt_workers = options.decrypt_workers;
        }
        auto tfms = cli::take(
            make_keyslot_tfms(e, kernel_7_0.fallback_keyslots, options.lanes + options.decrypt_workers),
            "fallback", cli::exit_failed);
        path->fallback_ =
            cli::take(crypto_fallback::make(e, std::move(tfms), fallback), "fallback", cli::exit_failed);
    }
    path->start_using_keys();
    return path;
}

void compare_path::start_using_keys() {
    const std::uint64_t count = layout_.keys == nullptr ? 0 : layout_.keys->size();
    for (; keys_started_ < count; ++keys_started_) {
        const auto error = start_using_key(env_, top(), fallback_.get(), (*layout_.keys)[keys_started_]);
        if (error)
            throw cli::file_error(cli::exit_failed,
                                  fmt::format("{} path, key {}", subject_.name, keys_started_),
                                  error.value());
    }
}

compare_path::~compare_path() {
    for (std::uint64_t i = 0; i < keys_started_; ++i)
        (void)evict_key(env_, top(), fallback_.get(), (*layout_.keys)[i]); // the log has the error
}

} // namespace blkcrypto::bench
