// SPDX-License-Identifier: Apache-2.0
#include "tests/nbd/handshake_run.hpp"

#include <algorithm>

namespace blkcrypto::test {

using namespace blkcrypto::nbd;

namespace {

constexpr std::size_t greeting_bytes = 18;
constexpr std::size_t export_reply_bytes = 10;
constexpr std::size_t zeroes_bytes = 124;
constexpr std::size_t message_room_bytes = 200; // for the greeting and the numbers of a reply

class run {
  public:
    run(const export_info& served, bytes_view said)
        : handshake_(served), said_(said),
          output_bytes_max_(message_room_bytes + served.name.size() + served.description.size()) {}

    bool has_more() const noexcept { return received_ < said_.size(); }
    void receive(std::size_t bytes) noexcept { received_ += std::min(bytes, said_.size() - received_); }

    bool consume() {
        const bytes_view there = said_.first(received_).subspan(result_.taken_bytes);
        const bool goes_on = handshake_.current_state() == handshake::state::negotiating;
        const std::size_t heard_bytes = handshake_.output().size();
        const std::size_t bytes = handshake_.consume(there);
        promise(bytes <= there.size(), "more was taken than was there");
        promise(goes_on || bytes == 0, "something was taken after the end");
        promise(bytes != 0 || handshake_.output().size() == heard_bytes, "an answer to nothing");
        promise(handshake_.output().size() <= output_bytes_max_, "the output is out of bounds");
        result_.taken_bytes += std::min(bytes, there.size());
        return bytes != 0;
    }

    std::size_t to_send() const noexcept { return handshake_.output().size(); }
    void send(std::size_t bytes) {
        append(result_.output, handshake_.output().first(bytes));
        handshake_.sent(bytes);
    }

    handshake_result end() {
        result_.state = handshake_.current_state();
        result_.outcome = handshake_.outcome();
        return result_;
    }

  private:
    void promise(bool holds, const char* what) noexcept {
        if (!holds && result_.broken_promise == nullptr)
            result_.broken_promise = what;
    }

    handshake handshake_;
    const bytes_view said_;
    const std::size_t output_bytes_max_;
    std::size_t received_ = 0;
    handshake_result result_;
};

/// With a chance of one half a byte or so, else up to all.
std::size_t random_part(std::size_t bytes, random_source& random) {
    const std::size_t some = random.below(2) == 0 ? random.below(4) : random.below(bytes + 1);
    return std::min(bytes, some);
}

/// What NBD_OPT_EXPORT_NAME was answered with, if that is how the handshake ended.
bool ends_with_export_reply(bytes_view output) {
    for (const std::size_t bytes : {export_reply_bytes, export_reply_bytes + zeroes_bytes})
        if (output.size() >= bytes && replies_in(output.first(output.size() - bytes)))
            return true;
    return false;
}

} // namespace

handshake_result run_at_once(const export_info& served, bytes_view said) {
    run r(served, said);
    r.receive(said.size());
    do
        r.send(r.to_send());
    while (r.consume());
    return r.end();
}

handshake_result run_in_pieces(const export_info& served, bytes_view said, random_source& random) {
    run r(served, said);
    // The same for the whole of it: among large pieces small ones seldom meet the end of anything.
    const std::size_t piece_bytes_max = 1 + random_part(said.size(), random);
    bool goes_on = true;
    while (goes_on) {
        r.receive(1 + random.below(piece_bytes_max));
        bool has_taken = r.consume();
        while (has_taken && random.below(4) != 0)
            has_taken = r.consume();
        const std::size_t bytes = random_part(r.to_send(), random);
        r.send(bytes);
        goes_on = r.has_more() || has_taken || r.to_send() != 0 || bytes != 0;
    }
    return r.end();
}

const char* difference_of(const handshake_result& a, const handshake_result& b) noexcept {
    if (a.output != b.output)
        return "the output depends on how the input is cut";
    if (a.taken_bytes != b.taken_bytes)
        return "what is taken depends on how the input is cut";
    if (a.state != b.state || a.outcome.structured_replies != b.outcome.structured_replies ||
        a.outcome.base_allocation != b.outcome.base_allocation)
        return "what it comes to depends on how the input is cut";
    return nullptr;
}

const char* broken_promise_of(const handshake_result& result) {
    if (result.broken_promise != nullptr)
        return result.broken_promise;
    if (result.outcome.base_allocation && !result.outcome.structured_replies)
        return "a metadata context without structured replies";
    const bytes_view after_greeting = bytes_view(result.output).subspan(greeting_bytes);
    const bool ends_by_name =
        result.state == handshake::state::done && ends_with_export_reply(after_greeting);
    if (!ends_by_name && !replies_in(after_greeting))
        return "the output is no sequence of replies";
    return nullptr;
}

} // namespace blkcrypto::test
