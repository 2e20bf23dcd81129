// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/fs_queue.hpp"

#include "fsdemo/file_job.hpp"
#include "fsdemo/key_strategy.hpp"

#include <cassert>

namespace blkcrypto::fsdemo {

fs_queue::fs_queue(const crypto_door& door, volume& metadata, extent_keys& keys,
                   std::unique_ptr<submit_queue> bios, const fs_queue_options& options)
    : door_(door), volume_(metadata), keys_(keys), commits_for_room_(options.commits_for_room),
      keys_are_of_files_(door.strategy != nullptr && door.strategy->traits().have_infos_files()),
      bios_(std::move(bios)), least_granule_bytes_(door.device.limits().logical_block_size_bytes) {
    jobs_.reserve(options.depth);
    free_jobs_.reserve(options.depth);
    for (unsigned i = 0; i < options.depth; ++i) {
        jobs_.push_back(std::make_unique<file_job>(*this));
        free_jobs_.push_back(jobs_.back().get());
    }
}

result<std::unique_ptr<fs_queue>> fs_queue::make(const crypto_door& door, volume& metadata, extent_keys& keys,
                                                 const fs_queue_options& options) {
    if (options.depth == 0)
        return make_error(EINVAL);
    auto bios = submit_queue::make(door.device, door.fallback, door.environment, {.depth = options.depth});
    if (!bios)
        return bios.error();
    return or_no_memory([&]() -> result<std::unique_ptr<fs_queue>> {
        return std::unique_ptr<fs_queue>(new fs_queue(door, metadata, keys, std::move(*bios), options));
    });
}

fs_queue::~fs_queue() {
    assert(in_flight_ == 0 && free_jobs_.size() == jobs_.size());
}

void fs_queue::submit(file_io& io) noexcept {
    ++in_flight_;
    waiting_.push(io);
    start_waiting();
}

// In the order they were submitted: which of two that overlap is first is decided here.
void fs_queue::start_waiting() noexcept {
    while (!free_jobs_.empty() && !waiting_.empty()) {
        file_job* const job = free_jobs_.back();
        free_jobs_.pop_back();
        job->begin(*waiting_.pop());
    }
}

unsigned fs_queue::poll() noexcept {
    bios_->poll();
    while (task* const t = ready_.pop()) {
        door_.environment.remove_due(1);
        auto& job = static_cast<file_job&>(*t);
        job.in_line = file_job::line::none;
        job.go_on();
    }
    return tell_ended();
}

unsigned fs_queue::wait() noexcept {
    while (in_flight_ != 0) {
        const unsigned ended = poll();
        if (ended != 0)
            return ended;
        door_.environment.sleep();
    }
    return 0;
}

// --- for jobs ---

void fs_queue::make_ready(file_job& job) noexcept {
    if (job.in_line != file_job::line::none)
        return;
    job.in_line = file_job::line::ready;
    ready_.push(job);
    door_.environment.add_due(1);
}

void fs_queue::wait_for_key(file_job& job) noexcept {
    job.in_line = file_job::line::key;
    waiting_for_key_.push(job);
}

// All of them: some may find that the key they want is there meanwhile, and leave the place to others.
void fs_queue::key_is_free() noexcept {
    while (task* const t = waiting_for_key_.pop()) {
        auto& job = static_cast<file_job&>(*t);
        job.in_line = file_job::line::none;
        make_ready(job);
    }
}

// Whoever comes while others wait waits behind them, or there might always be one with a run.
std::error_code fs_queue::make_room(file_job& job, std::uint64_t blocks) noexcept {
    if (waiting_for_room_.empty()) {
        const std::error_code error = volume_.may_change(volume::room_for::more, blocks);
        if (error != make_error(ENOSPC) || !commits_for_room_ || !volume_.has_changed())
            return error;
    }
    job.in_line = file_job::line::room;
    waiting_for_room_.push(job);
    if (runs_held_ == 0)
        commit_for_room();
    return make_error(EAGAIN);
}

void fs_queue::run_is_let_go() noexcept {
    if (--runs_held_ == 0 && !waiting_for_room_.empty())
        commit_for_room();
}

// An error fails the volume, which those who wait see.
void fs_queue::commit_for_room() noexcept {
    (void)volume_.commit();
    while (task* const t = waiting_for_room_.pop()) {
        auto& job = static_cast<file_job&>(*t);
        job.in_line = file_job::line::none;
        make_ready(job);
    }
}

void fs_queue::ended(file_job& job) noexcept {
    ended_.push(job.io());
    door_.environment.add_due(1);
    free_jobs_.push_back(&job);
}

unsigned fs_queue::tell_ended() noexcept {
    file_io_list ended = std::exchange(ended_, {});
    unsigned count = 0;
    while (file_io* const io = ended.pop()) {
        ++count;
        io->observer->end_io(*io);
    }
    door_.environment.remove_due(count);
    in_flight_ -= count;
    start_waiting();
    return count;
}

} // namespace blkcrypto::fsdemo
