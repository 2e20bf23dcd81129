// SPDX-License-Identifier: Apache-2.0
#include "blkcrypto/dev/memory_device.hpp"
#include "tests/nbd/late_device.hpp"
#include "tests/nbd/server_rig.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;
using nbd::option;

namespace {

constexpr std::uint64_t disk_bytes = 1 << 20;
constexpr std::uint32_t part_bytes = 64 << 10;

std::unique_ptr<block_device> memory_disk() {
    return *make_memory_device(to_sectors_floor({disk_bytes}));
}

void ask_often(nbd_client& client, unsigned requests, std::uint64_t offset_bytes) {
    for (unsigned i = 0; i < requests; ++i)
        client.ask(command::read, offset_bytes, 512);
}

std::vector<std::unique_ptr<socket_client>> clients_of(const running_server& server, std::size_t number) {
    std::vector<std::unique_ptr<socket_client>> clients;
    for (std::size_t i = 0; i < number; ++i) {
        clients.push_back(std::make_unique<socket_client>(server, i % 2 == 1));
        clients.back()->shake_hands();
    }
    return clients;
}

} // namespace

TEST_CASE("what one connection writes all others read, on one thread and on several") {
    for (const unsigned threads : {1U, 2U, 3U}) {
        CAPTURE(threads);
        const auto disk = memory_disk();
        running_server server(*disk, {.threads = threads});
        const auto clients = clients_of(server, 5);
        const auto data = random_bytes(clients.size() * part_bytes, test_seed() + threads);
        for (std::size_t i = 0; i < clients.size(); ++i)
            CHECK(clients[i]->write(i * part_bytes, bytes_view(data).subspan(i * part_bytes, part_bytes)) ==
                  0);
        for (const auto& client : clients)
            CHECK(client->read(0, static_cast<std::uint32_t>(data.size())) == data);
        CHECK(server.end() == blk_status::ok);
    }
}

TEST_CASE("a flush makes stable what other connections have written") {
    for (const unsigned threads : {1U, 2U}) {
        late_device disk(disk_bytes);
        running_server server(disk, {.threads = threads});
        const auto clients = clients_of(server, 2);
        const auto data = random_bytes(part_bytes, test_seed());
        CHECK(clients[0]->write(0, data) == 0);
        CHECK(clients[1]->flush() == 0);
        CHECK(std::ranges::equal(bytes_view(disk.stable()).first(part_bytes), data));
        server.end();
    }
}

TEST_CASE("a device that ends its bios on other threads wakes the loop each time") {
    late_device disk(disk_bytes);
    running_server server(disk, {.threads = 2});
    const auto clients = clients_of(server, 2);
    const auto data = random_bytes(4096, test_seed());
    for (unsigned i = 0; i < 500; ++i) {
        REQUIRE(clients[i % 2]->write((i % 16) * 4096, data) == 0);
        REQUIRE(clients[1 - i % 2]->read((i % 16) * 4096, 4096) == data);
    }
}

TEST_CASE("what the device fails with is told to the client, who may go on") {
    late_device disk(disk_bytes);
    running_server server(disk);
    socket_client client(server);
    client.shake_hands();
    const auto data = random_bytes(512, test_seed());
    disk.fail(bio_op::write, blk_status::medium);
    CHECK(client.write(0, data) == nbd_eio);
    disk.fail(bio_op::write, blk_status::nospc);
    CHECK(client.write(0, data) == nbd_enospc);
    disk.fail(bio_op::flush, blk_status::ioerr);
    CHECK(client.flush() == nbd_eio);
    CHECK(client.write(0, data) == 0);
    CHECK(client.read(0, 512) == data);
    disk.fail(bio_op::flush, blk_status::ok);
}

TEST_CASE("bytes may come one at a time") {
    const auto disk = memory_disk();
    running_server server(*disk);
    socket_client client(server);
    client.drip(client.hello());
    client.hear_welcome();
    const auto data = random_bytes(512, test_seed());
    const std::uint64_t write = client.talk.write(1024, data);
    const std::uint64_t read = client.talk.ask(command::read, 1024, 512);
    client.drip(client.talk.unsent());
    client.talk.has_sent(client.talk.unsent().size());
    REQUIRE(client.settle());
    CHECK(client.talk.error_of(write) == 0);
    CHECK(client.talk.reply_to(read).data == data);
}

TEST_CASE("more requests than are taken at once may come at once") {
    const auto disk = memory_disk();
    running_server server(*disk);
    socket_client client(server);
    client.shake_hands();
    ask_often(client.talk, 2'000, 0);
    CHECK(client.settle());
    CHECK(client.talk.replies() == 2'000);
}

TEST_CASE("more requests than are taken at once, all of them wrong, are answered") {
    const auto disk = memory_disk();
    running_server server(*disk);
    socket_client client(server);
    client.shake_hands();
    ask_often(client.talk, 2'000, disk_bytes);
    CHECK(client.settle());
    CHECK(client.talk.replies() == 2'000);
}

TEST_CASE("requests may come along with the end of the handshake") {
    const auto disk = memory_disk();
    running_server server(*disk);
    for (const unsigned requests : {1U, 2U, 255U, 257U, 520U, 2'000U})
        for (const std::uint64_t offset_bytes : {std::uint64_t{0}, disk_bytes}) {
            CAPTURE(requests);
            CAPTURE(offset_bytes);
            socket_client client(server);
            client.talk.say(client.hello());
            ask_often(client.talk, requests, offset_bytes);
            client.send(client.talk.unsent());
            client.talk.has_sent(client.talk.unsent().size());
            client.hear_welcome();
            REQUIRE(client.settle());
            CHECK(client.talk.replies() == requests);
        }
}

TEST_CASE("more options than there is room to answer may come at once") {
    const auto disk = memory_disk();
    running_server server(*disk);
    socket_client client(server);
    message said = client_flags(3);
    for (unsigned i = 0; i < 200; ++i)
        append(said, option_message(option::list));
    append(said, option_message(option::go, info_data("")));
    client.send(said);
    client.hear_welcome();
    CHECK(client.read(0, 512) == std::vector<std::byte>(512));
}

TEST_CASE("a client over TCP is served") {
    const auto disk = memory_disk();
    running_server server(*disk, {.threads = 2});
    std::promise<std::string> uri;
    server.post([&](nbd::server& s) {
        auto at = *nbd::listener::at_loopback(s.context(), "127.0.0.1", 0);
        uri.set_value(at.uri());
        s.listen(std::move(at));
    });
    const std::string where = uri.get_future().get();
    for (unsigned i = 0; i < 4; ++i) {
        socket_client client(static_cast<std::uint16_t>(std::stoul(where.substr(where.rfind(':') + 1))));
        client.shake_hands();
        CHECK(client.read(0, 4096) == std::vector<std::byte>(4096));
    }
}

TEST_CASE("the statistics are the sum of all threads") {
    const auto disk = memory_disk();
    running_server server(*disk, {.threads = 3});
    const auto clients = clients_of(server, 7);
    for (std::size_t i = 0; i < clients.size(); ++i)
        for (std::size_t n = 0; n <= i; ++n)
            clients[i]->read(0, 512);
    clients[0]->write(0, random_bytes(1024, test_seed()));
    clients[1]->write(disk_bytes, random_bytes(1024, test_seed()));
    const auto sum = server.statistics();
    CHECK(sum.connections == 7);
    CHECK(sum.commands.of[0].requests == 28);
    CHECK(sum.commands.of[0].bytes == 28 * 512);
    CHECK(sum.commands.of[1].requests == 2);
    CHECK(sum.commands.of[1].bytes == 1024);
    CHECK(sum.commands.of[1].errors == 1);
    CHECK(sum.commands.of[0].latency.quantile_ns(0.5) > 0);
}
