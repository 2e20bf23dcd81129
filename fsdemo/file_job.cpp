// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/file_job.hpp"

#include "fsdemo/directory.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace blkcrypto::fsdemo {
namespace {

constexpr std::uint64_t round_down(std::uint64_t bytes, std::uint64_t granule_bytes) {
    return bytes & ~(granule_bytes - 1);
}
constexpr std::uint64_t round_up(std::uint64_t bytes, std::uint64_t granule_bytes) {
    return round_down(bytes + granule_bytes - 1, granule_bytes);
}

} // namespace

file_job::file_job(fs_queue& queue) : range_hold(queue.door_.environment), queue_(queue) {
    for (job_bio& b : bios_)
        b.job = this;
    node_.job = this;
    node_.what = std::make_unique<node>();
}

// --- beginning and ending ---

void file_job::begin(file_io& io) noexcept {
    io_ = &io;
    file_ = io.file;
    step_ = step::look;
    status_ = {};
    length_bytes_ = io.length_bytes;
    is_in_place_ = false;
    head_.is_used = tail_.is_used = false;
    run_ = {};
    const std::uint64_t room_bytes = file_bytes_max - std::min(io.offset_bytes, file_bytes_max);
    if (is_read())
        length_bytes_ = std::min(length_bytes_, room_bytes);
    if (length_bytes_ == 0 || length_bytes_ > room_bytes) {
        io.status = make_error(length_bytes_ == 0 ? 0 : EFBIG);
        return queue_.ended(*this);
    }
    set_range(round_down(io.offset_bytes, block_bytes), round_up_to_block(io_end_bytes()),
              is_read() ? range_mode::shared : range_mode::exclusive);
    if (file_->ranges_.lock(queue_.door_.environment, *this))
        queue_.make_ready(*this);
}

void file_job::run(unsigned) noexcept {
    queue_.make_ready(*this);
}

void file_job::go_on() noexcept {
    if (!status_ && step_ != step::done) {
        const std::error_code error = or_no_memory([this] { return advance(); });
        if (error != make_error(EAGAIN))
            status_ = error;
    }
    submit_built();
    if ((status_ || step_ == step::done) && bios_in_flight_ == 0)
        end();
}

// EAGAIN: it waits.
std::error_code file_job::advance() {
    for (;;) {
        if (step_ == step::look) {
            if (const std::error_code error = look())
                return error;
            continue;
        }
        if (step_ == step::done)
            return {};
        const auto made = step_ == step::fill_edges   ? fill_edges()
                          : is_read() || is_in_place_ ? move_in_parts()
                                                      : move_to_new_blocks();
        if (!made)
            return made.error();
        if (*made == progress::waits)
            return make_error(EAGAIN);
    }
}

void file_job::end() noexcept {
    if (run_.count != 0 && !queue_.volume_.has_failed()) {
        (void)queue_.volume_.change([this] { return queue_.volume_.room().give_back(run_); });
    }
    if (run_.count != 0)
        queue_.run_is_let_go();
    if (!status_ && is_read()) {
        copy_out(head_);
        copy_out(tail_);
    }
    if (!status_)
        io_->done_bytes = length_bytes_;
    for (edge* e : {&head_, &tail_})
        if (e->is_used)
            zeroize(e->memory.bytes);
    io_->status = status_;
    file_->ranges_.unlock(queue_.door_.environment, *this);
    queue_.ended(*this);
}

// --- looking ---

std::error_code file_job::look() {
    if (const std::error_code error = queue_.volume_.may_read())
        return error;
    if (!is_read()) {
        if (const std::error_code error = look_at_write())
            return error;
    } else {
        const std::uint64_t size_bytes = file_->size_bytes();
        length_bytes_ = std::min(length_bytes_, size_bytes - std::min(io_->offset_bytes, size_bytes));
        const std::uint32_t unit_bytes =
            file_->crypt_ ? file_->crypt_->config.unit_size.bytes() : sector_size_bytes;
        set_region(std::max(unit_bytes, queue_.least_granule_bytes_));
    }
    at_bytes_ = begin_bytes_;
    const bool has_to_fill = !is_read() && (head_.is_used || tail_.is_used);
    step_ = length_bytes_ == 0 ? step::done : has_to_fill ? step::fill_edges : step::move;
    return {};
}

std::error_code file_job::look_at_write() {
    if (const std::error_code error = queue_.volume_.may_write())
        return error;
    if (io_->in_place) {
        const std::uint32_t unit_bytes =
            file_->crypt_ ? file_->crypt_->config.unit_size.bytes() : sector_size_bytes;
        set_region(std::max(unit_bytes, queue_.least_granule_bytes_));
        if (const std::error_code error = check_in_place(is_in_place_))
            return error;
    }
    if (!is_in_place_)
        set_region(block_bytes);
    return {};
}

std::error_code file_job::check_in_place(bool& is_possible) {
    is_possible = false;
    // What is behind the end is zeros, in each state: a file grows together with its data or not at all.
    if (io_end_bytes() > file_->size_bytes())
        return {};
    for (std::uint64_t at = begin_bytes_; at < end_bytes_;) {
        const file_part* part = nullptr;
        if (const std::error_code error = find_part_at(at, part))
            return error;
        if (part->is_hole() || part->item.references != 1 || queue_.volume_.was_shared(part->extent))
            return {};
        at = part->end_bytes;
    }
    is_possible = true;
    return {};
}

void file_job::set_region(std::uint64_t granule_bytes) noexcept {
    granule_bytes_ = granule_bytes;
    begin_bytes_ = round_down(io_->offset_bytes, granule_bytes);
    end_bytes_ = round_up(io_end_bytes(), granule_bytes);
    head_.begin_bytes = begin_bytes_;
    head_.is_used = io_->offset_bytes != begin_bytes_ || io_end_bytes() < begin_bytes_ + granule_bytes;
    tail_.begin_bytes = end_bytes_ - granule_bytes;
    tail_.is_used = end_bytes_ - begin_bytes_ > granule_bytes && io_end_bytes() != end_bytes_;
    head_.is_filled = tail_.is_filled = false;
}

// EAGAIN: the tree's node that says it has to be read first.
std::error_code file_job::find_part_at(std::uint64_t at_bytes, const file_part*& part) {
    part = file_->parts_.find(at_bytes);
    if (part != nullptr)
        return {};
    const node_store::no_wait_scope no_wait(queue_.volume_.nodes());
    const auto found = find_part(queue_.volume_, file_->number_, at_bytes);
    if (!found) {
        if (found.error() == make_error(EAGAIN))
            read_node();
        return found.error();
    }
    part = &file_->parts_.add(*found);
    return {};
}

// A bio that ended meanwhile may have had the job come here again.
void file_job::read_node() noexcept {
    if (std::exchange(node_.is_under_way, true))
        return;
    node_.which = queue_.volume_.nodes().missing();
    node_.segment = {node_.what->bytes().data(), block_bytes};
    node_.io.prepare(bio_op::read, sector_of(node_.which.ref.block), {&node_.segment, 1}, node_);
    ++bios_in_flight_;
    queue_.bios_->submit(node_.io);
}

void file_job::node_arrived() noexcept {
    node_.is_under_way = false;
    --bios_in_flight_;
    std::error_code error = make_error(to_errno(node_.io.status));
    if (!error)
        error = or_no_memory([this] { return queue_.volume_.nodes().add(node_.which, *node_.what); });
    if (error && !status_)
        status_ = error;
    queue_.make_ready(*this);
}

// --- edges ---

result<file_job::progress> file_job::fill_edges() {
    for (edge* e : {&head_, &tail_})
        if (e->is_used && !e->is_filled) {
            if (const std::error_code error = fill(*e))
                return error;
        }
    submit_built();
    if (bios_in_flight_ != 0)
        return progress::waits;
    overlay(head_);
    overlay(tail_);
    step_ = step::move;
    return progress::made;
}

std::error_code file_job::fill(edge& e) {
    const file_part* part = nullptr;
    if (const std::error_code error = find_part_at(e.begin_bytes, part))
        return error;
    if (part->is_hole()) {
        e.memory.bytes.fill(std::byte{0});
    } else {
        const auto added = add(bio_op::read, *part, e.begin_bytes, {e.memory.bytes.data(), granule_bytes_});
        if (!added)
            return added.error();
        if (*added == progress::waits)
            return make_error(EAGAIN);
    }
    e.is_filled = true;
    return {};
}

/// What the caller writes of it.
void file_job::overlay(edge& e) noexcept {
    if (!e.is_used)
        return;
    const std::uint64_t begin = std::max(e.begin_bytes, io_->offset_bytes);
    const std::uint64_t end = std::min(e.begin_bytes + granule_bytes_, io_end_bytes());
    std::byte* const to = e.memory.bytes.data() + (begin - e.begin_bytes);
    if (io_->op == file_op::zero)
        std::memset(to, 0, end - begin);
    else
        std::memcpy(to, io_->memory + (begin - io_->offset_bytes), end - begin);
}

void file_job::copy_out(const edge& e) noexcept {
    if (!e.is_used || length_bytes_ == 0)
        return;
    const std::uint64_t begin = std::max(e.begin_bytes, io_->offset_bytes);
    const std::uint64_t end = std::min(e.begin_bytes + granule_bytes_, io_end_bytes());
    std::memcpy(io_->memory + (begin - io_->offset_bytes), e.memory.bytes.data() + (begin - e.begin_bytes),
                end - begin);
}

// --- moving ---

file_job::memory_part file_job::memory_at(std::uint64_t at_bytes) noexcept {
    for (edge* e : {&head_, &tail_})
        if (e->is_used && at_bytes >= e->begin_bytes && at_bytes < e->begin_bytes + granule_bytes_)
            return {e->memory.bytes.data() + (at_bytes - e->begin_bytes),
                    e->begin_bytes + granule_bytes_ - at_bytes};
    const std::uint64_t end = tail_.is_used ? tail_.begin_bytes : end_bytes_;
    std::byte* const data = io_->op == file_op::zero ? nullptr : io_->memory + (at_bytes - io_->offset_bytes);
    return {data, end - at_bytes, io_->buffer};
}

// A read, or a write in place: where the file's data is.
result<file_job::progress> file_job::move_in_parts() {
    while (at_bytes_ < end_bytes_) {
        const file_part* part = nullptr;
        if (const std::error_code error = find_part_at(at_bytes_, part))
            return error;
        memory_part memory = memory_at(at_bytes_);
        memory.length_bytes = std::min(memory.length_bytes, part->end_bytes - at_bytes_);
        if (part->is_hole()) {
            std::memset(memory.data, 0, memory.length_bytes);
        } else {
            memory.length_bytes = std::min(memory.length_bytes, bio_bytes_max);
            const auto added = add(is_read() ? bio_op::read : bio_op::write, *part, at_bytes_, memory);
            if (!added || *added == progress::waits)
                return added;
        }
        at_bytes_ += memory.length_bytes;
    }
    submit_built();
    if (bios_in_flight_ != 0)
        return progress::waits;
    step_ = step::done;
    return progress::made;
}

result<file_job::progress> file_job::move_to_new_blocks() {
    if (run_.count == 0)
        if (const std::error_code error = take_run())
            return error; // EAGAIN: it waits for room
    const std::uint64_t run_end_bytes = run_begin_bytes_ + (run_.count << block_bits);
    file_part part{run_begin_bytes_, run_end_bytes, run_.first, 0, {}};
    if (file_->is_encrypted())
        part.item.context = encode(run_context_);
    while (at_bytes_ < run_end_bytes) {
        memory_part memory = memory_at(at_bytes_);
        memory.length_bytes = std::min(memory.length_bytes, run_end_bytes - at_bytes_);
        const auto added = add(bio_op::write, part, at_bytes_, memory);
        if (!added || *added == progress::waits)
            return added;
        at_bytes_ += memory.length_bytes;
    }
    submit_built();
    if (bios_in_flight_ != 0)
        return progress::waits;
    if (const std::error_code error = settle_run())
        return error;
    step_ = at_bytes_ == end_bytes_ ? step::done : step::move;
    return progress::made;
}

// A nonce of its own for each: what was encrypted under one and not written is forgotten with it.
std::error_code file_job::take_run() {
    const std::uint64_t wanted =
        std::min<std::uint64_t>((end_bytes_ - at_bytes_) >> block_bits, extent_blocks_max);
    volume& v = queue_.volume_;
    if (const std::error_code error = queue_.make_room(*this, wanted))
        return error;
    const auto run = or_no_memory([&] { return v.room().take(wanted); });
    if (!run)
        return run.error() == make_error(ENOSPC) ? run.error() : v.fail(run.error());
    run_ = *run;
    ++queue_.runs_held_;
    run_begin_bytes_ = at_bytes_;
    if (file_->is_encrypted()) {
        const encryption_policy& policy = *file_->item_.policy();
        run_context_ = {policy.contents_mode, policy.master_key_identifier, {}};
        queue_.door_.environment.fill_random(run_context_.nonce);
    }
    return {};
}

// The data is on the device: now it becomes the file's.
std::error_code file_job::settle_run() {
    std::optional<std::array<std::byte, extent_context_size_bytes>> context;
    if (file_->is_encrypted())
        context = encode(run_context_);
    const block_run run = std::exchange(run_, {});
    file_->parts_.clear();
    const std::uint64_t end_bytes = std::min(run_begin_bytes_ + (run.count << block_bits), io_end_bytes());
    std::error_code error = queue_.volume_.change(
        [&] { return put_extent(queue_.volume_, file_->number_, run_begin_bytes_, run, context); });
    if (!error)
        error = grow(end_bytes);
    queue_.run_is_let_go();
    if (error)
        return error;
    io_->done_bytes = end_bytes - io_->offset_bytes;
    return {};
}

std::error_code file_job::grow(std::uint64_t end_bytes) {
    if (end_bytes <= file_->item_.size_bytes)
        return {};
    file_->item_.size_bytes = end_bytes;
    return queue_.volume_.change(
        [this] { return store_inode(queue_.volume_, file_->number_, file_->item_); });
}

} // namespace blkcrypto::fsdemo
