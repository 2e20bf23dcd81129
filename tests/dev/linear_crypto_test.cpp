// SPDX-License-Identifier: Apache-2.0
// Crypto contexts through a linear device: what it says it can do, where keys are evicted, and that the DUN
// goes on where the sector does not.
#include "blkcrypto/dev/inline_crypto_device.hpp"
#include "blkcrypto/dev/linear_device.hpp"
#include "blkcrypto/dev/memory_device.hpp"
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "blkcrypto/inline_crypt/submit.hpp"
#include "tests/dev/test_io.hpp"
#include "tests/inline_crypt/test_keys.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/property.hpp"
#include "tests/support/simulated_device.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint64_t lower_sectors = 1024;
constexpr std::uint32_t unit_bytes = 4096;
constexpr std::uint64_t unit_sectors = unit_bytes / sector_size_bytes;
constexpr std::uint64_t boundary = 5 * unit_sectors;
constexpr sector first_begin{300}, second_begin{17}; // neither is where its DUN would be

/// Two engines, each over a medium of its own; the linear device goes from one to the other at `boundary`.
struct two_engines {
    two_engines()
        : e(test_seed()), random(test_seed()), engine_thread(e, test_seed() + 1, 2000),
          media{std::vector<std::byte>(lower_sectors * sector_size_bytes),
                std::vector<std::byte>(lower_sectors * sector_size_bytes)} {
        for (std::size_t i = 0; i < 2; ++i) {
            memory[i] = make_memory_device(media[i]);
            engine[i] = *make_inline_crypto_device(*memory[i], *find_engine_profile("generic"), e,
                                                   {engine_thread, 1});
        }
        device = *make_linear_device(
            {{engine[0].get(), first_begin, {boundary}}, {engine[1].get(), second_begin, {512}}}, e);
        queue = *device->make_queue(e, {.depth = 4});
    }

    /// What lies on the media behind the linear device, in its order: more than up to the boundary.
    std::vector<std::byte> everything(std::size_t size_bytes) const {
        constexpr std::size_t first_bytes = boundary * sector_size_bytes;
        std::vector<std::byte> all(size_bytes);
        std::ranges::copy(bytes_view(media[0]).subspan(to_bytes(first_begin).value, first_bytes),
                          all.begin());
        std::ranges::copy(
            bytes_view(media[1]).subspan(to_bytes(second_begin).value, size_bytes - first_bytes),
            all.begin() + first_bytes);
        return all;
    }

    simulated_env e;
    random_source random;
    simulated_executor engine_thread;
    std::array<std::vector<std::byte>, 2> media;
    std::array<std::unique_ptr<block_device>, 2> memory, engine;
    std::unique_ptr<block_device> device;
    std::unique_ptr<block_queue> queue;
};

/// Keyslots that fail to evict as they are told, and know how often they were asked.
struct failing_slots final : crypto_ll_ops {
    std::error_code keyslot_program(const key_request&, keyslot_index, acquire_context&) noexcept override {
        return {};
    }
    std::error_code keyslot_evict(env&, const key_request* key, keyslot_index) noexcept override {
        ++evictions;
        last = key;
        return error;
    }
    std::error_code error;
    int evictions = 0;
    const key_request* last = nullptr;
};

crypto_capabilities all_of_xts(std::uint8_t dun_bytes_max = 16) {
    crypto_capabilities can;
    can.unit_sizes[mode_index(crypto_mode::aes_256_xts)] = all_unit_sizes;
    can.dun_bytes_max = dun_bytes_max;
    return can;
}

/// A lower device that says it encrypts; null: one that cannot.
struct claiming_device {
    claiming_device(env& e, const crypto_capabilities* native)
        : device({lower_sectors}, completion_order::as_submitted, test_seed()) {
        if (native == nullptr)
            return;
        profile = *crypto_profile::make(e, *native, 0, slots);
        device.claim_native(*native, profile.get());
    }
    failing_slots slots;
    simulated_device device;
    std::unique_ptr<crypto_profile> profile;
};

crypto_capabilities random_capabilities(random_source& random) {
    crypto_capabilities can;
    for (const auto& mode : crypto_modes()) // most bits set, or little would be left of several
        can.unit_sizes[mode_index(mode.mode)] = (random.next() | random.next()) & all_unit_sizes;
    can.dun_bytes_max = static_cast<std::uint8_t>(8 + random.below(25));
    return can;
}

/// Every configuration that could be asked for.
std::vector<crypto_config> all_configs() {
    std::vector<crypto_config> all;
    for (const auto& mode : crypto_modes())
        for (std::uint32_t bytes = data_unit_size::min_bytes; bytes <= data_unit_size::max_bytes; bytes *= 2)
            for (unsigned dun_bytes = 1; dun_bytes <= iv_size_max_bytes; ++dun_bytes)
                all.push_back({mode.mode, unit_of(bytes), static_cast<std::uint8_t>(dun_bytes)});
    return all;
}

} // namespace

// --- capabilities ---

TEST_CASE("stacked capabilities are the intersection, and adding a lower device never enlarges them" *
          PROPERTY(32)) {
    random_source random(test_seed());
    simulated_env e(test_seed());
    const std::vector<crypto_config> configs = all_configs();
    for (int round = 0; round < 20; ++round) {
        std::deque<claiming_device> lowers;
        std::vector<linear_target> targets;
        std::vector<bool> before(configs.size(), true);
        for (int count = 0; count < 5; ++count) {
            const crypto_capabilities native = random_capabilities(random);
            const bool is_capable = random.below(8) != 0;
            lowers.emplace_back(e, is_capable ? &native : nullptr);
            targets.push_back({&lowers.back().device, {random.below(lower_sectors)}, {1}});
            const auto stacked = *make_linear_device(targets, e);
            bool is_intersection = true, is_smaller = true;
            for (std::size_t i = 0; i < configs.size(); ++i) {
                const bool now = config_supported_natively(*stacked, configs[i]);
                const bool all_do = std::ranges::all_of(lowers, [&](const claiming_device& lower) {
                    return config_supported_natively(lower.device, configs[i]);
                });
                is_intersection = is_intersection && now == all_do;
                is_smaller = is_smaller && (before[i] || !now);
                before[i] = now;
            }
            CHECK(is_intersection);
            CHECK(is_smaller);
            CHECK((stacked->profile() == nullptr) == (stacked->native_crypto() == nullptr));
            CHECK((stacked->profile() == nullptr || stacked->profile()->num_slots() == 0));
        }
    }
}

TEST_CASE("a lower device without crypto, or with nothing in common, leaves no profile") {
    simulated_env e(test_seed());
    const crypto_capabilities xts = all_of_xts();
    crypto_capabilities other;
    other.unit_sizes[mode_index(crypto_mode::adiantum)] = all_unit_sizes;
    other.dun_bytes_max = 32;
    claiming_device able(e, &xts), different(e, &other), unable(e, nullptr);
    const auto over = [&](std::vector<claiming_device*> lowers) {
        std::vector<linear_target> targets;
        for (claiming_device* lower : lowers)
            targets.push_back({&lower->device, {0}, {8}});
        return *make_linear_device(targets, e);
    };
    CHECK(over({&able})->native_crypto() != nullptr);
    CHECK(over({&able, &able})->profile() != nullptr);
    for (const auto& lowers :
         {std::vector{&unable}, {&able, &unable}, {&unable, &able}, {&able, &different}}) {
        const auto device = over(lowers);
        CHECK(device->native_crypto() == nullptr);
        CHECK(device->profile() == nullptr);
    }
}

// --- data ---

TEST_CASE("the DUN goes on over a boundary, where the sector does not") {
    two_engines disk;
    for (const std::uint32_t size : {512U, unit_bytes}) {
        const test_key key(disk.random, size);
        const dun first = random_dun(disk.random);
        auto data = random_bytes(12 * unit_bytes, disk.random.next());
        const auto cipher = reference_ciphertext(key.bytes, first, unit_of(size), data);
        test_io write(bio_op::write, {0}, {segment_of(data)});
        write.what.set_crypt_ctx(*key.key, first);
        CHECK(run(*disk.queue, write) == blk_status::ok);
        CHECK(disk.everything(data.size()) == cipher);

        std::vector<std::byte> back(data.size());
        test_io read(bio_op::read, {0}, {segment_of(back)});
        read.what.set_crypt_ctx(*key.key, first);
        CHECK(run(*disk.queue, read) == blk_status::ok);
        CHECK(back == data);
        CHECK(evict_key(disk.e, *disk.device, nullptr, *key.key) == std::error_code{});
    }
}

TEST_CASE("zeroes under a context are encrypted zeros on both sides of a boundary") {
    two_engines disk;
    const test_key key(disk.random, unit_bytes);
    const dun first = random_dun(disk.random);
    const std::vector<std::byte> zeros(12 * unit_bytes);
    test_io write;
    write.what.prepare_range(bio_op::write_zeroes, {0}, 12 * unit_bytes, write);
    write.what.set_crypt_ctx(*key.key, first);
    CHECK(run(*disk.queue, write) == blk_status::ok);
    CHECK(disk.everything(zeros.size()) ==
          reference_ciphertext(key.bytes, first, unit_of(unit_bytes), zeros));
}

TEST_CASE("a queue has seen what the queues of its engines have") {
    two_engines disk;
    const test_key key(disk.random, unit_bytes);
    auto data = random_bytes(12 * unit_bytes, test_seed());
    for (int i = 0; i < 3; ++i) {
        test_io write(bio_op::write, {0}, {segment_of(data)});
        write.what.set_crypt_ctx(*key.key, dun(1));
        REQUIRE(run(*disk.queue, write) == blk_status::ok);
    }
    CHECK(disk.queue->keyslot_use().misses == 2);
    CHECK(disk.queue->keyslot_use().hits == 4);
}

TEST_CASE("a data unit that a boundary cuts is refused before anything is submitted") {
    simulated_env e(test_seed());
    const crypto_capabilities xts = all_of_xts();
    claiming_device lower(e, &xts);
    const auto device = *make_linear_device(
        {{&lower.device, {64}, {12}}, {&lower.device, {0}, {4}}, {&lower.device, {100}, {100}}}, e);
    const nominal_key key;
    std::vector<std::byte> data(8 * unit_bytes);
    for (const kernel_generation& kernel : {kernel_7_0, kernel_6_12, kernel_6_1}) {
        const auto queue = *device->make_queue(e, {.kernel = kernel});
        const std::size_t before = lower.device.requests().size();
        const auto status_at = [&](bio_op op, std::uint64_t at, std::uint32_t units) {
            test_io io(op, {at}, {segment_of(bytes_span(data).first(units * unit_bytes))});
            if (op == bio_op::write_zeroes)
                io.what.prepare_range(op, {at}, units * unit_bytes, io);
            io.what.set_crypt_ctx(key, dun(7));
            return run(*queue, io);
        };
        for (const bio_op op : {bio_op::read, bio_op::write, bio_op::write_zeroes}) {
            CHECK(status_at(op, 0, 2) == kernel.misaligned);  // 12 sectors are no whole units
            CHECK(status_at(op, 4, 2) == kernel.misaligned);  // the second boundary cuts its second unit
            CHECK(status_at(op, 11, 1) == kernel.misaligned); // a single unit over a boundary
            CHECK(lower.device.requests().size() == before);
        }
        CHECK(status_at(bio_op::write, 0, 1) == blk_status::ok);
        CHECK(status_at(bio_op::write, 8, 1) == kernel.misaligned);
        CHECK(status_at(bio_op::write, 16, 8) == blk_status::ok);
        CHECK(lower.device.requests().size() == before + 2);
        CHECK(lower.device.encrypted_requests() == lower.device.requests().size());
    }
}

TEST_CASE("where a lower device cannot encrypt, the fallback above does it for all") {
    simulated_env e(test_seed());
    random_source random(test_seed());
    simulated_executor engine_thread(e, test_seed() + 1, 2000);
    simulated_device a({lower_sectors}, completion_order::shuffled, test_seed() + 2);
    simulated_device b({lower_sectors}, completion_order::shuffled, test_seed() + 3);
    const auto engine = *make_inline_crypto_device(a, *find_engine_profile("generic"), e, {engine_thread, 1});
    const auto device =
        *make_linear_device({{engine.get(), first_begin, {boundary}}, {&b, second_begin, {512}}}, e);
    const auto fallback = *crypto_fallback::make(e, *make_keyslot_tfms(e, 1, 1), {});
    const auto queue = *submit_queue::make(*device, fallback.get(), e, {.depth = 4});
    const test_key key(random, unit_bytes);
    REQUIRE_FALSE(start_using_key(e, *device, fallback.get(), *key.key));

    auto data = random_bytes(12 * unit_bytes, random.next());
    test_io write(bio_op::write, {0}, {segment_of(data)});
    write.what.set_crypt_ctx(*key.key, dun(3));
    queue->submit(write.what);
    while (queue->in_flight() != 0)
        queue->wait();
    CHECK((write.ended == 1 && write.what.status == blk_status::ok));
    const auto cipher = reference_ciphertext(key.bytes, dun(3), unit_of(unit_bytes), data);
    constexpr std::size_t on_a = boundary * sector_size_bytes;
    CHECK(std::ranges::equal(a.medium(first_begin, on_a), bytes_view(cipher).first(on_a)));
    CHECK(std::ranges::equal(b.medium(second_begin, cipher.size() - on_a), bytes_view(cipher).subspan(on_a)));
    CHECK(a.encrypted_requests() + b.encrypted_requests() == 0);
    CHECK(queue->keyslot_use().misses == 1);
    CHECK_FALSE(evict_key(e, *device, fallback.get(), *key.key));
}

TEST_CASE("encrypted bios over boundaries, more than the depth, all end and allocate nothing") {
    two_engines disk;
    const test_key key(disk.random, 512);
    std::vector<std::byte> model(boundary * 2 * sector_size_bytes), back(model.size());
    const auto submit_all = [&](bio_op op, std::vector<std::byte>& memory) {
        std::deque<test_io> ios;
        for (std::uint64_t at = 0; at < 2 * boundary; at += 3) {
            const std::uint64_t length = std::min<std::uint64_t>(3, 2 * boundary - at);
            const bytes_span part(&memory[at * sector_size_bytes], length * sector_size_bytes);
            ios.emplace_back(op, sector{at}, std::vector{segment_of(part)});
            ios.back().what.set_crypt_ctx(*key.key, dun(at));
        }
        const allocation_counter counter;
        for (test_io& io : ios)
            disk.queue->submit(io.what);
        wait_for_all(*disk.queue);
        CHECK((counter.count() == 0 || !allocation_counter::available()));
        CHECK(std::ranges::all_of(
            ios, [](const test_io& io) { return io.ended == 1 && io.what.status == blk_status::ok; }));
    };
    for (int round = 0; round < 5; ++round) {
        disk.random.fill(model);
        submit_all(bio_op::write, model);
        CHECK(disk.everything(model.size()) == reference_ciphertext(key.bytes, dun(0), unit_of(512), model));
        submit_all(bio_op::read, back);
        CHECK(back == model);
    }
}

// --- keys ---

TEST_CASE("a key is evicted from every lower device once, and the first error is reported") {
    simulated_env e(test_seed());
    const crypto_capabilities xts = all_of_xts();
    for (const int first_error : {0, EBUSY, EIO})
        for (const int second_error : {0, ETIMEDOUT}) {
            claiming_device first(e, &xts), second(e, &xts);
            first.slots.error = make_error(first_error);
            second.slots.error = make_error(second_error);
            const auto device = *make_linear_device(
                {{&first.device, {0}, {8}}, {&second.device, {0}, {8}}, {&first.device, {8}, {8}}}, e);
            const nominal_key key;
            const std::error_code error = evict_key(e, *device, nullptr, key);
            CHECK(error.value() == (first_error != 0 ? first_error : second_error));
            for (const claiming_device* lower : {&first, &second})
                CHECK((lower->slots.evictions == 1 && lower->slots.last == &key));
        }
}

TEST_CASE("a key evicted through the linear device is programmed anew by each engine that uses it") {
    two_engines disk;
    const test_key key(disk.random, unit_bytes);
    auto data = random_bytes(12 * unit_bytes, test_seed());
    for (std::uint64_t i = 1; i <= 3; ++i) {
        test_io write(bio_op::write, {0}, {segment_of(data)});
        write.what.set_crypt_ctx(*key.key, dun(1));
        REQUIRE(run(*disk.queue, write) == blk_status::ok);
        CHECK(disk.queue->keyslot_use().misses == 2 * i);
        CHECK_FALSE(evict_key(disk.e, *disk.device, nullptr, *key.key));
    }
}
