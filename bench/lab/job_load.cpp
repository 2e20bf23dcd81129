// SPDX-License-Identifier: Apache-2.0
#include "bench/lab/job_load.hpp"

#include "bench/lab/write_sample.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace blkcrypto::bench {
namespace {

using namespace fsdemo;

constexpr std::uint64_t looked_into = 16; // one I/O of so many

// In no step with a sequence whose pattern repeats.
bool is_looked_into(std::uint64_t io) noexcept {
    return mix64(io) % looked_into == 0;
}

std::uint64_t thread_cpu_ns() noexcept {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(used.tv_nsec);
}

constexpr std::array<io_part, bio_stage_count> part_of_stage = [] {
    std::array<io_part, bio_stage_count> parts{};
    const auto set = [&](bio_stage stage, io_part part) { parts[static_cast<std::size_t>(stage)] = part; };
    set(bio_stage::queued, io_part::rest);
    set(bio_stage::tfm_lookup, io_part::lookup);
    set(bio_stage::tfm_wait, io_part::wait);
    set(bio_stage::allocate, io_part::allocate);
    set(bio_stage::derive, io_part::derive);
    set(bio_stage::setkey, io_part::setkey);
    set(bio_stage::cipher, io_part::cipher);
    set(bio_stage::bounce_wait, io_part::rest);
    set(bio_stage::storage, io_part::storage);
    set(bio_stage::done, io_part::rest);
    return parts;
}();

std::uint64_t spent_in(const bio_stamps& stamps, bio_stage stage) noexcept {
    return stamps.spent_ns[static_cast<std::size_t>(stage)];
}

} // namespace

job_load::job_load(const round_plan& plan, unsigned job, demo_fs& fs, env& e, const io_buffers& memory)
    : plan_(plan), fs_(fs), env_(e), extent_bytes_(plan.options.image.extent_bytes),
      extents_per_file_(plan.options.image.extents_per_file), jobs_(plan.options.workload.jobs), job_(job),
      sequence_(make_sequence()), slots_(plan.options.workload.depth),
      read_buffer_(fs.register_buffer(memory.all())), write_buffer_(fs.register_buffer(plan.contents.all())) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        slots_[i].read_into = memory[i];
        std::ranges::fill(memory[i], std::byte{0}); // so that no page of it is new in the timed loop
    }
}

access_sequence job_load::make_sequence() const {
    const lab_options& options = plan_.options;
    const key_space keys{options.image.files, extents_per_file_, jobs_, job_};
    return {options.workload.access, keys, options.workload.seed, plan_.round};
}

std::error_code job_load::read_one(open_file& file, std::uint64_t offset_bytes) {
    slot& io = slots_.front();
    io.prepare(file_op::read, file, offset_bytes, io.read_into, *this);
    wanted_ = 0;
    fs_.submit(io);
    while (fs_.in_flight() != 0)
        fs_.wait();
    return io.status;
}

result<std::optional<std::uint64_t>> job_load::find_wrong(std::span<const file_handle> files) {
    files_ = files;
    const bytes_view read = slots_.front().read_into;
    for (const std::uint64_t key : write_sample(plan_, job_)) {
        if (const std::error_code error = read_one(file_of(key), offset_of(key)))
            return error;
        if (!std::ranges::equal(read, plan_.contents.of(key)))
            return std::optional(key);
    }
    return std::optional<std::uint64_t>();
}

void job_load::run(std::span<const file_handle> files) {
    files_ = files;
    done_ = {};
    wanted_ = plan_.ios;
    const std::uint64_t cpu_ns = thread_cpu_ns();
    done_.start_ns = env_.now_ns();
    for (slot& io : slots_)
        if (begun_ < wanted_)
            start(io, env_.now_ns());
    while (fs_.in_flight() != 0)
        fs_.wait();
    done_.end_ns = env_.now_ns();
    done_.cpu_ns = thread_cpu_ns() - cpu_ns;
}

void job_load::start(slot& io, std::uint64_t now_ns) noexcept {
    const auto step = sequence_.next();
    open_file& file = file_of(step.key);
    const std::uint64_t offset_bytes = offset_of(step.key);
    if (step.is_read) {
        io.prepare(file_op::read, file, offset_bytes, io.read_into, *this);
        io.buffer = read_buffer_;
    } else {
        io.prepare(file_op::write, file, offset_bytes, plan_.contents.of(step.key), *this);
        io.buffer = write_buffer_;
        io.in_place = true;
    }
    io.submitted_ns = now_ns;
    if (is_looked_into(begun_++)) {
        io.parts.begin(now_ns);
        io.stamps = &io.parts;
    }
    fs_.submit(io);
}

void job_load::end_io(file_io& ended) noexcept {
    const std::uint64_t now_ns = env_.now_ns();
    auto& io = static_cast<slot&>(ended);
    if (wanted_ == 0)
        return; // of read_one()
    count(io, now_ns);
    if (io.stamps != nullptr)
        attribute(io, now_ns);
    if (begun_ < wanted_ && !done_.error)
        start(io, now_ns);
}

void job_load::count(const slot& ended, std::uint64_t now_ns) noexcept {
    if (!ended.status && ended.done_bytes == extent_bytes_) {
        ++done_.ios;
        done_.bytes += extent_bytes_;
        done_.latencies.record(now_ns - ended.submitted_ns);
        live_bytes_.store(done_.bytes, std::memory_order_relaxed);
    } else if (!done_.error) {
        done_.error = ended.status ? ended.status : make_error(EIO);
    }
}

void job_load::attribute(slot& ended, std::uint64_t now_ns) noexcept {
    const bio_stamps& parts = ended.parts;
    ended.parts.enter(bio_stage::done, now_ns);
    time_attribution& sum = done_.attribution;
    ++sum.ios;
    sum.whole_ns += now_ns - ended.submitted_ns;
    for (std::size_t stage = 0; stage < bio_stage_count; ++stage)
        sum.part_ns[static_cast<std::size_t>(part_of_stage[stage])] += parts.spent_ns[stage];
    if (spent_in(parts, bio_stage::setkey) == 0)
        return;
    ++sum.setups;
    sum.setup_derive_ns += spent_in(parts, bio_stage::derive);
    sum.setup_setkey_ns += spent_in(parts, bio_stage::setkey);
    sum.setup_allocate_ns += spent_in(parts, bio_stage::allocate);
}

} // namespace blkcrypto::bench
