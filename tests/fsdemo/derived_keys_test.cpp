// SPDX-License-Identifier: Apache-2.0
// The cache of derived keys: what it gives is what deriving gives, the key not used for longest makes room,
// all of a master key go with it.
#include "fsdemo/derived_keys.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/simulated_env.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <doctest/doctest.h>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr std::array modes{crypto_mode::aes_256_xts, crypto_mode::aes_128_cbc_essiv};

/// Some of them begin alike, so that they are in the same bucket.
crypto_nonce nonce_of(std::uint64_t number) {
    crypto_nonce nonce{};
    store_little(nonce.data(), number / 4);
    store_little(nonce.data() + 8, number);
    return nonce;
}

struct rig {
    explicit rig(unsigned capacity) : e(test_seed()), keys(*derived_keys::make(e, capacity)) {
        for (std::uint64_t n = 0; n < masters.size(); ++n)
            masters[n] = *ring.get(*ring.add(random_bytes(64, n)), 16);
    }
    /// Whether what it gave is right.
    bool get(unsigned master, std::uint64_t nonce, crypto_mode mode) {
        std::vector<std::byte> got(find_mode(mode)->key_size_bytes), expected(got.size());
        keys->get(*masters[master], nonce_of(nonce), mode, got);
        masters[master]->derive(hkdf_context::per_extent_enc_key, nonce_of(nonce), expected);
        return got == expected;
    }
    simulated_env e;
    keyring ring;
    std::array<master_key_ref, 2> masters;
    std::unique_ptr<derived_keys> keys;
};

struct known_key {
    unsigned master;
    std::uint64_t nonce;
    crypto_mode mode;
    bool operator==(const known_key&) const = default;
};

} // namespace

TEST_CASE(
    "a derived key is kept while there is room, found by all of its identity, and always the right one") {
    constexpr unsigned capacity = 5;
    random_source random(test_seed());
    rig r(capacity);
    std::deque<known_key> model; // the one not used for longest first
    cache_counters expected;
    for (int step = 0; step < 20'000; ++step) {
        if (random.below(200) == 0) {
            const auto master = static_cast<unsigned>(random.below(2));
            r.keys->forget(*r.masters[master]);
            std::erase_if(model, [&](const known_key& k) { return k.master == master; });
            continue;
        }
        const known_key k{static_cast<unsigned>(random.below(2)), random.below(4), modes[random.below(2)]};
        REQUIRE(r.get(k.master, k.nonce, k.mode));
        const auto found = std::ranges::find(model, k);
        if (found != model.end()) {
            ++expected.hits;
            model.erase(found);
        } else {
            ++expected.misses;
            if (model.size() == capacity) {
                ++expected.evictions;
                model.pop_front();
            }
        }
        model.push_back(k);
        const cache_counters got = r.keys->counters();
        REQUIRE(got.hits == expected.hits);
        REQUIRE(got.misses == expected.misses);
        REQUIRE(got.evictions == expected.evictions);
    }
    CHECK(expected.evictions > 100);
}

TEST_CASE("a cache of derived keys needs a place, and none allocates once it is made") {
    simulated_env e(test_seed());
    CHECK(derived_keys::make(e, 0).error() == make_error(EINVAL));
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    rig r(3);
    std::array<std::byte, 64> key;
    const allocation_counter counter;
    for (std::uint64_t n = 0; n < 50; ++n)
        r.keys->get(*r.masters[n % 2], nonce_of(n % 7), crypto_mode::aes_256_xts, key);
    CHECK(counter.count() == 0);
}
