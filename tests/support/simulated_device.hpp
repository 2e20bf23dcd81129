// SPDX-License-Identifier: Apache-2.0
#pragma once
// A device in memory where everything that can happen to a device happens when the test says so, or as its
// seed says: completions in any order, after virtual time; errors, short and torn transfers; a volatile cache
// and a power cut. Data moves when a bio completes, not when it is submitted, so that memory given back too
// early shows. Keeps a log of what it was asked to do, crypto contexts included.
//
// Any number of queues, on as many threads, as long as their bios do not overlap. Latency, faults and power
// cuts are for one thread.

#include "blkcrypto/block/block_device.hpp"
#include "tests/support/random_bytes.hpp"

#include <deque>
#include <mutex>
#include <optional>
#include <vector>

namespace blkcrypto::test {

/// When bios complete: on the first poll() in the order they came; a few at each poll() in random order; each
/// after a latency of its own, so that they overtake each other; or only by complete_held().
enum class completion_order { as_submitted, shuffled, timed, manual };

struct device_request {
    bio_op op;
    sector start;
    std::uint32_t size_bytes;
    bool fua;
    bool preflush;
    bool encrypted; // came with a crypto context
};

/// How much of its data a bio moved that ends with an error: nothing; the first sectors, a short transfer;
/// some sectors, a torn one; all of it, and only the completion went wrong.
enum class data_moved { none, first_sectors, some_sectors, all };

struct device_fault {
    blk_status status;
    data_moved moved;
};

/// Asked about each operation that reaches the medium.
class device_faults {
  public:
    virtual std::optional<device_fault> fault_of(const bio& b) noexcept = 0;

  protected:
    ~device_faults() = default;
};

/// The n-th operation that reaches the medium fails, from 0.
class nth_fails final : public device_faults {
  public:
    nth_fails(std::size_t n, data_moved moved) : n_(n), moved_(moved) {}
    std::optional<device_fault> fault_of(const bio&) noexcept override {
        return seen_++ == n_ ? std::optional(device_fault{blk_status::medium, moved_}) : std::nullopt;
    }
    bool has_failed() const noexcept { return seen_ > n_; }

  private:
    const std::size_t n_;
    const data_moved moved_;
    std::size_t seen_ = 0;
};

class simulated_queue;

/// What a queue posts to its env. The device's: it may still be posted when the queue is gone.
struct queue_waker final : task {
    explicit queue_waker(simulated_queue& q) noexcept : queue(&q) {}
    void run(unsigned) noexcept override;
    simulated_queue* queue; // null: gone
    bool is_posted = false;
};

class simulated_device final : public block_device {
  public:
    static constexpr std::uint64_t latency_max_ns = 200'000; // of completion_order::timed

    simulated_device(sector capacity, completion_order order, std::uint64_t seed);

    const queue_limits& limits() const noexcept override { return limits_; }
    sector capacity() const noexcept override { return to_sectors_floor({medium_.size()}); }
    crypto_profile* profile() noexcept override { return native_profile_; }
    const crypto_capabilities* native_crypto() const noexcept override {
        return native_ ? &*native_ : nullptr;
    }
    std::string describe() const override { return "simulated"; }
    result<std::unique_ptr<block_queue>> make_queue(env& environment, const queue_options& options) override;

    /// What a read sees.
    bytes_span medium() noexcept { return medium_; }
    bytes_span medium(sector start, std::size_t size_bytes) noexcept {
        return bytes_span(medium_).subspan(to_bytes(start).value, size_bytes);
    }

    /// From now on: bios of this kind that touch the sector end with `status` and move no data.
    void fail(bio_op op, sector where, blk_status status) { failures_.push_back({op, where, status}); }
    void heal() { failures_.clear(); }

    /// Asks `faults` about each operation, until null. It outlives the device, or is taken away in time.
    void set_faults(device_faults* faults) noexcept { faults_ = faults; }

    /// Without it a flush has nothing to do, and a power cut cannot be simulated. For queues made afterwards.
    void set_volatile_cache(bool has) noexcept { limits_.volatile_cache = has; }
    void set_discard(bool has) noexcept { limits_.discard = has; }

    /// From now on the device knows what is stable and what is only in its cache. What is there now is
    /// stable.
    void watch_stability();

    /// The power goes and comes back: of what was not stable, and of the writes under way, each sector is
    /// there or is not. Bios under way end with ioerr at the next poll().
    void cut_power();

    /// Uses up the bios it carries out, as the kernel's drivers do: nothing is left of their iterators.
    void set_uses_up_bios(bool does) noexcept { uses_up_bios_ = does; }

    /// For order manual: completes the n-th of the bios that are held, of all queues together; its queue's
    /// next poll() ends it.
    void complete_held(std::size_t n = 0);
    void complete_all_held();
    std::size_t held() const noexcept { return held_.size(); }

    /// Makes the device say that it encrypts by itself (it does not); for queues made afterwards.
    void claim_native(const crypto_capabilities& native, crypto_profile* profile) {
        native_ = native;
        native_profile_ = profile;
    }

    const std::vector<device_request>& requests() const noexcept { return requests_; }
    std::size_t encrypted_requests() const;

  private:
    friend class simulated_queue;
    struct failure {
        bio_op op;
        sector where;
        blk_status status;
    };
    struct held_bio {
        bio* what;
        simulated_queue* queue;
    };

    queue_waker& make_waker(simulated_queue& queue);
    void log(const bio& b);
    blk_status carry_out(const bio& b) noexcept;
    std::optional<device_fault> fault_of(const bio& b) noexcept;
    void move(const bio& b, data_moved how_much) noexcept;
    void move_sector(const bio& b, const bvec_iter& at) noexcept;
    void make_stable(std::uint64_t first_sector, std::uint64_t end_sector) noexcept;
    void flush_cache() noexcept;
    void lose_cache() noexcept;
    bool is_watched() const noexcept { return !stable_.empty(); }

    queue_limits limits_{.volatile_cache = true};
    std::vector<std::byte> medium_;
    std::vector<std::byte> stable_; // empty until watch_stability()
    std::vector<bool> is_dirty_;    // by sector: differs from stable_, perhaps
    const completion_order order_;
    const std::uint64_t seed_;
    random_source random_;
    std::vector<failure> failures_;
    device_faults* faults_ = nullptr;
    bool uses_up_bios_ = false;
    std::vector<held_bio> held_; // order manual only
    std::optional<crypto_capabilities> native_;
    crypto_profile* native_profile_ = nullptr;
    std::mutex log_lock_;
    std::vector<device_request> requests_;
    std::vector<simulated_queue*> queues_;
    std::deque<queue_waker> wakers_; // of all queues there ever were
};

} // namespace blkcrypto::test
