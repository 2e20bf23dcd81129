// SPDX-License-Identifier: Apache-2.0
#pragma once
// Modules as files of the filesystem itself: /modules/MODE, not encrypted, read through the same queue as
// everything else. What is in them does not matter, that they have to be read does. A mode without such a
// file is built in.
//
// A read needs one of the queue's places (fs_options::depth), and who waits for a module may have all the
// others: that is one of the deadlocks this project is about.

#include "fsdemo/demo_fs.hpp"
#include "fsdemo/key_strategy.hpp"

#include <array>

namespace blkcrypto::fsdemo {

inline constexpr std::string_view modules_directory = "/modules";

class fs_modules final : public module_loader {
  public:
    /// Knows none before find().
    fs_modules(demo_fs& fs, env& e, module_use when) noexcept;
    /// None is being read.
    ~fs_modules();
    fs_modules(const fs_modules&) = delete;
    fs_modules& operator=(const fs_modules&) = delete;

    /// Finds those that are there, and opens them if they are read in the I/O path, where nothing can be
    /// opened. Errors of the volume; throws bad_alloc.
    std::error_code find();

    acquire_outcome request(crypto_mode mode, waiter& parked, blk_status& status) noexcept override;
    std::error_code load(crypto_mode mode) override;

    std::uint64_t loaded() const noexcept { return loaded_; }

  private:
    static constexpr std::size_t piece_bytes = 64 << 10;

    enum class state : std::uint8_t { built_in, on_disk, being_read, loaded };
    class module final : public file_io_end {
      public:
        module();
        void start() noexcept;
        void end_io(file_io& piece) noexcept override;

        fs_modules* owner = nullptr;
        state is = state::built_in;
        inode_number inode = 0;
        std::optional<file_handle> file; // open
        std::vector<std::byte> piece;    // while it may have to be read
        wait_list waiting;
        unsigned waiters = 0;
        unsigned failures_to_tell = 0; // to those that waited
        std::error_code failure;       // the last

      private:
        void read_at(std::uint64_t offset_bytes) noexcept;
        void finish(const std::error_code& error) noexcept;
        file_io io_;
    };

    std::error_code find(crypto_mode mode, inode_number directory);
    std::error_code open(module& m);

    demo_fs& fs_;
    env& env_;
    const module_use when_;
    std::array<module, crypto_mode_count> modules_;
    std::uint64_t loaded_ = 0;
};

} // namespace blkcrypto::fsdemo
