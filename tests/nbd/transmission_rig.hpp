// SPDX-License-Identifier: Apache-2.0
#pragma once
// A disk on a simulated device, plain or under a key, served to one client without a socket between them: the
// client's bytes are moved to the transmission, and back, in pieces that a seed chooses or all at once.
// The client believes nothing: what is no reply to something that it has asked, once, fails the test.

#include "blkcrypto/nbd/transmission.hpp"
#include "tests/inline_crypt/test_keys.hpp"
#include "tests/support/simulated_device.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include "blkcrypto/inline_crypt/crypto_fallback.hpp"

#include <map>
#include <optional>

namespace blkcrypto::test {

using nbd::command;
using nbd::request_header;
namespace command_flag = nbd::command_flag;

/// What the protocol calls them.
inline constexpr std::uint32_t nbd_eperm = 1, nbd_eio = 5, nbd_einval = 22, nbd_enospc = 28, nbd_enotsup = 95,
                               nbd_eshutdown = 108;

inline request_header header_of(command type, std::uint64_t offset_bytes, std::uint32_t length_bytes,
                                std::uint16_t flags = 0) {
    return {flags, type, 0, offset_bytes, length_bytes};
}

struct nbd_reply {
    std::uint32_t error = 0;
    bool is_structured = false;
    nbd::reply_type type = nbd::reply_type::none; // of a structured one
    std::uint64_t offset_bytes = 0;               // of a chunk of data
    std::vector<std::byte> data{};
};

/// Encodes requests and takes replies to pieces.
class nbd_client {
  public:
    explicit nbd_client(bool has_structured_replies) : structured_(has_structured_replies) {}

    /// Its cookie.
    std::uint64_t ask(request_header header, bytes_view payload = {});
    std::uint64_t ask(command type, std::uint64_t offset_bytes, std::uint32_t length_bytes,
                      std::uint16_t flags = 0) {
        return ask({flags, type, 0, offset_bytes, length_bytes});
    }
    std::uint64_t write(std::uint64_t offset_bytes, bytes_view data, std::uint16_t flags = 0) {
        return ask({flags, command::write, 0, offset_bytes, static_cast<std::uint32_t>(data.size())}, data);
    }
    /// Bytes of any kind.
    void say(bytes_view bytes) { outbox_.insert(outbox_.end(), bytes.begin(), bytes.end()); }

    bytes_view unsent() const { return bytes_view(outbox_).subspan(sent_bytes_); }
    void has_sent(std::size_t bytes);
    void receive(bytes_view bytes);

    bool was_answered(std::uint64_t cookie) const { return replies_.contains(cookie); }
    const nbd_reply& reply_to(std::uint64_t cookie) const { return replies_.at(cookie); }
    std::uint32_t error_of(std::uint64_t cookie) const { return reply_to(cookie).error; }
    std::size_t replies() const { return replies_.size(); }
    std::size_t unanswered() const { return asked_.size(); }
    /// In the middle of one.
    bool expects_more() const { return inbox_.size() != taken_bytes_; }
    void forget_replies() { replies_.clear(); }

  private:
    bytes_view received() const { return bytes_view(inbox_).subspan(taken_bytes_); }
    bool take_reply();
    bool take_simple();
    bool take_chunk();
    bool add(std::uint64_t cookie, nbd_reply reply, std::size_t bytes);

    const bool structured_;
    std::uint64_t next_cookie_ = 0x1122334455667700;
    std::map<std::uint64_t, request_header> asked_;
    std::map<std::uint64_t, nbd_reply> replies_;
    std::vector<std::byte> outbox_;
    std::size_t sent_bytes_ = 0;
    std::vector<std::byte> inbox_;
    std::size_t taken_bytes_ = 0;
};

struct served_options {
    std::uint32_t unit_bytes = 0; // 0: without a key
    bool structured = true;
    bool base_allocation = false;
    std::uint64_t size_bytes = 1 << 20;
    completion_order order = completion_order::shuffled;
    bool read_only = false;
    std::uint32_t block_bytes_min = 512;
    std::uint32_t block_bytes_max = 32 << 20;
    const nbd::allocation_map* holes = nullptr;
    uint256 dun_offset = 7;
    bool nomerges = false; // one operation of the medium is for one request
};

/// Plain and under a key, with simple and with structured replies.
inline std::vector<served_options> all_ways() {
    return {{.unit_bytes = 0, .structured = false},
            {.unit_bytes = 0, .structured = true, .base_allocation = true},
            {.unit_bytes = 4096, .structured = false},
            {.unit_bytes = 4096, .structured = true}};
}

class transmission_rig {
  public:
    explicit transmission_rig(const served_options& options);
    ~transmission_rig();

    /// From now on bytes go in pieces of random sizes, often tiny ones.
    void split_randomly(std::uint64_t seed) { pieces.emplace(seed); }

    /// One piece in, one poll, one piece out. False if nothing has moved.
    bool step();
    /// Until nothing moves any more.
    void settle();
    bool feed();
    bool poll();
    bool fetch();

    /// Asks, settles, gives the error that the answer has.
    std::uint32_t error_of(request_header header, bytes_view payload = {});
    std::uint32_t error_of(command type, std::uint64_t offset_bytes, std::uint32_t length_bytes,
                           std::uint16_t flags = 0) {
        return error_of({flags, type, 0, offset_bytes, length_bytes});
    }
    /// The same, with whatever payload the request announces.
    std::uint32_t error_of_whole(const request_header& header);
    std::uint32_t write(std::uint64_t offset_bytes, bytes_view data, std::uint16_t flags = 0);
    std::vector<std::byte> read(std::uint64_t offset_bytes, std::uint32_t length_bytes);

    /// Nothing is in flight, nothing is held, all pools are whole.
    bool is_at_rest() const;
    /// What the medium holds is this under the key, as an implementation that is not ours has it.
    bool holds(bytes_view plain);
    /// What the medium gives the client when it holds zeros.
    std::vector<std::byte> deciphered_zeros(std::uint64_t offset_bytes, std::size_t bytes) const;
    std::size_t asked_of_medium(bio_op op) const;
    nbd::command_counter& counter(command c) { return counters.of[static_cast<std::size_t>(c)]; }

    const served_options options;
    simulated_env e{test_seed()};
    simulated_device medium;
    random_source random{test_seed() + 3};
    std::optional<test_key> key;
    std::unique_ptr<crypto_fallback> fallback;
    std::unique_ptr<block_device> device;
    std::unique_ptr<block_queue> queue;
    nbd::served_disk disk;
    nbd::command_counters counters;
    std::unique_ptr<nbd::transmission> server;
    nbd_client client;
    std::optional<random_source> pieces;
    bool fetches = true;           // settle() takes what there is to be sent
    std::uint64_t allocations = 0; // made by the server and what is below it

  private:
    std::size_t piece_of(std::size_t bytes);
};

} // namespace blkcrypto::test
