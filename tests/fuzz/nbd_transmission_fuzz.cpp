// SPDX-License-Identifier: Apache-2.0
// Any bytes as what a client sends, over a small disk in memory, plain and under a key. The first bytes of an
// input choose what was negotiated and where the rest is cut. What comes of it: the client is answered with
// no more than it may be, the same however its bytes are cut, and nothing is left when it is gone.
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/dev/range_lock_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"
#include "blkcrypto/nbd/transmission.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/simulated_env.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace {

using namespace blkcrypto;
using namespace blkcrypto::nbd;
using namespace blkcrypto::test;

constexpr std::uint64_t disk_bytes = 1 << 20;
constexpr std::uint32_t block_bytes_max = 384 << 10; // more than a chunk
constexpr std::size_t choices_bytes = 4;

void require(bool holds, const char* what) {
    if (holds)
        return;
    std::fprintf(stderr, "nbd_transmission_fuzz: %s\n", what);
    std::abort();
}

/// What the first bytes of an input say.
struct choices {
    explicit choices(bytes_view from) {
        const auto bits = std::to_integer<unsigned>(from[0]);
        agreed.structured_replies = (bits & 1) != 0;
        agreed.base_allocation = (bits & 3) == 3;
        read_only = (bits & 4) != 0;
        has_key = (bits & 8) != 0;
        stops_early = (bits & 16) != 0;
        unit_bytes = 512U << (bits >> 5);
        seed = load_little<std::uint16_t>(from.data() + 1);
    }
    negotiated agreed;
    bool read_only;
    bool has_key;
    bool stops_early; // the server does, instead of the client
    std::uint32_t unit_bytes;
    std::uint64_t seed;
};

/// What was sent, however its parts were ordered: requests that are refused may be answered before others.
struct answered_bytes {
    void add(bytes_view view) {
        count += view.size();
        for (const std::byte b : view)
            ++of[std::to_integer<std::size_t>(b)];
    }
    std::uint64_t count = 0;
    std::array<std::uint64_t, 256> of{};
};

struct holes_in_quarters final : allocation_map {
    allocation_extent extent_at(std::uint64_t offset_bytes) const noexcept override {
        constexpr std::uint64_t quarter = disk_bytes / 4;
        return {quarter - offset_bytes % quarter, offset_bytes / quarter % 2 == 1};
    }
};

/// A disk of its own, and a client that sends the input in pieces.
class session {
  public:
    explicit session(const choices& chosen)
        : chosen_(chosen), random_(chosen.seed), image_(disk_bytes, std::byte{0x5a}),
          medium_(make_memory_device(image_)),
          fallback_(*crypto_fallback::make(e_, *make_keyslot_tfms(e_, 2, 1), {})),
          device_(*make_range_lock_device(*medium_, fallback_.get(), e_)),
          key_(*crypto_key::make(counting_bytes(64),
                                 {crypto_mode::aes_256_xts, *data_unit_size::make(chosen.unit_bytes), 16})),
          disk_{.info = {.name = {},
                         .description = {},
                         .size_bytes = disk_bytes,
                         .block_bytes_max = block_bytes_max,
                         .read_only = chosen.read_only},
                .device = *device_,
                .holes = chosen.has_key ? nullptr : &holes_} {
        if (chosen.has_key) {
            require(!start_using_key(e_, *device_, nullptr, *key_), "no key");
            disk_.key = key_.get();
        }
        queue_ = *device_->make_queue(e_, {.depth = 4});
        server_ = *transmission::make(disk_, chosen.agreed, *queue_, counters_);
    }

    /// In pieces that the seed chooses, or in the largest that are taken. What was answered.
    answered_bytes run(bytes_view input, bool cuts) {
        while (!input.empty() && server_->takes_input()) {
            const bytes_span space = server_->receive_space();
            std::size_t bytes = std::min(space.size(), input.size());
            if (cuts && bytes != 0)
                bytes = std::min<std::size_t>(bytes, 1 + random_.below(random_.below(2) == 0 ? 40 : 100'000));
            std::copy_n(input.begin(), bytes, space.begin());
            if (bytes != 0)
                server_->received(bytes);
            input = input.subspan(bytes);
            if (bytes == 0 || !cuts || random_.below(2) == 0)
                make_progress(bytes == 0);
        }
        if (chosen_.stops_early)
            server_->stop();
        return finish();
    }

  private:
    void make_progress(bool must) {
        unsigned polls = 0;
        for (; must && server_->receive_space().empty() && server_->takes_input() && polls < 100'000; ++polls)
            poll_and_fetch();
        require(polls < 100'000, "it waits for nothing");
        poll_and_fetch();
    }

    answered_bytes finish() {
        for (unsigned polls = 0; polls < 100'000 && queue_->in_flight() != 0; ++polls)
            poll_and_fetch();
        require(queue_->in_flight() == 0, "a bio that does not end");
        while (fetch()) {
        }
        server_->client_gone();
        require(server_->output().empty(), "something to be sent to nobody");
        require(server_->is_idle() && queue_->pools_are_whole(), "something is left");
        server_.reset();
        return answered_;
    }

    void poll_and_fetch() {
        queue_->poll();
        server_->resume();
        fetch();
    }

    bool fetch() {
        std::size_t bytes = 0;
        for (const bytes_view view : server_->output()) {
            require(!view.empty() && view.size() <= chunk_bytes, "a part of no size, or more than a chunk");
            answered_.add(view);
            bytes += view.size();
        }
        if (bytes != 0)
            server_->sent(bytes);
        return bytes != 0;
    }

    const choices chosen_;
    random_source random_;
    simulated_env e_{1};
    std::vector<std::byte> image_;
    const holes_in_quarters holes_;
    const std::unique_ptr<block_device> medium_;
    const std::unique_ptr<crypto_fallback> fallback_;
    const std::unique_ptr<block_device> device_;
    const std::unique_ptr<crypto_key> key_;
    served_disk disk_;
    command_counters counters_;
    std::unique_ptr<block_queue> queue_;
    std::unique_ptr<transmission> server_;
    answered_bytes answered_;
};

} // namespace

// Plain requests that overlap are carried out as they come. Under a key those that cut data units are not, so
// that only the size of what is answered is certain.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < choices_bytes)
        return 0;
    const bytes_view input = std::as_bytes(std::span(data, size));
    const choices chosen(input.first(choices_bytes));
    const bytes_view sent = input.subspan(choices_bytes);
    const answered_bytes whole = session(chosen).run(sent, false);
    const answered_bytes cut = session(chosen).run(sent, true);
    require(whole.count <= sent.size() / request_header_bytes * (block_bytes_max + sizeof(request_header)),
            "more is answered than may be asked for");
    require(whole.count == cut.count, "more or less is answered where the bytes are cut elsewhere");
    require(chosen.has_key || whole.of == cut.of, "another answer where the bytes are cut elsewhere");
    return 0;
}
