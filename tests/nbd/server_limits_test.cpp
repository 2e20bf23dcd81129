// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/memory_device.hpp"
#include "tests/nbd/server_rig.hpp"
#include "tests/support/allocation_counter.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace blkcrypto;
using namespace blkcrypto::test;
using nbd::option;
using std::chrono::milliseconds;

namespace {

constexpr std::uint64_t disk_bytes = 1 << 20;

std::unique_ptr<block_device> memory_disk() {
    return *make_memory_device(to_sectors_floor({disk_bytes}));
}

std::ptrdiff_t entries_of(const char* folder) {
    return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
}

std::uint64_t resident_bytes() {
    std::uint64_t all_pages = 0, resident_pages = 0;
    std::ifstream("/proc/self/statm") >> all_pages >> resident_pages;
    return resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

/// What the process has, before and after.
struct belongings {
    std::ptrdiff_t descriptors = entries_of("/proc/self/fd");
    std::ptrdiff_t threads = entries_of("/proc/self/task");
    std::uint64_t memory_bytes = resident_bytes();
};

template <typename Visit>
void visit_often(running_server& server, unsigned visits, Visit visit) {
    for (unsigned i = 0; i < visits; ++i) {
        socket_client client(server);
        visit(client);
    }
    socket_client(server).shake_hands(); // by now all before it have been accepted
    CHECK(server.has_no_connections());
}

/// Visits leave nothing behind. The first few take what is kept for the next ones.
template <typename Visit>
void leaves_nothing_behind(unsigned visits, Visit visit) {
    const auto disk = memory_disk();
    running_server server(*disk, {.threads = 2, .connections_max = 2'000});
    visit_often(server, 50, visit);
    const belongings before;
    visit_often(server, visits, visit);
    const belongings after;
    CHECK(after.descriptors == before.descriptors);
    CHECK(after.threads == before.threads);
    // Sanitizers keep what was freed for a while.
    if (allocation_counter::available())
        CHECK(after.memory_bytes < before.memory_bytes + (16 << 20));
}

/// Is served at once, whatever others do.
void works(socket_client& client) {
    const auto data = random_bytes(4096, test_seed());
    for (unsigned i = 0; i < 20; ++i) {
        REQUIRE(client.write(i * 4096, data) == 0);
        REQUIRE(client.read(i * 4096, 4096) == data);
    }
}

std::array<std::byte, nbd::request_header_bytes> read_request(std::uint32_t bytes,
                                                              std::uint64_t offset_bytes = 0) {
    std::array<std::byte, nbd::request_header_bytes> header;
    nbd::encode({.type = command::read, .offset_bytes = offset_bytes, .length_bytes = bytes}, header);
    return header;
}

/// More than a socket holds, and nothing that works() writes to.
void ask_for_more_than_it_reads(socket_client& client) {
    for (unsigned i = 0; i < 8; ++i)
        client.send(read_request(disk_bytes / 2, disk_bytes / 2));
}

} // namespace

TEST_CASE("clients that come and go leave nothing behind") {
    leaves_nothing_behind(1'000, [](socket_client& client) { client.shake_hands(); });
}

TEST_CASE("clients that say nothing leave nothing behind") {
    leaves_nothing_behind(1'000, [](socket_client&) {});
}

TEST_CASE("clients that go in the middle of an option leave nothing behind") {
    leaves_nothing_behind(
        200, [](socket_client& client) { client.send(bytes_view(client.hello()).first(4 + 16 + 3)); });
}

TEST_CASE("clients that go in the middle of a request's header leave nothing behind") {
    leaves_nothing_behind(200, [](socket_client& client) {
        client.shake_hands();
        client.send(bytes_view(read_request(512)).first(13));
    });
}

TEST_CASE("clients that go in the middle of a payload leave nothing behind") {
    const auto data = random_bytes(300'000, test_seed());
    leaves_nothing_behind(200, [&](socket_client& client) {
        client.shake_hands();
        client.talk.write(0, data);
        client.send(client.talk.unsent().first(270'000));
    });
}

TEST_CASE("clients that go without their replies leave nothing behind") {
    leaves_nothing_behind(200, [](socket_client& client) {
        client.shake_hands();
        ask_for_more_than_it_reads(client);
    });
}

TEST_CASE("a client beyond the limit is sent away, and served once another has left") {
    const auto disk = memory_disk();
    for (const unsigned threads : {1U, 2U}) {
        running_server server(*disk, {.threads = threads, .connections_max = 2});
        socket_client first(server);
        first.shake_hands();
        {
            socket_client second(server);
            second.shake_hands();
            CHECK(socket_client(server).sees_end());
            CHECK(socket_client(server).sees_end());
            works(first);
            works(second);
        }
        CHECK(server.has_connections(1));
        socket_client next(server);
        next.shake_hands();
        works(next);
    }
}

TEST_CASE("the server loses patience with handshakes that do not end, and only with them") {
    const auto disk = memory_disk();
    running_server server(*disk, {.patience = milliseconds(1'000)});
    socket_client served(server);
    served.shake_hands();
    socket_client silent(server), slow(server);
    slow.send(bytes_view(slow.hello()).first(10));
    CHECK(silent.sees_end());
    CHECK(slow.sees_end());
    works(served);
    CHECK(server.has_connections(1));
}

TEST_CASE("a server that stops loses patience with clients that do not fetch their replies") {
    const auto disk = memory_disk();
    for (const unsigned threads : {1U, 2U}) {
        running_server server(*disk, {.threads = threads, .patience = milliseconds(1'000)});
        socket_client silent(server), idle(server);
        silent.shake_hands();
        idle.shake_hands();
        ask_for_more_than_it_reads(silent);
        works(idle);
        CHECK(server.end() == blk_status::ok);
        CHECK(silent.sees_end());
        CHECK(idle.sees_end());
    }
}

TEST_CASE("a client that says goodbye and does not fetch its replies loses its place") {
    const auto disk = memory_disk();
    running_server server(*disk, {.patience = milliseconds(1'000)});
    socket_client silent(server), other(server);
    silent.shake_hands();
    other.shake_hands();
    ask_for_more_than_it_reads(silent);
    works(other);
    silent.talk.ask(command::disc, 0, 0);
    silent.send(silent.talk.unsent());
    CHECK(server.has_connections(1));
    works(other);
}

TEST_CASE("a client that does not fetch its replies keeps nobody else waiting") {
    const auto disk = memory_disk();
    running_server server(*disk);
    socket_client silent(server), other(server);
    silent.shake_hands();
    ask_for_more_than_it_reads(silent);
    other.shake_hands();
    works(other);
}

TEST_CASE("replies that are fetched late are whole") {
    const auto disk = memory_disk();
    running_server server(*disk);
    socket_client client(server), writer(server);
    writer.shake_hands();
    client.shake_hands();
    const auto data = random_bytes(disk_bytes, test_seed());
    REQUIRE(writer.write(0, data) == 0);
    for (unsigned i = 0; i < 100; ++i)
        client.talk.ask(command::read, 0, disk_bytes);
    client.send(client.talk.unsent());
    client.talk.has_sent(client.talk.unsent().size());
    works(writer);
    REQUIRE(writer.write(0, data) == 0);
    CHECK(client.settle());
    CHECK(client.talk.replies() == 100);
}

TEST_CASE("garbage ends a connection, and keeps nobody else waiting") {
    const auto disk = memory_disk();
    running_server server(*disk);
    socket_client in_handshake(server), in_transmission(server), other(server);
    other.shake_hands();
    in_transmission.shake_hands();
    const message garbage(100, std::byte{0x5a});
    in_handshake.send(garbage);
    in_transmission.send(garbage);
    works(other);
    CHECK(in_handshake.sees_end());
    CHECK(in_transmission.sees_end());
    works(other);
}

TEST_CASE("half a request keeps nobody else waiting") {
    const auto disk = memory_disk();
    running_server server(*disk);
    socket_client header(server), payload(server), other(server);
    header.shake_hands();
    payload.shake_hands();
    other.shake_hands();
    header.send(bytes_view(read_request(512)).first(20));
    payload.talk.write(512 * 1024, random_bytes(300'000, test_seed()));
    payload.send(payload.talk.unsent().first(270'000));
    payload.talk.has_sent(270'000);
    works(other);
    header.send(bytes_view(read_request(512)).subspan(20));
    header.receive(nbd::simple_reply_bytes + 512);
    CHECK(payload.settle());
}

TEST_CASE("a client that says goodbye gets its replies, and then an end") {
    const auto disk = memory_disk();
    running_server server(*disk);
    socket_client client(server);
    client.shake_hands();
    const std::uint64_t read = client.talk.ask(command::read, 0, disk_bytes);
    client.talk.ask(command::disc, 0, 0);
    CHECK(client.settle());
    CHECK(client.talk.reply_to(read).data.size() == disk_bytes);
    CHECK(client.sees_end());
    CHECK(server.has_no_connections());
}

TEST_CASE("options whose answers are fetched late are answered, and what follows is taken up") {
    const auto disk = memory_disk();
    running_server server(*disk, {}, std::string(4000, 'd'));
    socket_client client(server);
    constexpr unsigned options = 200;
    constexpr std::uint16_t description = 2;
    message said = client_flags(3);
    for (unsigned i = 0; i < options; ++i)
        append(said, option_message(option::info, info_data("", {description})));
    client.send(said);
    client.receive(socket_client::greeting_bytes);
    client.hear_acknowledged(option::info, options);
    client.talk.say(option_message(option::go, info_data("")));
    for (unsigned i = 0; i < 1'000; ++i)
        client.talk.ask(command::read, 0, 512);
    client.send(client.talk.unsent());
    client.talk.has_sent(client.talk.unsent().size());
    client.hear_acknowledged(option::go, 1);
    CHECK(client.settle());
    CHECK(client.talk.replies() == 1'000);
}

TEST_CASE("requests allocate nothing") {
    if (!allocation_counter::available())
        return;
    const auto disk = memory_disk();
    running_server server(*disk);
    socket_client client(server);
    client.shake_hands();
    const auto request = read_request(4096);
    std::array<std::byte, nbd::simple_reply_bytes + 4096> reply;
    std::array<std::byte, nbd::request_header_bytes + 4096> write{};
    nbd::encode({.type = command::write, .length_bytes = 4096},
                std::span(write).first<nbd::request_header_bytes>());
    const auto ask_both = [&] {
        client.send(request);
        client.receive_into(reply);
        client.send(write);
        client.receive_into(std::span(reply).first<nbd::simple_reply_bytes>());
    };
    ask_both();
    const allocation_counter allocations;
    for (unsigned i = 0; i < 5'000; ++i)
        ask_both();
    const auto made = allocations.count();
    CHECK(made == 0);
}
