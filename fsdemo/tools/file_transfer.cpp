// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/tools/file_transfer.hpp"

#include "blkcrypto/base/secret.hpp"

#include <algorithm>

namespace blkcrypto::fsdemo::tools {
namespace {

constexpr std::size_t page_bytes = 4096;

/// How much there is to the end of the block that has the offset in it.
std::size_t to_block_end(std::uint64_t offset_bytes) {
    return file_transfer::block_bytes - offset_bytes % file_transfer::block_bytes;
}

} // namespace

file_transfer::file_transfer(demo_fs& fs, open_file& file)
    : fs_(fs), file_(file), memory_(new std::byte[blocks * block_bytes + page_bytes]) {
    void* at = memory_.get();
    std::size_t room = blocks * block_bytes + page_bytes;
    auto* aligned = static_cast<std::byte*>(std::align(page_bytes, blocks * block_bytes, at, room));
    for (block& b : blocks_) {
        b.memory = {aligned, block_bytes};
        aligned += block_bytes;
    }
}

file_transfer::~file_transfer() {
    (void)wait_for_all(); // whoever wanted to know has asked
    for (const block& b : blocks_)
        zeroize(b.memory);
}

std::error_code file_transfer::wait_for(block& b) noexcept {
    while (b.is_busy)
        fs_.wait();
    return b.io.status;
}

std::error_code file_transfer::wait_for_all() noexcept {
    std::error_code first;
    for (block& b : blocks_) {
        const std::error_code error = wait_for(b);
        if (error && !first)
            first = error;
    }
    return first;
}

void file_transfer::start(block& b, file_op op, std::uint64_t offset_bytes, std::size_t length_bytes,
                          bool in_place) {
    b.io.prepare(op, file_, offset_bytes, b.memory.first(length_bytes), b);
    b.io.in_place = in_place;
    b.is_busy = true;
    fs_.submit(b.io);
    fs_.poll(); // under way while the next block is read or written outside
}

result<std::uint64_t> file_transfer::put(cli::file& input, std::uint64_t offset_bytes, bool in_place,
                                         cli::progress& progress) {
    std::uint64_t at = offset_bytes;
    for (bool at_end = false; !at_end;) {
        if (at > file_bytes_max)
            return make_error(EFBIG);
        block& b = next_block();
        if (const std::error_code error = wait_for(b))
            return error;
        const std::size_t wanted = to_block_end(at);
        const std::size_t got = input.read(b.memory.first(wanted));
        if (got != 0)
            start(b, file_op::write, at, got, in_place);
        at += got;
        at_end = got < wanted;
        progress.update(at - offset_bytes);
    }
    if (const std::error_code error = wait_for_all())
        return error;
    return at;
}

std::error_code file_transfer::get(cli::file& output, std::uint64_t offset_bytes, std::uint64_t length_bytes,
                                   cli::progress& progress) {
    const std::uint64_t end = offset_bytes + length_bytes;
    std::uint64_t asked = offset_bytes;
    std::uint64_t written = offset_bytes;
    for (std::size_t first = 0; written < end;) {
        while (asked < end && next_ - first < blocks) {
            const std::size_t part = std::min<std::uint64_t>(to_block_end(asked), end - asked);
            start(next_block(), file_op::read, asked, part, false);
            asked += part;
        }
        block& oldest = blocks_[first++ % blocks];
        if (const std::error_code error = wait_for(oldest))
            return error;
        if (written == offset_bytes)
            output.truncate();
        output.write(oldest.memory.first(oldest.io.length_bytes));
        written += oldest.io.length_bytes;
        progress.update(written - offset_bytes);
    }
    if (length_bytes == 0)
        output.truncate();
    return {};
}

} // namespace blkcrypto::fsdemo::tools
