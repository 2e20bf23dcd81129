// SPDX-License-Identifier: Apache-2.0
#pragma once
// The disk that `attach` serves: the image, locked, and the stack on it - engine or fallback, cuts of data
// units made possible above it - with the key in use. One function builds it.

#include "blkcrypto/base/thread_env.hpp"
#include "blkcrypto/base/worker_pool.hpp"
#include "blkcrypto/dev/engine_profile.hpp"
#include "blkcrypto/dev/image_device.hpp"
#include "blkcrypto/inline_crypt/crypto_fallback.hpp"
#include "blkcrypto/nbd/export_info.hpp"
#include "blkcrypto/tools/cli/image_lock.hpp"

#include <memory>
#include <optional>
#include <string>

namespace blkcrypto::tools {

/// How the data units of a disk are encrypted.
struct disk_crypto {
    const crypto_mode_info* mode;
    data_unit_size unit_size;
    uint256 dun_offset;                     // DUN of the first unit
    const engine_profile* engine = nullptr; // the inline path; null: the fallback
    unsigned decrypt_workers = 0;           // of the fallback
};

struct disk_options {
    std::string image;
    bool read_only = false;
    std::optional<disk_crypto> crypto; // none: the plain path
    unsigned threads = 1;              // that will make queues
};

class attached_disk {
  public:
    /// `key` is of the mode's size, and is gone afterwards; empty for a plain disk. program_error, exit code
    /// 2: the image cannot be used, is empty, or ends within a unit; its units have numbers that the mode has
    /// no IVs for; the engine does not have the mode.
    static std::unique_ptr<attached_disk> open(const disk_options& options, cli::image_lock&& lock,
                                               secret key);
    /// No queue is left.
    ~attached_disk();

    const nbd::served_disk& served() const noexcept { return *served_; }
    /// Bottom to top, for people.
    std::string describe() const;

  private:
    class file_holes;

    attached_disk(const disk_options& options, cli::image_lock&& lock);
    void check_size() const;
    void put_engine();
    void put_fallback();
    void start_key(const secret& key);
    std::uint8_t dun_bytes() const;
    void serve();
    std::string why_refused(const crypto_config& config) const;
    std::string crypted_by() const;
    std::string describe_crypto() const;
    std::uint64_t size_bytes() const noexcept { return to_bytes(file_->capacity()).value; }
    std::uint32_t unit_bytes() const noexcept {
        return options_.crypto ? options_.crypto->unit_size.bytes() : sector_size_bytes;
    }
    block_device& crypting_device() noexcept { return engine_ ? *engine_ : *file_; }

    const disk_options options_;
    cli::image_lock lock_;
    std::unique_ptr<thread_env> env_;      // for setting up and taking down
    std::unique_ptr<worker_pool> workers_; // the engine's thread, or the fallback's
    std::unique_ptr<image_device> file_;
    std::unique_ptr<block_device> engine_;      // null: not the inline path
    std::unique_ptr<crypto_fallback> fallback_; // null: not the fallback path
    std::unique_ptr<block_device> cut_units_;   // null: plain
    std::unique_ptr<crypto_key> key_;           // null: plain
    std::unique_ptr<file_holes> holes_;         // null: not plain
    std::unique_ptr<nbd::served_disk> served_;
};

} // namespace blkcrypto::tools
