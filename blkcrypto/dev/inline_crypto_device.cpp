// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/inline_crypto_device.hpp"

#include "blkcrypto/block/request_pool.hpp"
#include "blkcrypto/inline_crypt/bounce_pool.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace blkcrypto {
namespace {

constexpr allocation_class queue_memory{"inline_crypto_queue"};
constexpr resource_class command_pool{"inline_crypto_queue.commands"};
constexpr resource_class engine_memory{"inline_crypto_queue.memory"};

// One thread's way in. Bios are gathered until the next poll and merged into requests, each a command. A
// write gets memory, then a keyslot, is encrypted on the engine piece by piece and goes to the lower device;
// a read gets a keyslot, comes from the lower device and is decrypted on the engine. The slot is held to the
// end, as a request holds it in hardware. Requests without a context pass through.
class inline_crypto_queue final : public block_queue {
  public:
    inline_crypto_queue(block_device& device, crypto_engine& engine, std::unique_ptr<block_queue> lower,
                        const queue_options& options, bounce_pool&& memory)
        : block_queue(device, lower->environment(), options), engine_(engine), lower_(std::move(lower)),
          memory_(std::move(memory)), memory_buffer_(lower_->register_buffer(memory_.region())),
          commands_(environment(), command_pool, {limits().request_bytes_max, options.nomerges},
                    options.depth, *this),
          batch_(*this) {}

    ~inline_crypto_queue() override { assert(in_flight() == 0 && pools_are_whole()); }

    buffer_id register_buffer(bytes_span memory) noexcept override { return lower_->register_buffer(memory); }
    keyslot_counters keyslot_use() const noexcept override { return counters_; }
    bool pools_are_whole() const noexcept override {
        return commands_.is_whole() && memory_.is_whole() && lower_->pools_are_whole();
    }

  private:
    struct command final : waiter, bio_end_io, request {
        explicit command(inline_crypto_queue& q) : waiter(q.environment()), queue(q), delay(*this) {}
        void run(unsigned) noexcept override { queue.retry(*this); }
        void end_io(bio&) noexcept override { queue.lower_ended(*this); }

        struct modelled_delay final : timer {
            explicit modelled_delay(command& c) : owner(c) {}
            void run(unsigned) noexcept override { owner.queue.engine_done(owner); }
            command& owner;
        };

        inline_crypto_queue& queue;
        keyslot_index slot = no_keyslot;
        bool holds_slot = false;
        bvec_iter at; // the first data unit not yet crypted
        dun at_dun;
        std::uint32_t piece_bytes = 0;
        blk_status outcome = blk_status::ok; // of the engine
        bounce_chunk chunk;
        bio_vec segment;
        bio lower;
        modelled_delay delay;
    };

    /// Commands that go to the engine together and come back together: one doorbell, one interrupt. What is
    /// gathered meanwhile is the next batch.
    struct engine_batch final : task {
        explicit engine_batch(inline_crypto_queue& q) : queue(q) {}
        void run(unsigned worker) noexcept override {
            at_engine ? queue.run_on_engine(worker) : queue.back_from_engine();
        }

        inline_crypto_queue& queue;
        task_list commands;
        bool in_flight = false;
        bool at_engine = false;
    };

    void do_submit(bio& b) noexcept override { commands_.submit(b); }
    void do_poll() noexcept override;
    void unplug() noexcept;
    void start(command& c) noexcept;
    bool try_start_write(command& c) noexcept;
    void get_slot(command& c) noexcept;
    void have_slot(command& c) noexcept;
    void retry(command& c) noexcept;
    void encrypt_next_piece(command& c) noexcept;
    void ring_doorbell() noexcept;
    void run_on_engine(unsigned worker) noexcept;
    void back_from_engine() noexcept;
    void engine_done(command& c) noexcept;
    void lower_ended(command& c) noexcept;
    void finish(command& c, blk_status outcome) noexcept;
    void give_memory_back(command& c) noexcept;

    crypto_engine& engine_;
    std::unique_ptr<block_queue> lower_;
    bounce_pool memory_; // stands for the engine's own: hardware encrypts on the way to the medium
    buffer_id memory_buffer_;
    request_pool<command> commands_;
    task_list waiting_writes_; // commands, for memory
    task_list for_engine_;     // commands of the next batch
    engine_batch batch_;
    keyslot_counters counters_;
};

void inline_crypto_queue::unplug() noexcept {
    while (command* const next = commands_.take())
        start(*next);
}

void inline_crypto_queue::start(command& c) noexcept {
    const bio& source = c.whole();
    c.holds_slot = false;
    c.chunk = {};
    c.at = source.iter;
    if (!source.crypt) {
        c.lower.clone_from(source, c);
        c.lower.stamps = nullptr;
        return lower_->submit(c.lower);
    }
    c.at_dun = source.crypt.first_dun;
    if (source.op == bio_op::read)
        return get_slot(c);
    if (!waiting_writes_.empty() || !try_start_write(c)) {
        environment().reached(hook_point::wait_begin, engine_memory);
        waiting_writes_.push(c);
    }
}

// Memory before the slot: nobody holds a slot while it waits for memory.
bool inline_crypto_queue::try_start_write(command& c) noexcept {
    c.chunk =
        memory_.try_get(c.at.size_bytes, std::min(c.at.size_bytes, c.whole().crypt.unit_size().bytes()));
    if (!c.chunk)
        return false;
    get_slot(c);
    return true;
}

void inline_crypto_queue::get_slot(command& c) noexcept {
    c.enter_stage(bio_stage::tfm_lookup, environment());
    acquire_context asker{environment(), c, counters_, c.stamps()};
    const keyslot_grant grant = engine_.profile().get_keyslot(*c.whole().crypt.key, asker);
    if (grant.outcome == acquire_outcome::parked) {
        c.enter_stage(bio_stage::tfm_wait, environment());
        return give_memory_back(c);
    }
    if (grant.outcome == acquire_outcome::failed)
        return finish(c, grant.status);
    c.slot = grant.slot;
    c.holds_slot = true;
    have_slot(c);
}

void inline_crypto_queue::have_slot(command& c) noexcept {
    if (c.whole().op != bio_op::read)
        return encrypt_next_piece(c);
    c.enter_stage(bio_stage::storage, environment());
    c.lower.clone_from(c.whole(), c);
    c.lower.crypt = {};
    c.lower.stamps = nullptr;
    lower_->submit(c.lower);
}

void inline_crypto_queue::retry(command& c) noexcept {
    const io_context_scope noio(environment(), io_context::noio);
    if (c.whole().op == bio_op::read) {
        get_slot(c);
    } else if (!try_start_write(c)) {
        environment().reached(hook_point::wait_begin, engine_memory);
        waiting_writes_.push(c);
        engine_.profile().pass_on_wake(environment());
    }
    ring_doorbell();
}

void inline_crypto_queue::encrypt_next_piece(command& c) noexcept {
    c.enter_stage(bio_stage::cipher, environment());
    c.piece_bytes = std::min(c.at.size_bytes, c.chunk.size_bytes);
    c.segment = {c.chunk.data, c.piece_bytes, memory_buffer_};
    const bool is_first = c.at.size_bytes == c.whole().iter.size_bytes;
    c.lower.prepare(bio_op::write, c.at.start, {&c.segment, 1}, c);
    c.lower.fua = c.whole().fua;
    c.lower.preflush = c.whole().preflush && is_first;
    for_engine_.push(c);
}

// At the end of each poll, and at once from a task: the poll that runs it may be that of another queue of the
// env.
void inline_crypto_queue::ring_doorbell() noexcept {
    if (batch_.in_flight || for_engine_.empty())
        return;
    batch_.commands.append(for_engine_);
    batch_.in_flight = true;
    batch_.at_engine = true;
    engine_.runs_on().post(batch_);
}

// On the engine's thread.
void inline_crypto_queue::run_on_engine(unsigned worker) noexcept {
    task_list done;
    {
        crypto_engine::batch_scope batch(engine_, worker);
        while (task* next = batch_.commands.pop()) {
            command& c = static_cast<command&>(*next);
            c.outcome = batch.crypt(
                {c.whole(), c.slot, c.at, c.at_dun, c.piece_bytes, c.chunk.data, environment(), c.stamps()});
            done.push(c);
        }
    }
    batch_.commands = done;
    batch_.at_engine = false;
    environment().post(batch_);
}

void inline_crypto_queue::back_from_engine() noexcept {
    batch_.in_flight = false;
    task_list done = std::exchange(batch_.commands, {});
    while (task* next = done.pop()) {
        command& c = static_cast<command&>(*next);
        if (!environment().has_virtual_clock()) {
            engine_done(c);
            continue;
        }
        environment().arm(c.delay, engine_.finish_time(environment().now_ns(), c.piece_bytes));
    }
    ring_doorbell();
}

void inline_crypto_queue::engine_done(command& c) noexcept {
    if (c.whole().op == bio_op::read || c.outcome != blk_status::ok)
        return finish(c, c.outcome);
    c.enter_stage(bio_stage::storage, environment());
    lower_->submit(c.lower);
}

void inline_crypto_queue::lower_ended(command& c) noexcept {
    if (c.lower.status != blk_status::ok || !c.whole().crypt)
        return finish(c, c.lower.status);
    if (c.whole().op != bio_op::read)
        return c.at.size_bytes == 0 ? finish(c, blk_status::ok) : encrypt_next_piece(c);
    c.enter_stage(bio_stage::cipher, environment());
    c.piece_bytes = c.at.size_bytes;
    for_engine_.push(c);
}

// The slot goes back before the end_io runs: the owner may evict and free the key there.
void inline_crypto_queue::finish(command& c, blk_status outcome) noexcept {
    if (c.holds_slot)
        engine_.profile().put_keyslot(environment(), c.slot);
    give_memory_back(c);
    c.take_parts(0, [&](bio& source, bool) { complete(source, outcome); });
    commands_.put(c);
}

void inline_crypto_queue::give_memory_back(command& c) noexcept {
    if (c.chunk)
        memory_.put(std::exchange(c.chunk, {}));
}

void inline_crypto_queue::do_poll() noexcept {
    unplug();
    lower_->poll();
    while (task* first = waiting_writes_.pop()) {
        command& c = static_cast<command&>(*first);
        if (!try_start_write(c)) {
            waiting_writes_.push_front(c);
            break;
        }
    }
    ring_doorbell();
}

class engine_device final : public inline_crypto_device {
  public:
    engine_device(block_device& lower, std::unique_ptr<crypto_engine> engine)
        : lower_(lower), engine_(std::move(engine)) {
        limits_.intersect(lower.limits());
    }

    const queue_limits& limits() const noexcept override { return limits_; }
    sector capacity() const noexcept override { return lower_.capacity(); }
    crypto_profile* profile() noexcept override { return &engine_->profile(); }
    const crypto_capabilities* native_crypto() const noexcept override {
        return &engine_->profile().capabilities();
    }

    std::string describe() const override {
        return "inline engine " + engine_->model().name + " (" + std::to_string(engine_->model().keyslots) +
               " keyslots) over " + lower_.describe();
    }

    result<std::unique_ptr<block_queue>> make_queue(env& e, const queue_options& options) override;
    std::error_code reset(env& e) noexcept override { return engine_->reset(e); }

  private:
    block_device& lower_;
    const std::unique_ptr<crypto_engine> engine_;
    queue_limits limits_;
};

result<std::unique_ptr<block_queue>> engine_device::make_queue(env& e, const queue_options& options) {
    const std::uint64_t wanted =
        std::min(std::uint64_t{options.depth} * options.io_size_bytes, options.bounce_bytes);
    const std::uint64_t bytes = std::max<std::uint64_t>(wanted, data_unit_size::max_bytes);
    if (!e.allow_allocation(queue_memory, bytes))
        return make_error(ENOMEM);
    auto memory = bounce_pool::make(bytes);
    if (memory.has_error())
        return memory.error();
    auto lower = lower_.make_queue(e, options);
    if (lower.has_error())
        return lower.error();
    return or_no_memory([&]() -> result<std::unique_ptr<block_queue>> {
        return std::unique_ptr<block_queue>(
            new inline_crypto_queue(*this, *engine_, std::move(*lower), options, std::move(*memory)));
    });
}

} // namespace

result<std::unique_ptr<inline_crypto_device>> make_inline_crypto_device(block_device& lower,
                                                                        const engine_profile& profile, env& e,
                                                                        const engine_executor& engine) {
    auto made = crypto_engine::make(e, profile, engine);
    if (made.has_error())
        return made.error();
    return or_no_memory([&]() -> result<std::unique_ptr<inline_crypto_device>> {
        return std::make_unique<engine_device>(lower, std::move(*made));
    });
}

} // namespace blkcrypto
