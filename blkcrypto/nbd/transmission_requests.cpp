// SPDX-License-Identifier: Apache-2.0
// What each command becomes: the second half of transmission.cpp, from a request to its bios and back.
#include "blkcrypto/nbd/transmission.hpp"

#include <algorithm>
#include <cassert>

namespace blkcrypto::nbd {
namespace {

constexpr std::uint32_t early_piece_bytes = 64 << 10; // of a payload that spans chunks

// Of zeros, so that a request for 4 GiB lets others have their turn.
constexpr std::uint32_t encrypted_zeroes_bytes = 1 << 20;
constexpr std::uint32_t plain_zeroes_bytes = 64 << 20;

constexpr std::size_t extents_max = 64;   // of an answer to block_status
constexpr std::uint32_t extent_bytes = 8; // as they are sent: length, flags

} // namespace

bool transmission::begin_read(request& r) noexcept {
    if (reading_bytes_ != 0 && reading_bytes_ + r.header.length_bytes > disk_.read_ahead_bytes)
        return false;
    const std::uint64_t pieces = r.header.length_bytes / read_piece_bytes + 2;
    if (pieces > 2 && (replied_chunks_->available() < pieces || pieces_.available() < pieces))
        return false;
    reply_part** last = &r.data;
    while (r.offset_bytes != r.end_bytes) {
        const std::uint32_t bytes = piece_bytes(r, read_piece_bytes);
        piece* const p = take_data_piece(r, bytes);
        if (p == nullptr)
            return false; // the first and only one
        *last = p;
        last = &p->next;
        submit_data(*p, bio_op::read);
    }
    return true;
}

// To the end of the request, or as much as ends with a data unit and is no more than `bytes_max`. 0 if none
// does.
std::uint32_t transmission::piece_bytes(const request& r, std::uint32_t bytes_max) const noexcept {
    if (r.end_bytes - r.offset_bytes <= bytes_max)
        return static_cast<std::uint32_t>(r.end_bytes - r.offset_bytes);
    const std::uint64_t end = (r.offset_bytes + bytes_max) & ~std::uint64_t{disk_.unit_bytes() - 1};
    return end > r.offset_bytes ? static_cast<std::uint32_t>(end - r.offset_bytes) : 0;
}

bool transmission::begin_write(request& r) noexcept {
    r.is_arriving = true;
    arriving_ = &r;
    payload_left_ = r.header.length_bytes;
    constexpr std::uint32_t payload_bytes_max = chunk_bytes - request_header_bytes;
    expected_bytes_ = request_header_bytes + std::min(payload_left_, payload_bytes_max);
    return true;
}

// False: there is nothing to do before more has come, or something is out.
bool transmission::take_payload() noexcept {
    const std::size_t unread = input_.unread().size();
    auto here = static_cast<std::uint32_t>(std::min<std::size_t>(unread, payload_left_));
    if (arriving_->error != 0) {
        took_payload(here);
        return arriving_ == nullptr;
    }
    if (here < payload_left_) {
        if (!is_worth_a_piece(here))
            return false;
        here = piece_bytes(*arriving_, here);
    }
    is_stalled_ = here == 0 ? !input_.turn_over() : !submit_payload(here);
    return !is_stalled_;
}

// What the chunk will have room for is waited for, so that it is one piece; what goes on in another chunk is
// two anyway, and better written while the rest is on its way.
bool transmission::is_worth_a_piece(std::uint32_t payload_bytes) const noexcept {
    if (input_.is_full())
        return true;
    return payload_left_ > input_.room() && payload_bytes >= early_piece_bytes;
}

bool transmission::submit_payload(std::uint32_t bytes) noexcept {
    piece* const p = take_piece(*arriving_);
    if (p == nullptr)
        return false;
    p->memory = {input_.unread().data(), bytes};
    p->held = &input_.hold();
    submit_data(*p, bio_op::write);
    took_payload(bytes);
    return true;
}

void transmission::took_payload(std::uint32_t bytes) noexcept {
    input_.take(bytes);
    payload_left_ -= bytes;
    if (payload_left_ != 0)
        return;
    request& r = *std::exchange(arriving_, nullptr);
    r.is_arriving = false;
    r.begin_ns = queue_.environment().now_ns(); // the client's own time is not counted
    if (r.has_ended())
        end(r);
}

// Flush, trim, write_zeroes. What a trim cuts of a data unit stays as it is: there would be nothing to
// decipher the rest of the unit from.
bool transmission::begin_without_data(request& r) noexcept {
    const std::uint64_t unit_bytes = disk_.unit_bytes();
    r.flushes = r.header.type == command::flush || (r.header.flags & command_flag::fua) != 0;
    if (r.header.type == command::trim) {
        r.offset_bytes = (r.offset_bytes + unit_bytes - 1) & ~(unit_bytes - 1);
        r.end_bytes = std::max(r.end_bytes & ~(unit_bytes - 1), r.offset_bytes);
    }
    piece* const p = take_piece(r);
    if (p == nullptr)
        return false;
    if (!goes_on(*p))
        ended(*p);
    return true;
}

bool transmission::begin_block_status(request& r) noexcept {
    const reply_memory::run memory =
        reply_memory_.try_get(sizeof(std::uint32_t) + extents_max * extent_bytes);
    piece* const p = memory.data == nullptr ? nullptr : take_piece(r);
    if (p == nullptr) {
        if (memory.data != nullptr)
            replied_chunks_->drop(*memory.in);
        return false;
    }
    const std::size_t extents = (r.header.flags & command_flag::req_one) != 0 ? 1 : extents_max;
    p->held = memory.in;
    p->memory = {memory.data, 0};
    p->memory.length_bytes = describe_extents(r, memory.data, extents);
    r.data = p;
    r.in_flight = 0;
    end(r);
    return true;
}

std::uint32_t transmission::describe_extents(request& r, std::byte* into, std::size_t extents) noexcept {
    store_big(into, base_allocation_id);
    std::byte* at = into + sizeof(std::uint32_t);
    for (; extents != 0 && r.offset_bytes != r.end_bytes; --extents, at += extent_bytes) {
        const std::uint64_t left = r.end_bytes - r.offset_bytes;
        const allocation_extent extent =
            disk_.holes == nullptr ? allocation_extent{left} : disk_.holes->extent_at(r.offset_bytes);
        const std::uint64_t length = std::min(extent.length_bytes, left);
        assert(length != 0);
        store_big(at, static_cast<std::uint32_t>(length));
        store_big(at + sizeof(std::uint32_t), extent.is_hole ? extent_flag::hole | extent_flag::zero : 0);
        r.offset_bytes += length;
    }
    return static_cast<std::uint32_t>(at - into);
}

// --- Bios ---

transmission::piece* transmission::take_piece(request& r) noexcept {
    piece* const p = pieces_.try_get();
    if (p == nullptr)
        return nullptr;
    p->owner = &r;
    p->held = nullptr;
    p->next = nullptr;
    ++r.in_flight;
    return p;
}

transmission::piece* transmission::take_data_piece(request& r, std::uint32_t bytes) noexcept {
    const reply_memory::run memory = reply_memory_.try_get(bytes);
    if (memory.data == nullptr)
        return nullptr;
    piece* const p = take_piece(r);
    if (p == nullptr) {
        replied_chunks_->drop(*memory.in);
        return nullptr;
    }
    p->memory = {memory.data, bytes};
    p->held = memory.in;
    reading_bytes_ += bytes;
    return p;
}

// The next part of its request, of the size of its memory.
void transmission::submit_data(piece& p, bio_op op) noexcept {
    request& r = *p.owner;
    p.io.prepare(op, sector{r.offset_bytes >> sector_bits}, {&p.memory, 1}, p);
    p.io.fua = op == bio_op::write && (r.header.flags & command_flag::fua) != 0;
    submit(p, p.memory.length_bytes);
}

void transmission::submit_range(piece& p, bio_op op, std::uint32_t bytes) noexcept {
    request& r = *p.owner;
    p.io.prepare_range(op, sector{r.offset_bytes >> sector_bits}, bytes, p);
    p.io.nounmap = (r.header.flags & command_flag::no_hole) != 0;
    submit(p, bytes);
}

void transmission::submit(piece& p, std::uint32_t bytes) noexcept {
    request& r = *p.owner;
    if (disk_.key != nullptr && p.io.op != bio_op::discard) {
        dun first(disk_.dun_offset);
        first += r.offset_bytes / disk_.unit_bytes();
        p.io.set_crypt_ctx(*disk_.key, first);
    }
    r.offset_bytes += bytes;
    queue_.submit(p.io);
}

void transmission::piece_ended(piece& p, blk_status outcome) noexcept {
    request& r = *p.owner;
    // A trim is a hint, and where no holes can be made it is heard and not followed.
    const bool is_ignored = p.io.op == bio_op::discard && outcome == blk_status::notsupp;
    if (outcome != blk_status::ok && !is_ignored) {
        r.error = r.error == 0 ? to_nbd_error(outcome) : r.error;
        // A write that was refused for want of space has taken nothing else with it.
        if (p.io.is_flush() || (p.io.fua && outcome != blk_status::nospc)) {
            ++counters_.flush_failures;
            disk_.has_lost_writes = true;
        }
    }
    if (r.header.type == command::read || r.header.type == command::write || !goes_on(p))
        ended(p);
}

// A request without data is one piece that does one thing after the other. False: there is nothing left.
bool transmission::goes_on(piece& p) noexcept {
    request& r = *p.owner;
    if (r.error != 0)
        return false;
    const bool is_trim = r.header.type == command::trim;
    if (r.offset_bytes != r.end_bytes) {
        const std::uint32_t zeroes = disk_.key == nullptr ? plain_zeroes_bytes : encrypted_zeroes_bytes;
        const std::uint64_t left = r.end_bytes - r.offset_bytes;
        submit_range(p, is_trim ? bio_op::discard : bio_op::write_zeroes,
                     is_trim ? static_cast<std::uint32_t>(left) : piece_bytes(r, zeroes));
        return true;
    }
    if (!std::exchange(r.flushes, false))
        return false;
    p.io.prepare_range(bio_op::flush, sector{}, 0, p);
    queue_.submit(p.io);
    return true;
}

// A read's pieces are its reply; all others are done with.
void transmission::ended(piece& p) noexcept {
    request& r = *p.owner;
    --r.in_flight;
    if (r.header.type != command::read)
        put(p);
    if (r.has_ended())
        end(r);
}

void transmission::put(piece& p) noexcept {
    const command type = p.owner->header.type;
    chunk_pool& chunks = type == command::write ? *received_chunks_ : *replied_chunks_;
    reading_bytes_ -= type == command::read ? p.memory.length_bytes : 0;
    if (p.held != nullptr)
        chunks.drop(*p.held);
    pieces_.put(p);
}

} // namespace blkcrypto::nbd
