// SPDX-License-Identifier: Apache-2.0
#pragma once
// The bio: one I/O on its way through the stack (struct bio). It says what to do, where on the device, with
// which memory, under which crypto context, and whom to tell when it has ended.
//
// Ownership: whoever made a bio keeps it, and keeps its segments and their memory, from submit until its
// end_io runs. Nobody below modifies it, but for the status it ends with, the queue's link and the end_io a
// wrapper puts back. It ends exactly once, in poll() or wait() of the queue it was submitted to.

#include "blkcrypto/base/bytes.hpp"
#include "blkcrypto/base/status.hpp"
#include "blkcrypto/base/units.hpp"
#include "blkcrypto/block/crypto_key.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace blkcrypto {

/// Memory that a queue knows already (io_uring's registered buffers); see block_queue::register_buffer().
using buffer_id = std::uint16_t;
inline constexpr buffer_id unregistered_buffer = 0xffff;

/// A segment: whole sectors, and under a crypto context whole data units, at any address. Only units above
/// 4096 bytes may go on in the next segment.
struct bio_vec {
    std::byte* data = nullptr;
    std::uint32_t length_bytes = 0;
    buffer_id buffer =
        unregistered_buffer; // the registered buffer that `data` lies in, or unregistered_buffer
};

/// A place in a bio: where on the device, how much is left, and where in the segments (struct bvec_iter).
struct bvec_iter {
    sector start{};
    std::uint32_t size_bytes = 0;
    std::uint32_t index = 0;      // of the current segment
    std::uint32_t done_bytes = 0; // of the current segment

    /// To the beginning of a bio. Member by member: put together on the stack and copied it would be read
    /// before it is written, in the processor's terms (store forwarding), which was half of prepare()'s time.
    void begin(sector first, std::uint32_t bytes) noexcept {
        start = first;
        size_bytes = bytes;
        index = 0;
        done_bytes = 0;
    }

    /// The rest of the current segment, cut to what is left.
    bio_vec current(std::span<const bio_vec> segments) const noexcept;
    /// `bytes` are whole sectors and no more than what is left.
    void advance(std::span<const bio_vec> segments, std::uint32_t bytes) noexcept;
};

/// REQ_OP_READ and its like. A discard gives the range back to the medium: what it holds afterwards is the
/// device's business. Zeroes are written to the range without memory that holds them.
enum class bio_op : std::uint8_t { read, write, flush, discard, write_zeroes };

/// The stages whose time can be told apart.
enum class bio_stage : std::uint8_t {
    queued,
    tfm_lookup, // from asking for a tfm or keyslot on, as far as nothing below is done for it
    tfm_wait,   // parked, until one came free or what it needs was there
    allocate,   // a tfm, by a source that makes them in the I/O path
    derive,
    setkey,
    cipher,
    bounce_wait,
    storage,
    done
};
inline constexpr std::size_t bio_stage_count = 10;

/// Where the time of a bio went. Time is one line: it belongs to the stage entered last, so that the parts
/// add up to the whole. Filled only for bios that bring one.
struct bio_stamps {
    std::array<std::uint64_t, bio_stage_count> spent_ns{};
    std::uint64_t entered_ns = 0;
    bio_stage stage = bio_stage::queued;

    void begin(std::uint64_t now_ns) noexcept {
        *this = {};
        entered_ns = now_ns;
    }
    void enter(bio_stage next, std::uint64_t now_ns) noexcept {
        spent_ns[static_cast<std::size_t>(stage)] += now_ns - entered_ns;
        entered_ns = now_ns;
        stage = next;
    }
};

class bio;

/// Who is told that a bio has ended. To wrap one: keep the bio's, put yours in its place, put it back before
/// passing the end on.
class bio_end_io {
  public:
    /// The bio and its memory are the observer's again. May submit bios, may not poll.
    virtual void end_io(bio& ended) noexcept = 0;

  protected:
    ~bio_end_io() = default;
};

class bio {
  public:
    bio() = default;
    bio(const bio&) = delete;
    bio& operator=(const bio&) = delete;

    bio_op op = bio_op::read;
    bool fua = false;      // a write ends only when it is on stable storage
    bool preflush = false; // whatever writes ended before this one was submitted are made stable first;
                           // alone, on a write of nothing, it is a flush
    bool nounmap = false;  // write_zeroes leaves the range with space behind it (REQ_NOUNMAP)
    blk_status status = blk_status::ok;
    bvec_iter iter;
    std::span<const bio_vec> segments;
    bio_crypt_ctx crypt;
    bio_end_io* observer = nullptr;
    bio_stamps* stamps = nullptr;

    /// Makes this a read or write of all of `segments` at `start`, plain, not yet ended.
    void prepare(bio_op operation, sector start, std::span<const bio_vec> memory, bio_end_io& told) noexcept;

    /// Makes this a discard or write_zeroes of `size_bytes` at `start`, plain, not yet ended.
    void prepare_range(bio_op operation, sector start, std::uint32_t size_bytes, bio_end_io& told) noexcept;

    /// bio_crypt_set_ctx(). The context is part of the bio: nothing to allocate, nothing to run out of.
    void set_crypt_ctx(const key_request& key, const dun& first_dun) noexcept { crypt = {&key, first_dun}; }

    /// bio_has_data(): there is memory to read into or to write from.
    bool has_data() const noexcept {
        return iter.size_bytes != 0 && (op == bio_op::read || op == bio_op::write);
    }

    /// There is something for a cipher to do: the data, or zeros that a crypto context turns into ciphertext.
    bool has_plaintext() const noexcept {
        return has_data() || (op == bio_op::write_zeroes && iter.size_bytes != 0);
    }

    /// All it asks for is that what was written becomes stable: a flush, or REQ_PREFLUSH without data.
    bool is_flush() const noexcept {
        return op == bio_op::flush || (op == bio_op::write && preflush && iter.size_bytes == 0);
    }

    /// bio_advance(): drops the first bytes, DUN included.
    void advance(std::uint32_t bytes) noexcept;

    /// The same I/O on the same memory and under the same context as `other`, for an observer of its own.
    void clone_from(const bio& other, bio_end_io& told) noexcept;

    /// bio_split(): `front` becomes the first bytes of this bio, this one the rest. EINVAL unless it cuts
    /// between two sectors (two data units, if encrypted) and leaves something on both sides.
    std::error_code split(std::uint32_t bytes, bio& front, bio_end_io& told) noexcept;

    /// First error wins.
    void set_status(blk_status outcome) noexcept {
        if (status == blk_status::ok)
            status = outcome;
    }

    /// bio_endio(): tells the observer. For queues and wrappers, from poll().
    void end() noexcept { observer->end_io(*this); }

    void enter_stage(bio_stage stage, auto& clock) noexcept {
        if (stamps != nullptr) [[unlikely]]
            stamps->enter(stage, clock.now_ns());
    }

  private:
    friend class bio_list;
    bio* next_ = nullptr;
};

/// First in, first out; a bio is in one list at most.
class bio_list {
  public:
    bool empty() const noexcept { return head_ == nullptr; }
    void push(bio& b) noexcept {
        b.next_ = nullptr;
        (head_ == nullptr ? head_ : tail_->next_) = &b;
        tail_ = &b;
    }
    void push_front(bio& b) noexcept {
        b.next_ = head_;
        if (head_ == nullptr)
            tail_ = &b;
        head_ = &b;
    }
    bio* front() const noexcept { return head_; }
    static bio* after(const bio& b) noexcept { return b.next_; }
    bio* pop() noexcept {
        bio* first = head_;
        if (first != nullptr)
            head_ = first->next_;
        return first;
    }

  private:
    bio* head_ = nullptr;
    bio* tail_ = nullptr;
};

/// Ends a bio when all its pieces have ended (bio_chain(), bio_inc_remaining()): the observer of the pieces.
class bio_chain final : public bio_end_io {
  public:
    /// `parent` ends once `pieces` bios with this observer have ended; the first error among them is its
    /// status.
    void begin(bio& parent, unsigned pieces) noexcept {
        parent_ = &parent;
        remaining_ = pieces;
    }
    void end_io(bio& piece) noexcept override;

  private:
    bio* parent_ = nullptr;
    unsigned remaining_ = 0;
};

} // namespace blkcrypto
