// SPDX-License-Identifier: Apache-2.0
// What is read and what is on the medium, after many requests of all kinds in flight together, their bytes
// cut at any place: against a model, and against another implementation of the cipher.
#include "tests/nbd/transmission_rig.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t sector_bytes = 512;
constexpr std::uint32_t mib = 1 << 20;

/// Of a request, and what it is expected to be answered with.
struct modelled_request {
    std::uint64_t begin;
    std::uint64_t end;
    std::uint64_t cookie;
    bool is_read;
    std::vector<std::byte> expected; // of a read
};

/// A client that asks for everything, never for a range that something in flight is about; and what the disk
/// holds by its account.
class modelled_client {
  public:
    modelled_client(transmission_rig& rig, std::uint64_t seed, std::uint32_t bytes_max)
        : on_(rig), random_(seed), bytes_max_(bytes_max), disk_(random_bytes(rig.options.size_bytes, seed)) {
        for (std::uint64_t at = 0; at < disk_.size(); at += 4 * mib)
            REQUIRE(on_.write(at, part(at, std::min<std::uint64_t>(4 * mib, disk_.size() - at))) == 0);
    }

    void run(unsigned requests) {
        for (unsigned i = 0; i < requests; ++i) {
            ask();
            const std::uint64_t steps = random_.below(12);
            for (std::uint64_t s = 0; s < steps; ++s)
                on_.step();
            see_answers();
        }
        on_.settle();
        see_answers();
        REQUIRE(in_flight_.empty());
    }
    bytes_view disk() const { return disk_; }

  private:
    bytes_span part(std::uint64_t begin, std::uint64_t bytes) {
        return bytes_span(disk_).subspan(begin, bytes);
    }

    /// Sizes of all orders, whole units as often as not.
    std::uint64_t choose_bytes() {
        const std::uint64_t bytes = (random_.next() & (bytes_max_ - 1)) >> random_.below(13);
        const std::uint64_t granule = random_.below(2) == 0 ? sector_bytes : 4096;
        return std::max<std::uint64_t>(bytes / granule, 1) * granule;
    }
    bool is_free(std::uint64_t begin, std::uint64_t end) const {
        return std::ranges::none_of(
            in_flight_, [=](const modelled_request& r) { return r.begin < end && begin < r.end; });
    }

    void ask() {
        const std::uint64_t bytes = std::min<std::uint64_t>(choose_bytes(), disk_.size());
        // Often right behind the last one, to share its data unit.
        std::uint64_t begin = last_end_;
        if (begin + bytes > disk_.size() || random_.below(3) == 0)
            begin = random_.below((disk_.size() - bytes) / sector_bytes + 1) * sector_bytes;
        if (!is_free(begin, begin + bytes))
            return;
        last_end_ = begin + bytes;
        constexpr std::array commands{command::read,  command::read, command::write,        command::write,
                                      command::write, command::trim, command::write_zeroes, command::flush};
        ask(commands.at(random_.below(commands.size())), begin, bytes);
    }

    void ask(command type, std::uint64_t begin, std::uint64_t bytes) {
        const std::uint16_t flags = random_.below(8) == 0 ? command_flag::fua : std::uint16_t{0};
        modelled_request r{begin, begin + bytes, 0, type == command::read, {}};
        const bytes_span place = part(begin, bytes);
        if (type == command::read)
            r.expected.assign(place.begin(), place.end());
        else if (type == command::write)
            random_.fill(place);
        else if (type == command::write_zeroes)
            std::ranges::fill(place, std::byte{0});
        else if (type == command::trim)
            trim(begin, begin + bytes);
        const bool has_range = type != command::flush;
        r.cookie = on_.client.ask(
            {flags, type, 0, has_range ? begin : 0, has_range ? static_cast<std::uint32_t>(bytes) : 0},
            type == command::write ? place : bytes_view());
        in_flight_.push_back(std::move(r));
    }

    /// Whole units become zeros on the medium.
    void trim(std::uint64_t begin, std::uint64_t end) {
        const std::uint64_t unit = std::max(on_.options.unit_bytes, sector_bytes);
        begin = (begin + unit - 1) / unit * unit;
        end = end / unit * unit;
        if (begin < end)
            std::ranges::copy(on_.deciphered_zeros(begin, end - begin), part(begin, end - begin).begin());
    }

    void see_answers() {
        std::erase_if(in_flight_, [&](const modelled_request& r) {
            if (!on_.client.was_answered(r.cookie))
                return false;
            const nbd_reply& reply = on_.client.reply_to(r.cookie);
            REQUIRE(reply.error == 0);
            REQUIRE(reply.data == r.expected);
            if (r.is_read && reply.is_structured)
                REQUIRE(reply.offset_bytes == r.begin);
            return true;
        });
        if (in_flight_.empty())
            on_.client.forget_replies();
    }

    transmission_rig& on_;
    random_source random_;
    const std::uint32_t bytes_max_;
    std::vector<std::byte> disk_;
    std::vector<modelled_request> in_flight_;
    std::uint64_t last_end_ = 0;
};

void run_model(const served_options& options, std::uint64_t seed, unsigned requests,
               std::uint32_t bytes_max) {
    CAPTURE(options.unit_bytes);
    CAPTURE(options.structured);
    CAPTURE(static_cast<int>(options.order));
    CAPTURE(seed);
    transmission_rig on(options);
    modelled_client client(on, seed, bytes_max);
    on.split_randomly(seed + 1);
    client.run(requests);
    CHECK(on.is_at_rest());
    CHECK(on.holds(client.disk()));
}

} // namespace

TEST_CASE(
    "small requests of all kinds, in flight together, agree with a model and leave the reference's bytes") {
    for (const std::uint32_t unit_bytes : {0U, 512U, 4096U, 65536U})
        for (const bool structured : {false, true})
            for (const auto order :
                 {completion_order::as_submitted, completion_order::shuffled, completion_order::timed})
                run_model({.unit_bytes = unit_bytes,
                           .structured = structured,
                           .size_bytes = 512 << 10,
                           .order = order},
                          test_seed() + unit_bytes, 150, 128 << 10);
}

TEST_CASE("requests of up to 4 MiB agree with a model and leave the reference's bytes") {
    for (const std::uint32_t unit_bytes : {0U, 4096U, 65536U})
        for (const auto order : {completion_order::shuffled, completion_order::timed})
            run_model({.unit_bytes = unit_bytes,
                       .structured = order == completion_order::timed,
                       .size_bytes = 12 * mib,
                       .order = order},
                      test_seed() + unit_bytes, 60, 4 * mib);
}

TEST_CASE("the number of a unit counts from the offset and carries, as do the bytes of the medium") {
    for (const uint256 offset : {uint256(0), uint256(UINT64_MAX - 3), uint256(1, UINT64_MAX, 5, 0)})
        run_model({.unit_bytes = 4096, .size_bytes = 256 << 10, .dun_offset = offset}, test_seed(), 40,
                  64 << 10);
}

TEST_CASE("the largest requests are moved whole, wherever they begin, one after the other and together") {
    for (const std::uint32_t unit_bytes : {0U, 65536U}) {
        transmission_rig on({.unit_bytes = unit_bytes, .size_bytes = 34 * mib});
        std::vector<std::byte> model(34 * mib);
        for (const std::uint32_t begin : {0U, 65024U}) {
            const auto data = random_bytes(32 * mib, test_seed() + begin);
            CHECK(on.write(begin, data) == 0);
            std::ranges::copy(data, model.begin() + begin);
            CHECK(on.read(begin, 32 * mib) == data);
        }
        on.client.forget_replies();
        const std::uint64_t first = on.client.ask(command::read, 512, 32 * mib);
        const std::uint64_t second = on.client.ask(command::read, 65536, 32 * mib - 512);
        on.settle();
        CHECK(std::ranges::equal(on.client.reply_to(first).data, bytes_view(model).subspan(512, 32 * mib)));
        CHECK(std::ranges::equal(on.client.reply_to(second).data,
                                 bytes_view(model).subspan(65536, 32 * mib - 512)));
        CHECK(on.is_at_rest());
    }
}

TEST_CASE("writes to parts of one unit that are in flight together leave all of them") {
    for (const std::uint32_t unit_bytes : {4096U, 65536U})
        for (const auto order : {completion_order::shuffled, completion_order::timed}) {
            transmission_rig on({.unit_bytes = unit_bytes, .size_bytes = 256 << 10, .order = order});
            auto model = random_bytes(256 << 10, test_seed());
            REQUIRE(on.write(0, model) == 0);
            random_source random(test_seed());
            for (int round = 0; round < 6; ++round) {
                for (std::uint64_t at = 0; at < 2 * unit_bytes;) {
                    const std::uint64_t bytes =
                        std::min((1 + random.below(3)) * sector_bytes, 2 * unit_bytes - at);
                    const bytes_span place = bytes_span(model).subspan(65536 + at, bytes);
                    random.fill(place);
                    on.client.write(65536 + at, place);
                    at += bytes;
                }
                on.settle();
                REQUIRE(on.is_at_rest());
            }
            CHECK(on.holds(model));
        }
}

TEST_CASE("bytes that come and go one by one are the same bytes") {
    for (const bool structured : {false, true}) {
        transmission_rig on({.unit_bytes = 4096, .structured = structured});
        const auto data = random_bytes(1536, test_seed());
        const std::uint64_t write = on.client.write(3584, data);
        const std::uint64_t read = on.client.ask(command::read, 0, 512);
        while (!on.client.unsent().empty()) {
            const bytes_span space = on.server->receive_space();
            REQUIRE(!space.empty());
            space[0] = on.client.unsent()[0];
            on.server->received(1);
            on.client.has_sent(1);
        }
        on.fetches = false;
        on.settle();
        while (!on.server->output().empty()) {
            on.client.receive(on.server->output()[0].first(1));
            on.server->sent(1);
        }
        CHECK(on.client.error_of(write) == 0);
        CHECK(on.client.reply_to(read).data.size() == 512);
        on.fetches = true;
        CHECK(on.read(3584, 1536) == data);
    }
}
