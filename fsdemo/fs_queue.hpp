// SPDX-License-Identifier: Apache-2.0
#pragma once
// The mechanics of file I/O: from a range of a file to extents, to keys, to bios, and back. Asynchronous; one
// queue a filesystem, on its thread.
//
// Each file_io is a job that goes on in steps, whenever something it waited for is there: the lock of its
// range, a node of the tree, a place for a key, a bio that ended. It holds at most bios_max bios and their
// keys. A write that is not in place gets new blocks run by run, writes each under a fresh nonce, and makes
// it part of the file when it is written. Where there is no room, and a commit would make some, there is one
// as soon as no job holds blocks that belong to nothing yet: poll() waits for it. What does not fill a data
// unit (of a new extent: a block) is read before and written whole; the lock of the range keeps others out
// meanwhile.

#include "fsdemo/crypto_door.hpp"
#include "fsdemo/extent_crypt_info.hpp"
#include "fsdemo/file_io.hpp"
#include "fsdemo/open_file.hpp"

#include <memory>

namespace blkcrypto::fsdemo {

class file_job;

struct fs_queue_options {
    unsigned depth = 128;
    bool commits_for_room = true; // fs_options says what it means
};

class fs_queue {
  public:
    /// The volume and the keys outlive it. EINVAL: no depth. Errors of make_queue(); ENOMEM.
    static result<std::unique_ptr<fs_queue>> make(const crypto_door& door, volume& metadata,
                                                  extent_keys& keys, const fs_queue_options& options);
    /// Nothing is in flight.
    ~fs_queue();
    fs_queue(const fs_queue&) = delete;
    fs_queue& operator=(const fs_queue&) = delete;

    /// Noexcept, returns nothing, never blocks, never runs an end_io.
    void submit(file_io& io) noexcept;
    unsigned poll() noexcept;
    unsigned wait() noexcept;
    unsigned in_flight() const noexcept { return in_flight_; }
    /// As submit_queue's.
    buffer_id register_buffer(bytes_span memory) noexcept { return bios_->register_buffer(memory); }
    keyslot_counters tfm_use() const noexcept { return bios_->keyslot_use(); }

  private:
    friend class file_job;
    fs_queue(const crypto_door& door, volume& metadata, extent_keys& keys, std::unique_ptr<submit_queue> bios,
             const fs_queue_options& options);
    void make_ready(file_job& job) noexcept;
    void wait_for_key(file_job& job) noexcept;
    void key_is_free() noexcept;
    /// As volume::may_change(). EAGAIN: the job waits until what can be made free is, and asks again then.
    std::error_code make_room(file_job& job, std::uint64_t blocks) noexcept;
    void run_is_let_go() noexcept;
    void commit_for_room() noexcept;
    void ended(file_job& job) noexcept;
    void start_waiting() noexcept;
    unsigned tell_ended() noexcept;

    const crypto_door door_;
    volume& volume_;
    extent_keys& keys_;
    const bool commits_for_room_;
    const bool keys_are_of_files_;
    std::unique_ptr<submit_queue> bios_;
    const std::uint32_t least_granule_bytes_; // the device's block
    std::vector<std::unique_ptr<file_job>> jobs_;
    std::vector<file_job*> free_jobs_;
    file_io_list waiting_; // for a job
    task_list ready_;      // jobs that can go on. Tasks only to be in a list
    task_list waiting_for_key_;
    task_list waiting_for_room_;
    unsigned runs_held_ = 0; // blocks that jobs have taken, and no file has yet
    file_io_list ended_;
    unsigned in_flight_ = 0;
};

} // namespace blkcrypto::fsdemo
