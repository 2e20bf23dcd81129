// SPDX-License-Identifier: Apache-2.0
#pragma once
// One read, write or zeroing of a part of a file: what a bio is to a device. Any offset, any length, any
// memory. Whoever made it keeps it, and its memory, from submit to its end_io.

#include "blkcrypto/block/bio.hpp"

#include <cstdint>
#include <system_error>

namespace blkcrypto::fsdemo {

class open_file;
class file_io;

/// Who is told. May submit, may not poll nor call anything else of the filesystem.
class file_io_end {
  public:
    virtual void end_io(file_io& ended) noexcept = 0;

  protected:
    ~file_io_end() = default;
};

enum class file_op : std::uint8_t { read, write, zero };

class file_io {
  public:
    file_io() = default;
    file_io(const file_io&) = delete;
    file_io& operator=(const file_io&) = delete;

    file_op op = file_op::read;
    /// A write or zeroing overwrites what is there, under the keys it has, where every block of it is there
    /// and nobody shares it. After a crash each data unit of it is the old one, the new one, or torn. Without
    /// it, and elsewhere, it goes to new extents.
    bool in_place = false;
    open_file* file = nullptr;
    std::uint64_t offset_bytes = 0;
    std::uint64_t length_bytes = 0;
    std::byte* memory = nullptr;            // not of zero
    buffer_id buffer = unregistered_buffer; // that `memory` lies in: demo_fs::register_buffer()
    file_io_end* observer = nullptr;
    /// Gets where the time of its bios went. Of several at once only one's.
    bio_stamps* stamps = nullptr;

    /// EIO and its like, of the device; ENOSPC; ENOKEY; EINVAL: an extent of another key or mode than its
    /// file; EUCLEAN; EFBIG; EROFS.
    std::error_code status;
    /// How much of it was done: of a read less than `length_bytes` at the file's end.
    std::uint64_t done_bytes = 0;

    void prepare(file_op operation, open_file& what, std::uint64_t offset, bytes_span data,
                 file_io_end& told) noexcept {
        op = operation;
        in_place = false;
        file = &what;
        offset_bytes = offset;
        length_bytes = data.size();
        memory = data.data();
        buffer = unregistered_buffer;
        observer = &told;
        stamps = nullptr;
        status = {};
        done_bytes = 0;
    }

  private:
    friend class file_io_list;
    file_io* next_ = nullptr;
};

/// First in, first out.
class file_io_list {
  public:
    bool empty() const noexcept { return head_ == nullptr; }
    void push(file_io& io) noexcept {
        io.next_ = nullptr;
        (head_ == nullptr ? head_ : tail_->next_) = &io;
        tail_ = &io;
    }
    file_io* pop() noexcept {
        file_io* first = head_;
        if (first != nullptr)
            head_ = first->next_;
        return first;
    }

  private:
    file_io* head_ = nullptr;
    file_io* tail_ = nullptr;
};

} // namespace blkcrypto::fsdemo
