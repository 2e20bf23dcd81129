// SPDX-License-Identifier: Apache-2.0
#pragma once
// The stack of a subject of `blkbench compare`, on its image file. All are built in one function, so that the
// differences can be seen at a glance; an inline engine runs on threads of its own. The threads of a workload
// open queues of it.

#include "bench/block_io.hpp"
#include "bench/compare_subject.hpp"
#include "blkcrypto/base/worker_pool.hpp"
#include "blkcrypto/dev/engine_profile.hpp"
#include "blkcrypto/dev/image_device.hpp"

namespace blkcrypto::bench {

struct stack_options {
    blkcrypto::image_io image_io = image_io::automatic;
    engine_profile engine;        // of the inline path
    unsigned engine_threads = 1;  // that it runs on
    unsigned decrypt_workers = 0; // of the fallback; 0: the threads of the workload decrypt
    unsigned lanes = 1;           // how many threads are expected to crypt at once
};

class compare_path {
  public:
    /// On an existing image. Starts to use the keys of `layout`; they, the stripes and `e`, the env of this
    /// thread, outlive the path. program_error.
    static std::unique_ptr<compare_path> open(const compare_subject& subject, const stack_options& options,
                                              const block_layout& layout, env& e);
    ~compare_path();
    compare_path(const compare_path&) = delete;
    compare_path& operator=(const compare_path&) = delete;

    const compare_subject& subject() const noexcept { return subject_; }
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
    compare_path(const compare_subject& subject, const block_layout& layout, env& e)
        : subject_(subject), layout_(layout), env_(e) {}
    block_device& top() noexcept { return inline_device_ ? *inline_device_ : *file_; }
    void start_using_keys();

    const compare_subject subject_;
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
