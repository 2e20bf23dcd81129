// SPDX-License-Identifier: Apache-2.0
#pragma once
// One of the stacks that `blkbench compare` sets side by side, on an image file of its own:
//
//   plain     the image file, no encryption: the control
//   inline    an inline crypto engine in front of the image file; it runs on threads of its own
//   fallback  blk-crypto-fallback above the image file
//
// Built in one function, so that the differences can be seen at a glance. The threads of a workload open
// queues of it.

#include "bench/block_io.hpp"
#include "blkcrypto/base/worker_pool.hpp"
#include "blkcrypto/dev/engine_profile.hpp"
#include "blkcrypto/dev/image_device.hpp"

#include <array>
#include <string>
#include <string_view>

namespace blkcrypto::bench {

enum class path_kind { plain, inline_engine, fallback };
inline constexpr std::array<std::string_view, 3> path_names{"plain", "inline", "fallback"};

constexpr std::string_view name_of(path_kind kind) {
    return path_names[static_cast<std::size_t>(kind)];
}

/// IMAGE.plain and so on.
std::string image_name(const std::string& image, path_kind kind);

struct stack_options {
    blkcrypto::image_io image_io = image_io::automatic;
    engine_profile engine;        // of the inline path
    unsigned engine_threads = 1;  // that it runs on
    unsigned decrypt_workers = 0; // of the fallback; 0: the threads of the workload decrypt
    unsigned lanes = 1;           // how many threads are expected to crypt at once
};

class compare_path {
  public:
    /// On an existing image. Starts to use the keys; they, `stripes` and `e`, the env of this thread, outlive
    /// the path. program_error.
    static std::unique_ptr<compare_path> open(path_kind kind, const std::string& image,
                                              const stack_options& options, const key_stripes& stripes,
                                              const benchmark_keys& keys, env& e);
    ~compare_path();
    compare_path(const compare_path&) = delete;
    compare_path& operator=(const compare_path&) = delete;

    path_kind kind() const noexcept { return kind_; }
    std::string_view name() const noexcept { return name_of(kind_); }
    const std::string& image() const noexcept { return image_; }
    /// How the image is read and written, and why.
    const image_io_choice& io() const noexcept { return file_->io(); }
    const block_layout& layout() const noexcept { return layout_; }

    /// A queue for the calling thread, whose env `e` is.
    result<std::unique_ptr<submit_queue>> make_queue(env& e, const queue_options& options) {
        return submit_queue::make(top(), fallback_.get(), e, options);
    }

    /// CPU time that the engine has used so far. The rest of the process's is the host's.
    std::uint64_t engine_cpu_ns() const noexcept { return engine_pool_ ? engine_pool_->cpu_time_ns() : 0; }

  private:
    compare_path(path_kind kind, const std::string& image, const block_layout& layout, env& e)
        : kind_(kind), image_(image), layout_(layout), env_(e) {}
    block_device& top() noexcept { return inline_device_ ? *inline_device_ : *file_; }
    void start_using_keys();

    const path_kind kind_;
    const std::string image_;
    const block_layout layout_;
    env& env_;
    std::unique_ptr<worker_pool> engine_pool_;
    std::unique_ptr<worker_pool> decrypt_pool_;
    std::unique_ptr<image_device> file_;
    std::unique_ptr<block_device> inline_device_; // null but on the inline path
    std::unique_ptr<crypto_fallback> fallback_;   // null but on the fallback path
    std::uint64_t keys_started_ = 0;
};

} // namespace blkcrypto::bench
