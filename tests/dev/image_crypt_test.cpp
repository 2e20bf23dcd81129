// SPDX-License-Identifier: Apache-2.0
// Encrypted I/O on image files, through the fallback and through an engine: the same work on both, more keys
// than slots, more bios than the depth, writes larger than the memory they are encrypted in.
#include "blkcrypto/base/worker_pool.hpp"
#include "blkcrypto/dev/inline_crypto_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"
#include "tests/dev/image_rig.hpp"
#include "tests/inline_crypt/test_keys.hpp"
#include "tests/reference_crypto/reference_crypto.hpp"
#include "tests/support/allocation_counter.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

// The image is lanes, one after the other. Each belongs to one key; at most one bio is in a lane at a time.
constexpr unsigned key_count = 7;
constexpr unsigned lane_count = 2 * key_count;
constexpr std::size_t lane_bytes = 131072;
constexpr std::size_t image_bytes = lane_count * lane_bytes;

// Little of everything: lanes are more than the depth, a lane is more than the bounce memory of either path.
constexpr queue_options small_queue{.depth = 4, .io_size_bytes = 4096, .bounce_bytes = 16384};
constexpr unsigned reserve_pages = 2;

/// Every other key has small units. The same for all stacks of a test.
struct key_set {
    key_set() : random(test_seed() + 77) {
        for (unsigned k = 0; k < key_count; ++k)
            keys.emplace_back(random, k % 2 == 0 ? 4096U : 512U);
    }
    const test_key& of_lane(unsigned lane) const { return keys[lane % key_count]; }
    std::uint32_t unit_bytes(unsigned lane) const { return of_lane(lane).key->config().unit_size.bytes(); }
    random_source random;
    std::deque<test_key> keys;
};

// About to carry out of the first limb, somewhere in each lane.
dun first_dun(unsigned lane) {
    return dun(uint256(UINT64_MAX - lane, lane, 0, 0));
}

enum class path : std::uint8_t { fallback, fallback_with_workers, engine };
constexpr path all_paths[] = {path::fallback, path::fallback_with_workers, path::engine};

const char* name_of(path p) {
    return p == path::fallback ? "fallback" : p == path::engine ? "engine" : "fallback with workers";
}

/// An image, a device on it, and one of the paths to it, on this thread.
struct encrypted_image {
    encrypted_image(path through, const key_set& keys, unsigned slots, result_filter* test_faults = nullptr)
        : image(image_bytes), env(*thread_env::make()),
          file(*make_image_device({.path = image.path(), .test_faults = test_faults})),
          workers(*worker_pool::make(2, "crypt")) {
        if (through == path::engine) {
            engine_profile profile = *find_engine_profile("generic");
            profile.keyslots = slots;
            engine = *make_inline_crypto_device(*file, profile, *env, {*workers, 2});
        } else {
            fallback_options options{.kernel = {.bounce_reserve_pages = reserve_pages}};
            if (through == path::fallback_with_workers) {
                options.decrypt_executor = workers.get();
                options.decrypt_workers = 2;
            }
            fallback = *crypto_fallback::make(*env, *make_keyslot_tfms(*env, slots, 2), options);
        }
        for (const test_key& key : keys.keys)
            REQUIRE_FALSE(start_using_key(*env, device(), fallback.get(), *key.key));
        queue = *submit_queue::make(device(), fallback.get(), *env, small_queue);
    }

    block_device& device() { return engine != nullptr ? *engine : *file; }

    void drain() {
        while (queue->in_flight() != 0)
            queue->wait();
    }
    blk_status run(test_io& io) {
        queue->submit(io.what);
        drain();
        return io.ended == 1 ? io.what.status : blk_status::timeout;
    }
    blk_status flush() {
        test_io io(bio_op::flush, {0}, {});
        return run(io);
    }

    temporary_image image;
    std::unique_ptr<thread_env> env;
    std::unique_ptr<block_device> file;
    std::unique_ptr<worker_pool> workers;
    std::unique_ptr<block_device> engine; // or the fallback
    std::unique_ptr<crypto_fallback> fallback;
    std::unique_ptr<submit_queue> queue;
};

/// A bio somewhere in a lane, in segments of whole units.
struct lane_io {
    lane_io(const key_set& keys, bio_op op, unsigned in_lane, std::size_t at, bytes_span with,
            random_source& random)
        : lane(in_lane), offset_bytes(at), memory(with) {
        const std::size_t unit = keys.unit_bytes(lane);
        std::vector<bio_vec> segments;
        for (std::size_t done = 0; done < memory.size();) {
            const std::size_t length = (1 + random.below((memory.size() - done) / unit)) * unit;
            segments.push_back(segment_of(memory.subspan(done, length)));
            done += length;
        }
        io.segments = std::move(segments);
        io.what.prepare(op, to_sectors_exact({lane * lane_bytes + at}), io.segments, io);
        dun first = first_dun(lane);
        first += at / unit;
        io.what.set_crypt_ctx(*keys.of_lane(lane).key, first);
    }

    const unsigned lane;
    const std::size_t offset_bytes; // in the lane
    const bytes_span memory;
    test_io io;
};

/// Memory for one bio in each lane, page-aligned with a little room behind each.
struct lane_memory {
    static constexpr std::size_t stride = lane_bytes + 4096;
    lane_memory() : buffer(lane_count * stride, guard_side::start) {}
    bytes_span of(unsigned lane, std::size_t shift, std::size_t size_bytes) {
        return buffer.bytes().subspan(lane * stride + shift, size_bytes);
    }
    guarded_buffer buffer;
};

void add_random_io(std::deque<lane_io>& ios, const key_set& keys, bio_op op, unsigned lane,
                   lane_memory& memory, random_source& random) {
    const std::size_t unit = keys.unit_bytes(lane), units = lane_bytes / unit;
    const std::size_t first = random.below(units), count = 1 + random.below(units - first);
    // Aligned memory goes past the page cache where the file allows it, other memory does not.
    const bytes_span data = memory.of(lane, random.below(2) * 13, count * unit);
    random.fill(data);
    ios.emplace_back(keys, op, lane, first * unit, data, random);
}

/// Writes all lanes, then reads and writes at random. False as soon as anything is not as in the model.
bool random_work(encrypted_image& on, const key_set& keys, std::vector<std::byte>& model, unsigned rounds) {
    random_source random(test_seed() + 5);
    lane_memory memory;
    for (unsigned round = 0; round <= rounds; ++round) {
        std::deque<lane_io> ios;
        for (unsigned lane = 0; lane < lane_count; ++lane) {
            const bio_op op = round == 0 || random.below(2) == 0 ? bio_op::write : bio_op::read;
            if (round == 0) {
                const bytes_span all = memory.of(lane, 0, lane_bytes);
                random.fill(all);
                ios.emplace_back(keys, op, lane, 0, all, random);
            } else {
                add_random_io(ios, keys, op, lane, memory, random);
            }
            const lane_io& made = ios.back();
            if (op == bio_op::write)
                std::ranges::copy(made.memory, &model[lane * lane_bytes + made.offset_bytes]);
            on.queue->submit(ios.back().io.what);
        }
        on.drain();
        for (const lane_io& l : ios) {
            const bytes_view expected =
                bytes_view(model).subspan(l.lane * lane_bytes + l.offset_bytes, l.memory.size());
            if (l.io.ended != 1 || l.io.what.status != blk_status::ok ||
                !std::ranges::equal(l.memory, expected))
                return false;
        }
    }
    return on.flush() == blk_status::ok;
}

/// One unit of a lane, as the reference decrypts it.
std::vector<std::byte> reference_plaintext(const key_set& keys, unsigned lane, std::size_t unit_index,
                                           bytes_view image) {
    const std::size_t unit = keys.unit_bytes(lane);
    std::vector<std::uint8_t> data(unit);
    std::memcpy(data.data(), &image[lane * lane_bytes + unit_index * unit], unit);
    dun number = first_dun(lane);
    number += unit_index;
    const auto number_bytes = number.value().little_endian();
    std::array<std::uint8_t, reference_crypto::iv_bytes> iv;
    std::memcpy(iv.data(), number_bytes.data(), iv.size());
    const auto& key = keys.of_lane(lane).bytes;
    REQUIRE(reference_crypto::decrypt_unit(
        "aes-256-xts", {reinterpret_cast<const std::uint8_t*>(key.data()), key.size()}, iv, data));
    const auto plain = std::as_bytes(std::span(data));
    return {plain.begin(), plain.end()};
}

/// A write and a read back of a whole lane.
bool moves_a_lane(encrypted_image& on, const key_set& keys, unsigned lane) {
    random_source random(test_seed() + lane);
    lane_memory memory;
    const bytes_span data = memory.of(0, 0, lane_bytes), back = memory.of(1, 0, lane_bytes);
    random.fill(data);
    lane_io write(keys, bio_op::write, lane, 0, data, random),
        read(keys, bio_op::read, lane, 0, back, random);
    return on.run(write.io) == blk_status::ok && on.run(read.io) == blk_status::ok &&
           std::ranges::equal(data, back);
}

} // namespace

TEST_CASE("fallback and engine leave the same image, and the reference decrypts it") {
    const key_set keys;
    for (const unsigned slots : {1U, 2U}) {
        std::vector<std::vector<std::byte>> images;
        std::vector<std::byte> model(image_bytes);
        for (const path through : all_paths) {
            CAPTURE(slots);
            INFO(name_of(through));
            encrypted_image on(through, keys, slots);
            REQUIRE(random_work(on, keys, model, 12));
            CHECK(on.queue->keyslot_use().evictions > 0);
            images.push_back(on.image.read_back(0, image_bytes));
        }
        CHECK(images[0] == images[1]);
        CHECK(images[0] == images[2]);
        random_source random(test_seed());
        for (unsigned i = 0; i < 10 * lane_count; ++i) {
            const unsigned lane = i % lane_count;
            const std::size_t unit = keys.unit_bytes(lane), n = random.below(lane_bytes / unit);
            const bytes_view plain = bytes_view(model).subspan(lane * lane_bytes + n * unit, unit);
            REQUIRE(std::ranges::equal(reference_plaintext(keys, lane, n, images[0]), plain));
        }
    }
}

TEST_CASE("an error of the image file ends an encrypted bio once with its status, and the next one works") {
    const key_set keys;
    for (const path through : all_paths) {
        INFO(name_of(through));
        faults tampering;
        encrypted_image on(through, keys, 1, &tampering);
        random_source random(test_seed());
        lane_memory memory;
        REQUIRE(moves_a_lane(on, keys, 0));
        for (const auto& [error, status] :
             {std::pair{EIO, blk_status::ioerr}, std::pair{ENOSPC, blk_status::nospc}})
            for (const bio_op op : {bio_op::write, bio_op::read})
                for (unsigned lane = 0; lane < key_count; ++lane) {
                    const bytes_span data = memory.of(lane, 0, 4096);
                    random.fill(data);
                    const std::vector<std::byte> before(data.begin(), data.end());
                    lane_io failing(keys, op, lane, 0, data, random);
                    tampering.fail(error, 1);
                    CHECK(on.run(failing.io) == status);
                    if (op == bio_op::write)
                        CHECK(std::ranges::equal(data, before));
                    CHECK(tampering.errors_left == 0);
                    CHECK(moves_a_lane(on, keys, (lane + 1) % key_count));
                }
    }
}

TEST_CASE("a read that the image file fails is not decrypted") {
    const key_set keys;
    for (const path through : all_paths) {
        INFO(name_of(through));
        faults tampering;
        encrypted_image on(through, keys, 1, &tampering);
        REQUIRE(moves_a_lane(on, keys, 0));
        const auto ciphertext = on.image.read_back(0, lane_bytes);
        random_source random(test_seed());
        lane_memory memory;
        lane_io read(keys, bio_op::read, 0, 0, memory.of(0, 0, lane_bytes), random);
        tampering.fail(EIO, 1);
        CHECK(on.run(read.io) == blk_status::ioerr);
        // The kernel did read it, only the result says otherwise: undecrypted it is what is in the image.
        CHECK(std::ranges::equal(read.memory, ciphertext));
    }
}

TEST_CASE("a write in pieces fails at any of its pieces once, and then works") {
    const key_set keys;
    for (const path through : all_paths) {
        INFO(name_of(through));
        faults tampering;
        encrypted_image on(through, keys, 1, &tampering);
        random_source random(test_seed());
        lane_memory memory;
        const bytes_span data = memory.of(0, 0, lane_bytes);
        random.fill(data);
        lane_io whole(keys, bio_op::write, 0, 0, data, random);
        REQUIRE(on.run(whole.io) == blk_status::ok);
        // Until there is no such piece. The kernel may have put one off: their number is not always the same.
        unsigned failing = 0;
        for (bool has_failed = true; has_failed; ++failing) {
            CAPTURE(failing);
            lane_io write(keys, bio_op::write, 0, 0, data, random);
            tampering.fail(ENOSPC, 1, failing);
            const blk_status status = on.run(write.io);
            has_failed = tampering.errors_left == 0;
            CHECK(status == (has_failed ? blk_status::nospc : blk_status::ok));
        }
        CHECK(failing > 2);
        tampering.fail(0, 0);
        for (unsigned lane = 0; lane < key_count; ++lane)
            CHECK(moves_a_lane(on, keys, lane));
    }
}

TEST_CASE("among bios of one transfer each, as many fail as the image file fails") {
    const key_set keys;
    for (const path through : all_paths)
        for (const bio_op op : {bio_op::write, bio_op::read}) {
            INFO(name_of(through));
            faults tampering;
            encrypted_image on(through, keys, 2, &tampering);
            random_source random(test_seed());
            lane_memory memory;
            std::deque<lane_io> ios;
            tampering.fail(EIO, 5, 3);
            for (unsigned lane = 0; lane < lane_count; ++lane) {
                ios.emplace_back(keys, op, lane, 0, memory.of(lane, 0, keys.unit_bytes(lane)), random);
                on.queue->submit(ios.back().io.what);
            }
            on.drain();
            CHECK(std::ranges::all_of(ios, [](const lane_io& l) { return l.io.ended == 1; }));
            CHECK(std::ranges::count_if(
                      ios, [](const lane_io& l) { return l.io.what.status == blk_status::ioerr; }) == 5);
            CHECK(moves_a_lane(on, keys, 1));
        }
}

TEST_CASE("encrypted bios survive short transfers, wherever they stop") {
    const key_set keys;
    for (const path through : all_paths)
        for (const int bytes_max : {513, 4096, 5000}) {
            INFO(name_of(through));
            CAPTURE(bytes_max);
            faults tampering;
            tampering.bytes_max = bytes_max;
            encrypted_image on(through, keys, 1, &tampering);
            std::vector<std::byte> model(image_bytes);
            CHECK(random_work(on, keys, model, 1));
        }
}

TEST_CASE("a failing flush says so, and the next one does not") {
    const key_set keys;
    for (const path through : all_paths) {
        INFO(name_of(through));
        faults tampering;
        encrypted_image on(through, keys, 1, &tampering);
        tampering.fail(EIO, 1);
        CHECK(on.flush() == blk_status::ioerr);
        CHECK(on.flush() == blk_status::ok);
    }
}

TEST_CASE("encrypted I/O on an image file allocates nothing") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    const key_set keys;
    for (const path through : all_paths) {
        INFO(name_of(through));
        encrypted_image on(through, keys, 2);
        random_source random(test_seed());
        lane_memory memory;
        std::deque<lane_io> ios;
        for (unsigned lane = 0; lane < lane_count; ++lane)
            add_random_io(ios, keys, bio_op::write, lane, memory, random);
        const allocation_counter counter;
        for (const bio_op op : {bio_op::write, bio_op::read}) {
            for (lane_io& l : ios) {
                l.io.what.op = op;
                on.queue->submit(l.io.what);
            }
            on.drain();
        }
        CHECK(counter.count() == 0);
        CHECK(std::ranges::all_of(
            ios, [](const lane_io& l) { return l.io.ended == 2 && l.io.what.status == blk_status::ok; }));
    }
}
