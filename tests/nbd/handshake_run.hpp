// SPDX-License-Identifier: Apache-2.0
#pragma once
// A handshake from beginning to end with a client that says what it says, no matter what is answered; in
// pieces of random sizes, or at once. Whatever holds of every handshake is looked at on the way.

#include "blkcrypto/nbd/handshake.hpp"
#include "tests/nbd/client_messages.hpp"
#include "tests/support/random_bytes.hpp"

namespace blkcrypto::test {

struct handshake_result {
    message output; // the greeting included
    nbd::handshake::state state{};
    nbd::negotiated outcome;
    std::size_t taken_bytes = 0;          // of what was said
    const char* broken_promise = nullptr; // what did not hold
};

/// What is heard is sent on at once.
handshake_result run_at_once(const nbd::export_info& served, bytes_view said);

/// What is said comes in pieces, and what is heard goes away in pieces, or stands for a while.
handshake_result run_in_pieces(const nbd::export_info& served, bytes_view said, random_source& random);

/// What of both results is different, or null.
const char* difference_of(const handshake_result& a, const handshake_result& b) noexcept;

/// What does not hold of any result, or null.
const char* broken_promise_of(const handshake_result& result);

} // namespace blkcrypto::test
