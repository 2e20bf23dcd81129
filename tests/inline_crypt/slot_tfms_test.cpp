// SPDX-License-Identifier: Apache-2.0
// The tfms of keyslots, on their own and as the fallback's tfm source.
#include "blkcrypto/inline_crypt/keyslot_tfms.hpp"
#include "tests/inline_crypt/profile_asker.hpp"
#include "tests/inline_crypt/test_keys.hpp"
#include "tests/support/memory_search.hpp"
#include "tests/support/property.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include <atomic>
#include <cerrno>
#include <doctest/doctest.h>
#include <functional>
#include <string_view>
#include <thread>

using namespace blkcrypto;
using namespace blkcrypto::test;

namespace {

// Refuses the n-th allocation of a tfm.
struct refusing_hooks final : env_hooks {
    bool allow_allocation(const allocation_class& kind, std::size_t, io_context) noexcept override {
        return std::string_view(kind.name) != "tfm" || tfms_allowed-- > 0;
    }
    std::uint64_t order_stamp() noexcept override { return ++stamps; }
    int tfms_allowed = 1 << 20;
    std::uint64_t stamps = 0;
};

std::unique_ptr<tfm_source> make_source(env& e, unsigned num_slots, unsigned lanes = 1) {
    return *make_keyslot_tfms(e, num_slots, lanes);
}

// A unit as the lease's tfm encrypts it.
std::vector<std::byte> encrypted(const tfm_lease& lease, const std::vector<std::byte>& plain,
                                 unsigned lane_index = 0) {
    cipher_lane lane(lane_index);
    std::vector<std::byte> cipher(plain.size());
    const cipher_segment segment{plain.data(), cipher.data(), plain.size()};
    lease.tfm->crypt(cipher_direction::encrypt, uint256(5), unit_of(4096), {&segment, 1}, lane);
    return cipher;
}

bool encrypts_right(tfm_source& source, profile_asker& asker, const test_key& with) {
    const tfm_grant grant = source.acquire(*with.key, asker);
    if (grant.outcome != acquire_outcome::ready)
        return false;
    const auto plain = random_bytes(4096, test_seed());
    const bool right =
        encrypted(grant.lease, plain) == reference_ciphertext(with.bytes, dun(5), unit_of(4096), plain);
    source.release(asker.environment(), grant.lease);
    return right;
}

// What to look for in memory; the readable bytes are gone afterwards.
std::vector<masked_pattern> hide(std::vector<std::byte>& key_bytes) {
    auto pieces = masked_pieces(key_bytes);
    zeroize(key_bytes);
    return pieces;
}

// Leaves a key in a slot whose tfm has used it in both directions.
void use_key(tfm_source& source, profile_asker& asker, const key_request& key) {
    const tfm_grant grant = source.acquire(key, asker);
    REQUIRE(grant.outcome == acquire_outcome::ready);
    auto data = encrypted(grant.lease, std::vector<std::byte>(4096));
    cipher_lane lane(0);
    const cipher_segment segment{data.data(), data.data(), data.size()};
    grant.lease.tfm->crypt(cipher_direction::decrypt, uint256(5), unit_of(4096), {&segment, 1}, lane);
    source.release(asker.environment(), grant.lease);
}

} // namespace

TEST_CASE("a mode has tfms only once somebody started to use it") {
    simulated_env env(test_seed());
    auto slots = *slot_tfms::make(2, 1);
    CHECK_FALSE(slots->has_mode(crypto_mode::aes_256_xts));
    CHECK_FALSE(slots->add_mode(env, crypto_mode::aes_256_xts));
    CHECK(slots->has_mode(crypto_mode::aes_256_xts));
    CHECK_FALSE(slots->has_mode(crypto_mode::aes_128_cbc_essiv));
    CHECK(slots->add_mode(env, crypto_mode::invalid) == make_error(EINVAL));
}

TEST_CASE("a mode is started once, however many threads race for it") {
    simulated_env env(test_seed());
    random_source random(test_seed() + 2);
    const test_key key(random);
    const auto plain = random_bytes(4096, test_seed());
    const auto expected = reference_ciphertext(key.bytes, dun(5), unit_of(4096), plain);
    auto source = make_source(env, 4, 4);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            simulated_env mine(test_seed());
            profile_asker asker(mine);
            wrong += source->start_using(mine, xts_config()) ? 1 : 0;
            wrong += source->is_started(xts_config()) ? 0 : 1;
            const tfm_grant grant = source->acquire(*key.key, asker);
            wrong += encrypted(grant.lease, plain, t) == expected ? 0 : 1;
            source->release(mine, grant.lease);
        });
    for (auto& thread : threads)
        thread.join();
    CHECK(wrong.load() == 0);
}

TEST_CASE("when any tfm cannot be allocated the mode is not started and can be tried again") {
    random_source random(test_seed() + 3);
    for (int allowed = 0; allowed < 3; ++allowed) {
        refusing_hooks hooks;
        simulated_env env(test_seed(), &hooks);
        auto source = make_source(env, 3);
        hooks.tfms_allowed = allowed;
        CHECK(source->start_using(env, xts_config()) == make_error(ENOMEM));
        CHECK_FALSE(source->is_started(xts_config()));
        hooks.tfms_allowed = 3;
        CHECK_FALSE(source->start_using(env, xts_config()));
        CHECK(hooks.tfms_allowed == 0);
        CHECK_FALSE(source->start_using(env, xts_config()));
        profile_asker asker(env);
        CHECK(encrypts_right(*source, asker, test_key(random)));
    }
}

TEST_CASE("a tfm source needs at least one slot and no more than a profile has") {
    simulated_env env(test_seed());
    CHECK(make_keyslot_tfms(env, 0, 1).error() == make_error(EINVAL));
    CHECK(make_keyslot_tfms(env, crypto_profile::slots_max + 1, 1).error() == make_error(EINVAL));
}

TEST_CASE("a key with equal halves starts, but no tfm takes it, and the keys around it still work") {
    simulated_env env(test_seed());
    random_source random(test_seed() + 4);
    const test_key before(random), after(random);
    const auto weak = make_weak_key();
    auto source = make_source(env, 1);
    CHECK_FALSE(source->start_using(env, weak->config()));
    profile_asker asker(env);
    CHECK(encrypts_right(*source, asker, before));
    for (int i = 0; i < 2; ++i) {
        const tfm_grant grant = source->acquire(*weak, asker);
        CHECK(grant.outcome == acquire_outcome::failed);
        CHECK(grant.status == blk_status::inval);
    }
    CHECK(encrypts_right(*source, asker, before)); // it was displaced
    CHECK(encrypts_right(*source, asker, after));
    CHECK_FALSE(source->evict(env, *weak));
    CHECK_FALSE(source->evict(env, *before.key));
    CHECK_FALSE(source->evict(env, *after.key));
}

TEST_CASE("after a reset no slot holds a key until it is programmed again") {
    simulated_env env(test_seed());
    random_source random(test_seed() + 20);
    const test_key key(random);
    auto slots = *slot_tfms::make(3, 1);
    REQUIRE_FALSE(slots->add_mode(env, key.key->config().mode));
    profile_asker asker(env);
    const auto plain = random_bytes(4096, test_seed());
    const auto expected = reference_ciphertext(key.bytes, dun(5), unit_of(4096), plain);
    const auto encrypted_by = [&](std::uint32_t slot) {
        return encrypted({&slots->tfm({slot}, crypto_mode::aes_256_xts), slot}, plain);
    };
    for (std::uint32_t slot = 0; slot < 3; ++slot)
        REQUIRE_FALSE(slots->keyslot_program(*key.key, {slot}, asker));
    slots->keyslots_lost();
    for (std::uint32_t slot = 0; slot < 3; ++slot) {
        CHECK_FALSE(slots->holds_key({slot}));
        REQUIRE_FALSE(slots->keyslot_program(*key.key, {slot}, asker));
        CHECK(encrypted_by(slot) == expected);
    }
}

TEST_CASE("evicting a key that was started and never programmed succeeds, and one of a mode nobody started" *
          PROPERTY(19)) {
    simulated_env env(test_seed());
    random_source random(test_seed() + 5);
    auto source = make_source(env, 1);
    const test_key never_used(random), used(random);
    CHECK_FALSE(source->evict(env, *never_used.key));
    REQUIRE_FALSE(source->start_using(env, never_used.key->config()));
    CHECK_FALSE(source->evict(env, *never_used.key));
    profile_asker asker(env);
    CHECK(encrypts_right(*source, asker, used));
    CHECK_FALSE(source->evict(env, *never_used.key));
}

TEST_CASE("no piece of a key is left in memory after it was evicted and freed" * PROPERTY(27)) {
    simulated_env env(test_seed());
    random_source random(test_seed() + 6);
    auto source = make_source(env, 2);
    REQUIRE_FALSE(source->start_using(env, xts_config()));
    profile_asker asker(env);
    test_key evicted(random);
    const auto pieces = hide(evicted.bytes);
    use_key(*source, asker, *evicted.key);
    CHECK(count_in_memory(pieces) > pieces.size()); // in the key and in the tfm
    CHECK_FALSE(source->evict(env, *evicted.key));
    evicted.key.reset();
    CHECK(count_in_memory(pieces) == 0);
}

TEST_CASE("no piece of a key is left in memory after it was displaced by a bad key") {
    simulated_env env(test_seed());
    random_source random(test_seed() + 7);
    auto source = make_source(env, 1);
    REQUIRE_FALSE(source->start_using(env, xts_config()));
    profile_asker asker(env);
    test_key displaced(random);
    const auto pieces = hide(displaced.bytes);
    use_key(*source, asker, *displaced.key);
    CHECK(source->acquire(*make_weak_key(), asker).outcome == acquire_outcome::failed);
    CHECK_FALSE(source->evict(env, *displaced.key));
    displaced.key.reset();
    CHECK(count_in_memory(pieces) == 0);
}

TEST_CASE("no piece of any key is left in memory after the tfms are gone") {
    simulated_env env(test_seed());
    random_source random(test_seed() + 8);
    auto source = make_source(env, 2);
    REQUIRE_FALSE(source->start_using(env, xts_config()));
    std::vector<masked_pattern> pieces;
    {
        profile_asker asker(env);
        for (int i = 0; i < 2; ++i) {
            test_key key(random);
            for (auto& piece : hide(key.bytes))
                pieces.push_back(std::move(piece));
            use_key(*source, asker, *key.key);
        }
        CHECK(count_in_memory(pieces) != 0);
    }
    source.reset();
    CHECK(count_in_memory(pieces) == 0);
}
