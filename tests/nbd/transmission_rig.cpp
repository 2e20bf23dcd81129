// SPDX-License-Identifier: Apache-2.0
#include "tests/nbd/transmission_rig.hpp"

#include "blkcrypto/dev/range_lock_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"
#include "tests/reference_crypto/reference_crypto.hpp"
#include "tests/support/allocation_counter.hpp"

#include <algorithm>
#include <doctest/doctest.h>

namespace blkcrypto::test {
namespace {

constexpr unsigned quiet_steps_max = 32; // that nothing moves in, while bios are on their way
constexpr std::uint64_t quiet_step_ns = 50'000;

} // namespace

// --- client ---

std::uint64_t nbd_client::ask(request_header header, bytes_view payload) {
    header.cookie = next_cookie_++;
    std::array<std::byte, nbd::request_header_bytes> bytes;
    encode(header, bytes);
    say(bytes);
    say(payload);
    if (header.type != command::disc)
        asked_.emplace(header.cookie, header);
    return header.cookie;
}

void nbd_client::has_sent(std::size_t bytes) {
    sent_bytes_ += bytes;
    if (sent_bytes_ != outbox_.size())
        return;
    outbox_.clear();
    sent_bytes_ = 0;
}

void nbd_client::receive(bytes_view bytes) {
    inbox_.insert(inbox_.end(), bytes.begin(), bytes.end());
    while (take_reply()) {
    }
    if (expects_more())
        return;
    inbox_.clear();
    taken_bytes_ = 0;
}

// False: it is not all there.
bool nbd_client::take_reply() {
    if (received().size() < nbd::simple_reply_bytes)
        return false;
    const auto magic = load_big<std::uint32_t>(received().data());
    REQUIRE((magic == nbd::simple_reply_magic || magic == nbd::structured_reply_magic));
    return magic == nbd::simple_reply_magic ? take_simple() : take_chunk();
}

bool nbd_client::take_simple() {
    const std::byte* const at = received().data();
    const auto cookie = load_big<std::uint64_t>(at + 8);
    const auto asked = asked_.find(cookie);
    REQUIRE(asked != asked_.end());
    nbd_reply reply{.error = load_big<std::uint32_t>(at + 4)};
    const bool is_read = asked->second.type == command::read;
    REQUIRE_FALSE((structured_ && (is_read || asked->second.type == command::block_status)));
    const std::size_t data_bytes = is_read && reply.error == 0 ? asked->second.length_bytes : 0;
    if (received().size() < nbd::simple_reply_bytes + data_bytes)
        return false;
    reply.data.assign(at + nbd::simple_reply_bytes, at + nbd::simple_reply_bytes + data_bytes);
    return add(cookie, std::move(reply), nbd::simple_reply_bytes + data_bytes);
}

bool nbd_client::take_chunk() {
    REQUIRE(structured_);
    const std::byte* at = received().data();
    if (received().size() < nbd::structured_reply_bytes)
        return false;
    REQUIRE(load_big<std::uint16_t>(at + 4) == nbd::reply_flag::done);
    nbd_reply reply{.is_structured = true, .type = nbd::reply_type{load_big<std::uint16_t>(at + 6)}};
    const auto length = load_big<std::uint32_t>(at + 16);
    if (received().size() < nbd::structured_reply_bytes + length)
        return false;
    const auto cookie = load_big<std::uint64_t>(at + 8);
    at += nbd::structured_reply_bytes;
    std::size_t before_data = 0;
    if (reply.type == nbd::reply_type::error) {
        REQUIRE(length == 6);
        reply.error = load_big<std::uint32_t>(at);
        REQUIRE(reply.error != 0);
        REQUIRE(load_big<std::uint16_t>(at + 4) == 0);
        before_data = length;
    } else if (reply.type == nbd::reply_type::offset_data) {
        REQUIRE(length > 8);
        reply.offset_bytes = load_big<std::uint64_t>(at);
        before_data = 8;
    } else {
        REQUIRE(reply.type == nbd::reply_type::block_status);
    }
    reply.data.assign(at + before_data, at + length);
    return add(cookie, std::move(reply), nbd::structured_reply_bytes + length);
}

bool nbd_client::add(std::uint64_t cookie, nbd_reply reply, std::size_t bytes) {
    REQUIRE(asked_.erase(cookie) == 1);
    replies_.emplace(cookie, std::move(reply));
    taken_bytes_ += bytes;
    return true;
}

// --- rig ---

transmission_rig::transmission_rig(const served_options& with)
    : options(with), medium(to_sectors_floor({with.size_bytes}), with.order, test_seed()),
      disk{.info = {.name = {}, .description = {}, .size_bytes = with.size_bytes}, .device = medium},
      client(with.structured) {
    disk.info.block_bytes_min = with.block_bytes_min;
    disk.info.block_bytes_max = with.block_bytes_max;
    disk.info.read_only = with.read_only;
    disk.holes = with.holes;
    fallback = *crypto_fallback::make(e, *make_keyslot_tfms(e, 4, 1), {});
    device = *make_range_lock_device(medium, fallback.get(), e);
    if (with.unit_bytes != 0) {
        key.emplace(random, with.unit_bytes);
        REQUIRE_FALSE(start_using_key(e, *device, nullptr, *key->key));
        disk.key = key->key.get();
        disk.dun_offset = with.dun_offset;
    }
    queue = *device->make_queue(e, {.depth = 16, .nomerges = with.nomerges});
    server = *nbd::transmission::make(disk, {with.structured, with.base_allocation}, *queue, counters);
}

transmission_rig::~transmission_rig() {
    server->client_gone();
    medium.complete_all_held();
    for (unsigned i = 0; i < 1000 && !server->is_idle(); ++i) {
        poll();
        medium.complete_all_held();
    }
    CHECK(server->is_idle());
    server.reset();
    CHECK(queue->pools_are_whole());
}

std::size_t transmission_rig::piece_of(std::size_t bytes) {
    if (!pieces || bytes == 0)
        return bytes;
    constexpr std::array<std::size_t, 5> sizes{3, 40, 5000, 300'000, 8 << 20};
    return std::min(bytes, 1 + pieces->below(sizes.at(pieces->below(sizes.size()))));
}

bool transmission_rig::feed() {
    const allocation_counter counter;
    const bytes_span space = server->receive_space();
    const std::size_t bytes = piece_of(std::min(space.size(), client.unsent().size()));
    if (bytes == 0)
        return false;
    std::ranges::copy(client.unsent().first(bytes), space.begin());
    server->received(bytes);
    allocations += counter.count();
    client.has_sent(bytes);
    return true;
}

bool transmission_rig::poll() {
    const allocation_counter counter;
    const bool has_ended = queue->poll() != 0;
    server->resume();
    allocations += counter.count();
    if (!has_ended)
        e.advance_clock(quiet_step_ns);
    return has_ended;
}

bool transmission_rig::fetch() {
    const allocation_counter counter;
    const std::span<const bytes_view> views = server->output();
    allocations += counter.count();
    std::size_t bytes = 0;
    for (const bytes_view view : views)
        bytes += view.size();
    if (bytes == 0)
        return false;
    bytes = piece_of(bytes);
    std::size_t left = bytes;
    for (const bytes_view view : views) {
        const std::size_t part = std::min(left, view.size());
        client.receive(view.first(part));
        left -= part;
    }
    const allocation_counter after;
    server->sent(bytes);
    allocations += after.count();
    return true;
}

bool transmission_rig::step() {
    const bool was_fed = feed();
    const bool has_ended = poll();
    const bool was_fetched = fetches && fetch();
    return was_fed || has_ended || was_fetched;
}

void transmission_rig::settle() {
    for (unsigned quiet = 0; quiet < quiet_steps_max;) {
        const bool moved = step();
        if (!moved && queue->in_flight() == 0)
            return;
        quiet = moved ? 0 : quiet + 1;
    }
}

std::uint32_t transmission_rig::error_of(request_header header, bytes_view payload) {
    const std::uint64_t cookie = client.ask(header, payload);
    settle();
    REQUIRE(client.was_answered(cookie));
    return client.error_of(cookie);
}

std::uint32_t transmission_rig::error_of_whole(const request_header& header) {
    return error_of(header, std::vector<std::byte>(header.type == command::write ? header.length_bytes : 0));
}

std::uint32_t transmission_rig::write(std::uint64_t offset_bytes, bytes_view data, std::uint16_t flags) {
    return error_of({flags, command::write, 0, offset_bytes, static_cast<std::uint32_t>(data.size())}, data);
}

std::vector<std::byte> transmission_rig::read(std::uint64_t offset_bytes, std::uint32_t length_bytes) {
    const std::uint64_t cookie = client.ask(command::read, offset_bytes, length_bytes);
    settle();
    REQUIRE(client.was_answered(cookie));
    return client.reply_to(cookie).data;
}

bool transmission_rig::is_at_rest() const {
    return server->is_idle() && queue->in_flight() == 0 && queue->pools_are_whole() &&
           client.unanswered() == 0 && !client.expects_more();
}

bool transmission_rig::holds(bytes_view plain) {
    if (!key)
        return std::ranges::equal(medium.medium().first(plain.size()), plain);
    return std::ranges::equal(medium.medium().first(plain.size()),
                              reference_ciphertext(*key, dun(options.dun_offset), plain));
}

std::vector<std::byte> transmission_rig::deciphered_zeros(std::uint64_t offset_bytes,
                                                          std::size_t bytes) const {
    std::vector<std::byte> zeros(bytes);
    for (std::size_t at = 0; key && at < bytes; at += options.unit_bytes) {
        dun number(options.dun_offset);
        number += (offset_bytes + at) / options.unit_bytes;
        std::array<std::uint8_t, reference_crypto::iv_bytes> iv;
        const auto iv_source = number.value().little_endian();
        std::memcpy(iv.data(), iv_source.data(), iv.size());
        REQUIRE(reference_crypto::decrypt_unit(
            "aes-256-xts", {reinterpret_cast<const std::uint8_t*>(key->bytes.data()), key->bytes.size()}, iv,
            {reinterpret_cast<std::uint8_t*>(&zeros[at]), options.unit_bytes}));
    }
    return zeros;
}

std::size_t transmission_rig::asked_of_medium(bio_op op) const {
    return static_cast<std::size_t>(std::ranges::count(medium.requests(), op, &device_request::op));
}

} // namespace blkcrypto::test
