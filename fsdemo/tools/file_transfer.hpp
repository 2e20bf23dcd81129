// SPDX-License-Identifier: Apache-2.0
#pragma once
// Data between a file of the host and one inside: a few blocks in flight, in order where it is seen. Blocks
// end at multiples of block_bytes of the file inside, so that no two touch one data unit. Memory is fixed,
// and wiped at the end: it had plaintext.

#include "blkcrypto/tools/cli/file.hpp"
#include "blkcrypto/tools/cli/progress.hpp"
#include "fsdemo/demo_fs.hpp"

#include <array>

namespace blkcrypto::fsdemo::tools {

class file_transfer {
  public:
    static constexpr std::size_t block_bytes = std::size_t{4} << 20;

    file_transfer(demo_fs& fs, open_file& file);
    /// Waits for what is in flight.
    ~file_transfer();
    file_transfer(const file_transfer&) = delete;
    file_transfer& operator=(const file_transfer&) = delete;

    /// Until the input ends: where in the file that was. Errors of file_io; program_error of the input.
    result<std::uint64_t> put(cli::file& input, std::uint64_t offset_bytes, bool in_place,
                              cli::progress& progress);

    /// `length_bytes`, all of them before the file's end. Likewise.
    std::error_code get(cli::file& output, std::uint64_t offset_bytes, std::uint64_t length_bytes,
                        cli::progress& progress);

  private:
    static constexpr std::size_t blocks = 4;

    struct block final : file_io_end {
        void end_io(file_io&) noexcept override { is_busy = false; }

        file_io io;
        bytes_span memory;
        bool is_busy = false;
    };

    block& next_block() noexcept { return blocks_[next_++ % blocks]; }
    std::error_code wait_for(block& b) noexcept;
    std::error_code wait_for_all() noexcept;
    void start(block& b, file_op op, std::uint64_t offset_bytes, std::size_t length_bytes, bool in_place);

    demo_fs& fs_;
    open_file& file_;
    const std::unique_ptr<std::byte[]> memory_;
    std::array<block, blocks> blocks_;
    std::size_t next_ = 0;
};

} // namespace blkcrypto::fsdemo::tools
