// SPDX-License-Identifier: Apache-2.0
#pragma once
// The transmission phase of one connection, without sockets: bytes of the client go in, bios go down to the
// disk, bytes for the client come out. Whoever has the socket receives into receive_space() and sends
// output(); whoever has the queue polls it.
//
// Data is not copied here. A write's bios are in the memory that its payload was received in and go down as
// soon as it is there, in pieces where it spans chunks; a read's are in the memory that its reply is sent
// from. Nothing allocates after make().
//
// Everything is limited: requests, pieces and memory of a connection. When one of them is out the client is
// not read from until something has come back, which touches no other connection. Requests end in any order.
//
// What is served: doc/proto.md, "Transmission phase". Reads are answered by a single chunk where structured
// replies were negotiated, so DF asks for nothing more. Requests end with NBD_EINVAL where they are not
// multiples of the least block size, reach beyond the end (writes of any kind: NBD_ENOSPC), are empty, larger
// than block_bytes_max, or have flags or a type that was not offered; the connection goes on. Only bytes that
// are no request end it.

#include "blkcrypto/base/mempool.hpp"
#include "blkcrypto/nbd/command_counters.hpp"
#include "blkcrypto/nbd/export_info.hpp"
#include "blkcrypto/nbd/receive_buffer.hpp"
#include "blkcrypto/nbd/reply_memory.hpp"
#include "blkcrypto/nbd/reply_queue.hpp"

#include <memory>

namespace blkcrypto::nbd {

class transmission {
  public:
    static constexpr std::uint32_t read_piece_bytes = 256 << 10; // of larger reads, each a bio

    /// `disk`, `queue` and `counters`, all of them this thread's or nobody's, outlive it. ENOMEM; EINVAL for
    /// a block_bytes_max that there would never be enough memory for.
    static result<std::unique_ptr<transmission>> make(const served_disk& disk, const negotiated& agreed,
                                                      block_queue& queue, command_counters& counters);
    /// Nothing is in flight: is_idle().
    ~transmission();

    /// Where the client's next bytes are to be received. Empty: not now, ask again after resume(); or never
    /// again, if takes_input() is false.
    bytes_span receive_space() noexcept;
    /// That so many were. Submits bios.
    void received(std::size_t bytes) noexcept;
    /// Goes on where something had run out and may be back, because bios have ended or replies have been
    /// sent. Submits bios. True if it got on: there may be output, and after that it may get on again.
    bool resume() noexcept;

    /// What is to be sent next, in order; nothing if it is empty. Valid until sent() or the next poll.
    std::span<const bytes_view> output() noexcept { return replies_.output(); }
    void sent(std::size_t bytes) noexcept;

    /// No more requests are taken: of one that has only begun nothing more is done. Those in flight end, and
    /// are answered.
    void stop() noexcept;
    /// As stop(); and nobody is there to be answered.
    void client_gone() noexcept;

    /// False once the client has said goodbye, or something that is no request, or after stop().
    bool takes_input() const noexcept { return takes_input_; }
    /// Nothing in flight and nothing to be sent.
    bool is_idle() const noexcept { return requests_.is_whole(); }

  private:
    struct request;

    /// A part of a request that is one bio, in one run of memory; of a read, a part of its reply.
    struct piece final : bio_end_io, reply_part {
        explicit piece(transmission& t) noexcept : to(t) {}
        void end_io(bio& ended) noexcept override { to.piece_ended(*this, ended.status); }

        transmission& to;
        request* owner = nullptr;
        bio io;
        chunk* held = nullptr; // what `memory` lies in; null: it has none
    };

    struct request : reply {
        request_header header;
        std::uint64_t begin_ns = 0;
        std::uint32_t error = 0;        // the protocol's; the first one
        unsigned in_flight = 0;         // pieces
        bool is_arriving = false;       // more pieces are to come
        bool flushes = false;           // before it ends, a flush is due
        std::uint64_t offset_bytes = 0; // of the next piece
        std::uint64_t end_bytes = 0;    // of the last one

        bool has_ended() const noexcept { return in_flight == 0 && !is_arriving; }
    };

    transmission(const served_disk& disk, const negotiated& agreed, block_queue& queue,
                 command_counters& counters, std::unique_ptr<chunk_pool> received,
                 std::unique_ptr<chunk_pool> replied);

    void parse() noexcept;
    bool begin_request() noexcept;
    bool begin(request& r, const request_header& header) noexcept;

    bool begin_read(request& r) noexcept;
    bool begin_write(request& r) noexcept;
    bool begin_without_data(request& r) noexcept;
    bool begin_block_status(request& r) noexcept;
    std::uint32_t describe_extents(request& r, std::byte* into, std::size_t extents) noexcept;
    std::uint32_t piece_bytes(const request& r, std::uint32_t bytes_max) const noexcept;
    bool take_payload() noexcept;
    bool is_worth_a_piece(std::uint32_t payload_bytes) const noexcept;
    bool submit_payload(std::uint32_t bytes) noexcept;
    void took_payload(std::uint32_t bytes) noexcept;

    piece* take_piece(request& r) noexcept;
    piece* take_data_piece(request& r, std::uint32_t bytes) noexcept;
    void submit_data(piece& p, bio_op op) noexcept;
    void submit_range(piece& p, bio_op op, std::uint32_t bytes) noexcept;
    void submit(piece& p, std::uint32_t bytes) noexcept;
    void piece_ended(piece& p, blk_status outcome) noexcept;
    bool goes_on(piece& p) noexcept;
    void ended(piece& p) noexcept;
    void put(piece& p) noexcept;

    void end(request& r) noexcept;
    void count(const request& r) noexcept;
    void release(request& r) noexcept;
    void put_data(request& r) noexcept;
    void trim() noexcept;

    const served_disk& disk_;
    const negotiated agreed_;
    block_queue& queue_;
    command_counters& counters_;
    const std::unique_ptr<chunk_pool> received_chunks_;
    const std::unique_ptr<chunk_pool> replied_chunks_;
    receive_buffer input_;
    reply_memory reply_memory_;
    mempool<request> requests_;
    mempool<piece> pieces_;
    reply_queue replies_;

    bool takes_input_ = true;
    bool has_client_ = true;
    bool is_stalled_ = false;         // the next request, or the payload, waits for something to come back
    request* arriving_ = nullptr;     // a write whose payload is not all there
    std::uint32_t payload_left_ = 0;  // of it
    std::uint64_t reading_bytes_ = 0; // read, or about to be, and not yet sent
    // What the client's next request and its payload take, if it is like the last write.
    std::uint32_t expected_bytes_ = request_header_bytes;
};

} // namespace blkcrypto::nbd
