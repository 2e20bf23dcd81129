// SPDX-License-Identifier: Apache-2.0
// file_job: the bios it is made into, and their keys.
#include "fsdemo/file_job.hpp"

#include <algorithm>
#include <cerrno>

namespace blkcrypto::fsdemo {

file_job::job_bio* file_job::free_bio() noexcept {
    const auto found = std::ranges::find(bios_, false, &job_bio::is_busy);
    return found == bios_.end() ? nullptr : &*found;
}

// To the bio that is being put together, or to the next one.
result<file_job::progress> file_job::add(bio_op op, const file_part& part, std::uint64_t at_bytes,
                                         const memory_part& memory) {
    extent_crypt_info* key = nullptr;
    bool is_busy = false;
    if (const std::error_code error = get_key(part, key, is_busy))
        return error;
    if (is_busy) {
        submit_built();
        queue_.wait_for_key(*this);
        return progress::waits;
    }
    const std::uint64_t offset_bytes = part.offset_in_extent(at_bytes);
    if (extend(op, part.physical_bytes(at_bytes), key, offset_bytes, memory)) {
        if (key != nullptr)
            queue_.keys_.put(*key); // it holds one already
        return progress::made;
    }
    submit_built();
    job_bio* const b = free_bio();
    if (b == nullptr) {
        if (key != nullptr)
            queue_.keys_.put(*key);
        return progress::waits;
    }
    b->is_busy = true;
    b->key = key;
    const sector start = to_sectors_exact({part.physical_bytes(at_bytes)});
    b->segments[0] = memory.segment();
    b->segment_count = 1;
    if (memory.data == nullptr)
        b->io.prepare_range(bio_op::write_zeroes, start, memory.segment().length_bytes, *b);
    else
        b->io.prepare(op, start, {b->segments.data(), 1}, *b);
    set_bio_crypt_ctx(b->io, key, offset_bytes);
    b->io.stamps = bios_in_flight_ == 0 ? io_->stamps : nullptr;
    built_ = b;
    return progress::made;
}

std::error_code file_job::get_key(const file_part& part, extent_crypt_info*& key, bool& is_busy) noexcept {
    if (part.item.context.has_value() != file_->is_encrypted())
        return make_error(EINVAL);
    if (!file_->is_encrypted())
        return {};
    std::string_view why;
    const auto context = decode_extent_context(*part.item.context, *file_->item_.policy(), why);
    if (!context)
        return context.error();
    // What an info's coming and going may ask of a strategy.
    const io_context_scope nofs(queue_.door_.environment, io_context::nofs);
    file_crypt_info& crypt = *file_->crypt_;
    const auto granted = queue_.keys_.get(*crypt.master, context->nonce, crypt.config,
                                          queue_.keys_are_of_files_ ? &crypt : nullptr);
    key = granted.key;
    is_busy = granted.key == nullptr && !granted.error;
    return granted.error;
}

bool file_job::extend(bio_op op, std::uint64_t physical_bytes, const extent_crypt_info* key,
                      std::uint64_t extent_offset_bytes, const memory_part& memory) noexcept {
    if (built_ == nullptr || memory.data == nullptr || built_->io.op != op)
        return false;
    bio& b = built_->io;
    if (to_bytes(b.iter.start).value + b.iter.size_bytes != physical_bytes ||
        b.iter.size_bytes + memory.length_bytes > bio_bytes_max ||
        !mergeable_bio(b, key, extent_offset_bytes))
        return false;
    const std::uint32_t length_bytes = memory.segment().length_bytes;
    bio_vec& last = built_->segments[built_->segment_count - 1];
    if (last.data + last.length_bytes == memory.data) {
        last.length_bytes += length_bytes;
    } else {
        if (built_->segment_count == built_->segments.size())
            return false;
        built_->segments[built_->segment_count++] = memory.segment();
    }
    b.segments = {built_->segments.data(), built_->segment_count};
    b.iter.size_bytes += length_bytes;
    return true;
}

void file_job::submit_built() noexcept {
    if (built_ == nullptr)
        return;
    ++bios_in_flight_;
    queue_.bios_->submit(std::exchange(built_, nullptr)->io);
}

void file_job::bio_ended(job_bio& ended) noexcept {
    --bios_in_flight_;
    ended.is_busy = false;
    if (!status_)
        status_ = make_error(to_errno(ended.io.status));
    if (ended.key != nullptr) {
        queue_.keys_.put(*std::exchange(ended.key, nullptr));
        queue_.key_is_free();
    }
    queue_.make_ready(*this);
}

} // namespace blkcrypto::fsdemo
