// SPDX-License-Identifier: Apache-2.0
// The keyslots and the fallback with the ciphers of all modes. What only depends on there being several modes
// is in modes_test.cpp, with a stand-in that can be watched.
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "tests/inline_crypt/fallback_stack.hpp"
#include "tests/inline_crypt/profile_asker.hpp"
#include "tests/support/memory_search.hpp"
#include "tests/support/test_cipher.hpp"

#include <algorithm>
#include <cerrno>
#include <doctest/doctest.h>
#include <string_view>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

constexpr std::uint32_t unit_bytes = 4096;

// Counts the tfms that are allocated, and refuses to go beyond `allowed`.
struct counting_hooks final : env_hooks {
    bool allow_allocation(const allocation_class& kind, std::size_t, io_context) noexcept override {
        return std::string_view(kind.name) != "tfm" || made++ < allowed;
    }
    std::uint64_t order_stamp() noexcept override { return ++stamps; }
    unsigned made = 0;
    unsigned allowed = ~0U;
    std::uint64_t stamps = 0;
};

// Keys of their own for each fixture: those of another may still be in memory.
std::uint64_t next_stream() {
    static std::uint64_t streams = 600;
    return test_seed() + streams++;
}

/// Slots without a profile, with tfms of the modes named.
struct slot_fixture {
    explicit slot_fixture(unsigned num_slots, const std::vector<crypto_mode>& modes = {})
        : env(test_seed(), &hooks), random(next_stream()), slots(*slot_tfms::make(num_slots, 1)), asker(env),
          plain(random_bytes(unit_bytes, random.next())) {
        for (const crypto_mode mode : modes)
            REQUIRE_FALSE(slots->add_mode(env, mode));
    }

    test_key make_key(crypto_mode mode) { return test_key(random, unit_bytes, mode); }

    void program(const test_key& key, std::uint32_t slot) {
        REQUIRE_FALSE(slots->keyslot_program(*key.key, {slot}, asker));
    }

    std::vector<std::byte> encrypted(crypto_mode mode, std::uint32_t slot) const {
        return crypted(cipher_direction::encrypt, mode, slot, plain);
    }

    std::vector<std::byte> crypted(cipher_direction direction, crypto_mode mode, std::uint32_t slot,
                                   bytes_view source) const {
        cipher_lane lane(0);
        std::vector<std::byte> target(source.size());
        const cipher_segment segment{source.data(), target.data(), source.size()};
        slots->tfm({slot}, mode).crypt(direction, uint256(5), unit_of(unit_bytes), {&segment, 1}, lane);
        return target;
    }

    bool encrypts(const test_key& key, std::uint32_t slot) const {
        return encrypted(key.key->config().mode, slot) == reference_ciphertext(key, dun(5), plain);
    }

    counting_hooks hooks;
    simulated_env env;
    random_source random;
    std::unique_ptr<slot_tfms> slots;
    profile_asker asker;
    std::vector<std::byte> plain;
};

/// A key that was programmed and used in both directions; its bytes are in `key` and the slot, and nowhere
/// else.
struct hidden_key {
    hidden_key(slot_fixture& f, crypto_mode mode) {
        test_key made = f.make_key(mode);
        pieces = masked_pieces(made.bytes);
        zeroize(made.bytes);
        f.program(made, 0);
        key = std::move(made.key);
        ciphertext = f.encrypted(mode, 0);
        CHECK(f.crypted(cipher_direction::decrypt, mode, 0, ciphertext) == f.plain);
    }

    /// In the slot it should be no more.
    bool is_left_after_its_owner() {
        CHECK(count_in_memory(pieces) != 0);
        key.reset();
        return count_in_memory(pieces) != 0;
    }

    std::unique_ptr<crypto_key> key;
    std::vector<masked_pattern> pieces;
    std::vector<std::byte> ciphertext;
};

/// Runs `body(mode)` for each mode there is.
template <typename Body>
void for_each_mode(Body body) {
    const auto modes = usable_modes();
    REQUIRE_FALSE(modes.empty());
    for (const crypto_mode mode : modes) {
        CAPTURE(std::string(find_mode(mode)->name));
        body(mode);
    }
}

std::vector<crypto_mode> usable_modes_but(crypto_mode left_out) {
    auto modes = usable_modes();
    std::erase(modes, left_out);
    return modes;
}

/// Writes with a new key of the mode, and says whether it is what the reference makes of it.
bool writes_right(fallback_stack& stack, crypto_mode mode) {
    const test_key key = stack.make_key(unit_bytes, mode);
    auto write = stack.make_write(0, 4 * unit_bytes, key);
    REQUIRE(stack.run(*write));
    const bool right = write->ended_with(blk_status::ok) &&
                       stack.on_device(*write, 4 * unit_bytes) == expected_ciphertext(*write, key);
    CHECK_FALSE(evict_key(stack.env, stack.device, stack.fallback.get(), *key.key));
    return right;
}

bool has_weak_keys(crypto_mode mode) {
    return mode == crypto_mode::aes_256_xts || mode == crypto_mode::sm4_xts;
}

test_key make_key_of(crypto_mode mode, std::byte value) {
    random_source random(test_seed());
    test_key key(random, unit_bytes, mode);
    std::ranges::fill(key.bytes, value);
    key.key = *crypto_key::make(key.bytes, config_of(mode, unit_bytes));
    return key;
}

} // namespace

TEST_CASE(
    "a slot that goes from one mode to any other takes the new key, and nothing is left of the old one") {
    for_each_mode([](crypto_mode before) {
        for_each_mode([&](crypto_mode after) {
            slot_fixture f(1, usable_modes());
            hidden_key old(f, before);
            const test_key next = f.make_key(after);
            f.program(next, 0);
            CHECK_FALSE(old.is_left_after_its_owner());
            CHECK(f.encrypts(next, 0));
        });
    });
}

TEST_CASE("nothing is left of a key of any mode that was evicted, lost in a reset or went with its slots") {
    for_each_mode([](crypto_mode mode) {
        slot_fixture f(1, usable_modes());
        hidden_key evicted(f, mode);
        REQUIRE_FALSE(f.slots->keyslot_evict(f.env, evicted.key.get(), {0}));
        CHECK_FALSE(evicted.is_left_after_its_owner());
        hidden_key lost(f, mode);
        f.slots->keyslots_lost();
        CHECK_FALSE(lost.is_left_after_its_owner());
        hidden_key last(f, mode);
        f.slots.reset();
        CHECK_FALSE(last.is_left_after_its_owner());
    });
}

TEST_CASE("each mode has its tfms, one for each slot, from the moment it is started") {
    constexpr unsigned num_slots = 3;
    slot_fixture f(num_slots);
    auto to_start = usable_modes();
    for (unsigned started = 0; !to_start.empty(); ++started) {
        for (const crypto_mode mode : to_start)
            CHECK_FALSE(f.slots->has_mode(mode));
        CHECK(f.hooks.made == started * num_slots);
        const auto next = to_start.begin() + static_cast<std::ptrdiff_t>(f.random.below(to_start.size()));
        for (int again = 0; again < 2; ++again)
            CHECK_FALSE(f.slots->add_mode(f.env, *next));
        CHECK(f.slots->has_mode(*next));
        const test_key key = f.make_key(*next);
        for (std::uint32_t slot = 0; slot < num_slots; ++slot) {
            f.program(key, slot);
            CHECK(f.encrypts(key, slot));
        }
        to_start.erase(next);
    }
}

TEST_CASE("a mode that cannot get its tfms leaves the others their keys, and can be started later") {
    constexpr unsigned num_slots = 3;
    for_each_mode([](crypto_mode failing) {
        const auto others = usable_modes_but(failing);
        slot_fixture f(num_slots, others);
        std::vector<test_key> keys;
        for (std::uint32_t slot = 0; slot < num_slots && slot < others.size(); ++slot)
            f.program(keys.emplace_back(f.make_key(others[slot])), slot);
        for (unsigned allowed = 0; allowed < num_slots; ++allowed) {
            f.hooks.made = 0;
            f.hooks.allowed = allowed;
            CHECK(f.slots->add_mode(f.env, failing) == make_error(ENOMEM));
            CHECK_FALSE(f.slots->has_mode(failing));
            for (std::uint32_t slot = 0; slot < keys.size(); ++slot)
                CHECK(f.encrypts(keys[slot], slot));
        }
        f.hooks.allowed = ~0U;
        CHECK_FALSE(f.slots->add_mode(f.env, failing));
        const test_key late = f.make_key(failing);
        f.program(late, 0);
        CHECK(f.encrypts(late, 0));
    });
}

TEST_CASE("whichever mode is missing is ENOPKG, and the others encrypt as before") {
    for_each_mode([](crypto_mode mode) {
        const auto others = usable_modes_but(mode);
        const missing_mode nothing(mode);
        fallback_stack stack({.keyslots = 1});
        random_source random(test_seed());
        const test_key key(random, unit_bytes, mode);
        CHECK(start_using_key(stack.env, stack.device, stack.fallback.get(), *key.key) == make_error(ENOPKG));
        for (const crypto_mode other : others) {
            CAPTURE(std::string(find_mode(other)->name));
            CHECK(writes_right(stack, other));
        }
        CHECK_FALSE(stack.fallback->tfms().is_started(key.key->config()));
    });
}

TEST_CASE("keys with equal halves fail the bio in XTS modes, the other modes take any key") {
    for_each_mode([](crypto_mode mode) {
        fallback_stack stack({.keyslots = 1});
        for (const std::byte value : {std::byte{0}, std::byte{7}, std::byte{0xff}}) {
            const test_key key = make_key_of(mode, value);
            REQUIRE_FALSE(start_using_key(stack.env, stack.device, stack.fallback.get(), *key.key));
            auto write = stack.make_write(0, unit_bytes, key);
            REQUIRE(stack.run(*write));
            CHECK(write->ended_with(has_weak_keys(mode) ? blk_status::inval : blk_status::ok));
            const auto expected =
                has_weak_keys(mode) ? std::vector<std::byte>(unit_bytes) : expected_ciphertext(*write, key);
            CHECK(stack.on_device(0, unit_bytes) == expected);
            CHECK_FALSE(evict_key(stack.env, stack.device, stack.fallback.get(), *key.key));
        }
        CHECK(writes_right(stack, mode));
    });
}
