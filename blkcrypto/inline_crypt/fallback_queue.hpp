// SPDX-License-Identifier: Apache-2.0
#pragma once
// The mechanics of the fallback, for one thread: what happens to a bio with a crypto context on a device that
// cannot encrypt. Part of a submit_queue; nobody else uses it.
//
//   write  tfm, then for as much at a time as bounce memory allows: encrypt into it, submit an encrypted bio
//          that carries no context. The source ends when the last of these has, with the first error. Zeroes
//          are a write of encrypted zeros.
//   read   a bio without context into the source's own memory; when it has ended, tfm, decrypt in place.
//
// Sources are gathered in a plug until the next poll; those that are adjacent, under the same key and with
// DUNs that go on, are one job: one stretch of bounce memory, one run of the cipher, one bio below. Jobs with
// the same key that come one after the other share the tfm.
//
// A job that has to wait for a tfm or for bounce memory parks and goes on at its first data unit not yet
// submitted; while parked it holds no tfm and no bounce memory but that of encrypted bios already on their
// way.

#include "blkcrypto/base/mempool.hpp"
#include "blkcrypto/block/block_device.hpp"
#include "blkcrypto/block/request_pool.hpp"
#include "blkcrypto/inline_crypt/crypto_fallback.hpp"

namespace blkcrypto {

class fallback_queue {
  public:
    /// `lower` outlives it. ENOMEM.
    static result<std::unique_ptr<fallback_queue>> make(crypto_fallback& fallback, block_queue& lower,
                                                        const queue_options& options);
    ~fallback_queue();

    /// `source` has a crypto context and something to encrypt or decrypt. Ends it from poll().
    void submit(bio& source) noexcept;

    /// Starts what was submitted since the last call: before the lower queue is polled.
    void unplug() noexcept;

    /// After the lower queue was polled: lets parked bios go on, runs the end_io of sources that ended.
    unsigned poll() noexcept;

    unsigned in_flight() const noexcept { return in_flight_; }

    /// As block_queue::pools_are_whole().
    bool pools_are_whole() const noexcept {
        return jobs_.is_whole() && pieces_.is_whole() && bounce_.is_whole();
    }

    /// Bios of its own: in flight in the lower queue, and ended there since the last call.
    unsigned lower_in_flight() const noexcept { return lower_in_flight_; }
    unsigned take_lower_ended() noexcept { return std::exchange(lower_ended_, 0); }

    const keyslot_counters& counters() const noexcept { return counters_; }

  private:
    /// What a job's next run() does.
    enum class job_step : std::uint8_t { write, read, decrypt_on_worker, finish };

    /// One source bio on its way, or several that follow each other.
    struct job final : waiter, bio_end_io, request {
        explicit job(fallback_queue& q) : waiter(q.env_), queue(q) {}
        void run(unsigned worker) noexcept override { queue.run(*this, worker); }
        void end_io(bio&) noexcept override { queue.read_ended(*this); }
        void set_status(blk_status outcome) noexcept {
            if (status == blk_status::ok)
                status = outcome;
        }

        const crypto_config& config() const noexcept { return whole().crypt.key->config(); }

        fallback_queue& queue;
        job_step step = job_step::write;
        bvec_iter at; // the first data unit not yet submitted (write) or decrypted (read)
        dun at_dun;
        unsigned pieces = 0; // encrypted bios that have not ended
        bool has_pieces_left = false;
        blk_status status = blk_status::ok; // the first error
        tfm_lease lease;                    // while a worker decrypts
        bio plain_read;                     // the source without its context
    };

    /// One encrypted bio: a stretch of a source, contiguous in bounce memory.
    struct piece final : bio_end_io {
        explicit piece(fallback_queue& q) : queue(q) {
            encrypted.prepare(bio_op::write, {}, {&segment, 1}, *this);
        }
        void end_io(bio&) noexcept override { queue.write_ended(*this); }

        fallback_queue& queue;
        job* owner = nullptr;
        bounce_chunk chunk;
        bool from_reserve = false;
        bio_vec segment;
        bio encrypted; // always a plain write of the segment
    };

    /// Queued at the reserve for all parked writes of this queue.
    struct reserve_waiter final : waiter {
        explicit reserve_waiter(fallback_queue& q) : waiter(q.env_), queue(q) {}
        void run(unsigned) noexcept override {
            queued = false;
            owes_wake = true;
            queue.resume_writes(); // not left to the next poll: this may be that of another queue of the env
        }

        fallback_queue& queue;
        bool queued = false;
        bool owes_wake = false; // was woken; the next one is, unless this one has to queue again
    };

    fallback_queue(crypto_fallback& fallback, block_queue& lower, const queue_options& options,
                   bounce_pool&& bounce);

    blk_status check(const bio& source) const noexcept;
    void start(job& j) noexcept;
    void run(job& j, unsigned worker) noexcept;
    void finish(job& j) noexcept;

    bool write(job& j) noexcept;
    bool write_with(job& j, const skcipher& tfm) noexcept;
    void encrypt(job& j, const skcipher& tfm, const bio_vec& target) noexcept;
    piece* try_get_piece(job& j) noexcept;
    void wait_for_memory(job& j) noexcept;
    void wait_for_reserve(job& first) noexcept;
    void leave_reserve_line() noexcept;
    void write_ended(piece& p) noexcept;

    void submit_lower(bio& b) noexcept;
    void count_lower_end() noexcept;
    void read_ended(job& j) noexcept;
    void decrypt_ended_reads() noexcept;
    void read(job& j) noexcept;
    void decrypt(job& j, const skcipher& tfm, cipher_lane& lane) noexcept;

    void go_on() noexcept;
    void resume_writes() noexcept;
    void give_to_workers() noexcept;
    tfm_grant acquire_tfm(job& j) noexcept;
    tfm_grant hold_tfm(job& j) noexcept;
    void let_go_of_tfm() noexcept;

    crypto_fallback& fallback_;
    block_queue& lower_;
    env& env_;
    const crypto_fallback::taken_lane taken_lane_;
    cipher_lane lane_;
    bounce_pool bounce_;
    buffer_id bounce_buffer_;
    request_pool<job> jobs_;
    mempool<piece> pieces_;
    const key_request* held_key_ = nullptr; // while jobs are run one after the other:
    tfm_lease held_tfm_;                    //   the tfm of the last one
    task_list ended_reads_;                 // jobs, to be decrypted
    task_list waiting_writes_;              // jobs, for bounce memory
    task_list for_workers_;                 // jobs, gathered until the end of a poll: one wake-up for all
    reserve_waiter reserve_waiter_;
    std::int64_t crypt_left_bytes_ = 0; // of what one poll starts to encrypt, or decrypts; what waited
    // for memory goes on whatever this says
    bool has_sent_ = false;   // bios to the lower queue since it was polled
    bool device_lags_ = true; // did not end all of them in that poll, when there were some
    bool memory_came_free_ = false;
    bool lacks_memory_ = false; // why the last write could not go on: memory, or else encrypted bios
    completion_list ended_;
    keyslot_counters counters_;
    unsigned in_flight_ = 0;
    unsigned lower_in_flight_ = 0;
    unsigned lower_ended_ = 0;
};

} // namespace blkcrypto
