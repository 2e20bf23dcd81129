// SPDX-License-Identifier: Apache-2.0
#pragma once
// THE interface: a block_device describes, a block_queue does. make_queue(env) gives one thread its own way
// in; the queue's ring, free bios, bounce memory and completions are its own, so that queues on two cores do
// not meet.
//
// A queue is made, used and destroyed on the thread of its env, and nothing is in flight when it is
// destroyed. Filters are devices that open a queue of the device below them.
//
//   submit()  noexcept, returns nothing, never blocks, never runs an end_io. Devices may gather what is
//             submitted until poll() or wait(): one system call for many bios.
//   poll()    pushes out what was gathered, collects what has ended, then runs the end_io of each.
//   wait()    the same, but sleeps until at least one bio has ended.

#include "blkcrypto/base/env.hpp"
#include "blkcrypto/base/result.hpp"
#include "blkcrypto/block/bio.hpp"
#include "blkcrypto/block/crypto_capabilities.hpp"
#include "blkcrypto/block/kernel_generation.hpp"
#include "blkcrypto/block/keyslot_counters.hpp"
#include "blkcrypto/block/limits.hpp"

#include <memory>
#include <string>
#include <utility>

namespace blkcrypto {

class block_device;
class crypto_profile;

/// How large a queue is made. A submitter may go beyond the depth: what does not fit waits in the queue.
struct queue_options {
    unsigned depth = 128;                    // bios in flight at full speed
    std::uint32_t io_size_bytes = 128 << 10; // the largest usual bio, for sizing bounce memory
    std::uint64_t bounce_bytes = 8 << 20;    // bounce memory is min(depth x io_size_bytes, this)
    bool nomerges = false;                   // every bio is a request of its own (queue/nomerges in sysfs)
    kernel_generation kernel = {};           // whose rules apply to misaligned bios
};

/// Bios that have ended and whose end_io has not run yet.
class completion_list {
  public:
    explicit completion_list(env& environment) noexcept : env_(environment) {}

    void push(bio& ended) noexcept {
        ended_.push(ended);
        env_.add_due(1);
    }

    /// Runs the end_io of what is in the list now, not of what is added meanwhile. The number run.
    unsigned run() noexcept {
        unsigned count = 0;
        bio_list ready = std::exchange(ended_, {});
        while (bio* b = ready.pop()) {
            b->end();
            ++count;
        }
        env_.remove_due(count);
        return count;
    }

  private:
    env& env_;
    bio_list ended_;
};

class block_queue {
  public:
    virtual ~block_queue() = default;
    block_queue(const block_queue&) = delete;
    block_queue& operator=(const block_queue&) = delete;

    /// Checks the bio, then hands it to the device. What it can end with beside the device's own errors:
    /// ioerr out of range, unaligned to the logical block size, encrypted without anything to encrypt, or
    /// with fua or preflush on anything but a write; notsupp with a crypto context that the device does not
    /// take (7.0's submit_bio()), or for a discard where the limits have none; inval for a flush with data;
    /// queue_options::kernel.misaligned where a segment is not whole data units, unless the limits say that
    /// the device takes cut ones. What asks for nothing ends at once: no data, or a flush of a device
    /// without a volatile cache.
    void submit(bio& b) noexcept;

    /// The number of bios submitted here that ended. Call it, or wait(), on every queue that has bios in
    /// flight.
    unsigned poll() noexcept;

    /// As poll(), and sleeps until the number is not 0; 0 at once if nothing is in flight. For a thread that
    /// has one queue; with several, poll each and then let the env sleep.
    unsigned wait() noexcept;

    unsigned in_flight() const noexcept { return in_flight_; }
    env& environment() const noexcept { return env_; }
    const queue_limits& limits() const noexcept { return limits_; }

    /// What submit() would say of the flags, the place and the size of a bio: for who turns it into others,
    /// all of it or nothing.
    blk_status check_place(const bio& b) const noexcept;
    /// What a bio ends with whose data units are cut.
    blk_status misaligned_status() const noexcept { return misaligned_; }

    /// Makes memory known to the queue, so that bios in it (bio_vec::buffer) cost less. A queue that has no
    /// use for it, or no room, gives unregistered_buffer: only speed differs. It stays valid as long as bios
    /// use it.
    virtual buffer_id register_buffer([[maybe_unused]] bytes_span memory) noexcept {
        return unregistered_buffer;
    }

    /// What this queue has seen of the device's keyslots; all zero where there are none.
    virtual keyslot_counters keyslot_use() const noexcept { return {}; }

    /// Nothing of the queue's own is out: no bio, command, or bounce memory. For whoever looks for leaks,
    /// with nothing in flight.
    virtual bool pools_are_whole() const noexcept { return true; }

  protected:
    block_queue(const block_device& device, env& environment, const queue_options& options) noexcept;

    /// The bio passed the checks. A device ends it with complete(), now or later. It is a read, a write with
    /// data, a discard or write_zeroes of a range, or, where the limits say volatile_cache, what
    /// bio::is_flush(). Without a volatile cache fua and preflush mean nothing.
    virtual void do_submit(bio& b) noexcept = 0;
    /// Pushes out what is gathered and collects what ended.
    virtual void do_poll() noexcept = 0;

    void complete(bio& b, blk_status outcome) noexcept {
        b.set_status(outcome);
        b.enter_stage(bio_stage::done, env_);
        ended_.push(b);
    }

  private:
    blk_status check(const bio& b) const noexcept;
    blk_status check_crypt_ctx(const bio& b) const noexcept;

    env& env_;
    completion_list ended_;
    unsigned in_flight_ = 0;
    const queue_limits limits_;
    const sector capacity_;
    const crypto_capabilities* const native_; // what the device encrypts by itself; null: nothing
    const blk_status misaligned_;             // what a bio with cut data units ends with
};

class block_device {
  public:
    virtual ~block_device() = default;

    virtual const queue_limits& limits() const noexcept = 0;
    virtual sector capacity() const noexcept = 0;

    /// The keyslots of a device with inline encryption; null for all others.
    virtual crypto_profile* profile() noexcept { return nullptr; }
    /// What that profile can do; null without one.
    virtual const crypto_capabilities* native_crypto() const noexcept { return nullptr; }

    /// One line for people: what this is and what it stands on.
    virtual std::string describe() const = 0;

    /// A queue for the thread of `environment`, which outlives it, as the device does. ENOMEM; errors of the
    /// device.
    virtual result<std::unique_ptr<block_queue>> make_queue(env& environment,
                                                            const queue_options& options) = 0;
};

/// True if all segments of what is left are whole data units, as far as bio_vec asks for it; without
/// segments, if the range is.
bool segments_are_whole_units(const bio& b, data_unit_size unit_size) noexcept;

} // namespace blkcrypto
