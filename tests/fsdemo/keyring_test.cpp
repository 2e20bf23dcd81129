// SPDX-License-Identifier: Apache-2.0
#include "fsdemo/keyring.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/logged_lines.hpp"
#include "tests/support/memory_search.hpp"
#include "tests/support/property.hpp"
#include "tests/support/random_bytes.hpp"
#include "tests/support/test_seed.hpp"

#include <algorithm>
#include <optional>

using namespace blkcrypto;
using namespace blkcrypto::fsdemo;
using namespace blkcrypto::test;

namespace {

constexpr std::size_t strength = 32; // AES-256-XTS
const key_identifier unknown{};

template <typename T>
bool is_no_key(const result<T>& answer) {
    return !answer.has_value() && answer.error() == std::error_code(ENOKEY, std::generic_category());
}

// A key of an extent.
std::array<std::byte, 64> extent_key(const master_key& key) {
    const crypto_nonce nonce{std::byte{1}};
    std::array<std::byte, 64> derived;
    key.derive(hkdf_context::per_extent_enc_key, nonce, derived);
    return derived;
}

// Looks whether the secret can still be derived from when it is told.
class recording_observer : public wipe_observer {
  public:
    void secret_wiped(const master_key& key) noexcept override {
        told.push_back(key.identifier());
        last_extent_key = extent_key(key);
    }
    std::vector<key_identifier> told;
    std::array<std::byte, 64> last_extent_key{};
};

struct keyring_rig {
    keyring_rig() { ring.set_observer(&observer); }

    recording_observer observer;
    keyring ring;
    const std::vector<std::byte> raw_key = random_bytes(64, test_seed());
};

} // namespace

TEST_CASE("a key is found by what is derived from it") {
    keyring ring;
    const auto identifier = ring.add(counting_bytes(64)).value();
    CHECK(std::ranges::equal(identifier, from_hex("8699c2c53707405da5aba5ae4d8583c0")));
    const auto key = ring.get(identifier, strength);
    REQUIRE(key.has_value());
    CHECK((*key)->identifier() == identifier);
    CHECK((*key)->size_bytes() == 64);
    CHECK(is_no_key(ring.get(unknown, strength)));
}

TEST_CASE("keys have 16 to 64 bytes") {
    keyring ring;
    for (const std::size_t size : {0U, 1U, 15U, 65U, 200U})
        CHECK(ring.add(counting_bytes(size)).error() == std::errc::invalid_argument);
    for (const std::size_t size : {16U, 17U, 32U, 64U})
        CHECK(ring.status(ring.add(counting_bytes(size)).value()) == key_status::present);
}

TEST_CASE("a key that is shorter than the mode is strong is there for no file, and the log says so") {
    keyring ring;
    const auto identifier = ring.add(counting_bytes(16)).value();
    CHECK(is_no_key(ring.get(identifier, strength)));
    CHECK(logged_lines("key with identifier 7c656a522d30b5d06b3ecb33463b2e3b is too short "
                       "(got 16 bytes, need 32+ bytes)") == 1);
    CHECK(ring.get(identifier, 16).has_value());
}

TEST_CASE("removing a key moves it from present by incompletely removed to absent, and adding it meanwhile "
          "revives it" *
          PROPERTY(57)) {
    keyring_rig rig;
    auto& ring = rig.ring;
    const auto identifier = ring.add(rig.raw_key).value();
    auto file = ring.get(identifier, strength).value();
    const auto derived = extent_key(*file);
    CHECK(ring.status(identifier) == key_status::present);

    CHECK(ring.remove(identifier)->files_busy);
    CHECK(ring.status(identifier) == key_status::incompletely_removed);
    CHECK(is_no_key(ring.get(identifier, strength)));
    CHECK(extent_key(*file) == derived);

    CHECK(ring.add(rig.raw_key).value() == identifier);
    CHECK(ring.status(identifier) == key_status::present);
    CHECK(file->is_present());
    CHECK(ring.get(identifier, strength).has_value());
    CHECK(rig.observer.told.empty());

    CHECK(ring.remove(identifier)->files_busy);
    file = {};
    CHECK(ring.status(identifier) == key_status::absent);
    CHECK(is_no_key(ring.remove(identifier)));

    CHECK(ring.add(rig.raw_key, 1).has_value());
    CHECK(ring.add(rig.raw_key, 2).has_value());
    CHECK(ring.remove(identifier, 1)->other_users);
    CHECK(ring.get(identifier, strength).has_value());
}

TEST_CASE("open files of a removed key derive keys until the last is closed, then the secret is gone" *
          PROPERTY(65)) {
    keyring_rig rig;
    const auto identifier = rig.ring.add(rig.raw_key).value();
    auto first = rig.ring.get(identifier, strength).value();
    auto second = rig.ring.get(identifier, strength).value();
    const auto derived = extent_key(*first);
    CHECK(rig.ring.remove(identifier)->files_busy);
    CHECK_FALSE(second->is_present());
    first = {};
    CHECK(extent_key(*second) == derived);
    CHECK(rig.observer.told.empty());
    second = {};
    CHECK(rig.observer.told == std::vector{identifier});
    CHECK(rig.ring.status(identifier) == key_status::absent);
}

TEST_CASE("a key that no file uses is gone when it is removed") {
    keyring_rig rig;
    const auto identifier = rig.ring.add(rig.raw_key).value();
    { const auto closed_before = rig.ring.get(identifier, strength).value(); }
    const auto removed = rig.ring.remove(identifier).value();
    CHECK_FALSE(removed.files_busy);
    CHECK_FALSE(removed.other_users);
    CHECK(rig.ring.status(identifier) == key_status::absent);
    CHECK(rig.observer.told == std::vector{identifier});
}

TEST_CASE("a removed key may be removed again, which says whether files are busy") {
    keyring_rig rig;
    const auto identifier = rig.ring.add(rig.raw_key, 1).value();
    const auto file = rig.ring.get(identifier, strength).value();
    CHECK(rig.ring.remove(identifier, 1)->files_busy);
    CHECK(rig.ring.remove(identifier, 1)->files_busy);
    CHECK(rig.ring.remove_all_users(identifier)->files_busy);
    CHECK(rig.ring.status(identifier) == key_status::incompletely_removed);
}

TEST_CASE("adding a key again is nothing to one user and a claim of another") {
    keyring_rig rig;
    auto& ring = rig.ring;
    const auto identifier = ring.add(rig.raw_key, 1).value();
    CHECK(ring.add(rig.raw_key, 1).value() == identifier);
    CHECK_FALSE(ring.has_claim(identifier, 2));
    CHECK(ring.add(rig.raw_key, 2).value() == identifier);
    CHECK(ring.has_claim(identifier, 1));
    CHECK(ring.has_claim(identifier, 2));
    CHECK_FALSE(ring.has_claim(unknown, 1));

    CHECK(ring.remove(identifier, 1)->other_users);
    CHECK_FALSE(ring.has_claim(identifier, 1));
    CHECK(is_no_key(ring.remove(identifier, 1)));
    CHECK(ring.status(identifier) == key_status::present);
    CHECK_FALSE(ring.remove(identifier, 2)->other_users);
    CHECK(ring.status(identifier) == key_status::absent);
}

TEST_CASE("nobody removes a key without a claim on it") {
    keyring ring;
    const auto identifier = ring.add(counting_bytes(32), 1).value();
    CHECK(is_no_key(ring.remove(identifier, 2)));
    CHECK(is_no_key(ring.remove(unknown, 1)));
    CHECK(is_no_key(ring.remove_all_users(unknown)));
    CHECK(ring.status(identifier) == key_status::present);
}

TEST_CASE("a key is removed for all users at once") {
    keyring_rig rig;
    const auto identifier = rig.ring.add(rig.raw_key, 1).value();
    CHECK(rig.ring.add(rig.raw_key, 2).has_value());
    const auto removed = rig.ring.remove_all_users(identifier).value();
    CHECK_FALSE(removed.files_busy);
    CHECK_FALSE(removed.other_users);
    CHECK(rig.ring.status(identifier) == key_status::absent);
}

TEST_CASE("a revived key belongs to who revived it") {
    keyring_rig rig;
    const auto identifier = rig.ring.add(rig.raw_key, 1).value();
    const auto file = rig.ring.get(identifier, strength).value();
    CHECK(rig.ring.remove(identifier, 1)->files_busy);
    CHECK(rig.ring.add(rig.raw_key, 2).has_value());
    CHECK(rig.ring.has_claim(identifier, 2));
    CHECK_FALSE(rig.ring.has_claim(identifier, 1));
    CHECK(is_no_key(rig.ring.remove(identifier, 1)));
}

TEST_CASE("a key that was gone derives the same when it is added again") {
    keyring_rig rig;
    const auto identifier = rig.ring.add(rig.raw_key).value();
    const auto derived = extent_key(*rig.ring.get(identifier, strength).value());
    CHECK(rig.ring.remove(identifier).has_value());
    CHECK(rig.ring.add(rig.raw_key).value() == identifier);
    CHECK(extent_key(*rig.ring.get(identifier, strength).value()) == derived);
}

TEST_CASE("the observer is told once of each secret, while it is still one") {
    recording_observer observer;
    std::array<key_identifier, 2> identifiers;
    std::array<std::byte, 64> derived{};
    {
        keyring ring;
        ring.set_observer(&observer);
        for (std::size_t i = 0; i < identifiers.size(); ++i)
            identifiers[i] = ring.add(random_bytes(32, test_seed() + i)).value();
        {
            const auto file = ring.get(identifiers[0], strength).value();
            derived = extent_key(*file);
            CHECK(ring.remove(identifiers[0])->files_busy);
        }
        CHECK(observer.last_extent_key == derived);
        CHECK(observer.told == std::vector{identifiers[0]});
    }
    CHECK(observer.told == std::vector{identifiers[0], identifiers[1]});
}

TEST_CASE("a reference that was moved from holds nothing") {
    keyring_rig rig;
    const auto identifier = rig.ring.add(rig.raw_key).value();
    auto file = rig.ring.get(identifier, strength).value();
    auto moved = std::move(file);
    CHECK_FALSE(file); // NOLINT(bugprone-use-after-move): that is the question
    CHECK(moved);
    CHECK(rig.ring.remove(identifier)->files_busy);
    file = std::move(moved);
    CHECK(rig.observer.told.empty());
    file = master_key_ref();
    CHECK(rig.observer.told.size() == 1);
}

TEST_CASE("using a key allocates nothing") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    keyring_rig rig;
    const auto identifier = rig.ring.add(rig.raw_key).value();
    const allocation_counter counter;
    {
        const auto file = rig.ring.get(identifier, strength).value();
        (void)extent_key(*file);
        (void)rig.ring.status(identifier);
    }
    CHECK(counter.count() == 0);
}

TEST_CASE("a key that cannot be added for lack of memory leaves the keyring as it was") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    for (std::uint64_t failing = 0; failing < 100; ++failing) {
        keyring_rig rig;
        result<key_identifier> added = make_error(EINVAL);
        bool happened = false;
        {
            const allocation_fault fault(failing);
            added = rig.ring.add(rig.raw_key, 1);
            happened = fault.happened();
        }
        if (!happened) {
            CHECK(failing > 1);
            return;
        }
        REQUIRE_FALSE(added.has_value());
        CHECK(added.error() == std::errc::not_enough_memory);
        const auto identifier = rig.ring.add(rig.raw_key, 2).value();
        CHECK_FALSE(rig.ring.has_claim(identifier, 1));
    }
    FAIL("it allocates without end");
}

TEST_CASE("nothing of a removed key is left in memory") {
    if (!allocation_counter::available()) {
        MESSAGE("skipped, the heap is not ours to count");
        return;
    }
    keyring ring;
    auto raw_key = random_bytes(64, test_seed() + 5);
    const auto pieces = masked_pieces(raw_key);
    const auto identifier = ring.add(raw_key).value();
    zeroize(raw_key);
    CHECK(count_in_memory(pieces) == 0); // the secret is what was made of it
    auto file = std::optional(ring.get(identifier, strength).value());
    auto derived = extent_key(**file);
    const auto derived_pieces = masked_pieces(derived);
    zeroize(derived);
    CHECK(ring.remove(identifier).has_value());
    file.reset();
    CHECK(count_in_memory(derived_pieces) == 0);
}
