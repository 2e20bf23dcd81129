// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/range_lock_device.hpp"

#include "blkcrypto/base/mempool.hpp"
#include "blkcrypto/base/secret.hpp"
#include "blkcrypto/block/range_lock.hpp"
#include "blkcrypto/inline_crypt/crypto_profile.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>

namespace blkcrypto {
namespace {

constexpr lock_class ranges_lock{"range_lock_device.ranges"};
constexpr lock_class profile_lock{"range_lock_device.crypto_profile"};
constexpr resource_class job_pool{"range_lock_queue.jobs"};
constexpr resource_class cut_pool{"range_lock_queue.cuts"};
constexpr unsigned cuts_max = 16; // bios of a queue that cut units and are on their way: 128 KiB each

/// Where a bio under a context lies among the data units: a part of a unit, whole units, a part of another.
struct unit_layout {
    explicit unit_layout(const bio& b) noexcept
        : unit_bytes(b.crypt.unit_size().bytes()), begin(to_bytes(b.iter.start).value),
          end(begin + b.iter.size_bytes) {
        const std::uint32_t before = offset_in_unit(begin), behind = offset_in_unit(end);
        const bool is_within_one = begin - before == end - behind;
        if (is_within_one)
            head_bytes = b.iter.size_bytes;
        else
            head_bytes = before == 0 ? 0 : unit_bytes - before;
        tail_bytes = is_within_one ? 0 : behind;
        middle_bytes = b.iter.size_bytes - head_bytes - tail_bytes;
    }

    std::uint32_t offset_in_unit(std::uint64_t at) const noexcept {
        return static_cast<std::uint32_t>(at & (unit_bytes - 1));
    }
    std::uint64_t units_begin() const noexcept { return begin - offset_in_unit(begin); }
    std::uint64_t units_end() const noexcept {
        return end + offset_in_unit(unit_bytes - offset_in_unit(end));
    }

    std::uint32_t unit_bytes;
    std::uint64_t begin;
    std::uint64_t end;
    std::uint32_t head_bytes; // of the bio in its first unit, if that is cut
    std::uint32_t middle_bytes;
    std::uint32_t tail_bytes; // of the bio in its last unit, if that is cut and not the first
};

bool cuts_units(const bio& b) noexcept {
    const std::uint64_t begin_or_size = to_bytes(b.iter.start).value | b.iter.size_bytes;
    return (begin_or_size & (b.crypt.unit_size().bytes() - 1)) != 0;
}

/// The whole units of a bio that cuts units.
void clone_middle(bio& middle, const bio& source, const unit_layout& layout, bio_end_io& told) noexcept {
    middle.clone_from(source, told);
    middle.preflush = false;
    middle.stamps = nullptr; // which are for one bio at a time
    middle.iter.advance(source.segments, layout.head_bytes);
    middle.iter.size_bytes = layout.middle_bytes;
    middle.crypt.first_dun += layout.head_bytes == 0 ? 0 : 1;
}

// One thread's way in, with a queue of the lower device behind the door. A source that cuts no units goes
// down itself. One that does is two steps: what has to be read, and a flush if it wants one; then, of a
// write, everything that has to be written.
class range_lock_queue final : public block_queue {
  public:
    range_lock_queue(const block_device& device, env& environment, const queue_options& options,
                     range_lock& ranges, std::unique_ptr<submit_queue> door)
        : block_queue(device, environment, options), ranges_(ranges), door_(std::move(door)),
          jobs_(std::max(options.depth, 1U), *this), cuts_(std::clamp(options.depth, 1U, cuts_max), *this) {}

    ~range_lock_queue() override { assert(in_flight() == 0 && pools_are_whole()); }

    buffer_id register_buffer(bytes_span memory) noexcept override { return door_->register_buffer(memory); }
    keyslot_counters keyslot_use() const noexcept override { return door_->keyslot_use(); }
    bool pools_are_whole() const noexcept override {
        return jobs_.is_whole() && cuts_.is_whole() && door_->pools_are_whole();
    }

  private:
    struct cut_io;

    /// A source on its way. As a task it waits for its range, or is in a list.
    struct job final : range_hold, bio_end_io {
        explicit job(range_lock_queue& q) : range_hold(q.environment()), queue(q) {}
        void run(unsigned) noexcept override { queue.send(*this); }
        void end_io(bio& ended) noexcept override {
            ended.observer = sources_observer;
            queue.finish(*this);
        }

        range_lock_queue& queue;
        bio* source = nullptr;
        bio_end_io* sources_observer = nullptr; // while the source is below
        bool has_range = false;                 // or waits for it
        cut_io* cut = nullptr;                  // if it cuts units
    };

    /// A data unit of which the source wants a part.
    struct cut_unit {
        void prepare(bio_op op, const bio& source, bio_end_io& told) noexcept {
            lower.prepare(op, start, {&segment, 1}, told);
            lower.set_crypt_ctx(*source.crypt.key, number);
            lower.fua = source.fua && op == bio_op::write;
        }

        sector start;
        dun number;
        bvec_iter part;             // in the source
        std::uint32_t offset_bytes; // of that part in the unit
        bio_vec segment;            // the unit's memory
        bio lower;
    };

    /// What a source takes that cuts units.
    struct cut_io final : bio_end_io {
        explicit cut_io(range_lock_queue& q)
            : queue(q), memory(std::make_unique_for_overwrite<std::byte[]>(2 * data_unit_size::max_bytes)) {}
        ~cut_io() { wipe(); }
        void end_io(bio& piece) noexcept override { queue.piece_ended(*this, piece); }
        /// It was plaintext.
        void wipe() noexcept {
            for (const cut_unit& unit : cut_units())
                zeroize({unit.segment.data, unit.segment.length_bytes});
        }
        std::span<cut_unit> cut_units() noexcept { return {units.data(), unit_count}; }

        range_lock_queue& queue;
        const std::unique_ptr<std::byte[]> memory;
        job* owner = nullptr;
        std::array<cut_unit, 2> units;
        std::size_t unit_count = 0;
        bio middle; // of size 0 if there is none
        bio flush;
        bool is_writing = false;
        unsigned pieces = 0; // that have not ended
        blk_status status = blk_status::ok;
    };

    void do_submit(bio& b) noexcept override;
    void do_poll() noexcept override;
    void start(job& j, bio& source) noexcept;
    void start_cut(job& j, cut_io& cut) noexcept;
    void add_unit(cut_io& cut, std::uint64_t unit_begin, const dun& number, const bvec_iter& part) noexcept;
    void send_once_held(job& j, std::uint64_t begin, std::uint64_t end, range_mode mode) noexcept;
    void send(job& j) noexcept;
    void send_reads(cut_io& cut) noexcept;
    void send_writes(cut_io& cut) noexcept;
    void send_piece(cut_io& cut, bio& piece) noexcept;
    void piece_ended(cut_io& cut, const bio& piece) noexcept;
    void step_ended(cut_io& cut) noexcept;
    void finish(job& j) noexcept;
    void go_on() noexcept;

    range_lock& ranges_;
    const std::unique_ptr<submit_queue> door_;
    mempool<job> jobs_;
    mempool<cut_io> cuts_;
    bio_list waiting_sources_; // for a job
    task_list waiting_jobs_; // for a cut_io; they hold no range meanwhile, or they could wait for each other
    bool has_sent_ = false;  // since the door was polled
};

void range_lock_queue::do_submit(bio& b) noexcept {
    if (b.crypt && cuts_units(b)) [[unlikely]] {
        bio middle;
        clone_middle(middle, b, unit_layout(b), *b.observer);
        if (!segments_are_whole_units(middle, b.crypt.unit_size()))
            return complete(b, misaligned_status());
    }
    job* const free_job = waiting_sources_.empty() ? jobs_.try_get() : nullptr;
    if (free_job == nullptr) {
        environment().reached(hook_point::wait_begin, job_pool);
        return waiting_sources_.push(b);
    }
    start(*free_job, b);
}

void range_lock_queue::start(job& j, bio& source) noexcept {
    j.source = &source;
    if (source.crypt && cuts_units(source)) [[unlikely]] {
        cut_io* const cut = waiting_jobs_.empty() ? cuts_.try_get() : nullptr;
        if (cut != nullptr)
            return start_cut(j, *cut);
        environment().reached(hook_point::wait_begin, cut_pool);
        return waiting_jobs_.push(j);
    }
    if (!source.crypt || source.op == bio_op::read)
        return send(j);
    const std::uint64_t begin = to_bytes(source.iter.start).value;
    send_once_held(j, begin, begin + source.iter.size_bytes, range_mode::shared);
}

void range_lock_queue::start_cut(job& j, cut_io& cut) noexcept {
    const bio& source = *j.source;
    const unit_layout layout(source);
    j.cut = &cut;
    cut.owner = &j;
    cut.is_writing = false;
    cut.status = blk_status::ok;
    cut.wipe();
    cut.unit_count = 0;
    bvec_iter part = source.iter;
    dun number = source.crypt.first_dun;
    if (layout.head_bytes != 0) {
        part.size_bytes = layout.head_bytes;
        add_unit(cut, layout.units_begin(), number, part);
    }
    clone_middle(cut.middle, source, layout, cut);
    if (layout.tail_bytes != 0) {
        part = source.iter;
        part.advance(source.segments, layout.head_bytes + layout.middle_bytes);
        number += (layout.end - layout.units_begin()) / layout.unit_bytes;
        add_unit(cut, layout.end - layout.tail_bytes, number, part);
    }
    send_once_held(j, layout.units_begin(), layout.units_end(),
                   source.op == bio_op::read ? range_mode::shared : range_mode::exclusive);
}

void range_lock_queue::add_unit(cut_io& cut, std::uint64_t unit_begin, const dun& number,
                                const bvec_iter& part) noexcept {
    cut_unit& unit = cut.units[cut.unit_count];
    unit.start = to_sectors_exact({unit_begin});
    unit.number = number;
    unit.part = part;
    unit.offset_bytes = static_cast<std::uint32_t>(to_bytes(part.start).value - unit_begin);
    unit.segment = {cut.memory.get() + cut.unit_count * data_unit_size::max_bytes,
                    cut.owner->source->crypt.unit_size().bytes(), unregistered_buffer};
    ++cut.unit_count;
}

void range_lock_queue::send_once_held(job& j, std::uint64_t begin, std::uint64_t end,
                                      range_mode mode) noexcept {
    j.set_range(begin, end, mode);
    j.has_range = true;
    if (ranges_.lock(environment(), j))
        send(j);
}

void range_lock_queue::send(job& j) noexcept {
    has_sent_ = true;
    if (j.cut != nullptr)
        return send_reads(*j.cut);
    j.sources_observer = std::exchange(j.source->observer, &j);
    door_->submit(*j.source);
}

// --- sources that cut units ---

void range_lock_queue::send_reads(cut_io& cut) noexcept {
    const bio& source = *cut.owner->source;
    if (source.preflush && limits().volatile_cache) {
        cut.flush.prepare(bio_op::flush, {0}, {}, cut);
        send_piece(cut, cut.flush);
    }
    for (cut_unit& unit : cut.cut_units()) {
        unit.prepare(bio_op::read, source, cut);
        send_piece(cut, unit.lower);
    }
    if (source.op == bio_op::read && cut.middle.iter.size_bytes != 0)
        send_piece(cut, cut.middle);
}

void range_lock_queue::send_piece(cut_io& cut, bio& piece) noexcept {
    ++cut.pieces;
    door_->submit(piece);
}

void range_lock_queue::piece_ended(cut_io& cut, const bio& piece) noexcept {
    if (cut.status == blk_status::ok)
        cut.status = piece.status;
    if (--cut.pieces == 0)
        step_ended(cut);
}

/// Between the memory of a source and that of a unit; what is written and has no memory is zeros.
void copy_part(const bio& source, bvec_iter part, std::byte* in_unit) noexcept {
    if (!source.has_data()) {
        std::memset(in_unit, 0, part.size_bytes);
        return;
    }
    while (part.size_bytes != 0) {
        const bio_vec segment = part.current(source.segments);
        if (source.op == bio_op::read)
            std::memcpy(segment.data, in_unit, segment.length_bytes);
        else
            std::memcpy(in_unit, segment.data, segment.length_bytes);
        in_unit += segment.length_bytes;
        part.advance(source.segments, segment.length_bytes);
    }
}

// A write of which something could not be read, or whose flush failed, is not written.
void range_lock_queue::step_ended(cut_io& cut) noexcept {
    job& j = *cut.owner;
    if (cut.status == blk_status::ok && !cut.is_writing) {
        for (const cut_unit& unit : cut.cut_units())
            copy_part(*j.source, unit.part, unit.segment.data + unit.offset_bytes);
        if (j.source->op != bio_op::read)
            return send_writes(cut);
    }
    j.source->set_status(cut.status);
    j.cut = nullptr;
    cuts_.put(cut);
    finish(j);
}

void range_lock_queue::send_writes(cut_io& cut) noexcept {
    has_sent_ = true;
    cut.is_writing = true;
    for (cut_unit& unit : cut.cut_units()) {
        unit.prepare(bio_op::write, *cut.owner->source, cut);
        send_piece(cut, unit.lower);
    }
    if (cut.middle.iter.size_bytes != 0)
        send_piece(cut, cut.middle);
}

// --- all sources ---

void range_lock_queue::finish(job& j) noexcept {
    if (std::exchange(j.has_range, false))
        ranges_.unlock(environment(), j);
    complete(*j.source, blk_status::ok); // if nothing worse is said there
    jobs_.put(j);
}

// As in the linear device: what was sent has to be polled, and it ends.
void range_lock_queue::do_poll() noexcept {
    do {
        has_sent_ = false;
        door_->poll();
        go_on();
    } while (has_sent_);
}

void range_lock_queue::go_on() noexcept {
    while (!waiting_jobs_.empty()) {
        cut_io* const cut = cuts_.try_get();
        if (cut == nullptr)
            break;
        start_cut(static_cast<job&>(*waiting_jobs_.pop()), *cut);
    }
    while (!waiting_sources_.empty()) {
        job* const free_job = jobs_.try_get();
        if (free_job == nullptr)
            return;
        start(*free_job, *waiting_sources_.pop());
    }
}

// The profile's ops are the device's own: it knows who is below.
class range_lock_device final : public block_device, private crypto_ll_ops {
  public:
    range_lock_device(block_device& lower, crypto_fallback* fallback) noexcept
        : lower_(lower), fallback_(fallback), limits_(lower.limits()), ranges_(ranges_lock) {
        limits_.cut_data_units = true;
    }

    /// An empty set of capabilities is no profile.
    std::error_code make_profile(env& e);

    const queue_limits& limits() const noexcept override { return limits_; }
    sector capacity() const noexcept override { return lower_.capacity(); }
    crypto_profile* profile() noexcept override { return profile_.get(); }
    const crypto_capabilities* native_crypto() const noexcept override {
        return profile_ == nullptr ? nullptr : &profile_->capabilities();
    }
    std::string describe() const override { return "range locks on " + lower_.describe(); }
    result<std::unique_ptr<block_queue>> make_queue(env& e, const queue_options& options) override;

  private:
    std::error_code keyslot_program(const key_request&, keyslot_index, acquire_context&) noexcept override {
        return make_error(EOPNOTSUPP); // there is no slot that could be asked for
    }
    std::error_code keyslot_evict(env& e, const key_request* key, keyslot_index) noexcept override {
        return evict_key(e, lower_, fallback_, *key);
    }
    std::error_code start_using_key(env& e, const key_request& key) override {
        return blkcrypto::start_using_key(e, lower_, fallback_, key);
    }

    block_device& lower_;
    crypto_fallback* const fallback_;
    queue_limits limits_;
    range_lock ranges_;
    std::unique_ptr<crypto_profile> profile_;
};

/// What one of the two can do, or a little more: what the widest DUN is, capabilities say once for all modes.
crypto_capabilities either(const crypto_capabilities* native, const crypto_fallback* fallback) {
    crypto_capabilities sum = native == nullptr ? crypto_capabilities{} : *native;
    if (fallback != nullptr)
        sum.unite(fallback->capabilities());
    return sum;
}

std::error_code range_lock_device::make_profile(env& e) {
    const crypto_capabilities either_can = either(lower_.native_crypto(), fallback_);
    if (std::ranges::count(either_can.unit_sizes, 0U) == std::ssize(either_can.unit_sizes))
        return {};
    auto made = crypto_profile::make(e, either_can, 0, *this, profile_lock);
    if (made.has_error())
        return made.error();
    profile_ = std::move(*made);
    return {};
}

result<std::unique_ptr<block_queue>> range_lock_device::make_queue(env& e, const queue_options& options) {
    auto door = submit_queue::make(lower_, fallback_, e, options);
    if (door.has_error())
        return door.error();
    return or_no_memory([&]() -> result<std::unique_ptr<block_queue>> {
        return std::make_unique<range_lock_queue>(*this, e, options, ranges_, std::move(*door));
    });
}

} // namespace

result<std::unique_ptr<block_device>> make_range_lock_device(block_device& lower, crypto_fallback* fallback,
                                                             env& e) {
    return or_no_memory([&]() -> result<std::unique_ptr<block_device>> {
        auto made = std::make_unique<range_lock_device>(lower, fallback);
        if (const std::error_code error = made->make_profile(e))
            return error;
        return made;
    });
}

} // namespace blkcrypto
