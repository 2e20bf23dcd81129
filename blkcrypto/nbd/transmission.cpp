// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/nbd/transmission.hpp"

#include "blkcrypto/nbd/request_rules.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace blkcrypto::nbd {
namespace {

constexpr unsigned requests_max = 256;
constexpr unsigned pieces_max = 320;

// Reads need memory for all of a reply at once, writes go down as they arrive. The largest read takes one
// chunk more than its size says, where the first ends early so that the second begins with a data unit.
constexpr unsigned replied_chunks = 132;
constexpr std::uint32_t read_bytes_max = 32 << 20;
static_assert(read_bytes_max / transmission::read_piece_bytes + 3 <=
              replied_chunks); // and one that reply_memory keeps
static_assert(read_bytes_max / transmission::read_piece_bytes + 2 <= pieces_max);
constexpr unsigned received_chunks = 16;
constexpr unsigned warm_chunks = 16; // of each kind: more is given back when a connection has nothing to do

} // namespace

result<std::unique_ptr<transmission>> transmission::make(const served_disk& disk, const negotiated& agreed,
                                                         block_queue& queue, command_counters& counters) {
    if (disk.info.block_bytes_max > read_bytes_max)
        return make_error(EINVAL);
    auto received = chunk_pool::make(received_chunks);
    auto replied = chunk_pool::make(replied_chunks);
    if (!received || !replied)
        return make_error(ENOMEM);
    return or_no_memory([&]() -> result<std::unique_ptr<transmission>> {
        return std::unique_ptr<transmission>(
            new transmission(disk, agreed, queue, counters, std::move(*received), std::move(*replied)));
    });
}

transmission::transmission(const served_disk& disk, const negotiated& agreed, block_queue& queue,
                           command_counters& counters, std::unique_ptr<chunk_pool> received,
                           std::unique_ptr<chunk_pool> replied)
    : disk_(disk), agreed_(agreed), queue_(queue), counters_(counters), received_chunks_(std::move(received)),
      replied_chunks_(std::move(replied)), input_(*received_chunks_), reply_memory_(*replied_chunks_),
      requests_(requests_max), pieces_(pieces_max, *this) {}

transmission::~transmission() {
    assert(is_idle() && pieces_.is_whole());
}

// --- Input ---

bytes_span transmission::receive_space() noexcept {
    if (is_stalled_ || !takes_input_)
        return {};
    return input_.space(payload_left_, expected_bytes_);
}

void transmission::received(std::size_t bytes) noexcept {
    if (!takes_input_)
        return;
    input_.received(bytes);
    parse();
}

bool transmission::resume() noexcept {
    if (!is_stalled_)
        return false;
    const std::size_t before = input_.unread().size();
    parse();
    return input_.unread().size() != before;
}

void transmission::parse() noexcept {
    is_stalled_ = false;
    bool goes_on = true;
    while (goes_on && takes_input_) {
        if (arriving_ != nullptr)
            goes_on = take_payload();
        else
            goes_on = input_.unread().size() >= request_header_bytes && begin_request();
    }
}

bool transmission::begin_request() noexcept {
    request_header header;
    if (!decode(input_.unread().first<request_header_bytes>(), header)) {
        stop();
        return false;
    }
    if (header.type == command::disc) {
        ++counters_.of[static_cast<std::size_t>(command::disc)].requests;
        stop();
        return false;
    }
    request* const r = requests_.try_get();
    if (r == nullptr || !begin(*r, header)) {
        if (r != nullptr)
            requests_.put(*r);
        is_stalled_ = true;
        return false;
    }
    input_.take(request_header_bytes);
    return true;
}

// False: something that it needs is out. Nothing has been done then.
bool transmission::begin(request& r, const request_header& header) noexcept {
    r.header = header;
    r.begin_ns = queue_.environment().now_ns();
    r.error = verdict_on(header, disk_.info, agreed_);
    r.in_flight = 0;
    r.is_arriving = false;
    r.flushes = false;
    r.offset_bytes = header.offset_bytes;
    r.end_bytes = header.offset_bytes + header.length_bytes;
    r.data = nullptr;
    if (header.type == command::write)
        return begin_write(r);
    if (r.error != 0) {
        end(r);
        return true;
    }
    switch (header.type) {
    case command::read:
        return begin_read(r);
    case command::block_status:
        return begin_block_status(r);
    default:
        return begin_without_data(r);
    }
}

void transmission::stop() noexcept {
    takes_input_ = false;
    is_stalled_ = false;
    input_.reset();
    request* const r = std::exchange(arriving_, nullptr);
    if (r == nullptr)
        return;
    r->error = r->error == 0 ? nbd_error::shutdown : r->error;
    r->is_arriving = false;
    if (r->has_ended())
        end(*r);
}

void transmission::client_gone() noexcept {
    has_client_ = false;
    stop();
    while (reply* const r = replies_.pop())
        release(static_cast<request&>(*r));
}

// --- Output ---

void transmission::end(request& r) noexcept {
    const bool is_to_be_stable = r.header.type == command::flush || (r.header.flags & command_flag::fua) != 0;
    if (r.error == 0 && is_to_be_stable && r.header.type != command::read && disk_.has_lost_writes)
        r.error = to_nbd_error(blk_status::ioerr);
    count(r);
    if (r.error != 0)
        put_data(r);
    if (!has_client_)
        return release(r);
    r.encode_head(r.header, r.error, agreed_);
    replies_.push(r);
}

void transmission::count(const request& r) noexcept {
    const auto type = static_cast<std::size_t>(r.header.type);
    if (type >= counters_.of.size())
        return;
    command_counter& counter = counters_.of[type];
    ++counter.requests;
    counter.bytes += r.error == 0 ? r.header.length_bytes : 0;
    counter.errors += r.error != 0 ? 1 : 0;
    counter.latency.add(queue_.environment().now_ns() - r.begin_ns);
}

void transmission::sent(std::size_t bytes) noexcept {
    replies_.sent(bytes);
    while (reply* const r = replies_.pop_sent())
        release(static_cast<request&>(*r));
}

void transmission::release(request& r) noexcept {
    put_data(r);
    requests_.put(r);
    if (requests_.is_whole())
        trim();
}

void transmission::put_data(request& r) noexcept {
    while (r.data != nullptr)
        put(static_cast<piece&>(*std::exchange(r.data, r.data->next)));
}

// A client that read or wrote a lot at once may never do so again.
void transmission::trim() noexcept {
    if (replied_chunks_->used() <= warm_chunks)
        return;
    reply_memory_.reset();
    replied_chunks_->trim(warm_chunks);
}

} // namespace blkcrypto::nbd
