// SPDX-License-Identifier: Apache-2.0
// Several modes on the same keyslots. Adiantum is a stand-in here: what is tested is who has which tfm when.
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "tests/inline_crypt/fallback_stack.hpp"
#include "tests/inline_crypt/profile_asker.hpp"
#include "tests/support/death.hpp"
#include "tests/support/logged_lines.hpp"
#include "tests/support/property.hpp"
#include "tests/support/test_cipher.hpp"

#include <atomic>
#include <cerrno>
#include <climits>
#include <functional>
#include <string_view>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr auto second = crypto_mode::adiantum;
const crypto_config second_config{second, unit_of(4096), 32};
constexpr std::uint32_t unit_bytes = 4096;

/// A key of the stand-in's mode with a second copy of its bytes.
struct second_key {
    explicit second_key(random_source& random)
        : bytes(random_bytes(32, random.next())), key(*crypto_key::make(bytes, second_config)) {}
    std::vector<std::byte> bytes;
    std::unique_ptr<crypto_key> key;
};

// A unit as the lease's tfm encrypts it under DUN 5.
std::vector<std::byte> encrypted(const skcipher& tfm, const std::vector<std::byte>& plain) {
    cipher_lane lane(0);
    std::vector<std::byte> cipher(plain.size());
    const cipher_segment segment{plain.data(), cipher.data(), plain.size()};
    tfm.crypt(cipher_direction::encrypt, uint256(5), unit_of(unit_bytes), {&segment, 1}, lane);
    return cipher;
}

// Runs a piece of the test where a thread is about to wait for the lock of add_mode().
struct overtaking_hooks final : env_hooks {
    void before_lock(mutex& m, io_context) noexcept override {
        if (std::string_view(m.kind().name) == "slot_tfms.adding" && on_adding)
            std::exchange(on_adding, {})();
    }
    std::uint64_t order_stamp() noexcept override { return ++stamps; }
    std::function<void()> on_adding;
    std::uint64_t stamps = 0;
};

struct mode_fixture {
    explicit mode_fixture(unsigned num_slots)
        : env(test_seed()), random(test_seed()), slots(*slot_tfms::make(num_slots, 1)), asker(env),
          plain(random_bytes(unit_bytes, random.next())) {}

    bool encrypts(const test_key& key, std::uint32_t slot) const {
        return encrypted(slots->tfm({slot}, crypto_mode::aes_256_xts), plain) ==
               reference_ciphertext(key.bytes, dun(5), unit_of(unit_bytes), plain);
    }
    std::error_code program(const key_request& key, std::uint32_t slot) {
        return slots->keyslot_program(key, {slot}, asker);
    }

    simulated_env env;
    random_source random;
    std::unique_ptr<slot_tfms> slots;
    profile_asker asker;
    std::vector<std::byte> plain;
};

} // namespace

TEST_CASE("at most one tfm of a slot holds a key, and a change of mode blanks the other" * PROPERTY(31)) {
    const second_mode stand_in(second);
    mode_fixture f(2);
    REQUIRE_FALSE(f.slots->add_mode(f.env, crypto_mode::aes_256_xts));
    REQUIRE_FALSE(f.slots->add_mode(f.env, second));
    const test_key xts(f.random);
    const second_key other(f.random), third(f.random);
    REQUIRE_FALSE(f.program(*xts.key, 0));
    REQUIRE_FALSE(f.program(*other.key, 1));
    CHECK(f.encrypts(xts, 0));
    CHECK(second_mode::tfms_with(other.bytes) == 1);
    // The other way round: each slot's tfm of the mode it had holds that key no more.
    REQUIRE_FALSE(f.program(*other.key, 0));
    REQUIRE_FALSE(f.program(*xts.key, 1));
    const auto encrypt_in_first = [](void* fixture) {
        auto& m = *static_cast<mode_fixture*>(fixture);
        (void)encrypted(m.slots->tfm({0}, crypto_mode::aes_256_xts), m.plain);
    };
    CHECK(aborts_saying("crypt with a tfm that has no key", encrypt_in_first, &f));
    CHECK(f.encrypts(xts, 1));
    CHECK(second_mode::tfms_with(other.bytes) == 1);
    // In the same mode the new key takes the place of the old one.
    REQUIRE_FALSE(f.program(*third.key, 0));
    CHECK(second_mode::tfms_with(other.bytes) == 0);
    CHECK(second_mode::tfms_with(third.bytes) == 1);
    REQUIRE_FALSE(f.slots->keyslot_evict(f.env, third.key.get(), {0}));
    REQUIRE_FALSE(f.slots->keyslot_evict(f.env, xts.key.get(), {1}));
    CHECK(second_mode::tfms_with(third.bytes) == 0);
    CHECK_FALSE(f.slots->holds_key({1}));
}

TEST_CASE("a slot of another mode whose new key is refused holds neither key") {
    const second_mode stand_in(second);
    mode_fixture f(1);
    REQUIRE_FALSE(f.slots->add_mode(f.env, crypto_mode::aes_256_xts));
    REQUIRE_FALSE(f.slots->add_mode(f.env, second));
    const second_key other(f.random);
    REQUIRE_FALSE(f.program(*other.key, 0));
    CHECK(f.slots->holds_key({0}));
    CHECK(f.program(*make_weak_key(), 0) == make_error(EINVAL));
    CHECK_FALSE(f.slots->holds_key({0}));
    CHECK(second_mode::tfms_with(other.bytes) == 0);
}

TEST_CASE("bios of two modes share few slots and each leaves its own ciphertext") {
    const second_mode stand_in(second);
    for (const unsigned keyslots : {1U, 2U}) {
        fallback_stack stack({.keyslots = keyslots, .order = completion_order::shuffled});
        const test_key xts = stack.make_key();
        const second_key other(stack.random);
        REQUIRE_FALSE(start_using_key(stack.env, stack.device, stack.fallback.get(), *other.key));
        std::vector<std::unique_ptr<test_io>> writes;
        for (std::uint64_t i = 0; i < 20; ++i) {
            writes.push_back(stack.make_write(i * 8, unit_bytes, xts, dun(i)));
            if (i % 2 != 0)
                writes.back()->request.set_crypt_ctx(*other.key, dun(i));
            stack.queue->submit(writes.back()->request);
        }
        REQUIRE(stack.drain());
        for (std::uint64_t i = 0; i < 20; ++i) {
            auto expected = writes[i]->memory.read();
            if (i % 2 != 0)
                stand_in_crypt(other.bytes, uint256(i), expected);
            else
                expected = expected_ciphertext(*writes[i], xts, dun(i));
            CHECK(stack.on_device(i * 8, unit_bytes) == expected);
        }
    }
}

TEST_CASE(
    "a mode is started once under races, a failed start leaves no tfm and may be retried, other modes do not notice" *
    PROPERTY(33)) {
    const second_mode stand_in(second);
    constexpr unsigned num_slots = 5, threads_max = 4;
    simulated_env env(test_seed());
    auto slots = *slot_tfms::make(num_slots, 1);
    REQUIRE_FALSE(slots->add_mode(env, crypto_mode::aes_256_xts));
    for (int allowed = 0; allowed < static_cast<int>(num_slots); ++allowed) {
        second_mode::allow_tfms(allowed);
        CHECK(slots->add_mode(env, second) == make_error(ENOMEM));
        CHECK_FALSE(slots->has_mode(second));
        CHECK(slots->has_mode(crypto_mode::aes_256_xts));
        CHECK(second_mode::tfms() == 0);
    }
    second_mode::allow_tfms(num_slots);
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < threads_max; ++t)
        threads.emplace_back([&] {
            simulated_env mine(test_seed());
            failed += slots->add_mode(mine, second) || !slots->has_mode(second) ? 1 : 0;
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(failed.load() == 0);
    CHECK(second_mode::tfms() == num_slots);

    // Somebody else starts it while we wait for the lock: it keeps the tfms it has.
    overtaking_hooks hooks;
    simulated_env late(test_seed(), &hooks);
    slots = *slot_tfms::make(2, 1);
    second_mode::allow_tfms(INT_MAX);
    const skcipher* in_use = nullptr;
    hooks.on_adding = [&] {
        CHECK_FALSE(slots->add_mode(env, second));
        in_use = &slots->tfm({1}, second);
    };
    CHECK_FALSE(slots->add_mode(late, second));
    REQUIRE(in_use != nullptr);
    CHECK(&slots->tfm({1}, second) == in_use);
}

TEST_CASE("a mode without a cipher is ENOPKG, said once, and leaves other modes alone" * PROPERTY(34)) {
    const missing_mode nothing(second);
    fallback_stack stack;
    random_source random(test_seed());
    const second_key key(random);
    for (int i = 0; i < 2; ++i)
        CHECK(start_using_key(stack.env, stack.device, stack.fallback.get(), *key.key) == make_error(ENOPKG));
    CHECK(logged_lines("Missing crypto API support for \"adiantum(xchacha12,aes)\"") == 1);
    CHECK_FALSE(stack.fallback->tfms().is_started(second_config));
    const test_key xts = stack.make_key();
    CHECK(start_using_key(stack.env, stack.device, stack.fallback.get(), *key.key) == make_error(ENOPKG));
    auto write = stack.make_write(0, unit_bytes, xts);
    REQUIRE(stack.run(*write));
    CHECK(stack.on_device(0, unit_bytes) == expected_ciphertext(*write, xts));
    auto refused = stack.make_io(bio_op::write, 0, unit_bytes);
    refused->request.set_crypt_ctx(*key.key, dun(1));
    REQUIRE(stack.run(*refused));
    CHECK(refused->ended_with(blk_status::ioerr)); // not started
}

TEST_CASE("SM4-XTS is a mode of kernels from 6.2 on" * PROPERTY(5)) {
    const second_mode stand_in(crypto_mode::sm4_xts);
    const crypto_config sm4{crypto_mode::sm4_xts, unit_of(4096), 16};
    const auto key = *crypto_key::make(random_bytes(32, test_seed()), sm4);
    for (const auto& [kernel, has] :
         {std::pair(kernel_6_1, false), {kernel_6_12, true}, {kernel_7_0, true}}) {
        fallback_stack stack({.fallback = {.kernel = kernel}, .queue = {.kernel = kernel}});
        CHECK(config_supported(stack.device, stack.fallback.get(), sm4) == has);
        CHECK(start_using_key(stack.env, stack.device, stack.fallback.get(), *key) ==
              (has ? std::error_code{} : make_error(EOPNOTSUPP)));
        auto io = stack.make_io(bio_op::write_zeroes, 0, 0);
        io->request.prepare_range(bio_op::write_zeroes, sector{0}, 4096, *io);
        io->request.set_crypt_ctx(*key, dun(1));
        REQUIRE(stack.run(*io));
        CHECK(io->ended_with(has ? blk_status::ok : blk_status::notsupp));
    }
}
