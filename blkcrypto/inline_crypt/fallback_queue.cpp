// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/inline_crypt/fallback_queue.hpp"

#include "blkcrypto/base/log.hpp"
#include "blkcrypto/inline_crypt/crypt_segments.hpp"

#include <algorithm>
#include <cassert>

namespace blkcrypto {
namespace {

constexpr allocation_class queue_memory{"fallback_queue"};
constexpr resource_class job_pool{"fallback_queue.jobs"};
constexpr resource_class bounce_memory{"fallback_queue.bounce"};

// A 4 KiB write needs one encrypted bio; large ones more when bounce memory is in pieces.
constexpr unsigned pieces_per_job = 2;

// About as much as a poll encrypts, and decrypts. A device that takes its time shall not wait for all that
// there is to crypt: what is encrypted goes on its way first, and what decrypting makes room for. Behind a
// device that is done at once only the thread's other queues wait.
constexpr std::int64_t crypt_bytes_per_poll = 256 << 10;
constexpr std::int64_t crypt_bytes_before_device = 16 << 10;

} // namespace

result<std::unique_ptr<fallback_queue>> fallback_queue::make(crypto_fallback& fallback, block_queue& lower,
                                                             const queue_options& options) {
    const std::uint64_t bounce_bytes =
        std::min(std::uint64_t{options.depth} * options.io_size_bytes, options.bounce_bytes);
    if (!lower.environment().allow_allocation(queue_memory, bounce_bytes))
        return make_error(ENOMEM);
    auto bounce = bounce_pool::make(bounce_bytes);
    if (bounce.has_error())
        return bounce.error();
    return or_no_memory([&]() -> result<std::unique_ptr<fallback_queue>> {
        return std::unique_ptr<fallback_queue>(
            new fallback_queue(fallback, lower, options, std::move(*bounce)));
    });
}

fallback_queue::fallback_queue(crypto_fallback& fallback, block_queue& lower, const queue_options& options,
                               bounce_pool&& bounce)
    : fallback_(fallback), lower_(lower), env_(lower.environment()), taken_lane_(fallback),
      lane_(taken_lane_.index()), bounce_(std::move(bounce)),
      bounce_buffer_(bounce_.region().empty() ? unregistered_buffer
                                              : lower.register_buffer(bounce_.region())),
      jobs_(env_, job_pool, {lower.limits().request_bytes_max, options.nomerges}, options.depth, *this),
      pieces_(std::size_t{pieces_per_job} * std::max(options.depth, 1U), *this), reserve_waiter_(*this),
      ended_(env_) {}

fallback_queue::~fallback_queue() {
    assert(in_flight_ == 0 && pools_are_whole());
    while (reserve_waiter_.queued) // not in line any more, but posted
        env_.run_ready();
}

// --- sources ---

void fallback_queue::submit(bio& source) noexcept {
    const io_context_scope noio(env_, io_context::noio);
    ++in_flight_;
    const blk_status verdict = check(source);
    if (verdict != blk_status::ok) [[unlikely]] {
        source.set_status(verdict);
        source.enter_stage(bio_stage::done, env_);
        return ended_.push(source);
    }
    jobs_.submit(source);
}

blk_status fallback_queue::check(const bio& source) const noexcept {
    const crypto_config& config = source.crypt.key->config();
    if (!fallback_.supports(config))
        return blk_status::notsupp;
    if (!fallback_.tfms().is_started(config)) {
        static warn_once warned;
        warned("I/O with a key that start_using_key() was not called for");
        return blk_status::ioerr;
    }
    const blk_status verdict = lower_.check_place(source);
    if (verdict != blk_status::ok)
        return verdict;
    if (!segments_are_whole_units(source, config.unit_size))
        return lower_.misaligned_status();
    const std::uint32_t bounce_max = std::max(bounce_.chunk_bytes_max(), fallback_.reserve_chunk_bytes_max());
    if (source.op != bio_op::read && config.unit_size.bytes() > bounce_max)
        return blk_status::resource; // it would wait forever
    return blk_status::ok;
}

void fallback_queue::unplug() noexcept {
    if (!jobs_.has_gathered())
        return;
    const io_context_scope noio(env_, io_context::noio);
    crypt_left_bytes_ = device_lags_ ? crypt_bytes_before_device : crypt_bytes_per_poll;
    while (crypt_left_bytes_ > 0) {
        job* const next = jobs_.take();
        if (next == nullptr)
            break;
        start(*next);
    }
    let_go_of_tfm();
}

void fallback_queue::start(job& j) noexcept {
    const bio& source = j.whole();
    j.at = source.iter;
    j.at_dun = source.crypt.first_dun;
    j.pieces = 0;
    j.status = blk_status::ok;
    if (source.op != bio_op::read) {
        j.step = job_step::write;
        j.has_pieces_left = true;
        // Behind those that wait already.
        if (!waiting_writes_.empty() || !write(j))
            wait_for_memory(j);
        return;
    }
    j.enter_stage(bio_stage::storage, env_);
    j.step = job_step::read;
    j.plain_read.clone_from(source, j);
    j.plain_read.crypt = {};
    j.plain_read.stamps = nullptr;
    submit_lower(j.plain_read);
}

void fallback_queue::run(job& j, unsigned worker) noexcept {
    if (j.step == job_step::decrypt_on_worker) {
        decrypt(j, *j.lease.tfm, fallback_.worker_lane(worker));
        j.step = job_step::finish;
        return env_.post(j);
    }
    const io_context_scope noio(env_, io_context::noio);
    if (j.step == job_step::finish) {
        fallback_.tfms().release(env_, j.lease);
        finish(j);
    } else if (j.step == job_step::read) {
        read(j);
        give_to_workers();
    } else if (!write(j)) {
        wait_for_memory(j);
    }
    let_go_of_tfm();
}

// At the end of each poll, and at once from a task: the poll that runs it may be that of another queue of the
// env.
void fallback_queue::give_to_workers() noexcept {
    if (!for_workers_.empty())
        fallback_.options().decrypt_executor->post_all(for_workers_);
}

void fallback_queue::submit_lower(bio& b) noexcept {
    ++lower_in_flight_;
    has_sent_ = true;
    lower_.submit(b);
}

void fallback_queue::count_lower_end() noexcept {
    --lower_in_flight_;
    ++lower_ended_;
}

void fallback_queue::finish(job& j) noexcept {
    j.take_parts(0, [&](bio& source, bool) {
        source.set_status(j.status);
        source.enter_stage(bio_stage::done, env_);
        ended_.push(source);
    });
    jobs_.put(j);
}

tfm_grant fallback_queue::acquire_tfm(job& j) noexcept {
    acquire_context asker{env_, j, counters_, j.stamps()};
    j.enter_stage(bio_stage::tfm_lookup, env_);
    const tfm_grant grant = fallback_.tfms().acquire(*j.whole().crypt.key, asker);
    if (grant.outcome == acquire_outcome::parked)
        j.enter_stage(bio_stage::tfm_wait, env_);
    return grant;
}

// As acquire_tfm(), for a job of many that are run one after the other: they ask once for a run of the same
// key. What is held goes back before another key is asked for, and when the last of the jobs was run.
tfm_grant fallback_queue::hold_tfm(job& j) noexcept {
    if (held_key_ == j.whole().crypt.key)
        return {acquire_outcome::ready, held_tfm_};
    let_go_of_tfm();
    const tfm_grant grant = acquire_tfm(j);
    if (grant.outcome == acquire_outcome::ready) {
        held_key_ = j.whole().crypt.key;
        held_tfm_ = grant.lease;
    }
    return grant;
}

void fallback_queue::let_go_of_tfm() noexcept {
    if (std::exchange(held_key_, nullptr) != nullptr)
        fallback_.tfms().release(env_, held_tfm_);
}

// --- write ---

// False: there is no bounce memory for the next piece.
bool fallback_queue::write(job& j) noexcept {
    const tfm_grant grant = hold_tfm(j);
    if (grant.outcome == acquire_outcome::parked)
        return true;
    if (grant.outcome == acquire_outcome::failed)
        j.set_status(grant.status);
    else if (!write_with(j, *grant.lease.tfm))
        return false;
    j.has_pieces_left = false;
    j.enter_stage(bio_stage::storage, env_);
    if (j.pieces == 0)
        finish(j);
    return true;
}

// The tfm is held over the loop, as in 7.0: submitting only queues.
bool fallback_queue::write_with(job& j, const skcipher& tfm) noexcept {
    while (j.at.size_bytes != 0) {
        piece* p = try_get_piece(j);
        if (p == nullptr)
            return false;
        j.enter_stage(bio_stage::cipher, env_);
        const sector start = j.at.start;
        const std::uint32_t bytes = std::min(j.at.size_bytes, p->chunk.size_bytes);
        p->segment = {p->chunk.data, bytes, p->from_reserve ? unregistered_buffer : bounce_buffer_};
        encrypt(j, tfm, p->segment);
        crypt_left_bytes_ -= bytes;
        p->encrypted.status = blk_status::ok;
        p->encrypted.iter.begin(start, bytes);
        p->encrypted.fua = j.whole().fua;
        p->encrypted.preflush = j.whole().preflush; // of each: they go out side by side
        ++j.pieces;
        submit_lower(p->encrypted);
    }
    return true;
}

// The next data units of the source into a piece's memory; those of zeroes are made there.
void fallback_queue::encrypt(job& j, const skcipher& tfm, const bio_vec& target) noexcept {
    const bio& source = j.whole();
    if (source.op == bio_op::write_zeroes)
        return crypt_zeros(tfm, source.crypt.unit_size(), j.at, j.at_dun, {target.data, target.length_bytes},
                           lane_);
    crypt_segments(tfm, cipher_direction::encrypt, source.crypt.unit_size(), source.segments, j.at, j.at_dun,
                   target.length_bytes, target.data, lane_);
}

fallback_queue::piece* fallback_queue::try_get_piece(job& j) noexcept {
    piece* p = pieces_.try_get();
    lacks_memory_ = p != nullptr;
    if (p == nullptr)
        return nullptr;
    const std::uint32_t least = std::min(j.at.size_bytes, j.config().unit_size.bytes());
    p->owner = &j;
    p->chunk = bounce_.try_get(j.at.size_bytes, least);
    p->from_reserve = !p->chunk;
    if (p->from_reserve)
        p->chunk = fallback_.try_get_reserve(env_, j.at.size_bytes, least);
    if (p->chunk)
        return p;
    pieces_.put(*p);
    return nullptr;
}

void fallback_queue::wait_for_memory(job& j) noexcept {
    env_.reached(hook_point::wait_begin, bounce_memory);
    j.enter_stage(bio_stage::bounce_wait, env_);
    waiting_writes_.push(j);
    wait_for_reserve(j);
}

// Pieces of its own wake a queue anyway; the reserve may be all it can hope for. Not when it is only short of
// pieces: those are its own.
void fallback_queue::wait_for_reserve(job& first) noexcept {
    const std::uint32_t least_bytes = first.config().unit_size.bytes();
    if (reserve_waiter_.queued || !lacks_memory_ || least_bytes > fallback_.reserve_chunk_bytes_max())
        return;
    reserve_waiter_.queued = true;
    fallback_.wait_for_reserve(reserve_waiter_, least_bytes);
}

// Only a queue with a write that waits may be in line: a wake for one that nobody polls any more is lost to
// all behind it. And a wake that was not needed goes to the next; one that had to queue again found too
// little, so some of the reserve is out, and its return wakes the next.
void fallback_queue::leave_reserve_line() noexcept {
    bool has_spare_wake = std::exchange(reserve_waiter_.owes_wake, false) && !reserve_waiter_.queued;
    if (reserve_waiter_.queued && waiting_writes_.empty()) {
        reserve_waiter_.queued = !fallback_.leave_reserve_line(reserve_waiter_);
        has_spare_wake = reserve_waiter_.queued;
    }
    if (has_spare_wake)
        fallback_.pass_on_reserve_wake(env_);
}

void fallback_queue::write_ended(piece& p) noexcept {
    count_lower_end();
    job& j = *p.owner;
    j.set_status(p.encrypted.status);
    if (p.from_reserve)
        fallback_.put_reserve(env_, p.chunk);
    else
        bounce_.put(p.chunk);
    pieces_.put(p);
    memory_came_free_ = true;
    if (--j.pieces == 0 && !j.has_pieces_left)
        finish(j);
}

// --- read ---

void fallback_queue::read_ended(job& j) noexcept {
    count_lower_end();
    j.status = j.plain_read.status;
    if (j.status != blk_status::ok)
        return finish(j);
    ended_reads_.push(j);
    env_.add_due(1);
}

void fallback_queue::decrypt_ended_reads() noexcept {
    crypt_left_bytes_ = device_lags_ ? crypt_bytes_before_device : crypt_bytes_per_poll;
    while (crypt_left_bytes_ > 0) {
        task* const next = ended_reads_.pop();
        if (next == nullptr)
            break;
        env_.remove_due(1);
        read(static_cast<job&>(*next));
    }
    let_go_of_tfm();
}

void fallback_queue::read(job& j) noexcept {
    const bool on_worker = fallback_.options().decrypt_executor != nullptr;
    const tfm_grant grant = on_worker ? acquire_tfm(j) : hold_tfm(j);
    if (grant.outcome == acquire_outcome::parked)
        return;
    if (grant.outcome == acquire_outcome::failed) {
        j.status = grant.status;
        return finish(j);
    }
    j.enter_stage(bio_stage::cipher, env_);
    if (on_worker) {
        j.lease = grant.lease; // until the worker is done
        j.step = job_step::decrypt_on_worker;
        return for_workers_.push(j);
    }
    crypt_left_bytes_ -= j.at.size_bytes;
    decrypt(j, *grant.lease.tfm, lane_);
    finish(j);
}

void fallback_queue::decrypt(job& j, const skcipher& tfm, cipher_lane& lane) noexcept {
    const bio& source = j.whole();
    crypt_segments(tfm, cipher_direction::decrypt, source.crypt.unit_size(), source.segments, j.at, j.at_dun,
                   j.at.size_bytes, nullptr, lane);
}

// --- poll ---

unsigned fallback_queue::poll() noexcept {
    if (lower_in_flight_ != 0 || has_sent_)
        device_lags_ = lower_in_flight_ != 0;
    has_sent_ = false;
    go_on();
    const unsigned ended = ended_.run();
    in_flight_ -= ended;
    return ended;
}

void fallback_queue::go_on() noexcept {
    const io_context_scope noio(env_, io_context::noio);
    if (!ended_reads_.empty())
        decrypt_ended_reads();
    if (memory_came_free_)
        resume_writes();
    give_to_workers();
}

void fallback_queue::resume_writes() noexcept {
    memory_came_free_ = false;
    while (task* first = waiting_writes_.pop()) {
        job& j = static_cast<job&>(*first);
        if (!write(j)) {
            j.enter_stage(bio_stage::bounce_wait, env_);
            waiting_writes_.push_front(j);
            wait_for_reserve(j);
            break;
        }
    }
    let_go_of_tfm();
    leave_reserve_line();
}

} // namespace blkcrypto
