// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/memory_device.hpp"
#include "tests/nbd/late_device.hpp"
#include "tests/nbd/server_rig.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;
using nbd::option;
using nbd::server;

namespace {

constexpr std::uint64_t disk_bytes = 1 << 20;

std::unique_ptr<block_device> memory_disk() {
    return *make_memory_device(to_sectors_floor({disk_bytes}));
}

nbd::served_disk served(block_device& device) {
    return {.info = {.name = {}, .description = {}, .size_bytes = disk_bytes}, .device = device};
}

/// Writes one sector after the other, each full of its number, until there comes an end.
struct restless_client {
    restless_client(const running_server& server, std::size_t first) : client(server), first_sector(first) {
        client.shake_hands();
    }
    void run() {
        bool goes_on = true;
        for (; goes_on && acknowledged < sectors; acknowledged += goes_on ? 1 : 0)
            goes_on = write(acknowledged);
        has_ended = !goes_on;
    }
    bool write(std::size_t n) {
        const std::uint64_t cookie = client.talk.write((first_sector + n) * 512, content(n));
        const bool goes_on = client.settle();
        return client.talk.was_answered(cookie) && client.talk.error_of(cookie) == 0 && goes_on;
    }
    static std::vector<std::byte> content(std::size_t n) {
        return std::vector<std::byte>(512, static_cast<std::byte>(n % 255 + 1));
    }

    static constexpr std::size_t sectors = 512;
    socket_client client;
    const std::size_t first_sector;
    std::size_t acknowledged = 0;
    bool has_ended = false;
};

bool is_stable(const late_device& disk, const restless_client& of) {
    for (std::size_t n = 0; n < of.acknowledged; ++n)
        if (!std::ranges::equal(bytes_view(disk.stable()).subspan((of.first_sector + n) * 512, 512),
                                restless_client::content(n)))
            return false;
    return true;
}

} // namespace

TEST_CASE("a server that is stopped under load has made stable whatever it has acknowledged") {
    late_device disk(disk_bytes);
    running_server server(disk, {.threads = 2});
    std::vector<std::unique_ptr<restless_client>> clients;
    for (std::size_t i = 0; i < 4; ++i)
        clients.push_back(std::make_unique<restless_client>(server, i * restless_client::sectors));
    std::vector<std::thread> threads;
    for (const auto& each : clients)
        threads.emplace_back([&each] { each->run(); });
    CHECK(becomes_true([&] { return server.statistics().commands.of[1].requests >= 100; }));
    CHECK(server.end() == blk_status::ok);
    for (auto& thread : threads)
        thread.join();
    for (const auto& each : clients) {
        CHECK(each->has_ended);
        CHECK(is_stable(disk, *each));
    }
}

TEST_CASE("a stopped server ends what is in flight, and answers") {
    late_device disk(disk_bytes);
    running_server server(disk);
    socket_client client(server);
    client.shake_hands();
    disk.hold_back();
    const auto data = random_bytes(512, test_seed());
    const std::uint64_t cookie = client.talk.write(0, data);
    client.send(client.talk.unsent());
    client.talk.has_sent(client.talk.unsent().size());
    disk.wait_for_held(1);
    server.begin_stop();
    CHECK(server.statistics().connections == 1);
    CHECK_FALSE(server.has_ended());
    disk.let_go();
    CHECK(client.settle());
    CHECK(client.talk.error_of(cookie) == 0);
    CHECK(client.sees_end());
    CHECK(server.end() == blk_status::ok);
    CHECK(std::ranges::equal(bytes_view(disk.stable()).first(512), data));
}

TEST_CASE("a stopped server waits for what is in flight though its client has gone") {
    late_device disk(disk_bytes);
    running_server server(disk);
    const auto data = random_bytes(512, test_seed());
    disk.hold_back();
    {
        socket_client client(server);
        client.shake_hands();
        client.talk.write(0, data);
        client.send(client.talk.unsent());
        disk.wait_for_held(1);
    }
    server.begin_stop();
    CHECK(server.statistics().connections == 1);
    disk.let_go();
    CHECK(server.end() == blk_status::ok);
    CHECK(std::ranges::equal(bytes_view(disk.stable()).first(512), data));
}

TEST_CASE("a server says whether what it has written is stable") {
    late_device disk(disk_bytes);
    running_server server(disk);
    disk.fail(bio_op::flush, blk_status::medium);
    CHECK(server.end() == blk_status::medium);
}

TEST_CASE("a server that is stopped flushes though nobody has asked for it") {
    late_device disk(disk_bytes);
    running_server server(disk, {.threads = 2});
    CHECK(server.end() == blk_status::ok);
    CHECK(disk.flushes() == 1);
}

TEST_CASE("handshakes that are under way are ended by a stop") {
    const auto disk = memory_disk();
    for (const unsigned threads : {1U, 2U}) {
        running_server server(*disk, {.threads = threads});
        socket_client silent(server), slow(server), halfway(server);
        slow.send(bytes_view(slow.hello()).first(10));
        halfway.send(client_flags(3));
        CHECK(server.has_connections(3));
        server.begin_stop();
        CHECK(silent.sees_end());
        CHECK(slow.sees_end());
        CHECK(halfway.sees_end());
        CHECK(server.end() == blk_status::ok);
    }
}

TEST_CASE("half a request is forgotten by a stop") {
    const auto disk = memory_disk();
    running_server server(*disk);
    socket_client header(server), payload(server);
    header.shake_hands();
    payload.shake_hands();
    payload.talk.write(0, random_bytes(4096, test_seed()));
    header.send(payload.talk.unsent().first(10));
    payload.send(payload.talk.unsent().first(1000));
    server.begin_stop();
    CHECK(header.sees_end());
    CHECK(payload.sees_end());
    CHECK(server.end() == blk_status::ok);
}

TEST_CASE("clients that come just when the server stops find an end") {
    const auto disk = memory_disk();
    for (unsigned round = 0; round < 100; ++round) {
        running_server server(*disk, {.threads = 2});
        std::vector<std::unique_ptr<socket_client>> clients;
        std::promise<void> have_come;
        server.post([&](nbd::server& s) {
            for (unsigned i = 0; i < 3; ++i)
                clients.push_back(std::make_unique<socket_client>(server.path()));
            for (unsigned i = 0; i < round % 4; ++i)
                boost::asio::post(s.context(), [] {});
            boost::asio::post(s.context(), [&s] { s.stop(); });
            have_come.set_value();
        });
        server.expect_stop();
        have_come.get_future().get();
        for (const auto& client : clients)
            CHECK(client->sees_end());
        CHECK(server.end() == blk_status::ok);
    }
}

TEST_CASE("statistics are told while a stopped server ends what is in flight") {
    late_device disk(disk_bytes);
    running_server server(disk, {.threads = 3});
    socket_client client(server);
    client.shake_hands();
    disk.hold_back();
    client.talk.write(0, random_bytes(512, test_seed()));
    client.send(client.talk.unsent());
    disk.wait_for_held(1);
    server.begin_stop();
    for (unsigned i = 0; i < 100; ++i)
        CHECK(server.statistics().connections == 1);
    disk.let_go();
    CHECK(server.end() == blk_status::ok);
}

TEST_CASE("a server may be stopped before it runs, twice, or not run at all") {
    const auto disk = memory_disk();
    const nbd::served_disk what = served(*disk);
    temporary_folder folder;
    for (const unsigned threads : {1U, 3U})
        for (const bool runs : {true, false}) {
            const auto made = *server::make(what, {.threads = threads});
            made->listen(*nbd::listener::at_path(made->context(), folder.path_of("socket")));
            socket_client client(folder.path_of("socket"));
            if (runs) {
                made->stop();
                made->stop();
                CHECK(made->run() == blk_status::ok);
                CHECK(client.sees_end());
            }
        }
}

TEST_CASE("a server needs a thread") {
    const auto disk = memory_disk();
    const nbd::served_disk what = served(*disk);
    CHECK(server::make(what, {.threads = 0}).error() == make_error(EINVAL));
}
