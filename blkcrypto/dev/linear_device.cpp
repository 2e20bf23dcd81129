// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/linear_device.hpp"

#include "blkcrypto/base/mempool.hpp"
#include "blkcrypto/inline_crypt/crypto_profile.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <span>

namespace blkcrypto {
namespace {

constexpr lock_class profile_lock{"linear_device.crypto_profile"};
constexpr resource_class job_pool{"linear_queue.jobs"};
constexpr resource_class piece_pool{"linear_queue.pieces"};
constexpr std::uint64_t sectors_max = UINT64_MAX >> sector_bits;

/// A target in its place.
struct stretch {
    sector begin;
    sector end; // the first sector behind it
    sector lower_begin;
    std::size_t lower; // which of the lower devices
};

/// Where `at` lies, which is below the capacity.
const stretch& stretch_at(std::span<const stretch> map, sector at) noexcept {
    return *std::ranges::upper_bound(map, at, {}, &stretch::end);
}

// One thread's way in, with a queue of each lower device. A source bio becomes one piece for each stretch it
// touches. One that wants earlier writes to be stable goes to all lower devices as a flush, and its data
// follows once that has ended everywhere: its own lower device knows nothing of what the others hold.
class linear_queue final : public block_queue {
  public:
    using lower_queues = std::vector<std::unique_ptr<block_queue>>;

    linear_queue(const block_device& device, env& environment, const queue_options& options,
                 std::span<const stretch> map, lower_queues lowers)
        : block_queue(device, environment, options), map_(map), lowers_(std::move(lowers)),
          jobs_(std::max(options.depth, 1U)), pieces_(std::max(options.depth, 1U) + lowers_.size(), *this) {}

    ~linear_queue() override { assert(in_flight() == 0 && pools_are_whole()); }

    /// An id means something to one lower queue only.
    buffer_id register_buffer(bytes_span memory) noexcept override {
        return lowers_.size() == 1 ? lowers_.front()->register_buffer(memory) : unregistered_buffer;
    }

    keyslot_counters keyslot_use() const noexcept override {
        keyslot_counters sum;
        for (const auto& lower : lowers_)
            sum += lower->keyslot_use();
        return sum;
    }

    bool pools_are_whole() const noexcept override {
        const auto is_whole = [](const auto& lower) { return lower->pools_are_whole(); };
        return jobs_.is_whole() && pieces_.is_whole() && std::ranges::all_of(lowers_, is_whole);
    }

  private:
    enum class job_step : std::uint8_t { flush, data };

    /// One source bio on its way. A task only to be in a list: it is never posted.
    struct job final : task {
        void run(unsigned) noexcept override {}
        bool has_more() const noexcept {
            return step == job_step::flush ? lowers_to_flush != 0 : rest.iter.size_bytes != 0;
        }

        bio* source = nullptr;
        bio rest; // what of the source has not gone down; its status is the first error
        job_step step = job_step::data;
        std::size_t lowers_to_flush = 0;
        unsigned pieces = 0; // that have not ended
    };

    struct piece final : bio_end_io {
        explicit piece(linear_queue& q) : queue(q) {}
        void end_io(bio&) noexcept override { queue.piece_ended(*this); }

        linear_queue& queue;
        job* owner = nullptr;
        bio lower;
    };

    void do_submit(bio& b) noexcept override;
    void do_poll() noexcept override;
    bool cuts_a_unit(const bio& b) const noexcept;
    void start(job& j, bio& source) noexcept;
    bool send(job& j) noexcept;
    void send_flush(job& j, piece& p) noexcept;
    void send_data(job& j, piece& p) noexcept;
    void piece_ended(piece& p) noexcept;
    void step_ended(job& j) noexcept;
    void go_on() noexcept;

    const std::span<const stretch> map_;
    const lower_queues lowers_;
    mempool<job> jobs_;
    mempool<piece> pieces_;    // one per job, and those of a flush
    bio_list waiting_sources_; // for a job
    task_list waiting_jobs_;   // for pieces, the first one perhaps in part on its way
    bool has_sent_ = false;    // since the lower queues were polled
};

void linear_queue::do_submit(bio& b) noexcept {
    if (b.crypt && cuts_a_unit(b))
        return complete(b, misaligned_status());
    job* const free_job = waiting_sources_.empty() ? jobs_.try_get() : nullptr;
    if (free_job == nullptr) {
        environment().reached(hook_point::wait_begin, job_pool);
        return waiting_sources_.push(b);
    }
    start(*free_job, b);
}

bool linear_queue::cuts_a_unit(const bio& b) const noexcept {
    const std::uint64_t first = b.iter.start.value;
    const std::uint64_t end = first + (b.iter.size_bytes >> sector_bits);
    for (const stretch* s = &stretch_at(map_, b.iter.start); s->end.value < end; ++s)
        if (!b.crypt.unit_size().divides(to_bytes({s->end.value - first}).value))
            return true;
    return false;
}

void linear_queue::start(job& j, bio& source) noexcept {
    const bool flushes = (source.is_flush() || source.preflush) && limits().volatile_cache;
    j.source = &source;
    j.rest.clone_from(source, *source.observer); // which never hears of it: only pieces are submitted
    j.rest.preflush = false;
    j.step = flushes ? job_step::flush : job_step::data;
    j.lowers_to_flush = flushes ? lowers_.size() : 0;
    j.pieces = 0;
    if (!waiting_jobs_.empty() || !send(j)) {
        environment().reached(hook_point::wait_begin, piece_pool);
        waiting_jobs_.push(j);
    }
}

// False: all pieces are out, and the job has more to send.
bool linear_queue::send(job& j) noexcept {
    while (j.has_more()) {
        piece* const p = pieces_.try_get();
        if (p == nullptr)
            return false;
        p->owner = &j;
        ++j.pieces;
        has_sent_ = true;
        j.step == job_step::flush ? send_flush(j, *p) : send_data(j, *p);
    }
    return true;
}

void linear_queue::send_flush(job& j, piece& p) noexcept {
    p.lower.prepare(bio_op::flush, {0}, {}, p);
    lowers_[--j.lowers_to_flush]->submit(p.lower);
}

// Stamps are for one bio at a time: a source that is cut keeps them to itself.
void linear_queue::send_data(job& j, piece& p) noexcept {
    const stretch& where = stretch_at(map_, j.rest.iter.start);
    const std::uint64_t stretch_left = to_bytes({where.end.value - j.rest.iter.start.value}).value;
    if (stretch_left < j.rest.iter.size_bytes) {
        j.rest.stamps = nullptr;
        [[maybe_unused]] const std::error_code error =
            j.rest.split(static_cast<std::uint32_t>(stretch_left), p.lower, p);
        assert(!error); // do_submit() has looked at all the places where it is cut
    } else {
        p.lower.clone_from(j.rest, p);
        j.rest.iter.size_bytes = 0;
    }
    p.lower.iter.start.value += where.lower_begin.value - where.begin.value;
    lowers_[where.lower]->submit(p.lower);
}

void linear_queue::piece_ended(piece& p) noexcept {
    job& j = *p.owner;
    j.rest.set_status(p.lower.status);
    pieces_.put(p);
    if (--j.pieces == 0 && !j.has_more())
        step_ended(j);
}

// A write whose flush failed is not written: what it was to come after may be lost.
void linear_queue::step_ended(job& j) noexcept {
    const bool is_over = j.step == job_step::data || j.rest.iter.size_bytes == 0;
    if (!is_over && j.rest.status == blk_status::ok) {
        j.step = job_step::data;
        return waiting_jobs_.push(j);
    }
    complete(*j.source, j.rest.status);
    jobs_.put(j);
}

// A lower queue that was given something has to be polled: those that gather see to it themselves that the
// thread does not sleep before, others need not. It ends: a source
// that is added meanwhile comes from a task that was ready, and there are only so many until ours have ended.
void linear_queue::do_poll() noexcept {
    do {
        has_sent_ = false;
        for (const auto& lower : lowers_)
            lower->poll();
        go_on();
    } while (has_sent_);
}

void linear_queue::go_on() noexcept {
    while (task* const first = waiting_jobs_.pop()) {
        job& j = static_cast<job&>(*first);
        if (!send(j))
            return waiting_jobs_.push_front(j);
    }
    while (!waiting_sources_.empty()) {
        job* const free_job = jobs_.try_get();
        if (free_job == nullptr)
            return;
        start(*free_job, *waiting_sources_.pop());
    }
}

// The profile's evict op is the device's own: it knows the lower devices.
class linear_device final : public block_device, private crypto_ll_ops {
  public:
    /// The targets have been checked.
    linear_device(std::span<const linear_target> targets, const queue_limits& limits);

    /// An empty set of capabilities is no profile.
    std::error_code make_profile(env& e);

    const queue_limits& limits() const noexcept override { return limits_; }
    sector capacity() const noexcept override { return map_.back().end; }
    crypto_profile* profile() noexcept override { return profile_.get(); }
    const crypto_capabilities* native_crypto() const noexcept override {
        return profile_ == nullptr ? nullptr : &profile_->capabilities();
    }
    std::string describe() const override;
    result<std::unique_ptr<block_queue>> make_queue(env& e, const queue_options& options) override;

  private:
    std::size_t index_of(block_device& lower);
    std::error_code keyslot_program(const key_request&, keyslot_index, acquire_context&) noexcept override {
        return make_error(EOPNOTSUPP); // there is no slot that could be asked for
    }
    std::error_code keyslot_evict(env& e, const key_request* key, keyslot_index) noexcept override;
    std::error_code start_using_key(env& e, const key_request& key) override;

    const queue_limits limits_;
    std::vector<block_device*> lowers_; // each once
    std::vector<stretch> map_;
    std::unique_ptr<crypto_profile> profile_;
};

linear_device::linear_device(std::span<const linear_target> targets, const queue_limits& limits)
    : limits_(limits) {
    sector begin{0};
    for (const auto& target : targets) {
        const sector end{begin.value + target.length.value};
        map_.push_back({begin, end, target.first, index_of(*target.lower)});
        begin = end;
    }
}

std::size_t linear_device::index_of(block_device& lower) {
    const auto found = std::ranges::find(lowers_, &lower);
    const auto index = static_cast<std::size_t>(found - lowers_.begin());
    if (found == lowers_.end())
        lowers_.push_back(&lower);
    return index;
}

/// What all of them do natively (dm_table_construct_crypto_profile()).
crypto_capabilities common_capabilities(std::span<block_device* const> lowers) {
    crypto_capabilities common{.unit_sizes = {}, .dun_bytes_max = UINT8_MAX};
    common.unit_sizes.fill(all_unit_sizes);
    for (const block_device* lower : lowers) {
        const crypto_capabilities* const native = lower->native_crypto();
        common.intersect(native == nullptr ? crypto_capabilities{} : *native);
    }
    return common;
}

std::error_code linear_device::make_profile(env& e) {
    const crypto_capabilities common = common_capabilities(lowers_);
    if (std::ranges::count(common.unit_sizes, 0U) == std::ssize(common.unit_sizes))
        return {};
    auto made = crypto_profile::make(e, common, 0, *this, profile_lock);
    if (made.has_error())
        return made.error();
    profile_ = std::move(*made);
    return {};
}

// dm_keyslot_evict(): an error of one device is no reason to leave the key in another.
std::error_code linear_device::keyslot_evict(env& e, const key_request* key, keyslot_index) noexcept {
    std::error_code first_error;
    for (block_device* lower : lowers_) {
        const std::error_code error = evict_key(e, *lower, nullptr, *key);
        if (!first_error)
            first_error = error;
    }
    return first_error;
}

std::error_code linear_device::start_using_key(env& e, const key_request& key) {
    for (block_device* lower : lowers_)
        if (const std::error_code error = blkcrypto::start_using_key(e, *lower, nullptr, key))
            return error;
    return {};
}

std::string linear_device::describe() const {
    std::string words = "linear, " + std::to_string(map_.size()) + " targets on ";
    for (const block_device* lower : lowers_)
        words += (lower == lowers_.front() ? "" : " and ") + lower->describe();
    return words;
}

result<std::unique_ptr<block_queue>> linear_device::make_queue(env& e, const queue_options& options) {
    return or_no_memory([&]() -> result<std::unique_ptr<block_queue>> {
        linear_queue::lower_queues queues;
        for (block_device* lower : lowers_) {
            auto queue = lower->make_queue(e, options);
            if (queue.has_error())
                return queue.error();
            queues.push_back(std::move(*queue));
        }
        return std::make_unique<linear_queue>(*this, e, options, map_, std::move(queues));
    });
}

bool lies_within(const linear_target& target, std::uint64_t sectors) {
    return target.length.value != 0 && target.length.value <= sectors &&
           target.first.value <= sectors - target.length.value;
}

queue_limits common_limits(std::span<const linear_target> targets) {
    queue_limits limits;
    for (const auto& target : targets)
        limits.intersect(target.lower->limits());
    return limits;
}

bool are_valid(std::span<const linear_target> targets, const queue_limits& limits) {
    const std::uint64_t block_mask = (limits.logical_block_size_bytes >> sector_bits) - 1;
    std::uint64_t total = 0;
    for (const auto& target : targets) {
        const bool is_aligned = ((target.first.value | target.length.value) & block_mask) == 0;
        if (!is_aligned || !lies_within(target, std::min(target.lower->capacity().value, sectors_max)) ||
            target.length.value > sectors_max - total)
            return false;
        total += target.length.value;
    }
    return total != 0;
}

} // namespace

result<std::unique_ptr<block_device>> make_linear_device(const std::vector<linear_target>& targets, env& e) {
    const queue_limits limits = common_limits(targets);
    if (!are_valid(targets, limits))
        return make_error(EINVAL);
    return or_no_memory([&]() -> result<std::unique_ptr<block_device>> {
        auto made = std::make_unique<linear_device>(targets, limits);
        if (const std::error_code error = made->make_profile(e))
            return error;
        return made;
    });
}

} // namespace blkcrypto
